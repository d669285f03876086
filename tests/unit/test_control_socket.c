// SPDX-License-Identifier: BSD-3-Clause
// The control socket with everything behind it, and clients that say nonsense.
//
// The loop runs in a thread of its own; the test is the client.
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "control.h"
#include "support/accepting.h"
#include "support/said.h"
#include "support/serving.h"
#include "support/world.h"
#include "unit.h"

struct fixture {
	struct world world;
	uv_loop_t loop;
	uv_async_t end;
	struct zones *zones;
	struct service *service;
	struct control *control;
	struct config *config;
	pthread_t thread;
	char directory[64];
	char path[96];
	unsigned stops, reloads; // asked for
	uv_timer_t reload_timer;
	reload_done done;
	void *done_arg;
};

// ---- what main.c would do

static json_t *hook_about(void *arg)
{
	(void)arg;
	return json_pack("{s:s}", "version", "test");
}

static json_t *hook_list(void *arg)
{
	(void)arg;
	return json_array();
}

// Goes wrong every second time, later on.
static void on_reload_timer(uv_timer_t *timer)
{
	struct fixture *f = timer->data;
	bool well = f->reloads++ % 2 == 0;
	json_t *messages = well ? json_array() : json_pack("[s]", "us.yaml:7: peace is expected");
	f->done(f->done_arg, well, messages);
	json_decref(messages);
}

static bool hook_reload(void *arg, reload_done done, void *done_arg)
{
	struct fixture *f = arg;
	f->done = done;
	f->done_arg = done_arg;
	return uv_timer_start(&f->reload_timer, on_reload_timer, 10, 0) == 0;
}

static void hook_stop(void *arg)
{
	((struct fixture *)arg)->stops++;
}

static void on_end(uv_async_t *async)
{
	struct fixture *f = async->data;
	control_stop(f->control);
	service_stop(f->service);
	zones_stop(f->zones);
	uv_close((uv_handle_t *)&f->end, NULL);
	uv_close((uv_handle_t *)&f->reload_timer, NULL);
}

static struct control *new_control(struct fixture *f, char why[256])
{
	struct control_options o = { .loop = &f->loop,
				     .path = f->path,
				     .db = f->world.db,
				     .zones = f->zones,
				     .service = f->service,
				     .hooks = { .arg = f,
						.about = hook_about,
						.ports = hook_list,
						.lcores = hook_list,
						.reload = hook_reload,
						.stop = hook_stop } };
	return control_new(&o, why, 256);
}

static void begin(struct fixture *f)
{
	static const char text[] = "listen: [{address: 127.0.0.1}]\n"
				   "primaries: [{id: p, address: 127.0.0.1, port: 1}]\n"
				   "zones: [{name: a.example, primaries: [p]}]\n";
	struct report report = { .say = said_print };
	char why[256];
	memset(f, 0, sizeof(*f));
	signal(SIGPIPE, SIG_IGN); // as main does
	strcpy(f->directory, "/tmp/test_control.XXXXXX");
	CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(f->directory));
	snprintf(f->path, sizeof(f->path), "%s/made/sock", f->directory);
	world_open(&f->world);
	rcu_reader_offline();
	log_set_level(LOG_LEVEL_ERROR);
	f->config = config_parse("test", text, strlen(text), &report);
	CU_ASSERT_PTR_NOT_NULL_FATAL(f->config);
	uv_loop_init(&f->loop);
	CU_ASSERT_EQUAL_FATAL(zones_new(&f->loop, f->world.db, &f->zones), RESULT_OK);
	CU_ASSERT_EQUAL_FATAL(zones_apply(f->zones, f->config), RESULT_OK);
	struct service_options o = { .loop = &f->loop,
				     .db = f->world.db,
				     .zones = f->zones,
				     .answer_config = &f->world.config };
	CU_ASSERT_EQUAL_FATAL(service_new(&o, &f->service), RESULT_OK);
	f->control = new_control(f, why);
	CU_ASSERT_PTR_NOT_NULL_FATAL(f->control);
	uv_async_init(&f->loop, &f->end, on_end);
	uv_timer_init(&f->loop, &f->reload_timer);
	f->reload_timer.data = f;
	f->end.data = f;
	pthread_create(&f->thread, NULL, serving_run, &f->loop);
}

