// SPDX-License-Identifier: BSD-3-Clause
// Primaries that sign a zone anew and do not raise its serial.
//
// The inception of what signs the SOA record tells. Differences cannot bring such signatures:
// the whole zone is transferred from the primary; while that does not come to an end, again with
// each round. A primary may show signatures that a transfer does not bring: for ever, or because
// several servers are behind its address, or its reload was under way. It is tried again, ever
// more rarely.
#include "zones_parts.h"

#include "loop.h"
#include "understudy/rcu.h"
#include "understudy/rr.h"
#include "understudy/serial.h"

// Rounds from a transfer in vain to the next; twice as many each time.
#define WAITS_LEAST 4
#define WAITS_MOST  128

// Whether the SOA record that is served is signed, and when the latest signature was made.
static bool signed_here(const struct secondary *z, uint32_t *inception)
{
	struct rrset soa, signatures = { 0 };
	rcu_reader_online();
	const struct catalog *view = zonedb_view(z->zones->db);
	const struct zone *zone = catalog_zone(view, z->config->name);
	const struct node *apex = zone ? zone_apex_node(view, zone) : NULL;
	if (apex)
		node_signed_rrset(view, apex, RRTYPE_SOA, &soa, &signatures);
	const uint8_t *record = signatures.records;
	for (uint32_t i = 0; i < signatures.count; i++, record = rrset_next_record(record)) {
		uint32_t at = wire_peek_be32(record + 2 + RRSIG_INCEPTION_AT);
		if (i == 0 || serial_newer(at, *inception))
			*inception = at;
	}
	rcu_reader_offline();
	return signatures.count;
}

bool secondary_is_signed(const struct secondary *z)
{
	uint32_t inception;
	return signed_here(z, &inception);
}

bool secondary_see_resigned(struct secondary *z, const struct xfr *engine)
{
	char name[NAME_TEXT_SIZE];
	uint32_t ours, theirs;
	struct zone_primary_status *s = &z->primaries[z->asked];
	if (s->serial != z->fsm.soa.serial || !xfr_soa_signed(engine, &theirs) ||
	    !signed_here(z, &ours) || !serial_newer(theirs, ours))
		return false;
	if (s->resigned != ZONE_RESIGNED_NOT && !serial_newer(theirs, s->resigned_s)) {
		bool now = s->resigned == ZONE_RESIGNED_SEEN || s->resigned_left == 0;
		s->resigned_left -= !now;
		return now;
	}
	s->resigned = ZONE_RESIGNED_SEEN;
	s->resigned_waits = WAITS_LEAST;
	s->resigned_s = theirs;
	z->zones->stats.resigned++;
	log_limited(&z->zones->findings, LOG_LEVEL_WARNING,
		    "zone %s: %s has signed serial %u anew and not raised it: transferred whole",
		    secondary_name(z, name), s->primary->id, s->serial);
	return true;
}

void secondary_fetched_whole(struct secondary *z)
{
	struct zone_primary_status *s = &z->primaries[z->asked];
	if (z->kind != XFR_AXFR || s->resigned == ZONE_RESIGNED_NOT)
		return;
	if (s->resigned == ZONE_RESIGNED_MISSED && s->resigned_waits < WAITS_MOST)
		s->resigned_waits *= 2;
	s->resigned_left = s->resigned_waits;
	s->resigned = ZONE_RESIGNED_MISSED;
}

void secondary_settle_resigned(struct secondary *z, bool same_serial)
{
	uint32_t ours;
	bool comparable = same_serial && signed_here(z, &ours);
	for (unsigned i = 0; i < z->config->settings->primary_count; i++) {
		struct zone_primary_status *s = &z->primaries[i];
		if (!comparable || !serial_newer(s->resigned_s, ours))
			s->resigned = ZONE_RESIGNED_NOT;
	}
}

int64_t zone_resigned_unix_s(const struct zone_primary_status *s)
{
	return serial_unix_s(s->resigned_s, loop_time().unix_s);
}
