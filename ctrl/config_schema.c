// SPDX-License-Identifier: BSD-3-Clause
// The configuration's schema for libcyaml, and what each value is expected to be.
#include "config_schema.h"

#include "understudy/nsec3.h"

#define OPTIONAL CYAML_FLAG_OPTIONAL
#define LIST     (CYAML_FLAG_POINTER)
#define ANY      CYAML_UNLIMITED

// A mapping whose fields' offsets count from the struct that it stands in.
#define FIELD_MAPPING_FLAT(_key, _struct, _fields)                            \
	{                                                                     \
		.key = _key, .data_offset = 0,                                \
		.value = { CYAML_VALUE_MAPPING(OPTIONAL, _struct, _fields) }, \
	}

static const cyaml_strval_t log_levels[] = {
	{ "error", LOG_LEVEL_ERROR },
	{ "warning", LOG_LEVEL_WARNING },
	{ "info", LOG_LEVEL_INFO },
	{ "debug", LOG_LEVEL_DEBUG },
};

static const cyaml_schema_value_t text_entry = {
	CYAML_VALUE_STRING(CYAML_FLAG_POINTER, char *, 1, 4095),
};

static const cyaml_schema_value_t number_entry = {
	CYAML_VALUE_UINT(CYAML_FLAG_DEFAULT, unsigned),
};

static const cyaml_schema_field_t server_fields[] = {
	CYAML_FIELD_STRING_PTR("identity", OPTIONAL, struct config_server, identity, 1, 255),
	CYAML_FIELD_STRING_PTR("version", OPTIONAL, struct config_server, version, 1, 255),
	CYAML_FIELD_UINT("edns-udp-size", OPTIONAL, struct config_server, edns_udp_octets),
	CYAML_FIELD_BOOL_PTR("cross-zone-aliases", OPTIONAL, struct config_server,
			     cross_zone_aliases),
	CYAML_FIELD_STRING_PTR("nsid", OPTIONAL, struct config_server, nsid_text, 1,
			       2 + 2 * ANSWER_NSID_MAX),
	CYAML_FIELD_STRING_PTR("report-channel", OPTIONAL, struct config_server,
			       report_channel_text, 1, 1024),
	CYAML_FIELD_ENUM_PTR("log-level", OPTIONAL | CYAML_FLAG_STRICT, struct config_server,
			     log_level, log_levels, 4),
	CYAML_FIELD_END
};

static const cyaml_schema_field_t listen_fields[] = {
	CYAML_FIELD_STRING_PTR("address", 0, struct config_listen, address_text, 1, 63),
	CYAML_FIELD_UINT("port", OPTIONAL, struct config_listen, port), CYAML_FIELD_END
};
static const cyaml_schema_value_t listen_entry = {
	CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct config_listen, listen_fields),
};

static const cyaml_schema_field_t tcp_fields[] = {
	CYAML_FIELD_UINT("max-connections", OPTIONAL, struct config_tcp, max_connections),
	CYAML_FIELD_UINT("idle-timeout", OPTIONAL, struct config_tcp, idle_s), CYAML_FIELD_END
};

static const cyaml_schema_field_t cookies_fields[] = {
	CYAML_FIELD_BOOL_PTR("enabled", OPTIONAL, struct config_cookies, enabled),
	CYAML_FIELD_BOOL_PTR("require", OPTIONAL, struct config_cookies, require),
	CYAML_FIELD_SEQUENCE_COUNT("secrets", LIST | OPTIONAL, struct config_cookies, secret_texts,
				   secret_texts_count, &text_entry, 0, ANSWER_COOKIE_SECRETS_MAX),
	CYAML_FIELD_END
};

static const cyaml_schema_field_t rate_limit_fields[] = {
	CYAML_FIELD_UINT("responses-per-second", OPTIONAL, struct config_rate_limit,
			 responses_per_s),
	CYAML_FIELD_UINT("window", OPTIONAL, struct config_rate_limit, window_s),
	CYAML_FIELD_UINT_PTR("slip", OPTIONAL, struct config_rate_limit, slip),
	CYAML_FIELD_UINT("ipv4-prefix", OPTIONAL, struct config_rate_limit, ipv4_prefix_len),
	CYAML_FIELD_UINT("ipv6-prefix", OPTIONAL, struct config_rate_limit, ipv6_prefix_len),
	CYAML_FIELD_UINT("table-size", OPTIONAL, struct config_rate_limit, table_accounts),
	CYAML_FIELD_SEQUENCE_COUNT("exempt", LIST | OPTIONAL, struct config_rate_limit,
				   exempt_texts, exempt_texts_count, &text_entry, 0,
				   ANSWER_RATE_EXEMPT_MAX),
	CYAML_FIELD_END
};

