// SPDX-License-Identifier: BSD-3-Clause
// Connections to primaries: each carries one exchange at a time, and is kept for the next.
#include "link.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "loop.h"

#define READ_OCTETS 65536
#define KEPT_MAX    256 // of all primaries together
#define KEPT_PRIMARY_MAX \
	64 // of one: as many as there may be exchanges at once, lest each
	   // of many zones leaves a port behind that waits for a minute
#define KEPT_MS       30000
#define SWEEP_MS      5000
#define CIPHER_OCTETS 4096  // sent at once
#define PLAIN_OCTETS  16384 // of a TLS record, at most

// What a connection with TLS has beside the socket.
struct cipher {
	struct tls *tls;
	bool open; // the caller was told
	uint8_t out[CIPHER_OCTETS];
};

struct link {
	struct links *links;
	struct link_options options; // without its pointers to addresses
	struct config_address primary, source;
	struct cipher *cipher; // NULL = without TLS
	bool connected, kept, writing;
	int error; // libuv's, once it failed
	uint64_t kept_ms;
	struct link *next; // among those that are kept, the latest first
	uv_tcp_t tcp;
	uv_connect_t connect;
	uv_write_t write;
	uint8_t query[LINK_SEND_MAX];
};

struct links {
	uv_loop_t *loop;
	uv_timer_t sweep;
	struct link *kept;
	unsigned kept_count;
	bool stopped;
};

// Lent to libuv for one read callback at a time, which empties it.
static char read_buffer[READ_OCTETS];

static void lend_buffer(uv_handle_t *handle, size_t suggested, uv_buf_t *out)
{
	(void)handle;
	(void)suggested;
	*out = uv_buf_init(read_buffer, sizeof(read_buffer));
}

static void free_link(struct link *link)
{
	if (link->cipher)
		tls_free(link->cipher->tls);
	free(link->cipher);
	tls_context_unref(link->options.tls);
	free(link);
}

static void on_closed(uv_handle_t *handle)
{
	free_link(handle->data);
}

static bool is_closing(const struct link *link)
{
	return uv_is_closing((const uv_handle_t *)&link->tcp);
}

// The primary is told of the end of TLS if that can be done at once.
static void say_farewell(struct link *link)
{
	struct cipher *c = link->cipher;
	tls_end(c->tls);
	size_t n = tls_output(c->tls, c->out, sizeof(c->out));
	uv_buf_t buf = uv_buf_init((char *)c->out, (unsigned)n);
	if (n)
		uv_try_write((uv_stream_t *)&link->tcp, &buf, 1);
}

static void close_link(struct link *link)
{
	if (is_closing(link))
		return;
	if (link->cipher && link->connected && !link->writing)
		say_farewell(link);
	uv_close((uv_handle_t *)&link->tcp, on_closed);
}

// ---- those that are kept

static void unlink_kept(struct link *link)
{
	struct link **at = &link->links->kept;
	while (*at != link)
		at = &(*at)->next;
	*at = link->next;
	link->links->kept_count--;
	link->kept = false;
}

static bool leads_to(const struct link *link, const struct link_options *o)
{
	static const struct config_address any;
	return config_address_equal(&link->primary, o->primary) &&
	       config_address_equal(&link->source, o->source ? o->source : &any) &&
	       tls_context_same(link->options.tls, o->tls);
}

static struct link *take_kept(struct links *links, const struct link_options *o)
{
	for (struct link *link = links->kept; link; link = link->next) {
		if (leads_to(link, o)) {
			struct tls_context *tls = link->options.tls;
			unlink_kept(link);
			link->options = *o;
			link->options.tls = tls;
			return link;
		}
	}
	return NULL;
}

static bool has_room(const struct link *link)
{
	const struct links *links = link->links;
	const struct link_options o = { .primary = &link->primary,
					.source = &link->source,
					.tls = link->options.tls };
	unsigned same = 0;
	for (const struct link *k = links->kept; k; k = k->next)
		same += leads_to(k, &o);
	return !links->stopped && links->kept_count < KEPT_MAX && same < KEPT_PRIMARY_MAX;
}

