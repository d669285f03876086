// SPDX-License-Identifier: BSD-3-Clause
// TSIG against messages that dnspython signed, and against forgeries of them.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "understudy/rr.h"
#include "understudy/tsig.h"
#include "understudy/wire.h"
#include "unit/unit.h"

#define NOW_S UINT64_C(1700000000)

struct message {
	uint8_t octets[1024];
	size_t len;
};

static struct message from_hex(const char *hex)
{
	struct message m;
	m.len = unit_hex(hex, m.octets, sizeof(m.octets));
	return m;
}

static struct tsig_key key_of(enum tsig_algorithm algorithm, const char *name)
{
	struct tsig_key key = { .algorithm = algorithm, .secret_len = 32 };
	for (unsigned i = 0; i < 32; i++)
		key.secret[i] = (uint8_t)i;
	CU_ASSERT_EQUAL_FATAL(name_from_text(name, &key.name), RESULT_OK);
	return key;
}

// The message without its TSIG record.
static struct message stripped(const struct message *m)
{
	struct tsig_rr rr;
	CU_ASSERT_EQUAL_FATAL(tsig_find(m->octets, m->len, &rr), RESULT_OK);
	struct message out = *m;
	out.len = rr.rr_offset;
	wire_poke_be16(out.octets + 10, (uint16_t)(wire_peek_be16(out.octets + 10) - 1));
	return out;
}

static bool same(const struct message *a, const struct message *b)
{
	return a->len == b->len && memcmp(a->octets, b->octets, a->len) == 0;
}

// A query and its response, signed by dnspython 2.3.0 with the secret 00 01 … 1f,
// the key name Transfer.Example. and the time NOW_S.
static const struct {
	enum tsig_algorithm algorithm;
	const char *query;
	const char *response;
} vectors[] = {
	// clang-format off
	{ TSIG_HMAC_MD5,
	  "123401000001000000000001076578616d706c6503636f6d0000060001085472616e736665720745"
	  "78616d706c650000fa00ff00000000003a08686d61632d6d6435077369672d616c67037265670369"
	  "6e740000006553f100012c001023aed961a7b838f4596e218e08fa5285123400000000",
	  "123481000001000000000001076578616d706c6503636f6d0000060001085472616e736665720745"
	  "78616d706c650000fa00ff00000000003a08686d61632d6d6435077369672d616c67037265670369"
	  "6e740000006553f100012c001040adfe1e4c1f5f96d68022a864691c1f123400000000" },
	{ TSIG_HMAC_SHA1,
	  "123401000001000000000001076578616d706c6503636f6d0000060001085472616e736665720745"
	  "78616d706c650000fa00ff00000000002f09686d61632d736861310000006553f100012c0014019f"
	  "4b9a4e96308d63997d1e89661252c17e28fb123400000000",
	  "123481000001000000000001076578616d706c6503636f6d0000060001085472616e736665720745"
	  "78616d706c650000fa00ff00000000002f09686d61632d736861310000006553f100012c0014dc52"
	  "003204a9d18cc6b4b6afb3886ff69e80cd7f123400000000" },
	{ TSIG_HMAC_SHA224,
	  "123401000001000000000001076578616d706c6503636f6d0000060001085472616e736665720745"
	  "78616d706c650000fa00ff0000000000390b686d61632d7368613232340000006553f100012c001c"
	  "2b340ac574fa0afdc560c327a25695616913aba11f996d7d01105549123400000000",
	  "123481000001000000000001076578616d706c6503636f6d0000060001085472616e736665720745"
	  "78616d706c650000fa00ff0000000000390b686d61632d7368613232340000006553f100012c001c"
	  "ade0bccd196ad4c83c3d1ab27244defd7224b7ab562a570043a0f3e2123400000000" },
	{ TSIG_HMAC_SHA256,
	  "123401000001000000000001076578616d706c6503636f6d0000060001085472616e736665720745"
	  "78616d706c650000fa00ff00000000003d0b686d61632d7368613235360000006553f100012c0020"
	  "e43ac24660572c2d5309108f23ab9d9e2717e329d7730ad641644dafe01fdee4123400000000",
	  "123481000001000000000001076578616d706c6503636f6d0000060001085472616e736665720745"
	  "78616d706c650000fa00ff00000000003d0b686d61632d7368613235360000006553f100012c0020"
	  "e097c52a1ce8f3e61a69e24ad3ad5c80a5a219b4cec40397ca5ebaa5b388fcdd123400000000" },
	{ TSIG_HMAC_SHA384,
	  "123401000001000000000001076578616d706c6503636f6d0000060001085472616e736665720745"
	  "78616d706c650000fa00ff00000000004d0b686d61632d7368613338340000006553f100012c0030"
	  "cf9feb8f44a8650e0e89eb17bd3c629c0fa788f909ce0c535ab186c7dcb2999cbcd9d603f5027a2c"
	  "5f3b2c600c7bfb06123400000000",
	  "123481000001000000000001076578616d706c6503636f6d0000060001085472616e736665720745"
	  "78616d706c650000fa00ff00000000004d0b686d61632d7368613338340000006553f100012c0030"
	  "536c3dbe985dde60b812ee4ba34673d1031819ccf3380ddc29e778201eb7bea7b3932e08363584e4"
	  "27a1fa4f39316486123400000000" },
	{ TSIG_HMAC_SHA512,
	  "123401000001000000000001076578616d706c6503636f6d0000060001085472616e736665720745"
	  "78616d706c650000fa00ff00000000005d0b686d61632d7368613531320000006553f100012c0040"
	  "c867d3e464f884746cf536ad5be7b4dd3bef34541d46f20f613353da85b81229307d3a40f0bab4d3"
	  "bd60e75df271031595d28991e3d0ce50fff8e862a81a3c3a123400000000",
	  "123481000001000000000001076578616d706c6503636f6d0000060001085472616e736665720745"
	  "78616d706c650000fa00ff00000000005d0b686d61632d7368613531320000006553f100012c0040"
	  "4ca559753480940663a1ffa04be5a9a28fbe8ac768a08b00e555cb1e84d2ebb7027000703e5f5004"
	  "b1b3097fa864187d831dbbddf0f422b44035b1d678f1293d123400000000" },
	// clang-format on
};

