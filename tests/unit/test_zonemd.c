// SPDX-License-Identifier: BSD-3-Clause
// Digests of zones: the examples of RFC 8976, and what must not pass for verified.
#include "zonemd.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/world.h"
#include "unit.h"

// The zones of RFC 8976 appendix A.1, A.2 and A.3 without their digests.
static const char simple[] = "@ 86400 SOA ns1 admin 2018031900 1800 900 604800 86400\n"
			     "@ 86400 NS ns1\n"
			     "@ 86400 NS ns2\n"
			     "ns1 3600 A 203.0.113.63\n"
			     "ns2 3600 AAAA 2001:db8::63\n";

static const char complex_zone[] =
	"@ 86400 SOA ns1 admin 2018031900 1800 900 604800 86400\n"
	"@ 86400 NS ns1\n"
	"@ 86400 NS ns2\n"
	"ns1 3600 A 203.0.113.63\n"
	"NS2 3600 AAAA 2001:db8::63\n"
	"occluded.sub 7200 TXT \"I'm occluded but must be digested\"\n"
	"sub 7200 NS ns1\n"
	"duplicate 300 TXT \"I must be digested just once\"\n"
	"duplicate 300 TXT \"I must be digested just once\"\n"
	"UPPERCASE 3600 TXT \"canonicalize uppercase owner names\"\n"
	"* 777 PTR dont-forget-about-wildcards\n"
	"mail 3600 MX 20 MAIL1\n"
	"mail 3600 MX 10 Mail2.Example.\n"
	"sortme 3600 AAAA 2001:db8::5:61\n"
	"sortme 3600 AAAA 2001:db8::3:62\n"
	"sortme 3600 AAAA 2001:db8::4:63\n"
	"sortme 3600 AAAA 2001:db8::1:65\n"
	"sortme 3600 AAAA 2001:db8::2:64\n"
	"non-apex 900 ZONEMD \\# 54 7848b91c0101616c6c6f776564206275742069676e6f7265642e20616"
	"c6c6f776564206275742069676e6f7265642e20616c6c6f7765\n";

static const char several[] = "@ 86400 SOA ns1 admin 2018031900 1800 900 604800 86400\n"
			      "@ 86400 NS ns1\n"
			      "@ 86400 NS ns2\n"
			      "ns1 3600 A 203.0.113.63\n"
			      "ns2 86400 TXT \"This example has multiple digests\"\n"
			      "NS2 3600 AAAA 2001:db8::63\n";

#define SERIAL "7848b91c"
#define SIMPLE_384                                                         \
	"c68090d90a7aed716bc459f9340e3d7c1370d4d24b7e2fc3a1ddc0b9a87153b9" \
	"a9713b3c9ae5cc27777f98b8e730044c"
#define COMPLEX_384                                                        \
	"a3b69bad980a3504e1cffcb0fd6397f93848071c93151f552ae2f6b1711d4bd2" \
	"d8b39808226d7b9db71e34b72077f8fe"
#define SEVERAL_384                                                        \
	"62e6cf51b02e54b9b5f967d547ce43136792901f9f88e637493daaf401c92c27" \
	"9dd10f0edb1c56f8080211f8480ee306"
#define SEVERAL_512                                                        \
	"08cfa1115c7b948c4163a901270395ea226a930cd2cbcf2fa9a5e6eb85f37c8a" \
	"4e114d884e66f176eab121cb02db7d652e0cc4827e7a3204f166b47e5613fd27"
#define SEVERAL_240 "e2d523f654b9422a96c5a8f44607bbee"

// A ZONEMD record's line: of scheme and hash ("0101") and so many octets of digest.
#define ZONEMD(octets, kind, digest) "@ 86400 ZONEMD \\# " #octets " " SERIAL kind digest "\n"

