// SPDX-License-Identifier: BSD-3-Clause
// Fuzz target: the configuration as any text; what it accepts it must be able to use.
#include <stdlib.h>

#include "config.h"
#include "fuzz.h"
#include "support/said.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct report report = { .say = said_ignore };
	struct config *c =
		config_parse("/nonexistent/fuzz.yaml", (const char *)data, size, &report);
	if (!c != (report.errors > 0)) // accepted with errors, or refused without
		abort();
	for (unsigned i = 0; c && i < c->zones_count; i++) {
		if (config_zone(c, c->zones[i].name) != &c->zones[i])
			abort();
		for (unsigned j = 0; j < c->zones[i].settings->primary_count; j++) {
			char text[CONFIG_ADDRESS_TEXT];
			config_address_text(&c->zones[i].settings->primaries[j]->address, text);
		}
	}
	config_free(c);
	return 0;
}
