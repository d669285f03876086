// SPDX-License-Identifier: BSD-3-Clause
// A strict reader of DNS messages for tests.
#include "support/message.h"

#include <arpa/inet.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

// In one name: what Go's resolver takes.
#define POINTERS_MAX 10

struct reader {
	const uint8_t *msg;
	size_t len;
	size_t at;
	char *out;
	size_t used;
	const char *broken; // the first rule broken
};

static void print(struct reader *r, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	size_t room = MESSAGE_TEXT_SIZE - r->used;
	int n = vsnprintf(r->out + r->used, room, format, args);
	va_end(args);
	if (n < 0 || (size_t)n >= room)
		r->broken = "text too long";
	else
		r->used += (size_t)n;
}

static unsigned octet(struct reader *r)
{
	if (r->at >= r->len) {
		r->broken = r->broken ? r->broken : "ends early";
		return 0;
	}
	return r->msg[r->at++];
}

static unsigned number(struct reader *r, unsigned octets)
{
	unsigned value = 0;
	while (octets--)
		value = value << 8 | octet(r);
	return value;
}

static void break_rule(struct reader *r, const char *rule)
{
	if (!r->broken)
		r->broken = rule;
}

static void print_label(struct reader *r, size_t at, unsigned len)
{
	for (unsigned i = 0; i < len; i++) {
		unsigned c = r->msg[at + i];
		if (c > ' ' && c <= '~' && c != '.' && c != '\\')
			print(r, "%c", c);
		else
			print(r, "\\%03u", c);
	}
	print(r, ".");
}

// Reads a name at the cursor; pointers only where `may_point`.
static void name(struct reader *r, bool may_point)
{
	size_t at = r->at, limit = r->at;
	unsigned octets = 0, pointers = 0;
	while (!r->broken) {
		if (at >= r->len) {
			break_rule(r, "name ends early");
			return;
		}
		unsigned c = r->msg[at];
		if (c >= 0xc0 && at + 1 < r->len) {
			size_t target = (size_t)(c & 0x3f) << 8 | r->msg[at + 1];
			if (pointers++ == 0)
				r->at = at + 2;
			if (pointers > POINTERS_MAX)
				break_rule(r, "more pointers than readers take");
			if (!may_point)
				break_rule(r, "pointer where none may be");
			if (target >= limit || target < 12)
				break_rule(r, "pointer not backwards");
			if (r->msg[target] >= 0xc0)
				break_rule(r, "pointer to a pointer");
			if (r->msg[target] == 0)
				break_rule(r, "pointer to the root");
			at = limit = target;
			continue;
		}
		octets += 1 + c;
		if (c > 63 || octets > 255 || at + 1 + c > r->len) {
			break_rule(r, "bad label");
			return;
		}
		if (c == 0)
			break;
		print_label(r, at + 1, c);
		at += 1 + c;
	}
	if (octets == 1)
		print(r, ".");
	if (pointers == 0)
		r->at = at + 1;
}

static const char *type_text(unsigned type, char buf[16])
{
	static const struct {
		unsigned type;
		const char *text;
	} known[] = { { 1, "A" },          { 2, "NS" },      { 5, "CNAME" },  { 6, "SOA" },
		      { 12, "PTR" },       { 15, "MX" },     { 16, "TXT" },   { 28, "AAAA" },
		      { 33, "SRV" },       { 39, "DNAME" },  { 43, "DS" },    { 46, "RRSIG" },
		      { 47, "NSEC" },      { 48, "DNSKEY" }, { 14, "MINFO" }, { 255, "ANY" },
		      { 7, "MB" },         { 18, "AFSDB" },  { 21, "RT" },    { 35, "NAPTR" },
		      { 36, "KX" },        { 64, "SVCB" },   { 65, "HTTPS" }, { 50, "NSEC3" },
		      { 51, "NSEC3PARAM" } };
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (known[i].type == type)
			return known[i].text;
	snprintf(buf, 16, "TYPE%u", type);
	return buf;
}

