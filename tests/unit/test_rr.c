// SPDX-License-Identifier: BSD-3-Clause
// Record types: mnemonics, and rdata with its names decompressed and checked.
#include <stdlib.h>
#include <string.h>

#include "understudy/rr.h"
#include "understudy/wire.h"
#include "unit/unit.h"

// Every message begins with the name "a.bc." at offset 0; rdata follows it.
#define PREFIX     "\001a\002bc\000"
#define PREFIX_LEN 6
#define A_BC       PREFIX
#define PTR_A_BC   "\300\000"
#define PTR_BC     "\300\002"

struct rdata {
	const char *octets;
	size_t len;
};
#define RDATA(s)                 \
	{                        \
		s, sizeof(s) - 1 \
	}

static enum result read_rdata(uint16_t type, const struct rdata *in, uint8_t *out,
			      uint16_t *out_len)
{
	size_t len = PREFIX_LEN + in->len;
	uint8_t *msg = malloc(len);
	CU_ASSERT_PTR_NOT_NULL_FATAL(msg);
	memcpy(msg, PREFIX, PREFIX_LEN);
	memcpy(msg + PREFIX_LEN, in->octets, in->len);
	struct wire w = wire_init(msg, len);
	w.pos += PREFIX_LEN;
	enum result r = rdata_read(&w, type, (uint16_t)in->len, out, 65535, out_len);
	CU_ASSERT_EQUAL(w.failed, r != RESULT_OK);
	CU_ASSERT(r != RESULT_OK || wire_left(&w) == 0);
	free(msg);
	return r;
}

