// SPDX-License-Identifier: BSD-3-Clause
// Zones at work against primaries that are not there, and across reloads.
#include "zones.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "loop.h"
#include "support/said.h"
#include "support/world.h"
#include "unit.h"

struct fixture {
	struct world world;
	uv_loop_t loop;
	struct zones *zones;
	struct config *config;
	uv_timer_t poll;
	bool (*until)(struct fixture *f);
	uint64_t deadline_ms;
	bool reached;
};

static void begin(struct fixture *f)
{
	memset(f, 0, sizeof(*f));
	world_open(&f->world);
	rcu_reader_offline();
	log_set_level(LOG_LEVEL_ERROR);
	uv_loop_init(&f->loop);
	uv_timer_init(&f->loop, &f->poll);
	f->poll.data = f;
	CU_ASSERT_EQUAL_FATAL(zones_new(&f->loop, f->world.db, &f->zones), RESULT_OK);
}

static void apply(struct fixture *f, const char *text)
{
	struct report report = { .say = said_print };
	struct config *next = config_parse("test", text, strlen(text), &report);
	CU_ASSERT_PTR_NOT_NULL_FATAL(next);
	CU_ASSERT_EQUAL(zones_apply(f->zones, next), RESULT_OK);
	config_free(f->config);
	f->config = next;
}

static void end(struct fixture *f)
{
	zones_stop(f->zones);
	uv_close((uv_handle_t *)&f->poll, NULL);
	uv_run(&f->loop, UV_RUN_DEFAULT);
	CU_ASSERT_EQUAL(uv_loop_close(&f->loop), 0);
	zones_free(f->zones);
	config_free(f->config);
	rcu_reader_online();
	world_close(&f->world);
}

static void on_poll(uv_timer_t *timer)
{
	struct fixture *f = timer->data;
	f->reached = f->until(f);
	if (f->reached || loop_time().monotonic_ms >= f->deadline_ms)
		uv_stop(&f->loop);
}

// Runs the loop until the condition holds; false if it does not in time.
static bool run_until(struct fixture *f, bool (*until)(struct fixture *f), unsigned timeout_ms)
{
	f->until = until;
	f->deadline_ms = loop_time().monotonic_ms + timeout_ms;
	uv_timer_start(&f->poll, on_poll, 0, 10);
	uv_run(&f->loop, UV_RUN_DEFAULT);
	uv_timer_stop(&f->poll);
	return f->reached;
}

// A port of 127.0.0.1, and the socket that holds it; it listens or is only bound.
static int hold_port(uint16_t *port, bool listens)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(0x7f000001) };
	socklen_t len = sizeof(a);
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	CU_ASSERT_EQUAL_FATAL(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	getsockname(fd, (struct sockaddr *)&a, &len);
	if (listens)
		CU_ASSERT_EQUAL_FATAL(listen(fd, 0), 0);
	*port = ntohs(a.sin_port);
	return fd;
}

static struct zone_status status_of(struct fixture *f, const char *text)
{
	struct name name;
	struct zone_status s = { 0 };
	name_from_text(text, &name);
	CU_ASSERT_EQUAL(zones_status(f->zones, name.wire, &s), RESULT_OK);
	return s;
}

static enum find_status find_status_of(struct fixture *f, const char *text)
{
	struct name name;
	name_from_text(text, &name);
	struct find find = { .qname = name.wire, .qname_len = name.len, .qtype = 1 };
	struct find *finds[] = { &find };
	rcu_reader_online();
	zone_find_burst(zonedb_view(f->world.db), finds, 1);
	rcu_reader_offline();
	return find.status;
}

// ---- tests

#define HEAD                                                         \
	"listen: [{address: 127.0.0.1}]\n"                           \
	"transfer: {concurrent: 1, connect-timeout: 2}\n"            \
	"primaries:\n  - {id: dead, address: 127.0.0.1, port: %u}\n" \
	"  - {id: absent, address: 127.0.0.1, port: %u}\nzones:\n"
#define DEAD_ZONES 40

static bool all_were_asked(struct fixture *f)
{
	for (size_t i = 0; i < zones_count(f->zones); i++) {
		struct zone_status s;
		zones_status_at(f->zones, i, &s);
		if (!s.primaries[0].link_unix_s)
			return false;
	}
	return true;
}

