// SPDX-License-Identifier: BSD-3-Clause
// What zone dump brings: the zone file behind a response, and where it goes.
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

struct dump_place {
	const char *zone;
	const char *folder; // a file of the zone's name there; NULL: none
	const char *file;   // else this one; NULL: standard output
	bool text;          // or as the "text" of the result, where no file is meant
};

// Reads all that stands behind the response; false after a complaint.
bool dump_save(FILE *stream, json_t *response, const struct dump_place *place);
