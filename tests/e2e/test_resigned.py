# SPDX-License-Identifier: BSD-3-Clause
"""Zones that are signed anew without a new serial: seen by the signature of the SOA record,
and transferred whole, once for each time that the signatures are said to be of, then rarely."""

import struct
import time

import dns.flags
import dns.message
import dns.rdatatype
import pytest

from harness import zones
from harness.client import records
from harness.peers import KEY, Bind, Knot, Nsd
from harness.process import wait_for
from harness.scripted import Close, Scripted, record
from harness.signing import dnssec_signzone, ldns_signzone, make_keys

ORIGIN = "example.com"
pytestmark = pytest.mark.understudy

BEGAN = 1700000000  # when the first signatures were made
NEVER = 0x7ffffff0  # when they expire
OTHER = "10.53.0.77"


def inceptions(client, name=ORIGIN, rdtype="SOA", **options):
    """Of the signatures that come with an answer."""
    answer = client.ask(name, rdtype, dnssec=True, tcp=True, **options).answer
    return {r.inception for rrset in answer if rrset.rdtype == dns.rdatatype.RRSIG for r in rrset}


def stamp(at):
    return time.strftime("%Y%m%d%H%M%S", time.gmtime(at))


def by_dnssec(at):
    return dnssec_signzone("-s", stamp(at), "-e", stamp(at + 30 * 86400))


def by_ldns(at):
    return ldns_signzone("-i", stamp(at), "-e", stamp(at + 30 * 86400))


def transfers(server):
    return server.ctl_json("stats")["transfers"]


def resigned(server):
    return server.zone_status(ORIGIN)["primaries"][0]["resigned"]


@pytest.mark.parametrize("kind,tool,key", [(Bind, by_dnssec, KEY), (Knot, by_ldns, None),
                                           (Nsd, by_dnssec, KEY)],
                         ids=["bind", "knot", "nsd"])
def test_a_real_primary(stage, tmp_path, kind, tool, key):
    """The new signatures are served, all of them, and after a restart as well."""
    folder, now = str(tmp_path), int(time.time())
    keys = make_keys(folder, ORIGIN)

    def version(at):
        with open(tool(at)(folder, ORIGIN, zones.zone_text(ORIGIN, 1, "www A 192.0.2.10\n"), keys),
                  encoding="ascii") as f:
            return f.read()
    primary = stage.peer(kind, {ORIGIN: version(now - 86400)}, key=key, notify=[])
    server = stage.secondary([ORIGIN], {ORIGIN: 1}, primaries=[primary.address], key=key)
    client = server.client(stage.clients)
    assert inceptions(client) == {now - 86400} and resigned(server) is None
    before = transfers(server)
    primary.replace_zone(ORIGIN, version(now - 3600))
    wait_for(lambda: inceptions(primary.client) == {now - 3600}, 20, "the primary's new version")
    assert server.ctl("zone", "refresh", ORIGIN).returncode == 0
    wait_for(lambda: inceptions(client) == {now - 3600}, 10, lambda: server.zone_status(ORIGIN))
    for name, rdtype in ((ORIGIN, "NS"), (ORIGIN, "DNSKEY"), (f"www.{ORIGIN}", "A")):
        want = primary.client.ask(name, rdtype, dnssec=True, tcp=True)
        assert records(client.ask(name, rdtype, dnssec=True, tcp=True).answer) \
            == records(want.answer)
    status = server.zone_status(ORIGIN)
    assert (status["serial"], status["state"], status["failures"]) == (1, "served", 0)
    assert status["primaries"][0]["resigned"] is None, "it was brought"
    assert (status["transfer"]["kind"], status["transfer"]["unchanged"]) == ("axfr", False)
    after = transfers(server)
    assert (after["resigned"], after["same_serial"]) == (1, 1)
    assert after["transfers_ok"] == before["transfers_ok"] + 1
    assert "has signed serial 1 anew" in server.process.log_text()
    for _ in range(3):
        asked = transfers(server)["soa_ok"]
        server.ctl("zone", "refresh", ORIGIN)
        wait_for(lambda n=asked: transfers(server)["soa_ok"] > n, 10, "another look")
    assert transfers(server)["transfers_ok"] == after["transfers_ok"]
    time.sleep(1.5)  # within a second it is stored
    server.stop()
    server.start()
    server.wait_served(stage.clients, {ORIGIN: 1})
    assert inceptions(client) == {now - 3600}


