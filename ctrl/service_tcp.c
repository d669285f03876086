// SPDX-License-Identifier: BSD-3-Clause
// DNS over kernel sockets: TCP (RFC 7766), in order and pipelined.
//
// A connection reads, or waits for its replies to be written, never both: so
// its memory is bounded by one incomplete message and OUT_OCTETS_MAX of replies
// (and the last of them). Who makes no progress within the idle time, by a
// complete message or by taking all replies, is closed; so is the most idle one
// when another would come above the limit.
#include <stdlib.h>
#include <string.h>

#include "service_parts.h"

#define READ_OCTETS    2048 // room for at least so much is offered to the kernel
#define KEEP_OCTETS    8192 // larger buffers are not kept while idle
#define OUT_OCTETS_MAX 131072
#define EVICT_MS       1000 // idle for less is not idle

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
	struct buffer in;
	struct buffer out;
};

static void serve(struct connection *c);

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
	c->out.len = 0;
	if (c->closing)
		return;
	if (status < 0) {
		close_connection(c);
		return;
	}
	note_progress(c);
	serve(c);
}

// Writes what stands in `out`; what the kernel does not take at once it is
// offered again later, and nothing is read until it has taken all.
static void flush(struct connection *c)
{
	uv_stream_t *stream = (uv_stream_t *)&c->tcp;
	uv_buf_t buf = uv_buf_init((char *)c->out.octets, (unsigned)c->out.len);
	int n = uv_try_write(stream, &buf, 1);
	if (n < 0 && n != UV_EAGAIN) {
		close_connection(c);
		return;
	}
	if (n > 0)
		buffer_consume(&c->out, (size_t)n);
	if (!c->out.len)
		return;
	buf = uv_buf_init((char *)c->out.octets, (unsigned)c->out.len);
	if (uv_write(&c->write, stream, &buf, 1, on_written)) {
		close_connection(c);
		return;
	}
	c->writing = true;
	uv_read_stop(stream);
}

// Puts the reply to one message behind `out`; none means the end.
static void answer_message(struct connection *c, const uint8_t *msg, size_t len)
{
	struct service *s = c->service;
	uint8_t *reply = s->scratch + 2;
	size_t reply_len;
	enum service_kind kind = service_kind_of(msg, len);
	s->stats.tcp_messages++;
	memcpy(reply, msg, len);
	if (kind != SERVICE_PLAIN) {
		reply_len = service_special(s, kind, &c->peer, reply, len);
	} else {
		rcu_reader_online();
		reply_len = answer(s->answer, zonedb_view(s->options.db), &c->peer, reply, len,
				   SERVICE_MESSAGE_OCTETS);
		rcu_reader_offline();
	}
	if (!reply_len || buffer_reserve(&c->out, 2 + reply_len)) {
		c->last = true;
		return;
	}
	wire_poke_be16(s->scratch, (uint16_t)reply_len);
	memcpy(c->out.octets + c->out.len, s->scratch, 2 + reply_len);
	c->out.len += 2 + reply_len;
}

// Answers the complete messages that were read, as many as `out` may hold.
static void answer_messages(struct connection *c)
{
	size_t at = 0;
	answer_ctx_set_time(c->service->answer, loop_time().unix_s);
	while (!c->last && c->in.len - at >= 2 && c->out.len < OUT_OCTETS_MAX) {
		size_t len = wire_peek_be16(c->in.octets + at);
		if (c->in.len - at < 2 + len)
			break;
		answer_message(c, c->in.octets + at + 2, len);
		at += 2 + len;
	}
	if (!at)
		return;
	buffer_consume(&c->in, at);
	note_progress(c);
}

// ---- queries

static void lend_buffer(uv_handle_t *handle, size_t suggested, uv_buf_t *out)
{
	struct connection *c = handle->data;
	(void)suggested;
	*out = uv_buf_init(NULL, 0); // libuv reports UV_ENOBUFS
	if (buffer_reserve(&c->in, READ_OCTETS) == RESULT_OK)
		*out = uv_buf_init((char *)c->in.octets + c->in.len,
				   (unsigned)(c->in.cap - c->in.len));
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
	struct connection *c = stream->data;
	(void)buf;
	if (n < 0) {
		close_connection(c);
		return;
	}
	c->in.len += (size_t)n;
	serve(c);
}

static void serve(struct connection *c)
{
	do {
		answer_messages(c);
		if (c->out.len)
			flush(c);
		if (c->closing || c->writing)
			return;
		if (c->last) {
			close_connection(c);
			return;
		}
		// Again, if messages were left for want of room in `out`.
	} while (c->in.len >= 2 && c->in.len >= 2u + wire_peek_be16(c->in.octets));
	if (!c->in.len && c->in.cap > KEEP_OCTETS)
		buffer_free(&c->in);
	if (c->out.cap > KEEP_OCTETS)
		buffer_free(&c->out);
	if (!uv_is_active((uv_handle_t *)&c->tcp) &&
	    uv_read_start((uv_stream_t *)&c->tcp, lend_buffer, on_read))
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
