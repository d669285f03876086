// SPDX-License-Identifier: BSD-3-Clause
// The store's blocks (docs/store.md): a head of kind, length and CRC32C, and a payload.
//
// Purpose: what segments and states are made of. A block's checksum covers its head, its
// number among others, which is not stored, and its payload.
// Threads: any; no state. Ownership: a source has its buffer; a block points into it, or into
// the memory that is read, and lasts until the next one.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "understudy/result.h"
#include "understudy/wire.h"

#define STORE_PAYLOAD_MAX (256u << 10)
#define STORE_BLOCK_HEAD  12u

struct store_block {
	uint32_t kind;
	const uint8_t *head, *octets;
	size_t payload;
};

// Writes the head of a block whose payload stands behind it already.
void store_block_seal(uint8_t *block, uint32_t kind, uint32_t number, size_t payload);
// Whether the checksum is right.
bool store_block_good(const struct store_block *b, uint32_t number);

static inline struct wire store_block_payload(const struct store_block *b)
{
	return wire_init(b->octets, b->payload);
}

// Octets in memory, or of a file.
struct store_source {
	const uint8_t *octets; // NULL: `fd`
	int fd;
	uint64_t at, end;
	uint8_t *block; // for a file: one block
};
void store_source_memory(struct store_source *s, const void *octets, size_t len);
enum result store_source_file(struct store_source *s, int fd, uint64_t end);
void store_source_free(struct store_source *s);
// Octets of it from `at`, which does not move its place. RESULT_OK, RESULT_TRUNCATED or RESULT_IO.
enum result store_source_read(const struct store_source *s, uint8_t *into, size_t n, uint64_t at);
// The next block's head alone; the source stays before it. As below.
enum result store_source_peek(struct store_source *s, struct store_block *b);
// The next block, not yet verified. RESULT_OK, RESULT_TRUNCATED, RESULT_MALFORMED or RESULT_IO.
enum result store_source_block(struct store_source *s, struct store_block *b);
