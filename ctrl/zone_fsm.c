// SPDX-License-Identifier: BSD-3-Clause
// The life of one secondary zone, as a state machine without I/O.
//
//              START, timer, NOTIFY, refresh
//        .-----------------------------------.
//        |                                   v   not loaded, or forced
//    .------.                          (new round)----------------.
//    | IDLE |                                |                    |
//    '------'                                v                    v
//     ^    ^  no primary is left         .--------.  newer   .----------.
//     |    '-----------------------------| ASKING |--------->| TRANSFER |
//     |                                  '--------'          '----------'
//     |                                    |    ^  ^            |  ^  | |
//     |                 current or older,  '----'  |   failed:  |  '--' |
//     |                 failed: next primary       '------------'       |
//     |                                             next primary        |
//     '-----------------------------------------------------------------'
//                       done, or no primary is left
//
// A round asks the primaries in turn, beginning with the one that sent a NOTIFY
// or with the first. It ends with the first transfer that is published, or once
// all have been tried: a round without any failure to get newer data and with at
// least one primary that confirms our serial was a success, after which refresh
// counts; after all other rounds retry does. All primaries are asked even if the
// first confirms, so that one that lags behind hides no change.
// In ASKING and TRANSFER a NOTIFY or a refresh is remembered (`again`) and leads
// to another round; a retransfer cancels and starts anew, in any phase.
// What is published (`data`) changes beside the phase: NOT_LOADED to SERVED by a
// transfer; SERVED to EXPIRED when expire has passed since the last confirmation
// or transfer, in any phase; EXPIRED to SERVED by either.
#include "understudy/zone_fsm.h"

#include <assert.h>

#include "understudy/serial.h"

#define JITTER_DIVISOR 10   // an interval is shortened by up to a tenth
#define HOLD_MS        1000 // least time from a failed round to one that a NOTIFY starts

const struct zone_fsm_limits zone_fsm_limits_default = {
	.refresh_min_s = 5,
	.refresh_max_s = 28 * 86400,
	.retry_min_s = 2,
	.retry_max_s = 14 * 86400,
	.expire_min_s = 1,
	.expire_max_s = 52 * 7 * 86400,
	.unloaded_retry_min_s = 1,
	.unloaded_retry_max_s = 60,
};

const char *zone_fsm_phase_text(enum zone_fsm_phase p)
{
	switch (p) {
	case ZONE_FSM_IDLE: return "idle";
	case ZONE_FSM_ASKING: return "asking";
	case ZONE_FSM_TRANSFER: return "transferring";
	}
	return "unknown";
}

// One step under way.
struct step {
	struct zone_fsm *z;
	const struct zone_event *event;
	uint64_t now_ms;
	struct zone_actions *out;
};

static void act(struct step *s, struct zone_action action)
{
	assert(s->out->count < ZONE_ACTIONS_MAX);
	s->out->list[s->out->count++] = action;
}

// --- times ----------------------------------------------------------------

static uint64_t clamp_s(uint32_t value_s, uint32_t min_s, uint32_t max_s)
{
	return value_s < min_s ? min_s : value_s > max_s ? max_s : value_s;
}

static uint64_t refresh_s(const struct zone_fsm *z)
{
	return clamp_s(z->soa.refresh_s, z->limits.refresh_min_s, z->limits.refresh_max_s);
}

static uint64_t retry_s(const struct zone_fsm *z)
{
	return clamp_s(z->soa.retry_s, z->limits.retry_min_s, z->limits.retry_max_s);
}

// A zone must not expire between two refreshes that both succeed.
static uint64_t expire_s(const struct zone_fsm *z)
{
	uint64_t wanted = clamp_s(z->soa.expire_s, z->limits.expire_min_s, z->limits.expire_max_s);
	uint64_t least = refresh_s(z) + retry_s(z);
	return wanted > least ? wanted : least;
}

static uint64_t unloaded_retry_s(const struct zone_fsm *z)
{
	uint64_t interval_s = z->limits.unloaded_retry_min_s;
	for (uint32_t i = 1; i < z->failures && interval_s < z->limits.unloaded_retry_max_s; i++)
		interval_s *= 2;
	return clamp_s((uint32_t)interval_s, 0, z->limits.unloaded_retry_max_s);
}

// The interval from now on, spread so that zones loaded together do not ask
// together for ever.
static uint64_t after(const struct step *s, uint64_t interval_s)
{
	uint64_t interval_ms = interval_s * 1000;
	uint64_t less_ms = ((interval_ms / JITTER_DIVISOR) * s->event->random) >> 32;
	return s->now_ms + interval_ms - less_ms;
}

