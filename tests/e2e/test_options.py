# SPDX-License-Identifier: BSD-3-Clause
"""Cookies that BIND and Knot make and take with the same secret, rate limiting, EXPIRE
as the zone ages, options of signed queries."""

import random
import time

import dns.edns
import dns.message
import dns.rcode
import dns.tsig
import dns.tsigkeyring
import pytest

from harness import net, zones
from harness.client import Client, query
from harness.peers import KEY, OTHER_KEY, Bind, Knot
from harness.process import wait_for
from harness.scripted import Close, Scripted

pytestmark = pytest.mark.understudy

ORIGIN = "example.com"
SECRET, OLD_SECRET = "00112233445566778899aabbccddeeff", "ffeeddccbbaa99887766554433221100"
NSID, EXPIRE, COOKIE, ERROR = 3, 9, 10, 15
BADCOOKIE = 23


class CookieBind(Bind):
    """BIND that answers over UDP only who has its cookie."""

    def write_config(self):
        super().write_config()
        with open(self.path("named.conf"), encoding="utf-8") as f:
            text = f.read()
        zones.write(self.path("named.conf"), text.replace(
            "recursion no;", f'recursion no; cookie-algorithm siphash24; cookie-secret "{SECRET}";'
                             " require-server-cookie yes;"))


class CookieKnot(Knot):
    """Knot likewise."""

    def write_config(self):
        super().write_config()
        with open(self.path("knot.conf"), encoding="utf-8") as f:
            text = f.read()
        zones.write(self.path("knot.conf"), text.replace(
            "template:\n  - id: default\n",
            f"mod-cookies:\n  - id: one\n    secret: 0x{SECRET}\n    badcookie-slip: 1\n"
            "template:\n  - id: default\n    global-module: mod-cookies/one\n"))


def ask(client, data, name=ORIGIN, rdtype="SOA", code=COOKIE, tcp=False):
    """The rcode, and the option of this code that comes back."""
    q = query(name, rdtype)
    q.use_edns(0, options=[dns.edns.GenericOption(code, data)])
    reply = client.tcp(q) if tcp else client.udp(q)
    found = [o.to_wire() for o in reply.options if o.otype == code]
    assert len(found) <= 1
    return reply.rcode(), found[0] if found else None


@pytest.mark.parametrize("peer", [CookieBind, CookieKnot])
@pytest.mark.parametrize("secrets", [[SECRET], [SECRET, OLD_SECRET], [OLD_SECRET, SECRET]],
                         ids=["one", "current", "next"])
def test_cookies_are_interoperable(stage, peer, secrets):
    primary = stage.peer(peer, {ORIGIN: zones.zone_text(ORIGIN)})
    server = stage.secondary([ORIGIN], primaries=[primary.address],
                             cookies={"require": True, "secrets": secrets})
    for v6 in (False, True):
        source = net.v6(net.STRANGER) if v6 else net.STRANGER
        ours = Client(stage.clients, net.SERVER6 if v6 else net.SERVER, source=source)
        theirs = Client(stage.clients, net.v6(primary.address) if v6 else primary.address,
                        source=source)
        wait_for(lambda ours=ours: ours.serial(ORIGIN) == 1, 20, "the zone")
        mine = random.randbytes(8)
        rcode, from_them = ask(theirs, mine)
        assert rcode == BADCOOKIE and len(from_them) == 24
        rcode, from_us = ask(ours, mine)
        assert rcode == BADCOOKIE and len(from_us) == 24
        assert ask(theirs, from_them)[0] == 0, "the peer knows its own"
        assert ask(ours, from_us)[0] == 0, "we know our own"
        assert ask(ours, from_them)[0] == 0, "we know the peer's"
        if secrets[0] == SECRET:
            assert ask(theirs, from_us)[0] == 0, "the peer knows ours"
        forged = from_them[:-1] + bytes([from_them[-1] ^ 1])
        assert ask(ours, forged)[0] == BADCOOKIE
        assert ask(ours, forged, tcp=True)[0] == 0
    assert server.ctl_json("stats")["threads"][-1]["rcodes"]["BADCOOKIE"] >= 4


