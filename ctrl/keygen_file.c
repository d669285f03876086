// SPDX-License-Identifier: BSD-3-Clause
// The files that dnssec-keygen made of TSIG keys: Kname.+163+12345.key and .private.
#include "keygen_file.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base64.h"

#define TAIL_OCTETS 10 // "+163+12345"
#define FIELDS_MAX  8  // of a record, before its secret

// What a file says, as texts.
struct keygen {
	const char *path;
	struct report *report;
	unsigned line;      // of the secret
	unsigned algorithm; // its number, 0 = not said
	unsigned mac_bits;  // 0 = whole
	char name[NAME_TEXT_SIZE];
	char secret[KEYFILE_WORD_OCTETS]; // base64, blanks allowed
};

static const char *file_of(const char *path)
{
	const char *slash = strrchr(path, '/');
	return slash ? slash + 1 : path;
}

static bool ends_with(const char *text, const char *tail)
{
	size_t len = strlen(text), tail_len = strlen(tail);
	return len > tail_len && strcmp(text + len - tail_len, tail) == 0;
}

// The "+163+12345" before the last dot, or NULL.
static const char *find_tail(const char *file)
{
	static const char form[] = "+ddd+ddddd";
	const char *dot = strrchr(file, '.');
	if (!dot || dot - file <= TAIL_OCTETS)
		return NULL;
	const char *tail = dot - TAIL_OCTETS;
	for (int i = 0; i < TAIL_OCTETS; i++) {
		if (form[i] == 'd' ? !isdigit((unsigned char)tail[i]) : tail[i] != form[i])
			return NULL;
	}
	return tail;
}

bool keygen_file_is(const char *path)
{
	const char *file = file_of(path);
	return file[0] == 'K' && find_tail(file) &&
	       (ends_with(file, ".key") || ends_with(file, ".private"));
}

static enum result algorithm_of(unsigned number, enum tsig_algorithm *out)
{
	static const unsigned numbers[TSIG_ALGORITHM_COUNT] = {
		[TSIG_HMAC_MD5] = 157,    [TSIG_HMAC_SHA1] = 161,   [TSIG_HMAC_SHA224] = 162,
		[TSIG_HMAC_SHA256] = 163, [TSIG_HMAC_SHA384] = 164, [TSIG_HMAC_SHA512] = 165,
	};
	for (unsigned a = 0; a < TSIG_ALGORITHM_COUNT; a++) {
		if (numbers[a] == number) {
			*out = a;
			return RESULT_OK;
		}
	}
	return RESULT_INVALID;
}

// ---- .private: lines of "Tag: value"

// The name stands between "K" and the tail; what a file's name may not hold as %XX.
static bool take_name(struct keygen *k)
{
	const char *at = file_of(k->path) + 1, *end = find_tail(at);
	size_t n = 0;
	while (end && at < end && n + 5 < sizeof(k->name)) {
		char hex[3] = { at[0] == '%' ? at[1] : '\0', at[0] == '%' ? at[2] : '\0', '\0' };
		bool escaped = isxdigit((unsigned char)hex[0]) && isxdigit((unsigned char)hex[1]);
		if (escaped)
			n += (size_t)sprintf(k->name + n, "\\%03lu", strtoul(hex, NULL, 16));
		else
			k->name[n++] = *at;
		at += escaped ? 3 : 1;
	}
	k->name[n] = '\0';
	return end && at == end;
}

static bool take_bits(struct keygen *k, const char *value)
{
	uint8_t octets[2];
	size_t len;
	if (base64_decode(value, octets, sizeof(octets), &len) || len != 2) {
		report_error(k->report, k->path, k->line, "two octets in base64 are expected");
		return false;
	}
	k->mac_bits = octets[0] * 256u + octets[1];
	return true;
}

