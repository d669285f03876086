// SPDX-License-Identifier: BSD-3-Clause
// Frames: parsed with bounds checked at each layer, and turned round in place.
#include "frame.h"

#include <arpa/inet.h>
#include <assert.h>
#include <string.h>

#include "understudy/wire.h"

#define ETHERTYPE_IPV4 0x0800
#define ETHERTYPE_ARP  0x0806
#define ETHERTYPE_IPV6 0x86dd
#define ETHERTYPE_CTAG 0x8100 // 802.1Q
#define ETHERTYPE_STAG 0x88a8 // 802.1ad

#define IP_TCP      6
#define IP_ICMPV6   58
#define IP_UDP      17
#define HOP_LIMIT   64
#define IPV4_FIRST  0x4500 // version, header length, no DSCP
#define IPV4_DF     0x4000
#define ND_FIRST    133 // ICMPv6 types of neighbour discovery (RFC 4861)
#define ND_LAST     137
#define IPV4_MF_OFF 0x3fff // more fragments, or an offset

void frame_local_init(struct frame_local *local, const uint8_t mac[FRAME_MAC_LEN],
		      const struct port_service *services, size_t count)
{
	assert(count <= PORT_SERVICES_MAX);
	memset(local, 0, sizeof(*local));
	memcpy(local->mac, mac, FRAME_MAC_LEN);
	for (size_t i = 0; i < count; i++) {
		const struct port_service *s = &services[i];
		if (s->family == 4) {
			memcpy(&local->v4[local->v4_count].address_be, s->address, 4);
			local->v4[local->v4_count++].port_be = s->port_be;
		} else {
			memcpy(local->v6[local->v6_count].address, s->address, 16);
			local->v6[local->v6_count++].port_be = s->port_be;
		}
	}
}

// --- checksums (RFC 1071): sums run over octets as they stand in memory -------
//
// Eight octets at a time; what overflows comes in again below, so that nothing is lost
// until a sum is folded.

static uint32_t load_word32(const uint8_t *p)
{
	uint32_t word;
	memcpy(&word, p, 4);
	return word;
}

static uint64_t load_word64(const uint8_t *p)
{
	uint64_t word;
	memcpy(&word, p, 8);
	return word;
}

static uint64_t sum_add(uint64_t a, uint64_t b)
{
	a += b;
	return a + (a < b);
}

// The last `left` octets, 1 to 7, of the eight before `end`, as if zeros followed them.
static uint64_t load_tail(const uint8_t *end, size_t left)
{
	const unsigned bits = 8 * (8 - (unsigned)left);
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
	return load_word64(end - 8) >> bits;
#else
	return load_word64(end - 8) << bits;
#endif
}

// Requires that eight octets stand before its end: it is behind a frame's first header.
static uint64_t sum_octets(const uint8_t *p, size_t len)
{
	uint64_t one = 0, other = 0; // neither waits for the other
	for (size_t n = len / 16; n > 0; n--, p += 16) {
		one = sum_add(one, load_word64(p));
		other = sum_add(other, load_word64(p + 8));
	}
	if (len & 8) {
		one = sum_add(one, load_word64(p));
		p += 8;
	}
	if (len & 7)
		other = sum_add(other, load_tail(p + (len & 7), len & 7));
	return sum_add(one, other);
}

// Each half plus the other, so that the carry of the lower one arrives in the upper.
static uint16_t sum_fold(uint64_t sum)
{
	sum += sum << 32 | sum >> 32;
	uint32_t half = (uint32_t)(sum >> 32);
	half += half << 16 | half >> 16;
	return (uint16_t)(half >> 16);
}

// What a checksum is part of sums up to all ones: to a multiple of them, before folding.
static bool sum_is_right(uint64_t sum)
{
	return sum % 0xffff == 0;
}

// The sum of both addresses, which stand side by side in both families.
static uint64_t sum_addresses(const uint8_t *ip, uint8_t family)
{
	return family == 4 ? load_word64(ip + 12) : sum_octets(ip + 8, 32);
}

// The sum of an IPv4 header without options.
static uint64_t sum_ipv4(const uint8_t *ip)
{
	uint64_t sum = sum_add(load_word64(ip), load_word32(ip + 8));
	return sum_add(sum, sum_addresses(ip, 4));
}

