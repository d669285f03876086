// SPDX-License-Identifier: BSD-3-Clause
// The store's LMDB file.
#include "store_db.h"

#include <errno.h>
#include <fcntl.h>
#include <lmdb.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "folder.h"
#include "understudy/wire.h"

#define MAP_OCTETS   (UINT64_C(32) << 30)
#define CHILD_S      60 // without any progress
#define ENTRY_HEAD   8u
#define WRITE_OCTETS (1u << 20)

// LMDB's errors as errno, which is what the caller tells of.
static enum result result_of(int e)
{
	if (e == 0)
		return RESULT_OK;
	errno = e > 0 ? e : e == MDB_MAP_FULL ? ENOSPC : EIO;
	return e == ENOMEM ? RESULT_NO_MEMORY : RESULT_IO;
}

static int open_env(MDB_env **env, const char *path, unsigned flags)
{
	*env = NULL;
	int e = mdb_env_create(env);
	if (e)
		return e;
	e = mdb_env_set_mapsize(*env, MAP_OCTETS);
	if (!e)
		e = mdb_env_open(*env, path, MDB_NOSUBDIR | MDB_NOTLS | MDB_NOLOCK | flags, 0640);
	if (e) {
		mdb_env_close(*env);
		*env = NULL;
	}
	return e;
}

// ---- what was there

static int write_all(int fd, struct buffer *b)
{
	for (size_t at = 0; at < b->len;) {
		ssize_t n = write(fd, b->octets + at, b->len - at);
		if (n < 0)
			return errno;
		at += (size_t)n;
	}
	b->len = 0;
	alarm(CHILD_S);
	return 0;
}

static int hand_over(struct buffer *b, const MDB_val *key, const MDB_val *value)
{
	if (key->mv_size > STORE_KEY_MAX || value->mv_size > UINT32_MAX / 2)
		return EUCLEAN;
	if (buffer_reserve(b, ENTRY_HEAD + key->mv_size + value->mv_size))
		return ENOMEM;
	struct wire_out w = wire_out_init(b->octets + b->len, b->cap - b->len);
	wire_put_u32(&w, (uint32_t)key->mv_size);
	wire_put_u32(&w, (uint32_t)value->mv_size);
	wire_put_bytes(&w, key->mv_data, key->mv_size);
	wire_put_bytes(&w, value->mv_data, value->mv_size);
	b->len += wire_out_len(&w);
	return 0;
}

// Why the file could not be opened: what the system lacks says nothing about the file.
static int verdict_of(int e)
{
	bool lacks = e == ENOMEM || e == EACCES || e == EPERM || e == EMFILE || e == ENFILE;
	return lacks ? e : EUCLEAN;
}

// In the child: 0, EUCLEAN if the file is damaged, or what kept it from being read. A walk
// that goes in circles ends once it has handed over more than the file can hold: there
// too an entry has a head, of as many octets.
static int walk(const char *path, uint64_t most, int out)
{
	MDB_env *env;
	MDB_txn *txn;
	MDB_dbi dbi;
	MDB_cursor *cursor;
	MDB_val key, value;
	struct buffer b = { 0 };
	int e = open_env(&env, path, MDB_RDONLY);
	if (!e)
		e = mdb_txn_begin(env, NULL, MDB_RDONLY, &txn);
	if (!e)
		e = mdb_dbi_open(txn, NULL, 0, &dbi);
	if (!e)
		e = mdb_cursor_open(txn, dbi, &cursor);
	if (e)
		return verdict_of(e);
	uint64_t given = 0;
	while ((e = mdb_cursor_get(cursor, &key, &value, MDB_NEXT)) == 0) {
		given += ENTRY_HEAD + key.mv_size + value.mv_size;
		e = given > most ? EUCLEAN : hand_over(&b, &key, &value);
		if (!e && b.len > WRITE_OCTETS)
			e = write_all(out, &b);
		if (e)
			return e;
	}
	int unwritten = write_all(out, &b);
	return unwritten ? unwritten : e == MDB_NOTFOUND ? 0 : verdict_of(e);
}

