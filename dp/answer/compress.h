// SPDX-License-Identifier: BSD-3-Clause
// Name compression: which suffixes stand where in the reply (RFC 1035 section 4.1.4).
//
// A suffix is known by its first label and by the place of the suffix behind
// that label, so each step right to left looks one label up in a small hash
// table. The place of the root is 0; no other suffix can stand there. Every
// place is one of a literal label below 0x4000, never of a pointer.
// Labels are compared without regard to case, as Knot and NSD do: the reply
// stays small for clients that send mixed case, and names keep meaning the same
// (RFC 4343).
#pragma once

#include <stdint.h>

#define COMPRESS_SLOTS 256 // a power of two
#define COMPRESS_FILL  192 // so many suffixes are remembered, no more

struct compress_slot {
	uint32_t epoch; // of the reply that filled it; older ones are empty
	uint16_t parent;
	uint16_t place;
};

struct compress {
	uint32_t epoch;
	uint32_t used;
	struct compress_slot slots[COMPRESS_SLOTS];
};

// Forgets all names; `c` was zeroed once, when it was made.
void compress_begin(struct compress *c);

// Remembers a name that stands, uncompressed, at `place` of the message.
void compress_note(struct compress *c, const uint8_t *msg, uint32_t place);

// Writes `name` at `place`, compressed, and remembers it. Returns the octets
// written, or 0 if there are more than `room`. *whole is then a place of the
// whole name to point to, or 0 if there is none.
unsigned compress_write(struct compress *c, uint8_t *msg, uint32_t place, uint32_t room,
			const uint8_t *name, uint16_t *whole);
