// SPDX-License-Identifier: BSD-3-Clause
// Vetting of versions: by each policy, while it goes on, and broken off.
#include "vet.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/world.h"
#include "unit.h"

// RFC 8976 appendix A.1.
#define DIGEST                                                             \
	"c68090d90a7aed716bc459f9340e3d7c1370d4d24b7e2fc3a1ddc0b9a87153b9" \
	"a9713b3c9ae5cc27777f98b8e730044c"
static const char zone_text[] = "@ 86400 SOA ns1 admin 2018031900 1800 900 604800 86400\n"
				"@ 86400 NS ns1\n@ 86400 NS ns2\n"
				"ns1 3600 A 203.0.113.63\nns2 3600 AAAA 2001:db8::63\n";
#define ZONEMD         "@ 86400 ZONEMD \\# 54 7848b91c0101" DIGEST "\n"
#define ZONEMD_UNKNOWN "@ 86400 ZONEMD \\# 18 7848b91c01f0000102030405060708090a0b\n"
#define ANOTHER        "x 60 A 192.0.2.1\n"

static struct world world;
static uv_loop_t loop;
static struct vet_result told;
static unsigned done;
static struct vet *under_way;

static struct zone_version *version_of(const char *text)
{
	static struct world_record r;
	char line[512];
	struct name apex;
	struct zone_txn *txn;
	struct zone_version *version = NULL;
	name_from_text("example.", &apex);
	struct zone_txn_options options = { .apex = apex.wire };
	CU_ASSERT_EQUAL_FATAL(zone_txn_begin(world.db, &options, &txn), RESULT_OK);
	while (*text) {
		size_t n = strcspn(text, "\n");
		snprintf(line, sizeof(line), "%.*s", (int)n, text);
		world_parse_record(line, &apex, &r);
		CU_ASSERT_EQUAL(zone_txn_add(txn, &r.record), RESULT_OK);
		text += n + 1;
	}
	CU_ASSERT_EQUAL_FATAL(zone_txn_commit(txn, &version), RESULT_OK);
	return version;
}

static void on_done(void *arg, const struct vet_result *result)
{
	CU_ASSERT_PTR_EQUAL(arg, &done);
	told = *result;
	done++;
	vet_stop(under_way);
}

// What becomes of the zone with these records beside.
static struct vet_result judge(const char *more, const struct vet_policy *policy)
{
	char text[4096];
	struct vet_result result;
	snprintf(text, sizeof(text), "%s%s", zone_text, more);
	struct zone_version *version = version_of(text);
	const struct vet_options o = { &loop, version, *policy, on_done, &done };
	done = 0;
	vet_start(&o, &under_way, &result);
	if (under_way) {
		uv_run(&loop, UV_RUN_DEFAULT);
		CU_ASSERT_EQUAL(done, 1);
		result = told;
	}
	zone_version_discard(version);
	return result;
}

static void begin(void)
{
	world_open(&world);
	rcu_reader_offline();
	uv_loop_init(&loop);
}

static void end(void)
{
	uv_run(&loop, UV_RUN_DEFAULT);
	CU_ASSERT_EQUAL(uv_loop_close(&loop), 0);
	rcu_reader_online();
	world_close(&world);
}

static void test_zonemd(void)
{
	static const struct {
		const char *more;
		enum zonemd_verdict verdict;
		enum xfr_reason verify, require;
	} cases[] = {
		{ "", ZONEMD_ABSENT, XFR_REASON_NONE, XFR_REASON_ZONEMD_MISSING },
		{ ZONEMD, ZONEMD_VERIFIED, XFR_REASON_NONE, XFR_REASON_NONE },
		{ ZONEMD_UNKNOWN, ZONEMD_UNSUPPORTED, XFR_REASON_NONE, XFR_REASON_ZONEMD_MISSING },
		{ ZONEMD ANOTHER, ZONEMD_MISMATCH, XFR_REASON_ZONEMD, XFR_REASON_ZONEMD },
	};
	begin();
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct vet_policy p = { .zonemd = ZONEMD_VERIFY };
		struct vet_result r = judge(cases[i].more, &p);
		CU_ASSERT(r.zonemd == cases[i].verdict && r.reason == cases[i].verify);
		p.zonemd = ZONEMD_REQUIRE;
		r = judge(cases[i].more, &p);
		CU_ASSERT(r.zonemd == cases[i].verdict && r.reason == cases[i].require);
		p.zonemd = ZONEMD_IGNORE;
		r = judge(cases[i].more, &p);
		CU_ASSERT(r.zonemd == ZONEMD_UNDECIDED && r.reason == XFR_REASON_NONE);
		CU_ASSERT(!r.nsec3);
	}
	end();
}

// The zone with so many names beside, whose digest is not right.
static struct zone_version *large_version(unsigned names)
{
	size_t room = sizeof(zone_text) + sizeof(ZONEMD) + 64 * names;
	char *text = malloc(room), *at = text;
	CU_ASSERT_PTR_NOT_NULL_FATAL(text);
	at += sprintf(at, "%s%s", zone_text, ZONEMD);
	for (unsigned i = 0; i < names; i++)
		at += sprintf(at, "n%u 60 A 192.0.2.1\n", i);
	struct zone_version *version = version_of(text);
	free(text);
	return version;
}

// What takes longer is done on another thread, and can be broken off at any time.
static void test_large(void)
{
	begin();
	struct vet_result result;
	struct zone_version *version = large_version(50000);
	const struct vet_options o = {
		.loop = &loop, .version = version, .done = on_done, .arg = &done
	};
	for (unsigned i = 0; i < 20; i++) {
		done = 0;
		vet_start(&o, &under_way, &result);
		CU_ASSERT_PTR_NOT_NULL_FATAL(under_way);
		if (i % 2)
			uv_sleep(i);
		vet_stop(under_way);
		uv_run(&loop, UV_RUN_DEFAULT);
		CU_ASSERT_EQUAL(done, 0);
	}
	vet_start(&o, &under_way, &result);
	CU_ASSERT_PTR_NOT_NULL_FATAL(under_way);
	uv_run(&loop, UV_RUN_DEFAULT);
	CU_ASSERT_EQUAL(done, 1);
	CU_ASSERT(told.zonemd == ZONEMD_MISMATCH && told.reason == XFR_REASON_ZONEMD);
	zone_version_discard(version);
	end();
}

UNIT_MAIN("vet", { "ZONEMD", test_zonemd }, { "large zones", test_large })
