# SPDX-License-Identifier: BSD-3-Clause
"""Replies of primaries that no server should send, and connections that end anywhere: a
zone for each, all of them at once. In each what was served stays, the status has the
reason, and the zone recovers by itself once the primary behaves."""

import struct
import time

import dns.message
import dns.name
import dns.rdataclass
import dns.rdatatype
import dns.rdtypes.ANY.TSIG
import dns.tsig
import pytest

from harness.client import frame
from harness.hostile import (CONNECTION, IN, TIMERS, Scene, answer, apex, content, never_answers,
                             one, opt, question, rr, wires, within)
from harness.peers import KEY, OTHER_KEY
from harness.scripted import (Close, Pause, Query, Raw, Reset, Signer, Zone, append_tsig, record,
                              reset)

pytestmark = pytest.mark.understudy

A, NS, CNAME, SOA, TXT, LOC, DNAME, TSIG = 1, 2, 5, 6, 16, 29, 39, 250
KEY_TYPE, DS, RRSIG, NSEC = 25, 43, 46, 47
CHAOS, ANY = 3, 255
OTHER = dns.name.from_text("other.test").to_wire()
BADSIG, BADKEY, BADTIME, BADTRUNC = 16, 17, 18, 22
REFUSED_FLAGS, NOTAUTH_FLAGS = 0x8405, 0x8409


def raw(octets):
    return lambda zone, q: [Raw(octets), Pause(0.05), Close]


def short_soa(zone, octets):
    soa = content(zone)[0]
    at = len(dns.name.from_text(zone.origin).to_wire()) + 8
    length = struct.unpack("!H", soa[at:at + 2])[0]
    return soa[:at] + struct.pack("!H", length - octets) + soa[at + 2:len(soa) - octets]


def long_soa(zone):
    soa = content(zone)[0]
    at = len(dns.name.from_text(zone.origin).to_wire()) + 8
    return soa[:at] + struct.pack("!H", struct.unpack("!H", soa[at:at + 2])[0] + 1) \
        + soa[at + 2:] + b"\0"


def at_one_name(q, *types):
    """A record of each of these types."""
    rdata = {A: b"\1\2\3\4", CNAME: OTHER, DNAME: OTHER, DS: struct.pack("!HBB", 1, 8, 2) + bytes(32),
             KEY_TYPE: b"\1\0\3\x08" + bytes(64), NSEC: apex(q) + b"\0\1\4",
             RRSIG: struct.pack("!HBBIIIH", CNAME, 8, 4, 300, 2**31 - 1, 1, 1) + apex(q) + bytes(64)}
    return [rr(b"\3odd" + apex(q), rdtype, rdata[rdtype]) for rdtype in types]


def looping(zone, q):
    """A record whose owner is a pointer to itself."""
    head = answer(q, within(zone)[:-1])
    loop = struct.pack("!H", 0xc000 | len(head))
    return answer(q, [*within(zone)[:-1], rr(loop, A, b"\1\2\3\4"), content(zone)[-1]])


def two_loops(zone, q):
    """Two records whose owners are pointers to one another."""
    head = answer(q, within(zone)[:-1])
    first, second = len(head), len(head) + 2 + 10 + 4
    return answer(q, [*within(zone)[:-1], rr(struct.pack("!H", 0xc000 | second), A, b"\1\2\3\4"),
                      rr(struct.pack("!H", 0xc000 | first), A, b"\1\2\3\4"), content(zone)[-1]])


def ahead(zone, q):
    """A pointer to where no octet stands yet."""
    return answer(q, within(zone, rr(b"\xff\xfe", A, b"\1\2\3\4")))


LONG_NAME = b"".join(b"\x3f" + b"x" * 63 for _ in range(4)) + b"\0"  # 257 octets


def between_messages(middle):
    """Octets between the first message and the second."""
    def behave(zone, q):
        first, *rest = zone.axfr_reply(q)
        return [first, Raw(middle), *rest]
    return behave


