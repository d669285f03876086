// SPDX-License-Identifier: BSD-3-Clause
// What the parts of zones.h share: zones.c (their machines), zones_apply.c (zones that
// come and go), zones_command.c (NOTIFY, the operator), zones_exchange.c (with primaries),
// zones_publish.c (what is served and what lasts), zones_resigned.c, zones_status.c,
// zones_vet.c, zones_watch.c.
#pragma once

#include <assert.h>

#include "alarm.h"
#include "hooks.h"
#include "log.h"
#include "schedule.h"
#include "survey.h"
#include "transfer.h"
#include "upstream.h"
#include "zones.h"

#define ZONES_RETRY_MS 1000 // after memory ran out

// There are very many of these: what the parts keep in them is as narrow as it can be.
struct secondary {
	struct zones *zones;
	const struct config_zone *config; // of the configuration applied last
	struct zone_fsm fsm;
	struct store_zone *stored;  // NULL: without a store
	struct schedule_entry due;  // its machine wants to hear
	struct line_entry entry;    // its exchange waits, or has its place
	struct transfer *transfer;  // the exchange, under way, or NULL
	struct zone_version *fresh; // brought by the exchange that just ended
	struct vetting *vetting;    // of `fresh`, which waits for it, or NULL
	uint32_t exchange;          // number of the one that is under way or waits
	uint8_t kind;               // enum xfr_kind: what it asks for
	uint8_t asked;              // the primary
	uint8_t lane;               // enum lane: what this round is for
	bool ixfr_refused;          // by the exchange before: AXFR will tell why
	bool changed;               // by a reload: other primaries
	bool limited;               // by a reload: other limits
	bool rekeyed;               // by a reload, while an exchange goes on as it began
	bool unmarked;              // its state in `fsm` could not be published yet
	uint8_t signatures;         // enum zone_signatures
	uint64_t told_expire_ms;    // the expiry that readers know of
	uint64_t success_unix_s;
	struct survey_zone survey;
	struct alarm alarm;
	struct zone_transfer_status last;
	struct zone_primary_status *primaries; // of each that the configuration names
	unsigned primaries_room;
	struct zone_vetted vetted; // what is served
};
static_assert(sizeof(struct secondary) <= 408, "docs/performance.md tells what a zone takes");

struct zones {
	uv_loop_t *loop;
	struct zonedb *db;
	struct store *store; // NULL: none
	const struct config *config;
	struct secondary **list; // in canonical order of the names
	size_t count, room;
	struct upstreams upstreams;
	struct links *links;
	struct surveys *surveys;
	struct hooks *hooks;
	struct schedule *schedule;
	size_t watched; // of the list, in this round
	struct line soa, transfers;
	bool advancing;
	struct xfr_budget budget;
	uv_timer_t retry_timer; // goes on with the lines after memory ran out
	uv_timer_t compact_timer;
	uv_timer_t watch_timer;
	unsigned compact_patience; // slices that may yet wait for a zone
	struct notify_lookup lookup;
	struct notify_source sources[CONFIG_PRIMARIES_MAX + CONFIG_NOTIFY_MAX];
	struct zones_stats stats;
	// Exchanges that fail; what is strange about a zone; its signatures. A primary that is
	// dead must not silence the others.
	struct log_limit log, findings, signature_findings;
};

struct secondary *zones_find(const struct zones *zones, const uint8_t *apex);
// Where the zone stands in the list, or would.
size_t zones_place(const struct zones *zones, const uint8_t *apex);

// The zone's machine hears of the event, and what it decides is done.
void secondary_step(struct secondary *z, const struct zone_event *event);

// ---- exchanges

// Lets those whose turn it is begin.
void zones_advance(struct zones *zones);
struct upstream *secondary_upstream(const struct secondary *z, unsigned primary);
// The exchange waits for its turn.
void secondary_want(struct secondary *z, const struct zone_action *action);
// If it waits yet, it does so where it would by what is known now.
void secondary_hurry(struct secondary *z);
// Gives up the exchange that waits or is under way, and what it brought.
void secondary_cancel(struct secondary *z);
// What came well from this primary is not taken.
void secondary_refuse(struct secondary *z, unsigned primary, enum xfr_reason reason);
// Tells the state machine, which wants the version or not; tells whether it did.
bool secondary_conclude(struct secondary *z, const struct zone_event *event);

// ---- signatures that came without a new serial

// Whether the SOA record that is served is signed.
bool secondary_is_signed(const struct secondary *z);
// The primary has answered a SOA query: whether it has our serial with later signatures, and
// these are to be transferred.
bool secondary_see_resigned(struct secondary *z, const struct xfr *engine);
// The whole zone came from the primary.
void secondary_fetched_whole(struct secondary *z);
// A version has been published, of another serial than before or of the same: what it brought
// is not to be had any more.
void secondary_settle_resigned(struct secondary *z, bool same_serial);

// ---- vetting

// `fresh` is vetted; then the exchange is concluded.
void secondary_vet(struct secondary *z, const struct zone_event *event);
// What is served was vetted before a restart.
void secondary_restore_vetted(struct secondary *z, const struct zone_vetted *vetted);
// What is being vetted is not wanted any more.
void secondary_drop_vetting(struct secondary *z);

// ---- publishing, and what lasts

// The one place where what a primary sent becomes what is served; then it is stored.
void secondary_publish(struct secondary *z);
// Publishes the state that the machine says the zone is in.
void secondary_mark(struct secondary *z);
// A primary has confirmed the version that is served.
void secondary_tell_expiry(struct secondary *z);
// Times and states are to be stored.
void secondary_note(struct secondary *z);
// Publishes what is stored of these zones, which are published as not loaded.
void zones_restore(struct zones *zones, struct secondary *const list[], size_t count);

// ---- what is told

const char *secondary_name(const struct secondary *z, char buf[NAME_TEXT_SIZE]);
// Both of the exchange that has just ended.
void secondary_log_exchange(struct secondary *z, const struct transfer *t);
void secondary_count_transfer(struct secondary *z, const struct transfer *t);

// ---- zones that come and go

// The zone's exchange ends at once.
void secondary_close(struct secondary *z);

// ---- the parts of zones_new and zones_stop

void zones_begin_lookup(struct zones *zones);
enum result zones_begin_watch(struct zones *zones);
void zones_end_watch(struct zones *zones);