// Of NSEC3 records between names, one of whose owners is a name as well, with
// signatures of types before and behind RRSIG. The digest is dnspython's.
static const char nsec3[] =
	"@ 86400 SOA ns1.example. admin.example. 7 1800 900 604800 86400\n"
	"@ 86400 NS Ns1.example.\n"
	"@ 86400 NSEC3PARAM \\# 5 0100000000\n"
	"@ 300 ZONEMD \\# 70 00000007010293ca8e8b8c12028ad0beaf4b1cc795352a349d0a61f2bd0e4dcd"
	"05279bc22e6c90da23292d7400fcbb6aa3668dc23b788ca12e16df679333fbc7353e236ccbb2\n"
	"@ 86400 RRSIG \\# 30 003f08010000012c70dbd8805e0be1000001076578616d706c6500000000\n"
	"@ 86400 RRSIG \\# 30 000608010000012c70dbd8805e0be1000001076578616d706c6500000000\n"
	"@ 86400 RRSIG \\# 30 000208010000012c70dbd8805e0be1000001076578616d706c6500041041\n"
	"ns1.example. 3600 A 192.0.2.1\n"
	"b.example. 60 TXT \\# 8 076265747765656e\n"
	"0a2b.example. 60 TXT \\# 7 066265666f7265\n"
	"0P9MHAVEQVM6T7VBL5LOP2U3T2RP3TOM.example. 900 NSEC3 \\# 34 010000000014174eb2409fe28"
	"bcb4887a1836f957f0a8425e27b0006220000000002\n"
	"0P9MHAVEQVM6T7VBL5LOP2U3T2RP3TOM.example. 900 RRSIG \\# 30 003208020000038470dbd8805"
	"e0be1000001074578616d706c6500000000\n"
	"0P9MHAVEQVM6T7VBL5LOP2U3T2RP3TOM.example. 60 TXT \\# 12 0b61206e616d652c20746f6f\n"
	"0P9MHAVEQVM6T7VBL5LOP2U3T2RP3TOM.example. 60 CAA \\# 17 0005697373756563612e6578616d"
	"706c65\n"
	"0P9MHAVEQVM6T7VBL5LOP2U3T2RP3TOM.example. 60 RRSIG \\# 30 001008020000003c70dbd8805e"
	"0be1000001074558414d504c4500000000\n"
	"0P9MHAVEQVM6T7VBL5LOP2U3T2RP3TOM.example. 60 RRSIG \\# 30 010108020000003c70dbd8805e"
	"0be1000001074558414d504c4500000000\n"
	"2T7B4G4VSA5SMI47K61MV5BV1A22BOJR.example. 900 NSEC3 \\# 29 010000000014065368abeed7e"
	"c6e9feba96b8c8bc3e8b791f716000140\n"
	"zz.example. 60 MX 10 Mail.EXAMPLE.\n"
	"zz.example. 60 MX 10 mail2.example.\n"
	"zz.example. 60 CAA \\# 17 0005697373756543412e6578616d706c65\n";

// Digests the published zone in slices of so many octets.
static enum zonemd_verdict verify(struct world *w, const char *apex_text, size_t slice)
{
	struct name apex;
	struct zonemd *m = NULL;
	name_from_text(apex_text, &apex);
	const struct catalog *view = zonedb_view(w->db);
	enum zonemd_verdict v = zonemd_begin(view, catalog_zone(view, apex.wire), &m);
	CU_ASSERT((v == ZONEMD_UNDECIDED) == (m != NULL));
	while (m && v == ZONEMD_UNDECIDED)
		v = zonemd_step(m, slice);
	zonemd_free(m);
	return v;
}

static enum zonemd_verdict verdict_of(const char *zone, const char *records)
{
	static char text[8192];
	struct world w;
	snprintf(text, sizeof(text), "%s%s", zone, records);
	world_open(&w);
	world_zone(&w, "example.", text);
	enum zonemd_verdict v = verify(&w, "example.", 1 << 20);
	CU_ASSERT_EQUAL(verify(&w, "example.", 1), v);
	world_close(&w);
	return v;
}

static void test_examples(void)
{
	CU_ASSERT_EQUAL(verdict_of(simple, ZONEMD(54, "0101", SIMPLE_384)), ZONEMD_VERIFIED);
	CU_ASSERT_EQUAL(verdict_of(complex_zone, ZONEMD(54, "0101", COMPLEX_384)), ZONEMD_VERIFIED);
	CU_ASSERT_EQUAL(verdict_of(several,
				   ZONEMD(54, "0101", SEVERAL_384) ZONEMD(70, "0102", SEVERAL_512)
					   ZONEMD(22, "01f0", SEVERAL_240)
						   ZONEMD(22, "f101", SEVERAL_240)),
			ZONEMD_VERIFIED);
	// Each of the two hashes alone.
	CU_ASSERT_EQUAL(verdict_of(several, ZONEMD(54, "0101", SEVERAL_384)), ZONEMD_VERIFIED);
	CU_ASSERT_EQUAL(verdict_of(several, ZONEMD(70, "0102", SEVERAL_512)), ZONEMD_VERIFIED);
}

