// SPDX-License-Identifier: BSD-3-Clause
// The additional section: what each type makes worth adding, and what gives way.
#include <stdio.h>
#include <string.h>

#include "support/ask.h"
#include "understudy/rr.h"
#include "unit.h"

static const char zone_text[] = "@ 300 SOA ns1 root 1 3600 600 86400 60\n"
				"@ 300 NS ns1\n"
				"ns1 300 A 192.0.2.1\n"
				"t 300 A 192.0.2.2\n"
				"t 300 AAAA 2001:db8::2\n"
				"t 600 RRSIG \\# 19 00010803000004000000000000000000000000\n"
				"u 300 A 192.0.2.3\n"
				"afsdb 300 AFSDB 1 t\n"
				"rt 300 RT 1 t\n"
				"kx 300 KX 1 t\n"
				"mb 300 MB t\n"
				"rp 300 RP \\# 2 0000\n"
				"naptr 300 NAPTR 1 1 \"S\" \"SIP+D2U\" \"\" _sip._udp\n"
				"naptr 300 NAPTR 1 2 \"a\" \"X\" \"\" u\n"
				"naptr 300 NAPTR 1 3 \"\" \"Y\" \"\" ns1\n"
				"naptr 300 NAPTR 1 4 \"u\" \"Z\" \"!^.*$!!\" .\n"
				"_sip._udp 300 SRV 1 1 5060 t\n"
				"mxw 300 MX 1 x.wild\n"
				"mxw 300 MX 2 y.wild\n"
				"mxw 300 MX 3 wild\n"
				"*.wild 300 A 192.0.2.4\n"
				"mxs 300 MX 1 .\n"
				"mxs 300 MX 2 in.cut\n"
				"mxs 300 MX 3 x.dn\n"
				"mxs 300 MX 3 y.dn\n"
				"mxs 300 MX 4 z.d\n"
				"mxs 300 MX 5 c\n"
				"c 300 CNAME t\n"
				"cut 300 NS ns.cut\n"
				"ns.cut 300 A 192.0.2.5\n"
				"in.cut 300 A 192.0.2.6\n"
				"dn 300 DNAME wild\n"
				"y.dn 300 A 192.0.2.7\n";

static const char service_text[] = "svc 300 SVCB 1 t\n"
				   "svc 300 SVCB 2 .\n"
				   "svc 300 A 192.0.2.10\n"
				   "alias 300 HTTPS 0 https\n"
				   "https 300 HTTPS 1 .\n"
				   "https 300 HTTPS 2 t\n"
				   "https 300 A 192.0.2.11\n"
				   "alias2 300 HTTPS 0 alias\n"
				   "none 300 HTTPS 0 .\n"
				   "none 300 A 192.0.2.12\n"
				   "away 300 HTTPS 0 www.example.\n"
				   "other 300 SVCB 0 https\n"
				   "self 300 HTTPS 0 self\n"
				   "loop1 300 HTTPS 0 loop2\n"
				   "loop2 300 HTTPS 0 loop1\n"
				   "loop2 300 A 192.0.2.13\n"
				   "*.ws 300 HTTPS 1 .\n"
				   "*.ws 300 A 192.0.2.14\n"
				   "any 300 A 192.0.2.15\n"
				   "any 300 HTTPS 1 .\n"
				   "any 300 MX 1 any\n";

#define T_ADDRESSES "ar t.z.test. 300 A 192.0.2.2\nar t.z.test. 300 AAAA 2001:db8::2\n"

static struct world world;

static void build_world(void)
{
	static char text[sizeof(zone_text) + sizeof(service_text)];
	strcpy(text, zone_text);
	strcat(text, service_text);
	world_open(&world);
	world_zone(&world, "z.test.", text);
}

static void test_types(void)
{
	ASK(&world, "rcode 0 aa\nan afsdb.z.test. 300 AFSDB 1 t.z.test.\n" T_ADDRESSES,
	    "afsdb.z.test.", RRTYPE_AFSDB);
	ASK(&world, "rcode 0 aa\nan rt.z.test. 300 RT 1 t.z.test.\n" T_ADDRESSES, "rt.z.test.",
	    RRTYPE_RT);
	ASK(&world, "rcode 0 aa\nan kx.z.test. 300 KX 1 t.z.test.\n" T_ADDRESSES, "kx.z.test.",
	    RRTYPE_KX);
	ASK(&world, "rcode 0 aa\nan mb.z.test. 300 MB t.z.test.\n" T_ADDRESSES, "mb.z.test.",
	    RRTYPE_MB);
	ASK(&world, "rcode 0 aa\nan rp.z.test. 300 TYPE17 0000\n", "rp.z.test.", RRTYPE_RP);
}

