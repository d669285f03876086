// SPDX-License-Identifier: BSD-3-Clause
// Random names written one after the other, compressed, must read back the same.
#include "compress.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "understudy/name.h"
#include "understudy/wire.h"
#include "unit.h"

#define MESSAGE_OCTETS 40000
#define NAMES          2000
#define ROUNDS         300

static uint64_t state;

static unsigned below(unsigned limit)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (unsigned)(state % limit);
}

// Few and alike labels, so that suffixes meet; of all lengths that matter to
// comparisons in words; any case, and octets that look like lengths or dots.
static unsigned put_label(uint8_t *out)
{
	static const uint8_t octets[] = "aAbB.\0\1\7\x40\x5b\x60\x7b\xff";
	static const unsigned lengths[] = { 1, 1, 2, 3, 6, 7, 8, 9, 15, 16, 63 };
	unsigned len = lengths[below(sizeof(lengths) / sizeof(lengths[0]))];
	unsigned kind = below(3);
	out[0] = (uint8_t)len;
	for (unsigned i = 1; i <= len; i++)
		out[i] = (i == len && kind == 0) ? octets[below(sizeof(octets) - 1)]
						 : (uint8_t)(below(2) ? 'x' : 'X');
	return 1 + len;
}

// A name that ends in another one, up to 255 octets.
static void make_name(uint8_t *out, const uint8_t *end)
{
	unsigned len = 0, end_len = (unsigned)name_length(end);
	for (unsigned labels = below(4); labels > 0 && len + 64 + end_len <= 255; labels--)
		len += put_label(out + len);
	memcpy(out + len, end, end_len);
}

// Reads without help of the code under test; false for pointers that do not go
// backwards to a label, or too many of them.
static bool read_back(const uint8_t *msg, unsigned at, uint8_t *out)
{
	unsigned len = 0, limit = at, pointers = 0;
	for (;;) {
		unsigned c = msg[at];
		if (c >= 0xc0) {
			unsigned target = (c & 0x3f) << 8 | msg[at + 1];
			if (target >= limit || msg[target] == 0 || msg[target] > 63 ||
			    ++pointers > COMPRESS_HOPS_MAX + 1)
				return false;
			at = limit = target;
			continue;
		}
		if (len + 1 + c > 255)
			return false;
		memcpy(out + len, msg + at, 1 + c);
		len += 1 + c;
		at += 1 + c;
		if (c == 0)
			return true;
	}
}

static void one_round(void)
{
	static uint8_t msg[MESSAGE_OCTETS];
	static uint8_t names[NAMES + 1][255];
	struct compress c;
	unsigned at = 12, count = 0;
	names[count++][0] = 0; // the root
	make_name(msg + at, names[0]);
	unsigned labels = name_label_count(msg + at), saved = 0;
	memcpy(names[count++], msg + at, name_length(msg + at));
	compress_begin(&c, msg, (uint16_t)at, below(labels + 1));
	at += (unsigned)name_length(msg + at);
	while (count <= NAMES) {
		uint8_t *name = names[count], back[255];
		uint16_t whole = 0;
		const uint8_t *end = names[below(count)];
		make_name(name, name_skip_labels(end, below(name_label_count(end) + 1)));
		unsigned octets = compress_write(&c, msg, at, MESSAGE_OCTETS - at, name, &whole);
		if (octets == 0)
			break;
		CU_ASSERT_FATAL(octets <= name_length(name));
		CU_ASSERT_FATAL(read_back(msg, at, back) && name_equal(back, name));
		CU_ASSERT_FATAL(!whole || (whole < at && read_back(msg, whole, back) &&
					   name_equal(back, name)));
		saved += (unsigned)name_length(name) - octets;
		at += octets;
		count++;
	}
	CU_ASSERT(saved > 0);
}

static void test_random(void)
{
	for (unsigned round = 0; round < ROUNDS; round++) {
		state = round + 1;
		one_round();
	}
}

