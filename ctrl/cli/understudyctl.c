// SPDX-License-Identifier: BSD-3-Clause
// understudyctl: one command to the daemon's control socket, its answer as a table.
#include <errno.h>
#include <getopt.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "table.h"

#define SOCKET_DEFAULT "/run/understudy/understudy.sock"
#define TIMEOUT_S      30
#define WAIT_S         60 // the daemon's default

enum exit_status { EXIT_OK, EXIT_FAILED, EXIT_USAGE, EXIT_CONNECT };

enum arguments {
	NONE,
	ZONE,        // one zone
	ZONES,       // zones, or --all
	ZONES_LIST,  // zones
	ZONE_FILE,   // a zone, and a file to write if not standard output
	ZONE_SERIAL, // a zone and a serial; --timeout
	ZONES_ADD,   // zones; --template, --primary
};

struct command {
	const char *words; // as typed, and as "command" of the request
	enum arguments arguments;
	void (*print)(FILE *to, json_t *result); // NULL: there is nothing to say
	const char *help;
};

static const char *const arguments_help[] = {
	[NONE] = "",
	[ZONE] = " ZONE",
	[ZONES] = " ZONE...|--all",
	[ZONES_LIST] = " ZONE...",
	[ZONE_FILE] = " ZONE [FILE]",
	[ZONE_SERIAL] = " ZONE SERIAL",
	[ZONES_ADD] = " ZONE...",
};

static const struct command commands[] = {
	{ "status", NONE, table_status, "the daemon as a whole" },
	{ "zones", NONE, table_zones, "all zones" },
	{ "zone status", ZONES_LIST, table_zone_status, "a zone, the links to its primaries" },
	{ "zone add", ZONES_ADD, NULL, "serve a zone that the file does not name" },
	{ "zone remove", ZONES_LIST, NULL, "end that" },
	{ "zone refresh", ZONES, NULL, "ask the primaries now whether there is news" },
	{ "zone retransfer", ZONES, NULL, "transfer now, whatever the serial" },
	{ "zone freeze", ZONES, NULL, "serve what there is and ask nobody" },
	{ "zone thaw", ZONES, NULL, "end that, and make up for it" },
	{ "zone purge", ZONES, NULL, "forget what is served and stored, begin anew" },
	{ "zone dump", ZONE_FILE, NULL, "the zone as a zone file" },
	{ "zone wait", ZONE_SERIAL, NULL, "return once that serial, or a later one, is served" },
	{ "store list", NONE, table_store_list, "stored zones that are not configured" },
	{ "primary-config bind", ZONE, table_text, "what to put into named.conf at the primary" },
	{ "primary-config knot", ZONE, table_text, "the same for knot.conf" },
	{ "primary-config nsd", ZONE, table_text, "the same for nsd.conf" },
	{ "primary-config powerdns", ZONE, table_text, "the same as commands for PowerDNS" },
	{ "stats", NONE, table_stats, "counters, by thread and in sum" },
	{ "reload", NONE, table_reload, "reread the configuration" },
	{ "stop", NONE, NULL, "end the daemon" },
};
#define COMMANDS (sizeof(commands) / sizeof(commands[0]))

static void usage(FILE *to)
{
	fprintf(to, "usage: understudyctl [-s SOCKET] [--json] COMMAND\n"
		    "  -s, --socket SOCKET  of the daemon (default " SOCKET_DEFAULT ")\n"
		    "  -j, --json           print the response as JSON, as it came\n"
		    "  -a, --all            all zones\n"
		    "  -t, --timeout S      seconds that zone wait waits (default 60)\n"
		    "  -T, --template ID    of the configuration, for zone add\n"
		    "  -p, --primary ID     the same; once for each, instead of the template's\n"
		    "  -V, --version        print the version\n"
		    "  -h, --help           print this\n"
		    "commands:\n");
	for (size_t i = 0; i < COMMANDS; i++)
		fprintf(to, "  %s%-*s %s\n", commands[i].words, 30 - (int)strlen(commands[i].words),
			arguments_help[commands[i].arguments], commands[i].help);
	fprintf(to,
		"exit status: 0 done, 1 the daemon could not do it, 2 usage, 3 no connection\n");
}

// What was asked for on the command line.
struct wanted {
	const struct command *command;
	char **arguments;
	int count;
	bool all, raw;
	const char *timeout;
	const char *template;
	json_t *primaries; // NULL: none
};

