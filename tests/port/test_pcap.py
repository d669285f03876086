# SPDX-License-Identifier: BSD-3-Clause
"""Captures in, captures out: what a worker makes of each kind of frame."""

import glob
import os
import shutil
import struct
import subprocess

import dns.flags
import dns.message
import dns.rcode
import frames
from frames import ethernet, ipv4, ipv6, query4, query6, udp
from server import PortServer

CTAG, STAG = (0x8100, 0x2065), (0x88a8, 7)


def question(name="h7.example.", kind="A", **more):
    return dns.message.make_query(name, kind, **more)


def replay(tmp_path, sent, *arguments):
    """Runs the frames through a worker; returns counters and the frames it sent."""
    frames.write_capture(tmp_path / "in.pcap", sent)
    device = f"net_pcap0,rx_pcap={tmp_path}/in.pcap,tx_pcap={tmp_path}/out.pcap"
    server = PortServer("-d", device, "-p", str(len(sent)), *arguments)
    counters = server.wait_ready().finish()
    assert counters["rx"] == len(sent)
    return counters, list(frames.read_capture(tmp_path / "out.pcap"))


def test_queries_of_every_shape(tmp_path):
    asked, sent = [], []
    for i in range(200):
        message = question(f"h{i}.example.")
        make = query4 if i % 2 else query6
        tags = ((), (CTAG,), (STAG, CTAG))[i % 3]
        padding = bytes(i % 18)
        more = {"checksum": 0} if i % 4 == 1 else {}
        asked.append((message, 4 if i % 2 else 6, list(tags), i))
        sent.append(make(message.to_wire(), tags, sport=1024 + i, **more) + padding)
    counters, got = replay(tmp_path, sent)
    assert counters["tx"] == len(got) == len(sent)
    for frame, (message, family, tags, i) in zip(got, asked):
        reply = frames.Reply(frame)
        assert (reply.family, reply.tags, reply.sport, reply.dport) == (family, tags, 53, 1024 + i)
        assert reply.source == frames.packed(
            frames.SERVER4 if family == 4 else frames.SERVER6)
        answer = dns.message.from_wire(reply.payload)
        assert answer.id == message.id and answer.rcode() == dns.rcode.NOERROR
        assert answer.answer[0][0].address == f"192.0.{i >> 8}.{i & 255}"


def test_each_drop_has_its_reason(tmp_path):
    wire = question().to_wire()
    good = udp(wire, frames.CLIENT4, frames.SERVER4)
    cases = {
        "short": [b"\2\0\0", ethernet(b"", kind=0x0800), ethernet(ipv4(good)[:19]),
                        ethernet(ipv6(good)[:39]), ethernet(b"", tags=[CTAG])[:17]],
        "other-mac": [ethernet(ipv4(good), to="02:00:00:00:00:99")],
        "own-mac": [ethernet(ipv4(good), to="ff:ff:ff:ff:ff:ff", source=frames.SERVER_MAC)],
        "group-mac": [ethernet(ipv4(good), to="ff:ff:ff:ff:ff:ff"),
                      ethernet(ipv4(good), to="01:00:5e:00:00:01")],
        "bad-ip": [ethernet(ipv4(good, length=19)), ethernet(ipv4(good, length=2000)),
                   ethernet(ipv4(good, first=0x44)), ethernet(ipv4(good, first=0x55)),
                   ethernet(ipv6(good, length=2000)),
                   ethernet(ipv6(good, first=0x40), kind=0x86dd)],
        "ip-checksum": [ethernet(ipv4(good, checksum=1))],
        "source": [ethernet(ipv4(udp(wire, a, frames.SERVER4), source=a))
                   for a in ("0.0.0.0", "127.0.0.1", "224.0.0.1", "255.255.255.255",
                             frames.SERVER4)] +
                  [ethernet(ipv6(udp(wire, a, frames.SERVER6), source=a))
                   for a in ("::", "::1", "ff02::1", "::ffff:10.0.0.1", frames.SERVER6)] +
                  [query4(wire, sport=0), query6(wire, sport=0),
                   ethernet(ipv4(good), source="03:00:00:00:00:01")],
        "bad-udp": [query4(wire, length=7), query4(wire, length=500), query6(wire, length=500),
                    ethernet(ipv4(good[:7])), ethernet(ipv6(good[:7]))],
        "udp-checksum": [query4(wire, checksum=0x1234), query6(wire, checksum=0x1234),
                         query6(wire, checksum=0)],
        # For the kernel, which is not there.
        "no-exception": [ethernet(b"\0\1", kind=0x0806), ethernet(ipv4(good, protocol=1)),
                         ethernet(ipv4(good, protocol=6)), ethernet(ipv4(good, fragment=0x2000)),
                         ethernet(ipv4(good, fragment=3)), ethernet(ipv4(good, options=bytes(4))),
                         ethernet(ipv4(good, destination="10.53.0.9")), query4(wire, dport=54),
                         ethernet(ipv6(good, protocol=44)), ethernet(ipv6(good, protocol=58)),
                         query4(b"\0\1\x20\0" + wire[4:])],
        "dns-short": [query4(b""), query4(wire[:11]), query6(wire[:11])],
        "dns-response": [query4(wire[:2] + b"\x80" + wire[3:])],
    }
    sent = [frame for some in cases.values() for frame in some]
    counters, got = replay(tmp_path, sent)
    assert got == []
    assert {name: counters[name] for name in cases} == {n: len(c) for n, c in cases.items()}


