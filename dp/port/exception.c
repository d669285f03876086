// SPDX-License-Identifier: BSD-3-Clause
// The exception interface: TAPs, and the one thread that reads and writes them.
//
// Workers only fill rings, so the thread looks at them by itself: at once while
// there is work, else after sleeps that grow to IDLE_SLEEP_MAX_NS. What comes
// from the kernel wakes it.
#include "exception.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include <rte_errno.h>
#include <rte_mbuf.h>

#include "kernel.h"
#include "ports.h"

#define IDLE_SLEEP_MIN_NS 20000L
#define IDLE_SLEEP_MAX_NS 1000000L   // a thousand looks a second cost about 2 % of a CPU
#define ALONE_SLEEP_NS    100000000L // without any TAP: only the time is kept
#define SEGMENTS_MAX      64
#define FROM_KERNEL_BURST 64
#define POOL_SIZE         4095

struct exception_thread {
	pthread_t thread;
	int wake; // eventfd: end
	_Atomic bool stop;
	_Atomic uint64_t *now_s;
	size_t count;
	struct exception *exceptions[PORT_MAX];
	struct pollfd polls[PORT_MAX + 1];
};

static void count(_Atomic uint64_t *counter, uint64_t n)
{
	uint64_t v = atomic_load_explicit(counter, memory_order_relaxed);
	atomic_store_explicit(counter, v + n, memory_order_relaxed);
}

// --- set-up ---------------------------------------------------------------------------

static enum result tap_set_up(struct exception *e, const struct exception_options *o, char *why,
			      size_t why_size)
{
	const struct port_exception *wanted = o->wanted;
	const char *doing = "making it";
	enum result r = kernel_tap(e->interface, &e->tap);
	if (r == RESULT_OK) {
		doing = "setting its MAC address";
		r = kernel_set_mac(e->interface, o->mac);
	}
	if (r == RESULT_OK) {
		doing = "setting its MTU";
		r = kernel_set_mtu(e->interface, o->mtu);
	}
	if (r == RESULT_OK) {
		doing = "setting it up";
		r = kernel_set_up(e->interface);
	}
	for (size_t i = 0; r == RESULT_OK && i < wanted->address_count; i++) {
		doing = "adding an address";
		r = kernel_add_address(e->interface, &wanted->addresses[i]);
	}
	for (size_t i = 0; r == RESULT_OK && i < wanted->gateway_count; i++) {
		doing = "adding a gateway";
		r = kernel_add_gateway(e->interface, &wanted->gateways[i]);
	}
	if (r != RESULT_OK)
		snprintf(why, why_size, "exception interface %s: %s: %s", e->interface, doing,
			 strerror(errno));
	return r;
}

static struct rte_ring *ring(const char *what, const struct exception_options *o, unsigned queue,
			     unsigned size)
{
	char name[RTE_RING_NAMESIZE];
	snprintf(name, sizeof(name), "us_%s_%u_%u", what, o->port_id, queue);
	return rte_ring_create(name, size, o->socket, RING_F_SP_ENQ | RING_F_SC_DEQ);
}

// `done` has room for all that can be in `to_kernel` and in the thread's hands;
// the worker empties it as fast as it fills the other.
static enum result rings_new(struct exception *e, const struct exception_options *o)
{
	char name[RTE_MEMPOOL_NAMESIZE];
	for (unsigned q = 0; q < o->queue_count; q++) {
		struct exception_link *link = &e->links[e->link_count++];
		link->to_kernel = ring("to", o, q, PORT_RING_SIZE);
		link->done = ring("done", o, q, 2 * PORT_RING_SIZE);
		if (!link->to_kernel || !link->done)
			return RESULT_NO_MEMORY;
	}
	e->links[0].from_kernel = ring("from", o, 0, PORT_RING_SIZE);
	snprintf(name, sizeof(name), "us_from_%u", o->port_id);
	unsigned room = RTE_MAX(PORT_FRAME_ROOM, e->frame_max) + RTE_PKTMBUF_HEADROOM;
	e->pool = rte_pktmbuf_pool_create(name, POOL_SIZE, 0, 0, (uint16_t)room, o->socket);
	return e->links[0].from_kernel && e->pool ? RESULT_OK : RESULT_NO_MEMORY;
}

enum result exception_new(const struct exception_options *options, struct exception **out,
			  char *why, size_t why_size)
{
	struct exception *e = calloc(1, sizeof(*e));
	if (!e) {
		snprintf(why, why_size, "out of memory");
		return RESULT_NO_MEMORY;
	}
	e->tap = -1;
	e->frame_max = (uint16_t)(options->mtu + FRAME_ETH_LEN + FRAME_TAGS_MAX * FRAME_TAG_LEN);
	snprintf(e->interface, sizeof(e->interface), "%s", options->wanted->interface);
	enum result r = rings_new(e, options);
	if (r != RESULT_OK)
		snprintf(why, why_size, "exception interface %s: no memory for its rings: %s",
			 e->interface, rte_strerror(rte_errno));
	else
		r = tap_set_up(e, options, why, why_size);
	if (r != RESULT_OK) {
		exception_free(e);
		return r;
	}
	*out = e;
	return RESULT_OK;
}

static void ring_free(struct rte_ring *r)
{
	void *m;
	while (r && rte_ring_sc_dequeue(r, &m) == 0)
		rte_pktmbuf_free(m);
	rte_ring_free(r);
}

