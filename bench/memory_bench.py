# SPDX-License-Identifier: BSD-3-Clause
"""resident octets a record after an AXFR, and the peak on the way

Three zones of a million records: flat (names with A and AAAA), a delegation zone (NS sets
drawn from 1,000, DS on 10 %, glue on 5 %) and a signed one (A and NSEC, each with a signature
as long as ECDSA's). Resident is VmRSS, mapped files among it, and HugetlbPages, of all
processes, less what the daemon without zones measured; it is sampled while the transfer runs
and the zone is stored. `peak` is the highest sample to the last one. `refresh-peak` is that of
another AXFR of the flat zone, in which 1 % of the records changed, to what was there before it.
"""
import random
import struct
import threading
import time

import common
import watch
import zones
from primary import A, NS, Primary, name, record

DEFAULTS = {"names": 500_000, "pairs": 1}
ORIGIN = "example.com"
ADDRESS = "10.53.0.5"
AAAA, DS, RRSIG, NSEC = 28, 43, 46, 47
SAMPLE_S = 0.004
SETTLE_S = 3  # what is transferred is stored, and what was lent is given back
LOAD_S = 240
HOSTERS = 1000
SIGNATURE = struct.Struct("!HBBIIIIH")  # RFC 4034 section 3.1, as far as the signer's name


class Flat(Primary):
    """The zone's records, rendered; names, then whatever its kind has of each."""

    def __init__(self, *args):
        self.draw = random.Random(zones.SEED)
        super().__init__(*args)

    def owner(self, index):
        return b"\x09" + zones.label(index).encode() + self.APEX

    def of_name(self, index):
        yield self.host(index, self.address(index))
        yield record(self.owner(index), AAAA,
                     bytes([0x20, 1, 0xd, 0xb8]) + bytes(8) + struct.pack("!I", index))

    def whole(self):
        self.draw.seed(zones.SEED)
        yield self.soa(self.serial)
        yield record(self.APEX, NS, b"\3ns1" + self.APEX)
        yield record(b"\3ns1" + self.APEX, A, bytes([10, 53, 0, 1]))
        for index in sorted(range(self.names), key=zones.label):
            yield from self.of_name(index)
        yield self.soa(self.serial)


class Delegations(Flat):
    """What a TLD has."""

    def of_name(self, index):
        owner, hoster = self.owner(index), self.draw.randrange(HOSTERS)
        for server in ("ns1", "ns2"):
            yield record(owner, NS, name(f"{server}.hoster{hoster:03}.net"))
        if self.draw.random() < 0.10:
            yield record(owner, DS, struct.pack("!HBB", self.draw.randrange(65536), 13, 2)
                         + self.draw.randbytes(32))
        if self.draw.random() < 0.05:
            yield record(b"\3ns1" + owner, A, self.first_address(index))


class Signed(Flat):
    """Signatures have the size of true ones."""

    def signature(self, owner, covered):
        head = SIGNATURE.pack(covered, 13, 3, 3600, 1800000000, 1700000000, 12345, 0)[:18]
        return record(owner, RRSIG, head + self.qname + self.draw.randbytes(64))

    def of_name(self, index):
        owner = self.owner(index)
        yield self.host(index, self.address(index))
        yield self.signature(owner, A)
        yield record(owner, NSEC, b"\x09" + zones.label(index + 1).encode() + self.qname
                     + bytes([0, 6, 0x40, 0, 0, 0, 0, 3]))
        yield self.signature(owner, NSEC)


# How many names have a million records, for 500,000 of the flat zone.
KINDS = {"flat": (Flat, 1), "delegation": (Delegations, 0.93), "signed": (Signed, 0.5)}


class Sampler:
    """The highest of what is resident, until it is stopped."""

    def __init__(self, pid):
        self.pid, self.peak, self.going = pid, 0, True
        self.thread = threading.Thread(target=self.sample, daemon=True)
        self.thread.start()

    def sample(self):
        while self.going:
            self.peak = max(self.peak, watch.resident_kib(self.pid))
            time.sleep(SAMPLE_S)

    def stop(self):
        self.going = False
        self.thread.join()
        return self.peak


def settled_kib(pid):
    """What is resident once that no longer changes."""
    time.sleep(SETTLE_S)
    before = -1
    while before != (now := watch.resident_kib(pid)):
        before = now
        time.sleep(1)
    return now


def empty_kib(one):
    server = one.secondary([])
    kib = settled_kib(server.process.pid)
    one.clear()
    return kib


def first(one, kind, options, empty):
    """(octets a record, peak to end, refresh's peak to what was there before it)."""
    primary_class, part = KINDS[kind]
    primary = primary_class(one.clients, ADDRESS, ORIGIN, int(options.names * part))
    records = sum(struct.unpack("!H", m[8:10])[0] for m in primary.messages) - 1
    server = one.secondary([ORIGIN], primaries=[ADDRESS])
    sampler = Sampler(server.process.pid)
    watch.wait_answer(one.clients, "10.53.0.2", f"ns1.{ORIGIN}", LOAD_S)
    end = settled_kib(server.process.pid)
    peak = sampler.stop() / end
    octets = (end - empty) * 1024 / records
    refreshed = refresh(one, primary, server) if kind == "flat" else None
    common.say(f"{kind}: {records} records, {end - empty} KiB, {octets:.1f} octets a record, "
               f"peak {peak:.3f}" + (f", refresh {refreshed:.3f}" if refreshed else ""))
    one.clear()
    primary.close()
    return octets, peak, refreshed


def refresh(one, primary, server):
    primary.change(primary.names * 2 // 100)
    primary.messages = [primary.message(body) for body in primary.bodies(primary.whole())]
    index = primary.changes[-1][0]
    before = settled_kib(server.process.pid)
    sampler = Sampler(server.process.pid)
    server.ctl("zone", "retransfer", ORIGIN)
    client = server.client(one.clients)
    common.process.wait_for(lambda: client.serial(ORIGIN) == primary.serial, LOAD_S,
                            "the refreshed zone")
    watch.wait_answer(one.clients, "10.53.0.2", f"{zones.label(index)}.{ORIGIN}", LOAD_S)
    settled_kib(server.process.pid)
    return sampler.stop() / before


def rows(options):
    octets, peaks, refreshed = {}, [], []
    for _ in range(options.pairs):
        with common.a_stage() as one:
            empty = empty_kib(one)
            common.say(f"the daemon without zones: {empty} KiB")
            for kind in KINDS:
                a_record, peak, again = first(one, kind, options, empty)
                octets.setdefault(kind, []).append(a_record)
                peaks.append(peak)
                refreshed += [again] if again else []
    result = {f"{kind}-1M": common.figure(values, "octets") for kind, values in octets.items()}
    # The worst of the three zones counts.
    result["peak"] = {**common.figure(peaks, "1"), "value": max(peaks)}
    result["refresh-peak"] = common.figure(refreshed, "1")
    return result
