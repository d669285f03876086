// SPDX-License-Identifier: BSD-3-Clause
// Counters, and texts, as JSON for the control socket.
#include "stats.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "understudy/rcu.h"
#include "understudy/rr.h"

#define CHUNK_OCTETS (UINT64_C(2) << 20) // see struct zonedb_stats

static json_int_t load(const _Atomic uint64_t *counter)
{
	return (json_int_t)atomic_load_explicit(counter, memory_order_relaxed);
}

static void put(json_t *into, const char *key, uint64_t value)
{
	json_object_set_new(into, key, json_integer((json_int_t)value));
}

json_t *stats_text(const char *octets)
{
	json_t *text = json_string(octets);
	char *copy = text ? NULL : strdup(octets);
	for (char *p = copy; p && *p; p++) {
		if (*p & 0x80)
			*p = '?';
	}
	if (copy)
		text = json_string(copy);
	free(copy);
	return text;
}

json_t *stats_answer(const char *name, const struct answer_stats *s)
{
	json_t *row = json_object(), *rcodes = json_object(), *drops = json_object();
	json_object_set_new(row, "name", json_string(name));
	json_object_set_new(row, "queries", json_integer(load(&s->queries)));
	json_object_set_new(row, "answers", json_integer(load(&s->answers)));
	json_object_set_new(row, "truncated", json_integer(load(&s->truncated)));
	json_object_set_new(row, "slipped", json_integer(load(&s->slipped)));
	json_object_set_new(row, "tcp", json_integer(load(&s->tcp)));
	json_object_set_new(row, "punted", json_integer(load(&s->punted)));
	for (unsigned i = 0; i < ANSWER_RCODES; i++) {
		json_int_t n = load(&s->by_rcode[i]);
		const char *text = i == ANSWER_RCODES - 1 ? "other" : rcode_to_text((uint16_t)i);
		char number[24];
		snprintf(number, sizeof(number), "RCODE%u", i);
		if (n)
			json_object_set_new(rcodes, text ? text : number, json_integer(n));
	}
	for (unsigned i = 0; i < ANSWER_DROP_COUNT; i++)
		json_object_set_new(drops, answer_drop_text((enum answer_drop)i),
				    json_integer(load(&s->dropped[i])));
	json_object_set_new(row, "rcodes", rcodes);
	json_object_set_new(row, "drops", drops);
	return row;
}

static const char *const notify_words[NOTIFY_VERDICT_COUNT] = {
	[NOTIFY_ACCEPTED] = "notify_accepted",     [NOTIFY_DROPPED] = "notify_dropped",
	[NOTIFY_MALFORMED] = "notify_malformed",   [NOTIFY_BADVERS] = "notify_badvers",
	[NOTIFY_NOTIMP] = "notify_notimp",         [NOTIFY_NOTAUTH] = "notify_notauth",
	[NOTIFY_REFUSED] = "notify_refused",       [NOTIFY_TSIG_ERROR] = "notify_tsig_error",
	[NOTIFY_OTHER_TYPE] = "notify_other_type",
};

json_t *stats_service(const struct service_stats *s)
{
	json_t *out = json_object();
	put(out, "udp_received", s->udp_received);
	put(out, "udp_sent", s->udp_sent);
	put(out, "udp_unsent", s->udp_unsent);
	put(out, "tcp_open", s->tcp_open);
	put(out, "tcp_accepted", s->tcp_accepted);
	put(out, "tcp_refused", s->tcp_refused);
	put(out, "tcp_evicted", s->tcp_evicted);
	put(out, "tcp_timeouts", s->tcp_timeouts);
	put(out, "tcp_messages", s->tcp_messages);
	put(out, "signed_ok", s->signed_ok);
	put(out, "signed_bad", s->signed_bad);
	for (unsigned i = 0; i < NOTIFY_VERDICT_COUNT; i++)
		put(out, notify_words[i], s->notify[i]);
	return out;
}

json_t *stats_zones(const struct zones_stats *s)
{
	json_t *out = json_object();
	put(out, "soa_ok", s->soa_ok);
	put(out, "soa_failed", s->soa_failed);
	put(out, "transfers_ok", s->transfers_ok);
	put(out, "transfers_failed", s->transfers_failed);
	put(out, "records", s->records);
	put(out, "octets", s->octets);
	put(out, "out_of_zone", s->out_of_zone);
	put(out, "duplicates", s->duplicates);
	put(out, "ttl_lowered", s->ttl_lowered);
	put(out, "refused", s->refused);
	put(out, "notifies", s->notifies);
	put(out, "notifies_given_up", s->notifies_given_up);
	put(out, "expired", s->expired);
	put(out, "same_serial", s->same_serial);
	put(out, "resigned", s->resigned);
	put(out, "alarms", s->alarms);
	put(out, "hooks_run", s->hooks_run);
	put(out, "hooks_failed", s->hooks_failed);
	put(out, "hooks_dropped", s->hooks_dropped);
	put(out, "exchanges", s->exchanges);
	put(out, "waiting", s->waiting);
	return out;
}

json_t *stats_snapshot(const struct zonedb *db)
{
	struct zonedb_stats s;
	json_t *out = json_object();
	zonedb_stats(db, &s);
	put(out, "chunks", s.chunks);
	put(out, "chunks_huge", s.chunks_huge);
	put(out, "chunks_retired", s.chunks_retired);
	put(out, "octets_mapped", s.chunks * CHUNK_OCTETS);
	put(out, "octets_live", s.octets_live);
	put(out, "octets_garbage", s.octets_garbage);
	put(out, "published", s.published);
	put(out, "compactions", s.compactions);
	put(out, "oldest_unreclaimed_ms", rcu_oldest_age_ns() / 1000000);
	return out;
}

void stats_add(json_t *sum, json_t *row)
{
	const char *key;
	json_t *value;
	json_object_foreach (row, key, value) {
		json_t *into = json_object_get(sum, key);
		if (json_is_integer(value)) {
			json_int_t so_far = json_integer_value(into);
			json_object_set_new(sum, key,
					    json_integer(so_far + json_integer_value(value)));
		} else if (json_is_object(value)) {
			if (!into)
				json_object_set_new(sum, key, json_object());
			stats_add(json_object_get(sum, key), value);
		}
	}
}

json_t *stats_store(struct store *store)
{
	struct store_stats s;
	if (!store)
		return json_null();
	store_stats(store, &s);
	json_t *out = json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:b}", "zones",
				(json_int_t)s.zones, "not_configured", (json_int_t)s.unconfigured,
				"due", (json_int_t)s.due, "octets", (json_int_t)s.octets, "commits",
				(json_int_t)s.commits, "failures", (json_int_t)s.failures, "images",
				(json_int_t)s.images, "deltas", (json_int_t)s.deltas, "refused",
				(json_int_t)s.refused, "failing", s.failing);
	json_object_set_new(out, "error", s.failing ? json_string(s.error) : json_null());
	json_object_set_new(out, "stored",
			    s.stored_unix_s ? json_integer((json_int_t)s.stored_unix_s)
					    : json_null());
	return out;
}
