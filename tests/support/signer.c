// SPDX-License-Identifier: BSD-3-Clause
// Chains of NSEC (RFC 4034 section 4) and NSEC3 (RFC 5155 section 7.1) for tests.
#include "support/signer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "understudy/nsec3.h"
#include "understudy/rr.h"
#include "understudy/wire.h"

#define ECDSA_P256      13
#define SIGNATURE_FIXED 18
#define SIGNATURE_SIZE  64
#define NSEC3_OPT_OUT   1
#define BITMAP_MAX      (256 * (2 + 32))

struct record {
	size_t owner, rdata; // places in the octets
	uint32_t ttl_s;
	uint16_t type, rdata_len;
};

// Who has an NSEC3; `first` is NULL for an empty non-terminal.
struct hashed {
	uint8_t hash[NSEC3_HASH_OCTETS];
	const struct record *first, *end;
};

struct signer {
	struct signer_options options;
	struct name apex;
	struct record *record;
	size_t records, record_room;
	uint8_t *octets;
	size_t used, room;
	struct hashed *hashed;
	size_t hashes, hash_room;
	uint32_t chain_ttl_s;
	void (*give)(void *, const struct zone_record *);
	void *arg;
};

static void *grow(void *old, size_t *room, size_t wanted, size_t size)
{
	if (wanted <= *room)
		return old;
	*room = wanted * 2;
	void *p = realloc(old, *room * size);
	if (!p) {
		fprintf(stderr, "signer: no memory\n");
		exit(99);
	}
	return p;
}

struct signer *signer_new(const uint8_t *apex, const struct signer_options *options)
{
	size_t one = 0;
	struct signer *s = grow(NULL, &one, 1, sizeof(*s));
	memset(s, 0, sizeof(*s));
	s->options = *options;
	name_copy(&s->apex, apex);
	return s;
}

static size_t keep(struct signer *s, const uint8_t *octets, size_t len)
{
	s->octets = grow(s->octets, &s->room, s->used + len, 1);
	memcpy(s->octets + s->used, octets, len);
	s->used += len;
	return s->used - len;
}

void signer_add(struct signer *s, const struct zone_record *r)
{
	s->record = grow(s->record, &s->record_room, s->records + 1, sizeof(*s->record));
	s->record[s->records++] = (struct record){
		.owner = keep(s, r->owner, name_length(r->owner)),
		.rdata = keep(s, r->rdata, r->rdata_len),
		.ttl_s = r->ttl_s,
		.type = r->type,
		.rdata_len = r->rdata_len,
	};
	if (r->type == RRTYPE_SOA)
		s->chain_ttl_s = wire_peek_be32(r->rdata + r->rdata_len - 4);
}

static int by_owner_and_type(const void *a, const void *b, void *arg)
{
	const struct signer *s = arg;
	const struct record *x = a, *y = b;
	int order = name_compare(s->octets + x->owner, s->octets + y->owner);
	return order ? order : (int)x->type - (int)y->type;
}

static int by_hash(const void *a, const void *b)
{
	return memcmp(a, b, NSEC3_HASH_OCTETS);
}

static const uint8_t *owner_of(const struct signer *s, const struct record *r)
{
	return s->octets + r->owner;
}

static const struct record *end_of_owner(const struct signer *s, const struct record *first)
{
	const struct record *r = first + 1;
	while (r < s->record + s->records && name_equal(owner_of(s, r), owner_of(s, first)))
		r++;
	return r;
}

static bool has_type(const struct record *first, const struct record *end, uint16_t type)
{
	while (first < end && first->type != type)
		first++;
	return first < end;
}

static bool is_cut(const struct signer *s, const struct record *first, const struct record *end)
{
	return has_type(first, end, RRTYPE_NS) && !name_equal(owner_of(s, first), s->apex.wire);
}

// The next owner that is not below a zone cut or DNAME; NULL at the end.
static const struct record *next_authoritative(const struct signer *s, const struct record *first)
{
	const struct record *last = s->record + s->records, *end = end_of_owner(s, first);
	bool stops = is_cut(s, first, end) || has_type(first, end, RRTYPE_DNAME);
	while (end < last && stops && name_is_at_or_below(owner_of(s, end), owner_of(s, first)))
		end = end_of_owner(s, end);
	return end < last ? end : NULL;
}

static void give(const struct signer *s, const uint8_t *owner, uint16_t type, uint32_t ttl_s,
		 const struct wire_out *rdata)
{
	struct zone_record r = { .owner = owner,
				 .rdata = rdata->base,
				 .ttl_s = ttl_s,
				 .type = type,
				 .rdata_len = (uint16_t)wire_out_len(rdata) };
	s->give(s->arg, &r);
}

