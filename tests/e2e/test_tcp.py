# SPDX-License-Identifier: BSD-3-Clause
"""TCP service: pipelining, lengths that lie, slow and silent clients, limits."""

import socket
import struct
import time

import dns.flags
import dns.rcode
import pytest

from harness import client, zones
from harness.client import frame, receive_message
from harness.peers import PEERS
from harness.process import wait_for
from harness.scripted import Scripted, record

pytestmark = pytest.mark.understudy

ORIGIN = "example.com"
IDLE_S = 3
MAX_CONNECTIONS = 12
BIG = "".join(f'big TXT "{i:03d}{"x" * 250}"\n' for i in range(200))


@pytest.fixture(scope="module")
def server(module_stage):
    primary = module_stage.peer(PEERS["bind"], {ORIGIN: zones.zone_text(
        ORIGIN, 1, zones.VARIED + BIG + zones.many_names(500))})
    return module_stage.secondary(
        [ORIGIN], {ORIGIN: 1}, primaries=[primary.address],
        tcp={"max-connections": MAX_CONNECTIONS, "idle-timeout": IDLE_S})


@pytest.fixture
def ours(server, module_stage):
    one = server.client(module_stage.clients)
    yield one
    # Whatever a test did, everyone else is served afterwards.
    assert one.ask(f"www.{ORIGIN}", tcp=True).rcode() == dns.rcode.NOERROR
    assert one.ask(f"www.{ORIGIN}").rcode() == dns.rcode.NOERROR


def name(i):
    return f"h{i}.{ORIGIN}"


def closed(sock, timeout):
    """Whether the other side closes the connection within `timeout` seconds."""
    sock.settimeout(timeout)
    try:
        return sock.recv(1) == b""
    except ConnectionResetError:
        return True
    except TimeoutError:
        return False


def test_pipelining(ours):
    """All queries in one go; each gets its reply, over IPv6 as well."""
    wires = [client.query(name(i)).to_wire() for i in range(500)]
    for address in (ours.address, "fd00:53::2"):
        one = client.Client(ours.ns, address)
        for i, wire in enumerate(one.ask_stream(wires, window=500)):
            assert wire[6:8] == b"\0\1" and wire[-4:] == bytes([10, 0, i >> 8, i & 255])


def test_queries_in_pieces(ours):
    """A query may come octet by octet, and two in one segment."""
    q = client.query(name(7))
    with ours.tcp_socket() as sock:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for octet in frame(q.to_wire()):
            sock.sendall(bytes([octet]))
            time.sleep(0.01)
        assert client.parse(receive_message(sock), q).answer
        sock.sendall(frame(q.to_wire()) * 2)
        for _ in range(2):
            assert client.parse(receive_message(sock), q).answer


def test_half_close(ours):
    """A client that has said all still hears all."""
    wires = [client.query(name(i)).to_wire() for i in range(100)]
    with ours.tcp_socket() as sock:
        sock.sendall(b"".join(map(frame, wires)))
        sock.shutdown(socket.SHUT_WR)
        for wire in wires:
            assert receive_message(sock)[:2] == wire[:2]
        assert closed(sock, 5)


def test_big_answers(ours):
    """TC over UDP, whole over TCP."""
    q = client.query(f"big.{ORIGIN}", "TXT", edns=65535)
    small = ours.udp(q)
    assert small.flags & dns.flags.TC and len(small.to_wire()) <= 1232
    whole = ours.tcp(q)
    assert not whole.flags & dns.flags.TC and len(whole.answer[0]) == 200


def test_an_rrset_that_no_message_holds(stage):
    """It comes over, in many messages; asked for it is truncated even over TCP."""
    primary = stage.start(Scripted(stage.clients, ORIGIN))
    primary.extra = [record("huge", "TXT", f'"{i:03d}{"x" * 250}"', origin=ORIGIN)
                     for i in range(300)]
    ours = stage.secondary([ORIGIN], {ORIGIN: 1}, primaries=[primary.address]) \
        .client(stage.clients)
    for tcp in (False, True):
        reply = ours.ask(f"huge.{ORIGIN}", "TXT", tcp=tcp)
        assert reply.flags & dns.flags.TC or reply.rcode() == dns.rcode.SERVFAIL
        assert ours.ask(f"v1.{ORIGIN}", "TXT", tcp=tcp).answer


