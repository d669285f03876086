// SPDX-License-Identifier: BSD-3-Clause
// All secondary zones at work: state machines, timers, transfers, publishing.
//
// The state machines decide, this does: each action is done in secondary_step(), each
// end of an exchange comes back as an event.
#include "zones_parts.h"

#include <stddef.h>
#include <stdlib.h>

#include "loop.h"

#define COMPACT_EVERY_MS 1000
#define COMPACT_SLICE_MS 5    // from one slice to the next
#define COMPACT_LEAVES   4000 // about a millisecond, if all of them move
#define COMPACT_PATIENCE 1000 // slices

size_t zones_place(const struct zones *zones, const uint8_t *apex)
{
	size_t low = 0, high = zones->count;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		int order = name_compare(zones->list[middle]->config->name, apex);
		if (order == 0)
			return middle;
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

struct secondary *zones_find(const struct zones *zones, const uint8_t *apex)
{
	size_t at = zones_place(zones, apex);
	bool found = at < zones->count && name_equal(zones->list[at]->config->name, apex);
	return found ? zones->list[at] : NULL;
}

static void on_due(struct schedule_entry *e)
{
	struct secondary *z = (struct secondary *)((uintptr_t)e - offsetof(struct secondary, due));
	secondary_step(z, &(struct zone_event){ .kind = ZONE_EVENT_TIMER });
	zones_advance(z->zones);
}

static void set_timer(struct secondary *z, uint64_t at_ms)
{
	if (at_ms == ZONE_FSM_NEVER)
		schedule_clear(z->zones->schedule, &z->due);
	else
		schedule_set(z->zones->schedule, &z->due, at_ms);
}

static void act(struct secondary *z, const struct zone_action *action)
{
	switch (action->kind) {
	case ZONE_ACTION_QUERY_SOA:
	case ZONE_ACTION_IXFR:
	case ZONE_ACTION_AXFR: secondary_want(z, action); break;
	case ZONE_ACTION_CANCEL: secondary_cancel(z); break;
	case ZONE_ACTION_PUBLISH: secondary_publish(z); break;
	case ZONE_ACTION_MARK_EXPIRED:
	case ZONE_ACTION_MARK_SERVED: secondary_mark(z); break;
	case ZONE_ACTION_TIMER: set_timer(z, action->at_ms); break;
	}
}

// What the machine and the line must know before a step.
static void tell_machine(struct secondary *z, enum zone_event_kind kind)
{
	uint64_t now_ms = loop_time().monotonic_ms;
	z->fsm.no_ixfr = 0;
	for (unsigned i = 0; i < z->config->settings->primary_count; i++) {
		if (secondary_upstream(z, i)->whole_until_ms > now_ms)
			z->fsm.no_ixfr |= 1u << i;
	}
	if (kind == ZONE_EVENT_NOTIFY)
		z->lane = LANE_NOTIFY;
	else if ((kind == ZONE_EVENT_REFRESH || kind == ZONE_EVENT_RETRANSFER) &&
		 z->lane > LANE_OPERATOR)
		z->lane = LANE_OPERATOR;
}

// A serial that a NOTIFY promised never came.
static void tell_given_up(struct secondary *z)
{
	char name[NAME_TEXT_SIZE];
	z->zones->stats.notifies_given_up++;
	log_limited(&z->zones->log, LOG_LEVEL_WARNING,
		    "zone %s: serial %u, which a NOTIFY promised, is not to be had: given up",
		    secondary_name(z, name), z->fsm.wanted_serial);
}

void secondary_step(struct secondary *z, const struct zone_event *event)
{
	struct zone_event e = *event;
	struct zone_actions actions;
	uint64_t refreshed_ms = z->fsm.refreshed_ms, next_ms = z->fsm.next_ms;
	uint64_t given_up = z->fsm.given_up;
	enum zone_state data = z->fsm.data;
	bool frozen = z->fsm.frozen;
	e.random = loop_random();
	tell_machine(z, event->kind);
	zone_fsm_step(&z->fsm, &e, loop_time().monotonic_ms, &actions);
	for (unsigned i = 0; i < actions.count; i++)
		act(z, &actions.list[i]);
	if (z->fsm.phase == ZONE_FSM_IDLE)
		z->lane = LANE_REFRESH;
	secondary_hurry(z);
	if (z->fsm.given_up != given_up)
		tell_given_up(z);
	if (z->fsm.refreshed_ms != refreshed_ms)
		z->success_unix_s = loop_time().unix_s;
	if (z->fsm.data == ZONE_SERVED && !z->unmarked && z->told_expire_ms != z->fsm.expire_ms)
		secondary_tell_expiry(z);
	if (z->fsm.refreshed_ms != refreshed_ms || z->fsm.next_ms != next_ms ||
	    z->fsm.data != data || z->fsm.frozen != frozen)
		secondary_note(z);
}

// ---- all of it

static void on_retry_timer(uv_timer_t *timer)
{
	struct zones *zones = timer->data;
	for (size_t i = 0; i < zones->count; i++) {
		if (zones->list[i]->unmarked)
			secondary_mark(zones->list[i]);
	}
	zones_advance(zones);
}

// Whether the zone is as it was published, and nobody works on what follows from that. From
// nothing, nothing follows.
static bool is_still(void *arg, const uint8_t *apex)
{
	const struct secondary *z = zones_find(arg, apex);
	return !z || z->fsm.data == ZONE_NOT_LOADED || !(z->transfer || z->vetting || z->fresh);
}

// Moves sparse chunks together, in slices between what else there is to do.
static void on_compact_timer(uv_timer_t *timer)
{
	struct zones *zones = timer->data;
	enum zonedb_compacted came = ZONEDB_COMPACT_OVER;
	const struct zonedb_compact_options o = { .leaves = COMPACT_LEAVES,
						  .may_move = is_still,
						  .arg = zones,
						  .pass_over = zones->compact_patience == 0 };
	enum result r = zonedb_compact(zones->db, &o, &came);
	if (r)
		log_warning("the snapshots' memory could not be compacted: %s", result_text(r));
	if (came == ZONEDB_COMPACT_BLOCKED)
		zones->compact_patience--;
	else
		zones->compact_patience = COMPACT_PATIENCE;
	uv_timer_start(timer, on_compact_timer,
		       came == ZONEDB_COMPACT_OVER ? COMPACT_EVERY_MS : COMPACT_SLICE_MS, 0);
}

enum result zones_new(uv_loop_t *loop, struct zonedb *db, struct zones **out)
{
	struct zones *zones = calloc(1, sizeof(*zones));
	*out = zones;
	if (!zones)
		return RESULT_NO_MEMORY;
	zones->loop = loop;
	zones->db = db;
	zones_begin_lookup(zones);
	uv_timer_init(loop, &zones->retry_timer);
	zones->retry_timer.data = zones;
	zones->retry_timer.timer_cb = on_retry_timer;
	uv_timer_init(loop, &zones->compact_timer);
	zones->compact_timer.data = zones;
	zones->compact_patience = COMPACT_PATIENCE;
	uv_timer_start(&zones->compact_timer, on_compact_timer, COMPACT_EVERY_MS, 0);
	zones->hooks = hooks_new(loop);
	bool well = zones->hooks && !links_new(loop, &zones->links) &&
		    !schedule_new(loop, on_due, &zones->schedule) && !zones_begin_watch(zones);
	return well ? RESULT_OK : RESULT_NO_MEMORY;
}

void zones_set_store(struct zones *zones, struct store *store)
{
	zones->store = store;
}

void zones_stop(struct zones *zones)
{
	for (size_t i = 0; i < zones->count; i++)
		secondary_close(zones->list[i]);
	zones->count = 0;
	uv_close((uv_handle_t *)&zones->retry_timer, NULL);
	uv_close((uv_handle_t *)&zones->compact_timer, NULL);
	// Parts may be missing: zones_new ran out of memory.
	if (zones->surveys)
		zones_end_watch(zones);
	if (zones->schedule)
		schedule_stop(zones->schedule);
	if (zones->hooks)
		hooks_stop(zones->hooks);
	if (zones->links)
		links_stop(zones->links);
}

void zones_free(struct zones *zones)
{
	if (!zones)
		return;
	free(zones->list);
	upstreams_free(&zones->upstreams);
	links_free(zones->links);
	surveys_free(zones->surveys);
	if (zones->schedule)
		schedule_free(zones->schedule);
	hooks_free(zones->hooks);
	free(zones);
}
