# SPDX-License-Identifier: BSD-3-Clause
"""Understudy, BIND, Knot and NSD as secondaries of one primary of one zone."""
import os
import shutil

from common import process, server
from harness import peers

PEERS = {"bind": "10.53.0.11", "knot": "10.53.0.13", "nsd": "10.53.0.14"}


class Peer:
    """A server at `address` in the namespace `ns` that keeps its data below `folder`. `key`
    (name, algorithm, secret) signs its transfers."""

    def __init__(self, ns, folder, origin, primary, key=None):
        self.kind = type(self).__name__.lower()
        self.ns, self.origin, self.primary = ns, origin, primary
        self.address = PEERS[self.kind]
        self.key = key
        self.dir = os.path.join(folder, self.kind)
        os.makedirs(self.dir, exist_ok=True)
        self.process = None

    def start(self, cpus=None):
        self.ns.ip("address", "add", self.address + "/24", "dev", "eth0", check=False)
        self.write("conf", self.config())
        self.process = process.Process(self.argv(), self.ns, self.path("log"), cpus=cpus)
        return self

    def stop(self):
        if self.process:
            self.process.stop(60)
        self.process = None

    def path(self, name):
        return os.path.join(self.dir, name)

    def write(self, name, text):
        with open(self.path(name), "w", encoding="ascii") as file:
            file.write(text)

    def config(self):
        raise NotImplementedError

    def argv(self):
        raise NotImplementedError


class Bind(Peer):
    def config(self):
        key = 'key "{}" {{ algorithm {}; secret "{}"; }};'.format(*self.key) if self.key else ""
        with_key = f' key "{self.key[0]}"' if self.key else ""
        return f"""
{key}
options {{
	directory "{self.dir}"; pid-file none; session-keyfile none;
	listen-on {{ {self.address}; }}; listen-on-v6 {{ none; }};
	query-source address {self.address}; transfer-source {self.address};
	recursion no; dnssec-validation no; notify no; allow-transfer {{ none; }};
	minimal-responses yes; serial-query-rate 1000; tcp-clients 1000; masterfile-format raw;
}};
controls {{ }};
zone "{self.origin}" {{ type secondary; file "zone"; primaries {{ {self.primary}{with_key}; }}; }};
"""

    def argv(self):
        # AppArmor's profile of the installed one would keep it out of our folder.
        program = shutil.copy("/usr/sbin/named", self.path("named"))
        return [program, "-g", "-c", self.path("conf")]


class Knot(Peer):
    def config(self):
        key = "key:\n  - id: {}\n    algorithm: {}\n    secret: {}\n".format(*self.key) \
            if self.key else ""
        with_key = f"    key: {self.key[0]}\n" if self.key else ""
        return f"""
{key}
server:
    rundir: "{self.dir}"
    listen: "{self.address}@53"
log:
  - target: stderr
    any: info
database:
    storage: "{self.dir}/db"
    journal-db-max-size: 8G
remote:
  - id: primary
    address: {self.primary}
    via: {self.address}
{with_key}acl:
  - id: notify
    address: {self.primary}
    action: notify
template:
  - id: default
    storage: "{self.dir}"
    semantic-checks: off
    zonefile-sync: -1
    zonefile-load: none
    journal-content: all
zone:
  - domain: {self.origin}
    master: primary
    acl: notify
"""

    def argv(self):
        os.makedirs(self.path("db"), exist_ok=True)
        return ["/usr/sbin/knotd", "-c", self.path("conf")]


class Nsd(Peer):
    def config(self):
        key = 'key:\n    name: "{}"\n    algorithm: {}\n    secret: "{}"\n'.format(*self.key) \
            if self.key else ""
        return f"""
{key}
server:
    ip-address: {self.address}
{peers.nsd_files(self.dir)}
    server-count: 2
    tcp-count: 1000
    xfrd-reload-timeout: 0
    rrl-ratelimit: 0
    rrl-whitelist-ratelimit: 0
remote-control:
    control-enable: no
zone:
    name: "{self.origin}"
    zonefile: "zone"
    allow-notify: {self.primary} NOKEY
    request-xfr: {self.primary} {self.key[0] if self.key else 'NOKEY'}
    outgoing-interface: {self.address}
"""

    def argv(self):
        return ["/usr/sbin/nsd", "-d", "-V", "3", "-c", self.path("conf")]


class Understudy(server.Understudy):
    """Ours, with its store, at the address that the end-to-end tests know."""

    address = "10.53.0.2"

    def __init__(self, ns, folder, origin, primary, **options):
        super().__init__(ns, folder, [origin], primaries=[primary], **options)


ALL = {"understudy": Understudy, "bind": Bind, "knot": Knot, "nsd": Nsd}
