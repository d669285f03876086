// SPDX-License-Identifier: BSD-3-Clause
// Additional data: addresses of servers (RFC 1035, 1183, 2230, 2782), what a NAPTR
// record leads to (3403), services behind an alias (9460 section 4.1), glue (9471).
#include "additional.h"

#include <assert.h>

#include "understudy/rr.h"
#include "understudy/wire.h"

#define SVCB_ALIAS_MODE 0 // as priority (RFC 9460 section 2.4.2)

void additional_begin(struct additional *a, const struct catalog *view, struct reply *reply,
		      bool dnssec_ok)
{
	a->view = view;
	a->reply = reply;
	a->dnssec_ok = dnssec_ok;
	a->sets = a->names = a->givens = 0;
}

static bool is_service(uint16_t type)
{
	return type == RRTYPE_SVCB || type == RRTYPE_HTTPS;
}

// Whether RRsets of this type may come to be added, so that one in the answer
// section must not come again.
static bool is_added(uint16_t type)
{
	return type == RRTYPE_A || type == RRTYPE_AAAA || type == RRTYPE_SRV || is_service(type);
}

static void note_given(struct additional *a, const uint8_t *name, const struct rrset *set)
{
	assert(a->givens < ADDITIONAL_GIVEN_MAX);
	a->given[a->givens].records = set->records;
	a->given[a->givens++].name = name;
}

static bool was_given(const struct additional *a, const uint8_t *name, const struct rrset *set)
{
	for (unsigned i = 0; i < a->givens; i++)
		if (a->given[i].records == set->records && name_equal(a->given[i].name, name))
			return true;
	return false;
}

static void want(struct additional *a, const uint8_t *owner, const struct rrset *set, bool glued)
{
	if (!rrtype_has_target(set->type) || a->sets == ADDITIONAL_SETS_MAX)
		return;
	a->set[a->sets].set = *set;
	a->set[a->sets].owner = owner;
	a->set[a->sets].places = NULL;
	a->set[a->sets++].glued = glued;
}

void additional_note(struct additional *a, const uint8_t *owner, const struct rrset *set)
{
	want(a, owner, set, false);
	if (is_added(set->type))
		note_given(a, owner, set);
}

// Gives the addresses of a server below the cut; false if they do not fit.
static bool put_glue(struct additional *a, const struct find *found, struct owner *owner)
{
	static const uint16_t types[] = { RRTYPE_A, RRTYPE_AAAA };
	const struct node *node = zone_node_at_cut(a->view, found, owner->name);
	struct rrset set;
	for (unsigned t = 0; node && t < 2; t++)
		if (node_rrset(a->view, node, types[t], &set) &&
		    !reply_rrset(a->reply, SECTION_ADDITIONAL, owner, &set))
			return false;
	return true;
}

bool additional_glue(struct additional *a, const struct glue *g)
{
	const uint8_t *record = g->ns->records;
	const struct servers *s = g->servers;
	bool known = s->are != SERVERS_ANYWHERE, all = s->are == SERVERS_BELOW;
	if (s->are == SERVERS_ELSEWHERE)
		return true;
	if (s->are != SERVERS_BESIDE) {
		for (uint32_t i = 0; i < g->ns->count; i++, record = rrset_next_record(record)) {
			struct owner owner = { .name = record + 2,
					       .place = known ? s->place[i] : 0 };
			if ((all || name_is_at_or_below(owner.name, g->delegated)) &&
			    !put_glue(a, g->found, &owner))
				return false;
		}
	}
	if (!all) {
		want(a, g->delegated, g->ns, !known);
		if (known && a->sets > 0)
			a->set[a->sets - 1].places = s->place;
	}
	return true;
}

// A name whose data are added.
struct target {
	const struct node *node;
	struct owner owner;
};

