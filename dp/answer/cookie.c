// SPDX-License-Identifier: BSD-3-Clause
// DNS cookies (RFC 7873) with the interoperable server cookie of RFC 9018.
//
// A server cookie: version 1, three reserved octets, the time of its making, and
// the SipHash-2-4 of all that with the client's cookie and address. It is bound
// to nothing that we would have to remember.
#include "cookie.h"

#include <assert.h>
#include <string.h>

#include "understudy/wire.h"

#include "siphash.h"

static_assert(ANSWER_COOKIE_SECRET_OCTETS == SIPHASH_KEY_OCTETS, "a secret is a key");

#define VERSION     1
#define TIME_AT     4
#define HASH_AT     8
#define HASH_OCTETS 8

// RFC 9018 section 4.3, seconds.
#define AGE_MAX_S   3600
#define AHEAD_MAX_S 300
#define RENEW_AGE_S 1800

static void put_hash(uint8_t out[HASH_OCTETS], const struct cookie *c,
		     const struct answer_peer *peer, const uint8_t *secret)
{
	uint8_t in[COOKIE_CLIENT_OCTETS + HASH_AT + sizeof(peer->address)];
	size_t address_octets = peer->family == 4 ? 4 : 16, head = COOKIE_CLIENT_OCTETS + HASH_AT;
	memcpy(in, c->client, COOKIE_CLIENT_OCTETS);
	memcpy(in + COOKIE_CLIENT_OCTETS, c->server, HASH_AT);
	memcpy(in + head, peer->address, address_octets);
	uint64_t hash = siphash(secret, in, head + address_octets);
	for (unsigned i = 0; i < HASH_OCTETS; i++)
		out[i] = (uint8_t)(hash >> (8 * i));
}

// Over all octets, so that the time it takes tells nothing.
static bool equal(const uint8_t *a, const uint8_t *b)
{
	unsigned differ = 0;
	for (unsigned i = 0; i < HASH_OCTETS; i++)
		differ |= a[i] ^ b[i];
	return differ == 0;
}

// The secret that it was made with; -1 if it is none of ours.
static int maker(const struct cookie *c, const struct answer_config *config,
		 const struct answer_peer *peer)
{
	uint8_t hash[HASH_OCTETS];
	for (int i = 0; i < config->cookie_secrets; i++) {
		put_hash(hash, c, peer, config->cookie_secret[i]);
		if (equal(hash, c->server + HASH_AT))
			return i;
	}
	return -1;
}

enum cookie_verdict cookie_renew(struct cookie *c, unsigned server_octets,
				 const struct answer_config *config, const struct answer_peer *peer,
				 uint64_t now_s)
{
	enum cookie_verdict verdict = server_octets ? COOKIE_UNKNOWN : COOKIE_ABSENT;
	if (server_octets == COOKIE_SERVER_OCTETS && c->server[0] == VERSION) {
		// Time in serial arithmetic (RFC 1982).
		int32_t age_s = (int32_t)((uint32_t)now_s - wire_peek_be32(c->server + TIME_AT));
		bool timely = age_s <= AGE_MAX_S && age_s >= -AHEAD_MAX_S;
		int secret = timely ? maker(c, config, peer) : -1;
		if (secret >= 0)
			verdict = COOKIE_CONFIRMED;
		if (secret == 0 && age_s <= RENEW_AGE_S)
			return verdict; // still good
	}
	memset(c->server, 0, TIME_AT);
	c->server[0] = VERSION;
	wire_poke_be32(c->server + TIME_AT, (uint32_t)now_s);
	put_hash(c->server + HASH_AT, c, peer, config->cookie_secret[0]);
	return verdict;
}
