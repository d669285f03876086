// SPDX-License-Identifier: BSD-3-Clause
// understudyctl: one command to the daemon's control socket, its answer as a table.
#include <errno.h>
#include <getopt.h>
#include <jansson.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "dump.h"
#include "table.h"

#define SOCKET_DEFAULT "/run/understudy/understudy.sock"
#define TIMEOUT_S      30
#define DUMP_S         3600 // the longest that the first octet of a large zone takes
#define WAIT_S         60   // the daemon's default
#define KIND           256  // as an option: no letter

enum exit_status { EXIT_OK, EXIT_FAILED, EXIT_USAGE, EXIT_CONNECT };

enum arguments {
	NONE,
	KINDS,      // kinds of zones: --blocked
	ZONE,       // one zone
	ZONES,      // zones, kinds, or --all, which the daemon knows
	ZONES_EACH, // the same, but --all is asked for one by one
	ZONES_LIST, // zones
	ZONES_DUMP, // a zone, and a file to write if not standard output; or into a folder
	ZONES_WAIT, // a zone and a serial; or as ZONES; --timeout
	ZONES_ADD,  // zones; --template, --primary
	LEVEL,      // of the log, or none
};

struct command {
	const char *words; // as typed, and as "command" of the request
	enum arguments arguments;
	void (*print)(FILE *to, json_t *result); // NULL: there is nothing to say
	const char *help;
};

static const char *const arguments_help[] = {
	[NONE] = "",
	[KINDS] = " [KIND...]",
	[ZONE] = " ZONE",
	[ZONES] = " ZONE...|KIND...|--all",
	[ZONES_EACH] = " ZONE...|KIND...|--all",
	[ZONES_LIST] = " ZONE...",
	[ZONES_DUMP] = " ZONE [FILE] | -d DIR ZONE...|KIND...|--all",
	[ZONES_WAIT] = " ZONE SERIAL | ZONE...|KIND...|--all",
	[ZONES_ADD] = " ZONE... -T ID|-p ID...",
	[LEVEL] = " [LEVEL]",
};

static const struct command commands[] = {
	{ "status", NONE, table_status, "the daemon as a whole" },
	{ "zones", KINDS, table_zones, "all zones, or those of these kinds" },
	{ "zone status", ZONES_EACH, table_zone_status, "a zone, the links to its primaries" },
	{ "zone add", ZONES_ADD, NULL, "serve a zone that the file does not name" },
	{ "zone remove", ZONES_LIST, NULL, "end that" },
	{ "zone refresh", ZONES, NULL, "ask the primaries now whether there is news" },
	{ "zone retransfer", ZONES, NULL, "transfer now, whatever the serial" },
	{ "zone freeze", ZONES, NULL, "serve what there is and ask nobody" },
	{ "zone thaw", ZONES, NULL, "end that, and make up for it" },
	{ "zone purge", ZONES, NULL, "forget what is served and stored, begin anew" },
	{ "zone dump", ZONES_DUMP, NULL, "the zone as a zone file" },
	{ "zone wait", ZONES_WAIT, NULL,
	  "return once that serial, or a later one, is served; without it, once what the "
	  "primaries have" },
	{ "store list", NONE, table_store_list, "stored zones that are not configured" },
	{ "primary-config bind", ZONE, table_text, "what to put into named.conf at the primary" },
	{ "primary-config knot", ZONE, table_text, "the same for knot.conf" },
	{ "primary-config nsd", ZONE, table_text, "the same for nsd.conf" },
	{ "primary-config powerdns", ZONE, table_text, "the same as commands for PowerDNS" },
	{ "stats", NONE, table_stats, "counters, by thread and in sum" },
	{ "log-level", LEVEL, table_level, "how much is logged; change it until the next reload" },
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
		    "  --blocked --expired --not-loaded --served --frozen\n"
		    "                       KIND: the zones that are any of these now\n"
		    "  -d, --output-dir DIR for zone dump: a file ZONE.zone for each\n"
		    "  -t, --timeout S      seconds that zone wait waits (default 60)\n"
		    "  -T, --template ID    for zone add: a template of the file\n"
		    "  -p, --primary ID     a primary of it, for each; not the template's\n"
		    "  -V, --version        print the version\n"
		    "  -h, --help           print this\n"
		    "commands:\n");
	for (size_t i = 0; i < COMMANDS; i++)
		fprintf(to, "  %s%s\n      %s\n", commands[i].words,
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
	bool can_be_said; // of the options: they are texts
	const char *timeout;
	const char *template;
	const char *folder;
	time_t began_s;    // waiting
	json_t *primaries; // NULL: none
	json_t *only;      // kinds of zones; NULL: none
};

// Whether the command is about one zone, and this serial.
static bool has_serial(const struct wanted *w)
{
	return w->command->arguments == ZONES_WAIT && w->count == 2 &&
	       w->arguments[1][strspn(w->arguments[1], "0123456789")] == '\0';
}

// Whether zones are named in exactly one way.
static bool names_zones(const struct wanted *w)
{
	return (w->count > 0) + w->all + (w->only != NULL) == 1;
}

