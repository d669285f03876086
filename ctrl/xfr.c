// SPDX-License-Identifier: BSD-3-Clause
// One exchange with a primary: the query, the framing, the response.
#include "understudy/xfr.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "understudy/rr.h"
#include "understudy/serial.h"
#include "understudy/wire.h"

#define FRAME_OCTETS (2 + UINT16_MAX) // length and message (RFC 7766 section 8)
#define SOA_OCTETS   20               // of numbers, behind the two names
#define TTL_MAX_S    0x7fffffffu      // RFC 2181 section 8
#define QUERY_OCTETS 1024             // question, SOA, OPT, TSIG: two names, a MAC, fixed parts

// A name is written once if its records come together, and else each time that it comes again:
// where it has many, a few octets more make much work, during which nothing else is done. So
// it may cost so many times what was received, and at once no more than this.
#define AGAIN_FACTOR 64
#define AGAIN_OCTETS (64u << 20)

#define OPT_UDP_OCTETS 1232
#define OPTION_EXPIRE  9 // RFC 7314

// How far the records of a zone, or of its differences, have come:
//
//   START -> WHOLE -> END                              AXFR
//   START -> FIRST -> WHOLE -> END                     IXFR, answered by the whole zone
//   START -> FIRST -> DELETE -> ADD -> ... -> END      IXFR, by differences (RFC 1995)
//   START -> END                                       IXFR, nothing newer
enum part { PART_START, PART_FIRST, PART_WHOLE, PART_DELETE, PART_ADD, PART_END };

// The first SOA record, kept until the second record tells what it begins.
struct first_soa {
	struct name owner;
	uint32_t ttl_s;
	uint16_t rdata_len;
	uint8_t rdata[2 * NAME_MAX_OCTETS + SOA_OCTETS];
};

struct xfr {
	enum xfr_kind kind;
	bool udp, has_key;
	uint16_t id;
	struct name apex;
	struct tsig_key key;
	struct zonedb *db;
	struct xfr_budget *budget;
	uint64_t budget_used; // of it
	uint64_t again_most;  // AGAIN_OCTETS at first
	uint64_t max_records, max_octets;
	uint32_t max_duration_ms, max_idle_ms;
	bool edns, dnssec, refuse_out_of_zone;
	struct soa base; // IXFR: of the version that we hold

	enum xfr_status status;
	enum xfr_reason reason;
	uint16_t rcode;
	uint64_t started_ms, progress_ms;
	struct xfr_stats stats;
	uint64_t soa_below_apex; // skipped

	struct tsig_stream *tsig; // from the first message of the response on
	struct zone_txn *txn;     // from the first SOA on
	struct zone_version *version;
	enum part part;
	enum xfr_form form;
	uint32_t serial; // IXFR: of the version that the differences have led to
	struct soa soa;  // of the version that the primary holds
	struct first_soa first;
	bool surplus; // more came than was asked for
	bool has_expire;
	uint32_t expire_s; // RFC 7314
	bool soa_signed;
	uint32_t inception; // the latest of the SOA record's signatures

	size_t request_mac_len;
	uint8_t request_mac[TSIG_MAC_MAX];
	size_t query_len;
	uint8_t query[2 + QUERY_OCTETS];

	uint8_t *frame; // FRAME_OCTETS, once a message came in pieces
	size_t frame_len;
};

// --- reasons --------------------------------------------------------------

static enum xfr_reason reason_of_result(enum result r)
{
	switch (r) {
	case RESULT_OK: return XFR_REASON_NONE;
	case RESULT_NO_MEMORY: return XFR_REASON_NO_MEMORY;
	case RESULT_LIMIT: return XFR_REASON_LIMIT_RECORDS;
	case RESULT_TYPES: return XFR_REASON_LIMIT_TYPES;
	case RESULT_NO_SOA: return XFR_REASON_NO_SOA;
	case RESULT_TSIG_MISSING: return XFR_REASON_TSIG_MISSING;
	case RESULT_TSIG_BADKEY: return XFR_REASON_TSIG_BADKEY;
	case RESULT_TSIG_BADSIG: return XFR_REASON_TSIG_BADSIG;
	case RESULT_TSIG_BADTIME: return XFR_REASON_TSIG_BADTIME;
	case RESULT_TSIG_BADTRUNC: return XFR_REASON_TSIG_BADTRUNC;
	default: return XFR_REASON_MALFORMED;
	}
}

