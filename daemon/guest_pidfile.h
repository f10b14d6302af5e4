/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Which process belongs to a guest's folder: its pid and its start time, in the file "pid" there. */

#include <stdbool.h>
#include <sys/types.h>

int guest_pidfile_write(const char *run_dir, const char *dir_name, pid_t pid);

/* A pidfd of the process that the folder names, if that very process still runs; else -ESRCH, -EBADMSG or
 * what open(2) says. */
int guest_pidfile_open(int dir_fd);
