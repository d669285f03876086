// SPDX-License-Identifier: BSD-3-Clause
// Runs ports on a small zone of its own, for the tests of this folder.
//
// Usage: port_server -d DEVICE -s ADDRESS [OPTION…]
//   -d DEVICE        devargs or PCI address; may be given again
//   -x INTERFACE     exception interface of the last device
//   -a ADDRESS/LEN   its address; may be given again
//   -g ADDRESS       its gateway; may be given again
//   -R FRAMES        its rate, frames a second
//   -M MTU           of the last device
//   -s ADDRESS       service address, port 53; may be given again
//   -l LCORE         worker; may be given again
//   -H               hugepages
//   -m MIB           memory
//   -p PACKETS       ends once so many packets were received
// Prints "ready", ends on SIGTERM or SIGINT, then prints its counters as JSON.
#include <arpa/inet.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "understudy/name.h"
#include "understudy/port.h"
#include "understudy/rr.h"
#include "understudy/zonedb.h"

#define HOSTS    1000 // h0.example. to h999.example., an A record each
#define ITEM_MAX 16

struct arguments {
	struct port_device devices[ITEM_MAX];
	struct port_exception exceptions[ITEM_MAX];
	struct port_prefix addresses[ITEM_MAX][ITEM_MAX];
	struct port_prefix gateways[ITEM_MAX][ITEM_MAX];
	struct port_service services[ITEM_MAX];
	unsigned lcores[ITEM_MAX];
	uint64_t packets;
	struct port_options options;
};

__attribute__((noreturn)) static void die(const char *what)
{
	fprintf(stderr, "port_server: %s\n", what);
	exit(2);
}

static void room(size_t count)
{
	if (count >= ITEM_MAX)
		die("too many of an option");
}

static struct port_prefix prefix(const char *text)
{
	struct port_prefix p = { 0 };
	char address[INET6_ADDRSTRLEN];
	const char *slash = strchr(text, '/');
	snprintf(address, sizeof(address), "%.*s", (int)strcspn(text, "/"), text);
	p.family = strchr(text, ':') ? 6 : 4;
	if (inet_pton(p.family == 4 ? AF_INET : AF_INET6, address, p.address) != 1)
		die("bad address");
	p.prefix_len = slash ? (uint8_t)strtoul(slash + 1, NULL, 10) : p.family == 4 ? 32 : 128;
	return p;
}

static struct port_service service(const char *text)
{
	struct port_prefix p = prefix(text);
	struct port_service s = { .family = p.family, .port_be = htons(53) };
	memcpy(s.address, p.address, sizeof(s.address));
	return s;
}

static void exception_option(struct arguments *a, int option, const char *value)
{
	if (a->options.device_count == 0)
		die("an exception interface without a device");
	size_t d = a->options.device_count - 1;
	struct port_exception *e = &a->exceptions[d];
	switch (option) {
	case 'x':
		e->interface = value;
		e->addresses = a->addresses[d];
		e->gateways = a->gateways[d];
		a->devices[d].exception = e;
		break;
	case 'a':
		room(e->address_count);
		a->addresses[d][e->address_count++] = prefix(value);
		break;
	case 'g':
		room(e->gateway_count);
		a->gateways[d][e->gateway_count++] = prefix(value);
		break;
	default: e->frames_per_s = (uint32_t)strtoul(value, NULL, 10); break;
	}
}

static void read_arguments(struct arguments *a, int argc, char **argv)
{
	struct port_options *o = &a->options;
	o->devices = a->devices;
	o->services = a->services;
	o->lcores = a->lcores;
	for (int c; (c = getopt(argc, argv, "d:x:a:g:R:M:s:l:Hm:p:")) != -1;) {
		switch (c) {
		case 'd':
			room(o->device_count);
			a->devices[o->device_count++].device = optarg;
			break;
		case 'M':
			if (o->device_count == 0)
				die("an MTU without a device");
			a->devices[o->device_count - 1].mtu = (uint16_t)strtoul(optarg, NULL, 10);
			break;
		case 's':
			room(o->service_count);
			a->services[o->service_count++] = service(optarg);
			break;
		case 'l':
			room(o->lcore_count);
			a->lcores[o->lcore_count++] = (unsigned)strtoul(optarg, NULL, 10);
			break;
		case 'H': o->hugepages = true; break;
		case 'm': o->memory_mib = (unsigned)strtoul(optarg, NULL, 10); break;
		case 'p': a->packets = strtoull(optarg, NULL, 10); break;
		case '?': die("see the head of port_server.c for usage");
		default: exception_option(a, c, optarg); break;
		}
	}
}

// --- the zone --------------------------------------------------------------------------

static void add(struct zone_txn *t, const char *owner, uint16_t type, const void *rdata,
		size_t rdata_len)
{
	struct name name;
	if (name_from_text(owner, &name) != RESULT_OK)
		die("bad owner name");
	struct zone_record r = {
		.owner = name.wire,
		.rdata = rdata,
		.ttl_s = 300,
		.type = type,
		.rdata_len = (uint16_t)rdata_len,
	};
	if (zone_txn_add(t, &r) != RESULT_OK)
		die("a record cannot be added");
}