static void test_nsec3(void)
{
	CU_ASSERT_EQUAL(verdict_of(nsec3, ""), ZONEMD_VERIFIED);
	CU_ASSERT_EQUAL(verdict_of(nsec3, "another 60 A 192.0.2.2\n"), ZONEMD_MISMATCH);
}

static void test_nothing_to_verify(void)
{
	CU_ASSERT_EQUAL(verdict_of(simple, ""), ZONEMD_ABSENT);
	CU_ASSERT_EQUAL(verdict_of(several,
				   ZONEMD(22, "01f0", SEVERAL_240) ZONEMD(22, "f101", SEVERAL_240)),
			ZONEMD_UNSUPPORTED);
	// Elsewhere than at the apex it is a record like others.
	CU_ASSERT_EQUAL(verdict_of(simple, "ns1 60 ZONEMD \\# 54 " SERIAL "0101" SIMPLE_384 "\n"),
			ZONEMD_ABSENT);
}

static void test_mismatch(void)
{
	// Another digest, a shorter one, another serial.
	CU_ASSERT_EQUAL(verdict_of(simple, ZONEMD(54, "0101", COMPLEX_384)), ZONEMD_MISMATCH);
	CU_ASSERT_EQUAL(verdict_of(simple, ZONEMD(22, "0101", SEVERAL_240)), ZONEMD_MISMATCH);
	CU_ASSERT_EQUAL(verdict_of(simple, "@ 86400 ZONEMD \\# 6 " SERIAL "0101\n"),
			ZONEMD_MISMATCH);
	CU_ASSERT_EQUAL(verdict_of(simple, "@ 86400 ZONEMD \\# 54 7848b91d0101" SIMPLE_384 "\n"),
			ZONEMD_MISMATCH);
	// A record more; a TTL.
	CU_ASSERT_EQUAL(verdict_of(simple, "x 60 TXT x\n" ZONEMD(54, "0101", SIMPLE_384)),
			ZONEMD_MISMATCH);
	// Two of one kind make neither of use (section 2); one of another kind still is.
	CU_ASSERT_EQUAL(
		verdict_of(several, ZONEMD(54, "0101", SEVERAL_384) ZONEMD(54, "0101", SIMPLE_384)),
		ZONEMD_MISMATCH);
	CU_ASSERT_EQUAL(verdict_of(several,
				   ZONEMD(54, "0101", SEVERAL_384) ZONEMD(54, "0101", SIMPLE_384)
					   ZONEMD(70, "0102", SEVERAL_512)),
			ZONEMD_VERIFIED);
	CU_ASSERT_EQUAL(
		verdict_of(several, ZONEMD(54, "0101", SIMPLE_384) ZONEMD(70, "0102", SEVERAL_512)),
		ZONEMD_VERIFIED);
}

// Records of more than the buffer, and of more than any slice.
static void test_large(void)
{
	struct world w;
	char *text = malloc(4 << 20), *at = text;
	CU_ASSERT_PTR_NOT_NULL_FATAL(text);
	at += sprintf(at, "%s" ZONEMD(54, "0101", SIMPLE_384), simple);
	for (int i = 0; i < 20; i++) {
		at += sprintf(at, "big 60 TYPE65280 \\# 60000 %02x", i);
		for (int k = 1; k < 60000; k++)
			at += sprintf(at, "00");
		at += sprintf(at, "\n");
	}
	world_open(&w);
	world_zone(&w, "example.", text);
	CU_ASSERT_EQUAL(verify(&w, "example.", 1000), ZONEMD_MISMATCH);
	world_close(&w);
	free(text);
}

UNIT_MAIN("zonemd", { "examples of RFC 8976", test_examples }, { "NSEC3", test_nsec3 },
	  { "nothing to verify", test_nothing_to_verify }, { "mismatch", test_mismatch },
	  { "large", test_large })
