// SPDX-License-Identifier: BSD-3-Clause
// The configuration's zones: resolved, and what holds for each.
//
// There may be very many. What the file says of a zone is kept only where it says more
// than a name, a template and primaries; zones of which it says the same share their
// settings; their names stand in one block.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config.h"
#include "config_parts.h"

#define HEADS 1024 // of the lists of settings; a power of two

// Zones on their way from what the file says.
struct zones_maker {
	struct resolver *r;
	struct config_settings **heads; // by hash
	size_t *name_at;                // of each zone, in the names
	size_t names_len, names_room;
};

// The first address of a prefix, and the last.
static void spread(struct config_address *first, struct config_address *last, unsigned bits)
{
	bool v4 = first->any.sa_family == AF_INET;
	uint8_t *low = v4 ? (uint8_t *)&first->v4.sin_addr : first->v6.sin6_addr.s6_addr;
	uint8_t *high = v4 ? (uint8_t *)&last->v4.sin_addr : last->v6.sin6_addr.s6_addr;
	for (unsigned i = bits; i < (v4 ? 32u : 128u); i++) {
		low[i / 8] &= (uint8_t) ~(0x80u >> i % 8);
		high[i / 8] |= (uint8_t)(0x80u >> i % 8);
	}
}

static bool parse_range(const char *text, struct config_notify *out)
{
	char first[64];
	const char *dash = strchr(text, '-'), *slash = strchr(text, '/');
	size_t len = dash ? (size_t)(dash - text) : slash ? (size_t)(slash - text) : strlen(text);
	if (len >= sizeof(first))
		return false;
	memcpy(first, text, len);
	first[len] = '\0';
	if (!config_parse_address(first, 0, &out->first))
		return false;
	out->last = out->first;
	bool v4 = out->first.any.sa_family == AF_INET;
	if (!v4 && IN6_IS_ADDR_V4MAPPED(&out->first.v6.sin6_addr))
		return false; // who sends from there counts as IPv4
	if (dash)
		return config_parse_address(dash + 1, 0, &out->last) &&
		       out->last.any.sa_family == out->first.any.sa_family &&
		       (v4 ? memcmp(&out->first.v4.sin_addr, &out->last.v4.sin_addr, 4)
			   : memcmp(&out->first.v6.sin6_addr, &out->last.v6.sin6_addr, 16)) <= 0;
	if (!slash)
		return true;
	size_t digits = strspn(slash + 1, "0123456789");
	unsigned long bits = strtoul(slash + 1, NULL, 10);
	if (digits == 0 || digits > 3 || slash[1 + digits] || bits > (v4 ? 32 : 128))
		return false;
	spread(&out->first, &out->last, (unsigned)bits);
	return true;
}

static void resolve_notify(struct resolver *r, struct config_zone_options *o, const char *of,
			   unsigned index)
{
	char path[PATH_OCTETS];
	for (unsigned i = 0; i < o->allow_notify_count; i++) {
		struct config_notify *n = &o->allow_notify[i];
		snprintf(path, sizeof(path), "%s[%u].allow-notify[%u].from", of, index, i);
		if (!parse_range(n->from_text, n))
			config_wrong(r, path, 0, n->from_text,
				     "an address, a prefix such as 192.0.2.0/24, or FIRST-LAST");
		if (!n->key_name)
			continue;
		n->key = config_find_key(r->config, n->key_name);
		snprintf(path, sizeof(path), "%s[%u].allow-notify[%u].key", of, index, i);
		if (!n->key)
			config_wrong(r, path, 0, n->key_name,
				     "the name of a key in keys or key-files");
	}
}

// A least that is above its most would leave nothing between.
static void check_bounds(struct resolver *r, const struct config_zone_options *o, const char *of,
			 unsigned index)
{
	const struct {
		const char *what;
		uint32_t least_s, most_s;
	} bounds[] = { { "refresh", o->refresh_min_s, o->refresh_max_s },
		       { "retry", o->retry_min_s, o->retry_max_s },
		       { "expire", o->expire_min_s, o->expire_max_s } };
	char path[PATH_OCTETS];
	for (size_t i = 0; i < sizeof(bounds) / sizeof(bounds[0]); i++) {
		if (!bounds[i].most_s || bounds[i].least_s <= bounds[i].most_s)
			continue;
		snprintf(path, sizeof(path), "%s[%u].%s-max", of, index, bounds[i].what);
		report_error(r->report, r->file, yaml_tree_line(r->tree, path),
			     "%s: no less than %s-min is expected", path, bounds[i].what);
	}
}

