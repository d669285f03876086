# SPDX-License-Identifier: BSD-3-Clause
"""Names at their limits and in each other's way: the longest apexes, zones within
zones, aliases from one to another, wildcards, occlusion; beside BIND, Knot and NSD."""

import dns.flags
import dns.rdatatype
import pytest

from harness import client, zones
from harness.peers import Bind, Knot, Nsd

DIGEST = "ab" * 32

# Zones that all three take.
ALIASES = r"""
loopa    CNAME loopb
loopb    CNAME loopc
loopc    CNAME loopa
self     CNAME self
c1       CNAME c2
c2       CNAME c3
c3       CNAME c4
c4       CNAME ns1
cnx      CNAME nothing
cnodata  CNAME ent
cwild    CNAME a.b.wm
cempty   CNAME a.we
out      CNAME www.elsewhere.
out2     CNAME out
ccut     CNAME www.cut
cdname   CNAME a.d3
d1       DNAME d2
d2       DNAME d1
dself    DNAME dself
d3       DNAME d4
d4       DNAME d5
x.d5     A     192.0.2.5
d9       DNAME t9
a.t9     CNAME b.d9
b.t9     A     192.0.2.9
dcut     DNAME cut
dout     DNAME elsewhere.
dtxt     DNAME d5
dtxt     TXT   "beside it"
*.wl     CNAME x.wl
*.wg     CNAME a.b.wg
*.wc     CNAME ns1
*.wd     DNAME d5
"""

WILDCARDS = r"""
*         TXT   "of the apex"
*.wm      MX    10 ns1
a.*.wm    A     192.0.2.11
b.*.we    A     192.0.2.12
x.*.wm2   A     192.0.2.13
*.wm2     TXT   "w"
*.*.ww    A     192.0.2.14
e.ent     TXT   "leaf"
cut       NS    ns.cut
cut       NS    ns.cut2
ns.cut    A     192.0.2.21
*.cut     A     192.0.2.22
deep.cut  NS    ns1
cut2      NS    ns.cut
ns.cut2   A     192.0.2.23
lone      NS    ns.elsewhere.
"""

NESTED = {
    "z.test": f"child NS ns.child\nns.child A 192.0.2.90\nchild DS 1 8 2 {DIGEST}\n"
              "cdown CNAME www.child\ncapex CNAME child\ncdeep CNAME www.g.child\n"
              "cgone CNAME nothing.child\nddown DNAME child\nunder.g.child A 192.0.2.91\n"
              "mx MX 1 www.child\n",
    "child.z.test": f"g NS ns.g\nns.g A 192.0.2.92\ng DS 2 8 2 {DIGEST}\nwww A 192.0.2.93\n"
                    "up CNAME www.z.test.\ndown CNAME www.g\nmx MX 1 www.z.test.\n",
    "g.child.z.test": "www A 192.0.2.94\nup CNAME www.child.z.test.\nback CNAME up.child.z.test.\n",
}

CONTENT = {"a.test": zones.zone_text("a.test", 1, ALIASES + WILDCARDS.replace("*         TXT", ";")),
           "w.test": zones.zone_text("w.test", 1, WILDCARDS),
           **{z: zones.zone_text(z, 1, "www A 192.0.2.80\n" * (z == "z.test") + body)
              for z, body in NESTED.items()}}

TYPES = ("A", "TXT", "CNAME", "DNAME", "NS", "DS", "MX", "NSEC", "SOA")


def asked():
    """Every owner of every zone, its parents, what is below it, the asterisk's
    neighbours; with every type."""
    names = set()
    for zone, text in CONTENT.items():
        for line in text.splitlines():
            owner = line.split()[0] if line else ";"
            if owner.startswith(("$", ";")):
                continue
            name = zone if owner == "@" else f"{owner}.{zone}"
            while name.endswith(zone):
                names |= {name, f"x.{name}", f"www.{name}", f"x.y.{name}", f"*.{name}"}
                name = name.partition(".")[2]
    return sorted((name, rdtype) for name in names for rdtype in TYPES)


def essence(reply):
    """What must agree: NS records beside an answer are optional."""
    rcode, flags, answer, authority = client.essence(reply)
    if answer:
        authority = frozenset(r for r in authority if r[1] != dns.rdatatype.NS)
    return rcode, flags, answer, authority


def loops(reply):
    """Whether this is BIND's answer to an alias that leads back to itself."""
    return reply.rcode() == 2 and reply.answer


