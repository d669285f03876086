# SPDX-License-Identifier: BSD-3-Clause
"""Differences are explained by the rows of docs/differences.md, and by no others."""

import os
import re

import pytest
from test_compare import A1, SOA, Names, links, query, reply, signed

import compare
import known
import world

DOCUMENT = os.path.join(world.PROJECT, "docs/differences.md")


def explained(q, peer, ours, theirs):
    ours, theirs = compare.read(ours), compare.read(theirs)
    names = Names()
    what = compare.difference(q, ours, theirs, (ours.answer, theirs.answer), names)
    return known.explain(known.Difference(peer, what, q, ours, theirs, names))


def test_rows_are_those_of_the_document():
    with open(DOCUMENT, encoding="utf-8") as f:
        rows = re.findall(r"^\| `(\w+)` \|", f.read(), re.M)
    assert sorted(rows) == sorted(row.__name__ for row in known.ROWS)


def test_a_wrong_answer_is_explained_by_nothing():
    q = query("a.z.")
    for peer in world.PEERS:
        assert explained(q, peer, reply(q, [A1]), reply(q, [A1.replace(".1", ".2")])) == ""
        assert explained(q, peer, reply(q, (), [SOA]), reply(q, [A1])) == ""
        assert explained(q, peer, reply(q, (), [SOA], rcode=3), reply(q, (), [SOA])) == ""
        assert known.explain(known.Difference(peer, "reply", q, "no reply", None, Names())) == ""


NSEC = [*signed(SOA, 1), *signed("z. 60 IN NSEC z. NS SOA RRSIG NSEC", 1)]


@pytest.mark.parametrize("peer, rdtype, ours, theirs, row", [
    ("bind", "KEY", {"answer": links(1)}, {"authority": [SOA]}, "sig_or_key"),
    ("knot", "KEY", {"answer": links(1)}, {"authority": [SOA]}, ""),
    ("bind", "NSEC", {"flags": 0}, {"answer": NSEC[2:]}, "nsec_at_cut"),
    ("bind", "A", {"authority": NSEC}, {"authority": NSEC[:2]}, ""),
    ("nsd", "NSEC3", {"answer": links(1)}, {"authority": [SOA]}, "denial_type"),
    ("bind", "NSEC3", {"answer": links(1)}, {"authority": [SOA]}, ""),
    ("knot", "A", {"answer": [A1]}, {"rcode": 2}, ""),
    ("nsd", "A", {"answer": links(1, "x.child.z.")},
     {"answer": [*links(1, "x.child.z."), "x.child.z. 60 IN A 192.0.2.9"]}, "alias_out"),
    ("nsd", "A", {"answer": links(1)}, {"answer": [*links(1), "end.z. 60 IN A 192.0.2.9"]}, ""),
    ("nsd", "HTTPS", {"answer": ["c0.z. 60 IN HTTPS 1 B.z."]},
     {"answer": ["c0.z. 60 IN HTTPS 1 b.z."]}, "lower_case"),
    ("knot", "A", {"answer": ["d.z. 60 IN DNAME a.d.z.", *links(1)]},
     {"answer": links(1)}, "dname_into_itself"),
    ("nsd", "A", {"answer": ["d.z. 60 IN DNAME e.z.", *links(1)]}, {"answer": links(1)}, ""),
])
def test_rows(peer, rdtype, ours, theirs, row):
    q = query("c0.z.", rdtype)
    assert explained(q, peer, reply(q, **ours), reply(q, **theirs)) == row


def test_an_incomplete_proof():
    q = query("z.", dnssec=True)
    whole, part = reply(q, (), NSEC), reply(q, (), NSEC[:2])
    assert explained(q, "bind", whole, part) == "no_proof"
    assert explained(q, "bind", part, whole) == ""
