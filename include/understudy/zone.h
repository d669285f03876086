// SPDX-License-Identifier: BSD-3-Clause
// The reader door of the snapshot: a view of all zones, and finding names in it.
//
// Purpose: a `struct catalog` is one consistent, immutable world: all zones as
// they were at one instant. Everything reachable from it is read-only.
// Threads: any registered RCU reader that is online (understudy/rcu.h).
// Lifetime: a view, and every pointer obtained through it, is valid until the
// reader's next quiescent state. Ownership: nothing here is freed by readers.
// Layout: docs/zone-layout.md. Terms: RFC 9499 (node = a name with its RRsets).
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "understudy/name.h"
#include "understudy/nsec3.h"
#include "understudy/result.h"
#include "understudy/wire.h"

struct catalog; // the view
struct zone;    // one version of one zone
struct node;    // one owner name and its RRsets
struct zonedb;  // what views are taken of (understudy/zonedb.h)

// The current world. Requires an online reader.
const struct catalog *zonedb_view(const struct zonedb *db);

enum zone_state {
	ZONE_NOT_LOADED, // configured, never yet transferred: SERVFAIL
	ZONE_SERVED,
	ZONE_EXPIRED // SOA expire has passed (RFC 1035 section 3.3.13): SERVFAIL
};

enum find_status {
	FIND_NO_ZONE,   // no zone of ours is at or above the name: REFUSED
	FIND_NO_DATA,   // a zone of ours, but not loaded or expired: see find.zone
	FIND_NODE,      // `node` owns records (maybe not of the asked type)
	FIND_EMPTY,     // an empty non-terminal (RFC 8020): exists, owns nothing
	FIND_WILDCARD,  // does not exist, but a wildcard covers it: `node`, or NULL if the
			// wildcard is itself an empty non-terminal (RFC 4592 section 2.2.2)
	FIND_NAME_ERROR // does not exist and no wildcard covers it
};

// One lookup. The caller fills the first part; zone_find_burst the second.
//
// The search stops at the first zone cut or DNAME on the way down, as RFC 1034
// section 4.3.2 wants it: with `cut` set (at or above the name, never the
// apex), status and node speak of the cut node itself only if the name is the
// cut; below a cut or DNAME, status is FIND_NODE with node NULL.
struct find {
	// in
	const uint8_t *qname; // well-formed, uncompressed, any case
	uint16_t qname_len;
	uint16_t qtype;                   // DS at an apex is looked for in the parent zone, if ours
	bool deny;                        // what denies the name is wanted, if it does not exist
	const struct name_labels *labels; // of qname; NULL: they are looked for

	// out
	uint8_t status;          // enum find_status
	uint8_t encloser_labels; // closest encloser: its label count, absolute
	const struct zone *zone;
	const struct node *node;
	const struct node *cut;   // topmost zone cut at or above the name, or NULL
	const struct node *dname; // topmost DNAME owner strictly above, or NULL
	const struct twig *below; // of names below the cut; NULL: there are none
	// With `deny`, in a zone that is signed and denies by NSEC, else NULL: of a name that
	// owns nothing and is not below a cut or DNAME, what zone_node_before says of it; of
	// one that no wildcard gives records, what it says of the asterisk below the closest
	// encloser.
	const struct node *before;
	const struct node *before_wildcard;
};

#define FIND_BURST_MAX 64

// Looks n names up (n at most FIND_BURST_MAX), all of them advancing together.
void zone_find_burst(const struct catalog *view, struct find *const finds[], unsigned n);

// Looks one name up in `zone` only, whatever other zones are above or below it,
// and whatever qtype says: FIND_NO_ZONE if the name is not at or below its apex.
void zone_find_in(const struct catalog *view, const struct zone *zone, struct find *f);

// Looks for a name in `zone` only, without regard to cuts, DNAMEs or wildcards:
// the node if it exists and owns records, else NULL. For additional data and
// glue. The name need not be in the zone.
const struct node *zone_node_exact(const struct catalog *view, const struct zone *zone,
				   const uint8_t *name);

// The same for a name at or below the cut that was found: what stands below it, has been
// fetched by a burst.
const struct node *zone_node_at_cut(const struct catalog *view, const struct find *f,
				    const uint8_t *name);

// The node that precedes `name` in canonical order and is authoritative (not
// below a cut), `name` itself excluded; the last of the zone for the apex.
// For NSEC (RFC 4034 section 6.1).
const struct node *zone_node_before(const struct catalog *view, const struct zone *zone,
				    const uint8_t *name);

// --- denial by NSEC3 (RFC 5155) ---------------------------------------------
//
// NSEC3 records and their signatures, where they stand one label below the
// apex, are kept apart: their owners are not names to be found (section 7.2.8).

// The chain that denies: of an NSEC3PARAM with flags 0 and SHA-1 whose hash of
// the apex owns an NSEC3. False if there is none: the zone has NSEC records, or
// is not signed. The salt lives as long as the view.
bool zone_nsec3_params(const struct zone *z, struct nsec3_params *out);

// The owner of the chain's NSEC3 for this hash (*match), or of the one that
// covers it (the last of the chain for what comes before the first). NULL if the
// chain has none there. Records of other chains are stepped over, at most 2,048 in a row.
const struct node *zone_nsec3_find(const struct catalog *view, const struct zone *z,
				   const uint8_t hash[NSEC3_HASH_OCTETS], bool *match);

