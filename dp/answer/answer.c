// SPDX-License-Identifier: BSD-3-Clause
// The burst: parse all queries, find all names together, write all replies.
#include "understudy/answer.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "understudy/rr.h"

#include "chaos.h"
#include "query.h"
#include "reply.h"
#include "resolve.h"

static_assert(ANSWER_BURST_MAX <= FIND_BURST_MAX, "a burst is found at once");

#define CACHE_LINE 64

struct answer_ctx {
	const struct rcu_pointer *config;
	uint64_t now_s;
	struct query queries[ANSWER_BURST_MAX];
	uint8_t fates[ANSWER_BURST_MAX]; // enum query_fate
	struct find finds[ANSWER_BURST_MAX];
	struct find *found[ANSWER_BURST_MAX]; // those to be found
	struct resolver resolver;
	struct compress names;
	// Other threads read these; they share no line with what is written above.
	_Alignas(CACHE_LINE) struct answer_stats stats;
};

struct answer_ctx *answer_ctx_new(const struct rcu_pointer *config)
{
	struct answer_ctx *ctx = aligned_alloc(CACHE_LINE, sizeof(*ctx));
	if (ctx) {
		memset(ctx, 0, sizeof(*ctx));
		ctx->config = config;
	}
	return ctx;
}

void answer_ctx_free(struct answer_ctx *ctx)
{
	free(ctx);
}

const struct answer_stats *answer_ctx_stats(const struct answer_ctx *ctx)
{
	return &ctx->stats;
}

void answer_ctx_set_time(struct answer_ctx *ctx, uint64_t now_s)
{
	ctx->now_s = now_s;
}

const char *answer_drop_text(enum answer_drop d)
{
	static const char *const texts[ANSWER_DROP_COUNT] = {
		[ANSWER_DROP_SHORT] = "short",
		[ANSWER_DROP_RESPONSE] = "response",
	};
	return texts[d];
}

// The owner is the only writer, so this needs no atomic addition.
static void count(_Atomic uint64_t *counter, uint64_t n)
{
	uint64_t old = atomic_load_explicit(counter, memory_order_relaxed);
	atomic_store_explicit(counter, old + n, memory_order_relaxed);
}

// Returns how many queries are to be found.
static unsigned parse_all(struct answer_ctx *ctx, struct answer_item *items, unsigned n)
{
	unsigned found = 0;
	for (unsigned i = 0; i < n; i++) {
		struct query *q = &ctx->queries[i];
		ctx->fates[i] = (uint8_t)query_parse(items[i].buf, items[i].query_len,
						     items[i].may_punt, q);
		if (ctx->fates[i] != QUERY_RESOLVE)
			continue;
		struct find *f = ctx->found[found++] = &ctx->finds[i];
		f->qname = q->qname;
		f->qname_len = q->qname_octets;
		f->qtype = q->qtype;
	}
	return found;
}

// The octets that the reply may have.
static size_t reply_limit(const struct answer_item *item, const struct query *q,
			  const struct answer_config *config)
{
	size_t limit = item->capacity;
	if (item->peer.transport == ANSWER_UDP) {
		if (limit > q->udp_octets)
			limit = q->udp_octets;
		if (limit > config->edns_udp_octets)
			limit = config->edns_udp_octets;
	}
	return limit;
}

static void write_reply(struct answer_ctx *ctx, const struct answer_config *config,
			struct answer_item *item, unsigned i)
{
	const struct query *q = &ctx->queries[i];
	struct resolver *rs = &ctx->resolver;
	struct reply r;
	reply_begin(&r, q, item->buf, reply_limit(item, q, config), &ctx->names);
	if (ctx->fates[i] == QUERY_RESOLVE) {
		rs->query = q;
		rs->found = &ctx->finds[i];
		rs->reply = &r;
		rs->stream = item->peer.transport == ANSWER_TCP;
		rs->across_zones = config->cross_zone_aliases;
		resolve(rs);
	} else if (ctx->fates[i] == QUERY_CHAOS) {
		chaos_answer(config, q, &r);
	} else {
		r.rcode = q->rcode;
	}
	item->verdict = ANSWER_REPLY;
	item->reply_len = (uint16_t)reply_finish(&r, q, config->edns_udp_octets);
	unsigned rcode = r.rcode < ANSWER_RCODES - 1 ? r.rcode : ANSWER_RCODES - 1;
	count(&ctx->stats.answers, 1);
	count(&ctx->stats.by_rcode[rcode], 1);
	if (r.truncated)
		count(&ctx->stats.truncated, 1);
}

static void drop(struct answer_ctx *ctx, struct answer_item *item, enum answer_drop why)
{
	item->verdict = ANSWER_DROP;
	item->reply_len = 0;
	count(&ctx->stats.dropped[why], 1);
}

static void settle(struct answer_ctx *ctx, const struct answer_config *config,
		   struct answer_item *item, unsigned i)
{
	if (item->peer.transport == ANSWER_TCP)
		count(&ctx->stats.tcp, 1);
	switch (ctx->fates[i]) {
	case QUERY_SHORT: drop(ctx, item, ANSWER_DROP_SHORT); break;
	case QUERY_RESPONSE: drop(ctx, item, ANSWER_DROP_RESPONSE); break;
	case QUERY_PUNT:
		item->verdict = ANSWER_PUNT;
		item->reply_len = 0;
		count(&ctx->stats.punted, 1);
		break;
	default: write_reply(ctx, config, item, i); break;
	}
}

void answer_burst(struct answer_ctx *ctx, const struct catalog *view, struct answer_item *items,
		  unsigned n)
{
	const struct answer_config *config = rcu_pointer_read(ctx->config);
	assert(n <= ANSWER_BURST_MAX);
	ctx->resolver.view = view;
	zone_find_burst(view, ctx->found, parse_all(ctx, items, n));
	for (unsigned i = 0; i < n; i++)
		settle(ctx, config, &items[i], i);
	count(&ctx->stats.queries, n);
}

size_t answer(struct answer_ctx *ctx, const struct catalog *view, const struct answer_peer *peer,
	      uint8_t *buf, size_t query_len, size_t capacity)
{
	struct answer_item item = {
		.buf = buf,
		.query_len = (uint16_t)query_len,
		.capacity = (uint16_t)(capacity < UINT16_MAX ? capacity : UINT16_MAX),
		.peer = *peer,
	};
	assert(query_len <= UINT16_MAX);
	answer_burst(ctx, view, &item, 1);
	return item.reply_len;
}
