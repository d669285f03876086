# SPDX-License-Identifier: BSD-3-Clause
"""What to ask about a zone, by a seed: its names, their parents, children and
neighbours, what their records point at, and strangers."""

import random
import struct

import dns.name
import dns.rdatatype
import proof

DO = 0x8000
TYPE = {t: int(dns.rdatatype.from_text(t)) for t in (
    "A", "AAAA", "NS", "SOA", "MX", "TXT", "CNAME", "DNAME", "DS", "DNSKEY", "NSEC", "NSEC3",
    "NSEC3PARAM", "RRSIG", "SRV", "SVCB", "HTTPS", "CAA", "PTR", "NAPTR", "CDS", "CDNSKEY", "ANY",
    "HINFO", "TYPE65280", "TYPE731", "TLSA", "KEY", "SIG", "LOC", "CSYNC")}
COMMON = [TYPE[t] for t in ("A", "A", "A", "AAAA", "NS", "SOA", "MX", "TXT", "CNAME", "DNAME", "DS",
                            "DS", "ANY")] + list(TYPE.values())
WORD_OF_NAME = {"MX": 1, "SRV": 3, "SVCB": 1, "HTTPS": 1}
OCTET_OF_NAME = {"MX": 2, "SRV": 6, "SVCB": 2, "HTTPS": 2}
POINTING = {"NS", "CNAME", "DNAME", "PTR", "MX", "SRV", "SVCB", "HTTPS"}
SIZES = [None, 0, 512, 513, 700, 1000, 1232, 1232, 1400, 4096, 4096, 4096, 65535]
LABELS = [b"a", b"b", b"c", b"www", b"*", b"ns", b"nope", b"\0", b"\xff", b"zz", b"x" * 63]


class Names:
    """The names of a zone file that has one record a line, all names absolute.
    A name is a tuple of labels in lower case, without the root's. `zones` are all that are
    served: {apex: path of the file}."""

    def __init__(self, origin, path, zones=None):
        self.text = origin
        self.origin = labels_of(origin)
        self.zones = zones or {self.origin: path}
        self.owners = {}
        self.targets = set()
        self.hashes = set()
        with open(path, encoding="latin-1") as f:
            for line in f:
                self.read(line)
        self.empty = {name[i:] for name in self.owners for i in
                      range(1, len(name) - len(self.origin) + 1)} - set(self.owners)
        self.all = sorted(self.owners) + sorted(self.empty)

    def read(self, line):
        name = owner_of(line)
        if name is None:
            return
        _, _, _, rdtype, rdata = (*line.split(None, 4), "")[:5]
        if rdtype == "NSEC3":
            self.hashes.add(name)
            return
        if rdtype in POINTING:
            self.targets.add(pointed_at(rdtype, rdata.split()))
        if rdtype != "RRSIG" or name not in self.hashes:
            self.owners.setdefault(name, set()).add(int(dns.rdatatype.from_text(rdtype)))

    def exists(self, name):
        return name in self.owners or name in self.empty

    def zone_of(self, name, rdtype=0):
        """The apex of the served zone that speaks for a name and type, None without one."""
        parent_side = rdtype == TYPE["DS"] and name in self.zones
        return next((name[i:] for i in range(parent_side, len(name) + 1)
                     if name[i:] in self.zones), None)


def pointed_at(rdtype, words):
    """The name that stands in rdata, which may be written in hexadecimal."""
    if words[0] != "\\#":
        return labels_of(words[WORD_OF_NAME.get(rdtype, 0)])
    wire = bytes.fromhex("".join(words[2:]))
    return proof.labels_of(wire[OCTET_OF_NAME.get(rdtype, 0):])[0]


def owner_of(line):
    """The name that a line of a zone file begins with, None if it holds no record."""
    return None if line[:1] in "; \t\n$" else labels_of(line.split(None, 1)[0])


known = {}


def labels_of(text):
    """The labels of a name in a file, lower case; names come again and again."""
    labels = known.get(text)
    if labels is None:
        if len(known) > 100000:
            known.clear()
        labels = known[text] = dns.name.from_text(text).canonicalize().labels[:-1]
    return labels


def covers(origin, name):
    """Whether a name is at or below the zone called `origin`."""
    labels = labels_of(origin)
    return name[len(name) - len(labels):] == labels if len(name) >= len(labels) else False


def fits(name):
    return sum(len(label) + 1 for label in name) < 255


def to_wire(name):
    return b"".join(bytes((len(label),)) + label for label in name) + b"\0"


