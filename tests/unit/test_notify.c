// SPDX-License-Identifier: BSD-3-Clause
// NOTIFY: who is believed, and what is replied.
#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "understudy/notify.h"
#include "understudy/rr.h"
#include "understudy/wire.h"
#include "unit/unit.h"

#define NOW_S UINT64_C(1700000000)

static struct tsig_key key_a, key_b;
static struct name apex;

// z.test has four primaries: two at one address, with and without a key; one
// with key A, one over IPv6. More may come from a range, a prefix, and with key B
// from another range.
static struct notify_source sources[7];

static const struct tsig_key *find_key(void *arg, const uint8_t *name)
{
	(void)arg;
	if (name_equal(name, key_a.name.wire))
		return &key_a;
	return name_equal(name, key_b.name.wire) ? &key_b : NULL;
}

static const struct notify_source *find_sources(void *arg, const uint8_t *name, unsigned *count)
{
	(void)arg;
	if (!name_equal(name, apex.wire))
		return NULL;
	*count = sizeof(sources) / sizeof(sources[0]);
	return sources;
}

static const struct notify_lookup lookup = { NULL, find_key, find_sources };

static void set_address(uint8_t *family, uint8_t address[16], const char *text)
{
	*family = strchr(text, ':') ? 6 : 4;
	if (inet_pton(*family == 6 ? AF_INET6 : AF_INET, text, address) != 1)
		abort();
}

static void set_source(struct notify_source *s, const char *first, const char *last,
		       uint32_t primary)
{
	set_address(&s->family, s->first, first);
	set_address(&s->family, s->last, last);
	s->primary = primary;
}

static struct tsig_key make_key(const char *name, uint8_t octet)
{
	struct tsig_key key = { .algorithm = TSIG_HMAC_SHA256, .secret_len = 32 };
	name_from_text(name, &key.name);
	memset(key.secret, octet, key.secret_len);
	return key;
}

static void set_up(void)
{
	name_from_text("z.test.", &apex);
	key_a = make_key("a.key.", 1);
	key_b = make_key("b.key.", 2);
	static const char *const addresses[] = { "192.0.2.1", "192.0.2.2", "192.0.2.2",
						 "2001:db8::1" };
	for (unsigned i = 0; i < 4; i++)
		set_source(&sources[i], addresses[i], addresses[i], i);
	set_source(&sources[4], "198.51.100.10", "198.51.101.19", NOTIFY_NO_PRIMARY);
	set_source(&sources[5], "2001:db8:1::", "2001:db8:1:ffff:ffff:ffff:ffff:ffff",
		   NOTIFY_NO_PRIMARY);
	set_source(&sources[6], "203.0.113.1", "203.0.113.9", NOTIFY_NO_PRIMARY);
	sources[6].key = &key_b;
	sources[0].key = &key_a;
	sources[1].key = &key_b;
}

// --- a message and what becomes of it -------------------------------------

static uint8_t msg[2048];
static size_t msg_len;
static uint8_t reply[NOTIFY_REPLY_OCTETS];
static size_t reply_len;
static struct notify_event event;
static uint8_t request_mac[TSIG_MAC_MAX];

static void make(uint16_t flags, const char *qname, uint16_t qtype, uint16_t qclass)
{
	struct wire_out w = wire_out_init(msg, sizeof(msg));
	struct name name;
	CU_ASSERT_EQUAL_FATAL(name_from_text(qname, &name), RESULT_OK);
	wire_put_u16(&w, 0x4321);
	wire_put_u16(&w, flags);
	wire_put_u16(&w, 1);
	wire_put_u16(&w, 0);
	wire_put_u32(&w, 0);
	wire_put_bytes(&w, name.wire, name.len);
	wire_put_u16(&w, qtype);
	wire_put_u16(&w, qclass);
	msg_len = wire_out_len(&w);
}

static void make_notify(void)
{
	make(OPCODE_NOTIFY << DNS_OPCODE_SHIFT | DNS_FLAG_AA, "Z.test.", RRTYPE_SOA, RRCLASS_IN);
}

