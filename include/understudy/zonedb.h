// SPDX-License-Identifier: BSD-3-Clause
// The writer door of the snapshot: build a zone unseen, then publish it.
//
// Purpose: a transaction starts from nothing (AXFR) or from the published
// version (IXFR), takes records, and is committed (may fail) into a sealed new
// version that nobody sees; zonedb_publish makes it visible by one pointer swap
// (cannot fail). What the old version alone used is given back after a grace
// period. Nothing that readers see is ever changed.
// Threads: one transaction belongs to one thread at a time; transactions of
// different zones may run in different threads; of one zone there is at most
// one at a time (the caller sees to it). Publishing takes a mutex of its own.
// Ownership: zone_txn_begin gives, commit and abort take.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "understudy/name.h"
#include "understudy/result.h"
#include "understudy/zone.h"

struct zonedb_options {
	uint64_t max_octets; // of cells, all zones together; 0 = the most possible, 32 GiB
	bool hugepages;      // try hugetlb pages first
	bool protect;        // mprotect full chunks read-only (debug)
};

enum result zonedb_new(const struct zonedb_options *options, struct zonedb **out);

// No reader may be left. Waits for what is retired.
void zonedb_free(struct zonedb *db);

struct zone_txn;
struct zone_version; // committed, not yet published

struct zone_txn_options {
	const uint8_t *apex;
	// Start from what is served (for IXFR), else from nothing; what a zone made
	// from nothing has in common with the served one is shared in the end.
	bool from_published;
	uint64_t max_records; // 0 = no limit
};

enum result zone_txn_begin(struct zonedb *db, const struct zone_txn_options *options,
			   struct zone_txn **out);

struct zone_txn_stats {
	uint64_t added;
	uint64_t deleted;
	uint64_t duplicates;    // merged (RFC 2181 section 5)
	uint64_t ttl_lowered;   // records whose RRset had another TTL (5.2)
	uint64_t out_of_zone;   // skipped
	uint64_t cells_octets;  // allocated by this transaction so far
	uint64_t again_octets;  // of these, for names that it had written before
	uint64_t wait_octets;   // of records that wait until their name is complete
	bool same;              // in the end: the content is what is published
	int64_t contradictions; // names with two CNAMEs or DNAMEs, or a CNAME beside other data:
				// so many more than in what the transaction began from
};

// A record to add or delete. `owner` is well-formed wire; `rdata` is
// uncompressed (rdata_read).
struct zone_record {
	const uint8_t *owner;
	const uint8_t *rdata;
	uint32_t ttl_s;
	uint16_t type;
	uint16_t rdata_len;
};

// Duplicates are merged when the name is complete and show in the statistics.
// RESULT_OK; RESULT_OUT_OF_ZONE (skipped and counted); RESULT_LIMIT; RESULT_TYPES;
// RESULT_NO_MEMORY (the transaction can only be aborted).
enum result zone_txn_add(struct zone_txn *t, const struct zone_record *r);

// The record must be there, by rdata; the TTL is not compared.
// RESULT_OK; RESULT_NOT_FOUND; RESULT_OUT_OF_ZONE; RESULT_TYPES (of what was added before);
// RESULT_NO_MEMORY.
enum result zone_txn_delete(struct zone_txn *t, const struct zone_record *r);

// Of what was settled so far: an owner is, once another one follows, or with the
// commit (zone_version_stats).
const struct zone_txn_stats *zone_txn_stats(const struct zone_txn *t);

// Ends the transaction, whatever it returns. RESULT_OK; RESULT_NO_SOA unless
// the apex has exactly one SOA; RESULT_TYPES; RESULT_NO_MEMORY.
enum result zone_txn_commit(struct zone_txn *t, struct zone_version **out);
void zone_txn_abort(struct zone_txn *t);

// What a committed version holds, before it is published.
uint32_t zone_version_serial(const struct zone_version *v);
void zone_version_soa(const struct zone_version *v, struct soa *out);
// Of the whole transaction that made it.
const struct zone_txn_stats *zone_version_stats(const struct zone_version *v);
void zone_version_discard(struct zone_version *v);
// The version as what functions that read a zone want; NULL if it is of no transaction.
// For the version's thread, until the version is published or discarded; the zone must
// not be published in between, nor compacted. The view holds no zones.
const struct zone *zone_version_zone(const struct zone_version *v, const struct catalog **view);
// When the zone will expire (RFC 7314): what readers then see of a version that
// is not published yet. One without data keeps none.
void zone_version_set_expiry(struct zone_version *v, uint64_t unix_s);

// Gets the records that the later version deletes or adds, one or more of an
// RRset at a time, in canonical order of the owners; false ends the comparison.
// What changes its TTL or case is deleted and then added. Valid during the call.
struct zone_diff_sink {
	bool (*rrset)(void *arg, const uint8_t *owner, const struct rrset *rr, bool deleted);
	void *arg;
};

