// SPDX-License-Identifier: BSD-3-Clause
// Transactions: a new version of one zone is built where nobody sees it.
//
// Records of one owner that come one after the other are gathered and merged
// into its node at once: transfers send them so, and a node is written once.
//
// A transaction that does not change the published version but replaces it
// starts from its trie all the same. The first records of an owner replace its
// node, or keep it if that is equal; what is neither replaced nor kept when the
// transaction ends is dropped. So a new version shares with the old one what is
// equal, and takes little memory beside it.
#include <stdlib.h>

#include "db.h"
#include "image.h"
#include "node.h"
#include "nsec3.h"
#include "understudy/rr.h"

#define SHARING_NODES 64u // of a zone whose names share RRsets

struct zone_txn {
	struct zonedb *db;
	struct zone_version *version;
	struct arena_writer *w; // the version's
	struct trie names;
	struct trie nsec3; // owners of NSEC3 records
	struct zone_txn_options options;
	struct zone_txn_stats stats;
	struct name apex; // in the case that is kept
	bool apex_kept;   // the SOA's owner was seen: its case is the zone's
	uint64_t records, nodes;
	uint64_t base_cells; // of the version that this one started from
	bool replacing;      // what is published goes, unless it comes again
	uint8_t **kept;      // replacing: by chunk, a bit for each cell where a kept node begins
	bool broken;         // out of memory, or too many types: it can only be aborted
	struct image_pieces pieces;

	struct name owner; // of the pending changes
	struct trie *trie; // where they go
	struct node_changes pending;
	struct node_removal removal; // or instead of them what goes from one RRset of the owner's
	struct commons commons;      // used where a zone is made anew
	struct trie_key key;
};

// --- beginning ------------------------------------------------------------------

static void txn_set_apex(struct zone_txn *t, const uint8_t *apex)
{
	name_copy(&t->apex, apex);
	t->names.prefix_len = key_from_name(t->names.prefix, t->apex.wire, t->apex.len);
	memcpy(t->nsec3.prefix, t->names.prefix, t->names.prefix_len);
	t->nsec3.prefix_len = t->names.prefix_len;
}

enum result zone_txn_begin(struct zonedb *db, const struct zone_txn_options *options,
			   struct zone_txn **out)
{
	cell_ref old_head = zonedb_head(db, options->apex);
	if (options->from_published && !old_head)
		return RESULT_NOT_FOUND;
	struct zone_txn *t = calloc(1, sizeof(*t));
	if (!t)
		return RESULT_NO_MEMORY;
	enum result r = zone_version_new(db, options->apex, VERSION_NEW, &t->version);
	if (r != RESULT_OK) {
		free(t);
		return r;
	}
	t->db = db;
	t->options = *options;
	t->w = &t->version->w;
	t->names.w = t->nsec3.w = t->w;
	t->names.kind = t->nsec3.kind = TRIE_NODES;
	t->commons.w = t->w;
	txn_set_apex(t, options->apex);
	t->options.apex = t->apex.wire;
	*out = t;
	const struct zone *z = old_head ? zonedb_zone(db, old_head) : NULL;
	if (!z || (!options->from_published && !z->root.ref))
		return RESULT_OK; // there is nothing to start from
	t->names.root = z->root;
	t->nsec3.root = z->nsec3_root;
	t->commons.block = z->commons;
	t->base_cells = z->cells - zone_head_cells(z);
	t->replacing = !options->from_published && (z->root.ref || z->nsec3_root.ref);
	if (t->replacing) {
		t->kept = calloc(db->arena->chunk_slots, sizeof(*t->kept));
		if (!t->kept) {
			zone_txn_abort(t);
			return RESULT_NO_MEMORY;
		}
	}
	if (!options->from_published)
		return RESULT_OK;
	txn_set_apex(t, z->apex);
	t->apex_kept = true;
	t->records = z->records;
	t->nodes = z->nodes;
	return RESULT_OK;
}

