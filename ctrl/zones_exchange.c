// SPDX-License-Identifier: BSD-3-Clause
// Exchanges with primaries: who waits, what begins, what came of it.
//
// Exchanges of a kind beyond its limit wait in a line (line.h). A primary that leaves
// connections unanswered, or what is asked on them, is left alone for a while, so that
// one dead primary of many zones does not keep all places, nor its zones from their other
// primaries: exchanges with it fail at once.
#include "zones_parts.h"

#include <stddef.h>
#include <stdlib.h>

#include "loop.h"
#include "understudy/rr.h"
#include "understudy/serial.h"

#define REMEMBER_MS     900000 // what a primary was seen not to understand
#define URGENT_FRACTION 4      // of expire: when so little of it is left

struct upstream *secondary_upstream(const struct secondary *z, unsigned primary)
{
	return z->zones->upstreams
		.of_primary[z->config->settings->primaries[primary] - z->zones->config->primaries];
}

// ---- lines

static void on_done(void *arg, struct transfer *t);
static void end_exchange(struct secondary *z, const struct transfer *t, enum xfr_reason reason);

static enum xfr_kind kind_of(const struct zone_action *action)
{
	switch (action->kind) {
	case ZONE_ACTION_IXFR: return XFR_IXFR;
	case ZONE_ACTION_AXFR: return XFR_AXFR;
	default: return XFR_SOA;
	}
}

static enum upstream_way wanted_way(const struct secondary *z)
{
	return z->kind == XFR_SOA ? UPSTREAM_QUERIES : UPSTREAM_TRANSFERS;
}

static enum result begin_exchange(struct secondary *z)
{
	struct zones *zones = z->zones;
	const struct config_primary *p = z->config->settings->primaries[z->asked];
	const struct upstream *u = secondary_upstream(z, z->asked);
	uint64_t now_ms = loop_time().monotonic_ms;
	bool udp = z->kind == XFR_SOA || (z->kind == XFR_IXFR && p->ixfr_udp && *p->ixfr_udp);
	struct config_transfer limits = zones->config->transfer;
	limits.max_records = config_zone_max_records(zones->config, z->config);
	struct transfer_options o = {
		.loop = zones->loop,
		.links = zones->links,
		.primary = p->address,
		.source = p->source,
		.tls = p->tls,
		.kind = z->kind,
		.udp = udp && u->streams_until_ms <= now_ms,
		.edns = u->plain_until_ms <= now_ms,
		.dnssec = z->kind == XFR_SOA && secondary_is_signed(z),
		.apex = z->config->name,
		.key = p->key,
		.base = &z->fsm.soa,
		.budget = &zones->budget,
		.db = zones->db,
		.refuse_out_of_zone = config_zone_refuses_outside(z->config),
		.limits = &limits,
		.done = on_done,
		.arg = z,
	};
	return transfer_start(&o, &z->transfer);
}

// Whose turn it is; transfers first.
static struct secondary *next_of(struct zones *zones)
{
	static const size_t offset = offsetof(struct secondary, entry);
	struct line_entry *e = line_next(&zones->transfers);
	if (!e)
		e = line_next(&zones->soa);
	return e ? (struct secondary *)((char *)e - offset) : NULL;
}

// Lets those whose turn it is begin. What ends at once may call this again; then
// the outer call goes on with it.
void zones_advance(struct zones *zones)
{
	struct secondary *z;
	if (zones->advancing)
		return;
	zones->advancing = true;
	while ((z = next_of(zones))) {
		enum xfr_reason reason;
		if (upstream_is_silent(secondary_upstream(z, z->asked), wanted_way(z),
				       loop_time().monotonic_ms, &reason)) {
			end_exchange(z, NULL, reason);
			continue;
		}
		if (begin_exchange(z) != RESULT_OK) {
			z->transfer = NULL;
			uv_timer_start(&zones->retry_timer, zones->retry_timer.timer_cb,
				       ZONES_RETRY_MS, 0);
			break;
		}
		line_take(&z->entry);
	}
	zones->advancing = false;
}

// Gives up the place in the line, or the exchange that is under way.
static void leave_line(struct secondary *z)
{
	if (!z->entry.primary)
		return;
	line_leave(&z->entry);
	if (z->transfer)
		transfer_close(z->transfer);
	z->transfer = NULL;
}

// ---- events

// Whether the primary lags behind us.
static bool is_older(const struct secondary *z, const struct zone_event *e)
{
	bool transferred = e->kind == ZONE_EVENT_XFR_DONE && !e->current;
	return !transferred && z->fsm.data != ZONE_NOT_LOADED &&
	       e->soa.serial != z->fsm.soa.serial &&
	       !serial_newer(e->soa.serial, z->fsm.soa.serial);
}

