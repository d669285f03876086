// SPDX-License-Identifier: BSD-3-Clause
// A report that remembers what was said, for tests of parsers of files.
#pragma once

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

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
