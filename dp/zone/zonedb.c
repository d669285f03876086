// SPDX-License-Identifier: BSD-3-Clause
// The zones database: versions, and publishing them by one swap.
#include "db.h"

#include <stdlib.h>

#include "node.h"

// Catalogue cells set aside for publishing: a longest path once, and what one
// more zone takes on the average path, with room to spare.
#define PATH_CELLS    (KEY_MAX * 70u)
#define VERSION_CELLS 256u

enum result zonedb_new(const struct zonedb_options *options, struct zonedb **out)
{
	struct zonedb *db = calloc(1, sizeof(*db));
	struct catalog *empty = calloc(1, sizeof(*empty));
	enum result r = RESULT_NO_MEMORY;
	if (db && empty)
		r = arena_new(options->max_octets, options->hugepages, options->protect,
			      &db->arena);
	if (r != RESULT_OK) {
		free(empty);
		free(db);
		return r;
	}
	empty->base = db->arena->base;
	empty->db = db;
	pthread_mutex_init(&db->lock, NULL);
	arena_writer_init(&db->publisher, db->arena);
	db->publisher.privileged = true;
	rcu_pointer_exchange(&db->current, empty);
	*out = db;
	return RESULT_OK;
}

void zonedb_free(struct zonedb *db)
{
	rcu_barrier_all();
	free(rcu_pointer_read(&db->current));
	zonedb_compaction_free(db->compaction);
	free(db->publisher.chunks);
	arena_garbage_forget(&db->publisher.garbage);
	arena_free(db->arena);
	pthread_mutex_destroy(&db->lock);
	free(db);
}

const struct catalog *zonedb_view(const struct zonedb *db)
{
	return rcu_pointer_read(&db->current);
}

static struct trie catalog_trie(struct zonedb *db)
{
	const struct catalog *now = rcu_pointer_read(&db->current);
	return (struct trie){ .w = &db->publisher, .root = now->root, .kind = TRIE_CATALOG };
}

static cell_ref catalog_head(const struct trie *t, const uint8_t *apex, struct trie_key *k)
{
	k->len = key_from_name(k->symbol, apex, (unsigned)name_length(apex));
	const struct twig *leaf = trie_get(t, k);
	return leaf ? leaf->ref : 0;
}

cell_ref zonedb_head(struct zonedb *db, const uint8_t *apex)
{
	struct trie_key k;
	pthread_mutex_lock(&db->lock);
	struct trie t = catalog_trie(db);
	cell_ref head = catalog_head(&t, apex, &k);
	pthread_mutex_unlock(&db->lock);
	return head;
}

// --- versions ----------------------------------------------------------------------

// Everything that publishing one more version may need; the lock is held.
static enum result set_aside(struct zonedb *db)
{
	uint64_t versions = db->outstanding + 1;
	uint64_t chunks = 1 + (PATH_CELLS + versions * VERSION_CELLS) / CHUNK_CELLS;
	enum result r = arena_writer_room(&db->publisher, (uint32_t)chunks + 1);
	if (r == RESULT_OK)
		r = arena_garbage_reserve(&db->publisher.garbage, (uint32_t)(KEY_MAX + versions));
	if (r == RESULT_OK)
		r = arena_promise(db->arena, (uint32_t)chunks);
	return r;
}

enum result zone_version_new(struct zonedb *db, const uint8_t *apex, enum version_kind kind,
			     struct zone_version **out)
{
	struct zone_version *v = calloc(1, sizeof(*v));
	struct catalog *next = calloc(1, sizeof(*next));
	enum result r = RESULT_NO_MEMORY;
	if (v && next) {
		pthread_mutex_lock(&db->lock);
		r = set_aside(db);
		db->outstanding += r == RESULT_OK;
		pthread_mutex_unlock(&db->lock);
	}
	if (r != RESULT_OK) {
		free(v);
		free(next);
		return r;
	}
	v->db = db;
	v->next = next;
	next->base = db->arena->base;
	v->kind = kind;
	arena_writer_init(&v->w, db->arena);
	name_copy(&v->apex, apex);
	*out = v;
	return RESULT_OK;
}

const struct zone *zone_version_zone(const struct zone_version *v, const struct catalog **view)
{
	if (v->kind != VERSION_NEW || !v->head)
		return NULL;
	*view = v->next;
	return zonedb_zone(v->db, v->head);
}

void zone_version_discard(struct zone_version *v)
{
	struct zonedb *db = v->db;
	arena_writer_abort(&v->w);
	pthread_mutex_lock(&db->lock);
	db->outstanding--;
	pthread_mutex_unlock(&db->lock);
	free(v->next);
	free(v);
}

