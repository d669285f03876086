// SPDX-License-Identifier: BSD-3-Clause
// Signed zones asked with DO: signatures, referrals, and what is proved not to exist
// (RFC 4035 section 3.1, RFC 5155 section 7.2).
//
// Replies with NSEC are compared whole. Of NSEC3 the places of hashes say nothing to
// a reader: it is asked which names the records given match or cover.
#include "support/ask.h"
#include "understudy/nsec3.h"
#include "understudy/rr.h"
#include "unit.h"

static const char zone_text[] = "@ 300 SOA ns1 root 1 3600 600 86400 60\n"
				"@ 300 NS ns1\n"
				"@ 300 MX 10 ns1\n"
				"ns1 300 A 192.0.2.1\n"
				"ns1 300 AAAA 2001:db8::1\n"
				"a.ent 300 A 192.0.2.2\n"
				"c 300 CNAME ns1\n"
				"cnx 300 CNAME nope\n"
				"cw 300 CNAME q.w\n"
				"cins 300 CNAME x.ins\n"
				"*.w 300 A 192.0.2.3\n"
				"*.wc 300 CNAME ns1\n"
				"x.*.we 300 TXT \"e\"\n"
				"*.wn 300 CNAME q.wx\n"
				"*.wx 300 CNAME nope\n"
				"d 120 DNAME target\n"
				"hidden.d 120 A 192.0.2.4\n"
				"a.target 300 A 192.0.2.5\n"
				"sec 300 NS ns.sec\n"
				"sec 300 DS \\# 6 00010802aabb\n"
				"ns.sec 300 A 192.0.2.6\n"
				"ins 300 NS ns.ins\n"
				"ins 300 NS ns1\n"
				"ns.ins 300 A 192.0.2.7\n"
				"deep.out 300 NS ns1\n";

// Of labels that with "z.test." are 253 octets.
#define L253 L63 L63 L63 "1234567890123456789012345678901234567890123456789012."
#define L63  "123456789012345678901234567890123456789012345678901234567890123."

static struct world nsec, nsec3, opt_out, resalted, plain, family, across, stale, holes;

#define OPT "opt 1232 0 8000 0\n"
// Asks with DO; what is expected lacks the OPT.
#define ASK_DO(w, expected, ...) ASK(w, expected OPT, __VA_ARGS__, .edns = 1232, .dnssec_ok = true)

#define SIG(section, owner, ttl, of, labels) \
	section " " owner " " ttl " RRSIG " of " " labels " z.test.\n"
#define SOA                                                                                     \
	"ns z.test. 60 SOA ns1.z.test. root.z.test. 1 3600 600 86400 60\n" SIG("ns", "z.test.", \
									       "60", "SOA", "2")
#define NSEC(owner, labels, next, types)                       \
	"ns " owner ".z.test. 60 NSEC " next ".z.test. " types \
	"\n" SIG("ns", owner ".z.test.", "60", "NSEC", labels)
#define NS1_A(section) \
	section " ns1.z.test. 300 A 192.0.2.1\n" SIG(section, "ns1.z.test.", "300", "A", "3")
#define NS1_AAAA \
	"ar ns1.z.test. 300 AAAA 2001:db8::1\n" SIG("ar", "ns1.z.test.", "300", "AAAA", "3")
#define NSEC_APEX                                                                                \
	"ns z.test. 60 NSEC c.z.test. NS SOA MX RRSIG NSEC\n" SIG("ns", "z.test.", "60", "NSEC", \
								  "2")
#define NSEC_NS1 NSEC("ns1", "3", "deep.out", "A AAAA RRSIG NSEC")

// An opt-out chain, and a much denser one of all that it leaves out.
static void build_resalted(void)
{
	enum { DELEGATIONS = 3000, LINE = 32 };
	static char text[sizeof(zone_text) + DELEGATIONS * LINE];
	size_t len = (size_t)sprintf(text, "%s", zone_text);
	for (unsigned i = 0; i < DELEGATIONS; i++)
		len += (size_t)sprintf(text + len, "far%u 300 NS ns1\n", i);
	world_open(&resalted);
	world_signed_zone(
		&resalted, "z.test.", text,
		&(struct signer_options){ .nsec3 = true, .opt_out = true, .beside = true });
}

