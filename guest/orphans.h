/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The agent is PID 1: whoever loses its parent becomes its child, and once ended stays, as a zombie that
 * counts as a process of its cgroup, until the agent collects it.
 */

#include <stddef.h>
#include <sys/types.h>

/* Collect all children that have ended but these n, which are collected by who started them; 0 in their
 * place is none. Quick. Where one of these has ended and is not collected yet, the rest may stay until it
 * is.
 */
void orphans_collect(const pid_t *but, size_t n);
