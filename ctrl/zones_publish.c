// SPDX-License-Identifier: BSD-3-Clause
// What is published of a zone, what is stored of it, and what comes back at start.
#include "zones_parts.h"

#include <assert.h>
#include <string.h>

#include "loop.h"
#include "understudy/rcu.h"
#include "understudy/serial.h"

#define RESTORE_AT_ONCE 4
#define LOOK_AFTER_MS   5000  // after a start, for NOTIFYs that were lost meanwhile
#define LOOK_SPREAD_MS  5000  // at least
#define LOOK_EACH_MS    5     // for each zone
#define SPREAD_MS       60000 // at most; one zone a millisecond

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
void secondary_tell_expiry(struct secondary *z)
{
	struct zone_version *version;
	if (zone_version_marked(z->zones->db, z->config->name, ZONE_SERVED, &version))
		return;
	set_expiry(z, version);
	zonedb_publish(z->zones->db, &version, 1);
}

// Publishes the state that the machine says the zone is in.
void secondary_mark(struct secondary *z)
{
	char name[NAME_TEXT_SIZE];
	struct zones *zones = z->zones;
	struct zone_version *version;
	bool expired = z->fsm.data == ZONE_EXPIRED;
	enum result r = zone_version_marked(zones->db, z->config->name, z->fsm.data, &version);
	secondary_name(z, name);
	z->unmarked = r != RESULT_OK;
	if (z->unmarked) {
		log_limited(&zones->log, LOG_LEVEL_ERROR, "zone %s: not marked %s yet: %s", name,
			    expired ? "expired" : "served", result_text(r));
		uv_timer_start(&zones->retry_timer, zones->retry_timer.timer_cb, ZONES_RETRY_MS, 0);
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
				       .serial = s->serial,
				       .link_reason = s->link_reason,
				       .link_rcode = s->link_rcode,
				       .link_unix_s = s->link_unix_s,
				       .success_unix_s = s->success_unix_s,
				       .mark = config_primary_mark(s->primary) };
	out->family = config_address_wire(a, out->address);
}

static void store_transfer(struct store_transfer *out, const struct zone_transfer_status *t)
{
	bool v4 = t->primary.any.sa_family == AF_INET;
	*out = (struct store_transfer){
		.unix_s = t->unix_s,
		.port = ntohs(v4 ? t->primary.v4.sin_port : t->primary.v6.sin6_port),
		.kind = t->kind,
		.form = t->form,
		.same = t->same,
		.keyed = t->keyed,
		.encrypted = t->encrypted,
		.elapsed_ms = t->elapsed_ms,
		.messages = t->messages,
		.octets = t->octets,
		.records = t->records,
		.steps = t->steps,
		.out_of_zone = t->out_of_zone,
		.duplicates = t->duplicates,
		.ttl_lowered = t->ttl_lowered,
	};
	out->family = config_address_wire(&t->primary, out->address);
}

static void restore_transfer(struct secondary *z, const struct store_transfer *t)
{
	if (!t->unix_s || t->kind > XFR_IXFR || t->form > XFR_FORM_DIFFERENCES)
		return;
	z->last = (struct zone_transfer_status){
		.unix_s = t->unix_s,
		.elapsed_ms = t->elapsed_ms,
		.octets = t->octets,
		.records = t->records,
		.messages = (uint32_t)t->messages,
		.steps = (uint32_t)t->steps,
		.out_of_zone = (uint32_t)t->out_of_zone,
		.duplicates = (uint32_t)t->duplicates,
		.ttl_lowered = (uint32_t)t->ttl_lowered,
		.kind = t->kind,
		.form = t->form,
		.same = t->same,
		.keyed = t->keyed,
		.encrypted = t->encrypted,
	};
	config_address_set(&z->last.primary, t->family, t->address, t->port);
}

static struct store_timers timers_of(const struct secondary *z)
{
	struct xfr_time now = loop_time();
	struct store_timers t = { .expired = z->fsm.data == ZONE_EXPIRED,
				  .frozen = z->fsm.frozen,
				  .refreshed_unix_s = z->success_unix_s,
				  .next_unix_s = unix_of(now, z->fsm.next_ms),
				  .alarms_told = z->alarm.told,
				  .vetted = true,
				  .zonemd = z->vetted.zonemd,
				  .nsec3 = z->vetted.nsec3,
				  .nsec3_iterations = z->vetted.nsec3_iterations };
	if (z->fsm.data != ZONE_NOT_LOADED)
		t.expire_unix_s = unix_of(now, z->fsm.expire_ms);
	for (unsigned i = 0; i < z->config->settings->primary_count; i++)
		store_primary(&t.primaries[t.primary_count++], &z->primaries[i]);
	if (z->last.unix_s)
		store_transfer(&t.transfer, &z->last);
	return t;
}

void secondary_note(struct secondary *z)
{
	if (!z->stored)
		return;
	struct store_timers t = timers_of(z);
	store_note(z->stored, &t);
}

// What is taken, and yet strange. Returns whether the serial is the one of before.
static bool report_serial(struct secondary *z, const struct catalog *before)
{
	char name[NAME_TEXT_SIZE];
	struct log_limit *log = &z->zones->findings;
	const struct zone *was = catalog_zone(before, z->config->name);
	bool had = was && zone_state(was) != ZONE_NOT_LOADED;
	uint32_t serial = zone_version_serial(z->fresh), old = had ? zone_serial(was) : 0;
	bool same = had && serial == old;
	secondary_name(z, name);
	if (had && !serial_newer(serial, old) && serial != old)
		log_limited(log, LOG_LEVEL_WARNING, "zone %s: the serial went back from %u to %u",
			    name, old, serial);
	if (same && !zone_version_stats(z->fresh)->same) {
		z->zones->stats.same_serial++;
		log_limited(log, LOG_LEVEL_WARNING,
			    "zone %s: other content with the same serial %u: was it signed anew?",
			    name, serial);
	}
	if (z->fsm.policy.lengthen_refresh && z->fsm.soa.refresh_s < ZONE_FSM_SHORT_REFRESH_S)
		log_limited(log, LOG_LEVEL_WARNING,
			    "zone %s: refresh of %u s is taken as 30 minutes", name,
			    z->fsm.soa.refresh_s);
	return same;
}

