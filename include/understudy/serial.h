// SPDX-License-Identifier: BSD-3-Clause
// Serial number arithmetic (RFC 1982).
//
// Threads: any; no state.
#pragma once

#include <stdbool.h>
#include <stdint.h>

// Whether `a` is newer than `b`. At the distance of exactly 2^31, which the RFC
// leaves undefined, neither is newer.
static inline bool serial_newer(uint32_t a, uint32_t b)
{
	uint32_t ahead = a - b;
	return ahead != 0 && ahead < UINT32_C(0x80000000);
}
