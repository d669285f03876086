# SPDX-License-Identifier: BSD-3-Clause
"""Processes that are started in a namespace, log to a file and are ended by pid."""

import ctypes
import os
import signal
import subprocess
import time

PR_SET_PDEATHSIG = 1
libc = ctypes.CDLL(None)

running = []


def wait_for(condition, timeout=10, what="condition", interval=0.02):
    """Waits until `condition()` is true and returns its value; fails after `timeout` seconds."""
    end = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"timed out after {timeout} s: {what() if callable(what) else what}")
        time.sleep(interval)


class Process:
    """One process. `cpus` pins it; it dies with us whatever happens. Its log is
    begun anew with `fresh`, else continued."""

    def __init__(self, argv, ns, log, cpus=None, env=None, fresh=False):
        def prepare():
            libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
            if cpus:
                os.sched_setaffinity(0, cpus)

        self.name = os.path.basename(argv[0])
        self.log = log
        with open(log, "wb" if fresh else "ab") as out:
            self.popen = subprocess.Popen(
                ["ip", "netns", "exec", ns.name, *map(str, argv)], stdin=subprocess.DEVNULL,
                stdout=out, stderr=out, preexec_fn=prepare, env={**os.environ, **(env or {})})
        self.pid = self.popen.pid
        running.append(self)

    def alive(self):
        return self.popen.poll() is None

    def signal(self, number):
        self.popen.send_signal(number)

    def wait(self, timeout=10):
        """Waits for its end; returns the exit status, None if it goes on."""
        try:
            return self.popen.wait(timeout)
        except subprocess.TimeoutExpired:
            return None

    def stop(self, timeout=10):
        """SIGTERM, then SIGKILL; returns the exit status, None if it had to be killed."""
        if self in running:
            running.remove(self)
        if self.alive():
            self.signal(signal.SIGTERM)
        status = self.wait(timeout)
        if status is None:
            self.kill()
        return status

    def kill(self):
        if self in running:
            running.remove(self)
        self.popen.kill()
        self.popen.wait(10)

    def log_text(self):
        with open(self.log, encoding="utf-8", errors="replace") as f:
            return f.read()


def kill_all():
    for process in list(running):
        process.kill()
