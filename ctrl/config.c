// SPDX-License-Identifier: BSD-3-Clause
// The configuration: read by schema, checked, and resolved for use.
//
// Three steps: the text as a tree with line numbers is checked against the
// schema; libcyaml loads it by the same schema; texts are resolved into names,
// addresses and references, and mistakes found there ask the tree for the line.
#include "config.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config_parts.h"
#include "config_schema.h"
#include "crc32c.h"

#define FILE_OCTETS_MAX (64u << 20)

#ifdef UNDERSTUDY_DPDK
#define HAS_PORTS true
#else
#define HAS_PORTS false
#endif

#define DEFAULT_SOCKET      "/run/understudy/understudy.sock"
#define DEFAULT_ALGORITHM   "hmac-sha256"
#define DEFAULT_PORT        53
#define DEFAULT_EDNS_OCTETS 1232

// ---- addresses

const char *config_address_text(const struct config_address *a, char buf[CONFIG_ADDRESS_TEXT])
{
	char text[INET6_ADDRSTRLEN] = "?";
	bool v4 = a->any.sa_family == AF_INET;
	inet_ntop(a->any.sa_family, v4 ? (const void *)&a->v4.sin_addr : &a->v6.sin6_addr, text,
		  sizeof(text));
	snprintf(buf, CONFIG_ADDRESS_TEXT, "%s#%u", text,
		 ntohs(v4 ? a->v4.sin_port : a->v6.sin6_port));
	return buf;
}

bool config_address_equal(const struct config_address *a, const struct config_address *b)
{
	if (a->any.sa_family != b->any.sa_family)
		return false;
	if (a->any.sa_family == AF_INET)
		return a->v4.sin_port == b->v4.sin_port &&
		       a->v4.sin_addr.s_addr == b->v4.sin_addr.s_addr;
	return a->v6.sin6_port == b->v6.sin6_port &&
	       memcmp(&a->v6.sin6_addr, &b->v6.sin6_addr, 16) == 0;
}

uint8_t config_address_wire(const struct config_address *a, uint8_t out[16])
{
	bool v4 = a->any.sa_family == AF_INET;
	memcpy(out, v4 ? (const void *)&a->v4.sin_addr : &a->v6.sin6_addr, v4 ? 4 : 16);
	return v4 ? 4 : 6;
}

void config_address_set(struct config_address *a, uint8_t family, const uint8_t octets[16],
			uint16_t port)
{
	*a = (struct config_address){ 0 };
	if (family == 4) {
		a->v4.sin_family = AF_INET;
		a->v4.sin_port = htons(port);
		memcpy(&a->v4.sin_addr, octets, 4);
	} else {
		a->v6.sin6_family = AF_INET6;
		a->v6.sin6_port = htons(port);
		memcpy(&a->v6.sin6_addr, octets, 16);
	}
}

uint32_t config_primary_mark(const struct config_primary *p)
{
	uint8_t head[18] = { p->tls != NULL };
	if (p->source.any.sa_family != AF_UNSPEC)
		head[1] = config_address_wire(&p->source, head + 2);
	uint32_t mark = crc32c(0, head, sizeof(head));
	for (size_t i = 0; p->key && i < p->key->name.len; i++)
		mark = crc32c(mark, &name_lower[p->key->name.wire[i]], 1);
	return mark ? mark : 1;
}

bool config_primary_same(const struct config_primary *a, const struct config_primary *b)
{
	return config_address_equal(&a->address, &b->address) &&
	       config_primary_mark(a) == config_primary_mark(b);
}

socklen_t config_address_octets(const struct config_address *a)
{
	return a->any.sa_family == AF_INET ? sizeof(a->v4) : sizeof(a->v6);
}

bool config_parse_address(const char *text, uint16_t port, struct config_address *out)
{
	struct config_address a = { 0 };
	if (inet_pton(AF_INET, text, &a.v4.sin_addr) == 1) {
		a.v4.sin_family = AF_INET;
		a.v4.sin_port = htons(port);
	} else if (inet_pton(AF_INET6, text, &a.v6.sin6_addr) == 1) {
		a.v6.sin6_family = AF_INET6;
		a.v6.sin6_port = htons(port);
	} else {
		return false;
	}
	*out = a;
	return true;
}