static bool arguments_fit(const struct wanted *w)
{
	switch (w->command->arguments) {
	case NONE: return w->count == 0 && !w->all && !w->only;
	case KINDS: return w->count == 0 && !w->all;
	case LEVEL: return w->count <= 1 && !w->all && !w->only;
	case ZONE: return w->count == 1 && names_zones(w);
	case ZONES:
	case ZONES_EACH:
	case ZONES_WAIT: return names_zones(w);
	case ZONES_LIST: return w->count > 0 && names_zones(w);
	case ZONES_ADD: return w->count > 0 && names_zones(w) && (w->template || w->primaries);
	case ZONES_DUMP:
		return w->folder ? names_zones(w) : w->count > 0 && w->count <= 2 && names_zones(w);
	}
	return false;
}

// Whether the options given are the command's.
static bool options_fit(const struct wanted *w)
{
	enum arguments a = w->command->arguments;
	return (!w->timeout || a == ZONES_WAIT) && (!w->folder || a == ZONES_DUMP) &&
	       ((!w->template && !w->primaries) || a == ZONES_ADD);
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
		return arguments_fit(w) && options_fit(w);
	}
	return false;
}

// Whether the daemon can be told so: JSON has no other texts. Complains if not.
static bool is_text(const char *text)
{
	json_t *string = json_string(text);
	json_decref(string);
	if (!string)
		fprintf(stderr,
			"understudyctl: \"%s\": UTF-8 is expected; what it does not hold is "
			"written \\DDD in a zone's name\n",
			text);
	return string;
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

static time_t seconds_now(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
	return now.tv_sec;
}

// A number, or JSON's null, which the daemon then complains of.
static json_t *number(const char *text)
{
	char *end;
	errno = 0;
	long long value = strtoll(text, &end, 10);
	return errno || end == text || *end ? json_null() : json_integer(value);
}

// Of many zones that are waited for one by one, all together have the time.
static json_t *seconds_left(const struct wanted *w)
{
	json_t *all = w->timeout ? number(w->timeout) : json_integer(WAIT_S);
	json_int_t left = json_integer_value(all) - (seconds_now() - w->began_s);
	if (json_is_integer(all))
		json_integer_set(all, json_integer_value(all) > 0 && left < 0 ? 0 : left);
	return all;
}

static json_t *request_of(const struct wanted *w, const char *zone)
{
	json_t *request = json_pack("{s:s}", "command", w->command->words);
	if (zone)
		json_object_set_new(request, "zone", json_string(zone));
	else if (w->all)
		json_object_set_new(request, "all", json_true());
	if (!zone && w->only)
		json_object_set(request, "only", w->only);
	if (w->command->arguments == LEVEL && w->count)
		json_object_set_new(request, "level", json_string(w->arguments[0]));
	if (has_serial(w))
		json_object_set_new(request, "serial", number(w->arguments[1]));
	if (w->command->arguments == ZONES_WAIT)
		json_object_set_new(request, "timeout", seconds_left(w));
	if (w->template)
		json_object_set_new(request, "template", json_string(w->template));
	if (w->primaries)
		json_object_set(request, "primaries", w->primaries);
	return request;
}

// A daemon that has too many connections says so and closes: then it cannot be sent.
static void send_request(FILE *stream, json_t *request)
{
	if (json_dumpf(request, stream, JSON_COMPACT) == 0 && fputc('\n', stream) != EOF)
		fflush(stream);
	json_decref(request);
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
		json_dumpf(response, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(15));
		putchar('\n');
	} else if (!ok) {
		table_reload(stderr, response); // messages, if there are any
		bool name = zone && (w->count != 1 || w->folder) && !has_serial(w);
		fprintf(stderr, "understudyctl: %s%s%s\n", name ? zone : "", name ? ": " : "",
			error ? error : "the daemon refused");
	} else if (c->print) {
		c->print(stdout, json_object_get(response, "result"));
	}
	return ok ? EXIT_OK : EXIT_FAILED;
}

// A connection, once for each way.
struct streams {
	const char *path;
	FILE *in, *out;
};

static json_t *respond(const struct streams *s, json_t *request)
{
	send_request(s->out, request);
	json_t *response = receive_response(s->in);
	if (!response)
		fprintf(stderr, "understudyctl: %s: the daemon did not respond\n", s->path);
	return response;
}

// One request, and its response.
static int ask(const struct streams *s, const struct wanted *w, const char *zone)
{
	json_t *response = respond(s, request_of(w, zone));
	if (!response)
		return EXIT_CONNECT;
	bool dumps = w->command->arguments == ZONES_DUMP &&
		     json_is_true(json_object_get(response, "ok"));
	const struct dump_place place = { .zone = zone,
					  .folder = w->folder,
					  .file = w->count > 1 ? w->arguments[1] : NULL,
					  .text = w->raw };
	int status = !dumps || dump_save(s->in, response, &place) ? EXIT_OK : EXIT_FAILED;
	if (status == EXIT_OK && (w->raw || !dumps))
		status = print_response(w, zone, response);
	json_decref(response);
	return status;
}