static void give_signature(const struct signer *s, const uint8_t *owner, uint16_t type,
			   uint32_t ttl_s)
{
	uint8_t rdata[SIGNATURE_FIXED + NAME_MAX_OCTETS + SIGNATURE_SIZE];
	struct wire_out o = wire_out_init(rdata, sizeof(rdata));
	unsigned labels = name_label_count(owner) - (owner[0] == 1 && owner[1] == '*');
	wire_put_u16(&o, type);
	wire_put_u8(&o, ECDSA_P256);
	wire_put_u8(&o, (uint8_t)labels);
	wire_put_u32(&o, ttl_s);
	wire_put_u32(&o, 2000000000);
	wire_put_u32(&o, 1700000000);
	wire_put_u16(&o, 4711);
	wire_put_bytes(&o, s->apex.wire, s->apex.len);
	for (unsigned i = 0; i < SIGNATURE_SIZE; i++)
		wire_put_u8(&o, (uint8_t)(type * 31u + i));
	give(s, owner, RRTYPE_RRSIG, ttl_s, &o);
}

// --- the chains --------------------------------------------------------------------

struct bitmap {
	uint8_t bits[256][32];
	uint8_t octets[256]; // used of each window
};

static void set_type(struct bitmap *b, uint16_t type)
{
	uint8_t octet = (uint8_t)(type & 0xff) / 8;
	b->bits[type >> 8][octet] |= (uint8_t)(0x80 >> type % 8);
	if (b->octets[type >> 8] <= octet)
		b->octets[type >> 8] = octet + 1;
}

// Writes the bitmap and clears it.
static void put_bitmap(struct wire_out *o, struct bitmap *b)
{
	for (unsigned window = 0; window < 256; window++) {
		uint8_t octets = b->octets[window];
		if (octets == 0)
			continue;
		wire_put_u8(o, (uint8_t)window);
		wire_put_u8(o, octets);
		wire_put_bytes(o, b->bits[window], octets);
		memset(b->bits[window], 0, octets);
		b->octets[window] = 0;
	}
}

// The types of an owner, at a cut only those of the parent's side; and one more.
static void put_types(const struct signer *s, const struct record *first, const struct record *end,
		      uint16_t more, struct wire_out *o)
{
	static struct bitmap types;
	bool cut = first && is_cut(s, first, end), any_signed = more != 0;
	for (const struct record *r = first; r < end; r++)
		if (!cut || r->type == RRTYPE_NS || r->type == RRTYPE_DS) {
			set_type(&types, r->type);
			any_signed |= !cut || r->type == RRTYPE_DS;
		}
	if (any_signed)
		set_type(&types, RRTYPE_RRSIG);
	if (more)
		set_type(&types, more);
	put_bitmap(o, &types);
}

static void give_nsec(const struct signer *s, const struct record *first)
{
	uint8_t rdata[NAME_MAX_OCTETS + BITMAP_MAX];
	struct wire_out o = wire_out_init(rdata, sizeof(rdata));
	const struct record *next = next_authoritative(s, first);
	const uint8_t *next_name = next ? owner_of(s, next) : s->apex.wire;
	wire_put_bytes(&o, next_name, name_length(next_name));
	put_types(s, first, end_of_owner(s, first), RRTYPE_NSEC, &o);
	give(s, owner_of(s, first), RRTYPE_NSEC, s->chain_ttl_s, &o);
	give_signature(s, owner_of(s, first), RRTYPE_NSEC, s->chain_ttl_s);
}

static struct nsec3_params params_of(const struct signer *s)
{
	return (struct nsec3_params){ .salt = s->options.salt,
				      .salt_len = s->options.salt_len,
				      .iterations = s->options.iterations };
}

// Whether this record of the chain is left out. The apex has one: without it there
// is no chain.
static bool is_missing(const struct signer *s, const struct record *first, size_t index)
{
	return s->options.holes && first != s->record && index % 3 == 1;
}

static void add_hashed(struct signer *s, const uint8_t *name, const struct record *first)
{
	s->hashed = grow(s->hashed, &s->hash_room, s->hashes + 1, sizeof(*s->hashed));
	struct hashed *h = &s->hashed[s->hashes++];
	struct nsec3_params p = params_of(s);
	nsec3_hash(name, (unsigned)name_length(name), &p, h->hash);
	h->first = first;
	h->end = first ? end_of_owner(s, first) : NULL;
}

static unsigned shared_labels(const uint8_t *a, const uint8_t *b)
{
	unsigned n = name_label_count(a);
	while (!name_is_at_or_below(b, name_skip_labels(a, name_label_count(a) - n)))
		n--;
	return n;
}

