// SPDX-License-Identifier: BSD-3-Clause
// The configuration's schema for libcyaml, and what each value is expected to be.
#pragma once

#include "config.h"
#include "yaml_tree.h"

extern const cyaml_schema_value_t config_schema;
extern const struct yaml_rule config_rules[];
