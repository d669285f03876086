// SPDX-License-Identifier: BSD-3-Clause
// What lasts: the zones of the store, and what of them is due to be stored.
//
// The loop adds to the list of what is due, the thread (store_write.c) takes
// all of it at once. Each zone stands in the list at most once.
#include "store.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "crc32c.h"
#include "store_parts.h"
#include "understudy/rcu.h"

#define BUCKETS_LEAST    1024
#define DELTA_OCTETS_MAX (4u << 20)

// ---- zones by name

static struct name lower_case(const uint8_t *apex)
{
	struct name out;
	name_copy(&out, apex);
	for (unsigned i = 0; i < out.len; i++)
		out.wire[i] = name_lower[out.wire[i]];
	return out;
}

static size_t bucket_of(const struct store *s, const uint8_t *apex, size_t len)
{
	return crc32c(0, apex, len) & (s->buckets - 1);
}

struct store_zone *store_find(const struct store *s, const uint8_t *apex)
{
	struct name name = lower_case(apex);
	for (struct store_zone *z = s->bucket[bucket_of(s, name.wire, name.len)]; z; z = z->next) {
		if (z->apex_len == name.len && memcmp(z->apex, name.wire, name.len) == 0)
			return z;
	}
	return NULL;
}

static void link_zone(struct store *s, struct store_zone *z)
{
	struct store_zone **at = &s->bucket[bucket_of(s, z->apex, z->apex_len)];
	z->next = *at;
	*at = z;
}

// Twice as many buckets; without memory for them it goes on with those it has.
static void grow(struct store *s)
{
	size_t old_buckets = s->buckets;
	struct store_zone **old = s->bucket, *z, *next;
	struct store_zone **more = calloc(old_buckets * 2, sizeof(struct store_zone *));
	if (!more)
		return;
	s->bucket = more;
	s->buckets *= 2;
	for (size_t i = 0; i < old_buckets; i++) {
		for (z = old[i]; z; z = next) {
			next = z->next;
			link_zone(s, z);
		}
	}
	free(old);
}

struct store_zone *store_zone_new(struct store *s, const uint8_t *apex)
{
	struct name name = lower_case(apex);
	struct store_zone *z = calloc(1, offsetof(struct store_zone, apex) + name.len);
	if (!z)
		return NULL;
	z->store = s;
	z->apex_len = name.len;
	memcpy(z->apex, name.wire, name.len);
	z->deltas_end = &z->deltas;
	if (s->count >= s->buckets)
		grow(s);
	link_zone(s, z);
	s->count++;
	return z;
}

size_t store_key(char letter, const struct store_zone *z, uint8_t out[STORE_KEY_MAX])
{
	out[0] = (uint8_t)letter;
	memcpy(out + 1, z->apex, z->apex_len);
	return 1u + z->apex_len;
}

struct store_zone *store_zone_open(struct store *s, const uint8_t *apex)
{
	if (!s)
		return NULL;
	struct store_zone *z = store_find(s, apex);
	if (!z)
		z = store_zone_new(s, apex);
	if (z) {
		pthread_mutex_lock(&s->lock);
		z->configured = true;
		pthread_mutex_unlock(&s->lock);
	}
	return z;
}

void store_zone_close(struct store_zone *z)
{
	if (!z)
		return;
	pthread_mutex_lock(&z->store->lock);
	z->configured = false;
	pthread_mutex_unlock(&z->store->lock);
}

// ---- what is due; the lock is held

void store_delta_free(struct store_delta *d)
{
	while (d) {
		struct store_delta *next = d->next;
		store_writer_free(&d->writer);
		free(d);
		d = next;
	}
}

static void drop_deltas(struct store_zone *z)
{
	store_delta_free(z->deltas);
	z->deltas = NULL;
	z->deltas_end = &z->deltas;
	z->delta_octets = 0;
}

