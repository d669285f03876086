// SPDX-License-Identifier: BSD-3-Clause
// Name compression: the table of suffixes, and writing names by it.
#include "compress.h"

#include <assert.h>
#include <stdbool.h>
#include <string.h>

#include "understudy/wire.h"

#define POINTER_BITS 0xc000u
#define PLACE_LIMIT  0x4000u // what a pointer can reach

static_assert(COMPRESS_SUFFIXES <= 64, "each has a bit");

static inline uint32_t load4(const uint8_t *p)
{
	uint32_t x;
	memcpy(&x, p, 4);
	return x;
}

// The first octets of a label, its length among them, in lower case: all of a
// label of up to 7 octets. Reads no octet behind it; those in the middle of a
// short one may count twice.
static inline uint64_t label_head(const uint8_t *label)
{
	unsigned n = 1u + *label;
	if (n >= 8)
		return name_lower8_at(label);
	if (n >= 4)
		return name_lower8((uint64_t)load4(label) << 32 | load4(label + n - 4));
	return name_lower8((uint64_t)label[0] << 16 | (uint64_t)label[1] << 8 | label[n - 1]);
}

// Whether labels with equal heads are equal.
static inline bool label_tail_equal(const uint8_t *a, const uint8_t *b)
{
	return *a == *b && (*a < 8 || name_octets_equal(a + 8, b + 8, *a - 7u));
}

static inline uint64_t suffix_key(const uint8_t *label, uint16_t parent)
{
	return label_head(label) ^ (uint64_t)parent * 0x9e3779b97f4a7c15u;
}

// Index of the suffix that is `label` before `parent`; `used` if it is not known.
static inline uint32_t find_suffix(const struct compress *c, const uint8_t *msg,
				   const uint8_t *label, uint16_t parent)
{
	uint64_t key = suffix_key(label, parent);
	uint32_t i = 0;
	for (; i < c->used; i++)
		if (c->key[i] == key && c->parent[i] == parent &&
		    label_tail_equal(label, msg + c->place[i]))
			break;
	return i;
}

// A name on its way through the table.
struct walk {
	unsigned labels;                     // that are not known, leftmost ones
	unsigned octets;                     // of these labels
	uint16_t known;                      // place of the suffix behind them, 0 = the root
	uint8_t hops;                        // pointers met when reading on from there
	uint8_t starts[NAME_MAX_LABELS + 1]; // the root's last
};

static inline void collect_labels(const uint8_t *name, struct walk *w)
{
	unsigned at = 0, labels = 0;
	for (; name[at]; at += 1u + name[at])
		w->starts[labels++] = (uint8_t)at;
	w->starts[labels] = (uint8_t)at;
	w->labels = labels;
	w->octets = at;
	w->known = 0;
	w->hops = 0;
}

// Where a suffix that is new may be remembered. That another goes does no harm: its
// labels stay where they are in the message.
static inline uint32_t make_room(struct compress *c)
{
	if (c->used < COMPRESS_SUFFIXES)
		return c->used++;
	for (;;) {
		uint32_t i = c->oldest;
		uint64_t bit = (uint64_t)1 << i;
		c->oldest = (i + 1) % COMPRESS_SUFFIXES;
		if (!(c->useful & bit))
			return i;
		c->useful &= ~bit;
	}
}

// Keeps the unknown labels as they are; false if there is no room for them.
static bool remember_long(struct compress *c, uint32_t place, const struct walk *w, unsigned hops)
{
	if (c->longs == COMPRESS_LONG_NAMES || place + w->starts[w->labels - 1] >= PLACE_LIMIT)
		return false;
	struct compress_long *l = &c->long_name[c->longs++];
	l->place = (uint16_t)place;
	l->parent = w->known;
	l->hops = (uint8_t)hops;
	l->labels = (uint8_t)w->labels;
	memcpy(l->starts, w->starts, w->labels);
	return true;
}

// The unknown labels stand at `place` now, and behind them `hops` pointers. None
// of them can be in the table: what is behind the first of them is new with it.
static inline void remember(struct compress *c, const uint8_t *msg, uint32_t place,
			    const struct walk *w, unsigned hops)
{
	uint16_t parent = w->known;
	unsigned last = 0;
	if (hops >= COMPRESS_HOPS_MAX)
		return;
	if (w->labels > COMPRESS_TABLE_LABELS) {
		if (remember_long(c, place, w, hops))
			return;
		last = w->labels - COMPRESS_TABLE_LABELS;
	}
	for (unsigned left = w->labels; left > last; left--) {
		uint32_t at = place + w->starts[left - 1];
		if (at >= PLACE_LIMIT)
			return;
		uint32_t i = make_room(c);
		c->key[i] = suffix_key(msg + at, parent);
		c->parent[i] = parent;
		c->place[i] = (uint16_t)at;
		c->hops[i] = (uint8_t)hops;
		parent = (uint16_t)at;
	}
}

