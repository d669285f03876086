// SPDX-License-Identifier: BSD-3-Clause
// Why exchanges fail: words for machines, sentences for people.
#include "understudy/xfr.h"

static const struct {
	const char *word;
	const char *text;
} reasons[XFR_REASON_COUNT] = {
	[XFR_REASON_NONE] = { "none", "no failure" },
	[XFR_REASON_CONNECT] = { "connect", "the primary could not be reached" },
	[XFR_REASON_IO] = { "io", "the connection broke" },
	[XFR_REASON_CANCELLED] = { "cancelled", "the exchange was cancelled" },
	[XFR_REASON_TLS] = { "tls", "TLS failed" },
	[XFR_REASON_TLS_NAME] = { "tls-name", "the primary's certificate is for another name" },
	[XFR_REASON_TLS_CA] = { "tls-ca",
				"no trusted authority vouches for the primary's certificate" },
	[XFR_REASON_TLS_EXPIRED] = { "tls-expired",
				     "the primary's certificate is not valid at this time" },
	[XFR_REASON_TLS_PIN] = { "tls-pin",
				 "the key in the primary's certificate is none of the pinned" },
	[XFR_REASON_TLS_ALPN] = { "tls-alpn", "the primary does not offer DNS over TLS (ALPN)" },
	[XFR_REASON_TLS_CLIENT] = { "tls-client",
				    "the primary does not accept our certificate, or wants one" },
	[XFR_REASON_TIMEOUT] = { "timeout", "the primary did not answer in time" },
	[XFR_REASON_CLOSED] = { "closed", "the primary closed the connection before the end of the "
					  "response" },
	[XFR_REASON_MISMATCH] = { "mismatch", "the response does not belong to the query" },
	[XFR_REASON_TRUNCATED] = { "truncated", "the response is truncated (TC)" },
	[XFR_REASON_REFUSED] = { "refused", "the primary refused (REFUSED)" },
	[XFR_REASON_NOTAUTH] = { "notauth", "the primary is not authoritative for the zone" },
	[XFR_REASON_RCODE] = { "rcode", "the primary answered with an error" },
	[XFR_REASON_TSIG_MISSING] = { "tsig-missing",
				      "the response, or its end, is not signed with TSIG" },
	[XFR_REASON_TSIG_BADKEY] = { "tsig-badkey",
				     "TSIG key or algorithm differ between the primary and here" },
	[XFR_REASON_TSIG_BADSIG] = { "tsig-badsig", "the TSIG signature is wrong" },
	[XFR_REASON_TSIG_BADTIME] = { "tsig-badtime",
				      "TSIG time out of bounds: the clocks differ" },
	[XFR_REASON_TSIG_BADTRUNC] = { "tsig-badtrunc",
				       "the TSIG signature is cut shorter than the key allows" },
	[XFR_REASON_MALFORMED] = { "malformed", "the response is malformed" },
	[XFR_REASON_NO_SOA] = { "no-soa", "the SOA record is missing where it must stand" },
	[XFR_REASON_SERIAL] = { "serial", "the zone changed during the transfer" },
	[XFR_REASON_TRAILING] = { "trailing", "data follows the final SOA record" },
	[XFR_REASON_LIMIT_RECORDS] = { "limit-records", "the zone has too many records" },
	[XFR_REASON_LIMIT_OCTETS] = { "limit-octets", "the response is too large" },
	[XFR_REASON_LIMIT_DURATION] = { "limit-duration", "the exchange takes too long" },
	[XFR_REASON_NO_MEMORY] = { "no-memory", "no memory is left for the zone" },
	[XFR_REASON_LIMIT_BUDGET] = { "limit-budget",
				      "all transfers together need more memory than they may" },
	[XFR_REASON_OUT_OF_ZONE] = { "out-of-zone", "there are records outside of the zone" },
	[XFR_REASON_IXFR_BASE] = { "ixfr-base",
				   "the differences begin at a version that we do not hold" },
	[XFR_REASON_IXFR_ORDER] = { "ixfr-order", "the differences do not follow one another" },
	[XFR_REASON_IXFR_DELETE] = { "ixfr-delete",
				     "the differences delete a record that is not there" },
	[XFR_REASON_IXFR_ADD] = { "ixfr-add", "the differences add a record that is there" },
	[XFR_REASON_ZONEMD] = { "zonemd", "ZONEMD does not match the zone" },
	[XFR_REASON_ZONEMD_MISSING] = { "zonemd-missing",
					"the zone has no ZONEMD that can be verified" },
	[XFR_REASON_NSEC3_ITERATIONS] = { "nsec3-iterations",
					  "NSEC3 asks for too many iterations" },
	[XFR_REASON_OLDER] = { "older", "the primary's serial is older than ours" },
	[XFR_REASON_SERIAL_ZERO] = { "serial-zero", "the primary's serial is 0" },
	[XFR_REASON_LEFT_ALONE] = { "left-alone",
				    "the primary was not asked, as it has failed other zones" },
	[XFR_REASON_LIMIT_WORK] = { "limit-work",
				    "the records of large names do not come together, "
				    "which costs too much work" },
	[XFR_REASON_LIMIT_TYPES] = { "limit-types", "a name has too many types of records" },
	[XFR_REASON_CONTRADICTION] = { "not-conformant",
				       "the zone does not conform to the RFCs: a name has a CNAME "
				       "beside other data, or two CNAMEs or DNAMEs" },
};

const char *xfr_reason_word(enum xfr_reason r)
{
	return (unsigned)r < XFR_REASON_COUNT ? reasons[r].word : "unknown";
}

const char *xfr_reason_text(enum xfr_reason r)
{
	return (unsigned)r < XFR_REASON_COUNT ? reasons[r].text : "unknown reason";
}
