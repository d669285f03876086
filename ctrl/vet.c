// SPDX-License-Identifier: BSD-3-Clause
// Vetting: whether a version that a transfer brought may be published.
#include "vet.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "understudy/nsec3.h"

// About a millisecond of hashing: who stops it waits no longer.
#define SLICE_OCTETS (256u << 10)

struct vet {
	uv_work_t work;
	uv_sem_t ended; // the work
	_Atomic bool unwanted;
	bool over;    // the work is, and the loop knows
	bool telling; // in `done`
	bool stopped;
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
	bool beyond = r->nsec3 && r->nsec3_iterations > NSEC3_ITERATIONS_MOST;
	return beyond || (above && policy->refuse_iterations) ? XFR_REASON_NSEC3_ITERATIONS
							      : XFR_REASON_NONE;
}

// On a thread of libuv's, which is no RCU reader: nobody else can see the version, and
// what it shares with the published one stays as long as that is not replaced.
static void digest(uv_work_t *work)
{
	struct vet *v = work->data;
	enum zonemd_verdict verdict = ZONEMD_UNDECIDED;
	while (verdict == ZONEMD_UNDECIDED &&
	       !atomic_load_explicit(&v->unwanted, memory_order_relaxed))
		verdict = zonemd_step(v->zonemd, SLICE_OCTETS);
	v->result.zonemd = verdict;
	uv_sem_post(&v->ended);
}

static void vet_free(struct vet *v)
{
	zonemd_free(v->zonemd);
	uv_sem_destroy(&v->ended);
	free(v);
}

static void on_digested(uv_work_t *work, int status)
{
	struct vet *v = work->data;
	(void)status; // cancelled only if stopped
	v->over = true;
	if (!v->stopped) {
		v->result.reason = judge_zonemd(&v->options.policy, v->result.zonemd);
		v->telling = true;
		v->options.done(v->options.arg, &v->result);
		v->telling = false;
	}
	if (v->stopped)
		vet_free(v);
}

static struct vet *vet_new(const struct vet_options *options, struct zonemd *zonemd,
			   const struct vet_result *result)
{
	struct vet *v = zonemd ? calloc(1, sizeof(*v)) : NULL;
	if (!v || uv_sem_init(&v->ended, 0)) {
		zonemd_free(zonemd);
		free(v);
		return NULL;
	}
	v->zonemd = zonemd;
	v->options = *options;
	v->result = *result;
	v->work.data = v;
	uv_queue_work(options->loop, &v->work, digest, on_digested);
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
	if (zonemd) // a small zone is not worth another thread
		result->zonemd = zonemd_step(zonemd, SLICE_OCTETS);
	if (result->zonemd != ZONEMD_UNDECIDED) {
		zonemd_free(zonemd);
		result->reason = judge_zonemd(policy, result->zonemd);
		return;
	}
	*out = vet_new(options, zonemd, result);
	if (!*out)
		result->reason = XFR_REASON_NO_MEMORY;
}

void vet_stop(struct vet *v)
{
	v->stopped = true;
	if (!v->over && uv_cancel((uv_req_t *)&v->work) != 0) {
		atomic_store_explicit(&v->unwanted, true, memory_order_relaxed);
		uv_sem_wait(&v->ended); // nothing is read from now on
	}
	if (v->over && !v->telling)
		vet_free(v);
}
