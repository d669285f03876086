// SPDX-License-Identifier: BSD-3-Clause
// What zone dump brings: the zone file behind a response, and where it goes.
#include "dump.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
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

// The zone file behind a dump's response; into a file it goes whole or not at all.
static bool save(FILE *stream, json_int_t octets, const char *path)
{
	char *part = NULL;
	FILE *to = stdout;
	if (path)
		to = asprintf(&part, "%s.part", path) > 0 ? fopen(part, "w") : NULL;
	int saved = to ? 0 : errno;
	errno = 0;
	bool ok = copy(stream, to, octets);
	if (to && path)
		ok = (fclose(to) == 0) & ok;
	if (path && ok)
		ok = rename(part, path) == 0;
	saved = saved ? saved : errno;
	if (!ok)
		fprintf(stderr, "understudyctl: %s: %s\n", path ? path : "the zone file",
			saved ? strerror(saved) : "it was cut short");
	if (path && !ok && to)
		unlink(part);
	free(part);
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
