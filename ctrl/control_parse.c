// SPDX-License-Identifier: BSD-3-Clause
// What is asked of the control socket: a line of JSON becomes a request.
#include <string.h>

#include "control.h"

#define WAIT_DEFAULT_S 60
#define WAIT_MOST_S    86400

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
	[CONTROL_ZONE_WAIT] = { "zone wait", true, true },
	[CONTROL_STORE_LIST] = { "store list", false, false },
	[CONTROL_PRIMARY_BIND] = { "primary-config bind", true, false },
	[CONTROL_PRIMARY_KNOT] = { "primary-config knot", true, false },
	[CONTROL_PRIMARY_NSD] = { "primary-config nsd", true, false },
	[CONTROL_PRIMARY_POWERDNS] = { "primary-config powerdns", true, false },
	[CONTROL_STATS] = { "stats", false, false },
	[CONTROL_LOG_LEVEL] = { "log-level", false, false },
	[CONTROL_RELOAD] = { "reload", false, false },
	[CONTROL_STOP] = { "stop", false, false },
};

static const char *parse_wait(json_t *object, struct control_request *out)
{
	json_t *serial = json_object_get(object, "serial");
	json_t *timeout = json_object_get(object, "timeout");
	json_int_t s = json_integer_value(serial), t = json_integer_value(timeout);
	if (serial && out->all)
		return "a \"serial\" is of one zone";
	if (serial && (!json_is_integer(serial) || s < 0 || s > UINT32_MAX))
		return "a number from 0 to 4294967295 is expected as \"serial\"";
	if (timeout && (!json_is_integer(timeout) || t < 0 || t > WAIT_MOST_S))
		return "seconds from 0 to 86400 are expected as \"timeout\"";
	out->has_serial = serial;
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

// Of "zones": those that are any of these.
static const char *parse_only(json_t *only, struct control_request *out)
{
	static const char *const words[] = { "not-loaded", "served", "expired", "blocked",
					     "frozen" };
	json_t *word;
	size_t i;
	json_array_foreach (only, i, word) {
		const char *text = json_string_value(word);
		unsigned k = 0;
		while (k < CONTROL_ONLY_COUNT && (!text || strcmp(words[k], text) != 0))
			k++;
		if (k == CONTROL_ONLY_COUNT)
			return "not-loaded, served, expired, blocked or frozen is expected in "
			       "\"only\"";
		out->only |= 1u << k;
	}
	return only && !json_array_size(only) ? "a list of words is expected as \"only\"" : NULL;
}

static const char *parse_level(json_t *level, struct control_request *out)
{
	const char *text = json_string_value(level);
	out->has_level = level;
	if (level && (!text || !log_level_from_text(text, &out->level)))
		return "error, warning, info or debug is expected as \"level\"";
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
		       "store list, primary-config bind, knot, nsd or powerdns, stats, log-level, "
		       "reload or stop is expected";
	out->command = (enum control_command)i;
	out->all = commands[i].all && json_is_true(json_object_get(object, "all"));
	if (out->command == CONTROL_ZONES)
		return parse_only(json_object_get(object, "only"), out);
	if (out->command == CONTROL_LOG_LEVEL)
		return parse_level(json_object_get(object, "level"), out);
	if (out->command == CONTROL_ZONE_WAIT && out->all)
		return parse_wait(object, out);
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
