// SPDX-License-Identifier: BSD-3-Clause
// Frames: what is a query, what is punted, what is dropped and why, and replies.
#include "frame.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "understudy/wire.h"
#include "unit.h"

static const uint8_t ours[6] = { 0x02, 0, 0, 0, 0, 0x01 };
static const uint8_t theirs[6] = { 0x02, 0, 0, 0, 0, 0x02 };
static const uint8_t query[29] = "0123456789abcdefghijklmnopqr";

// A frame under test: what varies, then where things came to stand.
struct crafted {
	unsigned family;
	unsigned tags;
	bool no_udp_sum;
	const char *source;      // NULL = 10.53.0.1 or fd00:53::1
	const char *destination; // NULL = 10.53.0.2 or fd00:53::2
	uint16_t source_port;    // 0 = 40000
	uint16_t destination_port;
	size_t padding;
	uint8_t data[256];
	size_t len;
	size_t ip;
	size_t udp;
};

// Slow and plain on purpose, to check the fast one: RFC 1071, octet by octet.
static uint32_t naive_sum(uint32_t sum, const uint8_t *p, size_t len)
{
	for (size_t i = 0; i < len; i++)
		sum += i % 2 ? p[i] : (uint32_t)p[i] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

static uint16_t naive_udp_sum(const struct crafted *c)
{
	size_t udp_len = wire_peek_be16(c->data + c->udp + 4);
	uint32_t sum = c->family == 4 ? naive_sum(0, c->data + c->ip + 12, 8)
				      : naive_sum(0, c->data + c->ip + 8, 32);
	sum += 17 + (uint32_t)udp_len;
	return (uint16_t)naive_sum(sum, c->data + c->udp, udp_len);
}

static uint8_t *put(struct crafted *c, const void *src, size_t len)
{
	uint8_t *at = c->data + c->len;
	memcpy(at, src, len);
	c->len += len;
	return at;
}

// Makes the checksums right again after a change.
static void sign(struct crafted *c)
{
	uint8_t *ip = c->data + c->ip;
	uint8_t *udp = c->data + c->udp;
	if (c->family == 4) {
		wire_poke_be16(ip + 10, 0);
		wire_poke_be16(ip + 10, (uint16_t)~naive_sum(0, ip, 20));
	}
	wire_poke_be16(udp + 6, 0);
	uint16_t sum = (uint16_t)~naive_udp_sum(c);
	wire_poke_be16(udp + 6, c->no_udp_sum ? 0 : sum ? sum : 0xffff);
}

static void craft(struct crafted *c)
{
	static const uint8_t tag[2] = { 0x20, 0x65 };
	const uint16_t udp_len = 8 + sizeof(query);
	uint8_t type[2];
	c->len = 0;
	put(c, ours, 6);
	put(c, theirs, 6);
	for (unsigned i = 0; i < c->tags; i++) {
		wire_poke_be16(type, i == 0 && c->tags == 2 ? 0x88a8 : 0x8100);
		put(c, type, 2);
		put(c, tag, 2);
	}
	wire_poke_be16(type, c->family == 4 ? 0x0800 : 0x86dd);
	put(c, type, 2);
	c->ip = c->len;
	uint8_t header[40] = { 0 };
	if (c->family == 4) {
		header[0] = 0x45;
		header[1] = 0x10;
		wire_poke_be16(header + 2, (uint16_t)(20 + udp_len));
		wire_poke_be16(header + 4, 0x1234);
		header[8] = 7;
		header[9] = 17;
		inet_pton(AF_INET, c->source ? c->source : "10.53.0.1", header + 12);
		inet_pton(AF_INET, c->destination ? c->destination : "10.53.0.2", header + 16);
		put(c, header, 20);
	} else {
		wire_poke_be32(header, 0x60112345);
		wire_poke_be16(header + 4, udp_len);
		header[6] = 17;
		header[7] = 7;
		inet_pton(AF_INET6, c->source ? c->source : "fd00:53::1", header + 8);
		inet_pton(AF_INET6, c->destination ? c->destination : "fd00:53::2", header + 24);
		put(c, header, 40);
	}
	c->udp = c->len;
	uint8_t udp[8] = { 0 };
	wire_poke_be16(udp, c->source_port ? c->source_port : 40000);
	wire_poke_be16(udp + 2, c->destination_port ? c->destination_port : 53);
	wire_poke_be16(udp + 4, udp_len);
	put(c, udp, 8);
	put(c, query, sizeof(query));
	sign(c);
	memset(c->data + c->len, 0xee, c->padding);
	c->len += c->padding;
}

static struct frame_local local(void)
{
	struct port_service services[3] = { { .family = 4, .port_be = htons(53) },
					    { .family = 6, .port_be = htons(53) },
					    { .family = 4, .port_be = htons(5353) } };
	struct frame_local l;
	inet_pton(AF_INET, "10.53.0.2", services[0].address);
	inet_pton(AF_INET6, "fd00:53::2", services[1].address);
	inet_pton(AF_INET, "10.53.0.3", services[2].address);
	frame_local_init(&l, ours, services, 3);
	return l;
}

// From an exact heap copy, so that a sanitizer sees one octet too far.
static struct frame parse_octets(const uint8_t *data, size_t len, unsigned good)
{
	struct frame_local l = local();
	struct frame f;
	uint8_t *copy = malloc(len ? len : 1);
	memcpy(copy, data, len);
	memset(&f, 0xa5, sizeof(f));
	frame_parse(&l, copy, len, good, &f);
	free(copy);
	return f;
}

static struct frame parse(const struct crafted *c)
{
	return parse_octets(c->data, c->len, 0);
}

#define IS_DROP(c, why)                               \
	do {                                          \
		struct frame f_ = parse(c);           \
		CU_ASSERT_EQUAL(f_.kind, FRAME_DROP); \
		CU_ASSERT_EQUAL(f_.drop, why);        \
	} while (0)
#define IS_PUNT(c)  CU_ASSERT_EQUAL(parse(c).kind, FRAME_PUNT)
#define IS_QUERY(c) CU_ASSERT_EQUAL(parse(c).kind, FRAME_QUERY)

static void each_shape(void (*check)(struct crafted *))
{
	for (unsigned family = 4; family <= 6; family += 2)
		for (unsigned tags = 0; tags <= 2; tags++)
			for (size_t padding = 0; padding <= 18; padding += 9) {
				struct crafted c = { .family = family,
						     .tags = tags,
						     .padding = padding };
				craft(&c);
				check(&c);
			}
}

static void check_query(struct crafted *c)
{
	struct frame f = parse(c);
	struct answer_peer peer;
	CU_ASSERT_EQUAL(f.kind, FRAME_QUERY);
	CU_ASSERT_EQUAL(f.family, c->family);
	CU_ASSERT_EQUAL(f.l3, c->ip);
	CU_ASSERT_EQUAL(f.dns, c->udp + 8);
	CU_ASSERT_EQUAL(f.dns_len, sizeof(query));
	frame_peer(c->data, &f, &peer);
	uint8_t address[16] = { 0 };
	if (c->family == 4)
		inet_pton(AF_INET, "10.53.0.1", address);
	else
		inet_pton(AF_INET6, "fd00:53::1", address);
	CU_ASSERT_EQUAL(peer.transport, ANSWER_UDP);
	CU_ASSERT_EQUAL(peer.family, c->family);
	CU_ASSERT_EQUAL(peer.port_be, htons(40000));
	CU_ASSERT_EQUAL(memcmp(peer.address, address, 16), 0);
}

static void test_queries(void)
{
	each_shape(check_query);
	struct crafted c = { .family = 4, .no_udp_sum = true };
	craft(&c);
	IS_QUERY(&c);
	c = (struct crafted){ .family = 4, .destination = "10.53.0.3", .destination_port = 5353 };
	craft(&c);
	IS_QUERY(&c);
}

static void check_truncations(struct crafted *c)
{
	for (size_t len = 0; len < c->len - c->padding; len++) {
		struct frame f = parse_octets(c->data, len, 0);
		CU_ASSERT_EQUAL(f.kind, FRAME_DROP);
		bool in_header = len < c->ip + (c->family == 4 ? 20 : 40);
		CU_ASSERT_EQUAL(f.drop, in_header ? PORT_DROP_SHORT : PORT_DROP_BAD_IP);
	}
}

static void test_truncated(void)
{
	each_shape(check_truncations);
}

// Each octet of the datagram that the checksums cover, and each bit of it.
static void check_bit_flips(struct crafted *c)
{
	for (size_t i = c->udp; i < c->len - c->padding; i++)
		for (unsigned bit = 0; bit < 8; bit++) {
			c->data[i] ^= (uint8_t)(1u << bit);
			CU_ASSERT_NOT_EQUAL(parse(c).kind, FRAME_QUERY);
			c->data[i] ^= (uint8_t)(1u << bit);
		}
}

static void test_checksums(void)
{
	each_shape(check_bit_flips);
	struct crafted c = { .family = 4 };
	craft(&c);
	c.data[c.ip + 8]++; // TTL, without the header checksum
	IS_DROP(&c, PORT_DROP_IP_CHECKSUM);
	struct frame f = parse_octets(c.data, c.len, FRAME_IP_SUM_GOOD);
	CU_ASSERT_EQUAL(f.kind, FRAME_QUERY);
	craft(&c);
	c.data[c.udp + 9]++;
	IS_DROP(&c, PORT_DROP_UDP_CHECKSUM);
	f = parse_octets(c.data, c.len, FRAME_UDP_SUM_GOOD);
	CU_ASSERT_EQUAL(f.kind, FRAME_QUERY);
	c = (struct crafted){ .family = 6, .no_udp_sum = true };
	craft(&c);
	IS_DROP(&c, PORT_DROP_UDP_CHECKSUM);
}

static void test_macs(void)
{
	struct crafted c = { .family = 4 };
	craft(&c);
	c.data[5]++;
	IS_DROP(&c, PORT_DROP_OTHER_MAC);
	craft(&c);
	memcpy(c.data + 6, ours, 6);
	IS_QUERY(&c); // net_tap has one MAC for both ends
	c.data[0] |= 1;
	IS_DROP(&c, PORT_DROP_OWN_MAC);
	craft(&c);
	c.data[6] |= 1;
	IS_DROP(&c, PORT_DROP_SOURCE);
	for (c.family = 4; c.family <= 6; c.family += 2) {
		craft(&c);
		memset(c.data, 0xff, 6);
		IS_DROP(&c, PORT_DROP_GROUP_MAC);
	}
}

static void test_sources(void)
{
	static const char *const v4[] = { "0.0.0.0",   "0.1.2.3",   "127.0.0.1",
					  "224.0.0.1", "239.1.2.3", "240.0.0.1",
					  "10.53.0.2", "10.53.0.3", "255.255.255.255" };
	static const char *const v6[] = { "::",      "::1",        "ff02::1",
					  "ff0e::2", "fd00:53::2", "::ffff:10.53.0.1" };
	struct crafted c = { .family = 4 };
	for (size_t i = 0; i < sizeof(v4) / sizeof(v4[0]); i++) {
		c.source = v4[i];
		craft(&c);
		IS_DROP(&c, PORT_DROP_SOURCE);
	}
	c.source = "223.255.255.255";
	craft(&c);
	IS_QUERY(&c);
	c = (struct crafted){ .family = 6 };
	for (size_t i = 0; i < sizeof(v6) / sizeof(v6[0]); i++) {
		c.source = v6[i];
		craft(&c);
		IS_DROP(&c, PORT_DROP_SOURCE);
	}
	c.source = "fe80::1";
	craft(&c);
	IS_QUERY(&c);
	for (c.family = 4; c.family <= 6; c.family += 2) {
		c.source = NULL;
		craft(&c);
		wire_poke_be16(c.data + c.udp, 0);
		sign(&c);
		IS_DROP(&c, PORT_DROP_SOURCE);
	}
}

static void test_lengths(void)
{
	struct crafted c = { .family = 4 };
	uint8_t *ip = c.data + 14;
	craft(&c);
	ip[0] = 0x44;
	IS_DROP(&c, PORT_DROP_BAD_IP);
	ip[0] = 0x65;
	IS_DROP(&c, PORT_DROP_BAD_IP);
	craft(&c);
	wire_poke_be16(ip + 2, 19);
	IS_DROP(&c, PORT_DROP_BAD_IP);
	wire_poke_be16(ip + 2, (uint16_t)(c.len - 14 + 1));
	IS_DROP(&c, PORT_DROP_BAD_IP);
	wire_poke_be16(ip + 2, 27);
	IS_DROP(&c, PORT_DROP_BAD_UDP);
	c.family = 6;
	craft(&c);
	ip[0] = 0x45;
	IS_DROP(&c, PORT_DROP_BAD_IP);
	craft(&c);
	wire_poke_be16(ip + 4, (uint16_t)(c.len - 54 + 1));
	IS_DROP(&c, PORT_DROP_BAD_IP);
	wire_poke_be16(ip + 4, 7);
	IS_DROP(&c, PORT_DROP_BAD_UDP);
	for (c.family = 4; c.family <= 6; c.family += 2) {
		craft(&c);
		wire_poke_be16(c.data + c.udp + 4, 7);
		IS_DROP(&c, PORT_DROP_BAD_UDP);
		wire_poke_be16(c.data + c.udp + 4, 8 + sizeof(query) + 1);
		IS_DROP(&c, PORT_DROP_BAD_UDP);
		wire_poke_be16(c.data + c.udp + 4, 8 + sizeof(query) - 1);
		sign(&c);
		CU_ASSERT_EQUAL(parse(&c).dns_len, sizeof(query) - 1);
		wire_poke_be16(c.data + c.udp + 4, 8);
		sign(&c);
		IS_QUERY(&c);
		CU_ASSERT_EQUAL(parse(&c).dns_len, 0);
	}
}

static void test_punts(void)
{
	struct crafted c = { .family = 4 };
	uint8_t *ip = c.data + 14;
	craft(&c);
	wire_poke_be16(c.data + 12, 0x0806);
	IS_PUNT(&c); // ARP
	memset(c.data, 0xff, 6);
	IS_PUNT(&c);
	craft(&c);
	ip[0] = 0x46;
	IS_PUNT(&c); // options
	craft(&c);
	ip[9] = 6;
	IS_PUNT(&c); // TCP
	craft(&c);
	ip[6] = 0x20;
	IS_PUNT(&c); // first fragment
	wire_poke_be16(ip + 6, 100);
	IS_PUNT(&c); // later fragment
	wire_poke_be16(ip + 6, 0x4000);
	sign(&c);
	IS_QUERY(&c);
	c.destination_port = 5353;
	craft(&c);
	IS_PUNT(&c); // of another service address
	c = (struct crafted){ .family = 4, .destination = "10.53.0.4" };
	craft(&c);
	IS_PUNT(&c);
	c = (struct crafted){ .family = 6, .destination = "fd00:53::3" };
	craft(&c);
	IS_PUNT(&c);
	c = (struct crafted){ .family = 6, .destination_port = 54 };
	craft(&c);
	IS_PUNT(&c);
	static const uint8_t headers[] = { 0, 43, 44, 50, 51, 58, 60, 6, 59 };
	c = (struct crafted){ .family = 6 };
	for (size_t i = 0; i < sizeof(headers); i++) {
		craft(&c);
		ip[6] = headers[i];
		IS_PUNT(&c);
	}
	c = (struct crafted){ .family = 4, .tags = 2 };
	craft(&c);
	wire_poke_be16(c.data + 20, 0x8100); // a third tag
	IS_PUNT(&c);
}

static void is_punt_as(const struct crafted *c, enum frame_class class)
{
	struct frame f = parse(c);
	CU_ASSERT_EQUAL(f.kind, FRAME_PUNT);
	CU_ASSERT_EQUAL(f.class, class);
}

static void test_classes(void)
{
	struct crafted c = { .family = 4 };
	uint8_t *ip = c.data + 14;
	craft(&c);
	wire_poke_be16(c.data + 12, 0x0806);
	is_punt_as(&c, FRAME_NEIGHBOUR);
	craft(&c);
	ip[9] = 6;
	is_punt_as(&c, FRAME_SERVICE);
	ip[9] = 1;
	is_punt_as(&c, FRAME_OTHER);
	c.destination_port = 54;
	craft(&c);
	is_punt_as(&c, FRAME_OTHER);
	c.family = 6;
	craft(&c);
	is_punt_as(&c, FRAME_OTHER);
	ip[6] = 6;
	is_punt_as(&c, FRAME_SERVICE);
	ip[6] = 58;
	for (unsigned type = 0; type < 256; type++) {
		ip[40] = (uint8_t)type;
		is_punt_as(&c, type >= 133 && type <= 137 ? FRAME_NEIGHBOUR : FRAME_OTHER);
	}
	wire_poke_be16(ip + 4, 0); // the type is not in the packet
	ip[40] = 135;
	is_punt_as(&c, FRAME_OTHER);
}

static void check_reply(struct crafted *c)
{
	const struct crafted before = *c;
	struct frame f = parse(c);
	CU_ASSERT_EQUAL_FATAL(f.kind, FRAME_QUERY);
	for (uint16_t dns_len = 12; dns_len <= 60; dns_len++) {
		*c = before;
		for (unsigned i = 0; i < dns_len; i++)
			c->data[f.dns + i] = (uint8_t)(i * 37 + dns_len);
		c->len = frame_reply(c->data, &f, dns_len, false);
		CU_ASSERT_EQUAL(c->len, f.dns + (size_t)dns_len);
		CU_ASSERT_EQUAL(memcmp(c->data, theirs, 6), 0);
		CU_ASSERT_EQUAL(memcmp(c->data + 6, ours, 6), 0);
		CU_ASSERT_EQUAL(memcmp(c->data + 12, before.data + 12, c->ip - 12), 0);
		const uint8_t *ip = c->data + c->ip;
		const uint8_t *was = before.data + c->ip;
		if (c->family == 4) {
			CU_ASSERT_EQUAL(wire_peek_be16(ip), 0x4500);
			CU_ASSERT_EQUAL(wire_peek_be16(ip + 2), 28 + dns_len);
			CU_ASSERT_EQUAL(wire_peek_be32(ip + 4), 0x00004000);
			CU_ASSERT_EQUAL(ip[8], 64);
			CU_ASSERT_EQUAL(naive_sum(0, ip, 20), 0xffff);
			CU_ASSERT_EQUAL(memcmp(ip + 12, was + 16, 4), 0);
			CU_ASSERT_EQUAL(memcmp(ip + 16, was + 12, 4), 0);
		} else {
			CU_ASSERT_EQUAL(wire_peek_be32(ip), 0x60000000);
			CU_ASSERT_EQUAL(wire_peek_be16(ip + 4), 8 + dns_len);
			CU_ASSERT_EQUAL(ip[7], 64);
			CU_ASSERT_EQUAL(memcmp(ip + 8, was + 24, 16), 0);
			CU_ASSERT_EQUAL(memcmp(ip + 24, was + 8, 16), 0);
		}
		CU_ASSERT_EQUAL(wire_peek_be16(c->data + c->udp), 53);
		CU_ASSERT_EQUAL(wire_peek_be16(c->data + c->udp + 2), 40000);
		CU_ASSERT_EQUAL(wire_peek_be16(c->data + c->udp + 4), 8 + dns_len);
		CU_ASSERT_EQUAL(naive_udp_sum(c), 0xffff);
	}
}

static void test_replies(void)
{
	each_shape(check_reply);
}

// A sum of 0 is sent as 0xffff (RFC 768), over both families.
static void test_zero_checksum(void)
{
	for (unsigned family = 4; family <= 6; family += 2) {
		struct crafted c = { .family = family };
		craft(&c);
		struct frame f = parse(&c);
		memset(c.data + f.dns, 0, 12);
		c.len = frame_reply(c.data, &f, 12, false);
		uint16_t sum = wire_peek_be16(c.data + c.udp + 6);
		craft(&c);
		memset(c.data + f.dns, 0, 12);
		wire_poke_be16(c.data + f.dns, sum); // what is missing to the sum 0xffff
		c.len = frame_reply(c.data, &f, 12, false);
		CU_ASSERT_EQUAL(wire_peek_be16(c.data + c.udp + 6), 0xffff);
		CU_ASSERT_EQUAL(naive_udp_sum(&c), 0xffff);
	}
}

// With offload the device adds the rest: finish it as a device would.
static void check_offload(struct crafted *c)
{
	struct frame f = parse(c);
	c->len = frame_reply(c->data, &f, 20, true);
	uint8_t *ip = c->data + c->ip;
	uint8_t *udp = c->data + c->udp;
	if (c->family == 4)
		CU_ASSERT_EQUAL(wire_peek_be16(ip + 10), 0);
	uint16_t device = (uint16_t)~naive_sum(0, udp, 28);
	wire_poke_be16(udp + 6, device);
	CU_ASSERT_EQUAL(naive_udp_sum(c), 0xffff);
}

static void test_offload(void)
{
	each_shape(check_offload);
}

UNIT_MAIN("frame", { "queries", test_queries }, { "truncated", test_truncated },
	  { "checksums", test_checksums }, { "macs", test_macs }, { "sources", test_sources },
	  { "lengths", test_lengths }, { "punts", test_punts }, { "classes", test_classes },
	  { "replies", test_replies }, { "zero checksum", test_zero_checksum },
	  { "offload", test_offload })