static const cyaml_schema_field_t control_fields[] = {
	CYAML_FIELD_STRING_PTR("socket", OPTIONAL, struct config, control.socket, 1, 107),
	CYAML_FIELD_END
};

static const cyaml_schema_field_t memory_fields[] = {
	CYAML_FIELD_BOOL_PTR("hugepages", OPTIONAL, struct config_memory, hugepages),
	CYAML_FIELD_UINT("max", OPTIONAL, struct config_memory, max_mib), CYAML_FIELD_END
};

static const cyaml_schema_field_t database_fields[] = {
	CYAML_FIELD_BOOL_PTR("enabled", OPTIONAL, struct config_database, enabled),
	CYAML_FIELD_STRING_PTR("path", OPTIONAL, struct config_database, path, 1, 4000),
	CYAML_FIELD_END
};

static const cyaml_schema_field_t transfer_fields[] = {
	CYAML_FIELD_UINT("concurrent", OPTIONAL, struct config_transfer, concurrent),
	CYAML_FIELD_UINT("connect-timeout", OPTIONAL, struct config_transfer, connect_s),
	CYAML_FIELD_UINT("idle-timeout", OPTIONAL, struct config_transfer, idle_s),
	CYAML_FIELD_UINT("max-time", OPTIONAL, struct config_transfer, max_s),
	CYAML_FIELD_UINT("max-size", OPTIONAL, struct config_transfer, max_mib),
	CYAML_FIELD_UINT("max-records", OPTIONAL, struct config_transfer, max_records),
	CYAML_FIELD_UINT("memory", OPTIONAL, struct config_transfer, memory_mib),
	CYAML_FIELD_END
};

static const cyaml_strval_t above_words[] = {
	{ "serve", CONFIG_ABOVE_SERVE },
	{ "refuse", CONFIG_ABOVE_REFUSE },
};
static const cyaml_schema_field_t nsec3_iterations_fields[] = {
	CYAML_FIELD_UINT_PTR("max", OPTIONAL, struct config_dnssec, nsec3_iterations.max),
	CYAML_FIELD_ENUM_PTR("above", OPTIONAL | CYAML_FLAG_STRICT, struct config_dnssec,
			     nsec3_iterations.above, above_words, 2),
	CYAML_FIELD_END
};
static const cyaml_schema_field_t dnssec_fields[] = {
	FIELD_MAPPING_FLAT("nsec3-iterations", struct config_dnssec, nsec3_iterations_fields),
	CYAML_FIELD_UINT_PTR("signature-warning", OPTIONAL, struct config_dnssec,
			     signature_warning_h),
	CYAML_FIELD_END
};

static const cyaml_schema_field_t hooks_fields[] = {
	CYAML_FIELD_SEQUENCE_COUNT("command", LIST | OPTIONAL, struct config_hooks, command,
				   command_count, &text_entry, 1, CONFIG_HOOK_WORDS_MAX),
	CYAML_FIELD_UINT("timeout", OPTIONAL, struct config_hooks, timeout_s),
	CYAML_FIELD_UINT("concurrent", OPTIONAL, struct config_hooks, concurrent),
	CYAML_FIELD_UINT_PTR("hold", OPTIONAL, struct config_hooks, hold_s), CYAML_FIELD_END
};

static const cyaml_schema_field_t tsig_fields[] = {
	CYAML_FIELD_BOOL_PTR("allow-md5", OPTIONAL, struct config, tsig.allow_md5), CYAML_FIELD_END
};

static const cyaml_schema_field_t dpdk_fields[] = {
	CYAML_FIELD_SEQUENCE("lcores", LIST | OPTIONAL, struct config_dpdk, lcores, &number_entry,
			     0, CONFIG_LCORES_MAX),
	CYAML_FIELD_UINT("main-lcore", OPTIONAL, struct config_dpdk, main_lcore),
	CYAML_FIELD_BOOL_PTR("hugepages", OPTIONAL, struct config_dpdk, hugepages),
	CYAML_FIELD_UINT("memory", OPTIONAL, struct config_dpdk, memory_mib),
	CYAML_FIELD_SEQUENCE("eal", LIST | OPTIONAL, struct config_dpdk, eal, &text_entry, 0, 64),
	CYAML_FIELD_STRING_PTR("xdp-program", OPTIONAL, struct config_dpdk, xdp_program, 1, 4095),
	CYAML_FIELD_END
};

