// SPDX-License-Identifier: BSD-3-Clause
// Who waits to talk to a primary, and whose turn it is.
#include "line.h"

#include <assert.h>

#define LIMIT_FIRST 4

void line_limit(struct line *line, unsigned places, size_t primaries)
{
	line->limit = places;
	line->most = primaries > 1 && places > 1 ? places * 3 / 4 : places;
}

void line_primary_init(struct line_primary *p)
{
	*p = (struct line_primary){ .limit = LIMIT_FIRST };
}

// ---- the ring of primaries that are waited for

static void ring_add(struct line *line, struct line_primary *p)
{
	struct line_primary *head = line->ring;
	if (!head) {
		p->next = p->previous = p;
		line->ring = p;
		return;
	}
	p->next = head;
	p->previous = head->previous;
	p->previous->next = p;
	head->previous = p;
}

static void ring_remove(struct line *line, struct line_primary *p)
{
	if (line->ring == p)
		line->ring = p->next == p ? NULL : p->next;
	p->next->previous = p->previous;
	p->previous->next = p->next;
	p->next = p->previous = NULL;
}

// ---- entries

void line_join(struct line *line, struct line_primary *p, enum lane lane, struct line_entry *e)
{
	assert(!e->primary);
	*e = (struct line_entry){ .primary = p,
				  .lane = (uint8_t)lane,
				  .waiting = true,
				  .previous = p->lanes[lane].last };
	p->line = line;
	*(e->previous ? &e->previous->next : &p->lanes[lane].first) = e;
	p->lanes[lane].last = e;
	line->waiting++;
	if (p->waiting++ == 0)
		ring_add(line, p);
}

static void unlink_entry(struct line_entry *e)
{
	struct line_primary *p = e->primary;
	*(e->previous ? &e->previous->next : &p->lanes[e->lane].first) = e->next;
	*(e->next ? &e->next->previous : &p->lanes[e->lane].last) = e->previous;
	e->next = e->previous = NULL;
	e->waiting = false;
	p->line->waiting--;
	if (--p->waiting == 0)
		ring_remove(p->line, p);
}

void line_promote(struct line_entry *e, enum lane lane)
{
	struct line_primary *p = e->primary;
	if (!e->waiting || lane >= e->lane)
		return;
	line_leave(e);
	line_join(p->line, p, lane, e);
}

struct line_entry *line_next(struct line *line)
{
	if (!line->ring || line->used >= line->limit)
		return NULL;
	for (unsigned lane = 0; lane < LANE_COUNT; lane++) {
		struct line_primary *p = line->ring;
		do {
			if (p->lanes[lane].first && p->used < p->limit && p->used < line->most)
				return p->lanes[lane].first;
			p = p->next;
		} while (p != line->ring);
	}
	return NULL;
}

void line_take(struct line_entry *e)
{
	struct line_primary *p = e->primary;
	p->line->ring = p->next; // the next one's turn
	unlink_entry(e);
	p->line->used++;
	p->used++;
}

void line_leave(struct line_entry *e)
{
	struct line_primary *p = e->primary;
	if (!p)
		return;
	if (e->waiting) {
		unlink_entry(e);
	} else {
		p->line->used--;
		p->used--;
	}
	e->primary = NULL;
}

void line_went(const struct line *line, struct line_primary *p, bool well)
{
	if (!well) {
		p->limit = p->limit > 1 ? p->limit / 2 : 1;
		p->well = 0;
	} else if (p->limit < line->most && ++p->well >= p->limit) {
		p->limit++;
		p->well = 0;
	}
}
