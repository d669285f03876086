// SPDX-License-Identifier: BSD-3-Clause
// All secondary zones at work: state machines, timers, transfers, publishing.
//
// Purpose: does what each zone's state machine (understudy/zone_fsm.h) decides:
// asks primaries, transfers, publishes, expires; at most so many exchanges run
// at once, the rest wait in line. A reload adds, removes and changes zones.
// Threads: the loop's. Ownership: zones_new gives, zones_free takes.
#pragma once

#include <uv.h>

#include "config.h"
#include "store.h"
#include "understudy/notify.h"
#include "understudy/zone_fsm.h"
#include "understudy/zonedb.h"
#include "zonemd.h"

struct zones;

// RESULT_OK or RESULT_NO_MEMORY. In any case what stands in *out, unless it is NULL, wants
// zones_stop and zones_free: the handles of a part of it close as the loop goes on.
enum result zones_new(uv_loop_t *loop, struct zonedb *db, struct zones **out);

// Where zones are stored and come from; before the first zones_apply. It must
// outlive the zones.
void zones_set_store(struct zones *zones, struct store *store);

// Ends all work; the loop must run on until its handles are closed.
void zones_stop(struct zones *zones);
// After zones_stop, once the loop has ended.
void zones_free(struct zones *zones);

// Takes over the zones, primaries and keys of `config`, which must live until
// the next call or zones_free. Zones that are new are published as not loaded,
// those that are gone are removed, all in one swap. RESULT_OK or
// RESULT_NO_MEMORY (nothing is changed then).
enum result zones_apply(struct zones *zones, const struct config *config);

// A zone that has become one of the configuration applied last, and one that is about to
// leave it. RESULT_OK, RESULT_NO_MEMORY, or RESULT_NOT_FOUND.
enum result zones_add(struct zones *zones, const struct config_zone *config);
enum result zones_remove(struct zones *zones, const uint8_t *apex);

// The one applied last.
const struct config *zones_config(const struct zones *zones);

// How NOTIFY asks for zones and keys; valid until zones_free.
const struct notify_lookup *zones_notify_lookup(struct zones *zones);
void zones_notified(struct zones *zones, const struct notify_event *event);

// By the operator. RESULT_OK or RESULT_NOT_FOUND.
enum result zones_refresh(struct zones *zones, const uint8_t *apex);
enum result zones_retransfer(struct zones *zones, const uint8_t *apex);
// Frozen, a zone is served as it is and asks nobody; thawed, it makes up for what
// came meanwhile. Lasts over restarts.
enum result zones_freeze(struct zones *zones, const uint8_t *apex, bool frozen);
// Forgets what is served and stored of the zone, which begins as if it were new.
// Also RESULT_NO_MEMORY.
enum result zones_purge(struct zones *zones, const uint8_t *apex);

// Whether a primary was seen to have our serial with later signatures than ours: it signed the
// zone anew and did not raise the serial.
enum zone_resigned {
	ZONE_RESIGNED_NOT,
	ZONE_RESIGNED_SEEN,  // they are to be transferred
	ZONE_RESIGNED_MISSED // a whole transfer since then did not bring them
};

// Whether a detail belongs to it: of TLS (tls.h), or an error of the system; 0 = none.
static inline bool zone_reason_has_detail(enum xfr_reason r)
{
	return xfr_reason_is_tls(r) || r == XFR_REASON_CONNECT || r == XFR_REASON_IO;
}

// How the last exchange with one primary of a zone ended.
struct zone_primary_status {
	const struct config_primary *primary;
	uint64_t unix_s;     // 0 = never asked
	uint32_t serial;     // that it had, if it went well
	uint16_t rcode;      // with reasons that come from one; with others a detail
	uint8_t kind;        // enum xfr_kind
	uint8_t reason;      // enum xfr_reason; XFR_REASON_NONE = well
	uint8_t ixfr_reason; // of the last IXFR, which AXFR may have followed
	// The link: normal while what is begun with the primary comes to a good end.
	uint8_t link_reason;     // XFR_REASON_NONE: normal; else why it is blocked
	uint16_t link_rcode;     // or, of XFR_REASON_LEFT_ALONE, why others were given up
	uint64_t link_unix_s;    // since when it has been what it is; 0 = never asked
	uint64_t success_unix_s; // when something last came to a good end; 0 = never
	uint32_t resigned_s;     // inception of its signatures (zone_resigned_unix_s)
	uint8_t resigned;        // enum zone_resigned
	uint8_t resigned_waits;  // missed: rounds that are let pass before it is tried again,
	uint8_t resigned_left;   // and how many of these are left
};

// The link of the zone: normal if that of a primary is, of those that were asked.
struct zone_link {
	bool known, blocked;
	uint64_t unix_s;                           // since when
	const struct zone_primary_status *primary; // whose reason it is, if blocked
};
struct zone_link zone_link(const struct zone_primary_status *list, unsigned count);

