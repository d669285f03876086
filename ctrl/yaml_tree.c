// SPDX-License-Identifier: BSD-3-Clause
// A YAML file as a tree with line numbers, checked against a libcyaml schema.
#include "yaml_tree.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#define PATH_OCTETS  256
#define TEXT_OCTETS  80 // of a value or key, in messages
#define NAMES_OCTETS 512

struct yaml_tree {
	char *file;
	yaml_document_t document;
};

// ---- parsing

static unsigned mark_line(yaml_mark_t mark)
{
	return (unsigned)mark.line + 1;
}

static void report_parser(const yaml_parser_t *p, const char *file, struct report *report)
{
	const char *problem = p->problem ? p->problem : "out of memory";
	unsigned line = p->problem ? mark_line(p->problem_mark) : 0;
	if (p->error == YAML_READER_ERROR)
		report_error(report, file, 0, "YAML in UTF-8 is expected: %s at octet %zu", problem,
			     p->problem_offset);
	else
		report_error(report, file, line, "YAML is expected: %s%s%s", problem,
			     p->context ? " " : "", p->context ? p->context : "");
}

// What a tree cannot show: aliases, which libcyaml is told to refuse (they let
// a small file be a huge one), and further documents.
static bool check_events(const char *file, const char *text, size_t len, struct report *report)
{
	yaml_parser_t parser;
	yaml_event_t event;
	bool ok = true, end = false;
	unsigned documents = 0;
	if (!yaml_parser_initialize(&parser)) {
		report_error(report, file, 0, "out of memory");
		return false;
	}
	yaml_parser_set_input_string(&parser, (const unsigned char *)text, len);
	while (ok && !end) {
		if (!yaml_parser_parse(&parser, &event)) {
			report_parser(&parser, file, report);
			ok = false;
			break;
		}
		unsigned line = mark_line(event.start_mark);
		if (event.type == YAML_ALIAS_EVENT) {
			report_error(report, file, line, "a value is expected, not an alias");
			ok = false;
		} else if (event.type == YAML_DOCUMENT_START_EVENT && ++documents > 1) {
			report_error(report, file, line, "one document is expected, not several");
			ok = false;
		}
		end = event.type == YAML_STREAM_END_EVENT;
		yaml_event_delete(&event);
	}
	yaml_parser_delete(&parser);
	return ok;
}

struct yaml_tree *yaml_tree_parse(const char *file, const char *text, size_t len,
				  struct report *report)
{
	if (!check_events(file, text, len, report))
		return NULL;
	yaml_parser_t parser;
	struct yaml_tree *tree = calloc(1, sizeof(*tree));
	if (!tree || !(tree->file = strdup(file)) || !yaml_parser_initialize(&parser)) {
		report_error(report, file, 0, "out of memory");
		if (tree)
			free(tree->file);
		free(tree);
		return NULL;
	}
	yaml_parser_set_input_string(&parser, (const unsigned char *)text, len);
	if (!yaml_parser_load(&parser, &tree->document)) {
		report_parser(&parser, file, report);
		free(tree->file);
		free(tree);
		tree = NULL;
	}
	yaml_parser_delete(&parser);
	return tree;
}

void yaml_tree_free(struct yaml_tree *tree)
{
	if (!tree)
		return;
	yaml_document_delete(&tree->document);
	free(tree->file);
	free(tree);
}

// ---- nodes

// libyaml's accessors want a document that is not const, and change nothing.
static yaml_document_t *document_of(const struct yaml_tree *tree)
{
	return (yaml_document_t *)(uintptr_t)&tree->document;
}

static yaml_node_t *node_at(const struct yaml_tree *tree, int index)
{
	return yaml_document_get_node(document_of(tree), index);
}

static const char *scalar_text(const yaml_node_t *n)
{
	return (const char *)n->data.scalar.value;
}

static bool scalar_is(const yaml_node_t *n, const char *text, size_t len)
{
	return n->type == YAML_SCALAR_NODE && n->data.scalar.length == len &&
	       memcmp(scalar_text(n), text, len) == 0;
}

static yaml_node_t *mapping_value(const struct yaml_tree *tree, const yaml_node_t *mapping,
				  const char *key, size_t len)
{
	yaml_node_pair_t *p = mapping->data.mapping.pairs.start;
	for (; p < mapping->data.mapping.pairs.top; p++) {
		if (scalar_is(node_at(tree, p->key), key, len))
			return node_at(tree, p->value);
	}
	return NULL;
}

