// SPDX-License-Identifier: BSD-3-Clause
// The nodes beside a place in a zone's trie, in canonical order.
#include "neighbour.h"

#include "key.h"
#include "node.h"

static unsigned place_symbol(const struct trie_place *p, unsigned offset)
{
	return offset < p->len ? p->key[offset] : 0;
}

static const struct node *closest_node(const uint8_t *base, const struct twig *at,
				       const struct trie_place *p)
{
	for (uint64_t word; !word_is_leaf(word = twig_word(at));)
		at = twig_child_for(base, at, word, place_symbol(p, word_offset(word)));
	return cell_at(base, at->ref);
}

// The last authoritative node below the twig: what is below a cut or DNAME is not.
static const struct node *last_node(const uint8_t *base, const struct twig *at)
{
	for (uint64_t word; !word_is_leaf(word = twig_word(at));) {
		unsigned last = word & TWIG_STOP ? 0 : word_children(word) - 1;
		at = twig_children(base, at) + last;
	}
	return cell_at(base, at->ref);
}

// Where the key and that of the closest node part.
struct parting {
	unsigned at;
	bool never;       // they are equal
	bool theirs_less; // at that place
};

static struct parting part(const struct trie_place *p, const struct node *n)
{
	uint8_t key[KEY_MAX];
	unsigned at = p->apex_len;
	unsigned len = key_append_name(key, at, node_name(n), node_name_len(n));
	while (at < len && at < p->len && key[at] == p->key[at])
		at++;
	unsigned theirs = at < len ? key[at] : 0;
	return (struct parting){
		.at = at,
		.never = at == len && at == p->len,
		.theirs_less = theirs < place_symbol(p, at),
	};
}

// The twig whose last leaf comes right before the place; NULL: there is none. On the
// way down the first branch that stops lookups makes its cut or DNAME the answer for
// all that is below.
static const struct twig *twig_before(const uint8_t *base, const struct twig *at,
				      const struct trie_place *p, const struct parting *parting)
{
	const struct twig *left = NULL, *stop = NULL;
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

struct trie_beside trie_beside(const uint8_t *base, const struct twig *root,
			       const struct trie_place *place)
{
	const struct node *closest = closest_node(base, root, place);
	const struct parting parting = part(place, closest);
	const struct twig *left = twig_before(base, root, place, &parting);
	return (struct trie_beside){
		.exact = parting.never ? closest : NULL,
		.left = last_node(base, left ? left : root),
	};
}
