// SPDX-License-Identifier: BSD-3-Clause
// Surveys of served zones: when the earliest of their signatures expires.
//
// Between two slices nothing holds the zone in its place. If its head is another one
// when the next slice begins, the walk begins anew, in larger slices, so that it ends
// even if the zone is published again and again.
#include "survey.h"

#include <stdlib.h>

#include "loop.h"
#include "understudy/rcu.h"
#include "understudy/rr.h"
#include "understudy/wire.h"

#define SLICE_NODES      2000u
#define SLICE_NODES_MOST 64000u
#define SLICE_EVERY_MS   5
#define LARGE_NODES      10000u // a zone of more is walked
#define LARGE_EVERY_MS   60000u // once in this time
#define LATER_EVERY_MS   1000
#define EXPIRATION_AT    8  // in the rdata of RRSIG
#define ZONE_COST        10 // nodes, for what a zone takes beside its own

struct surveys {
	struct survey_options options;
	uv_timer_t timer;
	struct survey_zone *first, **last; // in line
	struct survey_zone *later;
	struct survey_zone *current; // the first in line, whose walk has begun, or NULL
	const struct zone *head;     // of the current one
	struct zone_iter iter;
	unsigned slice; // nodes
	uint32_t nodes;
	uint64_t now_unix_s; // of this slice
	int64_t earliest_unix_s;
};

static void on_timer(uv_timer_t *timer);

// ---- lines

static void set_timer(struct surveys *s)
{
	if (s->first)
		uv_timer_start(&s->timer, on_timer, SLICE_EVERY_MS, 0);
	else if (s->later)
		uv_timer_start(&s->timer, on_timer, LATER_EVERY_MS, 0);
	else
		uv_timer_stop(&s->timer);
}

static void leave(struct surveys *s, struct survey_zone *z)
{
	*z->link = z->next;
	if (z->next)
		z->next->link = z->link;
	else if (s->last == &z->next)
		s->last = z->link;
	z->next = NULL;
	z->link = NULL;
	z->later = false;
}

static void join(struct surveys *s, struct survey_zone *z)
{
	z->next = NULL;
	z->link = s->last;
	*s->last = z;
	s->last = &z->next;
}

static void join_later(struct surveys *s, struct survey_zone *z)
{
	z->later = true;
	z->next = s->later;
	z->link = &s->later;
	if (z->next)
		z->next->link = &z->next;
	s->later = z;
}

static bool is_due(const struct survey_zone *z)
{
	return !z->known || z->nodes <= LARGE_NODES ||
	       loop_time().monotonic_ms >= z->surveyed_ms + LARGE_EVERY_MS;
}

void surveys_touch(struct surveys *s, struct survey_zone *z)
{
	if (z->link)
		return;
	if (is_due(z))
		join(s, z);
	else
		join_later(s, z);
	if (!uv_is_active((uv_handle_t *)&s->timer) || s->first == z)
		set_timer(s);
}

void surveys_forget(struct surveys *s, struct survey_zone *z)
{
	if (s->current == z)
		s->current = NULL;
	if (z->link)
		leave(s, z);
}

static void let_in(struct surveys *s)
{
	struct survey_zone *next;
	for (struct survey_zone *z = s->later; z; z = next) {
		next = z->next;
		if (is_due(z)) {
			leave(s, z);
			join(s, z);
		}
	}
}

// ---- walking

static void see_node(struct surveys *s, const struct node *n)
{
	struct rrset set;
	if (!(node_flags(n) & NODE_SIGNED))
		return;
	for (uint32_t at = 0; node_next_rrset(s->iter.view, n, &at, &set);) {
		if (set.type != RRTYPE_RRSIG)
			continue;
		const uint8_t *record = set.records;
		for (uint32_t i = 0; i < set.count; i++, record = rrset_next_record(record)) {
			// Serial number arithmetic: at most 68 years before or after now.
			uint32_t expires = wire_peek_be32(record + 2 + EXPIRATION_AT);
			int64_t at_unix_s = (int64_t)s->now_unix_s +
					    (int32_t)(expires - (uint32_t)s->now_unix_s);
			if (at_unix_s < s->earliest_unix_s)
				s->earliest_unix_s = at_unix_s;
		}
	}
}

// Begins with the zone, or goes on with it; false if it is not served.
static bool enter(struct surveys *s, struct survey_zone *z, const struct catalog *view)
{
	const struct zone *head = catalog_zone(view, s->options.apex(z));
	if (!head || !zone_apex_node(view, head))
		return false;
	if (s->current == z && s->head == head) {
		s->iter.view = view;
		return true;
	}
	s->slice = s->current == z && s->slice < SLICE_NODES_MOST ? 2 * s->slice : SLICE_NODES;
	s->current = z;
	s->head = head;
	s->nodes = 0;
	s->earliest_unix_s = INT64_MAX;
	zone_iter_init(&s->iter, view, head);
	return true;
}

static void finish(struct surveys *s, struct survey_zone *z, bool known)
{
	s->current = NULL;
	leave(s, z);
	z->known = known;
	z->nodes = s->nodes;
	z->surveyed_ms = loop_time().monotonic_ms;
	z->earliest_unix_s = 0;
	if (known && s->earliest_unix_s != INT64_MAX)
		z->earliest_unix_s = s->earliest_unix_s > 0 ? (uint64_t)s->earliest_unix_s : 1;
	s->options.done(z);
}

// Goes on with the first in line; returns how many nodes that took.
static unsigned walk(struct surveys *s, const struct catalog *view)
{
	struct survey_zone *z = s->first;
	if (!enter(s, z, view)) {
		s->nodes = 0;
		finish(s, z, false);
		return ZONE_COST;
	}
	for (unsigned i = 0; i < s->slice; i++) {
		const struct node *n = zone_iter_next(&s->iter);
		if (!n) {
			finish(s, z, true);
			return i + ZONE_COST;
		}
		see_node(s, n);
		s->nodes++;
	}
	return s->slice;
}

static void on_timer(uv_timer_t *timer)
{
	struct surveys *s = timer->data;
	let_in(s);
	s->now_unix_s = loop_time().unix_s;
	rcu_reader_online();
	const struct catalog *view = zonedb_view(s->options.db);
	for (unsigned spent = 0; s->first && spent < SLICE_NODES;)
		spent += walk(s, view);
	rcu_reader_offline();
	set_timer(s);
}

// ---- all of it

enum result surveys_new(const struct survey_options *options, struct surveys **out)
{
	struct surveys *s = calloc(1, sizeof(*s));
	if (!s)
		return RESULT_NO_MEMORY;
	s->options = *options;
	s->last = &s->first;
	uv_timer_init(options->loop, &s->timer);
	s->timer.data = s;
	*out = s;
	return RESULT_OK;
}

void surveys_stop(struct surveys *s)
{
	uv_close((uv_handle_t *)&s->timer, NULL);
}

void surveys_free(struct surveys *s)
{
	free(s);
}
