// SPDX-License-Identifier: BSD-3-Clause
// The one result enum: what a function that can fail says.
//
// Purpose: every fallible function of Understudy returns this; 0 is success.
// Outputs are written only on success. Threads: any.
#pragma once

enum result {
	RESULT_OK = 0,
	RESULT_NO_MEMORY,     // an allocation failed, or references ran out
	RESULT_TRUNCATED,     // input ended early
	RESULT_MALFORMED,     // input breaks its format
	RESULT_NO_SPACE,      // output does not fit
	RESULT_NOT_FOUND,     // what was named is not there
	RESULT_EXISTS,        // what was added is there already
	RESULT_OUT_OF_ZONE,   // an owner name not at or below the apex
	RESULT_LIMIT,         // a configured limit was exceeded
	RESULT_TYPES,         // a name has more RRsets than are taken
	RESULT_INVALID,       // an argument or setting that makes no sense
	RESULT_REFUSED,       // policy says no
	RESULT_IO,            // the operating system said no; errno tells
	RESULT_TIMEOUT,       // it did not happen in time
	RESULT_NO_SOA,        // a zone without exactly one SOA at its apex
	RESULT_TSIG_MISSING,  // a signature was required and is absent
	RESULT_TSIG_BADKEY,   // TSIG: key name or algorithm unknown (RFC 8945, 5.2.1)
	RESULT_TSIG_BADSIG,   // TSIG: MAC does not verify (5.2.2)
	RESULT_TSIG_BADTIME,  // TSIG: time outside of the fudge (5.2.3)
	RESULT_TSIG_BADTRUNC, // TSIG: MAC cut shorter than the key allows (5.2.4)
	RESULT_COUNT
};

// A few words on the result, for logs and status; a static string.
const char *result_text(enum result r);
