// SPDX-License-Identifier: BSD-3-Clause
// What lasts: stores and restarts, torn and flipped octets, a full disk.
#include "store.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "crc32c.h"
#include "log.h"
#include "support/world.h"
#include "understudy/rcu.h"
#include "understudy/rr.h"
#include "unit.h"

#define WAIT_MS 10000

// ---- folders

static void make_folder(char path[64])
{
	strcpy(path, "/tmp/us-store-unit-XXXXXX");
	CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(path));
}

static void each_file(const char *folder, void (*each)(const char *path, void *arg), void *arg)
{
	char path[512];
	struct dirent *e;
	struct stat st;
	DIR *d = opendir(folder);
	while (d && (e = readdir(d))) {
		if (e->d_name[0] == '.')
			continue;
		int len = snprintf(path, sizeof(path), "%s/%s", folder, e->d_name);
		CU_ASSERT_FATAL(len > 0 && (size_t)len < sizeof(path));
		if (stat(path, &st) == 0 && S_ISDIR(st.st_mode))
			each_file(path, each, arg);
		else
			each(path, arg);
	}
	if (d)
		closedir(d);
}

static void remove_one(const char *path, void *arg)
{
	(void)arg;
	unlink(path);
}

static void remove_folder(const char *path)
{
	char zones[128];
	each_file(path, remove_one, NULL);
	snprintf(zones, sizeof(zones), "%s/zones", path);
	rmdir(zones);
	rmdir(path);
}

struct copying {
	const char *from, *to;
};