// "S" leads to SRV records and their addresses, "a" to addresses, others nowhere.
static void test_naptr(void)
{
	ASK(&world,
	    "rcode 0 aa\nan naptr.z.test. 300 NAPTR 1 1 \"S\" \"SIP+D2U\" \"\" _sip._udp.z.test.\n"
	    "an naptr.z.test. 300 NAPTR 1 2 \"a\" \"X\" \"\" u.z.test.\n"
	    "an naptr.z.test. 300 NAPTR 1 3 \"\" \"Y\" \"\" ns1.z.test.\n"
	    "an naptr.z.test. 300 NAPTR 1 4 \"u\" \"Z\" \"!^.*$!!\" .\n"
	    "ar _sip._udp.z.test. 300 SRV 1 1 5060 t.z.test.\n"
	    "ar u.z.test. 300 A 192.0.2.3\n" T_ADDRESSES,
	    "naptr.z.test.", RRTYPE_NAPTR);
}

// A wildcard gives its addresses to every name it covers. There is no wildcard below
// a cut, nothing below a DNAME, nor behind an alias; what lies below a cut is glue.
static void test_names(void)
{
	ASK(&world,
	    "rcode 0 aa\nan mxw.z.test. 300 MX 1 x.wild.z.test.\n"
	    "an mxw.z.test. 300 MX 2 y.wild.z.test.\nan mxw.z.test. 300 MX 3 wild.z.test.\n"
	    "ar x.wild.z.test. 300 A 192.0.2.4\nar y.wild.z.test. 300 A 192.0.2.4\n",
	    "mxw.z.test.", RRTYPE_MX);
	ASK(&world,
	    "rcode 0 aa\nan mxs.z.test. 300 MX 1 .\nan mxs.z.test. 300 MX 2 in.cut.z.test.\n"
	    "an mxs.z.test. 300 MX 3 x.dn.z.test.\nan mxs.z.test. 300 MX 3 y.dn.z.test.\nan "
	    "mxs.z.test. 300 MX 4 z.d.z.test.\n"
	    "an mxs.z.test. 300 MX 5 c.z.test.\nar in.cut.z.test. 300 A 192.0.2.6\n",
	    "mxs.z.test.", RRTYPE_MX);
}

static void test_services(void)
{
	ASK(&world,
	    "rcode 0 aa\nan svc.z.test. 300 SVCB 1 t.z.test.\nan svc.z.test. 300 SVCB 2 "
	    ".\n" T_ADDRESSES "ar svc.z.test. 300 A 192.0.2.10\n",
	    "svc.z.test.", RRTYPE_SVCB);
	ASK(&world,
	    "rcode 0 aa\nan alias.z.test. 300 HTTPS 0 https.z.test.\n"
	    "ar https.z.test. 300 HTTPS 1 .\nar https.z.test. 300 HTTPS 2 t.z.test.\n"
	    "ar https.z.test. 300 A 192.0.2.11\n" T_ADDRESSES,
	    "alias.z.test.", RRTYPE_HTTPS);
	ASK(&world,
	    "rcode 0 aa\nan alias2.z.test. 300 HTTPS 0 alias.z.test.\n"
	    "ar alias.z.test. 300 HTTPS 0 https.z.test.\n"
	    "ar https.z.test. 300 HTTPS 1 .\nar https.z.test. 300 HTTPS 2 t.z.test.\n"
	    "ar https.z.test. 300 A 192.0.2.11\n" T_ADDRESSES,
	    "alias2.z.test.", RRTYPE_HTTPS);
	ASK(&world, "rcode 0 aa\nan none.z.test. 300 HTTPS 0 .\n", "none.z.test.", RRTYPE_HTTPS);
	ASK(&world, "rcode 0 aa\nan away.z.test. 300 HTTPS 0 www.example.\n", "away.z.test.",
	    RRTYPE_HTTPS);
	// An alias speaks of its own type.
	ASK(&world,
	    "rcode 0 aa\nan other.z.test. 300 SVCB 0 https.z.test.\n"
	    "ar https.z.test. 300 A 192.0.2.11\n",
	    "other.z.test.", RRTYPE_SVCB);
	// "." is the name that the wildcard was asked by.
	ASK(&world, "rcode 0 aa\nan q.ws.z.test. 300 HTTPS 1 .\nar q.ws.z.test. 300 A 192.0.2.14\n",
	    "q.ws.z.test.", RRTYPE_HTTPS);
}

