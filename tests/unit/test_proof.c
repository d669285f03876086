// SPDX-License-Identifier: BSD-3-Clause
// A proof that is copied must be what it is when written anew, to the octet.
#include "proof.h"

#include <stdio.h>
#include <string.h>

#include "support/world.h"
#include "understudy/rcu.h"
#include "understudy/rr.h"
#include "unit.h"

#define ROOM 2048

static struct world world;

static const char *const apexes[] = { "proof.test.", "." };
static const char *const questions[] = { "x", "!a", "!A", "b.!a", "c.b.!a", "b.!ab", "x.y", "z.b" };
// Owners of the proofs: the apex, names next to it and further below.
static const char zone_text[] = "@ 300 SOA ns.else. root.else. 1 2 3 4 60\n@ 300 NS ns.else.\n"
				"!a 300 A 10.0.0.1\nc.b.!a 300 A 10.0.0.2\n"
				"b 300 A 10.0.0.3\n";
static const char *const owners[] = { "", "!a", "c.b.!a", "b" };

struct written {
	uint8_t msg[ROOM];
	uint32_t octets;
	uint16_t records;
};

static void name_in(const struct zone *zone, const char *text, struct name *out)
{
	char whole[NAME_TEXT_SIZE + 16], apex[NAME_TEXT_SIZE];
	name_to_text(zone_apex(zone), apex);
	snprintf(whole, sizeof(whole), "%s%s%s", text, *text && *apex != '.' ? "." : "", apex);
	CU_ASSERT_FATAL(name_from_text(whole, out) == RESULT_OK);
}

// The reply to a question: so many octets, and then the proof; false if it does not fit.
static bool write_one(struct written *out, const struct zone *zone, const char *text,
		      const struct proof *proof, uint32_t before, uint32_t limit)
{
	static struct compress names;
	struct query q = { .qname = out->msg + REPLY_QNAME_PLACE };
	struct name name;
	struct reply r;
	memset(out, 0, sizeof(*out));
	name_in(zone, text, &name);
	memcpy(out->msg + REPLY_QNAME_PLACE, name.wire, name.len);
	q.qname_octets = name.len;
	name_labels_read(q.qname, &q.labels);
	q.question_octets = (uint16_t)(name.len + 4);
	reply_begin(&r, &q, out->msg, limit, &names);
	reply_show_zone(&r, &q, zone_apex_labels(zone));
	r.octets += before;
	bool fits = proof_put(zonedb_view(world.db), proof, zone, &r);
	out->octets = r.octets;
	out->records = r.counts[SECTION_AUTHORITY];
	return fits;
}

static bool same(const struct written *a, const struct written *b)
{
	return a->octets == b->octets && a->records == b->records &&
	       memcmp(a->msg, b->msg, a->octets) == 0;
}

// One question leaves the copy, another takes it. Returns how often there was one.
static unsigned compare_pair(const struct zone *zone, struct proof proof, const char *first,
			     const char *second)
{
	static struct written anew, copied;
	static struct proof_copy copy;
	struct proof with_copy = proof;
	with_copy.copy = &copy;
	copy.node = NULL;
	CU_ASSERT(write_one(&anew, zone, first, &proof, 0, ROOM));
	CU_ASSERT(write_one(&copied, zone, first, &with_copy, 0, ROOM));
	CU_ASSERT(same(&anew, &copied));
	for (uint32_t before = 0; before < 500; before += 99) {
		CU_ASSERT(write_one(&anew, zone, second, &proof, before, ROOM));
		CU_ASSERT(write_one(&copied, zone, second, &with_copy, before, ROOM));
		CU_ASSERT(same(&anew, &copied));
		for (unsigned less = 0; less < 40; less++) {
			uint32_t limit = anew.octets - less;
			if (limit >= QUERY_UDP_OCTETS_MIN)
				CU_ASSERT(write_one(&copied, zone, second, &with_copy, before,
						    limit) == (less == 0));
		}
	}
	return copy.node != NULL;
}

static unsigned compare_all(const struct zone *zone)
{
	unsigned copies = 0;
	for (size_t o = 0; o < sizeof(owners) / sizeof(owners[0]); o++) {
		struct name name;
		name_in(zone, owners[o], &name);
		struct proof proof = { .zone = zone, .type = RRTYPE_NSEC };
		proof.node = zone_node_exact(zonedb_view(world.db), zone, name.wire);
		CU_ASSERT_FATAL(proof.node != NULL);
		for (size_t i = 0; i < sizeof(questions) / sizeof(questions[0]); i++)
			for (size_t j = 0; j < sizeof(questions) / sizeof(questions[0]); j++)
				copies += compare_pair(zone, proof, questions[i], questions[j]);
	}
	return copies;
}

static void test_same(void)
{
	const struct signer_options how = { .nsec3 = false };
	for (unsigned i = 0; i < 2; i++) {
		struct name name;
		world_signed_zone(&world, apexes[i], zone_text, &how);
		CU_ASSERT_FATAL(name_from_text(apexes[i], &name) == RESULT_OK);
		unsigned copies = compare_all(catalog_zone(zonedb_view(world.db), name.wire));
		// All pairs, but those of which both show a label of the owner: 4 questions, or 1.
		CU_ASSERT_EQUAL(copies, 64 + 2 * (64 - 16) + (64 - 1));
		rcu_reader_quiescent();
	}
}

int main(void)
{
	static const struct unit_test tests[] = { { "as written anew", test_same } };
	world_open(&world);
	int failed = unit_run("proof", tests, sizeof(tests) / sizeof(tests[0]));
	world_close(&world);
	return failed;
}
