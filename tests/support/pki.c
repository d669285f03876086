// SPDX-License-Identifier: BSD-3-Clause
// Certificates made on the spot, and a TLS server in memory that shows them.
#include "support/pki.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#define DAY_S INT64_C(86400)

static void must(bool done)
{
	if (!done)
		abort();
}

static void extend(X509 *certificate, X509 *issuer, int nid, const char *value)
{
	X509V3_CTX context;
	X509V3_set_ctx_nodb(&context);
	X509V3_set_ctx(&context, issuer, certificate, NULL, NULL, 0);
	X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, &context, nid, value);
	must(e && X509_add_ext(certificate, e, -1) == 1);
	X509_EXTENSION_free(e);
}

struct pki pki_issue(const struct pki_request *request)
{
	static long serial;
	struct pki p = { .certificate = X509_new(), .key = EVP_EC_gen("P-256") };
	const struct pki *issuer = request->issuer ? request->issuer : &p;
	int64_t from = request->not_before ? request->not_before : PKI_NOW - DAY_S;
	int64_t to = request->not_after ? request->not_after : PKI_NOW + DAY_S;
	char subject[40];
	must(p.certificate && p.key);
	snprintf(subject, sizeof(subject), "certificate %ld", ++serial);
	X509_NAME *name = X509_get_subject_name(p.certificate);
	const char *cn = request->common_name ? request->common_name : subject;
	must(X509_set_version(p.certificate, X509_VERSION_3) == 1 &&
	     ASN1_INTEGER_set(X509_get_serialNumber(p.certificate), serial) == 1 &&
	     X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const uint8_t *)cn, -1, -1, 0) ==
		     1 &&
	     X509_set_issuer_name(p.certificate, X509_get_subject_name(issuer->certificate)) == 1 &&
	     ASN1_TIME_set(X509_getm_notBefore(p.certificate), (time_t)from) &&
	     ASN1_TIME_set(X509_getm_notAfter(p.certificate), (time_t)to) &&
	     X509_set_pubkey(p.certificate, p.key) == 1);
	extend(p.certificate, issuer->certificate, NID_basic_constraints,
	       request->issuer ? "critical,CA:FALSE" : "critical,CA:TRUE");
	if (request->names)
		extend(p.certificate, issuer->certificate, NID_subject_alt_name, request->names);
	must(X509_sign(p.certificate, issuer->key, EVP_sha256()) > 0);
	return p;
}

void pki_free(struct pki *p)
{
	X509_free(p->certificate);
	EVP_PKEY_free(p->key);
	*p = (struct pki){ 0 };
}

void pki_write_certificate(const struct pki *p, const char *path)
{
	FILE *f = fopen(path, "w");
	must(f && PEM_write_X509(f, p->certificate) == 1 && fclose(f) == 0);
}

void pki_write_key(const struct pki *p, const char *path)
{
	FILE *f = fopen(path, "w");
	must(f && PEM_write_PrivateKey(f, p->key, NULL, NULL, 0, NULL, NULL) == 1 &&
	     fclose(f) == 0);
}

const char *pki_pin(const struct pki *p, char buf[PKI_PIN_TEXT])
{
	uint8_t *der = NULL, hash[EVP_MAX_MD_SIZE];
	unsigned hash_len = 0;
	int len = i2d_PUBKEY(p->key, &der);
	must(len > 0 && EVP_Digest(der, (size_t)len, hash, &hash_len, EVP_sha256(), NULL) == 1);
	must(EVP_EncodeBlock((uint8_t *)buf, hash, (int)hash_len) == PKI_PIN_TEXT - 1);
	OPENSSL_free(der);
	return buf;
}

static int select_alpn(SSL *ssl, const uint8_t **out, uint8_t *out_len, const uint8_t *in,
		       unsigned in_len, void *arg)
{
	const struct pki_server *s = arg;
	(void)ssl;
	for (unsigned i = 0; i < in_len; i += in[i] + 1u) {
		if (in[i] == strlen(s->alpn) && memcmp(in + i + 1, s->alpn, in[i]) == 0) {
			*out = in + i + 1;
			*out_len = in[i];
			return SSL_TLSEXT_ERR_OK;
		}
	}
	return SSL_TLSEXT_ERR_ALERT_FATAL;
}

void pki_server_new(struct pki_server *s, const struct pki_server_options *options)
{
	*s = (struct pki_server){ .context = SSL_CTX_new(TLS_server_method()),
				  .alpn = options->alpn };
	must(s->context &&
	     SSL_CTX_use_certificate(s->context, options->identity->certificate) == 1 &&
	     SSL_CTX_use_PrivateKey(s->context, options->identity->key) == 1);
	if (options->version_max)
		must(SSL_CTX_set_max_proto_version(s->context, options->version_max) == 1);
	if (options->alpn)
		SSL_CTX_set_alpn_select_cb(s->context, select_alpn, s);
	if (options->client_authority) {
		SSL_CTX_set_verify(s->context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT,
				   NULL);
		X509_VERIFY_PARAM_set_time(SSL_CTX_get0_param(s->context), (time_t)PKI_NOW);
		must(X509_STORE_add_cert(SSL_CTX_get_cert_store(s->context),
					 options->client_authority->certificate) == 1);
	}
	s->ssl = SSL_new(s->context);
	s->in = BIO_new(BIO_s_mem());
	s->out = BIO_new(BIO_s_mem());
	must(s->ssl && s->in && s->out);
	SSL_set_bio(s->ssl, s->in, s->out);
	SSL_set_accept_state(s->ssl);
}

void pki_server_free(struct pki_server *s)
{
	SSL_free(s->ssl);
	SSL_CTX_free(s->context);
}
