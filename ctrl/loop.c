// SPDX-License-Identifier: BSD-3-Clause
// What the parts around the event loop share: time, chance, growing buffers.
#include "loop.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

struct xfr_time loop_time(void)
{
	struct timespec unix_time, monotonic;
	clock_gettime(CLOCK_REALTIME, &unix_time);
	clock_gettime(CLOCK_MONOTONIC, &monotonic);
	return (struct xfr_time){
		.unix_s = (uint64_t)unix_time.tv_sec,
		.monotonic_ms =
			(uint64_t)monotonic.tv_sec * 1000 + (uint64_t)monotonic.tv_nsec / 1000000,
	};
}

uint32_t loop_random(void)
{
	uint32_t value;
	if (getrandom(&value, sizeof(value), 0) != (ssize_t)sizeof(value))
		abort(); // up to 256 octets cannot fail once the kernel's pool is ready
	return value;
}

enum result buffer_reserve(struct buffer *b, size_t n)
{
	if (b->cap - b->len >= n)
		return RESULT_OK;
	size_t cap = b->cap ? b->cap : 1024;
	while (cap - b->len < n)
		cap *= 2;
	uint8_t *more = realloc(b->octets, cap);
	if (!more)
		return RESULT_NO_MEMORY;
	b->octets = more;
	b->cap = cap;
	return RESULT_OK;
}

void buffer_consume(struct buffer *b, size_t n)
{
	b->len -= n;
	if (b->len)
		memmove(b->octets, b->octets + n, b->len);
}

void buffer_free(struct buffer *b)
{
	free(b->octets);
	*b = (struct buffer){ 0 };
}
