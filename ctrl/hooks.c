// SPDX-License-Identifier: BSD-3-Clause
// Hooks: the program that is run when a zone needs attention.
#include "hooks.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <linux/close_range.h>

#include "log.h"

#define LINE_MOST 10000

// One run. Lives until its process, its pipe and its timer are closed.
struct hook {
	struct hooks *hooks;
	struct hook *next; // in line, or running
	char *text;        // for the program's standard input
	uv_process_t process;
	uv_pipe_t input;
	uv_timer_t timer;
	uv_write_t write;
	unsigned open; // handles
	bool late;
};

struct hooks {
	uv_loop_t *loop;
	const struct config_hooks *config;
	struct hook *first, **last; // in line
	struct hook *running;
	unsigned waiting, count;
	struct hooks_stats stats;
	struct log_limit log;
};

static void advance(struct hooks *h);

static void hook_free(struct hook *k)
{
	free(k->text);
	free(k);
}

static void on_closed(uv_handle_t *handle)
{
	struct hook *k = handle->data;
	if (--k->open == 0)
		hook_free(k);
}

static void close_handle(struct hook *k, uv_handle_t *handle)
{
	handle->data = k;
	if (!uv_is_closing(handle))
		uv_close(handle, on_closed);
}

static void on_timer(uv_timer_t *timer)
{
	struct hook *k = timer->data;
	k->late = true;
	uv_kill(-k->process.pid, SIGKILL); // whatever it started, too
}

static void leave(struct hook *k)
{
	struct hook **at = &k->hooks->running;
	while (*at != k)
		at = &(*at)->next;
	*at = k->next;
	k->hooks->count--;
}

static void on_exit_status(uv_process_t *process, int64_t status, int number)
{
	struct hook *k = process->data;
	struct hooks *h = k->hooks;
	if (status || number) {
		h->stats.failed++;
		log_limited(&h->log, LOG_LEVEL_WARNING, "hook: it ended with %s %lld%s",
			    number ? "signal" : "exit status",
			    number ? (long long)number : (long long)status,
			    k->late ? ", as its time was over" : "");
	}
	leave(k);
	close_handle(k, (uv_handle_t *)&k->process);
	close_handle(k, (uv_handle_t *)&k->input);
	close_handle(k, (uv_handle_t *)&k->timer);
	advance(h);
}

static void on_written(uv_write_t *write, int status)
{
	struct hook *k = write->data;
	(void)status; // a program need not read it
	close_handle(k, (uv_handle_t *)&k->input);
}

static int spawn(struct hook *k)
{
	const struct config_hooks *config = k->hooks->config;
	char *env[] = { (char[]){ "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:"
				  "/bin" },
			NULL };
	char *argv[CONFIG_HOOK_WORDS_MAX + 1] = { 0 };
	uv_stdio_container_t stdio[3] = {
		{ .flags = UV_CREATE_PIPE | UV_READABLE_PIPE,
		  .data.stream = (uv_stream_t *)&k->input },
		{ .flags = UV_IGNORE },
		{ .flags = UV_INHERIT_FD, .data.fd = 2 },
	};
	memcpy(argv, config->command, config->command_count * sizeof(*argv));
	uv_process_options_t options = {
		.file = argv[0],
		.args = argv,
		.env = env,
		.cwd = "/",
		.exit_cb = on_exit_status,
		.flags = UV_PROCESS_DETACHED, // a process group of its own
		.stdio = stdio,
		.stdio_count = 3,
	};
	close_range(3, ~0u, CLOSE_RANGE_CLOEXEC); // what libraries opened
	return uv_spawn(k->hooks->loop, &k->process, &options);
}

static void start(struct hook *k)
{
	struct hooks *h = k->hooks;
	uv_pipe_init(h->loop, &k->input, 0);
	uv_timer_init(h->loop, &k->timer);
	k->process.data = k->input.data = k->timer.data = k->write.data = k;
	k->open = 3;
	h->stats.run++;
	int e = spawn(k);
	if (e) {
		h->stats.failed++;
		log_limited(&h->log, LOG_LEVEL_ERROR, "hook: %s cannot be run: %s",
			    h->config->command[0], uv_strerror(e));
		close_handle(k, (uv_handle_t *)&k->process);
		close_handle(k, (uv_handle_t *)&k->input);
		close_handle(k, (uv_handle_t *)&k->timer);
		return;
	}
	k->next = h->running;
	h->running = k;
	h->count++;
	uv_buf_t buf = uv_buf_init(k->text, (unsigned)strlen(k->text));
	uv_timer_start(&k->timer, on_timer, h->config->timeout_s * 1000u, 0);
	if (uv_write(&k->write, (uv_stream_t *)&k->input, &buf, 1, on_written))
		close_handle(k, (uv_handle_t *)&k->input);
}

static struct hook *take(struct hooks *h)
{
	struct hook *k = h->first;
	h->first = k->next;
	if (!h->first)
		h->last = &h->first;
	h->waiting--;
	return k;
}

static bool has_program(const struct hooks *h)
{
	return h->config && h->config->command_count;
}

static void advance(struct hooks *h)
{
	while (h->first && !has_program(h))
		hook_free(take(h));
	while (h->first && h->count < h->config->concurrent)
		start(take(h));
}

// The object in one line, or NULL.
static char *line_of(const json_t *object)
{
	char *line = NULL, *text = json_dumps(object, JSON_COMPACT);
	if (text && asprintf(&line, "%s\n", text) < 0)
		line = NULL;
	free(text);
	return line;
}

void hooks_run(struct hooks *h, json_t *object)
{
	struct hook *k = NULL;
	char *text = NULL;
	if (has_program(h) && object) {
		text = line_of(object);
		k = h->waiting < LINE_MOST ? calloc(1, sizeof(*k)) : NULL;
		h->stats.dropped += !text || !k;
	}
	json_decref(object);
	if (!text || !k) {
		free(text);
		free(k);
		return;
	}
	k->hooks = h;
	k->text = text;
	*h->last = k;
	h->last = &k->next;
	h->waiting++;
	advance(h);
}

void hooks_configure(struct hooks *h, const struct config_hooks *config)
{
	h->config = config;
	advance(h);
}

const struct hooks_stats *hooks_stats(const struct hooks *h)
{
	return &h->stats;
}

struct hooks *hooks_new(uv_loop_t *loop)
{
	struct hooks *h = calloc(1, sizeof(*h));
	if (!h)
		return NULL;
	h->loop = loop;
	h->last = &h->first;
	return h;
}

void hooks_stop(struct hooks *h)
{
	h->config = NULL;
	advance(h);
	for (struct hook *k = h->running; k; k = k->next)
		uv_kill(-k->process.pid, SIGKILL);
}

void hooks_free(struct hooks *h)
{
	free(h);
}
