// SPDX-License-Identifier: BSD-3-Clause
// The nodes beside a place in a zone's trie, in canonical order.
//
// Threads: any online reader.
#pragma once

#include "layout.h"

// A name in a trie of nodes.
struct trie_place {
	const uint8_t *key;
	unsigned len;
	unsigned apex_len; // symbols of the key that are the apex's
};

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
