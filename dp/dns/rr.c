// SPDX-License-Identifier: BSD-3-Clause
// What is known of each record type: its mnemonic and the shape of its rdata.
#include "understudy/rr.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "understudy/wire.h"

enum shape_kind {
	OPAQUE,
	NAME_1035,  // one name, RFC 1035
	NAMES_1035, // two names, RFC 1035 (MINFO)
	NAME_FOLDED,
	NAMES_FOLDED,
	NAME_EXACT,
	NAMES_EXACT,
	PREFERENCE_NAME, // AFSDB, RT, KX
	LEAD2_NAME_EXACT,
	SOA,
	MX,
	SIG,
	PX,
	NXT,
	NSEC,
	SRV,
	NAPTR,
	SVCB,
	DSYNC,
	NSEC3,
	NSEC3PARAM,
	CAA,
	STRING,
	STRINGS_2,
	FIXED_4,
	FIXED_6,
	FIXED_8,
	FIXED_10,
	FIXED_16,
	LEAD_1,
	LEAD_2,
	LEAD_3,
	LEAD_4,
	LEAD_5,
	LEAD_6,
};

static const struct rdata_shape shapes[] = {
	[OPAQUE] = { .fixed = -1 },
	[NAME_1035] = { .names = 1, .compressible = true, .fold_case = true },
	[NAMES_1035] = { .names = 2, .compressible = true, .fold_case = true },
	[NAME_FOLDED] = { .names = 1, .fold_case = true },
	[NAMES_FOLDED] = { .names = 2, .fold_case = true },
	[NAME_EXACT] = { .names = 1 },
	[NAMES_EXACT] = { .names = 2 },
	[PREFERENCE_NAME] = { .lead = 2, .names = 1, .fold_case = true },
	[LEAD2_NAME_EXACT] = { .lead = 2, .names = 1 },
	[SOA] = { .names = 2, .compressible = true, .fold_case = true, .fixed = 20 },
	[MX] = { .lead = 2, .names = 1, .compressible = true, .fold_case = true },
	[SIG] = { .lead = 18, .names = 1, .fold_case = true, .fixed = -1 },
	[PX] = { .lead = 2, .names = 2, .fold_case = true },
	[NXT] = { .names = 1, .fold_case = true, .fixed = -1 },
	[NSEC] = { .names = 1, .fixed = -1 },
	[SRV] = { .lead = 6, .names = 1, .fold_case = true },
	[NAPTR] = { .lead = 4, .strings = 3, .names = 1, .fold_case = true },
	[SVCB] = { .lead = 2, .names = 1, .fixed = -1 },
	[DSYNC] = { .lead = 5, .names = 1 },
	[NSEC3] = { .lead = 4, .strings = 2, .fixed = -1 }, // salt and hash
	[NSEC3PARAM] = { .lead = 4, .strings = 1 },
	[CAA] = { .lead = 1, .strings = 1, .fixed = -1 },
	[STRING] = { .strings = 1, .fixed = -1 },
	[STRINGS_2] = { .strings = 2 },
	[FIXED_4] = { .fixed = 4 },
	[FIXED_6] = { .fixed = 6 },
	[FIXED_8] = { .fixed = 8 },
	[FIXED_10] = { .fixed = 10 },
	[FIXED_16] = { .fixed = 16 },
	[LEAD_1] = { .lead = 1, .fixed = -1 },
	[LEAD_2] = { .lead = 2, .fixed = -1 },
	[LEAD_3] = { .lead = 3, .fixed = -1 },
	[LEAD_4] = { .lead = 4, .fixed = -1 },
	[LEAD_5] = { .lead = 5, .fixed = -1 },
	[LEAD_6] = { .lead = 6, .fixed = -1 },
};

