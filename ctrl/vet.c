// SPDX-License-Identifier: BSD-3-Clause
// Vetting: whether a version that a transfer brought may be published.
#include "vet.h"

#include <stdlib.h>

#include "understudy/nsec3.h"

// About a millisecond of hashing between one look at the sockets and the next.
#define SLICE_OCTETS (256u << 10)

struct vet {
	uv_idle_t idle;
	struct zonemd *zonemd;
	struct vet_options options;
	struct vet_result result;
};

static enum xfr_reason judge_zonemd(const struct vet_policy *policy, enum zonemd_verdict verdict)
{
	switch (verdict) {
	case ZONEMD_MISMATCH: return XFR_REASON_ZONEMD;
	case ZONEMD_ABSENT:
	case ZONEMD_UNSUPPORTED:
		return policy->zonemd == ZONEMD_REQUIRE ? XFR_REASON_ZONEMD_MISSING
							: XFR_REASON_NONE;
	default: return XFR_REASON_NONE;
	}
}

static enum xfr_reason judge_nsec3(const struct vet_policy *policy, const struct vet_result *r)
{
	bool above = r->nsec3 && r->nsec3_iterations > policy->nsec3_iterations_max;
	bool beyond = r->nsec3 && r->nsec3_iterations > VET_NSEC3_ITERATIONS_MOST;
	return beyond || (above && policy->refuse_iterations) ? XFR_REASON_NSEC3_ITERATIONS
							      : XFR_REASON_NONE;
}

static void on_idle(uv_idle_t *idle)
{
	struct vet *v = idle->data;
	v->result.zonemd = zonemd_step(v->zonemd, SLICE_OCTETS);
	if (v->result.zonemd == ZONEMD_UNDECIDED)
		return;
	uv_idle_stop(idle);
	v->result.reason = judge_zonemd(&v->options.policy, v->result.zonemd);
	v->options.done(v->options.arg, &v->result);
}

static struct vet *vet_new(const struct vet_options *options, struct zonemd *zonemd,
			   const struct vet_result *result)
{
	struct vet *v = zonemd ? calloc(1, sizeof(*v)) : NULL;
	if (!v) {
		zonemd_free(zonemd);
		return NULL;
	}
	v->zonemd = zonemd;
	v->options = *options;
	v->result = *result;
	uv_idle_init(options->loop, &v->idle);
	v->idle.data = v;
	uv_idle_start(&v->idle, on_idle);
	return v;
}

void vet_start(const struct vet_options *options, struct vet **out, struct vet_result *result)
{
	const struct vet_policy *policy = &options->policy;
	const struct catalog *view;
	const struct zone *z = zone_version_zone(options->version, &view);
	struct nsec3_params chain;
	struct zonemd *zonemd = NULL;
	*out = NULL;
	*result = (struct vet_result){ .zonemd = ZONEMD_UNDECIDED };
	result->nsec3 = zone_nsec3_params(z, &chain);
	if (result->nsec3)
		result->nsec3_iterations = chain.iterations;
	result->reason = judge_nsec3(policy, result);
	if (result->reason || policy->zonemd == ZONEMD_IGNORE)
		return;
	result->zonemd = zonemd_begin(view, z, &zonemd);
	if (result->zonemd != ZONEMD_UNDECIDED) {
		result->reason = judge_zonemd(policy, result->zonemd);
		return;
	}
	*out = vet_new(options, zonemd, result);
	if (!*out)
		result->reason = XFR_REASON_NO_MEMORY;
}

static void on_closed(uv_handle_t *handle)
{
	free(handle->data);
}

void vet_stop(struct vet *v)
{
	zonemd_free(v->zonemd);
	v->zonemd = NULL;
	uv_close((uv_handle_t *)&v->idle, on_closed);
}
