// SPDX-License-Identifier: BSD-3-Clause
// Words for the one result enum.
#include "understudy/result.h"

static const char *const texts[RESULT_COUNT] = {
	[RESULT_OK] = "ok",
	[RESULT_NO_MEMORY] = "out of memory",
	[RESULT_TRUNCATED] = "ended early",
	[RESULT_MALFORMED] = "malformed",
	[RESULT_NO_SPACE] = "does not fit",
	[RESULT_NOT_FOUND] = "not found",
	[RESULT_EXISTS] = "exists already",
	[RESULT_OUT_OF_ZONE] = "out of zone",
	[RESULT_LIMIT] = "limit exceeded",
	[RESULT_TYPES] = "too many types at a name",
	[RESULT_INVALID] = "invalid",
	[RESULT_REFUSED] = "refused",
	[RESULT_IO] = "input/output error",
	[RESULT_TIMEOUT] = "timed out",
	[RESULT_NO_SOA] = "not exactly one SOA record at the apex",
	[RESULT_TSIG_MISSING] = "TSIG missing",
	[RESULT_TSIG_BADKEY] = "TSIG key not known (BADKEY)",
	[RESULT_TSIG_BADSIG] = "TSIG signature wrong (BADSIG)",
	[RESULT_TSIG_BADTIME] = "TSIG time outside of the window (BADTIME)",
	[RESULT_TSIG_BADTRUNC] = "TSIG MAC is cut too short (BADTRUNC)",
};

const char *result_text(enum result r)
{
	return (unsigned)r < RESULT_COUNT ? texts[r] : "unknown result";
}
