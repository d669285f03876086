// SPDX-License-Identifier: BSD-3-Clause
// TLS towards a primary, sans I/O: ciphertext in and out, plain octets out and in.
//
// One callback judges the certificate, so that a primary that is not who it must
// be learns nothing from us, not even our certificate.
#include "tls.h"

#include <arpa/inet.h>
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include "base64.h"

#define PIN_OCTETS        SHA256_DIGEST_LENGTH
#define OUTPUT_OCTETS_MAX (256u << 10) // what a primary may make us owe it

struct tls_context {
	unsigned references;
	SSL_CTX *ssl;
	bool chain_wanted;
	unsigned pins_count;
	uint8_t (*pins)[PIN_OCTETS];
	char *sni;                             // NULL if the primary is known by its address
	uint8_t made_of[SHA256_DIGEST_LENGTH]; // settings, and contents of files
};

struct tls {
	struct tls_context *context;
	SSL *ssl;
	BIO *in, *out; // the session's own
	enum tls_status status;
	enum xfr_reason reason;
	uint16_t detail;
	bool pin_missed;
	bool asked_for_ours; // the primary wants our certificate
	bool heard;          // plain octets came
};

// ---- contexts

static enum result say(struct tls_mistake *m, const char *field, const char *expected)
{
	unsigned long e = ERR_peek_last_error();
	m->field = field;
	m->expected = expected;
	m->detail = e ? ERR_reason_error_string(e) : NULL;
	ERR_clear_error();
	return RESULT_INVALID;
}

static enum result digest_text(EVP_MD_CTX *md, const char *text)
{
	size_t len = text ? strlen(text) + 1 : 1;
	return EVP_DigestUpdate(md, text ? text : "", len) == 1 ? RESULT_OK : RESULT_NO_MEMORY;
}

static enum result digest_file(EVP_MD_CTX *md, const char *path)
{
	uint8_t part[4096];
	enum result r = digest_text(md, path);
	BIO *file = path && strcmp(path, TLS_CA_SYSTEM) != 0 ? BIO_new_file(path, "r") : NULL;
	int n;
	while (r == RESULT_OK && file && (n = BIO_read(file, part, sizeof(part))) > 0)
		r = EVP_DigestUpdate(md, part, (size_t)n) == 1 ? RESULT_OK : RESULT_NO_MEMORY;
	BIO_free(file);
	OPENSSL_cleanse(part, sizeof(part));
	ERR_clear_error(); // who cannot read it is told by those who load it
	return r;
}

static enum result digest_settings(struct tls_context *c, const struct tls_settings *s)
{
	EVP_MD_CTX *md = EVP_MD_CTX_new();
	enum result r = RESULT_NO_MEMORY;
	if (!md || EVP_DigestInit_ex(md, EVP_sha256(), NULL) != 1)
		goto cleanup;
	r = digest_text(md, s->name);
	for (unsigned i = 0; r == RESULT_OK && i < s->pins_count; i++)
		r = digest_text(md, s->pins[i]);
	const char *const files[] = { s->ca, s->certificate, s->key };
	for (unsigned i = 0; r == RESULT_OK && i < 3; i++)
		r = digest_file(md, files[i]);
	if (r == RESULT_OK && EVP_DigestFinal_ex(md, c->made_of, NULL) != 1)
		r = RESULT_NO_MEMORY;
cleanup:
	EVP_MD_CTX_free(md);
	return r;
}

static enum result load_ca(struct tls_context *c, const struct tls_settings *s,
			   struct tls_mistake *m)
{
	c->chain_wanted = s->ca || !s->pins_count;
	if (!c->chain_wanted)
		return RESULT_OK;
	if (!s->ca || strcmp(s->ca, TLS_CA_SYSTEM) == 0) {
		if (SSL_CTX_set_default_verify_paths(c->ssl) != 1)
			return say(m, "ca", "a system with certificates of authorities is");
	} else if (SSL_CTX_load_verify_file(c->ssl, s->ca) != 1) {
		return say(m, "ca", "\"system\" or a readable file of certificates in PEM is");
	}
	return RESULT_OK;
}

