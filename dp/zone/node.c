// SPDX-License-Identifier: BSD-3-Clause
// A node's blob: reading its RRsets, and making a new blob with changes applied.
#include "node.h"

#include <stdlib.h>

#include "understudy/rr.h"
#include "understudy/wire.h"

// --- reading -------------------------------------------------------------------

// One RRset as it stands in a blob.
struct entry {
	uint16_t type;
	uint16_t octets; // with count 0: 0 indirect, ENTRY_COMMON shared with other nodes
	uint8_t count;
	uint32_t ttl_s;
	cell_ref ref;
	uint32_t ref_octets;
	uint32_t ref_count;
	const uint8_t *records; // NULL if indirect
};

#define ENTRY_COMMON 1

// Whether the entry's records stand outside of the node, and are its own.
static inline bool entry_has_own(const struct entry *e)
{
	return !e->records && e->octets != ENTRY_COMMON;
}

// Reads the entry at p and returns what follows it.
static inline const uint8_t *entry_read(const uint8_t *p, struct entry *e)
{
	memcpy(&e->type, p, 2);
	e->count = p[2];
	memcpy(&e->octets, p + 3, 2);
	memcpy(&e->ttl_s, p + 5, 4);
	p += NODE_RRSET_OCTETS;
	if (__builtin_expect(e->count != 0, 1)) {
		e->records = p;
		return p + e->octets;
	}
	e->records = NULL;
	memcpy(&e->ref, p, 4);
	memcpy(&e->ref_octets, p + 4, 4);
	memcpy(&e->ref_count, p + 8, 4);
	return p + NODE_INDIRECT_OCTETS;
}

static inline void entry_rrset(const uint8_t *base, const struct entry *e, struct rrset *out)
{
	out->type = e->type;
	out->ttl_s = e->ttl_s;
	if (__builtin_expect(e->count != 0, 1)) {
		out->count = e->count;
		out->octets = e->octets;
		out->records = e->records;
	} else {
		out->count = e->ref_count;
		out->octets = e->ref_octets;
		out->records = cell_at(base, e->ref);
	}
}

static inline const uint8_t *node_entries(const struct node *n)
{
	return node_name(n) + node_name_len(n);
}

// What follows the entry at p.
static inline const uint8_t *entry_skip(const uint8_t *p)
{
	uint16_t octets;
	memcpy(&octets, p + 3, 2);
	return p + NODE_RRSET_OCTETS + (p[2] != 0 ? octets : NODE_INDIRECT_OCTETS);
}

// The entry of a type, NULL without one; *left says how many entries follow it.
static inline const uint8_t *entry_find(const struct node *n, uint16_t type, unsigned *left)
{
	const uint8_t *p = node_entries(n);
	for (*left = node_rrset_count(n); (*left)-- > 0; p = entry_skip(p)) {
		uint16_t its;
		memcpy(&its, p, 2);
		if (its == type)
			return p;
	}
	return NULL;
}

bool node_rrset(const struct catalog *view, const struct node *n, uint16_t type, struct rrset *out)
{
	struct entry e;
	unsigned left;
	const uint8_t *p = entry_find(n, type, &left);
	if (!p)
		return false;
	entry_read(p, &e);
	entry_rrset(view->base, &e, out);
	return true;
}

// Signatures stand right behind what they cover.
bool node_signed_rrset(const struct catalog *view, const struct node *n, uint16_t type,
		       struct rrset *out, struct rrset *signatures)
{
	struct entry e;
	unsigned left;
	const uint8_t *p = entry_find(n, type, &left);
	signatures->count = 0;
	if (!p)
		return false;
	p = entry_read(p, &e);
	entry_rrset(view->base, &e, out);
	if (left == 0)
		return true;
	entry_read(p, &e);
	if (e.type != RRTYPE_RRSIG)
		return true;
	entry_rrset(view->base, &e, signatures);
	if (rrset_covered(signatures) != type)
		signatures->count = 0;
	return true;
}

