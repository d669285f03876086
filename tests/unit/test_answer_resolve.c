// SPDX-License-Identifier: BSD-3-Clause
// What is answered: RFC 1034 section 4.3.2 and what came after it, reply by reply.
#include "support/ask.h"
#include "understudy/rr.h"
#include "unit.h"

static const char zone_text[] = "@ 300 SOA ns1 root 1 3600 600 86400 60\n"
				"@ 300 NS ns1\n"
				"@ 300 NS ns.sub\n"
				"ns1 300 A 192.0.2.1\n"
				"ns1 300 AAAA 2001:db8::1\n"
				"two 300 A 192.0.2.2\n"
				"two 300 A 192.0.2.1\n"
				"txt 30 TXT \"hello world\" \"\"\n"
				"odd 300 TYPE65280 \\# 3 010203\n"
				"odd 300 TYPE65281 \\# 0\n"
				"mx 300 MX 10 ns1\n"
				"mx 300 MX 20 a.sub\n"
				"mx 300 MX 30 ns1\n"
				"mx 300 MX 40 mail.example.\n"
				"srv 300 SRV 1 2 53 ns1\n"
				"ptr 300 PTR ns1\n"
				"minfo 300 MINFO ns1 two\n"
				"multi 300 A 192.0.2.9\n"
				"multi 300 MX 10 ns1\n"
				"multi 300 MX 20 multi\n"
				"multi 300 RRSIG \\# 19 00010803000000000000000000000000000000\n"
				"multi 300 RRSIG \\# 19 000f0803000000000000000000000000000000\n"
				"sub 300 NS ns.sub\n"
				"sub 300 NS ns1\n"
				"sub 300 NS other.sub2\n"
				"sub 300 NS ns.example.\n"
				"sub 300 DS \\# 6 00010802aabb\n"
				"ns.sub 300 A 192.0.2.22\n"
				"a.sub 300 A 192.0.2.33\n"
				"sub2 300 NS ns.sub2\n"
				"ns.sub2 300 A 192.0.2.44\n"
				"other.sub2 300 A 192.0.2.55\n"
				"b.ent 300 A 192.0.2.66\n"
				"*.w 300 A 192.0.2.77\n"
				"*.w 300 MX 10 ns1\n"
				"x.w 300 TXT \"exists\"\n"
				"*.wc 300 CNAME ns1\n"
				"z.*.we 300 A 192.0.2.78\n";

static const char alias_text[] =
	"c 300 CNAME ns1\n"
	"c 300 NSEC \\# 4 00000140\n"
	"cc 200 CNAME c\n"
	"csub 300 CNAME x.sub\n"
	"cout 300 CNAME www.example.\n"
	"cloop 300 CNAME cloop2\n"
	"cloop2 300 CNAME cloop\n"
	"cself 300 CNAME cself\n"
	"cnx 300 CNAME nope\n"
	"cnodata 300 CNAME txt\n"
	"ckey 300 CNAME ns1\n"
	"ckey 300 TYPE25 \\# 5 0200030501\n"
	"cwild 300 CNAME q.w\n"
	"cdname 300 CNAME a.d\n"
	"cchild 300 CNAME www.child\n"
	"round 300 CNAME round.child\n"
	"mx2 300 MX 1 two\n"
	"cdead 300 CNAME www.dead\n"
	"*.wself 300 CNAME x.wself\n"
	"d 120 DNAME target\n"
	"d 120 TXT \"at\"\n"
	"a.target 300 A 192.0.2.88\n"
	"again.target 300 CNAME a.d\n"
	"hidden.d 300 A 192.0.2.99\n"
	"dout 300 DNAME out.example.\n"
	"dsub 300 DNAME sub\n"
	"dgrow 300 DNAME x.dgrow\n"
	"dself 300 DNAME dself\n"
	"ra 300 DNAME rb\n"
	"ra 300 TXT \"at\"\n"
	"rb 300 DNAME @\n"
	"child 300 NS ns1\n"
	"child 300 DS \\# 6 00020802aabb\n"
	"dead 300 NS ns1\n"
	"long 300 DNAME aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa."
	"bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb."
	"ccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc\n";

