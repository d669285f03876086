// SPDX-License-Identifier: BSD-3-Clause
// Zones in presentation format (RFC 1035 section 5, RFC 3597 section 5).
//
// Threads: any; no state.
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>

#include "understudy/zone.h"

// Writes the records of one RRset, a line each, every name absolute.
void zone_text_rrset(FILE *to, const uint8_t *owner, const struct rrset *rr);

// Writes a whole zone: the SOA record, then all others in canonical order. The
// caller is an online reader. Once *stop is set, what is left is left out.
void zone_text_zone(FILE *to, const struct catalog *view, const struct zone *z,
		    const _Atomic bool *stop);
