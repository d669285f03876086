// SPDX-License-Identifier: BSD-3-Clause
// TSIG: keys, and signing and verifying messages with them (RFC 8945).
//
// Purpose: pure computation over message bytes; the caller passes the time.
// HMAC comes from OpenSSL. A `tsig_stream` carries the running digest over a
// transfer of many messages (section 5.3.1).
// Threads: a key is read-only once made and may be shared; a stream belongs to
// one thread. Ownership: streams own an OpenSSL context: tsig_stream_free.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "understudy/name.h"
#include "understudy/result.h"

enum tsig_algorithm {
	TSIG_HMAC_MD5,
	TSIG_HMAC_SHA1,
	TSIG_HMAC_SHA224,
	TSIG_HMAC_SHA256,
	TSIG_HMAC_SHA384,
	TSIG_HMAC_SHA512,
	TSIG_ALGORITHM_COUNT
};

#define TSIG_SECRET_MAX   1024
#define TSIG_MAC_MAX      64
#define TSIG_FUDGE_S      300
#define TSIG_UNSIGNED_MAX 99 // messages in a row without TSIG (5.3.1)

// TSIG error codes, in the error field and as extended rcodes (section 3).
enum tsig_error {
	TSIG_ERROR_NONE = 0,
	TSIG_ERROR_BADSIG = 16,
	TSIG_ERROR_BADKEY = 17,
	TSIG_ERROR_BADTIME = 18,
	TSIG_ERROR_BADTRUNC = 22
};

// Section 5.2.2.1: MACs may be cut, but to no less than 10 octets and half the hash.
#define TSIG_MAC_CUT_MIN 10

struct tsig_key {
	struct name name;
	enum tsig_algorithm algorithm;
	uint8_t mac_octets; // MACs are cut to so many, and shorter ones refused; 0 = whole
	uint16_t secret_len;
	uint8_t secret[TSIG_SECRET_MAX];
};

// "hmac-sha256" (also "hmac-sha256.", "hmac-md5.sig-alg.reg.int"); any case.
enum result tsig_algorithm_from_text(const char *text, enum tsig_algorithm *out);
const char *tsig_algorithm_to_text(enum tsig_algorithm a);
// Of a whole MAC, of the shortest that section 5.2.2.1 allows, and of those that
// the key makes.
unsigned tsig_mac_octets(enum tsig_algorithm a);
unsigned tsig_mac_octets_min(enum tsig_algorithm a);
unsigned tsig_key_mac_octets(const struct tsig_key *key);

// What stands in a message's TSIG record; pointers borrow the message.
struct tsig_rr {
	struct name key_name;
	struct name algorithm_name;
	uint64_t time_signed_s;
	uint16_t fudge_s;
	uint16_t mac_len;
	const uint8_t *mac;
	uint16_t original_id;
	uint16_t error;
	uint16_t other_len;
	const uint8_t *other;
	size_t rr_offset; // where the record starts: the signed part ends here
};

// Finds the TSIG record, which must be the last record of the additional
// section. RESULT_OK; RESULT_NOT_FOUND if the message has none;
// RESULT_MALFORMED or RESULT_TRUNCATED for a broken message or a TSIG that
// stands elsewhere or twice.
enum result tsig_find(const uint8_t *msg, size_t len, struct tsig_rr *out);

// Signs the message in buf[0..*len): appends a TSIG record, counts it in
// ARCOUNT. `request_mac` is NULL for a request. On success writes *len and
// copies the MAC to mac_out (tsig_key_mac_octets of it), if not NULL.
// RESULT_OK, RESULT_NO_SPACE, RESULT_NO_MEMORY.
enum result tsig_sign(const struct tsig_key *key, uint64_t now_s, const uint8_t *request_mac,
		      size_t request_mac_len, uint8_t *buf, size_t *len, size_t cap,
		      uint8_t *mac_out);

// Appends an unsigned TSIG record that reports an error (section 5.2), taking
// names, time and original id from the request's record; for BADTIME and BADTRUNC with
// `key` not NULL the record is signed, and for BADTIME carries our time (5.2.3).
enum result tsig_append_error(const struct tsig_rr *request, const struct tsig_key *key,
			      enum tsig_error error, uint64_t now_s, uint8_t *buf, size_t *len,
			      size_t cap);

// Verifies the single message against `key` (whose name and algorithm must be
// the record's own). `request_mac` is NULL for a request.
// RESULT_OK, RESULT_TSIG_BADKEY, RESULT_TSIG_BADSIG, RESULT_TSIG_BADTIME,
// RESULT_TSIG_BADTRUNC, RESULT_MALFORMED (MAC length outside of section 5.2.2.1).
enum result tsig_verify(const struct tsig_key *key, const struct tsig_rr *rr, const uint8_t *msg,
			size_t len, uint64_t now_s, const uint8_t *request_mac,
			size_t request_mac_len);

// Verifies the answer messages of a transfer, one after the other.
struct tsig_stream;

enum result tsig_stream_new(const struct tsig_key *key, const uint8_t *request_mac,
			    size_t request_mac_len, struct tsig_stream **out);
void tsig_stream_free(struct tsig_stream *s);

// Digests the next message; the first must be signed, later ones may go
// unsigned up to TSIG_UNSIGNED_MAX in a row. RESULT_OK (signed and verified, or
// allowed unsigned), RESULT_TSIG_* , RESULT_MALFORMED, RESULT_TRUNCATED.
// A signed record that carries an error code: *error is set (else 0) and
// RESULT_TSIG_BADKEY, _BADSIG, _BADTIME or _BADTRUNC returned by its meaning.
enum result tsig_stream_message(struct tsig_stream *s, const uint8_t *msg, size_t len,
				uint64_t now_s, uint16_t *error);

// RESULT_OK if the last message digested was signed, else RESULT_TSIG_MISSING.
// Nothing that came over the stream may be believed before this says OK.
enum result tsig_stream_finish(const struct tsig_stream *s);

// Signs the answer messages of a transfer or a long answer (server side; used
// by tests and, later, by transfers onward): the same running digest.
enum result tsig_stream_sign(struct tsig_stream *s, uint64_t now_s, uint8_t *buf, size_t *len,
			     size_t cap);