static void kept_free(struct zone_txn *t)
{
	for (uint32_t i = 0; t->kept && i < t->db->arena->chunk_slots; i++)
		free(t->kept[i]);
	free(t->kept);
	t->kept = NULL;
}

static void txn_free(struct zone_txn *t)
{
	kept_free(t);
	image_pieces_free(&t->pieces);
	commons_close(&t->commons);
	node_changes_free(&t->pending);
	node_removal_end(&t->removal);
	free(t);
}

void zone_txn_abort(struct zone_txn *t)
{
	zone_version_discard(t->version);
	txn_free(t);
}

// --- replacing: what was kept ------------------------------------------------------

#define KEPT_OCTETS (CHUNK_CELLS / 8)

static bool txn_kept(const struct zone_txn *t, cell_ref ref)
{
	const uint8_t *bits = t->kept[ref >> CHUNK_SHIFT];
	uint32_t cell = ref & (CHUNK_CELLS - 1);
	return bits && (bits[cell / 8] & 1u << cell % 8);
}

static enum result txn_keep(struct zone_txn *t, cell_ref ref)
{
	uint8_t **bits = &t->kept[ref >> CHUNK_SHIFT];
	uint32_t cell = ref & (CHUNK_CELLS - 1);
	if (!*bits && !(*bits = calloc(1, KEPT_OCTETS)))
		return RESULT_NO_MEMORY;
	(*bits)[cell / 8] |= (uint8_t)(1u << cell % 8);
	return RESULT_OK;
}

// Whether a node of the trie belongs to the new version already.
static bool txn_has(const struct zone_txn *t, cell_ref ref)
{
	return !t->replacing || arena_owns(t->w, ref) || txn_kept(t, ref);
}

// --- changing --------------------------------------------------------------------

static const struct node *txn_node(const struct zone_txn *t, cell_ref ref)
{
	return cell_at(t->db->arena->base, ref);
}

// The owner without the apex's labels.
static struct node_place txn_place(const struct zone_txn *t, const struct name *owner,
				   const struct node *old)
{
	struct node_place p = { .name = owner->wire,
				.name_len = (uint8_t)(owner->len - t->apex.len) };
	if (old)
		p.name = node_name(old);
	p.apex = p.name_len == 0;
	return p;
}

// NSEC3 records and their signatures have a trie of their own: their owners do
// not exist for those who ask (RFC 5155 section 7.2.8). Elsewhere than one label
// below the apex they can deny nothing, and are records like all others.
static struct trie *txn_trie(struct zone_txn *t, const struct zone_record *r)
{
	bool nsec3 = r->type == RRTYPE_NSEC3 || (r->type == RRTYPE_RRSIG && r->rdata_len >= 2 &&
						 wire_peek_be16(r->rdata) == RRTYPE_NSEC3);
	return nsec3 && name_label_count(r->owner) == t->apex.labels + 1u ? &t->nsec3 : &t->names;
}

// Puts what a node became into its trie and counts. `allocated` is what was before it was made:
// a node that this transaction has made before is written again, and costs what that takes.
static enum result txn_replace(struct zone_txn *t, const struct node *old,
			       const struct node_made *made, uint64_t allocated)
{
	uint32_t old_cells = old ? node_cells(old) : 0;
	cell_ref old_ref = old ? node_ref(t->db->arena->base, old) : 0;
	bool again = old && arena_owns(t->w, old_ref);
	if (old && txn_has(t, old_ref)) {
		t->records -= node_record_count(old);
		t->nodes--;
		t->stats.contradictions -= node_is_contradictory(old);
	}
	enum result r = RESULT_OK;
	if (made->ref == old_ref)
		r = txn_keep(t, old_ref);
	else if (made->ref)
		r = trie_put(t->trie, &t->key, made->leaf_bits, made->ref);
	else
		r = trie_remove(t->trie, &t->key);
	if (r == RESULT_OK && old && made->ref != old_ref)
		r = arena_release(t->w, old_ref, old_cells);
	if (made->ref) {
		t->records += made->records;
		t->nodes++;
		t->stats.contradictions += node_is_contradictory(txn_node(t, made->ref));
	}
	if (again)
		t->stats.again_octets += (t->w->allocated - allocated) * CELL_OCTETS;
	return r;
}

