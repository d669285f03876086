// SPDX-License-Identifier: BSD-3-Clause
// When a primary's later signatures of our serial are worth a transfer, and when no more.
#include <stdio.h>
#include <string.h>

#include "loop.h"
#include "support/world.h"
#include "understudy/rr.h"
#include "unit.h"
#include "zones_parts.h"

#define ID 0x1234

#define ZONE_TEXT                                 \
	"@ 300 SOA ns root 5 3600 600 86400 60\n" \
	"@ 300 NS ns\n"                           \
	"ns 300 A 192.0.2.1\n"
#define RRSIG_AT(inception) "@ 300 RRSIG \\# 20 00060d020000012c7fffffff" inception "000100aa\n"

static struct world world;
static struct name apex;
static struct zones zones;
static struct config_settings settings;
static struct config_zone config;
static char names[2][2] = { "a", "b" };
static struct config_primary primaries[2] = { { .id = names[0] }, { .id = names[1] } };
static struct zone_primary_status statuses[2];
static struct secondary z;

static void serve(const char *text)
{
	rcu_reader_online();
	world_zone(&world, "z.test.", text);
	rcu_reader_offline();
}

static void begin(const char *text)
{
	world_open(&world);
	log_set_level(LOG_LEVEL_ERROR);
	name_from_text("z.test.", &apex);
	zones = (struct zones){ .db = world.db };
	settings = (struct config_settings){ .primary_count = 2,
					     .primaries = { &primaries[0], &primaries[1] } };
	config = (struct config_zone){ .name = apex.wire, .settings = &settings };
	for (unsigned i = 0; i < 2; i++)
		statuses[i] = (struct zone_primary_status){ .primary = &primaries[i] };
	z = (struct secondary){ .zones = &zones, .config = &config, .primaries = statuses };
	z.fsm.soa.serial = 5;
	rcu_reader_offline();
	serve(text);
}

static void end(void)
{
	rcu_reader_online();
	world_close(&world);
}

static void put_record(struct wire_out *w, const char *line)
{
	static struct world_record r;
	world_parse_record(line, &apex, &r);
	world_put_record(w, &r.record);
}

// What the primary's answer to a SOA query comes to: its serial, and a signature unless NULL.
static bool sees(unsigned primary, uint32_t serial, const char *inception)
{
	char line[128];
	uint8_t msg[512];
	struct xfr *engine;
	const struct xfr_options o = { .kind = XFR_SOA, .apex = apex.wire, .id = ID, .udp = true };
	CU_ASSERT_EQUAL_FATAL(xfr_new(&o, loop_time(), &engine), RESULT_OK);
	struct wire_out w = wire_out_init(msg, sizeof(msg));
	wire_put_u16(&w, ID);
	wire_put_u16(&w, DNS_FLAG_QR | DNS_FLAG_AA);
	wire_put_u16(&w, 1);
	wire_put_u16(&w, inception ? 2 : 1);
	wire_put_u32(&w, 0);
	wire_put_bytes(&w, apex.wire, apex.len);
	wire_put_u16(&w, RRTYPE_SOA);
	wire_put_u16(&w, RRCLASS_IN);
	snprintf(line, sizeof(line), "@ 300 SOA ns root %u 3600 600 86400 60", serial);
	put_record(&w, line);
	snprintf(line, sizeof(line), RRSIG_AT("%s"), inception ? inception : "");
	line[strlen(line) - 1] = '\0';
	if (inception)
		put_record(&w, line);
	CU_ASSERT_EQUAL_FATAL(xfr_datagram(engine, msg, wire_out_len(&w), loop_time()), XFR_DONE);
	z.asked = (uint8_t)primary;
	z.kind = XFR_SOA;
	statuses[primary].serial = serial;
	bool seen = secondary_see_resigned(&z, engine);
	xfr_free(engine);
	return seen;
}

