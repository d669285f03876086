// SPDX-License-Identifier: BSD-3-Clause
// TLS towards a primary: who is believed, and what becomes of broken streams.
#include "tls.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "support/pki.h"
#include "unit.h"

#define NAME             "ns1.example"
#define SIGNATURE_VARIES 16 // octets, at most

// Two authorities, and what they vouch for; files in a folder of their own.
static struct {
	struct pki authority, other_authority;
	struct pki good, expired, early, other_name, by_address, wildcard;
	struct pki ours;
	char dir[32], ca[64], other_ca[64], certificate[64], key[64];
	char pin[PKI_PIN_TEXT], other_pin[PKI_PIN_TEXT];
} world;

static struct pki issue(const char *names)
{
	return pki_issue(&(struct pki_request){ .issuer = &world.authority, .names = names });
}

static struct pki issue_for(int64_t from, int64_t to)
{
	return pki_issue(&(struct pki_request){ .issuer = &world.authority,
						.names = "DNS:" NAME,
						.not_before = from,
						.not_after = to });
}

static void open_world(void)
{
	world.authority = pki_issue(&(struct pki_request){ 0 });
	world.other_authority = pki_issue(&(struct pki_request){ 0 });
	world.good = issue("DNS:" NAME);
	world.other_name = issue("DNS:ns2.example,DNS:ns1.example.net");
	world.by_address = issue("IP:192.0.2.1,IP:2001:db8:0:0:0:0:0:1");
	world.wildcard = issue("DNS:*.dns.example");
	world.ours = issue("DNS:secondary.example");
	world.expired = issue_for(PKI_NOW - 200000, PKI_NOW - 1);
	world.early = issue_for(PKI_NOW + 1, PKI_NOW + 200000);
	strcpy(world.dir, "/tmp/us-tls-XXXXXX");
	CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(world.dir));
	snprintf(world.ca, sizeof(world.ca), "%s/ca.pem", world.dir);
	snprintf(world.other_ca, sizeof(world.other_ca), "%s/other-ca.pem", world.dir);
	snprintf(world.certificate, sizeof(world.certificate), "%s/ours.pem", world.dir);
	snprintf(world.key, sizeof(world.key), "%s/ours.key", world.dir);
	pki_write_certificate(&world.authority, world.ca);
	pki_write_certificate(&world.other_authority, world.other_ca);
	pki_write_certificate(&world.ours, world.certificate);
	pki_write_key(&world.ours, world.key);
	pki_pin(&world.good, world.pin);
	pki_pin(&world.ours, world.other_pin);
}

static void close_world(void)
{
	struct pki *all[] = { &world.authority,  &world.other_authority, &world.good,
			      &world.expired,    &world.early,           &world.other_name,
			      &world.by_address, &world.wildcard,        &world.ours };
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		pki_free(all[i]);
	unlink(world.ca);
	unlink(world.other_ca);
	unlink(world.certificate);
	unlink(world.key);
	rmdir(world.dir);
}

// ---- a conversation

struct talk {
	struct tls_context *context;
	struct tls *client;
	struct pki_server server;
	size_t step;        // octets at a time to the client; 0 = all there are
	uint64_t flip;      // this octet to the client comes changed; 0 = none, 1 = the first
	uint64_t cut;       // the stream to the client ends after so many; 0 = does not
	uint64_t delivered; // to the client
};

static void talk_begin(struct talk *t, const struct tls_settings *settings,
		       const struct pki_server_options *server)
{
	struct tls_mistake mistake;
	CU_ASSERT_EQUAL_FATAL(tls_context_new(settings, &mistake, &t->context), RESULT_OK);
	CU_ASSERT_EQUAL_FATAL(tls_new(t->context, PKI_NOW, &t->client), RESULT_OK);
	pki_server_new(&t->server, server);
}

static void talk_end(struct talk *t)
{
	tls_free(t->client);
	tls_context_unref(t->context);
	pki_server_free(&t->server);
}

static size_t to_server(struct talk *t)
{
	uint8_t buf[70]; // not all at once
	size_t n, moved = 0;
	while ((n = tls_output(t->client, buf, sizeof(buf)))) {
		BIO_write(t->server.in, buf, (int)n);
		moved += n;
	}
	return moved;
}

