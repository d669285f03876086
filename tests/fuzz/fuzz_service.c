// SPDX-License-Identifier: BSD-3-Clause
// Fuzz target: a message to the kernel sockets, NOTIFY and signed ones included.
//
// The first octet's lowest bit: sign the rest with the key that is configured.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "service_parts.h"
#include "support/world.h"

static struct world world;
static struct service *service;
static struct config *config;
static uint8_t buf[65536 + 1024];

static void say(void *arg, enum log_level level, const char *message)
{
	(void)arg;
	(void)level;
	fprintf(stderr, "%s\n", message);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	static uv_loop_t loop;
	static struct zones *zones;
	static const char text[] = "listen: [{address: 127.0.0.1}]\n"
				   "keys: [{name: k, secret: Zm9v}]\n"
				   "primaries: [{id: p, address: 127.0.0.1, key: k}]\n"
				   "zones: [{name: a.example, primaries: [p]}]\n";
	struct report report = { .say = say };
	(void)argc;
	(void)argv;
	log_set_level(LOG_LEVEL_ERROR);
	world_open(&world);
	world_zone(&world, "b.example.", "@ 60 SOA ns m 1 2 3 4 5\nwww 60 A 192.0.2.1\n");
	rcu_reader_offline();
	uv_loop_init(&loop);
	config = config_parse("fuzz", text, strlen(text), &report);
	if (!config || zones_new(&loop, world.db, &zones) || zones_apply(zones, config) ||
	    service_new(&(struct service_options){ .loop = &loop,
						   .db = world.db,
						   .zones = zones,
						   .answer_config = &world.config },
			&service))
		abort();
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct answer_peer peer = { .transport = ANSWER_UDP,
				    .family = 4,
				    .address = { 127, 0, 0, 1 } };
	if (size < 1 || size > 4096)
		return 0;
	size_t len = size - 1;
	memcpy(buf, data + 1, len);
	peer.transport = data[0] & 2 ? ANSWER_TCP : ANSWER_UDP;
	if (data[0] & 1 && len >= 12)
		tsig_sign(config->key_list.keys[0], loop_time().unix_s, NULL, 0, buf, &len,
			  sizeof(buf), NULL);
	// In a block of its own, so that reading too far is seen.
	uint8_t *exact = malloc(len ? len : 1);
	memcpy(exact, buf, len);
	enum service_kind kind = service_kind_of(exact, len);
	free(exact);
	if (kind == SERVICE_PLAIN)
		return 0;
	uint8_t id[2] = { buf[0], buf[1] };
	size_t reply = service_special(service, kind, &peer, buf, len);
	if (reply && (reply < 12 || reply > 65535 || memcmp(buf, id, 2) != 0 || !(buf[2] & 0x80)))
		abort();
	return 0;
}