static _Noreturn void child(const char *path, uint64_t most, int out)
{
	struct rlimit none = { 0 };
	sigset_t all;
	for (int s = 1; s < NSIG; s++)
		signal(s, SIG_DFL);
	sigemptyset(&all);
	sigprocmask(SIG_SETMASK, &all, NULL);
	setrlimit(RLIMIT_CORE, &none);
	alarm(CHILD_S);
	_exit(walk(path, most, out));
}

// A damaged file may crash its reader. Whatever else ends it early is none of the file's
// doing, and the file is as good as it was.
static enum result verdict(int status, bool *whole)
{
	int e = WIFEXITED(status) ? WEXITSTATUS(status) : EUCLEAN;
	int by = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
	*whole = e == 0;
	if (by == SIGALRM)
		e = ETIMEDOUT;
	else if (by && by != SIGSEGV && by != SIGBUS && by != SIGABRT && by != SIGFPE &&
		 by != SIGILL)
		e = EINTR;
	return result_of(e == EUCLEAN ? 0 : e);
}

enum result store_salvage_read(const char *path, struct store_salvage *out)
{
	struct stat st;
	int status = 0;
	*out = (struct store_salvage){ .whole = true };
	if (stat(path, &st) != 0)
		return errno == ENOENT ? RESULT_OK : RESULT_IO;
	int fd = memfd_create("understudy-state", MFD_CLOEXEC);
	pid_t pid = fd >= 0 ? fork() : -1;
	if (pid == 0)
		child(path, (uint64_t)st.st_size, fd);
	if (pid < 0) {
		if (fd >= 0)
			close(fd);
		return RESULT_IO;
	}
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	enum result r = verdict(status, &out->whole);
	if (r == RESULT_OK && fstat(fd, &st) != 0)
		r = RESULT_IO;
	if (r == RESULT_OK && st.st_size > 0) {
		void *p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
		if (p != MAP_FAILED) {
			out->octets = p;
			out->len = (size_t)st.st_size;
		} else {
			r = RESULT_NO_MEMORY;
		}
	}
	int saved = errno;
	close(fd);
	errno = saved;
	return r;
}

void store_salvage_free(struct store_salvage *s)
{
	if (s->octets)
		munmap(s->octets, s->len);
	*s = (struct store_salvage){ 0 };
}

bool store_salvage_next(const struct store_salvage *s, size_t *at, struct store_entry *out)
{
	if (s->len - *at < ENTRY_HEAD)
		return false;
	const uint8_t *p = s->octets + *at;
	size_t key = wire_peek_be32(p), value = wire_peek_be32(p + 4);
	if (s->len - *at - ENTRY_HEAD < key + value)
		return false;
	*out = (struct store_entry){ p + ENTRY_HEAD, p + ENTRY_HEAD + key, key, value };
	*at += ENTRY_HEAD + key + value;
	return true;
}

// ---- the fresh one

// It is open only while somebody reads or writes: what LMDB maps and keeps for a file grows
// with it. Nobody but us uses the folder, so LMDB's own locks are not needed: a reader sees
// one transaction end at most, and nothing that it sees is written anew before the next.
struct store_db {
	char *path, *path_new; // the second: until it is adopted
	pthread_mutex_t lock;  // held while somebody reads, and while a transaction begins
	MDB_env *env;          // NULL: not open
	MDB_txn *txn;
	MDB_dbi dbi;
};

enum result store_db_new(const char *path, struct store_db **out)
{
	struct store_db *db = calloc(1, sizeof(*db));
	if (!db)
		return RESULT_NO_MEMORY;
	pthread_mutex_init(&db->lock, NULL);
	db->path = strdup(path);
	if (!db->path || asprintf(&db->path_new, "%s.new", path) < 0) {
		db->path_new = NULL;
		store_db_free(db);
		return RESULT_NO_MEMORY;
	}
	unlink(db->path_new);
	*out = db;
	return RESULT_OK;
}

