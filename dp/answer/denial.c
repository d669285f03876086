// SPDX-License-Identifier: BSD-3-Clause
// Which NSEC records prove what (RFC 4035 section 3.1.3), and which NSEC3 records
// (RFC 5155 section 7.2). A zone with a chain of NSEC3 is denied by that one.
//
// A zone that is unsigned, or whose chain has holes, gets what proofs there are:
// it is the signer's business that they suffice.
#include "denial.h"

#include <assert.h>
#include <string.h>

#include "understudy/name.h"
#include "understudy/rr.h"

// Each node once; NULL, a hole in the chain, not at all.
static void add(struct denial *d, const struct zone *zone, const struct node *node, uint16_t type,
		struct proof_copy *copy)
{
	if (!node)
		return;
	for (unsigned i = 0; i < d->count; i++)
		if (d->proof[i].node == node)
			return;
	if (d->count < DENIAL_PROOFS_MAX)
		d->proof[d->count++] =
			(struct proof){ .zone = zone, .node = node, .type = type, .copy = copy };
}

// The name's ancestor of so many labels.
static const uint8_t *ancestor(const struct find *f, unsigned labels)
{
	return name_skip_labels(f->qname, name_label_count(f->qname) - labels);
}

// The asterisk below the name's ancestor of so many labels, of which the name has
// more: it is no longer than the name.
static void wildcard_below(const struct find *f, unsigned labels, uint8_t out[NAME_MAX_OCTETS])
{
	const uint8_t *encloser = ancestor(f, labels);
	memcpy(out, "\1*", 2);
	memcpy(out + 2, encloser, name_length(encloser));
}

static struct denial_apex *apex_of(struct denial *d, const struct zone *zone)
{
	if (d->apex.zone != zone) {
		d->apex = (struct denial_apex){ .zone = zone };
		d->of_apex.node = d->of_asterisk.node = NULL;
	}
	return &d->apex;
}

// --- NSEC ------------------------------------------------------------------------

// An NSEC chain begins at the apex.
static bool has_nsec(struct denial *d, const struct zone *zone)
{
	struct denial_apex *apex = apex_of(d, zone);
	if (!apex->nsec_known) {
		const struct node *node = zone_apex_node(d->view, zone);
		struct rrset nsec;
		apex->nsec_known = true;
		apex->nsec = (node_flags(node) & NODE_SIGNED) &&
			     node_rrset(d->view, node, RRTYPE_NSEC, &nsec);
	}
	return apex->nsec;
}

static void nsec_at(struct denial *d, const struct find *f, const struct node *node)
{
	add(d, f->zone, node, RRTYPE_NSEC, NULL);
}

static void nsec_of_answer(struct denial *d, const struct find *f)
{
	if (f->status == FIND_NODE) {
		nsec_at(d, f, f->node);
		return;
	}
	nsec_at(d, f, f->before);
	if (f->status == FIND_EMPTY)
		return;
	bool at_apex = f->encloser_labels == zone_apex_labels(f->zone);
	add(d, f->zone, f->node ? f->node : f->before_wildcard, RRTYPE_NSEC,
	    at_apex ? &d->of_asterisk : NULL);
}

// --- NSEC3 -----------------------------------------------------------------------

static void hash_name(const struct zone *zone, const uint8_t *name, uint8_t hash[NSEC3_HASH_OCTETS])
{
	struct nsec3_params params;
	bool there = zone_nsec3_params(zone, &params);
	assert(there);
	(void)there;
	nsec3_hash(name, (unsigned)name_length(name), &params, hash);
}

static const struct node *nsec3_for(struct denial *d, const struct find *f, const uint8_t *name,
				    bool *match)
{
	uint8_t hash[NSEC3_HASH_OCTETS];
	if (d->foreseen->name == name) {
		*match = d->foreseen->match;
		return d->foreseen->node;
	}
	hash_name(f->zone, name, hash);
	return zone_nsec3_find(d->view, f->zone, hash, match);
}

// What matches or covers the name.
static void nsec3_at(struct denial *d, const struct find *f, const uint8_t *name)
{
	bool match;
	add(d, f->zone, nsec3_for(d, f, name, &match), RRTYPE_NSEC3, NULL);
}

// The same for the name's ancestor of so many labels.
static const struct node *nsec3_for_ancestor(struct denial *d, const struct find *f,
					     unsigned labels, bool *match)
{
	if (labels > zone_apex_labels(f->zone))
		return nsec3_for(d, f, ancestor(f, labels), match);
	struct denial_apex *apex = apex_of(d, f->zone);
	if (!apex->match_known) {
		apex->node = nsec3_for(d, f, ancestor(f, labels), &apex->match);
		apex->match_known = true;
	}
	*match = apex->match;
	return apex->node;
}