static bool arguments_fit(const struct wanted *w)
{
	switch (w->command->arguments) {
	case NONE: return w->count == 0 && !w->all;
	case ZONE: return w->count == 1 && !w->all;
	case ZONES: return w->all ? w->count == 0 : w->count > 0;
	case ZONES_LIST: return w->count > 0 && !w->all;
	case ZONES_ADD: return w->count > 0 && !w->all && (w->template || w->primaries);
	case ZONE_FILE: return (w->count == 1 || w->count == 2) && !w->all;
	case ZONE_SERIAL: return w->count == 2 && !w->all;
	}
	return false;
}

// Fills in the command that the words begin with, and what follows it.
static bool find_command(int argc, char **argv, struct wanted *w)
{
	for (size_t i = 0; i < COMMANDS; i++) {
		const struct command *c = &commands[i];
		const char *space = strchr(c->words, ' ');
		int words = space ? 2 : 1;
		size_t first = space ? (size_t)(space - c->words) : strlen(c->words);
		if (argc < words || strlen(argv[0]) != first ||
		    memcmp(argv[0], c->words, first) != 0 ||
		    (space && strcmp(argv[1], space + 1) != 0))
			continue;
		w->command = c;
		w->arguments = argv + words;
		w->count = argc - words;
		return arguments_fit(w) && (!w->timeout || c->arguments == ZONE_SERIAL) &&
		       ((!w->template && !w->primaries) || c->arguments == ZONES_ADD);
	}
	return false;
}

// A connected socket, or -1 and errno.
static int connect_to(const char *path, time_t timeout_s)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	struct timeval timeout = { .tv_sec = timeout_s };
	if (strlen(path) >= sizeof(address.sun_path)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	memcpy(address.sun_path, path, strlen(path));
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -1;
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout));
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0)
		return fd;
	int saved = errno;
	close(fd);
	errno = saved;
	return -1;
}

// A number, or JSON's null, which the daemon then complains of.
static json_t *number(const char *text)
{
	char *end;
	errno = 0;
	long long value = strtoll(text, &end, 10);
	return errno || end == text || *end ? json_null() : json_integer(value);
}

static bool send_request(FILE *stream, const struct wanted *w, const char *zone)
{
	json_t *request = json_pack("{s:s}", "command", w->command->words);
	if (zone)
		json_object_set_new(request, "zone", json_string(zone));
	if (w->all)
		json_object_set_new(request, "all", json_true());
	if (w->command->arguments == ZONE_SERIAL)
		json_object_set_new(request, "serial", number(w->arguments[1]));
	if (w->timeout)
		json_object_set_new(request, "timeout", number(w->timeout));
	if (w->template)
		json_object_set_new(request, "template", json_string(w->template));
	if (w->primaries)
		json_object_set(request, "primaries", w->primaries);
	bool ok = request && json_dumpf(request, stream, JSON_COMPACT) == 0 &&
		  fputc('\n', stream) != EOF && fflush(stream) == 0;
	json_decref(request);
	return ok;
}

// The response of one line; NULL if none comes.
static json_t *receive_response(FILE *stream)
{
	char *text = NULL;
	size_t size = 0;
	ssize_t len = getline(&text, &size, stream);
	json_t *response = len > 0 ? json_loadb(text, (size_t)len, 0, NULL) : NULL;
	free(text);
	return response;
}

static int print_response(const struct wanted *w, const char *zone, json_t *response)
{
	const struct command *c = w->command;
	bool ok = json_is_true(json_object_get(response, "ok"));
	const char *error = json_string_value(json_object_get(response, "error"));
	if (w->raw) {
		json_dumpf(response, stdout, JSON_INDENT(2));
		putchar('\n');
	} else if (!ok) {
		table_reload(stderr, response); // messages, if there are any
		fprintf(stderr, "understudyctl: %s%s%s\n", zone && w->count > 1 ? zone : "",
			zone && w->count > 1 ? ": " : "", error ? error : "the daemon refused");
	} else if (c->print) {
		c->print(stdout, json_object_get(response, "result"));
	}
	return ok ? EXIT_OK : EXIT_FAILED;
}

static bool copy(FILE *from, FILE *to, json_int_t octets)
{
	char piece[65536];
	while (octets) {
		size_t want = octets < (json_int_t)sizeof(piece) ? (size_t)octets : sizeof(piece);
		size_t got = fread(piece, 1, want, from);
		if (got == 0 || fwrite(piece, 1, got, to) != got)
			return false;
		octets -= (json_int_t)got;
	}
	return fflush(to) == 0;
}

