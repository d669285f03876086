# SPDX-License-Identifier: BSD-3-Clause
"""The four servers, all with the same zones: BIND, Knot and NSD from files, and
Understudy, which transfers them."""

import os
import sys
import time

PROJECT = os.path.abspath(os.path.join(os.path.dirname(__file__), "../.."))
sys.path.insert(0, os.path.join(PROJECT, "tests/e2e"))

from harness import net, process, zones  # noqa: E402
from harness.peers import Bind, Knot, Nsd  # noqa: E402
from harness.server import Understudy  # noqa: E402

import questions  # noqa: E402

EDNS_OCTETS = 4096
MTU = 9000
LOAD_LIMIT_S = 240
QUIET_S = 4
DNAME = 39
MARK = "mark.invalid"  # a zone that every server takes; the last to be loaded

PEERS = ("bind", "knot", "nsd")
NAMES = ("understudy", *PEERS)
ADDRESSES = (net.SERVER, net.BIND, net.KNOT, net.NSD)


class LaxNsd(Nsd):
    """NSD that believes to be a secondary, so that it takes a zone with data below a
    DNAME. Nobody is there to transfer from."""

    def zone_options(self, _origin):
        return f"    request-xfr: AXFR {net.STRANGER} NOKEY\n"


class World:
    """Servers of `files`, {origin: path of the zone file}. `refused` is what each peer
    does not serve; `served` is what Understudy is to serve, having a primary for it.
    `tidy` are the files for Knot, which refuses data below a DNAME: nobody can ask for these
    (RFC 6672 section 2.4), so that Knot without them judges those who have them."""

    def __init__(self, workdir, files):
        self.dir = str(workdir)
        mark = zones.write(os.path.join(self.dir, "mark.zone"), zones.zone_text(MARK))
        self.files = {**files, MARK: mark}
        self.tidy = {origin: without_occluded(path, origin)
                     for origin, path in self.files.items()}
        self.wire = net.Wire()
        self.started = []
        self.refused = {}

    def __enter__(self):
        try:
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_):
        self.close()

    def start(self):
        for ns in (self.wire.clients, self.wire.server):
            ns.ip("link", "set", "eth0", "mtu", str(MTU))
        kinds = {"bind": Bind, "knot": Knot, "nsd": LaxNsd}
        for kind in kinds.values():
            peer = kind(self.wire.clients, self.dir, self.tidy if kind is Knot else self.files,
                        notify=[], edns_octets=EDNS_OCTETS)
            self.started.append(peer)
            peer.start(LOAD_LIMIT_S)
        for name, peer in zip(kinds, self.started):
            self.refused[name] = wait_loaded(peer.client, self.files)
        self.served = {origin for origin in self.files
                       if any(origin not in self.refused[name] for name in kinds)}
        primaries = [net.KNOT, net.BIND, net.NSD]
        self.understudy = Understudy(
            self.wire.server, self.dir,
            {origin: primaries[self.tidy[origin] != self.files[origin]:]
             for origin in sorted(self.served)}, primaries=primaries,
            server={"edns-udp-size": EDNS_OCTETS, "log-level": "warning"})
        self.started.append(self.understudy)
        self.understudy.start()
        left = wait_loaded(self.understudy.client(self.wire.clients), sorted(self.served))
        if left:
            raise RuntimeError(f"Understudy does not serve {sorted(left)[:10]}: "
                               + self.understudy.process.log_text()[-2000:])

    def judges(self, origin):
        """The peers that serve a zone."""
        return [name for name in PEERS if origin not in self.refused[name]]

    def revive(self):
        """Starts those peers anew that have ended or do not answer any more; returns their
        names."""
        revived = []
        for name, peer in zip(PEERS, self.started):
            if not any(peer.client.serial(MARK) for _ in range(3)):
                peer.process.kill()
                peer.start(LOAD_LIMIT_S)
                wait_loaded(peer.client, set(self.files) - self.refused[name])
                revived.append(name)
        return revived

    def close(self):
        errors = []
        for one in reversed(self.started):
            try:
                one.stop()
            except AssertionError as e:
                errors.append(e)
        self.started = []
        self.wire.close()
        if errors:
            raise errors[0]


def without_occluded(path, origin):
    """A zone file, or a copy of it without what lies below a DNAME if there is any."""
    with open(path, encoding="latin-1") as f:
        text = f.read()
    if "\tDNAME\t" not in text and " DNAME " not in text:
        return path
    names = questions.Names(origin, path)
    dnames = {name for name, types in names.owners.items() if DNAME in types}
    lines = text.splitlines(keepends=True)
    kept = [line for line in lines if not is_below(questions.owner_of(line), dnames, names)]
    return zones.write(path + ".tidy", "".join(kept)) if len(kept) < len(lines) else path


def is_below(name, dnames, names):
    """Whether a name, None for none, is one of the zone's below one of `dnames`."""
    return name is not None and name not in names.hashes and \
        any(name[i:] in dnames for i in range(1, len(name) - len(names.origin) + 1))


def wait_loaded(client, origins):
    """Waits until a server gives a SOA for all of `origins`, or for no more of them
    any longer; returns those that it does not."""
    left = set(origins)
    changed = time.monotonic()
    end = changed + LOAD_LIMIT_S
    while left and time.monotonic() < min(end, changed + QUIET_S):
        for origin in sorted(left):
            if client.serial(origin) is not None:
                left.discard(origin)
                changed = time.monotonic()
        time.sleep(0.1)
    return left


def enter_clients(namespace):
    """Makes the calling process one of those who ask, for good."""
    namespace.__enter__()


__all__ = ["World", "NAMES", "PEERS", "ADDRESSES", "MARK", "PROJECT", "enter_clients", "process"]
