// SPDX-License-Identifier: BSD-3-Clause
// TSC cycles that a query costs on the answer path, without a network card.
//
// Usage: answer [--json FILE] [--fills N] [--file FILE] [ROW…]
//
// Queries come in bursts of 32 with EDNS, of signed zones with DO, each in a buffer of
// its own among 1,024, and are answered there by answer_burst. What is timed is the
// bursts alone; queries are made before, and every answer is looked at after. A figure
// is the median over all fillings of the buffers, so that what else the machine does in
// between does not show; beside it stand the least and the most.
//
// Under callgrind with --instr-atstart=no the bursts alone are counted (answer_bench.py).
// The row root-mix needs a zone and queries in a file (answer_bench.py makes it).
#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>
#include <x86intrin.h>

#include "answer_zones.h"
#include "understudy/answer.h"
#include "understudy/rr.h"
#include "understudy/wire.h"

#if __has_include(<valgrind/callgrind.h>)
#include <valgrind/callgrind.h>
#else
#define CALLGRIND_START_INSTRUMENTATION
#define CALLGRIND_STOP_INSTRUMENTATION
#endif

#define BUFFERS     1024
#define BUFFER_SIZE 2048
#define FILLS       2000 // of all buffers: two million queries
#define MILLION     1000000

static uint8_t buffers[BUFFERS][BUFFER_SIZE] __attribute__((aligned(64)));
static struct answer_item items[BUFFERS];
static uint32_t asked[BUFFERS]; // which name, or query of the file

static struct zonedb *db;
static struct answer_ctx *ctx;
static struct answer_config settings = { .edns_udp_octets = ANSWER_EDNS_UDP_DEFAULT };
static struct rcu_pointer config;

static struct options {
	const char *json, *file;
	unsigned fills;
} options = { .fills = FILLS };

struct row {
	const char *name;
	uint32_t choose; // among so many names for each query
	bool zipf;       // the k-th with a probability of 1/k, else all alike
	enum ask ask;
	struct zone_plan zone; // if it is signed, it is asked with DO
	uint8_t header[2];     // flags and rcode of the replies
	uint16_t answers;      // records
	uint16_t authority[2]; // least and most records
};

static const struct row rows[] = {
	{ "hot",
	  1,
	  false,
	  ASK_EXISTING,
	  { 1000, ADDRESSES, UNSIGNED, NULL },
	  { 0x85, 0 },
	  1,
	  { 0 } },
	{ "uniform-1M",
	  MILLION,
	  false,
	  ASK_EXISTING,
	  { MILLION, ADDRESSES, UNSIGNED, NULL },
	  { 0x85, 0 },
	  1,
	  { 0, 0 } },
	{ "uniform-10M",
	  10 * MILLION,
	  false,
	  ASK_EXISTING,
	  { 10 * MILLION, ADDRESSES, UNSIGNED, NULL },
	  { 0x85, 0 },
	  1,
	  { 0, 0 } },
	{ "zipf-1M",
	  MILLION,
	  true,
	  ASK_EXISTING,
	  { MILLION, ADDRESSES, UNSIGNED, NULL },
	  { 0x85, 0 },
	  1,
	  { 0, 0 } },
	{ "missing-1M",
	  MILLION,
	  false,
	  ASK_BEHIND,
	  { MILLION, ADDRESSES, UNSIGNED, NULL },
	  { 0x85, 3 },
	  0,
	  { 1, 1 } },
	// The SOA and two proofs, each signed.
	{ "nxdomain-nsec",
	  MILLION,
	  false,
	  ASK_AMONG,
	  { MILLION, ADDRESSES, NSEC, NULL },
	  { 0x85, 3 },
	  0,
	  { 6, 6 } },
	// The SOA and three proofs; two hashes may be covered by one record.
	{ "nxdomain-nsec3",
	  MILLION,
	  false,
	  ASK_AMONG,
	  { MILLION, ADDRESSES, NSEC3, NULL },
	  { 0x85, 3 },
	  0,
	  { 6, 8 } },
	// Two NS records.
	{ "referral",
	  MILLION,
	  false,
	  ASK_BELOW,
	  { MILLION, DELEGATIONS, UNSIGNED, NULL },
	  { 0x81, 0 },
	  0,
	  { 2, 2 } },
	// NS, DS and its signature.
	{ "referral-signed",
	  MILLION,
	  false,
	  ASK_BELOW,
	  { MILLION, DELEGATIONS_DS, NSEC, NULL },
	  { 0x81, 0 },
	  0,
	  { 3, 3 } },
	// An address and its signature, one proof.
	{ "wildcard",
	  MILLION,
	  false,
	  ASK_BELOW,
	  { MILLION, WILDCARDS, NSEC, NULL },
	  { 0x85, 0 },
	  2,
	  { 2, 2 } },
	{ "root-mix", 0, false, ASK_EXISTING, { 0, FROM_FILE, UNSIGNED, NULL }, { 0 }, 0, { 0 } },
};
#define ROWS (sizeof(rows) / sizeof(rows[0]))

