// SPDX-License-Identifier: BSD-3-Clause
// Record types, classes, codes, and what must be known of each type's rdata.
//
// Purpose: rdata is opaque except for the domain names inside it. One table
// says where they stand, which may be compressed when sent (RFC 1035 types
// only, RFC 3597 section 4), and which may arrive compressed.
// Threads: any; no state.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "understudy/name.h"
#include "understudy/result.h"

enum rrtype {
	RRTYPE_A = 1,
	RRTYPE_NS = 2,
	RRTYPE_MD = 3,
	RRTYPE_MF = 4,
	RRTYPE_CNAME = 5,
	RRTYPE_SOA = 6,
	RRTYPE_MB = 7,
	RRTYPE_MG = 8,
	RRTYPE_MR = 9,
	RRTYPE_PTR = 12,
	RRTYPE_MINFO = 14,
	RRTYPE_MX = 15,
	RRTYPE_TXT = 16,
	RRTYPE_RP = 17,
	RRTYPE_AFSDB = 18,
	RRTYPE_RT = 21,
	RRTYPE_SIG = 24,
	RRTYPE_KEY = 25,
	RRTYPE_PX = 26,
	RRTYPE_AAAA = 28,
	RRTYPE_NXT = 30,
	RRTYPE_SRV = 33,
	RRTYPE_NAPTR = 35,
	RRTYPE_KX = 36,
	RRTYPE_DNAME = 39,
	RRTYPE_OPT = 41,
	RRTYPE_DS = 43,
	RRTYPE_RRSIG = 46,
	RRTYPE_NSEC = 47,
	RRTYPE_DNSKEY = 48,
	RRTYPE_NSEC3 = 50,
	RRTYPE_NSEC3PARAM = 51,
	RRTYPE_ZONEMD = 63,
	RRTYPE_SVCB = 64,
	RRTYPE_HTTPS = 65,
	RRTYPE_TKEY = 249,
	RRTYPE_NXNAME = 128,
	RRTYPE_TSIG = 250,
	RRTYPE_IXFR = 251,
	RRTYPE_AXFR = 252,
	RRTYPE_MAILB = 253,
	RRTYPE_MAILA = 254,
	RRTYPE_ANY = 255,
};

enum rrclass { RRCLASS_IN = 1, RRCLASS_CH = 3, RRCLASS_NONE = 254, RRCLASS_ANY = 255 };

enum opcode { OPCODE_QUERY = 0, OPCODE_STATUS = 2, OPCODE_NOTIFY = 4, OPCODE_UPDATE = 5 };

enum rcode {
	RCODE_NOERROR = 0,
	RCODE_FORMERR = 1,
	RCODE_SERVFAIL = 2,
	RCODE_NXDOMAIN = 3,
	RCODE_NOTIMP = 4,
	RCODE_REFUSED = 5,
	RCODE_YXDOMAIN = 6,
	RCODE_NOTAUTH = 9,
	RCODE_NOTZONE = 10,
	RCODE_BADVERS = 16,   // extended (RFC 6891); BADSIG in a TSIG record
	RCODE_BADCOOKIE = 23, // RFC 7873
};

// Header: octets 2 and 3 as one big-endian word (RFC 1035 section 4.1.1).
#define DNS_HEADER_OCTETS 12
#define DNS_FLAG_QR       0x8000u
#define DNS_OPCODE_SHIFT  11
#define DNS_OPCODE_MASK   0x7800u
#define DNS_FLAG_AA       0x0400u
#define DNS_FLAG_TC       0x0200u
#define DNS_FLAG_RD       0x0100u
#define DNS_FLAG_RA       0x0080u
#define DNS_FLAG_AD       0x0020u
#define DNS_FLAG_CD       0x0010u
#define DNS_RCODE_MASK    0x000fu

// In the TTL of OPT (RFC 6891 section 6.1.4).
#define EDNS_FLAG_DO 0x8000u

// In the rdata of RRSIG (RFC 4034 section 3.1), seconds in serial number arithmetic (3.1.5).
#define RRSIG_EXPIRATION_AT 8
#define RRSIG_INCEPTION_AT  12

// Where names stand in the rdata of a type: `lead` octets, then `names` names,
// then the rest (for NAPTR three character-strings stand before the name).
struct rdata_shape {
	uint8_t lead;
	uint8_t strings;   // character-strings between lead and the names
	uint8_t names;     // 0 to 2
	bool compressible; // may be compressed when sent (RFC 3597 section 4)
	bool fold_case;    // names ignore case when rdata are compared or ordered
			   // (RFC 4034 section 6.2, RFC 6840 section 5.1)
	int16_t fixed;     // exact octets of what follows the names, -1 for any
};

// Never NULL; a type without names has names == 0.
const struct rdata_shape *rdata_shape(uint16_t type);

// The first name in rdata that rdata_read has seen; its type has names.
const uint8_t *rdata_first_name(uint16_t type, const uint8_t *rdata);

// Whether the first name is that of a server, whose addresses are worth having with
// the record (RFC 1035 section 3.3, 1183, 2230, 2782, 3403, 9460).
bool rrtype_has_target(uint16_t type);

// Reads rdata of `rdlen` octets at the cursor into `out` with all names
// decompressed, and validates it as far as its shape goes; for A and AAAA
// also the length. 65,535 octets of `cap` always suffice.
// RESULT_OK, RESULT_TRUNCATED, RESULT_MALFORMED (cursor failed), RESULT_NO_SPACE.
enum result rdata_read(struct wire *w, uint16_t type, uint16_t rdlen, uint8_t *out, size_t cap,
		       uint16_t *out_len);

// Whether two rdata of one type are equal as RFC 4034 section 6.2 and RFC 6840
// section 5.1 count it: names inside the types they list ignore case.
bool rdata_equal(uint16_t type, const uint8_t *a, uint16_t a_len, const uint8_t *b, uint16_t b_len);

// Canonical order of two rdata of one type (RFC 4034 section 6.3), case ignored
// as rdata_equal does: <0, 0 exactly when rdata_equal, >0.
int rdata_compare(uint16_t type, const uint8_t *a, uint16_t a_len, const uint8_t *b,
		  uint16_t b_len);

// Types that can stand in no zone: OPT and the meta and query types
// (RFC 6895 section 3.1).
bool rrtype_is_meta(uint16_t type);

#define RRTYPE_TEXT_SIZE 16
// "A", "AAAA", …, else "TYPE12345" (RFC 3597 section 5); returns buf.
const char *rrtype_to_text(uint16_t type, char buf[static RRTYPE_TEXT_SIZE]);
enum result rrtype_from_text(const char *text, uint16_t *type);

// "NOERROR", …; NULL where there is no mnemonic.
const char *rcode_to_text(uint16_t rcode);
