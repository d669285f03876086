// SPDX-License-Identifier: BSD-3-Clause
// The kernel-socket service on the loopback: UDP, and TCP as it comes and goes.
//
// The loop runs in a thread of its own; the test is the client, with blocking
// sockets that time out.
#include "service.h"

#include <arpa/inet.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "loop.h"
#include "support/accepting.h"
#include "support/said.h"
#include "support/serving.h"
#include "support/world.h"
#include "understudy/rr.h"
#include "understudy/tsig.h"
#include "unit.h"

struct fixture {
	struct world world;
	uv_loop_t loop;
	uv_async_t stop;
	struct zones *zones;
	struct service *service;
	struct config *config;
	pthread_t thread;
	uint16_t port;
	struct service_stats stats; // once stopped
};

// A port that is free for UDP and TCP right now.
static uint16_t free_port(void)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(0x7f000001) };
	socklen_t len = sizeof(a);
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	CU_ASSERT_EQUAL_FATAL(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	getsockname(fd, (struct sockaddr *)&a, &len);
	close(fd);
	return ntohs(a.sin_port);
}

static void on_stop(uv_async_t *async)
{
	struct fixture *f = async->data;
	f->stats = *service_stats(f->service);
	service_stop(f->service);
	zones_stop(f->zones);
	uv_close((uv_handle_t *)&f->stop, NULL);
}

// `tcp` is what the configuration says of TCP.
static void begin(struct fixture *f, const char *tcp)
{
	char text[512], big[2048] = "";
	struct report report = { .say = said_print };
	memset(f, 0, sizeof(*f));
	signal(SIGPIPE, SIG_IGN); // as main does
	world_open(&f->world);
	strcpy(big, "@ 60 SOA ns m 1 3600 600 86400 300\nwww 60 A 192.0.2.1\n"
		    "big 60 TXT ");
	for (int i = 0; i < 6; i++) { // some 1,200 octets of an answer
		strcat(big, "\"");
		memset(big + strlen(big), 'x', 200);
		strcat(big, "\" ");
	}
	strcat(big, "\nmid 60 TXT "); // some 460 octets
	for (int i = 0; i < 2; i++) {
		strcat(big, "\"");
		memset(big + strlen(big), 'y', 208);
		strcat(big, "\" ");
	}
	strcat(big, "\n");
	world_zone(&f->world, "example.", big);
	rcu_reader_offline();
	f->port = free_port();
	snprintf(text, sizeof(text),
		 "listen: [{address: 127.0.0.1, port: %u}]\ntcp: {%s}\n"
		 "keys: [{name: k.example, secret: Zm9vYmFy}]\n",
		 f->port, tcp);
	f->config = config_parse("test", text, strlen(text), &report);
	CU_ASSERT_PTR_NOT_NULL_FATAL(f->config);
	uv_loop_init(&f->loop);
	CU_ASSERT_EQUAL_FATAL(zones_new(&f->loop, f->world.db, &f->zones), RESULT_OK);
	CU_ASSERT_EQUAL_FATAL(zones_apply(f->zones, f->config), RESULT_OK);
	struct service_options o = { .loop = &f->loop,
				     .db = f->world.db,
				     .zones = f->zones,
				     .answer_config = &f->world.config };
	CU_ASSERT_EQUAL_FATAL(service_new(&o, &f->service), RESULT_OK);
	log_set_level(LOG_LEVEL_WARNING);
	CU_ASSERT_EQUAL_FATAL(service_apply(f->service, f->config), RESULT_OK);
	uv_async_init(&f->loop, &f->stop, on_stop);
	f->stop.data = f;
	pthread_create(&f->thread, NULL, serving_run, &f->loop);
}

static void end(struct fixture *f)
{
	uv_async_send(&f->stop);
	pthread_join(f->thread, NULL);
	CU_ASSERT_EQUAL(uv_loop_close(&f->loop), 0);
	service_free(f->service);
	zones_free(f->zones);
	config_free(f->config);
	rcu_reader_online();
	world_close(&f->world);
}

// ---- a client

static int client(const struct fixture *f, int type)
{
	struct sockaddr_in a = { .sin_family = AF_INET,
				 .sin_port = htons(f->port),
				 .sin_addr.s_addr = htonl(0x7f000001) };
	int fd = serving_connect(type, (struct sockaddr *)&a, sizeof(a));
	CU_ASSERT_FATAL(fd >= 0);
	return fd;
}

