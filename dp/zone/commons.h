// SPDX-License-Identifier: BSD-3-Clause
// RRsets that stand at many names of a zone and are stored once (docs/zone-layout.md).
//
// Threads: the writer's; what is in cells is read by anybody.
#pragma once

#include "arena.h"

// A block of them; behind it its entries, each from a cell's start.
struct commons_block {
	cell_ref next; // the block before this one, or 0
	uint32_t cells;
	uint32_t used; // of them
	uint32_t unused;
};
static_assert(sizeof(struct commons_block) % CELL_OCTETS == 0, "entries begin at a cell");

// An entry's head, one cell; the records follow, which is where references lead.
struct commons_entry {
	uint32_t octets, count;
};
static_assert(sizeof(struct commons_entry) == CELL_OCTETS, "a head is one cell");

#define COMMONS_BLOCKS_MAX 64u

// What a transaction knows of a zone's commons.
struct commons {
	struct arena_writer *w;
	cell_ref block; // the newest one; 0: none
	uint32_t blocks;
	struct commons_slot {
		uint32_t hash; // 0: empty
		cell_ref ref;  // 0: seen once
	} * slot;              // NULL: nothing is put there
};

// Lets RRsets be shared from now on, with what is there already.
// RESULT_OK; RESULT_NO_MEMORY.
enum result commons_open(struct commons *c);
void commons_close(struct commons *c);

// Where these records stand in common; 0 if they (so far) do not.
cell_ref commons_find(struct commons *c, uint16_t type, const uint8_t *records, uint32_t octets,
		      uint32_t count);

// The head of the entry whose records are at `ref`, in this or an older block; NULL if no
// entry can be there.
const struct commons_entry *commons_entry_of(const uint8_t *base, cell_ref block, cell_ref ref);
