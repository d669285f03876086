# SPDX-License-Identifier: BSD-3-Clause
"""Every record type: what a primary hands over is given back octet by octet
(RFC 3597), names in it decompressed where they may come compressed."""

import struct

import dns.name
import dns.rdatatype
import pytest

from harness import client, wire, zones
from harness.peers import Bind, Knot, Nsd
from harness.process import wait_for
from harness.scripted import Scripted, record

ORIGIN = "types.test"
APEX = dns.name.from_text(ORIGIN).to_wire()

# Types that BIND 9.18 can read, a name each; the mixed case of names that
# nobody may compress has to survive.
TEXTS = r"""
a          A          192.0.2.1
ns         NS         target
cname      CNAME      target
mb         MB         target
mg         MG         target
mr         MR         target
null       TYPE10     \# 5 00c00c0001
wks        WKS        192.0.2.1 6 25 80
ptr        PTR        target
hinfo      HINFO      "VAX-11/780" "UNIX"
minfo      MINFO      target target
mx         MX         10 target
txt        TXT        "one" "" "three \"quoted\" \000\255"
rp         RP         TarGet TarGet
afsdb      AFSDB      1 TarGet
x25        X25        "311061700956"
isdn       ISDN       "150862028003217" "004"
isdn1      ISDN       "150862028003217"
rt         RT         10 TarGet
nsap       NSAP       0x47000580005a0000000001e133ffffff00016100
nsap-ptr   NSAP-PTR   TarGet
sig        SIG        A 5 3 300 20300101000000 20200101000000 12345 TarGet c2lnbmF0dXJl
key        KEY        256 3 8 AQPSKmynfzW4kyBv015MUG2DeIQ3
px         PX         10 TarGet TarGet
gpos       GPOS       "-22.6882" "116.8652" "250.0"
aaaa       AAAA       2001:db8::1
loc        LOC        52 22 23.000 N 4 53 32.000 E -2.00m 0.00m 10000m 10m
nxt        NXT        TarGet A NS SOA NXT
eid        EID        12 89 AB
nimloc     NIMLOC     12 89 AB
srv        SRV        1 2 53 TarGet
atma       ATMA       +61200000000
naptr      NAPTR      10 20 "u" "E2U+sip" "!^.*$!sip:info@types.test!" TarGet
kx         KX         10 TarGet
cert       CERT       65534 65535 254 c2lnbmF0dXJl
a6         A6         64 0::1:2:3:4 TarGet
a60        A6         0 ::1
dname      DNAME      TarGet
sink       SINK       8 0 1 c2luaw==
apl        APL        !1:10.0.0.1/32 2:ff00::/8
apl0       APL
ds         DS         12345 8 1 123456789ABCDEF67890123456789ABCDEF67890
sshfp      SSHFP      2 1 123456789abcdef67890123456789abcdef67890
ipseckey0  IPSECKEY   10 0 2 . AQNRU3mG7TVTO2BkR47usntb102uFJtugbo6BSGvgqt4AQ==
ipseckey1  IPSECKEY   10 1 2 192.0.2.38 AQNRU3mG7TVTO2BkR47usntb102uFJtugbo6BSGvgqt4AQ==
ipseckey2  IPSECKEY   10 2 2 2001:db8::8002 AQNRU3mG7TVTO2BkR47usntb102uFJtugbo6BSGvgqt4AQ==
ipseckey3  IPSECKEY   10 3 2 TarGet AQNRU3mG7TVTO2BkR47usntb102uFJtugbo6BSGvgqt4AQ==
rrsig      RRSIG      A 5 3 300 20300101000000 20200101000000 12345 TarGet c2lnbmF0dXJl
nsec       NSEC       TarGet A NS SOA TYPE65280
dnskey     DNSKEY     256 3 8 AQPSKmynfzW4kyBv015MUG2DeIQ3
dhcid      DHCID      AAIBY2/AuCccgoJbsaxcQc9TUapptP69lOjxfNuVAA2kjEA=
nsec3param NSEC3PARAM 1 0 12 AABBCCDD
tlsa       TLSA       3 1 1 0d6fce3320315023ff499a3f3de1362c88f8380311ac8c036890dab13243ec39
smimea     SMIMEA     3 1 1 0d6fce3320315023ff499a3f3de1362c88f8380311ac8c036890dab13243ec39
hip        HIP        2 200100107B1A74DF365639CC39F1D578 AwEAAbdxyhNu TarGet rvs2
ninfo      NINFO      "foo" "bar"
rkey       RKEY       0 255 1 AQNRU3mG7TVTO2BkR47usntb102uFJtugbo6BSGvgqt4AQ==
talink     TALINK     TarGet TarGet2
cds        CDS        12345 8 1 123456789ABCDEF67890123456789ABCDEF67890
cdnskey    CDNSKEY    256 3 8 AQPSKmynfzW4kyBv015MUG2DeIQ3
openpgpkey OPENPGPKEY AQMFD5raczCJHViKtLYhWGz8hMY9UGRuniJDBzC7w0aR
csync      CSYNC      2014091700 3 A NS AAAA
zonemd     ZONEMD     1 1 241 123456789ABCDEF67890123456789ABCDEF67890
svcb       SVCB       1 TarGet alpn=h2,h3 port=8443 ipv4hint=192.0.2.7 key65280=hello
svcb0      SVCB       0 TarGet
https      HTTPS      1 . alpn=h2
spf        SPF        "v=spf1 -all"
uinfo      UINFO      \# 3 010203
uid        UID        \# 4 00000001
gid        GID        \# 4 00000001
unspec     UNSPEC     \# 3 756e73
nid        NID        10 0014:4fff:ff20:ee64
l32        L32        10 10.1.2.0
l64        L64        10 2001:0db8:1140:1000
lp         LP         10 TarGet
eui48      EUI48      00-00-5e-00-53-2a
eui64      EUI64      00-00-5e-ef-10-00-00-2a
uri        URI        10 1 "ftp://ftp1.types.test/public"
caa        CAA        128 issue "ca.example; policy=ev"
avc        AVC        "app-name:understudy|app-class:OAM"
doa        DOA        1234567890 1234567890 1 "image/gif" R0lGODlhKAAZAA==
amtrelay0  AMTRELAY   0 0 0 .
amtrelay1  AMTRELAY   0 1 1 192.0.2.1
amtrelay3  AMTRELAY   0 1 3 TarGet
ta         TA         30795 1 1 310D27F4D82C1FC2400704EA9939FE6E1CEAA3B9
dlv        DLV        30795 1 1 310D27F4D82C1FC2400704EA9939FE6E1CEAA3B9
"""

