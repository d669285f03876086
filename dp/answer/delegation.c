// SPDX-License-Identifier: BSD-3-Clause
// The NS records of a referral whose servers have names alike, as most have.
//
// "ns1" and "ns2" of one domain: of the first name the question shows the cut, the apex or
// nothing; of the others all but the first label stands in the first.
#include "delegation.h"

#include <string.h>

#include "understudy/name.h"
#include "understudy/rr.h"
#include "understudy/wire.h"

#define HEAD_OCTETS 10 // owner, type, class, TTL

static inline bool label_equal(const uint8_t *a, const uint8_t *b)
{
	return *a == *b && name_octets_equal(a + 1, b + 1, *a);
}

// The end of the first name that the question shows.
struct shown {
	unsigned octets;       // of it, those of the root at least
	uint16_t place;        // of it; 0 = the root, which is shorter than a pointer
	uint8_t are;           // enum servers_are
	const uint8_t *before; // the question's label before it, NULL if there is none
};

// The question's label before its last `octets` octets.
static const uint8_t *label_before(const struct query *q, unsigned octets)
{
	const uint8_t *label = NULL, *end = q->qname + q->qname_octets - octets;
	for (const uint8_t *at = q->qname; at < end; at += 1 + *at)
		label = at;
	return label;
}

// Whether a name ends in the last `octets` octets of the question, which begin at `end`. What
// is longer of it goes: `*left` counts the octets behind `*at`, `*before` is the label before.
static inline bool ends_in(const uint8_t *end, unsigned octets, const uint8_t **at, unsigned *left,
			   const uint8_t **before)
{
	while (*left > octets) {
		*before = *at;
		*left -= 1u + **at;
		*at += 1 + **at;
	}
	return *left == octets && name_octets_equal(*at, end, octets);
}

// False if the question shows something else of the name, or has another label in common.
static bool find_shown(const struct reply *r, const struct query *q, const uint8_t *cut,
		       const uint8_t *name, struct shown *out)
{
	const uint8_t *apex = q->qname + r->apex_at, *end = q->qname + q->qname_octets;
	unsigned cut_octets = (unsigned)(end - cut), apex_octets = (unsigned)(end - apex);
	unsigned left = (unsigned)name_length(name);
	const uint8_t *before = NULL, *at = name;
	if (ends_in(cut, cut_octets, &at, &left, &before)) {
		out->octets = cut_octets;
		out->place = (uint16_t)(REPLY_QNAME_PLACE + (cut - q->qname));
		out->are = SERVERS_BELOW;
		out->before = label_before(q, cut_octets);
		return before && (!out->before || !label_equal(before, out->before));
	}
	if (ends_in(apex, apex_octets, &at, &left, &before)) {
		out->octets = apex_octets;
		out->place = (uint16_t)(*apex ? REPLY_QNAME_PLACE + r->apex_at : 0);
		out->are = SERVERS_BESIDE;
		out->before = r->highest;
		return before && !label_equal(before, out->before);
	}
	for (; *at; at += 1 + *at)
		before = at;
	out->octets = 1;
	out->place = 0;
	out->are = SERVERS_ELSEWHERE;
	out->before = label_before(q, 1);
	return before && !label_equal(before, out->before);
}

// Writes RDLENGTH, so many octets of a name, and its end. Returns what follows.
static uint8_t *put_server(uint8_t *p, const uint8_t *name, unsigned octets, uint16_t end)
{
	uint8_t *rdata = p + 2;
	memcpy(rdata, name, octets);
	p = rdata + octets;
	if (end) {
		wire_poke_be16(p, REPLY_POINTER(end));
		p += 2;
	} else {
		*p++ = 0;
	}
	wire_poke_be16(rdata - 2, (uint16_t)(p - rdata));
	return p;
}

bool delegation_put(struct reply *r, const struct query *q, const uint8_t *cut,
		    const struct rrset *ns, struct servers *out)
{
	const uint8_t *record = ns->records, *first = record + 2, *tail = first + 1 + *first;
	unsigned tail_octets = wire_peek_be16(record) - 1u - *first;
	struct shown shown;
	out->are = SERVERS_ANYWHERE;
	if (r->names_begun || ns->count > DELEGATION_SERVERS_MAX || *first == 0 || *tail == 0 ||
	    r->limit - r->octets < ns->count * HEAD_OCTETS + ns->octets ||
	    !find_shown(r, q, cut, first, &shown) || shown.octets > tail_octets)
		return false;

	uint8_t head[HEAD_OCTETS], *p = r->msg + r->octets;
	uint16_t tail_place = shown.place;
	wire_poke_be16(head, REPLY_POINTER(REPLY_QNAME_PLACE + (cut - q->qname)));
	reply_fixed_octets(head + 2, r, ns);
	for (uint32_t i = 0; i < ns->count; i++, record = rrset_next_record(record)) {
		const uint8_t *label = record + 2;
		unsigned octets = 1u + *label;
		memcpy(p, head, sizeof(head));
		p += sizeof(head);
		out->place[i] = (uint16_t)(p + 2 - r->msg);
		if (i == 0) {
			p = put_server(p, label, octets + tail_octets - shown.octets, shown.place);
			if (tail_octets != shown.octets)
				tail_place = (uint16_t)(out->place[0] + octets);
			continue;
		}
		if (wire_peek_be16(record) != octets + tail_octets ||
		    memcmp(label + octets, tail, tail_octets) != 0 ||
		    (tail_octets == shown.octets && shown.before &&
		     label_equal(label, shown.before)))
			return false;
		p = put_server(p, label, octets, tail_place);
	}
	r->octets = (uint32_t)(p - r->msg);
	r->counts[SECTION_AUTHORITY] = (uint16_t)(r->counts[SECTION_AUTHORITY] + ns->count);
	out->are = shown.are;
	return true;
}
