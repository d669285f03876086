// SPDX-License-Identifier: BSD-3-Clause
// A strict reader of DNS messages for tests, which shares no code with the server.
#pragma once

#include <stddef.h>
#include <stdint.h>

#define MESSAGE_TEXT_SIZE (512 * 1024)

// Reads a whole reply and writes it as text into `out` (MESSAGE_TEXT_SIZE
// octets), one line each: "rcode RCODE FLAGS", "qd NAME CLASS TYPE", then
// "an", "ns", "ar" with "OWNER TTL CLASS TYPE RDATA" for each record, and
// "opt SIZE VERSION FLAGS LENGTH OPTIONS", the last in hexadecimal, or absent. Names are
// written in the case they have. Class IN is left out. RDATA is written for types with
// names and addresses, NSEC and NSEC3; of RRSIG the type covered, labels and signer; of
// others the octets in hexadecimal.
// Returns NULL, or what breaks the rules: counts that are not met, octets left
// over, names too long, pointers that do not point backwards to a place behind
// the header, or pointers where RFC 3597 section 4 allows none.
const char *message_to_text(const uint8_t *msg, size_t len, char *out);
