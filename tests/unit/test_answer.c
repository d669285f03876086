// SPDX-License-Identifier: BSD-3-Clause
// Header, question, EDNS, TSIG, CHAOS, counters, bursts: all but what zones say.
#include "support/ask.h"
#include "support/message.h"
#include "understudy/rr.h"
#include "understudy/wire.h"
#include "unit.h"

static struct world world;

#define A1 "an a.z.test. 300 A 192.0.2.1\n"

static void build_world(void)
{
	world_open(&world);
	world_zone(&world, "z.test.",
		   "@ 300 SOA a root 1 3600 600 86400 60\n"
		   "@ 300 NS a\n"
		   "a 300 A 192.0.2.1\n");
}

// Query octets for "a.z.test. A", then `tail`, with the four counts.
struct raw {
	uint16_t flags;
	uint16_t counts[4];
	const char *tail;
	size_t tail_octets;
};

static size_t raw_build(const struct raw *r, uint8_t *buf)
{
	static const uint8_t question[] = "\1a\1z\4test\0\0\1\0\1";
	struct wire_out o = wire_out_init(buf, 2048);
	wire_put_u16(&o, 0x1d1d);
	wire_put_u16(&o, r->flags);
	for (int i = 0; i < 4; i++)
		wire_put_u16(&o, r->counts[i]);
	wire_put_bytes(&o, question, sizeof(question) - 1);
	wire_put_bytes(&o, r->tail, r->tail_octets);
	return wire_out_len(&o);
}

#define RAW_FLAGS(expected, query_flags, c0, c1, c2, c3, text)                            \
	do {                                                                              \
		uint8_t query[2048];                                                      \
		size_t octets = raw_build(&(struct raw){ (query_flags),                   \
							 { (c0), (c1), (c2), (c3) },      \
							 (text),                          \
							 sizeof(text) - 1 },              \
					  query);                                         \
		CU_ASSERT(ask_same(ask_octets(&world, query, octets, &(struct ask){ 0 }), \
				   (expected)));                                          \
	} while (0)
#define RAW(expected, c0, c1, c2, c3, text) RAW_FLAGS(expected, 0, c0, c1, c2, c3, text)

#define FORMERR "rcode 1\n"
#define OPT0    "\0\0\51\4\320\0\0\0\0\0\0" // 1232 octets, version 0, no options
#define REPLY0  "opt 1232 0 0000 0\n"
#define RR_A    "\300\14\0\1\0\1\0\0\0\5\0\4abcd"
#define TSIG0   "\1k\0\0\372\0\377\0\0\0\0\0\1x"

static void test_flags(void)
{
	ASK(&world, "rcode 0 aa\n" A1, "a.z.test.", RRTYPE_A);
	ASK(&world, "rcode 0 aa rd\n" A1, "a.z.test.", RRTYPE_A, .flags = DNS_FLAG_RD);
	ASK(&world, "rcode 0 aa cd\n" A1, "a.z.test.", RRTYPE_A, .flags = DNS_FLAG_CD);
	// AA, TC, RA, Z, AD and a rcode mean nothing in a query.
	ASK(&world, "rcode 0 aa\n" A1, "a.z.test.", RRTYPE_A, .flags = 0x0600 | 0x00e0 | 0x000f);
}

static void test_drops(void)
{
	static const uint8_t zeros[12];
	for (size_t n = 0; n < 12; n++)
		CU_ASSERT_STRING_EQUAL(ask_octets(&world, zeros, n, &(struct ask){ 0 }), "drop");
	ASK(&world, "drop", "a.z.test.", RRTYPE_A, .flags = DNS_FLAG_QR);
	ASK(&world, "drop", "a.z.test.", RRTYPE_A, .flags = DNS_FLAG_QR | 4 << 11);
	CU_ASSERT(ask_same(ask_octets(&world, zeros, 12, &(struct ask){ 0 }), FORMERR));
}

static void test_opcodes(void)
{
	char expected[32];
	for (unsigned opcode = 1; opcode < 16; opcode++) {
		// UPDATE is refused, as it is not for us to forward; others we do not know.
		snprintf(expected, sizeof(expected), "rcode %u rd op%u\n",
			 opcode == OPCODE_UPDATE ? 5 : 4, opcode);
		ASK(&world, expected, "a.z.test.", RRTYPE_A,
		    .flags = (uint16_t)(opcode << DNS_OPCODE_SHIFT | DNS_FLAG_RD));
	}
}