void config_resolve_templates(struct resolver *r)
{
	struct config *c = r->config;
	for (unsigned i = 0; i < c->templates_count; i++) {
		struct config_template *t = &c->templates[i];
		resolve_notify(r, &t->options, "templates", i);
		check_bounds(r, &t->options, "templates", i);
		for (unsigned j = 0; j < i; j++) {
			if (strcmp(c->templates[j].id, t->id) == 0)
				config_wrong(r, "templates[%u].id", i, t->id,
					     "an id that no other template has");
		}
	}
}

// ---- settings

static const struct config_template *find_template(struct resolver *r, unsigned index)
{
	const struct config *c = r->config;
	const char *id = c->said_zones[index].template_id;
	for (unsigned i = 0; id && i < c->templates_count; i++) {
		if (strcmp(c->templates[i].id, id) == 0)
			return &c->templates[i];
	}
	if (id)
		config_wrong(r, "zones[%u].template", index, id,
			     "the id of a template in templates");
	return NULL;
}

static const struct config_primary *find_primary(struct resolver *r, const char *id)
{
	const struct config_primary key = { .id = (char *)(uintptr_t)id }, *wanted = &key;
	const struct config_primary **found =
		bsearch(&wanted, r->primaries_by_id, r->config->primaries_count,
			sizeof(*r->primaries_by_id), config_primary_by_id);
	return found ? *found : NULL;
}

// The primaries that `from` names, which is `of`[index]'s.
static void find_primaries(struct resolver *r, const struct config_zone_options *from,
			   struct config_settings *s, const char *of, unsigned index)
{
	for (unsigned i = 0; i < from->primary_ids_count; i++) {
		const char *id = from->primary_ids[i];
		const struct config_primary *found = find_primary(r, id);
		const char *expected = found ? NULL : "the id of a primary in primaries";
		char path[PATH_OCTETS];
		for (unsigned j = 0; j < i && found; j++) {
			if (s->primaries[j] == found)
				expected = "a primary that does not stand here already";
		}
		snprintf(path, sizeof(path), "%s[%u].primaries[%u]", of, index, i);
		if (expected)
			config_wrong(r, path, 0, id, expected);
		s->primaries[s->primary_count++] = found;
	}
}

static void resolve_primaries_of(struct resolver *r, struct config_settings *s, unsigned index)
{
	const struct config_zone_options *own = &r->config->said_zones[index].options;
	if (own->primary_ids_count) {
		find_primaries(r, own, s, "zones", index);
	} else if (s->template && s->template->options.primary_ids_count) {
		find_primaries(r, &s->template->options, s, "templates",
			       (unsigned)(s->template - r->config->templates));
	} else {
		char path[PATH_OCTETS];
		snprintf(path, sizeof(path), "zones[%u]", index);
		report_error(r->report, r->file, yaml_tree_line(r->tree, path),
			     "%s: \"primaries\" is expected, but missing, here and in a template",
			     path);
	}
}

// Whether nothing but primaries is said.
static bool is_plain(const struct config_zone_options *o)
{
	static const struct config_zone_options none;
	struct config_zone_options rest = *o;
	rest.primary_ids = NULL;
	rest.primary_ids_count = 0;
	return memcmp(&rest, &none, sizeof(rest)) == 0;
}

static struct config_settings **head_of(struct zones_maker *m, const struct config_settings *s)
{
	uintptr_t hash = (uintptr_t)s->template;
	for (unsigned i = 0; i < s->primary_count; i++)
		hash = hash * 31 + (uintptr_t)s->primaries[i];
	return &m->heads[hash * 0x9e3779b97f4a7c15u >> 54 & (HEADS - 1)];
}

static bool is_same(const struct config_settings *a, const struct config_settings *b)
{
	return a->template == b->template && a->own == b->own &&
	       a->primary_count == b->primary_count &&
	       memcmp(a->primaries, b->primaries, sizeof(a->primaries)) == 0;
}

// What the zones with these settings say, else their template, else `otherwise`.
#define SAID(_s, _field, _otherwise)                                                         \
	((_s)->own && (_s)->own->_field                     ? (_s)->own->_field              \
	 : (_s)->template && (_s)->template->options._field ? (_s)->template->options._field \
							    : (_otherwise))

