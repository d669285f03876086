// SPDX-License-Identifier: BSD-3-Clause
// A world of zones written down as text.
#include "support/world.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "understudy/rr.h"
#include "understudy/wire.h"

#define LINE_OCTETS 200000

static void fail(const char *what, const char *where)
{
	fprintf(stderr, "world: %s: %s\n", what, where);
	exit(99);
}

static void require(enum result r, const char *where)
{
	if (r != RESULT_OK)
		fail(result_text(r), where);
}

// The thread is one reader, however many worlds it has.
static unsigned worlds_open;

void world_open(struct world *w)
{
	*w = (struct world){ .settings = { .edns_udp_octets = ANSWER_EDNS_UDP_DEFAULT } };
	rcu_pointer_exchange(&w->config, &w->settings);
	if (worlds_open++ == 0)
		rcu_reader_register();
	require(zonedb_new(&(struct zonedb_options){ .protect = true }, &w->db), "zonedb_new");
	w->ctx = answer_ctx_new(&w->config);
	if (!w->ctx)
		fail("no memory", "answer_ctx_new");
}

void world_close(struct world *w)
{
	answer_ctx_free(w->ctx);
	if (--worlds_open == 0)
		rcu_reader_unregister();
	else
		rcu_reader_offline();
	zonedb_free(w->db);
	if (worlds_open > 0)
		rcu_reader_online();
}

static void parse_name(const char *text, const struct name *apex, struct name *out)
{
	if (strcmp(text, "@") == 0) {
		*out = *apex;
		return;
	}
	require(name_from_text(text, out), text);
	if (text[strlen(text) - 1] == '.')
		return;
	if (out->len + apex->len - 1 > NAME_MAX_OCTETS)
		fail("name too long", text);
	memcpy(out->wire + out->len - 1, apex->wire, apex->len);
	out->len = (uint8_t)(out->len + apex->len - 1);
	out->labels = (uint8_t)(out->labels + apex->labels);
}

// The next word, NUL-terminated in place, or an error; of quoted text what is
// between the quotes.
static char *word(char **at)
{
	char *p = *at + strspn(*at, " \t");
	if (*p == '\0')
		fail("word missing", "record");
	const char *ends = " \t";
	if (*p == '"') {
		p++;
		ends = "\"";
	}
	char *end = p + strcspn(p, ends);
	*at = *end ? end + 1 : end;
	*end = '\0';
	return p;
}

static bool at_end(const char *at)
{
	return at[strspn(at, " \t")] == '\0';
}

static void put_number(struct wire_out *o, char **at, unsigned octets)
{
	unsigned long value = strtoul(word(at), NULL, 10);
	if (octets == 2)
		wire_put_u16(o, (uint16_t)value);
	else
		wire_put_u32(o, (uint32_t)value);
}

static void put_name(struct wire_out *o, char **at, const struct name *apex)
{
	struct name name;
	parse_name(word(at), apex, &name);
	wire_put_bytes(o, name.wire, name.len);
}

static void put_address(struct wire_out *o, char **at, int family)
{
	uint8_t address[16];
	const char *text = word(at);
	if (inet_pton(family, text, address) != 1)
		fail("no address", text);
	wire_put_bytes(o, address, family == AF_INET ? 4 : 16);
}

static void put_string(struct wire_out *o, char **at)
{
	const char *text = word(at);
	if (strlen(text) > 255)
		fail("string too long", text);
	wire_put_u8(o, (uint8_t)strlen(text));
	wire_put_bytes(o, text, strlen(text));
}

static void put_strings(struct wire_out *o, char **at)
{
	while (!at_end(*at))
		put_string(o, at);
}

static void put_generic(struct wire_out *o, char **at)
{
	if (strcmp(word(at), "\\#") != 0)
		fail("type without a text form", *at);
	unsigned long octets = strtoul(word(at), NULL, 10);
	const char *hex = octets ? word(at) : "";
	if (strlen(hex) != 2 * octets)
		fail("length is not as said", hex);
	for (unsigned long i = 0; i < octets; i++) {
		char pair[3] = { hex[2 * i], hex[2 * i + 1], '\0' };
		wire_put_u8(o, (uint8_t)strtoul(pair, NULL, 16));
	}
}

