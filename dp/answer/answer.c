// SPDX-License-Identifier: BSD-3-Clause
// The burst: parse all queries, find all names together, write all replies.
#include "understudy/answer.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "understudy/prefetch.h"
#include "understudy/rr.h"

#include "chaos.h"
#include "cookie.h"
#include "edns.h"
#include "query.h"
#include "reply.h"
#include "resolve.h"
#include "rrl.h"

static_assert(ANSWER_BURST_MAX <= FIND_BURST_MAX, "a burst is found at once");

#define CACHE_LINE 64
// Queries that are fetched before their turn, with the line that the reply goes on in.
#define QUERIES_AHEAD 8
// Of a node with a few RRsets and their signatures; a lookup has fetched two.
#define SIGNED_NODE_LINES 6

struct answer_ctx {
	const struct rcu_pointer *config;
	uint64_t now_s;
	struct rrl *rrl;
	struct query queries[ANSWER_BURST_MAX];
	uint8_t fates[ANSWER_BURST_MAX]; // enum query_fate
	struct find finds[ANSWER_BURST_MAX];
	struct find *found[ANSWER_BURST_MAX]; // those to be found
	struct zone_denial denials[ANSWER_BURST_MAX];
	struct resolver resolver;
	struct compress names;
	struct edns_reply options; // of the reply being written
	// Other threads read these; they share no line with what is written above.
	_Alignas(CACHE_LINE) struct answer_stats stats;
};

struct answer_ctx *answer_ctx_new(const struct rcu_pointer *config)
{
	const struct answer_config *now = rcu_pointer_read(config);
	uint32_t accounts = now->rate_limit.table_accounts;
	struct answer_ctx *ctx = aligned_alloc(CACHE_LINE, sizeof(*ctx));
	struct rrl *rrl = rrl_new(accounts ? accounts : ANSWER_RATE_TABLE_DEFAULT);
	if (!ctx || !rrl) {
		rrl_free(rrl);
		free(ctx);
		return NULL;
	}
	memset(ctx, 0, sizeof(*ctx));
	ctx->config = config;
	ctx->rrl = rrl;
	return ctx;
}

void answer_ctx_free(struct answer_ctx *ctx)
{
	if (!ctx)
		return;
	rrl_free(ctx->rrl);
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
		[ANSWER_DROP_RATE] = "rate-limited",
	};
	return texts[d];
}

// The owner is the only writer, so this needs no atomic addition.
static void count(_Atomic uint64_t *counter, uint64_t n)
{
	uint64_t old = atomic_load_explicit(counter, memory_order_relaxed);
	atomic_store_explicit(counter, old + n, memory_order_relaxed);
}

static inline void prefetch_query(const struct answer_item *item)
{
	__builtin_prefetch(item->buf, 1);
	__builtin_prefetch(item->buf + CACHE_LINE, 1);
}

// Returns how many queries are to be found.
static unsigned parse_all(struct answer_ctx *ctx, struct answer_item *items, unsigned n)
{
	unsigned found = 0;
	for (unsigned i = 0; i < n && i < QUERIES_AHEAD; i++)
		prefetch_query(&items[i]);
	for (unsigned i = 0; i < n; i++) {
		struct query *q = &ctx->queries[i];
		if (i + QUERIES_AHEAD < n)
			prefetch_query(&items[i + QUERIES_AHEAD]);
		ctx->fates[i] = (uint8_t)query_parse(&items[i], q);
		if (ctx->fates[i] != QUERY_RESOLVE)
			continue;
		struct find *f = ctx->found[found++] = &ctx->finds[i];
		f->qname = q->qname;
		f->qname_len = q->qname_octets;
		f->qtype = q->qtype;
		f->deny = q->dnssec_ok;
		f->labels = &q->labels;
	}
	return found;
}

