# SPDX-License-Identifier: BSD-3-Clause
"""The daemon with a DPDK port: the worker answers queries, the kernel has all
the rest, and everything that works over kernel sockets works here."""

import os
import socket
import threading
import time

import dns.rcode
import pytest

from harness import client, load, net, ports, zones
from harness.peers import KEY, Bind
from harness.process import wait_for
from harness.scripted import notify

ORIGIN = "example.com"
VLAN_SERVER = "10.53.101.2"
NAMES = 1000


class Scene:
    def __init__(self, stage):
        self.stage = stage
        self.clients = stage.clients
        addresses = [f"{net.SERVER}/24", f"{net.SERVER6}/64", f"{VLAN_SERVER}/24"]
        if not ports.has_tap(stage.mode):
            stage.server_ns.ip("address", "add", addresses[2], "dev", "eth0")
        text = zones.zone_text(ORIGIN, 1, zones.VARIED + zones.many_names(NAMES))
        self.primary = stage.peer(Bind, {ORIGIN: text}, key=KEY, updates=True)
        self.server = stage.secondary(
            [ORIGIN], {ORIGIN: 1}, key=KEY, **ports.options(stage.mode, addresses),
            listen=[{"address": a} for a in (net.SERVER, net.SERVER6, VLAN_SERVER)])
        self.ours = self.server.client(self.clients)
        self.ours6 = self.server.client(self.clients, address=net.SERVER6)

    def answers(self):
        """Answers counted so far: of the workers, and of the kernel's sockets."""
        rows = self.server.ctl_json("stats")["threads"]
        kernel = sum(row["answers"] for row in rows if row["name"] == "kernel")
        return sum(row["answers"] for row in rows) - kernel, kernel


@pytest.fixture(scope="module")
def scene(port_stage):
    return Scene(port_stage)


def test_ping(scene):
    """Nothing is known of each other at first: ARP and neighbour discovery have to work."""
    scene.clients.ip("neigh", "flush", "all")
    for address in (net.SERVER, net.SERVER6):
        # Goes on until five replies have come, or eight seconds have passed.
        scene.clients.run("ping", "-q", "-c", "5", "-i", "0.1", "-w", "8", address)


def test_exactly_one_reply_each(scene):
    """Every query gets one reply, from the worker, and nothing else comes back."""
    wires = [client.query(f"h{i % NAMES}.{ORIGIN}", "AAAA", edns=1232).to_wire()
             for i in range(2000)]
    before = scene.answers()
    replies = net.PacketCounter(scene.clients, "udp and src port 53 and dst port not 53")
    strange = net.PacketCounter(
        scene.clients, f"(icmp or icmp6) and not (icmp6 and ip6[40] >= 133) "
                       f"or (tcp and src host {net.SERVER})")
    for one in (scene.ours, scene.ours6):
        got = one.ask_many(wires)
        assert all(reply is not None and reply[6:8] == b"\0\1" for reply in got)
    time.sleep(0.5)
    assert replies.read() == 2 * len(wires)
    assert strange.read() == 0
    worker, kernel = (now - then for now, then in zip(scene.answers(), before))
    assert (worker, kernel) == (2 * len(wires), 0)
    replies.close()
    strange.close()


def test_tcp_beside_the_worker(scene):
    before = scene.answers()
    for one in (scene.ours, scene.ours6):
        for reply in one.ask_stream([client.query(f"h{i}.{ORIGIN}").to_wire()
                                     for i in range(200)]):
            assert reply[6:8] == b"\0\1"
    worker, kernel = (now - then for now, then in zip(scene.answers(), before))
    assert (worker, kernel) == (0, 400)


def test_vlan(scene):
    """Tagged queries are answered with the tag they came with."""
    try:
        scene.clients.ip("link", "add", "link", "eth0", "name", "v101", "type", "vlan",
                         "id", "101")
    except RuntimeError as e:
        pytest.skip(f"the kernel has no VLAN devices ({e}); tests/port sends tagged frames itself")
    scene.clients.ip("address", "add", "10.53.101.1/24", "dev", "v101")
    scene.clients.ip("link", "set", "v101", "up")
    scene.clients.ip("neigh", "replace", VLAN_SERVER, "dev", "v101", "lladdr",
                     scene.stage.server_ns.mac("eth0"), "nud", "permanent")
    try:
        ours = scene.server.client(scene.clients, address=VLAN_SERVER)
        before = scene.answers()
        for i in range(50):
            assert ours.ask(f"h{i}.{ORIGIN}").answer
        assert scene.answers()[0] - before[0] == 50
    finally:
        scene.clients.ip("link", "del", "v101")


