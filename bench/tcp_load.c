// SPDX-License-Identifier: BSD-3-Clause
// Load over long-lived TCP connections, each with a number of queries under way.
//
// Usage: tcp_load ADDRESS ORIGIN NAMES CONNECTIONS WINDOW SECONDS
//
// Asks for the names of zones.py, drawn uniformly; every reply's id and address are
// checked. Prints "RATE replies/s, WRONG wrong", and fails if any was, or none came.
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "understudy/name.h"
#include "understudy/wire.h"

#define CONNECTIONS_MAX 10000
#define WINDOW_MAX      256
#define QUERY_OCTETS    (2 + 12 + NAME_MAX_OCTETS + 4)
#define READ_OCTETS     65537
#define EVENTS          64
#define LABEL_OCTETS    9 // h and eight digits
#define ANSWER_OCTETS   16

struct connection {
	int fd;
	uint16_t next;              // id, and place in `index`, of the next query
	uint32_t index[WINDOW_MAX]; // what the queries under way ask for, by id
	size_t len;                 // of an incomplete reply
	uint8_t rest[2 * READ_OCTETS];
};

struct load {
	struct name origin;
	uint32_t names;
	unsigned window;
	uint64_t random;
	uint64_t replies, wrong;
};

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static double now_s(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static uint32_t draw(struct load *l)
{
	l->random ^= l->random << 13;
	l->random ^= l->random >> 7;
	l->random ^= l->random << 17;
	return (uint32_t)(l->random % l->names);
}

// Appends a query with its length before it; returns its octets.
static size_t put_query(struct load *l, struct connection *c, uint8_t *at)
{
	static const uint8_t head[10] = { 0, 0, 0, 1 }; // flags, and one question
	uint16_t id = c->next++;
	uint32_t index = draw(l);
	char label[LABEL_OCTETS + 1];
	size_t len = 12 + 1 + LABEL_OCTETS + l->origin.len + 4u;
	c->index[id % WINDOW_MAX] = index;
	snprintf(label, sizeof(label), "h%08x", (uint32_t)(index * 2654435761u));
	wire_poke_be16(at, (uint16_t)len);
	wire_poke_be16(at + 2, id);
	memcpy(at + 4, head, sizeof(head));
	at[14] = LABEL_OCTETS;
	memcpy(at + 15, label, LABEL_OCTETS);
	memcpy(at + 15 + LABEL_OCTETS, l->origin.wire, l->origin.len);
	wire_poke_be16(at + len - 2, 1); // A
	wire_poke_be16(at + len, 1);     // IN
	return 2 + len;
}

// Queries are few enough for the socket's buffer to take them all.
static void ask(struct load *l, struct connection *c, unsigned n)
{
	static uint8_t out[WINDOW_MAX * QUERY_OCTETS];
	size_t len = 0;
	for (unsigned i = 0; i < n; i++)
		len += put_query(l, c, out + len);
	for (size_t at = 0; at < len;) {
		ssize_t sent = send(c->fd, out + at, len - at, MSG_NOSIGNAL);
		if (sent < 0)
			die("send");
		at += (size_t)sent;
	}
}

static bool is_right(const struct connection *c, const uint8_t *reply, size_t len, size_t asked)
{
	uint32_t index = c->index[wire_peek_be16(reply) % WINDOW_MAX];
	const uint8_t *rdata = reply + asked + ANSWER_OCTETS - 4;
	return len >= asked + ANSWER_OCTETS && (reply[2] & 0x80) && (reply[3] & 15) == 0 &&
	       wire_peek_be16(reply + 6) == 1 && rdata[0] == 10 &&
	       rdata[1] == (index >> 16 & 255) && rdata[2] == (index >> 8 & 255) &&
	       rdata[3] == (index & 255);
}

// Takes what has come; asks as many anew as were answered.
static void take(struct load *l, struct connection *c)
{
	size_t asked = 12 + 1 + LABEL_OCTETS + l->origin.len + 4u, at = 0;
	ssize_t n = recv(c->fd, c->rest + c->len, READ_OCTETS, MSG_DONTWAIT);
	unsigned replies = 0;
	if (n == 0 || (n < 0 && errno != EAGAIN)) {
		fprintf(stderr, "tcp_load: the server has closed a connection\n");
		exit(1);
	}
	c->len += n > 0 ? (size_t)n : 0;
	while (c->len - at >= 2 && c->len - at >= 2u + wire_peek_be16(c->rest + at)) {
		size_t len = wire_peek_be16(c->rest + at);
		l->wrong += !is_right(c, c->rest + at + 2, len, asked);
		at += 2 + len;
		replies++;
	}
	c->len -= at;
	memmove(c->rest, c->rest + at, c->len);
	l->replies += replies;
	if (replies)
		ask(l, c, replies);
}

static struct connection *connect_to(const char *address)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(53) };
	struct connection *c = calloc(1, sizeof(*c));
	int one = 1;
	if (!c || inet_pton(AF_INET, address, &to.sin_addr) != 1)
		die(address);
	c->fd = socket(AF_INET, SOCK_STREAM, 0);
	if (c->fd < 0 || connect(c->fd, (struct sockaddr *)&to, sizeof(to)) ||
	    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)))
		die(address);
	return c;
}

static double run(struct load *l, int poll, double seconds)
{
	struct epoll_event events[EVENTS];
	double begun = now_s(), end = begun + seconds, now;
	while ((now = now_s()) < end) {
		int n = epoll_wait(poll, events, EVENTS, 1000);
		for (int i = 0; i < n; i++)
			take(l, events[i].data.ptr);
	}
	return now - begun;
}

int main(int argc, char **argv)
{
	struct load l = { .random = 88172645463325252u };
	unsigned connections = argc == 7 ? (unsigned)atoi(argv[4]) : 0;
	l.names = argc == 7 ? (uint32_t)atoi(argv[3]) : 0;
	l.window = argc == 7 ? (unsigned)atoi(argv[5]) : 0;
	if (argc != 7 || !l.names || !connections || connections > CONNECTIONS_MAX || !l.window ||
	    l.window > WINDOW_MAX || name_from_text(argv[2], &l.origin)) {
		fprintf(stderr, "usage: tcp_load ADDRESS ORIGIN NAMES CONNECTIONS WINDOW "
				"SECONDS\n");
		return 2;
	}
	int poll = epoll_create1(0);
	for (unsigned i = 0; i < connections; i++) {
		struct connection *c = connect_to(argv[1]);
		struct epoll_event e = { .events = EPOLLIN, .data.ptr = c };
		if (epoll_ctl(poll, EPOLL_CTL_ADD, c->fd, &e))
			die("epoll_ctl");
		ask(&l, c, l.window);
	}
	double took = run(&l, poll, atof(argv[6]));
	printf("%.0f replies/s, %llu wrong\n", (double)l.replies / took,
	       (unsigned long long)l.wrong);
	return l.wrong || !l.replies;
}
