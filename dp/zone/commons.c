// SPDX-License-Identifier: BSD-3-Clause
// RRsets that stand at many names of a zone and are stored once.
//
// Sharing begins when an RRset is seen for the second time; the first one stays in its node.
// The table of those seen has a fixed size: what is seen often is seen again before it is
// pushed out.
#include "commons.h"

#include <stdlib.h>

#include "understudy/rr.h"

#define SLOTS             65536u // a power of two
#define WINDOW            8u     // slots that one hash may be in
#define OCTETS_LEAST      24u    // of records that are worth it: an entry for them takes 12
#define BLOCK_CELLS_LEAST 64u
#define BLOCK_CELLS_MOST  16384u

static uint32_t hash_of(const uint8_t *p, uint32_t octets)
{
	uint64_t h = octets;
	for (; octets >= 8; octets -= 8, p += 8) {
		uint64_t word;
		memcpy(&word, p, 8);
		h = (h ^ word) * 0x9e3779b97f4a7c15u;
		h ^= h >> 32;
	}
	for (; octets; octets--)
		h = (h ^ *p++) * 0x9e3779b97f4a7c15u;
	uint32_t hash = (uint32_t)(h >> 32);
	return hash ? hash : 1;
}

static struct commons_slot *slot_at(struct commons *c, uint32_t hash, uint32_t i)
{
	return &c->slot[(hash + i) & (SLOTS - 1)];
}

static const struct commons_entry *entry_at(const struct commons *c, cell_ref ref)
{
	return cell_at(c->w->arena->base, ref - 1);
}

// Remembers an entry of old, if there is room for it.
static void remember(struct commons *c, cell_ref ref)
{
	const struct commons_entry *e = entry_at(c, ref);
	uint32_t hash = hash_of((const uint8_t *)(e + 1), e->octets);
	for (uint32_t i = 0; i < WINDOW; i++) {
		struct commons_slot *s = slot_at(c, hash, i);
		if (!s->hash) {
			*s = (struct commons_slot){ hash, ref };
			return;
		}
	}
}

enum result commons_open(struct commons *c)
{
	const uint8_t *base = c->w->arena->base;
	c->slot = calloc(SLOTS, sizeof(*c->slot));
	if (!c->slot)
		return RESULT_NO_MEMORY;
	c->blocks = 0;
	for (cell_ref ref = c->block; ref; c->blocks++) {
		const struct commons_block *b = cell_at(base, ref);
		uint32_t at = cells_for(sizeof(*b));
		while (at < b->used) {
			remember(c, ref + at + 1);
			at += 1 + cells_for(entry_at(c, ref + at + 1)->octets);
		}
		ref = b->next;
	}
	return RESULT_OK;
}

void commons_close(struct commons *c)
{
	free(c->slot);
	c->slot = NULL;
}

// Cells of the block behind `b`: a version that adds little to what was there before has
// small blocks, however many versions came before it.
static uint32_t next_size(const struct commons_block *b, bool ours, uint32_t cells)
{
	uint32_t size = ours ? 2 * b->cells : b ? b->cells / 8 : 0;
	if (size > BLOCK_CELLS_MOST)
		size = BLOCK_CELLS_MOST;
	if (size < BLOCK_CELLS_LEAST)
		size = BLOCK_CELLS_LEAST;
	while (size < cells_for(sizeof(*b)) + cells)
		size *= 2; // the largest RRset that is shared fills more than the first blocks
	return size;
}

// The newest block if it is ours and has room for so many cells, else a new one; NULL
// without memory, or if there are enough of them.
static struct commons_block *block_with(struct commons *c, uint32_t cells)
{
	struct arena *a = c->w->arena;
	struct commons_block *newest = c->block ? arena_cells(a, c->block) : NULL;
	bool ours = newest && arena_owns(c->w, c->block);
	if (ours && newest->used + cells <= newest->cells)
		return newest;
	uint32_t size = next_size(newest, ours, cells);
	cell_ref ref = c->blocks < COMMONS_BLOCKS_MAX ? arena_alloc(c->w, size) : 0;
	if (!ref)
		return NULL;
	struct commons_block *b = arena_cells(a, ref);
	memset(b, 0, (size_t)size * CELL_OCTETS);
	*b = (struct commons_block){ .next = c->block, .cells = size };
	b->used = cells_for(sizeof(*b));
	c->block = ref;
	c->blocks++;
	return b;
}

static cell_ref put(struct commons *c, const uint8_t *records, uint32_t octets, uint32_t count)
{
	uint32_t cells = 1 + cells_for(octets);
	struct commons_block *b = block_with(c, cells);
	if (!b)
		return 0;
	cell_ref ref = c->block + b->used;
	struct commons_entry *e = arena_cells(c->w->arena, ref);
	*e = (struct commons_entry){ octets, count };
	memcpy(e + 1, records, octets);
	b->used += cells;
	return ref + 1;
}

static bool worth_sharing(uint16_t type, uint32_t octets)
{
	return octets >= OCTETS_LEAST &&
	       (type == RRTYPE_NS || type == RRTYPE_MX || type == RRTYPE_TXT);
}

cell_ref commons_find(struct commons *c, uint16_t type, const uint8_t *records, uint32_t octets,
		      uint32_t count)
{
	if (!c->slot || !worth_sharing(type, octets))
		return 0;
	uint32_t hash = hash_of(records, octets);
	struct commons_slot *free_slot = NULL;
	for (uint32_t i = 0; i < WINDOW; i++) {
		struct commons_slot *s = slot_at(c, hash, i);
		const struct commons_entry *e = s->ref ? entry_at(c, s->ref) : NULL;
		if (s->hash == hash && !e)
			return s->ref = put(c, records, octets, count);
		if (s->hash == hash && e->octets == octets && e->count == count &&
		    memcmp(e + 1, records, octets) == 0)
			return s->ref;
		if (!e && !free_slot)
			free_slot = s;
	}
	if (free_slot)
		*free_slot = (struct commons_slot){ .hash = hash };
	return 0;
}

const struct commons_entry *commons_entry_of(const uint8_t *base, cell_ref block, cell_ref ref)
{
	for (; block; block = ((const struct commons_block *)cell_at(base, block))->next) {
		const struct commons_block *b = cell_at(base, block);
		if (ref <= block + cells_for(sizeof(*b)) || ref >= block + b->used)
			continue;
		const struct commons_entry *e = cell_at(base, ref - 1);
		return cells_for(e->octets) <= block + b->used - ref ? e : NULL;
	}
	return NULL;
}