// The position: how many RRsets have been seen, and how many octets they take.
bool node_next_rrset(const struct catalog *view, const struct node *n, uint64_t *at,
		     struct rrset *out)
{
	uint64_t seen = *at >> 32;
	if (seen >= node_rrset_count(n))
		return false;
	struct entry e;
	const uint8_t *entries = node_entries(n), *p = entry_read(entries + (uint32_t)*at, &e);
	entry_rrset(view->base, &e, out);
	*at = (seen + 1) << 32 | (uint64_t)(p - entries);
	return true;
}

unsigned node_flags(const struct node *n)
{
	return node_octets(n)[0];
}

unsigned node_owner(const struct zone *z, const struct node *n, uint8_t out[NAME_MAX_OCTETS])
{
	unsigned len = node_name_len(n);
	memcpy(out, node_name(n), len);
	memcpy(out + len, z->apex, z->apex_len);
	return len + z->apex_len;
}

const uint8_t *node_labels(const struct node *n, unsigned *octets)
{
	*octets = node_name_len(n);
	return node_name(n);
}

static const uint8_t *node_end(const struct node *n)
{
	const uint8_t *p = node_entries(n);
	struct entry e;
	for (unsigned left = node_rrset_count(n); left > 0; left--)
		p = entry_read(p, &e);
	return p;
}

uint32_t node_cells(const struct node *n)
{
	return cells_for((size_t)(node_end(n) - node_octets(n)));
}

static void each_outside(const struct node *n, bool own,
			 void (*each)(void *arg, const uint8_t *ref, uint32_t octets), void *arg)
{
	const uint8_t *p = node_entries(n);
	for (unsigned left = node_rrset_count(n); left > 0; left--) {
		struct entry e;
		p = entry_read(p, &e);
		if (!e.records && entry_has_own(&e) == own)
			each(arg, p - NODE_INDIRECT_OCTETS, e.ref_octets);
	}
}

void node_each_indirect(const struct node *n,
			void (*each)(void *arg, const uint8_t *ref, uint32_t octets), void *arg)
{
	each_outside(n, true, each, arg);
}

void node_each_common(const struct node *n,
		      void (*each)(void *arg, const uint8_t *ref, uint32_t octets), void *arg)
{
	each_outside(n, false, each, arg);
}

unsigned node_outside_count(const struct node *n)
{
	unsigned count = 0;
	const uint8_t *p = node_entries(n);
	for (unsigned left = node_rrset_count(n); left > 0; left--) {
		struct entry e;
		p = entry_read(p, &e);
		count += !e.records;
	}
	return count;
}

uint64_t node_record_count(const struct node *n)
{
	uint64_t records = 0;
	const uint8_t *p = node_entries(n);
	for (unsigned left = node_rrset_count(n); left > 0; left--) {
		struct entry e;
		p = entry_read(p, &e);
		records += e.records ? e.count : e.ref_count;
	}
	return records;
}

// RFC 4035 section 2.5, and what these types were called before.
static bool stands_beside_cname(uint16_t type)
{
	return type == RRTYPE_CNAME || type == RRTYPE_RRSIG || type == RRTYPE_NSEC ||
	       type == RRTYPE_SIG || type == RRTYPE_KEY || type == RRTYPE_NXT;
}

bool node_is_contradictory(const struct node *n)
{
	const uint8_t *p = node_entries(n);
	bool cname = node_flags(n) & NODE_CNAME;
	if (!(node_flags(n) & (NODE_CNAME | NODE_DNAME)))
		return false;
	for (unsigned left = node_rrset_count(n); left > 0; left--) {
		struct entry e;
		p = entry_read(p, &e);
		bool single = e.type == RRTYPE_CNAME || e.type == RRTYPE_DNAME;
		if ((single && (e.records ? e.count : e.ref_count) > 1) ||
		    (cname && !stands_beside_cname(e.type)))
			return true;
	}
	return false;
}

// --- changes ---------------------------------------------------------------------

static bool grow(void **p, uint32_t *room, uint64_t wanted, size_t size)
{
	if (wanted <= *room)
		return true;
	uint64_t bigger = *room ? *room : 64;
	while (bigger < wanted)
		bigger *= 2;
	if (bigger > UINT32_MAX)
		return false;
	void *moved = realloc(*p, bigger * size);
	if (!moved)
		return false;
	*p = moved;
	*room = (uint32_t)bigger;
	return true;
}