def test_capacity_is_bounded(tmp_path):
    """big.example. has 4,000 octets of TXT: truncated, never more than client or MTU allow."""
    sent, limits = [], []
    for make in (query4, query6):
        for size in (None, 512, 900, 4096):
            wire = question("big.example.", "TXT", use_edns=0 if size else -1,
                            payload=size or 0).to_wire()
            sent.append(make(wire))
            limits.append(min(size or 512, 1232))
    _, got = replay(tmp_path, sent)
    assert len(got) == len(sent)
    for frame, limit in zip(got, limits):
        payload = frames.Reply(frame).payload
        assert len(payload) <= limit
        assert dns.message.from_wire(payload).flags & dns.flags.TC
    _, got = replay(tmp_path, sent[3:4] + sent[7:8], "-M", "1200")
    assert len(got) == 2
    for frame in got:
        assert len(frame) <= 14 + 1200


def test_cut_anywhere(tmp_path):
    """Every prefix of a query's frame, and of the query in a sound frame."""
    whole = query6(question(use_edns=0).to_wire(), (STAG, CTAG))
    wire = question(use_edns=0).to_wire()
    sent = [whole[:n] for n in range(14, len(whole))]
    sent += [query4(wire[:n]) for n in range(len(wire))]
    counters, got = replay(tmp_path, sent)
    for frame in got:
        assert dns.message.from_wire(frames.Reply(frame).payload,
                                     ignore_trailing=True).rcode() == dns.rcode.FORMERR
    assert len(got) == len(wire) - 12
    assert counters["rx"] == len(got) + sum(
        counters[name] for name in ("short", "bad-ip", "dns-short"))


def test_infinite_replay(tmp_path):
    """Every captured query again and again: all are answered, no buffer is lost."""
    sent = [query4(question(f"h{i}.example.").to_wire()) for i in range(1000)]
    frames.write_capture(tmp_path / "in.pcap", sent)
    device = f"net_pcap0,rx_pcap={tmp_path}/in.pcap,infinite_rx=1"
    counters = PortServer("-d", device, "-p", "1000000").wait_ready().finish()
    assert counters["rx"] >= 1000000
    assert counters["rx"] - counters["tx"] <= 64  # a burst may be under way
    assert counters["answers"] >= counters["tx"]
    assert counters["tx"] >= 999936


