// SPDX-License-Identifier: BSD-3-Clause
// The configuration: what is read, and what is said of every kind of mistake.
#include "config.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "settings.h"
#include "support/said.h"
#include "unit.h"

#define LISTEN    "listen: [{address: 192.0.2.1}]\n"
#define KEYS      "keys: [{name: k, secret: Zg==}]\n"
#define TLS       LISTEN "primaries: [{id: p, address: 192.0.2.9, "
#define PRIMARIES "primaries: [{id: p, address: 192.0.2.9}]\n"

static struct config *parse(const char *text, struct said *said)
{
	char *copy = said_copy(text);
	said_init(said);
	struct config *c = config_parse("us.yaml", copy, strlen(text), &said->report);
	free(copy);
	return c;
}

// What of that configuration the answer path is told.
static void makes_settings(const struct config *c)
{
	static const struct settings_chance chance = { .cookie_secret = { 1 } };
	struct answer_config *s = settings_new(c, &chance);
	CU_ASSERT_PTR_NOT_NULL_FATAL(s);
	CU_ASSERT_EQUAL(s->edns_udp_octets, 4096);
	CU_ASSERT_EQUAL(s->identity_len, 3);
	CU_ASSERT_EQUAL(s->nsid_len, 2);
	CU_ASSERT_EQUAL(s->tcp_idle_100ms, 70);
	CU_ASSERT_EQUAL(s->cookie_secrets, 1);
	CU_ASSERT_EQUAL(s->cookie_secret[0][1], 0x11);
	CU_ASSERT_TRUE(s->cookie_required);
	CU_ASSERT_EQUAL(s->rate_limit.responses_per_s, 9);
	CU_ASSERT_EQUAL(s->rate_limit.slip, 0);
	CU_ASSERT_EQUAL(s->rate_limit.window_s, 15);
	CU_ASSERT_EQUAL(s->rate_limit.ipv4_prefix_len, 24);
	CU_ASSERT_EQUAL(s->rate_limit.ipv6_prefix_len, 56);
	CU_ASSERT_EQUAL(s->rate_limit.exempt_count, 1);
	CU_ASSERT_EQUAL(memcmp(s->rate_limit.exempt[0].address, "\300\0\2\0", 4), 0);
	settings_free(s);
}

