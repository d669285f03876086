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

// What may be silent while the other answers: queries go over UDP first.
enum upstream_way { UPSTREAM_QUERIES, UPSTREAM_TRANSFERS, UPSTREAM_WAYS };

struct upstream_silence {
	uint64_t until_ms;      // left alone until then
	enum xfr_reason reason; // why
	unsigned count;         // in a row
	const void *unanswered; // the zone that got no answer last, if nothing came since; NULL
};

struct upstream {
	struct config_address address, source;
	struct line_primary soa, transfer;
	struct upstream_silence silence[UPSTREAM_WAYS];
	uint64_t plain_until_ms;   // it refuses EDNS
	uint64_t whole_until_ms;   // it does not speak IXFR
	uint64_t streams_until_ms; // it answers over TCP alone
	bool stays;                // in the configuration that comes
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

// Whether it is left alone for now; then *reason says why.
bool upstream_is_silent(const struct upstream *u, enum upstream_way way, uint64_t now_ms,
			enum xfr_reason *reason);
// It left even a connection attempt unanswered: leaves it alone for a while,
// the longer the more often it happens. Who does not answer queries does not
// transfer either.
void upstream_was_silent(struct upstream *u, enum upstream_way way, enum xfr_reason reason,
			 uint64_t now_ms);
// It said nothing on a connection that stood. That may be for the zone's sake, which is
// known by `zone`; if the same befalls another zone before anything is answered, it is silent.
void upstream_was_mute(struct upstream *u, enum upstream_way way, const void *zone,
		       uint64_t now_ms);
// It answered.
void upstream_answered(struct upstream *u, enum upstream_way way);
// Somebody knows better, and it is tried; how it fares then is added to what is known.
void upstream_pardon(struct upstream *u);
