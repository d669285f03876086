// SPDX-License-Identifier: BSD-3-Clause
// EDNS options in whole messages: what is asked for, what is wrong, what fits.
#include "support/ask.h"
#include "support/message.h"
#include "understudy/rr.h"
#include "understudy/wire.h"
#include "unit.h"

static struct world world;

#define NOW_S        1559731985u // of RFC 9018 appendix A.1
#define CLIENT       "2464c4abcf10c957"
#define SERVER       "010000005cf79f111f8130c3eee29480"
#define FORGED       "010000005cf79f111f8130c3eee29481"
#define REPLY_COOKIE "000a0018" CLIENT SERVER

static const struct answer_peer client = { .family = 4, .address = { 198, 51, 100, 100 } };

static void build_world(void)
{
	world_open(&world);
	world_zone(&world, "z.test.",
		   "@ 300 SOA a root 258 3600 600 86400 60\n"
		   "@ 300 NS a\n"
		   "a 300 A 192.0.2.1\n"
		   "s 300 NS a.s\n"
		   "a.s 300 A 192.0.2.2\n");
	world_zone(&world, "old.test.", "@ 300 SOA a root 1 3600 600 86400 60\n");
	world_expired(&world, "old.test.");
	world_not_loaded(&world, "new.test.");
	answer_ctx_set_time(world.ctx, NOW_S);
	world.settings.cookie_secrets = 1;
	unit_hex("e5e973e5a6b2a43f48e7dc849e37bfcf", world.settings.cookie_secret[0], 16);
}

#define A1 "an a.z.test. 300 A 192.0.2.1\n"

