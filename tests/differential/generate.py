# SPDX-License-Identifier: BSD-3-Clause
"""Makes nasty zones from a seed: every family of zones is a function of the seed
and its number, whatever else is made."""

import base64
import random

import dns.name

TTLS = [0, 1, 60, 300, 300, 3600, 86400, 604800]
LABELS = [b"a", b"b", b"c", b"d", b"www", b"mail", b"ns", b"x", b"y", b"_tcp", b"0"]
ODD_LABELS = [b"\0", b"\xff", b"a.b", b"a\\b", b'"q"', b"@", b"x y", b"-", b"$", b"(;)", b"a*",
              b"*a", b"**", b"\0\0", b"[", b"`", b"{", b"~", b"\x7f\x80", b"A\0", b"B.a", b" "]
LONG_LABELS = [b"l" * 63, b"L" * 62 + b"m", b"\xfe" * 63, b"k" * 62]
SIGNED = ["nsec", "nsec", "nsec3", "optout"]


class Zone:
    """What one zone is to hold, as text lines, and how it is to be signed: not at
    all (""), or with "nsec", "nsec3" or "optout"."""

    def __init__(self, origin, chance, signing=""):
        self.origin = origin
        self.chance = chance
        self.signing = signing
        self.iterations = chance.choice([0, 0, 0, 1, 12])
        self.salt = chance.choice(["-", "-", "beef", "0123456789abcdef"])
        self.signer = "ldns" if chance.random() < 0.15 else "bind"
        self.owners = {}
        self.children = []

    def add(self, owner, rdtype, *rdatas, ttl=None):
        """One RRset more, if the owner may have it and its name is not too long."""
        if owner is None:
            return False
        if self.signing in ("nsec3", "optout") and not join(b"*", owner):
            return False  # dnssec-signzone and NSD 4.6 want room for a wildcard's hash
        held = self.owners.setdefault(owner, {})
        if rdtype == "CNAME" and held or "CNAME" in held or rdtype in ("CNAME", "DNAME") and \
                owner == self.origin and rdtype == "CNAME":
            return False
        if rdtype in held or {rdtype, *held} >= {"NS", "DNAME"} and owner != self.origin:
            return False
        held[rdtype] = (self.chance.choice(TTLS) if ttl is None else ttl,
                        list(dict.fromkeys(rdatas)))
        return True

    def prune(self):
        """Leaves out what lies below a DNAME: Knot refuses such zones."""
        for owner in list(self.owners):
            above = owner
            while above != self.origin:
                above = above.parent()
                if "DNAME" in self.owners.get(above, ()):
                    del self.owners[owner]
                    break

    def lines(self):
        """All records, one a line, all names absolute."""
        out = []
        for owner, held in self.owners.items():
            name = owner.to_text()
            for rdtype, (ttl, rdatas) in held.items():
                out += [f"{name} {ttl} IN {rdtype} {rdata}" for rdata in rdatas]
        return out


def join(label, base):
    """The name one label below `base`, None where it would be too long."""
    try:
        return dns.name.Name((label, *base.labels))
    except dns.name.NameTooLong:
        return None