// Whether it is one host's address, neither wildcard nor group.
static bool is_unicast(const struct config_address *a)
{
	if (a->any.sa_family == AF_INET) {
		uint32_t v4 = ntohl(a->v4.sin_addr.s_addr);
		return v4 >> 24 != 0 && v4 >> 28 < 0xe;
	}
	const struct in6_addr *v6 = &a->v6.sin6_addr;
	return !IN6_IS_ADDR_UNSPECIFIED(v6) && !IN6_IS_ADDR_MULTICAST(v6) &&
	       !IN6_IS_ADDR_V4MAPPED(v6);
}

static bool parse_prefix(const char *text, struct config_prefix *out)
{
	char address[64];
	const char *slash = strchr(text, '/');
	if (!slash || (size_t)(slash - text) >= sizeof(address))
		return false;
	memcpy(address, text, (size_t)(slash - text));
	address[slash - text] = '\0';
	size_t digits = strspn(slash + 1, "0123456789");
	unsigned long len = strtoul(slash + 1, NULL, 10);
	if (digits == 0 || digits > 3 || slash[1 + digits] ||
	    !config_parse_address(address, 0, &out->address) || !is_unicast(&out->address) ||
	    len > (out->address.any.sa_family == AF_INET ? 32 : 128))
		return false;
	out->prefix_len = (uint8_t)len;
	return true;
}

// ---- resolving

void config_wrong(struct resolver *r, const char *path_format, unsigned index, const char *text,
		  const char *expected)
{
	char path[PATH_OCTETS];
	snprintf(path, sizeof(path), path_format, index);
	report_error(r->report, r->file, yaml_tree_line(r->tree, path),
		     "%s: %s is expected, not \"%.80s\"", path, expected, text);
}

static void resolve_listen(struct resolver *r)
{
	struct config *c = r->config;
	for (unsigned i = 0; i < c->listen_count; i++) {
		struct config_listen *l = &c->listen[i];
		l->port = l->port ? l->port : DEFAULT_PORT;
		if (!config_parse_address(l->address_text, l->port, &l->address) ||
		    !is_unicast(&l->address)) {
			config_wrong(r, "listen[%u].address", i, l->address_text,
				     "an IPv4 or IPv6 address of this host, and not a wildcard,");
			continue;
		}
		for (unsigned j = 0; j < i; j++) {
			if (config_address_equal(&l->address, &c->listen[j].address))
				config_wrong(
					r, "listen[%u].address", i, l->address_text,
					"an address and port that does not stand here already");
		}
	}
}

// Pairs of hexadecimal digits into at most `cap` octets; their number, 0 if there
// are more, or something else among them.
static size_t parse_hex(const char *text, uint8_t *out, size_t cap)
{
	size_t digits = strspn(text, "0123456789abcdefABCDEF");
	if (text[digits] || digits % 2 || digits / 2 > cap)
		return 0;
	for (size_t i = 0; i < digits / 2; i++) {
		const char pair[3] = { text[2 * i], text[2 * i + 1] };
		out[i] = (uint8_t)strtoul(pair, NULL, 16);
	}
	return digits / 2;
}

static void resolve_server(struct resolver *r)
{
	struct config_server *s = &r->config->server;
	const char *nsid = s->nsid_text;
	if (nsid && strncmp(nsid, "0x", 2) == 0)
		s->nsid_len = (uint8_t)parse_hex(nsid + 2, s->nsid, sizeof(s->nsid));
	else if (nsid && strlen(nsid) <= sizeof(s->nsid))
		memcpy(s->nsid, nsid, s->nsid_len = (uint8_t)strlen(nsid));
	if (nsid && !s->nsid_len)
		config_wrong(
			r, "server.nsid", 0, nsid,
			"a text, or 0x and pairs of hexadecimal digits, of at most 128 octets");
	if (s->report_channel_text && (name_from_text(s->report_channel_text, &s->report_channel) ||
				       s->report_channel.len == 1))
		config_wrong(r, "server.report-channel", 0, s->report_channel_text,
			     "a domain name other than the root");
}

