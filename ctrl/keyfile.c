// SPDX-License-Identifier: BSD-3-Clause
// TSIG keys by name, and the files that hold them: BIND's, and those of dnssec-keygen.
//
//   file      = *( key / include )
//   key       = "key" word "{" *( statement ) "}" ";"
//   statement = ( "algorithm" / "secret" ) word ";"
//   include   = "include" word ";"
#include "keyfile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base64.h"
#include "keygen_file.h"

// ---- lists of keys

enum result key_list_add(struct key_list *list, const struct tsig_key *key)
{
	if (key->algorithm == TSIG_HMAC_MD5 && !list->allow_md5)
		return RESULT_REFUSED;
	if (key_list_find(list, key->name.wire))
		return RESULT_EXISTS;
	struct tsig_key **more = reallocarray(list->keys, list->count + 1, sizeof(*more));
	if (!more)
		return RESULT_NO_MEMORY;
	list->keys = more;
	struct tsig_key *copy = malloc(sizeof(*copy));
	if (!copy)
		return RESULT_NO_MEMORY;
	*copy = *key;
	list->keys[list->count++] = copy;
	return RESULT_OK;
}

const struct tsig_key *key_list_find(const struct key_list *list, const uint8_t *name)
{
	for (size_t i = 0; i < list->count; i++) {
		if (name_equal(list->keys[i]->name.wire, name))
			return list->keys[i];
	}
	return NULL;
}

void key_list_free(struct key_list *list)
{
	for (size_t i = 0; i < list->count; i++) {
		explicit_bzero(list->keys[i], sizeof(*list->keys[i]));
		free(list->keys[i]);
	}
	free(list->keys);
	*list = (struct key_list){ 0 };
}

// "hmac-sha256", or "hmac-sha256-128": MACs of 128 bits.
static enum result algorithm_from_text(struct tsig_key *key, const char *text)
{
	char name[64];
	const char *dash = strrchr(text, '-');
	if (tsig_algorithm_from_text(text, &key->algorithm) == RESULT_OK)
		return RESULT_OK;
	size_t digits = dash ? strspn(dash + 1, "0123456789") : 0;
	if (!digits || digits > 3 || dash[1 + digits] || (size_t)(dash - text) >= sizeof(name))
		return RESULT_INVALID;
	memcpy(name, text, (size_t)(dash - text));
	name[dash - text] = '\0';
	unsigned bits = (unsigned)strtoul(dash + 1, NULL, 10);
	if (tsig_algorithm_from_text(name, &key->algorithm) || bits % 8 ||
	    bits / 8 < tsig_mac_octets_min(key->algorithm) ||
	    bits / 8 > tsig_mac_octets(key->algorithm))
		return RESULT_INVALID;
	key->mac_octets = (uint8_t)(bits / 8);
	return RESULT_OK;
}

enum result key_from_text(struct tsig_key *key, const char *name, const char *algorithm,
			  const char *secret, struct key_mistake *mistake)
{
	*key = (struct tsig_key){ 0 };
	if (name_from_text(name, &key->name)) {
		*mistake = (struct key_mistake){ "name",
						 "a domain name is expected as the key's name" };
		return RESULT_MALFORMED;
	}
	if (algorithm_from_text(key, algorithm)) {
		*mistake = (struct key_mistake){
			"algorithm",
			"an algorithm is expected: hmac-md5, hmac-sha1, hmac-sha224, "
			"hmac-sha256, hmac-sha384 or hmac-sha512; behind it may stand a "
			"number of bits, at least half and 80, as in hmac-sha256-128"
		};
		return RESULT_INVALID;
	}
	size_t len;
	enum result r = base64_decode(secret, key->secret, sizeof(key->secret), &len);
	if (r || !len) {
		*mistake = (struct key_mistake){
			"secret", r == RESULT_NO_SPACE
					  ? "a secret of at most 1024 octets is expected"
					  : "a secret in base64 is expected"
		};
		return r ? r : RESULT_MALFORMED;
	}
	key->secret_len = (uint16_t)len;
	return RESULT_OK;
}