// The one place where what a primary sent becomes what is served; then it is stored.
void secondary_publish(struct secondary *z)
{
	struct store_change change = { 0 };
	assert(z->fresh);
	z->unmarked = false;
	z->last.same = zone_version_stats(z->fresh)->same;
	set_expiry(z, z->fresh);
	rcu_reader_online(); // what was served can be compared with what is
	const struct catalog *before = zonedb_view(z->zones->db);
	bool same_serial = report_serial(z, before);
	zonedb_publish(z->zones->db, &z->fresh, 1);
	z->fresh = NULL;
	if (z->stored)
		change = store_compare(z->stored, before);
	rcu_reader_offline();
	secondary_settle_resigned(z, same_serial);
	surveys_touch(z->zones->surveys, &z->survey);
	if (!z->stored)
		return;
	z->success_unix_s = loop_time().unix_s;
	struct store_timers t = timers_of(z);
	store_published(z->stored, change, &t);
}

static void restore_primaries(struct secondary *z, const struct store_timers *t)
{
	for (unsigned i = 0; i < z->config->settings->primary_count; i++) {
		struct zone_primary_status *s = &z->primaries[i];
		struct store_primary here;
		store_primary(&here, s);
		for (unsigned k = 0; k < t->primary_count; k++) {
			const struct store_primary *p = &t->primaries[k];
			if (p->family != here.family || p->port != here.port ||
			    memcmp(p->address, here.address, sizeof(here.address)) != 0 ||
			    (p->mark && p->mark != here.mark) || p->reason >= XFR_REASON_COUNT)
				continue;
			s->unix_s = p->unix_s;
			s->kind = p->kind;
			s->reason = p->reason;
			s->rcode = p->rcode;
			s->serial = p->serial;
			if (p->link_reason >= XFR_REASON_COUNT)
				continue;
			s->link_reason = p->link_reason;
			s->link_rcode = p->link_rcode;
			s->link_unix_s = p->link_unix_s;
			s->success_unix_s = p->success_unix_s;
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

// When an overdue zone asks: many of them do not all ask at once.
static uint64_t overdue_ms(const struct secondary *z)
{
	uint64_t spread_ms = z->zones->count < SPREAD_MS ? z->zones->count : SPREAD_MS;
	return (spread_ms * loop_random()) >> 32;
}

// When the zone's primaries are asked, at the latest.
static uint64_t look_ms(const struct secondary *z)
{
	uint64_t spread_ms = z->zones->count * LOOK_EACH_MS;
	if (spread_ms < LOOK_SPREAD_MS)
		spread_ms = LOOK_SPREAD_MS;
	return LOOK_AFTER_MS + loop_random() % spread_ms;
}

// What was told and found out before the restart.
static void restore_findings(struct secondary *z, const struct store_timers *t)
{
	const struct zone_vetted v = { .zonemd = t->zonemd,
				       .nsec3 = t->nsec3,
				       .nsec3_iterations = t->nsec3_iterations };
	alarm_restore(&z->alarm, t->alarms_told, loop_time().monotonic_ms);
	if (t->vetted && t->zonemd <= ZONEMD_UNDECIDED)
		secondary_restore_vetted(z, &v);
}

// The zone as it was stored, for publishing: RESULT_OK, RESULT_NOT_FOUND or
// RESULT_NO_MEMORY. Time that has passed meanwhile counts.
static enum result restore(struct secondary *z, struct zone_version **out)
{
	struct store_timers t;
	struct soa soa;
	struct xfr_time now = loop_time();
	enum result r = store_zone_load(z->stored, out, &t);
	if (r == RESULT_OK || (r == RESULT_NOT_FOUND && !store_zone_timers(z->stored, &t))) {
		z->fsm.frozen = t.frozen;
		restore_primaries(z, &t);
		restore_findings(z, &t);
		restore_transfer(z, &t.transfer);
	}
	if (r != RESULT_OK)
		return r;
	zone_version_soa(*out, &soa);
	if (!t.expire_unix_s)
		t.expire_unix_s = t.refreshed_unix_s + soa.expire_s;
	uint64_t next_ms = left_ms(now.unix_s, t.refreshed_unix_s, t.next_unix_s);
	uint64_t most_ms = look_ms(z);
	next_ms = next_ms < most_ms ? next_ms : most_ms;
	next_ms += next_ms ? 0 : overdue_ms(z);
	uint64_t expire_ms = left_ms(now.unix_s, t.refreshed_unix_s, t.expire_unix_s);
	zone_fsm_restore(&z->fsm, &soa, now.monotonic_ms + next_ms,
			 now.monotonic_ms + (t.expired ? 0 : expire_ms));
	z->success_unix_s = t.refreshed_unix_s;
	if (t.expired || !expire_ms)
		zone_version_expire(*out);
	else
		set_expiry(z, *out);
	return RESULT_OK;
}

// Publishes what is stored of these zones, which are published as not loaded. A few
// at a time: each version holds a chunk of memory until it is published.
void zones_restore(struct zones *zones, struct secondary *const list[], size_t count)
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
