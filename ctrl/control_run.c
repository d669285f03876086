// SPDX-License-Identifier: BSD-3-Clause
// The commands of the control socket.
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "control_parts.h"
#include "loop.h"
#include "primary_config.h"
#include "stats.h"
#include "understudy/rcu.h"

// ---- responses

json_t *control_error(const char *text)
{
	return json_pack("{s:b, s:s}", "ok", 0, "error", text);
}

json_t *control_success(json_t *result)
{
	return json_pack("{s:b, s:o}", "ok", 1, "result", result);
}

static const char *state_text(enum zone_state state)
{
	switch (state) {
	case ZONE_NOT_LOADED: return "not-loaded";
	case ZONE_SERVED: return "served";
	case ZONE_EXPIRED: return "expired";
	}
	return "?";
}

static json_t *name_json(const uint8_t *wire)
{
	char text[NAME_TEXT_SIZE];
	return json_string(name_to_text(wire, text));
}

// Seconds from now to a monotonic time, 0 if it has passed; null if never.
static json_t *seconds_until(uint64_t at_ms)
{
	uint64_t now_ms = loop_time().monotonic_ms;
	if (at_ms == ZONE_FSM_NEVER)
		return json_null();
	return json_integer(at_ms > now_ms ? (json_int_t)((at_ms - now_ms + 500) / 1000) : 0);
}

static json_t *time_or_null(uint64_t unix_s)
{
	return unix_s ? json_integer((json_int_t)unix_s) : json_null();
}

// The members that tell of a link: normal or blocked, since when, and why.
static void add_link(json_t *out, bool known, uint64_t since_unix_s,
		     const struct zone_primary_status *blocked)
{
	char text[ZONE_REASON_TEXT];
	json_object_set_new(out, "link",
			    known ? json_string(blocked ? "blocked" : "normal") : json_null());
	json_object_set_new(out, "link_since", time_or_null(known ? since_unix_s : 0));
	if (blocked) {
		json_object_set_new(out, "link_reason",
				    json_string(xfr_reason_word(blocked->link_reason)));
		json_object_set_new(out, "link_text", json_string(zone_link_text(blocked, text)));
	}
}

json_t *control_zone_row(const struct catalog *view, const struct zone_status *s)
{
	json_t *row = json_object();
	const struct zone *z = catalog_zone(view, s->name);
	bool loaded = z && zone_state(z) != ZONE_NOT_LOADED;
	bool idle = s->fsm->phase == ZONE_FSM_IDLE;
	json_object_set_new(row, "zone", name_json(s->name));
	json_object_set_new(row, "state",
			    json_string(state_text(z ? zone_state(z) : ZONE_NOT_LOADED)));
	json_object_set_new(row, "serial", loaded ? json_integer(zone_serial(z)) : json_null());
	json_object_set_new(row, "from", json_string(s->config->added ? "command" : "file"));
	json_object_set_new(row, "stored_serial",
			    s->stored.stored ? json_integer(s->stored.serial) : json_null());
	json_object_set_new(row, "records",
			    json_integer(loaded ? (json_int_t)zone_record_count(z) : 0));
	json_object_set_new(row, "doing",
			    json_string(s->waiting       ? "waiting"
					: s->fsm->frozen ? "frozen"
							 : zone_fsm_phase_text(s->fsm->phase)));
	json_object_set_new(row, "next_refresh_s",
			    idle ? seconds_until(s->fsm->next_ms) : json_null());
	json_object_set_new(row, "expires_s",
			    loaded ? seconds_until(s->fsm->expire_ms) : json_null());
	struct zone_link link = zone_link(s->primaries, s->primary_count);
	add_link(row, link.known, link.unix_s, link.primary);
	json_object_set_new(row, "failures", json_integer(s->fsm->failures));
	return row;
}

