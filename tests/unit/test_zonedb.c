// SPDX-License-Identifier: BSD-3-Clause
// The snapshot's promises: cost of a delta, sharing, limits, sizes, what is kept.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "understudy/rcu.h"
#include "understudy/rr.h"
#include "understudy/zonedb.h"
#include "unit/unit.h"

static struct zonedb *db_new(uint64_t max_octets)
{
	struct zonedb *db = NULL;
	const struct zonedb_options options = { .max_octets = max_octets };
	CU_ASSERT_FATAL(zonedb_new(&options, &db) == RESULT_OK);
	return db;
}

static struct name name_of(const char *text)
{
	struct name n;
	CU_ASSERT_FATAL(name_from_text(text, &n) == RESULT_OK);
	return n;
}

static struct zone_txn *begin(struct zonedb *db, const char *apex, bool delta)
{
	struct name n = name_of(apex);
	struct zone_txn *t = NULL;
	struct zone_txn_options o = { .apex = n.wire, .from_published = delta };
	CU_ASSERT_FATAL(zone_txn_begin(db, &o, &t) == RESULT_OK);
	return t;
}

static enum result add(struct zone_txn *t, const uint8_t *owner, uint16_t type, uint32_t ttl_s,
		       const void *rdata, uint16_t len)
{
	struct zone_record r = { owner, rdata, ttl_s, type, len };
	return zone_txn_add(t, &r);
}

static enum result add_a(struct zone_txn *t, const char *owner, uint32_t ttl_s, uint32_t address)
{
	struct name n = name_of(owner);
	uint8_t rdata[4];
	wire_poke_be32(rdata, address);
	return add(t, n.wire, RRTYPE_A, ttl_s, rdata, 4);
}

static void soa(struct zone_txn *t, const char *apex, uint32_t serial, bool there)
{
	struct name n = name_of(apex);
	uint8_t rdata[22] = { 0 };
	wire_poke_be32(rdata + 2, serial);
	struct zone_record r = { n.wire, rdata, 300, RRTYPE_SOA, 22 };
	CU_ASSERT((there ? zone_txn_add(t, &r) : zone_txn_delete(t, &r)) == RESULT_OK);
}

static void publish(struct zonedb *db, struct zone_txn *t)
{
	struct zone_version *v = NULL;
	CU_ASSERT_FATAL(zone_txn_commit(t, &v) == RESULT_OK);
	zonedb_publish(db, &v, 1);
}

static void must_check(struct zonedb *db)
{
	char why[200] = "";
	enum result r = zonedb_check(db, zonedb_view(db), why, sizeof(why));
	if (r != RESULT_OK)
		fprintf(stderr, "check: %s\n", why);
	CU_ASSERT(r == RESULT_OK);
}

static const struct node *node_at(struct zonedb *db, const char *apex, const char *owner)
{
	const struct catalog *view = zonedb_view(db);
	struct name a = name_of(apex), o = name_of(owner);
	const struct zone *z = catalog_zone(view, a.wire);
	return z ? zone_node_exact(view, z, o.wire) : NULL;
}

// --- cost -------------------------------------------------------------------------

static void million_delta(void)
{
	struct zonedb *db = db_new(0);
	struct zone_txn *t = begin(db, "example", false);
	char text[64];
	soa(t, "example", 1, true);
	for (unsigned i = 0; i < 1000000; i++) {
		snprintf(text, sizeof(text), "h%u.example", i * 2654435761u);
		CU_ASSERT_FATAL(add_a(t, text, 300, i) == RESULT_OK);
	}
	publish(db, t);
	struct zonedb_stats s;
	zonedb_stats(db, &s);
	printf("%.1f octets a record, %.1f with garbage ... ", (double)s.octets_live / 1e6,
	       (double)(s.chunks << 21) / 1e6);

	t = begin(db, "example", true);
	soa(t, "example", 1, false);
	soa(t, "example", 2, true);
	publish(db, t);

	uint64_t most = 0;
	for (unsigned i = 0; i < 20; i++) {
		t = begin(db, "example", true);
		soa(t, "example", 2 + i, false);
		soa(t, "example", 3 + i, true);
		snprintf(text, sizeof(text), "h%u.example", i * 40503u * 2654435761u);
		CU_ASSERT(add_a(t, text, 300, 77) == RESULT_OK);
		// What is pending is written when the next owner comes.
		CU_ASSERT(add_a(t, "new.example", 300, 77) == RESULT_OK);
		uint64_t octets = zone_txn_stats(t)->cells_octets;
		most = octets > most ? octets : most;
		publish(db, t);
	}
	printf("a delta takes at most %llu octets ... ", (unsigned long long)most);
	CU_ASSERT(most > 0 && most < 65536);
	CU_ASSERT(node_at(db, "example", "new.example") != NULL);
	must_check(db);
	zonedb_free(db);
}

static void small_zones_share_chunks(void)
{
	struct zonedb *db = db_new(0);
	for (unsigned i = 0; i < 2000; i++) {
		char apex[32], host[64];
		snprintf(apex, sizeof(apex), "zone%u.example", i);
		struct zone_txn *t = begin(db, apex, false);
		soa(t, apex, 1, true);
		for (unsigned h = 0; h < 4; h++) {
			snprintf(host, sizeof(host), "h%u.%s", h, apex);
			CU_ASSERT(add_a(t, host, 60, h) == RESULT_OK);
		}
		publish(db, t);
	}
	struct zonedb_stats s;
	rcu_barrier_all();
	zonedb_stats(db, &s);
	printf("%llu chunks for 2000 zones ... ", (unsigned long long)s.chunks);
	CU_ASSERT(s.chunks <= 12);
	CU_ASSERT(catalog_zone_count(zonedb_view(db)) == 2000);
	must_check(db);
	zonedb_free(db);
}

static bool may_move(void *arg, const uint8_t *apex)
{
	(void)apex;
	return *(const bool *)arg;
}

