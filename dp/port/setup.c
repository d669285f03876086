// SPDX-License-Identifier: BSD-3-Clause
// Port set-up: any device that DPDK knows, its queues, and the kernel around it.
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_cycles.h>
#include <rte_dev.h>
#include <rte_errno.h>
#include <rte_ethdev.h>
#include <rte_kvargs.h>
#include <rte_mbuf.h>

#include "ports.h"

#define DESCRIPTORS     1024   // of a queue, where the device has no wish
#define PACKET_FRAMES   "4096" // of an af_packet ring
#define XDP_DESCRIPTORS 4096   // of an AF_XDP queue
#define XDP_BUFFERS     8192   // that the AF_XDP driver holds, per queue
#define MTU_MAX         9216
#define DEVARGS_MAX     1024
#define PCAP_HEADER_LEN 24
#define PCAP_RECORD_LEN 16

#define RX_CHECKSUMS (RTE_ETH_RX_OFFLOAD_IPV4_CKSUM | RTE_ETH_RX_OFFLOAD_UDP_CKSUM)
#define TX_CHECKSUMS (RTE_ETH_TX_OFFLOAD_IPV4_CKSUM | RTE_ETH_TX_OFFLOAD_UDP_CKSUM)
#define RSS_WANTED                                                            \
	(RTE_ETH_RSS_IPV4 | RTE_ETH_RSS_NONFRAG_IPV4_UDP | RTE_ETH_RSS_IPV6 | \
	 RTE_ETH_RSS_NONFRAG_IPV6_UDP)

__attribute__((format(printf, 3, 4))) static enum result fail(const struct port_setup *s,
							      enum result r, const char *format,
							      ...)
{
	va_list values;
	int at = snprintf(s->why, s->why_size,
			  "device %.*s: ", (int)strcspn(s->device->device, ","), s->device->device);
	va_start(values, format);
	if (at > 0 && (size_t)at < s->why_size)
		vsnprintf(s->why + at, s->why_size - (size_t)at, format, values);
	va_end(values);
	return r;
}

static const char *dpdk_error(int ret)
{
	return rte_strerror(ret < 0 ? -ret : rte_errno);
}

// --- what the devargs say ---------------------------------------------------------

// Calls `each` for the values of one key of the devargs; false if it is absent.
static bool devargs_each(const char *devargs, const char *key, arg_handler_t each, void *arg)
{
	const char *comma = strchr(devargs, ',');
	struct rte_kvargs *args = comma ? rte_kvargs_parse(comma + 1, NULL) : NULL;
	if (!args)
		return false;
	bool found = rte_kvargs_count(args, key) > 0;
	if (found)
		rte_kvargs_process(args, key, each, arg);
	rte_kvargs_free(args);
	return found;
}

static int copy_interface(const char *key, const char *value, void *out)
{
	(void)key;
	snprintf(out, IF_NAMESIZE, "%s", value);
	return 0;
}

static int ignore(const char *key, const char *value, void *out)
{
	(void)key;
	(void)value;
	(void)out;
	return 0;
}

static bool driver_is(const char *devargs, const char *name)
{
	return strncmp(devargs, name, strlen(name)) == 0;
}

// Adds the number of records of a capture file; nothing if it is none.
static int count_capture(const char *key, const char *path, void *out)
{
	(void)key;
	uint32_t *packets = out;
	uint32_t header[PCAP_HEADER_LEN / 4];
	uint32_t record[PCAP_RECORD_LEN / 4];
	FILE *f = fopen(path, "rbe");
	if (!f)
		return 0;
	if (fread(header, sizeof(header), 1, f) == 1) {
		bool swapped = header[0] == 0xd4c3b2a1 || header[0] == 0x4d3cb2a1;
		while (fread(record, sizeof(record), 1, f) == 1) {
			uint32_t len = swapped ? __builtin_bswap32(record[2]) : record[2];
			(*packets)++;
			if (fseek(f, len, SEEK_CUR) != 0)
				break;
		}
	}
	fclose(f);
	return 0;
}

static int read_flag(const char *key, const char *value, void *out)
{
	(void)key;
	*(bool *)out = strtol(value, NULL, 10) != 0;
	return 0;
}

// net_pcap with infinite_rx keeps a packet buffer for each packet of its files.
static uint32_t captured_packets(const char *devargs)
{
	bool infinite = false;
	uint32_t packets = 0;
	devargs_each(devargs, "infinite_rx", read_flag, &infinite);
	if (infinite)
		devargs_each(devargs, "rx_pcap", count_capture, &packets);
	return packets;
}

// --- the device ---------------------------------------------------------------------

