// SPDX-License-Identifier: BSD-3-Clause
// Walks a view and verifies every invariant of docs/zone-layout.md.
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "db.h"
#include "node.h"
#include "nsec3.h"
#include "understudy/rr.h"

struct level {
	unsigned offset, symbol;
};

struct checking {
	const struct zonedb *db;
	const uint8_t *base;
	char *why;
	size_t why_size;
	bool failed;

	struct trie trie;            // kind and prefix of what is being walked
	const struct zone *z;        // TRIE_NODES
	bool nsec3;                  // its trie of NSEC3 owners
	struct level level[KEY_MAX]; // the branches above the twig being looked at
	unsigned depth;
	unsigned parted_at;   // least offset of another child taken since the last leaf
	struct trie_key last; // that leaf's key
	bool first;

	uint64_t leaves, records, cells;
	uint64_t *reached; // cells by chunk
};

__attribute__((format(printf, 2, 3))) static bool fail(struct checking *c, const char *format, ...)
{
	if (c->failed)
		return false;
	c->failed = true;
	va_list args;
	va_start(args, format);
	vsnprintf(c->why, c->why_size, format, args);
	va_end(args);
	return false;
}

static void reach(struct checking *c, cell_ref ref, uint64_t cells)
{
	c->reached[ref >> CHUNK_SHIFT] += cells;
	c->cells += cells;
}

// --- nodes ---------------------------------------------------------------------

static void reach_indirect(void *arg, const uint8_t *at, uint32_t octets)
{
	struct checking *c = arg;
	cell_ref ref;
	memcpy(&ref, at, sizeof(ref));
	if (!ref)
		fail(c, "an indirect RRset refers to nothing");
	else
		reach(c, ref, cells_for(octets));
}

struct sharing {
	struct checking *c;
	bool ok;
};

static void check_common(void *arg, const uint8_t *at, uint32_t octets)
{
	struct sharing *s = arg;
	cell_ref ref;
	memcpy(&ref, at, sizeof(ref));
	const struct commons_entry *e = commons_entry_of(s->c->base, s->c->z->commons, ref);
	uint32_t count;
	memcpy(&count, at + 8, sizeof(count));
	s->ok = s->ok && e && e->octets == octets && e->count == count;
}

static bool check_rrset(struct checking *c, const struct rrset *r, int64_t *last_order)
{
	const uint8_t *p = r->records, *before = NULL;
	uint16_t before_len = 0;
	if (r->count == 0)
		return fail(c, "an RRset without records");
	for (uint32_t i = 0; i < r->count; i++) {
		uint16_t len = wire_peek_be16(p);
		if (p + 2 + len > r->records + r->octets)
			return fail(c, "records of type %u overrun their RRset", r->type);
		if (before && rdata_compare(r->type, before, before_len, p + 2, len) >= 0)
			return fail(c, "records of type %u out of order or twice", r->type);
		before = p + 2;
		before_len = len;
		p += 2 + len;
	}
	if (p != r->records + r->octets)
		return fail(c, "records of type %u do not fill their RRset", r->type);
	int64_t order = node_rrset_order(r);
	if (order <= *last_order)
		return fail(c, "RRsets out of order or twice at type %u", r->type);
	*last_order = order;
	c->records += r->count;
	return true;
}

static unsigned rrset_flags(uint16_t type, bool apex)
{
	return type == RRTYPE_NS && !apex ? NODE_CUT
	       : type == RRTYPE_DNAME     ? NODE_DNAME
	       : type == RRTYPE_CNAME     ? NODE_CNAME
	       : type == RRTYPE_RRSIG     ? NODE_SIGNED
					  : 0;
}

static bool is_of_nsec3(const struct rrset *r)
{
	return r->type == RRTYPE_NSEC3 ||
	       (r->type == RRTYPE_RRSIG && rrset_covered(r) == RRTYPE_NSEC3);
}

static bool check_node(struct checking *c, const struct twig *leaf)
{
	const struct catalog view = { .base = c->base };
	const struct node *n = cell_at(c->base, leaf->ref);
	const uint8_t *name = node_name(n);
	unsigned len = node_name_len(n), at = 0;
	while (at < len && name[at] >= 1 && name[at] <= 63)
		at += 1u + name[at];
	if (at != len || len + c->z->apex_len > NAME_MAX_OCTETS)
		return fail(c, "a node's name is malformed");

	unsigned flags = len == 0 ? NODE_APEX : 0;
	if (len >= 2 && name[0] == 1 && name[1] == '*')
		flags |= NODE_WILDCARD;
	int64_t order = -1;
	struct rrset r;
	unsigned rrsets = 0;
	bool one_label = len > 0 && len == 1u + name[0];
	for (uint64_t it = 0; node_next_rrset(&view, n, &it, &r); rrsets++) {
		if (!check_rrset(c, &r, &order))
			return false;
		if (c->nsec3 != (one_label && is_of_nsec3(&r)))
			return fail(c, "type %u is in the wrong trie", r.type);
		flags |= rrset_flags(r.type, len == 0);
	}
	if (rrsets == 0)
		return fail(c, "a node without RRsets");
	if (flags != node_flags(n) || flags != word_flags(twig_word(leaf)))
		return fail(c, "flags: RRsets say %#x, node %#x, leaf %#x", flags, node_flags(n),
			    word_flags(twig_word(leaf)));
	if ((node_outside_count(n) != 0) != ((twig_word(leaf) & LEAF_INDIRECT) != 0))
		return fail(c, "the leaf's INDIRECT is wrong");
	struct sharing sharing = { .c = c, .ok = true };
	node_each_common(n, check_common, &sharing);
	if (!sharing.ok)
		return fail(c, "a node refers to common records that are not there");
	reach(c, leaf->ref, node_cells(n));
	node_each_indirect(n, reach_indirect, c);
	return true;
}

