// SPDX-License-Identifier: BSD-3-Clause
// The store's format: segments of blocks, written and read.
#include "store_format.h"

#include <assert.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "understudy/crew.h"
#include "understudy/rr.h"
#include "understudy/wire.h"

#define KIND_HEAD  0x55536831u // "USh1"
#define KIND_DATA  0x55536431u
#define KIND_CELLS 0x55536331u
#define KIND_END   0x55536531u

#define FORMAT_VERSION   1
#define ENTRY_DELETED    1
#define ENTRY_SAME_OWNER 2
#define ENTRY_MOST       (2 + NAME_MAX_OCTETS + 12) // without its records
#define RECORD_MOST      (2 + 65535)
#define TTL_MAX_S        0x7fffffffu

static_assert(ZONE_PIECE_OCTETS <= STORE_PAYLOAD_MAX, "a block takes a piece");
static_assert(STORE_BLOCK_FULL + ENTRY_MOST + RECORD_MOST <= STORE_PAYLOAD_MAX,
	      "a block that is not full takes any record");

// ---- writing

static enum result open_block(struct store_writer *w)
{
	enum result r = buffer_reserve(&w->out, STORE_BLOCK_HEAD);
	if (r != RESULT_OK)
		return r;
	w->block = w->out.len;
	w->out.len += STORE_BLOCK_HEAD;
	w->open = true;
	w->has_owner = false;
	return RESULT_OK;
}

static void close_block(struct store_writer *w, uint32_t kind)
{
	if (!w->open)
		return;
	store_block_seal(w->out.octets + w->block, kind, w->number++,
			 w->out.len - w->block - STORE_BLOCK_HEAD);
	w->open = false;
}

// Space for `n` octets at the end, behind an open block's head.
static struct wire_out room(struct store_writer *w, size_t n)
{
	struct wire_out none = { .failed = true };
	if (buffer_reserve(&w->out, n) != RESULT_OK)
		return none;
	return wire_out_init(w->out.octets + w->out.len, n);
}

static enum result put_done(struct store_writer *w, const struct wire_out *out)
{
	if (out->failed)
		return RESULT_NO_MEMORY;
	w->out.len += wire_out_len(out);
	return RESULT_OK;
}

enum result store_writer_begin(struct store_writer *w, const struct store_head *head)
{
	*w = (struct store_writer){ .head = *head, .number = (uint32_t)head->id };
	enum result r = open_block(w);
	if (r != RESULT_OK)
		return r;
	struct wire_out o = room(w, 32 + NAME_MAX_OCTETS);
	wire_put_u8(&o, FORMAT_VERSION);
	wire_put_u8(&o, (uint8_t)head->kind);
	wire_put_u64(&o, head->id);
	wire_put_u64(&o, head->published_unix_s);
	wire_put_u32(&o, head->from);
	wire_put_u32(&o, head->to);
	wire_put_u8(&o, head->apex.len);
	wire_put_bytes(&o, head->apex.wire, head->apex.len);
	r = put_done(w, &o);
	if (r == RESULT_OK)
		close_block(w, KIND_HEAD);
	return r;
}

// How many of the records from `p` on, which `left` are left of, one entry takes.
static uint16_t entry_fill(const uint8_t *p, uint32_t left, size_t *octets)
{
	uint16_t n = 0;
	*octets = 0;
	while (n < left && n < UINT16_MAX && *octets < STORE_BLOCK_FULL) {
		*octets += 2u + wire_peek_be16(p + *octets);
		n++;
	}
	return n;
}

struct entry {
	const uint8_t *owner;
	const struct rrset *rr;
	const uint8_t *records;
	size_t octets;
	uint16_t count;
	bool deleted;
};

