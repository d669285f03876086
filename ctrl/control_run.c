// SPDX-License-Identifier: BSD-3-Clause
// The commands of the control socket.
#include <stdlib.h>
#include <string.h>

#include "control_parts.h"
#include "loop.h"
#include "primary_config.h"
#include "stats.h"
#include "understudy/rcu.h"

#define WAIT_DEFAULT_S 60
#define WAIT_MOST_S    86400

// ---- requests

static const struct {
	const char *name;
	bool zone; // wants one
	bool all;  // may be done to all
} commands[CONTROL_COMMAND_COUNT] = {
	[CONTROL_STATUS] = { "status", false, false },
	[CONTROL_ZONES] = { "zones", false, false },
	[CONTROL_ZONE_ADD] = { "zone add", true, false },
	[CONTROL_ZONE_REMOVE] = { "zone remove", true, false },
	[CONTROL_ZONE_STATUS] = { "zone status", true, false },
	[CONTROL_ZONE_REFRESH] = { "zone refresh", true, true },
	[CONTROL_ZONE_RETRANSFER] = { "zone retransfer", true, true },
	[CONTROL_ZONE_FREEZE] = { "zone freeze", true, true },
	[CONTROL_ZONE_THAW] = { "zone thaw", true, true },
	[CONTROL_ZONE_PURGE] = { "zone purge", true, true },
	[CONTROL_ZONE_DUMP] = { "zone dump", true, false },
	[CONTROL_ZONE_WAIT] = { "zone wait", true, false },
	[CONTROL_STORE_LIST] = { "store list", false, false },
	[CONTROL_PRIMARY_BIND] = { "primary-config bind", true, false },
	[CONTROL_PRIMARY_KNOT] = { "primary-config knot", true, false },
	[CONTROL_PRIMARY_NSD] = { "primary-config nsd", true, false },
	[CONTROL_PRIMARY_POWERDNS] = { "primary-config powerdns", true, false },
	[CONTROL_STATS] = { "stats", false, false },
	[CONTROL_RELOAD] = { "reload", false, false },
	[CONTROL_STOP] = { "stop", false, false },
};

static const char *parse_wait(json_t *object, struct control_request *out)
{
	json_t *serial = json_object_get(object, "serial");
	json_t *timeout = json_object_get(object, "timeout");
	json_int_t s = json_integer_value(serial), t = json_integer_value(timeout);
	if (!json_is_integer(serial) || s < 0 || s > UINT32_MAX)
		return "a number from 0 to 4294967295 is expected as \"serial\"";
	if (timeout && (!json_is_integer(timeout) || t < 0 || t > WAIT_MOST_S))
		return "seconds from 0 to 86400 are expected as \"timeout\"";
	out->serial = (uint32_t)s;
	out->timeout_s = timeout ? (uint32_t)t : WAIT_DEFAULT_S;
	return NULL;
}

static const char *parse_addition(json_t *object, struct addition *out)
{
	json_t *template = json_object_get(object, "template"), *id;
	json_t *primaries = json_object_get(object, "primaries");
	size_t i;
	if (template && !addition_id(json_string_value(template), out->template_id))
		return "the id of a template is expected as \"template\"";
	if (json_array_size(primaries) > CONFIG_PRIMARIES_MAX ||
	    (primaries && !json_array_size(primaries)))
		return "ids of 1 to 8 primaries are expected as \"primaries\"";
	json_array_foreach (primaries, i, id) {
		if (!addition_id(json_string_value(id), out->primary_ids[out->primary_count++]))
			return "ids of 1 to 8 primaries are expected as \"primaries\"";
	}
	return NULL;
}

static const char *parse_object(json_t *object, struct control_request *out)
{
	const char *name = json_string_value(json_object_get(object, "command"));
	const char *zone = json_string_value(json_object_get(object, "zone"));
	unsigned i = 0;
	if (!json_is_object(object) || !name)
		return "an object with a \"command\" is expected";
	while (i < CONTROL_COMMAND_COUNT && strcmp(commands[i].name, name) != 0)
		i++;
	if (i == CONTROL_COMMAND_COUNT)
		return "unknown command: status, zones, zone add, zone remove, zone status, zone "
		       "refresh, zone retransfer, zone freeze, zone thaw, zone purge, zone dump, "
		       "zone wait, "
		       "store list, primary-config bind, knot, nsd or powerdns, stats, reload "
		       "or stop is expected";
	out->command = (enum control_command)i;
	out->all = commands[i].all && json_is_true(json_object_get(object, "all"));
	if (!commands[i].zone || out->all)
		return NULL;
	if (!zone)
		return "a \"zone\" is expected";
	if (name_from_text(zone, &out->zone))
		return "a domain name is expected as \"zone\"";
	out->addition.zone = out->zone;
	if (out->command == CONTROL_ZONE_ADD)
		return parse_addition(object, &out->addition);
	return out->command == CONTROL_ZONE_WAIT ? parse_wait(object, out) : NULL;
}

