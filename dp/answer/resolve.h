// SPDX-License-Identifier: BSD-3-Clause
// From what was found to the sections of the reply (RFC 1034 section 4.3.2).
#pragma once

#include <stdint.h>

#include "understudy/name.h"
#include "understudy/zone.h"

#include "additional.h"
#include "delegation.h"
#include "denial.h"
#include "negative.h"
#include "query.h"
#include "reply.h"

// Aliases followed within one reply: more than resolvers care for (BIND gives
// 12 CNAME records and SERVFAIL, Knot 5, NSD what fits), and a bound on the work.
#define RESOLVE_ALIASES_MAX 20

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
	const struct zone_denial *foreseen; // for the question's name
	const struct zone *home;            // of the question
	bool stream;                        // over TCP
	bool across_zones;                  // aliases are followed into other zones of ours
	unsigned aliases;
	struct additional additional;
	struct denial denial;
	struct servers servers;   // of a delegation
	struct negative negative; // as long as the view
	struct find chased;       // finds of all names but the first
	struct owner owners[RESOLVE_ALIASES_MAX + 1];
	const struct node *dnames[RESOLVE_ALIASES_MAX + 1]; // above owners[], or NULL
	struct synthesized synthesized[RESOLVE_ALIASES_MAX + 1];
	uint8_t delegated[NAME_MAX_OCTETS]; // owner of the zone cut
};

// Fills the reply's sections and sets its rcode and flags. The caller has set
// view, query, found, foreseen, reply, stream and across_zones.
void resolve(struct resolver *rs);
