// SPDX-License-Identifier: BSD-3-Clause
// Server cookies: the vectors of RFC 9018 appendix A, ages, secrets.
#include "cookie.h"

#include <string.h>

#include "siphash.h"
#include "understudy/wire.h"
#include "unit.h"

static struct answer_config config;
static struct answer_peer peer;

static void secrets(const char *first, const char *second)
{
	config.cookie_secrets = second ? 2 : 1;
	unit_hex(first, config.cookie_secret[0], 16);
	if (second)
		unit_hex(second, config.cookie_secret[1], 16);
}

static void come_from(uint8_t family, const char *address)
{
	peer = (struct answer_peer){ .family = family };
	unit_hex(address, peer.address, 16);
}

// Asks with a cookie in hexadecimal; whether the one sent back is `expected`.
static bool renewed(const char *cookie, enum cookie_verdict verdict, uint64_t now_s,
		    const char *expected)
{
	struct cookie c, wanted;
	size_t octets = unit_hex(cookie, (uint8_t *)&c, sizeof(c));
	unit_hex(expected, (uint8_t *)&wanted, sizeof(wanted));
	CU_ASSERT_EQUAL(cookie_renew(&c, (unsigned)octets - 8, &config, &peer, now_s), verdict);
	return memcmp(&c, &wanted, sizeof(c)) == 0;
}

// The reference's own vectors: the key 00 01 … 0f, and inputs 00 01 … of each length.
static void test_siphash(void)
{
	static const struct {
		size_t len;
		uint64_t hash;
	} vectors[] = {
		{ 0, 0x726fdb47dd0e0e31 }, { 1, 0x74f839c593dc67fd },  { 7, 0xab0200f58b01d137 },
		{ 8, 0x93f5f5799a932462 }, { 15, 0xa129ca6149be45e5 }, { 63, 0x958a324ceb064572 },
	};
	uint8_t in[64];
	for (size_t i = 0; i < sizeof(in); i++)
		in[i] = (uint8_t)i;
	for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++)
		CU_ASSERT_EQUAL(siphash(in, in, vectors[i].len), vectors[i].hash);
}

#define SECRET     "e5e973e5a6b2a43f48e7dc849e37bfcf"
#define OLD_SECRET "dd3bdf9344b678b185a6f5cb60fca715"
#define NEW_SECRET "445536bcd2513298075a5d379663c962"

// RFC 9018 appendix A.1: the first cookie; A.2: it is renewed.
static void test_same_client(void)
{
	static const char first[] = "2464c4abcf10c957010000005cf79f111f8130c3eee29480";
	secrets(SECRET, NULL);
	come_from(4, "c6336464");
	CU_ASSERT(renewed("2464c4abcf10c957", COOKIE_ABSENT, 1559731985, first));
	CU_ASSERT(renewed(first, COOKIE_CONFIRMED, 1559734385,
			  "2464c4abcf10c957010000005cf7a871d4a564a1442aca77"));
}

// Appendix A.3: reserved octets that are not 0 are hashed as they came. In the
// appendix the cookie is too old by then.
static void test_another_client(void)
{
	static const char known[] = "fc93fc62807ddb8601abcdef5cf78f71a314227b6679ebf5";
	secrets(SECRET, NULL);
	come_from(4, "cb0071cb");
	CU_ASSERT(renewed(known, COOKIE_CONFIRMED, 1559727985, known));
	CU_ASSERT(renewed(known, COOKIE_UNKNOWN, 1559734700,
			  "fc93fc62807ddb86010000005cf7a9acf73a7810aca2381e"));
}

