// SPDX-License-Identifier: BSD-3-Clause
// The reader door: looking names up in a view, a burst at a time.
//
// All lookups of a burst go down together, one twig each in turn, and each asks
// for its next twig before the others have their turn: their cache misses
// overlap. What one way down tells is said in docs/zone-layout.md, "The trie".
#include "key.h"
#include "layout.h"
#include "neighbour.h"
#include "node.h"
#include "nsec3.h"
#include "understudy/prefetch.h"
#include "understudy/rr.h"

// A phase of a burst; inlined into one function they take each other's registers.
#define PHASE static __attribute__((noinline))

// Twigs on the way down a zone that are remembered, the last ones.
#define WAY_MAX 32u

// The scratch of one lookup. An odd number of cache lines, so that the hot
// parts of neighbours do not share cache sets.
struct lookup {
	const struct twig *at;
	struct find *find;
	const struct zone *zone;
	uint16_t key_len;
	uint8_t labels;                      // of the name
	uint8_t apex_labels;                 // of the zone
	uint8_t candidates;                  // zones come by on the way down the catalogue
	uint16_t depth;                      // twigs on the way down the zone before the leaf
	const struct name_labels *name;      // where the labels stand
	uint16_t bound[NAME_MAX_LABELS + 1]; // bound[i]: where the key's first i labels end
	cell_ref candidate[NAME_MAX_LABELS + 1];
	uint8_t key[KEY_MAX + KEY_SLACK]; // behind its end stands a 0
	const struct twig *way[WAY_MAX];  // the twig number i stands at i % WAY_MAX
	struct name_labels own;           // of a name of which nobody has said them
	uint8_t pad[72];
};
static_assert(sizeof(struct lookup) % 128 == 64, "an odd number of cache lines");

// Takes up the name to be found.
static inline void lookup_begin(struct lookup *l, struct find *f)
{
	l->find = f;
	l->name = f->labels;
	if (!l->name) {
		name_labels_read(f->qname, &l->own);
		l->name = &l->own;
	}
	l->labels = l->name->count;
}

// The key label by label, the last label first.
__attribute__((noinline)) static void lookup_key(struct lookup *l, const uint8_t *name)
{
	unsigned len = 0;
	for (unsigned i = 1; i <= l->labels; i++) {
		const uint8_t *label = name + l->name->at[l->labels - i];
		len = key_append_label(l->key, len, label + 1, label[0]);
		l->bound[i] = (uint16_t)len;
	}
	l->key_len = (uint16_t)len;
}

#if KEY_BLOCKS
// The same from the symbols of the whole name, of which each octet has one.
static inline void lookup_key_simple(struct lookup *l, const uint8_t *name, const uint8_t *symbols)
{
	unsigned len = 0;
	for (unsigned i = 1; i <= l->labels; i++) {
		unsigned at = l->name->at[l->labels - i], octets = name[at];
		// Fixed sizes: most labels are one block, none is more than four.
		memcpy(l->key + len, symbols + at + 1, KEY_BLOCK);
		if (octets > KEY_BLOCK)
			memcpy(l->key + len + KEY_BLOCK, symbols + at + 1 + KEY_BLOCK,
			       KEY_SLACK - KEY_BLOCK);
		len += octets;
		l->key[len++] = 0;
		l->bound[i] = (uint16_t)len;
	}
	l->key_len = (uint16_t)len;
}
#endif

// Readies the key.
static inline __attribute__((always_inline)) void lookup_name(struct lookup *l)
{
	const uint8_t *name = l->find->qname;
	l->bound[0] = 0;
#if KEY_BLOCKS
	uint8_t symbols[KEY_SIMPLE_MAX + KEY_SLACK];
	const unsigned octets = l->find->qname_len;
	if (octets >= KEY_BLOCK && octets <= KEY_SIMPLE_MAX &&
	    (key_simple_symbols(name, octets, symbols) | l->name->lengths) == UINT64_MAX) {
		lookup_key_simple(l, name, symbols);
		l->key[l->key_len] = 0;
		return;
	}
#endif
	lookup_key(l, name);
	l->key[l->key_len] = 0;
}

static inline unsigned lookup_symbol(const struct lookup *l, unsigned offset)
{
	return l->key[offset < l->key_len ? offset : l->key_len];
}

// --- the catalogue: which zone ---------------------------------------------------

