// SPDX-License-Identifier: BSD-3-Clause
// What the store finds in its folder at start: states, images, leftovers.
//
// Nothing is believed that does not verify. A zone whose state is lost, or tells of
// an older image than there is, is rebuilt from its image.
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store_parts.h"

// ---- the folder

static enum result make_folder(int at, const char *path)
{
	return mkdirat(at, path, 0750) == 0 || errno == EEXIST ? RESULT_OK : RESULT_IO;
}

static enum result lock_folder(struct store *s)
{
	int folder = open(s->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (folder < 0)
		return RESULT_IO;
	s->lock_fd = openat(folder, "lock", O_RDWR | O_CREAT | O_CLOEXEC, 0640);
	enum result r = s->lock_fd >= 0 ? RESULT_OK : RESULT_IO;
	if (r == RESULT_OK && flock(s->lock_fd, LOCK_EX | LOCK_NB) != 0)
		r = errno == EWOULDBLOCK ? RESULT_EXISTS : RESULT_IO;
	if (r == RESULT_OK)
		r = make_folder(folder, "zones");
	if (r == RESULT_OK) {
		s->zones_fd = openat(folder, "zones", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		r = s->zones_fd >= 0 ? RESULT_OK : RESULT_IO;
	}
	// Is there a way in? A full disk is none of this question's business.
	if (r == RESULT_OK && faccessat(folder, ".", W_OK, AT_EACCESS) != 0)
		r = RESULT_IO;
	int saved = errno;
	close(folder);
	errno = saved;
	return r;
}

// ---- states and small images

static bool entry_apex(const struct store_entry *e, struct name *out)
{
	struct wire w = wire_init(e->key, e->key_len);
	wire_u8(&w);
	const uint8_t *p = w.pos;
	return name_read(&w, out) == RESULT_OK && wire_left(&w) == 0 &&
	       out->len == (size_t)(w.pos - p);
}

// What is found of the zone of this name; NULL without memory. Valid until the next call.
static struct store_found *found_zone(struct store *s, const uint8_t *apex)
{
	struct store_zone *z = store_find(s, apex);
	if (z)
		return &s->found[z->found_at - 1];
	if (s->found_count == s->found_room) {
		size_t room = s->found_room * 2 + 64;
		struct store_found *more = reallocarray(s->found, room, sizeof(*more));
		if (!more)
			return NULL;
		s->found = more;
		s->found_room = room;
	}
	z = store_zone_new(s, apex);
	if (!z)
		return NULL;
	struct store_found *f = &s->found[s->found_count++];
	*f = (struct store_found){ .zone = z };
	z->found_at = (uint32_t)s->found_count;
	return f;
}

static enum result take_entry(struct store *s, const struct store_entry *e)
{
	struct name apex;
	struct store_state state;
	bool is_state = e->key_len && e->key[0] == 's';
	if (!e->key_len || (!is_state && e->key[0] != 'i') || !entry_apex(e, &apex) ||
	    (is_state && store_state_read(&state, e->key, e->key_len, e->value, e->value_len))) {
		s->stats.refused++;
		return RESULT_OK;
	}
	struct store_found *f = found_zone(s, apex.wire);
	if (!f)
		return RESULT_NO_MEMORY;
	if (is_state) {
		f->zone->place = state.place;
		f->state = e->value;
		f->state_len = e->value_len;
		if (state.place.id >= s->next_id)
			s->next_id = state.place.id + 1;
	} else {
		f->image = e->value;
		f->image_len = e->value_len;
	}
	return RESULT_OK;
}

// ---- images that no state names

struct seen {
	struct store_head first, last;
	uint64_t image_octets;
};

static enum result see_head(void *arg, const struct store_head *head)
{
	struct seen *seen = arg;
	bool image = seen->first.kind == 0;
	if (image ? head->kind == STORE_DELTA
		  : head->kind != STORE_DELTA || head->from != seen->last.to ||
			    !name_equal(head->apex.wire, seen->first.apex.wire))
		return RESULT_MALFORMED;
	if (image)
		seen->first = *head;
	seen->last = *head;
	return RESULT_OK;
}

// How far the source is one image and deltas that follow from it.
static uint64_t verify(struct store_source *source, struct seen *seen)
{
	const struct store_sink sink = { .head = see_head, .arg = seen };
	struct store_head good = { 0 };
	uint64_t octets = 0;
	*seen = (struct seen){ 0 };
	while (store_read_segment(source, &sink) == RESULT_OK) {
		octets = source->at;
		good = seen->last;
		if (!seen->image_octets)
			seen->image_octets = octets;
	}
	seen->last = good;
	return octets;
}

// The place that a verified image without a state has; the newest one counts.
static enum result adopt(struct store *s, const struct seen *seen, uint64_t octets, bool inside)
{
	struct store_found *f = found_zone(s, seen->first.apex.wire);
	if (!f)
		return RESULT_NO_MEMORY;
	struct store_place *place = &f->zone->place;
	if (place->id >= seen->first.id)
		return RESULT_EXISTS;
	if (place->id && !place->inside)
		store_file_remove(s, place->id);
	*place = (struct store_place){ .id = seen->first.id,
				       .octets = octets,
				       .image_octets = seen->image_octets,
				       .serial = seen->last.to,
				       .inside = inside };
	f->unix_s = seen->last.published_unix_s;
	if (seen->first.id >= s->next_id)
		s->next_id = seen->first.id + 1;
	return RESULT_OK;
}

static enum result adopt_inside(struct store *s, const struct store_found *f)
{
	struct store_source source;
	struct seen seen;
	store_source_memory(&source, f->image, f->image_len);
	uint64_t octets = verify(&source, &seen);
	if (octets != f->image_len || !name_equal(seen.first.apex.wire, f->zone->apex)) {
		s->stats.refused++;
		return RESULT_OK;
	}
	enum result r = adopt(s, &seen, octets, true);
	return r == RESULT_EXISTS ? RESULT_OK : r;
}

static enum result adopt_file(struct store *s, uint64_t id)
{
	int fd;
	struct stat st;
	struct seen seen = { 0 };
	uint64_t octets = 0;
	struct store_source source;
	if (store_file_open(s, id, false, &fd) != RESULT_OK)
		return RESULT_OK;
	enum result r = fstat(fd, &st) == 0 ? RESULT_OK : RESULT_IO;
	if (r == RESULT_OK)
		r = store_source_file(&source, fd, (uint64_t)st.st_size);
	if (r == RESULT_OK) {
		octets = verify(&source, &seen);
		store_source_free(&source);
		r = octets && seen.first.id == id ? adopt(s, &seen, octets, false) : RESULT_EXISTS;
	}
	close(fd);
	if (r == RESULT_EXISTS || r == RESULT_IO)
		store_file_remove(s, id);
	return r == RESULT_NO_MEMORY ? r : RESULT_OK;
}

static int by_id(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
	return (x > y) - (x < y);
}

// The ids that states name, sorted.
static enum result named_ids(const struct store *s, uint64_t **out, size_t *count)
{
	uint64_t *ids = calloc(s->found_count + 1, sizeof(*ids));
	*count = 0;
	if (!ids)
		return RESULT_NO_MEMORY;
	for (size_t i = 0; i < s->found_count; i++) {
		const struct store_place *place = &s->found[i].zone->place;
		if (s->found[i].state && place->id && !place->inside)
			ids[(*count)++] = place->id;
	}
	qsort(ids, *count, sizeof(*ids), by_id);
	*out = ids;
	return RESULT_OK;
}

// Uses or removes every file that no state names.
static enum result sweep(struct store *s)
{
	uint64_t *ids, id;
	size_t count;
	enum result r = named_ids(s, &ids, &count);
	if (r != RESULT_OK)
		return r;
	int fd = openat(s->zones_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
	struct dirent *e;
	while (r == RESULT_OK && d && (e = readdir(d))) {
		size_t len = strlen(e->d_name);
		if (store_file_id(e->d_name, &id) && !bsearch(&id, ids, count, sizeof(*ids), by_id))
			r = adopt_file(s, id);
		else if (len > 4 && strcmp(e->d_name + len - 4, ".tmp") == 0)
			unlinkat(s->zones_fd, e->d_name, 0);
	}
	if (!d)
		r = RESULT_IO;
	else
		closedir(d);
	free(ids);
	return r;
}

static enum result read_states(struct store *s, const char *path)
{
	struct store_entry e;
	size_t at = 0;
	enum result r = store_salvage_read(path, &s->salvage);
	while (r == RESULT_OK && store_salvage_next(&s->salvage, &at, &e))
		r = take_entry(s, &e);
	if (r == RESULT_OK && (!s->salvage.whole || s->stats.refused))
		log_warning("%s is damaged: what does not verify there is left out", path);
	for (size_t i = 0; i < s->found_count && r == RESULT_OK; i++) {
		if (!s->found[i].state && s->found[i].image)
			r = adopt_inside(s, &s->found[i]);
	}
	return r;
}

// What verifies may be older than what was stored last: then it does not count.
static void compare_mark(struct store *s, struct store_found *f, const struct store_mark *mark)
{
	char name[NAME_TEXT_SIZE];
	struct store_zone *z = f->zone;
	z->least = !mark ? UINT64_MAX : mark->id == z->place.id ? mark->octets : 0;
	if (!mark || mark->id <= z->place.id)
		return;
	log_error("zone %s: only an older image is left of what was stored: the zone is to be "
		  "fetched anew",
		  name_to_text(z->apex, name));
	z->place = (struct store_place){ 0 };
	f->image = NULL;
	s->stats.refused++;
}

static enum result compare_marks(struct store *s)
{
	char path[4200];
	struct store_marks marks;
	snprintf(path, sizeof(path), "%s/marks", s->path);
	enum result r = store_marks_read(path, &marks);
	if (r != RESULT_OK)
		return r;
	for (size_t i = 0; i < s->found_count; i++) {
		struct store_found *f = &s->found[i];
		uint64_t id = store_mark_name(f->zone->apex, f->zone->apex_len);
		if (f->zone->place.id)
			compare_mark(s, f, store_marks_find(&marks, id));
	}
	store_marks_free(&marks);
	return RESULT_OK;
}

enum result store_open(struct store *s)
{
	char path[4200];
	enum result r = make_folder(AT_FDCWD, s->path);
	if (r == RESULT_OK)
		r = lock_folder(s);
	snprintf(path, sizeof(path), "%s/state.mdb", s->path);
	if (r == RESULT_OK)
		r = read_states(s, path);
	if (r == RESULT_OK)
		r = sweep(s);
	return r == RESULT_OK ? compare_marks(s) : r;
}