static void set_due(struct store_zone *z)
{
	struct store *s = z->store;
	if (!z->due) {
		z->next_due = NULL;
		*s->due_end = z;
		s->due_end = &z->next_due;
		s->stats.due++;
	}
	z->due = true;
	pthread_cond_signal(&s->wake);
}

// Only what is used of them: all zones may be due at once. Without memory the older
// timers stay; the next change brings newer ones.
static void set_timers(struct store_zone *z, const struct store_timers *timers)
{
	size_t octets = store_timers_octets(timers);
	struct store_timers *copy = realloc(z->timers, octets);
	if (!copy)
		return;
	memcpy(copy, timers, octets);
	z->timers = copy;
}

void store_note(struct store_zone *z, const struct store_timers *timers)
{
	if (!z)
		return;
	pthread_mutex_lock(&z->store->lock);
	set_timers(z, timers);
	set_due(z);
	pthread_mutex_unlock(&z->store->lock);
}

void store_purge(struct store_zone *z)
{
	if (!z)
		return;
	pthread_mutex_lock(&z->store->lock);
	drop_deltas(z);
	free(z->timers);
	z->timers = NULL;
	z->whole = false;
	z->purge = true;
	set_due(z);
	pthread_mutex_unlock(&z->store->lock);
}

enum result store_purge_name(struct store *s, const uint8_t *apex)
{
	struct store_zone *z = s ? store_find(s, apex) : NULL;
	struct store_zone_status status;
	store_zone_status(z, &status);
	if (!z || (!status.stored && !status.due))
		return RESULT_NOT_FOUND;
	store_purge(z);
	return RESULT_OK;
}

// ---- what a publication changes

struct comparing {
	struct store_writer *writer;
	size_t most;
};

static bool take_change(void *arg, const uint8_t *owner, const struct rrset *rr, bool deleted)
{
	struct comparing *c = arg;
	return store_writer_rrset(c->writer, owner, rr, deleted) == RESULT_OK &&
	       c->writer->out.len <= c->most;
}

// How large a delta may be; 0 if the whole image is due anyway.
static size_t delta_room(struct store_zone *z)
{
	size_t room = 0;
	pthread_mutex_lock(&z->store->lock);
	bool possible = !z->whole && !z->purge && z->place.id && !z->place.inside;
	if (possible) {
		room = z->place.image_octets / 4;
		room = room > DELTA_OCTETS_MAX ? DELTA_OCTETS_MAX : room;
		room = room > z->delta_octets ? room - z->delta_octets : 0;
	}
	pthread_mutex_unlock(&z->store->lock);
	return room;
}

static uint32_t serial_in(const struct catalog *view, const struct store_zone *z)
{
	const struct zone *head = catalog_zone(view, z->apex);
	return head ? zone_serial(head) : 0;
}

struct store_change store_compare(struct store_zone *z, const struct catalog *before)
{
	struct store_change change = { .whole = true };
	size_t room = z ? delta_room(z) : 0;
	struct store_delta *d = room ? calloc(1, sizeof(*d)) : NULL;
	if (!d)
		return change;
	const struct catalog *after = zonedb_view(z->store->db);
	struct store_head head = { .kind = STORE_DELTA,
				   .id = loop_random(),
				   .published_unix_s = loop_time().unix_s,
				   .from = serial_in(before, z),
				   .to = serial_in(after, z) };
	name_copy(&head.apex, z->apex);
	struct comparing c = { &d->writer, room };
	const struct zone_diff_sink sink = { take_change, &c };
	if (store_writer_begin(&d->writer, &head) || zone_diff(before, after, z->apex, &sink))
		goto cleanup;
	change.whole = d->writer.records && store_writer_end(&d->writer, NULL) != RESULT_OK;
	if (d->writer.records && !change.whole) {
		change.delta = d;
		d = NULL;
	}
cleanup:
	store_delta_free(d);
	return change;
}

static uint64_t generation_now(const struct store *s)
{
	rcu_reader_online();
	uint64_t generation = catalog_generation(zonedb_view(s->db));
	rcu_reader_offline();
	return generation;
}