static void build_worlds(void)
{
	static const struct signer_options by_nsec, by_nsec3 = { .nsec3 = true },
						    by_opt_out = { .nsec3 = true,
								   .opt_out = true,
								   .iterations = 2,
								   .salt_len = 3,
								   .salt = { 1, 2, 3 } };
	world_open(&nsec);
	world_signed_zone(&nsec, "z.test.", zone_text, &by_nsec);
	world_open(&family);
	world_signed_zone(&family, "z.test.", zone_text, &by_nsec);
	world_signed_zone(&family, "sec.z.test.",
			  "@ 300 SOA ns root 1 1 1 1 60\n@ 300 NS ns\nns 300 A 192.0.2.6\n"
			  "up 300 CNAME @\n"
			  "ra 300 DNAME rb\nrb 300 DNAME @\n"
			  "long 300 DNAME " L63 L63 L63 "\n",
			  &by_nsec);
	world_open(&across);
	across.settings.cross_zone_aliases = true;
	world_signed_zone(&across, "z.test.", zone_text, &by_nsec);
	world_signed_zone(&across, "o.test.",
			  "@ 300 SOA ns.z.test. root 1 1 1 1 60\n@ 300 NS ns.z.test.\n"
			  "nope 300 CNAME nope.z.test.\nw 300 CNAME q.w.z.test.\n",
			  &by_nsec);
	world_open(&nsec3);
	world_signed_zone(&nsec3, "z.test.", zone_text, &by_nsec3);
	world_open(&opt_out);
	world_signed_zone(&opt_out, "z.test.", zone_text, &by_opt_out);
	build_resalted();
	world_open(&stale);
	world_signed_zone(&stale, "z.test.",
			  "@ 300 SOA ns1 root 1 3600 600 86400 60\n@ 300 NS ns1\n"
			  "ns1 300 A 192.0.2.1\n" L253 "z.test. 300 A 192.0.2.1\n",
			  &(struct signer_options){ .nsec3 = true, .stale = true });
	world_open(&holes);
	world_signed_zone(&holes, "z.test.",
			  "@ 300 SOA ns1 root 1 3600 600 86400 60\n@ 300 NS ns1\n"
			  "a 300 A 192.0.2.1\nb 300 A 192.0.2.1\n",
			  &(struct signer_options){ .holes = true });
	world_open(&plain);
	world_zone(&plain, "z.test.", zone_text);
}

// --- what is there -----------------------------------------------------------------

static void test_positive(void)
{
	ASK_DO(&nsec, "rcode 0 aa\n" NS1_A("an"), "ns1.z.test.", RRTYPE_A);
	ASK_DO(&nsec,
	       "rcode 0 aa\nan z.test. 300 MX 10 ns1.z.test.\n" SIG("an", "z.test.", "300", "MX",
								    "2") NS1_A("ar") NS1_AAAA,
	       "z.test.", RRTYPE_MX);
	// A query for NSEC is one for data; of NSEC3 there is none at such names.
	ASK_DO(&nsec,
	       "rcode 0 aa\nan c.z.test. 60 NSEC cins.z.test. CNAME RRSIG NSEC\n" SIG(
		       "an", "c.z.test.", "60", "NSEC", "3"),
	       "c.z.test.", RRTYPE_NSEC);
	ASK_DO(&nsec3,
	       "rcode 0 aa\nan z.test. 0 NSEC3PARAM 0100000000\n" SIG("an", "z.test.", "0",
								      "NSEC3PARAM", "2"),
	       "z.test.", RRTYPE_NSEC3PARAM);
}

// Without DO only what is asked for by its type.
static void test_without_do(void)
{
	ASK(&nsec, "rcode 0 aa\nan ns1.z.test. 300 A 192.0.2.1\n", "ns1.z.test.", RRTYPE_A);
	ASK(&nsec, "rcode 3 aa\nns z.test. 60 SOA ns1.z.test. root.z.test. 1 3600 600 86400 60\n",
	    "nope.z.test.", RRTYPE_A);
	ASK(&nsec,
	    "rcode 0\nns sec.z.test. 300 NS ns.sec.z.test.\nar ns.sec.z.test. 300 A 192.0.2.6\n"
	    "opt 1232 0 0000 0\n",
	    "x.sec.z.test.", RRTYPE_A, .edns = 1232);
	ASK(&nsec, "rcode 0 aa\nan c.z.test. 60 NSEC cins.z.test. CNAME RRSIG NSEC\n", "c.z.test.",
	    RRTYPE_NSEC);
	ASK(&nsec, "rcode 0 aa\n" SIG("an", "ns1.z.test.", "300", "A", "3"), "ns1.z.test.",
	    RRTYPE_RRSIG);
	ASK(&nsec, "rcode 0 aa\nan q.w.z.test. 300 A 192.0.2.3\n", "q.w.z.test.", RRTYPE_A);
}

static void test_any(void)
{
	// Over UDP one RRset with its signatures, over TCP all, each once.
	ASK_DO(&nsec, "rcode 0 aa\n" NS1_A("an"), "ns1.z.test.", RRTYPE_ANY);
	ASK_DO(&nsec,
	       "rcode 0 aa\n" NS1_A("an") "an ns1.z.test. 300 AAAA 2001:db8::1\n" SIG(
		       "an", "ns1.z.test.", "300", "AAAA",
		       "3") "an ns1.z.test. 60 NSEC deep.out.z.test. A AAAA RRSIG "
			    "NSEC\n" SIG("an", "ns1.z.test.", "60", "NSEC", "3"),
	       "ns1.z.test.", RRTYPE_ANY, .tcp = true);
	ASK_DO(&nsec, "rcode 0 aa\n" SIG("an", "ns1.z.test.", "300", "A", "3"), "ns1.z.test.",
	       RRTYPE_RRSIG);
	ASK_DO(&nsec3,
	       "rcode 0 aa\nan a.target.z.test. 300 A 192.0.2.5\n" SIG("an", "a.target.z.test.",
								       "300", "A", "4"),
	       "a.target.z.test.", RRTYPE_ANY, .tcp = true);
}

#define CHILD_APEX                                                           \
	"ns sec.z.test. 60 SOA ns.sec.z.test. root.sec.z.test. 1 1 1 1 60\n" \
	"ns sec.z.test. 60 RRSIG SOA 3 sec.z.test.\n"                        \
	"ns sec.z.test. 60 NSEC long.sec.z.test. NS SOA RRSIG NSEC\n"        \
	"ns sec.z.test. 60 RRSIG NSEC 3 sec.z.test.\n"

