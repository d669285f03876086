// SPDX-License-Identifier: BSD-3-Clause
// CRC32C: the processor's instruction where the build may use it, else bit by bit.
#include "crc32c.h"

#include <string.h>

#define POLYNOMIAL 0x82f63b78u // its bits reversed, as are those of all states

#ifdef __SSE4_2__
#include <nmmintrin.h>

// The instruction takes three cycles and a new one may begin in each: so three lanes of octets
// are done side by side, and put together.
#define LANE_WORDS 512u
#define LANE_SHIFT 0x35d73a62u // x to the power of LANE_WORDS * 64, modulo the polynomial

static uint64_t word_at(const uint8_t *p, size_t i)
{
	uint64_t word;
	memcpy(&word, p + i * sizeof(word), sizeof(word));
	return word;
}

// What a state becomes by a lane of zeros: its product with LANE_SHIFT.
static uint32_t past_lane(uint32_t state)
{
	uint32_t product = 0, factor = LANE_SHIFT;
	for (; state; state <<= 1) {
		product ^= factor & (0 - (state >> 31));
		factor = factor >> 1 ^ (POLYNOMIAL & (0 - (factor & 1)));
	}
	return product;
}

static uint32_t three_lanes(uint32_t state, const uint8_t *p)
{
	uint64_t a = state, b = 0, c = 0;
	for (size_t i = 0; i < LANE_WORDS; i++) {
		a = _mm_crc32_u64(a, word_at(p, i));
		b = _mm_crc32_u64(b, word_at(p, LANE_WORDS + i));
		c = _mm_crc32_u64(c, word_at(p, 2 * LANE_WORDS + i));
	}
	return past_lane(past_lane((uint32_t)a) ^ (uint32_t)b) ^ (uint32_t)c;
}

uint32_t crc32c(uint32_t crc, const void *octets, size_t len)
{
	const size_t round = 3 * LANE_WORDS * sizeof(uint64_t);
	const uint8_t *p = octets;
	uint32_t state = ~crc;
	for (; len >= round; len -= round, p += round)
		state = three_lanes(state, p);
	for (; len >= sizeof(uint64_t); len -= sizeof(uint64_t), p += sizeof(uint64_t))
		state = (uint32_t)_mm_crc32_u64(state, word_at(p, 0));
	for (; len; len--)
		state = _mm_crc32_u8(state, *p++);
	return ~state;
}

#else

uint32_t crc32c(uint32_t crc, const void *octets, size_t len)
{
	const uint8_t *p = octets;
	uint32_t state = ~crc;
	for (; len; len--) {
		state ^= *p++;
		for (unsigned bit = 0; bit < 8; bit++)
			state = state >> 1 ^ (POLYNOMIAL & (0 - (state & 1)));
	}
	return ~state;
}

#endif
