// SPDX-License-Identifier: BSD-3-Clause
// Writing a reply over its query (RFC 1035 section 4.1, RFC 6891 section 6.1).
#include "reply.h"

#include <assert.h>
#include <string.h>

#include "understudy/rr.h"
#include "understudy/wire.h"

#define OPT_OCTETS 11

void reply_begin(struct reply *r, const struct query *q, uint8_t *msg, size_t limit,
		 struct compress *names)
{
	assert(limit >= QUERY_UDP_OCTETS_MIN);
	*r = (struct reply){
		.msg = msg,
		.octets = DNS_HEADER_OCTETS + q->question_octets,
		.limit = (uint32_t)limit - (q->edns ? OPT_OCTETS : 0),
		.names = names,
		.above_apex = q->labels.count,
		.rrclass = RRCLASS_IN,
		.edns_error = EDNS_ERROR_NONE,
	};
}

void reply_show_zone(struct reply *r, const struct query *q, unsigned apex_labels)
{
	unsigned above = q->labels.count - apex_labels;
	r->above_apex = (uint8_t)above;
	r->apex_at = q->labels.at[above];
	r->highest = above > 0 ? q->qname + q->labels.at[above - 1] : NULL;
	r->zone_shown = true;
}

// Most replies point at the question and hold no other name, so the table of
// names is made when it is first needed.
static struct compress *reply_names(struct reply *r)
{
	if (!r->names_begun) {
		compress_begin(r->names, r->msg, REPLY_QNAME_PLACE, r->above_apex);
		r->names_begun = true;
	}
	return r->names;
}

static bool put_name(struct reply *r, const uint8_t *name, uint16_t *whole)
{
	unsigned n = compress_write(reply_names(r), r->msg, r->octets, r->limit - r->octets, name,
				    whole);
	r->octets += n;
	return n > 0;
}

static bool put_bytes(struct reply *r, const void *src, size_t n)
{
	if (r->limit - r->octets < n)
		return false;
	memcpy(r->msg + r->octets, src, n);
	r->octets += (uint32_t)n;
	return true;
}

// Looks for the longest end that a name below the apex, of which `n` octets are labels above
// it, has in common with the question. Returns how many octets are before that; *at gets its
// place behind that of the question.
static unsigned octets_not_shown(const struct reply *r, const uint8_t *name, unsigned n,
				 unsigned *at)
{
	const uint8_t *qname = r->msg + REPLY_QNAME_PLACE;
	unsigned highest = 0, front = 0;
	*at = r->apex_at;
	if (n == 0)
		return 0;
	while (highest + 1 + name[highest] < n)
		highest += 1u + name[highest];
	if (!reply_shows_highest(r, name + highest))
		return n;
	for (*at = 0;;) {
		unsigned shown = r->apex_at - *at, left = n - front;
		if (shown > left) {
			*at += 1u + qname[*at];
		} else {
			if (shown == left && name_octets_equal(qname + *at, name + front, left))
				return front;
			front += 1u + name[front];
		}
	}
}

// Writes a name below the apex that the question shows, of which `n` octets are
// labels above it: what of them the question does not show, and a pointer into it.
// *whole is a place of the whole name to point to, or 0 if there is none. No table is
// needed, and none knows of it.
static bool put_below_apex(struct reply *r, const uint8_t *name, unsigned n, uint16_t *whole)
{
	unsigned at, front = octets_not_shown(r, name, n, &at);
	// The root is shorter than a pointer to it.
	unsigned end = r->msg[REPLY_QNAME_PLACE + at] ? 2 : 1;
	if (r->limit - r->octets < front + end)
		return false;
	uint8_t *p = r->msg + r->octets;
	memcpy(p, name, front);
	if (end == 2)
		wire_poke_be16(p + front, REPLY_POINTER(REPLY_QNAME_PLACE + at));
	else
		p[front] = 0;
	r->octets += front + end;
	*whole = front == 0 && end == 2 ? (uint16_t)(REPLY_QNAME_PLACE + at) : 0;
	return true;
}