static bool take_private_line(struct keygen *k, char *line)
{
	char *value = strchr(line, ':');
	if (!value)
		return true;
	*value++ = '\0';
	value += strspn(value, " \t");
	if (strcasecmp(line, "Algorithm") == 0)
		k->algorithm = (unsigned)strtoul(value, NULL, 10);
	else if (strcasecmp(line, "Key") == 0)
		snprintf(k->secret, sizeof(k->secret), "%s", value);
	else if (strcasecmp(line, "Bits") == 0)
		return take_bits(k, value);
	return true;
}

// ---- .key: one record, "name. [TTL] [class] KEY flags protocol algorithm secret"

static bool is_skipped(const char *field)
{
	return strspn(field, "0123456789") == strlen(field) || strcasecmp(field, "IN") == 0;
}

static bool take_record(struct keygen *k, char *line)
{
	char *fields[FIELDS_MAX], *at = line;
	unsigned n = 0, type = 1;
	line[strcspn(line, ";")] = '\0';
	while (n < FIELDS_MAX && *(at += strspn(at, " \t"))) {
		fields[n++] = at;
		at += strcspn(at, " \t");
		if (*at)
			*at++ = '\0';
		while (type < n && is_skipped(fields[type]))
			type++;
		if (type < n && n == type + 4)
			break;
	}
	if (n == 0)
		return true;
	if (type + 4 != n || strcasecmp(fields[type], "KEY") != 0) {
		report_error(k->report, k->path, k->line,
			     "a KEY record is expected: name, KEY, flags, protocol, algorithm, "
			     "secret");
		return false;
	}
	snprintf(k->name, sizeof(k->name), "%s", fields[0]);
	k->algorithm = (unsigned)strtoul(fields[type + 3], NULL, 10);
	snprintf(k->secret, sizeof(k->secret), "%s", at);
	return true;
}

// ---- both

static void add(struct keygen *k, struct key_list *out)
{
	struct tsig_key key;
	struct key_mistake mistake;
	enum tsig_algorithm a;
	char algorithm[32];
	if (algorithm_of(k->algorithm, &a)) {
		report_error(k->report, k->path, k->line,
			     "a key of a TSIG algorithm is expected: 157 or 161 to 165, not %u",
			     k->algorithm);
		return;
	}
	snprintf(algorithm, sizeof(algorithm), k->mac_bits ? "%s-%u" : "%s",
		 tsig_algorithm_to_text(a), k->mac_bits);
	if (key_from_text(&key, k->name, algorithm, k->secret, &mistake))
		report_error(k->report, k->path, k->line, "%s", mistake.expected);
	else
		keyfile_add(out, k->report, k->path, k->line, &key);
	explicit_bzero(&key, sizeof(key));
}

static bool take_lines(struct keygen *k, char *text, bool is_private)
{
	bool going_on = true;
	for (char *line = text, *end; going_on && *line; line = end) {
		end = line + strcspn(line, "\n");
		if (*end)
			*end++ = '\0';
		line[strcspn(line, "\r")] = '\0';
		k->line++;
		going_on = is_private ? take_private_line(k, line) : take_record(k, line);
	}
	return going_on;
}

void keygen_file_parse(const struct keyfile_text *in, struct key_list *out, struct report *report)
{
	bool is_private = ends_with(in->path, ".private");
	struct keygen *k = calloc(1, sizeof(*k));
	char *text = malloc(in->len + 1);
	if (!k || !text) {
		report_error(report, in->path, 0, "%s", result_text(RESULT_NO_MEMORY));
		goto cleanup;
	}
	k->path = in->path;
	k->report = report;
	memcpy(text, in->text, in->len);
	text[in->len] = '\0';
	if (is_private && !take_name(k))
		report_error(report, in->path, 0, "the key's name in the file's is expected");
	else if (take_lines(k, text, is_private))
		add(k, out);
cleanup:
	if (text)
		explicit_bzero(text, in->len);
	if (k)
		explicit_bzero(k, sizeof(*k));
	free(text);
	free(k);
}