// One step; true when a leaf is reached.
static inline bool catalog_step(const uint8_t *base, struct lookup *l)
{
	uint64_t word = twig_word(l->at);
	if (word_is_leaf(word)) {
		prefetch(cell_at(base, l->at->ref));
		return true;
	}
	unsigned offset = word_offset(word);
	// A leaf for symbol 0 where one of the name's labels may begin is maybe a zone
	// whose apex ends here: at most one for each label.
	if ((word & symbol_bit(0)) && offset <= l->key_len &&
	    (offset == 0 || l->key[offset - 1] == 0) &&
	    word_is_leaf(twig_word(twig_children(base, l->at))))
		l->candidate[l->candidates++] = twig_children(base, l->at)->ref;
	l->at = twig_child_for(base, l->at, word, lookup_symbol(l, offset));
	prefetch(l->at);
	return false;
}

static inline bool zone_covers(const struct zone *z, const struct lookup *l)
{
	if (z->apex_labels > l->labels)
		return false;
	unsigned start = l->name->at[l->labels - z->apex_labels];
	return l->find->qname_len - start == z->apex_len &&
	       name_octets_equal(l->find->qname + start, z->apex, z->apex_len);
}

// The deepest of several zones at or above the name; for DS at an apex the parent's, if ours.
PHASE const struct zone *catalog_choose_among(const uint8_t *base, const struct lookup *l)
{
	const struct zone *child = NULL;
	const struct zone *z = cell_at(base, l->at->ref);
	for (unsigned left = l->candidates;; z = cell_at(base, l->candidate[--left])) {
		if (zone_covers(z, l) && z != child) {
			if (l->find->qtype != RRTYPE_DS || z->apex_labels != l->labels || child)
				return z;
			child = z;
		}
		if (left == 0)
			return child;
	}
}

static inline const struct zone *catalog_choose(const uint8_t *base, const struct lookup *l)
{
	const struct zone *z = cell_at(base, l->at->ref);
	if (l->candidates > 0 || l->find->qtype == RRTYPE_DS)
		return catalog_choose_among(base, l);
	return zone_covers(z, l) ? z : NULL;
}

// --- a zone: which node ------------------------------------------------------------

static inline bool zone_step(const uint8_t *base, struct lookup *l)
{
	const struct twig *at = l->at;
	uint64_t word = twig_word(at);
	if (word_is_leaf(word)) {
		prefetch_lines(cell_at(base, at->ref), 2);
		return true;
	}
	unsigned offset = word_offset(word);
	if (__builtin_expect((word & TWIG_STOP) && offset < l->key_len, 0))
		at = twig_children(base, at); // the cut or DNAME above the name
	else
		at = twig_child_for(base, at, word, lookup_symbol(l, offset));
	prefetch(at);
	l->at = at;
	return false;
}

// Steps all lookups until each has reached its leaf.
PHASE void descend_zones(const uint8_t *base, struct lookup *const inside[], unsigned n)
{
	struct lookup *active[FIND_BURST_MAX];
	memcpy(active, inside, n * sizeof(active[0]));
	for (unsigned depth = 0; n > 0; depth++) {
		unsigned kept = 0;
		for (unsigned i = 0; i < n; i++) {
			struct lookup *l = active[i];
			l->way[depth % WAY_MAX] = l->at;
			if (zone_step(base, l))
				l->depth = (uint16_t)depth;
			else
				active[kept++] = l;
		}
		n = kept;
	}
}

static struct trie_place lookup_place(const struct lookup *l)
{
	return (struct trie_place){
		.key = l->key,
		.len = l->key_len,
		.apex_len = l->bound[l->apex_labels],
	};
}

// Octets of the name of the last `labels` labels without the apex.
static unsigned relative_octets(const struct lookup *l, unsigned labels)
{
	return l->name->at[l->labels - l->apex_labels] - l->name->at[l->labels - labels];
}

static inline bool is_exactly(const struct lookup *l, const struct node *n)
{
	unsigned octets = l->find->qname_len - l->zone->apex_len;
	return node_name_len(n) == octets &&
	       name_octets_equal(node_name(n), l->find->qname, octets);
}