def second_message(change):
    def behave(zone, q):
        messages = zone.axfr_wires(q)
        messages[1] = change(q, messages[1])
        return zone.signed(q, messages)
    return behave


def reset_in_the_middle(zone, q):
    return [*zone.axfr_reply(q)[:2], Pause(0.05), Reset]


def half_a_length(zone, q):
    return [zone.axfr_reply(q)[0], Raw(b"\0"), Pause(0.05), Close]


# Of transfers, whether asked for by IXFR or by AXFR: the reply, and the reasons that the
# status may give.
TRANSFERS = {
    "no question": (one(lambda z, q: answer(q, content(z), questions=0)), "mismatch"),
    "two questions": (one(lambda z, q: answer(q, content(z), questions=2)), "mismatch"),
    "a question of class CH": (
        one(lambda z, q: answer(q, content(z)).replace(question(q), question(q, CHAOS), 1)),
        "mismatch"),
    "truncated": (one(lambda z, q: answer(q, content(z), flags=0x8600)), "truncated"),
    "octets after the last record": (
        one(lambda z, q: answer(q, content(z)) + b"\0"), "malformed"),
    "more answers counted": (
        one(lambda z, q: answer(q, content(z), more=(1, 0, 0))), "malformed trailing"),
    "more authority counted": (
        one(lambda z, q: answer(q, content(z), more=(0, 1, 0))), "malformed"),
    "more additional counted": (
        one(lambda z, q: answer(q, content(z), more=(0, 0, 7))), "malformed"),
    "fewer answers counted": (
        one(lambda z, q: answer(q, content(z), more=(-1, 0, 0))), "malformed closed tsig-missing"),
    "a record beyond the end": (
        one(lambda z, q: answer(q, [*content(z)[:-1], rr(apex(q), A, b"\1\2\3\4", rdlength=400)])),
        "malformed"),
    "a pointer to itself": (one(looping), "malformed"),
    "pointers to one another": (one(two_loops), "malformed"),
    "a pointer ahead": (one(ahead), "malformed"),
    "a name of 257 octets": (
        one(lambda z, q: answer(q, within(z, rr(LONG_NAME, A, b"\1\2\3\4")))), "malformed"),
    "a name of 257 octets in rdata": (
        one(lambda z, q: answer(q, within(z, rr(apex(q), NS, LONG_NAME)))), "malformed"),
    "a label type of old": (
        one(lambda z, q: answer(q, within(z, rr(b"\x41\1\0", A, b"\1\2\3\4")))), "malformed"),
    "a name without an end": (
        one(lambda z, q: answer(q, within(z)[:-1], more=(1, 0, 0)) + b"\3www"), "malformed"),
    "a record of class CH": (
        one(lambda z, q: answer(q, within(z, rr(apex(q), A, b"\1\2\3\4", rdclass=CHAOS)))),
        "malformed"),
    "a record of class ANY": (
        one(lambda z, q: answer(q, within(z, rr(apex(q), A, b"", rdclass=ANY)))), "malformed"),
    "a record of type ANY": (
        one(lambda z, q: answer(q, within(z, rr(apex(q), 255, b"")))), "malformed"),
    "a record of type 0": (
        one(lambda z, q: answer(q, within(z, rr(apex(q), 0, b"")))), "malformed"),
    "OPT among the answers": (
        one(lambda z, q: answer(q, within(z, opt()))), "malformed"),
    "OPT in the authority section": (
        one(lambda z, q: answer(q, content(z), authority=[opt()])), "malformed"),
    "OPT twice": (
        one(lambda z, q: answer(q, content(z), additional=[opt(), opt()])), "malformed"),
    "OPT with an owner": (
        one(lambda z, q: answer(q, content(z), additional=[opt(apex(q))])), "malformed"),
    "BADVERS": (
        one(lambda z, q: answer(q, [], additional=[opt(ttl=1 << 24)])), "rcode"),
    "an error by OPT alone": (
        one(lambda z, q: answer(q, content(z), additional=[opt(ttl=1 << 24)])), "rcode"),
    "the SOA of another zone": (
        one(lambda z, q: answer(q, [rr(OTHER, *([SOA, content(z)[0][-60:]])), *content(z)])),
        "no-soa malformed"),
    "another zone": (
        one(lambda z, q: answer(q, wires([record("other.test", "SOA", "a. b. 2 1 1 1 1")] * 2))),
        "no-soa"),
    "the SOA two octets short": (
        one(lambda z, q: answer(q, [short_soa(z, 2), *content(z)[1:]])), "malformed"),
    "the SOA without numbers": (
        one(lambda z, q: answer(q, [short_soa(z, 20), *content(z)[1:]])), "malformed"),
    "the SOA an octet long": (
        one(lambda z, q: answer(q, [long_soa(z), *content(z)[1:]])), "malformed"),
    "the last SOA short": (
        one(lambda z, q: answer(q, [*content(z)[:-1], short_soa(z, 4)])), "malformed"),
    "SOA in the middle": (
        one(lambda z, q: answer(q, [*within(z, content(z)[0]), content(z)[1], content(z)[0]])),
        "trailing"),
    "another serial in the middle": (
        one(lambda z, q: answer(q, within(z, *wires([z.soa(77)])))), "serial"),
    "a CNAME beside an address": (
        one(lambda z, q: answer(q, within(z, *at_one_name(q, CNAME, A)))), "not-conformant"),
    "a CNAME beside a DS": (
        one(lambda z, q: answer(q, within(z, *at_one_name(q, DS, CNAME)))), "not-conformant"),
    "a CNAME at the apex": (
        one(lambda z, q: answer(q, within(z, rr(apex(q), CNAME, OTHER)))), "not-conformant"),
    "two CNAMEs": (
        one(lambda z, q: answer(q, within(z, *at_one_name(q, CNAME), rr(
            b"\3odd" + apex(q), CNAME, apex(q))))), "not-conformant"),
    "two DNAMEs": (
        one(lambda z, q: answer(q, within(z, *at_one_name(q, DNAME), rr(
            b"\3odd" + apex(q), DNAME, apex(q))))), "not-conformant"),
    "a TXT record without a string": (
        one(lambda z, q: answer(q, within(z, rr(apex(q), TXT, b"")))), "malformed"),
    "a LOC record an octet short": (
        one(lambda z, q: answer(q, within(z, rr(apex(q), LOC, bytes(15))))), "malformed"),
    "a CNAME instead of SOA": (
        one(lambda z, q: answer(q, [rr(apex(q), CNAME, OTHER)])), "no-soa"),
    "the zone among the authority": (
        one(lambda z, q: answer(q, [], authority=content(z))), "no-soa"),
    "an empty message between": (between_messages(b"\0\0"), "malformed"),
    "a header's half between": (between_messages(b"\0\6\0\0\0\0\0\0"), "mismatch malformed"),
    "another message between": (
        between_messages(frame(bytes(12))), "mismatch"),
    "another id later": (
        second_message(lambda q, w: bytes([w[0] ^ 1]) + w[1:]), "mismatch"),
    "a query later": (
        second_message(lambda q, w: w[:2] + b"\0\0" + w[4:]), "mismatch"),
    "an empty message first": (raw(b"\0\0"), "malformed"),
    "one octet": (raw(b"\0\1\0"), "malformed"),
    "eleven octets": (raw(b"\0\x0b" + bytes(11)), "malformed mismatch"),
    "reset in the middle": (reset_in_the_middle, "io closed"),
    "half a length": (half_a_length, "closed"),
}