class Query:
    """A query; `name` is in lower case, its message may not be."""

    __slots__ = ("name", "rdtype", "dnssec", "size", "tcp", "wire")

    def __init__(self, name, rdtype, size=None, dnssec=False, tcp=False, flags=0,
                 spelled=None):
        self.name = name
        self.rdtype = rdtype
        self.size = size
        self.dnssec = dnssec
        self.tcp = tcp
        self.wire = struct.pack("!HHHHHH", 0, flags, 1, 0, 0, size is not None) + \
            to_wire(spelled or name) + struct.pack("!HH", rdtype, 1)
        if size is not None:
            self.wire += struct.pack("!BHHIH", 0, 41, size, DO if dnssec else 0, 0)

    def over_tcp(self):
        again = Query.__new__(Query)
        for slot in Query.__slots__:
            setattr(again, slot, getattr(self, slot))
        again.tcp = True
        return again

    def __str__(self):
        name = dns.name.Name((*self.name, b"")).to_text()
        flags = int.from_bytes(self.wire[2:4], "big")
        return " ".join([name, dns.rdatatype.to_text(self.rdtype)]
                        + ([f"edns={self.size}"] if self.size is not None else [])
                        + ["do"] * self.dnssec + ["tcp"] * self.tcp
                        + ["rd"] * bool(flags & 0x100) + ["cd"] * bool(flags & 0x10))


class Asker:
    def __init__(self, names, seed, signed):
        self.names = names
        self.chance = random.Random(seed)
        self.signed = signed
        self.targets = sorted(names.targets)
        self.hashes = sorted(names.hashes)

    def queries(self, count):
        """`count` queries: half of them at most for what is there, the rest around it."""
        sure = [(name, rdtype) for name in self.names.all
                for rdtype in sorted(self.names.owners.get(name, ()))
                + self.chance.sample(COMMON, 3)]
        self.chance.shuffle(sure)
        picked = sure[:count // 2]
        while len(picked) < count:
            name = self.around()
            if fits(name):
                picked.append((name, self.rdtype(name)))
        return [self.query(name, rdtype) for name, rdtype in picked]

    def rdtype(self, name):
        held = self.names.owners.get(name)
        if held and self.chance.random() < 0.4:
            return self.chance.choice(sorted(held))
        if self.chance.random() < 0.01:
            return self.chance.choice([0, 40, 128, 200, 249, 256, 4000, 65535])
        return self.chance.choice(COMMON)

    def around(self):
        """A name near one of the zone's."""
        chance = self.chance
        base = chance.choice(self.names.all) if chance.random() < 0.85 or not self.targets \
            else chance.choice(self.targets)
        kind = chance.random()
        if kind < 0.15:
            return base
        if kind < 0.4:
            return (self.label(), *base)
        if kind < 0.5:
            return (self.label(), self.label(), *base)
        if kind < 0.6:
            return (self.label(), *base[1:]) if base else base
        if kind < 0.72:
            return self.neighbour(base)
        if kind < 0.8:  # below one name as below another: what a DNAME leads to
            other = chance.choice(self.names.all)
            keep = max(0, len(other) - len(self.names.origin))
            return (*other[:min(keep, chance.randint(1, 2))], *base)
        if kind < 0.83 and self.hashes:
            name = chance.choice(self.hashes)
            return name if chance.random() < 0.6 else (self.label(), *name)
        if kind < 0.86:
            return base[1:]
        if kind < 0.89:
            return self.filled(base)
        return (b"%x" % chance.randrange(1 << 24), *self.names.origin)

    def label(self):
        if self.chance.random() < 0.3:
            return self.chance.choice(self.chance.choice(self.names.all) or (b"a",))
        return self.chance.choice(LABELS)

    def neighbour(self, name):
        """A name that sorts just before or behind."""
        if not name:
            return name
        label = name[0]
        kind = self.chance.randrange(4)
        if kind == 0 and len(label) < 63:
            label += b"\0"
        elif kind == 1 and label[-1]:
            label = label[:-1] + bytes((label[-1] - 1,)) + (b"\xff" if len(label) < 63 else b"")
        elif kind == 2 and label[-1] < 255:
            label = label[:-1] + bytes((label[-1] + 1,))
        elif len(label) > 1:
            label = label[:-1]
        return (label.lower(), *name[1:])

    def filled(self, name):
        """A name below that is as long as can be, or nearly."""
        left = 254 - self.chance.randint(0, 3) - sum(len(label) + 1 for label in name)
        labels = []
        while left > 1:
            octets = min(63, left - 1)
            labels.append(b"f" * octets)
            left -= octets + 1
        return (*labels, *name)

    def query(self, name, rdtype):
        chance = self.chance
        size = chance.choice(SIZES)
        dnssec = size is not None and chance.random() < (0.75 if self.signed else 0.3)
        flags = 0x100 * (chance.random() < 0.15) | 0x10 * (chance.random() < 0.05)
        spelled = None
        if chance.random() < 0.15:
            spelled = tuple(bytes(chance.choice((o, o & 0xdf)) if 97 <= o <= 122 else o
                                  for o in label) for label in name)
        return Query(name, rdtype, size, dnssec, chance.random() < 0.04, flags,
                     spelled)
