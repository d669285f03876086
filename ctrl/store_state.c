// SPDX-License-Identifier: BSD-3-Clause
// The store's format: a zone's state as one block.
#include <assert.h>
#include <string.h>

#include "crc32c.h"
#include "store_block.h"
#include "store_format.h"
#include "understudy/wire.h"

#define KIND_STATE 0x55537331u

#define STATE_VERSION       2
#define STATE_VERSION_FIRST 1 // without the primaries' marks and the last transfer
#define STATE_EXPIRED       1
#define STATE_FROZEN        2
#define STATE_INSIDE        4
#define STATE_VETTED        8
#define STATE_NSEC3         16
#define TRANSFER_SAME       1
#define TRANSFER_KEYED      2
#define TRANSFER_ENCRYPTED  4
#define TRANSFER_FLAGS      7 // all of them

// A primary's: family, address, port.
static void get_address(struct wire *w, uint8_t *family, uint8_t address[16], uint16_t *port)
{
	*family = wire_u8(w);
	const uint8_t *octets = wire_take(w, 16);
	if (octets)
		memcpy(address, octets, 16);
	*port = wire_u16(w);
}

static void put_primary(struct wire_out *o, const struct store_primary *p)
{
	wire_put_u8(o, p->family);
	wire_put_bytes(o, p->address, sizeof(p->address));
	wire_put_u16(o, p->port);
	wire_put_u64(o, p->unix_s);
	wire_put_u8(o, p->kind);
	wire_put_u8(o, p->reason);
	wire_put_u16(o, p->rcode);
	wire_put_u32(o, p->serial);
}

static void put_link(struct wire_out *o, const struct store_primary *p)
{
	wire_put_u8(o, p->link_reason);
	wire_put_u16(o, p->link_rcode);
	wire_put_u64(o, p->link_unix_s);
	wire_put_u64(o, p->success_unix_s);
}

static void get_link(struct wire *w, struct store_primary *p)
{
	p->link_reason = wire_u8(w);
	p->link_rcode = wire_u16(w);
	p->link_unix_s = wire_u64(w);
	p->success_unix_s = wire_u64(w);
}

// The numbers of a transfer, in the order in which they are stored.
#define TRANSFER_NUMBERS 8
static void transfer_numbers(struct store_transfer *t, uint64_t *out[TRANSFER_NUMBERS])
{
	uint64_t *const numbers[TRANSFER_NUMBERS] = { &t->elapsed_ms, &t->messages,
						      &t->octets,     &t->records,
						      &t->steps,      &t->out_of_zone,
						      &t->duplicates, &t->ttl_lowered };
	memcpy(out, numbers, sizeof(numbers));
}

static void put_transfer(struct wire_out *o, struct store_transfer t)
{
	uint64_t *numbers[TRANSFER_NUMBERS];
	wire_put_u64(o, t.unix_s);
	if (!t.unix_s)
		return;
	wire_put_u8(o, t.family);
	wire_put_bytes(o, t.address, sizeof(t.address));
	wire_put_u16(o, t.port);
	wire_put_u8(o, t.kind);
	wire_put_u8(o, t.form);
	wire_put_u8(o, (uint8_t)((t.same ? TRANSFER_SAME : 0) | (t.keyed ? TRANSFER_KEYED : 0) |
				 (t.encrypted ? TRANSFER_ENCRYPTED : 0)));
	transfer_numbers(&t, numbers);
	for (unsigned i = 0; i < TRANSFER_NUMBERS; i++)
		wire_put_u64(o, *numbers[i]);
}

// False if it cannot be.
static bool get_transfer(struct wire *w, struct store_transfer *t)
{
	uint64_t *numbers[TRANSFER_NUMBERS];
	t->unix_s = wire_u64(w);
	if (!t->unix_s)
		return true;
	get_address(w, &t->family, t->address, &t->port);
	t->kind = wire_u8(w);
	t->form = wire_u8(w);
	uint8_t flags = wire_u8(w);
	t->same = flags & TRANSFER_SAME;
	t->keyed = flags & TRANSFER_KEYED;
	t->encrypted = flags & TRANSFER_ENCRYPTED;
	transfer_numbers(t, numbers);
	for (unsigned i = 0; i < TRANSFER_NUMBERS; i++)
		*numbers[i] = wire_u64(w);
	return (t->family == 4 || t->family == 6) && !(flags & ~TRANSFER_FLAGS);
}