// Written as short as can be, whatever the base.
static void test_shortest(void)
{
	uint8_t msg[512] = { [12] = 1, 'q', 1, 'z', 4, 't', 'e', 's', 't', 0 };
	static const struct {
		const char *name;
		unsigned octets;
	} cases[] = {
		{ "q.z.test.", 2 },   { "Z.Test.", 2 },        { "test.", 2 }, { ".", 1 },
		{ "a.q.z.test.", 4 }, { "b.a.Q.z.test.", 4 },  { "z.", 3 },    { "y.test.", 4 },
		{ "x.y.tesT.", 4 },   { "long-label.z.", 13 }, { "q.z.", 4 },  { "est.", 5 },
		{ "t.est.", 4 },
	};
	for (unsigned above = 0; above <= 3; above++) {
		struct compress c;
		uint32_t at = 22;
		compress_begin(&c, msg, 12, above);
		for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
			struct name name;
			uint16_t whole;
			CU_ASSERT_EQUAL_FATAL(name_from_text(cases[i].name, &name), RESULT_OK);
			unsigned n = compress_write(&c, msg, at, 512 - at, name.wire, &whole);
			CU_ASSERT_EQUAL(n, cases[i].octets);
			CU_ASSERT_EQUAL(whole != 0, n == 2);
			at += n;
		}
	}
}

// A question of 126 labels leaves room for the names of the reply.
static void test_many_labels(void)
{
	uint8_t msg[512] = { 0 };
	struct compress c;
	struct name name;
	uint16_t whole;
	for (unsigned i = 0; i < 126; i++)
		memcpy(msg + 12 + 2 * i, "\1a", 2);
	compress_begin(&c, msg, 12, 126);
	CU_ASSERT_EQUAL_FATAL(name_from_text("x.servers.a.", &name), RESULT_OK);
	CU_ASSERT_EQUAL(compress_write(&c, msg, 265, 100, name.wire, &whole), 12);
	CU_ASSERT_EQUAL_FATAL(name_from_text("y.servers.a.", &name), RESULT_OK);
	CU_ASSERT_EQUAL(compress_write(&c, msg, 277, 100, name.wire, &whole), 4);
}

// A name of many labels is pointed at from each of them, and so is one that leans on it.
static void test_long_names(void)
{
	uint8_t msg[1024] = { 0 };
	uint8_t name[NAME_MAX_OCTETS + 1];
	struct compress c;
	uint16_t whole;
	for (unsigned i = 0; i < 100; i++)
		memcpy(msg + 12 + 2 * i, (uint8_t[]){ 1, (uint8_t)('a' + i % 26) }, 2);
	compress_begin(&c, msg, 12, 100);
	CU_ASSERT_EQUAL(compress_write(&c, msg, 300, 255, msg + 12, &whole), 2);
	CU_ASSERT_EQUAL(whole, 12);
	memset(name, 'x', sizeof(name));
	for (unsigned i = 0; i < 20; i++)
		name[2 * i] = 1;
	memcpy(name + 40, msg + 12 + 2 * 30, 2 * 70 + 1);
	CU_ASSERT_EQUAL(compress_write(&c, msg, 400, 255, name, &whole), 42);
	CU_ASSERT_EQUAL(wire_peek_be16(msg + 440), 0xc000 + 12 + 2 * 30);
	name[11] = 'y';
	CU_ASSERT_EQUAL(compress_write(&c, msg, 500, 255, name, &whole), 14);
	CU_ASSERT_EQUAL(wire_peek_be16(msg + 512), 0xc000 + 412);
	uint8_t back[NAME_MAX_OCTETS];
	CU_ASSERT_TRUE_FATAL(read_back(msg, 500, back));
	CU_ASSERT_TRUE(name_equal(back, name));
}

// Of more long names than are kept whole the upper labels are remembered.
static void test_many_long_names(void)
{
	uint8_t msg[2048] = { [12] = 1, 'z', 0 }, name[2 * 30 + 1] = { 0 }, back[NAME_MAX_OCTETS];
	struct compress c;
	uint16_t whole;
	uint32_t at = 17;
	compress_begin(&c, msg, 12, 0);
	for (unsigned i = 0; i <= COMPRESS_LONG_NAMES; i++) {
		for (unsigned label = 0; label < 30; label++)
			memcpy(name + 2 * label, (uint8_t[]){ 1, (uint8_t)('a' + i) }, 2);
		CU_ASSERT_EQUAL(compress_write(&c, msg, at, 255, name, &whole), sizeof(name));
		at += sizeof(name);
	}
	for (unsigned octets = 2 * COMPRESS_TABLE_LABELS; octets <= 2 * 30; octets += 2) {
		const uint8_t *part = name + 2 * 30 - octets;
		unsigned n = compress_write(&c, msg, at, 255, part, &whole);
		CU_ASSERT_TRUE(n >= 2 && n <= octets - 2 * COMPRESS_TABLE_LABELS + 2);
		CU_ASSERT(read_back(msg, at, back) && name_equal(back, part));
		at += n;
	}
}

