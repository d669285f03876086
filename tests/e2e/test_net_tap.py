# SPDX-License-Identifier: BSD-3-Clause
"""A DPDK port that is a TAP device: clients sit behind its kernel side."""

import pytest

from harness import client, net, ports, zones
from harness.peers import KEY, Bind

pytestmark = pytest.mark.understudy

ORIGIN = "example.com"
PORT, CLIENT = ("10.53.9.2", "fd00:53:9::2"), ("10.53.9.1", "fd00:53:9::1")


@pytest.fixture
def behind_tap(stage):
    """The server, its TAP moved to the clients; the zone comes over the wire beside it."""
    if not stage.server_class.has_ports():
        pytest.skip(f"{stage.server_class.build} is built without DPDK")
    stage.peer(Bind, {ORIGIN: zones.zone_text(ORIGIN, 1, zones.VARIED)}, key=KEY)
    server = stage.secondary(
        [ORIGIN], {ORIGIN: 1}, key=KEY,
        listen=[{"address": a} for a in (net.SERVER, *PORT)],
        dpdk={"main-lcore": ports.OTHER_CPU, "lcores": [ports.WORKER_CPU], "hugepages": False,
              "memory": 200},
        ports=[{"device": "net_tap0,iface=dtap0",
                "exception": {"interface": "us0",
                              "addresses": [f"{PORT[0]}/24", f"{PORT[1]}/64"]}}])
    stage.server_ns.ip("link", "set", "dtap0", "netns", stage.clients.name)
    # The kernel's side comes up with the port's own MAC: two hosts, two addresses.
    stage.clients.ip("link", "set", "dtap0", "address", "02:00:00:00:09:01")
    stage.clients.run("ethtool", "-K", "dtap0", "tx", "off")
    stage.clients.ip("address", "add", f"{CLIENT[0]}/24", "dev", "dtap0")
    stage.clients.ip("address", "add", f"{CLIENT[1]}/64", "dev", "dtap0", "nodad")
    stage.clients.ip("link", "set", "dtap0", "up")
    return server


def test_clients_behind_a_tap_port(stage, behind_tap):
    """ARP, neighbour discovery, ping and TCP go through the exception interface,
    and each query over UDP to the worker."""
    for address in PORT:
        stage.clients.run("ping", "-q", "-c", "3", "-i", "0.2", "-w", "8", address)
        one = behind_tap.client(stage.clients, address=address)
        replies = one.ask_many([client.query(ORIGIN, "SOA").to_wire()] * 50)
        assert all(reply is not None and reply[6:8] == b"\0\1" for reply in replies)
        assert one.ask(ORIGIN, "SOA", tcp=True).answer
    rows = {row["name"]: row for row in behind_tap.ctl_json("stats")["threads"]}
    worker = rows[f"lcore {ports.WORKER_CPU}"]
    assert worker["answers"] >= 50 * len(PORT)
