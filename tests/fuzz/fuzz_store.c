// SPDX-License-Identifier: BSD-3-Clause
// Fuzzes what the store reads: segments into a transaction, and states.
//
// The first octet says how: as the input stands, or with every block's checksum
// and number made right, so that what is behind them is reached. What is read
// whole is committed, published and checked.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "crc32c.h"
#include "fuzz.h"
#include "store_format.h"
#include "support/world.h"
#include "understudy/wire.h"

#define OCTETS_MAX   (1u << 18)
#define WORLD_INPUTS 256

enum { MODE_RIGHT = 1, MODE_STATE = 2 };

static struct world world;
static unsigned inputs;
static struct name apex;
static uint8_t copy[OCTETS_MAX];

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	return name_from_text("z.", &apex);
}

static void seal(uint8_t *block, uint32_t number, size_t payload)
{
	uint8_t n[4];
	wire_poke_be32(n, number);
	uint32_t crc = crc32c(crc32c(0, block, 8), n, 4);
	wire_poke_be32(block + 8, crc32c(crc, block + STORE_BLOCK_HEAD, payload));
}

// Makes the blocks' checksums right, as far as there are blocks; but not of cells, which are
// believed if their checksum is right.
static void make_right(size_t len)
{
	uint32_t number = 0;
	for (size_t at = 0; len - at >= STORE_BLOCK_HEAD;) {
		uint8_t *block = copy + at;
		size_t payload = wire_peek_be32(block + 4);
		if (payload > len - at - STORE_BLOCK_HEAD)
			return;
		if (memcmp(block, "USh1", 4) == 0 && payload >= 10)
			number = wire_peek_be32(block + STORE_BLOCK_HEAD + 6);
		if (memcmp(block, "USc1", 4) != 0)
			seal(block, number, payload);
		number++;
		at += STORE_BLOCK_HEAD + payload;
	}
}

static void read_zone(size_t len)
{
	struct store_source source;
	struct store_head last;
	struct zone_txn *txn;
	struct zone_version *version;
	char why[256] = "";
	const struct zone_txn_options o = { .apex = apex.wire };
	if (inputs++ % WORLD_INPUTS == 0) {
		if (inputs > 1)
			world_close(&world);
		world_open(&world);
	}
	if (zone_txn_begin(world.db, &o, &txn))
		abort();
	store_source_memory(&source, copy, len);
	if (store_read_zone(&source, apex.wire, txn, &last) != RESULT_OK) {
		zone_txn_abort(txn);
		return;
	}
	if (zone_txn_commit(txn, &version) != RESULT_OK)
		return;
	zonedb_publish(world.db, &version, 1);
	if (zonedb_check(world.db, zonedb_view(world.db), why, sizeof(why)) != RESULT_OK) {
		fprintf(stderr, "%s\n", why);
		abort();
	}
	rcu_reader_quiescent();
}

// What is read as a state is written as the same octets again, if it is of this version.
static void read_state(size_t len)
{
	struct store_state state;
	uint8_t again[STORE_STATE_MAX];
	if (store_state_read(&state, "s", 1, copy, len) != RESULT_OK)
		return;
	size_t n = store_state_write(&state, "s", 1, again);
	if (copy[STORE_BLOCK_HEAD] != again[STORE_BLOCK_HEAD])
		return;
	if (n != len || memcmp(again + STORE_BLOCK_HEAD + 2, copy + STORE_BLOCK_HEAD + 2,
			       n - STORE_BLOCK_HEAD - 2) != 0)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 1 || size > OCTETS_MAX)
		return 0;
	uint8_t mode = data[0];
	memcpy(copy, data + 1, size - 1);
	if ((mode & MODE_STATE) && (mode & MODE_RIGHT) && size - 1 >= STORE_BLOCK_HEAD)
		seal(copy, crc32c(0, "s", 1), size - 1 - STORE_BLOCK_HEAD);
	else if (mode & MODE_RIGHT)
		make_right(size - 1);
	if (mode & MODE_STATE)
		read_state(size - 1);
	else
		read_zone(size - 1);
	return 0;
}