static void print_class(struct reader *r, unsigned rrclass)
{
	if (rrclass == 3)
		print(r, " CH");
	else if (rrclass != 1)
		print(r, " CLASS%u", rrclass);
}

static void print_hex(struct reader *r, size_t end)
{
	for (print(r, " "); r->at < end && !r->broken;)
		print(r, "%02x", octet(r));
}

static void print_numbers(struct reader *r, unsigned count, unsigned octets)
{
	while (count--)
		print(r, " %u", number(r, octets));
}

// The types of an NSEC or NSEC3 record.
static void print_types(struct reader *r, size_t end)
{
	char buf[16];
	while (r->at < end && !r->broken) {
		unsigned window = octet(r), octets = octet(r);
		for (unsigned i = 0; i < octets * 8; i += 8)
			for (unsigned bits = octet(r), bit = 0; bit < 8; bit++)
				if (bits & 0x80u >> bit)
					print(r, " %s", type_text(window << 8 | (i + bit), buf));
	}
}

// Of signatures what they cover, the labels, and whose they are.
static void signature(struct reader *r, size_t end)
{
	char buf[16];
	print(r, " %s", type_text(number(r, 2), buf));
	number(r, 1);
	print_numbers(r, 1, 1);
	number(r, 4), number(r, 4), number(r, 4), number(r, 2);
	print(r, " "), name(r, false);
	while (r->at < end && !r->broken)
		octet(r);
}

// Flags, iterations, salt, next hash in base32hex, types.
static void nsec3(struct reader *r, size_t end)
{
	number(r, 1);
	print_numbers(r, 1, 1);
	print_numbers(r, 1, 2);
	unsigned salt = octet(r);
	if (salt)
		print_hex(r, r->at + salt);
	else
		print(r, " -");
	print(r, " ");
	for (unsigned left = octet(r); left >= 5 && !r->broken; left -= 5) {
		uint64_t bits = (uint64_t)octet(r) << 32;
		bits |= number(r, 4);
		for (int shift = 35; shift >= 0; shift -= 5)
			print(r, "%c", "0123456789abcdefghijklmnopqrstuv"[bits >> shift & 31]);
	}
	print_types(r, end);
}

static void address(struct reader *r, int family, size_t octets, size_t end)
{
	char text[INET6_ADDRSTRLEN];
	if (end - r->at != octets || end > r->len) {
		break_rule(r, "address of a wrong length");
		return;
	}
	inet_ntop(family, r->msg + r->at, text, sizeof(text));
	print(r, " %s", text);
	r->at = end;
}

static void string(struct reader *r, size_t end)
{
	size_t stop = r->at + 1;
	stop += octet(r);
	if (stop > end) {
		break_rule(r, "string ends early");
		return;
	}
	print(r, " \"");
	while (r->at < stop && !r->broken)
		print(r, "%c", octet(r));
	print(r, "\"");
}

static void rdata(struct reader *r, unsigned type, size_t end)
{
	switch (type) {
	case 1: address(r, AF_INET, 4, end); break;
	case 28: address(r, AF_INET6, 16, end); break;
	case 2:
	case 5:
	case 7:
	case 12: print(r, " "), name(r, true); break;
	case 39: print(r, " "), name(r, false); break;
	case 46: signature(r, end); break;
	case 47:
		print(r, " "), name(r, false);
		print_types(r, end);
		break;
	case 50: nsec3(r, end); break;
	case 15: print_numbers(r, 1, 2), print(r, " "), name(r, true); break;
	case 18:
	case 21:
	case 36: print_numbers(r, 1, 2), print(r, " "), name(r, false); break;
	case 35:
		print_numbers(r, 2, 2);
		for (int i = 0; i < 3; i++)
			string(r, end);
		print(r, " "), name(r, false);
		break;
	case 64:
	case 65:
		print_numbers(r, 1, 2), print(r, " "), name(r, false);
		if (r->at < end)
			print_hex(r, end);
		break;
	case 33: print_numbers(r, 3, 2), print(r, " "), name(r, false); break;
	case 6:
	case 14:
		print(r, " "), name(r, true);
		print(r, " "), name(r, true);
		if (type == 6)
			print_numbers(r, 5, 4);
		break;
	default: print_hex(r, end); break;
	}
	if (r->at != end)
		break_rule(r, "rdata of a wrong length");
}

