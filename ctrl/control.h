// SPDX-License-Identifier: BSD-3-Clause
// The control socket: JSON requests and responses, one a line.
//
// A request is an object {"command": "zone status", "zone": "example.com"}. A
// response is {"ok": true, "result": {…}} or {"ok": false, "error": "…"}. Behind
// that of "zone dump" follow as many octets as its "octets" says.
// Threads: the loop's, a registered RCU reader that is offline when it calls in
// here. Ownership: control_new gives, control_free takes.
#pragma once

#include <jansson.h>
#include <uv.h>

#include "additions.h"
#include "log.h"
#include "reload.h"
#include "service.h"
#include "understudy/zonedb.h"
#include "zones.h"

struct control;

// What only the daemon as a whole can say or do.
struct control_hooks {
	void *arg;
	// {"version": …, "pid": …, …}: what status begins with.
	json_t *(*about)(void *arg);
	// Ports: [{…}], and workers: rows like stats_answer's.
	json_t *(*ports)(void *arg);
	json_t *(*lcores)(void *arg);
	// Rereads the configuration; `done` is called later. False if memory ran out.
	bool (*reload)(void *arg, reload_done done, void *done_arg);
	// Adds a zone, or removes one that was added; false with a sentence in `why`. It
	// lasts once additions_sync of what `additions` gives returns well.
	bool (*zone_add)(void *arg, const struct addition *a, char *why, size_t why_size);
	bool (*zone_remove)(void *arg, const uint8_t *zone, char *why, size_t why_size);
	const struct additions *(*additions)(void *arg); // NULL: nothing is kept
	void (*stop)(void *arg);
};

struct control_options {
	uv_loop_t *loop;
	const char *path; // of the socket; copied
	const struct zonedb *db;
	struct zones *zones;
	struct store *store; // NULL: none
	const struct service *service;
	struct control_hooks hooks;
};

// Listens on the path, with mode 0660; replaces a socket that nobody listens
// on. NULL with a sentence in `why` if it cannot.
struct control *control_new(const struct control_options *options, char *why, size_t why_size);

// Closes all and removes the socket; the loop must run on until all is closed.
void control_stop(struct control *c);
// After control_stop, once the loop has ended.
void control_free(struct control *c);

enum control_command {
	CONTROL_STATUS,
	CONTROL_ZONES,
	CONTROL_ZONE_ADD,
	CONTROL_ZONE_REMOVE,
	CONTROL_ZONE_STATUS,
	CONTROL_ZONE_REFRESH,
	CONTROL_ZONE_RETRANSFER,
	CONTROL_ZONE_FREEZE,
	CONTROL_ZONE_THAW,
	CONTROL_ZONE_PURGE,
	CONTROL_ZONE_DUMP,
	CONTROL_ZONE_WAIT,
	CONTROL_STORE_LIST,
	CONTROL_PRIMARY_BIND,
	CONTROL_PRIMARY_KNOT,
	CONTROL_PRIMARY_NSD,
	CONTROL_PRIMARY_POWERDNS,
	CONTROL_STATS,
	CONTROL_LOG_LEVEL,
	CONTROL_RELOAD,
	CONTROL_STOP,
	CONTROL_COMMAND_COUNT
};

// What "zones" may be asked for only; the first three as in enum zone_state.
enum control_only {
	CONTROL_ONLY_NOT_LOADED,
	CONTROL_ONLY_SERVED,
	CONTROL_ONLY_EXPIRED,
	CONTROL_ONLY_BLOCKED,
	CONTROL_ONLY_FROZEN,
	CONTROL_ONLY_COUNT
};

struct control_request {
	enum control_command command;
	struct name zone; // of the commands that want one
	bool all;         // every zone instead, where that makes sense
	unsigned only;    // of "zones": a bit for each enum control_only; 0: all
	bool has_serial;  // of "zone wait"
	uint32_t serial, timeout_s;
	bool has_level; // of "log-level"
	enum log_level level;
	struct addition addition; // of "zone add"
};

// Reads one line without its end. NULL, or a sentence on what was expected.
const char *control_parse(const char *line, size_t len, struct control_request *out);
