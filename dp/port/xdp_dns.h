// SPDX-License-Identifier: BSD-3-Clause
// What our XDP program and the daemon agree on.
#pragma once

#include <linux/types.h>

#define XDP_OBJECT       "xdp_dns.bpf.o"
#define XDP_PROGRAM      "understudy_dns" // its name in the kernel, under 16 octets
#define XDP_SERVICES     "services"       // its map: struct xdp_service -> 1
#define XDP_SERVICES_MAX 64
#define XDP_QUEUES_MAX   64

// A service address; IPv4 in the first four octets, the rest 0. One that is all 0
// says: take every frame (the port has an exception interface).
struct xdp_service {
	__u8 address[16];
	__u16 port_be;
	__u8 family; // 4 or 6
	__u8 zero;
};