@pytest.fixture(scope="module")
def peers(module_stage):
    return [module_stage.peer(kind, CONTENT, notify=[]).client for kind in (Bind, Knot, Nsd)]


def serve(stage, across):
    return stage.secondary(list(CONTENT), {z: 1 for z in CONTENT}, primaries=[Knot.address],
                           server={"cross-zone-aliases": across})


def ask_all(one, queries):
    replies = one.ask_stream([q.to_wire() for q in queries])
    for number, q in enumerate(queries):
        q.id = number & 0xffff  # as ask_stream numbers them
    return [client.parse(reply, q) for reply, q in zip(replies, queries)]


@pytest.mark.limit(300)
def test_answers_agree_with_somebody(module_stage, peers):
    """With two of three where these agree among themselves, else with one."""
    server = serve(module_stage, False)
    queries = [client.query(name, rdtype) for name, rdtype in asked()]
    ours = ask_all(server.client(module_stage.clients), queries)
    theirs = [ask_all(peer, queries) for peer in peers]
    server.stop()
    assert len(ours) > 3000
    alone, with_one = [], []
    for got, *others in zip(ours, *theirs):
        agree = sum(essence(got) == essence(other) for other in others)
        if agree == 0:
            alone.append((got, others))
        elif agree == 1 and not any(map(loops, others)):
            with_one.append(got)
    for got, others in alone[:5]:
        print(got.to_text(), *(o.to_text() for o in others), sep="\n----\n")
    assert not alone, f"{len(alone)} of {len(ours)} answers are nobody else's"
    assert len(with_one) < len(ours) / 100, [r.question[0].to_text() for r in with_one[:20]]


@pytest.mark.understudy
def test_aliases_across_zones(module_stage, peers):
    """By option; NSD does so always."""
    server = serve(module_stage, True)
    queries = [client.query(name, rdtype) for name, rdtype in asked()
               if name.endswith(tuple(NESTED)) and rdtype in ("A", "TXT", "MX", "DS")]
    ours = ask_all(server.client(module_stage.clients), queries)
    theirs = ask_all(peers[2], queries)
    server.stop()
    crossed = 0
    for got, want in zip(ours, theirs):
        if not any(r[1] == dns.rdatatype.CNAME for r in client.records(got.answer)):
            continue
        assert essence(got) == essence(want), f"{got}\n---\n{want}"
        crossed += len({r.name for r in got.answer if r.rdtype != dns.rdatatype.DNAME}) > 1
    assert crossed >= 8


# As long as can be: 255 octets, of 127 labels and of the fewest.
LONGEST = ["a." * 127, ".".join(["x" * 63, "y" * 63, "z" * 63, "q" * 61]) + "."]


@pytest.mark.parametrize("apex", LONGEST + ["."], ids=["labels", "octets", "root"])
def test_apexes_at_the_limits(stage, apex):
    if apex == ".":
        body = ("www A 192.0.2.1\ntop NS ns.top\nns.top A 192.0.2.2\nal CNAME www\n*.w TXT w\n"
                "dn DNAME w\n@ MX 1 www\n@ A 192.0.2.3\n@ HTTPS 1 . alpn=h2\n")
        names = [".", "www.", "ns1.", "nothing.", "top.", "x.top.", "al.", "a.w.", "w.", "*.w.",
                 "a.dn.", "a.b.c.", "a." * 127, ".".join(["x" * 63] * 3 + ["y" * 61]) + "."]
        text = zones.zone_text(apex, 1, body)
    else:
        # No name fits below it.
        text = (f"$ORIGIN {apex}\n@ 300 SOA ns.example. h.example. 1 {zones.TIMERS}\n"
                '@ 300 NS ns.example.\n@ 300 NS @\n@ 300 A 192.0.2.1\n@ 300 MX 1 @\n'
                '@ 300 TXT "apex"\n@ 300 HTTPS 1 @\n')
        names = [apex, apex.upper(), apex.partition(".")[2]]
    path = zones.write(f"{stage.dir}/zone", text)
    peers = [stage.peer(kind, {apex: path}, notify=[]).client for kind in (Bind, Knot, Nsd)]
    server = stage.secondary([apex], {apex: 1}, primaries=[Knot.address])
    ours = server.client(stage.clients)
    for name in names:
        for rdtype in (*TYPES, "AAAA", "HTTPS", "PTR"):
            for tcp in (False, True):
                got = essence(ours.ask(name, rdtype, tcp=tcp))
                assert got in [essence(peer.ask(name, rdtype, tcp=tcp)) for peer in peers], \
                    (name, rdtype, tcp, got)
