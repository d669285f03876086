// SPDX-License-Identifier: BSD-3-Clause
// Preloaded into programs under ThreadSanitizer: shows it what libuv closes.
//
// libuv closes descriptors by the system call itself. ThreadSanitizer, which knows them by
// close() alone, takes a number that another thread is given anew for the one that the
// first still has, and reports a race of the two files.
#include <dlfcn.h>
#include <stdarg.h>
#include <sys/syscall.h>
#include <unistd.h>

#define ARGUMENTS 6

long syscall(long number, ...)
{
	static long (*real)(long, ...);
	long argument[ARGUMENTS];
	va_list list;
	va_start(list, number);
	for (unsigned i = 0; i < ARGUMENTS; i++)
		argument[i] = va_arg(list, long);
	va_end(list);
	if (number == SYS_close)
		return close((int)argument[0]);
	if (!real)
		*(void **)&real = dlsym(RTLD_NEXT, "syscall");
	return real(number, argument[0], argument[1], argument[2], argument[3], argument[4],
		    argument[5]);
}
