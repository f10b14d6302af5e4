/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Two workers that exchange a byte over two pipes. */

#include "../body/worker.h"

/* For a type's table entry. */
unsigned exchange_team_size(const struct ktstr_work *work);
int exchange_open_fds(const struct ktstr_work *work, int **ret, unsigned *ret_n, struct kt_error *reterr);

/* In the worker, first: leave it its own ends only, so that a partner who is gone is seen. */
void exchange_begin(struct ktstr_worker *w);

/* Give the partner a byte and wait for one of it. */
void exchange(struct ktstr_worker *w);