// Takes a name away and adds another, which changes a branch here and there.
static void change_a_little(struct zonedb *db, unsigned number)
{
	char text[64];
	uint8_t rdata[4];
	struct zone_txn *t = begin(db, "example", true);
	snprintf(text, sizeof(text), "h%06u.example", number * 7919 % 40000 * 10);
	wire_poke_be32(rdata, number * 7919 % 40000 * 10);
	struct name n = name_of(text);
	struct zone_record r = { n.wire, rdata, 0, RRTYPE_A, 4 };
	CU_ASSERT(zone_txn_delete(t, &r) == RESULT_OK);
	snprintf(text, sizeof(text), "%03u.h%06u.example", number, number * 104729 % 400000);
	CU_ASSERT(add_a(t, text, 300, number) == RESULT_OK);
	publish(db, t);
}

// Compacts to the end, while the zone changes; returns the slices that it took.
static unsigned compact(struct zonedb *db, uint32_t leaves)
{
	const struct zonedb_compact_options o = { .leaves = leaves };
	enum zonedb_compacted came = ZONEDB_COMPACT_MORE;
	unsigned slices = 0;
	while (came == ZONEDB_COMPACT_MORE) {
		change_a_little(db, slices++);
		CU_ASSERT_FATAL(zonedb_compact(db, &o, &came) == RESULT_OK);
		rcu_reader_quiescent();
		must_check(db);
	}
	CU_ASSERT(came == ZONEDB_COMPACT_OVER);
	CU_ASSERT(zone_node_count(catalog_zone(zonedb_view(db), name_of("example").wire)) == 40001);
	return slices;
}

// A zone that is worked on is waited for, or passed over.
static void busy_zones_are_not_compacted(struct zonedb *db)
{
	bool may = false;
	struct zonedb_compact_options o = { .leaves = 1000, .may_move = may_move, .arg = &may };
	enum zonedb_compacted came;
	uint64_t generation = catalog_generation(zonedb_view(db));
	for (unsigned i = 0; i < 3; i++) {
		CU_ASSERT(zonedb_compact(db, &o, &came) == RESULT_OK);
		CU_ASSERT(came == ZONEDB_COMPACT_BLOCKED);
	}
	o.pass_over = true;
	CU_ASSERT(zonedb_compact(db, &o, &came) == RESULT_OK);
	CU_ASSERT(came == ZONEDB_COMPACT_OVER);
	CU_ASSERT(catalog_generation(zonedb_view(db)) == generation);
}

static void sparse_chunks_are_compacted(void)
{
	struct zonedb *db = db_new(0);
	struct zone_txn *t = begin(db, "example", false);
	char text[64];
	soa(t, "example", 1, true);
	for (unsigned i = 0; i < 400000; i++) {
		snprintf(text, sizeof(text), "h%06u.example", i);
		CU_ASSERT_FATAL(add_a(t, text, 300, i) == RESULT_OK);
	}
	publish(db, t);
	t = begin(db, "example", true);
	for (unsigned i = 0; i < 400000; i++) {
		if (i % 10 == 0)
			continue;
		uint8_t rdata[4];
		wire_poke_be32(rdata, i);
		snprintf(text, sizeof(text), "h%06u.example", i);
		struct name n = name_of(text);
		struct zone_record r = { n.wire, rdata, 0, RRTYPE_A, 4 };
		CU_ASSERT_FATAL(zone_txn_delete(t, &r) == RESULT_OK);
	}
	publish(db, t);
	struct zonedb_stats before, after;
	rcu_barrier_all();
	zonedb_stats(db, &before);
	busy_zones_are_not_compacted(db);
	unsigned slices = compact(db, 1000);
	rcu_barrier_all();
	zonedb_stats(db, &after);
	printf("%llu chunks become %llu in %u slices ... ", (unsigned long long)before.chunks,
	       (unsigned long long)after.chunks, slices);
	CU_ASSERT(slices > 40 && slices < 60);
	CU_ASSERT(after.octets_garbage * 4 < before.octets_garbage);
	CU_ASSERT(after.octets_live < before.octets_live + 65536);
	must_check(db);
	zonedb_free(db);
}

// What names share does not move, and keeps its chunks: for that alone no round begins.
static void rounds_end_where_nothing_is_gained(void)
{
	struct zonedb *db = db_new(0);
	const struct zonedb_compact_options o = { .leaves = UINT32_MAX };
	enum zonedb_compacted came;
	char text[80];
	struct zone_txn *t = begin(db, "example", false);
	soa(t, "example", 1, true);
	for (unsigned pass = 0; pass < 2; pass++) {
		for (unsigned i = 0; i < 120000; i++) {
			if (pass && i % 20 == 0)
				continue;
			snprintf(text, sizeof(text), "d%06u.example", i);
			struct name owner = name_of(text);
			snprintf(text, sizeof(text), "a-name-server.of-hoster-%u.example", i / 4);
			struct name target = name_of(text);
			struct zone_record r = { owner.wire, target.wire, 300, RRTYPE_NS,
						 (uint16_t)target.len };
			CU_ASSERT_FATAL((pass ? zone_txn_delete : zone_txn_add)(t, &r) ==
					RESULT_OK);
		}
		publish(db, t);
		t = pass ? NULL : begin(db, "example", true);
	}
	struct zonedb_stats first, second;
	CU_ASSERT(zonedb_compact(db, &o, &came) == RESULT_OK);
	CU_ASSERT(came == ZONEDB_COMPACT_OVER);
	must_check(db);
	zonedb_stats(db, &first);
	CU_ASSERT_EQUAL(first.compactions, 1);
	CU_ASSERT(first.octets_garbage > 3u << 20);
	CU_ASSERT(zonedb_compact(db, &o, &came) == RESULT_OK);
	CU_ASSERT(came == ZONEDB_COMPACT_OVER);
	zonedb_stats(db, &second);
	CU_ASSERT_EQUAL(second.compactions, 1);
	printf("%llu, %llu octets of garbage stay ... ", (unsigned long long)first.octets_garbage,
	       (unsigned long long)second.octets_garbage);
	zonedb_free(db);
}