void keyfile_add(struct key_list *out, struct report *report, const char *path, unsigned line,
		 const struct tsig_key *key)
{
	char name[NAME_TEXT_SIZE];
	enum result r = key_list_add(out, key);
	name_to_text(key->name.wire, name);
	if (r == RESULT_OK && key->algorithm == TSIG_HMAC_MD5)
		report_warning(report, path, line, "key \"%s\": %s", name, KEY_MD5_WARNING);
	else if (r == RESULT_REFUSED)
		report_error(report, path, line, "key \"%s\": %s", name, KEY_MD5_REFUSED);
	else if (r == RESULT_EXISTS)
		report_error(report, path, line,
			     "key \"%s\" is defined already: another name is expected", name);
	else if (r)
		report_error(report, path, line, "%s", result_text(r));
}

// ---- tokens

enum token { TOKEN_END, TOKEN_WORD, TOKEN_OPEN, TOKEN_CLOSE, TOKEN_SEMICOLON, TOKEN_BAD };

struct lexer {
	const char *path;
	const char *at;
	const char *end;
	unsigned depth;
	unsigned line;       // of `at`
	unsigned token_line; // where the last token started
	enum token token;
	char word[KEYFILE_WORD_OCTETS];
	struct report *report;
	struct key_list *out;
};

// Skips white space and comments; false if a comment does not end.
static bool skip_blank(struct lexer *x)
{
	while (x->at < x->end) {
		size_t left = (size_t)(x->end - x->at);
		if (*x->at == '\n') {
			x->line++;
			x->at++;
		} else if (*x->at == ' ' || *x->at == '\t' || *x->at == '\r') {
			x->at++;
		} else if (*x->at == '#' || (left > 1 && memcmp(x->at, "//", 2) == 0)) {
			const char *eol = memchr(x->at, '\n', left);
			x->at = eol ? eol : x->end;
		} else if (left > 1 && memcmp(x->at, "/*", 2) == 0) {
			const char *close = memmem(x->at + 2, left - 2, "*/", 2);
			if (!close)
				return false;
			for (; x->at < close; x->at++)
				x->line += *x->at == '\n';
			x->at = close + 2;
		} else {
			return true;
		}
	}
	return true;
}

static enum token bad_token(struct lexer *x, const char *what)
{
	report_error(x->report, x->path, x->token_line, "%s", what);
	return x->token = TOKEN_BAD;
}

// A word in quotes, or of octets that need none. In quotes a backslash makes a quote part of
// the word, and goes; before all else it stays, and is the name's (as in named.conf).
static enum token take_word(struct lexer *x)
{
	bool quoted = *x->at == '"', escaped = false;
	size_t n = 0;
	x->at += quoted;
	while (x->at < x->end) {
		char c = *x->at;
		if (quoted ? c == '"' && !escaped : strchr(" \t\r\n{};\"#", c) != NULL)
			break;
		n -= escaped && c == '"';
		escaped = quoted && c == '\\' && !escaped;
		if (c == '\n' || c == '\0')
			return bad_token(x,
					 "a word ends before the line does: is a quote missing?");
		if (n == sizeof(x->word) - 1)
			return bad_token(x, "a word of at most 4095 octets is expected");
		x->word[n++] = c;
		x->at++;
	}
	if (quoted && x->at == x->end)
		return bad_token(x, "a quoted word has no closing quote");
	x->at += quoted;
	x->word[n] = '\0';
	return x->token = TOKEN_WORD;
}

static enum token next(struct lexer *x)
{
	bool ended = skip_blank(x);
	x->token_line = x->line;
	if (!ended)
		return bad_token(x, "a comment has no end: */ is expected");
	if (x->at == x->end)
		return x->token = TOKEN_END;
	switch (*x->at) {
	case '{': x->at++; return x->token = TOKEN_OPEN;
	case '}': x->at++; return x->token = TOKEN_CLOSE;
	case ';': x->at++; return x->token = TOKEN_SEMICOLON;
	case '\0': return bad_token(x, "text is expected, not a NUL octet");
	default: return take_word(x);
	}
}