// A stream of AXFR messages, signed likewise with hmac-sha256 and the key name
// transfer.example., after the query whose MAC this is. The second part of a
// message's name says which messages of its stream are signed.
static const char request_mac_hex[] =
	"05ecd4b204e25ebfb5bdadc316d29809163fa2e29543c787c2d5af66f3d59095";
static const char stream_first[] =
	"123484000001000000000001076578616d706c6503636f6d0000fc0001087472616e736665720765"
	"78616d706c650000fa00ff00000000003d0b686d61632d7368613235360000006553f100012c0020"
	"4f7b4e2c717e4b9bbc64519f0725ff5f4a236e77a25d941e820dfc7677371c2a123400000000";
static const char stream_unsigned[] = "123484000001000000000000076578616d706c6503636f6d0000fc0001";
static const char stream_sss_second[] =
	"123484000001000000000001076578616d706c6503636f6d0000fc0001087472616e736665720765"
	"78616d706c650000fa00ff00000000003d0b686d61632d7368613235360000006553f100012c0020"
	"59357e0ef12c3b6a453bc9692d01e6ffc1145e7deb7a46a3fa280ebed6011f71123400000000";
static const char stream_sss_third[] =
	"123484000001000000000001076578616d706c6503636f6d0000fc0001087472616e736665720765"
	"78616d706c650000fa00ff00000000003d0b686d61632d7368613235360000006553f100012c0020"
	"5221b6f3b81a9c2c0b965e3392a2af4eab6496f3bb4bdda0975127f1413a0c38123400000000";
static const char stream_sus_third[] =
	"123484000001000000000001076578616d706c6503636f6d0000fc0001087472616e736665720765"
	"78616d706c650000fa00ff00000000003d0b686d61632d7368613235360000006553f100012c0020"
	"541aab221dc81efa64a2cd89a7f10161b3e83ffd8d2c8546677d52b99ab4aca8123400000000";
static const char stream_suus_fourth[] =
	"123484000001000000000001076578616d706c6503636f6d0000fc0001087472616e736665720765"
	"78616d706c650000fa00ff00000000003d0b686d61632d7368613235360000006553f100012c0020"
	"4c2a05614c53b4b7e4e9289c1646fa606634c7a229c148a0e682a33b198e1420123400000000";
