// SPDX-License-Identifier: BSD-3-Clause
// Requests of the control socket: what is understood, and what is refused.
#include "control.h"

#include <stdlib.h>
#include <string.h>

#include "unit.h"

static const char *parse(const char *line, struct control_request *out)
{
	size_t len = strlen(line);
	char *copy = malloc(len ? len : 1); // exact, so that reading too far is seen
	memcpy(copy, line, len);
	*out = (struct control_request){ 0 };
	const char *why = control_parse(copy, len, out);
	free(copy);
	return why;
}

static void understands(void)
{
	static const struct {
		const char *line;
		enum control_command command;
	} cases[] = {
		{ "{\"command\":\"status\"}", CONTROL_STATUS },
		{ " {\"command\": \"zones\"} ", CONTROL_ZONES },
		{ "{\"command\":\"stats\",\"more\":[1,{}]}", CONTROL_STATS },
		{ "{\"command\":\"reload\"}", CONTROL_RELOAD },
		{ "{\"command\":\"stop\"}", CONTROL_STOP },
		{ "{\"zone\":\"example.com\",\"command\":\"zone status\"}", CONTROL_ZONE_STATUS },
		{ "{\"command\":\"zone refresh\",\"zone\":\"example.com.\"}",
		  CONTROL_ZONE_REFRESH },
		{ "{\"command\":\"zone retransfer\",\"zone\":\".\"}", CONTROL_ZONE_RETRANSFER },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct control_request request;
		CU_ASSERT_PTR_NULL(parse(cases[i].line, &request));
		CU_ASSERT_EQUAL(request.command, cases[i].command);
	}
	struct control_request request;
	CU_ASSERT_PTR_NULL(parse("{\"command\":\"zone wait\",\"zone\":\"a\",\"serial\":4294967295,"
				 "\"timeout\":3}",
				 &request));
	CU_ASSERT_EQUAL(request.command, CONTROL_ZONE_WAIT);
	CU_ASSERT_EQUAL(request.serial, UINT32_MAX);
	CU_ASSERT_EQUAL(request.timeout_s, 3);
	CU_ASSERT(request.has_serial);
	CU_ASSERT_PTR_NULL(parse("{\"command\":\"zone wait\",\"zone\":\"a\"}", &request));
	CU_ASSERT(!request.has_serial);
	CU_ASSERT_PTR_NULL(parse("{\"command\":\"zone wait\",\"all\":true}", &request));
	CU_ASSERT(request.all && !request.has_serial);
	CU_ASSERT_PTR_NULL(parse("{\"command\":\"zones\"}", &request));
	CU_ASSERT_EQUAL(request.only, 0);
	CU_ASSERT_PTR_NULL(
		parse("{\"command\":\"zones\",\"only\":[\"blocked\",\"expired\"]}", &request));
	CU_ASSERT_EQUAL(request.only, 1u << CONTROL_ONLY_BLOCKED | 1u << CONTROL_ONLY_EXPIRED);
	CU_ASSERT_PTR_NULL(parse("{\"command\":\"log-level\"}", &request));
	CU_ASSERT(!request.has_level);
	CU_ASSERT_PTR_NULL(parse("{\"command\":\"log-level\",\"level\":\"debug\"}", &request));
	CU_ASSERT(request.has_level && request.level == LOG_LEVEL_DEBUG);
	CU_ASSERT_PTR_NULL(parse("{\"command\":\"zone freeze\",\"all\":true}", &request));
	CU_ASSERT(request.all);
	CU_ASSERT_PTR_NULL(parse("{\"command\":\"zone purge\",\"zone\":\"a\"}", &request));
	CU_ASSERT(!request.all);
	parse(cases[5].line, &request);
	CU_ASSERT(name_equal(request.zone.wire, (const uint8_t *)"\7example\3com"));
}

static void refuses(void)
{
	static const struct {
		const char *line;
		const char *part;
	} cases[] = {
		{ "", "one JSON object" },
		{ "hello", "one JSON object" },
		{ "{", "one JSON object" },
		{ "{\"command\":\"status\"", "one JSON object" },
		{ "{\"command\":\"status\"} x", "one JSON object" },
		{ "{\"command\":\"status\",\"command\":\"stop\"}", "one JSON object" },
		{ "{\"command\":\"\xff\"}", "one JSON object" },
		{ "[]", "an object" },
		{ "{\"command\":\"zone dump\",\"all\":true}", "a \"zone\" is" },
		{ "{\"command\":\"zone wait\",\"all\":true,\"serial\":1}", "of one zone" },
		{ "{\"command\":\"zone wait\",\"all\":true,\"timeout\":-1}", "\"timeout\"" },
		{ "{\"command\":\"zone wait\",\"zone\":\"a\",\"serial\":null}", "\"serial\"" },
		{ "{\"command\":\"zones\",\"only\":[]}", "\"only\"" },
		{ "{\"command\":\"zones\",\"only\":\"blocked\"}", "\"only\"" },
		{ "{\"command\":\"zones\",\"only\":[\"blocked\",7]}", "\"only\"" },
		{ "{\"command\":\"zones\",\"only\":[\"bad\"]}", "\"only\"" },
		{ "{\"command\":\"log-level\",\"level\":\"loud\"}", "\"level\"" },
		{ "{\"command\":\"log-level\",\"level\":3}", "\"level\"" },
		{ "{\"command\":\"zone wait\",\"zone\":\"a\",\"serial\":4294967296}",
		  "\"serial\"" },
		{ "{\"command\":\"zone wait\",\"zone\":\"a\",\"serial\":-1}", "\"serial\"" },
		{ "{\"command\":\"zone wait\",\"zone\":\"a\",\"serial\":1,\"timeout\":\"x\"}",
		  "\"timeout\"" },
		{ "{}", "\"command\" is expected" },
		{ "{\"command\":7}", "\"command\" is expected" },
		{ "{\"command\":\"dance\"}", "unknown command" },
		{ "{\"command\":\"zone\"}", "unknown command" },
		{ "{\"command\":\"STATUS\"}", "unknown command" },
		{ "{\"command\":\"zone status\"}", "a \"zone\" is expected" },
		{ "{\"command\":\"zone status\",\"zone\":1}", "a \"zone\" is expected" },
		{ "{\"command\":\"zone status\",\"zone\":\"a..b\"}", "a domain name" },
		{ "{\"command\":\"zone status\",\"zone\":\"\"}", "a domain name" },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct control_request request;
		const char *why = parse(cases[i].line, &request);
		CU_ASSERT_PTR_NOT_NULL_FATAL(why);
		CU_ASSERT_PTR_NOT_NULL(strstr(why, cases[i].part));
	}
}

UNIT_MAIN("control", { "understands", understands }, { "refuses", refuses })
