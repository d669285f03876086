# SPDX-License-Identifier: BSD-3-Clause
"""The control socket and understudyctl, for friends and for fools."""

import json
import os
import random
import resource
import socket
import stat
import subprocess
import time

import pytest

from harness import zones
from harness.peers import Bind
from harness.process import wait_for
from harness.server import Understudy

pytestmark = pytest.mark.understudy

ORIGIN = "example.com"


@pytest.fixture(scope="module")
def scene(module_stage):
    primary = module_stage.peer(Bind, {ORIGIN: zones.zone_text(ORIGIN, 1, zones.VARIED)})
    server = module_stage.secondary([ORIGIN, "absent.example"], {ORIGIN: 1},
                                    primaries=[primary.address])
    return server, server.client(module_stage.clients), primary


@pytest.fixture
def server(scene):
    yield scene[0]
    # Whatever a test did, friends are served afterwards, and queries as well.
    assert scene[0].ctl_json("status")["zones"]["served"] == 1
    assert scene[1].serial(ORIGIN) is not None


def connect(server, timeout=5):
    sock = socket.socket(socket.AF_UNIX)
    sock.connect(server.path("sock"))  # waits where the backlog is full
    sock.settimeout(timeout)
    return sock


def said(sock):
    """The next line, as JSON; None if the connection ends instead."""
    data = b""
    while not data.endswith(b"\n"):
        try:
            part = sock.recv(65536)
        except ConnectionResetError:
            return None
        if not part:
            return None
        data += part
    return json.loads(data)


def test_mode(server):
    assert stat.S_IMODE(os.stat(server.path("sock")).st_mode) == 0o660


@pytest.mark.parametrize("command", ["status", "zones", f"zone status {ORIGIN}",
                                     "zone status absent.example", "stats",
                                     f"zone refresh {ORIGIN}", f"zone retransfer {ORIGIN}",
                                     "reload"])
def test_every_command_as_table_and_json(server, command):
    table = server.ctl(*command.split())
    assert (table.returncode, table.stderr) == (0, "")
    response = server.ctl("--json", *command.split())
    assert response.returncode == 0
    assert json.loads(response.stdout)["ok"] is True
    if command in ("status", "zones", "stats") or "status" in command:
        assert len(table.stdout.splitlines()) > 1
        with pytest.raises(ValueError):
            json.loads(table.stdout)


def test_zones_tells_all(server):
    rows = {row["zone"]: row for row in server.ctl_json("zones")["zones"]}
    assert rows[ORIGIN + "."]["state"] == "served" and rows[ORIGIN + "."]["serial"] == 1
    assert rows["absent.example."]["state"] == "not-loaded"
    table = server.ctl("zones").stdout
    assert ORIGIN in table and "not-loaded" in table


def test_exit_codes(server, tmp_path):
    assert server.ctl("status").returncode == 0
    for wrong in (["zone", "status", "nothing.example"], ["zone", "refresh", "nothing.example"],
                  ["zone", "status", "a..b"]):
        done = server.ctl(*wrong)
        assert done.returncode == 1 and done.stderr, wrong
    for wrong in ([], ["nonsense"], ["zone"], ["zone", "status"], ["status", "more"],
                  ["--nonsense"], ["zone", "nonsense", ORIGIN]):
        done = server.ctl(*wrong)
        assert done.returncode == 2 and "usage" in done.stderr, wrong
    program = Understudy.program("understudyctl")
    for path in (tmp_path / "absent", tmp_path, "/" + "x" * 200):
        done = subprocess.run([program, "-s", str(path), "status"], capture_output=True,
                              text=True, timeout=10, check=False)
        assert done.returncode == 3 and str(path) in done.stderr


@pytest.mark.parametrize("argv", [
    ["zone", "refresh", b"\xff.example"], ["zone", "status", ORIGIN, b"\xff.example"],
    ["zone", "add", "-T", b"\xff", "-p", "p10.53.0.5", "new.example"], ["log-level", b"\xff"],
    ["zone", "add", "-p", b"\xff", "-p", "p10.53.0.5", "new.example"]],
    ids=["one", "of two", "template", "level", "primary"])
