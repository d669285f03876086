// SPDX-License-Identifier: BSD-3-Clause
// The SOA of negative answers (RFC 2308 section 3), made ready once a burst.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "understudy/zone.h"

#include "reply.h"

// Octets of a SOA and its signatures that are made ready; others are written anew each time.
#define NEGATIVE_OCTETS_MAX   1024
#define NEGATIVE_POINTERS_MAX 16

// SOA and signatures of the zone last denied from, as they stand in any reply to a question
// in it, but for the place of the apex, which the question shows.
struct negative {
	const struct zone *zone; // NULL: nothing is ready; valid as long as the view
	bool dnssec_ok;          // with signatures
	uint8_t pointers;        // to the apex
	uint16_t records;
	uint16_t octets;           // 0: it cannot be made ready
	const uint8_t *highest[2]; // labels right below the apex that the names in it have, or NULL
	uint16_t pointer[NEGATIVE_POINTERS_MAX];
	uint8_t block[NEGATIVE_OCTETS_MAX];
};

// The SOA as negative answers give it: its TTL is how long they may be cached.
void negative_soa(const struct catalog *view, const struct zone *zone, struct rrset *soa,
		  struct rrset *sigs);

// Makes it ready for a zone, if it is not.
void negative_prepare(struct negative *n, const struct catalog *view, const struct zone *zone,
		      bool dnssec_ok);

// Writes what is ready into the authority section of a reply that shows no names but the
// question's. False, and nothing written, where it has to be written like any other RRset.
bool negative_put(const struct negative *n, struct reply *r);
