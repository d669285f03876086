// SPDX-License-Identifier: BSD-3-Clause
// Images: where the pieces of one were put, and making its references speak of that.
//
// Threads: the writer's.
#pragma once

#include "arena.h"
#include "understudy/zonedb.h"

#define PIECE_SHIFT 15
#define PIECE_CELLS ((1u << PIECE_SHIFT) - 1)
static_assert(PIECE_CELLS * CELL_OCTETS == ZONE_PIECE_OCTETS, "a piece is full");
static_assert(CHUNK_CELLS / 8 > PIECE_CELLS, "eight pieces fit into a chunk, the first as well");

// The pieces of an image that is being read.
struct image_pieces {
	struct image_piece {
		cell_ref at;
		uint32_t cells;
	} * piece;
	uint32_t count, room;
};

// Cells for the next piece. RESULT_OK, RESULT_MALFORMED, RESULT_NO_MEMORY.
enum result image_piece_new(struct image_pieces *p, struct arena_writer *w, size_t octets,
			    void **where);

// Likewise of the blocks of common records, which are settled first.
bool image_settle_commons(const struct image_pieces *p, const struct arena *a, cell_ref *block);

// All references from this twig on become the arena's, in the writer's own cells.
// False if one leads out of its piece, or a branch is none.
bool image_settle(const struct image_pieces *p, const struct arena *a, struct twig *root);

void image_pieces_free(struct image_pieces *p);
