// SPDX-License-Identifier: BSD-3-Clause
// Read-copy-update: how readers see published snapshots without a lock.
//
// Purpose: the one wrapper around liburcu's QSBR flavour and around published
// pointers, which are C11 atomics. A reader thread registers, is online while
// it may hold pointers from rcu_pointer_read, and announces a quiescent state
// when it holds none. Anything retired is given back after a grace period, on
// liburcu's own thread.
// Threads: as each function says. Lifetime: a pointer that rcu_pointer_read
// returned is valid until the reading thread's next rcu_reader_quiescent,
// rcu_reader_offline or rcu_reader_unregister.
// Nothing in Understudy ever waits for a grace period on a path that serves.
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

// A published pointer. One writer at a time; any number of readers.
struct rcu_pointer {
	_Atomic(void *) value;
};

static inline void *rcu_pointer_read(const struct rcu_pointer *p)
{
	return atomic_load_explicit(&((struct rcu_pointer *)(uintptr_t)p)->value,
				    memory_order_acquire);
}

// Publishes `next` and returns what was there before.
static inline void *rcu_pointer_exchange(struct rcu_pointer *p, void *next)
{
	return atomic_exchange_explicit(&p->value, next, memory_order_acq_rel);
}

// Every thread that reads registers first and unregisters before it ends.
// A registered thread starts online.
void rcu_reader_register(void);
void rcu_reader_unregister(void);

// Online readers only: "I hold no pointer right now".
void rcu_reader_quiescent(void);

// Around sleeping or long work without snapshots: an online thread that sleeps
// would hold up all reclamation. May nest nothing; both are cheap.
void rcu_reader_offline(void);
void rcu_reader_online(void);

// Embedded in what is retired.
struct rcu_retired {
	void *opaque[2]; // liburcu's rcu_head
	void (*release)(struct rcu_retired *);
	uint64_t retired_ns; // CLOCK_MONOTONIC
	struct rcu_retired *next;
};

// Any thread: calls `release` after a grace period on liburcu's thread, which
// is no reader. `release` may free or unmap, or queue; nothing else.
void rcu_retire(struct rcu_retired *item, void (*release)(struct rcu_retired *));

// Waits until all that was retired before has been released. For shutdown and
// tests only; the calling thread must be unregistered or offline.
void rcu_barrier_all(void);

// Age in nanoseconds of the oldest retired and not yet released item, 0 if
// there is none: a stuck reader shows here. Any thread.
uint64_t rcu_oldest_age_ns(void);
