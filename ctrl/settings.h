// SPDX-License-Identifier: BSD-3-Clause
// The settings of the answer path, made from the configuration.
//
// Threads: any. Ownership: the caller's, to be published and in the end given to
// settings_free, which wipes its secrets.
#pragma once

#include "config.h"
#include "understudy/answer.h"

// Unpredictable octets, drawn once in the life of the daemon, so that cookies
// outlast a reload.
struct settings_chance {
	uint8_t cookie_secret[ANSWER_COOKIE_SECRET_OCTETS]; // where none is configured
	uint8_t rate_hash_key[16];
};
enum result settings_draw(struct settings_chance *out); // RESULT_OK, RESULT_IO

// NULL without memory.
struct answer_config *settings_new(const struct config *config,
				   const struct settings_chance *chance);
void settings_free(struct answer_config *settings);