static size_t to_client(struct talk *t)
{
	uint8_t buf[65536];
	size_t most = t->step ? t->step : sizeof(buf);
	if (t->cut && most > t->cut - t->delivered)
		most = t->cut - t->delivered;
	int n = most ? BIO_read(t->server.out, buf, (int)most) : 0;
	if (n <= 0)
		return 0;
	if (t->flip > t->delivered && t->flip <= t->delivered + (size_t)n)
		buf[t->flip - t->delivered - 1] ^= 0x40;
	t->delivered += (size_t)n;
	tls_feed(t->client, buf, (size_t)n);
	if (t->cut && t->delivered == t->cut)
		tls_eof(t->client);
	return (size_t)n;
}

// Until both have nothing more to say.
static void talk_on(struct talk *t)
{
	uint8_t none[1];
	size_t moved;
	do {
		moved = to_server(t);
		SSL_read(t->server.ssl, none, 0);
		SSL_do_handshake(t->server.ssl);
		moved += to_client(t);
	} while (moved);
}

// What the client thinks once hands are shaken, and the server has said "hello".
static enum xfr_reason verdict(const struct tls_settings *settings,
			       const struct pki_server_options *server, size_t step)
{
	struct talk t = { .step = step };
	char got[8] = { 0 };
	talk_begin(&t, settings, server);
	talk_on(&t);
	SSL_write(t.server.ssl, "hello", 5);
	talk_on(&t);
	size_t n = tls_read(t.client, (uint8_t *)got, sizeof(got));
	enum xfr_reason reason = tls_reason(t.client);
	if (reason == XFR_REASON_NONE) {
		CU_ASSERT_EQUAL(n, 5);
		CU_ASSERT_STRING_EQUAL(got, "hello");
		CU_ASSERT_EQUAL(tls_status(t.client), TLS_OPEN);
		CU_ASSERT_EQUAL(tls_write(t.client, (const uint8_t *)"world", 5), TLS_OPEN);
		to_server(&t);
		CU_ASSERT_EQUAL(SSL_read(t.server.ssl, got, sizeof(got)), 5);
		CU_ASSERT_EQUAL(memcmp(got, "world", 5), 0);
		CU_ASSERT_EQUAL(SSL_version(t.server.ssl), TLS1_3_VERSION);
	} else {
		CU_ASSERT_EQUAL(n, 0);
		CU_ASSERT_EQUAL(tls_status(t.client), TLS_FAILED);
	}
	talk_end(&t);
	return reason;
}

static void expect(const struct tls_settings *settings, const struct pki *identity,
		   enum xfr_reason reason)
{
	const struct pki_server_options server = { .identity = identity, .alpn = "dot" };
	enum xfr_reason got = verdict(settings, &server, 0);
	CU_ASSERT_EQUAL(got, reason);
	if (got != reason)
		printf("\n  %s instead of %s\n", xfr_reason_word(got), xfr_reason_word(reason));
	CU_ASSERT_EQUAL(verdict(settings, &server, 1), reason);
}

// ---- tests

static void test_by_authority(void)
{
	const struct tls_settings s = { .ca = world.ca, .name = NAME };
	const struct tls_settings other = { .ca = world.other_ca, .name = NAME };
	const struct tls_settings system = { .ca = TLS_CA_SYSTEM, .name = NAME };
	const struct tls_settings below = { .ca = world.ca, .name = "ns1.dns.example" };
	const struct tls_settings dotted = { .ca = world.ca, .name = "NS1.Example." };
	expect(&s, &world.good, XFR_REASON_NONE);
	expect(&dotted, &world.good, XFR_REASON_NONE);
	expect(&below, &world.wildcard, XFR_REASON_NONE);
	expect(&s, &world.wildcard, XFR_REASON_TLS_NAME);
	expect(&s, &world.other_name, XFR_REASON_TLS_NAME);
	expect(&s, &world.by_address, XFR_REASON_TLS_NAME);
	expect(&s, &world.authority, XFR_REASON_TLS_NAME);
	expect(&s, &world.expired, XFR_REASON_TLS_EXPIRED);
	expect(&s, &world.early, XFR_REASON_TLS_EXPIRED);
	expect(&s, &world.other_authority, XFR_REASON_TLS_CA);
	expect(&other, &world.good, XFR_REASON_TLS_CA);
	expect(&system, &world.good, XFR_REASON_TLS_CA);
}

