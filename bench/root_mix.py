# SPDX-License-Identifier: BSD-3-Clause
"""Makes the file of the row root-mix: the root zone, and queries that reached a root server.

What is in the file is said by bench/answer_zones.c. The names are real; as nearly all of
the queries are for A, the types are mixed anew as resolvers mix them. With each query
stands what kind of reply it gets, found from the zone's delegations alone.
"""
import lzma
import os
import random
import struct

import dns.exception
import dns.name
import dns.rdataclass
import dns.rdatatype
import dns.zone

ZONE = "zones/root-2024101100.zone.xz"
QUERIES = "queries/root-queries.txt.xz"
SEED = 53
TYPES = {"A": 55, "AAAA": 20, "NS": 8, "DS": 8, "MX": 3, "TXT": 2, "SOA": 2, "DNSKEY": 2}
DO_SHARE = 0.7
ANSWER, NEGATIVE, REFERRAL = range(3)


def missing(folder):
    """Why there can be no such file, or None."""
    for name in (ZONE, QUERIES):
        if not os.path.exists(os.path.join(folder, name)):
            return f"there is no {os.path.join(folder, name)}"
    return None


def read(folder, name):
    with lzma.open(os.path.join(folder, name), "rt", encoding="latin-1") as file:
        return file.read()


def kind_of(zone, name, rdtype):
    """Flags and rcode of the reply, and its kind."""
    top = dns.name.Name(name.labels[-2:])
    node = zone.get_node(top)
    if node is None:
        return 0x84, 3, NEGATIVE
    if len(name.labels) > 2 or (len(name.labels) == 2 and rdtype != dns.rdatatype.DS):
        return 0x80, 0, REFERRAL
    there = node.get_rdataset(dns.rdataclass.IN, rdtype) is not None
    return 0x84, 0, ANSWER if there else NEGATIVE


def query(name, rdtype, dnssec_ok):
    head = struct.pack("!6H", 0, 0, 1, 0, 0, 1)
    opt = struct.pack("!BHHIH", 0, 41, 1232, 0x8000 if dnssec_ok else 0, 0)
    return head + name.to_wire() + struct.pack("!2H", rdtype, 1) + opt


def write(folder, path):
    zone = dns.zone.from_text(read(folder, ZONE), origin=".", relativize=False)
    draw = random.Random(SEED)
    types = [dns.rdatatype.from_text(text) for text in TYPES]
    with open(path, "wb") as out:
        records = list(zone.iterate_rdatas())
        out.write(struct.pack("!I", len(records)))
        for owner, ttl, rdata in records:
            wire, data = owner.to_wire(), rdata.to_wire()
            out.write(struct.pack("!H", len(wire)) + wire
                      + struct.pack("!HIH", rdata.rdtype, ttl, len(data)) + data)
        queries = []
        for line in read(folder, QUERIES).splitlines():
            try:
                name = dns.name.from_text(line.split()[0])
            except (IndexError, dns.exception.DNSException):
                continue
            rdtype = draw.choices(types, TYPES.values())[0]
            wire = query(name, rdtype, draw.random() < DO_SHARE)
            queries.append(struct.pack("!3BH", *kind_of(zone, name, rdtype), len(wire)) + wire)
        out.write(struct.pack("!I", len(queries)) + b"".join(queries))