// What matches or covers the asterisk below that ancestor.
static void nsec3_at_wildcard(struct denial *d, const struct find *f, unsigned labels)
{
	uint8_t wildcard[NAME_MAX_OCTETS];
	struct denial_apex *apex = apex_of(d, f->zone);
	bool match, at_apex = labels == zone_apex_labels(f->zone);
	const struct node *node = apex->asterisk;
	if (!at_apex || !apex->asterisk_known) {
		wildcard_below(f, labels, wildcard);
		node = nsec3_for(d, f, wildcard, &match);
	}
	if (at_apex) {
		apex->asterisk_known = true;
		apex->asterisk = node;
	}
	add(d, f->zone, node, RRTYPE_NSEC3, at_apex ? &d->of_asterisk : NULL);
}

// The proof of the closest provable encloser (section 7.2.1) of the name's ancestor
// of `labels` labels, of which alone it consists if that one has an NSEC3 itself.
// Returns the labels of what it matches.
//
// All that exists has an NSEC3 but unsigned delegations that were left out, and what
// is above nothing but these. Above what has one everything has: so the border is
// found by halving, and the longest name costs nine hashes.
static unsigned nsec3_encloser(struct denial *d, const struct find *f, unsigned labels)
{
	const struct node *encloser = NULL, *closer = NULL;
	unsigned low = zone_apex_labels(f->zone), high = labels + 1; // has one, has none
	for (unsigned at = labels; !encloser || low + 1 < high;) {
		bool match;
		const struct node *node = nsec3_for_ancestor(d, f, at, &match);
		if (!match && at == low)
			break;
		if (match) {
			encloser = node;
			low = at;
		} else {
			closer = node;
			high = at;
		}
		at = at == labels ? high - 1 : (low + high) / 2;
	}
	bool at_apex = low == zone_apex_labels(f->zone);
	add(d, f->zone, encloser, RRTYPE_NSEC3, at_apex ? &d->of_apex : NULL);
	add(d, f->zone, closer, RRTYPE_NSEC3, NULL);
	return low;
}

static void nsec3_of_answer(struct denial *d, const struct find *f)
{
	if (f->status == FIND_NODE || f->status == FIND_EMPTY) {
		nsec3_encloser(d, f, name_label_count(f->qname));
		return;
	}
	unsigned encloser = nsec3_encloser(d, f, f->encloser_labels + 1u);
	if (encloser > f->encloser_labels)
		encloser = f->encloser_labels; // an NSEC3 of what does not exist
	nsec3_at_wildcard(d, f, encloser);
}

// --- what the resolver asks for --------------------------------------------------

static bool has_nsec3(const struct zone *zone)
{
	struct nsec3_params params;
	return zone_nsec3_params(zone, &params);
}

// The name that the reply will ask an NSEC3 for before others, or NULL.
static const uint8_t *foresee_nsec3(const struct catalog *view, const struct find *f)
{
	struct rrset set;
	if (f->status == FIND_EMPTY)
		return f->qname;
	if (f->status != FIND_NODE)
		return ancestor(f, f->encloser_labels + 1u);
	if (f->cut)
		return node_flags(f->cut) & NODE_SIGNED ? NULL : ancestor(f, f->encloser_labels);
	if (!f->node || (node_flags(f->node) & NODE_CNAME) || f->qtype == RRTYPE_ANY ||
	    node_rrset(view, f->node, f->qtype, &set))
		return NULL;
	return f->qname;
}

void denial_foresee(const struct catalog *view, const struct find *f, struct zone_denial *out)
{
	out->name = NULL;
	if (f->status == FIND_NO_ZONE || f->status == FIND_NO_DATA)
		return;
	out->zone = f->zone;
	out->nsec3 = has_nsec3(f->zone);
	if (out->nsec3)
		out->name = foresee_nsec3(view, f);
	if (out->name)
		hash_name(f->zone, out->name, out->hash);
}

void denial_of_answer(struct denial *d, const struct find *f)
{
	if (has_nsec3(f->zone))
		nsec3_of_answer(d, f);
	else if (has_nsec(d, f->zone))
		nsec_of_answer(d, f);
}

void denial_of_closer(struct denial *d, const struct find *f)
{
	if (has_nsec3(f->zone))
		nsec3_at(d, f, ancestor(f, f->encloser_labels + 1u));
	else if (has_nsec(d, f->zone))
		nsec_at(d, f, f->before);
}

void denial_of_ds(struct denial *d, const struct find *f)
{
	if (has_nsec3(f->zone))
		nsec3_encloser(d, f, f->encloser_labels);
	else if (has_nsec(d, f->zone))
		nsec_at(d, f, f->cut);
}

bool denial_put(struct denial *d, struct reply *r)
{
	bool fits = true;
	for (unsigned i = 0; fits && i < d->count; i++)
		fits = proof_put(d->view, &d->proof[i], d->home, r);
	d->count = 0;
	return fits;
}
