# SPDX-License-Identifier: BSD-3-Clause
"""Makes zones and queries for the demo and the benchmarks.

Usage: zones.py zone ORIGIN NAMES      a plain zone: NAMES names, each with an A record
       zones.py demo ORIGIN NAMES      the same with AAAA records and a bit of everything
       zones.py queries ORIGIN NAMES COUNT     COUNT queries for them in dnsperf's format

All of it goes to standard output, and is the same each time.
"""
import random
import sys

SEED = 53
HEAD = """$ORIGIN {origin}.
$TTL 3600
@ SOA ns1 hostmaster {serial} 3600 600 604800 300
@ NS ns1
@ NS ns2
ns1 A 10.53.0.1
ns1 AAAA fd00:53::1
ns2 A 10.53.0.2
ns2 AAAA fd00:53::2
"""
DEMO = """@ MX 10 mail
@ TXT "v=spf1 mx -all"
mail A 192.0.2.25
mail AAAA 2001:db8::25
www CNAME host
host A 192.0.2.80
host AAAA 2001:db8::80
_sip._tcp SRV 10 60 5060 host
greeting TXT "good morning"
*.wild TXT "from the wildcard"
*.wild A 192.0.2.99
child NS ns.child
child NS ns.elsewhere.example.
ns.child A 192.0.2.53
old DNAME new
host.new A 192.0.2.81
exotic TYPE65280 \\# 4 DEADBEEF
"""


def label(index):
    """The label of name number `index`: different for each, in no order of theirs."""
    return f"h{index * 2654435761 % 2**32:08x}"


def ipv4(index):
    return f"10.{index >> 16 & 255}.{index >> 8 & 255}.{index & 255}"


def ipv6(index):
    return f"2001:db8::{index >> 16:x}:{index & 65535:x}"


def write_zone(out, origin, names, serial=1, demo=False):
    out.write(HEAD.format(origin=origin, serial=serial))
    if demo:
        out.write(DEMO)
    for i in range(names):
        out.write(f"{label(i)} A {ipv4(i)}\n")
        if demo:
            out.write(f"{label(i)} AAAA 2001:db8::{i:x}\n")


def write_flat(out, origin, names):
    """A zone of which each name has an A and an AAAA record."""
    out.write(HEAD.format(origin=origin, serial=1))
    for i in range(names):
        out.write(f"{label(i)} A {ipv4(i)}\n{label(i)} AAAA {ipv6(i)}\n")


def queries(origin, names, count):
    """Names drawn uniformly, each followed by the origin."""
    draw = random.Random(SEED)
    for _ in range(count):
        yield f"{label(draw.randrange(names))}.{origin}"


def main(argv):
    if len(argv) == 4 and argv[1] in ("zone", "demo"):
        write_zone(sys.stdout, argv[2], int(argv[3]), demo=argv[1] == "demo")
    elif len(argv) == 5 and argv[1] == "queries":
        for name in queries(argv[2], int(argv[3]), int(argv[4])):
            print(name, "A")
    else:
        sys.exit(__doc__.strip())


if __name__ == "__main__":
    main(sys.argv)
