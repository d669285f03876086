# SPDX-License-Identifier: BSD-3-Clause
"""answers/s of the daemon on a replayed capture, beside testpmd's 5tswap

A capture of 200,000 queries, drawn uniformly from the names of a big zone, is replayed
from memory without end on one worker core; what is sent is dropped. The zone comes over
from BIND by a signed transfer. Daemon and testpmd take turns: whoever has no turn is
stopped. testpmd's 5tswap, which only swaps addresses and ports, is what the replay itself
can carry.
"""
import contextlib
import json
import os
import re
import shutil
import signal
import statistics
import subprocess
import tempfile
import time

import pcaps
import zones
from common import BUILD, compare

ORIGIN = "example.com"
QUERIES = 200000
KEY = ("transfer.example", "dHJhbnNmZXIgb2YgdGhlIGJlbmNobWFyayB6b25lLg==")
HUGEPAGES = 768  # of 2 MiB: the capture's packet buffers, and the zone
DPDK_MIB = 700
NETNS = f"us-bench-{os.getpid()}"

NAMED_CONF = """
key "{key}" {{ algorithm hmac-sha256; secret "{secret}"; }};
options {{
	directory "{dir}"; pid-file none; session-keyfile none;
	listen-on {{ 10.53.0.1; }}; listen-on-v6 {{ none; }};
	recursion no; dnssec-validation no; notify no;
}};
controls {{ }};
zone "{origin}" {{ type primary; file "zone"; allow-transfer {{ key "{key}"; }}; }};
"""
UNDERSTUDY_CONF = """
listen:
  - address: 10.53.0.2
control:
  socket: {dir}/sock
database:
  enabled: false
dpdk:
  main-lcore: 0
  lcores: [1]
  hugepages: {hugepages}
  memory: {memory}
ports:
  - device: "net_pcap0,rx_pcap={dir}/queries.pcap,infinite_rx=1"
keys:
  - name: {key}
    algorithm: hmac-sha256
    secret: {secret}
primaries:
  - id: bind
    address: 10.53.0.1
    key: {key}
zones:
  - name: {origin}
    primaries: [bind]
"""


def start(argv, log, **options):
    with open(log, "wb") as out:
        return subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=out, stderr=out, **options)


def wait_for(condition, seconds, what):
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise SystemExit(f"bench/run port: not within {seconds} s: {what}")
        time.sleep(0.2)


def end(process):
    if process.poll() is None:
        process.send_signal(signal.SIGCONT)
        process.terminate()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@contextlib.contextmanager
def hugepages():
    """Reserves what both need; yields whether that could be had."""
    def add(count):  # to what others may have reserved
        with open("/proc/sys/vm/nr_hugepages", "r+", encoding="ascii") as file:
            before = int(file.read())
            file.seek(0)
            file.write(str(before + count))
        with open("/proc/meminfo", encoding="ascii") as file:
            return int(re.search(r"HugePages_Free:\s*(\d+)", file.read())[1])
    try:
        yield add(HUGEPAGES) >= HUGEPAGES
    finally:
        add(-HUGEPAGES)


@contextlib.contextmanager
def namespace():
    subprocess.run(["ip", "netns", "add", NETNS], check=True)
    try:
        subprocess.run(["ip", "-n", NETNS, "link", "set", "lo", "up"], check=True)
        for address in (pcaps.SOURCE, pcaps.TARGET):
            subprocess.run(["ip", "-n", NETNS, "address", "add", address + "/32", "dev", "lo"],
                           check=True)
        yield ["ip", "netns", "exec", NETNS]
    finally:
        subprocess.run(["ip", "netns", "del", NETNS], check=False)


