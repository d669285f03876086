# SPDX-License-Identifier: BSD-3-Clause
"""The server under test: Understudy, or a reference secondary by which the
tests' own expectations are proven."""

import json
import os
import shutil
import subprocess

from . import net, zones
from .client import Client
from .peers import KEY
from .process import Process, wait_for

SANITIZER = ("AddressSanitizer", "LeakSanitizer", "ThreadSanitizer", "runtime error:")


def yaml(value, indent=0):
    """The value as YAML, one scalar a line."""
    pad = "  " * indent
    if isinstance(value, dict):
        if not value:
            return " {}\n"
        return ("\n" if indent else "") + "".join(
            f"{pad}{k}:{yaml(v, indent + 1)}" for k, v in value.items())
    if isinstance(value, (list, tuple)):
        if not value:
            return " []\n"
        items = ""
        for item in value:
            text = yaml(item, indent + 1)
            items += f"{pad}- " + text.lstrip()
        return "\n" + items
    if isinstance(value, bool):
        return f" {'true' if value else 'false'}\n"
    if isinstance(value, int):
        return f" {value}\n"
    return f" {json.dumps(value)}\n"


class Secondary:
    """A secondary at net.SERVER. `primaries` are addresses; `content` maps each
    zone to those of its primaries, or lists the zones (then all primaries).
    Options: sections of the configuration, to replace ours; edns_octets; cpus;
    `primary`, what the configuration says of every primary."""

    understudy = False

    def __init__(self, ns, workdir, content, primaries=(net.BIND,), key=None, **options):
        self.ns = ns
        self.dir = os.path.join(workdir, "server")
        os.makedirs(self.dir, exist_ok=True)
        self.zones = content if isinstance(content, dict) else {z: primaries for z in content}
        self.primaries = list(primaries)
        self.key = key
        self.options = options
        self.process = None

    def path(self, name):
        return os.path.join(self.dir, name)

    def start(self, timeout=30):
        self.write_config()
        self.process = Process(self.argv(), self.ns, self.path("log"),
                               cpus=self.options.get("cpus"), env=self.environment())
        wait_for(self.ready, timeout, lambda: f"the server: {self.process.log_text()[-2000:]}")
        return self

    def environment(self):
        return {}

    def ready(self):
        self.must_live()
        return True

    def must_live(self):
        if not self.process.alive():
            raise AssertionError(f"the server ended with {self.process.wait(0)}:\n"
                                 + self.process.log_text()[-4000:])

    def stop(self):
        if self.process:
            process, self.process = self.process, None
            process.stop(30)

    def client(self, clients, address=net.SERVER, source=None):
        """Somebody in the namespace `clients` who asks this server."""
        return Client(clients, address, source=source)

    def wait_served(self, clients, serials, timeout=20):
        """Waits until all zones of {zone: serial} are served with that serial."""
        client = self.client(clients)
        for zone, serial in serials.items():
            wait_for(lambda z=zone, s=serial: self.must_live() or client.serial(z) == s, timeout,
                     lambda z=zone, s=serial: f"{z} with serial {s}, got {client.serial(z)}; "
                                              f"see {self.path('log')}")


