// SPDX-License-Identifier: BSD-3-Clause
// Asking a world one question and comparing the whole reply as text.
#include "support/ask.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/message.h"
#include "understudy/rr.h"
#include "understudy/wire.h"

size_t ask_reply_octets;

static uint8_t *put_u16(uint8_t *p, uint16_t value)
{
	wire_poke_be16(p, value);
	return p + 2;
}

size_t ask_build(const struct ask *a, uint8_t *buf)
{
	struct name qname;
	if (name_from_text(a->name, &qname) != RESULT_OK) {
		fprintf(stderr, "ask: no name: %s\n", a->name);
		exit(99);
	}
	const uint16_t header[] = { 0x1d1d, a->flags, 1, 0, 0, a->edns != 0 };
	uint8_t *p = buf;
	for (size_t i = 0; i < 6; i++)
		p = put_u16(p, header[i]);
	memcpy(p, qname.wire, qname.len);
	p = put_u16(p + qname.len, a->type);
	p = put_u16(p, a->rrclass ? a->rrclass : RRCLASS_IN);
	if (a->edns) {
		*p++ = 0;
		p = put_u16(p, RRTYPE_OPT);
		p = put_u16(p, a->edns);
		p = put_u16(p, a->version);
		p = put_u16(p, a->dnssec_ok ? 0x8000 : 0);
		const char *hex = a->options ? a->options : "";
		p = put_u16(p, (uint16_t)(strlen(hex) / 2));
		for (unsigned octet; sscanf(hex, "%2x", &octet) == 1; hex += 2)
			*p++ = (uint8_t)octet;
	}
	return (size_t)(p - buf);
}

// The question is the query's own; its line goes.
static const char *cut_question(const uint8_t *reply, size_t len, const uint8_t *query, char *text)
{
	char *line = strstr(text, "\nqd ");
	if (!line)
		return text;
	char *next = strchr(line + 1, '\n');
	memmove(line, next, strlen(next) + 1);
	size_t end = 12 + name_length(query + 12) + 4;
	if (end > len || memcmp(reply + 12, query + 12, end - 12) != 0)
		return "broken: another question";
	return text;
}

const char *ask_octets(struct world *w, const uint8_t *query, size_t len, const struct ask *a)
{
	static char text[MESSAGE_TEXT_SIZE];
	static char broken[200];
	size_t capacity = a->capacity ? a->capacity : UINT16_MAX;
	struct answer_peer peer = { .family = 4 };
	if (a->peer)
		peer = *a->peer;
	peer.transport = a->tcp ? ANSWER_TCP : ANSWER_UDP;
	// Of exactly this size, so that AddressSanitizer sees what goes past it.
	size_t size = capacity > len ? capacity : len;
	uint8_t *buf = malloc(size);
	if (!buf)
		return "broken: no memory";
	memcpy(buf, query, len);
	size_t n = answer(w->ctx, zonedb_view(w->db), &peer, buf, len, capacity);
	ask_reply_octets = n;
	const char *result = text;
	if (n == 0) {
		result = "drop";
		goto cleanup;
	}
	const char *rule = message_to_text(buf, n, text);
	if (rule || n > capacity || memcmp(buf, query, 2) != 0) {
		snprintf(broken, sizeof(broken), "broken: %s", rule ? rule : "length or id");
		result = broken;
		goto cleanup;
	}
	result = cut_question(buf, n, query, text);
cleanup:
	free(buf);
	rcu_reader_quiescent();
	return result;
}

const char *ask(struct world *w, const struct ask *a)
{
	uint8_t query[2048];
	size_t len = ask_build(a, query);
	return ask_octets(w, query, len, a);
}

bool ask_same(const char *got, const char *expected)
{
	if (strcmp(got, expected) == 0)
		return true;
	printf("\n--- expected\n%s--- got\n%s---\n", expected, got);
	return false;
}