// --- tries ---------------------------------------------------------------------

static bool check_zone(struct checking *c, const struct twig *leaf);

// The leaf's key against the way down to it and against the leaf before.
static bool check_place(struct checking *c, const struct twig *leaf)
{
	struct trie_key key;
	key.len = trie_leaf_key(&c->trie, c->base, leaf->ref, key.symbol);
	for (unsigned i = 0; i < c->depth; i++)
		if (trie_symbol(&key, c->level[i].offset) != c->level[i].symbol)
			return fail(c, "a leaf is below a symbol that its key does not have");
	if (!c->first) {
		unsigned at = 0;
		while (at < KEY_MAX && trie_symbol(&key, at) == trie_symbol(&c->last, at))
			at++;
		if (at == KEY_MAX || trie_symbol(&key, at) < trie_symbol(&c->last, at))
			return fail(c, "leaves out of order or twice");
		if (at != c->parted_at)
			return fail(c, "neighbours part at symbol %u, their branch asks for %u", at,
				    c->parted_at);
	}
	c->first = false;
	c->last = key;
	c->parted_at = UINT32_MAX;
	c->leaves++;
	return true;
}

static bool check_twig(struct checking *c, const struct twig *t);

static bool check_children(struct checking *c, const struct twig *t, unsigned count)
{
	uint64_t word = twig_word(t);
	const struct twig *children = twig_children(c->base, t);
	unsigned offset = word_offset(word), index = 0;
	for (unsigned symbol = 0; symbol < TWIG_SYMBOLS; symbol++) {
		if (!(word & symbol_bit(symbol)))
			continue;
		if (index > 0 && offset < c->parted_at)
			c->parted_at = offset;
		c->level[c->depth++] = (struct level){ offset, symbol };
		if (!check_twig(c, &children[index++]))
			return false;
		c->depth--;
	}
	// Here c->last is a key below this branch: it tells where boundaries are.
	bool boundary = offset == 0 || (offset <= c->last.len && c->last.symbol[offset - 1] == 0);
	bool stop = boundary && (word & symbol_bit(0)) &&
		    (word_flags(twig_word(&children[0])) & NODE_STOPS);
	if (boundary && (word & symbol_bit(0)) && !word_is_leaf(twig_word(&children[0])))
		return fail(c, "a branch below the end of a name");
	if (stop != ((word & TWIG_STOP) != 0))
		return fail(c, "STOP is wrong");
	reach(c, t->ref, twigs_cells(count));
	return true;
}

static bool check_twig(struct checking *c, const struct twig *t)
{
	uint64_t word = twig_word(t);
	if (!t->ref)
		return fail(c, "a twig refers to nothing");
	if (word_is_leaf(word)) {
		if (!check_place(c, t))
			return false;
		return c->trie.kind == TRIE_NODES ? check_node(c, t) : check_zone(c, t);
	}
	unsigned count = word_children(word);
	if (count < 2)
		return fail(c, "a branch with %u children", count);
	if (c->depth == KEY_MAX ||
	    (c->depth > 0 && word_offset(word) <= c->level[c->depth - 1].offset))
		return fail(c, "offsets do not grow on the way down");
	return check_children(c, t, count);
}

// --- zones -----------------------------------------------------------------------

static bool check_apex(struct checking *c, const struct zone *z)
{
	const struct catalog view = { .base = c->base };
	struct rrset soa;
	if (!z->apex_node)
		return fail(c, "a loaded zone without an apex node");
	const struct node *apex = cell_at(c->base, z->apex_node);
	if (node_name_len(apex) != 0 || !node_rrset(&view, apex, RRTYPE_SOA, &soa) ||
	    soa.count != 1)
		return fail(c, "the apex node has not exactly one SOA");
	uint16_t len = wire_peek_be16(soa.records);
	if (wire_peek_be32(soa.records + 2 + len - 20) != z->soa.serial)
		return fail(c, "the head's serial is not the SOA's");
	return true;
}

