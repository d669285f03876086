// SPDX-License-Identifier: BSD-3-Clause
// Certificates made on the spot, and a TLS server in memory that shows them.
//
// Purpose: for tests of TLS clients that are sans I/O. Whatever cannot be made
// aborts the test.
// Ownership: pki_issue and pki_server_new give; the matching _free take.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <openssl/ssl.h>

#define PKI_NOW INT64_C(1760000000) // certificates are valid a day around it

struct pki {
	X509 *certificate;
	EVP_PKEY *key;
};

struct pki_request {
	const struct pki *issuer;      // NULL = an authority that signs itself
	const char *names;             // "DNS:ns1.example,IP:192.0.2.1"; NULL = none
	int64_t not_before, not_after; // 0 = a day before and after PKI_NOW
	const char *common_name;       // NULL = one of its own
};
struct pki pki_issue(const struct pki_request *request);
void pki_free(struct pki *p);
void pki_write_certificate(const struct pki *p, const char *path);
void pki_write_key(const struct pki *p, const char *path);
#define PKI_PIN_TEXT 45
// Base64 of the SHA-256 of its SubjectPublicKeyInfo; returns buf.
const char *pki_pin(const struct pki *p, char buf[PKI_PIN_TEXT]);

struct pki_server_options {
	const struct pki *identity;
	const struct pki *client_authority; // clients must have a certificate of it; or NULL
	const char *alpn;                   // what is spoken, "dot"; NULL = ALPN is ignored
	int version_max;                    // TLS1_2_VERSION, say; 0 = any
};
struct pki_server {
	SSL_CTX *context;
	SSL *ssl;
	BIO *in, *out; // ciphertext
	const char *alpn;
};
void pki_server_new(struct pki_server *s, const struct pki_server_options *options);
void pki_server_free(struct pki_server *s);
