# SPDX-License-Identifier: BSD-3-Clause
"""What the operator is told, of one zone, of many, and of all; and waits for."""

import json
import os
import stat
import subprocess
import time

import pytest

from harness import net, zones
from harness.peers import KEY, OTHER_KEY, Bind
from harness.process import wait_for
from harness.scripted import Close, Pause, Scripted, ScriptedMany, notify

pytestmark = pytest.mark.understudy

ORIGIN = "example.com"
MANY = [f"z{i:02}.example" for i in range(30)]


def answer_nothing(zone):
    for qtype in zone.replies:
        zone.replies[qtype] = lambda q: [Close]


def listed(server, *kinds):
    return [row["zone"].rstrip(".") for row in server.ctl_json("zones", *kinds)["zones"]]


@pytest.fixture(scope="module")
def scene(module_stage):
    """Thirty zones, of which the last is broken at its primary and never came."""
    primary = module_stage.start(ScriptedMany(module_stage.clients, MANY, timers="600 600 6000 5"))
    answer_nothing(primary.zone(MANY[-1]))
    server = module_stage.secondary(MANY, {z: 1 for z in MANY[:-1]}, primaries=[primary.address])
    wait_for(lambda: listed(server, "--blocked") == [MANY[-1]], 10, "a blocked link")
    return server, primary


def test_blocked_zones_are_seen_at_once(scene):
    server, _ = scene
    rows = {row["zone"]: row for row in server.ctl_json("zones")["zones"]}
    well, bad = rows[MANY[0] + "."], rows[MANY[-1] + "."]
    assert well["link"] == "normal" and well["failures"] == 0 and "link_reason" not in well
    assert bad["link"] == "blocked" and bad["failures"] >= 1 and bad["link_reason"] == "closed"
    table = server.ctl("zones").stdout
    assert "blocked: closed" in table and "LINK" in table.splitlines()[0]
    counts = server.ctl_json("status")["zones"]
    assert (counts["served"], counts["not_loaded"], counts["blocked"]) == (29, 1, 1)
    assert "; 1 blocked" in server.ctl("status").stdout
    assert listed(server, "--not-loaded") == [MANY[-1]]
    assert listed(server, "--served") == MANY[:-1]
    assert listed(server, "--served", "--blocked") == MANY
    assert listed(server, "--expired") == [] and listed(server, "--frozen") == []
    server.ctl("zone", "freeze", MANY[3])
    assert listed(server, "--frozen", "--expired") == [MANY[3]]
    assert server.ctl("zone", "thaw", "--frozen").returncode == 0
    assert listed(server, "--frozen") == []
    for wrong in (("zones", "more"), ("zones", "--all"), ("status", "--blocked"),
                  ("zone", "refresh", "--all", "--blocked"), ("zone", "add", "--blocked")):
        assert server.ctl(*wrong).returncode == 2, wrong


def test_status_of_many_and_all(scene):
    server, _ = scene
    for argv, count in ((MANY[:2], 2), (["--all"], 30), (["--not-loaded"], 1)):
        done = server.ctl("zone", "status", *argv)
        assert done.returncode == 0 and done.stdout.count("\nstate ") == count, argv
    done = server.ctl("zone", "status", MANY[0], "nothing.example")
    assert done.returncode == 1 and "nothing.example: no such zone" in done.stderr


def test_dump_of_many_and_all(scene, tmp_path):
    """Each zone into a file of its own, which named-checkzone takes."""
    server, _ = scene
    done = server.ctl("zone", "dump", "--output-dir", str(tmp_path), MANY[0], MANY[1])
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert sorted(os.listdir(tmp_path)) == [f"{z}.zone" for z in MANY[:2]]
    done = server.ctl("zone", "dump", "-d", str(tmp_path), "--all")
    assert done.returncode == 1 and f"{MANY[-1]}.: the zone is not loaded" in done.stderr
    assert sorted(os.listdir(tmp_path)) == [f"{z}.zone" for z in MANY[:-1]]
    subprocess.run(["named-checkzone", MANY[7], str(tmp_path / f"{MANY[7]}.zone")], check=True,
                   capture_output=True, timeout=10)
    done = server.ctl("zone", "dump", "-d", str(tmp_path / "absent"), *MANY[:2])
    assert done.returncode == 1 and done.stderr.count("No such file") == 2
    assert server.ctl("zone", "dump", *MANY[:3]).returncode == 2