enum result node_changes_add(struct node_changes *c, const struct zone_record *r)
{
	if (!grow((void **)&c->record, &c->room, c->count + 1ull, sizeof(c->record[0])) ||
	    !grow((void **)&c->rdata, &c->rdata_room, c->rdata_len + (uint64_t)r->rdata_len, 1))
		return RESULT_NO_MEMORY;
	c->record[c->count] = (struct node_record){ .type = r->type,
						    .len = r->rdata_len,
						    .ttl_s = r->ttl_s,
						    .at = c->rdata_len,
						    .order = c->count };
	c->count++;
	if (r->rdata_len)
		memcpy(c->rdata + c->rdata_len, r->rdata, r->rdata_len);
	c->rdata_len += r->rdata_len;
	return RESULT_OK;
}

void node_changes_clear(struct node_changes *c)
{
	c->count = 0;
	c->rdata_len = 0;
	c->blob_len = 0;
}

void node_changes_free(struct node_changes *c)
{
	free(c->record);
	free(c->rdata);
	free(c->blob);
	*c = (struct node_changes){ 0 };
}

// What node_rrset_order says of the RRset of a record.
static uint32_t record_order(uint16_t type, const uint8_t *rdata, uint16_t len)
{
	if (type == RRTYPE_RRSIG && len >= 2)
		return (uint32_t)wire_peek_be16(rdata) << 1 | 1;
	return (uint32_t)type << 1;
}

uint32_t node_rrset_order(const struct rrset *r)
{
	return record_order(r->type, r->records + 2, wire_peek_be16(r->records));
}

static uint32_t entry_order(const uint8_t *base, const struct entry *e)
{
	struct rrset r;
	entry_rrset(base, e, &r);
	return node_rrset_order(&r);
}

static int compare_changes(const void *va, const void *vb, void *vc)
{
	const struct node_record *a = va, *b = vb;
	const struct node_changes *c = vc;
	const uint8_t *ra = c->rdata + a->at, *rb = c->rdata + b->at;
	uint32_t oa = record_order(a->type, ra, a->len), ob = record_order(b->type, rb, b->len);
	if (oa != ob)
		return oa < ob ? -1 : 1;
	int d = rdata_compare(a->type, ra, a->len, rb, b->len);
	if (d != 0)
		return d;
	return a->order < b->order ? -1 : a->order > b->order;
}

// --- making a blob ---------------------------------------------------------------

// One blob being made.
struct making {
	struct arena_writer *w;
	struct node_changes *c;
	const struct node *same; // node_replace: what may be shared
	struct node_made made;
	uint32_t rrsets;
	uint8_t flags;
	bool apex;
	// the open RRset
	uint32_t rrset_at;   // of its entry in the blob
	uint32_t records_at; // of its first record
	uint32_t records;
	uint32_t ttl_s;
	uint16_t type;
};

static uint8_t *blob_extend(struct node_changes *c, uint32_t octets)
{
	if (!grow((void **)&c->blob, &c->blob_room, c->blob_len + (uint64_t)octets, 1))
		return NULL;
	uint8_t *p = c->blob + c->blob_len;
	c->blob_len += octets;
	return p;
}

static enum result blob_begin(struct making *m, const struct node_place *place)
{
	m->c->blob_len = 0;
	uint8_t *p = blob_extend(m->c, NODE_HEAD_OCTETS + place->name_len);
	if (!p)
		return RESULT_NO_MEMORY;
	m->apex = place->apex;
	m->flags = place->apex ? NODE_APEX : 0;
	if (place->name_len >= 2 && place->name[0] == 1 && place->name[1] == '*')
		m->flags |= NODE_WILDCARD;
	memset(p, 0, NODE_HEAD_OCTETS);
	p[1] = place->name_len;
	if (place->name_len)
		memcpy(p + NODE_HEAD_OCTETS, place->name, place->name_len);
	return RESULT_OK;
}

