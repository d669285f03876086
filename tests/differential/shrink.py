# SPDX-License-Identifier: BSD-3-Clause
"""Makes a small zone of one that shows a difference: leaves records out as long as the
servers go on to differ in the same way, and writes what remains as a case for tests/regress."""

import json
import os
import tempfile
import time

import ask
import compare
import dns.flags
import dns.message
import dns.rcode
import questions
import sign
import world as worlds

LIMIT_S = 240
FLAGS = {"AA": dns.flags.AA, "TC": dns.flags.TC, "RD": dns.flags.RD}


class Shrinker:
    """One difference: `query`, which of the peers differ and in what (`differing`), and the
    zones it takes: {origin: lines}. `plans` says how each is to be signed (None: as it is)."""

    def __init__(self, query, differing, zones, plans):
        self.query = query
        self.differing = differing
        self.zones = zones
        self.plans = plans
        self.end = time.monotonic() + LIMIT_S
        self.files = {}
        self.replies = None

    def run(self):
        """Leaves out all that it can; False if the zones do not show the difference."""
        if not self.differs(self.zones):
            return False
        for origin in list(self.zones):
            rest = {o: lines for o, lines in self.zones.items() if o != origin}
            if rest and self.differs(rest):
                self.zones = rest
        for origin in list(self.zones):
            self.thin_out(origin)
        return self.differs(self.zones, last=True)

    def thin_out(self, origin):
        """Leaves out records of one zone, many at once first."""
        size = len(self.zones[origin]) // 2
        while size and time.monotonic() < self.end:
            at = 0
            while at < len(self.zones[origin]) and time.monotonic() < self.end:
                lines = self.zones[origin]
                part = [line for line in lines[at:at + size] if line.split()[3] == "SOA"]
                fewer = {**self.zones, origin: lines[:at] + part + lines[at + size:]}
                if len(part) < len(lines[at:at + size]) and self.differs(fewer):
                    self.zones = fewer
                    at += len(part)
                else:
                    at += size
            size //= 2

    def differs(self, zones, last=False):
        """Whether the servers, given these zones, differ as they did."""
        with tempfile.TemporaryDirectory() as folder:
            files = {}
            keys = sign.Keys(folder)
            for i, (origin, lines) in enumerate(zones.items()):
                files[origin], error = sign.write_zone(self.plans[origin], origin, lines,
                                                       os.path.join(folder, str(i)), keys)
                if error:
                    return False
            try:
                return self.ask(folder, files, last)
            except (RuntimeError, AssertionError):
                return False

    def ask(self, folder, files, last):
        with worlds.World(folder, files) as world, world.wire.clients:
            judges = [worlds.NAMES.index(name) for name in worlds.PEERS
                      if not any(origin in world.refused[name] for origin in files)]
            whole = [ask.tcp(address, [self.query.wire])[0] for address in worlds.ADDRESSES]
            replies = whole
            if not self.query.tcp:
                replies = [column[0] for column in ask.udp(worlds.ADDRESSES, [self.query.wire])]
                if not (compare.partial(self.query) or any(map(compare.truncated, replies))):
                    whole = None
        origin = min(files, key=lambda o: -len(questions.labels_of(o)) if questions.covers(
            o, self.query.name) else 0)
        names = questions.Names(origin, files[origin],
                                {questions.labels_of(o): path for o, path in files.items()})
        _, found = compare.judge(self.query, replies, None if self.query.tcp else whole, judges,
                                 names)
        if last:
            self.replies = replies
            self.files = {}
            for origin, path in files.items():
                with open(path, encoding="ascii") as f:
                    self.files[origin] = f.read()
        return found == self.differing

    def write(self, folder):
        """Writes the case; what is to be expected is what the first peer that differs says."""
        os.makedirs(folder, exist_ok=True)
        names = {}
        for i, (origin, text) in enumerate(self.files.items()):
            names[origin] = f"{i}.zone"
            with open(os.path.join(folder, names[origin]), "w", encoding="ascii") as f:
                f.write("; SPDX-License-Identifier: BSD-3-Clause\n" + text)
        right = dns.message.from_wire(self.replies[min(self.differing)], one_rr_per_rrset=True)
        case = {"about": "", "rfc": "", "zones": names, "queries": [{
            "wire": self.query.wire.hex(), "tcp": self.query.tcp, "question": str(self.query),
            "rcode": dns.rcode.to_text(right.rcode()),
            "flags": [name for name, bit in FLAGS.items() if right.flags & bit],
            "answer": [rrset.to_text() for rrset in right.answer],
            "authority": [rrset.to_text() for rrset in right.authority]}]}
        with open(os.path.join(folder, "case.json"), "w", encoding="ascii") as f:
            json.dump(case, f, indent=1)
            f.write("\n")


def related(origin, origins):
    """Those zones that have a part in what is answered for one."""
    name = questions.labels_of(origin)
    return [o for o in origins if questions.covers(o, name)
            or questions.covers(origin, questions.labels_of(o))]


def lines_of(path):
    with open(path, encoding="ascii") as f:
        return [line for line in f if line[:1] not in ";\n"]
