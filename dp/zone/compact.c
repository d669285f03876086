// SPDX-License-Identifier: BSD-3-Clause
// Compaction: what lives in sparse chunks moves together, and they go.
#include <stdlib.h>

#include "db.h"
#include "node.h"

// Not worth a walk over all zones: less than this, or than an eighth of all.
#define GAIN_CELLS_MIN (2u * CHUNK_CELLS)
#define GAIN_PART      8u

struct compacting {
	struct zonedb *db;
	struct arena_writer *w;
	const bool *sparse;
	enum result r;
};

static bool in_sparse(void *arg, cell_ref ref)
{
	const struct compacting *c = arg;
	return c->sparse[ref >> CHUNK_SHIFT];
}

// Takes over what arena_release says: only the lack of memory can stop us.
static void release(struct compacting *c, cell_ref ref, uint32_t cells)
{
	enum result r = arena_release(c->w, ref, cells);
	if (r != RESULT_OK)
		c->r = r;
}

struct seeing {
	const bool *sparse;
	bool found;
};

static void see_indirect(void *arg, const uint8_t *at, uint32_t octets)
{
	struct seeing *s = arg;
	cell_ref ref;
	(void)octets;
	memcpy(&ref, at, sizeof(ref));
	s->found |= s->sparse[ref >> CHUNK_SHIFT];
}

static bool has_sparse_indirect(struct compacting *c, const struct node *n)
{
	struct seeing s = { .sparse = c->sparse };
	node_each_indirect(n, see_indirect, &s);
	return s.found;
}

static bool move_node(struct compacting *c, struct twig *leaf)
{
	const struct node *n = cell_at(c->db->arena->base, leaf->ref);
	bool indirect = (twig_word(leaf) & LEAF_INDIRECT) && has_sparse_indirect(c, n);
	if (!in_sparse(c, leaf->ref) && !indirect)
		return false;
	cell_ref to = node_copy(c->w, n, in_sparse, c);
	if (!to) {
		c->r = RESULT_NO_MEMORY;
		return false;
	}
	release(c, leaf->ref, node_cells(n));
	leaf->ref = to;
	return true;
}

// Moves what is below *t; says whether *t had to be changed for it.
static bool move_twig(struct compacting *c, struct twig *t,
		      bool (*move_leaf)(struct compacting *, struct twig *))
{
	if (c->r != RESULT_OK)
		return false;
	if (word_is_leaf(twig_word(t)))
		return move_leaf(c, t);
	struct twig children[TWIG_SYMBOLS];
	unsigned count = word_children(twig_word(t));
	memcpy(children, cell_at(c->db->arena->base, t->ref), count * sizeof(children[0]));
	bool changed = in_sparse(c, t->ref);
	for (unsigned i = 0; i < count; i++)
		changed |= move_twig(c, &children[i], move_leaf);
	if (!changed || c->r != RESULT_OK)
		return false;
	cell_ref to = arena_alloc(c->w, twigs_cells(count));
	if (!to) {
		c->r = RESULT_NO_MEMORY;
		return false;
	}
	memcpy(arena_cells(c->db->arena, to), children, count * sizeof(children[0]));
	release(c, t->ref, twigs_cells(count));
	t->ref = to;
	return true;
}

static bool move_zone(struct compacting *c, struct twig *leaf)
{
	const struct zone *z = cell_at(c->db->arena->base, leaf->ref);
	struct twig root = z->root, nsec3_root = z->nsec3_root;
	bool changed = in_sparse(c, leaf->ref);
	changed |= root.ref && move_twig(c, &root, move_node);
	changed |= nsec3_root.ref && move_twig(c, &nsec3_root, move_node);
	if (!changed || c->r != RESULT_OK)
		return false;
	uint32_t cells = zone_head_cells(z);
	cell_ref to = arena_alloc(c->w, cells);
	if (!to) {
		c->r = RESULT_NO_MEMORY;
		return false;
	}
	struct zone *copy = arena_cells(c->db->arena, to);
	memcpy(copy, z, (size_t)cells * CELL_OCTETS);
	copy->root = root;
	copy->nsec3_root = nsec3_root;
	if (root.ref) {
		const struct twig *apex = &root;
		while (!word_is_leaf(twig_word(apex)))
			apex = twig_children(c->db->arena->base, apex);
		copy->apex_node = apex->ref;
	}
	release(c, leaf->ref, cells);
	leaf->ref = to;
	return true;
}

// With the lock held: all that moved becomes visible as one swap.
static enum result compact(struct zonedb *db, const bool *sparse, struct catalog *next)
{
	struct arena_writer w;
	arena_writer_init(&w, db->arena);
	struct compacting c = { .db = db, .w = &w, .sparse = sparse, .r = RESULT_OK };
	const struct catalog *now = zonedb_view(db);
	struct twig root = now->root;
	bool changed = root.ref && move_twig(&c, &root, move_zone);
	if (c.r != RESULT_OK || !changed) {
		arena_writer_abort(&w);
		free(next);
		return c.r;
	}
	arena_writer_seal(&w);
	zonedb_swap(db, next, root, 0);
	arena_garbage_apply(db->arena, &w.garbage);
	db->compactions++;
	return RESULT_OK;
}

enum result zonedb_compact(struct zonedb *db)
{
	enum result r = RESULT_OK;
	struct catalog *next = calloc(1, sizeof(*next));
	bool *sparse = calloc(db->arena->chunk_slots, sizeof(*sparse));
	struct arena_stats s;
	if (!next || !sparse) {
		free(next);
		free(sparse);
		return RESULT_NO_MEMORY;
	}
	pthread_mutex_lock(&db->lock);
	uint64_t gain = arena_sparse_chunks(db->arena, sparse);
	arena_stats_get(db->arena, &s);
	if (gain < GAIN_CELLS_MIN || gain * CELL_OCTETS < s.octets_live / GAIN_PART)
		free(next);
	else
		r = compact(db, sparse, next);
	pthread_mutex_unlock(&db->lock);
	free(sparse);
	return r;
}
