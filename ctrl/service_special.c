// SPDX-License-Identifier: BSD-3-Clause
// DNS over kernel sockets: what answer() does not know, NOTIFY and signed queries.
//
// A query with TSIG is verified, answered without it, and the answer is signed
// with the same key (RFC 8945 sections 5.2 to 5.3).
#include <string.h>

#include "service_parts.h"
#include "understudy/rr.h"

#define ERROR_OCTETS 1024 // header, question, and any TSIG record without MAC
#define UDP_OCTETS   512  // without EDNS (RFC 1035 section 4.2.1)

enum service_kind service_kind_of(const uint8_t *msg, size_t len)
{
	struct tsig_rr tsig;
	if (len < DNS_HEADER_OCTETS)
		return SERVICE_PLAIN;
	uint16_t flags = wire_peek_be16(msg + 2);
	if (flags & DNS_FLAG_QR)
		return SERVICE_PLAIN;
	if ((flags & DNS_OPCODE_MASK) >> DNS_OPCODE_SHIFT == OPCODE_NOTIFY)
		return SERVICE_NOTIFY;
	if (wire_peek_be16(msg + 10) && tsig_find(msg, len, &tsig) == RESULT_OK)
		return SERVICE_SIGNED;
	return SERVICE_PLAIN;
}

// ---- NOTIFY

static void log_refused(struct service *s, const struct answer_peer *peer, enum notify_verdict v)
{
	struct config_address from = { .v4 = { .sin_family = AF_INET } };
	char text[CONFIG_ADDRESS_TEXT];
	if (peer->family == 6) {
		from.v6 = (struct sockaddr_in6){ .sin6_family = AF_INET6,
						 .sin6_port = peer->port_be };
		memcpy(&from.v6.sin6_addr, peer->address, 16);
	} else {
		from.v4.sin_port = peer->port_be;
		memcpy(&from.v4.sin_addr, peer->address, 4);
	}
	log_limited(&s->log, LOG_LEVEL_INFO, "NOTIFY from %s not accepted: %s",
		    config_address_text(&from, text), notify_verdict_text(v));
}

static size_t answer_notify(struct service *s, const struct answer_peer *peer, uint8_t *buf,
			    size_t len)
{
	struct notify_input in = {
		.msg = buf, .len = len, .family = peer->family, .now_s = loop_time().unix_s
	};
	struct notify_event event;
	uint8_t reply[NOTIFY_REPLY_OCTETS];
	size_t reply_len = 0;
	memcpy(in.address, peer->address, sizeof(in.address));
	enum notify_verdict v = notify_handle(zones_notify_lookup(s->options.zones), &in, reply,
					      &reply_len, &event);
	s->stats.notify[v]++;
	if (v == NOTIFY_ACCEPTED)
		zones_notified(s->options.zones, &event);
	else
		log_refused(s, peer, v);
	memcpy(buf, reply, reply_len);
	return reply_len;
}

// ---- signed queries

// A query with TSIG; `tsig` borrows it.
struct signed_query {
	size_t len;
	uint64_t now_s;
	struct tsig_rr tsig;
};

// The UDP payload that the sender takes: of its OPT record; 0 without one.
static size_t edns_octets_of(const uint8_t *msg, size_t len)
{
	struct wire w = wire_init(msg, len);
	struct name name;
	unsigned questions = wire_peek_be16(msg + 4);
	unsigned records =
		wire_peek_be16(msg + 6) + wire_peek_be16(msg + 8) + wire_peek_be16(msg + 10);
	wire_take(&w, DNS_HEADER_OCTETS);
	for (; questions && !w.failed; questions--) {
		name_read(&w, &name);
		wire_take(&w, 4);
	}
	for (; records && !w.failed; records--) {
		name_read(&w, &name);
		uint16_t type = wire_u16(&w), class = wire_u16(&w);
		if (type == RRTYPE_OPT && !w.failed)
			return class > UDP_OCTETS ? class : UDP_OCTETS;
		wire_take(&w, 4);
		wire_take(&w, wire_u16(&w));
	}
	return 0;
}

