// SPDX-License-Identifier: BSD-3-Clause
// Key files: what is read, and what is said of mistakes.
#include "keyfile.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "support/said.h"
#include "unit.h"

static void parse(const char *text, struct key_list *out, struct said *said)
{
	char *copy = said_copy(text);
	said_init(said);
	*out = (struct key_list){ 0 };
	keyfile_parse(&(struct keyfile_text){ .path = "keys", .text = copy, .len = strlen(text) },
		      out, &said->report);
	free(copy);
}

static const struct tsig_key *key_of(const struct key_list *list, const char *text)
{
	struct name name;
	CU_ASSERT_EQUAL(name_from_text(text, &name), RESULT_OK);
	return key_list_find(list, name.wire);
}

static void reads_keys(void)
{
	struct said said;
	struct key_list keys;
	parse("// one\nkey \"Transfer.Example\" {\n\talgorithm hmac-sha256;\n\tsecret "
	      "\"Zm9vYmFy\";\n};\n"
	      "# two\nKEY other.example. { secret Zm9v ; /* a\ncomment */ algorithm \"hmac-sha512\""
	      "; };key three{algorithm hmac-md5.sig-alg.reg.int;secret \"Zg==\";};",
	      &keys, &said);
	CU_ASSERT_EQUAL(said.report.errors, 0);
	CU_ASSERT_EQUAL_FATAL(keys.count, 3);
	const struct tsig_key *k = key_of(&keys, "transfer.example");
	CU_ASSERT_PTR_NOT_NULL_FATAL(k);
	CU_ASSERT_EQUAL(k->algorithm, TSIG_HMAC_SHA256);
	CU_ASSERT_EQUAL(k->secret_len, 6);
	CU_ASSERT_EQUAL(memcmp(k->secret, "foobar", 6), 0);
	k = key_of(&keys, "OTHER.example");
	CU_ASSERT_PTR_NOT_NULL_FATAL(k);
	CU_ASSERT_EQUAL(k->algorithm, TSIG_HMAC_SHA512);
	k = key_of(&keys, "three");
	CU_ASSERT_PTR_NOT_NULL_FATAL(k);
	CU_ASSERT_EQUAL(k->algorithm, TSIG_HMAC_MD5);
	CU_ASSERT_PTR_NULL(key_of(&keys, "four"));
	key_list_free(&keys);
}

static void reads_nothing(void)
{
	static const char *const texts[] = { "", "\n", "# a comment", "/* */", "//", " \t\r\n" };
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct said said;
		struct key_list keys;
		parse(texts[i], &keys, &said);
		CU_ASSERT_EQUAL(said.report.errors, 0);
		CU_ASSERT_EQUAL(keys.count, 0);
		key_list_free(&keys);
	}
}

#define GOOD "algorithm hmac-sha256; secret \"Zg==\";"

