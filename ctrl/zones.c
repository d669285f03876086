// SPDX-License-Identifier: BSD-3-Clause
// All secondary zones at work: state machines, timers, transfers, publishing.
//
// The state machines decide, this does: each action is done in step(), each
// end of an exchange comes back as an event. Exchanges of a kind beyond its
// limit wait in a line (line.h). A primary that leaves connections unanswered is
// left alone for a while, so that one dead primary of many zones does not keep
// all places: exchanges with it fail at once.
#include "zones.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "alarm.h"
#include "hooks.h"
#include "log.h"
#include "loop.h"
#include "survey.h"
#include "transfer.h"
#include "understudy/rr.h"
#include "understudy/serial.h"
#include "upstream.h"
#include "vet.h"

#define SOA_CONCURRENT       64
#define NSEC3_ITERATIONS_MAX 150
#define WATCH_ROUND_MS       1000
#define HOLD_S               300
#define WATCH_EVERY_MS       100
#define SIGNATURE_WARNING_H  (7 * 24)
#define RETRY_MS             1000
#define RESTORE_AT_ONCE      16
#define COMPACT_EVERY_MS     30000
#define REMEMBER_MS          900000 // what a primary was seen not to understand
#define URGENT_FRACTION      4      // of expire: when so little of it is left

struct secondary {
	struct zones *zones;
	const struct config_zone *config; // of the configuration applied last
	struct zone_fsm fsm;
	struct store_zone *stored; // NULL: without a store
	uv_timer_t timer;
	struct transfer *transfer; // under way, or NULL
	struct line_entry entry;
	enum lane lane;    // what this round is for
	bool ixfr_refused; // by the exchange before: AXFR will tell why
	bool changed;      // by a reload: other primaries
	bool rekeyed;      // by a reload, while an exchange goes on as it began
	bool served_serial_known;
	uint32_t served_serial;
	bool unmarked;              // its state in `fsm` could not be published yet
	uint64_t told_expire_ms;    // the expiry that readers know of
	struct zone_action wanted;  // the exchange that is under way or waits
	struct zone_version *fresh; // brought by the exchange that just ended
	struct vetting *vetting;    // of `fresh`, which waits for it, or NULL
	struct zone_vetted vetted;  // what is served
	struct survey_zone survey;
	enum zone_signatures signatures;
	struct alarm alarm;
	uint64_t success_unix_s;
	struct zone_transfer_status last;
	struct zone_primary_status *primaries; // of each that the configuration names
	unsigned primaries_room;
};

// The end of an exchange, while the version that it brought is vetted.
struct vetting {
	struct vet *vet;
	struct zone_event event;
};

struct zones {
	uv_loop_t *loop;
	struct zonedb *db;
	struct store *store; // NULL: none
	const struct config *config;
	struct secondary **list; // in canonical order of the names
	size_t count;
	struct upstreams upstreams;
	struct links *links;
	struct surveys *surveys;
	struct hooks *hooks;
	size_t watched; // of the list, in this round
	struct line soa, transfers;
	unsigned vetting; // versions that wait for it
	bool advancing;
	struct xfr_budget budget;
	uv_timer_t retry_timer; // goes on with the lines after memory ran out
	uv_timer_t compact_timer;
	uv_timer_t watch_timer;
	uint64_t compacted_at; // how much had been published when it was last looked at
	struct notify_lookup lookup;
	struct notify_source sources[CONFIG_PRIMARIES_MAX + CONFIG_NOTIFY_MAX];
	struct zones_stats stats;
	struct log_limit log;
};

static void step(struct secondary *z, const struct zone_event *event);

static struct secondary *find(const struct zones *zones, const uint8_t *apex)
{
	size_t low = 0, high = zones->count;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		int order = name_compare(zones->list[middle]->config->name.wire, apex);
		if (order == 0)
			return zones->list[middle];
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}

static struct upstream *upstream_of(const struct secondary *z, unsigned primary)
{
	return z->zones->upstreams
		.of_primary[z->config->primaries[primary] - z->zones->config->primaries];
}

// ---- lines

static void on_done(void *arg, struct transfer *t);
static void end_exchange(struct secondary *z, const struct transfer *t);

static enum xfr_kind wanted_kind(const struct secondary *z)
{
	switch (z->wanted.kind) {
	case ZONE_ACTION_IXFR: return XFR_IXFR;
	case ZONE_ACTION_AXFR: return XFR_AXFR;
	default: return XFR_SOA;
	}
}

