// SPDX-License-Identifier: BSD-3-Clause
// Keys: names as strings of symbols that sort canonically (docs/zone-layout.md).
#pragma once

#include <stdint.h>

#ifdef __SSSE3__
#include <tmmintrin.h>
#define KEY_BLOCKS 1
#else
#define KEY_BLOCKS 0
#endif

#include "understudy/name.h"

#define KEY_MAX 512

// The symbols of each octet (case folded): the first in the low octet, the second
// or 0 in the high one.
extern const uint16_t key_symbols[256];

#define KEY_ASTERISK       1 // '*' is two symbols
#define KEY_ASTERISK_LATER (0x2a + 1)

// Appends one label (without its length octet), the closing 0 included. Both
// symbols are always written, so the key needs one octet of room behind its end.
static inline unsigned key_append_label(uint8_t *key, unsigned len, const uint8_t *octets,
					unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		unsigned symbols = key_symbols[octets[i]];
		key[len] = (uint8_t)symbols;
		key[len + 1] = (uint8_t)(symbols >> 8);
		len += 1 + (symbols > 0xff);
	}
	key[len] = 0;
	return len + 1;
}

// Appends the labels of `wire`, which is `octets` long and has no root label,
// root-most label first, and a 0 behind them. Returns the new length, without that.
unsigned key_append_name(uint8_t *key, unsigned len, const uint8_t *wire, unsigned octets);

// The key of a whole name; its length.
static inline unsigned key_from_name(uint8_t key[static KEY_MAX], const uint8_t *wire,
				     unsigned octets)
{
	return key_append_name(key, 0, wire, octets - 1);
}

// Octets that may be written behind a key by the functions that copy blocks.
#define KEY_BLOCK      16u
#define KEY_SLACK      64u // a longest label
#define KEY_SIMPLE_MAX 64u // octets of a name that key_simple_symbols takes

#if KEY_BLOCKS
// The symbols of 16 octets where each is one of host names, with one symbol; and
// which of them are.
//
// By its upper and by its lower half an octet may belong to one of five classes, a bit for each,
// and it does if both say so: '-'; digits; A to O; P to Z; '_'. The class is what has to be added
// to the lower half.
static inline __m128i key_simple_block(__m128i c, unsigned *simple)
{
	const __m128i half = _mm_set1_epi8(15), low = _mm_and_si128(c, half),
		      high = _mm_and_si128(_mm_srli_epi16(c, 4), half);
	const __m128i of_low =
		_mm_setr_epi8(10, 14, 14, 14, 14, 14, 14, 14, 14, 14, 12, 4, 4, 5, 4, 20);
	const __m128i of_high = _mm_setr_epi8(0, 0, 1, 2, 4, 24, 4, 8, 0, 0, 0, 0, 0, 0, 0, 0);
	const __m128i class =
		_mm_and_si128(_mm_shuffle_epi8(of_low, low), _mm_shuffle_epi8(of_high, high));
	// Class 16 is read as 0.
	const __m128i added = _mm_setr_epi8(0, 2 - 13, 4, 0, 16, 0, 0, 0, 32, 0, 0, 0, 0, 0, 0, 0);
	*simple = 0xffffu ^ (unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(class, _mm_setzero_si128()));
	return _mm_add_epi8(low, _mm_shuffle_epi8(added, class));
}

// The symbols of a name of KEY_BLOCK to KEY_SIMPLE_MAX octets, each where its octet
// stands. Returns a bit for each octet that has one symbol only; those of length
// octets mean nothing, those behind the name are set.
static inline uint64_t key_simple_symbols(const uint8_t *name, unsigned octets,
					  uint8_t out[static KEY_SIMPLE_MAX])
{
	uint64_t all = octets < 64 ? UINT64_MAX << octets : 0;
	for (unsigned at = 0;;) {
		unsigned simple;
		const __m128i c = _mm_loadu_si128((const __m128i *)(const void *)(name + at));
		_mm_storeu_si128((__m128i *)(void *)(out + at), key_simple_block(c, &simple));
		all |= (uint64_t)simple << at;
		if (at + KEY_BLOCK == octets)
			return all;
		at = at + 2 * KEY_BLOCK <= octets ? at + KEY_BLOCK : octets - KEY_BLOCK;
	}
}
#endif
