// SPDX-License-Identifier: BSD-3-Clause
// The configuration is read again, while the loop goes on with its work.
//
// Purpose: the file is read and understood by a thread of libuv's, which takes seconds where
// there are many zones; what came of it is applied on the loop. Who asks meanwhile gets
// another reading, after that.
// Threads: the loop's. Ownership: a plain value, which must stay where it is until the loop
// has ended.
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <uv.h>

#include "config.h"
#include "report.h"

// How it went, with what there was to say, which is lent.
typedef void (*reload_done)(void *arg, bool well, json_t *messages);

struct reload_waiter;

struct reload {
	uv_loop_t *loop;
	const char *path; // the caller's
	// Takes the configuration; false if the old one stays.
	bool (*apply)(void *arg, struct config *config, struct report *report);
	void *arg;
	// its own
	uv_work_t work;
	struct reload_waiter *waiting, *served;
	struct config *config; // read, and not yet applied
	struct report report;
	json_t *messages;
	bool stopped;
};

// `done` is called once, never from in here. RESULT_OK or RESULT_NO_MEMORY.
enum result reload_request(struct reload *r, reload_done done, void *arg);

// Nothing is applied any more.
void reload_stop(struct reload *r);
