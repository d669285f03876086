// SPDX-License-Identifier: BSD-3-Clause
// Our XDP program takes no frame that a worker would have to give back.
//
// The program runs in the kernel (BPF_PROG_TEST_RUN) on frames of every kind and on
// thousands of mutations of them; what it takes, the frame parser and the answer path
// must judge to be an answer or a drop. Usage: test_xdp OBJECT [SEED].
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/bpf.h>

#include "frame.h"
#include "understudy/wire.h"
#include "understudy/zonedb.h"
#include "xdp_dns.h"

#define SKIPPED    77
#define MUTATIONS  3000 // of each frame
#define FRAME_ROOM 2048

struct crafted {
	uint8_t data[FRAME_ROOM];
	size_t len;
	bool taken; // by the program
	const char *what;
};

static struct crafted cases[64];
static size_t case_count;
static struct frame_local local;
static struct zonedb *db;
static struct answer_ctx *ctx;
static uint64_t random_state;

static void die(const char *what)
{
	fprintf(stderr, "test_xdp: %s: %s\n", what, strerror(errno));
	exit(2);
}

static uint32_t random_below(uint32_t n) // splitmix64
{
	uint64_t z = (random_state += 0x9e3779b97f4a7c15);
	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
	z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
	return (uint32_t)((z ^ (z >> 31)) >> 32) % n;
}

// --- frames -------------------------------------------------------------------------

static const uint8_t ours[6] = { 0x02, 0, 0, 0, 0, 0x01 };
static const uint8_t theirs[6] = { 0x02, 0, 0, 0, 0, 0x02 };
static const uint8_t opt[] = { 0, 0, 41, 4, 208, 0, 0, 0, 0, 0, 0 };
static const uint8_t tsig[] = { 1, 'k', 0, 0, 250, 0, 255, 0, 0, 0, 0, 0, 0 };
static const uint8_t soa[] = { 0xc0, 12, 0, 6, 0, 1, 0, 0, 0, 0, 0, 0 };

static void put(struct crafted *c, const void *src, size_t len)
{
	memcpy(c->data + c->len, src, len);
	c->len += len;
}

static void put_u16(struct crafted *c, uint16_t v)
{
	wire_poke_be16(c->data + c->len, v);
	c->len += 2;
}

struct dns {
	uint16_t flags;
	uint16_t counts[4];
	const char *qname; // wire, without the root label
	const uint8_t *records[2];
	size_t record_lens[2];
};

static size_t put_dns(struct crafted *c, const struct dns *d)
{
	size_t start = c->len;
	put_u16(c, 0x1234);
	put_u16(c, d->flags);
	for (size_t i = 0; i < 4; i++)
		put_u16(c, d->counts[i]);
	put(c, d->qname, strlen(d->qname) + 1);
	put_u16(c, 1);
	put_u16(c, 1);
	for (size_t i = 0; i < 2; i++)
		put(c, d->records[i], d->record_lens[i]);
	return c->len - start;
}

static void put_headers(struct crafted *c, unsigned family, unsigned tags)
{
	static const uint8_t v4[20] = { 0x45, [8] = 64, 17, 0, 0, 10, 53, 0, 1, 10, 53, 0, 2 };
	static const uint8_t v6[40] = { 0x60,     [6] = 17,    64, [8] = 0xfd, 0,    0,       0x53,
					[23] = 1, [24] = 0xfd, 0,  0,          0x53, [39] = 2 };
	put(c, ours, 6);
	put(c, theirs, 6);
	for (unsigned i = 0; i < tags; i++) {
		put_u16(c, i + 1 < tags ? 0x88a8 : 0x8100);
		put_u16(c, 101);
	}
	put_u16(c, family == 4 ? 0x0800 : 0x86dd);
	put(c, family == 4 ? v4 : v6, family == 4 ? sizeof(v4) : sizeof(v6));
}

