// SPDX-License-Identifier: BSD-3-Clause
// Jobs in parts, and what is done so: reading and settling images of very many pieces.
#include "understudy/crew.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "store_format.h"
#include "support/world.h"
#include "understudy/rr.h"
#include "unit.h"

#define PARTS_MAX  3000u
#define NAMES      40000u // some 12 MiB
#define TEXT_LEN   255u
#define PIECES     40u // at least, and less than twice as many
#define BLOCK_HEAD 12u

// ---- parts

static _Atomic unsigned done[PARTS_MAX + 1];

static void do_part(void *arg, unsigned part)
{
	CU_ASSERT_PTR_EQUAL(arg, done);
	atomic_fetch_add(&done[part < PARTS_MAX ? part : PARTS_MAX], 1);
}

static void test_parts(void)
{
	static const unsigned counts[] = { 0, 1, 2, 7, 8, 15, 16, 17, 64, PARTS_MAX };
	for (unsigned c = 0; c < sizeof(counts) / sizeof(counts[0]); c++) {
		memset(done, 0, sizeof(done));
		crew_do(counts[c], do_part, done);
		for (unsigned i = 0; i <= PARTS_MAX; i++)
			CU_ASSERT_EQUAL(done[i], i < counts[c]);
	}
}

// ---- a large image

struct source_zone {
	struct world world;
	struct name apex;
	struct store_writer writer;
	uint32_t spoil; // leaves whose references are wrong, though the checksums are right
	uint32_t spoilt;
};

static void add(struct zone_txn *t, const uint8_t *owner, uint16_t type, const void *rdata,
		uint16_t len)
{
	struct zone_record r = {
		.owner = owner, .type = type, .ttl_s = 300, .rdata = rdata, .rdata_len = len
	};
	CU_ASSERT_EQUAL_FATAL(zone_txn_add(t, &r), RESULT_OK);
}

static void make_zone(struct source_zone *z)
{
	uint8_t soa[] = "\2ns\0\4root\0\0\0\0\7abcdefghijklmno", text[1 + TEXT_LEN];
	struct zone_txn *t;
	struct zone_version *v;
	*z = (struct source_zone){ 0 };
	world_open(&z->world);
	CU_ASSERT_EQUAL(name_from_text("large.example", &z->apex), RESULT_OK);
	const struct zone_txn_options o = { .apex = z->apex.wire };
	CU_ASSERT_EQUAL_FATAL(zone_txn_begin(z->world.db, &o, &t), RESULT_OK);
	add(t, z->apex.wire, RRTYPE_SOA, soa, sizeof(soa));
	memset(text, 'x', sizeof(text));
	text[0] = TEXT_LEN;
	for (unsigned i = 0; i < NAMES; i++) {
		char label[40];
		struct name owner;
		snprintf(label, sizeof(label), "n%u.large.example", i);
		CU_ASSERT_EQUAL(name_from_text(label, &owner), RESULT_OK);
		memcpy(text + 1, label, 8);
		add(t, owner.wire, RRTYPE_TXT, text, sizeof(text));
	}
	CU_ASSERT_EQUAL_FATAL(zone_txn_commit(t, &v), RESULT_OK);
	zonedb_publish(z->world.db, &v, 1);
}

// Texts have no zeros: where this stands, it is a leaf's twig.
static bool is_leaf(const uint32_t word[3])
{
	uint32_t piece = word[2] >> 15;
	return word[0] == 1 && word[1] == 0 && piece >= 1 && piece < 2 * PIECES;
}

// What is spoilt gets a checksum all the same.
static enum result take_piece(void *arg, const void *octets, size_t len)
{
	struct source_zone *z = arg;
	uint8_t *copy = malloc(len);
	CU_ASSERT_PTR_NOT_NULL_FATAL(copy);
	memcpy(copy, octets, len);
	for (size_t at = 0; z->spoilt < z->spoil && at + 12 <= len; at += 4) {
		uint32_t word[3];
		memcpy(word, copy + at, sizeof(word));
		if (!is_leaf(word))
			continue;
		word[2] = UINT32_MAX;
		memcpy(copy + at, word, sizeof(word));
		z->spoilt++;
	}
	enum result r = store_writer_piece(&z->writer, copy, len);
	free(copy);
	return r;
}

static void write_image(struct source_zone *z)
{
	const struct catalog *view = zonedb_view(z->world.db);
	const struct zone_image_sink sink = { take_piece, z };
	struct store_head head = { .kind = STORE_CELLS, .id = 9, .to = 7, .apex = z->apex };
	struct zone_image image;
	store_writer_free(&z->writer);
	z->spoilt = 0;
	CU_ASSERT_EQUAL(store_writer_begin(&z->writer, &head), RESULT_OK);
	CU_ASSERT_EQUAL_FATAL(
		zone_image_write(view, catalog_zone(view, z->apex.wire), &sink, &image), RESULT_OK);
	CU_ASSERT_EQUAL(store_writer_end(&z->writer, &image), RESULT_OK);
	CU_ASSERT(image.pieces >= PIECES && image.pieces < 2 * PIECES);
}

