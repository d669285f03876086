# SPDX-License-Identifier: BSD-3-Clause
"""milliseconds from NOTIFY to the new answer by IXFR, beside BIND, Knot and NSD

One primary of our own (primary.py) moves to its next serial and has the differences rendered;
then each secondary in turn is sent a NOTIFY and asked for a record that has changed, again
and again, until it gives the new one. All of them store what they serve; none has a port.
"""
import socket
import statistics
import struct
import time

import common
import secondaries
import zones
from primary import A, Primary, name

DEFAULTS = {"pairs": 15}
ORIGIN = "example.com"
ADDRESS = "10.53.0.5"
CHANGES = (1, 1000)
SIZES = {"1k": 1000, "1M": 1_000_000, "10M": 10_000_000}
LARGEST_FOR_PEERS = 1_000_000
LOAD_S = 240
SETTLED_PER_S = 400_000  # names: so long all of them have to store the zone for the first time


class Watcher:
    """Asks one secondary for an A record over UDP."""

    def __init__(self, ns, address):
        with ns:
            self.sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.sock.connect((address, 53))
        self.sock.settimeout(1)

    def ask(self, owner):
        query = struct.pack("!HHHHHH", 1, 0, 1, 0, 0, 0) + name(owner) + struct.pack("!HH", A, 1)
        try:
            self.sock.send(query)
            reply = self.sock.recv(4096)
        except OSError:
            return None
        at = len(query)
        return reply[at + 12:at + 16] if struct.unpack("!H", reply[6:8])[0] else None

    def wait(self, owner, address, seconds, begun=None):
        """Seconds, since `begun` or now, until the answer is `address`."""
        begun = begun or time.perf_counter()
        while self.ask(owner) != address:
            if time.perf_counter() > begun + seconds:
                raise SystemExit(f"bench/run ixfr: {owner} not within {seconds} s")
        return time.perf_counter() - begun


def measure(one, size, servers, options):
    """{(server, changes): [milliseconds]} in a zone of so many names."""
    primary = Primary(one.clients, ADDRESS, ORIGIN, size)
    running, took = {}, {}
    for kind in servers:
        begun = time.monotonic()
        server = one.start(secondaries.ALL[kind](one.server_ns, one.dir, ORIGIN, ADDRESS))
        running[kind] = server, Watcher(one.clients, server.address)
        running[kind][1].wait(f"{zones.label(size - 1)}.{ORIGIN}", primary.address(size - 1),
                              LOAD_S)
        common.say(f"{kind}: {size} names after {time.monotonic() - begun:.1f} s")
    time.sleep(2 + size / SETTLED_PER_S)
    for changes in CHANGES:
        for number in range(options.pairs + 2):
            index, address = primary.change(changes)
            for kind in list(running)[::-1] if number % 2 else running:
                server, watcher = running[kind]
                begun = time.perf_counter()
                primary.notify(server.address)
                ms = 1000 * watcher.wait(f"{zones.label(index)}.{ORIGIN}", address, 60, begun)
                if number >= 2:  # the first ones find the way
                    took.setdefault((kind, changes), []).append(ms)
            time.sleep(0.05)
        common.say(f"{size} names, {changes} changed: " + ", ".join(
            f"{kind} {statistics.median(took[kind, changes]):.2f} ms" for kind in running))
    one.clear()
    primary.close()
    return took


def rows(options):
    result, took = {}, {}
    for label, size in SIZES.items():
        servers = list(secondaries.ALL) if size <= LARGEST_FOR_PEERS else ["understudy"]
        with common.a_stage() as one:
            for (kind, changes), values in measure(one, size, servers, options).items():
                took[kind, label, changes] = values
                result[f"{kind}-{label}-{changes}"] = common.figure(values, "ms")
    return {**ratios(took), **result}


def ratios(took):
    """Medians against medians: rounds of one zone are no pairs of another's."""
    def median(*key):
        return statistics.median(took[key])

    def ratio(values, to):
        return common.figure([value / to for value in values], "1")

    found = {}
    for changes in CHANGES:
        suffix = "" if changes == CHANGES[0] else f"-{changes}"
        best = min(median(peer, "1M", changes) for peer in secondaries.PEERS)
        ours = [took["understudy", size, changes] for size in ("1k", "1M", "10M")]
        found["ratio-best-peer-1M" + suffix] = ratio(ours[1], best)
        found["ratio-1M-1k" + suffix] = ratio(ours[1], statistics.median(ours[0]))
        found["ratio-10M-1k" + suffix] = ratio(ours[2], statistics.median(ours[0]))
    return found
