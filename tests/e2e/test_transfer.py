# SPDX-License-Identifier: BSD-3-Clause
"""Zones come over from BIND, Knot and NSD, with TSIG and without."""

import dns.rcode
import dns.zone
import pytest

from harness import client, net, zones
from harness.peers import KEY, PEERS

ORIGIN = "example.com"


def asked_of(text):
    """Every name and type of a zone text, and some that are not there."""
    zone = dns.zone.from_text(text, ORIGIN, relativize=False)
    for name, rdataset in zone.iterate_rdatasets():
        yield name, rdataset.rdtype
    for name in ("nothing", "x.www", "a.b.wild", "x.old", "a.sub", "empty", "er.empty"):
        yield f"{name}.{ORIGIN}.", "A"
    yield f"www.{ORIGIN}.", "TXT"


@pytest.mark.parametrize("key", [None, KEY], ids=["open", "tsig"])
@pytest.mark.parametrize("kind", PEERS)
def test_zone_is_served_as_its_primary_serves_it(stage, kind, key):
    text = zones.zone_text(ORIGIN, 7, zones.VARIED)
    primary = stage.peer(PEERS[kind], {ORIGIN: text}, key=key)
    server = stage.secondary([ORIGIN], {ORIGIN: 7}, primaries=[primary.address], key=key)
    ours = server.client(stage.clients)
    for name, rdtype in asked_of(text):
        want = primary.client.ask(name, rdtype, tcp=True)
        for tcp in (False, True):
            got = ours.ask(name, rdtype, tcp=tcp)
            assert got.rcode() == want.rcode(), (name, rdtype)
            assert client.records(got.answer) == client.records(want.answer), (name, rdtype)


def test_big_zone_with_tsig_of_many_messages(stage):
    """Some thousand names: a transfer of many messages under one running digest."""
    text = zones.zone_text(ORIGIN, 1, zones.many_names(20000))
    stage.peer(PEERS["bind"], {ORIGIN: text}, key=KEY)
    server = stage.secondary([ORIGIN], {ORIGIN: 1}, key=KEY)
    ours = server.client(stage.clients)
    for i in (0, 1, 9999, 19999):
        reply = ours.ask(f"h{i}.{ORIGIN}", "AAAA")
        assert reply.answer[0][0].address.endswith(f":{i:x}" if i else "2001:db8::")
    assert ours.ask(f"h20000.{ORIGIN}").rcode() == dns.rcode.NXDOMAIN


def test_several_primaries_and_zones(stage):
    """Each zone has its own primaries; the second is asked when the first is silent."""
    stage.peer(PEERS["bind"], {"a.example": zones.zone_text("a.example", 3)})
    knot = stage.peer(PEERS["knot"], {"b.example": zones.zone_text("b.example", 4)})
    silent = "10.53.0.9"
    stage.secondary({"a.example": ["10.53.0.1"], "b.example": [silent, knot.address]},
                    {"a.example": 3, "b.example": 4},
                    primaries=["10.53.0.1", silent, knot.address])


def test_transfer_over_ipv6(stage):
    """A primary that is known by its IPv6 address."""
    primary = stage.peer(PEERS["bind"], {ORIGIN: zones.zone_text(ORIGIN, 5)}, key=KEY)
    stage.secondary([ORIGIN], {ORIGIN: 5}, primaries=[net.v6(primary.address)], key=KEY)
