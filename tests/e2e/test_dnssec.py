# SPDX-License-Identifier: BSD-3-Clause
"""Zones signed afresh, by NSEC and by NSEC3, with opt-out and without: delv, with
the zone's key as its trust anchor, validates what the server under test says of them."""

import os
import re
import subprocess

import pytest

from harness import net, zones
from harness.peers import KEY, Bind
from harness.signing import dnssec_signzone, ldns_signzone, make_keys, run

BODY = """
www      A      192.0.2.10
alias    CNAME  www
broken   CNAME  nothing
*.wild   A      192.0.2.30
*.walias CNAME  www
towild   CNAME  a.wild
deep.er.empty A 192.0.2.40
old      DNAME  new
www.new  A      192.0.2.50
ins      NS     ns1
sec      NS     ns1
only.out NS     ns1
"""
CHILD = "www A 192.0.2.60\n"
UNSIGNED = ("ins", "only.out")

SECURE, INSECURE = "fully validated", "unsigned answer"
NEGATIVE, NEGATIVE_INSECURE = f"negative response, {SECURE}", f"negative response, {INSECURE}"
ALIAS_NEGATIVE = "negative response behind an alias"

# What delv is to say of a name and type.
CASES = [
    ("", "SOA", SECURE), ("", "DNSKEY", SECURE), ("", "NS", SECURE),
    ("www", "A", SECURE), ("www", "AAAA", NEGATIVE), ("nothing", "A", NEGATIVE),
    ("a.b.www", "A", NEGATIVE), ("empty", "A", NEGATIVE), ("er.empty", "TXT", NEGATIVE),
    ("x.er.empty", "A", NEGATIVE), ("alias", "A", SECURE), ("alias", "MX", ALIAS_NEGATIVE),
    ("broken", "A", ALIAS_NEGATIVE), ("a.wild", "A", SECURE), ("b.a.wild", "A", SECURE),
    ("a.wild", "TXT", NEGATIVE), ("*.wild", "A", SECURE), ("a.walias", "A", SECURE),
    ("a.walias", "MX", ALIAS_NEGATIVE), ("towild", "A", SECURE), ("towild", "MX", ALIAS_NEGATIVE),
    ("www.old", "A", SECURE), ("nothing.old", "A", ALIAS_NEGATIVE), ("old", "A", NEGATIVE),
    ("sec", "DS", SECURE), ("www.sec", "A", SECURE), ("nothing.sec", "A", NEGATIVE),
    ("ins", "DS", NEGATIVE), ("www.ins", "A", INSECURE),
    ("nothing.ins", "A", NEGATIVE_INSECURE),
    ("only.out", "DS", NEGATIVE), ("www.only.out", "A", INSECURE),
    ("out", "A", NEGATIVE), ("x.out", "A", NEGATIVE),
]
# Where opt-out leaves room for an unsigned delegation, nothing shows that the name
# is the wildcard's (RFC 5155 section 9.2).
CASES_OPT_OUT = {("a.wild", "A"): INSECURE, ("b.a.wild", "A"): INSECURE,
                 ("a.walias", "A"): INSECURE, ("a.walias", "MX"): INSECURE}


WAYS = {
    "nsec": dnssec_signzone(),
    "nsec3-optout": dnssec_signzone("-3", "-", "-A", "-H", "0"),
    "nsec3-salt": dnssec_signzone("-3", "aabbcc", "-H", "7"),
    "ldns-nsec": ldns_signzone(),
    "ldns-nsec3-optout": ldns_signzone("-n", "-p", "-s", "0102", "-t", "1"),
}


@pytest.fixture(scope="module", params=WAYS)
def signed(request, module_stage, tmp_path_factory):
    """A client of the server under test, the apex, the trust anchor's file, and what
    delv is to say."""
    origin, sign = "signed.example", WAYS[request.param]
    content = {f"{name}.{origin}": zones.zone_text(f"{name}.{origin}", 1, CHILD)
               for name in UNSIGNED}
    folder = str(tmp_path_factory.mktemp("child"))
    child = f"sec.{origin}"
    keys = make_keys(folder, child)
    content[child] = sign(folder, child, zones.zone_text(child, 1, CHILD), keys)
    body = BODY + run("dnssec-dsfromkey", "-2", keys[0] + ".key")
    folder = str(tmp_path_factory.mktemp("parent"))
    keys = make_keys(folder, origin)
    content[origin] = sign(folder, origin, zones.zone_text(origin, 1, body), keys)
    primary = module_stage.peer(Bind, content, key=KEY, notify=[])
    server = module_stage.secondary(list(content), dict.fromkeys(content, 1),
                                    primaries=[primary.address], key=KEY)
    other = CASES_OPT_OUT if "optout" in request.param else {}
    cases = [(name, rdtype, other.get((name, rdtype), want)) for name, rdtype, want in CASES]
    yield server.client(module_stage.clients), origin, anchor(folder, origin, keys[0]), cases
    module_stage.clear()


def anchor(folder, origin, key):
    with open(key + ".key", encoding="ascii") as f:
        flags, protocol, algorithm, data = re.search(r"DNSKEY (\d+) (\d+) (\d+) (.*)",
                                                     f.read()).groups()
    return zones.write(os.path.join(folder, "anchor"),
                       f'trust-anchors {{ "{origin}" static-key {flags} {protocol} {algorithm} '
                       f'"{data.replace(" ", "")}"; }};\n')


def delv(client, origin, anchor_file, question, tcp):
    """What delv says of the answer, and the whole of it."""
    done = subprocess.run(["ip", "netns", "exec", client.ns.name, "delv", "@" + client.address,
                           "-a", anchor_file, f"+root={origin}", "+tcp" if tcp else "+notcp",
                           *question], capture_output=True, text=True, timeout=30, check=False)
    text = done.stdout + done.stderr
    found = re.search(r"^; ((?:negative response, )?(?:fully validated|unsigned answer))", text,
                      re.MULTILINE)
    said = found and found.group(1)
    # Of an alias that leads to nothing it gives the alias, and says what came of it.
    if said == SECURE and "resolution failed" in text:
        said = ALIAS_NEGATIVE if "resolution failed: ncache" in text else None
    return said, text


@pytest.mark.parametrize("tcp", [False, True], ids=["udp", "tcp"])
def test_delv_validates(signed, tcp):
    ours, origin, anchor_file, cases = signed
    wrong = []
    for name, rdtype, want in cases[::4] if tcp else cases:
        owner = f"{name}.{origin}".lstrip(".")
        said, text = delv(ours, origin, anchor_file, [owner, rdtype], tcp)
        if said != want:
            wrong.append((name, rdtype, said))
            print(name, rdtype, text)
    assert not wrong
