// SPDX-License-Identifier: BSD-3-Clause
// Frames: from an Ethernet frame to the DNS query in it, and back.
//
// Purpose: decides what a received frame is, and turns a query's frame into the
// frame of its reply, in place. Plain C on octets: no DPDK, no state, so that it
// is tested and fuzzed alone. IEEE 802.3 and 802.1Q (up to two tags), RFC 791,
// 8200, 768, 1071. Threads: any. Ownership: borrows all it is given.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "understudy/answer.h"
#include "understudy/port.h"

#define FRAME_MAC_LEN  6
#define FRAME_ETH_LEN  14
#define FRAME_TAG_LEN  4
#define FRAME_TAGS_MAX 2
#define FRAME_IPV4_LEN 20
#define FRAME_IPV6_LEN 40
#define FRAME_UDP_LEN  8

// What is ours: a port's MAC and the service addresses, split by family.
struct frame_local {
	uint8_t mac[FRAME_MAC_LEN];
	uint8_t v4_count;
	uint8_t v6_count;
	struct {
		uint32_t address_be;
		uint16_t port_be;
	} v4[PORT_SERVICES_MAX];
	struct {
		uint8_t address[16];
		uint16_t port_be;
	} v6[PORT_SERVICES_MAX];
};

// Takes at most PORT_SERVICES_MAX services.
void frame_local_init(struct frame_local *local, const uint8_t mac[FRAME_MAC_LEN],
		      const struct port_service *services, size_t count);

enum frame_kind {
	FRAME_QUERY, // a UDP datagram to a service address and port
	FRAME_PUNT,  // not ours to judge: for the kernel, unchanged
	FRAME_DROP   // for nobody: `drop` says why
};

// What a punted frame is good for, so that each has a rate of its own: a flood of
// one may not keep out the others.
enum frame_class {
	FRAME_OTHER,     // ICMP, other ports, fragments, anything
	FRAME_NEIGHBOUR, // ARP and neighbour discovery: without it no query finds us
	FRAME_SERVICE,   // TCP, and queries that the answer path gives back
	FRAME_CLASS_COUNT
};

struct frame {
	uint8_t kind;  // enum frame_kind
	uint8_t drop;  // enum port_drop, of FRAME_DROP
	uint8_t class; // enum frame_class, of FRAME_PUNT

	// Of FRAME_QUERY; offsets from the frame's first octet.
	uint8_t family; // 4 or 6
	uint8_t l3;     // of the IP header
	uint8_t dns;    // of the DNS message
	uint16_t dns_len;
};

// Checks that the device has already done, with good result.
#define FRAME_IP_SUM_GOOD  1u
#define FRAME_UDP_SUM_GOOD 2u

// Says what the frame of `len` octets at `data` is. Reads nothing beyond it.
void frame_parse(const struct frame_local *local, const uint8_t *data, size_t len, unsigned good,
		 struct frame *out);

// Who sent the query.
void frame_peer(const uint8_t *data, const struct frame *f, struct answer_peer *out);

// Turns the headers round for a reply of dns_len octets, which stands at f->dns.
// With `offload`, the IPv4 checksum is left 0 and the UDP checksum holds that of
// the pseudo-header, for the device to finish; else both are complete.
// Returns the length of the frame. Requires that dns_len fits an IP packet.
size_t frame_reply(uint8_t *data, const struct frame *f, uint16_t dns_len, bool offload);
