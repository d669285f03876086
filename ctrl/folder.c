// SPDX-License-Identifier: BSD-3-Clause
// Names in folders that last: a rename does once the folder is on the disk.
#include "folder.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum result folder_sync(const char *path)
{
	char folder[4200];
	const char *slash = strrchr(path, '/');
	int len = slash ? (int)(slash - path) + 1 : 2;
	snprintf(folder, sizeof(folder), "%.*s", len, slash ? path : "./");
	int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return RESULT_IO;
	enum result r = fsync(fd) == 0 ? RESULT_OK : RESULT_IO;
	int saved = errno;
	close(fd);
	errno = saved;
	return r;
}

enum result folder_rename(const char *from, const char *to)
{
	return rename(from, to) == 0 ? folder_sync(to) : RESULT_IO;
}
