# SPDX-License-Identifier: BSD-3-Clause
"""The configuration: `--check` names line and expectation of every mistake in
the folder broken/ (its line is marked "# !" and what the message must say);
reloading takes what is good and leaves what is not."""

import glob
import json
import os
import random
import signal
import socket
import subprocess
import time

import dns.rcode
import pytest

from harness import zones
from harness.peers import KEY, Bind
from harness.process import wait_for
from harness.server import PROJECT, Understudy, yaml

pytestmark = pytest.mark.understudy

BROKEN = sorted(glob.glob(os.path.join(os.path.dirname(__file__), "broken", "*.yaml")))


@pytest.fixture(autouse=True)
def _built(server_class):
    assert server_class.understudy


def check(path, *more):
    return subprocess.run([Understudy.program("understudyd"), "--check", "-c", path, *more],
                          capture_output=True, text=True, timeout=20, check=False)


@pytest.mark.parametrize("path", BROKEN, ids=[os.path.basename(p)[:-5] for p in BROKEN])
def test_mistake_is_named(path):
    with open(path, encoding="utf-8") as f:
        marked = [(n, line.split("# !")[1].strip()) for n, line in enumerate(f, 1)
                  if "# !" in line]
    assert len(marked) == 1
    number, expectation = marked[0]
    done = check(path)
    assert done.returncode == 1
    lines = [line for line in done.stderr.splitlines()
             if line.startswith(path + ":") and "built without DPDK" not in line]
    assert len(lines) == 1, done.stderr
    assert lines[0].startswith(f"{path}:{number}: "), lines[0]
    assert expectation in lines[0], lines[0]
    assert "expected" in lines[0]


def test_all_mistakes_are_named_at_once(tmp_path):
    path = zones.write(tmp_path / "c.yaml", "listen:\n  - address: []\n"
                       "server:\n  edns-udp-size: 1\ntcp:\n  idle-timeout: x\nzonse: 1\n")
    done = check(str(path))
    assert done.returncode == 1
    for line in (2, 4, 6, 7):
        assert f"{path}:{line}: " in done.stderr


@pytest.mark.parametrize("content", [b"", b"\0", b"\xff\xfe", b"- " * 5000, b"[" * 5000,
                                     b"{" * 5000, b"a: &a [*a]\n", b"\n" * 100000,
                                     b"a: " + b"x" * 1000000, b"%YAML 9.9\n---\na: b\n"],
                         ids=lambda content: repr(content[:8]))
def test_what_is_no_configuration_at_all(tmp_path, content):
    path = tmp_path / "c.yaml"
    path.write_bytes(content)
    done = check(str(path))
    assert done.returncode == 1 and "expected" in done.stderr
    assert len(done.stderr) < 100000


def test_noise(tmp_path):
    chance = random.Random(7)
    with open(os.path.join(PROJECT, "docs/understudy.yaml.example"), "rb") as f:
        good = f.read()
    path = tmp_path / "c.yaml"
    path.touch(mode=0o640)  # else there is a warning
    for _ in range(60):
        noisy = bytearray(good)
        for _ in range(chance.choice((1, 3, 30))):
            noisy[chance.randrange(len(noisy))] = chance.randrange(256)
        path.write_bytes(noisy)
        done = check(str(path))
        assert done.returncode in (0, 1), done.stderr
        assert (done.returncode == 1) == ("expected" in done.stderr), done.stderr


def test_the_example_is_right(tmp_path):
    """As it stands, and with the keys in a file of BIND's form."""
    if not Understudy.has_ports():
        pytest.skip(f"{Understudy.build} is built without DPDK, the example has a port")
    keys = zones.write(tmp_path / "keys.conf",
                       'key "file.example" { algorithm hmac-sha512; secret "c2VjcmV0"; };\n')
    os.chmod(keys, 0o640)
    with open(os.path.join(PROJECT, "docs/understudy.yaml.example"), encoding="utf-8") as f:
        text = f.read()
    with_file = text.replace("# key-files: [/etc/understudy/keys.conf]", f"key-files: [{keys}]")
    assert with_file != text
    for content in (text, with_file.replace("key: transfer.example", "key: file.example")):
        path = zones.write(tmp_path / "c.yaml", content)
        os.chmod(path, 0o640)
        done = check(str(path))
        assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("keys, line, expectation", [
    ('key "a.example" { algorithm hmac-sha256; secret "!"; };', 1, "base64"),
    ('key "a.example" {\n algorithm hmac-x;\n secret "c2VjcmV0"; };', 2, "algorithm"),
    ('key "a.example" {\n algorithm hmac-sha256; };', None, "secret"),
    ('key "a.example" {', 2, "the end of the file"),
    ('zone "example.com" { };', 1, "key"),
    ('\n\nkey "a..b" { algorithm hmac-sha256; secret "c2VjcmV0"; };', 3, "name"),
])
def test_mistakes_in_key_files(tmp_path, keys, line, expectation):
    zones.write(tmp_path / "keys.conf", keys + "\n")
    path = zones.write(tmp_path / "c.yaml",
                       "listen:\n  - address: 10.53.0.2\nkey-files: [keys.conf]\n")
    done = check(str(path))
    assert done.returncode == 1
    where = f"{tmp_path}/keys.conf:" + (f"{line}: " if line else "")
    assert any(where in said and expectation in said for said in done.stderr.splitlines()), \
        done.stderr


