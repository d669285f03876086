// SPDX-License-Identifier: BSD-3-Clause
// Ports and workers from start to stop, and what they tell of themselves.
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <rte_cycles.h>
#include <rte_launch.h>
#include <rte_lcore.h>

#include "ports.h"

#define PUNT_BURST_PER_S 10 // a burst may hold a tenth of a second's frames

void port_say(const struct port_options *options, enum port_log_level level, const char *format,
	      ...)
{
	char line[512];
	va_list values;
	va_start(values, format);
	vsnprintf(line, sizeof(line), format, values);
	va_end(values);
	if (options->log)
		options->log(level, line);
	else
		fprintf(stderr, "%s\n", line);
}

// --- start ------------------------------------------------------------------------------

// The workers' lcores: the given ones, or one per device from lcore 1 up.
static size_t choose_lcores(const struct port_options *o, unsigned lcores[PORT_LCORES_MAX])
{
	size_t count = o->lcore_count ? o->lcore_count : o->device_count;
	unsigned next = 1;
	for (size_t i = 0; i < count && i < PORT_LCORES_MAX; i++) {
		if (!o->lcore_count && next == o->main_lcore)
			next++;
		lcores[i] = o->lcore_count ? o->lcores[i] : next++;
	}
	return count;
}

static const char *lcore_wrong(const struct port_options *o, const unsigned *lcores, size_t i)
{
	if (lcores[i] >= (unsigned)sysconf(_SC_NPROCESSORS_CONF))
		return "there is no such CPU";
	if (lcores[i] == o->main_lcore)
		return "it is the main lcore";
	for (size_t j = 0; j < i; j++)
		if (lcores[i] == lcores[j])
			return "named twice";
	return NULL;
}

static enum result check_lcores(const struct port_options *o, const unsigned *lcores, size_t count,
				char *why, size_t why_size)
{
	for (size_t i = 0; i < count; i++) {
		const char *wrong = lcore_wrong(o, lcores, i);
		if (wrong) {
			snprintf(why, why_size, "worker lcore %u: %s", lcores[i], wrong);
			return RESULT_INVALID;
		}
	}
	return RESULT_OK;
}

static enum result check_options(const struct port_options *o, char *why, size_t why_size)
{
	const char *wrong = NULL;
	if (o->device_count == 0 || o->device_count > PORT_MAX)
		wrong = "the number of devices";
	else if (o->service_count == 0 || o->service_count > PORT_SERVICES_MAX)
		wrong = "the number of service addresses";
	else if (o->lcore_count > PORT_LCORES_MAX)
		wrong = "the number of lcores";
	for (size_t i = 0; !wrong && i < o->device_count; i++) {
		const struct port_exception *e = o->devices[i].exception;
		if (e && (!e->interface || !e->interface[0] || strlen(e->interface) >= IF_NAMESIZE))
			wrong = "the name of an exception interface";
	}
	if (!wrong)
		return RESULT_OK;
	snprintf(why, why_size, "%s is out of range", wrong);
	return RESULT_INVALID;
}

// Worker CPUs are busy; everything else keeps away from them.
static void choose_other_cpus(struct ports *p)
{
	p->other_cpus = p->all_cpus;
	for (size_t i = 0; i < p->worker_count; i++) {
		cpu_set_t worker = rte_lcore_cpuset(p->workers[i].lcore);
		for (unsigned cpu = 0; cpu < CPU_SETSIZE; cpu++)
			if (CPU_ISSET(cpu, &worker))
				CPU_CLR(cpu, &p->other_cpus);
	}
	if (CPU_COUNT(&p->other_cpus) == 0)
		p->other_cpus = p->all_cpus;
	pthread_setaffinity_np(pthread_self(), sizeof(p->other_cpus), &p->other_cpus);
}

static enum result make_workers(struct ports *p, const unsigned *lcores, size_t count)
{
	p->workers = aligned_alloc(RTE_CACHE_LINE_SIZE, count * sizeof(*p->workers));
	if (!p->workers)
		return RESULT_NO_MEMORY;
	memset(p->workers, 0, count * sizeof(*p->workers));
	p->worker_count = count;
	for (size_t i = 0; i < count; i++) {
		p->workers[i].lcore = lcores[i];
		p->workers[i].stop = &p->stop;
		p->workers[i].now_s = &p->now_s;
	}
	return RESULT_OK;
}

