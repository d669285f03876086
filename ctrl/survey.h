// SPDX-License-Identifier: BSD-3-Clause
// Surveys of served zones: when the earliest of their signatures expires.
//
// Purpose: a secondary cannot sign anew, but it can tell that somebody must. Zones are
// walked on another thread after they have changed; large ones that change all the
// time, once a minute. RFC 4034 section 3.1.5.
// Threads: the loop's, a registered RCU reader that is offline when it calls in here.
// Ownership: surveys_new gives, surveys_free takes; entries are the caller's.
#pragma once

#include <uv.h>

#include "understudy/zonedb.h"

// One zone; starts zeroed. Only the first two fields are for others.
struct survey_zone {
	uint64_t earliest_unix_s;  // when the first signature expires; 0 = there is none
	bool known;                // it was surveyed
	bool later;                // in the line of those that must wait
	uint8_t walk;              // under way: its number, from 1; 0: none
	uint32_t nodes;            // when it was surveyed
	uint64_t surveyed_ms;      // that time
	struct survey_zone *next;  // in line,
	struct survey_zone **link; // or NULL
};

struct survey_options {
	uv_loop_t *loop;
	const struct zonedb *db;
	const uint8_t *(*apex)(const struct survey_zone *z);
	// A survey has ended.
	void (*done)(struct survey_zone *z);
};

struct surveys;

enum result surveys_new(const struct survey_options *options, struct surveys **out);
// The loop must run on until its handles are closed.
void surveys_stop(struct surveys *s);
void surveys_free(struct surveys *s);

// The zone has been published.
void surveys_touch(struct surveys *s, struct survey_zone *z);
// The zone goes.
void surveys_forget(struct surveys *s, struct survey_zone *z);