static enum xfr_reason reason_of_rcode(uint16_t rcode)
{
	switch (rcode) {
	case RCODE_NOERROR: return XFR_REASON_NONE;
	case RCODE_REFUSED: return XFR_REASON_REFUSED;
	case RCODE_NOTAUTH: return XFR_REASON_NOTAUTH;
	default: return XFR_REASON_RCODE;
	}
}

// --- start and end --------------------------------------------------------

static uint16_t query_type(const struct xfr *x)
{
	switch (x->kind) {
	case XFR_AXFR: return RRTYPE_AXFR;
	case XFR_IXFR: return RRTYPE_IXFR;
	default: return RRTYPE_SOA;
	}
}

// What we hold (RFC 1995 section 3); of this record only the serial is looked at.
static void put_base(struct wire_out *w, const struct xfr *x)
{
	const struct soa *base = &x->base;
	wire_put_u16(w, 0xc000 | DNS_HEADER_OCTETS); // the question's name
	wire_put_u16(w, RRTYPE_SOA);
	wire_put_u16(w, RRCLASS_IN);
	wire_put_u32(w, 0);
	wire_put_u16(w, 2 + SOA_OCTETS);
	wire_put_u16(w, 0); // two names: the root
	wire_put_u32(w, base->serial);
	wire_put_u32(w, base->refresh_s);
	wire_put_u32(w, base->retry_s);
	wire_put_u32(w, base->expire_s);
	wire_put_u32(w, base->minimum_s);
}

// OPT, with an empty EXPIRE option: "tell yours" (RFC 7314 section 2).
static void put_opt(struct wire_out *w, bool dnssec)
{
	wire_put_u8(w, 0);
	wire_put_u16(w, RRTYPE_OPT);
	wire_put_u16(w, OPT_UDP_OCTETS);
	wire_put_u32(w, dnssec ? EDNS_FLAG_DO : 0);
	wire_put_u16(w, 4);
	wire_put_u16(w, OPTION_EXPIRE);
	wire_put_u16(w, 0);
}

static enum result make_query(struct xfr *x, uint64_t now_s)
{
	uint8_t *msg = x->query + (x->udp ? 0 : 2);
	struct wire_out w = wire_out_init(msg, QUERY_OCTETS);
	wire_put_u16(&w, x->id);
	wire_put_u16(&w, OPCODE_QUERY << DNS_OPCODE_SHIFT);
	wire_put_u16(&w, 1);
	wire_put_u16(&w, 0);
	wire_put_u16(&w, x->kind == XFR_IXFR ? 1 : 0);
	wire_put_u16(&w, x->edns ? 1 : 0);
	wire_put_bytes(&w, x->apex.wire, x->apex.len);
	wire_put_u16(&w, query_type(x));
	wire_put_u16(&w, RRCLASS_IN);
	if (x->kind == XFR_IXFR)
		put_base(&w, x);
	if (x->edns)
		put_opt(&w, x->dnssec);
	size_t len = wire_out_len(&w);
	if (x->has_key) {
		x->request_mac_len = tsig_key_mac_octets(&x->key);
		enum result r =
			tsig_sign(&x->key, now_s, NULL, 0, msg, &len, QUERY_OCTETS, x->request_mac);
		if (r != RESULT_OK)
			return r;
	}
	if (!x->udp)
		wire_poke_be16(x->query, (uint16_t)len);
	x->query_len = len + (x->udp ? 0 : 2);
	return RESULT_OK;
}

enum result xfr_new(const struct xfr_options *options, struct xfr_time now, struct xfr **out)
{
	assert(options->kind != XFR_AXFR || !options->udp);
	assert(options->kind != XFR_IXFR || options->base);
	struct xfr *x = calloc(1, sizeof(*x));
	if (!x)
		return RESULT_NO_MEMORY;
	x->kind = options->kind;
	x->udp = options->udp;
	x->id = options->id;
	name_copy(&x->apex, options->apex);
	x->db = options->db;
	x->max_records = options->max_records;
	x->max_octets = options->max_octets;
	x->max_duration_ms = options->max_duration_ms;
	x->max_idle_ms = options->max_idle_ms;
	x->budget = options->budget;
	x->edns = options->edns;
	x->dnssec = options->dnssec;
	x->refuse_out_of_zone = options->refuse_out_of_zone;
	if (options->base)
		x->base = *options->base;
	x->again_most = AGAIN_OCTETS;
	x->started_ms = x->progress_ms = now.monotonic_ms;
	x->has_key = options->key != NULL;
	if (x->has_key)
		x->key = *options->key;
	enum result r = make_query(x, now.unix_s);
	if (r == RESULT_OK)
		*out = x;
	else
		xfr_free(x);
	return r;
}

