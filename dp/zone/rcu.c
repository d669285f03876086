// SPDX-License-Identifier: BSD-3-Clause
// The one wrapper around liburcu's QSBR flavour.
//
// ThreadSanitizer does not see liburcu's own synchronisation. What it orders is
// told with two annotations: all a reader did before it announced that it holds
// nothing happens before every release callback that runs after that.
#include "understudy/rcu.h"

#include <assert.h>
#include <pthread.h>
#include <stddef.h>
#include <time.h>

#define URCU_NO_COMPAT_IDENTIFIERS
#include <urcu/urcu-qsbr.h>
// After the flavour's header, which gives the names of call_rcu their prefix.
#include <urcu/call-rcu.h>

#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define RCU_TSAN 1
#endif
#endif
#if defined(__SANITIZE_THREAD__)
#define RCU_TSAN 1
#endif

#ifdef RCU_TSAN
#include <sanitizer/tsan_interface.h>
static char tsan_grace;
#define RCU_RELEASE() __tsan_release(&tsan_grace)
#define RCU_ACQUIRE() __tsan_acquire(&tsan_grace)
#else
#define RCU_RELEASE() ((void)0)
#define RCU_ACQUIRE() ((void)0)
#endif

static_assert(sizeof(struct rcu_head) <= sizeof(((struct rcu_retired *)0)->opaque),
	      "rcu_retired.opaque holds a struct rcu_head");

// Items retired and not yet released, oldest first; callbacks of one
// call_rcu thread run in the order of rcu_retire.
static pthread_mutex_t pending_lock = PTHREAD_MUTEX_INITIALIZER;
static struct rcu_retired *pending_first;
static struct rcu_retired **pending_end = &pending_first;
static pthread_cond_t released_more = PTHREAD_COND_INITIALIZER;
static uint64_t retired_count, released_count;

static uint64_t monotonic_ns(void)
{
	struct timespec ts;
	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

void rcu_reader_register(void)
{
	urcu_qsbr_register_thread();
}

void rcu_reader_unregister(void)
{
	RCU_RELEASE();
	urcu_qsbr_unregister_thread();
}

void rcu_reader_quiescent(void)
{
	RCU_RELEASE();
	urcu_qsbr_quiescent_state();
}

void rcu_reader_offline(void)
{
	RCU_RELEASE();
	urcu_qsbr_thread_offline();
}

void rcu_reader_online(void)
{
	urcu_qsbr_thread_online();
}

static void after_grace(struct rcu_head *head)
{
	RCU_ACQUIRE();
	struct rcu_retired *item = (struct rcu_retired *)(void *)head;
	pthread_mutex_lock(&pending_lock);
	assert(pending_first == item);
	pending_first = item->next;
	if (!pending_first)
		pending_end = &pending_first;
	pthread_mutex_unlock(&pending_lock);

	item->release(item);

	pthread_mutex_lock(&pending_lock);
	released_count++;
	pthread_cond_broadcast(&released_more);
	pthread_mutex_unlock(&pending_lock);
}

void rcu_retire(struct rcu_retired *item, void (*release)(struct rcu_retired *))
{
	item->release = release;
	item->retired_ns = monotonic_ns();
	item->next = NULL;
	RCU_RELEASE();
	pthread_mutex_lock(&pending_lock);
	*pending_end = item;
	pending_end = &item->next;
	retired_count++;
	// Inside the lock: the order of the list is the order of the callbacks.
	urcu_qsbr_call_rcu((struct rcu_head *)(void *)item->opaque, after_grace);
	pthread_mutex_unlock(&pending_lock);
}

// liburcu's own barrier synchronises out of ThreadSanitizer's sight.
void rcu_barrier_all(void)
{
	pthread_mutex_lock(&pending_lock);
	uint64_t wanted = retired_count;
	while (released_count < wanted)
		pthread_cond_wait(&released_more, &pending_lock);
	pthread_mutex_unlock(&pending_lock);
}

uint64_t rcu_oldest_age_ns(void)
{
	pthread_mutex_lock(&pending_lock);
	uint64_t since = pending_first ? pending_first->retired_ns : 0;
	pthread_mutex_unlock(&pending_lock);
	return since ? monotonic_ns() - since : 0;
}
