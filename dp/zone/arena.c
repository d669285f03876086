// SPDX-License-Identifier: BSD-3-Clause
// Chunks of cells: who may write where, what is live, and giving chunks back.
#include "arena.h"

#include <stdlib.h>
#include <sys/mman.h>

#ifndef MAP_HUGE_SHIFT
#define MAP_HUGE_SHIFT 26
#endif
#define HUGE_2MB (21 << MAP_HUGE_SHIFT)

#define KEEP_EMPTY    1u                 // chunks kept mapped beyond what is promised
#define SPARE_ROOM    (CHUNK_CELLS / 64) // cells that make a chunk worth handing on
#define RUN_THRESHOLD (CHUNK_CELLS / 4)  // allocations beyond this get chunks of their own

static void *chunk_address(const struct arena *a, uint32_t chunk)
{
	return a->base + (uint64_t)chunk * CHUNK_OCTETS;
}

enum result arena_new(uint64_t max_octets, bool huge, bool protect, struct arena **out)
{
	uint64_t slots = max_octets ? (max_octets + CHUNK_OCTETS - 1) / CHUNK_OCTETS : CHUNKS_MAX;
	if (slots > CHUNKS_MAX)
		slots = CHUNKS_MAX;
	struct arena *a = calloc(1, sizeof(*a) + slots * sizeof(a->chunk[0]));
	if (!a)
		return RESULT_NO_MEMORY;
	a->spare = calloc(slots, sizeof(a->spare[0]));
	a->reservation_octets = (slots + 1) * CHUNK_OCTETS;
	a->reservation = mmap(NULL, a->reservation_octets, PROT_NONE,
			      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (!a->spare || a->reservation == MAP_FAILED) {
		if (a->reservation != MAP_FAILED)
			munmap(a->reservation, a->reservation_octets);
		free(a->spare);
		free(a);
		return RESULT_NO_MEMORY;
	}
	uintptr_t start = (uintptr_t)a->reservation;
	a->base = (uint8_t *)((start + CHUNK_OCTETS - 1) & ~(uintptr_t)(CHUNK_OCTETS - 1));
	a->chunk_limit = (uint32_t)slots;
	a->chunk_slots = (uint32_t)slots;
	a->want_huge = huge;
	a->protect = protect;
	pthread_mutex_init(&a->lock, NULL);
	*out = a;
	return RESULT_OK;
}

void arena_free(struct arena *a)
{
	munmap(a->reservation, a->reservation_octets);
	pthread_mutex_destroy(&a->lock);
	free(a->spare);
	free(a);
}

// --- mapping; the lock is held ----------------------------------------------

static bool map_huge(struct arena *a, uint32_t chunk, uint32_t count)
{
	size_t octets = (size_t)count * CHUNK_OCTETS;
	void *at = chunk_address(a, chunk);
	int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB | HUGE_2MB;

	// A MAP_FIXED that fails leaves a hole in the reservation: so see elsewhere
	// first whether there are pages.
	void *probe = mmap(NULL, octets, PROT_READ | PROT_WRITE, flags, -1, 0);
	if (probe == MAP_FAILED)
		return false;
	munmap(probe, octets);
	if (mmap(at, octets, PROT_READ | PROT_WRITE, flags | MAP_FIXED, -1, 0) == at) {
		for (uint32_t i = 0; i < count; i++)
			a->chunk[chunk + i].huge = true;
		a->huge += count;
		return true;
	}
	munmap(at, octets);
	if (mmap(at, octets, PROT_NONE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1, 0) != at)
		for (uint32_t i = 0; i < count; i++)
			a->chunk[chunk + i].state = CHUNK_LOST;
	return false;
}

static bool map_pages(struct arena *a, uint32_t chunk, uint32_t count)
{
	size_t octets = (size_t)count * CHUNK_OCTETS;
	void *at = chunk_address(a, chunk);
	if (!(a->want_huge && map_huge(a, chunk, count)) &&
	    (a->chunk[chunk].state == CHUNK_LOST ||
	     mprotect(at, octets, PROT_READ | PROT_WRITE) != 0))
		return false;
	madvise(at, octets, MADV_DONTFORK);
	return true;
}

static void unmap_pages(struct arena *a, uint32_t chunk, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		struct chunk *c = &a->chunk[chunk + i];
		a->huge -= c->huge;
		c->huge = false;
		c->state = CHUNK_FREE;
	}
	a->mapped -= count;
	if (chunk < a->search_from)
		a->search_from = chunk;
	mmap(chunk_address(a, chunk), (size_t)count * CHUNK_OCTETS, PROT_NONE,
	     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);
}