static void craft(const char *what, bool taken, const struct dns *d, unsigned shape)
{
	struct crafted *c = &cases[case_count++];
	unsigned family = shape & 1 ? 6 : 4;
	c->what = what;
	c->taken = taken;
	put_headers(c, family, shape % 3);
	size_t l3 = c->len - (family == 4 ? 20 : 40);
	put_u16(c, 40000);
	put_u16(c, 53);
	size_t udp_len = c->len;
	put_u16(c, 0);
	put_u16(c, 0);
	uint16_t len = (uint16_t)(8 + put_dns(c, d));
	wire_poke_be16(c->data + udp_len, len);
	if (family == 4)
		wire_poke_be16(c->data + l3 + 2, (uint16_t)(20 + len));
	else
		wire_poke_be16(c->data + l3 + 4, len);
}

static void craft_all(void)
{
	for (unsigned shape = 0; shape < 6; shape++) {
		const struct dns plain = { .counts = { 1 }, .qname = "\3www\7example" };
		struct dns d = plain;
		craft("a query", true, &d, shape);
		d.qname = "";
		craft("a query for the root", true, &d, shape);
		d = plain;
		d.counts[3] = 1;
		d.records[0] = opt;
		d.record_lens[0] = sizeof(opt);
		craft("a query with OPT", true, &d, shape);
		d.records[0] = tsig;
		d.record_lens[0] = sizeof(tsig);
		craft("a query with TSIG", false, &d, shape);
		d.records[0] = tsig + 2;
		d.record_lens[0] = sizeof(tsig) - 2;
		craft("a query with TSIG whose key is the root", false, &d, shape);
		d.records[0] = tsig;
		d.record_lens[0] = sizeof(tsig);
		d.counts[3] = 2;
		d.records[1] = opt;
		d.record_lens[1] = sizeof(opt);
		craft("a query with TSIG and OPT", false, &d, shape);
		d = plain;
		d.flags = 4 << 11;
		craft("a NOTIFY", false, &d, shape);
		d.flags = 0x8000;
		craft("a response", false, &d, shape);
		d = plain;
		d.counts[2] = 1;
		d.records[0] = soa;
		d.record_lens[0] = sizeof(soa);
		craft("an IXFR", false, &d, shape);
		d = plain;
		d.counts[0] = 2;
		craft("two questions", false, &d, shape);
	}
}

// --- the two judges -------------------------------------------------------------------

static bool program_takes(int program, const struct crafted *c)
{
	uint8_t out[FRAME_ROOM];
	LIBBPF_OPTS(bpf_test_run_opts, run, .data_in = c->data, .data_size_in = (uint32_t)c->len,
		    .data_out = out, .data_size_out = sizeof(out), .repeat = 1);
	if (bpf_prog_test_run_opts(program, &run) != 0)
		die("the program cannot be run");
	return run.retval == XDP_REDIRECT;
}

// Would a worker have to give the frame back? Checksums are taken for good: they
// are no business of the program's.
static bool worker_gives_back(const struct crafted *c)
{
	struct frame f;
	uint8_t buf[FRAME_ROOM];
	frame_parse(&local, c->data, c->len, FRAME_IP_SUM_GOOD | FRAME_UDP_SUM_GOOD, &f);
	if (f.kind != FRAME_QUERY)
		return f.kind == FRAME_PUNT;
	memcpy(buf, c->data + f.dns, f.dns_len);
	struct answer_item item = {
		.buf = buf, .query_len = f.dns_len, .capacity = 1232, .may_punt = true
	};
	frame_peer(c->data, &f, &item.peer);
	answer_burst(ctx, zonedb_view(db), &item, 1);
	return item.verdict == ANSWER_PUNT;
}

static void mutate(struct crafted *c)
{
	for (unsigned n = 1 + random_below(4); n > 0; n--) {
		size_t at = 12 + random_below((uint32_t)c->len - 12); // MACs stay
		switch (random_below(3)) {
		case 0: c->data[at] ^= (uint8_t)(1u << random_below(8)); break;
		case 1: c->data[at] = (uint8_t)random_below(256); break;
		default: c->data[at] = (uint8_t)random_below(4); break;
		}
	}
	if (random_below(4) == 0)
		c->len = 15 + random_below((uint32_t)c->len - 14);
}

