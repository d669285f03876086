// SPDX-License-Identifier: BSD-3-Clause
// What is wrong with a file: messages with file and line, and their number.
#include "report.h"

#include <stdio.h>

#define MESSAGE_OCTETS 1024
#define ERRORS_SAID    100 // a file that is no configuration at all fills no disk

static void say(struct report *r, enum log_level level, const char *file, unsigned line,
		const char *text)
{
	char message[MESSAGE_OCTETS + 512];
	if (line)
		snprintf(message, sizeof(message), "%s:%u: %s", file, line, text);
	else
		snprintf(message, sizeof(message), "%s: %s", file, text);
	r->say(r->arg, level, message);
}

void report_error(struct report *r, const char *file, unsigned line, const char *format, ...)
{
	char text[MESSAGE_OCTETS];
	va_list args;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	if (++r->errors > ERRORS_SAID)
		return;
	say(r, LOG_LEVEL_ERROR, file, line, text);
}

void report_warning(struct report *r, const char *file, unsigned line, const char *format, ...)
{
	char text[MESSAGE_OCTETS];
	va_list args;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	r->warnings++;
	say(r, LOG_LEVEL_WARNING, file, line, text);
}

void report_to_log(void *arg, enum log_level level, const char *message)
{
	(void)arg;
	log_line(level, "%s", message);
}
