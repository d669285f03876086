# SPDX-License-Identifier: BSD-3-Clause
"""What is found out about a zone before, and while, it is served: ZONEMD, the cost of
NSEC3, signatures that expire, and other content with the same serial."""

import lzma
import os
import time

import dns.dnssec
import dns.rrset
import dns.zone
import pytest

from harness.peers import KEY, Knot
from harness.process import wait_for
from harness.scripted import Scripted, record

ORIGIN = "example.com"
pytestmark = pytest.mark.understudy


class Scene:
    """A scripted primary, and the server with one zone from it."""

    def __init__(self, stage, serials=None, zone=None, timers="3600 600 604800 300", **options):
        self.primary = stage.start(Scripted(stage.clients, ORIGIN, KEY, timers=timers))
        self.stage = stage
        self.server = stage.secondary(
            [ORIGIN], serials, primaries=[self.primary.address], key=KEY,
            zones=[{"name": ORIGIN, "primaries": [f"p{self.primary.address}"], **(zone or {})}],
            **options)
        self.client = self.server.client(stage.clients)

    def publish(self, serial, *extra):
        self.primary.serial = serial
        self.primary.extra = list(extra)

    def ask(self, kind="refresh"):
        assert self.server.ctl("zone", kind, ORIGIN).returncode == 0

    def wait_reason(self, reason):
        wait_for(lambda: (self.server.last_attempt(ORIGIN) or {}).get("reason") == reason, 15,
                 lambda: f"{reason}, not {self.server.last_attempt(ORIGIN)}")

    def wait_serial(self, serial):
        wait_for(lambda: self.client.serial(ORIGIN) == serial, 15, f"serial {serial}")

    def status(self):
        return self.server.zone_status(ORIGIN)

    def log(self):
        return self.server.process.log_text()


def zonemd(primary, algorithm=1, spoil=False):
    """The ZONEMD record for what the primary serves."""
    zone = dns.zone.Zone(ORIGIN, relativize=False)
    for rrset in (primary.soa(), *primary.body()):
        for rdata in rrset:
            zone.find_rdataset(rrset.name, rdata.rdtype, create=True).add(rdata, rrset.ttl)
    apex = dns.name.from_text(ORIGIN)
    place = dns.rdata.from_text("IN", "ZONEMD", f"{primary.serial} 1 {algorithm} "
                                + "00" * (48 if algorithm == 1 else 64))
    zone.find_rdataset(apex, "ZONEMD", create=True).add(place, 300)
    digest = zone.compute_digest(algorithm)
    if spoil:
        digest = digest.replace(digest=bytes(len(digest.digest)))
    return dns.rrset.from_rdata(apex, 300, digest)


@pytest.mark.parametrize("algorithm", [1, 2])
def test_zonemd(stage, algorithm):
    """A match is published; a mismatch is not, and says why; the old version stays; one
    that matches afterwards is taken by itself."""
    scene = Scene(stage, {ORIGIN: 1}, timers="5 2 604800 300")
    assert scene.status()["zonemd"] == "absent"
    scene.publish(2)
    scene.publish(2, zonemd(scene.primary, algorithm))
    scene.ask()
    scene.wait_serial(2)
    assert scene.status()["zonemd"] == "verified"
    scene.publish(3)
    scene.publish(3, zonemd(scene.primary, algorithm, spoil=True))
    scene.ask()
    scene.wait_reason("zonemd")
    assert "ZONEMD does not match" in scene.server.last_attempt(ORIGIN)["text"]
    assert scene.client.serial(ORIGIN) == 2 and scene.status()["zonemd"] == "verified"
    scene.publish(4)
    scene.publish(4, zonemd(scene.primary, algorithm))
    scene.wait_serial(4)
    assert scene.server.ctl_json("stats")["transfers"]["refused"] >= 1


def test_zonemd_required(stage):
    scene = Scene(stage, zone={"zonemd": "require"})
    scene.wait_reason("zonemd-missing")
    assert scene.status()["state"] == "not-loaded"
    scene.publish(2)
    scene.publish(2, zonemd(scene.primary))
    scene.ask()
    scene.wait_serial(2)


def test_zonemd_ignored(stage):
    scene = Scene(stage, {ORIGIN: 1}, zone={"zonemd": "ignore"})
    scene.publish(2)
    scene.publish(2, zonemd(scene.primary, spoil=True))
    scene.ask()
    scene.wait_serial(2)
    assert scene.status()["zonemd"] is None


def test_root_zonemd(stage, data, tmp_path):
    """The root zone of 2024, as it was published with its digest; and with a record less."""
    path = os.path.join(data, "zones", "root-2024101100.zone.xz")
    if not os.path.exists(path):
        pytest.skip(f"no {path}")
    with lzma.open(path, "rt", encoding="ascii") as f:
        text = f.read()
    (tmp_path / "root.zone").write_text(text, encoding="ascii")
    primary = stage.peer(Knot, {".": str(tmp_path / "root.zone")}, key=KEY, notify=[])
    server = stage.secondary(["."], {".": 2024101100}, primaries=[primary.address], key=KEY,
                             zones=[{"name": ".", "primaries": [f"p{primary.address}"],
                                     "zonemd": "require"}])
    status = server.zone_status(".")
    assert status["zonemd"] == "verified"
    # The signatures of 2024 have expired.
    wait_for(lambda: server.zone_status(".")["signatures"] == "expired", 10, "the survey")
    assert server.zone_status(".")["signatures_expire"] < time.time()
    lines = text.splitlines(keepends=True)
    glue = next(i for i, line in enumerate(lines) if line.split()[0] == "a.nic.com." or
                (len(line.split()) > 3 and line.split()[3] == "A"))
    (tmp_path / "less.zone").write_text("".join(lines[:glue] + lines[glue + 1:]),
                                        encoding="ascii")
    stage.started.remove(primary)
    primary.stop()
    primary = stage.peer(Knot, {".": str(tmp_path / "less.zone")}, key=KEY, notify=[])
    assert server.ctl("zone", "retransfer", ".").returncode == 0
    wait_for(lambda: server.last_attempt(".")["reason"] == "zonemd", 20,
             lambda: server.last_attempt("."))
    assert server.client(stage.clients).serial(".") == 2024101100