static void reads_all(void)
{
	static const char text[] =
		"server:\n  identity: ns1\n  version: one\n  edns-udp-size: 4096\n"
		"  cross-zone-aliases: true\n  log-level: debug\n"
		"  nsid: 0x00fF\n  report-channel: agent.example\n"
		"listen:\n  - address: 192.0.2.1\n    port: 5353\n  - address: 2001:db8::1\n"
		"tcp:\n  max-connections: 5\n  idle-timeout: 7\n"
		"cookies:\n  require: true\n  secrets: [00112233445566778899aabbccddeeff]\n"
		"rate-limit:\n  responses-per-second: 9\n  slip: 0\n  exempt: [192.0.2.77/24]\n"
		"control:\n  socket: /run/x.sock\n"
		"memory:\n  hugepages: false\n  max: 100\n"
		"transfer:\n  concurrent: 2\n  connect-timeout: 3\n  idle-timeout: 4\n"
		"  max-time: 5\n  max-size: 6\n  max-records: 7\n"
		"dpdk:\n  lcores: [2, 3]\n  main-lcore: 1\n  hugepages: false\n  memory: 64\n"
		"  eal: [--log-level, debug]\n"
		"keys:\n  - name: k.example\n    secret: Zm9v\n"
		"primaries:\n  - id: p1\n    address: 198.51.100.1\n    key: K.example.\n"
		"  - id: p2\n    address: 2001:db8::2\n    port: 54\n"
		"zones:\n  - name: b.example\n    primaries: [p1, p2]\n"
		"  - name: A.example.\n    primaries: [p2]\n  - name: .\n    primaries: [p1]\n";
	struct said said;
	char address[CONFIG_ADDRESS_TEXT];
	struct name name;
	struct config *c = parse(text, &said);
	CU_ASSERT_STRING_EQUAL(said.text, "");
	CU_ASSERT_PTR_NOT_NULL_FATAL(c);
	CU_ASSERT_STRING_EQUAL(c->server.identity, "ns1");
	CU_ASSERT_EQUAL(c->server.edns_udp_octets, 4096);
	CU_ASSERT_TRUE(*c->server.cross_zone_aliases);
	CU_ASSERT_EQUAL(*c->server.log_level, LOG_LEVEL_DEBUG);
	CU_ASSERT_STRING_EQUAL(config_address_text(&c->listen[0].address, address),
			       "192.0.2.1#5353");
	CU_ASSERT_STRING_EQUAL(config_address_text(&c->listen[1].address, address),
			       "2001:db8::1#53");
	CU_ASSERT_EQUAL(c->tcp.max_connections, 5);
	CU_ASSERT_EQUAL(c->server.nsid_len, 2);
	CU_ASSERT_EQUAL(memcmp(c->server.nsid, "\0\xff", 2), 0);
	CU_ASSERT_EQUAL(c->server.report_channel.len, 15);
	CU_ASSERT_STRING_EQUAL(c->control.socket, "/run/x.sock");
	makes_settings(c);
	CU_ASSERT_EQUAL(*c->memory.hugepages, false);
	CU_ASSERT_EQUAL(c->transfer.max_records, 7);
	CU_ASSERT_EQUAL(c->dpdk.lcores_count, 2);
	CU_ASSERT_EQUAL(c->dpdk.lcores[1], 3);
	CU_ASSERT_STRING_EQUAL(c->dpdk.eal[1], "debug");
	CU_ASSERT_PTR_EQUAL(c->primaries[0].key, c->key_list.keys[0]);
	CU_ASSERT_PTR_NULL(c->primaries[1].key);
	CU_ASSERT_PTR_EQUAL(c->zones[0].settings->primaries[1], &c->primaries[1]);
	name_from_text("a.EXAMPLE", &name);
	CU_ASSERT_PTR_EQUAL(config_zone(c, name.wire), &c->zones[1]);
	name_from_text(".", &name);
	CU_ASSERT_PTR_EQUAL(config_zone(c, name.wire), &c->zones[2]);
	name_from_text("c.example", &name);
	CU_ASSERT_PTR_NULL(config_zone(c, name.wire));
	config_free(c);
}

struct mistake {
	const char *text;
	unsigned line;
	const char *part;
};

static void expect_mistakes(const struct mistake *cases, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		struct said said;
		struct config *c = parse(cases[i].text, &said);
		CU_ASSERT_PTR_NULL(c);
		CU_ASSERT(said.report.errors > 0);
		CU_ASSERT(said_at(&said, "us.yaml", cases[i].line, cases[i].part));
		config_free(c);
	}
}
#define EXPECT_MISTAKES(cases) expect_mistakes(cases, sizeof(cases) / sizeof((cases)[0]))

#define ONE_PRIMARY LISTEN "primaries:\n  - {id: p, address: 198.51.100.1}\n"

