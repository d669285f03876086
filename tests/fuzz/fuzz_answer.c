// SPDX-License-Identifier: BSD-3-Clause
// Fuzzes the answer path: a packet, asked of worlds with everything nasty in them.
//
// Each packet is asked over UDP and TCP, with small and large capacities, with
// and without punting, alone and behind another query in a burst. Every reply
// must keep the rules of a strict reader that shares no code with the server.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "support/message.h"
#include "support/world.h"
#include "understudy/rr.h"

// Names of one letter, so that chance finds them.
static const char nasty_zone[] = "@ 300 SOA n r 1 3600 600 86400 60\n"
				 "@ 300 NS n\n"
				 "n 300 A 192.0.2.1\n"
				 "n 300 AAAA 2001:db8::1\n"
				 "a 300 A 192.0.2.1\n"
				 "a 300 A 192.0.2.2\n"
				 "a 300 MX 10 n\n"
				 "a 300 MX 20 a\n"
				 "a 300 MX 30 o.s\n"
				 "a 300 SRV 1 1 1 n\n"
				 "a 300 TXT \"\"\n"
				 "a 300 NAPTR 1 1 \"S\" \"\" \"\" a\n"
				 "a 300 NAPTR 1 2 \"a\" \"\" \"\" x.w\n"
				 "a 300 KX 1 x.w\n"
				 "a 300 HTTPS 0 n\n"
				 "a 300 HTTPS 1 .\n"
				 "n 300 HTTPS 0 a\n"
				 "*.w 300 SVCB 0 y.w\n"
				 "*.w 300 SVCB 1 .\n"
				 "a 300 TYPE65280 \\# 0\n"
				 "a 300 RRSIG \\# 19 00010803000000000000000000000000000000\n"
				 "*.w 300 A 192.0.2.3\n"
				 "*.w 300 MX 10 x.w\n"
				 "*.*.w 300 TXT \"w\"\n"
				 "e.x.*.v 300 A 192.0.2.4\n"
				 "*.u 300 CNAME q.u\n"
				 "*.t 300 CNAME *.w\n"
				 "c 300 CNAME c\n"
				 "d 300 CNAME e\n"
				 "e 300 CNAME f\n"
				 "f 300 CNAME d\n"
				 "g 300 CNAME b.h\n"
				 "h 300 DNAME i\n"
				 "b.i 300 CNAME x.s\n"
				 "j 300 DNAME k.j\n"
				 "k 300 DNAME k\n"
				 "l 300 DNAME .\n"
				 "m 300 DNAME q.example.\n"
				 "*.o 300 DNAME a\n"
				 "s 300 NS o.s\n"
				 "s 300 NS n\n"
				 "s 300 NS p\n"
				 "s 300 NS .\n"
				 "s 300 DS \\# 6 00010802aabb\n"
				 "o.s 300 A 192.0.2.5\n"
				 "o.s 300 AAAA 2001:db8::5\n"
				 "p 300 NS o.s\n"
				 "p 300 DNAME a\n"
				 "*.r 300 NS n\n"
				 "\\000.\\.\\\\ 300 A 192.0.2.6\n"
				 "\\255\\254 300 CNAME \\000.\\.\\\\\n"
				 "q 300 MINFO n a\n"
				 "q 300 NS q\n"
				 "q 300 NS x.y.z.q\n";

#define A63 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa."

static struct world zones; // some zones, REFUSED beside them
static struct world root;  // the root zone, which is above everything, signed

static void append(char *text, size_t size, const char *record, unsigned i)
{
	size_t used = strlen(text);
	snprintf(text + used, size - used, record, i, i);
}

// RRsets that fill replies up to every limit.
static void big_zone(struct world *w, const char *apex)
{
	static char text[256 * 1024];
	strcpy(text, "@ 300 SOA a b 1 1 1 1 1\n@ 300 NS g1\nl 300 DNAME " A63 A63 A63 "l\n"
		     "y 300 CNAME t\n");
	for (unsigned i = 0; i < 100; i++) {
		append(text, sizeof(text), "t 300 TXT \"%u number\"\n", i);
		append(text, sizeof(text), "d 300 NS g%u.d\n", i);
		append(text, sizeof(text), "g%u.d 300 A 192.0.2.%u\n", i);
		append(text, sizeof(text), "e 300 NS g%u\n", i);
		append(text, sizeof(text), "g%u 300 A 192.0.2.%u\n", i);
		append(text, sizeof(text), "m 300 MX %u g%u\n", i);
		append(text, sizeof(text), "v 300 SRV %u 1 1 g%u.x\n", i);
	}
	for (unsigned i = 0; i < 1500; i++)
		append(text, sizeof(text), "p 300 PTR x%u.y%u.t\n", i);
	world_zone(w, apex, text);
}