// Their proofs are the child's business, whoever serves it; DS is the parent's.
static void test_parent_and_child(void)
{
	ASK_DO(&family,
	       "rcode 0 aa\nan sec.z.test. 300 DS 00010802aabb\n" SIG("an", "sec.z.test.", "300",
								      "DS", "3"),
	       "sec.z.test.", RRTYPE_DS);
	ASK_DO(&family, "rcode 0 aa\n" CHILD_APEX, "sec.z.test.", RRTYPE_TXT);
	// An alias does not leave its zone, not even for the DS of its apex.
	ASK_DO(&family,
	       "rcode 0 aa\nan up.sec.z.test. 300 CNAME sec.z.test.\n"
	       "an up.sec.z.test. 300 RRSIG CNAME 4 sec.z.test.\n" CHILD_APEX,
	       "up.sec.z.test.", RRTYPE_DS);
	// Of the zone's own apex, whose parent is not ours.
	ASK_DO(&nsec, "rcode 0 aa\n" SOA NSEC_APEX, "z.test.", RRTYPE_DS);
}

// Where an alias leads into another zone, that one's records prove what it says.
static void test_across_zones(void)
{
	ASK_DO(&across,
	       "rcode 3 aa\nan nope.o.test. 300 CNAME nope.z.test.\n"
	       "an nope.o.test. 300 RRSIG CNAME 3 o.test.\n" SOA NSEC("ins", "3", "ns1",
								      "NS RRSIG NSEC") NSEC_APEX,
	       "nope.o.test.", RRTYPE_A);
	ASK_DO(&across,
	       "rcode 0 aa\nan w.o.test. 300 CNAME q.w.z.test.\n"
	       "an w.o.test. 300 RRSIG CNAME 3 o.test.\nan q.w.z.test. 300 A 192.0.2.3\n" SIG(
		       "an", "q.w.z.test.", "300", "A", "3")
		       NSEC("*.w", "3", "*.wc", "A RRSIG NSEC"),
	       "w.o.test.", RRTYPE_A);
}

// --- NSEC --------------------------------------------------------------------------

static void test_nsec_name_error(void)
{
	ASK_DO(&nsec, "rcode 3 aa\n" SOA NSEC("ins", "3", "ns1", "NS RRSIG NSEC") NSEC_APEX,
	       "nope.z.test.", RRTYPE_A);
	// One record denies both; before the first name, behind the last.
	ASK_DO(&nsec, "rcode 3 aa\n" SOA NSEC_APEX, "a.z.test.", RRTYPE_A);
	ASK_DO(&nsec,
	       "rcode 3 aa\n" SOA "ns *.wx.z.test. 60 NSEC z.test. CNAME RRSIG NSEC\n" SIG(
		       "ns", "*.wx.z.test.", "60", "NSEC", "3") NSEC_APEX,
	       "zz.z.test.", RRTYPE_A);
	// Below a name that exists, and below an empty non-terminal.
	ASK_DO(&nsec, "rcode 3 aa\n" SOA NSEC_NS1, "x.y.ns1.z.test.", RRTYPE_A);
	ASK_DO(&nsec,
	       "rcode 3 aa\n" SOA NSEC("a.ent", "4", "ins", "A RRSIG NSEC")
		       NSEC("d", "3", "a.ent", "DNAME RRSIG NSEC"),
	       "b.ent.z.test.", RRTYPE_A);
	// What the name precedes is below a cut.
	ASK_DO(&nsec, "rcode 3 aa\n" SOA NSEC("sec", "3", "a.target", "NS DS RRSIG NSEC") NSEC_APEX,
	       "sec1.z.test.", RRTYPE_A);
}

static void test_nsec_no_data(void)
{
	ASK_DO(&nsec, "rcode 0 aa\n" SOA NSEC_NS1, "ns1.z.test.", RRTYPE_MX);
	ASK_DO(&nsec, "rcode 0 aa\n" SOA NSEC("d", "3", "a.ent", "DNAME RRSIG NSEC"), "ent.z.test.",
	       RRTYPE_A);
	ASK_DO(&nsec, "rcode 0 aa\n" SOA NSEC_NS1, "out.z.test.", RRTYPE_A);
	ASK_DO(&nsec, "rcode 0 aa\n" SOA NSEC("d", "3", "a.ent", "DNAME RRSIG NSEC"), "d.z.test.",
	       RRTYPE_A);
	ASK_DO(&nsec, "rcode 0 aa\n" SOA NSEC("ins", "3", "ns1", "NS RRSIG NSEC"), "ins.z.test.",
	       RRTYPE_DS);
	ASK_DO(&nsec, "rcode 0 aa\n" SOA NSEC_NS1, "ns1.z.test.", RRTYPE_NSEC3);
}

#define NSEC_W  NSEC("*.w", "3", "*.wc", "A RRSIG NSEC")
#define NSEC_WE NSEC("x.*.we", "5", "*.wn", "TXT RRSIG NSEC")
#define NSEC_WC NSEC("*.wc", "3", "x.*.we", "CNAME RRSIG NSEC")