class Daemon:
    """understudyd with the zone transferred, answering the replay."""

    def __init__(self, build, folder, inside, big):
        self.socket = os.path.join(folder, "sock")
        self.ctl = os.path.join(build, "ctrl/cli/understudyctl")
        self.log = os.path.join(folder, "understudyd.log")
        config = os.path.join(folder, "understudy.yaml")
        with open(config, "w", encoding="ascii") as file:
            file.write(UNDERSTUDY_CONF.format(
                dir=folder, origin=ORIGIN, key=KEY[0], secret=KEY[1], memory=DPDK_MIB,
                hugepages=str(big).lower()))
        self.process = start([*inside, os.path.join(build, "ctrl/understudyd"), "-c", config],
                             self.log)

    def ask(self, *command):
        done = subprocess.run([self.ctl, "-s", self.socket, "--json", *command],
                              capture_output=True, text=True, check=False, timeout=30)
        return json.loads(done.stdout)["result"] if done.returncode == 0 else None

    def answers(self):
        """What the workers have counted so far."""
        workers = [row for row in self.ask("stats")["threads"] if row["name"] != "kernel"]
        return {
            "answers": sum(row["answers"] for row in workers),
            # Counters are read one after the other while the worker counts on, so
            # what must not be is counted, not compared with what must.
            "errors": sum(
                n for row in workers for rcode, n in row["rcodes"].items() if rcode != "NOERROR"
            ),
            "dropped": sum(sum(row["drops"].values()) for row in workers),
        }

    def serves(self):
        if self.process.poll() is not None:
            with open(self.log, encoding="utf-8", errors="replace") as file:
                raise SystemExit("bench/run port: understudyd ended:\n" + file.read()[-3000:])
        status = self.ask("zone", "status", ORIGIN)
        return status is not None and status["state"] == "served"

    def rate(self, seconds):
        """Answers a second, while it has its turn; all of them must be right."""
        self.process.send_signal(signal.SIGCONT)
        time.sleep(0.5)
        first, at = self.answers(), time.monotonic()
        time.sleep(seconds)
        last, took = self.answers(), time.monotonic() - at
        self.process.send_signal(signal.SIGSTOP)
        delta = {key: last[key] - first[key] for key in last}
        if delta["errors"] or delta["dropped"]:
            raise SystemExit(f"bench/run port: not all queries were answered well: {delta}")
        return delta["answers"] / took


def testpmd_rate(folder, seconds, big):
    """Packets a second that testpmd's 5tswap carries: the median of its own readings."""
    log = os.path.join(folder, "testpmd.log")
    memory = [] if big else ["--no-huge", "-m", str(DPDK_MIB)]
    process = start(
        ["dpdk-testpmd", "-l", "0,1", "--in-memory", "--no-pci", "--no-telemetry", *memory,
         "--vdev", f"net_pcap0,rx_pcap={folder}/queries.pcap,infinite_rx=1", "--",
         "--forward-mode=5tswap", f"--total-num-mbufs={QUERIES + 10000}", "--stats-period=1",
         "--no-lsc-interrupt"], log)

    def readings():
        with open(log, encoding="utf-8", errors="replace") as file:
            # The first is of no time at all, the second of the start.
            return [int(n) for n in re.findall(r"Rx-pps:\s+(\d+)", file.read())][2:]
    try:
        wait_for(lambda: len(readings()) >= max(2, round(seconds)) or process.poll() is not None,
                 seconds + 30, "testpmd's figures")
        if process.poll() is not None:
            with open(log, encoding="utf-8", errors="replace") as file:
                raise SystemExit("bench/run port: testpmd ended:\n" + file.read()[-2000:])
    finally:
        end(process)
    return statistics.median(readings())


def transfer(daemon, folder, inside):
    """Lets the zone come over from BIND, which is ended after that."""
    named = os.path.join(folder, "named")  # AppArmor would keep the installed one out of here
    shutil.copy(shutil.which("named") or "/usr/sbin/named", named)
    with open(os.path.join(folder, "named.conf"), "w", encoding="ascii") as file:
        file.write(NAMED_CONF.format(dir=folder, origin=ORIGIN, key=KEY[0], secret=KEY[1]))
    primary = start([*inside, named, "-g", "-n", "1", "-c", os.path.join(folder, "named.conf")],
                    os.path.join(folder, "named.log"))
    try:
        wait_for(daemon.serves, 180, f"{ORIGIN} served; see {folder}")
    finally:
        end(primary)


def rows(options):
    if os.geteuid() != 0:
        raise SystemExit("bench/run port: it makes a network namespace, so it must be run as root")
    if os.cpu_count() < 2:
        raise SystemExit("bench/run port: it needs two CPUs, one of them for the worker")
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        big = stack.enter_context(hugepages())
        inside = stack.enter_context(namespace())
        print(f"hugepages: {'yes' if big else 'none to be had, --no-huge'}", flush=True)
        with open(os.path.join(folder, "zone"), "w", encoding="ascii") as file:
            zones.write_zone(file, ORIGIN, options.names)
        pcaps.write(os.path.join(folder, "queries.pcap"), ORIGIN, options.names, QUERIES)
        daemon = Daemon(BUILD, folder, inside, big)
        stack.callback(end, daemon.process)
        transfer(daemon, folder, inside)
        daemon.process.send_signal(signal.SIGSTOP)
        return compare({
            "understudy": lambda: daemon.rate(options.seconds),
            "5tswap": lambda: testpmd_rate(folder, options.seconds, big),
        }, "packets/s", options)