# Of replies to the query for the serial.
SERIALS = {
    "CNAME": (one(lambda z, q: answer(q, [rr(apex(q), CNAME, OTHER)])), "no-soa"),
    "CNAME and its target's SOA": (
        one(lambda z, q: answer(q, [rr(apex(q), CNAME, OTHER),
                                    *wires([record("other.test", "SOA", "a. b. 9 1 1 1 1")])])),
        "no-soa"),
    "two SOAs": (one(lambda z, q: answer(q, wires([z.soa(), z.soa(7)]))), "malformed"),
    "SOA of another name": (
        one(lambda z, q: answer(q, wires([record("other.test", "SOA", "a. b. 9 1 1 1 1")]))),
        "no-soa"),
    "no such data": (
        one(lambda z, q: answer(q, [], authority=wires([z.soa(7)]))), "no-soa"),
    "a referral": (
        one(lambda z, q: answer(q, [], flags=0x8000, authority=[rr(apex(q), NS, OTHER)])),
        "notauth"),
    "not authoritative": (
        one(lambda z, q: answer(q, wires([z.soa(7)]), flags=0x8000)), "notauth"),
    "no question": (one(lambda z, q: answer(q, wires([z.soa()]), questions=0)), "mismatch"),
    "two questions": (one(lambda z, q: answer(q, wires([z.soa()]), questions=2)), "mismatch"),
    "truncated over TCP too": (
        one(lambda z, q: answer(q, wires([z.soa()]), flags=0x8600)), "truncated"),
    "octets after the end": (
        one(lambda z, q: answer(q, wires([z.soa()])) + b"\0\0"), "malformed"),
    "SOA short": (one(lambda z, q: answer(q, [short_soa(z, 4)])), "malformed"),
    "SOA long": (one(lambda z, q: answer(q, [long_soa(z)])), "malformed"),
    "SOA of class CH": (
        one(lambda z, q: answer(q, [rr(apex(q), SOA, bytes(22), rdclass=CHAOS)])), "malformed"),
    "OPT twice": (
        one(lambda z, q: answer(q, wires([z.soa()]), additional=[opt(), opt()])), "malformed"),
    "OPT cut off": (
        one(lambda z, q: answer(q, wires([z.soa()]), additional=[opt()[:-3]])), "malformed"),
    "SERVFAIL": (one(lambda z, q: answer(q, [], flags=0x8402)), "rcode"),
    "NXDOMAIN": (one(lambda z, q: answer(q, [], flags=0x8403)), "rcode"),
    "REFUSED": (one(lambda z, q: answer(q, [], flags=REFUSED_FLAGS)), "refused"),
    "NOTAUTH": (one(lambda z, q: answer(q, [], flags=NOTAUTH_FLAGS)), "notauth"),
    "empty": (raw(b"\0\0"), "malformed"),
    "a bare header": (one(lambda z, q: answer(q, [], questions=0)), "mismatch"),
}