static void test_questions(void)
{
	RAW("rcode 0 aa\n" A1, 1, 0, 0, 0, "");
	RAW(FORMERR, 0, 0, 0, 0, "");
	RAW(FORMERR, 2, 0, 0, 0, "");
	RAW(FORMERR, 2, 0, 0, 0, "\300\14\0\1\0\1");
	RAW(FORMERR, 65535, 0, 0, 0, "");
	RAW(FORMERR, 1, 0, 0, 0, "x"); // more than was counted
	uint8_t query[64];
	size_t octets = ask_build(&(struct ask)QUESTION("a.z.test.", RRTYPE_A), query);
	for (size_t n = 12; n < octets; n++)
		CU_ASSERT(ask_same(ask_octets(&world, query, n, &(struct ask){ 0 }), FORMERR));
	static const char *const names[] = { "\300\14", "\300\4", "\101x", "\201x", "\77" };
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		memset(query + 12, 0, sizeof(query) - 12);
		memcpy(query + 12, names[i], strlen(names[i]));
		CU_ASSERT(ask_same(ask_octets(&world, query, 40, &(struct ask){ 0 }), FORMERR));
	}
}

static void test_long_names(void)
{
	// 127 labels, and 255 octets: as long as a name may be; one more is none.
	uint8_t query[300] = { 0, 1, 0, 0, 0, 1 };
	for (size_t i = 0; i < 127; i++)
		memcpy(query + 12 + 2 * i, "\1a", 2);
	memcpy(query + 12 + 254, "\0\0\1\0\1", 5);
	CU_ASSERT(ask_same(ask_octets(&world, query, 271, &(struct ask){ 0 }), "rcode 5\n"));
	memcpy(query + 12 + 252, "\2aa\0\0\1\0\1", 8);
	CU_ASSERT(ask_same(ask_octets(&world, query, 272, &(struct ask){ 0 }), FORMERR));
	memcpy(query + 12 + 254, "\1a\0\0\1\0\1", 7);
	CU_ASSERT(ask_same(ask_octets(&world, query, 273, &(struct ask){ 0 }), FORMERR));
}

static void test_other_records(void)
{
	RAW("rcode 0 aa\n" A1, 1, 1, 0, 0, RR_A);
	RAW("rcode 0 aa\n" A1, 1, 0, 1, 0, RR_A);
	RAW("rcode 0 aa\n" A1 REPLY0, 1, 1, 1, 3, RR_A RR_A RR_A OPT0 RR_A);
	RAW(FORMERR, 1, 1, 0, 0, "");
	RAW(FORMERR, 1, 0, 0, 65535, RR_A);
	RAW(FORMERR, 1, 1, 0, 0, "\300\14\0\1\0\1\0\0\0\5\0\5abcd");
	RAW(FORMERR, 1, 1, 0, 0, "\100\0\0\1\0\1\0\0\0\5\0\4abcd");
	RAW(FORMERR, 1, 1, 0, 0, "\300");
	RAW(FORMERR, 1, 1, 0, 0, "\5abc");
}

static void test_edns(void)
{
	ASK(&world, "rcode 0 aa\n" A1 REPLY0, "a.z.test.", RRTYPE_A, .edns = 4096);
	ASK(&world, "rcode 0 aa\n" A1 REPLY0, "a.z.test.", RRTYPE_A, .edns = 1);
	ASK(&world, "rcode 0 aa\n" A1 "opt 1232 0 8000 0\n", "a.z.test.", RRTYPE_A, .edns = 1232,
	    .dnssec_ok = true);
	ASK(&world, "rcode 5\nopt 1232 0 0000 6 000f00020014\n", "example.", RRTYPE_A,
	    .edns = 1232);
	ASK(&world, "rcode 16\n" REPLY0, "a.z.test.", RRTYPE_A, .edns = 1232, .version = 1);
	ASK(&world, "rcode 16\nopt 1232 0 8000 0\n", "example.", RRTYPE_A, .edns = 1232,
	    .version = 255, .dnssec_ok = true);
	RAW(FORMERR, 1, 0, 0, 2, OPT0 OPT0);
	RAW(FORMERR, 1, 1, 0, 0, OPT0);
	RAW(FORMERR, 1, 0, 1, 0, OPT0);
	RAW(FORMERR, 1, 0, 0, 1, "\1x" OPT0);
	RAW(FORMERR, 1, 0, 0, 1, "\300\33" OPT0);
	// Options: two whole ones; cut in the head, in the data.
	RAW("rcode 0 aa\n" A1 REPLY0, 1, 0, 0, 1,
	    "\0\0\51\4\320\0\0\0\0\0\12\0\3\0\0\377\376\0\2ab");
	RAW(FORMERR, 1, 0, 0, 1, "\0\0\51\4\320\0\0\0\0\0\3\0\3\0");
	RAW(FORMERR, 1, 0, 0, 1, "\0\0\51\4\320\0\0\0\0\0\6\0\3\0\3ab");
}

