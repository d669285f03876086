// SPDX-License-Identifier: BSD-3-Clause
// Fuzz target: a line of the control socket.
#include <stdlib.h>

#include "control.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct control_request request = { 0 };
	if (!control_parse((const char *)data, size, &request) &&
	    (unsigned)request.command >= CONTROL_COMMAND_COUNT)
		abort();
	return 0;
}
