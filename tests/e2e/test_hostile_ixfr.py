# SPDX-License-Identifier: BSD-3-Clause
"""Differences that do not fit what is held, break off or are refused, where AXFR goes well:
a zone for each, all of them at once."""

import struct

import dns.rcode
import pytest

from harness.hostile import LIMITS, Scene
from harness.peers import KEY
from harness.process import wait_for
from harness.scripted import Close, Pause, record

pytestmark = pytest.mark.understudy


def steps(*choices):
    """One message of these records: numbers are SOA records of that serial, "-n" and
    "+n" the record that says the serial n, other words a name with an address."""
    def behave(primary, q):
        rrsets = []
        for choice in choices:
            if isinstance(choice, int):
                rrsets.append(primary.soa(choice))
            elif choice[0] in "-+":
                rrsets.append(record("v0", "TXT", f'"serial {choice[1:]}"', origin=primary.origin))
            else:
                rrsets.append(record(choice, "A", "192.0.2.1", origin=primary.origin))
        return primary.signed(q, [primary.message(q, rrsets)]) + [Pause(0.1), Close]
    return behave


def with_rcode(rcode):
    def behave(primary, q):
        return primary.signed(q, [primary.message(q, [], flags=0x8400 | rcode)])
    return behave


def soa_of_another_zone(primary, q):
    rrsets = primary.ixfr_rrsets(q)
    rrsets[1] = record("other.example", "SOA", "a. b. 1 1 1 1 1")
    return primary.signed(q, [primary.message(q, rrsets)]) + [Close]


def alias_beside_data(primary, q):
    rrsets = primary.ixfr_rrsets(q)
    rrsets.insert(-1, record("ns1", "CNAME", "elsewhere.example.", origin=primary.origin))
    return primary.signed(q, [primary.message(q, rrsets)]) + [Close]


def short_soa(primary, q):
    wire = primary.message(q, primary.ixfr_rrsets(q))
    at = wire.index(b"\0\6\0\1") + 8
    length = struct.unpack("!H", wire[at:at + 2])[0]
    wire = wire[:at] + struct.pack("!H", length - 4) + wire[at + 2:at + 2 + length - 4] \
        + wire[at + 2 + length:]
    return primary.signed(q, [wire]) + [Close]


def other_class(primary, q):
    wire = primary.message(q, primary.ixfr_rrsets(q))
    at = wire.rindex(b"\0\x10\0\1") + 2
    return primary.signed(q, [wire[:at] + b"\0\3" + wire[at + 2:]]) + [Close]


def ixfr_then_silence(primary, q):
    rrsets = primary.ixfr_rrsets(q)
    return primary.signed(q, [primary.message(q, rrsets[:5])]) + [Pause(20), Close]


WRONG_IXFR = {
    "from a serial that is not ours": (steps(2, 7, "-7", 2, "+2", 2), "ixfr-base"),
    "deletes what is not there": (steps(2, 1, "nowhere", 2, "+2", 2), "ixfr-delete"),
    "deletes another version's record": (steps(2, 1, "-9", 2, "+2", 2), "ixfr-delete"),
    "adds what is there": (steps(2, 1, 2, "+1", 2), "ixfr-add"),
    "adds the same twice": (steps(2, 1, "-1", 2, "twice", "twice", 2), "ixfr-add"),
    "an alias beside other data": (alias_beside_data, "not-conformant"),
    "steps out of order": (steps(3, 1, "-1", 3, "+3", 2, "+2", 3), "ixfr-order"),
    "steps with a gap": (steps(3, 1, "-1", 2, "+2", 5, 3, 3), "ixfr-order"),
    "a step to the same serial": (steps(2, 1, "-1", 1, "+2", 2), "ixfr-order"),
    "a step back": (steps(2, 1, "-1", 0xffffffff, "+2", 2), "ixfr-order"),
    "ends elsewhere": (steps(3, 1, "-1", 2, "+2", 2), "ixfr-order closed"),
    "no end": (steps(2, 1, "-1", 2, "+2"), "closed"),
    "a lone newer SOA over TCP": (steps(2), "closed timeout"),
    "more after the end": (steps(2, 1, "-1", 2, "+2", 2, "more"), "trailing"),
    "SOA of another zone": (soa_of_another_zone, "serial malformed closed trailing"),
    "short SOA rdata": (short_soa, "malformed"),
    "a record of another class": (other_class, "malformed"),
    "silent in the middle": (ixfr_then_silence, "timeout"),
    "closed at once": (lambda primary, q: [Close], "closed"),
    "SERVFAIL": (with_rcode(2), "rcode"),
}

# What a primary answers that does not know IXFR.
OLD = {
    "FORMERR": (with_rcode(1), "rcode"),
    "NOTIMP": (with_rcode(4), "rcode"),
    "REFUSED": (with_rcode(5), "refused"),
}


def must_recover(scene, then):
    """AXFR follows at once and from the same primary; the status tells what was wrong. The
    next differences, which fit, are taken, or `then` not asked for."""
    scene.offer(2)
    for origin, title in scene.origins.items():
        wait_for(lambda o=origin: scene.client.serial(o) == 2, 15,
                 lambda o=origin, t=title: f"{t}: {scene.last(o)}")
        scene.must_hold(origin, 2)
        assert scene.client.ask(f"nowhere.{origin}").rcode() == dns.rcode.NXDOMAIN
        status, last = scene.last(origin)
        assert status["transfer"]["kind"] == "axfr", (title, status["transfer"])
        assert last["ixfr_reason"] in scene.wrong[title][1].split(), (title, last)
    scene.wrong = {title: (lambda zone, q: zone.ixfr_reply(q), "") for title in scene.wrong}
    scene.offer(3)
    scene.wait_served(3)
    for origin, title in scene.origins.items():
        assert scene.last(origin)[0]["transfer"]["kind"] == then, title


@pytest.mark.parametrize("key", [None, KEY], ids=["open", "tsig"])
def test_wrong_differences_are_followed_by_axfr(stage, key):
    must_recover(Scene(stage, key, WRONG_IXFR, ("IXFR",), limits=LIMITS), "ixfr")


@pytest.mark.parametrize("key", [None, KEY], ids=["open", "tsig"])
def test_old_primaries_are_remembered(stage, key):
    """Who does not understand IXFR is not asked for it again soon."""
    must_recover(Scene(stage, key, OLD, ("IXFR",), apart=True), "axfr")