// Appendix A.4: IPv6, and a secret that is rolled over.
static void test_rolled_over(void)
{
	static const char old[] = "22681ab97d52c298010000005cf7c57926556bd0934c72f8";
	static const char new[] = "22681ab97d52c298010000005cf7c609a6bb79d16625507a";
	static const char old_now[] = "22681ab97d52c298010000005cf7c609";
	struct cookie c;
	come_from(6, "20010db80220000159ded0f4876982b8");
	secrets(OLD_SECRET, NULL);
	CU_ASSERT(renewed("22681ab97d52c298", COOKIE_ABSENT, 1559741817, old));
	CU_ASSERT(renewed(new, COOKIE_UNKNOWN, 1559741961, old) == false);
	// First the new secret is only known, then it makes the cookies, then it is alone.
	secrets(OLD_SECRET, NEW_SECRET);
	unit_hex(new, (uint8_t *)&c, sizeof(c));
	CU_ASSERT_EQUAL(cookie_renew(&c, 16, &config, &peer, 1559741961), COOKIE_CONFIRMED);
	uint8_t head[16];
	unit_hex(old_now, head, sizeof(head));
	CU_ASSERT(memcmp(&c, head, sizeof(head)) == 0);
	secrets(NEW_SECRET, OLD_SECRET);
	CU_ASSERT_EQUAL(cookie_renew(&c, 16, &config, &peer, 1559741961), COOKIE_CONFIRMED);
	CU_ASSERT(renewed(old, COOKIE_CONFIRMED, 1559741961, new));
	secrets(NEW_SECRET, NULL);
	CU_ASSERT(renewed(old, COOKIE_UNKNOWN, 1559741961, new));
}

// A cookie made at `made_s`, shown at `now_s`.
static enum cookie_verdict shown(uint64_t made_s, uint64_t now_s, bool *kept)
{
	struct cookie c = { .client = { 1, 2, 3, 4, 5, 6, 7, 8 } }, before;
	cookie_renew(&c, 0, &config, &peer, made_s);
	before = c;
	enum cookie_verdict verdict = cookie_renew(&c, 16, &config, &peer, now_s);
	*kept = memcmp(&c, &before, sizeof(c)) == 0;
	return verdict;
}

// An hour it is good, half an hour it is kept, and clocks may differ by five minutes
// (RFC 9018 section 4.3); time wraps in 2106.
static void test_ages(void)
{
	static const struct {
		int64_t age_s;
		enum cookie_verdict verdict;
		bool kept;
	} cases[] = {
		{ 0, COOKIE_CONFIRMED, true },     { 1800, COOKIE_CONFIRMED, true },
		{ 1801, COOKIE_CONFIRMED, false }, { 3600, COOKIE_CONFIRMED, false },
		{ 3601, COOKIE_UNKNOWN, false },   { -300, COOKIE_CONFIRMED, true },
		{ -301, COOKIE_UNKNOWN, false },   { INT64_C(1) << 31, COOKIE_UNKNOWN, false },
	};
	static const int64_t times[] = { 1559731985, 0xffffffff, 0x100000000 };
	bool kept;
	secrets(SECRET, NULL);
	come_from(4, "c6336464");
	for (size_t t = 0; t < 3; t++) {
		for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
			uint64_t now_s = (uint64_t)(times[t] + cases[i].age_s);
			CU_ASSERT_EQUAL(shown((uint64_t)times[t], now_s, &kept), cases[i].verdict);
			CU_ASSERT_EQUAL(kept, cases[i].kept);
		}
	}
}

// Any other octet, address, length or version is none of ours.
static void test_forgeries(void)
{
	static const char good[] = "2464c4abcf10c957010000005cf79f111f8130c3eee29480";
	struct cookie c;
	secrets(SECRET, NEW_SECRET);
	come_from(4, "c6336464");
	for (size_t i = 0; i < sizeof(c); i++) {
		unit_hex(good, (uint8_t *)&c, sizeof(c));
		((uint8_t *)&c)[i] ^= 1;
		CU_ASSERT_EQUAL(cookie_renew(&c, 16, &config, &peer, 1559731985), COOKIE_UNKNOWN);
	}
	for (unsigned octets = 8; octets <= 32; octets++) {
		unit_hex(good, (uint8_t *)&c, sizeof(c));
		CU_ASSERT_EQUAL(cookie_renew(&c, octets, &config, &peer, 1559731985),
				octets == 16 ? COOKIE_CONFIRMED : COOKIE_UNKNOWN);
	}
	come_from(4, "c6336465");
	unit_hex(good, (uint8_t *)&c, sizeof(c));
	CU_ASSERT_EQUAL(cookie_renew(&c, 16, &config, &peer, 1559731985), COOKIE_UNKNOWN);
}

UNIT_MAIN("cookie", { "siphash", test_siphash }, { "the same client", test_same_client },
	  { "another client", test_another_client }, { "secret rolled over", test_rolled_over },
	  { "ages", test_ages }, { "forgeries", test_forgeries })