static const struct {
	uint16_t type;
	struct rdata in;
	struct rdata out; // octets NULL: malformed
} cases[] = {
	{ RRTYPE_A, RDATA("\1\2\3\4"), RDATA("\1\2\3\4") },
	{ RRTYPE_A, RDATA("\1\2\3"), { NULL, 0 } },
	{ RRTYPE_A, RDATA("\1\2\3\4\5"), { NULL, 0 } },
	{ RRTYPE_AAAA, RDATA("0123456789abcdef"), RDATA("0123456789abcdef") },
	{ RRTYPE_AAAA, RDATA("0123456789abcde"), { NULL, 0 } },
	{ RRTYPE_NS, RDATA(PTR_A_BC), RDATA(A_BC) },
	{ RRTYPE_NS, RDATA(A_BC), RDATA(A_BC) },
	{ RRTYPE_NS, RDATA(A_BC "x"), { NULL, 0 } },
	{ RRTYPE_NS, RDATA("\001a"), { NULL, 0 } },
	{ RRTYPE_NS, RDATA(""), { NULL, 0 } },
	{ RRTYPE_CNAME, RDATA("\001x" PTR_BC), RDATA("\001x\002bc\000") },
	{ RRTYPE_SOA, RDATA(PTR_A_BC "\001x" PTR_BC "0123456789abcdefghij"),
	  RDATA(A_BC "\001x\002bc\000"
		     "0123456789abcdefghij") },
	{ RRTYPE_SOA, RDATA(PTR_A_BC PTR_BC "0123456789abcdefghi"), { NULL, 0 } },
	{ RRTYPE_SOA, RDATA(PTR_A_BC PTR_BC "0123456789abcdefghijk"), { NULL, 0 } },
	{ RRTYPE_MX, RDATA("\0\12" PTR_A_BC), RDATA("\0\12" A_BC) },
	{ RRTYPE_MX, RDATA("\0"), { NULL, 0 } },
	{ RRTYPE_MINFO, RDATA(PTR_A_BC PTR_BC), RDATA(A_BC "\002bc\000") },
	{ RRTYPE_RP, RDATA(PTR_A_BC PTR_BC), RDATA(A_BC "\002bc\000") },
	{ RRTYPE_AFSDB, RDATA("\0\1" PTR_BC), RDATA("\0\1\002bc\000") },
	{ RRTYPE_RT, RDATA("\0\1" PTR_BC), RDATA("\0\1\002bc\000") },
	{ RRTYPE_KX, RDATA("\0\1" PTR_BC), RDATA("\0\1\002bc\000") },
	{ RRTYPE_PX, RDATA("\0\1" PTR_BC PTR_BC), RDATA("\0\1\002bc\000\002bc\000") },
	{ RRTYPE_PX, RDATA("\0\1" PTR_BC), { NULL, 0 } },
	{ RRTYPE_SRV, RDATA("\0\1\0\2\0\65" PTR_BC), RDATA("\0\1\0\2\0\65\002bc\000") },
	{ RRTYPE_SRV, RDATA("\0\1\0\2\0"), { NULL, 0 } },
	{ RRTYPE_NAPTR, RDATA("\0\1\0\2\1s\2ab\0" PTR_BC), RDATA("\0\1\0\2\1s\2ab\0\002bc\000") },
	{ RRTYPE_NAPTR, RDATA("\0\1\0\2\1s\2ab\7x" PTR_BC), { NULL, 0 } },
	{ RRTYPE_NAPTR, RDATA("\0\1\0\2\0\0"), { NULL, 0 } },
	{ RRTYPE_DNAME, RDATA(PTR_BC), RDATA("\002bc\000") },
	{ RRTYPE_NXT, RDATA(PTR_BC "\100\0"), RDATA("\002bc\000\100\0") },
	{ RRTYPE_SIG, RDATA("0123456789abcdefgh" PTR_BC "sig"),
	  RDATA("0123456789abcdefgh\002bc\000sig") },
	{ RRTYPE_RRSIG, RDATA("0123456789abcdefgh" PTR_BC "sig"),
	  RDATA("0123456789abcdefgh\002bc\000sig") },
	{ RRTYPE_RRSIG, RDATA("0123456789abcdefg"), { NULL, 0 } },
	{ RRTYPE_NSEC, RDATA(PTR_BC "\0\1\100"), RDATA("\002bc\000\0\1\100") },
	{ RRTYPE_NSEC3, RDATA("\1\0\0\0\0\2hh\0\1\100"), RDATA("\1\0\0\0\0\2hh\0\1\100") },
	{ RRTYPE_NSEC3, RDATA("\1\0\0\0\4ab"), { NULL, 0 } },
	{ RRTYPE_NSEC3PARAM, RDATA("\1\0\0\0\2ab"), RDATA("\1\0\0\0\2ab") },
	{ RRTYPE_NSEC3PARAM, RDATA("\1\0\0\0\2abc"), { NULL, 0 } },
	{ RRTYPE_DS, RDATA("\0\1\10\2"), RDATA("\0\1\10\2") },
	{ RRTYPE_DS, RDATA("\0\1\10"), { NULL, 0 } },
	{ RRTYPE_SVCB, RDATA("\0\1" A_BC "\0\3\0\2\1\273"), RDATA("\0\1" A_BC "\0\3\0\2\1\273") },
	// What looks like a pointer in the rdata of other types is none.
	{ RRTYPE_TXT, RDATA("\2" PTR_A_BC), RDATA("\2" PTR_A_BC) },
	{ 65280, RDATA(PTR_A_BC), RDATA(PTR_A_BC) },
	{ 65280, RDATA(""), RDATA("") },
};

static void rdata_cases(void)
{
	static uint8_t out[65535];
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint16_t len = 0;
		enum result r = read_rdata(cases[i].type, &cases[i].in, out, &len);
		bool ok = cases[i].out.octets ? r == RESULT_OK && len == cases[i].out.len &&
							memcmp(out, cases[i].out.octets, len) == 0
					      : r == RESULT_MALFORMED;
		CU_ASSERT(ok);
		if (!ok)
			printf("case %zu, type %u: result %d, %u octets\n", i, cases[i].type, r,
			       len);
	}
}

// Rdata ends where RDLENGTH says, even if the message goes on.
static void rdata_stays_inside(void)
{
	static const uint8_t msg[] = "\003www\002bc\000";
	uint8_t out[64];
	uint16_t len;
	for (uint16_t rdlen = 0; rdlen < 8; rdlen++) {
		struct wire w = wire_init(msg, 8);
		CU_ASSERT_EQUAL(rdata_read(&w, RRTYPE_NS, rdlen, out, sizeof(out), &len),
				RESULT_MALFORMED);
	}
	struct wire w = wire_init(msg, 8);
	CU_ASSERT_EQUAL(rdata_read(&w, RRTYPE_NS, 9, out, sizeof(out), &len), RESULT_TRUNCATED);
	CU_ASSERT(w.failed);
	w = wire_init(msg, 8);
	CU_ASSERT_EQUAL(rdata_read(&w, RRTYPE_NS, 8, out, 7, &len), RESULT_NO_SPACE);
	CU_ASSERT_EQUAL(rdata_read(&w, RRTYPE_NS, 8, out, 8, &len), RESULT_OK);
	CU_ASSERT_EQUAL(len, 8);
}

