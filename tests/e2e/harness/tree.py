# SPDX-License-Identifier: BSD-3-Clause
"""A tree of delegations of our own: a root, a TLD and a resolver that knows no other root."""

import os
import re

from . import net, zones
from .peers import Bind, Knot, Nsd
from .process import wait_for

ROOT, TLD, RESOLVER = "10.53.0.20", "10.53.0.21", "10.53.0.22"
TOP = "example"
NAMES = {ROOT: "a.root.", TLD: f"ns.nic.{TOP}."}  # of the servers
SOA = "@ 1 SOA {} hostmaster.{} {} 3600 600 604800 1\n"


def addresses(name, address):
    return f"{name} 1 A {address}\n{name} 1 AAAA {net.v6(address)}\n"


class Root(Nsd):
    address = ROOT


class Top(Knot):
    address = TLD


class Resolver(Bind):
    """Resolves from our root, remembers for a second at most."""

    address = RESOLVER

    def write_config(self):
        hints = zones.write(self.path("hints"), f". 1 NS {NAMES[ROOT]}\n"
                            + addresses(NAMES[ROOT], ROOT))
        config = f"""
options {{
    directory "{self.dir}";
    pid-file "{self.dir}/pid";
    session-keyfile "{self.dir}/session.key";
    managed-keys-directory "{self.dir}";
    listen-on {{ {self.address}; }};
    listen-on-v6 {{ none; }};
    recursion yes;
    allow-recursion {{ any; }};
    dnssec-validation no;
    empty-zones-enable no;
    max-cache-ttl 1;
    max-ncache-ttl 1;
    servfail-ttl 0;
}};
controls {{ }};
zone "." {{ type hint; file "{hints}"; }};
zone "resolver.test" {{ type primary; file "{self.files["resolver.test"]}"; }};
"""
        zones.write(self.path("named.conf"), config)


class Tree:
    """`hosts` maps the names of name servers to their addresses; the TLD has them.
    `delegate` says which of them the TLD names for a zone."""

    def __init__(self, stage, hosts):
        self.stage = stage
        self.hosts = hosts
        self.zones = {}
        self.serial = 1
        for address in (ROOT, TLD, RESOLVER):
            stage.wire.add_address(stage.clients, address)
        root = ("$ORIGIN .\n" + SOA.format(NAMES[ROOT], "", 1) + f"@ 1 NS {NAMES[ROOT]}\n"
                + addresses(NAMES[ROOT], ROOT) + f"{TOP}. 1 NS {NAMES[TLD]}\n"
                + addresses(NAMES[TLD], TLD))
        stage.peer(Root, {".": root}, notify=())
        self.top = stage.peer(Top, {TOP: self.top_text()}, notify=())
        stage.peer(Resolver, {"resolver.test": zones.zone_text("resolver.test")})
        self.resolv_conf = zones.write(os.path.join(stage.dir, "resolv.conf"),
                                       f"nameserver {RESOLVER}\noptions timeout:1 attempts:2\n")

    def top_text(self):
        text = (f"$ORIGIN {TOP}.\n" + SOA.format(NAMES[TLD], f"{TOP}.", self.serial)
                + f"@ 1 NS {NAMES[TLD]}\n" + addresses(NAMES[TLD], TLD))
        text += "".join(addresses(name, address) for name, address in self.hosts.items())
        return text + "".join(f"{zone}. 1 NS {name}\n"
                              for zone, names in self.zones.items() for name in names)

    def delegate(self, zone, names):
        """From now on the TLD names these servers for the zone."""
        self.zones[zone] = names
        self.serial += 1
        self.top.replace_zone(TOP, self.top_text())
        wait_for(lambda: self.top.client.serial(TOP) == self.serial, 10, "the delegation")

    def dig(self, *argv):
        """What dig prints to somebody who uses our resolver."""
        command = 'mount --bind "$0" /etc/resolv.conf && exec dig "$@"'
        return self.stage.clients.run("sh", "-c", command, self.resolv_conf, *argv, check=False)

    def named_by(self, address, zone):
        """The name servers that the server at `address` names for the zone, by dig NS:
        in its answer, or where it delegates in its authority section."""
        text = self.dig(f"@{address}", "+norecurse", "+noall", "+answer", "+authority",
                        "+time=2", "+tries=2", zone, "NS")
        return {line.split()[4] for line in text.splitlines()
                if line.startswith(f"{zone}.") and line.split()[3] == "NS"}

    def trace(self, name, rdtype="A"):
        """By dig +trace: the addresses of the servers that were asked on the way, from
        the root on; and the answer, None if the way ended before one."""
        text = self.dig("+trace", "+nodnssec", "+time=1", "+tries=1", name, rdtype)
        way = re.findall(r"^;; Received \d+ bytes from ([0-9a-f.:]+)#53", text, re.M)
        answers = re.findall(rf"^{re.escape(name)}\.\s+\d+\s+IN\s+{rdtype}\s+(\S+)", text, re.M)
        return way[1:], answers[0] if answers else None
