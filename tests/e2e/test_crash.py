# SPDX-License-Identifier: BSD-3-Clause
"""kill -9 at random moments, while zones are transferred and updated.

After each restart, with a primary that answers nothing yet, every zone is served at
the serial that the status last showed as stored, or a later one, and each of its records
is the primary's at that serial. The same while the disk is full now and then; and with
octets flipped in the files that were left behind, where a zone may be fetched anew
instead. `--long`: 500 times instead of a few."""

import ipaddress
import errno
import os
import random
import signal
import subprocess
import threading
import time

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
DISK = 3 << 20  # octets, where the disk is to be full


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
    """The daemon, killed again and again. What else happens to it is a subclass's."""

    may_be_gone = False  # a zone may be fetched anew

    def __init__(self, stage, **options):
        self.models = {z: Model(z) for z in SMALL + LARGE}
        self.primary = stage.peer(Bind, {z: m.text() for z, m in self.models.items()},
                                  updates=True)
        self.server = stage.secondary(list(self.models), {z: 1 for z in self.models}, **options)
        self.client = self.server.client(stage.clients)
        self.stored = {z: 0 for z in self.models}
        self.gone = 0
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
            self.meanwhile()
            self.see_stored()
            if random.randrange(4) == 0:
                self.server.ctl("zone", "retransfer", random.choice(list(self.models)))
            assert not self.failure, self.failure

    def meanwhile(self):
        """What happens while it runs."""

    def left_behind(self):
        """What happens to the files of one that was killed."""

    # ---- the crash

    def pause(self):
        """No update is on its way, and soon the primary answers nothing."""
        self.go.clear()
        with self.updating:
            self.must_be_primarys(random.choice(list(self.models)))
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
            if rows[zone]["state"] == "not-loaded" and (self.may_be_gone or not self.stored[zone]):
                self.stored[zone] = 0
                self.gone += 1
                continue
            assert rows[zone]["state"] == "served", rows[zone]
            serial = rows[zone]["serial"]
            assert self.stored[zone] <= serial <= model.serial, (zone, serial, self.stored[zone])
            assert self.client.serial(zone) == serial
            self.stored[zone] = serial
            self.must_be(zone, serial)

    def must_be(self, zone, serial):
        """Each record that is served is the model's."""
        here = set()
        for line in self.server.ctl("zone", "dump", zone).stdout.splitlines():
            owner, _, _, rdtype, rdata = line.split("\t")
            here.add((owner, rdtype, rdata))
        there = self.models[zone].records(serial)
        assert here == there, (zone, serial, sorted(here ^ there)[:9])

    def must_be_primarys(self, zone):
        """The model is what the primary holds."""
        with self.primary.ns:
            done = subprocess.run(["dig", "+nocmd", "+nostats", f"@{self.primary.address}", zone,
                                   "AXFR"], capture_output=True, text=True, check=True)
        there = {(owner, rdtype, rdata) for owner, _, _, rdtype, rdata in
                 (line.split(None, 4) for line in done.stdout.splitlines() if line[:1] not in "; ")}
        model = self.models[zone]
        assert there == model.records(model.serial), (zone, done.stdout[-500:])

    def crash_once(self):
        self.run_for(random.uniform(0.02, 1.2))
        self.kill()
        self.pause()
        self.left_behind()
        self.server.start()
        self.check()
        self.resume()

    def finish(self):
        self.stop.set()
        self.go.set()
        self.thread.join(60)
        assert not self.thread.is_alive() and not self.failure, self.failure
        self.server.ctl("zone", "refresh", "--all")  # NOTIFYs came while it was down
        for zone, model in self.models.items():
            wait_for(lambda z=zone, m=model: self.client.serial(z) == m.serial, 30,
                     lambda z=zone, m=model: f"{z} {m.serial}, not {self.client.serial(z)}")
            self.must_be(zone, model.serial)
            self.must_be_primarys(zone)
            wait_for(lambda z=zone, m=model:
                     self.server.zone_status(z)["stored_serial"] == m.serial, 90, f"{zone} stored")
        assert self.may_be_gone or self.server.ctl_json("stats")["store"]["refused"] == 0

    def play(self, times):
        for zone in self.models:
            wait_for(lambda z=zone: self.server.zone_status(z)["stored_serial"], 10, "stored")
        self.thread.start()
        self.go.set()
        for _ in range(times):
            self.crash_once()
        self.finish()
        assert all(m.serial > 1 for m in self.models.values())


class FullDisk(Crashes):
    """The store's disk is full from time to time, also when the daemon starts."""

    def __init__(self, stage, folder):
        super().__init__(stage, database={"path": folder + "/store"})
        self.filler = folder + "/filler"
        self.failed = 0

    def fill(self):
        """Up to the last octet."""
        fd = os.open(self.filler, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        try:
            for piece in (65536, 4096, 1):
                try:
                    while True:
                        os.write(fd, bytes(piece))
                except OSError as e:
                    assert e.errno == errno.ENOSPC
        finally:
            os.close(fd)

    def empty(self):
        if os.path.exists(self.filler):
            os.unlink(self.filler)

    def meanwhile(self):
        if random.randrange(8) == 0:
            self.failed += self.server.ctl_json("status")["store"]["failing"]
            random.choice((self.fill, self.fill, self.empty))()

    def finish(self):
        self.empty()
        assert self.failed, "the disk was full now and then"
        super().finish()


class Flipped(Crashes):
    """Octets change in what was left behind."""

    may_be_gone = True

    def files(self):
        for where, _, names in os.walk(self.server.path("store")):
            for name in sorted(names):
                path = os.path.join(where, name)
                if os.path.getsize(path):
                    yield path

    def left_behind(self):
        for path in self.files():
            if random.randrange(3):
                continue
            with open(path, "r+b") as f:
                for _ in range(random.choice((1, 1, 1, 2, 8))):
                    at = random.randrange(os.path.getsize(path))
                    f.seek(at)
                    octet = f.read(1)[0]
                    f.seek(at)
                    f.write(bytes([octet ^ random.randrange(1, 256)]))

    def finish(self):
        super().finish()
        assert self.gone, "something was damaged"


@pytest.mark.limit(240)
def test_killed_at_random(stage):
    Crashes(stage).play(12)


@pytest.fixture
def disk(tmp_path):
    folder = tmp_path / "disk"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={DISK}", "tmpfs", folder], check=True)
    yield str(folder)
    subprocess.run(["umount", "-l", folder], check=True)


@pytest.mark.limit(240)
def test_killed_with_a_full_disk(disk, stage):
    FullDisk(stage, disk).play(8)


@pytest.mark.limit(240)
def test_killed_and_flipped(stage):
    Flipped(stage).play(8)


@pytest.mark.long
@pytest.mark.limit(3600)
def test_killed_500_times(stage):
    Crashes(stage).play(500)


@pytest.mark.long
@pytest.mark.limit(3600)
def test_killed_500_times_with_a_full_disk(disk, stage):
    FullDisk(stage, disk).play(500)


@pytest.mark.long
@pytest.mark.limit(3600)
def test_killed_and_flipped_500_times(stage):
    Flipped(stage).play(500)
