// SPDX-License-Identifier: BSD-3-Clause
// The snapshot against a naive list of records: random builds, deltas, failures and
// compactions, with zonedb_check and a full comparison after every step.
//
// Usage: test_zone_model [SEED [STEPS]]; the seed is printed, so that a failure
// can be had again.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "understudy/rcu.h"
#include "understudy/rr.h"
#include "understudy/zonedb.h"

#define ZONES       4
#define RECORDS_MAX 4000

struct record {
	struct name owner;
	uint16_t type;
	uint16_t len;
	uint8_t rdata[300];
};

struct model_zone {
	struct name apex;
	bool present; // configured
	enum zone_state state;
	uint32_t count;
	struct record *record;
	uint32_t serial;
};

static struct model_zone zones[ZONES];
static struct zonedb *db;
static uint64_t random_state;
static uint64_t diffs_said;

#define MUST(condition)                                                                         \
	do {                                                                                    \
		if (!(condition)) {                                                             \
			fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition); \
			exit(1);                                                                \
		}                                                                               \
	} while (0)

static uint64_t rnd(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state;
}

static unsigned upto(unsigned n) // 0 to n - 1
{
	return (unsigned)(rnd() % n);
}

// --- names -----------------------------------------------------------------------

static const char *const labels[] = { "a",   "b",    "ab",   "A",  "*",    "-",    "_x", "z{", "0",
				      "a-b", "\xff", "\x01", "~z", "host", "mail", "n1", "n2" };

static void push_label(struct name *n, const char *octets, unsigned len)
{
	if (n->len + len + 1 > NAME_MAX_OCTETS)
		return;
	memmove(n->wire + len + 1, n->wire, n->len);
	n->wire[0] = (uint8_t)len;
	memcpy(n->wire + 1, octets, len);
	n->len = (uint8_t)(n->len + len + 1);
	n->labels++;
}

static void pop_label(struct name *n)
{
	struct name shorter;
	name_copy(&shorter, name_skip_labels(n->wire, 1));
	*n = shorter;
}

static void random_label(struct name *n)
{
	char octets[63];
	unsigned len;
	if (upto(30) == 0) {
		len = 1 + upto(63);
		for (unsigned i = 0; i < len; i++)
			octets[i] = (char)rnd();
		push_label(n, octets, len);
	} else if (upto(12) == 0) {
		push_label(n, "\0", 1);
	} else {
		const char *text = labels[upto(sizeof(labels) / sizeof(labels[0]))];
		push_label(n, text, (unsigned)strlen(text));
	}
}

static void random_name(struct name *n, const struct name *apex)
{
	*n = *apex;
	unsigned deeper = upto(40) == 0 ? 120 : upto(5);
	for (unsigned i = 0; i < deeper; i++)
		random_label(n);
}

static void swap_case(struct name *n)
{
	for (unsigned at = 0; n->wire[at]; at += 1u + n->wire[at])
		for (unsigned i = at + 1; i <= at + n->wire[at]; i++)
			if (name_lower[n->wire[i]] >= 'a' && name_lower[n->wire[i]] <= 'z' &&
			    upto(2))
				n->wire[i] ^= 0x20;
}

// --- the model -------------------------------------------------------------------

static bool same_record(const struct record *r, const struct zone_record *z)
{
	return r->type == z->type && name_equal(r->owner.wire, z->owner) &&
	       rdata_equal(r->type, r->rdata, r->len, z->rdata, z->rdata_len);
}

static int model_index(const struct model_zone *m, const struct zone_record *z)
{
	for (uint32_t i = 0; i < m->count; i++)
		if (same_record(&m->record[i], z))
			return (int)i;
	return -1;
}

// NSEC3 records and their signatures are not of the names that exist.
static bool apart(const struct model_zone *m, const struct record *r)
{
	return r->owner.labels == m->apex.labels + 1u &&
	       (r->type == RRTYPE_NSEC3 ||
		(r->type == RRTYPE_RRSIG && wire_peek_be16(r->rdata) == RRTYPE_NSEC3));
}

static bool owns(const struct model_zone *m, const uint8_t *name, uint16_t type)
{
	for (uint32_t i = 0; i < m->count; i++)
		if (!apart(m, &m->record[i]) && (type == 0 || m->record[i].type == type) &&
		    name_equal(m->record[i].owner.wire, name))
			return true;
	return false;
}

static bool exists(const struct model_zone *m, const uint8_t *name)
{
	for (uint32_t i = 0; i < m->count; i++)
		if (!apart(m, &m->record[i]) && name_is_at_or_below(m->record[i].owner.wire, name))
			return true;
	return false;
}

