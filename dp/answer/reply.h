// SPDX-License-Identifier: BSD-3-Clause
// Writing a reply over its query: header, RRsets whole or not at all, OPT.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "understudy/name.h"
#include "understudy/wire.h"
#include "understudy/zone.h"

#include "compress.h"
#include "edns.h"
#include "query.h"

enum section { SECTION_ANSWER, SECTION_AUTHORITY, SECTION_ADDITIONAL, SECTION_COUNT };

// The question's name, where the query put it.
#define REPLY_QNAME_PLACE 12
// What points to a name at this place.
#define REPLY_POINTER(place) ((uint16_t)(0xc000u | (unsigned)(place)))
#define REPLY_POINTERS_END   0x4000u // to no place from here on
#define REPLY_FIXED_OCTETS   8       // type, class, TTL

// An owner name: `place` is where it stands in the reply, 0 = unknown or nowhere. One
// that is in the zone of the question may say so: then of `name` nothing is looked at
// but the labels above the apex.
struct owner {
	const uint8_t *name;
	uint16_t place;
	bool in_zone;
	uint8_t above_apex; // octets of these labels
};

struct reply {
	uint8_t *msg;
	uint32_t octets; // so far
	uint32_t limit;  // OPT not included
	struct compress *names;
	bool names_begun;       // `names` speaks of this reply
	uint8_t above_apex;     // labels of the question's name above its zone's apex
	uint8_t apex_at;        // octets of these labels
	bool zone_shown;        // apex_at and highest are known: the question is in a zone of ours
	const uint8_t *highest; // of these labels the one right below the apex; NULL: none
	bool authoritative;
	bool truncated;
	uint16_t rcode;   // an extended one only if the query had OPT
	uint16_t rrclass; // of all records
	uint16_t counts[SECTION_COUNT];
	int8_t edns_error;                // enum edns_error: an extended error, if it fits
	bool report_channel;              // the configured one goes in, if it fits
	const struct edns_reply *options; // the room for them is kept; NULL = none
};

// Starts a reply of at most `limit` octets (512 or more) behind the question.
void reply_begin(struct reply *r, const struct query *q, uint8_t *msg, size_t limit,
		 struct compress *names);

// The zone of the question is that whose apex has so many labels.
void reply_show_zone(struct reply *r, const struct query *q, unsigned apex_labels);

// A pointer to the apex of the question's zone, which is not the root.
static inline uint16_t reply_apex_pointer(const struct reply *r)
{
	return REPLY_POINTER(REPLY_QNAME_PLACE + r->apex_at);
}

// Whether the question has this label right below its zone's apex, too.
static inline bool reply_shows_highest(const struct reply *r, const uint8_t *label)
{
	return r->highest && *r->highest == *label &&
	       name_octets_equal(r->highest + 1, label + 1, *label);
}

// Keeps room for options, which must be there until the reply is finished.
static inline void reply_keep_room(struct reply *r, const struct edns_reply *options)
{
	r->options = options;
	r->limit -= options->octets;
}

// Keeps room behind the reply, if there is any.
static inline void reply_reserve(struct reply *r, uint32_t octets)
{
	r->limit = r->limit - r->octets > octets ? r->limit - octets : r->octets;
}

// Type, class and TTL as they stand in every record of a set; RDLENGTH comes with the records.
static inline void reply_fixed_octets(uint8_t fixed[REPLY_FIXED_OCTETS], const struct reply *r,
				      const struct rrset *set)
{
	wire_poke_be16(fixed, set->type);
	wire_poke_be16(fixed + 2, r->rrclass);
	wire_poke_be32(fixed + 4, set->ttl_s);
}

// Writes an RRset. The owner's place is filled in where it was 0 and can be
// known. False, and nothing written, if it does not fit.
bool reply_rrset(struct reply *r, enum section section, struct owner *owner,
		 const struct rrset *set);

// The same for A or AAAA records whose owner stands in the reply already.
bool reply_addresses(struct reply *r, enum section section, uint16_t place,
		     const struct rrset *set);

// Leaves nothing but the question, and TC.
void reply_truncate(struct reply *r, const struct query *q);

// Completes header and OPT; returns the octets of the reply.
size_t reply_finish(struct reply *r, const struct query *q, const struct answer_config *config);