#define SOA "z.test. 60 SOA ns1.z.test. root.z.test. 1 3600 600 86400 60\n"
#define SUB_NS                                   \
	"ns sub.z.test. 300 NS ns.sub.z.test.\n" \
	"ns sub.z.test. 300 NS ns.example.\n"    \
	"ns sub.z.test. 300 NS ns1.z.test.\n"    \
	"ns sub.z.test. 300 NS other.sub2.z.test.\n"
#define SUB_GLUE                                \
	"ar ns.sub.z.test. 300 A 192.0.2.22\n"  \
	"ar ns1.z.test. 300 A 192.0.2.1\n"      \
	"ar ns1.z.test. 300 AAAA 2001:db8::1\n" \
	"ar other.sub2.z.test. 300 A 192.0.2.55\n"

static struct world world;

static void build_world(void)
{
	static char text[sizeof(zone_text) + sizeof(alias_text)];
	strcpy(text, zone_text);
	strcat(text, alias_text);
	world_open(&world);
	world_zone(&world, "z.test.", text);
	world_zone(&world, "child.z.test.",
		   "@ 300 SOA ns1.z.test. root 7 1 1 1 900\n"
		   "@ 300 NS ns1.z.test.\n"
		   "www 300 A 192.0.2.101\n"
		   "back 300 CNAME two.z.test.\n"
		   "round 300 CNAME round.z.test.\n"
		   "mx 300 CNAME mx2.z.test.\n");
	world_zone(&world, "below.sub.z.test.",
		   "@ 300 SOA ns root 3 1 1 1 900\n@ 300 NS ns\nns 300 A 192.0.2.102\n");
	world_not_loaded(&world, "dead.z.test.");
	world_not_loaded(&world, "dead.sub.z.test.");
	world_zone(&world, "old.test.", "@ 300 SOA a b 1 1 1 1 1\n@ 300 NS a.example.\n");
	world_expired(&world, "old.test.");
}

static void test_positive(void)
{
	ASK(&world, "rcode 0 aa\nan ns1.z.test. 300 A 192.0.2.1\n", "ns1.z.test.", RRTYPE_A);
	ASK(&world, "rcode 0 aa\nan two.z.test. 300 A 192.0.2.1\nan two.z.test. 300 A 192.0.2.2\n",
	    "two.z.test.", RRTYPE_A);
	ASK(&world, "rcode 0 aa\nan txt.z.test. 30 TXT 0b68656c6c6f20776f726c6400\n", "txt.z.test.",
	    RRTYPE_TXT);
	ASK(&world, "rcode 0 aa\nan odd.z.test. 300 TYPE65280 010203\n", "odd.z.test.", 65280);
	ASK(&world, "rcode 0 aa\nan odd.z.test. 300 TYPE65281 \n", "odd.z.test.", 65281);
	ASK(&world, "rcode 0 aa\nan ptr.z.test. 300 PTR ns1.z.test.\n", "ptr.z.test.", RRTYPE_PTR);
	ASK(&world, "rcode 0 aa\nan minfo.z.test. 300 MINFO ns1.z.test. two.z.test.\n",
	    "minfo.z.test.", RRTYPE_MINFO);
	ASK(&world, "rcode 0 aa\nan z.test. 300 SOA ns1.z.test. root.z.test. 1 3600 600 86400 60\n",
	    "z.test.", RRTYPE_SOA);
	// The owner stands in the case of the question, rdata as the zone has it
	// where nothing equal stands before it.
	ASK(&world, "rcode 0 aa\nan NS1.z.TEST. 300 A 192.0.2.1\n", "NS1.z.TEST.", RRTYPE_A);
}

