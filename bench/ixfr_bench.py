# SPDX-License-Identifier: BSD-3-Clause
"""milliseconds from NOTIFY to the new answer by IXFR, beside BIND, Knot and NSD

A primary of our own (primary.py) for each size of zone moves to its next serial and has the
differences rendered; then each secondary in turn is sent a NOTIFY and asked for a record that
has changed, again and again, until it gives the new one. All of them store what they serve;
none has a port. Ours of all sizes stand side by side; then, for each size that they can hold,
the peers and ours. Who stands together takes turns, in another order each round and after a
pause each: what one leaves behind in the caches, or does afterwards, meets all alike.
"""
import os
import random
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
CHANGES = (1, 1000)
SIZES = {"1k": 1000, "1M": 1_000_000, "10M": 10_000_000}
LARGEST_FOR_PEERS = 1_000_000
LOAD_S = 240
SETTLED_PER_S = 400_000  # names: so long all of them have to store the zone for the first time
PAUSE_S = 0.05  # before each turn


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


class Contestant:
    """The secondary `kind` of the `number`th zone, which has the zone once this is made."""

    def __init__(self, one, kind, number, primary):
        begun = time.monotonic()
        address = f"10.53.0.{20 * (number + 1) + list(secondaries.ALL).index(kind)}"
        one.wire.add_address(one.server_ns, address)
        more = {"listen": [{"address": address}]} if kind == "understudy" else {}
        server = secondaries.ALL[kind](one.server_ns, os.path.join(one.dir, str(number)), ORIGIN,
                                       primary.host_address, **more)
        server.address = address
        one.start(server)
        self.address, self.primary = address, primary
        self.watcher = Watcher(one.clients, address)
        last = primary.names - 1
        self.watcher.wait(f"{zones.label(last)}.{ORIGIN}", primary.address(last), LOAD_S)
        common.say(f"{kind}: {primary.names} names after {time.monotonic() - begun:.1f} s")

    def turn(self, index, address):
        """Milliseconds until the change is seen."""
        time.sleep(PAUSE_S)
        begun = time.perf_counter()
        self.primary.notify(self.address)
        return 1000 * self.watcher.wait(f"{zones.label(index)}.{ORIGIN}", address, 60, begun)


def measure(cast, options):
    """Lets those take turns that `cast` ({size: servers}) names, as {(server, size, changes):
    [milliseconds]}."""
    with common.a_stage() as one:
        primaries, running = {}, {}
        for number, (label, kinds) in enumerate(cast.items()):
            address = f"10.53.0.{101 + number}"
            one.wire.add_address(one.clients, address)
            primaries[label] = Primary(one.clients, address, ORIGIN, SIZES[label])
            for kind in kinds:
                running[kind, label] = Contestant(one, kind, number, primaries[label])
        time.sleep(2 + max(SIZES[label] for label in cast) / SETTLED_PER_S)
        took = take_turns(primaries, running, options)
        one.clear()
        for primary in primaries.values():
            primary.close()
    return took


def take_turns(primaries, running, options):
    took = {(*each, changes): [] for each in running for changes in CHANGES}
    for changes in CHANGES:
        for number in range(options.pairs + 2):
            moved = {label: primary.change(changes) for label, primary in primaries.items()}
            for kind, label in random.Random(number).sample(list(running), len(running)):
                ms = running[kind, label].turn(*moved[label])
                if number >= 2:  # the first ones find the way
                    took[kind, label, changes].append(ms)
        for label in primaries:
            common.say(f"{label} names, {changes} changed: " + ", ".join(
                f"{kind} {statistics.median(took[kind, of, changes]):.2f} ms"
                for kind, of in running if of == label))
    return took


def rows(options):
    ours = measure({label: ["understudy"] for label in SIZES}, options)
    beside = {}
    for label, size in SIZES.items():
        if size <= LARGEST_FOR_PEERS:
            beside.update(measure({label: secondaries.ALL}, options))
    result = ratios(ours, beside)
    for (kind, label, changes), values in {**beside, **ours}.items():
        result[f"{kind}-{label}-{changes}"] = common.figure(values, "ms")
    return result


def ratios(ours, beside):
    """Medians against medians: a disturbed round of one is no other's."""
    def ratio(values, to):
        return common.figure([value / statistics.median(to) for value in values], "1")

    found = {}
    for changes in CHANGES:
        suffix = "" if changes == CHANGES[0] else f"-{changes}"
        best = min((beside[peer, "1M", changes] for peer in secondaries.PEERS),
                   key=statistics.median)
        small, large, huge = (ours["understudy", size, changes] for size in ("1k", "1M", "10M"))
        found["ratio-best-peer-1M" + suffix] = ratio(beside["understudy", "1M", changes], best)
        found["ratio-1M-1k" + suffix] = ratio(large, small)
        found["ratio-10M-1k" + suffix] = ratio(huge, small)
    return found
