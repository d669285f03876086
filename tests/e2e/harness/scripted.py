# SPDX-License-Identifier: BSD-3-Clause
"""A primary whose every reply is the test's to write, well-behaved until told otherwise."""

import base64
import socket
import struct
import threading
import time

import dns.edns
import dns.flags
import dns.message
import dns.name
import dns.opcode
import dns.rcode
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dns.rdtypes.ANY.TSIG
import dns.renderer
import dns.rrset
import dns.tsig

from . import net
from .client import frame, receive_message

ALGORITHMS = {"hmac-sha256": dns.tsig.HMAC_SHA256, "hmac-sha512": dns.tsig.HMAC_SHA512}


def tsig_key(key):
    name, algorithm, secret = key
    return dns.tsig.Key(name, base64.b64decode(secret), ALGORITHMS[algorithm])


class Signer:
    """Signs the messages of one reply, one after the other (RFC 8945, 5.3.1).
    `shift` moves its clock by seconds."""

    def __init__(self, key, request_mac=b"", shift=0, multi=True):
        self.key = tsig_key(key)
        self.request_mac = request_mac
        self.shift = shift
        self.multi = multi
        self.context = None

    def sign(self, wire):
        number = struct.unpack("!H", wire[:2])[0]
        blank = dns.rdtypes.ANY.TSIG.TSIG(
            dns.rdataclass.ANY, dns.rdatatype.TSIG, self.key.algorithm, 0, 300, b"", number, 0, b"")
        tsig, self.context = dns.tsig.sign(wire, self.key, blank, int(time.time()) + self.shift,
                                           self.request_mac, self.context, self.multi)
        return append_tsig(wire, self.key.name, tsig)

    def skip(self, wire):
        """Counts an unsigned message in; not for the first."""
        self.context.update(wire)
        return wire


def append_tsig(wire, name, tsig):
    rdata = tsig.to_wire()
    record = name.to_wire() + struct.pack("!HHIH", 250, 255, 0, len(rdata)) + rdata
    return wire[:10] + struct.pack("!H", struct.unpack("!H", wire[10:12])[0] + 1) \
        + wire[12:] + record


class Query:
    """A query that came in: the message, `mac` of its valid signature (b"" if it
    has none), `signed` says whether it had one."""

    def __init__(self, wire, transport, key):
        self.wire = wire
        self.transport = transport
        ring = {tsig_key(key).name: tsig_key(key)} if key else None
        self.message = dns.message.from_wire(wire, keyring=ring)
        self.signed = self.message.had_tsig
        self.mac = self.message.mac
        self.time = time.monotonic()
        self.name = self.message.question[0].name
        self.type = dns.rdatatype.to_text(self.message.question[0].rdtype)


class Close(Exception):
    """A step: close the connection now."""


class Reset(Exception):
    """A step: break the connection now."""


class Pause:
    """A step: wait some seconds."""

    def __init__(self, seconds):
        self.seconds = seconds


class Raw(bytes):
    """A step: octets sent as they are, without a length before them."""


def record(owner, rdtype, text, ttl=300, origin=None, rdclass="IN"):
    origin = dns.name.from_text(origin) if origin else dns.name.root
    rdata = dns.rdata.from_text(rdclass, rdtype, text, origin=origin, relativize=False)
    return dns.rrset.from_rdata(dns.name.from_text(owner, origin), ttl, rdata)


class Zone:
    """A zone, and what a primary says of it: `replies[QTYPE]` is called with a Query and
    returns the steps of the reply; the tests put their own there."""

    def __init__(self, origin, key=None, timers="3600 600 604800 300"):
        self.origin = origin
        self.key = key
        self.timers = timers
        self.serial = 1
        self.expire = None  # seconds that its copy lasts (RFC 7314)
        self.extra = []
        self.queries = []
        self.good()

    def good(self):
        """Behaves well from now on."""
        self.replies = {"SOA": self.soa_reply, "AXFR": self.axfr_reply, "IXFR": self.axfr_reply}

    # What it serves

    def soa(self, serial=None):
        serial = self.serial if serial is None else serial
        return record("@", "SOA", f"ns1 hostmaster {serial} {self.timers}", origin=self.origin)

    def body(self):
        """All but the SOA; every TXT record says the serial."""
        serial = self.serial
        lines = [("@", "NS", "ns1"), ("ns1", "A", "192.0.2.1")]
        lines += [(f"v{i}", "TXT", f'"serial {serial}"') for i in range(10)]
        return [record(o, t, r, origin=self.origin) for o, t, r in lines] + list(self.extra)

    def message(self, q, rrsets, question=True, **changes):
        """The octets of a reply with these records as its answer."""
        reply = dns.message.Message(q.message.id)
        reply.flags = dns.flags.QR | dns.flags.AA
        if question:
            reply.question = q.message.question
        for name, value in changes.items():
            setattr(reply, name, value)
        reply.answer = list(rrsets)
        if self.expire is not None and q.message.edns >= 0:
            reply.use_edns(options=[dns.edns.GenericOption(9, struct.pack("!I", self.expire))])
        return reply.to_wire(max_size=65535)

    def signer(self, q, **options):
        return Signer(self.key, q.mac, **options) if self.key and q.signed else None

    def signed(self, q, wires, signer=None, every=1):
        """Signs the messages, at least the first and the last, else each `every`-th."""
        signer = signer or self.signer(q)
        wires = list(wires)
        if not signer:
            return wires
        return [signer.sign(w) if i % every == 0 or i == len(wires) - 1 else signer.skip(w)
                for i, w in enumerate(wires)]

    def soa_reply(self, q):
        return self.signed(q, [self.message(q, [self.soa()])])

    def axfr_wires(self, q, per_message=5):
        rrsets = [self.soa(), *self.body(), self.soa()]
        return [self.message(q, rrsets[i:i + per_message], question=i == 0)
                for i in range(0, len(rrsets), per_message)]

    def axfr_reply(self, q):
        return self.signed(q, self.axfr_wires(q))

    def ixfr_rrsets(self, q):
        """What has changed since the version that the query names, in one step."""
        base = q.message.authority[0][0].serial
        names = [f"v{i}" for i in range(10)]
        return [self.soa(), self.soa(base),
                *[record(n, "TXT", f'"serial {base}"', origin=self.origin) for n in names],
                self.soa(),
                *[record(n, "TXT", f'"serial {self.serial}"', origin=self.origin)
                  for n in names],
                self.soa()]

    def ixfr_reply(self, q):
        if q.message.authority[0][0].serial == self.serial:
            return self.soa_reply(q)
        return self.signed(q, [self.message(q, self.ixfr_rrsets(q))])

    def asked(self, qtype):
        """How many queries of this type came so far."""
        return sum(q.type == qtype for q in self.queries)


