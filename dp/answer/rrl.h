// SPDX-License-Identifier: BSD-3-Clause
// Response rate limiting: what one network is answered in a second, class by class.
//
// An account for each network (client prefix) and class of answers gets credit
// every second and pays one for each answer; who is in debt is answered no more,
// or now and then with TC, so that a client that is really there comes by TCP.
// Debt is bounded by the window. (As BIND and NSD have it since 2012.)
// Threads: a table belongs to one thread. Ownership: rrl_new gives, rrl_free takes.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "understudy/answer.h"

enum rrl_class { RRL_POSITIVE, RRL_NODATA, RRL_NXDOMAIN, RRL_REFERRAL, RRL_ERROR };

enum rrl_verdict {
	RRL_SEND,
	RRL_SLIP, // not the answer, but that there is one
	RRL_DROP
};

struct rrl;

// A table of at least so many accounts; NULL without memory. It never grows: the
// accounts least recently used make room.
struct rrl *rrl_new(uint32_t accounts);
void rrl_free(struct rrl *table);

// One answer of the class is about to go to the peer.
enum rrl_verdict rrl_account(struct rrl *table, const struct answer_rate_limit *limit,
			     const struct answer_peer *peer, enum rrl_class class, uint64_t now_s);