// A zone that is made anew and not small, or shares RRsets already, shares them. The table
// for it would not pay for what an IXFR changes.
static void txn_share(struct zone_txn *t)
{
	if (t->pending.commons || t->options.from_published ||
	    (t->nodes < SHARING_NODES && !t->commons.block))
		return;
	if (commons_open(&t->commons) == RESULT_OK)
		t->pending.commons = &t->commons;
}

static enum result txn_flush_removal(struct zone_txn *t)
{
	const struct node *old = t->removal.from;
	struct node_place place = txn_place(t, &t->owner, old);
	struct node_made made;
	enum result r = RESULT_OK;
	uint64_t allocated = t->w->allocated;
	if (t->removal.gone) {
		t->key.len = key_from_name(t->key.symbol, t->owner.wire, t->owner.len);
		r = node_removal_apply(t->w, &place, &t->removal, &t->pending, &made);
		node_changes_clear(&t->pending);
		if (r == RESULT_OK)
			r = txn_replace(t, old, &made, allocated);
	}
	node_removal_end(&t->removal);
	if (r != RESULT_OK)
		t->broken = true;
	return r;
}

static enum result txn_flush(struct zone_txn *t)
{
	if (t->removal.from)
		return txn_flush_removal(t);
	if (t->pending.count == 0)
		return RESULT_OK;
	txn_share(t);
	t->key.len = key_from_name(t->key.symbol, t->owner.wire, t->owner.len);
	const struct twig *leaf = trie_get(t->trie, &t->key);
	const struct node *old = leaf ? txn_node(t, leaf->ref) : NULL;
	bool replace = old && !txn_has(t, leaf->ref);
	uint64_t allocated = t->w->allocated;
	struct node_place place = txn_place(t, &t->owner, replace ? NULL : old);
	struct node_made made;
	enum result r = replace ? node_replace(t->w, &place, old, &t->pending, &made)
				: node_merge(t->w, &place, old, &t->pending, &made);
	node_changes_clear(&t->pending);
	if (r == RESULT_OK) {
		t->stats.duplicates += made.duplicates;
		t->stats.ttl_lowered += made.ttl_lowered;
		r = txn_replace(t, old, &made, allocated);
	}
	if (r != RESULT_OK)
		t->broken = true;
	return r;
}

static enum result txn_owner(struct zone_txn *t, const struct zone_record *r)
{
	if (t->broken)
		return RESULT_NO_MEMORY;
	if (!name_is_at_or_below(r->owner, t->apex.wire)) {
		t->stats.out_of_zone++;
		return RESULT_OUT_OF_ZONE;
	}
	return RESULT_OK;
}

// The apex's case as its SOA was received is the zone's.
static void txn_apex_case(struct zone_txn *t, const struct zone_record *r)
{
	if (r->type == RRTYPE_SOA && !t->apex_kept && name_equal(r->owner, t->apex.wire)) {
		name_copy(&t->apex, r->owner);
		t->apex_kept = true;
	}
}

enum result zone_txn_add(struct zone_txn *t, const struct zone_record *r)
{
	enum result result = txn_owner(t, r);
	if (result == RESULT_OK && t->removal.from)
		result = txn_flush(t);
	if (result != RESULT_OK)
		return result;
	if (t->options.max_records && t->records + t->pending.count >= t->options.max_records)
		return RESULT_LIMIT;
	txn_apex_case(t, r);
	size_t len = name_length(r->owner);
	struct trie *trie = txn_trie(t, r);
	bool same =
		t->pending.count > 0 && t->trie == trie && t->owner.len == len &&
		(memcmp(t->owner.wire, r->owner, len) == 0 || name_equal(t->owner.wire, r->owner));
	if (!same) {
		result = txn_flush(t);
		name_copy(&t->owner, r->owner);
		t->trie = trie;
	}
	if (result == RESULT_OK)
		result = node_changes_add(&t->pending, r);
	if (result == RESULT_OK)
		t->stats.added++;
	else
		t->broken = true;
	return result;
}

