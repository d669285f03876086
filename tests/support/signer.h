// SPDX-License-Identifier: BSD-3-Clause
// Signs zones for tests and benchmarks: true chains of NSEC or NSEC3, and signatures
// of the size of real ones (ECDSA P-256), which sign nothing.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "understudy/zonedb.h"

#define SIGNER_SALT_MAX 8

struct signer_options {
	bool nsec3;    // else NSEC
	bool opt_out;  // unsigned delegations have no NSEC3 (RFC 5155 section 6)
	bool holes;    // every third record of the chain is missing
	bool beside;   // a second chain of NSEC3 stands among it, without opt-out
	bool stale;    // NSEC3 records of "a" below each name, whether or not it exists
	uint8_t flags; // of NSEC3PARAM
	uint16_t iterations;
	uint8_t salt_len;
	uint8_t salt[SIGNER_SALT_MAX];
};

struct signer;

// These print what is wrong and end the program if something is.
struct signer *signer_new(const uint8_t *apex, const struct signer_options *options);

// A record of the zone, in any order. Copied.
void signer_add(struct signer *s, const struct zone_record *r);

// Gives all records, those made among them, and frees the signer. Of NSEC3 the zone
// gets an NSEC3PARAM. The zone has a SOA, whose MINIMUM is the chain's TTL.
void signer_finish(struct signer *s, void (*give)(void *arg, const struct zone_record *r),
		   void *arg);
