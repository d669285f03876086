// SPDX-License-Identifier: BSD-3-Clause
// What changed between two versions of a zone.
//
// Each trie is walked in canonical order beside that of the other version. A twig that stands in
// both is passed over with all that is below it: what versions share costs
// nothing, so a change of one record is found along one path.
#include <assert.h>
#include <stdlib.h>

#include "db.h"
#include "node.h"
#include "understudy/rr.h"
#include "walk.h"

struct diff {
	struct catalog view;
	const struct zone_diff_sink *sink;
	struct zone_iter *old, *new;
	const struct zone *zone;
	bool stopped;
};

static const struct node *leaf_node(const struct diff *d, const struct twig *t)
{
	return cell_at(d->view.base, t->ref);
}

static void say(struct diff *d, const uint8_t *owner, const struct rrset *rr, bool deleted)
{
	d->stopped = d->stopped || !d->sink->rrset(d->sink->arg, owner, rr, deleted);
}

static void say_record(struct diff *d, const uint8_t *owner, const struct rrset *rr,
		       const uint8_t *record, bool deleted)
{
	struct rrset one = *rr;
	one.count = 1;
	one.octets = 2u + wire_peek_be16(record);
	one.records = record;
	say(d, owner, &one, deleted);
}

// Order of two records; those that differ in case only are neither equal (0)
// nor ordered: then both are to be said (2).
static int record_order(uint16_t type, const uint8_t *a, const uint8_t *b)
{
	uint16_t a_len = wire_peek_be16(a), b_len = wire_peek_be16(b);
	if (a_len == b_len && memcmp(a + 2, b + 2, a_len) == 0)
		return 0;
	int order = rdata_compare(type, a + 2, a_len, b + 2, b_len);
	return order < 0 ? -1 : order > 0 ? 1 : 2;
}

// Both sides' records stand in canonical order.
static void diff_records(struct diff *d, const uint8_t *owner, const struct rrset *old,
			 const struct rrset *new)
{
	const uint8_t *a = old->records, *b = new->records;
	uint32_t i = 0, j = 0;
	while (!d->stopped && (i < old->count || j < new->count)) {
		int order = i == old->count   ? 1
			    : j == new->count ? -1
					      : record_order(old->type, a, b);
		if (order == -1 || order == 2)
			say_record(d, owner, old, a, true);
		if (order == 1 || order == 2)
			say_record(d, owner, new, b, false);
		if (order != 1) {
			a = rrset_next_record(a);
			i++;
		}
		if (order != -1) {
			b = rrset_next_record(b);
			j++;
		}
	}
}

static bool rrset_same(const struct rrset *a, const struct rrset *b)
{
	return a->ttl_s == b->ttl_s && a->octets == b->octets && a->count == b->count &&
	       (a->records == b->records || memcmp(a->records, b->records, a->octets) == 0);
}

static void diff_rrsets(struct diff *d, const uint8_t *owner, const struct rrset *old,
			const struct rrset *new)
{
	if (rrset_same(old, new))
		return;
	if (old->ttl_s == new->ttl_s) {
		diff_records(d, owner, old, new);
		return;
	}
	say(d, owner, old, true);
	say(d, owner, new, false);
}

// One name's RRsets on both sides; NULL where there is no such name.
static void diff_nodes(struct diff *d, const struct node *old, const struct node *new)
{
	uint8_t owner[NAME_MAX_OCTETS];
	struct rrset a, b;
	uint64_t a_at = 0, b_at = 0;
	node_owner(d->zone, new ? new : old, owner);
	bool has_a = old && node_next_rrset(&d->view, old, &a_at, &a);
	bool has_b = new &&node_next_rrset(&d->view, new, &b_at, &b);
	while (!d->stopped && (has_a || has_b)) {
		uint32_t a_order = has_a ? node_rrset_order(&a) : UINT32_MAX;
		uint32_t b_order = has_b ? node_rrset_order(&b) : UINT32_MAX;
		bool use_a = a_order <= b_order, use_b = b_order <= a_order;
		if (use_a && use_b)
			diff_rrsets(d, owner, &a, &b);
		else
			say(d, owner, use_a ? &a : &b, use_a);
		if (use_a)
			has_a = node_next_rrset(&d->view, old, &a_at, &a);
		if (use_b)
			has_b = node_next_rrset(&d->view, new, &b_at, &b);
	}
}

static int node_order(const struct diff *d, const struct node *a, const struct node *b)
{
	uint8_t a_owner[NAME_MAX_OCTETS], b_owner[NAME_MAX_OCTETS];
	node_owner(d->zone, a, a_owner);
	node_owner(d->zone, b, b_owner);
	return name_compare(a_owner, b_owner);
}

// Both tops are leaves, or one side is at its end.
static void diff_leaves(struct diff *d, const struct twig *a, const struct twig *b)
{
	const struct node *old = a ? leaf_node(d, a) : NULL, *new = b ? leaf_node(d, b) : NULL;
	int order = !old ? 1 : !new ? -1 : node_order(d, old, new);
	diff_nodes(d, order <= 0 ? old : NULL, order >= 0 ? new : NULL);
	if (order <= 0)
		walk_pass(d->old);
	if (order >= 0)
		walk_pass(d->new);
}

// Offsets grow downwards: the branch that asks for the earlier symbol stands
// higher, and goes first. A leaf waits for the other side to become one.
static unsigned height(const struct twig *t)
{
	uint64_t word = t ? twig_word(t) : TWIG_LEAF;
	return word_is_leaf(word) ? TWIG_OFFSET_MAX + 1 : word_offset(word);
}

static void diff_walk(struct diff *d)
{
	const struct twig *a, *b;
	while (a = walk_top(d->old), b = walk_top(d->new), !d->stopped && (a || b)) {
		if (a && b && a->ref == b->ref && twig_word(a) == twig_word(b)) {
			walk_pass(d->old);
			walk_pass(d->new);
			continue;
		}
		unsigned a_height = height(a), b_height = height(b);
		if (a_height > TWIG_OFFSET_MAX && b_height > TWIG_OFFSET_MAX) {
			diff_leaves(d, a, b);
			continue;
		}
		if (a_height <= b_height)
			walk_descend(d->old);
		if (b_height <= a_height)
			walk_descend(d->new);
	}
}

enum result zone_diff(const struct catalog *from, const struct catalog *to, const uint8_t *apex,
		      const struct zone_diff_sink *sink)
{
	const struct zone *old = catalog_zone(from, apex), *new = catalog_zone(to, apex);
	if (!old || !old->root.ref || !new || !new->root.ref)
		return RESULT_NOT_FOUND;
	struct zone_iter *its = malloc(2 * sizeof(*its));
	if (!its)
		return RESULT_NO_MEMORY;
	struct diff d = { .view = { .base = to->base },
			  .sink = sink,
			  .old = &its[0],
			  .new = &its[1],
			  .zone = new };
	d.old->view = d.new->view = &d.view;
	walk_enter(d.old, &old->root);
	walk_enter(d.new, &new->root);
	diff_walk(&d);
	walk_enter(d.old, &old->nsec3_root);
	walk_enter(d.new, &new->nsec3_root);
	diff_walk(&d);
	free(its);
	return d.stopped ? RESULT_LIMIT : RESULT_OK;
}