// The whole zone comes from the primary, and is published.
static void transferred(unsigned primary, const char *text)
{
	z.asked = (uint8_t)primary;
	z.kind = XFR_AXFR;
	secondary_fetched_whole(&z);
	serve(text);
	secondary_settle_resigned(&z, true);
}

static void later_only(void)
{
	begin(ZONE_TEXT RRSIG_AT("00001000") RRSIG_AT("00000ff0"));
	CU_ASSERT(secondary_is_signed(&z));
	CU_ASSERT_FALSE(sees(0, 5, NULL));
	CU_ASSERT_FALSE(sees(0, 5, "00000ff8")); // than the latest of ours
	CU_ASSERT_FALSE(sees(0, 5, "00001000"));
	CU_ASSERT_FALSE(sees(0, 6, "00001001"));
	CU_ASSERT_FALSE(sees(0, 5, "80001000")); // RFC 1982: neither
	CU_ASSERT_FALSE(sees(0, 5, "f0000000")); // earlier
	CU_ASSERT_EQUAL(statuses[0].resigned, ZONE_RESIGNED_NOT);
	CU_ASSERT_EQUAL(zones.stats.resigned, 0);
	CU_ASSERT(sees(0, 5, "00001001"));
	CU_ASSERT_EQUAL(statuses[0].resigned, ZONE_RESIGNED_SEEN);
	CU_ASSERT_EQUAL(zones.stats.resigned, 1);
	end();
}

static void wraps(void)
{
	begin(ZONE_TEXT RRSIG_AT("fffffff0"));
	CU_ASSERT_FALSE(sees(0, 5, "ffffffe0"));
	CU_ASSERT(sees(0, 5, "00000000"));
	transferred(0, ZONE_TEXT RRSIG_AT("fffffff0"));
	CU_ASSERT_FALSE(sees(0, 5, "00000000"));
	CU_ASSERT(sees(0, 5, "00000001"));
	end();
}

static void unsigned_here(void)
{
	begin(ZONE_TEXT);
	CU_ASSERT_FALSE(secondary_is_signed(&z));
	CU_ASSERT_FALSE(sees(0, 5, "00001000"));
	serve(ZONE_TEXT "@ 300 RRSIG \\# 20 00020d020000012c7fffffff00001000000100aa\n"); // NS
	CU_ASSERT_FALSE(secondary_is_signed(&z));
	rcu_reader_online();
	world_expired(&world, "z.test.");
	rcu_reader_offline();
	CU_ASSERT_FALSE(secondary_is_signed(&z));
	end();
}

// Until a whole transfer has come, it is tried again; then at once only for what is later still.
static void once_each(void)
{
	begin(ZONE_TEXT RRSIG_AT("00001000"));
	CU_ASSERT(sees(0, 5, "00002000"));
	CU_ASSERT(sees(0, 5, "00002000"));
	CU_ASSERT_EQUAL(zones.stats.resigned, 1);
	transferred(0, ZONE_TEXT RRSIG_AT("00001000"));
	CU_ASSERT_EQUAL(statuses[0].resigned, ZONE_RESIGNED_MISSED);
	for (int i = 0; i < 2; i++) {
		CU_ASSERT_FALSE(sees(0, 5, "00002000"));
		CU_ASSERT_FALSE(sees(0, 5, "00001800"));
		CU_ASSERT_FALSE(sees(0, 5, "00001000"));
		CU_ASSERT_EQUAL(statuses[0].resigned, ZONE_RESIGNED_MISSED);
	}
	CU_ASSERT(sees(0, 5, "00003000"));
	CU_ASSERT_EQUAL(zones.stats.resigned, 2);
	transferred(0, ZONE_TEXT RRSIG_AT("00001000"));
	// What one primary did not give, another one may.
	CU_ASSERT(sees(1, 5, "00002000"));
	transferred(1, ZONE_TEXT RRSIG_AT("00002000"));
	CU_ASSERT_EQUAL(statuses[1].resigned, ZONE_RESIGNED_NOT);
	CU_ASSERT_EQUAL(statuses[0].resigned, ZONE_RESIGNED_MISSED);
	CU_ASSERT_FALSE(sees(1, 5, "00002000"));
	CU_ASSERT_FALSE(sees(0, 5, "00003000"));
	end();
}

