// SPDX-License-Identifier: BSD-3-Clause
// Domain names: reading, comparing, and presentation format.
#include "understudy/name.h"

#include <string.h>

#define LOWER(c)   ((uint8_t)((c) >= 'A' && (c) <= 'Z' ? (c) + ('a' - 'A') : (c)))
#define LOWER4(c)  LOWER(c), LOWER((c) + 1), LOWER((c) + 2), LOWER((c) + 3)
#define LOWER16(c) LOWER4(c), LOWER4((c) + 4), LOWER4((c) + 8), LOWER4((c) + 12)
#define LOWER64(c) LOWER16(c), LOWER16((c) + 16), LOWER16((c) + 32), LOWER16((c) + 48)

const uint8_t name_lower[256] = { LOWER64(0), LOWER64(64), LOWER64(128), LOWER64(192) };

// Apart from where octets are compared: there it is rarely needed, and would take registers.
__attribute__((noinline)) bool name_octets_equal_folded(const uint8_t *a, const uint8_t *b,
							size_t n)
{
	for (size_t i = 0; i + 8 < n; i += 8)
		if (name_lower8_at(a + i) != name_lower8_at(b + i))
			return false;
	return name_lower8_at(a + n - 8) == name_lower8_at(b + n - 8);
}

// A compressor points at labels, never at a pointer, so that no honest name has
// more pointers than labels, and one; it bounds the work that a chain can make.
#define POINTERS_MAX (NAME_MAX_LABELS + 1)

static enum result name_fail(struct wire *w, enum result why)
{
	w->failed = true;
	return why;
}

enum result name_read(struct wire *w, struct name *out)
{
	if (w->failed)
		return RESULT_TRUNCATED;
	const uint8_t *pos = w->pos;
	const uint8_t *after = NULL;   // where the cursor goes: behind the first pointer
	const uint8_t *limit = w->pos; // a pointer must point before this
	unsigned len = 0, labels = 0, pointers = 0;
	struct name name;

	for (;;) {
		if (pos >= w->end)
			return name_fail(w, RESULT_TRUNCATED);
		unsigned c = *pos;
		if (c >= 0xc0) {
			if (w->end - pos < 2)
				return name_fail(w, RESULT_TRUNCATED);
			const uint8_t *target = w->base + (wire_peek_be16(pos) & 0x3fff);
			if (target >= limit || ++pointers > POINTERS_MAX)
				return name_fail(w, RESULT_MALFORMED);
			if (!after)
				after = pos + 2;
			pos = limit = target;
			continue;
		}
		if (c >= 0x40 || len + 1 + c > NAME_MAX_OCTETS - (c ? 1 : 0))
			return name_fail(w, RESULT_MALFORMED);
		if ((size_t)(w->end - pos) < 1 + c)
			return name_fail(w, RESULT_TRUNCATED);
		memcpy(name.wire + len, pos, 1 + c);
		len += 1 + c;
		pos += 1 + c;
		if (c == 0)
			break;
		labels++;
	}
	memcpy(out->wire, name.wire, len);
	out->len = (uint8_t)len;
	out->labels = (uint8_t)labels;
	w->pos = after ? after : pos;
	return RESULT_OK;
}

enum result name_skip(struct wire *w)
{
	for (;;) {
		unsigned c = wire_u8(w);
		if (w->failed)
			return RESULT_TRUNCATED;
		if (c == 0)
			return RESULT_OK;
		if (c >= 0x40 && c < 0xc0)
			return name_fail(w, RESULT_MALFORMED);
		// Behind a label comes another, behind a pointer nothing.
		if (!wire_take(w, c < 0x40 ? c : 1))
			return RESULT_TRUNCATED;
		if (c >= 0xc0)
			return RESULT_OK;
	}
}

void name_copy(struct name *out, const uint8_t *wire)
{
	size_t len = name_length(wire);
	memcpy(out->wire, wire, len);
	out->len = (uint8_t)len;
	out->labels = (uint8_t)name_label_count(wire);
}

size_t name_length(const uint8_t *wire)
{
	const uint8_t *p = wire;
	while (*p)
		p += 1 + *p;
	return (size_t)(p - wire) + 1;
}

unsigned name_label_count(const uint8_t *wire)
{
	unsigned n = 0;
	for (; *wire; wire += 1 + *wire)
		n++;
	return n;
}

