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

// The time that 32 bits of it mean (RFC 4034 section 3.1.5): of all such the one that is at most
// 68 years before or after now.
static inline int64_t serial_unix_s(uint32_t at, uint64_t now_unix_s)
{
	return (int64_t)now_unix_s + (int32_t)(at - (uint32_t)now_unix_s);
}