class Maker:
    """Fills a zone with motifs, each below a name picked at random, so that they
    grow into one another."""

    def __init__(self, zone):
        self.zone = zone
        self.chance = zone.chance
        self.add = zone.add

    def fill(self):
        self.apex()
        for motif in self.chance.choices(MOTIFS, WEIGHTS, k=self.chance.randint(5, 14)):
            motif(self)

    def apex(self):
        zone, chance = self.zone, self.chance
        minimum = chance.choice([0, 5, 300, 3600, 100000])
        servers = [join(f"ns{i}".encode(), zone.origin) for i in range(chance.randint(1, 3))]
        zone.add(zone.origin, "SOA", f"{servers[0] or '.'} hostmaster.example. 1 3600 600 604800 "
                 f"{minimum}", ttl=chance.choice([0, 60, 3600, 86400]))
        targets = [n.to_text() for n in servers if n] + \
            (["ns.elsewhere.example."] if chance.random() < 0.3 else [])
        if chance.random() < 0.04:  # then BIND wants no server's name below it
            self.add(zone.origin, "DNAME", "target.example.")
            targets = []
        zone.add(zone.origin, "NS", *(targets or ["ns.elsewhere.example."]))
        for server in servers:
            self.addresses(server)
        if chance.random() < 0.4:
            self.some_types(zone.origin, 2)
        if chance.random() < 0.2:
            self.some_types(join(b"*", zone.origin), 1)

    # Picking names

    def label(self):
        chance = self.chance.random()
        if chance < 0.75:
            return self.chance.choice(LABELS)
        if chance < 0.85:
            return self.chance.choice(ODD_LABELS)
        if chance < 0.9:
            return self.chance.choice(LONG_LABELS)
        if chance < 0.95:
            return bytes(self.chance.randrange(256) for _ in range(self.chance.randint(1, 5)))
        return self.chance.choice(LABELS).upper()

    def base(self):
        """The origin, or an owner that there is."""
        if self.chance.random() < 0.45:
            return self.zone.origin
        return self.chance.choice(list(self.zone.owners))

    def fresh(self, base=None):
        return join(self.label(), base or self.base())

    def target(self):
        """A name to point at, as text: of the zone, nearly of it, or elsewhere."""
        chance = self.chance.random()
        if chance < 0.6:
            name = self.chance.choice(list(self.zone.owners))
        elif chance < 0.85:
            name = self.fresh()
        elif chance < 0.95:
            name = dns.name.from_text("www.elsewhere.example.")
        else:
            name = self.chance.choice([dns.name.root, self.zone.origin.parent()])
        return (name or self.zone.origin).to_text()

    def server(self):
        """A name for SVCB to point at, which never has SVCB itself: Knot 3.2 goes round for
        ever in services that point at each other."""
        return self.chance.choice([join(b"ns0", self.zone.origin) or dns.name.root, dns.name.root,
                                   dns.name.from_text("www.elsewhere.example.")]).to_text()

    # Filling names

    def addresses(self, owner):
        which = self.chance.random()
        if which < 0.8:
            self.add(owner, "A", *(self.ip4() for _ in range(self.chance.randint(1, 2))))
        if which > 0.4:
            self.add(owner, "AAAA", self.ip6())

    def ip4(self):
        return f"192.0.2.{self.chance.randint(0, 255)}"

    def ip6(self):
        return f"2001:db8::{self.chance.randrange(65536):x}"

    def hexes(self, octets):
        return "".join(f"{self.chance.randrange(256):02x}" for _ in range(octets))

    def some_types(self, owner, count):
        for rdtype in self.chance.sample(list(RDATA), count):
            self.add(owner, rdtype, *(RDATA[rdtype](self) for _ in
                                      range(self.chance.choice([1, 1, 1, 2, 4]))))

    # Motifs

    def hosts(self):
        base = self.base()
        for _ in range(self.chance.randint(1, 6)):
            self.some_types(self.fresh(base), self.chance.randint(1, 3))

    def wildcard(self):
        base = self.base() if self.chance.random() < 0.5 else self.fresh()
        star = base and join(b"*", base)
        if not star:
            return
        kind = self.chance.random()
        if kind < 0.2:
            self.add(star, "CNAME", self.target())
        elif kind < 0.27:
            self.add(star, "CNAME", (self.fresh(base) or base).to_text())
        elif kind < 0.32:
            self.add(star, "DNAME", self.target())
        else:
            self.some_types(star, self.chance.randint(1, 3))
        if self.chance.random() < 0.4:
            self.some_types(self.fresh(base), 1)  # a name that the wildcard is not for
        if self.chance.random() < 0.3:
            self.some_types(self.fresh(star), 1)
        if self.chance.random() < 0.2:
            self.some_types(join(b"*", star), 1)

    def empty(self):
        name = self.base()
        for _ in range(self.chance.randint(2, 5)):
            name = name and self.fresh(name)
        if name:
            self.some_types(name, 1)

    def cut(self):
        zone, chance = self.zone, self.chance
        cut = self.fresh()
        if not cut:
            return
        servers = []
        for _ in range(chance.choice([1, 1, 2, 2, 3, 13])):
            kind = chance.random()
            if kind < 0.5:
                name = self.fresh(cut)  # in-domain
            elif kind < 0.6:
                name = cut
            elif kind < 0.75:
                name = self.fresh()  # sibling, or an ordinary name
            elif kind < 0.85:
                name = self.fresh(cut) and self.fresh(self.fresh(cut))
            else:
                name = dns.name.from_text(self.target())
            if not name:
                continue
            servers.append(name.to_text())
            if chance.random() < 0.85 and name.is_subdomain(zone.origin):
                self.addresses(name)
        if not servers or not self.add(cut, "NS", *servers):
            return
        if chance.random() < 0.45:
            self.add(cut, "DS", *(f"{chance.randrange(65536)} 13 2 {self.hexes(32)}"
                                  for _ in range(chance.choice([1, 1, 2]))))
        if chance.random() < 0.4:  # occluded
            self.some_types(cut, 1)
            self.some_types(self.fresh(cut), 2)
        if chance.random() < 0.2:  # a cut below the cut
            below = self.fresh(cut)
            self.add(below, "NS", self.target())
            self.addresses(self.fresh(below or cut))
        if chance.random() < 0.15:
            self.add(self.fresh(cut), "CNAME", self.target())
        if chance.random() < 0.1:
            self.some_types(join(b"*", cut), 1)

    def many_cuts(self):
        """Delegations side by side, few of them signed: what opt-out is for."""
        base = self.base()
        for i in range(self.chance.randint(3, 15)):
            cut = join(f"t{i}".encode(), base)
            self.add(cut, "NS", f"ns.elsewhere{i}.example.")
            if self.chance.random() < 0.25:
                self.add(cut, "DS", f"{i} 8 2 {self.hexes(32)}")

    def dname(self):
        owner = self.fresh()
        if not owner:
            return
        kind = self.chance.random()
        if kind < 0.08:
            target = (self.fresh(owner) or owner).to_text()  # below itself
        elif kind < 0.14:
            target = owner.parent().to_text()
        elif kind < 0.2:
            target = dns.name.Name((b"t" * 63, b"u" * 63, b"v" * 63, b"w" * 30, b"")).to_text()
        else:
            target = self.target()
        self.add(owner, "DNAME", target)
        if self.chance.random() < 0.3:
            self.some_types(owner, 1)
        if self.chance.random() < 0.3:
            self.some_types(self.fresh(owner), 1)  # occluded
        if self.chance.random() < 0.5 and kind >= 0.2:
            base = dns.name.from_text(target)
            if base.is_subdomain(self.zone.origin):
                self.some_types(self.fresh(base), 1)

    def chain(self):
        names = [self.fresh() for _ in range(self.chance.choice([1, 1, 2, 3, 4, 5, 6, 7, 14]))]
        names = list(dict.fromkeys(n for n in names if n and n not in self.zone.owners))
        end = names[0].to_text() if names and self.chance.random() < 0.12 else self.target()
        for i, name in enumerate(names):
            self.add(name, "CNAME", names[i + 1].to_text() if i + 1 < len(names) else end)

    def huge(self):
        owner = self.base() if self.chance.random() < 0.3 else self.fresh()
        kind = self.chance.random()
        count = self.chance.choice([20, 40, 60, 100, 300, 1500])
        if kind < 0.6:
            self.add(owner, "A", *(f"198.18.{i >> 8}.{i & 255}" for i in range(count)))
        elif kind < 0.9:
            self.add(owner, "TXT", *(f'"{self.hexes(20)} {i}"' for i in range(min(count, 700))))
        else:
            self.add(owner, "TXT", " ".join(f'"{self.hexes(120)}"' for _ in range(count // 8)))

    def types(self):
        self.some_types(self.fresh(), min(len(RDATA), self.chance.randint(8, 20)))

    def odd(self):
        base = self.base()
        for _ in range(self.chance.randint(2, 5)):
            self.some_types(join(self.chance.choice(ODD_LABELS), base), 1)

    def deep(self):
        """A name as long, or of as many labels, as can be."""
        name = self.base()
        label = self.chance.choice([b"d", b"d", b"*", b"o" * 63, b"o" * 20])
        below = name
        while below:
            name, below = below, join(label, below)
        self.some_types(name, 1)
        up = name
        for _ in range(self.chance.randint(1, 4)):
            up = up.parent()
        if up.is_subdomain(self.zone.origin):
            self.some_types(up, 1)

    def case(self):
        base = self.base()
        for label in (b"MiXeD", b"mIxEdE", b"MIXE", b"aZ"):
            self.some_types(join(label, base), 1)

    def pointers(self):
        """Records whose targets' addresses are worth adding."""
        owner = self.fresh()
        self.add(owner, "MX", *(f"{i} {self.target()}" for i in range(self.chance.randint(1, 3))))
        self.add(owner, "SRV", *(f"0 {i} 53 {self.target()}"
                                 for i in range(self.chance.randint(1, 3))))
        self.add(owner, "SVCB", f"1 {self.server()} alpn=h2")
        behind = self.fresh()
        if self.add(behind, "HTTPS", f"1 {self.server()} alpn=h2"):
            self.add(owner, "HTTPS", f"0 {behind}")

    def child(self):
        """A delegation to a zone that is served beside this one."""
        cut = self.fresh(self.zone.origin)
        if not cut or cut in self.zone.owners or cut in self.zone.children or \
                cut.labels[0].lower() not in LABELS:
            return
        self.zone.children.append(cut)
        if self.chance.random() < 0.2:
            self.some_types(self.fresh(cut), 1)


MOTIFS = [Maker.hosts, Maker.wildcard, Maker.empty, Maker.cut, Maker.many_cuts, Maker.dname,
          Maker.chain, Maker.huge, Maker.types, Maker.odd, Maker.deep, Maker.case,
          Maker.pointers, Maker.child]
WEIGHTS = [6, 8, 4, 7, 2, 5, 6, 1, 2, 3, 1, 2, 3, 2]


def text_of(maker):
    return " ".join(f'"{maker.chance.choice(["v=spf1 -all", "x", "", "y" * 255])}"'
                    for _ in range(maker.chance.randint(1, 3)))


def base64_of(maker, octets=33):
    return base64.b64encode(bytes.fromhex(maker.hexes(octets))).decode()


def bit(maker, top):
    return maker.chance.randrange(top)


RDATA = {
    "A": Maker.ip4,
    "AAAA": Maker.ip6,
    "MX": lambda m: f"{bit(m, 100)} {m.target()}",
    "TXT": text_of,
    "SRV": lambda m: f"{bit(m, 9)} {bit(m, 9)} {bit(m, 65536)} {m.target()}",
    "PTR": Maker.target,
    "CAA": lambda m: f'{bit(m, 2) * 128} issue "ca{bit(m, 9)}.example"',
    "NAPTR": lambda m: f'{bit(m, 9)} {bit(m, 9)} "u" "E2U+sip" "!^.*$!sip:x@y!" {m.target()}',
    "HINFO": lambda m: f'"PDP-{bit(m, 12)}" "UNIX"',
    "RP": lambda m: f"{m.target()} {m.target()}",
    "AFSDB": lambda m: f"{bit(m, 3)} {m.target()}",
    "KX": lambda m: f"{bit(m, 9)} {m.target()}",
    "RT": lambda m: f"{bit(m, 9)} {m.target()}",
    "PX": lambda m: f"{bit(m, 9)} {m.target()} {m.target()}",
    "MB": Maker.target,
    "MG": Maker.target,
    "MR": Maker.target,
    "MINFO": lambda m: f"{m.target()} {m.target()}",
    "X25": lambda m: f'"{bit(m, 100000) + 10000}"',
    "LOC": lambda m: f"{bit(m, 90)} 22 23.000 N 4 53 32.000 E -2.00m 0.00m 10000m 10m",
    "SSHFP": lambda m: f"1 1 {m.hexes(20)}",
    "TLSA": lambda m: f"3 1 1 {m.hexes(32)}",
    "SMIMEA": lambda m: f"3 1 1 {m.hexes(32)}",
    "OPENPGPKEY": base64_of,
    "DHCID": base64_of,
    "CERT": lambda m: f"1 {bit(m, 65536)} 8 {base64_of(m)}",
    "URI": lambda m: f'{bit(m, 9)} 1 "https://www{bit(m, 9)}.example/"',
    "EUI48": lambda m: "-".join(m.hexes(1) for _ in range(6)),
    "EUI64": lambda m: "-".join(m.hexes(1) for _ in range(8)),
    "NID": lambda m: f"{bit(m, 9)} 0014:4fff:ff20:{bit(m, 9999):04}",
    "L32": lambda m: f"{bit(m, 9)} {m.ip4()}",
    "L64": lambda m: f"{bit(m, 9)} 2001:0db8:1140:{bit(m, 9999):04}",
    "LP": lambda m: f"{bit(m, 9)} {m.target()}",
    "SPF": text_of,
    "CSYNC": lambda m: f"{bit(m, 9999)} 3 A NS AAAA",
    "SVCB": lambda m: f"{bit(m, 9) + 1} {m.server()} alpn=h2,h3 port=8443 ipv4hint={m.ip4()}",
    "HTTPS": lambda m: f"{bit(m, 9) + 1} {m.server()} alpn=h2 ipv6hint={m.ip6()}",
    "TYPE731": lambda m: f"\\# 6 abcdef{m.hexes(3)}",
    "TYPE65280": lambda m: f"\\# 4 0a00{m.hexes(2)}",
    "TYPE65534": lambda m: "\\# 0",
}


def families(seed, count):
    """Zones, `count` of them, parents before their children."""
    made = number = 0
    while made < count:
        for zone in family(seed, number)[:count - made]:
            made += 1
            yield zone
        number += 1


def family(seed, number):
    """A zone, and those of its delegations that are zones beside it."""
    chance = random.Random(f"{seed}/{number}")
    labels = [f"z{number:04}".encode(), b"test", b""]
    shape = chance.random()
    if shape < 0.05:
        labels = labels[:1] + labels[2:]
    elif shape < 0.12:
        labels[1:1] = [b"long" * 15 + b"-%d" % i for i in range(3)]
    zones = [make(dns.name.Name(labels), chance)]
    for zone in zones:
        for child in zone.children[:2 if len(zones) < 4 else 0]:
            zones.append(make(child, chance))
    return zones


def make(origin, chance):
    zone = Zone(origin, chance, chance.choice(SIGNED) if chance.random() < 0.75 else "")
    Maker(zone).fill()
    if chance.random() < 0.95:
        zone.prune()
    for child in zone.children:
        server = join(b"ns0", child)
        zone.add(child, "NS", server.to_text() if server else "ns.elsewhere.example.")
        if chance.random() < 0.8:
            zone.add(server, "A", "192.0.2.99")
        if chance.random() < 0.5:
            zone.add(child, "DS", f"{chance.randrange(65536)} 13 2 " +
                     "".join(f"{chance.randrange(256):02x}" for _ in range(32)))
    return zone
