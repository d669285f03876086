# SPDX-License-Identifier: BSD-3-Clause
"""Zone texts for the tests."""

import os

TIMERS = "3600 600 604800 300"  # refresh, retry, expire, minimum


def zone_text(origin, serial=1, body="", timers=TIMERS, ttl=300):
    """A small zone: SOA, two name servers with addresses, `body`."""
    origin = origin.rstrip(".") + "."
    return (f"$ORIGIN {origin}\n$TTL {ttl}\n"
            f"@ SOA ns1 hostmaster {serial} {timers}\n"
            "@ NS ns1\n@ NS ns2\n"
            "ns1 A 192.0.2.1\nns1 AAAA 2001:db8::1\nns2 A 192.0.2.2\n" + body)


# One of nearly everything that a zone can hold.
VARIED = r"""
@        MX     10 mail
@        MX     20 mail.elsewhere.example.
@        TXT    "v=spf1 -all" "second string"
@        CAA    0 issue "ca.example"
www      A      192.0.2.10
www      A      192.0.2.11
www      AAAA   2001:db8::10
mail     A      192.0.2.20
alias    CNAME  www
chain1   CNAME  chain2
chain2   CNAME  chain3
chain3   CNAME  www
away     CNAME  www.elsewhere.example.
*.wild   A      192.0.2.30
*.wild   TXT    "wild"
deep.er.empty A 192.0.2.40
old      DNAME  new
www.new  A      192.0.2.50
sub      NS     ns.sub
sub      NS     ns.elsewhere.example.
ns.sub   A      192.0.2.60
ns.sub   AAAA   2001:db8::60
_sip._tcp SRV   0 5 5060 mail
naptr    NAPTR  10 10 "u" "E2U+sip" "!^.*$!sip:a@example!" .
unknown  TYPE65280 \# 4 0a000001
esc\.aped A     192.0.2.70
\000\255x A     192.0.2.71
MiXed    TXT    "case is kept"
svc      SVCB   1 www alpn=h2 port=8443
loc      LOC    52 22 23.000 N 4 53 32.000 E -2.00m 0.00m 10000m 10m
"""


def many_names(count, first=0):
    """`count` names, each with an A and an AAAA record."""
    return "".join(f"h{i} A 10.{i >> 16 & 255}.{i >> 8 & 255}.{i & 255}\n"
                   f"h{i} AAAA 2001:db8::{i >> 16:x}:{i & 65535:x}\n"
                   for i in range(first, first + count))


# Five records of any zone, its origin being the server's to know.
FIVE = """$TTL 3600
@ SOA ns1 hostmaster 1 3600 600 604800 300
@ NS ns1
ns1 A 192.0.2.1
ns1 AAAA 2001:db8::1
www A 192.0.2.2
"""


def many_origins(count):
    """Names of `count` zones, in no order."""
    return [f"zone{i * 2654435761 % 2**32:08x}.example" for i in range(count)]


def changing_zone(origin, serial, names=0):
    """A zone of which every version changes, adds and removes a little."""
    # NSD 4.6 adds all records of the apex again, whatever has changed: none but the least.
    body = "".join(line for line in VARIED.splitlines(True) if line[0] != "@")
    body += many_names(names)
    body += f'version TXT "v{serial}"\n' + "".join(f"only{serial} A 192.0.2.{i}\n"
                                                  for i in range(1, 4))
    body += f"grows {300 + serial} A 192.0.2.1\n"
    return zone_text(origin, serial, body)


def write(path, text):
    """Writes a file whole, so that nobody reads half of it; returns its path."""
    part = f"{path}.part"
    with open(part, "w", encoding="utf-8") as f:
        f.write(text)
    os.replace(part, path)
    return path
