// SPDX-License-Identifier: BSD-3-Clause
// What the parts around the event loop share: time, chance, growing buffers.
//
// Threads: any; no state.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "understudy/result.h"
#include "understudy/xfr.h"

// Calendar and monotonic time, read now.
struct xfr_time loop_time(void);

// Unpredictable: for message ids and jitter.
uint32_t loop_random(void);

// Octets at the end of which more are put; zeroed is empty.
struct buffer {
	uint8_t *octets;
	size_t len;
	size_t cap;
};

// Room for n more octets behind len. RESULT_OK or RESULT_NO_MEMORY.
enum result buffer_reserve(struct buffer *b, size_t n);
// Takes the first n octets away.
void buffer_consume(struct buffer *b, size_t n);
void buffer_free(struct buffer *b);