static void test_negative(void)
{
	ASK(&world, "rcode 3 aa\nns " SOA, "nope.z.test.", RRTYPE_A);
	ASK(&world, "rcode 3 aa\nns " SOA, "below.ns1.z.test.", RRTYPE_A);
	ASK(&world, "rcode 0 aa\nns " SOA, "txt.z.test.", RRTYPE_A);
	ASK(&world, "rcode 0 aa\nns " SOA, "ent.z.test.", RRTYPE_A);
	ASK(&world, "rcode 0 aa\nns " SOA, "z.test.", RRTYPE_DS);
	ASK(&world, "rcode 0 aa\nns " SOA, "ns1.z.test.", RRTYPE_RRSIG);
	// Meta types own no data.
	ASK(&world, "rcode 0 aa\nns " SOA, "ns1.z.test.", RRTYPE_MAILB);
	ASK(&world, "rcode 0 aa\nns " SOA, "ns1.z.test.", RRTYPE_OPT);
	ASK(&world, "rcode 0 aa\nns " SOA, "ns1.z.test.", 0);
	// The SOA's own TTL, when that is the lower one.
	ASK(&world,
	    "rcode 3 aa\nns child.z.test. 300 SOA ns1.z.test. root.child.z.test. 7 1 1 1 900\n",
	    "nope.child.z.test.", RRTYPE_A);
}

static void test_not_ours(void)
{
	ASK(&world, "rcode 5\n", "example.", RRTYPE_A);
	ASK(&world, "rcode 5\n", "test.", RRTYPE_A);
	ASK(&world, "rcode 5\n", ".", RRTYPE_NS);
	ASK(&world, "rcode 2\n", "www.dead.z.test.", RRTYPE_A);
	ASK(&world, "rcode 2\n", "old.test.", RRTYPE_SOA);
	ASK(&world, "rcode 5\n", "z.test.", RRTYPE_AXFR);
	ASK(&world, "rcode 5\n", "z.test.", RRTYPE_AXFR, .tcp = true);
	ASK(&world, "rcode 5\n", "z.test.", RRTYPE_IXFR);
}

static void test_wildcard(void)
{
	ASK(&world, "rcode 0 aa\nan q.w.z.test. 300 A 192.0.2.77\n", "q.w.z.test.", RRTYPE_A);
	ASK(&world, "rcode 0 aa\nan p.q.w.z.test. 300 A 192.0.2.77\n", "p.q.w.z.test.", RRTYPE_A);
	ASK(&world, "rcode 0 aa\nan *.w.z.test. 300 A 192.0.2.77\n", "*.w.z.test.", RRTYPE_A);
	ASK(&world, "rcode 0 aa\nns " SOA, "q.w.z.test.", RRTYPE_TXT);
	ASK(&world, "rcode 0 aa\nns " SOA, "w.z.test.", RRTYPE_A);
	// What exists is not covered, nor what lies below it.
	ASK(&world, "rcode 0 aa\nns " SOA, "x.w.z.test.", RRTYPE_A);
	ASK(&world, "rcode 3 aa\nns " SOA, "q.x.w.z.test.", RRTYPE_A);
	// A wildcard that owns nothing itself still covers.
	ASK(&world, "rcode 0 aa\nns " SOA, "q.we.z.test.", RRTYPE_A);
	ASK(&world,
	    "rcode 0 aa\nan q.wc.z.test. 300 CNAME ns1.z.test.\nan ns1.z.test. 300 A 192.0.2.1\n",
	    "q.wc.z.test.", RRTYPE_A);
	ASK(&world,
	    "rcode 0 aa\nan q.w.z.test. 300 MX 10 ns1.z.test.\n"
	    "ar ns1.z.test. 300 A 192.0.2.1\nar ns1.z.test. 300 AAAA 2001:db8::1\n",
	    "q.w.z.test.", RRTYPE_MX);
}

