/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Memory pressure, as the kernel reports it: told in time to give memory back before the kernel takes it.
 * What is watched is what systemd's memory pressure protocol names (MEMORY_PRESSURE_WATCH and
 * MEMORY_PRESSURE_WRITE, see systemd.resource-control(5)), which is the pressure in the service's own
 * cgroup; without it, the whole host's, in /proc/pressure/memory. The program has to ignore SIGPIPE.
 */

#include <uv.h>

struct pressure;

/*
 * on_pressure comes each time pressure was reported, but not sooner than a second after the last time: what
 * is reported in between comes then, as one. It may call pressure_stop().
 *
 * Not to be able to watch is no error: 0, *ret is NULL and *ret_why a malloced line that says why (this host
 * has no PSI or keeps it to root, or it was told not to watch). *ret_why is NULL otherwise. -ENOMEM.
 */
int pressure_watch(uv_loop_t *loop, void (*on_pressure)(void *userdata), void *userdata,
                   struct pressure **ret, char **ret_why);

/* Idempotent, NULL allowed. No callback comes afterwards. It frees itself on the loop. */
void pressure_stop(struct pressure *p);