static const char axfr_query[] =
	"123401000001000000000001076578616d706c6503636f6d0000fc0001087472616e736665720765"
	"78616d706c650000fa00ff00000000003d0b686d61632d7368613235360000006553f100012c0020"
	"05ecd4b204e25ebfb5bdadc316d29809163fa2e29543c787c2d5af66f3d59095123400000000";
// The answer to it of a server whose clock was 1,000 seconds ahead.
static const char badtime_response[] =
	"123481090001000000000001076578616d706c6503636f6d0000fc0001087472616e736665720765"
	"78616d706c650000fa00ff0000000000430b686d61632d7368613235360000006553f100012c0020"
	"2f6c076cb971059c3544484289af45e0e8f48ffbf98af75015bf7ccc200ac6081234001200060000"
	"6553f4e8";

static void sign_equals_dnspython(void)
{
	for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
		struct tsig_key key = key_of(vectors[i].algorithm, "Transfer.Example");
		struct message query = from_hex(vectors[i].query);
		struct message response = from_hex(vectors[i].response);
		struct message q = stripped(&query), r = stripped(&response);
		uint8_t mac[TSIG_MAC_MAX];
		CU_ASSERT_EQUAL(
			tsig_sign(&key, NOW_S, NULL, 0, q.octets, &q.len, sizeof(q.octets), mac),
			RESULT_OK);
		CU_ASSERT(same(&q, &query));
		CU_ASSERT_EQUAL(tsig_sign(&key, NOW_S, mac, tsig_mac_octets(key.algorithm),
					  r.octets, &r.len, sizeof(r.octets), NULL),
				RESULT_OK);
		CU_ASSERT(same(&r, &response));
	}
}

static void verify_accepts_dnspython(void)
{
	for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
		// The case of a key's name does not matter.
		struct tsig_key key = key_of(vectors[i].algorithm, "tRANSFER.example");
		struct message query = from_hex(vectors[i].query);
		struct message response = from_hex(vectors[i].response);
		struct tsig_rr q, r;
		CU_ASSERT_EQUAL(tsig_find(query.octets, query.len, &q), RESULT_OK);
		CU_ASSERT_EQUAL(q.original_id, 0x1234);
		CU_ASSERT_EQUAL(q.mac_len, tsig_mac_octets(vectors[i].algorithm));
		CU_ASSERT_EQUAL(q.time_signed_s, NOW_S);
		CU_ASSERT_EQUAL(tsig_verify(&key, &q, query.octets, query.len, NOW_S, NULL, 0),
				RESULT_OK);
		CU_ASSERT_EQUAL(tsig_find(response.octets, response.len, &r), RESULT_OK);
		CU_ASSERT_EQUAL(tsig_verify(&key, &r, response.octets, response.len, NOW_S, q.mac,
					    q.mac_len),
				RESULT_OK);
		CU_ASSERT_EQUAL(
			tsig_verify(&key, &r, response.octets, response.len, NOW_S, NULL, 0),
			RESULT_TSIG_BADSIG);
	}
}

// A forwarder may change the id; what was signed is the original one.
static void verify_uses_original_id(void)
{
	struct tsig_key key = key_of(TSIG_HMAC_SHA256, "transfer.example");
	struct message m = from_hex(axfr_query);
	struct tsig_rr rr;
	m.octets[0] ^= 0xff;
	CU_ASSERT_EQUAL(tsig_find(m.octets, m.len, &rr), RESULT_OK);
	CU_ASSERT_EQUAL(tsig_verify(&key, &rr, m.octets, m.len, NOW_S, NULL, 0), RESULT_OK);
}

// No octet of a signed message can be changed unseen, but for its id.
static void every_octet_counts(void)
{
	struct tsig_key key = key_of(TSIG_HMAC_SHA256, "transfer.example");
	struct message good = from_hex(axfr_query);
	unsigned accepted = 0;
	for (size_t i = 2; i < good.len; i++) {
		struct message m = good;
		struct tsig_rr rr;
		m.octets[i] ^= 0x01;
		if (tsig_find(m.octets, m.len, &rr) != RESULT_OK)
			continue;
		if (tsig_verify(&key, &rr, m.octets, m.len, NOW_S, NULL, 0) == RESULT_OK)
			accepted++;
	}
	CU_ASSERT_EQUAL(accepted, 0);
}

