// SPDX-License-Identifier: BSD-3-Clause
// Ports and workers: the network cards that DPDK drives, answered by lcores.
//
// Purpose: port_start brings DPDK up, sets every device up, joins the kernel to
// it by an exception interface where one is wanted, and starts the workers;
// port_stop undoes all of that. Behind this header stands the only DPDK code.
// Threads: port_start and port_stop belong to one and the same thread (the
// daemon's main thread); the other functions may be called by any thread in
// between. Workers are RCU readers; they unregister before port_stop returns.
// DPDK's environment can be had once in a process: after port_stop, or after a
// port_start that failed, port_start must not be called again.
// Ownership: options are read during port_start only and belong to the caller;
// zonedb and answer_config must outlive port_stop.
#pragma once

#include <net/if.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "understudy/answer.h"
#include "understudy/rcu.h"
#include "understudy/result.h"
#include "understudy/zone.h"

#define PORT_MAX          16
#define PORT_LCORES_MAX   64
#define PORT_SERVICES_MAX 64
#define PORT_MTU_DEFAULT  1500
#define PORT_MTU_MIN      576

// A service address: what queries must be sent to. Network byte order.
struct port_service {
	uint8_t family; // 4 or 6
	uint16_t port_be;
	uint8_t address[16];
};

// An address with its prefix length. Network byte order.
struct port_prefix {
	uint8_t family; // 4 or 6
	uint8_t prefix_len;
	uint8_t address[16];
};

// The exception interface of a port: a TAP that port_start makes, with the
// port's MAC and MTU, and that is gone after port_stop.
struct port_exception {
	const char *interface; // its name, under IFNAMSIZ octets
	const struct port_prefix *addresses;
	size_t address_count;
	const struct port_prefix *gateways; // default routes; prefix_len is not read
	size_t gateway_count;
	// At most so many to the kernel: of TCP and DNS messages, and a quarter of it each
	// of neighbour discovery and of all the rest. 0 = PORT_EXCEPTION_RATE.
	uint32_t frames_per_s;
};
#define PORT_EXCEPTION_RATE 100000u

struct port_device {
	const char *device;                     // vdev devargs, or a PCI address
	const struct port_exception *exception; // NULL: none
	uint16_t mtu;                           // 0 = what the device has, or PORT_MTU_DEFAULT
	uint32_t mbufs; // packet buffers beyond what the port needs; 0 = as detected
};

enum port_log_level { PORT_LOG_ERROR, PORT_LOG_WARNING, PORT_LOG_INFO };

struct port_options {
	const struct port_device *devices;
	size_t device_count; // at least 1
	const struct port_service *services;
	size_t service_count;   // at least 1
	const unsigned *lcores; // workers; one per device from lcore 1 up if lcore_count is 0
	size_t lcore_count;
	unsigned main_lcore;
	bool hugepages;
	unsigned memory_mib;    // 0 = DPDK's choice
	const char *const *eal; // further arguments of DPDK's environment
	size_t eal_count;
	const char *xdp_program; // object file; NULL = the installed one or the build tree's
	void (*log)(enum port_log_level level, const char *line); // called by port_start and
								  // port_stop only; NULL = stderr
};

struct ports;

// Starts everything, or nothing: on failure all that was done is undone, NULL is
// returned and `why` holds a sentence. `answer_config` is a published
// struct answer_config. On success the calling thread, and so every thread that
// it makes later, may run on all CPUs without a worker.
struct ports *port_start(const struct port_options *options, const struct zonedb *zonedb,
			 const struct rcu_pointer *answer_config, char *why, size_t why_size);

// Stops the workers, closes the devices, removes the exception interfaces,
// restores what was changed in the kernel, frees everything. NULL does nothing.
void port_stop(struct ports *ports);

// All CPUs of the process on which no worker runs (all of them if there would
// be none): for threads that were made before port_start.
void port_other_cpus(const struct ports *ports, cpu_set_t *out);

// Why a frame was dropped. Frames that are not for the worker are punted, that
// is, go to the kernel unchanged; only what nobody should answer is dropped.
enum port_drop {
	PORT_DROP_SHORT,          // ends inside a header
	PORT_DROP_OTHER_MAC,      // unicast to somebody else's MAC
	PORT_DROP_OWN_MAC,        // our own broadcast or multicast, come back
	PORT_DROP_GROUP_MAC,      // a query by broadcast or multicast
	PORT_DROP_BAD_IP,         // version, header length or total length impossible
	PORT_DROP_IP_CHECKSUM,    // IPv4 header checksum wrong
	PORT_DROP_SOURCE,         // impossible source: MAC, address, port
	PORT_DROP_BAD_UDP,        // UDP length impossible
	PORT_DROP_UDP_CHECKSUM,   // wrong, or absent over IPv6 (RFC 8200 section 8.1)
	PORT_DROP_NO_EXCEPTION,   // to be punted, but the port has no exception interface
	PORT_DROP_EXCEPTION_RATE, // to be punted, over the port's rate
	PORT_DROP_EXCEPTION_FULL, // to be punted, ring full
	PORT_DROP_TX,             // the device took no more to send
	PORT_DROP_COUNT
};
const char *port_drop_text(enum port_drop d); // "short", "other-mac", ...

// Counters of one worker: relaxed stores by the worker, loads by any thread.
struct port_stats {
	_Atomic uint64_t rx_packets;
	_Atomic uint64_t tx_packets;  // replies and frames of the kernel
	_Atomic uint64_t punted;      // frames given to the exception interface
	_Atomic uint64_t from_kernel; // frames of the kernel sent out
	_Atomic uint64_t bursts;      // polls that received something
	_Atomic uint64_t dropped[PORT_DROP_COUNT];
};

struct port_lcore {
	unsigned lcore;
	const struct port_stats *stats;    // valid until port_stop
	const struct answer_stats *answer; // valid until port_stop
};
size_t port_lcore_count(const struct ports *ports);
struct port_lcore port_lcore(const struct ports *ports, size_t i); // i below the count

// Counters of one exception interface, written by the exception thread.
struct port_exception_stats {
	_Atomic uint64_t to_kernel;
	_Atomic uint64_t from_kernel;
	_Atomic uint64_t to_kernel_failed;    // the kernel took no more
	_Atomic uint64_t from_kernel_dropped; // no packet buffer, or ring full
};

struct port_info {
	char device[64]; // DPDK's name of it
	uint8_t mac[6];
	bool link_up;
	uint32_t link_mbps; // UINT32_MAX = unknown
	uint16_t mtu;
	uint16_t queues;     // each polled by one worker
	uint64_t rx_missed;  // dropped by the device for want of polling
	uint64_t rx_no_mbuf; // dropped for want of packet buffers
	uint64_t tx_errors;
	char exception_interface[IF_NAMESIZE];        // "" = none
	const struct port_exception_stats *exception; // NULL = none; valid until port_stop
};
size_t port_count(const struct ports *ports);
void port_info(const struct ports *ports, size_t i, struct port_info *out); // i below the count
