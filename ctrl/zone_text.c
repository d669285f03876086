// SPDX-License-Identifier: BSD-3-Clause
// Zones in presentation format.
//
// A type's rdata is a string of fields. What does not follow its type's fields
// to the last octet, and every type that stands not in the table, is written in
// the form for unknown types, which every reader takes.
#include "zone_text.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <string.h>
#include <time.h>

#include "understudy/rr.h"
#include "understudy/wire.h"

// Fields of rdata:
//   1 2 4  number of so many octets    n  name           s  character-string
//   S      character-strings to the end, one at least     a  IPv4   A  IPv6 address
//   b      base64 to the end           x  hexadecimal digits to the end
//   y      type                        t  time           m  types (a bitmap) to the end
//   h      hash: a length, base32hex   l  salt: a length, hexadecimal digits or "-"
//   T      tag: a length, letters and digits              q  text to the end, quoted
static const struct {
	uint16_t type;
	const char *fields;
} forms[] = {
	{ RRTYPE_A, "a" },
	{ RRTYPE_NS, "n" },
	{ RRTYPE_CNAME, "n" },
	{ RRTYPE_SOA, "nn44444" },
	{ RRTYPE_PTR, "n" },
	{ 13, "ss" }, // HINFO
	{ RRTYPE_MINFO, "nn" },
	{ RRTYPE_MX, "2n" },
	{ RRTYPE_TXT, "S" },
	{ RRTYPE_RP, "nn" },
	{ RRTYPE_AFSDB, "2n" },
	{ RRTYPE_RT, "2n" },
	{ RRTYPE_PX, "2nn" },
	{ RRTYPE_AAAA, "A" },
	{ RRTYPE_SRV, "222n" },
	{ RRTYPE_NAPTR, "22sssn" },
	{ RRTYPE_KX, "2n" },
	{ RRTYPE_DNAME, "n" },
	{ RRTYPE_DS, "211x" },
	{ 44, "11x" }, // SSHFP
	{ RRTYPE_RRSIG, "y114tt2nb" },
	{ RRTYPE_NSEC, "nm" },
	{ RRTYPE_DNSKEY, "211b" },
	{ RRTYPE_NSEC3, "112lhm" },
	{ RRTYPE_NSEC3PARAM, "112l" },
	{ 52, "111x" }, // TLSA
	{ 53, "111x" }, // SMIMEA
	{ 59, "211x" }, // CDS
	{ 60, "211b" }, // CDNSKEY
	{ 63, "411x" }, // ZONEMD
	{ 99, "S" },    // SPF
	{ 256, "22q" }, // URI
	{ 257, "1Tq" }, // CAA
};

static const char *fields_of(uint16_t type)
{
	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		if (forms[i].type == type)
			return forms[i].fields;
	}
	return NULL;
}

// A mnemonic only where every reader knows it.
static void put_type(FILE *to, uint16_t type)
{
	char buf[RRTYPE_TEXT_SIZE];
	if (fields_of(type))
		fputs(rrtype_to_text(type, buf), to);
	else
		fprintf(to, "TYPE%u", type);
}

static void put_quoted(FILE *to, const uint8_t *p, size_t len)
{
	fputc('"', to);
	for (size_t i = 0; i < len; i++) {
		if (p[i] == '"' || p[i] == '\\')
			fprintf(to, "\\%c", p[i]);
		else if (p[i] < 0x20 || p[i] > 0x7e)
			fprintf(to, "\\%03u", p[i]);
		else
			fputc(p[i], to);
	}
	fputc('"', to);
}

static void put_hex(FILE *to, const uint8_t *p, size_t len)
{
	for (size_t i = 0; i < len; i++)
		fprintf(to, "%02X", p[i]);
}

// Digits of `bits` bits each, the last one filled up with zeros.
static unsigned put_digits(FILE *to, const char *digits, unsigned bits, const uint8_t *p,
			   size_t len)
{
	uint32_t held = 0;
	unsigned have = 0, count = 0;
	for (size_t i = 0; i < len; i++) {
		held = held << 8 | p[i];
		for (have += 8; have >= bits; count++) {
			have -= bits;
			fputc(digits[held >> have & ((1u << bits) - 1)], to);
		}
	}
	if (have) {
		fputc(digits[held << (bits - have) & ((1u << bits) - 1)], to);
		count++;
	}
	return count;
}

static void put_base64(FILE *to, const uint8_t *p, size_t len)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	for (unsigned n = put_digits(to, digits, 6, p, len); n % 4; n++)
		fputc('=', to);
}

static void put_time(FILE *to, uint32_t seconds)
{
	char text[32];
	time_t t = seconds;
	struct tm tm;
	gmtime_r(&t, &tm);
	strftime(text, sizeof(text), "%Y%m%d%H%M%S", &tm);
	fputs(text, to);
}

// RFC 4034 section 4.1.2; false if it is not one.
static bool put_bitmap(FILE *to, struct wire *w)
{
	int last = -1;
	while (wire_left(w)) {
		unsigned window = wire_u8(w), len = wire_u8(w);
		const uint8_t *p = wire_take(w, len);
		if (!p || len == 0 || len > 32 || (int)window <= last)
			return false;
		last = (int)window;
		for (unsigned bit = 0; bit < len * 8; bit++) {
			if (!(p[bit / 8] & 0x80 >> bit % 8))
				continue;
			if (to) {
				fputc(' ', to);
				put_type(to, (uint16_t)(window << 8 | bit));
			}
		}
	}
	return true;
}

