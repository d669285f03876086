// SPDX-License-Identifier: BSD-3-Clause
// How long replies may be, what gives way, and how short names make them.
#include <stdarg.h>

#include "support/ask.h"
#include "understudy/rr.h"
#include "unit.h"

static struct world world;
static char zone_text[4 * 1024 * 1024];
static size_t text_octets;

static void line(const char *format, ...)
{
	va_list args;
	va_start(args, format);
	text_octets += (size_t)vsnprintf(zone_text + text_octets, sizeof(zone_text) - text_octets,
					 format, args);
	va_end(args);
}

// A record of a type without names, of `octets` octets of rdata.
static void opaque(const char *owner, unsigned octets, unsigned value)
{
	line("%s 300 TYPE65280 \\# %u ", owner, octets);
	for (unsigned i = 0; i < octets; i++)
		line("%02x", i < 2 ? value >> (8 - 8 * i) & 0xff : 0);
	line("\n");
}

// An owner name of exactly 200 octets in zone t.
#define L49 "1234567890123456789012345678901234567890123456789"
#define LONG_NAME               \
	L49 "." L49 "." L49 "." \
	    "12345678901234567890123456789012345678901234."

static void build_world(void)
{
	world_open(&world);
	line("@ 300 SOA a root 1 3600 600 86400 60\n@ 300 NS a\na 300 A 192.0.2.1\n");
	// Header 12, question "x.t." 3 + 2 + 4, record 12 and rdata.
	opaque("e", 512 - 12 - 9 - 12, 0);
	opaque("f", 512 - 12 - 9 - 12 + 1, 0);
	opaque("g", 1232 - 12 - 9 - 12 - 11, 0);
	opaque("h", 1232 - 12 - 9 - 12 - 11 + 1, 0);
	opaque("i", 65535 - 12 - 9 - 12, 0);
	opaque("j", 65535 - 12 - 9 - 12 + 1, 0);
	for (unsigned i = 0; i < 3; i++)
		opaque("k", 400, i);
	for (unsigned i = 0; i < 200; i++)
		opaque("l", 400, i);
	for (unsigned i = 0; i < 26; i++) {
		line("mx 300 MX %u m%u\nm%u 300 A 192.0.2.%u\n", i, i, i, i);
		line("ns 300 NS m%u\nglue 300 NS g%u.glue\ng%u.glue 300 A 192.0.2.%u\n", i, i, i,
		     i);
	}
	for (unsigned i = 0; i < 2500; i++)
		line("many 300 MX %u x%u.y%u.Many\n", i, i, i % 10);
	line("c 300 CNAME l\n");
	world_zone(&world, "t.", zone_text);
	world_zone(&world, "long.",
		   "@ 300 SOA " L49 "." L49 "." L49 ".a. " L49 "." L49 "." L49 ".b. 1 1 1 1 1\n"
		   "@ 300 NS a\n");
	world_zone(&world, "root-like.",
		   "@ 300 SOA A.Root-Servers.net. Host.example. 1 2 3 4 5\n"
		   "@ 300 NS A.Root-Servers.net.\n"
		   "srv 300 SRV 1 1 1 host.srv\nhost.srv 300 A 192.0.2.1\n");
}

static size_t length_of(const char *name, uint16_t type)
{
	ask(&world, &(struct ask)QUESTION(name, type));
	return ask_reply_octets;
}

static bool truncated(const struct ask *a)
{
	return strncmp(ask(&world, a), "rcode 0 aa tc\n", 14) == 0;
}

#define OPAQUE(...) (&(struct ask)QUESTION(__VA_ARGS__))

