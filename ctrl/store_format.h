// SPDX-License-Identifier: BSD-3-Clause
// The store's format (docs/store.md): segments and states, written and read.
//
// Purpose: whole zones and their changes as checksummed segments, and a zone's
// state as one block. Reading trusts nothing: what does not verify is
// RESULT_MALFORMED, what ends early RESULT_TRUNCATED.
// Threads: any; no state. Ownership: as each function says.
#pragma once

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "loop.h"
#include "store_block.h"
#include "understudy/zonedb.h"

#define STORE_BLOCK_FULL    (64u << 10)
#define STORE_PRIMARIES_MAX 16
#define STORE_STATE_MAX     1280 // octets of a state's block, at most

enum store_kind {
	STORE_IMAGE = 1,
	STORE_DELTA = 2,
	STORE_CELLS = 3 // an image as the snapshot's own cells
};

struct store_head {
	enum store_kind kind;
	uint64_t id;
	uint64_t published_unix_s;
	uint32_t from, to; // serials
	struct name apex;
};

// ---- writing a segment

// Grows blocks in `out`; the owner may take octets from it between two calls,
// which store_writer_whole says are whole blocks.
struct store_writer {
	struct buffer out;
	struct store_head head;
	size_t block; // where the open block begins in `out`
	bool open;
	uint32_t number;
	uint64_t records;
	struct name owner; // of the last entry in the open block
	bool has_owner;
};

// All of these: RESULT_OK or RESULT_NO_MEMORY. store_writer_free in any case.
enum result store_writer_begin(struct store_writer *w, const struct store_head *head);
// `owner` is at or below the apex.
enum result store_writer_rrset(struct store_writer *w, const uint8_t *owner, const struct rrset *rr,
			       bool deleted);
// A piece of a STORE_CELLS segment (zone_image_write).
enum result store_writer_piece(struct store_writer *w, const void *octets, size_t len);
// The end block; nothing may follow. `image`: of STORE_CELLS, else NULL.
enum result store_writer_end(struct store_writer *w, const struct zone_image *image);
void store_writer_free(struct store_writer *w);
// Octets at the start of `out` that are whole blocks.
size_t store_writer_whole(const struct store_writer *w);
// After they were taken elsewhere.
void store_writer_taken(struct store_writer *w);

// ---- reading segments

// Gets a segment's head, then its records, each of which is well-formed;
// anything but RESULT_OK ends the reading and is returned.
struct store_sink {
	enum result (*head)(void *arg, const struct store_head *head);
	enum result (*record)(void *arg, const struct zone_record *r, bool deleted);
	// Of STORE_CELLS: where the next piece is to be put, and the image in the end.
	enum result (*piece)(void *arg, size_t octets, void **where);
	enum result (*image)(void *arg, const struct zone_image *image);
	void *arg;
};

// Reads one segment. RESULT_OK with the source behind it; RESULT_NOT_FOUND at
// the end of the source; RESULT_TRUNCATED; RESULT_MALFORMED; RESULT_IO.
enum result store_read_segment(struct store_source *s, const struct store_sink *sink);

// Reads an image and all deltas behind it up to the source's end into a
// transaction, which is the caller's to commit or abort. `last` becomes the last
// segment's head. RESULT_OK or as above, or what the transaction says.
enum result store_read_zone(struct store_source *s, const uint8_t *apex, struct zone_txn *txn,
			    struct store_head *last);

// How far, from where the source stands, it is deltas that go on from `last`, which
// becomes the last one's head: octets from the source's start.
uint64_t store_read_deltas(struct store_source *s, const uint8_t *apex, struct store_head *last);

// ---- states

struct store_primary {
	uint8_t family; // 4 or 6
	uint8_t address[16];
	uint16_t port;
	uint64_t unix_s;
	uint8_t kind, reason;
	uint16_t rcode;
	uint32_t serial;
	uint8_t link_reason;
	uint16_t link_rcode;
	uint64_t link_unix_s, success_unix_s;
	uint32_t mark; // config_primary_mark; 0: not known
};

// The last transfer that went well.
struct store_transfer {
	uint64_t unix_s; // 0: none; nothing else is stored then
	uint8_t family;  // of the primary, as above
	uint8_t address[16];
	uint16_t port;
	uint8_t kind, form; // enum xfr_kind, enum xfr_form
	bool same, keyed, encrypted;
	uint64_t elapsed_ms;
	uint64_t messages, octets, records, steps, out_of_zone, duplicates, ttl_lowered;
};

// What a zone goes on with after a restart, apart from its content.
struct store_timers {
	bool expired, frozen;
	uint64_t refreshed_unix_s; // 0: never
	uint64_t next_unix_s;
	uint64_t expire_unix_s;
	uint8_t alarms_told; // as in struct alarm
	bool vetted;         // what follows is known
	uint8_t zonemd;      // enum zonemd_verdict
	bool nsec3;
	uint16_t nsec3_iterations;
	struct store_transfer transfer;
	unsigned primary_count;
	struct store_primary primaries[STORE_PRIMARIES_MAX];
};

// Those that are used.
static inline size_t store_timers_octets(const struct store_timers *t)
{
	return offsetof(struct store_timers, primaries) +
	       t->primary_count * sizeof(t->primaries[0]);
}

struct store_place {
	uint64_t id; // of the image; 0: nothing is stored
	uint64_t octets, image_octets;
	uint32_t serial;
	bool inside; // in LMDB
};

struct store_state {
	struct store_place place;
	struct store_timers timers;
};

// Returns the octets of the block.
size_t store_state_write(const struct store_state *state, const void *key, size_t key_len,
			 uint8_t out[STORE_STATE_MAX]);
enum result store_state_read(struct store_state *state, const void *key, size_t key_len,
			     const void *octets, size_t len);
