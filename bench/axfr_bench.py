# SPDX-License-Identifier: BSD-3-Clause
"""seconds from a secondary's first query to its first answer, by AXFR with TSIG

The primary is Knot. Ours, BIND, Knot and NSD begin with nothing, transfer the zone and answer;
they take turns with a receiver that only reads the same stream. Names of the zone have an A
and an AAAA record; all store what they serve, and have no port.
"""
import os
import shutil
import subprocess
import time

import dns.message
import dns.tsigkeyring

import common
import secondaries
import watch
import zones
from common import net

DEFAULTS = {"names": 500_000}
ORIGIN = "example.com"
KEY = ("transfer.example.", "hmac-sha256", "c2VjcmV0IG9mIHRoZSBiZW5jaG1hcmtzIC4uLi4uLi4=")
LOAD_S = 240
FURTHER_ROUNDS = 3  # of ours and the null receiver, for the zone ten times as large


def zone_file(folder, names):
    """A file of the zone, and the number of its records."""
    path = os.path.join(folder, "zone.txt")
    with open(path, "w", encoding="ascii") as file:
        zones.write_flat(file, ORIGIN, names)
    with open(path, encoding="ascii") as file:
        return path, sum(1 for line in file if not line.startswith("$"))


def signed_query():
    query = dns.message.make_query(ORIGIN, "AXFR")
    query.flags = 0
    query.use_tsig(dns.tsigkeyring.from_text({KEY[0]: KEY[2]}), KEY[0], algorithm=KEY[1])
    wire = query.to_wire()
    return len(wire).to_bytes(2, "big") + wire


def null_receiver(one, primary, records):
    program = os.path.join(common.BUILD, "bench/null_receiver")
    # The SOA record stands at the end once more.
    done = subprocess.run(["ip", "netns", "exec", one.server_ns.name, program, primary.address,
                           str(records + 1)], input=signed_query(), capture_output=True,
                          check=True, timeout=LOAD_S)
    return float(done.stdout)


def secondary(one, kind, primary, last):
    """Seconds from the first query to the first answer; the last record must be there."""
    server = secondaries.ALL[kind](one.server_ns, one.dir, ORIGIN, primary.address, key=KEY)
    shutil.rmtree(server.dir)
    os.makedirs(server.dir)
    first = watch.FirstPacket(
        one.server_ns, f"dst host {primary.address} and dst port 53 and "
        "(udp or tcp[tcpflags] & tcp-syn != 0)")
    server.start()
    try:
        begun = first.wait(LOAD_S)
        return watch.wait_answer(one.clients, server.address, f"{last}.{ORIGIN}", LOAD_S) - begun
    finally:
        server.stop()
        time.sleep(0.5)


def measure(names, kinds, options, suffix):
    with common.a_stage() as one:
        path, records = zone_file(one.dir, names)
        primary = one.peer(common.peers.Knot, {ORIGIN: path}, key=KEY, notify=())
        watch.wait_answer(one.clients, primary.address, f"ns1.{ORIGIN}", LOAD_S)
        os.remove(path)
        common.say(f"{names} names, {records} records; the primary serves them")
        last = zones.label(names - 1)
        contestants = {kind: lambda k=kind: secondary(one, k, primary, last) for kind in kinds}
        contestants["null"] = lambda: null_receiver(one, primary, records)
        return common.compare(contestants, "s", options, suffix)


def rows(options):
    net.sweep()
    result = measure(options.names, list(secondaries.ALL), options, "-1M")
    options.pairs = min(options.pairs, FURTHER_ROUNDS)
    result.update(measure(options.names * 10, ["understudy"], options, "-10M"))
    one, ten = (result[f"understudy-{size}"] for size in ("1M", "10M"))
    result["ratio-10M-1M"] = common.figure(
        [ten[key] / one["value"] for key in ("min", "value", "max")], "1")
    return result
