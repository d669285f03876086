// SPDX-License-Identifier: BSD-3-Clause
// Whose turn it is to talk to a primary: lanes, turns, places, and what a primary bears.
#include "line.h"

#include <string.h>

#include "unit.h"

static struct line line;
static struct line_primary a, b;
static struct line_entry entries[64];

static void begin(unsigned places)
{
	memset(&line, 0, sizeof(line));
	memset(entries, 0, sizeof(entries));
	line_limit(&line, places, 1);
	line_primary_init(&a);
	line_primary_init(&b);
}

// Takes the next one; its index, or -1.
static int take(void)
{
	struct line_entry *e = line_next(&line);
	if (!e)
		return -1;
	line_take(e);
	return (int)(e - entries);
}

static void lanes_in_order(void)
{
	static const enum lane lanes[] = { LANE_REFRESH, LANE_URGENT, LANE_OPERATOR, LANE_NOTIFY,
					   LANE_NOTIFY };
	static const int order[] = { 3, 4, 2, 1, 0 };
	begin(10);
	a.limit = 10;
	CU_ASSERT_EQUAL(take(), -1);
	for (unsigned i = 0; i < 5; i++)
		line_join(&line, &a, lanes[i], &entries[i]);
	CU_ASSERT_EQUAL(line.waiting, 5);
	for (unsigned i = 0; i < 5; i++)
		CU_ASSERT_EQUAL(take(), order[i]);
	CU_ASSERT_EQUAL(take(), -1);
	CU_ASSERT_EQUAL(line.used, 5);
	CU_ASSERT_EQUAL(line.waiting, 0);
	for (unsigned i = 0; i < 5; i++)
		line_leave(&entries[i]);
	CU_ASSERT_EQUAL(line.used + a.used, 0);
	CU_ASSERT_PTR_NULL(line.ring);
}

// Who waits and becomes more urgent is taken before who came first, but nobody becomes less so.
static void promoted(void)
{
	static const int order[] = { 4, 0, 1, 3 };
	begin(10);
	a.limit = 10;
	for (unsigned i = 0; i < 5; i++)
		line_join(&line, &a, i == 0 ? LANE_OPERATOR : LANE_REFRESH, &entries[i]);
	line_promote(&entries[2], LANE_OPERATOR);
	line_promote(&entries[2], LANE_NOTIFY);
	line_promote(&entries[0], LANE_URGENT);
	line_promote(&entries[4], LANE_NOTIFY);
	line_promote(&entries[1], LANE_REFRESH);
	CU_ASSERT_EQUAL(line.waiting, 5);
	CU_ASSERT_EQUAL(take(), 2);
	line_promote(&entries[2], LANE_NOTIFY); // has a place already
	for (unsigned i = 0; i < 4; i++)
		CU_ASSERT_EQUAL(take(), order[i]);
	CU_ASSERT_EQUAL(take(), -1);
	line_promote(&entries[60], LANE_NOTIFY); // nowhere
	CU_ASSERT_EQUAL(line.used, 5);
	CU_ASSERT_EQUAL(line.waiting, 0);
}

// Many zones of one primary do not keep those of another waiting.
static void primaries_take_turns(void)
{
	begin(8);
	for (unsigned i = 0; i < 20; i++)
		line_join(&line, &a, LANE_REFRESH, &entries[i]);
	for (unsigned i = 20; i < 23; i++)
		line_join(&line, &b, LANE_REFRESH, &entries[i]);
	static const int order[] = { 0, 20, 1, 21, 2, 22, 3 };
	for (unsigned i = 0; i < 7; i++)
		CU_ASSERT_EQUAL(take(), order[i]);
	// Four at once are what a primary gets at first.
	CU_ASSERT_EQUAL(take(), -1);
	line_leave(&entries[1]);
	CU_ASSERT_EQUAL(take(), 4);
	// Who leaves while waiting is passed over.
	line_leave(&entries[5]);
	line_leave(&entries[2]);
	CU_ASSERT_EQUAL(take(), 6);
}

