// SPDX-License-Identifier: BSD-3-Clause
// Writing proofs; those that most negative replies of a zone share are copied.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "understudy/zone.h"

#include "reply.h"

// Octets and records of a proof that is kept to be copied; others are written anew each time.
#define PROOF_OCTETS_MAX  512
#define PROOF_RECORDS_MAX 6

// A proof as it stood in a reply, and will in others to questions in the same zone, but for
// the places of the apex and of the owner.
struct proof_copy {
	const struct node *node; // whose proof it is; NULL: nothing is kept
	const uint8_t *highest;  // label of the owner right below the apex; NULL: it is the apex
	uint16_t octets;
	uint8_t records;
	uint8_t to_apex, to_owner;           // pointers: first those to the apex
	uint16_t pointer[PROOF_RECORDS_MAX]; // where they stand
	uint8_t block[PROOF_OCTETS_MAX];
};

// A node whose NSEC or NSEC3 records belong into the reply.
struct proof {
	const struct zone *zone;
	const struct node *node;
	uint16_t type;
	struct proof_copy *copy; // of a proof that other replies will have; NULL: none
};

// Writes it into the authority section. `home` is the zone of the question. False if it does
// not fit.
bool proof_put(const struct catalog *view, const struct proof *p, const struct zone *home,
	       struct reply *r);
