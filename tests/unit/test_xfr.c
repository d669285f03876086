// SPDX-License-Identifier: BSD-3-Clause
// The transfer engine against a primary made of octets: good, bad and forged.
#include <stdlib.h>
#include <string.h>

#include "support/ask.h"
#include "understudy/rr.h"
#include "understudy/tsig.h"
#include "understudy/wire.h"
#include "understudy/xfr.h"
#include "unit.h"

#define NOW_S UINT64_C(1700000000)
#define ID    0x1234

#define SOA1 "@ 300 SOA ns root 1 3600 600 86400 60"
#define SOA2 "@ 300 SOA ns root 2 3600 600 86400 60"
#define NS   "@ 300 NS ns"

static struct world world;
static struct name apex;
static struct tsig_key key;

static const struct xfr_time now = { .unix_s = NOW_S, .monotonic_ms = 1000 };

// --- the primary ----------------------------------------------------------

static uint8_t stream[1 << 20]; // messages with their lengths
static size_t stream_len;

static struct {
	uint8_t octets[UINT16_MAX];
	struct wire_out w;
	uint16_t answers;
} msg;

static struct tsig_stream *signer;

static void begin_question(uint16_t flags, const struct name *qname, uint16_t qtype)
{
	msg.w = wire_out_init(msg.octets, sizeof(msg.octets));
	msg.answers = 0;
	wire_put_u16(&msg.w, ID);
	wire_put_u16(&msg.w, flags);
	wire_put_u16(&msg.w, qname ? 1 : 0);
	wire_put_u16(&msg.w, 0);
	wire_put_u32(&msg.w, 0);
	if (qname) {
		wire_put_bytes(&msg.w, qname->wire, qname->len);
		wire_put_u16(&msg.w, qtype);
		wire_put_u16(&msg.w, RRCLASS_IN);
	}
}

static void begin(void)
{
	begin_question(DNS_FLAG_QR | DNS_FLAG_AA, &apex, RRTYPE_AXFR);
}

static void count_answer(void)
{
	wire_poke_be16(msg.octets + 6, ++msg.answers);
}

static void put_record(const struct zone_record *r)
{
	world_put_record(&msg.w, r);
	count_answer();
}

static void record(const char *line)
{
	static struct world_record r;
	world_parse_record(line, &apex, &r);
	put_record(&r.record);
}

static void raw_record(const char *octets, size_t len)
{
	wire_put_bytes(&msg.w, octets, len);
	count_answer();
}
#define RAW(octets) raw_record(octets, sizeof(octets) - 1)

enum ending { PLAIN, SIGNED, DIGESTED }; // DIGESTED: unsigned, between signed ones

static void finish(enum ending ending)
{
	size_t len = wire_out_len(&msg.w);
	uint16_t error;
	CU_ASSERT_FALSE_FATAL(msg.w.failed);
	if (ending == SIGNED)
		CU_ASSERT_EQUAL(
			tsig_stream_sign(signer, NOW_S, msg.octets, &len, sizeof(msg.octets)),
			RESULT_OK);
	if (ending == DIGESTED)
		CU_ASSERT_EQUAL(tsig_stream_message(signer, msg.octets, len, NOW_S, &error),
				RESULT_OK);
	CU_ASSERT_FATAL(stream_len + 2 + len <= sizeof(stream));
	wire_poke_be16(stream + stream_len, (uint16_t)len);
	memcpy(stream + stream_len + 2, msg.octets, len);
	stream_len += 2 + len;
}

// --- the exchange ---------------------------------------------------------

static struct xfr *x;

static void open_with(struct xfr_options options)
{
	options.apex = apex.wire;
	options.id = ID;
	options.db = world.db;
	CU_ASSERT_EQUAL_FATAL(xfr_new(&options, now, &x), RESULT_OK);
	stream_len = 0;
	size_t len;
	struct tsig_rr rr;
	const uint8_t *query = xfr_query(x, &len);
	size_t prefix = options.udp ? 0 : 2;
	if (!options.udp)
		CU_ASSERT_EQUAL(wire_peek_be16(query), len - 2);
	CU_ASSERT_EQUAL(tsig_find(query + prefix, len - prefix, &rr),
			options.key ? RESULT_OK : RESULT_NOT_FOUND);
	if (options.key)
		CU_ASSERT_EQUAL(tsig_stream_new(&key, rr.mac, rr.mac_len, &signer), RESULT_OK);
}

static void open_axfr(const struct tsig_key *with)
{
	open_with((struct xfr_options){ .kind = XFR_AXFR, .key = with });
}

static void close_all(void)
{
	xfr_free(x);
	x = NULL;
	tsig_stream_free(signer);
	signer = NULL;
}

static enum xfr_status feed_all(void)
{
	return xfr_feed(x, stream, stream_len, now);
}

// The whole stream fails for this reason, at once and octet by octet.
static void expect_failure(enum xfr_reason reason)
{
	CU_ASSERT_EQUAL(feed_all(), XFR_FAILED);
	CU_ASSERT_EQUAL(xfr_reason(x), reason);
	if (xfr_reason(x) != reason)
		printf("reason %s instead of %s\n", xfr_reason_word(xfr_reason(x)),
		       xfr_reason_word(reason));
	CU_ASSERT_PTR_NULL(xfr_take_version(x));
	close_all();
}

static void publish(void)
{
	struct zone_version *v = xfr_take_version(x);
	CU_ASSERT_PTR_NOT_NULL_FATAL(v);
	CU_ASSERT_PTR_NULL(xfr_take_version(x));
	zonedb_publish(world.db, &v, 1);
	char why[256] = "";
	CU_ASSERT_EQUAL(zonedb_check(world.db, zonedb_view(world.db), why, sizeof(why)), RESULT_OK);
}

static const struct zone *served(void)
{
	return catalog_zone(zonedb_view(world.db), apex.wire);
}

// --- good transfers -------------------------------------------------------

static void one_message(void)
{
	open_axfr(NULL);
	begin();
	record(SOA1);
	record(NS);
	record("ns 300 A 192.0.2.1");
	record("www 300 AAAA 2001:db8::1");
	record(SOA1);
	finish(PLAIN);
	CU_ASSERT_EQUAL(feed_all(), XFR_DONE);
	CU_ASSERT_EQUAL(xfr_reason(x), XFR_REASON_NONE);
	struct soa soa;
	xfr_soa(x, &soa);
	CU_ASSERT_EQUAL(soa.serial, 1);
	CU_ASSERT_EQUAL(soa.refresh_s, 3600);
	CU_ASSERT_EQUAL(soa.retry_s, 600);
	CU_ASSERT_EQUAL(soa.expire_s, 86400);
	CU_ASSERT_EQUAL(soa.minimum_s, 60);
	CU_ASSERT_EQUAL(xfr_stats(x)->messages, 1);
	CU_ASSERT_EQUAL(xfr_stats(x)->records, 5);
	publish();
	ASK(&world, "rcode 0 aa\nan www.z.test. 300 AAAA 2001:db8::1\n", "www.z.test.",
	    RRTYPE_AAAA);
	CU_ASSERT_EQUAL(zone_record_count(served()), 4);
	close_all();
}

// A zone of 200 records, one a message, every second message signed.
static void make_long_stream(enum ending between)
{
	char line[64];
	begin();
	record(SOA2);
	finish(between == PLAIN ? PLAIN : SIGNED);
	for (int i = 0; i < 200; i++) {
		// After the first message the question may be absent.
		if (i % 3)
			begin_question(DNS_FLAG_QR, NULL, 0);
		else
			begin();
		snprintf(line, sizeof(line), "n%d 300 A 192.0.2.%d", i, i);
		record(line);
		finish(between == PLAIN || i % 2 ? between : SIGNED);
	}
	begin();
	record(SOA2);
	finish(between == PLAIN ? PLAIN : SIGNED);
}

