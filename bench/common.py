# SPDX-License-Identifier: BSD-3-Clause
"""What the benchmarks share: facts about the machine, contestants that take turns, rows of
figures, and the stage of the end-to-end tests (namespaces, servers, peers, load).

A benchmark NAME is a file NAME_bench.py. The first line of its docstring says what it
measures; rows(options) runs it and returns {ROW: figure}; DEFAULTS, if there is one, names
options of bench/run that it wants otherwise than OPTIONS.
"""
import contextlib
import datetime
import os
import platform
import re
import statistics
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(HERE)
BUILD = os.path.join(ROOT, "build-release")

# The servers of the end-to-end tests are the contestants: ours in the release build.
os.environ["UNDERSTUDY_BUILD"] = BUILD
sys.path.insert(0, os.path.join(ROOT, "tests", "e2e"))
from harness import net, peers, ports, process, server, stage  # noqa: E402

OPTIONS = {"pairs": 5, "seconds": 4.0, "names": 1_000_000, "instructions": False}


def output(*argv):
    """What a command prints, or "" if it cannot say."""
    try:
        done = subprocess.run(argv, capture_output=True, text=True, check=True, cwd=ROOT,
                              timeout=60)
        return (done.stdout or done.stderr).strip()
    except (OSError, subprocess.SubprocessError):
        return ""


def version(*argv):
    """The version number in what a program says of itself."""
    found = re.search(r"\d+\.\d+(\.\d+)?", output(*argv))
    return found[0] if found else "none"


def machine():
    """The facts that a figure depends on."""
    with open("/proc/cpuinfo", encoding="ascii") as file:
        cpu = dict(re.findall(r"^(.*?)\s*: (.*)$", file.read(), re.MULTILINE))
    with open("/proc/meminfo", encoding="ascii") as file:
        memory = dict(re.findall(r"^(.*?):\s*(\d+)", file.read(), re.MULTILINE))
    caches = [part.strip() for part in output("lscpu").splitlines() if re.match(r"L[23]", part)]
    return {
        "cpu": cpu.get("model name", platform.machine()),
        "cores": os.cpu_count(),
        "mhz": float(cpu.get("cpu MHz", 0)),
        "caches": [re.sub(r"\s+", " ", part) for part in caches],
        "memory_mib": int(memory["MemTotal"]) // 1024,
        "virtual": "hypervisor" in cpu.get("flags", ""),
        "kernel": platform.release(),
        "system": platform.freedesktop_os_release().get("PRETTY_NAME", ""),
        "compiler": output("gcc", "--version").split("\n")[0],
        "dpdk": output("pkg-config", "--modversion", "libdpdk"),
        "peers": [f"BIND {version('named', '-V')}", f"Knot {version('knotd', '-V')}",
                  f"NSD {version('nsd', '-v')}"],
        "commit": output("git", "describe", "--always", "--dirty"),
        "date": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
        "command": " ".join(["bench/run", *sys.argv[1:]]),
    }


def figure(values, unit):
    """A row: the median of its values, and their range."""
    return {"value": statistics.median(values), "unit": unit, "min": min(values),
            "max": max(values)}


def say(text):
    print(text, flush=True)


def compare(contestants, unit, options, suffix=""):
    """Lets the contestants ({name: function}, ours first) take turns, options.pairs times
    each, every second round in reverse. A function measures once and returns its value.
    Returns the row NAME of each and, for all but the first, ratio-NAME: the median of what
    ours was to theirs in the same round. `suffix` is put behind the rows' names."""
    names = list(contestants)
    values = {name: [] for name in names}
    for number in range(options.pairs):
        for name in names[::-1] if number % 2 else names:
            values[name].append(contestants[name]())
        say(f"round {number + 1}{suffix}: "
            + ", ".join(f"{name} {values[name][-1]:,.6g}" for name in names) + f" {unit}")
    rows = {name + suffix: figure(values[name], unit) for name in names}
    for name in names[1:]:
        rows[f"ratio-{name}{suffix}"] = ratio(values[names[0]], values[name])
    return rows


def ratio(ours, theirs):
    """A row: what ours was to theirs, pair by pair."""
    return figure([a / b for a, b in zip(ours, theirs)], "1")


@contextlib.contextmanager
def a_stage(mode=ports.KERNEL, hugepages=0):
    """A Stage of the end-to-end tests (harness/stage.py): what was started on it is stopped
    at the end. `mode` says how Understudy is reached (harness/ports.py); `hugepages` of
    2 MiB are reserved beside those that the mode needs."""
    if os.geteuid() != 0:
        raise SystemExit("bench/run: it makes network namespaces, so it must be run as root")
    if os.cpu_count() < 2:
        raise SystemExit("bench/run: it needs two CPUs, one of them for the worker")
    net.sweep()
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="understudy-bench-"))
        had = stack.enter_context(ports.hugepages(mode))
        if not (stack.enter_context(ports.reserve(hugepages)) and had):
            raise SystemExit("bench/run: hugepages cannot be had")
        one = stage.Stage(folder, server.Understudy, mode)
        stack.callback(one.strike)
        yield one