# Numbers that have no meaning yet, that look like something, or that are empty.
UNKNOWN = r"""
u53    TYPE54    \# 2 c00c
u66    TYPE66    \# 13 003b0100350654617247657400
u67    TYPE67    \# 3 000102
u127   TYPE127   \# 1 00
u256   TYPE261   \# 4 03666f6f
u264   TYPE264   \# 0
uhigh  TYPE65280 \# 20 c00cc00cc00cc00cc00cc00cc00cc00cc00cc00c
uhigh  TYPE65280 \# 0
umore  TYPE65281 \# 1 00
umore  TYPE65282 \# 1 00
ulast  TYPE65534 \# 3 ffffff
"""

TEXT = zones.zone_text(ORIGIN, 1, "target A 192.0.2.7\n" + TEXTS + UNKNOWN)

# Of RFC 1035 section 3.3: octets before the names, and how many of these; the
# only types whose names may be compressed in a reply (RFC 3597 section 4).
COMPRESSIBLE = {2: (0, 1), 3: (0, 1), 4: (0, 1), 5: (0, 1), 6: (0, 2), 7: (0, 1), 8: (0, 1),
                9: (0, 1), 12: (0, 1), 14: (0, 2), 15: (2, 1)}


def answers(reply):
    """The answer section: (owner, type, class, TTL, rdata), names as they are, uncompressed."""
    _, _, questions, count, *_ = struct.unpack_from("!HHHHHH", reply)
    at = 12
    for _ in range(questions):
        at = wire.read_name(reply, at)[1] + 4
    out = []
    for _ in range(count):
        owner, at = wire.read_name(reply, at, fold=False)
        rdtype, rdclass, ttl, rdlength = struct.unpack_from("!HHIH", reply, at)
        at += 10
        end = at + rdlength
        lead, names = COMPRESSIBLE.get(rdtype, (0, 0))
        rdata = reply[at:at + lead]
        at += lead
        for _ in range(names):
            name, at = wire.read_name(reply, at, fold=False)
            rdata += name
        out.append((owner, rdtype, rdclass, ttl, rdata + reply[at:end]))
        at = end
    return sorted(out)


def asked_of(text):
    """Names and type numbers of a zone text's lines."""
    for line in text.split("\n"):
        if line:
            owner, rdtype = line.split()[:2]
            yield owner, NUMBERS.get(rdtype) or int(dns.rdatatype.from_text(rdtype))