static void blob_flags(struct making *m, uint16_t type)
{
	if (type == RRTYPE_NS && !m->apex)
		m->flags |= NODE_CUT;
	else if (type == RRTYPE_DNAME)
		m->flags |= NODE_DNAME;
	else if (type == RRTYPE_CNAME)
		m->flags |= NODE_CNAME;
	else if (type == RRTYPE_RRSIG)
		m->flags |= NODE_SIGNED;
}

static enum result rrset_open(struct making *m, uint16_t type, uint32_t ttl_s)
{
	m->rrset_at = m->c->blob_len;
	if (!blob_extend(m->c, NODE_RRSET_OCTETS))
		return RESULT_NO_MEMORY;
	m->records_at = m->c->blob_len;
	m->records = 0;
	m->type = type;
	m->ttl_s = ttl_s;
	return RESULT_OK;
}

static enum result rrset_record(struct making *m, const uint8_t *rdata, uint16_t len)
{
	uint8_t *p = blob_extend(m->c, 2u + len);
	if (!p)
		return RESULT_NO_MEMORY;
	wire_poke_be16(p, len);
	if (len)
		memcpy(p + 2, rdata, len);
	m->records++;
	return RESULT_OK;
}

static void entry_write(uint8_t *p, uint16_t type, uint8_t count, uint16_t octets, uint32_t ttl_s)
{
	memcpy(p, &type, 2);
	p[2] = count;
	memcpy(p + 3, &octets, 2);
	memcpy(p + 5, &ttl_s, 4);
}

static enum result indirect_write(struct making *m, cell_ref ref, uint32_t octets, uint32_t count)
{
	uint8_t *p = blob_extend(m->c, NODE_INDIRECT_OCTETS);
	if (!p)
		return RESULT_NO_MEMORY;
	memcpy(p, &ref, 4);
	memcpy(p + 4, &octets, 4);
	memcpy(p + 8, &count, 4);
	m->made.leaf_bits |= LEAF_INDIRECT;
	return RESULT_OK;
}

// The records of the open RRset, if they stand outside of m->same already; else 0.
static cell_ref same_records(const struct making *m, uint32_t octets)
{
	const uint8_t *records = m->c->blob + m->records_at;
	const uint8_t *base = m->w->arena->base, *p = node_entries(m->same);
	for (unsigned left = node_rrset_count(m->same); left > 0; left--) {
		struct entry e;
		p = entry_read(p, &e);
		if (entry_has_own(&e) && e.type == m->type && e.ref_octets == octets &&
		    e.ref_count == m->records && memcmp(cell_at(base, e.ref), records, octets) == 0)
			return e.ref;
	}
	return 0;
}

// The records of the open RRset in cells of their own; 0 without memory.
static cell_ref records_outside(struct making *m, uint32_t octets)
{
	cell_ref ref = m->same ? same_records(m, octets) : 0;
	if (ref)
		return ref;
	ref = arena_alloc(m->w, cells_for(octets));
	if (ref)
		memcpy(arena_cells(m->w->arena, ref), m->c->blob + m->records_at, octets);
	return ref;
}

// Where the records of the open RRset are shared; 0 if they are to stand in the node.
// What m->same has equal stays as it stands there, or equal nodes would differ.
static cell_ref records_in_common(struct making *m, uint32_t octets)
{
	const uint8_t *records = m->c->blob + m->records_at;
	const uint8_t *base = m->w->arena->base, *p = m->same ? node_entries(m->same) : NULL;
	for (unsigned left = p ? node_rrset_count(m->same) : 0; left > 0; left--) {
		struct entry e;
		struct rrset was;
		p = entry_read(p, &e);
		if (e.type != m->type || entry_has_own(&e))
			continue;
		entry_rrset(base, &e, &was);
		if (was.octets == octets && was.count == m->records &&
		    memcmp(was.records, records, octets) == 0)
			return e.records ? 0 : e.ref;
	}
	if (!m->c->commons)
		return 0;
	return commons_find(m->c->commons, m->type, records, octets, m->records);
}

