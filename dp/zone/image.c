// SPDX-License-Identifier: BSD-3-Clause
// Images: a zone's cells as pieces that can be put anywhere.
//
// They are written children first: a piece is given away when it is full, and nothing in
// it is changed afterwards. So what stands below a branch stands close together.
#include "image.h"

#include <stdlib.h>

#include "key.h"
#include "node.h"
#include "understudy/crew.h"

// --- writing -------------------------------------------------------------------

struct writing {
	const uint8_t *base;
	const struct zone_image_sink *sink;
	uint8_t *piece;
	uint32_t used; // of its cells
	uint32_t pieces;
	struct {
		cell_ref from, to;
		uint32_t cells;
	} commons[COMMONS_BLOCKS_MAX]; // where blocks are now
	unsigned commons_count;
	enum result r;
};

static void give_piece(struct writing *w)
{
	size_t octets = (size_t)w->used * CELL_OCTETS;
	if (w->used && w->r == RESULT_OK)
		w->r = w->sink->piece(w->sink->arg, w->piece, octets);
	w->pieces += w->used != 0;
	w->used = 0;
}

// Copies cells into the image; their reference there, or 0.
static cell_ref put(struct writing *w, const void *octets, size_t len)
{
	uint32_t cells = cells_for(len);
	if (cells > PIECE_CELLS && w->r == RESULT_OK)
		w->r = RESULT_NO_SPACE;
	else if (w->used + cells > PIECE_CELLS)
		give_piece(w);
	if (w->r != RESULT_OK)
		return 0;
	uint8_t *to = w->piece + (size_t)w->used * CELL_OCTETS;
	cell_ref ref = (w->pieces + 1) << PIECE_SHIFT | w->used;
	memset(to + (size_t)(cells - 1) * CELL_OCTETS, 0, CELL_OCTETS);
	memcpy(to, octets, len);
	w->used += cells;
	return ref;
}

static void put_indirect(void *arg, const uint8_t *at, uint32_t octets)
{
	struct writing *w = arg;
	cell_ref ref;
	memcpy(&ref, at, sizeof(ref));
	ref = put(w, cell_at(w->base, ref), octets);
	memcpy((uint8_t *)(uintptr_t)at, &ref, sizeof(ref)); // `at` is in our copy
}

static void put_common(void *arg, const uint8_t *at, uint32_t octets)
{
	const struct writing *w = arg;
	cell_ref ref;
	(void)octets;
	memcpy(&ref, at, sizeof(ref));
	for (unsigned i = 0; i < w->commons_count; i++) {
		if (ref - w->commons[i].from < w->commons[i].cells) {
			ref += w->commons[i].to - w->commons[i].from;
			break;
		}
	}
	memcpy((uint8_t *)(uintptr_t)at, &ref, sizeof(ref)); // `at` is in our copy
}

// The oldest block first: the others refer to it.
static cell_ref put_commons(struct writing *w, cell_ref block)
{
	if (!block || w->r != RESULT_OK)
		return 0;
	const struct commons_block *b = cell_at(w->base, block);
	cell_ref next = put_commons(w, b->next);
	size_t octets = (size_t)b->cells * CELL_OCTETS;
	struct commons_block *copy = malloc(octets);
	if (!copy) {
		w->r = RESULT_NO_MEMORY;
		return 0;
	}
	memcpy(copy, b, octets);
	copy->next = next;
	cell_ref to = put(w, copy, octets);
	free(copy);
	assert(w->commons_count < COMMONS_BLOCKS_MAX);
	w->commons[w->commons_count].from = block;
	w->commons[w->commons_count].to = to;
	w->commons[w->commons_count++].cells = b->cells;
	return to;
}