def test_updates_and_notify(scene):
    """BIND's NOTIFY goes through the exception path; so do those of others, over
    UDP, TCP and IPv6, and are judged there."""
    for i in range(10):
        scene.primary.update(ORIGIN, lambda u, i=i: u.replace("version", 60, "TXT", f"v{i}"))

        def served(i=i):
            answer = scene.ours.ask(f"version.{ORIGIN}", "TXT").answer
            return answer and answer[0][0].strings[0].decode() == f"v{i}"
        wait_for(served, 10, f"version {i}", interval=0.001)
    friend = scene.server.client(scene.clients, source=net.BIND)
    stranger = scene.server.client(scene.clients, source=net.STRANGER)
    for tcp in (False, True):
        assert notify(friend, ORIGIN, KEY, tcp=tcp) == dns.rcode.NOERROR
        assert notify(stranger, ORIGIN, KEY, tcp=tcp) == dns.rcode.REFUSED
        assert notify(scene.ours6, ORIGIN, KEY, tcp=tcp) == dns.rcode.REFUSED


def test_other_opcodes_and_classes(scene):
    """What the worker leaves to the kernel is answered as anything is."""
    q = client.query(f"www.{ORIGIN}")
    q.set_opcode(2)
    assert scene.ours.udp(q).rcode() == dns.rcode.NOTIMP
    reply = scene.ours.ask("id.server", "TXT", rdclass="CH")
    assert reply.answer[0][0].strings[0] == b"e2e.example"


def test_stats_name_what_was_dropped(scene):
    """A frame that nobody should answer is dropped, and counted by its reason."""
    def martians():
        return sum(row["drops"]["frame-source"] for row in scene.server.ctl_json("stats")["threads"]
                   if "frame-source" in row["drops"])
    before = martians()
    own = scene.stage.server_ns.mac("eth0")
    with scene.clients:
        sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    sock.bind(("eth0", 0))
    frame = bytes.fromhex(own.replace(":", "")) + b"\2\0\0\0\0\1" + b"\x08\0"
    udp = b"\x14\xe9\0\x35\0\x20\0\0" + client.query(ORIGIN).to_wire()[:24]
    martian = b"\x45\0\0\x34\0\0\0\0\x40\x11\0\0\x7f\0\0\1" + socket.inet_aton(net.SERVER)
    sock.send(frame + checksummed(martian) + udp)
    sock.close()
    if ports.MODES[scene.stage.mode][1]:
        wait_for(lambda: martians() == before + 1, 3, "a counted drop")
    assert scene.ours.ask(ORIGIN, "SOA").answer


def checksummed(header):
    total = sum(int.from_bytes(header[i:i + 2], "big") for i in range(0, 20, 2))
    total = (total & 0xffff) + (total >> 16)
    total = (total & 0xffff) + (total >> 16)
    return header[:10] + (~total & 0xffff).to_bytes(2, "big") + header[12:]


def test_floods_of_junk_do_not_starve_queries(scene, tmp_path):
    """Datagrams for other ports, as fast as one process sends them."""
    stop = threading.Event()
    with scene.clients:
        junk = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sent = [0]

    def flood():
        while not stop.is_set():
            for _ in range(100):
                junk.sendto(b"junk" * 10, (net.SERVER, 9))
            sent[0] += 100

    thread = threading.Thread(target=flood, daemon=True)
    thread.start()
    try:
        queries = load.query_file(tmp_path / "q", [(f"h{i}.{ORIGIN}", "A") for i in range(NAMES)])
        result = load.dnsperf(scene.clients, net.SERVER, queries, tmp_path / "log", seconds=4,
                              rate=1000)
        assert scene.ours.ask(f"www.{ORIGIN}", tcp=True).answer
    finally:
        stop.set()
        thread.join(5)
        junk.close()
    print(f"{sent[0]} datagrams of junk; {result}")
    # Junk and queries share the device's ring: where worker and flood must share
    # a CPU with others, some of either is lost before the worker sees it.
    assert result.sent > 3000 and result.lost < result.sent / 20


def test_a_restart_finds_everything_as_it_was(scene):
    """SIGTERM gives everything back, SIGKILL leaves nothing in the way."""
    server = scene.server
    server.stop()
    links = scene.stage.server_ns.ip("link")
    assert "us0" not in links and "xdp" not in links
    server.start()
    server.wait_served(scene.clients, {ORIGIN: scene.primary.client.serial(ORIGIN)})
    server.process.kill()
    os.path.exists(server.path("sock")) and os.unlink(server.path("sock"))
    server.start()
    server.wait_served(scene.clients, {ORIGIN: scene.primary.client.serial(ORIGIN)})
