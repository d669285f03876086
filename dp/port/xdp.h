// SPDX-License-Identifier: BSD-3-Clause
// Our XDP program: which frames of an interface go to an AF_XDP port.
//
// Purpose: finds the program's object file, detaches one that a killed daemon
// left behind, tells the attached one the service addresses. The AF_XDP driver
// of DPDK itself loads and attaches it. Threads: set-up only.
#pragma once

#include <stddef.h>

#include "understudy/port.h"
#include "understudy/result.h"

// The installed object file, or that of the build tree the daemon runs from.
// RESULT_OK, RESULT_NOT_FOUND, RESULT_NO_SPACE.
enum result xdp_find_program(char *path, size_t size);

// Detaches our program from the interface, if it is there. RESULT_OK also where
// nothing is attached; RESULT_EXISTS where somebody else's program is.
enum result xdp_detach(const char *interface);

// Tells our program, which is attached to the interface, what to take: queries to
// the services, or every frame if `count` is 0.
// RESULT_OK; RESULT_NOT_FOUND if ours is not attached; RESULT_IO (errno).
enum result xdp_set_services(const char *interface, const struct port_service *services,
			     size_t count);
