// SPDX-License-Identifier: BSD-3-Clause
// The control socket: JSON requests and responses, one a line.
//
// Like service_tcp.c, a connection either reads or waits for its response to be
// taken, so that its memory is bounded by one line and one response.
#include "control.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "control_parts.h"
#include "loop.h"

#define CONNECTIONS_MAX 32
#define WAITING_MAX     1000 // of them in "zone wait", beside those
#define IDLE_MS         60000
#define SWEEP_MS        1000
#define BACKLOG         16
#define BODY_OCTETS     65536

struct control_connection {
	struct control *control;
	struct control_connection *next;
	uv_pipe_t pipe;
	uv_write_t write;
	uint64_t progress_ms;
	char *response;
	struct control_task *task; // under way
	FILE *body;                // to be sent behind the response
	bool closing;
	bool stop;     // the daemon, once the response is sent
	bool refused;  // there were too many; it ends once that is said
	bool waits;    // counted as such
	bool skipping; // the rest of a line that is too long
	size_t len;
	char line[CONTROL_LINE_MAX];
};

// ---- connections

static void on_connection_closed(uv_handle_t *handle)
{
	struct control_connection *n = handle->data;
	if (n->body)
		fclose(n->body);
	free(n->response);
	free(n);
}

static void close_connection(struct control_connection *n)
{
	struct control *c = n->control;
	if (n->closing)
		return;
	n->closing = true;
	if (n->task)
		control_task_leave(n->task);
	n->task = NULL;
	for (struct control_connection **at = &c->connections; *at; at = &(*at)->next) {
		if (*at == n) {
			*at = n->next;
			break;
		}
	}
	--*(n->waits ? &c->waiting : &c->count);
	uv_close((uv_handle_t *)&n->pipe, on_connection_closed);
}

// While it waits for something it takes no place of those who work.
static void set_waiting(struct control_connection *n, bool waits)
{
	struct control *c = n->control;
	if (n->waits == waits)
		return;
	n->waits = waits;
	--*(waits ? &c->count : &c->waiting);
	++*(waits ? &c->waiting : &c->count);
}

static void start_reading(struct control_connection *n);
static void serve(struct control_connection *n);

static void on_written(uv_write_t *req, int status);

// The next piece of the body; false at its end. What ends early, for the disk
// fails, is shorter than was said, so the connection ends with it.
static bool send_body(struct control_connection *n)
{
	char *piece = n->body ? malloc(BODY_OCTETS) : NULL;
	size_t len = piece ? fread(piece, 1, BODY_OCTETS, n->body) : 0;
	bool failed = n->body && (!piece || ferror(n->body));
	n->response = piece;
	if (len && !failed) {
		uv_buf_t buf = uv_buf_init(piece, (unsigned)len);
		if (uv_write(&n->write, (uv_stream_t *)&n->pipe, &buf, 1, on_written) == 0)
			return true;
		failed = true;
	}
	if (n->body)
		fclose(n->body);
	n->body = NULL;
	free(n->response);
	n->response = NULL;
	if (failed)
		close_connection(n);
	return false;
}

static void on_written(uv_write_t *req, int status)
{
	struct control_connection *n = req->handle->data;
	struct control_hooks *hooks = &n->control->options.hooks;
	free(n->response);
	n->response = NULL;
	if (n->stop)
		hooks->stop(hooks->arg);
	if (n->closing)
		return;
	n->progress_ms = uv_now(n->control->options.loop);
	if (status < 0 || n->refused)
		close_connection(n);
	else if (!send_body(n) && !n->closing)
		serve(n);
}

// Reads no more until the response is taken.
void control_respond(struct control_connection *n, json_t *response, FILE *body)
{
	size_t len = 0;
	n->task = NULL;
	set_waiting(n, false);
	n->body = body;
	char *text = response ? json_dumps(response, CONTROL_JSON) : NULL;
	json_decref(response);
	if (text) {
		len = strlen(text);
		text[len] = '\n'; // in the place of the NUL
	}
	n->response = text;
	uv_buf_t buf = uv_buf_init(text, (unsigned)len + 1);
	if (!text || len >= UINT32_MAX ||
	    uv_write(&n->write, (uv_stream_t *)&n->pipe, &buf, 1, on_written))
		close_connection(n);
	else
		uv_read_stop((uv_stream_t *)&n->pipe);
}

void control_send(struct control_connection *n, FILE *response)
{
	n->task = NULL;
	n->body = response;
	if (!send_body(n) && !n->closing)
		serve(n);
}

// Whether one more may wait, if that is what the request comes to.
static bool may_wait(const struct control *c, enum control_command command)
{
	return !control_is_patient(command) || c->waiting < WAITING_MAX;
}

