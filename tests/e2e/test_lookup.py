# SPDX-License-Identifier: BSD-3-Clause
"""The lookup cases of other servers: thousands of small zones from one Knot
primary, and every case by the rule in the data's README."""

import json
import lzma
import os

import dns.flags
import dns.rcode
import dns.rdatatype
import dns.rrset
import pytest

from harness import client
from harness.peers import KEY, Knot
from harness.process import wait_for


@pytest.fixture(scope="module")
def cases(data):
    path = os.path.join(data, "lookup", "cases.jsonl.xz")
    if not os.path.exists(path):
        pytest.skip(f"no {path}")
    with lzma.open(path, "rt") as f:
        return [json.loads(line) for line in f]


@pytest.fixture(scope="module")
def served(any_stage, cases):
    """The server under test with all zones."""
    content = {case["zone"]: "\n".join(case["records"]) + "\n" for case in cases}
    primary = any_stage.peer(Knot, content, key=KEY, notify=[])
    server = any_stage.secondary(list(content), primaries=[primary.address], key=KEY)
    ours = server.client(any_stage.clients)
    if server.understudy:
        def all_served():
            server.must_live()
            return server.ctl_json("status")["zones"]["served"] == len(content)
        wait_for(all_served, 60, lambda: server.ctl_json("status"), interval=0.2)
    else:
        server.wait_served(any_stage.clients, {case["zone"]: 3 for case in cases}, 60)
    return ours


def section(texts):
    """Records of a case as client.records gives a section."""
    out = set()
    for text in texts:
        owner, ttl, rdclass, rdtype, rdata = text.split(None, 4)
        rrset = dns.rrset.from_text(owner, int(ttl), rdclass, rdtype, rdata)
        out |= client.records([rrset])
    return frozenset(out)


def without_ns(records):
    return frozenset(r for r in records if r[1] != dns.rdatatype.NS)


def matches(reply, want):
    """Whether a reply is what `want`, one entry of a case's `expected`, says."""
    if dns.rcode.to_text(reply.rcode()) != want["rcode"]:
        return False
    flags = {"AA": dns.flags.AA, "QR": dns.flags.QR, "RD": dns.flags.RD, "TC": dns.flags.TC}
    if reply.flags & client.FLAGS_COMPARED != sum(flags[f] for f in want["flags"]):
        return False
    answer = section(want["answer"])
    if client.records(reply.answer) != answer:
        return False
    authority = client.records(reply.authority), section(want["authority"])
    if answer:
        authority = tuple(map(without_ns, authority))
    return authority[0] == authority[1]


@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_lookup_cases(served, cases, transport):
    queries = [client.query(case["qname"], case["qtype"]) for case in cases]
    wires = [q.to_wire() for q in queries]
    if transport == "udp":
        replies = served.ask_many(wires)
    else:
        replies = served.ask_stream(wires)
    failed = []
    for case, q, wire in zip(cases, queries, replies):
        assert wire is not None, f"no reply to case {case['id']}"
        q.id = int.from_bytes(wire[:2], "big")
        reply = client.parse(wire, q)
        want = [w for w in case["expected"] if {"knot", "nsd"} & set(w["servers"])]
        assert want, f"case {case['id']} does not list Knot or NSD"
        if not any(matches(reply, w) for w in want):
            failed.append((case, reply))
    for case, reply in failed[:5]:
        print(json.dumps(case, indent=1), reply.to_text(), sep="\n")
    assert not failed, f"{len(failed)} of {len(cases)} cases fail, ids " \
        f"{[case['id'] for case, _ in failed[:20]]}"
