// SPDX-License-Identifier: BSD-3-Clause
// Domain names in uncompressed wire format (RFC 1035 section 3.1; 4343; 9499).
//
// Purpose: names are validated once, where they come in (name_read,
// name_from_text); all else may rely on a well-formed name: labels of 1 to 63
// octets, at most 255 octets with the root label, any octet value. Case is
// kept; comparison ignores the case of ASCII letters.
// Threads: any; no state. Ownership: plain values.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "understudy/result.h"
#include "understudy/wire.h"

#define NAME_MAX_OCTETS 255
#define NAME_MAX_LABELS 127  // without the root label
#define NAME_TEXT_SIZE  1025 // name_to_text never needs more, NUL included

struct name {
	uint8_t len;    // octets, root label included; 1 for the root
	uint8_t labels; // without the root label; 0 for the root
	uint8_t wire[NAME_MAX_OCTETS];
};

// Reads a possibly compressed name at the cursor (RFC 1035 section 4.1.4).
// Pointers must point strictly backwards, before the name they stand in.
// RESULT_OK; RESULT_TRUNCATED; RESULT_MALFORMED (also marks the cursor failed).
enum result name_read(struct wire *w, struct name *out);

// Passes a name without following its pointers: enough to find what comes after
// it. RESULT_OK; RESULT_TRUNCATED; RESULT_MALFORMED for an unknown label type.
enum result name_skip(struct wire *w);

// The name that stands, well-formed and uncompressed, at `wire`.
void name_copy(struct name *out, const uint8_t *wire);

// Octets of the well-formed name at `wire`, root label included.
size_t name_length(const uint8_t *wire);

// Parses presentation format (RFC 1035 section 5.1, \DDD and \X); a missing
// final dot is taken as there. RESULT_OK or RESULT_MALFORMED.
enum result name_from_text(const char *text, struct name *out);

// Writes presentation format with the final dot, NUL-terminated; returns buf.
const char *name_to_text(const uint8_t *wire, char buf[static NAME_TEXT_SIZE]);

// ASCII lower case of one octet (RFC 4343).
extern const uint8_t name_lower[256];

// The same for eight octets at once, whatever their order. Length octets of
// labels are below 'A' and stay.
static inline uint64_t name_lower8(uint64_t x)
{
	const uint64_t ones = 0x0101010101010101u;
	uint64_t low = x & 0x7f * ones;
	uint64_t after_z = low + (0x7f - 'Z') * ones, from_a = low + (0x80 - 'A') * ones;
	return x | ((~x & (from_a ^ after_z) & 0x80 * ones) >> 2);
}

static inline uint64_t name_lower8_at(const uint8_t *p)
{
	uint64_t x;
	memcpy(&x, p, 8);
	return name_lower8(x);
}

// Bits by which eight octets differ.
static inline uint64_t name_differ8(const uint8_t *a, const uint8_t *b)
{
	uint64_t x, y;
	memcpy(&x, a, 8);
	memcpy(&y, b, 8);
	return x ^ y;
}

// What name_octets_equal says of octets that differ; n is at least 8.
bool name_octets_equal_folded(const uint8_t *a, const uint8_t *b, size_t n);

// Whether n octets of names are equal, length octets and labels alike. Mostly they are so
// in their case as well, or differ by more than that.
static inline bool name_octets_equal(const uint8_t *a, const uint8_t *b, size_t n)
{
	if (n < 8) {
		for (size_t i = 0; i < n; i++)
			if (name_lower[a[i]] != name_lower[b[i]])
				return false;
		return true;
	}
	uint64_t differ = name_differ8(a + n - 8, b + n - 8);
	for (size_t i = 0; i + 8 < n; i += 8)
		differ |= name_differ8(a + i, b + i);
	if (differ & ~0x2020202020202020u)
		return false;
	return differ == 0 || name_octets_equal_folded(a, b, n);
}

bool name_equal(const uint8_t *a, const uint8_t *b);

// Whether `name` is `ancestor` or below it.
bool name_is_at_or_below(const uint8_t *name, const uint8_t *ancestor);

// Canonical order (RFC 4034 section 6.1): <0, 0, >0.
int name_compare(const uint8_t *a, const uint8_t *b);

// Number of labels of the well-formed name at `wire`, without the root label.
unsigned name_label_count(const uint8_t *wire);

// Where the labels of a name stand: their length octets, from its start, the root's last.
struct name_labels {
	uint64_t lengths; // a bit for each of these; of a name of over 64 octets it means nothing
	uint8_t count;    // without the root label
	uint8_t at[NAME_MAX_LABELS + 1];
};

// Of a well-formed name.
static inline void name_labels_read(const uint8_t *wire, struct name_labels *out)
{
	uint64_t lengths = 0;
	unsigned count = 0;
	for (unsigned at = 0;; at += 1u + wire[at]) {
		out->at[count] = (uint8_t)at;
		lengths |= 1ull << (at & 63);
		if (wire[at] == 0)
			break;
		count++;
	}
	out->lengths = lengths;
	out->count = (uint8_t)count;
}

// Skips `n` leftmost labels; n is at most name_label_count.
const uint8_t *name_skip_labels(const uint8_t *wire, unsigned n);