static enum result rrset_close(struct making *m)
{
	if (m->records == 0) {
		m->c->blob_len = m->rrset_at;
		return RESULT_OK;
	}
	uint32_t octets = m->c->blob_len - m->records_at;
	m->rrsets++;
	m->made.records += m->records;
	blob_flags(m, m->type);
	cell_ref common = octets <= NODE_DIRECT_MAX ? records_in_common(m, octets) : 0;
	if (common) {
		m->c->blob_len = m->records_at;
		entry_write(m->c->blob + m->rrset_at, m->type, 0, ENTRY_COMMON, m->ttl_s);
		return indirect_write(m, common, octets, m->records);
	}
	if (octets <= NODE_DIRECT_MAX && m->records <= 255) {
		entry_write(m->c->blob + m->rrset_at, m->type, (uint8_t)m->records,
			    (uint16_t)octets, m->ttl_s);
		return RESULT_OK;
	}
	cell_ref ref = records_outside(m, octets);
	if (!ref)
		return RESULT_NO_MEMORY;
	m->c->blob_len = m->records_at;
	entry_write(m->c->blob + m->rrset_at, m->type, 0, 0, m->ttl_s);
	return indirect_write(m, ref, octets, m->records);
}

// Takes an old RRset over as it stands, indirect records included.
static enum result rrset_keep(struct making *m, const struct entry *e)
{
	enum result r = rrset_open(m, e->type, e->ttl_s);
	if (r != RESULT_OK)
		return r;
	uint8_t *p = NULL;
	if (e->records && !(p = blob_extend(m->c, e->octets)))
		return RESULT_NO_MEMORY;
	entry_write(m->c->blob + m->rrset_at, e->type, e->count, e->octets, e->ttl_s);
	m->rrsets++;
	blob_flags(m, e->type);
	m->made.records += e->records ? e->count : e->ref_count;
	if (!e->records)
		return indirect_write(m, e->ref, e->ref_octets, e->ref_count);
	memcpy(p, e->records, e->octets);
	return RESULT_OK;
}

static bool is_blob(const struct making *m, const struct node *n)
{
	return (size_t)(node_end(n) - node_octets(n)) == m->c->blob_len &&
	       memcmp(node_octets(n), m->c->blob, m->c->blob_len) == 0;
}

// The blob into cells.
static enum result blob_end(struct making *m)
{
	if (m->rrsets == 0) {
		m->made.ref = 0;
		return RESULT_OK;
	}
	if (m->rrsets > NODE_RRSETS_MAX)
		return RESULT_TYPES;
	uint16_t rrsets = (uint16_t)m->rrsets;
	m->c->blob[0] = m->flags;
	memcpy(m->c->blob + 2, &rrsets, 2);
	m->made.leaf_bits |= (uint64_t)m->flags << LEAF_FLAGS_AT;
	if (m->same && is_blob(m, m->same)) {
		m->made.ref = node_ref(m->w->arena->base, m->same);
		return RESULT_OK;
	}
	m->made.ref = arena_alloc(m->w, cells_for(m->c->blob_len));
	if (!m->made.ref)
		return RESULT_NO_MEMORY;
	memcpy(arena_cells(m->w->arena, m->made.ref), m->c->blob, m->c->blob_len);
	return RESULT_OK;
}

