# SPDX-License-Identifier: BSD-3-Clause
"""Ports on a veth: the worker answers queries, the kernel has all the rest."""

import hashlib
import os
import socket
import struct
import threading
import time

import dns.flags
import dns.message
import dns.opcode
import dns.query
import dns.tsigkeyring
import frames
import pytest
from harness import net
from server import PortServer

SERVER4, SERVER6 = net.SERVER, net.SERVER6
PACKET_AUXDATA = 8
TP_STATUS_VLAN_VALID = 0x10
QUIET = ("ipv6.conf.eth0.disable_ipv6", "ipv4.conf.eth0.rp_filter", "ipv4.conf.eth0.arp_ignore")
KEYS = dns.tsigkeyring.from_text({"transfer.example.": "c2VjcmV0IHNlY3JldCBzZWNyZXQ="})
TAP = ("-x", "us0", "-a", SERVER4 + "/24", "-a", SERVER6 + "/64")
MODES = {
    "af_packet": ("-d", "net_af_packet0,iface=eth0", *TAP),
    "af_xdp": ("-H", "-d", "net_af_xdp0,iface=eth0"),
    "af_xdp-tap": ("-H", "-d", "net_af_xdp0,iface=eth0", *TAP),
}


class Port:
    """A port on the server's side of a wire."""

    def __init__(self, wire, mode, *more):
        self.wire, self.mode, self.more = wire, mode, more
        self.tap = "-x" in MODES[mode]
        if not self.tap:
            wire.add_address(wire.server, SERVER4)
        self.start()

    def start(self):
        self.server = PortServer(*MODES[self.mode], *self.more, ns=self.wire.server).wait_ready()

    def ask(self, message, address=SERVER4, timeout=2):
        with self.wire.clients:
            return dns.query.udp(message, address, timeout=timeout)

    def close(self):
        if self.server.popen.poll() is None:
            self.server.kill()


@pytest.fixture(params=MODES)
def port(request, wire):
    if request.param != "af_packet":
        request.getfixturevalue("hugepages")
    one = Port(wire, request.param)
    yield one
    one.close()


def question(i=7, **more):
    return dns.message.make_query(f"h{i}.example.", "A", **more)


def settings(wire):
    return {name: wire.server.run("sysctl", "-n", "net." + name).strip() for name in QUIET}


def flags(wire):
    return wire.server.ip("-o", "link", "show", "eth0").split("<")[1].split(">")[0]


def listening(wire, kind, address=SERVER4, number=53):
    """A kernel socket on the service address."""
    with wire.server:
        sock = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, kind)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((address, number))
    sock.settimeout(3)
    if kind == socket.SOCK_STREAM:
        sock.listen()
    return sock


def test_queries_get_one_reply_each_and_no_error(port):
    with_errors = net.PacketCounter(
        port.wire.clients, "icmp[0] = 3 or (icmp6 and ip6[40] = 1) or tcp[13] & 4 != 0")
    replies = net.PacketCounter(port.wire.clients, "src port 53 and udp")
    for i in range(100):
        answer = port.ask(question(i), (SERVER4, SERVER6)[i % 2])
        assert answer.answer[0][0].address == f"192.0.{i >> 8}.{i & 255}"
        assert answer.flags & dns.flags.AA
    time.sleep(0.3)
    assert replies.read() == 100
    assert with_errors.read() == 0
    counters = port.server.stop()
    assert counters["answers"] == 100
    with_errors.close()
    replies.close()


def test_ping_and_neighbours(port):
    """Nothing is known of each other's MAC at first: ARP and NDP have to work."""
    for address in (SERVER4, SERVER6):
        port.wire.clients.ip("neigh", "flush", "all")
        port.wire.clients.run("ping", "-c", "3", "-i", "0.1", "-W", "2", address)
        port.wire.server.ip("neigh", "flush", "all")
        port.wire.server.run("ping", "-c", "3", "-i", "0.1", "-W", "2",
                             net.BIND if address == SERVER4 else net.v6(net.BIND))