static unsigned judge(int program)
{
	unsigned wrong = 0;
	unsigned long taken = 0, run = 0;
	for (size_t i = 0; i < case_count; i++) {
		if (program_takes(program, &cases[i]) != cases[i].taken) {
			printf("%s: wrongly %s\n", cases[i].what,
			       cases[i].taken ? "passed" : "taken");
			wrong++;
		}
		for (unsigned n = 0; n < MUTATIONS; n++) {
			struct crafted c = cases[i];
			mutate(&c);
			bool takes = program_takes(program, &c);
			run++;
			taken += takes;
			if (takes && worker_gives_back(&c)) {
				printf("%s, mutated: taken, but a worker gives it back\n", c.what);
				wrong++;
			}
		}
	}
	printf("%zu frames, %lu mutations of which %lu were taken, %u wrong\n", case_count, run,
	       taken, wrong);
	return wrong + (taken == 0);
}

// --- set-up -----------------------------------------------------------------------------

// Any AF_XDP socket will do: test runs deliver nothing.
static void fill_maps(struct bpf_object *object, const struct port_service *services, size_t count)
{
	int sockets = bpf_object__find_map_fd_by_name(object, "xsks_map");
	int map = bpf_object__find_map_fd_by_name(object, XDP_SERVICES);
	int sock = socket(AF_XDP, SOCK_RAW, 0);
	const uint32_t queue = 0;
	const uint8_t one = 1;
	if (sock < 0 || bpf_map_update_elem(sockets, &queue, &sock, BPF_ANY) != 0)
		die("an AF_XDP socket");
	for (size_t i = 0; i < count; i++) {
		struct xdp_service key = { .port_be = services[i].port_be,
					   .family = services[i].family };
		memcpy(key.address, services[i].address, services[i].family == 4 ? 4 : 16);
		if (bpf_map_update_elem(map, &key, &one, BPF_ANY) != 0)
			die("a service address");
	}
}

int main(int argc, char **argv)
{
	static struct answer_config config = { .edns_udp_octets = ANSWER_EDNS_UDP_DEFAULT };
	static struct rcu_pointer published;
	struct port_service services[2] = { { .family = 4, .port_be = htons(53) },
					    { .family = 6, .port_be = htons(53) } };
	const struct zonedb_options options = { .hugepages = false };

	if (argc < 2)
		die("usage: test_xdp OBJECT [SEED]");
	if (geteuid() != 0) {
		printf("needs root\n");
		return SKIPPED;
	}
	random_state = argc > 2 ? strtoull(argv[2], NULL, 0) : (uint64_t)getpid();
	printf("seed %llu\n", (unsigned long long)random_state);
	inet_pton(AF_INET, "10.53.0.2", services[0].address);
	inet_pton(AF_INET6, "fd00:53::2", services[1].address);
	struct bpf_object *object = bpf_object__open(argv[1]);
	if (!object)
		die("the object file");
	if (bpf_object__load(object) != 0) {
		printf("the kernel does not load the program: %s\n", strerror(errno));
		return errno == EPERM ? SKIPPED : 1;
	}
	fill_maps(object, services, 2);
	frame_local_init(&local, ours, services, 2);
	rcu_pointer_exchange(&published, &config);
	rcu_reader_register();
	ctx = answer_ctx_new(&published);
	if (zonedb_new(&options, &db) != RESULT_OK || !ctx)
		die("no zones");
	craft_all();
	struct bpf_program *program = bpf_object__next_program(object, NULL);
	unsigned wrong = judge(bpf_program__fd(program));
	rcu_reader_unregister();
	answer_ctx_free(ctx);
	zonedb_free(db);
	bpf_object__close(object);
	return wrong != 0;
}
