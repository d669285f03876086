// SPDX-License-Identifier: BSD-3-Clause
// What a view holds: its zones, and walking over zones and their nodes.
#include "key.h"
#include "layout.h"
#include "walk.h"

const uint8_t *zone_apex(const struct zone *z)
{
	return z->apex;
}

unsigned zone_apex_labels(const struct zone *z)
{
	return z->apex_labels;
}

enum zone_state zone_state(const struct zone *z)
{
	return (enum zone_state)z->state;
}

uint32_t zone_serial(const struct zone *z)
{
	return z->soa.serial;
}

uint64_t zone_record_count(const struct zone *z)
{
	return z->records;
}

uint64_t zone_node_count(const struct zone *z)
{
	return z->nodes;
}

uint64_t zone_octets(const struct zone *z)
{
	return z->cells * CELL_OCTETS;
}

uint64_t zone_expires_unix_s(const struct zone *z)
{
	return z->expires_unix_s;
}

void zone_soa(const struct catalog *view, const struct zone *z, struct soa *out)
{
	(void)view;
	*out = z->soa;
}

const struct node *zone_apex_node(const struct catalog *view, const struct zone *z)
{
	return z->state == ZONE_SERVED && z->apex_node ? cell_at(view->base, z->apex_node) : NULL;
}

const struct zone *catalog_zone(const struct catalog *view, const uint8_t *apex)
{
	uint8_t key[KEY_MAX];
	if (!view->root.ref)
		return NULL;
	unsigned octets = (unsigned)name_length(apex), len = key_from_name(key, apex, octets);
	const struct twig *at = &view->root;
	for (uint64_t word; !word_is_leaf(word = twig_word(at));) {
		unsigned offset = word_offset(word);
		at = twig_child_for(view->base, at, word, offset < len ? key[offset] : 0);
	}
	const struct zone *z = cell_at(view->base, at->ref);
	return z->apex_len == octets && name_octets_equal(z->apex, apex, octets) ? z : NULL;
}

uint64_t catalog_zone_count(const struct catalog *view)
{
	return view->zones;
}

uint64_t catalog_generation(const struct catalog *view)
{
	return view->generation;
}

void zone_iter_init(struct zone_iter *it, const struct catalog *view, const struct zone *z)
{
	it->view = view;
	it->zone = z;
	it->depth = 0;
	it->next[0] = &z->root;
	it->next[1] = &z->nsec3_root;
	it->tries = 0;
	it->end = 2;
}

void zone_iter_init_names(struct zone_iter *it, const struct catalog *view, const struct zone *z)
{
	zone_iter_init(it, view, z);
	it->end = 1;
}

void zone_iter_init_nsec3(struct zone_iter *it, const struct catalog *view, const struct zone *z)
{
	zone_iter_init(it, view, z);
	it->tries = 1;
}

// Goes on to the next of the zone's tries; false if there is none.
static bool iter_enter(struct zone_iter *it)
{
	while (it->tries < it->end && it->depth == 0)
		walk_enter(it, it->next[it->tries++]);
	return it->depth > 0;
}

const struct node *zone_iter_next(struct zone_iter *it)
{
	const struct twig *at;
	while ((at = walk_top(it)) || iter_enter(it)) {
		if (!at)
			continue;
		if (!word_is_leaf(twig_word(at))) {
			walk_descend(it);
			continue;
		}
		walk_pass(it);
		return cell_at(it->view->base, at->ref);
	}
	return NULL;
}
