// SPDX-License-Identifier: BSD-3-Clause
// RFC 1034 section 4.3.2 with its later turns: wildcards (4592), DNAME (6672),
// negative answers (2308), signatures, proofs and DS (4035 section 3.1), ANY (8482).
//
// Whatever does not fit although it must be there sets TC and ends the reply;
// what is optional is left out silently.
#include "resolve.h"

#include <assert.h>
#include <string.h>

#include "understudy/rr.h"
#include "understudy/wire.h"

#define DNAME_ROUNDS_MAX 5

static struct owner *current_owner(struct resolver *rs)
{
	return &rs->owners[rs->aliases];
}

// An RRset that must be there; false if it does not fit, or one before it did not.
static bool put(struct resolver *rs, enum section section, struct owner *owner,
		const struct rrset *set)
{
	if (!rs->reply->truncated && reply_rrset(rs->reply, section, owner, set))
		return true;
	rs->reply->truncated = true;
	return false;
}

// Whether signatures and proofs are wanted (RFC 3225).
static bool wants_dnssec(const struct resolver *rs)
{
	return rs->query->dnssec_ok;
}

// An RRset that must be there, and its signatures, if there are any. Their TTL is that of
// what they cover (RFC 4034 section 3), also where that was lowered.
static bool put_signed(struct resolver *rs, enum section section, struct owner *owner,
		       const struct rrset *set, struct rrset *sigs)
{
	if (!put(rs, section, owner, set))
		return false;
	if (!wants_dnssec(rs) || sigs->count == 0)
		return true;
	if (sigs->ttl_s > set->ttl_s)
		sigs->ttl_s = set->ttl_s;
	return put(rs, section, owner, sigs);
}

// Writes the proofs collected; after it nothing can be put into the answer section.
static bool put_proofs(struct resolver *rs)
{
	if (!denial_put(&rs->denial, rs->reply))
		rs->reply->truncated = true;
	return !rs->reply->truncated;
}

// What a wildcard gave needs the proof that nothing closer exists (RFC 4035
// section 3.1.3.3).
static void prove_expansion(struct resolver *rs)
{
	if (rs->found->status == FIND_WILDCARD && wants_dnssec(rs))
		denial_of_closer(&rs->denial, rs->found);
}

// Whether a DNAME that led on before is that of `node`: its RRset has been given.
static bool dname_given(const struct resolver *rs, const struct node *node)
{
	for (unsigned i = 0; i < rs->aliases; i++)
		if (rs->dnames[i] == node)
			return true;
	return false;
}

// A DNAME RRset, or the signatures that were given with it.
static bool is_of_dname(const struct resolver *rs, const struct rrset *set)
{
	return set->type == RRTYPE_DNAME || (wants_dnssec(rs) && set->type == RRTYPE_RRSIG &&
					     rrset_covered(set) == RRTYPE_DNAME);
}

// An RRset of the node that was found.
static bool put_answer(struct resolver *rs, const struct rrset *set, struct rrset *sigs)
{
	if (set->type == RRTYPE_DNAME && rs->found->status == FIND_NODE &&
	    dname_given(rs, rs->found->node))
		return true; // under a wildcard it would have another owner
	if (!put_signed(rs, SECTION_ANSWER, current_owner(rs), set, sigs))
		return false;
	additional_note(&rs->additional, current_owner(rs)->name, set);
	prove_expansion(rs);
	return true;
}

static bool put_soa(struct resolver *rs)
{
	const struct zone *zone = rs->found->zone;
	struct owner owner = { .name = zone_apex(zone), .in_zone = zone == rs->home };
	struct rrset soa, sigs;
	if (rs->aliases == 0) {
		negative_prepare(&rs->negative, rs->view, zone, wants_dnssec(rs));
		if (negative_put(&rs->negative, rs->reply))
			return true;
	}
	negative_soa(rs->view, zone, &soa, &sigs);
	return put_signed(rs, SECTION_AUTHORITY, &owner, &soa, &sigs);
}

// A negative answer: the SOA, and the proofs.
static void put_negative(struct resolver *rs)
{
	if (put_soa(rs) && wants_dnssec(rs))
		denial_of_answer(&rs->denial, rs->found);
}

