// SPDX-License-Identifier: BSD-3-Clause
// Surveys of served zones: when the earliest of their signatures expires.
//
// Zones are walked on a thread of libuv's, some small ones or one large one at a time: the
// loop is never held up, and a walk sees one version to its end.
#include "survey.h"

#include <assert.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "loop.h"
#include "understudy/rcu.h"
#include "understudy/rr.h"
#include "understudy/serial.h"
#include "understudy/wire.h"

#define BATCH          64     // zones
#define BATCH_NODES    20000u // after so many no other zone is begun
#define LOOK_NODES     4096u  // from one look at whether to go on to the next
#define EVERY_MS       5      // from one batch to the next
#define LARGE_NODES    10000u // a zone of more is walked
#define LARGE_EVERY_MS 60000u // once in this time
#define LATER_EVERY_MS 1000
#define ZONE_COST      10 // nodes, for what a zone takes beside its own

// One zone's survey. While the thread works, what it reads and writes is its own.
struct survey_walk {
	struct survey_zone *zone; // NULL: it is forgotten. The loop's
	bool again;               // it was published meanwhile. The loop's
	struct name apex;
	bool done, known;
	uint32_t nodes;
	int64_t earliest_unix_s;
};

struct surveys {
	struct survey_options options;
	uv_timer_t timer;
	struct survey_zone *first, **last; // in line
	struct survey_zone *later;
	uv_work_t work;
	bool working, stopped;
	_Atomic bool unwanted;
	uint64_t now_unix_s; // as the batch began
	struct survey_walk walks[BATCH];
	unsigned walk_count;
};

static_assert(BATCH <= UINT8_MAX, "survey_zone.walk");

static void on_timer(uv_timer_t *timer);

// ---- lines

// The zone's, which is under way.
static struct survey_walk *walk_of(struct surveys *s, const struct survey_zone *z)
{
	return &s->walks[z->walk - 1];
}

static void set_timer(struct surveys *s)
{
	if (s->working || s->stopped)
		return;
	if (s->first)
		uv_timer_start(&s->timer, on_timer, EVERY_MS, 0);
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
	if (z->walk)
		walk_of(s, z)->again = true;
	if (z->link || z->walk)
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
	if (z->walk)
		walk_of(s, z)->zone = NULL;
	z->walk = 0;
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

// ---- walking, on the thread

static void see_node(const struct surveys *s, struct survey_walk *walk,
		     const struct zone_iter *iter, const struct node *n)
{
	struct rrset set;
	if (!(node_flags(n) & NODE_SIGNED))
		return;
	for (uint64_t at = 0; node_next_rrset(iter->view, n, &at, &set);) {
		if (set.type != RRTYPE_RRSIG)
			continue;
		const uint8_t *record = set.records;
		for (uint32_t i = 0; i < set.count; i++, record = rrset_next_record(record)) {
			uint32_t expires = wire_peek_be32(record + 2 + RRSIG_EXPIRATION_AT);
			int64_t at_unix_s = serial_unix_s(expires, s->now_unix_s);
			if (at_unix_s < walk->earliest_unix_s)
				walk->earliest_unix_s = at_unix_s;
		}
	}
}

static bool is_unwanted(const struct surveys *s)
{
	return atomic_load_explicit(&s->unwanted, memory_order_relaxed);
}

static void walk_zone(const struct surveys *s, struct survey_walk *walk)
{
	const struct catalog *view = zonedb_view(s->options.db);
	const struct zone *head = catalog_zone(view, walk->apex.wire);
	struct zone_iter iter;
	const struct node *n;
	walk->known = head && zone_apex_node(view, head);
	if (walk->known)
		zone_iter_init(&iter, view, head);
	while (walk->known && (n = zone_iter_next(&iter))) {
		see_node(s, walk, &iter, n);
		if (++walk->nodes % LOOK_NODES == 0 && is_unwanted(s))
			return;
	}
	walk->done = true;
}

static void on_work(uv_work_t *work)
{
	struct surveys *s = work->data;
	uint32_t spent = 0;
	rcu_reader_register();
	for (unsigned i = 0; i < s->walk_count && spent < BATCH_NODES && !is_unwanted(s); i++) {
		walk_zone(s, &s->walks[i]);
		rcu_reader_quiescent();
		spent += s->walks[i].nodes + ZONE_COST;
	}
	rcu_reader_unregister();
}

// ---- batches

static void finish(struct surveys *s, const struct survey_walk *walk)
{
	struct survey_zone *z = walk->zone;
	if (!z)
		return;
	z->walk = 0;
	if (!walk->done) {
		join(s, z);
		return;
	}
	z->known = walk->known;
	z->nodes = walk->nodes;
	z->surveyed_ms = loop_time().monotonic_ms;
	z->earliest_unix_s = 0;
	if (walk->known && walk->earliest_unix_s != INT64_MAX)
		z->earliest_unix_s =
			walk->earliest_unix_s > 0 ? (uint64_t)walk->earliest_unix_s : 1;
	if (walk->again)
		surveys_touch(s, z);
	s->options.done(z);
}

static void on_worked(uv_work_t *work, int status)
{
	struct surveys *s = work->data;
	(void)status;
	for (unsigned i = 0; i < s->walk_count; i++)
		finish(s, &s->walks[i]);
	s->walk_count = 0;
	s->working = false;
	set_timer(s);
}

static void on_timer(uv_timer_t *timer)
{
	struct surveys *s = timer->data;
	let_in(s);
	while (s->first && s->walk_count < BATCH) {
		struct survey_zone *z = s->first;
		struct survey_walk *walk = &s->walks[s->walk_count++];
		leave(s, z);
		*walk = (struct survey_walk){ .zone = z, .earliest_unix_s = INT64_MAX };
		name_copy(&walk->apex, s->options.apex(z));
		z->walk = (uint8_t)s->walk_count;
	}
	s->now_unix_s = loop_time().unix_s;
	s->working = s->walk_count > 0;
	if (s->working)
		uv_queue_work(s->options.loop, &s->work, on_work, on_worked);
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
	s->timer.data = s->work.data = s;
	*out = s;
	return RESULT_OK;
}

void surveys_stop(struct surveys *s)
{
	s->stopped = true;
	atomic_store_explicit(&s->unwanted, true, memory_order_relaxed);
	uv_close((uv_handle_t *)&s->timer, NULL);
}

void surveys_free(struct surveys *s)
{
	free(s);
}
