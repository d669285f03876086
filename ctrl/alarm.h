// SPDX-License-Identifier: BSD-3-Clause
// When a zone's trouble is told of, and when that it is over.
//
// Purpose: a pure function of what is wrong and the time. What comes and goes with the
// network must last before it is told of, each trouble is told of once, and recovery
// is told of when all has been well for as long: a primary that flaps floods nobody.
// Threads: a state belongs to one thread. Ownership: a plain value, zeroed at first.
#pragma once

#include <stdint.h>

enum alarm_event {
	ALARM_UNREACHABLE, // no primary can be reached
	ALARM_REFUSED,     // a primary's data are refused by policy
	ALARM_HALF,        // 50 % of the time to expiry have passed
	ALARM_MOST,        // 80 %
	ALARM_NEARLY,      // 95 %
	ALARM_EXPIRED,
	ALARM_RECOVERED,
	ALARM_EVENTS
};
#define ALARM_BIT(_event) (1u << (_event))

struct alarm {
	uint8_t is;   // a bit for each trouble that there is now
	uint8_t told; // that was told of since the last recovery
	// The clock's low 32 bits: enough for what is held for some weeks at most.
	uint32_t since_ms[2];   // unreachable and refused: since when
	uint32_t well_since_ms; // if there is no trouble
};

// A stable word for logs and JSON ("near-expiry-50"); static.
const char *alarm_word(enum alarm_event e);
// A sentence for people, without a final stop; static.
const char *alarm_text(enum alarm_event e);

// Goes on after a restart, before which this was told of.
void alarm_restore(struct alarm *a, unsigned told, uint64_t now_ms);

// Tells what there is now; returns the bits of the events that are to be told of. To be
// called again while time passes. `now_ms` is monotonic and never goes back; `hold_ms` is below
// 2^31.
unsigned alarm_update(struct alarm *a, unsigned is, uint64_t now_ms, uint32_t hold_ms);