static uint64_t random_next(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

static uint32_t draw(const struct row *row, uint64_t *seed)
{
	uint64_t random = random_next(seed);
	if (!row->zipf)
		return (uint32_t)(random % row->choose);
	double share = (double)(random >> 11) / (double)(1ull << 53);
	return (uint32_t)exp(share * log(row->choose)) - 1;
}

static void make_query(unsigned i, const struct row *row, uint32_t index)
{
	static const uint8_t head[] = { 0, 0, 1, 0, 0, 1, 0, 0, 0, 0, 0, 1 };
	static const uint8_t tail[] = { 0, 1, 0, 1, 0, 0, 41, 0x04, 0xd0, 0, 0, 0, 0, 0, 0 };
	uint8_t *p = buffers[i];
	memcpy(p, head, sizeof(head));
	size_t n = put_name(p + sizeof(head), index, row->ask);
	memcpy(p + sizeof(head) + n, tail, sizeof(tail));
	if (row->zone.signing != UNSIGNED)
		p[sizeof(head) + n + sizeof(tail) - 4] = 0x80; // DO
	wire_poke_be16(p, (uint16_t)i);
	asked[i] = index;
	items[i].query_len = (uint16_t)(sizeof(head) + n + sizeof(tail));
}

static void take_query(unsigned i, uint32_t index)
{
	uint32_t count;
	const struct file_query *q = &file_queries(&count)[index];
	memcpy(buffers[i], q->wire, q->len);
	wire_poke_be16(buffers[i], (uint16_t)i);
	asked[i] = index;
	items[i].query_len = q->len;
}

// --- looking at the answers ----------------------------------------------------------

// Reads all records: their number is that of the header, and they end where the reply
// does. Returns the type of the first one in the authority section, 0 = none.
static unsigned walk(const uint8_t *msg, size_t len)
{
	struct wire w = wire_init(msg, len);
	unsigned counts[4], type = 0;
	wire_take(&w, 4);
	for (unsigned section = 0; section < 4; section++)
		counts[section] = wire_u16(&w);
	name_skip(&w);
	wire_take(&w, 4);
	for (unsigned section = 1; section < 4; section++) {
		for (unsigned i = 0; i < counts[section]; i++) {
			name_skip(&w);
			unsigned this = wire_u16(&w);
			if (section == 2 && i == 0)
				type = this;
			wire_take(&w, 2 + 4);
			wire_take(&w, wire_u16(&w));
		}
	}
	if (w.failed || wire_left(&w) > 0 || counts[0] != 1)
		fail("a reply whose records are not what its header says");
	return type;
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
	unsigned type = walk(p, items[i].reply_len);
	if (row->header[1] == RCODE_NXDOMAIN && type != RRTYPE_SOA)
		fail("a reply without the SOA");
	if (!(row->header[0] & DNS_FLAG_AA >> 8) && type != RRTYPE_NS)
		fail("a referral to nowhere");
}

// The same of a query out of a file, which tells what kind of reply it gets.
static void check_kind(unsigned i)
{
	uint32_t count;
	const struct file_query *q = &file_queries(&count)[asked[i]];
	const uint8_t *p = buffers[i];
	if (items[i].verdict != ANSWER_REPLY || wire_peek_be16(p) != (uint16_t)i ||
	    ((p[2] ^ q->header[0]) & ~(DNS_FLAG_TC >> 8)) != 0 || p[3] != q->header[1])
		fail("a reply with a wrong header");
	unsigned type = walk(p, items[i].reply_len);
	if (p[2] & DNS_FLAG_TC >> 8)
		return;
	if ((q->kind == REPLY_ANSWER) != (wire_peek_be16(p + 6) > 0) ||
	    (q->kind == REPLY_NEGATIVE) != (type == RRTYPE_SOA) ||
	    (q->kind == REPLY_REFERRAL && type != RRTYPE_NS))
		fail("a reply of another kind");
}

// --- timing --------------------------------------------------------------------------

static void answer_all(void)
{
	for (unsigned i = 0; i < BUFFERS; i += ANSWER_BURST_MAX) {
		answer_burst(ctx, zonedb_view(db), items + i, ANSWER_BURST_MAX);
		rcu_reader_quiescent();
	}
}

// Cycles a query, of one filling of the buffers.
static double run_fill(const struct row *row, uint64_t *seed)
{
	uint32_t count = 0;
	if (row->zone.content == FROM_FILE)
		file_queries(&count);
	for (unsigned i = 0; i < BUFFERS; i++) {
		if (count)
			take_query(i, (uint32_t)(random_next(seed) % count));
		else
			make_query(i, row, draw(row, seed));
	}
	CALLGRIND_START_INSTRUMENTATION;
	uint64_t start = __rdtsc();
	answer_all();
	uint64_t cycles = __rdtsc() - start;
	CALLGRIND_STOP_INSTRUMENTATION;
	for (unsigned i = 0; i < BUFFERS; i++) {
		if (count)
			check_kind(i);
		else
			check_reply(i, row);
	}
	return (double)cycles / BUFFERS;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

static void open_world(void)
{
	require(zonedb_new(&(struct zonedb_options){ .hugepages = true }, &db));
	ctx = answer_ctx_new(&config);
	if (!ctx)
		fail("no memory");
	for (unsigned i = 0; i < BUFFERS; i++)
		items[i] = (struct answer_item){ .buf = buffers[i], .capacity = 1452 };
}

static void close_world(void)
{
	answer_ctx_free(ctx);
	zonedb_free(db);
}

static void run_row(const struct row *row, json_t *out)
{
	double *figures = calloc(options.fills, sizeof(*figures));
	uint64_t seed = 88172645463325252u;
	struct zone_plan zone = row->zone;
	zone.file = options.file;
	if (!figures)
		fail("no memory");
	open_world();
	make_zone(db, &zone);
	for (unsigned i = 0; i < options.fills / 10; i++)
		run_fill(row, &seed);
	for (unsigned i = 0; i < options.fills; i++)
		figures[i] = run_fill(row, &seed);
	close_world();
	qsort(figures, options.fills, sizeof(figures[0]), compare);
	double least = figures[0], median = figures[options.fills / 2],
	       most = figures[options.fills - 1];
	printf("%-16s %8.1f cycles/query  (%.1f to %.1f, %u queries)\n", row->name, median, least,
	       most, options.fills * BUFFERS);
	fflush(stdout);
	json_object_set_new(out, row->name,
			    json_pack("{s:f, s:s, s:f, s:f}", "value", median, "unit",
				      "cycles/query", "min", least, "max", most));
	free(figures);
}

// --- the program -----------------------------------------------------------------------

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

static bool wanted(const struct row *row, char **names)
{
	if (!*names)
		return row->zone.content != FROM_FILE || options.file;
	for (; *names; names++)
		if (strcmp(row->name, *names) == 0)
			return true;
	return false;
}

// Returns what follows the options.
static char **read_options(char **argv)
{
	for (; argv[0] && argv[1] && strncmp(argv[0], "--", 2) == 0; argv += 2) {
		if (strcmp(argv[0], "--json") == 0)
			options.json = argv[1];
		else if (strcmp(argv[0], "--file") == 0)
			options.file = argv[1];
		else if (strcmp(argv[0], "--fills") == 0 && atoi(argv[1]) > 0)
			options.fills = (unsigned)atoi(argv[1]);
		else
			fail("usage: answer [--json FILE] [--fills N] [--file FILE] [ROW…]");
	}
	return argv;
}

int main(int argc, char **argv)
{
	(void)argc;
	char **names = read_options(argv + 1);
	stay_on_this_cpu();
	rcu_pointer_exchange(&config, &settings);
	rcu_reader_register();
	json_t *figures = json_object();
	json_t *all = json_pack("{s:s, s:o, s:o}", "bench", "answer", "machine", machine(), "rows",
				figures);
	for (size_t i = 0; i < ROWS; i++)
		if (wanted(&rows[i], names))
			run_row(&rows[i], figures);
	if (options.json && json_dump_file(all, options.json, JSON_INDENT(1)) != 0)
		fail("the file cannot be written");
	json_decref(all);
	rcu_reader_unregister();
	return 0;
}
