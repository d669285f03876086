# SPDX-License-Identifier: BSD-3-Clause
"""Whether a reply's NSEC or NSEC3 records prove what the reply says (RFC 4035
section 5.4, RFC 5155 section 8), signatures taken on trust."""

import base64
import functools
import hashlib

NS, CNAME, SOA, DNAME, DS, RRSIG, NSEC, NSEC3, ANY = 2, 5, 6, 39, 43, 46, 47, 50, 255
DENIAL = (NSEC, NSEC3)
NXDOMAIN = 3
OPT_OUT = 1


def labels_of(wire):
    """The labels of an uncompressed name, and where it ends."""
    labels = []
    at = 0
    while wire[at]:
        labels.append(wire[at + 1:at + 1 + wire[at]].lower())
        at += 1 + wire[at]
    return tuple(labels), at + 1


def bitmap_types(octets):
    types = set()
    at = 0
    while at + 2 <= len(octets):
        window, length = octets[at], octets[at + 1]
        for i, bits in enumerate(octets[at + 2:at + 2 + length]):
            types |= {window << 8 | i << 3 | j for j in range(8) if bits & 0x80 >> j}
        at += 2 + length
    return types


def covers(low, high, value):
    """Whether `value` lies between the ends of a link of a chain that is closed."""
    return low < value < high if low < high else value > low or value < high


def order(labels):
    return labels[::-1]


def common(a, b):
    """The longest name that both are at or below."""
    n = 0
    while n < min(len(a), len(b)) and a[-1 - n] == b[-1 - n]:
        n += 1
    return a[len(a) - n:]


def below(name, ancestor):
    return len(name) > len(ancestor) and name[len(name) - len(ancestor):] == ancestor


class NsecChain:
    """What NSEC records prove."""

    def __init__(self, records):
        self.links = {}
        for owner, rdata in records:
            following, end = labels_of(rdata)
            self.links[owner] = (following, bitmap_types(rdata[end:]))

    def cover(self, name):
        """(owner, next name) of the record that shows that `name` is not there."""
        for owner, (following, types) in self.links.items():
            if covers(order(owner), order(following), order(name)):
                if below(name, owner) and (DNAME in types or NS in types and SOA not in types):
                    continue  # what lies below is another's to deny (RFC 6840 section 4.1)
                return owner, following
        return None

    def encloser(self, name):
        """The closest encloser that the covering record shows, None without one."""
        link = self.cover(name)
        return link and max((common(name, end) for end in link), key=len)

    def no_name(self, name):
        link = self.cover(name)
        return bool(link) and not below(link[1], name) and \
            self.cover((b"*", *self.encloser(name))) is not None

    def not_closer(self, name, encloser):
        """That an answer made from the wildcard of `encloser` is right."""
        return self.cover(name) is not None and self.encloser(name) == encloser

    def no_type(self, name, rdtype):
        if name in self.links:
            return lacks(self.links[name][1], rdtype)
        link = self.cover(name)
        if not link:
            return False
        if below(link[1], name):
            return True  # an empty non-terminal
        star = (b"*", *self.encloser(name))
        if star in self.links:
            return lacks(self.links[star][1], rdtype)
        link = self.cover(star)
        return bool(link) and below(link[1], star)  # the wildcard is an empty non-terminal


def lacks(types, rdtype):
    """That a type bitmap denies a type, and speaks for the side that was asked."""
    if rdtype in types or CNAME in types:
        return False
    if rdtype == DS:
        return SOA not in types
    return not (NS in types and SOA not in types)


@functools.lru_cache(maxsize=65536)
def nsec3_hash(name, iterations, salt):
    digest = b"".join(bytes((len(label),)) + label for label in name) + b"\0"
    for _ in range(iterations + 1):
        digest = hashlib.sha1(digest + salt).digest()
    return digest