// The primary was left alone for this reason, and nobody asked: of the last exchange what is
// known stays.
static struct zone_event note_left_alone(struct secondary *z, enum xfr_reason reason)
{
	char name[NAME_TEXT_SIZE];
	bool transfer = z->kind != XFR_SOA;
	struct zone_primary_status *s = &z->primaries[z->asked];
	log_limited(&z->zones->log, LOG_LEVEL_WARNING, "zone %s: %s is left alone for a while: %s",
		    secondary_name(z, name), s->primary->id, xfr_reason_text(reason));
	if (!s->link_reason)
		s->link_rcode = (uint16_t)reason; // should it be blocked now
	++*(transfer ? &z->zones->stats.transfers_failed : &z->zones->stats.soa_failed);
	return (struct zone_event){ .kind = transfer ? ZONE_EVENT_XFR_FAILED
						     : ZONE_EVENT_SOA_FAILED,
				    .exchange = z->exchange,
				    .reason = XFR_REASON_LEFT_ALONE,
				    .unanswered = true };
}

// What the exchange brought, as an event and as status.
static struct zone_event note_end(struct secondary *z, const struct transfer *t)
{
	struct zones_stats *total = &z->zones->stats;
	struct xfr *engine = transfer_engine(t);
	bool transfer = z->kind != XFR_SOA;
	struct zone_primary_status *s = &z->primaries[z->asked];
	struct zone_event event = { .exchange = z->exchange,
				    .reason = transfer_reason(t),
				    .unanswered = transfer_mute(t) };
	s->unix_s = loop_time().unix_s;
	s->kind = z->kind;
	s->reason = (uint8_t)event.reason;
	if (s->kind == XFR_IXFR)
		s->ixfr_reason = s->reason;
	s->rcode = engine ? xfr_rcode(engine) : 0;
	if (zone_reason_has_detail(event.reason))
		s->rcode = transfer_detail(t);
	if (event.reason == XFR_REASON_NONE) {
		xfr_soa(engine, &event.soa);
		event.has_expire = xfr_expire(engine, &event.expire_s);
		event.current = transfer && xfr_form(engine) == XFR_FORM_CURRENT;
		s->serial = event.soa.serial;
		event.resigned = !transfer && secondary_see_resigned(z, engine);
		event.kind = transfer ? ZONE_EVENT_XFR_DONE : ZONE_EVENT_SOA_ANSWER;
		++*(transfer && !event.current ? &total->transfers_ok : &total->soa_ok);
		if (is_older(z, &event))
			s->reason = XFR_REASON_OLDER;
	} else {
		event.kind = transfer ? ZONE_EVENT_XFR_FAILED : ZONE_EVENT_SOA_FAILED;
		++*(transfer ? &total->transfers_failed : &total->soa_failed);
	}
	secondary_log_exchange(z, t);
	return event;
}

// Whether fewer at once may go better, or keep fewer places.
static bool is_burden(enum xfr_reason reason)
{
	switch (reason) {
	case XFR_REASON_CONNECT:
	case XFR_REASON_IO:
	case XFR_REASON_TIMEOUT:
	case XFR_REASON_CLOSED:
	case XFR_REASON_LIMIT_OCTETS:
	case XFR_REASON_LIMIT_DURATION: return true;
	default: return false;
	}
}

// What the exchange says of the primary.
static void learn(struct secondary *z, const struct transfer *t)
{
	struct upstream *u = secondary_upstream(z, z->asked);
	enum xfr_reason reason = transfer_reason(t);
	uint64_t now_ms = loop_time().monotonic_ms;
	uint16_t rcode = reason == XFR_REASON_RCODE ? xfr_rcode(transfer_engine(t)) : 0;
	line_went(z->entry.primary->line, z->entry.primary, !is_burden(reason));
	enum upstream_way way = wanted_way(z);
	if (transfer_silent(t))
		upstream_was_silent(u, way, reason, now_ms);
	else if (transfer_mute(t))
		upstream_was_mute(u, way, z, now_ms);
	else
		upstream_answered(u, transfer_streamed(t) ? UPSTREAM_TRANSFERS : UPSTREAM_QUERIES);
	if (transfer_plain(t) && reason == XFR_REASON_NONE)
		u->plain_until_ms = now_ms + REMEMBER_MS;
	if (transfer_deaf_to_udp(t))
		u->streams_until_ms = now_ms + REMEMBER_MS;
	// REFUSED may speak of the zone: only if AXFR works it speaks of IXFR.
	bool unknown = z->kind == XFR_IXFR && (rcode == RCODE_FORMERR || rcode == RCODE_NOTIMP);
	bool proven = z->kind == XFR_AXFR && reason == XFR_REASON_NONE && z->ixfr_refused;
	if (unknown || proven)
		u->whole_until_ms = now_ms + REMEMBER_MS;
	z->ixfr_refused = z->kind == XFR_IXFR && reason == XFR_REASON_REFUSED;
}

