// SPDX-License-Identifier: BSD-3-Clause
// Proofs of what does not exist (RFC 4035 section 3.1.3, RFC 5155 section 7.2).
//
// While a query is resolved the proofs that its reply needs are collected, each
// node once; they are written when the answer section is done.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "understudy/zone.h"

#include "proof.h"
#include "reply.h"

// A wildcard for every name of a chain of aliases, and what the last one needs.
#define DENIAL_PROOFS_MAX 28

// Of the zone last denied from: whether it has NSEC; or of its NSEC3 what the reply to any
// name takes that does not exist below an existing one: the record of the apex, and that for
// the asterisk there.
struct denial_apex {
	const struct zone *zone; // NULL: nothing is known
	bool nsec_known, nsec;
	bool asterisk_known;
	bool match_known, match;
	const struct node *asterisk, *node;
};

struct denial {
	const struct catalog *view;
	const struct zone_denial *foreseen; // done; its name is NULL if it never was one
	const struct zone *home;            // of the question
	struct denial_apex apex;            // as long as the view
	unsigned count;
	struct proof proof[DENIAL_PROOFS_MAX];
	struct proof_copy of_apex, of_asterisk; // as long as `apex` is of the same zone
};

// Which search the reply to a query with DO will need most likely, by what was found
// for its name; so that those of a burst are done together. *out gets all that goes
// in, its name NULL if there is none to do.
void denial_foresee(const struct catalog *view, const struct find *f, struct zone_denial *out);

// That the name of `f` does not exist, or has no RRset of the type: whatever was
// found, if it is neither a referral nor a DNAME.
void denial_of_answer(struct denial *d, const struct find *f);

// That nothing exists between the wildcard found and the name.
void denial_of_closer(struct denial *d, const struct find *f);

// That there is no DS at the cut found.
void denial_of_ds(struct denial *d, const struct find *f);

// Writes all proofs into the authority section and forgets them. False if one
// does not fit.
bool denial_put(struct denial *d, struct reply *r);
