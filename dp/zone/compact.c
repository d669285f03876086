// SPDX-License-Identifier: BSD-3-Clause
// Compaction: what lives in sparse chunks moves together, and they go.
//
// A round walks the catalogue and the tries of all zones, a slice at a time; what a slice
// moved becomes visible as one swap. The next slice begins at the leaf where the one before
// ended, or where that would stand now: what has changed meanwhile is missed at most, and
// found in the next round.
#include <stdlib.h>

#include "db.h"
#include "node.h"

// Not worth a walk over all zones: less than this, or than an eighth of all.
#define GAIN_CELLS_MIN CHUNK_CELLS
#define GAIN_PART      8u

// The tries of a walk, outermost first.
enum depth { CATALOG, NAMES, NSEC3, DEPTHS };

struct compaction {
	bool *sparse;     // by chunk, as they were when the round began
	bool passed_over; // a zone at least
	// Where the next slice begins: a leaf in each trie on the way to it.
	bool begun[DEPTHS]; // else from the trie's start
	struct trie_key at[DEPTHS];
};

// One slice.
struct compacting {
	struct zonedb *db;
	struct arena_writer *w;
	struct compaction *round;
	const struct zonedb_compact_options *options;
	uint32_t left; // leaves to look at
	bool ended;    // the round goes on another time
	bool blocked;  // because of a zone
	enum result r;
};

