// SPDX-License-Identifier: BSD-3-Clause
// Changing a trie: copy-on-write insertion, replacement and removal of leaves.
#include "trie.h"

#include "node.h"

unsigned trie_leaf_key(const struct trie *t, const uint8_t *base, cell_ref ref,
		       uint8_t key[static KEY_MAX])
{
	if (t->kind == TRIE_CATALOG) {
		const struct zone *z = cell_at(base, ref);
		return key_from_name(key, z->apex, z->apex_len);
	}
	const struct node *n = cell_at(base, ref);
	memcpy(key, t->prefix, t->prefix_len);
	return key_append_name(key, t->prefix_len, node_name(n), node_name_len(n));
}

// Number of symbols from the start that two keys share, the end counting as 0:
// equal keys share len + 1.
static unsigned common_symbols(const struct trie_key *a, const struct trie_key *b)
{
	unsigned at = 0;
	while (at <= a->len && at <= b->len && trie_symbol(a, at) == trie_symbol(b, at))
		at++;
	return at;
}

// The leaf that the way down for `k` ends at; any leaf where the way is missing.
static const struct twig *closest_leaf(const struct trie *t, const struct trie_key *k)
{
	const uint8_t *base = t->w->arena->base;
	const struct twig *at = &t->root;
	for (;;) {
		uint64_t word = twig_word(at);
		if (word_is_leaf(word))
			return at;
		unsigned symbol = trie_symbol(k, word_offset(word));
		unsigned index = word_index(word, symbol);
		if (index == word_children(word))
			index--;
		at = twig_children(base, at) + index;
	}
}

const struct twig *trie_get(const struct trie *t, const struct trie_key *k)
{
	if (!t->root.ref)
		return NULL;
	const struct twig *leaf = closest_leaf(t, k);
	struct trie_key have;
	have.len = trie_leaf_key(t, t->w->arena->base, leaf->ref, have.symbol);
	return have.len == k->len && memcmp(have.symbol, k->symbol, k->len) == 0 ? leaf : NULL;
}

static bool is_boundary(const struct trie_key *k, unsigned offset)
{
	return offset == 0 || k->symbol[offset - 1] == 0;
}

// Makes the children of `parent` the writer's own, to be changed in place.
static struct twig *own_children(struct trie *t, struct twig *parent)
{
	struct arena_writer *w = t->w;
	if (arena_owns(w, parent->ref))
		return arena_cells(w->arena, parent->ref);
	unsigned count = word_children(twig_word(parent));
	cell_ref ref = arena_alloc(w, twigs_cells(count));
	if (!ref)
		return NULL;
	struct twig *copy = arena_cells(w->arena, ref);
	memcpy(copy, arena_cells(w->arena, parent->ref), count * sizeof(*copy));
	if (arena_release(w, parent->ref, twigs_cells(count)) != RESULT_OK)
		return NULL;
	parent->ref = ref;
	return copy;
}

// STOP says of a branch at the end of a name that this name's leaf stops lookups.
static void set_stop(struct twig *branch, const struct twig *children, bool boundary)
{
	uint64_t word = twig_word(branch);
	bool stop = boundary && (word & symbol_bit(0)) &&
		    (word_flags(twig_word(&children[0])) & NODE_STOPS);
	*branch = twig_make(stop ? word | TWIG_STOP : word & ~TWIG_STOP, branch->ref);
}

// Adds a child to a branch whose children are the writer's own.
static enum result add_child(struct trie *t, struct twig *branch, unsigned symbol, struct twig leaf)
{
	struct arena_writer *w = t->w;
	uint64_t word = twig_word(branch);
	unsigned count = word_children(word), index = word_index(word, symbol);
	cell_ref ref = arena_alloc(w, twigs_cells(count + 1));
	if (!ref)
		return RESULT_NO_MEMORY;
	struct twig *to = arena_cells(w->arena, ref);
	const struct twig *from = arena_cells(w->arena, branch->ref);
	memcpy(to, from, index * sizeof(*to));
	to[index] = leaf;
	memcpy(to + index + 1, from + index, (count - index) * sizeof(*to));
	enum result r = arena_release(w, branch->ref, twigs_cells(count));
	*branch = twig_make(word | symbol_bit(symbol), ref);
	return r;
}

