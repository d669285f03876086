// SPDX-License-Identifier: BSD-3-Clause
// TSC cycles that a query costs on the answer path, without a network card.
//
// Usage: answer [--json FILE] [ROW…]
//
// Queries come in bursts of 32 with EDNS, of signed zones with DO, each in a buffer of
// its own among 1,024, and are answered there by answer_burst. What is timed is the
// bursts alone; queries are made before, and every answer is looked at after. A figure
// is the median over all fillings of the buffers, so that what else the machine does in
// between does not show; the range is that of the quartiles.
#include <errno.h>
#include <jansson.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>
#include <x86intrin.h>

#include "support/signer.h"
#include "understudy/answer.h"
#include "understudy/rr.h"
#include "understudy/wire.h"
#include "understudy/zonedb.h"

#define BUFFERS      1024
#define BUFFER_SIZE  2048
#define FILLS        2000 // of all buffers: two million queries
#define WARM_FILLS   200  // before that
#define LABEL_OCTETS 9

static const uint8_t apex[] = "\5bench\4test";

static uint8_t buffers[BUFFERS][BUFFER_SIZE] __attribute__((aligned(64)));
static struct answer_item items[BUFFERS];
static uint32_t asked[BUFFERS]; // which name

static struct zonedb *db;
static struct answer_ctx *ctx;
static struct answer_config settings = { .edns_udp_octets = ANSWER_EDNS_UDP_DEFAULT };
static struct rcu_pointer config;

static void fail(const char *what)
{
	fprintf(stderr, "bench/answer: %s\n", what);
	exit(1);
}

static void require(enum result r)
{
	if (r != RESULT_OK)
		fail(result_text(r));
}

// Which names are asked for.
enum ask {
	ASK_EXISTING,
	ASK_BEHIND, // missing ones, all behind those that exist
	ASK_AMONG,  // missing ones among them
	ASK_BELOW,  // of one label more
};

// The name of number `index`: different for each, in no order of theirs. The
// label is that of bench/zones.py.
static size_t put_name(uint8_t *out, uint32_t index, enum ask which)
{
	char label[LABEL_OCTETS + 1];
	snprintf(label, sizeof(label), "h%08x", index * 2654435761u);
	if (which == ASK_BEHIND)
		label[0] = 'i';
	else if (which == ASK_AMONG)
		label[LABEL_OCTETS - 1] = (char)('g' + label[LABEL_OCTETS - 1] % 16);
	uint8_t *p = out;
	if (which == ASK_BELOW) {
		memcpy(p, "\1q", 2);
		p += 2;
	}
	*p++ = LABEL_OCTETS;
	memcpy(p, label, LABEL_OCTETS);
	memcpy(p + LABEL_OCTETS, apex, sizeof(apex));
	return (size_t)(p - out) + LABEL_OCTETS + sizeof(apex);
}

static void put_address(uint8_t out[4], uint32_t index)
{
	wire_poke_be32(out, 10u << 24 | index);
}

enum content { ADDRESSES, WILDCARDS, DELEGATIONS };
enum signing { UNSIGNED, NSEC, NSEC3 };

struct row {
	const char *name;
	uint32_t names;  // in the zone
	uint32_t choose; // among so many names for each query
	enum ask ask;
	enum content content;
	enum signing signing;  // if not unsigned, asked with DO
	uint8_t header[2];     // flags and rcode of the replies
	uint16_t answers;      // records
	uint16_t authority[2]; // least and most records
};

static const struct row rows[] = {
	{ "hot", 1000, 1, ASK_EXISTING, ADDRESSES, UNSIGNED, { 0x85, 0 }, 1, { 0, 0 } },
	{ "uniform-1M",
	  1000000,
	  1000000,
	  ASK_EXISTING,
	  ADDRESSES,
	  UNSIGNED,
	  { 0x85, 0 },
	  1,
	  { 0, 0 } },
	{ "missing-1M",
	  1000000,
	  1000000,
	  ASK_BEHIND,
	  ADDRESSES,
	  UNSIGNED,
	  { 0x85, 3 },
	  0,
	  { 1, 1 } },
	// The SOA and two proofs, each signed.
	{ "nxdomain-nsec", 1000000, 1000000, ASK_AMONG, ADDRESSES, NSEC, { 0x85, 3 }, 0, { 6, 6 } },
	// The SOA and three proofs; two hashes may be covered by one record.
	{ "nxdomain-nsec3",
	  1000000,
	  1000000,
	  ASK_AMONG,
	  ADDRESSES,
	  NSEC3,
	  { 0x85, 3 },
	  0,
	  { 6, 8 } },
	// NS, DS and its signature.
	{ "referral", 1000000, 1000000, ASK_BELOW, DELEGATIONS, NSEC, { 0x81, 0 }, 0, { 3, 3 } },
	// An address and its signature, one proof.
	{ "wildcard", 1000000, 1000000, ASK_BELOW, WILDCARDS, NSEC, { 0x85, 0 }, 2, { 2, 2 } },
};
#define ROWS (sizeof(rows) / sizeof(rows[0]))

