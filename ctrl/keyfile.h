// SPDX-License-Identifier: BSD-3-Clause
// TSIG keys by name, and the files that hold them: BIND's, and those of dnssec-keygen.
//
// Purpose: key "name" { algorithm hmac-sha256; secret "base64"; };
// with comments (//, #, /* */), several keys, include "file"; words may go
// without quotes, the two statements in any order. An algorithm may say how many
// bits of MACs are sent and wanted at least, as in BIND: hmac-sha256-128. And the
// pairs of files that dnssec-keygen made: Kname.+163+12345.key or .private.
// Threads: one at a time. Ownership: the list owns its keys.
#pragma once

#include <stdbool.h>
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
	bool allow_md5; // set before keys are added
};

#define KEY_MD5_REFUSED                                                                        \
	"an algorithm other than hmac-md5, which is broken, is expected, or \"allow-md5\" in " \
	"\"tsig\""

#define KEY_MD5_WARNING "hmac-md5 is broken: change to hmac-sha256"

// Adds a copy. RESULT_OK, RESULT_EXISTS (a key of this name), RESULT_REFUSED
// (HMAC-MD5), RESULT_NO_MEMORY.
enum result key_list_add(struct key_list *list, const struct tsig_key *key);
const struct tsig_key *key_list_find(const struct key_list *list, const uint8_t *name);
void key_list_free(struct key_list *list);

struct key_mistake {
	const char *field;    // "name", "algorithm" or "secret"
	const char *expected; // a sentence
};

// Fills `key` from texts; `algorithm` may end in a number of bits. RESULT_OK, or what is wrong,
// told by `mistake`.
enum result key_from_text(struct tsig_key *key, const char *name, const char *algorithm,
			  const char *secret, struct key_mistake *mistake);

// Reads the file and all that it includes; by its name it is seen to be one of
// dnssec-keygen's. What is wrong is reported; keys
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

// Adds a key that stands in a file, warns if it is weak, and reports if it cannot be
// added.
void keyfile_add(struct key_list *out, struct report *report, const char *path, unsigned line,
		 const struct tsig_key *key);
