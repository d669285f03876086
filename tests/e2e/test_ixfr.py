# SPDX-License-Identifier: BSD-3-Clause
"""Differences come over from BIND, Knot and NSD: each with TSIG and without, over
IPv4 and IPv6, its own NOTIFY signed or not; and what a kept connection is good for."""

import statistics
import time

import dns.rcode
import pytest

from harness import net, zones
from harness.client import records
from harness.peers import KEY, PEERS, Bind
from harness.process import wait_for
from harness.scripted import Scripted, notify

ORIGIN = "example.com"
NAMES = 500


def version(serial):
    return zones.changing_zone(ORIGIN, serial, NAMES)


def same_zone(ours, primary):
    """What the server under test holds is what the primary gives by AXFR, as far as
    names of the zone can be asked for."""
    for name in ("version", "grows", "www", "h0", f"h{NAMES - 1}", "old", "naptr", "svc"):
        for rdtype in ("A", "AAAA", "TXT", "DNAME", "NAPTR", "SVCB"):
            want = primary.ask(f"{name}.{ORIGIN}", rdtype, tcp=True)
            got = ours.ask(f"{name}.{ORIGIN}", rdtype, tcp=True)
            assert got.rcode() == want.rcode(), (name, rdtype)
            assert records(got.answer) == records(want.answer), (name, rdtype)


@pytest.mark.understudy
@pytest.mark.parametrize("family", [4, 6])
@pytest.mark.parametrize("key", [None, KEY], ids=["open", "tsig"])
@pytest.mark.parametrize("kind", PEERS)
def test_differences_follow_a_notify(stage, kind, key, family):
    primary = stage.peer(PEERS[kind], {ORIGIN: version(1)}, key=key, ixfr=True,
                         notify=(net.SERVER if family == 4 else net.SERVER6,))
    address = primary.address if family == 4 else net.v6(primary.address)
    server = stage.secondary([ORIGIN], {ORIGIN: 1}, primaries=[address], key=key)
    client = server.client(stage.clients)
    for serial in (2, 3):
        primary.replace_zone(ORIGIN, version(serial))
        wait_for(lambda s=serial: client.serial(ORIGIN) == s, 20, f"serial {serial}")
        answer = client.ask(f"version.{ORIGIN}", "TXT").answer
        assert answer[0][0].strings[0].decode() == f"v{serial}"
        assert client.ask(f"only{serial - 1}.{ORIGIN}").rcode() == dns.rcode.NXDOMAIN
        assert len(client.ask(f"only{serial}.{ORIGIN}").answer[0]) == 3
        assert client.ask(f"grows.{ORIGIN}").answer[0].ttl == 300 + serial
        status = server.zone_status(ORIGIN)
        assert status["transfer"]["kind"] == "ixfr", status["transfer"]
        assert status["transfer"]["records"] < 40
        assert status["transfer"]["keyed"] == bool(key)
    same_zone(client, primary.client)


@pytest.mark.understudy
def test_many_steps_at_once(stage):
    """What changed while the server was not told comes in one transfer of many steps."""
    primary = stage.peer(Bind, {ORIGIN: version(1)}, key=KEY, updates=True, notify=())
    server = stage.secondary([ORIGIN], {ORIGIN: 1}, key=KEY)
    client = server.client(stage.clients)
    for i in range(20):
        primary.update(ORIGIN, lambda u, i=i: (u.replace("version", 60, "TXT", f"s{i}"),
                                               u.add(f"step{i}", 60, "A", "192.0.2.7"),
                                               u.delete(f"step{i - 1}")))
    serial = primary.client.serial(ORIGIN)
    assert server.ctl("zone", "refresh", ORIGIN).returncode == 0
    wait_for(lambda: client.serial(ORIGIN) == serial, 10, f"serial {serial}")
    transfer = server.zone_status(ORIGIN)["transfer"]
    assert (transfer["kind"], transfer["steps"]) == ("ixfr", 20)
    assert client.ask(f"step19.{ORIGIN}").answer
    assert client.ask(f"step18.{ORIGIN}").rcode() == dns.rcode.NXDOMAIN
    same_zone(client, primary.client)


@pytest.mark.understudy
@pytest.mark.parametrize("udp", [False, True], ids=["tcp", "udp"])
def test_a_notify_with_its_serial_needs_one_query(stage, udp):
    """No SOA query precedes the IXFR; over TCP all of them share one connection."""
    primary = stage.start(Scripted(stage.clients, ORIGIN, KEY))
    server = stage.secondary([ORIGIN], {ORIGIN: 1}, primaries=[primary.address], key=KEY,
                             primary={"ixfr-udp": udp})
    friend = server.client(stage.clients, source=primary.address)
    client = server.client(stage.clients)
    primary.replies["IXFR"] = primary.ixfr_reply
    primary.queries.clear()
    took = []
    for serial in range(2, 22):
        primary.serial = serial
        start = time.monotonic()
        assert notify(friend, ORIGIN, KEY, serial=serial) == dns.rcode.NOERROR
        wait_for(lambda s=serial: client.serial(ORIGIN) == s, 5, f"serial {serial}",
                 interval=0.0005)
        took.append(time.monotonic() - start)
    assert {q.type for q in primary.queries} == {"IXFR"}
    assert {q.transport for q in primary.queries} == {"udp" if udp else "tcp"}
    assert len(primary.queries) == 20
    assert primary.connections <= 1 if udp else primary.connections == 1
    assert server.zone_status(ORIGIN)["transfer"]["kind"] == "ixfr"
    print(f"NOTIFY to answer: median {statistics.median(took) * 1000:.1f} ms")


