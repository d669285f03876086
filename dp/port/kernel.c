// SPDX-License-Identifier: BSD-3-Clause
// The kernel's network interfaces, by ioctl, rtnetlink and /proc/sys/net.
#include "kernel.h"

#include <errno.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <linux/ethtool.h>
#include <linux/if_tun.h>
#include <linux/rtnetlink.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

enum result kernel_tap(const char *interface, int *fd)
{
	struct ifreq ifr = { .ifr_flags = IFF_TAP | IFF_NO_PI | IFF_TUN_EXCL };
	int tap = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
	if (tap < 0)
		return RESULT_IO;
	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", interface);
	if (ioctl(tap, TUNSETIFF, &ifr) != 0) {
		int error = errno;
		close(tap);
		errno = error;
		return error == EBUSY ? RESULT_EXISTS : RESULT_IO;
	}
	*fd = tap;
	return RESULT_OK;
}

// One ioctl on an interface; ifr's name is filled in.
static enum result interface_ioctl(const char *interface, unsigned long request, struct ifreq *ifr)
{
	int s = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (s < 0)
		return RESULT_IO;
	snprintf(ifr->ifr_name, sizeof(ifr->ifr_name), "%s", interface);
	int failed = ioctl(s, request, ifr);
	int error = errno;
	close(s);
	errno = error;
	return failed ? RESULT_IO : RESULT_OK;
}

enum result kernel_set_mac(const char *interface, const uint8_t mac[6])
{
	struct ifreq ifr = { .ifr_hwaddr.sa_family = ARPHRD_ETHER };
	memcpy(ifr.ifr_hwaddr.sa_data, mac, 6);
	return interface_ioctl(interface, SIOCSIFHWADDR, &ifr);
}

enum result kernel_set_mtu(const char *interface, uint16_t mtu)
{
	struct ifreq ifr = { .ifr_mtu = mtu };
	return interface_ioctl(interface, SIOCSIFMTU, &ifr);
}

enum result kernel_mtu(const char *interface, uint16_t *mtu)
{
	struct ifreq ifr = { 0 };
	enum result r = interface_ioctl(interface, SIOCGIFMTU, &ifr);
	if (r == RESULT_OK)
		*mtu = ifr.ifr_mtu > UINT16_MAX ? UINT16_MAX : (uint16_t)ifr.ifr_mtu;
	return r;
}

enum result kernel_set_up(const char *interface)
{
	struct ifreq ifr = { 0 };
	enum result r = interface_ioctl(interface, SIOCGIFFLAGS, &ifr);
	if (r != RESULT_OK || (ifr.ifr_flags & IFF_UP))
		return r;
	ifr.ifr_flags |= IFF_UP;
	return interface_ioctl(interface, SIOCSIFFLAGS, &ifr);
}

bool kernel_has_addresses(const char *interface)
{
	struct ifaddrs *all;
	bool found = false;
	if (getifaddrs(&all) != 0)
		return false;
	for (const struct ifaddrs *a = all; a && !found; a = a->ifa_next) {
		if (!a->ifa_addr || strcmp(a->ifa_name, interface) != 0)
			continue;
		const struct sockaddr_in6 *six = (const void *)a->ifa_addr;
		found = a->ifa_addr->sa_family == AF_INET ||
			(a->ifa_addr->sa_family == AF_INET6 &&
			 !IN6_IS_ADDR_LINKLOCAL(&six->sin6_addr));
	}
	freeifaddrs(all);
	return found;
}

// --- rtnetlink ------------------------------------------------------------------

struct netlink_request {
	struct nlmsghdr header;
	union {
		struct ifaddrmsg address;
		struct rtmsg route;
	};
	uint8_t attributes[128];
};

static void netlink_attribute(struct netlink_request *r, unsigned short type, const void *data,
			      unsigned short len)
{
	struct rtattr *a =
		(struct rtattr *)(void *)((uint8_t *)r + NLMSG_ALIGN(r->header.nlmsg_len));
	a->rta_type = type;
	a->rta_len = (unsigned short)RTA_LENGTH(len);
	memcpy(RTA_DATA(a), data, len);
	r->header.nlmsg_len = NLMSG_ALIGN(r->header.nlmsg_len) + RTA_ALIGN(a->rta_len);
}

