// SPDX-License-Identifier: BSD-3-Clause
// Chains of NSEC3 records (RFC 5155): choosing one, and finding what denies a hash.
#include "nsec3.h"

#include "key.h"
#include "neighbour.h"
#include "node.h"
#include "understudy/rr.h"

// While a zone is re-salted two chains stand among each other, and that of an opt-out
// may be much the sparser one: so many of another one in a row are not to be expected.
#define STEPS_MAX 2048

// NSEC3 and NSEC3PARAM begin alike (sections 3.2 and 4.2): algorithm, flags,
// iterations, salt. False if the rdata cannot be that or is not of SHA-1.
static bool read_params(const uint8_t *rdata, unsigned len, struct nsec3_params *out)
{
	if (len < 5 || rdata[0] != NSEC3_SHA1 || len - 5 < rdata[4])
		return false;
	*out = (struct nsec3_params){
		.iterations = wire_peek_be16(rdata + 2),
		.salt_len = rdata[4],
		.salt = rdata + 5,
	};
	return true;
}

bool nsec3_params_equal(const struct nsec3_params *a, const struct nsec3_params *b)
{
	return a->iterations == b->iterations && a->salt_len == b->salt_len &&
	       memcmp(a->salt, b->salt, a->salt_len) == 0;
}

bool nsec3_param_next(const struct catalog *view, const struct node *apex, uint32_t *at,
		      struct nsec3_params *out)
{
	struct rrset set;
	if (!node_rrset(view, apex, RRTYPE_NSEC3PARAM, &set))
		return false;
	while (*at < set.octets) {
		const uint8_t *record = set.records + *at;
		unsigned len = wire_peek_be16(record);
		*at += 2 + len;
		if (read_params(record + 2, len, out) && record[3] == 0)
			return true;
	}
	return false;
}

bool nsec3_owner(const uint8_t hash[NSEC3_HASH_OCTETS], const uint8_t *apex, struct name *out)
{
	unsigned apex_octets = (unsigned)name_length(apex);
	if (1 + NSEC3_LABEL_OCTETS + apex_octets > NAME_MAX_OCTETS)
		return false;
	out->wire[0] = NSEC3_LABEL_OCTETS;
	nsec3_label(hash, out->wire + 1);
	memcpy(out->wire + 1 + NSEC3_LABEL_OCTETS, apex, apex_octets);
	out->len = (uint8_t)(1 + NSEC3_LABEL_OCTETS + apex_octets);
	out->labels = (uint8_t)(1 + name_label_count(apex));
	return true;
}

bool nsec3_is_of(const struct catalog *view, const struct node *n, const struct nsec3_params *chain)
{
	struct rrset set;
	if (!node_rrset(view, n, RRTYPE_NSEC3, &set))
		return false;
	const uint8_t *record = set.records;
	for (uint32_t i = 0; i < set.count; i++, record = rrset_next_record(record)) {
		struct nsec3_params p;
		if (read_params(record + 2, wire_peek_be16(record), &p) &&
		    nsec3_params_equal(&p, chain))
			return true;
	}
	return false;
}

bool zone_nsec3_params(const struct zone *z, struct nsec3_params *out)
{
	if (!z->nsec3)
		return false;
	*out = (struct nsec3_params){
		.iterations = z->nsec3_iterations,
		.salt_len = z->nsec3_salt_len,
		.salt = z->apex + z->apex_len,
	};
	return true;
}

void nsec3_search(const struct zone *z, const uint8_t hash[NSEC3_HASH_OCTETS],
		  uint8_t key[static KEY_MAX], struct trie_beside *s)
{
	uint8_t digits[NSEC3_LABEL_OCTETS];
	nsec3_label(hash, digits);
	s->root = &z->nsec3_root;
	s->place.key = key;
	s->place.apex_len = key_from_name(key, z->apex, z->apex_len);
	uint8_t *label = key + s->place.apex_len;
	for (unsigned i = 0; i < NSEC3_LABEL_OCTETS; i++)
		label[i] = (uint8_t)key_symbols[digits[i]]; // all have one symbol
	label[NSEC3_LABEL_OCTETS] = 0;
	label[NSEC3_LABEL_OCTETS + 1] = 0;
	s->place.len = s->place.apex_len + NSEC3_LABEL_OCTETS + 1;
}

const struct node *nsec3_choose(const struct catalog *view, const struct zone *z,
				uint8_t key[static KEY_MAX], struct trie_beside *s, bool *match)
{
	struct nsec3_params chain;
	zone_nsec3_params(z, &chain);
	*match = s->exact && nsec3_is_of(view, s->exact, &chain);
	if (*match)
		return s->exact;
	for (unsigned steps = 0; steps < STEPS_MAX; steps++) {
		if (nsec3_is_of(view, s->left, &chain))
			return s->left;
		s->place.len = key_append_name(key, s->place.apex_len, node_name(s->left),
					       node_name_len(s->left));
		trie_beside(view->base, s, 1);
	}
	return NULL;
}
