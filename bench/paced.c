// SPDX-License-Identifier: BSD-3-Clause
// A plug-in of DPDK's environment for the benchmarks: a port's packets come at a rate.
//
// net_pcap replays a capture as fast as it is polled. This stands behind the first queue of
// the first port and passes on what would have arrived by now: packets that come too early
// are dropped, and what would not have fitted into a ring of descriptors is counted as lost.
// Each packet's time from its burst's reception to its transmission, and from its arrival to
// that, goes into a histogram. What is asked for and what came of it stand in a file that
// is mapped, of which UNDERSTUDY_PACED has the name.
#include <fcntl.h>
#include <pthread.h>
#include <rte_cycles.h>
#include <rte_ethdev.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#define RING    1024 // packets that wait for the worker
#define SUB     16   // parts of each power of two
#define BUCKETS (64 * SUB)
#define POLL_US 1000

// Plain 64-bit words, in the order in which churn_bench.py reads them.
struct shared {
	_Atomic uint64_t rate;  // packets/s; 0 = as many as there are
	_Atomic uint64_t round; // another value: counters begin anew
	_Atomic uint64_t hz, started, passed, lost;
	_Atomic uint64_t worker[BUCKETS];  // TSC cycles from reception to transmission
	_Atomic uint64_t arrival[BUCKETS]; // and from arrival
};

static struct shared *shared;
static uint64_t round_now, begun_tsc, due_of_burst; // the worker's own
static uint64_t arrived, rx_tsc;

static void add(_Atomic uint64_t *counter, uint64_t n)
{
	uint64_t v = atomic_load_explicit(counter, memory_order_relaxed);
	atomic_store_explicit(counter, v + n, memory_order_relaxed);
}

static unsigned bucket_of(uint64_t cycles)
{
	if (cycles < SUB)
		return (unsigned)cycles;
	unsigned log = 63u - (unsigned)__builtin_clzll(cycles);
	return (log - 3) * SUB + (unsigned)(cycles >> (log - 4) & (SUB - 1));
}

static void begin_round(uint64_t round, uint64_t now_tsc)
{
	for (unsigned i = 0; i < BUCKETS; i++) {
		atomic_store_explicit(&shared->worker[i], 0, memory_order_relaxed);
		atomic_store_explicit(&shared->arrival[i], 0, memory_order_relaxed);
	}
	atomic_store_explicit(&shared->passed, 0, memory_order_relaxed);
	atomic_store_explicit(&shared->lost, 0, memory_order_relaxed);
	round_now = round;
	begun_tsc = now_tsc;
	arrived = 0;
	atomic_store_explicit(&shared->started, round, memory_order_release);
}

// How many of these packets the worker gets now.
static uint16_t pass(uint64_t now_tsc, uint64_t rate, uint16_t count)
{
	if (rate == 0)
		return count;
	double seconds = (double)(now_tsc - begun_tsc) / (double)rte_get_tsc_hz();
	uint64_t due = (uint64_t)(seconds * (double)rate) - arrived;
	if (due > RING) {
		add(&shared->lost, due - RING);
		arrived += due - RING;
		due = RING;
	}
	return due < count ? (uint16_t)due : count;
}

static uint16_t on_rx(uint16_t port, uint16_t queue, struct rte_mbuf *packets[], uint16_t count,
		      uint16_t room, void *arg)
{
	uint64_t now_tsc = rte_rdtsc();
	uint64_t round = atomic_load_explicit(&shared->round, memory_order_relaxed);
	uint64_t rate = atomic_load_explicit(&shared->rate, memory_order_relaxed);
	(void)port, (void)queue, (void)room, (void)arg;
	if (round != round_now)
		begin_round(round, now_tsc);
	uint16_t n = pass(now_tsc, rate, count);
	rte_pktmbuf_free_bulk(packets + n, (unsigned)(count - n));
	due_of_burst = arrived;
	arrived += n;
	rx_tsc = rte_rdtsc();
	return n;
}

static uint16_t on_tx(uint16_t port, uint16_t queue, struct rte_mbuf *packets[], uint16_t count,
		      void *arg)
{
	uint64_t now_tsc = rte_rdtsc();
	uint64_t rate = atomic_load_explicit(&shared->rate, memory_order_relaxed);
	(void)port, (void)queue, (void)packets, (void)arg;
	add(&shared->worker[bucket_of(now_tsc - rx_tsc)], count);
	add(&shared->passed, count);
	for (uint16_t i = 0; rate && i < count; i++) {
		uint64_t at_tsc = begun_tsc + (uint64_t)((double)(due_of_burst + i + 1) *
							 (double)rte_get_tsc_hz() / (double)rate);
		add(&shared->arrival[bucket_of(now_tsc > at_tsc ? now_tsc - at_tsc : 0)], 1);
	}
	return count;
}

static void *wait_for_port(void *arg)
{
	struct rte_eth_link link = { 0 };
	(void)arg;
	while (!rte_eth_dev_is_valid_port(0) || rte_eth_link_get_nowait(0, &link) ||
	       !link.link_status)
		usleep(POLL_US);
	atomic_store(&shared->hz, rte_get_tsc_hz());
	rte_eth_add_tx_callback(0, 0, on_tx, NULL);
	rte_eth_add_rx_callback(0, 0, on_rx, NULL);
	return NULL;
}

__attribute__((constructor)) static void begin(void)
{
	const char *path = getenv("UNDERSTUDY_PACED");
	int fd = path ? open(path, O_RDWR) : -1;
	pthread_t thread;
	if (fd < 0)
		return;
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	if (shared != MAP_FAILED && pthread_create(&thread, NULL, wait_for_port, NULL) == 0)
		pthread_detach(thread);
}