static enum result begin_exchange(struct secondary *z)
{
	struct zones *zones = z->zones;
	const struct config_primary *p = z->config->primaries[z->wanted.primary];
	const struct upstream *u = upstream_of(z, z->wanted.primary);
	enum xfr_kind kind = wanted_kind(z);
	struct config_transfer limits = zones->config->transfer;
	limits.max_records = config_zone_max_records(zones->config, z->config);
	struct transfer_options o = {
		.loop = zones->loop,
		.links = zones->links,
		.primary = p->address,
		.source = p->source,
		.tls = p->tls,
		.kind = kind,
		.udp = kind == XFR_SOA || (kind == XFR_IXFR && p->ixfr_udp && *p->ixfr_udp),
		.edns = u->plain_until_ms <= loop_time().monotonic_ms,
		.apex = z->config->name.wire,
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
static void advance(struct zones *zones)
{
	struct secondary *z;
	if (zones->advancing)
		return;
	zones->advancing = true;
	while ((z = next_of(zones))) {
		uint64_t now_ms = loop_time().monotonic_ms;
		if (upstream_of(z, z->wanted.primary)->silent_until_ms > now_ms) {
			end_exchange(z, NULL);
			continue;
		}
		if (begin_exchange(z) != RESULT_OK) {
			z->transfer = NULL;
			uv_timer_start(&zones->retry_timer, zones->retry_timer.timer_cb, RETRY_MS,
				       0);
			break;
		}
		line_take(&z->entry);
	}
	zones->advancing = false;
}

static void end_vetting(struct secondary *z)
{
	vet_stop(z->vetting->vet);
	free(z->vetting);
	z->vetting = NULL;
	z->zones->vetting--;
}

// What is being vetted is not wanted any more.
static void drop_vetting(struct secondary *z)
{
	if (!z->vetting)
		return;
	end_vetting(z);
	zone_version_discard(z->fresh);
	z->fresh = NULL;
}

// Gives up the place in the line, or the exchange that is under way.
static void leave_line(struct secondary *z)
{
	if (!z->entry.line)
		return;
	line_leave(&z->entry);
	if (z->transfer)
		transfer_close(z->transfer);
	z->transfer = NULL;
}

// ---- what is told of an exchange

static const char *name_text(const struct secondary *z, char buf[NAME_TEXT_SIZE])
{
	return name_to_text(z->config->name.wire, buf);
}

const char *zone_reason_text(const struct zone_primary_status *s, char buf[ZONE_REASON_TEXT])
{
	bool rcode = s->reason == XFR_REASON_RCODE;
	const char *more = rcode                          ? rcode_to_text(s->rcode)
			   : xfr_reason_is_tls(s->reason) ? tls_detail_text(s->reason, s->rcode)
							  : NULL;
	const char *text = xfr_reason_text(s->reason);
	if (more)
		snprintf(buf, ZONE_REASON_TEXT, "%s: %s", text, more);
	else if (rcode)
		snprintf(buf, ZONE_REASON_TEXT, "%s: rcode %u", text, s->rcode);
	else
		snprintf(buf, ZONE_REASON_TEXT, "%s", text);
	return buf;
}

static const char *const kind_text[] = {
	[XFR_SOA] = "SOA", [XFR_AXFR] = "AXFR", [XFR_IXFR] = "IXFR"
};

static const char *transfer_form_text(enum xfr_kind kind, enum xfr_form form)
{
	bool whole = kind == XFR_IXFR && form == XFR_FORM_WHOLE;
	return whole ? "IXFR in the form of AXFR" : kind_text[kind];
}

static void log_exchange(struct secondary *z, const struct zone_primary_status *s,
			 const struct transfer *t)
{
	char name[NAME_TEXT_SIZE], address[CONFIG_ADDRESS_TEXT], reason[ZONE_REASON_TEXT];
	const struct config_primary *p = s->primary;
	config_address_text(&p->address, address);
	name_text(z, name);
	if (s->reason) {
		log_limited(&z->zones->log, LOG_LEVEL_WARNING, "zone %s: no %s from %s (%s): %s",
			    name, kind_text[s->kind], p->id, address, zone_reason_text(s, reason));
	} else if (s->kind != XFR_SOA && xfr_form(transfer_engine(t)) != XFR_FORM_CURRENT) {
		const struct xfr_stats *x = xfr_stats(transfer_engine(t));
		uint64_t ms = transfer_elapsed_ms(t);
		log_info("zone %s: serial %u by %s from %s (%s), %s%s: %llu records, "
			 "%llu octets, %llu.%03llu s",
			 name, s->serial, transfer_form_text(s->kind, xfr_form(transfer_engine(t))),
			 p->id, address, transfer_keyed(t) ? "with TSIG" : "unsigned",
			 transfer_encrypted(t) ? ", over TLS" : "", (unsigned long long)x->records,
			 (unsigned long long)x->octets, (unsigned long long)(ms / 1000),
			 (unsigned long long)(ms % 1000));
	} else {
		log_debug("zone %s: serial %u at %s (%s)", name, s->serial, p->id, address);
	}
}

static void count_transfer(struct secondary *z, const struct zone_primary_status *s,
			   const struct transfer *t)
{
	struct zones_stats *total = &z->zones->stats;
	const struct xfr_stats *x = xfr_stats(transfer_engine(t));
	z->last = (struct zone_transfer_status){ .unix_s = s->unix_s,
						 .kind = s->kind,
						 .form = xfr_form(transfer_engine(t)),
						 .keyed = transfer_keyed(t),
						 .encrypted = transfer_encrypted(t),
						 .elapsed_ms = transfer_elapsed_ms(t),
						 .stats = *x };
	z->last.primary = s->primary->address;
	total->records += x->records;
	total->octets += x->octets;
	total->out_of_zone += x->out_of_zone;
	total->duplicates += x->duplicates;
	total->ttl_lowered += x->ttl_lowered;
	if (x->out_of_zone) {
		char name[NAME_TEXT_SIZE];
		log_limited(&z->zones->log, LOG_LEVEL_WARNING,
			    "zone %s: %llu records outside of the zone were skipped",
			    name_text(z, name), (unsigned long long)x->out_of_zone);
	}
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

// What the exchange brought, as an event and as status. `t` is NULL if the
// primary was left alone.
static struct zone_event note_end(struct secondary *z, const struct transfer *t)
{
	struct zones_stats *total = &z->zones->stats;
	struct xfr *engine = t ? transfer_engine(t) : NULL;
	bool transfer = z->wanted.kind != ZONE_ACTION_QUERY_SOA;
	struct zone_primary_status *s = &z->primaries[z->wanted.primary];
	struct zone_event event = { .exchange = z->wanted.exchange,
				    .reason = t ? transfer_reason(t) : XFR_REASON_CONNECT };
	s->unix_s = loop_time().unix_s;
	s->kind = wanted_kind(z);
	s->reason = (uint8_t)event.reason;
	if (s->kind == XFR_IXFR)
		s->ixfr_reason = s->reason;
	s->rcode = engine ? xfr_rcode(engine) : 0;
	if (xfr_reason_is_tls(event.reason))
		s->rcode = transfer_detail(t);
	if (event.reason == XFR_REASON_NONE) {
		xfr_soa(engine, &event.soa);
		event.has_expire = xfr_expire(engine, &event.expire_s);
		event.current = transfer && xfr_form(engine) == XFR_FORM_CURRENT;
		s->serial = event.soa.serial;
		event.kind = transfer ? ZONE_EVENT_XFR_DONE : ZONE_EVENT_SOA_ANSWER;
		++*(transfer && !event.current ? &total->transfers_ok : &total->soa_ok);
		if (is_older(z, &event))
			s->reason = XFR_REASON_OLDER;
	} else {
		event.kind = transfer ? ZONE_EVENT_XFR_FAILED : ZONE_EVENT_SOA_FAILED;
		++*(transfer ? &total->transfers_failed : &total->soa_failed);
	}
	log_exchange(z, s, t);
	return event;
}

// What the exchange says of the primary.
static void learn(struct secondary *z, const struct transfer *t)
{
	struct upstream *u = upstream_of(z, z->wanted.primary);
	enum xfr_kind kind = wanted_kind(z);
	enum xfr_reason reason = transfer_reason(t);
	uint64_t now_ms = loop_time().monotonic_ms;
	uint16_t rcode = reason == XFR_REASON_RCODE ? xfr_rcode(transfer_engine(t)) : 0;
	bool burdened = reason == XFR_REASON_CONNECT || reason == XFR_REASON_IO ||
			reason == XFR_REASON_TIMEOUT || reason == XFR_REASON_CLOSED;
	line_went(kind == XFR_SOA ? &u->soa : &u->transfer, !burdened, z->entry.line->limit);
	if (transfer_silent(t))
		upstream_was_silent(u, now_ms);
	else
		upstream_forget_silence(u);
	if (transfer_plain(t) && reason == XFR_REASON_NONE)
		u->plain_until_ms = now_ms + REMEMBER_MS;
	// REFUSED may speak of the zone: only if AXFR works it speaks of IXFR.
	bool unknown = kind == XFR_IXFR && (rcode == RCODE_FORMERR || rcode == RCODE_NOTIMP);
	bool proven = kind == XFR_AXFR && reason == XFR_REASON_NONE && z->ixfr_refused;
	if (unknown || proven)
		u->whole_until_ms = now_ms + REMEMBER_MS;
	z->ixfr_refused = kind == XFR_IXFR && reason == XFR_REASON_REFUSED;
}

// What came well from this primary is not taken.
static void note_refusal(struct secondary *z, unsigned primary, enum xfr_reason reason)
{
	char name[NAME_TEXT_SIZE];
	struct zone_primary_status *s = &z->primaries[primary];
	s->reason = (uint8_t)reason;
	z->zones->stats.refused++;
	log_limited(&z->zones->log, LOG_LEVEL_WARNING,
		    "zone %s: serial %u from %s is not published: %s", name_text(z, name),
		    s->serial, s->primary->id, xfr_reason_text(reason));
}

// Tells the state machine, which wants a version or not; tells whether it did.
static bool conclude(struct secondary *z, const struct zone_event *event)
{
	bool had = z->fresh;
	unsigned primary = z->wanted.primary;
	bool failed = event->kind == ZONE_EVENT_XFR_FAILED || event->kind == ZONE_EVENT_SOA_FAILED;
	step(z, event);
	// Keys have changed meanwhile: they may help.
	if (z->rekeyed && failed)
		step(z, &(struct zone_event){ .kind = ZONE_EVENT_RELOAD,
					      .primary = z->config->primary_count });
	z->rekeyed = false;
	if (z->fsm.refused)
		note_refusal(z, primary, z->fsm.refused);
	bool published = had && !z->fresh;
	if (z->fresh)
		zone_version_discard(z->fresh);
	z->fresh = NULL;
	advance(z->zones);
	return published;
}

static struct vet_policy policy_of(const struct secondary *z)
{
	const struct config_dnssec *d = &z->zones->config->dnssec;
	return (struct vet_policy){
		.zonemd = config_zone_zonemd(z->config),
		.nsec3_iterations_max =
			d->nsec3_iterations.max ? *d->nsec3_iterations.max : NSEC3_ITERATIONS_MAX,
		.refuse_iterations = d->nsec3_iterations.above &&
				     *d->nsec3_iterations.above == CONFIG_ABOVE_REFUSE,
	};
}

static void warn_of_iterations(struct secondary *z, unsigned iterations)
{
	char name[NAME_TEXT_SIZE];
	if (iterations > policy_of(z).nsec3_iterations_max)
		log_limited(&z->zones->log, LOG_LEVEL_WARNING,
			    "zone %s: NSEC3 with %u iterations, where 0 is best practice",
			    name_text(z, name), iterations);
}

// The version has been vetted: it is news, or the exchange failed after all.
static void judge(struct secondary *z, struct zone_event event, const struct vet_result *r)
{
	if (r->reason) {
		note_refusal(z, z->wanted.primary, r->reason);
		event.kind = ZONE_EVENT_XFR_FAILED;
		event.reason = r->reason;
	}
	if (!conclude(z, &event))
		return;
	if (r->nsec3_iterations != z->vetted.nsec3_iterations)
		warn_of_iterations(z, r->nsec3_iterations);
	z->vetted = (struct zone_vetted){ .zonemd = r->zonemd,
					  .nsec3 = r->nsec3,
					  .nsec3_iterations = r->nsec3_iterations };
}

static void on_vetted(void *arg, const struct vet_result *result)
{
	struct secondary *z = arg;
	struct zone_event event = z->vetting->event;
	struct vet_result r = *result;
	end_vetting(z);
	judge(z, event, &r);
}

static void vet(struct secondary *z, const struct zone_event *event)
{
	struct vet *vet;
	struct vet_result result;
	struct vet_options o = { .loop = z->zones->loop,
				 .version = z->fresh,
				 .policy = policy_of(z),
				 .done = on_vetted,
				 .arg = z };
	struct vetting *v = calloc(1, sizeof(*v));
	if (!v) {
		judge(z, *event, &(struct vet_result){ .reason = XFR_REASON_NO_MEMORY });
		return;
	}
	vet_start(&o, &vet, &result);
	if (!vet) {
		free(v);
		judge(z, *event, &result);
		return;
	}
	*v = (struct vetting){ .vet = vet, .event = *event };
	z->vetting = v;
	z->zones->vetting++;
	advance(z->zones);
}

// An exchange is over.
static void end_exchange(struct secondary *z, const struct transfer *t)
{
	struct zone_event event = note_end(z, t);
	if (t)
		learn(z, t);
	if (event.kind == ZONE_EVENT_XFR_DONE && !event.current) {
		count_transfer(z, &z->primaries[z->wanted.primary], t);
		z->fresh = xfr_take_version(transfer_engine(t));
	}
	leave_line(z);
	if (z->fresh)
		vet(z, &event);
	else
		conclude(z, &event);
}

static void on_done(void *arg, struct transfer *t)
{
	end_exchange(arg, t);
}

static void on_timer(uv_timer_t *timer)
{
	struct secondary *z = timer->data;
	step(z, &(struct zone_event){ .kind = ZONE_EVENT_TIMER });
	advance(z->zones);
}

// ---- actions

// A zone that is not served, or soon will not be, goes before one that is.
static enum lane lane_of(const struct secondary *z)
{
	const struct zone_fsm *f = &z->fsm;
	uint64_t urgent_ms = (uint64_t)f->soa.expire_s * 1000 / URGENT_FRACTION;
	bool urgent = f->data != ZONE_SERVED || f->expire_ms < loop_time().monotonic_ms + urgent_ms;
	return z->lane == LANE_REFRESH && urgent ? LANE_URGENT : z->lane;
}

static void want_exchange(struct secondary *z, const struct zone_action *action)
{
	bool soa = action->kind == ZONE_ACTION_QUERY_SOA;
	struct upstream *u = upstream_of(z, action->primary);
	z->wanted = *action;
	line_join(soa ? &z->zones->soa : &z->zones->transfers, soa ? &u->soa : &u->transfer,
		  lane_of(z), &z->entry);
}

// What readers are to know of the expiry goes into a version of a served zone.
static void set_expiry(struct secondary *z, struct zone_version *version)
{
	struct xfr_time now = loop_time();
	uint64_t left_ms =
		z->fsm.expire_ms > now.monotonic_ms ? z->fsm.expire_ms - now.monotonic_ms : 0;
	zone_version_set_expiry(version, now.unix_s + left_ms / 1000);
	z->told_expire_ms = z->fsm.expire_ms;
}

// A primary has confirmed the version that is served. If memory is short, readers
// go on with an earlier expiry until the next time.
static void tell_expiry(struct secondary *z)
{
	struct zone_version *version;
	if (zone_version_marked(z->zones->db, z->config->name.wire, ZONE_SERVED, &version))
		return;
	set_expiry(z, version);
	zonedb_publish(z->zones->db, &version, 1);
}

// Publishes the state that the machine says the zone is in.
static void mark(struct secondary *z)
{
	char name[NAME_TEXT_SIZE];
	struct zones *zones = z->zones;
	struct zone_version *version;
	bool expired = z->fsm.data == ZONE_EXPIRED;
	enum result r = zone_version_marked(zones->db, z->config->name.wire, z->fsm.data, &version);
	name_text(z, name);
	z->unmarked = r != RESULT_OK;
	if (z->unmarked) {
		log_limited(&zones->log, LOG_LEVEL_ERROR, "zone %s: not marked %s yet: %s", name,
			    expired ? "expired" : "served", result_text(r));
		uv_timer_start(&zones->retry_timer, zones->retry_timer.timer_cb, RETRY_MS, 0);
		return;
	}
	if (!expired)
		set_expiry(z, version);
	zonedb_publish(zones->db, &version, 1);
	zones->stats.expired += expired;
	if (expired)
		log_warning("zone %s: expired; no primary has confirmed it in time", name);
	else
		log_info("zone %s: confirmed, served again", name);
}

static void set_timer(struct secondary *z, uint64_t at_ms)
{
	uint64_t now_ms = loop_time().monotonic_ms;
	// libuv counts from the loop's own time, which may lag behind now.
	uv_update_time(z->zones->loop);
	if (at_ms == ZONE_FSM_NEVER)
		uv_timer_stop(&z->timer);
	else
		uv_timer_start(&z->timer, on_timer, at_ms > now_ms ? at_ms - now_ms : 0, 0);
}

// ---- what lasts

static uint64_t unix_of(struct xfr_time now, uint64_t monotonic_ms)
{
	if (monotonic_ms == ZONE_FSM_NEVER)
		return 0;
	if (monotonic_ms >= now.monotonic_ms)
		return now.unix_s + (monotonic_ms - now.monotonic_ms) / 1000;
	return now.unix_s - (now.monotonic_ms - monotonic_ms) / 1000;
}

static void store_primary(struct store_primary *out, const struct zone_primary_status *s)
{
	const struct config_address *a = &s->primary->address;
	bool v4 = a->any.sa_family == AF_INET;
	*out = (struct store_primary){ .port = ntohs(v4 ? a->v4.sin_port : a->v6.sin6_port),
				       .unix_s = s->unix_s,
				       .kind = s->kind,
				       .reason = s->reason,
				       .rcode = s->rcode,
				       .serial = s->serial };
	out->family = config_address_wire(a, out->address);
}

static struct store_timers timers_of(const struct secondary *z)
{
	struct xfr_time now = loop_time();
	struct store_timers t = { .expired = z->fsm.data == ZONE_EXPIRED,
				  .frozen = z->fsm.frozen,
				  .refreshed_unix_s = z->success_unix_s,
				  .next_unix_s = unix_of(now, z->fsm.next_ms) };
	if (z->fsm.data != ZONE_NOT_LOADED)
		t.expire_unix_s = unix_of(now, z->fsm.expire_ms);
	for (unsigned i = 0; i < z->config->primary_count; i++)
		store_primary(&t.primaries[t.primary_count++], &z->primaries[i]);
	return t;
}

static void note(struct secondary *z)
{
	if (!z->stored)
		return;
	struct store_timers t = timers_of(z);
	store_note(z->stored, &t);
}

// What is taken, and yet strange.
static void report_serial(struct secondary *z, uint32_t serial)
{
	char name[NAME_TEXT_SIZE];
	struct log_limit *log = &z->zones->log;
	name_text(z, name);
	if (z->served_serial_known && !serial_newer(serial, z->served_serial) &&
	    serial != z->served_serial)
		log_limited(log, LOG_LEVEL_WARNING, "zone %s: the serial went back from %u to %u",
			    name, z->served_serial, serial);
	if (z->served_serial_known && serial == z->served_serial &&
	    !zone_version_stats(z->fresh)->same) {
		z->zones->stats.same_serial++;
		log_limited(log, LOG_LEVEL_WARNING,
			    "zone %s: other content with the same serial %u: was it signed anew?",
			    name, serial);
	}
	if (z->fsm.policy.lengthen_refresh && z->fsm.soa.refresh_s < ZONE_FSM_SHORT_REFRESH_S)
		log_limited(log, LOG_LEVEL_WARNING,
			    "zone %s: refresh of %u s is taken as 30 minutes", name,
			    z->fsm.soa.refresh_s);
	z->served_serial = serial;
	z->served_serial_known = true;
}

// The one place where what a primary sent becomes what is served; then it is stored.
static void publish(struct secondary *z)
{
	struct store_change change = { 0 };
	assert(z->fresh);
	z->unmarked = false;
	report_serial(z, zone_version_serial(z->fresh));
	z->last.same = zone_version_stats(z->fresh)->same;
	set_expiry(z, z->fresh);
	if (z->stored)
		change = store_compare(z->stored, z->fresh);
	zonedb_publish(z->zones->db, &z->fresh, 1);
	z->fresh = NULL;
	surveys_touch(z->zones->surveys, &z->survey);
	if (!z->stored)
		return;
	z->success_unix_s = loop_time().unix_s;
	struct store_timers t = timers_of(z);
	store_published(z->stored, change, &t);
}

static void restore_primaries(struct secondary *z, const struct store_timers *t)
{
	for (unsigned i = 0; i < z->config->primary_count; i++) {
		struct zone_primary_status *s = &z->primaries[i];
		struct store_primary here;
		store_primary(&here, s);
		for (unsigned k = 0; k < t->primary_count; k++) {
			const struct store_primary *p = &t->primaries[k];
			if (p->family != here.family || p->port != here.port ||
			    memcmp(p->address, here.address, sizeof(here.address)) != 0 ||
			    p->reason >= XFR_REASON_COUNT)
				continue;
			s->unix_s = p->unix_s;
			s->kind = p->kind;
			s->reason = p->reason;
			s->rcode = p->rcode;
			s->serial = p->serial;
		}
	}
}

// Milliseconds from now until a time noted before; not more than there were then,
// should the clock have been set back.
static uint64_t left_ms(uint64_t now_unix_s, uint64_t since_unix_s, uint64_t until_unix_s)
{
	uint64_t from = now_unix_s > since_unix_s ? now_unix_s : since_unix_s;
	return until_unix_s > from ? (until_unix_s - from) * 1000 : 0;
}

// The zone as it was stored, for publishing: RESULT_OK, RESULT_NOT_FOUND or
// RESULT_NO_MEMORY. Time that has passed meanwhile counts.
static enum result restore(struct secondary *z, struct zone_version **out)
{
	struct store_timers t;
	struct soa soa;
	struct xfr_time now = loop_time();
	enum result r = store_zone_load(z->stored, out, &t);
	if (r == RESULT_OK || (r == RESULT_NOT_FOUND && !store_zone_timers(z->stored, &t)))
		z->fsm.frozen = t.frozen;
	if (r != RESULT_OK)
		return r;
	zone_version_soa(*out, &soa);
	if (!t.expire_unix_s)
		t.expire_unix_s = t.refreshed_unix_s + soa.expire_s;
	uint64_t next_ms = left_ms(now.unix_s, t.refreshed_unix_s, t.next_unix_s);
	uint64_t expire_ms = left_ms(now.unix_s, t.refreshed_unix_s, t.expire_unix_s);
	zone_fsm_restore(&z->fsm, &soa, now.monotonic_ms + next_ms,
			 now.monotonic_ms + (t.expired ? 0 : expire_ms));
	z->success_unix_s = t.refreshed_unix_s;
	z->served_serial = soa.serial;
	z->served_serial_known = true;
	restore_primaries(z, &t);
	if (t.expired || !expire_ms)
		zone_version_expire(*out);
	else
		set_expiry(z, *out);
	return RESULT_OK;
}

static void cancel(struct secondary *z)
{
	drop_vetting(z);
	leave_line(z);
}

// Publishes what is stored of these zones, which are published as not loaded. A few
// at a time: each version holds a chunk of memory until it is published.
static void restore_all(struct zones *zones, struct secondary *const list[], size_t count)
{
	struct zone_version *versions[RESTORE_AT_ONCE];
	size_t n = 0;
	for (size_t i = 0; zones->store && i < count; i++) {
		n += restore(list[i], &versions[n]) == RESULT_OK;
		if (n == RESTORE_AT_ONCE || i + 1 == count) {
			zonedb_publish(zones->db, versions, n);
			n = 0;
		}
	}
}

static void act(struct secondary *z, const struct zone_action *action)
{
	switch (action->kind) {
	case ZONE_ACTION_QUERY_SOA:
	case ZONE_ACTION_IXFR:
	case ZONE_ACTION_AXFR: want_exchange(z, action); break;
	case ZONE_ACTION_CANCEL: cancel(z); break;
	case ZONE_ACTION_PUBLISH: publish(z); break;
	case ZONE_ACTION_MARK_EXPIRED:
	case ZONE_ACTION_MARK_SERVED: mark(z); break;
	case ZONE_ACTION_TIMER: set_timer(z, action->at_ms); break;
	}
}

// What the machine and the line must know before a step.
static void tell_machine(struct secondary *z, enum zone_event_kind kind)
{
	uint64_t now_ms = loop_time().monotonic_ms;
	z->fsm.no_ixfr = 0;
	for (unsigned i = 0; i < z->config->primary_count; i++) {
		if (upstream_of(z, i)->whole_until_ms > now_ms)
			z->fsm.no_ixfr |= 1u << i;
	}
	if (kind == ZONE_EVENT_NOTIFY)
		z->lane = LANE_NOTIFY;
	else if ((kind == ZONE_EVENT_REFRESH || kind == ZONE_EVENT_RETRANSFER) &&
		 z->lane > LANE_OPERATOR)
		z->lane = LANE_OPERATOR;
}

static void step(struct secondary *z, const struct zone_event *event)
{
	struct zone_event e = *event;
	struct zone_actions actions;
	uint64_t refreshed_ms = z->fsm.refreshed_ms, next_ms = z->fsm.next_ms;
	enum zone_state data = z->fsm.data;
	bool frozen = z->fsm.frozen;
	e.random = loop_random();
	tell_machine(z, event->kind);
	zone_fsm_step(&z->fsm, &e, loop_time().monotonic_ms, &actions);
	for (unsigned i = 0; i < actions.count; i++)
		act(z, &actions.list[i]);
	if (z->fsm.phase == ZONE_FSM_IDLE)
		z->lane = LANE_REFRESH;
	if (z->fsm.refreshed_ms != refreshed_ms)
		z->success_unix_s = loop_time().unix_s;
	if (z->fsm.data == ZONE_SERVED && !z->unmarked && z->told_expire_ms != z->fsm.expire_ms)
		tell_expiry(z);
	if (z->fsm.refreshed_ms != refreshed_ms || z->fsm.next_ms != next_ms ||
	    z->fsm.data != data || z->fsm.frozen != frozen)
		note(z);
}

// ---- zones that come, change and go

static void set_primaries(struct secondary *z)
{
	for (unsigned i = 0; i < z->config->primary_count; i++)
		z->primaries[i].primary = z->config->primaries[i];
	config_zone_limits(z->config, &z->fsm.limits);
	z->fsm.policy = config_zone_policy(z->config);
}

static bool key_equal(const struct tsig_key *a, const struct tsig_key *b)
{
	if (!a || !b)
		return a == b;
	return name_equal(a->name.wire, b->name.wire) && a->algorithm == b->algorithm &&
	       a->mac_octets == b->mac_octets && a->secret_len == b->secret_len &&
	       memcmp(a->secret, b->secret, a->secret_len) == 0;
}

static bool primaries_equal(const struct config_zone *a, const struct config_zone *b)
{
	if (a->primary_count != b->primary_count)
		return false;
	for (unsigned i = 0; i < a->primary_count; i++) {
		const struct config_primary *p = a->primaries[i], *q = b->primaries[i];
		if (!config_address_equal(&p->address, &q->address) ||
		    !config_address_equal(&p->source, &q->source) || !p->tls != !q->tls)
			return false;
	}
	return true;
}

// Of primaries that are equal: what they are known by, and we by them.
static bool credentials_equal(const struct config_zone *a, const struct config_zone *b)
{
	for (unsigned i = 0; i < a->primary_count; i++) {
		const struct config_primary *p = a->primaries[i], *q = b->primaries[i];
		if (!key_equal(p->key, q->key) || !tls_context_same(p->tls, q->tls))
			return false;
	}
	return true;
}

static enum result reserve_primaries(struct secondary *z, unsigned count)
{
	if (count <= z->primaries_room)
		return RESULT_OK;
	struct zone_primary_status *more = realloc(z->primaries, count * sizeof(*more));
	if (!more)
		return RESULT_NO_MEMORY;
	memset(more + z->primaries_room, 0, (count - z->primaries_room) * sizeof(*more));
	z->primaries = more;
	z->primaries_room = count;
	return RESULT_OK;
}

static void secondary_free(struct secondary *z)
{
	free(z->primaries);
	free(z);
}

static struct secondary *secondary_new(struct zones *zones, const struct config_zone *config)
{
	struct secondary *z = calloc(1, sizeof(*z));
	if (!z || reserve_primaries(z, config->primary_count)) {
		free(z);
		return NULL;
	}
	z->zones = zones;
	z->config = config;
	z->lane = LANE_REFRESH;
	z->stored = store_zone_open(zones->store, z->config->name.wire);
	zone_fsm_init(&z->fsm, &zone_fsm_limits_default, config->primary_count);
	set_primaries(z);
	return z;
}

static void on_secondary_closed(uv_handle_t *handle)
{
	secondary_free(handle->data);
}

// The zone's exchange ends at once; its memory goes with the timer's handle.
static void secondary_close(struct secondary *z)
{
	cancel(z);
	surveys_forget(z->zones->surveys, &z->survey);
	store_zone_close(z->stored);
	z->stored = NULL;
	uv_close((uv_handle_t *)&z->timer, on_secondary_closed);
}

// Points the zone into the new configuration; tells whether its primaries are
// others than before, in which case its machine must hear of it. An exchange that
// is under way when only keys change ends as it began.
static bool secondary_reconfigure(struct secondary *z, const struct config_zone *config)
{
	bool same = primaries_equal(z->config, config);
	if (!same)
		memset(z->primaries, 0, z->primaries_room * sizeof(*z->primaries));
	bool rekeyed = same && !credentials_equal(z->config, config);
	z->rekeyed = same && (z->rekeyed || (rekeyed && z->transfer));
	z->config = config;
	set_primaries(z);
	return !same || (rekeyed && !z->transfer);
}

// What a reload comes to, found out before anything is changed.
struct plan {
	struct secondary **list;  // all zones after it; NULL marks `fresh`'s end
	struct secondary **fresh; // of them new
	struct secondary **gone;
	struct zone_version **versions;
	struct upstreams upstreams, gone_upstreams;
	size_t count, fresh_count, gone_count, version_count;
};

static void plan_free(struct plan *p)
{
	upstreams_free(&p->gone_upstreams);
	free(p->list);
	free(p->fresh);
	free(p->gone);
	free(p->versions);
}

static enum result plan_allocate(struct plan *p, const struct zones *zones,
				 const struct config *config)
{
	size_t most = zones->count + config->zones_count + 1;
	p->list = calloc(most, sizeof(*p->list));
	p->fresh = calloc(most, sizeof(*p->fresh));
	p->gone = calloc(most, sizeof(*p->gone));
	p->versions = calloc(most, sizeof(*p->versions));
	if (!p->list || !p->fresh || !p->gone || !p->versions)
		return RESULT_NO_MEMORY;
	return upstreams_make(&p->upstreams, &zones->upstreams, config);
}

static enum result plan_add(struct plan *p, struct zones *zones, const struct config_zone *config)
{
	struct secondary *z = secondary_new(zones, config);
	if (!z)
		return RESULT_NO_MEMORY;
	p->list[p->count++] = p->fresh[p->fresh_count++] = z;
	enum result r = zone_version_not_loaded(zones->db, z->config->name.wire,
						&p->versions[p->version_count]);
	p->version_count += r == RESULT_OK;
	return r;
}

static enum result plan_remove(struct plan *p, struct zones *zones, struct secondary *z)
{
	p->gone[p->gone_count++] = z;
	enum result r = zone_version_removed(zones->db, z->config->name.wire,
					     &p->versions[p->version_count]);
	p->version_count += r == RESULT_OK;
	return r;
}

// Walks the old and the new zones, both in canonical order, side by side.
static enum result plan_make(struct plan *p, struct zones *zones, const struct config *config)
{
	size_t i = 0, j = 0;
	enum result r = plan_allocate(p, zones, config);
	while (r == RESULT_OK && (i < zones->count || j < config->zones_count)) {
		int order = i == zones->count ? 1
			    : j == config->zones_count
				    ? -1
				    : name_compare(zones->list[i]->config->name.wire,
						   config->zones_by_name[j]->name.wire);
		if (order < 0) {
			r = plan_remove(p, zones, zones->list[i++]);
		} else if (order > 0) {
			r = plan_add(p, zones, config->zones_by_name[j++]);
		} else {
			p->list[p->count++] = zones->list[i];
			r = reserve_primaries(zones->list[i++],
					      config->zones_by_name[j++]->primary_count);
		}
	}
	return r;
}

static void plan_undo(struct plan *p)
{
	for (size_t i = 0; i < p->version_count; i++)
		zone_version_discard(p->versions[i]);
	for (size_t i = 0; i < p->fresh_count; i++) {
		store_zone_close(p->fresh[i]->stored);
		secondary_free(p->fresh[i]);
	}
	upstreams_undo(&p->upstreams);
}

// All zones point into the new configuration before any of them acts.
static void plan_switch(struct plan *p, struct zones *zones, const struct config *config)
{
	zones->config = config;
	free(zones->list);
	upstreams_switch(&zones->upstreams, &p->upstreams, &p->gone_upstreams);
	zones->budget.limit = (uint64_t)config->transfer.memory_mib << 20;
	hooks_configure(zones->hooks, &config->hooks);
	zones->list = p->list;
	zones->count = p->count;
	p->list = NULL;
	for (size_t i = 0; i < p->fresh_count; i++) {
		uv_timer_init(zones->loop, &p->fresh[i]->timer);
		p->fresh[i]->timer.data = p->fresh[i];
	}
	for (size_t i = 0; i < zones->count; i++) {
		struct secondary *z = zones->list[i];
		z->changed = secondary_reconfigure(z, config_zone(config, z->config->name.wire));
	}
}

// Cannot fail: from here on the new configuration holds.
static void plan_do(struct plan *p, struct zones *zones, const struct config *config)
{
	for (size_t i = 0; i < p->gone_count; i++)
		secondary_close(p->gone[i]);
	if (p->version_count)
		zonedb_publish(zones->db, p->versions, p->version_count);
	plan_switch(p, zones, config);
	for (size_t i = 0; i < zones->count; i++) {
		struct secondary *z = zones->list[i];
		if (z->changed)
			step(z, &(struct zone_event){ .kind = ZONE_EVENT_RELOAD,
						      .primary = z->config->primary_count });
	}
	restore_all(zones, p->fresh, p->fresh_count);
	for (size_t i = 0; i < p->fresh_count; i++) {
		struct secondary *z = p->fresh[i];
		if (z->fsm.data != ZONE_NOT_LOADED)
			surveys_touch(zones->surveys, &z->survey);
		step(z, &(struct zone_event){ .kind = ZONE_EVENT_START });
	}
	zones->soa.limit = SOA_CONCURRENT;
	zones->transfers.limit = config->transfer.concurrent;
	advance(zones);
}

enum result zones_apply(struct zones *zones, const struct config *config)
{
	struct plan plan = { 0 };
	enum result r = plan_make(&plan, zones, config);
	if (r == RESULT_OK)
		plan_do(&plan, zones, config);
	else
		plan_undo(&plan);
	plan_free(&plan);
	return r;
}

const struct config *zones_config(const struct zones *zones)
{
	return zones->config;
}

// ---- NOTIFY and the operator

static const struct tsig_key *lookup_key(void *arg, const uint8_t *name)
{
	const struct zones *zones = arg;
	return key_list_find(&zones->config->key_list, name);
}

static struct notify_source source_of(const struct config_address *first,
				      const struct config_address *last, const struct tsig_key *key)
{
	struct notify_source s = { .key = key, .primary = NOTIFY_NO_PRIMARY };
	s.family = config_address_wire(first, s.first);
	config_address_wire(last, s.last);
	return s;
}

static const struct notify_source *lookup_sources(void *arg, const uint8_t *apex, unsigned *count)
{
	struct zones *zones = arg;
	const struct secondary *z = find(zones, apex);
	unsigned n = 0, allowed;
	if (!z)
		return NULL;
	for (; n < z->config->primary_count; n++) {
		const struct config_primary *p = z->config->primaries[n];
		zones->sources[n] = source_of(&p->address, &p->address, p->key);
		zones->sources[n].primary = n;
	}
	const struct config_notify *allow = config_zone_notify(z->config, &allowed);
	for (unsigned i = 0; i < allowed; i++)
		zones->sources[n++] = source_of(&allow[i].first, &allow[i].last, allow[i].key);
	*count = n;
	return zones->sources;
}

const struct notify_lookup *zones_notify_lookup(struct zones *zones)
{
	return &zones->lookup;
}

void zones_notified(struct zones *zones, const struct notify_event *event)
{
	struct secondary *z = find(zones, event->apex.wire);
	if (!z)
		return;
	zones->stats.notifies++;
	if (event->primary < z->config->primary_count)
		upstream_forget_silence(upstream_of(z, event->primary));
	step(z, &(struct zone_event){ .kind = ZONE_EVENT_NOTIFY,
				      .primary = event->primary,
				      .has_serial = event->has_serial,
				      .serial = event->serial });
	advance(zones);
}

static enum result by_operator(struct zones *zones, const uint8_t *apex, enum zone_event_kind kind)
{
	struct secondary *z = find(zones, apex);
	if (!z)
		return RESULT_NOT_FOUND;
	for (unsigned i = 0; i < z->config->primary_count; i++)
		upstream_forget_silence(upstream_of(z, i));
	step(z, &(struct zone_event){ .kind = kind });
	advance(zones);
	return RESULT_OK;
}

enum result zones_refresh(struct zones *zones, const uint8_t *apex)
{
	return by_operator(zones, apex, ZONE_EVENT_REFRESH);
}

enum result zones_retransfer(struct zones *zones, const uint8_t *apex)
{
	return by_operator(zones, apex, ZONE_EVENT_RETRANSFER);
}

enum result zones_freeze(struct zones *zones, const uint8_t *apex, bool frozen)
{
	struct secondary *z = find(zones, apex);
	if (!z)
		return RESULT_NOT_FOUND;
	step(z, &(struct zone_event){ .kind = frozen ? ZONE_EVENT_FREEZE : ZONE_EVENT_THAW });
	advance(zones);
	return RESULT_OK;
}

enum result zones_purge(struct zones *zones, const uint8_t *apex)
{
	struct zone_version *version;
	struct secondary *z = find(zones, apex);
	if (!z)
		return RESULT_NOT_FOUND;
	struct zone_fsm before = z->fsm;
	step(z, &(struct zone_event){ .kind = ZONE_EVENT_FREEZE }); // nothing is under way
	enum result r = zone_version_not_loaded(zones->db, z->config->name.wire, &version);
	if (r != RESULT_OK && !before.frozen)
		step(z, &(struct zone_event){ .kind = ZONE_EVENT_THAW });
	if (r != RESULT_OK)
		return r;
	store_purge(z->stored);
	zonedb_publish(zones->db, &version, 1);
	uint32_t exchange = z->fsm.exchange;
	zone_fsm_init(&z->fsm, &before.limits, before.primaries);
	z->fsm.policy = before.policy;
	z->fsm.exchange = exchange;
	z->fsm.frozen = before.frozen;
	z->unmarked = z->served_serial_known = false;
	z->told_expire_ms = z->success_unix_s = 0;
	memset(&z->last, 0, sizeof(z->last));
	memset(&z->vetted, 0, sizeof(z->vetted));
	step(z, &(struct zone_event){ .kind = ZONE_EVENT_START });
	advance(zones);
	return RESULT_OK;
}

// ---- status

static void fill_status(const struct secondary *z, struct zone_status *out)
{
	*out = (struct zone_status){
		.name = &z->config->name,
		.fsm = &z->fsm,
		.waiting = z->entry.waiting,
		.success_unix_s = z->success_unix_s,
		.transfer = &z->last,
		.primaries = z->primaries,
		.primary_count = z->config->primary_count,
		.vetted = &z->vetted,
		.signatures = z->signatures,
		.earliest_unix_s = z->survey.earliest_unix_s,
	};
	store_zone_status(z->stored, &out->stored);
}

enum result zones_status(const struct zones *zones, const uint8_t *apex, struct zone_status *out)
{
	const struct secondary *z = find(zones, apex);
	if (!z)
		return RESULT_NOT_FOUND;
	fill_status(z, out);
	return RESULT_OK;
}

size_t zones_count(const struct zones *zones)
{
	return zones->count;
}

void zones_status_at(const struct zones *zones, size_t i, struct zone_status *out)
{
	assert(i < zones->count);
	fill_status(zones->list[i], out);
}

const struct zones_stats *zones_stats(const struct zones *zones)
{
	struct zones_stats *s = (struct zones_stats *)(uintptr_t)&zones->stats;
	s->exchanges = zones->soa.used + zones->transfers.used;
	s->waiting = zones->soa.waiting + zones->transfers.waiting;
	const struct hooks_stats *h = hooks_stats(zones->hooks);
	s->hooks_run = h->run;
	s->hooks_failed = h->failed;
	s->hooks_dropped = h->dropped;
	return s;
}

// ---- signatures

static struct secondary *of_survey(const struct survey_zone *s)
{
	return (struct secondary *)((uintptr_t)s - offsetof(struct secondary, survey));
}

static const uint8_t *survey_apex(const struct survey_zone *s)
{
	return of_survey(s)->config->name.wire;
}

const char *zone_signatures_text(enum zone_signatures s)
{
	static const char *const texts[] = { [ZONE_SIGNATURES_WELL] = "well",
					     [ZONE_SIGNATURES_BEFORE_EXPIRY] = "before-expiry",
					     [ZONE_SIGNATURES_SOON] = "soon",
					     [ZONE_SIGNATURES_EXPIRED] = "expired" };
	return texts[s];
}

static enum zone_signatures judge_signatures(const struct secondary *z)
{
	const uint32_t *warning_h = z->zones->config->dnssec.signature_warning_h;
	uint64_t earliest = z->survey.earliest_unix_s;
	struct xfr_time now = loop_time();
	if (!earliest || z->fsm.data != ZONE_SERVED)
		return ZONE_SIGNATURES_WELL;
	if (earliest <= now.unix_s)
		return ZONE_SIGNATURES_EXPIRED;
	if (earliest <= now.unix_s + 3600ull * (warning_h ? *warning_h : SIGNATURE_WARNING_H))
		return ZONE_SIGNATURES_SOON;
	if (z->fsm.expire_ms > now.monotonic_ms &&
	    earliest < now.unix_s + (z->fsm.expire_ms - now.monotonic_ms) / 1000)
		return ZONE_SIGNATURES_BEFORE_EXPIRY;
	return ZONE_SIGNATURES_WELL;
}

// Tells of the zone's signatures what has not been told.
static void watch_signatures(struct secondary *z)
{
	enum zone_signatures is = judge_signatures(z), was = z->signatures;
	uint64_t now_s = loop_time().unix_s, earliest = z->survey.earliest_unix_s;
	char name[NAME_TEXT_SIZE];
	struct log_limit *log = &z->zones->log;
	z->signatures = is;
	if (is <= was)
		return;
	name_text(z, name);
	if (is == ZONE_SIGNATURES_EXPIRED)
		log_limited(log, LOG_LEVEL_WARNING, "zone %s: a signature has expired", name);
	else if (is == ZONE_SIGNATURES_SOON)
		log_limited(log, LOG_LEVEL_WARNING, "zone %s: a signature expires in %llu h", name,
			    (unsigned long long)((earliest - now_s) / 3600));
	else
		log_limited(log, LOG_LEVEL_WARNING,
			    "zone %s: a signature expires in %llu h, before the zone would "
			    "if its primaries were silent",
			    name, (unsigned long long)((earliest - now_s) / 3600));
}

static void on_surveyed(struct survey_zone *s)
{
	watch_signatures(of_survey(s));
}

// ---- alarms

static bool is_out_of_reach(enum xfr_reason reason)
{
	return reason == XFR_REASON_CONNECT || reason == XFR_REASON_IO ||
	       reason == XFR_REASON_TIMEOUT || reason == XFR_REASON_CLOSED ||
	       xfr_reason_is_tls(reason);
}

// By what the configuration says of data that are otherwise in order.
static bool is_policy(enum xfr_reason reason)
{
	switch (reason) {
	case XFR_REASON_OLDER:
	case XFR_REASON_SERIAL_ZERO:
	case XFR_REASON_OUT_OF_ZONE:
	case XFR_REASON_LIMIT_RECORDS:
	case XFR_REASON_LIMIT_OCTETS:
	case XFR_REASON_ZONEMD:
	case XFR_REASON_ZONEMD_MISSING:
	case XFR_REASON_NSEC3_ITERATIONS: return true;
	default: return false;
	}
}

// How much of the time to expiry has passed, in percent.
static uint64_t percent_gone(const struct secondary *z)
{
	uint64_t now_ms = loop_time().monotonic_ms, all_ms = zone_fsm_expire_s(&z->fsm) * 1000;
	uint64_t left_ms = z->fsm.expire_ms > now_ms ? z->fsm.expire_ms - now_ms : 0;
	return left_ms >= all_ms ? 0 : 100 - left_ms * 100 / all_ms;
}

static unsigned troubles(const struct secondary *z)
{
	unsigned bits = 0, out_of_reach = 0;
	for (unsigned i = 0; i < z->config->primary_count; i++) {
		out_of_reach += is_out_of_reach(z->primaries[i].reason);
		if (is_policy(z->primaries[i].reason))
			bits |= ALARM_BIT(ALARM_REFUSED);
	}
	if (out_of_reach && out_of_reach == z->config->primary_count)
		bits |= ALARM_BIT(ALARM_UNREACHABLE);
	if (z->fsm.data == ZONE_EXPIRED)
		return bits | ALARM_BIT(ALARM_EXPIRED);
	uint64_t gone = z->fsm.data == ZONE_SERVED ? percent_gone(z) : 0;
	return bits | (gone >= 50) * ALARM_BIT(ALARM_HALF) | (gone >= 80) * ALARM_BIT(ALARM_MOST) |
	       (gone >= 95) * ALARM_BIT(ALARM_NEARLY);
}

static json_t *primaries_json(const struct secondary *z)
{
	json_t *list = json_array();
	for (unsigned i = 0; i < z->config->primary_count; i++) {
		const struct zone_primary_status *s = &z->primaries[i];
		char address[CONFIG_ADDRESS_TEXT], text[ZONE_REASON_TEXT];
		json_array_append_new(
			list,
			json_pack("{s:s, s:s, s:s, s:s}", "id", s->primary->id, "address",
				  config_address_text(&s->primary->address, address), "reason",
				  xfr_reason_word(s->reason), "text", zone_reason_text(s, text)));
	}
	return list;
}

static void tell_alarm(struct secondary *z, enum alarm_event event)
{
	char name[NAME_TEXT_SIZE];
	struct xfr_time now = loop_time();
	bool loaded = z->fsm.data != ZONE_NOT_LOADED, well = event == ALARM_RECOVERED;
	name_text(z, name);
	log_line(well ? LOG_LEVEL_INFO : LOG_LEVEL_WARNING, "zone %s: %s (%s)", name,
		 alarm_text(event), alarm_word(event));
	z->zones->stats.alarms++;
	if (!config_zone_has_hooks(z->config))
		return;
	json_t *object = json_pack("{s:s, s:s, s:s, s:I, s:o}", "event", alarm_word(event), "zone",
				   name, "text", alarm_text(event), "time", (json_int_t)now.unix_s,
				   "primaries", primaries_json(z));
	json_object_set_new(object, "serial",
			    loaded ? json_integer(z->fsm.soa.serial) : json_null());
	int64_t left_ms = (int64_t)(z->fsm.expire_ms - now.monotonic_ms);
	json_object_set_new(object, "expires",
			    loaded ? json_integer((json_int_t)now.unix_s + left_ms / 1000)
				   : json_null());
	hooks_run(z->zones->hooks, object);
}

static void watch_alarms(struct secondary *z)
{
	const uint32_t *hold_s = z->zones->config->hooks.hold_s;
	unsigned is = troubles(z);
	if (!is && !z->alarm.is && !z->alarm.told)
		return;
	unsigned tell = alarm_update(&z->alarm, is, loop_time().monotonic_ms,
				     1000ull * (hold_s ? *hold_s : HOLD_S));
	for (unsigned e = 0; e < ALARM_EVENTS; e++) {
		if (tell & ALARM_BIT(e))
			tell_alarm(z, (enum alarm_event)e);
	}
}

// Looks at all zones once in WATCH_ROUND_MS, at some each time.
static void on_watch_timer(uv_timer_t *timer)
{
	struct zones *zones = timer->data;
	size_t some = zones->count / (WATCH_ROUND_MS / WATCH_EVERY_MS) + 1;
	for (size_t i = 0; i < some && i < zones->count; i++) {
		struct secondary *z = zones->list[zones->watched++ % zones->count];
		watch_signatures(z);
		watch_alarms(z);
	}
}

// ---- all of it

static void on_retry_timer(uv_timer_t *timer)
{
	struct zones *zones = timer->data;
	for (size_t i = 0; i < zones->count; i++) {
		if (zones->list[i]->unmarked)
			mark(zones->list[i]);
	}
	advance(zones);
}

// Moving sparse chunks together wants no transaction open, and nothing to do.
static void on_compact_timer(uv_timer_t *timer)
{
	struct zones *zones = timer->data;
	uint64_t published = zones->stats.transfers_ok + zones->stats.soa_ok;
	if (zones->transfers.used || zones->vetting || zones->compacted_at == published)
		return;
	zones->compacted_at = published;
	enum result r = zonedb_compact(zones->db);
	if (r)
		log_warning("the snapshots' memory could not be compacted: %s", result_text(r));
}

enum result zones_new(uv_loop_t *loop, struct zonedb *db, struct zones **out)
{
	struct zones *zones = calloc(1, sizeof(*zones));
	if (!zones)
		return RESULT_NO_MEMORY;
	zones->loop = loop;
	zones->db = db;
	const struct survey_options survey = {
		.loop = loop, .db = db, .apex = survey_apex, .done = on_surveyed
	};
	zones->hooks = hooks_new(loop);
	if (!zones->hooks || links_new(loop, &zones->links)) {
		hooks_free(zones->hooks);
		free(zones);
		return RESULT_NO_MEMORY;
	}
	if (surveys_new(&survey, &zones->surveys)) {
		links_stop(zones->links);
		links_free(zones->links);
		hooks_free(zones->hooks);
		free(zones);
		return RESULT_NO_MEMORY;
	}
	zones->lookup = (struct notify_lookup){ .arg = zones,
						.key = lookup_key,
						.sources = lookup_sources };
	uv_timer_init(loop, &zones->retry_timer);
	zones->retry_timer.data = zones;
	zones->retry_timer.timer_cb = on_retry_timer;
	uv_timer_init(loop, &zones->compact_timer);
	zones->compact_timer.data = zones;
	uv_timer_start(&zones->compact_timer, on_compact_timer, COMPACT_EVERY_MS, COMPACT_EVERY_MS);
	uv_timer_init(loop, &zones->watch_timer);
	zones->watch_timer.data = zones;
	uv_timer_start(&zones->watch_timer, on_watch_timer, WATCH_EVERY_MS, WATCH_EVERY_MS);
	*out = zones;
	return RESULT_OK;
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
	uv_close((uv_handle_t *)&zones->watch_timer, NULL);
	surveys_stop(zones->surveys);
	hooks_stop(zones->hooks);
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
	hooks_free(zones->hooks);
	free(zones);
}
