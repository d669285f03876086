// SPDX-License-Identifier: BSD-3-Clause
// Zones that come and go by command: journal, configuration and zones change together.
//
// Threads: the loop's. Ownership: everything is the caller's.
#pragma once

#include "additions.h"
#include "zones.h"

// What a change concerns.
struct added {
	struct config *config;       // that the zones were given
	struct additions *additions; // NULL: there is no database
	struct zones *zones;
};

// The zone is served from now on; it lasts once additions_sync returns well. False with a
// sentence in `why`, and nothing is changed.
bool added_add(const struct added *where, const struct addition *a, char *why, size_t why_size);

// The zone is served no more. False with a sentence in `why`; after that it can be tried again.
bool added_remove(const struct added *where, const uint8_t *zone, char *why, size_t why_size);
