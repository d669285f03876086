// SPDX-License-Identifier: BSD-3-Clause
// DNS over kernel sockets: what answer() does not know, NOTIFY and signed queries.
//
// A query with TSIG is verified, answered without it, and the answer is signed
// with the same key (RFC 8945 sections 5.2 to 5.3).
#include <string.h>

#include "service_parts.h"
#include "understudy/rr.h"

#define ERROR_OCTETS 1024 // header, question, and any TSIG record without MAC

// Of a TSIG record: type, class, TTL, RDLENGTH; time, fudge, MAC's length, original
// id, error, length of other data.
#define TSIG_FIXED_OCTETS (2 + 2 + 4 + 2 + 6 + 2 + 2 + 2 + 2 + 2)

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

// A query with TSIG, where its reply is to stand; `tsig` borrows it.
struct signed_query {
	uint8_t *buf;
	size_t len;
	const struct answer_peer *peer;
	uint64_t now_s;
	struct tsig_rr tsig;
};

// What a reply's TSIG record with a MAC takes: owner, algorithm, MAC, and the rest.
static uint16_t tsig_octets(const struct signed_query *q, const struct tsig_key *key)
{
	return (uint16_t)(q->tsig.key_name.len + q->tsig.algorithm_name.len +
			  tsig_key_mac_octets(key) + TSIG_FIXED_OCTETS);
}

// `key`: that of a reply which is signed all the same.
static size_t tsig_error_reply(struct service *s, const struct signed_query *q,
			       const struct tsig_key *key, enum tsig_error error)
{
	struct tsig_rr tsig = q->tsig;
	uint8_t mac[TSIG_MAC_MAX];
	if (key) { // the reply stands where the query stood
		memcpy(mac, tsig.mac, tsig.mac_len);
		tsig.mac = mac;
	}
	size_t len = answer_error(s->answer, q->peer, q->buf, q->len, RCODE_NOTAUTH);
	if (!len || tsig_append_error(&tsig, key, error, q->now_s, q->buf, &len, ERROR_OCTETS))
		return 0;
	return len;
}

// The verified query, answered without its TSIG record, and signed.
static size_t answer_verified(struct service *s, const struct signed_query *q,
			      const struct tsig_key *key)
{
	uint8_t mac[TSIG_MAC_MAX];
	bool udp = q->peer->transport == ANSWER_UDP;
	size_t mac_len = q->tsig.mac_len;
	struct answer_item item = {
		.buf = q->buf,
		.query_len = (uint16_t)q->tsig.rr_offset,
		.capacity = udp ? SERVICE_UDP_OCTETS : SERVICE_MESSAGE_OCTETS,
		.reserve = tsig_octets(q, key),
		.peer = *q->peer,
	};
	item.peer.verified = true;
	memcpy(mac, q->tsig.mac, mac_len);
	wire_poke_be16(q->buf + 10, (uint16_t)(wire_peek_be16(q->buf + 10) - 1));
	rcu_reader_online();
	answer_burst(s->answer, zonedb_view(s->options.db), &item, 1);
	rcu_reader_offline();
	size_t len = item.reply_len;
	if (!len ||
	    tsig_sign(key, q->now_s, mac, mac_len, q->buf, &len, SERVICE_MESSAGE_OCTETS, NULL))
		return 0;
	return len;
}

static size_t answer_signed(struct service *s, const struct answer_peer *peer, uint8_t *buf,
			    size_t len)
{
	const struct notify_lookup *lookup = zones_notify_lookup(s->options.zones);
	struct signed_query q = {
		.buf = buf, .len = len, .peer = peer, .now_s = loop_time().unix_s
	};
	if (tsig_find(buf, len, &q.tsig))
		return 0;
	const struct tsig_key *key = lookup->key(lookup->arg, q.tsig.key_name.wire);
	enum result r =
		key ? tsig_verify(key, &q.tsig, buf, len, q.now_s, NULL, 0) : RESULT_TSIG_BADKEY;
	s->stats.signed_ok += r == RESULT_OK;
	s->stats.signed_bad += r != RESULT_OK;
	switch (r) {
	case RESULT_OK: return answer_verified(s, &q, key);
	case RESULT_TSIG_BADKEY: return tsig_error_reply(s, &q, NULL, TSIG_ERROR_BADKEY);
	case RESULT_TSIG_BADSIG: return tsig_error_reply(s, &q, NULL, TSIG_ERROR_BADSIG);
	case RESULT_TSIG_BADTIME: return tsig_error_reply(s, &q, key, TSIG_ERROR_BADTIME);
	case RESULT_TSIG_BADTRUNC: return tsig_error_reply(s, &q, key, TSIG_ERROR_BADTRUNC);
	default: return answer_error(s->answer, peer, buf, len, RCODE_FORMERR);
	}
}

size_t service_special(struct service *s, enum service_kind kind, const struct answer_peer *peer,
		       uint8_t *buf, size_t len)
{
	return kind == SERVICE_NOTIFY ? answer_notify(s, peer, buf, len)
				      : answer_signed(s, peer, buf, len);
}
