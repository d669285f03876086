// SPDX-License-Identifier: BSD-3-Clause
// Every result has words of its own.
#include "understudy/result.h"

#include <string.h>

#include "unit.h"

static void words(void)
{
	for (unsigned r = 0; r < RESULT_COUNT; r++) {
		CU_ASSERT_PTR_NOT_NULL_FATAL(result_text(r));
		CU_ASSERT_STRING_NOT_EQUAL(result_text(r), "");
		for (unsigned other = 0; other < r; other++)
			CU_ASSERT_STRING_NOT_EQUAL(result_text(r), result_text(other));
	}
	CU_ASSERT_STRING_EQUAL(result_text(RESULT_COUNT), "unknown result");
}

UNIT_MAIN("result", { "words", words })