static void test_cname(void)
{
	ASK(&world,
	    "rcode 0 aa\nan c.z.test. 300 CNAME ns1.z.test.\nan ns1.z.test. 300 A 192.0.2.1\n",
	    "c.z.test.", RRTYPE_A);
	ASK(&world,
	    "rcode 0 aa\nan cc.z.test. 200 CNAME c.z.test.\nan c.z.test. 300 CNAME ns1.z.test.\n"
	    "an ns1.z.test. 300 AAAA 2001:db8::1\n",
	    "cc.z.test.", RRTYPE_AAAA);
	ASK(&world, "rcode 0 aa\nan cc.z.test. 200 CNAME c.z.test.\n", "cc.z.test.", RRTYPE_CNAME);
	ASK(&world, "rcode 0 aa\nan c.z.test. 300 NSEC . A\n", "c.z.test.", RRTYPE_NSEC);
	ASK(&world, "rcode 0 aa\nns " SOA, "c.z.test.", RRTYPE_RRSIG);
	// KEY beside it is answered for itself; who has none follows the alias for KEY too.
	ASK(&world, "rcode 0 aa\nan ckey.z.test. 300 TYPE25 0200030501\n", "ckey.z.test.",
	    RRTYPE_KEY);
	ASK(&world,
	    "rcode 0 aa\nan ckey.z.test. 300 CNAME ns1.z.test.\nan ns1.z.test. 300 A 192.0.2.1\n",
	    "ckey.z.test.", RRTYPE_A);
	ASK(&world, "rcode 0 aa\nan c.z.test. 300 CNAME ns1.z.test.\nns " SOA, "c.z.test.",
	    RRTYPE_KEY);
	ASK(&world, "rcode 0 aa\nan cout.z.test. 300 CNAME www.example.\n", "cout.z.test.",
	    RRTYPE_A);
	// The rcode is that of the last name (RFC 6604).
	ASK(&world, "rcode 3 aa\nan cnx.z.test. 300 CNAME nope.z.test.\nns " SOA, "cnx.z.test.",
	    RRTYPE_A);
	ASK(&world, "rcode 0 aa\nan cnodata.z.test. 300 CNAME txt.z.test.\nns " SOA,
	    "cnodata.z.test.", RRTYPE_A);
	ASK(&world,
	    "rcode 0 aa\nan cwild.z.test. 300 CNAME q.w.z.test.\nan q.w.z.test. 300 A 192.0.2.77\n",
	    "cwild.z.test.", RRTYPE_A);
	ASK(&world, "rcode 0 aa\nan csub.z.test. 300 CNAME x.sub.z.test.\n" SUB_NS SUB_GLUE,
	    "csub.z.test.", RRTYPE_A);
}

static void test_cname_ends(void)
{
	ASK(&world,
	    "rcode 0 aa\nan cloop.z.test. 300 CNAME cloop2.z.test.\n"
	    "an cloop2.z.test. 300 CNAME cloop.z.test.\n",
	    "cloop.z.test.", RRTYPE_A);
	ASK(&world, "rcode 0 aa\nan CSELF.z.test. 300 CNAME CSELF.z.test.\n", "CSELF.z.test.",
	    RRTYPE_A);
	ASK(&world,
	    "rcode 0 aa\nan a.wself.z.test. 300 CNAME x.wself.z.test.\n"
	    "an x.wself.z.test. 300 CNAME x.wself.z.test.\n",
	    "a.wself.z.test.", RRTYPE_A);
	// Into a zone of ours below the zone asked, and back; into one that is not loaded.
	ASK(&world, "rcode 0 aa\nan cchild.z.test. 300 CNAME www.child.z.test.\n", "cchild.z.test.",
	    RRTYPE_A);
	ASK(&world, "rcode 0 aa\nan back.child.z.test. 300 CNAME two.z.test.\n",
	    "back.child.z.test.", RRTYPE_A);
	ASK(&world, "rcode 0 aa\nan cdead.z.test. 300 CNAME www.dead.z.test.\n", "cdead.z.test.",
	    RRTYPE_A);
}

