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

struct trie_beside {
	const struct node *exact; // of this name, or NULL
	// The one before it, the last of all if it is the first; but the owner of a
	// cut or DNAME for all that is below that.
	const struct node *left;
};

// `root` is not empty. The name is at or below the apex.
struct trie_beside trie_beside(const uint8_t *base, const struct twig *root,
			       const struct trie_place *place);