static const uint8_t *ancestor(const struct name *n, unsigned label_count)
{
	return name_skip_labels(n->wire, n->labels - label_count);
}

static const struct model_zone *model_zone_for(const struct name *n, uint16_t qtype)
{
	const struct model_zone *best = NULL, *second = NULL;
	for (unsigned i = 0; i < ZONES; i++) {
		const struct model_zone *m = &zones[i];
		if (!m->present || !name_is_at_or_below(n->wire, m->apex.wire))
			continue;
		if (!best || m->apex.labels > best->apex.labels) {
			second = best;
			best = m;
		} else if (!second || m->apex.labels > second->apex.labels) {
			second = m;
		}
	}
	bool at_apex = best && best->apex.labels == n->labels;
	return qtype == RRTYPE_DS && at_apex && second ? second : best;
}

// --- comparing ---------------------------------------------------------------------

static void node_must_be(const struct zone *z, const struct node *n, const uint8_t *owner)
{
	uint8_t have[NAME_MAX_OCTETS];
	MUST(n != NULL);
	node_owner(z, n, have);
	MUST(name_equal(have, owner));
}

static void compare_find(const struct model_zone *m, const struct name *q, const struct find *f)
{
	if (!m || !name_is_at_or_below(q->wire, m->apex.wire)) {
		MUST(f->status == FIND_NO_ZONE && !f->zone);
		return;
	}
	MUST(f->zone && name_equal(zone_apex(f->zone), m->apex.wire));
	if (m->state != ZONE_SERVED) {
		MUST(f->status == FIND_NO_DATA);
		return;
	}
	for (unsigned l = m->apex.labels; l <= q->labels; l++) {
		const uint8_t *at = ancestor(q, l);
		bool itself = l == q->labels;
		if (l > m->apex.labels && owns(m, at, RRTYPE_NS)) {
			node_must_be(f->zone, f->cut, at);
			MUST(f->status == FIND_NODE && !f->dname);
			MUST(itself ? f->node == f->cut : f->node == NULL);
			MUST(f->encloser_labels == l);
			return;
		}
		if (!itself && owns(m, at, RRTYPE_DNAME)) {
			node_must_be(f->zone, f->dname, at);
			MUST(f->status == FIND_NODE && !f->node && !f->cut);
			MUST(f->encloser_labels == l);
			return;
		}
	}
	MUST(!f->cut && !f->dname);
	if (owns(m, q->wire, 0)) {
		MUST(f->status == FIND_NODE);
		node_must_be(f->zone, f->node, q->wire);
		return;
	}
	MUST(!f->node || f->status == FIND_WILDCARD);
	if (exists(m, q->wire)) {
		MUST(f->status == FIND_EMPTY);
		return;
	}
	unsigned l = q->labels;
	while (!exists(m, ancestor(q, l)))
		l--;
	MUST(f->encloser_labels == l);
	struct name wild;
	name_copy(&wild, ancestor(q, l));
	push_label(&wild, "*", 1);
	if (owns(m, wild.wire, 0)) {
		MUST(f->status == FIND_WILDCARD);
		node_must_be(f->zone, f->node, wild.wire);
	} else if (exists(m, wild.wire)) {
		MUST(f->status == FIND_WILDCARD && !f->node);
	} else {
		MUST(f->status == FIND_NAME_ERROR);
	}
}

static bool occluded(const struct model_zone *m, const struct name *n)
{
	for (unsigned l = m->apex.labels; l < n->labels; l++) {
		const uint8_t *at = ancestor(n, l);
		if (owns(m, at, RRTYPE_DNAME) || (l > m->apex.labels && owns(m, at, RRTYPE_NS)))
			return true;
	}
	return false;
}

static void compare_before(const struct catalog *view, const struct model_zone *m,
			   const struct name *q)
{
	const struct zone *z = catalog_zone(view, m->apex.wire);
	const struct node *n = zone_node_before(view, z, q->wire);
	const struct record *best = NULL, *last = NULL;
	for (uint32_t i = 0; i < m->count; i++) {
		const struct record *r = &m->record[i];
		if (apart(m, r) || occluded(m, &r->owner))
			continue;
		if (!last || name_compare(r->owner.wire, last->owner.wire) > 0)
			last = r;
		if (name_compare(r->owner.wire, q->wire) < 0 &&
		    (!best || name_compare(r->owner.wire, best->owner.wire) > 0))
			best = r;
	}
	node_must_be(z, n, (best ? best : last)->owner.wire);
}

// --- NSEC3 ---

