# SPDX-License-Identifier: BSD-3-Clause
"""port_server (see port_server.c), started, asked for its counters, ended."""

import json
import os
import signal
import subprocess
import time

PROJECT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../..")
BUILD = os.path.join(PROJECT, os.environ.get("UNDERSTUDY_BUILD", "build"))
PROGRAM = os.path.join(BUILD, "tests/port/port_server")
SERVICES = ("-s", "10.53.0.2", "-s", "fd00:53::2")
START_S = 20
END_S = 20


class PortServer:
    def __init__(self, *arguments, ns=None):
        prefix = ["ip", "netns", "exec", ns.name] if ns else []
        self.popen = subprocess.Popen([*prefix, PROGRAM, *arguments, *SERVICES], text=True,
                                      stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                      stderr=subprocess.PIPE)
        self.counters = None
        self.errors = ""

    def wait_ready(self):
        line = self.popen.stdout.readline()
        if line != "ready\n":
            raise AssertionError("port_server: " + self.popen.communicate(timeout=END_S)[1])
        time.sleep(0.2)  # the kernel's neighbour discovery of a new TAP
        return self

    def finish(self, timeout=END_S):
        """Waits for its end; returns the sums over all lcores."""
        out, self.errors = self.popen.communicate(timeout=timeout)
        assert self.popen.returncode == 0, f"status {self.popen.returncode}: {self.errors}"
        self.counters = json.loads(out.splitlines()[-1])
        total = {}
        for lcore in self.counters["lcores"]:
            for name, value in lcore.items():
                total[name] = total.get(name, 0) + value
        return total

    def stop(self):
        self.popen.send_signal(signal.SIGTERM)
        return self.finish()

    def kill(self):
        self.popen.kill()
        self.popen.communicate(timeout=END_S)