// `count` adjacent free slots, or chunk_slots.
static uint32_t find_slots(const struct arena *a, uint32_t count)
{
	uint32_t found = 0;
	for (uint32_t i = a->search_from; i < a->chunk_slots; i++) {
		found = a->chunk[i].state == CHUNK_FREE ? found + 1 : 0;
		if (found == count)
			return i + 1 - count;
	}
	return a->chunk_slots;
}

// Maps a run in state `state`; chunk_slots if there is no room or memory.
static uint32_t map_run(struct arena *a, uint32_t count, enum chunk_state state)
{
	if (count > a->chunk_limit - a->mapped)
		return a->chunk_slots;
	uint32_t first = find_slots(a, count);
	if (first == a->chunk_slots || !map_pages(a, first, count))
		return a->chunk_slots;
	a->mapped += count;
	if (count == 1)
		a->search_from = first + 1;
	for (uint32_t i = 1; i < count; i++)
		a->chunk[first + i].state = CHUNK_RUN;
	a->chunk[first].state = state;
	a->chunk[first].run = count;
	return first;
}

static void chunk_begin(struct chunk *c, uint32_t index)
{
	c->used = index == 0; // cell 0 is "none"
	atomic_store_explicit(&c->live, 0, memory_order_relaxed);
	c->writer_live = 0;
}

// An empty chunk in state CHUNK_OPEN, or chunk_slots.
static uint32_t take_chunk(struct arena *a, bool privileged)
{
	uint32_t reserve = privileged ? 0 : a->promised;
	if (a->kept > reserve) {
		for (uint32_t i = 0; i < a->chunk_slots; i++) {
			if (a->chunk[i].state == CHUNK_KEPT) {
				a->kept--;
				a->chunk[i].state = CHUNK_OPEN;
				chunk_begin(&a->chunk[i], i);
				return i;
			}
		}
	}
	uint32_t i = map_run(a, 1, CHUNK_OPEN);
	if (i != a->chunk_slots)
		chunk_begin(&a->chunk[i], i);
	return i;
}

static void give_back(struct arena *a, uint32_t i)
{
	struct chunk *c = &a->chunk[i];
	if (c->run == 1 && a->kept < a->promised + KEEP_EMPTY) {
		if (a->protect)
			mprotect(chunk_address(a, i), CHUNK_OCTETS, PROT_READ | PROT_WRITE);
		c->state = CHUNK_KEPT;
		a->kept++;
	} else {
		unmap_pages(a, i, c->run);
	}
}

// --- retiring ----------------------------------------------------------------

static void after_grace(struct rcu_retired *item)
{
	struct chunk *c = (struct chunk *)((char *)item - offsetof(struct chunk, retired));
	struct arena *a = c->arena;
	pthread_mutex_lock(&a->lock);
	a->retired -= c->run;
	give_back(a, (uint32_t)(c - a->chunk));
	pthread_mutex_unlock(&a->lock);
}

// Retires the chunk if it is sealed and empty; the lock is held.
static void retire_if_empty(struct arena *a, uint32_t i)
{
	struct chunk *c = &a->chunk[i];
	if (c->state != CHUNK_SEALED || atomic_load_explicit(&c->live, memory_order_relaxed) != 0)
		return;
	c->arena = a;
	c->state = CHUNK_RETIRED;
	a->retired += c->run;
	rcu_retire(&c->retired, after_grace);
}

static void seal_chunk(struct arena *a, uint32_t i)
{
	struct chunk *c = &a->chunk[i];
	c->state = CHUNK_SEALED;
	if (a->protect)
		mprotect(chunk_address(a, i), (size_t)c->run * CHUNK_OCTETS, PROT_READ);
	retire_if_empty(a, i);
}

// --- garbage -------------------------------------------------------------------

static enum result garbage_grow(struct arena_garbage *g, uint32_t slots)
{
	struct arena_garbage bigger = { .slot = calloc(slots, sizeof(bigger.slot[0])),
					.slots = slots };
	if (!bigger.slot)
		return RESULT_NO_MEMORY;
	for (uint32_t i = 0; i < g->slots; i++)
		if (g->slot[i].chunk_plus_1)
			arena_garbage_note(&bigger, (g->slot[i].chunk_plus_1 - 1) << CHUNK_SHIFT,
					   g->slot[i].cells);
	free(g->slot);
	*g = bigger;
	return RESULT_OK;
}

