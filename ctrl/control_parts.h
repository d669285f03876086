// SPDX-License-Identifier: BSD-3-Clause
// What control.c (the socket) and control_run.c (the commands) share.
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>

#include "control.h"

#define CONTROL_LINE_MAX 4096
// How a response is written: in one line, seconds with as many digits as matter.
#define CONTROL_JSON (JSON_COMPACT | JSON_REAL_PRECISION(15))

struct control_connection;

struct control {
	struct control_options options;
	char *path;
	int fd;         // the listening socket
	uv_pipe_t pipe; // has a copy of it
	bool listening; // the pipe is there, open or closing
	uv_timer_t idle_timer;
	struct control_connection *connections;
	unsigned count;        // without those that wait
	unsigned waiting;      // in "zone wait"
	_Atomic bool stopping; // seen by the dumps under way
	bool unaccepted;       // a connection waits: memory had run out
};

// Does what the request says and returns the whole response, the caller's;
// NULL if memory ran out.
json_t *control_run(struct control *c, const struct control_request *request);
json_t *control_error(const char *text);
json_t *control_success(json_t *result);

// What every list of zones tells of one. Reads the view: the caller is online.
json_t *control_zone_row(const struct catalog *view, const struct zone_status *s);
// What it is, as bits of enum control_only.
unsigned control_zone_kinds(const struct zone_status *s);

// What takes its time: a list of zones, a dump, waiting, a reload, zones that come and go.
struct control_task;

bool control_is_slow(enum control_command command);
// Whether what it takes is patience only: whoever waits is in nobody's way.
bool control_is_patient(enum control_command command);
// Begins it; control_respond comes later, once. NULL if it could not be begun: errno.
struct control_task *control_task_start(struct control *c, struct control_connection *n,
					const struct control_request *request);
// The connection goes away before its task is done.
void control_task_leave(struct control_task *t);

// Sends a response, and behind it what `body` holds from its start, which is
// closed then; NULL: nothing.
void control_respond(struct control_connection *n, json_t *response, FILE *body);
// Sends a response of a task that is in a file, from where that stands; closes it.
void control_send(struct control_connection *n, FILE *response);