def test_a_drawn_secret_outlasts_a_reload(stage):
    primary = stage.peer(Bind, {ORIGIN: zones.zone_text(ORIGIN)})
    server = stage.secondary([ORIGIN], {ORIGIN: 1}, primaries=[primary.address])
    client = server.client(stage.clients)
    _, first = ask(client, b"12345678")
    server.options["cookies"] = {"require": True}
    server.reload()
    wait_for(lambda: ask(client, b"12345678")[0] == BADCOOKIE, 10, "the reload")
    assert ask(client, first) == (0, first)
    server.options["cookies"] = {"enabled": False}
    server.reload()
    wait_for(lambda: ask(client, first) == (0, None), 10, "cookies being off")


# ---- rate limiting

RATE = 10


def flood(client, count, wire):
    """Sends `count` queries at once; returns the replies."""
    replies = []
    with client.udp_socket(0.5) as sock:
        for i in range(count):
            sock.send(i.to_bytes(2, "big") + wire[2:])
        while True:
            try:
                replies.append(sock.recv(4096))
            except TimeoutError:
                return replies


def test_rate_limiting(any_stage):
    any_stage.clear()
    primary = any_stage.peer(Bind, {ORIGIN: zones.zone_text(ORIGIN, 1, zones.VARIED)})
    limit = {"responses-per-second": RATE, "window": 30, "slip": 4, "ipv4-prefix": 32,
             "exempt": [f"{net.STRANGER}/32"]}
    server = any_stage.secondary([ORIGIN], primaries=[primary.address],
                                 **{"rate-limit": limit})
    asked = Client(any_stage.clients, net.SERVER, source=net.STRANGER)
    limited = Client(any_stage.clients, net.SERVER, source=net.KNOT)
    wait_for(lambda: asked.serial(ORIGIN) == 1, 20, "the zone")
    wire = query(f"www.{ORIGIN}", "A").to_wire()
    count = 200
    replies = flood(limited, count, wire)
    whole = [r for r in replies if not r[2] & 2]
    cut = [r for r in replies if r[2] & 2]
    # The flood may last into another second.
    assert RATE <= len(whole) <= 2 * RATE
    assert (count - len(whole)) // 4 - 1 <= len(cut) <= (count - len(whole)) // 4 + 1
    assert all(len(r) == len(wire) and r[6:12] == bytes(6) for r in cut)
    # Another class has its own account, another address too, and TCP none.
    refused = flood(limited, 20, query("example.org", "A").to_wire())
    assert RATE <= len(refused) <= 20 and all(r[3] & 15 == 5 for r in refused)
    assert len(flood(asked, count, wire)) == count
    for reply in limited.ask_stream([wire] * 50):
        assert reply[6:8] == b"\0\2"
    counted = server.ctl_json("stats")["sum"]
    assert counted["slipped"] >= len(cut)
    assert counted["drops"]["rate-limited"] == count - len(replies) + 20 - len(refused)


def test_a_cookie_lifts_the_limit(stage):
    primary = stage.peer(Bind, {ORIGIN: zones.zone_text(ORIGIN)})
    server = stage.secondary([ORIGIN], primaries=[primary.address],
                             **{"rate-limit": {"responses-per-second": RATE, "slip": 0}})
    client = server.client(stage.clients)
    wait_for(lambda: client.serial(ORIGIN) == 1, 20, "the zone")
    _, cookie = ask(client, b"12345678", tcp=True)
    q = query(ORIGIN, "NS")
    assert len(flood(client, 200, q.to_wire())) <= 2 * RATE
    q.use_edns(0, options=[dns.edns.GenericOption(COOKIE, cookie)])
    assert len(flood(client, 200, q.to_wire())) == 200
    q.use_edns(0, options=[dns.edns.GenericOption(COOKIE, cookie[:-1] + b"?")])
    assert not flood(client, 50, q.to_wire())
    server.options["rate-limit"] = {}
    server.reload()
    wait_for(lambda: len(flood(client, 100, query(ORIGIN, "NS").to_wire())) == 100, 10,
             "no limit")