// What was found out about the content that is served.
static void add_content(json_t *out, const struct zone_status *s)
{
	const struct zone_vetted *v = s->vetted;
	bool verified = v->zonemd != ZONEMD_UNDECIDED;
	json_object_set_new(out, "zonemd",
			    verified ? json_string(zonemd_verdict_text(v->zonemd)) : json_null());
	json_object_set_new(out, "nsec3_iterations",
			    v->nsec3 ? json_integer(v->nsec3_iterations) : json_null());
	json_object_set_new(out, "signatures_expire", time_or_null(s->earliest_unix_s));
	json_object_set_new(out, "signatures", json_string(zone_signatures_text(s->signatures)));
}

// Its signatures of our serial that are later than ours.
static json_t *resigned_json(const struct zone_primary_status *p)
{
	if (p->resigned == ZONE_RESIGNED_NOT)
		return json_null();
	return json_pack("{s:I, s:b}", "inception", (json_int_t)zone_resigned_unix_s(p), "missed",
			 p->resigned == ZONE_RESIGNED_MISSED);
}

static json_t *primary_json(const struct zone_primary_status *p)
{
	char address[CONFIG_ADDRESS_TEXT], key[NAME_TEXT_SIZE], text[ZONE_REASON_TEXT];
	json_t *last = json_null();
	if (p->unix_s) {
		last = json_pack("{s:I, s:s, s:b, s:s, s:s}", "time", (json_int_t)p->unix_s, "what",
				 p->kind == XFR_SOA ? "SOA query" : "transfer", "ok",
				 p->reason == XFR_REASON_NONE, "reason", xfr_reason_word(p->reason),
				 "text", zone_reason_text(p, text));
		if (p->ixfr_reason != XFR_REASON_NONE)
			json_object_set_new(last, "ixfr_reason",
					    json_string(xfr_reason_word(p->ixfr_reason)));
		if (p->reason == XFR_REASON_NONE)
			json_object_set_new(last, "serial", json_integer(p->serial));
		else if (p->rcode && !zone_reason_has_detail(p->reason))
			json_object_set_new(last, "rcode", json_integer(p->rcode));
	}
	json_t *out = json_pack("{s:s, s:s, s:s, s:o, s:o}", "id", p->primary->id, "address",
				config_address_text(&p->primary->address, address), "transport",
				p->primary->tls ? "tls" : "tcp", "key",
				p->primary->key
					? json_string(name_to_text(p->primary->key->name.wire, key))
					: json_null(),
				"last", last);
	add_link(out, p->link_unix_s, p->link_unix_s, p->link_reason ? p : NULL);
	json_object_set_new(out, "last_success", time_or_null(p->success_unix_s));
	json_object_set_new(out, "serial",
			    p->success_unix_s ? json_integer(p->serial) : json_null());
	json_object_set_new(out, "resigned", resigned_json(p));
	return out;
}

// The exchange that is under way or waits, and how far it has come.
static json_t *progress_json(const struct zone_progress *p)
{
	static const char *const stages[] = { [ZONE_STAGE_WAITING] = "waiting",
					      [ZONE_STAGE_UNDER_WAY] = "under-way",
					      [ZONE_STAGE_VETTING] = "verifying" };
	char address[CONFIG_ADDRESS_TEXT];
	if (p->stage == ZONE_STAGE_NONE)
		return json_null();
	json_t *out = json_pack("{s:s, s:s, s:s, s:s}", "stage", stages[p->stage], "what",
				p->kind == XFR_SOA    ? "SOA query"
				: p->kind == XFR_IXFR ? "IXFR"
						      : "AXFR",
				"primary", p->primary->id, "address",
				config_address_text(&p->primary->address, address));
	if (p->stage == ZONE_STAGE_WAITING) {
		json_object_set_new(out, "lane", json_string(p->lane));
		json_object_set_new(out, "ahead", json_integer(p->ahead));
		json_object_set_new(out, "primary_busy", json_integer(p->under_way));
		json_object_set_new(out, "primary_limit", json_integer(p->at_most));
	} else if (p->stage == ZONE_STAGE_UNDER_WAY) {
		uint64_t since = loop_time().unix_s - p->elapsed_ms / 1000;
		json_object_set_new(out, "since", json_integer((json_int_t)since));
		json_object_set_new(out, "seconds", json_real((double)p->elapsed_ms / 1000));
		json_object_set_new(out, "records", json_integer((json_int_t)p->stats.records));
		json_object_set_new(out, "octets", json_integer((json_int_t)p->stats.octets));
	}
	return out;
}