// Where the name stands in records of this type, behind RDLENGTH.
static const uint8_t *target_name(const struct rrset *set, const uint8_t *record)
{
	return record + 2 + rdata_shape(set->type)->lead;
}

// Whether what is delegated is signed: its DS, or the proof that there is none (RFC
// 4035 section 3.1.4). From a zone without signatures there comes neither.
static bool put_security(struct resolver *rs, struct owner *owner)
{
	const struct node *cut = rs->found->cut;
	struct rrset ds, sigs;
	if (!wants_dnssec(rs))
		return true;
	if ((node_flags(cut) & NODE_SIGNED) &&
	    node_signed_rrset(rs->view, cut, RRTYPE_DS, &ds, &sigs))
		return put_signed(rs, SECTION_AUTHORITY, owner, &ds, &sigs);
	denial_of_ds(&rs->denial, rs->found);
	return true;
}

// The NS records of the cut found, under the owner. Behind an alias it has to be written.
static bool put_servers(struct resolver *rs, struct owner *owner, const struct rrset *ns)
{
	return (rs->aliases == 0 &&
		delegation_put(rs->reply, rs->query, owner->name, ns, &rs->servers)) ||
	       put(rs, SECTION_AUTHORITY, owner, ns);
}

static void put_referral(struct resolver *rs)
{
	const struct find *f = rs->found;
	struct owner owner = { .name = rs->delegated };
	const uint8_t *qname = rs->query->qname;
	struct rrset ns;
	bool there = node_rrset(rs->view, f->cut, RRTYPE_NS, &ns);
	assert(there);
	(void)there;
	rs->servers.are = SERVERS_ANYWHERE;
	// Behind an alias the answer section is ours, and AA speaks of its first
	// name (RFC 1035 section 4.1.1).
	if (rs->aliases == 0) {
		const struct name_labels *labels = &rs->query->labels;
		rs->reply->authoritative = false;
		owner.name = qname + labels->at[labels->count - f->encloser_labels];
		owner.place = (uint16_t)(REPLY_QNAME_PLACE + (owner.name - qname));
	} else {
		node_owner(f->zone, f->cut, rs->delegated);
	}
	const struct glue glue = { f, owner.name, &ns, &rs->servers };
	if (put_servers(rs, &owner, &ns) && put_security(rs, &owner) && put_proofs(rs) &&
	    !additional_glue(&rs->additional, &glue))
		rs->reply->truncated = true;
}

// For ANY everything, signatures always among it, for RRSIG all of these whatever
// they cover; but over UDP one RRset, or what signs one (RFC 8482 section 4.1; BIND
// and Knot do the same).
static void put_iterated(struct resolver *rs, const struct node *node)
{
	bool any = rs->query->qtype == RRTYPE_ANY;
	bool found = false;
	uint64_t at = 0;
	struct rrset set, sigs = { .count = 0 };
	while (node_next_rrset(rs->view, node, &at, &set)) {
		if (!any && set.type != RRTYPE_RRSIG)
			continue;
		found = true;
		if (rs->found->status == FIND_NODE && dname_given(rs, node) &&
		    is_of_dname(rs, &set))
			continue;
		if (!rs->stream) {
			if (set.type != RRTYPE_RRSIG)
				node_signed_rrset(rs->view, node, set.type, &set, &sigs);
			put_answer(rs, &set, &sigs);
			return;
		}
		if (!put(rs, SECTION_ANSWER, current_owner(rs), &set))
			return;
		additional_note(&rs->additional, current_owner(rs)->name, &set);
	}
	if (found)
		prove_expansion(rs);
	else
		put_negative(rs);
}

// A CNAME speaks for its name in all types but these (RFC 1034 section 3.6.2,
// RFC 4034 sections 3 and 4), and KEY if there is one beside it (RFC 4035 section 2.5).
static bool alias_applies(const struct resolver *rs, uint16_t qtype)
{
	struct rrset key;
	return qtype != RRTYPE_CNAME && qtype != RRTYPE_ANY && qtype != RRTYPE_RRSIG &&
	       qtype != RRTYPE_NSEC &&
	       (qtype != RRTYPE_KEY || !node_rrset(rs->view, rs->found->node, RRTYPE_KEY, &key));
}

