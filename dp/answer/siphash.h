// SPDX-License-Identifier: BSD-3-Clause
// SipHash-2-4 with 64 bits of output (Aumasson and Bernstein, 2012), for short inputs.
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define SIPHASH_KEY_OCTETS 16

static inline uint64_t siphash_word(const uint8_t *p)
{
	uint64_t word = 0;
	for (unsigned i = 0; i < 8; i++)
		word |= (uint64_t)p[i] << (8 * i);
	return word;
}

static inline uint64_t siphash_rotate(uint64_t word, unsigned bits)
{
	return word << bits | word >> (64 - bits);
}

static inline void siphash_rounds(uint64_t v[4], unsigned rounds)
{
	while (rounds--) {
		v[0] += v[1];
		v[2] += v[3];
		v[1] = siphash_rotate(v[1], 13) ^ v[0];
		v[3] = siphash_rotate(v[3], 16) ^ v[2];
		v[0] = siphash_rotate(v[0], 32);
		v[2] += v[1];
		v[0] += v[3];
		v[1] = siphash_rotate(v[1], 17) ^ v[2];
		v[3] = siphash_rotate(v[3], 21) ^ v[0];
		v[2] = siphash_rotate(v[2], 32);
	}
}

static inline uint64_t siphash(const uint8_t key[SIPHASH_KEY_OCTETS], const uint8_t *in, size_t len)
{
	uint64_t k0 = siphash_word(key), k1 = siphash_word(key + 8);
	uint64_t v[4] = { k0 ^ 0x736f6d6570736575, k1 ^ 0x646f72616e646f6d, k0 ^ 0x6c7967656e657261,
			  k1 ^ 0x7465646279746573 };
	uint8_t last[8] = { [7] = (uint8_t)len };
	size_t whole = len - len % 8;
	memcpy(last, in + whole, len % 8);
	for (size_t at = 0; at <= whole; at += 8) {
		uint64_t word = siphash_word(at < whole ? in + at : last);
		v[3] ^= word;
		siphash_rounds(v, 2);
		v[0] ^= word;
	}
	v[2] ^= 0xff;
	siphash_rounds(v, 4);
	return v[0] ^ v[1] ^ v[2] ^ v[3];
}
