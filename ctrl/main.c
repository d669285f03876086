// SPDX-License-Identifier: BSD-3-Clause
// understudyd: joins the ports, the zones and the sockets, from start to end.
//
// The only file that sees both ctrl and dp/port. The main thread runs the
// event loop and starts and stops the ports; it is an RCU reader that stays
// offline except inside the callbacks that read a view.
#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <getopt.h>
#include <malloc.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <uv.h>

#include "added.h"
#include "check.h"
#include "config.h"
#include "control.h"
#include "log.h"
#include "loop.h"
#include "reload.h"
#include "service.h"
#include "settings.h"
#include "stats.h"
#include "store.h"
#include "understudy/answer.h"
#include "understudy/rcu.h"
#include "understudy/zonedb.h"
#include "zones.h"

#ifdef UNDERSTUDY_DPDK
#include "understudy/port.h"
#endif

#define EXIT_USAGE  2
#define WHY_OCTETS  512
#define THREADS_MAX 256

struct daemon {
	const char *config_path;
	struct config *config;
	uv_loop_t loop;
	uv_poll_t signals; // of signals_fd
	int signals_fd;
	struct reload reload;
	struct zonedb *db;
	struct store *store;
	struct additions *additions; // NULL: without a store
	struct settings_chance chance;
	struct rcu_pointer answer_config; // struct answer_config
	struct zones *zones;
	struct service *service;
	struct control *control;
	uint64_t started_unix_s;
	bool stopping;
#ifdef UNDERSTUDY_DPDK
	struct ports *ports;
#endif
};

// ---- ports

#ifdef UNDERSTUDY_DPDK

static_assert(CONFIG_PORTS_MAX <= PORT_MAX && CONFIG_LISTEN_MAX <= PORT_SERVICES_MAX &&
		      CONFIG_LCORES_MAX <= PORT_LCORES_MAX,
	      "every configuration fits into port_options");

// What port_options points to while the ports start.
struct port_plan {
	struct port_options options;
	struct port_service services[CONFIG_LISTEN_MAX];
	struct port_device devices[CONFIG_PORTS_MAX];
	struct port_exception exceptions[CONFIG_PORTS_MAX];
	struct port_prefix gateways[CONFIG_PORTS_MAX][2];
	struct port_prefix *addresses[CONFIG_PORTS_MAX];
};

static struct port_prefix prefix_of(const struct config_prefix *p)
{
	struct port_prefix out = { .prefix_len = p->prefix_len };
	out.family = config_address_wire(&p->address, out.address);
	return out;
}

static enum result plan_exception(struct port_plan *plan, size_t i,
				  const struct config_exception *e)
{
	plan->addresses[i] = calloc(e->address_texts_count + 1, sizeof(struct port_prefix));
	if (!plan->addresses[i])
		return RESULT_NO_MEMORY;
	for (unsigned j = 0; j < e->address_texts_count; j++)
		plan->addresses[i][j] = prefix_of(&e->addresses[j]);
	for (unsigned j = 0; j < e->gateway_count; j++)
		plan->gateways[i][j] = prefix_of(&e->gateways[j]);
	plan->exceptions[i] = (struct port_exception){ .interface = e->interface,
						       .addresses = plan->addresses[i],
						       .address_count = e->address_texts_count,
						       .gateways = plan->gateways[i],
						       .gateway_count = e->gateway_count,
						       .frames_per_s = e->frames_per_s };
	return RESULT_OK;
}

static void port_log(enum port_log_level level, const char *line)
{
	static const enum log_level levels[] = { [PORT_LOG_ERROR] = LOG_LEVEL_ERROR,
						 [PORT_LOG_WARNING] = LOG_LEVEL_WARNING,
						 [PORT_LOG_INFO] = LOG_LEVEL_INFO };
	log_line(levels[level], "%s", line);
}