static void test_udp_limits(void)
{
	CU_ASSERT_FALSE(truncated(OPAQUE("e.t.", 65280)));
	CU_ASSERT_EQUAL(ask_reply_octets, 512);
	ASK(&world, "rcode 0 aa tc\n", "f.t.", 65280);
	// The least of the client's size, ours and the item's, OPT always there.
	CU_ASSERT_FALSE(truncated(OPAQUE("g.t.", 65280, .edns = 4096)));
	CU_ASSERT_EQUAL(ask_reply_octets, 1232);
	CU_ASSERT_FALSE(truncated(OPAQUE("g.t.", 65280, .edns = 1232)));
	CU_ASSERT_FALSE(truncated(OPAQUE("g.t.", 65280, .edns = 1232, .capacity = 1232)));
	ASK(&world, "rcode 0 aa tc\nopt 1232 0 0000 0\n", "h.t.", 65280, .edns = 4096);
	ASK(&world, "rcode 0 aa tc\nopt 1232 0 0000 0\n", "g.t.", 65280, .edns = 1231);
	ASK(&world, "rcode 0 aa tc\nopt 1232 0 0000 0\n", "g.t.", 65280, .edns = 1232,
	    .capacity = 1231);
	ASK(&world, "rcode 0 aa tc\nopt 1232 0 8000 0\n", "e.t.", 65280, .edns = 100,
	    .dnssec_ok = true);
	world.settings.edns_udp_octets = 4096;
	CU_ASSERT_FALSE(truncated(OPAQUE("h.t.", 65280, .edns = 4096)));
	world.settings.edns_udp_octets = 512;
	ASK(&world, "rcode 0 aa tc\nopt 512 0 0000 0\n", "g.t.", 65280, .edns = 4096);
	world.settings.edns_udp_octets = ANSWER_EDNS_UDP_DEFAULT;
}

static void test_tcp_limits(void)
{
	CU_ASSERT_FALSE(truncated(OPAQUE("h.t.", 65280, .edns = 512, .tcp = true)));
	CU_ASSERT_FALSE(truncated(OPAQUE("i.t.", 65280, .tcp = true)));
	CU_ASSERT_EQUAL(ask_reply_octets, 65535);
	ASK(&world, "rcode 0 aa tc\n", "j.t.", 65280, .tcp = true);
	ASK(&world, "rcode 0 aa tc\n", "l.t.", 65280, .tcp = true);
}

// RRsets are whole or not there; those before stay.
static void test_whole_rrsets(void)
{
	ASK(&world, "rcode 0 aa tc\n", "k.t.", 65280);
	ASK(&world, "rcode 0 aa tc\nan c.t. 300 CNAME l.t.\n", "c.t.", 65280);
}

static void test_negative_too_long(void)
{
	ASK(&world, "rcode 3 aa tc\n", LONG_NAME "long.", RRTYPE_A);
	const char *text =
		ask(&world, &(struct ask)QUESTION(LONG_NAME "long.", RRTYPE_A, .edns = 1232));
	CU_ASSERT_EQUAL(strncmp(text, "rcode 3 aa\nns long. 1 SOA ", 26), 0);
}

static unsigned lines_with(const char *text, const char *what)
{
	unsigned n = 0;
	for (const char *p = text; (p = strstr(p, what)); p++)
		n++;
	return n;
}

static void test_additional_gives_way(void)
{
	// 26 MX records of 12 + 2 + 2 to 6 octets; addresses as far as they go.
	const char *text = ask(&world, &(struct ask)QUESTION("mx.t.", RRTYPE_MX, .capacity = 512));
	CU_ASSERT_EQUAL(strncmp(text, "rcode 0 aa tc\n", 14), 0);
	text = ask(&world, &(struct ask)QUESTION("mx.t.", RRTYPE_MX, .edns = 620));
	CU_ASSERT_EQUAL(strncmp(text, "rcode 0 aa\n", 11), 0);
	CU_ASSERT_EQUAL(lines_with(text, "\nan "), 26);
	CU_ASSERT(lines_with(text, "\nar ") > 0 && lines_with(text, "\nar ") < 26);
	text = ask(&world, &(struct ask)QUESTION("mx.t.", RRTYPE_MX, .tcp = true));
	CU_ASSERT_EQUAL(lines_with(text, "\nar "), 26);
}