static void zones_say_more(void)
{
	static const char text[] = LISTEN
		"keys:\n  - {name: k, secret: Zm9v}\n"
		"transfer: {max-records: 9, memory: 64}\n"
		"primaries:\n  - {id: p, address: 198.51.100.1, source: 192.0.2.7, ixfr-udp: "
		"true}\n"
		"templates:\n  - id: t\n    primaries: [p]\n    refresh-min: 60\n"
		"    expire-max: 700\n    older-serial: refuse\n    refuse-serial-zero: true\n"
		"    allow-notify:\n      - from: 192.0.2.0/25\n"
		"      - {from: 2001:db8::5-2001:db8::9, key: k}\n      - from: 192.0.2.200\n"
		"zones:\n  - {name: a, template: t}\n"
		"  - name: b\n    template: t\n    primaries: [p]\n    refresh-min: 90\n"
		"    refuse-serial-zero: false\n    max-records: 5\n    retry-min: 99999999\n"
		"    allow-notify: [{from: 203.0.113.1}]\n"
		"  - {name: c, primaries: [p]}\n";
	struct said said;
	unsigned count;
	char address[CONFIG_ADDRESS_TEXT];
	struct config *c = parse(text, &said);
	CU_ASSERT_STRING_EQUAL(said.text, "");
	CU_ASSERT_PTR_NOT_NULL_FATAL(c);
	CU_ASSERT_EQUAL(c->transfer.memory_mib, 64);
	CU_ASSERT_STRING_EQUAL(config_address_text(&c->primaries[0].source, address),
			       "192.0.2.7#0");
	CU_ASSERT_TRUE(*c->primaries[0].ixfr_udp);
	const struct config_zone *a = &c->zones[0], *b = &c->zones[1], *d = &c->zones[2];
	CU_ASSERT_EQUAL(a->settings->primary_count, 1);
	CU_ASSERT_PTR_EQUAL(a->settings->primaries[0], &c->primaries[0]);
	struct zone_fsm_limits l = *config_zone_limits(a);
	CU_ASSERT_EQUAL(l.refresh_min_s, 60);
	CU_ASSERT_EQUAL(l.expire_max_s, 700);
	CU_ASSERT_EQUAL(l.retry_min_s, zone_fsm_limits_default.retry_min_s);
	CU_ASSERT_EQUAL(config_zone_policy(a).older, ZONE_FSM_OLDER_REFUSE);
	CU_ASSERT_TRUE(config_zone_policy(a).refuse_serial_zero);
	CU_ASSERT_EQUAL(config_zone_max_records(c, a), 9);
	l = *config_zone_limits(b);
	CU_ASSERT_EQUAL(l.refresh_min_s, 90);
	CU_ASSERT_EQUAL(l.retry_min_s, 99999999);
	CU_ASSERT_EQUAL(l.retry_max_s, 99999999);
	CU_ASSERT_FALSE(config_zone_policy(b).refuse_serial_zero);
	CU_ASSERT_EQUAL(config_zone_policy(b).older, ZONE_FSM_OLDER_REFUSE);
	CU_ASSERT_EQUAL(config_zone_max_records(c, b), 5);
	CU_ASSERT_EQUAL(config_zone_policy(d).older, ZONE_FSM_OLDER_EXPIRED);
	const struct config_notify *n = config_zone_notify(a, &count);
	CU_ASSERT_EQUAL_FATAL(count, 3);
	CU_ASSERT_STRING_EQUAL(config_address_text(&n[0].first, address), "192.0.2.0#0");
	CU_ASSERT_STRING_EQUAL(config_address_text(&n[0].last, address), "192.0.2.127#0");
	CU_ASSERT_STRING_EQUAL(config_address_text(&n[1].last, address), "2001:db8::9#0");
	CU_ASSERT_PTR_EQUAL(n[1].key, c->key_list.keys[0]);
	CU_ASSERT_STRING_EQUAL(config_address_text(&n[2].last, address), "192.0.2.200#0");
	config_zone_notify(b, &count);
	CU_ASSERT_EQUAL(count, 1);
	config_zone_notify(d, &count);
	CU_ASSERT_EQUAL(count, 0);
	config_free(c);
}

#define ALLOW(from)                                                                            \
	ONE_PRIMARY "zones:\n  - name: a\n    primaries: [p]\n    allow-notify: [{from: " from \
		    "}]\n"
#define FROM_EXPECTED "an address, a prefix such as 192.0.2.0/24, or FIRST-LAST is expected"

static void names_mistakes_of_zones(void)
{
	static const struct mistake cases[] = {
		{ ALLOW("192.0.2.0/33"), 7, FROM_EXPECTED },
		{ ALLOW("192.0.2.0/"), 7, FROM_EXPECTED },
		{ ALLOW("192.0.2.9-192.0.2.8"), 7, FROM_EXPECTED },
		{ ALLOW("192.0.2.9-2001:db8::1"), 7, FROM_EXPECTED },
		{ ALLOW("host"), 7, FROM_EXPECTED },
		{ ALLOW("\"::ffff:192.0.2.1\""), 7, FROM_EXPECTED },
		{ ALLOW("192.0.2.9, key: no"), 7, "the name of a key" },
		{ ONE_PRIMARY "zones:\n  - {name: a, template: t}\n", 5, "the id of a template" },
		{ ONE_PRIMARY "templates: [{id: t}, {id: t}]\n", 4, "no other template has" },
		{ ONE_PRIMARY "templates: [{id: t, refresh-min: 9, refresh-max: 8}]\n", 4,
		  "templates[0].refresh-max: no less than refresh-min is expected" },
		{ ONE_PRIMARY "templates: [{id: t, older-serial: perhaps}]\n", 4, "accept" },
		{ LISTEN "primaries: [{id: p, address: 192.0.2.1, source: 2001:db8::1}]\n", 2,
		  "of the same family" },
		{ LISTEN "primaries:\n  - id: p\n    address: 192.0.2.1\n    tls:\n"
			 "      name: ns1\n",
		  6, "\"transport: tls\" beside it" },
		{ TLS "transport: udp}]\n", 2, "one of tcp, tls is expected" },
		{ TLS "transport: tls, tls: {ca: none.pem}}]\n", 2,
		  "primaries[0].tls.ca: \"system\" or a readable file" },
		{ TLS "transport: tls, tls: {pins: [YWJj]}}]\n", 2,
		  "primaries[0].tls.pins[0]: the base64 of a SHA-256" },
		{ TLS "transport: tls, tls: {key: none.pem}}]\n", 2,
		  "primaries[0].tls.certificate: " },
	};
	EXPECT_MISTAKES(cases);
}

