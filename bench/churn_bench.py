# SPDX-License-Identifier: BSD-3-Clause
"""answers lost, rate kept and latency while ten IXFRs a second of 1,000 records come

A worker answers queries that paced.c lets through at 80 % of what it can answer of a replayed
capture, for some seconds in peace and as long while the zone changes, by turns. All else (the
primary, the daemon's other threads, this script, what can be moved of the kernel) runs on another
CPU. Latency is the time from a query's reception to its reply's transmission in the worker;
`arrival` rows count from when it would have reached the port. What is lost, and late, is of all
turns together.

Rows `half-` are of 40 %: a machine that takes a fifth of its speed from the worker for a
millisecond, as virtual ones do, makes it lose answers of 80 % even in peace.
"""
import mmap
import os
import shutil
import struct
import tempfile
import time

import common
import pcaps
import secondaries
import zones
from harness import ports
from ixfr_bench import LOAD_S, ORIGIN, Watcher
from primary import ADDRESS, Primary
from quiet_cpu import quiet_cpu
from replay import HUGEPAGES, PACKET_MIB, QUERIES

DEFAULTS = {"seconds": 5.0, "pairs": 12}
LOADS = {"": 0.8, "half-": 0.4}  # of what can be answered, by the rows' names
IXFRS_PER_S, CHANGES = 10, 1000
SUB, BUCKETS = 16, 64 * 16  # as in paced.c
HEAD = 6                    # words before the histograms


def bucket_value(i):
    """The middle of a bucket, in cycles."""
    if i < SUB:
        return i
    log, part = i // SUB + 3, i % SUB
    return (1 << log) + ((2 * part + 1) << (log - 4)) / 2


class Paced:
    """The file that paced.c has mapped."""

    def __init__(self, path):
        size = 8 * (HEAD + 2 * BUCKETS)
        with open(path, "wb+") as file:
            file.truncate(size)
            self.map = mmap.mmap(file.fileno(), size)
        self.path = path
        self.round = 0

    def words(self, at, count=1):
        return struct.unpack_from(f"<{count}Q", self.map, 8 * at)

    def begin(self, rate):
        """Another round, with all counters at 0."""
        self.round += 1
        struct.pack_into("<QQ", self.map, 0, int(rate), self.round)
        while self.words(3)[0] != self.round:
            time.sleep(0.001)

    def passed(self):
        return self.words(4)[0]

    def lost(self):
        return self.words(5)[0]

    def percentiles(self, which):
        """{percent: microseconds} of one of the two histograms."""
        hz, counts = self.words(2)[0], self.words(HEAD + which * BUCKETS, BUCKETS)
        total, found = sum(counts), {}
        for percent in (50, 99, 99.9, 99.99):
            seen = 0
            for i, n in enumerate(counts):
                seen += n
                if seen >= total * percent / 100:
                    found[percent] = bucket_value(i) / hz * 1e6
                    break
        return found


class Churn:
    """The zone changes, IXFRS_PER_S times a second."""

    def __init__(self, primary, server, watcher):
        self.primary, self.server, self.watcher = primary, server, watcher
        self.took_ms = []
        self.late = 0

    def run(self, seconds):
        begun = time.monotonic()
        for number in range(int(seconds * IXFRS_PER_S)):
            index, address = self.primary.change(CHANGES)
            time.sleep(max(0, begun + number / IXFRS_PER_S - time.monotonic()))
            sent = time.perf_counter()
            self.primary.notify(self.server.address)
            took_s = self.watcher.wait(f"{zones.label(index)}.{ORIGIN}", address, 10, sent)
            self.took_ms.append(1000 * took_s)
            self.late += took_s > 1 / IXFRS_PER_S


def phase(paced, rate, seconds, work):
    """Answers a second, lost ones, and latencies while `work` goes on."""
    paced.begin(rate)
    begun = time.monotonic()
    work()
    time.sleep(max(0, begun + seconds - time.monotonic()))
    passed, took = paced.passed(), time.monotonic() - begun
    return {"rate": passed / took, "lost": paced.lost(), "worker": paced.percentiles(0),
            "arrival": paced.percentiles(1)}


def wrong(server):
    """How many answers had another rcode than they must, since the zone's first one."""
    return sum(n for row in server.ctl_json("stats")["threads"]
               for rcode, n in row["rcodes"].items() if rcode != "NOERROR")