static uint64_t hashes_found[2]; // covered, matched

static bool same_chain(const uint8_t *a, const uint8_t *b)
{
	return a[0] == b[0] && memcmp(a + 2, b + 2, 3u + b[4]) == 0;
}

// The owner of a hash in this zone.
static bool hash_owner(const struct model_zone *m, const uint8_t *hash, struct name *out)
{
	uint8_t label[NSEC3_LABEL_OCTETS];
	*out = m->apex;
	nsec3_label(hash, label);
	push_label(out, (const char *)label, sizeof(label));
	return out->labels > m->apex.labels;
}

static const struct record *nsec3_at(const struct model_zone *m, const uint8_t *params,
				     const struct name *owner)
{
	for (uint32_t i = 0; i < m->count; i++)
		if (apart(m, &m->record[i]) && m->record[i].type == RRTYPE_NSEC3 &&
		    same_chain(m->record[i].rdata, params) &&
		    name_equal(m->record[i].owner.wire, owner->wire))
			return &m->record[i];
	return NULL;
}

static struct nsec3_params params_of(const uint8_t *rdata)
{
	return (struct nsec3_params){ .salt = rdata + 5,
				      .salt_len = rdata[4],
				      .iterations = wire_peek_be16(rdata + 2) };
}

// The least NSEC3PARAM that has a record for the apex.
static const struct record *chain_of(const struct model_zone *m)
{
	const struct record *best = NULL;
	for (uint32_t i = 0; i < m->count; i++) {
		const struct record *r = &m->record[i];
		struct name owner;
		uint8_t hash[NSEC3_HASH_OCTETS];
		if (r->type != RRTYPE_NSEC3PARAM || !name_equal(r->owner.wire, m->apex.wire) ||
		    r->rdata[0] != NSEC3_SHA1 || r->rdata[1] != 0)
			continue;
		const struct nsec3_params p = params_of(r->rdata);
		nsec3_hash(m->apex.wire, m->apex.len, &p, hash);
		if (hash_owner(m, hash, &owner) && nsec3_at(m, r->rdata, &owner) &&
		    (!best || memcmp(r->rdata, best->rdata, r->len) < 0))
			best = r;
	}
	return best;
}

static void compare_nsec3(const struct catalog *view, const struct model_zone *m)
{
	const struct zone *z = catalog_zone(view, m->apex.wire);
	const struct record *chain = chain_of(m), *best = NULL, *last = NULL;
	struct nsec3_params p;
	MUST(zone_nsec3_params(z, &p) == (chain != NULL));
	if (!chain)
		return;
	const struct nsec3_params want = params_of(chain->rdata);
	MUST(p.iterations == want.iterations && p.salt_len == want.salt_len);
	MUST(memcmp(p.salt, want.salt, p.salt_len) == 0);
	uint8_t hash[NSEC3_HASH_OCTETS] = { (uint8_t)rnd(), (uint8_t)rnd(), (uint8_t)rnd() };
	struct name owner, q;
	if (upto(2)) {
		random_name(&q, &m->apex);
		nsec3_hash(q.wire, q.len, &p, hash);
	}
	MUST(hash_owner(m, hash, &owner));
	for (uint32_t i = 0; i < m->count; i++) {
		const struct record *r = &m->record[i];
		if (!apart(m, r) || !nsec3_at(m, chain->rdata, &r->owner))
			continue;
		if (!last || name_compare(r->owner.wire, last->owner.wire) > 0)
			last = r;
		if (name_compare(r->owner.wire, owner.wire) <= 0 &&
		    (!best || name_compare(r->owner.wire, best->owner.wire) > 0))
			best = r;
	}
	best = best ? best : last;
	bool match = false;
	const struct node *n = zone_nsec3_find(view, z, hash, &match);
	node_must_be(z, n, best->owner.wire);
	MUST(match == name_equal(best->owner.wire, owner.wire));
	hashes_found[match]++;
}

static unsigned denials_compared;

// What a find tells on its way of what denies the name is what is found apart.
static void compare_denial(const struct catalog *view, const struct find *f)
{
	uint8_t wildcard[2 + NAME_MAX_OCTETS] = "\1*";
	unsigned count = name_label_count(f->qname);
	bool denied = f->deny && (f->status == FIND_EMPTY || f->status == FIND_WILDCARD ||
				  f->status == FIND_NAME_ERROR);
	struct nsec3_params chain;
	denied = denied && !zone_nsec3_params(f->zone, &chain) &&
		 (node_flags(zone_apex_node(view, f->zone)) & NODE_SIGNED);
	MUST((f->before != NULL) == denied);
	MUST((f->before_wildcard != NULL) == (denied && f->status != FIND_EMPTY && !f->node));
	if (f->before)
		MUST(f->before == zone_node_before(view, f->zone, f->qname));
	if (!f->before_wildcard)
		return;
	const uint8_t *encloser = name_skip_labels(f->qname, count - f->encloser_labels);
	memcpy(wildcard + 2, encloser, name_length(encloser));
	MUST(f->before_wildcard == zone_node_before(view, f->zone, wildcard));
	denials_compared++;
}

