// SPDX-License-Identifier: BSD-3-Clause
// Changing a trie: copy-on-write insertion, replacement and removal of leaves.
//
// Threads: the writer's. Readers walk tries in find.c.
#pragma once

#include "arena.h"
#include "key.h"
#include "layout.h"

enum trie_kind {
	TRIE_NODES,  // leaves refer to nodes, whose names are relative to an apex
	TRIE_CATALOG // leaves refer to zone heads
};

// A trie being changed.
struct trie {
	struct arena_writer *w;
	struct twig root; // ref 0: empty
	enum trie_kind kind;
	uint8_t prefix[KEY_MAX]; // TRIE_NODES: the apex's key
	unsigned prefix_len;
};

// A name, as it is looked for in a trie.
struct trie_key {
	uint8_t symbol[KEY_MAX];
	unsigned len;
};

static inline unsigned trie_symbol(const struct trie_key *k, unsigned at)
{
	return at < k->len ? k->symbol[at] : 0;
}

// The key of what a leaf refers to.
unsigned trie_leaf_key(const struct trie *t, const uint8_t *base, cell_ref ref,
		       uint8_t key[static KEY_MAX]);

// The leaf of exactly this key, or NULL. Valid until the trie is changed.
const struct twig *trie_get(const struct trie *t, const struct trie_key *k);

// Sets the leaf of this key: `bits` are its flags and LEAF_INDIRECT. What the
// leaf referred to before is the caller's to release.
// RESULT_OK; RESULT_NO_MEMORY (the transaction can only be aborted).
enum result trie_put(struct trie *t, const struct trie_key *k, uint64_t bits, cell_ref ref);

// Removes the leaf of this key, which must be there.
enum result trie_remove(struct trie *t, const struct trie_key *k);

// Calls for every leaf in canonical order and for every array of twigs, below
// `root`. Either may be NULL.
struct trie_visitor {
	void (*leaf)(void *arg, const struct twig *leaf);
	void (*twigs)(void *arg, cell_ref array, unsigned count);
	void *arg;
};
void trie_visit(const uint8_t *base, const struct twig *root, const struct trie_visitor *v);