static void record(struct reader *r, const char *section, bool *opt)
{
	size_t line = r->used;
	char buf[16];
	print(r, "%s ", section);
	size_t owner_at = r->at;
	name(r, true);
	unsigned type = number(r, 2), rrclass = number(r, 2), ttl = number(r, 4);
	size_t end = r->at + 2;
	end += number(r, 2);
	if (end > r->len) {
		break_rule(r, "rdata ends early");
		return;
	}
	if (type == 41) {
		if (*opt || strcmp(section, "ar") != 0 || r->at != owner_at + 11)
			break_rule(r, "OPT out of place");
		*opt = true;
		r->used = line;
		print(r, "opt %u %u %04x %zu%s", rrclass, ttl >> 16 & 0xff, ttl & 0xffff,
		      end - r->at, end > r->at ? " " : "");
		for (; r->at < end; r->at++)
			print(r, "%02x", r->msg[r->at]);
		print(r, "\n");
		return;
	}
	print(r, " %u", ttl);
	print_class(r, rrclass);
	print(r, " %s", type_text(type, buf));
	rdata(r, type, end);
	print(r, "\n");
}

static void header(struct reader *r, unsigned flags)
{
	static const char *const bits[] = { "cd", "ad", "z", "ra", "rd", "tc", "aa" };
	for (int i = 6; i >= 0; i--)
		if (flags & 0x10u << i)
			print(r, " %s", bits[i]);
	if (flags & 0x7800)
		print(r, " op%u", flags >> 11 & 15);
	print(r, "\n");
	if (!(flags & 0x8000))
		break_rule(r, "no reply");
}

// The extended rcode stands in OPT, wherever that is.
static unsigned extended_rcode(const uint8_t *msg, size_t len)
{
	static const uint8_t opt_start[] = { 0, 0, 41 };
	unsigned arcount = (unsigned)(msg[10] << 8 | msg[11]);
	// Ours stands last.
	for (size_t at = len - 11; arcount > 0 && len >= 23 && at >= 12; at--) {
		size_t rdlen = (size_t)(msg[at + 9] << 8 | msg[at + 10]);
		if (memcmp(msg + at, opt_start, 3) == 0 && at + 11 + rdlen == len)
			return msg[at + 5];
	}
	return 0;
}

const char *message_to_text(const uint8_t *msg, size_t len, char *out)
{
	static const char *const sections[] = { "an", "ns", "ar" };
	struct reader r = { .msg = msg, .len = len, .out = out };
	unsigned counts[4];
	bool opt = false;
	char buf[16];
	if (len < 12)
		return "no header";
	r.at = 2;
	unsigned flags = number(&r, 2);
	for (int i = 0; i < 4; i++)
		counts[i] = number(&r, 2);
	print(&r, "rcode %u", extended_rcode(msg, len) << 4 | (flags & 15));
	header(&r, flags);
	for (unsigned i = 0; i < counts[0] && !r.broken; i++) {
		print(&r, "qd ");
		name(&r, false);
		unsigned type = number(&r, 2), rrclass = number(&r, 2);
		print_class(&r, rrclass);
		print(&r, " %s\n", type_text(type, buf));
	}
	for (unsigned s = 0; s < 3; s++)
		for (unsigned i = 0; i < counts[1 + s] && !r.broken; i++)
			record(&r, sections[s], &opt);
	if (r.at != len)
		break_rule(&r, "octets left over");
	return r.broken;
}