// Any segmentation of the stream gives the same zone.
static void any_segmentation(void)
{
	static const size_t sizes[] = { 1, 2, 3, 7, 64, 1000, 65536 };
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		open_axfr(&key);
		make_long_stream(DIGESTED);
		enum xfr_status status = XFR_MORE;
		for (size_t at = 0; at < stream_len; at += sizes[i]) {
			CU_ASSERT_EQUAL_FATAL(status, XFR_MORE);
			size_t n = stream_len - at < sizes[i] ? stream_len - at : sizes[i];
			// An exact copy, so that a read too far is seen.
			uint8_t *piece = malloc(n);
			CU_ASSERT_PTR_NOT_NULL_FATAL(piece);
			memcpy(piece, stream + at, n);
			status = xfr_feed(x, piece, n, now);
			free(piece);
		}
		CU_ASSERT_EQUAL(status, XFR_DONE);
		CU_ASSERT_EQUAL(xfr_stats(x)->messages, 202);
		publish();
		CU_ASSERT_EQUAL(zone_record_count(served()), 201);
		close_all();
	}
}

static void all_signed_and_none_signed(void)
{
	open_axfr(&key);
	make_long_stream(SIGNED);
	CU_ASSERT_EQUAL(feed_all(), XFR_DONE);
	close_all();
	open_axfr(NULL);
	make_long_stream(PLAIN);
	CU_ASSERT_EQUAL(feed_all(), XFR_DONE);
	close_all();
}

static void compressed_names(void)
{
	open_axfr(NULL);
	begin();
	record(SOA1);
	// Offset 12 is the question's name; the owner of the SOA follows it.
	RAW("\300\014\0\2\0\1\0\0\1\54\0\5\2ns\300\014");
	RAW("\1s\300\014\0\41\0\1\0\0\1\54\0\13\0\1\0\2\0\65\2ns\300\014");
	RAW("\1p\300\014\0\43\0\1\0\0\1\54\0\14\0\1\0\2\1s\2ab\0\300\014");
	record(SOA1);
	finish(PLAIN);
	CU_ASSERT_EQUAL(feed_all(), XFR_DONE);
	publish();
	ASK(&world, "rcode 0 aa\nan z.test. 300 NS ns.z.test.\n", "z.test.", RRTYPE_NS);
	ASK(&world, "rcode 0 aa\nan s.z.test. 300 SRV 1 2 53 ns.z.test.\n", "s.z.test.",
	    RRTYPE_SRV);
	close_all();
}

static void merged_lowered_and_skipped(void)
{
	open_axfr(NULL);
	begin();
	record(SOA1);
	record(NS);
	record("a 300 A 192.0.2.1");
	record("a 300 A 192.0.2.1");
	record("a 60 A 192.0.2.2");
	record("other.test. 300 A 192.0.2.3");
	record("test. 300 A 192.0.2.3");
	record("sub 300 SOA ns root 9 1 1 1 1");
	RAW("\1t\300\014\0\1\0\1\200\0\0\0\0\4abcd"); // TTL with the high bit set
	record("@ 300 SOA ns root 1 3600 600 86400 60");
	finish(PLAIN);
	CU_ASSERT_EQUAL(feed_all(), XFR_DONE);
	const struct xfr_stats *stats = xfr_stats(x);
	CU_ASSERT_EQUAL(stats->duplicates, 1);
	CU_ASSERT(stats->ttl_lowered >= 1);
	CU_ASSERT_EQUAL(stats->out_of_zone, 3);
	CU_ASSERT_EQUAL(stats->records, 10);
	publish();
	ASK(&world, "rcode 0 aa\nan a.z.test. 60 A 192.0.2.1\nan a.z.test. 60 A 192.0.2.2\n",
	    "a.z.test.", RRTYPE_A);
	ASK(&world, "rcode 0 aa\nan t.z.test. 0 A 97.98.99.100\n", "t.z.test.", RRTYPE_A);
	close_all();
}

// The largest message there can be, and a record that fills it.
static void largest_message(void)
{
	open_axfr(NULL);
	begin();
	record(SOA1);
	finish(PLAIN);
	begin_question(DNS_FLAG_QR, NULL, 0);
	size_t rdlen = UINT16_MAX - 12 - 8 - 10;
	wire_put_bytes(&msg.w, apex.wire, apex.len);
	wire_put_bytes(&msg.w, "\377\0\0\1\0\0\0\0", 8);
	wire_put_u16(&msg.w, (uint16_t)rdlen);
	memset(wire_reserve(&msg.w, rdlen), 0xc0, rdlen);
	count_answer();
	finish(PLAIN);
	begin_question(DNS_FLAG_QR, NULL, 0);
	record(SOA1);
	finish(PLAIN);
	CU_ASSERT_EQUAL(xfr_feed(x, stream, 40000, now), XFR_MORE);
	CU_ASSERT_EQUAL(xfr_feed(x, stream + 40000, stream_len - 40000, now), XFR_DONE);
	CU_ASSERT_EQUAL(xfr_stats(x)->records, 3);
	close_all();
}

// --- bad ones -------------------------------------------------------------

// What a response consists of, and why it fails. Lines of records; a line that
// begins with "--" begins a new message.
static const struct {
	const char *records[6];
	enum xfr_reason reason;
} bad[] = {
	{ { "ns 300 A 192.0.2.1", SOA1, SOA1 }, XFR_REASON_NO_SOA },
	{ { "sub 300 SOA a b 1 1 1 1 1", SOA1, SOA1 }, XFR_REASON_NO_SOA },
	{ { NULL }, XFR_REASON_NO_SOA },
	{ { SOA1, NS, SOA2 }, XFR_REASON_SERIAL },
	{ { SOA1, NS, SOA1, NS }, XFR_REASON_TRAILING },
	{ { SOA1, NS, SOA1, SOA1 }, XFR_REASON_TRAILING },
	{ { SOA1, NS, SOA1, "--" }, XFR_REASON_TRAILING },
	{ { SOA1, "x 300 TYPE0 \\# 0", SOA1 }, XFR_REASON_MALFORMED },
	{ { SOA1, "x 300 TYPE41 \\# 0", SOA1 }, XFR_REASON_MALFORMED },
	{ { SOA1, "x 300 TYPE255 \\# 0", SOA1 }, XFR_REASON_MALFORMED },
	{ { SOA1, "x 300 TYPE1 \\# 3 aabbcc", SOA1 }, XFR_REASON_MALFORMED },
	{ { SOA1, "x 300 TYPE2 \\# 1 c0", SOA1 }, XFR_REASON_MALFORMED },
	{ { "@ 300 TYPE6 \\# 21 000000000001000000010000000100000001000000", SOA1 },
	  XFR_REASON_MALFORMED },
};

static void bad_records(void)
{
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		open_axfr(NULL);
		begin();
		for (int j = 0; j < 6 && bad[i].records[j]; j++) {
			if (strcmp(bad[i].records[j], "--") == 0) {
				finish(PLAIN);
				begin();
			} else {
				record(bad[i].records[j]);
			}
		}
		finish(PLAIN);
		expect_failure(bad[i].reason);
	}
}

static void bad_class(void)
{
	open_axfr(NULL);
	begin();
	record(SOA1);
	RAW("\1t\300\014\0\1\0\3\0\0\0\0\0\4abcd");
	finish(PLAIN);
	expect_failure(XFR_REASON_MALFORMED);
}