#define EDNS(expected, hex, ...)                                                    \
	ASK(&world, expected, "a.z.test.", RRTYPE_A, .edns = 1232, .peer = &client, \
	    .options = (hex), ##__VA_ARGS__)

static void test_unknown_options(void)
{
	EDNS("rcode 0 aa\n" A1 "opt 1232 0 0000 0\n", "ffff0000fffe00020102");
	// Client-subnet and padding: nothing is said to them.
	EDNS("rcode 0 aa\n" A1 "opt 1232 0 0000 0\n", "0008000700011800c00002000c000400000000");
	// What options of another version mean is not known.
	EDNS("rcode 16\nopt 1232 0 0000 0\n", "000a0001ff", .version = 1);
	// An option that goes past the record: no OPT that could be answered with one.
	EDNS("rcode 1\n", "ffff0001");
	EDNS("rcode 1\n", "ffff00");
}

static void test_cookies(void)
{
	EDNS("rcode 0 aa\n" A1 "opt 1232 0 0000 28 " REPLY_COOKIE "\n", "000a0008" CLIENT);
	EDNS("rcode 0 aa\n" A1 "opt 1232 0 0000 28 " REPLY_COOKIE "\n", "000a0018" CLIENT SERVER);
	EDNS("rcode 0 aa\n" A1 "opt 1232 0 0000 28 " REPLY_COOKIE "\n", "000a0018" CLIENT FORGED);
	// Of two only the first counts.
	EDNS("rcode 0 aa\n" A1 "opt 1232 0 0000 28 " REPLY_COOKIE "\n",
	     "000a0008" CLIENT "000a0008ffffffffffffffff");
	// Errors have it, too.
	ASK(&world, "rcode 5\nopt 1232 0 0000 34 " REPLY_COOKIE "000f00020014\n", "example.",
	    RRTYPE_A, .edns = 1232, .peer = &client, .options = "000a0008" CLIENT);
	world.settings.cookie_secrets = 0;
	EDNS("rcode 0 aa\n" A1 "opt 1232 0 0000 0\n", "000a0008" CLIENT);
	world.settings.cookie_secrets = 1;
}

// RFC 7873 section 5.2.2: 8 octets, or 16 to 40.
static void test_cookie_lengths(void)
{
	char hex[2 * (4 + 50) + 1];
	for (unsigned n = 0; n <= 50; n++) {
		snprintf(hex, sizeof(hex), "000a%04x%0*d", n, (int)(2 * n), 0);
		hex[8 + 2 * n] = '\0';
		const char *got = ask(&world, &(struct ask)QUESTION("a.z.test.", RRTYPE_A,
								    .edns = 1232, .options = hex));
		bool good = n == 8 || (n >= 16 && n <= 40);
		CU_ASSERT(good ? strncmp(got, "rcode 0 aa\n", 11) == 0
			       : ask_same(got, "rcode 1\nopt 1232 0 0000 0\n"));
	}
}

#define BADCOOKIE "rcode 23\nopt 1232 0 0000 28 " REPLY_COOKIE "\n"

static void test_cookies_required(void)
{
	world.settings.cookie_required = true;
	EDNS(BADCOOKIE, "000a0008" CLIENT);
	EDNS(BADCOOKIE, "000a0018" CLIENT FORGED);
	EDNS("rcode 0 aa\n" A1 "opt 1232 0 0000 28 " REPLY_COOKIE "\n", "000a0018" CLIENT SERVER);
	EDNS("rcode 0 aa\n" A1 "opt 1232 0 0000 28 " REPLY_COOKIE "\n", "000a0008" CLIENT,
	     .tcp = true);
	EDNS("rcode 0 aa\n" A1 "opt 1232 0 0000 0\n", "");
	EDNS("rcode 1\nopt 1232 0 0000 0\n", "000a0009" CLIENT "00"); // malformed before all
	world.settings.cookie_required = false;
}

// A query without question, for nothing but a cookie (RFC 7873 section 5.4).
static const char *ask_empty(const char *hex, bool tcp)
{
	uint8_t query[512] = { 0x1d, 0x1d, [11] = 1 };
	static const uint8_t opt[] = { 0, 0, 41, 4, 208, 0, 0, 0, 0, 0 };
	memcpy(query + 12, opt, sizeof(opt));
	size_t octets = unit_hex(hex, query + 23, sizeof(query) - 23);
	query[22] = (uint8_t)octets;
	return ask_octets(&world, query, 23 + octets, &(struct ask){ .peer = &client, .tcp = tcp });
}

static void test_empty(void)
{
	static const char good[] = "rcode 0\nopt 1232 0 0000 28 " REPLY_COOKIE "\n";
	for (int required = 0; required < 2; required++) {
		world.settings.cookie_required = required;
		CU_ASSERT(ask_same(ask_empty("000a0008" CLIENT, false), good));
		CU_ASSERT(ask_same(ask_empty("000a0018" CLIENT SERVER, false), good));
		CU_ASSERT(ask_same(ask_empty("000a0018" CLIENT FORGED, false), BADCOOKIE));
		CU_ASSERT(ask_same(ask_empty("000a0018" CLIENT FORGED, true), BADCOOKIE));
	}
	world.settings.cookie_required = false;
	static const char formerr[] = "rcode 1\nopt 1232 0 0000 0\n";
	CU_ASSERT(ask_same(ask_empty("", false), formerr));
	CU_ASSERT(ask_same(ask_empty("00030000", false), formerr));
	CU_ASSERT(ask_same(ask_empty("000a000100", false), formerr));
	world.settings.cookie_secrets = 0;
	CU_ASSERT(ask_same(ask_empty("000a0008" CLIENT, false), formerr));
	world.settings.cookie_secrets = 1;
}

static void test_nsid(void)
{
	EDNS("rcode 0 aa\n" A1 "opt 1232 0 0000 0\n", "00030000");
	memcpy(world.settings.nsid, "\1\2", 2);
	world.settings.nsid_len = 2;
	EDNS("rcode 0 aa\n" A1 "opt 1232 0 0000 6 000300020102\n", "00030000");
	EDNS("rcode 0 aa\n" A1 "opt 1232 0 0000 6 000300020102\n", "00030003616263");
	EDNS("rcode 0 aa\n" A1 "opt 1232 0 0000 0\n", "");
	EDNS("rcode 16\nopt 1232 0 0000 0\n", "00030000", .version = 1);
	world.settings.nsid_len = 0;
}

// RFC 7828: over TCP, and there without octets.
static void test_keepalive(void)
{
	EDNS("rcode 0 aa\n" A1 "opt 1232 0 0000 0\n", "000b0000", .tcp = true);
	world.settings.tcp_idle_100ms = 100;
	EDNS("rcode 0 aa\n" A1 "opt 1232 0 0000 6 000b00020064\n", "000b0000", .tcp = true);
	EDNS("rcode 1\nopt 1232 0 0000 0\n", "000b00020064", .tcp = true);
	EDNS("rcode 0 aa\n" A1 "opt 1232 0 0000 0\n", "000b0000");
	EDNS("rcode 0 aa\n" A1 "opt 1232 0 0000 0\n", "000b00020064");
	EDNS("rcode 0 aa\n" A1 "opt 1232 0 0000 0\n", "", .tcp = true);
	world.settings.tcp_idle_100ms = 0;
}

#define VERSION_258                       \
	"opt 1232 0 0000 10 001300060200" \
	"00000102\n"
#define SOA_258 "SOA a.z.test. root.z.test. 258 3600 600 86400 60\n"

// RFC 9660: the serial, and of which of the name's suffixes.
static void test_zoneversion(void)
{
	EDNS("rcode 0 aa\n" A1 VERSION_258, "00130000");
	ASK(&world, "rcode 3 aa\nns z.test. 60 " SOA_258 VERSION_258, "x.y.z.test.", RRTYPE_A,
	    .edns = 1232, .options = "00130000");
	ASK(&world,
	    "rcode 0\nns s.z.test. 300 NS a.s.z.test.\nar a.s.z.test. 300 A "
	    "192.0.2.2\n" VERSION_258,
	    "x.s.z.test.", RRTYPE_A, .edns = 1232, .options = "00130000");
	ASK(&world, "rcode 5\nopt 1232 0 0000 6 000f00020014\n", "example.", RRTYPE_A, .edns = 1232,
	    .options = "00130000");
	ASK(&world, "rcode 2\nopt 1232 0 0000 6 000f00020018\n", "old.test.", RRTYPE_A,
	    .edns = 1232, .options = "00130000");
	EDNS("rcode 1\nopt 1232 0 0000 0\n", "0013000100");
}

// RFC 7314: how long the zone may be served without word from its primaries.
static void test_expire(void)
{
	static const char soa[] = "rcode 0 aa\nan z.test. 300 " SOA_258;
	char expected[300];
	struct name apex;
	struct zone_version *version;
	snprintf(expected, sizeof(expected), "%sopt 1232 0 0000 8 0009000400015180\n", soa);
	// Nobody has said when it expires: its SOA does.
	ASK(&world, expected, "z.test.", RRTYPE_SOA, .edns = 1232, .options = "00090000");
	name_from_text("z.test.", &apex);
	CU_ASSERT_FATAL(zone_version_marked(world.db, apex.wire, ZONE_SERVED, &version) ==
			RESULT_OK);
	zone_version_set_expiry(version, NOW_S + 258);
	zonedb_publish(world.db, &version, 1);
	snprintf(expected, sizeof(expected), "%sopt 1232 0 0000 8 0009000400000102\n", soa);
	ASK(&world, expected, "z.test.", RRTYPE_SOA, .edns = 1232, .options = "00090000");
	answer_ctx_set_time(world.ctx, NOW_S + 259); // late: it expires any moment
	snprintf(expected, sizeof(expected), "%sopt 1232 0 0000 8 0009000400000000\n", soa);
	ASK(&world, expected, "z.test.", RRTYPE_SOA, .edns = 1232, .options = "00090000");
	answer_ctx_set_time(world.ctx, NOW_S);
	// What the query's own holds does not matter.
	snprintf(expected, sizeof(expected), "%sopt 1232 0 0000 8 0009000400000102\n", soa);
	ASK(&world, expected, "z.test.", RRTYPE_SOA, .edns = 1232, .options = "0009000400000001");
	// Other types, other names, other zones.
	EDNS("rcode 0 aa\n" A1 "opt 1232 0 0000 0\n", "00090000");
	ASK(&world, "rcode 0 aa\nns z.test. 60 " SOA_258 "opt 1232 0 0000 0\n", "a.z.test.",
	    RRTYPE_SOA, .edns = 1232, .options = "00090000");
	ASK(&world, "rcode 2\nopt 1232 0 0000 6 000f00020018\n", "old.test.", RRTYPE_SOA,
	    .edns = 1232, .options = "00090000");
}

#define EDE(code) "opt 1232 0 0000 6 000f000200" code "\n"

static void test_errors(void)
{
	ASK(&world, "rcode 2\n" EDE("0e"), "new.test.", RRTYPE_A, .edns = 1232);
	ASK(&world, "rcode 2\n" EDE("18"), "a.old.test.", RRTYPE_A, .edns = 1232);
	ASK(&world, "rcode 5\n" EDE("14"), "example.", RRTYPE_A, .edns = 1232);
	ASK(&world, "rcode 5\n" EDE("14"), "z.test.", RRTYPE_A, .edns = 1232, .rrclass = 4);
	ASK(&world, "rcode 5\n" EDE("12"), "z.test.", RRTYPE_AXFR, .edns = 1232);
	ASK(&world, "rcode 5 op5\n" EDE("15"), "z.test.", RRTYPE_SOA, .edns = 1232,
	    .flags = OPCODE_UPDATE << DNS_OPCODE_SHIFT);
	ASK(&world, "rcode 4 op2\n" EDE("15"), "z.test.", RRTYPE_SOA, .edns = 1232,
	    .flags = OPCODE_STATUS << DNS_OPCODE_SHIFT);
	ASK(&world, "rcode 16 op2\nopt 1232 0 0000 0\n", "z.test.", RRTYPE_SOA, .edns = 1232,
	    .version = 3, .flags = OPCODE_STATUS << DNS_OPCODE_SHIFT);
	ASK(&world, "rcode 5\n", "example.", RRTYPE_A); // without EDNS there is no place
}

// RFC 9567: unasked, in answers of our zones, but not to reports themselves.
static void test_report_channel(void)
{
	name_from_text("s.test.", &world.settings.report_channel);
	EDNS("rcode 0 aa\n" A1 "opt 1232 0 0000 12 00120008017304746573"
	     "7400\n",
	     "");
	ASK(&world, "rcode 0 aa\n" A1, "a.z.test.", RRTYPE_A);
	ASK(&world, "rcode 5\n" EDE("14"), "example.", RRTYPE_A, .edns = 1232);
	name_from_text("z.test.", &world.settings.report_channel);
	EDNS("rcode 0 aa\n" A1 "opt 1232 0 0000 0\n", "");
	world.settings.report_channel.len = 0;
}

// What was asked for goes before the records of optional sections, and the rest
// takes no room from anything.
static void test_room(void)
{
	char text[4000];
	static struct world w;
	world_open(&w);
	memset(w.settings.nsid, 'x', ANSWER_NSID_MAX);
	for (unsigned octets = 300; octets <= 420; octets++) {
		snprintf(text, sizeof(text),
			 "@ 300 SOA a root 1 3600 600 86400 60\nt 300 TYPE65280 \\# %u %0*d\n",
			 octets, (int)(2 * octets), 0);
		world_zone(&w, "z.", text);
		// 12 octets of header, 8 of question, 12 of the record but its rdata, 11 of OPT.
		bool fits = 12 + 8 + 12 + octets + 11 <= 512;
		const char *got = ask(&w, &(struct ask)QUESTION("t.z.", 65280, .edns = 512));
		CU_ASSERT_EQUAL(strncmp(got, "rcode 0 aa tc\n", 14) == 0, !fits);
		name_from_text("agent.example.", &w.settings.report_channel);
		got = ask(&w, &(struct ask)QUESTION("t.z.", 65280, .edns = 512));
		CU_ASSERT_EQUAL(strncmp(got, "rcode 0 aa tc\n", 14) == 0, !fits);
		CU_ASSERT(ask_reply_octets <= 512);
		w.settings.report_channel.len = 0;
		w.settings.nsid_len = 30;
		got = ask(&w,
			  &(struct ask)QUESTION("t.z.", 65280, .edns = 512, .options = "00030000"));
		fits = 12 + 8 + 12 + octets + 11 + 34 <= 512;
		CU_ASSERT_EQUAL(strncmp(got, "rcode 0 aa tc\n", 14) == 0, !fits);
		CU_ASSERT(strstr(got, "0003001e7878") != NULL);
		CU_ASSERT(ask_reply_octets <= 512);
		w.settings.nsid_len = 0;
	}
	world_close(&w);
}

// All there is, behind the longest question, in 512 octets.
static void test_all_at_once(void)
{
	char name[520] = "", apex[520] = "";
	for (unsigned i = 0; i < 125; i++)
		strcat(name, "a.");
	strcat(name, "zz.");
	snprintf(apex, sizeof(apex), "%s", name);
	world_zone(&world, apex, "@ 300 SOA a. b. 1 3600 600 86400 60\n");
	world.settings.nsid_len = ANSWER_NSID_MAX;
	world.settings.tcp_idle_100ms = 1;
	for (int tcp = 0; tcp < 2; tcp++) {
		const char *got =
			ask(&world,
			    &(struct ask)QUESTION(name, RRTYPE_SOA, .edns = 512, .tcp = tcp,
						  .peer = &client, .capacity = 512,
						  .options = "000a0008" CLIENT "00030000000b0000"
							     "0009000000130000"));
		CU_ASSERT(strncmp(got, "rcode 0 aa tc\n", 14) == 0 ||
			  strncmp(got, "rcode 0 aa\nan ", 14) == 0);
		CU_ASSERT(strstr(got, REPLY_COOKIE "00030080") != NULL);
		CU_ASSERT(strstr(got, "0009000400015180") != NULL);
		CU_ASSERT(strstr(got, "001300067e00") != NULL);
		CU_ASSERT((strstr(got, "000b00020001") != NULL) == tcp);
		CU_ASSERT(ask_reply_octets <= 512);
	}
	world.settings.nsid_len = 0;
	world.settings.tcp_idle_100ms = 0;
}

// An OPT record is answered with one, whatever is wrong behind it.
static void test_opt_in_errors(void)
{
	static const uint8_t opt[] = { 0, 0, 41, 4, 208, 0, 0, 0, 0, 0, 0 };
	static const uint8_t question[] = { 1, 'a', 0, 0, 1, 0, 1 };
	for (unsigned questions = 0; questions < 4; questions++) {
		uint8_t query[100] = { 0x1d, 0x1d, 0, 0, 0, (uint8_t)questions, 0, 0, 0, 0, 0, 1 };
		size_t n = 12;
		for (unsigned i = 0; i < questions; i++, n += sizeof(question))
			memcpy(query + n, question, sizeof(question));
		memcpy(query + n, opt, sizeof(opt));
		n += sizeof(opt);
		const char *got = ask_octets(&world, query, n, &(struct ask){ 0 });
		CU_ASSERT(ask_same(got, questions == 1 ? "rcode 5\n" EDE("14")
						       : "rcode 1\nopt 1232 0 0000 0\n"));
		query[n] = 0; // an octet that nothing counts
		got = ask_octets(&world, query, n + 1, &(struct ask){ 0 });
		CU_ASSERT(ask_same(got, "rcode 1\nopt 1232 0 0000 0\n"));
		got = ask_octets(&world, query, n - 1, &(struct ask){ 0 });
		CU_ASSERT(ask_same(got, "rcode 1\n"));
	}
}

// What follows the header of an opcode that we do not know may be anything.
static void test_opcodes(void)
{
	static const uint8_t opt[] = { 0, 0, 41, 4, 208, 0, 0, 0, 0, 0, 0 };
	char expected[64];
	for (unsigned opcode = 1; opcode < 16; opcode++) {
		uint8_t query[64] = { 0x1d, 0x1d, (uint8_t)(opcode << 3) };
		unsigned rcode = opcode == OPCODE_UPDATE ? 5 : 4;
		snprintf(expected, sizeof(expected), "rcode %u op%u\n", rcode, opcode);
		const char *got = ask_octets(&world, query, 12, &(struct ask){ 0 });
		CU_ASSERT(ask_same(got, expected));
		memset(query + 4, 0xff, sizeof(query) - 4);
		got = ask_octets(&world, query, sizeof(query), &(struct ask){ 0 });
		CU_ASSERT(ask_same(got, expected));
		// An option that goes past the record makes the whole malformed.
		memset(query + 4, 0, sizeof(query) - 4);
		query[11] = 1;
		memcpy(query + 12, opt, sizeof(opt));
		query[22] = 4;
		memcpy(query + 23, "\0\3\0\1", 4);
		snprintf(expected, sizeof(expected), "rcode 1 op%u\n", opcode);
		got = ask_octets(&world, query, 27, &(struct ask){ 0 });
		CU_ASSERT(ask_same(got, expected));
	}
}

// An error asked for by the caller has the form of any other reply.
static void test_caller_errors(void)
{
	static char text[MESSAGE_TEXT_SIZE];
	uint8_t buf[2048];
	struct ask a = QUESTION("a.z.test.", RRTYPE_A, .edns = 1232, .dnssec_ok = true,
				.options = "000a0008" CLIENT);
	size_t n = ask_build(&a, buf);
	n = answer_error(world.ctx, &client, buf, n, RCODE_NOTAUTH);
	CU_ASSERT_PTR_NULL(message_to_text(buf, n, text));
	CU_ASSERT(ask_same(text, "rcode 9\nqd a.z.test. A\nopt 1232 0 8000 28 " REPLY_COOKIE "\n"));
	CU_ASSERT_EQUAL(answer_error(world.ctx, &client, buf, n, RCODE_NOTAUTH), 0); // a response
	CU_ASSERT_EQUAL(answer_error(world.ctx, &client, buf, 11, RCODE_NOTAUTH), 0);
}

static const struct unit_test tests[] = {
	{ "unknown options", test_unknown_options },
	{ "cookies", test_cookies },
	{ "cookie lengths", test_cookie_lengths },
	{ "cookies required", test_cookies_required },
	{ "no question", test_empty },
	{ "NSID", test_nsid },
	{ "tcp-keepalive", test_keepalive },
	{ "ZONEVERSION", test_zoneversion },
	{ "EXPIRE", test_expire },
	{ "extended errors", test_errors },
	{ "report channel", test_report_channel },
	{ "room", test_room },
	{ "all at once", test_all_at_once },
	{ "OPT in errors", test_opt_in_errors },
	{ "opcodes", test_opcodes },
	{ "errors of the caller", test_caller_errors },
};

int main(void)
{
	build_world();
	int failed = unit_run("edns", tests, sizeof(tests) / sizeof(tests[0]));
	world_close(&world);
	return failed;
}