class Understudy(Secondary):
    understudy = True

    def __init__(self, *args, **options):
        super().__init__(*args, **options)
        # A new server begins with nothing stored; one that is started again does not.
        shutil.rmtree(self.path("store"), ignore_errors=True)

    build = os.environ.get("UNDERSTUDY_BUILD", "build")

    @classmethod
    def program(cls, name):
        for folder in ("ctrl", "ctrl/cli"):
            path = os.path.join(PROJECT, cls.build, folder, name)
            if os.access(path, os.X_OK) and os.path.isfile(path):
                return path
        return None

    @classmethod
    def has_ports(cls):
        """Whether the build has DPDK ports."""
        path = os.path.join(PROJECT, cls.build, "meson-info/intro-buildoptions.json")
        with open(path, encoding="utf-8") as f:
            chosen = {option["name"]: option["value"] for option in json.load(f)}
        return chosen["dpdk"] != "disabled"

    def config(self):
        """The configuration; `options` replace whole sections."""
        config = {
            "server": {"identity": "e2e.example", "version": "understudy", "log-level": "info",
                       "edns-udp-size": self.options.get("edns_octets", 1232)},
            "listen": [{"address": net.SERVER}, {"address": net.SERVER6}],
            "control": {"socket": self.path("sock")},
            "database": {"path": self.path("store")},
        }
        if self.key:
            name, algorithm, secret = self.key
            config["keys"] = [{"name": name, "algorithm": algorithm, "secret": secret}]
        more = {**({"key": self.key[0]} if self.key else {}), **self.options.get("primary", {})}
        config["primaries"] = [{"id": f"p{a}", "address": a, **more} for a in self.primaries]
        config["zones"] = [{"name": z, "primaries": [f"p{a}" for a in of]}
                           for z, of in self.zones.items()]
        for section in ("server", "listen", "tcp", "cookies", "rate-limit", "transfer", "memory",
                        "database", "dnssec", "hooks", "dpdk", "ports", "tsig", "keys", "key-files",
                        "primaries", "templates", "zones"):
            if section in self.options:
                config[section] = self.options[section]
        return config

    def write_config(self):
        os.chmod(zones.write(self.path("understudy.yaml"), yaml(self.config())), 0o640)

    def argv(self):
        return [self.program("understudyd"), "-c", self.path("understudy.yaml")]

    def environment(self):
        shown = os.path.join(PROJECT, self.build, "tests/support/libseen_close.so")
        return {"ASAN_OPTIONS": "detect_leaks=1:abort_on_error=0:exitcode=99",
                "UBSAN_OPTIONS": "print_stacktrace=1:halt_on_error=1",
                "TSAN_OPTIONS": "exitcode=99",
                **({"LD_PRELOAD": shown} if os.path.exists(shown) else {})}

    def ready(self):
        self.must_live()
        return os.path.exists(self.path("sock")) and self.ctl("status").returncode == 0

    def ctl(self, *argv, timeout=10):
        """Runs understudyctl to its end."""
        return subprocess.run([self.program("understudyctl"), "-s", self.path("sock"), *argv],
                              capture_output=True, text=True, timeout=timeout, check=False)

    def ctl_json(self, *argv):
        """The result that understudyctl --json prints."""
        done = self.ctl("--json", *argv)
        assert done.returncode == 0, f"understudyctl {argv}: {done.stdout}{done.stderr}"
        response = json.loads(done.stdout)
        assert response["ok"]
        return response["result"]

    def zone_status(self, zone):
        return self.ctl_json("zone", "status", zone)

    def last_attempt(self, zone, primary=0):
        """What came of the last exchange with a primary of the zone, None before any."""
        return self.zone_status(zone)["primaries"][primary]["last"]

    def reload(self):
        """Returns once the new configuration holds, or is refused."""
        self.write_config()
        self.ctl("reload", timeout=30)

    def stop(self):
        """Ends it by SIGTERM, which must end it cleanly."""
        if not self.process:
            return
        process, self.process = self.process, None
        status = process.stop(30)
        log = process.log_text()
        for word in SANITIZER:
            assert word not in log, f"a sanitizer found something:\n{log[-6000:]}"
        assert status == 0, f"understudyd ended with {status} after SIGTERM:\n{log[-4000:]}"


class KnotSecondary(Secondary):
    """Knot in Understudy's place."""

    def write_config(self):
        key = with_key = ""
        if self.key:
            name, algorithm, secret = self.key
            key = (f"key:\n  - id: {name}\n    algorithm: {algorithm}\n"
                   f"    secret: {secret}\n")
            with_key = f"    key: {name}\n"
        config = f"""
server:
    rundir: "{self.dir}"
    listen: ["{net.SERVER}@53", "{net.SERVER6}@53"]
    identity: e2e.example
    udp-max-payload: {self.options.get("edns_octets", 1232)}
log:
  - target: stderr
    any: info
{key}
remote:
"""
        for a in self.primaries:
            config += f'  - id: "p{a}"\n    address: "{a}"\n{with_key}'
        config += "acl:\n"
        for a in self.primaries:
            config += (f'  - id: "from{a}"\n    address: "{a}"\n    action: notify\n'
                       f"{with_key}")
        config += f"""
database:
    storage: "{self.dir}/db"
template:
  - id: default
    storage: "{self.dir}"
    semantic-checks: off
    zonefile-load: none
    journal-content: none
    zonefile-sync: -1
    retry-min-interval: 2
    refresh-min-interval: 2
    expire-min-interval: 3
zone:
"""
        for zone, of in self.zones.items():
            masters = ", ".join(f'"p{a}"' for a in of)
            sources = ", ".join(f'"from{a}"' for a in of)
            config += f'  - domain: "{zone}"\n    master: [{masters}]\n    acl: [{sources}]\n'
        zones.write(self.path("knot.conf"), config)

    def argv(self):
        return ["/usr/sbin/knotd", "-c", self.path("knot.conf")]


PROJECT = os.path.abspath(os.path.join(os.path.dirname(__file__), "../../.."))
SERVERS = {"understudy": Understudy, "knot": KnotSecondary}
__all__ = ["Understudy", "KnotSecondary", "Secondary", "SERVERS", "PROJECT", "KEY", "yaml"]
