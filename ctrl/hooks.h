// SPDX-License-Identifier: BSD-3-Clause
// Hooks: the program that is run when a zone needs attention.
//
// Purpose: runs a program without a shell, with a JSON object on its standard input,
// its standard error joined to the log and hardly any environment; kills it when its
// time is over. So many run at once; others wait in line, and beyond that are dropped.
// Threads: the loop's. Ownership: hooks_new gives, hooks_free takes.
#pragma once

#include <jansson.h>
#include <uv.h>

#include "config.h"

struct hooks;

struct hooks *hooks_new(uv_loop_t *loop);
// Kills what is running; the loop must run on until its handles are closed.
void hooks_stop(struct hooks *h);
void hooks_free(struct hooks *h);

// The program from now on; `config` must live until the next call or hooks_stop.
void hooks_configure(struct hooks *h, const struct config_hooks *config);

// Runs the program with this object, which is taken. Does nothing without a program.
void hooks_run(struct hooks *h, json_t *object);

struct hooks_stats {
	uint64_t run;
	uint64_t failed;  // not started, killed, or with another exit status than 0
	uint64_t dropped; // too many were in line
};
const struct hooks_stats *hooks_stats(const struct hooks *h);