unsigned yaml_tree_line(const struct yaml_tree *tree, const char *path)
{
	const yaml_node_t *n = yaml_document_get_root_node(document_of(tree));
	unsigned line = n ? mark_line(n->start_mark) : 1;
	while (n && *path) {
		const yaml_node_t *child = NULL;
		if (*path == '[') {
			unsigned long i = strtoul(path + 1, NULL, 10);
			path += strcspn(path, "]") + 1;
			if (n->type == YAML_SEQUENCE_NODE &&
			    n->data.sequence.items.start + i < n->data.sequence.items.top)
				child = node_at(tree, n->data.sequence.items.start[i]);
		} else {
			path += *path == '.';
			size_t len = strcspn(path, ".[");
			if (n->type == YAML_MAPPING_NODE)
				child = mapping_value(tree, n, path, len);
			path += len;
		}
		n = child;
		if (n)
			line = mark_line(n->start_mark);
	}
	return line;
}

// ---- checking

struct checker {
	const struct yaml_tree *tree;
	const struct yaml_rule *rules;
	struct report *report;
	char path[PATH_OCTETS];
};

// Whether `path` is what the rule's path says, any index standing for [].
static bool path_matches(const char *path, const char *rule)
{
	while (*path && *path == *rule) {
		if (*path++ == '[')
			path += strspn(path, "0123456789");
		rule++;
	}
	return !*path && !*rule;
}

static const struct yaml_rule *rule_of(const struct checker *c)
{
	static const struct yaml_rule none;
	for (const struct yaml_rule *r = c->rules; r->path; r++) {
		if (path_matches(c->path, r->path))
			return r;
	}
	return &none;
}

static const char *where(const struct checker *c)
{
	return c->path[0] ? c->path : "the file";
}

static void complain(struct checker *c, const yaml_node_t *n, const char *expected)
{
	const char *file = c->tree->file;
	unsigned line = mark_line(n->start_mark);
	if (n->type != YAML_SCALAR_NODE)
		report_error(c->report, file, line, "%s: %s is expected, not a %s", where(c),
			     expected, n->type == YAML_MAPPING_NODE ? "mapping" : "list");
	else if (n->data.scalar.length == 0)
		report_error(c->report, file, line, "%s: %s is expected, but nothing is there",
			     where(c), expected);
	else
		report_error(c->report, file, line, "%s: %s is expected, not \"%.*s\"", where(c),
			     expected, TEXT_OCTETS, scalar_text(n));
}

// Decimal digits without a leading zero (which libcyaml would take for octal).
static bool read_number(const yaml_node_t *n, uint64_t *out)
{
	const char *text = scalar_text(n);
	size_t len = n->data.scalar.length;
	if (len == 0 || len > 19 || strspn(text, "0123456789") != len || (len > 1 && *text == '0'))
		return false;
	*out = strtoull(text, NULL, 10);
	return true;
}

static void check_number(struct checker *c, const cyaml_schema_value_t *s, const yaml_node_t *n)
{
	const struct yaml_rule *rule = rule_of(c);
	uint64_t least = rule->least, most = rule->most, value;
	if (!least && !most)
		most = UINT64_MAX >> (64 - 8 * s->data_size);
	if (n->type == YAML_SCALAR_NODE && read_number(n, &value) && value >= least &&
	    value <= most)
		return;
	char expected[80];
	snprintf(expected, sizeof(expected), "a number from %llu to %llu",
		 (unsigned long long)least, (unsigned long long)most);
	complain(c, n, expected);
}

static void check_bool(struct checker *c, const yaml_node_t *n)
{
	if (!scalar_is(n, "true", 4) && !scalar_is(n, "false", 5))
		complain(c, n, "true or false");
}

static void check_enum(struct checker *c, const cyaml_schema_value_t *s, const yaml_node_t *n)
{
	char expected[NAMES_OCTETS] = "one of";
	for (uint32_t i = 0; i < s->enumeration.count; i++) {
		const char *text = s->enumeration.strings[i].str;
		if (scalar_is(n, text, strlen(text)))
			return;
		size_t at = strlen(expected);
		snprintf(expected + at, sizeof(expected) - at, "%s %s", i ? "," : "", text);
	}
	complain(c, n, expected);
}

static void check_string(struct checker *c, const cyaml_schema_value_t *s, const yaml_node_t *n)
{
	const struct yaml_rule *rule = rule_of(c);
	const char *expected = rule->expected ? rule->expected : "a text";
	if (n->type != YAML_SCALAR_NODE || n->data.scalar.length < s->string.min) {
		complain(c, n, expected);
	} else if (n->data.scalar.length > s->string.max) {
		report_error(c->report, c->tree->file, mark_line(n->start_mark),
			     "%s: %s of at most %u octets is expected, not one of %zu", where(c),
			     expected, s->string.max, n->data.scalar.length);
	} else if (memchr(scalar_text(n), '\0', n->data.scalar.length)) {
		report_error(c->report, c->tree->file, mark_line(n->start_mark),
			     "%s: %s without a NUL octet is expected", where(c), expected);
	}
}