static const cyaml_schema_field_t exception_fields[] = {
	CYAML_FIELD_STRING_PTR("interface", 0, struct config_exception, interface, 1, 15),
	CYAML_FIELD_SEQUENCE_COUNT("addresses", LIST | OPTIONAL, struct config_exception,
				   address_texts, address_texts_count, &text_entry, 0, 16),
	CYAML_FIELD_STRING_PTR("gateway", OPTIONAL, struct config_exception, gateway_text, 1, 63),
	CYAML_FIELD_STRING_PTR("gateway6", OPTIONAL, struct config_exception, gateway6_text, 1, 63),
	CYAML_FIELD_UINT("rate", OPTIONAL, struct config_exception, frames_per_s),
	CYAML_FIELD_END
};

static const cyaml_schema_field_t port_fields[] = {
	CYAML_FIELD_STRING_PTR("device", 0, struct config_port, device, 1, 1023),
	CYAML_FIELD_UINT("mtu", OPTIONAL, struct config_port, mtu),
	CYAML_FIELD_UINT("mbufs", OPTIONAL, struct config_port, mbufs),
	CYAML_FIELD_MAPPING_PTR("exception", OPTIONAL, struct config_port, exception,
				exception_fields),
	CYAML_FIELD_END
};
static const cyaml_schema_value_t port_entry = {
	CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct config_port, port_fields),
};

static const cyaml_schema_field_t key_fields[] = {
	CYAML_FIELD_STRING_PTR("name", 0, struct config_key, name, 1, 1024),
	CYAML_FIELD_STRING_PTR("algorithm", OPTIONAL, struct config_key, algorithm, 1, 63),
	CYAML_FIELD_STRING_PTR("secret", 0, struct config_key, secret, 1, 4095), CYAML_FIELD_END
};
static const cyaml_schema_value_t key_entry = {
	CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct config_key, key_fields),
};

static const cyaml_strval_t transports[] = {
	{ "tcp", CONFIG_TRANSPORT_TCP },
	{ "tls", CONFIG_TRANSPORT_TLS },
};

static const cyaml_schema_field_t tls_fields[] = {
	CYAML_FIELD_STRING_PTR("ca", OPTIONAL, struct config_tls, ca, 1, 4095),
	CYAML_FIELD_STRING_PTR("name", OPTIONAL, struct config_tls, name, 1, 255),
	CYAML_FIELD_SEQUENCE("pins", LIST | OPTIONAL, struct config_tls, pins, &text_entry, 1, 32),
	CYAML_FIELD_STRING_PTR("certificate", OPTIONAL, struct config_tls, certificate, 1, 4095),
	CYAML_FIELD_STRING_PTR("key", OPTIONAL, struct config_tls, key, 1, 4095),
	CYAML_FIELD_END
};

static const cyaml_schema_field_t primary_fields[] = {
	CYAML_FIELD_STRING_PTR("id", 0, struct config_primary, id, 1, 255),
	CYAML_FIELD_STRING_PTR("address", 0, struct config_primary, address_text, 1, 63),
	CYAML_FIELD_UINT("port", OPTIONAL, struct config_primary, port),
	CYAML_FIELD_STRING_PTR("key", OPTIONAL, struct config_primary, key_name, 1, 1024),
	CYAML_FIELD_STRING_PTR("source", OPTIONAL, struct config_primary, source_text, 1, 63),
	CYAML_FIELD_BOOL_PTR("ixfr-udp", OPTIONAL, struct config_primary, ixfr_udp),
	CYAML_FIELD_ENUM_PTR("transport", OPTIONAL | CYAML_FLAG_STRICT, struct config_primary,
			     transport, transports, 2),
	CYAML_FIELD_MAPPING_PTR("tls", OPTIONAL, struct config_primary, tls_options, tls_fields),
	CYAML_FIELD_END
};
static const cyaml_schema_value_t primary_entry = {
	CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct config_primary, primary_fields),
};

