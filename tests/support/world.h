// SPDX-License-Identifier: BSD-3-Clause
// A world of zones written down as text, and a context to ask it: for tests.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "support/signer.h"
#include "understudy/answer.h"
#include "understudy/wire.h"
#include "understudy/zonedb.h"

struct world {
	struct zonedb *db;
	struct answer_config settings;
	struct rcu_pointer config;
	struct answer_ctx *ctx;
};

// All of these print what is wrong and end the program if something is.

// Registers the calling thread, always the same, as a reader. EDNS size 1232, no
// CHAOS texts.
void world_open(struct world *w);
void world_close(struct world *w);

// Publishes a zone. Each line of `text`: OWNER TTL TYPE RDATA; names without a
// final dot are below the apex, "@" is the apex. RDATA: as in master files for
// A, AAAA, SOA, MX, AFSDB, RT, KX, SRV, NAPTR, SVCB and HTTPS (without parameters), TXT
// (without escapes) and types that are one name, else RFC 3597's "\# LENGTH HEX". Lines that are
// empty or begin with ";" are skipped.
void world_zone(struct world *w, const char *apex, const char *text);

// The same, signed; see support/signer.h.
void world_signed_zone(struct world *w, const char *apex, const char *text,
		       const struct signer_options *options);

// One record of such a line in wire format, into `r`, which points into the
// buffers; at most 65,535 octets of rdata.
struct world_record {
	struct name owner;
	uint8_t rdata[65535];
	struct zone_record record;
};
void world_parse_record(const char *line, const struct name *apex, struct world_record *r);

// The record as it stands in a message, no name shortened.
void world_put_record(struct wire_out *w, const struct zone_record *r);

// Publishes the zone as not yet loaded, or as expired.
void world_not_loaded(struct world *w, const char *apex);
void world_expired(struct world *w, const char *apex);
