// SPDX-License-Identifier: BSD-3-Clause
// Names in folders that last.
//
// Threads: any; no state.
#pragma once

#include "understudy/result.h"

// Makes the names in the folder of the file at `path` last. RESULT_OK, or RESULT_IO
// with errno.
enum result folder_sync(const char *path);

// Puts the file in the place of `to`, in the same folder, so that it lasts. As above;
// it may stand there already.
enum result folder_rename(const char *from, const char *to);
