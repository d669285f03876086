// SPDX-License-Identifier: BSD-3-Clause
// Bounded wire cursors with a sticky error: read and write DNS messages safely.
//
// Purpose: a parser reads on without a check after each field and asks once at
// the end whether anything went past the end. After a failure every read gives
// 0 and every write does nothing.
// Threads: a cursor belongs to one thread. Ownership: borrows its buffer.
#pragma once

#include <endian.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct wire {
	const uint8_t *base; // start of the message, for compression pointers
	const uint8_t *pos;
	const uint8_t *end;
	bool failed;
};

static inline struct wire wire_init(const uint8_t *buf, size_t len)
{
	return (struct wire){ .base = buf, .pos = buf, .end = buf + len, .failed = false };
}

static inline size_t wire_left(const struct wire *w)
{
	return (size_t)(w->end - w->pos);
}

static inline size_t wire_offset(const struct wire *w)
{
	return (size_t)(w->pos - w->base);
}

// The next n octets, or NULL (and failed) if fewer are left.
static inline const uint8_t *wire_take(struct wire *w, size_t n)
{
	if (w->failed || wire_left(w) < n) {
		w->failed = true;
		return NULL;
	}
	const uint8_t *p = w->pos;
	w->pos += n;
	return p;
}

// Peeking and poking: no bounds are checked, and p need not be aligned.
static inline uint16_t wire_peek_be16(const uint8_t *p)
{
	uint16_t v;
	memcpy(&v, p, sizeof(v));
	return be16toh(v);
}

static inline uint32_t wire_peek_be32(const uint8_t *p)
{
	uint32_t v;
	memcpy(&v, p, sizeof(v));
	return be32toh(v);
}

static inline void wire_poke_be16(uint8_t *p, uint16_t v)
{
	v = htobe16(v);
	memcpy(p, &v, sizeof(v));
}

static inline void wire_poke_be32(uint8_t *p, uint32_t v)
{
	v = htobe32(v);
	memcpy(p, &v, sizeof(v));
}

static inline void wire_poke_be64(uint8_t *p, uint64_t v)
{
	v = htobe64(v);
	memcpy(p, &v, sizeof(v));
}

static inline uint8_t wire_u8(struct wire *w)
{
	const uint8_t *p = wire_take(w, 1);
	return p ? *p : 0;
}

static inline uint16_t wire_u16(struct wire *w)
{
	const uint8_t *p = wire_take(w, 2);
	return p ? wire_peek_be16(p) : 0;
}

static inline uint32_t wire_u32(struct wire *w)
{
	const uint8_t *p = wire_take(w, 4);
	return p ? wire_peek_be32(p) : 0;
}

static inline uint64_t wire_u64(struct wire *w)
{
	uint64_t high = wire_u32(w);
	return high << 32 | wire_u32(w);
}

struct wire_out {
	uint8_t *base;
	uint8_t *pos;
	uint8_t *end;
	bool failed;
};

static inline struct wire_out wire_out_init(uint8_t *buf, size_t cap)
{
	return (struct wire_out){ .base = buf, .pos = buf, .end = buf + cap, .failed = false };
}

static inline size_t wire_out_len(const struct wire_out *w)
{
	return (size_t)(w->pos - w->base);
}

// Room for n octets, to be written by the caller, or NULL (and failed).
static inline uint8_t *wire_reserve(struct wire_out *w, size_t n)
{
	if (w->failed || (size_t)(w->end - w->pos) < n) {
		w->failed = true;
		return NULL;
	}
	uint8_t *p = w->pos;
	w->pos += n;
	return p;
}

static inline void wire_put_bytes(struct wire_out *w, const void *src, size_t n)
{
	uint8_t *p = wire_reserve(w, n);
	if (p && n)
		memcpy(p, src, n);
}

static inline void wire_put_u8(struct wire_out *w, uint8_t v)
{
	uint8_t *p = wire_reserve(w, 1);
	if (p)
		*p = v;
}

static inline void wire_put_u16(struct wire_out *w, uint16_t v)
{
	uint8_t *p = wire_reserve(w, 2);
	if (p)
		wire_poke_be16(p, v);
}

static inline void wire_put_u32(struct wire_out *w, uint32_t v)
{
	uint8_t *p = wire_reserve(w, 4);
	if (p)
		wire_poke_be32(p, v);
}

static inline void wire_put_u64(struct wire_out *w, uint64_t v)
{
	uint8_t *p = wire_reserve(w, 8);
	if (p)
		wire_poke_be64(p, v);
}
