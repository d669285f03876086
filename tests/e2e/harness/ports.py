# SPDX-License-Identifier: BSD-3-Clause
"""How the server under test reaches its clients: kernel sockets, or a DPDK port."""

import contextlib
import fcntl

from . import net

HUGEPAGES = "/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages"
SURPLUS = "/sys/kernel/mm/hugepages/hugepages-2048kB/surplus_hugepages"
HUGEPAGES_WANTED = 256
WORKER_CPU, OTHER_CPU = 1, 0

KERNEL = "kernel"
# device, whether a TAP carries what the worker does not take, whether it needs hugepages
MODES = {
    "af_packet": ("net_af_packet0,iface=eth0", True, False),
    "af_xdp": ("net_af_xdp0,iface=eth0", False, True),
    "af_xdp-tap": ("net_af_xdp0,iface=eth0", True, True),
}


def has_tap(mode):
    return mode != KERNEL and MODES[mode][1]


def options(mode, addresses=(f"{net.SERVER}/24", f"{net.SERVER6}/64")):
    """The daemon's configuration sections for this mode."""
    if mode == KERNEL:
        return {}
    device, tap, huge = MODES[mode]
    port = {"device": device}
    if tap:
        port["exception"] = {"interface": "us0", "addresses": list(addresses)}
    return {"dpdk": {"main-lcore": OTHER_CPU, "lcores": [WORKER_CPU], "hugepages": huge,
                     "memory": 200},
            "ports": [port]}


def _read():
    """Those that stay; surplus ones were taken away while they were in use, and go with it."""
    with open(HUGEPAGES, encoding="ascii") as all_, open(SURPLUS, encoding="ascii") as surplus:
        return int(all_.read()) - int(surplus.read())


def _add(count):
    """Returns how many more there are now. Others add and take away at the same time."""
    with open(HUGEPAGES, encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        before = _read()
        with contextlib.suppress(PermissionError), open(HUGEPAGES, "w", encoding="ascii") as f:
            f.write(str(max(0, before + count)))
        return _read() - before


@contextlib.contextmanager
def reserve(count):
    """Hugepages beside those that are reserved, given back at the end. Yields whether
    they could be had."""
    got = _add(count)
    try:
        yield got >= count
    finally:
        if got:
            _add(-got)


@contextlib.contextmanager
def hugepages(mode):
    """Hugepages where the mode needs them. Yields whether they could be had."""
    with reserve(HUGEPAGES_WANTED if mode != KERNEL and MODES[mode][2] else 0) as had:
        yield had
