// SPDX-License-Identifier: BSD-3-Clause
// understudyd --check: what can be said of a configuration without starting.
#include "check.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "additions.h"

// The zones that were added by command become the configuration's, as a reload would do it;
// false if it would be refused. What cannot be read is told, and is no mistake.
static bool check_additions(struct config *config, struct report *report)
{
	const struct config_database *c = &config->database;
	const char *path = c->path ? c->path : CONFIG_DATABASE_DEFAULT;
	struct additions *a = NULL;
	if (c->enabled && !*c->enabled)
		return true;
	enum result r = additions_read(path, &a);
	if (r == RESULT_OK)
		r = config_add_zones(config, a, false, report);
	else
		report_warning(report, path, 0, "zones added by command are not checked: %s",
			       r == RESULT_IO ? strerror(errno) : result_text(r));
	additions_free(a);
	return r != RESULT_INVALID;
}

bool check_config(const char *path, struct config *config, struct report *report)
{
	if (!check_additions(config, report))
		return false;
	printf("%s: %u zones, %u more added by command, %u primaries, %zu keys, %u addresses, "
	       "%u ports: no mistake\n",
	       path, config->zones_count, config->zones_total - config->zones_count,
	       config->primaries_count, config->key_list.count, config->listen_count,
	       config->ports_count);
	return true;
}
