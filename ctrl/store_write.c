// SPDX-License-Identifier: BSD-3-Clause
// The store's thread: writes what is due, in groups.
//
// A group's files are written and synced first; then one LMDB transaction makes
// all of it count. Until that nothing does, so a failure needs no undoing: what
// was due is due again, after a pause.
//
// The thread is a registered RCU reader, online only while it copies an image
// into the page cache.
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "loop.h"
#include "store_parts.h"
#include "understudy/rcu.h"

#define GROUP_MS      200
#define GROUP_ZONES   8192
#define PAUSE_MS      1000
#define PAUSE_MOST_MS 60000
#define INSIDE_OCTETS (32u << 10)
#define WRITE_OCTETS  (256u << 10)
#define CELLS_LEAST   (64u << 10) // of a zone that is stored as cells

// One zone of a group.
struct work {
	struct store_zone *zone;
	bool whole, purge;
	struct store_timers *timers;
	struct store_delta *deltas;
	struct store_place old, place; // before and after
	uint64_t generation;           // of the image, if it was written
	bool image, appended;          // what was written
	bool gone;                     // nothing is published of the zone
};

struct group {
	struct store *store;
	struct work *works;
	size_t count;
	bool renamed;
	uint64_t images, deltas;
};

// ---- images

// An image on its way into LMDB or, once it is too large, into a file.
struct imaging {
	struct store *store;
	struct store_writer writer;
	uint64_t id, octets;
	int fd;
};

static enum result spill(struct imaging *m)
{
	enum result r = RESULT_OK;
	size_t whole = store_writer_whole(&m->writer);
	if (m->fd < 0)
		r = store_file_new(m->store, m->id, &m->fd);
	if (r == RESULT_OK)
		r = store_file_write(m->fd, m->writer.out.octets, whole, m->octets);
	if (r != RESULT_OK)
		return r;
	m->octets += whole;
	store_writer_taken(&m->writer);
	return RESULT_OK;
}

static enum result copy_node(struct imaging *m, const struct catalog *view, const struct zone *zone,
			     const struct node *node)
{
	uint8_t owner[NAME_MAX_OCTETS];
	struct rrset rr;
	uint64_t at = 0;
	enum result r = RESULT_OK;
	node_owner(zone, node, owner);
	while (r == RESULT_OK && node_next_rrset(view, node, &at, &rr))
		r = store_writer_rrset(&m->writer, owner, &rr, false);
	if (r == RESULT_OK && store_writer_whole(&m->writer) >= WRITE_OCTETS)
		r = spill(m);
	return r;
}

static enum result copy_records(struct imaging *m, const struct catalog *view,
				const struct zone *zone)
{
	struct zone_iter *it = malloc(sizeof(*it));
	if (!it)
		return RESULT_NO_MEMORY;
	zone_iter_init(it, view, zone);
	enum result r = RESULT_OK;
	for (const struct node *n; r == RESULT_OK && (n = zone_iter_next(it));)
		r = copy_node(m, view, zone, n);
	free(it);
	return r == RESULT_OK ? store_writer_end(&m->writer, NULL) : r;
}

static enum result copy_piece(void *arg, const void *octets, size_t len)
{
	struct imaging *m = arg;
	enum result r = store_writer_piece(&m->writer, octets, len);
	return r == RESULT_OK ? spill(m) : r;
}

static enum result copy_cells(struct imaging *m, const struct catalog *view,
			      const struct zone *zone)
{
	const struct zone_image_sink sink = { copy_piece, m };
	struct zone_image image;
	enum result r = zone_image_write(view, zone, &sink, &image);
	return r == RESULT_OK ? store_writer_end(&m->writer, &image) : r;
}

// The published zone; the thread is online.
static enum result copy_zone(struct imaging *m, struct work *w, enum store_kind kind)
{
	const struct catalog *view = zonedb_view(m->store->db);
	const struct zone *zone = catalog_zone(view, w->zone->apex);
	if (!zone || zone_state(zone) == ZONE_NOT_LOADED)
		return RESULT_NOT_FOUND;
	if (zone_octets(zone) < CELLS_LEAST)
		kind = STORE_IMAGE;
	struct store_head head = { .kind = kind,
				   .id = m->id,
				   .published_unix_s = loop_time().unix_s,
				   .to = zone_serial(zone) };
	name_copy(&head.apex, zone_apex(zone));
	w->generation = catalog_generation(view);
	w->place.serial = head.to;
	enum result r = store_writer_begin(&m->writer, &head);
	if (r != RESULT_OK)
		return r;
	return kind == STORE_CELLS ? copy_cells(m, view, zone) : copy_records(m, view, zone);
}

