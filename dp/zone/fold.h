// SPDX-License-Identifier: BSD-3-Clause
// Comparing octets of names without regard to case, eight at a time (RFC 4343).
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "understudy/name.h"

// Eight octets with ASCII capitals made small (RFC 4343); length octets of names
// are below 'A' and stay.
static inline uint64_t lower8(uint64_t x)
{
	const uint64_t ones = 0x0101010101010101u;
	uint64_t low = x & 0x7f * ones;
	uint64_t after_z = low + (0x7f - 'Z') * ones, from_a = low + (0x80 - 'A') * ones;
	return x | ((~x & (from_a ^ after_z) & 0x80 * ones) >> 2);
}

static inline uint64_t load8(const uint8_t *p)
{
	uint64_t x;
	memcpy(&x, p, 8);
	return x;
}

static inline bool equal_fold(const uint8_t *a, const uint8_t *b, size_t n)
{
	size_t at = 0;
	if (n < 8) {
		for (; at < n; at++)
			if (name_lower[a[at]] != name_lower[b[at]])
				return false;
		return true;
	}
	for (; at + 8 < n; at += 8)
		if (lower8(load8(a + at)) != lower8(load8(b + at)))
			return false;
	return lower8(load8(a + n - 8)) == lower8(load8(b + n - 8));
}
