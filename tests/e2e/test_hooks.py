# SPDX-License-Identifier: BSD-3-Clause
"""The program that is run when a zone needs attention."""

import json
import os
import time

import pytest

from harness.peers import KEY
from harness.process import wait_for
from harness.scripted import Close, Pause, Scripted

ORIGIN = "example.com"
pytestmark = pytest.mark.understudy

SCRIPT = """#!/bin/sh
# What it was given: arguments, environment, standard input.
line="$1|$2|$(tr '\\0' ',' <"/proc/$$/environ")|$(cat)"
echo "$line" >>"$1"
"""


class Scene:
    def __init__(self, stage, script=SCRIPT, timers="5 2 600 5", zone=None, **hooks):
        self.program = os.path.join(stage.dir, "hook")
        self.said = os.path.join(stage.dir, "said")
        with open(self.program, "w", encoding="ascii") as f:
            f.write(script)
        os.chmod(self.program, 0o755)
        self.primary = stage.start(Scripted(stage.clients, ORIGIN, KEY, timers=timers))
        self.server = stage.secondary(
            [ORIGIN], {ORIGIN: 1}, primaries=[self.primary.address], key=KEY,
            zones=[{"name": ORIGIN, "primaries": [f"p{self.primary.address}"], **(zone or {})}],
            hooks={"command": [self.program, self.said, "$HOME; two words"], "hold": 0, **hooks})

    def silence(self):
        for qtype in self.primary.replies:
            self.primary.replies[qtype] = lambda q: [Close]

    def lines(self):
        if not os.path.exists(self.said):
            return []
        with open(self.said, encoding="ascii") as f:
            return f.read().splitlines()

    def events(self):
        return [json.loads(line.split("|")[-1])["event"] for line in self.lines()]

    def wait_events(self, *events, timeout=20):
        wait_for(lambda: self.events() == list(events), timeout,
                 lambda: f"{events}, got {self.events()}")

    def stats(self):
        return self.server.ctl_json("stats")["transfers"]


def test_from_bad_to_expired_and_back(stage):
    """Each trouble once, in order; then recovery. The program gets its arguments as they
    stand, hardly any environment, and one line of JSON."""
    scene = Scene(stage, timers="5 2 30 5")
    scene.silence()
    wait_for(lambda: "expired" in scene.events(), 60, scene.events)
    assert sorted(scene.events()) == ["expired", "near-expiry-50", "near-expiry-80",
                                      "near-expiry-95", "unreachable"]
    near = [e for e in scene.events() if e != "unreachable"]
    assert near == ["near-expiry-50", "near-expiry-80", "near-expiry-95", "expired"]
    scene.primary.good()
    wait_for(lambda: scene.events()[-1] == "recovered", 20, scene.events)
    first = scene.lines()[0].split("|")
    assert first[:2] == [scene.said, "$HOME; two words"]
    assert {v.split("=")[0] for v in first[2].split(",") if v} <= {"PATH", "PWD"}
    told = json.loads(first[3])
    assert told["zone"] == "example.com." and told["serial"] == 1
    assert abs(told["time"] - time.time()) < 60 and told["expires"] > told["time"]
    assert told["primaries"][0]["reason"] in ("closed", "timeout", "io", "connect", "none")
    log = scene.server.process.log_text()
    for event in scene.events():
        assert f"({event})" in log
    assert scene.stats()["hooks_run"] == 6 and scene.stats()["hooks_failed"] == 0


def test_restart(stage):
    """What was told is not told again after kill -9, and its end is not lost."""
    scene = Scene(stage)
    scene.silence()
    scene.wait_events("unreachable")
    time.sleep(1)  # until it is stored
    scene.server.process.kill()
    os.unlink(scene.server.path("sock"))
    scene.server.start()
    wait_for(lambda: scene.server.zone_status(ORIGIN)["failures"] >= 2, 30, "asked again")
    assert scene.events() == ["unreachable"]
    scene.primary.good()
    scene.wait_events("unreachable", "recovered")


def test_flapping_is_held_back(stage):
    """What comes and goes within the hold time runs nothing."""
    scene = Scene(stage, hold=4, timers="600 600 6000 5", zone={"older-serial": "refuse"})
    for _ in range(3):
        for serial, ok in ((4000000000, False), (1, True)):
            scene.primary.serial = serial
            scene.server.ctl("zone", "refresh", ORIGIN)
            wait_for(lambda o=ok: scene.server.last_attempt(ORIGIN)["ok"] == o, 20, serial)
            time.sleep(1.2)
    assert scene.events() == [] and scene.stats()["alarms"] == 0
    scene.primary.serial = 4000000000
    scene.server.ctl("zone", "refresh", ORIGIN)
    scene.wait_events("refused")


def test_refused_by_policy(stage):
    scene = Scene(stage, zone={"older-serial": "refuse"})
    scene.primary.serial = 4000000000
    assert scene.server.ctl("zone", "refresh", ORIGIN).returncode == 0
    scene.wait_events("refused")
    scene.primary.serial = 2
    scene.wait_events("refused", "recovered")


def test_serials_without_transfers(stage):
    """A primary that tells its serial over UDP, while no transfer comes, is out of reach."""
    scene = Scene(stage, hold=5)
    for qtype in ("IXFR", "AXFR"):  # some time between a good serial and a failed transfer
        scene.primary.replies[qtype] = lambda q: [Pause(1.5), Close]
    scene.primary.serial = 2
    scene.wait_events("unreachable", timeout=30)
    told = json.loads(scene.lines()[0].split("|")[-1])
    assert told["primaries"][0]["reason"] in ("closed", "io")
    time.sleep(4)
    assert scene.events() == ["unreachable"]
    scene.primary.good()
    scene.wait_events("unreachable", "recovered")


def test_switched_off(stage):
    """No program for this zone; the log tells all the same."""
    scene = Scene(stage, zone={"hooks": False})
    scene.silence()
    wait_for(lambda: "(unreachable)" in scene.server.process.log_text(), 20, "the log")
    time.sleep(0.5)
    assert scene.lines() == [] and scene.stats()["hooks_run"] == 0


@pytest.mark.parametrize("script,word", [
    ("#!/bin/sh\nsleep 60 &\nsleep 60\n", "as its time was over"),
    ("#!/bin/sh\nexit 3\n", "exit status 3"),
    ("#!/nonexistent\n", "cannot be run")])
def test_programs_that_fail(stage, script, word):
    """One that does not end is killed, with all that it started; queries go on."""
    scene = Scene(stage, script=script, timeout=1)
    scene.silence()
    wait_for(lambda: word in scene.server.process.log_text(), 20, word)
    wait_for(lambda: scene.stats()["hooks_failed"] == 1, 5, scene.stats)
    assert scene.server.client(stage.clients).serial(ORIGIN) == 1


def test_end_while_a_program_runs(stage):
    scene = Scene(stage, script="#!/bin/sh\nexec sleep 60\n")
    scene.silence()
    wait_for(lambda: scene.stats()["hooks_run"] == 1, 20, scene.stats)
    start = time.monotonic()
    stage.started.remove(scene.server)
    scene.server.stop()
    assert time.monotonic() - start < 10