// One place, forty zones of a primary that lets connections hang for two
// seconds each, and one zone of another: nobody waits eighty seconds.
static void goes_around_the_silent(void)
{
	struct fixture f;
	uint16_t dead, absent;
	char text[8192];
	begin(&f);
	int held = hold_port(&dead, true), bound = hold_port(&absent, false);
	struct sockaddr_in a = { .sin_family = AF_INET,
				 .sin_port = htons(dead),
				 .sin_addr.s_addr = htonl(0x7f000001) };
	int fill[4]; // so many fill the line of those who wait to be accepted
	for (int i = 0; i < 4; i++) {
		fill[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
		connect(fill[i], (struct sockaddr *)&a, sizeof(a));
	}
	snprintf(text, sizeof(text), HEAD, dead, absent);
	for (int i = 0; i < DEAD_ZONES; i++) {
		char line[64];
		snprintf(line, sizeof(line), "  - {name: z%d.dead, primaries: [dead]}\n", i);
		strcat(text, line);
	}
	strcat(text, "  - {name: last.example, primaries: [absent]}\n");
	apply(&f, text);
	uint64_t start = loop_time().monotonic_ms;
	CU_ASSERT(run_until(&f, all_were_asked, 20000));
	uint64_t took = loop_time().monotonic_ms - start;
	CU_ASSERT(took >= 1500 && took < 15000);
	unsigned asked = 0, alone = 0;
	for (size_t i = 0; i < zones_count(f.zones); i++) {
		struct zone_status s;
		zones_status_at(f.zones, i, &s);
		const struct zone_primary_status *p = &s.primaries[0];
		asked += p->unix_s && p->link_reason == XFR_REASON_CONNECT;
		alone += !p->unix_s && p->link_reason == XFR_REASON_LEFT_ALONE;
	}
	CU_ASSERT_EQUAL(asked + alone, DEAD_ZONES + 1);
	CU_ASSERT(asked >= 2 &&
		  alone > DEAD_ZONES / 2); // who is not asked is not said to have been
	CU_ASSERT_EQUAL(status_of(&f, "last.example").primaries[0].reason, XFR_REASON_CONNECT);
	end(&f);
	for (int i = 0; i < 4; i++)
		close(fill[i]);
	close(held);
	close(bound);
}

static bool asked_twice(struct fixture *f)
{
	return zones_stats(f->zones)->transfers_failed >= 2;
}

static void adds_and_removes_zones(void)
{
	struct fixture f;
	uint16_t port;
	char head[512], text[1024];
	struct name name;
	struct zone_status s;
	begin(&f);
	int bound = hold_port(&port, false);
	snprintf(head, sizeof(head), HEAD, port, port);
	snprintf(text, sizeof(text),
		 "%s  - {name: a.example, primaries: [dead]}\n"
		 "  - {name: c.example, primaries: [dead]}\n",
		 head);
	CU_ASSERT_EQUAL(find_status_of(&f, "a.example"), FIND_NO_ZONE);
	apply(&f, text);
	CU_ASSERT_EQUAL(zones_count(f.zones), 2);
	CU_ASSERT_EQUAL(find_status_of(&f, "www.a.example"), FIND_NO_DATA);
	CU_ASSERT_EQUAL(find_status_of(&f, "b.example"), FIND_NO_ZONE);
	CU_ASSERT(run_until(&f, asked_twice, 5000));
	snprintf(text, sizeof(text),
		 "%s  - {name: b.example, primaries: [absent]}\n"
		 "  - {name: C.example, primaries: [absent, dead]}\n",
		 head);
	apply(&f, text);
	CU_ASSERT_EQUAL(zones_count(f.zones), 2);
	CU_ASSERT_EQUAL(find_status_of(&f, "www.a.example"), FIND_NO_ZONE);
	CU_ASSERT_EQUAL(find_status_of(&f, "b.example"), FIND_NO_DATA);
	CU_ASSERT_EQUAL(find_status_of(&f, "c.example"), FIND_NO_DATA);
	CU_ASSERT_EQUAL(status_of(&f, "c.example").primary_count, 2);
	CU_ASSERT_STRING_EQUAL(status_of(&f, "c.example").primaries[0].primary->id, "absent");
	name_from_text("a.example", &name);
	CU_ASSERT_EQUAL(zones_status(f.zones, name.wire, &s), RESULT_NOT_FOUND);
	CU_ASSERT_EQUAL(zones_refresh(f.zones, name.wire), RESULT_NOT_FOUND);
	CU_ASSERT_EQUAL(zones_retransfer(f.zones, name.wire), RESULT_NOT_FOUND);
	name_from_text("b.example", &name);
	CU_ASSERT_EQUAL(zones_refresh(f.zones, name.wire), RESULT_OK);
	apply(&f, "listen: [{address: 127.0.0.1}]\n");
	CU_ASSERT_EQUAL(zones_count(f.zones), 0);
	CU_ASSERT_EQUAL(find_status_of(&f, "b.example"), FIND_NO_ZONE);
	end(&f);
	close(bound);
}

static bool both_were_asked(struct fixture *f)
{
	struct zone_status s = status_of(f, "a.example");
	return s.primaries[0].link_unix_s && s.primaries[1].link_unix_s;
}

// What is known of a primary goes with it, wherever in the list a reload puts it.
static void reload_keeps_what_is_known(void)
{
	static const char zone[] = "  - {name: a.example, primaries: [%s]}\n";
	struct fixture f;
	uint16_t port[2];
	char text[1024];
	begin(&f);
	int bound = hold_port(&port[0], false), other = hold_port(&port[1], false);
	size_t head = (size_t)snprintf(text, sizeof(text), HEAD, port[0], port[1]);
	snprintf(text + head, sizeof(text) - head, zone, "dead, absent");
	apply(&f, text);
	CU_ASSERT(run_until(&f, both_were_asked, 5000));
	struct zone_primary_status before = status_of(&f, "a.example").primaries[1];
	CU_ASSERT_EQUAL(before.link_reason, XFR_REASON_CONNECT);
	head = (size_t)snprintf(text, sizeof(text), HEAD, 1, port[1]);
	snprintf(text + head, sizeof(text) - head, zone, "absent, dead");
	apply(&f, text);
	struct zone_status s = status_of(&f, "a.example");
	CU_ASSERT_STRING_EQUAL(s.primaries[0].primary->id, "absent");
	CU_ASSERT_EQUAL(s.primaries[0].link_reason, before.link_reason);
	CU_ASSERT_EQUAL(s.primaries[0].link_unix_s, before.link_unix_s);
	CU_ASSERT_EQUAL(s.primaries[0].unix_s, before.unix_s);
	CU_ASSERT_EQUAL(s.primaries[1].unix_s, 0); // another port: another primary
	CU_ASSERT_EQUAL(s.primaries[1].link_unix_s, 0);
	end(&f);
	close(bound);
	close(other);
}

// Reloads while exchanges hang: what they point to must stay, or go with them.
static bool one_begins(struct fixture *f)
{
	return zones_stats(f->zones)->exchanges > 0;
}

static void reloads_amid_exchanges(void)
{
	struct fixture f;
	uint16_t port, other;
	char text[1024];
	begin(&f);
	int held = hold_port(&port, true), bound = hold_port(&other, false);
	for (int i = 0; i < 20; i++) {
		snprintf(text, sizeof(text), HEAD, port, other);
		for (int k = 0; k < 4; k++) {
			char line[128];
			if ((i + k) % 3 == 0)
				continue;
			snprintf(line, sizeof(line), "  - {name: z%d.example, primaries: [%s]}\n",
				 k, (i * k) % 2 ? "dead, absent" : "dead");
			strcat(text, line);
		}
		apply(&f, text);
		CU_ASSERT(run_until(&f, one_begins, 5000));
	}
	end(&f);
	close(held);
	close(bound);
}

// More zones than there are chunks of memory come back from the store; fewer under
// ThreadSanitizer, which is too slow for so many.
#define STORED_ZONES 17000
#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#undef STORED_ZONES
#define STORED_ZONES 300
#endif
#endif

static void fill_store(const char *folder)
{
	struct world world;
	struct store *store;
	struct store_timers timers = { .refreshed_unix_s = loop_time().unix_s,
				       .next_unix_s = loop_time().unix_s + 3600,
				       .expire_unix_s = loop_time().unix_s + 86400 };
	world_open(&world);
	CU_ASSERT_EQUAL_FATAL(store_new(world.db, folder, &store), RESULT_OK);
	for (unsigned i = 0; i < STORED_ZONES; i++) {
		char apex[32];
		struct name name;
		snprintf(apex, sizeof(apex), "z%u.example.", i);
		CU_ASSERT_EQUAL_FATAL(name_from_text(apex, &name), RESULT_OK);
		world_zone(&world, apex, "@ 300 SOA ns h 7 3600 600 86400 60\n@ 300 NS ns\n");
		rcu_reader_offline();
		store_published(store_zone_open(store, name.wire),
				(struct store_change){ .whole = true }, &timers);
		rcu_reader_online();
	}
	rcu_reader_offline();
	CU_ASSERT_EQUAL(store_start(store), RESULT_OK);
	store_stop(store);
	store_free(store);
	rcu_reader_online();
	world_close(&world);
}

static void many_from_the_store(void)
{
	struct fixture f;
	struct store *store;
	char folder[] = "/tmp/us-store-zones-XXXXXX", command[64];
	CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(folder));
	fill_store(folder);
	begin(&f);
	CU_ASSERT_EQUAL_FATAL(store_new(f.world.db, folder, &store), RESULT_OK);
	zones_set_store(f.zones, store);
	char *text = malloc(100 + STORED_ZONES * 48), *p = text;
	p += sprintf(p, "listen: [{address: 127.0.0.1}]\nprimaries:\n"
			"  - {id: one, address: 127.0.0.1, port: 9}\nzones:\n");
	for (unsigned i = 0; i < STORED_ZONES; i++)
		p += sprintf(p, "  - {name: z%u.example, primaries: [one]}\n", i);
	apply(&f, text);
	free(text);
	unsigned served = 0;
	for (size_t i = 0; i < zones_count(f.zones); i++) {
		struct zone_status s;
		zones_status_at(f.zones, i, &s);
		served += s.fsm->data == ZONE_SERVED && s.fsm->phase == ZONE_FSM_IDLE &&
			  s.fsm->soa.serial == 7 && s.stored.serial == 7;
	}
	CU_ASSERT_EQUAL(served, STORED_ZONES);
	CU_ASSERT_EQUAL(find_status_of(&f, "z299.example"), FIND_NODE);
	CU_ASSERT_EQUAL(store_start(store), RESULT_OK);
	store_stop(store);
	end(&f);
	store_free(store);
	snprintf(command, sizeof(command), "rm -rf %s", folder);
	CU_ASSERT_EQUAL(system(command), 0);
}