static void pay_back(struct xfr *x)
{
	if (x->budget)
		x->budget->used -= x->budget_used;
	x->budget_used = 0;
}

// Drops what was built and what is needed only while octets may come.
static void drop(struct xfr *x)
{
	if (x->txn)
		zone_txn_abort(x->txn);
	x->txn = NULL;
	if (x->version)
		zone_version_discard(x->version);
	x->version = NULL;
	pay_back(x);
	tsig_stream_free(x->tsig);
	x->tsig = NULL;
	free(x->frame);
	x->frame = NULL;
}

void xfr_free(struct xfr *x)
{
	if (!x)
		return;
	drop(x);
	explicit_bzero(&x->key, sizeof(x->key));
	free(x);
}

static enum xfr_status fail(struct xfr *x, enum xfr_reason reason)
{
	drop(x);
	x->reason = reason;
	x->status = XFR_FAILED;
	return XFR_FAILED;
}

enum xfr_status xfr_fail(struct xfr *x, enum xfr_reason reason)
{
	return x->status == XFR_MORE ? fail(x, reason) : x->status;
}

enum xfr_status xfr_eof(struct xfr *x)
{
	return xfr_fail(x, XFR_REASON_CLOSED);
}

uint64_t xfr_deadline_ms(const struct xfr *x)
{
	if (x->status != XFR_MORE)
		return UINT64_MAX;
	uint64_t at_ms = UINT64_MAX;
	if (x->max_duration_ms)
		at_ms = x->started_ms + x->max_duration_ms;
	if (x->max_idle_ms && x->progress_ms + x->max_idle_ms < at_ms)
		at_ms = x->progress_ms + x->max_idle_ms;
	return at_ms;
}

static bool too_long(const struct xfr *x, struct xfr_time now)
{
	return x->max_duration_ms && now.monotonic_ms >= x->started_ms + x->max_duration_ms;
}

enum xfr_status xfr_tick(struct xfr *x, struct xfr_time now)
{
	if (x->status != XFR_MORE || now.monotonic_ms < xfr_deadline_ms(x))
		return x->status;
	if (x->reason != XFR_REASON_NONE) // of a datagram that was not believed
		return fail(x, x->reason);
	return fail(x, too_long(x, now) ? XFR_REASON_LIMIT_DURATION : XFR_REASON_TIMEOUT);
}

// --- a message ------------------------------------------------------------

struct header {
	uint16_t flags;
	uint16_t rcode;
	uint16_t questions, answers, authority, additional;
};

// Header and question: whether the message answers our query at all. The
// question may be absent after the first message (RFC 5936 section 2.2.1) and
// from an error.
static enum xfr_reason read_head(struct xfr *x, struct wire *w, struct header *h)
{
	uint16_t id = wire_u16(w);
	h->flags = wire_u16(w);
	h->rcode = h->flags & DNS_RCODE_MASK;
	h->questions = wire_u16(w);
	h->answers = wire_u16(w);
	h->authority = wire_u16(w);
	h->additional = wire_u16(w);
	if (w->failed)
		return XFR_REASON_MALFORMED;
	if (id != x->id || !(h->flags & DNS_FLAG_QR) ||
	    (h->flags & DNS_OPCODE_MASK) >> DNS_OPCODE_SHIFT != OPCODE_QUERY || h->questions > 1)
		return XFR_REASON_MISMATCH;
	if (h->questions == 0)
		return x->part != PART_START || h->rcode != RCODE_NOERROR ? XFR_REASON_NONE
									  : XFR_REASON_MISMATCH;
	struct name name;
	if (name_read(w, &name) != RESULT_OK)
		return XFR_REASON_MALFORMED;
	uint16_t type = wire_u16(w);
	uint16_t rrclass = wire_u16(w);
	if (w->failed)
		return XFR_REASON_MALFORMED;
	bool ours = name_equal(name.wire, x->apex.wire) && type == query_type(x) &&
		    rrclass == RRCLASS_IN;
	return ours ? XFR_REASON_NONE : XFR_REASON_MISMATCH;
}