// Whether the node is, or is below, the asterisk child of the name's ancestor
// with `labels` labels; *itself tells which.
static bool is_at_wildcard(const struct lookup *l, const struct node *n, unsigned labels,
			   bool *itself)
{
	const uint8_t *name = node_name(n),
		      *encloser = l->find->qname + l->name->at[l->labels - labels];
	unsigned len = node_name_len(n), octets = relative_octets(l, labels);
	for (unsigned at = 0; at < len; at += 1u + name[at]) {
		if (len - at != 2 + octets)
			continue;
		*itself = at == 0;
		return name[at] == 1 && name[at + 1] == '*' &&
		       name_octets_equal(name + at + 2, encloser, octets);
	}
	return false;
}

// The first twig on the way whose offset is not before the end of the name's last
// `labels` labels: everything below these is below it.
static const struct twig *twig_near(const uint8_t *base, const struct lookup *l, unsigned labels)
{
	const struct twig *at = &l->zone->root;
	for (uint64_t word; !word_is_leaf(word = twig_word(at));) {
		unsigned offset = word_offset(word);
		if (offset >= l->bound[labels])
			break;
		at = twig_child_for(base, at, word, lookup_symbol(l, offset));
	}
	return at;
}

// The node before the asterisk below the name's last `labels` labels, towards which
// the closest node is `closest`.
static const struct node *before_wildcard(const uint8_t *base, const struct lookup *l,
					  unsigned labels, const struct node *closest)
{
	uint8_t key[KEY_MAX + 4];
	struct trie_place place = lookup_place(l);
	memcpy(key, l->key, l->bound[labels]);
	place.key = key;
	place.len = l->bound[labels];
	key[place.len++] = KEY_ASTERISK;
	key[place.len++] = KEY_ASTERISK_LATER;
	key[place.len++] = 0;
	key[place.len] = 0;
	const struct trie_parting parting = trie_part(&place, closest);
	const struct twig *at = trie_left(base, &l->zone->root, &place, &parting);
	while (!trie_last_step(base, &at))
		;
	return cell_at(base, at->ref);
}

// Whether the zone denies by NSEC records.
static inline bool denies_by_nsec(const uint8_t *base, const struct zone *z)
{
	return !z->nsec3 && (node_flags(cell_at(base, z->apex_node)) & NODE_SIGNED);
}

// Looks for the wildcard below the name's last `labels` labels.
static void find_wildcard(const uint8_t *base, struct lookup *l, unsigned labels)
{
	struct find *f = l->find;
	const unsigned bound = l->bound[labels];
	const struct twig *at = twig_near(base, l, labels);
	for (uint64_t word; !word_is_leaf(word = twig_word(at));) {
		unsigned offset = word_offset(word);
		unsigned symbol = offset == bound       ? KEY_ASTERISK
				  : offset == bound + 1 ? KEY_ASTERISK_LATER
							: 0;
		at = twig_child_for(base, at, word, symbol);
	}
	const struct node *n = cell_at(base, at->ref);
	bool itself;
	bool covered = is_at_wildcard(l, n, labels, &itself);
	f->status = covered ? FIND_WILDCARD : FIND_NAME_ERROR;
	f->node = covered && itself ? n : NULL;
	if (!f->node && f->deny && denies_by_nsec(base, l->zone))
		f->before_wildcard = before_wildcard(base, l, labels, n);
}

// What was found for a wildcard right below the apex: within a burst most names that
// do not exist have no closer one.
struct apex_wildcard {
	const struct zone *zone; // NULL: nothing yet
	uint8_t status;
	bool deny;
	const struct node *node;
	const struct node *before;
};

static void find_wildcard_once(const uint8_t *base, struct lookup *l, unsigned labels,
			       struct apex_wildcard *known)
{
	struct find *f = l->find;
	if (labels != l->apex_labels) {
		find_wildcard(base, l, labels);
		return;
	}
	if (known->zone != l->zone || known->deny != f->deny) {
		find_wildcard(base, l, labels);
		*known = (struct apex_wildcard){ l->zone, f->status, f->deny, f->node,
						 f->before_wildcard };
		return;
	}
	f->status = known->status;
	f->node = known->node;
	f->before_wildcard = known->before;
}

// How many labels the name that is looked up has more than the node's, if it is below that;
// else 0.
static unsigned labels_below(const struct lookup *l, const struct node *n)
{
	unsigned octets = node_name_len(n), above_apex = l->labels - l->apex_labels;
	unsigned all = l->name->at[above_apex];
	for (unsigned i = 1; i <= above_apex && all - l->name->at[i] >= octets; i++)
		if (all - l->name->at[i] == octets &&
		    name_octets_equal(node_name(n), l->find->qname + l->name->at[i], octets))
			return i;
	return 0;
}