static struct queue make_queue(struct port *port, uint16_t id, const struct port_exception *e)
{
	const uint64_t hz = rte_get_tsc_hz();
	uint64_t rate = e && e->frames_per_s ? e->frames_per_s : PORT_EXCEPTION_RATE;
	struct queue q = {
		.port = port,
		.id = id,
		.link = port->exception ? &port->exception->links[id] : NULL,
	};
	for (unsigned class = 0; class < FRAME_CLASS_COUNT; class ++) {
		uint64_t share = class == FRAME_SERVICE ? rate : RTE_MAX(rate / 4, 1u);
		q.punts[class].interval_tsc = RTE_MAX(hz * port->queue_count / share, 1u);
		q.punts[class].burst_tsc = hz / PUNT_BURST_PER_S;
	}
	return q;
}

// The queues of all ports go round the workers.
static enum result deal_queues(struct ports *p, const struct port_options *o)
{
	size_t next = 0;
	for (size_t i = 0; i < p->port_count; i++) {
		struct port *port = &p->port[i];
		for (uint16_t q = 0; q < port->queue_count; q++) {
			struct worker *w = &p->workers[next++ % p->worker_count];
			if (w->queue_count == PORT_QUEUES_MAX)
				return RESULT_LIMIT;
			w->queues[w->queue_count++] = make_queue(port, q, o->devices[i].exception);
		}
	}
	return RESULT_OK;
}

static enum result start_exception_thread(struct ports *p)
{
	struct exception *exceptions[PORT_MAX];
	sigset_t all, before;
	size_t count = 0;
	for (size_t i = 0; i < p->port_count; i++)
		if (p->port[i].exception)
			exceptions[count++] = p->port[i].exception;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	enum result r = exception_thread_start(exceptions, count, &p->now_s, &p->exception_thread);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return r;
}

static enum result start_workers(struct ports *p, const struct zonedb *zonedb,
				 const struct rcu_pointer *answer_config)
{
	for (size_t i = 0; i < p->worker_count; i++) {
		p->workers[i].zonedb = zonedb;
		p->workers[i].ctx = answer_ctx_new(answer_config);
		if (!p->workers[i].ctx)
			return RESULT_NO_MEMORY;
	}
	for (size_t i = 0; i < p->worker_count; i++) {
		if (rte_eal_remote_launch(worker_run, &p->workers[i], p->workers[i].lcore) != 0)
			return RESULT_INVALID;
		p->workers[i].launched = true;
	}
	return RESULT_OK;
}

static enum result start_ports(struct ports *p, struct port_setup *setup)
{
	enum result r = RESULT_OK;
	for (size_t i = 0; r == RESULT_OK && i < setup->options->device_count; i++) {
		setup->device = &setup->options->devices[i];
		r = port_set_up(&p->port[p->port_count++], setup);
	}
	for (size_t i = 0; r == RESULT_OK && i < p->port_count; i++) {
		setup->device = &setup->options->devices[i];
		r = port_go(&p->port[i], setup);
	}
	return r;
}

struct ports *port_start(const struct port_options *o, const struct zonedb *zonedb,
			 const struct rcu_pointer *answer_config, char *why, size_t why_size)
{
	unsigned lcores[PORT_LCORES_MAX];
	struct ports *p = calloc(1, sizeof(*p));
	snprintf(why, why_size, "out of memory");
	if (!p || check_options(o, why, why_size) != RESULT_OK)
		goto fail;
	sched_getaffinity(0, sizeof(p->all_cpus), &p->all_cpus);
	size_t lcore_count = choose_lcores(o, lcores);
	if (check_lcores(o, lcores, lcore_count, why, why_size) != RESULT_OK ||
	    eal_start(o, lcores, lcore_count, why, why_size) != RESULT_OK)
		goto fail;
	p->eal = true;
	snprintf(why, why_size, "no memory for the workers");
	if (make_workers(p, lcores, lcore_count) != RESULT_OK)
		goto fail;
	choose_other_cpus(p);
	struct port_setup setup = { .options = o,
				    .worker_count = (unsigned)lcore_count,
				    .why = why,
				    .why_size = why_size };
	if (start_ports(p, &setup) != RESULT_OK)
		goto fail;
	snprintf(why, why_size, "more than %d queues for a worker", PORT_QUEUES_MAX);
	if (deal_queues(p, o) != RESULT_OK)
		goto fail;
	snprintf(why, why_size, "threads cannot be started");
	if (start_exception_thread(p) != RESULT_OK ||
	    start_workers(p, zonedb, answer_config) != RESULT_OK)
		goto fail;
	return p;
fail:
	port_stop(p);
	return NULL;
}

