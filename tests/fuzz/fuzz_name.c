// SPDX-License-Identifier: BSD-3-Clause
// Fuzzes names: what is read is well-formed, and survives text and wire.
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "understudy/name.h"

static void check_name(const struct name *n)
{
	char text[NAME_TEXT_SIZE];
	struct name again;
	REQUIRE(n->len >= 1 && n->labels <= NAME_MAX_LABELS);
	REQUIRE(name_length(n->wire) == n->len);
	REQUIRE(name_label_count(n->wire) == n->labels);
	REQUIRE(*name_skip_labels(n->wire, n->labels) == 0);
	name_to_text(n->wire, text);
	REQUIRE(name_from_text(text, &again) == RESULT_OK);
	REQUIRE(again.len == n->len && again.labels == n->labels);
	REQUIRE(memcmp(again.wire, n->wire, n->len) == 0);
	struct wire w = wire_init(n->wire, n->len);
	REQUIRE(name_read(&w, &again) == RESULT_OK && wire_left(&w) == 0);
	REQUIRE(memcmp(again.wire, n->wire, n->len) == 0);
}

static void check_pair(const struct name *a, const struct name *b)
{
	int order = name_compare(a->wire, b->wire), reverse = name_compare(b->wire, a->wire);
	REQUIRE((order < 0) == (reverse > 0) && (order == 0) == (reverse == 0));
	REQUIRE((order == 0) == name_equal(a->wire, b->wire));
	bool below = name_is_at_or_below(a->wire, b->wire);
	REQUIRE(!below || order >= 0);
	REQUIRE(!(below && name_is_at_or_below(b->wire, a->wire)) || order == 0);
}

static bool read_at(const uint8_t *msg, size_t len, size_t offset, struct name *out)
{
	struct wire w = wire_init(msg, len), skip = w;
	w.pos += offset;
	skip.pos += offset;
	enum result r = name_read(&w, out);
	REQUIRE(w.failed == (r != RESULT_OK));
	if (r != RESULT_OK)
		return false;
	REQUIRE(name_skip(&skip) == RESULT_OK && skip.pos == w.pos);
	check_name(out);
	return true;
}

static void fuzz_text(const uint8_t *data, size_t size)
{
	struct name n;
	char *text = malloc(size + 1);
	REQUIRE(text);
	memcpy(text, data, size);
	text[size] = '\0';
	if (name_from_text(text, &n) == RESULT_OK)
		check_name(&n);
	free(text);
}

// Two octets say where the names begin; the rest is a message, and a text.
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct name a, b;
	if (size < 2)
		return 0;
	const uint8_t *msg = data + 2;
	size_t len = size - 2;
	bool has_a = read_at(msg, len, data[0] <= len ? data[0] : len, &a);
	bool has_b = read_at(msg, len, data[1] <= len ? data[1] : len, &b);
	if (has_a && has_b)
		check_pair(&a, &b);
	fuzz_text(msg, len);
	return 0;
}
