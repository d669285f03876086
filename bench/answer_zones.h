// SPDX-License-Identifier: BSD-3-Clause
// The zones of the benchmark of the answer path, and the queries that they are asked.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "understudy/zonedb.h"

// Ends the program.
_Noreturn void fail(const char *what);
void require(enum result r);

// Which names are asked for.
enum ask {
	ASK_EXISTING,
	ASK_BEHIND, // missing ones, all behind those that exist
	ASK_AMONG,  // missing ones among them
	ASK_BELOW,  // of one label more
};

enum content {
	ADDRESSES,      // an A record each
	WILDCARDS,      // the same for the asterisk below
	DELEGATIONS,    // as in a registry's zone: two servers out of 1,000 operators' pairs, DS
			// for every tenth name, servers of their own with glue for every twentieth
	DELEGATIONS_DS, // all with DS, and a server of their own with glue
	FROM_FILE,      // zone and queries come from a file
};

enum signing { UNSIGNED, NSEC, NSEC3 };

struct zone_plan {
	uint32_t names;
	enum content content;
	enum signing signing;
	const char *file;
};

extern const uint8_t bench_apex[];

// The name of number `index`: different for each, in no order of theirs. Returns its octets.
size_t put_name(uint8_t *out, uint32_t index, enum ask which);
void put_address(uint8_t out[4], uint32_t index);

// Makes the zone and publishes it in place of the one before, which may be of another
// name.
void make_zone(struct zonedb *db, const struct zone_plan *plan);

// A query out of a file, and what its reply is to look like.
struct file_query {
	const uint8_t *wire;
	uint16_t len;
	uint8_t header[2]; // flags and rcode
	uint8_t kind;      // of the reply: enum reply_kind
};

// How a reply looks, whatever it says.
enum reply_kind { REPLY_ANSWER, REPLY_NEGATIVE, REPLY_REFERRAL };

// The queries of the file that the zone was made of; their number in *count. They
// stay where they are until the next zone is made.
const struct file_query *file_queries(uint32_t *count);