// What came well from this primary is not taken.
void secondary_refuse(struct secondary *z, unsigned primary, enum xfr_reason reason)
{
	char name[NAME_TEXT_SIZE];
	struct zone_primary_status *s = &z->primaries[primary];
	s->reason = (uint8_t)reason;
	z->zones->stats.refused++;
	log_limited(&z->zones->findings, LOG_LEVEL_WARNING,
		    "zone %s: serial %u from %s is not published: %s", secondary_name(z, name),
		    s->serial, s->primary->id, xfr_reason_text(reason));
}

// What was begun with the primary is at its end, good or not, unless it is asked on.
static void note_link(struct secondary *z, unsigned primary, bool left_alone)
{
	uint64_t now_s = loop_time().unix_s;
	struct zone_primary_status *s = &z->primaries[primary];
	uint8_t reason = left_alone ? XFR_REASON_LEFT_ALONE : s->reason;
	if (z->fsm.phase != ZONE_FSM_IDLE && z->asked == primary)
		return;
	if (left_alone && s->link_reason)
		return; // why it is blocked says more
	bool changed = !s->link_unix_s || s->link_reason != reason;
	if (!s->link_unix_s || !s->link_reason != !reason)
		s->link_unix_s = now_s;
	s->link_reason = reason;
	s->link_rcode = left_alone ? s->link_rcode : s->rcode;
	if (reason == XFR_REASON_NONE)
		s->success_unix_s = now_s;
	if (changed)
		secondary_note(z);
}

// Tells the state machine, which wants a version or not; tells whether it did.
bool secondary_conclude(struct secondary *z, const struct zone_event *event)
{
	bool had = z->fresh;
	unsigned primary = z->asked;
	bool failed = event->kind == ZONE_EVENT_XFR_FAILED || event->kind == ZONE_EVENT_SOA_FAILED;
	secondary_step(z, event);
	// Keys have changed meanwhile: they may help.
	if (z->rekeyed && failed)
		secondary_step(
			z, &(struct zone_event){ .kind = ZONE_EVENT_RELOAD,
						 .primary = z->config->settings->primary_count });
	z->rekeyed = false;
	if (z->fsm.refused)
		secondary_refuse(z, primary, z->fsm.refused);
	note_link(z, primary, event->reason == XFR_REASON_LEFT_ALONE);
	bool published = had && !z->fresh;
	if (z->fresh)
		zone_version_discard(z->fresh);
	z->fresh = NULL;
	zones_advance(z->zones);
	return published;
}

// An exchange is over; or `t` is NULL, and the primary is left alone for this reason.
static void end_exchange(struct secondary *z, const struct transfer *t, enum xfr_reason reason)
{
	struct zone_event event = t ? note_end(z, t) : note_left_alone(z, reason);
	if (t)
		learn(z, t);
	if (event.kind == ZONE_EVENT_XFR_DONE && !event.current) {
		secondary_count_transfer(z, t);
		secondary_fetched_whole(z);
		z->fresh = xfr_take_version(transfer_engine(t));
	}
	leave_line(z);
	if (z->fresh)
		secondary_vet(z, &event);
	else
		secondary_conclude(z, &event);
}

static void on_done(void *arg, struct transfer *t)
{
	end_exchange(arg, t, transfer_reason(t));
}

// ---- what the machine wants

// A zone that is not served, or soon will not be, goes before one that is.
static enum lane lane_of(const struct secondary *z)
{
	const struct zone_fsm *f = &z->fsm;
	uint64_t urgent_ms = zone_fsm_expire_s(f) * 1000 / URGENT_FRACTION;
	bool urgent = f->data != ZONE_SERVED || f->expire_ms < loop_time().monotonic_ms + urgent_ms;
	return z->lane == LANE_REFRESH && urgent ? LANE_URGENT : (enum lane)z->lane;
}

void secondary_want(struct secondary *z, const struct zone_action *action)
{
	bool soa = action->kind == ZONE_ACTION_QUERY_SOA;
	struct upstream *u = secondary_upstream(z, action->primary);
	z->exchange = action->exchange;
	z->kind = (uint8_t)kind_of(action);
	z->asked = (uint8_t)action->primary;
	line_join(soa ? &z->zones->soa : &z->zones->transfers, soa ? &u->soa : &u->transfer,
		  lane_of(z), &z->entry);
}

void secondary_hurry(struct secondary *z)
{
	line_promote(&z->entry, lane_of(z));
}

void secondary_cancel(struct secondary *z)
{
	secondary_drop_vetting(z);
	leave_line(z);
}
