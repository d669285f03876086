# SPDX-License-Identifier: BSD-3-Clause
"""Zones that are added and removed by command, and what becomes of them."""

import os
import random
import subprocess

import dns.rcode
import pytest

from harness import net, zones
from harness.peers import Bind
from harness.process import wait_for

pytestmark = pytest.mark.understudy

FILE, ONE, TWO, THREE = "file.example", "one.example", "two.example", "three.example"
PRIMARY = f"p{net.BIND}"
TEMPLATES = [{"id": "usual", "primaries": [PRIMARY]}]


class Scene:
    def __init__(self, stage, **options):
        self.primary = stage.peer(Bind, {z: zones.zone_text(z) for z in (FILE, ONE, TWO, THREE)})
        self.server = stage.secondary([FILE], {FILE: 1}, **{"templates": TEMPLATES, **options})
        self.client = self.server.client(stage.clients)

    def do(self, *argv):
        done = self.server.ctl("zone", *argv)
        assert done.returncode == 0, done.stderr
        return done

    def refused(self, *argv):
        """What understudyctl says when the daemon does not do it."""
        done = self.server.ctl("zone", *argv)
        assert done.returncode == 1, done.stdout
        return done.stderr

    def add(self, *names):
        self.do("add", "--template", "usual", *names)

    def must_serve(self, *names):
        for zone in names:
            wait_for(lambda z=zone: self.client.serial(z) == 1, 10, f"{zone} served")

    def must_not_know(self, *names):
        for zone in names:
            assert self.client.ask(zone, "SOA").rcode() == dns.rcode.REFUSED, zone

    def comes_from(self):
        return {r["zone"].rstrip("."): r["from"] for r in self.server.ctl_json("zones")["zones"]}

    def check(self):
        """What the daemon says of its configuration without starting."""
        return subprocess.run([*self.server.argv(), "--check"], capture_output=True, text=True,
                              timeout=20, check=False)

    def kill(self):
        self.server.process.kill()
        os.unlink(self.server.path("sock"))

    def journal(self, copy):
        return self.server.path(f"store/added.{copy}")


def test_add_and_remove(stage):
    """Added zones are served, and last when the command has returned: kill -9 takes none."""
    scene = Scene(stage)
    scene.must_not_know(ONE, TWO, THREE)
    scene.add(ONE, TWO)
    scene.do("add", "--primary", PRIMARY, THREE)
    scene.must_serve(FILE, ONE, TWO, THREE)
    assert scene.comes_from() == {FILE: "file", ONE: "command", TWO: "command", THREE: "command"}
    assert "zone add, template usual" in scene.server.ctl("zone", "status", ONE).stdout
    wait_for(lambda: scene.server.zone_status(TWO)["stored_serial"], 5, "stored")
    many = scene.server.ctl("zone", "status", ONE, TWO).stdout
    assert f"{ONE}." in many and f"{TWO}." in many
    scene.do("remove", TWO)
    scene.must_not_know(TWO)
    for _ in range(2):
        scene.kill()
        scene.server.start()
        scene.must_serve(FILE, ONE, THREE)
        scene.must_not_know(TWO)
    listed = scene.server.ctl_json("store", "list")["zones"]
    assert [row["zone"] for row in listed] == [f"{TWO}."], "what is stored stays until a purge"
    scene.add(TWO)
    scene.must_serve(TWO)
    scene.do("remove", ONE, TWO, THREE)
    scene.must_not_know(ONE, TWO, THREE)
    scene.must_serve(FILE)
    scene.do("purge", "--all")
    wait_for(lambda: not scene.server.ctl_json("store", "list")["zones"], 5, "all is purged")
    scene.must_serve(FILE)


def test_mistakes(stage):
    """What cannot be is told, and changes nothing."""
    scene = Scene(stage)
    scene.add(ONE)
    assert "there already" in scene.refused("add", "--template", "usual", ONE)
    assert "there already" in scene.refused("add", "--template", "usual", FILE.upper())
    assert 'no template "other"' in scene.refused("add", "--template", "other", TWO)
    assert 'no primary "nobody"' in scene.refused("add", "--primary", "nobody", TWO)
    assert "named twice" in scene.refused("add", "-p", PRIMARY, "-p", PRIMARY, TWO)
    assert "domain name" in scene.refused("add", "--template", "usual", "a..b")
    assert "changed there" in scene.refused("remove", FILE)
    assert "no such zone" in scene.refused("remove", TWO)
    assert scene.server.ctl("zone", "add", TWO).returncode == 2
    assert scene.server.ctl("zone", "refresh", "--template", "usual", ONE).returncode == 2
    scene.must_serve(FILE, ONE)
    scene.must_not_know(TWO)
    assert len(scene.server.ctl_json("zones")["zones"]) == 2


def test_reload(stage):
    """A reload keeps added zones, and applies to them what changed; where the file names
    one as well, the file holds; a template that they need cannot go."""
    scene = Scene(stage)
    scene.add(ONE, TWO)
    scene.must_serve(ONE, TWO)
    both = dict(scene.server.zones)
    scene.server.zones[TWO] = (net.BIND,)
    scene.server.write_config()
    done = scene.server.ctl("reload")
    assert done.returncode == 0 and f"zone {TWO}. stands in the file as well" in done.stdout
    assert scene.comes_from() == {FILE: "file", ONE: "command", TWO: "file"}
    checked = scene.check()
    assert checked.returncode == 0 and "2 zones, 1 more added by command" in checked.stdout
    scene.server.zones = both
    scene.server.options["templates"] = []
    scene.server.write_config()
    done = scene.server.ctl("reload")
    assert done.returncode == 1 and f'{ONE}.: there is no template "usual"' in done.stderr
    scene.must_serve(ONE, TWO)
    checked = scene.check()
    assert checked.returncode == 1 and f'{ONE}.: there is no template "usual"' in checked.stderr
    scene.kill()
    scene.server.start()
    scene.must_serve(FILE)
    scene.must_not_know(ONE, TWO)
    assert f"zone {ONE}. is left out" in scene.server.process.log_text()
    scene.do("remove", TWO)
    scene.server.options["templates"] = [{**TEMPLATES[0], "refresh-min": 7}]
    scene.server.write_config()
    assert scene.server.ctl("reload").returncode == 0
    scene.must_serve(ONE)
    scene.must_not_know(TWO)


def test_damage(stage):
    """Flipped octets in one of the two files, or a lost one, take no zone."""
    scene = Scene(stage)
    scene.add(ONE, TWO, THREE)
    scene.do("remove", TWO)
    scene.must_serve(ONE, THREE)
    for turn in range(8):
        scene.kill()
        path = scene.journal(1 + turn % 2)
        with open(scene.journal(1), "rb") as a, open(scene.journal(2), "rb") as b:
            whole = a.read()
            assert whole == b.read(), "both are mended at start"
        if turn < 2:
            os.unlink(path)
        else:
            at = random.randrange(len(whole))
            with open(path, "wb") as f:
                f.write(whole[:at] + bytes([whole[at] ^ random.randrange(1, 256)]) + whole[at + 1:])
        scene.server.start()
        scene.must_serve(FILE, ONE, THREE)
        scene.must_not_know(TWO)


def test_without_a_store(stage):
    """Where nothing is kept, no zone is added."""
    scene = Scene(stage, database={"enabled": False})
    assert "no database" in scene.refused("add", "--template", "usual", ONE)
    scene.must_not_know(ONE)
