# SPDX-License-Identifier: BSD-3-Clause
"""The three deployments of docs/operations.md, each under a root and a TLD of its own: what
every server says by dig NS, the way that dig +trace goes, and what an outage does."""

import os

import pytest

from harness import net
from harness.peers import KEY, Bind
from harness.process import wait_for
from harness.tree import ROOT, TLD, TOP, Tree

ZONE = f"shop.{TOP}"
HOST = f"www.{ZONE}"
SECOND = "10.53.0.12"  # of another Understudy
# The names of name servers stand in another zone than the one that they serve.
PRIMARY_NAME, OURS, OURS_TOO = (f"{n}.provider.{TOP}." for n in ("ns1", "ns2", "ns3"))
HOSTS = {PRIMARY_NAME: net.BIND, OURS: net.SERVER, OURS_TOO: SECOND}
pytestmark = pytest.mark.understudy


def zone_text(names, serial=1, address="192.0.2.10"):
    return (f"$ORIGIN {ZONE}.\n$TTL 1\n@ SOA {names[0]} hostmaster {serial} 3600 600 604800 1\n"
            + "".join(f"@ NS {name}\n" for name in names) + f"www A {address}\n")


class Scene:
    """A zone whose name servers are `named` by itself and by the TLD."""

    def __init__(self, stage, named, listen=()):
        self.stage = stage
        self.named = named
        self.tree = Tree(stage, HOSTS)
        self.tree.delegate(ZONE, named)
        self.primary = stage.peer(Bind, {ZONE: zone_text(named)}, key=KEY, updates=True,
                                  notify=(net.SERVER, *listen))
        self.servers = [stage.secondary([ZONE], {ZONE: 1}, key=KEY)]

    def add_server(self, address):
        """Another Understudy, at an address of its own."""
        self.stage.wire.add_address(self.stage.server_ns, address)
        folder = os.path.join(self.stage.dir, "second")
        other = self.stage.server_class(self.stage.server_ns, folder, [ZONE], key=KEY,
                                        listen=[{"address": address},
                                                {"address": net.v6(address)}])
        self.servers.append(self.stage.start(other))
        client = other.client(self.stage.clients, address)
        wait_for(lambda: client.serial(ZONE) == 1, 20, "the second server")

    def change(self, address):
        self.primary.update(ZONE, lambda u: u.replace("www", 1, "A", address))

    def must_agree(self, *addresses):
        """Each of the servers, and the TLD, name the same name servers."""
        for address in (TLD, *addresses, *(net.v6(a) for a in addresses)):
            assert self.tree.named_by(address, ZONE) == set(self.named), address

    def trace(self, *last, answer="192.0.2.10", ways=1):
        """dig +trace goes from the root by the TLD to one of the servers `last`; within
        so many ways that each of these was seen."""
        seen = set()
        expected = {a for address in last for a in (address, net.v6(address))}
        for _ in range(40):
            way, got = self.tree.trace(HOST)
            assert len(way) == 3 and got == answer, (way, got)
            assert way[0] in (ROOT, net.v6(ROOT)) and way[1] in (TLD, net.v6(TLD)), way
            assert way[2] in expected, way
            seen.add(way[2])
            hosts = [h for h in last if {h, net.v6(h)} & seen]
            if len(hosts) >= ways:
                return
        raise AssertionError(f"only {seen} of {expected} were asked")

    def must_be_dark(self):
        _, answer = self.tree.trace(HOST)
        assert answer is None

    def unreachable(self, server):
        """Waits until the status tells that the primary does not answer."""
        server.ctl("zone", "refresh", ZONE)
        last = wait_for(lambda: self.failed(server), 30, "a failure in the status")
        assert last["reason"] in ("connect", "timeout", "io"), last
        assert server.zone_status(ZONE)["state"] == "served"

    @staticmethod
    def failed(server):
        last = server.last_attempt(ZONE)
        return last if last and not last["ok"] else None


def test_backup_only(stage):
    """Nobody is sent to the secondary; when the primary fails, the TLD is changed, or the
    secondary takes over the primary's address."""
    scene = Scene(stage, [PRIMARY_NAME])
    scene.must_agree(net.BIND, net.SERVER)
    scene.trace(net.BIND)
    scene.change("192.0.2.11")
    scene.servers[0].wait_served(stage.clients, {ZONE: 2})
    scene.primary.stop()
    scene.must_be_dark()
    scene.unreachable(scene.servers[0])
    # The delegation is changed.
    scene.tree.delegate(ZONE, [OURS])
    scene.trace(net.SERVER, answer="192.0.2.11")
    assert scene.tree.named_by(net.SERVER, ZONE) == {PRIMARY_NAME}
    # Or the address moves, and nothing else changes.
    scene.tree.delegate(ZONE, [PRIMARY_NAME])
    scene.must_be_dark()
    stage.clients.sysctl("net.ipv4.conf.eth0.promote_secondaries", 1)  # the others stay
    stage.clients.ip("address", "del", f"{net.BIND}/24", "dev", "eth0")
    stage.clients.ip("address", "del", f"{net.v6(net.BIND)}/64", "dev", "eth0")
    stage.wire.add_address(stage.server_ns, net.BIND)
    scene.servers[0].options["listen"] = [
        {"address": a} for b in (net.SERVER, net.BIND) for a in (b, net.v6(b))]
    scene.servers[0].reload()
    stage.clients.ip("neigh", "flush", "dev", "eth0")
    client = scene.servers[0].client(stage.clients, net.BIND)
    wait_for(lambda: client.serial(ZONE) == 2, 10, "an answer at the primary's address")
    scene.trace(net.BIND, answer="192.0.2.11")


def test_hidden_primary(stage):
    """The NS records name two Understudies and not the primary, which nobody misses."""
    scene = Scene(stage, [OURS, OURS_TOO], listen=(SECOND,))
    scene.add_server(SECOND)
    scene.must_agree(net.BIND, net.SERVER, SECOND)
    scene.trace(net.SERVER, SECOND, ways=2)
    scene.change("192.0.2.11")
    for server, address in zip(scene.servers, (net.SERVER, SECOND)):
        client = server.client(stage.clients, address)
        wait_for(lambda c=client: c.serial(ZONE) == 2, 10, f"the change at {address}")
    scene.primary.stop()
    scene.trace(net.SERVER, SECOND, answer="192.0.2.11", ways=2)
    for server in scene.servers:
        scene.unreachable(server)
    scene.servers[1].stop()
    scene.trace(net.SERVER, answer="192.0.2.11")


@pytest.mark.parametrize("failing", ["primary", "secondary"])
def test_side_by_side(stage, failing):
    """Both are named, both are asked, either may fail."""
    scene = Scene(stage, [PRIMARY_NAME, OURS])
    scene.must_agree(net.BIND, net.SERVER)
    scene.trace(net.BIND, net.SERVER, ways=2)
    scene.change("192.0.2.11")
    scene.servers[0].wait_served(stage.clients, {ZONE: 2})
    scene.trace(net.BIND, net.SERVER, answer="192.0.2.11", ways=2)
    if failing == "primary":
        scene.primary.stop()
        scene.trace(net.SERVER, answer="192.0.2.11")
        scene.unreachable(scene.servers[0])
    else:
        scene.servers[0].stop()
        scene.trace(net.BIND, answer="192.0.2.11")
        assert not scene.tree.named_by(net.SERVER, ZONE)