def start(one, primary, names, plugins):
    """The daemon with its zone, answering the capture; and the file of its pace. DPDK takes
    no plug-in from below a folder that anybody may write to: it is copied to `plugins`."""
    plugin = shutil.copy(os.path.join(common.BUILD, "bench/paced.so"), plugins)
    capture = os.path.join(one.dir, "queries.pcap")
    pcaps.write(capture, ORIGIN, names, QUERIES)
    paced = Paced(os.path.join(one.dir, "paced"))
    os.environ["UNDERSTUDY_PACED"] = paced.path
    server = one.start(secondaries.Understudy(
        one.server_ns, one.dir, ORIGIN, ADDRESS, cpus={ports.WORKER_CPU, ports.OTHER_CPU},
        dpdk={"main-lcore": ports.OTHER_CPU, "lcores": [ports.WORKER_CPU], "hugepages": True,
              "memory": PACKET_MIB, "eal": ["-d", plugin]},
        ports=[{"device": f"net_pcap0,rx_pcap={capture},infinite_rx=1"}]))
    watcher = Watcher(one.clients, server.address)
    watcher.wait(f"{zones.label(names - 1)}.{ORIGIN}", primary.address(names - 1), LOAD_S)
    return server, watcher, paced


def rows(options):
    with tempfile.TemporaryDirectory(dir="/run") as plugins, \
            quiet_cpu(ports.WORKER_CPU), \
            common.a_stage(hugepages=HUGEPAGES + PACKET_MIB // 2) as one:
        primary = Primary(one.clients, ADDRESS, ORIGIN, options.names)
        server, watcher, paced = start(one, primary, options.names, plugins)
        before = wrong(server)
        most = phase(paced, 0, 5, lambda: None)["rate"]
        common.say(f"at most {most:,.0f} answers/s")
        churn = Churn(primary, server, watcher)
        turns = {name: ([], []) for name in LOADS}
        for _ in range(options.pairs):
            for name, load in LOADS.items():
                calm, stormy = turns[name]
                calm.append(phase(paced, load * most, options.seconds, lambda: None))
                stormy.append(phase(paced, load * most, options.seconds,
                                    lambda: churn.run(options.seconds)))
                common.say(f"{load:.0%}: " + "; ".join(
                    f"{what} {of['rate']:,.0f} answers/s, {of['lost']:,} lost, "
                    f"99.9 % within {of['worker'][99.9]:.3g} us"
                    for what, of in (("calm", calm[-1]), ("churn", stormy[-1]))))
        errors = wrong(server) - before
        if errors:
            raise SystemExit(f"bench/run churn: {errors} answers were not right")
        primary.close()
    result = {}
    for name, (calm, stormy) in turns.items():
        result.update(figures(name, calm, stormy))
    result["notify-to-answer"] = common.figure(churn.took_ms, "ms")
    result["late"] = common.figure([churn.late], "IXFRs")
    return result


def figures(name, calm, stormy):
    """The rows of one load, their names beginning with `name`."""
    def both(which, percent):
        return [p[which][percent] for p in calm], [p[which][percent] for p in stormy]
    found = {
        "lost": common.figure([sum(p["lost"] for p in stormy)], "answers"),
        "lost-calm": common.figure([sum(p["lost"] for p in calm)], "answers"),
        "lost-a-turn": common.figure([p["lost"] for p in stormy], "answers"),
        "lost-a-turn-calm": common.figure([p["lost"] for p in calm], "answers"),
        "rate-kept": common.ratio([p["rate"] for p in stormy], [p["rate"] for p in calm]),
        "p999-ratio": common.ratio(*both("worker", 99.9)[::-1]),
        "arrival-p999-ratio": common.ratio(*both("arrival", 99.9)[::-1]),
        "rate": common.figure([p["rate"] for p in stormy], "answers/s"),
    }
    for which in ("worker", "arrival"):
        for percent in (50, 99, 99.9, 99.99):
            quiet, loud = both(which, percent)
            found[f"{which}-p{percent}-calm"] = common.figure(quiet, "us")
            found[f"{which}-p{percent}"] = common.figure(loud, "us")
    return {name + row: figure for row, figure in found.items()}
