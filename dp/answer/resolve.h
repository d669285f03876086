// SPDX-License-Identifier: BSD-3-Clause
// From what was found to the sections of the reply (RFC 1034 section 4.3.2).
#pragma once

#include <stdint.h>

#include "understudy/name.h"
#include "understudy/zone.h"

#include "query.h"
#include "reply.h"

// Aliases followed within one reply. Knot follows as many.
#define RESOLVE_ALIASES_MAX 20
// Nodes whose addresses are added where they are not required.
#define RESOLVE_EXTRA_MAX 32
// NS, MX and SRV of one node: RRsets that make us look for addresses.
#define RESOLVE_TARGET_SETS_MAX 3

// A synthesized CNAME record: RDLENGTH and RDATA.
struct synthesized {
	uint8_t record[2 + NAME_MAX_OCTETS];
};

// One query being resolved; scratch memory that belongs to a thread.
struct resolver {
	const struct catalog *view;
	const struct query *query;
	const struct find *found; // of the name that stands in owners[aliases]
	struct reply *reply;
	const uint8_t *home; // apex of the zone of the question
	bool stream;         // over TCP
	unsigned aliases;
	unsigned target_sets;
	unsigned extras;
	struct find chased; // finds of all names but the first
	struct owner owners[RESOLVE_ALIASES_MAX + 1];
	const struct node *dnames[RESOLVE_ALIASES_MAX + 1]; // above owners[], or NULL
	struct synthesized synthesized[RESOLVE_ALIASES_MAX + 1];
	struct rrset target_set[RESOLVE_TARGET_SETS_MAX];
	const struct node *extra[RESOLVE_EXTRA_MAX];
};

// Fills the reply's sections and sets its rcode and flags. The caller has set
// view, query, found, reply and stream.
void resolve(struct resolver *rs);
