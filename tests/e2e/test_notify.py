# SPDX-License-Identifier: BSD-3-Clause
"""NOTIFY, signed and unsigned, over UDP and TCP, from the primary and from
strangers; updates at a real primary until they are served."""

import multiprocessing
import statistics
import time

import dns.message
import dns.rcode
import pytest

from harness import net, zones
from harness.peers import KEY, OTHER_KEY, PEERS, Bind
from harness.process import wait_for
from harness.scripted import Scripted, notify, notify_wire

ORIGIN = "example.com"
OPEN = "open.example"  # a zone that NOTIFYs need no key for
STORM_PER_S, STORM_S = 10_000, 8


class Scene:
    def __init__(self, stage, key):
        self.key = key
        self.primary = stage.start(Scripted(stage.clients, ORIGIN, key))
        self.server = stage.secondary([ORIGIN], {ORIGIN: 1}, primaries=[self.primary.address],
                                      key=key)
        self.client = self.server.client(stage.clients)
        self.friend = self.server.client(stage.clients, source=self.primary.address)
        self.friend6 = self.server.client(stage.clients, address=net.SERVER6)
        self.stranger = self.server.client(stage.clients, source=net.STRANGER)

    def wait_served(self, serial):
        wait_for(lambda: self.client.serial(ORIGIN) == serial, 10, f"serial {serial}")

    def nothing_happens(self):
        """The primary is not asked, and what is served stays."""
        before = len(self.primary.queries)
        time.sleep(0.3)
        assert len(self.primary.queries) == before
        assert self.client.serial(ORIGIN) == 1

    def must_count(self, counter, count=1):
        """The daemon has counted so many NOTIFYs."""
        if self.server.understudy:
            assert self.server.ctl_json("stats")["service"][counter] == count


@pytest.fixture(params=[None, KEY], ids=["open", "tsig"])
def scene(request, stage):
    return Scene(stage, request.param)


@pytest.fixture
def signed_scene(stage):
    return Scene(stage, KEY)


@pytest.mark.parametrize("tcp", [False, True], ids=["udp", "tcp"])
def test_notify_of_the_primary(scene, tcp):
    scene.primary.serial = 2
    assert notify(scene.friend, ORIGIN, scene.key, tcp=tcp) == dns.rcode.NOERROR
    scene.wait_served(2)
    scene.primary.serial = 3  # one that names the serial, RFC 1996, 3.7
    assert notify(scene.friend, ORIGIN, scene.key, tcp=tcp, serial=3) == dns.rcode.NOERROR
    scene.wait_served(3)


@pytest.mark.parametrize("tcp", [False, True], ids=["udp", "tcp"])
def test_notify_of_a_stranger(scene, tcp):
    """From another address it is refused, even with the right key."""
    scene.primary.serial = 2
    assert notify(scene.stranger, ORIGIN, scene.key, tcp=tcp) \
        in (dns.rcode.REFUSED, dns.rcode.NOTAUTH)
    scene.nothing_happens()
    scene.must_count("notify_refused")


@pytest.mark.parametrize("tcp", [False, True], ids=["udp", "tcp"])
def test_notify_without_its_key(signed_scene, tcp):
    signed_scene.primary.serial = 2
    assert notify(signed_scene.friend, ORIGIN, tcp=tcp) in (dns.rcode.REFUSED, dns.rcode.NOTAUTH)
    signed_scene.nothing_happens()


@pytest.mark.parametrize("how", ["another key", "another secret", "clock ahead", "clock behind",
                                 "changed"])
def test_notify_with_a_wrong_signature(signed_scene, how):
    signed_scene.primary.serial = 2
    key = {"another key": OTHER_KEY, "another secret": (*KEY[:2], OTHER_KEY[2])}.get(how, KEY)
    shift = {"clock ahead": 1000, "clock behind": -1000}.get(how, 0)
    wire = notify_wire(ORIGIN, key, shift)
    if how == "changed":
        wire = wire.replace(b"\7example\3com", b"\7examplE\3com", 1)
    reply = signed_scene.friend.udp_raw(wire)
    assert dns.rcode.Rcode(reply[3] & 15) == dns.rcode.NOTAUTH  # RFC 8945, 5.2
    signed_scene.nothing_happens()
    signed_scene.must_count("notify_tsig_error")


