# SPDX-License-Identifier: BSD-3-Clause
"""Zones come over TLS (RFC 9103), from BIND and from a primary that is not as it
should be: then what is served stays, the reason shows, and nothing goes in the clear."""

import ssl
import time

import pytest

from harness import net, tls, zones
from harness.client import frame
from harness.peers import KEY
from harness.process import wait_for
from harness.scripted import Close, Pause, Raw, Reset, notify

ORIGIN = "example.com"
pytestmark = pytest.mark.understudy


@pytest.fixture(scope="module")
def pki(tmp_path_factory):
    """An authority, and what it issued."""
    workdir = str(tmp_path_factory.mktemp("pki"))
    authority = tls.Authority(workdir)
    other = tls.Authority(workdir, "other")
    return {
        "ca": authority.ca,
        "other ca": other.ca,
        "good": authority.issue("good"),
        "address": authority.issue("address", f"IP:{net.BIND},IP:{net.v6(net.BIND)}"),
        "wrong name": authority.issue("wrong-name", "DNS:ns2.example"),
        "expired": authority.issue("expired", days=-1),
        "wrong authority": other.issue("wrong-authority"),
        "ours": authority.issue("ours", "DNS:secondary.example"),
    }


def over_tls(**options):
    """What the configuration says of a primary that is asked over TLS."""
    return {"transport": "tls", "tls": options}


@pytest.mark.parametrize("key", [None, KEY], ids=["open", "tsig"])
@pytest.mark.parametrize("address", [net.BIND, net.v6(net.BIND)], ids=["ipv4", "ipv6"])
def test_transfer_from_bind(stage, pki, address, key):
    """The whole zone first, then what BIND's dynamic updates change, upon its NOTIFY."""
    bind = stage.peer(tls.BindTls, {ORIGIN: zones.zone_text(ORIGIN, 7, zones.VARIED)}, key=key,
                      identity=pki["good"], updates=True,
                      notify=(net.SERVER6 if ":" in address else net.SERVER,))
    server = stage.secondary([ORIGIN], {ORIGIN: 7}, primaries=[address], key=key,
                             primary=over_tls(ca=pki["ca"], name=tls.NAME))
    last = server.zone_status(ORIGIN)["transfer"]
    assert last["encrypted"] and last["keyed"] == bool(key)
    assert server.zone_status(ORIGIN)["primaries"][0]["transport"] == "tls"
    bind.update(ORIGIN, lambda update: update.add("fresh", 300, "A", "192.0.2.77"))
    server.wait_served(stage.clients, {ORIGIN: 8})
    last = server.zone_status(ORIGIN)["transfer"]
    assert server.ctl_json("stats")["transfers"]["notifies"] >= 1
    assert last["encrypted"] and last["kind"] == "ixfr"
    assert server.client(stage.clients).ask(f"fresh.{ORIGIN}").answer[0][0].address == "192.0.2.77"
    assert ", over TLS" in server.ctl("zone", "status", ORIGIN).stdout


def test_known_by_its_address(stage, pki):
    """Without a name the certificate must be for the primary's address."""
    stage.peer(tls.BindTls, {ORIGIN: zones.zone_text(ORIGIN, 3)}, identity=pki["address"])
    for address in (net.BIND, net.v6(net.BIND)):
        server = stage.secondary([ORIGIN], {ORIGIN: 3}, primaries=[address],
                                 primary=over_tls(ca=pki["ca"]))
        server.stop()


def test_known_by_a_pin(stage, pki):
    """A pin alone is enough, whoever issued the certificate and whenever it expired."""
    stage.peer(tls.BindTls, {ORIGIN: zones.zone_text(ORIGIN, 3)}, identity=pki["expired"])
    pins = [tls.pin(pki["good"][0]), tls.pin(pki["expired"][0])]
    stage.secondary([ORIGIN], {ORIGIN: 3}, primary=over_tls(pins=pins))


def test_bind_that_wants_a_certificate(stage, pki):
    bind = stage.peer(tls.BindTls, {ORIGIN: zones.zone_text(ORIGIN, 3)}, identity=pki["good"],
                      clients=pki["ca"])
    certificate, key = pki["ours"]
    good = over_tls(ca=pki["ca"], name=tls.NAME, certificate=certificate, key=key)
    server = stage.secondary([ORIGIN], primaries=[bind.address],
                             primary=over_tls(ca=pki["ca"], name=tls.NAME))
    wait_for_reason(server, {"tls-client"})
    server.options["primary"] = good
    server.reload()
    server.wait_served(stage.clients, {ORIGIN: 3})