// Sends the request and waits for the kernel's word on it.
static enum result netlink_talk(struct netlink_request *r)
{
	struct {
		struct nlmsghdr header;
		struct nlmsgerr error;
		uint8_t rest[512];
	} reply;
	int error = EPROTO;
	int s = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	if (s < 0)
		return RESULT_IO;
	r->header.nlmsg_flags |= NLM_F_REQUEST | NLM_F_ACK;
	ssize_t got = -1;
	if (send(s, r, r->header.nlmsg_len, 0) >= 0)
		got = recv(s, &reply, sizeof(reply), 0);
	if (got < 0)
		error = errno;
	else if ((size_t)got >= sizeof(reply.header) + sizeof(reply.error) &&
		 reply.header.nlmsg_type == NLMSG_ERROR)
		error = -reply.error.error;
	close(s);
	errno = error;
	return error ? RESULT_IO : RESULT_OK;
}

enum result kernel_add_address(const char *interface, const struct port_prefix *address)
{
	const unsigned short octets = address->family == 4 ? 4 : 16;
	struct netlink_request r = {
		.header = { .nlmsg_len = NLMSG_LENGTH(sizeof(struct ifaddrmsg)),
			    .nlmsg_type = RTM_NEWADDR,
			    .nlmsg_flags = NLM_F_CREATE | NLM_F_REPLACE },
		.address = { .ifa_family = address->family == 4 ? AF_INET : AF_INET6,
			     .ifa_prefixlen = address->prefix_len,
			     // Nobody else can have it, and it must serve at once.
			     .ifa_flags = address->family == 6 ? IFA_F_NODAD : 0,
			     .ifa_index = if_nametoindex(interface) },
	};
	if (address->family == 4)
		netlink_attribute(&r, IFA_LOCAL, address->address, octets);
	netlink_attribute(&r, IFA_ADDRESS, address->address, octets);
	return netlink_talk(&r);
}

enum result kernel_add_gateway(const char *interface, const struct port_prefix *gateway)
{
	uint32_t index = if_nametoindex(interface);
	struct netlink_request r = {
		.header = { .nlmsg_len = NLMSG_LENGTH(sizeof(struct rtmsg)),
			    .nlmsg_type = RTM_NEWROUTE,
			    .nlmsg_flags = NLM_F_CREATE | NLM_F_REPLACE },
		.route = { .rtm_family = gateway->family == 4 ? AF_INET : AF_INET6,
			   .rtm_table = RT_TABLE_MAIN,
			   .rtm_protocol = RTPROT_STATIC,
			   .rtm_scope = RT_SCOPE_UNIVERSE,
			   .rtm_type = RTN_UNICAST },
	};
	netlink_attribute(&r, RTA_GATEWAY, gateway->address, gateway->family == 4 ? 4 : 16);
	netlink_attribute(&r, RTA_OIF, &index, sizeof(index));
	return netlink_talk(&r);
}

// --- settings that are put back -----------------------------------------------------

static const struct {
	const char *path;
	const char *value;
} quiet_sysctls[] = {
	{ "/proc/sys/net/ipv6/conf/%s/disable_ipv6", "1\n" },
	{ "/proc/sys/net/ipv4/conf/%s/rp_filter", "1\n" },
	{ "/proc/sys/net/ipv4/conf/%s/arp_ignore", "1\n" },
};
#define QUIET_SYSCTLS (sizeof(quiet_sysctls) / sizeof(quiet_sysctls[0]))

struct kernel_settings {
	char interface[IF_NAMESIZE];
	char before[QUIET_SYSCTLS][16]; // "" = not changed
	bool gro_before, rxvlan_before;
};

static enum result sysctl_read(const char *path, char *value, size_t size)
{
	FILE *f = fopen(path, "re");
	if (!f)
		return RESULT_IO;
	bool ok = fgets(value, (int)size, f) != NULL;
	fclose(f);
	return ok ? RESULT_OK : RESULT_IO;
}

