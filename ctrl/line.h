// SPDX-License-Identifier: BSD-3-Clause
// Who waits to talk to a primary, and whose turn it is.
//
// Purpose: exchanges of one kind share so many places. Those who wait stand in
// lanes; within a lane primaries take turns, and each primary's zones come first
// come, first served. A primary has no more exchanges at once than it was seen to
// bear: the number grows while they go well, and halves when one goes wrong. Where there
// are others, none has all places: one that holds on to them must not keep these waiting.
// Threads: the loop's. Ownership: entries are embedded in what waits; a line is
// zeroed, and then line_limit, to begin.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum lane {
	LANE_NOTIFY,
	LANE_OPERATOR,
	LANE_URGENT, // not loaded, expired or soon so
	LANE_REFRESH,
	LANE_COUNT
};

struct line_entry {
	struct line_primary *primary; // NULL: neither waits nor has a place
	struct line_entry *next, *previous;
	uint8_t lane; // enum lane
	bool waiting;
};

// Of one primary in one line; line_primary_init.
struct line_primary {
	struct line *line; // that it was last waited for in
	unsigned used, limit, waiting;
	unsigned well; // exchanges since the limit last changed
	struct {
		struct line_entry *first, *last;
	} lanes[LANE_COUNT];
	struct line_primary *next, *previous; // in the ring of those who are waited for
};

struct line {
	unsigned limit, used, waiting;
	unsigned most; // of these places, for one primary
	struct line_primary *ring;
};

// So many places, for so many primaries; may change at any time.
void line_limit(struct line *line, unsigned places, size_t primaries);
void line_primary_init(struct line_primary *p);

// `e` waits for a place at `p`.
void line_join(struct line *line, struct line_primary *p, enum lane lane, struct line_entry *e);

// Goes to a better lane, if it waits in a worse one.
void line_promote(struct line_entry *e, enum lane lane);

// Whose turn it is, if there is a place; it goes on waiting until line_take.
struct line_entry *line_next(struct line *line);
void line_take(struct line_entry *e);

// Gives up the place, or the wait for one.
void line_leave(struct line_entry *e);

// How an exchange in the line with the primary went.
void line_went(const struct line *line, struct line_primary *p, bool well);