const uint8_t *name_skip_labels(const uint8_t *wire, unsigned n)
{
	while (n--)
		wire += 1 + *wire;
	return wire;
}

bool name_equal(const uint8_t *a, const uint8_t *b)
{
	// A length octet is at most 63 and so its own lower case.
	for (;;) {
		unsigned len = *a;
		if (len != *b)
			return false;
		if (len == 0)
			return true;
		for (unsigned i = 1; i <= len; i++)
			if (name_lower[a[i]] != name_lower[b[i]])
				return false;
		a += 1 + len;
		b += 1 + len;
	}
}

bool name_is_at_or_below(const uint8_t *name, const uint8_t *ancestor)
{
	unsigned have = name_label_count(name), want = name_label_count(ancestor);
	return have >= want && name_equal(name_skip_labels(name, have - want), ancestor);
}

static int label_compare(const uint8_t *a, const uint8_t *b)
{
	unsigned shorter = *a < *b ? *a : *b;
	for (unsigned i = 1; i <= shorter; i++) {
		int diff = name_lower[a[i]] - name_lower[b[i]];
		if (diff)
			return diff;
	}
	return *a - *b;
}

// Writes the labels' places, leftmost first; returns their number.
static unsigned label_places(const uint8_t *wire, const uint8_t *places[NAME_MAX_LABELS])
{
	unsigned n = 0;
	for (; *wire; wire += 1 + *wire)
		places[n++] = wire;
	return n;
}

int name_compare(const uint8_t *a, const uint8_t *b)
{
	const uint8_t *as[NAME_MAX_LABELS], *bs[NAME_MAX_LABELS];
	unsigned na = label_places(a, as), nb = label_places(b, bs);
	while (na && nb) {
		int diff = label_compare(as[--na], bs[--nb]);
		if (diff)
			return diff;
	}
	return (int)na - (int)nb;
}

// One octet of a label as written: plain, \X or \DDD. Returns what follows it,
// or NULL.
static const char *text_octet(const char *p, uint8_t *octet)
{
	if (*p != '\\') {
		*octet = (uint8_t)*p;
		return p + 1;
	}
	p++;
	if (*p == '\0')
		return NULL;
	if (*p < '0' || *p > '9') {
		*octet = (uint8_t)*p;
		return p + 1;
	}
	unsigned value = 0;
	for (int i = 0; i < 3; i++, p++) {
		if (*p < '0' || *p > '9')
			return NULL;
		value = value * 10 + (unsigned)(*p - '0');
	}
	*octet = (uint8_t)value;
	return value <= 255 ? p : NULL;
}

enum result name_from_text(const char *text, struct name *out)
{
	struct name name = { .len = 0, .labels = 0 };
	if (strcmp(text, ".") == 0)
		text++;
	else if (*text == '\0')
		return RESULT_MALFORMED;
	while (*text) {
		unsigned start = name.len, len = 0;
		while (*text && *text != '.') {
			uint8_t octet;
			text = text_octet(text, &octet);
			// The root label must still fit behind this octet.
			if (!text || ++len > 63 || start + 1 + len >= NAME_MAX_OCTETS)
				return RESULT_MALFORMED;
			name.wire[start + len] = octet;
		}
		if (len == 0)
			return RESULT_MALFORMED;
		name.wire[start] = (uint8_t)len;
		name.len = (uint8_t)(start + 1 + len);
		name.labels++;
		if (*text == '.')
			text++;
	}
	name.wire[name.len++] = 0;
	*out = name;
	return RESULT_OK;
}

static char *octet_to_text(char *p, uint8_t c)
{
	if (c <= ' ' || c > '~') {
		*p++ = '\\';
		*p++ = (char)('0' + c / 100);
		*p++ = (char)('0' + c / 10 % 10);
		*p++ = (char)('0' + c % 10);
		return p;
	}
	if (strchr(".\\\"();@$", c))
		*p++ = '\\';
	*p++ = (char)c;
	return p;
}

const char *name_to_text(const uint8_t *wire, char buf[static NAME_TEXT_SIZE])
{
	char *p = buf;
	if (*wire == 0)
		*p++ = '.';
	for (; *wire; wire += 1 + *wire) {
		for (unsigned i = 1; i <= *wire; i++)
			p = octet_to_text(p, wire[i]);
		*p++ = '.';
	}
	*p = '\0';
	return buf;
}
