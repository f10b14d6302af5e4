/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The folder of guests' scratch. One daemon at a time has it: whoever takes it over kills what an earlier
 * one left there (guest_sweep()), which must not be the guests of one that lives.
 */

#include "../common/error.h"

/* Make path (0700) if it is missing, and take it for the life of *ret_fd: the caller's, -1 on failure.
 * -EBUSY names the daemon's next step when another has it. */
int run_dir_take(const char *path, int *ret_fd, struct kt_error *reterr);

/* Give it back, and remove it when it is empty. fd may be -1. */
void run_dir_leave(const char *path, int fd);