// The octets of `name` above the apex that the question shows, -1 if it is not there.
static int octets_above_apex(const struct reply *r, const uint8_t *name)
{
	const uint8_t *apex = r->msg + REPLY_QNAME_PLACE + r->apex_at;
	unsigned n = (unsigned)name_length(name), apex_octets = (unsigned)name_length(apex), at = 0;
	while (n - at > apex_octets)
		at += 1u + name[at];
	return n - at == apex_octets && name_octets_equal(name + at, apex, apex_octets) ? (int)at
											: -1;
}

static bool put_owner(struct reply *r, struct owner *owner)
{
	if (owner->place) {
		uint8_t pointer[2];
		wire_poke_be16(pointer, REPLY_POINTER(owner->place));
		return put_bytes(r, pointer, sizeof(pointer));
	}
	uint32_t at = r->octets;
	if (owner->in_zone) {
		if (!put_below_apex(r, owner->name, owner->above_apex, &owner->place))
			return false;
	} else if (!put_name(r, owner->name, &owner->place)) {
		return false;
	}
	// The root is shorter than a pointer to it.
	if (!owner->place && *owner->name && at < REPLY_POINTERS_END)
		owner->place = (uint16_t)at;
	return true;
}

// RDLENGTH and RDATA of types whose names may be compressed (RFC 3597 section 4):
// all of these are leading octets, names, and a rest.
static bool put_compressed_rdata(struct reply *r, const struct rdata_shape *shape,
				 const uint8_t *rdata, size_t len)
{
	uint32_t length_at = r->octets;
	const uint8_t *end = rdata + len;
	uint16_t whole;
	if (!put_bytes(r, "\0", 2) || !put_bytes(r, rdata, shape->lead))
		return false;
	rdata += shape->lead;
	for (unsigned i = 0; i < shape->names; i++) {
		// Two names in the zone of a SOA hardly ever have more in common.
		int above = shape->names == 2 && r->zone_shown && !r->names_begun
				    ? octets_above_apex(r, rdata)
				    : -1;
		if (above >= 0 ? !put_below_apex(r, rdata, (unsigned)above, &whole)
			       : !put_name(r, rdata, &whole))
			return false;
		rdata += name_length(rdata);
	}
	if (!put_bytes(r, rdata, (size_t)(end - rdata)))
		return false;
	wire_poke_be16(r->msg + length_at, (uint16_t)(r->octets - length_at - 2));
	return true;
}

// Names in other types stand as they are; one that is a target is noted, because
// address records are likely to follow it.
static bool put_target_rdata(struct reply *r, uint16_t type, const uint8_t *record, size_t len)
{
	uint32_t at = r->octets;
	if (!put_bytes(r, record, 2 + len))
		return false;
	const uint8_t *rdata = r->msg + at + 2;
	uint32_t before = (uint32_t)(rdata_first_name(type, rdata) - rdata);
	compress_note(reply_names(r), r->msg, at + 2 + before);
	return true;
}

// Writes the records that are left under a name that stands in the reply already, copied as
// they stand; `record` is the first of them. What they take is known before.
static bool put_copies_at(struct reply *r, uint16_t place, const struct rrset *set,
			  const uint8_t *record, uint32_t count)
{
	uint8_t head[2 + REPLY_FIXED_OCTETS];
	const uint8_t *end = set->records + set->octets;
	if (r->limit - r->octets < count * sizeof(head) + (size_t)(end - record))
		return false;
	wire_poke_be16(head, REPLY_POINTER(place));
	reply_fixed_octets(head + 2, r, set);
	uint8_t *p = r->msg + r->octets;
	while (record < end) {
		size_t len = 2u + wire_peek_be16(record);
		memcpy(p, head, sizeof(head));
		memcpy(p + sizeof(head), record, len);
		p += sizeof(head) + len;
		record += len;
	}
	r->octets = (uint32_t)(p - r->msg);
	return true;
}