static void test_nsec_wildcard(void)
{
	ASK_DO(&nsec,
	       "rcode 0 aa\nan q.w.z.test. 300 A 192.0.2.3\n" SIG("an", "q.w.z.test.", "300", "A",
								  "3") NSEC_W,
	       "q.w.z.test.", RRTYPE_A);
	ASK_DO(&nsec, "rcode 0 aa\n" SOA NSEC_W, "q.w.z.test.", RRTYPE_TXT);
	// A name before the asterisk.
	ASK_DO(&nsec, "rcode 0 aa\n" SOA NSEC("a.target", "4", "*.w", "A RRSIG NSEC") NSEC_W,
	       "!.w.z.test.", RRTYPE_TXT);
	// Asked for by its own name it is one like others.
	ASK_DO(&nsec,
	       "rcode 0 aa\nan *.w.z.test. 300 A 192.0.2.3\n" SIG("an", "*.w.z.test.", "300", "A",
								  "3"),
	       "*.w.z.test.", RRTYPE_A);
	// The wildcard is an empty non-terminal.
	ASK_DO(&nsec, "rcode 0 aa\n" SOA NSEC_WE NSEC_WC, "q.we.z.test.", RRTYPE_A);
	ASK_DO(&nsec,
	       "rcode 0 aa\nan q.wc.z.test. 300 CNAME ns1.z.test.\n" SIG(
		       "an", "q.wc.z.test.", "300", "CNAME", "3") NS1_A("an") NSEC_WC,
	       "q.wc.z.test.", RRTYPE_A);
	ASK_DO(&nsec,
	       "rcode 0 aa\nan q.w.z.test. 300 A 192.0.2.3\n" SIG("an", "q.w.z.test.", "300", "A",
								  "3") NSEC_W,
	       "q.w.z.test.", RRTYPE_ANY, .tcp = false);
}

static void test_nsec_chains(void)
{
	ASK_DO(&nsec,
	       "rcode 3 aa\nan cnx.z.test. 300 CNAME nope.z.test.\n" SIG("an", "cnx.z.test.", "300",
									 "CNAME", "3")
		       SOA NSEC("ins", "3", "ns1", "NS RRSIG NSEC") NSEC_APEX,
	       "cnx.z.test.", RRTYPE_A);
	ASK_DO(&nsec,
	       "rcode 0 aa\nan cw.z.test. 300 CNAME q.w.z.test.\n" SIG(
		       "an", "cw.z.test.", "300", "CNAME",
		       "3") "an q.w.z.test. 300 A 192.0.2.3\n" SIG("an", "q.w.z.test.", "300", "A",
								   "3") NSEC_W,
	       "cw.z.test.", RRTYPE_A);
	ASK_DO(&nsec,
	       "rcode 0 aa\nan cw.z.test. 300 CNAME q.w.z.test.\n" SIG("an", "cw.z.test.", "300",
								       "CNAME", "3") SOA NSEC_W,
	       "cw.z.test.", RRTYPE_MX);
	// Two wildcards, and a name that does not exist: the proofs of all three.
	ASK_DO(&nsec,
	       "rcode 3 aa\nan a.wn.z.test. 300 CNAME q.wx.z.test.\n" SIG(
		       "an", "a.wn.z.test.", "300", "CNAME",
		       "3") "an q.wx.z.test. 300 CNAME nope.z.test.\n" SIG("an", "q.wx.z.test.",
									   "300", "CNAME", "3")
		       SOA NSEC("*.wn", "3", "*.wx",
				"CNAME RRSIG NSEC") "ns *.wx.z.test. 60 NSEC z.test. CNAME RRSIG "
						    "NSEC\n" SIG("ns", "*.wx.z.test.", "60", "NSEC",
								 "3")
							    NSEC("ins", "3", "ns1", "NS RRSIG NSEC")
								    NSEC_APEX,
	       "a.wn.z.test.", RRTYPE_A);
	// The synthesized CNAME has no signature.
	ASK_DO(&nsec,
	       "rcode 3 aa\nan d.z.test. 120 DNAME target.z.test.\n" SIG(
		       "an", "d.z.test.", "120", "DNAME",
		       "3") "an hidden.d.z.test. 120 CNAME hidden.target.z.test.\n" SOA
		       NSEC("a.target", "4", "*.w", "A RRSIG NSEC")
			       NSEC("sec", "3", "a.target", "NS DS RRSIG NSEC"),
	       "hidden.d.z.test.", RRTYPE_A);
}

// --- referrals ---------------------------------------------------------------------

#define SEC_NS                                                                            \
	"ns sec.z.test. 300 NS ns.sec.z.test.\nns sec.z.test. 300 DS 00010802aabb\n" SIG( \
		"ns", "sec.z.test.", "300", "DS", "3") "ar ns.sec.z.test. 300 A 192.0.2.6\n"
#define INS_NS   "ns ins.z.test. 300 NS ns.ins.z.test.\nns ins.z.test. 300 NS ns1.z.test.\n"
#define INS_GLUE "ar ns.ins.z.test. 300 A 192.0.2.7\n" NS1_A("ar") NS1_AAAA

static void test_referral(void)
{
	ASK_DO(&nsec, "rcode 0\n" SEC_NS, "x.sec.z.test.", RRTYPE_A);
	ASK_DO(&nsec, "rcode 0\n" SEC_NS, "sec.z.test.", RRTYPE_A);
	ASK_DO(&opt_out, "rcode 0\n" SEC_NS, "x.sec.z.test.", RRTYPE_DS);
	ASK_DO(&nsec, "rcode 0\n" INS_NS NSEC("ins", "3", "ns1", "NS RRSIG NSEC") INS_GLUE,
	       "x.ins.z.test.", RRTYPE_A);
	ASK_DO(&nsec,
	       "rcode 0 aa\nan cins.z.test. 300 CNAME x.ins.z.test.\n" SIG("an", "cins.z.test.",
									   "300", "CNAME", "3")
		       INS_NS NSEC("ins", "3", "ns1", "NS RRSIG NSEC") INS_GLUE,
	       "cins.z.test.", RRTYPE_A);
}