// Appends a record and counts it in the section of this header offset.
static void append(unsigned count_offset, const void *record, size_t len)
{
	memcpy(msg + msg_len, record, len);
	msg_len += len;
	wire_poke_be16(msg + count_offset, (uint16_t)(wire_peek_be16(msg + count_offset) + 1));
}

#define SOA_RECORD                                                 \
	"\300\014\0\6\0\1\0\0\0\0\0\32\300\014\1r\300\014\0\0\0\7" \
	"0123456789abcdef"

static void sign(const struct tsig_key *key)
{
	CU_ASSERT_EQUAL_FATAL(
		tsig_sign(key, NOW_S, NULL, 0, msg, &msg_len, sizeof(msg), request_mac), RESULT_OK);
}

static enum notify_verdict handle_at(const char *source, uint64_t now_s)
{
	// An exact copy, so that a read too far is seen.
	uint8_t *copy = malloc(msg_len ? msg_len : 1);
	CU_ASSERT_PTR_NOT_NULL_FATAL(copy);
	memcpy(copy, msg, msg_len);
	struct notify_input in = { .msg = copy, .len = msg_len, .now_s = now_s };
	set_address(&in.family, in.address, source);
	memset(&event, 0xff, sizeof(event));
	enum notify_verdict verdict = notify_handle(&lookup, &in, reply, &reply_len, &event);
	free(copy);
	return verdict;
}

static enum notify_verdict handle(const char *source)
{
	return handle_at(source, NOW_S);
}

// The reply has this rcode, and the question again.
static void check_reply(unsigned rcode)
{
	CU_ASSERT_FATAL(reply_len >= 12);
	unsigned flags = wire_peek_be16(reply + 2);
	CU_ASSERT_EQUAL(wire_peek_be16(reply), 0x4321);
	CU_ASSERT(flags & DNS_FLAG_QR);
	CU_ASSERT_EQUAL(flags & DNS_OPCODE_MASK, OPCODE_NOTIFY << DNS_OPCODE_SHIFT);
	CU_ASSERT_EQUAL(flags & DNS_RCODE_MASK, rcode);
	CU_ASSERT_EQUAL(wire_peek_be16(reply + 4), 1);
	CU_ASSERT_EQUAL(memcmp(reply + 12, msg + 12, apex.len + 4u), 0);
}

// --- tests ----------------------------------------------------------------

static void accepted(void)
{
	make_notify();
	CU_ASSERT_EQUAL(handle("192.0.2.2"), NOTIFY_ACCEPTED);
	CU_ASSERT_EQUAL(event.primary, 2); // the one without a key
	CU_ASSERT_FALSE(event.has_serial);
	CU_ASSERT(name_equal(event.apex.wire, apex.wire));
	check_reply(RCODE_NOERROR);
	CU_ASSERT_EQUAL(reply_len, 12u + apex.len + 4u);
	CU_ASSERT(wire_peek_be16(reply + 2) & DNS_FLAG_AA);

	CU_ASSERT_EQUAL(handle("2001:db8::1"), NOTIFY_ACCEPTED);
	CU_ASSERT_EQUAL(event.primary, 3);
	CU_ASSERT_EQUAL(handle("::ffff:192.0.2.2"), NOTIFY_ACCEPTED);
	CU_ASSERT_EQUAL(event.primary, 2);
}

static void serial_is_a_hint(void)
{
	make_notify();
	append(6, SOA_RECORD, sizeof(SOA_RECORD) - 1);
	CU_ASSERT_EQUAL(handle("192.0.2.2"), NOTIFY_ACCEPTED);
	CU_ASSERT(event.has_serial);
	CU_ASSERT_EQUAL(event.serial, 7);
	CU_ASSERT_EQUAL(reply_len, 12u + apex.len + 4u); // the answer is not repeated
	// Of another name, or another type: no hint.
	make_notify();
	append(6, "\1x" SOA_RECORD, sizeof(SOA_RECORD) + 1);
	CU_ASSERT_EQUAL(handle("192.0.2.2"), NOTIFY_ACCEPTED);
	CU_ASSERT_FALSE(event.has_serial);
	make_notify();
	append(6, "\300\014\0\1\0\1\0\0\0\0\0\4abcd", 16);
	CU_ASSERT_EQUAL(handle("192.0.2.2"), NOTIFY_ACCEPTED);
	CU_ASSERT_FALSE(event.has_serial);
}

