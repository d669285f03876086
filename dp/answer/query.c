// SPDX-License-Identifier: BSD-3-Clause
// Reading queries: RFC 1035 section 4.1, RFC 6891 (EDNS), RFC 9619 (one question).
//
// An OPT record that is well-formed is answered with one, whatever else is wrong
// with the message (RFC 6891 section 6.1.1).
#include "query.h"

#include <stddef.h>
#include <string.h>

#include "understudy/rr.h"
#include "understudy/wire.h"

#define QUESTION_FIXED_OCTETS 4  // type, class
#define RECORD_FIXED_OCTETS   10 // type, class, TTL, RDLENGTH
#define EDNS_VERSION          0

// The reply leaves the question where it is, so the name must be uncompressed
// (no message has a place before it to point to). Returns what follows the
// question, or NULL.
static const uint8_t *read_question(const uint8_t *start, const uint8_t *end, struct query *q)
{
	const unsigned room =
		end - start < NAME_MAX_OCTETS ? (unsigned)(end - start) : NAME_MAX_OCTETS;
	struct name_labels *labels = &q->labels;
	unsigned count = 0, at = 0;
	uint64_t lengths = 0;
	for (;; count++) {
		if (at >= room || start[at] > 63)
			return NULL;
		labels->at[count] = (uint8_t)at;
		lengths |= 1ull << (at & 63);
		if (start[at] == 0)
			break;
		at += 1u + start[at];
	}
	const uint8_t *p = start + at + 1;
	if (end - p < QUESTION_FIXED_OCTETS)
		return NULL;
	labels->lengths = lengths;
	labels->count = (uint8_t)count;
	q->qname = start;
	q->qname_octets = (uint16_t)(at + 1);
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

// `fixed` stands at the record's type. Only one OPT may be (RFC 6891 section 6.1.1).
static bool read_opt(const uint8_t *fixed, struct query *q)
{
	if (q->edns)
		return false;
	uint16_t rdlen = wire_peek_be16(fixed + 8);
	uint16_t size = wire_peek_be16(fixed + 2);
	q->edns = true;
	q->udp_octets = size > QUERY_UDP_OCTETS_MIN ? size : QUERY_UDP_OCTETS_MIN;
	q->dnssec_ok = (wire_peek_be16(fixed + 6) & EDNS_FLAG_DO) != 0;
	if (fixed[5] != EDNS_VERSION)
		q->rcode = RCODE_BADVERS;
	q->options = fixed + RECORD_FIXED_OCTETS;
	q->options_octets = rdlen;
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
		if (!additional || *owner != 0 || !read_opt(fixed, q)) {
			q->edns = false; // which of two, or where, is not ours to guess
			return NULL;
		}
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

// Whether all that follows the question at `p` is an OPT record of version 0 without
// options, which is then read: so most queries are.
static inline bool read_lone_opt(const uint8_t *p, const uint8_t *end, struct query *q)
{
	if (end - p != 1 + RECORD_FIXED_OCTETS || p[0] != 0 ||
	    wire_peek_be16(p + 1) != RRTYPE_OPT || p[6] != EDNS_VERSION ||
	    wire_peek_be16(p + 9) != 0)
		return false;
	return read_opt(p + 1, q);
}

// Steps over what one question does not show; returns what follows, or NULL.
static const uint8_t *skip_questions(const uint8_t *p, const uint8_t *end, unsigned count)
{
	for (; p && count; count--) {
		p = skip_owner(p, end);
		if (p)
			p = end - p < QUESTION_FIXED_OCTETS ? NULL : p + QUESTION_FIXED_OCTETS;
	}
	return p;
}

// A message of whatever shape; false if it is malformed, or asks more than one question.
// Apart from the way of most queries, as all is that is cold here: their code stays together.
__attribute__((noinline)) static bool read_any_message(const uint8_t *msg, const uint8_t *end,
						       struct query *q)
{
	unsigned questions = wire_peek_be16(msg + 4);
	unsigned before = wire_peek_be16(msg + 6) + wire_peek_be16(msg + 8);
	unsigned all = before + wire_peek_be16(msg + 10);
	const uint8_t *p = msg + DNS_HEADER_OCTETS;
	p = questions == 1 ? read_question(p, end, q) : skip_questions(p, end, questions);
	for (unsigned i = 0; p && i < all; i++)
		p = read_record(p, end, q, i >= before, i + 1 == all);
	// What the counts do not speak of makes the message malformed. (Knot says
	// so too; BIND and NSD look away.)
	return p == end && questions <= 1;
}

// The same, the usual shape first.
static inline bool read_message(const uint8_t *msg, const uint8_t *end, struct query *q)
{
	static const uint8_t question_and_opt[] = { 0, 1, 0, 0, 0, 0, 0, 1 };
	if (memcmp(msg + 4, question_and_opt, sizeof(question_and_opt)) == 0) {
		const uint8_t *p = read_question(msg + DNS_HEADER_OCTETS, end, q);
		if (p && read_lone_opt(p, end, q))
			return true;
	}
	return read_any_message(msg, end, q);
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
		// Who knows keys has looked at it before, and could not read it.
		return error(q, RCODE_FORMERR);
	}
	if (q->rcode != RCODE_NOERROR)
		return QUERY_ERROR;
	if (q->question_octets == 0)
		return q->asked.what & EDNS_ASKS_COOKIE ? QUERY_EMPTY : error(q, RCODE_FORMERR);
	if (q->qclass == RRCLASS_CH)
		return QUERY_CHAOS;
	if (q->qclass != RRCLASS_IN && q->qclass != RRCLASS_ANY)
		return error(q, RCODE_REFUSED);
	// Transfers are not given, and NXNAME is not to be asked for (RFC 9824 section 3.4).
	// All other meta types own no data anywhere and are answered so, as Knot and NSD do;
	// ANY is seen to where data is taken.
	if (q->qtype == RRTYPE_AXFR || q->qtype == RRTYPE_IXFR)
		return error(q, RCODE_REFUSED);
	if (q->qtype == RRTYPE_NXNAME)
		return error(q, RCODE_FORMERR);
	return QUERY_RESOLVE;
}

// What follows the header is that of a query, or else nothing that we know: then
// it is not shown again. A reply to UPDATE has its zone where the question stands
// (RFC 2136 section 3.8); others have nothing there, as with BIND.
__attribute__((cold)) static enum query_fate judge_opcode(struct query *q, bool well_formed)
{
	bool update = (q->flags & DNS_OPCODE_MASK) == OPCODE_UPDATE << DNS_OPCODE_SHIFT;
	if (!update || !well_formed)
		q->question_octets = 0;
	if (!well_formed)
		q->edns = false;
	if (q->edns && q->rcode == RCODE_BADVERS)
		return QUERY_ERROR;
	return error(q, update ? RCODE_REFUSED : RCODE_NOTIMP);
}

// What options mean depends on the version; their form does not. Apart from the
// way of most queries, which have none: inlined, it cost each of them some twenty
// instructions.
__attribute__((noinline)) static enum query_fate judge_options(struct query *q, bool may_punt)
{
	switch (edns_read(q->options, q->options_octets, q->stream, &q->asked)) {
	case EDNS_BAD_RECORD: q->edns = false; return error(q, RCODE_FORMERR);
	case EDNS_BAD_OPTION:
		if (q->rcode == RCODE_NOERROR)
			q->rcode = RCODE_FORMERR;
		break;
	default: break;
	}
	if (q->rcode == RCODE_BADVERS)
		q->asked.what = 0;
	return (q->flags & DNS_OPCODE_MASK) ? judge_opcode(q, true) : judge(q, may_punt);
}

enum query_fate query_parse(const struct answer_item *item, struct query *q)
{
	const uint8_t *msg = item->buf;
	if (item->query_len < DNS_HEADER_OCTETS)
		return QUERY_SHORT;
	memset(q, 0, offsetof(struct query, asked.server_octets));
	q->labels.count = 0;
	q->flags = wire_peek_be16(msg + 2);
	q->udp_octets = QUERY_UDP_OCTETS_MIN;
	q->stream = item->peer.transport == ANSWER_TCP;
	if (q->flags & DNS_FLAG_QR)
		return QUERY_RESPONSE;
	if ((q->flags & DNS_OPCODE_MASK) && item->may_punt)
		return QUERY_PUNT;
	bool well_formed = read_message(msg, msg + item->query_len, q);
	if (well_formed && q->options_octets > 0)
		return judge_options(q, item->may_punt);
	if (q->flags & DNS_OPCODE_MASK)
		return judge_opcode(q, well_formed);
	return well_formed ? judge(q, item->may_punt) : error(q, RCODE_FORMERR);
}