// How many of the arguments are zones.
static int named(const struct wanted *w)
{
	switch (w->command->arguments) {
	case NONE:
	case KINDS:
	case LEVEL: return 0;
	case ZONES_DUMP: return w->count && !w->folder ? 1 : w->count;
	case ZONES_WAIT: return has_serial(w) ? 1 : w->count;
	default: return w->count;
	}
}

// Whether all that the daemon is to be told can be said: files and folders are for us.
static bool can_be_said(const struct wanted *w)
{
	int count = w->command->arguments == LEVEL ? w->count : named(w);
	bool can = w->can_be_said;
	for (int i = 0; i < count; i++)
		can = is_text(w->arguments[i]) && can;
	return can;
}

// Whether the daemon does it in one request, for all zones or for none in particular.
static bool is_one_request(const struct wanted *w)
{
	enum arguments a = w->command->arguments;
	return a == NONE || a == KINDS || a == LEVEL || (w->all && (a == ZONES || a == ZONES_WAIT));
}

// The zones that are meant, one by one: named, or all of some kind. NULL after a complaint.
static json_t *zones_of(const struct streams *s, const struct wanted *w)
{
	json_t *names = json_array(), *row;
	size_t i;
	for (int k = 0; k < named(w); k++)
		json_array_append_new(names, json_string(w->arguments[k]));
	if (named(w))
		return names;
	json_t *request = json_pack("{s:s}", "command", "zones");
	if (w->only)
		json_object_set(request, "only", w->only);
	json_t *response = respond(s, request), *result = json_object_get(response, "result");
	json_array_foreach (json_object_get(result, "zones"), i, row) {
		json_array_append(names, json_object_get(row, "zone"));
	}
	if (!result) {
		json_decref(names);
		names = NULL;
	}
	json_decref(response);
	return names;
}

static int ask_each(const struct streams *s, const struct wanted *w)
{
	json_t *names = zones_of(s, w), *name;
	int status = names ? EXIT_OK : EXIT_CONNECT;
	size_t i;
	json_array_foreach (names, i, name) {
		int one = ask(s, w, json_string_value(name));
		status = one ? one : status;
		if (one == EXIT_CONNECT)
			break;
	}
	json_decref(names);
	return status;
}

static int run(const char *path, const struct wanted *w)
{
	time_t timeout_s = TIMEOUT_S;
	if (w->command->arguments == ZONES_WAIT)
		timeout_s += w->timeout ? atoi(w->timeout) : WAIT_S;
	if (w->command->arguments == ZONES_DUMP)
		timeout_s = DUMP_S;
	int fd = connect_to(path, timeout_s);
	int again = fd >= 0 ? dup(fd) : -1;
	if (again < 0) {
		fprintf(stderr, "understudyctl: %s: %s\n", path, strerror(errno));
		return EXIT_CONNECT;
	}
	struct streams s = { path, fdopen(fd, "r"), fdopen(again, "w") };
	if (!s.in || !s.out)
		abort(); // out of memory
	int status = is_one_request(w) ? ask(&s, w, NULL) : ask_each(&s, w);
	fclose(s.out);
	fclose(s.in);
	return status;
}

// Whether all that was printed has been taken. Who reads no more need not be told.
static bool flush_output(void)
{
	errno = 0;
	if (fflush(stdout) == 0 && !ferror(stdout))
		return true;
	if (errno != EPIPE)
		fprintf(stderr, "understudyctl: the output is lost: %s\n",
			strerror(errno ? errno : EIO));
	return false;
}

// Kinds of zones: an option for each, as "only" of the request has them.
static void add_kind(struct wanted *w, const char *kind)
{
	w->only = w->only ? w->only : json_array();
	json_array_append_new(w->only, json_string(kind));
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
						 { "output-dir", required_argument, NULL, 'd' },
						 { "blocked", no_argument, NULL, KIND },
						 { "expired", no_argument, NULL, KIND },
						 { "not-loaded", no_argument, NULL, KIND },
						 { "served", no_argument, NULL, KIND },
						 { "frozen", no_argument, NULL, KIND },
						 { 0 } };
	const char *path = SOCKET_DEFAULT;
	struct wanted w = { .began_s = seconds_now(), .can_be_said = true };
	int option, at = 0;
	signal(SIGPIPE, SIG_IGN);
	while ((option = getopt_long(argc, argv, "s:jVhat:T:p:d:", options, &at)) >= 0) {
		switch (option) {
		case 's': path = optarg; break;
		case 'j': w.raw = true; break;
		case 'a': w.all = true; break;
		case 't': w.timeout = optarg; break;
		case 'T':
			w.template = optarg;
			w.can_be_said &= is_text(optarg);
			break;
		case 'd': w.folder = optarg; break;
		case KIND: add_kind(&w, options[at].name); break;
		case 'p':
			w.primaries = w.primaries ? w.primaries : json_array();
			json_array_append_new(w.primaries, json_string(optarg));
			w.can_be_said &= is_text(optarg);
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
	int status = can_be_said(&w) ? run(path, &w) : EXIT_USAGE;
	if (status == EXIT_OK && !flush_output())
		status = EXIT_FAILED;
	json_decref(w.primaries);
	json_decref(w.only);
	return status;
}
