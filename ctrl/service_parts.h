// SPDX-License-Identifier: BSD-3-Clause
// What the parts of the kernel-socket service share: service.c (addresses and
// NOTIFY), service_udp.c, service_tcp.c.
#pragma once

#include <stdbool.h>

#include "loop.h"
#include "service.h"

#define SERVICE_MESSAGE_OCTETS 65535

struct connection;
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
	uint8_t *scratch;                   // one message with its length
};

// Whether this message is for service_notify rather than for answer().
bool service_is_notify(const uint8_t *msg, size_t len);
// Judges a NOTIFY, wakes the zone; returns the octets of the reply, 0 = none.
size_t service_notify(struct service *s, const struct answer_peer *peer, const uint8_t *msg,
		      size_t len, uint8_t reply[static NOTIFY_REPLY_OCTETS]);
void service_peer(struct answer_peer *out, const struct sockaddr *from,
		  enum answer_transport transport);

enum result udp_batch_new(struct udp_batch **out);
void udp_batch_free(struct udp_batch *b);
// Answers what has come to the listener's socket, a bounded number of batches.
void udp_serve(struct listener *l);

// False if there is no memory even to refuse: then the listener must begin anew.
bool tcp_accept(struct listener *l);
// Closes who made no progress for too long.
void tcp_sweep(struct service *s);
void tcp_close_all(struct service *s);
