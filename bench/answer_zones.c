// SPDX-License-Identifier: BSD-3-Clause
// The zones of the benchmark of the answer path, and the queries that they are asked.
#include "answer_zones.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/signer.h"
#include "understudy/name.h"
#include "understudy/rcu.h"
#include "understudy/rr.h"
#include "understudy/wire.h"

#define LABEL_OCTETS 9
#define OPERATORS    1000

const uint8_t bench_apex[] = "\5bench\4test";

void fail(const char *what)
{
	fprintf(stderr, "bench/answer: %s\n", what);
	exit(1);
}

void require(enum result r)
{
	if (r != RESULT_OK)
		fail(result_text(r));
}

// The label is that of bench/zones.py.
size_t put_name(uint8_t *out, uint32_t index, enum ask which)
{
	static const char hex[] = "0123456789abcdef";
	uint32_t number = index * 2654435761u;
	uint8_t *p = out;
	if (which == ASK_BELOW) {
		memcpy(p, "\1q", 2);
		p += 2;
	}
	*p++ = LABEL_OCTETS;
	*p++ = which == ASK_BEHIND ? 'i' : 'h';
	for (unsigned digit = 0; digit < 8; digit++)
		*p++ = (uint8_t)hex[number >> (28 - 4 * digit) & 15];
	if (which == ASK_AMONG)
		p[-1] = (uint8_t)('g' + p[-1] % 16);
	memcpy(p, bench_apex, strlen((const char *)bench_apex) + 1);
	return (size_t)(p - out) + strlen((const char *)bench_apex) + 1;
}

void put_address(uint8_t out[4], uint32_t index)
{
	wire_poke_be32(out, 10u << 24 | index);
}

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
	add(t, bench_apex, RRTYPE_SOA, soa, sizeof(soa));
	add(t, bench_apex, RRTYPE_NS, ns, sizeof(ns));
}

static const uint8_t ds[] = "\0\1\15\2abcdefghijklmnopqrstuvwxyzabcdef";

// ns1 and ns2 of an operator elsewhere, or of the name itself.
static void add_delegation(const struct taker *t, const uint8_t *name, size_t octets,
			   uint32_t index)
{
	uint8_t server[4 + NAME_MAX_OCTETS], address[4];
	char operator[32];
	bool own = index % 20 == 0;
	int n = snprintf(operator, sizeof(operator), "%cop%04u%cexample", 6,
			 index * 2654435761u % OPERATORS, 7);
	for (char which = '1'; which <= '2'; which++) {
		memcpy(server, "\3ns", 3);
		server[3] = (uint8_t)which;
		memcpy(server + 4, own ? (const void *)name : operator,
		       own ? octets : (size_t)n + 1);
		add(t, name, RRTYPE_NS, server, 4 + (own ? octets : (size_t)n + 1));
		put_address(address, index);
		if (own)
			add(t, server, RRTYPE_A, address, sizeof(address));
	}
	if (index % 10 == 0)
		add(t, name, RRTYPE_DS, ds, sizeof(ds) - 1);
}

static void add_name(const struct taker *t, enum content content, uint32_t index)
{
	uint8_t owner[2 + NAME_MAX_OCTETS] = "\1*", address[4], *name = owner + 2;
	size_t octets = put_name(name, index, ASK_EXISTING);
	put_address(address, index);
	switch (content) {
	case ADDRESSES: add(t, name, RRTYPE_A, address, sizeof(address)); break;
	case WILDCARDS: add(t, owner, RRTYPE_A, address, sizeof(address)); break;
	case DELEGATIONS: add_delegation(t, name, octets, index); break;
	default:
		memcpy(owner, "\1a", 2);
		add(t, name, RRTYPE_NS, owner, 2 + octets);
		add(t, name, RRTYPE_DS, ds, sizeof(ds) - 1);
		add(t, owner, RRTYPE_A, address, sizeof(address));
		break;
	}
}

// --- a zone and queries out of a file ------------------------------------------------

static struct {
	uint8_t *octets;
	struct file_query *query;
	uint32_t queries;
} input;

static void read_input(const char *path)
{
	FILE *f = fopen(path, "rb");
	free(input.octets);
	if (!f || fseek(f, 0, SEEK_END) != 0)
		fail("the file cannot be read");
	size_t size = (size_t)ftell(f);
	rewind(f);
	input.octets = malloc(size ? size : 1);
	if (!input.octets || fread(input.octets, 1, size, f) != size)
		fail("the file cannot be read");
	fclose(f);
	struct wire w = wire_init(input.octets, size);
	uint32_t records = wire_u32(&w);
	for (uint32_t i = 0; i < records; i++) {
		wire_take(&w, wire_u16(&w)); // owner
		wire_take(&w, 2 + 4);        // type, TTL
		wire_take(&w, wire_u16(&w)); // rdata
	}
	input.queries = wire_u32(&w);
	input.query = realloc(input.query, (input.queries + 1u) * sizeof(input.query[0]));
	for (uint32_t i = 0; input.query && i < input.queries; i++) {
		struct file_query *q = &input.query[i];
		q->header[0] = wire_u8(&w);
		q->header[1] = wire_u8(&w);
		q->kind = wire_u8(&w);
		q->len = wire_u16(&w);
		q->wire = wire_take(&w, q->len);
	}
	if (w.failed || input.queries == 0)
		fail("the file ends early");
}

static void add_input(struct zone_txn *txn)
{
	struct wire w = wire_init(input.octets, SIZE_MAX / 2);
	for (uint32_t left = wire_u32(&w); left > 0; left--) {
		struct zone_record r = { .owner = wire_take(&w, wire_u16(&w)) };
		r.type = wire_u16(&w);
		r.ttl_s = wire_u32(&w);
		r.rdata_len = wire_u16(&w);
		r.rdata = wire_take(&w, r.rdata_len);
		require(zone_txn_add(txn, &r));
	}
}

const struct file_query *file_queries(uint32_t *count)
{
	*count = input.queries;
	return input.query;
}

// --- zones ------------------------------------------------------------------------------

static void add_all(const struct taker *t, const struct zone_plan *plan)
{
	add_apex(t);
	for (uint32_t i = 0; i < plan->names; i++)
		add_name(t, plan->content, i);
}

void make_zone(struct zonedb *db, const struct zone_plan *plan)
{
	const uint8_t *apex = plan->content == FROM_FILE ? (const uint8_t *)"" : bench_apex;
	struct zone_txn *txn;
	struct zone_version *version;
	require(zone_txn_begin(db, &(struct zone_txn_options){ .apex = apex }, &txn));
	if (plan->content == FROM_FILE) {
		read_input(plan->file);
		add_input(txn);
	} else if (plan->signing == UNSIGNED) {
		add_all(&(struct taker){ take_for_txn, txn }, plan);
	} else {
		struct signer_options how = { .nsec3 = plan->signing == NSEC3 };
		struct signer *signer = signer_new(apex, &how);
		add_all(&(struct taker){ take_for_signer, signer }, plan);
		signer_finish(signer, take_for_txn, txn);
	}
	require(zone_txn_commit(txn, &version));
	zonedb_publish(db, &version, 1);
	rcu_reader_quiescent();
}
