// SPDX-License-Identifier: BSD-3-Clause
// The nodes beside a place in a zone's trie, in canonical order.
//
// Threads: any online reader.
#pragma once

#include "layout.h"
#include "understudy/prefetch.h"

// A name in a trie of nodes.
struct trie_place {
	const uint8_t *key; // behind its end stands a 0
	unsigned len;
	unsigned apex_len; // symbols of the key that are the apex's
};

// Where the key of a place and that of the node closest to it part.
struct trie_parting {
	unsigned at;
	bool never;       // they are equal
	bool theirs_less; // at that place
};
struct trie_parting trie_part(const struct trie_place *p, const struct node *closest);

// The twig whose last authoritative leaf (trie_last_step) comes right before the place;
// the root if there is none, as the last of all comes before the first.
const struct twig *trie_left(const uint8_t *base, const struct twig *root,
			     const struct trie_place *p, const struct trie_parting *parting);

// Cache lines of a node that owns little but an NSEC or NSEC3 and signatures.
#define TRIE_SIGNED_LINES 6

// One twig down to the last authoritative leaf (what is below a cut or DNAME is not
// authoritative); true when it is reached.
static inline bool trie_last_step(const uint8_t *base, const struct twig **at)
{
	uint64_t word = twig_word(*at);
	if (word_is_leaf(word)) {
		prefetch_lines(cell_at(base, (*at)->ref), TRIE_SIGNED_LINES);
		return true;
	}
	*at = twig_children(base, *at) + (word & TWIG_STOP ? 0 : word_children(word) - 1);
	prefetch(*at);
	return false;
}

// One search. The caller fills the first part, trie_beside the second.
struct trie_beside {
	// in
	const struct twig *root; // not empty
	struct trie_place place; // at or below the apex

	// out
	const struct node *exact; // of this name, or NULL
	// The one before it, the last of all if it is the first; but the owner of a
	// cut or DNAME for all that is below that.
	const struct node *left;

	const struct twig *at; // scratch
};

// Searches for n places (at most FIND_BURST_MAX), all of them advancing together.
void trie_beside(const uint8_t *base, struct trie_beside searches[], unsigned n);