// Not to be asked for (RFC 9824 section 3.4).
static void test_nxname(void)
{
	ASK(&world, FORMERR, "a.z.test.", RRTYPE_NXNAME);
	ASK(&world, FORMERR "opt 1232 0 0000 6 000f0002001e\n", "a.z.test.", RRTYPE_NXNAME,
	    .edns = 1232);
	ASK(&world, FORMERR, "example.", RRTYPE_NXNAME);
}

static void test_tsig(void)
{
	RAW(FORMERR, 1, 0, 0, 1, TSIG0);
	RAW(FORMERR REPLY0, 1, 0, 0, 2, OPT0 TSIG0);
	// TSIG must be the last record, once, in the additional section.
	RAW(FORMERR, 1, 0, 0, 2, TSIG0 OPT0);
	RAW(FORMERR, 1, 0, 0, 2, TSIG0 TSIG0);
	RAW(FORMERR, 1, 1, 0, 0, TSIG0);
}

#define CHAOS(expected, name, type, ...) \
	ASK(&world, expected, name, type, .rrclass = RRCLASS_CH, __VA_ARGS__)

static void test_chaos(void)
{
	CHAOS("rcode 5\n", "id.server.", RRTYPE_TXT, .edns = 0);
	CHAOS("rcode 5\n", "version.bind.", RRTYPE_TXT, .edns = 0);
	memcpy(world.settings.identity, "ns1", 3);
	world.settings.identity_len = 3;
	CHAOS("rcode 0\nan id.server. 0 CH TXT 036e7331\n", "id.server.", RRTYPE_TXT, .edns = 0);
	CHAOS("rcode 0\nan HostName.Bind. 0 CH TXT 036e7331\n" REPLY0, "HostName.Bind.", RRTYPE_TXT,
	      .edns = 1232);
	CHAOS("rcode 0\nan id.server. 0 CH TXT 036e7331\n", "id.server.", RRTYPE_ANY, .edns = 0);
	CHAOS("rcode 5\n", "id.server.", RRTYPE_A, .edns = 0);
	CHAOS("rcode 5\n", "version.server.", RRTYPE_TXT, .edns = 0);
	memcpy(world.settings.version, "u", 1);
	world.settings.version_len = 1;
	CHAOS("rcode 0\nan version.server. 0 CH TXT 0175\n", "version.server.", RRTYPE_TXT,
	      .edns = 0);
	CHAOS("rcode 0\nan version.bind. 0 CH TXT 0175\n", "version.bind.", RRTYPE_TXT, .edns = 0);
	CHAOS("rcode 5\n", "a.z.test.", RRTYPE_A, .edns = 0);
	// Names of class IN have nothing to do with it.
	ASK(&world, "rcode 5\n", "id.server.", RRTYPE_TXT);
	world.settings.identity_len = world.settings.version_len = 0;
}

static uint64_t get(const _Atomic uint64_t *counter)
{
	return atomic_load_explicit(counter, memory_order_relaxed);
}

static void test_counters(void)
{
	struct answer_ctx *ours = world.ctx;
	world.ctx = answer_ctx_new(&world.config);
	CU_ASSERT_PTR_NOT_NULL_FATAL(world.ctx);
	static const uint8_t zeros[12];
	ask(&world, &(struct ask)QUESTION("a.z.test.", RRTYPE_A));
	ask(&world, &(struct ask)QUESTION("a.z.test.", RRTYPE_A, .tcp = true));
	ask(&world, &(struct ask)QUESTION("no.z.test.", RRTYPE_A));
	ask(&world, &(struct ask)QUESTION("a.z.test.", RRTYPE_A, .edns = 512, .version = 9));
	ask(&world, &(struct ask)QUESTION("a.z.test.", RRTYPE_A, .flags = DNS_FLAG_QR));
	ask_octets(&world, zeros, 3, &(struct ask){ 0 });
	const struct answer_stats *s = answer_ctx_stats(world.ctx);
	CU_ASSERT_EQUAL(get(&s->queries), 6);
	CU_ASSERT_EQUAL(get(&s->answers), 4);
	CU_ASSERT_EQUAL(get(&s->by_rcode[RCODE_NOERROR]), 2);
	CU_ASSERT_EQUAL(get(&s->by_rcode[RCODE_NXDOMAIN]), 1);
	CU_ASSERT_EQUAL(get(&s->by_rcode[RCODE_BADVERS]), 1);
	CU_ASSERT_EQUAL(get(&s->tcp), 1);
	CU_ASSERT_EQUAL(get(&s->dropped[ANSWER_DROP_SHORT]), 1);
	CU_ASSERT_EQUAL(get(&s->dropped[ANSWER_DROP_RESPONSE]), 1);
	CU_ASSERT_EQUAL(get(&s->punted), 0);
	CU_ASSERT_STRING_EQUAL(answer_drop_text(ANSWER_DROP_SHORT), "short");
	CU_ASSERT_STRING_EQUAL(answer_drop_text(ANSWER_DROP_RESPONSE), "response");
	answer_ctx_free(world.ctx);
	world.ctx = ours;
}