static const cyaml_schema_value_t id_entry = {
	CYAML_VALUE_STRING(CYAML_FLAG_POINTER, char *, 1, 255),
};
static const cyaml_schema_field_t notify_fields[] = {
	CYAML_FIELD_STRING_PTR("from", 0, struct config_notify, from_text, 1, 127),
	CYAML_FIELD_STRING_PTR("key", OPTIONAL, struct config_notify, key_name, 1, 1024),
	CYAML_FIELD_END
};
static const cyaml_schema_value_t notify_entry = {
	CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct config_notify, notify_fields),
};

static const cyaml_strval_t older_serial_words[] = {
	{ "expired", ZONE_FSM_OLDER_EXPIRED },
	{ "refuse", ZONE_FSM_OLDER_REFUSE },
	{ "accept", ZONE_FSM_OLDER_ACCEPT },
};

static const cyaml_strval_t zonemd_words[] = {
	{ "verify", ZONEMD_VERIFY },
	{ "require", ZONEMD_REQUIRE },
	{ "ignore", ZONEMD_IGNORE },
};

// What a zone and a template have in common, in a struct with `options`.
// clang-format off
#define ZONE_OPTIONS(_struct)                                                                  \
	CYAML_FIELD_SEQUENCE_COUNT("primaries", LIST | OPTIONAL, _struct, options.primary_ids, \
				   options.primary_ids_count, &id_entry, 1,                    \
				   CONFIG_PRIMARIES_MAX),                                      \
	CYAML_FIELD_SEQUENCE_COUNT("allow-notify", LIST | OPTIONAL, _struct,                   \
				   options.allow_notify, options.allow_notify_count,           \
				   &notify_entry, 0, CONFIG_NOTIFY_MAX),                       \
	CYAML_FIELD_UINT("refresh-min", OPTIONAL, _struct, options.refresh_min_s),             \
	CYAML_FIELD_UINT("refresh-max", OPTIONAL, _struct, options.refresh_max_s),             \
	CYAML_FIELD_UINT("retry-min", OPTIONAL, _struct, options.retry_min_s),                 \
	CYAML_FIELD_UINT("retry-max", OPTIONAL, _struct, options.retry_max_s),                 \
	CYAML_FIELD_UINT("expire-min", OPTIONAL, _struct, options.expire_min_s),               \
	CYAML_FIELD_UINT("expire-max", OPTIONAL, _struct, options.expire_max_s),               \
	CYAML_FIELD_UINT("max-records", OPTIONAL, _struct, options.max_records),               \
	CYAML_FIELD_ENUM_PTR("older-serial", OPTIONAL | CYAML_FLAG_STRICT, _struct,            \
			     options.older_serial, older_serial_words, 3),                     \
	CYAML_FIELD_BOOL_PTR("refuse-serial-zero", OPTIONAL, _struct,                          \
			     options.refuse_serial_zero),                                      \
	CYAML_FIELD_BOOL_PTR("lengthen-refresh", OPTIONAL, _struct, options.lengthen_refresh), \
	CYAML_FIELD_BOOL_PTR("refuse-out-of-zone", OPTIONAL, _struct,                          \
			     options.refuse_out_of_zone),                                      \
	CYAML_FIELD_ENUM_PTR("zonemd", OPTIONAL | CYAML_FLAG_STRICT, _struct, options.zonemd,  \
			     zonemd_words, 3),                                                 \
	CYAML_FIELD_BOOL_PTR("hooks", OPTIONAL, _struct, options.hooks)
// clang-format on

static const cyaml_schema_field_t template_fields[] = {
	CYAML_FIELD_STRING_PTR("id", 0, struct config_template, id, 1, 255),
	ZONE_OPTIONS(struct config_template), CYAML_FIELD_END
};
static const cyaml_schema_value_t template_entry = {
	CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct config_template, template_fields),
};

static const cyaml_schema_field_t zone_fields[] = {
	CYAML_FIELD_STRING_PTR("name", 0, struct config_said_zone, name_text, 1, 1024),
	CYAML_FIELD_STRING_PTR("template", OPTIONAL, struct config_said_zone, template_id, 1, 255),
	ZONE_OPTIONS(struct config_said_zone), CYAML_FIELD_END
};
static const cyaml_schema_value_t zone_entry = {
	CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct config_said_zone, zone_fields),
};

