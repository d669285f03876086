// SPDX-License-Identifier: BSD-3-Clause
// DNS cookies (RFC 7873) with the interoperable server cookie of RFC 9018.
#pragma once

#include <stdint.h>

#include "understudy/answer.h"

#define COOKIE_CLIENT_OCTETS     8
#define COOKIE_SERVER_OCTETS     16 // of ours
#define COOKIE_SERVER_OCTETS_MIN 8  // of anybody's (RFC 7873 section 4)
#define COOKIE_SERVER_OCTETS_MAX 32

// A COOKIE option's data as it is sent: both cookies, one behind the other.
struct cookie {
	uint8_t client[COOKIE_CLIENT_OCTETS];
	uint8_t server[COOKIE_SERVER_OCTETS];
};

enum cookie_verdict {
	COOKIE_ABSENT,   // the client has none of ours yet
	COOKIE_UNKNOWN,  // what it has is not ours, or too old
	COOKIE_CONFIRMED // ours: the client is where it says it is
};

// Judges the server cookie, of which there were `server_octets`, and puts the
// one to be sent in its place. The caller has seen that there are secrets.
enum cookie_verdict cookie_renew(struct cookie *c, unsigned server_octets,
				 const struct answer_config *config, const struct answer_peer *peer,
				 uint64_t now_s);
