// SPDX-License-Identifier: BSD-3-Clause
// The configuration: read by schema, checked, and resolved for use.
//
// Purpose: one value that holds all that docs/understudy.yaml.example shows; a
// reload reads another and compares. Fields that the YAML file fills stand first in
// each struct, what is computed from them behind `resolved`. Once it is loaded nothing
// of it changes but the zones that come and go by command (additions.h).
// Threads: one at a time.
// Ownership: config_free frees all of it.
#pragma once

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "keyfile.h"
#include "report.h"
#include "tls.h"
#include "understudy/answer.h"
#include "understudy/name.h"
#include "understudy/zone_fsm.h"
#include "zonemd.h"

#define CONFIG_LISTEN_MAX       64
#define CONFIG_PORTS_MAX        16
#define CONFIG_LCORES_MAX       64
#define CONFIG_HOOK_WORDS_MAX   64
#define CONFIG_PRIMARIES_MAX    8  // of one zone
#define CONFIG_NOTIFY_MAX       64 // of one zone, beside its primaries
#define CONFIG_DATABASE_DEFAULT "/var/lib/understudy"
#define CONFIG_FILE_DEFAULT     "/etc/understudy/understudy.yaml"

// An address with its port; for a prefix the port is 0.
struct config_address {
	union {
		struct sockaddr any;
		struct sockaddr_in v4;
		struct sockaddr_in6 v6;
	};
};
#define CONFIG_ADDRESS_TEXT 80
// "192.0.2.1#53", "2001:db8::1#53"; returns buf.
const char *config_address_text(const struct config_address *a, char buf[CONFIG_ADDRESS_TEXT]);
bool config_address_equal(const struct config_address *a, const struct config_address *b);
socklen_t config_address_octets(const struct config_address *a);
// The address alone in network byte order, 4 or 16 octets; returns 4 or 6, its family.
uint8_t config_address_wire(const struct config_address *a, uint8_t out[16]);
// And back, with a port in host byte order; `family` is 4 or 6.
void config_address_set(struct config_address *a, uint8_t family, const uint8_t octets[16],
			uint16_t port);

enum config_above { CONFIG_ABOVE_SERVE, CONFIG_ABOVE_REFUSE };

struct config_server {
	char *identity;
	char *version;
	uint16_t edns_udp_octets;
	bool *cross_zone_aliases;
	enum log_level *log_level;
	char *nsid_text;
	char *report_channel_text;
	// resolved
	uint8_t nsid[ANSWER_NSID_MAX];
	uint8_t nsid_len;           // 0 = none
	struct name report_channel; // len 0 = none
};

struct config_cookies {
	bool *enabled;
	bool *require;
	char **secret_texts;
	unsigned secret_texts_count;
	// resolved
	uint8_t secrets[ANSWER_COOKIE_SECRETS_MAX][ANSWER_COOKIE_SECRET_OCTETS];
};

struct config_listen {
	char *address_text;
	uint16_t port;
	// resolved
	struct config_address address;
};

struct config_tcp {
	uint32_t max_connections;
	uint16_t idle_s;
};

struct config_memory {
	bool *hugepages;
	uint32_t max_mib;
};

struct config_database {
	bool *enabled;
	char *path;
};

struct config_transfer {
	uint16_t concurrent;
	uint16_t connect_s;
	uint16_t idle_s;
	uint32_t max_s;
	uint32_t max_mib;     // 0 = no limit
	uint64_t max_records; // 0 = no limit
	uint32_t memory_mib;  // of all transfers together; 0 = no limit
};

struct config_dnssec {
	struct {
		uint16_t *max;
		enum config_above *above;
	} nsec3_iterations;
	uint32_t *signature_warning_h; // 0 = none
};

struct config_hooks {
	char **command;
	unsigned command_count; // 0 = none
	uint16_t timeout_s;
	uint16_t concurrent;
	uint32_t *hold_s;
};

struct config_dpdk {
	unsigned *lcores;
	unsigned lcores_count;
	unsigned main_lcore;
	bool *hugepages;
	uint32_t memory_mib;
	char **eal;
	unsigned eal_count;
	char *xdp_program;
};

struct config_prefix {
	struct config_address address;
	uint8_t prefix_len;
};

struct config_rate_limit {
	uint32_t responses_per_s; // 0 = no limit
	uint16_t window_s;
	uint16_t *slip;
	uint8_t ipv4_prefix_len;
	uint8_t ipv6_prefix_len;
	uint32_t table_accounts;
	char **exempt_texts;
	unsigned exempt_texts_count;
	// resolved
	struct config_prefix exempt[ANSWER_RATE_EXEMPT_MAX];
};

struct config_exception {
	char *interface;
	char **address_texts;
	unsigned address_texts_count;
	char *gateway_text;
	char *gateway6_text;
	uint32_t frames_per_s;
	// resolved
	struct config_prefix *addresses; // address_texts_count of them
	struct config_prefix gateways[2];
	unsigned gateway_count;
};

struct config_port {
	char *device;
	uint16_t mtu;
	uint32_t mbufs;
	struct config_exception *exception;
};

