// SPDX-License-Identifier: BSD-3-Clause
// Keys: names as strings of symbols that sort canonically (docs/zone-layout.md).
#pragma once

#include <stdint.h>

#ifdef __SSE2__
#include <emmintrin.h>
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
static inline __m128i key_simple_block(__m128i c, unsigned *simple)
{
	const __m128i lower = _mm_or_si128(c, _mm_set1_epi8(0x20));
	// x <= n without a sign: min(x, n) == x.
	const __m128i digit = _mm_sub_epi8(c, _mm_set1_epi8('0')),
		      letter = _mm_sub_epi8(lower, _mm_set1_epi8('a'));
	const __m128i is_digit = _mm_cmpeq_epi8(_mm_min_epu8(digit, _mm_set1_epi8(9)), digit),
		      is_letter = _mm_cmpeq_epi8(_mm_min_epu8(letter, _mm_set1_epi8(25)), letter),
		      is_hyphen = _mm_cmpeq_epi8(c, _mm_set1_epi8('-')),
		      is_line = _mm_cmpeq_epi8(c, _mm_set1_epi8('_'));
	const __m128i alnum =
		_mm_or_si128(_mm_and_si128(is_digit, _mm_add_epi8(digit, _mm_set1_epi8(4))),
			     _mm_and_si128(is_letter, _mm_add_epi8(letter, _mm_set1_epi8(17))));
	const __m128i other = _mm_or_si128(_mm_and_si128(is_hyphen, _mm_set1_epi8(2)),
					   _mm_and_si128(is_line, _mm_set1_epi8(15)));
	*simple = (unsigned)_mm_movemask_epi8(
		_mm_or_si128(_mm_or_si128(is_digit, is_letter), _mm_or_si128(is_hyphen, is_line)));
	return _mm_or_si128(alnum, other);
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