static cell_ref put_node(struct writing *w, const struct twig *leaf)
{
	const struct node *n = cell_at(w->base, leaf->ref);
	size_t octets = (size_t)node_cells(n) * CELL_OCTETS;
	if (!(twig_word(leaf) & LEAF_INDIRECT))
		return put(w, n, octets);
	struct node *copy = malloc(octets);
	if (!copy) {
		w->r = RESULT_NO_MEMORY;
		return 0;
	}
	memcpy(copy, n, octets);
	node_each_indirect(copy, put_indirect, w);
	node_each_common(copy, put_common, w);
	cell_ref ref = put(w, copy, octets);
	free(copy);
	return ref;
}

static struct twig put_twig(struct writing *w, const struct twig *t)
{
	uint64_t word = twig_word(t);
	if (w->r != RESULT_OK)
		return (struct twig){ 0 };
	if (word_is_leaf(word))
		return twig_make(word, put_node(w, t));
	struct twig children[TWIG_SYMBOLS];
	unsigned count = word_children(word);
	for (unsigned i = 0; i < count; i++)
		children[i] = put_twig(w, twig_children(w->base, t) + i);
	return twig_make(word, put(w, children, count * sizeof(children[0])));
}

static void put_root(struct writing *w, const struct twig *root, uint32_t out[3])
{
	struct twig t = { 0 };
	if (root->ref)
		t = put_twig(w, root);
	out[0] = t.low;
	out[1] = t.high;
	out[2] = t.ref;
}

enum result zone_image_write(const struct catalog *view, const struct zone *z,
			     const struct zone_image_sink *sink, struct zone_image *out)
{
	struct writing w = { .base = view->base, .sink = sink, .r = RESULT_OK };
	struct zone_image image = { .records = z->records, .nodes = z->nodes };
	w.piece = malloc(ZONE_PIECE_OCTETS);
	if (!w.piece)
		return RESULT_NO_MEMORY;
	image.commons = put_commons(&w, z->commons);
	put_root(&w, &z->root, image.root);
	put_root(&w, &z->nsec3_root, image.nsec3_root);
	give_piece(&w);
	image.pieces = w.pieces;
	free(w.piece);
	if (w.r == RESULT_OK)
		*out = image;
	return w.r;
}

// --- reading -------------------------------------------------------------------

enum result image_piece_new(struct image_pieces *p, struct arena_writer *w, size_t octets,
			    void **where)
{
	if (octets == 0 || octets > ZONE_PIECE_OCTETS || octets % CELL_OCTETS)
		return RESULT_MALFORMED;
	if (p->count == p->room) {
		uint32_t room = p->room ? 2 * p->room : 64;
		struct image_piece *bigger = realloc(p->piece, room * sizeof(*bigger));
		if (!bigger)
			return RESULT_NO_MEMORY;
		p->piece = bigger;
		p->room = room;
	}
	uint32_t cells = cells_for(octets);
	cell_ref at = arena_alloc(w, cells);
	if (!at)
		return RESULT_NO_MEMORY;
	p->piece[p->count++] = (struct image_piece){ at, cells };
	*where = arena_cells(w->arena, at);
	return RESULT_OK;
}

void image_pieces_free(struct image_pieces *p)
{
	free(p->piece);
	*p = (struct image_pieces){ 0 };
}

struct settling {
	const struct image_pieces *pieces;
	const struct arena *arena;
	bool ok;
};

static bool settle_ref(const struct settling *s, cell_ref *ref, uint32_t cells)
{
	uint32_t number = (*ref >> PIECE_SHIFT) - 1, cell = *ref & PIECE_CELLS;
	if (number >= s->pieces->count)
		return false;
	const struct image_piece *piece = &s->pieces->piece[number];
	if (cell + cells > piece->cells)
		return false;
	*ref = piece->at + cell;
	return true;
}

static void settle_indirect(void *arg, const uint8_t *at, uint32_t octets)
{
	struct settling *s = arg;
	cell_ref ref;
	memcpy(&ref, at, sizeof(ref));
	s->ok = s->ok && settle_ref(s, &ref, cells_for(octets));
	memcpy((uint8_t *)(uintptr_t)at, &ref, sizeof(ref)); // in the writer's own cells
}

