// SPDX-License-Identifier: BSD-3-Clause
// DNS over kernel sockets: TCP (RFC 7766), in order and pipelined.
//
// What one read brings is answered in bursts, each of which one system call writes.
// The room for that is the service's: a connection owns memory only for an incomplete
// message, or for replies that the kernel has not taken yet.
//
// A connection reads, or waits for its replies to be written, never both: so
// its memory is bounded by READ_OCTETS and by OUT_OCTETS_MAX of replies (or the first
// of them). Who makes no progress within the idle time, by a complete message or by
// taking all replies, is closed; so is the most idle one when another would come
// above the limit.
#include <stdlib.h>
#include <string.h>

#include "service_parts.h"

#define BATCH          ANSWER_BURST_MAX
#define READ_OCTETS    (2 + SERVICE_MESSAGE_OCTETS) // there is always room for a whole message
#define OUT_OCTETS_MAX 131072
#define EVICT_MS       1000 // idle for less is not idle

struct tcp_batch {
	uint8_t in[READ_OCTETS];
	uint8_t out[BATCH][SERVICE_SLOT_OCTETS]; // each a length and a message
	struct answer_item items[BATCH];
	uv_buf_t written[BATCH];
};

struct connection {
	uv_tcp_t tcp;
	uv_write_t write;
	struct service *service;
	struct connection *older, *newer;
	uint64_t progress_ms;
	bool writing;
	bool last; // to be closed once all is written
	bool closing;
	struct answer_peer peer;
	struct buffer in;  // what was read and not answered
	struct buffer out; // what the kernel is to take before anything else happens
};

static void serve(struct connection *c);

enum result tcp_batch_new(struct tcp_batch **out)
{
	struct tcp_batch *b = calloc(1, sizeof(*b));
	if (!b)
		return RESULT_NO_MEMORY;
	*out = b;
	return RESULT_OK;
}

void tcp_batch_free(struct tcp_batch *b)
{
	free(b);
}

// ---- the list, the one with the oldest progress first

static void list_remove(struct connection *c)
{
	struct service *s = c->service;
	*(c->older ? &c->older->newer : &s->oldest) = c->newer;
	*(c->newer ? &c->newer->older : &s->newest) = c->older;
	c->older = c->newer = NULL;
}

static void list_append(struct connection *c)
{
	struct service *s = c->service;
	c->older = s->newest;
	*(s->newest ? &s->newest->newer : &s->oldest) = c;
	s->newest = c;
}

static void note_progress(struct connection *c)
{
	c->progress_ms = uv_now(c->service->options.loop);
	list_remove(c);
	list_append(c);
}

// ---- ends

static void on_closed(uv_handle_t *handle)
{
	struct connection *c = handle->data;
	buffer_free(&c->in);
	buffer_free(&c->out);
	free(c);
}

static void close_connection(struct connection *c)
{
	if (c->closing)
		return;
	c->closing = true;
	list_remove(c);
	c->service->stats.tcp_open--;
	uv_close((uv_handle_t *)&c->tcp, on_closed);
}

void tcp_sweep(struct service *s)
{
	uint64_t now_ms = uv_now(s->options.loop);
	while (s->oldest && s->oldest->progress_ms + s->idle_ms <= now_ms) {
		s->stats.tcp_timeouts++;
		close_connection(s->oldest);
	}
}

void tcp_close_all(struct service *s)
{
	while (s->oldest)
		close_connection(s->oldest);
}

// ---- replies

static void on_written(uv_write_t *req, int status)
{
	struct connection *c = req->handle->data;
	c->writing = false;
	buffer_free(&c->out);
	if (c->closing)
		return;
	if (status < 0) {
		close_connection(c);
		return;
	}
	note_progress(c);
	serve(c);
}

// Keeps n replies without their first `taken` octets, and nothing is read until the
// kernel has taken them.
static enum result write_later(struct connection *c, unsigned n, size_t taken)
{
	const struct tcp_batch *b = c->service->tcp;
	for (unsigned i = 0; i < n; i++) {
		size_t len = b->written[i].len, skip = taken < len ? taken : len;
		taken -= skip;
		if (skip == len)
			continue;
		if (buffer_reserve(&c->out, len - skip))
			return RESULT_NO_MEMORY;
		memcpy(c->out.octets + c->out.len, b->written[i].base + skip, len - skip);
		c->out.len += len - skip;
	}
	uv_buf_t buf = uv_buf_init((char *)c->out.octets, (unsigned)c->out.len);
	if (uv_write(&c->write, (uv_stream_t *)&c->tcp, &buf, 1, on_written))
		return RESULT_IO;
	c->writing = true;
	uv_read_stop((uv_stream_t *)&c->tcp);
	return RESULT_OK;
}

static void write_replies(struct connection *c, unsigned n)
{
	const struct tcp_batch *b = c->service->tcp;
	size_t octets = 0;
	for (unsigned i = 0; i < n; i++)
		octets += b->written[i].len;
	int taken = n ? uv_try_write((uv_stream_t *)&c->tcp, b->written, n) : 0;
	if (taken == UV_EAGAIN)
		taken = 0;
	if (taken < 0 || ((size_t)taken < octets && write_later(c, n, (size_t)taken)))
		close_connection(c);
}

// ---- queries