void link_keep(struct link *link)
{
	if (link->writing || !has_room(link)) {
		close_link(link);
		return;
	}
	link->kept = true;
	link->kept_ms = loop_time().monotonic_ms;
	link->next = link->links->kept;
	link->links->kept = link;
	link->links->kept_count++;
}

static void on_sweep(uv_timer_t *timer)
{
	struct links *links = timer->data;
	uint64_t now_ms = loop_time().monotonic_ms;
	for (struct link *link = links->kept, *next; link; link = next) {
		next = link->next;
		if (now_ms - link->kept_ms < KEPT_MS)
			continue;
		unlink_kept(link);
		close_link(link);
	}
}

// ---- one

static void fail(struct link *link, int status)
{
	link->error = status;
	if (link->kept) {
		unlink_kept(link);
		close_link(link);
	} else {
		link->options.failed(link->options.arg, status);
	}
}

static enum result send_cipher(struct link *link);

static void on_plain(struct link *link, const uint8_t *octets, size_t len)
{
	if (link->kept)
		fail(link, UV_EPROTO);
	else
		link->options.received(link->options.arg, octets, len);
}

// What TLS makes of the octets that came; a callback may close the link.
static void on_cipher(struct link *link, const uint8_t *octets, size_t len)
{
	static uint8_t plain[PLAIN_OCTETS]; // for one call at a time
	struct cipher *c = link->cipher;
	size_t n;
	tls_feed(c->tls, octets, len);
	if (!c->open && tls_status(c->tls) == TLS_OPEN) {
		c->open = true;
		link->options.opened(link->options.arg);
	}
	while (!is_closing(link) && (n = tls_read(c->tls, plain, sizeof(plain))))
		on_plain(link, plain, n);
	if (is_closing(link))
		return;
	send_cipher(link); // an alert, too
	if (tls_status(c->tls) == TLS_CLOSED)
		fail(link, UV_EOF);
	else if (tls_status(c->tls) == TLS_FAILED)
		fail(link, UV_EPROTO);
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
	struct link *link = stream->data;
	if (n == 0)
		return;
	if (n < 0 && link->cipher && tls_eof(link->cipher->tls) == TLS_FAILED)
		fail(link, UV_EPROTO);
	else if (n < 0)
		fail(link, (int)n);
	else if (link->cipher)
		on_cipher(link, (const uint8_t *)buf->base, (size_t)n);
	else
		on_plain(link, (const uint8_t *)buf->base, (size_t)n);
}

static void on_connected(uv_connect_t *request, int status)
{
	struct link *link = request->handle->data;
	if (status == UV_ECANCELED)
		return; // dropped
	link->connected = !status;
	if (!status)
		status = uv_read_start((uv_stream_t *)&link->tcp, lend_buffer, on_read);
	if (!status && link->cipher && send_cipher(link))
		status = UV_EIO;
	if (status)
		fail(link, status);
	else if (!link->cipher)
		link->options.opened(link->options.arg);
}

static void on_written(uv_write_t *request, int status)
{
	struct link *link = request->handle->data;
	link->writing = false;
	if (status == UV_ECANCELED || is_closing(link))
		return;
	if (status < 0 || (link->cipher && send_cipher(link)))
		fail(link, status < 0 ? status : UV_EIO);
}

static enum result write_octets(struct link *link, const uint8_t *octets, size_t len)
{
	uv_buf_t buf = uv_buf_init((char *)(uintptr_t)octets, (unsigned)len);
	if (uv_write(&link->write, (uv_stream_t *)&link->tcp, &buf, 1, on_written))
		return RESULT_IO;
	link->writing = true;
	return RESULT_OK;
}