static enum result verify(struct xfr *x, const uint8_t *msg, size_t len, uint64_t now_s)
{
	if (!x->has_key)
		return RESULT_OK;
	enum result r = RESULT_OK;
	uint16_t error;
	if (!x->tsig)
		r = tsig_stream_new(&x->key, x->request_mac, x->request_mac_len, &x->tsig);
	if (r == RESULT_OK)
		r = tsig_stream_message(x->tsig, msg, len, now_s, &error);
	if (r != RESULT_OK) {
		// Another datagram may be the true one: it starts anew.
		tsig_stream_free(x->tsig);
		x->tsig = NULL;
	}
	return r;
}

struct record {
	struct name owner;
	uint16_t type, rdata_len;
	uint32_t ttl_s;
	uint8_t rdata[UINT16_MAX];
};

static enum xfr_reason read_record(struct wire *w, struct record *r)
{
	if (name_read(w, &r->owner) != RESULT_OK)
		return XFR_REASON_MALFORMED;
	r->type = wire_u16(w);
	uint16_t rrclass = wire_u16(w);
	r->ttl_s = wire_u32(w);
	uint16_t rdlen = wire_u16(w);
	if (w->failed || rrclass != RRCLASS_IN || rrtype_is_meta(r->type))
		return XFR_REASON_MALFORMED;
	if (r->ttl_s > TTL_MAX_S)
		r->ttl_s = 0;
	if (rdata_read(w, r->type, rdlen, r->rdata, sizeof(r->rdata), &r->rdata_len) != RESULT_OK)
		return XFR_REASON_MALFORMED;
	return XFR_REASON_NONE;
}

static bool is_apex_soa(const struct xfr *x, const struct record *r)
{
	return r->type == RRTYPE_SOA && name_equal(r->owner.wire, x->apex.wire);
}

static struct soa soa_of(const struct record *r)
{
	const uint8_t *p = r->rdata + r->rdata_len - SOA_OCTETS;
	return (struct soa){
		.serial = wire_peek_be32(p),
		.refresh_s = wire_peek_be32(p + 4),
		.retry_s = wire_peek_be32(p + 8),
		.expire_s = wire_peek_be32(p + 12),
		.minimum_s = wire_peek_be32(p + 16),
	};
}

// Reads the options of an OPT record: `w` is its rdata.
static void read_options(struct xfr *x, struct wire w)
{
	while (wire_left(&w)) {
		uint16_t code = wire_u16(&w), len = wire_u16(&w);
		const uint8_t *value = wire_take(&w, len);
		if (!value || w.failed)
			return;
		if (code == OPTION_EXPIRE && len == 4) {
			x->has_expire = true;
			x->expire_s = wire_peek_be32(value);
		}
	}
}

// Passes the sections behind the answers; nothing may follow them. OPT stands in the
// additional section, once, and is the root's; it has the upper octet of the rcode
// (RFC 6891 section 6.1).
static enum xfr_reason pass_rest(struct xfr *x, struct wire *w, const struct header *h)
{
	bool opt = false;
	for (unsigned left = (unsigned)h->authority + h->additional; left; left--) {
		const uint8_t *owner = w->pos;
		if (name_skip(w) != RESULT_OK)
			return XFR_REASON_MALFORMED;
		uint16_t type = wire_u16(w);
		wire_u16(w); // class
		uint32_t ttl = wire_u32(w);
		uint16_t rdlen = wire_u16(w);
		const uint8_t *rdata = wire_take(w, rdlen);
		if (w->failed)
			return XFR_REASON_MALFORMED;
		if (type != RRTYPE_OPT)
			continue;
		if (opt || left > h->additional || *owner != 0)
			return XFR_REASON_MALFORMED;
		opt = true;
		x->rcode |= (uint16_t)(ttl >> 24 << 4);
		read_options(x, wire_init(rdata, rdlen));
	}
	if (wire_left(w) != 0)
		return XFR_REASON_MALFORMED;
	return reason_of_rcode(x->rcode);
}

// --- a SOA query ----------------------------------------------------------

// What a record that could not be read says of itself: true, and the cursor behind it, if that
// is a signature.
static bool skip_signature(struct wire *w)
{
	if (name_skip(w) != RESULT_OK)
		return false;
	uint16_t type = wire_u16(w);
	wire_take(w, 6); // class, TTL
	wire_take(w, wire_u16(w));
	return !w->failed && type == RRTYPE_RRSIG;
}

