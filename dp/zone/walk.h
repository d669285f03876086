// SPDX-License-Identifier: BSD-3-Clause
// The steps of a walk over one trie in canonical order, for those who walk one trie or two.
#pragma once

#include "layout.h"

static inline void walk_enter(struct zone_iter *it, const struct twig *root)
{
	it->depth = root->ref != 0;
	it->level[0].twig = root;
	it->level[0].left = 1;
}

// The twig that the walk stands before, NULL at its end.
static inline const struct twig *walk_top(struct zone_iter *it)
{
	while (it->depth > 0 && it->level[it->depth - 1].left == 0)
		it->depth--;
	return it->depth > 0 ? it->level[it->depth - 1].twig : NULL;
}

// Goes on behind the top and all that is below it.
static inline void walk_pass(struct zone_iter *it)
{
	const struct twig *top = it->level[it->depth - 1].twig;
	it->level[it->depth - 1].twig = top + 1;
	it->level[it->depth - 1].left--;
}

// Goes on with what is below the top, a branch.
static inline void walk_descend(struct zone_iter *it)
{
	const struct twig *top = it->level[it->depth - 1].twig;
	walk_pass(it);
	it->level[it->depth].twig = twig_children(it->view->base, top);
	it->level[it->depth].left = (uint16_t)word_children(twig_word(top));
	it->depth++;
}
