# SPDX-License-Identifier: BSD-3-Clause
"""Load on a DPDK port: nothing is lost, each query gets exactly one reply, and
while zones change no answer mixes two versions. Minutes long: --long. The
worker and the load want a CPU each for themselves: on a machine that does
other work at the same time packets are lost before the worker sees them."""

import contextlib
import random
import threading
import time

import dns.rcode
import dns.rdatatype
import pytest

from harness import client, load, net, ports, process, zones
from harness.peers import KEY, Bind
from harness.process import wait_for

pytestmark = [pytest.mark.long, pytest.mark.understudy]

ORIGIN = "example.com"
BIG_NAMES = 500_000  # with two records each
RATE = 50_000
SECONDS = 60
UPDATES = 100
OTHERS = {ports.OTHER_CPU}


class Scene:
    """A primary and the daemon with a DPDK port, each on its CPU."""

    def __init__(self, stage, names, extra=""):
        self.stage = stage
        self.clients = stage.clients
        text = zones.zone_text(ORIGIN, 1, extra + zones.many_names(names))
        self.primary = stage.peer(Bind, {ORIGIN: text}, key=KEY, updates=True, cpus=OTHERS)
        start = time.monotonic()
        self.server = stage.secondary([ORIGIN], {ORIGIN: 1}, timeout=120, key=KEY)
        self.loaded_s = time.monotonic() - start
        self.ours = self.server.client(stage.clients)
        mac = stage.server_ns.mac("eth0")
        self.clients.ip("neigh", "replace", net.SERVER, "dev", "eth0", "lladdr", mac, "nud",
                        "permanent")
        chance = random.Random(1)
        self.queries = load.query_file(
            f"{stage.dir}/queries",
            [(f"h{chance.randrange(names)}.{ORIGIN}", chance.choice(("A", "AAAA")))
             for _ in range(200_000)])

    def kxdpgun(self, rate, seconds):
        return load.kxdpgun(self.clients, net.SERVER, self.queries,
                            f"{self.stage.dir}/kxdpgun", seconds, rate, ports.OTHER_CPU)


@pytest.fixture(scope="module")
def million(port_stage):
    if port_stage.mode == "af_xdp-tap":
        pytest.skip("af_packet and af_xdp stand for all")
    return Scene(port_stage, BIG_NAMES)


@contextlib.contextmanager
def exactly_one_reply(ns):
    """Counts queries and replies on the wire, and errors beside them."""
    counters = [net.PacketCounter(ns, expression) for expression in (
        f"udp and dst host {net.SERVER} and dst port 53 and src port not 53",
        f"udp and src host {net.SERVER} and src port 53 and dst port not 53",
        "icmp")]
    counts = {}
    yield counts
    time.sleep(0.5)
    counts["queries"], counts["replies"], counts["errors"] = (c.read() for c in counters)
    for counter in counters:
        counter.close()
    assert counts["errors"] == 0, counts
    assert counts["replies"] == counts["queries"], counts


@pytest.mark.limit(300)
def test_a_million_records_are_transferred_and_right(million):
    status = million.server.zone_status(ORIGIN)
    assert status["records"] == 2 * BIG_NAMES + 6
    print(f"{status['records']} records in {status['transfer']['seconds']:.1f} s, "
          f"{status['memory_octets'] / status['records']:.0f} octets a record")
    chosen = random.sample(range(BIG_NAMES), 20000)
    wires = [client.query(f"h{i}.{ORIGIN}").to_wire() for i in chosen]
    for i, reply in zip(chosen, million.ours.ask_many(wires)):
        assert reply is not None and reply.endswith(
            bytes([10, i >> 16 & 255, i >> 8 & 255, i & 255]))
    missing = million.ours.ask(f"h{BIG_NAMES}.{ORIGIN}")
    assert missing.rcode() == dns.rcode.NXDOMAIN


@pytest.mark.limit(300)
def test_a_minute_of_load_loses_nothing(million):
    with exactly_one_reply(million.clients) as counts:
        result = load.dnsperf(million.clients, net.SERVER, million.queries,
                              f"{million.stage.dir}/dnsperf", SECONDS, rate=RATE, cpus=OTHERS,
                              more=("-c", 4, "-b", 4096, "-q", 2000))
    print(f"{million.stage.mode}: {result}, on the wire {counts}")
    assert result.lost == 0
    assert set(result.rcodes) == {"NOERROR"}
    assert counts["queries"] == result.sent
    assert result.rate > 0.97 * RATE, "dnsperf could not send as fast"


def echo_rate(ns, server_ns, queries, folder, mac):
    """Replies a second of testpmd, which swaps addresses and ports, at kxdpgun's full rate."""
    testpmd = process.Process(
        ["dpdk-testpmd", "-l", f"{ports.OTHER_CPU},{ports.WORKER_CPU}", "--in-memory", "-m", 200,
         "--no-pci", "--vdev", "net_af_xdp0,iface=eth0", "--log-level", "error", "--",
         "--forward-mode=5tswap", "--auto-start", "--stats-period=60", "--total-num-mbufs=16384"],
        server_ns, f"{folder}/testpmd")
    try:
        wait_for(lambda: "start packet forwarding" in testpmd.log_text().lower()
                 or "5tswap packet forwarding" in testpmd.log_text().lower(), 30,
                 testpmd.log_text)
        return load.kxdpgun(ns, net.SERVER, queries, f"{folder}/kxdpgun-echo", 5, 2_000_000,
                            ports.OTHER_CPU, mac).rate
    finally:
        testpmd.stop()