static void note_signature(struct xfr *x, const struct record *r)
{
	if (r->type != RRTYPE_RRSIG || wire_peek_be16(r->rdata) != RRTYPE_SOA ||
	    !name_equal(r->owner.wire, x->apex.wire))
		return;
	uint32_t inception = wire_peek_be32(r->rdata + RRSIG_INCEPTION_AT);
	if (!x->soa_signed || serial_newer(inception, x->inception))
		x->inception = inception;
	x->soa_signed = true;
}

static enum xfr_reason take_soa(struct xfr *x, struct wire *w, const struct header *h)
{
	struct record record;
	bool found = false;
	if (!(h->flags & DNS_FLAG_AA))
		return XFR_REASON_NOTAUTH;
	for (unsigned i = 0; i < h->answers; i++) {
		struct wire start = *w;
		enum xfr_reason reason = read_record(w, &record);
		if (reason != XFR_REASON_NONE) {
			*w = start;
			if (!skip_signature(w)) // it came because we asked: no harm
				return reason;
			continue;
		}
		x->stats.records++;
		note_signature(x, &record);
		if (!is_apex_soa(x, &record))
			continue;
		struct soa soa = soa_of(&record);
		if (found && soa.serial != x->soa.serial)
			return XFR_REASON_MALFORMED; // which of them?
		x->soa = soa;
		found = true;
	}
	enum xfr_reason reason = pass_rest(x, w, h);
	if (reason == XFR_REASON_NONE && !found)
		reason = XFR_REASON_NO_SOA;
	return reason;
}

// --- a zone, whole or by its differences ----------------------------------

static struct zone_record zone_record_of(const struct record *r)
{
	return (struct zone_record){
		.owner = r->owner.wire,
		.rdata = r->rdata,
		.ttl_s = r->ttl_s,
		.type = r->type,
		.rdata_len = r->rdata_len,
	};
}

static enum xfr_reason add_record(struct xfr *x, const struct zone_record *r)
{
	enum result result = zone_txn_add(x->txn, r);
	if (result == RESULT_OUT_OF_ZONE && x->refuse_out_of_zone)
		return XFR_REASON_OUT_OF_ZONE;
	if (result == RESULT_EXISTS || result == RESULT_OUT_OF_ZONE)
		return XFR_REASON_NONE; // counted by the transaction
	return reason_of_result(result);
}

static enum xfr_reason delete_record(struct xfr *x, const struct zone_record *r)
{
	enum result result = zone_txn_delete(x->txn, r);
	if (result == RESULT_OUT_OF_ZONE)
		return XFR_REASON_NONE; // it was skipped when it was added, too
	return result == RESULT_NOT_FOUND ? XFR_REASON_IXFR_DELETE : reason_of_result(result);
}

// A record of the zone itself, or of the list of deletions.
static enum xfr_reason take_content(struct xfr *x, const struct record *r)
{
	const struct zone_record record = zone_record_of(r);
	if (r->type == RRTYPE_SOA && !is_apex_soa(x, r)) {
		x->soa_below_apex++;
		return x->refuse_out_of_zone ? XFR_REASON_OUT_OF_ZONE : XFR_REASON_NONE;
	}
	return x->part == PART_DELETE ? delete_record(x, &record) : add_record(x, &record);
}

static enum xfr_reason begin_txn(struct xfr *x, bool from_published)
{
	const struct zone_txn_options options = {
		.apex = x->apex.wire,
		.from_published = from_published,
		.max_records = x->max_records,
	};
	enum result result = zone_txn_begin(x->db, &options, &x->txn);
	return result == RESULT_NOT_FOUND ? XFR_REASON_IXFR_BASE : reason_of_result(result);
}

// The whole zone stands between two SOA records of its apex, the second of
// which is not a record of its own (RFC 5936 section 2.2).
static enum xfr_reason begin_whole(struct xfr *x)
{
	const struct zone_record soa = {
		.owner = x->first.owner.wire,
		.rdata = x->first.rdata,
		.ttl_s = x->first.ttl_s,
		.type = RRTYPE_SOA,
		.rdata_len = x->first.rdata_len,
	};
	enum xfr_reason reason = begin_txn(x, false);
	x->form = XFR_FORM_WHOLE;
	x->part = PART_WHOLE;
	return reason == XFR_REASON_NONE ? add_record(x, &soa) : reason;
}

