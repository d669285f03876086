# SPDX-License-Identifier: BSD-3-Clause
"""The judge judged: replies made by hand, alike and unlike in one thing each."""

import os
import sys

import dns.flags
import dns.message
import dns.rrset
import pytest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import world  # noqa: E402, F401  for the path of the harness
import compare  # noqa: E402
import questions  # noqa: E402

SOA = "z. 60 IN SOA ns.z. h.z. 1 2 3 4 60"
SIG = "60 IN RRSIG {0} 13 {1} 60 20370101000000 20260101000000 1 z. AAAA"


def signed(text, labels):
    owner, _, _, rdtype, *_ = text.split()
    return [text, f"{owner} {SIG.format(rdtype, labels)}"]


class Names(questions.Names):
    """A zone with a cut, whose server below it has an address, and another that is served."""

    def __init__(self):
        self.owners = {(b"ns", b"cut", b"z"): {1}}
        self.empty = frozenset()
        self.zones = dict.fromkeys([(b"z",), (b"child", b"z")], os.devnull)

    def exists(self, _name):
        return True


def query(name, rdtype="A", dnssec=False):
    return questions.Query(questions.labels_of(name), questions.TYPE[rdtype], 1232, dnssec)


def reply(q, answer=(), authority=(), rcode=0, flags=dns.flags.AA, additional=()):
    message = dns.message.make_response(dns.message.from_wire(q.wire))
    message.flags = dns.flags.QR | flags
    message.set_rcode(rcode)
    for section, texts in ((message.answer, answer), (message.authority, authority),
                           (message.additional, additional)):
        for text in texts:
            owner, ttl, rdclass, rdtype, rdata = text.split(None, 4)
            section.append(dns.rrset.from_text(owner, int(ttl), rdclass, rdtype, rdata))
    return message.to_wire()


def judged(q, ours, *peers, whole=None):
    """The differences of some peers' replies."""
    places = list(range(1, len(peers) + 1))
    found = compare.judge(q, (ours, *peers), whole, places, Names())[1]
    return [found.get(i, "") for i in places]


A1, A2 = "a.z. 60 IN A 192.0.2.1", "a.z. 60 IN A 192.0.2.2"
NS = "z. 60 IN NS ns.z."


@pytest.mark.parametrize("theirs, what", [
    ({"answer": [A1, A2]}, ""),
    ({"answer": [A2, A1], "authority": [NS]}, ""),
    ({"answer": [A1]}, "answer"),
    ({"answer": [A1, "a.z. 61 IN A 192.0.2.2"]}, "answer"),
    ({"answer": [A1, A2], "authority": [SOA]}, "authority"),
    ({"answer": [A1, A2], "flags": 0}, "flags"),
    ({"answer": [A1, A2], "rcode": 3}, "rcode"),
])
def test_parts_of_a_reply(theirs, what):
    q = query("a.z.")
    assert judged(q, reply(q, [A1, A2]), reply(q, **theirs)) == [what]


def test_no_reply_and_nonsense_agree_with_nothing():
    q = query("a.z.")
    right = reply(q, [A1])
    assert judged(q, right, None, right + b"x") == ["reply", "reply"]
    twice = right[:7] + b"\2" + right[8:12] + right[12:-11] + right[-27:-11] * 2 + right[-11:]
    assert judged(q, twice, right) == ["reply"]
    assert judged(q, None, None) == ["reply"]


def test_question_is_copied_octet_by_octet():
    q = query("a.z.")
    other = questions.Query(q.name, q.rdtype, 1232, spelled=(b"A", b"z"))
    assert judged(q, reply(q, [A1]), reply(other, [A1])) == ["question"]


def test_ns_is_not_optional_without_an_answer():
    q = query("a.z.")
    assert judged(q, reply(q, (), [SOA]), reply(q, (), [SOA, NS])) == ["authority"]


def test_any_may_be_part_of_what_there_is():
    q = query("a.z.", "ANY")
    everything = reply(q, [A1, "a.z. 60 IN TXT x"])
    assert judged(q, reply(q, [A1]), everything) == [""]
    assert judged(q, reply(q, ["a.z. 60 IN TXT y"]), everything) == ["answer"]
    assert judged(q, reply(q), everything) == ["answer"]


def links(count, last="end.z."):
    names = [f"c{i}.z." for i in range(count)] + [last]
    return [f"{a} 60 IN CNAME {b}" for a, b in zip(names, names[1:])]


def test_long_chains_count_as_far_as_both_go():
    q = query("c0.z.")
    assert judged(q, reply(q, links(9)), reply(q, links(9)[:6], rcode=2)) == [""]
    assert judged(q, reply(q, links(4)), reply(q, links(4)[:2])) == ["answer"]
    other = links(9)[:3] + ["c3.z. 60 IN CNAME other.z."] + links(9)[4:]
    assert judged(q, reply(q, links(9)), reply(q, other)) == ["answer"]
    ring = links(3, "c0.z.")
    assert judged(q, reply(q, ring), reply(q, ring, rcode=2)) == [""]