// What is found from a cut is what is found from the apex.
static void compare_below(const struct catalog *view, const struct find *f,
			  const struct name names[], unsigned n)
{
	uint8_t cut[NAME_MAX_OCTETS];
	if (!f->cut)
		return;
	node_owner(f->zone, f->cut, cut);
	for (unsigned i = 0; i < n; i++)
		if (name_is_at_or_below(names[i].wire, cut))
			MUST(zone_node_at_cut(view, f, names[i].wire) ==
			     zone_node_exact(view, f->zone, names[i].wire));
}

static void ask(const struct catalog *view)
{
	struct name names[FIND_BURST_MAX];
	struct find finds[FIND_BURST_MAX], *list[FIND_BURST_MAX];
	unsigned n = 1 + upto(FIND_BURST_MAX);
	for (unsigned i = 0; i < n; i++) {
		const struct model_zone *m = &zones[upto(ZONES)];
		if (m->count && upto(2)) {
			names[i] = m->record[upto(m->count)].owner;
			if (upto(3) == 0)
				random_label(&names[i]);
			else if (upto(3) == 0 && names[i].labels)
				pop_label(&names[i]);
		} else {
			random_name(&names[i], upto(9) ? &m->apex : &zones[0].apex);
		}
		swap_case(&names[i]);
		finds[i] = (struct find){ .qname = names[i].wire,
					  .qname_len = names[i].len,
					  .qtype = upto(4) ? RRTYPE_A : RRTYPE_DS,
					  .deny = upto(2) == 0 };
		list[i] = &finds[i];
	}
	zone_find_burst(view, list, n);
	for (unsigned i = 0; i < n; i++) {
		compare_find(model_zone_for(&names[i], finds[i].qtype), &names[i], &finds[i]);
		compare_denial(view, &finds[i]);
		compare_below(view, &finds[i], names, n);
		const struct model_zone *m = &zones[upto(ZONES)];
		if (m->present) {
			zone_find_in(view, catalog_zone(view, m->apex.wire), &finds[i]);
			compare_find(m, &names[i], &finds[i]);
			compare_denial(view, &finds[i]);
			compare_below(view, &finds[i], names, n);
		}
		m = model_zone_for(&names[i], RRTYPE_A);
		if (!m || m->state != ZONE_SERVED)
			continue;
		const struct zone *z = catalog_zone(view, m->apex.wire);
		const struct node *exact = zone_node_exact(view, z, names[i].wire);
		MUST((exact != NULL) == owns(m, names[i].wire, 0));
		if (i < 4) {
			compare_before(view, m, &names[i]);
			compare_nsec3(view, m);
		}
	}
}

static void compare_zone(const struct catalog *view, const struct model_zone *m)
{
	const struct zone *z = catalog_zone(view, m->apex.wire);
	MUST((z != NULL) == m->present);
	if (!z)
		return;
	MUST(zone_state(z) == m->state);
	if (m->state == ZONE_NOT_LOADED)
		return;
	MUST(zone_record_count(z) == m->count && zone_serial(z) == m->serial);
	static struct zone_iter it;
	uint64_t seen = 0;
	const struct node *n;
	zone_iter_init(&it, view, z);
	while ((n = zone_iter_next(&it))) {
		uint8_t owner[NAME_MAX_OCTETS];
		struct rrset r;
		node_owner(z, n, owner);
		for (uint64_t at = 0; node_next_rrset(view, n, &at, &r);) {
			const uint8_t *p = r.records;
			for (uint32_t i = 0; i < r.count; i++) {
				struct zone_record rec = { .owner = owner,
							   .type = r.type,
							   .rdata = p + 2,
							   .rdata_len = wire_peek_be16(p) };
				MUST(model_index(m, &rec) >= 0);
				p += 2 + rec.rdata_len;
				seen++;
			}
		}
	}
	MUST(seen == m->count);
}

