// SPDX-License-Identifier: BSD-3-Clause
// The nodes beside a place in a zone's trie, in canonical order.
#include "neighbour.h"

#include "key.h"
#include "node.h"

static unsigned place_symbol(const struct trie_place *p, unsigned offset)
{
	return offset < p->len ? p->key[offset] : 0;
}

// One twig towards the closest leaf; true when a leaf is reached.
static inline bool closest_step(const uint8_t *base, struct trie_beside *s)
{
	uint64_t word = twig_word(s->at);
	if (word_is_leaf(word)) {
		prefetch(cell_at(base, s->at->ref));
		return true;
	}
	s->at = twig_child_for(base, s->at, word, place_symbol(&s->place, word_offset(word)));
	prefetch(s->at);
	return false;
}

// Steps all searches until each has reached its leaf.
static inline void descend(const uint8_t *base, struct trie_beside searches[], unsigned n,
			   bool last)
{
	uint8_t active[FIND_BURST_MAX];
	for (unsigned i = 0; i < n; i++)
		active[i] = (uint8_t)i;
	while (n > 0) {
		unsigned kept = 0;
		for (unsigned i = 0; i < n; i++) {
			struct trie_beside *s = &searches[active[i]];
			active[kept] = active[i];
			kept += !(last ? trie_last_step(base, &s->at) : closest_step(base, s));
		}
		n = kept;
	}
}

static struct trie_parting parted(const struct trie_place *p, unsigned at, unsigned theirs)
{
	return (struct trie_parting){ .at = at, .theirs_less = theirs < p->key[at] };
}

// Compares their name with the place's key symbol by symbol, without making a key of it. As no
// label begins with the 0 that stands behind the place's key, they part there at the latest.
struct trie_parting trie_part(const struct trie_place *p, const struct node *n)
{
	const uint8_t *name = node_name(n);
	uint8_t starts[NAME_MAX_LABELS];
	unsigned labels = 0, at = p->apex_len;
	for (unsigned start = 0; start < node_name_len(n); start += 1u + name[start])
		starts[labels++] = (uint8_t)start;
	while (labels > 0) {
		const uint8_t *label = name + starts[--labels], *end = label + 1 + *label;
		for (label++; label < end; label++, at++) {
			unsigned symbols = key_symbols[*label];
			if ((uint8_t)symbols != p->key[at])
				return parted(p, at, (uint8_t)symbols);
			if (symbols > 0xff && symbols >> 8 != p->key[++at])
				return parted(p, at, symbols >> 8);
		}
		if (p->key[at] != 0)
			return parted(p, at, 0);
		at++;
	}
	if (at == p->len)
		return (struct trie_parting){ .at = at, .never = true };
	return parted(p, at, 0);
}

// On the way down the first branch that stops lookups makes its cut or DNAME the
// answer for all that is below.
const struct twig *trie_left(const uint8_t *base, const struct twig *root,
			     const struct trie_place *p, const struct trie_parting *parting)
{
	const struct twig *at = root, *left = root, *stop = NULL;
	for (;;) {
		uint64_t word = twig_word(at);
		unsigned offset = word_offset(word);
		if (word_is_leaf(word) || (!parting->never && offset > parting->at))
			break;
		const struct twig *children = twig_children(base, at);
		if (!stop && (word & TWIG_STOP))
			stop = children;
		unsigned symbol = place_symbol(p, offset), index = word_index(word, symbol);
		if (index > 0)
			left = stop ? stop : children + index - 1;
		if (!(word & symbol_bit(symbol)))
			return left;
		at = children + index;
	}
	// Otherwise all that is below here comes behind the place, or is its node.
	if (!parting->never && parting->theirs_less)
		return stop ? stop : at;
	return left;
}

void trie_beside(const uint8_t *base, struct trie_beside searches[], unsigned n)
{
	assert(n <= FIND_BURST_MAX);
	for (unsigned i = 0; i < n; i++)
		searches[i].at = searches[i].root;
	descend(base, searches, n, false);
	for (unsigned i = 0; i < n; i++) {
		struct trie_beside *s = &searches[i];
		const struct node *closest = cell_at(base, s->at->ref);
		const struct trie_parting parting = trie_part(&s->place, closest);
		s->exact = parting.never ? closest : NULL;
		s->at = trie_left(base, s->root, &s->place, &parting);
		prefetch(s->at);
	}
	descend(base, searches, n, true);
	for (unsigned i = 0; i < n; i++)
		searches[i].left = cell_at(base, searches[i].at->ref);
}
