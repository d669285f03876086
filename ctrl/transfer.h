// SPDX-License-Identifier: BSD-3-Clause
// One exchange with a primary over libuv: the sockets and timers around an xfr.
//
// Purpose: a SOA query goes over UDP, is repeated, and then goes over TCP; a
// transfer goes over TCP, or an IXFR over UDP first if that is wanted. With TLS
// everything goes over TLS, whatever comes. A primary that refuses EDNS is asked again without. The
// engine (understudy/xfr.h) judges all that comes. Threads: the loop's. Ownership: transfer_start
// gives, transfer_close takes.
#pragma once

#include <uv.h>

#include "config.h"
#include "link.h"
#include "understudy/xfr.h"

struct transfer;

struct transfer_options {
	uv_loop_t *loop;
	struct links *links;
	struct config_address primary;
	struct config_address source; // family AF_UNSPEC = any
	struct tls_context *tls;      // NULL = without TLS; counted
	enum xfr_kind kind;
	bool udp;                   // ask over UDP first; not for XFR_AXFR, nor with TLS
	bool edns;                  // use EDNS as long as the primary lets it pass
	bool dnssec;                // XFR_SOA: ask for its signatures as well
	bool refuse_out_of_zone;    // records outside of the zone make it fail
	const uint8_t *apex;        // copied
	const struct tsig_key *key; // NULL = unsigned; copied
	const struct soa *base;     // XFR_IXFR; copied
	struct xfr_budget *budget;
	struct zonedb *db;
	const struct config_transfer *limits; // copied
	// Called once, never from inside transfer_start; then only transfer_close
	// is left to be called (in it, too).
	void (*done)(void *arg, struct transfer *t);
	void *arg;
};

// RESULT_OK or RESULT_NO_MEMORY. Nothing happens before the loop's next round.
enum result transfer_start(const struct transfer_options *options, struct transfer **out);

// Ends it at any time; `done` is not called any more.
void transfer_close(struct transfer *t);

// What came of it, once done: XFR_REASON_NONE is success.
enum xfr_reason transfer_reason(const struct transfer *t);
// With reasons of TLS: tls_detail's number; else 0.
uint16_t transfer_detail(const struct transfer *t);
// Whether the primary left even the connection attempt unanswered for long.
bool transfer_silent(const struct transfer *t);
// Whether the connection stood and no message came on it in time.
bool transfer_mute(const struct transfer *t);
// Whether it came to TCP, or TLS.
bool transfer_streamed(const struct transfer *t);
// Whether UDP got no answer of any kind, and TCP did.
bool transfer_deaf_to_udp(const struct transfer *t);
// Whether it went without EDNS, though that was wanted: the primary refused it.
bool transfer_plain(const struct transfer *t);
// The engine, for its figures, SOA and version; NULL if memory ran out.
struct xfr *transfer_engine(const struct transfer *t);
// Whether it is signed with TSIG; whether it goes over TLS.
bool transfer_keyed(const struct transfer *t);
bool transfer_encrypted(const struct transfer *t);
// Milliseconds since the exchange began.
uint64_t transfer_elapsed_ms(const struct transfer *t);
