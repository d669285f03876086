// SPDX-License-Identifier: BSD-3-Clause
// Lookup cases that other servers were asked: each answer must be one of theirs.
//
// Usage: test_answer_lookup CASES.jsonl.xz
// Each line is a small zone, a query and what several servers said. A case
// passes if rcode, flags and answer section equal what Knot or NSD said; the
// authority section too, except that NS records there are optional where the
// answer is not empty. Without the file: exit 77, which meson counts as skipped.
#include <jansson.h>
#include <stdlib.h>
#include <unistd.h>

#include "support/ask.h"
#include "understudy/rr.h"

#define LINES_MAX 64
#define LINE_SIZE 1024

struct section {
	unsigned count;
	char lines[LINES_MAX][LINE_SIZE];
};

static int compare_lines(const void *a, const void *b)
{
	return strcmp(a, b);
}

static void add_line(struct section *s, const char *line, size_t len)
{
	if (s->count == LINES_MAX || len >= LINE_SIZE) {
		fprintf(stderr, "a case larger than this test\n");
		exit(1);
	}
	memcpy(s->lines[s->count], line, len);
	s->lines[s->count++][len] = '\0';
}

// As message_to_text would write it: no class, TXT in hexadecimal.
static void add_expected(struct section *s, const char *record)
{
	char line[LINE_SIZE], owner[300], ttl[16], type[16], hex[600];
	const char *rdata = strstr(record, " IN ");
	int used = 0;
	if (!rdata || sscanf(record, "%299s %15s IN %15s %n", owner, ttl, type, &used) != 3)
		exit(1);
	rdata = record + used;
	if (strcmp(type, "TXT") == 0) {
		size_t len = strlen(rdata) - 2; // the quotes
		int n = snprintf(hex, sizeof(hex), "%02zx", len);
		for (size_t i = 0; i < len; i++)
			n += snprintf(hex + n, sizeof(hex) - (size_t)n, "%02x", rdata[1 + i]);
		rdata = hex;
	}
	int n = snprintf(line, sizeof(line), "%s %s %s %s", owner, ttl, type, rdata);
	add_line(s, line, (size_t)n);
}

static void expected_section(const json_t *records, struct section *s)
{
	size_t i;
	json_t *record;
	s->count = 0;
	json_array_foreach (records, i, record)
		add_expected(s, json_string_value(record));
	qsort(s->lines, s->count, LINE_SIZE, compare_lines);
}

static void reply_section(const char *text, const char *prefix, struct section *s)
{
	s->count = 0;
	for (const char *p = text; *p; p += strcspn(p, "\n"), p += *p == '\n')
		if (strncmp(p, prefix, 3) == 0)
			add_line(s, p + 3, strcspn(p, "\n") - 3);
	qsort(s->lines, s->count, LINE_SIZE, compare_lines);
}

static void drop_ns(struct section *s)
{
	unsigned kept = 0;
	for (unsigned i = 0; i < s->count; i++)
		if (!strstr(s->lines[i], " NS "))
			memmove(s->lines[kept++], s->lines[i], LINE_SIZE);
	s->count = kept;
}

static bool same(const struct section *a, const struct section *b)
{
	if (a->count != b->count)
		return false;
	for (unsigned i = 0; i < a->count; i++)
		if (strcmp(a->lines[i], b->lines[i]) != 0)
			return false;
	return true;
}

static bool said_by(const json_t *outcome, const char *server)
{
	size_t i;
	json_t *name;
	json_array_foreach (json_object_get(outcome, "servers"), i, name)
		if (strcmp(json_string_value(name), server) == 0)
			return true;
	return false;
}

// "rcode 0 aa" from "NOERROR" and ["AA", "QR"].
static void expected_head(const json_t *outcome, char head[64])
{
	unsigned rcode = 0;
	const char *wanted = json_string_value(json_object_get(outcome, "rcode"));
	while (rcode < 16 && (!rcode_to_text((uint16_t)rcode) ||
			      strcmp(rcode_to_text((uint16_t)rcode), wanted) != 0))
		rcode++;
	snprintf(head, 64, "rcode %u", rcode);
	size_t i;
	json_t *flag;
	json_array_foreach (json_object_get(outcome, "flags"), i, flag)
		if (strcmp(json_string_value(flag), "AA") == 0)
			strcat(head, " aa\n");
	if (!strchr(head, '\n'))
		strcat(head, "\n");
}

static bool equals(const char *text, const json_t *outcome)
{
	static struct section want, got, got_answer;
	char head[64];
	expected_head(outcome, head);
	if (strncmp(text, head, strlen(head)) != 0)
		return false;
	expected_section(json_object_get(outcome, "answer"), &want);
	reply_section(text, "an ", &got_answer);
	if (!same(&want, &got_answer))
		return false;
	expected_section(json_object_get(outcome, "authority"), &want);
	reply_section(text, "ns ", &got);
	if (got_answer.count > 0) {
		drop_ns(&want);
		drop_ns(&got);
	}
	return same(&want, &got);
}

static void load_zone(struct world *w, const json_t *c)
{
	static char text[65536];
	size_t used = 0, i;
	json_t *record;
	json_array_foreach (json_object_get(c, "records"), i, record) {
		const char *line = json_string_value(record);
		const char *in = strstr(line, " IN ");
		used += (size_t)snprintf(text + used, sizeof(text) - used, "%.*s%s\n",
					 (int)(in - line), line, in + 3);
	}
	world_zone(w, json_string_value(json_object_get(c, "zone")), text);
}

static bool judge(struct world *w, const json_t *c)
{
	uint16_t type;
	if (rrtype_from_text(json_string_value(json_object_get(c, "qtype")), &type) != RESULT_OK)
		exit(1);
	const char *text =
		ask(w, &(struct ask){ .name = json_string_value(json_object_get(c, "qname")),
				      .type = type,
				      .tcp = true });
	size_t i;
	json_t *outcome;
	json_array_foreach (json_object_get(c, "expected"), i, outcome)
		if ((said_by(outcome, "knot") || said_by(outcome, "nsd")) && equals(text, outcome))
			return true;
	printf("case %lld: %s %s\n%s\n", (long long)json_integer_value(json_object_get(c, "id")),
	       json_string_value(json_object_get(c, "qname")),
	       json_string_value(json_object_get(c, "qtype")), text);
	return false;
}

static json_t *read_cases(const char *path)
{
	char command[4096];
	snprintf(command, sizeof(command), "xz -dc '%s'", path);
	FILE *f = popen(command, "r");
	json_t *cases = json_array();
	json_error_t error;
	json_t *c;
	while (f && (c = json_loadf(f, JSON_DISABLE_EOF_CHECK, &error)) != NULL)
		json_array_append_new(cases, c);
	if (!f || pclose(f) != 0 || json_array_size(cases) == 0) {
		fprintf(stderr, "%s: cannot be read\n", path);
		exit(1);
	}
	return cases;
}

int main(int argc, char **argv)
{
	struct world world;
	size_t i, passed = 0;
	json_t *c;
	if (argc != 2 || access(argv[1], R_OK) != 0) {
		printf("skipped: no file of lookup cases (%s)\n", argc > 1 ? argv[1] : "");
		return 77;
	}
	json_t *cases = read_cases(argv[1]);
	world_open(&world);
	json_array_foreach (cases, i, c)
		load_zone(&world, c);
	json_array_foreach (cases, i, c)
		passed += judge(&world, c);
	printf("%zu of %zu cases passed\n", passed, json_array_size(cases));
	bool all = passed == json_array_size(cases);
	world_close(&world);
	json_decref(cases);
	return all ? 0 : 1;
}