// A zone without signatures is answered as without DO.
static void test_unsigned_zone(void)
{
	ASK_DO(&plain,
	       "rcode 3 aa\nns z.test. 60 SOA ns1.z.test. root.z.test. 1 3600 600 86400 60\n",
	       "nope.z.test.", RRTYPE_A);
	ASK_DO(&plain,
	       "rcode 0\nns sec.z.test. 300 NS ns.sec.z.test.\n"
	       "ar ns.sec.z.test. 300 A 192.0.2.6\n",
	       "x.sec.z.test.", RRTYPE_A);
	ASK_DO(&plain, "rcode 0 aa\nan q.w.z.test. 300 A 192.0.2.3\n", "q.w.z.test.", RRTYPE_A);
}

// --- NSEC3 -------------------------------------------------------------------------

#define HASHES_MAX 6

// What the NSEC3 records of a reply must match and cover: these names, and each
// record one of them at least.
struct proof {
	const char *matched[HASHES_MAX + 1];
	const char *covered[HASHES_MAX + 1];
};

struct record {
	char owner[NSEC3_LABEL_OCTETS + 1];
	char next[NSEC3_LABEL_OCTETS + 1];
	bool used;
};

// Takes the NSEC3 records, which are signed, out of a reply's text.
static unsigned take_records(char *text, struct record records[HASHES_MAX])
{
	unsigned n = 0;
	char *out = text;
	for (char *line = text, *next; *line; line = next) {
		next = strchr(line, '\n') + 1;
		struct record r = { .used = false };
		char signature[100];
		if (sscanf(line, "ns %32[0-9a-v].z.test. 60 NSEC3 %*u %*u %*s %32[0-9a-v]", r.owner,
			   r.next) == 2) {
			snprintf(signature, sizeof(signature),
				 "ns %s.z.test. 60 RRSIG NSEC3 3 z.test.\n", r.owner);
			CU_ASSERT_EQUAL(strncmp(next, signature, strlen(signature)), 0);
			CU_ASSERT_FATAL(n < HASHES_MAX);
			records[n++] = r;
			next = strchr(next, '\n') + 1;
			continue;
		}
		memmove(out, line, (size_t)(next - line));
		out += next - line;
	}
	*out = '\0';
	return n;
}

static bool covers(const struct record *r, const char *hash)
{
	bool behind = strcmp(hash, r->owner) > 0, before = strcmp(hash, r->next) < 0;
	return strcmp(r->owner, r->next) < 0 ? behind && before : behind || before;
}

static void prove_name(const struct world *w, const char *text, bool match,
		       struct record records[HASHES_MAX], unsigned n)
{
	struct nsec3_params p;
	struct name name, apex;
	uint8_t hash[NSEC3_HASH_OCTETS], label[NSEC3_LABEL_OCTETS + 1] = { 0 };
	bool proved = false;
	name_from_text(text, &name);
	name_from_text("z.test.", &apex);
	CU_ASSERT_FATAL(zone_nsec3_params(catalog_zone(zonedb_view(w->db), apex.wire), &p));
	nsec3_hash(name.wire, name.len, &p, hash);
	nsec3_label(hash, label);
	for (unsigned i = 0; i < n; i++)
		if (match ? strcmp(records[i].owner, (char *)label) == 0
			  : covers(&records[i], (char *)label))
			records[i].used = proved = true;
	if (!proved)
		printf("\n%s is not %s\n", text, match ? "matched" : "covered");
	CU_ASSERT(proved);
}

static void ask_proof(struct world *w, const char *expected, const struct proof *proof,
		      const struct ask *question)
{
	static char text[64 * 1024];
	struct record records[HASHES_MAX];
	struct ask a = *question;
	a.edns = 1232;
	a.dnssec_ok = true;
	snprintf(text, sizeof(text), "%s", ask(w, &a));
	unsigned n = take_records(text, records);
	CU_ASSERT(ask_same(text, expected));
	for (unsigned i = 0; proof->matched[i]; i++)
		prove_name(w, proof->matched[i], true, records, n);
	for (unsigned i = 0; proof->covered[i]; i++)
		prove_name(w, proof->covered[i], false, records, n);
	for (unsigned i = 0; i < n; i++)
		CU_ASSERT(records[i].used);
}

#define NAMES(...)          \
	{                   \
		__VA_ARGS__ \
	}
#define ASK_PROOF(w, expected, matches, covered_names, ...)                        \
	ask_proof(w, expected OPT,                                                 \
		  &(struct proof){ .matched = matches, .covered = covered_names }, \
		  &(struct ask)QUESTION(__VA_ARGS__))