static enum result sysctl_write(const char *path, const char *value)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return RESULT_IO;
	ssize_t len = (ssize_t)strlen(value);
	ssize_t written = write(fd, value, (size_t)len);
	close(fd);
	return written == len ? RESULT_OK : RESULT_IO;
}

// Generic receive offload hands on frames longer than any that came.
static enum result gro(const char *interface, bool set, bool *on)
{
	struct ethtool_value value = { .cmd = set ? ETHTOOL_SGRO : ETHTOOL_GGRO, .data = *on };
	struct ifreq ifr = { .ifr_data = (void *)&value };
	enum result r = interface_ioctl(interface, SIOCETHTOOL, &ifr);
	if (r == RESULT_OK)
		*on = value.data != 0;
	return r;
}

static enum result flags(const char *interface, uint32_t cmd, uint32_t *value)
{
	struct ethtool_value v = { .cmd = cmd, .data = *value };
	struct ifreq ifr = { .ifr_data = (void *)&v };
	enum result r = interface_ioctl(interface, SIOCETHTOOL, &ifr);
	if (r == RESULT_OK)
		*value = v.data;
	return r;
}

// VLAN tags that the device takes out of frames, XDP does not see: a reply would lack them.
// False if it was so already, or cannot be had.
static bool rxvlan(const char *interface, bool on)
{
	uint32_t before = 0, now;
	if (flags(interface, ETHTOOL_GFLAGS, &before) != RESULT_OK)
		return false;
	now = on ? before | ETH_FLAG_RXVLAN : before & ~(uint32_t)ETH_FLAG_RXVLAN;
	return now != before && flags(interface, ETHTOOL_SFLAGS, &now) == RESULT_OK;
}

enum result kernel_quiet(const char *interface, struct kernel_settings **out, char *why,
			 size_t why_size)
{
	char path[128];
	struct kernel_settings *s = calloc(1, sizeof(*s));
	if (!s) {
		snprintf(why, why_size, "out of memory");
		return RESULT_NO_MEMORY;
	}
	snprintf(s->interface, sizeof(s->interface), "%s", interface);
	for (size_t i = 0; i < QUIET_SYSCTLS; i++) {
		char before[sizeof(s->before[i])];
		snprintf(path, sizeof(path), quiet_sysctls[i].path, interface);
		// A kernel without IPv6 has no such file, and nothing to be kept from.
		if (sysctl_read(path, before, sizeof(before)) != RESULT_OK && errno == ENOENT)
			continue;
		if (strcmp(before, quiet_sysctls[i].value) == 0)
			continue;
		if (sysctl_write(path, quiet_sysctls[i].value) != RESULT_OK) {
			snprintf(why, why_size, "%s cannot be set to %c: %s", path,
				 quiet_sysctls[i].value[0], strerror(errno));
			kernel_restore(s);
			return RESULT_IO;
		}
		memcpy(s->before[i], before, sizeof(before));
	}
	bool on = false;
	if (gro(interface, false, &on) == RESULT_OK && on) {
		on = false;
		s->gro_before = gro(interface, true, &on) == RESULT_OK;
	}
	*out = s;
	return RESULT_OK;
}

enum result kernel_keep_tags(const char *interface, struct kernel_settings **settings)
{
	struct kernel_settings *s = *settings ? *settings : calloc(1, sizeof(*s));
	if (!s)
		return RESULT_NO_MEMORY;
	snprintf(s->interface, sizeof(s->interface), "%s", interface);
	s->rxvlan_before = rxvlan(interface, false);
	*settings = s;
	return RESULT_OK;
}

void kernel_restore(struct kernel_settings *s)
{
	char path[128];
	if (!s)
		return;
	for (size_t i = 0; i < QUIET_SYSCTLS; i++) {
		if (!s->before[i][0])
			continue;
		snprintf(path, sizeof(path), quiet_sysctls[i].path, s->interface);
		sysctl_write(path, s->before[i]);
	}
	if (s->gro_before)
		gro(s->interface, true, &s->gro_before);
	if (s->rxvlan_before)
		rxvlan(s->interface, true);
	free(s);
}