// Computes what need not be computed for each zone.
static void settle(struct config_settings *s)
{
	const struct zone_fsm_limits *d = &zone_fsm_limits_default;
	struct zone_fsm_limits *l = &s->limits;
	*l = *d;
	l->refresh_min_s = SAID(s, refresh_min_s, d->refresh_min_s);
	l->refresh_max_s = SAID(s, refresh_max_s, d->refresh_max_s);
	l->retry_min_s = SAID(s, retry_min_s, d->retry_min_s);
	l->retry_max_s = SAID(s, retry_max_s, d->retry_max_s);
	l->expire_min_s = SAID(s, expire_min_s, d->expire_min_s);
	l->expire_max_s = SAID(s, expire_max_s, d->expire_max_s);
	// Of a bound beyond the default for the other one, the bound that was said holds.
	if (l->refresh_max_s < l->refresh_min_s)
		l->refresh_max_s = l->refresh_min_s;
	if (l->retry_max_s < l->retry_min_s)
		l->retry_max_s = l->retry_min_s;
	if (l->expire_max_s < l->expire_min_s)
		l->expire_max_s = l->expire_min_s;
}

static struct config_settings *new_settings(struct config *c, const struct config_settings *wanted)
{
	struct config_settings *s = malloc(sizeof(*s));
	if (!s)
		return NULL;
	*s = *wanted;
	settle(s);
	s->next = c->settings;
	c->settings = s;
	return s;
}

// The settings of a zone, shared with zones of which the same is said; NULL without memory.
static struct config_settings *intern(struct zones_maker *m, const struct config_settings *wanted)
{
	struct config_settings **head = head_of(m, wanted), *s;
	for (s = *head; s; s = s->next_of_hash) {
		if (is_same(s, wanted))
			return s;
	}
	s = new_settings(m->r->config, wanted);
	if (s) {
		s->next_of_hash = *head;
		*head = s;
	}
	return s;
}

const struct config_settings *config_share_settings(struct config *c,
						    const struct config_settings *wanted)
{
	struct config_settings *s;
	for (s = c->settings; s; s = s->next) {
		if (is_same(s, wanted))
			return s;
	}
	return new_settings(c, wanted);
}

// ---- zones

static enum result take_name(struct zones_maker *m, unsigned index)
{
	struct config *c = m->r->config;
	const char *text = c->said_zones[index].name_text;
	struct name name = { 0 };
	if (name_from_text(text, &name))
		config_wrong(m->r, "zones[%u].name", index, text,
			     "a domain name (labels of at most 63 octets, 255 in all)");
	if (m->names_room - m->names_len < sizeof(name.wire)) {
		size_t room = m->names_room * 2 + 4096;
		uint8_t *more = realloc(c->names, room);
		if (!more)
			return RESULT_NO_MEMORY;
		c->names = more;
		m->names_room = room;
	}
	m->name_at[index] = m->names_len;
	memcpy(c->names + m->names_len, name.wire, name.len);
	m->names_len += name.len;
	return RESULT_OK;
}

static enum result take_zone(struct zones_maker *m, unsigned index)
{
	struct config *c = m->r->config;
	struct config_zone_options *said = &c->said_zones[index].options;
	struct config_settings s = { .template = find_template(m->r, index),
				     .own = is_plain(said) ? NULL : said };
	resolve_primaries_of(m->r, &s, index);
	resolve_notify(m->r, said, "zones", index);
	check_bounds(m->r, said, "zones", index);
	c->zones[index].settings = intern(m, &s);
	return c->zones[index].settings ? take_name(m, index) : RESULT_NO_MEMORY;
}

static int by_name(const void *a, const void *b)
{
	return name_compare((*(struct config_zone *const *)a)->name,
			    (*(struct config_zone *const *)b)->name);
}

static void sort_zones(struct resolver *r)
{
	struct config *c = r->config;
	for (unsigned i = 0; i < c->zones_count; i++)
		c->zones_by_name[i] = &c->zones[i];
	c->zones_total = c->zones_count;
	qsort(c->zones_by_name, c->zones_count, sizeof(*c->zones_by_name), by_name);
	for (unsigned i = 1; i < c->zones_count; i++) {
		const struct config_zone *a = c->zones_by_name[i - 1], *b = c->zones_by_name[i];
		unsigned later = (unsigned)((a > b ? a : b) - c->zones);
		if (name_equal(a->name, b->name))
			config_wrong(r, "zones[%u].name", later, c->said_zones[later].name_text,
				     "a zone that does not stand here already");
	}
}