static void test_across_zones(void)
{
	world.settings.cross_zone_aliases = true;
	ASK(&world,
	    "rcode 0 aa\nan cchild.z.test. 300 CNAME www.child.z.test.\n"
	    "an www.child.z.test. 300 A 192.0.2.101\n",
	    "cchild.z.test.", RRTYPE_A);
	ASK(&world,
	    "rcode 0 aa\nan back.child.z.test. 300 CNAME two.z.test.\n"
	    "an two.z.test. 300 A 192.0.2.1\nan two.z.test. 300 A 192.0.2.2\n",
	    "back.child.z.test.", RRTYPE_A);
	// What is negative there is so by the SOA of that zone.
	ASK(&world, "rcode 0 aa\nan back.child.z.test. 300 CNAME two.z.test.\nns " SOA,
	    "back.child.z.test.", RRTYPE_AAAA);
	ASK(&world,
	    "rcode 0 aa\nan round.child.z.test. 300 CNAME round.z.test.\n"
	    "an round.z.test. 300 CNAME round.child.z.test.\n",
	    "round.child.z.test.", RRTYPE_A);
	// Addresses of what the last zone speaks of.
	ASK(&world,
	    "rcode 0 aa\nan mx.child.z.test. 300 CNAME mx2.z.test.\n"
	    "an mx2.z.test. 300 MX 1 two.z.test.\n"
	    "ar two.z.test. 300 A 192.0.2.1\nar two.z.test. 300 A 192.0.2.2\n",
	    "mx.child.z.test.", RRTYPE_MX);
	// Neither here nor there: not loaded, and not ours.
	ASK(&world, "rcode 0 aa\nan cdead.z.test. 300 CNAME www.dead.z.test.\n", "cdead.z.test.",
	    RRTYPE_A);
	ASK(&world, "rcode 0 aa\nan cout.z.test. 300 CNAME www.example.\n", "cout.z.test.",
	    RRTYPE_A);
	world.settings.cross_zone_aliases = false;
}

static void test_dname(void)
{
	ASK(&world,
	    "rcode 0 aa\nan d.z.test. 120 DNAME target.z.test.\n"
	    "an a.d.z.test. 120 CNAME a.target.z.test.\nan a.target.z.test. 300 A 192.0.2.88\n",
	    "a.d.z.test.", RRTYPE_A);
	ASK(&world,
	    "rcode 3 aa\nan d.z.test. 120 DNAME target.z.test.\n"
	    "an hidden.d.z.test. 120 CNAME hidden.target.z.test.\nns " SOA,
	    "hidden.d.z.test.", RRTYPE_A);
	ASK(&world, "rcode 0 aa\nan d.z.test. 120 DNAME target.z.test.\n", "d.z.test.",
	    RRTYPE_DNAME);
	ASK(&world, "rcode 0 aa\nan d.z.test. 120 TXT 026174\n", "d.z.test.", RRTYPE_TXT);
	ASK(&world, "rcode 0 aa\nns " SOA, "d.z.test.", RRTYPE_A);
	ASK(&world,
	    "rcode 0 aa\nan cdname.z.test. 300 CNAME a.d.z.test.\n"
	    "an d.z.test. 120 DNAME target.z.test.\n"
	    "an a.d.z.test. 120 CNAME a.target.z.test.\nan a.target.z.test. 300 A 192.0.2.88\n",
	    "cdname.z.test.", RRTYPE_A);
	ASK(&world,
	    "rcode 0 aa\nan dout.z.test. 300 DNAME out.example.\n"
	    "an x.dout.z.test. 300 CNAME x.out.example.\n",
	    "x.dout.z.test.", RRTYPE_A);
	// A query for CNAME is answered by the synthesized one.
	ASK(&world,
	    "rcode 0 aa\nan dsub.z.test. 300 DNAME sub.z.test.\n"
	    "an a.x.dsub.z.test. 300 CNAME a.x.sub.z.test.\n",
	    "a.x.dsub.z.test.", RRTYPE_CNAME);
	ASK(&world,
	    "rcode 0 aa\nan dsub.z.test. 300 DNAME sub.z.test.\n"
	    "an x.dsub.z.test. 300 CNAME x.sub.z.test.\n" SUB_NS SUB_GLUE,
	    "x.dsub.z.test.", RRTYPE_A);
	ASK(&world,
	    "rcode 0 aa\nan dself.z.test. 300 DNAME dself.z.test.\n"
	    "an a.dself.z.test. 300 CNAME a.dself.z.test.\n",
	    "a.dself.z.test.", RRTYPE_A);
}

