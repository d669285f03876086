# SPDX-License-Identifier: BSD-3-Clause
"""Replays tests/regress: one folder per past mistake, with its zones, the query, and the
reply that is right, in the form that tests/differential/run --shrink writes."""

import glob
import json
import os

import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset
import pytest

from harness import client
from harness.peers import Knot
from harness.server import PROJECT

FOLDER = os.path.join(PROJECT, "tests/regress")
CASES = sorted(os.path.dirname(path) for path in glob.glob(f"{FOLDER}/*/case.json"))
FLAGS = {"AA": dns.flags.AA, "TC": dns.flags.TC, "RD": dns.flags.RD}


def section(texts):
    """Records of a case, an RRset a text, as client.records gives a section."""
    rrsets = []
    for text in texts:
        for line in text.splitlines():
            owner, ttl, rdclass, rdtype, rdata = line.split(None, 4)
            rrsets.append(dns.rrset.from_text(owner, int(ttl), rdclass, rdtype, rdata))
    return client.records(rrsets)


def without_ns(records):
    return frozenset(r for r in records if r[1] != dns.rdatatype.NS)


@pytest.mark.parametrize("folder", CASES, ids=map(os.path.basename, CASES))
def test_case(stage, folder):
    with open(os.path.join(folder, "case.json"), encoding="utf-8") as f:
        case = json.load(f)
    assert case["about"] and case["rfc"], "a case says what it is about"
    content = {zone: os.path.join(folder, name) for zone, name in case["zones"].items()}
    primary = stage.peer(Knot, content, notify=[])
    server = stage.secondary(list(content), {zone: 1 for zone in content},
                             primaries=[primary.address])
    ours = server.client(stage.clients)
    for want in case["queries"]:
        wire = bytes.fromhex(want["wire"])
        octets = (ours.tcp_raw if want["tcp"] else ours.udp_raw)(wire)
        reply = client.parse(octets, dns.message.from_wire(wire))
        print(want["question"], reply.to_text(), sep="\n")
        assert dns.rcode.to_text(reply.rcode()) == want["rcode"]
        assert [name for name, bit in FLAGS.items() if reply.flags & bit] == want["flags"]
        if "TC" in want["flags"]:
            continue  # what is left of a truncated reply is free
        answer, authority = section(want["answer"]), section(want["authority"])
        assert client.records(reply.answer) == answer
        assert len(answer) == int.from_bytes(octets[6:8], "big"), "a record twice"
        got = client.records(reply.authority)
        if answer:
            got, authority = without_ns(got), without_ns(authority)
        assert got == authority
