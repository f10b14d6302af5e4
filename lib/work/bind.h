/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A worker that binds itself to CPUs. */

#include "../body/worker.h"

/* The CPUs that it may use now, by its affinity within its cpuset and what is online. */
struct ktstr_cpus bind_allowed(struct ktstr_worker *w);

/* 0, or -EINVAL: it may not use that CPU (any more), or it is offline. */
int bind_to(unsigned cpu);

/* Undo: all that its cpuset allows. */
void bind_to_all(void);