// Merges the sorted changes [from, to) of one RRset with the old one (or none).
static enum result merge_rrset(struct making *m, const struct entry *old, uint32_t from,
			       uint32_t to)
{
	const struct node_changes *c = m->c;
	const struct node_record *rec = c->record;
	struct rrset was = { 0 };
	if (old)
		entry_rrset(m->w->arena->base, old, &was);

	uint32_t ttl_s = old ? old->ttl_s : rec[from].ttl_s;
	for (uint32_t i = from; i < to; i++) {
		if (rec[i].ttl_s < ttl_s)
			ttl_s = rec[i].ttl_s;
	}
	for (uint32_t i = from; i < to; i++)
		m->made.ttl_lowered += rec[i].ttl_s != ttl_s;
	enum result r = rrset_open(m, rec[from].type, ttl_s);

	const uint8_t *o = was.records;
	uint32_t old_left = was.count;
	uint32_t last = UINT32_MAX; // the change written last
	while (r == RESULT_OK && (from < to || old_left > 0)) {
		uint16_t olen = old_left ? wire_peek_be16(o) : 0;
		int d = from == to ? -1 : 1;
		if (old_left && from < to)
			d = rdata_compare(m->type, o + 2, olen, c->rdata + rec[from].at,
					  rec[from].len);
		if (d <= 0) {
			r = rrset_record(m, o + 2, olen);
			o += 2u + olen;
			old_left--;
			last = UINT32_MAX;
			// What equals the record just written is a duplicate.
			while (d == 0 && from < to &&
			       rdata_equal(m->type, o - olen, olen, c->rdata + rec[from].at,
					   rec[from].len)) {
				m->made.duplicates++;
				from++;
			}
			continue;
		}
		if (last != UINT32_MAX &&
		    rdata_equal(m->type, c->rdata + rec[last].at, rec[last].len,
				c->rdata + rec[from].at, rec[from].len)) {
			m->made.duplicates++;
		} else {
			r = rrset_record(m, c->rdata + rec[from].at, rec[from].len);
			last = from;
		}
		from++;
	}
	if (r == RESULT_OK)
		r = rrset_close(m);
	if (r == RESULT_OK && old && entry_has_own(old))
		r = arena_release(m->w, old->ref, cells_for(old->ref_octets));
	return r;
}

static enum result merge(struct making *m, const struct node_place *place, const struct node *old,
			 struct node_made *made)
{
	struct node_changes *c = m->c;
	enum result r = blob_begin(m, place);
	if (r != RESULT_OK)
		return r;
	if (c->count > 1)
		qsort_r(c->record, c->count, sizeof(c->record[0]), compare_changes, c);

	const uint8_t *base = m->w->arena->base;
	const uint8_t *p = old ? node_entries(old) : NULL;
	unsigned old_left = old ? node_rrset_count(old) : 0;
	uint32_t at = 0;
	while (r == RESULT_OK && (at < c->count || old_left > 0)) {
		struct entry e;
		const uint8_t *after = NULL;
		uint32_t old_order = UINT32_MAX, new_order = UINT32_MAX, end = at;
		if (old_left > 0) {
			after = entry_read(p, &e);
			old_order = entry_order(base, &e);
		}
		if (at < c->count)
			new_order = record_order(c->record[at].type, c->rdata + c->record[at].at,
						 c->record[at].len);
		while (end < c->count &&
		       record_order(c->record[end].type, c->rdata + c->record[end].at,
				    c->record[end].len) == new_order)
			end++;
		if (old_order < new_order)
			r = rrset_keep(m, &e);
		else
			r = merge_rrset(m, old_order == new_order ? &e : NULL, at, end);
		if (old_order <= new_order) {
			p = after;
			old_left--;
		}
		if (new_order <= old_order)
			at = end;
	}
	if (r == RESULT_OK)
		r = blob_end(m);
	if (r == RESULT_OK)
		*made = m->made;
	return r;
}

enum result node_merge(struct arena_writer *w, const struct node_place *place,
		       const struct node *old, struct node_changes *changes, struct node_made *made)
{
	struct making m = { .w = w, .c = changes };
	return merge(&m, place, old, made);
}

// Whether the node refers to these records.
struct referring {
	cell_ref ref;
	bool found;
};

static void see_reference(void *arg, const uint8_t *at, uint32_t octets)
{
	struct referring *s = arg;
	cell_ref ref;
	(void)octets;
	memcpy(&ref, at, sizeof(ref));
	s->found |= ref == s->ref;
}

// Releases the old node's indirect records that the new one does not share.
static enum result release_unshared(struct arena_writer *w, const struct node *old,
				    const struct node *new)
{
	const uint8_t *p = node_entries(old);
	enum result r = RESULT_OK;
	for (unsigned left = node_rrset_count(old); r == RESULT_OK && left > 0; left--) {
		struct entry e;
		p = entry_read(p, &e);
		if (!entry_has_own(&e))
			continue;
		struct referring s = { .ref = e.ref };
		node_each_indirect(new, see_reference, &s);
		if (!s.found)
			r = arena_release(w, e.ref, cells_for(e.ref_octets));
	}
	return r;
}

