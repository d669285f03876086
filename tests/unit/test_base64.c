// SPDX-License-Identifier: BSD-3-Clause
// Base64: what decodes to what, and what is refused.
#include <string.h>

#include "base64.h"
#include "unit.h"

static void decodes(void)
{
	static const struct {
		const char *text;
		const char *octets;
	} cases[] = {
		// RFC 4648 section 10, and white space
		{ "", "" },
		{ "Zg==", "f" },
		{ "Zm8=", "fo" },
		{ "Zm9v", "foo" },
		{ "Zm9vYg==", "foob" },
		{ "Zm9vYmE=", "fooba" },
		{ "Zm9vYmFy", "foobar" },
		{ " Zm9v\n\tYg = =\r\n", "foob" },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint8_t out[16];
		size_t len = 99;
		CU_ASSERT_EQUAL(base64_decode(cases[i].text, out, sizeof(out), &len), RESULT_OK);
		CU_ASSERT_EQUAL(len, strlen(cases[i].octets));
		CU_ASSERT_EQUAL(memcmp(out, cases[i].octets, strlen(cases[i].octets)), 0);
	}
}

static void decodes_all_octets(void)
{
	static const char text[] = "+/8A/v3wDw==";
	static const uint8_t octets[] = { 0xfb, 0xff, 0x00, 0xfe, 0xfd, 0xf0, 0x0f };
	uint8_t out[7];
	size_t len;
	CU_ASSERT_EQUAL(base64_decode(text, out, sizeof(out), &len), RESULT_OK);
	CU_ASSERT_EQUAL(len, sizeof(octets));
	CU_ASSERT_EQUAL(memcmp(out, octets, sizeof(octets)), 0);
}

static void refuses(void)
{
	static const char *const bad[] = {
		"Z",     "Zg",       "Zg=",  "Zg===", "Zm8",  "Zm8==", "=",    "====", "Z===",
		"Zm9v=", "Zg==Zg==", "Zh==", "Zm9=",  "Zm9!", "Zm-v",  "Zm_v", "Z=g=", "\"Zg==\"",
	};
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		uint8_t out[16];
		size_t len = 99;
		CU_ASSERT_EQUAL(base64_decode(bad[i], out, sizeof(out), &len), RESULT_MALFORMED);
		CU_ASSERT_EQUAL(len, 99);
	}
}

static void keeps_to_capacity(void)
{
	uint8_t out[3] = { 0, 0, 0xaa };
	size_t len;
	CU_ASSERT_EQUAL(base64_decode("Zm9v", out, 2, &len), RESULT_NO_SPACE);
	CU_ASSERT_EQUAL(out[2], 0xaa);
	CU_ASSERT_EQUAL(base64_decode("Zm8=", out, 2, &len), RESULT_OK);
	CU_ASSERT_EQUAL(len, 2);
	CU_ASSERT_EQUAL(base64_decode("Zm9vYg==", out, 3, &len), RESULT_NO_SPACE);
}

// Back to the same octets, whatever their number.
static void encodes(void)
{
	uint8_t octets[64], back[64];
	char text[BASE64_TEXT(64)];
	size_t len;
	for (size_t i = 0; i < sizeof(octets); i++)
		octets[i] = (uint8_t)(251 * i + 7);
	for (size_t n = 0; n <= sizeof(octets); n++) {
		base64_encode(octets, n, text);
		CU_ASSERT_EQUAL(strlen(text) + 1, BASE64_TEXT(n));
		CU_ASSERT_EQUAL(base64_decode(text, back, sizeof(back), &len), RESULT_OK);
		CU_ASSERT_EQUAL(len, n);
		CU_ASSERT_EQUAL(memcmp(back, octets, n), 0);
	}
	base64_encode((const uint8_t *)"fooba", 5, text);
	CU_ASSERT_STRING_EQUAL(text, "Zm9vYmE=");
}

UNIT_MAIN("base64", { "encodes", encodes }, { "decodes", decodes },
	  { "decodes all octets", decodes_all_octets }, { "refuses", refuses },
	  { "keeps to capacity", keeps_to_capacity })