def signature(at, covered="SOA", owner="@"):
    return record(owner, "RRSIG", f"{covered} 13 2 300 {NEVER} {at} 1 {ORIGIN}. AAAA",
                  origin=ORIGIN)


class Scene:
    """A primary that says of its signatures what it is told to, and gives what it has."""

    def __init__(self, stage, key=KEY, held=(signature(BEGAN),), timers="3600 2 604800 300"):
        self.primary = stage.start(Scripted(stage.clients, ORIGIN, key, timers=timers))
        self.held = list(held)
        rest = self.primary.body
        self.primary.body = lambda: [*self.held, *rest()]
        self.claims = []
        self.primary.replies["SOA"] = self.reply
        self.server = stage.secondary([ORIGIN], {ORIGIN: 1}, primaries=[self.primary.address],
                                      key=key)
        self.client = self.server.client(stage.clients)
        wait_for(self.idle, 10, "the first transfer to end")
        self.primary.queries.clear()

    def reply(self, q):
        return self.primary.signed(q, [self.primary.message(q, [self.primary.soa(),
                                                                *self.claims])])

    def idle(self):
        return self.server.zone_status(ORIGIN)["doing"] == "idle"

    def look(self):
        """A round by the operator, to its end."""
        asked = self.primary.asked("SOA")
        assert self.server.ctl("zone", "refresh", ORIGIN).returncode == 0
        wait_for(lambda: self.primary.asked("SOA") > asked and self.idle(), 10,
                 lambda: self.server.zone_status(ORIGIN))

    def fetched(self):
        return self.primary.asked("AXFR") + self.primary.asked("IXFR")

    def last(self):
        return self.server.last_attempt(ORIGIN)

    def must_hold(self, at):
        """The zone, unharmed, with signatures of that time."""
        assert self.client.serial(ORIGIN) == 1
        assert inceptions(self.client) == {at}
        for i in range(10):
            assert len(self.client.ask(f"v{i}.{ORIGIN}", "TXT").answer) == 1
        status = self.server.zone_status(ORIGIN)
        assert status["state"] == "served" and status["failures"] == 0, status


def test_what_is_claimed_and_not_given(stage):
    """One transfer for each time that is claimed, and later ones rarely; what is given in the end
    is taken."""
    scene = Scene(stage)
    count = 0
    for later in (100, 200):
        scene.claims = [signature(BEGAN + later)]
        count += 1
        for _ in range(3):
            scene.look()
            assert scene.fetched() == count
            assert resigned(scene.server) == {"inception": BEGAN + later, "missed": True}
            scene.must_hold(BEGAN)
    assert scene.server.zone_status(ORIGIN)["transfer"]["unchanged"]
    assert "later signatures" in scene.server.ctl("zone", "status", ORIGIN).stdout
    assert transfers(scene.server)["resigned"] == 2
    assert transfers(scene.server)["same_serial"] == 0, "the same content is no news"
    # The latest of several counts; earlier ones were tried, and ours is not later.
    for claims in ([], [signature(BEGAN)], [signature(BEGAN - 100)], [signature(BEGAN + 100)],
                   [signature(BEGAN + 200), signature(BEGAN + 50)],
                   [signature(BEGAN + 2**31)]):
        scene.claims = claims
        scene.look()
        assert scene.fetched() == count, claims
    scene.must_hold(BEGAN)
    scene.claims = scene.held = [signature(BEGAN + 50), signature(BEGAN + 300)]
    scene.look()
    assert scene.fetched() == count + 1 and resigned(scene.server) is None
    assert inceptions(scene.client) == {BEGAN + 50, BEGAN + 300}
    scene.look()
    assert scene.fetched() == count + 1
    assert {q.type for q in scene.primary.queries} == {"SOA", "AXFR"}
    assert all(q.signed for q in scene.primary.queries)


