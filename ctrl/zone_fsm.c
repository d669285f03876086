// SPDX-License-Identifier: BSD-3-Clause
// The life of one secondary zone, as a state machine without I/O.
//
//              START, timer, NOTIFY, refresh
//        .-----------------------------------.
//        |                                   v   not loaded, or forced: AXFR;
//    .------.                          (new round)---NOTIFY of a newer serial: IXFR--.
//    | IDLE |                                |                                       |
//    '------'                                v                                       v
//     ^    ^  no primary is left         .--------.  newer: IXFR              .----------.
//     |    '-----------------------------| ASKING |-------------------------->| TRANSFER |
//     |                                  '--------'                           '----------'
//     |                                    |    ^  ^  failed or not newer:      |  ^   | |
//     |                 current or older,  '----'  |  next primary              |  '---' |
//     |                 failed: next primary       '----------------------------'  IXFR  |
//     |                                                                    failed: AXFR  |
//     '----------------------------------------------------------------------------------'
//                       done, or no primary is left
//
// A round asks the primaries in turn, beginning with the one that sent a NOTIFY
// or with the first. It ends with the first transfer that is published, or once
// all have been tried: a round without any failure to get newer data and with at
// least one primary that confirms our serial was a success, after which refresh
// counts; after all other rounds retry does. All primaries are asked even if the
// first confirms, so that one that lags behind hides no change. An older serial
// is taken, if the policy allows it at all, only when a whole round has brought
// nobody who has ours or a newer one: primaries that differ do not make it flap.
// An IXFR that is not even refused tells of a primary that hangs, or of one that does
// not know IXFR: the others are tried first, and then that one's whole zone.
// A NOTIFY that names a newer serial needs no SOA query: IXFR asks the same. One
// that names a serial which no primary has yet is remembered (`wanted`), and a few
// more rounds follow, ever later.
// A primary that has our serial and later signatures confirms ours; its whole zone is
// transferred, and the round goes on with the next primary, who may have a newer serial.
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
#define PAUSE_MS       250  // the same, if there is no failure, but no new serial either
#define WANTED_TRIES   5    // after PAUSE_MS, four times that, and so on: 85 s in all
#define LENGTHENED_S   1800

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
	bool lengthen = z->policy.lengthen_refresh && z->soa.refresh_s < ZONE_FSM_SHORT_REFRESH_S;
	return clamp_s(lengthen ? LENGTHENED_S : z->soa.refresh_s, z->limits->refresh_min_s,
		       z->limits->refresh_max_s);
}

static uint64_t retry_s(const struct zone_fsm *z)
{
	return clamp_s(z->soa.retry_s, z->limits->retry_min_s, z->limits->retry_max_s);
}

// A zone must not expire between two refreshes that both succeed.
static uint64_t expire_s(const struct zone_fsm *z)
{
	uint64_t wanted =
		clamp_s(z->soa.expire_s, z->limits->expire_min_s, z->limits->expire_max_s);
	uint64_t least = refresh_s(z) + retry_s(z);
	return wanted > least ? wanted : least;
}

uint64_t zone_fsm_expire_s(const struct zone_fsm *z)
{
	return expire_s(z);
}

static uint64_t unloaded_retry_s(const struct zone_fsm *z)
{
	uint64_t interval_s = z->limits->unloaded_retry_min_s;
	for (uint32_t i = 1; i < z->failures && interval_s < z->limits->unloaded_retry_max_s; i++)
		interval_s *= 2;
	return clamp_s((uint32_t)interval_s, 0, z->limits->unloaded_retry_max_s);
}

// Others give back soon the memory that this zone wanted; one that wants too much is
// tried ever later.
static uint64_t crowded_retry_s(const struct zone_fsm *z)
{
	uint64_t interval_s = 1, most_s = retry_s(z);
	for (uint32_t i = 1; i < z->failures && interval_s < most_s; i++)
		interval_s *= 2;
	return interval_s < most_s ? interval_s : most_s;
}