static void end(struct fixture *f)
{
	char made[80];
	uv_async_send(&f->end);
	pthread_join(f->thread, NULL);
	CU_ASSERT_EQUAL(uv_loop_close(&f->loop), 0);
	CU_ASSERT(access(f->path, F_OK) != 0); // the socket is gone
	control_free(f->control);
	service_free(f->service);
	zones_free(f->zones);
	config_free(f->config);
	rcu_reader_online();
	world_close(&f->world);
	snprintf(made, sizeof(made), "%s/made", f->directory);
	rmdir(made);
	CU_ASSERT_EQUAL(rmdir(f->directory), 0);
}

// ---- a client

static int client(const struct fixture *f)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	strcpy(a.sun_path, f->path);
	int fd = serving_connect(SOCK_STREAM, (struct sockaddr *)&a, sizeof(a));
	CU_ASSERT_FATAL(fd >= 0);
	return fd;
}

static void send_text(int fd, const char *text)
{
	CU_ASSERT_EQUAL(send(fd, text, strlen(text), MSG_NOSIGNAL), (ssize_t)strlen(text));
}

// One response of a line; NULL if none comes.
static json_t *response(int fd)
{
	static char line[65536];
	size_t n = 0;
	while (n < sizeof(line) && recv(fd, line + n, 1, 0) == 1) {
		if (line[n++] == '\n')
			return json_loadb(line, n, 0, NULL);
	}
	return NULL;
}

static json_t *ask(int fd, const char *request)
{
	send_text(fd, request);
	send_text(fd, "\n");
	return response(fd);
}

// Whether the request's "result" has the key; a false "ok" has an "error".
static bool has(int fd, const char *request, const char *key)
{
	json_t *r = ask(fd, request);
	bool ok = json_is_true(json_object_get(r, "ok"));
	bool found = ok ? json_object_get(json_object_get(r, "result"), key) != NULL
			: json_is_string(json_object_get(r, key));
	json_decref(r);
	return found;
}

// ---- tests

static void does_commands(void)
{
	struct fixture f;
	struct stat st;
	begin(&f);
	CU_ASSERT_EQUAL(stat(f.path, &st), 0);
	CU_ASSERT_EQUAL(st.st_mode & 07777, 0660);
	int fd = client(&f);
	CU_ASSERT(has(fd, "{\"command\":\"status\"}", "version"));
	CU_ASSERT(has(fd, "{\"command\":\"status\"}", "queries"));
	CU_ASSERT(has(fd, "{\"command\":\"zones\"}", "zones"));
	CU_ASSERT(has(fd, "{\"command\":\"stats\"}", "sum"));
	CU_ASSERT(has(fd, "{\"command\":\"stats\"}", "snapshot"));
	CU_ASSERT(has(fd, "{\"command\":\"zone status\",\"zone\":\"A.example.\"}", "state"));
	CU_ASSERT(has(fd, "{\"command\":\"zone status\",\"zone\":\"a.example\"}", "primaries"));
	CU_ASSERT(has(fd, "{\"command\":\"zone status\",\"zone\":\"b.example\"}", "error"));
	CU_ASSERT(has(fd, "{\"command\":\"zone refresh\",\"zone\":\"b.example\"}", "error"));
	CU_ASSERT(has(fd, "{\"command\":\"reload\"}", "messages"));
	json_t *r = ask(fd, "{\"command\":\"reload\"}");
	CU_ASSERT(json_is_false(json_object_get(r, "ok")));
	CU_ASSERT_STRING_EQUAL(json_string_value(json_array_get(json_object_get(r, "messages"), 0)),
			       "us.yaml:7: peace is expected");
	json_decref(r);
	r = ask(fd, "{\"command\":\"zone retransfer\",\"zone\":\"a.example\"}");
	CU_ASSERT(json_is_true(json_object_get(r, "ok")));
	json_decref(r);
	r = ask(fd, "{\"command\":\"stop\"}");
	CU_ASSERT(json_is_true(json_object_get(r, "ok")));
	json_decref(r);
	CU_ASSERT(has(fd, "{\"command\":\"status\"}", "version"));
	close(fd);
	end(&f);
	CU_ASSERT_EQUAL(f.stops, 1);
	CU_ASSERT_EQUAL(f.reloads, 2);
}