// As cells if that can be: an RRset too large for a piece is rare.
static enum result make_image(struct imaging *m, struct work *w)
{
	rcu_reader_online();
	enum result r = copy_zone(m, w, STORE_CELLS);
	if (r == RESULT_NO_SPACE) {
		if (m->fd >= 0)
			store_file_drop(m->store, m->id, m->fd);
		m->fd = -1;
		m->octets = 0;
		store_writer_free(&m->writer);
		r = copy_zone(m, w, STORE_IMAGE);
	}
	rcu_reader_offline();
	return r;
}

static enum result put_inside(struct store *s, const struct work *w, const struct buffer *image)
{
	uint8_t key[STORE_KEY_MAX];
	const struct store_entry e = { .key = key,
				       .key_len = store_key('i', w->zone, key),
				       .value = image->octets,
				       .value_len = image->len };
	return store_db_put(s->file, &e);
}

static enum result write_image(struct group *g, struct work *w)
{
	struct store *s = g->store;
	struct imaging m = { .store = s, .fd = -1, .id = s->next_id++ };
	enum result r = make_image(&m, w);
	bool inside = m.fd < 0 && m.writer.out.len <= INSIDE_OCTETS;
	if (r == RESULT_OK && inside) {
		m.octets = m.writer.out.len;
		r = put_inside(s, w, &m.writer.out);
	} else if (r == RESULT_OK) {
		r = spill(&m);
	}
	if (m.fd >= 0 && r == RESULT_OK) {
		r = store_file_keep(s, m.id, m.fd);
		g->renamed = true;
	} else if (m.fd >= 0) {
		store_file_drop(s, m.id, m.fd);
	}
	store_writer_free(&m.writer);
	w->gone = r == RESULT_NOT_FOUND;
	if (r != RESULT_OK)
		return w->gone ? RESULT_OK : r;
	w->image = true;
	w->place.id = m.id;
	w->place.octets = w->place.image_octets = m.octets;
	w->place.inside = inside;
	g->images++;
	return RESULT_OK;
}

// ---- deltas

// Whether the deltas lead on from what is stored.
static bool follows(const struct work *w)
{
	uint32_t serial = w->place.serial;
	for (const struct store_delta *d = w->deltas; d; d = d->next) {
		if (d->generation <= w->zone->generation)
			continue;
		if (d->writer.head.from != serial)
			return false;
		serial = d->writer.head.to;
	}
	return true;
}

static enum result append_deltas(struct group *g, struct work *w)
{
	int fd;
	enum result r = store_file_open(g->store, w->place.id, true, &fd);
	if (r != RESULT_OK)
		return r;
	for (const struct store_delta *d = w->deltas; d && r == RESULT_OK; d = d->next) {
		if (d->generation <= w->zone->generation)
			continue;
		r = store_file_write(fd, d->writer.out.octets, d->writer.out.len, w->place.octets);
		w->place.octets += d->writer.out.len;
		w->place.serial = d->writer.head.to;
		w->appended = true;
		g->deltas++;
	}
	if (r == RESULT_OK && ftruncate(fd, (off_t)w->place.octets) != 0)
		r = RESULT_IO; // nothing from before may follow
	if (r == RESULT_OK)
		r = store_file_sync(fd);
	int saved = errno;
	close(fd);
	errno = saved;
	return r;
}

// Whether it is the system that lacks something: then another file fares no better.
static bool is_lack(int e)
{
	return e == ENOSPC || e == EDQUOT || e == EMFILE || e == ENFILE || e == ENOMEM;
}