// A query with its length in front; returns all its octets.
static size_t query(uint8_t *out, uint16_t id, const char *label, uint16_t type)
{
	struct wire_out w = wire_out_init(out + 2, 100);
	wire_put_u16(&w, id);
	wire_put_bytes(&w, "\0\0\0\1\0\0\0\0\0\0", 10);
	wire_put_u8(&w, (uint8_t)strlen(label));
	wire_put_bytes(&w, label, strlen(label));
	wire_put_bytes(&w, "\7example", 9);
	wire_put_u16(&w, type);
	wire_put_u16(&w, 1);
	wire_poke_be16(out, (uint16_t)wire_out_len(&w));
	return 2 + wire_out_len(&w);
}

// Reads exactly n octets; false at the end of the stream or after the timeout.
static bool read_all(int fd, uint8_t *out, size_t n)
{
	while (n) {
		ssize_t got = recv(fd, out, n, 0);
		if (got <= 0)
			return false;
		out += got;
		n -= (size_t)got;
	}
	return true;
}

// One reply over TCP: its octets, 0 if none comes.
static size_t read_reply(int fd, uint8_t out[65535])
{
	uint8_t len[2];
	if (!read_all(fd, len, 2) || !read_all(fd, out, wire_peek_be16(len)))
		return 0;
	return wire_peek_be16(len);
}

// Whether the server closes within the timeout, and sends nothing before.
static bool is_closed(int fd)
{
	uint8_t octet;
	ssize_t n = recv(fd, &octet, 1, 0);
	return n == 0 || (n < 0 && errno == ECONNRESET);
}

static bool is_answer(const uint8_t *reply, size_t len, uint16_t id)
{
	return len > 12 && wire_peek_be16(reply) == id && (reply[2] & 0x84) == 0x84 &&
	       (reply[3] & 15) == 0 && wire_peek_be16(reply + 6) == 1;
}

static bool asks_well(int fd, uint16_t id)
{
	uint8_t message[128], reply[65535];
	size_t len = query(message, id, "www", 1);
	return send(fd, message, len, MSG_NOSIGNAL) == (ssize_t)len &&
	       is_answer(reply, read_reply(fd, reply), id);
}

static uint64_t now_ms(void)
{
	return loop_time().monotonic_ms;
}

// ---- tests

static void answers_udp(void)
{
	struct fixture f;
	uint8_t message[128], reply[65535];
	begin(&f, "");
	int fd = client(&f, SOCK_DGRAM);
	for (uint16_t id = 1; id <= 100; id++) {
		size_t len = query(message, id, "www", 1);
		send(fd, message + 2, len - 2, 0);
	}
	for (uint16_t id = 1; id <= 100; id++) {
		ssize_t n = recv(fd, reply, sizeof(reply), 0);
		CU_ASSERT_FATAL(n > 0);
		CU_ASSERT(is_answer(reply, (size_t)n, id));
	}
	size_t len = query(message, 7, "big", 16); // over 512 octets, without EDNS
	send(fd, message + 2, len - 2, 0);
	ssize_t n = recv(fd, reply, sizeof(reply), 0);
	CU_ASSERT(n > 12 && n <= 512);
	CU_ASSERT(reply[2] & 2); // TC
	close(fd);
	end(&f);
	CU_ASSERT_EQUAL(f.stats.udp_received, 101);
	CU_ASSERT_EQUAL(f.stats.udp_sent, 101);
}

static void refuses_notify(void)
{
	struct fixture f;
	uint8_t message[128], reply[65535];
	begin(&f, "");
	size_t len = query(message, 9, "www", 6);
	message[4] = OPCODE_NOTIFY << 3;
	int fd = client(&f, SOCK_DGRAM);
	send(fd, message + 2, len - 2, 0);
	CU_ASSERT(recv(fd, reply, sizeof(reply), 0) > 12);
	CU_ASSERT_EQUAL(reply[3] & 15, 9); // NOTAUTH
	close(fd);
	fd = client(&f, SOCK_STREAM);
	send(fd, message, len, 0);
	CU_ASSERT(read_reply(fd, reply) > 12);
	CU_ASSERT_EQUAL(reply[3] & 15, 9);
	CU_ASSERT(asks_well(fd, 10)); // and goes on
	close(fd);
	end(&f);
	CU_ASSERT_EQUAL(f.stats.notify[NOTIFY_NOTAUTH], 2);
}

