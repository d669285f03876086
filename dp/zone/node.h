// SPDX-License-Identifier: BSD-3-Clause
// A node's blob: reading its RRsets, and making a new blob with changes applied.
//
// Threads: reading, any online reader; making, the writer's thread.
#pragma once

#include "arena.h"
#include "commons.h"
#include "layout.h"
#include "understudy/zonedb.h"

// Octets of the blob's fixed head; see docs/zone-layout.md.
#define NODE_HEAD_OCTETS     4u
#define NODE_RRSET_OCTETS    9u
#define NODE_INDIRECT_OCTETS 12u
#define NODE_DIRECT_MAX      2048u // octets of records that stand in the blob
// A query for a name looks at its RRsets one after the other. Signatures are RRsets as well.
#define NODE_RRSETS_MAX 256u

static inline const uint8_t *node_octets(const struct node *n)
{
	return (const uint8_t *)n;
}

static inline unsigned node_name_len(const struct node *n)
{
	return node_octets(n)[1];
}

// The relative name: node_name_len octets, no root label.
static inline const uint8_t *node_name(const struct node *n)
{
	return node_octets(n) + NODE_HEAD_OCTETS;
}

static inline unsigned node_rrset_count(const struct node *n)
{
	uint16_t count;
	memcpy(&count, node_octets(n) + 2, sizeof(count));
	return count;
}

// Cells of the blob itself.
uint32_t node_cells(const struct node *n);
// RRsets that stand outside of it, in common or not.
unsigned node_outside_count(const struct node *n);
uint64_t node_record_count(const struct node *n);
// Whether there are two CNAMEs or DNAMEs (RFC 2181 section 10.1, RFC 6672 section 2.4), or a
// CNAME beside what may not stand there.
bool node_is_contradictory(const struct node *n);

// Calls for each indirect RRset of the node's own; `ref` points at the 4 octets of the
// reference. node_each_common: for those that it shares with others.
void node_each_indirect(const struct node *n,
			void (*each)(void *arg, const uint8_t *ref, uint32_t octets), void *arg);
void node_each_common(const struct node *n,
		      void (*each)(void *arg, const uint8_t *ref, uint32_t octets), void *arg);

// RRsets of a node stand in this order: type, and signatures right behind what they cover.
uint32_t node_rrset_order(const struct rrset *r);

// Records waiting to be merged into one node, in the order they came.
struct node_record {
	uint16_t type;
	uint16_t len;
	uint32_t ttl_s;
	uint32_t at; // of the rdata in node_changes.rdata
	uint32_t order;
};

struct node_changes {
	struct node_record *record;
	uint32_t count, room;
	uint8_t *rdata;
	uint32_t rdata_len, rdata_room;
	uint8_t *blob; // scratch, where the new blob grows
	uint32_t blob_len, blob_room;
	struct commons *commons; // where RRsets may be shared; NULL: nowhere
};

enum result node_changes_add(struct node_changes *c, const struct zone_record *r);
void node_changes_clear(struct node_changes *c);
void node_changes_free(struct node_changes *c);

// What a node becomes.
struct node_made {
	cell_ref ref;       // 0: no RRset is left
	uint64_t leaf_bits; // flags and LEAF_INDIRECT for the leaf's word
	uint64_t records;
	uint64_t duplicates;
	uint64_t ttl_lowered;
};

struct node_place {
	const uint8_t *name; // relative, the case to keep for a new node
	uint8_t name_len;
	bool apex;
};

// Merges the changes into `old` (NULL: none) as a new blob. The old blob is
// still the caller's to release; old indirect records that the new blob does
// not take over are released here.
enum result node_merge(struct arena_writer *w, const struct node_place *place,
		       const struct node *old, struct node_changes *changes,
		       struct node_made *made);

// Makes a blob of the changes alone, to stand in the place of `old`, and shares
// with it what is equal: with all equal made->ref is old's own. The old blob, if
// it is not that, is still the caller's to release; old indirect records that
// the new blob does not share are released here.
enum result node_replace(struct arena_writer *w, const struct node_place *place,
			 const struct node *old, struct node_changes *changes,
			 struct node_made *made);

// A new blob of `old` without one record. RESULT_NOT_FOUND if it is not there.
enum result node_without(struct arena_writer *w, const struct node_place *place,
			 const struct node *old, const struct zone_record *r,
			 struct node_changes *scratch, struct node_made *made);

// Records of one indirect RRset that are to go from it: looked for one by one, taken out at
// once. To copy a large RRset for each of its records would take its size squared.
struct node_removal {
	const struct node *from; // NULL: nothing is begun; it stays as it is until the end
	uint32_t order;          // of the RRset
	uint16_t type;
	struct node_removed {
		const uint8_t *octets; // RDLENGTH and RDATA
		bool gone;
	} * record;
	uint32_t count, gone;
};

// Begins with the RRset that the record is of. RESULT_OK; RESULT_NOT_FOUND if `old` has no
// such RRset that is indirect; RESULT_NO_MEMORY.
enum result node_removal_begin(struct node_removal *d, const uint8_t *base, const struct node *old,
			       const struct zone_record *r);
// Whether it has begun with that RRset, the owner being the same.
bool node_removal_is_of(const struct node_removal *d, const struct zone_record *r);
// RESULT_OK; RESULT_NOT_FOUND if it is not there, or gone already.
enum result node_removal_take(struct node_removal *d, const struct zone_record *r);
// A new blob without what was taken. RESULT_OK or RESULT_NO_MEMORY.
enum result node_removal_apply(struct arena_writer *w, const struct node_place *place,
			       const struct node_removal *d, struct node_changes *scratch,
			       struct node_made *made);
void node_removal_end(struct node_removal *d);

// A copy in the writer's own cells, indirect records only where `move` says so
// for their reference. 0 without memory.
cell_ref node_copy(struct arena_writer *w, const struct node *n, bool (*move)(void *, cell_ref),
		   void *arg);