static const cyaml_schema_field_t top_fields[] = {
	CYAML_FIELD_MAPPING("server", OPTIONAL, struct config, server, server_fields),
	CYAML_FIELD_SEQUENCE("listen", LIST, struct config, listen, &listen_entry, 1,
			     CONFIG_LISTEN_MAX),
	CYAML_FIELD_MAPPING("tcp", OPTIONAL, struct config, tcp, tcp_fields),
	CYAML_FIELD_MAPPING("cookies", OPTIONAL, struct config, cookies, cookies_fields),
	CYAML_FIELD_MAPPING("rate-limit", OPTIONAL, struct config, rate_limit, rate_limit_fields),
	FIELD_MAPPING_FLAT("control", struct config, control_fields),
	CYAML_FIELD_MAPPING("memory", OPTIONAL, struct config, memory, memory_fields),
	CYAML_FIELD_MAPPING("database", OPTIONAL, struct config, database, database_fields),
	CYAML_FIELD_MAPPING("transfer", OPTIONAL, struct config, transfer, transfer_fields),
	CYAML_FIELD_MAPPING("dnssec", OPTIONAL, struct config, dnssec, dnssec_fields),
	CYAML_FIELD_MAPPING("hooks", OPTIONAL, struct config, hooks, hooks_fields),
	CYAML_FIELD_MAPPING("dpdk", OPTIONAL, struct config, dpdk, dpdk_fields),
	CYAML_FIELD_SEQUENCE("ports", LIST | OPTIONAL, struct config, ports, &port_entry, 0,
			     CONFIG_PORTS_MAX),
	FIELD_MAPPING_FLAT("tsig", struct config, tsig_fields),
	CYAML_FIELD_SEQUENCE("keys", LIST | OPTIONAL, struct config, keys, &key_entry, 0, ANY),
	CYAML_FIELD_SEQUENCE("key-files", LIST | OPTIONAL, struct config, key_files, &text_entry, 0,
			     1000),
	CYAML_FIELD_SEQUENCE("primaries", LIST | OPTIONAL, struct config, primaries, &primary_entry,
			     0, ANY),
	CYAML_FIELD_SEQUENCE("templates", LIST | OPTIONAL, struct config, templates,
			     &template_entry, 0, ANY),
	CYAML_FIELD_SEQUENCE("zones", LIST | OPTIONAL, struct config, said_zones, &zone_entry, 0,
			     ANY),
	CYAML_FIELD_END
};

const cyaml_schema_value_t config_schema = {
	CYAML_VALUE_MAPPING(CYAML_FLAG_POINTER, struct config, top_fields),
};

#define ADDRESS_EXPECTED "an IPv4 or IPv6 address"
#define NSID_EXPECTED    "a text, or 0x and hexadecimal digits, of at most 128 octets"
#define SECRET_EXPECTED  "128 bits as 32 hexadecimal digits"
#define NOTIFY_EXPECTED  "an address, a prefix such as 192.0.2.0/24, or FIRST-LAST"

// clang-format off
#define SECONDS_MOST UINT32_C(0x7fffffff)
#define ZONE_RULES(_of)                                                               \
	{ .path = _of ".primaries[]", .expected = "the id of a primary" },            \
	{ .path = _of ".allow-notify[].from", .expected = NOTIFY_EXPECTED },          \
	{ .path = _of ".allow-notify[].key", .expected = "the name of a key" },       \
	{ .path = _of ".refresh-min", .least = 1, .most = SECONDS_MOST },             \
	{ .path = _of ".refresh-max", .least = 1, .most = SECONDS_MOST },             \
	{ .path = _of ".retry-min", .least = 1, .most = SECONDS_MOST },               \
	{ .path = _of ".retry-max", .least = 1, .most = SECONDS_MOST },               \
	{ .path = _of ".expire-min", .least = 1, .most = SECONDS_MOST },              \
	{ .path = _of ".expire-max", .least = 1, .most = SECONDS_MOST },              \
	{ .path = _of ".max-records", .least = 0, .most = UINT32_MAX }
// clang-format on