static void copy_one(const char *path, void *arg)
{
	const struct copying *c = arg;
	char to[1024], buf[65536];
	snprintf(to, sizeof(to), "%s%s", c->to, path + strlen(c->from));
	int in = open(path, O_RDONLY), out = open(to, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	CU_ASSERT_FATAL(in >= 0 && out >= 0);
	for (ssize_t n; (n = read(in, buf, sizeof(buf))) > 0;)
		CU_ASSERT_EQUAL(write(out, buf, (size_t)n), n);
	close(in);
	close(out);
}

static void copy_folder(const char *from, const char *to)
{
	char zones[128];
	struct copying c = { from, to };
	snprintf(zones, sizeof(zones), "%s/zones", to);
	mkdir(zones, 0700);
	each_file(from, copy_one, &c);
}

// ---- a world with a store

struct fixture {
	struct world world;
	struct store *store;
};

static enum result open_fixture(struct fixture *f, const char *folder)
{
	world_open(&f->world);
	rcu_reader_offline();
	return store_new(f->world.db, folder, &f->store);
}

static void begin(struct fixture *f, const char *folder)
{
	CU_ASSERT_EQUAL_FATAL(open_fixture(f, folder), RESULT_OK);
}

static void end(struct fixture *f)
{
	store_stop(f->store);
	store_free(f->store);
	rcu_reader_online();
	world_close(&f->world);
}

static struct name name_of(const char *text)
{
	struct name n;
	CU_ASSERT_EQUAL_FATAL(name_from_text(text, &n), RESULT_OK);
	return n;
}

static struct store_zone *zone_of(struct fixture *f, const char *apex)
{
	struct name n = name_of(apex);
	struct store_zone *z = store_zone_open(f->store, n.wire);
	CU_ASSERT_PTR_NOT_NULL_FATAL(z);
	return z;
}

static const struct store_timers timers = {
	.refreshed_unix_s = 1700000000,
	.next_unix_s = 1700003600,
	.expire_unix_s = 1700086400,
	.alarms_told = 5,
	.vetted = true,
	.zonemd = 3,
	.nsec3 = true,
	.nsec3_iterations = 300,
	.transfer = { .unix_s = 1699999999,
		      .family = 6,
		      .address = { 0x20, 1, 0xd, 0xb8, [15] = 1 },
		      .port = 853,
		      .kind = XFR_IXFR,
		      .form = XFR_FORM_DIFFERENCES,
		      .keyed = true,
		      .elapsed_ms = 1234,
		      .messages = 1,
		      .octets = 5000000000,
		      .records = 4,
		      .steps = 2,
		      .ttl_lowered = 1 },
	.primary_count = 1,
	.primaries = { { .family = 4,
			 .address = { 192, 0, 2, 1 },
			 .port = 53,
			 .unix_s = 1700000000,
			 .kind = 1,
			 .reason = 2,
			 .rcode = 5,
			 .serial = 7,
			 .link_reason = 4,
			 .link_rcode = 9,
			 .link_unix_s = 1600000000,
			 .success_unix_s = 1500000000,
			 .mark = 77 } },
};

static bool settled(struct store_zone *z)
{
	for (unsigned i = 0; i < WAIT_MS / 5; i++) {
		struct store_zone_status s;
		store_zone_status(z, &s);
		if (!s.due && s.stored)
			return true;
		usleep(5000);
	}
	return false;
}

// A number that tells apart what zones hold: every record, its owner, type, TTL
// and octets, in order.
static uint32_t digest(struct fixture *f, const char *apex)
{
	struct name n = name_of(apex);
	uint32_t crc = 0;
	rcu_reader_online();
	const struct catalog *view = zonedb_view(f->world.db);
	const struct zone *z = catalog_zone(view, n.wire);
	struct zone_iter *it = malloc(sizeof(*it));
	if (z) {
		zone_iter_init(it, view, z);
		for (const struct node *node; (node = zone_iter_next(it));) {
			uint8_t owner[NAME_MAX_OCTETS];
			struct rrset rr;
			uint64_t at = 0;
			unsigned len = node_owner(z, node, owner);
			while (node_next_rrset(view, node, &at, &rr)) {
				crc = crc32c(crc, owner, len);
				crc = crc32c(crc, &rr.type, sizeof(rr.type));
				crc = crc32c(crc, &rr.ttl_s, sizeof(rr.ttl_s));
				crc = crc32c(crc, rr.records, rr.octets);
			}
		}
	}
	free(it);
	rcu_reader_offline();
	return crc;
}

// The zone from the store, published; its serial, or 0 if it was not there.
static uint32_t load(struct fixture *f, const char *apex, struct store_timers *got)
{
	struct zone_version *v;
	enum result r = store_zone_load(zone_of(f, apex), &v, got);
	CU_ASSERT(r == RESULT_OK || r == RESULT_NOT_FOUND);
	if (r != RESULT_OK)
		return 0;
	uint32_t serial = zone_version_serial(v);
	zonedb_publish(f->world.db, &v, 1);
	char why[256] = "";
	rcu_reader_online();
	CU_ASSERT_EQUAL(zonedb_check(f->world.db, zonedb_view(f->world.db), why, sizeof(why)),
			RESULT_OK);
	rcu_reader_offline();
	return serial;
}

static const char small_text[] = "@ 3600 SOA ns root 7 3600 600 86400 60\n"
				 "@ 3600 NS ns\n"
				 "ns 300 A 192.0.2.1\n"
				 "ns 300 AAAA 2001:db8::1\n"
				 "Case 300 TXT \"one\"\n"
				 "Case 300 TXT \"two\"\n"
				 "* 60 MX 10 mail\n"
				 "odd 1 TYPE65280 \\# 3 010203\n";

// A zone of more than may stand in LMDB.
static char *large_text(uint32_t serial, unsigned changed)
{
	char *text = malloc(1 << 20), *p = text;
	p += sprintf(p, "@ 3600 SOA ns root %u 3600 600 86400 60\n@ 3600 NS ns\n", serial);
	for (unsigned i = 0; i < 3000; i++)
		p += sprintf(p, "h%u %u A 192.0.2.%u\n", i, 300u, i == changed ? 9 : i % 8);
	return text;
}

static void publish(struct fixture *f, const char *apex, const char *text)
{
	rcu_reader_online();
	world_zone(&f->world, apex, text);
	rcu_reader_offline();
}

static void store_whole(struct fixture *f, const char *apex, const char *text)
{
	publish(f, apex, text);
	store_published(zone_of(f, apex), (struct store_change){ .whole = true }, &timers);
}

static struct zone_record record_of(struct world_record *r, const char *apex, const char *line)
{
	struct name n = name_of(apex);
	world_parse_record(line, &n, r);
	return r->record;
}

// An IXFR of one host's address in the large zone; returns how it is stored.
static struct store_change change_host(struct fixture *f, const char *apex, uint32_t from,
				       unsigned host)
{
	static struct world_record r;
	struct name n = name_of(apex);
	struct zone_txn *t;
	struct zone_version *v;
	char line[128];
	const struct zone_txn_options o = { .apex = n.wire, .from_published = true };
	CU_ASSERT_EQUAL_FATAL(zone_txn_begin(f->world.db, &o, &t), RESULT_OK);
	for (unsigned i = 0; i < 2; i++) {
		snprintf(line, sizeof(line), "@ 3600 SOA ns root %u 3600 600 86400 60", from + i);
		struct zone_record soa = record_of(&r, apex, line);
		CU_ASSERT_EQUAL((i ? zone_txn_add : zone_txn_delete)(t, &soa), RESULT_OK);
		snprintf(line, sizeof(line), "h%u 300 A 192.0.2.%u", host, i ? 99 : host % 8);
		struct zone_record a = record_of(&r, apex, line);
		CU_ASSERT_EQUAL((i ? zone_txn_add : zone_txn_delete)(t, &a), RESULT_OK);
	}
	CU_ASSERT_EQUAL_FATAL(zone_txn_commit(t, &v), RESULT_OK);
	struct store_zone *z = zone_of(f, apex);
	rcu_reader_online();
	const struct catalog *before = zonedb_view(f->world.db);
	zonedb_publish(f->world.db, &v, 1);
	struct store_change change = store_compare(z, before);
	rcu_reader_offline();
	store_published(z, change, &timers);
	return change;
}

static struct store_stats stats_of(struct fixture *f)
{
	struct store_stats s;
	store_stats(f->store, &s);
	return s;
}

// ---- tests

static void test_crc(void)
{
	uint8_t zeros[32] = { 0 };
	CU_ASSERT_EQUAL(crc32c(0, "123456789", 9), 0xe3069283);
	CU_ASSERT_EQUAL(crc32c(0, zeros, 32), 0x8a9136aa); // RFC 3720 B.4
	CU_ASSERT_EQUAL(crc32c(crc32c(0, "1234", 4), "56789", 5), 0xe3069283);
}

// However the octets are cut, and however many are done side by side.
static void test_crc_lengths(void)
{
	static uint8_t octets[40000];
	for (size_t i = 0; i < sizeof(octets); i++)
		octets[i] = (uint8_t)(i * i >> 3 ^ i);
	uint32_t crc = 0; // of what stands before i, octet by octet
	for (size_t i = 1, at = 0; i < sizeof(octets); i += i / 5 + 1) {
		for (; at < i; at++)
			crc = crc32c(crc, octets + at, 1);
		CU_ASSERT_EQUAL(crc32c(0, octets, i), crc);
		CU_ASSERT_EQUAL(crc32c(crc32c(0, octets, i / 3), octets + i / 3, i - i / 3), crc);
	}
}

static void test_round_trip(void)
{
	char folder[64];
	struct fixture f;
	struct store_timers got;
	make_folder(folder);
	begin(&f, folder);
	char *large = large_text(3, 5);
	CU_ASSERT_EQUAL(load(&f, "small.example", &got), 0);
	store_whole(&f, "small.example", small_text);
	store_whole(&f, "Large.example", large);
	uint32_t small_digest = digest(&f, "small.example");
	uint32_t large_digest = digest(&f, "large.example");
	CU_ASSERT_EQUAL(store_start(f.store), RESULT_OK);
	CU_ASSERT(settled(zone_of(&f, "small.example")));
	CU_ASSERT(settled(zone_of(&f, "large.example")));
	CU_ASSERT_EQUAL(stats_of(&f).zones, 2);
	end(&f);
	for (unsigned again = 0; again < 2; again++) { // the second reads the first's fresh file
		begin(&f, folder);
		memset(&got, 0, sizeof(got));
		CU_ASSERT_EQUAL(load(&f, "small.example", &got), 7);
		CU_ASSERT_EQUAL(memcmp(&got, &timers, sizeof(got)), 0);
		CU_ASSERT_EQUAL(load(&f, "LARGE.example", &got), 3);
		CU_ASSERT_EQUAL(digest(&f, "small.example"), small_digest);
		CU_ASSERT_EQUAL(digest(&f, "large.example"), large_digest);
		CU_ASSERT_EQUAL(store_start(f.store), RESULT_OK);
		end(&f);
	}
	free(large);
	remove_folder(folder);
}

static void test_deltas(void)
{
	char folder[64];
	struct fixture f;
	struct store_timers got;
	uint32_t serial = 10;
	make_folder(folder);
	begin(&f, folder);
	char *large = large_text(serial, 5000);
	store_whole(&f, "large.example", large);
	CU_ASSERT_EQUAL(store_start(f.store), RESULT_OK);
	struct store_zone *z = zone_of(&f, "large.example");
	CU_ASSERT(settled(z));
	for (; serial < 40; serial++) {
		struct store_change c = change_host(&f, "large.example", serial, serial);
		CU_ASSERT(!c.whole && c.delta);
		if (serial % 5 == 0)
			CU_ASSERT(settled(z));
	}
	CU_ASSERT(settled(z));
	CU_ASSERT_EQUAL(stats_of(&f).images, 1);
	CU_ASSERT_EQUAL(stats_of(&f).deltas, 30);
	uint32_t want = digest(&f, "large.example");
	end(&f);
	begin(&f, folder);
	CU_ASSERT_EQUAL(load(&f, "large.example", &got), serial);
	CU_ASSERT_EQUAL(digest(&f, "large.example"), want);
	// It goes on where it left off.
	CU_ASSERT_EQUAL(store_start(f.store), RESULT_OK);
	change_host(&f, "large.example", serial, 100);
	CU_ASSERT(settled(zone_of(&f, "large.example")));
	CU_ASSERT_EQUAL(stats_of(&f).images, 0);
	want = digest(&f, "large.example");
	end(&f);
	begin(&f, folder);
	CU_ASSERT_EQUAL(load(&f, "large.example", &got), serial + 1);
	CU_ASSERT_EQUAL(digest(&f, "large.example"), want);
	end(&f);
	free(large);
	remove_folder(folder);
}

// Deltas do not grow without end.
static void test_compaction(void)
{
	char folder[64], path[128];
	struct fixture f;
	struct store_timers got;
	struct stat st;
	uint32_t serial = 1;
	make_folder(folder);
	begin(&f, folder);
	char *large = large_text(serial, 5000);
	store_whole(&f, "large.example", large);
	CU_ASSERT_EQUAL(store_start(f.store), RESULT_OK);
	struct store_zone *z = zone_of(&f, "large.example");
	CU_ASSERT(settled(z));
	for (; serial < 1200; serial++) {
		change_host(&f, "large.example", serial, serial);
		if (serial % 100 == 0)
			CU_ASSERT(settled(z));
	}
	CU_ASSERT(settled(z));
	struct store_zone_status s;
	store_zone_status(z, &s);
	CU_ASSERT(stats_of(&f).images > 1);
	CU_ASSERT(s.octets < 300000);
	uint32_t want = digest(&f, "large.example");
	end(&f);
	begin(&f, folder);
	CU_ASSERT_EQUAL(load(&f, "large.example", &got), serial);
	CU_ASSERT_EQUAL(digest(&f, "large.example"), want);
	end(&f);
	// Of the images only the last one is left.
	unsigned files = 0;
	snprintf(path, sizeof(path), "%s/zones", folder);
	CU_ASSERT_EQUAL(stat(path, &st), 0);
	struct dirent *e;
	DIR *d = opendir(path);
	while ((e = readdir(d)))
		files += e->d_name[0] != '.';
	closedir(d);
	CU_ASSERT_EQUAL(files, 1);
	free(large);
	remove_folder(folder);
}

// ---- damage

static size_t small_segments(uint8_t *out, size_t cap, size_t *image)
{
	struct store_writer w;
	struct rrset rr = { .type = RRTYPE_A, .count = 1, .ttl_s = 5, .octets = 6 };
	uint8_t soa[24] = { 0, 22, 0, 0 };
	struct store_head head = { .kind = STORE_IMAGE, .id = 77, .to = 1, .apex = name_of("z.") };
	struct name host = name_of("a.z.");
	size_t len = 0;
	for (unsigned i = 0; i < 2; i++) {
		CU_ASSERT_EQUAL(store_writer_begin(&w, &head), RESULT_OK);
		struct rrset soas = { .type = RRTYPE_SOA, .count = 1, .ttl_s = 5, .octets = 24 };
		soas.records = soa;
		if (i) {
			soa[7] = 1;
			store_writer_rrset(&w, head.apex.wire, &soas, true);
		}
		soa[7] = (uint8_t)(i + 1);
		store_writer_rrset(&w, head.apex.wire, &soas, false);
		rr.records = (const uint8_t *)(i ? "\0\4abcd" : "\0\4efgh");
		store_writer_rrset(&w, host.wire, &rr, false);
		CU_ASSERT_EQUAL(store_writer_end(&w, NULL), RESULT_OK);
		CU_ASSERT_FATAL(len + w.out.len <= cap);
		memcpy(out + len, w.out.octets, w.out.len);
		len += w.out.len;
		store_writer_free(&w);
		if (i == 0)
			*image = len;
		head = (struct store_head){ STORE_DELTA, 5, 0, 1, 2, head.apex };
	}
	return len;
}

static enum result read_segments(const void *octets, size_t len, uint32_t *serial)
{
	struct world w;
	struct store_source s;
	struct zone_txn *t;
	struct store_head last = { 0 };
	struct name apex = name_of("z.");
	const struct zone_txn_options o = { .apex = apex.wire };
	world_open(&w);
	CU_ASSERT_EQUAL_FATAL(zone_txn_begin(w.db, &o, &t), RESULT_OK);
	store_source_memory(&s, octets, len);
	enum result r = store_read_zone(&s, apex.wire, t, &last);
	*serial = last.to;
	zone_txn_abort(t);
	world_close(&w);
	return r;
}

static void test_torn(void)
{
	uint8_t octets[1024];
	size_t image, len = small_segments(octets, sizeof(octets), &image);
	for (size_t cut = 0; cut <= len; cut++) {
		uint32_t serial;
		enum result r = read_segments(octets, cut, &serial);
		bool whole = cut == len || cut == image;
		CU_ASSERT_EQUAL(r == RESULT_OK, whole);
		CU_ASSERT(!whole || serial == (cut == len ? 2u : 1u));
	}
}

static void test_flipped(void)
{
	uint8_t octets[1024];
	size_t image, len = small_segments(octets, sizeof(octets), &image);
	for (size_t at = 0; at < len; at++) {
		uint32_t serial;
		octets[at] ^= (uint8_t)(1u << at % 8);
		CU_ASSERT_NOT_EQUAL(read_segments(octets, len, &serial), RESULT_OK);
		octets[at] ^= (uint8_t)(1u << at % 8);
	}
	uint8_t state[STORE_STATE_MAX];
	struct store_state s = { .timers = timers }, got;
	size_t n = store_state_write(&s, "skey", 4, state);
	CU_ASSERT_EQUAL(store_state_read(&got, "skey", 4, state, n), RESULT_OK);
	CU_ASSERT_EQUAL(store_state_read(&got, "sKey", 4, state, n), RESULT_MALFORMED);
	for (size_t at = 0; at < n; at++) {
		CU_ASSERT_NOT_EQUAL(store_state_read(&got, "skey", 4, state, at), RESULT_OK);
		state[at] ^= 0x10;
		CU_ASSERT_NOT_EQUAL(store_state_read(&got, "skey", 4, state, n), RESULT_OK);
		state[at] ^= 0x10;
	}
}

// A state as an earlier release wrote it lacks what came later, and is read.
static void test_earlier_state(void)
{
	uint8_t octets[STORE_STATE_MAX], number[4];
	struct store_state s = { .timers = timers }, got;
	s.timers.transfer.unix_s = 0;
	size_t n = store_state_write(&s, "skey", 4, octets);
	n -= 4 + 8; // the mark of one primary, no transfer
	octets[STORE_BLOCK_HEAD] = 1;
	wire_poke_be32(octets + 4, (uint32_t)(n - STORE_BLOCK_HEAD));
	wire_poke_be32(number, crc32c(0, "skey", 4));
	uint32_t crc = crc32c(crc32c(0, octets, 8), number, 4);
	crc = crc32c(crc, octets + STORE_BLOCK_HEAD, n - STORE_BLOCK_HEAD);
	wire_poke_be32(octets + 8, crc);
	CU_ASSERT_EQUAL_FATAL(store_state_read(&got, "skey", 4, octets, n), RESULT_OK);
	CU_ASSERT_EQUAL(got.timers.primaries[0].success_unix_s, 1500000000);
	CU_ASSERT_EQUAL(got.timers.primaries[0].mark, 0);
	CU_ASSERT_EQUAL(got.timers.transfer.unix_s, 0);
}

struct flipping {
	const char *from;
	uint32_t small_digest, large_digest;
	unsigned tried, kept, refused;
};

// A copy of the folder with one octet of this file changed: each zone must come
// back as it was, or not at all.
static void flip_at(struct flipping *f, const char *path, off_t at)
{
	char folder[64], other[512];
	struct fixture x;
	struct store_timers got;
	uint8_t octet = 0;
	make_folder(folder);
	copy_folder(f->from, folder);
	snprintf(other, sizeof(other), "%s%s", folder, path + strlen(f->from));
	int fd = open(other, O_RDWR);
	CU_ASSERT_FATAL(fd >= 0 && pread(fd, &octet, 1, at) == 1);
	octet ^= (uint8_t)(1 + at % 255);
	CU_ASSERT_EQUAL(pwrite(fd, &octet, 1, at), 1);
	close(fd);
	for (unsigned again = 0; again < 2; again++) {
		begin(&x, folder);
		uint32_t small = load(&x, "small.example", &got);
		uint32_t large = load(&x, "large.example", &got);
		CU_ASSERT(small == 0 || digest(&x, "small.example") == f->small_digest);
		CU_ASSERT(large == 0 || digest(&x, "large.example") == f->large_digest);
		f->tried++;
		f->kept += small && large;
		f->refused += !small || !large;
		CU_ASSERT_EQUAL(store_start(x.store), RESULT_OK);
		end(&x);
	}
	remove_folder(folder);
}

static void flip_file(const char *path, void *arg)
{
	struct stat st;
	CU_ASSERT_EQUAL_FATAL(stat(path, &st), 0);
	if (strstr(path, "-lock"))
		return;
	off_t step = st.st_size / 24 + 1;
	for (off_t at = 0; at < st.st_size; at += step)
		flip_at(arg, path, at);
}

static void test_flipped_files(void)
{
	char folder[64];
	struct fixture f;
	struct flipping flipping = { .from = folder };
	make_folder(folder);
	begin(&f, folder);
	char *large = large_text(3, 5000);
	store_whole(&f, "small.example", small_text);
	store_whole(&f, "large.example", large);
	CU_ASSERT_EQUAL(store_start(f.store), RESULT_OK);
	CU_ASSERT(settled(zone_of(&f, "large.example")));
	change_host(&f, "large.example", 3, 7);
	CU_ASSERT(settled(zone_of(&f, "large.example")));
	flipping.small_digest = digest(&f, "small.example");
	flipping.large_digest = digest(&f, "large.example");
	end(&f);
	log_set_level(LOG_LEVEL_ERROR - 1);
	each_file(folder, flip_file, &flipping);
	log_set_level(LOG_LEVEL_ERROR);
	CU_ASSERT(flipping.tried > 80);
	CU_ASSERT(flipping.kept > 0);
	CU_ASSERT(flipping.refused > 20); // the image's own file alone
	free(large);
	remove_folder(folder);
}

// One octet of the state file changed, as of one that was killed: what comes back is
// what was stored last, and not what LMDB held of it before.
static void flip_state(struct flipping *f, off_t at, uint8_t mask)
{
	char folder[64], path[128];
	struct fixture x;
	struct store_timers got;
	uint8_t octet = 0;
	make_folder(folder);
	copy_folder(f->from, folder);
	snprintf(path, sizeof(path), "%s/state.mdb", folder);
	int fd = open(path, O_RDWR);
	CU_ASSERT_FATAL(fd >= 0 && pread(fd, &octet, 1, at) == 1);
	octet ^= mask;
	CU_ASSERT_EQUAL(pwrite(fd, &octet, 1, at), 1);
	close(fd);
	begin(&x, folder);
	uint32_t small = load(&x, "small.example", &got);
	uint32_t large = load(&x, "large.example", &got);
	CU_ASSERT(small == 0 || digest(&x, "small.example") == f->small_digest);
	CU_ASSERT(large == 0 || digest(&x, "large.example") == f->large_digest);
	f->tried++;
	f->kept += small && large;
	f->refused += !small || !large;
	end(&x);
	remove_folder(folder);
}

static void test_flipped_state(void)
{
	char folder[64], path[128], text[sizeof(small_text) + 32];
	struct fixture f;
	struct stat st;
	struct flipping flipping = { .from = folder };
	make_folder(folder);
	begin(&f, folder);
	char *large = large_text(3, 5000);
	store_whole(&f, "large.example", large);
	CU_ASSERT_EQUAL(store_start(f.store), RESULT_OK);
	for (uint32_t i = 0; i < 6; i++) {
		snprintf(text, sizeof(text), "%sv 300 A 192.0.2.%u\n", small_text, i);
		store_whole(&f, "small.example", text);
		change_host(&f, "large.example", 3 + i, 10 + i);
		CU_ASSERT(settled(zone_of(&f, "small.example")));
		CU_ASSERT(settled(zone_of(&f, "large.example")));
	}
	flipping.small_digest = digest(&f, "small.example");
	flipping.large_digest = digest(&f, "large.example");
	end(&f);
	snprintf(path, sizeof(path), "%s/state.mdb", folder);
	CU_ASSERT_EQUAL_FATAL(stat(path, &st), 0);
	log_set_level(LOG_LEVEL_ERROR - 1);
	for (off_t at = 0; at < st.st_size; at++) {
		off_t in_page = at % 4096, dense = at < 8192 ? 136 : 16;
		if (in_page < dense || in_page % 257 == 0)
			flip_state(&flipping, at, (uint8_t)(1u << at % 3));
	}
	log_set_level(LOG_LEVEL_ERROR);
	CU_ASSERT(flipping.tried > 300);
	CU_ASSERT(flipping.kept > 0 && flipping.refused > 0);
	free(large);
	remove_folder(folder);
}

// Without its state a large zone is rebuilt from its file, a small one is gone.
static void test_state_lost(void)
{
	char folder[64], path[128];
	struct fixture f;
	struct store_timers got;
	make_folder(folder);
	begin(&f, folder);
	char *large = large_text(3, 5000);
	store_whole(&f, "small.example", small_text);
	store_whole(&f, "large.example", large);
	CU_ASSERT_EQUAL(store_start(f.store), RESULT_OK);
	CU_ASSERT(settled(zone_of(&f, "large.example")));
	change_host(&f, "large.example", 3, 7);
	CU_ASSERT(settled(zone_of(&f, "large.example")));
	uint32_t want = digest(&f, "large.example");
	end(&f);
	snprintf(path, sizeof(path), "%s/state.mdb", folder);
	for (unsigned i = 0; i < 2; i++) {
		begin(&f, folder);
		CU_ASSERT_EQUAL(load(&f, "large.example", &got), 4);
		CU_ASSERT_EQUAL(digest(&f, "large.example"), want);
		CU_ASSERT_EQUAL(store_start(f.store), RESULT_OK);
		end(&f);
		CU_ASSERT_EQUAL(unlink(path), 0);
	}
	begin(&f, folder);
	CU_ASSERT_EQUAL(load(&f, "small.example", &got), 0);
	CU_ASSERT(got.refreshed_unix_s > 1700000000 && got.next_unix_s == 0);
	end(&f);
	free(large);
	remove_folder(folder);
}

// ---- the rest

static void test_purge(void)
{
	char folder[64];
	struct fixture f;
	struct store_timers got;
	struct name large_name = name_of("large.example");
	make_folder(folder);
	begin(&f, folder);
	char *large = large_text(3, 5000);
	store_whole(&f, "small.example", small_text);
	store_whole(&f, "large.example", large);
	CU_ASSERT_EQUAL(store_start(f.store), RESULT_OK);
	CU_ASSERT(settled(zone_of(&f, "large.example")));
	CU_ASSERT(settled(zone_of(&f, "small.example")));
	store_purge(zone_of(&f, "small.example"));
	store_zone_close(zone_of(&f, "large.example"));
	CU_ASSERT_EQUAL(stats_of(&f).unconfigured, 1);
	end(&f);
	begin(&f, folder);
	CU_ASSERT_EQUAL(load(&f, "small.example", &got), 0);
	CU_ASSERT_EQUAL(stats_of(&f).unconfigured, 1);
	CU_ASSERT_EQUAL(store_purge_name(f.store, large_name.wire), RESULT_OK);
	CU_ASSERT_EQUAL(store_start(f.store), RESULT_OK);
	end(&f);
	begin(&f, folder);
	CU_ASSERT_EQUAL(stats_of(&f).zones, 0);
	CU_ASSERT_EQUAL(store_purge_name(f.store, large_name.wire), RESULT_NOT_FOUND);
	end(&f);
	free(large);
	remove_folder(folder);
}

static void test_one_daemon(void)
{
	char folder[64];
	struct fixture f, other;
	make_folder(folder);
	begin(&f, folder);
	rcu_reader_online();
	struct store *second = NULL;
	other.world = f.world;
	CU_ASSERT_EQUAL(store_new(other.world.db, folder, &second), RESULT_EXISTS);
	rcu_reader_offline();
	end(&f);
	CU_ASSERT_EQUAL(open_fixture(&f, "/nowhere/at/all"), RESULT_IO);
	CU_ASSERT_EQUAL(errno, ENOENT);
	rcu_reader_online();
	world_close(&f.world);
	remove_folder(folder);
}

static bool fails(struct fixture *f)
{
	for (unsigned i = 0; i < 400 && !stats_of(f).failing; i++)
		usleep(5000);
	return stats_of(f).failing;
}

// A folder on a file system of its own, of the size that `options` say. False where there can
// be none.
static bool mount_folder(char folder[64], const char *options)
{
	make_folder(folder);
	if (mount("tmpfs", folder, "tmpfs", 0, options) == 0)
		return true;
	printf("skipped: no mount: %s ", strerror(errno));
	rmdir(folder);
	return false;
}

static void unmount_folder(const char *folder)
{
	umount(folder);
	rmdir(folder);
}

// Not even a fresh file has room: nothing is left of it.
static void test_no_room_at_all(void)
{
	char folder[64], path[128];
	struct fixture f;
	if (!mount_folder(folder, "size=4k"))
		return;
	log_set_level(LOG_LEVEL_ERROR - 1);
	begin(&f, folder);
	store_whole(&f, "small.example", small_text);
	CU_ASSERT_EQUAL(store_start(f.store), RESULT_OK);
	CU_ASSERT(fails(&f));
	snprintf(path, sizeof(path), "%s/state.mdb.new", folder);
	CU_ASSERT(access(path, F_OK) != 0 && errno == ENOENT);
	CU_ASSERT_EQUAL(mount("tmpfs", folder, "tmpfs", MS_REMOUNT, "size=8m"), 0);
	CU_ASSERT(settled(zone_of(&f, "small.example")));
	end(&f);
	log_set_level(LOG_LEVEL_ERROR);
	unmount_folder(folder);
}

// LMDB's: fails at the meta pages as long as the test says so.
static _Atomic bool meta_fails;

// Not what this file calls so: with large files that is pwrite64.
ssize_t lmdb_pwrite(int fd, const void *octets, size_t len, off_t at) __asm__("pwrite");

ssize_t lmdb_pwrite(int fd, const void *octets, size_t len, off_t at)
{
	if (!meta_fails || at >= 2 * 4096 || len > 4096)
		return syscall(SYS_pwrite64, fd, octets, len, at);
	errno = EIO;
	return -1;
}

// After a meta page that could not be written LMDB works again only once it is opened anew.
static void test_meta_page(void)
{
	char folder[64];
	struct fixture f;
	struct store_timers got;
	make_folder(folder);
	log_set_level(LOG_LEVEL_ERROR - 1);
	begin(&f, folder);
	store_whole(&f, "small.example", small_text);
	CU_ASSERT_EQUAL(store_start(f.store), RESULT_OK);
	CU_ASSERT(settled(zone_of(&f, "small.example")));
	meta_fails = true;
	store_whole(&f, "other.example", small_text);
	CU_ASSERT(fails(&f));
	meta_fails = false;
	CU_ASSERT(settled(zone_of(&f, "other.example")));
	CU_ASSERT(!stats_of(&f).failing);
	end(&f);
	begin(&f, folder);
	CU_ASSERT_EQUAL(load(&f, "small.example", &got), 7);
	CU_ASSERT_EQUAL(load(&f, "other.example", &got), 7);
	end(&f);
	log_set_level(LOG_LEVEL_ERROR);
	remove_folder(folder);
}

static void test_full_disk(void)
{
	char folder[64];
	struct fixture f;
	struct store_timers got;
	if (!mount_folder(folder, "size=64k"))
		return;
	log_set_level(LOG_LEVEL_ERROR - 1);
	begin(&f, folder);
	char *large = large_text(3, 5000);
	store_whole(&f, "large.example", large);
	uint32_t want = digest(&f, "large.example");
	CU_ASSERT_EQUAL(store_start(f.store), RESULT_OK);
	CU_ASSERT(fails(&f));
	CU_ASSERT_STRING_EQUAL(stats_of(&f).error, strerror(ENOSPC));
	CU_ASSERT_EQUAL(digest(&f, "large.example"), want);
	CU_ASSERT_EQUAL(mount("tmpfs", folder, "tmpfs", MS_REMOUNT, "size=8m"), 0);
	CU_ASSERT(settled(zone_of(&f, "large.example")));
	CU_ASSERT(!stats_of(&f).failing);
	end(&f);
	begin(&f, folder);
	CU_ASSERT_EQUAL(load(&f, "large.example", &got), 3);
	CU_ASSERT_EQUAL(digest(&f, "large.example"), want);
	end(&f);
	log_set_level(LOG_LEVEL_ERROR);
	free(large);
	unmount_folder(folder);
}

// What is stored cannot be read for now, for the reader is ended from without: that is
// not damage, and nothing is lost by it.
static void test_unreadable(void)
{
	char folder[64];
	struct fixture f;
	struct store_timers got;
	struct rlimit limit, little;
	make_folder(folder);
	begin(&f, folder);
	store_whole(&f, "small.example", small_text);
	CU_ASSERT_EQUAL(store_start(f.store), RESULT_OK);
	CU_ASSERT(settled(zone_of(&f, "small.example")));
	end(&f);
	CU_ASSERT_EQUAL(getrlimit(RLIMIT_FSIZE, &limit), 0);
	little = (struct rlimit){ .rlim_cur = 1, .rlim_max = limit.rlim_max };
	CU_ASSERT_EQUAL(setrlimit(RLIMIT_FSIZE, &little), 0);
	enum result r = open_fixture(&f, folder);
	CU_ASSERT_EQUAL(setrlimit(RLIMIT_FSIZE, &limit), 0);
	CU_ASSERT_EQUAL(r, RESULT_IO);
	rcu_reader_online();
	world_close(&f.world);
	begin(&f, folder);
	CU_ASSERT_EQUAL(load(&f, "small.example", &got), 7);
	end(&f);
	remove_folder(folder);
}

// The last zone file that was removed.
static char removed_path[512];

static void remove_zone_file(const char *path, void *arg)
{
	size_t len = strlen(path);
	if (len > 5 && strcmp(path + len - 5, ".zone") == 0)
		*(int *)arg += unlink(path) == 0;
	snprintf(removed_path, sizeof(removed_path), "%s", path);
}

// Somebody removed a zone's file, or put another thing in its place: no other zone
// suffers, and this one is stored anew.
static void file_goes(bool replaced)
{
	char folder[64], zones[80];
	struct fixture f;
	struct store_timers got;
	int removed = 0;
	make_folder(folder);
	begin(&f, folder);
	char *large = large_text(3, 5000);
	store_whole(&f, "large.example", large);
	CU_ASSERT_EQUAL(store_start(f.store), RESULT_OK);
	CU_ASSERT(settled(zone_of(&f, "large.example")));
	snprintf(zones, sizeof(zones), "%s/zones", folder);
	each_file(zones, remove_zone_file, &removed);
	CU_ASSERT_EQUAL(removed, 1);
	if (replaced)
		CU_ASSERT_EQUAL(mkdir(removed_path, 0700), 0);
	CU_ASSERT_PTR_NOT_NULL(change_host(&f, "large.example", 3, 1).delta);
	store_whole(&f, "small.example", small_text);
	uint32_t want = digest(&f, "large.example");
	CU_ASSERT(settled(zone_of(&f, "small.example")));
	CU_ASSERT(settled(zone_of(&f, "large.example")));
	CU_ASSERT_EQUAL(stats_of(&f).failures, 0);
	end(&f);
	begin(&f, folder);
	CU_ASSERT_EQUAL(load(&f, "small.example", &got), 7);
	CU_ASSERT_EQUAL(load(&f, "large.example", &got), 4);
	CU_ASSERT_EQUAL(digest(&f, "large.example"), want);
	end(&f);
	free(large);
	rmdir(removed_path);
	remove_folder(folder);
}

static void test_file_gone(void)
{
	file_goes(false);
}

static void test_file_replaced(void)
{
	file_goes(true);
}

UNIT_MAIN("store", { "CRC32C", test_crc }, { "CRC32C of many lengths", test_crc_lengths },
	  { "round trip", test_round_trip }, { "deltas", test_deltas },
	  { "compaction", test_compaction }, { "torn", test_torn },
	  { "flipped state", test_flipped_state }, { "earlier state", test_earlier_state },
	  { "flipped octets", test_flipped }, { "flipped octets in files", test_flipped_files },
	  { "state lost", test_state_lost }, { "purge", test_purge },
	  { "one daemon a folder", test_one_daemon }, { "full disk", test_full_disk },
	  { "no room at all", test_no_room_at_all }, { "meta page", test_meta_page },
	  { "file gone", test_file_gone }, { "file replaced", test_file_replaced },
	  { "unreadable for now", test_unreadable })
