// SPDX-License-Identifier: BSD-3-Clause
// The exception interface: a TAP that joins a port's worker to the kernel.
//
// Purpose: what the worker does not answer goes into the kernel here, and what
// the kernel sends comes out. One thread serves all of them; workers make no
// system call and never wait. The thread also keeps the workers' coarse time.
// Threads: the set-up functions by port_start and port_stop; link rings as they say.
#pragma once

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include <rte_mempool.h>
#include <rte_ring.h>

#include "understudy/port.h"

#define PORT_QUEUES_MAX 64 // of a port, and of a worker

// Between one queue's worker and the exception thread.
struct exception_link {
	struct rte_ring *to_kernel;   // worker -> thread: frames punted
	struct rte_ring *done;        // thread -> worker: the same buffers, to be freed
	struct rte_ring *from_kernel; // thread -> worker: frames to send; NULL but in one queue
};

struct exception {
	int tap;
	char interface[IF_NAMESIZE];
	uint16_t frame_max; // octets of a frame that the kernel may send
	struct rte_mempool *pool;
	size_t link_count;
	struct exception_link links[PORT_QUEUES_MAX];
	struct port_exception_stats stats;
};

struct exception_options {
	const struct port_exception *wanted;
	const uint8_t *mac;
	uint16_t mtu;
	uint16_t port_id;
	uint16_t queue_count;
	int socket; // NUMA
};

// Makes the TAP with its addresses and routes, and the rings.
enum result exception_new(const struct exception_options *options, struct exception **out,
			  char *why, size_t why_size);
// Also gives back what is left in the rings; its thread and workers have ended.
void exception_free(struct exception *e);

struct exception_thread;
enum result exception_thread_start(struct exception *const exceptions[], size_t count,
				   _Atomic uint64_t *now_s, struct exception_thread **out);
void exception_thread_stop(struct exception_thread *t);