class Scripted(Zone):
    """A primary that serves one zone on UDP and TCP at `address`. `behave(connection)`,
    if set, has each TCP connection instead."""

    address = net.SCRIPTED

    def __init__(self, ns, origin, key=None, address=None, **options):
        super().__init__(origin, key, **options)
        self.address = address or self.address
        self.behave = None
        self.peers = []  # the addresses of who asked
        self.connections = 0
        self.errors = []
        self.stopping = False
        with ns:
            self.tcp = socket.create_server((self.address, 53), backlog=512)
            self.udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.udp.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        self.udp.bind((self.address, 53))
        for serve in (self.serve_udp, self.serve_tcp):
            threading.Thread(target=serve, daemon=True).start()

    def start(self):
        return self

    def stop(self):
        self.stopping = True
        for listener in (self.tcp, self.udp):
            try:
                listener.shutdown(socket.SHUT_RDWR)  # wakes who waits for it
            except OSError:  # UDP is not connected, says Linux, having done it
                pass
            listener.close()
        assert not self.errors, f"the scripted primary failed: {self.errors}"

    def zone_of(self, _name):
        """The zone that a query for this name is about."""
        return self

    def steps(self, wire, transport):
        try:
            q = Query(wire, transport, self.key)
            zone = self.zone_of(q.name)
            zone.queries.append(q)
            yield from zone.replies[q.type](q)
        except Exception as e:  # whatever a test's script does wrong, the test must see
            self.errors.append(e)
            raise

    def serve_udp(self):
        while not self.stopping:
            try:
                wire, peer = self.udp.recvfrom(65535)
                self.peers.append(peer[0])
                for step in self.steps(wire, "udp"):
                    if isinstance(step, bytes):
                        self.udp.sendto(step, peer)
            except Exception:
                continue

    def serve_tcp(self):
        while not self.stopping:
            try:
                connection, peer = self.tcp.accept()
                self.peers.append(peer[0])
                self.connections += 1
            except OSError:
                return
            threading.Thread(target=self.serve_connection, args=(connection,),
                             daemon=True).start()

    def serve_connection(self, connection, transport="tcp"):
        connection.settimeout(60)
        with connection:
            try:
                if self.behave and transport == "tcp":
                    self.behave(connection)
                    return
                while True:
                    for step in self.steps(receive_message(connection), transport):
                        if isinstance(step, Raw):
                            connection.sendall(step)
                        elif isinstance(step, bytes):
                            connection.sendall(frame(step))
                        elif isinstance(step, Pause):
                            time.sleep(step.seconds)
                        elif step is Reset:
                            reset(connection)
                            return
                        else:
                            return
            except (OSError, EOFError):
                return
            except Exception:
                return


class ScriptedMany(Scripted):
    """A primary of many zones, each with a script of its own."""

    def __init__(self, ns, origins, key=None, address=None, **options):
        self.zones = {dns.name.from_text(o): Zone(o, key, **options) for o in origins}
        super().__init__(ns, "root.test", key, address)

    def zone_of(self, name):
        return self.zones[name]

    def zone(self, origin):
        return self.zones[dns.name.from_text(origin)]


def reset(connection):
    """Closes it with a RST, what is not sent yet is lost."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def notify_wire(zone, key=None, shift=0, serial=None):
    """A NOTIFY for the zone, signed if there is a key; and its id."""
    q = dns.message.make_query(zone, "SOA")
    q.flags = dns.flags.AA
    q.set_opcode(dns.opcode.NOTIFY)
    if serial is not None:
        q.answer = [record(zone, "SOA", f"ns1.{zone}. h.{zone}. {serial} 1 1 1 1")]
    wire = q.to_wire()
    return Signer(key, shift=shift, multi=False).sign(wire) if key else wire


def notify(client, zone, key=None, tcp=False, **options):
    """Sends a NOTIFY; returns the header's rcode of the reply, None if none came."""
    wire = notify_wire(zone, key, **options)
    reply = client.tcp_raw(wire) if tcp else client.udp_raw(wire)
    if reply is None:
        return None
    assert reply[:2] == wire[:2] and reply[2] & 0xf8 == 0xa0, f"no reply to a NOTIFY: {reply}"
    return dns.rcode.Rcode(reply[3] & 15)
