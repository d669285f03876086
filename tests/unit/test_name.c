// SPDX-License-Identifier: BSD-3-Clause
// Names: reading with compression, text, comparison and canonical order.
#include <stdlib.h>
#include <string.h>

#include "understudy/name.h"
#include "unit/unit.h"

static struct name from_text(const char *text)
{
	struct name n = { .len = 0 };
	CU_ASSERT_EQUAL_FATAL(name_from_text(text, &n), RESULT_OK);
	return n;
}

static enum result read_at(const uint8_t *msg, size_t len, size_t offset, struct name *out,
			   size_t *after)
{
	struct wire w = wire_init(msg, len);
	w.pos += offset;
	enum result r = name_read(&w, out);
	CU_ASSERT_EQUAL(w.failed, r != RESULT_OK);
	*after = wire_offset(&w);
	return r;
}

static void read_plain_and_compressed(void)
{
	// 0: example.com.  13: www + pointer to 0  19: pointer to 13  21: root
	static const uint8_t msg[] = "\007example\003com\000"
				     "\003www\300\000"
				     "\300\015"
				     "\000";
	struct name n;
	size_t after;
	char text[NAME_TEXT_SIZE];
	CU_ASSERT_EQUAL(read_at(msg, sizeof(msg) - 1, 0, &n, &after), RESULT_OK);
	CU_ASSERT_STRING_EQUAL(name_to_text(n.wire, text), "example.com.");
	CU_ASSERT_EQUAL(after, 13);
	CU_ASSERT_EQUAL(n.len, 13);
	CU_ASSERT_EQUAL(n.labels, 2);
	CU_ASSERT_EQUAL(read_at(msg, sizeof(msg) - 1, 13, &n, &after), RESULT_OK);
	CU_ASSERT_STRING_EQUAL(name_to_text(n.wire, text), "www.example.com.");
	CU_ASSERT_EQUAL(after, 19);
	CU_ASSERT_EQUAL(read_at(msg, sizeof(msg) - 1, 19, &n, &after), RESULT_OK);
	CU_ASSERT_STRING_EQUAL(name_to_text(n.wire, text), "www.example.com.");
	CU_ASSERT_EQUAL(after, 21);
	CU_ASSERT_EQUAL(read_at(msg, sizeof(msg) - 1, 21, &n, &after), RESULT_OK);
	CU_ASSERT_EQUAL(n.len, 1);
	CU_ASSERT_EQUAL(n.labels, 0);
	CU_ASSERT_EQUAL(after, 22);
}

static void read_rejects(void)
{
	static const struct {
		const char *what;
		const char *octets;
		size_t len;
		size_t offset;
		enum result expected;
	} cases[] = {
		{ "empty", "", 0, 0, RESULT_TRUNCATED },
		{ "no root label", "\001a", 2, 0, RESULT_TRUNCATED },
		{ "half a label", "\005ab", 3, 0, RESULT_TRUNCATED },
		{ "half a pointer", "\001a\300", 3, 0, RESULT_TRUNCATED },
		{ "label type 01", "\101a", 3, 0, RESULT_MALFORMED },
		{ "label type 10", "\201a", 3, 0, RESULT_MALFORMED },
		{ "pointer to itself", "\300\000", 2, 0, RESULT_MALFORMED },
		{ "pointer to its own name", "\001a\300\000", 4, 0, RESULT_MALFORMED },
		{ "pointer forwards", "\300\002\000", 3, 0, RESULT_MALFORMED },
		{ "two pointers in a loop", "\300\002\300\000", 4, 2, RESULT_MALFORMED },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct name n;
		size_t after;
		uint8_t *copy = malloc(cases[i].len + 1);
		CU_ASSERT_PTR_NOT_NULL_FATAL(copy);
		memcpy(copy, cases[i].octets, cases[i].len);
		CU_ASSERT_EQUAL(read_at(copy, cases[i].len, cases[i].offset, &n, &after),
				cases[i].expected);
		free(copy);
	}
}

