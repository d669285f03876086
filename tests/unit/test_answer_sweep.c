// SPDX-License-Identifier: BSD-3-Clause
// Every kind of reply at every size: whatever the room, a reply keeps the rules of the
// strict reader, and what it leaves out is what may be left out.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/ask.h"
#include "support/message.h"
#include "understudy/rr.h"
#include "unit.h"

#define L50 "12345678901234567890123456789012345678901234567890"

// Long names, so that every reply has a size worth sweeping.
static const char zone_text[] =
	"@ 300 SOA m-" L50 "." L50 " r-" L50 "." L50 " 1 1 1 1 60\n"
	"@ 300 NS n1-" L50 "\n"
	"@ 300 NS n2-" L50 "\n"
	"n1-" L50 " 300 A 192.0.2.1\n"
	"n1-" L50 " 300 AAAA 2001:db8::1\n"
	"n2-" L50 " 300 A 192.0.2.2\n"
	"mx 300 MX 1 n1-" L50 "\n"
	"mx 300 MX 2 n2-" L50 "\n"
	"mx 300 MX 3 m3-" L50 "\n"
	"m3-" L50 " 300 A 192.0.2.3\n"
	"mx 300 TXT \"beside it\"\n"
	"mx 300 HTTPS 1 h-" L50 "\n"
	"minfo 300 MINFO a-" L50 " b-" L50 "\n"
	"minfo 300 MINFO c-" L50 " d-" L50 "\n"
	"minfo 300 MINFO e-" L50 " f-" L50 "\n"
	"h 300 HTTPS 0 h-" L50 "\n"
	"h-" L50 " 300 HTTPS 1 n1-" L50 "\n"
	"h-" L50 " 300 HTTPS 2 .\n"
	"h-" L50 " 300 A 192.0.2.4\n"
	"naptr 300 NAPTR 1 1 \"s\" \"" L50 "\" \"" L50 "\" s-" L50 "\n"
	"s-" L50 " 300 SRV 1 1 1 n1-" L50 "\n"
	"s-" L50 " 300 SRV 1 1 2 n2-" L50 "\n"
	"cut 300 NS a-" L50 ".cut\n"
	"cut 300 NS b-" L50 ".cut\n"
	"cut 300 NS n1-" L50 "\n"
	"cut 300 DS \\# 24 0001080201010101010101010101010101010101010101aa\n"
	"a-" L50 ".cut 300 A 192.0.2.5\n"
	"b-" L50 ".cut 300 AAAA 2001:db8::5\n"
	"plain 300 NS c-" L50 "\n"
	"d 300 DNAME " L50 "." L50 ".t\n"
	"c1 300 CNAME x.d\n"
	"x." L50 "." L50 ".t 300 CNAME y.d\n"
	"y." L50 "." L50 ".t 300 CNAME mx\n"
	"*.w 300 CNAME w-" L50 "\n"
	"w-" L50 " 300 TXT \"" L50 "\" \"" L50 "\"\n"
	"dg1 300 DNAME g.dg2\n"
	"dg2 300 DNAME dg1\n";

static const struct ask questions[] = {
	QUESTION("z.test.", RRTYPE_SOA),
	QUESTION("z.test.", RRTYPE_NS),
	QUESTION("z.test.", RRTYPE_ANY),
	QUESTION("z.test.", RRTYPE_RRSIG),
	QUESTION("mx.z.test.", RRTYPE_MX),
	QUESTION("mx.z.test.", RRTYPE_ANY),
	QUESTION("mx.z.test.", RRTYPE_PTR),
	QUESTION("minfo.z.test.", RRTYPE_MINFO),
	QUESTION("h.z.test.", RRTYPE_HTTPS),
	QUESTION("naptr.z.test.", RRTYPE_NAPTR),
	QUESTION("x.cut.z.test.", RRTYPE_A),
	QUESTION("x.plain.z.test.", RRTYPE_A),
	QUESTION("cut.z.test.", RRTYPE_DS),
	QUESTION("c1.z.test.", RRTYPE_MX),
	QUESTION("c1.z.test.", RRTYPE_A),
	QUESTION("q.d.z.test.", RRTYPE_A),
	QUESTION("q.w.z.test.", RRTYPE_TXT),
	QUESTION("q.w.z.test.", RRTYPE_A),
	QUESTION("q.dg1.z.test.", RRTYPE_A),
	QUESTION("nope.z.test.", RRTYPE_A),
	QUESTION("a-" L50 "." L50 ".z.test.", RRTYPE_A),
	QUESTION("a-" L50 "." L50 "." L50 "." L50 ".z.test.", RRTYPE_A),
};