// After a round that has brought nothing.
static uint64_t again_s(const struct zone_fsm *z)
{
	if (z->data == ZONE_NOT_LOADED)
		return unloaded_retry_s(z);
	return z->crowded ? crowded_retry_s(z) : retry_s(z);
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

static void start_round(struct step *s, unsigned at, bool direct);

static void start_exchange(struct step *s, enum zone_action_kind kind)
{
	struct zone_fsm *z = s->z;
	z->phase = kind == ZONE_ACTION_QUERY_SOA ? ZONE_FSM_ASKING : ZONE_FSM_TRANSFER;
	z->differences = kind == ZONE_ACTION_IXFR;
	z->resigning = false;
	if (++z->exchange == 0)
		z->exchange = 1;
	act(s, (struct zone_action){ .kind = kind, .primary = z->at, .exchange = z->exchange });
}

// What brings a newer version from the primary that is being tried.
static enum zone_action_kind transfer_kind(const struct zone_fsm *z)
{
	return z->no_ixfr >> z->at & 1 ? ZONE_ACTION_AXFR : ZONE_ACTION_IXFR;
}

static void try_primary(struct step *s, unsigned at)
{
	struct zone_fsm *z = s->z;
	z->at = (uint8_t)at;
	z->tried++;
	if (z->data == ZONE_NOT_LOADED || z->forced)
		start_exchange(s, ZONE_ACTION_AXFR);
	else if (z->direct && z->tried == 1 && transfer_kind(z) == ZONE_ACTION_IXFR)
		start_exchange(s, ZONE_ACTION_IXFR);
	else
		start_exchange(s, ZONE_ACTION_QUERY_SOA);
}

// Whether a NOTIFY with this serial says anything new.
static bool is_news(const struct zone_fsm *z, bool has_serial, uint32_t serial)
{
	return !has_serial || z->data != ZONE_SERVED || serial_newer(serial, z->soa.serial);
}

bool zone_fsm_is_wanting(const struct zone_fsm *z)
{
	return z->wanted &&
	       (z->data == ZONE_NOT_LOADED || serial_newer(z->wanted_serial, z->soa.serial));
}

// NOTIFYs, which anybody may forge where no key is configured, must not make us
// ask without a pause.
static void hold(struct zone_fsm *z, unsigned at, uint64_t pause_ms)
{
	uint64_t at_ms = z->ended_ms + pause_ms;
	if (at_ms >= z->next_ms)
		return;
	z->next_ms = at_ms;
	z->next_at = (uint8_t)at;
}

static void want_again(struct zone_fsm *z)
{
	if (!zone_fsm_is_wanting(z)) {
		z->wanted = false;
		return;
	}
	if (z->wanted_tries == WANTED_TRIES) {
		z->wanted = false;
		z->given_up++;
		return;
	}
	uint64_t pause_ms = (uint64_t)PAUSE_MS << (2 * z->wanted_tries++);
	hold(z, z->wanted_at, z->failures && pause_ms < HOLD_MS ? HOLD_MS : pause_ms);
}

// Whether nothing better is to be had than an older version, and that is wanted: while ours
// is served, it stays as long as anybody is said to have a newer one.
static bool takes_older(const struct zone_fsm *z)
{
	if (!z->older || z->confirmed || z->taking_older)
		return false;
	if (z->forced)
		return true;
	if (z->behind && z->data == ZONE_SERVED)
		return false;
	return z->policy.older == ZONE_FSM_OLDER_ACCEPT ||
	       (z->policy.older == ZONE_FSM_OLDER_EXPIRED && z->data == ZONE_EXPIRED);
}

static void finish_round(struct step *s, bool published)
{
	struct zone_fsm *z = s->z;
	if (z->mute && z->behind) {
		z->mute = false;
		z->at = z->mute_at;
		start_exchange(s, ZONE_ACTION_AXFR);
		return;
	}
	if (takes_older(z)) {
		z->taking_older = true;
		z->at = z->older_at;
		start_exchange(s, ZONE_ACTION_AXFR);
		return;
	}
	z->phase = ZONE_FSM_IDLE;
	z->ended_ms = s->now_ms;
	z->next_at = 0;
	if (z->confirmed && !z->behind) {
		z->failures = 0;
		z->last_reason = XFR_REASON_NONE;
		z->next_ms = after(s, refresh_s(z));
	} else {
		z->failures += z->failures < UINT32_MAX;
		z->next_ms = after(s, again_s(z));
	}
	bool news = z->again && is_news(z, z->again_has_serial, z->again_serial);
	z->again = false;
	if (news && published) {
		start_round(s, z->again_at, z->again_has_serial);
		return;
	}
	if (news)
		hold(z, z->again_at, z->failures ? HOLD_MS : PAUSE_MS);
	want_again(z);
}

static void start_round(struct step *s, unsigned at, bool direct)
{
	struct zone_fsm *z = s->z;
	if (z->frozen) {
		z->phase = ZONE_FSM_IDLE;
		z->put_off = true;
		return;
	}
	z->tried = 0;
	z->direct = direct;
	z->confirmed = false;
	z->behind = false;
	z->older = false;
	z->taking_older = false;
	z->crowded = false;
	z->mute = false;
	if (z->primaries == 0)
		finish_round(s, false);
	else
		try_primary(s, at < z->primaries ? at : 0);
}

static void next_primary(struct step *s)
{
	struct zone_fsm *z = s->z;
	if (z->tried < z->primaries && !z->taking_older)
		try_primary(s, (z->at + 1) % z->primaries);
	else
		finish_round(s, false);
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

// When our version expires, had it been confirmed just now. A primary that is a
// secondary itself tells how long its own lasts, so that a ring of secondaries
// does not keep a zone alive for ever.
static uint64_t expiry_from_now(const struct step *s)
{
	const struct zone_fsm *z = s->z;
	uint64_t lasts_s = expire_s(z);
	uint64_t theirs_s = s->event->expire_s;
	if (theirs_s < z->limits->expire_min_s)
		theirs_s = z->limits->expire_min_s;
	if (s->event->has_expire && theirs_s < lasts_s)
		lasts_s = theirs_s;
	return s->now_ms + lasts_s * 1000;
}

// Our version is what a primary holds right now.
static void confirm(struct step *s)
{
	struct zone_fsm *z = s->z;
	uint64_t at_ms = expiry_from_now(s);
	z->confirmed = true;
	z->refreshed_ms = s->now_ms;
	// RFC 7314 section 4: a confirmation never shortens what is left.
	if (!s->event->has_expire || z->data == ZONE_EXPIRED || at_ms > z->expire_ms)
		z->expire_ms = at_ms;
	if (z->data == ZONE_EXPIRED) {
		z->data = ZONE_SERVED;
		act(s, (struct zone_action){ .kind = ZONE_ACTION_MARK_SERVED });
	}
}

// --- events ---------------------------------------------------------------

static void found_older(struct step *s)
{
	struct zone_fsm *z = s->z;
	z->last_reason = XFR_REASON_OLDER;
	if (!z->older)
		z->older_at = z->at;
	z->older = true;
	next_primary(s);
}

static bool refuses(struct step *s)
{
	struct zone_fsm *z = s->z;
	if (s->event->soa.serial != 0 || !z->policy.refuse_serial_zero)
		return false;
	z->last_reason = z->refused = XFR_REASON_SERIAL_ZERO;
	z->behind = true;
	next_primary(s);
	return true;
}

// A primary's serial, when nothing was transferred.
static void on_serial(struct step *s)
{
	struct zone_fsm *z = s->z;
	uint32_t serial = s->event->soa.serial;
	if (serial == z->soa.serial) {
		confirm(s);
		if (!s->event->resigned) {
			next_primary(s);
			return;
		}
		start_exchange(s, ZONE_ACTION_AXFR);
		z->resigning = true;
	} else if (!serial_newer(serial, z->soa.serial)) {
		found_older(s);
	} else if (!refuses(s)) {
		start_exchange(s, transfer_kind(z));
	}
}

static void on_xfr_done(struct step *s)
{
	struct zone_fsm *z = s->z;
	const struct soa *got = &s->event->soa;
	// One that lags behind is not what an operator means, unless it is all there is.
	if (z->forced && z->data != ZONE_NOT_LOADED && z->tried < z->primaries &&
	    serial_newer(z->soa.serial, got->serial)) {
		found_older(s);
		return;
	}
	bool resigned = z->resigning && got->serial == z->soa.serial;
	bool any = z->data == ZONE_NOT_LOADED || z->forced || z->taking_older || resigned;
	if (s->event->current || (!any && !serial_newer(got->serial, z->soa.serial))) {
		on_serial(s);
		return;
	}
	if (refuses(s))
		return;
	z->soa = *got;
	z->data = ZONE_SERVED;
	z->forced = false;
	z->expire_ms = 0;
	act(s, (struct zone_action){ .kind = ZONE_ACTION_PUBLISH, .exchange = z->exchange });
	confirm(s);
	if (resigned) {
		next_primary(s);
		return;
	}
	z->behind = false;
	z->mute = false;
	finish_round(s, true);
}

// Whether the whole zone may be had where its differences failed.
static bool axfr_may_help(enum xfr_reason failure)
{
	switch (failure) {
	case XFR_REASON_CONNECT:
	case XFR_REASON_LEFT_ALONE:
	case XFR_REASON_CANCELLED:
	case XFR_REASON_NOTAUTH:
	case XFR_REASON_TSIG_BADKEY:
	case XFR_REASON_TSIG_BADTIME:
	case XFR_REASON_TSIG_BADTRUNC:
	case XFR_REASON_LIMIT_RECORDS:
	case XFR_REASON_LIMIT_TYPES:
	case XFR_REASON_LIMIT_BUDGET:
	case XFR_REASON_NO_MEMORY: return false;
	default: return !xfr_reason_is_tls(failure);
	}
}

static void on_failed(struct step *s)
{
	struct zone_fsm *z = s->z;
	bool differences = z->phase == ZONE_FSM_TRANSFER && z->differences;
	bool may_help = differences && axfr_may_help(s->event->reason);
	z->last_reason = (uint8_t)s->event->reason;
	z->crowded |=
		z->last_reason == XFR_REASON_LIMIT_BUDGET || z->last_reason == XFR_REASON_NO_MEMORY;
	if (may_help && s->event->unanswered) {
		if (!z->mute)
			z->mute_at = z->at;
		z->mute = true;
	} else if (may_help) {
		start_exchange(s, ZONE_ACTION_AXFR);
		return;
	}
	if (z->phase == ZONE_FSM_TRANSFER)
		z->behind = true;
	next_primary(s);
}

// How long after the last round a NOTIFY may start the next.
static uint64_t pause_ms(const struct zone_fsm *z, const struct zone_event *e)
{
	if (e->kind != ZONE_EVENT_NOTIFY || !z->exchange)
		return 0;
	if (z->failures)
		return HOLD_MS;
	return e->has_serial && !zone_fsm_is_wanting(z) ? 0 : PAUSE_MS;
}

// Another round: now, or once this one is over.
static void look(struct step *s, unsigned at, bool has_serial, uint32_t serial)
{
	struct zone_fsm *z = s->z;
	if (!is_news(z, has_serial, serial))
		return;
	if (at >= z->primaries)
		at = 0;
	uint64_t wait_ms = pause_ms(z, s->event);
	if (has_serial && (!z->wanted || serial_newer(serial, z->wanted_serial))) {
		z->wanted = true;
		z->wanted_serial = serial;
		z->wanted_at = (uint8_t)at;
		z->wanted_tries = 0;
	}
	if (z->phase == ZONE_FSM_IDLE) {
		if (s->now_ms < z->ended_ms + wait_ms)
			hold(z, at, wait_ms);
		else
			start_round(s, at, has_serial);
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
	z->again_at = (uint8_t)at;
}

static void on_start(struct step *s)
{
	struct zone_fsm *z = s->z;
	if (z->phase == ZONE_FSM_IDLE && z->data == ZONE_NOT_LOADED)
		start_round(s, 0, false);
}

static void on_timer(struct step *s)
{
	struct zone_fsm *z = s->z;
	if (z->phase != ZONE_FSM_IDLE || s->now_ms < z->next_ms)
		return;
	start_round(s, z->next_at, zone_fsm_is_wanting(z));
}

// What is to come comes no later than it would if it were reckoned from now on. Spread, as
// it may befall all zones together.
static void on_limits(struct step *s)
{
	struct zone_fsm *z = s->z;
	uint64_t wait_ms = 1000 * (z->failures ? again_s(z) : refresh_s(z));
	if (z->data != ZONE_NOT_LOADED && z->expire_ms > s->now_ms + 1000 * expire_s(z))
		z->expire_ms = s->now_ms + 1000 * expire_s(z);
	if (z->phase == ZONE_FSM_IDLE && z->data != ZONE_NOT_LOADED &&
	    z->next_ms > s->now_ms + wait_ms)
		z->next_ms = s->now_ms + ((wait_ms * s->event->random) >> 32);
}

// A round that is under way is put off as well.
static void on_freeze(struct step *s)
{
	struct zone_fsm *z = s->z;
	z->put_off |= z->phase != ZONE_FSM_IDLE;
	cancel(s);
	z->frozen = true;
}

static void on_thaw(struct step *s)
{
	struct zone_fsm *z = s->z;
	bool due = z->put_off || s->now_ms >= z->next_ms;
	if (!z->frozen)
		return;
	z->frozen = z->put_off = false;
	if (due)
		start_round(s, z->next_at, zone_fsm_is_wanting(z));
}

static void on_event(struct step *s)
{
	struct zone_fsm *z = s->z;
	const struct zone_event *e = s->event;
	bool current = z->phase != ZONE_FSM_IDLE && e->exchange == z->exchange;
	switch (e->kind) {
	case ZONE_EVENT_START: on_start(s); break;
	case ZONE_EVENT_TIMER: on_timer(s); break;
	case ZONE_EVENT_NOTIFY: look(s, e->primary, e->has_serial, e->serial); break;
	case ZONE_EVENT_REFRESH: look(s, 0, false, 0); break;
	case ZONE_EVENT_SOA_ANSWER:
		if (current && z->phase == ZONE_FSM_ASKING)
			on_serial(s);
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
		start_round(s, 0, false);
		break;
	case ZONE_EVENT_RELOAD:
		cancel(s);
		assert(e->primary <= ZONE_FSM_PRIMARIES_MAX);
		z->primaries = (uint8_t)e->primary;
		// What they said was of the old list; a round comes anyway.
		z->again = z->wanted = false;
		start_round(s, 0, false);
		break;
	case ZONE_EVENT_LIMITS: on_limits(s); break;
	case ZONE_EVENT_FREEZE: on_freeze(s); break;
	case ZONE_EVENT_THAW: on_thaw(s); break;
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
	bool waits = z->phase == ZONE_FSM_IDLE && !z->frozen;
	uint64_t at_ms = waits ? z->next_ms : ZONE_FSM_NEVER;
	if (z->data == ZONE_SERVED && z->expire_ms < at_ms)
		at_ms = z->expire_ms;
	if (at_ms == z->timer_ms && s->event->kind != ZONE_EVENT_TIMER)
		return;
	z->timer_ms = at_ms;
	act(s, (struct zone_action){ .kind = ZONE_ACTION_TIMER, .at_ms = at_ms });
}

void zone_fsm_init(struct zone_fsm *z, const struct zone_fsm_limits *limits, unsigned primaries)
{
	assert(primaries <= ZONE_FSM_PRIMARIES_MAX);
	*z = (struct zone_fsm){
		.limits = limits,
		.phase = ZONE_FSM_IDLE,
		.data = ZONE_NOT_LOADED,
		.primaries = (uint8_t)primaries,
		.next_ms = ZONE_FSM_NEVER,
		.timer_ms = ZONE_FSM_NEVER,
	};
}

void zone_fsm_restore(struct zone_fsm *z, const struct soa *soa, uint64_t next_ms,
		      uint64_t expire_ms)
{
	z->data = ZONE_SERVED;
	z->soa = *soa;
	z->next_ms = next_ms;
	z->expire_ms = expire_ms;
}

void zone_fsm_step(struct zone_fsm *z, const struct zone_event *event, uint64_t now_ms,
		   struct zone_actions *out)
{
	struct step s = { .z = z, .event = event, .now_ms = now_ms, .out = out };
	out->count = 0;
	z->refused = XFR_REASON_NONE;
	on_event(&s);
	check_expiry(&s);
	set_timer(&s);
}