// The registry of types (IANA "DNS Parameters"): number, shape, mnemonic.
// clang-format off
#define TYPES(X) \
	X(1, FIXED_4, "A") X(2, NAME_1035, "NS") X(3, NAME_1035, "MD") X(4, NAME_1035, "MF") \
	X(5, NAME_1035, "CNAME") X(6, SOA, "SOA") X(7, NAME_1035, "MB") X(8, NAME_1035, "MG") \
	X(9, NAME_1035, "MR") X(10, OPAQUE, "NULL") X(11, LEAD_5, "WKS") \
	X(12, NAME_1035, "PTR") X(13, STRINGS_2, "HINFO") X(14, NAMES_1035, "MINFO") \
	X(15, MX, "MX") X(16, LEAD_1, "TXT") X(17, NAMES_FOLDED, "RP") \
	X(18, PREFERENCE_NAME, "AFSDB") X(19, STRING, "X25") X(20, STRING, "ISDN") \
	X(21, PREFERENCE_NAME, "RT") X(22, OPAQUE, "NSAP") X(23, NAME_EXACT, "NSAP-PTR") \
	X(24, SIG, "SIG") X(25, LEAD_4, "KEY") X(26, PX, "PX") X(27, STRING, "GPOS") \
	X(28, FIXED_16, "AAAA") X(29, FIXED_16, "LOC") X(30, NXT, "NXT") X(31, OPAQUE, "EID") \
	X(32, OPAQUE, "NIMLOC") X(33, SRV, "SRV") X(34, OPAQUE, "ATMA") X(35, NAPTR, "NAPTR") \
	X(36, PREFERENCE_NAME, "KX") X(37, LEAD_5, "CERT") X(38, OPAQUE, "A6") \
	X(39, NAME_FOLDED, "DNAME") X(40, OPAQUE, "SINK") X(41, OPAQUE, "OPT") \
	X(42, OPAQUE, "APL") X(43, LEAD_4, "DS") X(44, LEAD_2, "SSHFP") \
	X(45, LEAD_3, "IPSECKEY") X(46, SIG, "RRSIG") X(47, NSEC, "NSEC") \
	X(48, LEAD_4, "DNSKEY") X(49, LEAD_1, "DHCID") X(50, NSEC3, "NSEC3") \
	X(51, NSEC3PARAM, "NSEC3PARAM") X(52, LEAD_3, "TLSA") X(53, LEAD_3, "SMIMEA") \
	X(55, LEAD_4, "HIP") X(56, OPAQUE, "NINFO") X(57, OPAQUE, "RKEY") \
	X(58, NAMES_EXACT, "TALINK") X(59, LEAD_4, "CDS") X(60, LEAD_4, "CDNSKEY") \
	X(61, LEAD_1, "OPENPGPKEY") X(62, LEAD_6, "CSYNC") X(63, LEAD_6, "ZONEMD") \
	X(64, SVCB, "SVCB") X(65, SVCB, "HTTPS") X(66, DSYNC, "DSYNC") X(67, OPAQUE, "HHIT") \
	X(68, OPAQUE, "BRID") X(99, LEAD_1, "SPF") X(100, OPAQUE, "UINFO") \
	X(101, OPAQUE, "UID") X(102, OPAQUE, "GID") X(103, OPAQUE, "UNSPEC") \
	X(104, FIXED_10, "NID") X(105, FIXED_6, "L32") X(106, FIXED_10, "L64") \
	X(107, LEAD2_NAME_EXACT, "LP") X(108, FIXED_6, "EUI48") X(109, FIXED_8, "EUI64") \
	X(128, OPAQUE, "NXNAME") X(249, OPAQUE, "TKEY") X(250, OPAQUE, "TSIG") \
	X(251, OPAQUE, "IXFR") X(252, OPAQUE, "AXFR") X(253, OPAQUE, "MAILB") \
	X(254, OPAQUE, "MAILA") X(255, OPAQUE, "ANY") X(256, LEAD_4, "URI") X(257, CAA, "CAA") \
	X(258, OPAQUE, "AVC") X(259, OPAQUE, "DOA") X(260, LEAD_2, "AMTRELAY") \
	X(261, OPAQUE, "RESINFO") X(262, OPAQUE, "WALLET") X(263, OPAQUE, "CLA") \
	X(264, OPAQUE, "IPN")
#define TYPES_HIGH(X) X(32768, OPAQUE, "TA") X(32769, OPAQUE, "DLV")

