# SPDX-License-Identifier: BSD-3-Clause
"""Every primary with every TSIG algorithm that it knows, and without, over IPv4 and IPv6:
the zone comes by AXFR, and its next version by IXFR because the primary sends NOTIFY,
signed as its transfers are; or one of the two is signed and the other is not."""

import base64

import dns.rcode
import pytest

from harness import net, zones
from harness.peers import KEY, PEERS, PowerDns

ORIGIN = "example.com"
KINDS = {**PEERS, "powerdns": PowerDns}
ALGORITHMS = [None, "hmac-md5", "hmac-sha1", "hmac-sha224", "hmac-sha256", "hmac-sha384",
              "hmac-sha512"]


def key_for(algorithm):
    """A key whose secret is longer than most hashes' block, and of an odd length."""
    secret = base64.b64encode(bytes(range(131))).decode()
    return (f"{algorithm}.example", algorithm, secret) if algorithm else None


def new_peer(stage, kind, family, **options):
    """A primary of that kind with version 1 of the zone, and the address to ask it at."""
    if kind == "powerdns" and not PowerDns.installed():
        pytest.skip("pdns-server or pdns-backend-sqlite3 is not installed")
    v6 = family == "ipv6"
    primary = stage.peer(KINDS[kind], {ORIGIN: version(1)}, ixfr=True,
                         notify=(net.SERVER6 if v6 else net.SERVER,), **options)
    return primary, net.v6(primary.address) if v6 else primary.address


def version(serial):
    return zones.changing_zone(ORIGIN, serial)


def must_follow(stage, server, primary, kind, keyed):
    """Version 2 comes because the primary says so, and as differences if it can."""
    primary.replace_zone(ORIGIN, version(2))
    server.wait_served(stage.clients, {ORIGIN: 2}, 15)
    client = server.client(stage.clients)
    assert client.ask(f"version.{ORIGIN}", "TXT").answer[0][0].strings[0] == b"v2"
    assert client.ask(f"only1.{ORIGIN}").rcode() == dns.rcode.NXDOMAIN
    if server.understudy:
        transfer = server.zone_status(ORIGIN)["transfer"]
        # PowerDNS answers IXFR by the whole zone.
        assert transfer["kind"] == ("axfr" if kind == "powerdns" else "ixfr")
        assert transfer["asked"] == "ixfr"
        assert transfer["keyed"] == keyed
        stats = server.ctl_json("stats")
        assert stats["transfers"]["notifies"] >= 1
        assert stats["service"]["notify_refused"] == 0


@pytest.mark.parametrize("family", ["ipv4", "ipv6"])
@pytest.mark.parametrize("algorithm", ALGORITHMS, ids=lambda a: a or "open")
@pytest.mark.parametrize("kind", KINDS)
def test_transfer_and_notify(stage, kind, algorithm, family):
    key = key_for(algorithm)
    primary, address = new_peer(stage, kind, family, key=key)
    server = stage.secondary([ORIGIN], {ORIGIN: 1}, primaries=[address], key=key,
                             tsig={"allow-md5": True})
    must_follow(stage, server, primary, kind, bool(key))


@pytest.mark.understudy
@pytest.mark.parametrize("algorithm", ["hmac-sha1-80", "hmac-sha256-128", "hmac-sha512-256"])
def test_truncated_signatures(stage, algorithm):
    """BIND alone can be told to cut its signatures (RFC 8945, 5.2.2.1)."""
    key = key_for(algorithm)
    primary, address = new_peer(stage, "bind", "ipv4", key=key)
    server = stage.secondary([ORIGIN], {ORIGIN: 1}, primaries=[address], key=key)
    must_follow(stage, server, primary, "bind", True)


@pytest.mark.understudy
@pytest.mark.parametrize("family", ["ipv4", "ipv6"])
@pytest.mark.parametrize("signed", ["transfer", "notify"])
@pytest.mark.parametrize("kind", KINDS)
def test_either_is_signed(stage, kind, signed, family):
    """The transfer is signed and NOTIFY is not, or the other way round."""
    key, notify_key = (KEY, None) if signed == "transfer" else (None, KEY)
    primary, address = new_peer(stage, kind, family, key=key, notify_key=notify_key)
    name, algorithm, secret = KEY
    source = {"from": address, **({"key": name} if notify_key else {})}
    server = stage.secondary(
        [ORIGIN], {ORIGIN: 1}, primaries=[address],
        keys=[{"name": name, "algorithm": algorithm, "secret": secret}],
        primary={"key": name} if key else {},
        zones=[{"name": ORIGIN, "primaries": [f"p{address}"], "allow-notify": [source]}])
    must_follow(stage, server, primary, kind, bool(key))
