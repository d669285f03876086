// SPDX-License-Identifier: BSD-3-Clause
// Writing proofs; those that most negative replies of a zone share are copied.
#include "proof.h"

#include <string.h>

#include "understudy/name.h"
#include "understudy/rr.h"
#include "understudy/wire.h"

// Whether the question shows more of the owner than the apex.
static inline bool shows_owner(const struct reply *r, const uint8_t *highest)
{
	return highest && reply_shows_highest(r, highest);
}

static bool copy_put(const struct proof_copy *c, struct reply *r)
{
	if (r->limit - r->octets < c->octets || r->octets >= REPLY_POINTERS_END ||
	    shows_owner(r, c->highest))
		return false;
	uint8_t *p = r->msg + r->octets;
	memcpy(p, c->block, c->octets);
	for (unsigned i = 0; i < c->to_apex; i++)
		wire_poke_be16(p + c->pointer[i], reply_apex_pointer(r));
	for (unsigned i = 0; i < c->to_owner; i++)
		wire_poke_be16(p + c->pointer[c->to_apex + i], REPLY_POINTER(r->octets));
	r->octets += c->octets;
	r->counts[SECTION_AUTHORITY] = (uint16_t)(r->counts[SECTION_AUTHORITY] + c->records);
	return true;
}

static const uint8_t *highest_label(const uint8_t *labels, unsigned octets)
{
	const uint8_t *highest = NULL;
	for (unsigned at = 0; at < octets; at += 1u + labels[at])
		highest = labels + at;
	return highest;
}

// Keeps what has been written behind `start`: so many records of an owner with so many octets
// of labels above the apex.
static void copy_take(struct proof_copy *c, const struct reply *r, uint32_t start, unsigned records,
		      unsigned above_apex)
{
	const uint8_t *p = r->msg + start;
	bool root = r->msg[REPLY_QNAME_PLACE + r->apex_at] == 0; // nothing points to it
	unsigned at = 0;
	c->to_apex = c->to_owner = 0;
	for (unsigned i = 0; i < records; i++) {
		unsigned front = i == 0 ? above_apex : 0;
		bool to_owner = i > 0 && above_apex > 0;
		at += front;
		if (to_owner || !root)
			c->pointer[i - (root && to_owner)] = (uint16_t)at;
		c->to_owner = (uint8_t)(c->to_owner + to_owner);
		c->to_apex = (uint8_t)(c->to_apex + (!to_owner && !root));
		at += (to_owner || !root ? 2u : 1u) + REPLY_FIXED_OCTETS;
		at += 2u + wire_peek_be16(p + at);
	}
	c->octets = (uint16_t)at;
	c->records = (uint8_t)records;
	memcpy(c->block, p, at);
}

bool proof_put(const struct catalog *view, const struct proof *p, const struct zone *home,
	       struct reply *r)
{
	uint8_t name[NAME_MAX_OCTETS];
	struct owner owner = { .in_zone = p->zone == home };
	struct rrset set, sigs;
	uint32_t start = r->octets;
	if (p->copy && p->copy->node == p->node && owner.in_zone && copy_put(p->copy, r))
		return true;
	if (!node_signed_rrset(view, p->node, p->type, &set, &sigs))
		return true;
	if (owner.in_zone) {
		unsigned octets;
		owner.name = node_labels(p->node, &octets);
		owner.above_apex = (uint8_t)octets;
		if (octets == 0)
			owner.name = zone_apex(p->zone);
	} else {
		node_owner(p->zone, p->node, name);
		owner.name = name;
	}
	if (!reply_rrset(r, SECTION_AUTHORITY, &owner, &set) ||
	    (sigs.count > 0 && !reply_rrset(r, SECTION_AUTHORITY, &owner, &sigs)))
		return false;
	const uint8_t *highest = highest_label(owner.name, owner.above_apex);
	if (p->copy && owner.in_zone && r->octets - start <= PROOF_OCTETS_MAX &&
	    set.count + sigs.count <= PROOF_RECORDS_MAX && start < REPLY_POINTERS_END &&
	    !shows_owner(r, highest)) {
		copy_take(p->copy, r, start, set.count + sigs.count, owner.above_apex);
		p->copy->node = p->node;
		p->copy->highest = highest;
	}
	return true;
}
