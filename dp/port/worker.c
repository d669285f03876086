// SPDX-License-Identifier: BSD-3-Clause
// The worker: receives bursts of frames, answers the queries in them, sends.
//
// Nothing here waits, locks, allocates or calls the system. The way of a burst
// is worker_burst, from top to bottom.
#include <rte_cycles.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>
#include <rte_pause.h>
#include <rte_prefetch.h>

#include "ports.h"
#include "understudy/rcu.h"

#define TX_TRIES   64   // without any progress
#define IDLE_POLLS 1024 // in a row, before the worker begins to pause between them

// A burst on its way.
struct burst {
	struct rte_mbuf *rx[PORT_BURST];
	unsigned rx_count;
	struct rte_mbuf *queries[PORT_BURST]; // queries[i], frames[i] and items[i] are one
	struct frame frames[PORT_BURST];
	struct answer_item items[PORT_BURST];
	unsigned query_count;
	struct rte_mbuf *punts[PORT_BURST];
	uint8_t punt_class[PORT_BURST]; // enum frame_class
	unsigned punt_count;
	struct rte_mbuf *replies[PORT_BURST];
	unsigned reply_count;
};

// Single owner: a plain add, seen whole by readers.
static void count(_Atomic uint64_t *counter, uint64_t n)
{
	uint64_t v = atomic_load_explicit(counter, memory_order_relaxed);
	atomic_store_explicit(counter, v + n, memory_order_relaxed);
}

static void drop(struct worker *w, enum port_drop why, struct rte_mbuf **frames, unsigned n)
{
	if (n == 0)
		return;
	count(&w->stats.dropped[why], n);
	rte_pktmbuf_free_bulk(frames, n);
}

// What the device has verified, and what it found wrong.
static unsigned checked_by_device(const struct rte_mbuf *m)
{
	unsigned good = 0;
	if ((m->ol_flags & RTE_MBUF_F_RX_IP_CKSUM_MASK) == RTE_MBUF_F_RX_IP_CKSUM_GOOD)
		good |= FRAME_IP_SUM_GOOD;
	if ((m->ol_flags & RTE_MBUF_F_RX_L4_CKSUM_MASK) == RTE_MBUF_F_RX_L4_CKSUM_GOOD)
		good |= FRAME_UDP_SUM_GOOD;
	return good;
}

// The next query is that of frames[query_count].
static void take_query(struct burst *b, struct queue *q, struct rte_mbuf *m)
{
	const struct frame *f = &b->frames[b->query_count];
	struct answer_item *item = &b->items[b->query_count];
	uint8_t *data = rte_pktmbuf_mtod(m, uint8_t *);
	uint32_t room = m->data_len + rte_pktmbuf_tailroom(m);
	uint32_t frame_max = (uint32_t)f->l3 + q->port->mtu;
	item->buf = data + f->dns;
	item->query_len = f->dns_len;
	item->capacity = (uint16_t)(RTE_MIN(room, frame_max) - f->dns);
	item->may_punt = true;
	item->reserve = 0;
	frame_peer(data, f, &item->peer);
	b->queries[b->query_count++] = m;
}

static void take_punt(struct burst *b, struct rte_mbuf *m, enum frame_class class)
{
	b->punt_class[b->punt_count] = (uint8_t) class;
	b->punts[b->punt_count++] = m;
}

// Whether a reply may be written over the frame. One in several segments is longer than
// any query, and octets that others may hold are theirs too: both are for the kernel.
// A buffer of the driver's (RTE_MBUF_F_EXTERNAL) is this frame's alone.
static bool is_writable(const struct rte_mbuf *m)
{
	return m->nb_segs == 1 && !RTE_MBUF_CLONED(m) && rte_mbuf_refcnt_read(m) == 1;
}

static void parse(struct worker *w, struct queue *q, struct burst *b)
{
	b->query_count = b->punt_count = b->reply_count = 0;
	for (unsigned i = 0; i < b->rx_count; i++)
		rte_prefetch0(rte_pktmbuf_mtod(b->rx[i], void *));
	for (unsigned i = 0; i < b->rx_count; i++) {
		struct rte_mbuf *m = b->rx[i];
		struct frame *f = &b->frames[b->query_count];
		if (is_writable(m))
			frame_parse(&q->port->local, rte_pktmbuf_mtod(m, uint8_t *), m->data_len,
				    checked_by_device(m), f);
		else
			*f = (struct frame){ .kind = FRAME_PUNT };
		if (f->kind == FRAME_QUERY &&
		    f->dns + (unsigned)f->dns_len <= (unsigned)f->l3 + q->port->mtu)
			take_query(b, q, m);
		else if (f->kind == FRAME_DROP)
			drop(w, f->drop, &m, 1);
		else
			take_punt(b, m, f->class);
	}
}

static void checksums_by_device(struct rte_mbuf *m, const struct frame *f)
{
	m->l2_len = f->l3;
	m->l3_len = (uint64_t)(f->dns - FRAME_UDP_LEN - f->l3);
	m->ol_flags |= RTE_MBUF_F_TX_UDP_CKSUM;
	m->ol_flags |=
		f->family == 4 ? RTE_MBUF_F_TX_IPV4 | RTE_MBUF_F_TX_IP_CKSUM : RTE_MBUF_F_TX_IPV6;
}

