// SPDX-License-Identifier: BSD-3-Clause
// Fuzz target: a key file, or one of dnssec-keygen's, as any text.
#include "fuzz.h"
#include "keygen_file.h"
#include "support/said.h"

static void parse(const char *path, const uint8_t *data, size_t size)
{
	struct report report = { .say = said_ignore };
	struct key_list keys = { .allow_md5 = true };
	const struct keyfile_text in = {
		.path = path, .text = (const char *)data, .len = size, .depth = KEYFILE_DEPTH_MAX
	};
	(keygen_file_is(path) ? keygen_file_parse : keyfile_parse)(&in, &keys, &report);
	for (size_t i = 0; i < keys.count; i++) {
		const struct tsig_key *k = keys.keys[i];
		REQUIRE(key_list_find(&keys, k->name.wire) == k && k->secret_len);
		REQUIRE(!k->mac_octets || k->mac_octets >= tsig_mac_octets_min(k->algorithm));
	}
	key_list_free(&keys);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	parse("fuzz", data, size);
	parse("Ka%2fb.example.+163+12345.private", data, size);
	parse("Kk.+163+12345.key", data, size);
	return 0;
}
