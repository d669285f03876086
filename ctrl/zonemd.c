// SPDX-License-Identifier: BSD-3-Clause
// Message digests of zones: whether a zone's content is what its ZONEMD says.
//
// What is digested (RFC 8976 section 3.3): all records in canonical order of owner,
// type and rdata, in canonical form (RFC 4034 section 6.2), RRSIG being a type like
// all others; left out are the apex's ZONEMD and what signs it. Duplicates are merged
// in the snapshot. Names and owners of NSEC3 stand in two parts there, and come
// together here.
#include "zonemd.h"

#include <assert.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#include "understudy/name.h"
#include "understudy/rr.h"
#include "understudy/wire.h"

#define SCHEME_SIMPLE 1
#define HASH_SHA384   1
#define HASH_SHA512   2
#define FIXED_OCTETS  6 // of the rdata: serial, scheme, hash
#define BUFFER_OCTETS (2u << 16)
#define RECORD_MOST   (NAME_MAX_OCTETS + 10 + UINT16_MAX)

static_assert(BUFFER_OCTETS > RECORD_MOST, "any record fits");

// One digest that is verified.
struct digest {
	EVP_MD_CTX *ctx; // NULL: not wanted
	uint8_t expected[EVP_MAX_MD_SIZE];
};

// One of the two parts of the zone.
struct part {
	struct zone_iter iter;
	const struct node *node; // the next one, or NULL
	uint8_t owner[NAME_MAX_OCTETS];
	uint8_t owner_len;
};

struct zonemd {
	const struct catalog *view;
	const struct zone *zone;
	struct part parts[2];
	struct digest digests[HASH_SHA512 + 1]; // by hash algorithm
	bool failed;                            // OpenSSL did
	size_t digested;
	size_t len;
	uint8_t buffer[BUFFER_OCTETS];
};

const char *zonemd_verdict_text(enum zonemd_verdict v)
{
	static const char *const texts[] = { [ZONEMD_ABSENT] = "absent",
					     [ZONEMD_UNSUPPORTED] = "unsupported",
					     [ZONEMD_MISMATCH] = "mismatch",
					     [ZONEMD_VERIFIED] = "verified",
					     [ZONEMD_UNDECIDED] = "undecided" };
	return texts[v];
}

// ---- the zone's ZONEMD records

static size_t digest_octets(unsigned hash)
{
	return hash == HASH_SHA384 ? 48 : 64;
}

static bool is_known(const uint8_t *rdata, unsigned len)
{
	return len >= FIXED_OCTETS && rdata[4] == SCHEME_SIMPLE &&
	       (rdata[5] == HASH_SHA384 || rdata[5] == HASH_SHA512);
}

// How often each hash of the scheme that we know is there: once, or it cannot be used.
static void count_known(const struct rrset *set, unsigned counts[static HASH_SHA512 + 1])
{
	const uint8_t *record = set->records;
	for (uint32_t i = 0; i < set->count; i++, record = rrset_next_record(record))
		if (is_known(record + 2, wire_peek_be16(record)))
			counts[record[2 + 5]]++;
}

static bool digest_begin(struct digest *d, unsigned hash, const uint8_t *expected)
{
	d->ctx = EVP_MD_CTX_new();
	memcpy(d->expected, expected, digest_octets(hash));
	return d->ctx &&
	       EVP_DigestInit_ex(d->ctx, hash == HASH_SHA384 ? EVP_sha384() : EVP_sha512(), NULL) ==
		       1;
}

// Begins the digests that may verify; their number, or -1 without memory.
static int begin_digests(struct zonemd *m, const struct rrset *set, const unsigned *counts)
{
	int begun = 0;
	const uint8_t *record = set->records;
	for (uint32_t i = 0; i < set->count; i++, record = rrset_next_record(record)) {
		unsigned len = wire_peek_be16(record);
		const uint8_t *rdata = record + 2;
		if (!is_known(rdata, len) || counts[rdata[5]] != 1 ||
		    len != FIXED_OCTETS + digest_octets(rdata[5]) ||
		    wire_peek_be32(rdata) != zone_serial(m->zone))
			continue;
		if (!digest_begin(&m->digests[rdata[5]], rdata[5], rdata + FIXED_OCTETS))
			return -1;
		begun++;
	}
	return begun;
}