def test_two_ports_of_one_worker(tmp_path):
    macs = [frames.SERVER_MAC, frames.SERVER_MAC[:-1] + "1"]  # net_pcap counts them up
    devices = []
    for port, own in enumerate(macs):
        sent = [ethernet(query4(question(f"h{100 * port + i}.example.").to_wire())[14:], to=own)
                for i in range(50)]
        frames.write_capture(tmp_path / f"in{port}.pcap", sent)
        devices += ["-d", f"net_pcap{port},rx_pcap={tmp_path}/in{port}.pcap,"
                          f"tx_pcap={tmp_path}/out{port}.pcap"]
    PortServer(*devices, "-l", "1", "-p", "100").wait_ready().finish()
    for port, own in enumerate(macs):
        got = list(frames.read_capture(tmp_path / f"out{port}.pcap"))
        assert len(got) == 50
        for i, frame in enumerate(got):
            answer = dns.message.from_wire(frames.Reply(frame, server_mac=own).payload)
            number = 100 * port + i
            assert answer.answer[0][0].address == f"192.0.{number >> 8}.{number & 255}"


def test_all_queues_are_polled(tmp_path):
    """One worker for a device of three queues."""
    devargs = "net_pcap0"
    for queue in range(3):
        frames.write_capture(tmp_path / f"in{queue}.pcap",
                             [query4(question(f"h{queue}.example.").to_wire())] * 20)
        devargs += f",rx_pcap={tmp_path}/in{queue}.pcap,tx_pcap={tmp_path}/out{queue}.pcap"
    server = PortServer("-d", devargs, "-l", "1", "-p", "60")
    counters = server.wait_ready().finish()
    assert server.counters["ports"][0]["queues"] == 3
    assert counters["tx"] == 60
    for queue in range(3):
        got = list(frames.read_capture(tmp_path / f"out{queue}.pcap"))
        assert len(got) == 20
        for frame in got:
            answer = dns.message.from_wire(frames.Reply(frame).payload)
            assert answer.answer[0][0].address == f"192.0.0.{queue}"


def test_memif(tmp_path):
    """Shared memory with another process: testpmd moves frames from a capture to the
    port and what comes back into another."""
    sent = [query4(question(f"h{i}.example.").to_wire()) for i in range(500)]
    frames.write_capture(tmp_path / "in.pcap", sent)
    server = PortServer("-d", f"net_memif0,role=server,socket={tmp_path}/memif,"
                              f"socket-abstract=no,mac={frames.SERVER_MAC}",
                        "-p", "20000").wait_ready()
    testpmd = subprocess.Popen(
        ["dpdk-testpmd", "--lcores=0@0,1@0", "--no-huge", "-m", "200", "--no-pci",
         "--no-telemetry", f"--file-prefix=us-port-test-{os.getpid()}",
         "--vdev", f"net_memif1,role=client,socket={tmp_path}/memif,socket-abstract=no",
         "--vdev", f"net_pcap0,rx_pcap={tmp_path}/in.pcap,tx_pcap={tmp_path}/out.pcap,"
         "infinite_rx=1", "--", "--forward-mode=io", "--total-num-mbufs=8192", "--no-lsc-interrupt", "-i"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    testpmd.stdin.write("start\n")
    testpmd.stdin.flush()
    try:
        counters = server.finish(timeout=30)
    finally:
        said, _ = testpmd.communicate("stop\nquit\n", timeout=30)
        shutil.rmtree(f"/var/run/dpdk/us-port-test-{os.getpid()}", ignore_errors=True)
    assert counters["rx"] >= 20000, said
    assert counters["rx"] - counters["answers"] <= 32  # a burst may be under way
    assert not glob.glob(f"/var/run/dpdk/understudy-{server.popen.pid}")
    got = {frames.Reply(frame).payload[:2] for frame in
           frames.read_capture(tmp_path / "out.pcap")}
    assert got == {frame[42:44] for frame in sent}


def test_record_lengths_are_not_believed(tmp_path):
    """A capture whose last record is cut off; the driver must not hand on rubbish."""
    path = tmp_path / "in.pcap"
    sent = [query4(question().to_wire())] * 3
    frames.write_capture(path, sent)
    with open(path, "ab") as f:
        f.write(struct.pack("<IIII", 0, 0, 60, 60) + b"\0" * 10)
    device = f"net_pcap0,rx_pcap={path},tx_pcap={tmp_path}/out.pcap"
    counters = PortServer("-d", device, "-p", "3").wait_ready().finish()
    assert counters["tx"] == 3
