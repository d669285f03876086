// SPDX-License-Identifier: BSD-3-Clause
// Message digests of zones: whether a zone's content is what its ZONEMD says.
//
// Purpose: verifies the digests of scheme SIMPLE with SHA-384 and SHA-512
// (RFC 8976), a slice at a time, so that a large zone holds nothing up. Signatures
// are not verified here.
// Threads: one at a time, which may read the zone. Ownership: zonemd_begin gives,
// zonemd_free takes; the zone must stay until then.
#pragma once

#include <stddef.h>

#include "understudy/zone.h"

enum zonemd_verdict {
	ZONEMD_ABSENT,      // the zone has none
	ZONEMD_UNSUPPORTED, // none of a scheme and hash that we know, and one only of each
	ZONEMD_MISMATCH,    // of those that we know none has the zone's serial and digest
	ZONEMD_VERIFIED,
	ZONEMD_UNDECIDED // goes on with zonemd_step
};

// What is done with a zone that is not ZONEMD_VERIFIED.
enum zonemd_policy {
	ZONEMD_VERIFY,  // a mismatch is refused
	ZONEMD_REQUIRE, // all is refused
	ZONEMD_IGNORE   // it is not looked at
};

// A few words, for status; static.
const char *zonemd_verdict_text(enum zonemd_verdict v);

struct zonemd;

// Looks at the zone's ZONEMD records. Only with ZONEMD_UNDECIDED there is work to do,
// and *out is set; NULL in it: out of memory.
enum zonemd_verdict zonemd_begin(const struct catalog *view, const struct zone *z,
				 struct zonemd **out);

// Digests about so many octets more.
enum zonemd_verdict zonemd_step(struct zonemd *m, size_t octets);

void zonemd_free(struct zonemd *m);
