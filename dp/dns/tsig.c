// SPDX-License-Identifier: BSD-3-Clause
// TSIG: finding, making and verifying signatures of messages (RFC 8945).
#include "understudy/tsig.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/params.h>

#include "understudy/rr.h"
#include "understudy/wire.h"

#define TIMERS_OCTETS      8 // time signed and fudge
#define BADTIME_OTHER      6
#define TIME_SIGNED_MAX    UINT64_C(0xffffffffffff)
#define RR_FIXED_OCTETS    10 // type, class, TTL, RDLENGTH
#define RDATA_FIXED_OCTETS 16 // all but algorithm, MAC and other data

static const struct {
	const char *text;
	const char *name; // wire; the literal's NUL is the root label
	const char *digest;
	unsigned mac_octets;
} algorithms[TSIG_ALGORITHM_COUNT] = {
	[TSIG_HMAC_MD5] = { "hmac-md5", "\010hmac-md5\007sig-alg\003reg\003int", "MD5", 16 },
	[TSIG_HMAC_SHA1] = { "hmac-sha1", "\011hmac-sha1", "SHA1", 20 },
	[TSIG_HMAC_SHA224] = { "hmac-sha224", "\013hmac-sha224", "SHA224", 28 },
	[TSIG_HMAC_SHA256] = { "hmac-sha256", "\013hmac-sha256", "SHA256", 32 },
	[TSIG_HMAC_SHA384] = { "hmac-sha384", "\013hmac-sha384", "SHA384", 48 },
	[TSIG_HMAC_SHA512] = { "hmac-sha512", "\013hmac-sha512", "SHA512", 64 },
};

static const uint8_t *algorithm_name(enum tsig_algorithm a)
{
	return (const uint8_t *)algorithms[a].name;
}

enum result tsig_algorithm_from_text(const char *text, enum tsig_algorithm *out)
{
	struct name name;
	if (name_from_text(text, &name) != RESULT_OK)
		return RESULT_INVALID;
	size_t len = strlen(text);
	if (text[len - 1] == '.')
		len--;
	for (unsigned a = 0; a < TSIG_ALGORITHM_COUNT; a++) {
		const char *known = algorithms[a].text;
		if (name_equal(name.wire, algorithm_name(a)) ||
		    (strlen(known) == len && strncasecmp(known, text, len) == 0)) {
			*out = a;
			return RESULT_OK;
		}
	}
	return RESULT_INVALID;
}

const char *tsig_algorithm_to_text(enum tsig_algorithm a)
{
	return algorithms[a].text;
}

unsigned tsig_mac_octets(enum tsig_algorithm a)
{
	return algorithms[a].mac_octets;
}

unsigned tsig_mac_octets_min(enum tsig_algorithm a)
{
	unsigned half = algorithms[a].mac_octets / 2;
	return half > TSIG_MAC_CUT_MIN ? half : TSIG_MAC_CUT_MIN;
}

unsigned tsig_key_mac_octets(const struct tsig_key *key)
{
	return key->mac_octets ? key->mac_octets : algorithms[key->algorithm].mac_octets;
}

// --- the record -----------------------------------------------------------

// Reads the rdata of the record whose header the cursor has just passed.
static enum result read_rdata(struct wire *w, uint16_t rdlen, struct tsig_rr *rr)
{
	struct wire in = *w;
	in.end = w->pos + rdlen;
	if (name_read(&in, &rr->algorithm_name) != RESULT_OK)
		return RESULT_MALFORMED;
	rr->time_signed_s = (uint64_t)wire_u16(&in) << 32;
	rr->time_signed_s |= wire_u32(&in);
	rr->fudge_s = wire_u16(&in);
	rr->mac_len = wire_u16(&in);
	rr->mac = wire_take(&in, rr->mac_len);
	rr->original_id = wire_u16(&in);
	rr->error = wire_u16(&in);
	rr->other_len = wire_u16(&in);
	rr->other = wire_take(&in, rr->other_len);
	if (in.failed || wire_left(&in) != 0)
		return RESULT_MALFORMED;
	w->pos = in.end;
	return RESULT_OK;
}

// One record: its place, and whether it is a TSIG record; the cursor passes it.
struct passed {
	const uint8_t *start;
	bool tsig;
};

