// SPDX-License-Identifier: BSD-3-Clause
// Response rate limiting: accounts, classes, slip, exemptions, the table's bounds.
#include "rrl.h"

#include "support/ask.h"
#include "understudy/rr.h"
#include "unit.h"

#define NOW_S 1000

static struct answer_rate_limit limit;

static void set_limit(uint32_t per_s, uint16_t window_s, uint16_t slip)
{
	limit = (struct answer_rate_limit){ .responses_per_s = per_s,
					    .window_s = window_s,
					    .slip = slip,
					    .ipv4_prefix_len = 24,
					    .ipv6_prefix_len = 56 };
}

static struct answer_peer v4(uint8_t third, uint8_t fourth)
{
	return (struct answer_peer){ .family = 4, .address = { 192, 0, third, fourth } };
}

// How many of n answers at `now_s` are sent.
static unsigned sent(struct rrl *table, const struct answer_peer *peer, enum rrl_class class,
		     unsigned n, uint64_t now_s)
{
	unsigned count = 0;
	for (unsigned i = 0; i < n; i++)
		count += rrl_account(table, &limit, peer, class, now_s) == RRL_SEND;
	return count;
}

static void test_rate(void)
{
	struct rrl *table = rrl_new(64);
	struct answer_peer a = v4(2, 1), b = v4(2, 254), c = v4(3, 1);
	set_limit(5, 3, 0);
	CU_ASSERT_EQUAL(sent(table, &a, RRL_POSITIVE, 10, NOW_S), 5);
	CU_ASSERT_EQUAL(sent(table, &b, RRL_POSITIVE, 10, NOW_S), 0); // the same network
	CU_ASSERT_EQUAL(sent(table, &c, RRL_POSITIVE, 10, NOW_S), 5); // another one
	CU_ASSERT_EQUAL(sent(table, &a, RRL_NXDOMAIN, 10, NOW_S), 5); // another class
	CU_ASSERT_EQUAL(sent(table, &c, RRL_ERROR, 3, NOW_S), 3);
	CU_ASSERT_EQUAL(sent(table, &c, RRL_ERROR, 3, NOW_S + 1), 3);
	rrl_free(table);
}

// Who goes on is not answered again; who pauses is, and the window bounds how long.
static void test_window(void)
{
	struct rrl *table = rrl_new(64);
	struct answer_peer a = v4(2, 1);
	set_limit(5, 3, 0);
	CU_ASSERT_EQUAL(sent(table, &a, RRL_POSITIVE, 1000, NOW_S), 5);
	for (unsigned s = 1; s < 20; s++)
		CU_ASSERT_EQUAL(sent(table, &a, RRL_POSITIVE, 100, NOW_S + s), 0);
	// A debt of 15 now: in three seconds it is paid, and a second later there is credit.
	CU_ASSERT_EQUAL(sent(table, &a, RRL_POSITIVE, 1, NOW_S + 19 + 2), 0);
	CU_ASSERT_EQUAL(sent(table, &a, RRL_POSITIVE, 1, NOW_S + 19 + 4), 1);
	// Credit is not saved up.
	CU_ASSERT_EQUAL(sent(table, &a, RRL_POSITIVE, 100, NOW_S + 500), 5);
	// A clock that goes back gives and takes nothing.
	CU_ASSERT_EQUAL(sent(table, &a, RRL_POSITIVE, 100, NOW_S), 0);
	rrl_free(table);
}

static void test_slip(void)
{
	static const struct {
		uint16_t slip;
		unsigned slipped, dropped;
	} cases[] = { { 0, 0, 60 }, { 1, 60, 0 }, { 2, 30, 30 }, { 3, 20, 40 }, { 60, 1, 59 } };
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct rrl *table = rrl_new(64);
		struct answer_peer a = v4(2, 1);
		unsigned counts[3] = { 0 };
		set_limit(1, 1, cases[i].slip);
		for (unsigned n = 0; n < 61; n++)
			counts[rrl_account(table, &limit, &a, RRL_NODATA, NOW_S)]++;
		CU_ASSERT_EQUAL(counts[RRL_SEND], 1);
		CU_ASSERT_EQUAL(counts[RRL_SLIP], cases[i].slipped);
		CU_ASSERT_EQUAL(counts[RRL_DROP], cases[i].dropped);
		rrl_free(table);
	}
}

