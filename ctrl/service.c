// SPDX-License-Identifier: BSD-3-Clause
// DNS over kernel sockets: addresses, and what both transports share.
#include "service.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "service_parts.h"

#define RETRY_MS           2000
#define SWEEP_MS           500
#define TCP_BACKLOG        256
#define UDP_RECEIVE_OCTETS (4 << 20)
#define FILES_KEPT         256

void service_peer(struct answer_peer *out, const struct sockaddr *from,
		  enum answer_transport transport)
{
	*out = (struct answer_peer){ .transport = (uint8_t)transport };
	if (from->sa_family == AF_INET) {
		const struct sockaddr_in *v4 = (const void *)from;
		out->family = 4;
		out->port_be = v4->sin_port;
		memcpy(out->address, &v4->sin_addr, 4);
	} else {
		const struct sockaddr_in6 *v6 = (const void *)from;
		out->family = 6;
		out->port_be = v6->sin6_port;
		memcpy(out->address, &v6->sin6_addr, 16);
	}
}

// ---- addresses

static bool set_option(int fd, int level, int name, int value)
{
	return setsockopt(fd, level, name, &value, sizeof(value)) == 0;
}

// A bound socket; -1 and errno if it cannot be. The address need not be this
// host's yet: the exception interface of a port comes up later.
static int bound_socket(const struct config_address *a, int type)
{
	bool v4 = a->any.sa_family == AF_INET;
	int fd = socket(a->any.sa_family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -1;
	bool ok = v4 ? set_option(fd, IPPROTO_IP, IP_FREEBIND, 1)
		     : set_option(fd, IPPROTO_IPV6, IPV6_FREEBIND, 1) &&
				  set_option(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1);
	if (type == SOCK_STREAM)
		ok = ok && set_option(fd, SOL_SOCKET, SO_REUSEADDR, 1);
	else // what routers claim of the path's MTU is not believed: replies are small
		ok = ok &&
		     (v4 ? set_option(fd, IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_OMIT)
			 : set_option(fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER, IPV6_PMTUDISC_OMIT));
	if (ok && bind(fd, &a->any, config_address_octets(a)) == 0)
		return fd;
	int saved = errno;
	close(fd);
	errno = saved;
	return -1;
}

static void on_listener_closed(uv_handle_t *handle)
{
	struct listener *l = handle->data;
	if ((uv_poll_t *)handle == &l->udp)
		close(l->udp_fd);
	if (--l->handles == 0 && l->closing)
		free(l);
}

static void close_handles(struct listener *l)
{
	if (!l->open)
		return;
	l->open = false;
	uv_close((uv_handle_t *)&l->udp, on_listener_closed);
	uv_close((uv_handle_t *)&l->tcp, on_listener_closed);
}

// What lasts must not be tried at once, again and again.
static void begin_anew(struct listener *l)
{
	uv_timer_t *retry = &l->service->retry_timer;
	close_handles(l);
	uv_timer_start(retry, retry->timer_cb, RETRY_MS, 0);
}

// libuv has given up polling then.
static void on_udp(uv_poll_t *poll, int status, int events)
{
	if (status)
		begin_anew(poll->data);
	else if (events & UV_READABLE)
		udp_serve(poll->data);
}

static void on_connection(uv_stream_t *stream, int status)
{
	struct listener *l = stream->data;
	char text[CONFIG_ADDRESS_TEXT];
	if (status == 0 && tcp_accept(l))
		return;
	log_limited(&l->service->log, LOG_LEVEL_ERROR, "cannot accept on %s: %s",
		    config_address_text(&l->address, text),
		    uv_strerror(status ? status : UV_ENOMEM));
	begin_anew(l);
}

// libuv takes both sockets over. Returns 0 or its error.
static int open_handles(struct listener *l, int udp_fd, int tcp_fd)
{
	uv_loop_t *loop = l->service->options.loop;
	int e = uv_poll_init(loop, &l->udp, udp_fd);
	if (e) {
		close(udp_fd);
		close(tcp_fd);
		return e;
	}
	uv_tcp_init(loop, &l->tcp);
	l->udp.data = l->tcp.data = l;
	l->udp_fd = udp_fd;
	l->handles = 2;
	l->open = true;
	e = uv_tcp_open(&l->tcp, tcp_fd);
	if (e)
		close(tcp_fd);
	if (!e)
		e = uv_listen((uv_stream_t *)&l->tcp, TCP_BACKLOG, on_connection);
	if (!e)
		e = uv_poll_start(&l->udp, UV_READABLE, on_udp);
	if (e)
		close_handles(l);
	return e;
}

static enum result open_listener(struct listener *l)
{
	char text[CONFIG_ADDRESS_TEXT];
	const char *what = "UDP";
	int e, udp_fd, tcp_fd = -1;
	if (l->open)
		return RESULT_OK;
	if (l->handles) // the last try's are still closing
		return RESULT_IO;
	udp_fd = bound_socket(&l->address, SOCK_DGRAM);
	if (udp_fd >= 0) {
		what = "TCP";
		tcp_fd = bound_socket(&l->address, SOCK_STREAM);
	}
	e = tcp_fd < 0 ? -errno : 0;
	if (tcp_fd < 0 && udp_fd >= 0)
		close(udp_fd);
	if (!e) {
		set_option(udp_fd, SOL_SOCKET, SO_RCVBUF, UDP_RECEIVE_OCTETS); // or less
		e = open_handles(l, udp_fd, tcp_fd);
	}
	config_address_text(&l->address, text);
	if (e)
		log_limited(&l->service->log, LOG_LEVEL_ERROR, "cannot listen on %s (%s): %s", text,
			    what, uv_strerror(e));
	else
		log_info("listening on %s", text);
	return e ? RESULT_IO : RESULT_OK;
}

static void close_listener(struct listener *l)
{
	l->closing = true;
	close_handles(l);
	if (l->handles == 0)
		free(l);
}

static enum result open_all(struct service *s)
{
	enum result r = RESULT_OK;
	for (struct listener *l = s->listeners; l; l = l->next) {
		if (open_listener(l))
			r = RESULT_IO;
	}
	if (r)
		uv_timer_start(&s->retry_timer, s->retry_timer.timer_cb, RETRY_MS, 0);
	return r;
}

static void on_retry_timer(uv_timer_t *timer)
{
	open_all(timer->data);
}

static bool config_listens(const struct config *c, const struct config_address *a)
{
	for (unsigned i = 0; i < c->listen_count; i++) {
		if (config_address_equal(&c->listen[i].address, a))
			return true;
	}
	return false;
}

static bool has_listener(const struct service *s, const struct config_address *a)
{
	for (const struct listener *l = s->listeners; l; l = l->next) {
		if (config_address_equal(&l->address, a))
			return true;
	}
	return false;
}

// As many as descriptors allow: what is no client's connection needs some too.
static unsigned most_connections(const struct config *c)
{
	struct rlimit limit;
	unsigned most = c->tcp.max_connections;
	if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
		return most;
	rlim_t kept = FILES_KEPT + 2 * c->listen_count + c->transfer.concurrent;
	rlim_t room = limit.rlim_cur > 2 * kept ? limit.rlim_cur - kept : limit.rlim_cur / 2;
	if (most <= room)
		return most;
	log_warning("tcp.max-connections: %u is taken for %u, for the limit of open files is %llu",
		    most, (unsigned)room, (unsigned long long)limit.rlim_cur);
	return (unsigned)room;
}

enum result service_apply(struct service *s, const struct config *config)
{
	s->max_connections = most_connections(config);
	s->idle_ms = config->tcp.idle_s * 1000u;
	for (struct listener **at = &s->listeners; *at;) {
		struct listener *l = *at;
		if (config_listens(config, &l->address)) {
			at = &l->next;
		} else {
			*at = l->next;
			close_listener(l);
		}
	}
	for (unsigned i = 0; i < config->listen_count; i++) {
		const struct config_address *a = &config->listen[i].address;
		if (has_listener(s, a))
			continue;
		struct listener *l = calloc(1, sizeof(*l));
		if (!l)
			return RESULT_NO_MEMORY;
		l->service = s;
		l->address = *a;
		l->next = s->listeners;
		s->listeners = l;
	}
	return open_all(s);
}

// ---- all of it

static void on_idle_timer(uv_timer_t *timer)
{
	tcp_sweep(timer->data);
}

enum result service_new(const struct service_options *options, struct service **out)
{
	struct service *s = calloc(1, sizeof(*s));
	if (!s)
		return RESULT_NO_MEMORY;
	s->options = *options;
	s->answer = answer_ctx_new(options->answer_config);
	if (!s->answer || tcp_batch_new(&s->tcp) || udp_batch_new(&s->batch)) {
		service_free(s);
		return RESULT_NO_MEMORY;
	}
	uv_timer_init(options->loop, &s->retry_timer);
	uv_timer_init(options->loop, &s->idle_timer);
	s->retry_timer.data = s->idle_timer.data = s;
	s->retry_timer.timer_cb = on_retry_timer;
	uv_timer_start(&s->idle_timer, on_idle_timer, SWEEP_MS, SWEEP_MS);
	*out = s;
	return RESULT_OK;
}

void service_stop(struct service *s)
{
	while (s->listeners) {
		struct listener *l = s->listeners;
		s->listeners = l->next;
		close_listener(l);
	}
	tcp_close_all(s);
	uv_close((uv_handle_t *)&s->retry_timer, NULL);
	uv_close((uv_handle_t *)&s->idle_timer, NULL);
}

void service_free(struct service *s)
{
	if (!s)
		return;
	udp_batch_free(s->batch);
	tcp_batch_free(s->tcp);
	answer_ctx_free(s->answer);
	free(s);
}

const struct service_stats *service_stats(const struct service *s)
{
	return &s->stats;
}

const struct answer_stats *service_answer_stats(const struct service *s)
{
	return answer_ctx_stats(s->answer);
}
