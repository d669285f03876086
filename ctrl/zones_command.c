// SPDX-License-Identifier: BSD-3-Clause
// What others ask of zones: NOTIFY and the operator.
#include "zones_parts.h"

#include <string.h>

static const struct tsig_key *lookup_key(void *arg, const uint8_t *name)
{
	const struct zones *zones = arg;
	return key_list_find(&zones->config->key_list, name);
}

static struct notify_source source_of(const struct config_address *first,
				      const struct config_address *last, const struct tsig_key *key)
{
	struct notify_source s = { .key = key, .primary = NOTIFY_NO_PRIMARY };
	s.family = config_address_wire(first, s.first);
	config_address_wire(last, s.last);
	return s;
}

static const struct notify_source *lookup_sources(void *arg, const uint8_t *apex, unsigned *count)
{
	struct zones *zones = arg;
	const struct secondary *z = zones_find(zones, apex);
	unsigned n = 0, allowed;
	if (!z)
		return NULL;
	for (; n < z->config->settings->primary_count; n++) {
		const struct config_primary *p = z->config->settings->primaries[n];
		zones->sources[n] = source_of(&p->address, &p->address, p->key);
		zones->sources[n].primary = n;
	}
	const struct config_notify *allow = config_zone_notify(z->config, &allowed);
	for (unsigned i = 0; i < allowed; i++)
		zones->sources[n++] = source_of(&allow[i].first, &allow[i].last, allow[i].key);
	*count = n;
	return zones->sources;
}

void zones_begin_lookup(struct zones *zones)
{
	zones->lookup = (struct notify_lookup){ .arg = zones,
						.key = lookup_key,
						.sources = lookup_sources };
}

const struct notify_lookup *zones_notify_lookup(struct zones *zones)
{
	return &zones->lookup;
}

void zones_notified(struct zones *zones, const struct notify_event *event)
{
	struct secondary *z = zones_find(zones, event->apex.wire);
	if (!z)
		return;
	zones->stats.notifies++;
	if (event->primary < z->config->settings->primary_count)
		upstream_pardon(secondary_upstream(z, event->primary));
	secondary_step(z, &(struct zone_event){ .kind = ZONE_EVENT_NOTIFY,
						.primary = event->primary,
						.has_serial = event->has_serial,
						.serial = event->serial });
	zones_advance(zones);
}

static enum result by_operator(struct zones *zones, const uint8_t *apex, enum zone_event_kind kind)
{
	struct secondary *z = zones_find(zones, apex);
	if (!z)
		return RESULT_NOT_FOUND;
	for (unsigned i = 0; i < z->config->settings->primary_count; i++)
		upstream_pardon(secondary_upstream(z, i));
	secondary_step(z, &(struct zone_event){ .kind = kind });
	zones_advance(zones);
	return RESULT_OK;
}

enum result zones_refresh(struct zones *zones, const uint8_t *apex)
{
	return by_operator(zones, apex, ZONE_EVENT_REFRESH);
}

enum result zones_retransfer(struct zones *zones, const uint8_t *apex)
{
	return by_operator(zones, apex, ZONE_EVENT_RETRANSFER);
}

enum result zones_freeze(struct zones *zones, const uint8_t *apex, bool frozen)
{
	struct secondary *z = zones_find(zones, apex);
	if (!z)
		return RESULT_NOT_FOUND;
	secondary_step(
		z, &(struct zone_event){ .kind = frozen ? ZONE_EVENT_FREEZE : ZONE_EVENT_THAW });
	zones_advance(zones);
	return RESULT_OK;
}

enum result zones_purge(struct zones *zones, const uint8_t *apex)
{
	struct zone_version *version;
	struct secondary *z = zones_find(zones, apex);
	if (!z)
		return RESULT_NOT_FOUND;
	struct zone_fsm before = z->fsm;
	secondary_step(z,
		       &(struct zone_event){ .kind = ZONE_EVENT_FREEZE }); // nothing is under way
	enum result r = zone_version_not_loaded(zones->db, z->config->name, &version);
	if (r != RESULT_OK && !before.frozen)
		secondary_step(z, &(struct zone_event){ .kind = ZONE_EVENT_THAW });
	if (r != RESULT_OK)
		return r;
	store_purge(z->stored);
	zonedb_publish(zones->db, &version, 1);
	uint32_t exchange = z->fsm.exchange;
	zone_fsm_init(&z->fsm, before.limits, before.primaries);
	z->fsm.policy = before.policy;
	z->fsm.exchange = exchange;
	z->fsm.frozen = before.frozen;
	z->unmarked = false;
	z->told_expire_ms = z->success_unix_s = 0;
	memset(&z->last, 0, sizeof(z->last));
	z->vetted = (struct zone_vetted){ .zonemd = ZONEMD_UNDECIDED };
	surveys_forget(zones->surveys, &z->survey);
	z->survey = (struct survey_zone){ 0 };
	secondary_step(z, &(struct zone_event){ .kind = ZONE_EVENT_START });
	secondary_note(z); // that it is frozen, at least
	zones_advance(zones);
	return RESULT_OK;
}
