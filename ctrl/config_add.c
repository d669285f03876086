// SPDX-License-Identifier: BSD-3-Clause
// Zones that are added by command, in a configuration that was read from its file.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "additions.h"
#include "config_parts.h"

static const struct config_template *find_template(const struct config *c, const char *id)
{
	for (unsigned i = 0; i < c->templates_count; i++) {
		if (strcmp(c->templates[i].id, id) == 0)
			return &c->templates[i];
	}
	return NULL;
}

static const struct config_primary *find_primary(const struct config *c, const char *id)
{
	for (unsigned i = 0; i < c->primaries_count; i++) {
		if (strcmp(c->primaries[i].id, id) == 0)
			return &c->primaries[i];
	}
	return NULL;
}

// The zone's template and primaries; false with a sentence.
static bool resolve(const struct config *c, const struct addition *a, struct config_settings *z,
		    char *why, size_t why_size)
{
	z->template = a->template_id[0] ? find_template(c, a->template_id) : NULL;
	if (a->template_id[0] && !z->template) {
		snprintf(why, why_size, "there is no template \"%s\"", a->template_id);
		return false;
	}
	const struct config_zone_options *o = z->template ? &z->template->options : NULL;
	unsigned count = a->primary_count ? a->primary_count : o ? o->primary_ids_count : 0;
	if (!count) {
		snprintf(why, why_size, "%s", "a primary is expected, or a template with one");
		return false;
	}
	for (unsigned i = 0; i < count; i++) {
		const char *id = a->primary_count ? a->primary_ids[i] : o->primary_ids[i];
		z->primaries[i] = find_primary(c, id);
		for (unsigned k = 0; k < i && z->primaries[i]; k++) {
			if (z->primaries[k] == z->primaries[i])
				z->primaries[i] = NULL;
		}
		if (!z->primaries[i]) {
			snprintf(why, why_size, "there is no primary \"%s\", or it is named twice",
				 id);
			return false;
		}
	}
	z->primary_count = count;
	return true;
}

// Where the zone stands among all, or would.
static unsigned place_of(const struct config *c, const uint8_t *zone)
{
	unsigned low = 0, high = c->zones_total;
	while (low < high) {
		unsigned middle = low + (high - low) / 2;
		if (name_compare(c->zones_by_name[middle]->name, zone) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static enum result reserve(struct config *c)
{
	if (c->zones_total < c->zones_room)
		return RESULT_OK;
	unsigned room = c->zones_room * 2 + 64;
	struct config_zone **more = reallocarray(c->zones_by_name, room, sizeof(*more));
	if (!more)
		return RESULT_NO_MEMORY;
	c->zones_by_name = more;
	c->zones_room = room;
	return RESULT_OK;
}

enum result config_add_zone(struct config *c, const struct addition *a,
			    const struct config_zone **out, char *why, size_t why_size)
{
	if (config_zone(c, a->zone.wire))
		return RESULT_EXISTS;
	struct config_settings settings = { 0 };
	if (!resolve(c, a, &settings, why, why_size))
		return RESULT_NOT_FOUND;
	struct config_zone *z = malloc(sizeof(*z) + a->zone.len);
	if (z)
		z->settings = config_share_settings(c, &settings);
	if (!z || !z->settings || reserve(c)) {
		free(z);
		return RESULT_NO_MEMORY;
	}
	z->name = memcpy(z + 1, a->zone.wire, a->zone.len);
	z->added = true;
	unsigned at = place_of(c, a->zone.wire);
	memmove(&c->zones_by_name[at + 1], &c->zones_by_name[at],
		(c->zones_total - at) * sizeof(struct config_zone *));
	c->zones_by_name[at] = z;
	c->zones_total++;
	*out = z;
	return RESULT_OK;
}

void config_remove_zone(struct config *c, const uint8_t *zone)
{
	unsigned at = place_of(c, zone);
	free(c->zones_by_name[at]);
	c->zones_total--;
	memmove(&c->zones_by_name[at], &c->zones_by_name[at + 1],
		(c->zones_total - at) * sizeof(struct config_zone *));
}

enum result config_add_zones(struct config *c, const struct additions *a, bool at_start,
			     struct report *report)
{
	enum result result = RESULT_OK;
	for (size_t i = 0; i < additions_count(a); i++) {
		char name[NAME_TEXT_SIZE], why[2 * ADDITION_ID_OCTETS] = "";
		const struct config_zone *z;
		struct addition addition;
		additions_at(a, i, &addition);
		name_to_text(addition.zone.wire, name);
		enum result r = config_add_zone(c, &addition, &z, why, sizeof(why));
		if (r == RESULT_NO_MEMORY)
			return r;
		if (r == RESULT_EXISTS) {
			report_warning(report, "zones added by command", 0,
				       "zone %s stands in the file as "
				       "well: what the file says holds",
				       name);
		} else if (r == RESULT_NOT_FOUND && at_start) {
			report_warning(report, "zones added by command", 0,
				       "zone %s is left out: %s", name, why);
		} else if (r == RESULT_NOT_FOUND) {
			report_error(report, "zones added by command", 0, "zone %s: %s", name, why);
			result = RESULT_INVALID;
		}
	}
	return result;
}