def test_arguments_that_are_no_text(server, argv):
    """What JSON cannot hold is not left out: nothing is done, and that is said."""
    done = subprocess.run([server.program("understudyctl"), "-s", server.path("sock"), *argv],
                          capture_output=True, timeout=10, check=False)
    assert done.returncode == 2 and not done.stdout
    assert b"UTF-8 is expected" in done.stderr and b"\xff" in done.stderr
    assert server.ctl("zone", "status", "new.example").returncode == 1


@pytest.mark.parametrize("argv", [["zones"], ["status"], ["--json", "stats"], ["log-level"],
                                  ["zone", "dump", ORIGIN]], ids=" ".join)
def test_output_that_is_lost(server, argv):
    with open("/dev/full", "wb") as full:
        done = subprocess.run([server.program("understudyctl"), "-s", server.path("sock"), *argv],
                              stdout=full, stderr=subprocess.PIPE, timeout=10, check=False)
    assert done.returncode == 1 and b"No space left" in done.stderr


def test_refresh_and_retransfer(server, scene):
    """Refresh asks for the serial only; retransfer brings the zone again."""
    def transfers():
        return server.ctl_json("stats")["transfers"]["transfers_ok"]
    before = transfers()
    assert server.ctl("zone", "refresh", ORIGIN).returncode == 0
    time.sleep(0.5)
    assert transfers() == before
    assert server.ctl("zone", "retransfer", ORIGIN).returncode == 0
    wait_for(lambda: transfers() == before + 1, 10, "another transfer")
    assert scene[1].serial(ORIGIN) == 1


def test_stats_count_queries(server, scene):
    client = scene[1]
    before = server.ctl_json("stats")["sum"]
    for _ in range(10):
        client.ask(f"www.{ORIGIN}")
        client.ask(f"nothing.{ORIGIN}")
        client.ask("elsewhere.example", tcp=True)
    after = server.ctl_json("stats")["sum"]
    assert after["queries"] - before["queries"] == 30
    for rcode in ("NOERROR", "NXDOMAIN", "REFUSED"):
        assert after["rcodes"][rcode] - before["rcodes"].get(rcode, 0) == 10
    assert after["tcp"] - before["tcp"] == 10
    with client.udp_socket() as sock:
        sock.send(b"short")
        sock.send(bytes.fromhex("123480000001000000000000"))
    wait_for(lambda: sum(server.ctl_json("stats")["sum"]["drops"].values())
             == sum(after["drops"].values()) + 2, 5, "two drops")


@pytest.mark.parametrize("line", [
    b"\n", b"hello\n", b"{}\n", b"[]\n", b"null\n", b'{"command": 1}\n', b'{"command": "x"}\n',
    b'{"command": "zone status"}\n', b'{"command": "zone status", "zone": 5}\n',
    b'{"command": "zone status", "zone": "' + b"a" * 300 + b'"}\n', b"\0\0\0\n", b"\xff\xfe\n",
    b'{"command": "status"\n', b'{"command": "status", "command": "stop"} x\n', b"[" * 2000 + b"\n",
    b'{"command": "zone status", "zone": "\\u0000"}\n',
], ids=lambda line: repr(line[:30]))
def test_nonsense_gets_an_error(server, line):
    """And the connection serves the next line, or ends."""
    with connect(server) as sock:
        sock.sendall(line)
        response = said(sock)
        assert response is not None and response["ok"] is False and response["error"]
        sock.sendall(b'{"command": "status"}\n')
        response = said(sock)
        assert response is None or response["ok"]


def test_a_line_in_pieces_and_two_in_one(server):
    with connect(server) as sock:
        for octet in b'{"command": "zones"}\n':
            sock.sendall(bytes([octet]))
        assert said(sock)["ok"]
        sock.sendall(b'{"command": "zones"}\n{"command": "zones"}\n')
        data = b""
        while data.count(b"\n") < 2:
            data += sock.recv(65536)
        assert all(json.loads(line)["ok"] for line in data.splitlines())


