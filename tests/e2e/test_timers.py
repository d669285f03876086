# SPDX-License-Identifier: BSD-3-Clause
"""The SOA's own timers: refresh, retry, expire, and coming back."""

import time

import dns.rcode
import pytest

from harness.peers import KEY
from harness.process import wait_for
from harness.scripted import Close, Scripted

ORIGIN = "example.com"


class Scene:
    def __init__(self, stage, timers):
        self.primary = stage.start(Scripted(stage.clients, ORIGIN, KEY, timers=timers))
        self.server = stage.secondary([ORIGIN], {ORIGIN: 1}, primaries=[self.primary.address],
                                      key=KEY)
        self.client = self.server.client(stage.clients)

    def wait_served(self, serial, timeout=15):
        wait_for(lambda: self.client.serial(ORIGIN) == serial, timeout, f"serial {serial}")

    def silence(self):
        """The primary answers nothing any more."""
        for qtype in self.primary.replies:
            self.primary.replies[qtype] = lambda q: [Close]

    def rcode(self):
        return self.client.ask(f"v1.{ORIGIN}", "TXT").rcode()


# The daemon takes no refresh under 5 s, no retry under 2 s and no expire under
# their sum for good; these are the fastest timers it follows.
REFRESH, RETRY, EXPIRE = 5, 2, 7
TIMERS = f"{REFRESH} {RETRY} {EXPIRE} 5"


def test_refresh(stage):
    """Without any NOTIFY a new serial is seen when refresh has passed."""
    scene = Scene(stage, f"{REFRESH} {RETRY} 600 5")
    scene.primary.serial = 2
    start = time.monotonic()
    scene.wait_served(2, REFRESH + 2)
    assert time.monotonic() - start > REFRESH / 2
    scene.primary.queries.clear()
    time.sleep(2 * REFRESH + 1)
    assert 1 <= scene.primary.asked("SOA") <= 4
    assert scene.primary.asked("AXFR") == 0, "the serial has not changed"


def test_retry(stage):
    """A silent primary is asked again every retry, not faster, and found when it is back."""
    scene = Scene(stage, f"{REFRESH} {RETRY} 600 5")
    scene.silence()
    time.sleep(REFRESH + 1)
    scene.primary.queries.clear()
    time.sleep(3 * RETRY)
    # Each attempt may ask over UDP and over TCP, and a datagram more than once.
    assert 1 <= len(scene.primary.queries) <= 24
    assert scene.client.serial(ORIGIN) == 1, "served on until expire"
    scene.primary.serial = 2
    scene.primary.good()
    scene.wait_served(2)


def test_expire_and_recovery(stage):
    """Served until expire, then SERVFAIL, then served again; the same serial will do."""
    scene = Scene(stage, TIMERS)
    scene.silence()
    start = time.monotonic()
    wait_for(lambda: scene.rcode() == dns.rcode.SERVFAIL, EXPIRE + 5, "SERVFAIL")
    took = time.monotonic() - start
    assert EXPIRE - 1 < took < EXPIRE + 2, f"expired after {took:.1f} s"
    for name, rdtype in ((ORIGIN, "SOA"), (f"none.{ORIGIN}", "A"), (f"v1.{ORIGIN}", "TXT")):
        reply = scene.client.ask(name, rdtype)
        assert reply.rcode() == dns.rcode.SERVFAIL and not reply.answer and not reply.authority
        assert scene.client.ask(name, rdtype, tcp=True).rcode() == dns.rcode.SERVFAIL
    if scene.server.understudy:
        assert scene.server.zone_status(ORIGIN)["state"] == "expired"
    scene.primary.good()
    scene.wait_served(1)
    assert scene.rcode() == dns.rcode.NOERROR
    if scene.server.understudy:
        assert scene.server.zone_status(ORIGIN)["state"] == "served"


@pytest.mark.understudy
def test_bounds_that_a_reload_narrows(stage):
    """They hold at once, not only after the next refresh."""
    scene = Scene(stage, "3600 600 604800 5")
    scene.primary.serial = 2
    assert scene.server.zone_status(ORIGIN)["next_refresh_s"] > 3000
    scene.server.options["zones"] = [{"name": ORIGIN, "refresh-max": REFRESH, "expire-max": 1000,
                                      "primaries": [f"p{scene.primary.address}"]}]
    scene.server.reload()
    scene.wait_served(2, REFRESH + 3)
    assert scene.server.zone_status(ORIGIN)["expires_s"] <= 1000


def test_no_expiry_while_the_primary_answers(stage):
    """Each SOA reply with our serial starts the expire timer anew (RFC 1034, 4.3.5)."""
    scene = Scene(stage, TIMERS)
    end = time.monotonic() + EXPIRE + 3
    while time.monotonic() < end:
        assert scene.rcode() == dns.rcode.NOERROR
        time.sleep(0.1)


@pytest.mark.understudy
def test_never_transferred(stage):
    """A configured zone without data: SERVFAIL, and it comes once the primary is there."""
    primary = stage.start(Scripted(stage.clients, ORIGIN, KEY))
    for qtype in primary.replies:
        primary.replies[qtype] = lambda q: [Close]
    server = stage.secondary([ORIGIN], primaries=[primary.address], key=KEY)
    client = server.client(stage.clients)
    wait_for(lambda: client.ask(ORIGIN, "SOA").rcode() == dns.rcode.SERVFAIL, 5, "SERVFAIL")
    assert client.ask("elsewhere.example").rcode() == dns.rcode.REFUSED
    if server.understudy:
        assert server.zone_status(ORIGIN)["state"] == "not-loaded"
        assert server.ctl("zone", "refresh", ORIGIN).returncode == 0
    primary.good()
    wait_for(lambda: client.serial(ORIGIN) == 1, 40, "the zone")