// Three quarters of the slots may be used.
enum result arena_garbage_reserve(struct arena_garbage *g, uint32_t chunks)
{
	uint32_t slots = g->slots ? g->slots : 16;
	while ((g->used + chunks) * 4 > slots * 3)
		slots *= 2;
	return slots == g->slots ? RESULT_OK : garbage_grow(g, slots);
}

enum result arena_garbage_note(struct arena_garbage *g, cell_ref ref, uint32_t cells)
{
	if (arena_garbage_reserve(g, 1) != RESULT_OK)
		return RESULT_NO_MEMORY;
	uint32_t wanted = (ref >> CHUNK_SHIFT) + 1;
	uint32_t at = wanted * 0x9e3779b1u & (g->slots - 1);
	while (g->slot[at].chunk_plus_1 && g->slot[at].chunk_plus_1 != wanted)
		at = (at + 1) & (g->slots - 1);
	g->used += g->slot[at].chunk_plus_1 == 0;
	g->slot[at].chunk_plus_1 = wanted;
	g->slot[at].cells += cells;
	g->cells += cells;
	return RESULT_OK;
}

void arena_garbage_apply(struct arena *a, struct arena_garbage *g)
{
	pthread_mutex_lock(&a->lock);
	for (uint32_t i = 0; i < g->slots; i++) {
		if (!g->slot[i].chunk_plus_1)
			continue;
		uint32_t chunk = g->slot[i].chunk_plus_1 - 1;
		int64_t before = atomic_fetch_sub_explicit(&a->chunk[chunk].live, g->slot[i].cells,
							   memory_order_relaxed);
		assert(before >= g->slot[i].cells);
		(void)before;
		retire_if_empty(a, chunk);
	}
	pthread_mutex_unlock(&a->lock);
	if (g->slots)
		memset(g->slot, 0, g->slots * sizeof(g->slot[0]));
	g->used = 0;
	g->cells = 0;
}

void arena_garbage_forget(struct arena_garbage *g)
{
	free(g->slot);
	*g = (struct arena_garbage){ 0 };
}

// --- writing -------------------------------------------------------------------

void arena_writer_init(struct arena_writer *w, struct arena *a)
{
	*w = (struct arena_writer){ .arena = a };
}

enum result arena_writer_room(struct arena_writer *w, uint32_t chunks)
{
	uint32_t room = w->chunk_room ? w->chunk_room : 4;
	while (room < w->chunk_count + chunks)
		room *= 2;
	if (room == w->chunk_room)
		return RESULT_OK;
	uint32_t *bigger = realloc(w->chunks, room * sizeof(*bigger));
	if (!bigger)
		return RESULT_NO_MEMORY;
	w->chunks = bigger;
	w->chunk_room = room;
	return RESULT_OK;
}

static bool writer_remember(struct arena_writer *w, uint32_t chunk)
{
	if (arena_writer_room(w, 1) != RESULT_OK)
		return false;
	w->chunks[w->chunk_count++] = chunk;
	return true;
}

static void writer_own(struct arena_writer *w, uint32_t i)
{
	struct chunk *c = &w->arena->chunk[i];
	c->fence = c->used;
	c->writer_live = 0;
	atomic_store_explicit(&c->writer, w, memory_order_relaxed);
}

// Opens another chunk for the writer: the last of w->chunks.
static bool writer_open(struct arena_writer *w, uint32_t cells)
{
	struct arena *a = w->arena;
	bool opened = false;
	pthread_mutex_lock(&a->lock);
	uint32_t i = a->chunk_slots;
	if (w->chunk_count == 0 && a->spare_count > 0) {
		uint32_t spare = a->spare[a->spare_count - 1];
		if (a->chunk[spare].used + cells <= CHUNK_CELLS) {
			a->spare_count--;
			i = spare;
		}
	}
	if (i == a->chunk_slots)
		i = take_chunk(a, w->privileged);
	if (i == a->chunk_slots)
		goto unlock;
	if (!writer_remember(w, i)) {
		a->chunk[i].state = CHUNK_SEALED;
		retire_if_empty(a, i);
		goto unlock;
	}
	writer_own(w, i);
	opened = true;
unlock:
	pthread_mutex_unlock(&a->lock);
	return opened;
}

