// SPDX-License-Identifier: BSD-3-Clause
// TLS towards a primary, sans I/O: ciphertext in and out, plain octets out and in.
//
// Purpose: transfers over TLS (RFC 9103): TLS 1.3, ALPN "dot", the primary known
// by its certificate (CA and name) or by the key in it (pins), our own
// certificate shown if there is one. Nothing is plain before the primary is known.
// No socket, no clock: the caller moves the octets and says the time.
// Threads: the loop's. Ownership: contexts are counted; tls_new gives a session,
// tls_free takes it.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "understudy/result.h"
#include "understudy/xfr.h"

#define TLS_PORT      853
#define TLS_CA_SYSTEM "system"

// ---- who the primary must be, and who we are

struct tls_context;

// All that is given must hold. A pin alone stands for its key: then chain, name
// and dates of the certificate do not matter.
struct tls_settings {
	const char *ca;          // a file in PEM, or TLS_CA_SYSTEM; NULL = system unless pins
	const char *name;        // a host's name or an address, in the certificate
	const char *const *pins; // SHA-256 of public keys (SubjectPublicKeyInfo), base64
	unsigned pins_count;
	const char *certificate; // ours, with its chain, in PEM; NULL = none
	const char *key;         // the certificate's; NULL if there is none
};

struct tls_mistake {
	const char *field; // "ca", "name", "pins", "certificate" or "key"
	unsigned index;    // of pins
	const char *expected;
	const char *detail; // what OpenSSL says; static, or NULL
};

// The caller's is the one reference. RESULT_OK, RESULT_NO_MEMORY, or
// RESULT_INVALID with the mistake.
enum result tls_context_new(const struct tls_settings *settings, struct tls_mistake *mistake,
			    struct tls_context **out);
struct tls_context *tls_context_ref(struct tls_context *c);
void tls_context_unref(struct tls_context *c); // NULL is allowed
// Whether both were made of the same settings and files' contents; or both NULL.
bool tls_context_same(const struct tls_context *a, const struct tls_context *b);

// ---- one connection

struct tls;

enum tls_status {
	TLS_HANDSHAKE, // it goes on
	TLS_OPEN,      // the primary is known: octets may be sent and read
	TLS_CLOSED,    // the primary ended it properly
	TLS_FAILED     // tls_reason tells
};

// A handshake begins: there is output at once. RESULT_OK or RESULT_NO_MEMORY.
enum result tls_new(struct tls_context *c, uint64_t unix_s, struct tls **out);
void tls_free(struct tls *t);
enum tls_status tls_status(const struct tls *t);

// The next ciphertext from the primary, in any segmentation.
enum tls_status tls_feed(struct tls *t, const uint8_t *octets, size_t len);
// The connection ended.
enum tls_status tls_eof(struct tls *t);
// Takes the next plain octets; 0 if there are no more now (the status may have
// changed).
size_t tls_read(struct tls *t, uint8_t *buf, size_t cap);
// Plain octets for the primary; while TLS_OPEN.
enum tls_status tls_write(struct tls *t, const uint8_t *octets, size_t len);
// Says that we shall send no more; there is output.
void tls_end(struct tls *t);
// Takes the next ciphertext for the primary; 0 if there is none.
size_t tls_output(struct tls *t, uint8_t *buf, size_t cap);

// Why it failed: XFR_REASON_TLS…; XFR_REASON_NONE if it did not.
enum xfr_reason tls_reason(const struct tls *t);
// A number that says more on that, 0 = nothing, and its words: static, or NULL.
uint16_t tls_detail(const struct tls *t);
const char *tls_detail_text(enum xfr_reason reason, uint16_t detail);

// Details beside those of OpenSSL.
#define TLS_DETAIL_EOF      65001 // the primary closed the connection
#define TLS_DETAIL_TOO_MUCH 65002 // the primary asks for more than we send
#define TLS_DETAIL_TIMEOUT  65003 // the handshake did not come to an end