// Who takes the records of a zone.
struct taker {
	void (*take)(void *, const struct zone_record *);
	void *arg;
};

static void take_for_txn(void *txn, const struct zone_record *r)
{
	require(zone_txn_add(txn, r));
}

static void take_for_signer(void *signer, const struct zone_record *r)
{
	signer_add(signer, r);
}

static void add(const struct taker *t, const uint8_t *owner, uint16_t type, const uint8_t *rdata,
		size_t len)
{
	struct zone_record r = { owner, rdata, 3600, type, (uint16_t)len };
	t->take(t->arg, &r);
}

static void add_apex(const struct taker *t)
{
	static const uint8_t ns[] = "\3ns1\5bench\4test";
	uint8_t soa[2 * sizeof(ns) + 20];
	struct wire_out o = wire_out_init(soa, sizeof(soa));
	wire_put_bytes(&o, ns, sizeof(ns));
	wire_put_bytes(&o, ns, sizeof(ns));
	for (uint32_t i = 1; i <= 5; i++)
		wire_put_u32(&o, i * 60);
	add(t, apex, RRTYPE_SOA, soa, sizeof(soa));
	add(t, apex, RRTYPE_NS, ns, sizeof(ns));
}

static void add_name(const struct taker *t, const struct row *row, uint32_t index)
{
	uint8_t owner[2 + NAME_MAX_OCTETS] = "\1*", address[4], *name = owner + 2;
	static const uint8_t ds[] = "\0\1\15\2abcdefghijklmnopqrstuvwxyzabcdef";
	size_t octets = put_name(name, index, ASK_EXISTING);
	put_address(address, index);
	switch (row->content) {
	case ADDRESSES: add(t, name, RRTYPE_A, address, sizeof(address)); break;
	case WILDCARDS: add(t, owner, RRTYPE_A, address, sizeof(address)); break;
	case DELEGATIONS:
		memcpy(owner, "\1a", 2);
		add(t, name, RRTYPE_NS, owner, 2 + octets);
		add(t, name, RRTYPE_DS, ds, sizeof(ds) - 1);
		add(t, owner, RRTYPE_A, address, sizeof(address));
		break;
	}
}

static void add_all(const struct taker *t, const struct row *row)
{
	add_apex(t);
	for (uint32_t i = 0; i < row->names; i++)
		add_name(t, row, i);
}

static void make_zone(const struct row *row)
{
	struct zone_txn *txn;
	struct zone_version *version;
	require(zone_txn_begin(db, &(struct zone_txn_options){ .apex = apex }, &txn));
	if (row->signing == UNSIGNED) {
		add_all(&(struct taker){ take_for_txn, txn }, row);
	} else {
		struct signer_options how = { .nsec3 = row->signing == NSEC3 };
		struct signer *signer = signer_new(apex, &how);
		add_all(&(struct taker){ take_for_signer, signer }, row);
		signer_finish(signer, take_for_txn, txn);
	}
	require(zone_txn_commit(txn, &version));
	zonedb_publish(db, &version, 1);
	rcu_reader_quiescent();
}

