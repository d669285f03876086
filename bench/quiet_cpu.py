# SPDX-License-Identifier: BSD-3-Clause
"""Keeps a benchmark and what can be moved of the kernel's own work off a CPU, as who deploys a
worker does with isolcpus= and irqaffinity=: interrupts, unbound work queues, kernel threads."""
import contextlib
import glob
import os

QUEUES = "/sys/devices/virtual/workqueue/cpumask"
IRQS = "/proc/irq/*/smp_affinity"
KTHREADD = "2"  # the parent of all kernel threads


def write(path, text):
    """False if the kernel does not let it be changed."""
    try:
        with open(path, "w", encoding="ascii") as file:
            file.write(text)
    except OSError:
        return False
    return True


def read(path):
    with open(path, encoding="ascii") as file:
        return file.read()


def kernel_threads():
    for path in glob.glob("/proc/[0-9]*/stat"):
        with contextlib.suppress(OSError):
            if read(path).rpartition(")")[2].split()[1] == KTHREADD:
                yield int(path.split("/")[2])


@contextlib.contextmanager
def quiet_cpu(cpu):
    """While it lasts, `cpu` is left to others than the kernel and this process."""
    rest = os.sched_getaffinity(1) - {cpu}
    digits = f"{sum(1 << other for other in rest):x}"
    digits = digits.zfill(-len(digits) % 8 + len(digits))
    mask = ",".join(digits[at:at + 8] for at in range(0, len(digits), 8))
    with contextlib.ExitStack() as back:
        for path in [QUEUES, *glob.glob(IRQS)]:
            before = read(path)
            if write(path, mask):
                back.callback(write, path, before)
        for thread in [0, *kernel_threads()]:
            with contextlib.suppress(OSError):
                before = os.sched_getaffinity(thread)
                os.sched_setaffinity(thread, before & rest or rest)
                back.callback(restore, thread, before)
        yield


def restore(thread, cpus):
    with contextlib.suppress(OSError):  # it may have ended
        os.sched_setaffinity(thread, cpus)
