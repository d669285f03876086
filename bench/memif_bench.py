# SPDX-License-Identifier: BSD-3-Clause
"""answers/s between two processes over shared memory (net_memif), beside testpmd's 5tswap

One process asks: testpmd, which forwards a replayed capture into memif and counts what comes
back. The other, on a CPU of its own, answers: the daemon, or testpmd's 5tswap, which only
swaps addresses. Before, the daemon gets each query of the capture once, and each reply that
comes back is compared with what the zone holds.
"""
import contextlib
import os
import re
import struct
import time

import pcaps
import zones
from checks import is_right
from common import a_stage, compare, process, say
from harness.peers import KEY, Bind

ORIGIN = "example.com"
QUERIES = 65_536  # so that each has an id of its own
MAC = pcaps.TARGET_MAC.hex(":")
ASKER_CPU, WORKER_CPU = 0, 1
MEMORY_MIB = 512
DEFAULTS = {"names": 100_000}


class Memif:
    """The capture, who asks it, and who answers."""

    def __init__(self, stage, names):
        self.stage = stage
        self.names = names
        self.zone = self.path("zone")
        with open(self.zone, "w", encoding="ascii") as file:
            zones.write_zone(file, ORIGIN, names)
        self.capture = self.path("queries.pcap")
        pcaps.write(self.capture, ORIGIN, names, QUERIES)

    def path(self, name):
        return os.path.join(self.stage.dir, name)

    def end(self, role):
        return f"net_memif0,role={role},socket={self.path('memif')},socket-abstract=no,mac={MAC}"

    def testpmd(self, cpu, name, *argv):
        """testpmd, both its lcores on one CPU, one of them asleep."""
        return process.Process(
            ["dpdk-testpmd", "--lcores", f"0@{cpu},1@{cpu}", "--no-shconf", "--no-huge",
             "-m", MEMORY_MIB, "--no-pci", "--no-telemetry", *argv, "--stats-period=1",
             "--disable-link-check", "--no-lsc-interrupt", "--no-mlockall", "--no-flush-rx"],
            self.stage.server_ns, self.path(name), fresh=True)

    @contextlib.contextmanager
    def daemon(self):
        server = self.stage.secondary([ORIGIN], {ORIGIN: 1}, timeout=60, key=KEY, dpdk={
            "main-lcore": ASKER_CPU, "lcores": [WORKER_CPU], "hugepages": False,
            "memory": 200,
        }, ports=[{"device": self.end("server")}])
        try:
            yield server
        finally:
            server.stop()
            self.stage.started.remove(server)

    @contextlib.contextmanager
    def echo(self):
        one = self.testpmd(WORKER_CPU, "echo", "--vdev", self.end("server"), "--",
                           "--forward-mode=5tswap", "--total-num-mbufs=16384")
        try:
            process.wait_for(lambda: os.path.exists(self.path("memif")), 20, one.log_text)
            yield one
        finally:
            one.stop()
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self.path("memif"))

    @contextlib.contextmanager
    def asker(self, pcap):
        # A query waits until there is room for it, and until the other end is there.
        with open(self.path("commands"), "w", encoding="ascii") as file:
            file.write("set burst tx delay 1 retry 4000000\nset fwd io retry\n")
        one = self.testpmd(ASKER_CPU, "asker", "--vdev", f"net_pcap0,{pcap}",
                           "--vdev", self.end("client"), "--",
                           f"--cmdline-file={self.path('commands')}",
                           f"--total-num-mbufs={QUERIES + 16384}")
        try:
            yield one
        finally:
            one.stop()

    def rate(self, answerer, seconds):
        """Replies a second that come back."""
        with answerer(), self.asker(f"rx_pcap={self.capture},infinite_rx=1") as asker:
            seen = []
            end = time.monotonic() + 30 + seconds
            while len(seen) < 2 + max(1, round(seconds)):
                # Of the second port, memif; the first reports are of the start.
                found = re.findall(r"statistics for port 1 (?:.*\n){7}.*Rx-pps:\s+(\d+)",
                                   asker.log_text())
                seen = [int(n) for n in found][1:]
                if not asker.alive() or time.monotonic() > end:
                    raise SystemExit("bench/run: no replies over memif:\n"
                                     + asker.log_text()[-2000:])
                time.sleep(0.1)
            return sum(seen[2:]) / len(seen[2:])

    def check(self):
        """Each query once; returns how many replies have come back, all of them right."""
        replies = self.path("replies.pcap")
        with self.daemon(), self.asker(f"rx_pcap={self.capture},tx_pcap={replies}") as asker:
            process.wait_for(lambda: steady(asker), 40, asker.log_text, interval=0.2)
        asked = list(zones.queries(ORIGIN, self.names, QUERIES))
        index = {f"{zones.label(i)}.{ORIGIN}": i for i in range(self.names)}
        count = 0
        for data in packets(replies):
            message = data[pcaps.HEADERS:]
            name = asked[int.from_bytes(message[:2], "big")]
            if not message[12:].startswith(pcaps.wire(name)) \
                    or not is_right(message[2:], index[name]):
                raise SystemExit(f"bench/run: a wrong reply: {data.hex()}")
            count += 1
        if count < QUERIES * 0.9:
            raise SystemExit(f"bench/run: {count} replies to {QUERIES} queries")
        return count


def steady(asker):
    """Whether nothing has come back for a second any more."""
    found = re.findall(r"statistics for port 1 .*\n.*RX-packets: (\d+)", asker.log_text())
    return len(found) > 2 and found[-1] == found[-2] != "0"


def packets(path):
    with open(path, "rb") as file:
        data = file.read()
    at = 24
    while at + 16 <= len(data):
        length = struct.unpack_from("<I", data, at + 8)[0]
        yield data[at + 16:at + 16 + length]
        at += 16 + length


def rows(options):
    with a_stage() as stage:
        memif = Memif(stage, options.names)
        primary = stage.peer(Bind, {ORIGIN: memif.zone}, key=KEY)
        say(f"{memif.check()} of {QUERIES} queries came back as replies, all of them right")
        try:
            return compare({
                "understudy": lambda: memif.rate(memif.daemon, options.seconds),
                "5tswap": lambda: memif.rate(memif.echo, options.seconds),
            }, "packets/s", options)
        finally:
            primary.stop()
