// SPDX-License-Identifier: BSD-3-Clause
// What the store's parts share: store.c (the zones), store_open.c (what is found
// at start), store_write.c (the thread), store_files.c (images as files).
#pragma once

#include <assert.h>
#include <pthread.h>

#include "log.h"
#include "store.h"
#include "store_db.h"
#include "store_marks.h"

struct store_delta {
	struct store_delta *next;
	uint64_t generation; // of the catalogue that published it
	struct store_writer writer;
};

// There are very many of these.
struct store_zone {
	struct store *store;
	struct store_zone *next;     // in its bucket
	struct store_zone *next_due; // in the store's list
	struct store_timers *timers; // to be stored, store_timers_octets of them; NULL: nothing new
	struct store_delta *deltas, **deltas_end;
	struct store_place place; // that counts; changed by the thread alone
	uint64_t generation;      // of the view that the image was copied from
	uint64_t least;           // octets that a file that was found must have;
				  // UINT64_MAX: verify to its end
	uint32_t found_at;        // its place in store.found, from 1, as long as that is there;
				  // 0: not found at start, or something was stored of it since
	uint32_t slot;            // of its mark, from 1; 0: none yet
	uint32_t delta_octets;
	bool configured;
	bool due;     // in the list
	bool storing; // the thread has taken it
	bool whole;   // its whole image is to be stored
	bool purge;   // before anything else
	uint8_t apex_len;
	uint8_t apex[]; // in lower case
};
static_assert(sizeof(struct store_zone) <= 120, "docs/performance.md tells what a zone takes");

// At start: what was found of a zone, in the salvage; NULL: nothing.
struct store_found {
	struct store_zone *zone;
	const uint8_t *state, *image;
	size_t state_len, image_len;
	uint64_t unix_s; // of an image without a state: when it was published
};

struct store {
	struct zonedb *db;
	char *path;
	int lock_fd, zones_fd; // the folder's lock; the folder of files
	struct store_salvage salvage;
	struct store_db *file; // the thread's; the loop's for reading, with `lock`
	int marks_fd;          // the thread's; -1 until it begins
	uint32_t marks_count;
	uint64_t next_id;
	struct store_found *found; // at start: all that is to stand in a fresh file
	size_t found_count, found_room;
	struct store_zone **bucket; // the loop's alone
	size_t buckets, count;

	pthread_t thread;
	bool started;
	pthread_mutex_t lock; // guards all that follows, and the zones' fields
	pthread_cond_t wake;
	bool stopping;
	struct store_zone *due, **due_end;
	struct store_stats stats;
};

// The zone of this name, or NULL; store_zone_new makes it.
struct store_zone *store_find(const struct store *s, const uint8_t *apex);
struct store_zone *store_zone_new(struct store *s, const uint8_t *apex);

// A zone's key in LMDB; returns its octets.
size_t store_key(char letter, const struct store_zone *z, uint8_t out[STORE_KEY_MAX]);

// Reads what is in the folder, and lists it in `found`. RESULT_OK, RESULT_IO, RESULT_NO_MEMORY.
enum result store_open(struct store *s);

void *store_thread(void *arg);
void store_delta_free(struct store_delta *d);

// ---- files. All of these: RESULT_OK, or RESULT_IO with errno.

// A file while it is written; it has its name only once it is whole.
enum result store_file_new(const struct store *s, uint64_t id, int *fd);
enum result store_file_write(int fd, const void *octets, size_t len, uint64_t at);
// Syncs the file, closes it in any case and gives it its name.
enum result store_file_keep(const struct store *s, uint64_t id, int fd);
void store_file_drop(const struct store *s, uint64_t id, int fd);
void store_file_remove(const struct store *s, uint64_t id);
enum result store_file_open(const struct store *s, uint64_t id, bool write, int *fd);
enum result store_file_sync(int fd);
// Makes new names last.
enum result store_folder_sync(const struct store *s);
// The id in a file's name; false for other names.
bool store_file_id(const char *name, uint64_t *id);