static enum result pass_record(struct wire *w, struct passed *out)
{
	out->start = w->pos;
	enum result r = name_skip(w);
	if (r != RESULT_OK)
		return r;
	out->tsig = wire_u16(w) == RRTYPE_TSIG;
	wire_take(w, 6); // class and TTL
	wire_take(w, wire_u16(w));
	return w->failed ? RESULT_TRUNCATED : RESULT_OK;
}

// Passes everything up to the last record, which is written to *last
// (start NULL if there is no record). A TSIG record before it is an error.
static enum result pass_message(struct wire *w, struct passed *last)
{
	wire_take(w, 4);
	unsigned questions = wire_u16(w);
	unsigned answers = wire_u16(w);
	unsigned authority = wire_u16(w);
	unsigned additional = wire_u16(w);
	for (; questions && !w->failed; questions--) {
		enum result r = name_skip(w);
		if (r != RESULT_OK)
			return r;
		wire_take(w, 4);
	}
	if (w->failed)
		return RESULT_TRUNCATED;
	struct passed at = { .start = NULL };
	for (unsigned left = answers + authority + additional; left; left--) {
		enum result r = pass_record(w, &at);
		if (r != RESULT_OK)
			return r;
		if (at.tsig && (left > 1 || additional == 0))
			return RESULT_MALFORMED;
	}
	*last = at;
	return RESULT_OK;
}

enum result tsig_find(const uint8_t *msg, size_t len, struct tsig_rr *out)
{
	struct wire w = wire_init(msg, len);
	struct passed last;
	enum result r = pass_message(&w, &last);
	if (r != RESULT_OK)
		return r;
	if (!last.start || !last.tsig)
		return RESULT_NOT_FOUND;
	// What stands behind the record would be signed by nobody.
	if (wire_left(&w) != 0)
		return RESULT_MALFORMED;

	struct tsig_rr rr = { .rr_offset = (size_t)(last.start - msg) };
	w.pos = last.start;
	if (name_read(&w, &rr.key_name) != RESULT_OK)
		return RESULT_MALFORMED;
	wire_take(&w, 2);
	uint16_t rrclass = wire_u16(&w);
	uint32_t ttl_s = wire_u32(&w);
	uint16_t rdlen = wire_u16(&w);
	if (rrclass != RRCLASS_ANY || ttl_s != 0 || read_rdata(&w, rdlen, &rr) != RESULT_OK)
		return RESULT_MALFORMED;
	*out = rr;
	return RESULT_OK;
}

static void put_time(struct wire_out *w, uint64_t time_s)
{
	wire_put_u16(w, (uint16_t)(time_s >> 32));
	wire_put_u32(w, (uint32_t)time_s);
}

// Appends `rr` to the message and counts it; nothing changes if it does not fit.
static enum result append_record(const struct tsig_rr *rr, uint8_t *buf, size_t *len, size_t cap)
{
	assert(*len >= DNS_HEADER_OCTETS && *len <= cap);
	unsigned additional = wire_peek_be16(buf + 10);
	struct wire_out w = wire_out_init(buf + *len, cap - *len);
	wire_put_bytes(&w, rr->key_name.wire, rr->key_name.len);
	wire_put_u16(&w, RRTYPE_TSIG);
	wire_put_u16(&w, RRCLASS_ANY);
	wire_put_u32(&w, 0);
	wire_put_u16(&w, (uint16_t)(rr->algorithm_name.len + RDATA_FIXED_OCTETS + rr->mac_len +
				    rr->other_len));
	wire_put_bytes(&w, rr->algorithm_name.wire, rr->algorithm_name.len);
	put_time(&w, rr->time_signed_s);
	wire_put_u16(&w, rr->fudge_s);
	wire_put_u16(&w, rr->mac_len);
	wire_put_bytes(&w, rr->mac, rr->mac_len);
	wire_put_u16(&w, rr->original_id);
	wire_put_u16(&w, rr->error);
	wire_put_u16(&w, rr->other_len);
	wire_put_bytes(&w, rr->other, rr->other_len);
	if (w.failed || additional == UINT16_MAX)
		return RESULT_NO_SPACE;
	wire_poke_be16(buf + 10, (uint16_t)(additional + 1));
	*len += wire_out_len(&w);
	return RESULT_OK;
}

// --- the running digest ---------------------------------------------------

