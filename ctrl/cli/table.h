// SPDX-License-Identifier: BSD-3-Clause
// Responses of the control socket as tables for people.
#pragma once

#include <jansson.h>
#include <stdio.h>

// Each prints the "result" of the command that it is named after.
void table_status(FILE *to, json_t *result);
void table_zones(FILE *to, json_t *result);
void table_zone_status(FILE *to, json_t *result);
void table_stats(FILE *to, json_t *result);
// The text of {"text": …}, as it is.
void table_text(FILE *to, json_t *result);
void table_store_list(FILE *to, json_t *result);
void table_level(FILE *to, json_t *result);
void table_reload(FILE *to, json_t *result);
