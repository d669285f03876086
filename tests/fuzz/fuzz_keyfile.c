// SPDX-License-Identifier: BSD-3-Clause
// Fuzz target: a key file as any text.
#include <stdlib.h>

#include "fuzz.h"
#include "keyfile.h"
#include "support/said.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct report report = { .say = said_ignore };
	struct key_list keys = { 0 };
	keyfile_parse(&(struct keyfile_text){ .path = "fuzz",
					      .text = (const char *)data,
					      .len = size,
					      .depth = KEYFILE_DEPTH_MAX },
		      &keys, &report);
	for (size_t i = 0; i < keys.count; i++) {
		if (key_list_find(&keys, keys.keys[i]->name.wire) != keys.keys[i] ||
		    !keys.keys[i]->secret_len)
			abort();
	}
	key_list_free(&keys);
	return 0;
}
