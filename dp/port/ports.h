// SPDX-License-Identifier: BSD-3-Clause
// What the files of this folder share: ports, their queues, and the workers.
//
// Threads: a queue belongs to one worker, which alone calls DPDK's burst
// functions on it. Between a worker and the exception thread stand rings with
// one producer and one consumer each, so that neither ever waits for the other,
// even where the kernel takes the exception thread's CPU away half-way.
// Packet buffers: those of port.pool are taken and given back by workers only;
// those of exception.pool are taken by the exception thread only.
#pragma once

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include <rte_ethdev.h>
#include <rte_mbuf.h>
#include <rte_ring.h>

#include "exception.h"
#include "frame.h"
#include "kernel.h"
#include "understudy/answer.h"
#include "understudy/port.h"
#include "xdp.h"

#define PORT_BURST      ANSWER_BURST_MAX
#define PORT_RING_SIZE  2048  // frames between a worker and the exception thread
#define PORT_CACHE_SIZE 256   // of a pool, per lcore
#define PORT_FRAME_ROOM 2048u // octets of a packet buffer, at least

struct port {
	uint16_t id; // DPDK's number
	uint16_t queue_count;
	uint16_t mtu;
	bool started;
	bool promiscuous;  // made so by us
	bool tx_checksums; // the device writes them
	struct frame_local local;
	struct rte_mempool *pool;
	struct exception *exception; // NULL = none
	char interface[IF_NAMESIZE]; // of the kernel, that the device sits on; "" = none
	struct kernel_settings *settings;
	bool attached; // `id` is valid
	bool xdp_ours; // our XDP program is on `interface`
};

// A token bucket, kept as the time at which it is full again.
struct bucket {
	uint64_t full_tsc;
	uint64_t interval_tsc; // of one token
	uint64_t burst_tsc;    // of all that it holds
};

// A receive and a transmit queue of a port, as its worker sees them.
struct queue {
	struct port *port;
	uint16_t id;
	struct exception_link *link; // NULL = nothing may be punted
	struct bucket punts[FRAME_CLASS_COUNT];
};

struct worker {
	unsigned lcore;
	unsigned queue_count;
	struct queue queues[PORT_QUEUES_MAX];
	const struct zonedb *zonedb;
	const _Atomic bool *stop;
	const _Atomic uint64_t *now_s; // coarse time, written by the exception thread
	struct answer_ctx *ctx;
	struct port_stats stats;
	bool launched;
} __rte_cache_aligned;

// The body of a worker lcore, until *stop. `arg` is its struct worker.
int worker_run(void *arg);

// The devices' side of port_start (setup.c): finds or makes the device, sets it
// and its exception interface up, but does not start it.
struct port_setup {
	const struct port_options *options;
	const struct port_device *device;
	unsigned worker_count;
	char *why;
	size_t why_size;
};
enum result port_set_up(struct port *p, const struct port_setup *setup);
enum result port_go(struct port *p, const struct port_setup *setup);
// Undoes both, as far as they went.
void port_take_down(struct port *p);

// DPDK's environment (eal.c). RESULT_OK or RESULT_INVALID, RESULT_NO_MEMORY.
enum result eal_start(const struct port_options *options, const unsigned *lcores,
		      size_t lcore_count, char *why, size_t why_size);
void eal_stop(void);

// A line for the operator; to stderr where nobody else takes it.
void port_say(const struct port_options *options, enum port_log_level level, const char *format,
	      ...) __attribute__((format(printf, 3, 4)));

struct ports {
	struct port port[PORT_MAX];
	size_t port_count;
	struct worker *workers;
	size_t worker_count;
	struct exception_thread *exception_thread;
	_Atomic bool stop;
	_Atomic uint64_t now_s;
	cpu_set_t all_cpus; // the process's, before DPDK
	cpu_set_t other_cpus;
	bool eal; // is up
};
