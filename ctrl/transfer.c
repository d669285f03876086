// SPDX-License-Identifier: BSD-3-Clause
// One exchange with a primary over libuv: the sockets and timers around an xfr.
//
//   start -> UDP (not AXFR; asked UDP_TRIES times) -> TCP -> over
//
// Each stage has an engine of its own, and so an id of its own. Over UDP
// nothing is final but a believable answer: whatever else happens there, TCP
// is asked as well. A connection that was kept may have ended by the time it is
// used, even without a word to us: what fails on one before any response came, by
// silence too, is tried on a fresh one.
#include "transfer.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "loop.h"
#include "understudy/rr.h"

#define UDP_TRIES    3
#define UDP_TRY_MS   1500 // the first; each next one waits so much longer
#define UDP_TOTAL_MS 9000
#define SOA_TCP_MS   15000
#define SILENT_MS    1000 // a refusal comes sooner

enum stage { STAGE_START, STAGE_UDP, STAGE_CONNECT, STAGE_STREAM, STAGE_OVER };

struct transfer {
	enum stage stage;
	struct xfr *engine;
	struct name apex;
	struct transfer_options options;
	struct config_transfer limits;
	struct tsig_key key;
	struct soa base;
	bool heard;    // something came over UDP
	bool plain;    // EDNS was refused
	bool fresh;    // a connection that was kept was of no use
	bool streamed; // UDP, if at all, is behind us
	uint64_t began_ms;
	uint64_t next_ms; // UDP: next try; CONNECT: when patience ends
	unsigned tries;
	unsigned handles; // open or closing; the last one to close frees
	bool closed;      // by the owner
	bool udp_open;
	struct link *link;
	uint16_t detail; // of a reason of TLS
	uv_timer_t timer;
	uv_udp_t udp;
};

// Lent to libuv for one read callback at a time, which empties it.
static char read_buffer[UINT16_MAX];

static void lend_buffer(uv_handle_t *handle, size_t suggested, uv_buf_t *out)
{
	(void)handle;
	(void)suggested;
	*out = uv_buf_init(read_buffer, sizeof(read_buffer));
}

// ---- ends

static void on_closed(uv_handle_t *handle)
{
	struct transfer *t = handle->data;
	if (--t->handles || !t->closed)
		return;
	explicit_bzero(&t->key, sizeof(t->key));
	tls_context_unref(t->options.tls);
	free(t);
}

static void close_sockets(struct transfer *t)
{
	if (t->udp_open)
		uv_close((uv_handle_t *)&t->udp, on_closed);
	t->udp_open = false;
	if (t->link && t->engine && xfr_clean(t->engine))
		link_keep(t->link);
	else if (t->link)
		link_drop(t->link);
	t->link = NULL;
}

static void finish(struct transfer *t)
{
	if (t->stage == STAGE_OVER)
		return;
	t->stage = STAGE_OVER;
	close_sockets(t);
	uv_timer_stop(&t->timer);
	t->options.done(t->options.arg, t);
}

void transfer_close(struct transfer *t)
{
	assert(!t->closed);
	t->closed = true;
	t->stage = STAGE_OVER;
	close_sockets(t);
	uv_close((uv_handle_t *)&t->timer, on_closed);
	// At once, so that the zone's next transaction can begin.
	xfr_free(t->engine);
	t->engine = NULL;
}

enum xfr_reason transfer_reason(const struct transfer *t)
{
	return t->engine ? xfr_reason(t->engine) : XFR_REASON_NO_MEMORY;
}

uint16_t transfer_detail(const struct transfer *t)
{
	return t->detail;
}

bool transfer_silent(const struct transfer *t)
{
	enum xfr_reason reason = transfer_reason(t);
	return (reason == XFR_REASON_CONNECT || reason == XFR_REASON_TLS) &&
	       transfer_elapsed_ms(t) > SILENT_MS;
}

bool transfer_mute(const struct transfer *t)
{
	enum xfr_reason reason = transfer_reason(t);
	return (reason == XFR_REASON_TIMEOUT || reason == XFR_REASON_LIMIT_DURATION) &&
	       t->streamed && xfr_stats(t->engine)->messages == 0;
}

bool transfer_streamed(const struct transfer *t)
{
	return t->streamed;
}

bool transfer_deaf_to_udp(const struct transfer *t)
{
	return t->tries == UDP_TRIES && !t->heard && t->streamed && t->engine &&
	       xfr_stats(t->engine)->messages;
}

bool transfer_plain(const struct transfer *t)
{
	return t->plain;
}

bool transfer_keyed(const struct transfer *t)
{
	return t->options.key;
}

bool transfer_encrypted(const struct transfer *t)
{
	return t->options.tls;
}

struct xfr *transfer_engine(const struct transfer *t)
{
	return t->engine;
}