static enum result plan_ports(struct port_plan *plan, const struct config *c)
{
	for (unsigned i = 0; i < c->listen_count; i++) {
		const struct config_listen *l = &c->listen[i];
		plan->services[i].family =
			config_address_wire(&l->address, plan->services[i].address);
		plan->services[i].port_be = htons(l->port);
	}
	for (unsigned i = 0; i < c->ports_count; i++) {
		const struct config_port *p = &c->ports[i];
		if (p->exception && plan_exception(plan, i, p->exception))
			return RESULT_NO_MEMORY;
		plan->devices[i] = (struct port_device){
			.device = p->device,
			.exception = p->exception ? &plan->exceptions[i] : NULL,
			.mtu = p->mtu,
			.mbufs = p->mbufs,
		};
	}
	plan->options = (struct port_options){
		.devices = plan->devices,
		.device_count = c->ports_count,
		.services = plan->services,
		.service_count = c->listen_count,
		.lcores = c->dpdk.lcores,
		.lcore_count = c->dpdk.lcores_count,
		.main_lcore = c->dpdk.main_lcore,
		.hugepages = !c->dpdk.hugepages || *c->dpdk.hugepages,
		.memory_mib = c->dpdk.memory_mib,
		.eal = (const char *const *)c->dpdk.eal,
		.eal_count = c->dpdk.eal_count,
		.xdp_program = c->dpdk.xdp_program,
		.log = port_log,
	};
	return RESULT_OK;
}

// The threads of this process, the calling one left out; returns their number.
static size_t other_threads(pid_t tids[THREADS_MAX])
{
	size_t n = 0;
	DIR *d = opendir("/proc/self/task");
	struct dirent *e;
	while (d && n < THREADS_MAX && (e = readdir(d))) {
		pid_t tid = (pid_t)atoi(e->d_name);
		if (tid > 0 && tid != (pid_t)syscall(SYS_gettid))
			tids[n++] = tid;
	}
	if (d)
		closedir(d);
	return n;
}

static enum result start_ports(struct daemon *d)
{
	char why[WHY_OCTETS] = "";
	pid_t tids[THREADS_MAX];
	cpu_set_t cpus;
	if (!d->config->ports_count)
		return RESULT_OK;
	struct port_plan *plan = calloc(1, sizeof(*plan));
	if (!plan)
		return RESULT_NO_MEMORY;
	// liburcu's thread exists already and must keep off the workers' CPUs.
	size_t threads = other_threads(tids);
	if (plan_ports(plan, d->config) == RESULT_OK)
		d->ports = port_start(&plan->options, d->db, &d->answer_config, why, sizeof(why));
	for (unsigned i = 0; i < CONFIG_PORTS_MAX; i++)
		free(plan->addresses[i]);
	free(plan);
	if (!d->ports) {
		log_error("%s", why[0] ? why : "out of memory");
		return RESULT_IO;
	}
	port_other_cpus(d->ports, &cpus);
	for (size_t i = 0; i < threads; i++)
		sched_setaffinity(tids[i], sizeof(cpus), &cpus);
	return RESULT_OK;
}

static void stop_ports(struct daemon *d)
{
	port_stop(d->ports);
	d->ports = NULL;
}

static json_int_t load(const _Atomic uint64_t *counter)
{
	return (json_int_t)atomic_load_explicit(counter, memory_order_relaxed);
}

static json_t *exception_json(const struct port_exception_stats *s)
{
	return json_pack("{s:I, s:I, s:I, s:I}", "to_kernel", load(&s->to_kernel), "from_kernel",
			 load(&s->from_kernel), "to_kernel_failed", load(&s->to_kernel_failed),
			 "from_kernel_dropped", load(&s->from_kernel_dropped));
}

static json_t *about_ports(void *arg)
{
	const struct daemon *d = arg;
	json_t *list = json_array();
	for (size_t i = 0; d->ports && i < port_count(d->ports); i++) {
		struct port_info p;
		char mac[18];
		port_info(d->ports, i, &p);
		snprintf(mac, sizeof(mac), "%02x:%02x:%02x:%02x:%02x:%02x", p.mac[0], p.mac[1],
			 p.mac[2], p.mac[3], p.mac[4], p.mac[5]);
		json_t *row =
			json_pack("{s:s, s:s, s:b, s:i, s:i, s:I, s:I, s:I}", "device", p.device,
				  "mac", mac, "link_up", p.link_up, "mtu", p.mtu, "queues",
				  p.queues, "rx_missed", (json_int_t)p.rx_missed, "rx_no_mbuf",
				  (json_int_t)p.rx_no_mbuf, "tx_errors", (json_int_t)p.tx_errors);
		json_object_set_new(row, "link_mbps",
				    p.link_mbps == UINT32_MAX ? json_null()
							      : json_integer(p.link_mbps));
		if (p.exception) {
			json_object_set_new(row, "exception_interface",
					    json_string(p.exception_interface));
			json_object_set_new(row, "exception", exception_json(p.exception));
		}
		json_array_append_new(list, row);
	}
	return list;
}

