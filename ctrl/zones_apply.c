// SPDX-License-Identifier: BSD-3-Clause
// A configuration becomes zones: those that come, change and go.
#include "zones_parts.h"

#include <stdlib.h>
#include <string.h>

#include "loop.h"

#define SOA_CONCURRENT 64

static void set_primaries(struct secondary *z)
{
	for (unsigned i = 0; i < z->config->settings->primary_count; i++)
		z->primaries[i].primary = z->config->settings->primaries[i];
	z->fsm.limits = config_zone_limits(z->config);
	z->fsm.policy = config_zone_policy(z->config);
}

static bool key_equal(const struct tsig_key *a, const struct tsig_key *b)
{
	if (!a || !b)
		return a == b;
	return name_equal(a->name.wire, b->name.wire) && a->algorithm == b->algorithm &&
	       a->mac_octets == b->mac_octets && a->secret_len == b->secret_len &&
	       memcmp(a->secret, b->secret, a->secret_len) == 0;
}

static bool primaries_equal(const struct config_settings *a, const struct config_settings *b)
{
	if (a->primary_count != b->primary_count)
		return false;
	for (unsigned i = 0; i < a->primary_count; i++) {
		const struct config_primary *p = a->primaries[i], *q = b->primaries[i];
		if (!config_address_equal(&p->address, &q->address) ||
		    !config_address_equal(&p->source, &q->source) || !p->tls != !q->tls)
			return false;
	}
	return true;
}

// What the primary is known by, and we by it.
static bool credentials_equal(const struct config_primary *a, const struct config_primary *b)
{
	return key_equal(a->key, b->key) && tls_context_same(a->tls, b->tls);
}

// The one that was known as `p` before the reload, by where it is and how it is talked to.
static const struct zone_primary_status *find_status(const struct zone_primary_status *list,
						     unsigned count, const struct config_primary *p)
{
	for (unsigned i = 0; i < count; i++) {
		if (config_primary_same(list[i].primary, p))
			return &list[i];
	}
	return NULL;
}

// What is known of primaries that stay goes with them to their new places.
static void carry_over(struct secondary *z, const struct config_settings *next)
{
	struct zone_primary_status before[CONFIG_PRIMARIES_MAX];
	unsigned count = z->config->settings->primary_count;
	memcpy(before, z->primaries, count * sizeof(*before));
	memset(z->primaries, 0, z->primaries_room * sizeof(*z->primaries));
	for (unsigned i = 0; i < next->primary_count; i++) {
		const struct zone_primary_status *s =
			find_status(before, count, next->primaries[i]);
		if (s)
			z->primaries[i] = *s;
	}
}

static enum result reserve_primaries(struct secondary *z, unsigned count)
{
	if (count <= z->primaries_room)
		return RESULT_OK;
	struct zone_primary_status *more = realloc(z->primaries, count * sizeof(*more));
	if (!more)
		return RESULT_NO_MEMORY;
	memset(more + z->primaries_room, 0, (count - z->primaries_room) * sizeof(*more));
	z->primaries = more;
	z->primaries_room = count;
	return RESULT_OK;
}

static void secondary_free(struct secondary *z)
{
	free(z->primaries);
	free(z);
}

static struct secondary *secondary_new(struct zones *zones, const struct config_zone *config)
{
	struct secondary *z = calloc(1, sizeof(*z));
	if (!z || reserve_primaries(z, config->settings->primary_count)) {
		free(z);
		return NULL;
	}
	z->zones = zones;
	z->config = config;
	z->lane = LANE_REFRESH;
	z->vetted.zonemd = ZONEMD_UNDECIDED;
	z->stored = store_zone_open(zones->store, z->config->name);
	zone_fsm_init(&z->fsm, &zone_fsm_limits_default, config->settings->primary_count);
	set_primaries(z);
	return z;
}

void secondary_close(struct secondary *z)
{
	secondary_cancel(z);
	surveys_forget(z->zones->surveys, &z->survey);
	store_zone_close(z->stored);
	schedule_clear(z->zones->schedule, &z->due);
	secondary_free(z);
}