// One search for what denies a name. The caller fills the first part,
// zone_deny_burst the second.
struct zone_denial {
	// in
	const struct zone *zone; // served, and with a chain if it is by NSEC3
	const uint8_t *name;     // in the zone; it must live as long as this
	bool nsec3;
	uint8_t hash[NSEC3_HASH_OCTETS]; // of the name, by NSEC3

	// out
	const struct node *node; // as zone_node_before or zone_nsec3_find returns it
	bool match;              // by NSEC3
};

// Searches for n at once (at most FIND_BURST_MAX), all of them advancing together.
void zone_deny_burst(const struct catalog *view, struct zone_denial *const denials[], unsigned n);

// --- a zone ---------------------------------------------------------------

struct soa {
	uint32_t serial;
	uint32_t refresh_s;
	uint32_t retry_s;
	uint32_t expire_s;
	uint32_t minimum_s;
};

const uint8_t *zone_apex(const struct zone *z); // wire, case as received
unsigned zone_apex_labels(const struct zone *z);
enum zone_state zone_state(const struct zone *z);
uint32_t zone_serial(const struct zone *z);
uint64_t zone_record_count(const struct zone *z);
uint64_t zone_node_count(const struct zone *z);
uint64_t zone_octets(const struct zone *z); // of cells, what it alone would take
// When it expires unless a primary confirms it before (zone_version_set_expiry):
// seconds, UNIX epoch; 0 = nobody has said.
uint64_t zone_expires_unix_s(const struct zone *z);
void zone_soa(const struct catalog *view, const struct zone *z, struct soa *out);

// The apex node; NULL unless the zone is ZONE_SERVED.
const struct node *zone_apex_node(const struct catalog *view, const struct zone *z);

// The zone of exactly this apex, or NULL. Any state.
const struct zone *catalog_zone(const struct catalog *view, const uint8_t *apex);
uint64_t catalog_zone_count(const struct catalog *view);
uint64_t catalog_generation(const struct catalog *view); // +1 with every publish

// --- a node and its RRsets ------------------------------------------------

// An RRset, as found: a small value that points into the snapshot.
// Records stand one after the other, each as RDLENGTH (big-endian) and RDATA,
// names in it uncompressed: ready to be copied behind a record's TTL. Their
// order is canonical order of the rdata (RFC 4034 section 6.3).
struct rrset {
	uint16_t type;
	uint32_t count;  // records, at least 1
	uint32_t ttl_s;  // RFC 2181 section 5.2: one for all
	uint32_t octets; // of all records together
	const uint8_t *records;
};

// What stands behind a record of an RRset.
static inline const uint8_t *rrset_next_record(const uint8_t *record)
{
	return record + 2 + wire_peek_be16(record);
}

// The type that signatures cover, an RRset of type RRSIG.
static inline uint16_t rrset_covered(const struct rrset *signatures)
{
	return wire_peek_be16(signatures->records + 2);
}

// The RRset of this type, not RRSIG. False if there is none.
bool node_rrset(const struct catalog *view, const struct node *n, uint16_t type, struct rrset *out);

// The same, and the RRSIG records that cover it as an RRset of type RRSIG: its count is 0 if
// there are none.
bool node_signed_rrset(const struct catalog *view, const struct node *n, uint16_t type,
		       struct rrset *out, struct rrset *signatures);

// All RRsets of the node, RRSIGs included (as one rrset per covered type), in
// ascending type order, signatures right after what they cover. `*at` starts at
// 0 and belongs to the iteration. False at the end.
bool node_next_rrset(const struct catalog *view, const struct node *n, uint64_t *at,
		     struct rrset *out);

// Flags that need no look at the RRsets.
#define NODE_CUT      0x01u // owns NS and is not the apex
#define NODE_DNAME    0x02u
#define NODE_CNAME    0x04u
#define NODE_APEX     0x08u
#define NODE_WILDCARD 0x10u // leftmost label is an asterisk alone
#define NODE_SIGNED   0x20u // owns an RRSIG
unsigned node_flags(const struct node *n);

// The owner name in the case it was received in; writes at most 255 octets and
// returns their number.
unsigned node_owner(const struct zone *z, const struct node *n, uint8_t out[NAME_MAX_OCTETS]);

// The labels of the owner name above the apex, without a root label; *octets is their length.
const uint8_t *node_labels(const struct node *n, unsigned *octets);

// All nodes of a zone in canonical order, and then, in canonical order, the
// owners of its NSEC3 records; for dumps, comparison and checks. An owner of
// NSEC3 records that owns others as well comes in both parts, each with its own.
struct zone_iter {
	const struct catalog *view;
	const struct zone *zone;
	const void *next[2]; // the tries
	uint8_t tries;       // entered
	uint8_t end;         // of the tries
	uint16_t depth;
	struct {
		const void *twig;
		uint16_t left;
	} level[512];
};
void zone_iter_init(struct zone_iter *it, const struct catalog *view, const struct zone *z);
// One of both parts.
void zone_iter_init_names(struct zone_iter *it, const struct catalog *view, const struct zone *z);
void zone_iter_init_nsec3(struct zone_iter *it, const struct catalog *view, const struct zone *z);
const struct node *zone_iter_next(struct zone_iter *it); // NULL at the end
