// SPDX-License-Identifier: BSD-3-Clause
// Fuzzes NOTIFY: whatever comes, the reply is sound and only primaries are heard.
#include <stdio.h>
#include <string.h>

#include "fuzz.h"
#include "support/message.h"
#include "understudy/notify.h"
#include "understudy/wire.h"

#define NOW_S UINT64_C(1700000000)

enum { SOURCE_KEYED, SOURCE_PLAIN, SOURCE_STRANGER, SOURCES };

static struct tsig_key key = { .algorithm = TSIG_HMAC_SHA256, .secret_len = 32 };
static struct name apex;

static struct notify_source sources[] = {
	{ .family = 4,
	  .first = { 192, 0, 2, SOURCE_KEYED },
	  .last = { 192, 0, 2, SOURCE_KEYED },
	  .key = &key,
	  .primary = SOURCE_KEYED },
	{ .family = 4,
	  .first = { 192, 0, 2, SOURCE_PLAIN },
	  .last = { 192, 0, 2, SOURCE_PLAIN },
	  .primary = SOURCE_PLAIN },
};

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	if (name_from_text("z.", &apex) != RESULT_OK)
		return 1;
	return name_from_text("k.", &key.name);
}

static const struct tsig_key *find_key(void *arg, const uint8_t *name)
{
	(void)arg;
	return name_equal(name, key.name.wire) ? &key : NULL;
}

static const struct notify_source *find_sources(void *arg, const uint8_t *name, unsigned *count)
{
	(void)arg;
	*count = 2;
	return name_equal(name, apex.wire) ? sources : NULL;
}

static const struct notify_lookup lookup = { NULL, find_key, find_sources };

static void check_reply(const struct notify_input *in, const uint8_t *reply, size_t len)
{
	static char text[MESSAGE_TEXT_SIZE];
	REQUIRE(len >= 12 && len <= NOTIFY_REPLY_OCTETS);
	REQUIRE(memcmp(reply, in->msg, 2) == 0 && (reply[2] & 0x80));
	REQUIRE((reply[2] & 0x78) == (in->msg[2] & 0x78));
	const char *broken = message_to_text(reply, len, text);
	if (broken) {
		fprintf(stderr, "%s\n", broken);
		abort();
	}
}

static void handle(const uint8_t *msg, size_t len, uint8_t source, bool is_signed)
{
	uint8_t reply[NOTIFY_REPLY_OCTETS];
	size_t reply_len = SIZE_MAX;
	struct notify_event event = { .primary = 99 };
	struct notify_input in = { .msg = msg,
				   .len = len,
				   .family = 4,
				   .address = { 192, 0, 2, source },
				   .now_s = NOW_S };
	enum notify_verdict verdict = notify_handle(&lookup, &in, reply, &reply_len, &event);
	if (verdict == NOTIFY_DROPPED) {
		REQUIRE(reply_len == 0);
		return;
	}
	check_reply(&in, reply, reply_len);
	if (verdict == NOTIFY_ACCEPTED) {
		REQUIRE(event.primary == source && source != SOURCE_STRANGER);
		REQUIRE(name_equal(event.apex.wire, apex.wire));
		REQUIRE(source != SOURCE_KEYED || is_signed);
	}
}

// The first octet says who sends it; the rest is the message, as it is and, as
// far as that can be done, signed.
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 1)
		return 0;
	uint8_t source = data[0] % SOURCES;
	size_t len = size - 1;
	struct tsig_rr rr;
	bool has_tsig = tsig_find(data + 1, len, &rr) == RESULT_OK;
	handle(data + 1, len, source, has_tsig);

	uint8_t *copy = malloc(len + 256);
	REQUIRE(copy);
	memcpy(copy, data + 1, len);
	if (len >= 12 && tsig_sign(&key, NOW_S, NULL, 0, copy, &len, len + 256, NULL) == RESULT_OK)
		handle(copy, len, source, true);
	free(copy);
	return 0;
}
