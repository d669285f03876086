// SPDX-License-Identifier: BSD-3-Clause
// The frame of a CUnit program: one suite, its tests, exit status.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include <CUnit/Basic.h>
#include <CUnit/CUnit.h>

struct unit_test {
	const char *name;
	void (*run)(void);
};

static inline int unit_run(const char *suite_name, const struct unit_test *tests, size_t count)
{
	if (CU_initialize_registry() != CUE_SUCCESS)
		return 1;
	CU_pSuite suite = CU_add_suite(suite_name, NULL, NULL);
	for (size_t i = 0; suite && i < count; i++)
		if (!CU_add_test(suite, tests[i].name, tests[i].run))
			suite = NULL;
	int failed = 1;
	if (suite) {
		CU_basic_set_mode(CU_BRM_VERBOSE);
		CU_basic_run_tests();
		failed = CU_get_number_of_tests_failed() != 0 || CU_get_number_of_tests_run() == 0;
	}
	CU_cleanup_registry();
	return failed;
}

// Octets from pairs of hexadecimal digits; returns their number, at most cap.
static inline size_t unit_hex(const char *hex, uint8_t *out, size_t cap)
{
	size_t n = 0;
	for (; n < cap && hex[0] && hex[1]; n++, hex += 2) {
		unsigned value = 0;
		for (int i = 0; i < 2; i++)
			value = value * 16 +
				(unsigned)(hex[i] <= '9' ? hex[i] - '0' : hex[i] - 'a' + 10);
		out[n] = (uint8_t)value;
	}
	return n;
}

#define UNIT_MAIN(suite, ...)                                                    \
	int main(void)                                                           \
	{                                                                        \
		static const struct unit_test tests[] = { __VA_ARGS__ };         \
		return unit_run(suite, tests, sizeof(tests) / sizeof(tests[0])); \
	}