static cell_ref alloc_run(struct arena_writer *w, uint32_t cells)
{
	struct arena *a = w->arena;
	cell_ref ref = 0;
	pthread_mutex_lock(&a->lock);
	// Chunk 0 cannot begin a run: its first cell is "none".
	uint32_t count = (cells + CHUNK_CELLS - 1) / CHUNK_CELLS;
	if (a->search_from == 0)
		a->search_from = a->chunk[0].state == CHUNK_FREE;
	uint32_t first = map_run(a, count, CHUNK_OPEN);
	if (first == a->chunk_slots)
		goto unlock;
	chunk_begin(&a->chunk[first], first);
	if (!writer_remember(w, first)) {
		unmap_pages(a, first, count);
		goto unlock;
	}
	// What is bump-allocated from stays last.
	if (w->chunk_count > 1) {
		w->chunks[w->chunk_count - 1] = w->chunks[w->chunk_count - 2];
		w->chunks[w->chunk_count - 2] = first;
	}
	writer_own(w, first);
	a->chunk[first].used = CHUNK_CELLS;
	a->chunk[first].writer_live = cells;
	atomic_store_explicit(&a->chunk[first].live, cells, memory_order_relaxed);
	ref = first << CHUNK_SHIFT;
	w->allocated += cells;
	w->live += cells;
unlock:
	if (a->chunk[0].state == CHUNK_FREE)
		a->search_from = 0;
	pthread_mutex_unlock(&a->lock);
	return ref;
}

cell_ref arena_alloc(struct arena_writer *w, uint32_t cells)
{
	struct arena *a = w->arena;
	if (cells > RUN_THRESHOLD)
		return alloc_run(w, cells);
	cell_ref ref = cells <= ARENA_LIST_CELLS ? w->list[cells] : 0;
	if (ref) {
		memcpy(&w->list[cells], arena_cells(a, ref), sizeof(cell_ref));
	} else if (cells > ARENA_LIST_CELLS && cells <= w->large_cells) {
		ref = w->large;
		w->large += cells;
		w->large_cells -= cells;
	} else {
		uint32_t i = w->chunk_count ? w->chunks[w->chunk_count - 1] : 0;
		if (w->chunk_count == 0 || a->chunk[i].used + cells > CHUNK_CELLS) {
			if (!writer_open(w, cells))
				return 0;
			i = w->chunks[w->chunk_count - 1];
		}
		ref = (i << CHUNK_SHIFT) + a->chunk[i].used;
		a->chunk[i].used += cells;
	}
	struct chunk *c = &a->chunk[ref >> CHUNK_SHIFT];
	c->writer_live += cells;
	atomic_fetch_add_explicit(&c->live, cells, memory_order_relaxed);
	w->allocated += cells;
	w->live += cells;
	return ref;
}

// A run of the writer's own, which nobody else has seen, goes at once.
static void release_run(struct arena_writer *w, uint32_t first)
{
	struct arena *a = w->arena;
	uint32_t n = 0;
	while (w->chunks[n] != first)
		n++;
	w->chunk_count--;
	memmove(&w->chunks[n], &w->chunks[n + 1], (w->chunk_count - n) * sizeof(w->chunks[0]));
	pthread_mutex_lock(&a->lock);
	atomic_store_explicit(&a->chunk[first].writer, NULL, memory_order_relaxed);
	give_back(a, first);
	pthread_mutex_unlock(&a->lock);
}

enum result arena_release(struct arena_writer *w, cell_ref ref, uint32_t cells)
{
	if (!arena_owns(w, ref))
		return arena_garbage_note(&w->garbage, ref, cells);
	struct chunk *c = &w->arena->chunk[ref >> CHUNK_SHIFT];
	c->writer_live -= cells;
	atomic_fetch_sub_explicit(&c->live, cells, memory_order_relaxed);
	w->live -= cells;
	if (cells > RUN_THRESHOLD) {
		release_run(w, ref >> CHUNK_SHIFT);
	} else if (cells <= ARENA_LIST_CELLS) {
		memcpy(arena_cells(w->arena, ref), &w->list[cells], sizeof(cell_ref));
		w->list[cells] = ref;
	} else if (cells > w->large_cells) {
		w->large = ref;
		w->large_cells = cells;
	}
	return RESULT_OK;
}

static void writer_reset(struct arena_writer *w)
{
	memset(w->list, 0, sizeof(w->list));
	w->large_cells = 0;
	w->allocated = 0;
	w->live = 0;
}

// Hands the writer's last chunk on if it has room, seals all others.
void arena_writer_seal(struct arena_writer *w)
{
	struct arena *a = w->arena;
	pthread_mutex_lock(&a->lock);
	for (uint32_t n = 0; n < w->chunk_count; n++) {
		uint32_t i = w->chunks[n];
		struct chunk *c = &a->chunk[i];
		atomic_store_explicit(&c->writer, NULL, memory_order_relaxed);
		if (n + 1 == w->chunk_count && c->run == 1 && CHUNK_CELLS - c->used >= SPARE_ROOM)
			a->spare[a->spare_count++] = i;
		else
			seal_chunk(a, i);
	}
	pthread_mutex_unlock(&a->lock);
	free(w->chunks);
	w->chunks = NULL;
	w->chunk_count = w->chunk_room = 0;
	writer_reset(w);
}

