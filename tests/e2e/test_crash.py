# SPDX-License-Identifier: BSD-3-Clause
"""kill -9 at random moments, while zones are transferred and updated.

After each restart, with a primary that answers nothing yet, every zone is served at
the serial that the status last showed as stored, or a later one, and each record is
the primary's at that serial. `--long`: 500 times instead of 15."""

import ipaddress
import os
import random
import signal
import threading
import time

import dns.query
import dns.rdatatype
import dns.zone
import pytest

from harness import zones
from harness.peers import Bind
from harness.process import wait_for

pytestmark = pytest.mark.understudy

SMALL = [f"small{i}.example" for i in range(6)]
LARGE = ["large0.example", "large1.example"]
SLOTS = 40  # names of a zone that change in turn
HOSTS = 1500  # of a large zone


class Model:
    """What each zone holds at each serial: at serial s, name c(s % SLOTS) is given
    the address of s."""

    def __init__(self, zone):
        self.zone = zone
        self.hosts = HOSTS if zone in LARGE else 0
        self.serial = 1
        self.fixed = {(owner, rdtype, rdata) for owner, rdtype, rdata in
                      flat(dns.zone.from_text(self.text(), zone, relativize=False))
                      if rdtype != "SOA" and not owner.startswith("c")}

    @staticmethod
    def address(serial):
        return f"10.{serial >> 16 & 255}.{serial >> 8 & 255}.{serial & 255}"

    def text(self):
        body = "".join(f"c{i} A {self.address(0)}\n" for i in range(SLOTS))
        return zones.zone_text(self.zone, 1, body + zones.many_names(self.hosts))

    def update(self, message):
        serial = self.serial + 1
        message.replace(f"c{serial % SLOTS}", 300, "A", self.address(serial))

    def records(self, serial):
        """{(owner, type, rdata)} of the zone at a serial."""
        last = {i: 0 for i in range(SLOTS)}
        for s in range(max(2, serial - SLOTS + 1), serial + 1):
            last[s % SLOTS] = s
        out = self.fixed | {(f"c{i}.{self.zone}.", "A", self.address(s)) for i, s in last.items()}
        out.add((f"{self.zone}.", "SOA",
                 f"ns1.{self.zone}. hostmaster.{self.zone}. {serial} {zones.TIMERS}"))
        return out


def flat(zone):
    """(owner, type, rdata) of all records."""
    for name, rdataset in zone.iterate_rdatasets():
        for rdata in rdataset:
            text = rdata.to_text()
            if ":" in text:
                text = str(ipaddress.ip_address(text))
            yield str(name), dns.rdatatype.to_text(rdataset.rdtype), text


class Crashes:
    def __init__(self, stage):
        self.models = {z: Model(z) for z in SMALL + LARGE}
        self.primary = stage.peer(Bind, {z: m.text() for z, m in self.models.items()},
                                  updates=True)
        self.server = stage.secondary(list(self.models), {z: 1 for z in self.models})
        self.client = self.server.client(stage.clients)
        self.stored = {z: 0 for z in self.models}
        self.stop = threading.Event()
        self.go = threading.Event()
        self.updating = threading.Lock()
        self.failure = None
        self.thread = threading.Thread(target=self.load, daemon=True)

    # ---- the load

    def load(self):
        """Updates as fast as the primary takes them, and transfers of whole zones."""
        try:
            while not self.stop.is_set():
                if not self.go.wait(0.1) or self.stop.is_set():
                    continue
                model = random.choice(list(self.models.values()))
                with self.updating:
                    self.primary.update(model.zone, model.update)
                    model.serial += 1
        except Exception as e:  # pylint: disable=broad-except
            if not self.stop.is_set():
                self.failure = e

    def see_stored(self):
        """What the status shows as stored, until the daemon is killed."""
        for row in self.server.ctl_json("zones")["zones"]:
            zone = row["zone"].rstrip(".")
            if row["stored_serial"] is not None:
                assert row["stored_serial"] >= self.stored[zone]
                self.stored[zone] = row["stored_serial"]

    def run_for(self, seconds):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.see_stored()
            if random.randrange(4) == 0:
                self.server.ctl("zone", "retransfer", random.choice(list(self.models)))
            assert not self.failure, self.failure

    # ---- the crash

    def pause(self):
        """The primary answers nothing, and no update is on its way."""
        self.go.clear()
        with self.updating:
            self.primary.process.signal(signal.SIGSTOP)

    def resume(self):
        self.primary.process.signal(signal.SIGCONT)
        self.go.set()

    def kill(self):
        self.server.process.kill()
        os.unlink(self.server.path("sock"))

    def check(self):
        rows = {r["zone"].rstrip("."): r for r in self.server.ctl_json("zones")["zones"]}
        for zone, model in self.models.items():
            if rows[zone]["state"] == "not-loaded" and self.stored[zone] == 0:
                continue
            assert rows[zone]["state"] == "served", rows[zone]
            serial = rows[zone]["serial"]
            assert self.stored[zone] <= serial <= model.serial, (zone, serial)
            self.stored[zone] = serial
        for zone in [random.choice(SMALL), random.choice(LARGE)]:
            if rows[zone]["serial"] is not None:
                self.must_be(zone, rows[zone]["serial"])

    def must_be(self, zone, serial):
        dump = self.server.ctl("zone", "dump", zone).stdout
        here = set()
        for line in dump.splitlines():
            owner, _, _, rdtype, rdata = line.split("\t")
            here.add((owner, rdtype, rdata))
        there = self.models[zone].records(serial)
        assert here == there, (sorted(here - there)[:5], sorted(there - here)[:5])

    def crash_once(self):
        self.run_for(random.uniform(0.02, 1.2))
        self.kill()
        self.pause()
        self.server.start()
        self.check()
        self.resume()

    def finish(self):
        self.stop.set()
        self.go.set()
        self.thread.join(20)
        assert not self.thread.is_alive() and not self.failure, self.failure
        self.server.ctl("zone", "refresh", "--all")  # NOTIFYs came while it was down
        for zone, model in self.models.items():
            wait_for(lambda z=zone, m=model: self.client.serial(z) == m.serial, 30,
                     lambda z=zone, m=model: f"{z} {m.serial}, not {self.client.serial(z)}")
            self.must_be(zone, model.serial)
            self.must_be_primarys(zone, model)
        assert self.server.ctl_json("stats")["store"]["refused"] == 0

    def must_be_primarys(self, zone, model):
        """The model is what the primary holds."""
        there = dns.zone.Zone(zone, relativize=False)
        with self.primary.ns:
            dns.query.inbound_xfr(self.primary.address, there, timeout=10)
        assert set(flat(there)) == model.records(model.serial)


def crashes(stage, times):
    play = Crashes(stage)
    for zone in play.models:
        wait_for(lambda z=zone: play.server.zone_status(z)["stored_serial"], 10, "stored")
    play.thread.start()
    play.go.set()
    for _ in range(times):
        play.crash_once()
    play.finish()
    assert all(m.serial > 1 for m in play.models.values())


@pytest.mark.limit(240)
def test_killed_at_random(stage):
    crashes(stage, 15)


@pytest.mark.long
@pytest.mark.limit(3600)
def test_killed_500_times(stage):
    crashes(stage, 500)