#define MANY 20000u

static enum result one_of_many(struct zone_txn *t, unsigned i, bool there)
{
	uint8_t rdata[4];
	struct name n = name_of("many.example");
	struct zone_record r = { n.wire, rdata, 300, RRTYPE_A, 4 };
	wire_poke_be32(rdata, i * 7919 % MANY); // in no order
	return there ? zone_txn_add(t, &r) : zone_txn_delete(t, &r);
}

static uint64_t records_now(struct zonedb *db)
{
	struct name apex = name_of("example");
	return zone_record_count(catalog_zone(zonedb_view(db), apex.wire));
}

// The records of a large RRset go one by one, as by IXFR, in time that does not grow with
// its square; what is not there, or no longer, is told at once.
static void many_deletions(void)
{
	struct zonedb *db = db_new(0);
	struct zone_txn *t = begin(db, "example", false);
	soa(t, "example", 1, true);
	for (unsigned i = 0; i < MANY; i++)
		CU_ASSERT_FATAL(one_of_many(t, i, true) == RESULT_OK);
	publish(db, t);
	CU_ASSERT_EQUAL(records_now(db), MANY + 1);
	t = begin(db, "example", true);
	uint64_t before = zone_txn_stats(t)->cells_octets;
	for (unsigned i = 0; i < MANY; i++) {
		if (i % 100 == 7)
			continue;
		CU_ASSERT_FATAL(one_of_many(t, i, false) == RESULT_OK);
		CU_ASSERT(i % 50 || one_of_many(t, i, false) == RESULT_NOT_FOUND);
	}
	CU_ASSERT_EQUAL(zone_txn_stats(t)->deleted, MANY - MANY / 100);
	CU_ASSERT(zone_txn_stats(t)->cells_octets - before < 1u << 20);
	// Then one comes back, and another goes: an RRset that is small now.
	CU_ASSERT_EQUAL(one_of_many(t, 1, true), RESULT_OK);
	CU_ASSERT_EQUAL(one_of_many(t, 7, false), RESULT_OK);
	CU_ASSERT_EQUAL(one_of_many(t, 7, false), RESULT_NOT_FOUND);
	CU_ASSERT_EQUAL(one_of_many(t, 2, false), RESULT_NOT_FOUND);
	publish(db, t);
	must_check(db);
	CU_ASSERT_EQUAL(records_now(db), MANY / 100 + 1);
	// All of it again, and all of it gone: the name is, too.
	t = begin(db, "example", true);
	for (unsigned i = 0; i < MANY; i++)
		CU_ASSERT_FATAL(one_of_many(t, i, true) == RESULT_OK);
	publish(db, t);
	must_check(db);
	CU_ASSERT_EQUAL(records_now(db), MANY + 1);
	t = begin(db, "example", true);
	for (unsigned i = 0; i < MANY; i++)
		CU_ASSERT_FATAL(one_of_many(t, i, false) == RESULT_OK);
	publish(db, t);
	must_check(db);
	CU_ASSERT_EQUAL(records_now(db), 1);
	// Begun and given up.
	t = begin(db, "example", true);
	for (unsigned i = 0; i < MANY; i++)
		CU_ASSERT_FATAL(one_of_many(t, i, true) == RESULT_OK);
	publish(db, t);
	t = begin(db, "example", true);
	CU_ASSERT_EQUAL(one_of_many(t, 5, false), RESULT_OK);
	zone_txn_abort(t);
	must_check(db);
	CU_ASSERT_EQUAL(records_now(db), MANY + 1);
	zonedb_free(db);
}

// A zone of which only a tenth is left, in chunks that are sparse therefore.
static void add_sparse_zone(struct zonedb *db, const char *apex)
{
	char text[64];
	struct zone_txn *t = begin(db, apex, false);
	soa(t, apex, 1, true);
	for (unsigned pass = 0; pass < 2; pass++) {
		for (unsigned i = 0; i < 100000; i++) {
			uint8_t rdata[4];
			if (pass && i % 10 == 0)
				continue;
			wire_poke_be32(rdata, i);
			snprintf(text, sizeof(text), "h%06u.%s", i, apex);
			struct name n = name_of(text);
			struct zone_record r = { n.wire, rdata, 300, RRTYPE_A, 4 };
			CU_ASSERT_FATAL((pass ? zone_txn_delete : zone_txn_add)(t, &r) ==
					RESULT_OK);
		}
		publish(db, t);
		t = pass ? NULL : begin(db, apex, true);
	}
}

// What becomes sparse while a round is under way is for the next, which begins for it.
static void a_round_leaves_what_came_meanwhile(void)
{
	struct zonedb *db = db_new(0);
	struct zonedb_compact_options o = { .leaves = 1000 };
	enum zonedb_compacted came;
	struct zonedb_stats first, second;
	add_sparse_zone(db, "a.example");
	CU_ASSERT(zonedb_compact(db, &o, &came) == RESULT_OK);
	CU_ASSERT(came == ZONEDB_COMPACT_MORE);
	add_sparse_zone(db, "b.example");
	o.leaves = UINT32_MAX;
	CU_ASSERT(zonedb_compact(db, &o, &came) == RESULT_OK);
	CU_ASSERT(came == ZONEDB_COMPACT_OVER);
	zonedb_stats(db, &first);
	CU_ASSERT(zonedb_compact(db, &o, &came) == RESULT_OK);
	CU_ASSERT(came == ZONEDB_COMPACT_OVER);
	zonedb_stats(db, &second);
	CU_ASSERT_EQUAL(second.compactions, first.compactions + 1);
	CU_ASSERT(second.octets_garbage < first.octets_garbage / 2);
	must_check(db);
	zonedb_free(db);
}

// --- limits -----------------------------------------------------------------------