// Each name ends in the one before, so each would add a pointer to the chain.
static void test_chain(void)
{
	uint8_t msg[512] = { [12] = 1, 'z', 0 }, back[255];
	struct compress c;
	struct name name = { .len = 3, .labels = 1, .wire = "\1z" };
	uint32_t at = 17;
	compress_begin(&c, msg, 12, 0);
	for (unsigned i = 0; i < 2 * COMPRESS_HOPS_MAX; i++) {
		uint16_t whole;
		memmove(name.wire + 2, name.wire, name.len);
		memcpy(name.wire, "\1x", 2);
		name.len = (uint8_t)(name.len + 2);
		unsigned n = compress_write(&c, msg, at, 512 - at, name.wire, &whole);
		// One label and a pointer, until the chain is as long as it may be.
		unsigned over = i < COMPRESS_HOPS_MAX ? 0 : i - COMPRESS_HOPS_MAX + 1;
		CU_ASSERT_EQUAL(n, 4 + 2 * over);
		CU_ASSERT(read_back(msg, at, back) && name_equal(back, name.wire));
		at += n;
	}
}

static unsigned write_host(struct compress *c, uint8_t *msg, uint32_t at, unsigned host,
			   unsigned domain)
{
	char text[64];
	struct name name;
	uint16_t whole;
	snprintf(text, sizeof(text), "h%04u.d%03u.z.", host, domain);
	CU_ASSERT_EQUAL_FATAL(name_from_text(text, &name), RESULT_OK);
	return compress_write(c, msg, at, MESSAGE_OCTETS - at, name.wire, &whole);
}

// More suffixes than are remembered: new ones are of use soon, useful ones stay.
static void test_many_suffixes(void)
{
	static uint8_t msg[MESSAGE_OCTETS] = { [12] = 1, 'z', 0 };
	struct compress c;
	uint32_t at = 17;
	compress_begin(&c, msg, 12, 0);
	for (unsigned i = 0; i < 900; i++) {
		unsigned n = write_host(&c, msg, at, i, i / 9);
		CU_ASSERT_EQUAL(n, i % 9 ? 8 : 13);
		at += n;
	}
	at = 17;
	compress_begin(&c, msg, 12, 0);
	for (unsigned i = 0; i < 1900; i++) {
		unsigned n = write_host(&c, msg, at, i, i % 9);
		CU_ASSERT_EQUAL(n, i < 9 ? 13 : 8);
		at += n;
	}
}

static void test_no_room(void)
{
	uint8_t msg[64] = { [12] = 1, 'z', 0 };
	struct compress c;
	struct name name;
	uint16_t whole;
	CU_ASSERT_EQUAL_FATAL(name_from_text("abc.z.", &name), RESULT_OK);
	compress_begin(&c, msg, 12, 0);
	for (uint32_t room = 0; room < 6; room++)
		CU_ASSERT_EQUAL(compress_write(&c, msg, 15, room, name.wire, &whole), 0);
	CU_ASSERT_EQUAL(msg[15], 0);
	CU_ASSERT_EQUAL(compress_write(&c, msg, 15, 6, name.wire, &whole), 6);
	CU_ASSERT_EQUAL(compress_write(&c, msg, 21, 1, name.wire, &whole), 0);
	CU_ASSERT_EQUAL(compress_write(&c, msg, 21, 2, name.wire, &whole), 2);
	CU_ASSERT_EQUAL(whole, 15);
}

UNIT_MAIN("compress", { "random", test_random }, { "shortest", test_shortest },
	  { "many labels", test_many_labels }, { "long names", test_long_names },
	  { "many long names", test_many_long_names }, { "chain", test_chain },
	  { "many suffixes", test_many_suffixes }, { "no room", test_no_room })