static void resolve_cookies(struct resolver *r)
{
	struct config_cookies *c = &r->config->cookies;
	for (unsigned i = 0; i < c->secret_texts_count; i++) {
		char path[PATH_OCTETS];
		if (parse_hex(c->secret_texts[i], c->secrets[i], sizeof(c->secrets[i])) ==
		    sizeof(c->secrets[i]))
			continue;
		snprintf(path, sizeof(path), "cookies.secrets[%u]", i); // it is not to be shown
		report_error(r->report, r->file, yaml_tree_line(r->tree, path),
			     "%s: 32 hexadecimal digits, that is 128 bits, are expected", path);
	}
}

static void resolve_rate_limit(struct resolver *r)
{
	struct config_rate_limit *l = &r->config->rate_limit;
	for (unsigned i = 0; i < l->exempt_texts_count; i++) {
		if (!parse_prefix(l->exempt_texts[i], &l->exempt[i]))
			config_wrong(r, "rate-limit.exempt[%u]", i, l->exempt_texts[i],
				     "an address with its prefix length, such as 192.0.2.0/24,");
	}
}

static void resolve_exception(struct resolver *r, unsigned index, struct config_exception *e)
{
	if (strchr(e->interface, '/') || strchr(e->interface, ' '))
		config_wrong(r, "ports[%u].exception.interface", index, e->interface,
			     "an interface's name");
	e->addresses = calloc(e->address_texts_count + 1, sizeof(*e->addresses));
	if (!e->addresses) {
		report_error(r->report, r->file, 0, "%s", result_text(RESULT_NO_MEMORY));
		return;
	}
	for (unsigned i = 0; i < e->address_texts_count; i++) {
		char path[PATH_OCTETS];
		snprintf(path, sizeof(path), "ports[%u].exception.addresses[%u]", index, i);
		if (!parse_prefix(e->address_texts[i], &e->addresses[i]))
			config_wrong(r, path, 0, e->address_texts[i],
				     "an address with its prefix length, such as 10.53.0.2/24,");
	}
	struct config_prefix gateway = { 0 };
	if (e->gateway_text) {
		if (!config_parse_address(e->gateway_text, 0, &gateway.address))
			config_wrong(r, "ports[%u].exception.gateway", index, e->gateway_text,
				     "an IPv4 or IPv6 address");
		e->gateways[e->gateway_count++] = gateway;
	}
	if (e->gateway6_text) {
		if (!config_parse_address(e->gateway6_text, 0, &gateway.address) ||
		    gateway.address.any.sa_family != AF_INET6)
			config_wrong(r, "ports[%u].exception.gateway6", index, e->gateway6_text,
				     "an IPv6 address");
		e->gateways[e->gateway_count++] = gateway;
	}
}

static void resolve_ports(struct resolver *r)
{
	struct config *c = r->config;
	if (c->ports_count && !HAS_PORTS)
		config_wrong(r, "ports", 0, c->ports[0].device,
			     "nothing (this understudyd was built without DPDK and has no ports)");
	for (unsigned i = 0; i < c->ports_count; i++) {
		if (c->ports[i].exception)
			resolve_exception(r, i, c->ports[i].exception);
	}
	for (unsigned i = 0; i < c->dpdk.lcores_count; i++) {
		for (unsigned j = 0; j < i; j++) {
			if (c->dpdk.lcores[i] == c->dpdk.lcores[j])
				config_wrong(r, "dpdk.lcores[%u]", i, "the same again",
					     "a CPU that does not stand here already");
		}
		if (c->dpdk.lcores[i] == c->dpdk.main_lcore)
			config_wrong(r, "dpdk.lcores[%u]", i, "the same",
				     "a CPU other than dpdk.main-lcore");
	}
}

static void add_key(struct resolver *r, unsigned index, const struct tsig_key *key)
{
	const struct config_key *k = &r->config->keys[index];
	char path[PATH_OCTETS];
	enum result result = key_list_add(&r->config->key_list, key);
	snprintf(path, sizeof(path), "keys[%u].algorithm", index);
	unsigned line = yaml_tree_line(r->tree, path);
	if (result == RESULT_OK && key->algorithm == TSIG_HMAC_MD5)
		report_warning(r->report, r->file, line, "%s: %s", path, KEY_MD5_WARNING);
	else if (result == RESULT_REFUSED)
		report_error(r->report, r->file, line, "%s: %s", path, KEY_MD5_REFUSED);
	else if (result)
		config_wrong(r, "keys[%u].name", index, k->name, "a name that no other key has");
}

