# SPDX-License-Identifier: BSD-3-Clause
"""Primaries that do wrong, each with a zone of its own, all of them at once; and messages
made octet by octet."""

import io
import json
import socket
import struct
import time

import dns.rcode

from .process import wait_for
from .scripted import Close, Pause, ScriptedMany, notify

TIMERS = "3600 2 604800 5"
LIMITS = {"transfer": {"connect-timeout": 2, "idle-timeout": 3, "max-time": 6,
                       "max-records": 5000}}
PATIENCE = {"transfer": {"idle-timeout": 20, "max-time": 20}}  # where nobody is slow by intent
FAILED_S = 60  # on a machine that is busy
OPT = 41
IN = 1
WHOLE = ("IXFR", "AXFR")  # what is asked of transfers
CONNECTION = "connection"


def rr(owner, rdtype, rdata, ttl=300, rdclass=IN, rdlength=None):
    length = len(rdata) if rdlength is None else rdlength
    return owner + struct.pack("!HHIH", rdtype, rdclass, ttl, length) + rdata


def opt(owner=b"\0", ttl=0, rdata=b""):
    return rr(owner, OPT, rdata, ttl, 1232)


def wires(rrsets):
    """The records as octets, one after the other."""
    out = []
    for rrset in rrsets:
        file = io.BytesIO()
        rrset.to_wire(file)
        out.append(file.getvalue())
    return out


def content(zone):
    return wires([zone.soa(), *zone.body(), zone.soa()])


def question(q, qclass=IN):
    return q.name.to_wire() + struct.pack("!HH", q.message.question[0].rdtype, qclass)


def answer(q, answers, authority=(), additional=(), flags=0x8400, questions=1, more=(0, 0, 0)):
    """A reply; `more` is what its counts say beyond what is there."""
    sections = [list(s) for s in (answers, authority, additional)]
    counts = [len(s) + m for s, m in zip(sections, more)]
    return struct.pack("!HHHHHH", q.message.id, flags, questions, *counts) \
        + question(q) * questions + b"".join(b"".join(s) for s in sections)


def apex(q):
    return q.name.to_wire()


def within(zone, *records):
    """The zone with these octets as records before its end."""
    whole = content(zone)
    return [*whole[:-1], *records, whole[-1]]


def one(build):
    """A reply of one message, signed where there is a key."""
    def behave(zone, q):
        return [*zone.signed(q, [build(zone, q)]), Pause(0.05), Close]
    return behave


def never_answers(connection):
    while connection.recv(4096):
        pass


class Scene:
    """Zones at serial 1, with what the primary is to do wrong: {title: (script, reasons)}.
    `kinds` are the queries that the scripts answer; of CONNECTION a script gets each TCP
    connection of its primary. Zones share a primary, or each has one `apart`, so that
    none waits for another."""

    def __init__(self, stage, key, wrong, kinds=WHOLE, apart=False, limits=None):
        self.key = key
        self.wrong = wrong
        self.kinds = kinds
        self.origins = {f"z{i:03}.hostile.test": title for i, title in enumerate(wrong)}
        self.primaries = self.start_primaries(stage, apart)
        self.server = stage.secondary(
            {o: [p.address] for o, p in self.primaries.items()},
            primaries=list(dict.fromkeys(p.address for p in self.primaries.values())), key=key,
            **(limits or (LIMITS if apart else PATIENCE)))
        self.client = self.server.client(stage.clients)
        self.notifiers = {o: self.server.client(stage.clients, source=p.address)
                          for o, p in self.primaries.items()}
        self.wait_served(1)

    def start_primaries(self, stage, apart):
        options = {"key": self.key, "timers": TIMERS}
        if not apart:
            one = stage.start(ScriptedMany(stage.clients, self.origins, **options))
            return dict.fromkeys(self.origins, one)
        made = {}
        for i, origin in enumerate(self.origins):
            address = f"10.53.0.{30 + i}"
            stage.wire.add_address(stage.clients, address)
            made[origin] = stage.start(ScriptedMany(stage.clients, [origin], address=address,
                                                    **options))
            # What is kept would be used before another connection is opened.
            zone = made[origin].zone(origin)
            zone.replies["AXFR"] = lambda q, z=zone: [*z.axfr_reply(q), Close]
        return made

    def zone(self, origin):
        return self.primaries[origin].zone(origin)

    def last(self, origin):
        """What `zone status` says, asked without a process for each of many zones."""
        with socket.socket(socket.AF_UNIX) as sock, sock.makefile("rw", encoding="utf-8") as file:
            sock.connect(self.server.path("sock"))
            file.write(json.dumps({"command": "zone status", "zone": origin}) + "\n")
            file.flush()
            status = json.loads(file.readline())["result"]
        return status, status["primaries"][0]["last"]

    def wait_served(self, serial, timeout=FAILED_S):
        """All zones, and what is in them."""
        for origin, title in self.origins.items():
            wait_for(lambda o=origin: self.client.serial(o) == serial, timeout,
                     lambda o=origin, t=title: f"{o} ({t}) with {serial}: {self.last(o)}")
            self.must_hold(origin, serial)

    def must_hold(self, origin, serial):
        for name, rdtype in ((origin, "SOA"), (f"v0.{origin}", "TXT"), (f"v9.{origin}", "TXT")):
            got = self.client.ask(name, rdtype).answer[0][0]
            held = got.serial if rdtype == "SOA" else int(got.strings[0].split()[1])
            assert held == serial, (self.origins[origin], name, got)

    def offer(self, serial):
        """A new serial is to be had, if the scripts give it; all are notified."""
        for origin, title in self.origins.items():
            zone, script = self.zone(origin), self.wrong[title][0]
            zone.good()
            zone.serial = serial
            if self.kinds == CONNECTION:
                self.primaries[origin].behave = script
            else:
                zone.replies.update(dict.fromkeys(self.kinds, lambda q, z=zone, s=script: s(z, q)))
            told = None if "SOA" in self.kinds else serial
            assert notify(self.notifiers[origin], origin, self.key,
                          serial=told) == dns.rcode.NOERROR

    def behave(self, serial):
        """All do well from now on, and nobody says so."""
        for origin, primary in self.primaries.items():
            primary.behave = None
            self.zone(origin).good()
            self.zone(origin).serial = serial

    def failure(self, origin):
        """The last exchange, once it is seen to have failed and no fall-back is under way."""
        what = "SOA query" if "SOA" in self.kinds else "transfer"
        status, last = self.last(origin)
        return last if status["failures"] and last["what"] == what and not last["ok"] else None

    def survive(self):
        """What was served stays, the reason shows, and the zones recover by themselves."""
        self.offer(2)
        unlike = []
        end = time.monotonic() + FAILED_S
        for origin, title in self.origins.items():
            while not (last := self.failure(origin)) and time.monotonic() < end:
                time.sleep(0.05)
            if not last or last["reason"] not in self.wrong[title][1].split():
                unlike.append((title, last or self.last(origin)))
            else:
                assert len(last["text"]) > 5
                self.must_hold(origin, 1)
        assert not unlike, unlike
        self.behave(3)
        self.wait_served(3)
        for origin in self.origins:
            assert self.last(origin)[0]["failures"] == 0