void exception_free(struct exception *e)
{
	if (!e)
		return;
	if (e->tap >= 0)
		close(e->tap);
	for (size_t i = 0; i < e->link_count; i++) {
		ring_free(e->links[i].to_kernel);
		ring_free(e->links[i].done);
		ring_free(e->links[i].from_kernel);
	}
	rte_mempool_free(e->pool);
	free(e);
}

// --- the thread -------------------------------------------------------------------------

static void to_kernel(struct exception *e, const struct rte_mbuf *m)
{
	struct iovec parts[SEGMENTS_MAX];
	int n = 0;
	for (; m && n < SEGMENTS_MAX; m = m->next, n++)
		parts[n] = (struct iovec){ rte_pktmbuf_mtod(m, void *), m->data_len };
	if (!m && writev(e->tap, parts, n) >= 0)
		count(&e->stats.to_kernel, 1);
	else
		count(&e->stats.to_kernel_failed, 1);
}

static bool drain_link(struct exception *e, struct exception_link *link)
{
	struct rte_mbuf *frames[PORT_BURST];
	unsigned n = rte_ring_sc_dequeue_burst(link->to_kernel, (void **)frames, PORT_BURST, NULL);
	if (n == 0)
		return false;
	for (unsigned i = 0; i < n; i++)
		to_kernel(e, frames[i]);
	unsigned given_back = rte_ring_sp_enqueue_bulk(link->done, (void **)frames, n, NULL);
	assert(given_back == n);
	(void)given_back;
	return true;
}

static bool from_kernel(struct exception *e)
{
	struct rte_ring *to = e->links[0].from_kernel;
	unsigned n = 0;
	for (; n < FROM_KERNEL_BURST; n++) {
		uint8_t spill[16];
		struct rte_mbuf *m = rte_ring_full(to) ? NULL : rte_pktmbuf_alloc(e->pool);
		void *at = m ? rte_pktmbuf_mtod(m, void *) : spill;
		size_t room = m ? rte_pktmbuf_tailroom(m) : sizeof(spill);
		ssize_t len = read(e->tap, at, room);
		if (len <= 0) {
			rte_pktmbuf_free(m);
			break;
		}
		if (!m) {
			count(&e->stats.from_kernel_dropped, 1);
			continue;
		}
		m->data_len = (uint16_t)len;
		m->pkt_len = (uint32_t)len;
		rte_ring_sp_enqueue(to, m);
		count(&e->stats.from_kernel, 1);
	}
	return n > 0;
}

static bool serve(struct exception *e)
{
	bool busy = from_kernel(e);
	for (size_t i = 0; i < e->link_count; i++)
		busy |= drain_link(e, &e->links[i]);
	return busy;
}

// Written only when it changes: every worker reads this line at each poll.
static void keep_time(_Atomic uint64_t *now_s)
{
	struct timespec now;
	clock_gettime(CLOCK_REALTIME_COARSE, &now);
	if (atomic_load_explicit(now_s, memory_order_relaxed) != (uint64_t)now.tv_sec)
		atomic_store_explicit(now_s, (uint64_t)now.tv_sec, memory_order_relaxed);
}

static void *thread_run(void *arg)
{
	struct exception_thread *t = arg;
	long sleep_ns = IDLE_SLEEP_MIN_NS;
	while (!atomic_load_explicit(&t->stop, memory_order_relaxed)) {
		bool busy = false;
		keep_time(t->now_s);
		for (size_t i = 0; i < t->count; i++)
			busy |= serve(t->exceptions[i]);
		if (busy) {
			sleep_ns = IDLE_SLEEP_MIN_NS;
			continue;
		}
		struct timespec wait = { .tv_nsec = t->count ? sleep_ns : ALONE_SLEEP_NS };
		ppoll(t->polls, t->count + 1, &wait, NULL);
		sleep_ns = RTE_MIN(2 * sleep_ns, IDLE_SLEEP_MAX_NS);
	}
	return NULL;
}

enum result exception_thread_start(struct exception *const exceptions[], size_t count_,
				   _Atomic uint64_t *now_s, struct exception_thread **out)
{
	struct exception_thread *t = calloc(1, sizeof(*t));
	if (!t)
		return RESULT_NO_MEMORY;
	t->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	t->now_s = now_s;
	t->count = count_;
	for (size_t i = 0; i < count_; i++) {
		t->exceptions[i] = exceptions[i];
		t->polls[i] = (struct pollfd){ .fd = exceptions[i]->tap, .events = POLLIN };
	}
	t->polls[count_] = (struct pollfd){ .fd = t->wake, .events = POLLIN };
	keep_time(now_s);
	int error = t->wake < 0 ? errno : pthread_create(&t->thread, NULL, thread_run, t);
	if (error != 0) {
		if (t->wake >= 0)
			close(t->wake);
		free(t);
		errno = error;
		return RESULT_IO;
	}
	pthread_setname_np(t->thread, "exception");
	*out = t;
	return RESULT_OK;
}

void exception_thread_stop(struct exception_thread *t)
{
	if (!t)
		return;
	atomic_store_explicit(&t->stop, true, memory_order_relaxed);
	eventfd_write(t->wake, 1);
	pthread_join(t->thread, NULL);
	close(t->wake);
	free(t);
}