static void reads_tls(void)
{
	static const char text[] =
		LISTEN "primaries:\n  - {id: a, address: 192.0.2.9, transport: tls}\n"
		       "  - id: b\n    address: 2001:db8::9\n    port: 8853\n    transport: tls\n"
		       "    tls:\n      name: ns1.example\n"
		       "      pins: [YLh1dUR9y6Kja30RrAn7JKnbQG/uEtLMkBgFF2Fuihg=]\n"
		       "  - {id: c, address: 192.0.2.9, transport: tcp}\n"
		       "  - {id: d, address: 192.0.2.9, transport: tls, tls: {ca: system}}\n";
	struct said said;
	struct config *c = parse(text, &said);
	CU_ASSERT_STRING_EQUAL(said.text, "");
	CU_ASSERT_PTR_NOT_NULL_FATAL(c);
	CU_ASSERT_PTR_NOT_NULL(c->primaries[0].tls);
	CU_ASSERT_EQUAL(ntohs(c->primaries[0].address.v4.sin_port), 853);
	CU_ASSERT_PTR_NOT_NULL(c->primaries[1].tls);
	CU_ASSERT_EQUAL(ntohs(c->primaries[1].address.v6.sin6_port), 8853);
	CU_ASSERT_PTR_NULL(c->primaries[2].tls);
	CU_ASSERT_EQUAL(ntohs(c->primaries[2].address.v4.sin_port), 53);
	CU_ASSERT_FALSE(tls_context_same(c->primaries[0].tls, c->primaries[1].tls));
	config_free(c);
}

static void has_defaults(void)
{
	struct said said;
	struct config *c = parse(LISTEN, &said);
	CU_ASSERT_STRING_EQUAL(said.text, "");
	CU_ASSERT_PTR_NOT_NULL_FATAL(c);
	CU_ASSERT_EQUAL(c->server.edns_udp_octets, 1232);
	CU_ASSERT_PTR_NULL(c->server.identity);
	CU_ASSERT_EQUAL(c->listen[0].port, 53);
	CU_ASSERT_EQUAL(c->tcp.max_connections, 1000);
	CU_ASSERT_EQUAL(c->tcp.idle_s, 10);
	CU_ASSERT_STRING_EQUAL(c->control.socket, "/run/understudy/understudy.sock");
	CU_ASSERT_EQUAL(c->transfer.concurrent, 16);
	CU_ASSERT_EQUAL(c->dpdk.memory_mib, 200);
	struct settings_chance chance = { .cookie_secret = { 1 } };
	struct answer_config *settings = settings_new(c, &chance);
	CU_ASSERT_PTR_NOT_NULL_FATAL(settings);
	CU_ASSERT_EQUAL(settings->cookie_secrets, 1); // the one that was drawn
	CU_ASSERT_EQUAL(settings->cookie_secret[0][0], 1);
	CU_ASSERT_FALSE(settings->cookie_required);
	CU_ASSERT_EQUAL(settings->nsid_len + settings->report_channel.len, 0);
	CU_ASSERT_EQUAL(settings->rate_limit.responses_per_s, 0);
	CU_ASSERT_EQUAL(settings->rate_limit.slip, 2);
	settings_free(settings);
	config_free(c);
}

