// SPDX-License-Identifier: BSD-3-Clause
// Reports that remember, print or forget what was said, and texts to read: for tests
// of parsers of files.
#pragma once

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "report.h"

struct said {
	char text[8192]; // all messages, a line each
	struct report report;
};

static inline void said_line(void *arg, enum log_level level, const char *message)
{
	struct said *s = arg;
	size_t at = strlen(s->text);
	(void)level;
	snprintf(s->text + at, sizeof(s->text) - at, "%s\n", message);
}

static inline void said_init(struct said *s)
{
	*s = (struct said){ .report = { .say = said_line, .arg = s } };
}

// Whether one message starts with "FILE:LINE: " and holds `part`; prints what
// was said if not.
static inline bool said_at(const struct said *s, const char *file, unsigned line, const char *part)
{
	char start[256];
	snprintf(start, sizeof(start), "%s:%u: ", file, line);
	for (const char *p = s->text; *p; p = strchr(p, '\n') + 1) {
		size_t len = strcspn(p, "\n");
		if (strncmp(p, start, strlen(start)) == 0 && memmem(p, len, part, strlen(part)))
			return true;
	}
	printf("\n  expected \"%s\" at line %u, but was told:\n%s", part, line, s->text);
	return false;
}

// For reports of what ought to be right, and of what may be wrong.
static inline void said_print(void *arg, enum log_level level, const char *message)
{
	(void)arg;
	(void)level;
	printf("\n  %s\n", message);
}

static inline void said_ignore(void *arg, enum log_level level, const char *message)
{
	(void)arg;
	(void)level;
	(void)message;
}

// The text without its NUL, exactly as long, on the heap: reading too far is seen.
static inline char *said_copy(const char *text)
{
	size_t len = strlen(text);
	char *copy = malloc(len ? len : 1);
	if (!copy)
		abort();
	return memcpy(copy, text, len);
}

static inline void said_file(const char *path, const char *text, mode_t mode)
{
	FILE *f = fopen(path, "w");
	if (!f || fputs(text, f) < 0 || fclose(f) != 0 || chmod(path, mode) != 0)
		abort();
}