// A label may run into the name that points at it, once.
static void read_pointer_into_label(void)
{
	// 0: label of 4 that covers 1..4; the name at 3 is "\001x\300\000".
	static const uint8_t msg[] = "\004ab\001x\300\000";
	struct name n;
	size_t after;
	CU_ASSERT_EQUAL(read_at(msg, 7, 3, &n, &after), RESULT_MALFORMED);
}

// Names of exactly 255 octets are read, of 256 not; the same for 127 labels.
static void read_length_limits(void)
{
	uint8_t msg[600] = { 0 };
	struct name n;
	size_t after;
	for (unsigned i = 0; i < 127; i++) {
		msg[2 * i] = 1;
		msg[2 * i + 1] = 'a';
	}
	CU_ASSERT_EQUAL(read_at(msg, sizeof(msg), 0, &n, &after), RESULT_OK);
	CU_ASSERT_EQUAL(n.len, 255);
	CU_ASSERT_EQUAL(n.labels, 127);
	CU_ASSERT_EQUAL(after, 255);
	msg[254] = 1;
	CU_ASSERT_EQUAL(read_at(msg, sizeof(msg), 0, &n, &after), RESULT_MALFORMED);
	// Too long only by what is pointed at.
	msg[254] = 0;
	memcpy(msg + 300, "\001b\300\000", 4);
	CU_ASSERT_EQUAL(read_at(msg, sizeof(msg), 300, &n, &after), RESULT_MALFORMED);
	memcpy(msg + 300, "\001b\300\002", 4);
	CU_ASSERT_EQUAL(read_at(msg, sizeof(msg), 300, &n, &after), RESULT_OK);
	CU_ASSERT_EQUAL(n.len, 255);
}

// Pointers at pointers are bounded: 128 of them pass, more do not.
static void read_pointer_chain(void)
{
	uint8_t msg[1024] = { 0 };
	struct name n;
	size_t after;
	for (unsigned i = 0; i < 500; i++)
		wire_poke_be16(msg + 1 + 2 * i, (uint16_t)(0xc000 | (i ? 1 + 2 * (i - 1) : 0)));
	CU_ASSERT_EQUAL(read_at(msg, sizeof(msg), 1 + 2 * 127, &n, &after), RESULT_OK);
	CU_ASSERT_EQUAL(read_at(msg, sizeof(msg), 1 + 2 * 128, &n, &after), RESULT_MALFORMED);
}

static void skip_passes_what_read_reads(void)
{
	static const uint8_t msg[] = "\007example\003com\000\003www\300\000\100\003ab";
	static const struct {
		size_t offset, after;
		enum result expected;
	} cases[] = {
		{ 0, 13, RESULT_OK },        { 13, 19, RESULT_OK },
		{ 12, 13, RESULT_OK },       { 19, 0, RESULT_MALFORMED },
		{ 20, 0, RESULT_TRUNCATED }, { sizeof(msg) - 1, 0, RESULT_TRUNCATED },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct wire w = wire_init(msg, sizeof(msg) - 1);
		w.pos += cases[i].offset;
		CU_ASSERT_EQUAL(name_skip(&w), cases[i].expected);
		CU_ASSERT_EQUAL(w.failed, cases[i].expected != RESULT_OK);
		if (cases[i].expected == RESULT_OK)
			CU_ASSERT_EQUAL(wire_offset(&w), cases[i].after);
	}
}

static void text_round_trip(void)
{
	static const struct {
		const char *in;
		const char *out;
		unsigned labels;
	} cases[] = {
		{ ".", ".", 0 },
		{ "com", "com.", 1 },
		{ "Example.COM.", "Example.COM.", 2 },
		{ "a\\.b.c.", "a\\.b.c.", 2 },
		{ "\\097\\032\\255.", "a\\032\\255.", 1 },
		{ "\\\\\\\"\\(.x", "\\\\\\\"\\(.x.", 2 },
		{ "*.x", "*.x.", 2 },
		{ "a\\@\\$\\;.", "a\\@\\$\\;.", 1 },
		{ "\\000.", "\\000.", 1 },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct name n = from_text(cases[i].in), again;
		char text[NAME_TEXT_SIZE];
		CU_ASSERT_STRING_EQUAL(name_to_text(n.wire, text), cases[i].out);
		CU_ASSERT_EQUAL(n.labels, cases[i].labels);
		again = from_text(text);
		CU_ASSERT_EQUAL(again.len, n.len);
		CU_ASSERT_EQUAL(memcmp(again.wire, n.wire, n.len), 0);
	}
}

