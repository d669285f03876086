// SPDX-License-Identifier: BSD-3-Clause
// Base64 as it stands in key files (RFC 4648 section 4).
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "understudy/result.h"

// Decodes `text`; white space between digits is skipped, padding is required,
// left-over bits must be zero. RESULT_OK, RESULT_MALFORMED, RESULT_NO_SPACE.
enum result base64_decode(const char *text, uint8_t *out, size_t cap, size_t *out_len);

#define BASE64_TEXT(octets) (((octets) + 2) / 3 * 4 + 1)
// Writes BASE64_TEXT(len) characters, NUL included.
void base64_encode(const uint8_t *octets, size_t len, char *out);
