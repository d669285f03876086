// SPDX-License-Identifier: BSD-3-Clause
// Referrals written without a table of names must be what they are with one, to the octet.
#include "delegation.h"

#include <string.h>

#include "understudy/rr.h"
#include "unit.h"

#define ROUNDS  200000
#define SERVERS 3
#define ROOM    2048

static uint64_t state = 88172645463325252u;

static unsigned below(unsigned limit)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (unsigned)(state % limit);
}

// Labels in front of `end`: few and alike, so that names meet.
static void make_name(uint8_t *out, unsigned labels, const uint8_t *end)
{
	static const char *const choices[] = { "\1a", "\1A", "\1b", "\11longlabel", "\3ns1" };
	for (; labels > 0; labels--) {
		const char *label = choices[below(below(4) ? 2 : 5)];
		memcpy(out, label, strlen(label));
		out += strlen(label);
	}
	memcpy(out, end, name_length(end));
}

struct scene {
	uint8_t msg[ROOM];
	struct query query;
	unsigned apex_labels;
	const uint8_t *cut;
	uint8_t names[SERVERS][NAME_MAX_OCTETS];
	uint8_t records[SERVERS * (2 + NAME_MAX_OCTETS)];
	struct rrset ns;
};

static void add_server(struct scene *s, const uint8_t *name)
{
	size_t len = name_length(name);
	for (uint32_t i = 0; i < s->ns.count; i++)
		if (name_equal(s->names[i], name))
			return;
	memcpy(s->names[s->ns.count++], name, len);
	wire_poke_be16(s->records + s->ns.octets, (uint16_t)len);
	memcpy(s->records + s->ns.octets + 2, name, len);
	s->ns.octets += 2 + (uint32_t)len;
}

static void make_scene(struct scene *s)
{
	uint8_t apex[NAME_MAX_OCTETS], cut[NAME_MAX_OCTETS], tail[NAME_MAX_OCTETS];
	const uint8_t *const ends[] = { cut, apex, (const uint8_t *)"\4else", (const uint8_t *)"" };
	memset(s, 0, sizeof(*s));
	make_name(apex, below(3), (const uint8_t *)"");
	make_name(cut, 1 + below(2), apex);
	uint8_t *qname = s->msg + REPLY_QNAME_PLACE;
	make_name(qname, below(3), cut);
	s->query.qname = qname;
	s->query.qname_octets = (uint16_t)name_length(qname);
	s->query.question_octets = s->query.qname_octets + 4;
	name_labels_read(qname, &s->query.labels);
	s->apex_labels = name_label_count(apex);
	s->cut = name_skip_labels(qname, s->query.labels.count - name_label_count(cut));
	s->ns = (struct rrset){ .type = RRTYPE_NS, .ttl_s = 300, .records = s->records };
	make_name(tail, below(3), ends[below(4)]);
	for (unsigned i = 1 + below(SERVERS); i > 0; i--) {
		uint8_t name[NAME_MAX_OCTETS];
		if (below(8) == 0)
			make_name(tail, below(3), ends[below(4)]);
		make_name(name, below(8) ? 1 : below(3), tail);
		add_server(s, name);
	}
}

// What is said of the servers must be so.
static void check_servers(const struct scene *s, const struct servers *servers)
{
	const uint8_t *apex =
		name_skip_labels(s->query.qname, s->query.labels.count - s->apex_labels);
	for (uint32_t i = 0; i < s->ns.count; i++) {
		bool is_below = name_is_at_or_below(s->names[i], s->cut);
		bool inside = name_is_at_or_below(s->names[i], apex);
		CU_ASSERT(is_below == (servers->are == SERVERS_BELOW));
		CU_ASSERT(inside == (servers->are != SERVERS_ELSEWHERE));
		struct wire w = wire_init(s->msg, ROOM);
		struct name there;
		wire_take(&w, servers->place[i]);
		CU_ASSERT(name_read(&w, &there) == RESULT_OK &&
			  name_equal(there.wire, s->names[i]));
	}
}

static void begin(struct reply *r, struct scene *s, struct compress *names)
{
	reply_begin(r, &s->query, s->msg, ROOM, names);
	reply_show_zone(r, &s->query, s->apex_labels);
}

static void test_same(void)
{
	static struct scene s, other;
	static struct compress names;
	unsigned seen[SERVERS_BELOW + 1] = { 0 };
	for (unsigned round = 0; round < ROUNDS; round++) {
		struct reply r, expected;
		struct servers servers;
		make_scene(&s);
		memcpy(other.msg, s.msg, sizeof(other.msg));
		other.query = s.query;
		other.query.qname = other.msg + REPLY_QNAME_PLACE;
		other.apex_labels = s.apex_labels;
		begin(&r, &s, &names);
		bool done = delegation_put(&r, &s.query, s.cut, &s.ns, &servers);
		CU_ASSERT(done == (servers.are != SERVERS_ANYWHERE));
		seen[servers.are]++;
		if (!done) {
			CU_ASSERT(r.octets == 12u + s.query.question_octets && r.counts[1] == 0);
			continue;
		}
		check_servers(&s, &servers);
		begin(&expected, &other, &names);
		struct owner owner = { .name = s.cut, .place = (uint16_t)(s.cut - s.msg) };
		CU_ASSERT(reply_rrset(&expected, SECTION_AUTHORITY, &owner, &s.ns));
		CU_ASSERT_FATAL(r.octets == expected.octets && r.counts[1] == expected.counts[1] &&
				memcmp(s.msg, other.msg, r.octets) == 0);
	}
	for (unsigned are = 0; are <= SERVERS_BELOW; are++)
		CU_ASSERT(seen[are] > ROUNDS / 50);
}

// Nothing goes past the room, and what does not fit leaves no trace.
static void test_room(void)
{
	static struct scene s;
	static struct compress names;
	for (unsigned round = 0; round < ROUNDS / 20; round++) {
		struct reply r;
		struct servers servers;
		make_scene(&s);
		begin(&r, &s, &names);
		uint32_t before = r.octets;
		r.limit = before + below(s.ns.octets + s.ns.count * 10 + 2);
		bool done = delegation_put(&r, &s.query, s.cut, &s.ns, &servers);
		CU_ASSERT(done ? r.octets <= r.limit : r.octets == before);
	}
}

UNIT_MAIN("delegation", { "as with a table", test_same }, { "no room", test_room })
