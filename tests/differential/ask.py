# SPDX-License-Identifier: BSD-3-Clause
"""Asks several servers the same queries at once, many under way at a time."""

import contextlib
import select
import socket
import struct

WINDOW = 64
TRIES = 4
PATIENCE_S = 1.0
RECEIVE_OCTETS = 1 << 20


class Asked:
    """One server's share of a round: what is sent, what has come. The message ids are
    the queries' places."""

    def __init__(self, address, count):
        self.sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_OCTETS)
        self.sock.setblocking(False)
        self.sock.connect((address, 53))
        self.replies = [None] * count
        self.sent = self.out = 0

    def send(self, wires):
        while self.sent < len(wires) and self.out < WINDOW:
            with contextlib.suppress(ConnectionRefusedError):
                self.sock.send(wires[self.sent])
            self.sent += 1
            self.out += 1

    def receive(self):
        with contextlib.suppress(BlockingIOError, ConnectionRefusedError):
            while True:
                reply = self.sock.recv(65535)
                place = reply[0] << 8 | reply[1]
                if place < len(self.replies) and self.replies[place] is None:
                    self.replies[place] = reply
                    self.out -= 1

    def resend(self, wires):
        for place in range(self.sent):
            if self.replies[place] is None:
                with contextlib.suppress(ConnectionRefusedError):
                    self.sock.send(wires[place])


def udp(addresses, wires):
    """Asks each server all `wires` (fewer than 65536, whose ids are their places);
    returns a list of replies for each server, None where none came."""
    servers = {}
    for address in addresses:
        one = Asked(address, len(wires))
        servers[one.sock.fileno()] = one
    poll = select.poll()
    for fd in servers:
        poll.register(fd, select.POLLIN)
    tries = 0
    while tries < TRIES:
        for one in servers.values():
            one.send(wires)
        if all(one.sent == len(wires) and not one.out for one in servers.values()):
            break
        ready = poll.poll(PATIENCE_S * 1000)
        for fd, _ in ready:
            servers[fd].receive()
        if not ready:
            tries += 1
            for one in servers.values():
                one.resend(wires)
    for one in servers.values():
        one.sock.close()
    return [one.replies for one in servers.values()]


def tcp(address, wires):
    """The same over TCP, to one server; connects anew where it closes."""
    replies = [None] * len(wires)
    for _ in range(TRIES):
        todo = [place for place, reply in enumerate(replies) if reply is None]
        if not todo:
            break
        with contextlib.suppress(OSError, EOFError):
            stream(address, wires, todo, replies)
    return replies


def stream(address, wires, todo, replies):
    with socket.create_connection((address, 53), timeout=5) as sock, sock.makefile("rb") as file:
        sent = 0
        for received in range(len(todo)):
            if sent == received:
                part = todo[sent:sent + WINDOW]
                sock.sendall(b"".join(struct.pack("!H", len(wires[i])) + wires[i] for i in part))
                sent += len(part)
            length = struct.unpack("!H", exactly(file, 2))[0]
            reply = exactly(file, length)
            replies[reply[0] << 8 | reply[1]] = reply


def exactly(file, octets):
    data = file.read(octets)
    if len(data) < octets:
        raise EOFError
    return data
