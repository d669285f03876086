// SPDX-License-Identifier: BSD-3-Clause
// The answer path: DNS query bytes in, DNS reply bytes out, in place.
//
// Purpose: one answer function for the network card, the kernel sockets, the
// tests and the fuzzers. It takes no lock, reads no clock, allocates nothing,
// logs nothing, makes no system call. RFC 1034 section 4.3.2, 2308, 6891, 7873,
// 8914, 9619.
// Threads: one context per thread; its counters are written by that thread only
// and may be read by any (relaxed). Lifetime: views as in understudy/zone.h.
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "understudy/name.h"
#include "understudy/rcu.h"
#include "understudy/zone.h"

#define ANSWER_EDNS_UDP_DEFAULT 1232
#define ANSWER_BURST_MAX        32
#define ANSWER_TEXT_MAX         255
// So that every option fits into 512 octets behind the longest question.
#define ANSWER_NSID_MAX             128
#define ANSWER_COOKIE_SECRETS_MAX   4
#define ANSWER_COOKIE_SECRET_OCTETS 16

#define ANSWER_RATE_EXEMPT_MAX    32
#define ANSWER_RATE_TABLE_DEFAULT 32768 // accounts
#define ANSWER_RATE_PER_S_MAX     100000
#define ANSWER_RATE_WINDOW_MAX_S  3600

// Addresses in network byte order; behind the prefix they are 0.
struct answer_prefix {
	uint8_t family; // 4 or 6
	uint8_t prefix_len;
	uint8_t address[16];
};

// Response rate limiting over UDP, by each context for itself.
struct answer_rate_limit {
	uint32_t responses_per_s; // to one network, of one class; 0 = no limit
	uint16_t window_s;        // debt reaches so far back; at least 1
	uint16_t slip;            // one of so many suppressed answers goes out with TC; 0 = none
	uint8_t ipv4_prefix_len;
	uint8_t ipv6_prefix_len;
	uint8_t exempt_count;
	uint32_t table_accounts; // of a context made from now on; 0 = ANSWER_RATE_TABLE_DEFAULT
	uint8_t hash_key[16];    // secret
	struct answer_prefix exempt[ANSWER_RATE_EXEMPT_MAX];
};

// Server-wide settings, published like a snapshot so that a reload is one swap.
struct answer_config {
	struct rcu_retired retired;
	uint16_t edns_udp_octets; // our EDNS buffer size, 512 to 65535
	bool cross_zone_aliases;  // CNAME and DNAME are followed from one zone to another
	bool cookie_required;     // over UDP, of clients that send cookies (BADCOOKIE)
	uint8_t cookie_secrets;   // 0 = no cookies; the first makes them, all know them
	uint8_t identity_len;     // CHAOS TXT id.server and hostname.bind; 0 = REFUSED
	uint8_t version_len;      // CHAOS TXT version.server and version.bind; 0 = REFUSED
	uint8_t nsid_len;         // NSID (RFC 5001); 0 = not answered
	uint16_t tcp_idle_100ms;  // told by tcp-keepalive (RFC 7828); 0 = not answered
	// Whether there is a limit is read for each reply: it stands in the first cache line.
	struct answer_rate_limit rate_limit;
	struct name report_channel; // agent domain (RFC 9567); len 0 = none
	uint8_t cookie_secret[ANSWER_COOKIE_SECRETS_MAX][ANSWER_COOKIE_SECRET_OCTETS];
	uint8_t nsid[ANSWER_NSID_MAX];
	char identity[ANSWER_TEXT_MAX];
	char version[ANSWER_TEXT_MAX];
};

enum answer_transport { ANSWER_UDP, ANSWER_TCP };

// Who asks. Addresses in network byte order.
struct answer_peer {
	uint8_t transport; // enum answer_transport
	uint8_t family;    // 4 or 6
	uint16_t port_be;
	bool verified; // it has signed the query: its address is true
	uint8_t address[16];
};

enum answer_verdict {
	ANSWER_REPLY, // reply_len octets stand in buf
	ANSWER_DROP,  // nothing may be sent: see `dropped` counters
	ANSWER_PUNT   // not for the fast path; buf is unchanged (items with may_punt)
};

struct answer_item {
	uint8_t *buf;       // the query; the reply overwrites it
	uint16_t query_len; // octets of the query
	uint16_t capacity;  // octets that a reply may have, transport limit included, at
			   // least 512; the buffer has at least as many. Over UDP the client's EDNS
			   // size and ours bound it further.
	bool may_punt;      // give back ANSWER_PUNT for opcodes other than QUERY and for TSIG
	uint16_t reserve;   // octets of the capacity that a signature will take: where that
			    // leaves too little, nothing but the question is sent, with TC (RFC
			    // 8945 section 5.3)
	uint8_t verdict;    // out: enum answer_verdict
	uint16_t reply_len; // out
	struct answer_peer peer;
};

enum answer_drop {
	ANSWER_DROP_SHORT,    // under 12 octets: no id to answer to
	ANSWER_DROP_RESPONSE, // QR=1
	ANSWER_DROP_RATE,     // its network is answered too often
	ANSWER_DROP_COUNT
};
const char *answer_drop_text(enum answer_drop d);

#define ANSWER_RCODES 25 // BADCOOKIE is the last that has a place of its own

// Counters of one context: plain relaxed stores by the owner, loads by any.
struct answer_stats {
	_Atomic uint64_t queries; // messages taken in: answers + dropped + punted
	_Atomic uint64_t answers;
	_Atomic uint64_t by_rcode[ANSWER_RCODES]; // the last one counts the rest
	_Atomic uint64_t truncated;
	_Atomic uint64_t slipped; // of them in place of an answer, by rate limiting
	_Atomic uint64_t dropped[ANSWER_DROP_COUNT];
	_Atomic uint64_t punted;
	_Atomic uint64_t tcp; // of the queries
};

struct answer_ctx;

// `config` is read now and at each burst; it must be published, and outlive the
// context.
struct answer_ctx *answer_ctx_new(const struct rcu_pointer *config);
void answer_ctx_free(struct answer_ctx *ctx);
const struct answer_stats *answer_ctx_stats(const struct answer_ctx *ctx);

// Coarse time, set by the owner once a burst or a wake-up (seconds, UNIX epoch).
void answer_ctx_set_time(struct answer_ctx *ctx, uint64_t now_s);

// Answers n queries (at most ANSWER_BURST_MAX). Requires an online reader.
void answer_burst(struct answer_ctx *ctx, const struct catalog *view, struct answer_item *items,
		  unsigned n);

// Answers one with `rcode` and nothing else, in the form of any other reply.
size_t answer_error(struct answer_ctx *ctx, const struct answer_peer *peer, uint8_t *buf,
		    size_t query_len, uint16_t rcode);

// The same for one; returns the reply's length, 0 = send nothing.
size_t answer(struct answer_ctx *ctx, const struct catalog *view, const struct answer_peer *peer,
	      uint8_t *buf, size_t query_len, size_t capacity);