def unhash(label):
    back = bytes.maketrans(b"0123456789abcdefghijklmnopqrstuv",
                           b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567")
    return base64.b32decode(label.translate(back))


class Nsec3Chain:
    """What NSEC3 records prove."""

    def __init__(self, apex, records):
        self.apex = apex
        self.links = {}
        self.parameters = set()
        for owner, rdata in records:
            salt_octets = rdata[4]
            salt = rdata[5:5 + salt_octets]
            at = 5 + salt_octets
            following = rdata[at + 1:at + 1 + rdata[at]]
            self.parameters.add((rdata[2] << 8 | rdata[3], salt))
            self.links[unhash(owner[0])] = (following, rdata[1] & OPT_OUT,
                                            bitmap_types(rdata[at + 1 + rdata[at]:]))

    def match(self, name):
        """The types that the record of `name` lists, None without one."""
        link = self.links.get(self.hash(name))
        return link and link[2]

    def hash(self, name):
        iterations, salt = next(iter(self.parameters))
        return nsec3_hash(name, iterations, salt)

    def cover(self, name):
        """0 or OPT_OUT as the record that covers `name` says, None without one."""
        value = self.hash(name)
        for low, (high, opt_out, _) in self.links.items():
            if covers(low, high, value):
                return opt_out
        return None

    def encloser(self, name):
        """The closest provable encloser, and what `cover` gives for the next closer name."""
        for i in range(1, len(name) - len(self.apex) + 1):
            types = self.match(name[i:])
            if types is not None:
                if DNAME in types or NS in types and SOA not in types:
                    return None, None
                return name[i:], self.cover(name[i - 1:])
        return None, None

    def no_name(self, name):
        encloser, covered = self.encloser(name)
        return covered is not None and self.cover((b"*", *encloser)) is not None

    def not_closer(self, name, encloser):
        return self.cover(name[len(name) - len(encloser) - 1:]) is not None

    def no_type(self, name, rdtype):
        types = self.match(name)
        if types is not None:
            return lacks(types, rdtype)
        encloser, covered = self.encloser(name)
        if covered is None:
            return False
        if covered == OPT_OUT:
            # An insecure delegation, or a name that only leads to such.
            return True
        types = self.match((b"*", *encloser))
        return types is not None and lacks(types, rdtype)


def split(authority):
    """The authority section without denial, and the denial: (others, denial records,
    the set of (owner, type) that signatures there cover)."""
    others, denial, signed = set(), [], set()
    for record in authority:
        owner, rdtype, _, _, rdata = record
        if rdtype in DENIAL:
            denial.append(record)
        elif rdtype == RRSIG and int.from_bytes(rdata[:2], "big") in DENIAL:
            signed.add((owner, int.from_bytes(rdata[:2], "big")))
        else:
            others.add(record)
    return others, denial, signed


def final_name(query, answer):
    """Where the aliases of an answer lead, and whether the answer speaks of the type there."""
    links = {owner: rdata for owner, rdtype, _, _, rdata in answer if rdtype == CNAME}
    answered = {owner for owner, rdtype, _, _, _ in answer if rdtype == query.rdtype}
    name = b"".join(bytes((len(label),)) + label for label in query.name) + b"\0"
    seen = set()
    while query.rdtype not in (CNAME, ANY, RRSIG) and name in links and name not in seen:
        seen.add(name)
        name = links[name]
    return labels_of(name)[0], name in answered or query.rdtype in (ANY, RRSIG) and answer


def expanded(answer):
    """(name, closest encloser) of what a wildcard made, by the signatures' label counts."""
    out = set()
    for owner, rdtype, _, _, rdata in answer:
        if rdtype == RRSIG:
            name = labels_of(owner)[0]
            count = rdata[3]
            if count < len(name) - (name[0] == b"*" if name else 0):
                out.add((name, name[len(name) - count:]))
    return out


def proves(query, reply):
    """Whether all that needs a proof has one in the reply."""
    others, denial, signed = split(reply.authority)
    if not denial or any((record[0], record[1]) not in signed for record in denial):
        return False
    kinds = {record[1] for record in denial}
    if len(kinds) != 1:
        return False
    records = [(labels_of(record[0])[0], record[4]) for record in denial]
    if NSEC in kinds:
        chain = NsecChain(records)
    else:
        apexes = {owner[1:] for owner, _ in records}
        if len(apexes) != 1:
            return False
        chain = Nsec3Chain(apexes.pop(), records)
        if len(chain.parameters) != 1:
            return False
    return all(chain.not_closer(*pair) for pair in expanded(reply.answer)) and \
        end_proved(query, reply, others, chain)


def end_proved(query, reply, others, chain):
    name, answered = final_name(query, reply.answer)
    if answered:
        return True
    if reply.rcode == NXDOMAIN:
        return chain.no_name(name)
    held = {record[1] for record in others}
    if SOA in held:
        return chain.no_type(name, query.rdtype)
    if NS in held:
        cut = next(labels_of(record[0])[0] for record in others if record[1] == NS)
        return DS in held or chain.no_type(cut, DS)
    return True
