// SPDX-License-Identifier: BSD-3-Clause
// Keys: names as strings of symbols that sort canonically (docs/zone-layout.md).
#include "key.h"

// Each octet's symbols, by range; upper case folds to lower.
#define IN(c, low, high) ((c) >= (low) && (c) <= (high))
#define SYMBOL(c)                                      \
	(uint8_t)(IN(c, 0x00, 0x2c)   ? 1              \
		  : (c) == 0x2d       ? 2              \
		  : IN(c, 0x2e, 0x2f) ? 3              \
		  : IN(c, '0', '9')   ? 4 + (c) - '0'  \
		  : IN(c, 0x3a, 0x40) ? 14             \
		  : IN(c, 'A', 'Z')   ? 17 + (c) - 'A' \
		  : IN(c, 0x5b, 0x5e) ? 14             \
		  : (c) == '_'        ? 15             \
		  : (c) == 0x60       ? 16             \
		  : IN(c, 'a', 'z')   ? 17 + (c) - 'a' \
				      : 43 + ((c)-0x7b) / 45)
#define SECOND(c)                                           \
	(uint8_t)(IN(c, 0x00, 0x2c)   ? 1 + (c)             \
		  : IN(c, 0x2e, 0x2f) ? 1 + (c)-0x2e        \
		  : IN(c, 0x3a, 0x40) ? 1 + (c)-0x3a        \
		  : IN(c, 0x5b, 0x5e) ? 8 + (c)-0x5b        \
		  : (c) == 0x60       ? 1                   \
		  : (c) >= 0x7b       ? 1 + ((c)-0x7b) % 45 \
				      : 0)

#define SYMBOLS(c) (uint16_t)(SYMBOL(c) | SECOND(c) << 8)

#define EIGHT(m, c) \
	m((c)), m((c) + 1), m((c) + 2), m((c) + 3), m((c) + 4), m((c) + 5), m((c) + 6), m((c) + 7)
#define SIXTY_FOUR(m, c)                                                          \
	EIGHT(m, (c)), EIGHT(m, (c) + 8), EIGHT(m, (c) + 16), EIGHT(m, (c) + 24), \
		EIGHT(m, (c) + 32), EIGHT(m, (c) + 40), EIGHT(m, (c) + 48), EIGHT(m, (c) + 56)
#define ALL(m) SIXTY_FOUR(m, 0), SIXTY_FOUR(m, 64), SIXTY_FOUR(m, 128), SIXTY_FOUR(m, 192)

const uint16_t key_symbols[256] = { ALL(SYMBOLS) };

unsigned key_append_name(uint8_t *key, unsigned len, const uint8_t *wire, unsigned octets)
{
	uint8_t start[NAME_MAX_LABELS];
	unsigned labels = 0;
	for (unsigned at = 0; at < octets; at += 1u + wire[at])
		start[labels++] = (uint8_t)at;
	while (labels-- > 0) {
		const uint8_t *label = wire + start[labels];
		len = key_append_label(key, len, label + 1, label[0]);
	}
	key[len] = 0;
	return len;
}