// Sends what TLS has to say, part after part.
static enum result send_cipher(struct link *link)
{
	struct cipher *c = link->cipher;
	if (link->writing)
		return RESULT_OK;
	size_t n = tls_output(c->tls, c->out, sizeof(c->out));
	return n ? write_octets(link, c->out, n) : RESULT_OK;
}

static enum result link_new(struct links *links, const struct link_options *o, struct link **out)
{
	struct link *link = calloc(1, sizeof(*link));
	if (!link)
		return RESULT_NO_MEMORY;
	link->links = links;
	link->options = *o;
	link->primary = *o->primary;
	if (o->source)
		link->source = *o->source;
	if (o->tls) {
		tls_context_ref(o->tls);
		link->cipher = calloc(1, sizeof(*link->cipher));
	}
	if ((o->tls &&
	     (!link->cipher || tls_new(o->tls, loop_time().unix_s, &link->cipher->tls))) ||
	    uv_tcp_init(links->loop, &link->tcp)) {
		free_link(link);
		return RESULT_NO_MEMORY;
	}
	link->tcp.data = link;
	*out = link;
	return RESULT_OK;
}

enum result link_open(struct links *links, const struct link_options *options, struct link **out)
{
	struct link *link = options->fresh ? NULL : take_kept(links, options);
	if (link) {
		*out = link;
		return RESULT_OK;
	}
	enum result r = link_new(links, options, &link);
	if (r)
		return r;
	uv_tcp_nodelay(&link->tcp, 1);
	int e = options->source ? uv_tcp_bind(&link->tcp, &options->source->any, 0) : 0;
	if (!e)
		e = uv_tcp_connect(&link->connect, &link->tcp, &options->primary->any,
				   on_connected);
	if (e) {
		close_link(link);
		errno = -e;
		return RESULT_IO;
	}
	*out = link;
	return RESULT_OK;
}

bool link_is_kept(const struct link *link)
{
	return link->kept_ms != 0;
}

enum xfr_reason link_reason(const struct link *link, uint16_t *detail)
{
	const struct tls *tls = link->cipher ? link->cipher->tls : NULL;
	uint16_t error = link->error != UV_EOF ? (uint16_t)-link->error : 0;
	if (!link->connected) {
		*detail = link->error ? error : ETIMEDOUT;
		return XFR_REASON_CONNECT;
	}
	if (tls && tls_status(tls) == TLS_FAILED) {
		*detail = tls_detail(tls);
		return tls_reason(tls);
	}
	if (tls && !link->cipher->open) {
		*detail = TLS_DETAIL_TIMEOUT;
		return XFR_REASON_TLS;
	}
	*detail = error;
	return XFR_REASON_IO;
}

enum result link_send(struct link *link, const uint8_t *octets, size_t len)
{
	assert(len <= sizeof(link->query));
	if (link->cipher) {
		if (tls_write(link->cipher->tls, octets, len) != TLS_OPEN)
			return RESULT_IO;
		return send_cipher(link);
	}
	assert(!link->writing);
	memcpy(link->query, octets, len);
	return write_octets(link, link->query, len);
}

void link_drop(struct link *link)
{
	close_link(link);
}

// ---- all of them

enum result links_new(uv_loop_t *loop, struct links **out)
{
	struct links *links = calloc(1, sizeof(*links));
	if (!links)
		return RESULT_NO_MEMORY;
	links->loop = loop;
	uv_timer_init(loop, &links->sweep);
	links->sweep.data = links;
	uv_timer_start(&links->sweep, on_sweep, SWEEP_MS, SWEEP_MS);
	*out = links;
	return RESULT_OK;
}

void links_stop(struct links *links)
{
	links->stopped = true;
	while (links->kept) {
		struct link *link = links->kept;
		unlink_kept(link);
		close_link(link);
	}
	uv_close((uv_handle_t *)&links->sweep, NULL);
}

void links_free(struct links *links)
{
	free(links);
}
