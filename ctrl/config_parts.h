// SPDX-License-Identifier: BSD-3-Clause
// What resolving a configuration's parts shares: config.c, and config_zones.c (zones).
#pragma once

#include "config.h"
#include "yaml_tree.h"

#define PATH_OCTETS 128

struct resolver {
	struct config *config;
	const struct yaml_tree *tree;
	const char *file;
	struct report *report;
	const struct config_primary **primaries_by_id;
};

// Reports at the line of a path, which may hold one %u for an index.
void config_wrong(struct resolver *r, const char *path_format, unsigned index, const char *text,
		  const char *expected);
bool config_parse_address(const char *text, uint16_t port, struct config_address *out);
const struct tsig_key *config_find_key(const struct config *c, const char *text);
// For primaries_by_id.
int config_primary_by_id(const void *a, const void *b);

void config_resolve_templates(struct resolver *r);
// RESULT_OK, also if mistakes were reported, or RESULT_NO_MEMORY.
enum result config_resolve_zones(struct resolver *r);
// Settings like these, shared with the zones that have them; NULL without memory.
const struct config_settings *config_share_settings(struct config *c,
						    const struct config_settings *wanted);
void config_free_zones(struct config *c);
