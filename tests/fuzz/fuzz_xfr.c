// SPDX-License-Identifier: BSD-3-Clause
// Fuzzes the transfer engine: any stream, in any segmentation, into a zonedb.
//
// The first octet says what is asked and how the response is helped past its
// gates, the second how it is cut into pieces; what follows is the stream. The
// same stream is fed twice, whole and in pieces, and must come out the same.
// A version that comes of it is published and checked.
#include <stdio.h>
#include <string.h>

#include "fuzz.h"
#include "support/world.h"
#include "understudy/tsig.h"
#include "understudy/wire.h"
#include "understudy/xfr.h"

#define ID           0x1234
#define WORLD_INPUTS 256 // after so many a new world, so that none grows without end

enum {
	MODE_KEY = 1,     // with TSIG; each message is signed for the fuzzer
	MODE_SOA = 2,     // a SOA query, else an AXFR
	MODE_UDP = 4,     // over UDP (unless AXFR)
	MODE_GAPS = 8,    // with MODE_KEY: every second message is not signed
	MODE_NO_KEY = 16, // with MODE_KEY: nothing is signed
	MODE_LIMITS = 32,
	MODE_IXFR = 64 // without MODE_SOA: an IXFR, if there is a version to begin at
};

static struct world world;
static unsigned inputs;
static struct name apex;
static struct tsig_key key = { .algorithm = TSIG_HMAC_SHA256, .secret_len = 32 };
static const struct xfr_time now = { .unix_s = 1700000000, .monotonic_ms = 1 };

static const char zone_text[] = "@ 300 SOA ns root 1 3600 600 86400 60\n"
				"@ 300 NS ns\n"
				"a 300 A 192.0.2.1\n"
				"a 300 A 192.0.2.2\n";

static uint8_t stream[1 << 18];
static size_t stream_len;

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	if (name_from_text("z.", &apex) != RESULT_OK)
		return 1;
	return name_from_text("k.", &key.name);
}

static enum xfr_kind kind_of(uint8_t mode)
{
	return mode & MODE_SOA ? XFR_SOA : mode & MODE_IXFR ? XFR_IXFR : XFR_AXFR;
}

static bool is_udp(uint8_t mode)
{
	return kind_of(mode) != XFR_AXFR && (mode & MODE_UDP);
}

static struct xfr *open_exchange(uint8_t mode)
{
	const struct catalog *view = zonedb_view(world.db);
	const struct zone *zone = catalog_zone(view, apex.wire);
	struct soa base = { .serial = 1 };
	if (zone)
		zone_soa(view, zone, &base);
	rcu_reader_quiescent();
	struct xfr_options options = {
		.kind = kind_of(mode),
		.apex = apex.wire,
		.id = ID,
		.udp = is_udp(mode),
		.edns = mode & MODE_IXFR,
		.dnssec = true,
		.base = &base,
		.key = mode & MODE_KEY ? &key : NULL,
		.db = world.db,
		.max_records = mode & MODE_LIMITS ? 5 : 10000,
		.max_octets = mode & MODE_LIMITS ? 1000 : 0,
		.max_duration_ms = 1000,
		.max_idle_ms = 500,
	};
	struct xfr *x = NULL;
	REQUIRE(xfr_new(&options, now, &x) == RESULT_OK);
	return x;
}

static struct tsig_stream *open_signer(const struct xfr *x, bool udp)
{
	struct tsig_stream *s = NULL;
	struct tsig_rr rr;
	size_t len;
	const uint8_t *query = xfr_query(x, &len);
	size_t prefix = udp ? 0 : 2;
	REQUIRE(tsig_find(query + prefix, len - prefix, &rr) == RESULT_OK);
	REQUIRE(tsig_stream_new(&key, rr.mac, rr.mac_len, &s) == RESULT_OK);
	return s;
}

