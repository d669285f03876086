// SPDX-License-Identifier: BSD-3-Clause
// Readers against a publishing writer: every view must be one version throughout.
//
// Usage: torture [SECONDS]. The writer rebuilds zones, changes them by deltas,
// marks, removes and compacts; readers check that all names of a zone carry
// the serial of its SOA. Memory that is given back too early is reused or
// unmapped, and shows as a mixture, a fault or a race.
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "understudy/rcu.h"
#include "understudy/rr.h"
#include "understudy/zonedb.h"

#define READERS 3
#define ZONES   3
#define NAMES   600

static struct zonedb *db;
static atomic_bool stop;
static _Atomic uint64_t lookups, views;
static struct name apexes[ZONES], names[ZONES][NAMES];

static void must(bool ok, const char *what)
{
	if (!ok) {
		fprintf(stderr, "torture: %s\n", what);
		abort();
	}
}

// --- readers -----------------------------------------------------------------------

// The serial that the record of a found name carries.
static uint32_t carried(const struct catalog *view, const struct node *n)
{
	struct rrset r;
	must(node_rrset(view, n, RRTYPE_A, &r) && r.count == 1 && r.octets == 6, "an A record");
	return wire_peek_be32(r.records + 2);
}

static void read_burst(const struct catalog *view, unsigned zone, unsigned first)
{
	struct find finds[32], *list[32];
	const struct zone *z = catalog_zone(view, apexes[zone].wire);
	for (unsigned i = 0; i < 32; i++) {
		const struct name *n = &names[zone][(first + i * 17) % NAMES];
		finds[i] = (struct find){ .qname = n->wire, .qname_len = n->len, .qtype = 1 };
		list[i] = &finds[i];
	}
	zone_find_burst(view, list, 32);
	for (unsigned i = 0; i < 32; i++) {
		must(finds[i].zone == z, "one zone for all of a view");
		if (!z || zone_state(z) != ZONE_SERVED)
			continue;
		must(finds[i].status == FIND_NODE, "the name is there");
		must(carried(view, finds[i].node) == zone_serial(z), "one version throughout");
	}
	atomic_fetch_add_explicit(&lookups, 32, memory_order_relaxed);
}

static void *reader(void *arg)
{
	unsigned round = (unsigned)(uintptr_t)arg * 7919;
	rcu_reader_register();
	while (!atomic_load_explicit(&stop, memory_order_relaxed)) {
		const struct catalog *view = zonedb_view(db);
		for (unsigned zone = 0; zone < ZONES; zone++)
			read_burst(view, zone, round++);
		atomic_fetch_add_explicit(&views, 1, memory_order_relaxed);
		rcu_reader_quiescent();
		if (round % 64 == 0) {
			rcu_reader_offline();
			nanosleep(&(struct timespec){ .tv_nsec = 50000 }, NULL);
			rcu_reader_online();
		}
	}
	rcu_reader_unregister();
	return NULL;
}

// --- the writer ------------------------------------------------------------------------

static void put(struct zone_txn *t, const struct name *owner, uint16_t type, uint32_t serial,
		bool add)
{
	uint8_t rdata[22] = { 0 };
	struct zone_record r = { .owner = owner->wire, .type = type, .ttl_s = 60, .rdata = rdata };
	r.rdata_len = type == RRTYPE_SOA ? 22 : 4;
	wire_poke_be32(type == RRTYPE_SOA ? rdata + 2 : rdata, serial);
	enum result result = add ? zone_txn_add(t, &r) : zone_txn_delete(t, &r);
	must(result == RESULT_OK, "a change");
}

static struct zone_version *next_version(unsigned zone, uint32_t was, uint32_t serial, bool delta)
{
	struct zone_txn_options o = { .apex = apexes[zone].wire, .from_published = delta };
	struct zone_txn *t;
	struct zone_version *v;
	must(zone_txn_begin(db, &o, &t) == RESULT_OK, "a transaction");
	for (unsigned i = 0; i <= NAMES; i++) {
		const struct name *n = i < NAMES ? &names[zone][i] : &apexes[zone];
		uint16_t type = i < NAMES ? RRTYPE_A : RRTYPE_SOA;
		if (delta)
			put(t, n, type, was, false);
		put(t, n, type, serial, true);
	}
	must(zone_txn_commit(t, &v) == RESULT_OK, "a commit");
	return v;
}

static void write_round(uint32_t serial[ZONES], unsigned round)
{
	unsigned zone = round % ZONES;
	struct zone_version *v[2];
	size_t n = 0;
	if (serial[zone] && round % 41 == 0) {
		must(zone_version_removed(db, apexes[zone].wire, &v[n++]) == RESULT_OK, "removal");
		serial[zone] = 0;
	} else if (serial[zone] && round % 13 == 0) {
		must(zone_version_marked(db, apexes[zone].wire, ZONE_EXPIRED, &v[n++]) == RESULT_OK,
		     "expiry");
	} else {
		bool delta = serial[zone] && round % 5;
		v[n++] = next_version(zone, serial[zone], round, delta);
		serial[zone] = round;
		unsigned other = (zone + 1) % ZONES;
		if (round % 4 == 0) {
			v[n++] = next_version(other, serial[other], round, false);
			serial[other] = round;
		}
	}
	zonedb_publish(db, v, n);
	enum zonedb_compacted came;
	const struct zonedb_compact_options slice = { .leaves = 100 };
	if (round % 7 == 0)
		must(zonedb_compact(db, &slice, &came) == RESULT_OK, "compaction");
}

int main(int argc, char **argv)
{
	unsigned seconds = argc > 1 ? (unsigned)atoi(argv[1]) : 5;
	static const char *const texts[ZONES] = { "example.", "third.", "other." };
	const struct zonedb_options options = { 0 };
	pthread_t threads[READERS];
	uint32_t serial[ZONES] = { 0 };

	must(zonedb_new(&options, &db) == RESULT_OK, "a database");
	for (unsigned z = 0; z < ZONES; z++) {
		must(name_from_text(texts[z], &apexes[z]) == RESULT_OK, "a name");
		for (unsigned i = 0; i < NAMES; i++) {
			char text[64];
			snprintf(text, sizeof(text), "h%u.%s", i * 7919, texts[z]);
			must(name_from_text(text, &names[z][i]) == RESULT_OK, "a name");
		}
	}
	for (unsigned i = 0; i < READERS; i++)
		pthread_create(&threads[i], NULL, reader, (void *)(uintptr_t)i);
	time_t end = time(NULL) + (time_t)seconds;
	unsigned round = 1;
	for (; time(NULL) < end; round++)
		write_round(serial, round);
	atomic_store(&stop, true);
	for (unsigned i = 0; i < READERS; i++)
		pthread_join(threads[i], NULL);

	struct zonedb_stats s;
	rcu_barrier_all();
	zonedb_stats(db, &s);
	printf("%u versions, %llu views, %llu lookups, %llu chunks, %llu compactions\n", round,
	       (unsigned long long)views, (unsigned long long)lookups, (unsigned long long)s.chunks,
	       (unsigned long long)s.compactions);
	must(rcu_oldest_age_ns() == 0, "nothing is left unreclaimed");
	must(s.chunks < 200, "memory is given back");
	zonedb_free(db);
	return atomic_load(&lookups) == 0;
}
