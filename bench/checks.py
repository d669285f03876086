# SPDX-License-Identifier: BSD-3-Clause
"""Are the answers right that the benchmarks count?"""
import random
import struct
import sys

import pcaps
import zones

COUNT = 2000


def check_answers(client, origin, names):
    """Asks for some of the names; ends everything if a reply is not what the zone holds."""
    draw = random.Random(7)
    chosen = [draw.randrange(names) for _ in range(COUNT)]
    wires = [pcaps.query(0, f"{zones.label(i)}.{origin}") for i in chosen]
    for i, reply in zip(chosen, client.ask_many(wires)):
        if reply is None or not is_right(reply[2:], i):
            sys.exit(f"bench/run: {zones.label(i)}.{origin}: a wrong reply: {reply}")


def is_right(message, index):
    """Whether a reply, from behind its id on, answers to the A record of name `index`."""
    record = struct.pack("!HHHIH", 0xc00c, 1, 1, 3600, 4) + pcaps.address(zones.ipv4(index))
    # AA and NOERROR, one question, one answer, which follows the question.
    end = message.index(b"\0\0\1\0\1", 10) + 5
    return struct.unpack_from("!HHH", message) == (0x8400, 1, 1) \
        and message[end:end + len(record)] == record