def test_dump_as_json(scene, tmp_path):
    """One object, whatever is asked for: the zone's text is in it, or in the file."""
    server, _ = scene
    plain = server.ctl("zone", "dump", MANY[0]).stdout
    result = server.ctl_json("zone", "dump", MANY[0])
    assert result["text"] == plain and result["octets"] == len(plain) and result["serial"] == 1
    result = server.ctl_json("zone", "dump", MANY[0], str(tmp_path / "file"))
    assert "text" not in result
    assert (tmp_path / "file").read_text(encoding="ascii") == plain


def test_dump_into_what_is_no_plain_file(scene, tmp_path):
    """A pipe is written to and a link followed; neither is replaced, as a device would be."""
    server, _ = scene
    plain = server.ctl("zone", "dump", MANY[0]).stdout
    pipe, link, file = (str(tmp_path / name) for name in ("pipe", "link", "file"))
    os.mkfifo(pipe)
    with subprocess.Popen(["cat", pipe], stdout=subprocess.PIPE, text=True) as reader:
        try:
            assert server.ctl("zone", "dump", MANY[0], pipe).returncode == 0
            assert stat.S_ISFIFO(os.stat(pipe).st_mode)
            assert reader.communicate(timeout=10)[0] == plain
        finally:
            reader.kill()
    zones.write(file, "of yesterday")
    os.symlink("file", link)
    assert server.ctl("zone", "dump", MANY[0], link).returncode == 0
    assert os.readlink(link) == "file"
    with open(file, encoding="ascii") as f:
        assert f.read() == plain
    done = server.ctl("zone", "dump", MANY[0], str(tmp_path))
    assert done.returncode == 1 and "Is a directory" in done.stderr
    assert sorted(os.listdir(tmp_path)) == ["file", "link", "pipe"]


