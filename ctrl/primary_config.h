// SPDX-License-Identifier: BSD-3-Clause
// What to paste at a zone's primaries, so that they let us transfer and send us NOTIFY.
//
// Threads: one at a time. The text holds the key's secret.
#pragma once

#include <stdio.h>

#include "config.h"

enum primary_kind { PRIMARY_BIND, PRIMARY_KNOT, PRIMARY_NSD, PRIMARY_POWERDNS };

// For each primary of the zone, in the syntax of that server: its configuration, or for
// PowerDNS commands of a shell.
void primary_config_write(FILE *to, enum primary_kind kind, const struct config *config,
			  const struct config_zone *zone);
