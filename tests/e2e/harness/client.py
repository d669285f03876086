# SPDX-License-Identifier: BSD-3-Clause
"""Asking a server: queries over UDP and TCP, raw octets, and comparing replies."""

import random
import socket
import struct
import time

import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype

from . import net


def query(name, rdtype="A", edns=None, dnssec=False, rd=False, rdclass="IN"):
    """A query message; `edns` is the UDP size it announces, None for none."""
    q = dns.message.make_query(name, rdtype, rdclass, use_edns=-1 if edns is None else 0,
                               payload=edns or 0)
    if not rd:
        q.flags &= ~dns.flags.RD
    if dnssec:
        q.want_dnssec()
    return q


def frame(wire):
    """The octets as a message in a TCP stream."""
    return struct.pack("!H", len(wire)) + wire


def receive_exactly(sock, n):
    data = b""
    while len(data) < n:
        part = sock.recv(n - len(data))
        if not part:
            raise EOFError(f"closed after {len(data)} of {n} octets")
        data += part
    return data


def receive_message(sock):
    """The next message of a TCP stream."""
    return receive_exactly(sock, struct.unpack("!H", receive_exactly(sock, 2))[0])


class Client:
    """Somebody in `ns` who asks the server at `address`."""

    def __init__(self, ns, address=net.SERVER, port=53, source=None):
        self.ns = ns
        self.address = address
        self.port = port
        self.source = source
        self.family = socket.AF_INET6 if ":" in address else socket.AF_INET

    def socket(self, kind, timeout=2.0):
        with self.ns:
            sock = socket.socket(self.family, kind)
        sock.settimeout(timeout)
        if self.source:
            sock.bind((self.source, 0))
        return sock

    def udp_socket(self, timeout=2.0):
        sock = self.socket(socket.SOCK_DGRAM, timeout)
        sock.connect((self.address, self.port))
        return sock

    def tcp_socket(self, timeout=5.0):
        sock = self.socket(socket.SOCK_STREAM, timeout)
        sock.connect((self.address, self.port))
        return sock

    def udp_raw(self, wire, timeout=2.0):
        """Sends octets; returns the first reply's, None if there is none in time."""
        with self.udp_socket(timeout) as sock:
            sock.send(wire)
            try:
                return sock.recv(65535)
            except (TimeoutError, ConnectionRefusedError):
                return None

    def tcp_raw(self, wire, timeout=5.0):
        """Sends octets as one message; returns the reply's octets."""
        with self.tcp_socket(timeout) as sock:
            sock.sendall(frame(wire))
            return receive_message(sock)

    def udp(self, q, timeout=2.0, tries=3):
        """Asks; returns the reply message. Retries, as resolvers do."""
        wire = q.to_wire()
        for _ in range(tries):
            reply = self.udp_raw(wire, timeout)
            if reply is not None:
                return parse(reply, q)
        raise AssertionError(f"{self.address}: no reply over UDP to {q.question}")

    def tcp(self, q, timeout=5.0):
        return parse(self.tcp_raw(q.to_wire(), timeout), q)

    def ask(self, name, rdtype="A", tcp=False, **options):
        q = query(name, rdtype, **options)
        return self.tcp(q) if tcp else self.udp(q)

    def serial(self, zone):
        """The serial that the server gives for a zone, None if it does not serve it."""
        try:
            reply = self.udp(query(zone, "SOA"), timeout=1.0, tries=1)
        except (AssertionError, OSError):
            return None
        if reply.rcode() != dns.rcode.NOERROR or not reply.answer:
            return None
        return reply.answer[0][0].serial

    def ask_many(self, wires, window=64, timeout=5.0):
        """Asks all `wires` over UDP, `window` at a time, each under an id of its
        own; returns the list of replies (None where none came, even asked thrice)."""
        replies = [None] * len(wires)
        todo = list(range(len(wires)))
        for _ in range(3):
            self._ask_round(wires, replies, todo, window, timeout)
            todo = [i for i in todo if replies[i] is None]
            if not todo:
                break
        return replies

    def _ask_round(self, wires, replies, todo, window, timeout):
        pending = {}
        queue = iter(todo)
        ids = iter(random.sample(range(65536), 65536) * (len(todo) // 65536 + 1))
        with self.udp_socket(timeout) as sock:
            more = True
            deadline = time.monotonic() + timeout
            while more or pending:
                while more and len(pending) < window:
                    i = next(queue, None)
                    if i is None:
                        more = False
                        break
                    number = next(ids)
                    pending[number] = i
                    sock.send(struct.pack("!H", number) + wires[i][2:])
                if not pending:
                    break
                try:
                    reply = sock.recv(65535)
                except TimeoutError:
                    return
                i = pending.pop(struct.unpack("!H", reply[:2])[0], None)
                if i is not None:
                    replies[i] = reply
                    deadline = time.monotonic() + timeout
                elif time.monotonic() > deadline:
                    return


    def ask_stream(self, wires, window=64):
        """Asks all `wires` over one TCP connection, `window` at a time; returns
        the replies, which may come in any order, by their ids."""
        replies = [None] * len(wires)
        sent = received = 0
        with self.tcp_socket() as sock:
            while received < len(wires):
                while sent < len(wires) and sent - received < window:
                    sock.sendall(frame(struct.pack("!H", sent & 0xffff) + wires[sent][2:]))
                    sent += 1
                reply = receive_message(sock)
                low = struct.unpack("!H", reply[:2])[0]
                i = received - window + (low - (received - window) & 0xffff)
                assert 0 <= i < sent and replies[i] is None, f"a reply with id {low}"
                replies[i] = reply
                received += 1
        return replies


def parse(wire, q):
    """The reply message; it must be one to `q` and nothing must follow it."""
    reply = dns.message.from_wire(wire, one_rr_per_rrset=False)
    assert reply.id == q.id, "another id"
    assert reply.flags & dns.flags.QR, "no reply"
    assert reply.question == q.question or not reply.question, f"question {reply.question}"
    return reply


def records(section):
    """A section as a set of (owner, type, TTL, rdata), the owner's case ignored."""
    return frozenset((rrset.name.canonicalize(), rrset.rdtype, rrset.ttl, canonical(rdata))
                     for rrset in section for rdata in rrset)


def canonical(rdata):
    return rdata.to_digestable() if rdata.rdtype != dns.rdatatype.OPT else rdata.to_wire()


FLAGS_COMPARED = dns.flags.AA | dns.flags.TC | dns.flags.QR | dns.flags.RD | dns.flags.RA \
    | dns.flags.AD | dns.flags.CD


def essence(reply):
    """What two servers' replies are compared by: rcode, flags, answer, authority."""
    return (reply.rcode(), reply.flags & FLAGS_COMPARED, records(reply.answer),
            records(reply.authority))


def show(reply):
    return reply.to_text() if reply is not None else "no reply"
