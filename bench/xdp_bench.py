# SPDX-License-Identifier: BSD-3-Clause
"""answers/s on af_xdp over veth, beside Knot's XDP mode and testpmd's 5tswap

Each contestant has a veth pair and two namespaces of its own and one CPU; kxdpgun asks from
the other CPU, for names drawn uniformly from a big zone. Whoever has no turn is stopped.
`understudy`, `knot`, `5tswap`: replies a second while kxdpgun sends as fast as it can.
`NAME-9999`: the highest rate of queries of which 99.99 % are answered; its range is the
highest rate that passed and the lowest that did not.
"""
import contextlib
import os
import signal

import zones
from checks import check_answers
from common import a_stage, compare, net, ports, process, ratio, say
from harness import load
from harness.peers import KEY, Bind, Knot

ORIGIN = "example.com"
QUERIES = 200_000
FULL = 2_000_000  # a second: more than kxdpgun can send
SLOWEST = 10_000
STEP = 1.1        # the search ends where the bracket is so narrow
ANSWERED = 0.9999
TESTPMD_PAGES = 150
DEFAULTS = {"seconds": 3.0}


class XdpKnot(Knot):
    """Knot at the server's end of a wire, with its XDP mode on."""

    address = net.SERVER

    def write_config(self):
        super().write_config()
        with open(self.path("knot.conf"), "a", encoding="ascii") as file:
            file.write('xdp:\n    listen: "eth0@53"\n')


class Contestant:
    """Somebody who answers on the server's end of a wire, and has turns."""

    def __init__(self, stage, wire, queries, one):
        self.stage = stage
        self.wire = wire
        self.queries = queries
        self.process = one
        self.mac = wire.server.mac("eth0")
        wire.clients.ip("neigh", "replace", net.SERVER, "dev", "eth0", "lladdr", self.mac, "nud",
                        "permanent")
        self.process.signal(signal.SIGSTOP)

    def load(self, rate, seconds, must_answer=True):
        """What kxdpgun counts; every reply must be NOERROR."""
        self.process.signal(signal.SIGCONT)
        try:
            result = load.kxdpgun(self.wire.clients, net.SERVER, self.queries,
                                  os.path.join(self.stage.dir, "kxdpgun"), seconds, rate,
                                  ports.OTHER_CPU, self.mac)
        finally:
            self.process.signal(signal.SIGSTOP)
        if must_answer and (set(result.rcodes) - {"NOERROR"} or not result.completed):
            raise SystemExit(f"bench/run: not all queries were answered well: {result}")
        return result

    def full_rate(self, seconds):
        return self.load(FULL, seconds).rate

    def highest(self, seconds, full):
        """A row: the highest rate of which enough is answered, by halving between the slowest
        and a little more than what came back at full load."""
        passed, failed = 0, full * 1.2
        low = SLOWEST
        best = 0
        while failed > max(passed, low) * STEP:
            middle = int((max(passed, low) + failed) / 2)
            result = self.load(middle, seconds)
            if result.completed >= ANSWERED * result.sent and \
                    result.sent >= 0.95 * middle * seconds:
                passed, best = middle, result.sent / seconds
            else:
                failed = middle
        return {"value": best, "unit": "queries/s", "min": best, "max": failed}


@contextlib.contextmanager
def contestants(names):
    with a_stage("af_xdp", hugepages=TESTPMD_PAGES) as stage, contextlib.ExitStack() as stack:
        wires = [stage.wire, net.Wire(), net.Wire()]
        for wire in wires[1:]:
            stack.callback(wire.close)
        zone = os.path.join(stage.dir, "zone")
        with open(zone, "w", encoding="ascii") as file:
            zones.write_zone(file, ORIGIN, names)
        queries = load.query_file(os.path.join(stage.dir, "queries"), [
            (name, "A") for name in zones.queries(ORIGIN, names, QUERIES)])

        primary = stage.peer(Bind, {ORIGIN: zone}, key=KEY)
        server = stage.secondary([ORIGIN], {ORIGIN: 1}, timeout=100, key=KEY)
        primary.stop()
        check_answers(server.client(stage.clients), ORIGIN, names)
        knot = XdpKnot(wires[1].server, stage.dir, {ORIGIN: zone}, notify=(),
                       cpus={ports.WORKER_CPU})
        stack.callback(knot.stop)
        knot.start()
        testpmd = process.Process(
            ["dpdk-testpmd", "-l", f"{ports.OTHER_CPU},{ports.WORKER_CPU}", "--in-memory",
             "-m", 2 * TESTPMD_PAGES, "--no-pci", "--vdev", "net_af_xdp0,iface=eth0",
             "--log-level", "error", "--", "--forward-mode=5tswap", "--auto-start",
             "--stats-period=60", "--total-num-mbufs=16384"], wires[2].server,
            os.path.join(stage.dir, "testpmd"))
        stack.callback(testpmd.stop)
        process.wait_for(lambda: "5tswap packet forwarding" in testpmd.log_text(), 30,
                         testpmd.log_text)
        yield {name: stack.enter_context(turns(Contestant(stage, wire, queries, one)))
               for name, wire, one in (("understudy", wires[0], server.process),
                                       ("knot", wires[1], knot.process),
                                       ("5tswap", wires[2], testpmd))}


@contextlib.contextmanager
def turns(contestant):
    try:
        yield contestant
    finally:
        contestant.process.signal(signal.SIGCONT)


def rows(options):
    with contestants(options.names) as all_of_them:
        figures = compare({name: lambda one=one: one.full_rate(options.seconds)
                           for name, one in all_of_them.items()}, "replies/s", options)
        for name, one in all_of_them.items():
            row = one.highest(options.seconds, figures[name]["max"])
            figures[f"{name}-9999"] = row
            say(f"{name}: 99.99 % answered up to {row['value']:,.0f} queries/s")
    ours = figures["understudy-9999"]["value"]
    for name in ("knot", "5tswap"):
        figures[f"ratio-{name}-9999"] = ratio([ours], [figures[f"{name}-9999"]["value"]])
    return figures