// Changes of header and question of an otherwise good response.
static void not_our_response(void)
{
	static const struct {
		size_t offset;
		uint8_t flip;
		enum xfr_reason reason;
	} cases[] = {
		{ 0, 0x01, XFR_REASON_MISMATCH },   // id
		{ 2, 0x80, XFR_REASON_MISMATCH },   // QR
		{ 2, 0x20, XFR_REASON_MISMATCH },   // opcode
		{ 2, 0x02, XFR_REASON_TRUNCATED },  // TC
		{ 3, 0x05, XFR_REASON_REFUSED },    // rcode
		{ 3, 0x09, XFR_REASON_NOTAUTH },    // rcode
		{ 3, 0x02, XFR_REASON_RCODE },      // rcode
		{ 13, 0x01, XFR_REASON_MISMATCH },  // question's name
		{ 21, 0x01, XFR_REASON_MISMATCH },  // question's type
		{ 23, 0x02, XFR_REASON_MISMATCH },  // question's class
		{ 5, 0x03, XFR_REASON_MISMATCH },   // two questions
		{ 7, 0x04, XFR_REASON_MALFORMED },  // more answers than there are
		{ 9, 0x01, XFR_REASON_MALFORMED },  // authority that is not there
		{ 11, 0x01, XFR_REASON_MALFORMED }, // additional that is not there
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		open_axfr(NULL);
		begin();
		record(SOA1);
		record(SOA1);
		msg.octets[cases[i].offset] ^= cases[i].flip;
		finish(PLAIN);
		if (cases[i].reason == XFR_REASON_RCODE) {
			CU_ASSERT_EQUAL(feed_all(), XFR_FAILED);
			CU_ASSERT_EQUAL(xfr_rcode(x), RCODE_SERVFAIL);
		}
		if (xfr_status(x) == XFR_MORE)
			expect_failure(cases[i].reason);
		close_all();
	}
	// No question at all, in the first message; and octets behind the message.
	open_axfr(NULL);
	begin_question(DNS_FLAG_QR, NULL, 0);
	record(SOA1);
	finish(PLAIN);
	expect_failure(XFR_REASON_MISMATCH);
	open_axfr(NULL);
	begin();
	record(SOA1);
	record(SOA1);
	wire_put_u8(&msg.w, 0);
	finish(PLAIN);
	expect_failure(XFR_REASON_MALFORMED);
}

// A message cut at any place is malformed; a stream cut at any place is not over.
static void cut_anywhere(void)
{
	open_axfr(NULL);
	begin();
	record(SOA1);
	record(NS);
	record(SOA1);
	finish(PLAIN);
	size_t whole = stream_len;
	close_all();
	for (size_t cut = 0; cut < whole - 2; cut++) {
		open_axfr(NULL);
		wire_poke_be16(stream, (uint16_t)cut);
		CU_ASSERT_EQUAL(xfr_feed(x, stream, 2 + cut, now), XFR_FAILED);
		CU_ASSERT_EQUAL(xfr_reason(x), XFR_REASON_MALFORMED);
		close_all();
	}
	for (size_t cut = 0; cut < whole; cut++) {
		open_axfr(NULL);
		wire_poke_be16(stream, (uint16_t)(whole - 2));
		CU_ASSERT_EQUAL(xfr_feed(x, stream, cut, now), XFR_MORE);
		CU_ASSERT_EQUAL(xfr_eof(x), XFR_FAILED);
		CU_ASSERT_EQUAL(xfr_reason(x), XFR_REASON_CLOSED);
		close_all();
	}
}

// --- TSIG -----------------------------------------------------------------

static void signed_transfer(enum ending first, enum ending middle, enum ending last)
{
	open_axfr(&key);
	begin();
	record(SOA2);
	finish(first);
	begin();
	record(NS);
	finish(middle);
	begin();
	record(SOA2);
	finish(last);
}

static void tsig_gates_the_commit(void)
{
	signed_transfer(SIGNED, DIGESTED, SIGNED);
	CU_ASSERT_EQUAL(feed_all(), XFR_DONE);
	close_all();
	signed_transfer(PLAIN, PLAIN, PLAIN);
	expect_failure(XFR_REASON_TSIG_MISSING);
	signed_transfer(SIGNED, DIGESTED, DIGESTED);
	expect_failure(XFR_REASON_TSIG_MISSING);
	signed_transfer(SIGNED, SIGNED, PLAIN);
	expect_failure(XFR_REASON_TSIG_MISSING);
	signed_transfer(SIGNED, PLAIN, SIGNED); // one slipped in
	expect_failure(XFR_REASON_TSIG_BADSIG);
}

// Any octet of the stream changed: never a transfer.
static void forged_anywhere(void)
{
	signed_transfer(SIGNED, DIGESTED, SIGNED);
	size_t whole = stream_len;
	uint8_t *good = malloc(whole);
	CU_ASSERT_PTR_NOT_NULL_FATAL(good);
	memcpy(good, stream, whole);
	for (size_t i = 0; i < whole; i++) {
		memcpy(stream, good, whole);
		stream[i] ^= 0x01;
		if (xfr_feed(x, stream, whole, now) == XFR_DONE)
			CU_FAIL("a forged transfer was taken");
		xfr_free(x);
		struct xfr_options options = {
			.kind = XFR_AXFR, .apex = apex.wire, .id = ID, .key = &key, .db = world.db
		};
		CU_ASSERT_EQUAL_FATAL(xfr_new(&options, now, &x), RESULT_OK);
	}
	// The untouched stream passes for a query of the same time.
	CU_ASSERT_EQUAL(xfr_feed(x, good, whole, now), XFR_DONE);
	free(good);
	close_all();
}

static void tsig_errors_from_the_primary(void)
{
	static const struct {
		enum tsig_error error;
		enum xfr_reason reason;
	} cases[] = {
		{ TSIG_ERROR_BADKEY, XFR_REASON_TSIG_BADKEY },
		{ TSIG_ERROR_BADSIG, XFR_REASON_TSIG_BADSIG },
		{ TSIG_ERROR_BADTIME, XFR_REASON_TSIG_BADTIME },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		open_axfr(&key);
		size_t query_len, len;
		const uint8_t *query = xfr_query(x, &query_len);
		struct tsig_rr rr;
		CU_ASSERT_EQUAL(tsig_find(query + 2, query_len - 2, &rr), RESULT_OK);
		begin_question(DNS_FLAG_QR | RCODE_NOTAUTH, &apex, RRTYPE_AXFR);
		len = wire_out_len(&msg.w);
		CU_ASSERT_EQUAL(tsig_append_error(&rr, &key, cases[i].error, NOW_S + 1000,
						  msg.octets, &len, sizeof(msg.octets)),
				RESULT_OK);
		msg.w.pos = msg.octets + len;
		finish(PLAIN);
		expect_failure(cases[i].reason);
	}
	// A primary that refuses before it looks at signatures.
	open_axfr(&key);
	begin_question(DNS_FLAG_QR | RCODE_REFUSED, &apex, RRTYPE_AXFR);
	finish(PLAIN);
	expect_failure(XFR_REASON_REFUSED);
}

static void tsig_time(void)
{
	signed_transfer(SIGNED, SIGNED, SIGNED);
	struct xfr_time later = now;
	later.unix_s += 301;
	CU_ASSERT_EQUAL(xfr_feed(x, stream, stream_len, later), XFR_FAILED);
	CU_ASSERT_EQUAL(xfr_reason(x), XFR_REASON_TSIG_BADTIME);
	close_all();
}

// --- limits ---------------------------------------------------------------