#define SHAPE_OF(number, shape, text) [number] = shape,
static const uint8_t shape_of[] = { TYPES(SHAPE_OF) };

#define MNEMONIC(number, shape, text) { number, text },
static const struct {
	uint16_t type;
	char text[11];
} mnemonics[] = { TYPES(MNEMONIC) TYPES_HIGH(MNEMONIC) };
// clang-format on

#define MNEMONICS (sizeof(mnemonics) / sizeof(mnemonics[0]))

const struct rdata_shape *rdata_shape(uint16_t type)
{
	return &shapes[type < sizeof(shape_of) ? shape_of[type] : OPAQUE];
}

// Copies `n` octets of rdata through; false if either side has no room.
static bool copy_octets(struct wire *in, struct wire_out *out, size_t n)
{
	const uint8_t *p = wire_take(in, n);
	if (p)
		wire_put_bytes(out, p, n);
	return p != NULL;
}

// Reads what stands before the rest: lead, strings and names.
static enum result read_shaped(struct wire *in, const struct rdata_shape *shape,
			       struct wire_out *out)
{
	if (!copy_octets(in, out, shape->lead))
		return RESULT_MALFORMED;
	for (unsigned i = 0; i < shape->strings; i++) {
		if (wire_left(in) == 0 || !copy_octets(in, out, 1u + *in->pos))
			return RESULT_MALFORMED;
	}
	for (unsigned i = 0; i < shape->names; i++) {
		struct name name;
		if (name_read(in, &name) != RESULT_OK)
			return RESULT_MALFORMED;
		wire_put_bytes(out, name.wire, name.len);
	}
	return RESULT_OK;
}

enum result rdata_read(struct wire *w, uint16_t type, uint16_t rdlen, uint8_t *out, size_t cap,
		       uint16_t *out_len)
{
	if (w->failed || wire_left(w) < rdlen) {
		w->failed = true;
		return RESULT_TRUNCATED;
	}
	const struct rdata_shape *shape = rdata_shape(type);
	struct wire in = *w;
	in.end = w->pos + rdlen;
	struct wire_out to = wire_out_init(out, cap);
	// Compressed names may make more of it than a length of 16 bits can say.
	bool ok = read_shaped(&in, shape, &to) == RESULT_OK;
	size_t rest = wire_left(&in);
	if (!ok || (shape->fixed >= 0 && rest != (size_t)shape->fixed) ||
	    wire_out_len(&to) + rest > UINT16_MAX) {
		w->failed = true;
		return RESULT_MALFORMED;
	}
	copy_octets(&in, &to, rest);
	if (to.failed)
		return RESULT_NO_SPACE;
	w->pos = in.end;
	*out_len = (uint16_t)wire_out_len(&to);
	return RESULT_OK;
}

// Octets of the rdata up to its first name.
static size_t octets_before_names(const struct rdata_shape *shape, const uint8_t *rdata)
{
	size_t at = shape->lead;
	for (unsigned i = 0; i < shape->strings; i++)
		at += 1u + rdata[at];
	return at;
}

const uint8_t *rdata_first_name(uint16_t type, const uint8_t *rdata)
{
	return rdata + octets_before_names(rdata_shape(type), rdata);
}

bool rrtype_has_target(uint16_t type)
{
	switch (type) {
	case RRTYPE_NS:
	case RRTYPE_MD:
	case RRTYPE_MF:
	case RRTYPE_MB:
	case RRTYPE_MX:
	case RRTYPE_AFSDB:
	case RRTYPE_RT:
	case RRTYPE_SRV:
	case RRTYPE_NAPTR:
	case RRTYPE_KX:
	case RRTYPE_SVCB:
	case RRTYPE_HTTPS: return true;
	default: return false;
	}
}

bool rdata_equal(uint16_t type, const uint8_t *a, uint16_t a_len, const uint8_t *b, uint16_t b_len)
{
	if (a_len != b_len)
		return false;
	const struct rdata_shape *shape = rdata_shape(type);
	if (!shape->fold_case)
		return a_len == 0 || memcmp(a, b, a_len) == 0;
	size_t at = octets_before_names(shape, a);
	if (memcmp(a, b, at) != 0)
		return false;
	for (unsigned i = 0; i < shape->names; i++) {
		if (!name_equal(a + at, b + at))
			return false;
		at += name_length(a + at);
	}
	return memcmp(a + at, b + at, a_len - at) == 0;
}