static void test_by_address(void)
{
	const struct tls_settings v4 = { .ca = world.ca, .name = "192.0.2.1" };
	const struct tls_settings v6 = { .ca = world.ca, .name = "2001:db8::1" };
	const struct tls_settings other = { .ca = world.ca, .name = "192.0.2.2" };
	expect(&v4, &world.by_address, XFR_REASON_NONE);
	expect(&v6, &world.by_address, XFR_REASON_NONE);
	expect(&other, &world.by_address, XFR_REASON_TLS_NAME);
	expect(&v4, &world.good, XFR_REASON_TLS_NAME);
}

// The common name of a certificate is no name of a primary (RFC 8310 section 8.1).
static void test_common_name(void)
{
	const struct tls_settings s = { .ca = world.ca, .name = NAME };
	struct pki nameless =
		pki_issue(&(struct pki_request){ .issuer = &world.authority, .common_name = NAME });
	expect(&s, &nameless, XFR_REASON_TLS_NAME);
	pki_free(&nameless);
}

static void test_by_pin(void)
{
	const char *const right[] = { world.other_pin, world.pin };
	const char *const wrong[] = { world.other_pin };
	struct pki self = pki_issue(&(struct pki_request){ .not_after = PKI_NOW - 1000 });
	char self_pin[PKI_PIN_TEXT];
	const char *const own[] = { pki_pin(&self, self_pin) };
	expect(&(struct tls_settings){ .pins = right, .pins_count = 2 }, &world.good,
	       XFR_REASON_NONE);
	expect(&(struct tls_settings){ .pins = own, .pins_count = 1 }, &self, XFR_REASON_NONE);
	expect(&(struct tls_settings){ .pins = wrong, .pins_count = 1 }, &world.good,
	       XFR_REASON_TLS_PIN);
	// With both, both must hold.
	struct tls_settings both = { .ca = world.ca, .name = NAME, .pins = wrong, .pins_count = 1 };
	expect(&both, &world.good, XFR_REASON_TLS_PIN);
	both.pins = right;
	both.pins_count = 2;
	expect(&both, &world.good, XFR_REASON_NONE);
	both.name = "ns9.example";
	expect(&both, &world.good, XFR_REASON_TLS_NAME);
	pki_free(&self);
}

static void test_client_certificate(void)
{
	const struct tls_settings none = { .ca = world.ca, .name = NAME };
	struct tls_settings ours = none;
	struct pki_server_options server = { .identity = &world.good,
					     .client_authority = &world.authority,
					     .alpn = "dot" };
	ours.certificate = world.certificate;
	ours.key = world.key;
	CU_ASSERT_EQUAL(verdict(&ours, &server, 0), XFR_REASON_NONE);
	CU_ASSERT_EQUAL(verdict(&ours, &server, 1), XFR_REASON_NONE);
	CU_ASSERT_EQUAL(verdict(&none, &server, 0), XFR_REASON_TLS_CLIENT);
	server.client_authority = &world.other_authority;
	CU_ASSERT_EQUAL(verdict(&ours, &server, 0), XFR_REASON_TLS_CLIENT);
	// It may go away without saying why.
	struct talk t = { 0 };
	talk_begin(&t, &ours, &server);
	to_server(&t);
	SSL_do_handshake(t.server.ssl);
	to_client(&t);
	CU_ASSERT_EQUAL(tls_status(t.client), TLS_OPEN);
	CU_ASSERT_EQUAL(tls_eof(t.client), TLS_FAILED);
	CU_ASSERT_EQUAL(tls_reason(t.client), XFR_REASON_TLS_CLIENT);
	talk_end(&t);
}

static void test_protocol(void)
{
	const struct tls_settings s = { .ca = world.ca, .name = NAME };
	struct pki_server_options server = { .identity = &world.good };
	CU_ASSERT_EQUAL(verdict(&s, &server, 0), XFR_REASON_TLS_ALPN);
	server.alpn = "h2";
	CU_ASSERT_EQUAL(verdict(&s, &server, 0), XFR_REASON_TLS_ALPN);
	server.alpn = "dot";
	server.version_max = TLS1_2_VERSION;
	CU_ASSERT_EQUAL(verdict(&s, &server, 0), XFR_REASON_TLS);
}

