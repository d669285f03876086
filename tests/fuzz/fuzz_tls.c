// SPDX-License-Identifier: BSD-3-Clause
// Fuzz target: what a primary sends over TLS, changed anywhere. The first octet says
// how many octets come at a time; then pairs (octets to pass, change) follow; what is
// left when 0xff stands for a change is sent instead of the rest.
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fuzz.h"
#include "support/pki.h"
#include "tls.h"

static struct tls_context *context;
static struct pki identity;

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	char pin[PKI_PIN_TEXT];
	identity = pki_issue(&(struct pki_request){ .names = "DNS:ns1.example" });
	const char *const pins[] = { pki_pin(&identity, pin) };
	struct tls_mistake mistake;
	REQUIRE(tls_context_new(&(struct tls_settings){ .pins = pins, .pins_count = 1 }, &mistake,
				&context) == RESULT_OK);
	return 0;
}

struct edits {
	const uint8_t *at, *end;
	size_t pass; // octets before the next change
	uint8_t change;
	bool changed, replaced;
};

static void next_edit(struct edits *e)
{
	bool more = e->end - e->at >= 2;
	e->pass = more ? *e->at++ * 8u : SIZE_MAX;
	e->change = more ? *e->at++ : 0;
}

// Changes what goes to the client as the input wants it.
static void edit(struct edits *e, uint8_t *octets, size_t len)
{
	size_t at = 0;
	while (len - at > e->pass && !e->replaced) {
		at += e->pass;
		octets[at] ^= e->change;
		e->changed |= e->change != 0;
		e->replaced = e->change == 0xff;
		at++;
		next_edit(e);
	}
	if (!e->replaced && e->pass != SIZE_MAX)
		e->pass -= len - at;
}

// The client has the octets in pieces of `step`.
static void deliver(struct tls *client, const uint8_t *octets, size_t len, size_t step)
{
	uint8_t plain[64];
	for (size_t i = 0; i < len; i += step) {
		size_t n, part = len - i < step ? len - i : step;
		tls_feed(client, octets + i, part);
		while ((n = tls_read(client, plain, sizeof(plain))))
			REQUIRE(n == 5 && memcmp(plain, "hello", 5) == 0);
	}
}

static void pump(struct tls *client, struct pki_server *server, struct edits *e, size_t step)
{
	static uint8_t buf[65536];
	for (bool said = false, moved = true; moved && !e->replaced;) {
		size_t n;
		moved = false;
		while ((n = tls_output(client, buf, sizeof(buf))))
			moved |= BIO_write(server->in, buf, (int)n) > 0;
		if (SSL_do_handshake(server->ssl) == 1 && !said)
			said = SSL_write(server->ssl, "hello", 5) == 5;
		int got = BIO_read(server->out, buf, sizeof(buf));
		if (got <= 0)
			continue;
		edit(e, buf, (size_t)got);
		deliver(client, buf, (size_t)got, step);
		moved = true;
	}
	if (e->replaced)
		deliver(client, e->at, (size_t)(e->end - e->at), step);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct pki_server_options options = { .identity = &identity, .alpn = "dot" };
	struct edits e = { .at = data, .end = data + size };
	size_t step = size ? *e.at++ + 1u : SIZE_MAX;
	struct pki_server server;
	struct tls *client;
	next_edit(&e);
	REQUIRE(tls_new(context, (uint64_t)PKI_NOW, &client) == RESULT_OK);
	pki_server_new(&server, &options);
	pump(client, &server, &e, step);
	REQUIRE(e.changed || tls_status(client) == TLS_OPEN);
	tls_eof(client);
	REQUIRE(tls_status(client) == TLS_CLOSED || tls_status(client) == TLS_FAILED);
	REQUIRE((tls_status(client) == TLS_FAILED) == (tls_reason(client) != XFR_REASON_NONE));
	tls_free(client);
	pki_server_free(&server);
	return 0;
}