void store_published(struct store_zone *z, struct store_change change,
		     const struct store_timers *timers)
{
	if (!z)
		return;
	struct store *s = z->store;
	uint64_t generation = generation_now(s);
	pthread_mutex_lock(&s->lock);
	if (change.whole)
		drop_deltas(z);
	z->whole |= change.whole;
	if (change.delta && z->whole) {
		store_delta_free(change.delta);
	} else if (change.delta) {
		change.delta->generation = generation;
		*z->deltas_end = change.delta;
		z->deltas_end = &change.delta->next;
		z->delta_octets += (uint32_t)change.delta->writer.out.len;
	}
	set_timers(z, timers);
	set_due(z);
	pthread_mutex_unlock(&s->lock);
}

// ---- loading

// What was found of the zone at start, until the thread has taken it over; the lock is held.
static const struct store_found *found_of(const struct store_zone *z)
{
	const struct store *s = z->store;
	return s->found && z->found_at ? &s->found[z->found_at - 1] : NULL;
}

// A copy of what LMDB holds of the zone under this letter, or of what was found
// at start; the lock is held.
static enum result read_entry(struct store_zone *z, char letter, struct buffer *out)
{
	struct store *s = z->store;
	uint8_t key[STORE_KEY_MAX];
	if (s->file)
		return store_db_read(s->file, key, store_key(letter, z, key), out);
	const struct store_found *f = found_of(z);
	const uint8_t *octets = !f ? NULL : letter == 's' ? f->state : f->image;
	if (!octets)
		return RESULT_NOT_FOUND;
	size_t len = letter == 's' ? f->state_len : f->image_len;
	enum result r = buffer_reserve(out, len);
	if (r == RESULT_OK) {
		memcpy(out->octets, octets, len);
		out->len = len;
	}
	return r;
}

static enum result read_timers(struct store_zone *z, struct store_timers *out)
{
	struct store_state state;
	struct buffer b = { 0 };
	uint8_t key[STORE_KEY_MAX];
	size_t key_len = store_key('s', z, key);
	pthread_mutex_lock(&z->store->lock);
	enum result r = read_entry(z, 's', &b);
	const struct store_found *f = found_of(z);
	uint64_t found_unix_s = z->place.id && f ? f->unix_s : 0;
	pthread_mutex_unlock(&z->store->lock);
	if (r == RESULT_OK)
		r = store_state_read(&state, key, key_len, b.octets, b.len);
	buffer_free(&b);
	if (r != RESULT_OK && !found_unix_s)
		return r;
	*out = r == RESULT_OK ? state.timers
			      : (struct store_timers){ .refreshed_unix_s = found_unix_s };
	return RESULT_OK;
}

// What a zone's content is read from.
struct content {
	struct store_place place;
	struct buffer image; // if it stands in LMDB
	int fd;              // if not
	struct store_source source;
};

// What was appended and not counted any more, when the daemon was killed or the state
// that is left is an older one: it counts as far as it verifies.
static enum result extend(struct store_zone *z, struct content *c)
{
	struct stat st;
	struct store_head last = { .to = c->place.serial };
	uint64_t octets = c->place.octets;
	if (fstat(c->fd, &st) != 0)
		return RESULT_IO;
	enum result r = store_source_file(&c->source, c->fd, (uint64_t)st.st_size);
	if (r != RESULT_OK)
		return r;
	c->source.at = octets;
	if ((uint64_t)st.st_size > octets)
		octets = store_read_deltas(&c->source, z->apex, &last);
	store_source_free(&c->source);
	pthread_mutex_lock(&z->store->lock);
	bool least = z->least == UINT64_MAX ? octets == (uint64_t)st.st_size : octets >= z->least;
	if (least && z->place.id == c->place.id && z->place.octets == c->place.octets) {
		z->place.octets = c->place.octets = octets;
		z->place.serial = c->place.serial = last.to;
	}
	pthread_mutex_unlock(&z->store->lock);
	return least ? RESULT_OK : RESULT_TRUNCATED;
}

