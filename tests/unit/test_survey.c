// SPDX-License-Identifier: BSD-3-Clause
// Surveys: the earliest expiration of a zone's signatures, while zones come and go.
#include "survey.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "loop.h"
#include "support/world.h"
#include "unit.h"

#define ZONES 3

static struct world world;
static uv_loop_t loop;
static struct surveys *surveys;
static struct survey_zone zones[ZONES];
static struct name names[ZONES];
static unsigned done, wanted;

static const uint8_t *apex_of(const struct survey_zone *z)
{
	return names[z - zones].wire;
}

static void on_done(struct survey_zone *z)
{
	(void)z;
	if (++done == wanted)
		uv_stop(&loop);
}

static void begin(void)
{
	const struct survey_options o = { &loop, NULL, apex_of, on_done };
	struct survey_options options = o;
	memset(zones, 0, sizeof(zones));
	for (unsigned i = 0; i < ZONES; i++) {
		char text[16];
		snprintf(text, sizeof(text), "z%u.", i);
		name_from_text(text, &names[i]);
	}
	world_open(&world);
	rcu_reader_offline();
	uv_loop_init(&loop);
	options.db = world.db;
	CU_ASSERT_EQUAL_FATAL(surveys_new(&options, &surveys), RESULT_OK);
	done = wanted = 0;
}

static void end(void)
{
	surveys_stop(surveys);
	uv_run(&loop, UV_RUN_DEFAULT);
	CU_ASSERT_EQUAL(uv_loop_close(&loop), 0);
	surveys_free(surveys);
	rcu_reader_online();
	world_close(&world);
}

// Runs until so many surveys have ended.
static void run(unsigned n)
{
	done = 0;
	wanted = n;
	uv_run(&loop, UV_RUN_DEFAULT);
	CU_ASSERT_EQUAL(done, n);
}

// Publishes a zone with a signature for each of the expirations, and names beside.
static void publish(unsigned zone, const uint32_t *expirations, unsigned count, unsigned others)
{
	char apex[NAME_TEXT_SIZE], *text = malloc(256 + 256 * count + 64 * others), *at = text;
	CU_ASSERT_PTR_NOT_NULL_FATAL(text);
	at += sprintf(at, "@ 300 SOA ns h 1 3600 600 86400 300\n");
	for (unsigned i = 0; i < others; i++)
		at += sprintf(at, "n%u 300 A 192.0.2.1\n", i);
	for (unsigned i = 0; i < count; i++)
		at += sprintf(at,
			      "s%u 300 A 192.0.2.1\n"
			      "s%u 300 RRSIG \\# 20 000108020000012c%08x00000000000100ff\n",
			      i, i, expirations[i]);
	rcu_reader_online();
	world_zone(&world, name_to_text(names[zone].wire, apex), text);
	rcu_reader_offline();
	surveys_touch(surveys, &zones[zone]);
	free(text);
}

// ---- tests

static void test_earliest(void)
{
	uint64_t now = loop_time().unix_s;
	uint32_t t = (uint32_t)now;
	begin();
	publish(0, (uint32_t[]){ t + 500, t + 100, t + 300 }, 3, 5);
	publish(1, (uint32_t[]){ t + 500, t - 100 }, 2, 0);
	publish(2, NULL, 0, 3);
	run(3);
	CU_ASSERT(zones[0].known && zones[0].earliest_unix_s == now + 100);
	CU_ASSERT(zones[1].known && zones[1].earliest_unix_s == now - 100);
	CU_ASSERT(zones[2].known && zones[2].earliest_unix_s == 0);
	// Signed anew.
	publish(0, (uint32_t[]){ t + 500, t + 900, t + 300 }, 3, 5);
	run(1);
	CU_ASSERT_EQUAL(zones[0].earliest_unix_s, now + 300);
	end();
}

// 32 bits of seconds go round (RFC 4034 section 3.1.5).
static void test_serial_arithmetic(void)
{
	uint64_t now = loop_time().unix_s;
	uint32_t t = (uint32_t)now;
	begin();
	publish(0, (uint32_t[]){ t + 0x7fffff00u, t + 0x7ffffe00u }, 2, 0);
	publish(1, (uint32_t[]){ t + 0x7ffffe00u, t + 0x80000100u }, 2, 0);
	run(2);
	CU_ASSERT_EQUAL(zones[0].earliest_unix_s, now + 0x7ffffe00u);
	// The other lies before now, and so is the earlier one (both read a little later).
	CU_ASSERT(zones[1].earliest_unix_s < now);
	end();
}

static void test_states(void)
{
	uint32_t t = (uint32_t)loop_time().unix_s;
	char apex[NAME_TEXT_SIZE];
	begin();
	publish(0, (uint32_t[]){ t + 500 }, 1, 0);
	publish(1, (uint32_t[]){ t + 500 }, 1, 0);
	surveys_touch(surveys, &zones[2]); // a zone that is not there
	rcu_reader_online();
	world_expired(&world, name_to_text(names[1].wire, apex));
	rcu_reader_offline();
	run(3);
	CU_ASSERT(zones[0].known && zones[0].earliest_unix_s);
	CU_ASSERT(!zones[1].known && !zones[1].earliest_unix_s);
	CU_ASSERT(!zones[2].known && !zones[2].earliest_unix_s);
	end();
}

static uv_prepare_t forgetful;

// Behind the timers and before the ends of work: the walk of the first has begun.
static void forget_two(uv_prepare_t *prepare)
{
	if (!zones[0].walk)
		return;
	surveys_forget(surveys, &zones[0]);
	surveys_forget(surveys, &zones[2]);
	uv_prepare_stop(prepare);
}

static void test_forget(void)
{
	uint32_t t = (uint32_t)loop_time().unix_s;
	begin();
	publish(0, (uint32_t[]){ t + 500 }, 1, 20000);
	publish(1, (uint32_t[]){ t + 500 }, 1, 0);
	publish(2, (uint32_t[]){ t + 500 }, 1, 0);
	uv_prepare_init(&loop, &forgetful);
	uv_prepare_start(&forgetful, forget_two);
	run(1);
	uv_close((uv_handle_t *)&forgetful, NULL);
	CU_ASSERT(!zones[0].known && zones[1].known && !zones[2].known);
	end();
}

static uv_timer_t meddler;

static void meddle(uv_timer_t *timer)
{
	uint32_t t = (uint32_t)loop_time().unix_s;
	(void)timer;
	publish(0, (uint32_t[]){ t + 700 }, 1, 30000);
}

// A large zone that is published again and again is surveyed all the same, and then
// left alone for a while.
static void test_restless(void)
{
	begin();
	uv_timer_init(&loop, &meddler);
	meddle(&meddler);
	uv_timer_start(&meddler, meddle, 12, 12);
	run(1);
	CU_ASSERT(zones[0].known);
	CU_ASSERT(zones[0].earliest_unix_s > loop_time().unix_s + 600);
	CU_ASSERT(zones[0].nodes >= 30000);
	meddle(&meddler);
	CU_ASSERT(zones[0].later);
	// Others do not wait for it.
	publish(1, (uint32_t[]){ (uint32_t)loop_time().unix_s + 500 }, 1, 0);
	run(1);
	CU_ASSERT(zones[1].known && zones[0].later);
	surveys_forget(surveys, &zones[0]);
	uv_close((uv_handle_t *)&meddler, NULL);
	end();
}

UNIT_MAIN("survey", { "the earliest", test_earliest },
	  { "serial arithmetic", test_serial_arithmetic }, { "states", test_states },
	  { "forget", test_forget }, { "restless", test_restless })
