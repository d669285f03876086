# SPDX-License-Identifier: BSD-3-Clause
"""What RFC 8906 asks of every server, and what RFC 6891 and its options say: over UDP
by a worker or the kernel's sockets, over IPv6, and over TCP. Every reply is read octet by
octet; an answer is owed to everything but responses and what is no message."""

import itertools
import struct

import pytest

from harness import net, zones
from harness.client import Client
from harness.peers import Bind

pytestmark = pytest.mark.understudy

ORIGIN = "example.com"
TCP_IDLE_S = 7
NSID = b"sweep"
QR, AA, TC, RD, RA, Z, AD, CD = (0x8000, 0x0400, 0x0200, 0x0100, 0x0080, 0x0040, 0x0020, 0x0010)
NOERROR, FORMERR, NXDOMAIN, NOTIMP, REFUSED, NOTAUTH, BADVERS, BADCOOKIE = 0, 1, 3, 4, 5, 9, 16, 23
A, SOA, TXT, OPT, NXNAME, IXFR, AXFR = 1, 6, 16, 41, 128, 251, 252
MAILB, MAILA, ANY = 253, 254, 255
QUERY, NOTIFY, UPDATE = 0, 4, 5
O_NSID, O_SUBNET, O_EXPIRE, O_COOKIE, O_KEEPALIVE, O_PADDING, O_ERROR, O_VERSION = (
    3, 8, 9, 10, 11, 12, 15, 19)
COOKIE = bytes(range(8))
SUBNET = b"\0\1\x18\0\xc0\0\2"


def option(code, data=b""):
    return struct.pack("!HH", code, len(data)) + data


def opt(size=1232, version=0, flags=0, options=b"", rcode=0):
    return b"\0" + struct.pack("!HHBBHH", OPT, size, rcode, version, flags, len(options)) + options


def name(text):
    return b"".join(bytes([len(label)]) + label.encode() for label in text.split(".") if label) \
        + b"\0"


def question(text=ORIGIN, rdtype=SOA, rdclass=1):
    return name(text) + struct.pack("!HH", rdtype, rdclass)


def message(body=None, flags=0, opcode=QUERY, counts=None, records=b""):
    """A message of one question (or `body`), then `records`, of which one is counted."""
    counts = counts or (1, 0, 0, 1 if records else 0)
    body = question() if body is None else body
    return struct.pack("!HHHHHH", 0x8906, flags | opcode << 11, *counts) + body + records


class Reply:
    """A reply, read to its last octet."""

    def __init__(self, wire):
        self.wire = wire
        self.id, self.flags, *self.counts = struct.unpack_from("!HHHHHH", wire)
        self.at = 12
        self.opcode = self.flags >> 11 & 15
        self.rcode = self.flags & 15
        self.question = b""
        self.version = self.size = self.ednsflags = None
        self.options = {}
        for _ in range(self.counts[0]):
            start = self.at
            self.skip_name()
            self.at += 4
            self.question += wire[start:self.at]
        self.types = [[self.record() for _ in range(n)] for n in self.counts[1:]]
        assert self.at == len(wire), "octets behind the last record"

    def skip_name(self):
        while self.wire[self.at] and self.wire[self.at] < 0xc0:
            self.at += 1 + self.wire[self.at]
        self.at += 1 if self.wire[self.at] == 0 else 2

    def record(self):
        self.skip_name()
        rdtype, rdclass, ttl, length = struct.unpack_from("!HHIH", self.wire, self.at)
        self.at += 10 + length
        assert self.at <= len(self.wire)
        if rdtype == OPT:
            assert self.size is None, "two OPT records"
            self.size = rdclass
            self.rcode |= ttl >> 24 << 4
            self.version = ttl >> 16 & 255
            self.ednsflags = ttl & 0xffff
            data = self.wire[self.at - length:self.at]
            while data:
                code, n = struct.unpack_from("!HH", data)
                assert code not in self.options and 4 + n <= len(data)
                self.options[code] = data[4:4 + n]
                data = data[4 + n:]
        return rdtype

    @property
    def edns(self):
        return self.size is not None