// A single message is a stream of one. After each signed message the digest
// starts anew with that message's MAC (section 5.3.1).
struct tsig_stream {
	EVP_MAC_CTX *ctx;
	struct name key_name;
	enum tsig_algorithm algorithm;
	unsigned mac_octets; // of MACs that are made, and of the shortest that is taken
	bool digest_failed;  // sticky; asked when a MAC is wanted
	bool first;          // no message so far
	unsigned unsigned_run;
};

static pthread_once_t hmac_once = PTHREAD_ONCE_INIT;
static EVP_MAC *hmac;

static void fetch_hmac(void)
{
	hmac = EVP_MAC_fetch(NULL, "HMAC", NULL);
}

static void digest_octets(struct tsig_stream *s, const void *p, size_t n)
{
	if (n && EVP_MAC_update(s->ctx, p, n) != 1)
		s->digest_failed = true;
}

static void digest_u16(struct tsig_stream *s, uint16_t v)
{
	uint8_t octets[2];
	wire_poke_be16(octets, v);
	digest_octets(s, octets, sizeof(octets));
}

static void digest_mac(struct tsig_stream *s, const uint8_t *mac, size_t len)
{
	digest_u16(s, (uint16_t)len);
	digest_octets(s, mac, len);
}

static void digest_name(struct tsig_stream *s, const uint8_t *wire)
{
	uint8_t lower[NAME_MAX_OCTETS];
	size_t len = name_length(wire);
	for (size_t i = 0; i < len; i++)
		lower[i] = name_lower[wire[i]];
	digest_octets(s, lower, len);
}

// The message without its TSIG record and with its original id;
// `additional` is the ARCOUNT that leaves.
static void digest_message(struct tsig_stream *s, const struct tsig_rr *rr, const uint8_t *msg,
			   unsigned additional)
{
	uint8_t header[DNS_HEADER_OCTETS];
	memcpy(header, msg, sizeof(header));
	wire_poke_be16(header, rr->original_id);
	wire_poke_be16(header + 10, (uint16_t)additional);
	digest_octets(s, header, sizeof(header));
	digest_octets(s, msg + sizeof(header), rr->rr_offset - sizeof(header));
}

static void digest_timers(struct tsig_stream *s, const struct tsig_rr *rr)
{
	uint8_t octets[8];
	struct wire_out w = wire_out_init(octets, sizeof(octets));
	put_time(&w, rr->time_signed_s);
	wire_put_u16(&w, rr->fudge_s);
	digest_octets(s, octets, sizeof(octets));
}

// All variables with the first message (section 4.3.3), then the timers alone.
static void digest_variables(struct tsig_stream *s, const struct tsig_rr *rr)
{
	static const uint8_t class_any_ttl_0[] = { 0, RRCLASS_ANY, 0, 0, 0, 0 };
	if (!s->first) {
		digest_timers(s, rr);
		return;
	}
	digest_name(s, s->key_name.wire);
	digest_octets(s, class_any_ttl_0, sizeof(class_any_ttl_0));
	digest_name(s, algorithm_name(s->algorithm));
	digest_timers(s, rr);
	digest_u16(s, rr->error);
	digest_u16(s, rr->other_len);
	digest_octets(s, rr->other, rr->other_len);
}

static enum result digest_final(struct tsig_stream *s, uint8_t mac[TSIG_MAC_MAX])
{
	size_t len;
	if (s->digest_failed || EVP_MAC_final(s->ctx, mac, &len, TSIG_MAC_MAX) != 1)
		return RESULT_NO_MEMORY;
	return RESULT_OK;
}

static void stream_restart(struct tsig_stream *s, const uint8_t *mac, size_t mac_len)
{
	s->first = false;
	s->unsigned_run = 0;
	if (EVP_MAC_init(s->ctx, NULL, 0, NULL) != 1)
		s->digest_failed = true;
	else
		digest_mac(s, mac, mac_len);
}

static enum result stream_init(struct tsig_stream *s, const struct tsig_key *key,
			       const uint8_t *request_mac, size_t request_mac_len)
{
	pthread_once(&hmac_once, fetch_hmac);
	*s = (struct tsig_stream){
		.ctx = hmac ? EVP_MAC_CTX_new(hmac) : NULL,
		.key_name = key->name,
		.algorithm = key->algorithm,
		.mac_octets = tsig_key_mac_octets(key),
		.first = true,
	};
	if (!s->ctx)
		return RESULT_NO_MEMORY;
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_utf8_string(
			OSSL_MAC_PARAM_DIGEST, (char *)(uintptr_t)algorithms[key->algorithm].digest,
			0),
		OSSL_PARAM_construct_end(),
	};
	if (EVP_MAC_init(s->ctx, key->secret, key->secret_len, params) != 1) {
		EVP_MAC_CTX_free(s->ctx);
		return RESULT_NO_MEMORY;
	}
	if (request_mac)
		digest_mac(s, request_mac, request_mac_len);
	return RESULT_OK;
}