def wait_for_reason(server, reasons, origin=ORIGIN):
    """Waits until the last exchange failed for one of these; returns what is told."""
    def told():
        last = server.last_attempt(origin)
        return last if last and last["reason"] in reasons else None
    return wait_for(told, 15, lambda: f"{reasons}, not {server.last_attempt(origin)}")


def silent(connection):
    while connection.recv(4096):
        pass


def closes_at_once(_connection):
    pass


def says(octets):
    def behave(connection):
        connection.sendall(octets)
        silent(connection)
    return behave


def resets(connection):
    connection.recv(100)
    connection.setsockopt(tls.socket.SOL_SOCKET, tls.socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")


def in_the_clear(connection):
    """As if it were TCP without TLS: what comes is no message."""
    connection.recv(2)
    connection.sendall(b"\0\x0c" + bytes(12))
    silent(connection)


# How the primary is: of which identity and how it speaks TLS, or what it does instead;
# and the reason that tells it.
WRONG = {
    "wrong name": (("wrong name", {}), "tls-name"),
    "wrong authority": (("wrong authority", {}), "tls-ca"),
    "expired": (("expired", {}), "tls-expired"),
    "no alpn": (("good", {"alpn": None}), "tls-alpn"),
    "other alpn": (("good", {"alpn": "h2"}), "tls-alpn"),
    "tls 1.2": (("good", {"version": ssl.TLSVersion.TLSv1_2}), "tls"),
    "silent": (silent, "tls"),
    "closes at once": (closes_at_once, "tls"),
    "resets": (resets, "tls"),
    "garbage": (says(b"\x16\x03\x03\xff\xff" + bytes(100)), "tls"),
    "http": (says(b"HTTP/1.1 400 Bad Request\r\n\r\n"), "tls"),
    "in the clear": (in_the_clear, "tls"),
}


def test_wrong_primaries(stage, pki):
    """The served zone stays, the reason shows, no query comes in the clear, and the
    zone goes on once the primary is as it should be."""
    good = tls.context(pki["good"])
    primary = stage.start(tls.ScriptedTls(stage.clients, ORIGIN, good))
    server = stage.secondary([ORIGIN], {ORIGIN: 1}, primaries=[primary.address],
                             primary=over_tls(ca=pki["ca"], name=tls.NAME),
                             transfer={"connect-timeout": 1})
    ours = server.client(stage.clients)
    teller = server.client(stage.clients, source=primary.address)
    for name, (how, reason) in WRONG.items():
        primary.serial += 1
        if callable(how):
            primary.behave = how
        else:
            primary.context = tls.context(pki[how[0]], **how[1])
        primary.drop()
        notify(teller, ORIGIN)
        last = wait_for_reason(server, {reason})
        assert last["text"] and "rcode" not in last, name
        assert ours.serial(ORIGIN) == primary.serial - 1, name
        primary.context, primary.behave = good, None
        notify(teller, ORIGIN)
        server.wait_served(stage.clients, {ORIGIN: primary.serial})
    assert {q.transport for q in primary.queries} == {"tls"}


def flight(context, connection):
    """What a primary says first in a handshake, up to its Finished."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    session = context.wrap_bio(incoming, outgoing, server_side=True)
    incoming.write(connection.recv(16384))
    with pytest.raises(ssl.SSLWantReadError):
        session.do_handshake()
    return outgoing.read()


def stalls_in_the_handshake(context, connection):
    said = flight(context, connection)
    connection.sendall(said[:len(said) // 2])
    silent(connection)


def stalls_before_the_end(context, connection):
    connection.sendall(flight(context, connection)[:-1])
    silent(connection)


def drips(context, connection):
    """Each octet comes soon after the one before: there is progress, and no end."""
    for octet in flight(context, connection):
        connection.sendall(bytes([octet]))
        time.sleep(0.2)


def ends_in_the_handshake(context, connection):
    connection.sendall(flight(context, connection)[:-40])


HANDSHAKES = [stalls_in_the_handshake, stalls_before_the_end, drips, ends_in_the_handshake]


def test_handshakes_without_end(stage, pki):
    """A primary for each, at once."""
    good = tls.context(pki["good"])
    primaries = {}
    for i, _ in enumerate(HANDSHAKES):
        origin, address = f"h{i}.example.com", f"10.53.0.{30 + i}"
        stage.wire.add_address(stage.clients, address)
        primaries[origin] = stage.start(tls.ScriptedTls(
            stage.clients, origin, good, address=address, timers="3600 2 604800 5"))
    server = stage.secondary({o: [p.address] for o, p in primaries.items()},
                             dict.fromkeys(primaries, 1),
                             primaries=[p.address for p in primaries.values()],
                             primary=over_tls(ca=pki["ca"], name=tls.NAME),
                             transfer={"connect-timeout": 1})
    ours = server.client(stage.clients)
    for (origin, primary), how in zip(primaries.items(), HANDSHAKES):
        primary.serial = 2
        primary.behave = lambda connection, h=how: h(good, connection)
        primary.drop()
        notify(server.client(stage.clients, source=primary.address), origin)
    for origin in primaries:
        assert wait_for_reason(server, {"tls"}, origin)["text"]
        assert ours.serial(origin) == 1
    for primary in primaries.values():
        primary.behave = None
    server.wait_served(stage.clients, dict.fromkeys(primaries, 2), 30)  # by itself
    for primary in primaries.values():
        assert {q.transport for q in primary.queries} == {"tls"}


def unsigned(primary):
    return lambda q: primary.axfr_wires(q)


def cut_off(primary):
    def behave(q):
        first, second, *_ = primary.axfr_reply(q)
        return [first, Raw(frame(second)[:20]), Close]
    return behave


def broken_off(primary):
    return lambda q: [*primary.axfr_reply(q)[:2], Pause(0.1), Reset]


def no_answer(_primary):
    return lambda q: [Pause(6), Close]


# What goes wrong once TLS is well; TSIG is looked at all the same.
INSIDE = {
    "unsigned": (unsigned, "tsig-missing"),
    "cut off": (cut_off, "closed tls io"),
    "broken off": (broken_off, "io tls closed"),
    "no answer": (no_answer, "timeout"),
}


def test_wrong_transfers_over_tls(stage, pki):
    primary = stage.start(tls.ScriptedTls(stage.clients, ORIGIN, tls.context(pki["good"]),
                                          key=KEY, timers="3600 2 604800 5"))
    server = stage.secondary([ORIGIN], {ORIGIN: 1}, primaries=[primary.address], key=KEY,
                             primary=over_tls(ca=pki["ca"], name=tls.NAME),
                             transfer={"idle-timeout": 2})
    ours = server.client(stage.clients)
    teller = server.client(stage.clients, source=primary.address)
    for name, (how, reasons) in INSIDE.items():
        primary.serial += 1
        primary.replies["AXFR"] = primary.replies["IXFR"] = how(primary)
        assert notify(teller, ORIGIN, KEY) == 0
        last = wait_for_reason(server, set(reasons.split()))
        assert last["what"] == "transfer" and last["text"], name
        assert ours.serial(ORIGIN) == primary.serial - 1, name
        primary.good()
        server.wait_served(stage.clients, {ORIGIN: primary.serial})  # by itself
    assert {q.transport for q in primary.queries} == {"tls"}


def test_connections_are_kept(stage, pki):
    """The query for the serial and the transfer share one connection, and so does what
    follows; one that the primary has closed is opened anew."""
    primary = stage.start(tls.ScriptedTls(stage.clients, ORIGIN, tls.context(pki["good"])))
    server = stage.secondary([ORIGIN], {ORIGIN: 1}, primaries=[primary.address],
                             primary=over_tls(ca=pki["ca"], name=tls.NAME))
    teller = server.client(stage.clients, source=primary.address)
    for serial in (2, 3):
        primary.serial = serial
        notify(teller, ORIGIN)
        server.wait_served(stage.clients, {ORIGIN: serial})
    assert primary.opened == 1
    primary.drop()
    primary.serial = 4
    notify(teller, ORIGIN)
    server.wait_served(stage.clients, {ORIGIN: 4})
    assert primary.opened == 2