static void test_nothing_twice(void)
{
	ASK(&world, "rcode 0 aa\nan self.z.test. 300 HTTPS 0 self.z.test.\n", "self.z.test.",
	    RRTYPE_HTTPS);
	ASK(&world,
	    "rcode 0 aa\nan loop1.z.test. 300 HTTPS 0 loop2.z.test.\n"
	    "ar loop2.z.test. 300 HTTPS 0 loop1.z.test.\nar loop2.z.test. 300 A 192.0.2.13\n",
	    "loop1.z.test.", RRTYPE_HTTPS);
	ASK(&world,
	    "rcode 0 aa\nan any.z.test. 300 A 192.0.2.15\nan any.z.test. 300 MX 1 any.z.test.\n"
	    "an any.z.test. 300 HTTPS 1 .\n",
	    "any.z.test.", RRTYPE_ANY, .tcp = true);
}

// Signatures of addresses come with DO, lowered to the addresses' TTL.
static void test_signatures(void)
{
	ASK(&world,
	    "rcode 0 aa\nan kx.z.test. 300 KX 1 t.z.test.\nar t.z.test. 300 A 192.0.2.2\n"
	    "ar t.z.test. 300 RRSIG A 3 .\n"
	    "ar t.z.test. 300 AAAA 2001:db8::2\nopt 1232 0 8000 0\n",
	    "kx.z.test.", RRTYPE_KX, .edns = 4096, .dnssec_ok = true);
}

static unsigned lines_with(const char *text, const char *what)
{
	unsigned n = 0;
	for (const char *p = text; (p = strstr(p, what)); p++)
		n++;
	return n;
}

// Records without end make work with an end.
static void test_bounds(void)
{
	static char text[64 * 1024];
	size_t n = (size_t)snprintf(text, sizeof(text),
				    "@ 300 SOA ns1 root 1 1 1 1 1\n"
				    "@ 300 NS a.example.\n");
	for (unsigned i = 0; i < 100; i++)
		n += (size_t)snprintf(text + n, sizeof(text) - n,
				      "mx 300 MX %u h%u\nh%u 300 A 192.0.2.%u\n"
				      "chain%u 300 HTTPS 0 chain%u\n"
				      "cut 300 NS n%u.cut\nn%u.cut 300 A 192.0.2.%u\n",
				      i, i, i, i, i, i + 1, i, i, i);
	world_zone(&world, "many.test.", text);
	const char *got =
		ask(&world, &(struct ask)QUESTION("mx.many.test.", RRTYPE_MX, .tcp = true));
	CU_ASSERT_EQUAL(lines_with(got, "\nan "), 100);
	CU_ASSERT_EQUAL(lines_with(got, "\nar "), 32);
	got = ask(&world, &(struct ask)QUESTION("chain0.many.test.", RRTYPE_HTTPS, .tcp = true));
	CU_ASSERT_EQUAL(lines_with(got, "\nan "), 1);
	CU_ASSERT_EQUAL(lines_with(got, "\nar "), 8);
	// Glue is required, all of it.
	got = ask(&world, &(struct ask)QUESTION("cut.many.test.", RRTYPE_A, .tcp = true));
	CU_ASSERT_EQUAL(lines_with(got, "\nns "), 100);
	CU_ASSERT_EQUAL(lines_with(got, "\nar "), 100);
	CU_ASSERT_EQUAL(strncmp(got, "rcode 0\n", 8), 0);
}

static const struct unit_test tests[] = {
	{ "types", test_types },
	{ "naptr", test_naptr },
	{ "names", test_names },
	{ "services", test_services },
	{ "nothing twice", test_nothing_twice },
	{ "signatures", test_signatures },
	{ "bounds", test_bounds },
};

int main(void)
{
	build_world();
	int failed = unit_run("answer_additional", tests, sizeof(tests) / sizeof(tests[0]));
	world_close(&world);
	return failed;
}
