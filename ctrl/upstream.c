// SPDX-License-Identifier: BSD-3-Clause
// What is known of each primary, whatever zones it has: over reloads, too.
#include "upstream.h"

#include <stdlib.h>
#include <string.h>

#define SILENCE_MS      10000 // doubling
#define SILENCES_TO_MAX 3     // so often

static int compare_address(const struct config_address *a, const struct config_address *b)
{
	if (a->any.sa_family != b->any.sa_family)
		return a->any.sa_family < b->any.sa_family ? -1 : 1;
	if (a->any.sa_family != AF_INET6) {
		int order = memcmp(&a->v4.sin_addr, &b->v4.sin_addr, 4);
		return order ? order : a->v4.sin_port - b->v4.sin_port;
	}
	int order = memcmp(&a->v6.sin6_addr, &b->v6.sin6_addr, 16);
	return order ? order : a->v6.sin6_port - b->v6.sin6_port;
}

static int compare(const struct upstream *u, const struct config_primary *p)
{
	int order = compare_address(&u->address, &p->address);
	return order ? order : compare_address(&u->source, &p->source);
}

static int by_address(const void *a, const void *b)
{
	const struct config_primary *p = *(const struct config_primary *const *)a;
	const struct config_primary *q = *(const struct config_primary *const *)b;
	int order = compare_address(&p->address, &q->address);
	return order ? order : compare_address(&p->source, &q->source);
}

static struct upstream *upstream_new(const struct config_primary *p)
{
	struct upstream *u = calloc(1, sizeof(*u));
	if (!u)
		return NULL;
	u->address = p->address;
	u->source = p->source;
	line_primary_init(&u->soa);
	line_primary_init(&u->transfer);
	return u;
}

// Walks the primaries, sorted, and those that are known, side by side.
static enum result merge(struct upstreams *next, const struct upstreams *now,
			 const struct config_primary **sorted, const struct config *config)
{
	size_t known = 0;
	for (unsigned i = 0; i < config->primaries_count; i++) {
		const struct config_primary *p = sorted[i];
		struct upstream *u = next->count ? next->list[next->count - 1] : NULL;
		if (!u || compare(u, p) != 0) {
			while (known < now->count && compare(now->list[known], p) < 0)
				known++;
			bool same = known < now->count && compare(now->list[known], p) == 0;
			u = same ? now->list[known] : upstream_new(p);
			if (!u)
				return RESULT_NO_MEMORY;
			u->stays = same;
			next->list[next->count++] = u;
		}
		next->of_primary[p - config->primaries] = u;
	}
	return RESULT_OK;
}

enum result upstreams_make(struct upstreams *next, const struct upstreams *now,
			   const struct config *config)
{
	size_t n = config->primaries_count + 1u;
	const struct config_primary **sorted = calloc(n, sizeof(*sorted));
	enum result r = RESULT_NO_MEMORY;
	*next = (struct upstreams){ .list = calloc(n, sizeof(*next->list)),
				    .of_primary = calloc(n, sizeof(*next->of_primary)) };
	for (size_t i = 0; i < now->count; i++)
		now->list[i]->stays = false;
	if (sorted && next->list && next->of_primary) {
		for (size_t i = 0; i + 1 < n; i++)
			sorted[i] = &config->primaries[i];
		qsort(sorted, n - 1, sizeof(*sorted), by_address);
		r = merge(next, now, sorted, config);
	}
	free(sorted);
	return r;
}

void upstreams_undo(struct upstreams *next)
{
	for (size_t i = 0; i < next->count; i++) {
		if (!next->list[i]->stays)
			free(next->list[i]);
	}
	next->count = 0;
	upstreams_free(next);
}

void upstreams_switch(struct upstreams *now, struct upstreams *next, struct upstreams *gone)
{
	*gone = *now;
	*now = *next;
	*next = (struct upstreams){ 0 };
	size_t left = 0;
	for (size_t i = 0; i < gone->count; i++) {
		if (!gone->list[i]->stays)
			gone->list[left++] = gone->list[i];
	}
	gone->count = left;
}

void upstreams_free(struct upstreams *u)
{
	for (size_t i = 0; i < u->count; i++)
		free(u->list[i]);
	free(u->list);
	free(u->of_primary);
	*u = (struct upstreams){ 0 };
}

bool upstream_is_silent(const struct upstream *u, enum upstream_way way, uint64_t now_ms,
			enum xfr_reason *reason)
{
	*reason = u->silence[way].reason;
	return now_ms < u->silence[way].until_ms;
}

void upstream_was_silent(struct upstream *u, enum upstream_way way, enum xfr_reason reason,
			 uint64_t now_ms)
{
	for (unsigned w = way; w < UPSTREAM_WAYS; w++) {
		struct upstream_silence *s = &u->silence[w];
		s->until_ms = now_ms + ((uint64_t)SILENCE_MS << s->count);
		s->count += s->count < SILENCES_TO_MAX;
		s->reason = reason;
	}
}

void upstream_was_mute(struct upstream *u, enum upstream_way way, const void *zone, uint64_t now_ms)
{
	const void *other = u->silence[way].unanswered;
	u->silence[way].unanswered = zone;
	if (other && other != zone)
		upstream_was_silent(u, way, XFR_REASON_TIMEOUT, now_ms);
}

void upstream_answered(struct upstream *u, enum upstream_way way)
{
	for (unsigned w = 0; w <= way; w++)
		u->silence[w] = (struct upstream_silence){ 0 };
}

void upstream_pardon(struct upstream *u)
{
	for (unsigned w = 0; w < UPSTREAM_WAYS; w++) {
		u->silence[w].until_ms = 0;
		u->silence[w].count = 0;
	}
}