static json_t *transfer_json(const struct zone_transfer_status *t)
{
	char address[CONFIG_ADDRESS_TEXT];
	if (!t->unix_s)
		return json_null();
	json_t *out = json_pack("{s:I, s:s, s:b, s:f}", "time", (json_int_t)t->unix_s, "primary",
				config_address_text(&t->primary, address), "keyed", t->keyed,
				"seconds", (double)t->elapsed_ms / 1000);
	json_object_set_new(out, "encrypted", json_boolean(t->encrypted));
	json_object_set_new(out, "kind",
			    json_string(t->form == XFR_FORM_DIFFERENCES ? "ixfr" : "axfr"));
	json_object_set_new(out, "unchanged", json_boolean(t->same));
	json_object_set_new(out, "asked", json_string(t->kind == XFR_IXFR ? "ixfr" : "axfr"));
	json_object_set_new(out, "steps", json_integer(t->steps));
	json_object_set_new(out, "records", json_integer((json_int_t)t->records));
	json_object_set_new(out, "octets", json_integer((json_int_t)t->octets));
	json_object_set_new(out, "messages", json_integer(t->messages));
	json_object_set_new(out, "out_of_zone", json_integer(t->out_of_zone));
	json_object_set_new(out, "duplicates", json_integer(t->duplicates));
	json_object_set_new(out, "ttl_lowered", json_integer(t->ttl_lowered));
	return out;
}

// ---- commands

static_assert(ZONE_NOT_LOADED == (int)CONTROL_ONLY_NOT_LOADED &&
		      ZONE_SERVED == (int)CONTROL_ONLY_SERVED &&
		      ZONE_EXPIRED == (int)CONTROL_ONLY_EXPIRED,
	      "a state is a kind");

unsigned control_zone_kinds(const struct zone_status *s)
{
	bool blocked = zone_link(s->primaries, s->primary_count).primary;
	return 1u << s->fsm->data | (blocked ? 1u << CONTROL_ONLY_BLOCKED : 0) |
	       (s->fsm->frozen ? 1u << CONTROL_ONLY_FROZEN : 0);
}

static json_t *run_zone_status(struct control *c, const uint8_t *apex)
{
	struct zone_status s;
	struct zone_progress progress;
	if (zones_status(c->options.zones, apex, &s) ||
	    zones_progress(c->options.zones, apex, &progress))
		return control_error("no such zone is configured");
	rcu_reader_online();
	const struct catalog *view = zonedb_view(c->options.db);
	json_t *out = control_zone_row(view, &s);
	const struct zone *z = catalog_zone(view, apex);
	json_object_set_new(out, "names", json_integer(z ? (json_int_t)zone_node_count(z) : 0));
	json_object_set_new(out, "memory_octets", json_integer(z ? (json_int_t)zone_octets(z) : 0));
	rcu_reader_offline();
	add_content(out, &s);
	if (s.config->settings->template)
		json_object_set_new(out, "template", json_string(s.config->settings->template->id));
	json_t *primaries = json_array();
	for (unsigned i = 0; i < s.primary_count; i++)
		json_array_append_new(primaries, primary_json(&s.primaries[i]));
	json_object_set_new(out, "last_success", time_or_null(s.success_unix_s));
	json_object_set_new(out, "exchange", progress_json(&progress));
	json_object_set_new(out, "wanted_serial",
			    zone_fsm_is_wanting(s.fsm) ? json_integer(s.fsm->wanted_serial)
						       : json_null());
	json_object_set_new(out, "primaries", primaries);
	json_object_set_new(out, "transfer", transfer_json(s.transfer));
	return control_success(out);
}