static void signed_notify(void)
{
	make_notify();
	sign(&key_a);
	CU_ASSERT_EQUAL(handle("192.0.2.1"), NOTIFY_ACCEPTED);
	CU_ASSERT_EQUAL(event.primary, 0);
	check_reply(RCODE_NOERROR);
	struct tsig_rr rr;
	CU_ASSERT_EQUAL(tsig_find(reply, reply_len, &rr), RESULT_OK);
	CU_ASSERT_EQUAL(tsig_verify(&key_a, &rr, reply, reply_len, NOW_S, request_mac, 32),
			RESULT_OK);

	make_notify();
	sign(&key_b);
	CU_ASSERT_EQUAL(handle("192.0.2.2"), NOTIFY_ACCEPTED);
	CU_ASSERT_EQUAL(event.primary, 1); // by its key
	make_notify();
	sign(&key_a);
	CU_ASSERT_EQUAL(handle("192.0.2.2"), NOTIFY_ACCEPTED);
	CU_ASSERT_EQUAL(event.primary, 2); // signed more than wanted
}

static void refused(void)
{
	make_notify();
	CU_ASSERT_EQUAL(handle("192.0.2.1"), NOTIFY_REFUSED); // unsigned, but has a key
	check_reply(RCODE_REFUSED);
	CU_ASSERT_EQUAL(handle("192.0.2.3"), NOTIFY_REFUSED);
	CU_ASSERT_EQUAL(handle("2001:db8::2"), NOTIFY_REFUSED);
	sign(&key_b);
	CU_ASSERT_EQUAL(handle("192.0.2.1"), NOTIFY_REFUSED); // the wrong key
	check_reply(RCODE_REFUSED);
	struct tsig_rr rr;
	CU_ASSERT_EQUAL(tsig_find(reply, reply_len, &rr), RESULT_OK);
	// The same first octets in another family.
	make_notify();
	CU_ASSERT_EQUAL(handle("c000:202::"), NOTIFY_REFUSED);
}

static void not_our_zone(void)
{
	make(OPCODE_NOTIFY << DNS_OPCODE_SHIFT, "y.test.", RRTYPE_SOA, RRCLASS_IN);
	CU_ASSERT_EQUAL(handle("192.0.2.2"), NOTIFY_NOTAUTH);
	check_reply(RCODE_NOTAUTH);
	make(OPCODE_NOTIFY << DNS_OPCODE_SHIFT, "z.test.", RRTYPE_SOA, RRCLASS_CH);
	CU_ASSERT_EQUAL(handle("192.0.2.2"), NOTIFY_NOTAUTH);
	check_reply(RCODE_NOTAUTH);
}

static void tsig_errors(void)
{
	struct tsig_rr rr;
	struct tsig_key unknown = make_key("c.key.", 1), wrong = key_a;
	make_notify();
	sign(&unknown);
	CU_ASSERT_EQUAL(handle("192.0.2.1"), NOTIFY_TSIG_ERROR);
	check_reply(RCODE_NOTAUTH);
	CU_ASSERT_EQUAL(tsig_find(reply, reply_len, &rr), RESULT_OK);
	CU_ASSERT_EQUAL(rr.error, TSIG_ERROR_BADKEY);
	CU_ASSERT_EQUAL(rr.mac_len, 0);

	wrong.secret[0] ^= 1;
	make_notify();
	sign(&wrong);
	CU_ASSERT_EQUAL(handle("192.0.2.1"), NOTIFY_TSIG_ERROR);
	CU_ASSERT_EQUAL(tsig_find(reply, reply_len, &rr), RESULT_OK);
	CU_ASSERT_EQUAL(rr.error, TSIG_ERROR_BADSIG);
	CU_ASSERT_EQUAL(rr.mac_len, 0);

	wrong = key_a;
	wrong.algorithm = TSIG_HMAC_SHA1;
	make_notify();
	sign(&wrong);
	CU_ASSERT_EQUAL(handle("192.0.2.1"), NOTIFY_TSIG_ERROR);
	CU_ASSERT_EQUAL(tsig_find(reply, reply_len, &rr), RESULT_OK);
	CU_ASSERT_EQUAL(rr.error, TSIG_ERROR_BADKEY);

	// BADTIME is signed, over the request's MAC, and tells our time.
	make_notify();
	sign(&key_a);
	CU_ASSERT_EQUAL(handle_at("192.0.2.1", NOW_S + 301), NOTIFY_TSIG_ERROR);
	check_reply(RCODE_NOTAUTH);
	CU_ASSERT_EQUAL(tsig_find(reply, reply_len, &rr), RESULT_OK);
	CU_ASSERT_EQUAL(rr.error, TSIG_ERROR_BADTIME);
	CU_ASSERT_EQUAL(rr.other_len, 6);
	CU_ASSERT_EQUAL(wire_peek_be32(rr.other + 2), NOW_S + 301);
	CU_ASSERT_EQUAL(tsig_verify(&key_a, &rr, reply, reply_len, NOW_S, request_mac, 32),
			RESULT_OK);
}