// --- rounds ---------------------------------------------------------------

static void start_round(struct step *s, unsigned at);

static void start_exchange(struct step *s, enum zone_fsm_phase phase)
{
	struct zone_fsm *z = s->z;
	z->phase = phase;
	if (++z->exchange == 0)
		z->exchange = 1;
	act(s, (struct zone_action){
		       .kind = phase == ZONE_FSM_ASKING ? ZONE_ACTION_QUERY_SOA : ZONE_ACTION_AXFR,
		       .primary = z->at,
		       .exchange = z->exchange,
	       });
}

static void try_primary(struct step *s, unsigned at)
{
	struct zone_fsm *z = s->z;
	z->at = at;
	z->tried++;
	bool ask = z->data != ZONE_NOT_LOADED && !z->forced;
	start_exchange(s, ask ? ZONE_FSM_ASKING : ZONE_FSM_TRANSFER);
}

// Whether a NOTIFY with this serial says anything new.
static bool is_news(const struct zone_fsm *z, bool has_serial, uint32_t serial)
{
	return !has_serial || z->data != ZONE_SERVED || serial_newer(serial, z->soa.serial);
}

// After a failed round NOTIFYs, which anybody may forge where no key is
// configured, must not make us ask without a pause.
static void hold(struct zone_fsm *z)
{
	uint64_t at_ms = z->ended_ms + HOLD_MS;
	if (at_ms < z->next_ms)
		z->next_ms = at_ms;
}

static void finish_round(struct step *s)
{
	struct zone_fsm *z = s->z;
	z->phase = ZONE_FSM_IDLE;
	z->ended_ms = s->now_ms;
	if (z->confirmed && !z->behind) {
		z->failures = 0;
		z->last_reason = XFR_REASON_NONE;
		z->next_ms = after(s, refresh_s(z));
	} else {
		z->failures += z->failures < UINT32_MAX;
		z->next_ms =
			after(s, z->data == ZONE_NOT_LOADED ? unloaded_retry_s(z) : retry_s(z));
	}
	bool news = z->again && is_news(z, z->again_has_serial, z->again_serial);
	z->again = false;
	if (news && z->failures)
		hold(z);
	else if (news)
		start_round(s, z->again_at);
}

static void start_round(struct step *s, unsigned at)
{
	struct zone_fsm *z = s->z;
	z->tried = 0;
	z->confirmed = false;
	z->behind = false;
	if (z->primaries == 0)
		finish_round(s);
	else
		try_primary(s, at < z->primaries ? at : 0);
}

static void next_primary(struct step *s)
{
	struct zone_fsm *z = s->z;
	if (z->tried < z->primaries)
		try_primary(s, (z->at + 1) % z->primaries);
	else
		finish_round(s);
}

static void cancel(struct step *s)
{
	struct zone_fsm *z = s->z;
	if (z->phase == ZONE_FSM_IDLE)
		return;
	act(s, (struct zone_action){
		       .kind = ZONE_ACTION_CANCEL, .primary = z->at, .exchange = z->exchange });
	z->phase = ZONE_FSM_IDLE;
}

// Our version is what a primary holds right now.
static void confirm(struct step *s)
{
	struct zone_fsm *z = s->z;
	z->confirmed = true;
	z->refreshed_ms = s->now_ms;
	z->expire_ms = s->now_ms + expire_s(z) * 1000;
	if (z->data == ZONE_EXPIRED) {
		z->data = ZONE_SERVED;
		act(s, (struct zone_action){ .kind = ZONE_ACTION_MARK_SERVED });
	}
}

// --- events ---------------------------------------------------------------

static void on_soa_answer(struct step *s)
{
	struct zone_fsm *z = s->z;
	uint32_t serial = s->event->soa.serial;
	if (serial == z->soa.serial) {
		confirm(s);
		next_primary(s);
	} else if (z->data == ZONE_EXPIRED || serial_newer(serial, z->soa.serial)) {
		start_exchange(s, ZONE_FSM_TRANSFER);
	} else {
		z->last_reason = XFR_REASON_OLDER;
		next_primary(s);
	}
}

static void on_xfr_done(struct step *s)
{
	struct zone_fsm *z = s->z;
	const struct soa *got = &s->event->soa;
	if (z->data == ZONE_SERVED && !z->forced && !serial_newer(got->serial, z->soa.serial)) {
		if (got->serial == z->soa.serial)
			confirm(s);
		else
			z->last_reason = XFR_REASON_OLDER;
		next_primary(s);
		return;
	}
	z->soa = *got;
	z->data = ZONE_SERVED;
	z->forced = false;
	z->behind = false;
	act(s, (struct zone_action){ .kind = ZONE_ACTION_PUBLISH, .exchange = z->exchange });
	confirm(s);
	finish_round(s);
}