static enum result put_entry(struct store_writer *w, const struct entry *e)
{
	enum result r = w->open ? RESULT_OK : open_block(w);
	if (r != RESULT_OK)
		return r;
	size_t len = name_length(e->owner);
	bool same =
		w->has_owner && w->owner.len == len && memcmp(w->owner.wire, e->owner, len) == 0;
	struct wire_out o = room(w, ENTRY_MOST + e->octets);
	wire_put_u8(&o,
		    (uint8_t)((e->deleted ? ENTRY_DELETED : 0) | (same ? ENTRY_SAME_OWNER : 0)));
	if (!same) {
		size_t relative = len - w->head.apex.len;
		wire_put_u8(&o, (uint8_t)relative);
		wire_put_bytes(&o, e->owner, relative);
		name_copy(&w->owner, e->owner);
		w->has_owner = true;
	}
	wire_put_u16(&o, e->rr->type);
	wire_put_u32(&o, e->rr->ttl_s);
	wire_put_u16(&o, e->count);
	wire_put_u32(&o, (uint32_t)e->octets);
	wire_put_bytes(&o, e->records, e->octets);
	w->records += e->count;
	r = put_done(w, &o);
	if (w->out.len - w->block - STORE_BLOCK_HEAD >= STORE_BLOCK_FULL)
		close_block(w, KIND_DATA);
	return r;
}

enum result store_writer_rrset(struct store_writer *w, const uint8_t *owner, const struct rrset *rr,
			       bool deleted)
{
	struct entry e = { .owner = owner, .rr = rr, .records = rr->records, .deleted = deleted };
	enum result r = RESULT_OK;
	for (uint32_t left = rr->count; left && r == RESULT_OK; left -= e.count) {
		e.count = entry_fill(e.records, left, &e.octets);
		r = put_entry(w, &e);
		e.records += e.octets;
	}
	return r;
}

enum result store_writer_piece(struct store_writer *w, const void *octets, size_t len)
{
	enum result r = open_block(w);
	if (r != RESULT_OK)
		return r;
	struct wire_out o = room(w, len);
	wire_put_bytes(&o, octets, len);
	r = put_done(w, &o);
	if (r == RESULT_OK)
		close_block(w, KIND_CELLS);
	return r;
}

// Cells stand as the machine has them: 1 where the least octet is the first.
static uint8_t byte_order(void)
{
	const uint16_t one = 1;
	uint8_t first;
	memcpy(&first, &one, 1);
	return first;
}

static void put_image(struct wire_out *o, const struct zone_image *image)
{
	wire_put_u8(o, ZONE_IMAGE_LAYOUT);
	wire_put_u8(o, byte_order());
	wire_put_u32(o, image->pieces);
	wire_put_u64(o, image->nodes);
	for (unsigned i = 0; i < 3; i++)
		wire_put_u32(o, image->root[i]);
	for (unsigned i = 0; i < 3; i++)
		wire_put_u32(o, image->nsec3_root[i]);
	wire_put_u32(o, image->commons);
}

enum result store_writer_end(struct store_writer *w, const struct zone_image *image)
{
	close_block(w, KIND_DATA);
	enum result r = open_block(w);
	if (r != RESULT_OK)
		return r;
	struct wire_out o = room(w, 64);
	wire_put_u64(&o, image ? image->records : w->records);
	wire_put_u32(&o, w->head.to);
	if (image)
		put_image(&o, image);
	r = put_done(w, &o);
	if (r == RESULT_OK)
		close_block(w, KIND_END);
	return r;
}

size_t store_writer_whole(const struct store_writer *w)
{
	return w->open ? w->block : w->out.len;
}

void store_writer_taken(struct store_writer *w)
{
	buffer_consume(&w->out, store_writer_whole(w));
	w->block = 0;
}

void store_writer_free(struct store_writer *w)
{
	buffer_free(&w->out);
}

// ---- reading

struct reading {
	const struct store_sink *sink;
	struct store_head head;
	struct name owner;
	bool has_owner;
	uint64_t records;
	uint8_t rdata[65535];
};

// A name that stands there uncompressed, and ends where its octets do.
static bool get_name(struct wire *w, size_t len, struct name *out)
{
	const uint8_t *p = wire_take(w, len);
	if (!p)
		return false;
	struct wire in = wire_init(p, len);
	return name_read(&in, out) == RESULT_OK && wire_left(&in) == 0 && out->len == len;
}

