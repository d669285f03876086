// SPDX-License-Identifier: BSD-3-Clause
// DPDK's environment: its arguments from ours, and its start.
#include <dirent.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_pci.h>

#include "ports.h"

#define ARGS_OWN           16              // at most, beside devices and the user's
#define FILE_PREFIX        "understudy-%d" // and the process's number
#define NO_HUGE_MEMORY_MIB 256

struct arguments {
	char **list;
	int count;
	bool failed;
};

__attribute__((format(printf, 2, 3))) static void add(struct arguments *a, const char *format, ...)
{
	va_list values;
	va_start(values, format);
	char *text = NULL;
	if (vasprintf(&text, format, values) < 0)
		a->failed = true;
	else
		a->list[a->count++] = text;
	va_end(values);
}

static bool is_pci(const char *device)
{
	struct rte_pci_addr address;
	char name[PCI_PRI_STR_SIZE + 1];
	snprintf(name, sizeof(name), "%.*s", (int)strcspn(device, ","), device);
	return rte_pci_addr_parse(name, &address) == 0;
}

// Worker lcores and the main lcore; lcore n is CPU n.
static void add_lcores(struct arguments *a, unsigned main_lcore, const unsigned *lcores,
		       size_t count)
{
	char list[PORT_LCORES_MAX * 8];
	size_t at = (size_t)snprintf(list, sizeof(list), "%u", main_lcore);
	for (size_t i = 0; i < count; i++)
		at += (size_t)snprintf(list + at, sizeof(list) - at, ",%u", lcores[i]);
	add(a, "-l");
	add(a, "%s", list);
	add(a, "--main-lcore=%u", main_lcore);
}

// Nothing is shared with other processes, so no files are left behind; memif
// alone needs shared memory, and with it files, under a prefix of our own.
static void add_memory(struct arguments *a, const struct port_options *o)
{
	bool memif = false;
	for (size_t i = 0; i < o->device_count; i++)
		memif |= strstr(o->devices[i].device, "memif") != NULL;
	if (memif)
		add(a, "--file-prefix=" FILE_PREFIX, (int)getpid());
	else // which of the two: DPDK takes --in-memory with hugepages only
		add(a, o->hugepages ? "--in-memory" : "--no-shconf");
	unsigned mib = o->memory_mib;
	if (!o->hugepages) {
		add(a, "--no-huge");
		if (mib == 0)
			mib = NO_HUGE_MEMORY_MIB;
	}
	if (mib != 0) {
		add(a, "-m");
		add(a, "%u", mib);
	}
}

// Only the PCI devices that we are given may be touched.
static void add_pci(struct arguments *a, const struct port_options *o)
{
	bool any = false;
	for (size_t i = 0; i < o->device_count; i++) {
		if (!is_pci(o->devices[i].device))
			continue;
		any = true;
		add(a, "-a");
		add(a, "%s", o->devices[i].device);
	}
	if (!any)
		add(a, "--no-pci");
}

enum result eal_start(const struct port_options *o, const unsigned *lcores, size_t lcore_count,
		      char *why, size_t why_size)
{
	struct arguments a = { 0 };
	sigset_t all, before;
	char **own = NULL;
	enum result r = RESULT_NO_MEMORY;
	size_t room = ARGS_OWN + 2 * o->device_count + o->eal_count + 1;

	snprintf(why, why_size, "out of memory");
	a.list = calloc(room, sizeof(*a.list));
	own = calloc(room, sizeof(*own));
	if (!a.list || !own)
		goto cleanup;
	add(&a, "understudy");
	add_lcores(&a, o->main_lcore, lcores, lcore_count);
	add_memory(&a, o);
	add_pci(&a, o);
	add(&a, "--no-telemetry");
	add(&a, "--log-level=*:warning");
	for (size_t i = 0; i < o->eal_count; i++)
		add(&a, "%s", o->eal[i]);
	if (a.failed)
		goto cleanup;

	// DPDK reorders what it is given; its threads take no signals.
	memcpy(own, a.list, room * sizeof(*own));
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	int parsed = rte_eal_init(a.count, own);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (parsed < 0) {
		snprintf(why, why_size, "DPDK does not start: %s%s", rte_strerror(rte_errno),
			 o->hugepages ? " (are enough hugepages reserved?)" : "");
		r = RESULT_INVALID;
		goto cleanup;
	}
	r = RESULT_OK;
cleanup:
	for (int i = 0; i < a.count; i++)
		free(a.list[i]);
	free(a.list);
	free(own);
	return r;
}

// DPDK leaves the folder that stands for a file prefix behind.
static void remove_runtime_folder(const char *path)
{
	DIR *folder = opendir(path);
	if (!folder)
		return;
	for (const struct dirent *e; (e = readdir(folder)) != NULL;)
		unlinkat(dirfd(folder), e->d_name, 0);
	closedir(folder);
	rmdir(path);
}

void eal_stop(void)
{
	char path[PATH_MAX], ours[64];
	snprintf(path, sizeof(path), "%s", rte_eal_get_runtime_dir());
	snprintf(ours, sizeof(ours), "/" FILE_PREFIX, (int)getpid());
	rte_eal_cleanup();
	size_t len = strlen(path), tail = strlen(ours);
	if (len > tail && strcmp(path + len - tail, ours) == 0)
		remove_runtime_folder(path);
}