static json_t *about_lcores(void *arg)
{
	const struct daemon *d = arg;
	json_t *list = json_array();
	for (size_t i = 0; d->ports && i < port_lcore_count(d->ports); i++) {
		struct port_lcore l = port_lcore(d->ports, i);
		char name[32];
		snprintf(name, sizeof(name), "lcore %u", l.lcore);
		json_t *row = stats_answer(name, l.answer), *drops = json_object_get(row, "drops");
		json_t *frames = json_pack(
			"{s:I, s:I, s:I, s:I, s:I}", "rx", load(&l.stats->rx_packets), "tx",
			load(&l.stats->tx_packets), "punted", load(&l.stats->punted), "from_kernel",
			load(&l.stats->from_kernel), "bursts", load(&l.stats->bursts));
		for (unsigned k = 0; k < PORT_DROP_COUNT; k++) {
			char reason[64];
			snprintf(reason, sizeof(reason), "frame-%s",
				 port_drop_text((enum port_drop)k));
			json_object_set_new(drops, reason,
					    json_integer(load(&l.stats->dropped[k])));
		}
		json_object_set_new(row, "frames", frames);
		json_array_append_new(list, row);
	}
	return list;
}

// What of the configuration the ports were started with cannot change later.
static bool same_ports(const struct config *a, const struct config *b)
{
	if (!a->ports_count && !b->ports_count)
		return true;
	if (a->ports_count != b->ports_count || a->listen_count != b->listen_count ||
	    a->dpdk.lcores_count != b->dpdk.lcores_count)
		return false;
	for (unsigned i = 0; i < a->ports_count; i++) {
		if (strcmp(a->ports[i].device, b->ports[i].device) != 0)
			return false;
	}
	for (unsigned i = 0; i < a->listen_count; i++) {
		if (!config_address_equal(&a->listen[i].address, &b->listen[i].address))
			return false;
	}
	return a->dpdk.lcores_count == 0 ||
	       memcmp(a->dpdk.lcores, b->dpdk.lcores,
		      a->dpdk.lcores_count * sizeof(*a->dpdk.lcores)) == 0;
}

#else // without DPDK a configuration with ports is refused when it is read

static enum result start_ports(struct daemon *d)
{
	assert(!d->config->ports_count);
	return RESULT_OK;
}

static void stop_ports(struct daemon *d)
{
	(void)d;
}

static json_t *about_ports(void *arg)
{
	(void)arg;
	return json_array();
}

static json_t *about_lcores(void *arg)
{
	(void)arg;
	return json_array();
}

static bool same_ports(const struct config *a, const struct config *b)
{
	(void)a;
	(void)b;
	return true;
}

#endif

// ---- settings of the answer path

static void release_answer_config(struct rcu_retired *retired)
{
	char *retired_config = (char *)retired - offsetof(struct answer_config, retired);
	settings_free((struct answer_config *)retired_config);
}

static void publish_answer_config(struct daemon *d, struct answer_config *c)
{
	struct answer_config *old = rcu_pointer_exchange(&d->answer_config, c);
	if (old)
		rcu_retire(&old->retired, release_answer_config);
}

// ---- reload and stop

static bool same_database(const struct config_database *a, const struct config_database *b)
{
	bool a_on = !a->enabled || *a->enabled, b_on = !b->enabled || *b->enabled;
	const char *a_path = a->path ? a->path : CONFIG_DATABASE_DEFAULT;
	const char *b_path = b->path ? b->path : CONFIG_DATABASE_DEFAULT;
	return a_on == b_on && (!a_on || strcmp(a_path, b_path) == 0);
}

static bool same_memory(const struct config_memory *a, const struct config_memory *b)
{
	bool a_huge = !a->hugepages || *a->hugepages, b_huge = !b->hugepages || *b->hugepages;
	return a_huge == b_huge && a->max_mib == b->max_mib;
}