static const char *token_text(const struct lexer *x)
{
	switch (x->token) {
	case TOKEN_END: return "the end of the file";
	case TOKEN_WORD: return x->word;
	case TOKEN_OPEN: return "{";
	case TOKEN_CLOSE: return "}";
	case TOKEN_SEMICOLON: return ";";
	default: return "?";
	}
}

// Whether the next token is `want`; reports what was expected if it is not.
static bool expect(struct lexer *x, enum token want, const char *expected)
{
	enum token got = next(x);
	if (got == want)
		return true;
	if (got != TOKEN_BAD)
		report_error(x->report, x->path, x->token_line, "%s is expected, not \"%.100s\"",
			     expected, token_text(x));
	return false;
}

// ---- statements

struct key_field {
	char *text; // NULL: has not come yet
	unsigned line;
};

// One statement inside a key's braces; `word` names it.
static bool parse_key_statement(struct lexer *x, struct key_field *algorithm,
				struct key_field *secret)
{
	struct key_field *into = strcasecmp(x->word, "algorithm") == 0 ? algorithm
				 : strcasecmp(x->word, "secret") == 0  ? secret
								       : NULL;
	if (!into) {
		report_error(x->report, x->path, x->token_line,
			     "\"algorithm\" or \"secret\" is expected, not \"%.100s\"", x->word);
		return false;
	}
	if (into->text) {
		report_error(x->report, x->path, x->token_line,
			     "\"%s\" stands twice: one is expected", x->word);
		return false;
	}
	if (!expect(x, TOKEN_WORD, into == secret ? "the secret in base64" : "an algorithm"))
		return false;
	into->line = x->token_line;
	into->text = strdup(x->word);
	if (!into->text)
		report_error(x->report, x->path, x->token_line, "%s",
			     result_text(RESULT_NO_MEMORY));
	return into->text && expect(x, TOKEN_SEMICOLON, "\";\"");
}

static bool parse_key_body(struct lexer *x, struct key_field *algorithm, struct key_field *secret)
{
	if (!expect(x, TOKEN_OPEN, "\"{\""))
		return false;
	while (next(x) == TOKEN_WORD) {
		if (!parse_key_statement(x, algorithm, secret))
			return false;
	}
	if (x->token != TOKEN_CLOSE) {
		if (x->token != TOKEN_BAD)
			report_error(x->report, x->path, x->token_line,
				     "\"algorithm\", \"secret\" or \"}\" is expected, not \"%s\"",
				     token_text(x));
		return false;
	}
	return expect(x, TOKEN_SEMICOLON, "\";\" after \"}\"");
}

static bool parse_key(struct lexer *x)
{
	bool ok = false;
	char *name = NULL;
	struct key_field algorithm = { 0 }, secret = { 0 };
	struct tsig_key key;
	struct key_mistake mistake;
	if (!expect(x, TOKEN_WORD, "the key's name"))
		return false;
	unsigned line = x->token_line;
	name = strdup(x->word);
	if (!name || !parse_key_body(x, &algorithm, &secret))
		goto cleanup;
	ok = true;
	if (!algorithm.text || !secret.text)
		report_error(x->report, x->path, line, "key \"%s\" has no %s: one is expected",
			     name, secret.text ? "algorithm" : "secret");
	else if (key_from_text(&key, name, algorithm.text, secret.text, &mistake))
		report_error(x->report, x->path,
			     strcmp(mistake.field, "algorithm") == 0 ? algorithm.line
			     : strcmp(mistake.field, "secret") == 0  ? secret.line
								     : line,
			     "key \"%s\": %s", name, mistake.expected);
	else
		keyfile_add(x->out, x->report, x->path, line, &key);
	explicit_bzero(&key, sizeof(key));
cleanup:
	if (secret.text)
		explicit_bzero(secret.text, strlen(secret.text));
	free(secret.text);
	free(algorithm.text);
	free(name);
	return ok;
}

static void read_file(const char *path, const struct lexer *from, struct key_list *out,
		      struct report *report);