enum result node_replace(struct arena_writer *w, const struct node_place *place,
			 const struct node *old, struct node_changes *changes,
			 struct node_made *made)
{
	struct making m = { .w = w, .c = changes, .same = old };
	enum result r = merge(&m, place, NULL, made);
	if (r == RESULT_OK && made->ref != node_ref(w->arena->base, old))
		r = release_unshared(w, old, cell_at(w->arena->base, made->ref));
	return r;
}

// Where the record stands in the RRset, or the RRset's count.
static uint32_t entry_place(const uint8_t *base, const struct entry *e, const struct zone_record *r)
{
	struct rrset was;
	entry_rrset(base, e, &was);
	const uint8_t *o = was.records;
	for (uint32_t i = 0; i < was.count; i++) {
		uint16_t len = wire_peek_be16(o);
		if (rdata_equal(e->type, o + 2, len, r->rdata, r->rdata_len))
			return i;
		o += 2u + len;
	}
	return was.count;
}

// What goes of an RRset: the record in one place, or those of a removal.
struct going {
	uint32_t place;
	const struct node_removal *removal;
};

static bool goes(const struct going *g, uint32_t place)
{
	return g->removal ? g->removal->record[place].gone : place == g->place;
}

static enum result rrset_without(struct making *m, const struct entry *e, const struct going *g)
{
	struct rrset was;
	entry_rrset(m->w->arena->base, e, &was);
	enum result result = rrset_open(m, e->type, e->ttl_s);
	const uint8_t *o = was.records;
	for (uint32_t i = 0; result == RESULT_OK && i < was.count; i++) {
		uint16_t len = wire_peek_be16(o);
		if (!goes(g, i))
			result = rrset_record(m, o + 2, len);
		o += 2u + len;
	}
	if (result == RESULT_OK)
		result = rrset_close(m);
	if (result == RESULT_OK && entry_has_own(e))
		result = arena_release(m->w, e->ref, cells_for(e->ref_octets));
	return result;
}

// The node's RRset of that order; false if it has none.
static bool entry_of_order(const uint8_t *base, const struct node *n, uint32_t order,
			   struct entry *e)
{
	const uint8_t *p = node_entries(n);
	for (unsigned left = node_rrset_count(n); left > 0; left--) {
		p = entry_read(p, e);
		if (e->type == (order & 1 ? RRTYPE_RRSIG : order >> 1) &&
		    entry_order(base, e) == order)
			return true;
	}
	return false;
}

static enum result blob_without(struct making *m, const struct node_place *place,
				const struct node *old, uint32_t order, const struct going *g)
{
	const uint8_t *base = m->w->arena->base, *p = node_entries(old);
	enum result result = blob_begin(m, place);
	for (unsigned left = node_rrset_count(old); result == RESULT_OK && left > 0; left--) {
		struct entry e;
		p = entry_read(p, &e);
		result = entry_order(base, &e) == order ? rrset_without(m, &e, g)
							: rrset_keep(m, &e);
	}
	return result == RESULT_OK ? blob_end(m) : result;
}

enum result node_without(struct arena_writer *w, const struct node_place *place,
			 const struct node *old, const struct zone_record *r,
			 struct node_changes *scratch, struct node_made *made)
{
	const uint8_t *base = w->arena->base;
	uint32_t wanted = record_order(r->type, r->rdata, r->rdata_len);
	struct entry e;
	struct rrset was;
	if (!entry_of_order(base, old, wanted, &e))
		return RESULT_NOT_FOUND;
	entry_rrset(base, &e, &was);
	const struct going g = { .place = entry_place(base, &e, r) };
	if (g.place == was.count)
		return RESULT_NOT_FOUND;
	struct making m = { .w = w, .c = scratch };
	enum result result = blob_without(&m, place, old, wanted, &g);
	if (result == RESULT_OK)
		*made = m.made;
	return result;
}