static enum xfr_reason take_first_soa(struct xfr *x, const struct record *r)
{
	if (!is_apex_soa(x, r))
		return XFR_REASON_NO_SOA;
	x->soa = soa_of(r);
	x->first.owner = r->owner;
	x->first.ttl_s = r->ttl_s;
	x->first.rdata_len = r->rdata_len;
	memcpy(x->first.rdata, r->rdata, r->rdata_len);
	if (x->kind == XFR_AXFR)
		return begin_whole(x);
	x->part = serial_newer(x->soa.serial, x->base.serial) ? PART_FIRST : PART_END;
	return XFR_REASON_NONE;
}

static enum xfr_reason take_whole(struct xfr *x, const struct record *r)
{
	if (!is_apex_soa(x, r))
		return take_content(x, r);
	x->part = PART_END;
	return soa_of(r).serial == x->soa.serial ? XFR_REASON_NONE : XFR_REASON_SERIAL;
}

// The second record of the response to IXFR tells what it is: our own SOA
// begins differences (RFC 1995 section 4), all else the whole zone.
static enum xfr_reason take_second(struct xfr *x, const struct record *r)
{
	bool soa = is_apex_soa(x, r);
	uint32_t serial = soa ? soa_of(r).serial : 0;
	if (soa && serial == x->base.serial) {
		x->form = XFR_FORM_DIFFERENCES;
		x->part = PART_DELETE;
		x->serial = serial;
		enum xfr_reason reason = begin_txn(x, true);
		return reason == XFR_REASON_NONE ? take_content(x, r) : reason;
	}
	if (soa && serial != x->soa.serial)
		return XFR_REASON_IXFR_BASE;
	enum xfr_reason reason = begin_whole(x);
	return reason == XFR_REASON_NONE ? take_whole(x, r) : reason;
}

// A SOA record among the differences ends a list: that of the deletions names
// the version that the step leads to, that of the additions the one that the
// next step begins at, which is the same, or the end.
static enum xfr_reason take_step(struct xfr *x, const struct record *r)
{
	uint32_t serial = soa_of(r).serial;
	if (x->part == PART_DELETE) {
		if (!serial_newer(serial, x->serial))
			return XFR_REASON_IXFR_ORDER;
		x->stats.steps++;
		x->serial = serial;
		x->part = PART_ADD;
		return take_content(x, r);
	}
	if (serial != x->serial)
		return XFR_REASON_IXFR_ORDER;
	if (serial == x->soa.serial) {
		x->part = PART_END;
		return XFR_REASON_NONE;
	}
	x->part = PART_DELETE;
	return take_content(x, r);
}

static enum xfr_reason take_zone_record(struct xfr *x, const struct record *r)
{
	x->stats.records++;
	switch (x->part) {
	case PART_START: return take_first_soa(x, r);
	case PART_FIRST: return take_second(x, r);
	case PART_WHOLE: return take_whole(x, r);
	case PART_DELETE:
	case PART_ADD: return is_apex_soa(x, r) ? take_step(x, r) : take_content(x, r);
	case PART_END: break;
	}
	// Who answers with the whole zone though it is not newer is not to blame.
	x->surplus = true;
	return x->form == XFR_FORM_CURRENT ? XFR_REASON_NONE : XFR_REASON_TRAILING;
}

// What a message may cost in writing names again that have been written.
static void allow_again(struct xfr *x, size_t octets)
{
	uint64_t so_far = x->txn ? zone_txn_stats(x->txn)->again_octets : 0;
	x->again_most += (uint64_t)octets * AGAIN_FACTOR;
	if (x->again_most > so_far + AGAIN_OCTETS)
		x->again_most = so_far + AGAIN_OCTETS;
}

static void copy_stats(struct xfr *x, const struct zone_txn_stats *t)
{
	x->stats.out_of_zone = t->out_of_zone + x->soa_below_apex;
	x->stats.duplicates = t->duplicates;
	x->stats.ttl_lowered = t->ttl_lowered;
}

// What the transaction has come to so far.
static enum xfr_reason look_at_txn(struct xfr *x)
{
	const struct zone_txn_stats *t = zone_txn_stats(x->txn);
	copy_stats(x, t);
	if (x->form == XFR_FORM_DIFFERENCES && t->duplicates)
		return XFR_REASON_IXFR_ADD;
	if (!x->budget)
		return XFR_REASON_NONE;
	uint64_t octets = t->cells_octets + t->wait_octets;
	x->budget->used += octets - x->budget_used;
	x->budget_used = octets;
	return x->budget->limit && x->budget->used > x->budget->limit ? XFR_REASON_LIMIT_BUDGET
								      : XFR_REASON_NONE;
}

