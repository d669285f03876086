// SPDX-License-Identifier: BSD-3-Clause
// Name compression: which suffixes stand where in the reply (RFC 1035 section 4.1.4).
//
// A suffix is known by its first label and by the place of the suffix behind
// that label, so a name is looked up label by label from its right end. The
// place of the root is 0; no other suffix can stand there. Every place is one of
// a literal label below 0x4000, never of a pointer.
// Labels are compared without regard to case, as Knot and NSD do: the reply
// stays small for clients that send mixed case, and names keep meaning the same
// (RFC 4343).
// A reply over UDP holds few names, so suffixes are searched one after the
// other by a key that nearly always tells. In a long reply over TCP those that
// were of no use lately make way for others. Most names of a zone end in its apex, which stands in
// the question: that end, the base, is tried as a whole before.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "understudy/name.h"

#define COMPRESS_SUFFIXES 64
// A name that brings more new labels than these does not go into the table, where it
// would take the room of all others. The first such names are kept as they are, and
// compared label by label.
#define COMPRESS_TABLE_LABELS 16
#define COMPRESS_LONG_NAMES   4

// A suffix that itself ends in a pointer makes a chain of pointers. Readers bound
// these: Go's resolver takes 10, dnspython 16. A suffix behind which so many
// come is not remembered, so that a name has one more at most.
#define COMPRESS_HOPS_MAX 8

// New labels that stand side by side, and what is behind them.
struct compress_long {
	uint16_t place;
	uint16_t parent; // place of the suffix behind them
	uint8_t hops;    // pointers met when reading on from them
	uint8_t labels;
	uint8_t starts[NAME_MAX_LABELS]; // of the labels, from `place`
};

struct compress {
	uint32_t used;
	uint32_t oldest;    // once all are used: where one to make way is looked for
	uint64_t useful;    // a bit for each that was found since it was last looked at
	uint16_t base;      // place of the base; 0 = there is none
	uint16_t base_last; // of its last label
	uint8_t base_labels;
	uint8_t base_octets; // without the root label
	bool base_entered;   // the base's suffixes are in the table, too
	uint64_t key[COMPRESS_SUFFIXES];
	uint16_t parent[COMPRESS_SUFFIXES]; // place of the suffix behind the label
	uint16_t place[COMPRESS_SUFFIXES];
	uint8_t hops[COMPRESS_SUFFIXES]; // pointers met when reading on from there
	uint32_t longs;
	struct compress_long long_name[COMPRESS_LONG_NAMES];
};

// Forgets all names but the one that stands, uncompressed, at `place` of the
// message; behind its first `above` labels begins the base.
void compress_begin(struct compress *c, const uint8_t *msg, uint16_t place, unsigned above);

// Remembers a name that stands, uncompressed, at `place` of the message.
void compress_note(struct compress *c, const uint8_t *msg, uint32_t place);

// Writes `name` at `place`, compressed, and remembers it. Returns the octets
// written, or 0 if there are more than `room`. *whole is then a place of the
// whole name to point to, or 0 if there is none.
unsigned compress_write(struct compress *c, uint8_t *msg, uint32_t place, uint32_t room,
			const uint8_t *name, uint16_t *whole);
