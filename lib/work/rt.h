/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "../body/worker.h"

/* SCHED_FIFO 1 from here on; where that is refused the worker ends and says so. */
void rt_become(struct ktstr_worker *w);