static enum xfr_reason take_zone(struct xfr *x, struct wire *w, const struct header *h)
{
	struct record record;
	enum xfr_reason reason = XFR_REASON_NONE;
	for (unsigned i = 0; i < h->answers && reason == XFR_REASON_NONE; i++) {
		reason = read_record(w, &record);
		if (reason == XFR_REASON_NONE)
			reason = take_zone_record(x, &record);
		if (reason == XFR_REASON_NONE && x->txn &&
		    zone_txn_stats(x->txn)->again_octets > x->again_most)
			reason = XFR_REASON_LIMIT_WORK;
	}
	if (reason == XFR_REASON_NONE && x->txn)
		reason = look_at_txn(x);
	if (reason == XFR_REASON_NONE)
		reason = pass_rest(x, w, h);
	if (reason == XFR_REASON_NONE && x->part == PART_START)
		reason = XFR_REASON_NO_SOA; // the first message must begin with it
	return reason;
}

// --- messages and octets --------------------------------------------------

// Takes one message. *authentic: it is the primary's, as far as can be known.
static enum xfr_reason take_message(struct xfr *x, const uint8_t *msg, size_t len,
				    struct xfr_time now, bool *authentic)
{
	struct wire w = wire_init(msg, len);
	struct header h;
	*authentic = false;
	enum xfr_reason reason = read_head(x, &w, &h);
	if (reason != XFR_REASON_NONE)
		return reason;
	x->rcode = h.rcode;
	enum xfr_reason refusal = reason_of_rcode(h.rcode);
	reason = reason_of_result(verify(x, msg, len, now.unix_s));
	// Who refuses may not be able to sign; the refusal says more than that.
	if (reason == XFR_REASON_TSIG_MISSING && refusal != XFR_REASON_NONE)
		reason = refusal;
	if (reason != XFR_REASON_NONE)
		return reason;
	// By its id alone anybody may have guessed a datagram.
	*authentic = !x->udp || h.questions == 1;
	x->stats.messages++;
	x->stats.octets += len;
	allow_again(x, len);
	x->progress_ms = now.monotonic_ms;
	if (refusal != XFR_REASON_NONE)
		return refusal;
	if (h.flags & DNS_FLAG_TC)
		return XFR_REASON_TRUNCATED;
	if (x->max_octets && x->stats.octets > x->max_octets)
		return XFR_REASON_LIMIT_OCTETS;
	if (too_long(x, now))
		return XFR_REASON_LIMIT_DURATION;
	return x->kind == XFR_SOA ? take_soa(x, &w, &h) : take_zone(x, &w, &h);
}

static enum xfr_status finish(struct xfr *x)
{
	x->status = XFR_DONE;
	x->reason = XFR_REASON_NONE;
	pay_back(x);
	free(x->frame);
	x->frame = NULL;
	return XFR_DONE;
}

// After the last message; `left` octets follow it. What is signed is signed to
// the end: nothing is committed before.
static enum xfr_reason end(struct xfr *x, size_t left)
{
	x->surplus |= left > 0;
	if (x->kind == XFR_SOA)
		return XFR_REASON_NONE;
	if (x->has_key && tsig_stream_finish(x->tsig) != RESULT_OK)
		return XFR_REASON_TSIG_MISSING;
	if (left && x->form != XFR_FORM_CURRENT)
		return XFR_REASON_TRAILING;
	if (!x->txn)
		return XFR_REASON_NONE;
	struct zone_txn *txn = x->txn;
	x->txn = NULL;
	enum result r = zone_txn_commit(txn, &x->version);
	if (r != RESULT_OK)
		return reason_of_result(r);
	copy_stats(x, zone_version_stats(x->version));
	if (zone_version_stats(x->version)->contradictions > 0)
		return XFR_REASON_CONTRADICTION;
	// A hostile first SOA may differ, in all but its serial, from what was applied.
	zone_version_soa(x->version, &x->soa);
	return x->form == XFR_FORM_DIFFERENCES && x->stats.duplicates ? XFR_REASON_IXFR_ADD
								      : XFR_REASON_NONE;
}

