// SPDX-License-Identifier: BSD-3-Clause
// Very many times to be woken at: in order, once each, some at a time.
#include "schedule.h"

#include <string.h>

#include "loop.h"
#include "unit.h"

#define ENTRIES 2000u

static uv_loop_t loop;
static struct schedule *schedule;
static struct schedule_entry entries[ENTRIES];
static unsigned woken[ENTRIES]; // when, counted from 1; 0 = not
static unsigned count, most_at_once, at_once;
static uint64_t latest_ms;
static bool again;

static void wake(struct schedule_entry *e)
{
	uint64_t now_ms = loop_time().monotonic_ms;
	CU_ASSERT_EQUAL(e->place, 0);
	CU_ASSERT(e->at_ms <= now_ms);
	CU_ASSERT(e->at_ms >= latest_ms);
	latest_ms = e->at_ms;
	CU_ASSERT_EQUAL(woken[e - entries], 0);
	woken[e - entries] = ++count;
	if (++at_once > most_at_once)
		most_at_once = at_once;
	if (again) {
		again = false;
		woken[e - entries] = 0;
		schedule_set(schedule, e, e->at_ms + 5);
	}
}

// Between two looks of the loop at its other work.
static void on_check(uv_check_t *check)
{
	(void)check;
	at_once = 0;
}

static uv_check_t check;

static void begin(void)
{
	memset(entries, 0, sizeof(entries));
	memset(woken, 0, sizeof(woken));
	count = most_at_once = at_once = 0;
	latest_ms = 0;
	again = false;
	uv_loop_init(&loop);
	uv_check_init(&loop, &check);
	uv_check_start(&check, on_check);
	uv_unref((uv_handle_t *)&check);
	CU_ASSERT_EQUAL_FATAL(schedule_new(&loop, wake, &schedule), RESULT_OK);
	CU_ASSERT_EQUAL_FATAL(schedule_reserve(schedule, ENTRIES), RESULT_OK);
}

static void end(void)
{
	schedule_stop(schedule);
	uv_close((uv_handle_t *)&check, NULL);
	uv_run(&loop, UV_RUN_DEFAULT);
	CU_ASSERT_EQUAL(uv_loop_close(&loop), 0);
	schedule_free(schedule);
}

// The loop ends when nobody is left to be woken.
static void woken_in_order(void)
{
	begin();
	uint64_t now_ms = loop_time().monotonic_ms;
	for (unsigned i = 0; i < ENTRIES; i++)
		schedule_set(schedule, &entries[i], now_ms + loop_random() % 50);
	uv_run(&loop, UV_RUN_DEFAULT);
	CU_ASSERT_EQUAL(count, ENTRIES);
	end();
}

// What is set anew counts, what is cleared is forgotten, wherever in the heap it stood.
static void changed_and_cleared(void)
{
	begin();
	uint64_t now_ms = loop_time().monotonic_ms;
	for (unsigned round = 0; round < 4; round++)
		for (unsigned i = 0; i < ENTRIES; i++)
			schedule_set(schedule, &entries[i], now_ms + 10 + loop_random() % 40);
	for (unsigned i = 0; i < ENTRIES; i += 3)
		schedule_clear(schedule, &entries[i]);
	schedule_clear(schedule, &entries[0]);
	schedule_set(schedule, &entries[1], now_ms);
	schedule_set(schedule, &entries[2], now_ms + 60);
	uv_run(&loop, UV_RUN_DEFAULT);
	CU_ASSERT_EQUAL(count, ENTRIES - (ENTRIES + 2) / 3);
	CU_ASSERT_EQUAL(woken[1], 1);
	CU_ASSERT_EQUAL(woken[2], count);
	for (unsigned i = 0; i < ENTRIES; i++)
		CU_ASSERT_EQUAL(woken[i] != 0, i % 3 != 0);
	end();
}

// The loop does other work while very many are due.
static void some_at_a_time(void)
{
	begin();
	for (unsigned i = 0; i < ENTRIES; i++)
		schedule_set(schedule, &entries[i], 1);
	uv_run(&loop, UV_RUN_DEFAULT);
	CU_ASSERT_EQUAL(count, ENTRIES);
	CU_ASSERT(most_at_once <= 256);
	end();
}

static void set_while_woken(void)
{
	begin();
	again = true;
	schedule_set(schedule, &entries[0], loop_time().monotonic_ms);
	uv_run(&loop, UV_RUN_DEFAULT);
	CU_ASSERT_EQUAL(woken[0], 2);
	end();
}

UNIT_MAIN("schedule", { "woken in order", woken_in_order },
	  { "changed and cleared", changed_and_cleared }, { "some at a time", some_at_a_time },
	  { "set while woken", set_while_woken })
