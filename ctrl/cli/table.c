// SPDX-License-Identifier: BSD-3-Clause
// Responses of the control socket as tables for people.
#include "table.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define CELL_OCTETS 128
#define LABEL_WIDTH 16

// ---- values as text

static const char *get_text(json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));
	return text ? text : "-";
}

static json_int_t get_number(json_t *object, const char *key)
{
	return json_integer_value(json_object_get(object, key));
}

// "1d 2h", "3h 4m", "5m 6s", "7 s".
static const char *duration_text(json_int_t s, char buf[CELL_OCTETS])
{
	if (s >= 86400)
		snprintf(buf, CELL_OCTETS, "%lldd %lldh", s / 86400, s % 86400 / 3600);
	else if (s >= 3600)
		snprintf(buf, CELL_OCTETS, "%lldh %lldm", s / 3600, s % 3600 / 60);
	else if (s >= 60)
		snprintf(buf, CELL_OCTETS, "%lldm %llds", s / 60, s % 60);
	else
		snprintf(buf, CELL_OCTETS, "%lld s", s);
	return buf;
}

static const char *get_duration(json_t *object, const char *key, char buf[CELL_OCTETS])
{
	json_t *value = json_object_get(object, key);
	return json_is_integer(value) ? duration_text(json_integer_value(value), buf) : "-";
}

// Local time and how long ago, or how soon.
static const char *get_time(json_t *object, const char *key, char buf[CELL_OCTETS])
{
	json_t *value = json_object_get(object, key);
	time_t at = (time_t)json_integer_value(value), now = time(NULL);
	char stamp[32], ago[CELL_OCTETS];
	struct tm tm;
	if (!json_is_integer(value) || !localtime_r(&at, &tm))
		return "never";
	strftime(stamp, sizeof(stamp), "%Y-%m-%d %H:%M:%S", &tm);
	if (at > now)
		snprintf(buf, CELL_OCTETS, "%s (in %.40s)", stamp, duration_text(at - now, ago));
	else
		snprintf(buf, CELL_OCTETS, "%s (%.40s ago)", stamp, duration_text(now - at, ago));
	return buf;
}

static const char *get_cell(json_t *object, const char *key, char buf[CELL_OCTETS])
{
	json_t *value = json_object_get(object, key);
	if (json_is_string(value))
		return json_string_value(value);
	if (json_is_boolean(value))
		return json_is_true(value) ? "yes" : "no";
	if (!json_is_integer(value))
		return "-";
	snprintf(buf, CELL_OCTETS, "%lld", json_integer_value(value));
	return buf;
}

static void line(FILE *to, const char *label, const char *text)
{
	fprintf(to, "%-*s %s\n", LABEL_WIDTH, label, text);
}

static void line_number(FILE *to, const char *label, json_int_t value)
{
	fprintf(to, "%-*s %lld\n", LABEL_WIDTH, label, value);
}

// ---- tables: rows of cells, each column as wide as its widest cell

struct table {
	unsigned columns;
	size_t count, cap; // cells
	char **cells;
};

static void add_cell(struct table *t, const char *text)
{
	if (t->count == t->cap) {
		t->cap = t->cap ? t->cap * 2 : 64;
		t->cells = reallocarray(t->cells, t->cap, sizeof(*t->cells));
		if (!t->cells)
			abort();
	}
	t->cells[t->count] = strdup(text);
	if (!t->cells[t->count++])
		abort();
}

// The first column is a name and stands left, the others right if `right`.
static void print_table(FILE *to, struct table *t, bool right)
{
	int *widths = calloc(t->columns, sizeof(*widths));
	if (!widths)
		abort();
	for (size_t i = 0; i < t->count; i++) {
		int len = (int)strlen(t->cells[i]), *width = &widths[i % t->columns];
		*width = len > *width ? len : *width;
	}
	for (size_t i = 0; i < t->count; i++) {
		size_t column = i % t->columns;
		bool last = column + 1 == t->columns;
		if (column && right)
			fprintf(to, "%*s", widths[column], t->cells[i]);
		else
			fprintf(to, "%-*s", last ? 0 : widths[column], t->cells[i]);
		fputs(last ? "\n" : "  ", to);
	}
	free(widths);
	for (size_t i = 0; i < t->count; i++)
		free(t->cells[i]);
	free(t->cells);
}