static void bears_nonsense(void)
{
	struct fixture f;
	char line[10000];
	begin(&f);
	int fd = client(&f), silent = client(&f);
	CU_ASSERT(has(fd, "", "error"));
	CU_ASSERT(has(fd, "GET / HTTP/1.0", "error"));
	CU_ASSERT(has(fd, "{\"command\":[]}", "error"));
	CU_ASSERT(has(fd, "\x01\x02\xff", "error"));
	memset(line, '[', sizeof(line) - 1);
	line[4000] = '\0';
	CU_ASSERT(has(fd, line, "error")); // deep
	line[4000] = '[';
	line[sizeof(line) - 1] = '\0';
	send_text(fd, line); // too long: one error, and on with the next line
	send_text(fd, "\n{\"command\":\"zones\"}\n{\"command\":\"status\"}\n");
	json_t *r = response(fd);
	CU_ASSERT(json_is_false(json_object_get(r, "ok")));
	json_decref(r);
	r = response(fd);
	CU_ASSERT_PTR_NOT_NULL(json_object_get(json_object_get(r, "result"), "zones"));
	json_decref(r);
	r = response(fd);
	CU_ASSERT_PTR_NOT_NULL(json_object_get(json_object_get(r, "result"), "version"));
	json_decref(r);
	close(fd);
	close(silent);
	end(&f);
}

// Who asks without end and takes no response is not served on.
static void waits_for_slow_readers(void)
{
	struct fixture f;
	begin(&f);
	int fd = client(&f), other;
	size_t sent = 0;
	for (ssize_t n = 0; n >= 0 && sent < 50000000; sent += (size_t)n)
		n = send(fd, "{\"command\":\"stats\"}\n", 20, MSG_NOSIGNAL | MSG_DONTWAIT);
	CU_ASSERT(errno == EAGAIN);
	other = client(&f);
	CU_ASSERT(has(other, "{\"command\":\"status\"}", "version"));
	close(other);
	close(fd);
	end(&f);
}

static void bounds_connections(void)
{
	struct fixture f;
	int fds[40], served = 0, refused = 0;
	begin(&f);
	for (int i = 0; i < 40; i++)
		fds[i] = client(&f);
	for (int i = 0; i < 40; i++) {
		const char *request = "{\"command\":\"status\"}\n";
		send(fds[i], request, strlen(request), MSG_NOSIGNAL); // or it is closed
		json_t *r = response(fds[i]);
		const char *error = json_string_value(json_object_get(r, "error"));
		served += json_is_true(json_object_get(r, "ok"));
		refused += error && strcmp(error, "too many connections") == 0;
		json_decref(r);
	}
	CU_ASSERT_EQUAL(served, 32);
	CU_ASSERT_EQUAL(refused, 8);
	for (int i = 0; i < 40; i++)
		close(fds[i]);
	usleep(100000);
	int fd = client(&f);
	CU_ASSERT(has(fd, "{\"command\":\"status\"}", "version"));
	close(fd);
	end(&f);
}

// A failure that lasts is tried again after a pause, and no earlier; who came waits.
static void bears_accept_failures(void)
{
	struct fixture f;
	begin(&f);
	accept_fails = true;
	int fd = client(&f);
	usleep(100000);
	accept_fails = false;
	CU_ASSERT(accept_failures > 0 && accept_failures < 4);
	CU_ASSERT(has(fd, "{\"command\":\"status\"}", "version"));
	close(fd);
	end(&f);
}

