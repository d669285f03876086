// SPDX-License-Identifier: BSD-3-Clause
// Zones that are added by command: a journal of two equal files.
//
// A line is the CRC32C of a JSON object, and the object. Each has a number, by which
// a zone's last line is known; lines that no longer matter go at the next start.
#include "additions.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "crc32c.h"
#include "folder.h"

#define COPIES    2
#define SUM_TEXT  9 // eight digits and a space
#define FILE_MODE 0640

// A line of the journal.
struct entry {
	uint64_t number;
	bool add;
	char *text;          // the JSON object
	const uint8_t *zone; // behind it
};

struct entries {
	struct entry *list;
	size_t count, room;
};

// The list holds the last line of each zone that is added.
struct additions {
	char *path[COPIES];
	int fd[COPIES];
	uint64_t next;
	struct entries list;
};

// ---- lines

static json_t *to_json(uint64_t number, bool add, const struct addition *a)
{
	char zone[NAME_TEXT_SIZE];
	json_t *out = json_pack("{s:I, s:s, s:s}", "n", (json_int_t)number, "op",
				add ? "add" : "remove", "zone", name_to_text(a->zone.wire, zone));
	if (!add)
		return out;
	if (a->template_id[0])
		json_object_set_new(out, "template", json_string(a->template_id));
	json_t *primaries = json_array();
	for (unsigned i = 0; i < a->primary_count; i++)
		json_array_append_new(primaries, json_string(a->primary_ids[i]));
	if (a->primary_count)
		json_object_set(out, "primaries", primaries);
	json_decref(primaries);
	return out;
}

bool addition_id(const char *text, char out[ADDITION_ID_OCTETS])
{
	size_t len = text ? strlen(text) : 0;
	if (!len || len >= ADDITION_ID_OCTETS)
		return false;
	memcpy(out, text, len + 1);
	return true;
}

static bool from_json(json_t *object, struct addition *out)
{
	json_t *template = json_object_get(object, "template"), *id;
	json_t *primaries = json_object_get(object, "primaries");
	const char *zone = json_string_value(json_object_get(object, "zone"));
	size_t i;
	memset(out, 0, sizeof(*out));
	if (!zone || name_from_text(zone, &out->zone) ||
	    (template && !addition_id(json_string_value(template), out->template_id)) ||
	    json_array_size(primaries) > CONFIG_PRIMARIES_MAX)
		return false;
	json_array_foreach (primaries, i, id) {
		if (!addition_id(json_string_value(id), out->primary_ids[out->primary_count++]))
			return false;
	}
	return true;
}

// The text and behind it the name, in one piece of memory.
static bool set_text(struct entry *e, const char *text, size_t len, const struct name *zone)
{
	char *copy = malloc(len + 1 + zone->len);
	if (!copy)
		return false;
	memcpy(copy, text, len);
	copy[len] = '\0';
	e->text = copy;
	e->zone = memcpy(copy + len + 1, zone->wire, zone->len);
	return true;
}

static bool read_entry(const char *text, size_t len, struct entry *out)
{
	json_t *object = json_loadb(text, len, 0, NULL);
	const char *op = json_string_value(json_object_get(object, "op"));
	const char *zone = json_string_value(json_object_get(object, "zone"));
	json_int_t number = json_integer_value(json_object_get(object, "n"));
	struct name name;
	bool ok = op && zone && number > 0 && name_from_text(zone, &name) == RESULT_OK;
	if (ok) {
		out->number = (uint64_t)number;
		out->add = strcmp(op, "add") == 0;
		ok = set_text(out, text, len, &name);
	}
	json_decref(object);
	return ok;
}

// ---- entries

static enum result reserve(struct entries *e, size_t count)
{
	if (count <= e->room)
		return RESULT_OK;
	size_t room = count > e->room * 2 ? count : e->room * 2;
	struct entry *more = reallocarray(e->list, room, sizeof(*more));
	if (!more)
		return RESULT_NO_MEMORY;
	e->list = more;
	e->room = room;
	return RESULT_OK;
}

static void free_entries(struct entries *e)
{
	for (size_t i = 0; i < e->count; i++)
		free(e->list[i].text);
	free(e->list);
	*e = (struct entries){ 0 };
}

static int by_zone_and_number(const void *a, const void *b)
{
	const struct entry *x = a, *y = b;
	int order = name_compare(x->zone, y->zone);
	return order ? order : (x->number > y->number) - (x->number < y->number);
}