static void put_rdata(struct wire_out *o, uint16_t type, char **at, const struct name *apex)
{
	const char *p = *at + strspn(*at, " \t");
	if (strncmp(p, "\\#", 2) == 0) {
		put_generic(o, at);
		return;
	}
	switch (type) {
	case RRTYPE_A: put_address(o, at, AF_INET); break;
	case RRTYPE_AAAA: put_address(o, at, AF_INET6); break;
	case RRTYPE_TXT: put_strings(o, at); break;
	case RRTYPE_NS:
	case RRTYPE_CNAME:
	case RRTYPE_MB:
	case RRTYPE_PTR:
	case RRTYPE_DNAME: put_name(o, at, apex); break;
	case RRTYPE_SRV:
		put_number(o, at, 2);
		put_number(o, at, 2);
		/* fall through */
	case RRTYPE_MX:
	case RRTYPE_AFSDB:
	case RRTYPE_RT:
	case RRTYPE_KX:
	case RRTYPE_SVCB:
	case RRTYPE_HTTPS:
		put_number(o, at, 2);
		put_name(o, at, apex);
		break;
	case RRTYPE_NAPTR:
		put_number(o, at, 2);
		put_number(o, at, 2);
		for (int i = 0; i < 3; i++)
			put_string(o, at);
		put_name(o, at, apex);
		break;
	case RRTYPE_MINFO:
		put_name(o, at, apex);
		put_name(o, at, apex);
		break;
	case RRTYPE_SOA:
		put_name(o, at, apex);
		put_name(o, at, apex);
		for (int i = 0; i < 5; i++)
			put_number(o, at, 4);
		break;
	default: put_generic(o, at); break;
	}
}

void world_parse_record(const char *line, const struct name *apex, struct world_record *r)
{
	static char copy[LINE_OCTETS];
	if (strlen(line) >= sizeof(copy))
		fail("line too long", line);
	strcpy(copy, line);
	char *at = copy;
	parse_name(word(&at), apex, &r->owner);
	r->record = (struct zone_record){ .owner = r->owner.wire, .rdata = r->rdata };
	r->record.ttl_s = (uint32_t)strtoul(word(&at), NULL, 10);
	require(rrtype_from_text(word(&at), &r->record.type), line);
	struct wire_out o = wire_out_init(r->rdata, sizeof(r->rdata));
	put_rdata(&o, r->record.type, &at, apex);
	if (o.failed || !at_end(at))
		fail("more than the type can hold", line);
	r->record.rdata_len = (uint16_t)wire_out_len(&o);
}

void world_put_record(struct wire_out *w, const struct zone_record *r)
{
	wire_put_bytes(w, r->owner, name_length(r->owner));
	wire_put_u16(w, r->type);
	wire_put_u16(w, RRCLASS_IN);
	wire_put_u32(w, r->ttl_s);
	wire_put_u16(w, r->rdata_len);
	wire_put_bytes(w, r->rdata, r->rdata_len);
}

// Who takes records.
struct taker {
	void (*take)(void *, const struct zone_record *);
	void *arg;
};

static void take_for_txn(void *arg, const struct zone_record *r)
{
	char owner[NAME_TEXT_SIZE];
	require(zone_txn_add(arg, r), name_to_text(r->owner, owner));
}

static void take_for_signer(void *arg, const struct zone_record *r)
{
	signer_add(arg, r);
}

static void add_lines(const struct taker *taker, const struct name *apex, const char *text)
{
	static char line[LINE_OCTETS];
	static struct world_record r;
	while (*text) {
		size_t n = strcspn(text, "\n");
		if (n >= sizeof(line))
			fail("line too long", text);
		memcpy(line, text, n);
		line[n] = '\0';
		text += n + (text[n] == '\n');
		if (at_end(line) || *line == ';')
			continue;
		world_parse_record(line, apex, &r);
		taker->take(taker->arg, &r.record);
	}
}

static void publish(struct world *w, struct zone_version *version)
{
	zonedb_publish(w->db, &version, 1);
	rcu_reader_quiescent();
}

static void make_zone(struct world *w, const char *apex_text, const char *text,
		      const struct signer_options *signing)
{
	struct name apex;
	struct zone_txn *txn;
	struct zone_version *version;
	require(name_from_text(apex_text, &apex), apex_text);
	struct zone_txn_options options = { .apex = apex.wire };
	require(zone_txn_begin(w->db, &options, &txn), apex_text);
	if (signing) {
		struct signer *s = signer_new(apex.wire, signing);
		add_lines(&(struct taker){ take_for_signer, s }, &apex, text);
		signer_finish(s, take_for_txn, txn);
	} else {
		add_lines(&(struct taker){ take_for_txn, txn }, &apex, text);
	}
	require(zone_txn_commit(txn, &version), apex_text);
	publish(w, version);
}

void world_zone(struct world *w, const char *apex_text, const char *text)
{
	make_zone(w, apex_text, text, NULL);
}

void world_signed_zone(struct world *w, const char *apex_text, const char *text,
		       const struct signer_options *options)
{
	make_zone(w, apex_text, text, options);
}

void world_not_loaded(struct world *w, const char *apex_text)
{
	struct name apex;
	struct zone_version *version;
	require(name_from_text(apex_text, &apex), apex_text);
	require(zone_version_not_loaded(w->db, apex.wire, &version), apex_text);
	publish(w, version);
}

void world_expired(struct world *w, const char *apex_text)
{
	struct name apex;
	struct zone_version *version;
	require(name_from_text(apex_text, &apex), apex_text);
	require(zone_version_marked(w->db, apex.wire, ZONE_EXPIRED, &version), apex_text);
	publish(w, version);
}