// Sorts by verdict; replies get their headers and their length.
static void encapsulate(struct queue *q, struct burst *b)
{
	const bool offload = q->port->tx_checksums;
	for (unsigned i = 0; i < b->query_count; i++) {
		struct rte_mbuf *m = b->queries[i];
		const struct frame *f = &b->frames[i];
		switch (b->items[i].verdict) {
		case ANSWER_REPLY:
			m->ol_flags &= RTE_MBUF_F_EXTERNAL; // whose buffer it is stays so
			m->data_len = (uint16_t)frame_reply(rte_pktmbuf_mtod(m, uint8_t *), f,
							    b->items[i].reply_len, offload);
			m->pkt_len = m->data_len;
			if (offload)
				checksums_by_device(m, f);
			b->replies[b->reply_count++] = m;
			break;
		case ANSWER_PUNT: take_punt(b, m, FRAME_SERVICE); break;
		default: rte_pktmbuf_free(m); break; // the answer path has counted it
		}
	}
}

static void transmit(struct worker *w, struct queue *q, struct rte_mbuf **frames, unsigned n)
{
	unsigned sent = 0;
	for (unsigned tries = 0; sent < n && tries < TX_TRIES; tries++) {
		unsigned now =
			rte_eth_tx_burst(q->port->id, q->id, frames + sent, (uint16_t)(n - sent));
		if (now > 0)
			tries = 0;
		sent += now;
	}
	count(&w->stats.tx_packets, sent);
	drop(w, PORT_DROP_TX, frames + sent, n - sent);
}

static bool conforms(struct bucket *b, uint64_t now_tsc)
{
	if (b->full_tsc < now_tsc)
		b->full_tsc = now_tsc;
	if (b->full_tsc - now_tsc > b->burst_tsc)
		return false;
	b->full_tsc += b->interval_tsc;
	return true;
}

static void punt(struct worker *w, struct queue *q, struct burst *b)
{
	if (b->punt_count == 0)
		return;
	if (!q->link)
		return drop(w, PORT_DROP_NO_EXCEPTION, b->punts, b->punt_count);
	const uint64_t now_tsc = rte_rdtsc();
	unsigned n = 0;
	for (unsigned i = 0; i < b->punt_count; i++) {
		if (conforms(&q->punts[b->punt_class[i]], now_tsc))
			b->punts[n++] = b->punts[i];
		else
			drop(w, PORT_DROP_EXCEPTION_RATE, &b->punts[i], 1);
	}
	unsigned put = rte_ring_sp_enqueue_burst(q->link->to_kernel, (void **)b->punts, n, NULL);
	count(&w->stats.punted, put);
	drop(w, PORT_DROP_EXCEPTION_FULL, b->punts + put, n - put);
}

// True if anything was received.
static bool worker_burst(struct worker *w, struct queue *q, struct burst *b)
{
	b->rx_count = rte_eth_rx_burst(q->port->id, q->id, b->rx, PORT_BURST);
	if (b->rx_count == 0)
		return false;
	count(&w->stats.rx_packets, b->rx_count);
	count(&w->stats.bursts, 1);

	const struct catalog *view = zonedb_view(w->zonedb);
	parse(w, q, b);
	if (b->query_count > 0)
		answer_burst(w->ctx, view, b->items, b->query_count);
	encapsulate(q, b);
	transmit(w, q, b->replies, b->reply_count);
	punt(w, q, b);
	return true;
}

// The exception thread's side: buffers that it is done with, frames to send.
static bool worker_exchange(struct worker *w, struct queue *q, struct burst *b)
{
	if (!q->link)
		return false;
	void **frames = (void **)b->rx;
	unsigned done = rte_ring_sc_dequeue_burst(q->link->done, frames, PORT_BURST, NULL);
	rte_pktmbuf_free_bulk(b->rx, done);
	if (!q->link->from_kernel)
		return done > 0;
	unsigned n = rte_ring_sc_dequeue_burst(q->link->from_kernel, frames, PORT_BURST, NULL);
	if (n > 0) {
		count(&w->stats.from_kernel, n);
		transmit(w, q, b->rx, n);
	}
	return done + n > 0;
}

int worker_run(void *arg)
{
	struct worker *w = arg;
	struct burst b;
	unsigned idle = 0;
	rcu_reader_register();
	while (!atomic_load_explicit(w->stop, memory_order_relaxed)) {
		bool busy = false;
		answer_ctx_set_time(w->ctx, atomic_load_explicit(w->now_s, memory_order_relaxed));
		for (unsigned i = 0; i < w->queue_count; i++) {
			busy |= worker_burst(w, &w->queues[i], &b);
			busy |= worker_exchange(w, &w->queues[i], &b);
		}
		rcu_reader_quiescent(); // no view pointer survives this line
		if (busy)
			idle = 0;
		else if (++idle > IDLE_POLLS)
			rte_pause();
	}
	rcu_reader_unregister();
	return 0;
}