static enum result write_content(struct group *g, struct work *w)
{
	const struct store_place before = w->place;
	bool outgrown = w->deltas && w->place.octets > w->place.image_octets * 3 / 2;
	bool appendable = w->place.id && !w->place.inside && !outgrown && follows(w);
	if (w->whole || (w->deltas && !appendable))
		return write_image(g, w);
	enum result r = w->deltas ? append_deltas(g, w) : RESULT_OK;
	// A file that is gone or broken must not keep the group from being stored for ever.
	if (r != RESULT_IO || is_lack(errno))
		return r;
	w->place = before;
	w->appended = false;
	return write_image(g, w);
}

// ---- a group

static enum result put_state(struct group *g, struct work *w)
{
	uint8_t key[STORE_KEY_MAX], octets[STORE_STATE_MAX];
	size_t key_len = store_key('s', w->zone, key);
	struct store_state state = { .place = w->place };
	if (!w->timers)
		return RESULT_OK;
	memcpy(&state.timers, w->timers, store_timers_octets(w->timers));
	const struct store_entry e = { .key = key,
				       .key_len = key_len,
				       .value = octets,
				       .value_len =
					       store_state_write(&state, key, key_len, octets) };
	enum result r = store_db_put(g->store->file, &e);
	if (r == RESULT_OK && w->old.inside && !w->place.inside) {
		key[0] = 'i';
		r = store_db_delete(g->store->file, key, key_len);
	}
	return r;
}

static enum result delete_state(struct group *g, struct work *w)
{
	uint8_t key[STORE_KEY_MAX];
	size_t key_len = store_key('s', w->zone, key);
	enum result r = store_db_delete(g->store->file, key, key_len);
	key[0] = 'i';
	if (r == RESULT_OK)
		r = store_db_delete(g->store->file, key, key_len);
	// Before it counts, so that no start takes it for an image that has lost its state.
	if (w->old.id && !w->old.inside)
		store_file_remove(g->store, w->old.id);
	w->place = (struct store_place){ 0 };
	return r;
}

static struct store_mark mark_of(const struct store_zone *z, const struct store_place *place)
{
	return (struct store_mark){ .name = store_mark_name(z->apex, z->apex_len),
				    .id = place->id,
				    .octets = place->octets };
}

// Notes what was stored, once it counts and before anybody hears of it.
static void write_marks(struct group *g)
{
	for (size_t i = 0; i < g->count; i++) {
		const struct work *w = &g->works[i];
		struct store_zone *z = w->zone;
		if (!w->image && !w->appended)
			continue;
		if (!z->slot)
			z->slot = ++g->store->marks_count;
		const struct store_mark mark = mark_of(z, &w->place);
		store_marks_put(g->store->marks_fd, z->slot - 1, &mark);
	}
}

static enum result write_group(struct group *g)
{
	enum result r = store_db_begin(g->store->file);
	for (size_t i = 0; i < g->count && r == RESULT_OK; i++) {
		struct work *w = &g->works[i];
		if (w->purge)
			r = delete_state(g, w);
		if (r == RESULT_OK)
			r = write_content(g, w);
		if (r == RESULT_OK)
			r = put_state(g, w);
	}
	if (r == RESULT_OK && g->renamed)
		r = store_folder_sync(g->store);
	if (r != RESULT_OK) {
		int saved = errno;
		store_db_abort(g->store->file);
		errno = saved;
		return r;
	}
	r = store_db_commit(g->store->file);
	if (r == RESULT_OK)
		write_marks(g);
	return r;
}

// Memory ran out when its timers were noted: it waits for the next change, which brings
// others.
static bool lacks_timers(const struct store_zone *z)
{
	return !z->timers && (z->whole || z->deltas);
}

// Takes what is due, as much as makes a group; the lock is held.
static void take_group(struct store *s, struct group *g)
{
	g->count = 0;
	while (s->due && g->count < GROUP_ZONES) {
		struct store_zone *z = s->due;
		s->due = z->next_due;
		if (!s->due)
			s->due_end = &s->due;
		s->stats.due--;
		z->due = false;
		if (lacks_timers(z))
			continue;
		g->works[g->count++] = (struct work){ .zone = z,
						      .whole = z->whole,
						      .purge = z->purge,
						      .timers = z->timers,
						      .deltas = z->deltas,
						      .old = z->place,
						      .place = z->place };
		z->whole = z->purge = false;
		z->storing = true;
		z->timers = NULL;
		z->deltas = NULL;
		z->deltas_end = &z->deltas;
		z->delta_octets = 0;
	}
}