static void ranges(void)
{
	static const struct {
		const char *address;
		enum notify_verdict verdict;
	} cases[] = {
		{ "198.51.100.9", NOTIFY_REFUSED },
		{ "198.51.100.10", NOTIFY_ACCEPTED },
		{ "198.51.100.255", NOTIFY_ACCEPTED },
		{ "198.51.101.19", NOTIFY_ACCEPTED },
		{ "198.51.101.20", NOTIFY_REFUSED },
		{ "2001:db8:0:ffff::1", NOTIFY_REFUSED },
		{ "2001:db8:1::", NOTIFY_ACCEPTED },
		{ "2001:db8:1:2:3:4:5:6", NOTIFY_ACCEPTED },
		{ "2001:db8:2::", NOTIFY_REFUSED },
		{ "203.0.113.5", NOTIFY_REFUSED },
		{ "::ffff:198.51.100.10", NOTIFY_ACCEPTED },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		make_notify();
		CU_ASSERT_EQUAL(handle(cases[i].address), cases[i].verdict);
		if (cases[i].verdict == NOTIFY_ACCEPTED)
			CU_ASSERT_EQUAL(event.primary, NOTIFY_NO_PRIMARY);
	}
	make_notify();
	sign(&key_b);
	CU_ASSERT_EQUAL(handle("203.0.113.5"), NOTIFY_ACCEPTED);
	make_notify();
	sign(&key_a);
	CU_ASSERT_EQUAL(handle("203.0.113.5"), NOTIFY_REFUSED);
}

// RFC 9859: a NOTIFY of CDS, say, is not for us; strangers learn nothing more.
static void other_types(void)
{
	make(OPCODE_NOTIFY << DNS_OPCODE_SHIFT, "z.test.", 59, RRCLASS_IN);
	CU_ASSERT_EQUAL(handle("192.0.2.2"), NOTIFY_OTHER_TYPE);
	check_reply(RCODE_REFUSED);
	CU_ASSERT_EQUAL(handle("192.0.2.9"), NOTIFY_REFUSED);
	check_reply(RCODE_REFUSED);
}

