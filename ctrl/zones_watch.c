// SPDX-License-Identifier: BSD-3-Clause
// Zones are watched: signatures that expire, troubles that somebody must hear of.
#include "zones_parts.h"

#include <stddef.h>

#include "loop.h"

#define HOLD_S              300
#define SIGNATURE_WARNING_H (7 * 24)
#define WATCH_ROUND_MS      1000
#define WATCH_EVERY_MS      100

// ---- signatures

static struct secondary *of_survey(const struct survey_zone *s)
{
	return (struct secondary *)((uintptr_t)s - offsetof(struct secondary, survey));
}

static const uint8_t *survey_apex(const struct survey_zone *s)
{
	return of_survey(s)->config->name;
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
	enum zone_signatures is = judge_signatures(z), was = (enum zone_signatures)z->signatures;
	uint64_t now_s = loop_time().unix_s, earliest = z->survey.earliest_unix_s;
	char name[NAME_TEXT_SIZE];
	struct log_limit *log = &z->zones->signature_findings;
	z->signatures = (uint8_t)is;
	if (is <= was)
		return;
	secondary_name(z, name);
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
	       reason == XFR_REASON_LEFT_ALONE || xfr_reason_is_tls(reason);
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

// The links tell: what was begun with a primary may go well at first, and yet come to no end.
static unsigned troubles(const struct secondary *z)
{
	unsigned bits = 0, out_of_reach = 0;
	for (unsigned i = 0; i < z->config->settings->primary_count; i++) {
		out_of_reach += is_out_of_reach(z->primaries[i].link_reason);
		if (is_policy(z->primaries[i].link_reason))
			bits |= ALARM_BIT(ALARM_REFUSED);
	}
	if (out_of_reach && out_of_reach == z->config->settings->primary_count)
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
	for (unsigned i = 0; i < z->config->settings->primary_count; i++) {
		const struct zone_primary_status *s = &z->primaries[i];
		char address[CONFIG_ADDRESS_TEXT], text[ZONE_REASON_TEXT];
		json_array_append_new(
			list, json_pack("{s:s, s:s, s:s, s:s}", "id", s->primary->id, "address",
					config_address_text(&s->primary->address, address),
					"reason", xfr_reason_word(s->link_reason), "text",
					zone_link_text(s, text)));
	}
	return list;
}

static void tell_alarm(struct secondary *z, enum alarm_event event)
{
	char name[NAME_TEXT_SIZE];
	struct xfr_time now = loop_time();
	bool loaded = z->fsm.data != ZONE_NOT_LOADED, well = event == ALARM_RECOVERED;
	secondary_name(z, name);
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
	uint8_t told = z->alarm.told;
	unsigned tell = alarm_update(&z->alarm, is, loop_time().monotonic_ms,
				     1000 * (hold_s ? *hold_s : HOLD_S));
	for (unsigned e = 0; e < ALARM_EVENTS; e++) {
		if (tell & ALARM_BIT(e))
			tell_alarm(z, (enum alarm_event)e);
	}
	if (z->alarm.told != told)
		secondary_note(z);
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

enum result zones_begin_watch(struct zones *zones)
{
	const struct survey_options survey = {
		.loop = zones->loop, .db = zones->db, .apex = survey_apex, .done = on_surveyed
	};
	enum result r = surveys_new(&survey, &zones->surveys);
	if (r)
		return r;
	uv_timer_init(zones->loop, &zones->watch_timer);
	zones->watch_timer.data = zones;
	uv_timer_start(&zones->watch_timer, on_watch_timer, WATCH_EVERY_MS, WATCH_EVERY_MS);
	return RESULT_OK;
}

void zones_end_watch(struct zones *zones)
{
	uv_close((uv_handle_t *)&zones->watch_timer, NULL);
	surveys_stop(zones->surveys);
}