// What was not stored is due again, before what came since; the lock is held.
static void put_back(struct store *s, struct work *w)
{
	struct store_zone *z = w->zone;
	struct store_delta **end = &w->deltas;
	bool purged = z->purge; // since: then nothing from before counts
	z->purge |= w->purge;
	z->whole |= w->whole && !purged;
	if (!z->timers && !purged) {
		z->timers = w->timers;
		w->timers = NULL;
	}
	if (w->deltas && !z->whole && !purged) {
		for (; *end; end = &(*end)->next)
			z->delta_octets += (uint32_t)(*end)->writer.out.len;
		*end = z->deltas;
		if (!z->deltas)
			z->deltas_end = end;
		z->deltas = w->deltas;
		w->deltas = NULL;
	}
	if (!z->due) {
		z->next_due = NULL;
		*s->due_end = z;
		s->due_end = &z->next_due;
		s->stats.due++;
	}
	z->due = true;
}

// A group's outcome; the lock is held.
static void settle(struct store *s, struct group *g, bool stored)
{
	for (size_t i = 0; i < g->count; i++) {
		struct work *w = &g->works[i];
		w->zone->storing = false;
		if (stored) {
			w->zone->place = w->place;
			if (w->image || w->appended)
				w->zone->found_at = 0;
			if (w->image)
				w->zone->generation = w->generation;
		} else {
			put_back(s, w);
		}
	}
	if (!stored) {
		s->stats.failures++;
		return;
	}
	s->stats.commits++;
	s->stats.images += g->images;
	s->stats.deltas += g->deltas;
	s->stats.stored_unix_s = loop_time().unix_s;
}

// Files that count no longer: the old ones after success, else the new ones.
static void clean(struct group *g, bool stored)
{
	for (size_t i = 0; i < g->count; i++) {
		struct work *w = &g->works[i];
		const struct store_place *no = stored ? &w->old : &w->place;
		bool changed = w->place.id != w->old.id;
		if (changed && no->id && !no->inside)
			store_file_remove(g->store, no->id);
		store_delta_free(w->deltas);
		free(w->timers);
	}
}

// ---- the file at start

// A fresh file of all that was found and is good.
static enum result put_found(struct store_db *db, const struct store_found *f)
{
	const struct store_zone *z = f->zone;
	uint8_t key[STORE_KEY_MAX], octets[STORE_STATE_MAX];
	size_t key_len = store_key('s', z, key);
	struct store_entry e = { .key = key, .value = octets, .key_len = key_len };
	struct store_state state = { .timers.refreshed_unix_s = f->unix_s };
	enum result r = RESULT_OK;
	if (f->state)
		store_state_read(&state, key, key_len, f->state, f->state_len);
	state.place = z->place;
	e.value_len = store_state_write(&state, key, key_len, octets);
	if (f->state || z->place.id)
		r = store_db_put(db, &e);
	if (r == RESULT_OK && z->place.inside && f->image) {
		key[0] = 'i';
		e = (struct store_entry){ key, f->image, key_len, f->image_len };
		r = store_db_put(db, &e);
	}
	return r;
}

static enum result make_file(struct store *s, struct store_db **out)
{
	char path[4200];
	struct store_db *db;
	snprintf(path, sizeof(path), "%s/state.mdb", s->path);
	enum result r = store_db_new(path, &db);
	if (r != RESULT_OK)
		return r;
	r = store_db_begin(db);
	for (size_t i = 0; i < s->found_count && r == RESULT_OK; i++)
		r = put_found(db, &s->found[i]);
	if (r == RESULT_OK)
		r = store_db_commit(db);
	if (r == RESULT_OK)
		r = store_db_adopt(db);
	if (r == RESULT_OK)
		*out = db;
	else
		store_db_free(db);
	return r;
}

// The marks of all that was found.
static enum result make_marks(struct store *s)
{
	char path[4200];
	struct store_mark *list = calloc(s->found_count + 1, sizeof(*list));
	uint32_t count = 0;
	if (!list)
		return RESULT_NO_MEMORY;
	for (size_t i = 0; i < s->found_count; i++) {
		struct store_zone *z = s->found[i].zone;
		if (!z->place.id)
			continue;
		list[count] = mark_of(z, &z->place);
		z->slot = ++count;
	}
	snprintf(path, sizeof(path), "%s/marks", s->path);
	enum result r = store_marks_new(path, list, count, &s->marks_fd);
	s->marks_count = count;
	free(list);
	return r;
}