static void rrset_larger_than_a_chunk(void)
{
	struct zonedb *db = db_new(0);
	struct zone_txn *t = begin(db, "example", false);
	struct name big = name_of("big.example");
	uint8_t rdata[64] = { 63 };
	soa(t, "example", 1, true);
	for (unsigned i = 0; i < 100000; i++) {
		wire_poke_be32(rdata + 1, i * 2654435761u);
		CU_ASSERT_FATAL(add(t, big.wire, RRTYPE_TXT, 60, rdata, 64) == RESULT_OK);
	}
	publish(db, t);
	const struct node *n = node_at(db, "example", "big.example");
	struct rrset r;
	CU_ASSERT_FATAL(n && node_rrset(zonedb_view(db), n, RRTYPE_TXT, &r));
	CU_ASSERT(r.count == 100000 && r.octets == 6600000);
	must_check(db);
	t = begin(db, "example", true);
	struct zone_record one = { big.wire, rdata, 0, RRTYPE_TXT, 64 };
	CU_ASSERT(zone_txn_delete(t, &one) == RESULT_OK);
	CU_ASSERT(zone_txn_delete(t, &one) == RESULT_NOT_FOUND);
	publish(db, t);
	n = node_at(db, "example", "big.example");
	CU_ASSERT_FATAL(n && node_rrset(zonedb_view(db), n, RRTYPE_TXT, &r));
	CU_ASSERT(r.count == 99999);
	rcu_barrier_all();
	must_check(db);

	// Written again and again by one transaction, it does not pile up.
	struct zonedb_stats before, after;
	zonedb_stats(db, &before);
	t = begin(db, "example", true);
	for (unsigned i = 0; i < 50; i++) {
		wire_poke_be32(rdata + 5, i + 1);
		CU_ASSERT(add(t, big.wire, RRTYPE_TXT, 60, rdata, 64) == RESULT_OK);
		CU_ASSERT(add_a(t, "other.example", 60, i) == RESULT_OK);
	}
	publish(db, t);
	rcu_barrier_all();
	zonedb_stats(db, &after);
	CU_ASSERT(after.chunks < before.chunks + 10);
	must_check(db);
	zonedb_free(db);
}

static void no_memory_fails_one_transfer(void)
{
	struct zonedb *db = db_new(8u << 20);
	struct zone_txn *t = begin(db, "small.example", false);
	soa(t, "small.example", 1, true);
	publish(db, t);

	t = begin(db, "large.example", false);
	soa(t, "large.example", 1, true);
	enum result r = RESULT_OK;
	char text[64];
	for (unsigned i = 0; r == RESULT_OK && i < 1000000; i++) {
		snprintf(text, sizeof(text), "h%u.large.example", i);
		r = add_a(t, text, 60, i);
	}
	CU_ASSERT(r == RESULT_NO_MEMORY);
	CU_ASSERT(add_a(t, "x.large.example", 60, 1) == RESULT_NO_MEMORY);
	struct zone_version *v;
	CU_ASSERT(zone_txn_commit(t, &v) == RESULT_NO_MEMORY);

	CU_ASSERT(node_at(db, "small.example", "small.example") != NULL);
	t = begin(db, "small.example", true);
	CU_ASSERT(add_a(t, "a.small.example", 60, 1) == RESULT_OK);
	publish(db, t);
	CU_ASSERT(node_at(db, "small.example", "a.small.example") != NULL);
	must_check(db);
	zonedb_free(db);
}

static void record_limit(void)
{
	struct zonedb *db = db_new(0);
	struct name apex = name_of("example");
	struct zone_txn_options o = { .apex = apex.wire, .max_records = 3 };
	struct zone_txn *t = NULL;
	CU_ASSERT_FATAL(zone_txn_begin(db, &o, &t) == RESULT_OK);
	soa(t, "example", 1, true);
	CU_ASSERT(add_a(t, "a.example", 60, 1) == RESULT_OK);
	CU_ASSERT(add_a(t, "b.example", 60, 1) == RESULT_OK);
	CU_ASSERT(add_a(t, "c.example", 60, 1) == RESULT_LIMIT);
	zone_txn_abort(t);
	zonedb_free(db);
}

// --- what is kept -------------------------------------------------------------------

static void longest_names(void)
{
	struct zonedb *db = db_new(0);
	struct zone_txn *t = begin(db, ".", false);
	struct name deep = { .len = 255, .labels = 127 }, wide = { .len = 255, .labels = 4 };
	for (unsigned i = 0; i < 254; i += 2) {
		deep.wire[i] = 1;
		deep.wire[i + 1] = (uint8_t)(0x80 + i / 2);
	}
	unsigned at = 0;
	for (unsigned l = 0; l < 4; l++) {
		unsigned len = l < 3 ? 63 : 61;
		wide.wire[at++] = (uint8_t)len;
		for (unsigned i = 0; i < len; i++)
			wide.wire[at++] = (uint8_t)(0xff - i);
	}
	wide.wire[at++] = 0;
	CU_ASSERT(at == 255);
	soa(t, ".", 1, true);
	CU_ASSERT(add(t, deep.wire, RRTYPE_A, 60, "1234", 4) == RESULT_OK);
	CU_ASSERT(add(t, wide.wire, RRTYPE_A, 60, "1234", 4) == RESULT_OK);
	publish(db, t);
	must_check(db);
	const struct catalog *view = zonedb_view(db);
	struct find f[2] = { { .qname = deep.wire, .qname_len = 255, .qtype = RRTYPE_A },
			     { .qname = wide.wire, .qname_len = 255, .qtype = RRTYPE_A } };
	struct find *list[2] = { &f[0], &f[1] };
	zone_find_burst(view, list, 2);
	CU_ASSERT(f[0].status == FIND_NODE && f[0].encloser_labels == 127);
	CU_ASSERT(f[1].status == FIND_NODE && f[1].encloser_labels == 4);
	f[0].qname = deep.wire + 2; // an empty non-terminal
	f[0].qname_len = 253;
	zone_find_burst(view, list, 1);
	CU_ASSERT(f[0].status == FIND_EMPTY && f[0].encloser_labels == 126);
	zonedb_free(db);
}

