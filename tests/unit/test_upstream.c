// SPDX-License-Identifier: BSD-3-Clause
// When a primary that does not answer is left alone, and when it is not any more.
#include "upstream.h"

#include "unit.h"

static struct upstream u;
static const int one, two; // zones

static bool is_silent(enum upstream_way way, uint64_t now_ms, enum xfr_reason why)
{
	enum xfr_reason reason;
	bool is = upstream_is_silent(&u, way, now_ms, &reason);
	CU_ASSERT(!is || reason == why);
	return is;
}

static void begin(void)
{
	u = (struct upstream){ 0 };
	CU_ASSERT_FALSE(is_silent(UPSTREAM_QUERIES, 0, XFR_REASON_NONE));
	CU_ASSERT_FALSE(is_silent(UPSTREAM_TRANSFERS, 0, XFR_REASON_NONE));
}

// 10, 20, 40, 80, 80 … s
static void silence_doubles(void)
{
	static const unsigned seconds[] = { 10, 20, 40, 80, 80, 80 };
	uint64_t now_ms = 5;
	begin();
	for (unsigned i = 0; i < sizeof(seconds) / sizeof(*seconds); i++) {
		upstream_was_silent(&u, UPSTREAM_QUERIES, XFR_REASON_CONNECT, now_ms);
		now_ms += 1000 * seconds[i];
		CU_ASSERT(is_silent(UPSTREAM_QUERIES, now_ms - 1, XFR_REASON_CONNECT));
		CU_ASSERT(is_silent(UPSTREAM_TRANSFERS, now_ms - 1, XFR_REASON_CONNECT));
		CU_ASSERT_FALSE(is_silent(UPSTREAM_QUERIES, now_ms, XFR_REASON_CONNECT));
	}
	upstream_was_silent(&u, UPSTREAM_QUERIES, XFR_REASON_CONNECT, now_ms);
	upstream_answered(&u, UPSTREAM_TRANSFERS);
	CU_ASSERT_FALSE(is_silent(UPSTREAM_QUERIES, now_ms, XFR_REASON_CONNECT));
	upstream_was_silent(&u, UPSTREAM_QUERIES, XFR_REASON_CONNECT, now_ms);
	CU_ASSERT_FALSE(is_silent(UPSTREAM_QUERIES, now_ms + 10000, XFR_REASON_CONNECT));
}

// Queries that are answered over UDP say nothing of TCP, but not the other way round.
static void transfers_alone(void)
{
	begin();
	upstream_was_silent(&u, UPSTREAM_TRANSFERS, XFR_REASON_CONNECT, 0);
	CU_ASSERT_FALSE(is_silent(UPSTREAM_QUERIES, 1, XFR_REASON_CONNECT));
	upstream_answered(&u, UPSTREAM_QUERIES);
	CU_ASSERT(is_silent(UPSTREAM_TRANSFERS, 1, XFR_REASON_CONNECT));
	upstream_answered(&u, UPSTREAM_TRANSFERS);
	CU_ASSERT_FALSE(is_silent(UPSTREAM_TRANSFERS, 1, XFR_REASON_CONNECT));
}

// One zone may be in trouble; two in a row, and it is the primary.
static void mute(void)
{
	begin();
	for (int i = 0; i < 5; i++)
		upstream_was_mute(&u, UPSTREAM_TRANSFERS, &one, 0);
	CU_ASSERT_FALSE(is_silent(UPSTREAM_TRANSFERS, 1, XFR_REASON_TIMEOUT));
	upstream_answered(&u, UPSTREAM_QUERIES); // over UDP
	upstream_was_mute(&u, UPSTREAM_TRANSFERS, &two, 0);
	CU_ASSERT(is_silent(UPSTREAM_TRANSFERS, 9999, XFR_REASON_TIMEOUT));
	CU_ASSERT_FALSE(is_silent(UPSTREAM_QUERIES, 1, XFR_REASON_TIMEOUT));
	upstream_answered(&u, UPSTREAM_TRANSFERS);
	upstream_was_mute(&u, UPSTREAM_TRANSFERS, &one, 0);
	upstream_answered(&u, UPSTREAM_TRANSFERS);
	upstream_was_mute(&u, UPSTREAM_TRANSFERS, &two, 0);
	CU_ASSERT_FALSE(is_silent(UPSTREAM_TRANSFERS, 1, XFR_REASON_TIMEOUT));
}

// It is tried again, but need not be mute twice to be left alone again.
static void pardoned(void)
{
	begin();
	upstream_was_mute(&u, UPSTREAM_QUERIES, &one, 0);
	upstream_was_mute(&u, UPSTREAM_QUERIES, &two, 0);
	CU_ASSERT(is_silent(UPSTREAM_QUERIES, 1, XFR_REASON_TIMEOUT));
	CU_ASSERT(is_silent(UPSTREAM_TRANSFERS, 1, XFR_REASON_TIMEOUT));
	upstream_pardon(&u);
	CU_ASSERT_FALSE(is_silent(UPSTREAM_QUERIES, 1, XFR_REASON_TIMEOUT));
	CU_ASSERT_FALSE(is_silent(UPSTREAM_TRANSFERS, 1, XFR_REASON_TIMEOUT));
	upstream_was_mute(&u, UPSTREAM_QUERIES, &one, 1);
	CU_ASSERT(is_silent(UPSTREAM_QUERIES, 2, XFR_REASON_TIMEOUT));
}

UNIT_MAIN("upstream", { "silence doubles", silence_doubles },
	  { "transfers alone", transfers_alone }, { "mute", mute }, { "pardoned", pardoned })