uint64_t transfer_elapsed_ms(const struct transfer *t)
{
	return loop_time().monotonic_ms - t->began_ms;
}

// ---- stages

static void start_tcp(struct transfer *t);
static bool new_engine(struct transfer *t, bool udp);
static void send_datagram(struct transfer *t);

// Whether an answer over TCP may be better than what UDP brought.
static bool tcp_may_help(enum xfr_reason reason)
{
	return reason != XFR_REASON_REFUSED && reason != XFR_REASON_NOTAUTH &&
	       reason != XFR_REASON_RCODE && reason != XFR_REASON_NO_MEMORY;
}

// Old servers answer FORMERR or NOTIMP to a query with EDNS (RFC 6891 section 7).
static bool edns_is_refused(const struct transfer *t)
{
	uint16_t rcode = xfr_rcode(t->engine);
	return t->options.edns && !t->plain && xfr_reason(t->engine) == XFR_REASON_RCODE &&
	       (rcode == RCODE_FORMERR || rcode == RCODE_NOTIMP);
}

static void ask_plainly(struct transfer *t)
{
	t->plain = true;
	if (t->stage != STAGE_UDP)
		start_tcp(t);
	else if (new_engine(t, true))
		send_datagram(t);
}

static bool was_left(const struct transfer *t)
{
	return t->link && link_is_kept(t->link) && xfr_stats(t->engine)->messages == 0;
}

static void arm(struct transfer *t)
{
	uint64_t now_ms = loop_time().monotonic_ms, at_ms = xfr_deadline_ms(t->engine);
	if ((t->stage == STAGE_UDP || t->stage == STAGE_CONNECT) && t->next_ms < at_ms)
		at_ms = t->next_ms;
	if (at_ms == UINT64_MAX)
		uv_timer_stop(&t->timer);
	else
		uv_timer_start(&t->timer, t->timer.timer_cb, at_ms > now_ms ? at_ms - now_ms : 0,
			       0);
}

static void advance(struct transfer *t, enum xfr_status status)
{
	if (t->stage == STAGE_OVER)
		return;
	if (status == XFR_MORE) {
		arm(t);
	} else if (status == XFR_FAILED && edns_is_refused(t)) {
		ask_plainly(t);
	} else if (status == XFR_FAILED && was_left(t)) {
		t->fresh = true;
		start_tcp(t);
	} else if (status == XFR_FAILED && t->stage == STAGE_UDP &&
		   tcp_may_help(xfr_reason(t->engine))) {
		start_tcp(t);
	} else {
		finish(t);
	}
}

// A fresh engine for the stage; false (and finished) if memory ran out.
static bool new_engine(struct transfer *t, bool udp)
{
	bool soa = t->options.kind == XFR_SOA;
	uint32_t idle_ms = t->limits.idle_s * 1000u;
	struct xfr_options o = {
		.kind = t->options.kind,
		.apex = t->apex.wire,
		.id = (uint16_t)loop_random(),
		.udp = udp,
		.edns = t->options.edns && !t->plain,
		.dnssec = t->options.dnssec,
		.base = t->options.base,
		.budget = t->options.budget,
		.refuse_out_of_zone = t->options.refuse_out_of_zone,
		.key = t->options.key,
		.db = t->options.db,
		.max_records = t->limits.max_records,
		.max_octets = (uint64_t)t->limits.max_mib << 20,
		.max_duration_ms = udp   ? UDP_TOTAL_MS
				   : soa ? 0
					 : t->limits.max_s * 1000,
		.max_idle_ms = udp                           ? 0
			       : soa && idle_ms > SOA_TCP_MS ? SOA_TCP_MS
							     : idle_ms,
	};
	xfr_free(t->engine);
	t->engine = NULL;
	if (xfr_new(&o, loop_time(), &t->engine) == RESULT_OK)
		return true;
	t->engine = NULL;
	finish(t);
	return false;
}

// ---- UDP

static void on_datagram(uv_udp_t *udp, ssize_t n, const uv_buf_t *buf, const struct sockaddr *from,
			unsigned flags)
{
	struct transfer *t = udp->data;
	if (t->stage != STAGE_UDP || (n == 0 && !from))
		return;
	t->heard = true;
	if (n < 0) { // an ICMP error, say
		advance(t, xfr_fail(t->engine, XFR_REASON_IO));
		return;
	}
	enum xfr_status status = XFR_MORE;
	if (!(flags & UV_UDP_PARTIAL))
		status =
			xfr_datagram(t->engine, (const uint8_t *)buf->base, (size_t)n, loop_time());
	// Anybody may have forged what was not believed; TCP will tell.
	if (status == XFR_MORE)
		start_tcp(t);
	else
		advance(t, status);
}