// big.example. has 20 TXT records of 200 octets: more than fits a datagram.
static void fill(struct zone_txn *t)
{
	static const uint8_t soa[] = "\2ns\7example\0\2ns\7example\0\0\0\0\1\0\0\16\20\0\0\2\130"
				     "\0\1\121\200\0\0\1\54";
	char owner[64];
	add(t, "example.", RRTYPE_SOA, soa, sizeof(soa) - 1);
	add(t, "example.", RRTYPE_NS, "\2ns\7example", 12);
	add(t, "ns.example.", RRTYPE_A, "\12\65\0\2", 4);
	for (unsigned i = 0; i < HOSTS; i++) {
		const uint8_t address[4] = { 192, 0, (uint8_t)(i >> 8), (uint8_t)i };
		snprintf(owner, sizeof(owner), "h%u.example.", i);
		add(t, owner, RRTYPE_A, address, sizeof(address));
	}
	for (unsigned i = 0; i < 20; i++) {
		uint8_t text[200];
		memset(text, 'a' + (int)i, sizeof(text));
		text[0] = sizeof(text) - 1;
		add(t, "big.example.", RRTYPE_TXT, text, sizeof(text));
	}
}

static struct zonedb *make_zonedb(void)
{
	struct zonedb *db;
	struct zone_txn *t;
	struct zone_version *v;
	struct name apex;
	const struct zonedb_options options = { .hugepages = false };
	name_from_text("example.", &apex);
	const struct zone_txn_options txn = { .apex = apex.wire };
	if (zonedb_new(&options, &db) != RESULT_OK || zone_txn_begin(db, &txn, &t) != RESULT_OK)
		die("no zone");
	fill(t);
	if (zone_txn_commit(t, &v) != RESULT_OK)
		die("the zone cannot be committed");
	zonedb_publish(db, &v, 1);
	return db;
}

// --- counters --------------------------------------------------------------------------

static unsigned long long load(const _Atomic uint64_t *counter)
{
	return atomic_load_explicit(counter, memory_order_relaxed);
}

static void print_lcore(const struct port_lcore *l)
{
	printf("{\"lcore\": %u, \"rx\": %llu, \"tx\": %llu, \"punted\": %llu, "
	       "\"from_kernel\": %llu, \"queries\": %llu, \"answers\": %llu",
	       l->lcore, load(&l->stats->rx_packets), load(&l->stats->tx_packets),
	       load(&l->stats->punted), load(&l->stats->from_kernel), load(&l->answer->queries),
	       load(&l->answer->answers));
	for (unsigned d = 0; d < PORT_DROP_COUNT; d++)
		printf(", \"%s\": %llu", port_drop_text(d), load(&l->stats->dropped[d]));
	for (unsigned d = 0; d < ANSWER_DROP_COUNT; d++)
		printf(", \"dns-%s\": %llu", answer_drop_text(d), load(&l->answer->dropped[d]));
	printf("}");
}

static void print_port(const struct port_info *i)
{
	printf("{\"device\": \"%s\", \"mac\": \"%02x:%02x:%02x:%02x:%02x:%02x\", \"mtu\": %u, "
	       "\"queues\": %u, \"link\": %s, \"exception\": \"%s\"",
	       i->device, i->mac[0], i->mac[1], i->mac[2], i->mac[3], i->mac[4], i->mac[5], i->mtu,
	       i->queues, i->link_up ? "true" : "false", i->exception_interface);
	if (i->exception)
		printf(", \"to_kernel\": %llu, \"from_kernel\": %llu, \"to_kernel_failed\": %llu, "
		       "\"from_kernel_dropped\": %llu",
		       load(&i->exception->to_kernel), load(&i->exception->from_kernel),
		       load(&i->exception->to_kernel_failed),
		       load(&i->exception->from_kernel_dropped));
	printf("}");
}

static void print_counters(const struct ports *ports)
{
	printf("{\"lcores\": [");
	for (size_t i = 0; i < port_lcore_count(ports); i++) {
		struct port_lcore l = port_lcore(ports, i);
		printf("%s", i ? ", " : "");
		print_lcore(&l);
	}
	printf("], \"ports\": [");
	for (size_t i = 0; i < port_count(ports); i++) {
		struct port_info info;
		port_info(ports, i, &info);
		printf("%s", i ? ", " : "");
		print_port(&info);
	}
	printf("]}\n");
}

static uint64_t received(const struct ports *ports)
{
	uint64_t sum = 0;
	for (size_t i = 0; i < port_lcore_count(ports); i++)
		sum += load(&port_lcore(ports, i).stats->rx_packets);
	return sum;
}

int main(int argc, char **argv)
{
	static struct arguments a;
	static struct answer_config config = { .edns_udp_octets = ANSWER_EDNS_UDP_DEFAULT };
	static struct rcu_pointer published;
	char why[512];
	sigset_t ends;
	const struct timespec tick = { .tv_nsec = 10000000 };

	read_arguments(&a, argc, argv);
	sigemptyset(&ends);
	sigaddset(&ends, SIGTERM);
	sigaddset(&ends, SIGINT);
	sigprocmask(SIG_BLOCK, &ends, NULL);
	rcu_pointer_exchange(&published, &config);
	struct zonedb *db = make_zonedb();
	struct ports *ports = port_start(&a.options, db, &published, why, sizeof(why));
	if (!ports) {
		fprintf(stderr, "port_server: %s\n", why);
		zonedb_free(db);
		return 1;
	}
	printf("ready\n");
	fflush(stdout);
	while (sigtimedwait(&ends, NULL, &tick) < 0)
		if (a.packets && received(ports) >= a.packets)
			break;
	nanosleep(&tick, NULL); // the last burst is counted to its end
	print_counters(ports);
	port_stop(ports);
	zonedb_free(db);
	return 0;
}
