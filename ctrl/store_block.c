// SPDX-License-Identifier: BSD-3-Clause
// The store's format: blocks with checksums. No I/O but reading a file from front to back.
#include "store_block.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "crc32c.h"

// Of the block whose head begins at `head`.
static uint32_t block_crc(const uint8_t *head, uint32_t number, const uint8_t *payload, size_t len)
{
	uint8_t n[4];
	wire_poke_be32(n, number);
	uint32_t crc = crc32c(0, head, 8);
	return crc32c(crc32c(crc, n, sizeof(n)), payload, len);
}

void store_block_seal(uint8_t *block, uint32_t kind, uint32_t number, size_t payload)
{
	wire_poke_be32(block, kind);
	wire_poke_be32(block + 4, (uint32_t)payload);
	wire_poke_be32(block + 8, block_crc(block, number, block + STORE_BLOCK_HEAD, payload));
}

bool store_block_good(const struct store_block *b, uint32_t number)
{
	return wire_peek_be32(b->head + 8) == block_crc(b->head, number, b->octets, b->payload);
}

void store_source_memory(struct store_source *s, const void *octets, size_t len)
{
	*s = (struct store_source){ .octets = octets, .fd = -1, .end = len };
}

enum result store_source_file(struct store_source *s, int fd, uint64_t end)
{
	*s = (struct store_source){ .fd = fd, .end = end };
	s->block = malloc(STORE_BLOCK_HEAD + STORE_PAYLOAD_MAX);
	return s->block ? RESULT_OK : RESULT_NO_MEMORY;
}

void store_source_free(struct store_source *s)
{
	free(s->block);
	s->block = NULL;
}

enum result store_source_read(const struct store_source *s, uint8_t *into, size_t n, uint64_t at)
{
	if (s->octets) {
		memcpy(into, s->octets + at, n);
		return RESULT_OK;
	}
	for (size_t got = 0; got < n;) {
		ssize_t more = pread(s->fd, into + got, n - got, (off_t)(at + got));
		if (more < 0 && errno == EINTR)
			continue;
		if (more <= 0)
			return more < 0 ? RESULT_IO : RESULT_TRUNCATED;
		got += (size_t)more;
	}
	return RESULT_OK;
}

// `n` octets at `skip` octets behind the source's place, at the same place in
// the block's buffer.
static enum result peek(struct store_source *s, size_t skip, size_t n, const uint8_t **block)
{
	if (s->end - s->at < skip + n)
		return RESULT_TRUNCATED;
	*block = s->octets ? s->octets + s->at : s->block;
	return s->octets ? RESULT_OK : store_source_read(s, s->block + skip, n, s->at + skip);
}

enum result store_source_peek(struct store_source *s, struct store_block *b)
{
	enum result r = peek(s, 0, STORE_BLOCK_HEAD, &b->head);
	if (r != RESULT_OK)
		return r;
	b->kind = wire_peek_be32(b->head);
	b->payload = wire_peek_be32(b->head + 4);
	if (b->payload > STORE_PAYLOAD_MAX)
		return RESULT_MALFORMED;
	return s->end - s->at < STORE_BLOCK_HEAD + b->payload ? RESULT_TRUNCATED : RESULT_OK;
}

enum result store_source_block(struct store_source *s, struct store_block *b)
{
	const uint8_t *all;
	enum result r = store_source_peek(s, b);
	if (r == RESULT_OK)
		r = peek(s, STORE_BLOCK_HEAD, b->payload, &all);
	if (r != RESULT_OK)
		return r;
	b->octets = all + STORE_BLOCK_HEAD;
	s->at += STORE_BLOCK_HEAD + b->payload;
	return RESULT_OK;
}
