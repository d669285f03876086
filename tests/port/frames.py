# SPDX-License-Identifier: BSD-3-Clause
"""Frames made and taken apart octet by octet, and captures of them."""

import socket
import struct

SERVER_MAC = "02:70:63:61:70:00"  # net_pcap's own
CLIENT_MAC = "02:00:00:00:00:01"
CLIENT4, SERVER4 = "10.53.0.1", "10.53.0.2"
CLIENT6, SERVER6 = "fd00:53::1", "fd00:53::2"
UDP = 17


def mac(text):
    return bytes.fromhex(text.replace(":", ""))


def ones_sum(data):
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack(f">{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return total


def packed(address):
    return socket.inet_pton(socket.AF_INET6 if ":" in address else socket.AF_INET, address)


def udp(payload, source, destination, sport=40000, dport=53, checksum=None, length=None):
    """A UDP datagram; `checksum` and `length` may be given wrong."""
    length = 8 + len(payload) if length is None else length
    head = struct.pack(">HHH", sport, dport, length)
    if checksum is None:
        pseudo = packed(source) + packed(destination) + struct.pack(">HH", UDP, length)
        checksum = ~ones_sum(pseudo + head + b"\0\0" + payload) & 0xffff or 0xffff
    return head + struct.pack(">H", checksum) + payload


def ipv4(content, source=CLIENT4, destination=SERVER4, protocol=UDP, fragment=0, options=b"",
         length=None, checksum=None, first=None):
    header = struct.pack(">BBHHHBB", 0x45 + len(options) // 4 if first is None else first, 0,
                         20 + len(options) + len(content) if length is None else length,
                         7, fragment, 63, protocol)
    rest = packed(source) + packed(destination) + options
    if checksum is None:
        checksum = ~ones_sum(header + rest) & 0xffff
    return header + struct.pack(">H", checksum) + rest + content


def ipv6(content, source=CLIENT6, destination=SERVER6, protocol=UDP, length=None, first=0x60):
    return struct.pack(">BBHHBB", first, 0x12, 0x3456,
                       len(content) if length is None else length, protocol, 63) + \
        packed(source) + packed(destination) + content


def ethernet(content, tags=(), to=SERVER_MAC, source=CLIENT_MAC, kind=None):
    if kind is None:
        kind = 0x86dd if content[:1] and content[0] >> 4 == 6 else 0x0800
    outer = b"".join(struct.pack(">HH", tpid, tci) for tpid, tci in tags)
    return mac(to) + mac(source) + outer + struct.pack(">H", kind) + content


def query4(payload, tags=(), **more):
    return ethernet(ipv4(udp(payload, CLIENT4, SERVER4, **more)), tags)


def query6(payload, tags=(), **more):
    return ethernet(ipv6(udp(payload, CLIENT6, SERVER6, **more)), tags)


class Reply:
    """A frame that was sent, every layer of it verified."""

    def __init__(self, frame, client_mac=CLIENT_MAC, server_mac=SERVER_MAC):
        assert frame[:6] == mac(client_mac) and frame[6:12] == mac(server_mac)
        at = 12
        self.tags = []
        while frame[at:at + 2] in (b"\x81\0", b"\x88\xa8"):
            self.tags.append(struct.unpack(">HH", frame[at:at + 4]))
            at += 4
        kind, = struct.unpack(">H", frame[at:at + 2])
        at += 2
        ip = frame[at:]
        if kind == 0x0800:
            self.family, header = 4, 20
            assert ip[0] == 0x45 and ip[1] == 0
            total, ident, fragment, ttl, protocol = struct.unpack(">HHHBB", ip[2:10])
            assert ones_sum(ip[:20]) == 0xffff
            assert (ident, fragment) == (0, 0x4000)
            self.source, self.destination = ip[12:16], ip[16:20]
        else:
            assert kind == 0x86dd
            self.family, header = 6, 40
            assert ip[:4] == b"\x60\0\0\0"
            total, protocol, ttl = struct.unpack(">HBB", ip[4:8])
            total += 40
            self.source, self.destination = ip[8:24], ip[24:40]
        assert total == len(ip), "trailing octets, or too few"
        assert (ttl, protocol) == (64, UDP)
        datagram = ip[header:]
        self.sport, self.dport, length, checksum = struct.unpack(">HHHH", datagram[:8])
        assert length == len(datagram) and checksum != 0
        assert ones_sum(self.source + self.destination + struct.pack(">HH", UDP, length)
                        + datagram) == 0xffff
        self.payload = datagram[8:]


def write_capture(path, frames):
    with open(path, "wb") as f:
        f.write(struct.pack("<IHHiIII", 0xa1b2c3d4, 2, 4, 0, 0, 65535, 1))
        for i, frame in enumerate(frames):
            f.write(struct.pack("<IIII", i, 0, len(frame), len(frame)) + frame)


def read_capture(path):
    with open(path, "rb") as f:
        magic, = struct.unpack("<I", f.read(24)[:4])
        assert magic in (0xa1b2c3d4, 0xa1b23c4d)
        while head := f.read(16):
            yield f.read(struct.unpack("<IIII", head)[2])
