// SPDX-License-Identifier: BSD-3-Clause
// Names of every octet, and what comes before a name that does not exist, also where the way to
// it has many turns.
#include <stdio.h>
#include <string.h>

#include "support/world.h"
#include "understudy/rcu.h"
#include "understudy/zone.h"
#include "unit.h"

#define TURNS 60u

static struct world world;

// "b", "ab", "aab" and so on: at each of these a way down turns.
static void make_zone(void)
{
	static char text[TURNS * (TURNS + 32)];
	const struct signer_options how = { .nsec3 = false };
	size_t n = (size_t)sprintf(text, "@ 300 SOA ns root 1 2 3 4 60\n@ 300 NS ns\n");
	for (unsigned turn = 0; turn < TURNS; turn++) {
		memset(text + n, 'a', turn);
		n += turn;
		n += (size_t)sprintf(text + n, "b 300 A 10.0.0.1\n");
	}
	world_signed_zone(&world, "deep.test.", text, &how);
}

static void check_before(const struct catalog *view, const char *label)
{
	char text[128];
	struct name name;
	snprintf(text, sizeof(text), "%s.deep.test.", label);
	CU_ASSERT_FATAL(name_from_text(text, &name) == RESULT_OK);
	struct find f = { .qname = name.wire, .qname_len = name.len, .qtype = 1, .deny = true };
	zone_find_burst(view, (struct find *[]){ &f }, 1);
	CU_ASSERT_EQUAL(f.status, FIND_NAME_ERROR);
	CU_ASSERT(f.before && f.before == zone_node_before(view, f.zone, name.wire));
	struct find in = { .qname = name.wire, .qname_len = name.len, .qtype = 1, .deny = true };
	zone_find_in(view, f.zone, &in);
	CU_ASSERT_PTR_EQUAL(in.before, f.before);
}

static void test_before(void)
{
	char label[TURNS + 2];
	make_zone();
	const struct catalog *view = zonedb_view(world.db);
	for (unsigned turn = 0; turn <= TURNS; turn++) {
		// Before all, between this turn and the next, behind what turned here.
		static const char ends[] = "5az";
		for (const char *end = ends; *end; end++) {
			memset(label, 'a', turn);
			label[turn] = *end;
			label[turn + 1] = '\0';
			check_before(view, label);
		}
	}
	rcu_reader_quiescent();
}

// A long name's octets are taken sixteen at a time where all have one symbol.
static void octet_label(char out[64], unsigned octet)
{
	snprintf(out, 64, "sixteen-and_more\\%03u", octet);
}

static void test_octets(void)
{
	static char text[256 * 64];
	char label[64], whole[128];
	size_t n = (size_t)sprintf(text, "@ 300 SOA ns root 1 2 3 4 60\n@ 300 NS ns\n");
	for (unsigned octet = 0; octet < 256; octet++) {
		if (octet >= 'A' && octet <= 'Z')
			continue; // found as those of lower case
		octet_label(label, octet);
		n += (size_t)sprintf(text + n, "%s 300 A 10.0.0.1\n", label);
	}
	world_zone(&world, "octets.test.", text);
	const struct catalog *view = zonedb_view(world.db);
	for (unsigned octet = 0; octet < 256; octet++) {
		struct name name;
		octet_label(label, octet);
		snprintf(whole, sizeof(whole), "%s.octets.test.", label);
		CU_ASSERT_FATAL(name_from_text(whole, &name) == RESULT_OK);
		struct find f = { .qname = name.wire, .qname_len = name.len, .qtype = 1 };
		zone_find_burst(view, (struct find *[]){ &f }, 1);
		CU_ASSERT(f.status == FIND_NODE && f.node != NULL);
	}
	rcu_reader_quiescent();
}

int main(void)
{
	static const struct unit_test tests[] = { { "every octet", test_octets },
						  { "before a missing name", test_before } };
	world_open(&world);
	int failed = unit_run("find", tests, sizeof(tests) / sizeof(tests[0]));
	world_close(&world);
	return failed;
}