// Header, question and OPT of the query as those of a reply; returns their octets.
static size_t bare_reply(const uint8_t *msg, size_t len, uint16_t flags,
			 uint8_t out[static ERROR_OCTETS])
{
	struct wire w = wire_init(msg, len);
	struct name qname;
	uint16_t kept = wire_peek_be16(msg + 2) & (DNS_OPCODE_MASK | DNS_FLAG_RD);
	bool opt = edns_octets_of(msg, len) > 0;
	struct wire_out o = wire_out_init(out, ERROR_OCTETS);
	wire_take(&w, DNS_HEADER_OCTETS);
	bool question = wire_peek_be16(msg + 4) == 1 && name_read(&w, &qname) == RESULT_OK;
	const uint8_t *type_class = question ? wire_take(&w, 4) : NULL;
	wire_put_bytes(&o, msg, 2);
	wire_put_u16(&o, DNS_FLAG_QR | kept | flags);
	wire_put_u16(&o, type_class ? 1 : 0);
	wire_put_u32(&o, 0);
	wire_put_u16(&o, opt ? 1 : 0);
	if (type_class) {
		wire_put_bytes(&o, qname.wire, qname.len);
		wire_put_bytes(&o, type_class, 4);
	}
	if (opt) { // RFC 6891 section 7
		wire_put_u8(&o, 0);
		wire_put_u16(&o, RRTYPE_OPT);
		wire_put_u16(&o, ANSWER_EDNS_UDP_DEFAULT);
		wire_put_u32(&o, 0);
		wire_put_u16(&o, 0);
	}
	return wire_out_len(&o);
}

static size_t tsig_error_reply(const struct signed_query *q, const struct tsig_key *key,
			       enum tsig_error error, uint8_t *buf)
{
	uint8_t reply[ERROR_OCTETS];
	size_t len = bare_reply(buf, q->len, RCODE_NOTAUTH, reply);
	if (tsig_append_error(&q->tsig, key, error, q->now_s, reply, &len, sizeof(reply)))
		return 0;
	memcpy(buf, reply, len);
	return len;
}

// The verified query, answered without its TSIG record, and signed.
static size_t answer_verified(struct service *s, const struct answer_peer *peer,
			      const struct signed_query *q, const struct tsig_key *key,
			      uint8_t *buf)
{
	uint8_t mac[TSIG_MAC_MAX], bare[ERROR_OCTETS];
	bool udp = peer->transport == ANSWER_UDP;
	size_t edns = edns_octets_of(buf, q->len);
	size_t limit = !udp ? SERVICE_MESSAGE_OCTETS : edns ? edns : UDP_OCTETS;
	size_t bare_len = bare_reply(buf, q->len, DNS_FLAG_TC, bare);
	size_t mac_len = q->tsig.mac_len;
	memcpy(mac, q->tsig.mac, mac_len);
	wire_poke_be16(buf + 10, (uint16_t)(wire_peek_be16(buf + 10) - 1));
	rcu_reader_online();
	size_t len = answer(s->answer, zonedb_view(s->options.db), peer, buf, q->tsig.rr_offset,
			    udp ? SERVICE_UDP_OCTETS : SERVICE_MESSAGE_OCTETS);
	rcu_reader_offline();
	if (!len)
		return 0;
	if (tsig_sign(key, q->now_s, mac, mac_len, buf, &len, limit, NULL) == RESULT_OK)
		return len;
	// No room for the signature: the question only (section 5.3).
	memcpy(buf, bare, bare_len);
	len = bare_len;
	return tsig_sign(key, q->now_s, mac, mac_len, buf, &len, ERROR_OCTETS, NULL) ? 0 : len;
}

static size_t answer_signed(struct service *s, const struct answer_peer *peer, uint8_t *buf,
			    size_t len)
{
	const struct notify_lookup *lookup = zones_notify_lookup(s->options.zones);
	struct signed_query q = { .len = len, .now_s = loop_time().unix_s };
	if (tsig_find(buf, len, &q.tsig))
		return 0;
	const struct tsig_key *key = lookup->key(lookup->arg, q.tsig.key_name.wire);
	enum result r =
		key ? tsig_verify(key, &q.tsig, buf, len, q.now_s, NULL, 0) : RESULT_TSIG_BADKEY;
	s->stats.signed_ok += r == RESULT_OK;
	s->stats.signed_bad += r != RESULT_OK;
	switch (r) {
	case RESULT_OK: return answer_verified(s, peer, &q, key, buf);
	case RESULT_TSIG_BADKEY: return tsig_error_reply(&q, NULL, TSIG_ERROR_BADKEY, buf);
	case RESULT_TSIG_BADSIG: return tsig_error_reply(&q, NULL, TSIG_ERROR_BADSIG, buf);
	case RESULT_TSIG_BADTIME: return tsig_error_reply(&q, key, TSIG_ERROR_BADTIME, buf);
	default: break;
	}
	uint8_t reply[ERROR_OCTETS];
	size_t reply_len = bare_reply(buf, len, RCODE_FORMERR, reply);
	memcpy(buf, reply, reply_len);
	return reply_len;
}

size_t service_special(struct service *s, enum service_kind kind, const struct answer_peer *peer,
		       uint8_t *buf, size_t len)
{
	return kind == SERVICE_NOTIFY ? answer_notify(s, peer, buf, len)
				      : answer_signed(s, peer, buf, len);
}