# Signatures

def tsig_parts(wire):
    """A signed message before its TSIG record, and that record: owner, then rdata."""
    at = wire.rindex(struct.pack("!HHI", TSIG, ANY, 0))
    owner = dns.name.from_text(KEY[0]).to_wire()
    assert wire[at - len(owner):at] == owner
    return wire[:at - len(owner)], owner, wire[at + 10:]


def resigned(change, at=0):
    """The reply with the TSIG record of one message changed: `change(rdata)` returns the
    record as octets, given its owner and rdata."""
    def behave(zone, q):
        messages = zone.axfr_reply(q)
        head, owner, rdata = tsig_parts(messages[at])
        messages[at] = head + change(owner, rdata)
        return messages
    return behave


def with_mac(length):
    """MACs cut to `length` octets, or filled up to it."""
    algorithm = dns.name.from_text("hmac-sha256").to_wire()

    def change(owner, rdata):
        at = len(algorithm) + 8
        size = struct.unpack("!H", rdata[at:at + 2])[0]
        mac = rdata[at + 2:at + 2 + size]
        mac = (mac + bytes(length))[:length]
        return rr(owner, TSIG, rdata[:at] + struct.pack("!H", length) + mac
                  + rdata[at + 2 + size:], 0, ANY)
    return change


def wrong_original_id(owner, rdata):
    return rr(owner, TSIG, rdata[:-6] + bytes([rdata[-6] ^ 1]) + rdata[-5:], 0, ANY)


