// SPDX-License-Identifier: BSD-3-Clause
// CRC32C: the processor's instruction where the build may use it, else bit by bit.
#include "crc32c.h"

#include <string.h>

#ifdef __SSE4_2__
#include <nmmintrin.h>

uint32_t crc32c(uint32_t crc, const void *octets, size_t len)
{
	const uint8_t *p = octets;
	uint64_t state = ~crc, word;
	for (; len >= sizeof(word); len -= sizeof(word), p += sizeof(word)) {
		memcpy(&word, p, sizeof(word));
		state = _mm_crc32_u64(state, word);
	}
	for (; len; len--)
		state = _mm_crc32_u8((uint32_t)state, *p++);
	return ~(uint32_t)state;
}

#else

#define POLYNOMIAL 0x82f63b78u

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