static void warn_of_restart(const struct config *old, const struct config *new, const char *path,
			    struct report *report)
{
	if (!same_ports(old, new))
		report_warning(report, path, 0,
			       "ports, lcores and the addresses that ports answer for change with "
			       "a restart only");
	if (old->rate_limit.table_accounts != new->rate_limit.table_accounts)
		report_warning(report, path, 0,
			       "rate-limit.table-size changes with a restart only");
	if (strcmp(old->control.socket, new->control.socket) != 0)
		report_warning(report, path, 0, "control.socket changes with a restart only");
	if (!same_memory(&old->memory, &new->memory))
		report_warning(report, path, 0, "memory changes with a restart only");
	if (!same_database(&old->database, &new->database))
		report_warning(report, path, 0, "database changes with a restart only");
}

// Of a configuration that was read anew; false if the old one stays.
static bool apply(void *arg, struct config *config, struct report *report)
{
	struct daemon *d = arg;
	if (config_add_zones(config, d->additions, false, report)) {
		config_free(config);
		return false;
	}
	struct answer_config *answer_config = settings_new(config, &d->chance);
	if (!answer_config || zones_apply(d->zones, config)) {
		report_error(report, d->config_path, 0, "%s", result_text(RESULT_NO_MEMORY));
		settings_free(answer_config);
		config_free(config);
		return false;
	}
	publish_answer_config(d, answer_config);
	if (service_apply(d->service, config))
		report_warning(report, d->config_path, 0,
			       "not all addresses can be listened on; see the log");
	warn_of_restart(d->config, config, d->config_path, report);
	log_set_level(config->server.log_level ? *config->server.log_level : LOG_LEVEL_INFO);
	config_free(d->config);
	d->config = config;
	malloc_trim(0); // reading takes many times what it leaves
	log_info("configuration reread: %u zones", config->zones_total);
	return true;
}

static bool start_reload(void *arg, reload_done done, void *done_arg)
{
	struct daemon *d = arg;
	return reload_request(&d->reload, done, done_arg) == RESULT_OK;
}

static struct added added_of(const struct daemon *d)
{
	return (struct added){ .config = d->config, .additions = d->additions, .zones = d->zones };
}

static bool zone_add(void *arg, const struct addition *a, char *why, size_t why_size)
{
	const struct added where = added_of(arg);
	return added_add(&where, a, why, why_size);
}

static bool zone_remove(void *arg, const uint8_t *zone, char *why, size_t why_size)
{
	const struct added where = added_of(arg);
	return added_remove(&where, zone, why, why_size);
}

static const struct additions *additions(void *arg)
{
	const struct daemon *d = arg;
	return d->additions;
}

static void stop(void *arg)
{
	struct daemon *d = arg;
	if (d->stopping)
		return;
	d->stopping = true;
	log_info("stopping");
	reload_stop(&d->reload);
	if (d->control)
		control_stop(d->control);
	if (d->service)
		service_stop(d->service);
	if (d->zones)
		zones_stop(d->zones);
	uv_unref((uv_handle_t *)&d->signals);
}

static void on_reloaded(void *arg, bool well, json_t *messages)
{
	(void)arg;
	(void)messages; // they are in the log
	if (!well)
		log_error("the configuration is wrong; the old one stays");
}

static void on_signal(uv_poll_t *handle, int status, int events)
{
	struct daemon *d = handle->data;
	struct signalfd_siginfo info;
	(void)status;
	(void)events;
	if (read(d->signals_fd, &info, sizeof(info)) != (ssize_t)sizeof(info) || d->stopping)
		return;
	if (info.ssi_signo != SIGHUP)
		stop(d);
	else if (!start_reload(d, on_reloaded, NULL))
		log_error("the configuration is not reread: %s", result_text(RESULT_NO_MEMORY));
}

// ---- start

static json_t *about(void *arg)
{
	const struct daemon *d = arg;
	json_t *listen = json_array();
	for (unsigned i = 0; i < d->config->listen_count; i++) {
		char text[CONFIG_ADDRESS_TEXT];
		json_array_append_new(listen, json_string(config_address_text(
						      &d->config->listen[i].address, text)));
	}
	return json_pack("{s:s, s:i, s:I, s:I, s:o, s:o}", "version", UNDERSTUDY_VERSION, "pid",
			 (int)getpid(), "started", (json_int_t)d->started_unix_s, "uptime_s",
			 (json_int_t)(loop_time().unix_s - d->started_unix_s), "config",
			 stats_text(d->config_path), "listen", listen);
}