static inline bool label_equal(const uint8_t *a, const uint8_t *b)
{
	return *a == *b && name_octets_equal(a + 1, b + 1, *a);
}

// Takes off the end of the name what it has in common with the long names, each of
// which comes behind what it leans on.
static inline void step_over_long(const struct compress *c, const uint8_t *msg, const uint8_t *name,
				  struct walk *w)
{
	for (uint32_t i = 0; i < c->longs; i++) {
		const struct compress_long *l = &c->long_name[i];
		if (l->parent != w->known)
			continue;
		for (unsigned left = l->labels; left > 0 && w->labels > 0; left--) {
			unsigned start = w->starts[w->labels - 1];
			unsigned at = l->place + l->starts[left - 1];
			if (!label_equal(name + start, msg + at))
				break;
			w->labels--;
			w->octets = start;
			w->known = (uint16_t)at;
			w->hops = l->hops;
		}
	}
}

static void enter_base(struct compress *c, const uint8_t *msg)
{
	struct walk w;
	collect_labels(msg + c->base, &w);
	remember(c, msg, c->base, &w, 0);
	c->base_entered = true;
}

// Takes the base off the end of the name if it is there.
static inline bool step_over_base(const struct compress *c, const uint8_t *msg, const uint8_t *name,
				  struct walk *w)
{
	if (c->base_labels > w->labels)
		return false;
	unsigned start = w->starts[w->labels - c->base_labels];
	if (w->octets - start != c->base_octets ||
	    !name_octets_equal(name + start, msg + c->base, c->base_octets))
		return false;
	w->labels -= c->base_labels;
	w->octets = start;
	w->known = c->base;
	return true;
}

static inline void find_known(struct compress *c, const uint8_t *msg, const uint8_t *name,
			      struct walk *w)
{
	collect_labels(name, w);
	if (c->base && !step_over_base(c, msg, name, w) && !c->base_entered && w->labels > 0 &&
	    label_equal(name + w->starts[w->labels - 1], msg + c->base_last))
		enter_base(c, msg);
	step_over_long(c, msg, name, w);
	for (; w->labels > 0; w->labels--) {
		unsigned start = w->starts[w->labels - 1];
		uint32_t i = find_suffix(c, msg, name + start, w->known);
		if (i == c->used)
			break;
		c->useful |= (uint64_t)1 << i;
		w->known = c->place[i];
		w->hops = c->hops[i];
		w->octets = start;
	}
}

void compress_begin(struct compress *c, const uint8_t *msg, uint16_t place, unsigned above)
{
	struct walk w;
	collect_labels(msg + place, &w);
	c->used = c->oldest = c->longs = 0;
	c->useful = 0;
	c->base = 0;
	c->base_entered = false;
	if (above < w.labels) {
		c->base = (uint16_t)(place + w.starts[above]);
		c->base_last = (uint16_t)(place + w.starts[w.labels - 1]);
		c->base_labels = (uint8_t)(w.labels - above);
		c->base_octets = (uint8_t)(w.octets - w.starts[above]);
		w.labels = above;
		w.known = c->base;
	}
	remember(c, msg, place, &w, 0);
}

void compress_note(struct compress *c, const uint8_t *msg, uint32_t place)
{
	struct walk w;
	find_known(c, msg, msg + place, &w);
	remember(c, msg, place, &w, 0);
}

unsigned compress_write(struct compress *c, uint8_t *msg, uint32_t place, uint32_t room,
			const uint8_t *name, uint16_t *whole)
{
	struct walk w;
	find_known(c, msg, name, &w);
	unsigned octets = w.octets + (w.known ? 2 : 1);
	if (octets > room)
		return 0;
	uint8_t *p = msg + place;
	memcpy(p, name, w.octets);
	if (w.known)
		wire_poke_be16(p + w.octets, (uint16_t)(POINTER_BITS | w.known));
	else
		p[w.octets] = 0;
	remember(c, msg, place, &w, w.known ? w.hops + 1u : 0);
	*whole = w.labels == 0 ? w.known : 0;
	return octets;
}
