// SPDX-License-Identifier: BSD-3-Clause
// The server's name and version, asked for in class CHAOS (RFC 4892).
#pragma once

#include "understudy/answer.h"

#include "query.h"
#include "reply.h"

// Fills the reply; REFUSED unless the configuration has what is asked for.
void chaos_answer(const struct answer_config *config, const struct query *q, struct reply *r);