// Noting garbage on a walk.
struct noting {
	const uint8_t *base;
	struct arena_garbage *g;
	enum result r;
};

static void note(struct noting *n, cell_ref ref, uint32_t cells)
{
	if (n->r == RESULT_OK)
		n->r = arena_garbage_note(n->g, ref, cells);
}

static void note_twigs(void *arg, cell_ref array, unsigned count)
{
	note(arg, array, twigs_cells(count));
}

static void note_indirect(void *arg, const uint8_t *at, uint32_t octets)
{
	cell_ref ref;
	memcpy(&ref, at, sizeof(ref));
	note(arg, ref, cells_for(octets));
}

static void note_node(void *arg, const struct twig *leaf)
{
	struct noting *n = arg;
	const struct node *node = cell_at(n->base, leaf->ref);
	note(n, leaf->ref, node_cells(node));
	if (twig_word(leaf) & LEAF_INDIRECT)
		node_each_indirect(node, note_indirect, n);
}

enum result zone_note_all(const struct zonedb *db, const struct zone *z, struct arena_garbage *g)
{
	struct noting n = { .base = db->arena->base, .g = g, .r = RESULT_OK };
	const struct trie_visitor v = { .leaf = note_node, .twigs = note_twigs, .arg = &n };
	if (z->root.ref)
		trie_visit(n.base, &z->root, &v);
	if (z->nsec3_root.ref)
		trie_visit(n.base, &z->nsec3_root, &v);
	for (cell_ref ref = z->commons; ref;) {
		const struct commons_block *b = cell_at(n.base, ref);
		note(&n, ref, b->cells);
		ref = b->next;
	}
	return n.r;
}

uint32_t zone_version_serial(const struct zone_version *v)
{
	return v->head ? zonedb_zone(v->db, v->head)->soa.serial : 0;
}

void zone_version_soa(const struct zone_version *v, struct soa *out)
{
	*out = v->head ? zonedb_zone(v->db, v->head)->soa : (struct soa){ 0 };
}

void zone_version_set_expiry(struct zone_version *v, uint64_t unix_s)
{
	if (v->head)
		((struct zone *)arena_cells(v->db->arena, v->head))->expires_unix_s = unix_s;
	v->expires_unix_s = unix_s;
}

void zone_version_expire(struct zone_version *v)
{
	struct zone *z = arena_cells(v->db->arena, v->head);
	z->state = ZONE_EXPIRED;
}

// A version that replaces the published one by its state or its absence;
// `whole`: the zone's content goes with it.
static enum result version_of_state(struct zonedb *db, const uint8_t *apex, enum version_kind kind,
				    bool whole, struct zone_version **out)
{
	struct zone_version *v;
	enum result r = zone_version_new(db, apex, kind, &v);
	if (r != RESULT_OK)
		return r;
	cell_ref old = zonedb_head(db, apex);
	if (old && whole)
		r = zone_note_all(db, zonedb_zone(db, old), &v->w.garbage);
	if (r == RESULT_OK)
		r = arena_garbage_reserve(&v->w.garbage, 1);
	if (r != RESULT_OK) {
		zone_version_discard(v);
		return r;
	}
	*out = v;
	return RESULT_OK;
}

enum result zone_version_not_loaded(struct zonedb *db, const uint8_t *apex,
				    struct zone_version **out)
{
	return version_of_state(db, apex, VERSION_STATE, true, out);
}

enum result zone_version_marked(struct zonedb *db, const uint8_t *apex, enum zone_state state,
				struct zone_version **out)
{
	if (state == ZONE_NOT_LOADED)
		return RESULT_INVALID;
	cell_ref old = zonedb_head(db, apex);
	if (!old || zonedb_zone(db, old)->state == ZONE_NOT_LOADED)
		return RESULT_NOT_FOUND;
	enum result r = version_of_state(db, apex, VERSION_STATE, false, out);
	if (r == RESULT_OK)
		(*out)->state = state;
	return r;
}

enum result zone_version_removed(struct zonedb *db, const uint8_t *apex, struct zone_version **out)
{
	if (!zonedb_head(db, apex))
		return RESULT_NOT_FOUND;
	return version_of_state(db, apex, VERSION_REMOVE, true, out);
}

// --- publishing ----------------------------------------------------------------------

