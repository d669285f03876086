// SPDX-License-Identifier: BSD-3-Clause
// The store's LMDB file: reading one that may be damaged, and writing a fresh one.
//
// LMDB has no checksums and trusts its pages, so a damaged file may crash its
// reader: what was there at start is read by a child process and written anew.
// Threads: store_db_read any; all else the store's.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "loop.h"

#define STORE_KEY_MAX 256 // a letter and a name

// What could be read of a file: entries in one mapping.
struct store_salvage {
	uint8_t *octets;
	size_t len;
	bool whole; // the reader came to the end
};

// RESULT_OK, also where there is no file, or a damaged one. RESULT_IO with errno, or
// RESULT_NO_MEMORY: it could not be read now, which says nothing about the file.
enum result store_salvage_read(const char *path, struct store_salvage *out);
void store_salvage_free(struct store_salvage *s);

struct store_entry {
	const uint8_t *key, *value;
	size_t key_len, value_len;
};
// The entry at *at, which moves on. False at the end.
bool store_salvage_next(const struct store_salvage *s, size_t *at, struct store_entry *out);

struct store_db;

// A fresh, empty file "PATH.new". All of these: RESULT_OK or RESULT_IO, errno
// set, or RESULT_NO_MEMORY.
enum result store_db_new(const char *path, struct store_db **out);
// Syncs it and puts it in the place of PATH. No transaction is open.
enum result store_db_adopt(struct store_db *db);
void store_db_free(struct store_db *db);

// One transaction at a time. After an error it can only be aborted.
enum result store_db_begin(struct store_db *db);
enum result store_db_put(struct store_db *db, const struct store_entry *e);
enum result store_db_delete(struct store_db *db, const void *key, size_t key_len);
enum result store_db_commit(struct store_db *db);
void store_db_abort(struct store_db *db);

// Appends a copy of the value to `out`. Of an adopted file only. Also
// RESULT_NOT_FOUND.
enum result store_db_read(struct store_db *db, const void *key, size_t key_len, struct buffer *out);
