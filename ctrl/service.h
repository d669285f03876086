// SPDX-License-Identifier: BSD-3-Clause
// DNS over kernel sockets: TCP, and whatever UDP reaches the kernel.
//
// Purpose: answers on the configured addresses with the one answer function;
// hands NOTIFY to the zones. One socket per address and transport, so that a
// reply leaves from the address that was asked. RFC 1035 section 4.2, RFC 7766.
// Threads: the loop's, which is a registered RCU reader and offline whenever it
// calls in here. Ownership: service_new gives, service_free takes.
#pragma once

#include <uv.h>

#include "config.h"
#include "understudy/answer.h"
#include "zones.h"

struct service;

struct service_options {
	uv_loop_t *loop;
	const struct zonedb *db;
	struct zones *zones;
	const struct rcu_pointer *answer_config;
};

enum result service_new(const struct service_options *options, struct service **out);

// Closes everything; the loop must run on until its handles are closed.
void service_stop(struct service *s);
// After service_stop, once the loop has ended.
void service_free(struct service *s);

// Listens where `config` says, and no longer elsewhere. Addresses that this
// host does not have yet are listened on all the same. RESULT_OK, or RESULT_IO
// if an address cannot be had (it is logged, and tried again from time to
// time), or RESULT_NO_MEMORY.
enum result service_apply(struct service *s, const struct config *config);

struct service_stats {
	uint64_t udp_received;
	uint64_t udp_sent;
	uint64_t udp_unsent; // the kernel took no more, or refused
	uint64_t tcp_accepted;
	uint64_t tcp_refused;  // at the limit, nobody idle
	uint64_t tcp_evicted;  // idle ones that made room
	uint64_t tcp_timeouts; // idle, or slow to read
	uint64_t tcp_messages;
	uint64_t signed_ok;  // queries with TSIG
	uint64_t signed_bad; // of them not believed
	uint64_t notify[NOTIFY_VERDICT_COUNT];
	unsigned tcp_open;
};
const struct service_stats *service_stats(const struct service *s);
const struct answer_stats *service_answer_stats(const struct service *s);
