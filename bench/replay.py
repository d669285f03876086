# SPDX-License-Identifier: BSD-3-Clause
"""The daemon, and testpmd beside it, on captures that net_pcap replays from memory.

A capture of queries, drawn uniformly from the names of a big zone, is replayed without end
on each worker core; what is sent is dropped. The zone comes over from BIND by a signed
transfer. Whoever has no turn is stopped.

Rates are of the seconds that the worker threads were on their CPUs, all of them on an idle
machine: what else runs there takes a share of these from neither.
"""
import contextlib
import glob
import os
import re
import signal
import time

import pcaps
import zones
from checks import check_answers
from common import a_stage, process
from harness.peers import KEY, Bind

ORIGIN = "example.com"
QUERIES = 200_000  # of a capture
PACKET_MIB = 600   # that DPDK needs for one capture's packet buffers
HUGEPAGES = 350    # of 2 MiB, beside DPDK's: the zone, twice while it is built
TRANSFER_S = 100


class Replay:
    """understudyd, its zone transferred, answering a replay on each of `lcores`; its other
    threads are on the CPU `main`."""

    def __init__(self, stage, names, lcores, main):
        self.lcores = lcores
        self.main = main
        self.clients = stage.clients
        self.dir = stage.dir
        self.ns = stage.server_ns
        zone = os.path.join(stage.dir, "zone")
        with open(zone, "w", encoding="ascii") as file:
            zones.write_zone(file, ORIGIN, names)
        self.capture = os.path.join(stage.dir, "queries.pcap")
        pcaps.write(self.capture, ORIGIN, names, QUERIES)
        primary = stage.peer(Bind, {ORIGIN: zone}, key=KEY)
        self.server = stage.secondary([ORIGIN], {ORIGIN: 1}, timeout=TRANSFER_S, key=KEY, dpdk={
            "main-lcore": main, "lcores": list(lcores), "hugepages": True,
            "memory": PACKET_MIB * len(lcores),
        }, ports=[{"device": self.device(i)} for i in range(len(lcores))])
        primary.stop()
        # What the workers count as answers must be right: the same are asked for on the
        # kernel's sockets.
        check_answers(self.server.client(self.clients), ORIGIN, names)
        self.pause()

    def device(self, number):
        return f"net_pcap{number},rx_pcap={self.capture},infinite_rx=1"

    def go_on(self):
        self.server.process.signal(signal.SIGCONT)

    def pause(self):
        self.server.process.signal(signal.SIGSTOP)

    def counted(self):
        """What the workers have counted so far."""
        rows = [row for row in self.server.ctl_json("stats")["threads"]
                if row["name"] != "kernel"]
        # Counters are read one after the other while the worker counts on, so
        # what must not be is counted, not compared with what must.
        return {"answers": sum(row["answers"] for row in rows),
                "errors": sum(n for row in rows for rcode, n in row["rcodes"].items()
                              if rcode != "NOERROR"),
                "dropped": sum(sum(row["drops"].values()) for row in rows)}

    def rate(self, seconds):
        """Answers a second, while it has its turn; all of them must be right."""
        return rate_together([self], seconds)

    def worked(self, one):
        """The seconds that a DPDK process's workers have had so far, each."""
        spent_ns = []
        for task in glob.glob(f"/proc/{one.pid}/task/*"):
            with open(task + "/comm", encoding="ascii") as file:
                if not file.read().startswith(("rte-worker", "lcore-worker")):
                    continue
            with open(task + "/schedstat", encoding="ascii") as file:
                spent_ns.append(int(file.read().split()[0]))
        assert len(spent_ns) == len(self.lcores), spent_ns
        return sum(spent_ns) / len(spent_ns) / 1e9

    def echo_rate(self, seconds):
        """Packets a second that testpmd's 5tswap carries of the same captures."""
        testpmd = process.Process(
            ["dpdk-testpmd", "-l", ",".join(map(str, [self.main, *self.lcores])), "--in-memory",
             "-m", PACKET_MIB * len(self.lcores), "--no-pci", "--no-telemetry",
             *(word for i in range(len(self.lcores)) for word in ("--vdev", self.device(i))),
             "--", "--forward-mode=5tswap", f"--nb-cores={len(self.lcores)}",
             f"--total-num-mbufs={QUERIES * len(self.lcores) + 10000}", "--stats-period=1",
             "--no-lsc-interrupt"], self.ns, os.path.join(self.dir, "testpmd"), fresh=True)
        try:
            # The first report is of the start.
            first, at = self.reported(testpmd, 2)
            last, end = self.reported(testpmd, 2 + max(1, round(seconds)))
            return (last - first) / (end - at)
        finally:
            testpmd.stop()

    def reported(self, testpmd, number):
        """Packets in testpmd's report so numbered, and what its workers had had by then."""
        ports = len(self.lcores)

        def found():
            if not testpmd.alive():
                raise SystemExit("bench/run: testpmd ended:\n" + testpmd.log_text()[-2000:])
            return re.findall(r"RX-packets: (\d+)(?=(?:.*\n){3}.*TX-packets)", testpmd.log_text())

        process.wait_for(lambda: len(found()) >= number * ports, number + 30,
                         testpmd.log_text, interval=0.002)
        at = self.worked(testpmd)
        return sum(map(int, found()[(number - 1) * ports:number * ports])), at


def rate_together(replays, seconds):
    """Answers a second of several at the same time, together."""
    def now():
        return [(one.counted(), one.worked(one.server.process)) for one in replays]

    for one in replays:
        one.go_on()
    time.sleep(0.5)
    before = now()
    time.sleep(seconds)
    after = now()
    for one in replays:
        one.pause()
    total = 0
    for (first, at), (last, end) in zip(before, after):
        delta = {key: last[key] - first[key] for key in last}
        if delta["errors"] or delta["dropped"]:
            raise SystemExit(f"bench/run: not all queries were answered well: {delta}")
        total += delta["answers"] / (end - at)
    return total


@contextlib.contextmanager
def a_replay(names, lcores=(1,), main=0):
    """A Replay on a stage of its own, with workers on these CPUs; paused."""
    pages = HUGEPAGES + 2 * PACKET_MIB // 2 * len(lcores)  # for the daemon and for testpmd
    with a_stage(hugepages=pages) as stage:
        one = Replay(stage, names, lcores, main)
        try:
            yield one
        finally:
            one.go_on()