static void stream_fini(struct tsig_stream *s)
{
	EVP_MAC_CTX_free(s->ctx); // which wipes the secret
}

// --- verifying ------------------------------------------------------------

static bool mac_length_allowed(enum tsig_algorithm a, size_t mac_len)
{
	return mac_len >= tsig_mac_octets_min(a) && mac_len <= tsig_mac_octets(a);
}

static bool time_in_window(const struct tsig_rr *rr, uint64_t now_s)
{
	uint64_t apart =
		now_s > rr->time_signed_s ? now_s - rr->time_signed_s : rr->time_signed_s - now_s;
	return apart <= rr->fudge_s;
}

// In the order of section 5.2: key, MAC, time, truncation.
static enum result verify_signed(struct tsig_stream *s, const struct tsig_rr *rr,
				 const uint8_t *msg, uint64_t now_s)
{
	if (!name_equal(rr->key_name.wire, s->key_name.wire) ||
	    !name_equal(rr->algorithm_name.wire, algorithm_name(s->algorithm)))
		return RESULT_TSIG_BADKEY;
	if (!mac_length_allowed(s->algorithm, rr->mac_len))
		return RESULT_MALFORMED;
	uint8_t mac[TSIG_MAC_MAX];
	digest_message(s, rr, msg, wire_peek_be16(msg + 10) - 1u);
	digest_variables(s, rr);
	enum result r = digest_final(s, mac);
	if (r != RESULT_OK)
		return r;
	if (CRYPTO_memcmp(mac, rr->mac, rr->mac_len) != 0)
		return RESULT_TSIG_BADSIG;
	if (!time_in_window(rr, now_s))
		return RESULT_TSIG_BADTIME;
	if (rr->mac_len < s->mac_octets)
		return RESULT_TSIG_BADTRUNC;
	stream_restart(s, rr->mac, rr->mac_len);
	return RESULT_OK;
}

enum result tsig_verify(const struct tsig_key *key, const struct tsig_rr *rr, const uint8_t *msg,
			size_t len, uint64_t now_s, const uint8_t *request_mac,
			size_t request_mac_len)
{
	assert(rr->rr_offset >= DNS_HEADER_OCTETS && rr->rr_offset < len);
	struct tsig_stream s;
	enum result r = stream_init(&s, key, request_mac, request_mac_len);
	if (r != RESULT_OK)
		return r;
	r = verify_signed(&s, rr, msg, now_s);
	stream_fini(&s);
	return r;
}

static enum result error_to_result(uint16_t error)
{
	switch (error) {
	case TSIG_ERROR_BADKEY: return RESULT_TSIG_BADKEY;
	case TSIG_ERROR_BADTIME: return RESULT_TSIG_BADTIME;
	case TSIG_ERROR_BADTRUNC: return RESULT_TSIG_BADTRUNC;
	default: return RESULT_TSIG_BADSIG;
	}
}

enum result tsig_stream_message(struct tsig_stream *s, const uint8_t *msg, size_t len,
				uint64_t now_s, uint16_t *error)
{
	struct tsig_rr rr;
	*error = TSIG_ERROR_NONE;
	enum result r = tsig_find(msg, len, &rr);
	if (r == RESULT_NOT_FOUND) {
		if (s->first || s->unsigned_run == TSIG_UNSIGNED_MAX)
			return RESULT_TSIG_MISSING;
		s->unsigned_run++;
		digest_octets(s, msg, len);
		return RESULT_OK;
	}
	if (r != RESULT_OK)
		return r;
	// Reports of BADKEY and BADSIG cannot be signed (section 5.3.2). None is
	// believed for more than that the exchange has failed.
	if (rr.error != TSIG_ERROR_NONE) {
		*error = rr.error;
		return error_to_result(rr.error);
	}
	return verify_signed(s, &rr, msg, now_s);
}

