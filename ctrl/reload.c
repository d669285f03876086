// SPDX-License-Identifier: BSD-3-Clause
// The configuration is read again, while the loop goes on with its work.
#include "reload.h"

#include <stdlib.h>

#include "stats.h"

struct reload_waiter {
	struct reload_waiter *next;
	reload_done done;
	void *arg;
};

// A report's `say` that collects, and logs.
static void collect(void *arg, enum log_level level, const char *message)
{
	json_array_append_new(arg, stats_text(message));
	report_to_log(NULL, level, message);
}

static void read_file(uv_work_t *work)
{
	struct reload *r = work->data;
	r->config = config_read(r->path, &r->report);
}

static void begin(struct reload *r);

static void after_reading(uv_work_t *work, int status)
{
	struct reload *r = work->data;
	struct reload_waiter *served = r->served, *next;
	struct config *config = r->config;
	json_t *messages = r->messages;
	(void)status;
	bool well = config && !r->stopped && r->apply(r->arg, config, &r->report);
	if (r->stopped)
		config_free(config);
	r->config = NULL;
	r->served = NULL;
	for (; served; served = next) {
		next = served->next;
		served->done(served->arg, well, messages);
		free(served);
	}
	json_decref(messages);
	if (r->waiting)
		begin(r);
}

// All who wait get one reading.
static void begin(struct reload *r)
{
	r->served = r->waiting;
	r->waiting = NULL;
	r->messages = json_array();
	r->report = (struct report){ .say = collect, .arg = r->messages };
	r->work.data = r;
	uv_queue_work(r->loop, &r->work, read_file, after_reading); // fails without one only
}

enum result reload_request(struct reload *r, reload_done done, void *arg)
{
	struct reload_waiter *w = malloc(sizeof(*w));
	if (!w)
		return RESULT_NO_MEMORY;
	*w = (struct reload_waiter){ .next = r->waiting, .done = done, .arg = arg };
	r->waiting = w;
	if (!r->served)
		begin(r);
	return RESULT_OK;
}

void reload_stop(struct reload *r)
{
	r->stopped = true;
}