static void names_mistakes_of_form(void)
{
	static const struct mistake cases[] = {
		{ "", 1, "a configuration is expected, not an empty file" },
		{ "# nothing\n", 1, "an empty file" },
		{ "words", 1, "a mapping is expected, not \"words\"" },
		{ "- a\n", 1, "a mapping is expected, not a list" },
		{ "listen: [\n", 2, "YAML is expected" },
		{ LISTEN "tcp:\n\t- x\n", 3, "YAML is expected" },
		{ LISTEN "a: 'x\n", 3, "YAML is expected" },
		{ LISTEN "---\n" LISTEN, 2, "one document is expected" },
		{ "listen: &l [{address: 192.0.2.1}]\nports: *l\n", 2, "not an alias" },
		{ LISTEN "\nlisten: []\n", 3, "\"listen\" stands here again" },
		{ LISTEN "\nlissten: []\n", 3,
		  "unknown key \"lissten\": one of server, listen, tcp, cookies" },
		{ LISTEN "tcp:\n  idle: 3\n", 3,
		  "tcp: unknown key \"idle\": one of max-connections, idle-timeout is expected" },
		{ LISTEN "? [x]\n: y\n", 2, "unknown key" },
		{ "zones: []\n", 1, "\"listen\" is expected, but missing" },
		{ "listen:\n", 1, "listen: a list is expected, but nothing is there" },
		{ "listen: []\n", 1, "listen: a list of 1 to 64 entries is expected, not of 0" },
		{ LISTEN "tcp: 7\n", 2, "tcp: a mapping is expected, not \"7\"" },
		{ "listen:\n  - port: 53\n", 2, "listen[0]: \"address\" is expected, but missing" },
	};
	EXPECT_MISTAKES(cases);
}

static void names_mistakes_of_values(void)
{
	static const struct mistake cases[] = {
		{ "listen:\n  - address: 192.0.2.1\n    port: 70000\n", 3,
		  "listen[0].port: a number from 1 to 65535 is expected, not \"70000\"" },
		{ "listen:\n  - address: 192.0.2.1\n    port: 0\n", 3, "from 1 to 65535" },
		{ "listen:\n  - address: 192.0.2.1\n    port: 053\n", 3, "from 1 to 65535" },
		{ "listen:\n  - address: 192.0.2.1\n    port: 53x\n", 3, "not \"53x\"" },
		{ "listen:\n  - address: 192.0.2.1\n    port: -1\n", 3, "not \"-1\"" },
		{ "listen:\n  - address: 192.0.2.1\n    port: [1]\n", 3, "not a list" },
		{ "listen:\n  - address: 192.0.2.1\n    port:\n", 3, "but nothing is there" },
		{ LISTEN "server:\n  edns-udp-size: 511\n", 3, "a number from 512 to 65535" },
		{ LISTEN "server:\n  log-level: loud\n", 3,
		  "one of error, warning, info, debug is expected, not \"loud\"" },
		{ LISTEN "server:\n  identity: \"a\\0b\"\n", 3, "without a NUL octet" },
		{ LISTEN "memory:\n  hugepages: maybe\n", 3, "true or false is expected" },
		{ LISTEN "memory:\n  max: 99999999999999999999\n", 3, "a number from 0 to" },
		{ LISTEN "dpdk:\n  lcores: [1,\n  x]\n", 4, "dpdk.lcores[1]: a number" },
		{ LISTEN "dpdk:\n  lcores: [1,\n  2, 1]\n", 4, "dpdk.lcores[2]: a CPU that" },
		{ LISTEN "dpdk:\n  lcores:\n    - 0\n", 4, "other than dpdk.main-lcore" },
		{ "listen:\n  - address: example.com\n", 2,
		  "listen[0].address: an IPv4 or IPv6 address of this host" },
		{ "listen:\n  - address: 0.0.0.0\n", 2, "and not a wildcard" },
		{ "listen:\n  - address: '::'\n", 2, "and not a wildcard" },
		{ "listen:\n  - address: 224.0.0.1\n", 2, "an IPv4 or IPv6 address" },
		{ "listen:\n  - address: 1.2.3.4\n  - {address: 1.2.3.4, port: 53}\n", 3,
		  "does not stand here already" },
	};
	EXPECT_MISTAKES(cases);
}

