// SPDX-License-Identifier: BSD-3-Clause
// Zones that come and go by command: journal, configuration and zones change together.
#include "added.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "log.h"

static bool say_why(enum result r, char *why, size_t why_size)
{
	const char *text = r == RESULT_EXISTS      ? "the zone is there already"
			   : r == RESULT_NOT_FOUND ? "no such zone was added by command; what the "
						     "configuration's file says is changed there"
			   : r == RESULT_IO        ? strerror(errno)
						   : result_text(r);
	if (r != RESULT_OK && !why[0])
		snprintf(why, why_size, "%s", text);
	return r == RESULT_OK;
}

bool added_add(const struct added *where, const struct addition *a, char *why, size_t why_size)
{
	const struct config_zone *z;
	char name[NAME_TEXT_SIZE];
	why[0] = '\0';
	if (!where->additions) {
		snprintf(why, why_size, "%s", "there is no database to keep it in");
		return false;
	}
	enum result r = config_add_zone(where->config, a, &z, why, why_size);
	if (r != RESULT_OK)
		return say_why(r, why, why_size);
	bool new = !additions_has(where->additions, a->zone.wire);
	r = new ? additions_put(where->additions, a) : RESULT_EXISTS;
	if (r == RESULT_OK)
		r = zones_add(where->zones, z);
	if (r == RESULT_OK) {
		log_info("zone %s: added by command", name_to_text(z->name, name));
		return true;
	}
	int saved = errno;
	if (new &&additions_has(where->additions, a->zone.wire))
		additions_drop(where->additions, a->zone.wire);
	config_remove_zone(where->config, a->zone.wire);
	errno = saved;
	return say_why(r, why, why_size);
}

bool added_remove(const struct added *where, const uint8_t *zone, char *why, size_t why_size)
{
	char name[NAME_TEXT_SIZE];
	why[0] = '\0';
	const struct config_zone *z = config_zone(where->config, zone);
	enum result r =
		where->additions ? additions_drop(where->additions, zone) : RESULT_NOT_FOUND;
	// One that the journal has no more is left from a removal that ran out of memory.
	if (z && z->added && (r == RESULT_OK || r == RESULT_NOT_FOUND)) {
		r = zones_remove(where->zones, zone);
		if (r == RESULT_OK)
			config_remove_zone(where->config, zone);
	}
	if (r == RESULT_OK)
		log_info("zone %s: removed by command", name_to_text(zone, name));
	return say_why(r, why, why_size);
}