def other_algorithm(owner, rdata):
    old, new = (dns.name.from_text(a).to_wire() for a in ("hmac-sha256", "hmac-sha1"))
    return rr(owner, TSIG, new + rdata[len(old):], 0, ANY)


def error_reply(error, signer=None, flags=NOTAUTH_FLAGS):
    """What a primary says that does not take our signature (RFC 8945, 5.3.2)."""
    def behave(zone, q):
        wire = answer(q, [], flags=flags)
        if signer:
            return [with_error(signer(q), wire, error)]
        rdata = dns.name.from_text("hmac-sha256").to_wire() + struct.pack(
            "!HIHHHHH", 0, int(time.time()), 300, 0, q.message.id, error, 0)
        return [wire[:11] + b"\1" + wire[12:] + rr(dns.name.from_text(KEY[0]).to_wire(), TSIG,
                                                   rdata, 0, ANY)]
    return behave


def with_error(signer, wire, error):
    """Signed, as BADTIME and BADTRUNC are."""
    blank = dns.rdtypes.ANY.TSIG.TSIG(
        dns.rdataclass.ANY, dns.rdatatype.TSIG, signer.key.algorithm, 0, 300, b"",
        struct.unpack("!H", wire[:2])[0], error, b"\0" * 6 if error == BADTIME else b"")
    tsig, _ = dns.tsig.sign(wire, signer.key, blank, int(time.time()), signer.request_mac)
    return append_tsig(wire, signer.key.name, tsig)


def signed_from_the_second(zone, q):
    first, *rest = zone.axfr_wires(q)
    signer = zone.signer(q)
    signer.sign(first)
    return [first, *map(signer.sign, rest)]


def unsigned_in_a_row(count):
    def behave(zone, q):
        rrsets = [zone.soa(), *zone.body()]
        rrsets += [record(f"m{i}", "TXT", f'"serial {zone.serial}"', origin=zone.origin)
                   for i in range(count - len(rrsets) + 1)]
        messages = [zone.message(q, [r], question=i == 0)
                    for i, r in enumerate([*rrsets, zone.soa()])]
        assert len(messages) == count + 2
        return zone.signed(q, messages, every=10 ** 6)
    return behave


def second_message_later(zone, q):
    """The second message's clock is an hour ahead."""
    messages = zone.axfr_wires(q)
    signer = zone.signer(q)
    out = [signer.sign(messages[0])]
    signer.shift = 3600
    return out + [signer.sign(w) for w in messages[1:]]


def replayed(zone, q):
    messages = zone.axfr_reply(q)
    return [*messages[:2], *messages[1:]]


def tsig_among_the_answers(zone, q):
    head, owner, rdata = tsig_parts(zone.axfr_reply(q)[0])
    counts = struct.unpack("!HHHH", head[4:12])
    head = head[:4] + struct.pack("!HHHH", counts[0], counts[1] + 1, 0, 0) + head[12:]
    return [head + rr(owner, TSIG, rdata, 0, ANY), *zone.axfr_reply(q)[1:]]


def tsig_not_last(zone, q):
    messages = zone.axfr_reply(q)
    head = messages[0]
    messages[0] = head[:10] + struct.pack("!H", struct.unpack("!H", head[10:12])[0] + 1) \
        + head[12:] + opt()
    return messages


def tsig_twice(zone, q):
    messages = zone.axfr_reply(q)
    _, owner, rdata = tsig_parts(messages[0])
    head = messages[0]
    messages[0] = head[:10] + struct.pack("!H", struct.unpack("!H", head[10:12])[0] + 1) \
        + head[12:] + rr(owner, TSIG, rdata, 0, ANY)
    return messages