def test_what_is_given_later(stage):
    """As by several servers behind an address: one tells of it, another one does not have it yet."""
    scene = Scene(stage)
    scene.claims = [signature(BEGAN + 100)]
    scene.look()
    assert scene.fetched() == 1 and resigned(scene.server)["missed"]
    scene.held = scene.claims
    for _ in range(4):
        scene.look()
        assert scene.fetched() == 1
    scene.look()
    assert scene.fetched() == 2 and resigned(scene.server) is None
    scene.must_hold(BEGAN + 100)


def test_by_refresh_alone(stage):
    """Without an operator, and over TCP where a datagram has no room for signatures."""
    scene = Scene(stage, timers="5 2 604800 300")

    def reply(q):
        if q.transport == "udp" and q.message.ednsflags & dns.flags.DO:
            flags = dns.flags.QR | dns.flags.AA | dns.flags.TC
            return scene.primary.signed(q, [scene.primary.message(q, [], flags=flags)])
        return scene.reply(q)
    scene.primary.replies["SOA"] = reply
    scene.claims = scene.held = [signature(BEGAN + 100)]
    wait_for(lambda: inceptions(scene.client) == {BEGAN + 100}, 12, "the new signatures")
    assert resigned(scene.server) is None
    scene.must_hold(BEGAN + 100)


def test_a_transfer_that_fails(stage):
    """It is made up for after the SOA's retry, and told meanwhile."""
    scene = Scene(stage)
    scene.primary.replies["AXFR"] = lambda q: [Close]
    scene.claims = [signature(BEGAN + 100)]
    scene.server.ctl("zone", "refresh", ORIGIN)
    wait_for(lambda: scene.server.zone_status(ORIGIN)["failures"], 10, "the failure")
    assert resigned(scene.server) == {"inception": BEGAN + 100, "missed": False}
    assert scene.last()["reason"] == "closed" and inceptions(scene.client) == {BEGAN}
    assert "to be transferred" in scene.server.ctl("zone", "status", ORIGIN).stdout
    scene.primary.good()
    scene.primary.replies["SOA"] = scene.reply
    scene.held = scene.claims
    wait_for(lambda: inceptions(scene.client) == {BEGAN + 100}, 10, "the new signatures")
    wait_for(scene.idle, 5, "the end of the round")
    assert resigned(scene.server) is None
    scene.must_hold(BEGAN + 100)


def test_another_primary_has_a_newer_serial(stage):
    """It is asked in the same round; and each primary may be believed once."""
    scene = Scene(stage)
    stage.wire.add_address(stage.clients, OTHER)
    other = stage.start(Scripted(stage.clients, ORIGIN, KEY, address=OTHER))
    scene.claims = [signature(BEGAN + 100)]
    addresses = [scene.primary.address, OTHER]
    scene.server.primaries = addresses
    scene.server.zones = {ORIGIN: addresses}
    scene.server.reload()
    wait_for(lambda: other.asked("SOA") and scene.idle(), 10, "a round")
    assert (scene.primary.asked("AXFR"), other.asked("AXFR")) == (1, 0)
    other.body = scene.primary.body
    other.replies["SOA"] = lambda q: other.signed(q, [other.message(q, [other.soa(),
                                                                        *scene.claims])])
    scene.look()
    assert (scene.primary.asked("AXFR"), other.asked("AXFR")) == (1, 1)
    assert [p["resigned"]["missed"] for p in
            scene.server.zone_status(ORIGIN)["primaries"]] == [True, True]
    scene.claims = [signature(BEGAN + 200)]
    other.serial = 2
    scene.look()
    assert scene.primary.asked("AXFR") == 2
    wait_for(lambda: scene.client.serial(ORIGIN) == 2, 5, "the newer serial")