static void test_glue(void)
{
	// Glue of the delegated names itself must be there (RFC 9471); addresses
	// of servers beside it need not.
	const char *text = ask(&world, &(struct ask)QUESTION("q.glue.t.", RRTYPE_A, .edns = 620));
	CU_ASSERT_EQUAL(strncmp(text, "rcode 0 tc\n", 11), 0);
	CU_ASSERT_EQUAL(lines_with(text, "\nns "), 26);
	CU_ASSERT(lines_with(text, "\nar ") > 0 && lines_with(text, "\nar ") < 26);
	text = ask(&world, &(struct ask)QUESTION("q.ns.t.", RRTYPE_A, .edns = 620));
	CU_ASSERT_EQUAL(strncmp(text, "rcode 0\n", 8), 0);
	CU_ASSERT_EQUAL(lines_with(text, "\nns "), 26);
	CU_ASSERT(lines_with(text, "\nar ") > 0 && lines_with(text, "\nar ") < 26);
	// The servers themselves do not fit.
	ASK(&world, "rcode 0 tc\n", LONG_NAME "ns.t.", RRTYPE_A);
	text = ask(&world, &(struct ask)QUESTION("q.glue.t.", RRTYPE_A, .edns = 1232));
	CU_ASSERT_EQUAL(strncmp(text, "rcode 0\n", 8), 0);
	CU_ASSERT_EQUAL(lines_with(text, "\nar "), 26);
}

static void test_compression(void)
{
	// Question 12 + 3 + 4; record 2 + 10 and "m0" with a pointer.
	CU_ASSERT_EQUAL(length_of("a.t.", RRTYPE_A), 12 + 9 + 16);
	// SOA: owner by pointer, "a" and "root" each before a pointer.
	CU_ASSERT_EQUAL(length_of("q.t.", RRTYPE_A), 12 + 9 + 2 + 10 + 4 + 7 + 20);
	// Below the question's name, at it, and in another case.
	CU_ASSERT_EQUAL(length_of("T.", RRTYPE_NS), 12 + 7 + 12 + 4 + 16);
	// Names that share nothing with the question but a suffix among themselves.
	CU_ASSERT_EQUAL(length_of("root-like.", RRTYPE_SOA),
			12 + 15 + 12 + (2 + 13 + 5) + (5 + 9) + 20);
	// SRV's name stays whole, yet the address behind it points there.
	CU_ASSERT_EQUAL(length_of("srv.root-like.", RRTYPE_SRV), 12 + 19 + 12 + 6 + 20 + 16);
	ASK(&world,
	    "rcode 0 aa\nan srv.root-like. 300 SRV 1 1 1 host.srv.root-like.\n"
	    "ar host.srv.root-like. 300 A 192.0.2.1\n",
	    "srv.root-like.", RRTYPE_SRV);
}

// More names than are remembered, and farther than a pointer reaches.
static void test_many_names(void)
{
	const char *text = ask(&world, &(struct ask)QUESTION("many.t.", RRTYPE_MX, .tcp = true));
	CU_ASSERT_EQUAL(strncmp(text, "rcode 0 aa\n", 11), 0);
	CU_ASSERT_EQUAL(lines_with(text, "\nan many.t. 300 MX "), 2500);
	CU_ASSERT_PTR_NOT_NULL(strstr(text, " MX 2499 x2499.y9.many.t.\n"));
	CU_ASSERT(ask_reply_octets > 0x4000);
}

static const struct unit_test tests[] = {
	{ "udp limits", test_udp_limits },
	{ "tcp limits", test_tcp_limits },
	{ "whole rrsets", test_whole_rrsets },
	{ "negative too long", test_negative_too_long },
	{ "additional gives way", test_additional_gives_way },
	{ "glue", test_glue },
	{ "compression", test_compression },
	{ "many names", test_many_names },
};

int main(void)
{
	build_world();
	int failed = unit_run("answer_size", tests, sizeof(tests) / sizeof(tests[0]));
	world_close(&world);
	return failed;
}