@pytest.fixture(scope="module")
def scene(any_stage):
    text = zones.zone_text(ORIGIN, 258, zones.VARIED)
    any_stage.peer(Bind, {ORIGIN: text})
    server = any_stage.secondary(
        [ORIGIN], {ORIGIN: 258}, tcp={"idle-timeout": TCP_IDLE_S},
        server={"nsid": NSID.decode(), "log-level": "info"})
    return server, any_stage.clients


@pytest.fixture(scope="module", params=["udp", "udp6", "tcp"])
def ask(request, scene):
    server, clients = scene
    client = server.client(clients, address=net.SERVER6 if request.param == "udp6" else net.SERVER)

    def ask_one(wire, expect_reply=True):
        if request.param == "tcp":
            try:
                raw = client.tcp_raw(wire)
            except (EOFError, ConnectionResetError):
                raw = None
        else:
            raw = client.udp_raw(wire, timeout=2.0 if expect_reply else 0.3)
            if raw is None and expect_reply:
                raw = client.udp_raw(wire)
        if not expect_reply:
            assert raw is None
            return None
        assert raw is not None, f"no reply to {wire.hex()}"
        reply = Reply(raw)
        assert reply.id == 0x8906
        assert reply.flags & QR
        assert reply.opcode == struct.unpack_from("!H", wire, 2)[0] >> 11 & 15
        assert not reply.flags & (RA | Z | AD)
        return reply

    ask_one.tcp = request.param == "tcp"
    return ask_one


def expect(reply, rcode, edns, answer=False, flags=0, options=()):
    """The rcode, whether OPT is there, whether the SOA is, the header's flags, the options."""
    assert reply.rcode == rcode
    assert reply.edns == edns
    assert (SOA in reply.types[0]) == answer
    assert reply.flags & (AA | TC | RD | CD) == flags
    assert set(reply.options) == set(options)
    if edns:
        assert reply.version == 0
        assert reply.size == 1232
        assert not reply.ednsflags & 0x7fff


# ---- RFC 8906 section 8.1: without EDNS

def test_plain(ask):
    expect(ask(message()), NOERROR, False, True, AA)


@pytest.mark.parametrize("rdtype", [54, 1000, 32767, 65281, 65534])
def test_unknown_type(ask, rdtype):
    reply = ask(message(question(ORIGIN, rdtype)))
    expect(reply, NOERROR, False, flags=AA)
    assert reply.types == [[], [SOA], []]


@pytest.mark.parametrize("flags, sent_back", [(CD, CD), (AD, 0), (Z, 0), (RD, RD), (RA, 0), (TC, 0),
                                              (AA, 0), (0x000f, 0), (0x07ff, RD | CD)])
def test_header_flags(ask, flags, sent_back):
    expect(ask(message(flags=flags)), NOERROR, False, True, AA | sent_back)


@pytest.mark.parametrize("opcode", range(1, 16))
@pytest.mark.parametrize("records, edns", [(b"", False), (opt(), True), (opt(flags=0x8000), True),
                                           (opt(options=option(65001, b"x")), True)],
                         ids=["plain", "edns", "do", "option"])
def test_opcodes(ask, opcode, records, edns):
    body = question("example.org") if opcode == NOTIFY else None
    reply = ask(message(body, opcode=opcode, records=records))
    wanted = {NOTIFY: NOTAUTH, UPDATE: REFUSED}.get(opcode, NOTIMP)
    assert reply.rcode == wanted
    assert reply.edns == edns
    assert reply.counts[1:] == [0, 0, int(edns)]
    assert not reply.flags & (AA | TC)
    assert not edns or reply.ednsflags == (0x8000 if b"\x80\0" in records else 0)
    assert not edns or opcode == NOTIFY or reply.options == {O_ERROR: b"\0\x15"}


@pytest.mark.parametrize("opcode", range(1, 16))
def test_opcodes_with_nothing_but_a_header(ask, opcode):
    reply = ask(message(b"", opcode=opcode, counts=(0, 0, 0, 0)))
    wanted = {NOTIFY: FORMERR, UPDATE: REFUSED}.get(opcode, NOTIMP)
    expect(reply, wanted, False)
    assert reply.counts == [0, 0, 0, 0]


