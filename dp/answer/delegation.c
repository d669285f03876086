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

// The question's label before that at octet `at` of it.
static const uint8_t *label_before(const struct query *q, unsigned at)
{
	const uint8_t *label = NULL;
	for (unsigned i = 0; q->labels.at[i] < at; i++)
		label = q->qname + q->labels.at[i];
	return label;
}

// What the question shows of an NS record's name. False if that is the name itself, or if they
// have another label in common.
static bool find_shown(const struct reply *r, const struct query *q, const uint8_t *cut,
		       const uint8_t *record, struct shown *out)
{
	const unsigned octets = q->qname_octets, cut_at = (unsigned)(cut - q->qname);
	const uint8_t *before = NULL, *at = record + 2;
	for (unsigned left = wire_peek_be16(record); *at; left -= 1u + *before) {
		if (left == octets - cut_at && name_octets_equal(at, cut, left)) {
			*out = (struct shown){ left, (uint16_t)(REPLY_QNAME_PLACE + cut_at),
					       SERVERS_BELOW, label_before(q, cut_at) };
			return before && (!out->before || !label_equal(before, out->before));
		}
		if (left == octets - r->apex_at &&
		    name_octets_equal(at, q->qname + r->apex_at, left)) {
			*out = (struct shown){ left, (uint16_t)(REPLY_QNAME_PLACE + r->apex_at),
					       SERVERS_BESIDE, r->highest };
			return before && !label_equal(before, out->before);
		}
		before = at;
		at += 1 + *at;
	}
	// The root ends all names, and may be the apex.
	*out = (struct shown){ 1, 0, r->apex_at + 1u == octets ? SERVERS_BESIDE : SERVERS_ELSEWHERE,
			       q->qname + q->labels.at[q->labels.count - 1] };
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
	    !find_shown(r, q, cut, record, &shown) || shown.octets > tail_octets)
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