static void replaces_only_the_dead(void)
{
	struct fixture f, g;
	char why[256];
	begin(&f);
	g = f; // as a second daemon would see it
	uv_loop_init(&g.loop);
	CU_ASSERT_PTR_NULL(new_control(&g, why));
	CU_ASSERT_PTR_NOT_NULL(strstr(why, "another daemon listens there"));
	int fd = client(&f);
	CU_ASSERT(has(fd, "{\"command\":\"status\"}", "version"));
	close(fd);
	snprintf(g.path, sizeof(g.path), "%s/dead", f.directory);
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	strcpy(a.sun_path, g.path);
	fd = socket(AF_UNIX, SOCK_STREAM, 0);
	CU_ASSERT_EQUAL(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	close(fd); // leaves its file, and nobody behind it
	struct control *c = new_control(&g, why);
	CU_ASSERT_PTR_NOT_NULL_FATAL(c);
	control_stop(c);
	uv_run(&g.loop, UV_RUN_DEFAULT);
	control_free(c);
	FILE *file = fopen(g.path, "w");
	fclose(file);
	CU_ASSERT_PTR_NULL(new_control(&g, why));
	CU_ASSERT_PTR_NOT_NULL(strstr(why, "a file that is no socket"));
	CU_ASSERT_EQUAL(unlink(g.path), 0); // it was left alone
	CU_ASSERT_EQUAL(uv_loop_close(&g.loop), 0);
	end(&f);
}

// Many may wait, and the socket serves on; those who come to wait beyond that are told so.
static void waiting_is_no_burden(void)
{
	struct fixture f;
	static int fds[1001];
	begin(&f);
	for (int i = 0; i < 1001; i++) {
		fds[i] = client(&f);
		send_text(fds[i], "{\"command\":\"zone wait\",\"zone\":\"a.example\","
				  "\"serial\":1,\"timeout\":86400}\n");
		if (i % 16 == 0)
			usleep(20000);
	}
	json_t *r = response(fds[1000]);
	CU_ASSERT_STRING_EQUAL(json_string_value(json_object_get(r, "error")),
			       "too many wait already");
	json_decref(r);
	int fd = client(&f);
	CU_ASSERT(has(fd, "{\"command\":\"status\"}", "version"));
	close(fd);
	for (int i = 0; i < 1001; i++)
		close(fds[i]);
	usleep(1500000);
	fd = client(&f);
	CU_ASSERT(has(fd,
		      "{\"command\":\"zone wait\",\"zone\":\"a.example\",\"serial\":1,"
		      "\"timeout\":0}",
		      "error"));
	close(fd);
	end(&f);
}

// Who goes away while he waits leaves his place to others.
static void forgets_who_left(void)
{
	struct fixture f;
	int fds[32];
	begin(&f);
	for (int i = 0; i < 32; i++) {
		fds[i] = client(&f);
		send_text(fds[i], "{\"command\":\"zone wait\",\"zone\":\"a.example\","
				  "\"serial\":1,\"timeout\":86400}\n");
	}
	shutdown(fds[0], SHUT_WR); // this one still listens
	usleep(100000);
	for (int i = 1; i < 32; i++)
		close(fds[i]);
	usleep(1500000); // longer than a sweep
	int fd = client(&f);
	CU_ASSERT(has(fd, "{\"command\":\"status\"}", "version"));
	char octet;
	CU_ASSERT(recv(fds[0], &octet, 1, MSG_DONTWAIT) < 0 && errno == EAGAIN);
	close(fds[0]);
	close(fd);
	end(&f);
}

UNIT_MAIN("control socket", { "does commands", does_commands },
	  { "bears nonsense", bears_nonsense },
	  { "waits for slow readers", waits_for_slow_readers },
	  { "bounds connections", bounds_connections },
	  { "bears accept failures", bears_accept_failures },
	  { "waiting is no burden", waiting_is_no_burden },
	  { "forgets who left", forgets_who_left },
	  { "replaces only the dead", replaces_only_the_dead })