static enum result add_devarg(const struct port_setup *s, char *devargs, size_t size,
			      const char *key, const char *value)
{
	size_t len = strlen(devargs);
	if ((size_t)snprintf(devargs + len, size - len, ",%s=%s", key, value) >= size - len)
		return fail(s, RESULT_NO_SPACE, "devargs too long");
	return RESULT_OK;
}

// The driver's own 512 frames are ten milliseconds at 50,000 queries a second:
// less than a worker may lose its CPU for where it has none to itself.
static enum result add_frame_count(const struct port_setup *s, char *devargs, size_t size)
{
	if (!driver_is(devargs, "net_af_packet") || devargs_each(devargs, "framecnt", ignore, NULL))
		return RESULT_OK;
	return add_devarg(s, devargs, size, "framecnt", PACKET_FRAMES);
}

// Under AF_XDP our own program parts the frames, unless the devargs name another.
static enum result add_xdp_program(struct port *p, const struct port_setup *s, char *devargs,
				   size_t size)
{
	char path[512];
	if (!driver_is(devargs, "net_af_xdp") || p->interface[0] == '\0')
		return RESULT_OK;
	enum result r = xdp_detach(p->interface);
	if (r == RESULT_EXISTS)
		return fail(s, r, "another XDP program is attached to %s", p->interface);
	if (r != RESULT_OK)
		return fail(s, r, "XDP of %s: %s", p->interface, strerror(errno));
	if (devargs_each(devargs, "xdp_prog", ignore, NULL))
		return RESULT_OK;
	if (s->options->xdp_program)
		snprintf(path, sizeof(path), "%s", s->options->xdp_program);
	else if (xdp_find_program(path, sizeof(path)) != RESULT_OK)
		return fail(s, RESULT_NOT_FOUND, "our XDP program is not there: %s", path);
	p->xdp_ours = true;
	return add_devarg(s, devargs, size, "xdp_prog", path);
}

static enum result attach(struct port *p, const struct port_setup *s)
{
	char devargs[DEVARGS_MAX];
	struct rte_dev_iterator it;
	uint16_t id;
	if ((size_t)snprintf(devargs, sizeof(devargs), "%s", s->device->device) >= sizeof(devargs))
		return fail(s, RESULT_NO_SPACE, "devargs too long");
	if (driver_is(devargs, "net_af_xdp") && !s->options->hugepages)
		return fail(s, RESULT_INVALID, "AF_XDP needs hugepages");
	if (driver_is(devargs, "net_af_packet") || driver_is(devargs, "net_af_xdp"))
		devargs_each(devargs, "iface", copy_interface, p->interface);
	if (p->interface[0] && kernel_set_up(p->interface) != RESULT_OK)
		return fail(s, RESULT_IO, "interface %s: %s", p->interface, strerror(errno));
	enum result r = add_xdp_program(p, s, devargs, sizeof(devargs));
	if (r == RESULT_OK)
		r = add_frame_count(s, devargs, sizeof(devargs));
	if (r != RESULT_OK)
		return r;
	int ret = rte_dev_probe(devargs);
	if (ret < 0)
		return fail(s, RESULT_INVALID, "DPDK cannot attach it: %s", dpdk_error(ret));
	RTE_ETH_FOREACH_MATCHING_DEV(id, devargs, &it)
	{
		p->id = id;
		p->attached = true;
		rte_eth_iterator_cleanup(&it);
		break;
	}
	return p->attached ? RESULT_OK : fail(s, RESULT_NOT_FOUND, "it is no network device");
}

// Of these drivers every queue receives, whether it is polled or not; others get
// as many queues as there are workers.
static bool all_queues_receive(const char *devargs)
{
	return driver_is(devargs, "net_af_packet") || driver_is(devargs, "net_af_xdp") ||
	       driver_is(devargs, "net_pcap") || driver_is(devargs, "net_ring");
}

// An answer of 512 octets must fit in a frame (RFC 791, RFC 1035 section 4.2.1).
static enum result choose_mtu(struct port *p, const struct port_setup *s)
{
	uint16_t mtu = s->device->mtu;
	if (mtu == 0 && p->interface[0])
		kernel_mtu(p->interface, &mtu);
	if (mtu == 0 && rte_eth_dev_get_mtu(p->id, &mtu) != 0)
		mtu = PORT_MTU_DEFAULT;
	if (mtu < PORT_MTU_MIN)
		return fail(s, RESULT_INVALID, "MTU %u: at least %u is needed", mtu, PORT_MTU_MIN);
	// Longer frames do not fit the driver's slots, unless they were made longer.
	if (driver_is(s->device->device, "net_af_packet") &&
	    !devargs_each(s->device->device, "framesz", ignore, NULL))
		mtu = RTE_MIN(mtu, PORT_MTU_DEFAULT);
	p->mtu = RTE_MIN(mtu, MTU_MAX);
	return RESULT_OK;
}

