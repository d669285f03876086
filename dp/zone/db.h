// SPDX-License-Identifier: BSD-3-Clause
// The zones database behind the writer door: what transactions and publishing share.
#pragma once

#include <pthread.h>

#include "arena.h"
#include "trie.h"
#include "understudy/zonedb.h"

struct zonedb {
	struct arena *arena;
	struct rcu_pointer current; // struct catalog
	_Atomic uint64_t settled;   // no reader sees a catalogue before this generation

	pthread_mutex_t lock;          // guards what follows: publishing, one at a time
	struct arena_writer publisher; // of the catalogue's cells
	uint64_t outstanding;          // versions made and not yet published
	uint64_t published;
	uint64_t compactions;
	struct compaction *compaction; // the round that has begun, or NULL
	uint64_t compaction_left;      // cells that the last round could not gain
};

enum version_kind {
	VERSION_NEW,   // a transaction's: `head`
	VERSION_STATE, // the published one in another state, or an empty one
	VERSION_REMOVE
};

// Made when its transaction begins: what publishing needs is set aside from
// then on. The writer's cells are unpublished until zonedb_publish.
struct zone_version {
	struct zonedb *db;
	struct catalog *next; // becomes the view
	struct arena_writer w;
	cell_ref head;
	enum version_kind kind;
	enum zone_state state;
	uint64_t expires_unix_s; // of VERSION_STATE
	struct name apex;
	struct zone_txn_stats stats; // of the transaction, if one made it
};

enum result zone_version_new(struct zonedb *db, const uint8_t *apex, enum version_kind kind,
			     struct zone_version **out);

// The published head of this apex, or 0. It stays as long as the caller, who is
// the only one who may replace it, does not.
cell_ref zonedb_head(struct zonedb *db, const uint8_t *apex);

static inline const struct zone *zonedb_zone(const struct zonedb *db, cell_ref head)
{
	return cell_at(db->arena->base, head);
}

// Notes all cells of a published zone but its head's as garbage.
enum result zone_note_all(const struct zonedb *db, const struct zone *z, struct arena_garbage *g);

void zonedb_compaction_free(struct compaction *round);

// Publishing one catalogue root, with the lock held: takes `next`.
void zonedb_swap(struct zonedb *db, struct catalog *next, struct twig root, int64_t zones_more);