// What is punted comes back unchanged.
static void test_punt(void)
{
	static const struct {
		struct raw query;
		uint8_t verdict;
	} cases[] = {
		{ { 4 << 11, { 1, 0, 0, 0 }, "", 0 }, ANSWER_PUNT },
		{ { 15 << 11, { 7, 0, 0, 0 }, "", 0 }, ANSWER_PUNT },
		{ { 0, { 1, 0, 0, 1 }, TSIG0, sizeof(TSIG0) - 1 }, ANSWER_PUNT },
		{ { 0, { 1, 0, 0, 2 }, OPT0 TSIG0, sizeof(OPT0 TSIG0) - 1 }, ANSWER_PUNT },
		{ { 0, { 1, 0, 0, 2 }, TSIG0 OPT0, sizeof(TSIG0 OPT0) - 1 }, ANSWER_REPLY },
		{ { 0, { 1, 0, 0, 0 }, "", 0 }, ANSWER_REPLY },
		{ { DNS_FLAG_QR | 4 << 11, { 1, 0, 0, 0 }, "", 0 }, ANSWER_DROP },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint8_t buf[2048], before[2048];
		struct answer_item item = { .buf = buf, .capacity = 1232, .may_punt = true };
		item.query_len = (uint16_t)raw_build(&cases[i].query, buf);
		memcpy(before, buf, sizeof(before));
		answer_burst(world.ctx, zonedb_view(world.db), &item, 1);
		CU_ASSERT_EQUAL(item.verdict, cases[i].verdict);
		if (item.verdict == ANSWER_REPLY)
			continue;
		CU_ASSERT_EQUAL(item.reply_len, 0);
		CU_ASSERT_EQUAL(memcmp(buf, before, item.query_len), 0);
	}
}

// Items of a burst have nothing to do with each other.
static void test_burst(void)
{
	static const struct ask asks[] = {
		QUESTION("a.z.test.", RRTYPE_A),
		QUESTION("nope.z.test.", RRTYPE_A, .edns = 1232),
		QUESTION("example.", RRTYPE_A),
		QUESTION("z.test.", RRTYPE_NS, .tcp = true),
		QUESTION("a.z.test.", RRTYPE_A, .flags = DNS_FLAG_QR),
		QUESTION("a.z.test.", RRTYPE_A, .flags = 2 << 11),
		QUESTION("id.server.", RRTYPE_TXT, .rrclass = RRCLASS_CH),
	};
	static uint8_t bufs[ANSWER_BURST_MAX][1232];
	static char text[MESSAGE_TEXT_SIZE];
	struct answer_item items[ANSWER_BURST_MAX];
	size_t kinds = sizeof(asks) / sizeof(asks[0]);
	for (size_t i = 0; i < ANSWER_BURST_MAX; i++) {
		const struct ask *a = &asks[i % kinds];
		items[i] = (struct answer_item){ .buf = bufs[i], .capacity = sizeof(bufs[i]) };
		items[i].query_len = (uint16_t)ask_build(a, bufs[i]);
		items[i].peer.transport = a->tcp ? ANSWER_TCP : ANSWER_UDP;
	}
	answer_burst(world.ctx, zonedb_view(world.db), items, ANSWER_BURST_MAX);
	for (size_t i = 0; i < ANSWER_BURST_MAX; i++) {
		const char *alone = ask(&world, &asks[i % kinds]);
		if (items[i].verdict == ANSWER_DROP) {
			CU_ASSERT_STRING_EQUAL(alone, "drop");
			continue;
		}
		CU_ASSERT_EQUAL(items[i].reply_len, ask_reply_octets);
		CU_ASSERT_PTR_NULL(message_to_text(bufs[i], items[i].reply_len, text));
		// The same but for the line of the question, which ask() takes out.
		char *line = strstr(text, "\nqd ");
		if (line) {
			char *next = strchr(line + 1, '\n');
			memmove(line, next, strlen(next) + 1);
		}
		CU_ASSERT(ask_same(text, alone));
	}
	answer_burst(world.ctx, zonedb_view(world.db), items, 0);
}

static const struct unit_test tests[] = {
	{ "flags", test_flags },
	{ "drops", test_drops },
	{ "opcodes", test_opcodes },
	{ "questions", test_questions },
	{ "long names", test_long_names },
	{ "other records", test_other_records },
	{ "edns", test_edns },
	{ "nxname", test_nxname },
	{ "tsig", test_tsig },
	{ "chaos", test_chaos },
	{ "counters", test_counters },
	{ "punt", test_punt },
	{ "burst", test_burst },
};

int main(void)
{
	build_world();
	int failed = unit_run("answer", tests, sizeof(tests) / sizeof(tests[0]));
	world_close(&world);
	return failed;
}