static void resolve_keys(struct resolver *r)
{
	struct config *c = r->config;
	c->key_list.allow_md5 = c->tsig.allow_md5 && *c->tsig.allow_md5;
	for (unsigned i = 0; i < c->keys_count; i++) {
		const struct config_key *k = &c->keys[i];
		struct tsig_key key;
		struct key_mistake mistake;
		char path[PATH_OCTETS];
		enum result result = key_from_text(&key, k->name,
						   k->algorithm ? k->algorithm : DEFAULT_ALGORITHM,
						   k->secret, &mistake);
		if (result == RESULT_OK) {
			add_key(r, i, &key);
		} else {
			snprintf(path, sizeof(path), "keys[%u].%s", i, mistake.field);
			report_error(r->report, r->file, yaml_tree_line(r->tree, path), "%s: %s",
				     path, mistake.expected);
		}
		explicit_bzero(&key, sizeof(key));
	}
}

// The path of a file that is looked for beside the configuration, unless it is
// absolute; to be freed. NULL, and reported, if memory ran out.
static char *beside(struct resolver *r, const char *name)
{
	const char *slash = strrchr(r->file, '/');
	int dir = slash && name[0] != '/' ? (int)(slash - r->file) + 1 : 0;
	char *path;
	if (asprintf(&path, "%.*s%s", dir, r->file, name) >= 0)
		return path;
	report_error(r->report, r->file, 0, "%s", result_text(RESULT_NO_MEMORY));
	return NULL;
}

static void resolve_key_files(struct resolver *r)
{
	for (unsigned i = 0; i < r->config->key_files_count; i++) {
		const char *name = r->config->key_files[i];
		char *path = beside(r, name);
		if (!path)
			return;
		if (access(path, R_OK) != 0)
			config_wrong(r, "key-files[%u]", i, name, "a readable file");
		else
			keyfile_read(path, &r->config->key_list, r->report);
		free(path);
	}
}

int config_primary_by_id(const void *a, const void *b)
{
	return strcmp((*(struct config_primary *const *)a)->id,
		      (*(struct config_primary *const *)b)->id);
}

const struct tsig_key *config_find_key(const struct config *c, const char *text)
{
	struct name name;
	return name_from_text(text, &name) ? NULL : key_list_find(&c->key_list, name.wire);
}

static void wrong_tls(struct resolver *r, unsigned index, const struct tls_mistake *m)
{
	char path[PATH_OCTETS], pin[16] = "";
	if (strcmp(m->field, "pins") == 0)
		snprintf(pin, sizeof(pin), "[%u]", m->index);
	snprintf(path, sizeof(path), "primaries[%u].tls.%s%s", index, m->field, pin);
	report_error(r->report, r->file, yaml_tree_line(r->tree, path), "%s: %s expected%s%s", path,
		     m->expected, m->detail ? ": " : "", m->detail ? m->detail : "");
}

// What files say is read now, so that mistakes in them are found now.
static void resolve_tls(struct resolver *r, struct config_primary *p, unsigned index)
{
	static const struct config_tls none;
	const struct config_tls *o = p->tls_options ? p->tls_options : &none;
	const char *const names[] = { o->ca, o->certificate, o->key };
	char *paths[3] = { 0 };
	struct tls_mistake mistake;
	bool system = !o->ca || strcmp(o->ca, TLS_CA_SYSTEM) == 0;
	for (unsigned i = system; i < 3; i++) {
		paths[i] = names[i] ? beside(r, names[i]) : NULL;
		if (names[i] && !paths[i])
			goto cleanup;
	}
	const struct tls_settings settings = {
		.ca = system ? o->ca : paths[0],
		.name = o->name ? o->name : p->address_text,
		.pins = (const char *const *)o->pins,
		.pins_count = o->pins_count,
		.certificate = paths[1],
		.key = paths[2],
	};
	enum result result = tls_context_new(&settings, &mistake, &p->tls);
	if (result == RESULT_INVALID)
		wrong_tls(r, index, &mistake);
	else if (result)
		report_error(r->report, r->file, 0, "%s", result_text(result));
	else if (paths[2])
		keyfile_warn_of_readers(paths[2], r->report);
cleanup:
	for (unsigned i = 0; i < 3; i++)
		free(paths[i]);
}