// The messages of the input, signed where the mode says so and where it can be.
static void sign_stream(uint8_t mode, struct tsig_stream *signer, const uint8_t *data, size_t size)
{
	uint16_t error;
	struct wire in = wire_init(data, size);
	stream_len = 0;
	for (unsigned i = 0; wire_left(&in) >= 2; i++) {
		size_t len = wire_u16(&in);
		if (len > wire_left(&in))
			len = wire_left(&in);
		uint8_t *out = stream + stream_len;
		size_t room = sizeof(stream) - stream_len;
		if (room < len + 512)
			break;
		memcpy(out + 2, wire_take(&in, len), len);
		if ((mode & MODE_GAPS) && i % 2)
			tsig_stream_message(signer, out + 2, len, now.unix_s, &error);
		else if (len >= 12 && len < 60000)
			tsig_stream_sign(signer, now.unix_s, out + 2, &len, room - 2);
		wire_poke_be16(out, (uint16_t)len);
		stream_len += 2 + len;
	}
}

static enum xfr_status feed(struct xfr *x, bool udp, size_t piece)
{
	enum xfr_status status = XFR_MORE;
	for (size_t at = 0; at < stream_len && status == XFR_MORE; at += piece) {
		size_t n = stream_len - at < piece ? stream_len - at : piece;
		uint8_t *copy = malloc(n);
		REQUIRE(copy);
		memcpy(copy, stream + at, n);
		status = udp ? xfr_datagram(x, copy, n, now) : xfr_feed(x, copy, n, now);
		free(copy);
	}
	if (status == XFR_MORE) {
		REQUIRE(xfr_deadline_ms(x) <= 501);
		status = udp ? xfr_tick(x, (struct xfr_time){ now.unix_s, 501 }) : xfr_eof(x);
	}
	REQUIRE(status == xfr_status(x) && status != XFR_MORE);
	REQUIRE((status == XFR_DONE) == (xfr_reason(x) == XFR_REASON_NONE));
	return status;
}

static void publish(struct xfr *x)
{
	struct zone_version *v = xfr_take_version(x);
	struct soa soa, held;
	char why[256] = "";
	xfr_soa(x, &soa);
	REQUIRE(v);
	zonedb_publish(world.db, &v, 1);
	const struct catalog *view = zonedb_view(world.db);
	if (zonedb_check(world.db, view, why, sizeof(why)) != RESULT_OK) {
		fprintf(stderr, "%s\n", why);
		abort();
	}
	const struct zone *zone = catalog_zone(view, apex.wire);
	REQUIRE(zone && zone_state(zone) == ZONE_SERVED);
	zone_soa(view, zone, &held);
	REQUIRE(held.serial == soa.serial && held.expire_s == soa.expire_s);
	rcu_reader_quiescent();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 2 || size > 100000)
		return 0;
	if (inputs++ % WORLD_INPUTS == 0) {
		if (inputs > 1)
			world_close(&world);
		world_open(&world);
		world_zone(&world, "z.", zone_text); // what differences begin at
	}
	uint8_t mode = data[0];
	bool udp = is_udp(mode);
	struct xfr *whole = open_exchange(mode);
	if ((mode & MODE_KEY) && !(mode & MODE_NO_KEY)) {
		struct tsig_stream *signer = open_signer(whole, udp);
		sign_stream(mode, signer, data + 2, size - 2);
		tsig_stream_free(signer);
		if (udp && stream_len) // datagrams have no lengths before them
			memmove(stream, stream + 2, stream_len -= 2);
	} else {
		stream_len = size - 2;
		memcpy(stream, data + 2, stream_len);
	}
	enum xfr_status status = feed(whole, udp, udp ? 1u + data[1] : sizeof(stream));
	enum xfr_reason reason = xfr_reason(whole);
	if (status == XFR_FAILED)
		REQUIRE(!xfr_take_version(whole));
	struct xfr_stats stats = *xfr_stats(whole);
	xfr_free(whole);
	if (udp)
		return 0;

	struct xfr *pieces = open_exchange(mode);
	enum xfr_status again = feed(pieces, false, 1u + data[1]);
	// What follows the end is seen only if it comes with it; and before what is wrong with
	// the zone as a whole.
	if (reason != XFR_REASON_TRAILING || xfr_reason(pieces) == XFR_REASON_TRAILING) {
		REQUIRE(again == status && xfr_reason(pieces) == reason);
		REQUIRE(memcmp(&stats, xfr_stats(pieces), sizeof(stats)) == 0);
	}
	if (again == XFR_DONE && kind_of(mode) != XFR_SOA && xfr_form(pieces) != XFR_FORM_CURRENT)
		publish(pieces);
	xfr_free(pieces);
	return 0;
}