static void text_rejects(void)
{
	static const char *const bad[] = {
		"", "..", "a..b", ".a", "\\", "a\\", "\\25", "\\2a5", "\\256", "\\999",
	};
	struct name n;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		CU_ASSERT_EQUAL(name_from_text(bad[i], &n), RESULT_MALFORMED);
}

static void text_length_limits(void)
{
	char text[600];
	struct name n;
	memset(text, 'a', 64);
	text[63] = '\0';
	CU_ASSERT_EQUAL(name_from_text(text, &n), RESULT_OK);
	text[63] = 'a';
	text[64] = '\0';
	CU_ASSERT_EQUAL(name_from_text(text, &n), RESULT_MALFORMED);
	// 127 labels of one octet: 255 octets. One more label, or octet, is too much.
	for (unsigned i = 0; i < 127; i++)
		memcpy(text + 2 * i, "a.", 3);
	CU_ASSERT_EQUAL(name_from_text(text, &n), RESULT_OK);
	CU_ASSERT_EQUAL(n.len, 255);
	memcpy(text + 2 * 127 - 1, "a.", 3);
	CU_ASSERT_EQUAL(name_from_text(text, &n), RESULT_MALFORMED);
	memcpy(text + 2 * 127 - 1, ".a", 3);
	CU_ASSERT_EQUAL(name_from_text(text, &n), RESULT_MALFORMED);
}

// The longest text there can be: every octet as \DDD.
static void text_longest(void)
{
	struct name n = { .len = 0 };
	for (unsigned at = 0; at < 254;) {
		unsigned len = 254 - at - 1 < 63 ? 254 - at - 1 : 63;
		n.wire[at] = (uint8_t)len;
		memset(n.wire + at + 1, 0xff, len);
		at += 1 + len;
	}
	n.wire[254] = 0;
	char text[NAME_TEXT_SIZE];
	CU_ASSERT_EQUAL(strlen(name_to_text(n.wire, text)), 250 * 4 + 4);
	struct name back = from_text(text);
	CU_ASSERT_EQUAL(back.len, 255);
	CU_ASSERT_EQUAL(memcmp(back.wire, n.wire, 255), 0);
}

static void lower_table(void)
{
	for (unsigned c = 0; c < 256; c++)
		CU_ASSERT_EQUAL(name_lower[c], c >= 'A' && c <= 'Z' ? c + 32 : c);
}

static void equality_ignores_ascii_case_only(void)
{
	struct name a = from_text("WWW.Example.com"), b = from_text("www.eXAMPLE.COM");
	CU_ASSERT(name_equal(a.wire, b.wire));
	b = from_text("ww.wexample.com");
	CU_ASSERT_FALSE(name_equal(a.wire, b.wire));
	b = from_text("example.com");
	CU_ASSERT_FALSE(name_equal(a.wire, b.wire));
	CU_ASSERT_FALSE(name_equal(b.wire, a.wire));
	a = from_text("\\224");
	b = from_text("\\192"); // Latin-1 A and a with grave: no letters here
	CU_ASSERT_FALSE(name_equal(a.wire, b.wire));
	a = from_text("[");
	b = from_text("{");
	CU_ASSERT_FALSE(name_equal(a.wire, b.wire));
}

// Octets of every length, and two that are equal in all but one place: by their case, by the
// bit that cases differ in, or otherwise.
static void equality_of_octets(void)
{
	uint8_t a[80], b[80];
	for (unsigned n = 0; n <= 40; n++) {
		for (unsigned i = 0; i < n; i++)
			a[i] = b[i] = (uint8_t)('A' + i % 26);
		CU_ASSERT(name_octets_equal(a, b, n));
		for (unsigned at = 0; at < n; at++) {
			uint8_t was = b[at];
			for (unsigned c = 0; c < 256; c++) {
				b[at] = (uint8_t)c;
				CU_ASSERT_EQUAL(name_octets_equal(a, b, n),
						(c | 0x20) == (was | 0x20));
			}
			a[at] = '@';
			b[at] = '`'; // no letters
			CU_ASSERT_FALSE(name_octets_equal(a, b, n));
			a[at] = b[at] = was;
		}
	}
}