// Of an RRset that stands in its node: at once.
static enum result txn_without(struct zone_txn *t, const struct node *old,
			       const struct zone_record *r)
{
	struct node_place place = txn_place(t, &t->owner, old);
	struct node_made made;
	uint64_t allocated = t->w->allocated;
	enum result result = node_without(t->w, &place, old, r, &t->pending, &made);
	node_changes_clear(&t->pending);
	if (result == RESULT_OK)
		result = txn_replace(t, old, &made, allocated);
	return result;
}

static enum result txn_delete(struct zone_txn *t, const struct zone_record *r)
{
	enum result result = txn_flush(t);
	if (result != RESULT_OK)
		return result;
	name_copy(&t->owner, r->owner);
	t->key.len = key_from_name(t->key.symbol, t->owner.wire, t->owner.len);
	t->trie = txn_trie(t, r);
	const struct twig *leaf = trie_get(t->trie, &t->key);
	if (!leaf || !txn_has(t, leaf->ref))
		return RESULT_NOT_FOUND;
	const struct node *old = txn_node(t, leaf->ref);
	result = node_removal_begin(&t->removal, t->db->arena->base, old, r);
	if (result == RESULT_OK)
		return node_removal_take(&t->removal, r);
	return result == RESULT_NOT_FOUND ? txn_without(t, old, r) : result;
}

enum result zone_txn_delete(struct zone_txn *t, const struct zone_record *r)
{
	enum result result = txn_owner(t, r);
	if (result != RESULT_OK)
		return result;
	bool going_on = node_removal_is_of(&t->removal, r) && t->trie == txn_trie(t, r) &&
			name_equal(t->owner.wire, r->owner);
	result = going_on ? node_removal_take(&t->removal, r) : txn_delete(t, r);
	if (result == RESULT_OK)
		t->stats.deleted++;
	else if (result != RESULT_NOT_FOUND)
		t->broken = true;
	return result;
}

const struct zone_txn_stats *zone_txn_stats(const struct zone_txn *t)
{
	struct zone_txn_stats *s = &((struct zone_txn *)(uintptr_t)t)->stats;
	s->cells_octets = t->w->allocated * CELL_OCTETS;
	s->wait_octets = t->pending.count * sizeof(*t->pending.record) + t->pending.rdata_len +
			 t->removal.count * sizeof(*t->removal.record);
	return s;
}

// --- replacing: what did not come again --------------------------------------------

struct dropping {
	struct zone_txn *t;
	cell_ref *ref;
	size_t count, room;
	enum result r;
};

static void see_leaf(void *arg, const struct twig *leaf)
{
	struct dropping *d = arg;
	if (d->r != RESULT_OK || txn_has(d->t, leaf->ref))
		return;
	if (d->count == d->room) {
		size_t room = d->room ? 2 * d->room : 64;
		cell_ref *bigger = realloc(d->ref, room * sizeof(*bigger));
		if (!bigger) {
			d->r = RESULT_NO_MEMORY;
			return;
		}
		d->ref = bigger;
		d->room = room;
	}
	d->ref[d->count++] = leaf->ref;
}

static void drop_indirect(void *arg, const uint8_t *at, uint32_t octets)
{
	struct dropping *d = arg;
	cell_ref ref;
	memcpy(&ref, at, sizeof(ref));
	if (d->r == RESULT_OK)
		d->r = arena_release(d->t->w, ref, cells_for(octets));
}

static void drop_node(struct dropping *d, struct trie *trie, cell_ref ref)
{
	const struct node *n = txn_node(d->t, ref);
	struct trie_key key;
	key.len = trie_leaf_key(trie, d->t->db->arena->base, ref, key.symbol);
	d->r = trie_remove(trie, &key);
	node_each_indirect(n, drop_indirect, d);
	if (d->r == RESULT_OK)
		d->r = arena_release(d->t->w, ref, node_cells(n));
}

