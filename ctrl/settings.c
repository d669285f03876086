// SPDX-License-Identifier: BSD-3-Clause
// The settings of the answer path, made from the configuration.
#include "settings.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define KEEPALIVE_PER_S 10 // RFC 7828 counts units of 100 ms

enum result settings_draw(struct settings_chance *out)
{
	return getrandom(out, sizeof(*out), 0) == sizeof(*out) ? RESULT_OK : RESULT_IO;
}

static uint8_t put_text(char out[ANSWER_TEXT_MAX], const char *text)
{
	size_t len = text ? strlen(text) : 0;
	assert(len <= ANSWER_TEXT_MAX); // by the schema
	memcpy(out, text ? text : "", len);
	return (uint8_t)len;
}

static void set_cookies(struct answer_config *out, const struct config_cookies *cookies,
			const struct settings_chance *chance)
{
	if (cookies->enabled && !*cookies->enabled)
		return;
	out->cookie_required = cookies->require && *cookies->require;
	out->cookie_secrets = (uint8_t)cookies->secret_texts_count;
	memcpy(out->cookie_secret, cookies->secrets, sizeof(out->cookie_secret));
	if (out->cookie_secrets)
		return;
	out->cookie_secrets = 1;
	memcpy(out->cookie_secret[0], chance->cookie_secret, sizeof(chance->cookie_secret));
}

// What is behind the prefix is 0.
static struct answer_prefix prefix_of(const struct config_prefix *p)
{
	struct answer_prefix out = { .prefix_len = p->prefix_len };
	out.family = config_address_wire(&p->address, out.address);
	for (unsigned bit = p->prefix_len; bit < 8 * sizeof(out.address); bit++)
		out.address[bit / 8] &= (uint8_t) ~(0x80u >> bit % 8);
	return out;
}

static void set_rate_limit(struct answer_rate_limit *out, const struct config_rate_limit *limit,
			   const struct settings_chance *chance)
{
	*out = (struct answer_rate_limit){
		.responses_per_s = limit->responses_per_s,
		.window_s = limit->window_s,
		.slip = limit->slip ? *limit->slip : 2,
		.ipv4_prefix_len = limit->ipv4_prefix_len,
		.ipv6_prefix_len = limit->ipv6_prefix_len,
		.exempt_count = (uint8_t)limit->exempt_texts_count,
		.table_accounts = limit->table_accounts,
	};
	memcpy(out->hash_key, chance->rate_hash_key, sizeof(out->hash_key));
	for (unsigned i = 0; i < limit->exempt_texts_count; i++)
		out->exempt[i] = prefix_of(&limit->exempt[i]);
}

struct answer_config *settings_new(const struct config *config,
				   const struct settings_chance *chance)
{
	const struct config_server *server = &config->server;
	struct answer_config *out = calloc(1, sizeof(*out));
	if (!out)
		return NULL;
	out->edns_udp_octets = server->edns_udp_octets;
	out->cross_zone_aliases = server->cross_zone_aliases && *server->cross_zone_aliases;
	out->identity_len = put_text(out->identity, server->identity);
	out->version_len = put_text(out->version, server->version);
	out->nsid_len = server->nsid_len;
	memcpy(out->nsid, server->nsid, sizeof(out->nsid));
	out->report_channel = server->report_channel;
	out->tcp_idle_100ms = (uint16_t)(config->tcp.idle_s * KEEPALIVE_PER_S);
	set_cookies(out, &config->cookies, chance);
	set_rate_limit(&out->rate_limit, &config->rate_limit, chance);
	return out;
}

void settings_free(struct answer_config *settings)
{
	if (!settings)
		return;
	explicit_bzero(settings->cookie_secret, sizeof(settings->cookie_secret));
	free(settings);
}