static void settle_node(struct settling *s, const struct node *n)
{
	node_each_indirect(n, settle_indirect, s);
	node_each_common(n, settle_indirect, s);
}

bool image_settle_commons(const struct image_pieces *p, const struct arena *a, cell_ref *block)
{
	const struct settling s = { .pieces = p, .arena = a };
	for (unsigned blocks = 0; *block; blocks++) {
		cell_ref ref = *block;
		if (blocks == COMMONS_BLOCKS_MAX ||
		    !settle_ref(&s, &ref, cells_for(sizeof(struct commons_block))))
			return false;
		struct commons_block *b = arena_cells(a, ref);
		if (!settle_ref(&s, block, b->cells) || b->used > b->cells)
			return false;
		block = &b->next;
	}
	return true;
}

// The twig's own reference, and of a leaf those of its node.
static void settle_own(struct settling *s, struct twig *t, unsigned least)
{
	uint64_t word = twig_word(t);
	if (word_is_leaf(word)) {
		s->ok = s->ok && settle_ref(s, &t->ref, 1);
		if (s->ok && word & LEAF_INDIRECT)
			settle_node(s, arena_cells(s->arena, t->ref));
		return;
	}
	unsigned count = word_children(word), offset = word_offset(word);
	s->ok = s->ok && count >= 2 && offset >= least && offset < KEY_MAX &&
		settle_ref(s, &t->ref, twigs_cells(count));
}

// The references of its children, where it has any. Returns their number.
static unsigned settle_children(struct settling *s, const struct twig *t)
{
	uint64_t word = twig_word(t);
	struct twig *children = arena_cells(s->arena, t->ref);
	unsigned count = word_is_leaf(word) ? 0 : word_children(word);
	for (unsigned i = 0; i < count && s->ok; i++)
		settle_own(s, &children[i], word_offset(word) + 1);
	return s->ok ? count : 0;
}

static void settle_below(struct settling *s, const struct twig *t)
{
	const struct twig *children = arena_cells(s->arena, t->ref);
	unsigned count = settle_children(s, t);
	for (unsigned i = 0; i < count && s->ok; i++)
		settle_below(s, &children[i]);
}

// Several threads settle a trie: each what is below some of the twigs next to the root.
#define PARTS_WANTED 256u
#define PIECES_LEAST 32u // of a smaller image the calling thread settles all, as one part

struct parts {
	struct settling settling; // ok: of what stands above the parts
	_Atomic bool failed;
	unsigned first, count; // below those before the first all is settled, or stands behind
	struct twig *part[PARTS_WANTED + TWIG_SYMBOLS]; // they are settled themselves
};

static void split_first(struct parts *p)
{
	const struct twig *from = p->part[p->first++];
	struct twig *children = arena_cells(p->settling.arena, from->ref);
	unsigned count = settle_children(&p->settling, from);
	for (unsigned i = 0; i < count; i++)
		p->part[p->count++] = &children[i];
}

static void settle_part(void *arg, unsigned number)
{
	struct parts *p = arg;
	struct settling s = p->settling;
	settle_below(&s, p->part[p->first + number]);
	if (!s.ok)
		atomic_store_explicit(&p->failed, true, memory_order_relaxed);
}

bool image_settle(const struct image_pieces *p, const struct arena *a, struct twig *root)
{
	struct parts parts = { .settling = { .pieces = p, .arena = a, .ok = true } };
	unsigned wanted = p->count < PIECES_LEAST ? 1 : PARTS_WANTED;
	if (!root->ref)
		return true;
	settle_own(&parts.settling, root, 0);
	parts.part[parts.count++] = root;
	while (parts.first < parts.count && parts.count < wanted && parts.settling.ok)
		split_first(&parts);
	if (parts.settling.ok)
		crew_do(parts.count - parts.first, settle_part, &parts);
	return parts.settling.ok && !atomic_load_explicit(&parts.failed, memory_order_relaxed);
}