static void limit_of_records_and_octets(void)
{
	for (int records = 1; records <= 3; records++) {
		open_with(
			(struct xfr_options){ .kind = XFR_AXFR, .max_records = (uint64_t)records });
		begin();
		record(SOA1);
		record(NS);
		record("ns 300 A 192.0.2.1");
		record(SOA1);
		finish(PLAIN);
		if (records < 3) {
			expect_failure(XFR_REASON_LIMIT_RECORDS);
		} else {
			CU_ASSERT_EQUAL(feed_all(), XFR_DONE);
			close_all();
		}
	}
	open_with((struct xfr_options){ .kind = XFR_AXFR, .max_octets = 10000 });
	begin();
	record(SOA1);
	finish(PLAIN);
	CU_ASSERT_EQUAL(feed_all(), XFR_MORE);
	// An endless zone, though of one record only.
	stream_len = 0;
	begin();
	record(NS);
	finish(PLAIN);
	for (int i = 0; xfr_status(x) == XFR_MORE && i < 10000; i++)
		feed_all();
	CU_ASSERT_EQUAL(xfr_reason(x), XFR_REASON_LIMIT_OCTETS);
	CU_ASSERT(xfr_stats(x)->octets > 10000 && xfr_stats(x)->octets < 10100);
	close_all();
}

static void limit_of_time(void)
{
	open_with((struct xfr_options){
		.kind = XFR_AXFR, .max_duration_ms = 5000, .max_idle_ms = 2000 });
	CU_ASSERT_EQUAL(xfr_deadline_ms(x), 3000);
	struct xfr_time t = { NOW_S, 2999 };
	CU_ASSERT_EQUAL(xfr_tick(x, t), XFR_MORE);
	begin();
	record(SOA1);
	finish(PLAIN);
	// Half a message is no progress.
	CU_ASSERT_EQUAL(xfr_feed(x, stream, 10, t), XFR_MORE);
	CU_ASSERT_EQUAL(xfr_deadline_ms(x), 3000);
	CU_ASSERT_EQUAL(xfr_feed(x, stream + 10, stream_len - 10, t), XFR_MORE);
	CU_ASSERT_EQUAL(xfr_deadline_ms(x), 4999);
	t.monotonic_ms = 4999;
	CU_ASSERT_EQUAL(xfr_tick(x, t), XFR_FAILED);
	CU_ASSERT_EQUAL(xfr_reason(x), XFR_REASON_TIMEOUT);
	CU_ASSERT_EQUAL(xfr_deadline_ms(x), UINT64_MAX);
	close_all();

	open_with((struct xfr_options){ .kind = XFR_AXFR, .max_duration_ms = 5000 });
	begin();
	record(SOA1);
	finish(PLAIN);
	t.monotonic_ms = 6000;
	CU_ASSERT_EQUAL(xfr_feed(x, stream, stream_len, t), XFR_FAILED);
	CU_ASSERT_EQUAL(xfr_reason(x), XFR_REASON_LIMIT_DURATION);
	close_all();

	open_with((struct xfr_options){ .kind = XFR_AXFR });
	CU_ASSERT_EQUAL(xfr_deadline_ms(x), UINT64_MAX);
	CU_ASSERT_EQUAL(xfr_fail(x, XFR_REASON_CONNECT), XFR_FAILED);
	CU_ASSERT_EQUAL(xfr_reason(x), XFR_REASON_CONNECT);
	CU_ASSERT_EQUAL(xfr_fail(x, XFR_REASON_IO), XFR_FAILED);
	CU_ASSERT_EQUAL(xfr_reason(x), XFR_REASON_CONNECT);
	close_all();
}

// --- SOA queries ----------------------------------------------------------

static void soa_response(uint16_t flags, const char *line, enum ending ending)
{
	stream_len = 0;
	begin_question(DNS_FLAG_QR | flags, &apex, RRTYPE_SOA);
	if (line)
		record(line);
	finish(ending);
}

static enum xfr_status datagram(void)
{
	return xfr_datagram(x, stream + 2, stream_len - 2, now);
}

static void soa_over_udp_and_tcp(void)
{
	struct soa soa;
	for (int udp = 0; udp < 2; udp++) {
		for (int with_key = 0; with_key < 2; with_key++) {
			open_with((struct xfr_options){
				.kind = XFR_SOA, .udp = udp, .key = with_key ? &key : NULL });
			soa_response(DNS_FLAG_AA, SOA2, with_key ? SIGNED : PLAIN);
			CU_ASSERT_EQUAL(udp ? datagram() : feed_all(), XFR_DONE);
			xfr_soa(x, &soa);
			CU_ASSERT_EQUAL(soa.serial, 2);
			CU_ASSERT_PTR_NULL(xfr_take_version(x));
			close_all();
		}
	}
}

static void soa_failures(void)
{
	static const struct {
		uint16_t flags;
		const char *line;
		enum xfr_reason reason;
	} cases[] = {
		{ 0, SOA1, XFR_REASON_NOTAUTH },
		{ DNS_FLAG_AA, NULL, XFR_REASON_NO_SOA },
		{ DNS_FLAG_AA, NS, XFR_REASON_NO_SOA },
		{ DNS_FLAG_AA, "sub 300 SOA a b 1 1 1 1 1", XFR_REASON_NO_SOA },
		{ DNS_FLAG_AA | DNS_FLAG_TC, NULL, XFR_REASON_TRUNCATED },
		{ RCODE_REFUSED, NULL, XFR_REASON_REFUSED },
		{ RCODE_NOTAUTH, NULL, XFR_REASON_NOTAUTH },
		{ RCODE_SERVFAIL, NULL, XFR_REASON_RCODE },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		for (int udp = 0; udp < 2; udp++) {
			open_with((struct xfr_options){ .kind = XFR_SOA, .udp = udp });
			soa_response(cases[i].flags, cases[i].line, PLAIN);
			CU_ASSERT_EQUAL(udp ? datagram() : feed_all(), XFR_FAILED);
			CU_ASSERT_EQUAL(xfr_reason(x), cases[i].reason);
			close_all();
		}
	}
}

// What anybody could have sent does not end a query over UDP.
static void soa_ignores_forgeries(void)
{
	open_with((struct xfr_options){
		.kind = XFR_SOA, .udp = true, .key = &key, .max_idle_ms = 2000 });
	soa_response(DNS_FLAG_AA, SOA1, PLAIN);
	CU_ASSERT_EQUAL(datagram(), XFR_MORE);
	CU_ASSERT_EQUAL(xfr_reason(x), XFR_REASON_TSIG_MISSING);
	soa_response(RCODE_REFUSED, NULL, PLAIN);
	CU_ASSERT_EQUAL(datagram(), XFR_MORE);
	CU_ASSERT_EQUAL(xfr_reason(x), XFR_REASON_REFUSED);
	CU_ASSERT_EQUAL(xfr_datagram(x, stream, 0, now), XFR_MORE);
	soa_response(DNS_FLAG_AA, SOA1, SIGNED);
	stream[2] ^= 1; // id
	CU_ASSERT_EQUAL(datagram(), XFR_MORE);
	CU_ASSERT_EQUAL(xfr_reason(x), XFR_REASON_MISMATCH);
	stream[2] ^= 1;
	stream[stream_len - 10] ^= 1;
	CU_ASSERT_EQUAL(datagram(), XFR_MORE);
	CU_ASSERT_EQUAL(xfr_reason(x), XFR_REASON_TSIG_BADSIG);
	stream[stream_len - 10] ^= 1;
	CU_ASSERT_EQUAL(xfr_deadline_ms(x), 3000);
	CU_ASSERT_EQUAL(datagram(), XFR_DONE);
	CU_ASSERT_EQUAL(xfr_reason(x), XFR_REASON_NONE);
	close_all();

	// Without a key an error by the id alone does not either; time tells it.
	open_with((struct xfr_options){ .kind = XFR_SOA, .udp = true, .max_idle_ms = 2000 });
	begin_question(DNS_FLAG_QR | RCODE_REFUSED, NULL, 0);
	finish(PLAIN);
	CU_ASSERT_EQUAL(datagram(), XFR_MORE);
	struct xfr_time later = { NOW_S, 3000 };
	CU_ASSERT_EQUAL(xfr_tick(x, later), XFR_FAILED);
	CU_ASSERT_EQUAL(xfr_reason(x), XFR_REASON_REFUSED);
	close_all();
}