def test_wait_for_many_and_all(scene):
    """Without a serial: until what the primaries have is served."""
    server, primary = scene
    assert server.ctl("zone", "wait", *MANY[:3]).returncode == 0
    assert server.ctl("zone", "wait", "--served", "-t", "5").returncode == 0
    done = server.ctl("zone", "wait", "--all", "-t", "1")
    assert done.returncode == 1
    assert f"1 of 30 zones are not served, or not confirmed, yet: {MANY[-1]}." in done.stderr
    done = server.ctl("zone", "wait", MANY[0], MANY[-1], "--timeout", "1")
    assert done.returncode == 1 and f"{MANY[-1]}: the zone is not served" in done.stderr
    slow = primary.zone(MANY[5])
    slow.serial = 2
    slow.replies["AXFR"] = slow.replies["IXFR"] = lambda q: [Pause(2), *slow.axfr_reply(q)]
    primary.zone(MANY[-1]).good()
    start = time.monotonic()
    server.ctl("zone", "refresh", "--all")
    done = server.ctl("zone", "wait", "--all", timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    assert time.monotonic() - start > 1.5
    assert server.zone_status(MANY[5])["serial"] == 2
    assert server.ctl_json("zone", "wait", "--all")["zones"] == 30
    assert server.ctl("zone", "wait", "nothing.example").returncode == 1
    assert server.ctl("zone", "wait", MANY[5], "2").returncode == 0
    assert server.ctl("zone", "wait", MANY[5], "3", "-t", "0").returncode == 1
    answer_nothing(primary.zone(MANY[-1]))


def test_log_level(scene):
    server, _ = scene
    assert server.ctl_json("log-level") == {"level": "info"}
    assert server.ctl("log-level", "debug").stdout == "debug\n"
    server.ctl("zone", "refresh", MANY[0])
    wait_for(lambda: f"debug: zone {MANY[0]}.: serial" in server.process.log_text(), 5, "a line")
    done = server.ctl("log-level", "loud")
    assert done.returncode == 1 and "error, warning, info or debug" in done.stderr
    assert server.ctl("reload").returncode == 0
    assert server.ctl_json("log-level") == {"level": "info"}


def test_findings_are_not_swallowed(scene):
    """Many zones that fail in the same second take no line from what is strange about one."""
    server, primary = scene
    for zone in map(primary.zone, MANY[:-1]):
        zone.replies["SOA"] = lambda q, z=zone: [z.message(q, [], flags=0x8405)]  # REFUSED
    last = primary.zone(MANY[-1])
    last.good()
    server.ctl("zone", "retransfer", MANY[-1])
    wait_for(lambda: server.zone_status(MANY[-1])["state"] == "served", 10, "served")
    for round_number in range(3):  # a second begins at some time
        server.ctl("zone", "refresh", "--all")
        last.serial = 4000000000 if round_number % 2 == 0 else 1
        server.ctl("zone", "retransfer", MANY[-1])
        wait_for(lambda: server.zone_status(MANY[-1])["serial"] == last.serial, 10, "another")
        wait_for(lambda: server.ctl_json("status")["exchanges"] == 0, 20, "all is tried")
    log = server.process.log_text()
    assert log.count("no SOA from") < len(MANY)  # of three times as many
    assert log.count("the serial went back") == 2


def test_why_a_primary_is_not_reached(stage):
    """The system's own word is in the reason: nobody listens, nobody answers, not our address."""
    ways = {"refused": ({"address": net.SCRIPTED}, "connection refused"),
            "silent": ({"address": "10.53.0.250"}, "connection timed out"),
            "source": ({"address": net.SCRIPTED, "source": "192.0.2.77"},
                       "address not available")}
    server = stage.secondary([], transfer={"connect-timeout": 1})
    server.options["primaries"] = [{"id": way, **p} for way, (p, _) in ways.items()]
    server.options["zones"] = [{"name": f"{way}.example", "primaries": [way]} for way in ways]
    server.reload()
    for way, (_, word) in ways.items():
        text = f"the primary could not be reached: {word}"
        wait_for(lambda w=way: server.last_attempt(f"{w}.example"), 10, way)
        assert server.last_attempt(f"{way}.example")["text"] == text
        assert text in server.ctl("zone", "status", f"{way}.example").stdout
        assert text in server.process.log_text()


def test_progress(stage):
    """Of a transfer that is under way: from whom, since when, and how much has come."""
    primary = stage.start(Scripted(stage.clients, ORIGIN))
    server = stage.secondary([ORIGIN], {ORIGIN: 1}, primaries=[primary.address])
    assert server.zone_status(ORIGIN)["exchange"] is None

    def slow(q):
        first, *rest = primary.axfr_reply(q)
        return [first, Pause(4), *rest]

    primary.serial = 2
    primary.replies["AXFR"] = primary.replies["IXFR"] = slow
    notify(server.client(stage.clients, source=primary.address), ORIGIN)
    now = wait_for(lambda: server.zone_status(ORIGIN)["exchange"], 5, "an exchange")
    now = wait_for(lambda: (x := server.zone_status(ORIGIN)["exchange"])["octets"] and x, 5, "octets")
    assert now["stage"] == "under-way" and now["what"] == "IXFR"
    assert now["primary"] == f"p{primary.address}" and now["records"] == 5
    assert abs(now["since"] - time.time()) < 4 and now["octets"] > 100
    assert f"IXFR from p{primary.address}" in server.ctl("zone", "status", ORIGIN).stdout
    server.wait_served(stage.clients, {ORIGIN: 2})
    wait_for(lambda: server.zone_status(ORIGIN)["exchange"] is None, 5, "the end")


def test_waiting_for_a_turn(stage):
    """Behind whom a zone waits, and for which primary."""
    primary = stage.start(ScriptedMany(stage.clients, MANY[:3]))
    for zone in MANY[:3]:
        one = primary.zone(zone)
        one.replies["AXFR"] = lambda q, one=one: [Pause(2), *one.axfr_reply(q)]
    server = stage.secondary(MANY[:3], primaries=[primary.address], transfer={"concurrent": 1})

    def exchanges():
        return [x for z in MANY[:3] if (x := server.zone_status(z)["exchange"])]

    found = wait_for(lambda: len(x := exchanges()) == 3 and x, 5, "three of them")
    assert sorted((x["stage"], x.get("ahead")) for x in found) == [
        ("under-way", None), ("waiting", 0), ("waiting", 1)]
    assert {x.get("lane") for x in found} == {None, "urgent"}
    assert "in lane urgent, behind" in server.ctl("zone", "status", *MANY[:3]).stdout


def test_the_last_transfer_lasts(stage):
    """After a restart it is known, with all its figures."""
    primary = stage.peer(Bind, {ORIGIN: zones.zone_text(ORIGIN, 7)}, key=KEY)
    server = stage.secondary([ORIGIN], {ORIGIN: 7}, key=KEY)
    wait_for(lambda: server.zone_status(ORIGIN)["stored_serial"] == 7, 5, "stored")
    before = server.zone_status(ORIGIN)["transfer"]
    assert before["keyed"] and before["records"] > 3
    primary.stop()
    server.process.kill()
    os.unlink(server.path("sock"))
    server.start()
    assert server.zone_status(ORIGIN)["transfer"] == before


def test_a_new_key_waits_for_its_turn(stage):
    """Where the link is normal, a reload asks nobody: the next exchange has the new key."""
    primary = stage.start(ScriptedMany(stage.clients, MANY[:5], key=KEY, timers="600 60 6000 5"))
    server = stage.secondary(MANY[:5], {z: 1 for z in MANY[:5]}, primaries=[primary.address],
                             key=KEY)
    broken = primary.zone(MANY[0])
    answer_nothing(broken)
    server.ctl("zone", "refresh", MANY[0])
    wait_for(lambda: listed(server, "--blocked") == MANY[:1], 20, "a blocked link")
    asked = {z: len(primary.zone(z).queries) for z in MANY[:5]}
    server.key = primary.key = OTHER_KEY
    for zone in MANY[:5]:
        primary.zone(zone).key = OTHER_KEY
    broken.good()
    server.write_config()
    server.ctl_json("reload")
    wait_for(lambda: listed(server, "--blocked") == [], 5, "the new key helps")
    time.sleep(1)
    assert {z: len(primary.zone(z).queries) for z in MANY[1:5]} == {z: asked[z] for z in MANY[1:5]}
    server.ctl("zone", "refresh", "--all")
    assert server.ctl("zone", "wait", "--all").returncode == 0
    assert listed(server, "--blocked") == []


def test_too_many_connections_are_told(stage):
    server = stage.secondary([ORIGIN], primaries=["10.53.0.99"])
    program = server.program("understudyctl")
    waiting = [subprocess.Popen([program, "-s", server.path("sock"), "zone", "wait", ORIGIN, "5"],
                                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
               for _ in range(40)]
    try:
        time.sleep(1)
        for _ in range(5):
            assert server.ctl("status").returncode == 0
    finally:
        for one in waiting:
            one.kill()
            one.wait(5)


def test_wait_of_all_where_there_are_none(stage):
    server = stage.secondary([], primaries=["10.53.0.99"])
    assert json.loads(server.ctl("--json", "zone", "wait", "--all").stdout)["result"] == {"zones": 0}
    assert server.ctl("zone", "status", "--all").returncode == 0