static void serve_line(struct control_connection *n, const char *line, size_t len)
{
	struct control_request request = { 0 };
	const char *why = control_parse(line, len, &request);
	if (!why && !may_wait(n->control, request.command))
		why = "too many wait already";
	n->stop = !why && request.command == CONTROL_STOP;
	if (why || !control_is_slow(request.command)) {
		json_t *response = why ? control_error(why) : control_run(n->control, &request);
		control_respond(n, response, NULL);
		return;
	}
	uv_read_stop((uv_stream_t *)&n->pipe);
	n->task = control_task_start(n->control, n, &request);
	if (n->task) {
		set_waiting(n, control_is_patient(request.command));
		return;
	}
	char text[128];
	snprintf(text, sizeof(text), "it could not be begun: %s", strerror(errno));
	control_respond(n, control_error(text), NULL);
}

// Serves the first complete line, if there is one; the rest waits its turn.
static void serve(struct control_connection *n)
{
	char line[CONTROL_LINE_MAX];
	char *end = memchr(n->line, '\n', n->len);
	bool too_long = !end && n->len == sizeof(n->line), known = n->skipping;
	if (too_long)
		n->len = 0;
	n->skipping |= too_long;
	if (too_long && !known) {
		control_respond(n, control_error("a line of less than 4096 octets is expected"),
				NULL);
		return;
	}
	if (!end) {
		start_reading(n);
		return;
	}
	size_t len = (size_t)(end - n->line);
	memcpy(line, n->line, len);
	n->len -= len + 1;
	memmove(n->line, end + 1, n->len);
	n->skipping = false;
	if (known)
		serve(n);
	else
		serve_line(n, line, len);
}

static void lend_buffer(uv_handle_t *handle, size_t suggested, uv_buf_t *out)
{
	struct control_connection *n = handle->data;
	(void)suggested;
	*out = uv_buf_init(n->line + n->len, (unsigned)(sizeof(n->line) - n->len));
}

static void on_read(uv_stream_t *stream, ssize_t got, const uv_buf_t *buf)
{
	struct control_connection *n = stream->data;
	(void)buf;
	if (got < 0) {
		close_connection(n);
	} else if (got > 0) {
		n->len += (size_t)got;
		n->progress_ms = uv_now(n->control->options.loop);
		serve(n);
	}
}

static void start_reading(struct control_connection *n)
{
	uv_stream_t *stream = (uv_stream_t *)&n->pipe;
	if (!uv_is_active((uv_handle_t *)stream) && uv_read_start(stream, lend_buffer, on_read))
		close_connection(n);
}

// Whether the peer has closed its socket, and not just its direction: of a connection
// that waits for its task nothing is read that would tell.
static bool has_left(const struct control_connection *n)
{
	struct pollfd p = { 0 };
	return uv_fileno((const uv_handle_t *)&n->pipe, &p.fd) == 0 && poll(&p, 1, 0) > 0 &&
	       (p.revents & (POLLHUP | POLLERR));
}

// Those whose peers have left, and have not been noticed yet, make room.
static void close_left(struct control *c)
{
	struct control_connection *n, *next;
	for (n = c->connections; n; n = next) {
		next = n->next;
		if (has_left(n))
			close_connection(n);
	}
}

// Without memory it waits for the next sweep: libuv calls nobody before it is accepted.
static void accept_connection(struct control *c)
{
	uv_stream_t *server = (uv_stream_t *)&c->pipe;
	if (c->count >= CONNECTIONS_MAX)
		close_left(c);
	struct control_connection *n = calloc(1, sizeof(*n));
	c->unaccepted = !n;
	if (!n)
		return;
	uv_pipe_init(c->options.loop, &n->pipe, 0);
	n->pipe.data = n;
	n->control = c;
	n->progress_ms = uv_now(c->options.loop);
	n->next = c->connections;
	c->connections = n;
	c->count++;
	n->refused = c->count > CONNECTIONS_MAX;
	if (uv_accept(server, (uv_stream_t *)&n->pipe))
		close_connection(n);
	else if (n->refused)
		control_respond(n, control_error("too many connections"), NULL);
	else
		start_reading(n);
}

static void on_pipe_closed(uv_handle_t *handle)
{
	struct control *c = handle->data;
	c->listening = false;
}

// A failure that lasts, as of descriptors, is tried again with the next sweep.
static void on_connection(uv_stream_t *server, int status)
{
	if (status == 0)
		accept_connection(server->data);
	else
		uv_close((uv_handle_t *)server, on_pipe_closed);
}

