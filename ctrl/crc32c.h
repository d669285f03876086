// SPDX-License-Identifier: BSD-3-Clause
// CRC32C (Castagnoli), as RFC 3720 appendix B.4 counts it.
//
// Threads: any; no state.
#pragma once

#include <stddef.h>
#include <stdint.h>

// Goes on from `crc`, which is 0 at first.
uint32_t crc32c(uint32_t crc, const void *octets, size_t len);