static void ancestors(void)
{
	static const struct {
		const char *name, *ancestor;
		bool expected;
	} cases[] = {
		{ "a.b.c", "b.c", true }, { "a.b.c", "A.B.C", true }, { "a.b.c", ".", true },
		{ ".", ".", true },       { "b.c", "a.b.c", false },  { ".", "c", false },
		{ "ab.c", "b.c", false }, { "a.b.c", "a.b", false },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct name n = from_text(cases[i].name), a = from_text(cases[i].ancestor);
		CU_ASSERT_EQUAL(name_is_at_or_below(n.wire, a.wire), cases[i].expected);
	}
}

// The example of RFC 4034 section 6.1, every pair of it.
static void canonical_order(void)
{
	static const char *const order[] = {
		"example",         "a.example",      "yljkjljk.a.example",
		"Z.a.example",     "zABC.a.EXAMPLE", "z.example",
		"\\001.z.example", "*.z.example",    "\\200.z.example",
	};
	int count = sizeof(order) / sizeof(order[0]);
	for (int i = 0; i < count; i++) {
		for (int j = 0; j < count; j++) {
			struct name a = from_text(order[i]), b = from_text(order[j]);
			int got = name_compare(a.wire, b.wire);
			CU_ASSERT_EQUAL((got > 0) - (got < 0), (i > j) - (i < j));
		}
	}
	struct name root = from_text("."), com = from_text("com");
	CU_ASSERT(name_compare(root.wire, com.wire) < 0);
	CU_ASSERT_EQUAL(name_compare(root.wire, root.wire), 0);
}

static void pieces(void)
{
	struct name n = from_text("a.bc.def"), copy;
	CU_ASSERT_EQUAL(name_length(n.wire), 10);
	CU_ASSERT_EQUAL(name_label_count(n.wire), 3);
	CU_ASSERT_EQUAL(*name_skip_labels(n.wire, 0), 1);
	CU_ASSERT_EQUAL(*name_skip_labels(n.wire, 2), 3);
	CU_ASSERT_EQUAL(*name_skip_labels(n.wire, 3), 0);
	name_copy(&copy, n.wire);
	CU_ASSERT_EQUAL(copy.len, n.len);
	CU_ASSERT_EQUAL(copy.labels, 3);
	CU_ASSERT_EQUAL(memcmp(copy.wire, n.wire, n.len), 0);
}

// After a failure nothing more is read, even where a name stands.
static void read_after_failure(void)
{
	static const uint8_t msg[] = "\001a\000";
	struct wire w = wire_init(msg, 3);
	struct name name;
	wire_take(&w, 4);
	CU_ASSERT(w.failed);
	CU_ASSERT_EQUAL(name_read(&w, &name), RESULT_TRUNCATED);
	CU_ASSERT_EQUAL(name_skip(&w), RESULT_TRUNCATED);
	CU_ASSERT_PTR_EQUAL(w.pos, msg);
}

UNIT_MAIN("name", { "plain and compressed", read_plain_and_compressed },
	  { "malformed names", read_rejects }, { "nothing after a failure", read_after_failure },
	  { "pointer into a label", read_pointer_into_label },
	  { "255 octets, 127 labels", read_length_limits },
	  { "chains of pointers", read_pointer_chain }, { "skipping", skip_passes_what_read_reads },
	  { "text round trip", text_round_trip }, { "malformed text", text_rejects },
	  { "lengths of text", text_length_limits }, { "longest text", text_longest },
	  { "lower case", lower_table }, { "equality", equality_ignores_ascii_case_only },
	  { "equality of octets", equality_of_octets }, { "ancestors", ancestors },
	  { "canonical order", canonical_order }, { "pieces", pieces })
