# SPDX-License-Identifier: BSD-3-Clause
"""Many zones and few places: who comes first, and that a primary that does wrong keeps
nobody waiting but itself."""

import time

import dns.rcode
import pytest

from harness.hostile import never_answers
from harness.process import wait_for
from harness.scripted import Close, Pause, ScriptedMany, notify

pytestmark = pytest.mark.understudy

BAD, GOOD = "10.53.0.40", "10.53.0.41"
TIMERS = "3600 600 604800 5"  # nothing comes by itself


def names(tld, count):
    return [f"z{i:02}.{tld}.test" for i in range(count)]


def primary(stage, address, origins):
    stage.wire.add_address(stage.clients, address)
    return stage.start(ScriptedMany(stage.clients, origins, address=address, timers=TIMERS))


def served(client, origins, serial):
    return sum(client.serial(o) == serial for o in origins)


def wait_all(client, origins, serial, timeout):
    wait_for(lambda: served(client, origins, serial) == len(origins), timeout,
             lambda: f"{len(origins)} zones at {serial}, got {served(client, origins, serial)}")


def test_a_primary_that_hangs(stage):
    """It takes connections and says nothing: zones that have another primary as well are
    served soon, by their first transfer, by refresh, and after a NOTIFY from who hangs."""
    origins = names("hangs", 40)
    bad, good = primary(stage, BAD, origins), primary(stage, GOOD, origins)
    bad.behave = never_answers
    for zone in bad.zones.values():
        zone.replies["SOA"] = lambda q: []
    limits = {"connect-timeout": 2, "idle-timeout": 3, "concurrent": 4}
    server = stage.secondary({o: [BAD, GOOD] for o in origins}, primaries=[BAD, GOOD],
                             transfer=limits)
    client = server.client(stage.clients)
    wait_all(client, origins, 1, 15)
    said = server.zone_status(origins[-1])["primaries"]
    assert said[0]["link"] == "blocked" and "did not answer in time" in said[0]["link_text"]
    assert said[1]["last"]["ok"]
    for zone in good.zones.values():
        zone.serial = 2
    assert server.ctl("zone", "refresh", "--all").returncode == 0
    wait_all(client, origins, 2, 30)  # UDP takes 9 s, TCP 3
    for zone in good.zones.values():
        zone.serial = 3
    notifier = server.client(stage.clients, source=BAD)
    for origin in origins:
        assert notify(notifier, origin, serial=3) == dns.rcode.NOERROR
    wait_all(client, origins, 3, 15)
    assert all(z.asked("IXFR") == 2 for z in good.zones.values())
    # It is back, and need not be waited for.
    bad.behave = None
    for zone in bad.zones.values():
        zone.good()
        zone.serial = 4
    start = time.monotonic()
    for origin in origins:
        assert notify(notifier, origin, serial=4) == dns.rcode.NOERROR
    wait_all(client, origins, 4, 15)
    assert time.monotonic() - start < 10


def first_transfers(one, origin, count):
    """Whether the zone is among the first so many that were transferred."""
    asked = sorted((q.time, o) for o, z in one.items() for q in z.queries if q.type == "AXFR")
    return origin in [o for _, o in asked[:count]]


def test_who_waits_may_become_urgent(stage):
    """Zones wait for one place, which each takes for half a second: the last two are asked
    for by an operator and by a NOTIFY, and come next."""
    origins = names("waits", 16)
    one = primary(stage, GOOD, origins)
    for zone in one.zones.values():
        zone.replies["AXFR"] = lambda q, z=zone: [Pause(0.5), *z.axfr_reply(q)]
    server = stage.secondary(origins, primaries=[GOOD], transfer={"concurrent": 1})
    client, notifier = server.client(stage.clients), server.client(stage.clients, source=GOOD)
    zones = {o: one.zone(o) for o in origins}
    wait_for(lambda: served(client, origins, 1) >= 1, 10, "the first")
    assert server.ctl("zone", "refresh", origins[-1]).returncode == 0
    assert notify(notifier, origins[-2]) == dns.rcode.NOERROR
    begun = sum(q.type == "AXFR" for z in zones.values() for q in z.queries)
    assert begun < 10
    wait_all(client, origins[-2:], 1, 10)
    assert first_transfers(zones, origins[-2], begun + 2)
    assert first_transfers(zones, origins[-1], begun + 3)
    wait_all(client, origins, 1, 20)


def endless(zone, q):
    """A record every half second."""
    yield zone.message(q, [zone.soa()])
    while True:
        yield Pause(0.5)
        yield zone.message(q, zone.body()[:1], question=False)


def test_a_primary_that_keeps_its_connections(stage):
    """Its transfers go on for very long: it does not get all places."""
    slow, quick = names("slow", 12), names("quick", 12)
    bad, good = primary(stage, BAD, slow), primary(stage, GOOD, quick)
    for zone in bad.zones.values():
        zone.replies["AXFR"] = lambda q, z=zone: endless(z, q)
    for zone in good.zones.values():
        zone.replies["AXFR"] = lambda q: [Close]
    server = stage.secondary({**dict.fromkeys(quick, [GOOD]), **dict.fromkeys(slow, [BAD])},
                             primaries=[BAD, GOOD], transfer={"concurrent": 4, "max-time": 60})
    client = server.client(stage.clients)
    time.sleep(3)  # it gets what there is to get
    for zone in good.zones.values():
        zone.good()
    assert server.ctl("zone", "refresh", *quick).returncode == 0
    wait_all(client, quick, 1, 10)
    assert sum(z.asked("AXFR") for z in bad.zones.values()) == 3


def test_a_primary_that_is_deaf_to_udp(stage):
    """The first query for a serial finds out, the others go over TCP at once."""
    origin, = names("deaf", 1)
    zone = primary(stage, GOOD, [origin]).zone(origin)
    zone.replies["SOA"] = lambda q: zone.soa_reply(q) if q.transport == "tcp" else []
    server = stage.secondary([origin], {origin: 1}, primaries=[GOOD])
    client = server.client(stage.clients)
    for serial, limit_s in ((2, 15), (3, 3), (4, 3)):
        zone.serial = serial
        assert server.ctl("zone", "refresh", origin).returncode == 0
        wait_for(lambda s=serial: client.serial(origin) == s, limit_s, f"serial {serial}")
    assert sum(q.transport == "udp" for q in zone.queries) == 3
