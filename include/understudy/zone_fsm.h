// SPDX-License-Identifier: BSD-3-Clause
// The life of one secondary zone: when to ask, whom, and what follows.
//
// Purpose: an explicit state machine without I/O and without a clock:
// (state, event, now) -> (state, actions). It decides; the caller does. SOA
// refresh, retry and expire by RFC 1035 section 4.3.5 and 3.3.13, NOTIFY by
// RFC 1996, EXPIRE by RFC 7314. The diagram stands in ctrl/zone_fsm.c.
// Threads: a state belongs to one thread. Ownership: a plain value.
// Contract: every exchange that an action starts ends in exactly one event that
// names it (SOA_ANSWER, SOA_FAILED, XFR_DONE, XFR_FAILED), unless it was
// cancelled; its timeouts are the caller's. Events of other exchanges than the
// current one are ignored.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "understudy/xfr.h"
#include "understudy/zone.h"

#define ZONE_FSM_NEVER           UINT64_MAX
#define ZONE_FSM_SHORT_REFRESH_S 30 // a SOA refresh below this is suspect

// Bounds for what a SOA record says, seconds.
struct zone_fsm_limits {
	uint32_t refresh_min_s, refresh_max_s;
	uint32_t retry_min_s, retry_max_s;
	uint32_t expire_min_s, expire_max_s; // also at least refresh + retry
	uint32_t unloaded_retry_min_s;       // before the first transfer: doubling
	uint32_t unloaded_retry_max_s;       // from min to max
};
extern const struct zone_fsm_limits zone_fsm_limits_default;

// Whether a version with an older serial than ours is taken. It is in no case
// as long as any primary confirms ours or has a newer one.
enum zone_fsm_older {
	ZONE_FSM_OLDER_EXPIRED, // once ours has expired
	ZONE_FSM_OLDER_REFUSE,  // never
	ZONE_FSM_OLDER_ACCEPT   // at any time
};

// What is done with a primary's data that is legal and yet suspect.
struct zone_fsm_policy {
	uint8_t older; // enum zone_fsm_older
	bool refuse_serial_zero;
	bool lengthen_refresh; // SOA refresh below 30 s is taken as 30 minutes
};

enum zone_fsm_phase {
	ZONE_FSM_IDLE,     // waits for the timer or for an event
	ZONE_FSM_ASKING,   // a SOA query is out at primary `at`
	ZONE_FSM_TRANSFER, // an IXFR or AXFR is under way from primary `at`
};
const char *zone_fsm_phase_text(enum zone_fsm_phase p); // "idle", "asking", "transferring"

#define ZONE_FSM_PRIMARIES_MAX 32 // as many as `no_ixfr` has bits

// All fields but the first three are the machine's own; reading them (for
// status) is fine. There are very many of these: fields are as narrow as what they hold,
// and stand by size, not by meaning.
struct zone_fsm {
	const struct zone_fsm_limits *limits; // the caller's
	uint32_t no_ixfr;                     // bit i: primary i is known not to speak IXFR
	uint8_t given_up; // NOTIFYs of a serial that never came; it may start over
	struct zone_fsm_policy policy;
	uint8_t phase;         // enum zone_fsm_phase
	uint8_t data;          // enum zone_state: what is published of the zone
	uint8_t refused;       // enum xfr_reason: why the last step took not what it was given
	uint8_t last_reason;   // likewise: of the last failure, NONE after a success
	uint8_t primaries;     // how many; those below are indices of them
	uint8_t at;            // that is being tried
	uint8_t tried;         // in this round, `at` included
	uint8_t older_at;      // the first that had an older serial
	uint8_t mute_at;       // the first that left an IXFR without any answer
	uint8_t again_at;      // with which the next round begins, if `again`
	uint8_t wanted_at;     // that promised wanted_serial
	uint8_t wanted_tries;  // rounds since then
	uint8_t next_at;       // with which the round of next_ms begins
	bool differences;      // the transfer that is under way is an IXFR
	bool confirmed;        // this round: a primary has said that ours is current
	bool behind;           // this round: a primary had newer data that we did not get
	bool direct;           // this round: the first primary is asked for IXFR at once
	bool older;            // this round: a primary had an older serial
	bool taking_older;     // and none a better one: it is being transferred
	bool crowded;          // this round: there was no memory for a transfer, just now
	bool mute;             // this round: an IXFR got no answer at all
	bool resigning;        // the transfer that is under way is for later signatures
	bool forced;           // transfer whatever the serial, until one succeeds
	bool again;            // look again once this round is over (NOTIFY, refresh)
	bool again_has_serial; // only if again_serial is newer than what we hold then
	bool wanted;           // a NOTIFY promised a serial, which no primary has had yet
	bool frozen;
	bool put_off;      // a round, while frozen
	struct soa soa;    // of the version that is held, unless ZONE_NOT_LOADED
	uint32_t exchange; // number of the current exchange, 0 = none yet
	uint32_t failures; // rounds in a row without success
	uint32_t again_serial;
	uint32_t wanted_serial;
	uint64_t next_ms;      // next round; meaningful in ZONE_FSM_IDLE
	uint64_t ended_ms;     // of the last round
	uint64_t refreshed_ms; // last confirmation or transfer
	uint64_t expire_ms;    // meaningful unless ZONE_NOT_LOADED
	uint64_t timer_ms;     // what the caller's timer is set to
};