// Reads the image back, as a file or from memory, and checks all of it if it can be read.
static enum result read_image(const struct source_zone *z, struct store_source *s)
{
	struct world w;
	struct zone_txn *t;
	struct zone_version *v;
	struct store_head last;
	char why[256] = "";
	const struct zone_txn_options o = { .apex = z->apex.wire };
	world_open(&w);
	CU_ASSERT_EQUAL_FATAL(zone_txn_begin(w.db, &o, &t), RESULT_OK);
	enum result r = store_read_zone(s, z->apex.wire, t, &last);
	if (r == RESULT_OK) {
		CU_ASSERT_EQUAL_FATAL(zone_txn_commit(t, &v), RESULT_OK);
		zonedb_publish(w.db, &v, 1);
		const struct catalog *view = zonedb_view(w.db);
		CU_ASSERT_EQUAL(zonedb_check(w.db, view, why, sizeof(why)), RESULT_OK);
		CU_ASSERT_EQUAL(zone_record_count(catalog_zone(view, z->apex.wire)), NAMES + 1);
	} else {
		zone_txn_abort(t);
	}
	world_close(&w);
	return r;
}

static enum result read_memory(const struct source_zone *z, size_t len)
{
	struct store_source s;
	store_source_memory(&s, z->writer.out.octets, len);
	return read_image(z, &s);
}

static enum result read_file(const struct source_zone *z, size_t len, size_t promised)
{
	struct store_source s;
	int fd = memfd_create("image", 0);
	CU_ASSERT_EQUAL_FATAL(write(fd, z->writer.out.octets, len), (ssize_t)len);
	CU_ASSERT_EQUAL(store_source_file(&s, fd, promised), RESULT_OK);
	enum result r = read_image(z, &s);
	store_source_free(&s);
	close(fd);
	return r;
}

static void test_image(void)
{
	struct source_zone z;
	make_zone(&z);
	write_image(&z);
	size_t len = z.writer.out.len;
	CU_ASSERT_EQUAL(read_memory(&z, len), RESULT_OK);
	CU_ASSERT_EQUAL(read_file(&z, len, len), RESULT_OK);
	// Damage anywhere, in blocks' heads as well, is found by whatever thread comes by.
	for (size_t at = 3; at < len; at += len / 50) {
		z.writer.out.octets[at] ^= 0x20;
		CU_ASSERT_NOT_EQUAL(read_memory(&z, len), RESULT_OK);
		z.writer.out.octets[at] ^= 0x20;
	}
	for (size_t block = 0; block + BLOCK_HEAD < len;) {
		uint8_t *head = z.writer.out.octets + block;
		size_t payload = wire_peek_be32(head + 4);
		for (unsigned i = 0; i < BLOCK_HEAD && block % 5 == 0; i++) {
			head[i] ^= 0x01;
			CU_ASSERT_NOT_EQUAL(read_memory(&z, len), RESULT_OK);
			head[i] ^= 0x01;
		}
		block += BLOCK_HEAD + payload;
	}
	// Cut off: where the reader may know it, and where the file ends before.
	for (size_t cut = len - 1; cut > len / 16; cut -= len / 16) {
		CU_ASSERT_EQUAL(read_memory(&z, cut), RESULT_TRUNCATED);
		CU_ASSERT_EQUAL(read_file(&z, cut, len), RESULT_TRUNCATED);
	}
	CU_ASSERT_EQUAL(read_file(&z, len, len), RESULT_OK);
	store_writer_free(&z.writer);
	world_close(&z.world);
}

// References that lead out of their piece are found wherever they stand.
static void test_references(void)
{
	struct source_zone z;
	make_zone(&z);
	for (z.spoil = 1; z.spoil < NAMES; z.spoil *= 3) {
		write_image(&z);
		CU_ASSERT_EQUAL(z.spoilt, z.spoil);
		CU_ASSERT_EQUAL(read_memory(&z, z.writer.out.len), RESULT_MALFORMED);
	}
	z.spoil = 0;
	write_image(&z);
	CU_ASSERT_EQUAL(read_memory(&z, z.writer.out.len), RESULT_OK);
	store_writer_free(&z.writer);
	world_close(&z.world);
}

UNIT_MAIN("crew", { "parts", test_parts }, { "a large image", test_image },
	  { "references", test_references })