static void malformed(void)
{
	make_notify();
	wire_poke_be16(msg + 4, 0);
	msg_len = 12;
	CU_ASSERT_EQUAL(handle("192.0.2.2"), NOTIFY_MALFORMED);
	CU_ASSERT_EQUAL(reply_len, 12);
	CU_ASSERT_EQUAL(wire_peek_be16(reply + 2) & DNS_RCODE_MASK, RCODE_FORMERR);

	make_notify();
	append(4, msg + 12, apex.len + 4u); // two questions
	CU_ASSERT_EQUAL(handle("192.0.2.2"), NOTIFY_MALFORMED);
	make_notify();
	msg[msg_len++] = 0; // an octet too much
	CU_ASSERT_EQUAL(handle("192.0.2.2"), NOTIFY_MALFORMED);

	// A MAC of one octet less than half the hash (RFC 8945 section 5.2.2.1).
	make_notify();
	sign(&key_a);
	size_t mac = msg_len - 6 - 32;
	memmove(msg + mac + 15, msg + mac + 32, 6);
	msg_len -= 17;
	wire_poke_be16(msg + mac - 2, 15);
	uint8_t *rdlength = msg + mac - 2 - 8 - 13 - 2;
	wire_poke_be16(rdlength, (uint16_t)(wire_peek_be16(rdlength) - 17));
	struct tsig_rr rr;
	CU_ASSERT_EQUAL(tsig_find(msg, msg_len, &rr), RESULT_OK);
	CU_ASSERT_EQUAL(rr.mac_len, 15);
	CU_ASSERT_EQUAL(handle("192.0.2.1"), NOTIFY_MALFORMED);
	check_reply(RCODE_FORMERR);
}

static void cut_anywhere(void)
{
	make_notify();
	append(6, SOA_RECORD, sizeof(SOA_RECORD) - 1);
	sign(&key_a);
	CU_ASSERT_EQUAL(handle("192.0.2.1"), NOTIFY_ACCEPTED);
	size_t whole = msg_len;
	for (msg_len = 0; msg_len < whole; msg_len++) {
		enum notify_verdict expected = msg_len < 12 ? NOTIFY_DROPPED : NOTIFY_MALFORMED;
		CU_ASSERT_EQUAL(handle("192.0.2.1"), expected);
		CU_ASSERT_EQUAL(reply_len == 0, msg_len < 12);
	}
}

static void other_messages(void)
{
	make(DNS_FLAG_QR | OPCODE_NOTIFY << DNS_OPCODE_SHIFT, "z.test.", RRTYPE_SOA, RRCLASS_IN);
	CU_ASSERT_EQUAL(handle("192.0.2.2"), NOTIFY_DROPPED);
	CU_ASSERT_EQUAL(reply_len, 0);
	make(OPCODE_UPDATE << DNS_OPCODE_SHIFT, "z.test.", RRTYPE_SOA, RRCLASS_IN);
	CU_ASSERT_EQUAL(handle("192.0.2.2"), NOTIFY_NOTIMP);
	CU_ASSERT_EQUAL(wire_peek_be16(reply + 2),
			DNS_FLAG_QR | OPCODE_UPDATE << DNS_OPCODE_SHIFT | RCODE_NOTIMP);
}

static void edns_is_answered(void)
{
	make_notify();
	append(10, "\0\0\51\20\0\0\0\0\0\0\0", 11);
	CU_ASSERT_EQUAL(handle("192.0.2.2"), NOTIFY_ACCEPTED);
	CU_ASSERT_EQUAL(wire_peek_be16(reply + 10), 1);
	CU_ASSERT_EQUAL(reply_len, 12u + apex.len + 4u + 11u);
	CU_ASSERT_EQUAL(wire_peek_be16(reply + reply_len - 10), RRTYPE_OPT);
	sign(&key_b);
	CU_ASSERT_EQUAL(handle("192.0.2.2"), NOTIFY_ACCEPTED);
	CU_ASSERT_EQUAL(wire_peek_be16(reply + 10), 2);
}

// The last octets of the reply are its OPT record's.
static void edns_errors(void)
{
	make_notify();
	append(10, "\0\0\51\20\0\0\0\200\0\0\0", 11); // DO
	CU_ASSERT_EQUAL(handle("192.0.2.2"), NOTIFY_ACCEPTED);
	CU_ASSERT_EQUAL(wire_peek_be32(reply + reply_len - 6), 0x8000);
	make_notify();
	append(10, "\0\0\51\20\0\0\1\0\0\0\0", 11); // version 1
	CU_ASSERT_EQUAL(handle("192.0.2.2"), NOTIFY_BADVERS);
	CU_ASSERT_EQUAL(reply[3] & 15, 0);
	CU_ASSERT_EQUAL(wire_peek_be32(reply + reply_len - 6), 0x01000000);
	make_notify();
	append(10, "\0\0\51\20\0\0\0\0\0\0\0", 11);
	append(10, "\0\0\51\20\0\0\0\0\0\0\0", 11);
	CU_ASSERT_EQUAL(handle("192.0.2.2"), NOTIFY_MALFORMED);
	CU_ASSERT_EQUAL(wire_peek_be16(reply + 10), 0);
}