#define A63 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa."
#define B63 "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb."
#define C63 "ccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc."

static void test_dname_too_long(void)
{
	// 3 * 64 octets and "z.test." are 200; 55 are left.
	ASK(&world, "rcode 6 aa\nan long.z.test. 300 DNAME " A63 B63 C63 "z.test.\n",
	    "1234567890123456789012345678901234567890123456789012345.long.z.test.", RRTYPE_A);
	ASK(&world,
	    "rcode 3 aa\nan long.z.test. 300 DNAME " A63 B63 C63 "z.test.\n"
	    "an 123456789012345678901234567890123456789012345678901234.long.z.test. 300 CNAME "
	    "123456789012345678901234567890123456789012345678901234." A63 B63 C63 "z.test.\n"
	    "ns " SOA,
	    "123456789012345678901234567890123456789012345678901234.long.z.test.", RRTYPE_A,
	    .tcp = true);
}

#define LONGER "12345678901234567890123456789012345678901234."

// A DNAME that leads below itself would never end, or when a name is too long; one
// that leads to itself from elsewhere goes on, its record given once.
static void test_dname_again(void)
{
	ASK(&world,
	    "rcode 0 aa\nan dgrow.z.test. 300 DNAME x.dgrow.z.test.\n"
	    "an a.dgrow.z.test. 300 CNAME a.x.dgrow.z.test.\n"
	    "an a.x.dgrow.z.test. 300 CNAME a.x.x.dgrow.z.test.\n"
	    "an a.x.x.dgrow.z.test. 300 CNAME a.x.x.x.dgrow.z.test.\n"
	    "an a.x.x.x.dgrow.z.test. 300 CNAME a.x.x.x.x.dgrow.z.test.\n"
	    "an a.x.x.x.x.dgrow.z.test. 300 CNAME a.x.x.x.x.x.dgrow.z.test.\n"
	    "an a.x.x.x.x.x.dgrow.z.test. 300 CNAME a.x.x.x.x.x.x.dgrow.z.test.\n",
	    "a.dgrow.z.test.", RRTYPE_A);
	ASK(&world,
	    "rcode 6 aa\nan dgrow.z.test. 300 DNAME x.dgrow.z.test.\n"
	    "an " A63 B63 C63 LONGER "dgrow.z.test. 300 CNAME " A63 B63 C63 LONGER
	    "x.dgrow.z.test.\n"
	    "an " A63 B63 C63 LONGER "x.dgrow.z.test. 300 CNAME " A63 B63 C63 LONGER
	    "x.x.dgrow.z.test.\n",
	    A63 B63 C63 LONGER "dgrow.z.test.", RRTYPE_A, .tcp = true);
	ASK(&world,
	    "rcode 0 aa\nan d.z.test. 120 DNAME target.z.test.\n"
	    "an again.d.z.test. 120 CNAME again.target.z.test.\n"
	    "an again.target.z.test. 300 CNAME a.d.z.test.\n"
	    "an a.d.z.test. 120 CNAME a.target.z.test.\nan a.target.z.test. 300 A 192.0.2.88\n",
	    "again.d.z.test.", RRTYPE_A);
}

// An alias leads to the owner of a DNAME that led on before.
static void test_dname_at_last(void)
{
#define RA_RA                                              \
	"rcode 0 aa\nan ra.z.test. 300 DNAME rb.z.test.\n" \
	"an ra.ra.z.test. 300 CNAME ra.rb.z.test.\n"       \
	"an rb.z.test. 300 DNAME z.test.\n"                \
	"an ra.rb.z.test. 300 CNAME ra.z.test.\n"
	ASK(&world, RA_RA, "ra.ra.z.test.", RRTYPE_DNAME);
	ASK(&world, RA_RA "an ra.z.test. 300 TXT 026174\n", "ra.ra.z.test.", RRTYPE_ANY);
	ASK(&world, RA_RA "an ra.z.test. 300 TXT 026174\n", "ra.ra.z.test.", RRTYPE_ANY,
	    .tcp = true);
}

