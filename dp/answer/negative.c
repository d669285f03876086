// SPDX-License-Identifier: BSD-3-Clause
// The SOA of negative answers (RFC 2308 section 3), made ready once a burst.
#include "negative.h"

#include <assert.h>
#include <string.h>

#include "understudy/name.h"
#include "understudy/rr.h"
#include "understudy/wire.h"

#define SOA_NAMES          2
#define SOA_MINIMUM_OCTETS 4 // the last of the rdata

void negative_soa(const struct catalog *view, const struct zone *zone, struct rrset *soa,
		  struct rrset *sigs)
{
	const struct node *apex = zone_apex_node(view, zone);
	bool there = node_signed_rrset(view, apex, RRTYPE_SOA, soa, sigs);
	assert(there && soa->count == 1);
	(void)there;
	uint32_t minimum_s = wire_peek_be32(soa->records + soa->octets - SOA_MINIMUM_OCTETS);
	if (soa->ttl_s > minimum_s)
		soa->ttl_s = minimum_s;
	if (sigs->ttl_s > soa->ttl_s)
		sigs->ttl_s = soa->ttl_s;
}

// A pointer to the apex, to be filled in; the root itself is shorter than one.
static void put_apex(struct negative *n, struct wire_out *o)
{
	if (zone_apex_labels(n->zone) == 0) {
		wire_put_u8(o, 0);
	} else if (n->pointers == NEGATIVE_POINTERS_MAX) {
		o->failed = true;
	} else {
		n->pointer[n->pointers++] = (uint16_t)wire_out_len(o);
		wire_put_u16(o, 0);
	}
}

static void put_head(struct negative *n, struct wire_out *o, const struct rrset *set)
{
	put_apex(n, o);
	wire_put_u16(o, set->type);
	wire_put_u16(o, RRCLASS_IN);
	wire_put_u32(o, set->ttl_s);
	n->records++;
}

// Returns what follows the name. It has to be in the zone.
static const uint8_t *put_name(struct negative *n, struct wire_out *o, const uint8_t *name,
			       const uint8_t **highest)
{
	const uint8_t *apex = name;
	unsigned labels = name_label_count(name), of_apex = zone_apex_labels(n->zone);
	*highest = NULL;
	for (; labels > of_apex; labels--, apex += 1 + *apex)
		*highest = apex;
	if (!name_equal(apex, zone_apex(n->zone)))
		o->failed = true;
	wire_put_bytes(o, name, (size_t)(apex - name));
	put_apex(n, o);
	return apex + name_length(apex);
}

static void put_soa(struct negative *n, struct wire_out *o, const struct rrset *soa)
{
	const uint8_t *rdata = soa->records + 2, *end = soa->records + soa->octets;
	put_head(n, o, soa);
	uint8_t *length = wire_reserve(o, 2);
	for (unsigned i = 0; i < SOA_NAMES; i++)
		rdata = put_name(n, o, rdata, &n->highest[i]);
	wire_put_bytes(o, rdata, (size_t)(end - rdata));
	if (!o->failed)
		wire_poke_be16(length, (uint16_t)(o->pos - length - 2));
}

void negative_prepare(struct negative *n, const struct catalog *view, const struct zone *zone,
		      bool dnssec_ok)
{
	if (n->zone == zone && n->dnssec_ok == dnssec_ok)
		return;
	struct wire_out o = wire_out_init(n->block, sizeof(n->block));
	struct rrset soa, sigs;
	n->zone = zone;
	n->dnssec_ok = dnssec_ok;
	n->pointers = 0;
	n->records = 0;
	negative_soa(view, zone, &soa, &sigs);
	put_soa(n, &o, &soa);
	const uint8_t *record = sigs.count > 0 ? sigs.records : NULL;
	for (uint32_t left = dnssec_ok ? sigs.count : 0; left > 0 && !o.failed; left--) {
		put_head(n, &o, &sigs);
		wire_put_bytes(&o, record, 2u + wire_peek_be16(record));
		record = rrset_next_record(record);
	}
	n->octets = o.failed ? 0 : (uint16_t)wire_out_len(&o);
}

// Whether the name shows labels of the question besides the apex.
static inline bool shares(const struct reply *r, const uint8_t *highest)
{
	return highest && reply_shows_highest(r, highest);
}

bool negative_put(const struct negative *n, struct reply *r)
{
	if (n->octets == 0 || r->names_begun || r->limit - r->octets < n->octets ||
	    shares(r, n->highest[0]) || shares(r, n->highest[1]))
		return false;
	uint8_t *p = r->msg + r->octets;
	memcpy(p, n->block, n->octets);
	for (unsigned i = 0; i < n->pointers; i++)
		wire_poke_be16(p + n->pointer[i], reply_apex_pointer(r));
	r->octets += n->octets;
	r->counts[SECTION_AUTHORITY] = (uint16_t)(r->counts[SECTION_AUTHORITY] + n->records);
	return true;
}