// ---- records in canonical form

static void flush(struct zonemd *m)
{
	for (unsigned hash = HASH_SHA384; hash <= HASH_SHA512; hash++) {
		EVP_MD_CTX *ctx = m->digests[hash].ctx;
		if (ctx && EVP_DigestUpdate(ctx, m->buffer, m->len) != 1)
			m->failed = true;
	}
	m->digested += m->len;
	m->len = 0;
}

static void fold_names(uint16_t type, uint8_t *rdata)
{
	const struct rdata_shape *shape = rdata_shape(type);
	if (!shape->names || !shape->fold_case)
		return;
	size_t at = (size_t)(rdata_first_name(type, rdata) - rdata);
	for (unsigned i = 0; i < shape->names; i++) {
		// Length octets are below 'A' and stay.
		for (size_t end = at + name_length(rdata + at); at < end; at++)
			rdata[at] = name_lower[rdata[at]];
	}
}

static void put_rrset(struct zonemd *m, const struct part *p, const struct rrset *set)
{
	const uint8_t *record = set->records;
	for (uint32_t i = 0; i < set->count; i++) {
		unsigned len = wire_peek_be16(record);
		if (m->len + RECORD_MOST > BUFFER_OCTETS)
			flush(m);
		uint8_t *to = m->buffer + m->len;
		memcpy(to, p->owner, p->owner_len);
		to += p->owner_len;
		wire_poke_be16(to, set->type);
		wire_poke_be16(to + 2, RRCLASS_IN);
		wire_poke_be32(to + 4, set->ttl_s);
		memcpy(to + 8, record, 2 + len);
		fold_names(set->type, to + 10);
		m->len += p->owner_len + 10u + len;
		record += 2 + len;
	}
}

// ---- the RRsets of a name, from both parts

// Where an RRset stands in the order: by type, signatures by what they cover.
static uint32_t rank_of(const struct rrset *set)
{
	uint32_t covered = set->type == RRTYPE_RRSIG ? rrset_covered(set) : 0;
	return (uint32_t)set->type << 16 | covered;
}

// RRSIG has its place among the types: a name's RRsets come in three passes, as in the
// snapshot signatures stand behind what they cover.
enum pass { BEFORE_RRSIG, ONLY_RRSIG, BEHIND_RRSIG, PASSES };

static enum pass pass_of(const struct rrset *set)
{
	return set->type < RRTYPE_RRSIG    ? BEFORE_RRSIG
	       : set->type == RRTYPE_RRSIG ? ONLY_RRSIG
					   : BEHIND_RRSIG;
}

struct cursor {
	const struct node *node; // or NULL
	uint64_t at;
	bool has; // `set` is the next one
	struct rrset set;
};

static void cursor_next(const struct zonemd *m, struct cursor *c, enum pass pass)
{
	do {
		c->has = c->node && node_next_rrset(m->view, c->node, &c->at, &c->set);
	} while (c->has && pass_of(&c->set) != pass);
}

static bool is_left_out(const struct zonemd *m, const struct part *p, uint32_t rank)
{
	bool zonemd = rank == (uint32_t)RRTYPE_ZONEMD << 16 ||
		      rank == ((uint32_t)RRTYPE_RRSIG << 16 | RRTYPE_ZONEMD);
	return zonemd && name_equal(p->owner, zone_apex(m->zone));
}

static void put_pass(struct zonemd *m, const struct part *p, const struct node *const nodes[2],
		     enum pass pass)
{
	struct cursor c[2] = { { .node = nodes[0] }, { .node = nodes[1] } };
	cursor_next(m, &c[0], pass);
	cursor_next(m, &c[1], pass);
	while (c[0].has || c[1].has) {
		bool second = !c[0].has || (c[1].has && rank_of(&c[1].set) < rank_of(&c[0].set));
		if (!is_left_out(m, p, rank_of(&c[second].set)))
			put_rrset(m, p, &c[second].set);
		cursor_next(m, &c[second], pass);
	}
}