def test_command_line(tmp_path):
    program = Understudy.program("understudyd")

    def run(*argv):
        return subprocess.run([program, *argv], capture_output=True, text=True, timeout=20,
                              check=False)
    assert run("--nonsense").returncode == 2
    assert run("-c").returncode == 2
    assert run("--check", "-c", str(tmp_path / "absent.yaml")).returncode == 1
    assert "absent.yaml" in run("--check", "-c", str(tmp_path / "absent.yaml")).stderr
    assert run("--help").returncode == 0 and "usage" in run("--help").stdout
    assert run("--version").stdout.startswith("understudyd ")


class Reloading:
    """Two zones at a primary, one of them configured at first."""

    def __init__(self, stage):
        self.primary = stage.peer(Bind, {
            name: zones.zone_text(name, 1, "www A 192.0.2.1\n") for name in ("a.test", "b.test")},
            key=KEY)
        self.server = stage.secondary(["a.test"], {"a.test": 1}, key=KEY)
        self.client = self.server.client(stage.clients)

    def rcode(self, name):
        return self.client.ask(name).rcode()

    def wait_rcode(self, name, rcode):
        wait_for(lambda: self.rcode(name) == rcode, 10, f"{rcode} for {name}")


@pytest.fixture
def reloading(stage):
    return Reloading(stage)


@pytest.mark.parametrize("how", ["SIGHUP", "understudyctl reload"])
def test_reload_adds_and_removes_zones(reloading, how):
    server = reloading.server

    def reload(content):
        server.zones = {zone: server.primaries for zone in content}
        server.write_config()
        if how == "SIGHUP":
            server.process.signal(signal.SIGHUP)
        else:
            done = server.ctl("reload")
            assert done.returncode == 0, done.stderr
    assert reloading.rcode("www.b.test") == dns.rcode.REFUSED
    reload(["a.test", "b.test"])
    reloading.wait_rcode("www.b.test", dns.rcode.NOERROR)
    assert reloading.rcode("www.a.test") == dns.rcode.NOERROR
    reload(["b.test"])
    reloading.wait_rcode("www.a.test", dns.rcode.REFUSED)
    assert reloading.rcode("www.b.test") == dns.rcode.NOERROR
    assert [row["zone"] for row in server.ctl_json("zones")["zones"]] == ["b.test."]


def test_reload_of_a_broken_configuration_changes_nothing(reloading):
    server = reloading.server
    good = open(server.path("understudy.yaml"), encoding="utf-8").read()
    for broken in (good + "nonsense: 1\n", "", good.replace("listen", "lisden"),
                   good.replace('"a.test"', '"a..test"')):
        zones.write(server.path("understudy.yaml"), broken)
        done = server.ctl("reload")
        assert done.returncode == 1 and "understudy.yaml:" in done.stderr + done.stdout
        server.process.signal(signal.SIGHUP)
        time.sleep(0.1)
        assert reloading.rcode("www.a.test") == dns.rcode.NOERROR
        assert server.zone_status("a.test")["state"] == "served"
    os.unlink(server.path("understudy.yaml"))
    assert server.ctl("reload").returncode == 1
    zones.write(server.path("understudy.yaml"), good)
    assert server.ctl("reload").returncode == 0
    assert reloading.rcode("www.a.test") == dns.rcode.NOERROR


def test_reload_tells_of_what_is_no_utf8(reloading):
    """A mistake in other octets than JSON knows, or cut within a character, is told all the same."""
    server = reloading.server
    server.options["key-files"] = ["keys.conf"]
    with open(server.path("keys.conf"), "wb") as f:
        f.write(b'key "a.test" {\n algorithm hmac-sha256;\n secr\xe9t "c2VjcmV0"; };\n')
    os.chmod(server.path("keys.conf"), 0o600)
    server.zones = {"x" * 79 + "\u00e9\u00e9\u00e9": server.primaries}
    server.write_config()
    done = server.ctl("--json", "reload")
    said = json.loads(done.stdout)["messages"]
    assert done.returncode == 1 and len(said) == 2, said
    assert "keys.conf:3: " in said[0] and 'not "secr?t"' in said[0]
    assert "understudy.yaml:" in said[1] and '"' + "x" * 79 + '?"' in said[1]


