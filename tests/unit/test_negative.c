// SPDX-License-Identifier: BSD-3-Clause
// The SOA made ready for a burst must be what it is when written anew, to the octet.
#include "negative.h"

#include <stdio.h>
#include <string.h>

#include "support/world.h"
#include "understudy/rcu.h"
#include "understudy/rr.h"
#include "unit.h"

#define ROOM 2048

static struct world world;

static const char *const apexes[] = { "neg.test.", "." };
// Names of a SOA: above the apex, at it, and somewhere else.
static const char *const servers[] = { "ns1.neg.test.", "a.ns1.neg.test.", "neg.test.",
				       "ns.elsewhere.", "." };
static const char *const questions[] = { "", "x", "ns1", "NS1", "a.ns1", "b.ns1", "a.b.x" };

struct written {
	uint8_t msg[ROOM];
	uint32_t octets;
	uint16_t records;
};

// The reply to a question; false if it is not to be made ready.
static bool write_one(struct written *out, const struct zone *zone, const char *text, bool ready)
{
	static struct negative negative;
	static struct compress names;
	const struct catalog *view = zonedb_view(world.db);
	struct query q = { .qname = out->msg + REPLY_QNAME_PLACE };
	struct name name;
	struct reply r;
	char whole[NAME_TEXT_SIZE + 16], apex[NAME_TEXT_SIZE];
	name_to_text(zone_apex(zone), apex);
	snprintf(whole, sizeof(whole), "%s%s%s", text, *text && *apex != '.' ? "." : "", apex);
	CU_ASSERT_FATAL(name_from_text(whole, &name) == RESULT_OK);
	memset(out, 0, sizeof(*out));
	memcpy(out->msg + REPLY_QNAME_PLACE, name.wire, name.len);
	q.qname_octets = name.len;
	name_labels_read(q.qname, &q.labels);
	q.question_octets = (uint16_t)(name.len + 4);
	reply_begin(&r, &q, out->msg, ROOM, &names);
	reply_show_zone(&r, &q, zone_apex_labels(zone));
	if (ready) {
		negative.zone = NULL;
		negative_prepare(&negative, view, zone, true);
		if (!negative_put(&negative, &r))
			return false;
	} else {
		struct rrset soa, sigs;
		struct owner owner = { .name = zone_apex(zone), .in_zone = true };
		negative_soa(view, zone, &soa, &sigs);
		CU_ASSERT(reply_rrset(&r, SECTION_AUTHORITY, &owner, &soa));
		if (sigs.count > 0)
			CU_ASSERT(reply_rrset(&r, SECTION_AUTHORITY, &owner, &sigs));
	}
	out->octets = r.octets;
	out->records = r.counts[SECTION_AUTHORITY];
	return true;
}

static unsigned compare_all(const struct zone *zone)
{
	static struct written ready, anew;
	unsigned done = 0;
	for (size_t i = 0; i < sizeof(questions) / sizeof(questions[0]); i++) {
		if (!write_one(&ready, zone, questions[i], true))
			continue;
		write_one(&anew, zone, questions[i], false);
		CU_ASSERT(ready.octets == anew.octets && ready.records == anew.records &&
			  memcmp(ready.msg, anew.msg, ready.octets) == 0);
		done++;
	}
	return done;
}

static void test_same(void)
{
	const struct signer_options how = { .nsec3 = false };
	unsigned done = 0;
	for (unsigned i = 0; i < 2 * 2 * 25; i++) {
		const char *apex = apexes[i % 2], *mname = servers[i / 4 % 5],
			   *rname = servers[i / 20];
		char text[256];
		struct name name;
		snprintf(text, sizeof(text), "@ 300 SOA %s %s 1 2 3 4 60\n@ 300 NS ns.else.\n",
			 mname, rname);
		if (i / 2 % 2)
			world_signed_zone(&world, apex, text, &how);
		else
			world_zone(&world, apex, text);
		CU_ASSERT_FATAL(name_from_text(apex, &name) == RESULT_OK);
		done += compare_all(catalog_zone(zonedb_view(world.db), name.wire));
		rcu_reader_quiescent();
	}
	CU_ASSERT(done > 300);
}

static void test_once(void)
{
	static struct negative negative;
	struct name name;
	world_zone(&world, "neg.test.", "@ 300 SOA ns1 root 1 2 3 4 60\n@ 300 NS ns1\n");
	CU_ASSERT_FATAL(name_from_text("neg.test.", &name) == RESULT_OK);
	const struct catalog *view = zonedb_view(world.db);
	const struct zone *zone = catalog_zone(view, name.wire);
	negative_prepare(&negative, view, zone, true);
	CU_ASSERT(negative.octets > 0 && negative.records == 1 && negative.pointers == 3);
	negative.octets--;
	negative_prepare(&negative, view, zone, true);
	uint16_t kept = negative.octets;
	negative_prepare(&negative, view, zone, false);
	CU_ASSERT(negative.octets == kept + 1);
}

int main(void)
{
	static const struct unit_test tests[] = { { "as written anew", test_same },
						  { "made once", test_once } };
	world_open(&world);
	int failed = unit_run("negative", tests, sizeof(tests) / sizeof(tests[0]));
	world_close(&world);
	return failed;
}