def test_half_a_line_and_silence(server):
    """Open connections that say half a line, or nothing, are in nobody's way."""
    socks = [connect(server) for _ in range(10)]
    for sock in socks[:5]:
        sock.sendall(b'{"comm')
    for _ in range(5):
        assert server.ctl("status").returncode == 0
    for sock in socks:
        sock.close()


@pytest.mark.parametrize("octets", [5000, 10_000_000])
def test_a_line_without_end(server, octets):
    """One error, and what follows its end is served."""
    with connect(server) as sock:
        for _ in range(octets // 5000):
            sock.sendall(b'{"command": "stop"} ' * 250)
        assert not said(sock)["ok"]
        sock.sendall(b'\n{"command": "zones"}\n')
        assert said(sock)["ok"]


def test_many_connections(server):
    """Hundreds at once: above the limit they end; afterwards all is well."""
    socks = [connect(server) for _ in range(300)]
    for sock in socks:
        sock.close()
    wait_for(lambda: server.ctl("status").returncode == 0, 10, "a free place")


@pytest.mark.parametrize("command", ["zones", "zone dump"])
def test_what_cannot_be_begun(server, command):
    """Without a descriptor for a temporary file the response says so; the connection stays."""
    pid = server.process.pid
    request = json.dumps({"command": command, "zone": ORIGIN}).encode() + b"\n"
    limits = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    with connect(server) as sock:
        sock.sendall(b'{"command": "status"}\n')
        assert said(sock)["ok"]
        used = {int(fd) for fd in os.listdir(f"/proc/{pid}/fd")}
        free = min(set(range(len(used) + 1)) - used)
        try:
            resource.prlimit(pid, resource.RLIMIT_NOFILE, (free, limits[1]))
            sock.sendall(request)
            response = said(sock)
        finally:
            resource.prlimit(pid, resource.RLIMIT_NOFILE, limits)
        assert not response["ok"] and "Too many open files" in response["error"]
        sock.sendall(request)
        assert json.loads(sock.makefile("rb").readline())["ok"]


def test_a_client_that_never_reads(server):
    with connect(server, 1) as sock:
        try:
            for _ in range(20000):
                sock.sendall(b'{"command": "stats"}\n')
        except (TimeoutError, BrokenPipeError, ConnectionResetError):
            pass
        for _ in range(3):
            assert server.ctl("status").returncode == 0


def test_clients_that_hang_up(server):
    for _ in range(100):
        with connect(server) as sock:
            sock.sendall(b'{"command": "stats"}\n')


def test_noise(server):
    chance = random.Random(3)
    for _ in range(50):
        with connect(server) as sock:
            try:
                sock.sendall(chance.randbytes(chance.randrange(1, 3000)) + b"\n")
                sock.settimeout(1)
                sock.recv(65536)
            except (BrokenPipeError, ConnectionResetError, TimeoutError):
                pass


def test_stop(stage):
    primary = stage.peer(Bind, {ORIGIN: zones.zone_text(ORIGIN, 1)})
    server = stage.secondary([ORIGIN], {ORIGIN: 1}, primaries=[primary.address])
    assert server.ctl("stop").returncode == 0
    assert server.process.wait(10) == 0
    assert server.ctl("status").returncode == 3
    server.process = None


def test_leftover_socket_and_a_second_daemon(stage):
    """A socket left by a killed daemon is taken over; that of a living one is not."""
    primary = stage.peer(Bind, {ORIGIN: zones.zone_text(ORIGIN, 1)})
    server = stage.secondary([ORIGIN], {ORIGIN: 1}, primaries=[primary.address])
    server.process.kill()
    assert os.path.exists(server.path("sock"))
    server.start()
    with stage.server_ns:
        second = subprocess.run(server.argv(), capture_output=True, text=True, timeout=20,
                                check=False)
    assert second.returncode == 1 and second.stderr
    assert server.ctl("status").returncode == 0