def test_notify_for_a_zone_that_is_not_ours(scene):
    assert notify(scene.friend, "other.example", scene.key) in (dns.rcode.NOTAUTH,
                                                                dns.rcode.REFUSED)
    assert notify(scene.friend, "sub." + ORIGIN, scene.key) in (dns.rcode.NOTAUTH,
                                                                dns.rcode.REFUSED)
    scene.nothing_happens()


def test_malformed_notifies(scene):
    """Cut anywhere, a NOTIFY leads to nothing, and the daemon goes on."""
    wire = notify_wire(ORIGIN, scene.key, serial=2)
    for end in range(len(wire)):
        with scene.friend.udp_socket() as sock:
            sock.send(wire[:end])
    for at in range(2, len(wire)):
        with scene.friend.udp_socket() as sock:
            sock.send(wire[:at] + bytes([wire[at] ^ 0xff]) + wire[at + 1:])
    assert scene.client.serial(ORIGIN) == 1


def test_many_notifies_are_one_refresh_after_another(scene):
    """A storm of NOTIFYs leads to few queries, and the newest serial is served."""
    before = {kind: scene.primary.asked(kind) for kind in ("SOA", "IXFR", "AXFR")}
    began = time.monotonic()
    for serial in range(2, 202):
        scene.primary.serial = serial
        notify(scene.friend, ORIGIN, scene.key)
    scene.wait_served(201)
    # Without a serial of its own a NOTIFY waits until 250 ms after the last round.
    rounds = 4 * (time.monotonic() - began) + 2 if scene.server.understudy else 201
    for kind, count in before.items():
        assert scene.primary.asked(kind) - count <= rounds, kind


@pytest.mark.parametrize("key", [None, KEY], ids=["open", "tsig"])
def test_updates_at_bind_are_served(stage, key):
    """A dynamic update at BIND, its NOTIFY, and the new answer; prints how long it takes."""
    primary = stage.peer(Bind, {ORIGIN: zones.zone_text(ORIGIN, 1, zones.many_names(1000))},
                         key=key, updates=True)
    server = stage.secondary([ORIGIN], {ORIGIN: 1}, key=key)
    client = server.client(stage.clients)
    took = []
    for i in range(20):
        start = time.monotonic()
        primary.update(ORIGIN, lambda u, i=i: u.replace("version", 60, "TXT", f"v{i}"))

        def served(i=i):
            answer = client.ask(f"version.{ORIGIN}", "TXT").answer
            return answer and answer[0][0].strings[0].decode() == f"v{i}"
        wait_for(served, 10, f"version {i}", interval=0.001)
        took.append(time.monotonic() - start)
    print(f"update to answer: median {statistics.median(took) * 1000:.1f} ms, "
          f"most {max(took) * 1000:.1f} ms")


@pytest.mark.parametrize("kind", PEERS)
def test_new_zone_file_is_served(stage, kind):
    """Every peer's own NOTIFY is understood."""
    primary = stage.peer(PEERS[kind], {ORIGIN: zones.zone_text(ORIGIN, 1)}, key=KEY)
    server = stage.secondary([ORIGIN], {ORIGIN: 1}, primaries=[primary.address], key=KEY)
    client = server.client(stage.clients)
    primary.replace_zone(ORIGIN, zones.zone_text(ORIGIN, 2, "new A 192.0.2.99\n"))
    wait_for(lambda: client.serial(ORIGIN) == 2, 20, "serial 2")
    assert client.ask(f"new.{ORIGIN}").answer[0][0].address == "192.0.2.99"