size_t store_state_write(const struct store_state *state, const void *key, size_t key_len,
			 uint8_t out[STORE_STATE_MAX])
{
	const struct store_timers *t = &state->timers;
	struct wire_out o =
		wire_out_init(out + STORE_BLOCK_HEAD, STORE_STATE_MAX - STORE_BLOCK_HEAD);
	wire_put_u8(&o, STATE_VERSION);
	wire_put_u8(&o,
		    (uint8_t)((t->expired ? STATE_EXPIRED : 0) | (t->frozen ? STATE_FROZEN : 0) |
			      (state->place.inside ? STATE_INSIDE : 0) |
			      (t->vetted ? STATE_VETTED : 0) | (t->nsec3 ? STATE_NSEC3 : 0)));
	wire_put_u64(&o, state->place.id);
	wire_put_u64(&o, state->place.octets);
	wire_put_u64(&o, state->place.image_octets);
	wire_put_u32(&o, state->place.serial);
	wire_put_u64(&o, t->refreshed_unix_s);
	wire_put_u64(&o, t->next_unix_s);
	wire_put_u64(&o, t->expire_unix_s);
	wire_put_u8(&o, (uint8_t)t->primary_count);
	for (unsigned i = 0; i < t->primary_count; i++)
		put_primary(&o, &t->primaries[i]);
	wire_put_u8(&o, t->alarms_told);
	wire_put_u8(&o, t->zonemd);
	wire_put_u16(&o, t->nsec3_iterations);
	for (unsigned i = 0; i < t->primary_count; i++)
		put_link(&o, &t->primaries[i]);
	for (unsigned i = 0; i < t->primary_count; i++)
		wire_put_u32(&o, t->primaries[i].mark);
	put_transfer(&o, t->transfer);
	assert(!o.failed);
	store_block_seal(out, KIND_STATE, crc32c(0, key, key_len), wire_out_len(&o));
	return STORE_BLOCK_HEAD + wire_out_len(&o);
}

static void get_primary(struct wire *w, struct store_primary *p)
{
	get_address(w, &p->family, p->address, &p->port);
	p->unix_s = wire_u64(w);
	p->kind = wire_u8(w);
	p->reason = wire_u8(w);
	p->rcode = wire_u16(w);
	p->serial = wire_u32(w);
}

enum result store_state_read(struct store_state *state, const void *key, size_t key_len,
			     const void *octets, size_t len)
{
	struct store_source s;
	struct store_block b;
	store_source_memory(&s, octets, len);
	enum result r = store_source_block(&s, &b);
	if (r != RESULT_OK)
		return r;
	if (b.kind != KIND_STATE || s.at != s.end || !store_block_good(&b, crc32c(0, key, key_len)))
		return RESULT_MALFORMED;
	struct wire w = store_block_payload(&b);
	struct store_state out = { 0 };
	uint8_t version = wire_u8(&w), flags = wire_u8(&w);
	out.timers.expired = flags & STATE_EXPIRED;
	out.timers.frozen = flags & STATE_FROZEN;
	out.place.inside = flags & STATE_INSIDE;
	out.timers.vetted = flags & STATE_VETTED;
	out.timers.nsec3 = flags & STATE_NSEC3;
	out.place.id = wire_u64(&w);
	out.place.octets = wire_u64(&w);
	out.place.image_octets = wire_u64(&w);
	out.place.serial = wire_u32(&w);
	out.timers.refreshed_unix_s = wire_u64(&w);
	out.timers.next_unix_s = wire_u64(&w);
	out.timers.expire_unix_s = wire_u64(&w);
	out.timers.primary_count = wire_u8(&w);
	if (version < STATE_VERSION_FIRST || version > STATE_VERSION ||
	    out.timers.primary_count > STORE_PRIMARIES_MAX)
		return RESULT_MALFORMED;
	for (unsigned i = 0; i < out.timers.primary_count; i++)
		get_primary(&w, &out.timers.primaries[i]);
	out.timers.alarms_told = wire_u8(&w);
	out.timers.zonemd = wire_u8(&w);
	out.timers.nsec3_iterations = wire_u16(&w);
	for (unsigned i = 0; i < out.timers.primary_count; i++)
		get_link(&w, &out.timers.primaries[i]);
	for (unsigned i = 0; i < out.timers.primary_count && version >= STATE_VERSION; i++)
		out.timers.primaries[i].mark = wire_u32(&w);
	if (version >= STATE_VERSION && !get_transfer(&w, &out.timers.transfer))
		return RESULT_MALFORMED;
	if (w.failed || wire_left(&w))
		return RESULT_MALFORMED;
	*state = out;
	return RESULT_OK;
}