static void case_ttl_and_duplicates(void)
{
	struct zonedb *db = db_new(0);
	struct zone_txn *t = begin(db, "example", false);
	soa(t, "eXample", 1, true);
	CU_ASSERT(add_a(t, "WWW.example", 300, 1) == RESULT_OK);
	CU_ASSERT(add_a(t, "www.EXAMPLE", 200, 2) == RESULT_OK);
	CU_ASSERT(add_a(t, "other.example", 200, 2) == RESULT_OK);
	CU_ASSERT(add_a(t, "www.example", 100, 1) == RESULT_OK);
	CU_ASSERT(add_a(t, "www.example.invalid", 100, 1) == RESULT_OUT_OF_ZONE);
	CU_ASSERT(add_a(t, "other2.example", 200, 2) == RESULT_OK);
	const struct zone_txn_stats *s = zone_txn_stats(t);
	CU_ASSERT(s->duplicates == 1 && s->ttl_lowered == 1 && s->out_of_zone == 1);
	publish(db, t);
	const struct catalog *view = zonedb_view(db);
	const struct node *n = node_at(db, "example", "www.example");
	struct name apex = name_of("example"), kept = name_of("WWW.eXample");
	uint8_t owner[NAME_MAX_OCTETS];
	struct rrset r;
	CU_ASSERT_FATAL(n && node_rrset(view, n, RRTYPE_A, &r));
	CU_ASSERT(r.count == 2 && r.ttl_s == 100 && r.octets == 12);
	CU_ASSERT(memcmp(r.records, "\0\4\0\0\0\1\0\4\0\0\0\2", 12) == 0);
	CU_ASSERT(node_owner(catalog_zone(view, apex.wire), n, owner) == kept.len);
	CU_ASSERT(memcmp(owner, kept.wire, kept.len) == 0);
	must_check(db);
	zonedb_free(db);
}

static uint64_t expiry_of(struct zonedb *db, const char *apex)
{
	struct name n = name_of(apex);
	return zone_expires_unix_s(catalog_zone(zonedb_view(db), n.wire));
}

// The expiry comes with a version, moves with a mark, and goes with the data.
static void expiry(void)
{
	struct zonedb *db = NULL;
	struct zone_version *v = NULL;
	struct name apex = name_of("z.");
	CU_ASSERT_FATAL(zonedb_new(&(struct zonedb_options){ .protect = true }, &db) == RESULT_OK);
	struct zone_txn *t = begin(db, "z.", false);
	soa(t, "z.", 1, true);
	CU_ASSERT_FATAL(zone_txn_commit(t, &v) == RESULT_OK);
	zone_version_set_expiry(v, 1000);
	zonedb_publish(db, &v, 1);
	CU_ASSERT_EQUAL(expiry_of(db, "z."), 1000);
	CU_ASSERT_FATAL(zone_version_marked(db, apex.wire, ZONE_SERVED, &v) == RESULT_OK);
	zone_version_set_expiry(v, 2000);
	zonedb_publish(db, &v, 1);
	CU_ASSERT_EQUAL(expiry_of(db, "z."), 2000);
	CU_ASSERT_EQUAL(zone_serial(catalog_zone(zonedb_view(db), apex.wire)), 1);
	must_check(db);
	CU_ASSERT_FATAL(zone_version_not_loaded(db, apex.wire, &v) == RESULT_OK);
	zonedb_publish(db, &v, 1);
	CU_ASSERT_EQUAL(expiry_of(db, "z."), 0);
	zonedb_free(db);
}

// --- replacing ----------------------------------------------------------------------

#define REFRESHED 100000u

// The whole zone again; every `changed`th address is another one, 0 = none.
static struct zone_version *refresh(struct zonedb *db, uint32_t serial, unsigned changed)
{
	struct zone_txn *t = begin(db, "example", false);
	struct zone_version *v = NULL;
	char text[64];
	soa(t, "example", serial, true);
	for (unsigned i = 0; i < REFRESHED; i++) {
		snprintf(text, sizeof(text), "h%u.example", i * 2654435761u);
		uint32_t address = changed && i % changed == 0 ? ~i : i;
		CU_ASSERT_FATAL(add_a(t, text, 300, address) == RESULT_OK);
	}
	for (unsigned i = 0; i < 1000; i++)
		CU_ASSERT_FATAL(add_a(t, "huge.example", 300, i) == RESULT_OK);
	CU_ASSERT_FATAL(zone_txn_commit(t, &v) == RESULT_OK);
	return v;
}

static void refresh_shares_what_is_equal(void)
{
	struct zonedb *db = db_new(0);
	struct zone_version *v = refresh(db, 1, 0);
	zonedb_publish(db, &v, 1);
	struct zonedb_stats first, s;
	zonedb_stats(db, &first);

	v = refresh(db, 1, 0);
	CU_ASSERT(zone_version_stats(v)->same);
	zone_version_discard(v);

	v = refresh(db, 2, 100);
	CU_ASSERT(!zone_version_stats(v)->same);
	CU_ASSERT(zone_version_stats(v)->cells_octets < first.octets_live / 5);
	zonedb_stats(db, &s);
	CU_ASSERT(s.chunks * 4 <= first.chunks * 5);
	zonedb_publish(db, &v, 1);
	must_check(db);
	zonedb_stats(db, &s);
	CU_ASSERT(s.octets_live < first.octets_live + first.octets_live / 100);

	// What is not sent again is gone.
	struct zone_txn *t = begin(db, "example", false);
	soa(t, "example", 3, true);
	publish(db, t);
	must_check(db);
	CU_ASSERT_PTR_NULL(node_at(db, "example", "huge.example"));
	struct name apex = name_of("example");
	CU_ASSERT_EQUAL(zone_node_count(catalog_zone(zonedb_view(db), apex.wire)), 1);
	zonedb_free(db);
}

// ---- images