static void compare_all(unsigned asks)
{
	char why[200];
	rcu_reader_online();
	const struct catalog *view = zonedb_view(db);
	if (zonedb_check(db, view, why, sizeof(why)) != RESULT_OK) {
		fprintf(stderr, "check: %s\n", why);
		exit(1);
	}
	for (unsigned i = 0; i < ZONES; i++)
		compare_zone(view, &zones[i]);
	for (unsigned i = 0; i < asks; i++)
		ask(view);
	rcu_reader_offline();
}

// --- changing ----------------------------------------------------------------------

static uint16_t soa_rdata(uint8_t *out, uint32_t serial)
{
	memset(out, 0, 22);
	wire_poke_be32(out + 2, serial);
	return 22;
}

// Parameters of two chains, one with a flag that forbids its use; and owners of
// the hashes of some names, the apex's often.
static void random_nsec3(const struct model_zone *m, struct record *r)
{
	static const uint8_t params[][7] = { { NSEC3_SHA1, 0, 0, 1, 2, 0xab, 0xcd },
					     { NSEC3_SHA1, 0, 0, 0, 0 },
					     { NSEC3_SHA1, 1, 0, 2, 1, 0xef },
					     { 2, 0, 0, 0, 0 } };
	const uint8_t *one = params[upto(8) ? upto(2) : upto(4)];
	memset(r->rdata, 0, sizeof(r->rdata));
	memcpy(r->rdata, one, 5u + one[4]);
	r->len = (uint16_t)(5 + one[4]);
	r->type = upto(8) ? RRTYPE_NSEC3 : RRTYPE_NSEC3PARAM;
	r->owner = m->apex;
	if (r->type == RRTYPE_NSEC3PARAM)
		return;
	uint8_t hash[NSEC3_HASH_OCTETS];
	const struct nsec3_params p = params_of(one);
	struct name q = m->apex;
	if (upto(10))
		random_name(&q, &m->apex);
	nsec3_hash(q.wire, q.len, &p, hash);
	if (upto(30) == 0)
		random_name(&r->owner, &m->apex);
	else
		hash_owner(m, hash, &r->owner);
	swap_case(&r->owner);
	r->rdata[1] = (uint8_t)upto(2);
	r->len = (uint16_t)(r->len + 1 + upto(30));
	if (upto(3))
		return;
	r->type = RRTYPE_RRSIG;
	memset(r->rdata, 0, sizeof(r->rdata));
	r->rdata[1] = RRTYPE_NSEC3;
	r->rdata[18] = (uint8_t)upto(2);
	r->len = 30;
}

static void random_record(const struct model_zone *m, struct record *r)
{
	if (upto(4) == 0) {
		random_nsec3(m, r);
		return;
	}

	static const uint16_t types[] = { RRTYPE_A,     RRTYPE_A,     RRTYPE_AAAA, RRTYPE_TXT,
					  RRTYPE_NS,    RRTYPE_DNAME, RRTYPE_MX,   RRTYPE_RRSIG,
					  RRTYPE_CNAME, 65280 };
	random_name(&r->owner, &m->apex);
	swap_case(&r->owner);
	r->type = types[upto(sizeof(types) / sizeof(types[0]))];
	if (upto(3) && (r->type == RRTYPE_NS || r->type == RRTYPE_DNAME))
		r->type = RRTYPE_A;
	memset(r->rdata, 0, sizeof(r->rdata));
	switch (r->type) {
	case RRTYPE_A:
		r->len = 4;
		r->rdata[3] = (uint8_t)upto(20);
		break;
	case RRTYPE_AAAA:
		r->len = 16;
		r->rdata[15] = (uint8_t)upto(20);
		break;
	case RRTYPE_NS:
	case RRTYPE_CNAME:
	case RRTYPE_DNAME:
		memcpy(r->rdata, "\2nS\0", 4);
		r->rdata[2] = "sS"[upto(2)];
		r->len = 4;
		break;
	case RRTYPE_MX:
		memcpy(r->rdata, "\0\12\32the-mail-host-of-all-of-us", 30);
		r->rdata[1] = (uint8_t)(upto(4) ? 10 : upto(200));
		r->len = 30;
		break;
	case RRTYPE_RRSIG:
		r->len = 19 + (uint16_t)upto(200);
		r->rdata[1] = (uint8_t)(1 + upto(3));
		break;
	default:
		r->len = (uint16_t)(1 + upto(sizeof(r->rdata) - 1));
		r->rdata[0] = (uint8_t)upto(256);
	}
}

static struct zone_record as_zone_record(const struct record *r)
{
	return (struct zone_record){ .owner = r->owner.wire,
				     .type = r->type,
				     .ttl_s = 300,
				     .rdata = r->rdata,
				     .rdata_len = r->len };
}

