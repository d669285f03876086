// SPDX-License-Identifier: BSD-3-Clause
// What stands in cells: twigs, nodes, zone heads (docs/zone-layout.md).
#pragma once

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "understudy/rcu.h"
#include "understudy/zone.h"

#define CELL_OCTETS  8u
#define CHUNK_OCTETS (2u << 20)
#define CHUNK_CELLS  (CHUNK_OCTETS / CELL_OCTETS)
#define CHUNK_SHIFT  18
#define CHUNKS_MAX   (1u << (32 - CHUNK_SHIFT))
static_assert(CHUNK_CELLS == 1u << CHUNK_SHIFT, "a reference is a chunk and a cell in it");

typedef uint32_t cell_ref; // 0 = none

static inline uint32_t cells_for(size_t octets)
{
	return (uint32_t)((octets + CELL_OCTETS - 1) / CELL_OCTETS);
}

static inline const void *cell_at(const uint8_t *base, cell_ref ref)
{
	return base + (uint64_t)ref * CELL_OCTETS;
}

static inline cell_ref node_ref(const uint8_t *base, const struct node *n)
{
	return (cell_ref)(((const uint8_t *)n - base) / CELL_OCTETS);
}

// --- twigs ------------------------------------------------------------------

struct twig {
	uint32_t low, high; // the 64-bit word; twigs are packed, so halves
	cell_ref ref;
};
static_assert(sizeof(struct twig) == 12 && _Alignof(struct twig) == 4, "twigs are packed");

#define TWIG_SYMBOLS    46u // symbols of a key: 0 to 45
#define TWIG_LEAF       1ull
#define TWIG_BITMAP     (((1ull << TWIG_SYMBOLS) - 1) << 1)
#define TWIG_OFFSET_AT  49
#define TWIG_OFFSET_MAX 1023u
#define TWIG_STOP       (1ull << 63)
#define LEAF_FLAGS_AT   1
#define LEAF_INDIRECT   (1ull << 9)

#define NODE_STOPS (NODE_CUT | NODE_DNAME)

static inline uint64_t twig_word(const struct twig *t)
{
	return (uint64_t)t->high << 32 | t->low;
}

static inline struct twig twig_make(uint64_t word, cell_ref ref)
{
	return (struct twig){ .low = (uint32_t)word, .high = (uint32_t)(word >> 32), .ref = ref };
}

static inline bool word_is_leaf(uint64_t word)
{
	return word & TWIG_LEAF;
}

static inline unsigned word_offset(uint64_t word)
{
	return (unsigned)(word >> TWIG_OFFSET_AT) & TWIG_OFFSET_MAX;
}

static inline uint64_t symbol_bit(unsigned symbol)
{
	return 2ull << symbol;
}

// Number of children before `symbol`'s place; bit 0 of a branch is 0.
static inline unsigned word_index(uint64_t word, unsigned symbol)
{
	return (unsigned)__builtin_popcountll(word & (symbol_bit(symbol) - 1));
}

static inline unsigned word_children(uint64_t word)
{
	return (unsigned)__builtin_popcountll(word & TWIG_BITMAP);
}

static inline unsigned word_flags(uint64_t leaf_word)
{
	return (unsigned)(leaf_word >> LEAF_FLAGS_AT) & 0xffu;
}

static inline const struct twig *twig_children(const uint8_t *base, const struct twig *t)
{
	return (const struct twig *)cell_at(base, t->ref);
}

static inline uint32_t twigs_cells(unsigned count)
{
	return cells_for(count * sizeof(struct twig));
}

// One twig down: the child for the key's symbol, or any where it is missing.
static inline const struct twig *twig_child_for(const uint8_t *base, const struct twig *at,
						uint64_t word, unsigned symbol)
{
	unsigned index = word_index(word, symbol);
	if (__builtin_expect(!(word & symbol_bit(symbol)), 0) && index == word_children(word))
		index--;
	return twig_children(base, at) + index;
}

// --- zone heads and the catalogue ----------------------------------------------

struct zone {
	struct twig root; // ref 0: no names
	cell_ref apex_node;
	cell_ref commons;          // the newest block of what names share; 0: none
	struct twig nsec3_root;    // the owners of NSEC3 records; ref 0: none
	uint16_t nsec3_iterations; // of the chain that denies
	uint8_t nsec3_salt_len;
	bool nsec3;    // there is such a chain
	uint8_t state; // enum zone_state
	uint8_t apex_labels;
	uint8_t apex_len;
	uint32_t soa_ttl_s;
	struct soa soa;
	uint64_t records;
	uint64_t nodes;
	uint64_t cells;          // that this version reaches, its head included
	uint64_t expires_unix_s; // 0: nobody has said
	uint8_t apex[];          // apex_len octets, then nsec3_salt_len octets of salt
};

struct catalog {
	const uint8_t *base;
	struct twig root; // ref 0: no zones
	uint64_t zones;
	uint64_t generation;
	struct zonedb *db;
	struct rcu_retired retired;
};

static inline uint32_t zone_head_cells(const struct zone *z)
{
	return cells_for(offsetof(struct zone, apex) + z->apex_len + z->nsec3_salt_len);
}
