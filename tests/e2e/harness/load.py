# SPDX-License-Identifier: BSD-3-Clause
"""Load: dnsperf, kxdpgun and testpmd, and the figures that they print."""

import re
from dataclasses import dataclass

from . import process


@dataclass
class Result:
    """What a load generator counted. Rates in queries a second."""

    sent: int
    completed: int
    rate: float
    rcodes: dict

    @property
    def lost(self):
        return self.sent - self.completed


def query_file(path, queries):
    with open(path, "w", encoding="ascii") as f:
        f.writelines(f"{name} {rdtype}\n" for name, rdtype in queries)
    return path


def start_dnsperf(ns, address, queries, log, seconds, rate=None, cpus=None, more=()):
    """dnsperf, started; to be ended by finish_dnsperf."""
    argv = ["dnsperf", "-s", address, "-d", queries, "-l", seconds, "-t", 5, *more]
    if rate:
        argv += ["-Q", rate]
    return process.Process(argv, ns, log, cpus=cpus, fresh=True)


def finish_dnsperf(one, timeout):
    status = one.wait(timeout)
    one.stop()
    text = one.log_text()
    assert status == 0, f"dnsperf ended with {status}:\n{text}"
    rcodes = dict(re.findall(r"(\w+) (\d+) \([\d.]+%\)", number(r"Response codes:\s+(.*)", text)))
    return Result(int(number(r"Queries sent:\s+(\d+)", text)),
                  int(number(r"Queries completed:\s+(\d+)", text)),
                  float(number(r"Queries per second:\s+([\d.]+)", text)),
                  {name: int(count) for name, count in rcodes.items()})


def dnsperf(ns, address, queries, log, seconds, **options):
    return finish_dnsperf(start_dnsperf(ns, address, queries, log, seconds, **options),
                          seconds + 30)


def number(pattern, text):
    found = re.search(pattern, text)
    assert found, f"no {pattern!r} in:\n{text}"
    return found.group(1)


def kxdpgun(ns, address, queries, log, seconds, rate, cpu, mac=None):
    """kxdpgun over the AF_XDP side of eth0; it wants a permanent neighbour entry."""
    argv = ["kxdpgun", "-t", seconds, "-Q", rate, "-i", queries, "-I", "eth0", "-F", cpu,
            *(["-R", mac] if mac else []), address]
    one = process.Process(argv, ns, log, fresh=True)
    status = one.wait(seconds + 30)
    one.stop()
    text = one.log_text()
    assert status == 0, f"kxdpgun ended with {status}:\n{text}"
    sent = int(number(r"total queries:\s+(\d+)", text))
    completed = int(number(r"total replies:\s+(\d+)", text))
    rcodes = {name: int(count) for name, count in re.findall(r"responded (\w+):\s+(\d+)", text)}
    return Result(sent, completed, completed / seconds, rcodes)