static enum result open_content(struct store_zone *z, struct content *c)
{
	struct store *s = z->store;
	enum result r = RESULT_OK;
	pthread_mutex_lock(&s->lock);
	c->place = z->place;
	bool found = z->found_at != 0;
	if (!c->place.id || z->purge)
		r = RESULT_NOT_FOUND;
	else if (c->place.inside)
		r = read_entry(z, 'i', &c->image);
	if (r == RESULT_NOT_FOUND && c->place.id && !z->purge)
		r = RESULT_TRUNCATED;
	pthread_mutex_unlock(&s->lock);
	if (r != RESULT_OK)
		return r;
	if (c->place.inside) {
		store_source_memory(&c->source, c->image.octets, c->image.len);
		return RESULT_OK;
	}
	r = store_file_open(s, c->place.id, false, &c->fd);
	if (r == RESULT_OK && found)
		r = extend(z, c);
	return r == RESULT_OK ? store_source_file(&c->source, c->fd, c->place.octets) : r;
}

static void close_content(struct content *c)
{
	store_source_free(&c->source);
	buffer_free(&c->image);
	if (c->fd >= 0)
		close(c->fd);
}

// The content as a version, if all of it verifies and it is what the state says.
static enum result read_content(struct store_zone *z, struct content *c, struct zone_version **out)
{
	struct store_head last;
	struct zone_txn *txn;
	struct zone_version *version;
	const struct zone_txn_options o = { .apex = z->apex };
	enum result r = zone_txn_begin(z->store->db, &o, &txn);
	if (r != RESULT_OK)
		return r;
	r = store_read_zone(&c->source, z->apex, txn, &last);
	if (r != RESULT_OK) {
		zone_txn_abort(txn);
		return r;
	}
	r = zone_txn_commit(txn, &version);
	if (r != RESULT_OK)
		return r;
	if (last.to != c->place.serial || zone_version_serial(version) != last.to) {
		zone_version_discard(version);
		return RESULT_MALFORMED;
	}
	*out = version;
	return RESULT_OK;
}

enum result store_zone_timers(struct store_zone *z, struct store_timers *timers)
{
	return z ? read_timers(z, timers) : RESULT_NOT_FOUND;
}

// Damage is removed; what could not be read for other reasons stays, until
// something newer is stored in its place.
static void refuse(struct store_zone *z, enum result r)
{
	char name[NAME_TEXT_SIZE];
	bool gone = r != RESULT_IO || errno == ENOENT;
	log_error("zone %s: what is stored of it is %s (%s): the zone is to be fetched anew",
		  name_to_text(z->apex, name), gone ? "damaged, and removed" : "not readable",
		  r == RESULT_IO ? strerror(errno) : result_text(r));
	pthread_mutex_lock(&z->store->lock);
	z->store->stats.refused++;
	z->whole = !gone;
	pthread_mutex_unlock(&z->store->lock);
	if (gone)
		store_purge(z);
}

// Whether the thread has stored another image meanwhile, and removed this one.
static bool replaced(struct store_zone *z, const struct content *c)
{
	pthread_mutex_lock(&z->store->lock);
	bool other = z->place.id != c->place.id;
	pthread_mutex_unlock(&z->store->lock);
	return other;
}

enum result store_zone_load(struct store_zone *z, struct zone_version **version,
			    struct store_timers *timers)
{
	struct content c = { .fd = -1 };
	if (!z)
		return RESULT_NOT_FOUND;
	enum result r = open_content(z, &c);
	if (r == RESULT_NOT_FOUND)
		return r;
	if (r == RESULT_OK)
		r = read_timers(z, timers);
	if (r == RESULT_OK)
		r = read_content(z, &c, version);
	bool again = r != RESULT_OK && r != RESULT_NO_MEMORY && replaced(z, &c);
	if (r != RESULT_OK && r != RESULT_NO_MEMORY && !again) {
		refuse(z, r);
		r = RESULT_NOT_FOUND;
	}
	close_content(&c);
	return again ? store_zone_load(z, version, timers) : r;
}

