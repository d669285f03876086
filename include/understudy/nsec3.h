// SPDX-License-Identifier: BSD-3-Clause
// The hash of NSEC3: RFC 5155 section 5, algorithm 1 (SHA-1).
//
// Threads: any; no state, no allocation. Cost: one SHA-1 block for a short name
// (about 150 cycles), and one more for each iteration.
#pragma once

#include <stdint.h>

#define NSEC3_HASH_OCTETS  20
#define NSEC3_LABEL_OCTETS 32 // of the hash in base32hex
#define NSEC3_SHA1         1  // the one algorithm there is

// More cannot be asked for with any key size: RFC 5155 section 10.3.
#define NSEC3_ITERATIONS_MOST 2500

// What NSEC3 and NSEC3PARAM records say of their chain.
struct nsec3_params {
	const uint8_t *salt;
	uint8_t salt_len;
	uint16_t iterations; // additional ones
};

// Hashes a name in wire form, `name_octets` long, in any case.
void nsec3_hash(const uint8_t *name, unsigned name_octets, const struct nsec3_params *params,
		uint8_t out[NSEC3_HASH_OCTETS]);

// Writes the hash as NSEC3_LABEL_OCTETS characters of base32hex, lower case,
// without padding (RFC 4648 section 7).
void nsec3_label(const uint8_t hash[NSEC3_HASH_OCTETS], uint8_t out[NSEC3_LABEL_OCTETS]);
