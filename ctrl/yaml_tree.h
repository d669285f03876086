// SPDX-License-Identifier: BSD-3-Clause
// A YAML file as a tree with line numbers, checked against a libcyaml schema.
//
// Purpose: libcyaml loads by schema, but takes "4x" for a number, anything for
// a boolean, and names the wrong line for some mistakes. This checks the same
// schema strictly before, reports every mistake with its line and with what was
// expected, and finds the line of a path for what is checked after loading.
// Threads: one at a time.
#pragma once

#include <cyaml/cyaml.h>
#include <stddef.h>
#include <stdint.h>

#include "report.h"

// What the schema cannot say of the values at a path such as "zones[].name".
// The last rule has path NULL.
struct yaml_rule {
	const char *path;
	uint64_t least, most; // of a number; both 0 = as its type allows
	const char *expected; // "an IPv4 address": said of a string that is not one
};

struct yaml_tree;

// Parses one document without aliases. NULL if it cannot; then it is reported.
// An empty document is a tree without nodes.
struct yaml_tree *yaml_tree_parse(const char *file, const char *text, size_t len,
				  struct report *report);
void yaml_tree_free(struct yaml_tree *tree);

// Reports what breaks the schema or the rules.
void yaml_tree_check(const struct yaml_tree *tree, const cyaml_schema_value_t *schema,
		     const struct yaml_rule *rules, struct report *report);

// The line of the node at a path such as "zones[3].primaries[0]"; if it is not
// there, of the nearest one above it that is. Lines count from 1.
unsigned yaml_tree_line(const struct yaml_tree *tree, const char *path);