// Sends a query signed with `key` at `at_s`; the reply's TSIG record into *tsig.
static size_t ask_signed(int fd, const struct tsig_key *key, const char *label, uint64_t at_s,
			 uint8_t reply[65535], struct tsig_rr *tsig, uint8_t mac[TSIG_MAC_MAX])
{
	uint8_t message[1024];
	size_t len = query(message, 77, label, 16) - 2;
	CU_ASSERT_EQUAL(tsig_sign(key, at_s, NULL, 0, message + 2, &len, 1000, mac), RESULT_OK);
	wire_poke_be16(message, (uint16_t)len);
	send(fd, message, 2 + len, MSG_NOSIGNAL);
	len = read_reply(fd, reply);
	CU_ASSERT_FATAL(len > 12);
	CU_ASSERT_EQUAL(wire_peek_be16(reply), 77);
	CU_ASSERT_EQUAL_FATAL(tsig_find(reply, len, tsig), RESULT_OK);
	return len;
}

static void answers_signed(void)
{
	struct fixture f;
	struct tsig_key key = { .algorithm = TSIG_HMAC_SHA256,
				.secret_len = 6,
				.secret = "foobar" };
	struct tsig_rr tsig;
	uint8_t reply[65535], mac[TSIG_MAC_MAX];
	uint64_t now_s = loop_time().unix_s;
	name_from_text("k.example", &key.name);
	begin(&f, "");
	int fd = client(&f, SOCK_STREAM);
	size_t len = ask_signed(fd, &key, "big", now_s, reply, &tsig, mac);
	CU_ASSERT(is_answer(reply, len, 77));
	CU_ASSERT_EQUAL(tsig_verify(&key, &tsig, reply, len, now_s, mac, 32), RESULT_OK);
	len = ask_signed(fd, &key, "big", now_s - 1000, reply, &tsig, mac);
	CU_ASSERT_EQUAL(reply[3] & 15, 9);
	CU_ASSERT_EQUAL(tsig.error, TSIG_ERROR_BADTIME);
	CU_ASSERT_EQUAL(tsig.mac_len, 32);
	key.secret[0] = 'F';
	ask_signed(fd, &key, "big", now_s, reply, &tsig, mac);
	CU_ASSERT_EQUAL(reply[3] & 15, 9);
	CU_ASSERT_EQUAL(tsig.error, TSIG_ERROR_BADSIG);
	CU_ASSERT_EQUAL(tsig.mac_len, 0);
	name_from_text("other.example", &key.name);
	ask_signed(fd, &key, "big", now_s, reply, &tsig, mac);
	CU_ASSERT_EQUAL(reply[3] & 15, 9);
	CU_ASSERT_EQUAL(tsig.error, TSIG_ERROR_BADKEY);
	CU_ASSERT(asks_well(fd, 5)); // and goes on
	close(fd);
	end(&f);
	CU_ASSERT_EQUAL(f.stats.signed_ok, 1);
	CU_ASSERT_EQUAL(f.stats.signed_bad, 3);
}

// Where the signature finds no room the answer is cut (RFC 8945 section 5.3).
static void cuts_signed_answers(void)
{
	struct fixture f;
	struct tsig_key key = { .algorithm = TSIG_HMAC_SHA256,
				.secret_len = 6,
				.secret = "foobar" };
	struct tsig_rr tsig;
	uint8_t message[1024], reply[65535], mac[TSIG_MAC_MAX];
	uint64_t now_s = loop_time().unix_s;
	name_from_text("k.example", &key.name);
	begin(&f, "");
	int fd = client(&f, SOCK_DGRAM);
	size_t len = query(message, 78, "mid", 16) - 2;
	CU_ASSERT_EQUAL(tsig_sign(&key, now_s, NULL, 0, message + 2, &len, 1000, mac), RESULT_OK);
	send(fd, message + 2, len, 0);
	ssize_t n = recv(fd, reply, sizeof(reply), 0);
	CU_ASSERT_FATAL(n > 12 && n <= 512);
	CU_ASSERT(reply[2] & 2);                       // TC
	CU_ASSERT_EQUAL(wire_peek_be16(reply + 6), 0); // no answer
	CU_ASSERT_EQUAL(tsig_find(reply, (size_t)n, &tsig), RESULT_OK);
	CU_ASSERT_EQUAL(tsig_verify(&key, &tsig, reply, (size_t)n, now_s, mac, 32), RESULT_OK);
	len = query(message, 79, "mid", 16); // without a signature it fits
	send(fd, message + 2, len - 2, 0);
	n = recv(fd, reply, sizeof(reply), 0);
	CU_ASSERT_FATAL(n > 400 && n <= 512);
	CU_ASSERT(is_answer(reply, (size_t)n, 79));
	close(fd);
	end(&f);
}

