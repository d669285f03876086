# SPDX-License-Identifier: BSD-3-Clause
"""Real name servers as primaries: BIND, Knot, NSD and PowerDNS, with one interface."""

import os
import shutil
import signal
import sqlite3
import time

import dns.query
import dns.tsigkeyring
import dns.update

from . import net, zones
from .client import Client
from .process import Process, wait_for

KEY = ("transfer.example", "hmac-sha256", "bXVsYXRvIHVuZGVyc3R1ZHkgc2VjcmV0IG9mIDMyIQ==")
OTHER_KEY = ("other.example", "hmac-sha512", "YW5vdGhlciBzZWNyZXQsIHdoaWNoIG5vYm9keSBrbm93cw==")

UPDATE_S = 30  # BIND waits for the disk with each update, and others may keep it busy

SAME = object()  # as the notify_key: the transfers'


class Peer:
    """A name server at `address` that serves `content` ({origin: zone text or path
    of a file}) to anyone, or only to `key`, and tells `notify` of changes. Over UDP
    it sends `edns_octets` at most. With `ixfr` it works out what has changed when it
    rereads a file, and gives that by IXFR. `notify_key` signs NOTIFY, if that is another
    than the transfers' or none."""

    address = None

    def __init__(self, ns, workdir, content, key=None, notify=(net.SERVER,), cpus=None,
                 updates=False, edns_octets=1232, ixfr=False, notify_key=SAME):
        self.ns = ns
        self.ixfr = ixfr
        self.dir = os.path.join(workdir, type(self).__name__.lower())
        self.key = key
        self.notify = notify
        self.notify_key = key if notify_key is SAME else notify_key
        self.cpus = cpus
        self.updates = updates
        self.edns_octets = edns_octets
        self.process = None
        self.replaced = 0
        os.makedirs(self.dir, exist_ok=True)
        self.files = {}
        for origin, text in content.items():
            self.files[origin] = self.zone_file(origin, text)
        self.client = Client(ns, self.address)

    def zone_file(self, origin, text):
        if text.startswith("/"):
            return text
        return zones.write(os.path.join(self.dir, f"zone.{origin.strip('.') or 'root'}"), text)

    def path(self, name):
        return os.path.join(self.dir, name)

    def start(self, timeout=60):
        self.write_config()
        self.process = Process(self.argv(), self.ns, self.path("log"), cpus=self.cpus)
        last = list(self.files)[-1]
        wait_for(lambda: self.gone() or self.client.serial(last) is not None, timeout,
                 f"{self.address} serving {last}, see {self.path('log')}")
        return self

    def source_for(self, target):
        """This peer's own address of the target's family."""
        return net.v6(self.address) if ":" in target else self.address

    def gone(self):
        if not self.process.alive():
            raise AssertionError(f"{self.process.name} ended:\n{self.process.log_text()[-2000:]}")

    def stop(self):
        if self.process:
            self.process.stop(30)
            self.process = None

    def replace_zone(self, origin, text):
        """Another version of a zone, from its text."""
        self.files[origin] = self.zone_file(origin, text)
        if not text.startswith("/"):
            self.replaced += 1  # servers look at the second in which a file was written
            later = time.time() + 2 * self.replaced
            os.utime(self.files[origin], (later, later))
        self.reload(origin)

    def reload(self, _origin):
        self.process.signal(signal.SIGHUP)

    def keys(self):
        """All that the configuration must define."""
        return [k for k in dict.fromkeys((self.key, self.notify_key)) if k]

    def write_config(self):
        raise NotImplementedError

    def argv(self):
        raise NotImplementedError