static void key_must_match(void)
{
	struct message m = from_hex(axfr_query);
	struct tsig_rr rr;
	CU_ASSERT_EQUAL(tsig_find(m.octets, m.len, &rr), RESULT_OK);
	struct tsig_key key = key_of(TSIG_HMAC_SHA256, "other.example");
	CU_ASSERT_EQUAL(tsig_verify(&key, &rr, m.octets, m.len, NOW_S, NULL, 0),
			RESULT_TSIG_BADKEY);
	key = key_of(TSIG_HMAC_SHA512, "transfer.example");
	CU_ASSERT_EQUAL(tsig_verify(&key, &rr, m.octets, m.len, NOW_S, NULL, 0),
			RESULT_TSIG_BADKEY);
	key = key_of(TSIG_HMAC_SHA256, "transfer.example");
	key.secret[31] ^= 1;
	CU_ASSERT_EQUAL(tsig_verify(&key, &rr, m.octets, m.len, NOW_S, NULL, 0),
			RESULT_TSIG_BADSIG);
}

static void time_window(void)
{
	struct tsig_key key = key_of(TSIG_HMAC_SHA256, "transfer.example");
	struct message m = from_hex(axfr_query);
	struct tsig_rr rr;
	CU_ASSERT_EQUAL(tsig_find(m.octets, m.len, &rr), RESULT_OK);
	static const struct {
		int64_t offset_s;
		enum result expected;
	} cases[] = {
		{ -300, RESULT_OK },
		{ 300, RESULT_OK },
		{ -301, RESULT_TSIG_BADTIME },
		{ 301, RESULT_TSIG_BADTIME },
		{ -(int64_t)NOW_S, RESULT_TSIG_BADTIME },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		CU_ASSERT_EQUAL(tsig_verify(&key, &rr, m.octets, m.len,
					    NOW_S + (uint64_t)cases[i].offset_s, NULL, 0),
				cases[i].expected);
	// A wrong MAC is told before a wrong time (RFC 8945 section 5.2).
	key.secret[0] ^= 1;
	CU_ASSERT_EQUAL(tsig_verify(&key, &rr, m.octets, m.len, 0, NULL, 0), RESULT_TSIG_BADSIG);
}

// What a key that wants `wanted` octets says to one cut to `len`.
static enum result cut_result(uint16_t len, uint8_t wanted)
{
	if (len < 16 || len > 32)
		return RESULT_MALFORMED;
	return len < (wanted ? wanted : 32) ? RESULT_TSIG_BADTRUNC : RESULT_OK;
}

// RFC 8945 section 5.2.2.1: no less than 10 octets and half the hash; 5.2.4: and no
// less than the key allows.
static void mac_truncation(void)
{
	struct message m = from_hex(axfr_query);
	struct tsig_key key = key_of(TSIG_HMAC_SHA256, "transfer.example");
	struct tsig_rr rr;
	CU_ASSERT_EQUAL(tsig_find(m.octets, m.len, &rr), RESULT_OK);
	for (uint16_t len = 0; len <= 34; len++) {
		uint8_t mac[34] = { 0 };
		memcpy(mac, rr.mac, 32);
		struct tsig_rr cut = rr;
		cut.mac = mac;
		cut.mac_len = len;
		CU_ASSERT_EQUAL(tsig_verify(&key, &cut, m.octets, m.len, NOW_S, NULL, 0),
				cut_result(len, 0));
		for (uint8_t wanted = 16; wanted <= 32; wanted++) {
			key.mac_octets = wanted;
			CU_ASSERT_EQUAL(tsig_verify(&key, &cut, m.octets, m.len, NOW_S, NULL, 0),
					cut_result(len, wanted));
		}
		key.mac_octets = 0;
		mac[len ? len - 1 : 0] ^= 1;
		CU_ASSERT_EQUAL(tsig_verify(&key, &cut, m.octets, m.len, NOW_S, NULL, 0),
				len >= 16 && len <= 32 ? RESULT_TSIG_BADSIG : RESULT_MALFORMED);
	}
	m = from_hex(vectors[0].query);
	key = key_of(TSIG_HMAC_MD5, "transfer.example");
	CU_ASSERT_EQUAL(tsig_find(m.octets, m.len, &rr), RESULT_OK);
	rr.mac_len = 9; // more than half of 16, but fewer than 10
	CU_ASSERT_EQUAL(tsig_verify(&key, &rr, m.octets, m.len, NOW_S, NULL, 0), RESULT_MALFORMED);
	rr.mac_len = 10;
	key.mac_octets = 10;
	CU_ASSERT_EQUAL(tsig_verify(&key, &rr, m.octets, m.len, NOW_S, NULL, 0), RESULT_OK);
}

static void find_is_strict(void)
{
	struct message m = from_hex(axfr_query), plain = stripped(&m);
	struct tsig_rr rr;
	CU_ASSERT_EQUAL(tsig_find(plain.octets, plain.len, &rr), RESULT_NOT_FOUND);
	for (size_t len = 0; len < m.len; len++)
		CU_ASSERT_NOT_EQUAL(tsig_find(m.octets, len, &rr), RESULT_OK);

	CU_ASSERT_EQUAL(tsig_find(m.octets, m.len + 1, &rr), RESULT_MALFORMED);

	// Twice.
	struct tsig_key key = key_of(TSIG_HMAC_SHA256, "transfer.example");
	struct message twice = m;
	CU_ASSERT_EQUAL(tsig_sign(&key, NOW_S, NULL, 0, twice.octets, &twice.len,
				  sizeof(twice.octets), NULL),
			RESULT_OK);
	CU_ASSERT_EQUAL(tsig_find(twice.octets, twice.len, &rr), RESULT_MALFORMED);

	// In the answer section.
	struct message moved = m;
	wire_poke_be16(moved.octets + 6, 1);
	wire_poke_be16(moved.octets + 10, 0);
	CU_ASSERT_EQUAL(tsig_find(moved.octets, moved.len, &rr), RESULT_MALFORMED);

	// Under a name that points to itself.
	struct message loop = plain;
	wire_poke_be16(loop.octets + 10, 1);
	wire_poke_be16(loop.octets + plain.len, (uint16_t)(0xc000 | plain.len));
	memcpy(loop.octets + plain.len + 2, m.octets + plain.len + key.name.len,
	       m.len - plain.len - key.name.len);
	loop.len = m.len - key.name.len + 2;
	CU_ASSERT_EQUAL(tsig_find(loop.octets, loop.len, &rr), RESULT_MALFORMED);

	// Class IN; TTL 1.
	size_t after_name = plain.len + key.name.len;
	struct message odd = m;
	odd.octets[after_name + 3] = RRCLASS_IN;
	CU_ASSERT_EQUAL(tsig_find(odd.octets, odd.len, &rr), RESULT_MALFORMED);
	odd = m;
	odd.octets[after_name + 7] = 1;
	CU_ASSERT_EQUAL(tsig_find(odd.octets, odd.len, &rr), RESULT_MALFORMED);
}

static struct tsig_stream *stream_new(void)
{
	struct tsig_key key = key_of(TSIG_HMAC_SHA256, "Transfer.example");
	struct message mac = from_hex(request_mac_hex);
	struct tsig_stream *s = NULL;
	CU_ASSERT_EQUAL_FATAL(tsig_stream_new(&key, mac.octets, mac.len, &s), RESULT_OK);
	return s;
}

static enum result feed(struct tsig_stream *s, const char *hex)
{
	struct message m = from_hex(hex);
	uint16_t error = 99;
	enum result r = tsig_stream_message(s, m.octets, m.len, NOW_S, &error);
	CU_ASSERT_EQUAL(error, 0);
	return r;
}

static void stream_all_signed(void)
{
	struct tsig_stream *s = stream_new();
	CU_ASSERT_EQUAL(tsig_stream_finish(s), RESULT_TSIG_MISSING);
	CU_ASSERT_EQUAL(feed(s, stream_first), RESULT_OK);
	CU_ASSERT_EQUAL(tsig_stream_finish(s), RESULT_OK);
	CU_ASSERT_EQUAL(feed(s, stream_sss_second), RESULT_OK);
	CU_ASSERT_EQUAL(feed(s, stream_sss_third), RESULT_OK);
	CU_ASSERT_EQUAL(tsig_stream_finish(s), RESULT_OK);
	tsig_stream_free(s);
}

static void stream_unsigned_between(void)
{
	struct tsig_stream *s = stream_new();
	CU_ASSERT_EQUAL(feed(s, stream_first), RESULT_OK);
	CU_ASSERT_EQUAL(feed(s, stream_unsigned), RESULT_OK);
	CU_ASSERT_EQUAL(tsig_stream_finish(s), RESULT_TSIG_MISSING);
	CU_ASSERT_EQUAL(feed(s, stream_sus_third), RESULT_OK);
	CU_ASSERT_EQUAL(tsig_stream_finish(s), RESULT_OK);
	tsig_stream_free(s);

	s = stream_new();
	CU_ASSERT_EQUAL(feed(s, stream_first), RESULT_OK);
	CU_ASSERT_EQUAL(feed(s, stream_unsigned), RESULT_OK);
	CU_ASSERT_EQUAL(feed(s, stream_unsigned), RESULT_OK);
	CU_ASSERT_EQUAL(feed(s, stream_suus_fourth), RESULT_OK);
	CU_ASSERT_EQUAL(tsig_stream_finish(s), RESULT_OK);
	tsig_stream_free(s);
}

static void stream_notices_loss_order_and_change(void)
{
	struct tsig_stream *s = stream_new();
	CU_ASSERT_EQUAL(feed(s, stream_first), RESULT_OK);
	CU_ASSERT_EQUAL(feed(s, stream_sus_third), RESULT_TSIG_BADSIG); // one is missing
	tsig_stream_free(s);

	s = stream_new();
	CU_ASSERT_EQUAL(feed(s, stream_sss_second), RESULT_TSIG_BADSIG);
	tsig_stream_free(s);

	s = stream_new();
	CU_ASSERT_EQUAL(feed(s, stream_first), RESULT_OK);
	struct message m = from_hex(stream_unsigned);
	m.octets[2] ^= 1;
	uint16_t error;
	CU_ASSERT_EQUAL(tsig_stream_message(s, m.octets, m.len, NOW_S, &error), RESULT_OK);
	CU_ASSERT_EQUAL(feed(s, stream_sus_third), RESULT_TSIG_BADSIG);
	tsig_stream_free(s);
}

static void stream_unsigned_limits(void)
{
	struct tsig_stream *s = stream_new();
	CU_ASSERT_EQUAL(feed(s, stream_unsigned), RESULT_TSIG_MISSING);
	tsig_stream_free(s);

	s = stream_new();
	CU_ASSERT_EQUAL(feed(s, stream_first), RESULT_OK);
	for (int i = 0; i < TSIG_UNSIGNED_MAX; i++)
		CU_ASSERT_EQUAL(feed(s, stream_unsigned), RESULT_OK);
	CU_ASSERT_EQUAL(feed(s, stream_unsigned), RESULT_TSIG_MISSING);
	tsig_stream_free(s);
}

static void stream_time(void)
{
	struct tsig_stream *s = stream_new();
	struct message m = from_hex(stream_first);
	uint16_t error;
	CU_ASSERT_EQUAL(tsig_stream_message(s, m.octets, m.len, NOW_S + 301, &error),
			RESULT_TSIG_BADTIME);
	tsig_stream_free(s);
}

// What one side of a stream signs, the other verifies.
static void stream_sign_and_verify(void)
{
	struct tsig_stream *signer = stream_new(), *verifier = stream_new();
	uint16_t error;
	for (int i = 0; i < 5; i++) {
		struct message m = from_hex(stream_unsigned);
		m.octets[3] = (uint8_t)i;
		CU_ASSERT_EQUAL(tsig_stream_sign(signer, NOW_S, m.octets, &m.len, sizeof(m.octets)),
				RESULT_OK);
		CU_ASSERT_EQUAL(tsig_stream_message(verifier, m.octets, m.len, NOW_S, &error),
				RESULT_OK);
	}
	CU_ASSERT_EQUAL(tsig_stream_finish(verifier), RESULT_OK);
	tsig_stream_free(signer);
	tsig_stream_free(verifier);
}

static void error_badtime_is_signed(void)
{
	struct tsig_key key = key_of(TSIG_HMAC_SHA256, "transfer.example");
	struct message query = from_hex(axfr_query), want = from_hex(badtime_response);
	struct message got = stripped(&want);
	struct tsig_rr rr;
	CU_ASSERT_EQUAL(tsig_find(query.octets, query.len, &rr), RESULT_OK);
	CU_ASSERT_EQUAL(tsig_append_error(&rr, &key, TSIG_ERROR_BADTIME, NOW_S + 1000, got.octets,
					  &got.len, sizeof(got.octets)),
			RESULT_OK);
	CU_ASSERT(same(&got, &want));

	struct tsig_stream *s = stream_new();
	uint16_t error = 0;
	CU_ASSERT_EQUAL(tsig_stream_message(s, got.octets, got.len, NOW_S, &error),
			RESULT_TSIG_BADTIME);
	CU_ASSERT_EQUAL(error, TSIG_ERROR_BADTIME);
	tsig_stream_free(s);
}

static void error_badkey_is_unsigned(void)
{
	struct message query = from_hex(axfr_query), reply = stripped(&query);
	struct tsig_rr rr, back;
	CU_ASSERT_EQUAL(tsig_find(query.octets, query.len, &rr), RESULT_OK);
	static const struct {
		enum tsig_error error;
		enum result expected;
	} cases[] = {
		{ TSIG_ERROR_BADKEY, RESULT_TSIG_BADKEY },
		{ TSIG_ERROR_BADSIG, RESULT_TSIG_BADSIG },
		{ TSIG_ERROR_BADTRUNC, RESULT_TSIG_BADTRUNC },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct message m = reply;
		CU_ASSERT_EQUAL(tsig_append_error(&rr, NULL, cases[i].error, NOW_S, m.octets,
						  &m.len, sizeof(m.octets)),
				RESULT_OK);
		CU_ASSERT_EQUAL(tsig_find(m.octets, m.len, &back), RESULT_OK);
		CU_ASSERT_EQUAL(back.mac_len, 0);
		CU_ASSERT_EQUAL(back.error, cases[i].error);
		CU_ASSERT_EQUAL(back.time_signed_s, NOW_S);
		struct tsig_stream *s = stream_new();
		uint16_t error = 0;
		CU_ASSERT_EQUAL(tsig_stream_message(s, m.octets, m.len, NOW_S, &error),
				cases[i].expected);
		CU_ASSERT_EQUAL(error, cases[i].error);
		tsig_stream_free(s);
	}
}

static void no_space_changes_nothing(void)
{
	struct tsig_key key = key_of(TSIG_HMAC_SHA256, "transfer.example");
	struct message want = from_hex(axfr_query), plain = stripped(&want), m = plain;
	for (size_t cap = plain.len; cap < want.len; cap++) {
		CU_ASSERT_EQUAL(tsig_sign(&key, NOW_S, NULL, 0, m.octets, &m.len, cap, NULL),
				RESULT_NO_SPACE);
		CU_ASSERT_EQUAL(m.len, plain.len);
		CU_ASSERT_EQUAL(memcmp(m.octets, plain.octets, 12), 0);
	}
	CU_ASSERT_EQUAL(tsig_sign(&key, NOW_S, NULL, 0, m.octets, &m.len, want.len, NULL),
			RESULT_OK);
	CU_ASSERT(same(&m, &want));
}

static void empty_secret(void)
{
	struct tsig_key key = key_of(TSIG_HMAC_SHA256, "transfer.example");
	key.secret_len = 0;
	struct message m = from_hex(stream_unsigned);
	struct tsig_rr rr;
	CU_ASSERT_EQUAL(tsig_sign(&key, NOW_S, NULL, 0, m.octets, &m.len, sizeof(m.octets), NULL),
			RESULT_OK);
	CU_ASSERT_EQUAL(tsig_find(m.octets, m.len, &rr), RESULT_OK);
	CU_ASSERT_EQUAL(tsig_verify(&key, &rr, m.octets, m.len, NOW_S, NULL, 0), RESULT_OK);
}

static void algorithm_texts(void)
{
	enum tsig_algorithm a;
	static const struct {
		const char *text;
		enum tsig_algorithm expected;
	} good[] = {
		{ "hmac-sha256", TSIG_HMAC_SHA256 },
		{ "HMAC-SHA256.", TSIG_HMAC_SHA256 },
		{ "hmac-md5", TSIG_HMAC_MD5 },
		{ "hmac-md5.sig-alg.reg.int", TSIG_HMAC_MD5 },
		{ "HMAC-MD5.SIG-ALG.REG.INT.", TSIG_HMAC_MD5 },
	};
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		CU_ASSERT_EQUAL(tsig_algorithm_from_text(good[i].text, &a), RESULT_OK);
		CU_ASSERT_EQUAL(a, good[i].expected);
	}
	static const char *const bad[] = { "", ".", "hmac-sha2", "hmac-sha2566", "sha256", "a..b" };
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		CU_ASSERT_EQUAL(tsig_algorithm_from_text(bad[i], &a), RESULT_INVALID);
	for (a = 0; a < TSIG_ALGORITHM_COUNT; a++) {
		enum tsig_algorithm b = TSIG_ALGORITHM_COUNT;
		CU_ASSERT_EQUAL(tsig_algorithm_from_text(tsig_algorithm_to_text(a), &b), RESULT_OK);
		CU_ASSERT_EQUAL(a, b);
	}
}