@pytest.mark.limit(400)
def test_half_of_the_echo_rate_loses_nothing(million):
    """kxdpgun at half of the rate that testpmd can send back on this port; then
    the highest rate without loss is searched and printed."""
    if million.stage.mode != "af_xdp":
        pytest.skip("measured on af_xdp")
    million.server.stop()
    echo = echo_rate(million.clients, million.stage.server_ns, million.queries,
                     million.stage.dir, million.stage.server_ns.mac("eth0"))
    million.server.start()
    million.server.wait_served(million.clients, {ORIGIN: 1}, 120)
    million.kxdpgun(20_000, 2)
    result = million.kxdpgun(int(echo / 2), 20)
    print(f"testpmd echoes {echo:.0f}/s; at half of it {result}, {result.lost} lost")
    assert result.lost == 0
    assert set(result.rcodes) == {"NOERROR"}
    assert result.rate > 0.4 * echo


@pytest.mark.limit(400)
def test_highest_rate_without_loss(million):
    """Searched by halves between 20,000 and 1,000,000 queries a second; printed."""
    low, high = 20_000, 1_000_000
    best = million.kxdpgun(low, 4)
    assert best.lost == 0
    while high - low > 20_000:
        middle = (low + high) // 2
        result = million.kxdpgun(middle, 4)
        if result.lost or result.sent < 0.95 * 4 * middle:
            high = middle
        else:
            low, best = middle, result
    print(f"{million.stage.mode}: highest rate without loss {best.rate:.0f}/s")


TXTS = 8


def version_lines(version):
    """Records that only one version of the zone has together."""
    return ([("version", "TXT", f'"{version} {i}"') for i in range(TXTS)]
            + [("alias", "CNAME", f"v{version}"), (f"v{version}", "CNAME", f"w{version}"),
               (f"w{version}", "TXT", f'"{version}"')])


def put_version(update, version):
    for owner in ("version", "alias", f"v{version - 1}", f"w{version - 1}"):
        update.delete(owner)
    for owner, rdtype, rdata in version_lines(version):
        update.add(owner, 60, rdtype, rdata)


def version_of(reply):
    """The one version that a reply speaks of."""
    assert reply.rcode() == dns.rcode.NOERROR, reply
    versions = set()
    count = 0
    for rrset in reply.answer:
        for rdata in rrset:
            count += 1
            if rrset.rdtype == dns.rdatatype.TXT:
                versions.add(int(rdata.strings[0].split()[0]))
            else:
                versions.add(int(rdata.target.labels[0][1:]))
    assert len(versions) == 1, f"a mixture of versions: {reply}"
    assert count in (TXTS, 3), reply
    return versions.pop()


class Watcher(threading.Thread):
    """Asks for the version without a pause; it must be whole and never go back."""

    def __init__(self, one, name):
        super().__init__(daemon=True)
        self.one = one
        self.name_asked = f"{name}.{ORIGIN}"
        self.stopping = threading.Event()
        self.asked = 0
        self.seen = []
        self.error = None

    def run(self):
        try:
            while not self.stopping.is_set():
                version = version_of(self.one.udp(client.query(self.name_asked, "TXT"), 5.0, 1))
                self.asked += 1
                if not self.seen or version != self.seen[-1]:
                    assert not self.seen or version > self.seen[-1], "an older version"
                    self.seen.append(version)
        except Exception as e:  # told by the test
            self.error = e

    def finish(self):
        self.stopping.set()
        self.join(20)
        assert not self.error, f"{self.name_asked}: {self.error}"


@pytest.mark.limit(300)
def test_updates_under_load(port_stage):
    """A hundred updates at the primary, each sent once the last is served."""
    port_stage.clear()  # of the million records; this is the last test in each mode
    extra = "".join(f"{o} {t} {r}\n" for o, t, r in version_lines(0))
    scene = Scene(port_stage, 5000, extra)
    load.query_file(scene.queries, [
        (name, rdtype) for i in range(5000)
        for name, rdtype in ((f"h{i}.{ORIGIN}", "A"), (f"alias.{ORIGIN}", "TXT"),
                             (f"h{i}.{ORIGIN}", "AAAA"), (f"version.{ORIGIN}", "TXT"))])
    watchers = [Watcher(scene.server.client(scene.clients), name)
                for name in ("version", "alias")]
    with exactly_one_reply(scene.clients) as counts:
        dnsperf = load.start_dnsperf(scene.clients, net.SERVER, scene.queries,
                                     f"{port_stage.dir}/dnsperf", SECONDS, rate=20_000,
                                     cpus=OTHERS, more=("-c", 4, "-b", 4096))
        for watcher in watchers:
            watcher.start()
        took = []
        for version in range(1, UPDATES + 1):
            start = time.monotonic()
            scene.primary.update(ORIGIN, lambda u, v=version: put_version(u, v))
            wait_for(lambda v=version: all(w.error or (w.seen and w.seen[-1] == v)
                                           for w in watchers), 20, f"version {version}")
            took.append(time.monotonic() - start)
        assert dnsperf.alive(), "the updates took longer than the load"
        result = load.finish_dnsperf(dnsperf, SECONDS + 30)
        for watcher in watchers:
            watcher.finish()
    took.sort()
    print(f"{port_stage.mode}: {result}, {counts}; update to answer: median "
          f"{took[len(took) // 2] * 1000:.0f} ms, most {took[-1] * 1000:.0f} ms; "
          f"{sum(w.asked for w in watchers)} answers watched")
    for watcher in watchers:
        assert watcher.seen == list(range(UPDATES + 1)), "every version is seen"
    assert result.lost == 0
    assert set(result.rcodes) == {"NOERROR"}