// When the signatures were made that the primary was seen to have; unless ZONE_RESIGNED_NOT.
int64_t zone_resigned_unix_s(const struct zone_primary_status *s);

#define ZONE_REASON_TEXT 192
// A sentence on it, with what more is known; returns buf.
const char *zone_reason_text(const struct zone_primary_status *s, char buf[ZONE_REASON_TEXT]);
// The same on why the link is blocked.
const char *zone_link_text(const struct zone_primary_status *s, char buf[ZONE_REASON_TEXT]);

// The last transfer. Counts are as in struct xfr_stats; the lesser ones end at UINT32_MAX.
struct zone_transfer_status {
	uint64_t unix_s; // 0 = never
	uint64_t elapsed_ms;
	uint64_t octets, records;
	uint32_t messages, steps;
	uint32_t out_of_zone, duplicates, ttl_lowered;
	struct config_address primary;
	uint8_t kind; // enum xfr_kind: what was asked for
	uint8_t form; // enum xfr_form: and what came
	bool same;    // the content was what we had
	bool keyed, encrypted;
};

// What was seen when the version that is served was vetted.
struct zone_vetted {
	uint8_t zonemd; // enum zonemd_verdict; ZONEMD_UNDECIDED: not looked at
	bool nsec3;
	uint16_t nsec3_iterations;
};

// What of the zone's signatures has been told.
enum zone_signatures {
	ZONE_SIGNATURES_WELL,
	ZONE_SIGNATURES_BEFORE_EXPIRY, // one expires before the zone would
	ZONE_SIGNATURES_SOON,          // within dnssec.signature-warning
	ZONE_SIGNATURES_EXPIRED
};
// A few words, for status; static.
const char *zone_signatures_text(enum zone_signatures s);

// The exchange with a primary that is under way, is vetted, or waits for its turn.
enum zone_stage { ZONE_STAGE_NONE, ZONE_STAGE_WAITING, ZONE_STAGE_UNDER_WAY, ZONE_STAGE_VETTING };

struct zone_progress {
	enum zone_stage stage;
	const struct config_primary *primary; // unless ZONE_STAGE_NONE
	enum xfr_kind kind;
	// WAITING: in which lane ("notify"), behind how many at this primary (ZONE_AHEAD_MOST: or
	// more), of which so many are under way, and at most so many may be.
	const char *lane;
	unsigned ahead, under_way, at_most;
	// UNDER_WAY
	uint64_t elapsed_ms;
	struct xfr_stats stats; // so far
};
#define ZONE_AHEAD_MOST 1000

// What is known of one zone; pointers are valid until the loop goes on.
struct zone_status {
	const struct config_zone *config;
	const uint8_t *name; // in wire form
	const struct zone_fsm *fsm;
	bool waiting;            // for its turn to ask or transfer
	uint64_t success_unix_s; // last confirmation or transfer, 0 = never
	const struct zone_transfer_status *transfer;
	const struct zone_primary_status *primaries;
	unsigned primary_count;
	const struct zone_vetted *vetted;
	enum zone_signatures signatures;
	uint64_t earliest_unix_s; // when the first signature expires; 0 = none, or not known yet
	struct store_zone_status stored;
};

// RESULT_OK or RESULT_NOT_FOUND.
enum result zones_progress(const struct zones *zones, const uint8_t *apex,
			   struct zone_progress *out);

// Whether it is served, its last round went well, and nobody has promised anything newer.
bool zone_is_current(const struct zone_status *s);
// Whether all are. `at` is where to begin, and becomes where one was found that is not: he
// who asks again and again looks at it first.
bool zones_are_current(const struct zones *zones, size_t *at);

// RESULT_OK or RESULT_NOT_FOUND.
enum result zones_status(const struct zones *zones, const uint8_t *apex, struct zone_status *out);
size_t zones_count(const struct zones *zones);
// i below the count; in canonical order of the names.
void zones_status_at(const struct zones *zones, size_t i, struct zone_status *out);
// The place of the first zone whose name is behind this one's.
size_t zones_behind(const struct zones *zones, const uint8_t *name);

struct zones_stats {
	uint64_t soa_ok, soa_failed;
	uint64_t transfers_ok, transfers_failed;
	uint64_t records, octets; // of transfers that went well
	uint64_t out_of_zone, duplicates, ttl_lowered;
	uint64_t notifies;
	uint64_t notifies_given_up; // of a serial that no primary had in time
	uint64_t refused;           // transferred, vetted, not published
	uint64_t expired;
	uint64_t alarms; // told of
	uint64_t hooks_run, hooks_failed, hooks_dropped;
	uint64_t same_serial; // versions with other content than before, and its serial
	uint64_t resigned;    // primaries seen to have a serial of ours with later signatures
	unsigned exchanges;   // under way
	unsigned waiting;
};
const struct zones_stats *zones_stats(const struct zones *zones);