// ---- commands

static void print_ports(FILE *to, json_t *ports)
{
	json_t *port;
	size_t i;
	json_array_foreach (ports, i, port) {
		fprintf(to, "%-*s %s, MAC %s, link %s, MTU %lld, %lld queues", LABEL_WIDTH, "port",
			get_text(port, "device"), get_text(port, "mac"),
			json_is_true(json_object_get(port, "link_up")) ? "up" : "down",
			get_number(port, "mtu"), get_number(port, "queues"));
		if (json_object_get(port, "exception_interface"))
			fprintf(to, ", exception interface %s",
				get_text(port, "exception_interface"));
		fputc('\n', to);
	}
}

static void print_memory(FILE *to, json_t *snapshot)
{
	fprintf(to, "%-*s %.1f MiB mapped (%lld of %lld chunks on hugepages), %.1f MiB in use\n",
		LABEL_WIDTH, "zones' memory",
		(double)get_number(snapshot, "octets_mapped") / 1048576,
		get_number(snapshot, "chunks_huge"), get_number(snapshot, "chunks"),
		(double)get_number(snapshot, "octets_live") / 1048576);
}

static void print_store(FILE *to, json_t *store)
{
	if (!json_is_object(store)) {
		line(to, "store", "none: a restart fetches all zones anew");
		return;
	}
	fprintf(to, "%-*s %lld zones, %.1f MiB; %lld due", LABEL_WIDTH, "store",
		get_number(store, "zones"), (double)get_number(store, "octets") / 1048576,
		get_number(store, "due"));
	if (get_number(store, "not_configured"))
		fprintf(to, "; %lld zones of them are not configured",
			get_number(store, "not_configured"));
	if (json_is_true(json_object_get(store, "failing")))
		fprintf(to, "; FAILS: %s", get_text(store, "error"));
	fputc('\n', to);
}

static void print_threads(FILE *to, json_t *threads)
{
	json_t *thread;
	size_t i;
	json_array_foreach (threads, i, thread) {
		fprintf(to, "%-*s %s: %lld queries\n", LABEL_WIDTH, i ? "" : "answering",
			get_text(thread, "name"), get_number(thread, "queries"));
	}
}

void table_status(FILE *to, json_t *result)
{
	char buf[CELL_OCTETS];
	json_t *zones = json_object_get(result, "zones");
	json_t *listen = json_object_get(result, "listen");
	fprintf(to, "%-*s understudyd %s, pid %lld\n", LABEL_WIDTH, "daemon",
		get_text(result, "version"), get_number(result, "pid"));
	line(to, "up", get_duration(result, "uptime_s", buf));
	line(to, "configuration", get_text(result, "config"));
	for (size_t i = 0; i < json_array_size(listen); i++)
		line(to, i ? "" : "listening", json_string_value(json_array_get(listen, i)));
	print_ports(to, json_object_get(result, "ports"));
	fprintf(to, "%-*s %lld: %lld served, %lld not loaded, %lld expired; %lld blocked\n",
		LABEL_WIDTH, "zones", get_number(zones, "configured"), get_number(zones, "served"),
		get_number(zones, "not_loaded"), get_number(zones, "expired"),
		get_number(zones, "blocked"));
	fprintf(to, "%-*s %lld under way, %lld waiting\n", LABEL_WIDTH, "exchanges",
		get_number(result, "exchanges"), get_number(result, "waiting"));
	print_memory(to, json_object_get(result, "snapshot"));
	print_store(to, json_object_get(result, "store"));
	print_threads(to, json_object_get(result, "threads"));
	line_number(to, "queries", get_number(result, "queries"));
}

