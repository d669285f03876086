// SPDX-License-Identifier: BSD-3-Clause
// Asking for memory that will be read soon.
//
// Purpose: what a burst needs from a large zone is asked for all at once, some hundred
// lines. A fetch into the first-level cache takes one of its few miss buffers, and is
// dropped when these are all taken (measured: docs/performance.md); a fetch into the
// second level waits its turn, and what it brought is read for a few cycles more.
// Threads: any; no state.
#pragma once

#define PREFETCH_LINE_OCTETS 64u

// One line, the one of this address. Any address will do.
static inline void prefetch(const void *p)
{
	__builtin_prefetch(p, 0, 2);
}

// The line of `p` and those behind it, `lines` in all.
static inline void prefetch_lines(const void *p, unsigned lines)
{
	for (unsigned i = 0; i < lines; i++)
		prefetch((const char *)p + i * PREFETCH_LINE_OCTETS);
}
