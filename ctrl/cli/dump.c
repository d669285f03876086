// SPDX-License-Identifier: BSD-3-Clause
// What zone dump brings: the zone file behind a response, and where it goes.
#include "dump.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

// To its end, even where `to` takes no more, or is NULL: other responses may follow. Tells
// whether all was there, and all was taken.
static bool copy(FILE *from, FILE *to, json_int_t octets)
{
	char piece[65536];
	bool ok = to;
	while (octets) {
		size_t want = octets < (json_int_t)sizeof(piece) ? (size_t)octets : sizeof(piece);
		size_t got = fread(piece, 1, want, from);
		if (got == 0)
			return false;
		ok = ok && fwrite(piece, 1, got, to) == got;
		octets -= (json_int_t)got;
	}
	return ok && fflush(to) == 0;
}

// Where octets go: into a file that takes the place of another once all are there, or, with
// no part, straight to what is no plain file.
struct target {
	FILE *to;
	char *place, *part;
};

// A link is followed: what it leads to is replaced, not the link; a device or a pipe is not.
static void target_open(struct target *t, const char *path)
{
	struct stat st;
	*t = (struct target){ .to = NULL };
	if (stat(path, &st) == 0 && !S_ISREG(st.st_mode)) {
		t->to = fopen(path, "we");
		return;
	}
	t->place = realpath(path, NULL);
	if (!t->place)
		t->place = strdup(path); // it is new
	if (t->place && asprintf(&t->part, "%s.part", t->place) < 0)
		t->part = NULL;
	if (t->part)
		t->to = fopen(t->part, "we");
}

// Whether all is there now; if not `ok`, what was there before.
static bool target_close(struct target *t, bool ok)
{
	if (t->to)
		ok = (fclose(t->to) == 0) & ok;
	if (t->part && ok)
		ok = rename(t->part, t->place) == 0;
	int saved = errno;
	if (t->part && t->to && !ok)
		unlink(t->part);
	free(t->part);
	free(t->place);
	errno = saved;
	return ok;
}

// The zone file behind a dump's response; into a plain file it goes whole or not at all.
static bool save(FILE *stream, json_int_t octets, const char *path)
{
	struct target t = { .to = stdout };
	if (path)
		target_open(&t, path);
	int saved = t.to ? 0 : errno;
	errno = 0;
	bool ok = copy(stream, t.to, octets);
	if (path)
		ok = target_close(&t, ok);
	saved = saved ? saved : errno;
	if (!ok)
		fprintf(stderr, "understudyctl: %s: %s\n", path ? path : "the zone file",
			saved ? strerror(saved) : "it was cut short");
	return ok;
}

// The same as the "text" of the result.
static bool take(FILE *stream, json_t *result, json_int_t octets)
{
	char *text = NULL;
	size_t len;
	FILE *to = open_memstream(&text, &len);
	bool ok = to && copy(stream, to, octets);
	if (to)
		ok = (fclose(to) == 0) & ok;
	ok = ok && json_object_set_new(result, "text", json_stringn(text, len)) == 0;
	if (!ok)
		fprintf(stderr, "understudyctl: the zone file was cut short\n");
	free(text);
	return ok;
}

// Where a zone's file goes: DIR/shop.example.zone; a slash in the name is written \047.
static char *path_of(const char *folder, const char *zone)
{
	char *path = NULL, *end;
	size_t size = strlen(folder) + 4 * strlen(zone) + sizeof("/.zone");
	path = malloc(size);
	if (!path)
		abort();
	end = path + sprintf(path, "%s/", folder);
	for (; *zone; zone++)
		end += sprintf(end, *zone == '/' ? "\\047" : "%c", *zone);
	strcpy(end, end[-1] == '.' && end[-2] != '\\' ? "zone" : ".zone");
	return path;
}

bool dump_save(FILE *stream, json_t *response, const struct dump_place *place)
{
	json_t *result = json_object_get(response, "result");
	json_int_t octets = json_integer_value(json_object_get(result, "octets"));
	char *in_folder = place->folder ? path_of(place->folder, place->zone) : NULL;
	const char *path = in_folder ? in_folder : place->file;
	bool ok = place->text && !path ? take(stream, result, octets) : save(stream, octets, path);
	free(in_folder);
	return ok;
}