// What the replies with DNSSEC will need: records further back in the nodes that were
// found, and what denies the names that were not.
static void find_denials(struct answer_ctx *ctx, const struct catalog *view, unsigned n)
{
	struct zone_denial *wanted[ANSWER_BURST_MAX];
	uint8_t dnssec[ANSWER_BURST_MAX];
	unsigned count = 0, denials = 0;
	for (unsigned i = 0; i < n; i++) {
		if (ctx->fates[i] != QUERY_RESOLVE || !ctx->queries[i].dnssec_ok)
			continue;
		const struct find *f = &ctx->finds[i];
		const uint8_t *node = (const uint8_t *)(f->cut ? f->cut : f->node);
		if (node)
			prefetch_lines(node + 2 * CACHE_LINE, SIGNED_NODE_LINES - 2);
		dnssec[count++] = (uint8_t)i;
	}
	for (unsigned i = 0; i < count; i++) {
		struct zone_denial *d = &ctx->denials[dnssec[i]];
		denial_foresee(view, &ctx->finds[dnssec[i]], d);
		if (d->name)
			wanted[denials++] = d;
	}
	if (denials > 0)
		zone_deny_burst(view, wanted, denials);
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

// Why a query is refused that is not looked up at all.
__attribute__((cold)) static enum edns_error error_of(const struct query *q)
{
	if (q->rcode == RCODE_FORMERR && q->qtype == RRTYPE_NXNAME)
		return EDNS_ERROR_QUERY_TYPE;
	if (q->rcode != RCODE_NOTIMP && q->rcode != RCODE_REFUSED)
		return EDNS_ERROR_NONE;
	if (q->flags & DNS_OPCODE_MASK)
		return EDNS_ERROR_NOT_SUPPORTED;
	return q->qtype == RRTYPE_AXFR || q->qtype == RRTYPE_IXFR ? EDNS_ERROR_PROHIBITED
								  : EDNS_ERROR_NOT_AUTHORITATIVE;
}

// The zone that the question's name is in, if we serve it.
static const struct zone *zone_of(const struct answer_ctx *ctx, unsigned i)
{
	const struct find *f = &ctx->finds[i];
	bool served = ctx->fates[i] == QUERY_RESOLVE && f->status != FIND_NO_ZONE &&
		      f->status != FIND_NO_DATA;
	return served ? f->zone : NULL;
}

// A client must first show a cookie of ours where that is required (RFC 7873
// section 5.2.3); one that asks for nothing else hears what its cookie is worth
// (section 5.4).
static void judge_cookie(struct answer_ctx *ctx, const struct answer_config *config,
			 const struct answer_item *item, unsigned i, enum cookie_verdict verdict)
{
	struct query *q = &ctx->queries[i];
	uint8_t *fate = &ctx->fates[i];
	if (*fate == QUERY_EMPTY) {
		if (!config->cookie_secrets)
			q->rcode = RCODE_FORMERR;
		else if (verdict == COOKIE_UNKNOWN)
			q->rcode = RCODE_BADCOOKIE;
	} else if (config->cookie_secrets && config->cookie_required &&
		   item->peer.transport == ANSWER_UDP &&
		   (*fate == QUERY_RESOLVE || *fate == QUERY_CHAOS) &&
		   verdict != COOKIE_CONFIRMED) {
		q->rcode = RCODE_BADCOOKIE;
		*fate = QUERY_ERROR;
	}
}

// What the query's options ask for goes into ctx->options.
static void answer_options(struct answer_ctx *ctx, const struct answer_config *config,
			   const struct answer_item *item, unsigned i)
{
	struct query *q = &ctx->queries[i];
	struct edns_facts facts = { .config = config, .asked = &q->asked, .now_s = ctx->now_s };
	if (q->asked.what & EDNS_ASKS_COOKIE) {
		enum cookie_verdict verdict = COOKIE_ABSENT;
		if (config->cookie_secrets)
			verdict = cookie_renew(&q->asked.cookie, q->asked.server_octets, config,
					       &item->peer, ctx->now_s);
		q->confirmed = verdict == COOKIE_CONFIRMED;
		judge_cookie(ctx, config, item, i, verdict);
	}
	facts.view = ctx->resolver.view;
	facts.zone = zone_of(ctx, i);
	if (facts.zone && q->qtype == RRTYPE_SOA)
		facts.soa = name_equal(q->qname, zone_apex(facts.zone));
	edns_write(&ctx->options, &facts);
}

// The sections of the reply, its rcode and flags.
static void write_sections(struct answer_ctx *ctx, const struct answer_config *config,
			   const struct answer_item *item, unsigned i)
{
	const struct query *q = &ctx->queries[i];
	struct resolver *rs = &ctx->resolver;
	if (ctx->fates[i] == QUERY_RESOLVE) {
		rs->query = q;
		rs->found = &ctx->finds[i];
		rs->foreseen = &ctx->denials[i];
		rs->stream = item->peer.transport == ANSWER_TCP;
		rs->across_zones = config->cross_zone_aliases;
		resolve(rs);
	} else if (ctx->fates[i] == QUERY_CHAOS) {
		chaos_answer(config, q, rs->reply);
	} else {
		rs->reply->rcode = q->rcode;
		rs->reply->edns_error = (int8_t)error_of(q);
	}
}

__attribute__((cold)) static void drop(struct answer_ctx *ctx, struct answer_item *item,
				       enum answer_drop why)
{
	item->verdict = ANSWER_DROP;
	item->reply_len = 0;
	count(&ctx->stats.dropped[why], 1);
}

static enum rrl_class class_of(const struct reply *r)
{
	if (r->rcode == RCODE_NXDOMAIN)
		return RRL_NXDOMAIN;
	if (r->rcode != RCODE_NOERROR)
		return RRL_ERROR;
	if (r->counts[SECTION_ANSWER] > 0)
		return RRL_POSITIVE;
	return r->authoritative ? RRL_NODATA : RRL_REFERRAL;
}

// What rate limiting leaves of the reply: all of it, the question with TC, or
// nothing: then false. Errors are no longer than that: they go as they are.
static bool limit_rate(struct answer_ctx *ctx, const struct answer_config *config,
		       const struct answer_item *item, const struct query *q)
{
	struct reply *r = ctx->resolver.reply;
	if (q->stream || q->confirmed || item->peer.verified)
		return true;
	enum rrl_class class = class_of(r);
	switch (rrl_account(ctx->rrl, &config->rate_limit, &item->peer, class, ctx->now_s)) {
	case RRL_SEND: return true;
	case RRL_DROP: return false;
	default: break;
	}
	count(&ctx->stats.slipped, 1);
	if (class != RRL_ERROR)
		reply_truncate(r, q);
	return true;
}

// What few queries need, apart from the way of the others, whom it would cost some
// thirty instructions if it were inlined: before the sections are written, and after.
__attribute__((noinline)) static void begin_special(struct answer_ctx *ctx,
						    const struct answer_config *config,
						    const struct answer_item *item, unsigned i)
{
	const struct query *q = &ctx->queries[i];
	struct reply *r = ctx->resolver.reply;
	if (q->asked.what) {
		answer_options(ctx, config, item, i);
		reply_keep_room(r, &ctx->options);
	}
	if (item->reserve)
		reply_reserve(r, item->reserve);
	if (config->report_channel.len && q->edns && zone_of(ctx, i))
		r->report_channel = !name_is_at_or_below(q->qname, config->report_channel.wire);
}

// False if nothing is to be sent.
__attribute__((noinline)) static bool end_special(struct answer_ctx *ctx,
						  const struct answer_config *config,
						  const struct answer_item *item, unsigned i)
{
	const struct query *q = &ctx->queries[i];
	struct reply *r = ctx->resolver.reply;
	if (r->truncated && item->reserve)
		reply_truncate(r, q);
	return !config->rate_limit.responses_per_s || limit_rate(ctx, config, item, q);
}

static void write_reply(struct answer_ctx *ctx, const struct answer_config *config,
			struct answer_item *item, unsigned i)
{
	const struct query *q = &ctx->queries[i];
	bool special = q->asked.what | item->reserve | config->report_channel.len |
		       config->rate_limit.responses_per_s;
	struct reply r;
	reply_begin(&r, q, item->buf, reply_limit(item, q, config), &ctx->names);
	ctx->resolver.reply = &r;
	if (special)
		begin_special(ctx, config, item, i);
	write_sections(ctx, config, item, i);
	if (special && !end_special(ctx, config, item, i)) {
		drop(ctx, item, ANSWER_DROP_RATE);
		return;
	}
	item->verdict = ANSWER_REPLY;
	item->reply_len = (uint16_t)reply_finish(&r, q, config);
	unsigned rcode = r.rcode < ANSWER_RCODES - 1 ? r.rcode : ANSWER_RCODES - 1;
	count(&ctx->stats.answers, 1);
	count(&ctx->stats.by_rcode[rcode], 1);
	if (r.truncated)
		count(&ctx->stats.truncated, 1);
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
	ctx->resolver.denial.apex.zone = NULL;
	ctx->resolver.negative.zone = NULL;
	zone_find_burst(view, ctx->found, parse_all(ctx, items, n));
	find_denials(ctx, view, n);
	for (unsigned i = 0; i < n; i++)
		settle(ctx, config, &items[i], i);
	count(&ctx->stats.queries, n);
}

static struct answer_item single(const struct answer_peer *peer, uint8_t *buf, size_t query_len,
				 size_t capacity)
{
	assert(query_len <= UINT16_MAX);
	return (struct answer_item){
		.buf = buf,
		.query_len = (uint16_t)query_len,
		.capacity = (uint16_t)(capacity < UINT16_MAX ? capacity : UINT16_MAX),
		.peer = *peer,
	};
}

size_t answer(struct answer_ctx *ctx, const struct catalog *view, const struct answer_peer *peer,
	      uint8_t *buf, size_t query_len, size_t capacity)
{
	struct answer_item item = single(peer, buf, query_len, capacity);
	answer_burst(ctx, view, &item, 1);
	return item.reply_len;
}

size_t answer_error(struct answer_ctx *ctx, const struct answer_peer *peer, uint8_t *buf,
		    size_t query_len, uint16_t rcode)
{
	struct answer_item item = single(peer, buf, query_len, QUERY_UDP_OCTETS_MIN);
	enum query_fate fate = query_parse(&item, &ctx->queries[0]);
	if (fate != QUERY_SHORT && fate != QUERY_RESPONSE) {
		fate = QUERY_ERROR;
		ctx->queries[0].rcode = rcode;
	}
	ctx->fates[0] = (uint8_t)fate;
	settle(ctx, rcu_pointer_read(ctx->config), &item, 0);
	count(&ctx->stats.queries, 1);
	return item.reply_len;
}