static void test_garbage(void)
{
	static const char *const streams[] = { "HTTP/1.1 400 Bad Request\r\n\r\n", "\x00\x0c\x12",
					       "\x16\x03\x03\xff\xff............",
					       "\x15\x03\x03\x00\x02\x02\x28" };
	const size_t lens[] = { 28, 3, 17, 7 };
	for (size_t i = 0; i < 4; i++) {
		struct talk t = { 0 };
		uint8_t buf[64];
		talk_begin(&t, &(struct tls_settings){ .ca = world.ca, .name = NAME },
			   &(struct pki_server_options){ .identity = &world.good });
		tls_feed(t.client, (const uint8_t *)streams[i], lens[i]);
		tls_eof(t.client);
		CU_ASSERT_EQUAL(tls_status(t.client), TLS_FAILED);
		CU_ASSERT_EQUAL(tls_reason(t.client), XFR_REASON_TLS);
		CU_ASSERT_EQUAL(tls_read(t.client, buf, sizeof(buf)), 0);
		CU_ASSERT_EQUAL(tls_feed(t.client, buf, 1), TLS_FAILED);
		talk_end(&t);
	}
}

// How much the server sends until its first words are through: some octets more or less another
// time, as signatures are (ECDSA's two numbers, in DER).
static uint64_t length_of_hello(const struct tls_settings *s, const struct pki_server_options *o)
{
	struct talk t = { 0 };
	talk_begin(&t, s, o);
	talk_on(&t);
	SSL_write(t.server.ssl, "hello", 5);
	talk_on(&t);
	uint64_t n = t.delivered;
	talk_end(&t);
	return n;
}

// Wherever the stream ends or an octet is changed, nothing false is read.
static void test_broken_anywhere(void)
{
	const struct tls_settings s = { .ca = world.ca, .name = NAME };
	const struct pki_server_options o = { .identity = &world.good, .alpn = "dot" };
	uint64_t total = length_of_hello(&s, &o);
	CU_ASSERT_FATAL(total > 500);
	for (uint64_t at = 1; at < total - SIGNATURE_VARIES; at += 7) {
		for (int flip = 0; flip < 2; flip++) {
			struct talk t = { .flip = flip ? at : 0, .cut = flip ? 0 : at };
			uint8_t got[8];
			talk_begin(&t, &s, &o);
			talk_on(&t);
			SSL_write(t.server.ssl, "hello", 5);
			talk_on(&t);
			size_t n = tls_read(t.client, got, sizeof(got));
			CU_ASSERT(n == 0 || (n == 5 && memcmp(got, "hello", 5) == 0));
			CU_ASSERT(n == 0 || flip); // a bit of a record's version may be changed
			CU_ASSERT(flip || tls_status(t.client) == TLS_CLOSED ||
				  tls_reason(t.client) == XFR_REASON_TLS);
			talk_end(&t);
		}
	}
}

static void test_end(void)
{
	const struct tls_settings s = { .ca = world.ca, .name = NAME };
	const struct pki_server_options o = { .identity = &world.good, .alpn = "dot" };
	for (int by_client = 0; by_client < 2; by_client++) {
		struct talk t = { 0 };
		uint8_t buf[8];
		talk_begin(&t, &s, &o);
		talk_on(&t);
		if (by_client) {
			tls_end(t.client);
			to_server(&t);
			CU_ASSERT_EQUAL(SSL_read(t.server.ssl, buf, sizeof(buf)), 0);
			CU_ASSERT_EQUAL(SSL_get_shutdown(t.server.ssl), SSL_RECEIVED_SHUTDOWN);
		} else {
			SSL_write(t.server.ssl, "bye", 3);
			SSL_shutdown(t.server.ssl);
			talk_on(&t);
			CU_ASSERT_EQUAL(tls_read(t.client, buf, sizeof(buf)), 3);
			CU_ASSERT_EQUAL(tls_read(t.client, buf, sizeof(buf)), 0);
			CU_ASSERT_EQUAL(tls_status(t.client), TLS_CLOSED);
		}
		talk_end(&t);
	}
}