// Whether an address counts with 2001:db8:0:4200::1, prefix lengths from 1 to 128.
static void test_prefixes(void)
{
	for (uint8_t bits = 1; bits <= 128; bits++) {
		for (unsigned differ = 0; differ < 128; differ++) {
			struct rrl *table = rrl_new(64);
			struct answer_peer a = {
				.family = 6, .address = { 0x20, 1, 0xd, 0xb8, 0, 0, 0x42, [15] = 1 }
			};
			set_limit(1, 1, 0);
			limit.ipv6_prefix_len = bits;
			CU_ASSERT_EQUAL(sent(table, &a, RRL_POSITIVE, 1, NOW_S), 1);
			a.address[differ / 8] ^= (uint8_t)(0x80 >> differ % 8);
			CU_ASSERT_EQUAL(sent(table, &a, RRL_POSITIVE, 1, NOW_S), differ < bits);
			rrl_free(table);
		}
	}
}

static void test_exempt(void)
{
	struct rrl *table = rrl_new(64);
	struct answer_peer in = v4(2, 129), out = v4(2, 127);
	struct answer_peer six = { .family = 6, .address = { 192, 0, 2, 129 } };
	set_limit(1, 1, 0);
	limit.exempt_count = 2;
	limit.exempt[0] = (struct answer_prefix){ 6, 128, { 1 } };
	limit.exempt[1] = (struct answer_prefix){ 4, 25, { 192, 0, 2, 128 } };
	CU_ASSERT_EQUAL(sent(table, &in, RRL_POSITIVE, 50, NOW_S), 50);
	CU_ASSERT_EQUAL(sent(table, &out, RRL_POSITIVE, 50, NOW_S), 1);
	CU_ASSERT_EQUAL(sent(table, &six, RRL_POSITIVE, 50, NOW_S), 1);
	rrl_free(table);
}

// More networks than accounts: those make room that were not used for longest, or
// owe least.
static void test_full_table(void)
{
	struct rrl *table = rrl_new(64);
	struct answer_peer busy = v4(2, 1);
	unsigned passed = 0;
	set_limit(2, 15, 0);
	CU_ASSERT_EQUAL(sent(table, &busy, RRL_POSITIVE, 50, NOW_S), 2);
	for (unsigned i = 0; i < 10000; i++) {
		struct answer_peer other = { .family = 4,
					     .address = { 10, (uint8_t)(i >> 8), (uint8_t)i } };
		CU_ASSERT_EQUAL(sent(table, &other, RRL_POSITIVE, 1, NOW_S + 1 + i / 1000), 1);
		passed += sent(table, &busy, RRL_POSITIVE, 10, NOW_S + 1 + i / 1000);
	}
	CU_ASSERT_EQUAL(passed, 0);
	rrl_free(table);
}

// In whole messages.
static struct world world;

static unsigned replies(const struct ask *how, unsigned n, const char *expected)
{
	unsigned count = 0;
	for (unsigned i = 0; i < n; i++)
		count += strcmp(ask(&world, how), expected) == 0;
	return count;
}

#define COUNT(n, expected, wanted, ...) \
	CU_ASSERT_EQUAL(replies(&(struct ask)QUESTION(__VA_ARGS__), (n), (expected)), (wanted))