static enum result prepare(struct store *s)
{
	struct store_db *db;
	if (s->file)
		return RESULT_OK;
	enum result r = s->marks_fd < 0 ? make_marks(s) : RESULT_OK;
	if (r == RESULT_OK)
		r = make_file(s, &db);
	if (r != RESULT_OK)
		return r;
	pthread_mutex_lock(&s->lock);
	s->file = db;
	free(s->found);
	s->found = NULL;
	s->found_count = s->found_room = 0;
	store_salvage_free(&s->salvage);
	pthread_mutex_unlock(&s->lock);
	return RESULT_OK;
}

// ---- the thread

static struct timespec in_ms(unsigned ms)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	t.tv_sec += ms / 1000;
	t.tv_nsec += (long)(ms % 1000) * 1000000;
	if (t.tv_nsec >= 1000000000) {
		t.tv_nsec -= 1000000000;
		t.tv_sec++;
	}
	return t;
}

// Waits that long, or until the store is to stop; the lock is held.
static void wait_ms(struct store *s, unsigned ms)
{
	const struct timespec until = in_ms(ms);
	while (!s->stopping && pthread_cond_timedwait(&s->wake, &s->lock, &until) == 0)
		;
}

// Notes success or failure, and says so when it changes; the lock is held.
static void report(struct store *s, enum result r, int error)
{
	const char *text = r == RESULT_IO ? strerror(error) : result_text(r);
	if (r == RESULT_OK && s->stats.failing)
		log_info("the store in %s works again", s->path);
	else if (r != RESULT_OK && (!s->stats.failing || strcmp(s->stats.error, text) != 0))
		log_error("the store in %s cannot be written: %s; zones are served all the same",
			  s->path, text);
	s->stats.failing = r != RESULT_OK;
	snprintf(s->stats.error, sizeof(s->stats.error), "%s", r == RESULT_OK ? "" : text);
}

// One group, or the file first; the lock is held, and let go meanwhile.
static bool work_once(struct store *s, struct group *g)
{
	*g = (struct group){ .store = s, .works = g->works };
	pthread_mutex_unlock(&s->lock);
	if (!g->works)
		g->works = calloc(GROUP_ZONES, sizeof(*g->works));
	enum result r = g->works ? prepare(s) : RESULT_NO_MEMORY;
	int error = errno;
	pthread_mutex_lock(&s->lock);
	if (r == RESULT_OK) {
		take_group(s, g);
		pthread_mutex_unlock(&s->lock);
		r = g->count ? write_group(g) : RESULT_OK;
		error = errno;
		pthread_mutex_lock(&s->lock);
		settle(s, g, r == RESULT_OK);
		pthread_mutex_unlock(&s->lock);
		clean(g, r == RESULT_OK);
		pthread_mutex_lock(&s->lock);
	}
	report(s, r, error);
	return r == RESULT_OK;
}

// Nobody stops it before it has tried, once more, what is due.
void *store_thread(void *arg)
{
	struct store *s = arg;
	struct group g = { 0 };
	unsigned pause_ms = 0;
	bool ok = true, last;
	rcu_reader_register();
	rcu_reader_offline();
	pthread_mutex_lock(&s->lock);
	do {
		while (s->file && !s->due && !s->stopping)
			pthread_cond_wait(&s->wake, &s->lock);
		if (s->file || !ok)
			wait_ms(s, ok ? GROUP_MS : pause_ms);
		last = s->stopping;
		if (s->due || !s->file)
			ok = work_once(s, &g);
		pause_ms = ok || !pause_ms ? PAUSE_MS : pause_ms * 2;
		pause_ms = pause_ms > PAUSE_MOST_MS ? PAUSE_MOST_MS : pause_ms;
	} while (!last || (ok && s->due));
	pthread_mutex_unlock(&s->lock);
	rcu_reader_unregister();
	free(g.works);
	return NULL;
}
