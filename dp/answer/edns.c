// SPDX-License-Identifier: BSD-3-Clause
// EDNS options of queries and replies: NSID (RFC 5001), EXPIRE (7314), COOKIE
// (7873), tcp-keepalive (7828), ZONEVERSION (9660).
//
// Options that we do not know, or do not answer to (client-subnet, padding and
// the like), are stepped over.
#include "edns.h"

#include "understudy/wire.h"

#define ZONEVERSION_SOA_SERIAL 0

// RFC 7873 section 5.2.2; only the first such option counts.
static bool read_cookie(const uint8_t *data, unsigned octets, struct edns_asked *asked)
{
	unsigned server_octets = octets - COOKIE_CLIENT_OCTETS;
	if (octets < COOKIE_CLIENT_OCTETS || server_octets > COOKIE_SERVER_OCTETS_MAX ||
	    (server_octets > 0 && server_octets < COOKIE_SERVER_OCTETS_MIN))
		return false;
	if (asked->what & EDNS_ASKS_COOKIE)
		return true;
	asked->what |= EDNS_ASKS_COOKIE;
	asked->server_octets = (uint8_t)server_octets;
	memcpy(&asked->cookie, data,
	       octets < sizeof(asked->cookie) ? octets : sizeof(asked->cookie));
	return true;
}

static bool read_option(unsigned code, const uint8_t *data, unsigned octets, bool stream,
			struct edns_asked *asked)
{
	switch (code) {
	case EDNS_NSID: // whatever it holds (RFC 5001 section 2.1)
		asked->what |= EDNS_ASKS_NSID;
		return true;
	case EDNS_EXPIRE: // likewise, as with BIND and Knot
		asked->what |= EDNS_ASKS_EXPIRE;
		return true;
	case EDNS_COOKIE: return read_cookie(data, octets, asked);
	case EDNS_KEEPALIVE: // over UDP it is not looked at (RFC 7828 section 3.2.1)
		asked->what |= stream && octets == 0 ? EDNS_ASKS_KEEPALIVE : 0;
		return !stream || octets == 0;
	case EDNS_ZONEVERSION:
		asked->what |= octets == 0 ? EDNS_ASKS_ZONEVERSION : 0;
		return octets == 0;
	default: return true;
	}
}

enum edns_read edns_read(const uint8_t *rdata, size_t len, bool stream, struct edns_asked *asked)
{
	enum edns_read verdict = EDNS_READ;
	struct wire w = wire_init(rdata, len);
	while (wire_left(&w) > 0) {
		unsigned code = wire_u16(&w), octets = wire_u16(&w);
		const uint8_t *data = wire_take(&w, octets);
		if (!data)
			return EDNS_BAD_RECORD;
		if (!read_option(code, data, octets, stream, asked))
			verdict = EDNS_BAD_OPTION;
	}
	return verdict;
}

// ---- replies

static void put_head(struct wire_out *o, unsigned code, size_t octets)
{
	wire_put_u16(o, (uint16_t)code);
	wire_put_u16(o, (uint16_t)octets);
}

// How long the zone may still be served without word from a primary.
static uint32_t expire_s(const struct edns_facts *f)
{
	struct soa soa;
	uint64_t at_s = zone_expires_unix_s(f->zone);
	uint64_t left_s = at_s > f->now_s ? at_s - f->now_s : 0;
	if (!at_s) { // nobody has said: what the zone itself says
		zone_soa(f->view, f->zone, &soa);
		return soa.expire_s;
	}
	return left_s < UINT32_MAX ? (uint32_t)left_s : UINT32_MAX;
}

void edns_write(struct edns_reply *out, const struct edns_facts *f)
{
	struct wire_out o = wire_out_init(out->option, sizeof(out->option));
	unsigned what = f->asked->what;
	if ((what & EDNS_ASKS_COOKIE) && f->config->cookie_secrets) {
		put_head(&o, EDNS_COOKIE, sizeof(struct cookie));
		wire_put_bytes(&o, &f->asked->cookie, sizeof(struct cookie));
	}
	if ((what & EDNS_ASKS_NSID) && f->config->nsid_len) {
		put_head(&o, EDNS_NSID, f->config->nsid_len);
		wire_put_bytes(&o, f->config->nsid, f->config->nsid_len);
	}
	if ((what & EDNS_ASKS_KEEPALIVE) && f->config->tcp_idle_100ms) {
		put_head(&o, EDNS_KEEPALIVE, 2);
		wire_put_u16(&o, f->config->tcp_idle_100ms);
	}
	if ((what & EDNS_ASKS_EXPIRE) && f->zone && f->soa) {
		put_head(&o, EDNS_EXPIRE, 4);
		wire_put_u32(&o, expire_s(f));
	}
	if ((what & EDNS_ASKS_ZONEVERSION) && f->zone) {
		put_head(&o, EDNS_ZONEVERSION, 6);
		wire_put_u8(&o, (uint8_t)zone_apex_labels(f->zone));
		wire_put_u8(&o, ZONEVERSION_SOA_SERIAL);
		wire_put_u32(&o, zone_serial(f->zone));
	}
	out->octets = (uint16_t)wire_out_len(&o);
}