// The head's chain is one that the apex names and that has the apex's hash.
static bool check_chain(struct checking *c, const struct zone *z)
{
	const struct catalog view = { .base = c->base };
	struct nsec3_params head, p;
	bool match = false;
	if (!zone_nsec3_params(z, &head))
		return true;
	uint8_t hash[NSEC3_HASH_OCTETS];
	nsec3_hash(z->apex, z->apex_len, &head, hash);
	if (!zone_nsec3_find(&view, z, hash, &match) || !match)
		return fail(c, "the NSEC3 chain has no record for the apex");
	for (uint32_t at = 0; nsec3_param_next(&view, cell_at(c->base, z->apex_node), &at, &p);)
		if (nsec3_params_equal(&p, &head))
			return true;
	return fail(c, "no NSEC3PARAM speaks of the NSEC3 chain");
}

static bool check_nsec3(struct checking *c, const struct zone *z)
{
	c->nsec3 = true;
	c->first = true;
	return (!z->nsec3_root.ref || check_twig(c, &z->nsec3_root)) && check_chain(c, z);
}

static bool check_commons(struct checking *c)
{
	unsigned blocks = 0;
	for (cell_ref ref = c->z->commons; ref;) {
		const struct commons_block *b = cell_at(c->base, ref);
		if (b->used > b->cells || ++blocks > COMMONS_BLOCKS_MAX)
			return fail(c, "the blocks of common records make no sense");
		uint32_t at = cells_for(sizeof(*b));
		while (at < b->used)
			at += 1 +
			      cells_for(((const struct commons_entry *)cell_at(c->base, ref + at))
						->octets);
		if (at != b->used)
			return fail(c, "common records overrun their block");
		reach(c, ref, b->cells);
		ref = b->next;
	}
	return true;
}

static bool check_zone(struct checking *outer, const struct twig *leaf)
{
	const struct zone *z = cell_at(outer->base, leaf->ref);
	struct checking *c = calloc(1, sizeof(*c));
	if (!c)
		return fail(outer, "no memory to check");
	*c = (struct checking){ .db = outer->db,
				.base = outer->base,
				.why = outer->why,
				.why_size = outer->why_size,
				.z = z,
				.first = true,
				.reached = outer->reached };
	c->trie.kind = TRIE_NODES;
	c->trie.prefix_len = key_from_name(c->trie.prefix, z->apex, z->apex_len);
	reach(c, leaf->ref, zone_head_cells(z));
	if (name_label_count(z->apex) != z->apex_labels || name_length(z->apex) != z->apex_len)
		fail(c, "a zone's apex is malformed");
	else if (check_commons(c) && z->root.ref && check_twig(c, &z->root) && check_apex(c, z))
		check_nsec3(c, z);
	if (!c->failed && (c->leaves != z->nodes || c->records != z->records))
		fail(c, "a head counts %llu nodes and %llu records, the trie has %llu and %llu",
		     (unsigned long long)z->nodes, (unsigned long long)z->records,
		     (unsigned long long)c->leaves, (unsigned long long)c->records);
	if (!c->failed && c->cells != z->cells)
		fail(c, "a head counts %llu cells, the zone reaches %llu",
		     (unsigned long long)z->cells, (unsigned long long)c->cells);
	bool ok = !c->failed;
	outer->failed |= c->failed;
	free(c);
	return ok;
}

// Every chunk's live count is what the view reaches in it; only where nothing
// unpublished is about.
static bool check_chunks(struct checking *c)
{
	struct arena *a = c->db->arena;
	bool ok = true;
	pthread_mutex_lock(&a->lock); // retired chunks go at any time
	for (uint32_t i = 0; ok && i < a->chunk_slots; i++) {
		uint64_t live = 0;
		if (a->chunk[i].state == CHUNK_OPEN || a->chunk[i].state == CHUNK_SEALED)
			live = (uint64_t)atomic_load_explicit(&a->chunk[i].live,
							      memory_order_relaxed);
		if (live != c->reached[i])
			ok = fail(c, "chunk %u counts %llu live cells, the view reaches %llu", i,
				  (unsigned long long)live, (unsigned long long)c->reached[i]);
	}
	pthread_mutex_unlock(&a->lock);
	return ok;
}

enum result zonedb_check(const struct zonedb *db, const struct catalog *view, char *why,
			 size_t why_size)
{
	struct checking *c = calloc(1, sizeof(*c));
	uint64_t *reached = calloc(CHUNKS_MAX, sizeof(*reached));
	bool ok = false;
	if (!c || !reached) {
		snprintf(why, why_size, "no memory to check");
		goto cleanup;
	}
	*c = (struct checking){ .db = db,
				.base = view->base,
				.why = why,
				.why_size = why_size,
				.first = true,
				.reached = reached };
	c->trie.kind = TRIE_CATALOG;
	ok = !view->root.ref || check_twig(c, &view->root);
	if (ok && c->leaves != view->zones)
		ok = fail(c, "the catalogue counts %llu zones and has %llu",
			  (unsigned long long)view->zones, (unsigned long long)c->leaves);
	if (ok && db->outstanding == 0 && view == zonedb_view(db))
		ok = check_chunks(c);
cleanup:
	free(reached);
	free(c);
	return ok ? RESULT_OK : RESULT_MALFORMED;
}