// The same signed, under a letter for each way.
static void signed_zones(struct world *w)
{
	static const struct {
		const char *apex;
		struct signer_options options;
	} ways[] = {
		{ "n.", { .nsec3 = false } },
		{ "h.", { .nsec3 = true } },
		{ "o.", { .nsec3 = true, .opt_out = true, .salt_len = 2, .iterations = 3 } },
		{ "u.", { .holes = true } },
		{ "v.", { .holes = true, .stale = true, .nsec3 = true, .opt_out = true } },
	};
	for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++)
		world_signed_zone(w, ways[i].apex, nasty_zone, &ways[i].options);
}

// Every option has an answer; cookies with a secret of zeros, so that seeds hold valid ones.
static void all_options(struct world *w, bool cookie_required)
{
	memset(w->settings.nsid, 'n', ANSWER_NSID_MAX);
	w->settings.nsid_len = ANSWER_NSID_MAX;
	w->settings.tcp_idle_100ms = 100;
	w->settings.cookie_secrets = 2;
	w->settings.cookie_required = cookie_required;
	name_from_text("a.z.", &w->settings.report_channel);
	answer_ctx_set_time(w->ctx, 1559731985);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	world_open(&zones);
	memcpy(zones.settings.identity, "id", 2);
	zones.settings.identity_len = 2;
	memset(zones.settings.version, 'v', ANSWER_TEXT_MAX);
	zones.settings.version_len = ANSWER_TEXT_MAX;
	zones.settings.cross_zone_aliases = true;
	world_zone(&zones, "z.", nasty_zone);
	world_zone(&zones, "s.z.", "@ 300 SOA n r 1 1 1 1 1\n@ 300 NS o\n@ 300 DNAME a.z.\n");
	world_not_loaded(&zones, "p.z.");
	big_zone(&zones, "b.");
	signed_zones(&zones);
	world_open(&root);
	world_signed_zone(&root, ".", nasty_zone, &(struct signer_options){ .nsec3 = true });
	big_zone(&root, "b.");
	all_options(&zones, false);
	all_options(&root, true);
	return 0;
}

static void require(bool holds, const char *what)
{
	if (holds)
		return;
	fprintf(stderr, "violated: %s\n", what);
	abort();
}

// Of exactly the size it needs, so that AddressSanitizer sees what goes past it.
static uint8_t *copy_query(const uint8_t *data, size_t size, size_t capacity)
{
	size_t room = size > capacity ? size : capacity;
	uint8_t *buf = malloc(room);
	if (!buf)
		abort();
	memcpy(buf, data, size);
	return buf;
}

static void check_reply(const struct answer_item *item, const uint8_t *data)
{
	static char text[MESSAGE_TEXT_SIZE];
	require(item->reply_len >= 12 && item->reply_len <= item->capacity, "reply length");
	const char *broken = message_to_text(item->buf, item->reply_len, text);
	require(broken == NULL, broken ? broken : "");
	require(memcmp(item->buf, data, 2) == 0, "id");
	require(((item->buf[2] ^ data[2]) & 0x79) == 0, "opcode and RD");
	require((item->buf[3] & 0xe0) == 0, "RA, Z, AD");
	// A reply of a large capacity over TCP is cut only if 64 KiB do not hold it.
	require(item->peer.transport != ANSWER_TCP || item->capacity < 65535 ||
			!(item->buf[2] & 0x02),
		"cut over TCP");
}

static void ask_one(struct world *w, const struct answer_item *how, const uint8_t *data,
		    size_t size)
{
	uint8_t other[] = "\1\2\0\0\0\1\0\0\0\0\0\0\1a\1z\0\0\1\0\1";
	struct answer_item items[2] = { *how, *how };
	uint8_t *first = copy_query(other, sizeof(other) - 1, how->capacity);
	items[0].buf = first;
	items[0].query_len = sizeof(other) - 1;
	items[1].buf = copy_query(data, size, how->capacity);
	items[1].query_len = (uint16_t)size;
	answer_burst(w->ctx, zonedb_view(w->db), items, 2);
	require(items[0].verdict == ANSWER_REPLY, "the query beside it");
	if (items[1].verdict == ANSWER_REPLY) {
		check_reply(&items[1], data);
	} else {
		require(items[1].reply_len == 0, "no reply has no length");
		require(memcmp(items[1].buf, data, size) == 0, "what is punted is unchanged");
		require(items[1].verdict == ANSWER_DROP || how->may_punt, "punting unasked");
	}
	rcu_reader_quiescent();
	free(first);
	free(items[1].buf);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct answer_item ways[] = {
		{ .capacity = 512, .may_punt = true, .peer.transport = ANSWER_UDP },
		{ .capacity = 1452, .may_punt = false, .peer.transport = ANSWER_UDP },
		{ .capacity = 1452, .reserve = 100, .peer.transport = ANSWER_UDP },
		{ .capacity = 65535, .may_punt = false, .peer.transport = ANSWER_TCP },
		{ .capacity = 4096, .may_punt = true, .peer.transport = ANSWER_TCP },
	};
	if (size > UINT16_MAX)
		return 0;
	for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
		ask_one(&zones, &ways[i], data, size);
		ask_one(&root, &ways[i], data, size);
	}
	return 0;
}
