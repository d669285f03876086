// SPDX-License-Identifier: BSD-3-Clause
// Connections to primaries: each carries one exchange at a time, and is kept for the next.
//
// Purpose: opens TCP connections, with TLS where it is wanted (then never without
// it), or takes one that an earlier exchange has left (RFC 7766 section 6.2.1). One that is kept
// and at which anything happens is closed: whoever takes it finds it quiet. Threads: the loop's.
// Ownership: links_new gives, links_free takes; a link is the caller's from link_open to link_keep
// or link_drop.
#pragma once

#include <uv.h>

#include "config.h"
#include "tls.h"

struct links;
struct link;

enum result links_new(uv_loop_t *loop, struct links **out);
// Closes those that are kept; the loop must run on until they are closed.
void links_stop(struct links *links);
// After links_stop, once the loop has ended.
void links_free(struct links *links);

struct link_options {
	const struct config_address *primary;
	const struct config_address *source; // NULL = any
	struct tls_context *tls;             // NULL = without TLS
	bool fresh;                          // do not take one that was kept
	// None of them is called from inside a function of this header.
	void (*opened)(void *arg); // not if it was kept
	void (*received)(void *arg, const uint8_t *octets, size_t len);
	// It could not be opened, broke, or was closed (then status is UV_EOF); only
	// link_drop is left to be called.
	void (*failed)(void *arg, int status);
	void *arg;
};

// RESULT_OK, RESULT_NO_MEMORY or RESULT_IO (errno).
enum result link_open(struct links *links, const struct link_options *options, struct link **out);

// Why it failed, with tls_detail's number or, of XFR_REASON_CONNECT and _IO, the system's; or
// what is still missing, if it is not open yet.
enum xfr_reason link_reason(const struct link *link, uint16_t *detail);

// Whether it stands already: it was kept.
bool link_is_kept(const struct link *link);

#define LINK_SEND_MAX 2048
// Once it stands, and once an exchange; the octets are copied.
enum result link_send(struct link *link, const uint8_t *octets, size_t len);

// The exchange is over, and nothing more will come of it.
void link_keep(struct link *link);
void link_drop(struct link *link);
