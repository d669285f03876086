// SPDX-License-Identifier: BSD-3-Clause
// The kernel's network interfaces: TAPs, addresses, routes, settings.
//
// Purpose: what port set-up needs of the kernel, by ioctl, rtnetlink and
// /proc/sys/net, with no external program. Threads: set-up only.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "understudy/port.h"
#include "understudy/result.h"

// All: RESULT_OK, or RESULT_IO with errno set; RESULT_EXISTS where said.

// Makes a TAP without packet information and without checksum offloads, which
// lasts as long as *fd (non-blocking). RESULT_EXISTS: somebody else's.
enum result kernel_tap(const char *interface, int *fd);

enum result kernel_set_mac(const char *interface, const uint8_t mac[6]);
enum result kernel_set_mtu(const char *interface, uint16_t mtu);
enum result kernel_mtu(const char *interface, uint16_t *mtu);
enum result kernel_set_up(const char *interface);
enum result kernel_add_address(const char *interface, const struct port_prefix *address);
enum result kernel_add_gateway(const char *interface, const struct port_prefix *gateway);

// Has the interface an IPv4 address, or an IPv6 address other than link-local?
bool kernel_has_addresses(const char *interface);

// Keeps the kernel from answering on an interface whose frames it only sees a
// copy of: no IPv6, ARP for the interface's own addresses only, strict reverse
// path, no merging of segments. What was changed is remembered.
struct kernel_settings;
enum result kernel_quiet(const char *interface, struct kernel_settings **out, char *why,
			 size_t why_size);
// Keeps the device from taking VLAN tags out of frames; into *settings, new or kernel_quiet's.
enum result kernel_keep_tags(const char *interface, struct kernel_settings **settings);
// Puts back what these changed, and frees. NULL does nothing.
void kernel_restore(struct kernel_settings *s);