# Those that this version of dnspython does not know by name.
NUMBERS = {"MB": 7, "MG": 8, "MR": 9, "MINFO": 14, "KEY": 25, "SIG": 24, "GPOS": 27, "NXT": 30,
           "EID": 31, "NIMLOC": 32, "ATMA": 34, "A6": 38, "SINK": 40, "NINFO": 56, "RKEY": 57,
           "TALINK": 58, "ZONEMD": 63, "UINFO": 100, "UID": 101, "GID": 102, "UNSPEC": 103,
           "NID": 104, "L32": 105, "L64": 106, "LP": 107, "DOA": 259, "TA": 32768, "DLV": 32769}


def generic(peer):
    """The zone once more, every record in RFC 3597's form, from what `peer` answers."""
    lines = []
    for owner, rdtype in asked_of(TEXTS + UNKNOWN):
        for _, _, _, ttl, rdata in answers(raw(peer, owner, rdtype)):
            line = rf"{owner} {ttl} TYPE{rdtype} \# {len(rdata)} {rdata.hex()}"
            if line not in lines:
                lines.append(line)
    return zones.zone_text(ORIGIN, 2, "target A 192.0.2.7\n" + "\n".join(lines) + "\n")


def raw(server, owner, rdtype, tcp=True):
    q = client.query(f"{owner}.{ORIGIN}", rdtype).to_wire()
    return server.tcp_raw(q) if tcp else server.udp_raw(q)


def same_answers(primary, ours):
    """Asks both for everything; returns how many records were equal."""
    count = 0
    for owner, rdtype in asked_of(TEXTS + UNKNOWN):
        want = answers(raw(primary, owner, rdtype))
        for tcp in (True, False):
            got = answers(raw(ours, owner, rdtype, tcp))
            assert got == want, f"{owner} {rdtype}, tcp {tcp}"
        # A delegation and nothing else is not in the answer section.
        assert want or rdtype == 2, f"{owner} {rdtype}: the primary has none"
        count += len(want)
    return count


def test_types_from_bind(stage):
    bind = stage.peer(Bind, {ORIGIN: TEXT})
    server = stage.secondary([ORIGIN], {ORIGIN: 1}, primaries=[bind.address])
    assert same_answers(bind.client, server.client(stage.clients)) > 90


@pytest.mark.parametrize("kind", [Knot, Nsd])
def test_types_by_number(stage, kind):
    bind = stage.peer(Bind, {ORIGIN: TEXT})
    primary = stage.peer(kind, {ORIGIN: generic(bind.client)})
    server = stage.secondary([ORIGIN], {ORIGIN: 2}, primaries=[primary.address])
    assert same_answers(primary.client, server.client(stage.clients)) > 90


# What stands before, between and behind names in rdata: `N` is a name. Types of
# RFC 1035, those that RFC 3597 section 4 wants decompressed too, and types that
# must not come compressed but can be understood all the same.
SHAPES = {2: "N", 3: "N", 4: "N", 5: "N", 7: "N", 8: "N", 9: "N", 12: "N", 14: "NN",
          15: b"\0\12:N", 17: "NN", 18: b"\0\1:N", 21: b"\0\1:N", 24: bytes(18).hex() + ":N:736967",
          26: b"\0\1:NN", 30: "N:40", 33: b"\0\1\0\2\0\65:N",
          35: b"\0\1\0\2\1u\3abc\0:N", 36: b"\0\1:N", 39: "N",
          46: bytes(18).hex() + ":N:736967", 47: "N:000140", 64: b"\0\1:N"}


def parts(shape):
    """A shape as a list of octets and None, which stands for a name."""
    if isinstance(shape, bytes):
        lead, _, rest = shape.partition(b":")
        return [lead] + [None] * len(rest)
    out = []
    for part in shape.split(":"):
        out += [None] * len(part) if part.strip("N") == "" else [bytes.fromhex(part)]
    return out


def rdata_of(shape, name):
    return b"".join(name if part is None else part for part in parts(shape))


class RawZone:
    """A transfer of one message whose records are given in octets."""

    def __init__(self, primary):
        self.primary = primary
        self.records = []
        primary.replies["AXFR"] = self.reply
        primary.replies["IXFR"] = self.reply

    def reply(self, q):
        soa = self.primary.soa()
        body = list(self.primary.body())
        message = self.primary.message(q, [soa, *body])
        for owner, rdtype, rdata in self.records:
            message += owner + struct.pack("!HHIH", rdtype, 1, 300, len(rdata)) + rdata
        end = soa.to_rdataset()[0].to_wire()
        message += b"\xc0\x0c" + struct.pack("!HHIH", 6, 1, 300, len(end)) + end
        count = struct.unpack("!H", message[6:8])[0] + len(self.records) + 1
        return [message[:6] + struct.pack("!H", count) + message[8:]]


