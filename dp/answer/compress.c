// SPDX-License-Identifier: BSD-3-Clause
// Name compression: the table of suffixes, and writing names by it.
#include "compress.h"

#include <assert.h>
#include <stdbool.h>
#include <string.h>

#include "understudy/name.h"
#include "understudy/wire.h"

#define POINTER_BITS 0xc000u
#define PLACE_LIMIT  0x4000u // what a pointer can reach

static_assert((COMPRESS_SLOTS & (COMPRESS_SLOTS - 1)) == 0, "slots are masked");
static_assert(COMPRESS_FILL < COMPRESS_SLOTS, "a search must meet an empty slot");

void compress_begin(struct compress *c)
{
	c->used = 0;
	if (++c->epoch == 0) {
		memset(c->slots, 0, sizeof(c->slots));
		c->epoch = 1;
	}
}

static uint32_t label_hash(const uint8_t *label, uint32_t parent)
{
	uint32_t h = parent * 0x9e3779b1u;
	for (unsigned i = 0; i <= *label; i++)
		h = (h ^ name_lower[label[i]]) * 0x01000193u;
	return h ^ (h >> 15);
}

static bool label_equal(const uint8_t *a, const uint8_t *b)
{
	for (unsigned i = 0; i <= *a; i++)
		if (name_lower[a[i]] != name_lower[b[i]])
			return false;
	return true;
}

// The slot of the suffix that is `label` before `parent`, or the empty slot
// where it belongs.
static struct compress_slot *find_slot(struct compress *c, const uint8_t *msg, const uint8_t *label,
				       uint16_t parent)
{
	uint32_t i = label_hash(label, parent);
	for (;; i++) {
		struct compress_slot *s = &c->slots[i & (COMPRESS_SLOTS - 1)];
		if (s->epoch != c->epoch)
			return s;
		if (s->parent == parent && label_equal(label, msg + s->place))
			return s;
	}
}

// A name on its way through the table.
struct walk {
	unsigned labels; // that are not yet known, leftmost ones
	unsigned octets; // of these labels
	uint16_t known;  // place of the suffix behind them, 0 = the root
	uint8_t starts[NAME_MAX_LABELS];
};

static void find_known(struct compress *c, const uint8_t *msg, const uint8_t *name, struct walk *w)
{
	unsigned at = 0;
	w->labels = 0;
	w->known = 0;
	for (; name[at]; at += 1u + name[at])
		w->starts[w->labels++] = (uint8_t)at;
	for (; w->labels > 0; w->labels--) {
		const uint8_t *label = name + w->starts[w->labels - 1];
		struct compress_slot *s = find_slot(c, msg, label, w->known);
		if (s->epoch != c->epoch)
			break;
		w->known = s->place;
		at = w->starts[w->labels - 1];
	}
	w->octets = at;
}

// The unknown labels stand at `place` now.
static void remember(struct compress *c, const uint8_t *msg, uint32_t place, struct walk *w)
{
	for (; w->labels > 0; w->labels--) {
		uint32_t at = place + w->starts[w->labels - 1];
		if (at >= PLACE_LIMIT || c->used >= COMPRESS_FILL)
			return;
		struct compress_slot *s = find_slot(c, msg, msg + at, w->known);
		*s = (struct compress_slot){ c->epoch, w->known, (uint16_t)at };
		w->known = (uint16_t)at;
		c->used++;
	}
}

void compress_note(struct compress *c, const uint8_t *msg, uint32_t place)
{
	struct walk w;
	find_known(c, msg, msg + place, &w);
	remember(c, msg, place, &w);
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
	remember(c, msg, place, &w);
	*whole = w.labels == 0 ? w.known : 0;
	return octets;
}
