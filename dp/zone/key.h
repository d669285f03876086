// SPDX-License-Identifier: BSD-3-Clause
// Keys: names as strings of symbols that sort canonically (docs/zone-layout.md).
#pragma once

#include <stdint.h>

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
// root-most label first. Returns the new length.
unsigned key_append_name(uint8_t *key, unsigned len, const uint8_t *wire, unsigned octets);

// The key of a whole name; its length.
static inline unsigned key_from_name(uint8_t key[static KEY_MAX], const uint8_t *wire,
				     unsigned octets)
{
	return key_append_name(key, 0, wire, octets - 1);
}
