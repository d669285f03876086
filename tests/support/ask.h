// SPDX-License-Identifier: BSD-3-Clause
// Asking a world one question and comparing the whole reply as text.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "support/world.h"

struct ask {
	const char *name;
	uint16_t type;
	uint16_t rrclass; // 0 = IN
	uint16_t flags;   // octets 2 and 3 of the header
	uint16_t edns;    // size; 0 = no OPT record
	uint8_t version;  // of EDNS
	bool dnssec_ok;
	const char *options; // of EDNS, in hexadecimal
	bool tcp;
	const struct answer_peer *peer; // who asks, but for the transport; NULL = 0.0.0.0
	uint16_t capacity;              // 0 = 65,535
};

// Builds the query; returns its octets.
size_t ask_build(const struct ask *a, uint8_t *buf);

// The reply as message_to_text writes it, without the "qd" line, once it was
// seen to be the query's; "drop" or "broken: …" where there is none, or none
// that keeps the rules. Valid until the next call.
const char *ask(struct world *w, const struct ask *a);

// The same for a query given in octets.
const char *ask_octets(struct world *w, const uint8_t *query, size_t len, const struct ask *a);

// Length of the last reply.
extern size_t ask_reply_octets;

// Prints both texts where they differ; for use in CU_ASSERT.
bool ask_same(const char *got, const char *expected);

// A question, and what else there is to say of it: QUESTION("a.test.", RRTYPE_A, .tcp = true).
#define QUESTION(qname, qtype, ...)                             \
	{                                                       \
		.name = (qname), .type = (qtype), ##__VA_ARGS__ \
	}

#define ASK(w, expected, ...) \
	CU_ASSERT(ask_same(ask((w), &(struct ask)QUESTION(__VA_ARGS__)), (expected)))