static void test_messages(void)
{
	static const char answer[] = "rcode 0 aa\nan a.z.test. 300 A 192.0.2.1\n";
	static const char refused[] = "rcode 5\n";
	world_open(&world);
	world_zone(&world, "z.test.", "@ 300 SOA a root 1 3600 600 86400 60\na 300 A 192.0.2.1\n");
	answer_ctx_set_time(world.ctx, NOW_S);
	set_limit(4, 15, 0);
	COUNT(100, answer, 100, "a.z.test.", RRTYPE_A); // off
	world.settings.rate_limit = limit;
	COUNT(100, answer, 4, "a.z.test.", RRTYPE_A);
	COUNT(100, answer, 100, "a.z.test.", RRTYPE_A, .tcp = true);
	COUNT(100, refused, 4, "example.", RRTYPE_A);
	const struct answer_stats *s = answer_ctx_stats(world.ctx);
	CU_ASSERT_EQUAL(atomic_load(&s->dropped[ANSWER_DROP_RATE]), 96 * 2);
	CU_ASSERT_EQUAL(atomic_load(&s->queries),
			atomic_load(&s->answers) + atomic_load(&s->dropped[ANSWER_DROP_RATE]));
	CU_ASSERT_STRING_EQUAL(answer_drop_text(ANSWER_DROP_RATE), "rate-limited");
	// Slipped: with TC, and errors as they are.
	world.settings.rate_limit.slip = 4;
	COUNT(96, "rcode 0 tc\n", 24, "a.z.test.", RRTYPE_A);
	COUNT(96, refused, 24, "example.", RRTYPE_A);
	CU_ASSERT_EQUAL(atomic_load(&s->slipped), 48);
	// A signature, or a cookie of ours, says that the address is true.
	struct answer_peer peer = { .family = 4, .verified = true };
	COUNT(50, answer, 50, "a.z.test.", RRTYPE_A, .peer = &peer);
	world.settings.cookie_secrets = 1;
	const char *got = ask(&world, &(struct ask)QUESTION("new.z.test.", RRTYPE_A, .edns = 1232,
							    .options = "000a00080102030405060708"));
	const char *cookie = strstr(got, "000a0018");
	CU_ASSERT_PTR_NOT_NULL_FATAL(cookie);
	char option[2 * 28 + 1];
	snprintf(option, sizeof(option), "%s", cookie);
	for (unsigned i = 0; i < 50; i++)
		CU_ASSERT(
			strncmp(ask(&world, &(struct ask)QUESTION("a.z.test.", RRTYPE_A,
								  .edns = 1232, .options = option)),
				answer, sizeof(answer) - 1) == 0);
	// The client's cookie alone says nothing.
	COUNT(50, "drop", 50 - 12, "a.z.test.", RRTYPE_A, .edns = 1232,
	      .options = "000a00080102030405060708");
	world_close(&world);
}

// Each kind of answer has its account, whatever the others have used up.
static void test_classes(void)
{
	static const char soa[] = "ns z.test. 60 SOA a.z.test. root.z.test. 1 3600 600 86400 60\n";
	char nodata[128], nxdomain[128];
	snprintf(nodata, sizeof(nodata), "rcode 0 aa\n%s", soa);
	snprintf(nxdomain, sizeof(nxdomain), "rcode 3 aa\n%s", soa);
	world_open(&world);
	world_zone(&world, "z.test.",
		   "@ 300 SOA a root 1 3600 600 86400 60\na 300 A 192.0.2.1\n"
		   "cut 300 NS ns.example.\n");
	answer_ctx_set_time(world.ctx, NOW_S);
	set_limit(4, 15, 0);
	world.settings.rate_limit = limit;
	COUNT(50, "rcode 0 aa\nan a.z.test. 300 A 192.0.2.1\n", 4, "a.z.test.", RRTYPE_A);
	COUNT(50, nodata, 4, "a.z.test.", RRTYPE_AAAA);
	COUNT(50, nxdomain, 4, "nope.z.test.", RRTYPE_A);
	COUNT(50, "rcode 0\nns cut.z.test. 300 NS ns.example.\n", 4, "www.cut.z.test.", RRTYPE_A);
	COUNT(50, "rcode 5\n", 4, "example.", RRTYPE_A);
	world_close(&world);
	answer_ctx_free(NULL); // as where there was no memory for one
}

UNIT_MAIN("rrl", { "rate", test_rate }, { "window", test_window }, { "slip", test_slip },
	  { "prefixes", test_prefixes }, { "exempt", test_exempt },
	  { "full table", test_full_table }, { "messages", test_messages },
	  { "classes", test_classes })