@pytest.mark.parametrize("address", [SERVER4, SERVER6])
def test_tcp(port, address):
    """A megabyte each way, while queries are answered."""
    data = os.urandom(1 << 20)
    heard = []

    def serve(listener):
        peer, _ = listener.accept()
        with peer:
            got = b""
            while len(got) < len(data):
                got += peer.recv(65536)
            heard.append(hashlib.sha256(got).digest())
            peer.sendall(data[::-1])

    listener = listening(port.wire, socket.SOCK_STREAM, address)
    thread = threading.Thread(target=serve, args=[listener], daemon=True)
    thread.start()
    with port.wire.clients:
        sock = socket.create_connection((address, 53), timeout=10)
    sock.sendall(data)
    assert port.ask(question()).answer
    got = b""
    while len(got) < len(data):
        got += sock.recv(65536)
    thread.join(10)
    listener.close()
    sock.close()
    assert got == data[::-1] and heard == [hashlib.sha256(data).digest()]


def test_what_the_kernel_gets(port):
    """NOTIFY, TSIG, an IXFR and a fragmented query reach a kernel socket unchanged;
    plain queries, with and without EDNS, do not."""
    notify = dns.message.make_query("example.", "SOA")
    notify.set_opcode(dns.opcode.NOTIFY)
    signed = question()
    signed.use_tsig(KEYS)
    signed_edns = question(use_edns=0)
    signed_edns.use_tsig(KEYS)
    # Under af_packet the kernel puts fragments together, and cuts off what is over 2 KiB.
    long = question(use_edns=0, pad=1700)
    wires = [one.to_wire(max_size=65535) for one in (notify, signed, signed_edns, long)]
    taken = [one.to_wire() for one in (question(), question(use_edns=0, payload=4096))]
    for address, client in ((SERVER4, net.BIND), (SERVER6, net.v6(net.BIND))):
        kernel = listening(port.wire, socket.SOCK_DGRAM, address)
        with port.wire.clients:
            sock = socket.socket(kernel.family, socket.SOCK_DGRAM)
        sock.settimeout(3)
        sock.bind((client, 0))
        sock.connect((address, 53))
        for wire in wires:
            sock.send(wire)
            got, peer = kernel.recvfrom(65535)
            assert got == wire and peer[0] == client
            kernel.sendto(got[::-1], peer)
            assert sock.recv(65535) == wire[::-1]
        for wire in taken:
            sock.send(wire)
            assert dns.message.from_wire(sock.recv(65535)).answer
        kernel.settimeout(0.2)
        with pytest.raises(TimeoutError):
            kernel.recv(65535)
        kernel.close()
        sock.close()


def tagged_replies(sock):
    """The frames that come, their outermost tag put back where the kernel took it out."""
    while True:
        frame, ancillary, _, _ = sock.recvmsg(2048, 256)
        status, vlan, tpid = (0, 0, 0)
        for _, kind, data in ancillary:
            if kind == PACKET_AUXDATA:
                status, _, _, _, _, vlan, tpid = struct.unpack("IIIHHHH", data)
        if status & TP_STATUS_VLAN_VALID:
            frame = frame[:12] + struct.pack(">HH", tpid, vlan) + frame[12:]
        if frame[:6] == frames.mac(frames.CLIENT_MAC):
            yield frame


def test_vlan(port):
    """Tagged queries come back with their tags, untagged ones without."""
    own = port.wire.server.mac("eth0")
    with port.wire.clients:
        sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(net.ETH_P_ALL))
    sock.setsockopt(net.SOL_PACKET, PACKET_AUXDATA, 1)
    sock.bind(("eth0", net.ETH_P_ALL))
    sock.settimeout(3)
    port.wire.clients.ip("link", "set", "eth0", "promisc", "on")
    got = tagged_replies(sock)
    # The kernel takes the outer tag out, and the af_packet driver puts 802.1Q's in.
    outer = 0x8100 if port.mode == "af_packet" else 0x88a8
    for tags in ([], [(0x8100, 101)], [(0x8100, 0x6065)], [(outer, 7), (0x8100, 101)]):
        for make in (frames.query4, frames.query6):
            message = question()
            sock.send(frames.mac(own) + make(message.to_wire(), tags)[6:])
            reply = frames.Reply(next(got), server_mac=own)
            assert reply.tags == tags
            assert dns.message.from_wire(reply.payload).id == message.id
    sock.close()