// Compares a zone in one view with what became of it in a later one. What the two share is
// not looked at. For a reader that was online since it took the first. RESULT_OK;
// RESULT_LIMIT if the sink ended it; RESULT_NOT_FOUND if either has no data; RESULT_NO_MEMORY.
enum result zone_diff(const struct catalog *from, const struct catalog *to, const uint8_t *apex,
		      const struct zone_diff_sink *sink);

// Makes a transaction's version one that is published as ZONE_EXPIRED: for zones
// that come back from disk.
void zone_version_expire(struct zone_version *v);

// A version in ZONE_NOT_LOADED, for a zone that is configured but empty.
enum result zone_version_not_loaded(struct zonedb *db, const uint8_t *apex,
				    struct zone_version **out);
// The published version again, marked ZONE_EXPIRED (or ZONE_SERVED again).
enum result zone_version_marked(struct zonedb *db, const uint8_t *apex, enum zone_state state,
				struct zone_version **out);
// The removal of a zone.
enum result zone_version_removed(struct zonedb *db, const uint8_t *apex, struct zone_version **out);

// --- images ---------------------------------------------------------------
//
// A zone's cells, copied together in pieces whose references count from the image's start.
// They are in the machine's byte order, and of this layout only.

#define ZONE_IMAGE_LAYOUT 1       // changes with docs/zone-layout.md
#define ZONE_PIECE_OCTETS 262136u // of a piece, at most

struct zone_image {
	uint32_t pieces;
	uint32_t root[3], nsec3_root[3]; // twigs
	uint32_t commons;                // what names share; 0: nothing
	uint64_t records, nodes;
};

// Gets the pieces; each is valid during the call. Anything but RESULT_OK ends the writing.
struct zone_image_sink {
	enum result (*piece)(void *arg, const void *octets, size_t len);
	void *arg;
};

// RESULT_OK; RESULT_NO_SPACE if an RRset is too large for a piece; RESULT_NO_MEMORY; what the
// sink returns. For an online reader.
enum result zone_image_write(const struct catalog *view, const struct zone *z,
			     const struct zone_image_sink *sink, struct zone_image *out);

// Room for the next piece of an image, to be filled before zone_txn_adopt, which makes the
// image all that the transaction holds. Nothing else may have been added. Whoever calls
// knows the pieces for what zone_image_write gave: only references are looked at.
// RESULT_OK; RESULT_MALFORMED; RESULT_NO_MEMORY (the transaction can only be aborted).
enum result zone_txn_piece(struct zone_txn *t, size_t octets, void **where);
// `apex` in the case that it had.
enum result zone_txn_adopt(struct zone_txn *t, const uint8_t *apex, const struct zone_image *image);

// Publishes n versions as one swap: readers see all or none. Takes the
// versions. Cannot fail: what it needs was set aside when they were made.
void zonedb_publish(struct zonedb *db, struct zone_version *const versions[], size_t n);

// Compaction: what lives in sparse chunks moves together, a slice at a time.
struct zonedb_compact_options {
	uint32_t leaves; // names and zones that a slice looks at, at least 2
	// Whether a zone may be published anew: no transaction of it is open, nor a version of
	// it unpublished, that began from content. NULL: all may.
	bool (*may_move)(void *arg, const uint8_t *apex);
	void *arg;
	bool pass_over; // leave zones that may not for the next round; else wait for them
};

enum zonedb_compacted {
	ZONEDB_COMPACT_OVER,   // nothing more is to be gained now
	ZONEDB_COMPACT_MORE,   // call again
	ZONEDB_COMPACT_BLOCKED // call again once the zone that is next may move
};

// Does the next slice of a round, or the first of one if enough would be gained; publishes
// if it moved anything. RESULT_OK, or RESULT_NO_MEMORY: the round is over.
enum result zonedb_compact(struct zonedb *db, const struct zonedb_compact_options *options,
			   enum zonedb_compacted *out);

// The generation (catalog_generation) that every reader sees, or a later one.
uint64_t zonedb_settled(const struct zonedb *db);

struct zonedb_stats {
	uint64_t chunks;         // mapped, 2 MiB each
	uint64_t chunks_huge;    // of them on hugetlb pages
	uint64_t chunks_retired; // of them waiting for a grace period
	uint64_t octets_live;    // reachable from the published view
	uint64_t octets_garbage; // replaced, but their chunk is still in use
	uint64_t published;      // swaps so far
	uint64_t compactions;
};
void zonedb_stats(const struct zonedb *db, struct zonedb_stats *out);

// Walks a view and verifies every invariant of docs/zone-layout.md.
// RESULT_OK, or RESULT_MALFORMED with the first violation in `why`.
enum result zonedb_check(const struct zonedb *db, const struct catalog *view, char *why,
			 size_t why_size);