enum zone_event_kind {
	ZONE_EVENT_START,      // once, first
	ZONE_EVENT_TIMER,      // the time last set has come; too early or late is harmless
	ZONE_EVENT_NOTIFY,     // accepted by notify_handle: primary, has_serial, serial
	ZONE_EVENT_SOA_ANSWER, // exchange, soa
	ZONE_EVENT_SOA_FAILED, // exchange, reason
	ZONE_EVENT_XFR_DONE,   // exchange, soa
	ZONE_EVENT_XFR_FAILED, // exchange, reason
	ZONE_EVENT_REFRESH,    // operator: ask now
	ZONE_EVENT_RETRANSFER, // operator: transfer now, whatever the serial
	ZONE_EVENT_RELOAD,     // configuration reread: number of primaries
	ZONE_EVENT_LIMITS,     // `limits` are others
	ZONE_EVENT_FREEZE,     // operator: ask nobody, whatever comes; what is held expires
	ZONE_EVENT_THAW,       // operator: make up for what was put off
};

struct zone_event {
	enum zone_event_kind kind;
	uint32_t random;   // any, fresh with every event: jitter
	uint32_t exchange; // of the action that the event answers
	unsigned primary;  // NOTIFY: index, or any other number if it came from none;
			   // RELOAD: number of primaries
	bool has_serial;   // NOTIFY
	uint32_t serial;   // NOTIFY
	struct soa soa;    // SOA_ANSWER, XFR_DONE
	bool current;      // XFR_DONE: nothing newer is there, no version came
	bool resigned;     // SOA_ANSWER of our serial: later signatures are worth a transfer
	bool has_expire;   // SOA_ANSWER, XFR_DONE: the primary told how long
	uint32_t expire_s; // its own copy lasts (RFC 7314)
	enum xfr_reason reason;
	bool unanswered; // XFR_FAILED: nothing came, not even a refusal
};

enum zone_action_kind {
	ZONE_ACTION_QUERY_SOA,    // at `primary`, as `exchange`
	ZONE_ACTION_IXFR,         // from `primary`, as `exchange`: since what is published
	ZONE_ACTION_AXFR,         // from `primary`, as `exchange`
	ZONE_ACTION_CANCEL,       // drop `exchange`; no event may follow from it
	ZONE_ACTION_PUBLISH,      // what XFR_DONE brought; without this action: discard it
	ZONE_ACTION_MARK_EXPIRED, // publish the zone as ZONE_EXPIRED
	ZONE_ACTION_MARK_SERVED,  // publish it as ZONE_SERVED again: it was confirmed
	ZONE_ACTION_TIMER,        // set the zone's one timer to `at_ms`; NEVER = stop it
};

struct zone_action {
	enum zone_action_kind kind;
	unsigned primary;
	uint32_t exchange;
	uint64_t at_ms;
};

#define ZONE_ACTIONS_MAX 8

struct zone_actions {
	unsigned count;
	struct zone_action list[ZONE_ACTIONS_MAX]; // to be done in this order
};

// A zone that is not loaded, with `primaries` primaries (indices from 0).
// Nothing happens before ZONE_EVENT_START.
void zone_fsm_init(struct zone_fsm *z, const struct zone_fsm_limits *limits, unsigned primaries);

// Between init and START: the zone is published already, as it was when it was
// stored; the times are monotonic and may have passed.
void zone_fsm_restore(struct zone_fsm *z, const struct soa *soa, uint64_t next_ms,
		      uint64_t expire_ms);

// How long what is held lasts after a primary has confirmed it: the SOA record's expire
// within its bounds.
uint64_t zone_fsm_expire_s(const struct zone_fsm *z);

// Whether a NOTIFY promised `wanted_serial`, and no primary has had it yet.
bool zone_fsm_is_wanting(const struct zone_fsm *z);

// One step. `now_ms` is monotonic and never goes back. Writes all of `out`.
void zone_fsm_step(struct zone_fsm *z, const struct zone_event *event, uint64_t now_ms,
		   struct zone_actions *out);