def test_truncation():
    q = query("a.z.")
    tc = reply(q, flags=dns.flags.AA | dns.flags.TC)
    full = reply(q, [A1])
    assert judged(q, tc, tc, full, whole=(full,) * 3) == ["", "tc"]
    assert judged(q, full, tc, whole=(full,) * 2) == [""]
    assert judged(q, full, tc, whole=(full, reply(q, [A2]))) == ["answer"]
    assert judged(q, tc, reply(q, flags=dns.flags.AA | dns.flags.TC, rcode=3),
                  whole=(full,) * 2) == ["rcode"]
    too_long = reply(q, [A1], rcode=6)
    tc_too_long = reply(q, flags=dns.flags.AA | dns.flags.TC, rcode=6)
    assert judged(q, tc_too_long, tc, tc, whole=(too_long, too_long, full)) == ["", "rcode"]


def test_missing_glue_does_not_count_against_tc():
    q = query("x.cut.z.")
    ns, glue = "cut.z. 60 IN NS ns.cut.z.", "ns.cut.z. 60 IN A 192.0.2.9"
    tc = reply(q, (), [ns], flags=dns.flags.TC)
    bare, full = reply(q, (), [ns], flags=0), reply(q, (), [ns], flags=0, additional=[glue])
    assert judged(q, tc, bare, full, whole=(full,) * 3) == ["", "tc"]


def nxdomain(q, *nsecs):
    parts = signed(SOA, 1)
    for owner, following in nsecs:
        parts += signed(f"{owner} 60 IN NSEC {following} A RRSIG NSEC", owner.count("."))
    return reply(q, (), parts, rcode=3)


def test_proofs_count_by_what_they_prove():
    q = query("m.z.", dnssec=True)
    one = nxdomain(q, ("a.z.", "p.z."), ("z.", "a.z."))
    more = nxdomain(q, ("a.z.", "p.z."), ("z.", "a.z."), ("p.z.", "z."))
    no_wildcard = nxdomain(q, ("a.z.", "p.z."))
    wrong = nxdomain(q, ("p.z.", "z."), ("z.", "a.z."))
    assert judged(q, one, more) == [""]
    assert judged(q, no_wildcard, one) == ["proof"]
    assert judged(q, wrong, one) == ["proof"]
    assert judged(q, one, more, wrong) == ["", "proof"]
    assert judged(q, one, no_wildcard, wrong) == ["", ""]
    assert judged(q, wrong, no_wildcard) == ["proof"]


def nodata(q, *nsecs):
    parts = signed(SOA, 1)
    for owner, following in nsecs:
        parts += signed(f"{owner} 60 IN NSEC {following} A RRSIG NSEC", owner.count("."))
    return reply(q, (), parts)


def test_a_wildcard_may_be_an_empty_non_terminal():
    q = query("m.z.", "TXT", dnssec=True)
    whole = nodata(q, ("b.z.", "p.z."), ("z.", "a.*.z."))
    assert judged(q, whole, nodata(q, ("b.z.", "p.z."))) == [""]
    assert judged(q, nodata(q, ("b.z.", "p.z.")), whole) == ["proof"]
    assert judged(q, nodata(q, ("b.z.", "p.z."), ("z.", "a.z.")), whole) == ["proof"]


def test_any_may_be_all_of_what_peers_give_in_part():
    q = query("a.z.", "ANY")
    both = reply(q, [A1, "a.z. 60 IN TXT x"])
    assert judged(q, both, reply(q, [A1])) == [""]
    assert judged(q, both, reply(q, [A2])) == ["answer"]


def test_any_may_be_part_of_what_a_peer_says_over_tcp():
    q = query("a.z.", "ANY")
    ours, part = reply(q, [A1]), reply(q, ["a.z. 60 IN TXT x"])
    both = reply(q, [A1, "a.z. 60 IN TXT x"])
    assert judged(q, ours, part) == ["answer"]
    assert judged(q, ours, part, whole=(ours, both)) == [""]
    assert judged(q, ours, part, whole=(ours, part)) == ["answer"]
    assert judged(q, ours, part, whole=(both, part)) == [""]


def test_authority_of_another_zone_is_free():
    child_soa = "child.z. 60 IN SOA ns.z. h.z. 1 2 3 4 60"
    out, within = links(1, "a.child.z."), links(1, "a.z.")
    q = query("c0.z.")
    assert judged(q, reply(q, out), reply(q, out, [child_soa])) == [""]
    assert judged(q, reply(q, out), reply(q, [*out, "a.child.z. 60 IN A 192.0.2.1"])) == ["answer"]
    assert judged(q, reply(q, out), reply(q, out, [child_soa], rcode=3)) == ["rcode"]
    assert judged(q, reply(q, within), reply(q, within, [SOA])) == ["authority"]
    q = query("c0.z.", "CNAME")
    assert judged(q, reply(q, out), reply(q, out, [child_soa])) == ["authority"]
    q, apex = query("c0.z.", "DS"), links(1, "child.z.")
    assert judged(q, reply(q, apex), reply(q, apex, [SOA])) == ["authority"]


def test_a_synthesized_alias_leads_on_for_nsec():
    q = query("x.d.z.", "NSEC", dnssec=True)
    answer = [*signed("d.z. 60 IN DNAME t.z.", 2), "x.d.z. 60 IN CNAME x.t.z."]
    rest = [*signed(SOA, 1), *signed("s.z. 60 IN NSEC z. A RRSIG NSEC", 2)]
    ours = reply(q, answer, [*rest, *signed("z. 60 IN NSEC a.*.z. A RRSIG NSEC", 1)])
    assert judged(q, ours, reply(q, answer, rest)) == [""]
