// SPDX-License-Identifier: BSD-3-Clause
// A job in parts: each thread takes the next part that nobody has taken.
#include "understudy/crew.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stddef.h>

#define HELPERS_MAX  3u // more of them would wait for memory
#define HELPER_PARTS 4u // that are worth another thread

struct crew {
	void (*job)(void *arg, unsigned part);
	void *arg;
	unsigned parts;
	_Atomic unsigned next;
};

static void *work(void *arg)
{
	struct crew *c = arg;
	unsigned part;
	while ((part = atomic_fetch_add_explicit(&c->next, 1, memory_order_relaxed)) < c->parts)
		c->job(c->arg, part);
	return NULL;
}

static unsigned helpers_for(unsigned parts)
{
	cpu_set_t cpus;
	unsigned most = parts / HELPER_PARTS;
	if (most == 0 || sched_getaffinity(0, sizeof(cpus), &cpus) != 0)
		return 0;
	unsigned others = (unsigned)CPU_COUNT(&cpus) - 1;
	if (most > HELPERS_MAX)
		most = HELPERS_MAX;
	return others < most ? others : most;
}

void crew_do(unsigned parts, void (*job)(void *arg, unsigned part), void *arg)
{
	struct crew c = { .job = job, .arg = arg, .parts = parts };
	pthread_t helper[HELPERS_MAX];
	unsigned wanted = helpers_for(parts), n = 0;
	while (n < wanted && pthread_create(&helper[n], NULL, work, &c) == 0)
		n++;
	work(&c);
	while (n)
		pthread_join(helper[--n], NULL);
}