static void names_mistakes_of_references(void)
{
	static const struct mistake cases[] = {
		{ LISTEN "keys:\n  - name: k\n    secret: '!'\n", 4,
		  "keys[0].secret: a secret in base64 is expected" },
		{ LISTEN "keys:\n  - name: k\n    algorithm: none\n    secret: Zg==\n", 4,
		  "keys[0].algorithm: an algorithm is expected" },
		{ LISTEN "keys:\n  - name: a..b\n    secret: Zg==\n", 3,
		  "keys[0].name: a domain name is expected" },
		{ LISTEN "keys:\n  - {name: k, secret: Zg==}\n  - {name: K., secret: Zg==}\n", 4,
		  "a name that no other key has is expected, not \"K.\"" },
		{ LISTEN "key-files:\n  - /nonexistent/keys\n", 3,
		  "key-files[0]: a readable file is expected, not \"/nonexistent/keys\"" },
		{ LISTEN "primaries:\n  - id: p\n    address: nowhere\n", 4,
		  "primaries[0].address: an IPv4 or IPv6 address of one host" },
		{ LISTEN KEYS "primaries:\n  - id: p\n    address: 1.2.3.4\n    key: x\n", 6,
		  "primaries[0].key: the name of a key in keys or key-files is expected, not "
		  "\"x\"" },
		{ LISTEN "primaries:\n  - {id: p, address: 1.2.3.4}\n"
			 "  - id: p\n    address: 1.2.3.5\n",
		  4, "primaries[1].id: an id that no other primary has" },
		{ LISTEN PRIMARIES "zones:\n  - name: a\n    primaries: [p, q]\n", 5,
		  "zones[0].primaries[1]: the id of a primary in primaries is expected, not "
		  "\"q\"" },
		{ LISTEN PRIMARIES "zones:\n  - name: a\n    primaries:\n      - p\n      - p\n", 7,
		  "a primary that does not stand here already" },
		{ LISTEN "zones:\n  - name: a\n    primaries: []\n", 4, "1 to 8 entries" },
		{ LISTEN "zones:\n  - name: a\n", 3, "\"primaries\" is expected, but missing" },
		{ LISTEN PRIMARIES "zones:\n  - name: a..b\n    primaries: [p]\n", 4,
		  "zones[0].name: a domain name" },
		{ LISTEN PRIMARIES
		  "zones:\n  - {name: a, primaries: [p]}\n"
		  "  - {name: b, primaries: [p]}\n  - {name: A., primaries: [p]}\n",
		  6, "zones[2].name: a zone that does not stand here already is expected" },
	};
	EXPECT_MISTAKES(cases);
}

static void names_mistakes_of_ports(void)
{
#define PORT LISTEN "ports:\n  - device: d\n    exception:\n      interface: "
	static const struct mistake cases[] = {
		{ PORT "us0\n      addresses: [10.0.0.1]\n", 6,
		  "ports[0].exception.addresses[0]: an address with its prefix length" },
		{ PORT "us0\n      addresses: [10.0.0.1/8,\n      '::1/129']\n", 7,
		  "ports[0].exception.addresses[1]" },
		{ PORT "us0\n      gateway: x\n", 6, "ports[0].exception.gateway: an IPv4 or" },
		{ PORT "us0\n      gateway6: 1.2.3.4\n", 6, "gateway6: an IPv6 address" },
		{ PORT "a/b\n", 5, "an interface's name is expected" },
		{ PORT "abcdefghijklmnop\n", 5, "of at most 15 octets is expected" },
		{ LISTEN "ports:\n  - device: d\n    mtu: 10\n", 4, "a number from 576 to 9216" },
	};
	EXPECT_MISTAKES(cases);
#ifndef UNDERSTUDY_DPDK
	static const struct mistake without[] = {
		{ LISTEN "ports:\n  - device: net_tap0\n", 3, "built without DPDK" },
	};
	EXPECT_MISTAKES(without);
#endif
}

