// SPDX-License-Identifier: BSD-3-Clause
// NOTIFY: whether a message may be believed, and what is replied.
#include "understudy/notify.h"

#include <string.h>

#include "understudy/rr.h"
#include "understudy/wire.h"

#define OPT_UDP_OCTETS 1232
#define SOA_NUMBERS    20 // octets behind the names of a SOA, the serial first

static const struct {
	uint8_t rcode;
	const char *text;
} verdicts[NOTIFY_VERDICT_COUNT] = {
	[NOTIFY_ACCEPTED] = { RCODE_NOERROR, "accepted" },
	[NOTIFY_DROPPED] = { RCODE_NOERROR, "dropped" },
	[NOTIFY_MALFORMED] = { RCODE_FORMERR, "malformed" },
	[NOTIFY_BADVERS] = { RCODE_BADVERS, "unknown version of EDNS" },
	[NOTIFY_NOTIMP] = { RCODE_NOTIMP, "opcode not implemented" },
	[NOTIFY_NOTAUTH] = { RCODE_NOTAUTH, "not a zone of ours" },
	[NOTIFY_REFUSED] = { RCODE_REFUSED,
			     "not from an allowed address, or not signed as configured" },
	[NOTIFY_OTHER_TYPE] = { RCODE_REFUSED, "not of a SOA record" },
	[NOTIFY_TSIG_ERROR] = { RCODE_NOTAUTH, "TSIG error" },
};

const char *notify_verdict_text(enum notify_verdict v)
{
	return (unsigned)v < NOTIFY_VERDICT_COUNT ? verdicts[v].text : "unknown verdict";
}

// A message, as far as it has been read.
struct request {
	uint16_t id, flags;
	uint16_t answers, authority, additional;
	bool has_question;
	struct name qname;
	uint16_t qtype, qclass;
	bool has_serial;
	uint32_t serial;
	bool has_opt;
	uint8_t edns_version;
	bool dnssec_ok; // copied back (RFC 3225)
	bool has_tsig;  // a TSIG record stands at its end
	struct tsig_rr tsig;
	const struct tsig_key *key; // of that record, once verified
	enum tsig_error tsig_error;
};

// --- reading --------------------------------------------------------------

static bool read_question(struct wire *w, struct request *q)
{
	if (name_read(w, &q->qname) != RESULT_OK)
		return false;
	q->qtype = wire_u16(w);
	q->qclass = wire_u16(w);
	q->has_question = !w->failed;
	return q->has_question;
}

// A SOA record of the zone in the answer section tells its new serial.
static bool read_answers(struct wire *w, struct request *q)
{
	uint8_t rdata[2 * NAME_MAX_OCTETS + SOA_NUMBERS];
	uint16_t rdata_len;
	struct name owner;
	for (unsigned left = q->answers; left; left--) {
		if (name_read(w, &owner) != RESULT_OK)
			return false;
		uint16_t type = wire_u16(w);
		uint16_t rrclass = wire_u16(w);
		wire_take(w, 4);
		uint16_t rdlen = wire_u16(w);
		if (type == RRTYPE_OPT)
			return false;
		if (type != RRTYPE_SOA) {
			wire_take(w, rdlen);
		} else if (rdata_read(w, type, rdlen, rdata, sizeof(rdata), &rdata_len) !=
			   RESULT_OK) {
			return false;
		} else if (rrclass == RRCLASS_IN && name_equal(owner.wire, q->qname.wire)) {
			q->has_serial = true;
			q->serial = wire_peek_be32(rdata + rdata_len - SOA_NUMBERS);
		}
		if (w->failed)
			return false;
	}
	return true;
}

// Each option is whole (RFC 6891 section 6.1.2); none of them is answered.
static bool options_are_whole(const uint8_t *options, size_t octets)
{
	struct wire w = wire_init(options, octets);
	while (wire_left(&w) > 0 && !w.failed) {
		wire_take(&w, 2);
		wire_take(&w, wire_u16(&w));
	}
	return !w.failed;
}

