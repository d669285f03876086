// SPDX-License-Identifier: BSD-3-Clause
// What is wrong with a file: messages with file and line, and their number.
//
// Threads: one report belongs to one thread.
#pragma once

#include "log.h"

struct report {
	// Gets every message, "FILE:LINE: TEXT"; line 0 means the whole file.
	void (*say)(void *arg, enum log_level level, const char *message);
	void *arg;
	unsigned errors;
	unsigned warnings;
};

void report_error(struct report *r, const char *file, unsigned line, const char *format, ...)
	__attribute__((format(printf, 4, 5)));
void report_warning(struct report *r, const char *file, unsigned line, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

// A `say` that writes to the log.
void report_to_log(void *arg, enum log_level level, const char *message);