// A frozen zone that is purged stays frozen, over a restart as well.
static void purged_and_frozen(void)
{
	static const char text[] = "listen: [{address: 127.0.0.1}]\n"
				   "primaries:\n  - {id: one, address: 127.0.0.1, port: 9}\n"
				   "zones:\n  - {name: z.example, primaries: [one]}\n";
	char folder[] = "/tmp/us-purge-zones-XXXXXX", command[64];
	CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(folder));
	for (unsigned run = 0; run < 2; run++) {
		struct fixture f;
		struct store *store;
		struct name name;
		begin(&f);
		CU_ASSERT_EQUAL_FATAL(store_new(f.world.db, folder, &store), RESULT_OK);
		zones_set_store(f.zones, store);
		apply(&f, text);
		CU_ASSERT_EQUAL(store_start(store), RESULT_OK);
		name_from_text("z.example", &name);
		if (run == 0) {
			CU_ASSERT_EQUAL(zones_freeze(f.zones, name.wire, true), RESULT_OK);
			CU_ASSERT_EQUAL(zones_purge(f.zones, name.wire), RESULT_OK);
		}
		CU_ASSERT(status_of(&f, "z.example").fsm->frozen);
		store_stop(store);
		end(&f);
		store_free(store);
	}
	snprintf(command, sizeof(command), "rm -rf %s", folder);
	CU_ASSERT_EQUAL(system(command), 0);
}

UNIT_MAIN("zones", { "goes around the silent", goes_around_the_silent },
	  { "adds and removes zones", adds_and_removes_zones },
	  { "reloads amid exchanges", reloads_amid_exchanges },
	  { "reload keeps what is known", reload_keeps_what_is_known },
	  { "many from the store", many_from_the_store },
	  { "purged and frozen", purged_and_frozen })
