// SPDX-License-Identifier: BSD-3-Clause
// Fuzzes TSIG: any message is searched and verified, alone and in a stream; what
// we sign verifies.
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "understudy/tsig.h"

#define NOW_S UINT64_C(1700000000)

static struct tsig_key key = { .algorithm = TSIG_HMAC_SHA256, .secret_len = 32 };

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	for (uint8_t i = 0; i < 32; i++)
		key.secret[i] = i;
	return name_from_text("transfer.example.", &key.name);
}

static void fuzz_error_reply(const struct tsig_rr *rr)
{
	uint8_t reply[1024] = { 0 };
	static const enum tsig_error errors[] = { TSIG_ERROR_BADKEY, TSIG_ERROR_BADSIG,
						  TSIG_ERROR_BADTIME };
	for (int i = 0; i < 3; i++) {
		size_t len = 12;
		struct tsig_rr back;
		memset(reply, 0, 12);
		REQUIRE(tsig_append_error(rr, &key, errors[i], NOW_S, reply, &len, sizeof(reply)) ==
			RESULT_OK);
		REQUIRE(tsig_find(reply, len, &back) == RESULT_OK && back.error == errors[i]);
	}
}

static void fuzz_single(const uint8_t *msg, size_t len)
{
	struct tsig_rr rr;
	if (tsig_find(msg, len, &rr) != RESULT_OK)
		return;
	REQUIRE(rr.rr_offset >= 12 && rr.rr_offset < len);
	REQUIRE(rr.mac >= msg && rr.mac + rr.mac_len <= msg + len);
	REQUIRE(rr.other >= msg && rr.other + rr.other_len <= msg + len);
	for (enum tsig_algorithm a = 0; a < TSIG_ALGORITHM_COUNT; a++) {
		struct tsig_key other = key;
		other.name = rr.key_name;
		other.algorithm = a;
		tsig_verify(&other, &rr, msg, len, NOW_S, NULL, 0);
		tsig_verify(&other, &rr, msg, len, rr.time_signed_s, rr.mac, rr.mac_len);
	}
	fuzz_error_reply(&rr);
}

// Signing a sound message gives one that verifies, and that no change survives.
// (Octets behind the last record of an unsound one may begin the TSIG record.)
static void fuzz_sign(const uint8_t *msg, size_t len)
{
	struct tsig_rr rr;
	if (len < 12 || tsig_find(msg, len, &rr) != RESULT_NOT_FOUND)
		return;
	uint8_t *copy = malloc(len + 256);
	size_t signed_len = len;
	REQUIRE(copy);
	memcpy(copy, msg, len);
	if (tsig_sign(&key, NOW_S, NULL, 0, copy, &signed_len, len + 256, NULL) == RESULT_OK &&
	    tsig_find(copy, signed_len, &rr) == RESULT_OK && rr.rr_offset == len) {
		REQUIRE(tsig_verify(&key, &rr, copy, signed_len, NOW_S, NULL, 0) == RESULT_OK);
		copy[2 + (len - 2) / 2] ^= 0x10;
		if (tsig_find(copy, signed_len, &rr) == RESULT_OK)
			REQUIRE(tsig_verify(&key, &rr, copy, signed_len, NOW_S, NULL, 0) !=
				RESULT_OK);
	}
	free(copy);
}

// The input as messages, each behind its length in one octet.
static void fuzz_stream(const uint8_t *data, size_t size)
{
	struct tsig_stream *s;
	uint16_t error;
	REQUIRE(tsig_stream_new(&key, NULL, 0, &s) == RESULT_OK);
	while (size > 0) {
		size_t len = data[0] < size - 1 ? data[0] : size - 1;
		if (tsig_stream_message(s, data + 1, len, NOW_S, &error) != RESULT_OK)
			break;
		data += 1 + len;
		size -= 1 + len;
	}
	tsig_stream_finish(s);
	tsig_stream_free(s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	fuzz_single(data, size);
	fuzz_sign(data, size);
	fuzz_stream(data, size);
	return 0;
}