// --- IXFR -----------------------------------------------------------------

#define SOA3 "@ 300 SOA ns root 3 3600 600 86400 60"
#define SOA4 "@ 300 SOA ns root 4 3600 600 86400 60"

static const struct soa base = { .serial = 1, .refresh_s = 3600 };

// The zone of serial 1 that differences are applied to.
static void hold_serial_1(void)
{
	open_axfr(NULL);
	begin();
	record(SOA1);
	record(NS);
	record("a 300 A 192.0.2.1");
	record("a 300 A 192.0.2.2");
	record("b 300 A 192.0.2.3");
	record(SOA1);
	finish(PLAIN);
	CU_ASSERT_EQUAL(feed_all(), XFR_DONE);
	publish();
	close_all();
}

static void open_ixfr(const struct tsig_key *with, bool udp)
{
	hold_serial_1();
	open_with((struct xfr_options){
		.kind = XFR_IXFR, .base = &base, .key = with, .udp = udp, .edns = true });
}

// A response of these records; a bar ends a message.
static void response(const char *const lines[], enum ending ending)
{
	begin_question(DNS_FLAG_QR | DNS_FLAG_AA, &apex, RRTYPE_IXFR);
	for (unsigned i = 0; lines[i]; i++) {
		if (strcmp(lines[i], "|") != 0) {
			record(lines[i]);
			continue;
		}
		finish(ending);
		begin_question(DNS_FLAG_QR | DNS_FLAG_AA, NULL, 0);
	}
	finish(ending);
}
#define RESPONSE(ending, ...) response((const char *const[]){ __VA_ARGS__, NULL }, ending)

#define STEP12 SOA1, "a 300 A 192.0.2.1", SOA2, "c 300 A 192.0.2.9"
#define STEP23 SOA2, "c 300 A 192.0.2.9", SOA3, "c 300 A 192.0.2.10", "d 300 TXT x"

static void expect_version(uint32_t serial, uint64_t records)
{
	struct soa soa;
	xfr_soa(x, &soa);
	CU_ASSERT_EQUAL(soa.serial, serial);
	publish();
	CU_ASSERT_EQUAL(zone_serial(served()), serial);
	CU_ASSERT_EQUAL(zone_record_count(served()), records);
	close_all();
}

static void ixfr_query(void)
{
	open_ixfr(NULL, true);
	static const uint8_t expected[] =
		"\x12\x34\0\0\0\1\0\0\0\1\0\1\1z\4test\0\0\xfb\0\1"
		"\xc0\x0c\0\6\0\1\0\0\0\0\0\x16\0\0\0\0\0\1\0\0\x0e\x10\0\0\0\0\0\0\0\0\0\0\0\0"
		"\0\0\x29\4\xd0\0\0\0\0\0\4\0\x09\0";
	size_t len;
	const uint8_t *query = xfr_query(x, &len);
	CU_ASSERT_EQUAL(len, sizeof(expected));
	CU_ASSERT(memcmp(query, expected, sizeof(expected)) == 0);
	close_all();
}

static void ixfr_forms(void)
{
	open_ixfr(NULL, false);
	RESPONSE(PLAIN, SOA2, STEP12, SOA2);
	CU_ASSERT_EQUAL(feed_all(), XFR_DONE);
	CU_ASSERT_EQUAL(xfr_form(x), XFR_FORM_DIFFERENCES);
	CU_ASSERT_EQUAL(xfr_stats(x)->steps, 1);
	CU_ASSERT(xfr_clean(x));
	expect_version(2, 5);
	ASK(&world, "rcode 0 aa\nan a.z.test. 300 A 192.0.2.2\n", "a.z.test.", RRTYPE_A);
	ASK(&world, "rcode 0 aa\nan c.z.test. 300 A 192.0.2.9\n", "c.z.test.", RRTYPE_A);

	open_ixfr(NULL, false); // two steps
	RESPONSE(PLAIN, SOA3, STEP12, STEP23, SOA3);
	CU_ASSERT_EQUAL(feed_all(), XFR_DONE);
	CU_ASSERT_EQUAL(xfr_stats(x)->steps, 2);
	expect_version(3, 6);
	ASK(&world, "rcode 0 aa\nan c.z.test. 300 A 192.0.2.10\n", "c.z.test.", RRTYPE_A);

	open_ixfr(NULL, false); // condensed: both at once
	RESPONSE(PLAIN, SOA3, SOA1, "a 300 A 192.0.2.1", SOA3, "c 300 A 192.0.2.10", SOA3);
	CU_ASSERT_EQUAL(feed_all(), XFR_DONE);
	expect_version(3, 5);

	open_ixfr(NULL, false); // a record a message
	RESPONSE(PLAIN, SOA2, "|", SOA1, "|", "a 300 A 192.0.2.1", "|", SOA2, "|",
		 "c 300 A 192.0.2.9", "|", SOA2);
	CU_ASSERT_EQUAL(feed_all(), XFR_DONE);
	expect_version(2, 5);

	open_ixfr(NULL, false); // the serial alone
	RESPONSE(PLAIN, SOA2, SOA1, SOA2, SOA2);
	CU_ASSERT_EQUAL(feed_all(), XFR_DONE);
	expect_version(2, 5);

	open_ixfr(NULL, false); // a TTL
	RESPONSE(PLAIN, SOA2, SOA1, "b 300 A 192.0.2.3", SOA2, "b 900 A 192.0.2.3", SOA2);
	CU_ASSERT_EQUAL(feed_all(), XFR_DONE);
	expect_version(2, 5);
	ASK(&world, "rcode 0 aa\nan b.z.test. 900 A 192.0.2.3\n", "b.z.test.", RRTYPE_A);
}

static void ixfr_answered_by_the_whole_zone(void)
{
	for (int one_a_message = 0; one_a_message < 2; one_a_message++) {
		open_ixfr(NULL, false);
		if (one_a_message)
			RESPONSE(PLAIN, SOA2, "|", NS, "|", "q 300 A 192.0.2.1", "|", SOA2);
		else
			RESPONSE(PLAIN, SOA2, NS, "q 300 A 192.0.2.1", SOA2);
		CU_ASSERT_EQUAL(feed_all(), XFR_DONE);
		CU_ASSERT_EQUAL(xfr_form(x), XFR_FORM_WHOLE);
		expect_version(2, 3);
	}
	open_ixfr(NULL, false); // of nothing but the SOA
	RESPONSE(PLAIN, SOA2, SOA2);
	CU_ASSERT_EQUAL(feed_all(), XFR_DONE);
	expect_version(2, 1);
}