// "normal", or "blocked: timeout".
static const char *get_link_cell(json_t *row, char buf[CELL_OCTETS])
{
	const char *reason = json_string_value(json_object_get(row, "link_reason"));
	if (!reason)
		return get_text(row, "link");
	snprintf(buf, CELL_OCTETS, "%s: %s", get_text(row, "link"), reason);
	return buf;
}

void table_zones(FILE *to, json_t *result)
{
	static const char *const head[] = { "ZONE", "STATE",        "SERIAL",  "RECORDS", "DOING",
					    "LINK", "NEXT REFRESH", "EXPIRES", "FROM" };
	struct table t = { .columns = sizeof(head) / sizeof(head[0]) };
	json_t *row;
	size_t i;
	char buf[CELL_OCTETS];
	for (i = 0; i < t.columns; i++)
		add_cell(&t, head[i]);
	json_array_foreach (json_object_get(result, "zones"), i, row) {
		add_cell(&t, get_text(row, "zone"));
		add_cell(&t, get_text(row, "state"));
		add_cell(&t, get_cell(row, "serial", buf));
		add_cell(&t, get_cell(row, "records", buf));
		add_cell(&t, get_text(row, "doing"));
		add_cell(&t, get_link_cell(row, buf));
		add_cell(&t, get_duration(row, "next_refresh_s", buf));
		add_cell(&t, get_duration(row, "expires_s", buf));
		add_cell(&t, get_text(row, "from"));
	}
	print_table(to, &t, false);
}

static void print_link(FILE *to, const char *label, json_t *object)
{
	char buf[CELL_OCTETS];
	if (!json_is_string(json_object_get(object, "link")))
		return;
	fprintf(to, "%-*s %s%s since %s", LABEL_WIDTH, label, *label ? "" : "  link ",
		get_text(object, "link"), get_time(object, "link_since", buf));
	if (json_object_get(object, "link_text"))
		fprintf(to, ": %s", get_text(object, "link_text"));
	fputc('\n', to);
}

static void print_resigned(FILE *to, json_t *resigned)
{
	char buf[CELL_OCTETS];
	if (!json_is_object(resigned))
		return;
	fprintf(to, "%-*s   has our serial with later signatures, of %s: %s\n", LABEL_WIDTH, "",
		get_time(resigned, "inception", buf),
		json_is_true(json_object_get(resigned, "missed"))
			? "a whole transfer did not bring them"
			: "they are to be transferred");
}

static void print_primary(FILE *to, json_t *p)
{
	char buf[CELL_OCTETS];
	json_t *last = json_object_get(p, "last");
	fprintf(to, "%-*s %s, %s by %s, key %s\n", LABEL_WIDTH, "primary", get_text(p, "id"),
		get_text(p, "address"), get_text(p, "transport"), get_text(p, "key"));
	print_link(to, "", p); // also of one that is left alone, and was never asked
	if (json_is_null(last)) {
		line(to, "", "  not asked yet");
		return;
	}
	fprintf(to, "%-*s   %s, %s: ", LABEL_WIDTH, "", get_time(last, "time", buf),
		get_text(last, "what"));
	if (json_is_true(json_object_get(last, "ok")))
		fprintf(to, "went well, serial %lld\n", get_number(last, "serial"));
	else
		fprintf(to, "failed: %s\n", get_text(last, "text"));
	if (json_object_get(last, "ixfr_reason"))
		fprintf(to, "%-*s   its last IXFR failed: %s\n", LABEL_WIDTH, "",
			get_text(last, "ixfr_reason"));
	print_resigned(to, json_object_get(p, "resigned"));
}