// Goes on to another name. False, and the reply ends here as it is, if that
// has been there before, is one too many, or belongs to another zone (as BIND does)
// and the configuration does not want all zones.
static bool follow(struct resolver *rs, const uint8_t *name)
{
	if (rs->aliases == RESOLVE_ALIASES_MAX)
		return false;
	for (unsigned i = 0; i <= rs->aliases; i++)
		if (name_equal(rs->owners[i].name, name))
			return false;
	rs->owners[++rs->aliases] = (struct owner){ .name = name };
	rs->chased = (struct find){
		.qname = name,
		.qname_len = (uint16_t)name_length(name),
		.qtype = rs->query->qtype,
		.deny = wants_dnssec(rs),
	};
	zone_find_burst(rs->view, (struct find *[]){ &rs->chased }, 1);
	// DS of the zone's own apex is looked for in the parent, but not for an alias.
	if (!rs->across_zones && name_equal(name, zone_apex(rs->home)))
		zone_find_in(rs->view, rs->home, &rs->chased);
	rs->found = &rs->chased;
	return rs->chased.status != FIND_NO_ZONE && rs->chased.status != FIND_NO_DATA &&
	       (rs->chased.zone == rs->home || rs->across_zones);
}

// True if there is a next name to be answered for, also where the reply is full: the
// rcode is that of the last name (RFC 6604 section 3).
static bool answer_cname(struct resolver *rs)
{
	struct rrset cname, sigs;
	bool there = node_signed_rrset(rs->view, rs->found->node, RRTYPE_CNAME, &cname, &sigs);
	assert(there);
	(void)there;
	put_answer(rs, &cname, &sigs);
	return follow(rs, target_name(&cname, cname.records));
}

// Replaces the DNAME's owner at the end of the current name by its target
// (RFC 6672 section 2.3). Returns the octets of the new name, 0 if they would
// be more than a name may have.
static unsigned substitute(struct resolver *rs, const uint8_t *target, unsigned owner_octets,
			   uint8_t *out)
{
	const uint8_t *name = current_owner(rs)->name;
	size_t prefix = name_length(name) - owner_octets;
	size_t target_octets = name_length(target);
	if (prefix + target_octets > NAME_MAX_OCTETS)
		return 0;
	memcpy(out, name, prefix);
	memcpy(out + prefix, target, target_octets);
	return (unsigned)(prefix + target_octets);
}

// One DNAME can lead on more than once; its record is given once.
static bool put_dname(struct resolver *rs, const uint8_t *owner_name, const struct rrset *dname,
		      struct rrset *sigs)
{
	struct owner owner = { .name = owner_name };
	return dname_given(rs, rs->found->dname) ||
	       put_signed(rs, SECTION_ANSWER, &owner, dname, sigs);
}

// The same for a DNAME.
static bool answer_dname(struct resolver *rs)
{
	const struct find *f = rs->found;
	uint8_t owner_name[NAME_MAX_OCTETS];
	unsigned owner_octets = node_owner(f->zone, f->dname, owner_name);
	struct rrset dname, sigs;
	bool there = node_signed_rrset(rs->view, f->dname, RRTYPE_DNAME, &dname, &sigs);
	assert(there);
	(void)there;
	uint8_t *record = rs->synthesized[rs->aliases].record;
	const uint8_t *target = target_name(&dname, dname.records);
	unsigned n = substitute(rs, target, owner_octets, record + 2);
	if (n == 0)
		rs->reply->rcode = RCODE_YXDOMAIN;
	put_dname(rs, owner_name, &dname, &sigs);
	if (n == 0)
		return false;
	wire_poke_be16(record, (uint16_t)n);
	struct rrset cname = {
		.type = RRTYPE_CNAME,
		.count = 1,
		.ttl_s = dname.ttl_s,
		.octets = 2 + n,
		.records = record,
	};
	// Nobody can sign it; the DNAME speaks for it (RFC 6672 section 5.3.1).
	put(rs, SECTION_ANSWER, current_owner(rs), &cname);
	if (rs->query->qtype == RRTYPE_CNAME)
		return false;
	// A DNAME that leads below itself makes new names without end, or until one is
	// too long: after some rounds nothing new is said (Knot ends at as many). Where there
	// is no room to say it, the rcode still is that of the end (RFC 6604 section 3).
	if (rs->aliases >= DNAME_ROUNDS_MAX && name_is_at_or_below(target, owner_name))
		return false;
	return follow(rs, record + 2);
}

