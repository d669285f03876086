// SPDX-License-Identifier: BSD-3-Clause
// Key files: what is read, and what is said of mistakes.
#include "keyfile.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "keygen_file.h"
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

#define GOOD "algorithm hmac-sha256; secret \"Zg==\";"

static void reads_keys(void)
{
	struct said said;
	struct key_list keys;
	parse("// one\nkey \"Transfer.Example\" {\n\talgorithm hmac-sha256;\n\tsecret "
	      "\"Zm9vYmFy\";\n};\n"
	      "# two\nKEY other.example. { secret Zm9v ; /* a\ncomment */ algorithm \"hmac-sha512\""
	      "; };key three{algorithm hmac-sha512-256;secret \"Zg==\";};",
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
	CU_ASSERT_EQUAL(k->algorithm, TSIG_HMAC_SHA512);
	CU_ASSERT_EQUAL(k->mac_octets, 32);
	CU_ASSERT_PTR_NULL(key_of(&keys, "four"));
	key_list_free(&keys);
}

// As named reads them, and as primary-config writes them for it.
static void reads_odd_names(void)
{
	struct said said;
	struct key_list keys;
	parse("key \"a\\.b\" { " GOOD " };\nkey \"q\\\"q\" { " GOOD " };\nkey \"s\\\\\" { " GOOD
	      " };\nkey u\\.v { " GOOD " };",
	      &keys, &said);
	CU_ASSERT_EQUAL(said.report.errors, 0);
	CU_ASSERT_EQUAL(keys.count, 4);
	CU_ASSERT_PTR_NOT_NULL(key_of(&keys, "a\\.b"));
	CU_ASSERT_PTR_NULL(key_of(&keys, "a.b"));
	CU_ASSERT_PTR_NOT_NULL(key_of(&keys, "q\\\"q"));
	CU_ASSERT_PTR_NOT_NULL(key_of(&keys, "s\\\\"));
	CU_ASSERT_PTR_NOT_NULL(key_of(&keys, "u\\.v"));
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
		{ "key a { algorithm hmac-sha256-120; secret \"Zg==\"; };", 1, "at least half" },
		{ "key a { algorithm hmac-sha256-264; secret \"Zg==\"; };", 1, "at least half" },
		{ "key a { algorithm hmac-sha1-72; secret \"Zg==\"; };", 1, "at least half" },
		{ "key a { algorithm hmac-sha256-130; secret \"Zg==\"; };", 1, "at least half" },
		{ "key a { algorithm hmac-sha256-; secret \"Zg==\"; };", 1, "an algorithm is" },
		{ "\nkey a { algorithm hmac-md5; secret \"Zg==\"; };", 2, "\"allow-md5\"" },
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
	CU_ASSERT_PTR_NOT_NULL(strstr(said.text, b));
	CU_ASSERT_PTR_NOT_NULL(
		strstr(said.text, "anybody may read this file of secrets (mode 0604)"));
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

// HMAC-MD5 where it is allowed: taken, with a warning that tells where.
static void warns_of_md5(void)
{
	static const char text[] =
		"\nkey a { algorithm hmac-md5.sig-alg.reg.int; secret \"Zg==\"; };\n"
		"key b { algorithm hmac-md5-80; secret \"Zg==\"; };";
	struct said said;
	struct key_list keys = { .allow_md5 = true };
	said_init(&said);
	keyfile_parse(&(struct keyfile_text){ "keys", text, strlen(text), 0 }, &keys, &said.report);
	CU_ASSERT_EQUAL(said.report.errors, 0);
	CU_ASSERT_EQUAL(said.report.warnings, 2);
	CU_ASSERT(said_at(&said, "keys", 2, "hmac-md5 is broken"));
	CU_ASSERT_EQUAL_FATAL(keys.count, 2);
	CU_ASSERT_EQUAL(keys.keys[0]->mac_octets, 0);
	CU_ASSERT_EQUAL(keys.keys[1]->mac_octets, 10);
	key_list_free(&keys);
}

static void parse_keygen(const char *path, const char *text, struct key_list *out,
			 struct said *said)
{
	char *copy = said_copy(text);
	said_init(said);
	*out = (struct key_list){ .allow_md5 = true };
	keygen_file_parse(&(struct keyfile_text){ path, copy, strlen(text), 0 }, out,
			  &said->report);
	free(copy);
}

static void reads_dnssec_keygen(void)
{
	static const struct {
		const char *path, *text, *name;
		enum tsig_algorithm algorithm;
		unsigned mac_octets, secret_len;
		uint8_t first;
	} cases[] = {
		{ "/etc/bind/Ktransfer.example.+157+00001.private",
		  "Private-key-format: v1.2\nAlgorithm: 157 (HMAC_MD5)\nKey: gA==\nBits: AAA=\n",
		  "transfer.example", TSIG_HMAC_MD5, 0, 1, 0x80 }, // of 1 bit
		{ "Kk.+163+12345.private",
		  "Private-key-format: v1.3\r\nAlgorithm: 163 (HMAC_SHA256)\r\n"
		  "Key: Zm9vYmFy\r\nBits: AIA=\r\nCreated: 20200101000000\r\n",
		  "k", TSIG_HMAC_SHA256, 16, 6, 'f' },
		{ "Ka%2fb.example.+165+00000.private", "Algorithm: 165\nKey: Zg==", "a/b.example",
		  TSIG_HMAC_SHA512, 0, 1, 'f' },
		{ "Kk.example.+161+12345.key", "k.example. IN KEY 512 3 161 Zm9v YmFy\n",
		  "k.example", TSIG_HMAC_SHA1, 0, 6, 'f' },
		{ "Kk.+162+12345.key", "; a comment\n\nk.\t3600 IN\tKEY 0 3 162 Zg== ; more\n", "k",
		  TSIG_HMAC_SHA224, 0, 1, 'f' },
		{ "Kk.+164+12345.key", "k KEY 512 3 164 Zg==", "k", TSIG_HMAC_SHA384, 0, 1, 'f' },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct said said;
		struct key_list keys;
		CU_ASSERT(keygen_file_is(cases[i].path));
		parse_keygen(cases[i].path, cases[i].text, &keys, &said);
		CU_ASSERT_EQUAL(said.report.errors, 0);
		CU_ASSERT_EQUAL_FATAL(keys.count, 1);
		const struct tsig_key *k = key_of(&keys, cases[i].name);
		CU_ASSERT_PTR_NOT_NULL_FATAL(k);
		CU_ASSERT_EQUAL(k->algorithm, cases[i].algorithm);
		CU_ASSERT_EQUAL(k->mac_octets, cases[i].mac_octets);
		CU_ASSERT_EQUAL(k->secret_len, cases[i].secret_len);
		CU_ASSERT_EQUAL(k->secret[0], cases[i].first);
		key_list_free(&keys);
	}
}

static void names_mistakes_of_dnssec_keygen(void)
{
	static const struct {
		const char *path, *text;
		unsigned line;
		const char *part;
	} cases[] = {
		{ "Kk.+163+12345.private", "Algorithm: 163\n", 1, "a secret in base64" },
		{ "Kk.+163+12345.private", "Key: Zg==\n", 1, "of a TSIG algorithm" },
		{ "Kk.+008+12345.private", "Algorithm: 8 (RSASHA256)\nModulus: Zg==\n", 2,
		  "157 or 161 to 165, not 8" },
		{ "Kk.+163+12345.private", "Algorithm: 163\nKey: Zg==\nBits: AA==\n", 3,
		  "two octets" },
		{ "Kk.+163+12345.private", "Algorithm: 163\nKey: Zg==\nBits: AAg=\n", 3,
		  "at least half" },
		{ "Kk..a.+163+12345.private", "Algorithm: 163\nKey: Zg==\n", 2, "a domain name" },
		{ "Kk.+163+12345.key", "k. IN DNSKEY 257 3 8 Zg==\n", 1,
		  "a KEY record is expected" },
		{ "Kk.+163+12345.key", "k. IN KEY 512 3\n", 1, "a KEY record is expected" },
		{ "Kk.+163+12345.key", "k. 1 2 3 4 5 6 7 8 9 KEY 512 3 163 Zg==", 1,
		  "a KEY record" },
		{ "Kk.+163+12345.key", "k. KEY 512 3 163 ", 1, "a secret in base64" },
		{ "Kk.+163+12345.key", "k. KEY 512 3 163 Zg==\nk. KEY 512 3 5 Zg==\n", 2,
		  "157 or 161 to 165, not 5" },
		{ "Kk.+163+12345.key", "", 0, "of a TSIG algorithm" },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct said said;
		struct key_list keys;
		parse_keygen(cases[i].path, cases[i].text, &keys, &said);
		CU_ASSERT_EQUAL(said.report.errors, 1);
		CU_ASSERT_EQUAL(keys.count, 0);
		if (cases[i].line)
			CU_ASSERT(said_at(&said, cases[i].path, cases[i].line, cases[i].part));
		key_list_free(&keys);
	}
	CU_ASSERT_FALSE(keygen_file_is("keys.conf"));
	CU_ASSERT_FALSE(keygen_file_is("Kk.+163+1234.key"));
	CU_ASSERT_FALSE(keygen_file_is("Kk.+163+12345.keys"));
	CU_ASSERT_FALSE(keygen_file_is("K+163+12345"));
	CU_ASSERT_FALSE(keygen_file_is("dir.+163+12345.key/k"));
}

// From a single bit, which stands in an octet, to the longest.
static void takes_secrets_of_any_length(void)
{
	char *text = malloc(4096), digits[2048];
	for (unsigned len = 1; len <= TSIG_SECRET_MAX; len += len < 70 ? 3 : 159) {
		struct said said;
		struct key_list keys;
		unsigned n = len / 3 * 4;
		memset(digits, 'A', n);
		strcpy(digits + n, len % 3 == 1 ? "gA==" : len % 3 == 2 ? "AAE=" : "");
		sprintf(text, "key a { algorithm hmac-sha256; secret \"%s\"; };", digits);
		parse(text, &keys, &said);
		CU_ASSERT_EQUAL_FATAL(keys.count, 1);
		CU_ASSERT_EQUAL(keys.keys[0]->secret_len, len);
		key_list_free(&keys);
	}
	free(text);
}

UNIT_MAIN("keyfile", { "warns of md5", warns_of_md5 },
	  { "reads dnssec-keygen", reads_dnssec_keygen },
	  { "names mistakes of dnssec-keygen", names_mistakes_of_dnssec_keygen },
	  { "takes secrets of any length", takes_secrets_of_any_length },
	  { "reads keys", reads_keys }, { "reads nothing", reads_nothing },
	  { "reads odd names", reads_odd_names }, { "names mistakes", names_mistakes },
	  { "bounds words and secrets", bounds_words_and_secrets },
	  { "includes files", includes_files })