// The exchange that is under way, or waits for its turn.
static void print_exchange(FILE *to, json_t *x)
{
	char buf[CELL_OCTETS];
	const char *stage = get_text(x, "stage");
	if (!json_is_object(x))
		return;
	fprintf(to, "%-*s   %s from %s (%s)", LABEL_WIDTH, "", get_text(x, "what"),
		get_text(x, "primary"), get_text(x, "address"));
	if (strcmp(stage, "waiting") == 0)
		fprintf(to, " in lane %s, behind %lld at this primary; %lld under way, of %lld",
			get_text(x, "lane"), get_number(x, "ahead"), get_number(x, "primary_busy"),
			get_number(x, "primary_limit"));
	else if (strcmp(stage, "under-way") == 0)
		fprintf(to, " since %s: %lld records, %lld octets so far",
			get_time(x, "since", buf), get_number(x, "records"),
			get_number(x, "octets"));
	else
		fputs(" has come, and is verified", to);
	fputc('\n', to);
}

static void print_transfer(FILE *to, json_t *t)
{
	char buf[CELL_OCTETS];
	if (!json_is_object(t))
		return;
	line(to, "last transfer", get_time(t, "time", buf));
	fprintf(to, "%-*s   %s from %s, %s%s: %lld records, %lld octets, %.3f s\n", LABEL_WIDTH, "",
		get_text(t, "kind"), get_text(t, "primary"),
		json_is_true(json_object_get(t, "keyed")) ? "with TSIG" : "unsigned",
		json_is_true(json_object_get(t, "encrypted")) ? ", over TLS" : "",
		get_number(t, "records"), get_number(t, "octets"),
		json_real_value(json_object_get(t, "seconds")));
	if (get_number(t, "out_of_zone"))
		fprintf(to, "%-*s   %lld records outside of the zone were skipped\n", LABEL_WIDTH,
			"", get_number(t, "out_of_zone"));
}

// What was found out about the content, where there is anything to say.
static void print_content(FILE *to, json_t *result)
{
	char buf[CELL_OCTETS];
	const char *signatures = get_text(result, "signatures");
	if (json_is_string(json_object_get(result, "zonemd")))
		line(to, "ZONEMD", get_text(result, "zonemd"));
	if (json_is_integer(json_object_get(result, "nsec3_iterations")))
		line_number(to, "NSEC3 iterations", get_number(result, "nsec3_iterations"));
	if (json_is_null(json_object_get(result, "signatures_expire")))
		return;
	fprintf(to, "%-*s %s%s\n", LABEL_WIDTH, "signatures until",
		get_time(result, "signatures_expire", buf),
		strcmp(signatures, "before-expiry") == 0 ? ": before the zone would expire" : "");
}

void table_zone_status(FILE *to, json_t *result)
{
	char buf[CELL_OCTETS];
	json_t *p;
	size_t i;
	line(to, "zone", get_text(result, "zone"));
	fprintf(to, "%-*s %s%s%s\n", LABEL_WIDTH, "from",
		strcmp(get_text(result, "from"), "file") == 0 ? "the configuration's file"
							      : "zone add",
		json_object_get(result, "template") ? ", template " : "",
		json_object_get(result, "template") ? get_text(result, "template") : "");
	line(to, "state", get_text(result, "state"));
	line(to, "serial", get_cell(result, "serial", buf));
	line(to, "stored serial", get_cell(result, "stored_serial", buf));
	fprintf(to, "%-*s %lld at %lld names, %lld octets of memory\n", LABEL_WIDTH, "records",
		get_number(result, "records"), get_number(result, "names"),
		get_number(result, "memory_octets"));
	line(to, "doing", get_text(result, "doing"));
	print_exchange(to, json_object_get(result, "exchange"));
	print_link(to, "link", result);
	line(to, "last success", get_time(result, "last_success", buf));
	line(to, "next refresh", get_duration(result, "next_refresh_s", buf));
	line(to, "expires in", get_duration(result, "expires_s", buf));
	print_content(to, result);
	if (get_number(result, "failures"))
		line_number(to, "failed rounds", get_number(result, "failures"));
	if (json_is_integer(json_object_get(result, "wanted_serial")))
		line_number(to, "promised serial", get_number(result, "wanted_serial"));
	json_array_foreach (json_object_get(result, "primaries"), i, p) {
		print_primary(to, p);
	}
	print_transfer(to, json_object_get(result, "transfer"));
}