static void check_value(struct checker *c, const cyaml_schema_value_t *s, const yaml_node_t *n);

static void check_sequence(struct checker *c, const cyaml_schema_value_t *s, const yaml_node_t *n)
{
	if (n->type != YAML_SEQUENCE_NODE) {
		complain(c, n, "a list");
		return;
	}
	size_t count = (size_t)(n->data.sequence.items.top - n->data.sequence.items.start);
	if (count < s->sequence.min || count > s->sequence.max)
		report_error(c->report, c->tree->file, mark_line(n->start_mark),
			     "%s: a list of %u to %u entries is expected, not of %zu", where(c),
			     s->sequence.min, s->sequence.max, count);
	size_t at = strlen(c->path);
	for (size_t i = 0; i < count; i++) {
		snprintf(c->path + at, sizeof(c->path) - at, "[%zu]", i);
		check_value(c, s->sequence.entry,
			    node_at(c->tree, n->data.sequence.items.start[i]));
	}
	c->path[at] = '\0';
}

static const cyaml_schema_field_t *field_of(const cyaml_schema_value_t *s, const yaml_node_t *key)
{
	for (const cyaml_schema_field_t *f = s->mapping.fields; f->key; f++) {
		if (scalar_is(key, f->key, strlen(f->key)))
			return f;
	}
	return NULL;
}

static void complain_key(struct checker *c, const cyaml_schema_value_t *s, const yaml_node_t *key)
{
	char expected[NAMES_OCTETS] = "one of";
	for (const cyaml_schema_field_t *f = s->mapping.fields; f->key; f++) {
		size_t at = strlen(expected);
		snprintf(expected + at, sizeof(expected) - at, "%s %s",
			 f == s->mapping.fields ? "" : ",", f->key);
	}
	bool scalar = key->type == YAML_SCALAR_NODE;
	report_error(c->report, c->tree->file, mark_line(key->start_mark),
		     "%s: unknown key \"%.*s\": %s is expected", where(c), TEXT_OCTETS,
		     scalar ? scalar_text(key) : "?", expected);
}

static void check_pair(struct checker *c, const cyaml_schema_value_t *s, const yaml_node_t *mapping,
		       const yaml_node_pair_t *pair)
{
	const yaml_node_t *key = node_at(c->tree, pair->key);
	const cyaml_schema_field_t *f = field_of(s, key);
	if (!f) {
		complain_key(c, s, key);
		return;
	}
	const yaml_node_t *value = node_at(c->tree, pair->value);
	if (mapping_value(c->tree, mapping, f->key, strlen(f->key)) != value) {
		report_error(c->report, c->tree->file, mark_line(key->start_mark),
			     "%s: \"%s\" stands here again: one is expected", where(c), f->key);
		return;
	}
	size_t at = strlen(c->path);
	snprintf(c->path + at, sizeof(c->path) - at, "%s%s", at ? "." : "", f->key);
	check_value(c, &f->value, value);
	c->path[at] = '\0';
}

static void check_mapping(struct checker *c, const cyaml_schema_value_t *s, const yaml_node_t *n)
{
	if (n->type != YAML_MAPPING_NODE) {
		complain(c, n, "a mapping");
		return;
	}
	const yaml_node_pair_t *p = n->data.mapping.pairs.start;
	for (; p < n->data.mapping.pairs.top; p++)
		check_pair(c, s, n, p);
	for (const cyaml_schema_field_t *f = s->mapping.fields; f->key; f++) {
		if (!(f->value.flags & CYAML_FLAG_OPTIONAL) &&
		    !mapping_value(c->tree, n, f->key, strlen(f->key)))
			report_error(c->report, c->tree->file, mark_line(n->start_mark),
				     "%s: \"%s\" is expected, but missing", where(c), f->key);
	}
}

static void check_value(struct checker *c, const cyaml_schema_value_t *s, const yaml_node_t *n)
{
	switch (s->type) {
	case CYAML_UINT: check_number(c, s, n); break;
	case CYAML_BOOL: check_bool(c, n); break;
	case CYAML_ENUM: check_enum(c, s, n); break;
	case CYAML_STRING: check_string(c, s, n); break;
	case CYAML_MAPPING: check_mapping(c, s, n); break;
	case CYAML_SEQUENCE: check_sequence(c, s, n); break;
	default: break; // our schemas have no other type
	}
}

void yaml_tree_check(const struct yaml_tree *tree, const cyaml_schema_value_t *schema,
		     const struct yaml_rule *rules, struct report *report)
{
	struct checker c = { .tree = tree, .rules = rules, .report = report };
	const yaml_node_t *root = yaml_document_get_root_node(document_of(tree));
	if (root)
		check_value(&c, schema, root);
	else
		report_error(report, tree->file, 1,
			     "a configuration is expected, not an empty file");
}