static void both_name_error(struct world *w)
{
	ASK_PROOF(w, "rcode 3 aa\n" SOA, NAMES("z.test."), NAMES("nope.z.test.", "*.z.test."),
		  "nope.z.test.", RRTYPE_A);
	ASK_PROOF(w, "rcode 3 aa\n" SOA, NAMES("ns1.z.test."),
		  NAMES("y.ns1.z.test.", "*.ns1.z.test."), "x.Y.ns1.z.test.", RRTYPE_A);
	ASK_PROOF(w, "rcode 3 aa\n" SOA, NAMES("ent.z.test."),
		  NAMES("b.ent.z.test.", "*.ent.z.test."), "b.ent.z.test.", RRTYPE_A);
	// Below the wildcard itself there is nothing.
	ASK_PROOF(w, "rcode 3 aa\n" SOA, NAMES("*.w.z.test."),
		  NAMES("q.*.w.z.test.", "*.*.w.z.test."), "q.*.w.z.test.", RRTYPE_A);
}

static void test_nsec3_name_error(void)
{
	both_name_error(&nsec3);
	both_name_error(&opt_out);
	both_name_error(&resalted);
	// "out" is there in both, but with opt-out nothing proves it.
	ASK_PROOF(&nsec3, "rcode 3 aa\n" SOA, NAMES("out.z.test."),
		  NAMES("x.out.z.test.", "*.out.z.test."), "x.out.z.test.", RRTYPE_A);
	ASK_PROOF(&opt_out, "rcode 3 aa\n" SOA, NAMES("z.test."), NAMES("out.z.test.", "*.z.test."),
		  "x.out.z.test.", RRTYPE_A);
}

// The owner of an NSEC3 is no name (RFC 5155 section 7.2.8), whatever is asked.
static void test_nsec3_owner(void)
{
	struct nsec3_params p = { 0 };
	struct name apex;
	uint8_t hash[NSEC3_HASH_OCTETS];
	char name[64] = { 0 };
	name_from_text("z.test.", &apex);
	nsec3_hash(apex.wire, apex.len, &p, hash);
	nsec3_label(hash, (uint8_t *)name);
	strcat(name, ".z.test.");
	static const uint16_t types[] = { RRTYPE_NSEC3, RRTYPE_RRSIG, RRTYPE_A, RRTYPE_ANY };
	for (unsigned i = 0; i < 4; i++)
		ASK_PROOF(&nsec3, "rcode 3 aa\n" SOA, NAMES("z.test."), NAMES(name, "*.z.test."),
			  name, types[i]);
	ASK(&nsec3, "rcode 3 aa\nns z.test. 60 SOA ns1.z.test. root.z.test. 1 3600 600 86400 60\n",
	    name, RRTYPE_NSEC3);
}

static void both_no_data(struct world *w)
{
	ASK_PROOF(w, "rcode 0 aa\n" SOA, NAMES("ns1.z.test."), NAMES(NULL), "ns1.z.test.",
		  RRTYPE_MX);
	ASK_PROOF(w, "rcode 0 aa\n" SOA, NAMES("ns1.z.test."), NAMES(NULL), "ns1.z.test.",
		  RRTYPE_NSEC3);
	ASK_PROOF(w, "rcode 0 aa\n" SOA, NAMES("z.test."), NAMES(NULL), "z.test.", RRTYPE_DS);
	ASK_PROOF(w, "rcode 0 aa\n" SOA, NAMES("ent.z.test."), NAMES(NULL), "ent.z.test.",
		  RRTYPE_A);
	ASK_PROOF(w, "rcode 0 aa\n" SOA, NAMES("d.z.test."), NAMES(NULL), "d.z.test.", RRTYPE_A);
}

static void test_nsec3_no_data(void)
{
	both_no_data(&nsec3);
	both_no_data(&opt_out);
	both_no_data(&resalted);
	ASK_PROOF(&nsec3, "rcode 0 aa\n" SOA, NAMES("ins.z.test."), NAMES(NULL), "ins.z.test.",
		  RRTYPE_DS);
	ASK_PROOF(&opt_out, "rcode 0 aa\n" SOA, NAMES("z.test."), NAMES("ins.z.test."),
		  "ins.z.test.", RRTYPE_DS);
	ASK_PROOF(&nsec3, "rcode 0 aa\n" SOA, NAMES("out.z.test."), NAMES(NULL), "out.z.test.",
		  RRTYPE_A);
	ASK_PROOF(&opt_out, "rcode 0 aa\n" SOA, NAMES("z.test."), NAMES("out.z.test."),
		  "out.z.test.", RRTYPE_A);
	ASK_PROOF(&opt_out, "rcode 0 aa\n" SOA, NAMES("z.test."), NAMES("out.z.test."),
		  "deep.out.z.test.", RRTYPE_DS);
}

static void both_wildcard(struct world *w)
{
	ASK_PROOF(w,
		  "rcode 0 aa\nan p.q.w.z.test. 300 A 192.0.2.3\n" SIG("an", "p.q.w.z.test.", "300",
								       "A", "3"),
		  NAMES(NULL), NAMES("q.w.z.test."), "p.q.w.z.test.", RRTYPE_A);
	ASK_PROOF(w, "rcode 0 aa\n" SOA, NAMES("w.z.test.", "*.w.z.test."), NAMES("q.w.z.test."),
		  "p.q.w.z.test.", RRTYPE_TXT);
	ASK_PROOF(w, "rcode 0 aa\n" SOA, NAMES("we.z.test.", "*.we.z.test."), NAMES("q.we.z.test."),
		  "q.we.z.test.", RRTYPE_TXT);
	ASK_PROOF(w,
		  "rcode 3 aa\nan a.wn.z.test. 300 CNAME q.wx.z.test.\n" SIG(
			  "an", "a.wn.z.test.", "300", "CNAME",
			  "3") "an q.wx.z.test. 300 CNAME nope.z.test.\n" SIG("an", "q.wx.z.test.",
									      "300", "CNAME", "3")
			  SOA,
		  NAMES("z.test."),
		  NAMES("a.wn.z.test.", "q.wx.z.test.", "nope.z.test.", "*.z.test."),
		  "a.wn.z.test.", RRTYPE_A, .tcp = true);
}