static enum result read_head(const struct store_block *b, struct store_head *h)
{
	struct wire w = store_block_payload(b);
	uint8_t version = wire_u8(&w), kind = wire_u8(&w);
	*h = (struct store_head){ .kind = (enum store_kind)kind };
	h->id = wire_u64(&w);
	h->published_unix_s = wire_u64(&w);
	h->from = wire_u32(&w);
	h->to = wire_u32(&w);
	size_t len = wire_u8(&w);
	bool ok = b->kind == KIND_HEAD && version == FORMAT_VERSION && kind >= STORE_IMAGE &&
		  kind <= STORE_CELLS && !w.failed && get_name(&w, len, &h->apex) &&
		  wire_left(&w) == 0;
	return ok && store_block_good(b, (uint32_t)h->id) ? RESULT_OK : RESULT_MALFORMED;
}

static bool read_owner(struct reading *r, struct wire *w)
{
	uint8_t full[NAME_MAX_OCTETS];
	size_t relative = wire_u8(w), apex = r->head.apex.len;
	const uint8_t *p = wire_take(w, relative);
	if (!p || relative + apex > sizeof(full))
		return false;
	memcpy(full, p, relative);
	memcpy(full + relative, r->head.apex.wire, apex);
	struct wire in = wire_init(full, relative + apex);
	r->has_owner = get_name(&in, relative + apex, &r->owner);
	return r->has_owner;
}

static enum result read_record(struct reading *r, struct wire *w, struct zone_record *record,
			       bool deleted)
{
	size_t len = wire_u16(w);
	const uint8_t *p = wire_take(w, len);
	if (!p)
		return RESULT_MALFORMED;
	struct wire in = wire_init(p, len);
	if (rdata_read(&in, record->type, (uint16_t)len, r->rdata, sizeof(r->rdata),
		       &record->rdata_len) != RESULT_OK)
		return RESULT_MALFORMED;
	record->rdata = r->rdata;
	r->records++;
	return r->sink->record ? r->sink->record(r->sink->arg, record, deleted) : RESULT_OK;
}

static enum result read_entry(struct reading *r, struct wire *w)
{
	uint8_t flags = wire_u8(w);
	if (flags & ENTRY_SAME_OWNER ? !r->has_owner : !read_owner(r, w))
		return RESULT_MALFORMED;
	struct zone_record record = { .owner = r->owner.wire, .type = wire_u16(w) };
	record.ttl_s = wire_u32(w);
	uint16_t count = wire_u16(w);
	uint32_t octets = wire_u32(w);
	const uint8_t *p = wire_take(w, octets);
	if (!p || count == 0 || record.ttl_s > TTL_MAX_S || rrtype_is_meta(record.type))
		return RESULT_MALFORMED;
	struct wire records = wire_init(p, octets);
	enum result result = RESULT_OK;
	for (; count && result == RESULT_OK; count--)
		result = read_record(r, &records, &record, flags & ENTRY_DELETED);
	return result == RESULT_OK && wire_left(&records) ? RESULT_MALFORMED : result;
}

static enum result read_data(struct reading *r, const struct store_block *b)
{
	struct wire w = store_block_payload(b);
	enum result result = RESULT_OK;
	r->has_owner = false;
	while (result == RESULT_OK && wire_left(&w))
		result = read_entry(r, &w);
	return result;
}

static bool get_image(struct wire *w, struct zone_image *image)
{
	uint8_t layout = wire_u8(w), order = wire_u8(w);
	image->pieces = wire_u32(w);
	image->nodes = wire_u64(w);
	for (unsigned i = 0; i < 3; i++)
		image->root[i] = wire_u32(w);
	for (unsigned i = 0; i < 3; i++)
		image->nsec3_root[i] = wire_u32(w);
	image->commons = wire_u32(w);
	return layout == ZONE_IMAGE_LAYOUT && order == byte_order();
}