@pytest.mark.understudy
def test_what_does_not_fit_a_datagram_comes_over_tcp(stage):
    primary = stage.start(Scripted(stage.clients, ORIGIN, None))
    server = stage.secondary([ORIGIN], {ORIGIN: 1}, primaries=[primary.address],
                             primary={"ixfr-udp": True})
    friend = server.client(stage.clients, source=primary.address)

    def lone_soa_over_udp(q):
        if q.transport == "udp":
            return [primary.message(q, [primary.soa()])]
        return primary.ixfr_reply(q)
    primary.replies["IXFR"] = lone_soa_over_udp
    primary.serial = 2
    notify(friend, ORIGIN, serial=2)
    client = server.client(stage.clients)
    wait_for(lambda: client.serial(ORIGIN) == 2, 5, "serial 2")
    assert [q.transport for q in primary.queries if q.type == "IXFR"] == ["udp", "tcp"]


@pytest.mark.understudy
def test_from_where_notify_is_taken(stage):
    """Addresses, prefixes and ranges of allow-notify; others are refused and counted."""
    primary = stage.start(Scripted(stage.clients, ORIGIN, KEY))
    pid = f"p{primary.address}"
    options = {
        "templates": [{"id": "t", "primaries": [pid], "allow-notify": [
            {"from": "10.53.0.8-10.53.0.9"},
            {"from": "10.53.0.0/30", "key": KEY[0]}]}],
        "zones": [{"name": ORIGIN, "template": "t"}]}
    server = stage.secondary([ORIGIN], {ORIGIN: 1}, primaries=[primary.address], key=KEY,
                             **options)
    client = server.client(stage.clients)
    for serial, (source, key, rcode) in enumerate([
            (net.STRANGER, None, dns.rcode.NOERROR), (net.BIND, KEY, dns.rcode.NOERROR),
            (net.BIND, None, dns.rcode.REFUSED), (net.KNOT, KEY, dns.rcode.NOERROR),
            (net.NSD, KEY, dns.rcode.REFUSED)], 2):
        before = client.serial(ORIGIN)
        primary.serial = serial
        sender = server.client(stage.clients, source=source)
        assert notify(sender, ORIGIN, key, serial=serial) == rcode, (source, key)
        if rcode == dns.rcode.NOERROR:
            wait_for(lambda s=serial: client.serial(ORIGIN) == s, 5, f"serial {serial}")
        else:
            time.sleep(0.3)
            assert client.serial(ORIGIN) == before
    assert server.ctl_json("stats")["service"]["notify_refused"] == 2


@pytest.mark.understudy
def test_source_address(stage):
    """Queries and transfers come from the address that the primary knows us by."""
    other = "10.53.0.7"
    stage.wire.add_address(stage.wire.server, other)
    primary = stage.start(Scripted(stage.clients, ORIGIN, None))
    server = stage.secondary([ORIGIN], {ORIGIN: 1}, primaries=[primary.address],
                             primary={"source": other})
    server.ctl("zone", "refresh", ORIGIN)
    wait_for(lambda: primary.asked("SOA"), 5, "a SOA query")
    assert set(primary.peers) == {other}


@pytest.mark.understudy
def test_expire_option_is_asked_for_and_kept(stage):
    """A primary whose own copy lasts 100 s: so does ours (RFC 7314)."""
    primary = stage.start(Scripted(stage.clients, ORIGIN, None))
    primary.expire = 100
    server = stage.secondary([ORIGIN], {ORIGIN: 1}, primaries=[primary.address])
    status = server.zone_status(ORIGIN)
    assert 90 <= status["expires_s"] <= 100, status


@pytest.mark.understudy
def test_a_whole_zone_by_ixfr(stage):
    """A primary without a journal answers IXFR by the whole zone."""
    primary = stage.peer(Bind, {ORIGIN: version(1)}, key=KEY)
    server = stage.secondary([ORIGIN], {ORIGIN: 1}, key=KEY)
    client = server.client(stage.clients)
    primary.replace_zone(ORIGIN, version(2))
    wait_for(lambda: client.serial(ORIGIN) == 2, 20, "serial 2")
    transfer = server.zone_status(ORIGIN)["transfer"]
    assert (transfer["asked"], transfer["kind"]) == ("ixfr", "axfr")
    same_zone(client, primary.client)


def test_differences_as_text(stage):
    """The same as a plain secondary would have it, Knot included: only what is served
    is looked at."""
    primary = stage.peer(Bind, {ORIGIN: version(1)}, key=KEY, updates=True)
    server = stage.secondary([ORIGIN], {ORIGIN: 1}, key=KEY)
    client = server.client(stage.clients)
    for i in range(5):
        primary.update(ORIGIN, lambda u, i=i: u.replace("version", 60, "TXT", f"u{i}"))
    serial = primary.client.serial(ORIGIN)
    wait_for(lambda: client.serial(ORIGIN) == serial, 10, f"serial {serial}")
    same_zone(client, primary.client)
