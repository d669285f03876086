// SPDX-License-Identifier: BSD-3-Clause
// What is told of zones: their status, and a line in the log for each exchange.
#include "zones_parts.h"

#include <assert.h>
#include <stdio.h>

#include "understudy/rr.h"

const char *secondary_name(const struct secondary *z, char buf[NAME_TEXT_SIZE])
{
	return name_to_text(z->config->name, buf);
}

const char *zone_reason_text(const struct zone_primary_status *s, char buf[ZONE_REASON_TEXT])
{
	bool rcode = s->reason == XFR_REASON_RCODE;
	bool alone = s->reason == XFR_REASON_LEFT_ALONE;
	bool system = zone_reason_has_detail(s->reason) && !xfr_reason_is_tls(s->reason);
	char error[64];
	const char *more = rcode   ? rcode_to_text(s->rcode)
			   : alone ? xfr_reason_text((enum xfr_reason)s->rcode)
			   : xfr_reason_is_tls(s->reason) ? tls_detail_text(s->reason, s->rcode)
			   : system && s->rcode ? uv_strerror_r(-s->rcode, error, sizeof(error))
						: NULL;
	const char *text = xfr_reason_text(s->reason);
	if (more)
		snprintf(buf, ZONE_REASON_TEXT, "%s: %s", text, more);
	else if (rcode)
		snprintf(buf, ZONE_REASON_TEXT, "%s: rcode %u", text, s->rcode);
	else
		snprintf(buf, ZONE_REASON_TEXT, "%s", text);
	return buf;
}

static const char *const kind_text[] = {
	[XFR_SOA] = "SOA", [XFR_AXFR] = "AXFR", [XFR_IXFR] = "IXFR"
};

static const char *transfer_form_text(uint8_t kind, enum xfr_form form)
{
	bool whole = kind == XFR_IXFR && form == XFR_FORM_WHOLE;
	return whole ? "IXFR in the form of AXFR" : kind_text[kind];
}

void secondary_log_exchange(struct secondary *z, const struct transfer *t)
{
	char name[NAME_TEXT_SIZE], address[CONFIG_ADDRESS_TEXT], reason[ZONE_REASON_TEXT];
	const struct zone_primary_status *s = &z->primaries[z->asked];
	const struct config_primary *p = z->config->settings->primaries[z->asked];
	config_address_text(&p->address, address);
	secondary_name(z, name);
	if (s->reason) {
		log_limited(&z->zones->log, LOG_LEVEL_WARNING, "zone %s: no %s from %s (%s): %s",
			    name, kind_text[s->kind], p->id, address, zone_reason_text(s, reason));
	} else if (s->kind != XFR_SOA && xfr_form(transfer_engine(t)) != XFR_FORM_CURRENT) {
		const struct xfr_stats *x = xfr_stats(transfer_engine(t));
		uint64_t ms = transfer_elapsed_ms(t);
		log_info("zone %s: serial %u by %s from %s (%s), %s%s: %llu records, "
			 "%llu octets, %llu.%03llu s",
			 name, s->serial, transfer_form_text(s->kind, xfr_form(transfer_engine(t))),
			 p->id, address, transfer_keyed(t) ? "with TSIG" : "unsigned",
			 transfer_encrypted(t) ? ", over TLS" : "", (unsigned long long)x->records,
			 (unsigned long long)x->octets, (unsigned long long)(ms / 1000),
			 (unsigned long long)(ms % 1000));
	} else {
		log_debug("zone %s: serial %u at %s (%s)", name, s->serial, p->id, address);
	}
}

static uint32_t at_most_32_bits(uint64_t count)
{
	return count < UINT32_MAX ? (uint32_t)count : UINT32_MAX;
}

void secondary_count_transfer(struct secondary *z, const struct transfer *t)
{
	struct zones_stats *total = &z->zones->stats;
	const struct xfr_stats *x = xfr_stats(transfer_engine(t));
	z->last = (struct zone_transfer_status){
		.unix_s = z->primaries[z->asked].unix_s,
		.elapsed_ms = transfer_elapsed_ms(t),
		.octets = x->octets,
		.records = x->records,
		.messages = at_most_32_bits(x->messages),
		.steps = at_most_32_bits(x->steps),
		.out_of_zone = at_most_32_bits(x->out_of_zone),
		.duplicates = at_most_32_bits(x->duplicates),
		.ttl_lowered = at_most_32_bits(x->ttl_lowered),
		.primary = z->config->settings->primaries[z->asked]->address,
		.kind = z->kind,
		.form = (uint8_t)xfr_form(transfer_engine(t)),
		.keyed = transfer_keyed(t),
		.encrypted = transfer_encrypted(t),
	};
	total->records += x->records;
	total->octets += x->octets;
	total->out_of_zone += x->out_of_zone;
	total->duplicates += x->duplicates;
	total->ttl_lowered += x->ttl_lowered;
	if (x->out_of_zone) {
		char name[NAME_TEXT_SIZE];
		log_limited(&z->zones->findings, LOG_LEVEL_WARNING,
			    "zone %s: %llu records outside of the zone were skipped",
			    secondary_name(z, name), (unsigned long long)x->out_of_zone);
	}
}

const char *zone_link_text(const struct zone_primary_status *s, char buf[ZONE_REASON_TEXT])
{
	const struct zone_primary_status link = { .reason = s->link_reason,
						  .rcode = s->link_rcode };
	return zone_reason_text(&link, buf);
}