// Looks a name up in the zone, wildcards included. Below a zone cut stands glue,
// below a DNAME nothing that may be seen. The target's node is NULL if there is
// nothing to add. False once enough names have been looked up.
static bool find_target(struct additional *a, const uint8_t *name, struct target *t)
{
	if (a->names == ADDITIONAL_NAMES_MAX)
		return false;
	a->names++;
	t->owner = (struct owner){ .name = name };
	struct find f = { .qname = name, .qname_len = (uint16_t)name_length(name) };
	zone_find_in(a->view, a->zone, &f);
	t->node = f.cut ? zone_node_exact(a->view, a->zone, name) : f.node;
	return true;
}

// Adds the target's RRset of this type; false if it does not fit. Its signatures
// are left out where they do not (RFC 4035 section 3.1.1).
static bool put_type(struct additional *a, struct target *t, uint16_t type)
{
	struct rrset set, sigs;
	if (!t->node || !node_signed_rrset(a->view, t->node, type, &set, &sigs) ||
	    was_given(a, t->owner.name, &set))
		return true;
	if (!reply_rrset(a->reply, SECTION_ADDITIONAL, &t->owner, &set))
		return false;
	additional_note(a, t->owner.name, &set);
	if (a->dnssec_ok && sigs.count > 0) {
		if (sigs.ttl_s > set.ttl_s)
			sigs.ttl_s = set.ttl_s;
		reply_rrset(a->reply, SECTION_ADDITIONAL, &t->owner, &sigs);
	}
	return true;
}

// `place` is where the name stands in the reply, 0 = unknown.
static bool put_addresses(struct additional *a, const uint8_t *name, uint16_t place)
{
	struct target t;
	if (!find_target(a, name, &t))
		return false;
	t.owner.place = place;
	return put_type(a, &t, RRTYPE_A) && put_type(a, &t, RRTYPE_AAAA);
}

// What the first flag says that the name owns (RFC 3404 section 4.2); others
// lead on to names that only a client can know.
static bool put_naptr(struct additional *a, const uint8_t *rdata, const uint8_t *name)
{
	struct target t;
	const uint8_t *flags = rdata + rdata_shape(RRTYPE_NAPTR)->lead;
	switch (flags[0] == 1 ? name_lower[flags[1]] : 0) {
	case 'a': return put_addresses(a, name, 0);
	case 's': return find_target(a, name, &t) && put_type(a, &t, RRTYPE_SRV);
	default: return true;
	}
}

// An alias leads to the records of another name, and these to their own; "." is
// the owner itself, behind an alias nothing (RFC 9460 sections 2.5.1 and 2.5.2).
static bool put_service(struct additional *a, uint16_t type, const uint8_t *owner,
			const uint8_t *rdata)
{
	struct target t;
	const uint8_t *name = rdata_first_name(type, rdata);
	bool alias = wire_peek_be16(rdata) == SVCB_ALIAS_MODE;
	if (!alias)
		return put_addresses(a, *name ? name : owner, 0);
	return *name == 0 || (find_target(a, name, &t) && put_type(a, &t, type) &&
			      put_type(a, &t, RRTYPE_A) && put_type(a, &t, RRTYPE_AAAA));
}

// False once no more can be added.
static bool put_set(struct additional *a, unsigned which)
{
	const struct rrset set = a->set[which].set;
	const uint8_t *owner = a->set[which].owner, *record = set.records;
	const uint16_t *places = a->set[which].places;
	bool more = true;
	for (uint32_t i = 0; more && i < set.count; i++, record = rrset_next_record(record)) {
		const uint8_t *name = rdata_first_name(set.type, record + 2);
		if (a->set[which].glued && name_is_at_or_below(name, owner))
			continue;
		if (is_service(set.type))
			more = put_service(a, set.type, owner, record + 2);
		else if (set.type == RRTYPE_NAPTR)
			more = put_naptr(a, record + 2, name);
		else
			more = put_addresses(a, name, places ? places[i] : 0);
	}
	return more;
}

void additional_put(struct additional *a, const struct zone *zone)
{
	a->zone = zone;
	for (unsigned i = 0; i < a->sets; i++)
		if (!put_set(a, i))
			break;
}