static enum result read_end(const struct reading *r, const struct store_block *b)
{
	struct wire w = store_block_payload(b);
	struct zone_image image = { .records = wire_u64(&w) };
	bool cells = r->head.kind == STORE_CELLS;
	bool ok = wire_u32(&w) == r->head.to && (cells || image.records == r->records);
	if (cells)
		ok = get_image(&w, &image) && ok;
	if (!ok || w.failed || wire_left(&w))
		return RESULT_MALFORMED;
	return cells && r->sink->image ? r->sink->image(r->sink->arg, &image) : RESULT_OK;
}

// A block between a segment's head and its end.
static enum result read_middle(struct reading *r, const struct store_block *b)
{
	if (r->head.kind == STORE_CELLS)
		return b->kind == KIND_CELLS ? RESULT_OK : RESULT_MALFORMED;
	return b->kind == KIND_DATA ? read_data(r, b) : RESULT_MALFORMED;
}

// ---- pieces: what they are and where they go is found out first, then several threads read
// and verify them

struct piece {
	uint8_t head[STORE_BLOCK_HEAD];
	uint32_t number;
	uint64_t at; // of the payload
	void *where;
};

struct pieces {
	const struct store_source *source;
	struct piece *piece;
	unsigned count, room;
	_Atomic int failed; // enum result: what became of one of them
	int error;          // errno with it
};

static enum result add_piece(struct pieces *all, const struct piece *p)
{
	if (all->count == all->room) {
		unsigned room = all->room ? 2 * all->room : 64;
		struct piece *more = reallocarray(all->piece, room, sizeof(*more));
		if (!more)
			return RESULT_NO_MEMORY;
		all->piece = more;
		all->room = room;
	}
	all->piece[all->count++] = *p;
	return RESULT_OK;
}

// The next block, if it is one of cells; `number`: the first one's. The source goes behind it.
// RESULT_NOT_FOUND where it is another.
static enum result find_piece(struct store_source *s, const struct store_sink *sink,
			      uint32_t number, struct pieces *all)
{
	struct store_block b;
	struct piece p = { .number = number + all->count, .at = s->at + STORE_BLOCK_HEAD };
	enum result r = store_source_peek(s, &b);
	if (r != RESULT_OK)
		return r;
	if (b.kind != KIND_CELLS)
		return RESULT_NOT_FOUND;
	memcpy(p.head, b.head, sizeof(p.head));
	r = sink->piece(sink->arg, b.payload, &p.where);
	if (r == RESULT_OK)
		r = add_piece(all, &p);
	s->at = p.at + b.payload;
	return r;
}

static void read_piece(struct pieces *all, const struct piece *p)
{
	struct store_block b = { .head = p->head, .octets = p->where };
	int before = RESULT_OK;
	b.payload = wire_peek_be32(p->head + 4);
	int r = store_source_read(all->source, p->where, b.payload, p->at);
	if (r == RESULT_OK && !store_block_good(&b, p->number))
		r = RESULT_MALFORMED;
	if (r != RESULT_OK && atomic_compare_exchange_strong(&all->failed, &before, r))
		all->error = errno;
}

// Their memory is touched for the first time: by the huge page, each by one thread.
#define PIECES_TOGETHER 8u

static void read_some(void *arg, unsigned part)
{
	struct pieces *all = arg;
	unsigned end = (part + 1) * PIECES_TOGETHER;
	end = end < all->count ? end : all->count;
	for (unsigned i = part * PIECES_TOGETHER; i < end; i++) {
		if (atomic_load_explicit(&all->failed, memory_order_relaxed) == RESULT_OK)
			read_piece(all, &all->piece[i]);
	}
}