def storm(senders, wires, seconds, sent):
    """Sends all wires from all senders in turn, STORM_PER_S a second altogether."""
    begun, count, batch = time.monotonic(), 0, len(senders) * len(wires)
    while time.monotonic() < begun + seconds:
        for sender in senders:
            for wire in wires:
                try:
                    sender.send(wire)
                except OSError:  # what an ICMP message told of an earlier one
                    pass
        count += batch
        time.sleep(max(0, begun + count / STORM_PER_S - time.monotonic()))
    sent.value = count


def latencies(client, server, seconds):
    """How long queries and `understudyctl status` take: two sorted lists of seconds. Each
    query must be answered, at the first try."""
    wire = dns.message.make_query(f"www.{ORIGIN}", "A").to_wire()
    queries, status = [], []
    end = time.monotonic() + seconds
    with client.udp_socket() as sock:
        while time.monotonic() < end:
            for _ in range(50):
                start = time.monotonic()
                sock.send(wire)
                assert sock.recv(4096)[:2] == wire[:2]
                queries.append(time.monotonic() - start)
                time.sleep(0.001)
            start = time.monotonic()
            assert server.ctl("status").returncode == 0
            status.append(time.monotonic() - start)
    return sorted(queries), sorted(status)


@pytest.mark.understudy
def test_ten_thousand_notifies_a_second_do_no_harm(stage):
    """Signed and unsigned, with the serial that is served and without one, for a zone with a
    key and one without, from the primary and from a stranger: queries and the control socket
    are answered as before, the primary is hardly asked, and a change is served at once."""
    primary = stage.start(Scripted(stage.clients, ORIGIN, KEY))
    zone = {"primaries": [f"p{primary.address}"]}
    server = stage.secondary(
        [ORIGIN, OPEN], {ORIGIN: 1}, primaries=[primary.address], key=KEY,
        zones=[{"name": ORIGIN, **zone},
               {"name": OPEN, **zone, "allow-notify": [{"from": primary.address}]}])
    client = server.client(stage.clients)
    quiet_queries, quiet_status = latencies(client, server, 2)
    wires = [notify_wire(zone, key, serial=serial) for zone in (ORIGIN, OPEN)
             for key in (None, KEY) for serial in (None, 1)]
    senders = [server.client(stage.clients, source=a).udp_socket()
               for a in (primary.address, net.STRANGER)]
    before, asked = server.ctl_json("stats")["service"], len(primary.queries)
    sent = multiprocessing.Value("q", 0)
    stormer = multiprocessing.get_context("fork").Process(
        target=storm, args=(senders, wires, STORM_S, sent))
    stormer.start()
    queries, status = latencies(client, server, STORM_S / 2)
    primary.serial = 2
    wait_for(lambda: client.serial(ORIGIN) == 2, 2, "serial 2 amid the storm")
    stormer.join(STORM_S + 10)
    asked = len(primary.queries) - asked
    counts = server.ctl_json("stats")["service"]
    notifies = {k: n - before[k] for k, n in counts.items() if k.startswith("notify_")}
    print(f"{sent.value} NOTIFYs sent, {notifies}; the primary was asked {asked} times; "
          f"query: median {statistics.median(queries) * 1000:.2f} ms, most "
          f"{queries[-1] * 1000:.1f} ms (quiet {statistics.median(quiet_queries) * 1000:.2f}); "
          f"status: median {statistics.median(status) * 1000:.0f} ms, most "
          f"{status[-1] * 1000:.0f} ms (quiet {statistics.median(quiet_status) * 1000:.0f})")
    assert sent.value > 0.7 * STORM_PER_S * STORM_S, "the storm was too weak to tell"
    assert sum(notifies.values()) > 0.9 * sent.value, "NOTIFYs were lost before they were seen"
    assert notifies["notify_accepted"] and notifies["notify_refused"]
    assert asked < 20 * STORM_S, "the primary is asked again and again"
    assert statistics.median(queries) < 10 * statistics.median(quiet_queries) + 0.002
    assert statistics.median(status) < 10 * statistics.median(quiet_status) + 0.05
    assert server.client(stage.clients).serial(ORIGIN) == 2