SIGNATURES = {
    "BADKEY from the primary": (error_reply(BADKEY), "tsig-badkey"),
    "BADSIG from the primary": (error_reply(BADSIG), "tsig-badsig"),
    "BADTIME from the primary": (
        error_reply(BADTIME, lambda q: Signer(KEY, q.mac, multi=False)), "tsig-badtime"),
    "BADTRUNC from the primary": (
        error_reply(BADTRUNC, lambda q: Signer(KEY, q.mac, multi=False)), "tsig-badtrunc"),
    "BADTIME, unsigned": (error_reply(BADTIME), "tsig-badtime"),
    "an error of 99": (error_reply(99), "tsig-badsig"),
    "BADSIG with NOERROR": (error_reply(BADSIG, flags=0x8400), "tsig-badsig"),
    "NOTAUTH, unsigned": (lambda z, q: [answer(q, [], flags=NOTAUTH_FLAGS)], "notauth"),
    "REFUSED, unsigned": (lambda z, q: [answer(q, [], flags=REFUSED_FLAGS)], "refused"),
    "first message unsigned": (signed_from_the_second, "tsig-missing"),
    "100 unsigned in a row": (unsigned_in_a_row(100), "tsig-missing"),
    "MAC of 16 octets": (resigned(with_mac(16)), "tsig-badtrunc"),
    "MAC of 31 octets": (resigned(with_mac(31)), "tsig-badtrunc"),
    "later MAC of 16 octets": (resigned(with_mac(16), at=1), "tsig-badtrunc"),
    "MAC of 15 octets": (resigned(with_mac(15)), "malformed"),
    "MAC of 33 octets": (resigned(with_mac(33)), "malformed"),
    "no MAC": (resigned(with_mac(0)), "malformed tsig-badsig"),
    "wrong original id": (resigned(wrong_original_id), "tsig-badsig"),
    "another algorithm": (resigned(other_algorithm), "tsig-badkey"),
    "TSIG of class IN": (resigned(lambda o, d: rr(o, TSIG, d, 0, IN)), "malformed"),
    "TSIG with a TTL": (resigned(lambda o, d: rr(o, TSIG, d, 1, ANY)), "malformed"),
    "TSIG an octet long": (resigned(lambda o, d: rr(o, TSIG, d + b"\0", 0, ANY)), "malformed"),
    "TSIG cut off": (resigned(lambda o, d: rr(o, TSIG, d[:20], 0, ANY)), "malformed"),
    "TSIG among the answers": (tsig_among_the_answers, "malformed"),
    "TSIG not last": (tsig_not_last, "malformed"),
    "TSIG twice": (tsig_twice, "malformed"),
    "later message from tomorrow": (second_message_later, "tsig-badtime"),
    "a message twice": (replayed, "tsig-badsig"),
    "another key's signature": (
        lambda z, q: z.signed(q, z.axfr_wires(q), Signer(OTHER_KEY, q.mac)), "tsig-badkey"),
}

# Odd, and yet to be taken.
ODD = {
    "not authoritative": one(lambda z, q: answer(q, content(z), flags=0x8000)),
    "RA, RD, AD, CD and Z": one(lambda z, q: answer(q, content(z), flags=0x85f0)),
    "OPT": one(lambda z, q: answer(q, content(z), additional=[opt()])),
    "records in the other sections": one(
        lambda z, q: answer(q, content(z), [rr(OTHER, NS, OTHER)], [rr(OTHER, A, b"\1\2\3\4")])),
    "a TTL of 2^31": one(
        lambda z, q: answer(q, within(z, rr(b"\3odd" + apex(q), A, b"\1\2\3\4", 1 << 31)))),
    "a message without records": lambda z, q: z.signed(
        q, [w for m in z.axfr_wires(q) for w in (m, answer(q, []))][:-1]),
    "the last SOA with other timers": one(
        lambda z, q: answer(q, [*content(z)[:-1], content(z)[-1][:-4] + b"\0\0\0\7"])),
    "a CNAME beside DNSSEC's records": one(
        lambda z, q: answer(q, within(z, *at_one_name(q, CNAME, KEY_TYPE, NSEC, RRSIG)))),
    "a CNAME twice": one(
        lambda z, q: answer(q, within(z, *at_one_name(q, CNAME, CNAME)))),
    "upper case": one(lambda z, q: answer(q, [
        w.replace(dns.name.from_text(z.origin).to_wire(),
                  dns.name.from_text(z.origin.upper()).to_wire(), 1) for w in content(z)])),
}
ODD_SIGNED = {"99 unsigned in a row": unsigned_in_a_row(99)}


