# SPDX-License-Identifier: BSD-3-Clause
"""What lasts: restarts, damage, a full disk, and the commands around stored zones."""

import os
import random
import subprocess
import time

import dns.rcode
import dns.zone
import pytest

from harness import zones
from harness.peers import Bind
from harness.process import wait_for
from harness.scripted import Scripted

pytestmark = pytest.mark.understudy

SMALL, LARGE = "small.example", "large.example"
CHECKS = ["-i", "none", "-k", "ignore", "-m", "ignore", "-r", "ignore"]
HOSTS = 2000  # of the large zone, so that it has a file of its own


def small_text(serial, timers=zones.TIMERS):
    return zones.zone_text(SMALL, serial, zones.VARIED + f"stamp TXT \"{serial}\"\n", timers)


def large_text(serial):
    return zones.zone_text(LARGE, serial, zones.many_names(HOSTS) + f"stamp TXT \"{serial}\"\n")


class Scene:
    def __init__(self, stage, **options):
        self.stage = stage
        self.primary = stage.peer(Bind, {SMALL: small_text(1), LARGE: large_text(1)})
        self.server = stage.secondary([SMALL, LARGE], {SMALL: 1, LARGE: 1}, **options)
        self.client = self.server.client(stage.clients)

    def stored(self, zone):
        return self.server.zone_status(zone)["stored_serial"]

    def wait_stored(self, serials, timeout=10):
        for zone, serial in serials.items():
            wait_for(lambda z=zone, s=serial: self.stored(z) == s, timeout,
                     lambda z=zone, s=serial: f"{z} stored with {s}, not {self.stored(z)}")

    def update(self, zone, serial, timeout=10):
        text = small_text(serial) if zone == SMALL else large_text(serial)
        self.primary.replace_zone(zone, text)
        wait_for(lambda: self.client.serial(zone) == serial, timeout, f"{zone} {serial}")

    def dump(self, zone):
        path = self.server.path(f"dump.{zone}")
        done = self.server.ctl("zone", "dump", zone, path)
        assert done.returncode == 0, done.stderr
        return path

    def must_equal(self, zone, text):
        """Record by record; BIND reads the dump, in which some types have no form of
        their own, and writes what dnspython reads."""
        path = self.dump(zone)
        done = subprocess.run(["/usr/bin/named-compilezone", *CHECKS, "-o", path + ".bind", zone,
                               path], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        here = dns.zone.from_file(path + ".bind", zone, relativize=False)
        there = dns.zone.from_text(text, zone, relativize=False)
        assert set(here.nodes) == set(there.nodes)
        for name in there.nodes:
            assert {(r.rdtype, r.ttl, frozenset(r)) for r in here[name].rdatasets} == \
                   {(r.rdtype, r.ttl, frozenset(r)) for r in there[name].rdatasets}, name

    def silence(self):
        self.primary.stop()


def test_restart_without_primary(stage):
    """After a restart zones are served though no primary can be asked, with their
    timers as they were."""
    scene = Scene(stage)
    scene.update(LARGE, 2)
    scene.update(SMALL, 3)
    scene.wait_stored({SMALL: 3, LARGE: 2})
    before = scene.server.zone_status(LARGE)
    scene.silence()
    scene.server.stop()
    time.sleep(2)
    started = time.monotonic()
    scene.server.start()
    assert scene.client.serial(LARGE) == 2 and scene.client.serial(SMALL) == 3
    assert time.monotonic() - started < 5
    after = scene.server.zone_status(LARGE)
    assert after["doing"] == "idle", "nobody is asked before it is time"
    assert after["last_success"] == before["last_success"]
    assert 1 <= before["expires_s"] - after["expires_s"] <= 30
    assert before["next_refresh_s"] > after["next_refresh_s"] > 0
    assert after["primaries"][0]["last"]["serial"] == 2
    scene.must_equal(LARGE, large_text(2))
    scene.must_equal(SMALL, small_text(3))


def test_killed(stage):
    """The same after kill -9, and changes go on from there."""
    scene = Scene(stage)
    scene.update(LARGE, 5)
    scene.wait_stored({SMALL: 1, LARGE: 5})
    scene.server.process.kill()
    os.unlink(scene.server.path("sock"))
    scene.server.start()
    assert scene.client.serial(LARGE) == 5
    scene.must_equal(LARGE, large_text(5))
    scene.update(LARGE, 6)
    scene.wait_stored({LARGE: 6})
    scene.must_equal(LARGE, large_text(6))
    assert scene.server.ctl_json("stats")["store"]["refused"] == 0


def test_news_while_down(stage):
    """A NOTIFY that came while the daemon was down is lost; the zone is looked at soon,
    though its refresh is an hour away."""
    scene = Scene(stage)
    scene.wait_stored({SMALL: 1, LARGE: 1})
    scene.server.stop()
    scene.primary.replace_zone(SMALL, small_text(2))
    wait_for(lambda: scene.primary.client.serial(SMALL) == 2, 10, "the primary has it")
    time.sleep(1)
    scene.server.start()
    assert scene.client.serial(SMALL) == 1
    wait_for(lambda: scene.client.serial(SMALL) == 2, 20, "asked")
    assert scene.server.zone_status(SMALL)["next_refresh_s"] > 600


def test_link(stage):
    """The link is blocked while the primary does not answer, with the reason and since when;
    over a restart too; and normal again."""
    scene = Scene(stage)
    before = scene.server.zone_status(SMALL)
    assert before["link"] == before["primaries"][0]["link"] == "normal"
    scene.silence()
    scene.server.ctl("zone", "refresh", SMALL)
    status = wait_for(lambda: (s := scene.server.zone_status(SMALL))["link"] == "blocked" and s,
                      20, "blocked")
    primary = status["primaries"][0]
    assert primary["link"] == "blocked" and primary["serial"] == 1
    assert primary["link_since"] == status["link_since"] >= before["link_since"]
    assert status["link_text"] == primary["last"]["text"]
    assert "link" in scene.server.ctl("zone", "status", SMALL).stdout
    time.sleep(1)
    scene.server.process.kill()
    os.unlink(scene.server.path("sock"))
    scene.server.start()
    again = scene.server.zone_status(SMALL)
    assert again["link"] == "blocked" and again["link_since"] == status["link_since"]
    assert again["link_text"] == status["link_text"]
    scene.primary.start()
    scene.server.ctl("zone", "refresh", SMALL)
    wait_for(lambda: scene.server.zone_status(SMALL)["link"] == "normal", 20, "normal")


def test_expired_while_down(stage):
    """Time that passes while the daemon is down counts: an expired zone answers
    SERVFAIL until its primary is back."""
    primary = stage.start(Scripted(stage.clients, SMALL, timers="5 2 7 5"))
    server = stage.secondary([SMALL], {SMALL: 1}, primaries=[primary.address])
    client = server.client(stage.clients)
    wait_for(lambda: server.zone_status(SMALL)["stored_serial"] == 1, 10, "stored")
    server.stop()
    replies = dict(primary.replies)
    for qtype in primary.replies:
        primary.replies[qtype] = lambda q: []
    time.sleep(9)
    server.start()
    assert client.ask(SMALL, "SOA").rcode() == dns.rcode.SERVFAIL
    assert server.zone_status(SMALL)["state"] == "expired"
    primary.replies.update(replies)
    wait_for(lambda: client.serial(SMALL) == 1, 40, "served again")


def test_status_tells_both_serials(stage):
    """What is served is stored within a second."""
    scene = Scene(stage)
    scene.wait_stored({SMALL: 1, LARGE: 1})
    for serial in range(2, 8):
        scene.update(LARGE, serial)
        scene.wait_stored({LARGE: serial}, 1.5)
    stats = scene.server.ctl_json("stats")["store"]
    assert stats["deltas"] >= 3, "changes are appended"
    assert "stored serial" in scene.server.ctl("zone", "status", LARGE).stdout


# ---- damage

def flip(path, at):
    with open(path, "r+b") as f:
        f.seek(at)
        octet = f.read(1)[0]
        f.seek(at)
        f.write(bytes([octet ^ random.randrange(1, 256)]))


def files_of(folder):
    for where, _, names in os.walk(folder):
        for name in names:
            yield os.path.join(where, name)


def test_flipped_octets(stage):
    """A flipped octet in any file: each zone is served as it was, or fetched anew,
    never damaged."""
    scene = Scene(stage)
    scene.update(LARGE, 2)
    scene.wait_stored({SMALL: 1, LARGE: 2})
    refused = 0
    for name in ("state.mdb", "zone"):
        for _ in range(4):
            scene.server.stop()
            scene.silence()
            path = next(p for p in files_of(scene.server.path("store")) if p.endswith(name))
            flip(path, random.randrange(os.path.getsize(path)))
            scene.server.start()
            for zone, text in ((SMALL, small_text(1)), (LARGE, large_text(2))):
                if scene.client.serial(zone) is None:
                    refused += 1
                else:
                    scene.must_equal(zone, text)
            scene.primary.start()
            scene.server.ctl("zone", "refresh", "--all")
            for zone, serial in ((SMALL, 1), (LARGE, 2)):
                wait_for(lambda z=zone, s=serial: scene.client.serial(z) == s, 20, zone)
            scene.wait_stored({SMALL: 1, LARGE: 2})
    assert refused >= 4, "the large zone's file is read whole"
    assert "damaged" in scene.server.process.log_text()


def test_full_disk(stage):
    """A full disk: zones are served and updated all the same, the status says why
    nothing is stored, and storing goes on by itself."""
    folder = os.path.join(stage.dir, "tiny")
    os.makedirs(folder)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=400k", "tmpfs", folder], check=True)
    try:
        scene = Scene(stage, database={"path": folder + "/store"})
        scene.wait_stored({SMALL: 1, LARGE: 1})
        filler = os.open(folder + "/filler", os.O_WRONLY | os.O_CREAT)
        with pytest.raises(OSError):
            while True:
                os.write(filler, bytes(4096))
        os.close(filler)
        scene.update(LARGE, 2)
        status = wait_for(lambda: (s := scene.server.ctl_json("status")["store"])["failing"]
                          and s, 10, "failing")
        assert "No space" in status["error"]
        assert "FAILS" in scene.server.ctl("status").stdout
        scene.update(LARGE, 3)
        assert scene.stored(LARGE) == 1
        scene.server.process.kill()
        os.unlink(scene.server.path("sock"))
        scene.silence()
        scene.server.start()
        serial = scene.client.serial(LARGE)
        assert serial in (1, 2, 3), "what was stored, or what there was room to append"
        scene.must_equal(LARGE, large_text(serial))
        scene.primary.start()
        scene.server.ctl("zone", "refresh", LARGE)
        wait_for(lambda: scene.client.serial(LARGE) == 3, 20, "updated")
        os.unlink(folder + "/filler")
        scene.wait_stored({LARGE: 3}, 20)
        assert not scene.server.ctl_json("status")["store"]["failing"]
    finally:
        stage.clear()
        subprocess.run(["umount", folder], check=True)


# ---- commands

def test_dump(stage):
    """A dump is a zone file that named-checkzone takes and that holds the same."""
    scene = Scene(stage)
    scene.must_equal(SMALL, small_text(1))
    scene.must_equal(LARGE, large_text(1))
    for zone in (SMALL, LARGE):
        done = subprocess.run(["/usr/bin/named-checkzone", *CHECKS, zone, scene.dump(zone)],
                              capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
    assert scene.server.ctl("zone", "dump", SMALL).stdout.startswith(f"{SMALL}.\t300\tIN\tSOA\t")
    missing = scene.server.ctl("zone", "dump", "absent.example")
    assert missing.returncode == 1 and "no such zone" in missing.stderr


def test_freeze_and_thaw(stage):
    """A frozen zone asks nobody, over a restart too; thawed, it makes up for it."""
    scene = Scene(stage)
    assert scene.server.ctl("zone", "freeze", SMALL, LARGE).returncode == 0
    assert scene.server.zone_status(SMALL)["doing"] == "frozen"
    scene.primary.replace_zone(SMALL, small_text(2))
    wait_for(lambda: scene.primary.client.serial(SMALL) == 2, 10, "the primary has it")
    time.sleep(1.5)
    assert scene.client.serial(SMALL) == 1
    scene.server.stop()
    scene.server.start()
    assert scene.server.zone_status(SMALL)["doing"] == "frozen"
    scene.primary.reload(SMALL)
    scene.server.ctl("zone", "refresh", SMALL)
    time.sleep(1)
    assert scene.client.serial(SMALL) == 1
    assert scene.server.ctl("zone", "thaw", "--all").returncode == 0
    wait_for(lambda: scene.client.serial(SMALL) == 2, 10, "thawed")
    assert scene.server.zone_status(LARGE)["doing"] == "idle"


def test_purge(stage):
    """A purged zone begins as if it were new; what is no longer configured stays in
    the store until it is purged."""
    scene = Scene(stage)
    scene.wait_stored({SMALL: 1, LARGE: 1})
    scene.silence()
    assert scene.server.ctl("zone", "purge", SMALL).returncode == 0
    assert scene.client.ask(SMALL, "SOA").rcode() == dns.rcode.SERVFAIL
    wait_for(lambda: scene.stored(SMALL) is None, 5, "purged")
    assert scene.server.zone_status(SMALL)["zonemd"] is None
    scene.primary.start()
    scene.server.ctl("zone", "refresh", SMALL)
    wait_for(lambda: scene.client.serial(SMALL) == 1, 20, "fetched anew")
    scene.wait_stored({SMALL: 1})
    both = dict(scene.server.zones)
    del scene.server.zones[LARGE]
    scene.server.reload()
    wait_for(lambda: scene.client.ask(LARGE, "SOA").rcode() == dns.rcode.REFUSED, 5, "gone")
    listed = scene.server.ctl_json("store", "list")["zones"]
    assert listed == [{"zone": f"{LARGE}.", "serial": 1}]
    scene.silence()
    scene.server.zones = both
    scene.server.reload()
    wait_for(lambda: scene.client.serial(LARGE) == 1, 5, "back from the store")
    del scene.server.zones[LARGE]
    scene.server.reload()
    wait_for(lambda: scene.client.ask(LARGE, "SOA").rcode() == dns.rcode.REFUSED, 5, "gone")
    assert scene.server.ctl("zone", "purge", LARGE).returncode == 0
    wait_for(lambda: not scene.server.ctl_json("store", "list")["zones"], 5, "purged")
    assert scene.server.ctl("zone", "purge", LARGE).returncode == 1


def test_wait(stage):
    """zone wait returns when the serial is served, not before."""
    scene = Scene(stage)
    assert scene.server.ctl("zone", "wait", SMALL, "1").returncode == 0
    late = scene.server.ctl("zone", "wait", SMALL, "2", "--timeout", "1")
    assert late.returncode == 1 and "not served yet" in late.stderr
    for serial, code in ((2**31 + 2, 0), (2**31 + 1, 1), (2**31, 1)):  # RFC 1982, 3.2
        done = scene.server.ctl("zone", "wait", SMALL, str(serial), "--timeout", "0")
        assert done.returncode == code, serial
    argv = [scene.server.program("understudyctl"), "-s", scene.server.path("sock"),
            "zone", "wait", SMALL, "2"]
    with subprocess.Popen(argv) as waiting:
        time.sleep(0.5)
        assert waiting.poll() is None
        scene.primary.replace_zone(SMALL, small_text(2))
        assert waiting.wait(10) == 0
    assert scene.client.serial(SMALL) == 2
    assert scene.server.ctl("zone", "wait", SMALL, "x").returncode == 1
    assert scene.server.ctl("zone", "wait", SMALL).returncode == 0  # what the primary has
    assert scene.server.ctl("zone", "wait").returncode == 2


def test_one_daemon_a_folder(stage):
    """A second daemon on the same folder does not start, and harms nothing."""
    scene = Scene(stage)
    second = subprocess.run(
        ["ip", "netns", "exec", stage.server_ns.name, *scene.server.argv()],
        capture_output=True, text=True, timeout=20, check=False)
    assert second.returncode == 1
    assert "another understudyd uses it" in second.stderr
    assert scene.client.serial(LARGE) == 1
