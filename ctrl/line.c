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
	assert(!e->line);
	*e = (struct line_entry){ .line = line,
				  .primary = p,
				  .lane = lane,
				  .waiting = true,
				  .previous = p->lanes[lane].last };
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
	e->line->waiting--;
	if (--p->waiting == 0)
		ring_remove(e->line, p);
}

void line_promote(struct line_entry *e, enum lane lane)
{
	struct line *line = e->line;
	if (!e->waiting || lane >= e->lane)
		return;
	line_leave(e);
	line_join(line, e->primary, lane, e);
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
	e->line->ring = e->primary->next; // the next one's turn
	unlink_entry(e);
	e->line->used++;
	e->primary->used++;
}

void line_leave(struct line_entry *e)
{
	if (!e->line)
		return;
	if (e->waiting) {
		unlink_entry(e);
	} else {
		e->line->used--;
		e->primary->used--;
	}
	e->line = NULL;
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