static void test_nsec3_wildcard(void)
{
	both_wildcard(&nsec3);
	both_wildcard(&opt_out);
	both_wildcard(&resalted);
}

static void test_nsec3_referral(void)
{
	ASK_DO(&nsec3, "rcode 0\n" SEC_NS, "x.sec.z.test.", RRTYPE_A);
	ASK_PROOF(&nsec3, "rcode 0\n" INS_NS INS_GLUE, NAMES("ins.z.test."), NAMES(NULL),
		  "x.y.ins.z.test.", RRTYPE_A);
	for (unsigned i = 0; i < 2; i++)
		ASK_PROOF(i ? &opt_out : &resalted, "rcode 0\n" INS_NS INS_GLUE, NAMES("z.test."),
			  NAMES("ins.z.test."), "x.y.ins.z.test.", RRTYPE_A);
	ASK_PROOF(&opt_out,
		  "rcode 0\nns deep.out.z.test. 300 NS ns1.z.test.\n" NS1_A("ar") NS1_AAAA,
		  NAMES("z.test."), NAMES("out.z.test."), "x.deep.out.z.test.", RRTYPE_A);
	ASK_PROOF(&opt_out,
		  "rcode 0 aa\nan cins.z.test. 300 CNAME x.ins.z.test.\n" SIG(
			  "an", "cins.z.test.", "300", "CNAME", "3") INS_NS INS_GLUE,
		  NAMES("z.test."), NAMES("ins.z.test."), "cins.z.test.", RRTYPE_A);
}

// ANY leads to the owner of a DNAME that led on: that and its signature are not given
// again, its NSEC is.
static void test_dname_again(void)
{
#define SEC_SIG(owner, of, labels) \
	"an " owner ".sec.z.test. 300 RRSIG " of " " labels " sec.z.test.\n"
	ASK(&family,
	    "rcode 0 aa\nan ra.sec.z.test. 300 DNAME rb.sec.z.test.\n" SEC_SIG(
		    "ra", "DNAME",
		    "4") "an ra.ra.sec.z.test. 300 CNAME ra.rb.sec.z.test.\n"
			 "an rb.sec.z.test. 300 DNAME sec.z.test.\n" SEC_SIG(
				 "rb", "DNAME",
				 "4") "an ra.rb.sec.z.test. 300 CNAME ra.sec.z.test.\n"
				      "an ra.sec.z.test. 60 NSEC rb.sec.z.test. DNAME RRSIG NSEC\n"
				      "an ra.sec.z.test. 60 RRSIG NSEC 4 sec.z.test.\nopt 1232 0 "
				      "8000 0\n",
	    "ra.ra.sec.z.test.", RRTYPE_ANY, .edns = 1232, .dnssec_ok = true, .tcp = true);
}

// --- what does not fit -------------------------------------------------------------

// The DNAME fits, its signature does not: the rcode is known all the same.
static void test_dname_too_long(void)
{
	ASK(&family,
	    "rcode 6 aa tc\nan long.sec.z.test. 300 DNAME " L63 L63 L63 "\nopt 1232 0 8000 0\n",
	    L63 L63 L63 "long.sec.z.test.", RRTYPE_A, .edns = 512, .dnssec_ok = true);
}

// Whatever the size: without TC nothing is missing but additional data.
static void test_sizes(void)
{
	static const struct ask questions[] = {
		QUESTION("z.test.", RRTYPE_MX),        QUESTION("a.wn.z.test.", RRTYPE_A),
		QUESTION("nope.z.test.", RRTYPE_A),    QUESTION("x.ins.z.test.", RRTYPE_A),
		QUESTION("p.q.w.z.test.", RRTYPE_TXT), QUESTION("hidden.d.z.test.", RRTYPE_A),
		QUESTION("cins.z.test.", RRTYPE_A),
	};
	struct world *worlds[] = { &nsec, &nsec3, &opt_out };
	static char whole[64 * 1024];
	unsigned cut = 0, shortened = 0;
	for (unsigned i = 0; i < 3 * sizeof(questions) / sizeof(questions[0]); i++) {
		struct ask a = questions[i / 3];
		a.dnssec_ok = true;
		a.edns = 4096;
		a.tcp = true;
		snprintf(whole, sizeof(whole), "%s", ask(worlds[i % 3], &a));
		size_t size = ask_reply_octets, required = (size_t)(strstr(whole, "ar ") - whole);
		if (!strstr(whole, "\nar "))
			required = (size_t)(strstr(whole, "opt ") - whole);
		a.tcp = false;
		for (a.edns = 512; a.edns < size + 1 && a.edns <= 1232; a.edns++) {
			const char *text = ask(worlds[i % 3], &a);
			bool tc = strstr(text, " tc\n") != NULL;
			cut += tc;
			shortened += !tc && a.edns < size;
			CU_ASSERT(ask_reply_octets <= a.edns);
			CU_ASSERT(tc || strncmp(text, whole, required) == 0);
		}
	}
	CU_ASSERT(cut > 100 && shortened > 100);
}