// OPT where it may not stand, of another name, with an option that is cut off.
static void edns_misplaced(void)
{
	static const struct {
		unsigned section; // offset of its count
		const char *record;
		size_t octets;
	} cases[] = {
		{ 6, "\0\0\51\20\0\0\0\0\0\0\0", 11 },
		{ 8, "\0\0\51\20\0\0\0\0\0\0\0", 11 },
		{ 10, "\1x\0\0\51\20\0\0\0\0\0\0\0", 13 },
		{ 10, "\300\14\0\51\20\0\0\0\0\0\0\0", 12 },
		{ 10, "\0\0\51\20\0\0\0\0\0\0\3\0\3\0", 14 },
		{ 10, "\0\0\51\20\0\0\0\0\0\0\5\0\3\0\2x", 16 },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		make_notify();
		append(cases[i].section, cases[i].record, cases[i].octets);
		CU_ASSERT_EQUAL(handle("192.0.2.2"), NOTIFY_MALFORMED);
		CU_ASSERT_EQUAL(wire_peek_be16(reply + 10), 0);
	}
	make_notify();
	append(10, "\0\0\51\20\0\0\0\0\0\0\6\0\3\0\2xy", 17);
	CU_ASSERT_EQUAL(handle("192.0.2.2"), NOTIFY_ACCEPTED);
}

// The longest names everywhere still fit the reply.
static void longest_reply(void)
{
	char text[300];
	for (unsigned i = 0; i < 127; i++)
		memcpy(text + 2 * i, "a.", 3);
	struct tsig_key key = make_key(text, 3);
	make(OPCODE_NOTIFY << DNS_OPCODE_SHIFT, text, RRTYPE_SOA, RRCLASS_IN);
	append(10, "\0\0\51\20\0\0\0\0\0\0\0", 11);
	// A record with an algorithm name of 255 octets, by hand.
	uint8_t record[1024];
	struct wire_out w = wire_out_init(record, sizeof(record));
	wire_put_bytes(&w, key.name.wire, 255);
	wire_put_bytes(&w, "\0\372\0\377\0\0\0\0", 8);
	wire_put_u16(&w, 255 + 16);
	wire_put_bytes(&w, key.name.wire, 255);
	wire_put_bytes(&w, "0123456789abcdef", 8);
	wire_put_u16(&w, 0);
	wire_put_u32(&w, 0);
	wire_put_u16(&w, 0);
	append(10, record, wire_out_len(&w));
	CU_ASSERT_EQUAL(handle("192.0.2.2"), NOTIFY_TSIG_ERROR);
	struct tsig_rr rr;
	CU_ASSERT_EQUAL(tsig_find(reply, reply_len, &rr), RESULT_OK);
	CU_ASSERT_EQUAL(rr.error, TSIG_ERROR_BADKEY);
}

static void texts(void)
{
	for (int v = 0; v < NOTIFY_VERDICT_COUNT; v++)
		CU_ASSERT_PTR_NOT_NULL(notify_verdict_text(v));
}

static const struct unit_test tests[] = {
	{ "accepted", accepted },
	{ "the serial is a hint", serial_is_a_hint },
	{ "signed", signed_notify },
	{ "refused", refused },
	{ "not our zone", not_our_zone },
	{ "TSIG errors", tsig_errors },
	{ "ranges", ranges },
	{ "other types", other_types },
	{ "malformed", malformed },
	{ "cut anywhere", cut_anywhere },
	{ "other messages", other_messages },
	{ "EDNS is answered", edns_is_answered },
	{ "EDNS errors", edns_errors },
	{ "EDNS misplaced", edns_misplaced },
	{ "longest reply", longest_reply },
	{ "texts", texts },
};

int main(void)
{
	set_up();
	return unit_run("notify", tests, sizeof(tests) / sizeof(tests[0]));
}