// Names may expand rdata beyond what an RDLENGTH can say.
static void rdata_too_long_decompressed(void)
{
	enum { SIGNATURE = 65500 };
	uint8_t *msg = calloc(1, 12 + 255 + 18 + 2 + SIGNATURE);
	uint8_t *out = malloc(65535);
	CU_ASSERT_PTR_NOT_NULL_FATAL(msg);
	CU_ASSERT_PTR_NOT_NULL_FATAL(out);
	for (unsigned i = 0; i < 127; i++)
		msg[2 * i] = 1;
	wire_poke_be16(msg + 255 + 18, 0xc000);
	for (int over = 0; over < 2; over++) {
		uint16_t rest = (uint16_t)(65535 - 18 - 255 + over), len = 0;
		struct wire w = wire_init(msg, 255 + 18 + 2 + rest);
		w.pos += 255;
		CU_ASSERT_EQUAL(
			rdata_read(&w, RRTYPE_RRSIG, (uint16_t)(18 + 2 + rest), out, 65535, &len),
			over ? RESULT_MALFORMED : RESULT_OK);
		if (!over)
			CU_ASSERT_EQUAL(len, 65535);
	}
	free(msg);
	free(out);
}

static bool equal(uint16_t type, struct rdata a, struct rdata b)
{
	return rdata_equal(type, (const uint8_t *)a.octets, (uint16_t)a.len,
			   (const uint8_t *)b.octets, (uint16_t)b.len);
}
#define EQUAL(type, a, b) equal(type, (struct rdata)RDATA(a), (struct rdata)RDATA(b))

static void rdata_equality(void)
{
	CU_ASSERT(EQUAL(RRTYPE_NS, "\002bc\000", "\002BC\000"));
	CU_ASSERT_FALSE(EQUAL(RRTYPE_NS, "\002bc\000", "\002bd\000"));
	CU_ASSERT_FALSE(EQUAL(RRTYPE_NS, "\002bc\000", "\001b\000"));
	CU_ASSERT(EQUAL(RRTYPE_MX, "\0\1\002bc\000", "\0\1\002Bc\000"));
	CU_ASSERT_FALSE(EQUAL(RRTYPE_MX, "\0A\002bc\000", "\0a\002bc\000"));
	CU_ASSERT(EQUAL(RRTYPE_NAPTR, "\0\0\0\0\1s\0\0\002bc\000", "\0\0\0\0\1s\0\0\002BC\000"));
	CU_ASSERT_FALSE(
		EQUAL(RRTYPE_NAPTR, "\0\0\0\0\1s\0\0\002bc\000", "\0\0\0\0\1S\0\0\002bc\000"));
	CU_ASSERT(EQUAL(RRTYPE_RRSIG, "0123456789abcdefgh\001a\000s",
			"0123456789abcdefgh\001A\000s"));
	CU_ASSERT_FALSE(EQUAL(RRTYPE_RRSIG, "0123456789abcdefgh\001a\000s",
			      "0123456789abcdefgh\001a\000S"));
	CU_ASSERT(EQUAL(RRTYPE_SOA, "\001a\000\001b\0000123456789abcdefghij",
			"\001A\000\001B\0000123456789abcdefghij"));
	// RFC 6840 section 5.1: not in NSEC; and not in types made since.
	CU_ASSERT_FALSE(EQUAL(RRTYPE_NSEC, "\001a\000\0\1\100", "\001A\000\0\1\100"));
	CU_ASSERT_FALSE(EQUAL(RRTYPE_SVCB, "\0\1\001a\000", "\0\1\001A\000"));
	CU_ASSERT_FALSE(EQUAL(RRTYPE_TXT, "\001a", "\001A"));
	CU_ASSERT(EQUAL(RRTYPE_TXT, "", ""));
}

