// SPDX-License-Identifier: BSD-3-Clause
// Stands in for accept4, so that a test can have libuv's fail; for one source of a test.
#pragma once

#include <errno.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

// It fails as long as this says so, with what lasts.
static _Atomic bool accept_fails;
static _Atomic unsigned accept_failures;

int accept4(int fd, struct sockaddr *from, socklen_t *octets, int flags)
{
	if (!accept_fails)
		return (int)syscall(SYS_accept4, fd, from, octets, flags);
	accept_failures++;
	errno = ENOBUFS;
	return -1;
}