// One row for each number of `sum`, one column for each thread, then the sum.
static void add_counters(struct table *t, json_t *threads, json_t *sum, const char *group)
{
	const char *key;
	json_t *value, *thread;
	size_t i;
	json_object_foreach (sum, key, value) {
		char name[CELL_OCTETS], number[CELL_OCTETS];
		if (!json_is_integer(value))
			continue;
		snprintf(name, sizeof(name), "%s%s%s", group ? group : "", group ? " " : "", key);
		add_cell(t, name);
		json_array_foreach (threads, i, thread) {
			json_t *from = group ? json_object_get(thread, group) : thread;
			add_cell(t, get_cell(from, key, number));
		}
		add_cell(t, get_cell(sum, key, number));
	}
}

static void print_section(FILE *to, const char *title, json_t *section)
{
	struct table t = { .columns = 2 };
	const char *key;
	json_t *value;
	fprintf(to, "\n%s\n", title);
	add_counters(&t, NULL, section, NULL);
	json_object_foreach (section, key, value) {
		if (json_is_object(value))
			add_counters(&t, NULL, value, NULL);
	}
	print_table(to, &t, true);
}

void table_stats(FILE *to, json_t *result)
{
	static const char *const groups[] = { NULL, "frames", "rcodes", "drops" };
	json_t *threads = json_object_get(result, "threads"), *port;
	json_t *sum = json_object_get(result, "sum");
	struct table t = { .columns = (unsigned)json_array_size(threads) + 2 };
	size_t i;
	add_cell(&t, "ANSWERS");
	for (i = 0; i < json_array_size(threads); i++)
		add_cell(&t, get_text(json_array_get(threads, i), "name"));
	add_cell(&t, "sum");
	for (i = 0; i < sizeof(groups) / sizeof(groups[0]); i++)
		add_counters(&t, threads, groups[i] ? json_object_get(sum, groups[i]) : sum,
			     groups[i]);
	print_table(to, &t, true);
	json_array_foreach (json_object_get(result, "ports"), i, port) {
		print_section(to, get_text(port, "device"), port);
	}
	print_section(to, "KERNEL SOCKETS", json_object_get(result, "service"));
	print_section(to, "TRANSFERS", json_object_get(result, "transfers"));
	print_section(to, "SNAPSHOT", json_object_get(result, "snapshot"));
	if (json_is_object(json_object_get(result, "store")))
		print_section(to, "STORE", json_object_get(result, "store"));
}

void table_text(FILE *to, json_t *result)
{
	fputs(get_text(result, "text"), to);
}

void table_store_list(FILE *to, json_t *result)
{
	struct table t = { .columns = 2 };
	json_t *row;
	size_t i;
	char buf[CELL_OCTETS];
	add_cell(&t, "ZONE");
	add_cell(&t, "SERIAL");
	json_array_foreach (json_object_get(result, "zones"), i, row) {
		add_cell(&t, get_text(row, "zone"));
		add_cell(&t, get_cell(row, "serial", buf));
	}
	print_table(to, &t, true);
}

void table_level(FILE *to, json_t *result)
{
	fprintf(to, "%s\n", get_text(result, "level"));
}

void table_reload(FILE *to, json_t *result)
{
	json_t *message;
	size_t i;
	json_array_foreach (json_object_get(result, "messages"), i, message) {
		fprintf(to, "%s\n", json_string_value(message));
	}
}
