// SPDX-License-Identifier: BSD-3-Clause
// One exchange with a primary, sans I/O: a SOA query, an AXFR, or an IXFR.
//
// Purpose: makes the query and reads the response, which may be one datagram or
// a TCP stream in any segmentation, TSIG included; a transfer is built unseen
// through zonedb and comes out as a committed version, or as a reason why not.
// No socket, no clock, no loop: the caller moves the bytes and says the time.
// RFC 5936 (AXFR), 1995 (IXFR), 7314 (EDNS EXPIRE), 7766 (framing), 8945 (TSIG),
// 3597 section 4. Zones are of class IN.
// Threads: one exchange belongs to one thread at a time. Ownership: xfr_new
// gives, xfr_free takes; a version is the caller's once taken.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "understudy/result.h"
#include "understudy/tsig.h"
#include "understudy/zone.h"
#include "understudy/zonedb.h"

enum xfr_kind {
	XFR_SOA,  // ask for the SOA record, over UDP or TCP
	XFR_AXFR, // the whole zone, over TCP
	XFR_IXFR  // what changed since the version that we hold, over UDP or TCP
};

// What the response to a transfer turned out to be.
enum xfr_form {
	XFR_FORM_CURRENT,    // IXFR: the primary holds nothing newer; there is no version
	XFR_FORM_WHOLE,      // the whole zone; IXFR may be answered so, too
	XFR_FORM_DIFFERENCES // IXFR: applied to what is published
};

enum xfr_status {
	XFR_MORE, // not over: bytes are awaited
	XFR_DONE,
	XFR_FAILED // xfr_reason tells
};

// Why an exchange failed. The first group is for the caller, who sees the
// sockets and tells by xfr_fail; the rest are the engine's findings, and, where it is
// said, others'. The store keeps these numbers: a new one stands last.
enum xfr_reason {
	XFR_REASON_NONE,
	XFR_REASON_CONNECT,   // no connection
	XFR_REASON_IO,        // a socket error later on
	XFR_REASON_CANCELLED, // nobody wants it any more
	// TLS (RFC 9103)
	XFR_REASON_TLS,         // the handshake, or the protocol later on
	XFR_REASON_TLS_NAME,    // the certificate is for somebody else
	XFR_REASON_TLS_CA,      // it does not lead to an authority that we trust
	XFR_REASON_TLS_EXPIRED, // it is too old, or too new
	XFR_REASON_TLS_PIN,     // its key is none of those pinned
	XFR_REASON_TLS_ALPN,    // the primary does not offer DNS over TLS
	XFR_REASON_TLS_CLIENT,  // the primary does not accept our certificate, or wants one

	XFR_REASON_TIMEOUT,       // xfr_tick: nothing in time
	XFR_REASON_CLOSED,        // xfr_eof: the stream ended before the transfer
	XFR_REASON_MISMATCH,      // not the response to our query: id, QR, opcode, question
	XFR_REASON_TRUNCATED,     // TC: ask again over TCP
	XFR_REASON_REFUSED,       // rcode REFUSED
	XFR_REASON_NOTAUTH,       // rcode NOTAUTH, or a SOA answer without AA
	XFR_REASON_RCODE,         // any other rcode than NOERROR: xfr_rcode
	XFR_REASON_TSIG_MISSING,  // unsigned, or its end is
	XFR_REASON_TSIG_BADKEY,   // one of the sides does not know the key
	XFR_REASON_TSIG_BADSIG,   // one of the sides found the signature wrong
	XFR_REASON_TSIG_BADTIME,  // the clocks differ
	XFR_REASON_TSIG_BADTRUNC, // signatures are cut shorter than one of the sides allows
	XFR_REASON_MALFORMED,     // breaks the format, or records that cannot be
	XFR_REASON_NO_SOA,        // the SOA record is missing where it must stand
	XFR_REASON_SERIAL,        // the zone changed under way: last SOA is not the first
	XFR_REASON_TRAILING,      // data after the final SOA
	XFR_REASON_LIMIT_RECORDS,
	XFR_REASON_LIMIT_OCTETS,
	XFR_REASON_LIMIT_DURATION,
	XFR_REASON_NO_MEMORY,
	XFR_REASON_LIMIT_BUDGET, // all transfers together need too much memory
	XFR_REASON_OUT_OF_ZONE,  // records outside of the zone, where that is refused
	// IXFR; what it would change is not what we hold. AXFR will help.
	XFR_REASON_IXFR_BASE,   // begins at a serial that is not ours
	XFR_REASON_IXFR_ORDER,  // the steps' serials do not follow one another
	XFR_REASON_IXFR_DELETE, // deletes what is not there
	XFR_REASON_IXFR_ADD,    // adds what is there
	// vet: what came is whole, and yet not to be published
	XFR_REASON_ZONEMD,           // its digest is another (RFC 8976)
	XFR_REASON_ZONEMD_MISSING,   // no digest that can be verified, where one is required
	XFR_REASON_NSEC3_ITERATIONS, // too many (RFC 9276)
	// zone_fsm
	XFR_REASON_OLDER,       // the primary's serial is older than ours
	XFR_REASON_SERIAL_ZERO, // the serial is 0, where that is refused
	XFR_REASON_LEFT_ALONE,  // zones: it was not asked, as it has left others unanswered
	// the engine
	XFR_REASON_LIMIT_WORK,    // records of large names come scattered
	XFR_REASON_LIMIT_TYPES,   // a name has more RRsets than are looked through for a query
	XFR_REASON_CONTRADICTION, // a CNAME beside other data, or two CNAMEs or DNAMEs at a name
	XFR_REASON_COUNT
};