// Chains that are not as they should be: what there is of proofs is given, and
// nothing is read or written where nothing is.
static void test_broken_chains(void)
{
	// There is an NSEC3 for a name that does not exist, the longest possible too.
	ASK_PROOF(&stale, "rcode 3 aa\n" SOA, NAMES("a.ns1.z.test."), NAMES("*.ns1.z.test."),
		  "a.ns1.z.test.", RRTYPE_A);
	ASK_PROOF(&stale, "rcode 3 aa\n" SOA, NAMES("a." L253 "z.test."),
		  NAMES("*." L253 "z.test."), "a." L253 "z.test.", RRTYPE_A, .tcp = true);
	// That of "a", which would cover the name, is missing.
	ASK_DO(&holes,
	       "rcode 3 aa\n" SOA "ns z.test. 60 NSEC a.z.test. NS SOA RRSIG NSEC\n" SIG(
		       "ns", "z.test.", "60", "NSEC", "2"),
	       "aa.z.test.", RRTYPE_A);
	ASK_DO(&holes, "rcode 0 aa\n" SOA, "a.z.test.", RRTYPE_MX);
}

// In a burst each query is answered as if it were alone.
static void test_burst(void)
{
	static const struct ask questions[] = {
		QUESTION("nope.z.test.", RRTYPE_A),  QUESTION("ns1.z.test.", RRTYPE_A),
		QUESTION("ns1.z.test.", RRTYPE_MX),  QUESTION("ent.z.test.", RRTYPE_A),
		QUESTION("x.ins.z.test.", RRTYPE_A), QUESTION("x.sec.z.test.", RRTYPE_A),
		QUESTION("p.q.w.z.test.", RRTYPE_A), QUESTION("p.q.w.z.test.", RRTYPE_MX),
		QUESTION("a.wn.z.test.", RRTYPE_A),  QUESTION("q.we.z.test.", RRTYPE_A),
		QUESTION("q.d.z.test.", RRTYPE_A),   QUESTION("ins.z.test.", RRTYPE_DS),
		QUESTION("x.out.z.test.", RRTYPE_A), QUESTION("out.z.test.", RRTYPE_A),
		QUESTION("cins.z.test.", RRTYPE_A),  QUESTION("z.test.", RRTYPE_ANY),
		QUESTION("elsewhere.", RRTYPE_A),    QUESTION("zz.nope.z.test.", RRTYPE_ANY),
	};
	enum { COUNT = sizeof(questions) / sizeof(questions[0]), ROOM = 4096 };
	static uint8_t bufs[COUNT][ROOM], alone[ROOM];
	struct world *worlds[] = { &nsec, &nsec3, &opt_out, &holes, &stale, &plain };
	for (unsigned w = 0; w < sizeof(worlds) / sizeof(worlds[0]); w++) {
		struct answer_item items[COUNT];
		for (unsigned i = 0; i < COUNT; i++) {
			struct ask a = questions[i];
			a.edns = 1232;
			a.dnssec_ok = i % 5 != 4;
			items[i] = (struct answer_item){ .buf = bufs[i], .capacity = ROOM };
			items[i].query_len = (uint16_t)ask_build(&a, bufs[i]);
		}
		answer_burst(worlds[w]->ctx, zonedb_view(worlds[w]->db), items, COUNT);
		for (unsigned i = 0; i < COUNT; i++) {
			struct ask a = questions[i];
			a.edns = 1232;
			a.dnssec_ok = i % 5 != 4;
			size_t len = ask_build(&a, alone);
			len = answer(worlds[w]->ctx, zonedb_view(worlds[w]->db), &items[i].peer,
				     alone, len, ROOM);
			CU_ASSERT(len == items[i].reply_len && memcmp(alone, bufs[i], len) == 0);
		}
		rcu_reader_quiescent();
	}
}

static const struct unit_test tests[] = {
	{ "positive", test_positive },
	{ "without DO", test_without_do },
	{ "any", test_any },
	{ "parent and child", test_parent_and_child },
	{ "across zones", test_across_zones },
	{ "NSEC name error", test_nsec_name_error },
	{ "NSEC no data", test_nsec_no_data },
	{ "NSEC wildcard", test_nsec_wildcard },
	{ "NSEC chains", test_nsec_chains },
	{ "referral", test_referral },
	{ "unsigned zone", test_unsigned_zone },
	{ "NSEC3 name error", test_nsec3_name_error },
	{ "NSEC3 owner", test_nsec3_owner },
	{ "NSEC3 no data", test_nsec3_no_data },
	{ "NSEC3 wildcard", test_nsec3_wildcard },
	{ "NSEC3 referral", test_nsec3_referral },
	{ "DNAME again", test_dname_again },
	{ "DNAME too long", test_dname_too_long },
	{ "sizes", test_sizes },
	{ "broken chains", test_broken_chains },
	{ "burst", test_burst },
};

int main(void)
{
	build_worlds();
	int failed = unit_run("answer_dnssec", tests, sizeof(tests) / sizeof(tests[0]));
	world_close(&across);
	world_close(&family);
	world_close(&resalted);
	world_close(&plain);
	world_close(&holes);
	world_close(&stale);
	world_close(&opt_out);
	world_close(&nsec3);
	world_close(&nsec);
	return failed;
}