static json_t *count_states(struct control *c)
{
	json_int_t counts[CONTROL_ONLY_COUNT] = { 0 };
	size_t total = zones_count(c->options.zones);
	for (size_t i = 0; i < total; i++) {
		struct zone_status s;
		zones_status_at(c->options.zones, i, &s);
		for (unsigned k = 0; k < CONTROL_ONLY_COUNT; k++)
			counts[k] += control_zone_kinds(&s) >> k & 1;
	}
	return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I}", "configured", (json_int_t)total,
			 "served", counts[CONTROL_ONLY_SERVED], "not_loaded",
			 counts[CONTROL_ONLY_NOT_LOADED], "expired", counts[CONTROL_ONLY_EXPIRED],
			 "blocked", counts[CONTROL_ONLY_BLOCKED], "frozen",
			 counts[CONTROL_ONLY_FROZEN]);
}

// A row for each thread that answers, and their sum.
static void add_threads(struct control *c, json_t *into)
{
	struct control_hooks *hooks = &c->options.hooks;
	json_t *rows = hooks->lcores(hooks->arg), *sum = json_object(), *row;
	size_t i;
	json_array_append_new(rows,
			      stats_answer("kernel", service_answer_stats(c->options.service)));
	json_array_foreach (rows, i, row) {
		stats_add(sum, row);
	}
	json_object_set_new(into, "threads", rows);
	json_object_set_new(into, "sum", sum);
}

static json_t *run_status(struct control *c)
{
	struct control_hooks *hooks = &c->options.hooks;
	const struct zones_stats *z = zones_stats(c->options.zones);
	json_t *out = hooks->about(hooks->arg), *threads = json_object();
	add_threads(c, threads);
	json_object_set_new(out, "zones", count_states(c));
	json_object_set_new(out, "exchanges", json_integer(z->exchanges));
	json_object_set_new(out, "waiting", json_integer(z->waiting));
	json_object_set_new(out, "ports", hooks->ports(hooks->arg));
	json_object_set_new(out, "snapshot", stats_snapshot(c->options.db));
	json_object_set_new(out, "store", stats_store(c->options.store));
	json_object_set(out, "threads", json_object_get(threads, "threads"));
	json_object_set(out, "queries",
			json_object_get(json_object_get(threads, "sum"), "queries"));
	json_decref(threads);
	return control_success(out);
}

static json_t *run_stats(struct control *c)
{
	struct control_hooks *hooks = &c->options.hooks;
	json_t *out = json_object();
	add_threads(c, out);
	json_object_set_new(out, "ports", hooks->ports(hooks->arg));
	json_object_set_new(out, "service", stats_service(service_stats(c->options.service)));
	json_object_set_new(out, "transfers", stats_zones(zones_stats(c->options.zones)));
	json_object_set_new(out, "snapshot", stats_snapshot(c->options.db));
	json_object_set_new(out, "store", stats_store(c->options.store));
	return control_success(out);
}

// Changes it, if a level is named, until the configuration is read again; tells it.
static json_t *run_log_level(const struct control_request *request)
{
	enum log_level now = log_get_level();
	if (request->has_level && request->level != now) {
		log_set_level(LOG_LEVEL_INFO); // whichever of the two, this is told
		log_info("the log's level is %s from here on, and was %s",
			 log_level_text(request->level), log_level_text(now));
		log_set_level(request->level);
	}
	return control_success(json_pack("{s:s}", "level", log_level_text(log_get_level())));
}

static json_t *by_operator(enum result r)
{
	if (r == RESULT_NOT_FOUND)
		return control_error("no such zone is configured");
	return r ? control_error(result_text(r)) : control_success(json_object());
}

