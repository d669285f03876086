# SPDX-License-Identifier: BSD-3-Clause
"""milliseconds from the start of the process to its first answer, from what it has stored

A zone of a million records (names with an A and an AAAA each), one of ten million, and 100,000
small zones are transferred and stored; then the daemon, without a port, is ended and started
again, as often as asked. It is asked for the last name, or in the last zone, from the first
moment on. Files are in the page cache, and hugepages for all of the zones are reserved.
"""
import time

import common
import watch
import zones
from memory_bench import ADDRESS, Flat
from primary import NS, Primary

DEFAULTS = {"names": 500_000}
ORIGIN = "example.com"
ZONES = 100_000
LOAD_S = 500
NAME_OCTETS, ZONE_OCTETS = 80, 500  # what each takes of the memory of snapshots, at most
HUGEPAGE_OCTETS = 2 << 20


class Many(Primary):
    """The same few records for whatever zone is asked for."""

    def answer(self, wire):
        end = wire.index(b"\0", 12) + 5
        qtype = wire[end - 4:end - 2]
        body = [self.soa(self.serial)] if qtype == b"\0\6" else list(self.whole())
        octets = b"".join(body)
        message = b"\0\0\x84\0\0\1" + len(body).to_bytes(2, "big") + b"\0\0\0\0" \
            + wire[12:end] + octets
        return [len(message).to_bytes(2, "big") + message]


def restart(one, server, owner, rdtype=1):
    """Milliseconds to the first answer of a server that starts."""
    server.write_config()
    begun = time.perf_counter()
    server.process = common.process.Process(server.argv(), server.ns, server.path("log"))
    took = watch.wait_answer(one.clients, "10.53.0.2", owner, LOAD_S, rdtype) - begun
    common.process.wait_for(server.ready, LOAD_S, "the control socket")
    return 1000 * took


def measure(one, server, owner, rdtype, options):
    """Once all is stored: the figures of its restarts."""
    watch.wait_answer(one.clients, "10.53.0.2", owner, LOAD_S, rdtype)
    common.process.wait_for(lambda: server.ctl_json("stats")["store"]["due"] == 0, LOAD_S,
                            "what is transferred is stored", 1)
    took = []
    for _ in range(options.pairs):
        server.stop()
        took.append(restart(one, server, owner, rdtype))
        common.say(f"{took[-1]:.1f} ms")
    return common.figure(took, "ms")


def a_stage(octets):
    return common.a_stage(hugepages=octets // HUGEPAGE_OCTETS + 16)


def one_zone(names, options):
    with a_stage(names * NAME_OCTETS) as one:
        primary = Flat(one.clients, ADDRESS, ORIGIN, names)
        server = one.secondary([ORIGIN], primaries=[ADDRESS])
        row = measure(one, server, f"{zones.label(names - 1)}.{ORIGIN}", 1, options)
        one.clear()
        primary.close()
        return row


def many_zones(options):
    with a_stage(ZONES * ZONE_OCTETS) as one:
        primary = Many(one.clients, ADDRESS, ORIGIN, 2)
        names = [f"z{i:06}.example" for i in range(ZONES)]
        server = one.secondary(names, primaries=[ADDRESS])
        common.process.wait_for(
            lambda: server.ctl_json("status")["zones"]["served"] == ZONES, LOAD_S, "all zones", 1)
        row = measure(one, server, names[-1], NS, options)
        one.clear()
        primary.close()
        return row


def rows(options):
    result = {"1M": one_zone(options.names, options)}
    result["10M"] = one_zone(10 * options.names, options)
    result["100k-zones"] = many_zones(options)
    return result