// memcmp over what both have, then the shorter first.
static int compare_octets(const uint8_t *a, size_t a_len, const uint8_t *b, size_t b_len)
{
	size_t common = a_len < b_len ? a_len : b_len;
	int d = common ? memcmp(a, b, common) : 0;
	return d != 0 ? d : (a_len > b_len) - (a_len < b_len);
}

int rdata_compare(uint16_t type, const uint8_t *a, uint16_t a_len, const uint8_t *b, uint16_t b_len)
{
	const struct rdata_shape *shape = rdata_shape(type);
	if (!shape->fold_case)
		return compare_octets(a, a_len, b, b_len);
	// Length octets are below 'A', so names fold as wholes.
	size_t a_at = octets_before_names(shape, a), b_at = octets_before_names(shape, b);
	int d = compare_octets(a, a_at, b, b_at);
	for (unsigned i = 0; d == 0 && i < shape->names; i++) {
		size_t a_name = name_length(a + a_at), b_name = name_length(b + b_at);
		for (size_t n = 0; d == 0 && n < a_name && n < b_name; n++)
			d = name_lower[a[a_at + n]] - name_lower[b[b_at + n]];
		if (d == 0)
			d = (a_name > b_name) - (a_name < b_name);
		a_at += a_name;
		b_at += b_name;
	}
	return d != 0 ? d : compare_octets(a + a_at, a_len - a_at, b + b_at, b_len - b_at);
}

bool rrtype_is_meta(uint16_t type)
{
	return type == 0 || type == RRTYPE_OPT || (type >= 128 && type <= 255);
}

const char *rrtype_to_text(uint16_t type, char buf[static RRTYPE_TEXT_SIZE])
{
	for (size_t i = 0; i < MNEMONICS; i++) {
		if (mnemonics[i].type == type)
			return memcpy(buf, mnemonics[i].text, sizeof(mnemonics[i].text));
	}
	snprintf(buf, RRTYPE_TEXT_SIZE, "TYPE%u", type);
	return buf;
}

// A decimal number of at most 16 bits, nothing around it.
static enum result number_from_text(const char *text, uint16_t *out)
{
	unsigned value = 0;
	if (*text == '\0')
		return RESULT_MALFORMED;
	for (; *text; text++) {
		if (*text < '0' || *text > '9')
			return RESULT_MALFORMED;
		value = value * 10 + (unsigned)(*text - '0');
		if (value > UINT16_MAX)
			return RESULT_MALFORMED;
	}
	*out = (uint16_t)value;
	return RESULT_OK;
}

enum result rrtype_from_text(const char *text, uint16_t *type)
{
	for (size_t i = 0; i < MNEMONICS; i++) {
		if (strcasecmp(mnemonics[i].text, text) == 0) {
			*type = mnemonics[i].type;
			return RESULT_OK;
		}
	}
	if (strncasecmp(text, "TYPE", 4) != 0)
		return RESULT_MALFORMED;
	return number_from_text(text + 4, type);
}

const char *rcode_to_text(uint16_t rcode)
{
	static const char *const texts[] = {
		[0] = "NOERROR",  [1] = "FORMERR", [2] = "SERVFAIL",  [3] = "NXDOMAIN",
		[4] = "NOTIMP",   [5] = "REFUSED", [6] = "YXDOMAIN",  [7] = "YXRRSET",
		[8] = "NXRRSET",  [9] = "NOTAUTH", [10] = "NOTZONE",  [11] = "DSOTYPENI",
		[16] = "BADVERS", [17] = "BADKEY", [18] = "BADTIME",  [19] = "BADMODE",
		[20] = "BADNAME", [21] = "BADALG", [22] = "BADTRUNC", [23] = "BADCOOKIE",
	};
	return rcode < sizeof(texts) / sizeof(texts[0]) ? texts[rcode] : NULL;
}
