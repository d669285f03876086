// SPDX-License-Identifier: BSD-3-Clause
// What a query says: header, question, EDNS, read once and bounded.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "understudy/answer.h"

#include "edns.h"

// Without EDNS a client takes this much over UDP (RFC 1035 section 4.2.1), and
// with EDNS never less (RFC 6891 section 6.2.3).
#define QUERY_UDP_OCTETS_MIN 512

enum query_fate {
	QUERY_RESOLVE,  // to be answered from our zones
	QUERY_CHAOS,    // to be answered from the configuration
	QUERY_EMPTY,    // no question, but a cookie to be judged (RFC 7873 section 5.4)
	QUERY_ERROR,    // to be answered with `rcode` alone
	QUERY_PUNT,     // not for the fast path; only where the caller may punt
	QUERY_SHORT,    // no whole header: dropped
	QUERY_RESPONSE, // QR is set: dropped
};

struct query {
	const uint8_t *qname;   // in the message, well-formed; set if question_octets is not 0
	const uint8_t *options; // data of the OPT record, until the reply is written
	uint16_t options_octets;
	uint16_t qname_octets;
	uint16_t question_octets; // of the whole question; 0 = none that can be echoed
	uint16_t qtype;
	uint16_t qclass;
	uint16_t flags;            // octets 2 and 3 of the header
	uint16_t udp_octets;       // what the client takes over UDP, at least 512
	uint16_t rcode;            // of QUERY_ERROR; may be an extended one
	bool edns;                 // there was an OPT record
	bool dnssec_ok;            // its DO bit (RFC 3225)
	bool tsig;                 // there was a TSIG record, in its place
	bool stream;               // it came over TCP
	bool confirmed;            // its cookie says that its address is true
	struct edns_asked asked;   // by the OPT record's options
	struct name_labels labels; // of qname; without one the count is 0
};

// Reads the message; every field of `q` that its fate speaks of is set.
enum query_fate query_parse(const struct answer_item *item, struct query *q);