// How many rounds pass until it is tried again.
static unsigned rounds_until_tried(void)
{
	unsigned rounds = 0;
	while (rounds < 1000 && !sees(0, 5, "00002000"))
		rounds++;
	return rounds;
}

// What a transfer did not bring is tried again, ever more rarely.
static void tried_again(void)
{
	static const unsigned rounds[] = { 0, 4, 8, 16, 32, 64, 128, 128 };
	begin(ZONE_TEXT RRSIG_AT("00001000"));
	for (unsigned i = 0; i < sizeof(rounds) / sizeof(rounds[0]); i++) {
		CU_ASSERT_EQUAL(rounds_until_tried(), rounds[i]);
		CU_ASSERT(sees(0, 5, "00002000")); // the transfer failed: at once again
		transferred(0, ZONE_TEXT RRSIG_AT("00001000"));
		CU_ASSERT_EQUAL(statuses[0].resigned, ZONE_RESIGNED_MISSED);
	}
	CU_ASSERT_EQUAL(zones.stats.resigned, 1);
	// Later ones begin anew.
	CU_ASSERT_FALSE(sees(0, 5, "00001fff"));
	CU_ASSERT(sees(0, 5, "00002001"));
	transferred(0, ZONE_TEXT RRSIG_AT("00001000"));
	CU_ASSERT_EQUAL(rounds_until_tried(), 4);
	transferred(0, ZONE_TEXT RRSIG_AT("00002000"));
	CU_ASSERT_EQUAL(statuses[0].resigned, ZONE_RESIGNED_MISSED); // 00002001 was shown
	transferred(0, ZONE_TEXT RRSIG_AT("00002001"));
	CU_ASSERT_EQUAL(statuses[0].resigned, ZONE_RESIGNED_NOT);
	end();
}

static void settled(void)
{
	begin(ZONE_TEXT RRSIG_AT("00001000"));
	CU_ASSERT(sees(0, 5, "00002000"));
	CU_ASSERT(sees(1, 5, "00002000"));
	// What one brings is not to be fetched from the other.
	transferred(0, ZONE_TEXT RRSIG_AT("00002000"));
	CU_ASSERT_EQUAL(statuses[0].resigned, ZONE_RESIGNED_NOT);
	CU_ASSERT_EQUAL(statuses[1].resigned, ZONE_RESIGNED_NOT);
	// With another serial all that was seen is past.
	CU_ASSERT(sees(0, 5, "00003000"));
	serve(ZONE_TEXT RRSIG_AT("00002800"));
	secondary_settle_resigned(&z, false);
	CU_ASSERT_EQUAL(statuses[0].resigned, ZONE_RESIGNED_NOT);
	CU_ASSERT(sees(0, 5, "00003000"));
	// So it is once the zone is not signed any more.
	transferred(0, ZONE_TEXT);
	CU_ASSERT_EQUAL(statuses[0].resigned, ZONE_RESIGNED_NOT);
	end();
}

static void times(void)
{
	uint64_t now_s = loop_time().unix_s;
	struct zone_primary_status s = { .resigned_s = (uint32_t)(now_s - 3600) };
	CU_ASSERT_EQUAL(zone_resigned_unix_s(&s), (int64_t)now_s - 3600);
	s.resigned_s = (uint32_t)(now_s + 0x7ffffff0);
	CU_ASSERT(zone_resigned_unix_s(&s) >= (int64_t)now_s + 0x7ffffff0);
}

UNIT_MAIN("zones_resigned", { "later only", later_only }, { "serials wrap", wraps },
	  { "unsigned here", unsigned_here }, { "once each", once_each },
	  { "tried again", tried_again }, { "settled", settled }, { "times", times })
