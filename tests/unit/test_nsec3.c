// SPDX-License-Identifier: BSD-3-Clause
// NSEC3 hashes: the zone of RFC 5155 appendix A, case, salt and iterations.
#include <string.h>

#include "understudy/name.h"
#include "understudy/nsec3.h"
#include "unit.h"

static void label_of(const char *text, const struct nsec3_params *p, char label[static 33])
{
	struct name name;
	uint8_t hash[NSEC3_HASH_OCTETS];
	CU_ASSERT_EQUAL_FATAL(name_from_text(text, &name), RESULT_OK);
	nsec3_hash(name.wire, name.len, p, hash);
	nsec3_label(hash, (uint8_t *)label);
	label[NSEC3_LABEL_OCTETS] = 0;
}

static void rfc5155_appendix_a(void)
{
	static const uint8_t salt[] = { 0xaa, 0xbb, 0xcc, 0xdd };
	static const struct nsec3_params p = { .salt = salt, .salt_len = 4, .iterations = 12 };
	static const struct {
		const char *name, *label;
	} cases[] = {
		{ "example", "0p9mhaveqvm6t7vbl5lop2u3t2rp3tom" },
		{ "a.example", "35mthgpgcu1qg68fab165klnsnk3dpvl" },
		{ "ai.example", "gjeqe526plbf1g8mklp59enfd789njgi" },
		{ "ns1.example", "2t7b4g4vsa5smi47k61mv5bv1a22bojr" },
		{ "ns2.example", "q04jkcevqvmu85r014c7dkba38o0ji5r" },
		{ "w.example", "k8udemvp1j2f7eg6jebps17vp3n8i58h" },
		{ "*.w.example", "r53bq7cc2uvmubfu5ocmm6pers9tk9en" },
		{ "x.w.example", "b4um86eghhds6nea196smvmlo4ors995" },
		{ "y.w.example", "ji6neoaepv8b5o6k4ev33abha8ht9fgc" },
		{ "x.y.w.example", "2vptu5timamqttgl4luu9kg21e0aor3s" },
		{ "xx.example", "t644ebqk9bibcna874givr6joj62mlhv" },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char label[33];
		label_of(cases[i].name, &p, label);
		CU_ASSERT_STRING_EQUAL(label, cases[i].label);
	}
}

static void case_is_folded(void)
{
	static const struct nsec3_params p = { .salt = NULL };
	char lower[33], upper[33], other[33];
	label_of("www.a-z.example", &p, lower);
	label_of("WWW.A-Z.EXAMPLE", &p, upper);
	label_of("www.a-y.example", &p, other);
	CU_ASSERT_STRING_EQUAL(lower, upper);
	CU_ASSERT_STRING_NOT_EQUAL(lower, other);
}

// printf '\7example\0' | openssl sha1
static void neither_salt_nor_iterations(void)
{
	static const uint8_t want[NSEC3_HASH_OCTETS] = { 0x1d, 0xb8, 0xef, 0xa7, 0xdc, 0xb3, 0x48,
							 0xbd, 0xa7, 0x89, 0x3f, 0xca, 0x1d, 0x8b,
							 0xad, 0xfd, 0xb6, 0x99, 0x6b, 0x01 };
	static const struct nsec3_params p = { .salt = NULL };
	struct name name;
	uint8_t hash[NSEC3_HASH_OCTETS];
	CU_ASSERT_EQUAL_FATAL(name_from_text("example", &name), RESULT_OK);
	nsec3_hash(name.wire, name.len, &p, hash);
	CU_ASSERT_EQUAL(memcmp(hash, want, sizeof(want)), 0);
}

UNIT_MAIN("nsec3", { "rfc 5155 appendix a", rfc5155_appendix_a },
	  { "case is folded", case_is_folded },
	  { "neither salt nor iterations", neither_salt_nor_iterations })
