# SPDX-License-Identifier: BSD-3-Clause
"""What goes on during a soak: each job runs in a thread until it is told to stop."""

import os
import random
import signal
import time

import dns.exception
import dns.rcode

from harness import load as tools
from harness import net
from harness.peers import KEY
from harness.scripted import Close, Pause, notify_wire

STORM_S, STORM_EVERY_S, STORM_RATE = 5, 20, 2000
OUTAGE_S, OUTAGE_EVERY_S = 8, 60
BACK_S = 60  # for so long BIND may be silent after it, on a busy machine
RELOAD_EVERY_S = 15
GOOD_S, BAD_S = 25, 10
random.seed(1)


class Job:
    """Counts what it did; `error` is what ended it early."""

    def __init__(self, scene):
        self.scene = scene
        self.count = 0
        self.error = None
        self.stop = None

    def run(self, stop):
        self.stop = stop
        try:
            while not stop.is_set():
                self.step()
        except Exception as e:  # it must show in the verdict
            self.error = repr(e)
        finally:
            self.end()

    def step(self):
        raise NotImplementedError

    def end(self):
        """Leaves things as they were found."""


class Updates(Job):
    """Dynamic updates at BIND; `versions[zone]` lists when it had which serial."""

    def __init__(self, scene, rate):
        super().__init__(scene)
        self.interval_s = 1 / rate
        self.versions = {z: [(0.0, 1)] for z in scene.updated}
        self.next = time.monotonic()
        self.stopped = False  # BIND is, just now

    def step(self):
        self.next += self.interval_s
        self.stop.wait(max(0, self.next - time.monotonic()))
        if self.stopped:
            self.next = time.monotonic()
            return
        zone = random.choice(self.scene.updated)
        serial = self.versions[zone][-1][1] + 1
        try:
            self.scene.bind.update(zone, lambda u: u.replace("version", 5, "TXT", f"v{serial}"))
        except (OSError, EOFError, dns.exception.DNSException):
            self.catch_up(zone)  # BIND is stopped, or waits for the disk
            return
        self.versions[zone].append((time.monotonic(), serial))
        self.count += 1

    def catch_up(self, zone):
        """The reply was lost: BIND knows whether it changed the zone."""
        until = time.monotonic() + BACK_S
        serial = None
        while not serial and not self.stop.is_set():
            time.sleep(0.1)
            try:
                serial = None if self.stopped else self.scene.bind.client.serial(zone)
            except AssertionError:
                if time.monotonic() > until:
                    raise
        if serial and serial != self.versions[zone][-1][1]:
            self.versions[zone].append((time.monotonic(), serial))


class Flapping(Job):
    """The scripted primary is good for a while, then bad in one way after the other."""

    def __init__(self, scene):
        super().__init__(scene)
        self.good_since = time.monotonic()
        self.serial = 1
        self.ways = [self.refuses, self.closes, self.older, self.silent, self.forges]

    def step(self):
        for origin in self.scene.flapping:
            zone = self.scene.scripted.zone(origin)
            zone.serial = self.serial
            zone.good()
        self.good_since = time.monotonic()
        self.stop.wait(GOOD_S)
        self.good_since = None
        self.serial += 1
        way = self.ways[self.count % len(self.ways)]
        for origin in self.scene.flapping:
            way(self.scene.scripted.zone(origin))
        self.stop.wait(BAD_S)
        self.count += 1

    @staticmethod
    def reply_all(zone, steps):
        zone.replies = dict.fromkeys(("SOA", "AXFR", "IXFR"), steps)

    def refuses(self, zone):
        self.reply_all(zone, lambda q: zone.signed(q, [zone.message(q, [], flags=0x8005)]))

    def closes(self, zone):
        self.reply_all(zone, lambda q: [Close])

    def silent(self, zone):
        self.reply_all(zone, lambda q: [Pause(3), Close] if q.transport == "tcp" else [])

    def older(self, zone):
        zone.serial = 0

    def forges(self, zone):
        zone.serial = self.serial
        self.reply_all(zone, lambda q: zone.axfr_wires(q))