static void names_mistakes(void)
{
	static const struct {
		const char *text;
		unsigned line;
		const char *part;
	} cases[] = {
		{ "\nzone x;", 2, "\"key\" or \"include\" is expected, not \"zone\"" },
		{ "{", 1, "\"key\" or \"include\" is expected, not \"{\"" },
		{ "key", 1, "the key's name is expected, not \"the end of the file\"" },
		{ "key {", 1, "the key's name is expected" },
		{ "key a\n;", 2, "\"{\" is expected, not \";\"" },
		{ "key a {\n\n colour red; };", 3, "\"algorithm\" or \"secret\" is expected" },
		{ "key a { algorithm; };", 1, "an algorithm is expected" },
		{ "key a { secret };", 1, "the secret in base64 is expected" },
		{ "key a { algorithm hmac-sha256\n secret \"Zg==\"; };", 2, "\";\" is expected" },
		{ "key a { " GOOD "\nalgorithm hmac-md5; };", 2, "stands twice" },
		{ "key a { " GOOD, 1, "\"}\" is expected, not \"the end of the file\"" },
		{ "key a { " GOOD " }", 1, "\";\" after \"}\" is expected" },
		{ "key a { secret \"Zg==\"; };", 1, "no algorithm: one is expected" },
		{ "key a { algorithm hmac-sha1; };", 1, "no secret: one is expected" },
		{ "\nkey a { algorithm rot13; secret \"Zg==\"; };", 2,
		  "an algorithm is expected: hmac-md5" },
		{ "key a { algorithm hmac-sha1; secret \"Zg\"; };", 1,
		  "a secret in base64 is expected" },
		{ "key a { algorithm hmac-sha1; secret \"\"; };", 1,
		  "a secret in base64 is expected" },
		{ "key a..b { " GOOD " };", 1, "a domain name is expected" },
		{ "key a { " GOOD " };\nkey A. { " GOOD " };", 2, "another name is expected" },
		{ "key \"a\n\" { " GOOD " };", 1, "is a quote missing?" },
		{ "key \"a", 1, "no closing quote" },
		{ "\n/* never\nends", 2, "*/ is expected" },
		{ "include \"none\"", 1, "\";\" is expected" },
		{ "\ninclude \"/nonexistent/keys\";", 2, "a readable file of keys is expected" },
		{ "include \"/\";", 1, "a readable file of keys is expected" },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct said said;
		struct key_list keys;
		parse(cases[i].text, &keys, &said);
		CU_ASSERT_EQUAL(said.report.errors, 1);
		CU_ASSERT(said_at(&said, "keys", cases[i].line, cases[i].part));
		key_list_free(&keys);
	}
}

static void bounds_words_and_secrets(void)
{
	struct said said;
	struct key_list keys;
	char *text = malloc(20000);
	size_t at = (size_t)sprintf(text, "key a { algorithm hmac-sha1; secret \"");
	memset(text + at, 'A', 4000); // 3,000 octets, where 1,024 are the most
	strcpy(text + at + 4000, "\"; };");
	parse(text, &keys, &said);
	CU_ASSERT(said_at(&said, "keys", 1, "at most 1024 octets"));
	key_list_free(&keys);
	memset(text + at, 'A', 5000);
	strcpy(text + at + 5000, "\"; };");
	parse(text, &keys, &said);
	CU_ASSERT(said_at(&said, "keys", 1, "at most 4095 octets"));
	key_list_free(&keys);
	free(text);
}

// Relative names are beside the file that includes; circles end.
static void includes_files(void)
{
	char directory[] = "/tmp/test_keyfile.XXXXXX", a[64], b[64];
	struct said said;
	struct key_list keys = { 0 };
	CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(directory));
	snprintf(a, sizeof(a), "%s/a", directory);
	snprintf(b, sizeof(b), "%s/b", directory);
	said_file(a, "include \"b\";\nkey a { " GOOD " };", 0600);
	said_file(b, "key b { " GOOD " };", 0604);
	said_init(&said);
	keyfile_read(a, &keys, &said.report);
	CU_ASSERT_EQUAL(said.report.errors, 0);
	CU_ASSERT_EQUAL(said.report.warnings, 1);
	CU_ASSERT_PTR_NOT_NULL(strstr(said.text, "anybody may read this file"));
	CU_ASSERT_EQUAL(keys.count, 2);
	key_list_free(&keys);
	said_file(b, "\ninclude \"a\";", 0600);
	said_init(&said);
	keyfile_read(a, &keys, &said.report);
	CU_ASSERT_PTR_NOT_NULL(strstr(said.text, "at most 8 deep"));
	key_list_free(&keys);
	unlink(a);
	unlink(b);
	rmdir(directory);
}

UNIT_MAIN("keyfile", { "reads keys", reads_keys }, { "reads nothing", reads_nothing },
	  { "names mistakes", names_mistakes },
	  { "bounds words and secrets", bounds_words_and_secrets },
	  { "includes files", includes_files })