// What a burst has come by.
struct burst {
	struct apex_wildcard wildcard;
	unsigned cuts; // with names below them
	const struct twig *below[FIND_BURST_MAX];
};

static inline void burst_begin(struct burst *b)
{
	b->wildcard.zone = NULL;
	b->cuts = 0;
}

// The lookup has reached a cut, at or above the name. Where names stand below it, the twig that
// it was reached from says so, and all of its further children are of these.
static void lookup_cut(const uint8_t *base, struct lookup *l, const struct node *n, struct burst *b)
{
	struct find *f = l->find;
	f->cut = n;
	if (l->depth == 0)
		return;
	const struct twig *above = l->way[(l->depth - 1u) % WAY_MAX];
	if (!(twig_word(above) & TWIG_STOP))
		return;
	f->below = b->below[b->cuts++] = above;
	prefetch(cell_at(base, l->at[1].ref));
}

// What trie_left says of a name that is not below a cut or DNAME, found from the leaf upwards:
// mostly it is a step or two.
static const struct twig *lookup_left(const uint8_t *base, const struct lookup *l,
				      const struct trie_place *place,
				      const struct trie_parting *parting)
{
	unsigned first = l->depth < WAY_MAX ? 0 : l->depth + 1u - WAY_MAX, i = l->depth;
	// The topmost twig of which all leaves are on one side of the name.
	while (i > first && word_offset(twig_word(l->way[(i - 1) % WAY_MAX])) > parting->at)
		i--;
	const struct twig *side = l->way[i % WAY_MAX];
	for (bool less = parting->theirs_less; i > first; less = false) {
		const struct twig *branch = l->way[--i % WAY_MAX];
		uint64_t word = twig_word(branch);
		unsigned symbol = lookup_symbol(l, word_offset(word));
		// Where the symbol is missing, `side` is a child for another one.
		if (less && (word & symbol_bit(symbol)))
			return side;
		if (word_index(word, symbol) > 0)
			return twig_children(base, branch) + word_index(word, symbol) - 1;
	}
	return first == 0 ? l->way[0] : trie_left(base, &l->zone->root, place, parting);
}

// The name is not that of the node that was reached: what that one tells nevertheless.
// True if the name's predecessor is wanted, which is then the last leaf below l->at.
static bool zone_miss(const uint8_t *base, struct lookup *l, const struct node *n, struct burst *b)
{
	struct find *f = l->find;
	unsigned flags = node_flags(n);
	unsigned below = flags & NODE_STOPS ? labels_below(l, n) : 0;
	if (below) {
		f->status = FIND_NODE;
		f->encloser_labels = (uint8_t)(l->labels - below);
		if (flags & NODE_CUT)
			lookup_cut(base, l, n, b);
		else
			f->dname = n;
		return false;
	}
	const struct trie_place place = lookup_place(l);
	const struct trie_parting parting = trie_part(&place, n);
	unsigned labels = l->apex_labels;
	while (labels < l->labels && l->bound[labels + 1] <= parting.at)
		labels++;
	f->encloser_labels = (uint8_t)labels;
	if (labels == l->labels)
		f->status = FIND_EMPTY;
	else
		find_wildcard_once(base, l, labels, &b->wildcard);
	if (!f->deny || !denies_by_nsec(base, l->zone))
		return false;
	l->at = lookup_left(base, l, &place, &parting);
	prefetch(l->at);
	return true;
}

// What the leaf reached says; returns what zone_miss does.
static inline bool zone_finish(const uint8_t *base, struct lookup *l, struct burst *b)
{
	struct find *f = l->find;
	const struct node *n = cell_at(base, l->at->ref);
	if (!is_exactly(l, n))
		return zone_miss(base, l, n, b);
	f->status = FIND_NODE;
	f->node = n;
	if (node_flags(n) & NODE_CUT)
		lookup_cut(base, l, n, b);
	f->encloser_labels = l->labels;
	return false;
}

static inline bool before_step(const uint8_t *base, struct lookup *l)
{
	return trie_last_step(base, &l->at);
}

// --- bursts ------------------------------------------------------------------------