class Bind(Peer):
    """BIND; with `updates` the zones take dynamic updates, but no new files."""

    address = net.BIND

    def write_config(self):
        key = "".join(f'key "{name}" {{ algorithm {algorithm}; secret "{secret}"; }};\n'
                      for name, algorithm, secret in self.keys())
        allow = f'key "{self.key[0]}";' if self.key else ""
        signed = f" key {self.notify_key[0]}" if self.notify_key else ""
        also = "".join(f"{a}{signed}; " for a in self.notify)
        config = f"""{key}
options {{
    directory "{self.dir}";
    pid-file "{self.dir}/pid";
    session-keyfile "{self.dir}/session.key";
    managed-keys-directory "{self.dir}";
    listen-on {{ {self.address}; }};
    listen-on-v6 {{ {net.v6(self.address)}; }};
    recursion no;
    dnssec-validation no;
    empty-zones-enable no;
    edns-udp-size {self.edns_octets};
    max-udp-size {self.edns_octets};
    minimal-responses no-auth;
    zero-no-soa-ttl no;
    check-integrity no;
    allow-transfer {{ {allow or 'any;'} }};
    notify explicit;
    also-notify {{ {also}}};
    notify-source {self.address};
    notify-source-v6 {net.v6(self.address)};
    ixfr-from-differences {"yes" if self.ixfr else "no"};
    notify-delay 0;
    notify-rate 1000;
    serial-query-rate 1000;
    max-records-per-type 0;
    max-types-per-name 0;
    transfers-out 100;
    tcp-clients 200;
}};
controls {{ }};
"""
        update = (allow or "any;") if self.updates else "none;"
        for origin, path in self.files.items():
            config += (f'zone "{origin}" {{ type primary; file "{path}"; check-names ignore; '
                       f'allow-update {{ {update} }}; }};\n')
        zones.write(self.path("named.conf"), config)

    def argv(self):
        # AppArmor's profile of the installed one would keep it out of our folder.
        program = shutil.copy("/usr/sbin/named", self.path("named"))
        return [program, "-g", "-n", "1", "-c", self.path("named.conf")]

    def update(self, origin, change):
        """A dynamic update: `change(update)` fills it in."""
        options = {}
        if self.key:
            name, algorithm, secret = self.key
            options = {"keyring": dns.tsigkeyring.from_text({name: secret}),
                       "keyname": name, "keyalgorithm": algorithm}
        message = dns.update.Update(origin, **options)
        change(message)
        with self.client.tcp_socket() as sock:
            reply = dns.query.tcp(message, self.address, timeout=UPDATE_S, sock=sock)
        assert reply.rcode() == 0, f"BIND refused the update: {reply}"


class Knot(Peer):
    address = net.KNOT

    def write_config(self):
        os.makedirs(self.path("db"), exist_ok=True)  # journals are not kept without it
        key = "".join(f"  - id: {name}\n    algorithm: {algorithm}\n    secret: {secret}\n"
                      for name, algorithm, secret in self.keys())
        key = key and f"key:\n{key}"
        with_key = f"    key: {self.key[0]}\n" if self.key else ""
        signed = f"    key: {self.notify_key[0]}\n" if self.notify_key else ""
        remotes = [f'  - id: to{i}\n    address: "{a}"\n    via: "{self.source_for(a)}"\n{signed}'
                   for i, a in enumerate(self.notify)]
        targets = ", ".join(f"to{i}" for i in range(len(remotes)))
        targets = f"    notify: [{targets}]\n" if remotes else ""
        config = f"""
server:
    rundir: "{self.dir}"
    listen: ["{self.address}@53", "{net.v6(self.address)}@53"]
    udp-max-payload: {self.edns_octets}
    udp-workers: 1
    tcp-workers: 1
    background-workers: 1
log:
  - target: stderr
    any: notice
{key}
acl:
  - id: all
    action: transfer
{with_key}{"remote:" if remotes else ""}
{"".join(remotes)}
database:
    storage: "{self.dir}/db"
template:
  - id: default
    storage: "{self.dir}"
    semantic-checks: off
    zonefile-load: {"difference" if self.ixfr else "whole"}
    journal-content: {"changes" if self.ixfr else "none"}
    acl: all
{targets}zone:
"""
        for origin, path in self.files.items():
            config += f'  - domain: "{origin}"\n    file: "{path}"\n'
        zones.write(self.path("knot.conf"), config)

    def argv(self):
        return ["/usr/sbin/knotd", "-c", self.path("knot.conf")]


def nsd_files(folder):
    """What an NSD's server: section says so that all it writes is in this folder, as its user."""
    return f"""    username: ""
    chroot: ""
    zonesdir: "{folder}"
    pidfile: "{folder}/pid"
    xfrdfile: "{folder}/xfrd.state"
    xfrdir: "{folder}"
    zonelistfile: "{folder}/zone.list"
    database: \"\""""


