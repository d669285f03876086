# SPDX-License-Identifier: BSD-3-Clause
"""The real root zones, and queries that reached a real root server: each reply
equals Knot's or NSD's, who serve the same zone, without DNSSEC asked for and with it."""

import lzma
import os
import random

import dns.flags
import dns.rdatatype
import pytest

from harness import client, wire
from harness.peers import KEY, Bind, Knot, Nsd

ZONES = {"root-2017082100": 2017082100, "root-2024101100": 2024101100}
TYPES = ["A", "AAAA", "NS", "SOA", "DS", "DNSKEY", "TXT", "MX", "ANY", "CNAME", "NSEC", "RRSIG",
         "SRV", "PTR", "ZONEMD", "HTTPS", "DNAME", "TYPE65280"]
# All but ANY, of which over TCP each server gives what it likes.
SIGNED_TYPES = [rdtype for rdtype in TYPES if rdtype != "ANY"]
EDNS = [None, None, 512, 700, 1232, 4096, 65535, 0]
UDP_SIZE = 4096
BATCH = 60000  # queries at a time


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
def root(request, data, tmp_path_factory):
    """The name of a root zone, and the path of its file."""
    return request.param, str(unpacked(data, "zones", request.param + ".zone",
                                       tmp_path_factory.mktemp("z") / "root.zone"))


@pytest.fixture(scope="module")
def owners(root):
    """All that own something, glue included, and names above and below some."""
    with open(root[1], encoding="ascii") as f:
        names = {line.split()[0].lower() for line in f if line[0] not in "; \t\n"}
    return sorted(names) + [prefix + name.lstrip(".") for prefix in ("a.", "*.", "zz.a.")
                            for name in sorted(names)[::40]]


@pytest.fixture(scope="module")
def trio(root, module_stage):
    """Clients of the server under test, of Knot and of NSD."""
    version, path = root
    primary_kind = Bind if version == "root-2017082100" else Knot
    peers = {kind: module_stage.peer(kind, {".": path}, key=KEY, notify=[], edns_octets=UDP_SIZE)
             for kind in (Knot, Nsd)}
    primary = peers.get(primary_kind) or module_stage.peer(primary_kind, {".": path}, key=KEY,
                                                           notify=[])
    server = module_stage.secondary(["."], {".": ZONES[version]}, edns_octets=UDP_SIZE,
                                    primaries=[primary.address], key=KEY)
    yield server.client(module_stage.clients), peers[Knot].client, peers[Nsd].client
    module_stage.clear()


def compare(trio, asked, dnssec=False, tcp=False):
    """Asks all of `asked`, (name, type, EDNS size), of all three."""
    for start in range(0, len(asked), BATCH):
        compare_batch(trio, asked[start:start + BATCH], dnssec, tcp)


def compare_batch(trio, asked, dnssec, tcp):
    messages = [client.query(name, rdtype, edns, dnssec) for name, rdtype, edns in asked]
    wires = [q.to_wire() for q in messages]
    ours, knot, nsd = (one.ask_stream(wires) if tcp else one.ask_many(wires) for one in trio)
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
    return judged(us) == judged(them)


def judged(essence):
    """NS records in the authority section are optional where there is an answer."""
    answer, authority = essence[3:]
    if answer:
        authority = frozenset(r for r in authority if not is_ns(r))
    return *essence[:3], answer, authority


def is_ns(record):
    """Whether it is an NS record or signs such."""
    rdtype, rdata = record[1], record[4]
    return rdtype == dns.rdatatype.NS or (rdtype == dns.rdatatype.RRSIG and
                                          rdata[:2] == dns.rdatatype.NS.to_bytes(2, "big"))


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


def with_dnssec(trio, asked):
    """Asks (name, type) with DO, in datagrams of 4096 octets and over TCP."""
    for tcp in (False, True):
        compare(trio, [(name, rdtype, UDP_SIZE) for name, rdtype in asked], dnssec=True, tcp=tcp)


@pytest.mark.limit(240)
def test_some_of_all_with_dnssec(trio, queries, owners):
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")
    chance = random.Random(seed)
    names = chance.sample(owners, 2000) + [name for name, _ in chance.sample(queries, 4000)]
    asked = [(name, chance.choice(SIGNED_TYPES)) for name in names + ["."] * 50]
    with_dnssec(trio, asked)


@pytest.mark.long
@pytest.mark.limit(1800)
def test_every_owner_and_type_with_dnssec(trio, owners):
    with_dnssec(trio, [(name, rdtype) for name in owners for rdtype in SIGNED_TYPES])


@pytest.mark.long
@pytest.mark.limit(600)
def test_real_queries_with_dnssec(trio, queries):
    with_dnssec(trio, queries)


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