static void put_name(struct zonemd *m, const struct part *p, const struct node *const nodes[2])
{
	for (enum pass pass = BEFORE_RRSIG; pass < PASSES; pass++)
		put_pass(m, p, nodes, pass);
}

// ---- the names, from both parts

static void part_next(const struct zonemd *m, struct part *p)
{
	p->node = zone_iter_next(&p->iter);
	if (!p->node)
		return;
	p->owner_len = (uint8_t)node_owner(m->zone, p->node, p->owner);
	for (unsigned i = 0; i < p->owner_len; i++)
		p->owner[i] = name_lower[p->owner[i]];
}

// <0: the first part's name comes first, >0: the second's; 0: they are the same.
static int parts_compare(const struct zonemd *m)
{
	const struct part *a = &m->parts[0], *b = &m->parts[1];
	if (!a->node || !b->node)
		return a->node ? -1 : 1;
	return name_compare(a->owner, b->owner);
}

static void put_next_name(struct zonemd *m)
{
	int order = parts_compare(m);
	const struct node *nodes[2] = { order <= 0 ? m->parts[0].node : NULL,
					order >= 0 ? m->parts[1].node : NULL };
	put_name(m, &m->parts[order > 0], nodes);
	for (unsigned i = 0; i < 2; i++) {
		if (nodes[i])
			part_next(m, &m->parts[i]);
	}
}

// ---- all of it

static enum zonemd_verdict verdict(struct zonemd *m)
{
	bool matches = false;
	flush(m);
	for (unsigned hash = HASH_SHA384; hash <= HASH_SHA512; hash++) {
		struct digest *d = &m->digests[hash];
		uint8_t is[EVP_MAX_MD_SIZE];
		if (!d->ctx)
			continue;
		if (EVP_DigestFinal_ex(d->ctx, is, NULL) != 1)
			m->failed = true;
		else if (memcmp(is, d->expected, digest_octets(hash)) == 0)
			matches = true;
	}
	return matches && !m->failed ? ZONEMD_VERIFIED : ZONEMD_MISMATCH;
}

enum zonemd_verdict zonemd_step(struct zonemd *m, size_t octets)
{
	size_t end = m->digested + m->len + octets;
	while (m->digested + m->len < end) {
		if (!m->parts[0].node && !m->parts[1].node)
			return verdict(m);
		put_next_name(m);
	}
	return ZONEMD_UNDECIDED;
}

enum zonemd_verdict zonemd_begin(const struct catalog *view, const struct zone *z,
				 struct zonemd **out)
{
	const struct node *apex = zone_apex_node(view, z);
	unsigned counts[HASH_SHA512 + 1] = { 0 };
	struct rrset set;
	if (!apex || !node_rrset(view, apex, RRTYPE_ZONEMD, &set))
		return ZONEMD_ABSENT;
	count_known(&set, counts);
	if (!counts[HASH_SHA384] && !counts[HASH_SHA512])
		return ZONEMD_UNSUPPORTED;
	struct zonemd *m = calloc(1, sizeof(*m));
	if (!m) {
		*out = NULL;
		return ZONEMD_UNDECIDED;
	}
	m->view = view;
	m->zone = z;
	int begun = begin_digests(m, &set, counts);
	if (begun <= 0) {
		zonemd_free(m);
		*out = NULL;
		return begun == 0 ? ZONEMD_MISMATCH : ZONEMD_UNDECIDED;
	}
	zone_iter_init_names(&m->parts[0].iter, view, z);
	zone_iter_init_nsec3(&m->parts[1].iter, view, z);
	part_next(m, &m->parts[0]);
	part_next(m, &m->parts[1]);
	*out = m;
	return ZONEMD_UNDECIDED;
}

void zonemd_free(struct zonemd *m)
{
	if (!m)
		return;
	for (unsigned hash = HASH_SHA384; hash <= HASH_SHA512; hash++)
		EVP_MD_CTX_free(m->digests[hash].ctx);
	free(m);
}
