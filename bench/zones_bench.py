# SPDX-License-Identifier: BSD-3-Clause
"""seconds until many small zones are served, beside Knot and NSD; memory, restart

Zones of five records come from one Knot primary by transfers with TSIG. Understudy, Knot and
NSD take turns as secondary; each begins with nothing, and its seconds end when the last zone
answers. Understudy stores what it has, Knot keeps no journal and no zone files. What our
process holds beyond one without zones, shared by the zones, is bytes-per-zone; after a restart
it is bytes-per-zone-again. restart-seconds are from the start of the process to the answer for
the last of all zones.
"""
import os
import re
import shutil
import socket
import struct
import time

from common import a_stage, figure, net, process, ratio, say, server
from harness import load, peers, zones

DEFAULTS = {"pairs": 1, "names": 50_000}
TIMEOUT_S = 240
WINDOW = 64
STEADY_S = 3

def query_of(zone):
    """A query for its SOA record, without the id."""
    labels = b"".join(bytes([len(part)]) + part.encode() for part in zone.split("."))
    return b"\0\0\0\1\0\0\0\0\0\0" + labels + b"\0\0\6\0\1"


def is_served(reply):
    """An answer with a record and without an error."""
    return reply[3] & 15 == 0 and reply[6:8] != b"\0\0"


def ask_window(sock, chosen, queries):
    """Asks for these zones at once; returns those that are not served."""
    left = {i & 0xffff: i for i in chosen}
    not_served = []
    try:
        for number, i in left.items():
            sock.send(struct.pack("!H", number) + queries[i])
        while left:
            reply = sock.recv(65535)
            i = left.pop(struct.unpack("!H", reply[:2])[0], None)
            if i is not None and not is_served(reply):
                not_served.append(i)
    except (TimeoutError, ConnectionRefusedError):
        not_served += left.values()
    return not_served


def wait_all_served(clients, names, since):
    """Seconds since `since` until the last zone answers; each is asked until it does."""
    queries = [query_of(name) for name in names]
    waiting = list(range(len(names)))
    with clients:
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with sock:
        sock.settimeout(0.2)
        sock.connect((net.SERVER, 53))
        while waiting:
            now, waiting = waiting[:WINDOW], waiting[WINDOW:]
            again = ask_window(sock, now, queries)
            waiting += again
            if len(again) > WINDOW // 2:
                time.sleep(0.02)
            if time.monotonic() - since > TIMEOUT_S:
                raise SystemExit(f"bench/run zones: {len(waiting)} zones are not served")
    return time.monotonic() - since


def memory_octets(pid):
    """What the process holds of memory: its own pages, huge ones among them."""
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        fields = dict(re.findall(r"^(\w+):\s+(\d+) kB", file.read(), re.MULTILINE))
    return 1024 * sum(int(fields.get(name, 0)) for name in ("VmRSS", "HugetlbPages"))


def steady_octets(pid):
    """The same, once it goes down no more: what was there for a moment takes some seconds."""
    now, before = memory_octets(pid), None
    while before is None or now < before:
        time.sleep(STEADY_S)
        now, before = memory_octets(pid), now
    return now


class NsdSecondary(server.Secondary):
    """NSD in Understudy's place."""

    def write_config(self):
        name, algorithm, secret = self.key
        config = f"""
server:
    server-count: 1
    ip-address: {net.SERVER}
{peers.nsd_files(self.dir)}
    rrl-ratelimit: 0
remote-control:
    control-enable: no
key:
    name: "{name}"
    algorithm: {algorithm}
    secret: "{secret}"
pattern:
    name: "many"
    request-xfr: {self.primaries[0]} {name}
    allow-notify: {self.primaries[0]} {name}
"""
        config += "".join(f'zone:\n    name: "{zone}"\n    include-pattern: "many"\n'
                          for zone in self.zones)
        zones.write(self.path("nsd.conf"), config)

    def argv(self):
        return ["/usr/sbin/nsd", "-d", "-c", self.path("nsd.conf")]


