# SPDX-License-Identifier: BSD-3-Clause
"""Whether two servers' replies to one query say the same, and what a reply is a case of.

Rcode, flags (CD apart), question and answer must be equal; the authority section too, except that
NS records are optional where there is an answer, and that denial may differ if both prove what the
reply says. The additional section and what OPT holds are free. If any server truncates, only rcode
and TC count, and NOERROR of a peer that is full may be that of an alias it stopped at, where over
TCP it has the rcode of the end (RFC 6604 section 3), as ours; but if we do not while a peer does,
our reply must say what the peer's says over TCP; and a peer that leaves out addresses of servers
below the cut (RFC 9471 section 3.1), or what its proof would need, without truncating does not
count against one who truncates. Where we prove what we say and no peer does, proofs do not count.
Of aliases more than five the common part counts. Where an alias leads to another zone that is
served, the authority section would be that zone's: a server may look there or leave it to the
resolver, which asks anew (RFC 1034 sections 4.3.2 and 5.3.3), so it is free. ANY, and RRSIG alike,
may be answered with any of what there is (RFC 8482), which the peers say over TCP.
"""

import struct

import dns.exception
import dns.flags
import dns.message
import dns.rcode
import proof
import questions

from harness import wire as strict

FLAGS = strict.FLAGS & ~dns.flags.CD
TC, AA = dns.flags.TC, dns.flags.AA
OPT, RRSIG, NS, CNAME, DNAME, SOA, DS = 41, 46, 2, 5, 39, 6, 43
NSEC, NSEC3 = 47, 50
WHOLE = (255, 46)
ADDRESSES = (1, 28)
ALIASES = 5


def partial(query):
    """Whether a part of what there is answers the query."""
    return query.rdtype in WHOLE


class Reply:
    """What is compared of a reply. Sections are sets of (owner, type, class, TTL, rdata)."""

    __slots__ = ("rcode", "flags", "question", "answer", "authority", "additional", "octets")

    def __init__(self, octets, strict_sets):
        self.octets = octets
        try:
            _, flags, questions, *counts = struct.unpack_from("!HHHHHH", octets)
            at = 12
            for _ in range(questions):
                at = strict.read_name(octets, at)[1] + 4
            self.question = octets[12:at]
            self.rcode = flags & 15
            self.flags = flags & FLAGS
            sections = []
            for count in counts:
                section = set()
                for _ in range(count):
                    record, at = strict.read_record(octets, at)
                    section.add(record)
                    if record[1] == OPT:
                        self.rcode |= record[3] >> 24 << 4
                if strict_sets and len(section) != count:
                    raise strict.Malformed("a record twice")
                sections.append(section)
        except (IndexError, struct.error) as e:
            raise strict.Malformed(str(e)) from e
        if at != len(octets):
            raise strict.Malformed("octets after the end")
        self.answer, self.authority, self.additional = sections


def read(octets, strict_sets=False):
    """The reply, or a text that says why there is none. With `strict_sets` no record may
    stand in a section twice, as Knot has it where aliases go round."""
    if octets is None:
        return "no reply"
    try:
        return Reply(octets, strict_sets)
    except strict.Malformed as e:
        return f"malformed: {e}"


def text(octets):
    """A reply as dig shows it, for people."""
    if octets is None:
        return "no reply"
    try:
        return dns.message.from_wire(octets, ignore_trailing=True).to_text()
    except dns.exception.DNSException as e:
        return f"{e}: {octets.hex()}"


def without_ns(authority):
    return {r for r in authority if r[1] != NS and not (r[1] == RRSIG and r[4][:2] == b"\0\2")}


def aliases(query, answer):
    """The names that the aliases of an answer lead to, the first of them the query's; of
    those that go round one more than would have to be compared."""
    links = {r[0]: r[4] for r in answer if r[1] == CNAME}
    name = questions.to_wire(query.name)
    names = [name]
    while name in links and not (len(names) > ALIASES and name in names[:-1]):
        name = links[name]
        names.append(name)
    return names


def difference(query, ours, theirs, said, names):
    """In what two replies that are whole differ, "" if they agree. `said`: all answer
    records of ours, and of the peers."""
    if isinstance(ours, str) or isinstance(theirs, str):
        return "reply"
    if long_alias(query, ours, theirs):
        return ""
    if ours.rcode != theirs.rcode:
        return "rcode"
    if ours.flags != theirs.flags:
        return "flags"
    if ours.question != theirs.question:
        return "question"
    if ours.answer != theirs.answer and not (
            partial(query) and ours.answer and theirs.answer
            and (ours.answer <= said[1] or theirs.answer <= said[0])):
        return "answer"
    if leads_out(query, ours.answer, names):
        return ""
    return authority_difference(query, ours, theirs)


def leads_out(query, answer, names):
    """Whether the last alias of an answer leads from its zone to another that is served."""
    if query.rdtype == CNAME:
        return False
    chain = [proof.labels_of(name)[0] for name in aliases(query, answer)]
    to = names.zone_of(chain[-1], query.rdtype)
    return len(chain) > 1 and to is not None and to != names.zone_of(chain[-2], query.rdtype)


def truncated_difference(query, pair, whole, said, names):
    """The same of a pair where some server truncates. `whole`: what both say over TCP."""
    ours, theirs = pair
    ours_whole, theirs_whole = whole
    if isinstance(ours, str) or isinstance(theirs, str):
        return "reply"
    if theirs.flags & TC and not ours.flags & TC:
        return difference(query, ours, theirs_whole, said, names)
    if long_alias(query, ours_whole, theirs_whole):
        return ""
    stopped = theirs.flags & TC and theirs.rcode == dns.rcode.NOERROR
    end = theirs_whole if stopped and not isinstance(theirs_whole, str) else theirs
    if ours.rcode not in (theirs.rcode, end.rcode):
        return "rcode"
    return "tc" if (ours.flags ^ theirs.flags) & TC else ""