// How many whole messages stand here, at most a burst of them or one that is not for
// answer_burst, which *kind tells. They are put where their replies are to stand.
static unsigned take_messages(struct connection *c, const uint8_t *octets, size_t len,
			      enum service_kind *kind)
{
	struct tcp_batch *b = c->service->tcp;
	unsigned n = 0;
	for (size_t at = 0; n < BATCH && len - at >= 2; n++) {
		size_t message_octets = wire_peek_be16(octets + at);
		const uint8_t *message = octets + at + 2;
		if (len - at < 2 + message_octets)
			break;
		*kind = service_kind_of(message, message_octets);
		if (*kind != SERVICE_PLAIN && n > 0)
			break;
		memcpy(b->out[n] + 2, message, message_octets);
		b->items[n] = (struct answer_item){ .buf = b->out[n] + 2,
						    .query_len = (uint16_t)message_octets,
						    .capacity = SERVICE_MESSAGE_OCTETS,
						    .peer = c->peer };
		at += 2 + message_octets;
		if (*kind != SERVICE_PLAIN)
			return 1;
	}
	*kind = SERVICE_PLAIN;
	return n;
}

static void answer_messages(struct connection *c, enum service_kind kind, unsigned n)
{
	struct service *s = c->service;
	struct answer_item *items = s->tcp->items;
	if (kind != SERVICE_PLAIN) {
		items->reply_len =
			(uint16_t)service_special(s, kind, &c->peer, items->buf, items->query_len);
		items->verdict = items->reply_len ? ANSWER_REPLY : ANSWER_DROP;
		return;
	}
	rcu_reader_online();
	answer_burst(s->answer, zonedb_view(s->options.db), items, n);
	rcu_reader_offline();
}

// Makes the replies ready to be written, as many as may wait to be; the messages behind
// those are answered again later. One without a reply means the end.
static unsigned put_replies(struct connection *c, unsigned n)
{
	struct tcp_batch *b = c->service->tcp;
	size_t octets = 0;
	for (unsigned i = 0; i < n; i++) {
		size_t len = b->items[i].reply_len;
		c->last = b->items[i].verdict != ANSWER_REPLY;
		if (c->last || (i > 0 && octets + 2 + len > OUT_OCTETS_MAX))
			return i;
		wire_poke_be16(b->out[i], (uint16_t)len);
		b->written[i] = uv_buf_init((char *)b->out[i], (unsigned)(2 + len));
		octets += 2 + len;
	}
	return n;
}

// Answers whole messages until the kernel takes no more; returns their octets.
static size_t answer_octets(struct connection *c, const uint8_t *octets, size_t len)
{
	enum service_kind kind;
	size_t at = 0;
	unsigned n;
	answer_ctx_set_time(c->service->answer, loop_time().unix_s);
	while (at < len && !c->last && !c->closing && !c->writing &&
	       (n = take_messages(c, octets + at, len - at, &kind))) {
		answer_messages(c, kind, n);
		n = put_replies(c, n);
		c->service->stats.tcp_messages += n + c->last;
		write_replies(c, n);
		for (; n; n--)
			at += 2u + wire_peek_be16(octets + at);
	}
	if (at && !c->closing)
		note_progress(c);
	return at;
}

// Keeps what could not be answered yet.
static void keep_rest(struct connection *c, const uint8_t *octets, size_t len)
{
	if (!len || c->closing)
		return;
	if (buffer_reserve(&c->in, len)) {
		close_connection(c);
		return;
	}
	memcpy(c->in.octets, octets, len);
	c->in.len = len;
}

// What was kept comes first into the room of the service; what is read, behind it.
static void lend_buffer(uv_handle_t *handle, size_t suggested, uv_buf_t *out)
{
	struct connection *c = handle->data;
	uint8_t *in = c->service->tcp->in;
	(void)suggested;
	*out = uv_buf_init((char *)in + c->in.len, (unsigned)(READ_OCTETS - c->in.len));
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
	struct connection *c = stream->data;
	uint8_t *in = c->service->tcp->in;
	(void)buf;
	if (n < 0) {
		close_connection(c);
		return;
	}
	if (n == 0)
		return;
	size_t kept = c->in.len, len = kept + (size_t)n;
	if (kept)
		memcpy(in, c->in.octets, kept);
	buffer_free(&c->in);
	size_t done = answer_octets(c, in, len);
	if (c->last && !c->writing)
		close_connection(c);
	keep_rest(c, in + done, len - done);
}

// Goes on with what was kept, once all replies are written; then reads.
static void serve(struct connection *c)
{
	buffer_consume(&c->in, answer_octets(c, c->in.octets, c->in.len));
	if (c->closing || c->writing)
		return;
	if (c->last || uv_read_start((uv_stream_t *)&c->tcp, lend_buffer, on_read))
		close_connection(c);
}

// ---- connections

// Makes room if the limit is reached and somebody is idle.
static bool may_come(struct service *s)
{
	if (s->stats.tcp_open < s->max_connections)
		return true;
	if (uv_now(s->options.loop) - s->oldest->progress_ms < EVICT_MS) {
		s->stats.tcp_refused++;
		return false;
	}
	s->stats.tcp_evicted++;
	close_connection(s->oldest);
	return true;
}

bool tcp_accept(struct listener *l)
{
	struct service *s = l->service;
	struct config_address from;
	int from_octets = sizeof(from);
	struct connection *c = calloc(1, sizeof(*c));
	if (!c)
		return false;
	uv_tcp_init(s->options.loop, &c->tcp);
	c->tcp.data = c;
	c->service = s;
	bool ok = uv_accept((uv_stream_t *)&l->tcp, (uv_stream_t *)&c->tcp) == 0 && may_come(s) &&
		  uv_tcp_getpeername(&c->tcp, &from.any, &from_octets) == 0;
	if (!ok) {
		uv_close((uv_handle_t *)&c->tcp, on_closed);
		return true;
	}
	uv_tcp_nodelay(&c->tcp, 1);
	service_peer(&c->peer, &from.any, ANSWER_TCP);
	s->stats.tcp_accepted++;
	s->stats.tcp_open++;
	list_append(c);
	note_progress(c);
	serve(c);
	return true;
}
