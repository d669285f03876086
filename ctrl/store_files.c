// SPDX-License-Identifier: BSD-3-Clause
// Images as files: written under another name, synced, renamed.
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "store_parts.h"

#define NAME_OCTETS 32

static const char *file_name(uint64_t id, const char *suffix, char out[NAME_OCTETS])
{
	snprintf(out, NAME_OCTETS, "%016" PRIx64 ".%s", id, suffix);
	return out;
}

bool store_file_id(const char *name, uint64_t *id)
{
	char expected[NAME_OCTETS];
	return sscanf(name, "%16" SCNx64, id) == 1 &&
	       strcmp(name, file_name(*id, "zone", expected)) == 0;
}

enum result store_file_new(const struct store *s, uint64_t id, int *fd)
{
	char name[NAME_OCTETS];
	*fd = openat(s->zones_fd, file_name(id, "tmp", name),
		     O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0640);
	return *fd >= 0 ? RESULT_OK : RESULT_IO;
}

enum result store_file_open(const struct store *s, uint64_t id, bool write, int *fd)
{
	char name[NAME_OCTETS];
	*fd = openat(s->zones_fd, file_name(id, "zone", name),
		     (write ? O_WRONLY : O_RDONLY) | O_CLOEXEC);
	return *fd >= 0 ? RESULT_OK : RESULT_IO;
}

enum result store_file_write(int fd, const void *octets, size_t len, uint64_t at)
{
	const uint8_t *p = octets;
	while (len) {
		ssize_t n = pwrite(fd, p, len, (off_t)at);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return RESULT_IO;
		p += n;
		at += (uint64_t)n;
		len -= (size_t)n;
	}
	return RESULT_OK;
}

enum result store_file_sync(int fd)
{
	return fdatasync(fd) == 0 ? RESULT_OK : RESULT_IO;
}

enum result store_file_keep(const struct store *s, uint64_t id, int fd)
{
	char from[NAME_OCTETS], to[NAME_OCTETS];
	enum result r = store_file_sync(fd);
	if (r == RESULT_OK && renameat(s->zones_fd, file_name(id, "tmp", from), s->zones_fd,
				       file_name(id, "zone", to)) != 0)
		r = RESULT_IO;
	int saved = errno;
	close(fd);
	if (r != RESULT_OK)
		unlinkat(s->zones_fd, file_name(id, "tmp", from), 0);
	errno = saved;
	return r;
}

void store_file_drop(const struct store *s, uint64_t id, int fd)
{
	char name[NAME_OCTETS];
	int saved = errno;
	close(fd);
	unlinkat(s->zones_fd, file_name(id, "tmp", name), 0);
	errno = saved;
}

void store_file_remove(const struct store *s, uint64_t id)
{
	char name[NAME_OCTETS];
	unlinkat(s->zones_fd, file_name(id, "zone", name), 0);
}

enum result store_folder_sync(const struct store *s)
{
	return fsync(s->zones_fd) == 0 ? RESULT_OK : RESULT_IO;
}
