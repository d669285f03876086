// SPDX-License-Identifier: BSD-3-Clause
// Commands of the control socket that take their time: dumps, lists of all zones, waiting,
// reading the configuration, and what must be on the disk before it is said to be done.
//
// A dump is written into a file without a name by a thread of libuv's, which is an RCU reader
// while it does so, and then sent. A list is written into one by the loop, some zones between
// any two looks at what else there is to do. A connection that closes leaves its task behind,
// which then ends alone.
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "control_parts.h"
#include "loop.h"
#include "understudy/rcu.h"
#include "understudy/serial.h"
#include "zone_text.h"

#define SLICE_ZONES  64 // of a list: about a millisecond
#define LOOK_MS      5
#define LOOKERS_A_MS 10 // so many more who wait make each look a millisecond more seldom
#define WHY_OCTETS   1024

struct control_task {
	struct control *control;
	struct control_connection *connection; // NULL once it is gone
	struct control_request request;
	uv_work_t work;
	uv_timer_t timer;
	uint64_t until_ms;
	// Of a dump, or a list.
	FILE *out;
	enum result result;
	uint32_t serial;
	// Of a list.
	uv_idle_t idle;
	bool begun, rows; // `last` was looked at; there are rows
	struct name last;
	// Of a zone that comes or goes: what is wrong.
	char why[WHY_OCTETS];
	// Of waiting.
	bool served;         // what is waited for is
	uint64_t generation; // and was, by then
	size_t at;           // of all zones: the first that may be one that is not
};

bool control_is_slow(enum control_command command)
{
	return command == CONTROL_ZONES || command == CONTROL_ZONE_DUMP ||
	       command == CONTROL_ZONE_WAIT || command == CONTROL_ZONE_ADD ||
	       command == CONTROL_ZONE_REMOVE || command == CONTROL_RELOAD;
}

bool control_is_patient(enum control_command command)
{
	return command == CONTROL_ZONE_WAIT;
}

// ---- dump

static void dump(uv_work_t *work)
{
	struct control_task *t = work->data;
	rcu_reader_register();
	const struct catalog *view = zonedb_view(t->control->options.db);
	const struct zone *z = catalog_zone(view, t->request.zone.wire);
	t->result = !z                                 ? RESULT_NOT_FOUND
		    : zone_state(z) == ZONE_NOT_LOADED ? RESULT_NO_SOA
						       : RESULT_OK;
	if (t->result == RESULT_OK) {
		t->serial = zone_serial(z);
		zone_text_zone(t->out, view, z, &t->control->stopping);
	}
	rcu_reader_unregister();
	if (fflush(t->out) || ferror(t->out))
		t->result = RESULT_IO;
}

static void after_dump(uv_work_t *work, int status)
{
	struct control_task *t = work->data;
	FILE *out = t->out;
	long octets = ftell(out);
	(void)status;
	rewind(out);
	if (t->connection && t->result == RESULT_OK && octets >= 0) {
		json_t *result = json_object();
		json_object_set_new(result, "octets", json_integer(octets));
		json_object_set_new(result, "serial", json_integer(t->serial));
		control_respond(t->connection, control_success(result), out);
		out = NULL;
	} else if (t->connection) {
		const char *why = t->result == RESULT_NOT_FOUND ? "no such zone is configured"
				  : t->result == RESULT_NO_SOA
					  ? "the zone is not loaded"
					  : "the dump could not be written to a temporary file";
		control_respond(t->connection, control_error(why), NULL);
	}
	if (out)
		fclose(out);
	free(t);
}

static bool start_dump(struct control_task *t)
{
	t->out = tmpfile();
	return t->out && uv_queue_work(t->control->options.loop, &t->work, dump, after_dump) == 0;
}

// ---- the list of zones

static void on_idle_closed(uv_handle_t *handle)
{
	struct control_task *t = handle->data;
	if (t->out)
		fclose(t->out);
	free(t);
}

static bool write_row(struct control_task *t, const struct catalog *view,
		      const struct zone_status *s)
{
	json_t *row = control_zone_row(view, s);
	bool well = (!t->rows || fputc(',', t->out) != EOF) &&
		    json_dumpf(row, t->out, CONTROL_JSON) == 0;
	json_decref(row);
	t->rows = true;
	return well;
}

