// SPDX-License-Identifier: BSD-3-Clause
// The NS records of a referral whose servers have names alike, as most have.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "understudy/zone.h"

#include "query.h"
#include "reply.h"

#define DELEGATION_SERVERS_MAX 16

// Where all servers of a delegation are.
enum servers_are {
	SERVERS_ANYWHERE,  // not known, or not all the same
	SERVERS_ELSEWHERE, // not in the zone
	SERVERS_BESIDE,    // in the zone, but not at or below the cut
	SERVERS_BELOW,     // the cut
};

struct servers {
	uint8_t are;                            // enum servers_are
	uint16_t place[DELEGATION_SERVERS_MAX]; // of their names in the reply, unless ANYWHERE
};

// Writes the NS records at `cut`, which is an end of the question's name, into the authority
// section of a reply that shows no other name, if their names differ in the first label only.
// What is written is what any other RRset's names would become, but it takes no table of them.
// False, nothing written, and ANYWHERE, where that has to be done.
bool delegation_put(struct reply *r, const struct query *q, const uint8_t *cut,
		    const struct rrset *ns, struct servers *out);
