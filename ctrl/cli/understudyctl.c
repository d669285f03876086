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
#include <unistd.h>

#include "table.h"

#define SOCKET_DEFAULT "/run/understudy/understudy.sock"
#define TIMEOUT_S      30

enum exit_status { EXIT_OK, EXIT_FAILED, EXIT_USAGE, EXIT_CONNECT };

struct command {
	const char *words;                       // as typed, and as "command" of the request
	bool zone;                               // a zone follows
	void (*print)(FILE *to, json_t *result); // NULL: there is nothing to say
	const char *help;
};

static const struct command commands[] = {
	{ "status", false, table_status, "the daemon as a whole" },
	{ "zones", false, table_zones, "all zones" },
	{ "zone status", true, table_zone_status, "one zone, its primaries and last transfer" },
	{ "zone refresh", true, NULL, "ask the primaries now whether there is news" },
	{ "zone retransfer", true, NULL, "transfer now, whatever the serial" },
	{ "stats", false, table_stats, "counters, by thread and in sum" },
	{ "reload", false, table_reload, "reread the configuration" },
	{ "stop", false, NULL, "end the daemon" },
};
#define COMMANDS (sizeof(commands) / sizeof(commands[0]))

static void usage(FILE *to)
{
	fprintf(to, "usage: understudyctl [-s SOCKET] [--json] COMMAND\n"
		    "  -s, --socket SOCKET  of the daemon (default " SOCKET_DEFAULT ")\n"
		    "  -j, --json           print the response as JSON, as it came\n"
		    "  -V, --version        print the version\n"
		    "  -h, --help           print this\n"
		    "commands:\n");
	for (size_t i = 0; i < COMMANDS; i++)
		fprintf(to, "  %s%-*s %s\n", commands[i].words, 24 - (int)strlen(commands[i].words),
			commands[i].zone ? " ZONE" : "", commands[i].help);
	fprintf(to,
		"exit status: 0 done, 1 the daemon could not do it, 2 usage, 3 no connection\n");
}

// The command that the arguments begin with; its zone in *zone. NULL if none.
static const struct command *find_command(int argc, char **argv, const char **zone)
{
	for (size_t i = 0; i < COMMANDS; i++) {
		const struct command *c = &commands[i];
		const char *space = strchr(c->words, ' ');
		int words = space ? 2 : 1;
		size_t first = space ? (size_t)(space - c->words) : strlen(c->words);
		if (argc != words + c->zone || strlen(argv[0]) != first ||
		    memcmp(argv[0], c->words, first) != 0 ||
		    (space && strcmp(argv[1], space + 1) != 0))
			continue;
		*zone = c->zone ? argv[words] : NULL;
		return c;
	}
	return NULL;
}

// A connected socket, or -1 and errno.
static int connect_to(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	struct timeval timeout = { .tv_sec = TIMEOUT_S };
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

static bool send_request(FILE *stream, const struct command *c, const char *zone)
{
	json_t *request = json_pack("{s:s}", "command", c->words);
	if (zone)
		json_object_set_new(request, "zone", json_string(zone));
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

static int print_response(const struct command *c, json_t *response, bool raw)
{
	bool ok = json_is_true(json_object_get(response, "ok"));
	const char *error = json_string_value(json_object_get(response, "error"));
	if (raw) {
		json_dumpf(response, stdout, JSON_INDENT(2));
		putchar('\n');
	} else if (!ok) {
		table_reload(stderr, response); // messages, if there are any
		fprintf(stderr, "understudyctl: %s\n", error ? error : "the daemon refused");
	} else if (c->print) {
		c->print(stdout, json_object_get(response, "result"));
	}
	return ok ? EXIT_OK : EXIT_FAILED;
}

static int run(const char *path, const struct command *c, const char *zone, bool raw)
{
	int fd = connect_to(path);
	FILE *stream = fd >= 0 ? fdopen(fd, "r+") : NULL;
	if (!stream) {
		fprintf(stderr, "understudyctl: %s: %s\n", path, strerror(errno));
		if (fd >= 0)
			close(fd);
		return EXIT_CONNECT;
	}
	int status = EXIT_CONNECT;
	json_t *response = send_request(stream, c, zone) ? receive_response(stream) : NULL;
	if (response)
		status = print_response(c, response, raw);
	else
		fprintf(stderr, "understudyctl: %s: the daemon did not respond\n", path);
	json_decref(response);
	fclose(stream);
	return status;
}

int main(int argc, char **argv)
{
	static const struct option options[] = { { "socket", required_argument, NULL, 's' },
						 { "json", no_argument, NULL, 'j' },
						 { "version", no_argument, NULL, 'V' },
						 { "help", no_argument, NULL, 'h' },
						 { 0 } };
	const char *path = SOCKET_DEFAULT, *zone = NULL;
	bool raw = false;
	int option;
	while ((option = getopt_long(argc, argv, "s:jVh", options, NULL)) >= 0) {
		switch (option) {
		case 's': path = optarg; break;
		case 'j': raw = true; break;
		case 'V': printf("understudyctl %s\n", UNDERSTUDY_VERSION); return EXIT_OK;
		case 'h': usage(stdout); return EXIT_OK;
		default: usage(stderr); return EXIT_USAGE;
		}
	}
	const struct command *c =
		optind < argc ? find_command(argc - optind, argv + optind, &zone) : NULL;
	if (!c) {
		usage(stderr);
		return EXIT_USAGE;
	}
	return run(path, c, zone, raw);
}