struct copied {
	uint8_t *octets;
	size_t len, piece[64];
	unsigned count;
};

static enum result take_piece(void *arg, const void *octets, size_t len)
{
	struct copied *c = arg;
	c->octets = realloc(c->octets, c->len + len);
	CU_ASSERT_FATAL(c->octets && c->count < 64);
	memcpy(c->octets + c->len, octets, len);
	c->piece[c->count++] = len;
	c->len += len;
	return RESULT_OK;
}

static void image_of(struct zonedb *db, struct copied *c, struct zone_image *image)
{
	struct name apex = name_of("example");
	const struct zone_image_sink sink = { take_piece, c };
	const struct catalog *view = zonedb_view(db);
	CU_ASSERT_EQUAL_FATAL(zone_image_write(view, catalog_zone(view, apex.wire), &sink, image),
			      RESULT_OK);
}

// A transaction that takes the copied pieces.
static struct zone_txn *put_pieces(struct zonedb *db, const struct copied *c)
{
	struct zone_txn *t = begin(db, "example", false);
	const uint8_t *p = c->octets;
	for (unsigned i = 0; i < c->count; p += c->piece[i++]) {
		void *where;
		CU_ASSERT_EQUAL_FATAL(zone_txn_piece(t, c->piece[i], &where), RESULT_OK);
		memcpy(where, p, c->piece[i]);
	}
	return t;
}

static void image_moves(void)
{
	struct zonedb *db = db_new(0), *other = db_new(0);
	struct zone_version *v = refresh(db, 7, 0);
	struct copied c = { 0 };
	struct zone_image image;
	struct name apex = name_of("example");
	zonedb_publish(db, &v, 1);
	image_of(db, &c, &image);
	CU_ASSERT(c.count > 8);
	struct zonedb_stats first, second;
	zonedb_stats(db, &first);

	struct zone_txn *t = begin(other, "other", false);
	soa(t, "other", 1, true);
	publish(other, t);
	for (unsigned i = 0; i < 2; i++) { // anew, then over itself
		t = put_pieces(other, &c);
		CU_ASSERT_EQUAL_FATAL(zone_txn_adopt(t, apex.wire, &image), RESULT_OK);
		publish(other, t);
		must_check(other);
	}
	zonedb_stats(other, &second);
	CU_ASSERT(second.octets_live < first.octets_live + 4096);
	const struct zone *z = catalog_zone(zonedb_view(other), apex.wire);
	CU_ASSERT_EQUAL(zone_serial(z), 7);
	CU_ASSERT_EQUAL(zone_record_count(z), image.records);
	free(c.octets);
	zonedb_free(other);
	zonedb_free(db);
}

// What leads out of the pieces, or stands where no branch may, is refused.
static void image_refused(void)
{
	struct zonedb *db = db_new(0), *other = db_new(0);
	struct zone_version *v = refresh(db, 7, 0);
	struct copied c = { 0 };
	struct zone_image image, bad;
	struct name apex = name_of("example"), elsewhere = name_of("elsewhere");
	zonedb_publish(db, &v, 1);
	image_of(db, &c, &image);
	for (unsigned i = 0; i < 6; i++) {
		bad = image;
		struct copied less = c;
		less.count -= i == 0;
		bad.pieces -= i == 1;
		bad.root[2] += i == 2 ? 1u << 30 : 0;
		bad.root[2] |= i == 3 ? 0x7fff : 0;
		bad.root[1] |= i == 4 ? 1023u << 17 : 0; // an offset that no key has
		struct zone_txn *t = put_pieces(other, &less);
		CU_ASSERT_EQUAL(zone_txn_adopt(t, i == 5 ? elsewhere.wire : apex.wire, &bad),
				RESULT_MALFORMED);
		zone_txn_abort(t);
		must_check(other);
	}
	struct zone_txn *t = begin(other, "example", false);
	void *where;
	CU_ASSERT_EQUAL(zone_txn_piece(t, 0, &where), RESULT_MALFORMED);
	CU_ASSERT_EQUAL(zone_txn_piece(t, 12, &where), RESULT_MALFORMED);
	CU_ASSERT_EQUAL(zone_txn_piece(t, ZONE_PIECE_OCTETS + 8, &where), RESULT_MALFORMED);
	zone_txn_abort(t);
	free(c.octets);
	zonedb_free(other);
	zonedb_free(db);
}

// Such a zone cannot be an image, and says so.
static void image_too_large(void)
{
	struct zonedb *db = db_new(0);
	struct copied c = { 0 };
	struct zone_image image;
	struct name apex = name_of("example"), host = name_of("host.example");
	uint8_t text[256] = { 255 };
	struct zone_txn *t = begin(db, "example", false);
	soa(t, "example", 1, true);
	for (unsigned i = 0; i < 1200; i++) {
		memcpy(text + 1, &i, sizeof(i));
		CU_ASSERT_EQUAL(add(t, host.wire, RRTYPE_TXT, 60, text, sizeof(text)), RESULT_OK);
	}
	publish(db, t);
	const struct zone_image_sink sink = { take_piece, &c };
	const struct catalog *view = zonedb_view(db);
	CU_ASSERT_EQUAL(zone_image_write(view, catalog_zone(view, apex.wire), &sink, &image),
			RESULT_NO_SPACE);
	free(c.octets);
	zonedb_free(db);
}

// ---- common RRsets

#define DELEGATIONS 6000
#define HOSTERS     50

static enum result add_ns(struct zone_txn *t, unsigned i, unsigned server, unsigned hoster)
{
	char text[64];
	snprintf(text, sizeof(text), "d%u.example", i);
	struct name owner = name_of(text);
	snprintf(text, sizeof(text), "ns%u.hoster%u.example", server, hoster);
	struct name target = name_of(text);
	return add(t, owner.wire, RRTYPE_NS, 300, target.wire, (uint16_t)target.len);
}