static void shapes_agree_with_rfcs(void)
{
	// RFC 1035's types are those whose names may be compressed (RFC 3597 section 4).
	static const uint16_t compressible[] = {
		RRTYPE_NS, RRTYPE_MD, RRTYPE_MF,  RRTYPE_CNAME, RRTYPE_SOA, RRTYPE_MB,
		RRTYPE_MG, RRTYPE_MR, RRTYPE_PTR, RRTYPE_MINFO, RRTYPE_MX,
	};
	unsigned found = 0;
	for (unsigned type = 0; type <= UINT16_MAX; type++)
		found += rdata_shape((uint16_t)type)->compressible;
	CU_ASSERT_EQUAL(found, sizeof(compressible) / sizeof(compressible[0]));
	for (size_t i = 0; i < sizeof(compressible) / sizeof(compressible[0]); i++)
		CU_ASSERT(rdata_shape(compressible[i])->compressible);
	CU_ASSERT_EQUAL(rdata_shape(65535)->names, 0);
	CU_ASSERT_EQUAL(rdata_shape(65535)->fixed, -1);
}

static void type_texts(void)
{
	static const struct {
		uint16_t type;
		const char *text;
	} known[] = {
		{ 1, "A" },
		{ 28, "AAAA" },
		{ 51, "NSEC3PARAM" },
		{ 65, "HTTPS" },
		{ 257, "CAA" },
		{ 255, "ANY" },
		{ 23, "NSAP-PTR" },
		{ 61, "OPENPGPKEY" },
		{ 32769, "DLV" },
		{ 63, "ZONEMD" },
		{ 54, "TYPE54" },
		{ 0, "TYPE0" },
		{ 65535, "TYPE65535" },
		{ 66, "DSYNC" },
	};
	char buf[RRTYPE_TEXT_SIZE];
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		CU_ASSERT_STRING_EQUAL(rrtype_to_text(known[i].type, buf), known[i].text);
	for (unsigned type = 0; type <= UINT16_MAX; type++) {
		uint16_t back = (uint16_t)~type;
		if (rrtype_from_text(rrtype_to_text((uint16_t)type, buf), &back) != RESULT_OK ||
		    back != type)
			CU_FAIL("a type does not survive its text");
	}
	uint16_t type = 0;
	CU_ASSERT_EQUAL(rrtype_from_text("type00028", &type), RESULT_OK);
	CU_ASSERT_EQUAL(type, 28);
	CU_ASSERT_EQUAL(rrtype_from_text("aaAa", &type), RESULT_OK);
	static const char *const bad[] = { "",       "TYPE", "TYPE65536", "TYPE-1",
					   "TYPE1x", "AA",   "TYPE 1" };
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		CU_ASSERT_EQUAL(rrtype_from_text(bad[i], &type), RESULT_MALFORMED);
}

static void meta_types(void)
{
	static const uint16_t meta[] = { 0, 41, 128, 249, 250, 251, 252, 253, 254, 255 };
	static const uint16_t data[] = { 1, 6, 40, 42, 127, 256, 257, 65280, 65535 };
	for (size_t i = 0; i < sizeof(meta) / sizeof(meta[0]); i++)
		CU_ASSERT(rrtype_is_meta(meta[i]));
	for (size_t i = 0; i < sizeof(data) / sizeof(data[0]); i++)
		CU_ASSERT_FALSE(rrtype_is_meta(data[i]));
}

static void rcode_texts(void)
{
	CU_ASSERT_STRING_EQUAL(rcode_to_text(RCODE_NOERROR), "NOERROR");
	CU_ASSERT_STRING_EQUAL(rcode_to_text(RCODE_REFUSED), "REFUSED");
	CU_ASSERT_STRING_EQUAL(rcode_to_text(RCODE_BADVERS), "BADVERS");
	CU_ASSERT_STRING_EQUAL(rcode_to_text(23), "BADCOOKIE");
	CU_ASSERT_PTR_NULL(rcode_to_text(12));
	CU_ASSERT_PTR_NULL(rcode_to_text(24));
	CU_ASSERT_PTR_NULL(rcode_to_text(65535));
}

UNIT_MAIN("rr", { "rdata of each shape", rdata_cases },
	  { "rdata ends in time", rdata_stays_inside },
	  { "rdata too long once decompressed", rdata_too_long_decompressed },
	  { "equality of rdata", rdata_equality }, { "shapes", shapes_agree_with_rfcs },
	  { "mnemonics of types", type_texts }, { "meta types", meta_types },
	  { "mnemonics of rcodes", rcode_texts })
