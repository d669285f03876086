# SPDX-License-Identifier: BSD-3-Clause
"""`understudyctl primary-config` prints what makes a primary of BIND, Knot, NSD and
PowerDNS: each is started with it as it came, gives the zone, and tells of the next version."""

import shutil
import subprocess

import pytest

from harness import net, tls, zones
from harness.peers import KEY, Bind, Knot, Nsd, PowerDns

ORIGIN = "example.com"
pytestmark = pytest.mark.understudy


class Pasted:
    """A peer whose configuration ends in what was printed."""

    text = ""

    def zone_file(self, origin, text):
        return zones.write(self.path(f"{origin}.zone"), text)

    def write_config(self):
        zones.write(self.path(self.config), self.base() + self.text)


class PastedBind(Pasted, Bind):
    config = "named.conf"

    def base(self):
        listen = "".join(line.split("in options: ")[1] for line in self.text.splitlines()
                         if "in options: " in line)
        return (f'options {{ directory "{self.dir}"; pid-file none; recursion no; {listen}\n'
                f'session-keyfile none; managed-keys-directory "{self.dir}"; notify explicit;\n'
                f"listen-on {{ {self.address}; }}; listen-on-v6 {{ {net.v6(self.address)}; }};\n"
                "notify-delay 0; };\ncontrols { };\n")


class PastedKnot(Pasted, Knot):
    config = "knot.conf"

    def base(self):
        return (f'server:\n    rundir: "{self.dir}"\n    listen: ["{self.address}@53", '
                f'"{net.v6(self.address)}@53"]\nlog:\n  - target: stderr\n    any: notice\n'
                f'database:\n    storage: "{self.dir}/db"\ntemplate:\n  - id: default\n'
                f'    storage: "{self.dir}"\n')


class PastedNsd(Pasted, Nsd):
    config = "nsd.conf"

    def base(self):
        return (f"server:\n    ip-address: {self.address}\n    ip-address: "
                f'{net.v6(self.address)}\n    username: ""\n    chroot: ""\n'
                f'    zonesdir: "{self.dir}"\n    pidfile: "{self.dir}/pid"\n'
                f'    xfrdfile: "{self.dir}/xfrd"\n    xfrdir: "{self.dir}"\n'
                f'    zonelistfile: "{self.dir}/list"\n    database: ""\n'
                "remote-control:\n    control-enable: no\n")


class PastedPowerDns(Pasted, PowerDns):
    def write_config(self):
        PowerDns.write_config(self)

    def fill(self):
        for origin, path in self.files.items():
            self.util("load-zone", origin, path)
        script = f'pdnsutil() {{ command pdnsutil --config-dir={self.dir} "$@"; }}\n{self.text}'
        subprocess.run(["sh", "-e", "-c", script], check=True, capture_output=True, timeout=30)


KINDS = {"bind": PastedBind, "knot": PastedKnot, "nsd": PastedNsd, "powerdns": PastedPowerDns}


def bring_up(stage, kind, server, **options):
    """A primary with what the server prints for it; waits for two versions of the zone."""
    done = server.ctl("primary-config", kind, ORIGIN)
    assert done.returncode == 0, done.stderr
    name = f"Pasted_{kind}"
    pasted = type(name, (KINDS[kind],), {"text": done.stdout})
    primary = stage.peer(pasted, {ORIGIN: zones.zone_text(ORIGIN, 7)}, notify=(), **options)
    server.ctl_json("zone", "refresh", ORIGIN)
    server.wait_served(stage.clients, {ORIGIN: 7}, 15)
    primary.replace_zone(ORIGIN, zones.zone_text(ORIGIN, 8))
    server.wait_served(stage.clients, {ORIGIN: 8}, 15)
    return done.stdout


@pytest.mark.parametrize("family", ["ipv4", "ipv6"])
@pytest.mark.parametrize("key", [None, KEY], ids=["open", "tsig"])
@pytest.mark.parametrize("kind", KINDS)
def test_what_is_printed_works(stage, kind, key, family):
    if kind == "powerdns" and not PowerDns.installed():
        pytest.skip("pdns-server or pdns-backend-sqlite3 is not installed")
    address = KINDS[kind].address
    address = net.v6(address) if family == "ipv6" else address
    # By address it must come from one that the primary is told.
    ours = net.SERVER6 if family == "ipv6" else net.SERVER
    server = stage.secondary([ORIGIN], primaries=[address], key=key, primary={"source": ours})
    text = bring_up(stage, kind, server)
    assert (KEY[2] in text) == bool(key)
    assert server.zone_status(ORIGIN)["transfer"]["keyed"] == bool(key)


def test_bind_with_tls(stage, tmp_path):
    authority = tls.Authority(str(tmp_path))
    certificate, key = authority.issue("primary")
    server = stage.secondary([ORIGIN], primaries=[net.BIND], key=KEY, primary={
        "transport": "tls", "tls": {"ca": authority.ca, "name": tls.NAME}})
    folder = tmp_path / "pasted_bind"
    folder.mkdir()
    shutil.copy(certificate, folder / "primary.pem")
    shutil.copy(key, folder / "primary.key")
    text = bring_up(stage, "bind", server)
    assert "transport tls" in text
    assert server.zone_status(ORIGIN)["transfer"]["encrypted"]


CHECKS = {"bind": ["named-checkconf"], "knot": ["knotc", "-c"], "nsd": ["nsd-checkconf"]}


@pytest.mark.parametrize("key", [None, KEY], ids=["open", "tsig"])
@pytest.mark.parametrize("kind", KINDS)
def test_no_address_of_the_primary_s_family(stage, kind, key):
    """What is missing is said, what is printed holds, and nobody else is let in."""
    server = stage.secondary([ORIGIN], primaries=["fd00:53::77"], key=key,
                             listen=[{"address": net.SERVER}])
    text = server.ctl("primary-config", kind, ORIGIN).stdout
    missing = [line for line in text.splitlines() if "names no IPv6 address" in line]
    assert len(missing) == (1 if key else 2)
    words = {"bind": "also-notify", "knot": "notify: understudy", "nsd": "  notify:",
             "powerdns": "ALSO-NOTIFY"}
    said = [line for line in text.splitlines() if not line.strip().startswith(("#", "//"))]
    assert not [line for line in said if words[kind] in line]
    if not key:
        assert not [line for line in said if line.startswith("acl") or "provide-xfr" in line
                    or "ALLOW-AXFR-FROM" in line]
        assert kind != "bind" or "allow-transfer { none; };" in text
    if kind in CHECKS:
        path = zones.write(server.path(f"{kind}.conf"), text)
        after = ["conf-check"] if kind == "knot" else []
        subprocess.run([*CHECKS[kind], path, *after], check=True, capture_output=True, timeout=20)


def test_what_cannot_be_printed(stage):
    server = stage.secondary([ORIGIN])
    assert server.ctl("primary-config", "bind", "other.example").returncode == 1
    assert server.ctl("primary-config", "tinydns", ORIGIN).returncode == 2
    assert server.ctl("primary-config", "bind").returncode == 2
