// SPDX-License-Identifier: BSD-3-Clause
// DNS over kernel sockets: UDP, in batches.
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "service_parts.h"

#define BATCH       ANSWER_BURST_MAX
#define BATCHES_MAX 8 // then the rest of the loop has its turn

struct udp_batch {
	uint8_t octets[BATCH][SERVICE_SLOT_OCTETS];
	struct mmsghdr in[BATCH];
	struct mmsghdr out[BATCH];
	struct iovec in_vec[BATCH];
	struct iovec out_vec[BATCH];
	struct config_address from[BATCH];
	struct answer_item items[BATCH];
};

enum result udp_batch_new(struct udp_batch **out)
{
	struct udp_batch *b = calloc(1, sizeof(*b));
	if (!b)
		return RESULT_NO_MEMORY;
	*out = b;
	return RESULT_OK;
}

void udp_batch_free(struct udp_batch *b)
{
	free(b);
}

static int receive(struct udp_batch *b, int fd)
{
	for (unsigned i = 0; i < BATCH; i++) {
		b->in_vec[i] = (struct iovec){ b->octets[i], SERVICE_MESSAGE_OCTETS };
		b->in[i].msg_hdr = (struct msghdr){ .msg_name = &b->from[i],
						    .msg_namelen = sizeof(b->from[i]),
						    .msg_iov = &b->in_vec[i],
						    .msg_iovlen = 1 };
	}
	return recvmmsg(fd, b->in, BATCH, MSG_DONTWAIT, NULL);
}

static void put_reply(struct udp_batch *b, unsigned *count, unsigned i, size_t len)
{
	unsigned at = (*count)++;
	b->out_vec[at] = (struct iovec){ b->octets[i], len };
	b->out[at].msg_hdr = (struct msghdr){ .msg_name = &b->from[i],
					      .msg_namelen = b->in[i].msg_hdr.msg_namelen,
					      .msg_iov = &b->out_vec[at],
					      .msg_iovlen = 1 };
}

// Answers the n queries that were received; returns the number of replies.
static unsigned answer_batch(struct service *s, unsigned n)
{
	struct udp_batch *b = s->batch;
	unsigned queries = 0, replies = 0;
	unsigned query_at[BATCH];
	for (unsigned i = 0; i < n; i++) {
		struct answer_item *item = &b->items[queries];
		size_t len = b->in[i].msg_len;
		*item = (struct answer_item){ .buf = b->octets[i],
					      .query_len = (uint16_t)len,
					      .capacity = SERVICE_UDP_OCTETS };
		service_peer(&item->peer, &b->from[i].any, ANSWER_UDP);
		enum service_kind kind = service_kind_of(b->octets[i], len);
		if (kind != SERVICE_PLAIN) {
			len = service_special(s, kind, &item->peer, b->octets[i], len);
			if (len)
				put_reply(b, &replies, i, len);
			continue;
		}
		query_at[queries++] = i;
	}
	rcu_reader_online();
	answer_burst(s->answer, zonedb_view(s->options.db), b->items, queries);
	rcu_reader_offline();
	for (unsigned q = 0; q < queries; q++) {
		if (b->items[q].verdict == ANSWER_REPLY)
			put_reply(b, &replies, query_at[q], b->items[q].reply_len);
	}
	return replies;
}

static void send_replies(struct service *s, int fd, unsigned n)
{
	unsigned at = 0;
	while (at < n) {
		int sent = sendmmsg(fd, s->batch->out + at, n - at, MSG_DONTWAIT);
		if (sent > 0) {
			s->stats.udp_sent += (unsigned)sent;
			at += (unsigned)sent;
		} else if (errno == EAGAIN) {
			s->stats.udp_unsent += n - at;
			return;
		} else if (errno != EINTR) { // says it of the first one: go on behind it
			s->stats.udp_unsent++;
			at++;
		}
	}
}

void udp_serve(struct listener *l)
{
	struct service *s = l->service;
	answer_ctx_set_time(s->answer, loop_time().unix_s);
	for (unsigned i = 0; i < BATCHES_MAX; i++) {
		int n = receive(s->batch, l->udp_fd);
		if (n <= 0)
			return;
		s->stats.udp_received += (unsigned)n;
		send_replies(s, l->udp_fd, answer_batch(s, (unsigned)n));
		if (n < BATCH)
			return;
	}
}