static void send_datagram(struct transfer *t)
{
	size_t len;
	const uint8_t *query = xfr_query(t->engine, &len);
	uv_buf_t buf = uv_buf_init((char *)(uintptr_t)query, (unsigned)len);
	t->tries++;
	t->next_ms = t->tries < UDP_TRIES
			     ? loop_time().monotonic_ms + (uint64_t)UDP_TRY_MS * t->tries
			     : UINT64_MAX;
	int e = uv_udp_try_send(&t->udp, &buf, 1, NULL);
	if (e < 0 && e != UV_EAGAIN)
		advance(t, xfr_fail(t->engine, XFR_REASON_IO));
	else
		arm(t);
}

static void start_udp(struct transfer *t)
{
	if (!new_engine(t, true))
		return;
	t->stage = STAGE_UDP;
	if (uv_udp_init(t->options.loop, &t->udp)) {
		advance(t, xfr_fail(t->engine, XFR_REASON_IO));
		return;
	}
	t->udp.data = t;
	t->udp_open = true;
	t->handles++;
	if ((t->options.source.any.sa_family != AF_UNSPEC &&
	     uv_udp_bind(&t->udp, &t->options.source.any, 0)) ||
	    uv_udp_connect(&t->udp, &t->options.primary.any) ||
	    uv_udp_recv_start(&t->udp, lend_buffer, on_datagram)) {
		advance(t, xfr_fail(t->engine, XFR_REASON_IO));
		return;
	}
	send_datagram(t);
}

// ---- TCP

static void on_received(void *arg, const uint8_t *octets, size_t len)
{
	struct transfer *t = arg;
	advance(t, xfr_feed(t->engine, octets, len, loop_time()));
}

static void on_link_failed(void *arg, int status)
{
	struct transfer *t = arg;
	if (t->stage == STAGE_STREAM && status == UV_EOF)
		advance(t, xfr_eof(t->engine));
	else
		advance(t, xfr_fail(t->engine, link_reason(t->link, &t->detail)));
}

static void on_opened(void *arg)
{
	struct transfer *t = arg;
	size_t len;
	const uint8_t *query = xfr_query(t->engine, &len);
	t->stage = STAGE_STREAM;
	if (link_send(t->link, query, len))
		advance(t, xfr_fail(t->engine, XFR_REASON_IO));
	else
		arm(t);
}

static void start_tcp(struct transfer *t)
{
	const struct config_address *source = &t->options.source;
	struct link_options o = {
		.primary = &t->options.primary,
		.source = source->any.sa_family == AF_UNSPEC ? NULL : source,
		.tls = t->options.tls,
		.fresh = t->fresh,
		.opened = on_opened,
		.received = on_received,
		.failed = on_link_failed,
		.arg = t,
	};
	close_sockets(t);
	if (!new_engine(t, false))
		return;
	t->detail = 0;
	t->streamed = true;
	t->stage = STAGE_CONNECT;
	t->next_ms = loop_time().monotonic_ms + t->limits.connect_s * 1000u;
	enum result r = link_open(t->options.links, &o, &t->link);
	if (r) {
		t->link = NULL;
		t->detail = (uint16_t)(r == RESULT_IO ? errno : ENOMEM);
		advance(t, xfr_fail(t->engine, XFR_REASON_CONNECT));
	} else if (link_is_kept(t->link)) {
		on_opened(t);
	} else {
		arm(t);
	}
}

// ---- time

static void on_timer(uv_timer_t *timer)
{
	struct transfer *t = timer->data;
	struct xfr_time now = loop_time();
	bool due = now.monotonic_ms >= t->next_ms;
	if (t->stage == STAGE_START && t->options.udp && !t->options.tls)
		start_udp(t);
	else if (t->stage == STAGE_START)
		start_tcp(t);
	else if (t->stage == STAGE_CONNECT && due)
		advance(t, xfr_fail(t->engine, link_reason(t->link, &t->detail)));
	else if (t->stage == STAGE_UDP && due)
		send_datagram(t);
	else if (t->stage != STAGE_OVER)
		advance(t, xfr_tick(t->engine, now));
}

enum result transfer_start(const struct transfer_options *options, struct transfer **out)
{
	struct transfer *t = calloc(1, sizeof(*t));
	if (!t)
		return RESULT_NO_MEMORY;
	t->options = *options;
	t->limits = *options->limits;
	name_copy(&t->apex, options->apex);
	t->options.apex = t->apex.wire;
	if (options->key) {
		t->key = *options->key;
		t->options.key = &t->key;
	}
	if (options->base) {
		t->base = *options->base;
		t->options.base = &t->base;
	}
	if (options->tls)
		tls_context_ref(options->tls);
	t->options.limits = &t->limits;
	t->began_ms = loop_time().monotonic_ms;
	t->handles = 1;
	uv_timer_init(options->loop, &t->timer);
	t->timer.data = t;
	uv_timer_start(&t->timer, on_timer, 0, 0);
	*out = t;
	return RESULT_OK;
}