static void model_add(struct model_zone *m, const struct record *r)
{
	struct zone_record z = as_zone_record(r);
	if (model_index(m, &z) < 0)
		m->record[m->count++] = *r;
}

static void model_delete(struct model_zone *m, int i)
{
	m->record[i] = m->record[--m->count];
}

static struct record soa_of(const struct model_zone *m, uint32_t serial)
{
	struct record r = { .owner = m->apex, .type = RRTYPE_SOA };
	r.len = soa_rdata(r.rdata, serial);
	return r;
}

static void both_add(struct zone_txn *t, struct model_zone *m, const struct record *r)
{
	struct zone_record z = as_zone_record(r);
	MUST(zone_txn_add(t, &z) == RESULT_OK);
	model_add(m, r);
}

static void random_change(struct zone_txn *t, struct model_zone *m)
{
	struct record r;
	if (m->count > 1 && upto(5) < 2) {
		int i = (int)upto(m->count);
		if (m->record[i].type == RRTYPE_SOA)
			return;
		r = m->record[i];
		swap_case(&r.owner);
		struct zone_record z = as_zone_record(&r);
		MUST(zone_txn_delete(t, &z) == RESULT_OK);
		model_delete(m, i);
		return;
	}
	random_record(m, &r);
	struct zone_record z = as_zone_record(&r);
	if (upto(10) == 0 && model_index(m, &z) < 0) {
		MUST(zone_txn_delete(t, &z) == RESULT_NOT_FOUND);
		return;
	}
	// Sometimes a big RRset, so that indirect ones come and go.
	unsigned more = upto(40) == 0 ? upto(300) : 1;
	for (unsigned i = 0; i < more && m->count < RECORDS_MAX; i++) {
		if (r.type == RRTYPE_TXT && i > 0)
			wire_poke_be16(r.rdata + 1, (uint16_t)i), r.len = 200;
		both_add(t, m, &r);
	}
}

static int by_owner(const void *a, const void *b)
{
	const struct record *ra = a, *rb = b;
	int d = name_compare(ra->owner.wire, rb->owner.wire);
	return d != 0 ? d : (int)ra->type - (int)rb->type;
}

// What a primary sends whose zone is nearly what is published: all of it but the
// SOA, mostly in order, without a record here and there.
static void add_again(struct zone_txn *t, const struct model_zone *m, struct model_zone *next)
{
	struct record *all = malloc(RECORDS_MAX * sizeof(*all));
	memcpy(all, m->record, m->count * sizeof(*all));
	if (upto(4))
		qsort(all, m->count, sizeof(*all), by_owner);
	unsigned without = upto(3) ? 1 + upto(200) : 0;
	for (uint32_t i = 0; i < m->count; i++)
		if (all[i].type != RRTYPE_SOA && !(without && upto(without) == 0))
			both_add(t, next, &all[i]);
	free(all);
}

static uint64_t unchanged; // versions that were known to say nothing new

static bool same_content(const struct model_zone *a, const struct model_zone *b)
{
	for (uint32_t i = 0; i < b->count; i++) {
		struct zone_record z = as_zone_record(&b->record[i]);
		if (model_index(a, &z) < 0)
			return false;
	}
	return a->count == b->count;
}

// Does to the old records what zone_diff says was done.
static bool redo(void *arg, const uint8_t *owner, const struct rrset *rr, bool deleted)
{
	struct model_zone *m = arg;
	const uint8_t *p = rr->records;
	MUST(rr->count > 0 && rr->ttl_s == 300);
	for (uint32_t i = 0; i < rr->count; i++, p += 2 + wire_peek_be16(p)) {
		struct record r = { .type = rr->type, .len = wire_peek_be16(p) };
		name_copy(&r.owner, owner);
		MUST(r.len <= sizeof(r.rdata));
		memcpy(r.rdata, p + 2, r.len);
		struct zone_record z = as_zone_record(&r);
		int at = model_index(m, &z);
		MUST(deleted == (at >= 0));
		if (deleted)
			model_delete(m, at);
		else
			model_add(m, &r);
	}
	MUST(p == rr->records + rr->octets);
	diffs_said++;
	return true;
}