// Points the zone into the new configuration; tells whether its machine must hear of it:
// its primaries are others than before, or new keys may help where a link is blocked. An
// exchange that is under way when only keys change ends as it began.
static bool secondary_reconfigure(struct secondary *z, const struct config_zone *config)
{
	const struct config_settings *old = z->config->settings, *new = config->settings;
	bool same = primaries_equal(old, new), busy = z->transfer || z->vetting;
	bool rekeyed = false, helps = false;
	if (!same)
		carry_over(z, new);
	for (unsigned i = 0; same && i < new->primary_count; i++) {
		if (credentials_equal(old->primaries[i], new->primaries[i]))
			continue;
		rekeyed = true;
		helps |= z->primaries[i].link_reason != XFR_REASON_NONE;
	}
	z->rekeyed = same && (z->rekeyed || (rekeyed && busy));
	z->limited = memcmp(z->fsm.limits, config_zone_limits(config), sizeof(*z->fsm.limits)) != 0;
	z->config = config;
	set_primaries(z);
	return !same || (helps && !busy);
}

// What a reload comes to, found out before anything is changed.
struct plan {
	struct secondary **list;  // all zones after it; NULL marks `fresh`'s end
	struct secondary **fresh; // of them new
	struct secondary **gone;
	struct zone_version **versions;
	struct upstreams upstreams, gone_upstreams;
	size_t count, fresh_count, gone_count, version_count;
};

static void plan_free(struct plan *p)
{
	upstreams_free(&p->gone_upstreams);
	free(p->list);
	free(p->fresh);
	free(p->gone);
	free(p->versions);
}

static enum result plan_allocate(struct plan *p, const struct zones *zones,
				 const struct config *config)
{
	size_t most = zones->count + config->zones_total + 1;
	p->list = calloc(most, sizeof(*p->list));
	p->fresh = calloc(most, sizeof(*p->fresh));
	p->gone = calloc(most, sizeof(*p->gone));
	p->versions = calloc(most, sizeof(*p->versions));
	if (!p->list || !p->fresh || !p->gone || !p->versions)
		return RESULT_NO_MEMORY;
	if (schedule_reserve(zones->schedule, most))
		return RESULT_NO_MEMORY;
	return upstreams_make(&p->upstreams, &zones->upstreams, config);
}

static enum result plan_add(struct plan *p, struct zones *zones, const struct config_zone *config)
{
	struct secondary *z = secondary_new(zones, config);
	if (!z)
		return RESULT_NO_MEMORY;
	p->list[p->count++] = p->fresh[p->fresh_count++] = z;
	return RESULT_OK;
}

// What is to be published. It is made after all zones, so that what it takes for the moment
// lies in one piece and goes back to the system, not in holes between them.
static enum result plan_versions(struct plan *p, struct zones *zones)
{
	enum result r = RESULT_OK;
	for (size_t i = 0; i < p->fresh_count && r == RESULT_OK; i++) {
		r = zone_version_not_loaded(zones->db, p->fresh[i]->config->name,
					    &p->versions[p->version_count]);
		p->version_count += r == RESULT_OK;
	}
	for (size_t i = 0; i < p->gone_count && r == RESULT_OK; i++) {
		r = zone_version_removed(zones->db, p->gone[i]->config->name,
					 &p->versions[p->version_count]);
		p->version_count += r == RESULT_OK;
	}
	return r;
}

// Walks the old and the new zones, both in canonical order, side by side.
static enum result plan_make(struct plan *p, struct zones *zones, const struct config *config)
{
	size_t i = 0, j = 0;
	enum result r = plan_allocate(p, zones, config);
	while (r == RESULT_OK && (i < zones->count || j < config->zones_total)) {
		int order = i == zones->count ? 1
			    : j == config->zones_total
				    ? -1
				    : name_compare(zones->list[i]->config->name,
						   config->zones_by_name[j]->name);
		if (order < 0) {
			p->gone[p->gone_count++] = zones->list[i++];
		} else if (order > 0) {
			r = plan_add(p, zones, config->zones_by_name[j++]);
		} else {
			p->list[p->count++] = zones->list[i];
			r = reserve_primaries(zones->list[i++],
					      config->zones_by_name[j++]->settings->primary_count);
		}
	}
	return r == RESULT_OK ? plan_versions(p, zones) : r;
}

static void plan_undo(struct plan *p)
{
	for (size_t i = 0; i < p->version_count; i++)
		zone_version_discard(p->versions[i]);
	for (size_t i = 0; i < p->fresh_count; i++) {
		store_zone_close(p->fresh[i]->stored);
		secondary_free(p->fresh[i]);
	}
	upstreams_undo(&p->upstreams);
}