static void bounds_names(void)
{
	struct said said;
	char text[2048] = LISTEN PRIMARIES "zones:\n  - primaries: [p]\n    name: ";
	for (int i = 0; i < 150; i++)
		strcat(text, "a.");
	CU_ASSERT_PTR_NULL(parse(text, &said));
	CU_ASSERT(said_at(&said, "us.yaml", 5, "labels of at most 63 octets, 255 in all"));
	strcpy(text, LISTEN PRIMARIES "zones:\n  - primaries: [p]\n    name: ");
	for (int i = 0; i < 64; i++)
		strcat(text, "a");
	CU_ASSERT_PTR_NULL(parse(text, &said));
	CU_ASSERT(said_at(&said, "us.yaml", 5, "labels of at most 63 octets"));
}

static void names_every_mistake(void)
{
	struct said said;
	CU_ASSERT_PTR_NULL(
		parse("tcp:\n  idle-timeout: x\nlisten:\n  - port: y\nzones: 3\n", &said));
	CU_ASSERT(said_at(&said, "us.yaml", 2, "tcp.idle-timeout"));
	CU_ASSERT(said_at(&said, "us.yaml", 4, "listen[0].port"));
	CU_ASSERT(said_at(&said, "us.yaml", 4, "\"address\" is expected"));
	CU_ASSERT(said_at(&said, "us.yaml", 5, "zones: a list is expected"));
	CU_ASSERT_EQUAL(said.report.errors, 4);
}

static void reads_files(void)
{
	char directory[] = "/tmp/test_config.XXXXXX", path[64], keys[64];
	struct said said;
	CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(directory));
	snprintf(path, sizeof(path), "%s/us.yaml", directory);
	snprintf(keys, sizeof(keys), "%s/keys", directory);
	said_init(&said);
	CU_ASSERT_PTR_NULL(config_read(path, &said.report));
	CU_ASSERT_PTR_NOT_NULL(strstr(said.text, "a readable file is expected"));
	CU_ASSERT_PTR_NULL(config_read(directory, &said.report));
	said_file(path, LISTEN KEYS "key-files: [keys]\n", 0604);
	said_file(keys, "key other { algorithm hmac-sha1; secret \"Zg==\"; };", 0600);
	said_init(&said);
	struct config *c = config_read(path, &said.report);
	CU_ASSERT_PTR_NOT_NULL_FATAL(c);
	CU_ASSERT_EQUAL(c->key_list.count, 2);
	CU_ASSERT_EQUAL(said.report.warnings, 1);
	CU_ASSERT_PTR_NOT_NULL(strstr(said.text, "anybody may read this file"));
	config_free(c);
	said_file(keys, "\nkey k { algorithm hmac-sha1; secret \"Zg==\"; };", 0600);
	said_init(&said);
	CU_ASSERT_PTR_NULL(config_read(path, &said.report));
	CU_ASSERT(said_at(&said, keys, 2, "another name is expected"));
	unlink(path);
	unlink(keys);
	rmdir(directory);
}

static void reads_verification_and_hooks(void)
{
	struct said said;
	struct config *c =
		parse(LISTEN PRIMARIES
		      "dnssec: {nsec3-iterations: {max: 0, above: refuse}, signature-warning: 0}\n"
		      "hooks: {command: [/bin/tell, x], timeout: 1, concurrent: 2, hold: 0}\n"
		      "templates: [{id: t, primaries: [p], zonemd: require, hooks: false}]\n"
		      "zones: [{name: a, template: t}, {name: b, primaries: [p]},\n"
		      "        {name: c, template: t, zonemd: ignore, hooks: true}]\n",
		      &said);
	CU_ASSERT_PTR_NOT_NULL_FATAL(c);
	CU_ASSERT(*c->dnssec.nsec3_iterations.max == 0);
	CU_ASSERT(*c->dnssec.nsec3_iterations.above == CONFIG_ABOVE_REFUSE);
	CU_ASSERT(*c->dnssec.signature_warning_h == 0);
	CU_ASSERT(c->hooks.command_count == 2 && !strcmp(c->hooks.command[0], "/bin/tell"));
	CU_ASSERT(c->hooks.timeout_s == 1 && c->hooks.concurrent == 2 && *c->hooks.hold_s == 0);
	CU_ASSERT_EQUAL(config_zone_zonemd(&c->zones[0]), ZONEMD_REQUIRE);
	CU_ASSERT_EQUAL(config_zone_zonemd(&c->zones[1]), ZONEMD_VERIFY);
	CU_ASSERT_EQUAL(config_zone_zonemd(&c->zones[2]), ZONEMD_IGNORE);
	CU_ASSERT(!config_zone_has_hooks(&c->zones[0]) && config_zone_has_hooks(&c->zones[1]));
	CU_ASSERT(config_zone_has_hooks(&c->zones[2]));
	config_free(c);
	CU_ASSERT_PTR_NULL(parse(LISTEN "dnssec:\n  nsec3-iterations:\n    max: 2501\n", &said));
	CU_ASSERT(said_at(&said, "us.yaml", 4, "a number from 0 to 2500"));
	CU_ASSERT_PTR_NULL(parse(LISTEN "hooks:\n  command: []\n", &said));
}

