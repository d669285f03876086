# SPDX-License-Identifier: BSD-3-Clause
"""Makes captures of DNS queries over UDP and IPv4, for replay by DPDK's net_pcap.

Usage: pcaps.py FILE ORIGIN NAMES COUNT
"""
import struct
import sys

import zones

SOURCE, TARGET = "10.53.0.1", "10.53.0.2"
TARGET_MAC = bytes.fromhex("027063617000")  # of the first net_pcap device of a process
SOURCE_MAC = bytes.fromhex("025500000001")
HEADERS = 14 + 20 + 8  # octets before the query
OPT = struct.pack("!BHHIH", 0, 41, 1232, 0, 0)


def address(text):
    return bytes(map(int, text.split(".")))


def checksum(data):
    total = sum(struct.unpack(f"!{(len(data) + 1) // 2}H", data + b"\0" * (len(data) % 2)))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


def wire(name):
    return b"".join(bytes([len(part)]) + part.encode() for part in name.split(".")) + b"\0"


def query(number, name, qtype=1):
    """A query with EDNS, without RD."""
    head = struct.pack("!HHHHHH", number & 0xffff, 0, 1, 0, 0, 1)
    return head + wire(name) + struct.pack("!HH", qtype, 1) + OPT


def frame(number, name):
    payload = query(number, name)
    source, target = address(SOURCE), address(TARGET)
    length = 8 + len(payload)
    port = 1024 + number % 60000
    udp = struct.pack("!HHHH", port, 53, length, 0)
    pseudo = source + target + struct.pack("!BBH", 0, 17, length)
    udp = udp[:6] + struct.pack("!H", checksum(pseudo + udp + payload) or 0xffff)
    ip = struct.pack("!BBHHHBBH", 0x45, 0, 20 + length, 0, 0x4000, 64, 17, 0) + source + target
    ip = ip[:10] + struct.pack("!H", checksum(ip)) + ip[12:]
    return TARGET_MAC + SOURCE_MAC + b"\x08\0" + ip + udp + payload


def write(path, origin, names, count):
    with open(path, "wb") as out:
        out.write(struct.pack("<IHHiIII", 0xa1b2c3d4, 2, 4, 0, 0, 65535, 1))
        for number, name in enumerate(zones.queries(origin, names, count)):
            data = frame(number, name)
            out.write(struct.pack("<IIII", 0, 0, len(data), len(data)) + data)


if __name__ == "__main__":
    if len(sys.argv) != 5:
        sys.exit(__doc__.strip())
    write(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