static void answers_in_pieces(void)
{
	struct fixture f;
	uint8_t message[256], reply[65535];
	begin(&f, "");
	int fd = client(&f, SOCK_STREAM), one = 1;
	setsockopt(fd, IPPROTO_TCP, 1 /* TCP_NODELAY */, &one, sizeof(one));
	size_t len = query(message, 1, "www", 1);
	len += query(message + len, 2, "www", 1);
	for (size_t i = 0; i < len; i++) {
		send(fd, message + i, 1, 0);
		if (i % 7 == 0)
			usleep(1000);
	}
	CU_ASSERT(is_answer(reply, read_reply(fd, reply), 1));
	CU_ASSERT(is_answer(reply, read_reply(fd, reply), 2));
	close(fd);
	end(&f);
	CU_ASSERT_EQUAL(f.stats.tcp_messages, 2);
}

// 5,000 queries of some 6 MB of answers, sent by one thread, read by another.
static void *send_many(void *arg)
{
	uint8_t message[128];
	for (unsigned id = 0; id < 5000; id++) {
		size_t len = query(message, (uint16_t)id, "big", 16);
		if (send(*(int *)arg, message, len, MSG_NOSIGNAL) != (ssize_t)len)
			break;
	}
	return NULL;
}

static void answers_pipelined(void)
{
	struct fixture f;
	uint8_t reply[65535];
	pthread_t sender;
	unsigned well = 0;
	begin(&f, "");
	int fd = client(&f, SOCK_STREAM);
	pthread_create(&sender, NULL, send_many, &fd);
	usleep(200000); // lets it run full
	for (unsigned id = 0; id < 5000; id++)
		well += is_answer(reply, read_reply(fd, reply), (uint16_t)id);
	CU_ASSERT_EQUAL(well, 5000);
	pthread_join(sender, NULL);
	close(fd);
	end(&f);
}

static void answers_after_half_close(void)
{
	struct fixture f;
	uint8_t message[128], reply[65535];
	begin(&f, "");
	int fd = client(&f, SOCK_STREAM);
	size_t len = query(message, 3, "www", 1);
	send(fd, message, len, 0);
	shutdown(fd, SHUT_WR);
	CU_ASSERT(is_answer(reply, read_reply(fd, reply), 3));
	CU_ASSERT(is_closed(fd));
	close(fd);
	end(&f);
}

static void closes_on_nonsense(void)
{
	static const struct {
		const char *octets;
		size_t len;
	} cases[] = {
		{ "\0\0", 2 },                             // no message
		{ "\0\5hello", 7 },                        // no header
		{ "\0\14\1\2\200\0\0\0\0\0\0\0\0\0", 14 }, // a response
	};
	struct fixture f;
	begin(&f, "");
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		int fd = client(&f, SOCK_STREAM);
		CU_ASSERT(asks_well(fd, 1));
		send(fd, cases[i].octets, cases[i].len, 0);
		CU_ASSERT(is_closed(fd));
		close(fd);
	}
	end(&f);
	CU_ASSERT_EQUAL(f.stats.tcp_open, 0);
}

static void closes_the_idle(void)
{
	struct fixture f;
	begin(&f, "idle-timeout: 1");
	int silent = client(&f, SOCK_STREAM), partial = client(&f, SOCK_STREAM);
	int busy = client(&f, SOCK_STREAM);
	uint64_t start = now_ms();
	for (int i = 0; i < 8; i++) {
		CU_ASSERT(asks_well(busy, (uint16_t)i));
		send(partial, "\1", i % 4 == 0, MSG_NOSIGNAL); // no message ever
		usleep(250000);
	}
	CU_ASSERT(is_closed(silent));
	CU_ASSERT(is_closed(partial));
	CU_ASSERT(asks_well(busy, 9));
	CU_ASSERT(is_closed(busy));
	CU_ASSERT(now_ms() - start < 5000);
	close(silent);
	close(partial);
	close(busy);
	end(&f);
	CU_ASSERT_EQUAL(f.stats.tcp_timeouts, 3);
	CU_ASSERT_EQUAL(f.stats.tcp_open, 0);
}