static void test_delegation(void)
{
	ASK(&world, "rcode 0\n" SUB_NS SUB_GLUE, "sub.z.test.", RRTYPE_A);
	ASK(&world, "rcode 0\n" SUB_NS SUB_GLUE, "sub.z.test.", RRTYPE_NS);
	ASK(&world, "rcode 0\n" SUB_NS SUB_GLUE, "sub.z.test.", RRTYPE_ANY);
	ASK(&world, "rcode 0\n" SUB_NS SUB_GLUE, "ns.sub.z.test.", RRTYPE_A);
	ASK(&world, "rcode 0\n" SUB_NS SUB_GLUE, "q.q.sub.z.test.", RRTYPE_DS);
	ASK(&world, "rcode 0 aa\nan sub.z.test. 300 DS 00010802aabb\n", "sub.z.test.", RRTYPE_DS);
	ASK(&world, "rcode 0 aa\nns " SOA, "sub2.z.test.", RRTYPE_DS);
	// The child zone is ours as well: its data, but DS from the parent's side.
	ASK(&world, "rcode 0 aa\nan www.child.z.test. 300 A 192.0.2.101\n", "www.child.z.test.",
	    RRTYPE_A);
	ASK(&world, "rcode 0 aa\nan child.z.test. 300 DS 00020802aabb\n", "child.z.test.",
	    RRTYPE_DS);
	// The parent is not ours, though the zone that delegates to the parent is.
	ASK(&world,
	    "rcode 0 aa\nns below.sub.z.test. 300 SOA ns.below.sub.z.test. "
	    "root.below.sub.z.test. 3 1 1 1 900\n",
	    "below.sub.z.test.", RRTYPE_DS);
	ASK(&world, "rcode 0\n" SUB_NS SUB_GLUE, "dead.sub.z.test.", RRTYPE_DS);
}

static void test_additional(void)
{
	// Once for each name, and nothing for names outside.
	ASK(&world,
	    "rcode 0 aa\nan mx.z.test. 300 MX 10 ns1.z.test.\nan mx.z.test. 300 MX 20 "
	    "a.sub.z.test.\n"
	    "an mx.z.test. 300 MX 30 ns1.z.test.\nan mx.z.test. 300 MX 40 mail.example.\n"
	    "ar ns1.z.test. 300 A 192.0.2.1\nar ns1.z.test. 300 AAAA 2001:db8::1\n"
	    "ar a.sub.z.test. 300 A 192.0.2.33\n",
	    "mx.z.test.", RRTYPE_MX);
	ASK(&world,
	    "rcode 0 aa\nan srv.z.test. 300 SRV 1 2 53 ns1.z.test.\n"
	    "ar ns1.z.test. 300 A 192.0.2.1\nar ns1.z.test. 300 AAAA 2001:db8::1\n",
	    "srv.z.test.", RRTYPE_SRV);
	ASK(&world,
	    "rcode 0 aa\nan z.test. 300 NS ns.sub.z.test.\nan z.test. 300 NS ns1.z.test.\n"
	    "ar ns.sub.z.test. 300 A 192.0.2.22\nar ns1.z.test. 300 A 192.0.2.1\n"
	    "ar ns1.z.test. 300 AAAA 2001:db8::1\n",
	    "z.test.", RRTYPE_NS);
	// PTR and CNAME ask for none.
	ASK(&world, "rcode 0 aa\nan c.z.test. 300 CNAME ns1.z.test.\n", "c.z.test.", RRTYPE_CNAME);
}