// ---- what is told

void store_zone_status(struct store_zone *z, struct store_zone_status *out)
{
	*out = (struct store_zone_status){ 0 };
	if (!z)
		return;
	pthread_mutex_lock(&z->store->lock);
	out->stored = z->place.id != 0;
	out->serial = z->place.serial;
	out->octets = z->place.octets;
	out->due = z->due || z->storing;
	pthread_mutex_unlock(&z->store->lock);
}

void store_stats(struct store *s, struct store_stats *out)
{
	*out = (struct store_stats){ 0 };
	if (!s)
		return;
	pthread_mutex_lock(&s->lock);
	*out = s->stats;
	for (size_t i = 0; i < s->buckets; i++) {
		for (const struct store_zone *z = s->bucket[i]; z; z = z->next) {
			out->zones += z->place.id != 0;
			out->unconfigured += z->place.id != 0 && !z->configured;
			out->octets += z->place.octets;
		}
	}
	pthread_mutex_unlock(&s->lock);
}

void store_each_unconfigured(struct store *s, void (*each)(void *, const uint8_t *, uint32_t),
			     void *arg)
{
	for (size_t i = 0; s && i < s->buckets; i++) {
		for (struct store_zone *z = s->bucket[i]; z; z = z->next) {
			struct store_zone_status status;
			store_zone_status(z, &status);
			if (status.stored && !z->configured)
				each(arg, z->apex, status.serial);
		}
	}
}

// ---- all of it

enum result store_new(struct zonedb *db, const char *path, struct store **out)
{
	struct store *s = calloc(1, sizeof(*s));
	if (!s)
		return RESULT_NO_MEMORY;
	pthread_mutex_init(&s->lock, NULL);
	pthread_condattr_t monotonic;
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&s->wake, &monotonic);
	pthread_condattr_destroy(&monotonic);
	s->db = db;
	s->lock_fd = s->zones_fd = s->marks_fd = -1;
	s->next_id = 1;
	s->due_end = &s->due;
	s->buckets = BUCKETS_LEAST;
	s->bucket = calloc(s->buckets, sizeof(struct store_zone *));
	s->path = strdup(path);
	enum result r = s->bucket && s->path ? store_open(s) : RESULT_NO_MEMORY;
	int saved = errno;
	if (r == RESULT_OK)
		*out = s;
	else
		store_free(s);
	errno = saved;
	return r;
}

enum result store_start(struct store *s)
{
	if (pthread_create(&s->thread, NULL, store_thread, s) != 0)
		return RESULT_NO_MEMORY;
	s->started = true;
	return RESULT_OK;
}

void store_stop(struct store *s)
{
	if (!s || !s->started)
		return;
	pthread_mutex_lock(&s->lock);
	s->stopping = true;
	pthread_cond_signal(&s->wake);
	pthread_mutex_unlock(&s->lock);
	pthread_join(s->thread, NULL);
	s->started = false;
}

void store_free(struct store *s)
{
	if (!s)
		return;
	assert(!s->started);
	for (size_t i = 0; s->bucket && i < s->buckets; i++) {
		struct store_zone *z, *next;
		for (z = s->bucket[i]; z; z = next) {
			next = z->next;
			drop_deltas(z);
			free(z->timers);
			free(z);
		}
	}
	free(s->bucket);
	free(s->found);
	store_db_free(s->file);
	store_salvage_free(&s->salvage);
	if (s->marks_fd >= 0)
		close(s->marks_fd);
	if (s->zones_fd >= 0)
		close(s->zones_fd);
	if (s->lock_fd >= 0)
		close(s->lock_fd);
	pthread_cond_destroy(&s->wake);
	pthread_mutex_destroy(&s->lock);
	free(s->path);
	free(s);
}
