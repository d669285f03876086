// SPDX-License-Identifier: BSD-3-Clause
// The hash of NSEC3: RFC 5155 section 5.
#define OPENSSL_SUPPRESS_DEPRECATED // the plain functions take half the time of EVP's
#include "understudy/nsec3.h"

#include <assert.h>
#include <openssl/sha.h>

#include "understudy/name.h"

static_assert(NSEC3_HASH_OCTETS == SHA_DIGEST_LENGTH, "NSEC3 is SHA-1");

static void digest(const uint8_t *octets, unsigned len, const struct nsec3_params *params,
		   uint8_t out[NSEC3_HASH_OCTETS])
{
	SHA_CTX sha;
	SHA1_Init(&sha);
	SHA1_Update(&sha, octets, len);
	SHA1_Update(&sha, params->salt, params->salt_len);
	SHA1_Final(out, &sha);
}

void nsec3_hash(const uint8_t *name, unsigned name_octets, const struct nsec3_params *params,
		uint8_t out[NSEC3_HASH_OCTETS])
{
	uint8_t folded[NAME_MAX_OCTETS];
	assert(name_octets <= sizeof(folded));
	for (unsigned i = 0; i < name_octets; i++)
		folded[i] = name_lower[name[i]];
	digest(folded, name_octets, params, out);
	for (unsigned i = 0; i < params->iterations; i++)
		digest(out, NSEC3_HASH_OCTETS, params, out);
}

void nsec3_label(const uint8_t hash[NSEC3_HASH_OCTETS], uint8_t out[NSEC3_LABEL_OCTETS])
{
	static const char digits[] = "0123456789abcdefghijklmnopqrstuv";
	for (unsigned group = 0; group < NSEC3_HASH_OCTETS / 5; group++) {
		uint64_t bits = 0;
		for (unsigned i = 0; i < 5; i++)
			bits = bits << 8 | hash[5 * group + i];
		for (unsigned i = 0; i < 8; i++)
			out[8 * group + i] = (uint8_t)digits[bits >> (35 - 5 * i) & 31];
	}
}
