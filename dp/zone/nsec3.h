// SPDX-License-Identifier: BSD-3-Clause
// Chains of NSEC3 records as transactions choose them and readers search them.
//
// Threads: any online reader, and a writer on what it builds.
#pragma once

#include "key.h"
#include "layout.h"
#include "neighbour.h"
#include "understudy/nsec3.h"

// The next NSEC3PARAM of the apex that a chain may be used for: SHA-1, flags 0
// (RFC 5155 section 4.1.2). `*at` starts at 0. False at the end.
bool nsec3_param_next(const struct catalog *view, const struct node *apex, uint32_t *at,
		      struct nsec3_params *out);

// The name that owns the NSEC3 of this hash; false if it would be too long.
bool nsec3_owner(const uint8_t hash[NSEC3_HASH_OCTETS], const uint8_t *apex, struct name *out);

// Makes a search among the owners of NSEC3 records; `key` must outlive it.
void nsec3_search(const struct zone *z, const uint8_t hash[NSEC3_HASH_OCTETS],
		  uint8_t key[static KEY_MAX], struct trie_beside *s);

// What denies the hash, once the search is done; goes on with it past other chains.
const struct node *nsec3_choose(const struct catalog *view, const struct zone *z,
				uint8_t key[static KEY_MAX], struct trie_beside *s, bool *match);

bool nsec3_params_equal(const struct nsec3_params *a, const struct nsec3_params *b);

// Whether the node owns an NSEC3 of this chain.
bool nsec3_is_of(const struct catalog *view, const struct node *n,
		 const struct nsec3_params *chain);
