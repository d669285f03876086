// SPDX-License-Identifier: BSD-3-Clause
// When a zone's trouble is told of, and when that it is over.
#include "alarm.h"

#include <stdbool.h>
#include <stddef.h>

#define FLAPPING  2 // the first of the events must last
#define NEAR_BITS (ALARM_BIT(ALARM_HALF) | ALARM_BIT(ALARM_MOST) | ALARM_BIT(ALARM_NEARLY))

static const struct {
	const char *word;
	const char *text;
} events[ALARM_EVENTS] = {
	[ALARM_UNREACHABLE] = { "unreachable", "none of its primaries can be reached" },
	[ALARM_REFUSED] = { "refused", "a primary's data are refused by policy" },
	[ALARM_HALF] = { "near-expiry-50", "half of its time to expiry has passed" },
	[ALARM_MOST] = { "near-expiry-80", "80 % of its time to expiry have passed" },
	[ALARM_NEARLY] = { "near-expiry-95", "95 % of its time to expiry have passed" },
	[ALARM_EXPIRED] = { "expired", "it has expired" },
	[ALARM_RECOVERED] = { "recovered", "all is well again" },
};

const char *alarm_word(enum alarm_event e)
{
	return events[e].word;
}

const char *alarm_text(enum alarm_event e)
{
	return events[e].text;
}

// Of the steps to expiry the last one is enough.
static unsigned without_lesser(unsigned bits)
{
	for (unsigned e = ALARM_EXPIRED; e > ALARM_HALF; e--) {
		if (bits & ALARM_BIT(e))
			return bits & ~(NEAR_BITS & (ALARM_BIT(e) - 1));
	}
	return bits;
}

void alarm_restore(struct alarm *a, unsigned told, uint64_t now_ms)
{
	*a = (struct alarm){ .told = (uint8_t)told, .well_since_ms = (uint32_t)now_ms };
}

unsigned alarm_update(struct alarm *a, unsigned is, uint64_t now_ms, uint32_t hold_ms)
{
	uint32_t now = (uint32_t)now_ms;
	unsigned lasting = is;
	for (unsigned e = 0; e < FLAPPING; e++) {
		if (!(a->is & ALARM_BIT(e)))
			a->since_ms[e] = now;
		if (now - a->since_ms[e] < hold_ms)
			lasting &= ~ALARM_BIT(e);
	}
	if (a->is && !is)
		a->well_since_ms = now;
	a->is = (uint8_t)is;
	if (!is && a->told && now - a->well_since_ms >= hold_ms) {
		a->told = 0;
		return ALARM_BIT(ALARM_RECOVERED);
	}
	unsigned fresh = lasting & ~(unsigned)a->told;
	a->told |= (uint8_t)fresh;
	return without_lesser(fresh);
}