void arena_writer_fence(struct arena_writer *w)
{
	struct arena *a = w->arena;
	pthread_mutex_lock(&a->lock);
	for (uint32_t n = 0; n + 1 < w->chunk_count; n++) {
		atomic_store_explicit(&a->chunk[w->chunks[n]].writer, NULL, memory_order_relaxed);
		seal_chunk(a, w->chunks[n]);
	}
	if (w->chunk_count) {
		w->chunks[0] = w->chunks[w->chunk_count - 1];
		w->chunk_count = 1;
		writer_own(w, w->chunks[0]);
	}
	pthread_mutex_unlock(&a->lock);
	writer_reset(w);
}

void arena_writer_abort(struct arena_writer *w)
{
	struct arena *a = w->arena;
	pthread_mutex_lock(&a->lock);
	for (uint32_t n = 0; n < w->chunk_count; n++) {
		uint32_t i = w->chunks[n];
		struct chunk *c = &a->chunk[i];
		atomic_store_explicit(&c->writer, NULL, memory_order_relaxed);
		atomic_fetch_sub_explicit(&c->live, c->writer_live, memory_order_relaxed);
		c->used = c->fence;
		if (c->fence <= (i == 0))
			give_back(a, i); // nobody else ever wrote there
		else
			a->spare[a->spare_count++] = i;
	}
	pthread_mutex_unlock(&a->lock);
	free(w->chunks);
	arena_garbage_forget(&w->garbage);
	arena_writer_init(w, a);
}

enum result arena_promise(struct arena *a, uint32_t chunks)
{
	enum result r = RESULT_OK;
	pthread_mutex_lock(&a->lock);
	a->promised = chunks;
	while (r == RESULT_OK && a->kept < chunks) {
		uint32_t i = map_run(a, 1, CHUNK_KEPT);
		if (i == a->chunk_slots)
			r = RESULT_NO_MEMORY;
		else
			a->kept++;
	}
	pthread_mutex_unlock(&a->lock);
	return r;
}

void arena_stats_get(struct arena *a, struct arena_stats *out)
{
	struct arena_stats s = { 0 };
	pthread_mutex_lock(&a->lock);
	s.chunks = a->mapped;
	s.huge = a->huge;
	s.retired = a->retired;
	for (uint32_t i = 0; i < a->chunk_slots; i++) {
		const struct chunk *c = &a->chunk[i];
		if (c->state != CHUNK_OPEN && c->state != CHUNK_SEALED)
			continue;
		int64_t live = atomic_load_explicit(&c->live, memory_order_relaxed);
		s.octets_live += (uint64_t)live * CELL_OCTETS;
		s.octets_used += c->state == CHUNK_SEALED ? (uint64_t)c->run * CHUNK_OCTETS
							  : (uint64_t)live * CELL_OCTETS;
	}
	pthread_mutex_unlock(&a->lock);
	*out = s;
}

// What emptying the chunk would gain; 0 if it is not sparse. The lock is held.
static uint64_t sparse_cells(const struct chunk *c)
{
	int64_t live = atomic_load_explicit(&c->live, memory_order_relaxed);
	bool sparse = c->state == CHUNK_SEALED && c->run == 1 && live < CHUNK_CELLS / 2;
	return sparse ? CHUNK_CELLS - (uint64_t)live : 0;
}

uint64_t arena_sparse_chunks(struct arena *a, bool *sparse)
{
	uint64_t gain = 0;
	pthread_mutex_lock(&a->lock);
	for (uint32_t i = 0; i < a->chunk_slots; i++) {
		uint64_t cells = sparse_cells(&a->chunk[i]);
		sparse[i] = cells > 0;
		gain += cells;
	}
	pthread_mutex_unlock(&a->lock);
	return gain;
}

uint64_t arena_still_sparse(struct arena *a, const bool *sparse)
{
	uint64_t gain = 0;
	pthread_mutex_lock(&a->lock);
	for (uint32_t i = 0; i < a->chunk_slots; i++)
		gain += sparse[i] ? sparse_cells(&a->chunk[i]) : 0;
	pthread_mutex_unlock(&a->lock);
	return gain;
}