static void resolve_transport(struct resolver *r, struct config_primary *p, unsigned index)
{
	bool tls = p->transport && *p->transport == CONFIG_TRANSPORT_TLS;
	if (!p->port)
		p->port = tls ? TLS_PORT : DEFAULT_PORT;
	if (tls)
		resolve_tls(r, p, index);
	else if (p->tls_options)
		config_wrong(r, "primaries[%u].tls", index, "tls", "\"transport: tls\" beside it");
}

static void resolve_primaries(struct resolver *r)
{
	struct config *c = r->config;
	for (unsigned i = 0; i < c->primaries_count; i++) {
		struct config_primary *p = &c->primaries[i];
		r->primaries_by_id[i] = p;
		resolve_transport(r, p, i);
		if (!config_parse_address(p->address_text, p->port, &p->address) ||
		    !is_unicast(&p->address))
			config_wrong(r, "primaries[%u].address", i, p->address_text,
				     "an IPv4 or IPv6 address of one host");
		if (p->source_text && (!config_parse_address(p->source_text, 0, &p->source) ||
				       !is_unicast(&p->source) ||
				       p->source.any.sa_family != p->address.any.sa_family))
			config_wrong(
				r, "primaries[%u].source", i, p->source_text,
				"an address of this host, of the same family as the primary's,");
		if (!p->key_name)
			continue;
		p->key = config_find_key(c, p->key_name);
		if (!p->key)
			config_wrong(r, "primaries[%u].key", i, p->key_name,
				     "the name of a key in keys or key-files");
	}
	qsort(r->primaries_by_id, c->primaries_count, sizeof(*r->primaries_by_id),
	      config_primary_by_id);
	for (unsigned i = 1; i < c->primaries_count; i++) {
		const struct config_primary *a = r->primaries_by_id[i - 1];
		const struct config_primary *b = r->primaries_by_id[i];
		if (strcmp(a->id, b->id) == 0)
			config_wrong(r, "primaries[%u].id",
				     (unsigned)((a > b ? a : b) - c->primaries), b->id,
				     "an id that no other primary has");
	}
}

static void set_defaults(struct config *c)
{
	if (!c->server.edns_udp_octets)
		c->server.edns_udp_octets = DEFAULT_EDNS_OCTETS;
	if (!c->tcp.max_connections)
		c->tcp.max_connections = 1000;
	if (!c->tcp.idle_s)
		c->tcp.idle_s = 10;
	if (!c->rate_limit.window_s)
		c->rate_limit.window_s = 15;
	if (!c->rate_limit.ipv4_prefix_len)
		c->rate_limit.ipv4_prefix_len = 24;
	if (!c->rate_limit.ipv6_prefix_len)
		c->rate_limit.ipv6_prefix_len = 56;
	if (!c->transfer.concurrent)
		c->transfer.concurrent = 16;
	if (!c->transfer.connect_s)
		c->transfer.connect_s = 5;
	if (!c->transfer.idle_s)
		c->transfer.idle_s = 30;
	if (!c->transfer.max_s)
		c->transfer.max_s = 3600;
	if (!c->hooks.timeout_s)
		c->hooks.timeout_s = 30;
	if (!c->hooks.concurrent)
		c->hooks.concurrent = 4;
	if (!c->dpdk.memory_mib)
		c->dpdk.memory_mib = 200;
}

static void resolve(struct resolver *r)
{
	struct config *c = r->config;
	set_defaults(c);
	if (!c->control.socket)
		c->control.socket = strdup(DEFAULT_SOCKET);
	r->primaries_by_id = calloc(c->primaries_count + 1, sizeof(*r->primaries_by_id));
	if (!c->control.socket || !r->primaries_by_id) {
		report_error(r->report, r->file, 0, "%s", result_text(RESULT_NO_MEMORY));
	} else {
		resolve_server(r);
		resolve_cookies(r);
		resolve_rate_limit(r);
		resolve_listen(r);
		resolve_ports(r);
		resolve_keys(r);
		resolve_key_files(r);
		resolve_primaries(r);
		config_resolve_templates(r);
		if (config_resolve_zones(r))
			report_error(r->report, r->file, 0, "%s", result_text(RESULT_NO_MEMORY));
	}
	free(r->primaries_by_id);
}