// The last `additional` of the records are those of the additional section, where alone
// OPT may stand, once and owned by the root (RFC 6891 section 6.1.1).
static bool pass_records(struct wire *w, unsigned count, unsigned additional, struct request *q)
{
	for (; count; count--) {
		const uint8_t *owner = w->pos;
		if (name_skip(w) != RESULT_OK)
			return false;
		bool root = w->pos == owner + 1;
		uint16_t type = wire_u16(w);
		wire_take(w, 2);
		uint32_t ttl = wire_u32(w);
		uint16_t rdlen = wire_u16(w);
		const uint8_t *rdata = wire_take(w, rdlen);
		if (w->failed)
			return false;
		if (type != RRTYPE_OPT)
			continue;
		bool fine = !q->has_opt && root && count <= additional &&
			    options_are_whole(rdata, rdlen);
		q->has_opt = fine; // of two none is answered
		if (!fine)
			return false;
		q->edns_version = (uint8_t)(ttl >> 16);
		q->dnssec_ok = (ttl & 0x8000) != 0;
	}
	return true;
}

static enum notify_verdict read_request(const struct notify_input *in, struct request *q)
{
	struct wire w = wire_init(in->msg, in->len);
	q->id = wire_u16(&w);
	q->flags = wire_u16(&w);
	uint16_t questions = wire_u16(&w);
	q->answers = wire_u16(&w);
	q->authority = wire_u16(&w);
	q->additional = wire_u16(&w);
	if (w.failed || (q->flags & DNS_FLAG_QR))
		return NOTIFY_DROPPED;
	if ((q->flags & DNS_OPCODE_MASK) >> DNS_OPCODE_SHIFT != OPCODE_NOTIFY)
		return NOTIFY_NOTIMP;
	if (questions != 1 || !read_question(&w, q))
		return NOTIFY_MALFORMED;
	if (!read_answers(&w, q) ||
	    !pass_records(&w, (unsigned)q->authority + q->additional, q->additional, q) ||
	    wire_left(&w) != 0)
		return NOTIFY_MALFORMED;
	if (q->edns_version > 0)
		return NOTIFY_BADVERS;
	enum result r = tsig_find(in->msg, in->len, &q->tsig);
	q->has_tsig = r == RESULT_OK;
	return r == RESULT_OK || r == RESULT_NOT_FOUND ? NOTIFY_ACCEPTED : NOTIFY_MALFORMED;
}

// --- judging --------------------------------------------------------------

static enum notify_verdict verify(const struct notify_lookup *lookup, const struct notify_input *in,
				  struct request *q)
{
	if (!q->has_tsig)
		return NOTIFY_ACCEPTED;
	const struct tsig_key *key = lookup->key(lookup->arg, q->tsig.key_name.wire);
	enum result r = key ? tsig_verify(key, &q->tsig, in->msg, in->len, in->now_s, NULL, 0)
			    : RESULT_TSIG_BADKEY;
	switch (r) {
	case RESULT_OK: q->key = key; return NOTIFY_ACCEPTED;
	case RESULT_TSIG_BADKEY: q->tsig_error = TSIG_ERROR_BADKEY; return NOTIFY_TSIG_ERROR;
	case RESULT_TSIG_BADSIG: q->tsig_error = TSIG_ERROR_BADSIG; return NOTIFY_TSIG_ERROR;
	case RESULT_TSIG_BADTIME:
		q->key = key;
		q->tsig_error = TSIG_ERROR_BADTIME;
		return NOTIFY_TSIG_ERROR;
	case RESULT_TSIG_BADTRUNC:
		q->key = key;
		q->tsig_error = TSIG_ERROR_BADTRUNC;
		return NOTIFY_TSIG_ERROR;
	case RESULT_MALFORMED: return NOTIFY_MALFORMED;
	default: return NOTIFY_REFUSED; // no memory: the primary will ask again
	}
}

struct address {
	uint8_t family;
	const uint8_t *octets;
};

static struct address source_of(const struct notify_input *in)
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };
	if (in->family == 6 && memcmp(in->address, mapped, sizeof(mapped)) == 0)
		return (struct address){ 4, in->address + sizeof(mapped) };
	return (struct address){ in->family, in->address };
}

// Signed as configured: with the source's key, if it has one.
static bool signed_as_wanted(const struct notify_source *s, const struct request *q)
{
	return !s->key || (q->key && name_equal(s->key->name.wire, q->key->name.wire));
}