// They are blocked in every thread, from here to the process's end, and read from a descriptor:
// a second one can never kill what still stops. Who started us may have had them ignored.
static enum result start_signals(struct daemon *d)
{
	static const int numbers[] = { SIGTERM, SIGINT, SIGHUP };
	sigset_t set;
	sigemptyset(&set);
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		sigaddset(&set, numbers[i]);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		signal(numbers[i], SIG_DFL);
	d->signals_fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
	if (d->signals_fd < 0) {
		log_error("signalfd: %s", strerror(errno));
		return RESULT_IO;
	}
	d->signals.data = d;
	uv_poll_init(&d->loop, &d->signals, d->signals_fd);
	uv_poll_start(&d->signals, UV_READABLE, on_signal);
	return RESULT_OK;
}

static void end_signals(struct daemon *d)
{
	uv_close((uv_handle_t *)&d->signals, NULL);
	uv_run(&d->loop, UV_RUN_DEFAULT);
	close(d->signals_fd);
}

// One descriptor for each TCP connection, and some.
static void raise_file_limit(void)
{
	struct rlimit limit;
	if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
}

static enum result start_control(struct daemon *d)
{
	char why[WHY_OCTETS];
	struct control_options o = {
		.loop = &d->loop,
		.path = d->config->control.socket,
		.db = d->db,
		.zones = d->zones,
		.store = d->store,
		.service = d->service,
		.hooks = { .arg = d,
			   .about = about,
			   .ports = about_ports,
			   .lcores = about_lcores,
			   .reload = start_reload,
			   .zone_add = zone_add,
			   .zone_remove = zone_remove,
			   .additions = additions,
			   .stop = stop },
	};
	d->control = control_new(&o, why, sizeof(why));
	if (!d->control)
		log_error("%s", why);
	return d->control ? RESULT_OK : RESULT_IO;
}

static enum result start_memory(struct daemon *d)
{
	const struct config_memory *m = &d->config->memory;
	struct zonedb_options o = { .max_octets = (uint64_t)m->max_mib << 20,
				    .hugepages = !m->hugepages || *m->hugepages };
	struct answer_config *answer_config = NULL;
	enum result r = settings_draw(&d->chance);
	if (!r)
		r = zonedb_new(&o, &d->db);
	if (!r)
		answer_config = settings_new(d->config, &d->chance);
	if (answer_config)
		publish_answer_config(d, answer_config);
	else
		r = r ? r : RESULT_NO_MEMORY;
	if (r)
		log_error("memory of the snapshots: %s", result_text(r));
	return r;
}

// The zones that were added by command become the configuration's.
static enum result start_additions(struct daemon *d, const char *path)
{
	struct report report = { .say = report_to_log };
	enum result r = additions_open(path, &d->additions);
	if (r != RESULT_OK) {
		log_error("zones added by command, in %s: %s", path,
			  r == RESULT_IO ? strerror(errno) : result_text(r));
		return r;
	}
	return config_add_zones(d->config, d->additions, true, &report);
}

// Without a store zones are served all the same. But where one is asked for by
// name, to start without it would not be what the operator wants.
static enum result start_store(struct daemon *d)
{
	const struct config_database *c = &d->config->database;
	const char *path = c->path ? c->path : CONFIG_DATABASE_DEFAULT;
	if (c->enabled && !*c->enabled)
		return RESULT_OK;
	enum result r = store_new(d->db, path, &d->store);
	const char *why = r == RESULT_EXISTS ? "another understudyd uses it"
			  : r == RESULT_IO   ? strerror(errno)
					     : result_text(r);
	if (r == RESULT_OK) {
		zones_set_store(d->zones, d->store);
		return start_additions(d, path);
	} else if (c->path) {
		log_error("database.path %s: %s", path, why);
		return r;
	} else {
		log_warning("nothing is stored: %s: %s", path, why);
	}
	return RESULT_OK;
}

// Everything, in the order in which it is needed; what fails has logged it.
static enum result start(struct daemon *d)
{
	enum result r = start_memory(d);
	if (r)
		return r;
	r = zones_new(&d->loop, d->db, &d->zones);
	if (!r)
		r = service_new(&(struct service_options){ .loop = &d->loop,
							   .db = d->db,
							   .zones = d->zones,
							   .answer_config = &d->answer_config },
				&d->service);
	if (!r)
		r = start_store(d);
	// All zones are there, if not loaded, before the first query is heard.
	if (!r)
		r = zones_apply(d->zones, d->config);
	if (!r && d->store)
		r = store_start(d->store);
	if (r) {
		log_error("%s", result_text(r));
		return r;
	}
	r = start_control(d);
	if (!r)
		r = start_ports(d);
	if (!r)
		r = service_apply(d->service, d->config);
	return r;
}