// ---- reading

// What libcyaml says is reported as it stands; its lines come in order.
static void log_cyaml(cyaml_log_t level, void *arg, const char *format, va_list args)
{
	char text[512];
	struct resolver *r = arg;
	(void)level;
	vsnprintf(text, sizeof(text), format, args);
	text[strcspn(text, "\n")] = '\0';
	report_error(r->report, r->file, 0, "%s", text);
}

static cyaml_config_t cyaml_config(struct resolver *r)
{
	return (cyaml_config_t){ .log_fn = log_cyaml,
				 .log_ctx = r,
				 .mem_fn = cyaml_mem,
				 .log_level = CYAML_LOG_WARNING,
				 .flags = CYAML_CFG_NO_ALIAS };
}

struct config *config_parse(const char *path, const char *text, size_t len, struct report *report)
{
	struct config *config = NULL;
	unsigned errors = report->errors;
	struct yaml_tree *tree = yaml_tree_parse(path, text, len, report);
	if (!tree)
		return NULL;
	struct resolver r = { .tree = tree, .file = path, .report = report };
	yaml_tree_check(tree, &config_schema, config_rules, report);
	if (report->errors == errors) {
		cyaml_config_t cyaml = cyaml_config(&r);
		cyaml_err_t e = cyaml_load_data((const uint8_t *)text, len, &cyaml, &config_schema,
						(cyaml_data_t **)&config, NULL);
		if (e != CYAML_OK) {
			report_error(report, path, 0, "%s", cyaml_strerror(e));
			config = NULL;
		}
	}
	if (config) {
		r.config = config;
		resolve(&r);
	}
	if (report->errors != errors) {
		config_free(config);
		config = NULL;
	}
	yaml_tree_free(tree);
	return config;
}

void config_free(struct config *c)
{
	if (!c)
		return;
	key_list_free(&c->key_list);
	for (unsigned i = 0; i < c->keys_count; i++)
		explicit_bzero(c->keys[i].secret, strlen(c->keys[i].secret));
	for (unsigned i = 0; i < c->cookies.secret_texts_count; i++)
		explicit_bzero(c->cookies.secret_texts[i], strlen(c->cookies.secret_texts[i]));
	explicit_bzero(c->cookies.secrets, sizeof(c->cookies.secrets));
	for (unsigned i = 0; i < c->ports_count; i++) {
		if (c->ports[i].exception)
			free(c->ports[i].exception->addresses);
	}
	for (unsigned i = 0; i < c->primaries_count; i++)
		tls_context_unref(c->primaries[i].tls);
	config_free_zones(c);
	struct resolver none = { 0 };
	cyaml_config_t cyaml = cyaml_config(&none);
	cyaml.log_fn = NULL;
	cyaml_err_t e = cyaml_free(&cyaml, &config_schema, c, 0);
	assert(e == CYAML_OK);
	(void)e;
}

struct config *config_read(const char *path, struct report *report)
{
	struct config *config = NULL;
	struct stat st;
	char *text = NULL;
	size_t len = 0;
	FILE *f = fopen(path, "re");
	if (!f || fstat(fileno(f), &st) < 0) {
		report_error(report, path, 0, "a readable file is expected: %s", strerror(errno));
		goto cleanup;
	}
	if (!S_ISREG(st.st_mode) || st.st_size > FILE_OCTETS_MAX) {
		report_error(report, path, 0, "a file of at most 64 MiB is expected");
		goto cleanup;
	}
	text = malloc((size_t)st.st_size + 1);
	if (text)
		len = fread(text, 1, (size_t)st.st_size, f);
	if (!text || ferror(f)) {
		report_error(report, path, 0, "a readable file is expected: %s", strerror(errno));
		goto cleanup;
	}
	config = config_parse(path, text, len, report);
	if (config && (config->keys_count || config->cookies.secret_texts_count))
		keyfile_warn_of_readers(path, report);
cleanup:
	if (text)
		explicit_bzero(text, len);
	free(text);
	if (f)
		fclose(f);
	return config;
}
