# SPDX-License-Identifier: BSD-3-Clause
"""Network namespaces joined by a veth pair, and counting what passes on it."""

import ctypes
import os
import socket
import struct
import subprocess

PREFIX = "us-e2e-"
CLONE_NEWNET = 0x40000000
ETH_P_ALL = 3
SOL_PACKET = 263
PACKET_STATISTICS = 6
SO_ATTACH_FILTER = 26

# Addresses of the primaries' side; every peer has its own.
BIND, SERVER, KNOT, NSD, SCRIPTED, POWERDNS, STRANGER = (
    "10.53.0.1", "10.53.0.2", "10.53.0.3", "10.53.0.4", "10.53.0.5", "10.53.0.6", "10.53.0.9")
SERVER6 = "fd00:53::2"
CLIENT_ADDRESSES = (BIND, KNOT, NSD, SCRIPTED, POWERDNS, STRANGER)

libc = ctypes.CDLL(None, use_errno=True)


def sh(*argv, check=True):
    """Runs a command to its end; returns what it printed."""
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60)
    if check and done.returncode:
        raise RuntimeError(f"{' '.join(argv)}: {done.stdout}{done.stderr}")
    return done.stdout


def _setns(fd):
    if libc.setns(fd, CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "setns")


class Namespace:
    """A network namespace; `with ns:` puts the calling thread into it, so that
    sockets made inside belong to it for good."""

    def __init__(self, name):
        self.name = name
        sh("ip", "netns", "add", name)
        self.fd = os.open(f"/run/netns/{name}", os.O_RDONLY)
        self.outside = []
        self.ip("link", "set", "lo", "up")

    def __enter__(self):
        self.outside.append(os.open("/proc/thread-self/ns/net", os.O_RDONLY))
        _setns(self.fd)
        return self

    def __exit__(self, *_):
        fd = self.outside.pop()
        _setns(fd)
        os.close(fd)

    def ip(self, *argv, check=True):
        return sh("ip", "-n", self.name, *argv, check=check)

    def run(self, *argv, check=True):
        return sh("ip", "netns", "exec", self.name, *argv, check=check)

    def sysctl(self, name, value):
        self.run("sysctl", "-qw", f"{name}={value}")

    def mac(self, interface):
        for line in self.ip("-o", "link", "show", "dev", interface).split("\\"):
            words = line.split()
            if "link/ether" in words:
                return words[words.index("link/ether") + 1]
        raise RuntimeError(f"{interface} has no MAC address")

    def snmp(self):
        """The kernel's own counters of this namespace, as {"Udp.InDatagrams": 1, …}."""
        with self, open("/proc/thread-self/net/snmp", encoding="ascii") as f:
            lines = [line.split() for line in f]
        counters = {}
        for names, values in zip(lines[::2], lines[1::2]):
            for name, value in zip(names[1:], values[1:]):
                counters[names[0][:-1] + "." + name] = int(value)
        return counters

    def close(self):
        os.close(self.fd)
        sh("ip", "netns", "del", self.name, check=False)


class Wire:
    """Two namespaces joined by a veth pair, `eth0` on each side: `clients` holds
    primaries and whoever asks, `server` the server under test. With
    `kernel_addresses=False` the server's side stays bare, for a DPDK port."""

    count = 0

    def __init__(self, kernel_addresses=True):
        Wire.count += 1
        stem = f"{PREFIX}{os.getpid()}-{Wire.count}"
        self.clients = Namespace(stem + "c")
        self.server = Namespace(stem + "s")
        self.clients.ip("link", "add", "eth0", "type", "veth", "peer", "name", "eth0",
                        "netns", self.server.name)
        for ns in (self.clients, self.server):
            ns.sysctl("net.ipv6.conf.eth0.accept_dad", 0)
            # Checksums are finished in software, as a real wire would carry them.
            ns.run("ethtool", "-K", "eth0", "tx", "off")
        for address in CLIENT_ADDRESSES:
            self.add_address(self.clients, address)
        if kernel_addresses:
            self.add_address(self.server, SERVER)
        for ns in (self.clients, self.server):
            ns.ip("link", "set", "eth0", "up")

    @staticmethod
    def add_address(ns, address, interface="eth0"):
        ns.ip("address", "add", f"{address}/24", "dev", interface)
        ns.ip("address", "add", f"{v6(address)}/64", "dev", interface, "nodad")

    def close(self):
        self.server.close()
        self.clients.close()


def v6(address):
    """The IPv6 address of whoever has this IPv4 address."""
    return "fd00:53::" + address.rsplit(".", 1)[1]


def sweep():
    """Removes namespaces that a killed run of these tests has left."""
    for line in sh("ip", "netns", "list").splitlines():
        name = line.split()[0]
        if name.startswith(PREFIX) and not os.path.exists(
                "/proc/" + name[len(PREFIX):].split("-")[0]):
            sh("ip", "netns", "del", name, check=False)


class PacketCounter:
    """Counts the packets on an interface that a tcpdump expression matches, in
    the kernel, so that no load makes it miss one. (Nothing ever reads the
    socket: PACKET_STATISTICS counts what was dropped as well.)"""

    def __init__(self, ns, expression, interface="eth0"):
        with ns:
            self.sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
            program = sh("tcpdump", "-ddd", "-y", "EN10MB", expression).split()
            code = b"".join(struct.pack("HBBI", *map(int, program[i:i + 4]))
                            for i in range(1, len(program), 4))
            buf = ctypes.create_string_buffer(code)
            fprog = struct.pack("HP", len(code) // 8, ctypes.addressof(buf))
            self.sock.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, fprog)
            self.sock.bind((interface, ETH_P_ALL))
        self.total = 0

    def read(self):
        packets, _ = struct.unpack("II", self.sock.getsockopt(SOL_PACKET, PACKET_STATISTICS, 8))
        self.total += packets
        return self.total

    def close(self):
        self.sock.close()
