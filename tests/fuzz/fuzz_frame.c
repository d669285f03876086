// SPDX-License-Identifier: BSD-3-Clause
// Fuzzes the frame parser, and the reply to whatever it takes for a query.
//
// The first octet chooses what the device has verified and how the reply is
// made; the rest is the frame. Claiming good checksums lets the fuzzer behind them.
#include "frame.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "understudy/wire.h"

#define ROOM 512 // for the reply, behind the query

static struct frame_local local;

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	static const uint8_t mac[6] = { 0x02, 0, 0, 0, 0, 0x01 };
	struct port_service services[2] = { { .family = 4, .port_be = htons(53) },
					    { .family = 6, .port_be = htons(53) } };
	(void)argc;
	(void)argv;
	inet_pton(AF_INET, "10.53.0.2", services[0].address);
	inet_pton(AF_INET6, "fd00:53::2", services[1].address);
	frame_local_init(&local, mac, services, 2);
	return 0;
}

static void require(bool holds)
{
	if (!holds)
		abort();
}

// A finished reply, with MACs and addresses turned round once more, must parse.
static void reply(uint8_t *data, const struct frame *f, unsigned mode)
{
	struct frame again;
	uint16_t dns_len = (uint16_t)(mode * 2);
	uint8_t *copy = malloc(f->dns + (size_t)ROOM);
	memcpy(copy, data, f->dns);
	memset(copy + f->dns, (int)mode, ROOM);
	size_t len = frame_reply(copy, f, dns_len, mode & 4);
	require(len == f->dns + (size_t)dns_len);
	if (!(mode & 4)) {
		struct frame_local other = { 0 };
		struct port_service s = { .family = f->family };
		const uint8_t *ip = copy + f->l3;
		memcpy(s.address, f->family == 4 ? ip + 16 : ip + 24, f->family == 4 ? 4 : 16);
		memcpy(&s.port_be, copy + f->dns - FRAME_UDP_LEN + 2, 2);
		frame_local_init(&other, copy, &s, 1);
		frame_parse(&other, copy, len, 0, &again);
		require(again.kind == FRAME_QUERY && again.dns_len == dns_len &&
			again.dns == f->dns);
	}
	free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct frame f;
	struct answer_peer peer;
	if (size == 0)
		return 0;
	size_t len = size - 1;
	uint8_t *frame = malloc(len ? len : 1);
	memcpy(frame, data + 1, len);
	frame_parse(&local, frame, len, data[0] & 3u, &f);
	require(f.kind <= FRAME_DROP && f.drop < PORT_DROP_COUNT && f.class < FRAME_CLASS_COUNT);
	if (f.kind == FRAME_QUERY) {
		require(f.dns + (size_t)f.dns_len <= len);
		frame_peer(frame, &f, &peer);
		reply(frame, &f, data[0]);
	}
	free(frame);
	return 0;
}