static int start_listening(struct control *c)
{
	int fd = fcntl(c->fd, F_DUPFD_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	uv_pipe_init(c->options.loop, &c->pipe, 0);
	c->pipe.data = c;
	c->listening = true;
	int e = uv_pipe_open(&c->pipe, fd);
	if (e)
		close(fd);
	else
		e = uv_listen((uv_stream_t *)&c->pipe, BACKLOG, on_connection);
	if (e)
		uv_close((uv_handle_t *)&c->pipe, on_pipe_closed);
	return e;
}

static void on_idle_timer(uv_timer_t *timer)
{
	struct control *c = timer->data;
	uint64_t now_ms = uv_now(c->options.loop);
	struct control_connection *n, *next;
	if (!c->listening)
		start_listening(c);
	else if (c->unaccepted)
		accept_connection(c);
	for (n = c->connections; n; n = next) {
		next = n->next;
		if (n->task ? has_left(n) : now_ms - n->progress_ms >= IDLE_MS)
			close_connection(n);
	}
}

// ---- the socket

// Whether somebody listens there.
static bool is_alive(const struct sockaddr_un *address)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return true;
	bool alive = connect(fd, (const struct sockaddr *)address, sizeof(*address)) == 0 ||
		     (errno != ECONNREFUSED && errno != ENOENT);
	close(fd);
	return alive;
}

// Makes way for the socket: the last directory of its path, and no leftover of
// a daemon that was killed. NULL, or what is in the way.
static const char *make_way(const char *path, const struct sockaddr_un *address)
{
	struct stat st;
	char directory[sizeof(address->sun_path)];
	snprintf(directory, sizeof(directory), "%s", path);
	char *slash = strrchr(directory, '/');
	if (slash && slash != directory) {
		*slash = '\0';
		if (mkdir(directory, 0755) < 0 && errno != EEXIST)
			return strerror(errno);
	}
	if (lstat(path, &st) < 0)
		return errno == ENOENT ? NULL : strerror(errno);
	if (!S_ISSOCK(st.st_mode))
		return "there is a file that is no socket";
	if (is_alive(address))
		return "another daemon listens there";
	return unlink(path) < 0 ? strerror(errno) : NULL;
}

// A listening socket of mode 0660; -1 with *why set.
static int listening_socket(const char *path, const char **why)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	if (strlen(path) >= sizeof(address.sun_path)) {
		*why = "the path is too long";
		return -1;
	}
	memcpy(address.sun_path, path, strlen(path));
	*why = make_way(path, &address);
	if (*why)
		return -1;
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	mode_t mask = umask(0117); // so that there is no moment with another mode
	bool ok = fd >= 0 && bind(fd, (struct sockaddr *)&address, sizeof(address)) == 0 &&
		  listen(fd, BACKLOG) == 0;
	*why = ok ? NULL : strerror(errno);
	umask(mask);
	if (ok)
		return fd;
	if (fd >= 0)
		close(fd);
	return -1;
}

struct control *control_new(const struct control_options *options, char *why, size_t why_size)
{
	const char *reason = "out of memory";
	int fd = listening_socket(options->path, &reason);
	struct control *c = fd >= 0 ? calloc(1, sizeof(*c)) : NULL;
	if (!c || !(c->path = strdup(options->path))) {
		snprintf(why, why_size, "control socket %s: %s", options->path,
			 reason ? reason : "out of memory");
		if (fd >= 0)
			close(fd);
		free(c);
		return NULL;
	}
	c->options = *options;
	c->options.path = c->path;
	c->fd = fd;
	uv_timer_init(options->loop, &c->idle_timer);
	c->idle_timer.data = c;
	int e = start_listening(c);
	if (!e)
		e = uv_timer_start(&c->idle_timer, on_idle_timer, SWEEP_MS, SWEEP_MS);
	if (e) {
		snprintf(why, why_size, "control socket %s: %s", options->path, uv_strerror(e));
		control_stop(c);
		uv_run(options->loop, UV_RUN_NOWAIT);
		control_free(c);
		return NULL;
	}
	return c;
}

void control_stop(struct control *c)
{
	atomic_store_explicit(&c->stopping, true, memory_order_relaxed);
	while (c->connections)
		close_connection(c->connections);
	if (c->listening && !uv_is_closing((uv_handle_t *)&c->pipe))
		uv_close((uv_handle_t *)&c->pipe, on_pipe_closed);
	uv_close((uv_handle_t *)&c->idle_timer, NULL);
	close(c->fd);
	unlink(c->path);
}

void control_free(struct control *c)
{
	if (!c)
		return;
	free(c->path);
	free(c);
}
