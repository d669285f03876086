// SPDX-License-Identifier: BSD-3-Clause
// What is known of each primary, whatever zones it has: over reloads, too.
//
// Purpose: one record for each pair of a primary's address and the address that
// we talk to it from: who waits for it, whether it answers, what it understands.
// Threads: the loop's. Ownership: upstreams_make and upstreams_switch give,
// upstreams_free takes.
#pragma once

#include "config.h"
#include "line.h"

struct upstream {
	struct config_address address, source;
	struct line_primary soa, transfer;
	uint64_t silent_until_ms; // left alone until then
	unsigned silences;        // in a row
	uint64_t plain_until_ms;  // it refuses EDNS
	uint64_t whole_until_ms;  // it does not speak IXFR
	bool stays;               // in the configuration that comes
};

struct upstreams {
	struct upstream **list; // sorted
	size_t count;
	struct upstream **of_primary; // for each of config.primaries
};

// Those of `config`, `now`'s own among them. RESULT_OK or RESULT_NO_MEMORY.
enum result upstreams_make(struct upstreams *next, const struct upstreams *now,
			   const struct config *config);
// `next` will not be: frees what is not `now`'s own.
void upstreams_undo(struct upstreams *next);
// `next` holds; what it lacks goes to `gone`, which may be freed once nobody
// waits for it any more.
void upstreams_switch(struct upstreams *now, struct upstreams *next, struct upstreams *gone);
void upstreams_free(struct upstreams *u);

// It left even a connection attempt unanswered: leaves it alone for a while,
// the longer the more often it happens.
void upstream_was_silent(struct upstream *u, uint64_t now_ms);
// Somebody knows better.
void upstream_forget_silence(struct upstream *u);