def test_everything_is_given_back(wire, hugepages):
    before = settings(wire), flags(wire)
    for mode in MODES:
        port = Port(wire, mode)
        if port.tap:
            assert settings(wire) == {name: "1" for name in QUIET}
            assert "us0" in wire.server.ip("link")
        port.server.stop()
        assert (settings(wire), flags(wire)) == before, mode
        links = wire.server.ip("link")
        assert "us0" not in links and "xdp" not in links
        wire.server.ip("address", "flush", "dev", "eth0", "scope", "global")


@pytest.mark.parametrize("mode", ["af_xdp", "af_xdp-tap"])
def test_killed_and_started_again(wire, hugepages, mode):
    """SIGKILL leaves the XDP program attached; the next start must not mind."""
    port = Port(wire, mode)
    assert port.ask(question()).answer
    port.server.kill()
    assert "xdp" in wire.server.ip("link", "show", "eth0")
    port.start()
    assert port.ask(question()).answer
    port.server.stop()
    assert "xdp" not in wire.server.ip("link", "show", "eth0")


@pytest.mark.parametrize("mode", ["af_xdp", "af_xdp-tap"])
def test_vlan_tags_stay_in_frames(wire, hugepages, mode):
    """XDP sees only tags that the device does not take out; at the end it may again."""
    def taken_out():
        said = wire.server.run("ethtool", "-k", "eth0")
        return "rx-vlan-offload: on" in getattr(said, "stdout", said)

    assert taken_out()
    port = Port(wire, mode)
    assert port.ask(question()).answer
    assert not taken_out()
    port.server.stop()
    assert taken_out()


def test_junk_cannot_starve_the_rest(wire):
    """Far more junk for the kernel than its rate allows: every query is answered, our MAC
    can be found, and TCP goes on."""
    port = Port(wire, "af_packet", "-R", "2000")
    port.ask(question())
    listener = listening(wire, socket.SOCK_STREAM)
    with wire.clients:
        junk = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sent = 0
    end = time.monotonic() + 3
    while time.monotonic() < end:
        for _ in range(1000):
            junk.sendto(b"junk", (SERVER4, 9))
            sent += 1
        assert port.ask(question(sent % 1000), timeout=1).answer
        wire.clients.ip("neigh", "flush", "all")
        with wire.clients:
            socket.create_connection((SERVER4, 53), timeout=1).close()
        listener.accept()[0].close()
    junk.close()
    listener.close()
    counters = port.server.stop()
    assert counters["exception-rate"] > sent / 2


def test_net_tap(wire):
    """The device is a TAP of DPDK's own, the kernel at its other end the client."""
    server = PortServer("-d", "net_tap0,iface=dtap0", ns=wire.server).wait_ready()
    mac = wire.server.mac("dtap0")
    for client, address in (("10.53.0.77/24", SERVER4), ("fd00:53::77/64", SERVER6)):
        wire.server.ip("address", "add", client, "dev", "dtap0",
                       *(["nodad"] if ":" in client else []))
        wire.server.ip("neigh", "replace", address, "lladdr", mac, "dev", "dtap0", "nud",
                       "permanent")
        with wire.server:
            answer = dns.query.udp(question(), address, timeout=2)
        assert answer.answer[0][0].address == "192.0.0.7"
    assert server.stop()["answers"] == 2


def test_what_cannot_be_started_says_why(wire):
    for arguments, word in (
            (("-d", "net_af_packet0,iface=nosuch0"), "nosuch0"),
            (("-d", "net_nonsense0"), "net_nonsense0"),
            (("-d", "net_af_xdp0,iface=eth0"), "hugepages"),
            (("-d", "net_null0", "-l", "4000"), "4000"),
            (("-d", "net_null0", "-l", "0"), "main lcore"),
            (("-d", "net_null0", "-x", "us0", "-a", "10.53.0.2/24", "-g", "192.0.2.1"),
             "gateway")):
        server = PortServer(*arguments, ns=wire.server)
        _, errors = server.popen.communicate(timeout=20)
        assert server.popen.returncode == 1
        assert word in errors.splitlines()[-1], errors
    assert "us0" not in wire.server.ip("link")