// A realloc of sanitizers copies always, and the parser grows its list by one.
#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define MANY_ZONES 5000
#endif
#endif
#ifdef __SANITIZE_ADDRESS__
#define MANY_ZONES 5000
#endif
#ifndef MANY_ZONES
#define MANY_ZONES 100000
#endif

// In time that grows with their number, and with nothing worse.
static void reads_many_zones(void)
{
	enum { ZONES = MANY_ZONES };
	struct said said;
	char *text = malloc(ZONES * 48 + 200), *at = text;
	CU_ASSERT_PTR_NOT_NULL_FATAL(text);
	at += sprintf(at, LISTEN PRIMARIES "templates: [{id: t, primaries: [p]}]\nzones:\n");
	for (unsigned i = 0; i < ZONES; i++)
		at += sprintf(at, "- {name: z%u.example, template: t}\n", i * 7919 % ZONES);
	clock_t start = clock();
	struct config *c = parse(text, &said);
	CU_ASSERT_PTR_NOT_NULL_FATAL(c);
	CU_ASSERT_EQUAL(c->zones_count, ZONES);
	// About half a second; sanitizers and slow machines take their part.
	CU_ASSERT(clock() - start < 10 * CLOCKS_PER_SEC);
	config_free(c);
	free(text);
}

// Primaries at one address are told apart by how they are talked to.
static void tells_primaries_apart(void)
{
	struct said said;
	struct config *c =
		parse("listen: [{address: 127.0.0.1}]\n"
		      "keys: [{name: k.example, algorithm: hmac-sha256, secret: c2VjcmV0},\n"
		      "  {name: l.example, algorithm: hmac-sha256, secret: c2VjcmV0}]\n"
		      "primaries: [{id: a, address: 192.0.2.1}, {id: b, address: 192.0.2.1},\n"
		      "  {id: c, address: 192.0.2.1, key: k.example}, {id: d, address: 192.0.2.1, "
		      "key: l.example},\n"
		      "  {id: e, address: 192.0.2.1, source: 192.0.2.2}, {id: f, address: "
		      "192.0.2.1, port: 54},\n"
		      "  {id: g, address: '2001:db8::1'}]\n",
		      &said);
	CU_ASSERT_PTR_NOT_NULL_FATAL(c);
	for (unsigned i = 0; i < c->primaries_count; i++) {
		CU_ASSERT_NOT_EQUAL(config_primary_mark(&c->primaries[i]), 0);
		for (unsigned k = 0; k < c->primaries_count; k++) {
			bool same = i == k || (i < 2 && k < 2);
			CU_ASSERT_EQUAL(config_primary_same(&c->primaries[i], &c->primaries[k]),
					same);
		}
	}
	// What is stored of them is found again by every release.
	CU_ASSERT_EQUAL(config_primary_mark(&c->primaries[0]), 0xc925cd24);
	config_free(c);
}

UNIT_MAIN("config", { "reads all", reads_all }, { "has defaults", has_defaults },
	  { "reads TLS", reads_tls }, { "zones say more", zones_say_more },
	  { "names mistakes of zones", names_mistakes_of_zones },
	  { "names mistakes of form", names_mistakes_of_form },
	  { "names mistakes of values", names_mistakes_of_values },
	  { "names mistakes of references", names_mistakes_of_references },
	  { "names mistakes of ports", names_mistakes_of_ports }, { "bounds names", bounds_names },
	  { "names every mistake", names_every_mistake }, { "reads files", reads_files },
	  { "reads verification and hooks", reads_verification_and_hooks },
	  { "reads many zones", reads_many_zones },
	  { "tells primaries apart", tells_primaries_apart })