const struct yaml_rule config_rules[] = {
	{ .path = "server.edns-udp-size", .least = 512, .most = 65535 },
	{ .path = "server.nsid", .expected = NSID_EXPECTED },
	{ .path = "server.report-channel", .expected = "a domain name" },
	{ .path = "listen[].address", .expected = ADDRESS_EXPECTED },
	{ .path = "listen[].port", .least = 1, .most = 65535 },
	{ .path = "tcp.max-connections", .least = 1, .most = 100000 },
	{ .path = "tcp.idle-timeout", .least = 1, .most = 3600 },
	{ .path = "cookies.secrets[]", .expected = SECRET_EXPECTED },
	{ .path = "rate-limit.responses-per-second", .least = 0, .most = ANSWER_RATE_PER_S_MAX },
	{ .path = "rate-limit.window", .least = 1, .most = ANSWER_RATE_WINDOW_MAX_S },
	{ .path = "rate-limit.slip", .least = 0, .most = 1000 },
	{ .path = "rate-limit.ipv4-prefix", .least = 1, .most = 32 },
	{ .path = "rate-limit.ipv6-prefix", .least = 1, .most = 128 },
	{ .path = "rate-limit.table-size", .least = 64, .most = 16777216 },
	{ .path = "rate-limit.exempt[]", .expected = "an address with its prefix length" },
	{ .path = "control.socket", .expected = "a path" },
	{ .path = "memory.max", .least = 0, .most = 32768 },
	{ .path = "database.path", .expected = "a path" },
	{ .path = "transfer.concurrent", .least = 1, .most = 1000 },
	{ .path = "transfer.connect-timeout", .least = 1, .most = 300 },
	{ .path = "transfer.idle-timeout", .least = 1, .most = 3600 },
	{ .path = "transfer.max-time", .least = 1, .most = 86400 },
	{ .path = "transfer.max-size", .least = 0, .most = 1048576 },
	{ .path = "transfer.max-records", .least = 0, .most = UINT32_MAX },
	{ .path = "transfer.memory", .least = 0, .most = 32768 },
	{ .path = "dnssec.nsec3-iterations.max", .least = 0, .most = NSEC3_ITERATIONS_MOST },
	{ .path = "dnssec.signature-warning", .least = 0, .most = 8760 },
	{ .path = "hooks.command[]", .expected = "the path of a program, or an argument of it" },
	{ .path = "hooks.timeout", .least = 1, .most = 3600 },
	{ .path = "hooks.concurrent", .least = 1, .most = 100 },
	{ .path = "hooks.hold", .least = 0, .most = 86400 },
	{ .path = "dpdk.lcores[]", .least = 0, .most = 1023 },
	{ .path = "dpdk.main-lcore", .least = 0, .most = 1023 },
	{ .path = "dpdk.memory", .least = 16, .most = 1048576 },
	{ .path = "dpdk.eal[]", .expected = "an argument of DPDK's EAL" },
	{ .path = "dpdk.xdp-program", .expected = "a path" },
	{ .path = "ports[].device", .expected = "a PCI address or a device's arguments" },
	{ .path = "ports[].mtu", .least = 576, .most = 9216 },
	{ .path = "ports[].mbufs", .least = 512, .most = 4194304 },
	{ .path = "ports[].exception.interface", .expected = "an interface's name" },
	{ .path = "ports[].exception.addresses[]",
	  .expected = "an address with its prefix length, such as 10.53.0.2/24," },
	{ .path = "ports[].exception.gateway", .expected = ADDRESS_EXPECTED },
	{ .path = "ports[].exception.gateway6", .expected = "an IPv6 address" },
	{ .path = "ports[].exception.rate", .least = 1, .most = 100000000 },
	{ .path = "keys[].name", .expected = "a domain name" },
	{ .path = "keys[].algorithm", .expected = "an algorithm such as hmac-sha256" },
	{ .path = "keys[].secret", .expected = "a secret in base64" },
	{ .path = "key-files[]", .expected = "a path" },
	{ .path = "primaries[].id", .expected = "a word that zones call this primary by" },
	{ .path = "primaries[].address", .expected = ADDRESS_EXPECTED },
	{ .path = "primaries[].port", .least = 1, .most = 65535 },
	{ .path = "primaries[].key", .expected = "the name of a key" },
	{ .path = "primaries[].tls.ca", .expected = "\"system\" or a path" },
	{ .path = "primaries[].tls.name", .expected = "a host's name or an address" },
	{ .path = "primaries[].tls.pins[]", .expected = "the base64 of a SHA-256" },
	{ .path = "primaries[].tls.certificate", .expected = "a path" },
	{ .path = "primaries[].tls.key", .expected = "a path" },
	{ .path = "primaries[].source", .expected = ADDRESS_EXPECTED },
	{ .path = "templates[].id", .expected = "a word that zones call this template by" },
	ZONE_RULES("templates[]"),
	{ .path = "zones[].name", .expected = "a domain name" },
	{ .path = "zones[].template", .expected = "the id of a template" },
	ZONE_RULES("zones[]"),
	{ 0 },
};
