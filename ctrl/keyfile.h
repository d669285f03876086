// SPDX-License-Identifier: BSD-3-Clause
// TSIG keys by name, and the files of BIND's form that hold them.
//
// Purpose: key "name" { algorithm hmac-sha256; secret "base64"; };
// with comments (//, #, /* */), several keys, include "file"; words may go
// without quotes, the two statements in any order.
// Threads: one at a time. Ownership: the list owns its keys.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "report.h"
#include "understudy/result.h"
#include "understudy/tsig.h"

#define KEYFILE_OCTETS_MAX  (1u << 20)
#define KEYFILE_DEPTH_MAX   8
#define KEYFILE_WORD_OCTETS 4096

struct key_list {
	struct tsig_key **keys;
	size_t count;
};

// Adds a copy. RESULT_OK, RESULT_EXISTS (a key of this name), RESULT_NO_MEMORY.
enum result key_list_add(struct key_list *list, const struct tsig_key *key);
const struct tsig_key *key_list_find(const struct key_list *list, const uint8_t *name);
void key_list_free(struct key_list *list);

struct key_mistake {
	const char *field;    // "name", "algorithm" or "secret"
	const char *expected; // a sentence
};

// Fills `key` from texts. RESULT_OK, or what is wrong, told by `mistake`.
enum result key_from_text(struct tsig_key *key, const char *name, const char *algorithm,
			  const char *secret, struct key_mistake *mistake);

// Reads the file and all that it includes. What is wrong is reported; keys
// before an error are added. Warns of files that anybody may read.
void keyfile_read(const char *path, struct key_list *out, struct report *report);

// Warns if anybody may read the file, which holds secrets.
void keyfile_warn_of_readers(const char *path, struct report *report);

// The same as keyfile_read of text in memory. `depth` counts includes: KEYFILE_DEPTH_MAX
// refuses them.
struct keyfile_text {
	const char *path; // in messages; includes are looked for beside it
	const char *text;
	size_t len;
	unsigned depth;
};
void keyfile_parse(const struct keyfile_text *in, struct key_list *out, struct report *report);