enum result store_db_adopt(struct store_db *db)
{
	int fd = open(db->path_new, O_RDONLY | O_CLOEXEC);
	bool ok = fd >= 0 && fsync(fd) == 0 && folder_rename(db->path_new, db->path) == RESULT_OK;
	int saved = errno;
	if (fd >= 0)
		close(fd);
	errno = saved;
	if (!ok)
		return RESULT_IO;
	free(db->path_new);
	db->path_new = NULL;
	return RESULT_OK;
}

void store_db_free(struct store_db *db)
{
	if (!db)
		return;
	store_db_abort(db);
	pthread_mutex_destroy(&db->lock);
	if (db->path_new)
		unlink(db->path_new);
	free(db->path);
	free(db->path_new);
	free(db);
}

// Nobody reads or writes any more; the lock is held.
static void close_env(struct store_db *db)
{
	db->txn = NULL;
	if (db->env)
		mdb_env_close(db->env);
	db->env = NULL;
}

enum result store_db_begin(struct store_db *db)
{
	pthread_mutex_lock(&db->lock);
	int e = open_env(&db->env, db->path_new ? db->path_new : db->path, 0);
	if (!e)
		e = mdb_txn_begin(db->env, NULL, 0, &db->txn);
	if (!e)
		e = mdb_dbi_open(db->txn, NULL, 0, &db->dbi);
	if (e && db->txn)
		mdb_txn_abort(db->txn);
	if (e)
		close_env(db);
	pthread_mutex_unlock(&db->lock);
	return result_of(e);
}

enum result store_db_put(struct store_db *db, const struct store_entry *e)
{
	MDB_val key = { e->key_len, (void *)(uintptr_t)e->key };
	MDB_val value = { e->value_len, (void *)(uintptr_t)e->value };
	return result_of(mdb_put(db->txn, db->dbi, &key, &value, 0));
}

enum result store_db_delete(struct store_db *db, const void *key, size_t key_len)
{
	MDB_val k = { key_len, (void *)(uintptr_t)key };
	int e = mdb_del(db->txn, db->dbi, &k, NULL);
	return e == MDB_NOTFOUND ? RESULT_OK : result_of(e);
}

static void end(struct store_db *db)
{
	pthread_mutex_lock(&db->lock);
	close_env(db);
	pthread_mutex_unlock(&db->lock);
}

enum result store_db_commit(struct store_db *db)
{
	int e = mdb_txn_commit(db->txn);
	end(db);
	return result_of(e);
}

void store_db_abort(struct store_db *db)
{
	if (!db->txn)
		return;
	mdb_txn_abort(db->txn);
	end(db);
}

static int read_value(struct store_db *db, MDB_val *key, struct buffer *out)
{
	MDB_txn *txn;
	MDB_dbi dbi;
	MDB_val v;
	int e = mdb_txn_begin(db->env, NULL, MDB_RDONLY, &txn);
	if (e)
		return e;
	e = mdb_dbi_open(txn, NULL, 0, &dbi);
	if (!e)
		e = mdb_get(txn, dbi, key, &v);
	if (!e && buffer_reserve(out, v.mv_size))
		e = ENOMEM;
	if (!e) {
		memcpy(out->octets + out->len, v.mv_data, v.mv_size);
		out->len += v.mv_size;
	}
	mdb_txn_abort(txn);
	return e;
}

enum result store_db_read(struct store_db *db, const void *key, size_t key_len, struct buffer *out)
{
	MDB_val k = { key_len, (void *)(uintptr_t)key };
	pthread_mutex_lock(&db->lock);
	bool open = db->env;
	int e = open ? 0 : open_env(&db->env, db->path, MDB_RDONLY);
	if (!e)
		e = read_value(db, &k, out);
	if (!open)
		close_env(db);
	pthread_mutex_unlock(&db->lock);
	return e == MDB_NOTFOUND ? RESULT_NOT_FOUND : result_of(e);
}
