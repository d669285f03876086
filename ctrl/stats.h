// SPDX-License-Identifier: BSD-3-Clause
// Counters, and texts, as JSON for the control socket.
//
// Threads: the loop's. Ownership: what is returned is the caller's reference;
// NULL if memory ran out.
#pragma once

#include <jansson.h>

#include "service.h"
#include "understudy/answer.h"
#include "understudy/zonedb.h"
#include "zones.h"

// A text as it came from a file or a path: what JSON cannot hold, which has UTF-8 only, is "?".
json_t *stats_text(const char *octets);

// One answering thread: {"name": …, "queries": …, "rcodes": {…}, "drops": {…}}.
json_t *stats_answer(const char *name, const struct answer_stats *s);
json_t *stats_service(const struct service_stats *s);
json_t *stats_zones(const struct zones_stats *s);
json_t *stats_snapshot(const struct zonedb *db);
// null without a store.
json_t *stats_store(struct store *s);

// Adds the numbers of `row` to those of `sum`, objects within alike.
void stats_add(json_t *sum, json_t *row);
