# SPDX-License-Identifier: BSD-3-Clause
"""Primaries that break off, lie, forge or never end: what is served stays, the
reason shows in `zone status`, and the zone recovers once the primary behaves."""

import struct
import time

import dns.rcode
import pytest

from harness import hostile
from harness.peers import KEY, OTHER_KEY
from harness.process import wait_for
from harness.scripted import Close, Pause, Raw, Scripted, Signer, notify, record

ORIGIN = "example.com"


def cut_off_between_messages(primary, q):
    return primary.axfr_reply(q)[:2] + [Close]


def cut_off_inside_a_message(primary, q):
    first, second, *_ = primary.axfr_reply(q)
    return [first, Raw(struct.pack("!H", len(second)) + second[:len(second) // 2]), Close]


def cut_off_at_once(_primary, _q):
    return [Close]


def endless_new_records(primary, q):
    return endless(primary, q, lambda i: f"e{i}")


def endless_same_record(primary, q):
    return endless(primary, q, lambda _: "same")


def endless(primary, q, owner):
    signer = primary.signer(q)
    wire = primary.message(q, [primary.soa()])
    yield signer.sign(wire) if signer else wire
    i = 0
    while True:
        rrsets = [record(owner(i + k), "A", "192.0.2.1", origin=primary.origin)
                  for k in range(50)]
        i += 50
        wire = primary.message(q, rrsets, question=False)
        yield signer.sign(wire) if signer else wire


def silent_in_the_middle(primary, q):
    return primary.axfr_reply(q)[:2] + [Pause(20), Close]


def one_octet_a_second(primary, q):
    first, second, *_ = primary.axfr_reply(q)
    yield first
    for octet in struct.pack("!H", len(second)) + second:
        yield Raw(bytes([octet]))
        yield Pause(1)


def changed_messages(change):
    """The messages of the transfer, each changed before it is signed."""
    def behave(primary, q):
        return primary.signed(q, [change(primary, q, i, w)
                                  for i, w in enumerate(primary.axfr_wires(q))])
    return behave


def other_records(choose):
    """A transfer of one message with the records that `choose` wants."""
    def behave(primary, q):
        wire = primary.message(q, choose(primary))
        return primary.signed(q, [wire]) + [Close]
    return behave


def patched(at, value):
    def change(_primary, _q, _i, wire):
        return wire[:at] + value + wire[at + len(value):]
    return change


def flipped_id(_primary, _q, _i, wire):
    return bytes([wire[0] ^ 0x55]) + wire[1:]


def other_question(_primary, q, i, wire):
    name = q.name.to_wire()
    return wire if i else wire.replace(name, name[:1] + b"y" + name[2:], 1)


def other_question_type(_primary, q, i, wire):
    end = 12 + len(q.name.to_wire())
    return wire if i else wire[:end] + b"\0\1" + wire[end + 2:]


def refused(primary, q):
    return primary.signed(q, [primary.message(q, [], flags=0x8005)])


def broken_record(rdlength, rdata):
    """A record inside the transfer whose rdata is not what its type wants."""
    def change(primary, q, i, wire):
        if i != 1:
            return wire
        owner = b"\6broken\7example\3com\0"
        junk = owner + struct.pack("!HHIH", 1, 1, 300, rdlength) + rdata
        return wire[:6] + struct.pack("!H", struct.unpack("!H", wire[6:8])[0] + 1) \
            + wire[8:] + junk
    return change


def pointer_loop(_primary, _q, i, wire):
    if i != 1:
        return wire
    junk = struct.pack("!H", 0xc000 | len(wire)) + struct.pack("!HHIH", 1, 1, 300, 4) + b"\1\2\3\4"
    return wire[:6] + struct.pack("!H", struct.unpack("!H", wire[6:8])[0] + 1) + wire[8:] + junk


def count_too_high(_primary, _q, i, wire):
    return wire if i != 1 else wire[:6] + b"\xff\xff" + wire[8:]


def empty_message(primary, q):
    return [Raw(b"\0\0"), Close]


def noise(_primary, _q):
    return [bytes(range(256)) * 2, Close]


# Each with the reason that `zone status` must give, or one of them.
HOSTILE = {
    "cut-off between messages": (cut_off_between_messages, "closed"),
    "cut-off inside a message": (cut_off_inside_a_message, "closed"),
    "cut-off at once": (cut_off_at_once, "closed"),
    "no SOA first": (other_records(lambda p: [*p.body(), p.soa()]), "no-soa"),
    "no SOA at all": (other_records(lambda p: p.body()), "no-soa"),
    "no SOA at the end": (other_records(lambda p: [p.soa(), *p.body()]), "closed"),
    "no records": (other_records(lambda p: []), "no-soa"),
    "SOA of another name": (other_records(lambda p: [
        record("other.example", "SOA", f"a. b. {p.serial} 1 1 1 1"), *p.body(),
        record("other.example", "SOA", f"a. b. {p.serial} 1 1 1 1")]), "no-soa"),
    "another serial at the end": (other_records(
        lambda p: [p.soa(), *p.body(), p.soa(p.serial + 1)]), "serial"),
    "records after the end": (other_records(
        lambda p: [p.soa(), *p.body(), p.soa(), *p.body()]), "trailing"),
    "another id": (changed_messages(flipped_id), "mismatch"),
    "another question": (changed_messages(other_question), "mismatch"),
    "another question type": (changed_messages(other_question_type), "mismatch"),
    "no response": (changed_messages(
        lambda p, q, i, w: w[:2] + bytes([w[2] & 0x7f]) + w[3:]), "mismatch"),
    "another opcode": (changed_messages(
        lambda p, q, i, w: w[:2] + bytes([w[2] | 0x28]) + w[3:]), "mismatch"),
    "truncated": (changed_messages(
        lambda p, q, i, w: w[:2] + bytes([w[2] | 0x02]) + w[3:]), "truncated"),
    "refused": (refused, "refused"),
    "rcode in a later message": (changed_messages(
        lambda p, q, i, w: w[:3] + bytes([w[3] | (2 if i == 1 else 0)]) + w[4:]), "rcode"),
    "A record of five octets": (changed_messages(broken_record(5, b"\1\2\3\4\5")), "malformed"),
    "rdata beyond the message": (changed_messages(broken_record(500, b"\1\2\3\4")), "malformed"),
    "a name with too many types": (other_records(
        lambda p: [p.soa(), *p.body(), *(record("many", f"TYPE{2000 + i}", r"\# 1 00",
                                                origin=p.origin) for i in range(257)),
                   p.soa()]), "limit-types"),
    "compression loop": (changed_messages(pointer_loop), "malformed"),
    "more records counted than there": (changed_messages(count_too_high), "malformed"),
    "an empty message": (empty_message, "malformed"),
    "noise": (noise, "mismatch malformed"),
}

# The same of those that take their time.
SLOW = {
    "endless, new records": (endless_new_records, "limit-records"),
    "endless, the same record": (endless_same_record, "limit-records limit-duration"),
    "silent in the middle": (silent_in_the_middle, "timeout"),
    "one octet a second": (one_octet_a_second, "timeout limit-duration"),
}


# How a signature can be wrong. Every one needs a key.

def unsigned(primary, q):
    return primary.axfr_wires(q)


def only_the_first_signed(primary, q):
    first, *rest = primary.axfr_wires(q)
    return [primary.signer(q).sign(first), *rest]


def bit_flipped(primary, q):
    wires = primary.axfr_reply(q)
    wires[1] = wires[1].replace(b"serial", b"SERIAL", 1)
    return wires


def unsigned_message_changed(primary, q):
    wires = primary.signed(q, primary.axfr_wires(q), every=100)
    assert b"serial" in wires[1]
    wires[1] = wires[1].replace(b"serial", b"SERIAL", 1)
    return wires


def message_left_out(primary, q):
    wires = primary.axfr_reply(q)
    return wires[:1] + wires[2:]


def another_secret(primary, q):
    name, algorithm, _ = KEY
    return primary.signed(q, primary.axfr_wires(q),
                          Signer((name, algorithm, OTHER_KEY[2]), q.mac))


def another_key(primary, q):
    return primary.signed(q, primary.axfr_wires(q), Signer(OTHER_KEY, q.mac))


def clock_ahead(primary, q):
    return primary.signed(q, primary.axfr_wires(q), primary.signer(q, shift=1000))


def clock_behind(primary, q):
    return primary.signed(q, primary.axfr_wires(q), primary.signer(q, shift=-1000))


def reply_to_another_query(primary, q):
    return primary.signed(q, primary.axfr_wires(q), Signer(KEY, b"x" * 32))


def hundred_unsigned_between(primary, q):
    serial = primary.serial
    rrsets = [primary.soa(), *primary.body(),
              *[record(f"m{i}", "TXT", f'"serial {serial}"', origin=ORIGIN) for i in range(110)],
              primary.soa()]
    wires = [primary.message(q, [r], question=i == 0) for i, r in enumerate(rrsets)]
    return primary.signed(q, wires, every=1000)


def cut_mac(primary, q):
    """The first message's MAC cut to ten octets; RFC 8945, 5.2.2.1 forbids under 16."""
    wires = primary.axfr_reply(q)
    head = wires[0]
    at = head.rindex(b"\x01\x2c\x00\x20") + 2  # fudge 300, MAC size 32
    end = at + 2 + 32
    rdlength_at = head.rindex(b"\0\xfa\0\xff\0\0\0\0") + 8
    rdlength = struct.unpack("!H", head[rdlength_at:rdlength_at + 2])[0] - 22
    wires[0] = head[:rdlength_at] + struct.pack("!H", rdlength) + head[rdlength_at + 2:at] \
        + b"\x00\x0a" + head[at + 2:at + 12] + head[end:]
    return wires


FORGED = {
    "unsigned": (unsigned, "tsig-missing"),
    "only the first signed": (only_the_first_signed, "tsig-missing"),
    "bit flipped": (bit_flipped, "tsig-badsig"),
    "unsigned message changed": (unsigned_message_changed, "tsig-badsig"),
    "message left out": (message_left_out, "tsig-badsig"),
    "another secret": (another_secret, "tsig-badsig"),
    "another key": (another_key, "tsig-badkey"),
    "clock ahead": (clock_ahead, "tsig-badtime"),
    "clock behind": (clock_behind, "tsig-badtime"),
    "reply to another query": (reply_to_another_query, "tsig-badsig"),
    "over 99 unsigned in a row": (hundred_unsigned_between, "tsig-missing"),
    "MAC cut short": (cut_mac, "tsig-badsig malformed"),
}

# Odd, but right: must be taken.

ODD = {
    "a record a message": lambda p, q: p.signed(q, p.axfr_wires(q, per_message=1)),
    "one message": lambda p, q: p.signed(q, p.axfr_wires(q, per_message=100)),
    "question in every message": lambda p, q: p.signed(q, [
        p.message(q, [r]) for r in [p.soa(), *p.body(), p.soa()]]),
    "signed now and then": lambda p, q: p.signed(q, p.axfr_wires(q, per_message=1), every=7),
    "in bits and pieces": lambda p, q: [
        Raw(bytes([octet])) for w in p.axfr_reply(q)
        for octet in struct.pack("!H", len(w)) + w],
    "messages glued together": lambda p, q: [
        Raw(b"".join(struct.pack("!H", len(w)) + w for w in p.axfr_reply(q)))],
}

def served_serial(client):
    """The version that is served; SOA and records must agree on it."""
    serial = client.serial(ORIGIN)
    assert serial is not None, "the zone is not served"
    for i in (0, 9):
        text = client.ask(f"v{i}.{ORIGIN}", "TXT").answer[0][0].strings[0].decode()
        assert text == f"serial {serial}"
    return serial


@pytest.fixture(params=[None, KEY], ids=["open", "tsig"])
def scene(request, stage):
    return Scene(stage, request.param)


@pytest.fixture
def signed_scene(stage):
    return Scene(stage, KEY)


class Scene:
    """A scripted primary and a server that has serial 1 from it."""

    def __init__(self, stage, key):
        self.key = key
        self.primary = stage.start(Scripted(stage.clients, ORIGIN, key, timers="3600 2 604800 5"))
        self.server = stage.secondary([ORIGIN], {ORIGIN: 1}, primaries=[self.primary.address],
                                      key=key, **hostile.LIMITS)
        self.client = self.server.client(stage.clients)
        self.notifier = self.server.client(stage.clients, source=self.primary.address)

    def offer(self, serial, behave=None):
        """A new serial is to be had, and a NOTIFY says so."""
        self.primary.good()
        self.primary.serial = serial
        if behave:
            def script(q):
                return behave(self.primary, q)
            self.primary.replies.update(AXFR=script, IXFR=script)
        assert notify(self.notifier, ORIGIN, self.key) == dns.rcode.NOERROR

    def attempts(self):
        return self.primary.asked("AXFR") + self.primary.asked("IXFR")

    def wait_for_failure(self, before, reasons, timeout=15):
        """Waits until an attempt after `before` has failed for one of the `reasons`."""
        wait_for(lambda: self.attempts() > before, timeout, "an attempt")
        if not self.server.understudy:
            time.sleep(3)
            return
        last = {}

        def failed():
            last.update(self.server.last_attempt(ORIGIN))
            over = self.server.zone_status(ORIGIN)["failures"] > 0  # IXFR and AXFR, that is
            return over and last["what"] == "transfer" and not last["ok"]
        wait_for(failed, timeout, lambda: f"a failure, got {last}")
        assert last["reason"] in reasons.split(), last

    def wait_served(self, serial, timeout=15):
        wait_for(lambda: self.client.serial(ORIGIN) == serial, timeout, f"serial {serial}")


def survives(scene, behave, reasons):
    """Serial 1 stays while 2 is offered badly; 3 comes once all is well."""
    before = scene.attempts()
    scene.offer(2, behave)
    scene.wait_for_failure(before, reasons)
    assert served_serial(scene.client) == 1
    scene.offer(3)
    scene.wait_served(3)
    assert served_serial(scene.client) == 3
    if scene.server.understudy:
        wait_for(lambda: scene.server.zone_status(ORIGIN)["failures"] == 0, 5, "no failures")


@pytest.mark.understudy  # the others overlook some of it
@pytest.mark.parametrize("key", [None, KEY], ids=["open", "tsig"])
def test_hostile_transfers(stage, key):
    hostile.Scene(stage, key, HOSTILE).survive()


@pytest.mark.understudy
@pytest.mark.parametrize("key", [None, KEY], ids=["open", "tsig"])
def test_slow_transfers(stage, key):
    hostile.Scene(stage, key, SLOW, apart=True).survive()


@pytest.mark.parametrize("name", FORGED)
def test_forged_transfer(signed_scene, name):
    survives(signed_scene, *FORGED[name])


def test_recovery_by_the_retry_timer(signed_scene):
    """No NOTIFY comes, no operator either: SOA retry alone brings the zone."""
    before = signed_scene.attempts()
    signed_scene.offer(2, bit_flipped)
    signed_scene.wait_for_failure(before, "tsig-badsig")
    signed_scene.primary.good()
    signed_scene.wait_served(2)


@pytest.mark.parametrize("name", ODD)
def test_odd_but_right_transfer(signed_scene, name):
    signed_scene.offer(2, ODD[name])
    signed_scene.wait_served(2)
    assert served_serial(signed_scene.client) == 2


def test_records_outside_the_zone_are_skipped(scene):
    scene.primary.extra = [record("www.elsewhere.example", "A", "192.0.2.66"),
                           record("xexample.com", "A", "192.0.2.67"),
                           record("com", "NS", "ns1.example.com."),
                           record("inside", "A", "192.0.2.68", origin=ORIGIN)]
    scene.offer(2)
    scene.wait_served(2)
    assert scene.client.ask(f"inside.{ORIGIN}").answer[0][0].address == "192.0.2.68"
    for name in ("www.elsewhere.example", "xexample.com", "com"):
        assert scene.client.ask(name).rcode() == dns.rcode.REFUSED
    if scene.server.understudy:
        assert scene.server.zone_status(ORIGIN)["transfer"]["out_of_zone"] == 3


def test_duplicates_and_unequal_ttls(scene):
    """Duplicates are merged, the least TTL of an RRset holds (RFC 2181, section 5)."""
    scene.primary.extra = [record("rr", "A", f"192.0.2.{i}", ttl, ORIGIN)
                           for i, ttl in ((1, 300), (1, 300), (2, 60), (3, 600), (2, 60))]
    scene.offer(2)
    scene.wait_served(2)
    answer = scene.client.ask(f"rr.{ORIGIN}").answer
    assert sorted((r.ttl, rd.address) for r in answer for rd in r) \
        == [(60, f"192.0.2.{i}") for i in (1, 2, 3)]
    if scene.server.understudy:
        transfer = scene.server.zone_status(ORIGIN)["transfer"]
        assert transfer["duplicates"] == 2 and transfer["ttl_lowered"] > 0


def test_older_serial_is_not_taken(scene):
    scene.offer(0xffffffff)  # before 1, by RFC 1982
    wait_for(lambda: scene.primary.asked("SOA"), 5, "a SOA query")
    time.sleep(1)
    assert served_serial(scene.client) == 1
    if scene.server.understudy:
        last = scene.server.last_attempt(ORIGIN)
        assert last["reason"] == "older" and last["text"], last
    scene.offer(2)
    scene.wait_served(2)


def test_serial_wraps_around(stage):
    primary = stage.start(Scripted(stage.clients, ORIGIN))
    primary.serial = 0xfffffffe
    server_ = stage.secondary([ORIGIN], {ORIGIN: 0xfffffffe}, primaries=[primary.address])
    notifier = server_.client(stage.clients, source=primary.address)
    for serial in (0xffffffff, 0, 1):
        primary.serial = serial
        assert notify(notifier, ORIGIN) == dns.rcode.NOERROR
        wait_for(lambda s=serial: server_.client(stage.clients).serial(ORIGIN) == s, 10,
                 f"serial {serial}")


def test_soa_query_with_lies(scene):
    """Datagrams in reply to the SOA query that must not be believed, nor stop anything:
    anybody may have sent them."""
    def lie(q):
        right = scene.primary.soa_reply(q)[0]
        if q.transport == "tcp":
            return [right]
        return [flipped_id(None, None, 0, right), bytes(12), b"", right[:20], right]
    scene.offer(2)
    scene.wait_served(2)
    scene.primary.serial = 3
    scene.primary.replies["SOA"] = lie
    assert notify(scene.notifier, ORIGIN, scene.key) == dns.rcode.NOERROR
    wait_for(lambda: scene.client.serial(ORIGIN) == 3, 15, "serial 3")


def unsigned_end(primary, q):
    rrsets = primary.ixfr_rrsets(q)
    wires = [primary.message(q, rrsets[:-1]), primary.message(q, rrsets[-1:], question=False)]
    return [*primary.signed(q, wires[:1]), wires[1], Close]


def offer_ixfr(scene, serial, behave):
    """Like Scene.offer, but AXFR works."""
    scene.primary.good()
    scene.primary.serial = serial
    scene.primary.replies["IXFR"] = lambda q: behave(scene.primary, q)
    assert notify(scene.notifier, ORIGIN, scene.key, serial=serial) == dns.rcode.NOERROR


@pytest.mark.understudy
def test_differences_with_an_unsigned_end(signed_scene):
    offer_ixfr(signed_scene, 2, unsigned_end)
    signed_scene.wait_served(2)
    last = signed_scene.server.last_attempt(ORIGIN)
    assert last["ixfr_reason"] == "tsig-missing"


@pytest.mark.understudy
@pytest.mark.parametrize("rcode", [1, 4], ids=["FORMERR", "NOTIMP"])
def test_primary_that_refuses_edns(scene, rcode):
    """It is asked again without, and remembered."""
    def old(reply):
        def script(q):
            if q.message.edns >= 0:
                return [scene.primary.message(q, [], flags=0x8000 | rcode)]
            return reply(q)
        return script
    scene.primary.serial = 2
    scene.primary.replies = {"SOA": old(scene.primary.soa_reply),
                             "AXFR": old(scene.primary.axfr_reply),
                             "IXFR": old(scene.primary.ixfr_reply)}
    assert notify(scene.notifier, ORIGIN, scene.key) == dns.rcode.NOERROR
    scene.wait_served(2)
    scene.primary.queries.clear()
    scene.primary.serial = 3
    assert notify(scene.notifier, ORIGIN, scene.key, serial=3) == dns.rcode.NOERROR
    scene.wait_served(3)
    assert [(q.type, q.message.edns) for q in scene.primary.queries] == [("IXFR", -1)]


@pytest.mark.understudy
def test_notify_ahead_of_the_serial(scene):
    """The primary has what its NOTIFY spoke of only after a second."""
    scene.primary.replies["IXFR"] = scene.primary.ixfr_reply
    assert notify(scene.notifier, ORIGIN, scene.key, serial=2) == dns.rcode.NOERROR
    time.sleep(1)
    assert scene.client.serial(ORIGIN) == 1
    assert scene.server.zone_status(ORIGIN)["wanted_serial"] == 2
    scene.primary.serial = 2
    scene.wait_served(2, 8)
    assert scene.server.zone_status(ORIGIN)["wanted_serial"] is None


@pytest.mark.long
@pytest.mark.limit(150)
@pytest.mark.understudy
def test_notify_of_a_serial_that_never_comes(signed_scene):
    """It is asked for a few times more; then the log and the statistics tell."""
    scene = signed_scene
    scene.primary.replies["IXFR"] = scene.primary.ixfr_reply
    assert notify(scene.notifier, ORIGIN, scene.key, serial=7) == dns.rcode.NOERROR

    def given_up():
        return scene.server.ctl_json("stats")["transfers"]["notifies_given_up"]
    time.sleep(10)
    assert given_up() == 0 and scene.server.zone_status(ORIGIN)["wanted_serial"] == 7
    wait_for(lambda: given_up() == 1, 90, "the end of patience")
    assert "serial 7, which a NOTIFY promised" in scene.server.process.log_text()
    assert scene.server.zone_status(ORIGIN)["wanted_serial"] is None


@pytest.mark.understudy
def test_kept_connection_that_the_primary_has_closed(scene):
    """What a connection was kept for is done on a fresh one."""
    def and_close(q):
        return [*scene.primary.ixfr_reply(q), Close]
    for serial in (2, 3, 4):
        scene.primary.serial = serial
        scene.primary.replies["IXFR"] = and_close
        assert notify(scene.notifier, ORIGIN, scene.key, serial=serial) == dns.rcode.NOERROR
        scene.wait_served(serial, 3)
    assert scene.server.zone_status(ORIGIN)["transfer"]["kind"] == "ixfr"


@pytest.mark.understudy
def test_kept_connection_that_leads_nowhere(scene):
    """Something between the two has forgotten it: IXFR comes on a fresh one."""
    primary = scene.primary

    def once_lost(q):
        primary.replies["IXFR"] = primary.ixfr_reply
        return [Pause(20), Close]
    before = primary.connections
    primary.replies["IXFR"] = once_lost
    primary.serial = 2
    assert notify(scene.notifier, ORIGIN, scene.key, serial=2) == dns.rcode.NOERROR
    scene.wait_served(2, 8)
    assert primary.connections == before + 1, "the first was no kept one"
    assert primary.asked("AXFR") == 1 and primary.asked("IXFR") == 2


@pytest.mark.understudy
def test_octets_on_a_kept_connection(scene):
    """What comes unasked is no answer to the next query."""
    def and_more(q):
        wire = scene.primary.message(q, [scene.primary.soa(9)])
        return [*scene.primary.ixfr_reply(q), Pause(0.2), wire]
    scene.primary.serial = 2
    scene.primary.replies["IXFR"] = and_more
    assert notify(scene.notifier, ORIGIN, scene.key, serial=2) == dns.rcode.NOERROR
    scene.wait_served(2)
    time.sleep(0.5)
    offer_ixfr(scene, 3, lambda primary, q: primary.ixfr_reply(q))
    scene.wait_served(3, 3)


def test_flapping_serials(scene):
    """A primary whose serial goes to and fro (servers behind one address, say): what
    is served never goes back."""
    turns = iter(range(10 ** 6))

    def either(q):
        good = scene.primary.serial
        scene.primary.serial = good if next(turns) % 2 else 1
        try:
            return scene.primary.soa_reply(q)
        finally:
            scene.primary.serial = good
    seen, reasons = [], set()
    for serial in range(2, 8):
        scene.primary.serial = serial
        scene.primary.replies["SOA"] = either
        for _ in range(4):
            notify(scene.notifier, ORIGIN, scene.key)
            time.sleep(0.3)
            seen.append(scene.client.serial(ORIGIN))
            if scene.server.understudy:
                reasons.add(scene.server.last_attempt(ORIGIN)["reason"])
    assert seen == sorted(seen)
    assert "older" in reasons or not scene.server.understudy, reasons
    scene.wait_served(7)


# What is refused only where the operator says so.

class PolicyScene(Scene):
    def __init__(self, stage, zone, timers="3600 2 604800 5"):
        self.key = None
        self.primary = stage.start(Scripted(stage.clients, ORIGIN, None, timers=timers))
        self.server = stage.secondary(
            [ORIGIN], {ORIGIN: 1}, primaries=[self.primary.address],
            zones=[{"name": ORIGIN, "primaries": [f"p{self.primary.address}"], **zone}], **hostile.LIMITS)
        self.client = self.server.client(stage.clients)
        self.notifier = self.server.client(stage.clients, source=self.primary.address)


def is_refused(scene, reason):
    wait_for(lambda: scene.server.last_attempt(ORIGIN)["reason"] == reason, 10, reason)
    assert scene.server.zone_status(ORIGIN)["failures"] > 0
    assert served_serial(scene.client) == 1
    scene.offer(2)
    scene.wait_served(2)


@pytest.mark.understudy
def test_records_outside_refused(stage):
    scene = PolicyScene(stage, {"refuse-out-of-zone": True})
    scene.primary.extra = [record("www.elsewhere.example", "A", "192.0.2.66")]
    scene.offer(3)
    wait_for(lambda: scene.server.last_attempt(ORIGIN)["reason"] == "out-of-zone", 10, "refusal")
    scene.primary.extra = []
    scene.wait_served(3)


@pytest.mark.understudy
def test_more_records_than_the_zone_may_have(stage):
    scene = PolicyScene(stage, {"max-records": 50})
    scene.primary.extra = [record(f"x{i}", "A", "192.0.2.66", origin=ORIGIN) for i in range(50)]
    scene.offer(3)
    wait_for(lambda: scene.server.last_attempt(ORIGIN)["reason"] == "limit-records", 10,
             "refusal")
    assert served_serial(scene.client) == 1
    scene.primary.extra = []
    scene.wait_served(3)


@pytest.mark.understudy
def test_older_serial_accepted(stage):
    scene = PolicyScene(stage, {"older-serial": "accept"})
    scene.offer(0xffffffff)
    scene.wait_served(0xffffffff)
    assert "went back from 1 to 4294967295" in scene.server.process.log_text()


@pytest.mark.understudy
def test_serial_zero_refused(stage):
    scene = PolicyScene(stage, {"older-serial": "accept", "refuse-serial-zero": True})
    scene.offer(0)
    is_refused(scene, "serial-zero")


@pytest.mark.understudy
def test_short_refresh_lengthened(stage):
    scene = PolicyScene(stage, {"lengthen-refresh": True}, timers="10 2 604800 5")
    assert 1500 < scene.server.zone_status(ORIGIN)["next_refresh_s"] <= 1800
    assert "refresh of 10 s is taken as 30 minutes" in scene.server.process.log_text()