static enum result do_to(struct control *c, enum control_command command, const uint8_t *apex)
{
	struct zones *zones = c->options.zones;
	enum result r;
	switch (command) {
	case CONTROL_ZONE_REFRESH: return zones_refresh(zones, apex);
	case CONTROL_ZONE_RETRANSFER: return zones_retransfer(zones, apex);
	case CONTROL_ZONE_FREEZE: return zones_freeze(zones, apex, true);
	case CONTROL_ZONE_THAW: return zones_freeze(zones, apex, false);
	case CONTROL_ZONE_PURGE:
		r = zones_purge(zones, apex);
		return r == RESULT_NOT_FOUND ? store_purge_name(c->options.store, apex) : r;
	default: return RESULT_INVALID;
	}
}

static void purge_stored(void *arg, const uint8_t *apex, uint32_t serial)
{
	(void)serial;
	store_purge_name(arg, apex);
}

// To one zone, or to each; the first failure is what is told. All that is purged
// includes what is stored of zones that are not configured.
static json_t *run_operation(struct control *c, const struct control_request *request)
{
	enum result r = RESULT_OK;
	if (!request->all)
		return by_operator(do_to(c, request->command, request->zone.wire));
	for (size_t i = 0; i < zones_count(c->options.zones); i++) {
		struct zone_status s;
		zones_status_at(c->options.zones, i, &s);
		enum result one = do_to(c, request->command, s.name);
		r = r ? r : one;
	}
	if (request->command == CONTROL_ZONE_PURGE)
		store_each_unconfigured(c->options.store, purge_stored, c->options.store);
	return by_operator(r);
}

static void add_stored(void *arg, const uint8_t *apex, uint32_t serial)
{
	json_t *row = json_object();
	json_object_set_new(row, "zone", name_json(apex));
	json_object_set_new(row, "serial", json_integer(serial));
	json_array_append_new(arg, row);
}

// What is stored of zones that are not configured.
static json_t *run_store_list(struct control *c)
{
	json_t *list = json_array();
	store_each_unconfigured(c->options.store, add_stored, list);
	return control_success(json_pack("{s:o}", "zones", list));
}

static json_t *run_primary_config(struct control *c, const uint8_t *apex, enum primary_kind kind)
{
	const struct config *config = zones_config(c->options.zones);
	const struct config_zone *zone = config_zone(config, apex);
	char *text = NULL;
	size_t len;
	if (!zone)
		return control_error("no such zone is configured");
	FILE *to = open_memstream(&text, &len);
	if (!to)
		return control_error(result_text(RESULT_NO_MEMORY));
	primary_config_write(to, kind, config, zone);
	json_t *out = fclose(to) == 0 ? control_success(json_pack("{s:s}", "text", text))
				      : control_error(result_text(RESULT_NO_MEMORY));
	if (text)
		explicit_bzero(text, strlen(text));
	free(text);
	return out;
}

json_t *control_run(struct control *c, const struct control_request *request)
{
	const uint8_t *apex = request->zone.wire;
	switch (request->command) {
	case CONTROL_STATUS: return run_status(c);
	case CONTROL_ZONE_STATUS: return run_zone_status(c, apex);
	case CONTROL_ZONE_REFRESH:
	case CONTROL_ZONE_RETRANSFER:
	case CONTROL_ZONE_FREEZE:
	case CONTROL_ZONE_THAW:
	case CONTROL_ZONE_PURGE: return run_operation(c, request);
	case CONTROL_STORE_LIST: return run_store_list(c);
	case CONTROL_PRIMARY_BIND: return run_primary_config(c, apex, PRIMARY_BIND);
	case CONTROL_PRIMARY_KNOT: return run_primary_config(c, apex, PRIMARY_KNOT);
	case CONTROL_PRIMARY_NSD: return run_primary_config(c, apex, PRIMARY_NSD);
	case CONTROL_PRIMARY_POWERDNS: return run_primary_config(c, apex, PRIMARY_POWERDNS);
	case CONTROL_STATS: return run_stats(c);
	case CONTROL_LOG_LEVEL: return run_log_level(request);
	case CONTROL_STOP: return control_success(json_object()); // done once this is sent
	default: return NULL;
	}
}
