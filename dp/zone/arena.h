// SPDX-License-Identifier: BSD-3-Clause
// Chunks of cells: who may write where, what is live, and giving chunks back.
//
// Threads: an arena_writer belongs to one thread at a time; everything else may
// be called by any thread. Readers only need the base address.
#pragma once

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "layout.h"
#include "understudy/result.h"

// Sizes that a writer keeps free lists for, in cells: every twig array fits.
#define ARENA_LIST_CELLS 128u

enum chunk_state {
	CHUNK_FREE,    // not mapped
	CHUNK_KEPT,    // mapped, empty, for the next writer
	CHUNK_OPEN,    // a writer's, or waiting for one with room left
	CHUNK_SEALED,  // full
	CHUNK_RETIRED, // no live cells; waits for a grace period
	CHUNK_RUN,     // inside of the run that a chunk before it begins
	CHUNK_LOST     // another mapping of the process stands there
};

struct arena_writer;

struct chunk {
	_Atomic(struct arena_writer *) writer; // whose, while CHUNK_OPEN
	_Atomic int64_t live;                  // cells, published or not
	uint32_t used;                         // the mark: cells ever given out
	uint32_t fence;                        // the writer's own cells begin here
	uint32_t writer_live;                  // live cells above the fence
	uint32_t run;                          // chunks in the run, 1 for most
	uint8_t state;
	bool huge;
	struct arena *arena;        // while CHUNK_RETIRED
	struct rcu_retired retired; // likewise
};

struct arena {
	uint8_t *base;
	void *reservation;
	size_t reservation_octets;
	uint32_t chunk_limit; // chunks that may be mapped at once
	uint32_t chunk_slots; // chunks that the reservation has
	bool want_huge;
	bool protect;

	pthread_mutex_t lock; // guards what follows, and state and run of all chunks
	uint32_t mapped;
	uint32_t huge;
	uint32_t retired;
	uint32_t kept;
	uint32_t promised; // kept chunks that only arena_writer.privileged may take
	uint32_t search_from;
	uint32_t *spare; // open chunks with room that have no writer
	uint32_t spare_count;
	struct chunk chunk[];
};

enum result arena_new(uint64_t max_octets, bool huge, bool protect, struct arena **out);
void arena_free(struct arena *a);

static inline void *arena_cells(const struct arena *a, cell_ref ref)
{
	return a->base + (uint64_t)ref * CELL_OCTETS;
}

// Published cells that a transaction replaces, counted by chunk until it is
// published (arena_garbage_apply) or forgotten.
struct arena_garbage {
	struct {
		uint32_t chunk_plus_1;
		uint32_t cells;
	} * slot;
	uint32_t slots; // a power of two, or 0
	uint32_t used;
	uint64_t cells; // in sum
};

enum result arena_garbage_note(struct arena_garbage *g, cell_ref ref, uint32_t cells);
// Room for `chunks` more chunks, so that noting cannot fail.
enum result arena_garbage_reserve(struct arena_garbage *g, uint32_t chunks);
// They are garbage from now on; chunks that this empties are retired. What is reserved
// stays so, until arena_garbage_forget.
void arena_garbage_apply(struct arena *a, struct arena_garbage *g);
void arena_garbage_forget(struct arena_garbage *g);

struct arena_writer {
	struct arena *arena;
	bool privileged;  // may take promised chunks: for what must not fail
	uint32_t *chunks; // all that it has touched; the last one is open
	uint32_t chunk_count, chunk_room;
	uint64_t allocated; // cells, in sum
	uint64_t live;      // cells allocated and not freed again
	cell_ref list[ARENA_LIST_CELLS + 1];
	cell_ref large;       // more cells than on any list that are free again,
	uint32_t large_cells; // the most of them that are in one piece
	struct arena_garbage garbage;
};

void arena_writer_init(struct arena_writer *w, struct arena *a);

// 0 when there is no memory. Cells are not cleared.
cell_ref arena_alloc(struct arena_writer *w, uint32_t cells);

// Whether the writer may change these cells in place.
static inline bool arena_owns(const struct arena_writer *w, cell_ref ref)
{
	const struct chunk *c = &w->arena->chunk[ref >> CHUNK_SHIFT];
	return atomic_load_explicit(&c->writer, memory_order_relaxed) == w &&
	       (ref & (CHUNK_CELLS - 1)) >= c->fence;
}

// Own cells are free at once; published ones are noted as garbage.
enum result arena_release(struct arena_writer *w, cell_ref ref, uint32_t cells);

// All that the writer made is published soon: it may write no more.
// Leaves w->garbage to the caller.
void arena_writer_seal(struct arena_writer *w);
// As if the writer had never been.
void arena_writer_abort(struct arena_writer *w);

// What the writer made is published now; it goes on in the same chunk, behind a
// new fence. Leaves w->garbage to the caller.
void arena_writer_fence(struct arena_writer *w);

// Room to open `chunks` more without allocating.
enum result arena_writer_room(struct arena_writer *w, uint32_t chunks);

// Keeps at least `chunks` mapped chunks for privileged writers.
enum result arena_promise(struct arena *a, uint32_t chunks);

struct arena_stats {
	uint64_t chunks, huge, retired, octets_live, octets_used;
};
void arena_stats_get(struct arena *a, struct arena_stats *out);

// The chunks worth emptying: sealed, single and less than half live. Sets
// sparse[chunk] for each; returns the cells that would be gained.
uint64_t arena_sparse_chunks(struct arena *a, bool *sparse);
// The cells that would be gained of these, as far as they are sparse still.
uint64_t arena_still_sparse(struct arena *a, const bool *sparse);