static enum result txn_drop(struct zone_txn *t, struct trie *trie)
{
	struct dropping d = { .t = t, .r = RESULT_OK };
	const struct trie_visitor v = { .leaf = see_leaf, .arg = &d };
	if (!trie->root.ref)
		return RESULT_OK;
	trie_visit(t->db->arena->base, &trie->root, &v);
	for (size_t i = 0; i < d.count && d.r == RESULT_OK; i++)
		drop_node(&d, trie, d.ref[i]);
	free(d.ref);
	return d.r;
}

// --- images ------------------------------------------------------------------------

// Nothing of what is published comes again.
static enum result txn_drop_all(struct zone_txn *t)
{
	cell_ref head = zonedb_head(t->db, t->apex.wire);
	enum result r = RESULT_OK;
	if (t->replacing)
		r = zone_note_all(t->db, zonedb_zone(t->db, head), &t->w->garbage);
	t->names.root = t->nsec3.root = (struct twig){ 0 };
	t->commons.block = 0;
	t->replacing = false;
	kept_free(t);
	return r;
}

enum result zone_txn_piece(struct zone_txn *t, size_t octets, void **where)
{
	assert(!t->options.from_published && t->stats.added == 0);
	enum result r = t->pieces.count ? RESULT_OK : txn_drop_all(t);
	if (r == RESULT_OK)
		r = image_piece_new(&t->pieces, t->w, octets, where);
	if (r == RESULT_NO_MEMORY)
		t->broken = true;
	return r;
}

enum result zone_txn_adopt(struct zone_txn *t, const uint8_t *apex, const struct zone_image *image)
{
	const uint32_t *a = image->root, *b = image->nsec3_root;
	t->names.root = (struct twig){ .low = a[0], .high = a[1], .ref = a[2] };
	t->nsec3.root = (struct twig){ .low = b[0], .high = b[1], .ref = b[2] };
	t->commons.block = image->commons;
	bool ok = image->pieces && image->pieces == t->pieces.count &&
		  name_equal(apex, t->apex.wire) &&
		  image_settle_commons(&t->pieces, t->db->arena, &t->commons.block) &&
		  image_settle(&t->pieces, t->db->arena, &t->names.root) &&
		  image_settle(&t->pieces, t->db->arena, &t->nsec3.root);
	image_pieces_free(&t->pieces);
	if (!ok) {
		t->broken = true;
		return RESULT_MALFORMED;
	}
	txn_set_apex(t, apex);
	t->apex_kept = true;
	t->records = t->stats.added = image->records;
	t->nodes = image->nodes;
	return RESULT_OK;
}

// --- committing ------------------------------------------------------------------

static bool soa_read(const struct rrset *rr, struct soa *out)
{
	const uint8_t *p = rr->records + 2;
	unsigned len = wire_peek_be16(rr->records);
	unsigned at = (unsigned)name_length(p);
	at += (unsigned)name_length(p + at);
	if (rr->count != 1 || len != at + 20)
		return false;
	*out = (struct soa){ .serial = wire_peek_be32(p + at),
			     .refresh_s = wire_peek_be32(p + at + 4),
			     .retry_s = wire_peek_be32(p + at + 8),
			     .expire_s = wire_peek_be32(p + at + 12),
			     .minimum_s = wire_peek_be32(p + at + 16) };
	return true;
}

// More NSEC3PARAM records are not to be expected, and each costs a hash.
#define CHAINS_MAX 16