// Where the zone stands, or would; *found tells which.
static size_t place_of(const struct additions *a, const uint8_t *zone, bool *found)
{
	size_t low = 0, high = a->list.count;
	*found = false;
	while (low < high && !*found) {
		size_t middle = low + (high - low) / 2;
		int order = name_compare(a->list.list[middle].zone, zone);
		*found = order == 0;
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return high;
}

// ---- reading

// Every line that verifies; tells whether all do.
static enum result take_lines(const char *octets, size_t len, struct entries *out, bool *whole)
{
	for (size_t at = 0; at < len;) {
		const char *line = octets + at, *end = memchr(line, '\n', len - at);
		size_t n = end ? (size_t)(end - line) : len - at;
		char sum[SUM_TEXT + 1];
		at += n + 1;
		if (reserve(out, out->count + 1))
			return RESULT_NO_MEMORY;
		if (n > SUM_TEXT)
			snprintf(sum, sizeof(sum), "%08x ",
				 crc32c(0, line + SUM_TEXT, n - SUM_TEXT));
		if (end && n > SUM_TEXT && memcmp(line, sum, SUM_TEXT) == 0 &&
		    read_entry(line + SUM_TEXT, n - SUM_TEXT, &out->list[out->count]))
			out->count++;
		else
			*whole = false;
	}
	return RESULT_OK;
}

// The file's octets, the caller's; none if there is no file.
static enum result read_file(const char *path, char **octets, size_t *len)
{
	struct stat st;
	*octets = NULL;
	*len = 0;
	FILE *f = fopen(path, "re");
	if (!f)
		return errno == ENOENT ? RESULT_OK : RESULT_IO;
	enum result r = fstat(fileno(f), &st) == 0 ? RESULT_OK : RESULT_IO;
	if (r == RESULT_OK) {
		*octets = malloc((size_t)st.st_size + 1);
		r = *octets ? RESULT_OK : RESULT_NO_MEMORY;
	}
	if (r == RESULT_OK)
		*len = fread(*octets, 1, (size_t)st.st_size, f);
	fclose(f);
	return r;
}

// Of each zone the last line, if it adds the zone.
static void keep_last(struct entries *e)
{
	size_t kept = 0;
	if (e->count)
		qsort(e->list, e->count, sizeof(*e->list), by_zone_and_number);
	for (size_t i = 0; i < e->count; i++) {
		bool last = i + 1 == e->count || !name_equal(e->list[i].zone, e->list[i + 1].zone);
		if (last && e->list[i].add)
			e->list[kept++] = e->list[i];
		else
			free(e->list[i].text);
	}
	e->count = kept;
}

// Both files; *tidy tells whether they are equal, whole, and hold what matters only.
static enum result read_copies(struct additions *a, bool *tidy)
{
	char *octets[COPIES] = { 0 };
	size_t len[COPIES] = { 0 };
	enum result r = RESULT_OK;
	for (unsigned i = 0; i < COPIES && r == RESULT_OK; i++)
		r = read_file(a->path[i], &octets[i], &len[i]);
	bool equal = r == RESULT_OK && len[0] == len[1] &&
		     (!len[0] || memcmp(octets[0], octets[1], len[0]) == 0);
	*tidy = equal;
	for (unsigned i = 0; i < (equal ? 1 : COPIES) && r == RESULT_OK; i++)
		r = take_lines(octets[i], len[i], &a->list, tidy);
	for (size_t i = 0; i < a->list.count; i++) {
		if (a->list.list[i].number >= a->next)
			a->next = a->list.list[i].number + 1;
	}
	size_t lines = a->list.count;
	keep_last(&a->list);
	*tidy &= lines == a->list.count;
	for (unsigned i = 0; i < COPIES; i++)
		free(octets[i]);
	return r;
}

// ---- writing

// One copy anew, with what matters.
static enum result rewrite(const struct additions *a, const char *path)
{
	char part[4200];
	snprintf(part, sizeof(part), "%s.new", path);
	int fd = open(part, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, FILE_MODE);
	FILE *f = fd >= 0 ? fdopen(fd, "w") : NULL;
	for (size_t i = 0; f && i < a->list.count; i++) {
		const char *text = a->list.list[i].text;
		fprintf(f, "%08x %s\n", crc32c(0, text, strlen(text)), text);
	}
	bool ok = f && fflush(f) == 0 && !ferror(f) && fdatasync(fileno(f)) == 0;
	if (f)
		ok = (fclose(f) == 0) & ok;
	else if (fd >= 0)
		close(fd);
	if (ok && folder_rename(part, path) == RESULT_OK)
		return RESULT_OK;
	int saved = errno;
	unlink(part);
	errno = saved;
	return RESULT_IO;
}

// Whether the file ends within a line, of a write that was cut short.
static bool is_torn(int fd, off_t end)
{
	char last;
	return end > 0 && pread(fd, &last, 1, end - 1) == 1 && last != '\n';
}

// The same line into both files, or into none. One behind a torn line begins anew.
static enum result append(const struct additions *a, const char *text)
{
	char *line;
	off_t end[COPIES] = { 0 };
	bool ok = true;
	int len = asprintf(&line, "\n%08x %s\n", crc32c(0, text, strlen(text)), text);
	if (len < 0)
		return RESULT_NO_MEMORY;
	for (unsigned i = 0; i < COPIES; i++)
		end[i] = lseek(a->fd[i], 0, SEEK_END);
	for (unsigned i = 0; i < COPIES && ok; i++) {
		int skip = !is_torn(a->fd[i], end[i]);
		errno = ENOSPC; // of a write that is short
		ok = end[i] >= 0 &&
		     write(a->fd[i], line + skip, (size_t)(len - skip)) == len - skip;
	}
	int saved = errno;
	for (unsigned i = 0; i < COPIES && !ok; i++) {
		if (end[i] >= 0 && ftruncate(a->fd[i], end[i]) != 0)
			continue; // a part of a line does not verify
	}
	free(line);
	errno = saved;
	return ok ? RESULT_OK : RESULT_IO;
}

// One more line; `out` is the caller's, with its text.
static enum result note(struct additions *a, bool add, const struct addition *addition,
			struct entry *out)
{
	struct entry e = { .number = a->next, .add = add };
	json_t *object = to_json(e.number, add, addition);
	char *text = object ? json_dumps(object, JSON_COMPACT) : NULL;
	bool ok = text && set_text(&e, text, strlen(text), &addition->zone);
	json_decref(object);
	free(text);
	enum result r = ok ? append(a, e.text) : RESULT_NO_MEMORY;
	if (r != RESULT_OK) {
		free(e.text);
		return r;
	}
	a->next++;
	*out = e;
	return RESULT_OK;
}

// ---- all of it

// What is in the folder; *out is to be freed in any case.
static enum result read_folder(const char *folder, struct additions **out, bool *tidy)
{
	struct additions *a = calloc(1, sizeof(*a));
	*out = a;
	if (!a)
		return RESULT_NO_MEMORY;
	*a = (struct additions){ .fd = { -1, -1 }, .next = 1 };
	for (unsigned i = 0; i < COPIES; i++) {
		if (asprintf(&a->path[i], "%s/added.%u", folder, i + 1) < 0) {
			a->path[i] = NULL;
			return RESULT_NO_MEMORY;
		}
	}
	return read_copies(a, tidy);
}

enum result additions_read(const char *folder, struct additions **out)
{
	struct additions *a;
	bool tidy;
	enum result r = read_folder(folder, &a, &tidy);
	if (r == RESULT_OK) {
		*out = a;
		return r;
	}
	int saved = errno;
	additions_free(a);
	errno = saved;
	return r;
}

enum result additions_open(const char *folder, struct additions **out)
{
	struct additions *a;
	bool tidy = true;
	enum result r = read_folder(folder, &a, &tidy);
	// On a full disk they stay as they are.
	for (unsigned i = 0; i < COPIES && r == RESULT_OK && !tidy; i++) {
		if (rewrite(a, a->path[i]))
			break;
	}
	for (unsigned i = 0; i < COPIES && r == RESULT_OK; i++) {
		a->fd[i] = open(a->path[i], O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, FILE_MODE);
		r = a->fd[i] >= 0 ? RESULT_OK : RESULT_IO;
	}
	if (r == RESULT_OK) {
		*out = a;
	} else {
		int saved = errno;
		additions_free(a);
		errno = saved;
	}
	return r;
}

void additions_free(struct additions *a)
{
	if (!a)
		return;
	for (unsigned i = 0; i < COPIES; i++) {
		if (a->fd[i] >= 0)
			close(a->fd[i]);
		free(a->path[i]);
	}
	free_entries(&a->list);
	free(a);
}

size_t additions_count(const struct additions *a)
{
	return a ? a->list.count : 0;
}

void additions_at(const struct additions *a, size_t i, struct addition *out)
{
	json_t *object = json_loads(a->list.list[i].text, 0, NULL);
	if (!object || !from_json(object, out)) { // of a later release
		memset(out, 0, sizeof(*out));
		name_copy(&out->zone, a->list.list[i].zone);
	}
	json_decref(object);
}

bool additions_has(const struct additions *a, const uint8_t *zone)
{
	bool found;
	place_of(a, zone, &found);
	return found;
}

enum result additions_put(struct additions *a, const struct addition *addition)
{
	bool found;
	struct entry fresh;
	size_t at = place_of(a, addition->zone.wire, &found);
	if (found)
		return RESULT_EXISTS;
	enum result r = reserve(&a->list, a->list.count + 1);
	if (r != RESULT_OK)
		return r;
	r = note(a, true, addition, &fresh);
	if (r != RESULT_OK)
		return r;
	struct entry *e = &a->list.list[at];
	memmove(e + 1, e, (a->list.count - at) * sizeof(*e));
	*e = fresh;
	a->list.count++;
	return RESULT_OK;
}

enum result additions_drop(struct additions *a, const uint8_t *zone)
{
	bool found;
	struct entry line;
	struct addition gone = { 0 };
	size_t at = place_of(a, zone, &found);
	if (!found)
		return RESULT_NOT_FOUND;
	name_copy(&gone.zone, a->list.list[at].zone);
	enum result r = note(a, false, &gone, &line);
	if (r != RESULT_OK)
		return r;
	free(line.text);
	struct entry *e = &a->list.list[at];
	free(e->text);
	a->list.count--;
	memmove(e, e + 1, (a->list.count - at) * sizeof(*e));
	return RESULT_OK;
}

enum result additions_sync(const struct additions *a)
{
	for (unsigned i = 0; i < COPIES; i++) {
		if (fdatasync(a->fd[i]) != 0)
			return RESULT_IO;
	}
	return folder_sync(a->path[0]); // they may be new
}
