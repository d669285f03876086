// SPDX-License-Identifier: BSD-3-Clause
// A loop in a thread of its own, and a client of what it serves: for tests that ask
// over sockets.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>
#include <uv.h>

#include "understudy/rcu.h"

#define SERVING_TIMEOUT_S 5

// Runs until the loop has nothing left; a thread's function.
static inline void *serving_run(void *loop)
{
	rcu_reader_register();
	rcu_reader_offline();
	uv_run(loop, UV_RUN_DEFAULT);
	rcu_reader_unregister();
	return NULL;
}

// A blocking socket that times out; -1 if nobody listens there.
static inline int serving_connect(int type, const struct sockaddr *address, socklen_t octets)
{
	struct timeval timeout = { .tv_sec = SERVING_TIMEOUT_S };
	int fd = socket(address->sa_family, type, 0);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout));
	if (connect(fd, address, octets) == 0)
		return fd;
	close(fd);
	return -1;
}
