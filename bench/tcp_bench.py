# SPDX-License-Identifier: BSD-3-Clause
"""answers a second over TCP, beside Knot and NSD

All serve the same zone, none has a port, and they take turns. Two loads: dnsperf -m tcp, and
tcp_load with long-lived connections that each have many queries under way and every answer
checked. Rows without a word behind them are dnsperf's.
"""
import os
import re
import subprocess

import common
import secondaries
from harness import load
from ixfr_bench import LOAD_S, ORIGIN, Watcher
from primary import ADDRESS, Primary
import zones

DEFAULTS = {"names": 100_000}
SERVERS = ("understudy", "knot", "nsd")
QUERIES = 100_000
DNSPERF = ("-m", "tcp", "-c", 20, "-q", 200)
CONNECTIONS, WINDOW = 20, 64


def dnsperf(one, address, queries, seconds):
    result = load.dnsperf(one.clients, address, queries, os.path.join(one.dir, "dnsperf"),
                          int(seconds), more=DNSPERF)
    if result.lost or set(result.rcodes) != {"NOERROR"}:
        raise SystemExit(f"bench/run tcp: {address} has not answered all well: {result}")
    return result.rate


def pipelined(one, address, names, seconds):
    done = subprocess.run(
        ["ip", "netns", "exec", one.clients.name, os.path.join(common.BUILD, "bench/tcp_load"),
         address, ORIGIN, str(names), str(CONNECTIONS), str(WINDOW), str(seconds)],
        capture_output=True, text=True, check=False, timeout=seconds + 30)
    found = re.match(r"(\d+) replies/s", done.stdout)
    if done.returncode or not found:
        raise SystemExit(f"bench/run tcp: {address}: {done.stdout}{done.stderr}")
    return float(found[1])


def rows(options):
    names = options.names
    with common.a_stage() as one:
        primary = Primary(one.clients, ADDRESS, ORIGIN, names)
        queries = load.query_file(os.path.join(one.dir, "queries"),
                                  ((name, "A") for name in zones.queries(ORIGIN, names, QUERIES)))
        running = {}
        for kind in SERVERS:
            running[kind] = one.start(
                secondaries.ALL[kind](one.server_ns, one.dir, ORIGIN, ADDRESS))
            Watcher(one.clients, running[kind].address).wait(
                f"{zones.label(names - 1)}.{ORIGIN}", primary.address(names - 1), LOAD_S)
        primary.close()

        def turns(measure, what):
            return {kind: lambda a=server.address: measure(one, a, what, options.seconds)
                    for kind, server in running.items()}
        return {**common.compare(turns(dnsperf, queries), "answers/s", options),
                **common.compare(turns(pipelined, names), "answers/s", options, "-pipelined")}