@pytest.mark.parametrize("opcode", range(16))
def test_opcodes_with_unknown_version(ask, opcode):
    expect(ask(message(opcode=opcode, records=opt(version=1))), BADVERS, True)


@pytest.mark.parametrize("opcode", [0, 4, 15])
def test_responses_are_not_answered(ask, opcode):
    ask(message(opcode=opcode, flags=QR), expect_reply=False)


@pytest.mark.parametrize("octets", [0, 1, 2, 11])
def test_what_is_no_message_is_not_answered(ask, octets):
    ask(message()[:octets], expect_reply=False)


# ---- RFC 8906 section 8.2: with EDNS

def test_edns(ask):
    expect(ask(message(records=opt())), NOERROR, True, True, AA)


@pytest.mark.parametrize("size", [0, 511, 512, 4096, 65535])
def test_any_size(ask, size):
    expect(ask(message(records=opt(size=size))), NOERROR, True, True, AA)


@pytest.mark.parametrize("version", [1, 2, 100, 255])
@pytest.mark.parametrize("flags", [0, 0x0080, 0x8000])
@pytest.mark.parametrize("options", [b"", option(100), option(O_COOKIE, COOKIE),
                                     option(O_COOKIE, b"malformed here")],
                         ids=["none", "unknown", "cookie", "bad-cookie"])
def test_unknown_version(ask, version, flags, options):
    reply = ask(message(records=opt(version=version, flags=flags, options=options)))
    expect(reply, BADVERS, True)
    assert reply.counts == [1, 0, 0, 1]
    assert reply.ednsflags == flags & 0x8000


@pytest.mark.parametrize("code", [0, 1, 4, 16, 100, 20292, 26946, 65001, 65535])
@pytest.mark.parametrize("octets", [0, 1, 200])
def test_unknown_option(ask, code, octets):
    expect(ask(message(records=opt(options=option(code, b"\1" * octets)))), NOERROR, True, True, AA)


@pytest.mark.parametrize("flags", [0x0001, 0x0080, 0x4000, 0x7fff, 0x8000, 0xffff])
def test_unknown_flags(ask, flags):
    reply = ask(message(records=opt(flags=flags)))
    expect(reply, NOERROR, True, True, AA)
    assert reply.ednsflags == flags & 0x8000


def test_extended_rcode_in_a_query_means_nothing(ask):
    expect(ask(message(records=opt(rcode=255))), NOERROR, True, True, AA)


# ---- OPT where it is wrong

def test_two_opts(ask):
    for first, second in itertools.product([opt(), opt(options=option(O_COOKIE, COOKIE))],
                                           repeat=2):
        expect(ask(message(records=first + second, counts=(1, 0, 0, 2))), FORMERR, False)


def test_opt_in_other_sections(ask):
    expect(ask(message(records=opt(), counts=(1, 1, 0, 0))), FORMERR, False)
    expect(ask(message(records=opt(), counts=(1, 0, 1, 0))), FORMERR, False)


def test_opt_with_a_name(ask):
    expect(ask(message(records=b"\1x" + opt())), FORMERR, False)
    expect(ask(message(records=b"\xc0\x0c" + opt()[1:])), FORMERR, False)


def test_truncated_opt(ask):
    whole = message(records=opt(options=option(O_COOKIE, COOKIE) + option(100, b"xyz")))
    for end in range(len(message()), len(whole)):
        expect(ask(whole[:end]), FORMERR, False)


def test_truncated_option(ask):
    options = option(O_COOKIE, COOKIE) + option(100, b"xyz")
    for end in itertools.chain(range(1, 12), range(13, len(options))):
        expect(ask(message(records=opt(options=options[:end]))), FORMERR, False)


def test_more_than_counted(ask):
    expect(ask(message() + b"\0"), FORMERR, False)
    expect(ask(message(records=opt()) + b"\0"), FORMERR, True)


def test_fewer_than_counted(ask):
    expect(ask(message(records=opt(), counts=(1, 0, 0, 2))), FORMERR, True)
    expect(ask(message(counts=(1, 0, 0, 1))), FORMERR, False)
    expect(ask(message(counts=(2, 0, 0, 0))), FORMERR, False)