// The zones behind the last, some of them; of zones that come or go meanwhile no other is
// missed or told of twice. False if they could not be written.
static bool write_slice(struct control_task *t, bool *end)
{
	const struct control_options *o = &t->control->options;
	size_t at = t->begun ? zones_behind(o->zones, t->last.wire) : 0;
	size_t count = zones_count(o->zones);
	size_t stop = count - at > SLICE_ZONES ? at + SLICE_ZONES : count;
	bool well = true;
	rcu_reader_online();
	const struct catalog *view = zonedb_view(o->db);
	for (; well && at < stop; at++) {
		struct zone_status s;
		zones_status_at(o->zones, at, &s);
		if (!t->request.only || (control_zone_kinds(&s) & t->request.only))
			well = write_row(t, view, &s);
		name_copy(&t->last, s.name);
		t->begun = true;
	}
	rcu_reader_offline();
	*end = stop == count;
	return well;
}

static void on_idle(uv_idle_t *idle)
{
	struct control_task *t = idle->data;
	struct control_connection *n = t->connection;
	bool end = false, well = write_slice(t, &end);
	if (well && !end)
		return;
	t->connection = NULL;
	if (well && fputs("]}}\n", t->out) != EOF && fflush(t->out) == 0) {
		rewind(t->out);
		control_send(n, t->out);
		t->out = NULL;
	} else {
		control_respond(n,
				control_error("the list could not be written to a temporary file"),
				NULL);
	}
	uv_close((uv_handle_t *)idle, on_idle_closed);
}

static bool start_list(struct control_task *t)
{
	t->out = tmpfile();
	if (!t->out || fputs("{\"ok\":true,\"result\":{\"zones\":[", t->out) == EOF)
		return false;
	uv_idle_init(t->control->options.loop, &t->idle);
	return uv_idle_start(&t->idle, on_idle) == 0;
}

// ---- waiting

static void on_timer_closed(uv_handle_t *handle)
{
	free(handle->data);
}

static void end_wait(struct control_task *t, json_t *response)
{
	struct control_connection *n = t->connection;
	t->connection = NULL;
	if (n)
		control_respond(n, response, NULL);
	uv_close((uv_handle_t *)&t->timer, on_timer_closed);
}

// Whether that is served what the request says.
static bool is_there(struct control_task *t, const struct zone *z, const struct zone_status *s)
{
	const struct control_request *q = &t->request;
	if (q->has_serial)
		return z && zone_state(z) == ZONE_SERVED &&
		       (zone_serial(z) == q->serial || serial_newer(zone_serial(z), q->serial));
	return q->all ? zones_are_current(t->control->options.zones, &t->at) : zone_is_current(s);
}

// Looks at what is served; false if there is no such zone.
static bool look(struct control_task *t)
{
	struct zone_status s;
	const struct control_options *o = &t->control->options;
	if (!t->request.all && zones_status(o->zones, t->request.zone.wire, &s))
		return false;
	rcu_reader_online();
	const struct catalog *view = zonedb_view(o->db);
	const struct zone *z = t->request.all ? NULL : catalog_zone(view, t->request.zone.wire);
	bool served = is_there(t, z, &s);
	if (served && !t->served)
		t->generation = catalog_generation(view);
	t->served = served;
	t->serial = z ? zone_serial(z) : 0;
	rcu_reader_offline();
	return true;
}

static json_t *came(const struct control_task *t)
{
	json_t *result = json_object();
	if (t->request.all)
		json_object_set_new(
			result, "zones",
			json_integer((json_int_t)zones_count(t->control->options.zones)));
	else
		json_object_set_new(result, "serial", json_integer(t->serial));
	return control_success(result);
}

// Why time is up: of all zones one is named.
static json_t *came_not(struct control_task *t)
{
	struct zone_status s;
	char name[NAME_TEXT_SIZE], why[NAME_TEXT_SIZE + 128];
	const struct control_options *o = &t->control->options;
	size_t missing = 0, one = 0;
	if (t->request.has_serial)
		return control_error("the serial is not served yet");
	if (!t->request.all)
		return control_error("the zone is not served, or not confirmed, yet");
	for (size_t i = 0; i < zones_count(o->zones); i++) {
		zones_status_at(o->zones, i, &s);
		one = !zone_is_current(&s) && missing++ == 0 ? i : one;
	}
	if (!missing)
		return control_error("a thread is slow to see what is served");
	zones_status_at(o->zones, one, &s);
	snprintf(why, sizeof(why), "%zu of %zu zones are not served, or not confirmed, yet: %s%s",
		 missing, zones_count(o->zones), name_to_text(s.name, name),
		 missing > 1 ? " and others" : "");
	return control_error(why);
}