static bool is_within(const struct notify_source *s, const struct address *a)
{
	size_t octets = a->family == 4 ? 4 : 16;
	return s->family == a->family && memcmp(a->octets, s->first, octets) >= 0 &&
	       memcmp(a->octets, s->last, octets) <= 0;
}

static enum notify_verdict find_source(const struct notify_lookup *lookup,
				       const struct notify_input *in, const struct request *q,
				       uint32_t *primary)
{
	unsigned count = 0;
	const struct notify_source *list = NULL;
	if (q->qclass == RRCLASS_IN)
		list = lookup->sources(lookup->arg, q->qname.wire, &count);
	if (!list)
		return NOTIFY_NOTAUTH;
	struct address source = source_of(in);
	for (unsigned i = 0; i < count; i++) {
		if (!is_within(&list[i], &source) || !signed_as_wanted(&list[i], q))
			continue;
		*primary = list[i].primary;
		return q->qtype == RRTYPE_SOA ? NOTIFY_ACCEPTED : NOTIFY_OTHER_TYPE;
	}
	return NOTIFY_REFUSED;
}

// --- replying -------------------------------------------------------------

static void sign_reply(const struct request *q, uint64_t now_s, uint8_t *reply, size_t *len)
{
	if (q->tsig_error != TSIG_ERROR_NONE)
		tsig_append_error(&q->tsig, q->key, q->tsig_error, now_s, reply, len,
				  NOTIFY_REPLY_OCTETS);
	else if (q->key)
		tsig_sign(q->key, now_s, q->tsig.mac, q->tsig.mac_len, reply, len,
			  NOTIFY_REPLY_OCTETS, NULL);
}

// RFC 1996 section 4.7: the question again, nothing else.
static size_t make_reply(const struct request *q, enum notify_verdict verdict, uint64_t now_s,
			 uint8_t reply[static NOTIFY_REPLY_OCTETS])
{
	struct wire_out w = wire_out_init(reply, NOTIFY_REPLY_OCTETS);
	uint16_t kept = q->flags & (DNS_OPCODE_MASK | DNS_FLAG_RD);
	uint16_t aa = verdict == NOTIFY_ACCEPTED ? DNS_FLAG_AA : 0;
	wire_put_u16(&w, q->id);
	wire_put_u16(&w, (uint16_t)(DNS_FLAG_QR | kept | aa |
				    (verdicts[verdict].rcode & DNS_RCODE_MASK)));
	wire_put_u16(&w, q->has_question ? 1 : 0);
	wire_put_u32(&w, 0);
	wire_put_u16(&w, q->has_opt ? 1 : 0);
	if (q->has_question) {
		wire_put_bytes(&w, q->qname.wire, q->qname.len);
		wire_put_u16(&w, q->qtype);
		wire_put_u16(&w, q->qclass);
	}
	if (q->has_opt) { // RFC 6891 section 7
		wire_put_u8(&w, 0);
		wire_put_u16(&w, RRTYPE_OPT);
		wire_put_u16(&w, OPT_UDP_OCTETS);
		wire_put_u32(&w, (uint32_t)verdicts[verdict].rcode >> 4 << 24 |
					 (q->dnssec_ok ? 0x8000 : 0));
		wire_put_u16(&w, 0);
	}
	size_t len = wire_out_len(&w);
	sign_reply(q, now_s, reply, &len);
	return len;
}

enum notify_verdict notify_handle(const struct notify_lookup *lookup, const struct notify_input *in,
				  uint8_t reply[static NOTIFY_REPLY_OCTETS], size_t *reply_len,
				  struct notify_event *event)
{
	struct request q = { .has_question = false };
	uint32_t primary = 0;
	enum notify_verdict verdict = read_request(in, &q);
	if (verdict == NOTIFY_ACCEPTED)
		verdict = verify(lookup, in, &q);
	if (verdict == NOTIFY_ACCEPTED)
		verdict = find_source(lookup, in, &q, &primary);
	*reply_len = 0;
	if (verdict != NOTIFY_DROPPED)
		*reply_len = make_reply(&q, verdict, in->now_s, reply);
	if (verdict == NOTIFY_ACCEPTED)
		*event = (struct notify_event){
			.apex = q.qname,
			.primary = primary,
			.has_serial = q.has_serial,
			.serial = q.serial,
		};
	return verdict;
}
