// SPDX-License-Identifier: BSD-3-Clause
// The files that dnssec-keygen made of TSIG keys: Kname.+163+12345.key and .private.
//
// Purpose: either file of a pair is enough. Of a .private file the name of the key is
// in the name of the file, and the number of bits to which MACs are cut inside.
// Threads: any.
#pragma once

#include "keyfile.h"

// Whether a file of this name, whose folder does not matter, is one.
bool keygen_file_is(const char *path);

// Reads its text; what is wrong is reported.
void keygen_file_parse(const struct keyfile_text *in, struct key_list *out, struct report *report);
