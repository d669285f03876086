// SPDX-License-Identifier: BSD-3-Clause
// CHAOS TXT: id.server and version.server (RFC 4892), and BIND's names for them.
#include "chaos.h"

#include <string.h>

#include "understudy/name.h"
#include "understudy/rr.h"
#include "understudy/wire.h"

static bool is_one_of(const uint8_t *qname, const char *a, const char *b)
{
	return name_equal(qname, (const uint8_t *)a) || name_equal(qname, (const uint8_t *)b);
}

void chaos_answer(const struct answer_config *config, const struct query *q, struct reply *r)
{
	const char *text = NULL;
	uint8_t len = 0;
	if (is_one_of(q->qname, "\2id\6server", "\10hostname\4bind")) {
		text = config->identity;
		len = config->identity_len;
	} else if (is_one_of(q->qname, "\7version\6server", "\7version\4bind")) {
		text = config->version;
		len = config->version_len;
	}
	if (len == 0 || (q->qtype != RRTYPE_TXT && q->qtype != RRTYPE_ANY)) {
		r->rcode = RCODE_REFUSED;
		return;
	}
	uint8_t record[2 + 1 + ANSWER_TEXT_MAX];
	wire_poke_be16(record, (uint16_t)(1 + len));
	record[2] = len;
	memcpy(record + 3, text, len);
	struct rrset set = {
		.type = RRTYPE_TXT, .count = 1, .ttl_s = 0, .octets = 3u + len, .records = record
	};
	struct owner owner = { .name = q->qname, .place = REPLY_QNAME_PLACE };
	r->rrclass = RRCLASS_CH;
	// 12 + 255 + 4 octets of question and 12 + 256 of this fit no 512.
	r->truncated = !reply_rrset(r, SECTION_ANSWER, &owner, &set);
}