// All pieces of the segment; `number` goes behind them.
static enum result read_pieces(struct store_source *s, const struct store_sink *sink,
			       uint32_t *number)
{
	struct pieces all = { .source = s };
	enum result r;
	do {
		r = find_piece(s, sink, *number, &all);
	} while (r == RESULT_OK);
	if (r == RESULT_NOT_FOUND) {
		crew_do((all.count + PIECES_TOGETHER - 1) / PIECES_TOGETHER, read_some, &all);
		r = (enum result)atomic_load(&all.failed);
		*number += all.count;
		errno = all.error;
	}
	free(all.piece);
	return r;
}

// ---- segments

static enum result read_blocks(struct store_source *s, struct reading *r)
{
	struct store_block b;
	enum result result = store_source_block(s, &b);
	if (result == RESULT_OK)
		result = read_head(&b, &r->head);
	if (result == RESULT_OK && r->sink->head)
		result = r->sink->head(r->sink->arg, &r->head);
	uint32_t number = (uint32_t)r->head.id + 1;
	if (result == RESULT_OK && r->head.kind == STORE_CELLS && r->sink->piece)
		result = read_pieces(s, r->sink, &number);
	for (; result == RESULT_OK; number++) {
		result = store_source_block(s, &b);
		if (result == RESULT_OK && !store_block_good(&b, number))
			result = RESULT_MALFORMED;
		if (result != RESULT_OK)
			break;
		if (b.kind == KIND_END)
			return read_end(r, &b);
		result = read_middle(r, &b);
	}
	return result;
}

enum result store_read_segment(struct store_source *s, const struct store_sink *sink)
{
	if (s->at == s->end)
		return RESULT_NOT_FOUND;
	struct reading *r = malloc(sizeof(*r));
	if (!r)
		return RESULT_NO_MEMORY;
	memset(r, 0, offsetof(struct reading, rdata));
	r->sink = sink;
	enum result result = read_blocks(s, r);
	free(r);
	return result;
}

// ---- a zone

struct loading {
	const uint8_t *apex;
	struct zone_txn *txn;
	struct store_head *last;
	bool begun;
};

// An image first, then deltas that each go on from where the last one ended.
static enum result load_head(void *arg, const struct store_head *head)
{
	struct loading *l = arg;
	bool fits = l->begun ? head->kind == STORE_DELTA && head->from == l->last->to
			     : head->kind != STORE_DELTA;
	if (!fits || !name_equal(head->apex.wire, l->apex))
		return RESULT_MALFORMED;
	*l->last = *head;
	l->begun = true;
	return RESULT_OK;
}

static enum result load_record(void *arg, const struct zone_record *r, bool deleted)
{
	struct loading *l = arg;
	enum result result = deleted ? zone_txn_delete(l->txn, r) : zone_txn_add(l->txn, r);
	return result == RESULT_NOT_FOUND ? RESULT_MALFORMED : result;
}

static enum result load_piece(void *arg, size_t octets, void **where)
{
	const struct loading *l = arg;
	return zone_txn_piece(l->txn, octets, where);
}

static enum result load_image(void *arg, const struct zone_image *image)
{
	const struct loading *l = arg;
	return zone_txn_adopt(l->txn, l->last->apex.wire, image);
}

enum result store_read_zone(struct store_source *s, const uint8_t *apex, struct zone_txn *txn,
			    struct store_head *last)
{
	struct loading l = { .apex = apex, .txn = txn, .last = last };
	const struct store_sink sink = { load_head, load_record, load_piece, load_image, &l };
	enum result r;
	do {
		r = store_read_segment(s, &sink);
	} while (r == RESULT_OK);
	return r == RESULT_NOT_FOUND && l.begun ? RESULT_OK
	       : r == RESULT_NOT_FOUND          ? RESULT_TRUNCATED
						: r;
}

uint64_t store_read_deltas(struct store_source *s, const uint8_t *apex, struct store_head *last)
{
	struct store_head head = *last;
	struct loading l = { .apex = apex, .last = &head, .begun = true };
	const struct store_sink sink = { .head = load_head, .arg = &l };
	uint64_t octets = s->at;
	while (store_read_segment(s, &sink) == RESULT_OK) {
		octets = s->at;
		*last = head;
	}
	return octets;
}
