// SPDX-License-Identifier: BSD-3-Clause
// How much of each zone was stored last, kept apart from LMDB.
#include "store_marks.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "crc32c.h"
#include "folder.h"
#include "understudy/wire.h"

#define MARK_OCTETS 28u
#define SUM_AT      24u
#define READ_MARKS  4096u

// FNV-1a of 64 bits.
uint64_t store_mark_name(const uint8_t *apex, size_t len)
{
	uint64_t hash = UINT64_C(0xcbf29ce484222325);
	for (size_t i = 0; i < len; i++)
		hash = (hash ^ apex[i]) * UINT64_C(0x100000001b3);
	return hash;
}

static void put_u64(struct wire_out *o, uint64_t value)
{
	wire_put_u32(o, (uint32_t)(value >> 32));
	wire_put_u32(o, (uint32_t)value);
}

static void write_mark(uint32_t slot, const struct store_mark *mark, uint8_t out[MARK_OCTETS])
{
	struct wire_out o = wire_out_init(out, MARK_OCTETS);
	put_u64(&o, mark->name);
	put_u64(&o, mark->id);
	put_u64(&o, mark->octets);
	wire_put_u32(&o, crc32c(slot, out, SUM_AT));
}

static uint64_t peek_u64(const uint8_t *p)
{
	return (uint64_t)wire_peek_be32(p) << 32 | wire_peek_be32(p + 4);
}

static int by_name(const void *a, const void *b)
{
	const struct store_mark *x = a, *y = b;
	return (x->name > y->name) - (x->name < y->name);
}

// ---- reading

static void take_marks(struct store_marks *m, const uint8_t *octets, size_t len, uint32_t slot)
{
	for (size_t at = 0; at + MARK_OCTETS <= len; at += MARK_OCTETS, slot++) {
		const uint8_t *p = octets + at;
		if (wire_peek_be32(p + SUM_AT) == crc32c(slot, p, SUM_AT))
			m->list[m->count++] = (struct store_mark){ peek_u64(p), peek_u64(p + 8),
								   peek_u64(p + 16) };
	}
}

enum result store_marks_read(const char *path, struct store_marks *out)
{
	struct stat st;
	struct store_marks m = { 0 };
	uint32_t slot = 0;
	uint8_t *octets = malloc(READ_MARKS * MARK_OCTETS);
	enum result r = octets ? RESULT_OK : RESULT_NO_MEMORY;
	FILE *f = fopen(path, "re");
	if (r == RESULT_OK && f && fstat(fileno(f), &st) == 0) {
		size_t room = (size_t)st.st_size / MARK_OCTETS;
		m.list = calloc(room + 1, sizeof(*m.list));
		r = m.list ? RESULT_OK : RESULT_NO_MEMORY;
		for (size_t n; r == RESULT_OK && slot < room &&
			       (n = fread(octets, MARK_OCTETS, READ_MARKS, f));
		     slot += (uint32_t)n)
			take_marks(&m, octets, n * MARK_OCTETS, slot);
	}
	if (r == RESULT_OK && m.count)
		qsort(m.list, m.count, sizeof(*m.list), by_name);
	if (r == RESULT_OK)
		*out = m;
	if (f)
		fclose(f);
	free(octets);
	return r;
}

void store_marks_free(struct store_marks *m)
{
	free(m->list);
	*m = (struct store_marks){ 0 };
}

const struct store_mark *store_marks_find(const struct store_marks *m, uint64_t name)
{
	const struct store_mark key = { .name = name };
	return m->count ? bsearch(&key, m->list, m->count, sizeof(key), by_name) : NULL;
}

// ---- writing

enum result store_marks_new(const char *path, const struct store_mark *list, size_t count, int *fd)
{
	char part[4200];
	uint8_t octets[MARK_OCTETS];
	snprintf(part, sizeof(part), "%s.new", path);
	int out = open(part, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640);
	FILE *f = out >= 0 ? fopen(part, "we") : NULL;
	bool ok = f;
	for (size_t i = 0; ok && i < count; i++) {
		write_mark((uint32_t)i, &list[i], octets);
		ok = fwrite(octets, sizeof(octets), 1, f) == 1;
	}
	if (f)
		ok = (fclose(f) == 0) & ok;
	ok = ok && fdatasync(out) == 0;
	if (ok && folder_rename(part, path) == RESULT_OK) {
		*fd = out;
		return RESULT_OK;
	}
	int saved = errno;
	if (out >= 0)
		close(out);
	unlink(part);
	errno = saved;
	return RESULT_IO;
}

void store_marks_put(int fd, uint32_t slot, const struct store_mark *mark)
{
	uint8_t octets[MARK_OCTETS];
	write_mark(slot, mark, octets);
	ssize_t n = pwrite(fd, octets, sizeof(octets), (off_t)slot * MARK_OCTETS);
	(void)n; // as the header says
}