// All zones point into the new configuration before any of them acts.
static void plan_switch(struct plan *p, struct zones *zones, const struct config *config)
{
	zones->config = config;
	free(zones->list);
	upstreams_switch(&zones->upstreams, &p->upstreams, &p->gone_upstreams);
	zones->budget.limit = (uint64_t)config->transfer.memory_mib << 20;
	hooks_configure(zones->hooks, &config->hooks);
	zones->list = p->list;
	zones->room = zones->count + config->zones_total + 1;
	zones->count = p->count;
	p->list = NULL;
	for (size_t i = 0; i < zones->count; i++) {
		struct secondary *z = zones->list[i];
		z->changed = secondary_reconfigure(z, config->zones_by_name[i]);
	}
}

// Zones that are new, and published as not loaded: first comes what is stored of them.
static void begin_work(struct zones *zones, struct secondary *const fresh[], size_t count)
{
	zones_restore(zones, fresh, count);
	for (size_t i = 0; i < count; i++) {
		struct secondary *z = fresh[i];
		if (z->fsm.data != ZONE_NOT_LOADED)
			surveys_touch(zones->surveys, &z->survey);
		secondary_step(z, &(struct zone_event){ .kind = ZONE_EVENT_START });
	}
}

// Cannot fail: from here on the new configuration holds.
static void plan_do(struct plan *p, struct zones *zones, const struct config *config)
{
	for (size_t i = 0; i < p->gone_count; i++)
		secondary_close(p->gone[i]);
	if (p->version_count)
		zonedb_publish(zones->db, p->versions, p->version_count);
	plan_switch(p, zones, config);
	for (size_t i = 0; i < zones->count; i++) {
		struct secondary *z = zones->list[i];
		if (z->limited)
			secondary_step(z, &(struct zone_event){ .kind = ZONE_EVENT_LIMITS });
		z->limited = false;
		if (z->changed)
			secondary_step(z, &(struct zone_event){
						  .kind = ZONE_EVENT_RELOAD,
						  .primary = z->config->settings->primary_count });
	}
	begin_work(zones, p->fresh, p->fresh_count);
	line_limit(&zones->soa, SOA_CONCURRENT, zones->upstreams.count);
	line_limit(&zones->transfers, config->transfer.concurrent, zones->upstreams.count);
	zones_advance(zones);
}

enum result zones_apply(struct zones *zones, const struct config *config)
{
	struct plan plan = { 0 };
	enum result r = plan_make(&plan, zones, config);
	if (r == RESULT_OK)
		plan_do(&plan, zones, config);
	else
		plan_undo(&plan);
	plan_free(&plan);
	return r;
}

// ---- one zone

static enum result reserve_place(struct zones *zones)
{
	if (zones->count < zones->room)
		return RESULT_OK;
	size_t room = zones->room * 2 + 64;
	if (schedule_reserve(zones->schedule, room))
		return RESULT_NO_MEMORY;
	struct secondary **more = reallocarray(zones->list, room, sizeof(*more));
	if (!more)
		return RESULT_NO_MEMORY;
	zones->list = more;
	zones->room = room;
	return RESULT_OK;
}

enum result zones_add(struct zones *zones, const struct config_zone *config)
{
	struct zone_version *version;
	size_t at = zones_place(zones, config->name);
	if (reserve_place(zones))
		return RESULT_NO_MEMORY;
	struct secondary *z = secondary_new(zones, config);
	if (!z)
		return RESULT_NO_MEMORY;
	enum result r = zone_version_not_loaded(zones->db, config->name, &version);
	if (r != RESULT_OK) {
		store_zone_close(z->stored);
		secondary_free(z);
		return r;
	}
	memmove(&zones->list[at + 1], &zones->list[at],
		(zones->count - at) * sizeof(struct secondary *));
	zones->list[at] = z;
	zones->count++;
	zonedb_publish(zones->db, &version, 1);
	begin_work(zones, &z, 1);
	zones_advance(zones);
	return RESULT_OK;
}

enum result zones_remove(struct zones *zones, const uint8_t *apex)
{
	struct zone_version *version;
	struct secondary *z = zones_find(zones, apex);
	if (!z)
		return RESULT_NOT_FOUND;
	size_t at = zones_place(zones, apex);
	enum result r = zone_version_removed(zones->db, apex, &version);
	if (r != RESULT_OK)
		return r;
	secondary_close(z);
	zonedb_publish(zones->db, &version, 1);
	zones->count--;
	memmove(&zones->list[at], &zones->list[at + 1],
		(zones->count - at) * sizeof(struct secondary *));
	zones_advance(zones);
	return RESULT_OK;
}

const struct config *zones_config(const struct zones *zones)
{
	return zones->config;
}