static struct world world;

// Where the lines of a section begin; "" at the end.
static const char *lines_of(const char *text, const char *section)
{
	char start[8];
	snprintf(start, sizeof(start), "\n%s ", section);
	const char *p = strstr(text, start);
	return p ? p + 1 : "";
}

static size_t section_octets(const char *lines)
{
	size_t n = 0;
	while (lines[n] && strncmp(lines + n, lines, 3) == 0)
		n += strcspn(lines + n, "\n") + 1;
	return n;
}

// Whether `part`'s section is the beginning of `whole`'s, or all of it.
static bool section_begins(const char *part, const char *whole, const char *section, bool all)
{
	const char *p = lines_of(part, section), *w = lines_of(whole, section);
	size_t pn = section_octets(p), wn = section_octets(w);
	return (all ? pn == wn : pn <= wn) && strncmp(p, w, pn) == 0;
}

// Each line of `part`'s section stands in `whole`.
static bool section_within(const char *part, const char *whole, const char *section)
{
	static char line[MESSAGE_TEXT_SIZE];
	const char *p = lines_of(part, section);
	for (size_t left = section_octets(p); left > 0;) {
		size_t n = strcspn(p, "\n") + 1;
		snprintf(line, sizeof(line), "%.*s", (int)n, p);
		if (!strstr(whole, line))
			return false;
		p += n;
		left -= n;
	}
	return true;
}

static bool is_truncated(const char *text)
{
	const char *tc = strstr(text, " tc");
	return tc && tc < strchr(text, '\n');
}

// False, and says why, if what is left out of `got` may not be.
static bool may_be(const char *got, const char *whole, unsigned capacity)
{
	bool truncated = is_truncated(got);
	bool ok = strncmp(got, "rcode ", 6) == 0 && section_begins(got, whole, "an", !truncated) &&
		  section_begins(got, whole, "ns", !truncated) &&
		  section_within(got, whole, "ar") && ask_reply_octets <= capacity;
	if (!ok)
		printf("\n%u octets\n--- got\n%s--- whole\n%s", capacity, got, whole);
	return ok;
}

static void sweep(struct ask question)
{
	static char whole[MESSAGE_TEXT_SIZE];
	bool complete = false;
	question.capacity = 0;
	strcpy(whole, ask(&world, &question));
	CU_ASSERT_FATAL(!is_truncated(whole));
	for (unsigned capacity = 512; !complete || capacity % 64 != 0; capacity++) {
		question.capacity = (uint16_t)capacity;
		const char *got = ask(&world, &question);
		CU_ASSERT_FATAL(may_be(got, whole, capacity));
		// More room never makes it worse.
		CU_ASSERT_FATAL(!complete || strcmp(got, whole) == 0);
		complete = strcmp(got, whole) == 0;
	}
}

static void sweep_all(void)
{
	for (size_t i = 0; i < sizeof(questions) / sizeof(questions[0]); i++) {
		struct ask question = questions[i];
		question.tcp = true;
		sweep(question);
		question.edns = 1232;
		question.dnssec_ok = true;
		sweep(question);
	}
}

static void test_unsigned(void)
{
	world_zone(&world, "z.test.", zone_text);
	sweep_all();
}

static void test_nsec(void)
{
	world_signed_zone(&world, "z.test.", zone_text, &(struct signer_options){ 0 });
	sweep_all();
}

static void test_nsec3(void)
{
	world_signed_zone(&world, "z.test.", zone_text, &(struct signer_options){ .nsec3 = true });
	sweep_all();
}

static const struct unit_test tests[] = {
	{ "unsigned", test_unsigned },
	{ "signed with NSEC", test_nsec },
	{ "signed with NSEC3", test_nsec3 },
};

int main(void)
{
	world_open(&world);
	// An EDNS option that comes only where there is room for it.
	name_from_text("agent.example.", &world.settings.report_channel);
	int failed = unit_run("answer_sweep", tests, sizeof(tests) / sizeof(tests[0]));
	world_close(&world);
	return failed;
}