static void test_any_and_signatures(void)
{
	// One RRset over UDP (RFC 8482), all over TCP, no address twice.
	ASK(&world, "rcode 0 aa\nan multi.z.test. 300 A 192.0.2.9\n", "multi.z.test.", RRTYPE_ANY);
	ASK(&world,
	    "rcode 0 aa\nan multi.z.test. 300 A 192.0.2.9\n"
	    "an multi.z.test. 300 RRSIG A 3 .\n"
	    "an multi.z.test. 300 MX 10 ns1.z.test.\nan multi.z.test. 300 MX 20 multi.z.test.\n"
	    "an multi.z.test. 300 RRSIG MX 3 .\n"
	    "ar ns1.z.test. 300 A 192.0.2.1\nar ns1.z.test. 300 AAAA 2001:db8::1\n",
	    "multi.z.test.", RRTYPE_ANY, .tcp = true);
	ASK(&world,
	    "rcode 0 aa\nan multi.z.test. 300 RRSIG A 3 .\n"
	    "an multi.z.test. 300 RRSIG MX 3 .\n",
	    "multi.z.test.", RRTYPE_RRSIG, .tcp = true);
	ASK(&world, "rcode 0 aa\nan multi.z.test. 300 RRSIG A 3 .\n", "multi.z.test.",
	    RRTYPE_RRSIG);
	ASK(&world, "rcode 0 aa\nan cc.z.test. 200 CNAME c.z.test.\n", "cc.z.test.", RRTYPE_ANY);
	ASK(&world, "rcode 0 aa\nns " SOA, "ent.z.test.", RRTYPE_ANY, .tcp = true);
	ASK(&world, "rcode 3 aa\nns " SOA, "nope.z.test.", RRTYPE_ANY);
	ASK(&world,
	    "rcode 0 aa\nan q.w.z.test. 300 A 192.0.2.77\nan q.w.z.test. 300 MX 10 ns1.z.test.\n"
	    "ar ns1.z.test. 300 A 192.0.2.1\nar ns1.z.test. 300 AAAA 2001:db8::1\n",
	    "q.w.z.test.", RRTYPE_ANY, .tcp = true);
	ASK(&world,
	    "rcode 0 aa\nan dsub.z.test. 300 DNAME sub.z.test.\n"
	    "an x.dsub.z.test. 300 CNAME x.sub.z.test.\n" SUB_NS SUB_GLUE,
	    "x.dsub.z.test.", RRTYPE_ANY);
}

static void test_class_any(void)
{
	ASK(&world, "rcode 0\nan ns1.z.test. 300 A 192.0.2.1\n", "ns1.z.test.", RRTYPE_A,
	    .rrclass = RRCLASS_ANY);
	ASK(&world, "rcode 3\nns " SOA, "nope.z.test.", RRTYPE_A, .rrclass = RRCLASS_ANY);
	ASK(&world, "rcode 5\n", "ns1.z.test.", RRTYPE_A, .rrclass = RRCLASS_NONE);
	ASK(&world, "rcode 5\n", "ns1.z.test.", RRTYPE_A, .rrclass = 4);
	ASK(&world, "rcode 5\n", "ns1.z.test.", RRTYPE_A, .rrclass = RRCLASS_CH);
}

static const struct unit_test tests[] = {
	{ "positive", test_positive },
	{ "negative", test_negative },
	{ "not ours", test_not_ours },
	{ "wildcard", test_wildcard },
	{ "cname", test_cname },
	{ "cname ends", test_cname_ends },
	{ "across zones", test_across_zones },
	{ "dname", test_dname },
	{ "dname too long", test_dname_too_long },
	{ "dname again", test_dname_again },
	{ "dname at last", test_dname_at_last },
	{ "delegation", test_delegation },
	{ "additional", test_additional },
	{ "any and signatures", test_any_and_signatures },
	{ "class any", test_class_any },
};

int main(void)
{
	build_world();
	int failed = unit_run("answer_resolve", tests, sizeof(tests) / sizeof(tests[0]));
	world_close(&world);
	return failed;
}