// From an empty loop to an empty loop; the process's exit status.
static int run(struct daemon *d)
{
	uv_loop_init(&d->loop);
	if (start_signals(d) != RESULT_OK) {
		uv_loop_close(&d->loop);
		return EXIT_FAILURE;
	}
	d->reload = (struct reload){
		.loop = &d->loop, .path = d->config_path, .apply = apply, .arg = d
	};
	rcu_reader_register();
	rcu_reader_offline();
	d->started_unix_s = loop_time().unix_s;
	enum result r = start(d);
	malloc_trim(0); // reading configuration and store takes many times what it leaves
	if (r)
		stop(d);
	else
		log_info("understudyd %s started: %u zones", UNDERSTUDY_VERSION,
			 d->config->zones_total);
	uv_run(&d->loop, UV_RUN_DEFAULT);
	stop_ports(d);
	store_stop(d->store);
	control_free(d->control);
	service_free(d->service);
	zones_free(d->zones);
	store_free(d->store);
	additions_free(d->additions);
	rcu_reader_unregister();
	settings_free(rcu_pointer_exchange(&d->answer_config, NULL));
	if (d->db)
		zonedb_free(d->db);
	rcu_barrier_all();
	end_signals(d);
	int e = uv_loop_close(&d->loop);
	assert(e == 0);
	(void)e;
	log_info("stopped");
	return r ? EXIT_FAILURE : EXIT_SUCCESS;
}

// ---- the command line

static void usage(FILE *to)
{
	fprintf(to,
		"usage: understudyd [-c FILE] [--check]\n"
		"  -c, --config FILE  the configuration (default %s)\n"
		"      --check        check the configuration only\n"
		"  -V, --version      print the version\n"
		"  -h, --help         print this\n"
		"It stays in the foreground and logs to stderr. SIGHUP rereads the configuration,\n"
		"SIGTERM and SIGINT end it. Exit status: 0 ended as asked (or the check found\n"
		"nothing wrong), 1 it could not start (or the configuration is wrong), 2 usage.\n",
		CONFIG_FILE_DEFAULT);
}

static void say_plainly(void *arg, enum log_level level, const char *message)
{
	(void)arg;
	fprintf(stderr, "%s%s\n", level == LOG_LEVEL_WARNING ? "warning: " : "", message);
}

int main(int argc, char **argv)
{
	static const struct option options[] = { { "config", required_argument, NULL, 'c' },
						 { "check", no_argument, NULL, 'k' },
						 { "version", no_argument, NULL, 'V' },
						 { "help", no_argument, NULL, 'h' },
						 { 0 } };
	static struct daemon daemon = { .config_path = CONFIG_FILE_DEFAULT };
	bool check = false;
	int option;
	while ((option = getopt_long(argc, argv, "c:Vh", options, NULL)) >= 0) {
		switch (option) {
		case 'c': daemon.config_path = optarg; break;
		case 'k': check = true; break;
		case 'V': printf("understudyd %s\n", UNDERSTUDY_VERSION); return EXIT_SUCCESS;
		case 'h': usage(stdout); return EXIT_SUCCESS;
		default: usage(stderr); return EXIT_USAGE;
		}
	}
	if (optind < argc) {
		usage(stderr);
		return EXIT_USAGE;
	}
	// What is large and taken for a moment goes back at once. Said once, the threshold stays:
	// it would follow the largest that was ever freed.
	mallopt(M_MMAP_THRESHOLD, 128 << 10);
	struct report report = { .say = check ? say_plainly : report_to_log };
	daemon.config = config_read(daemon.config_path, &report);
	if (!daemon.config)
		return EXIT_FAILURE;
	int status = EXIT_SUCCESS;
	if (check) {
		status = check_config(daemon.config_path, daemon.config, &report) ? EXIT_SUCCESS
										  : EXIT_FAILURE;
	} else {
		if (daemon.config->server.log_level)
			log_set_level(*daemon.config->server.log_level);
		signal(SIGPIPE, SIG_IGN);
		raise_file_limit();
		status = run(&daemon);
	}
	config_free(daemon.config);
	return status;
}