def nsec3(iterations):
    """A chain of one NSEC3, and its NSEC3PARAM."""
    owner = dns.dnssec.nsec3_hash(ORIGIN, None, iterations, 1)
    return [record("@", "NSEC3PARAM", f"1 0 {iterations} -", origin=ORIGIN),
            record(owner.lower(), "NSEC3", f"1 1 {iterations} - {owner} NS SOA RRSIG",
                   origin=ORIGIN)]


@pytest.mark.parametrize("above,most", [("serve", 2500), ("refuse", 10)])
def test_nsec3_iterations(stage, above, most):
    """Up to the limit they are served; above by choice, over 2500 never."""
    scene = Scene(stage, {ORIGIN: 1},
                  dnssec={"nsec3-iterations": {"max": 10, "above": above}})
    assert scene.status()["nsec3_iterations"] is None
    for serial, iterations in enumerate((10, 11, 2500, 2501, 65535), 2):
        scene.publish(serial, *nsec3(iterations))
        served = scene.client.serial(ORIGIN)
        scene.ask("retransfer")
        if iterations <= most:
            scene.wait_serial(serial)
            assert scene.status()["nsec3_iterations"] == iterations
            if iterations > 10:
                assert f"NSEC3 with {iterations} iterations" in scene.log()
        else:
            scene.wait_reason("nsec3-iterations")
            assert scene.client.serial(ORIGIN) == served
            scene.publish(serial)
            scene.ask("retransfer")
            scene.wait_serial(serial)


def rrsig(expires):
    stamp = time.strftime("%Y%m%d%H%M%S", time.gmtime(expires))
    return record("@", "RRSIG", f"NS 13 2 300 {stamp} 20200101000000 1 {ORIGIN}. AAAA",
                  origin=ORIGIN)


def test_signatures(stage):
    """Their earliest expiration stands in the status and in the log before it comes."""
    scene = Scene(stage, {ORIGIN: 1}, dnssec={"signature-warning": 24})
    assert scene.status()["signatures_expire"] is None
    now = int(time.time())
    for serial, (expires, said, line) in enumerate(
            [(now + 30 * 86400, "well", None),
             (now + 2 * 86400, "before-expiry", "before the zone would"),
             (now + 3600 * 5 + 60, "soon", "a signature expires in 5 h"),
             (now - 60, "expired", "a signature has expired"),
             (now + 30 * 86400, "well", None)], 2):
        scene.publish(serial, rrsig(expires), rrsig(expires + 100))
        scene.ask()
        scene.wait_serial(serial)
        wait_for(lambda e=expires: scene.status()["signatures_expire"] == e, 10, scene.status)
        assert scene.status()["signatures"] == said
        assert line is None or line in scene.log()


def test_same_serial(stage):
    """Other content with the serial that we have: taken when asked for, and told."""
    scene = Scene(stage, {ORIGIN: 1})
    scene.ask("retransfer")
    wait_for(lambda: scene.primary.asked("AXFR") >= 2, 10, "a transfer")
    time.sleep(0.5)
    assert scene.server.ctl_json("stats")["transfers"]["same_serial"] == 0
    scene.publish(1, record("new", "A", "192.0.2.7", origin=ORIGIN))
    scene.ask("retransfer")
    wait_for(lambda: scene.client.ask(f"new.{ORIGIN}", "A").answer, 10, "the new record")
    assert scene.server.ctl_json("stats")["transfers"]["same_serial"] == 1
    assert "other content with the same serial 1" in scene.log()


def test_findings_last(stage):
    """After a restart the status tells what was verified before; a zone that today's
    configuration would not take is served, and a warning says so."""
    scene = Scene(stage, {ORIGIN: 1})
    wait_for(lambda: scene.status()["stored_serial"] == 1, 10, "stored")
    time.sleep(1)
    scene.primary.serial = 2
    scene.primary.extra = [zonemd(scene.primary)]
    scene.ask()
    scene.wait_serial(2)
    assert scene.status()["zonemd"] == "verified"
    wait_for(lambda: scene.status()["stored_serial"] == 2, 10, "stored")
    time.sleep(1)
    scene.server.stop()
    scene.server.start()
    assert scene.status()["zonemd"] == "verified"
    assert "would not be taken today" not in scene.log()
    scene.publish(3)
    scene.ask()
    scene.wait_serial(3)
    wait_for(lambda: scene.status()["stored_serial"] == 3, 10, "stored")
    time.sleep(1)
    scene.server.stop()
    scene.server.options["zones"][0]["zonemd"] = "require"
    scene.server.start()
    assert scene.client.serial(ORIGIN) == 3
    assert "would not be taken today" in scene.log()