// Steps all lookups in `active` until each has reached its leaf.
#define ADVANCE(step, base, active, count)                        \
	do {                                                      \
		unsigned left_ = (count);                         \
		while (left_ > 0) {                               \
			unsigned kept_ = 0;                       \
			for (unsigned i_ = 0; i_ < left_; i_++) { \
				struct lookup *l_ = (active)[i_]; \
				(active)[kept_] = l_;             \
				kept_ += !step(base, l_);         \
			}                                         \
			left_ = kept_;                            \
		}                                                 \
	} while (0)

static void find_clear(struct find *f)
{
	f->status = FIND_NO_ZONE;
	f->encloser_labels = 0;
	f->zone = NULL;
	f->node = f->cut = f->dname = f->before = f->before_wildcard = NULL;
	f->below = NULL;
}

// Readies the way down the zone; false if there is none to go.
static bool zone_enter(struct lookup *l, const struct zone *z)
{
	struct find *f = l->find;
	f->zone = z;
	if (!z)
		return false;
	f->status = FIND_NO_DATA;
	if (z->state != ZONE_SERVED || !z->root.ref)
		return false;
	l->zone = z;
	l->apex_labels = z->apex_labels;
	l->at = &z->root;
	return true;
}

// DS of an apex of ours, sought in a zone further up that delegates above the name: its
// parent is not ours, so the child says that it has none (RFC 4035 section 3.1.4.1).
static void find_ds_in_child(const struct catalog *view, struct find *f)
{
	const struct zone *child = catalog_zone(view, f->qname);
	if (child && child->state == ZONE_SERVED)
		zone_find_in(view, child, f);
}

PHASE void ready_all(const struct catalog *view, struct lookup lookups[],
		     struct find *const finds[], unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		struct lookup *l = &lookups[i];
		lookup_begin(l, finds[i]);
		l->at = &view->root;
		l->candidates = 0;
		find_clear(finds[i]);
		lookup_name(l);
	}
}

// Finds the zones; returns how many lookups go on inside of one, which are in `inside`.
PHASE unsigned enter_zones(const uint8_t *base, struct lookup lookups[], struct lookup *inside[],
			   unsigned n)
{
	unsigned count = 0;
	for (unsigned i = 0; i < n; i++)
		inside[i] = &lookups[i];
	ADVANCE(catalog_step, base, inside, n);
	for (unsigned i = 0; i < n; i++) {
		inside[count] = &lookups[i];
		count += zone_enter(&lookups[i], catalog_choose(base, &lookups[i]));
	}
	return count;
}

// What stands below a cut: two nodes, most have no more.
static void fetch_below(const uint8_t *base, const struct twig *below)
{
	const struct twig *at = twig_children(base, below) + 1;
	if (word_is_leaf(twig_word(at)))
		return; // that was the node
	at = twig_children(base, at);
	prefetch(cell_at(base, at[0].ref));
	prefetch(cell_at(base, at[1].ref));
}

// Returns how many of the names do not exist and want their predecessor, which are in
// `inside` then.
PHASE unsigned finish_all(const struct catalog *view, struct lookup *inside[], unsigned n)
{
	struct burst b;
	unsigned denied = 0;
	burst_begin(&b);
	for (unsigned i = 0; i < n; i++) {
		struct lookup *l = inside[denied] = inside[i];
		struct find *f = l->find;
		denied += zone_finish(view->base, l, &b);
		if (f->qtype == RRTYPE_DS && f->cut && !f->node)
			find_ds_in_child(view, f);
	}
	for (unsigned i = 0; i < b.cuts; i++)
		fetch_below(view->base, b.below[i]);
	return denied;
}

PHASE void find_before(const uint8_t *base, struct lookup *const denied[], unsigned n)
{
	struct lookup *active[FIND_BURST_MAX];
	memcpy(active, denied, n * sizeof(active[0]));
	ADVANCE(before_step, base, active, n);
	for (unsigned i = 0; i < n; i++)
		denied[i]->find->before = cell_at(base, denied[i]->at->ref);
}

void zone_find_burst(const struct catalog *view, struct find *const finds[], unsigned n)
{
	struct lookup lookups[FIND_BURST_MAX], *inside[FIND_BURST_MAX];
	assert(n <= FIND_BURST_MAX);
	ready_all(view, lookups, finds, n);
	if (!view->root.ref)
		return;
	n = enter_zones(view->base, lookups, inside, n);
	descend_zones(view->base, inside, n);
	n = finish_all(view, inside, n);
	if (n > 0)
		find_before(view->base, inside, n);
}