enum xfr_status xfr_datagram(struct xfr *x, const uint8_t *msg, size_t len, struct xfr_time now)
{
	assert(x->udp && x->status == XFR_MORE);
	bool authentic;
	enum xfr_reason reason = take_message(x, msg, len, now, &authentic);
	// What does not end within the datagram is to be had over TCP (RFC 1995
	// section 2): so says a lone SOA that is newer.
	if (reason == XFR_REASON_NONE && x->kind == XFR_IXFR && x->part != PART_END)
		reason = XFR_REASON_TRUNCATED;
	if (reason == XFR_REASON_NONE && x->kind == XFR_IXFR)
		reason = end(x, 0);
	if (reason == XFR_REASON_NONE)
		return finish(x);
	if (authentic)
		return fail(x, reason);
	x->reason = reason;
	return XFR_MORE;
}

// The next message's octets and length, if it is complete: from the input alone
// where it is whole there, else gathered in the frame. Advances the input.
static enum xfr_reason next_message(struct xfr *x, struct wire *in, const uint8_t **msg,
				    size_t *len)
{
	*msg = NULL;
	if (x->frame_len == 0 && wire_left(in) >= 2 &&
	    wire_left(in) - 2 >= wire_peek_be16(in->pos)) {
		*len = wire_u16(in);
		*msg = wire_take(in, *len);
		return XFR_REASON_NONE;
	}
	if (!x->frame && !(x->frame = malloc(FRAME_OCTETS)))
		return XFR_REASON_NO_MEMORY;
	for (;;) {
		size_t want = x->frame_len < 2 ? 2 : 2 + (size_t)wire_peek_be16(x->frame);
		size_t take =
			want - x->frame_len < wire_left(in) ? want - x->frame_len : wire_left(in);
		memcpy(x->frame + x->frame_len, wire_take(in, take), take);
		x->frame_len += take;
		if (x->frame_len < want)
			return XFR_REASON_NONE;
		want = 2 + (size_t)wire_peek_be16(x->frame);
		if (x->frame_len == want)
			break;
	}
	*msg = x->frame + 2;
	*len = x->frame_len - 2;
	x->frame_len = 0;
	return XFR_REASON_NONE;
}

enum xfr_status xfr_feed(struct xfr *x, const uint8_t *octets, size_t len, struct xfr_time now)
{
	assert(!x->udp && x->status == XFR_MORE);
	struct wire in = wire_init(octets, len);
	while (wire_left(&in)) {
		const uint8_t *msg;
		size_t msg_len;
		bool authentic;
		enum xfr_reason reason = next_message(x, &in, &msg, &msg_len);
		if (reason == XFR_REASON_NONE && !msg)
			break;
		if (reason == XFR_REASON_NONE)
			reason = take_message(x, msg, msg_len, now, &authentic);
		bool last = x->kind == XFR_SOA || x->part == PART_END;
		if (reason == XFR_REASON_NONE && last)
			reason = end(x, wire_left(&in));
		if (reason != XFR_REASON_NONE)
			return fail(x, reason);
		if (last)
			return finish(x);
	}
	return XFR_MORE;
}

// --- what came of it ------------------------------------------------------

const uint8_t *xfr_query(const struct xfr *x, size_t *len)
{
	*len = x->query_len;
	return x->query;
}

enum xfr_status xfr_status(const struct xfr *x)
{
	return x->status;
}

enum xfr_reason xfr_reason(const struct xfr *x)
{
	return x->reason;
}

uint16_t xfr_rcode(const struct xfr *x)
{
	return x->rcode;
}

void xfr_soa(const struct xfr *x, struct soa *out)
{
	*out = x->soa;
}

enum xfr_form xfr_form(const struct xfr *x)
{
	return x->form;
}

bool xfr_expire(const struct xfr *x, uint32_t *expire_s)
{
	if (x->has_expire)
		*expire_s = x->expire_s;
	return x->has_expire;
}

bool xfr_clean(const struct xfr *x)
{
	return x->status == XFR_DONE && !x->surplus;
}

bool xfr_soa_signed(const struct xfr *x, uint32_t *inception)
{
	if (x->soa_signed)
		*inception = x->inception;
	return x->soa_signed;
}

struct zone_version *xfr_take_version(struct xfr *x)
{
	struct zone_version *v = x->version;
	x->version = NULL;
	return v;
}

const struct xfr_stats *xfr_stats(const struct xfr *x)
{
	return &x->stats;
}