void port_stop(struct ports *p)
{
	if (!p)
		return;
	atomic_store_explicit(&p->stop, true, memory_order_relaxed);
	for (size_t i = 0; i < p->worker_count; i++)
		if (p->workers[i].launched)
			rte_eal_wait_lcore(p->workers[i].lcore);
	exception_thread_stop(p->exception_thread);
	for (size_t i = p->port_count; i-- > 0;)
		port_take_down(&p->port[i]);
	for (size_t i = 0; i < p->worker_count; i++)
		answer_ctx_free(p->workers[i].ctx);
	if (p->eal) {
		eal_stop();
		pthread_setaffinity_np(pthread_self(), sizeof(p->all_cpus), &p->all_cpus);
	}
	free(p->workers);
	free(p);
}

// --- what they tell --------------------------------------------------------------------

void port_other_cpus(const struct ports *p, cpu_set_t *out)
{
	*out = p->other_cpus;
}

const char *port_drop_text(enum port_drop d)
{
	static const char *const text[] = {
		[PORT_DROP_SHORT] = "short",
		[PORT_DROP_OTHER_MAC] = "other-mac",
		[PORT_DROP_OWN_MAC] = "own-mac",
		[PORT_DROP_GROUP_MAC] = "group-mac",
		[PORT_DROP_BAD_IP] = "bad-ip",
		[PORT_DROP_IP_CHECKSUM] = "ip-checksum",
		[PORT_DROP_SOURCE] = "source",
		[PORT_DROP_BAD_UDP] = "bad-udp",
		[PORT_DROP_UDP_CHECKSUM] = "udp-checksum",
		[PORT_DROP_NO_EXCEPTION] = "no-exception",
		[PORT_DROP_EXCEPTION_RATE] = "exception-rate",
		[PORT_DROP_EXCEPTION_FULL] = "exception-full",
		[PORT_DROP_TX] = "tx-full",
	};
	static_assert(sizeof(text) / sizeof(text[0]) == PORT_DROP_COUNT, "each has its text");
	return (unsigned)d < PORT_DROP_COUNT ? text[d] : "unknown";
}

size_t port_lcore_count(const struct ports *p)
{
	return p->worker_count;
}

struct port_lcore port_lcore(const struct ports *p, size_t i)
{
	const struct worker *w = &p->workers[i];
	return (struct port_lcore){ .lcore = w->lcore,
				    .stats = &w->stats,
				    .answer = answer_ctx_stats(w->ctx) };
}

size_t port_count(const struct ports *p)
{
	return p->port_count;
}

void port_info(const struct ports *p, size_t i, struct port_info *out)
{
	const struct port *port = &p->port[i];
	char name[RTE_ETH_NAME_MAX_LEN];
	struct rte_eth_link link = { 0 };
	struct rte_eth_stats stats = { 0 };
	memset(out, 0, sizeof(*out));
	if (rte_eth_dev_get_name_by_port(port->id, name) == 0)
		memcpy(out->device, name, RTE_MIN(sizeof(name), sizeof(out->device) - 1));
	memcpy(out->mac, port->local.mac, sizeof(out->mac));
	rte_eth_link_get_nowait(port->id, &link);
	rte_eth_stats_get(port->id, &stats);
	out->link_up = link.link_status == RTE_ETH_LINK_UP;
	out->link_mbps = link.link_speed;
	out->mtu = port->mtu;
	out->queues = port->queue_count;
	out->rx_missed = stats.imissed;
	out->rx_no_mbuf = stats.rx_nombuf;
	out->tx_errors = stats.oerrors;
	if (port->exception) {
		memcpy(out->exception_interface, port->exception->interface,
		       sizeof(out->exception_interface));
		out->exception = &port->exception->stats;
	}
}