static void expect_mistake(const struct tls_settings *s, const char *field)
{
	struct tls_mistake mistake = { 0 };
	struct tls_context *c = NULL;
	CU_ASSERT_EQUAL(tls_context_new(s, &mistake, &c), RESULT_INVALID);
	CU_ASSERT_PTR_NULL(c);
	CU_ASSERT_PTR_NOT_NULL_FATAL(mistake.field);
	CU_ASSERT_STRING_EQUAL(mistake.field, field);
	CU_ASSERT_PTR_NOT_NULL(mistake.expected);
}

static void test_mistakes(void)
{
	const char *const short_pin[] = { world.pin, "YWJj" };
	const char *const no_pin[] = { "?" };
	struct tls_settings s = { .ca = "/nowhere/ca.pem", .name = NAME };
	expect_mistake(&s, "ca");
	s.ca = world.key; // no certificate in it
	expect_mistake(&s, "ca");
	expect_mistake(&(struct tls_settings){ .ca = world.ca }, "name");
	expect_mistake(&(struct tls_settings){ .pins = short_pin, .pins_count = 2 }, "pins");
	expect_mistake(&(struct tls_settings){ .pins = no_pin, .pins_count = 1 }, "pins");
	s = (struct tls_settings){ .ca = world.ca, .name = NAME, .key = world.key };
	expect_mistake(&s, "certificate");
	s.certificate = world.certificate;
	s.key = NULL;
	expect_mistake(&s, "key");
	s.certificate = world.ca; // of another key
	s.key = world.key;
	expect_mistake(&s, "key");
}

static void test_same(void)
{
	const char *const pins[] = { world.pin };
	const struct tls_settings settings[] = {
		{ .ca = world.ca, .name = NAME },
		{ .ca = world.other_ca, .name = NAME },
		{ .ca = world.ca, .name = "ns2.example" },
		{ .ca = world.ca, .name = NAME, .pins = pins, .pins_count = 1 },
		{ .ca = world.ca,
		  .name = NAME,
		  .certificate = world.certificate,
		  .key = world.key },
	};
	struct tls_context *a[5], *b[5];
	struct tls_mistake mistake;
	for (int i = 0; i < 5; i++) {
		CU_ASSERT_EQUAL_FATAL(tls_context_new(&settings[i], &mistake, &a[i]), RESULT_OK);
		CU_ASSERT_EQUAL_FATAL(tls_context_new(&settings[i], &mistake, &b[i]), RESULT_OK);
	}
	for (int i = 0; i < 25; i++)
		CU_ASSERT_EQUAL(tls_context_same(a[i / 5], b[i % 5]), i / 5 == i % 5);
	CU_ASSERT(tls_context_same(NULL, NULL));
	CU_ASSERT(!tls_context_same(a[0], NULL));
	for (int i = 0; i < 5; i++) {
		tls_context_unref(a[i]);
		tls_context_unref(b[i]);
	}
	// A file that was written anew makes another.
	struct tls_context *before, *after;
	CU_ASSERT_EQUAL_FATAL(tls_context_new(&settings[1], &mistake, &before), RESULT_OK);
	pki_write_certificate(&world.authority, world.other_ca);
	CU_ASSERT_EQUAL_FATAL(tls_context_new(&settings[1], &mistake, &after), RESULT_OK);
	CU_ASSERT(!tls_context_same(before, after));
	pki_write_certificate(&world.other_authority, world.other_ca);
	tls_context_unref(before);
	tls_context_unref(after);
}

// The world is there for all tests.
static void test_begin(void)
{
	open_world();
}

static void test_finish(void)
{
	close_world();
}

UNIT_MAIN("tls", { "begin", test_begin }, { "by authority and name", test_by_authority },
	  { "by address", test_by_address }, { "common name", test_common_name },
	  { "by pin", test_by_pin }, { "client certificate", test_client_certificate },
	  { "protocol", test_protocol }, { "garbage", test_garbage },
	  { "broken anywhere", test_broken_anywhere }, { "end", test_end },
	  { "mistakes", test_mistakes }, { "same", test_same }, { "finish", test_finish })
