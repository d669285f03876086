// SPDX-License-Identifier: BSD-3-Clause
// EDNS options (RFC 6891 section 6.1.2): those of a query read, those of a reply written.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "understudy/answer.h"
#include "understudy/zone.h"

#include "cookie.h"

// Of the registry: those that we know.
enum edns_option {
	EDNS_NSID = 3,
	EDNS_EXPIRE = 9,
	EDNS_COOKIE = 10,
	EDNS_KEEPALIVE = 11,
	EDNS_ERROR = 15,
	EDNS_REPORT_CHANNEL = 18,
	EDNS_ZONEVERSION = 19,
};

// Info codes of extended errors (RFC 8914 section 4).
enum edns_error {
	EDNS_ERROR_NONE = -1,
	EDNS_ERROR_NOT_READY = 14,
	EDNS_ERROR_PROHIBITED = 18,
	EDNS_ERROR_NOT_AUTHORITATIVE = 20,
	EDNS_ERROR_NOT_SUPPORTED = 21,
	EDNS_ERROR_INVALID_DATA = 24,
	EDNS_ERROR_QUERY_TYPE = 30,
};

// What a query's options ask for.
#define EDNS_ASKS_NSID        0x01u
#define EDNS_ASKS_EXPIRE      0x02u
#define EDNS_ASKS_COOKIE      0x04u
#define EDNS_ASKS_KEEPALIVE   0x08u
#define EDNS_ASKS_ZONEVERSION 0x10u

struct edns_asked {
	uint8_t what;          // EDNS_ASKS_…
	uint8_t server_octets; // of the server cookie; the rest of it is not kept
	struct cookie cookie;  // set if `what` says so
};

enum edns_read {
	EDNS_READ,
	EDNS_BAD_OPTION, // of a length that it cannot have
	EDNS_BAD_RECORD, // an option goes past the end of the record
};

// Reads the data of an OPT record of version 0 into `asked`, of which `what` is 0.
enum edns_read edns_read(const uint8_t *rdata, size_t len, bool stream, struct edns_asked *asked);

// The options of a reply that were asked for.
#define EDNS_OPTION_HEAD_OCTETS 4
#define EDNS_REPLY_OCTETS \
	(5 * EDNS_OPTION_HEAD_OCTETS + ANSWER_NSID_MAX + sizeof(struct cookie) + 4 + 6 + 2)

struct edns_reply {
	uint16_t octets;
	uint8_t option[EDNS_REPLY_OCTETS];
};

// What the options speak of.
struct edns_facts {
	const struct answer_config *config;
	const struct edns_asked *asked; // its cookie is the one to be sent
	const struct catalog *view;
	const struct zone *zone; // served, and the name that is asked for is in it; or NULL
	bool soa;                // its SOA is what is asked for
	uint64_t now_s;
};
void edns_write(struct edns_reply *out, const struct edns_facts *facts);
