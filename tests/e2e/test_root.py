# SPDX-License-Identifier: BSD-3-Clause
"""The real root zones, and queries that reached a real root server: without
DNSSEC asked for, each reply equals Knot's or NSD's, who serve the same zone."""

import lzma
import os
import random

import dns.flags
import pytest

from harness import client, wire
from harness.peers import KEY, Bind, Knot, Nsd

ZONES = {"root-2017082100": 2017082100, "root-2024101100": 2024101100}
TYPES = ["A", "AAAA", "NS", "SOA", "DS", "DNSKEY", "TXT", "MX", "ANY", "CNAME", "NSEC", "RRSIG",
         "SRV", "PTR", "ZONEMD", "HTTPS", "DNAME", "TYPE65280"]
EDNS = [None, None, 512, 700, 1232, 4096, 65535, 0]


def unpacked(data, folder, name, target):
    path = os.path.join(data, folder, name + ".xz")
    if not os.path.exists(path):
        pytest.skip(f"no {path}")
    with lzma.open(path, "rb") as f, open(target, "wb") as out:
        out.write(f.read())
    return target


@pytest.fixture(scope="module")
def queries(data, tmp_path_factory):
    """(name, type) as they stand in the file."""
    path = unpacked(data, "queries", "root-queries.txt", tmp_path_factory.mktemp("q") / "q.txt")
    with open(path, encoding="ascii") as f:
        return [tuple(line.split()) for line in f if line.strip()]


@pytest.fixture(scope="module", params=ZONES)
def trio(request, module_stage, data, tmp_path_factory):
    """Clients of the server under test, of Knot and of NSD."""
    path = str(unpacked(data, "zones", request.param + ".zone",
                        tmp_path_factory.mktemp("z") / "root.zone"))
    primary_kind = Bind if request.param == "root-2017082100" else Knot
    peers = {kind: module_stage.peer(kind, {".": path}, key=KEY, notify=[])
             for kind in (Knot, Nsd)}
    primary = peers.get(primary_kind) or module_stage.peer(primary_kind, {".": path}, key=KEY,
                                                           notify=[])
    server = module_stage.secondary(["."], {".": ZONES[request.param]},
                                    primaries=[primary.address], key=KEY)
    yield server.client(module_stage.clients), peers[Knot].client, peers[Nsd].client
    module_stage.clear()


def compare(trio, asked):
    """Asks all of `asked`, (name, type, EDNS size), of all three."""
    messages = [client.query(name, rdtype, edns) for name, rdtype, edns in asked]
    wires = [q.to_wire() for q in messages]
    ours, knot, nsd = (one.ask_many(wires) for one in trio)
    wrong = []
    for q, us, *others in zip(messages, ours, knot, nsd):
        assert us is not None, f"no reply to {q.question[0]}"
        if not any(equal(us, them) for them in others):
            wrong.append((q, us, *others))
    for q, *replies in wrong[:3]:
        print("QUERY", q.to_text(), *(f"--- {name}\n{r and reply_to(q, r)}" for name, r in
                                      zip(("OURS", "KNOT", "NSD"), replies)), sep="\n")
    assert not wrong, f"{len(wrong)} of {len(asked)} replies equal neither Knot's nor NSD's"


def reply_to(q, octets):
    """The reply message; its id is its own, whatever `q` has."""
    q.id = int.from_bytes(octets[:2], "big")
    return client.parse(octets, q)


def equal(us, them):
    if them is None:
        return False
    if us[2:] == them[2:]:
        return True
    us, them = wire.essence(us), wire.essence(them)
    if us[1] & them[1] & dns.flags.TC:
        # What is left of a truncated reply is each server's own affair.
        return us[:3] == them[:3]
    return us == them


@pytest.mark.limit(240)
def test_real_queries(trio, queries):
    compare(trio, [(name, rdtype, None) for name, rdtype in queries])


@pytest.mark.limit(240)
def test_real_queries_with_other_types_and_edns(trio, queries):
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")
    chance = random.Random(seed)
    names = [name for name, _ in chance.sample(queries, 8000)]
    names += [prefix + tld for prefix in ("", "a.", "nic.", "*.")
              for tld in ("com.", "org.", "uk.", "arpa.", "net.", "xn--p1ai.")] * 20
    names += [".", "a.root-servers.net.", "root-servers.net."] * 50
    compare(trio, [(name, chance.choice(TYPES), chance.choice(EDNS)) for name in names])


def test_truncated_replies_are_whole_over_tcp(trio):
    """What does not fit a datagram comes over TCP, and equals Knot's or NSD's."""
    ours, knot, nsd = trio
    for name, rdtype in ((".", "DNSKEY"), (".", "NS"), (".", "NSEC"), ("com.", "NS")):
        q = client.query(name, rdtype)
        small = ours.udp(q)
        assert len(small.to_wire()) <= 512
        whole = ours.tcp(q)
        assert not whole.flags & dns.flags.TC
        assert client.essence(whole) in [client.essence(one.tcp(q)) for one in (knot, nsd)]
        if not small.flags & dns.flags.TC:
            assert client.essence(small) == client.essence(whole)


@pytest.mark.understudy
def test_any_over_tcp_is_everything(trio):
    ours, _, nsd = trio
    everything = client.records(ours.ask(".", "ANY", tcp=True).answer)
    for rdtype in ("NS", "SOA", "DNSKEY", "NSEC", "RRSIG", "ZONEMD"):
        assert client.records(nsd.ask(".", rdtype, tcp=True).answer) <= everything
