# SPDX-License-Identifier: BSD-3-Clause
"""A primary of one plain zone for the benchmarks: AXFR, and IXFR of one step at a time.

Every message is rendered before anybody asks for it: what a secondary waits for is its own
work. Names and addresses are those of zones.py; a step gives some of them other addresses.
"""
import contextlib
import random
import socket
import struct
import threading

import zones

ADDRESS = "10.53.0.5"  # where one alone stands
SOA, A, NS, IXFR, AXFR = 6, 1, 2, 251, 252
MESSAGE_OCTETS = 16000  # compression pointers reach so far
HEAD_OCTETS = 12
AUTHORITATIVE = 0x8400
NOTIFY = 0x2400


def name(text):
    return b"".join(bytes([len(label)]) + label.encode() for label in text.split(".") if label) \
        + b"\0"


def record(owner, rdtype, rdata):
    return owner + struct.pack("!HHIH", rdtype, 1, 3600, len(rdata)) + rdata


class Primary:
    """Serves `origin` with `names` names at `address` in the namespace `ns`."""

    APEX = b"\xc0\x0c"  # a pointer to the question's name

    def __init__(self, ns, address, origin, names):
        self.host_address, self.origin, self.names = address, origin, names
        self.qname = name(origin)
        self.serial = 1
        self.moved = {}  # index: the address it has instead of its first one
        self.changes = []
        self.messages = [self.message(body) for body in self.bodies(self.whole())]
        self.step = None
        self.served = {}  # qtype: how often
        with ns:
            self.tcp = socket.create_server((address, 53), backlog=64)
            self.udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            self.udp.bind((address, 53))
            self.sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            self.sender.bind((address, 0))
        for serve in (self.serve_udp, self.serve_tcp):
            threading.Thread(target=serve, daemon=True).start()

    # What it serves

    def soa(self, serial):
        rdata = b"\3ns1" + self.APEX + b"\nhostmaster" + self.APEX \
            + struct.pack("!IIIII", serial, 3600, 600, 604800, 300)
        return record(self.APEX, SOA, rdata)

    def host(self, index, address):
        return record(b"\x09" + zones.label(index).encode() + self.APEX, A, address)

    @staticmethod
    def first_address(index):
        return bytes([10, index >> 16 & 255, index >> 8 & 255, index & 255])

    def address(self, index):
        return self.moved.get(index) or self.first_address(index)

    def whole(self):
        yield self.soa(self.serial)
        yield record(self.APEX, NS, b"\3ns1" + self.APEX)
        yield record(b"\3ns1" + self.APEX, A, bytes([10, 53, 0, 1]))
        for index in range(self.names):
            yield self.host(index, self.address(index))
        yield self.soa(self.serial)

    @staticmethod
    def bodies(records):
        """(how many, their octets) for each message."""
        some, octets = [], 0
        for one in records:
            some.append(one)
            octets += len(one)
            if octets > MESSAGE_OCTETS:
                yield len(some), b"".join(some)
                some, octets = [], 0
        if some:
            yield len(some), b"".join(some)

    def message(self, body, flags=AUTHORITATIVE, qtype=AXFR):
        """A message with its length before it; the id is patched in when it is sent."""
        count, octets = body
        wire = struct.pack("!HHHHHH", 0, flags, 1, count, 0, 0) + self.qname \
            + struct.pack("!HH", qtype, 1) + octets
        return struct.pack("!H", len(wire)) + wire

    def change(self, count):
        """The next serial, in which `count` names have another address. The step to it is
        what IXFR gives, to whoever has the serial before. Returns one of the changes."""
        base, self.serial = self.serial, self.serial + 1
        draw = random.Random(self.serial)
        self.changes = [(i, bytes([10, 77, self.serial >> 8 & 255, self.serial & 255]))
                        for i in draw.sample(range(self.names), min(count, self.names))]
        records = [self.soa(self.serial), self.soa(base)]
        records += [self.host(i, self.address(i)) for i, _ in self.changes]
        records.append(self.soa(self.serial))
        records += [self.host(i, a) for i, a in self.changes]
        records.append(self.soa(self.serial))
        self.moved.update(self.changes)
        self.step = base, [self.message(b, qtype=IXFR) for b in self.bodies(records)]
        return self.changes[-1]

    def close(self):
        for one in (self.tcp, self.udp):  # wakes the thread that waits there
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
        for one in (self.tcp, self.udp, self.sender):
            one.close()

    # How it serves

    def notify(self, address):
        """Tells a secondary of the serial."""
        self.sender.sendto(self.message((1, self.soa(self.serial)), NOTIFY, SOA)[2:],
                           (address, 53))

    def answer(self, wire):
        at = HEAD_OCTETS + len(self.qname)
        qtype = struct.unpack("!H", wire[at:at + 2])[0]
        self.served[qtype] = self.served.get(qtype, 0) + 1
        if qtype == SOA:
            return [self.message((1, self.soa(self.serial)), qtype=SOA)]
        if qtype == AXFR:
            return self.messages
        base = self.base_of(wire)
        if base == self.serial:
            return [self.message((1, self.soa(self.serial)), qtype=IXFR)]
        if self.step and base == self.step[0]:
            return self.step[1]
        return self.messages

    def base_of(self, wire):
        """The serial of the SOA record behind the question of an IXFR query."""
        at = wire.index(b"\0\6\0\1", HEAD_OCTETS + len(self.qname)) + 8
        end = at + 2 + struct.unpack("!H", wire[at:at + 2])[0]
        return struct.unpack("!I", wire[end - 20:end - 16])[0]

    def serve_udp(self):
        while True:
            try:
                wire, peer = self.udp.recvfrom(4096)
            except OSError:
                return
            if not wire:  # closed
                return
            reply = self.answer(wire)
            if len(reply) > 1 or len(reply[0]) > 1200:
                reply = [self.message((0, b""), AUTHORITATIVE | 0x200, IXFR)]
            self.udp.sendto(wire[:2] + reply[0][4:], peer)

    def serve_tcp(self):
        while True:
            try:
                connection, _ = self.tcp.accept()
            except OSError:
                return
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=self.serve_connection, args=(connection,),
                             daemon=True).start()

    def serve_connection(self, connection):
        with connection:
            try:
                while True:
                    wire = receive(connection)
                    # In large parts, so that Python is no bottleneck.
                    out = bytearray()
                    for one in self.answer(wire):
                        out += one[:2]
                        out += wire[:2]
                        out += memoryview(one)[4:]
                        if len(out) > 1 << 18:
                            connection.sendall(out)
                            out.clear()
                    connection.sendall(out)
            except OSError:
                return


def receive(connection):
    length = connection.recv(2, socket.MSG_WAITALL)
    if len(length) < 2:
        raise ConnectionError
    wire = connection.recv(struct.unpack("!H", length)[0], socket.MSG_WAITALL)
    return wire
