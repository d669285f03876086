# SPDX-License-Identifier: BSD-3-Clause
"""Thousands of packets found by fuzzing another server: the server is right after each."""

import os
import socket
import struct
import tarfile

import pytest

from harness import client, wire, zones
from harness.client import frame, receive_message
from harness.peers import PEERS

pytestmark = pytest.mark.understudy  # others do not reply to all of them

ORIGIN = "example.com"


@pytest.fixture(scope="module")
def packets(data):
    path = os.path.join(data, "fuzz", "packets.tar.xz")
    if not os.path.exists(path):
        pytest.skip(f"no {path}")
    with tarfile.open(path) as tar:
        return [(member.name, tar.extractfile(member).read())
                for member in tar.getmembers() if member.isfile()]


@pytest.fixture(scope="module")
def server(any_stage):
    primary = any_stage.peer(PEERS["bind"],
                                {ORIGIN: zones.zone_text(ORIGIN, 1, zones.VARIED)})
    return any_stage.secondary([ORIGIN], {ORIGIN: 1}, primaries=[primary.address])


PROBE = client.query(f"www.{ORIGIN}", "AAAA").to_wire()
PROBE_ANSWER = socket.inet_pton(socket.AF_INET6, "2001:db8::10")


UDP_MAX = 65507


def probe(number):
    return struct.pack("!H", number) + PROBE[2:]


def probe_is_right(reply):
    assert reply[6:8] == b"\0\1" and PROBE_ANSWER in reply, f"wrong after it: {reply.hex()}"


def asks(packet):
    """Whether the packet is a query, which must have a reply, be it an error."""
    return len(packet) >= 12 and not packet[2] & 0x80


class Waiting:
    """Packets that may still be replied to: a worker's reply to the query after
    it overtakes the kernel's reply to a packet that was left to the kernel."""

    def __init__(self):
        self.packets = []
        self.replies = 0

    def add(self, packet):
        if asks(packet):
            self.packets.append(packet)

    def take(self, reply):
        """A reply belongs to one of the packets and is well-formed throughout."""
        assert reply[2] & 0x80
        wire.essence(reply)
        for i, packet in enumerate(self.packets):
            if packet[:2] == reply[:2] and not (packet[2] ^ reply[2]) & 0x78:
                del self.packets[i]
                self.replies += 1
                return
        raise AssertionError(f"{reply.hex()} replies to nothing")


@pytest.mark.limit(240)
def test_packets_over_udp(server, any_stage, packets):
    """Each packet, then a query on the same socket: whatever came first, it is answered."""
    ours = server.client(any_stage.clients)
    # The kernel puts fragments together before net_af_packet sees them, and gives it
    # no more than 2 KiB of the whole.
    largest = 1900 if any_stage.mode == "af_packet" else UDP_MAX
    waiting = Waiting()
    with ours.udp_socket() as sock:
        for i, (name, packet) in enumerate(packets):
            if len(packet) > largest:
                continue
            number = i & 0xffff
            if packet[:2] == struct.pack("!H", number):
                number ^= 0x8000
            try:
                waiting.add(packet)
                sock.send(packet)
                sock.send(probe(number))
                while True:
                    reply = sock.recv(65535)
                    assert len(reply) <= 1232
                    if reply[:2] == struct.pack("!H", number) and PROBE_ANSWER in reply:
                        probe_is_right(reply)
                        break
                    waiting.take(reply)
            except (AssertionError, OSError, wire.Malformed) as e:
                raise AssertionError(f"{name}, {packet.hex()}: {e!r}") from e
        while waiting.packets:
            try:
                waiting.take(sock.recv(65535))
            except TimeoutError:
                break
    print(f"{len(packets)} packets, {waiting.replies} replies")
    assert not waiting.packets, f"no reply to {[p.hex() for p in waiting.packets[:5]]}"


def must_be_reply(packet, reply):
    """A reply to a packet belongs to it and is well-formed throughout."""
    assert asks(packet) and reply[:2] == packet[:2] and reply[2] & 0x80
    wire.essence(reply)


@pytest.mark.limit(240)
def test_packets_over_tcp(server, any_stage, packets):
    """Each packet and a query on a connection of its own, which the packet may end;
    and the query again on one that stays."""
    ours = server.client(any_stage.clients)
    replies = 0
    steady = ours.tcp_socket()
    for i, (name, packet) in enumerate(packets):
        try:
            with ours.tcp_socket() as sock:
                sock.sendall(frame(packet) + frame(probe(i & 0xffff)))
                try:
                    sock.shutdown(socket.SHUT_WR)
                    while True:
                        reply = receive_message(sock)
                        if reply[:2] != packet[:2] or PROBE_ANSWER in reply:
                            probe_is_right(reply)
                        else:
                            must_be_reply(packet, reply)
                            replies += 1
                except (EOFError, OSError):
                    pass
            steady.sendall(frame(probe(i & 0xffff)))
            probe_is_right(receive_message(steady))
        except (AssertionError, OSError, EOFError, wire.Malformed) as e:
            raise AssertionError(f"{name}, {packet.hex()}: {e!r}") from e
    steady.close()
    print(f"{len(packets)} packets, {replies} replies")
    assert replies == sum(asks(packet) for _, packet in packets)
