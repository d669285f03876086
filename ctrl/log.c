// SPDX-License-Identifier: BSD-3-Clause
// The log: lines to stderr, by level, as journald likes them.
#include "log.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define LINE_OCTETS 2048

static _Atomic int highest = LOG_LEVEL_INFO;

static const struct {
	const char *name;
	int priority; // syslog's
} levels[] = {
	[LOG_LEVEL_ERROR] = { "error", 3 },
	[LOG_LEVEL_WARNING] = { "warning", 4 },
	[LOG_LEVEL_INFO] = { "info", 6 },
	[LOG_LEVEL_DEBUG] = { "debug", 7 },
};

void log_set_level(enum log_level level)
{
	atomic_store_explicit(&highest, (int)level, memory_order_relaxed);
}

enum log_level log_get_level(void)
{
	return (enum log_level)atomic_load_explicit(&highest, memory_order_relaxed);
}

const char *log_level_text(enum log_level level)
{
	return levels[level].name;
}

bool log_level_from_text(const char *text, enum log_level *out)
{
	for (size_t i = 0; i < sizeof(levels) / sizeof(levels[0]); i++) {
		if (strcmp(levels[i].name, text) != 0)
			continue;
		*out = (enum log_level)i;
		return true;
	}
	return false;
}

bool log_enabled(enum log_level level)
{
	return (int)level <= atomic_load_explicit(&highest, memory_order_relaxed);
}

// The part of a line before its text; returns its octets.
static int put_prefix(char *line, size_t size, enum log_level level)
{
	if (getenv("JOURNAL_STREAM"))
		return snprintf(line, size, "<%d>", levels[level].priority);
	struct timespec now;
	struct tm tm;
	clock_gettime(CLOCK_REALTIME, &now);
	localtime_r(&now.tv_sec, &tm);
	char stamp[32];
	strftime(stamp, sizeof(stamp), "%Y-%m-%dT%H:%M:%S", &tm);
	return snprintf(line, size, "%s.%03ld %s: ", stamp, now.tv_nsec / 1000000,
			levels[level].name);
}

static void write_line(enum log_level level, const char *format, va_list args)
{
	char line[LINE_OCTETS];
	int at = put_prefix(line, sizeof(line), level);
	int n = vsnprintf(line + at, sizeof(line) - (size_t)at - 1, format, args);
	size_t end = (size_t)at + (size_t)(n > 0 ? n : 0);
	if (end > sizeof(line) - 2)
		end = sizeof(line) - 2;
	for (size_t i = (size_t)at; i < end; i++) {
		if ((unsigned char)line[i] < 0x20 || line[i] == 0x7f)
			line[i] = '?';
	}
	line[end++] = '\n';
	// One write, so that lines of several threads do not mix.
	if (write(STDERR_FILENO, line, end) < 0)
		return;
}

void log_line(enum log_level level, const char *format, ...)
{
	if (!log_enabled(level))
		return;
	va_list args;
	va_start(args, format);
	write_line(level, format, args);
	va_end(args);
}

void log_limited(struct log_limit *limit, enum log_level level, const char *format, ...)
{
	if (!log_enabled(level))
		return;
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
	if ((uint64_t)now.tv_sec != limit->second) {
		limit->second = (uint64_t)now.tv_sec;
		limit->written = 0;
		if (limit->left_out)
			log_line(level, "%u more lines like the next were left out",
				 limit->left_out);
		limit->left_out = 0;
	}
	if (limit->written++ >= LOG_LIMIT_BURST) {
		limit->left_out++;
		return;
	}
	va_list args;
	va_start(args, format);
	write_line(level, format, args);
	va_end(args);
}