static void on_failed(struct step *s)
{
	s->z->last_reason = s->event->reason;
	if (s->z->phase == ZONE_FSM_TRANSFER)
		s->z->behind = true;
	next_primary(s);
}

// Another round: now, or once this one is over.
static void look(struct step *s, unsigned at, bool has_serial, uint32_t serial)
{
	struct zone_fsm *z = s->z;
	if (!is_news(z, has_serial, serial))
		return;
	if (z->phase == ZONE_FSM_IDLE) {
		bool wait = s->event->kind == ZONE_EVENT_NOTIFY && z->failures &&
			    s->now_ms < z->ended_ms + HOLD_MS;
		if (wait)
			hold(z);
		else
			start_round(s, at);
		return;
	}
	if (!z->again) {
		z->again_has_serial = has_serial;
		z->again_serial = serial;
	} else if (!has_serial) {
		z->again_has_serial = false;
	} else if (serial_newer(serial, z->again_serial)) {
		z->again_serial = serial;
	}
	z->again = true;
	z->again_at = at;
}

static void on_event(struct step *s)
{
	struct zone_fsm *z = s->z;
	const struct zone_event *e = s->event;
	bool current = z->phase != ZONE_FSM_IDLE && e->exchange == z->exchange;
	switch (e->kind) {
	case ZONE_EVENT_START:
		if (z->phase == ZONE_FSM_IDLE)
			start_round(s, 0);
		break;
	case ZONE_EVENT_TIMER:
		if (z->phase == ZONE_FSM_IDLE && s->now_ms >= z->next_ms)
			start_round(s, 0);
		break;
	case ZONE_EVENT_NOTIFY: look(s, e->primary, e->has_serial, e->serial); break;
	case ZONE_EVENT_REFRESH: look(s, 0, false, 0); break;
	case ZONE_EVENT_SOA_ANSWER:
		if (current && z->phase == ZONE_FSM_ASKING)
			on_soa_answer(s);
		break;
	case ZONE_EVENT_XFR_DONE:
		if (current && z->phase == ZONE_FSM_TRANSFER)
			on_xfr_done(s);
		break;
	case ZONE_EVENT_SOA_FAILED:
		if (current && z->phase == ZONE_FSM_ASKING)
			on_failed(s);
		break;
	case ZONE_EVENT_XFR_FAILED:
		if (current && z->phase == ZONE_FSM_TRANSFER)
			on_failed(s);
		break;
	case ZONE_EVENT_RETRANSFER:
		cancel(s);
		z->forced = true;
		start_round(s, 0);
		break;
	case ZONE_EVENT_RELOAD:
		cancel(s);
		z->primaries = e->primary;
		z->again = false; // its index spoke of the old list; a round comes anyway
		start_round(s, 0);
		break;
	}
}

static void check_expiry(struct step *s)
{
	struct zone_fsm *z = s->z;
	if (z->data == ZONE_SERVED && s->now_ms >= z->expire_ms) {
		z->data = ZONE_EXPIRED;
		act(s, (struct zone_action){ .kind = ZONE_ACTION_MARK_EXPIRED });
	}
}

// The caller's timer fires once; after it did, it is set in any case.
static void set_timer(struct step *s)
{
	struct zone_fsm *z = s->z;
	uint64_t at_ms = z->phase == ZONE_FSM_IDLE ? z->next_ms : ZONE_FSM_NEVER;
	if (z->data == ZONE_SERVED && z->expire_ms < at_ms)
		at_ms = z->expire_ms;
	if (at_ms == z->timer_ms && s->event->kind != ZONE_EVENT_TIMER)
		return;
	z->timer_ms = at_ms;
	act(s, (struct zone_action){ .kind = ZONE_ACTION_TIMER, .at_ms = at_ms });
}

void zone_fsm_init(struct zone_fsm *z, const struct zone_fsm_limits *limits, unsigned primaries)
{
	*z = (struct zone_fsm){
		.limits = *limits,
		.phase = ZONE_FSM_IDLE,
		.data = ZONE_NOT_LOADED,
		.primaries = primaries,
		.next_ms = ZONE_FSM_NEVER,
		.timer_ms = ZONE_FSM_NEVER,
	};
}

void zone_fsm_step(struct zone_fsm *z, const struct zone_event *event, uint64_t now_ms,
		   struct zone_actions *out)
{
	struct step s = { .z = z, .event = event, .now_ms = now_ms, .out = out };
	out->count = 0;
	on_event(&s);
	check_expiry(&s);
	set_timer(&s);
}