// Every name has one of a few NS sets; every `changed`th another one, 0 = none.
static struct zone_version *delegations(struct zonedb *db, uint32_t serial, unsigned changed)
{
	struct zone_txn *t = begin(db, "example", false);
	struct zone_version *v = NULL;
	soa(t, "example", serial, true);
	for (unsigned i = 0; i < DELEGATIONS; i++) {
		unsigned hoster = (changed && i % changed == 0) ? HOSTERS : i % HOSTERS;
		CU_ASSERT_FATAL(add_ns(t, i, 1, hoster) == RESULT_OK);
		CU_ASSERT_FATAL(add_ns(t, i, 2, hoster) == RESULT_OK);
	}
	CU_ASSERT_FATAL(zone_txn_commit(t, &v) == RESULT_OK);
	return v;
}

static void ns_must_be(struct zonedb *db, unsigned i, unsigned hoster, unsigned count)
{
	char text[64];
	struct rrset rr = { 0 };
	snprintf(text, sizeof(text), "d%u.example", i);
	const struct node *n = node_at(db, "example", text);
	CU_ASSERT_PTR_NOT_NULL_FATAL(n);
	CU_ASSERT_FATAL(node_rrset(zonedb_view(db), n, RRTYPE_NS, &rr));
	CU_ASSERT_EQUAL(rr.count, count);
	snprintf(text, sizeof(text), "ns2.hoster%u.example", hoster);
	struct name target = name_of(text);
	const uint8_t *last = rr.records + rr.octets - target.len;
	CU_ASSERT(memcmp(last, target.wire, target.len) == 0);
}

// What is shared is counted once, survives changes of those who share it, moves in
// an image, and goes with the zone.
static void common_rrsets(void)
{
	struct zonedb *db = db_new(0);
	struct zonedb_stats first, s;
	struct zone_version *v = delegations(db, 1, 0);
	zonedb_publish(db, &v, 1);
	must_check(db);
	zonedb_stats(db, &first);
	CU_ASSERT(first.octets_live < DELEGATIONS * 64);
	ns_must_be(db, DELEGATIONS - 1, (DELEGATIONS - 1) % HOSTERS, 2);

	// A change of one owner is nobody else's.
	struct zone_txn *t = begin(db, "example", true);
	soa(t, "example", 1, false);
	soa(t, "example", 2, true);
	CU_ASSERT_EQUAL(add_ns(t, 5000, 3, 0), RESULT_OK);
	CU_ASSERT_EQUAL(add_ns(t, 5051, 0, 1), RESULT_OK);
	publish(db, t);
	must_check(db);
	ns_must_be(db, 5050, 0, 2);
	ns_must_be(db, 5051, 1, 3);

	// A refresh finds what is shared, and shares what is new.
	v = delegations(db, 3, 100);
	CU_ASSERT(zone_version_stats(v)->cells_octets < first.octets_live / 3);
	zonedb_publish(db, &v, 1);
	must_check(db);
	ns_must_be(db, 5000, HOSTERS, 2);
	ns_must_be(db, 5001, 1, 2);
	v = delegations(db, 3, 100);
	CU_ASSERT(zone_version_stats(v)->same);
	zone_version_discard(v);

	struct copied c = { 0 };
	struct zone_image image;
	struct name apex = name_of("example");
	image_of(db, &c, &image);
	CU_ASSERT(image.commons != 0);
	t = put_pieces(db, &c); // over itself
	CU_ASSERT_EQUAL_FATAL(zone_txn_adopt(t, apex.wire, &image), RESULT_OK);
	publish(db, t);
	must_check(db);
	ns_must_be(db, 5000, HOSTERS, 2);
	image.commons |= 0x7fff;
	t = put_pieces(db, &c);
	CU_ASSERT_EQUAL(zone_txn_adopt(t, apex.wire, &image), RESULT_MALFORMED);
	zone_txn_abort(t);
	must_check(db);
	free(c.octets);

	CU_ASSERT_FATAL(zone_version_removed(db, apex.wire, &v) == RESULT_OK);
	zonedb_publish(db, &v, 1);
	must_check(db);
	zonedb_stats(db, &s);
	CU_ASSERT_EQUAL(s.octets_live, 0);
	zonedb_free(db);
}

// What a small zone shares may change with each transfer: it stays a small zone.
static void common_rrsets_of_many_versions(void)
{
	struct zonedb *db = db_new(0);
	struct zonedb_stats s;
	uint8_t text[30] = "\35the same text for all of us";
	for (unsigned version = 1; version <= 80; version++) {
		struct zone_txn *t = begin(db, "example", false);
		soa(t, "example", version, true);
		text[1] = (uint8_t)version;
		for (unsigned i = 0; i < 100; i++) {
			char owner[32];
			snprintf(owner, sizeof(owner), "t%u.example", i);
			struct name n = name_of(owner);
			CU_ASSERT_FATAL(add(t, n.wire, RRTYPE_TXT, 300, text, sizeof(text)) ==
					RESULT_OK);
		}
		publish(db, t);
		must_check(db);
	}
	zonedb_stats(db, &s);
	CU_ASSERT(s.octets_live < 64 * 1024);
	zonedb_free(db);
}

// An RRset to be shared may be larger than the smallest block for such.
static void large_common_rrsets(void)
{
	struct zonedb *db = db_new(0);
	struct zone_txn *t = begin(db, "example", false);
	uint8_t text[2040] = { 0 };
	for (unsigned at = 0; at < sizeof(text); at += 255)
		text[at] = 254;
	soa(t, "example", 1, true);
	for (unsigned i = 0; i < 200; i++) {
		char owner[32];
		snprintf(owner, sizeof(owner), "t%u.example", i);
		struct name n = name_of(owner);
		text[1] = (uint8_t)(i % 3);
		CU_ASSERT_FATAL(add(t, n.wire, RRTYPE_TXT, 300, text, sizeof(text)) == RESULT_OK);
	}
	publish(db, t);
	must_check(db);
	for (unsigned i = 0; i < 200; i++) {
		char owner[32];
		struct rrset rr = { 0 };
		snprintf(owner, sizeof(owner), "t%u.example", i);
		const struct node *n = node_at(db, "example", owner);
		CU_ASSERT_PTR_NOT_NULL_FATAL(n);
		CU_ASSERT_FATAL(node_rrset(zonedb_view(db), n, RRTYPE_TXT, &rr));
		text[1] = (uint8_t)(i % 3);
		CU_ASSERT_EQUAL_FATAL(rr.octets, 2 + sizeof(text));
		CU_ASSERT(memcmp(rr.records + 2, text, sizeof(text)) == 0);
	}
	zonedb_free(db);
}

