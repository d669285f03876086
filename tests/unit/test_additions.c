// SPDX-License-Identifier: BSD-3-Clause
// Zones that are added by command: their journal, torn and flipped, and configurations.
#include "additions.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "log.h"
#include "unit.h"

static char folder[64];
static struct additions *a;

static struct addition addition_of(const char *zone, const char *template, const char *primary)
{
	struct addition x = { 0 };
	CU_ASSERT_EQUAL_FATAL(name_from_text(zone, &x.zone), RESULT_OK);
	snprintf(x.template_id, sizeof(x.template_id), "%s", template);
	if (primary)
		snprintf(x.primary_ids[x.primary_count++], ADDITION_ID_OCTETS, "%s", primary);
	return x;
}

static enum result put(const char *zone, const char *template, const char *primary)
{
	struct addition x = addition_of(zone, template, primary);
	return additions_put(a, &x);
}

static enum result drop(const char *zone)
{
	struct addition x = addition_of(zone, "", NULL);
	return additions_drop(a, x.zone.wire);
}

static bool has(const char *zone)
{
	struct addition x = addition_of(zone, "", NULL);
	return additions_has(a, x.zone.wire);
}

static void reopen(void)
{
	additions_free(a);
	CU_ASSERT_EQUAL_FATAL(additions_open(folder, &a), RESULT_OK);
}

static void begin(void)
{
	strcpy(folder, "/tmp/us-additions-unit-XXXXXX");
	CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(folder));
	a = NULL;
	reopen();
}

static const char *copy_path(unsigned copy)
{
	static char path[128];
	snprintf(path, sizeof(path), "%s/added.%u", folder, copy);
	return path;
}

static void end(void)
{
	additions_free(a);
	unlink(copy_path(1));
	unlink(copy_path(2));
	CU_ASSERT_EQUAL(rmdir(folder), 0);
}

static void test_journal(void)
{
	struct addition got;
	begin();
	CU_ASSERT_EQUAL(put("b.example", "t \"1\"", NULL), RESULT_OK);
	CU_ASSERT_EQUAL(put("A.example", "", "p"), RESULT_OK);
	CU_ASSERT_EQUAL(put("a.EXAMPLE", "t", NULL), RESULT_EXISTS);
	CU_ASSERT_EQUAL(put("\\000\\255.example", "t", "p"), RESULT_OK);
	CU_ASSERT_EQUAL(drop("c.example"), RESULT_NOT_FOUND);
	CU_ASSERT_EQUAL(additions_sync(a), RESULT_OK);
	for (unsigned i = 0; i < 2; i++) {
		CU_ASSERT_EQUAL(additions_count(a), 3);
		CU_ASSERT(has("a.example") && has("B.example") && has("\\000\\255.example"));
		additions_at(a, 1, &got);
		CU_ASSERT(!got.template_id[0] && got.primary_count == 1);
		CU_ASSERT_STRING_EQUAL(got.primary_ids[0], "p");
		reopen();
	}
	CU_ASSERT_EQUAL(drop("B.example"), RESULT_OK);
	CU_ASSERT_EQUAL(put("b.example", "other", NULL), RESULT_OK);
	CU_ASSERT_EQUAL(drop("a.example"), RESULT_OK);
	reopen();
	CU_ASSERT_EQUAL(additions_count(a), 2);
	CU_ASSERT(!has("a.example"));
	additions_at(a, 1, &got);
	CU_ASSERT_STRING_EQUAL(got.template_id, "other");
	end();
}

static size_t read_copy(unsigned copy, char *out, size_t cap)
{
	int fd = open(copy_path(copy), O_RDONLY);
	ssize_t n = read(fd, out, cap);
	close(fd);
	CU_ASSERT_FATAL(n > 0);
	return (size_t)n;
}

static void write_copy(unsigned copy, const char *octets, size_t len)
{
	int fd = open(copy_path(copy), O_WRONLY | O_CREAT | O_TRUNC, 0600);
	CU_ASSERT_EQUAL(write(fd, octets, len), (ssize_t)len);
	close(fd);
}

static void must_have_mode(unsigned copy, mode_t mode)
{
	struct stat st;
	CU_ASSERT_EQUAL_FATAL(stat(copy_path(copy), &st), 0);
	CU_ASSERT_EQUAL(st.st_mode & 0777, mode);
}

// Nobody else may read them, not those that were written anew either.
static void test_mode(void)
{
	mode_t mask = umask(022);
	begin();
	must_have_mode(1, 0640);
	CU_ASSERT_EQUAL(put("a.example", "t", NULL), RESULT_OK);
	CU_ASSERT_EQUAL(drop("a.example"), RESULT_OK);
	reopen(); // without the lines that no longer matter
	must_have_mode(1, 0640);
	must_have_mode(2, 0640);
	end();
	umask(mask);
}

