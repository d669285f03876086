// SPDX-License-Identifier: BSD-3-Clause
// Base64 as it stands in key files (RFC 4648 section 4).
#include "base64.h"

#include <string.h>

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

// Appends the octets that `group` (of `have` digits and 4 - have pads) holds.
static enum result put_group(uint32_t group, unsigned have, uint8_t *out, size_t cap, size_t *n)
{
	unsigned octets = have - 1; // 4 digits hold 3 octets, 3 hold 2, 2 hold 1
	group <<= 6 * (4 - have);
	if (group & (0xffffffu >> (8 * octets)))
		return RESULT_MALFORMED;
	if (cap - *n < octets)
		return RESULT_NO_SPACE;
	for (unsigned i = 0; i < octets; i++)
		out[(*n)++] = (uint8_t)(group >> (16 - 8 * i));
	return RESULT_OK;
}

enum result base64_decode(const char *text, uint8_t *out, size_t cap, size_t *out_len)
{
	uint32_t group = 0;
	unsigned have = 0, pads = 0;
	size_t n = 0;
	for (const char *p = text; *p; p++) {
		if (strchr(" \t\r\n", *p))
			continue;
		if (*p == '=') {
			if (have + ++pads > 4 || have < 2)
				return RESULT_MALFORMED;
			continue;
		}
		const char *digit = strchr(digits, *p);
		if (!digit || pads)
			return RESULT_MALFORMED;
		group = (group << 6) | (uint32_t)(digit - digits);
		if (++have == 4) {
			enum result r = put_group(group, 4, out, cap, &n);
			if (r)
				return r;
			group = have = 0;
		}
	}
	if (have) {
		if (have + pads != 4)
			return RESULT_MALFORMED;
		enum result r = put_group(group, have, out, cap, &n);
		if (r)
			return r;
	} else if (pads) {
		return RESULT_MALFORMED;
	}
	*out_len = n;
	return RESULT_OK;
}

void base64_encode(const uint8_t *octets, size_t len, char *out)
{
	for (size_t i = 0; i < len; i += 3) {
		uint32_t group = (uint32_t)octets[i] << 16;
		group |= i + 1 < len ? (uint32_t)octets[i + 1] << 8 : 0;
		group |= i + 2 < len ? octets[i + 2] : 0;
		*out++ = digits[group >> 18];
		*out++ = digits[group >> 12 & 63];
		*out++ = i + 1 < len ? digits[group >> 6 & 63] : '=';
		*out++ = i + 2 < len ? digits[group & 63] : '=';
	}
	*out = '\0';
}