// ---- many RRsets

#define TYPES_MAX 256u

static struct zone_txn *begin_with_types(struct zonedb *db, unsigned types)
{
	struct zone_txn *t = begin(db, "example", false);
	struct name owner = name_of("many.example");
	soa(t, "example", 1, true);
	for (unsigned i = 0; i < types; i++)
		CU_ASSERT_FATAL(add(t, owner.wire, (uint16_t)(1024 + i), 300, "\1", 1) ==
				RESULT_OK);
	return t;
}

// A name may have many types, but not so many that looking for one of them takes long.
static void many_rrsets_at_a_name(void)
{
	struct zonedb *db = db_new(0);
	struct zone_version *version;
	struct rrset rr;
	unsigned seen = 0;
	publish(db, begin_with_types(db, TYPES_MAX));
	CU_ASSERT_EQUAL(zone_txn_commit(begin_with_types(db, TYPES_MAX + 1), &version),
			RESULT_TYPES);
	// The owner is complete when another one follows.
	struct zone_txn *t = begin_with_types(db, 60000);
	CU_ASSERT_EQUAL(add_a(t, "next.example", 300, 1), RESULT_TYPES);
	zone_txn_abort(t);
	// One more by a delta.
	t = begin(db, "example", true);
	soa(t, "example", 2, true);
	CU_ASSERT_EQUAL(add_a(t, "many.example", 300, 1), RESULT_OK);
	CU_ASSERT_EQUAL(zone_txn_commit(t, &version), RESULT_TYPES);
	const struct node *n = node_at(db, "example", "many.example");
	CU_ASSERT_PTR_NOT_NULL_FATAL(n);
	for (uint64_t at = 0; node_next_rrset(zonedb_view(db), n, &at, &rr); seen++)
		CU_ASSERT(rr.type == 1024 + seen);
	CU_ASSERT_EQUAL(seen, TYPES_MAX);
	must_check(db);
	zonedb_free(db);
}

// Chains that cost more than any that is served are not all tried.
static void costly_chains(void)
{
	struct zonedb *db = db_new(0);
	struct zone_txn *t = begin(db, "example", false);
	struct name owner = name_of("example");
	uint8_t rdata[5 + 255] = { NSEC3_SHA1, 0, 0xff, 0xff, 255 };
	soa(t, "example", 1, true);
	for (unsigned i = 0; i < 16; i++) {
		rdata[5] = (uint8_t)i;
		CU_ASSERT_EQUAL(add(t, owner.wire, RRTYPE_NSEC3PARAM, 0, rdata, sizeof(rdata)),
				RESULT_OK);
	}
	publish(db, t);
	const struct zone *z = catalog_zone(zonedb_view(db), owner.wire);
	struct nsec3_params chain;
	CU_ASSERT_FATAL(z && zone_nsec3_params(z, &chain));
	CU_ASSERT_EQUAL(chain.iterations, 65535);
	zonedb_free(db);
}

// A delta that takes a large RRset away record by record holds no copy for each.
static void large_rrset_goes_by_records(void)
{
	struct zonedb *db = db_new(0);
	struct zonedb_stats before, s;
	struct zone_txn *t = begin(db, "example", false);
	struct name owner = name_of("many.example");
	uint8_t rdata[4];
	soa(t, "example", 1, true);
	for (unsigned i = 0; i < 6000; i++)
		CU_ASSERT_FATAL(add_a(t, "many.example", 300, i) == RESULT_OK);
	publish(db, t);
	zonedb_stats(db, &before);
	t = begin(db, "example", true);
	for (unsigned i = 0; i < 6000; i++) {
		wire_poke_be32(rdata, i);
		struct zone_record r = { owner.wire, rdata, 300, RRTYPE_A, 4 };
		CU_ASSERT_FATAL(zone_txn_delete(t, &r) == RESULT_OK);
	}
	zonedb_stats(db, &s);
	CU_ASSERT(s.chunks <= before.chunks + 2);
	publish(db, t);
	must_check(db);
	zonedb_free(db);
}

UNIT_MAIN("zonedb", { "a large RRset goes by very many", many_deletions },
	  { "a large RRset goes by records", large_rrset_goes_by_records },
	  { "common RRsets", common_rrsets }, { "many RRsets at a name", many_rrsets_at_a_name },
	  { "costly chains", costly_chains }, { "large common RRsets", large_common_rrsets },
	  { "common RRsets of many versions", common_rrsets_of_many_versions },
	  { "an image moves", image_moves },
	  { "an image that leads astray is refused", image_refused },
	  { "an RRset too large for an image", image_too_large },
	  { "a delta in a million", million_delta },
	  { "a refresh shares what is equal", refresh_shares_what_is_equal },
	  { "small zones share chunks", small_zones_share_chunks },
	  { "sparse chunks are compacted", sparse_chunks_are_compacted },
	  { "a round leaves what came meanwhile", a_round_leaves_what_came_meanwhile },
	  { "rounds end where nothing is gained", rounds_end_where_nothing_is_gained },
	  { "an RRset larger than a chunk", rrset_larger_than_a_chunk },
	  { "no memory fails one transfer only", no_memory_fails_one_transfer },
	  { "record limit", record_limit }, { "longest names", longest_names },
	  { "case, TTL, duplicates", case_ttl_and_duplicates }, { "expiry", expiry })
