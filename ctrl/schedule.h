// SPDX-License-Identifier: BSD-3-Clause
// Very many times to be woken at, behind one timer of the loop.
//
// Purpose: each zone has one time at which its machine wants to hear; a handle of libuv
// for each would take more memory than the rest of what waits. What is due together is
// woken some at a time, so that the loop does other work in between.
// Threads: the loop's. Ownership: schedule_new gives, schedule_free takes; entries are
// embedded in what is woken and zeroed to begin.
#pragma once

#include <uv.h>

#include "understudy/result.h"

struct schedule_entry {
	uint64_t at_ms; // monotonic
	uint32_t place; // in the heap, counted from 1; 0 = not to be woken
};

struct schedule;

// `wake` is called once for each time that was set.
enum result schedule_new(uv_loop_t *loop, void (*wake)(struct schedule_entry *e),
			 struct schedule **out);
// Nobody is woken any more; the loop must run on until its handle is closed.
void schedule_stop(struct schedule *s);
void schedule_free(struct schedule *s);

// Room for so many entries: until then schedule_set cannot fail. RESULT_OK or
// RESULT_NO_MEMORY.
enum result schedule_reserve(struct schedule *s, size_t entries);

// Sets the time anew.
void schedule_set(struct schedule *s, struct schedule_entry *e, uint64_t at_ms);
void schedule_clear(struct schedule *s, struct schedule_entry *e);
