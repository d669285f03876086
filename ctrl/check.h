// SPDX-License-Identifier: BSD-3-Clause
// understudyd --check: what can be said of a configuration without starting.
//
// Threads: any. Ownership: the configuration stays the caller's.
#pragma once

#include <stdbool.h>

#include "config.h"
#include "report.h"

// Of one that was read: adds the zones that were added by command, and prints what there is on
// standard output. False if a reload would be refused, which `report` then tells.
bool check_config(const char *path, struct config *config, struct report *report);