def long_alias(query, ours, theirs):
    """Whether both follow more than five aliases, the same as far as both go."""
    if not (has_alias(ours) and has_alias(theirs)):
        return False
    names = aliases(query, ours.answer), aliases(query, theirs.answer)
    length = min(map(len, names))
    return length > ALIASES and names[0][:length] == names[1][:length]


def has_alias(reply):
    return not isinstance(reply, str) and any(r[1] == CNAME for r in reply.answer)


def authority_difference(query, ours, theirs):
    authority = ours.authority, theirs.authority
    if ours.answer:
        authority = tuple(map(without_ns, authority))
    if authority[0] == authority[1]:
        return ""
    if proof.split(authority[0])[0] != proof.split(authority[1])[0]:
        return "authority"
    return "" if all(proof.proves(query, reply) for reply in (ours, theirs)) else "proof"


def judge(query, octets, whole, judges, names):
    """Compares our reply (the first of `octets`) with those of the peers, of which only
    `judges` (places among them, from 1) count; `whole` are all servers' over TCP where one
    has truncated or a part is an answer, else None. Returns our reply and {place: difference}
    of those that differ."""
    ours = read(octets[0], True)
    rest = octets[0] and octets[0][2:]
    if rest and all(octets[i] and octets[i][2:] == rest for i in judges):
        return ours, {}
    replies = {i: read(octets[i]) for i in judges}
    entire = {i: read(whole[i]) for i in replies} if whole else {}
    ours_whole = read(whole[0], True) if whole else ours
    said = answers([ours, ours_whole]), answers([*replies.values(), *entire.values()])
    if whole and any(map(truncated, octets)):
        found = judge_truncated(query, (ours, ours_whole), (replies, entire), said, names)
    else:
        found = {i: difference(query, ours, r, said, names) for i, r in replies.items()}
        if "proof" in found.values() and proves(query, ours) and \
                not any(proves(query, r) for r in replies.values()):
            found = {i: "" if what == "proof" else what for i, what in found.items()}
    return ours, {i: what for i, what in found.items() if what}


def truncated(octets):
    """Whether a reply, as octets, says that it is not all."""
    return bool(octets and octets[2] & 2)


def judge_truncated(query, both, peers, said, names):
    """Differences where some server truncates; `both` are our replies over UDP and TCP,
    `peers` theirs."""
    ours, ours_whole = both
    replies, entire = peers
    found = {}
    for i, reply in replies.items():
        found[i] = truncated_difference(query, (ours, reply), (ours_whole, entire[i]), said,
                                        names)
        if found[i] == "tc" and ours.flags & TC and (
                lacks_glue(reply, names) or proves(query, ours_whole) and
                not proves(query, reply)):
            found[i] = ""
    return found


def proves(query, reply):
    return not isinstance(reply, str) and proof.proves(query, reply)


def answers(replies):
    return set().union(*(r.answer for r in replies if not isinstance(r, str)))


def lacks_glue(reply, names):
    """Whether a referral does not have all addresses of the servers below its cut."""
    there = {record[:2] for record in reply.additional}
    for owner, rdtype, _, _, rdata in reply.authority:
        if rdtype == NS and rdata.endswith(owner):
            held = names.owners.get(proof.labels_of(rdata)[0], ())
            if any(t in held and (rdata, t) not in there for t in ADDRESSES):
                return True
    return False


def features(query, reply, names):
    """What a reply is a case of; `names` are those of the zone that was asked about."""
    if isinstance(reply, str):
        return [reply.split(":")[0]]
    out = ["tcp" if query.tcp else "udp"]
    if query.dnssec:
        out.append("do")
    if reply.flags & TC:
        return [*out, "truncated"]
    if reply.rcode not in (0, 3):
        return [*out, dns.rcode.to_text(reply.rcode).lower()]
    types = {r[1] for r in reply.answer}
    held = {r[1] for r in reply.authority}
    out += answer_features(query, reply, names, types)
    if SOA in held:
        out.append("nxdomain" if reply.rcode == 3 else "nodata")
        if reply.rcode == 0 and not names.exists(query.name) and not reply.answer:
            out.append("wildcard nodata")
        if query.name in names.empty:
            out.append("ent")
    elif NS in held and not reply.flags & AA:
        out.append("referral")
        if DS in held:
            out.append("referral signed")
    if query.rdtype == DS:
        out.append("ds")
    return out + denial_features(reply, held)


def answer_features(query, reply, names, types):
    out = []
    if CNAME in types and query.rdtype != CNAME:
        links = len(aliases(query, reply.answer)) - 1
        out.append(f"cname chain of {links}" if links <= ALIASES else "cname chain longer")
    if DNAME in types and query.rdtype != DNAME:
        out.append("dname")
    if query.rdtype in types:
        out.append("positive")
    if query.rdtype == 255:
        out.append("any")
    if types and not names.exists(query.name) and DNAME not in types:
        out.append("wildcard")
    if len(reply.octets) > 4096:
        out.append("large")
    return out


def denial_features(reply, held):
    out = []
    if NSEC in held:
        out.append("nsec")
    if NSEC3 in held:
        out.append("nsec3")
        if any(r[1] == NSEC3 and r[4][1] & 1 for r in reply.authority):
            out.append("nsec3 opt-out")
    return out