// Both sides cut: the whole conversation hangs together by the cut MACs.
static void cut_streams(void)
{
	struct tsig_key key = key_of(TSIG_HMAC_SHA512, "transfer.example"), whole = key;
	struct message query = from_hex(axfr_query);
	struct tsig_rr rr;
	uint8_t mac[TSIG_MAC_MAX];
	CU_ASSERT_EQUAL(tsig_find(query.octets, query.len, &rr), RESULT_OK);
	query = stripped(&query);
	key.mac_octets = 32;
	CU_ASSERT_EQUAL(tsig_key_mac_octets(&key), 32);
	CU_ASSERT_EQUAL(tsig_key_mac_octets(&whole), 64);
	struct message plain = query;
	CU_ASSERT_EQUAL(tsig_sign(&key, NOW_S, NULL, 0, query.octets, &query.len,
				  sizeof(query.octets), mac),
			RESULT_OK);
	CU_ASSERT_EQUAL(tsig_find(query.octets, query.len, &rr), RESULT_OK);
	CU_ASSERT_EQUAL(rr.mac_len, 32);
	CU_ASSERT_EQUAL(memcmp(rr.mac, mac, 32), 0);
	struct tsig_stream *server, *client, *strict;
	CU_ASSERT_EQUAL_FATAL(tsig_stream_new(&key, mac, 32, &server), RESULT_OK);
	CU_ASSERT_EQUAL_FATAL(tsig_stream_new(&key, mac, 32, &client), RESULT_OK);
	CU_ASSERT_EQUAL_FATAL(tsig_stream_new(&whole, mac, 32, &strict), RESULT_OK);
	for (int i = 0; i < 3; i++) {
		struct message m = plain;
		uint16_t error;
		CU_ASSERT_EQUAL(tsig_stream_sign(server, NOW_S, m.octets, &m.len, sizeof(m.octets)),
				RESULT_OK);
		CU_ASSERT_EQUAL(tsig_stream_message(client, m.octets, m.len, NOW_S, &error),
				RESULT_OK);
		if (i == 0)
			CU_ASSERT_EQUAL(tsig_stream_message(strict, m.octets, m.len, NOW_S, &error),
					RESULT_TSIG_BADTRUNC);
	}
	CU_ASSERT_EQUAL(tsig_stream_finish(client), RESULT_OK);
	tsig_stream_free(server);
	tsig_stream_free(client);
	tsig_stream_free(strict);
}

UNIT_MAIN("tsig", { "signing equals dnspython's", sign_equals_dnspython },
	  { "dnspython's signatures verify", verify_accepts_dnspython },
	  { "the original id is what is signed", verify_uses_original_id },
	  { "every octet counts", every_octet_counts }, { "the key must match", key_must_match },
	  { "time window", time_window }, { "cut MACs in streams", cut_streams },
	  { "truncated MACs", mac_truncation },
	  { "the record stands last, once, and whole", find_is_strict },
	  { "stream, all signed", stream_all_signed },
	  { "stream, unsigned messages between", stream_unsigned_between },
	  { "stream notices loss, order, change", stream_notices_loss_order_and_change },
	  { "stream, limits of unsigned messages", stream_unsigned_limits },
	  { "stream, time", stream_time },
	  { "stream signs what it verifies", stream_sign_and_verify },
	  { "BADTIME is signed", error_badtime_is_signed },
	  { "BADKEY and BADSIG are not", error_badkey_is_unsigned },
	  { "no space changes nothing", no_space_changes_nothing },
	  { "empty secret", empty_secret }, { "names of algorithms", algorithm_texts })