const char *control_parse(const char *line, size_t len, struct control_request *out)
{
	json_error_t error;
	json_t *object = json_loadb(line, len, JSON_REJECT_DUPLICATES, &error);
	if (!object)
		return "one JSON object in one line is expected";
	const char *why = parse_object(object, out);
	json_decref(object);
	return why;
}

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

// What every list of zones tells of one. Reads the view: the caller is online.
static json_t *zone_row(const struct catalog *view, const struct zone_status *s)
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
		else if (p->rcode && !xfr_reason_is_tls(p->reason))
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
	json_object_set_new(out, "steps", json_integer((json_int_t)t->stats.steps));
	json_object_set_new(out, "records", json_integer((json_int_t)t->stats.records));
	json_object_set_new(out, "octets", json_integer((json_int_t)t->stats.octets));
	json_object_set_new(out, "messages", json_integer((json_int_t)t->stats.messages));
	json_object_set_new(out, "out_of_zone", json_integer((json_int_t)t->stats.out_of_zone));
	json_object_set_new(out, "duplicates", json_integer((json_int_t)t->stats.duplicates));
	json_object_set_new(out, "ttl_lowered", json_integer((json_int_t)t->stats.ttl_lowered));
	return out;
}

// ---- commands

static json_t *run_zones(struct control *c)
{
	json_t *list = json_array();
	rcu_reader_online();
	const struct catalog *view = zonedb_view(c->options.db);
	for (size_t i = 0; i < zones_count(c->options.zones); i++) {
		struct zone_status s;
		zones_status_at(c->options.zones, i, &s);
		json_array_append_new(list, zone_row(view, &s));
	}
	rcu_reader_offline();
	return control_success(json_pack("{s:o}", "zones", list));
}

static json_t *run_zone_status(struct control *c, const uint8_t *apex)
{
	struct zone_status s;
	if (zones_status(c->options.zones, apex, &s))
		return control_error("no such zone is configured");
	rcu_reader_online();
	const struct catalog *view = zonedb_view(c->options.db);
	json_t *out = zone_row(view, &s);
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
	struct zone_link link = zone_link(s.primaries, s.primary_count);
	add_link(out, link.known, link.unix_s, link.primary);
	json_object_set_new(out, "last_success", time_or_null(s.success_unix_s));
	json_object_set_new(out, "failures", json_integer(s.fsm->failures));
	json_object_set_new(out, "primaries", primaries);
	json_object_set_new(out, "transfer", transfer_json(s.transfer));
	return control_success(out);
}

static json_t *count_states(struct control *c)
{
	json_int_t counts[3] = { 0 };
	size_t total = zones_count(c->options.zones);
	for (size_t i = 0; i < total; i++) {
		struct zone_status s;
		zones_status_at(c->options.zones, i, &s);
		counts[s.fsm->data]++;
	}
	return json_pack("{s:I, s:I, s:I, s:I}", "configured", (json_int_t)total, "served",
			 counts[ZONE_SERVED], "not_loaded", counts[ZONE_NOT_LOADED], "expired",
			 counts[ZONE_EXPIRED]);
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

// A report's `say` that collects, and logs.
static void collect(void *arg, enum log_level level, const char *message)
{
	json_array_append_new(arg, json_string(message));
	report_to_log(NULL, level, message);
}

static json_t *run_reload(struct control *c)
{
	struct control_hooks *hooks = &c->options.hooks;
	json_t *messages = json_array();
	struct report report = { .say = collect, .arg = messages };
	if (hooks->reload(hooks->arg, &report))
		return control_success(json_pack("{s:o}", "messages", messages));
	return json_pack("{s:b, s:s, s:o}", "ok", 0, "error",
			 "the configuration is wrong; the old one stays", "messages", messages);
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
	case CONTROL_ZONES: return run_zones(c);
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
	case CONTROL_RELOAD: return run_reload(c);
	case CONTROL_STOP: return control_success(json_object()); // done once this is sent
	default: return NULL;
	}
}
