/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "../body/worker.h"

/* A file without a name, that is gone with the worker. */
int io_open(struct ktstr_worker *w);

/* 64 KiB written to its begin and synced, and 100 us of sleep; a progress point of one unit. */
uint64_t io_once(struct ktstr_worker *w, int fd);