// The pseudo-header's sum (RFC 768; RFC 8200 section 8.1).
static uint64_t sum_pseudo(uint64_t addresses, uint16_t udp_len)
{
	return sum_add(addresses, (uint64_t)htons(IP_UDP) + htons(udp_len));
}

// --- parsing --------------------------------------------------------------------

static void drop(struct frame *out, enum port_drop why)
{
	out->kind = FRAME_DROP;
	out->drop = (uint8_t)why;
}

static bool mac_equal(const uint8_t *a, const uint8_t *b)
{
	return memcmp(a, b, FRAME_MAC_LEN) == 0;
}

static bool v4_is_service(const struct frame_local *local, uint32_t address_be)
{
	for (unsigned i = 0; i < local->v4_count; i++)
		if (local->v4[i].address_be == address_be)
			return true;
	return false;
}

static bool v4_is_service_port(const struct frame_local *local, const uint8_t *address,
			       uint16_t port_be)
{
	uint32_t address_be;
	memcpy(&address_be, address, 4);
	for (unsigned i = 0; i < local->v4_count; i++)
		if (local->v4[i].address_be == address_be && local->v4[i].port_be == port_be)
			return true;
	return false;
}

// Nobody can be there: RFC 1122 section 3.2.1.3, RFC 1112 section 4.
static bool v4_source_impossible(const struct frame_local *local, const uint8_t *address)
{
	uint32_t address_be;
	memcpy(&address_be, address, 4);
	return address[0] == 0 || address[0] == 127 || address[0] >= 224 ||
	       v4_is_service(local, address_be);
}

static bool v6_is_service(const struct frame_local *local, const uint8_t *address)
{
	for (unsigned i = 0; i < local->v6_count; i++)
		if (memcmp(local->v6[i].address, address, 16) == 0)
			return true;
	return false;
}

static bool v6_is_service_port(const struct frame_local *local, const uint8_t *address,
			       uint16_t port_be)
{
	for (unsigned i = 0; i < local->v6_count; i++)
		if (memcmp(local->v6[i].address, address, 16) == 0 &&
		    local->v6[i].port_be == port_be)
			return true;
	return false;
}

// Unspecified, loopback, multicast, mapped IPv4: RFC 4291 sections 2.5.2, 2.5.3,
// 2.7 and 2.5.5.2.
static bool v6_source_impossible(const struct frame_local *local, const uint8_t *address)
{
	static const uint8_t zero[15];
	static const uint8_t mapped[12] = { [10] = 0xff, 0xff };
	return address[0] == 0xff || (memcmp(address, zero, 15) == 0 && address[15] <= 1) ||
	       memcmp(address, mapped, 12) == 0 || v6_is_service(local, address);
}

// `room` octets follow the IP header inside the IP packet.
static void parse_udp(const uint8_t *data, size_t room, unsigned good, struct frame *out)
{
	const uint8_t *ip = data + out->l3;
	const uint8_t *udp = data + out->dns - FRAME_UDP_LEN;
	uint16_t udp_len = wire_peek_be16(udp + 4);
	uint16_t udp_sum = wire_peek_be16(udp + 6);
	if (wire_peek_be16(udp) == 0)
		return drop(out, PORT_DROP_SOURCE);
	if (udp_len < FRAME_UDP_LEN || udp_len > room)
		return drop(out, PORT_DROP_BAD_UDP);
	if (udp_sum == 0 && out->family == 6)
		return drop(out, PORT_DROP_UDP_CHECKSUM);
	if (udp_sum != 0 && !(good & FRAME_UDP_SUM_GOOD) &&
	    !sum_is_right(sum_add(sum_pseudo(sum_addresses(ip, out->family), udp_len),
				  sum_octets(udp, udp_len))))
		return drop(out, PORT_DROP_UDP_CHECKSUM);
	out->dns_len = (uint16_t)(udp_len - FRAME_UDP_LEN);
	out->kind = FRAME_QUERY;
}