static void ixfr_of_nothing_newer(void)
{
	static const char *const older = "@ 300 SOA ns root 4294967295 3600 600 86400 60";
	for (int i = 0; i < 3; i++) {
		open_ixfr(NULL, false);
		if (i == 2) // the whole zone all the same
			RESPONSE(PLAIN, SOA1, NS, SOA1);
		else
			RESPONSE(PLAIN, i ? older : SOA1);
		CU_ASSERT_EQUAL(feed_all(), XFR_DONE);
		CU_ASSERT_EQUAL(xfr_form(x), XFR_FORM_CURRENT);
		CU_ASSERT_EQUAL(xfr_clean(x), i != 2);
		CU_ASSERT_PTR_NULL(xfr_take_version(x));
		struct soa soa;
		xfr_soa(x, &soa);
		CU_ASSERT_EQUAL(soa.serial, i == 1 ? UINT32_MAX : 1);
		close_all();
	}
	// Over TCP a lone SOA that is newer is a beginning.
	open_ixfr(NULL, false);
	RESPONSE(PLAIN, SOA2);
	CU_ASSERT_EQUAL(feed_all(), XFR_MORE);
	CU_ASSERT_EQUAL(xfr_eof(x), XFR_FAILED);
	CU_ASSERT_EQUAL(xfr_reason(x), XFR_REASON_CLOSED);
	close_all();
}

static void ixfr_that_does_not_fit_ours(void)
{
	static const struct {
		const char *lines[12];
		enum xfr_reason reason;
	} cases[] = {
		{ { SOA3, SOA2, SOA3, SOA3 }, XFR_REASON_IXFR_BASE },
		{ { SOA2, SOA1, "a 300 A 192.0.2.7", SOA2, SOA2 }, XFR_REASON_IXFR_DELETE },
		{ { SOA2, SOA1, "nowhere 300 A 192.0.2.7", SOA2, SOA2 }, XFR_REASON_IXFR_DELETE },
		{ { SOA2, "@ 300 SOA other root 1 3600 600 86400 60", SOA2, SOA2 },
		  XFR_REASON_IXFR_DELETE },
		{ { SOA2, SOA1, SOA2, "a 300 A 192.0.2.1", SOA2 }, XFR_REASON_IXFR_ADD },
		{ { SOA2, SOA1, SOA2, "n 300 A 192.0.2.1", "n 60 A 192.0.2.1", SOA2 },
		  XFR_REASON_IXFR_ADD },
		{ { SOA3, SOA1, SOA2, SOA1, SOA3, SOA3 }, XFR_REASON_IXFR_ORDER },
		{ { SOA3, SOA1, SOA2, SOA3, SOA3 }, XFR_REASON_IXFR_ORDER },
		{ { SOA3, SOA1, SOA1, SOA3, SOA3 }, XFR_REASON_IXFR_ORDER },
		{ { SOA2, SOA1, "@ 300 SOA ns root 0 1 1 1 1", SOA2 }, XFR_REASON_IXFR_ORDER },
		{ { SOA3, SOA1, SOA4, SOA3 }, XFR_REASON_IXFR_ORDER },
		{ { SOA2, STEP12, SOA2, NS }, XFR_REASON_TRAILING },
		{ { SOA2, NS, SOA3 }, XFR_REASON_SERIAL },
		{ { NS, SOA2 }, XFR_REASON_NO_SOA },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		open_ixfr(NULL, false);
		uint64_t generation = catalog_generation(zonedb_view(world.db));
		response(cases[i].lines, PLAIN);
		expect_failure(cases[i].reason);
		CU_ASSERT_EQUAL(catalog_generation(zonedb_view(world.db)), generation);
	}
	open_with((struct xfr_options){ .kind = XFR_IXFR, .base = &base }); // cut off
	RESPONSE(PLAIN, SOA2, STEP12);
	CU_ASSERT_EQUAL(feed_all(), XFR_MORE);
	CU_ASSERT_EQUAL(xfr_eof(x), XFR_FAILED);
	close_all();
}

static void ixfr_with_tsig(void)
{
	for (int last = 0; last < 2; last++) {
		open_ixfr(&key, false);
		RESPONSE(SIGNED, SOA2, "|", STEP12);
		begin_question(DNS_FLAG_QR, NULL, 0);
		record(SOA2);
		finish(last ? SIGNED : PLAIN);
		CU_ASSERT_EQUAL(feed_all(), last ? XFR_DONE : XFR_FAILED);
		CU_ASSERT_EQUAL(xfr_reason(x), last ? XFR_REASON_NONE : XFR_REASON_TSIG_MISSING);
		if (last)
			publish();
		close_all();
	}
}

static void ixfr_over_udp(void)
{
	open_ixfr(&key, true);
	RESPONSE(SIGNED, SOA2, STEP12, SOA2);
	CU_ASSERT_EQUAL(datagram(), XFR_DONE);
	expect_version(2, 5);

	open_ixfr(NULL, true);
	RESPONSE(PLAIN, SOA1);
	CU_ASSERT_EQUAL(datagram(), XFR_DONE);
	CU_ASSERT_EQUAL(xfr_form(x), XFR_FORM_CURRENT);
	close_all();

	open_ixfr(NULL, true); // too large: ask over TCP
	RESPONSE(PLAIN, SOA2);
	CU_ASSERT_EQUAL(datagram(), XFR_FAILED);
	CU_ASSERT_EQUAL(xfr_reason(x), XFR_REASON_TRUNCATED);
	close_all();
}

static void expire_option(void)
{
	static const uint8_t opt[] = "\0\0\x29\4\xd0\0\0\0\0\0\xc\0\3\0\0\0\x9\0\4\0\1\0";
	uint32_t expire_s = 0;
	for (int i = 0; i < 2; i++) {
		open_with((struct xfr_options){ .kind = XFR_SOA, .udp = true, .edns = true });
		begin_question(DNS_FLAG_QR | DNS_FLAG_AA, &apex, RRTYPE_SOA);
		record(SOA2);
		if (i) {
			wire_put_bytes(&msg.w, opt, sizeof(opt));
			wire_poke_be16(msg.octets + 10, 1);
		}
		finish(PLAIN);
		CU_ASSERT_EQUAL(datagram(), XFR_DONE);
		CU_ASSERT_EQUAL(xfr_expire(x, &expire_s), i == 1);
		close_all();
	}
	CU_ASSERT_EQUAL(expire_s, 65536);
}

// Where OPT may not stand (RFC 6891 section 6.1), and an rcode that it completes.
static void opt_out_of_place(void)
{
	static const struct {
		const char *octets;
		size_t len;
		uint8_t authority, additional;
		enum xfr_reason reason;
	} cases[] = {
		{ "\0\0\x29\4\xd0\0\0\0\0\0\0", 11, 0, 1, XFR_REASON_NONE },
		{ "\0\0\x29\4\xd0\0\0\0\0\0\0", 11, 1, 0, XFR_REASON_MALFORMED },
		{ "\0\0\x29\4\xd0\0\0\0\0\0\0\0\0\x29\4\xd0\0\0\0\0\0\0", 22, 0, 2,
		  XFR_REASON_MALFORMED },
		{ "\1x\0\0\x29\4\xd0\0\0\0\0\0\0", 13, 0, 1, XFR_REASON_MALFORMED },
		{ "\0\0\x29\4\xd0\1\0\0\0\0\0", 11, 0, 1, XFR_REASON_RCODE },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		open_with((struct xfr_options){ .kind = XFR_SOA, .udp = true, .edns = true });
		begin_question(DNS_FLAG_QR | DNS_FLAG_AA, &apex, RRTYPE_SOA);
		record(SOA2);
		wire_put_bytes(&msg.w, cases[i].octets, cases[i].len);
		wire_poke_be16(msg.octets + 8, cases[i].authority);
		wire_poke_be16(msg.octets + 10, cases[i].additional);
		finish(PLAIN);
		datagram();
		CU_ASSERT_EQUAL(xfr_reason(x), cases[i].reason);
		CU_ASSERT_EQUAL(xfr_rcode(x), cases[i].reason == XFR_REASON_RCODE ? 16 : 0);
		close_all();
	}
}

