// SPDX-License-Identifier: BSD-3-Clause
// Our XDP program: hands plain DNS queries to an AF_XDP port, all else to the kernel.
//
// A port with an exception interface takes every frame and sorts by itself. Else:
// What it takes is what a worker answers, never what a worker would have to
// punt, for there is no way back: unfragmented UDP to a service address and
// port, opcode QUERY, one question, and in the additional section nothing or an
// OPT record (RFC 6891). So queries with TSIG (RFC 8945), IXFR over UDP, NOTIFY
// and anything odd go to the kernel, whose socket the daemon serves as well.
#include <linux/bpf.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/udp.h>

#include "xdp_dns.h"

#define TAGS_MAX      2
#define LABELS_MAX    127
#define LABEL_MAX     63
#define IPV4_FRAGMENT 0x3fff // more fragments, or an offset
#define QR_AND_OPCODE 0xf800
#define TYPE_OPT      41

struct {
	__uint(type, BPF_MAP_TYPE_XSKMAP);
	__uint(max_entries, XDP_QUEUES_MAX);
	__type(key, __u32);
	__type(value, __u32);
} xsks_map SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, XDP_SERVICES_MAX);
	__type(key, struct xdp_service);
	__type(value, __u8);
} services SEC(".maps");

struct vlan_tag {
	__be16 tci;
	__be16 type;
};

struct dns_header {
	__be16 id;
	__be16 flags;
	__be16 questions;
	__be16 answers;
	__be16 authorities;
	__be16 additionals;
};

// Does an OPT record, and not a TSIG, follow the question at `at`?
static __always_inline int opt_follows(const __u8 *at, const __u8 *end)
{
	for (int i = 0; i <= LABELS_MAX; i++) {
		if (at + 1 > end || *at > LABEL_MAX)
			return 0;
		if (*at == 0) {
			at += 1 + 4; // root label, type, class
			return at + 3 <= end && at[0] == 0 && at[1] == 0 && at[2] == TYPE_OPT;
		}
		at += 1 + *at;
	}
	return 0;
}

// Is the UDP datagram at `at` a query that a worker answers?
static __always_inline int is_plain_query(const __u8 *at, const __u8 *end, struct xdp_service *to)
{
	const struct udphdr *udp = (const void *)at;
	const struct dns_header *dns = (const void *)(udp + 1);
	if ((const __u8 *)(dns + 1) > end)
		return 0;
	to->port_be = udp->dest;
	if (!bpf_map_lookup_elem(&services, to))
		return 0;
	if ((dns->flags & bpf_htons(QR_AND_OPCODE)) || dns->questions != bpf_htons(1) ||
	    dns->answers || dns->authorities)
		return 0;
	if (dns->additionals == 0)
		return 1;
	return dns->additionals == bpf_htons(1) && opt_follows((const __u8 *)(dns + 1), end);
}

static __always_inline int wanted(const __u8 *at, const __u8 *end)
{
	struct xdp_service to = { .family = 0 };
	const struct ethhdr *eth = (const void *)at;
	if (bpf_map_lookup_elem(&services, &to))
		return 1;
	if ((const __u8 *)(eth + 1) > end)
		return 0;
	__be16 type = eth->h_proto;
	at = (const __u8 *)(eth + 1);
	for (int i = 0; i < TAGS_MAX; i++) {
		const struct vlan_tag *tag = (const void *)at;
		if (type != bpf_htons(ETH_P_8021Q) && type != bpf_htons(ETH_P_8021AD))
			break;
		if ((const __u8 *)(tag + 1) > end)
			return 0;
		type = tag->type;
		at = (const __u8 *)(tag + 1);
	}
	if (type == bpf_htons(ETH_P_IP)) {
		const struct iphdr *ip = (const void *)at;
		if ((const __u8 *)(ip + 1) > end || ip->ihl != 5 || ip->protocol != IPPROTO_UDP ||
		    (ip->frag_off & bpf_htons(IPV4_FRAGMENT)))
			return 0;
		to.family = 4;
		__builtin_memcpy(to.address, &ip->daddr, 4);
		return is_plain_query((const __u8 *)(ip + 1), end, &to);
	}
	if (type == bpf_htons(ETH_P_IPV6)) {
		const struct ipv6hdr *ip = (const void *)at;
		if ((const __u8 *)(ip + 1) > end || ip->nexthdr != IPPROTO_UDP)
			return 0;
		to.family = 6;
		__builtin_memcpy(to.address, &ip->daddr, 16);
		return is_plain_query((const __u8 *)(ip + 1), end, &to);
	}
	return 0;
}

SEC("xdp")
int understudy_dns(struct xdp_md *ctx)
{
	if (!wanted((const __u8 *)(long)ctx->data, (const __u8 *)(long)ctx->data_end))
		return XDP_PASS;
	// Where the queue has no socket of ours, the kernel answers instead.
	return bpf_redirect_map(&xsks_map, ctx->rx_queue_index, XDP_PASS);
}

char _license[] SEC("license") = "BSD-3-Clause";