def test_a_new_serial_ends_it(stage):
    """What was claimed of another serial is past, and may be claimed once of the new one."""
    scene = Scene(stage)
    scene.claims = [signature(BEGAN + 100)]
    scene.look()
    assert resigned(scene.server)["missed"] and scene.fetched() == 1
    scene.primary.serial = 2
    scene.look()
    assert scene.client.serial(ORIGIN) == 2 and resigned(scene.server) is None
    scene.primary.queries.clear()
    for _ in range(2):
        scene.look()
        assert scene.primary.asked("AXFR") == 1 and resigned(scene.server)["missed"]


@pytest.mark.parametrize("signed", [False, True], ids=["unsigned", "signed"])
def test_who_is_asked_for_signatures(stage, signed):
    """DO is set for a zone that is signed here, and for no other; nothing else differs."""
    scene = Scene(stage, held=[signature(BEGAN)] if signed else [signature(BEGAN, "NS")])
    scene.claims = [signature(BEGAN + 100)]
    scene.look()
    q = next(q for q in scene.primary.queries if q.type == "SOA")
    assert bool(q.message.ednsflags & dns.flags.DO) == signed
    assert [o.otype for o in q.message.options] == [9] and q.message.payload == 1232
    assert scene.fetched() == signed


def test_a_primary_without_edns(stage):
    """It is asked again without, as ever, and can say nothing of signatures."""
    scene = Scene(stage)

    def old(q):
        if q.message.edns >= 0:
            return scene.primary.signed(q, [scene.primary.message(q, [], flags=0x8001)])
        return scene.reply(q)
    scene.primary.replies["SOA"] = old
    for _ in range(2):
        scene.look()
        assert scene.last()["ok"]
    assert [q.message.edns for q in scene.primary.queries] == [0, -1, -1]


def raw(owner, rdata, rdclass=1, length=None):
    return owner + struct.pack("!HHIH", 46, rdclass, 300,
                               len(rdata) if length is None else length) + rdata


GOOD = struct.pack("!HBBIIIH", 6, 13, 2, 300, NEVER, BEGAN + 100, 1) + b"\0" + b"x" * 64
APEX = b"\xc0\x0c"


@pytest.mark.parametrize("octets", [
    raw(APEX, b""), raw(APEX, GOOD[:1]), raw(APEX, GOOD[:15]), raw(APEX, GOOD[:18]),
    raw(APEX, GOOD[:18] + b"\x3f"), raw(APEX, GOOD, rdclass=3), raw(APEX, GOOD, rdclass=255),
    raw(b"\3sub" + APEX, GOOD), raw(b"\7example\3org\0", GOOD), raw(b"\0", GOOD),
    raw(APEX, struct.pack("!H", 2) + GOOD[2:]), raw(b"\xff\xff", GOOD),
], ids=["empty", "an octet", "no inception", "no signer", "signer cut off", "class CH",
        "class ANY", "below the apex", "elsewhere", "the root", "covers NS", "owner beyond"])
def test_signatures_without_sense(stage, octets):
    """They tell nothing, and the serial beside them counts."""
    scene = Scene(stage, key=None)

    def reply(q):
        wire = scene.primary.message(q, [scene.primary.soa()])
        return [wire[:6] + struct.pack("!H", 2) + wire[8:] + octets]
    scene.primary.replies["SOA"] = reply
    scene.look()
    assert scene.last()["ok"], scene.last()
    assert scene.fetched() == 0 and resigned(scene.server) is None
    scene.must_hold(BEGAN)