static inline bool xfr_reason_is_tls(enum xfr_reason r)
{
	return r >= XFR_REASON_TLS && r <= XFR_REASON_TLS_CLIENT;
}

// A stable word for logs and JSON ("tsig-badsig"); static.
const char *xfr_reason_word(enum xfr_reason r);
// A sentence for people, without a final stop; static.
const char *xfr_reason_text(enum xfr_reason r);

// What time it is: TSIG wants the calendar, deadlines a clock that never jumps.
struct xfr_time {
	uint64_t unix_s;
	uint64_t monotonic_ms;
};

// Memory of the snapshots under construction, of all exchanges that share it.
struct xfr_budget {
	uint64_t limit; // octets; 0 = no limit
	uint64_t used;
};

struct xfr_options {
	enum xfr_kind kind;
	const uint8_t *apex; // wire; copied
	uint16_t id;         // from a good random source
	bool udp;            // not XFR_AXFR: by xfr_datagram, else by xfr_feed
	bool edns;           // with an OPT record that asks for EXPIRE
	bool dnssec;         // XFR_SOA, with edns: and for signatures (DO)
	// NULL = unsigned. Copied.
	const struct tsig_key *key;
	struct zonedb *db;         // unless XFR_SOA; must outlive the exchange
	const struct soa *base;    // XFR_IXFR: of the published version. Copied.
	struct xfr_budget *budget; // shared; must outlive the exchange; NULL = none
	bool refuse_out_of_zone;   // else such records are skipped and counted
	uint64_t max_records;      // 0 = no limit
	uint64_t max_octets;       // of all messages together; 0 = no limit
	uint32_t max_duration_ms;  // of the exchange; 0 = no limit
	uint32_t max_idle_ms;      // between complete messages; 0 = no limit
};

struct xfr;

// RESULT_OK, RESULT_NO_MEMORY. The zone's transaction is begun with the first
// record that arrives.
enum result xfr_new(const struct xfr_options *options, struct xfr_time now, struct xfr **out);

// Frees at any time; discards what is unfinished and a version nobody took.
void xfr_free(struct xfr *x);

// The octets to send, with the length in front unless options.udp. Valid until
// xfr_free.
const uint8_t *xfr_query(const struct xfr *x, size_t *len);

// TCP: the next octets of the stream, as they came. After XFR_DONE or
// XFR_FAILED nothing more may be fed; the connection can be closed.
enum xfr_status xfr_feed(struct xfr *x, const uint8_t *octets, size_t len, struct xfr_time now);

// UDP: one datagram from the primary's address. What does not belong to the
// query, or is not signed as it must be, is ignored (XFR_MORE; anybody could
// have sent it), but remembered: xfr_reason tells it once time is up.
enum xfr_status xfr_datagram(struct xfr *x, const uint8_t *msg, size_t len, struct xfr_time now);

// The stream ended: XFR_FAILED.
enum xfr_status xfr_eof(struct xfr *x);

// The caller ends it, with a reason. XFR_FAILED.
enum xfr_status xfr_fail(struct xfr *x, enum xfr_reason reason);

// When xfr_tick should be called if nothing happens before (monotonic ms,
// UINT64_MAX = never), and that call: XFR_MORE, or XFR_FAILED past the deadline.
uint64_t xfr_deadline_ms(const struct xfr *x);
enum xfr_status xfr_tick(struct xfr *x, struct xfr_time now);

enum xfr_status xfr_status(const struct xfr *x);
enum xfr_reason xfr_reason(const struct xfr *x);
// The rcode of the response, with XFR_REASON_RCODE, _REFUSED and _NOTAUTH.
uint16_t xfr_rcode(const struct xfr *x);

// The SOA that the primary holds; once XFR_DONE, of either kind.
void xfr_soa(const struct xfr *x, struct soa *out);

// Once XFR_DONE of XFR_SOA: whether signatures of the SOA record came with it, and when the
// latest of them was made (RFC 4034 section 3.1.5). What makes no sense as one tells nothing.
bool xfr_soa_signed(const struct xfr *x, uint32_t *inception);

// Once XFR_DONE of a transfer.
enum xfr_form xfr_form(const struct xfr *x);

// Whether the response told how long the primary's zone lasts yet (RFC 7314),
// and that, in seconds.
bool xfr_expire(const struct xfr *x, uint32_t *expire_s);

// Once XFR_DONE over TCP: nothing came behind the response, so that the
// connection can be used again.
bool xfr_clean(const struct xfr *x);

// The committed version, once XFR_DONE of a transfer that is not
// XFR_FORM_CURRENT: the caller's from now on. NULL if it was taken before.
struct zone_version *xfr_take_version(struct xfr *x);

struct xfr_stats {
	uint64_t messages;
	uint64_t octets;      // of messages, without their lengths
	uint64_t records;     // of answer sections, the final SOA included
	uint64_t steps;       // of differences
	uint64_t out_of_zone; // skipped: not at or below the apex, or a SOA below it
	uint64_t duplicates;  // merged
	uint64_t ttl_lowered;
};
const struct xfr_stats *xfr_stats(const struct xfr *x);
