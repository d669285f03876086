# SPDX-License-Identifier: BSD-3-Clause
"""Seeing from outside when a secondary first asks its primary, and when it first answers."""
import contextlib
import os
import select
import socket
import struct
import time

from common import net
from primary import A, name

ASK_EVERY_S = 0.002  # seldom enough not to take a processor from anybody


class FirstPacket:
    """When the first packet comes that a tcpdump expression matches."""

    def __init__(self, ns, expression):
        self.counter = net.PacketCounter(ns, expression)

    def wait(self, seconds):
        ready, _, _ = select.select([self.counter.sock], [], [], seconds)
        at = time.perf_counter()
        self.counter.close()
        if not ready:
            raise SystemExit(f"bench/run: no query to the primary within {seconds} s")
        return at


def wait_answer(ns, address, owner, seconds, rdtype=A):
    """Waits until the server gives records of that name; returns the time."""
    with ns:
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    query = struct.pack("!HHHHHH", 1, 0, 1, 0, 0, 0) + name(owner) + struct.pack("!HH", rdtype, 1)
    sock.connect((address, 53))
    sock.settimeout(ASK_EVERY_S)
    end = time.perf_counter() + seconds
    with sock:
        while time.perf_counter() < end:
            begun = time.perf_counter()
            with contextlib.suppress(OSError):
                sock.send(query)
                reply = sock.recv(4096)
                if reply[3] & 15 == 0 and reply[6:8] != b"\0\0":
                    return time.perf_counter()
            left = begun + ASK_EVERY_S - time.perf_counter()
            time.sleep(max(0, left))
    raise SystemExit(f"bench/run: {address} does not answer for {owner} within {seconds} s")


def resident_kib(pid):
    """Of a process and its children: what is resident, mapped files among it, and huge pages."""
    kib = 0
    for one in [pid, *children(pid)]:
        with contextlib.suppress(OSError, ProcessLookupError):
            with open(f"/proc/{one}/status", encoding="ascii") as file:
                kib += sum(int(line.split()[1]) for line in file
                           if line.startswith(("VmRSS:", "HugetlbPages:")))
    return kib


def children(pid):
    found = []
    with contextlib.suppress(OSError):
        for task in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{task}/children", encoding="ascii") as file:
                found += [int(word) for word in file.read().split()]
    return found