// Who sends queries and takes no replies is cut off, and has cost little.
static void cuts_slow_readers_off(void)
{
	struct fixture f;
	uint8_t message[128];
	begin(&f, "idle-timeout: 1");
	int fd = client(&f, SOCK_STREAM), small = 4096;
	setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
	uint64_t start = now_ms();
	unsigned sent = 0;
	for (; now_ms() - start < SERVING_TIMEOUT_S * 1000; sent++) {
		size_t len = query(message, 1, "big", 16);
		if (send(fd, message, len, MSG_NOSIGNAL) != (ssize_t)len)
			break;
	}
	CU_ASSERT(now_ms() - start < SERVING_TIMEOUT_S * 1000);
	close(fd);
	fd = client(&f, SOCK_STREAM);
	CU_ASSERT(asks_well(fd, 2));
	close(fd);
	end(&f);
	CU_ASSERT_EQUAL(f.stats.tcp_timeouts, 1);
	CU_ASSERT(f.stats.tcp_messages < sent);
}

static void bounds_connections(void)
{
	struct fixture f;
	int fds[4];
	begin(&f, "max-connections: 3");
	for (int i = 0; i < 3; i++) {
		fds[i] = client(&f, SOCK_STREAM);
		CU_ASSERT(asks_well(fds[i], 1));
	}
	fds[3] = client(&f, SOCK_STREAM); // all others were busy just now
	CU_ASSERT(is_closed(fds[3]));
	close(fds[3]);
	usleep(1200000);
	CU_ASSERT(asks_well(fds[0], 2)); // no longer the most idle one
	fds[3] = client(&f, SOCK_STREAM);
	CU_ASSERT(asks_well(fds[3], 3));
	CU_ASSERT(is_closed(fds[1]));
	CU_ASSERT(asks_well(fds[0], 4));
	CU_ASSERT(asks_well(fds[2], 5));
	for (int i = 0; i < 4; i++)
		close(fds[i]);
	end(&f);
	CU_ASSERT_EQUAL(f.stats.tcp_refused, 1);
	CU_ASSERT_EQUAL(f.stats.tcp_evicted, 1);
}

// A failure that lasts is tried again after a pause, and no earlier.
static void bears_accept_failures(void)
{
	struct fixture f;
	int fd = -1;
	begin(&f, "");
	log_set_level(LOG_LEVEL_ERROR - 1);
	accept_fails = true;
	fd = client(&f, SOCK_STREAM);
	CU_ASSERT(is_closed(fd));
	close(fd);
	CU_ASSERT(accept_failures > 0 && accept_failures < 4);
	accept_fails = false;
	bool well = false;
	for (uint64_t until_ms = now_ms() + 10000; !well && now_ms() < until_ms; usleep(50000)) {
		struct sockaddr_in to = { .sin_family = AF_INET,
					  .sin_port = htons(f.port),
					  .sin_addr.s_addr = htonl(0x7f000001) };
		fd = socket(AF_INET, SOCK_STREAM, 0);
		well = connect(fd, (struct sockaddr *)&to, sizeof(to)) == 0 && asks_well(fd, 1);
		close(fd);
	}
	CU_ASSERT(well);
	end(&f);
}

// No more connections than there may be files.
static void bounds_connections_by_files(void)
{
	struct fixture f;
	struct rlimit limit, little;
	int fds[33];
	CU_ASSERT_EQUAL_FATAL(getrlimit(RLIMIT_NOFILE, &limit), 0);
	little = (struct rlimit){ .rlim_cur = 64, .rlim_max = limit.rlim_max };
	setrlimit(RLIMIT_NOFILE, &little);
	begin(&f, "max-connections: 100");
	setrlimit(RLIMIT_NOFILE, &limit);
	for (int i = 0; i < 33; i++) {
		fds[i] = client(&f, SOCK_STREAM);
		bool well = asks_well(fds[i], 1);
		CU_ASSERT(well || i == 32);
	}
	for (int i = 0; i < 33; i++)
		close(fds[i]);
	end(&f);
	CU_ASSERT_EQUAL(f.stats.tcp_refused + f.stats.tcp_evicted, 1);
}

UNIT_MAIN("service", { "answers UDP", answers_udp }, { "refuses NOTIFY", refuses_notify },
	  { "answers signed", answers_signed }, { "cuts signed answers", cuts_signed_answers },
	  { "answers in pieces", answers_in_pieces }, { "answers pipelined", answers_pipelined },
	  { "answers after half-close", answers_after_half_close },
	  { "closes on nonsense", closes_on_nonsense }, { "closes the idle", closes_the_idle },
	  { "cuts slow readers off", cuts_slow_readers_off },
	  { "bounds connections", bounds_connections },
	  { "bears accept failures", bears_accept_failures },
	  { "bounds connections by files", bounds_connections_by_files })