static enum result configure(struct port *p, const struct port_setup *s,
			     struct rte_eth_dev_info *info)
{
	struct rte_eth_conf conf = { .rxmode.mtu = p->mtu };
	uint16_t queues = RTE_MIN(info->max_rx_queues, info->max_tx_queues);
	if (!all_queues_receive(s->device->device))
		queues = (uint16_t)RTE_MIN((unsigned)queues, s->worker_count);
	p->queue_count = queues;
	if (queues == 0)
		return fail(s, RESULT_INVALID, "it cannot both receive and send");
	if (queues > PORT_QUEUES_MAX)
		return fail(s, RESULT_LIMIT, "more than %d queues", PORT_QUEUES_MAX);
	conf.rxmode.offloads = info->rx_offload_capa & RX_CHECKSUMS;
	p->tx_checksums = (info->tx_offload_capa & TX_CHECKSUMS) == TX_CHECKSUMS;
	if (p->tx_checksums)
		conf.txmode.offloads |= TX_CHECKSUMS;
	// Free to the pool without a look: only where all frames come from one pool.
	if (!s->device->exception)
		conf.txmode.offloads |= info->tx_offload_capa & RTE_ETH_TX_OFFLOAD_MBUF_FAST_FREE;
	if (p->queue_count > 1) {
		conf.rx_adv_conf.rss_conf.rss_hf = info->flow_type_rss_offloads & RSS_WANTED;
		if (conf.rx_adv_conf.rss_conf.rss_hf)
			conf.rxmode.mq_mode = RTE_ETH_MQ_RX_RSS;
	}
	int ret = rte_eth_dev_configure(p->id, p->queue_count, p->queue_count, &conf);
	if (ret != 0)
		return fail(s, RESULT_INVALID, "it cannot be configured: %s", dpdk_error(ret));
	if (s->device->mtu != 0) {
		ret = rte_eth_dev_set_mtu(p->id, p->mtu);
		if (ret != 0 && ret != -ENOTSUP)
			return fail(s, RESULT_INVALID, "MTU %u: %s", p->mtu, dpdk_error(ret));
	}
	return RESULT_OK;
}

// Descriptors, caches, bursts, and what rings to the kernel and drivers hold.
static enum result make_pool(struct port *p, const struct port_setup *s, uint16_t rx, uint16_t tx)
{
	char name[RTE_MEMPOOL_NAMESIZE];
	uint32_t per_queue = rx + tx + 2 * PORT_BURST;
	if (s->device->exception)
		per_queue += 2 * PORT_RING_SIZE;
	if (driver_is(s->device->device, "net_af_xdp"))
		per_queue += XDP_BUFFERS;
	uint32_t count = p->queue_count * per_queue + s->worker_count * 2 * PORT_CACHE_SIZE;
	count += s->device->mbufs ? s->device->mbufs : captured_packets(s->device->device);
	uint32_t frame = p->mtu + FRAME_ETH_LEN + FRAME_TAGS_MAX * FRAME_TAG_LEN;
	uint16_t room = (uint16_t)(RTE_MAX(frame, PORT_FRAME_ROOM) + RTE_PKTMBUF_HEADROOM);
	snprintf(name, sizeof(name), "us_port_%u", p->id);
	p->pool = rte_pktmbuf_pool_create(name, count, PORT_CACHE_SIZE, 0, room,
					  rte_eth_dev_socket_id(p->id));
	if (!p->pool)
		return fail(s, RESULT_NO_MEMORY, "no memory for %u packet buffers (%u MiB): %s",
			    count, (unsigned)((uint64_t)count * (room + 256) >> 20),
			    rte_strerror(rte_errno));
	return RESULT_OK;
}

static enum result make_queues(struct port *p, const struct port_setup *s,
			       const struct rte_eth_dev_info *info)
{
	uint16_t rx = info->default_rxportconf.ring_size;
	uint16_t tx = info->default_txportconf.ring_size;
	int socket = rte_eth_dev_socket_id(p->id);
	rx = rx ? rx : DESCRIPTORS;
	tx = tx ? tx : DESCRIPTORS;
	if (driver_is(s->device->device, "net_af_xdp"))
		rx = tx = XDP_DESCRIPTORS;
	int ret = rte_eth_dev_adjust_nb_rx_tx_desc(p->id, &rx, &tx);
	if (ret != 0)
		return fail(s, RESULT_INVALID, "descriptors: %s", dpdk_error(ret));
	enum result r = make_pool(p, s, rx, tx);
	if (r != RESULT_OK)
		return r;
	for (uint16_t q = 0; q < p->queue_count; q++) {
		ret = rte_eth_tx_queue_setup(p->id, q, tx, (unsigned)socket, NULL);
		if (ret == 0)
			ret = rte_eth_rx_queue_setup(p->id, q, rx, (unsigned)socket, NULL, p->pool);
		if (ret != 0)
			return fail(s, RESULT_INVALID, "queue %u: %s", q, dpdk_error(ret));
	}
	return RESULT_OK;
}