// The differences lead from the old records to the new ones, and name nothing else.
static void compare_diff(const struct model_zone *old, const struct model_zone *new,
			 const struct catalog *before)
{
	struct model_zone redone = *old;
	redone.record = malloc(2 * RECORDS_MAX * sizeof(*redone.record));
	memcpy(redone.record, old->record, old->count * sizeof(*redone.record));
	const struct zone_diff_sink sink = { redo, &redone };
	enum result r = zone_diff(before, zonedb_view(db), new->apex.wire, &sink);
	bool held = old->present && old->state != ZONE_NOT_LOADED;
	MUST(r == (held ? RESULT_OK : RESULT_NOT_FOUND));
	MUST(!held || redone.count == new->count);
	for (uint32_t i = 0; held && i < new->count; i++) {
		struct zone_record z = as_zone_record(&new->record[i]);
		MUST(model_index(&redone, &z) >= 0);
	}
	free(redone.record);
}

static void step_transaction(void)
{
	struct model_zone *m = &zones[upto(ZONES)];
	bool loaded = m->present && m->state != ZONE_NOT_LOADED;
	bool delta = loaded && upto(8), again = loaded && !delta && upto(4);
	struct zone_txn_options o = { .apex = m->apex.wire, .from_published = delta };
	struct zone_txn *t;
	struct zone_version *v;
	struct model_zone next = *m;
	next.record = malloc(RECORDS_MAX * sizeof(*next.record));
	memcpy(next.record, m->record, m->count * sizeof(*next.record));
	MUST(zone_txn_begin(db, &o, &t) == RESULT_OK);
	struct record soa = soa_of(m, m->serial);
	if (delta) {
		struct zone_record z = as_zone_record(&soa);
		MUST(zone_txn_delete(t, &z) == RESULT_OK);
		model_delete(&next, model_index(&next, &z));
	} else {
		next.count = 0;
	}
	next.serial = m->serial + (!again || upto(2));
	bool without_soa = upto(12) == 0;
	soa = soa_of(m, next.serial);
	if (!without_soa)
		both_add(t, &next, &soa);
	if (again)
		add_again(t, m, &next);
	unsigned changes = delta ? 1 + upto(20) : again ? upto(3) : upto(300);
	for (unsigned i = 0; i < changes && next.count + 2 < RECORDS_MAX; i++)
		random_change(t, &next);
	struct name elsewhere;
	MUST(name_from_text("elsewhere.invalid", &elsewhere) == RESULT_OK);
	struct zone_record out = { .owner = elsewhere.wire,
				   .type = RRTYPE_A,
				   .rdata = (const uint8_t *)"1234",
				   .rdata_len = 4 };
	if (m->apex.labels > 0)
		MUST(zone_txn_add(t, &out) == RESULT_OUT_OF_ZONE);

	bool forget = false;
	if (upto(10) == 0) {
		zone_txn_abort(t);
		forget = true;
	} else if (without_soa) {
		MUST(zone_txn_commit(t, &v) == RESULT_NO_SOA);
		forget = true;
	} else {
		MUST(zone_txn_commit(t, &v) == RESULT_OK);
		MUST(zone_version_serial(v) == next.serial);
		if (zone_version_stats(v)->same) {
			MUST(same_content(m, &next));
			unchanged++;
		}
		forget = upto(10) == 0;
		rcu_reader_online();
		const struct catalog *before = zonedb_view(db);
		if (forget)
			zone_version_discard(v);
		else
			zonedb_publish(db, &v, 1);
		if (!forget)
			compare_diff(m, &next, before);
		rcu_reader_offline();
	}
	if (forget) {
		free(next.record);
		return;
	}
	free(m->record);
	*m = next;
	m->present = true;
	m->state = ZONE_SERVED;
}

// A zone's pieces, one after the other.
struct copied {
	uint8_t *octets;
	size_t len, piece[64];
	unsigned count;
};

static enum result take_piece(void *arg, const void *octets, size_t len)
{
	struct copied *c = arg;
	MUST(c->count < 64 && (c->octets = realloc(c->octets, c->len + len)));
	memcpy(c->octets + c->len, octets, len);
	c->piece[c->count++] = len;
	c->len += len;
	return RESULT_OK;
}

static uint64_t images;

