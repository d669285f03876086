// SPDX-License-Identifier: BSD-3-Clause
// Our XDP program, seen from the daemon: by libbpf.
#include "xdp.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "xdp_dns.h"

#define MAPS_MAX 8

enum result xdp_find_program(char *path, size_t size)
{
	static const char *const places[] = { "../dp/port", "../../dp/port" };
	char self[512];
	ssize_t len = readlink("/proc/self/exe", self, sizeof(self) - 1);
	char *slash = NULL;
	if (len > 0) {
		self[len] = '\0';
		slash = strrchr(self, '/');
	}
	for (size_t i = 0; slash && i < sizeof(places) / sizeof(places[0]); i++) {
		*slash = '\0';
		int n = snprintf(path, size, "%s/%s/%s", self, places[i], XDP_OBJECT);
		if (n > 0 && (size_t)n < size && access(path, R_OK) == 0)
			return RESULT_OK;
	}
	int n = snprintf(path, size, "%s/%s", XDP_DIRECTORY, XDP_OBJECT);
	if (n < 0 || (size_t)n >= size)
		return RESULT_NO_SPACE;
	return access(path, R_OK) == 0 ? RESULT_OK : RESULT_NOT_FOUND;
}

// The program attached to the interface, if any: its fd, or -1 with errno.
static int attached(const char *interface, struct bpf_prog_info *info)
{
	uint32_t id = 0;
	uint32_t size = sizeof(*info);
	int index = (int)if_nametoindex(interface);
	if (index == 0 || bpf_xdp_query_id(index, 0, &id) != 0)
		return -1;
	errno = ENOENT;
	int fd = id ? bpf_prog_get_fd_by_id(id) : -1;
	if (fd >= 0 && bpf_obj_get_info_by_fd(fd, info, &size) != 0) {
		close(fd);
		return -1;
	}
	return fd;
}

enum result xdp_detach(const char *interface)
{
	struct bpf_prog_info info = { 0 };
	int fd = attached(interface, &info);
	if (fd < 0)
		return errno == ENOENT ? RESULT_OK : RESULT_IO;
	close(fd);
	if (strcmp(info.name, XDP_PROGRAM) != 0)
		return RESULT_EXISTS;
	return bpf_xdp_detach((int)if_nametoindex(interface), 0, NULL) == 0 ? RESULT_OK : RESULT_IO;
}

// The fd of the program's map of this name, or -1.
static int map_by_name(int program, const char *name)
{
	uint32_t ids[MAPS_MAX] = { 0 };
	struct bpf_prog_info info = { .nr_map_ids = MAPS_MAX, .map_ids = (uintptr_t)ids };
	uint32_t size = sizeof(info);
	if (bpf_obj_get_info_by_fd(program, &info, &size) != 0)
		return -1;
	for (uint32_t i = 0; i < info.nr_map_ids && i < MAPS_MAX; i++) {
		struct bpf_map_info map = { 0 };
		uint32_t map_size = sizeof(map);
		int fd = bpf_map_get_fd_by_id(ids[i]);
		if (fd >= 0 && bpf_obj_get_info_by_fd(fd, &map, &map_size) == 0 &&
		    strcmp(map.name, name) == 0)
			return fd;
		if (fd >= 0)
			close(fd);
	}
	errno = ENOENT;
	return -1;
}

static enum result take(int map, const struct xdp_service *key)
{
	const uint8_t value = 1;
	return bpf_map_update_elem(map, key, &value, BPF_ANY) == 0 ? RESULT_OK : RESULT_IO;
}

enum result xdp_set_services(const char *interface, const struct port_service *services,
			     size_t count)
{
	struct bpf_prog_info info = { 0 };
	struct xdp_service key = { .family = 0 };
	enum result r = RESULT_NOT_FOUND;
	int map = -1;
	int program = attached(interface, &info);
	if (program < 0 || strcmp(info.name, XDP_PROGRAM) != 0)
		goto cleanup;
	map = map_by_name(program, XDP_SERVICES);
	if (map < 0)
		goto cleanup;
	r = count == 0 ? take(map, &key) : RESULT_OK;
	for (size_t i = 0; i < count && r == RESULT_OK; i++) {
		key = (struct xdp_service){ .port_be = services[i].port_be,
					    .family = services[i].family };
		memcpy(key.address, services[i].address, services[i].family == 4 ? 4 : 16);
		r = take(map, &key);
	}
cleanup:
	if (map >= 0)
		close(map);
	if (program >= 0)
		close(program);
	return r;
}