// --- one name in one zone -----------------------------------------------------------

// Readies a lookup for the name in this zone; false if it cannot be there.
static bool lookup_in(struct lookup *l, struct find *f, const struct zone *z, const uint8_t *name)
{
	*f = (struct find){ .qname = name, .qname_len = (uint16_t)name_length(name) };
	lookup_begin(l, f);
	if (!zone_covers(z, l) || !zone_enter(l, z))
		return false;
	lookup_name(l);
	return true;
}

void zone_find_in(const struct catalog *view, const struct zone *z, struct find *f)
{
	struct lookup l;
	lookup_begin(&l, f);
	find_clear(f);
	if (!zone_covers(z, &l) || !zone_enter(&l, z))
		return;
	lookup_name(&l);
	descend_zones(view->base, (struct lookup *const[]){ &l }, 1);
	struct burst alone;
	burst_begin(&alone);
	if (!zone_finish(view->base, &l, &alone))
		return;
	while (!before_step(view->base, &l))
		;
	f->before = cell_at(view->base, l.at->ref);
}

// The name's node, which is sought from a twig above it.
static const struct node *lookup_from(const uint8_t *base, const struct lookup *l,
				      const struct twig *at)
{
	for (uint64_t word; !word_is_leaf(word = twig_word(at));)
		at = twig_child_for(base, at, word, lookup_symbol(l, word_offset(word)));
	const struct node *n = cell_at(base, at->ref);
	return is_exactly(l, n) ? n : NULL;
}

const struct node *zone_node_exact(const struct catalog *view, const struct zone *z,
				   const uint8_t *name)
{
	struct lookup l;
	struct find f;
	return lookup_in(&l, &f, z, name) ? lookup_from(view->base, &l, &z->root) : NULL;
}

const struct node *zone_node_at_cut(const struct catalog *view, const struct find *f,
				    const uint8_t *name)
{
	struct lookup l;
	struct find its;
	if (!lookup_in(&l, &its, f->zone, name))
		return NULL;
	if (!f->below)
		return is_exactly(&l, f->cut) ? f->cut : NULL;
	return lookup_from(view->base, &l, f->below);
}

void zone_deny_burst(const struct catalog *view, struct zone_denial *const denials[], unsigned n)
{
	struct trie_beside searches[FIND_BURST_MAX];
	uint8_t keys[FIND_BURST_MAX][KEY_MAX];
	assert(n <= FIND_BURST_MAX);
	for (unsigned i = 0; i < n; i++) {
		const struct zone_denial *d = denials[i];
		struct trie_beside *s = &searches[i];
		if (d->nsec3) {
			nsec3_search(d->zone, d->hash, keys[i], s);
			continue;
		}
		s->root = &d->zone->root;
		s->place.key = keys[i];
		s->place.apex_len = key_from_name(keys[i], d->zone->apex, d->zone->apex_len);
		s->place.len = key_append_name(keys[i], s->place.apex_len, d->name,
					       (unsigned)name_length(d->name) - d->zone->apex_len);
	}
	trie_beside(view->base, searches, n);
	for (unsigned i = 0; i < n; i++) {
		struct zone_denial *d = denials[i];
		d->match = false;
		if (d->nsec3)
			d->node = nsec3_choose(view, d->zone, keys[i], &searches[i], &d->match);
		else
			d->node = searches[i].left;
	}
}

const struct node *zone_node_before(const struct catalog *view, const struct zone *z,
				    const uint8_t *name)
{
	struct zone_denial d = { .zone = z, .name = name };
	if (z->state != ZONE_SERVED || !z->root.ref || !name_is_at_or_below(name, z->apex))
		return NULL;
	zone_deny_burst(view, (struct zone_denial *[]){ &d }, 1);
	return d.node;
}

const struct node *zone_nsec3_find(const struct catalog *view, const struct zone *z,
				   const uint8_t hash[NSEC3_HASH_OCTETS], bool *match)
{
	struct zone_denial d = { .zone = z, .nsec3 = true };
	if (!z->nsec3)
		return NULL;
	memcpy(d.hash, hash, sizeof(d.hash));
	zone_deny_burst(view, (struct zone_denial *[]){ &d }, 1);
	*match = d.match;
	return d.node;
}