// Any octet of either file may change, and either may end anywhere: nothing is lost.
static void test_damage(void)
{
	char whole[1024], octets[1024];
	begin();
	CU_ASSERT_EQUAL(put("a.example", "t", NULL), RESULT_OK);
	CU_ASSERT_EQUAL(put("b.example", "t", NULL), RESULT_OK);
	CU_ASSERT_EQUAL(drop("a.example"), RESULT_OK);
	CU_ASSERT_EQUAL(put("c.example", "", "p"), RESULT_OK);
	size_t len = read_copy(1, whole, sizeof(whole));
	for (size_t at = 0; at < 4 * len; at++) {
		unsigned copy = 1 + at % 2;
		size_t place = at / 4;
		write_copy(1, whole, len);
		write_copy(2, whole, len);
		memcpy(octets, whole, len);
		octets[place] ^= (char)(1u << at % 8);
		write_copy(copy, octets, at & 2 ? place : len);
		reopen();
		CU_ASSERT(!has("a.example") && has("b.example") && has("c.example"));
		CU_ASSERT_EQUAL(additions_count(a), 2);
		CU_ASSERT_EQUAL(put("d.example", "t", NULL), RESULT_OK);
		reopen();
		CU_ASSERT_EQUAL(additions_count(a), 3);
		CU_ASSERT_EQUAL(read_copy(1, octets, sizeof(octets)),
				read_copy(2, octets, sizeof(octets)));
	}
	end();
}

// The journal cannot be tidied, as on a full disk: what comes behind a torn line lasts.
static void test_torn(void)
{
	char octets[1024], part[2][160];
	begin();
	CU_ASSERT_EQUAL(put("a.example", "t", NULL), RESULT_OK);
	CU_ASSERT_EQUAL(put("b.example", "t", NULL), RESULT_OK);
	size_t len = read_copy(1, octets, sizeof(octets));
	for (unsigned copy = 1; copy <= 2; copy++) {
		snprintf(part[copy - 1], sizeof(part[0]), "%s.new", copy_path(copy));
		CU_ASSERT_EQUAL(mkdir(part[copy - 1], 0700), 0);
		write_copy(copy, octets, len - 9);
	}
	reopen();
	CU_ASSERT(has("a.example") && !has("b.example"));
	CU_ASSERT_EQUAL(put("c.example", "t", NULL), RESULT_OK);
	reopen();
	CU_ASSERT(has("a.example") && has("c.example"));
	CU_ASSERT_EQUAL(additions_count(a), 2);
	rmdir(part[0]);
	rmdir(part[1]);
	end();
}

static const char text[] = "listen:\n  - address: 127.0.0.1\n"
			   "primaries:\n  - id: p\n    address: 192.0.2.1\n"
			   "templates:\n  - id: t\n    primaries: [p]\n"
			   "zones:\n  - name: m.example\n    primaries: [p]\n";

static void forget(void *arg, enum log_level level, const char *message)
{
	(void)arg;
	(void)level;
	(void)message;
}

static void test_configuration(void)
{
	struct report report = { .say = forget };
	begin();
	CU_ASSERT_EQUAL(put("z.example", "t", NULL), RESULT_OK);
	CU_ASSERT_EQUAL(put("a.example", "", "p"), RESULT_OK);
	CU_ASSERT_EQUAL(put("m.example", "t", NULL), RESULT_OK);
	CU_ASSERT_EQUAL(put("x.example", "none", NULL), RESULT_OK);
	struct config *c = config_parse("test", text, strlen(text), &report);
	CU_ASSERT_PTR_NOT_NULL_FATAL(c);
	CU_ASSERT_EQUAL(config_add_zones(c, a, true, &report), RESULT_OK);
	CU_ASSERT_EQUAL(report.errors, 0);
	CU_ASSERT_EQUAL(report.warnings, 2);
	CU_ASSERT_EQUAL(c->zones_total, 3);
	for (unsigned i = 1; i < c->zones_total; i++)
		CU_ASSERT(name_compare(c->zones_by_name[i - 1]->name, c->zones_by_name[i]->name) <
			  0);
	struct addition m = addition_of("m.example", "", NULL),
			z = addition_of("z.example", "", NULL);
	CU_ASSERT(!config_zone(c, m.zone.wire)->added);
	CU_ASSERT_PTR_EQUAL(config_zone(c, z.zone.wire)->settings->template, &c->templates[0]);
	config_remove_zone(c, z.zone.wire);
	CU_ASSERT_PTR_NULL(config_zone(c, z.zone.wire));
	config_free(c);
	c = config_parse("test", text, strlen(text), &report);
	CU_ASSERT_EQUAL(config_add_zones(c, a, false, &report), RESULT_INVALID);
	CU_ASSERT_EQUAL(report.errors, 1);
	config_free(c);
	end();
}

UNIT_MAIN("additions", { "journal", test_journal }, { "damage", test_damage },
	  { "torn", test_torn }, { "mode", test_mode }, { "configuration", test_configuration })