// Answers for the current name. True if an alias leads on to another.
static bool answer_name(struct resolver *rs)
{
	const struct find *f = rs->found;
	uint16_t qtype = rs->query->qtype;
	rs->dnames[rs->aliases] = f->dname;
	// DS belongs to the parent's side of the cut.
	if (f->cut && !(qtype == RRTYPE_DS && f->node == f->cut)) {
		put_referral(rs);
		return false;
	}
	if (f->dname)
		return answer_dname(rs);
	if (f->status == FIND_NAME_ERROR)
		rs->reply->rcode = RCODE_NXDOMAIN;
	struct rrset set, sigs;
	if (!f->node)
		put_negative(rs);
	else if ((node_flags(f->node) & NODE_CNAME) && alias_applies(rs, qtype))
		return answer_cname(rs);
	else if (qtype == RRTYPE_ANY || qtype == RRTYPE_RRSIG)
		put_iterated(rs, f->node);
	else if (node_signed_rrset(rs->view, f->node, qtype, &set, &sigs))
		put_answer(rs, &set, &sigs);
	else
		put_negative(rs);
	return false;
}

// No zone of ours to answer from, and why.
static void refuse(struct resolver *rs)
{
	struct reply *r = rs->reply;
	if (rs->found->status == FIND_NO_ZONE) {
		r->rcode = RCODE_REFUSED;
		r->edns_error = EDNS_ERROR_NOT_AUTHORITATIVE;
		return;
	}
	bool expired = zone_state(rs->found->zone) == ZONE_EXPIRED;
	r->rcode = RCODE_SERVFAIL;
	r->edns_error = expired ? EDNS_ERROR_INVALID_DATA : EDNS_ERROR_NOT_READY;
}

// Most of all queries ask for addresses of a name that has some: no sections but one,
// no names but the question's, nothing that must be remembered. False, and nothing
// done, if this is not one of them; all that is said here answer_name says as well.
static bool answer_address(struct resolver *rs)
{
	const struct query *q = rs->query;
	const struct find *f = rs->found;
	struct rrset set;
	if ((q->qtype != RRTYPE_A && q->qtype != RRTYPE_AAAA) || q->qclass != RRCLASS_IN ||
	    f->status != FIND_NODE || !f->node || f->cut || q->labels.count == 0)
		return false;
	unsigned flags = node_flags(f->node);
	if ((flags & NODE_CNAME) || (q->dnssec_ok && (flags & NODE_SIGNED)) ||
	    !node_rrset(rs->view, f->node, q->qtype, &set) ||
	    !reply_addresses(rs->reply, SECTION_ANSWER, REPLY_QNAME_PLACE, &set))
		return false;
	rs->reply->authoritative = true;
	return true;
}

// Apart from the way of addresses, whom its size would cost some ten cycles.
__attribute__((noinline)) static void resolve_any(struct resolver *rs)
{
	struct reply *r = rs->reply;
	if (rs->found->status == FIND_NO_ZONE || rs->found->status == FIND_NO_DATA) {
		refuse(rs);
		return;
	}
	rs->aliases = 0;
	rs->denial.view = rs->view;
	rs->denial.foreseen = rs->foreseen;
	rs->denial.count = 0;
	rs->denial.home = rs->found->zone;
	additional_begin(&rs->additional, rs->view, r, rs->query->dnssec_ok);
	rs->owners[0] = (struct owner){ .name = rs->query->qname };
	if (*rs->query->qname) // a pointer to the root would be longer than the root
		rs->owners[0].place = REPLY_QNAME_PLACE;
	rs->home = rs->found->zone;
	reply_show_zone(r, rs->query, zone_apex_labels(rs->home));
	r->authoritative = true;
	while (answer_name(rs))
		;
	if (!r->truncated && put_proofs(rs))
		additional_put(&rs->additional, rs->found->zone);
	// RFC 1035 section 6.2: no answer speaks for all classes.
	if (rs->query->qclass == RRCLASS_ANY)
		r->authoritative = false;
}

void resolve(struct resolver *rs)
{
	if (!answer_address(rs))
		resolve_any(rs);
}
