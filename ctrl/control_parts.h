// SPDX-License-Identifier: BSD-3-Clause
// What control.c (the socket) and control_run.c (the commands) share.
#pragma once

#include "control.h"

#define CONTROL_LINE_MAX 4096

struct control_connection;

struct control {
	struct control_options options;
	char *path;
	uv_pipe_t pipe;
	uv_timer_t idle_timer;
	struct control_connection *connections;
	unsigned count;
};

// Does what the request says and returns the whole response, the caller's;
// NULL if memory ran out.
json_t *control_run(struct control *c, const struct control_request *request);
json_t *control_error(const char *text);