// --- the kernel around it ---------------------------------------------------------------

// What the driver does not take from the kernel, the kernel must not answer.
static enum result quiet_kernel(struct port *p, const struct port_setup *s)
{
	char why[256];
	const char *interface = p->interface;
	if (!interface[0] || !s->device->exception) {
		if (driver_is(s->device->device, "net_af_packet"))
			port_say(s->options, PORT_LOG_WARNING,
				 "%s: af_packet without an exception interface: the kernel sees "
				 "every frame as well and may answer it",
				 s->device->device);
		return RESULT_OK;
	}
	if (kernel_has_addresses(interface))
		port_say(s->options, PORT_LOG_WARNING,
			 "%s has addresses of its own, which the kernel answers; they belong on "
			 "the exception interface %s",
			 interface, s->device->exception->interface);
	if (kernel_quiet(interface, &p->settings, why, sizeof(why)) != RESULT_OK)
		return fail(s, RESULT_IO, "%s", why);
	port_say(s->options, PORT_LOG_INFO,
		 "%s: set disable_ipv6=1, rp_filter=1, arp_ignore=1 and no GRO until the end",
		 interface);
	return RESULT_OK;
}

static enum result join_kernel(struct port *p, const struct port_setup *s)
{
	char why[256];
	if (!s->device->exception)
		return RESULT_OK;
	const struct exception_options options = {
		.wanted = s->device->exception,
		.mac = p->local.mac,
		.mtu = p->mtu,
		.port_id = p->id,
		.queue_count = p->queue_count,
		.socket = rte_eth_dev_socket_id(p->id),
	};
	enum result r = exception_new(&options, &p->exception, why, sizeof(why));
	if (r != RESULT_OK)
		return fail(s, r, "%s", why);
	return RESULT_OK;
}

enum result port_set_up(struct port *p, const struct port_setup *s)
{
	struct rte_eth_dev_info info;
	struct rte_ether_addr mac;
	enum result r = attach(p, s);
	if (r != RESULT_OK)
		return r;
	int ret = rte_eth_dev_info_get(p->id, &info);
	if (ret == 0)
		ret = rte_eth_macaddr_get(p->id, &mac);
	if (ret != 0)
		return fail(s, RESULT_INVALID, "it says nothing of itself: %s", dpdk_error(ret));
	frame_local_init(&p->local, mac.addr_bytes, s->options->services,
			 s->options->service_count);
	r = choose_mtu(p, s);
	if (r == RESULT_OK)
		r = configure(p, s, &info);
	if (r == RESULT_OK)
		r = quiet_kernel(p, s);
	if (r == RESULT_OK && driver_is(s->device->device, "net_af_xdp") && p->interface[0])
		r = kernel_keep_tags(p->interface, &p->settings);
	if (r == RESULT_OK)
		r = make_queues(p, s, &info);
	if (r == RESULT_OK)
		r = join_kernel(p, s);
	return r;
}

// Neighbour discovery goes by multicast (RFC 4861 section 4.3).
static void receive_multicast(struct port *p, const struct port_setup *s)
{
	if (!p->exception)
		return;
	if (rte_eth_allmulticast_enable(p->id) == 0)
		return;
	p->promiscuous = rte_eth_promiscuous_enable(p->id) == 0;
	if (p->promiscuous)
		return;
	port_say(s->options, PORT_LOG_WARNING,
		 "%s: multicast cannot be received: no IPv6 neighbour discovery",
		 s->device->device);
}

enum result port_go(struct port *p, const struct port_setup *s)
{
	int ret = rte_eth_dev_start(p->id);
	if (ret != 0)
		return fail(s, RESULT_INVALID, "it does not start: %s", dpdk_error(ret));
	p->started = true;
	receive_multicast(p, s);
	if (!p->xdp_ours)
		return RESULT_OK;
	size_t count = p->exception ? 0 : s->options->service_count;
	enum result r = xdp_set_services(p->interface, s->options->services, count);
	if (r != RESULT_OK)
		return fail(s, r, "our XDP program on %s does not take the service addresses",
			    p->interface);
	return RESULT_OK;
}

void port_take_down(struct port *p)
{
	if (p->promiscuous)
		rte_eth_promiscuous_disable(p->id);
	if (p->started)
		rte_eth_dev_stop(p->id);
	if (p->attached)
		rte_eth_dev_close(p->id);
	if (p->xdp_ours)
		xdp_detach(p->interface);
	exception_free(p->exception);
	kernel_restore(p->settings);
	rte_mempool_free(p->pool);
}