static uint64_t random_next(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

static void make_query(unsigned i, const struct row *row, uint32_t index)
{
	static const uint8_t head[] = { 0, 0, 1, 0, 0, 1, 0, 0, 0, 0, 0, 1 };
	static const uint8_t tail[] = { 0, 1, 0, 1, 0, 0, 41, 0x04, 0xd0, 0, 0, 0, 0, 0, 0 };
	uint8_t *p = buffers[i];
	memcpy(p, head, sizeof(head));
	size_t n = put_name(p + sizeof(head), index, row->ask);
	memcpy(p + sizeof(head) + n, tail, sizeof(tail));
	if (row->signing != UNSIGNED)
		p[sizeof(head) + n + sizeof(tail) - 4] = 0x80; // DO
	wire_poke_be16(p, (uint16_t)i);
	asked[i] = index;
	items[i].query_len = (uint16_t)(sizeof(head) + n + sizeof(tail));
}

// The rcode and how many records there are; the name's own address.
static void check_reply(unsigned i, const struct row *row)
{
	const uint8_t *p = buffers[i];
	unsigned authority = wire_peek_be16(p + 8);
	if (items[i].verdict != ANSWER_REPLY || wire_peek_be16(p) != (uint16_t)i ||
	    memcmp(p + 2, row->header, 2) != 0 || wire_peek_be16(p + 6) != row->answers ||
	    authority < row->authority[0] || authority > row->authority[1])
		fail("a reply with a wrong header");
	uint8_t address[4];
	put_address(address, asked[i]);
	size_t first = 12 + name_length(p + 12) + 4;
	if (row->answers > 0 && memcmp(p + first + 12, address, 4) != 0)
		fail("a reply with a wrong address");
	if (row->answers == 0 && row->header[1] == RCODE_NXDOMAIN &&
	    wire_peek_be16(p + first + 2) != RRTYPE_SOA)
		fail("a reply without the SOA");
}

// Cycles a query, of one filling of the buffers.
static double run_fill(const struct row *row, uint64_t *seed)
{
	for (unsigned i = 0; i < BUFFERS; i++)
		make_query(i, row, (uint32_t)(random_next(seed) % row->choose));
	uint64_t start = __rdtsc();
	for (unsigned i = 0; i < BUFFERS; i += ANSWER_BURST_MAX) {
		answer_burst(ctx, zonedb_view(db), items + i, ANSWER_BURST_MAX);
		rcu_reader_quiescent();
	}
	uint64_t cycles = __rdtsc() - start;
	for (unsigned i = 0; i < BUFFERS; i++)
		check_reply(i, row);
	return (double)cycles / BUFFERS;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

static void run_row(const struct row *row, json_t *out)
{
	static double figures[FILLS];
	uint64_t seed = 88172645463325252u;
	make_zone(row);
	for (unsigned i = 0; i < WARM_FILLS; i++)
		run_fill(row, &seed);
	for (unsigned i = 0; i < FILLS; i++)
		figures[i] = run_fill(row, &seed);
	qsort(figures, FILLS, sizeof(figures[0]), compare);
	double low = figures[FILLS / 4], median = figures[FILLS / 2], high = figures[FILLS * 3 / 4];
	printf("%-14s %8.1f cycles/query  (%.1f to %.1f, %u names, %u queries)\n", row->name,
	       median, low, high, row->names, FILLS * BUFFERS);
	json_object_set_new(out, row->name,
			    json_pack("{s:f, s:s, s:f, s:f}", "value", median, "unit",
				      "cycles/query", "min", low, "max", high));
}

static void cpu_model(char *out, size_t size)
{
	FILE *f = fopen("/proc/cpuinfo", "r");
	char line[256];
	snprintf(out, size, "unknown");
	while (f && fgets(line, sizeof(line), f)) {
		char *value = strchr(line, ':');
		if (strncmp(line, "model name", 10) != 0 || !value)
			continue;
		value[strcspn(value, "\n")] = '\0';
		snprintf(out, size, "%s", value + 2);
		break;
	}
	if (f)
		fclose(f);
}

static json_t *machine(void)
{
	char cpu[256];
	struct utsname os;
	cpu_model(cpu, sizeof(cpu));
	uname(&os);
	printf("%s, %ld cores, %s %s, %s\n", cpu, sysconf(_SC_NPROCESSORS_ONLN), os.sysname,
	       os.release, __VERSION__);
	return json_pack("{s:s, s:i, s:s, s:s}", "cpu", cpu, "cores",
			 (int)sysconf(_SC_NPROCESSORS_ONLN), "kernel", os.release, "compiler",
			 __VERSION__);
}

// The TSC of one CPU, and its caches.
static void stay_on_this_cpu(void)
{
	cpu_set_t set;
	CPU_ZERO(&set);
	CPU_SET((size_t)sched_getcpu(), &set);
	if (sched_setaffinity(0, sizeof(set), &set) != 0)
		fail(strerror(errno));
}

static void open_world(void)
{
	rcu_pointer_exchange(&config, &settings);
	rcu_reader_register();
	require(zonedb_new(&(struct zonedb_options){ .hugepages = true }, &db));
	ctx = answer_ctx_new(&config);
	if (!ctx)
		fail("no memory");
	for (unsigned i = 0; i < BUFFERS; i++)
		items[i] = (struct answer_item){ .buf = buffers[i], .capacity = 1452 };
}

static bool wanted(const char *row, char **names)
{
	if (!*names)
		return true;
	for (; *names; names++)
		if (strcmp(row, *names) == 0)
			return true;
	return false;
}

int main(int argc, char **argv)
{
	const char *file = NULL;
	char **names = argv + 1;
	if (argc > 2 && strcmp(argv[1], "--json") == 0) {
		file = argv[2];
		names += 2;
	}
	stay_on_this_cpu();
	open_world();
	json_t *figures = json_object();
	json_t *all = json_pack("{s:s, s:o, s:o}", "bench", "answer", "machine", machine(), "rows",
				figures);
	for (size_t i = 0; i < ROWS; i++)
		if (wanted(rows[i].name, names))
			run_row(&rows[i], figures);
	if (file && json_dump_file(all, file, JSON_INDENT(1)) != 0)
		fail("the file cannot be written");
	json_decref(all);
	answer_ctx_free(ctx);
	rcu_reader_unregister();
	zonedb_free(db);
	return 0;
}
