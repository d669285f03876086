// SPDX-License-Identifier: BSD-3-Clause
// Vetting: whether a version that a transfer brought may be published.
//
// Purpose: what cannot be told record by record is looked at before anybody sees the
// zone: the cost of its NSEC3 chain (RFC 9276), and its ZONEMD digest (RFC 8976),
// which is computed on another thread unless the zone is small.
// Threads: the loop's. Ownership: vet_start gives, vet_stop takes.
#pragma once

#include <uv.h>

#include "understudy/xfr.h"
#include "zonemd.h"

struct vet_policy {
	enum zonemd_policy zonemd;
	uint16_t nsec3_iterations_max;
	bool refuse_iterations; // above that; else they are served, and told of
};

struct vet_result {
	enum xfr_reason reason;     // XFR_REASON_NONE: it may be published
	enum zonemd_verdict zonemd; // ZONEMD_UNDECIDED: ignored
	bool nsec3;
	uint16_t nsec3_iterations;
};

struct vet;

struct vet_options {
	uv_loop_t *loop;
	const struct zone_version *version; // must stay unpublished until it is judged,
	struct vet_policy policy;           // and the zone not be compacted
	void (*done)(void *arg, const struct vet_result *result);
	void *arg;
};

// Judges the version. If that takes longer, *out is set and `done` called later, but
// not after vet_stop; else *out is NULL, and *result is written.
void vet_start(const struct vet_options *options, struct vet **out, struct vet_result *result);

// At any time, and in any case: from within `done`, too. The memory goes when the loop
// goes on.
void vet_stop(struct vet *v);
