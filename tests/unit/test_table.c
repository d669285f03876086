// SPDX-License-Identifier: BSD-3-Clause
// What understudyctl prints for people: columns, and very long lists.
#include "table.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "unit.h"

static json_t *zone(const char *name)
{
	return json_pack("{s:s, s:s, s:i, s:i, s:s, s:i, s:i, s:s}", "zone", name, "state",
			 "served", "serial", 7, "records", 5, "doing", "idle", "next_refresh_s", 60,
			 "expires_s", 90, "from", "file");
}

// Each column is as wide as its widest cell, whichever row that stands in.
static void aligns(void)
{
	char *text = NULL;
	size_t len;
	FILE *to = open_memstream(&text, &len);
	json_t *result =
		json_pack("{s:[o, o]}", "zones", zone("a.example."), zone("a-long-name.example."));
	table_zones(to, result);
	json_decref(result);
	fclose(to);
	char *one = strchr(text, '\n') + 1, *two = strchr(one, '\n') + 1;
	CU_ASSERT_EQUAL(strncmp(text, "ZONE ", 5), 0);
	CU_ASSERT_EQUAL(strcspn(one, "\n"), strcspn(two, "\n"));
	CU_ASSERT_EQUAL(strstr(one, "served") - one, strstr(two, "served") - two);
	CU_ASSERT_EQUAL(strstr(one, "idle") - one, strstr(two, "idle") - two);
	CU_ASSERT_EQUAL(strstr(text, "STATE") - text, strstr(two, "served") - two);
	free(text);
}

// Many thousand zones take about as much longer as there are more of them.
static void prints_very_long_lists(void)
{
	json_t *list = json_array(), *result;
	FILE *to = fopen("/dev/null", "w");
	for (unsigned i = 0; i < 20000; i++) {
		char name[32];
		snprintf(name, sizeof(name), "z%u.example.", i);
		json_array_append_new(list, zone(name));
	}
	result = json_pack("{s:o}", "zones", list);
	clock_t start = clock();
	table_zones(to, result);
	CU_ASSERT((clock() - start) / CLOCKS_PER_SEC < 5);
	fclose(to);
	json_decref(result);
}

UNIT_MAIN("table", { "aligns", aligns }, { "prints very long lists", prints_very_long_lists })
