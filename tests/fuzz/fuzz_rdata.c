// SPDX-License-Identifier: BSD-3-Clause
// Fuzzes rdata of all types: what is read fits, is uncompressed and reads again.
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "understudy/rr.h"
#include "understudy/wire.h"

// The uncompressed rdata, alone in an exact buffer, reads as itself.
static void check_again(uint16_t type, const uint8_t *rdata, uint16_t len)
{
	uint8_t *alone = malloc(len + 1u), *out = malloc(len + 1u);
	uint16_t again = 0;
	REQUIRE(alone && out);
	memcpy(alone, rdata, len);
	struct wire w = wire_init(alone, len);
	REQUIRE(rdata_read(&w, type, len, out, len, &again) == RESULT_OK);
	REQUIRE(again == len && memcmp(out, rdata, len) == 0 && wire_left(&w) == 0);
	REQUIRE(rdata_equal(type, alone, len, out, len));
	if (len) {
		w = wire_init(alone, len);
		REQUIRE(rdata_read(&w, type, len, out, len - 1u, &again) == RESULT_NO_SPACE);
		// Equality is symmetric, whatever differs.
		if (!rdata_shape(type)->names) {
			out[len / 2] ^= 0x20;
			REQUIRE(!rdata_equal(type, alone, len, out, len));
		}
	}
	free(alone);
	free(out);
}

static void check_type_text(uint16_t type)
{
	char text[RRTYPE_TEXT_SIZE];
	uint16_t back;
	REQUIRE(rrtype_from_text(rrtype_to_text(type, text), &back) == RESULT_OK);
	REQUIRE(back == type);
}

// Two octets of type, one of offset; the rest is a message whose rdata begins at
// the offset and ends with it.
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t out[UINT16_MAX];
	if (size < 3 || size > 3 + UINT16_MAX)
		return 0;
	uint16_t type = wire_peek_be16(data);
	size_t len = size - 3, offset = data[2] <= len ? data[2] : len;
	uint16_t rdlen = (uint16_t)(len - offset), out_len = 0;
	check_type_text(type);
	struct wire w = wire_init(data + 3, len);
	w.pos += offset;
	enum result r = rdata_read(&w, type, rdlen, out, sizeof(out), &out_len);
	REQUIRE(r != RESULT_NO_SPACE && w.failed == (r != RESULT_OK));
	if (r == RESULT_OK) {
		REQUIRE(wire_left(&w) == 0 && out_len >= rdata_shape(type)->lead);
		check_again(type, out, out_len);
	}
	return 0;
}