enum result tsig_stream_finish(const struct tsig_stream *s)
{
	return !s->first && s->unsigned_run == 0 ? RESULT_OK : RESULT_TSIG_MISSING;
}

enum result tsig_stream_new(const struct tsig_key *key, const uint8_t *request_mac,
			    size_t request_mac_len, struct tsig_stream **out)
{
	struct tsig_stream *s = malloc(sizeof(*s));
	if (!s)
		return RESULT_NO_MEMORY;
	enum result r = stream_init(s, key, request_mac, request_mac_len);
	if (r == RESULT_OK)
		*out = s;
	else
		free(s);
	return r;
}

void tsig_stream_free(struct tsig_stream *s)
{
	if (!s)
		return;
	stream_fini(s);
	free(s);
}

// --- signing --------------------------------------------------------------

// Signs with times, error and other data as `rr` has them, completes it and
// appends it. On failure the stream is of no further use.
static enum result sign_as(struct tsig_stream *s, struct tsig_rr *rr, uint8_t *buf, size_t *len,
			   size_t cap)
{
	assert(*len >= DNS_HEADER_OCTETS);
	uint8_t mac[TSIG_MAC_MAX];
	rr->key_name = s->key_name;
	name_copy(&rr->algorithm_name, algorithm_name(s->algorithm));
	rr->rr_offset = *len;
	digest_message(s, rr, buf, wire_peek_be16(buf + 10));
	digest_variables(s, rr);
	enum result r = digest_final(s, mac);
	if (r != RESULT_OK)
		return r;
	rr->mac = mac;
	rr->mac_len = (uint16_t)s->mac_octets;
	r = append_record(rr, buf, len, cap);
	if (r == RESULT_OK)
		stream_restart(s, mac, rr->mac_len);
	rr->mac = NULL;
	return r;
}

static enum result sign_now(struct tsig_stream *s, uint64_t now_s, uint8_t *buf, size_t *len,
			    size_t cap)
{
	struct tsig_rr rr = {
		.time_signed_s = now_s & TIME_SIGNED_MAX,
		.fudge_s = TSIG_FUDGE_S,
		.original_id = wire_peek_be16(buf),
	};
	return sign_as(s, &rr, buf, len, cap);
}

enum result tsig_stream_sign(struct tsig_stream *s, uint64_t now_s, uint8_t *buf, size_t *len,
			     size_t cap)
{
	return sign_now(s, now_s, buf, len, cap);
}

enum result tsig_sign(const struct tsig_key *key, uint64_t now_s, const uint8_t *request_mac,
		      size_t request_mac_len, uint8_t *buf, size_t *len, size_t cap,
		      uint8_t *mac_out)
{
	struct tsig_stream s;
	enum result r = stream_init(&s, key, request_mac, request_mac_len);
	if (r != RESULT_OK)
		return r;
	r = sign_now(&s, now_s, buf, len, cap);
	stream_fini(&s);
	if (r == RESULT_OK && mac_out) {
		// The MAC stands before original id, error and (empty) other data.
		size_t octets = tsig_key_mac_octets(key);
		memcpy(mac_out, buf + *len - 6 - octets, octets);
	}
	return r;
}

enum result tsig_append_error(const struct tsig_rr *request, const struct tsig_key *key,
			      enum tsig_error error, uint64_t now_s, uint8_t *buf, size_t *len,
			      size_t cap)
{
	uint8_t server_time[BADTIME_OTHER];
	struct tsig_rr rr = {
		.key_name = request->key_name,
		.algorithm_name = request->algorithm_name,
		.time_signed_s = request->time_signed_s,
		.fudge_s = request->fudge_s,
		.original_id = request->original_id,
		.error = (uint16_t)error,
	};
	if (!key || (error != TSIG_ERROR_BADTIME && error != TSIG_ERROR_BADTRUNC))
		return append_record(&rr, buf, len, cap);

	struct wire_out w = wire_out_init(server_time, sizeof(server_time));
	put_time(&w, now_s);
	rr.other = server_time;
	rr.other_len = error == TSIG_ERROR_BADTIME ? sizeof(server_time) : 0;
	struct tsig_stream s;
	enum result r = stream_init(&s, key, request->mac, request->mac_len);
	if (r != RESULT_OK)
		return r;
	r = sign_as(&s, &rr, buf, len, cap);
	stream_fini(&s);
	return r;
}
