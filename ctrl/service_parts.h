// SPDX-License-Identifier: BSD-3-Clause
// What the parts of the kernel-socket service share: service.c (addresses),
// service_udp.c, service_tcp.c, service_special.c (NOTIFY and signed queries).
#pragma once

#include <stdbool.h>

#include "loop.h"
#include "service.h"

#define SERVICE_MESSAGE_OCTETS 65535

// IPv6 without a jumbogram holds 65,535 octets of payload, less the UDP
// header; IPv4 less its own header as well. The lesser of the two.
#define SERVICE_UDP_OCTETS 65507

// Of the messages of a batch: so far apart that their heads do not share a cache set.
#define SERVICE_SLOT_OCTETS (2 + SERVICE_MESSAGE_OCTETS + 191)

struct connection;
struct tcp_batch;
struct udp_batch;

struct listener {
	struct service *service;
	struct config_address address;
	bool open;        // udp and tcp are; else it is tried again
	unsigned handles; // of udp and tcp, open or closing
	bool closing;     // goes with its last handle
	int udp_fd;
	uv_poll_t udp;
	uv_tcp_t tcp;
	struct listener *next;
};

struct service {
	struct service_options options;
	struct answer_ctx *answer;
	struct listener *listeners;
	uv_timer_t retry_timer; // for addresses that could not be had
	struct udp_batch *batch;
	struct log_limit log;
	struct service_stats stats;
	// TCP
	uv_timer_t idle_timer;
	unsigned max_connections;
	uint64_t idle_ms;
	struct connection *oldest, *newest; // by their last progress
	struct tcp_batch *tcp;
};

// What a message needs besides answer().
enum service_kind { SERVICE_PLAIN, SERVICE_NOTIFY, SERVICE_SIGNED };
enum service_kind service_kind_of(const uint8_t *msg, size_t len);

// Answers a message of the other kinds in place; `buf` has room for
// SERVICE_UDP_OCTETS or SERVICE_MESSAGE_OCTETS. Returns the reply's octets, 0 =
// none.
size_t service_special(struct service *s, enum service_kind kind, const struct answer_peer *peer,
		       uint8_t *buf, size_t len);

void service_peer(struct answer_peer *out, const struct sockaddr *from,
		  enum answer_transport transport);

enum result udp_batch_new(struct udp_batch **out);
void udp_batch_free(struct udp_batch *b);
// Answers what has come to the listener's socket, a bounded number of batches.
void udp_serve(struct listener *l);

enum result tcp_batch_new(struct tcp_batch **out);
void tcp_batch_free(struct tcp_batch *b);
// False if there is no memory even to refuse: then the listener must begin anew.
bool tcp_accept(struct listener *l);
// Closes who made no progress for too long.
void tcp_sweep(struct service *s);
void tcp_close_all(struct service *s);