// Of two different serials neither is believed; one that is said twice is.
static void soa_twice(void)
{
	for (int i = 0; i < 2; i++) {
		open_with((struct xfr_options){ .kind = XFR_SOA, .udp = true });
		begin_question(DNS_FLAG_QR | DNS_FLAG_AA, &apex, RRTYPE_SOA);
		record(SOA2);
		record(i ? SOA1 : SOA2);
		finish(PLAIN);
		CU_ASSERT_EQUAL(datagram(), i ? XFR_FAILED : XFR_DONE);
		CU_ASSERT_EQUAL(xfr_reason(x), i ? XFR_REASON_MALFORMED : XFR_REASON_NONE);
		close_all();
	}
}

// A signature of the SOA record, or what a primary may send in its place.
#define RRSIG_OF(type, inception) \
	"300 RRSIG \\# 20 " type "0d020000012c7fffffff" inception "000100aa"

static void soa_signatures(void)
{
	static const struct {
		const char *lines[3];
		bool is_signed;
		uint32_t inception;
	} cases[] = {
		{ { NULL }, false, 0 },
		{ { "@ " RRSIG_OF("0006", "00000010") }, true, 0x10 },
		{ { "@ " RRSIG_OF("0006", "00000020"), "@ " RRSIG_OF("0006", "00000010"),
		    "@ " RRSIG_OF("0006", "00000018") },
		  true,
		  0x20 },
		{ { "@ " RRSIG_OF("0006", "fffffff0"), "@ " RRSIG_OF("0006", "00000010") }, // 1982
		  true,
		  0x10 },
		{ { "@ " RRSIG_OF("0006", "00000010"), "@ " RRSIG_OF("0006", "fffffff0") },
		  true,
		  0x10 },
		{ { "@ " RRSIG_OF("0002", "00000010") }, false, 0 },
		{ { "sub " RRSIG_OF("0006", "00000010") }, false, 0 },
		{ { "elsewhere. " RRSIG_OF("0006", "00000010") }, false, 0 },
	};
	uint32_t inception = 0;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		open_with((struct xfr_options){
			.kind = XFR_SOA, .udp = true, .edns = true, .dnssec = true });
		begin_question(DNS_FLAG_QR | DNS_FLAG_AA, &apex, RRTYPE_SOA);
		record(SOA2);
		for (int k = 0; k < 3 && cases[i].lines[k]; k++)
			record(cases[i].lines[k]);
		finish(PLAIN);
		CU_ASSERT_EQUAL(datagram(), XFR_DONE);
		CU_ASSERT_EQUAL(xfr_soa_signed(x, &inception), cases[i].is_signed);
		if (cases[i].is_signed)
			CU_ASSERT_EQUAL(inception, cases[i].inception);
		close_all();
	}
}

// They tell nothing, and what stands beside them counts; what is no signature, or runs out of
// the message, does not pass.
static void soa_signatures_malformed(void)
{
#define HEAD(rdclass, rdlen) "\xc0\x0c\0\x2e" rdclass "\0\0\1\x2c" rdlen
#define IN_                  "\0\1"
#define BODY                 "\0\6\xd\2\0\0\1\x2c\x7f\xff\xff\xff\0\0\0\x10\0\1"
	static const struct {
		const char *octets;
		size_t len;
		enum xfr_reason reason;
	} cases[] = {
#define CASE(octets, reason) { octets, sizeof(octets) - 1, reason }
		CASE(HEAD(IN_, "\0\0"), XFR_REASON_NONE),
		CASE(HEAD(IN_, "\0\x12") BODY, XFR_REASON_NONE), // no signer
		CASE(HEAD(IN_, "\0\xf") "\0\6\xd\2\0\0\1\x2c\x7f\xff\xff\xff\0\0\0",
		     XFR_REASON_NONE),
		CASE(HEAD(IN_, "\0\x14") BODY "\7x", XFR_REASON_NONE), // signer without an end
		CASE(HEAD("\0\3", "\0\x14") BODY "\0\xaa", XFR_REASON_NONE),
		CASE(HEAD(IN_, "\0\x15") BODY "\0\xaa", XFR_REASON_MALFORMED),
		CASE(HEAD(IN_, "\xff\xff") BODY "\0\xaa", XFR_REASON_MALFORMED),
		CASE("\xc0\x0c\0\x2e\0\1\0\0\1", XFR_REASON_MALFORMED),
		CASE("\xc0\x0c\0\6\0\1\0\0\1\x2c\0\0", XFR_REASON_MALFORMED), // a SOA
		CASE("\xc0\xff\0\x2e\0\1\0\0\1\x2c\0\0", XFR_REASON_NONE),    // no owner
	};
	uint32_t inception = 0;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		open_with((struct xfr_options){
			.kind = XFR_SOA, .udp = true, .edns = true, .dnssec = true });
		begin_question(DNS_FLAG_QR | DNS_FLAG_AA, &apex, RRTYPE_SOA);
		bool last = cases[i].reason != XFR_REASON_NONE;
		if (last)
			record(SOA2);
		raw_record(cases[i].octets, cases[i].len);
		if (!last)
			record(SOA2);
		finish(PLAIN);
		CU_ASSERT_EQUAL(datagram(), last ? XFR_FAILED : XFR_DONE);
		CU_ASSERT_EQUAL(xfr_reason(x), cases[i].reason);
		CU_ASSERT_FALSE(xfr_soa_signed(x, &inception));
		close_all();
	}
}

// DO only where it is wanted, and never without EDNS.
static void soa_query_wants_signatures(void)
{
	static const uint8_t plain[] = { 0, 0, 41, 4, 0xd0, 0, 0, 0, 0, 0, 4, 0, 9, 0, 0 };
	static const uint8_t with_do[] = { 0, 0, 41, 4, 0xd0, 0, 0, 0x80, 0, 0, 4, 0, 9, 0, 0 };
	for (int edns = 0; edns < 2; edns++) {
		for (int dnssec = 0; dnssec < 2; dnssec++) {
			size_t len, bare = DNS_HEADER_OCTETS + apex.len + 4u;
			open_with((struct xfr_options){
				.kind = XFR_SOA, .udp = true, .edns = edns, .dnssec = dnssec });
			const uint8_t *query = xfr_query(x, &len);
			CU_ASSERT_EQUAL_FATAL(len, bare + (edns ? sizeof(plain) : 0));
			if (edns)
				CU_ASSERT_EQUAL(memcmp(query + bare, dnssec ? with_do : plain,
						       sizeof(plain)),
						0);
			close_all();
		}
	}
}

#define SCATTERED 8000

// The same records: first all of one name, then all of the other; or one of each by turns.
static void two_large_names(bool scattered)
{
	open_with((struct xfr_options){ .kind = XFR_AXFR });
	begin();
	record(SOA1);
	for (unsigned i = 0; i < 2 * SCATTERED; i++) {
		char line[64];
		unsigned name = scattered ? i % 2 : i / SCATTERED;
		unsigned host = scattered ? i / 2 : i % SCATTERED;
		snprintf(line, sizeof(line), "n%u 300 A 10.0.%u.%u", name, host >> 8, host & 255);
		record(line);
		if (i % 500 == 499) {
			finish(PLAIN);
			begin();
		}
	}
	record(SOA1);
	finish(PLAIN);
}

