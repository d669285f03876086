// SPDX-License-Identifier: BSD-3-Clause
// What every fuzz target defines (libFuzzer's entry points).
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
// Called once before the first input; only targets that set something up have it.
int LLVMFuzzerInitialize(int *argc, char ***argv);

// A property that must hold for every input.
#define REQUIRE(holds)           \
	do {                     \
		if (!(holds))    \
			abort(); \
	} while (0)