def begin(kind, stage, names):
    """A secondary of this kind that has nothing yet, started; and when it was."""
    shutil.rmtree(os.path.join(stage.dir, "server"), ignore_errors=True)
    one = kind(stage.server_ns, stage.dir, names, primaries=(net.KNOT,), key=peers.KEY)
    one.write_config()
    since = time.monotonic()
    stage.started.append(one)
    one.process = process.Process(one.argv(), stage.server_ns, one.path("log"),
                                  env=one.environment())
    return one, since


def end(stage, one):
    stage.started.remove(one)
    one.stop()


def seconds(kind, stage, names):
    one, since = begin(kind, stage, names)
    took = wait_all_served(stage.clients, names, since)
    end(stage, one)
    return took


def empty_octets(stage):
    """What our daemon holds without any zone."""
    one, _ = begin(server.Understudy, stage, [])
    process.wait_for(one.ready, 20, "the daemon without zones")
    octets = steady_octets(one.process.pid)
    end(stage, one)
    return octets


def restart(stage, one, names):
    """Seconds from the start of the process to the last answer, all zones being stored."""
    process.wait_for(lambda: one.ctl_json("status")["store"]["due"] == 0, 60, "all stored")
    one.process.stop(60)
    queries = load.query_file(os.path.join(stage.dir, "queries"), [(n, "SOA") for n in names])
    since = time.monotonic()
    one.process = process.Process(one.argv(), stage.server_ns, one.path("log"))
    wait_all_served(stage.clients, names[:1], since)
    result = load.dnsperf(stage.clients, net.SERVER, queries, os.path.join(stage.dir, "dnsperf"),
                          60, more=("-n", 1, "-q", 100))
    took = time.monotonic() - since
    if result.rcodes != {"NOERROR": len(names)}:
        raise SystemExit(f"bench/run zones: after the restart: {result.rcodes}")
    return took


def ours(stage, names):
    """Seconds and octets; the same of a restart."""
    one, since = begin(server.Understudy, stage, names)
    took = wait_all_served(stage.clients, names, since)
    process.wait_for(lambda: one.ctl_json("status")["store"]["due"] == 0, 60, "all stored")
    octets = steady_octets(one.process.pid)
    again_s = restart(stage, one, names)
    again_octets = steady_octets(one.process.pid)
    end(stage, one)
    return took, octets, again_s, again_octets


def rows(options):
    names = zones.many_origins(options.names)
    measured = {name: [] for name in ("us", "knot", "nsd", "octets", "restart", "again")}
    with a_stage() as stage:
        five = zones.write(os.path.join(stage.dir, "five"), zones.FIVE)
        stage.started.append(peers.Knot(stage.clients, stage.dir, {n: five for n in names},
                                        key=peers.KEY, notify=()).start(timeout=120))
        base = empty_octets(stage)
        for _ in range(options.pairs):
            took, octets, again_s, again_octets = ours(stage, names)
            measured["us"].append(took)
            measured["octets"].append((octets - base) / len(names))
            measured["restart"].append(again_s)
            measured["again"].append((again_octets - base) / len(names))
            say(f"understudy {took:.2f} s, {octets:,} octets ({base:,} without zones), "
                f"restart {again_s:.2f} s, {again_octets:,} octets")
            for name, kind in (("knot", server.KnotSecondary), ("nsd", NsdSecondary)):
                measured[name].append(seconds(kind, stage, names))
                say(f"{name} {measured[name][-1]:.2f} s")
    return {
        "seconds": figure(measured["us"], "s"),
        "knot": figure(measured["knot"], "s"),
        "nsd": figure(measured["nsd"], "s"),
        "ratio-knot": ratio(measured["us"], measured["knot"]),
        "ratio-nsd": ratio(measured["us"], measured["nsd"]),
        "bytes-per-zone": figure(measured["octets"], "octets"),
        "bytes-per-zone-again": figure(measured["again"], "octets"),
        "restart-seconds": figure(measured["restart"], "s"),
    }
