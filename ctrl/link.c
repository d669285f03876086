// SPDX-License-Identifier: BSD-3-Clause
// Connections to primaries: each carries one exchange at a time, and is kept for the next.
#include "link.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "loop.h"

#define READ_OCTETS      65536
#define KEPT_MAX         256 // of all primaries together
#define KEPT_PRIMARY_MAX 8   // of one
#define KEPT_MS          30000
#define SWEEP_MS         5000

struct link {
	struct links *links;
	struct link_options options; // without its pointers to addresses
	struct config_address primary, source;
	bool kept, writing;
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

static void on_closed(uv_handle_t *handle)
{
	free(handle->data);
}

static void close_link(struct link *link)
{
	if (!uv_is_closing((uv_handle_t *)&link->tcp))
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
	       config_address_equal(&link->source, o->source ? o->source : &any);
}

static struct link *take_kept(struct links *links, const struct link_options *o)
{
	for (struct link *link = links->kept; link; link = link->next) {
		if (leads_to(link, o)) {
			unlink_kept(link);
			link->options = *o;
			return link;
		}
	}
	return NULL;
}

static bool has_room(const struct link *link)
{
	const struct links *links = link->links;
	const struct link_options o = { .primary = &link->primary, .source = &link->source };
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
	if (link->kept) {
		unlink_kept(link);
		close_link(link);
	} else {
		link->options.failed(link->options.arg, status);
	}
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
	struct link *link = stream->data;
	if (n == 0)
		return;
	if (n < 0 || link->kept)
		fail(link, (int)n);
	else
		link->options.received(link->options.arg, (const uint8_t *)buf->base, (size_t)n);
}

static void on_connected(uv_connect_t *request, int status)
{
	struct link *link = request->handle->data;
	if (status == UV_ECANCELED)
		return; // dropped
	if (!status)
		status = uv_read_start((uv_stream_t *)&link->tcp, lend_buffer, on_read);
	if (status)
		link->options.failed(link->options.arg, status);
	else
		link->options.opened(link->options.arg);
}

static void on_written(uv_write_t *request, int status)
{
	struct link *link = request->handle->data;
	link->writing = false;
	if (status < 0 && status != UV_ECANCELED)
		fail(link, status);
}

enum result link_open(struct links *links, const struct link_options *options, struct link **out)
{
	struct link *link = options->fresh ? NULL : take_kept(links, options);
	if (link) {
		*out = link;
		return RESULT_OK;
	}
	link = calloc(1, sizeof(*link));
	if (!link || uv_tcp_init(links->loop, &link->tcp)) {
		free(link);
		return RESULT_NO_MEMORY;
	}
	link->links = links;
	link->options = *options;
	link->primary = *options->primary;
	if (options->source)
		link->source = *options->source;
	link->tcp.data = link;
	uv_tcp_nodelay(&link->tcp, 1);
	if ((options->source && uv_tcp_bind(&link->tcp, &options->source->any, 0)) ||
	    uv_tcp_connect(&link->connect, &link->tcp, &options->primary->any, on_connected)) {
		close_link(link);
		return RESULT_IO;
	}
	*out = link;
	return RESULT_OK;
}

bool link_is_kept(const struct link *link)
{
	return link->kept_ms != 0;
}

enum result link_send(struct link *link, const uint8_t *octets, size_t len)
{
	assert(!link->writing && len <= sizeof(link->query));
	memcpy(link->query, octets, len);
	uv_buf_t buf = uv_buf_init((char *)link->query, (unsigned)len);
	if (uv_write(&link->write, (uv_stream_t *)&link->tcp, &buf, 1, on_written))
		return RESULT_IO;
	link->writing = true;
	return RESULT_OK;
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