// Records that are copied as they stand.
static bool put_copies(struct reply *r, struct owner *owner, const struct rrset *set)
{
	const uint8_t *record = set->records;
	for (uint32_t left = set->count; left > 0; left--) {
		if (owner->place)
			return put_copies_at(r, owner->place, set, record, left);
		size_t len = 2u + wire_peek_be16(record);
		if (!put_owner(r, owner) || r->limit - r->octets < REPLY_FIXED_OCTETS + len)
			return false;
		uint8_t *p = r->msg + r->octets;
		reply_fixed_octets(p, r, set);
		memcpy(p + REPLY_FIXED_OCTETS, record, len);
		r->octets += (uint32_t)(REPLY_FIXED_OCTETS + len);
		record += len;
	}
	return true;
}

// Records whose names may be compressed, or are targets. Apart from those that are copied:
// inlined, it cost each of these some forty instructions.
__attribute__((noinline)) static bool put_named(struct reply *r, struct owner *owner,
						const struct rrset *set,
						const struct rdata_shape *shape)
{
	uint8_t fixed[REPLY_FIXED_OCTETS];
	reply_fixed_octets(fixed, r, set);
	const uint8_t *record = set->records;
	for (uint32_t i = 0; i < set->count; i++) {
		size_t len = wire_peek_be16(record);
		if (!put_owner(r, owner) || !put_bytes(r, fixed, sizeof(fixed)))
			return false;
		if (shape->compressible) {
			if (!put_compressed_rdata(r, shape, record + 2, len))
				return false;
		} else if (!put_target_rdata(r, set->type, record, len)) {
			return false;
		}
		record += 2 + len;
	}
	return true;
}

static bool put_records(struct reply *r, struct owner *owner, const struct rrset *set)
{
	const struct rdata_shape *shape = rdata_shape(set->type);
	bool named = shape->names > 0 && (shape->compressible || rrtype_has_target(set->type));
	return named ? put_named(r, owner, set, shape) : put_copies(r, owner, set);
}

// Copies of a fixed size need no call, and heads come out of registers: owner, type, class and
// the upper half of the TTL, the lower half. `len` is that of a record with its length.
static inline uint8_t *put_addresses(uint8_t *p, uint64_t head, const struct rrset *set, size_t len)
{
	const uint8_t *record = set->records;
	const uint16_t ttl_low = (uint16_t)set->ttl_s;
	for (uint32_t left = set->count; left > 0; left--) {
		wire_poke_be64(p, head);
		wire_poke_be16(p + 8, ttl_low);
		memcpy(p + 2 + REPLY_FIXED_OCTETS, record, len);
		p += 2 + REPLY_FIXED_OCTETS + len;
		record += len;
	}
	return p;
}

// Addresses under a name that stands in the reply already: most of all records. What they
// take is known before.
bool reply_addresses(struct reply *r, enum section section, uint16_t place, const struct rrset *set)
{
	const size_t len = set->type == RRTYPE_A ? 2 + 4 : 2 + 16;
	if (r->limit - r->octets < set->count * (2 + REPLY_FIXED_OCTETS + len))
		return false;
	const uint64_t head = (uint64_t)REPLY_POINTER(place) << 48 | (uint64_t)set->type << 32 |
			      (uint64_t)r->rrclass << 16 | set->ttl_s >> 16;
	uint8_t *p = r->msg + r->octets;
	if (len == 2 + 4)
		p = put_addresses(p, head, set, 2 + 4);
	else
		p = put_addresses(p, head, set, 2 + 16);
	r->octets = (uint32_t)(p - r->msg);
	r->counts[section] = (uint16_t)(r->counts[section] + set->count);
	return true;
}