// The chain of NSEC3 records that is to deny, if there is one.
static bool txn_chain(struct zone_txn *t, const struct node *apex, struct nsec3_params *chain)
{
	const struct catalog view = { .base = t->db->arena->base };
	struct name owner;
	struct trie_key key;
	uint32_t at = 0;
	unsigned costly = 0;
	for (unsigned i = 0; i < CHAINS_MAX && nsec3_param_next(&view, apex, &at, chain); i++) {
		uint8_t hash[NSEC3_HASH_OCTETS];
		costly += chain->iterations > NSEC3_ITERATIONS_MOST;
		if (costly > 1)
			return true; // taken at its word: no such chain will be served
		nsec3_hash(t->apex.wire, t->apex.len, chain, hash);
		if (!nsec3_owner(hash, t->apex.wire, &owner))
			return false;
		key.len = key_from_name(key.symbol, owner.wire, owner.len);
		const struct twig *leaf = trie_get(&t->nsec3, &key);
		if (leaf && nsec3_is_of(&view, txn_node(t, leaf->ref), chain))
			return true;
	}
	return false;
}

// The head of the new version; 0 without memory.
static cell_ref txn_head(struct zone_txn *t, const struct zone *filled,
			 const struct nsec3_params *chain)
{
	uint32_t cells =
		cells_for(offsetof(struct zone, apex) + t->apex.len + filled->nsec3_salt_len);
	cell_ref ref = arena_alloc(t->w, cells);
	if (!ref)
		return 0;
	struct zone *z = arena_cells(t->db->arena, ref);
	memcpy(z, filled, sizeof(*z));
	memcpy(z->apex, t->apex.wire, t->apex.len);
	if (filled->nsec3_salt_len)
		memcpy(z->apex + t->apex.len, chain->salt, filled->nsec3_salt_len);
	z->root = t->names.root;
	z->nsec3_root = t->nsec3.root;
	z->commons = t->commons.block;
	z->state = ZONE_SERVED;
	z->apex_labels = t->apex.labels;
	z->apex_len = t->apex.len;
	z->records = t->records;
	z->nodes = t->nodes;
	z->cells = t->base_cells + t->w->live - t->w->garbage.cells;
	return ref;
}

static enum result txn_finish(struct zone_txn *t)
{
	struct catalog view = { .base = t->db->arena->base };
	struct zone filled = { 0 };
	struct rrset soa;
	enum result r = txn_flush(t);
	if (r == RESULT_OK && t->replacing)
		r = txn_drop(t, &t->names);
	if (r == RESULT_OK && t->replacing)
		r = txn_drop(t, &t->nsec3);
	if (r != RESULT_OK)
		return r;
	if (t->broken)
		return RESULT_NO_MEMORY;
	t->stats.same = t->w->allocated == 0 && t->w->garbage.cells == 0;
	t->key.len = key_from_name(t->key.symbol, t->apex.wire, t->apex.len);
	const struct twig *apex = trie_get(&t->names, &t->key);
	if (!apex || !node_rrset(&view, txn_node(t, apex->ref), RRTYPE_SOA, &soa) ||
	    !soa_read(&soa, &filled.soa))
		return RESULT_NO_SOA;
	filled.apex_node = apex->ref;
	filled.soa_ttl_s = soa.ttl_s;
	struct nsec3_params chain = { 0 };
	if (txn_chain(t, txn_node(t, apex->ref), &chain)) {
		filled.nsec3 = true;
		filled.nsec3_iterations = chain.iterations;
		filled.nsec3_salt_len = chain.salt_len;
	}
	t->version->head = txn_head(t, &filled, &chain);
	return t->version->head ? RESULT_OK : RESULT_NO_MEMORY;
}

const struct zone_txn_stats *zone_version_stats(const struct zone_version *v)
{
	return &v->stats;
}

enum result zone_txn_commit(struct zone_txn *t, struct zone_version **out)
{
	enum result r = txn_finish(t);
	// The old head is noted when it is replaced.
	if (r == RESULT_OK)
		r = arena_garbage_reserve(&t->w->garbage, 1);
	if (r != RESULT_OK) {
		zone_txn_abort(t);
		return r;
	}
	name_copy(&t->version->apex, t->apex.wire);
	t->version->stats = *zone_txn_stats(t);
	*out = t->version;
	txn_free(t);
	return RESULT_OK;
}