struct zone_link zone_link(const struct zone_primary_status *list, unsigned count)
{
	struct zone_link l = { .blocked = true };
	for (unsigned i = 0; i < count; i++) {
		const struct zone_primary_status *s = &list[i];
		bool blocked = s->link_reason != XFR_REASON_NONE;
		if (!s->link_unix_s || (blocked && l.known && !l.blocked))
			continue;
		bool first = !l.known || blocked != l.blocked;
		if (first || (blocked ? s->link_unix_s > l.unix_s : s->link_unix_s < l.unix_s))
			l.unix_s = s->link_unix_s;
		l.primary = !blocked ? NULL : first ? s : l.primary;
		l.known = true;
		l.blocked = blocked;
	}
	return l;
}

static const char *lane_text(enum lane lane)
{
	static const char *const texts[LANE_COUNT] = { [LANE_NOTIFY] = "notify",
						       [LANE_OPERATOR] = "operator",
						       [LANE_URGENT] = "urgent",
						       [LANE_REFRESH] = "refresh" };
	return texts[lane];
}

static unsigned count_ahead(const struct line_entry *e)
{
	unsigned ahead = 0;
	for (unsigned lane = 0; lane < e->lane; lane++) {
		const struct line_entry *other = e->primary->lanes[lane].first;
		for (; other && ahead < ZONE_AHEAD_MOST; other = other->next)
			ahead++;
	}
	for (e = e->previous; e && ahead < ZONE_AHEAD_MOST; e = e->previous)
		ahead++;
	return ahead;
}

static struct zone_progress progress_of(const struct secondary *z)
{
	const struct line_entry *e = &z->entry;
	struct zone_progress p = { .stage = e->waiting    ? ZONE_STAGE_WAITING
					    : z->transfer ? ZONE_STAGE_UNDER_WAY
					    : z->vetting  ? ZONE_STAGE_VETTING
							  : ZONE_STAGE_NONE };
	if (p.stage == ZONE_STAGE_NONE)
		return p;
	p.primary = z->config->settings->primaries[z->asked];
	p.kind = (enum xfr_kind)z->kind;
	if (e->waiting) {
		p.lane = lane_text(e->lane);
		p.ahead = count_ahead(e);
		p.under_way = e->primary->used;
		p.at_most = e->primary->limit;
	} else if (z->transfer) {
		const struct xfr *engine = transfer_engine(z->transfer);
		p.elapsed_ms = transfer_elapsed_ms(z->transfer);
		if (engine)
			p.stats = *xfr_stats(engine);
	}
	return p;
}

static bool is_current(const struct zone_fsm *f)
{
	return f->data == ZONE_SERVED && f->phase == ZONE_FSM_IDLE && !f->failures && !f->wanted;
}

bool zone_is_current(const struct zone_status *s)
{
	return is_current(s->fsm);
}

bool zones_are_current(const struct zones *zones, size_t *at)
{
	for (size_t n = 0; n < zones->count; n++) {
		*at = *at < zones->count ? *at : 0;
		if (!is_current(&zones->list[*at]->fsm))
			return false;
		++*at;
	}
	return true;
}

static void fill_status(const struct secondary *z, struct zone_status *out)
{
	*out = (struct zone_status){
		.config = z->config,
		.name = z->config->name,
		.fsm = &z->fsm,
		.waiting = z->entry.waiting,
		.success_unix_s = z->success_unix_s,
		.transfer = &z->last,
		.primaries = z->primaries,
		.primary_count = z->config->settings->primary_count,
		.vetted = &z->vetted,
		.signatures = (enum zone_signatures)z->signatures,
		.earliest_unix_s = z->survey.earliest_unix_s,
	};
	store_zone_status(z->stored, &out->stored);
}

enum result zones_status(const struct zones *zones, const uint8_t *apex, struct zone_status *out)
{
	const struct secondary *z = zones_find(zones, apex);
	if (!z)
		return RESULT_NOT_FOUND;
	fill_status(z, out);
	return RESULT_OK;
}

enum result zones_progress(const struct zones *zones, const uint8_t *apex,
			   struct zone_progress *out)
{
	const struct secondary *z = zones_find(zones, apex);
	if (!z)
		return RESULT_NOT_FOUND;
	*out = progress_of(z);
	return RESULT_OK;
}

size_t zones_count(const struct zones *zones)
{
	return zones->count;
}

void zones_status_at(const struct zones *zones, size_t i, struct zone_status *out)
{
	assert(i < zones->count);
	fill_status(zones->list[i], out);
}

size_t zones_behind(const struct zones *zones, const uint8_t *name)
{
	size_t at = zones_place(zones, name);
	return at + (at < zones->count && name_equal(zones->list[at]->config->name, name));
}

const struct zones_stats *zones_stats(const struct zones *zones)
{
	struct zones_stats *s = (struct zones_stats *)(uintptr_t)&zones->stats;
	s->exchanges = zones->soa.used + zones->transfers.used;
	s->waiting = zones->soa.waiting + zones->transfers.waiting;
	const struct hooks_stats *h = hooks_stats(zones->hooks);
	s->hooks_run = h->run;
	s->hooks_failed = h->failed;
	s->hooks_dropped = h->dropped;
	return s;
}
