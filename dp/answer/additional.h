// SPDX-License-Identifier: BSD-3-Clause
// The additional section: data of the names that a reply's records speak of.
//
// Glue without which a delegation cannot be followed must be there (RFC 9471);
// all else is optional and left out silently where it does not fit.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "understudy/name.h"
#include "understudy/zone.h"

#include "delegation.h"
#include "reply.h"

// RRsets whose names are looked at; an alias of a service may add to them.
#define ADDITIONAL_SETS_MAX 8
// Names that are looked up although they are not required. BIND stops at 13.
#define ADDITIONAL_NAMES_MAX 32
// RRsets that are remembered: of an answered node the five types that can be
// added, of each name looked up addresses, and SVCB, HTTPS or SRV.
#define ADDITIONAL_GIVEN_MAX (5 + 3 * ADDITIONAL_NAMES_MAX)

struct additional {
	const struct catalog *view;
	struct reply *reply;
	const struct zone *zone; // of the last name answered for
	bool dnssec_ok;
	unsigned sets;
	unsigned names; // looked up
	unsigned givens;
	struct {
		struct rrset set;
		const uint8_t *owner;
		bool glued;             // names at or below the owner have been given as glue
		const uint16_t *places; // of the names in the reply, or NULL
	} set[ADDITIONAL_SETS_MAX];
	// What was given already, to be given once. An RRset is known by where its
	// records stand, and by its name, as a wildcard gives one under many.
	struct {
		const uint8_t *records;
		const uint8_t *name;
	} given[ADDITIONAL_GIVEN_MAX];
};

void additional_begin(struct additional *a, const struct catalog *view, struct reply *reply,
		      bool dnssec_ok);

// Remembers an RRset that was given under `owner`, both valid until the reply is done.
void additional_note(struct additional *a, const uint8_t *owner, const struct rrset *set);

// A delegation as it stands in the reply.
struct glue {
	const struct find *found;
	const uint8_t *delegated; // its name
	const struct rrset *ns;
	const struct servers *servers; // valid until the reply is done
};

// In-domain glue for a delegation. False if some does not fit (RFC 9471 section 3.1).
bool additional_glue(struct additional *a, const struct glue *g);

// Adds what the noted RRsets make worth adding, from `zone`.
void additional_put(struct additional *a, const struct zone *zone);
