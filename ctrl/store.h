// SPDX-License-Identifier: BSD-3-Clause
// What lasts: zones' contents and states on disk (docs/store.md).
//
// Purpose: zones are published first and stored afterwards, in groups, by a
// thread of the store's own; at start they are loaded before anybody is asked.
// A store that fails changes nothing of what is served.
// Threads: the loop's, which is an RCU reader and offline when it calls in here.
// Ownership: store_new gives, store_free takes; a store_zone belongs to the store.
#pragma once

#include "store_format.h"
#include "understudy/zonedb.h"

struct store;
struct store_zone; // NULL stands for a zone without a store, everywhere

// Opens the folder, made if its parent is there, and reads what is stored.
// RESULT_OK; RESULT_EXISTS if another daemon uses it; RESULT_IO with errno;
// RESULT_NO_MEMORY.
enum result store_new(struct zonedb *db, const char *path, struct store **out);

// Starts storing; what is loaded before costs no lock.
enum result store_start(struct store *s);

// Stores what is due, if it can be, and ends the thread.
void store_stop(struct store *s);
void store_free(struct store *s);

// A zone that is configured, and one that is no longer: what is stored of it
// stays. store_zone_open: NULL if memory ran out, or without a store.
struct store_zone *store_zone_open(struct store *s, const uint8_t *apex);
void store_zone_close(struct store_zone *z);

// What is stored of the zone: a version to be published, and its timers.
// RESULT_OK; RESULT_NOT_FOUND, also if it was damaged, which is logged, and the
// zone is to be fetched anew; RESULT_NO_MEMORY.
enum result store_zone_load(struct store_zone *z, struct zone_version **version,
			    struct store_timers *timers);
// The timers alone, of a zone without content: RESULT_OK or RESULT_NOT_FOUND.
enum result store_zone_timers(struct store_zone *z, struct store_timers *timers);

// What a publication is to store; made after it, of a view that was taken before. The
// thread must have been an online reader since.
struct store_change {
	struct store_delta *delta; // NULL: none
	bool whole;                // the whole image
};
struct store_change store_compare(struct store_zone *z, const struct catalog *before);
void store_published(struct store_zone *z, struct store_change change,
		     const struct store_timers *timers);

// The timers have changed.
void store_note(struct store_zone *z, const struct store_timers *timers);

// Forgets what is stored.
void store_purge(struct store_zone *z);
// The same of a zone that is not configured: RESULT_OK or RESULT_NOT_FOUND.
enum result store_purge_name(struct store *s, const uint8_t *apex);
// Calls for each stored zone that is not configured.
void store_each_unconfigured(struct store *s, void (*each)(void *, const uint8_t *apex, uint32_t),
			     void *arg);

struct store_zone_status {
	bool stored; // something is
	uint32_t serial;
	uint64_t octets;
	bool due; // something newer is not stored yet
};
void store_zone_status(struct store_zone *z, struct store_zone_status *out);

struct store_stats {
	uint64_t zones, unconfigured, due;
	uint64_t commits, failures, images, deltas, octets;
	uint64_t refused;       // zones whose data was damaged
	uint64_t stored_unix_s; // last commit
	bool failing;
	char error[128];
};
void store_stats(struct store *s, struct store_stats *out);