// A zone leaves as an image, comes back from it, over itself or anew, and goes on changing.
static void step_image(void)
{
	struct model_zone *m = &zones[upto(ZONES)];
	if (!m->present || m->state == ZONE_NOT_LOADED)
		return;
	struct copied c = { 0 };
	const struct zone_image_sink sink = { take_piece, &c };
	struct zone_image image;
	const struct catalog *view = zonedb_view(db);
	MUST(zone_image_write(view, catalog_zone(view, m->apex.wire), &sink, &image) == RESULT_OK);
	MUST(image.pieces == c.count && image.records == m->count);
	struct zone_version *v;
	if (upto(2)) {
		MUST(zone_version_removed(db, m->apex.wire, &v) == RESULT_OK);
		zonedb_publish(db, &v, 1);
	}
	struct zone_txn_options o = { .apex = m->apex.wire };
	struct zone_txn *t;
	MUST(zone_txn_begin(db, &o, &t) == RESULT_OK);
	uint8_t *p = c.octets;
	for (unsigned i = 0; i < c.count; p += c.piece[i++]) {
		void *where;
		MUST(zone_txn_piece(t, c.piece[i], &where) == RESULT_OK);
		memcpy(where, p, c.piece[i]);
	}
	MUST(zone_txn_adopt(t, m->apex.wire, &image) == RESULT_OK);
	for (unsigned i = upto(6); i > 0 && m->count + 2 < RECORDS_MAX; i--)
		random_change(t, m);
	MUST(zone_txn_commit(t, &v) == RESULT_OK);
	zonedb_publish(db, &v, 1);
	m->state = ZONE_SERVED;
	images++;
	free(c.octets);
}

// A slice of a round, which may go on between whatever else happens.
static void step_compact(void)
{
	const struct zonedb_compact_options o = { .leaves = 2 + upto(3 * RECORDS_MAX) };
	enum zonedb_compacted came;
	MUST(zonedb_compact(db, &o, &came) == RESULT_OK);
	MUST(came != ZONEDB_COMPACT_BLOCKED);
}

static void step_state(void)
{
	struct zone_version *v[ZONES];
	size_t n = 0;
	for (unsigned i = 0; i < ZONES; i++) {
		struct model_zone *m = &zones[i];
		if (upto(2))
			continue;
		bool loaded = m->present && m->state != ZONE_NOT_LOADED;
		switch (upto(5)) {
		case 0:
			MUST(zone_version_not_loaded(db, m->apex.wire, &v[n++]) == RESULT_OK);
			m->present = true;
			m->state = ZONE_NOT_LOADED;
			m->count = 0;
			break;
		case 1:
			if (zone_version_removed(db, m->apex.wire, &v[n]) == RESULT_OK) {
				MUST(m->present);
				n++;
			} else {
				MUST(!m->present);
			}
			m->present = false;
			m->count = 0;
			break;
		default: {
			enum zone_state s = upto(2) ? ZONE_EXPIRED : ZONE_SERVED;
			enum result r = zone_version_marked(db, m->apex.wire, s, &v[n]);
			MUST(r == (loaded ? RESULT_OK : RESULT_NOT_FOUND));
			if (loaded) {
				n++;
				m->state = s;
			}
		}
		}
	}
	zonedb_publish(db, v, n);
}

int main(int argc, char **argv)
{
	uint64_t seed = argc > 1 ? strtoull(argv[1], NULL, 0) : (uint64_t)time(NULL);
	unsigned steps = argc > 2 ? (unsigned)strtoul(argv[2], NULL, 0) : 300;
	random_state = seed * 0x9e3779b97f4a7c15u | 1;
	printf("seed %llu, %u steps\n", (unsigned long long)seed, steps);

	static const char *const apexes[ZONES] = { ".", "example", "sub.example", "a.b.other" };
	const struct zonedb_options options = { .protect = true };
	MUST(zonedb_new(&options, &db) == RESULT_OK);
	rcu_reader_register();
	rcu_reader_offline();
	for (unsigned i = 0; i < ZONES; i++) {
		MUST(name_from_text(apexes[i], &zones[i].apex) == RESULT_OK);
		zones[i].record = malloc(RECORDS_MAX * sizeof(*zones[i].record));
	}
	for (unsigned step = 0; step < steps; step++) {
		if (upto(8) == 0)
			step_state();
		else if (upto(16) == 0)
			step_compact();
		else if (upto(10) == 0)
			step_image();
		else
			step_transaction();
		compare_all(4);
	}
	struct zonedb_stats s;
	zonedb_stats(db, &s);
	printf("ok: %llu published, %llu compactions, %llu chunks; "
	       "%llu versions the same; %llu hashes matched, %llu covered; %llu differences; "
	       "%llu images; %u wildcards denied\n",
	       (unsigned long long)s.published, (unsigned long long)s.compactions,
	       (unsigned long long)s.chunks, (unsigned long long)unchanged,
	       (unsigned long long)hashes_found[true], (unsigned long long)hashes_found[false],
	       (unsigned long long)diffs_said, (unsigned long long)images, denials_compared);
	for (unsigned i = 0; i < ZONES; i++)
		free(zones[i].record);
	rcu_reader_unregister();
	zonedb_free(db);
	return 0;
}
