# SPDX-License-Identifier: BSD-3-Clause
"""Many small zones of one primary: all come, all come back after a restart, and none costs
much. bench/run zones has the figures; this notices when they are far off."""

import re
import socket
import time

import dns.flags
import dns.message
import pytest

from harness import net, zones
from harness.client import query
from harness.peers import KEY, Knot
from harness.process import wait_for

pytestmark = pytest.mark.understudy

COUNT = 2000
NAMES = zones.many_origins(COUNT)
HEAP_OCTETS_A_ZONE = 1536  # some 700, and what the load itself has left, shared by so few


def heap_octets(pid):
    """What the main thread's heap holds of memory; 0 with a sanitizer's, which is none."""
    with open(f"/proc/{pid}/smaps", encoding="ascii") as file:
        found = re.search(r"\[heap\]\nSize:.*\n(?:\w+:.*\n)*?Rss:\s+(\d+) kB", file.read())
    return 1024 * int(found[1]) if found else 0


def must_serve_all(client):
    replies = client.ask_many([query(name, "SOA").to_wire() for name in NAMES])
    for name, wire in zip(NAMES, replies):
        reply = dns.message.from_wire(wire)
        assert reply.flags & dns.flags.AA and reply.answer, name
        assert reply.answer[0][0].serial == 1, name


def served(server):
    return server.ctl_json("status")["zones"]["served"]


def must_list_all(server):
    """In their order, each once; and those who hang up in the middle are no trouble."""
    for pause in (0, 0.001, 0.01):
        with socket.socket(socket.AF_UNIX) as gone:
            gone.connect(server.path("sock"))
            gone.sendall(b'{"command":"zones"}\n')
            time.sleep(pause)
    rows = server.ctl_json("zones")["zones"]
    assert [row["zone"] for row in rows] == sorted(name + "." for name in NAMES)
    assert {row["serial"] for row in rows} == {1}
    assert server.ctl_json("zones", "--blocked")["zones"] == []


def test_many_zones(stage, tmp_path):
    five = zones.write(str(tmp_path / "five"), zones.FIVE)
    primary = stage.peer(Knot, {name: five for name in NAMES}, key=KEY, notify=())
    options = {"primaries": (net.KNOT,), "key": KEY}
    server = stage.secondary([], **options)
    without = heap_octets(server.process.pid)
    server.stop()
    server = stage.secondary(NAMES, **options)
    client = server.client(stage.clients)
    wait_for(lambda: served(server) == COUNT, 30, lambda: f"{served(server)} zones are served")
    must_serve_all(client)
    wait_for(lambda: server.ctl_json("status")["store"]["due"] == 0, 10, "all zones stored")
    held = (heap_octets(server.process.pid) - without) / COUNT
    print(f"{held:.0f} octets of the heap a zone")
    assert held < HEAP_OCTETS_A_ZONE
    must_list_all(server)
    primary.stop()
    server.stop()
    server.start()
    must_serve_all(client)
