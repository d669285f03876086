// SPDX-License-Identifier: BSD-3-Clause
// Very many times to be woken at: a binary heap, the earliest first, behind one timer.
#include "schedule.h"

#include <assert.h>
#include <stdlib.h>

#include "loop.h"

#define AT_ONCE 256 // are woken before the loop does other work

struct schedule {
	uv_timer_t timer;
	uint64_t armed_ms; // when the timer fires; UINT64_MAX: it is not set
	void (*wake)(struct schedule_entry *e);
	struct schedule_entry **heap; // from 1 on
	uint32_t count;
	size_t room;
	bool waking;
};

// ---- the heap

static void put(struct schedule *s, uint32_t place, struct schedule_entry *e)
{
	s->heap[place] = e;
	e->place = place;
}

// Moves the entry up or down from `place`, which is free, to where it belongs.
static void settle(struct schedule *s, uint32_t place, struct schedule_entry *e)
{
	for (; place > 1 && e->at_ms < s->heap[place / 2]->at_ms; place /= 2)
		put(s, place, s->heap[place / 2]);
	for (uint32_t child; (child = place * 2) <= s->count; place = child) {
		if (child < s->count && s->heap[child + 1]->at_ms < s->heap[child]->at_ms)
			child++;
		if (e->at_ms <= s->heap[child]->at_ms)
			break;
		put(s, place, s->heap[child]);
	}
	put(s, place, e);
}

static void take_out(struct schedule *s, struct schedule_entry *e)
{
	uint32_t place = e->place;
	struct schedule_entry *last = s->heap[s->count--];
	e->place = 0;
	if (last != e)
		settle(s, place, last);
}

// ---- the timer

// In no less than `least_ms`: libuv calls a timer that is due again at once before it looks
// at anything else.
static void arm(struct schedule *s, uint64_t least_ms)
{
	uint64_t at_ms = s->count ? s->heap[1]->at_ms : UINT64_MAX;
	if (s->waking || at_ms == s->armed_ms)
		return;
	s->armed_ms = at_ms;
	if (at_ms == UINT64_MAX) {
		uv_timer_stop(&s->timer);
		return;
	}
	uint64_t now_ms = loop_time().monotonic_ms;
	uint64_t wait_ms = at_ms > now_ms ? at_ms - now_ms : 0;
	// libuv counts from the loop's own time, which may lag behind now.
	uv_update_time(s->timer.loop);
	uv_timer_start(&s->timer, s->timer.timer_cb, wait_ms > least_ms ? wait_ms : least_ms, 0);
}

static void on_timer(uv_timer_t *timer)
{
	struct schedule *s = timer->data;
	uint64_t now_ms = loop_time().monotonic_ms;
	s->armed_ms = UINT64_MAX;
	s->waking = true;
	for (unsigned i = 0; i < AT_ONCE && s->count && s->heap[1]->at_ms <= now_ms; i++) {
		struct schedule_entry *e = s->heap[1];
		take_out(s, e);
		s->wake(e);
	}
	s->waking = false;
	arm(s, 1);
}

// ---- for others

enum result schedule_new(uv_loop_t *loop, void (*wake)(struct schedule_entry *e),
			 struct schedule **out)
{
	struct schedule *s = calloc(1, sizeof(*s));
	if (!s)
		return RESULT_NO_MEMORY;
	uv_timer_init(loop, &s->timer);
	s->timer.data = s;
	s->timer.timer_cb = on_timer;
	s->armed_ms = UINT64_MAX;
	s->wake = wake;
	*out = s;
	return RESULT_OK;
}

void schedule_stop(struct schedule *s)
{
	uv_close((uv_handle_t *)&s->timer, NULL);
	s->waking = true; // for ever: the timer is not set again
}

void schedule_free(struct schedule *s)
{
	free(s->heap);
	free(s);
}

enum result schedule_reserve(struct schedule *s, size_t entries)
{
	if (entries < s->room)
		return RESULT_OK;
	struct schedule_entry **heap = realloc(s->heap, (entries + 1) * sizeof(*heap));
	if (!heap)
		return RESULT_NO_MEMORY;
	s->heap = heap;
	s->room = entries + 1;
	return RESULT_OK;
}

void schedule_set(struct schedule *s, struct schedule_entry *e, uint64_t at_ms)
{
	assert(e->place || s->count + 1 < s->room);
	e->at_ms = at_ms;
	settle(s, e->place ? e->place : ++s->count, e);
	arm(s, 0);
}

void schedule_clear(struct schedule *s, struct schedule_entry *e)
{
	if (!e->place)
		return;
	take_out(s, e);
	arm(s, 0);
}