def owner_name(rdtype):
    label = f"t{rdtype}".encode()
    return bytes([len(label)]) + label + b"\xc0\x0c"


@pytest.fixture
def scripted(stage):
    return stage.start(Scripted(stage.clients, ORIGIN))


def test_compressed_names_are_stored_whole(stage, scripted):
    """In the rdata of every type with a name that we know; the types where RFC
    3597 allows none are understood as well, and never sent so."""
    zone = RawZone(scripted)
    zone.records = [(owner_name(t), t, rdata_of(s, b"\3WwW\xc0\x0c")) for t, s in SHAPES.items()]
    server = stage.secondary([ORIGIN], {ORIGIN: 1}, primaries=[scripted.address])
    ours = server.client(stage.clients)
    for rdtype, shape in SHAPES.items():
        if rdtype == 2:
            continue  # a delegation: seen in the authority section
        want = rdata_of(shape, b"\3WwW" + APEX)
        for tcp in (True, False):
            got = answers(raw(ours, f"t{rdtype}", rdtype, tcp))
            assert [r[4] for r in got if r[1] == rdtype] == [want], rdtype
    referral = ours.ask(f"t2.{ORIGIN}", "NS")
    assert str(referral.authority[0][0].target).lower() == f"www.{ORIGIN}."


def test_what_looks_compressed_is_left_alone(stage, scripted):
    """Octets like pointers in types without names, and in types by number alone."""
    zone = RawZone(scripted)
    opaque = {10: b"\xc0\x0c", 16: b"\2\xc0\x0c", 38: b"\x80\xc0\x0c", 45: b"\1\3\2\xc0\x0c",
              55: b"\1\2\0\1h\xc0\x0c", 256: b"\0\1\0\1\xc0\x0c", 65280: b"\xc0\x0c", 65400: b""}
    zone.records = [(owner_name(t), t, rdata) for t, rdata in opaque.items()]
    server = stage.secondary([ORIGIN], {ORIGIN: 1}, primaries=[scripted.address])
    ours = server.client(stage.clients)
    for rdtype, rdata in opaque.items():
        assert answers(raw(ours, f"t{rdtype}", rdtype))[0][4] == rdata, rdtype


def malformed():
    """Rdata that their type forbids: too short, too long, with names that end early,
    point forward, or are too long."""
    forward = struct.pack("!H", 0xffff)
    too_long = b"\77" + b"x" * 63 + (b"\77" + b"x" * 63) * 3 + b"\0"
    for rdtype, shape in SHAPES.items():
        good = rdata_of(shape, APEX)
        yield rdtype, b""
        yield rdtype, rdata_of(shape, b"\77")
        yield rdtype, rdata_of(shape, forward)
        yield rdtype, rdata_of(shape, too_long)
        if parts(shape)[-1] is None and rdtype != 64:
            yield rdtype, good + b"x"
    for rdtype, rdata in {1: b"\1\2\3", 28: bytes(15), 13: b"\3VAX", 11: bytes(4), 43: bytes(3),
                          6: APEX + APEX + bytes(19), 48: bytes(3), 50: b"\1\0\0\0\7aa",
                          51: b"\1\0\0\0\1aa", 52: bytes(2), 104: bytes(9), 105: bytes(5),
                          108: bytes(5), 109: bytes(9), 257: b"\0\7iss"}.items():
        yield rdtype, rdata
    yield 41, b""
    yield 250, b""
    yield 255, b""


def test_malformed_rdata_fails_the_transfer(stage, scripted):
    """Each fails it with that reason, and what was served stays."""
    zone = RawZone(scripted)
    server = stage.secondary([ORIGIN], {ORIGIN: 1}, primaries=[scripted.address])
    ours = server.client(stage.clients)
    for serial, (rdtype, rdata) in enumerate(malformed(), start=2):
        zone.records = [(owner_name(rdtype), rdtype, rdata)]
        scripted.serial = serial
        before = scripted.asked("AXFR") + scripted.asked("IXFR")
        server.ctl("zone", "retransfer", ORIGIN)

        def failed():
            if scripted.asked("AXFR") + scripted.asked("IXFR") == before:
                return None
            last = server.last_attempt(ORIGIN)
            return last if last and not last["ok"] else None
        last = wait_for(failed, 10, f"a failed attempt with type {rdtype}: {rdata.hex()}")
        assert last["reason"] == "malformed", (rdtype, rdata, last)
        assert ours.serial(ORIGIN) == 1
    zone.records = [(owner_name(1), 1, b"\1\2\3\4")]
    server.ctl("zone", "retransfer", ORIGIN)
    wait_for(lambda: ours.serial(ORIGIN) == scripted.serial, 10, "the zone at last")
