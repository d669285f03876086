// SPDX-License-Identifier: BSD-3-Clause
// How much of each zone was stored last, kept apart from LMDB (docs/store.md).
//
// LMDB leaves older pages in its file. Where damage leads to one of them, all that
// is found there verifies, and yet it is not what was stored last: the marks tell.
// Threads: reading the loop's at start; writing the store's.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "understudy/result.h"

struct store_mark {
	uint64_t name;   // a digest of the apex in lower case
	uint64_t id;     // of the zone's newest image
	uint64_t octets; // of it and of the deltas behind it
};

uint64_t store_mark_name(const uint8_t *apex, size_t len);

// What verifies of the file, sorted; none if there is no file.
struct store_marks {
	struct store_mark *list;
	size_t count;
};
// RESULT_OK, RESULT_NO_MEMORY.
enum result store_marks_read(const char *path, struct store_marks *out);
void store_marks_free(struct store_marks *m);
// The zone's mark, or NULL.
const struct store_mark *store_marks_find(const struct store_marks *m, uint64_t name);

// A file of `count` marks in the place of the one at `path`; its descriptor is the
// caller's. RESULT_OK, RESULT_IO with errno, RESULT_NO_MEMORY.
enum result store_marks_new(const char *path, const struct store_mark *list, size_t count, int *fd);
// One mark into its slot, counted from 0. One that cannot be written protects less, and
// does no harm: what stands there is an older one.
void store_marks_put(int fd, uint32_t slot, const struct store_mark *mark);