static void places_are_limited(void)
{
	begin(2);
	for (unsigned i = 0; i < 3; i++)
		line_join(&line, i == 2 ? &b : &a, LANE_REFRESH, &entries[i]);
	CU_ASSERT_EQUAL(take(), 0);
	CU_ASSERT_EQUAL(take(), 2);
	CU_ASSERT_EQUAL(take(), -1);
	line_leave(&entries[2]);
	CU_ASSERT_EQUAL(take(), 1);
}

static void adapts_to_what_a_primary_bears(void)
{
	begin(16);
	CU_ASSERT_EQUAL(a.limit, 4);
	for (int i = 0; i < 1000; i++)
		line_went(&line, &a, true);
	CU_ASSERT_EQUAL(a.limit, 16);
	line_went(&line, &a, false);
	CU_ASSERT_EQUAL(a.limit, 8);
	for (int i = 0; i < 10; i++)
		line_went(&line, &a, false);
	CU_ASSERT_EQUAL(a.limit, 1); // never none: somebody must find out that it is back
	line_went(&line, &a, true);
	CU_ASSERT_EQUAL(a.limit, 2);
	line_went(&line, &a, true);
	CU_ASSERT_EQUAL(a.limit, 2);
	line_went(&line, &a, true);
	CU_ASSERT_EQUAL(a.limit, 3);
}

// Where there are others, one primary does not get all places, however well it does.
static void keeps_places_for_others(void)
{
	static const unsigned places[] = { 1, 2, 3, 4, 16, 64 }, most[] = { 1, 1, 2, 3, 12, 48 };
	for (unsigned k = 0; k < sizeof(places) / sizeof(*places); k++) {
		unsigned taken = 0;
		begin(places[k]);
		for (int i = 0; i < 5000; i++)
			line_went(&line, &a, true);
		CU_ASSERT_EQUAL(a.limit, places[k] < 4 ? 4 : places[k]);
		line_limit(&line, places[k], 2);
		for (unsigned i = 0; i < 63; i++)
			line_join(&line, &a, LANE_NOTIFY, &entries[i]);
		while (take() >= 0)
			taken++;
		CU_ASSERT_EQUAL(taken, most[k]);
		line_join(&line, &b, LANE_REFRESH, &entries[63]);
		CU_ASSERT_EQUAL(take(), places[k] > 1 ? 63 : -1);
		line_limit(&line, places[k], 1); // the others are gone from the configuration
		CU_ASSERT_EQUAL(take() >= 0, places[k] > most[k] + 1);
	}
}

// Joining, taking and leaving in any order leaves nothing behind.
static void random_walk(void)
{
	unsigned seed = 1;
	begin(5);
	for (int i = 0; i < 100000; i++) {
		seed = seed * 1103515245 + 12345;
		struct line_entry *e = &entries[seed >> 16 & 63];
		unsigned choice = seed >> 24 & 3;
		if (choice == 0)
			line_leave(e);
		else if (choice == 1)
			take();
		else if (!e->primary)
			line_join(&line, seed >> 22 & 1 ? &a : &b, seed >> 26 & 3, e);
		unsigned waiting = 0, used = 0;
		for (int k = 0; k < 64; k++) {
			waiting += entries[k].primary && entries[k].waiting;
			used += entries[k].primary && !entries[k].waiting;
		}
		CU_ASSERT_FATAL(waiting == line.waiting && used == line.used);
		CU_ASSERT_FATAL(used <= 5 && a.used <= a.limit && b.used <= b.limit);
		CU_ASSERT_FATAL(a.used + b.used == used && a.waiting + b.waiting == waiting);
		CU_ASSERT_FATAL((line.ring != NULL) == (waiting > 0));
	}
	for (int k = 0; k < 64; k++)
		line_leave(&entries[k]);
	CU_ASSERT_EQUAL(line.used + line.waiting, 0);
	CU_ASSERT_PTR_NULL(line.ring);
}

UNIT_MAIN("line", { "lanes in order", lanes_in_order }, { "promoted", promoted },
	  { "primaries take turns", primaries_take_turns },
	  { "places are limited", places_are_limited },
	  { "keeps places for others", keeps_places_for_others },
	  { "adapts to what a primary bears", adapts_to_what_a_primary_bears },
	  { "random walk", random_walk })
