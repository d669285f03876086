// SPDX-License-Identifier: BSD-3-Clause
// Reading queries: RFC 1035 section 4.1, RFC 6891 (EDNS), RFC 9619 (one question).
#include "query.h"

#include "understudy/rr.h"
#include "understudy/wire.h"

#define QUESTION_FIXED_OCTETS 4  // type, class
#define RECORD_FIXED_OCTETS   10 // type, class, TTL, RDLENGTH
#define EDNS_VERSION          0
#define EDNS_FLAG_DO          0x8000u

// The reply leaves the question where it is, so the name must be uncompressed
// (no message has a place before it to point to). Returns what follows the
// question, or NULL.
static const uint8_t *read_question(const uint8_t *start, const uint8_t *end, struct query *q)
{
	const uint8_t *p = start;
	unsigned labels = 0;
	for (;; labels++) {
		if (p >= end || *p > 63)
			return NULL;
		if (*p == 0)
			break;
		p += 1 + *p;
	}
	p++;
	if (p - start > NAME_MAX_OCTETS || end - p < QUESTION_FIXED_OCTETS)
		return NULL;
	q->qname = start;
	q->qname_octets = (uint16_t)(p - start);
	q->qname_labels = (uint8_t)labels;
	q->qtype = wire_peek_be16(p);
	q->qclass = wire_peek_be16(p + 2);
	p += QUESTION_FIXED_OCTETS;
	q->question_octets = (uint16_t)(p - start);
	return p;
}

// Returns what follows an owner name, which may end in a pointer, or NULL.
// Where that points to does not matter: nothing here needs the name.
static const uint8_t *skip_owner(const uint8_t *p, const uint8_t *end)
{
	while (p < end) {
		unsigned c = *p++;
		if (c == 0)
			return p;
		if (c > 63)
			return c >= 0xc0 && p < end ? p + 1 : NULL;
		if (end - p < c)
			return NULL;
		p += c;
	}
	return NULL;
}

// No option means anything to us yet, but each must lie within the record
// (RFC 6891 section 6.1.2).
static bool options_valid(const uint8_t *rdata, size_t len)
{
	struct wire w = wire_init(rdata, len);
	while (wire_left(&w) > 0) {
		wire_u16(&w);
		wire_take(&w, wire_u16(&w));
		if (w.failed)
			return false;
	}
	return true;
}

// `fixed` stands at the record's type. Only one OPT may be (RFC 6891 section 6.1.1).
static bool read_opt(const uint8_t *fixed, struct query *q)
{
	uint16_t rdlen = wire_peek_be16(fixed + 8);
	if (q->edns || !options_valid(fixed + RECORD_FIXED_OCTETS, rdlen))
		return false;
	uint16_t size = wire_peek_be16(fixed + 2);
	q->edns = true;
	q->udp_octets = size > QUERY_UDP_OCTETS_MIN ? size : QUERY_UDP_OCTETS_MIN;
	q->dnssec_ok = (wire_peek_be16(fixed + 6) & EDNS_FLAG_DO) != 0;
	if (fixed[5] != EDNS_VERSION)
		q->rcode = RCODE_BADVERS;
	return true;
}

// Returns what follows the record, or NULL. Records that have no business in a
// query are stepped over, as BIND and Knot do; OPT and TSIG have their places
// (RFC 6891 section 6.1.1, RFC 8945 section 5.1).
static const uint8_t *read_record(const uint8_t *owner, const uint8_t *end, struct query *q,
				  bool additional, bool last)
{
	const uint8_t *fixed = skip_owner(owner, end);
	if (!fixed || end - fixed < RECORD_FIXED_OCTETS)
		return NULL;
	const uint8_t *rdata = fixed + RECORD_FIXED_OCTETS;
	uint16_t rdlen = wire_peek_be16(fixed + 8);
	if (end - rdata < rdlen)
		return NULL;
	switch (wire_peek_be16(fixed)) {
	case RRTYPE_OPT:
		if (!additional || *owner != 0 || !read_opt(fixed, q))
			return NULL;
		break;
	case RRTYPE_TSIG:
		if (!additional || !last)
			return NULL;
		q->tsig = true;
		break;
	default: break;
	}
	return rdata + rdlen;
}

static bool read_records(const uint8_t *msg, const uint8_t *p, const uint8_t *end, struct query *q)
{
	unsigned before = wire_peek_be16(msg + 6) + wire_peek_be16(msg + 8);
	unsigned all = before + wire_peek_be16(msg + 10);
	for (unsigned i = 0; i < all; i++) {
		p = read_record(p, end, q, i >= before, i + 1 == all);
		if (!p)
			return false;
	}
	// What the counts do not speak of makes the message malformed. (Knot says
	// so too; BIND and NSD look away.)
	return p == end;
}

static enum query_fate error(struct query *q, uint16_t rcode)
{
	q->rcode = rcode;
	return QUERY_ERROR;
}

// A well-formed query: who is to answer it.
static enum query_fate judge(struct query *q, bool may_punt)
{
	if (q->tsig) {
		if (may_punt)
			return QUERY_PUNT;
		// To answer unsigned would be wrong, and no key is known here:
		// NOTAUTH (RFC 8945 section 5.2.1), without data.
		return error(q, RCODE_NOTAUTH);
	}
	if (q->rcode != RCODE_NOERROR)
		return QUERY_ERROR;
	if (q->qclass == RRCLASS_CH)
		return QUERY_CHAOS;
	if (q->qclass != RRCLASS_IN && q->qclass != RRCLASS_ANY)
		return error(q, RCODE_REFUSED);
	// Transfers are not given. All other meta types own no data anywhere and
	// are answered so, as Knot and NSD do; ANY is seen to where data is taken.
	if (q->qtype == RRTYPE_AXFR || q->qtype == RRTYPE_IXFR)
		return error(q, RCODE_REFUSED);
	return QUERY_RESOLVE;
}

enum query_fate query_parse(const uint8_t *msg, size_t len, bool may_punt, struct query *q)
{
	if (len < DNS_HEADER_OCTETS)
		return QUERY_SHORT;
	*q = (struct query){
		.flags = wire_peek_be16(msg + 2),
		.udp_octets = QUERY_UDP_OCTETS_MIN,
	};
	if (q->flags & DNS_FLAG_QR)
		return QUERY_RESPONSE;
	if ((q->flags & DNS_OPCODE_MASK) != OPCODE_QUERY << DNS_OPCODE_SHIFT)
		return may_punt ? QUERY_PUNT : error(q, RCODE_NOTIMP);
	if (wire_peek_be16(msg + 4) != 1)
		return error(q, RCODE_FORMERR);
	const uint8_t *end = msg + len;
	const uint8_t *records = read_question(msg + DNS_HEADER_OCTETS, end, q);
	if (!records)
		return error(q, RCODE_FORMERR);
	if (!read_records(msg, records, end, q)) {
		// An OPT record half understood is not answered with one.
		q->edns = false;
		return error(q, RCODE_FORMERR);
	}
	return judge(q, may_punt);
}