@pytest.mark.parametrize("count", [0, 2, 3])
def test_other_numbers_of_questions(ask, count):
    for records, edns in ((b"", False), (opt(), True)):
        reply = ask(message(question() * count, records=records,
                            counts=(count, 0, 0, int(edns))))
        expect(reply, FORMERR, edns)
        assert reply.counts[0] == 0


def test_records_of_no_business(ask):
    other = b"\0" + struct.pack("!HHIH", A, 1, 0, 4) + b"abcd"
    for counts in ((1, 1, 0, 1), (1, 0, 1, 1), (1, 0, 0, 2)):
        expect(ask(message(records=other + opt(), counts=counts)), NOERROR, True, True, AA)


# ---- types and classes

@pytest.mark.parametrize("rdtype", [AXFR, IXFR])
def test_transfers_are_refused(ask, rdtype):
    expect(ask(message(question(ORIGIN, rdtype))), REFUSED, False)
    reply = ask(message(question(ORIGIN, rdtype), records=opt()))
    expect(reply, REFUSED, True, options={O_ERROR})
    assert reply.options[O_ERROR] == b"\0\x12"


@pytest.mark.parametrize("rdtype", [0, OPT, 129, 249, 250, MAILB, MAILA, 65535])
def test_meta_types_own_nothing(ask, rdtype):
    for records, edns in ((b"", False), (opt(), True)):
        reply = ask(message(question(ORIGIN, rdtype), records=records))
        expect(reply, NOERROR, edns, flags=AA)
        assert reply.types[1] == [SOA]


def test_nxname_is_not_to_be_asked_for(ask):
    expect(ask(message(question(ORIGIN, NXNAME))), FORMERR, False)
    reply = ask(message(question(ORIGIN, NXNAME), records=opt()))
    expect(reply, FORMERR, True, options={O_ERROR})
    assert reply.options[O_ERROR] == b"\0\x1e"


@pytest.mark.parametrize("rdclass", [0, 2, 4, 254, 65535])
def test_other_classes(ask, rdclass):
    expect(ask(message(question(ORIGIN, SOA, rdclass))), REFUSED, False)
    expect(ask(message(question(ORIGIN, SOA, rdclass), records=opt())), REFUSED, True,
           options={O_ERROR})


def test_class_any(ask):
    expect(ask(message(question(ORIGIN, SOA, ANY))), NOERROR, False, True)


def test_not_ours(ask):
    reply = ask(message(question("example.org"), records=opt()))
    expect(reply, REFUSED, True, options={O_ERROR})
    assert reply.options[O_ERROR] == b"\0\x14"


def test_case_is_copied_back(ask):
    reply = ask(message(question("eXaMpLe.CoM"), records=opt()))
    expect(reply, NOERROR, True, True, AA)
    assert reply.question == question("eXaMpLe.CoM")


def test_any_is_small_over_udp(ask):
    reply = ask(message(question(ORIGIN, ANY), records=opt()))
    assert reply.rcode == NOERROR
    kinds = set(reply.types[0])
    assert len(kinds) == 1 or (ask.tcp and len(kinds) >= 5)


# ---- options that we know

def test_known_options(ask):
    """All at once (RFC 8906 section 8.2.11), each answered as its RFC says."""
    options = [option(O_NSID), option(O_SUBNET, SUBNET), option(O_EXPIRE),
               option(O_COOKIE, COOKIE), option(O_KEEPALIVE), option(O_PADDING, bytes(8)),
               option(O_VERSION), option(65001, b"?")]
    for order in (options, options[::-1]):
        reply = ask(message(records=opt(options=b"".join(order))))
        wanted = {O_NSID, O_EXPIRE, O_COOKIE, O_VERSION} | ({O_KEEPALIVE} if ask.tcp else set())
        expect(reply, NOERROR, True, True, AA, wanted)
        assert reply.options[O_NSID] == NSID
        assert reply.options[O_COOKIE][:8] == COOKIE and len(reply.options[O_COOKIE]) == 24
        assert reply.options[O_VERSION] == b"\2\0" + struct.pack("!I", 258)
        assert 604800 - 120 <= struct.unpack("!I", reply.options[O_EXPIRE])[0] <= 604800
        if ask.tcp:
            assert reply.options[O_KEEPALIVE] == struct.pack("!H", TCP_IDLE_S * 10)