// The common name does not count (RFC 8310 section 8.1).
static enum result load_name(struct tls_context *c, const struct tls_settings *s,
			     struct tls_mistake *m)
{
	X509_VERIFY_PARAM *param = SSL_CTX_get0_param(c->ssl);
	struct in6_addr address;
	if (!s->name)
		return c->chain_wanted ? say(m, "name", "a host's name or an address is")
				       : RESULT_OK;
	X509_VERIFY_PARAM_set_hostflags(param, X509_CHECK_FLAG_NEVER_CHECK_SUBJECT |
						       X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
	if (inet_pton(AF_INET, s->name, &address) == 1 ||
	    inet_pton(AF_INET6, s->name, &address) == 1)
		return X509_VERIFY_PARAM_set1_ip_asc(param, s->name) == 1 ? RESULT_OK
									  : RESULT_NO_MEMORY;
	size_t len = strlen(s->name);
	bool dot = len > 1 && s->name[len - 1] == '.'; // certificates have none
	c->sni = strndup(s->name, len - dot);
	if (!c->sni)
		return RESULT_NO_MEMORY;
	if (!*c->sni || strlen(c->sni) > TLSEXT_MAXLEN_host_name ||
	    X509_VERIFY_PARAM_set1_host(param, c->sni, 0) != 1)
		return say(m, "name", "a host's name or an address is");
	return RESULT_OK;
}

static enum result load_pins(struct tls_context *c, const struct tls_settings *s,
			     struct tls_mistake *m)
{
	c->pins = calloc(s->pins_count + 1u, sizeof(*c->pins));
	if (!c->pins)
		return RESULT_NO_MEMORY;
	for (unsigned i = 0; i < s->pins_count; i++) {
		size_t len;
		m->index = i;
		if (base64_decode(s->pins[i], c->pins[i], PIN_OCTETS, &len) || len != PIN_OCTETS)
			return say(m, "pins", "the base64 of a SHA-256 (44 characters) is");
	}
	c->pins_count = s->pins_count;
	return RESULT_OK;
}

// A key that wants a password: nobody is there to be asked.
static int no_password(char *buf, int size, int writing, void *arg)
{
	(void)buf;
	(void)size;
	(void)writing;
	(void)arg;
	return -1;
}

static enum result load_certificate(struct tls_context *c, const struct tls_settings *s,
				    struct tls_mistake *m)
{
	if (!s->certificate && !s->key)
		return RESULT_OK;
	if (!s->certificate || SSL_CTX_use_certificate_chain_file(c->ssl, s->certificate) != 1)
		return say(m, "certificate", "a readable file of a certificate in PEM is");
	SSL_CTX_set_default_passwd_cb(c->ssl, no_password);
	if (!s->key || SSL_CTX_use_PrivateKey_file(c->ssl, s->key, SSL_FILETYPE_PEM) != 1 ||
	    SSL_CTX_check_private_key(c->ssl) != 1)
		return say(m, "key",
			   "a readable file of the certificate's own key in PEM, without "
			   "a password, is");
	return RESULT_OK;
}

static bool is_pinned(const struct tls_context *c, X509 *certificate)
{
	uint8_t *der = NULL, hash[PIN_OCTETS];
	bool found = false;
	int len = certificate ? i2d_X509_PUBKEY(X509_get_X509_PUBKEY(certificate), &der) : -1;
	if (len > 0 && EVP_Digest(der, (size_t)len, hash, NULL, EVP_sha256(), NULL) == 1) {
		for (unsigned i = 0; i < c->pins_count; i++)
			found |= memcmp(hash, c->pins[i], PIN_OCTETS) == 0;
	}
	OPENSSL_free(der);
	return found;
}

// Instead of OpenSSL's own judgement of the certificate.
static int judge(X509_STORE_CTX *store, void *arg)
{
	const struct tls_context *c = arg;
	SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
	struct tls *t = SSL_get_app_data(ssl);
	int good = c->chain_wanted ? X509_verify_cert(store) : 1;
	if (good == 1 && c->pins_count && !is_pinned(c, X509_STORE_CTX_get0_cert(store))) {
		t->pin_missed = true;
		X509_STORE_CTX_set_error(store, X509_V_ERR_APPLICATION_VERIFICATION);
		return 0;
	}
	return good;
}

// The primary asks for our certificate, whether we have one or not.
static int note_request(SSL *ssl, void *arg)
{
	struct tls *t = SSL_get_app_data(ssl);
	(void)arg;
	t->asked_for_ours = true;
	return 1;
}

static enum result set_up(struct tls_context *c)
{
	static const uint8_t alpn[] = "\003dot";
	SSL_CTX_set_options(c->ssl, SSL_OP_NO_COMPRESSION);
	SSL_CTX_set_mode(c->ssl, SSL_MODE_RELEASE_BUFFERS);
	SSL_CTX_set_session_cache_mode(c->ssl, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_verify(c->ssl, SSL_VERIFY_PEER, NULL);
	SSL_CTX_set_cert_verify_callback(c->ssl, judge, c);
	SSL_CTX_set_cert_cb(c->ssl, note_request, NULL);
	bool set = SSL_CTX_set_min_proto_version(c->ssl, TLS1_3_VERSION) == 1 &&
		   SSL_CTX_set_alpn_protos(c->ssl, alpn, sizeof(alpn) - 1) == 0;
	return set ? RESULT_OK : RESULT_NO_MEMORY;
}

enum result tls_context_new(const struct tls_settings *settings, struct tls_mistake *mistake,
			    struct tls_context **out)
{
	struct tls_context *c = calloc(1, sizeof(*c));
	if (!c)
		return RESULT_NO_MEMORY;
	*mistake = (struct tls_mistake){ 0 };
	ERR_clear_error();
	c->references = 1;
	c->ssl = SSL_CTX_new(TLS_client_method());
	enum result r = c->ssl ? set_up(c) : RESULT_NO_MEMORY;
	if (r == RESULT_OK)
		r = digest_settings(c, settings);
	if (r == RESULT_OK)
		r = load_ca(c, settings, mistake);
	if (r == RESULT_OK)
		r = load_name(c, settings, mistake);
	if (r == RESULT_OK)
		r = load_pins(c, settings, mistake);
	if (r == RESULT_OK)
		r = load_certificate(c, settings, mistake);
	if (r == RESULT_OK)
		*out = c;
	else
		tls_context_unref(c);
	return r;
}

struct tls_context *tls_context_ref(struct tls_context *c)
{
	c->references++;
	return c;
}

void tls_context_unref(struct tls_context *c)
{
	if (!c || --c->references)
		return;
	SSL_CTX_free(c->ssl);
	free(c->pins);
	free(c->sni);
	free(c);
}

bool tls_context_same(const struct tls_context *a, const struct tls_context *b)
{
	if (!a || !b)
		return a == b;
	return memcmp(a->made_of, b->made_of, sizeof(a->made_of)) == 0;
}

// ---- sessions

static void fail(struct tls *t, enum xfr_reason reason, unsigned long detail)
{
	t->status = TLS_FAILED;
	t->reason = reason;
	t->detail = detail <= UINT16_MAX ? (uint16_t)detail : 0;
}

static void fail_certificate(struct tls *t)
{
	long e = SSL_get_verify_result(t->ssl);
	switch (e) {
	case X509_V_ERR_CERT_NOT_YET_VALID:
	case X509_V_ERR_CERT_HAS_EXPIRED: fail(t, XFR_REASON_TLS_EXPIRED, (unsigned long)e); break;
	case X509_V_ERR_HOSTNAME_MISMATCH:
	case X509_V_ERR_IP_ADDRESS_MISMATCH: fail(t, XFR_REASON_TLS_NAME, 0); break;
	default:
		if (t->pin_missed)
			fail(t, XFR_REASON_TLS_PIN, 0);
		else
			fail(t, XFR_REASON_TLS_CA, (unsigned long)e);
	}
}

// What OpenSSL, or the primary by an alert, found wrong.
static void fail_by_openssl(struct tls *t)
{
	unsigned long e = ERR_peek_error();
	int detail = ERR_GET_LIB(e) == ERR_LIB_SSL ? ERR_GET_REASON(e) : 0;
	switch (detail) {
	case SSL_R_CERTIFICATE_VERIFY_FAILED: fail_certificate(t); break;
	case SSL_R_TLSV1_ALERT_NO_APPLICATION_PROTOCOL: fail(t, XFR_REASON_TLS_ALPN, 0); break;
	case SSL_R_SSLV3_ALERT_BAD_CERTIFICATE:
	case SSL_R_SSLV3_ALERT_UNSUPPORTED_CERTIFICATE:
	case SSL_R_SSLV3_ALERT_CERTIFICATE_REVOKED:
	case SSL_R_SSLV3_ALERT_CERTIFICATE_EXPIRED:
	case SSL_R_SSLV3_ALERT_CERTIFICATE_UNKNOWN:
	case SSL_R_TLSV1_ALERT_UNKNOWN_CA:
	case SSL_R_TLSV1_ALERT_ACCESS_DENIED:
	case SSL_R_TLSV13_ALERT_CERTIFICATE_REQUIRED:
		fail(t, XFR_REASON_TLS_CLIENT, (unsigned long)detail);
		break;
	default: fail(t, XFR_REASON_TLS, (unsigned long)detail);
	}
}

// With TLS 1.3 the handshake ends for us before the primary has judged our
// certificate; some just go away then, without an alert.
static void end(struct tls *t)
{
	if (t->asked_for_ours && !t->heard)
		fail(t, XFR_REASON_TLS_CLIENT, TLS_DETAIL_EOF);
	else
		t->status = TLS_CLOSED;
}

// After a call that did not go well: waits, ends or fails.
static void look_at(struct tls *t, int returned)
{
	switch (SSL_get_error(t->ssl, returned)) {
	case SSL_ERROR_WANT_READ:
	case SSL_ERROR_WANT_WRITE: break;
	case SSL_ERROR_ZERO_RETURN: end(t); break;
	default: fail_by_openssl(t);
	}
	ERR_clear_error();
}

static void shake_hands(struct tls *t)
{
	const uint8_t *alpn;
	unsigned len;
	ERR_clear_error();
	int r = SSL_do_handshake(t->ssl);
	if (r != 1) {
		look_at(t, r);
		return;
	}
	SSL_get0_alpn_selected(t->ssl, &alpn, &len);
	if (len == 3 && memcmp(alpn, "dot", 3) == 0)
		t->status = TLS_OPEN;
	else
		fail(t, XFR_REASON_TLS_ALPN, 0);
}

enum result tls_new(struct tls_context *c, uint64_t unix_s, struct tls **out)
{
	struct tls *t = calloc(1, sizeof(*t));
	if (!t)
		return RESULT_NO_MEMORY;
	t->context = tls_context_ref(c);
	t->ssl = SSL_new(c->ssl);
	t->in = BIO_new(BIO_s_mem());
	t->out = BIO_new(BIO_s_mem());
	if (!t->ssl || !t->in || !t->out || (c->sni && !SSL_set_tlsext_host_name(t->ssl, c->sni))) {
		BIO_free(t->in);
		BIO_free(t->out);
		SSL_free(t->ssl);
		tls_context_unref(c);
		free(t);
		return RESULT_NO_MEMORY;
	}
	SSL_set_bio(t->ssl, t->in, t->out); // which own them now
	SSL_set_app_data(t->ssl, t);
	SSL_set_connect_state(t->ssl);
	X509_VERIFY_PARAM_set_time(SSL_get0_param(t->ssl), (time_t)unix_s);
	shake_hands(t);
	*out = t;
	return RESULT_OK;
}

void tls_free(struct tls *t)
{
	if (!t)
		return;
	SSL_free(t->ssl);
	tls_context_unref(t->context);
	free(t);
}

enum tls_status tls_status(const struct tls *t)
{
	return t->status;
}

enum tls_status tls_feed(struct tls *t, const uint8_t *octets, size_t len)
{
	assert(len <= INT_MAX);
	if (t->status == TLS_CLOSED || t->status == TLS_FAILED)
		return t->status;
	if (len && BIO_write(t->in, octets, (int)len) != (int)len)
		fail(t, XFR_REASON_NO_MEMORY, 0);
	else if (t->status == TLS_HANDSHAKE)
		shake_hands(t);
	return t->status;
}

enum tls_status tls_eof(struct tls *t)
{
	if (t->status == TLS_HANDSHAKE)
		fail(t, XFR_REASON_TLS, TLS_DETAIL_EOF);
	else if (t->status == TLS_OPEN)
		end(t);
	return t->status;
}

size_t tls_read(struct tls *t, uint8_t *buf, size_t cap)
{
	size_t n = 0;
	if (t->status != TLS_OPEN)
		return 0;
	ERR_clear_error();
	int r = SSL_read_ex(t->ssl, buf, cap, &n);
	t->heard |= r == 1;
	if (r == 1)
		return n;
	look_at(t, r);
	if (t->status == TLS_OPEN && BIO_ctrl_pending(t->out) > OUTPUT_OCTETS_MAX)
		fail(t, XFR_REASON_TLS, TLS_DETAIL_TOO_MUCH);
	return 0;
}

enum tls_status tls_write(struct tls *t, const uint8_t *octets, size_t len)
{
	size_t n;
	assert(t->status == TLS_OPEN);
	ERR_clear_error();
	int r = SSL_write_ex(t->ssl, octets, len, &n);
	if (r != 1)
		look_at(t, r);
	return t->status;
}

void tls_end(struct tls *t)
{
	if (t->status == TLS_OPEN)
		SSL_shutdown(t->ssl);
	ERR_clear_error();
}

size_t tls_output(struct tls *t, uint8_t *buf, size_t cap)
{
	int n = BIO_read(t->out, buf, cap < INT_MAX ? (int)cap : INT_MAX);
	return n > 0 ? (size_t)n : 0;
}

enum xfr_reason tls_reason(const struct tls *t)
{
	return t->reason;
}

uint16_t tls_detail(const struct tls *t)
{
	return t->detail;
}

const char *tls_detail_text(enum xfr_reason reason, uint16_t detail)
{
	switch (detail) {
	case 0: return NULL;
	case TLS_DETAIL_EOF: return "the primary closed the connection";
	case TLS_DETAIL_TOO_MUCH: return "the primary asks for too much";
	case TLS_DETAIL_TIMEOUT: return "the handshake did not come to an end";
	default: break;
	}
	switch (reason) {
	case XFR_REASON_TLS_CA:
	case XFR_REASON_TLS_EXPIRED: return X509_verify_cert_error_string(detail);
	case XFR_REASON_TLS:
	case XFR_REASON_TLS_CLIENT:
		return ERR_reason_error_string(ERR_PACK(ERR_LIB_SSL, 0, detail));
	default: return NULL;
	}
}
