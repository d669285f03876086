# SPDX-License-Identifier: BSD-3-Clause
"""answers/s of 1 to n workers on replayed captures, a port for each

DPDK's main lcore has a CPU to itself, so a machine of n CPUs has up to n - 1 workers in one
daemon: rows `lcores-N`; `speedup-N` is what N were to one. With two CPUs there is only one,
and a second daemon, the roles of its CPUs exchanged, shows what the two have to share, which
is caches and memory: `daemons-2`, and `speedup-2` to what the two were one by one.
"""
import contextlib
import os

from common import figure, ratio, say
from replay import a_replay, rate_together

DEFAULTS = {"seconds": 2.0}


def counts(most):
    """1, 2, 4, … and the most."""
    return sorted({2 ** i for i in range(most.bit_length())} | {most})


def lcores(options, most):
    values = {n: [] for n in counts(most)}
    with contextlib.ExitStack() as stack:
        replays = {n: stack.enter_context(a_replay(options.names, range(1, n + 1)))
                   for n in values}
        for _ in range(options.pairs):
            for n, one in replays.items():
                values[n].append(one.rate(options.seconds))
    rows = {f"lcores-{n}": figure(each, "answers/s") for n, each in values.items()}
    for n in list(values)[1:]:
        rows[f"speedup-{n}"] = ratio(values[n], values[1])
    return rows


def daemons(options):
    alone, together = [], []
    with a_replay(options.names, (1,), 0) as one, a_replay(options.names, (0,), 1) as other:
        for number in range(options.pairs):
            each = [one.rate(options.seconds), other.rate(options.seconds)]
            alone.append(sum(each) / 2)
            together.append(rate_together([one, other], options.seconds))
            say(f"round {number + 1}: one by one {each[0]:,.0f} and {each[1]:,.0f}, "
                f"together {together[-1]:,.0f} answers/s")
    return {"lcores-1": figure(alone, "answers/s"), "daemons-2": figure(together, "answers/s"),
            "speedup-2": ratio(together, alone)}


def rows(options):
    workers = os.cpu_count() - 1
    say(f"{os.cpu_count()} CPUs, so up to {workers} workers in one daemon")
    return lcores(options, workers) if workers > 1 else daemons(options)