// Puts a new branch at `offset` where `place` is, with `place` and the leaf below.
static enum result split(struct trie *t, struct twig *place, unsigned offset, struct twig leaf,
			 unsigned leaf_symbol, unsigned place_symbol)
{
	cell_ref ref = arena_alloc(t->w, twigs_cells(2));
	if (!ref)
		return RESULT_NO_MEMORY;
	struct twig *to = arena_cells(t->w->arena, ref);
	to[leaf_symbol > place_symbol] = leaf;
	to[leaf_symbol < place_symbol] = *place;
	*place = twig_make((uint64_t)offset << TWIG_OFFSET_AT | symbol_bit(leaf_symbol) |
				   symbol_bit(place_symbol),
			   ref);
	return RESULT_OK;
}

enum result trie_put(struct trie *t, const struct trie_key *k, uint64_t bits, cell_ref ref)
{
	struct twig leaf = twig_make(TWIG_LEAF | bits, ref);
	if (!t->root.ref) {
		t->root = leaf;
		return RESULT_OK;
	}
	struct trie_key near;
	near.len = trie_leaf_key(t, t->w->arena->base, closest_leaf(t, k)->ref, near.symbol);
	unsigned differs = common_symbols(k, &near);
	bool there = differs > k->len && k->len == near.len;

	// The way down is made the writer's own up to where the change goes.
	struct twig *at = &t->root, *parent = NULL;
	unsigned parent_offset = 0;
	for (;;) {
		uint64_t word = twig_word(at);
		if (word_is_leaf(word) || (!there && word_offset(word) >= differs))
			break;
		struct twig *children = own_children(t, at);
		if (!children)
			return RESULT_NO_MEMORY;
		parent = at;
		parent_offset = word_offset(word);
		at = children + word_index(word, trie_symbol(k, parent_offset));
	}
	enum result r = RESULT_OK;
	struct twig *changed = at; // the branch that may have to stop lookups
	unsigned offset = differs;
	if (there) {
		*at = leaf;
		changed = parent;
		offset = parent_offset;
	} else if (!word_is_leaf(twig_word(at)) && word_offset(twig_word(at)) == differs) {
		r = add_child(t, at, trie_symbol(k, differs), leaf);
	} else {
		r = split(t, at, differs, leaf, trie_symbol(k, differs),
			  trie_symbol(&near, differs));
	}
	if (r == RESULT_OK && changed)
		set_stop(changed, arena_cells(t->w->arena, changed->ref), is_boundary(k, offset));
	return r;
}

enum result trie_remove(struct trie *t, const struct trie_key *k)
{
	struct arena_writer *w = t->w;
	struct twig *at = &t->root, *parent = NULL;
	unsigned index = 0;
	while (!word_is_leaf(twig_word(at))) {
		struct twig *children = own_children(t, at);
		if (!children)
			return RESULT_NO_MEMORY;
		parent = at;
		index = word_index(twig_word(at), trie_symbol(k, word_offset(twig_word(at))));
		at = children + index;
	}
	if (!parent) {
		t->root = (struct twig){ 0 };
		return RESULT_OK;
	}
	uint64_t word = twig_word(parent);
	unsigned count = word_children(word);
	cell_ref old = parent->ref;
	struct twig *from = arena_cells(w->arena, old);
	if (count == 2) {
		*parent = from[!index];
		return arena_release(w, old, twigs_cells(2));
	}
	cell_ref ref = arena_alloc(w, twigs_cells(count - 1));
	if (!ref)
		return RESULT_NO_MEMORY;
	struct twig *to = arena_cells(w->arena, ref);
	memcpy(to, from, index * sizeof(*to));
	memcpy(to + index, from + index + 1, (count - 1 - index) * sizeof(*to));
	uint64_t gone = symbol_bit(trie_symbol(k, word_offset(word)));
	// Only a leaf for symbol 0 can have been what stops lookups.
	if (gone == symbol_bit(0))
		gone |= TWIG_STOP;
	*parent = twig_make(word & ~gone, ref);
	return arena_release(w, old, twigs_cells(count));
}

void trie_visit(const uint8_t *base, const struct twig *root, const struct trie_visitor *v)
{
	uint64_t word = twig_word(root);
	if (word_is_leaf(word)) {
		if (v->leaf)
			v->leaf(v->arg, root);
		return;
	}
	unsigned count = word_children(word);
	const struct twig *children = twig_children(base, root);
	for (unsigned i = 0; i < count; i++)
		trie_visit(base, &children[i], v);
	if (v->twigs)
		v->twigs(v->arg, root->ref, count);
}