# ---- what a zone's age does

def test_expire_counts_down_and_extended_errors_say_why(stage):
    """EXPIRE (RFC 7314) falls by the second and rises with each confirmation; a zone
    without data says why it has none (RFC 8914)."""
    refresh, expire = 5, 9
    primary = stage.start(Scripted(stage.clients, ORIGIN, KEY, timers=f"{refresh} 2 {expire} 5"))
    server = stage.secondary([ORIGIN, "never.example"], {ORIGIN: 1}, primaries=[primary.address],
                             key=KEY)
    client = server.client(stage.clients)

    def left():
        rcode, data = ask(client, b"", code=EXPIRE)
        return int.from_bytes(data, "big") if rcode == 0 else None

    seen = []
    end = time.monotonic() + 2 * refresh + 1
    while time.monotonic() < end:
        seen.append(left())
        time.sleep(0.2)
    assert all(0 <= value <= expire for value in seen)
    falls = [a - b for a, b in zip(seen, seen[1:]) if a > b]
    rises = [b for a, b in zip(seen, seen[1:]) if b > a]
    assert falls and max(falls) <= 2
    assert rises and all(value >= expire - 1 for value in rises)
    reply = client.ask("never.example", "SOA", edns=1232)
    assert reply.rcode() == dns.rcode.SERVFAIL
    assert [o.code for o in reply.options if o.otype == ERROR] == [14]
    for qtype in primary.replies:
        primary.replies[qtype] = lambda q: [Close]
    wait_for(lambda: left() is None, expire + 5, "expiry")
    reply = client.ask(ORIGIN, "SOA", edns=1232)
    assert reply.rcode() == dns.rcode.SERVFAIL
    assert [o.code for o in reply.options if o.otype == ERROR] == [24]


# ---- signed queries

def signed(key, **more):
    name, algorithm, secret = key
    q = query(ORIGIN, "SOA", **more)
    q.use_tsig(dns.tsigkeyring.from_text({name: secret}), name, algorithm=algorithm)
    return q


def test_signed_queries_and_options(any_stage):
    any_stage.clear()
    primary = any_stage.peer(Bind, {ORIGIN: zones.zone_text(ORIGIN)}, key=KEY)
    server = any_stage.secondary([ORIGIN], {ORIGIN: 1}, primaries=[primary.address], key=KEY,
                                 server={"nsid": "0x0102"})
    client = server.client(any_stage.clients)
    for tcp in (False, True):
        q = signed(KEY)
        q.use_edns(0, ednsflags=dns.flags.DO, payload=4096, options=[
            dns.edns.GenericOption(NSID, b""), dns.edns.GenericOption(COOKIE, b"12345678")])
        q.use_tsig(q.keyring, q.keyname, algorithm=q.keyalgorithm)
        wire = q.to_wire()
        raw = client.tcp_raw(wire) if tcp else client.udp_raw(wire)
        reply = dns.message.from_wire(raw, keyring=q.keyring, request_mac=q.mac)
        assert reply.rcode() == 0 and reply.had_tsig and reply.answer
        options = {o.otype: o.to_wire() for o in reply.options}
        assert options[NSID] == b"\1\2" and options[COOKIE][:8] == b"12345678"
        assert reply.ednsflags & dns.flags.DO
        # A key that nobody knows: NOTAUTH and BADKEY, unsigned, with OPT.
        q = signed(OTHER_KEY, edns=1232)
        raw = client.tcp_raw(q.to_wire()) if tcp else client.udp_raw(q.to_wire())
        assert raw[3] & 15 == 9 and raw[10:12] == b"\0\2"
        assert raw[-6:-2] == q.id.to_bytes(2, "big") + b"\0\x11"
