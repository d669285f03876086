# SPDX-License-Identifier: BSD-3-Clause
"""Keys: from files of every form, and new ones by reload."""

import base64
import os

import pytest

from harness import zones
from harness.peers import KEY, OTHER_KEY, PEERS
from harness.process import wait_for
from harness.scripted import Pause, Scripted, notify

ORIGIN = "example.com"
pytestmark = pytest.mark.understudy


def key_file(name, text, mode=0o600):
    zones.write(name, text)
    os.chmod(name, mode)
    return name


@pytest.mark.parametrize("form", ["included", "keygen private", "keygen key"])
def test_key_from_a_file(stage, form):
    """BIND's form through an include; and what dnssec-keygen made."""
    name, _, secret = KEY
    folder = os.path.join(stage.dir, "keys")
    os.makedirs(folder)
    stem = os.path.join(folder, f"K{name}.+163+12345")
    if form == "included":
        key_file(f"{folder}/inner", f'key "{name}" {{ algorithm hmac-sha256; '
                 f'secret "{secret}"; }};\n', 0o644)
        path = key_file(f"{folder}/outer", 'include "inner"; // beside it\n')
    elif form == "keygen private":
        path = key_file(f"{stem}.private", "Private-key-format: v1.3\nAlgorithm: 163 "
                        f"(HMAC_SHA256)\nKey: {secret}\nBits: AAA=\nCreated: 20200101000000\n")
    else:
        path = key_file(f"{stem}.key", f"{name}. IN KEY 512 3 163 {secret}\n", 0o644)
    stage.peer(PEERS["bind"], {ORIGIN: zones.zone_text(ORIGIN, 7)}, key=KEY)
    server = stage.secondary([ORIGIN], {ORIGIN: 7}, primary={"key": name}, **{"key-files": [path]})
    assert server.zone_status(ORIGIN)["transfer"]["keyed"]
    log = server.process.log_text()
    if form == "keygen private":
        assert "anybody may read" not in log
    else:
        open_one = f"{folder}/inner" if form == "included" else path
        assert f"{open_one}: anybody may read this file of secrets (mode 0644)" in log


def test_hmac_md5_only_where_allowed(stage):
    key = ("old.example", "hmac-md5", base64.b64encode(b"md5").decode())
    stage.peer(PEERS["bind"], {ORIGIN: zones.zone_text(ORIGIN, 7)}, key=key)
    server = stage.secondary([ORIGIN], {ORIGIN: 7}, key=key, tsig={"allow-md5": True})
    assert "hmac-md5 is broken" in server.process.log_text()
    server.options["tsig"] = {"allow-md5": False}
    server.write_config()
    done = server.ctl("reload")
    assert done.returncode == 1 and '"allow-md5"' in done.stderr
    assert server.zone_status(ORIGIN)["serial"] == 7


def test_reload_during_a_transfer(stage):
    """The transfer goes on with the key that it began with, and is served; the next one
    has the new key."""
    primary = stage.start(Scripted(stage.clients, ORIGIN, key=KEY))
    server = stage.secondary([ORIGIN], {ORIGIN: 1}, primaries=[primary.address], key=KEY)
    teller = server.client(stage.clients, source=primary.address)

    def slow(q):
        first, *rest = primary.axfr_reply(q)
        return [first, Pause(2), *rest]

    primary.serial = 2
    primary.replies["AXFR"] = primary.replies["IXFR"] = slow
    notify(teller, ORIGIN, key=KEY)
    wait_for(lambda: server.zone_status(ORIGIN)["doing"] == "transferring", 5, "a transfer")
    asked = len(primary.queries)
    server.key = OTHER_KEY
    server.write_config()
    server.ctl_json("reload")
    assert server.zone_status(ORIGIN)["doing"] == "transferring"
    server.wait_served(stage.clients, {ORIGIN: 2})
    assert len(primary.queries) == asked, "it was asked again: the transfer was lost"
    primary.good()
    primary.key = OTHER_KEY
    primary.serial = 3
    notify(teller, ORIGIN, key=OTHER_KEY)
    server.wait_served(stage.clients, {ORIGIN: 3})


def test_a_new_key_helps_at_once(stage):
    """The exchange that fails because of the old key is followed by one with the new."""
    stage.peer(PEERS["bind"], {ORIGIN: zones.zone_text(ORIGIN, 7)}, key=OTHER_KEY)
    server = stage.secondary([ORIGIN], key=KEY)
    failed = wait_for(lambda: server.last_attempt(ORIGIN), 10, "an attempt")
    assert failed["reason"].startswith("tsig-")
    server.key = OTHER_KEY
    server.reload()
    server.wait_served(stage.clients, {ORIGIN: 7}, 5)