static void large_names_that_come_scattered(void)
{
	two_large_names(false);
	CU_ASSERT_EQUAL(feed_all(), XFR_DONE);
	close_all();
	two_large_names(true);
	CU_ASSERT_EQUAL(feed_all(), XFR_FAILED);
	CU_ASSERT_EQUAL(xfr_reason(x), XFR_REASON_LIMIT_WORK);
	close_all();
}

// One name's RRsets, `signed_too` of them with their signatures.
static void open_with_types(unsigned types, unsigned signed_too)
{
	struct name owner;
	name_from_text("many.z.test.", &owner);
	open_with((struct xfr_options){ .kind = XFR_AXFR });
	begin();
	record(SOA1);
	for (unsigned i = 0; i < types; i++) {
		uint16_t type = (uint16_t)(2000 + i);
		uint8_t rdata[18 + 1 + 1] = { (uint8_t)(type >> 8), (uint8_t)type };
		put_record(&(struct zone_record){ owner.wire, rdata, 300, type, 1 });
		if (i < signed_too)
			put_record(&(struct zone_record){ owner.wire, rdata, 300, RRTYPE_RRSIG,
							  sizeof(rdata) });
	}
	record(SOA1);
	finish(PLAIN);
}

static void a_name_with_many_types(void)
{
	open_with_types(256, 0);
	CU_ASSERT_EQUAL(feed_all(), XFR_DONE);
	close_all();
	open_with_types(128, 128);
	CU_ASSERT_EQUAL(feed_all(), XFR_DONE);
	close_all();
	open_with_types(257, 0);
	CU_ASSERT_EQUAL(feed_all(), XFR_FAILED);
	CU_ASSERT_EQUAL(xfr_reason(x), XFR_REASON_LIMIT_TYPES);
	close_all();
	open_with_types(129, 128);
	CU_ASSERT_EQUAL(feed_all(), XFR_FAILED);
	CU_ASSERT_EQUAL(xfr_reason(x), XFR_REASON_LIMIT_TYPES);
	close_all();
}

// What waits until its name is complete counts as well.
static void budget_of_one_name(void)
{
	struct xfr_budget budget = { .limit = 100000 };
	open_with((struct xfr_options){ .kind = XFR_AXFR, .budget = &budget });
	begin();
	record(SOA1);
	finish(PLAIN);
	CU_ASSERT_EQUAL(feed_all(), XFR_MORE);
	stream_len = 0;
	begin();
	for (int i = 0; i < 100; i++)
		record("n 300 A 192.0.2.1");
	finish(PLAIN);
	for (int i = 0; xfr_status(x) == XFR_MORE && i < 1000; i++)
		feed_all();
	CU_ASSERT_EQUAL(xfr_reason(x), XFR_REASON_LIMIT_BUDGET);
	CU_ASSERT_EQUAL(budget.used, 0);
	close_all();
}

static void one_budget_for_all(void)
{
	struct xfr_budget budget = { .limit = 200 };
	open_with((struct xfr_options){ .kind = XFR_AXFR, .budget = &budget });
	begin();
	record(SOA1);
	record(NS);
	record("budget 300 A 192.0.2.1");
	record("a 300 A 192.0.2.1");
	finish(PLAIN);
	CU_ASSERT_EQUAL(feed_all(), XFR_MORE);
	CU_ASSERT(budget.used > 0);
	stream_len = 0;
	begin();
	for (int i = 0; i < 50; i++) {
		char line[64];
		snprintf(line, sizeof(line), "n%d 300 A 192.0.2.1", i);
		record(line);
	}
	finish(PLAIN);
	CU_ASSERT_EQUAL(feed_all(), XFR_FAILED);
	CU_ASSERT_EQUAL(xfr_reason(x), XFR_REASON_LIMIT_BUDGET);
	CU_ASSERT_EQUAL(budget.used, 0);
	close_all();
}

static void out_of_zone_refused(void)
{
	for (int below = 0; below < 2; below++) {
		open_with((struct xfr_options){ .kind = XFR_AXFR, .refuse_out_of_zone = true });
		begin();
		record(SOA1);
		record(below ? "sub 300 SOA a b 1 1 1 1 1" : "elsewhere. 300 A 192.0.2.1");
		record(SOA1);
		finish(PLAIN);
		expect_failure(XFR_REASON_OUT_OF_ZONE);
	}
}

// A transfer that fails leaves what is served as it is.
static void failure_leaves_the_served_zone(void)
{
	one_message();
	uint64_t generation = catalog_generation(zonedb_view(world.db));
	bad_records();
	signed_transfer(SIGNED, SIGNED, PLAIN);
	expect_failure(XFR_REASON_TSIG_MISSING);
	CU_ASSERT_EQUAL(catalog_generation(zonedb_view(world.db)), generation);
	ASK(&world, "rcode 0 aa\nan www.z.test. 300 AAAA 2001:db8::1\n", "www.z.test.",
	    RRTYPE_AAAA);
	// Done, but never taken: gone with the exchange.
	signed_transfer(SIGNED, SIGNED, SIGNED);
	CU_ASSERT_EQUAL(feed_all(), XFR_DONE);
	close_all();
	CU_ASSERT_EQUAL(catalog_generation(zonedb_view(world.db)), generation);
}

static const struct unit_test tests[] = {
	{ "one message", one_message },
	{ "any segmentation", any_segmentation },
	{ "all signed, none signed", all_signed_and_none_signed },
	{ "compressed names", compressed_names },
	{ "merged, lowered, skipped", merged_lowered_and_skipped },
	{ "largest message", largest_message },
	{ "bad records", bad_records },
	{ "bad class", bad_class },
	{ "not our response", not_our_response },
	{ "cut anywhere", cut_anywhere },
	{ "TSIG gates the commit", tsig_gates_the_commit },
	{ "forged anywhere", forged_anywhere },
	{ "TSIG errors from the primary", tsig_errors_from_the_primary },
	{ "TSIG time", tsig_time },
	{ "limits of records and octets", limit_of_records_and_octets },
	{ "limits of time", limit_of_time },
	{ "SOA over UDP and TCP", soa_over_udp_and_tcp },
	{ "SOA failures", soa_failures },
	{ "SOA ignores forgeries", soa_ignores_forgeries },
	{ "IXFR: the query", ixfr_query },
	{ "IXFR: forms", ixfr_forms },
	{ "IXFR: answered by the whole zone", ixfr_answered_by_the_whole_zone },
	{ "IXFR: nothing newer", ixfr_of_nothing_newer },
	{ "IXFR: does not fit ours", ixfr_that_does_not_fit_ours },
	{ "IXFR: TSIG", ixfr_with_tsig },
	{ "IXFR: UDP", ixfr_over_udp },
	{ "EDNS EXPIRE", expire_option },
	{ "OPT out of place", opt_out_of_place },
	{ "SOA twice", soa_twice },
	{ "SOA: signatures", soa_signatures },
	{ "SOA: signatures that are malformed", soa_signatures_malformed },
	{ "SOA: the query wants signatures", soa_query_wants_signatures },
	{ "large names that come scattered", large_names_that_come_scattered },
	{ "a name with many types", a_name_with_many_types },
	{ "budget of one name", budget_of_one_name },
	{ "one budget for all", one_budget_for_all },
	{ "out of zone, refused", out_of_zone_refused },
	{ "a failure leaves the served zone", failure_leaves_the_served_zone },
};

int main(void)
{
	name_from_text("z.test.", &apex);
	name_from_text("transfer.example.", &key.name);
	key.algorithm = TSIG_HMAC_SHA256;
	key.secret_len = 32;
	memset(key.secret, 7, key.secret_len);
	world_open(&world);
	int failed = unit_run("xfr", tests, sizeof(tests) / sizeof(tests[0]));
	world_close(&world);
	return failed;
}