struct config_key {
	char *name;
	char *algorithm;
	char *secret;
};

enum config_transport { CONFIG_TRANSPORT_TCP, CONFIG_TRANSPORT_TLS };

// As struct tls_settings (tls.h).
struct config_tls {
	char *ca;
	char *name;
	char **pins;
	unsigned pins_count;
	char *certificate;
	char *key;
};

struct config_primary {
	char *id;
	char *address_text;
	uint16_t port;
	char *key_name;
	char *source_text;
	bool *ixfr_udp;
	enum config_transport *transport;
	struct config_tls *tls_options;
	// resolved
	struct tls_context *tls; // NULL: without TLS
	struct config_address address;
	struct config_address source; // port 0; family AF_UNSPEC: any
	const struct tsig_key *key;   // NULL: unsigned; in config.key_list
};

// A number for how the primary is talked to, apart from its address: from where, with which
// key by name, over TLS or not. Never 0; the same on every machine and at all times.
uint32_t config_primary_mark(const struct config_primary *p);
// Whether two of them, of two configurations, are the same primary talked to in the same way.
bool config_primary_same(const struct config_primary *a, const struct config_primary *b);

// Who may send NOTIFYs besides the primaries: an address, a prefix, or a range.
struct config_notify {
	char *from_text;
	char *key_name;
	// resolved
	struct config_address first, last; // port 0
	const struct tsig_key *key;        // NULL: need not be signed
};

// What a zone may say, or a template for many; 0, NULL: not said.
struct config_zone_options {
	char **primary_ids;
	unsigned primary_ids_count;
	struct config_notify *allow_notify;
	unsigned allow_notify_count;
	uint32_t refresh_min_s, refresh_max_s;
	uint32_t retry_min_s, retry_max_s;
	uint32_t expire_min_s, expire_max_s;
	uint64_t max_records;
	enum zone_fsm_older *older_serial;
	bool *refuse_serial_zero;
	bool *lengthen_refresh;
	bool *refuse_out_of_zone;
	enum zonemd_policy *zonemd;
	bool *hooks;
};

struct config_template {
	char *id;
	struct config_zone_options options;
};

// What the file says of a zone.
struct config_said_zone {
	char *name_text;
	char *template_id;
	struct config_zone_options options;
};

// What holds for zones of which the same is said.
struct config_settings {
	const struct config_template *template; // or NULL
	const struct config_zone_options *own;  // NULL: primaries at most
	const struct config_primary *primaries[CONFIG_PRIMARIES_MAX];
	unsigned primary_count;
	struct zone_fsm_limits limits;
	struct config_settings *next, *next_of_hash;
};

struct config_zone {
	const uint8_t *name; // in wire form
	const struct config_settings *settings;
	bool added; // by command (additions.h); not in the file
};

struct config {
	struct config_server server;
	struct config_listen *listen;
	unsigned listen_count;
	struct config_tcp tcp;
	struct config_cookies cookies;
	struct config_rate_limit rate_limit;
	struct {
		char *socket;
	} control;
	struct config_memory memory;
	struct config_database database;
	struct config_transfer transfer;
	struct config_dnssec dnssec;
	struct config_hooks hooks;
	struct {
		bool *allow_md5;
	} tsig;
	struct config_dpdk dpdk;
	struct config_port *ports;
	unsigned ports_count;
	struct config_key *keys;
	unsigned keys_count;
	char **key_files;
	unsigned key_files_count;
	struct config_primary *primaries;
	unsigned primaries_count;
	struct config_template *templates;
	unsigned templates_count;
	struct config_said_zone
		*said_zones; // until resolved, unless zones have options of their own
	unsigned said_zones_count;
	// resolved
	struct key_list key_list;
	struct config_zone *zones; // as they stand in the file
	unsigned zones_count;
	struct config_zone **zones_by_name; // zones_total of them, in canonical order
	unsigned zones_total;               // in the file, and added by command
	unsigned zones_room;
	struct config_settings *settings; // all of them
	uint8_t *names;
};

// Reads the file and what it names. NULL if anything is wrong; every mistake is
// reported with its line and with what was expected.
struct config *config_read(const char *path, struct report *report);

// The same of text in memory; `path` is for messages and relative key files.
struct config *config_parse(const char *path, const char *text, size_t len, struct report *report);
void config_free(struct config *c);

// The zone of this name, or NULL.
const struct config_zone *config_zone(const struct config *c, const uint8_t *name);

// What holds for a zone: what it says itself, else its template, else the default.
const struct zone_fsm_limits *config_zone_limits(const struct config_zone *z);
struct zone_fsm_policy config_zone_policy(const struct config_zone *z);
enum zonemd_policy config_zone_zonemd(const struct config_zone *z);
bool config_zone_has_hooks(const struct config_zone *z);
bool config_zone_refuses_outside(const struct config_zone *z);
uint64_t config_zone_max_records(const struct config *c, const struct config_zone *z);
// *count of them.
const struct config_notify *config_zone_notify(const struct config_zone *z, unsigned *count);
