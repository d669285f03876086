// SPDX-License-Identifier: BSD-3-Clause
// Alarms: what is told of a zone's trouble, and how often, by a clock of our own.
#include "alarm.h"

#include <string.h>

#include "unit.h"

#define HOLD_MS 1000
#define OUT     ALARM_BIT(ALARM_UNREACHABLE)
#define REFUSED ALARM_BIT(ALARM_REFUSED)
#define HALF    ALARM_BIT(ALARM_HALF)
#define MOST    ALARM_BIT(ALARM_MOST)
#define NEARLY  ALARM_BIT(ALARM_NEARLY)
#define EXPIRED ALARM_BIT(ALARM_EXPIRED)
#define WELL    ALARM_BIT(ALARM_RECOVERED)

static struct alarm a;
static uint64_t now_ms;

static void begin(void)
{
	memset(&a, 0, sizeof(a));
	now_ms = 1000000;
}

// So much time passes in which there is this; returns all that is told.
static unsigned pass(unsigned is, unsigned ms)
{
	unsigned told = 0;
	for (uint64_t end = now_ms + ms; now_ms < end; now_ms += 50)
		told |= alarm_update(&a, is, now_ms, HOLD_MS);
	return told;
}

static void test_well(void)
{
	begin();
	CU_ASSERT_EQUAL(pass(0, 100000), 0);
}

static void test_lasting(void)
{
	begin();
	CU_ASSERT_EQUAL(pass(OUT, HOLD_MS), 0);
	CU_ASSERT_EQUAL(pass(OUT, 50), OUT);
	CU_ASSERT_EQUAL(pass(OUT, 100000), 0);
	CU_ASSERT_EQUAL(pass(0, HOLD_MS), 0);
	CU_ASSERT_EQUAL(pass(0, 50), WELL);
	CU_ASSERT_EQUAL(pass(0, 100000), 0);
	CU_ASSERT_EQUAL(pass(REFUSED, HOLD_MS + 50), REFUSED);
}

// Up and down within the hold time: nothing. Once told, neither recovery nor the
// trouble again, until it has been well for long enough.
static void test_flapping(void)
{
	begin();
	for (int i = 0; i < 100; i++)
		CU_ASSERT_EQUAL(pass(OUT, HOLD_MS - 100) | pass(0, 100), 0);
	CU_ASSERT_EQUAL(pass(OUT, HOLD_MS + 50), OUT);
	for (int i = 0; i < 100; i++)
		CU_ASSERT_EQUAL(pass(0, HOLD_MS - 100) | pass(OUT, 3 * HOLD_MS), 0);
	CU_ASSERT_EQUAL(pass(0, HOLD_MS + 50), WELL);
	// However it flaps, at most one of each in two hold times.
	unsigned told = 0;
	for (int i = 0; i < 100; i++) {
		told += pass(OUT, HOLD_MS + 50) == OUT;
		told += pass(0, HOLD_MS + 50) == WELL;
	}
	CU_ASSERT_EQUAL(told, 200);
}

static void test_short_trouble_leaves_no_trace(void)
{
	begin();
	CU_ASSERT_EQUAL(pass(OUT, HOLD_MS / 2), 0);
	CU_ASSERT_EQUAL(pass(0, 100 * HOLD_MS), 0);
}

static void test_expiry(void)
{
	begin();
	CU_ASSERT_EQUAL(pass(OUT, HOLD_MS + 50), OUT);
	CU_ASSERT_EQUAL(pass(OUT | HALF, 50), HALF);
	CU_ASSERT_EQUAL(pass(OUT | HALF, 5000), 0);
	CU_ASSERT_EQUAL(pass(OUT | HALF | MOST, 5000), MOST);
	CU_ASSERT_EQUAL(pass(OUT | HALF | MOST | NEARLY, 5000), NEARLY);
	CU_ASSERT_EQUAL(pass(OUT | EXPIRED, 5000), EXPIRED);
	CU_ASSERT_EQUAL(pass(0, HOLD_MS + 50), WELL);
	CU_ASSERT_EQUAL(pass(HALF, 50), HALF);
}

// Steps that are passed over are not told of, nor is what is less than what was told.
static void test_expiry_at_once(void)
{
	begin();
	CU_ASSERT_EQUAL(alarm_update(&a, HALF | MOST | NEARLY, now_ms, HOLD_MS), NEARLY);
	CU_ASSERT_EQUAL(pass(HALF | MOST | NEARLY, 5000), 0);
	CU_ASSERT_EQUAL(pass(HALF, 5000), 0);
	CU_ASSERT_EQUAL(pass(0, HOLD_MS + 50), WELL);
	CU_ASSERT_EQUAL(pass(EXPIRED, 50), EXPIRED);
}

static void test_without_hold(void)
{
	begin();
	CU_ASSERT_EQUAL(alarm_update(&a, OUT, now_ms, 0), OUT);
	CU_ASSERT_EQUAL(alarm_update(&a, 0, now_ms, 0), WELL);
	CU_ASSERT_EQUAL(alarm_update(&a, 0, now_ms, 0), 0);
}

static void test_words(void)
{
	for (unsigned e = 0; e < ALARM_EVENTS; e++) {
		CU_ASSERT(strlen(alarm_word((enum alarm_event)e)) > 0);
		CU_ASSERT(strlen(alarm_text((enum alarm_event)e)) > 0);
		for (unsigned f = 0; f < e; f++)
			CU_ASSERT_STRING_NOT_EQUAL(alarm_word((enum alarm_event)e),
						   alarm_word((enum alarm_event)f));
	}
}

// What was told before a restart is not told again, and its end is.
static void test_restart(void)
{
	begin();
	CU_ASSERT_EQUAL(pass(OUT, 2 * HOLD_MS), OUT);
	alarm_restore(&a, a.told, now_ms);
	CU_ASSERT_EQUAL(pass(OUT, 3 * HOLD_MS), 0);
	alarm_restore(&a, a.told, now_ms);
	CU_ASSERT_EQUAL(pass(0, HOLD_MS / 2), 0);
	CU_ASSERT_EQUAL(pass(0, HOLD_MS), WELL);
	alarm_restore(&a, a.told, now_ms);
	CU_ASSERT_EQUAL(pass(0, 3 * HOLD_MS), 0);
}

UNIT_MAIN("alarm", { "well", test_well }, { "lasting", test_lasting },
	  { "flapping", test_flapping }, { "short trouble", test_short_trouble_leaves_no_trace },
	  { "expiry", test_expiry }, { "expiry at once", test_expiry_at_once },
	  { "without hold", test_without_hold }, { "words", test_words },
	  { "restart", test_restart })