// --- many records of one RRset ------------------------------------------------------

enum result node_removal_begin(struct node_removal *d, const uint8_t *base, const struct node *old,
			       const struct zone_record *r)
{
	uint32_t order = record_order(r->type, r->rdata, r->rdata_len);
	struct entry e;
	struct rrset was;
	if (!entry_of_order(base, old, order, &e) || !entry_has_own(&e))
		return RESULT_NOT_FOUND;
	entry_rrset(base, &e, &was);
	struct node_removed *record = calloc(was.count, sizeof(*record));
	if (!record)
		return RESULT_NO_MEMORY;
	const uint8_t *o = was.records;
	for (uint32_t i = 0; i < was.count; i++) {
		record[i].octets = o;
		o += 2u + wire_peek_be16(o);
	}
	*d = (struct node_removal){
		.from = old, .order = order, .type = r->type, .record = record, .count = was.count
	};
	return RESULT_OK;
}

bool node_removal_is_of(const struct node_removal *d, const struct zone_record *r)
{
	return d->from && d->type == r->type &&
	       d->order == record_order(r->type, r->rdata, r->rdata_len);
}

static int compare_removed(const struct node_removal *d, uint32_t i, const struct zone_record *r)
{
	const uint8_t *o = d->record[i].octets;
	return rdata_compare(d->type, o + 2, wire_peek_be16(o), r->rdata, r->rdata_len);
}

// They stand in canonical order.
enum result node_removal_take(struct node_removal *d, const struct zone_record *r)
{
	uint32_t low = 0, high = d->count;
	while (low < high) {
		uint32_t middle = low + (high - low) / 2;
		if (compare_removed(d, middle, r) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	for (; low < d->count && compare_removed(d, low, r) == 0; low++) {
		const uint8_t *o = d->record[low].octets;
		if (d->record[low].gone ||
		    !rdata_equal(d->type, o + 2, wire_peek_be16(o), r->rdata, r->rdata_len))
			continue;
		d->record[low].gone = true;
		d->gone++;
		return RESULT_OK;
	}
	return RESULT_NOT_FOUND;
}

enum result node_removal_apply(struct arena_writer *w, const struct node_place *place,
			       const struct node_removal *d, struct node_changes *scratch,
			       struct node_made *made)
{
	struct making m = { .w = w, .c = scratch };
	const struct going g = { .removal = d };
	enum result result = blob_without(&m, place, d->from, d->order, &g);
	if (result == RESULT_OK)
		*made = m.made;
	return result;
}

void node_removal_end(struct node_removal *d)
{
	free(d->record);
	*d = (struct node_removal){ 0 };
}

// --- moving ------------------------------------------------------------------------

struct moving {
	struct arena_writer *w;
	const struct node *old;
	uint8_t *copy;
	bool (*move)(void *, cell_ref);
	void *arg;
	bool failed;
};

static void move_indirect(void *arg, const uint8_t *at, uint32_t octets)
{
	struct moving *m = arg;
	cell_ref ref;
	memcpy(&ref, at, sizeof(ref));
	if (m->failed || !m->move(m->arg, ref))
		return;
	cell_ref to = arena_alloc(m->w, cells_for(octets));
	if (!to || arena_release(m->w, ref, cells_for(octets)) != RESULT_OK) {
		m->failed = true;
		return;
	}
	memcpy(arena_cells(m->w->arena, to), arena_cells(m->w->arena, ref), octets);
	memcpy(m->copy + (at - node_octets(m->old)), &to, sizeof(to));
}

cell_ref node_copy(struct arena_writer *w, const struct node *n, bool (*move)(void *, cell_ref),
		   void *arg)
{
	uint32_t cells = node_cells(n);
	cell_ref ref = arena_alloc(w, cells);
	if (!ref)
		return 0;
	struct moving m = {
		.w = w, .old = n, .copy = arena_cells(w->arena, ref), .move = move, .arg = arg
	};
	memcpy(m.copy, n, (size_t)cells * CELL_OCTETS);
	node_each_indirect(n, move_indirect, &m);
	return m.failed ? 0 : ref;
}
