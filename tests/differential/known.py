# SPDX-License-Identifier: BSD-3-Clause
"""Why a peer differs: each function here is the row of that name in docs/differences.md, and
says whether that row explains a difference."""

import functools
import typing

import compare
import dns.flags
import dns.name
import dns.rcode
import proof
import questions
from questions import TYPE

BIND, KNOT, NSD = "bind", "knot", "nsd"
NXNAME = 128
META = (0, *range(129, 255))
DENIAL = (TYPE["NSEC"], TYPE["NSEC3"])
STAR = b"*"


class Difference(typing.NamedTuple):
    """That one peer's reply differs from ours in `what` (see compare.py)."""

    peer: str
    what: str
    query: questions.Query
    ours: compare.Reply
    theirs: compare.Reply
    names: questions.Names

    def chain(self):
        """The names that are asked for, one after the other."""
        return [proof.labels_of(name)[0] for name in
                compare.aliases(self.query, self.ours.answer)]

    def zone(self, name):
        """The names of the zone that a name is in."""
        apex = self.names.zone_of(name)
        return self.names if apex is None else names_of(apex, self.names.zones[apex])

    def dnames(self):
        """(owner, target) of the DNAME records of our answer."""
        return [(proof.labels_of(owner)[0], proof.labels_of(rdata)[0])
                for owner, rdtype, _, _, rdata in self.ours.answer if rdtype == TYPE["DNAME"]]


@functools.lru_cache(maxsize=64)
def names_of(apex, path):
    return questions.Names(dns.name.Name((*apex, b"")).to_text(), path)


def aliases_of(reply):
    return {record for record in reply.answer if record[1] == TYPE["CNAME"]}


def meta_type(d):
    return d.query.rdtype in META and (d.peer, d.theirs.rcode) in (
        (BIND, dns.rcode.FORMERR), (KNOT, dns.rcode.NOTIMP))


def nxname(d):
    return d.query.rdtype == NXNAME and d.ours.rcode == dns.rcode.FORMERR


def sig_or_key(d):
    return d.peer == BIND and d.query.rdtype in (TYPE["SIG"], TYPE["KEY"]) and \
        not d.theirs.rcode


def nsec_at_cut(d):
    return d.peer == BIND and d.query.rdtype == TYPE["NSEC"] and not d.ours.flags & dns.flags.AA


def no_proof(d):
    return d.what == "proof" and compare.proves(d.query, d.ours) and \
        not compare.proves(d.query, d.theirs)


def any_behind_dname(d):
    return d.query.rdtype == TYPE["ANY"] and bool(d.dnames())


def dname_into_itself(d):
    return any(proof.below(target, owner) for owner, target in d.dnames())


def beyond_yxdomain(d):
    return d.peer == KNOT and d.what == "answer" and d.ours.rcode == dns.rcode.YXDOMAIN


def dname_of_wildcard(d):
    return d.peer == KNOT and any(owner[:1] == (STAR,) for owner, _ in d.dnames())


def below_dname(d):
    return d.peer == NSD and any(proof.below(name, owner) for name in d.names.owners
                                 for owner, _ in d.dnames())


def owner_of_nsec3(d):
    return d.peer == NSD and any(name[i:] in d.zone(name).hashes for name in d.chain()
                                 for i in range(len(name)))


def star_without_parent(d):
    return d.peer == NSD and d.theirs.rcode == dns.rcode.NXDOMAIN and \
        any(name[:1] == (STAR,) and not d.zone(name).exists(name[1:]) for name in d.chain())


def alias_out(d):
    return d.peer in (KNOT, NSD) and compare.leads_out(d.query, d.ours.answer, d.names)


def denial_type(d):
    return d.peer in (KNOT, NSD) and d.query.rdtype in DENIAL and \
        aliases_of(d.ours) != aliases_of(d.theirs)


def one_tree(d):
    return d.peer == NSD and any(hidden_above(d, name) for name in d.chain())


def hidden_above(d, name):
    """Whether a zone above that of a name has names or a wildcard on the way to it."""
    apex = d.names.zone_of(name, d.query.rdtype) or ()
    ways = [(label, *name[i + 1:]) for i in range(len(name) - len(apex))
            for label in (name[i], STAR)]
    return any(d.zone(apex[i:]).exists(way) for i in range(1, len(apex))
               if apex[i:] in d.names.zones for way in ways)


def lower_case(d):
    def fold(records):
        return {(*record[:4], record[4].lower()) for record in records}
    return d.peer == NSD and d.what == "answer" and fold(d.ours.answer) == fold(d.theirs.answer)


def octet_zero(d):
    return d.peer == KNOT and any(
        d.zone(name).exists((name[i] + b"\0", *name[i + 1:]))
        for name in d.chain() for i in range(len(name)))


def cut_off(d):
    return d.what == "tc" or d.what == "rcode" and bool(
        d.ours.flags & d.theirs.flags & dns.flags.TC)


ROWS = (meta_type, nxname, sig_or_key, nsec_at_cut, any_behind_dname, dname_into_itself,
        beyond_yxdomain, dname_of_wildcard, below_dname, owner_of_nsec3, star_without_parent,
        alias_out, denial_type, one_tree, no_proof, lower_case, octet_zero, cut_off)


def explain(difference):
    """The name of the row that explains a difference, "" if none does."""
    if isinstance(difference.ours, str) or isinstance(difference.theirs, str):
        return ""
    return next((row.__name__ for row in ROWS if row(difference)), "")