@pytest.mark.parametrize("length", [0, 1, 5, 11])
def test_messages_shorter_than_a_header(ours, length):
    with ours.tcp_socket() as sock:
        sock.sendall(frame(bytes(length)))
        assert closed(sock, 2 * IDLE_S + 2)


@pytest.mark.parametrize("octet", [0, 0x55, 0xff])
def test_longest_message(ours, octet):
    """65,535 octets of nonsense: a reply or the end, and no harm."""
    with ours.tcp_socket(2 * IDLE_S + 2) as sock:
        sock.sendall(frame(bytes([octet]) * 65535))
        try:
            assert receive_message(sock)[2] & 0x80
        except (EOFError, ConnectionResetError):
            pass


def test_length_that_promises_more(ours):
    """The rest never comes: closed once idle, and the other end is told nothing."""
    with ours.tcp_socket() as sock:
        sock.sendall(struct.pack("!H", 65535) + client.query(name(1)).to_wire())
        assert closed(sock, IDLE_S + 3)


@pytest.mark.parametrize("said", [b"", b"\0", b"\0\x20\x12"], ids=["nothing", "half a length",
                                                                  "half a header"])
def test_idle_connections_are_closed(ours, said):
    start = time.monotonic()
    with ours.tcp_socket() as sock:
        sock.sendall(said)
        assert closed(sock, IDLE_S + 3)
    assert time.monotonic() - start > IDLE_S / 2


def test_idle_after_a_reply(ours):
    with ours.tcp_socket() as sock:
        q = client.query(name(1))
        sock.sendall(frame(q.to_wire()))
        client.parse(receive_message(sock), q)
        assert closed(sock, IDLE_S + 3)


def test_an_octet_a_second_is_no_progress(ours):
    """Dripping octets keep no connection open for ever."""
    wire = frame(client.query("a" * 60 + f".{ORIGIN}").to_wire())
    with ours.tcp_socket() as sock:
        start = time.monotonic()
        try:
            for octet in wire[:-1]:
                sock.sendall(bytes([octet]))
                time.sleep(1)
                if time.monotonic() - start > IDLE_S + 4:
                    pytest.fail("still open")
        except (BrokenPipeError, ConnectionResetError):
            pass


def test_too_many_connections(ours, server):
    """Above the limit the idle ones give way; those at work keep their place."""
    wait_for(lambda: server.ctl_json("stats")["service"]["tcp_open"] == 0, 2 * IDLE_S, "idleness")
    idle = [ours.tcp_socket() for _ in range(MAX_CONNECTIONS)]
    try:
        time.sleep(1.2)  # idle for less than a second is not idle
        for _ in range(5):
            assert ours.ask(name(1), tcp=True).answer
        stats = server.ctl_json("stats")["service"]
        assert stats["tcp_open"] <= MAX_CONNECTIONS
        assert stats["tcp_evicted"] + stats["tcp_refused"] >= 1
    finally:
        for sock in idle:
            sock.close()


def test_a_client_that_never_reads(ours, server):
    """Some megabytes of answers asked for and not taken: bounded and ended."""
    q = frame(client.query(f"big.{ORIGIN}", "TXT").to_wire())
    with ours.socket(socket.SOCK_STREAM, 1.0) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sock.connect((ours.address, 53))
        before = memory(server)
        try:
            for _ in range(2000):
                sock.sendall(q)
        except (TimeoutError, ConnectionResetError, BrokenPipeError):
            pass
        assert memory(server) - before < 4 << 20
        wait_for(lambda: server.ctl_json("stats")["service"]["tcp_open"] == 0, 3 * IDLE_S + 3,
                 "the end of the connection")


def memory(server):
    """Resident octets of the server."""
    with open(f"/proc/{server.process.pid}/statm", encoding="ascii") as f:
        return int(f.read().split()[1]) * 4096


def test_connections_that_are_reset(ours):
    """Closed by RST at every stage."""
    linger = struct.pack("ii", 1, 0)
    wire = frame(client.query(f"big.{ORIGIN}", "TXT").to_wire())
    for end in range(len(wire) + 1):
        sock = ours.tcp_socket()
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        sock.sendall(wire[:end])
        sock.close()


def test_transfers_are_not_given(ours):
    for rdtype in ("AXFR", "IXFR"):
        for tcp in (False, True):
            reply = ours.ask(ORIGIN, rdtype, tcp=tcp)
            assert reply.rcode() in (dns.rcode.REFUSED, dns.rcode.NOTIMP, dns.rcode.NOTAUTH)
            assert not reply.answer
