# SPDX-License-Identifier: BSD-3-Clause
"""Where the soak plays: BIND with a thousand zones, a scripted primary, the daemon."""

from harness import net, ports, zones
from harness.peers import KEY, Bind
from harness.process import wait_for
from harness.scripted import ScriptedMany
from harness.server import Understudy

REFRESH_S, RETRY_S = 30, 5
TIMERS = f"{REFRESH_S} {RETRY_S} 36000 5"
FLAPPING = 30  # zones of the scripted primary
EXTRA = 20     # zones that reloads add and remove
# What a sanitizer keeps back of freed memory would look like a leak for a while.
SANITIZER_OPTIONS = ":quarantine_size_mb=8"


class Server(Understudy):
    def environment(self):
        made = super().environment()
        made["ASAN_OPTIONS"] += SANITIZER_OPTIONS
        return made


class World:
    """All of it, started; `with` ends it."""

    def __init__(self, options, folder):
        self.options = options
        self.folder = folder
        self.faults = []
        self.updated = [f"u{i}.soak.test" for i in range(options.zones)]
        self.flapping = [f"f{i}.soak.test" for i in range(FLAPPING)]
        self.extra = [f"x{i}.soak.test" for i in range(EXTRA)]
        self.wire = net.Wire(kernel_addresses=not ports.has_tap(options.mode))
        self.clients = self.wire.clients
        self.bind = self.scripted = self.server = None
        Server.build = options.build

    def __enter__(self):
        try:
            self.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def start(self):
        content = {z: zones.zone_text(z, 1, "www A 192.0.2.1\n", TIMERS)
                   for z in self.updated + self.extra}
        self.bind = Bind(self.clients, self.folder, content, key=KEY, updates=True).start()
        self.scripted = ScriptedMany(self.clients, self.flapping, KEY, timers=TIMERS).start()
        of = {z: [net.BIND] for z in self.updated} | {z: [net.SCRIPTED] for z in self.flapping}
        self.server = Server(self.wire.server, self.folder, of, primaries=[net.BIND, net.SCRIPTED],
                             key=KEY, **ports.options(self.options.mode))
        self.server.start(60)
        self.server.wait_served(self.clients, {self.updated[-1]: 1, self.flapping[-1]: 1}, 60)
        self.server.wait_served(self.clients, dict.fromkeys(of, 1), 60)
        self.warm_up(len(of))

    def warm_up(self, count):
        """As many transfers at once as there will ever be: memory that they work in is kept."""
        def transfers():
            return self.server.ctl_json("stats")["transfers"]["transfers_ok"]
        before = transfers()
        assert self.server.ctl("zone", "retransfer", "--all", timeout=60).returncode == 0
        wait_for(lambda: transfers() >= before + count, 120, "all zones to come once more")

    def __exit__(self, *_):
        for thing in (self.server, self.bind, self.scripted):
            try:
                if thing:
                    thing.stop()
            except AssertionError as e:
                self.faults.append(f"at the end: {e}")
        self.wire.close()
