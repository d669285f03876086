// SPDX-License-Identifier: BSD-3-Clause
// Zones that are added by command: a journal of two equal files (docs/store.md).
//
// Purpose: what `zone add` and `zone remove` did lasts over restarts; a line that is
// damaged in one file is taken from the other.
// Threads: the loop's; additions_sync any. Ownership: additions_open gives,
// additions_free takes.
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "config.h"

#define ADDITION_ID_OCTETS 256

// What the command says of a zone.
struct addition {
	struct name zone;
	char template_id[ADDITION_ID_OCTETS]; // empty: none
	unsigned primary_count;               // 0: those of the template
	char primary_ids[CONFIG_PRIMARIES_MAX][ADDITION_ID_OCTETS];
};

struct additions;

// Takes the id of a template or primary; false unless it is a text (not NULL) of 1 to 255 octets.
bool addition_id(const char *text, char out[ADDITION_ID_OCTETS]);

// Reads what is in the folder, which must be there. RESULT_OK; RESULT_IO with errno;
// RESULT_NO_MEMORY.
enum result additions_open(const char *folder, struct additions **out);
// The same for a look: changes nothing there, and nothing may be put or dropped. A folder that
// is not there holds none.
enum result additions_read(const char *folder, struct additions **out);
void additions_free(struct additions *a); // NULL is well

// In canonical order of the names.
size_t additions_count(const struct additions *a);
void additions_at(const struct additions *a, size_t i, struct addition *out);
bool additions_has(const struct additions *a, const uint8_t *zone);

// Noted, and in the files; lasts once additions_sync returns well. RESULT_OK;
// RESULT_EXISTS or RESULT_NOT_FOUND; RESULT_IO with errno or RESULT_NO_MEMORY, and
// nothing is changed then.
enum result additions_put(struct additions *a, const struct addition *addition);
enum result additions_drop(struct additions *a, const uint8_t *zone);
enum result additions_sync(const struct additions *a);

// ---- into a configuration

// The zone becomes one of `c`. RESULT_OK with the zone; RESULT_EXISTS if it is one
// already; RESULT_NOT_FOUND with a sentence in `why`; RESULT_NO_MEMORY.
enum result config_add_zone(struct config *c, const struct addition *a,
			    const struct config_zone **out, char *why, size_t why_size);
// Of one that was added, which nobody refers to any more.
void config_remove_zone(struct config *c, const uint8_t *zone);
// All of them. What cannot be is reported: at start, as a warning, and left out; else as
// an error. RESULT_OK, RESULT_INVALID, RESULT_NO_MEMORY.
enum result config_add_zones(struct config *c, const struct additions *a, bool at_start,
			     struct report *report);
