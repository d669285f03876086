# SPDX-License-Identifier: BSD-3-Clause
"""Every primary with every TSIG algorithm that it knows, and without, over IPv4 and IPv6:
the zone comes, and so does its next version because the primary sends NOTIFY, signed as
its transfers are."""

import base64

import pytest

from harness import net, zones
from harness.peers import PEERS, PowerDns

ORIGIN = "example.com"
KINDS = {**PEERS, "powerdns": PowerDns}
ALGORITHMS = [None, "hmac-md5", "hmac-sha1", "hmac-sha224", "hmac-sha256", "hmac-sha384",
              "hmac-sha512"]


def key_for(algorithm):
    """A key whose secret is longer than most hashes' block, and of an odd length."""
    secret = base64.b64encode(bytes(range(131))).decode()
    return (f"{algorithm}.example", algorithm, secret) if algorithm else None


@pytest.mark.parametrize("family", ["ipv4", "ipv6"])
@pytest.mark.parametrize("algorithm", ALGORITHMS, ids=lambda a: a or "open")
@pytest.mark.parametrize("kind", KINDS)
def test_transfer_and_notify(stage, kind, algorithm, family):
    if kind == "powerdns" and not PowerDns.installed():
        pytest.skip("pdns-server or pdns-backend-sqlite3 is not installed")
    key = key_for(algorithm)
    v6 = family == "ipv6"
    text = zones.zone_text(ORIGIN, 7, zones.VARIED)
    primary = stage.peer(KINDS[kind], {ORIGIN: text}, key=key,
                         notify=(net.SERVER6 if v6 else net.SERVER,))
    address = net.v6(primary.address) if v6 else primary.address
    server = stage.secondary([ORIGIN], {ORIGIN: 7}, primaries=[address], key=key,
                             tsig={"allow-md5": True})
    primary.replace_zone(ORIGIN, zones.zone_text(ORIGIN, 8, zones.VARIED))
    server.wait_served(stage.clients, {ORIGIN: 8}, 15)
    if server.understudy:
        assert server.zone_status(ORIGIN)["transfer"]["keyed"] == bool(key)
        assert server.ctl_json("stats")["transfers"]["notifies"] >= 1