// The head that VERSION_STATE puts in place of `old`, from the publisher's cells.
static cell_ref state_head(struct zonedb *db, const struct zone_version *v, cell_ref old)
{
	bool copy = old && v->state != ZONE_NOT_LOADED;
	uint32_t cells = copy ? zone_head_cells(zonedb_zone(db, old))
			      : cells_for(offsetof(struct zone, apex) + v->apex.len);
	cell_ref ref = arena_alloc(&db->publisher, cells);
	assert(ref); // set aside
	struct zone *z = arena_cells(db->arena, ref);
	if (copy) {
		memcpy(z, zonedb_zone(db, old), (size_t)cells * CELL_OCTETS);
	} else {
		memset(z, 0, sizeof(*z));
		z->cells = cells;
		z->apex_labels = v->apex.labels;
		z->apex_len = v->apex.len;
		memcpy(z->apex, v->apex.wire, v->apex.len);
	}
	z->state = (uint8_t)v->state;
	z->expires_unix_s = v->expires_unix_s;
	return ref;
}

// Nobody is left who sees it.
static void free_catalog(struct rcu_retired *item)
{
	struct catalog *c =
		(struct catalog *)(void *)((char *)item - offsetof(struct catalog, retired));
	atomic_store_explicit(&c->db->settled, c->generation + 1, memory_order_relaxed);
	free(c);
}

uint64_t zonedb_settled(const struct zonedb *db)
{
	return atomic_load_explicit(&((struct zonedb *)(uintptr_t)db)->settled,
				    memory_order_relaxed);
}

void zonedb_swap(struct zonedb *db, struct catalog *next, struct twig root, int64_t zones_more)
{
	const struct catalog *now = rcu_pointer_read(&db->current);
	next->base = now->base;
	next->db = db;
	next->root = root;
	next->zones = now->zones + (uint64_t)zones_more;
	next->generation = now->generation + 1;
	arena_writer_fence(&db->publisher);
	struct catalog *old = rcu_pointer_exchange(&db->current, next);
	rcu_retire(&old->retired, free_catalog);
	arena_garbage_apply(db->arena, &db->publisher.garbage);
}

// Changes the catalogue by one version; returns how many zones more there are.
static int catalog_change(struct zonedb *db, struct trie *t, struct zone_version *v)
{
	struct trie_key k;
	enum result r = RESULT_OK;
	cell_ref old = catalog_head(t, v->apex.wire, &k);
	cell_ref head = v->kind == VERSION_NEW ? v->head : 0;
	if (v->kind == VERSION_STATE)
		head = state_head(db, v, old);
	if (head)
		r = trie_put(t, &k, 0, head);
	else if (old)
		r = trie_remove(t, &k);
	// A head made by this very publication is released by its maker.
	if (r == RESULT_OK && old && arena_owns(&db->publisher, old))
		r = arena_release(&db->publisher, old, zone_head_cells(zonedb_zone(db, old)));
	else if (r == RESULT_OK && old)
		r = arena_garbage_note(&v->w.garbage, old, zone_head_cells(zonedb_zone(db, old)));
	assert(r == RESULT_OK); // all was set aside
	(void)r;
	return (head != 0) - (old != 0);
}

void zonedb_publish(struct zonedb *db, struct zone_version *const versions[], size_t n)
{
	if (n == 0)
		return;
	pthread_mutex_lock(&db->lock);
	struct trie t = catalog_trie(db);
	int64_t zones_more = 0;
	for (size_t i = 0; i < n; i++) {
		arena_writer_seal(&versions[i]->w);
		zones_more += catalog_change(db, &t, versions[i]);
	}
	zonedb_swap(db, versions[0]->next, t.root, zones_more);
	versions[0]->next = NULL;
	for (size_t i = 0; i < n; i++) {
		arena_garbage_apply(db->arena, &versions[i]->w.garbage);
		arena_garbage_forget(&versions[i]->w.garbage);
		free(versions[i]->next);
		free(versions[i]);
	}
	db->outstanding -= n;
	if (db->outstanding == 0) // else what others have set aside stays
		arena_garbage_forget(&db->publisher.garbage);
	db->published++;
	pthread_mutex_unlock(&db->lock);
}

void zonedb_stats(const struct zonedb *db, struct zonedb_stats *out)
{
	struct zonedb *d = (struct zonedb *)(uintptr_t)db;
	struct arena_stats a;
	pthread_mutex_lock(&d->lock);
	arena_stats_get(d->arena, &a);
	*out = (struct zonedb_stats){ .chunks = a.chunks,
				      .chunks_huge = a.huge,
				      .chunks_retired = a.retired,
				      .octets_live = a.octets_live,
				      .octets_garbage = a.octets_used - a.octets_live,
				      .published = d->published,
				      .compactions = d->compactions };
	pthread_mutex_unlock(&d->lock);
}