class Nsd(Peer):
    address = net.NSD

    def write_config(self):
        config = f"""
server:
    server-count: 1
    ip-address: {self.address}
    ip-address: {net.v6(self.address)}
{nsd_files(self.dir)}
    zonefiles-check: yes
    ipv4-edns-size: {self.edns_octets}
    ipv6-edns-size: {self.edns_octets}
    minimal-responses: no
    rrl-ratelimit: 0
    rrl-whitelist-ratelimit: 0
remote-control:
    control-enable: no
"""
        for name, algorithm, secret in self.keys():
            config += (f'key:\n    name: "{name}"\n    algorithm: {algorithm}\n'
                       f'    secret: "{secret}"\n')
        name, signed = (k[0] if k else "NOKEY" for k in (self.key, self.notify_key))
        for origin, path in self.files.items():
            config += (f'zone:\n    name: "{origin}"\n    zonefile: "{path}"\n'
                       f"    provide-xfr: 0.0.0.0/0 {name}\n    provide-xfr: ::/0 {name}\n"
                       f"    outgoing-interface: {self.address}\n" + self.zone_options(origin)
                       + f"    outgoing-interface: {net.v6(self.address)}\n"
                       + ("    store-ixfr: yes\n    create-ixfr: yes\n" if self.ixfr else "")
                       + "".join(f"    notify: {a} {signed}\n" for a in self.notify))
        zones.write(self.path("nsd.conf"), config)

    def zone_options(self, _origin):
        """More lines of the configuration for a zone."""
        return ""

    def argv(self):
        return ["/usr/sbin/nsd", "-d", "-c", self.path("nsd.conf")]

    def answering(self):
        """The processes that answer: children of the child of the one that we started."""
        def children(pid):
            return net.sh("ps", "-o", "pid=", "--ppid", str(pid), check=False).split()
        return {answering for main in children(self.process.pid) for answering in children(main)}

    def reload(self, origin):
        """Returns when whoever answered until now has ended: it may give the version before
        beside the new one, or reset connections."""
        before = self.answering()
        super().reload(origin)
        wait_for(lambda: not before & self.answering(), 20, "the end of the process before")


class PowerDns(Peer):
    """PowerDNS with the SQLite back end; a new version of a zone is loaded into it."""

    address = net.POWERDNS
    SCHEMA = "/usr/share/pdns-backend-sqlite3/schema/schema.sqlite3.sql"

    @classmethod
    def installed(cls):
        return os.path.exists("/usr/sbin/pdns_server") and os.path.exists(cls.SCHEMA)

    def util(self, *argv):
        return net.sh("pdnsutil", f"--config-dir={self.dir}", *argv)

    def write_config(self):
        targets = ",".join(f"[{a}]:53" if ":" in a else f"{a}:53" for a in self.notify)
        zones.write(self.path("pdns.conf"), f"""
launch=gsqlite3
gsqlite3-database={self.path("db")}
local-address={self.address},{net.v6(self.address)}
query-local-address={self.address},{net.v6(self.address)}
primary=yes
also-notify={targets}
only-notify=
allow-axfr-ips={"" if self.key else "0.0.0.0/0,::/0"}
xfr-cycle-interval=1
socket-dir={self.dir}
udp-truncation-threshold={self.edns_octets}
receiver-threads=1
retrieval-threads=1
distributor-threads=1
cache-ttl=0
query-cache-ttl=0
negquery-cache-ttl=0
zone-cache-refresh-interval=0
{"send-signed-notify=no" if self.key and not self.notify_key else ""}
guardian=no
daemon=no
""")
        database = sqlite3.connect(self.path("db"))
        with open(self.SCHEMA, encoding="utf-8") as f:
            database.executescript(f.read())
        database.close()
        self.fill()

    def fill(self):
        """A key of the zone is that of its NOTIFYs as well; it goes without where not."""
        for key in self.keys():
            self.util("import-tsig-key", *key)
        for origin, path in self.files.items():
            self.util("load-zone", origin, path)
            self.util("set-kind", origin, "primary")
            for key in self.keys():
                self.util("activate-tsig-key", origin, key[0], "primary")

    def reload(self, origin):
        self.util("load-zone", origin, self.files[origin])

    def argv(self):
        return ["/usr/sbin/pdns_server", f"--config-dir={self.dir}"]


PEERS = {"bind": Bind, "knot": Knot, "nsd": Nsd}
