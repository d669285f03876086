// SPDX-License-Identifier: BSD-3-Clause
// Response rate limiting: accounts in a fixed table, four to a cache line.
#include "rrl.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "siphash.h"

#define WAYS 4

struct account {
	uint32_t tag; // of the hash; 0 in both this and `at_s`: free
	uint32_t at_s;
	int32_t balance;
	uint32_t suppressed; // answers not sent since the account was opened
};

struct set {
	_Alignas(64) struct account account[WAYS];
};
static_assert(sizeof(struct set) == 64, "a set is one cache line");

struct rrl {
	uint32_t mask;
	struct set set[];
};

struct rrl *rrl_new(uint32_t accounts)
{
	uint32_t sets = 1;
	while (sets * WAYS < accounts && sets < UINT32_C(1) << 26)
		sets *= 2;
	size_t octets = sizeof(struct rrl) + sets * sizeof(struct set);
	struct rrl *table = aligned_alloc(_Alignof(struct set), octets);
	if (table) {
		memset(table, 0, octets);
		table->mask = sets - 1;
	}
	return table;
}

void rrl_free(struct rrl *table)
{
	free(table);
}

// The first `bits` bits of an address; the rest is 0.
static void cut(uint8_t out[16], const uint8_t *address, unsigned bits)
{
	memset(out, 0, 16);
	memcpy(out, address, bits / 8);
	if (bits % 8)
		out[bits / 8] = (uint8_t)(address[bits / 8] & (0xff00u >> (bits % 8)));
}

static bool is_exempt(const struct answer_rate_limit *limit, const struct answer_peer *peer)
{
	uint8_t network[16];
	for (unsigned i = 0; i < limit->exempt_count; i++) {
		const struct answer_prefix *p = &limit->exempt[i];
		if (p->family != peer->family)
			continue;
		cut(network, peer->address, p->prefix_len);
		if (memcmp(network, p->address, p->family == 4 ? 4 : 16) == 0)
			return true;
	}
	return false;
}

static uint64_t hash_of(const struct answer_rate_limit *limit, const struct answer_peer *peer,
			enum rrl_class class)
{
	uint8_t in[2 + 16];
	bool v4 = peer->family == 4;
	in[0] = peer->family;
	in[1] = (uint8_t) class;
	cut(in + 2, peer->address, v4 ? limit->ipv4_prefix_len : limit->ipv6_prefix_len);
	return siphash(limit->hash_key, in, v4 ? 2 + 4 : sizeof(in));
}

// The account of this tag, or the place for a new one, which it is then.
static struct account *find(struct set *set, uint32_t tag, uint32_t now_s, int32_t balance)
{
	struct account *oldest = &set->account[0];
	for (unsigned i = 0; i < WAYS; i++) {
		struct account *a = &set->account[i];
		if (a->tag == tag && a->at_s)
			return a;
		if (a->at_s < oldest->at_s ||
		    (a->at_s == oldest->at_s && a->balance > oldest->balance))
			oldest = a; // of the same second, the one that owes least
	}
	*oldest = (struct account){ .tag = tag, .at_s = now_s, .balance = balance };
	return oldest;
}

enum rrl_verdict rrl_account(struct rrl *table, const struct answer_rate_limit *limit,
			     const struct answer_peer *peer, enum rrl_class class, uint64_t now_s)
{
	if (is_exempt(limit, peer))
		return RRL_SEND;
	uint64_t hash = hash_of(limit, peer, class);
	const int64_t rate = limit->responses_per_s;
	struct account *a = find(&table->set[hash & table->mask], (uint32_t)(hash >> 32),
				 (uint32_t)now_s, (int32_t)rate);
	int64_t passed_s = (int64_t)(uint32_t)now_s - a->at_s;
	int64_t balance = a->balance + (passed_s > 0 ? passed_s * rate : 0);
	if (balance > rate)
		balance = rate;
	if (balance > -rate * limit->window_s)
		balance--;
	a->balance = (int32_t)balance;
	a->at_s = (uint32_t)now_s;
	if (balance >= 0)
		return RRL_SEND;
	a->suppressed++;
	return limit->slip && a->suppressed % limit->slip == 0 ? RRL_SLIP : RRL_DROP;
}