static bool in_sparse(void *arg, cell_ref ref)
{
	const struct compacting *c = arg;
	return c->round->sparse[ref >> CHUNK_SHIFT];
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
	struct seeing s = { .sparse = c->round->sparse };
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

// A trie on the walk.
struct walk {
	enum depth depth;
	const struct trie *names; // of a zone, for its leaves' keys; NULL: the catalogue
	bool (*move_leaf)(struct compacting *c, struct twig *leaf);
};

static void end_slice(struct compacting *c, const struct walk *walk, cell_ref leaf)
{
	static const struct trie catalog = { .kind = TRIE_CATALOG };
	const uint8_t *base = c->db->arena->base;
	struct trie_key *at = &c->round->at[walk->depth];
	at->len = trie_leaf_key(walk->names ? walk->names : &catalog, base, leaf, at->symbol);
	c->round->begun[walk->depth] = true;
	c->ended = true;
}

static bool move_leaf(struct compacting *c, const struct walk *walk, struct twig *leaf)
{
	cell_ref was = leaf->ref;
	bool moved = false;
	if (c->left > 0) {
		c->left--;
		moved = walk->move_leaf(c, leaf);
	} else {
		c->ended = true;
	}
	if (c->ended)
		end_slice(c, walk, was);
	return moved;
}

// The first child of a branch that is to be looked at; *edge: not all of what is below it.
static unsigned first_child(const struct compacting *c, const struct walk *walk, uint64_t word,
			    bool *edge)
{
	unsigned symbol = trie_symbol(&c->round->at[walk->depth], word_offset(word));
	*edge = *edge && (word & symbol_bit(symbol));
	return word_index(word, symbol);
}

// Moves what is below *t, on the `edge` only from where the slice begins; says whether *t
// had to be changed for it.
static bool move_twig(struct compacting *c, const struct walk *walk, struct twig *t, bool edge)
{
	uint64_t word = twig_word(t);
	if (c->r != RESULT_OK || c->ended)
		return false;
	if (word_is_leaf(word))
		return move_leaf(c, walk, t);
	struct twig children[TWIG_SYMBOLS];
	unsigned count = word_children(word);
	memcpy(children, cell_at(c->db->arena->base, t->ref), count * sizeof(children[0]));
	bool changed = in_sparse(c, t->ref);
	for (unsigned i = edge ? first_child(c, walk, word, &edge) : 0; i < count; i++) {
		changed |= move_twig(c, walk, &children[i], edge);
		edge = false;
	}
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

// Goes on with a trie, or begins with it.
static bool move_trie(struct compacting *c, const struct walk *walk, struct twig *root)
{
	bool edge = c->round->begun[walk->depth];
	c->round->begun[walk->depth] = false;
	return root->ref && move_twig(c, walk, root, edge);
}

// The head that stands in the place of `z`; 0 without memory.
static cell_ref new_head(struct compacting *c, const struct zone *z, struct twig root,
			 struct twig nsec3_root)
{
	uint32_t cells = zone_head_cells(z);
	cell_ref to = arena_alloc(c->w, cells);
	if (!to)
		return 0;
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
	return to;
}

static bool move_zone(struct compacting *c, struct twig *leaf)
{
	const struct zone *z = cell_at(c->db->arena->base, leaf->ref);
	struct twig root = z->root, nsec3_root = z->nsec3_root;
	const struct zonedb_compact_options *o = c->options;
	if (o->may_move && !o->may_move(o->arg, z->apex)) {
		c->ended = c->blocked = !o->pass_over;
		c->round->passed_over |= o->pass_over;
		return false;
	}
	struct trie trie = { .kind = TRIE_NODES };
	trie.prefix_len = key_from_name(trie.prefix, z->apex, z->apex_len);
	bool changed = in_sparse(c, leaf->ref);
	if (!c->round->begun[NSEC3])
		changed |= move_trie(c, &(struct walk){ NAMES, &trie, move_node }, &root);
	if (!c->ended)
		changed |= move_trie(c, &(struct walk){ NSEC3, &trie, move_node }, &nsec3_root);
	if (!changed || c->r != RESULT_OK)
		return false;
	cell_ref to = new_head(c, z, root, nsec3_root);
	if (!to) {
		c->r = RESULT_NO_MEMORY;
		return false;
	}
	release(c, leaf->ref, zone_head_cells(z));
	leaf->ref = to;
	return true;
}

// With the lock held: all that the slice moved becomes visible as one swap.
static enum result compact(struct compacting *c, struct catalog *next)
{
	struct zonedb *db = c->db;
	struct arena_writer w;
	arena_writer_init(&w, db->arena);
	c->w = &w;
	struct twig root = zonedb_view(db)->root;
	bool changed = move_trie(c, &(struct walk){ CATALOG, NULL, move_zone }, &root);
	if (c->r != RESULT_OK || !changed) {
		arena_writer_abort(&w);
		free(next);
		return c->r;
	}
	arena_writer_seal(&w);
	zonedb_swap(db, next, root, 0);
	arena_garbage_apply(db->arena, &w.garbage);
	arena_garbage_forget(&w.garbage);
	return RESULT_OK;
}

// ---- rounds

void zonedb_compaction_free(struct compaction *round)
{
	if (round)
		free(round->sparse);
	free(round);
}

static bool is_worth_it(const struct zonedb *db, uint64_t gain)
{
	struct arena_stats s;
	arena_stats_get(db->arena, &s);
	return gain >= GAIN_CELLS_MIN && gain * CELL_OCTETS >= s.octets_live / GAIN_PART;
}

// Begins a round if one would gain something: more than the last one has left.
static enum result begin_round(struct zonedb *db)
{
	struct compaction *round = calloc(1, sizeof(*round));
	bool *sparse = calloc(db->arena->chunk_slots, sizeof(*sparse));
	if (!round || !sparse) {
		free(round);
		free(sparse);
		return RESULT_NO_MEMORY;
	}
	round->sparse = sparse;
	uint64_t gain = arena_sparse_chunks(db->arena, sparse);
	if (db->compaction_left > gain)
		db->compaction_left = gain;
	if (is_worth_it(db, gain - db->compaction_left))
		db->compaction = round;
	else
		zonedb_compaction_free(round);
	return RESULT_OK;
}

// What is still sparse after a whole round holds what does not move (commons.h); what has
// become so meanwhile is for the next.
static void end_round(struct zonedb *db, bool whole)
{
	const bool *sparse = db->compaction->sparse;
	db->compaction_left = whole ? arena_still_sparse(db->arena, sparse) : 0;
	zonedb_compaction_free(db->compaction);
	db->compaction = NULL;
}

enum result zonedb_compact(struct zonedb *db, const struct zonedb_compact_options *options,
			   enum zonedb_compacted *out)
{
	struct catalog *next = calloc(1, sizeof(*next));
	if (!next)
		return RESULT_NO_MEMORY;
	*out = ZONEDB_COMPACT_OVER;
	pthread_mutex_lock(&db->lock);
	enum result r = db->compaction ? RESULT_OK : begin_round(db);
	if (!db->compaction) {
		pthread_mutex_unlock(&db->lock);
		free(next);
		return r;
	}
	struct compacting c = {
		.db = db, .round = db->compaction, .options = options, .left = options->leaves
	};
	r = compact(&c, next);
	if (r == RESULT_OK && c.ended)
		*out = c.blocked ? ZONEDB_COMPACT_BLOCKED : ZONEDB_COMPACT_MORE;
	else
		end_round(db, r == RESULT_OK && !c.round->passed_over);
	db->compactions += *out == ZONEDB_COMPACT_OVER;
	pthread_mutex_unlock(&db->lock);
	return r;
}