// All that exists: owners, but unsigned delegations with opt-out, and the empty
// non-terminals above these.
static void collect_hashes(struct signer *s)
{
	const uint8_t *before = s->apex.wire;
	for (const struct record *r = s->record; r; r = next_authoritative(s, r)) {
		const struct record *end = end_of_owner(s, r);
		const uint8_t *owner = owner_of(s, r);
		if (s->options.opt_out && is_cut(s, r, end) && !has_type(r, end, RRTYPE_DS))
			continue;
		unsigned labels = name_label_count(owner);
		for (unsigned n = shared_labels(before, owner) + 1; n < labels; n++)
			add_hashed(s, name_skip_labels(owner, labels - n), NULL);
		add_hashed(s, owner, r);
		before = owner;
		uint8_t below[2 + NAME_MAX_OCTETS] = "\1a";
		memcpy(below + 2, owner, name_length(owner));
		if (s->options.stale && 2 + name_length(owner) <= NAME_MAX_OCTETS)
			add_hashed(s, below, NULL);
	}
	qsort(s->hashed, s->hashes, sizeof(*s->hashed), by_hash);
}

static void put_params(const struct signer *s, uint8_t flags, struct wire_out *o)
{
	wire_put_u8(o, NSEC3_SHA1);
	wire_put_u8(o, flags);
	wire_put_u16(o, s->options.iterations);
	wire_put_u8(o, s->options.salt_len);
	wire_put_bytes(o, s->options.salt, s->options.salt_len);
}

static void give_nsec3(const struct signer *s, const struct hashed *h, const struct hashed *next)
{
	uint8_t rdata[64 + BITMAP_MAX];
	uint8_t owner[NAME_MAX_OCTETS] = { NSEC3_LABEL_OCTETS };
	struct wire_out o = wire_out_init(rdata, sizeof(rdata));
	put_params(s, s->options.opt_out ? NSEC3_OPT_OUT : 0, &o);
	wire_put_u8(&o, NSEC3_HASH_OCTETS);
	wire_put_bytes(&o, next->hash, NSEC3_HASH_OCTETS);
	put_types(s, h->first, h->end, 0, &o);
	nsec3_label(h->hash, owner + 1);
	memcpy(owner + 1 + NSEC3_LABEL_OCTETS, s->apex.wire, s->apex.len);
	give(s, owner, RRTYPE_NSEC3, s->chain_ttl_s, &o);
	give_signature(s, owner, RRTYPE_NSEC3, s->chain_ttl_s);
}

static void add_nsec3param(struct signer *s)
{
	uint8_t rdata[5 + SIGNER_SALT_MAX];
	struct wire_out o = wire_out_init(rdata, sizeof(rdata));
	put_params(s, s->options.flags, &o);
	struct zone_record r = { .owner = s->apex.wire,
				 .rdata = rdata,
				 .type = RRTYPE_NSEC3PARAM,
				 .rdata_len = (uint16_t)wire_out_len(&o) };
	signer_add(s, &r);
}

static void give_signatures(const struct signer *s, const struct record *first)
{
	const struct record *end = end_of_owner(s, first);
	bool cut = is_cut(s, first, end);
	for (const struct record *r = first; r < end; r++)
		if ((r == first || r->type != r[-1].type) && (!cut || r->type == RRTYPE_DS))
			give_signature(s, owner_of(s, r), r->type, r->ttl_s);
}

static void give_nsec3_chain(struct signer *s)
{
	collect_hashes(s);
	for (size_t i = 0; i < s->hashes; i++)
		if (!is_missing(s, s->hashed[i].first, i))
			give_nsec3(s, &s->hashed[i], &s->hashed[(i + 1) % s->hashes]);
}

static void give_chain(struct signer *s)
{
	if (s->options.nsec3) {
		give_nsec3_chain(s);
		if (!s->options.beside)
			return;
		s->options.opt_out = false;
		s->options.salt_len = 1;
		s->options.salt[0]++;
		s->hashes = 0;
		give_nsec3_chain(s);
	} else {
		size_t i = 0;
		for (const struct record *r = s->record; r; r = next_authoritative(s, r))
			if (!is_missing(s, r, i++))
				give_nsec(s, r);
	}
}

void signer_finish(struct signer *s, void (*give_one)(void *arg, const struct zone_record *r),
		   void *arg)
{
	s->give = give_one;
	s->arg = arg;
	if (s->options.nsec3)
		add_nsec3param(s);
	qsort_r(s->record, s->records, sizeof(*s->record), by_owner_and_type, s);
	for (size_t i = 0; i < s->records; i++) {
		const struct record *r = &s->record[i];
		struct zone_record out = { .owner = owner_of(s, r),
					   .rdata = s->octets + r->rdata,
					   .ttl_s = r->ttl_s,
					   .type = r->type,
					   .rdata_len = r->rdata_len };
		give_one(arg, &out);
	}
	for (const struct record *r = s->record; r; r = next_authoritative(s, r))
		give_signatures(s, r);
	give_chain(s);
	free(s->hashed);
	free(s->record);
	free(s->octets);
	free(s);
}
