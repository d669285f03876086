// SPDX-License-Identifier: BSD-3-Clause
// A job in parts, done by as many threads as there are CPUs for.
//
// Purpose: what a start waits for (verifying and settling images) at the speed of all CPUs.
// Threads: any; the others end before crew_do returns, so that what they wrote can be read.
// They are no RCU readers, and run where the calling thread may.
#pragma once

// Does job(arg, part) once for each part below `parts`, the first ones first. Parts are some
// 100 us of work each: few of them are worth no other thread, and the calling one does all, as
// it does without more CPUs.
void crew_do(unsigned parts, void (*job)(void *arg, unsigned part), void *arg);