static bool put_name(FILE *to, struct wire *w)
{
	struct name name;
	char text[NAME_TEXT_SIZE];
	struct wire in = wire_init(w->pos, wire_left(w));
	if (name_read(&in, &name) != RESULT_OK || !wire_take(w, name.len))
		return false;
	if (to)
		fputs(name_to_text(name.wire, text), to);
	return true;
}

static bool put_address(FILE *to, struct wire *w, int family)
{
	char text[INET6_ADDRSTRLEN];
	const uint8_t *p = wire_take(w, family == AF_INET ? 4 : 16);
	if (p && to)
		fputs(inet_ntop(family, p, text, sizeof(text)), to);
	return p;
}

static bool put_number(FILE *to, struct wire *w, unsigned octets)
{
	uint32_t value = octets == 1 ? wire_u8(w) : octets == 2 ? wire_u16(w) : wire_u32(w);
	if (to)
		fprintf(to, "%u", value);
	return !w->failed;
}

static bool put_strings(FILE *to, struct wire *w, bool one)
{
	do {
		size_t len = wire_u8(w);
		const uint8_t *p = wire_take(w, len);
		if (!p)
			return false;
		if (to)
			put_quoted(to, p, len);
		if (to && !one && wire_left(w))
			fputc(' ', to);
	} while (!one && wire_left(w));
	return true;
}

// What has its length before it.
static bool put_counted(FILE *to, struct wire *w, char field)
{
	static const char digits32[] = "0123456789ABCDEFGHIJKLMNOPQRSTUV";
	size_t len = wire_u8(w);
	const uint8_t *p = wire_take(w, len);
	if (!p || (len == 0 && field != 'l'))
		return false;
	for (size_t i = 0; field == 'T' && i < len; i++) {
		if (!isalnum(p[i]))
			return false;
	}
	if (!to)
		return true;
	if (field == 'h')
		put_digits(to, digits32, 5, p, len);
	else if (field == 'T')
		fwrite(p, 1, len, to);
	else if (len)
		put_hex(to, p, len);
	else
		fputc('-', to);
	return true;
}

// What takes all that is left.
static bool put_rest(FILE *to, struct wire *w, char field)
{
	size_t len = wire_left(w);
	const uint8_t *p = wire_take(w, len);
	if (len == 0 && field != 'q')
		return false;
	if (!to)
		return true;
	if (field == 'b')
		put_base64(to, p, len);
	else if (field == 'x')
		put_hex(to, p, len);
	else
		put_quoted(to, p, len);
	return true;
}

static bool put_field(FILE *to, struct wire *w, char field)
{
	uint32_t value;
	switch (field) {
	case '1':
	case '2':
	case '4': return put_number(to, w, (unsigned)(field - '0'));
	case 'a': return put_address(to, w, AF_INET);
	case 'A': return put_address(to, w, AF_INET6);
	case 'n': return put_name(to, w);
	case 's': return put_strings(to, w, true);
	case 'S': return put_strings(to, w, false);
	case 'm': return put_bitmap(to, w);
	case 'b':
	case 'x':
	case 'q': return put_rest(to, w, field);
	case 'y':
		value = wire_u16(w);
		if (to)
			put_type(to, (uint16_t)value);
		return !w->failed;
	case 't':
		value = wire_u32(w);
		if (to)
			put_time(to, value);
		return !w->failed;
	default: return put_counted(to, w, field);
	}
}

// Without `to` only whether the rdata follows the fields.
static bool put_fields(FILE *to, const char *fields, const uint8_t *rdata, size_t len)
{
	struct wire w = wire_init(rdata, len);
	for (const char *f = fields; *f; f++) {
		if (to && f != fields && *f != 'm')
			fputc(' ', to);
		if (!put_field(to, &w, *f))
			return false;
	}
	return !w.failed && wire_left(&w) == 0;
}

static void put_record(FILE *to, const char *owner, const struct rrset *rr, const uint8_t *rdata,
		       size_t len)
{
	const char *fields = fields_of(rr->type);
	fprintf(to, "%s\t%u\tIN\t", owner, rr->ttl_s);
	put_type(to, rr->type);
	fputc('\t', to);
	if (fields && put_fields(NULL, fields, rdata, len)) {
		put_fields(to, fields, rdata, len);
	} else {
		fprintf(to, "\\# %zu%s", len, len ? " " : "");
		put_hex(to, rdata, len);
	}
	fputc('\n', to);
}

void zone_text_rrset(FILE *to, const uint8_t *owner, const struct rrset *rr)
{
	char text[NAME_TEXT_SIZE];
	const uint8_t *p = rr->records;
	name_to_text(owner, text);
	for (uint32_t i = 0; i < rr->count; i++, p = rrset_next_record(p))
		put_record(to, text, rr, p + 2, wire_peek_be16(p));
}

static void put_node(FILE *to, const struct catalog *view, const struct zone *z,
		     const struct node *node)
{
	uint8_t owner[NAME_MAX_OCTETS];
	struct rrset rr;
	uint64_t at = 0;
	node_owner(z, node, owner);
	bool apex = node_flags(node) & NODE_APEX;
	if (apex && node_rrset(view, node, RRTYPE_SOA, &rr))
		zone_text_rrset(to, owner, &rr);
	while (node_next_rrset(view, node, &at, &rr)) {
		if (!apex || rr.type != RRTYPE_SOA)
			zone_text_rrset(to, owner, &rr);
	}
}

void zone_text_zone(FILE *to, const struct catalog *view, const struct zone *z,
		    const _Atomic bool *stop)
{
	struct zone_iter it;
	zone_iter_init(&it, view, z);
	for (const struct node *n;
	     !atomic_load_explicit(stop, memory_order_relaxed) && (n = zone_iter_next(&it));)
		put_node(to, view, z, n);
}
