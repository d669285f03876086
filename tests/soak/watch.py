# SPDX-License-Identifier: BSD-3-Clause
"""Looks at the daemon every few seconds: which zones are behind, and its memory."""

import statistics
import time

import load
from load import Flapping, Job, Outages, Updates

EVERY_S = 3
LAG_S = 10       # a zone may be behind its primary for so long, from NOTIFY to published
CATCH_UP_S = 20  # after an outage: a silent primary is left alone for so long at first
STEADY_SHARE, STEADY_KIB = 0.05, 4096
JUDGED_MINUTES = 6  # under so many, memory still grows into its working size


class Watch(Job):
    def __init__(self, scene, jobs):
        super().__init__(scene)
        self.jobs = {type(job): job for job in jobs}
        self.jobs[Outages].updates = self.jobs[Updates]
        self.behind = []      # unexplained: (zone, serial here, lag in seconds)
        self.explained = 0    # of this minute, at most at a time
        self.worst_lag_s = 0.0
        self.went_back = []
        self.last_serial = {}
        self.memory_kib = []  # a reading a minute
        self.lost = self.wrong = 0
        self.before = {}

    def step(self):
        self.stop.wait(EVERY_S)
        now = time.monotonic()
        rows = self.scene.server.ctl_json("zones")["zones"]
        served = {row["zone"].rstrip("."): row for row in rows}
        explained = 0
        for zone in self.scene.updated:
            explained += self.look_at_updated(zone, served[zone]["serial"], now)
        for zone in self.scene.flapping:
            self.look_at_flapping(zone, served[zone]["serial"], now)
        self.explained = max(self.explained, explained)

    def must_not_go_back(self, zone, serial):
        if serial < self.last_serial.get(zone, 0):
            self.went_back.append((zone, self.last_serial[zone], serial))
        self.last_serial[zone] = serial

    def look_at_updated(self, zone, serial, now):
        """Whether it is behind and an outage explains it."""
        self.must_not_go_back(zone, serial)
        newer = [at for at, version in self.jobs[Updates].versions[zone] if version > serial]
        if not newer:
            return False
        lag_s = now - newer[0]
        self.worst_lag_s = max(self.worst_lag_s, lag_s)
        if any(newer[0] < (end or now) + CATCH_UP_S and start < now
               for start, end in self.jobs[Outages].intervals):
            return lag_s > LAG_S
        if lag_s > LAG_S:
            self.behind.append((zone, serial, round(lag_s, 1)))
        return False

    def look_at_flapping(self, zone, serial, now):
        """After some time of good behaviour it must have the serial."""
        self.must_not_go_back(zone, serial)
        flapping = self.jobs[Flapping]
        since, wanted = flapping.good_since, flapping.serial
        if since and now - since > load.GOOD_S - 2 * EVERY_S and serial != wanted:
            self.behind.append((zone, serial, f"{now - since:.0f} s after its primary "
                                              f"became good with {wanted}"))

    def resident_kib(self):
        with open(f"/proc/{self.scene.server.process.pid}/status", encoding="ascii") as f:
            fields = dict(line.split(":", 1) for line in f)
        return sum(int(fields[name].split()[0]) for name in ("VmRSS", "HugetlbPages"))

    def line(self, queries):
        """What the last minute brought."""
        result, wrong = queries
        self.lost += result.lost
        self.wrong += sum(wrong.values())
        self.memory_kib.append(self.resident_kib())
        counts = {type(job).__name__.lower(): job.count for job in self.jobs.values()}
        new = {name: count - self.before.get(name, 0) for name, count in counts.items()}
        self.before = counts
        stats = self.scene.server.ctl_json("stats")
        transfers = stats["transfers"]
        live, garbage, mapped = (stats["snapshot"][f"octets_{name}"] / 2 ** 20
                                 for name in ("live", "garbage", "mapped"))
        text = (f"queries {result.sent}, lost {result.lost}, wrong {wrong or 0}; "
                f"updates {new['updates']}, NOTIFYs {new['storms']}, reloads {new['reloads']}, "
                f"outages {new['outages']}, flaps {new['flapping']}; "
                f"transfers {transfers['transfers_ok']} well, {transfers['transfers_failed']} not; "
                f"worst lag {self.worst_lag_s:.1f} s, behind in outages {self.explained}, "
                f"unexplained {len(self.behind)}; memory {self.memory_kib[-1] / 1024:.1f} MiB, "
                f"zones {live:.1f} + {garbage:.1f} garbage of {mapped:.0f} MiB")
        self.worst_lag_s, self.explained = 0.0, 0
        return text

    def verdict(self):
        faults = []
        if self.lost or self.wrong:
            faults.append(f"{self.lost} queries lost, {self.wrong} answered wrongly")
        if self.behind:
            faults.append(f"{len(self.behind)} times a zone was behind, first {self.behind[:3]}")
        if self.went_back:
            faults.append(f"serials went back: {self.went_back[:3]}")
        return faults + self.judge_memory()

    def judge_memory(self):
        """The last third of the minutes against the second."""
        if len(self.memory_kib) < JUDGED_MINUTES:
            return []
        third = len(self.memory_kib) // 3
        second, last = (statistics.median(self.memory_kib[i * third:(i + 1) * third])
                        for i in (1, 2))
        grown = last - second
        if grown <= max(STEADY_KIB, STEADY_SHARE * second):
            return []
        return [f"memory grows: {second / 1024:.1f} MiB, then {last / 1024:.1f} MiB"]