static bool parse_include(struct lexer *x)
{
	if (!expect(x, TOKEN_WORD, "a file's name"))
		return false;
	unsigned line = x->token_line;
	char path[KEYFILE_WORD_OCTETS * 2];
	const char *slash = strrchr(x->path, '/');
	int dir = slash && x->word[0] != '/' ? (int)(slash - x->path) + 1 : 0;
	int n = snprintf(path, sizeof(path), "%.*s%s", dir, x->path, x->word);
	if (!expect(x, TOKEN_SEMICOLON, "\";\""))
		return false;
	if (x->depth >= KEYFILE_DEPTH_MAX || n >= (int)sizeof(path)) {
		report_error(x->report, x->path, line,
			     "files that include each other at most %d deep are expected",
			     KEYFILE_DEPTH_MAX);
		return false;
	}
	x->token_line = line;
	read_file(path, x, x->out, x->report);
	return true;
}

void keyfile_parse(const struct keyfile_text *in, struct key_list *out, struct report *report)
{
	struct lexer *x = calloc(1, sizeof(*x));
	if (!x) {
		report_error(report, in->path, 0, "%s", result_text(RESULT_NO_MEMORY));
		return;
	}
	*x = (struct lexer){ .path = in->path,
			     .at = in->text,
			     .end = in->text + in->len,
			     .depth = in->depth,
			     .line = 1,
			     .report = report,
			     .out = out };
	bool going_on = true;
	while (going_on && next(x) != TOKEN_END && x->token != TOKEN_BAD) {
		bool word = x->token == TOKEN_WORD;
		if (word && strcasecmp(x->word, "key") == 0) {
			going_on = parse_key(x);
		} else if (word && strcasecmp(x->word, "include") == 0) {
			going_on = parse_include(x);
		} else {
			report_error(report, in->path, x->token_line,
				     "\"key\" or \"include\" is expected, not \"%.100s\"",
				     token_text(x));
			going_on = false;
		}
	}
	explicit_bzero(x, sizeof(*x));
	free(x);
}

// ---- files

void keyfile_warn_of_readers(const char *path, struct report *report)
{
	struct stat st;
	if (stat(path, &st) == 0 && (st.st_mode & S_IROTH))
		report_warning(report, path, 0,
			       "anybody may read this file of secrets (mode %04o): "
			       "0640 or less is expected",
			       (unsigned)st.st_mode & 07777);
}

// Reads up to KEYFILE_OCTETS_MAX octets of the open file; -1 and errno if not.
static ssize_t read_all(int fd, char *buf)
{
	size_t n = 0;
	while (n <= KEYFILE_OCTETS_MAX) {
		ssize_t got = read(fd, buf + n, KEYFILE_OCTETS_MAX + 1 - n);
		if (got < 0)
			return -1;
		if (got == 0)
			return (ssize_t)n;
		n += (size_t)got;
	}
	errno = EFBIG;
	return -1;
}

// `from` is what includes it, NULL for the first file: its line is named when
// the file cannot be read.
static void read_file(const char *path, const struct lexer *from, struct key_list *out,
		      struct report *report)
{
	char *text = NULL;
	struct stat st;
	ssize_t len = -1;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0 || fstat(fd, &st) < 0)
		goto cleanup;
	if (!S_ISREG(st.st_mode)) {
		errno = S_ISDIR(st.st_mode) ? EISDIR : EINVAL;
		goto cleanup;
	}
	text = malloc(KEYFILE_OCTETS_MAX + 1);
	if (text)
		len = read_all(fd, text);
cleanup:
	if (len < 0) {
		report_error(report, from ? from->path : path, from ? from->token_line : 0,
			     "a readable file of keys is expected: %s: %s", path, strerror(errno));
	} else {
		keyfile_warn_of_readers(path, report);
		struct keyfile_text in = { .path = path,
					   .text = text,
					   .len = (size_t)len,
					   .depth = from ? from->depth + 1 : 0 };
		(keygen_file_is(path) ? keygen_file_parse : keyfile_parse)(&in, out, report);
	}
	if (text)
		explicit_bzero(text, KEYFILE_OCTETS_MAX + 1);
	free(text);
	if (fd >= 0)
		close(fd);
}

void keyfile_read(const char *path, struct key_list *out, struct report *report)
{
	read_file(path, NULL, out, report);
}