bool reply_rrset(struct reply *r, enum section section, struct owner *owner,
		 const struct rrset *set)
{
	uint32_t octets = r->octets;
	uint16_t place = owner->place;
	if (place && (set->type == RRTYPE_A || set->type == RRTYPE_AAAA))
		return reply_addresses(r, section, place, set);
	if (!put_records(r, owner, set)) {
		r->octets = octets;
		owner->place = place;
		r->names_begun = false; // it may speak of what is no longer there
		return false;
	}
	r->counts[section] = (uint16_t)(r->counts[section] + set->count);
	return true;
}

void reply_truncate(struct reply *r, const struct query *q)
{
	r->octets = DNS_HEADER_OCTETS + q->question_octets;
	memset(r->counts, 0, sizeof(r->counts));
	r->rcode = RCODE_NOERROR;
	r->authoritative = false;
	r->truncated = true;
}

// An option that nobody asked for: only if it takes no room from anything else.
static void put_option(struct reply *r, uint16_t code, const uint8_t *data, uint16_t octets)
{
	uint8_t head[EDNS_OPTION_HEAD_OCTETS];
	wire_poke_be16(head, code);
	wire_poke_be16(head + 2, octets);
	if (r->limit - r->octets < sizeof(head) + octets)
		return;
	put_bytes(r, head, sizeof(head));
	put_bytes(r, data, octets);
}

// Into the OPT record that ends the reply. Apart from the way of most replies,
// which have none: inlined, it cost each of them some twenty instructions.
__attribute__((noinline)) static size_t put_options(struct reply *r,
						    const struct answer_config *config)
{
	uint32_t start = r->octets;
	const struct edns_reply *asked = r->options;
	r->limit += OPT_OCTETS;
	if (asked) {
		r->limit += asked->octets;
		put_bytes(r, asked->option, asked->octets);
	}
	if (r->edns_error != EDNS_ERROR_NONE) {
		const uint8_t code[2] = { 0, (uint8_t)r->edns_error };
		put_option(r, EDNS_ERROR, code, sizeof(code));
	}
	if (r->report_channel)
		put_option(r, EDNS_REPORT_CHANNEL, config->report_channel.wire,
			   config->report_channel.len);
	wire_poke_be16(r->msg + start - 2, (uint16_t)(r->octets - start));
	return r->octets;
}

// Behind all other records; returns the octets of the reply.
static size_t put_opt(struct reply *r, const struct query *q, const struct answer_config *config)
{
	uint8_t *p = r->msg + r->octets;
	// The root, type, size, upper rcode, version 0, and of the flags DO; no data.
	wire_poke_be64(p, (uint64_t)RRTYPE_OPT << 40 | (uint64_t)config->edns_udp_octets << 24 |
				  (uint64_t)(r->rcode >> 4 & 0xff) << 16 |
				  (q->dnssec_ok ? 0x80 : 0));
	memset(p + 8, 0, OPT_OCTETS - 8);
	r->octets += OPT_OCTETS;
	if (r->options || r->edns_error != EDNS_ERROR_NONE || r->report_channel)
		return put_options(r, config);
	return r->octets;
}

size_t reply_finish(struct reply *r, const struct query *q, const struct answer_config *config)
{
	// CD is copied (RFC 4035 section 3.1.6); RA, AD and Z are never set.
	unsigned flags = DNS_FLAG_QR | (q->flags & (DNS_OPCODE_MASK | DNS_FLAG_RD | DNS_FLAG_CD)) |
			 (r->authoritative ? DNS_FLAG_AA : 0) | (r->truncated ? DNS_FLAG_TC : 0) |
			 (r->rcode & DNS_RCODE_MASK);
	uint8_t *msg = r->msg;
	r->counts[SECTION_ADDITIONAL] = (uint16_t)(r->counts[SECTION_ADDITIONAL] + q->edns);
	wire_poke_be16(msg + 2, (uint16_t)flags);
	wire_poke_be16(msg + 4, q->question_octets != 0);
	for (unsigned s = 0; s < SECTION_COUNT; s++)
		wire_poke_be16(msg + 6 + 2 * s, r->counts[s]);
	return q->edns ? put_opt(r, q, config) : r->octets;
}