def test_reload_says_what_needs_a_restart(reloading):
    server = reloading.server
    assert server.ctl_json("reload")["messages"] == []
    for section, value in (("memory", {"max": 64}), ("database", {"enabled": False}),
                           ("rate-limit", {"table-size": 64})):
        server.options[section] = value
        server.write_config()
        said = server.ctl_json("reload")["messages"]
        assert len(said) == 1 and section in said[0] and "restart only" in said[0], (section, said)


def test_reload_while_asked(reloading):
    """Queries go on through a hundred reloads that add and remove a zone."""
    server = reloading.server
    for i in range(100):
        content = ["a.test", "b.test"] if i % 2 else ["a.test"]
        server.zones = {zone: server.primaries for zone in content}
        server.write_config()
        server.process.signal(signal.SIGHUP)
        for _ in range(5):
            assert reloading.rcode("www.a.test") == dns.rcode.NOERROR


def test_reload_changes_texts_and_keys(reloading):
    server, client = reloading.server, reloading.client
    assert client.ask("id.server", "TXT", rdclass="CH").answer
    server.options["server"] = {"edns-udp-size": 1400}
    server.reload()
    wait_for(lambda: client.ask("id.server", "TXT", rdclass="CH").rcode() == dns.rcode.REFUSED, 5,
             "no identity any more")
    assert client.ask("www.a.test", edns=4096).payload == 1400
    # A key that the primary does not know: transfers fail from now on, what is served stays.
    server.key = (KEY[0], KEY[1], "AAAAAAAAAAAAAAAAAAAAAA==")
    server.reload()
    server.ctl("zone", "retransfer", "a.test")
    wait_for(lambda: not server.last_attempt("a.test")["ok"], 10, "a failed transfer")
    assert "tsig" in server.last_attempt("a.test")["reason"] \
        or server.last_attempt("a.test")["reason"] in ("notauth", "refused")
    assert reloading.rcode("www.a.test") == dns.rcode.NOERROR
    server.key = KEY
    server.reload()
    server.ctl("zone", "retransfer", "a.test")
    wait_for(lambda: server.last_attempt("a.test")["ok"], 10, "a good transfer")


@pytest.mark.parametrize("key, reasons", [
    ((KEY[0], KEY[1], "AAAAAAAAAAAAAAAAAAAAAA=="), ("notauth", "tsig-badsig")),
    (("unknown.example", KEY[1], KEY[2]), ("notauth", "tsig-badkey")),
    (None, ("refused",)),
], ids=["wrong secret", "unknown key", "no key"])
def test_primary_that_does_not_take_our_key(stage, key, reasons):
    """BIND refuses; the reason is told, and the right key mends it."""
    stage.peer(Bind, {"a.test": zones.zone_text("a.test", 1)}, key=KEY)
    server = stage.secondary(["a.test"], key=key)
    client = server.client(stage.clients)

    def failed():
        last = server.last_attempt("a.test")
        return last and not last["ok"] and last
    last = wait_for(failed, 10, "a failed attempt")
    assert last["reason"] in reasons and last["text"], last
    assert client.ask("a.test", "SOA").rcode() == dns.rcode.SERVFAIL
    server.key = KEY
    server.reload()
    server.ctl("zone", "refresh", "a.test")
    wait_for(lambda: client.serial("a.test") == 1, 15, "the zone")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signals_end_it_cleanly(reloading, number):
    """Those that follow while it stops do not cut that short."""
    process = reloading.server.process
    process.signal(number)
    for i in range(2000):
        process.signal((signal.SIGTERM, signal.SIGINT, signal.SIGHUP)[i % 3])
    assert process.wait(10) == 0
    assert not os.path.exists(reloading.server.path("sock"))
    reloading.server.process = None


def test_what_cannot_be_started_says_why(stage):
    """A port that is taken, a socket in a folder that cannot be."""
    with stage.server_ns:
        taken = socket.create_server(("127.0.0.1", 5353))
    for sections, word in (({"listen": [{"address": "127.0.0.1", "port": 5353}]}, "127.0.0.1"),
                           ({"control": {"socket": "/proc/nowhere/sock"}}, "/proc/nowhere")):
        path = f"{stage.dir}/c.yaml"
        config = {"listen": [{"address": "127.0.0.1"}],
                  "control": {"socket": f"{stage.dir}/s"}, **sections}
        zones.write(path, yaml(config))
        with stage.server_ns:
            done = subprocess.run([Understudy.program("understudyd"), "-c", path], timeout=20,
                                  capture_output=True, text=True, check=False)
        assert done.returncode == 1 and word in done.stderr, done.stderr
    taken.close()
