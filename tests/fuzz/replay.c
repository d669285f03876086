// SPDX-License-Identifier: BSD-3-Clause
// Replays files and folders of inputs through a fuzz target without libFuzzer.
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>

#include "fuzz.h"

static unsigned long inputs;

__attribute__((weak)) int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	return 0;
}

static int replay_file(const char *path, const struct stat *st, int kind, struct FTW *at)
{
	(void)at;
	if (kind != FTW_F)
		return 0;
	// An exact heap copy, so that AddressSanitizer sees one octet too far.
	size_t size = (size_t)st->st_size;
	uint8_t *data = malloc(size ? size : 1);
	FILE *f = fopen(path, "rb");
	if (!data || !f || fread(data, 1, size, f) != size) {
		fprintf(stderr, "%s: cannot be read\n", path);
		exit(2);
	}
	fclose(f);
	LLVMFuzzerTestOneInput(data, size);
	free(data);
	inputs++;
	return 0;
}

int main(int argc, char **argv)
{
	LLVMFuzzerInitialize(&argc, &argv);
	for (int i = 1; i < argc; i++) {
		if (nftw(argv[i], replay_file, 16, FTW_PHYS) != 0) {
			fprintf(stderr, "%s: cannot be walked\n", argv[i]);
			return 2;
		}
	}
	printf("%lu inputs replayed\n", inputs);
	return inputs == 0;
}