// Every reader sees it once none is left that may see an earlier world.
static void on_look(uv_timer_t *timer)
{
	struct control_task *t = timer->data;
	if (!look(t))
		end_wait(t, control_error("no such zone is configured"));
	else if (t->served && zonedb_settled(t->control->options.db) >= t->generation)
		end_wait(t, came(t));
	else if (loop_time().monotonic_ms >= t->until_ms)
		end_wait(t, came_not(t));
}

static bool start_wait(struct control_task *t)
{
	const struct control *c = t->control;
	t->until_ms = loop_time().monotonic_ms + (uint64_t)t->request.timeout_s * 1000;
	uv_timer_init(c->options.loop, &t->timer);
	return uv_timer_start(&t->timer, on_look, 0, LOOK_MS + c->waiting / LOOKERS_A_MS) == 0;
}

// ---- zones that come and go

static void sync_additions(uv_work_t *work)
{
	struct control_task *t = work->data;
	const struct control_hooks *hooks = &t->control->options.hooks;
	t->result = t->why[0] ? RESULT_OK : additions_sync(hooks->additions(hooks->arg));
}

static void after_sync(uv_work_t *work, int status)
{
	struct control_task *t = work->data;
	(void)status;
	if (t->result != RESULT_OK)
		snprintf(t->why, sizeof(t->why), "%s", "done, but it may not last: the disk fails");
	if (t->connection)
		control_respond(t->connection,
				t->why[0] ? control_error(t->why) : control_success(json_object()),
				NULL);
	free(t);
}

static bool start_change(struct control_task *t)
{
	const struct control_hooks *hooks = &t->control->options.hooks;
	const struct control_request *q = &t->request;
	if (q->command == CONTROL_ZONE_ADD)
		hooks->zone_add(hooks->arg, &q->addition, t->why, sizeof(t->why));
	else
		hooks->zone_remove(hooks->arg, q->zone.wire, t->why, sizeof(t->why));
	return uv_queue_work(t->control->options.loop, &t->work, sync_additions, after_sync) == 0;
}

// ---- reload

static void on_reloaded(void *arg, bool well, json_t *messages)
{
	struct control_task *t = arg;
	json_t *response = well ? control_success(json_pack("{s:O}", "messages", messages))
				: json_pack("{s:b, s:s, s:O}", "ok", 0, "error",
					    "the configuration is wrong; the old one stays",
					    "messages", messages);
	if (t->connection)
		control_respond(t->connection, response, NULL);
	else
		json_decref(response);
	free(t);
}

static bool start_reload(struct control_task *t)
{
	const struct control_hooks *hooks = &t->control->options.hooks;
	return hooks->reload(hooks->arg, on_reloaded, t);
}

// ---- tasks

static bool start(struct control_task *t)
{
	switch (t->request.command) {
	case CONTROL_ZONES: return start_list(t);
	case CONTROL_ZONE_DUMP: return start_dump(t);
	case CONTROL_ZONE_WAIT: return start_wait(t);
	case CONTROL_RELOAD: return start_reload(t);
	default: return start_change(t);
	}
}

struct control_task *control_task_start(struct control *c, struct control_connection *n,
					const struct control_request *request)
{
	struct control_task *t = calloc(1, sizeof(*t));
	if (!t)
		return NULL;
	t->control = c;
	t->connection = n;
	t->request = *request;
	t->work.data = t->timer.data = t->idle.data = t;
	if (start(t))
		return t;
	int saved = errno;
	if (t->out)
		fclose(t->out);
	free(t);
	errno = saved;
	return NULL;
}

void control_task_leave(struct control_task *t)
{
	t->connection = NULL;
	if (t->request.command == CONTROL_ZONE_WAIT)
		uv_close((uv_handle_t *)&t->timer, on_timer_closed);
	else if (t->request.command == CONTROL_ZONES)
		uv_close((uv_handle_t *)&t->idle, on_idle_closed);
}