// What the file says of zones is resolved: what is needed of it are options of their own.
static void forget_said(struct config *c)
{
	unsigned kept = 0;
	for (unsigned i = 0; i < c->said_zones_count; i++) {
		struct config_said_zone *z = &c->said_zones[i];
		free(z->name_text);
		free(z->template_id);
		z->name_text = z->template_id = NULL;
		for (unsigned j = 0; j < z->options.primary_ids_count; j++)
			free(z->options.primary_ids[j]);
		free(z->options.primary_ids);
		z->options.primary_ids = NULL;
		z->options.primary_ids_count = 0;
		kept += !is_plain(&z->options);
	}
	if (kept)
		return;
	free(c->said_zones);
	c->said_zones = NULL;
	c->said_zones_count = 0;
}

enum result config_resolve_zones(struct resolver *r)
{
	struct config *c = r->config;
	unsigned errors = r->report->errors;
	struct zones_maker m = { .r = r };
	enum result e = RESULT_NO_MEMORY;
	c->zones_count = c->said_zones_count;
	c->zones = calloc(c->zones_count + 1, sizeof(*c->zones));
	c->zones_room = c->zones_count + 1;
	c->zones_by_name = calloc(c->zones_room, sizeof(*c->zones_by_name));
	m.heads = calloc(HEADS, sizeof(struct config_settings *));
	m.name_at = calloc(c->zones_count + 1, sizeof(*m.name_at));
	if (!c->zones || !c->zones_by_name || !m.heads || !m.name_at)
		goto cleanup;
	e = RESULT_OK;
	for (unsigned i = 0; i < c->zones_count && e == RESULT_OK; i++)
		e = take_zone(&m, i);
	if (e != RESULT_OK || r->report->errors != errors)
		goto cleanup;
	for (unsigned i = 0; i < c->zones_count; i++)
		c->zones[i].name = c->names + m.name_at[i];
	sort_zones(r);
	if (r->report->errors == errors)
		forget_said(c);
cleanup:
	free(m.heads);
	free(m.name_at);
	return e;
}

void config_free_zones(struct config *c)
{
	for (struct config_settings *s = c->settings, *next; s; s = next) {
		next = s->next;
		free(s);
	}
	for (unsigned i = 0; i < c->zones_total; i++) {
		if (c->zones_by_name[i]->added)
			free(c->zones_by_name[i]);
	}
	free(c->names);
	free(c->zones);
	free(c->zones_by_name);
}

// ---- what holds

const struct config_zone *config_zone(const struct config *c, const uint8_t *name)
{
	unsigned low = 0, high = c->zones_total;
	while (low < high) {
		unsigned middle = low + (high - low) / 2;
		int order = name_compare(c->zones_by_name[middle]->name, name);
		if (order == 0)
			return c->zones_by_name[middle];
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}

const struct zone_fsm_limits *config_zone_limits(const struct config_zone *z)
{
	return &z->settings->limits;
}

static bool is_said(const bool *said)
{
	return said && *said;
}

struct zone_fsm_policy config_zone_policy(const struct config_zone *z)
{
	static enum zone_fsm_older older = ZONE_FSM_OLDER_EXPIRED;
	return (struct zone_fsm_policy){
		.older = (uint8_t)*SAID(z->settings, older_serial, &older),
		.refuse_serial_zero = is_said(SAID(z->settings, refuse_serial_zero, NULL)),
		.lengthen_refresh = is_said(SAID(z->settings, lengthen_refresh, NULL)),
	};
}

enum zonemd_policy config_zone_zonemd(const struct config_zone *z)
{
	static enum zonemd_policy verify = ZONEMD_VERIFY;
	return *SAID(z->settings, zonemd, &verify);
}

bool config_zone_has_hooks(const struct config_zone *z)
{
	static bool yes = true;
	return *SAID(z->settings, hooks, &yes);
}

bool config_zone_refuses_outside(const struct config_zone *z)
{
	return is_said(SAID(z->settings, refuse_out_of_zone, NULL));
}

uint64_t config_zone_max_records(const struct config *c, const struct config_zone *z)
{
	return SAID(z->settings, max_records, c->transfer.max_records);
}

const struct config_notify *config_zone_notify(const struct config_zone *z, unsigned *count)
{
	*count = SAID(z->settings, allow_notify_count, 0);
	return SAID(z->settings, allow_notify, NULL);
}