@pytest.mark.parametrize("key", [None, KEY], ids=["open", "tsig"])
def test_replies_to_transfers(stage, key):
    Scene(stage, key, TRANSFERS).survive()


@pytest.mark.parametrize("key", [None, KEY], ids=["open", "tsig"])
def test_replies_to_soa_queries(stage, key):
    Scene(stage, key, SERIALS, ("SOA",)).survive()


def test_signatures(stage):
    Scene(stage, KEY, SIGNATURES).survive()


@pytest.mark.parametrize("key", [None, KEY], ids=["open", "tsig"])
def test_odd_replies_are_taken(stage, key):
    odd = {**ODD, **(ODD_SIGNED if key else {})}
    scene = Scene(stage, key, {title: (script, "") for title, script in odd.items()})
    scene.offer(2)
    scene.wait_served(2)
    names = {title: origin for origin, title in scene.origins.items()}
    assert scene.client.ask(f"odd.{names['a TTL of 2^31']}").answer[0].ttl == 0  # RFC 2181, 8
    for origin in scene.origins:
        assert scene.last(origin)[0]["failures"] == 0


def stream(zone, q):
    """A transfer of two messages as it goes over TCP."""
    messages = zone.signed(q, zone.axfr_wires(q, per_message=8))
    assert len(messages) == 2
    return b"".join(map(frame, messages))


def cut_at(offset):
    """The connection ends after so many octets of the reply."""
    return lambda zone, q: [Raw(stream(zone, q)[:offset]), Close]


def stream_length(origin, key):
    wire = dns.message.make_query(origin, "IXFR").to_wire()
    if key:
        wire = Signer(key, multi=False).sign(wire)
    return len(stream(Zone(origin, key, timers=TIMERS), Query(wire, "tcp", key)))


@pytest.mark.parametrize("key", [None, KEY], ids=["open", "tsig"])
def test_connection_closed_at_every_octet(stage, key):
    """A zone for each octet of a transfer at which the connection may end."""
    length = stream_length("z000.hostile.test", key)
    wrong = {f"{i} octets": (cut_at(i), "closed") for i in range(length)}
    Scene(stage, key, wrong).survive()


# Connections that go wrong before any reply

def resets_at_once(connection):
    reset(connection)


def closes_at_once(_connection):
    pass


def reads_nothing(_connection):
    time.sleep(8)


def speaks_first(connection):
    connection.sendall(b"\0\x0c" + bytes(12))
    never_answers(connection)


def drips(connection):
    """A message of the greatest length announced, an octet each half second."""
    connection.sendall(b"\xff\xff")
    for _ in range(16):
        time.sleep(0.5)
        connection.sendall(b"\0")


CONNECTIONS = {
    "resets at once": (resets_at_once, "io closed connect"),
    "closes at once": (closes_at_once, "io closed"),
    "never answers": (never_answers, "timeout"),
    "reads nothing": (reads_nothing, "timeout"),
    "speaks first": (speaks_first, "mismatch malformed"),
    "drips": (drips, "timeout limit-duration"),
}


def test_connections(stage):
    """The replies over UDP are good."""
    Scene(stage, None, CONNECTIONS, CONNECTION, apart=True).survive()
