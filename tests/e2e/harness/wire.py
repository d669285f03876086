# SPDX-License-Identifier: BSD-3-Clause
"""A quick strict reader of replies, for comparing tens of thousands of them."""

import struct

# Octets before the names in the rdata, and how many names.
NAMES = {2: (0, 1), 3: (0, 1), 4: (0, 1), 5: (0, 1), 6: (0, 2), 7: (0, 1), 8: (0, 1),
         9: (0, 1), 12: (0, 1), 14: (0, 2), 15: (2, 1), 17: (0, 2), 18: (2, 1), 21: (2, 1),
         26: (2, 2), 33: (6, 1), 35: (4, 1), 36: (2, 1), 39: (0, 1), 46: (18, 1), 47: (0, 1)}
FLAGS = 0x87b0  # QR, AA, TC, RD, RA, AD, CD; the rcode's place is added
NAPTR, OPT = 35, 41


class Malformed(Exception):
    pass


def read_name(wire, at, fold=True):
    """The name at `at`, uncompressed, in lower case unless told otherwise; and where it ends."""
    out = []
    end = None
    limit = at
    while True:
        length = wire[at]
        if length >= 0xc0:
            target = (length & 0x3f) << 8 | wire[at + 1]
            if end is None:
                end = at + 2
            if target >= limit:
                raise Malformed("a pointer that does not point back")
            at = limit = target
            continue
        if length > 63:
            raise Malformed("a label type")
        at += 1 + length
        out.append(wire[at - 1 - length:at])
        if not length:
            name = b"".join(out)
            return name.lower() if fold else name, end or at


def naptr_lead(wire, at):
    """The octets before the name: two numbers and three strings."""
    lead = 4
    for _ in range(3):
        lead += 1 + wire[at + lead]
    return lead


def read_record(wire, at):
    owner, at = read_name(wire, at)
    rdtype, rdclass, ttl, rdlength = struct.unpack_from("!HHIH", wire, at)
    at += 10
    end = at + rdlength
    if end > len(wire):
        raise Malformed("rdata beyond the end")
    lead, names = NAMES.get(rdtype, (0, 0))
    if rdtype == NAPTR:
        lead = naptr_lead(wire, at)
    rdata = [wire[at:at + lead]]
    at += lead
    for _ in range(names):
        name, at = read_name(wire, at)
        rdata.append(name)
    rdata.append(wire[at:end])
    return (owner, rdtype, rdclass, ttl, b"".join(rdata)), end


def essence(wire):
    """What two replies to one query are compared by: rcode, flags, question,
    answer, authority. The additional section must be well-formed as well."""
    try:
        _, flags, questions, *counts = struct.unpack_from("!HHHHHH", wire)
        at = 12
        question = []
        for _ in range(questions):
            name, at = read_name(wire, at)
            question.append((name, wire[at:at + 4]))
            at += 4
        sections = []
        rcode = flags & 15
        for count in counts:
            section = []
            for _ in range(count):
                record, at = read_record(wire, at)
                section.append(record)
                if record[1] == OPT:
                    rcode |= record[3] >> 24 << 4
            if len(set(section)) != len(section):
                raise Malformed("a record twice")
            sections.append(frozenset(section))
        if at != len(wire):
            raise Malformed("octets after the end")
        return rcode, flags & FLAGS, tuple(question), sections[0], sections[1]
    except (IndexError, struct.error) as e:
        raise Malformed(str(e)) from e
