// SPDX-License-Identifier: BSD-3-Clause
// Reading the configuration again: who asks gets one, and the loop goes on meanwhile.
#include "reload.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "loop.h"
#include "unit.h"

#define ZONES 20000

struct fixture {
	uv_loop_t loop;
	uv_timer_t tick;
	struct reload reload;
	char path[64];
	unsigned applied, done, well, zones, messages;
	bool refuse; // what was read
	uint64_t ticked_ms, longest_ms;
};

static bool apply(void *arg, struct config *config, struct report *report)
{
	struct fixture *f = arg;
	f->applied++;
	f->zones = config->zones_total;
	if (f->refuse)
		report_error(report, f->path, 0, "not today");
	config_free(config);
	return !f->refuse;
}

static void on_done(void *arg, bool well, json_t *messages)
{
	struct fixture *f = arg;
	f->done++;
	f->well += well;
	f->messages += (unsigned)json_array_size(messages);
}

static void on_tick(uv_timer_t *timer)
{
	struct fixture *f = timer->data;
	uint64_t now_ms = loop_time().monotonic_ms;
	if (now_ms - f->ticked_ms > f->longest_ms)
		f->longest_ms = now_ms - f->ticked_ms;
	f->ticked_ms = now_ms;
}

static void write_config(struct fixture *f, unsigned zones)
{
	FILE *to = fopen(f->path, "w");
	fputs("listen: [{address: 127.0.0.1}]\nprimaries: [{id: p, address: 127.0.0.1}]\n", to);
	fputs(zones ? "zones:\n" : "zoos: []\n", to);
	for (unsigned i = 0; i < zones; i++)
		fprintf(to, "  - {name: z%u.example, primaries: [p]}\n", i);
	fclose(to);
}

static void begin(struct fixture *f)
{
	memset(f, 0, sizeof(*f));
	log_set_level(LOG_LEVEL_ERROR);
	strcpy(f->path, "/tmp/test_reload.XXXXXX");
	close(mkstemp(f->path));
	uv_loop_init(&f->loop);
	uv_timer_init(&f->loop, &f->tick);
	f->tick.data = f;
	f->reload = (struct reload){ .loop = &f->loop, .path = f->path, .apply = apply, .arg = f };
}

static void end(struct fixture *f)
{
	uv_close((uv_handle_t *)&f->tick, NULL);
	uv_run(&f->loop, UV_RUN_DEFAULT);
	CU_ASSERT_EQUAL(uv_loop_close(&f->loop), 0);
	unlink(f->path);
}

static void ask(struct fixture *f)
{
	unsigned done = f->done;
	CU_ASSERT_EQUAL(reload_request(&f->reload, on_done, f), RESULT_OK);
	CU_ASSERT_EQUAL(f->done, done); // never at once
}

// The loop's other work goes on while a long file is read.
static void holds_nothing_up(void)
{
	struct fixture f;
	begin(&f);
	write_config(&f, ZONES);
	uint64_t start_ms = f.ticked_ms = loop_time().monotonic_ms;
	uv_timer_start(&f.tick, on_tick, 1, 1);
	ask(&f);
	while (!f.done)
		uv_run(&f.loop, UV_RUN_ONCE);
	uint64_t took_ms = loop_time().monotonic_ms - start_ms;
	CU_ASSERT_EQUAL(f.zones, ZONES);
	CU_ASSERT(f.longest_ms < took_ms / 2);
	end(&f);
}

// Who asks while it is read gets another reading; all who wait for that share one.
static void reads_for_who_asks(void)
{
	struct fixture f;
	begin(&f);
	write_config(&f, 1);
	ask(&f);
	ask(&f);
	ask(&f);
	uv_run(&f.loop, UV_RUN_DEFAULT);
	CU_ASSERT_EQUAL(f.applied, 2);
	CU_ASSERT_EQUAL(f.done, 3);
	CU_ASSERT_EQUAL(f.well, 3);
	ask(&f);
	uv_run(&f.loop, UV_RUN_DEFAULT);
	CU_ASSERT_EQUAL(f.applied, 3);
	end(&f);
}

static void tells_what_is_wrong(void)
{
	struct fixture f;
	begin(&f);
	write_config(&f, 0);
	log_set_level(LOG_LEVEL_ERROR);
	ask(&f);
	uv_run(&f.loop, UV_RUN_DEFAULT);
	CU_ASSERT_EQUAL(f.applied, 0);
	CU_ASSERT(f.done == 1 && f.well == 0 && f.messages == 1);
	write_config(&f, 1);
	f.refuse = true;
	ask(&f);
	uv_run(&f.loop, UV_RUN_DEFAULT);
	CU_ASSERT_EQUAL(f.applied, 1);
	CU_ASSERT(f.done == 2 && f.well == 0 && f.messages == 2);
	end(&f);
}

// What is read while the daemon ends is not applied.
static void stops(void)
{
	struct fixture f;
	begin(&f);
	write_config(&f, 1000);
	ask(&f);
	ask(&f);
	reload_stop(&f.reload);
	uv_run(&f.loop, UV_RUN_DEFAULT);
	CU_ASSERT_EQUAL(f.applied, 0);
	CU_ASSERT(f.done == 2 && f.well == 0);
	end(&f);
}

UNIT_MAIN("reload", { "holds nothing up", holds_nothing_up },
	  { "reads for who asks", reads_for_who_asks },
	  { "tells what is wrong", tells_what_is_wrong }, { "stops", stops })
