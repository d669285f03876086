// SPDX-License-Identifier: BSD-3-Clause
// NOTIFY, sans I/O: a message in; a reply and perhaps an event out (RFC 1996).
//
// Purpose: says whether a NOTIFY may be believed: it must come from one of the
// zone's sources (its primaries, and what else is allowed) and, where a key is
// configured for that source, be signed with it (RFC 8945). One that speaks of
// anything but a SOA (RFC 9859) is refused. Works alike for UDP and TCP.
// Threads: any; no state. Ownership: everything is borrowed for the call.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "understudy/name.h"
#include "understudy/tsig.h"

#define NOTIFY_NO_PRIMARY UINT32_MAX

// Who may send NOTIFYs: an address, or all from one to another, both included.
struct notify_source {
	uint8_t family; // 4 or 6
	uint8_t first[16], last[16];
	const struct tsig_key *key; // NULL = none configured
	uint32_t primary;           // index among the zone's, or NOTIFY_NO_PRIMARY
};

// How the caller's configuration is asked.
struct notify_lookup {
	void *arg;
	// The key of this name, or NULL.
	const struct tsig_key *(*key)(void *arg, const uint8_t *name);
	// The sources of the zone of exactly this apex, their number in *count;
	// NULL if it is no zone of ours. Borrowed until the next call.
	const struct notify_source *(*sources)(void *arg, const uint8_t *apex, unsigned *count);
};

struct notify_input {
	const uint8_t *msg;
	size_t len;
	uint8_t family;      // source: 4 or 6 (IPv4-mapped IPv6 counts as 4)
	uint8_t address[16]; // source, network byte order
	uint64_t now_s;      // UNIX time, for TSIG
};

enum notify_verdict {
	NOTIFY_ACCEPTED,   // event and reply
	NOTIFY_DROPPED,    // shorter than a header, or a response: no reply
	NOTIFY_MALFORMED,  // FORMERR
	NOTIFY_BADVERS,    // EDNS of a version that we do not know
	NOTIFY_NOTIMP,     // another opcode
	NOTIFY_NOTAUTH,    // no zone of ours
	NOTIFY_REFUSED,    // not from a source, or not signed as configured
	NOTIFY_OTHER_TYPE, // not of a SOA: REFUSED
	NOTIFY_TSIG_ERROR, // NOTAUTH with a TSIG error
	NOTIFY_VERDICT_COUNT
};
// A few words, for logs and counters; static.
const char *notify_verdict_text(enum notify_verdict v);

struct notify_event {
	struct name apex;
	uint32_t primary; // index among the zone's primaries, or NOTIFY_NO_PRIMARY
	bool has_serial;  // a SOA stood in the answer section (a hint, RFC 1996 section 3.7)
	uint32_t serial;
};

#define NOTIFY_REPLY_OCTETS 1024

// Judges one message. `reply` is written in any case but NOTIFY_DROPPED
// (*reply_len 0); `event` only with NOTIFY_ACCEPTED.
enum notify_verdict notify_handle(const struct notify_lookup *lookup, const struct notify_input *in,
				  uint8_t reply[static NOTIFY_REPLY_OCTETS], size_t *reply_len,
				  struct notify_event *event);