// The zone file behind a dump's response; into a file it goes whole or not at all.
static int save_dump(FILE *stream, json_t *response, const char *path)
{
	json_t *result = json_object_get(response, "result");
	json_int_t octets = json_integer_value(json_object_get(result, "octets"));
	char *part = NULL;
	FILE *to = stdout;
	if (path)
		to = asprintf(&part, "%s.part", path) > 0 ? fopen(part, "w") : NULL;
	bool ok = to && copy(stream, to, octets);
	if (to && path)
		ok = (fclose(to) == 0) & ok;
	if (path && ok)
		ok = rename(part, path) == 0;
	if (!ok)
		fprintf(stderr, "understudyctl: %s: %s\n", path ? path : "the zone file",
			errno ? strerror(errno) : "it was cut short");
	if (path && !ok && to)
		unlink(part);
	free(part);
	return ok ? EXIT_OK : EXIT_FAILED;
}

// A connection, once for each way.
struct streams {
	FILE *in, *out;
};

// One request, and its response.
static int ask(const struct streams *s, const char *path, const struct wanted *w, const char *zone)
{
	json_t *response = send_request(s->out, w, zone) ? receive_response(s->in) : NULL;
	if (!response) {
		fprintf(stderr, "understudyctl: %s: the daemon did not respond\n", path);
		return EXIT_CONNECT;
	}
	bool dumps =
		w->command->arguments == ZONE_FILE && json_is_true(json_object_get(response, "ok"));
	int status = dumps && !w->raw ? EXIT_OK : print_response(w, zone, response);
	if (dumps)
		status = save_dump(s->in, response, w->count > 1 ? w->arguments[1] : NULL);
	json_decref(response);
	return status;
}

static int run(const char *path, const struct wanted *w)
{
	time_t timeout_s = TIMEOUT_S;
	if (w->command->arguments == ZONE_SERIAL)
		timeout_s += w->timeout ? atoi(w->timeout) : WAIT_S;
	int fd = connect_to(path, timeout_s);
	int again = fd >= 0 ? dup(fd) : -1;
	if (again < 0) {
		fprintf(stderr, "understudyctl: %s: %s\n", path, strerror(errno));
		return EXIT_CONNECT;
	}
	struct streams s = { fdopen(fd, "r"), fdopen(again, "w") };
	if (!s.in || !s.out)
		abort(); // out of memory
	enum arguments kind = w->command->arguments;
	bool many = (kind == ZONES && !w->all) || kind == ZONES_LIST || kind == ZONES_ADD;
	int zones = many ? w->count : 1;
	int status = EXIT_OK;
	for (int i = 0; i < zones && status != EXIT_CONNECT; i++) {
		int one = ask(&s, path, w, w->count ? w->arguments[i] : NULL);
		status = one ? one : status;
	}
	fclose(s.out);
	fclose(s.in);
	return status;
}

int main(int argc, char **argv)
{
	static const struct option options[] = { { "socket", required_argument, NULL, 's' },
						 { "json", no_argument, NULL, 'j' },
						 { "version", no_argument, NULL, 'V' },
						 { "help", no_argument, NULL, 'h' },
						 { "all", no_argument, NULL, 'a' },
						 { "timeout", required_argument, NULL, 't' },
						 { "template", required_argument, NULL, 'T' },
						 { "primary", required_argument, NULL, 'p' },
						 { 0 } };
	const char *path = SOCKET_DEFAULT;
	struct wanted w = { 0 };
	int option;
	while ((option = getopt_long(argc, argv, "s:jVhat:T:p:", options, NULL)) >= 0) {
		switch (option) {
		case 's': path = optarg; break;
		case 'j': w.raw = true; break;
		case 'a': w.all = true; break;
		case 't': w.timeout = optarg; break;
		case 'T': w.template = optarg; break;
		case 'p':
			w.primaries = w.primaries ? w.primaries : json_array();
			json_array_append_new(w.primaries, json_string(optarg));
			break;
		case 'V': printf("understudyctl %s\n", UNDERSTUDY_VERSION); return EXIT_OK;
		case 'h': usage(stdout); return EXIT_OK;
		default: usage(stderr); return EXIT_USAGE;
		}
	}
	if (optind == argc || !find_command(argc - optind, argv + optind, &w)) {
		usage(stderr);
		return EXIT_USAGE;
	}
	int status = run(path, &w);
	json_decref(w.primaries);
	return status;
}