def test_zoneversion(ask):
    version = {O_VERSION}
    for text, rcode in ((f"a.b.{ORIGIN}", NXDOMAIN), (f"x.sub.{ORIGIN}", NOERROR)):
        reply = ask(message(question(text, A), records=opt(options=option(O_VERSION))))
        assert (reply.rcode, set(reply.options)) == (rcode, version)
        assert reply.options[O_VERSION] == b"\2\0" + struct.pack("!I", 258)
    expect(ask(message(records=opt(options=option(O_VERSION, b"\2\0")))), FORMERR, True)


def test_expire_is_for_the_soa(ask):
    reply = ask(message(question(f"www.{ORIGIN}", A), records=opt(options=option(O_EXPIRE))))
    assert reply.rcode == NOERROR and reply.options == {}


@pytest.mark.parametrize("octets", [0, 1, 7, 9, 15, 41, 200])
def test_malformed_cookie(ask, octets):
    expect(ask(message(records=opt(options=option(O_COOKIE, bytes(octets))))), FORMERR, True)


def test_cookie_comes_back(ask):
    """A server cookie is given, is known again, and what is none is replaced."""
    def cookie(data, **more):
        reply = ask(message(records=opt(options=option(O_COOKIE, data)), **more))
        return reply.rcode, reply.options.get(O_COOKIE)

    rcode, first = cookie(COOKIE)
    assert (rcode, first[:12]) == (NOERROR, COOKIE + b"\1\0\0\0")
    assert cookie(first) == (NOERROR, first)
    rcode, other = cookie(COOKIE + bytes(16))
    assert rcode == NOERROR and other[8:12] == b"\1\0\0\0"
    nothing = {"body": b"", "counts": (0, 0, 0, 1)}
    assert cookie(COOKIE, **nothing)[0] == NOERROR
    assert cookie(first, **nothing) == (NOERROR, first)
    assert cookie(COOKIE + bytes(16), **nothing)[0] == BADCOOKIE


def test_keepalive_with_a_value(ask):
    reply = ask(message(records=opt(options=option(O_KEEPALIVE, b"\0\1"))))
    if ask.tcp:
        expect(reply, FORMERR, True)
    else:
        expect(reply, NOERROR, True, True, AA)


def test_truncated_replies_have_opt(ask):
    """Section 8.2.7: what is cut says so, and has EDNS all the same."""
    reply = ask(message(question(f"x.{ORIGIN}", A), records=opt(size=512, flags=0x8000)))
    assert reply.rcode == NXDOMAIN and reply.edns and reply.ednsflags == 0x8000
    assert len(reply.wire) <= 512 or ask.tcp


def test_combinations(ask):
    """Everything with everything: the first of malformed, version, opcode, class, type that
    is wrong says what becomes of it."""
    for version, flags, extra, rdclass, rdtype, header in itertools.product(
            (0, 1), (0, 0x8000, 0x7fff), (b"", option(100), option(O_NSID), option(O_COOKIE, COOKIE)),
            (1, 4), (SOA, 1000, AXFR), (0, RD | CD | Z | AD)):
        reply = ask(message(question(ORIGIN, rdtype, rdclass), flags=header,
                            records=opt(version=version, flags=flags, options=extra)))
        wanted = BADVERS if version else REFUSED if rdclass != 1 or rdtype == AXFR else NOERROR
        options = set()
        if not version:
            options |= {O_NSID} if extra == option(O_NSID) else set()
            options |= {O_COOKIE} if extra == option(O_COOKIE, COOKIE) else set()
            options |= {O_ERROR} if wanted == REFUSED else set()
        expect(reply, wanted, True, wanted == NOERROR and rdtype == SOA,
               (AA if wanted == NOERROR else 0) | header & (RD | CD), options)
        assert reply.ednsflags == flags & 0x8000