class Storms(Job):
    """NOTIFY without end for some seconds: of the primaries and of strangers, for zones that
    are served and for others, signed, unsigned and forged."""

    def __init__(self, scene):
        super().__init__(scene)
        names = [*scene.updated[:100], *scene.flapping]
        self.sockets = []
        for source in (net.BIND, net.SCRIPTED, net.STRANGER):
            client = scene.server.client(scene.clients, source=source)
            sock = client.udp_socket()
            sock.setblocking(False)
            self.sockets.append(sock)
        self.wires = []
        for name in names:
            self.wires += [notify_wire(name), notify_wire(name, serial=2 ** 31)]
        self.wires.append(notify_wire("elsewhere.test"))
        self.signed_at = 0.0

    def step(self):
        self.stop.wait(STORM_EVERY_S - STORM_S)
        # Signatures are good for five minutes.
        signed = [notify_wire(z, KEY) for z in self.scene.updated[:50] + self.scene.flapping]
        wires = self.wires + signed
        end = time.monotonic() + STORM_S
        while time.monotonic() < end and not self.stop.is_set():
            for _ in range(STORM_RATE // 100):
                sock = random.choice(self.sockets)
                try:
                    sock.send(random.choice(wires))
                    self.count += 1
                    sock.recv(512)
                except OSError:  # nothing to read, or no room
                    pass
            time.sleep(0.01)

    def end(self):
        for sock in self.sockets:
            sock.close()


class Outages(Job):
    """BIND is stopped now and then; `intervals` has the times, the last may be open."""

    def __init__(self, scene):
        super().__init__(scene)
        self.intervals = []
        self.updates = None  # whom to tell

    def step(self):
        if self.stop.wait(OUTAGE_EVERY_S - OUTAGE_S):
            return
        self.updates.stopped = True
        time.sleep(0.2)
        self.intervals.append([time.monotonic(), None])
        os.kill(self.named(), signal.SIGSTOP)
        self.stop.wait(OUTAGE_S)
        self.end()
        self.count += 1

    def named(self):
        return self.scene.bind.process.pid

    def end(self):
        os.kill(self.named(), signal.SIGCONT)
        if self.intervals and self.intervals[-1][1] is None:
            self.intervals[-1][1] = time.monotonic()
        if self.updates:
            self.updates.stopped = False


class Reloads(Job):
    """The configuration is reread with zones more or less."""

    def step(self):
        if self.stop.wait(RELOAD_EVERY_S):
            return
        scene, server = self.scene, self.scene.server
        wanted = scene.extra[:random.randrange(len(scene.extra) + 1)]
        for zone in scene.extra:
            server.zones.pop(zone, None)
        server.zones.update({z: [net.BIND] for z in wanted})
        server.write_config()
        done = server.ctl("reload", timeout=30)
        assert done.returncode == 0, done.stderr
        self.count += 1


def a_minute_of_queries(scene, rate):
    """dnsperf for a minute; every answer must be an answer, or say that there is none."""
    names = [(f"www.{z}", "A") for z in scene.updated]
    names += [(f"v{i % 10}.{z}", "TXT") for i, z in enumerate(scene.flapping)]
    names += [(f"none.{z}", "A") for z in scene.updated[::10]]
    random.shuffle(names)
    path = tools.query_file(os.path.join(scene.folder, "queries"), names)
    result = tools.dnsperf(scene.clients, net.SERVER, path,
                           os.path.join(scene.folder, "dnsperf.log"), 60, rate=rate)
    wrong = {r: n for r, n in result.rcodes.items()
             if r not in (dns.rcode.to_text(dns.rcode.NOERROR), dns.rcode.to_text(dns.rcode.NXDOMAIN))}
    return result, wrong