// `left` octets stand at and after the IP header.
static void parse_ipv4(const struct frame_local *local, const uint8_t *data, size_t left,
		       unsigned good, struct frame *out)
{
	const uint8_t *ip = data + out->l3;
	if (left < FRAME_IPV4_LEN)
		return drop(out, PORT_DROP_SHORT);
	uint16_t total = wire_peek_be16(ip + 2);
	unsigned header = (ip[0] & 0x0fu) * 4u;
	if (ip[0] >> 4 != 4 || header < FRAME_IPV4_LEN || total < header || total > left)
		return drop(out, PORT_DROP_BAD_IP);
	if (ip[9] != IP_UDP) {
		out->class = ip[9] == IP_TCP ? FRAME_SERVICE : FRAME_OTHER;
		return;
	}
	if (header != FRAME_IPV4_LEN || (wire_peek_be16(ip + 6) & IPV4_MF_OFF) != 0)
		return;
	if (total < FRAME_IPV4_LEN + FRAME_UDP_LEN)
		return drop(out, PORT_DROP_BAD_UDP);
	uint16_t port_be;
	memcpy(&port_be, ip + FRAME_IPV4_LEN + 2, 2);
	if (!v4_is_service_port(local, ip + 16, port_be))
		return;
	if (data[0] & 1)
		return drop(out, PORT_DROP_GROUP_MAC);
	if (!(good & FRAME_IP_SUM_GOOD) && !sum_is_right(sum_ipv4(ip)))
		return drop(out, PORT_DROP_IP_CHECKSUM);
	if (v4_source_impossible(local, ip + 12))
		return drop(out, PORT_DROP_SOURCE);
	out->family = 4;
	out->dns = (uint8_t)(out->l3 + FRAME_IPV4_LEN + FRAME_UDP_LEN);
	parse_udp(data, total - FRAME_IPV4_LEN, good, out);
}

static void parse_ipv6(const struct frame_local *local, const uint8_t *data, size_t left,
		       unsigned good, struct frame *out)
{
	const uint8_t *ip = data + out->l3;
	if (left < FRAME_IPV6_LEN)
		return drop(out, PORT_DROP_SHORT);
	uint16_t payload = wire_peek_be16(ip + 4);
	if (ip[0] >> 4 != 6 || payload > left - FRAME_IPV6_LEN)
		return drop(out, PORT_DROP_BAD_IP);
	if (ip[6] == IP_TCP)
		out->class = FRAME_SERVICE;
	if (ip[6] == IP_ICMPV6 && payload > 0 && ip[FRAME_IPV6_LEN] >= ND_FIRST &&
	    ip[FRAME_IPV6_LEN] <= ND_LAST)
		out->class = FRAME_NEIGHBOUR;
	if (ip[6] != IP_UDP)
		return;
	if (payload < FRAME_UDP_LEN)
		return drop(out, PORT_DROP_BAD_UDP);
	uint16_t port_be;
	memcpy(&port_be, ip + FRAME_IPV6_LEN + 2, 2);
	if (!v6_is_service_port(local, ip + 24, port_be))
		return;
	if (data[0] & 1)
		return drop(out, PORT_DROP_GROUP_MAC);
	if (v6_source_impossible(local, ip + 8))
		return drop(out, PORT_DROP_SOURCE);
	out->family = 6;
	out->dns = (uint8_t)(out->l3 + FRAME_IPV6_LEN + FRAME_UDP_LEN);
	parse_udp(data, payload, good, out);
}

void frame_parse(const struct frame_local *local, const uint8_t *data, size_t len, unsigned good,
		 struct frame *out)
{
	memset(out, 0, sizeof(*out));
	out->kind = FRAME_PUNT;
	if (len < FRAME_ETH_LEN)
		return drop(out, PORT_DROP_SHORT);
	if (!(data[0] & 1) && !mac_equal(data, local->mac))
		return drop(out, PORT_DROP_OTHER_MAC);
	if ((data[0] & 1) && mac_equal(data + FRAME_MAC_LEN, local->mac))
		return drop(out, PORT_DROP_OWN_MAC);
	if (data[FRAME_MAC_LEN] & 1)
		return drop(out, PORT_DROP_SOURCE);
	size_t l3 = FRAME_ETH_LEN;
	uint16_t type = wire_peek_be16(data + l3 - 2);
	for (unsigned tags = 0; tags < FRAME_TAGS_MAX; tags++) {
		if (type != ETHERTYPE_CTAG && type != ETHERTYPE_STAG)
			break;
		if (len < l3 + FRAME_TAG_LEN)
			return drop(out, PORT_DROP_SHORT);
		l3 += FRAME_TAG_LEN;
		type = wire_peek_be16(data + l3 - 2);
	}
	out->l3 = (uint8_t)l3;
	if (type == ETHERTYPE_IPV4)
		parse_ipv4(local, data, len - l3, good, out);
	else if (type == ETHERTYPE_IPV6)
		parse_ipv6(local, data, len - l3, good, out);
	else if (type == ETHERTYPE_ARP)
		out->class = FRAME_NEIGHBOUR;
}

