// SPDX-License-Identifier: BSD-3-Clause
// The log: lines to stderr, by level, as journald likes them.
//
// Threads: any. Under systemd (JOURNAL_STREAM is set) a line starts with its
// priority, "<6>", else with the time and the level's name.
#pragma once

#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARNING, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };

void log_set_level(enum log_level level);
enum log_level log_get_level(void);
bool log_enabled(enum log_level level);
// "error", "warning", "info", "debug"; static. And back: false if it is none of them.
const char *log_level_text(enum log_level level);
bool log_level_from_text(const char *text, enum log_level *out);

// Writes one line; control characters in it become question marks.
void log_line(enum log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));

#define log_error(...)   log_line(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warning(...) log_line(LOG_LEVEL_WARNING, __VA_ARGS__)
#define log_info(...)    log_line(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...)   log_line(LOG_LEVEL_DEBUG, __VA_ARGS__)

// For what a remote party can cause: at most LOG_LIMIT_BURST lines in any
// second of one limit; what is left out is counted in the next line.
// One limit belongs to one thread. Starts zeroed.
#define LOG_LIMIT_BURST 5

struct log_limit {
	uint64_t second;
	unsigned written;
	unsigned left_out;
};

void log_limited(struct log_limit *limit, enum log_level level, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