void frame_peer(const uint8_t *data, const struct frame *f, struct answer_peer *out)
{
	const uint8_t *ip = data + f->l3;
	out->transport = ANSWER_UDP;
	out->family = f->family;
	out->verified = false;
	memcpy(&out->port_be, data + f->dns - FRAME_UDP_LEN, 2);
	memset(out->address, 0, sizeof(out->address));
	if (f->family == 4)
		memcpy(out->address, ip + 12, 4);
	else
		memcpy(out->address, ip + 8, 16);
}

// --- the reply --------------------------------------------------------------------

static void swap_octets(uint8_t *a, uint8_t *b, size_t len)
{
	uint8_t t[16];
	memcpy(t, a, len);
	memcpy(a, b, len);
	memcpy(b, t, len);
}

// Sums are taken of what is known, not of headers just written: reading those back
// in other widths would stall.
static void reply_ipv4(uint8_t *ip, uint64_t addresses, uint16_t udp_len, bool offload)
{
	const uint16_t total = (uint16_t)(FRAME_IPV4_LEN + udp_len);
	uint64_t sum = sum_add(addresses, (uint64_t)htons(IPV4_FIRST) + htons(total) +
						  htons(IPV4_DF) + htons(HOP_LIMIT << 8 | IP_UDP));
	uint16_t checksum = offload ? 0 : (uint16_t)~sum_fold(sum);
	wire_poke_be16(ip, IPV4_FIRST);
	wire_poke_be16(ip + 2, total);
	wire_poke_be16(ip + 4, 0); // atomic datagrams need no id (RFC 6864 section 4.1)
	wire_poke_be16(ip + 6, IPV4_DF);
	wire_poke_be16(ip + 8, HOP_LIMIT << 8 | IP_UDP);
	memcpy(ip + 10, &checksum, 2);
	swap_octets(ip + 12, ip + 16, 4);
}

static void reply_ipv6(uint8_t *ip, uint16_t udp_len)
{
	wire_poke_be32(ip, 0x60000000);
	wire_poke_be16(ip + 4, udp_len);
	ip[7] = HOP_LIMIT;
	swap_octets(ip + 8, ip + 24, 16);
}

size_t frame_reply(uint8_t *data, const struct frame *f, uint16_t dns_len, bool offload)
{
	assert(f->kind == FRAME_QUERY);
	uint8_t *ip = data + f->l3;
	uint8_t *udp = data + f->dns - FRAME_UDP_LEN;
	const uint16_t udp_len = (uint16_t)(FRAME_UDP_LEN + dns_len);
	const uint64_t addresses = sum_addresses(ip, f->family);
	const uint64_t pseudo = sum_pseudo(addresses, udp_len);
	uint16_t checksum = sum_fold(pseudo);
	if (!offload) {
		uint64_t sum = sum_add(pseudo, (uint64_t)load_word32(udp) + htons(udp_len));
		checksum = (uint16_t)~sum_fold(sum_add(sum, sum_octets(data + f->dns, dns_len)));
		if (checksum == 0)
			checksum = 0xffff; // 0 would say: no checksum (RFC 768)
	}

	swap_octets(data, data + FRAME_MAC_LEN, FRAME_MAC_LEN);
	if (f->family == 4)
		reply_ipv4(ip, addresses, udp_len, offload);
	else
		reply_ipv6(ip, udp_len);
	swap_octets(udp, udp + 2, 2);
	wire_poke_be16(udp + 4, udp_len);
	memcpy(udp + 6, &checksum, 2);
	return f->dns + (size_t)dns_len;
}
