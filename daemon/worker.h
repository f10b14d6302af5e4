/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Blocking work off the loop: a thin wrapper over uv_queue_work. */

#include <uv.h>

/* work runs on a thread and touches only what data points at; done runs on the loop afterwards, always,
 * exactly once, also at shutdown. status is 0 or UV_ECANCELED. */
int worker_run(uv_loop_t *loop, void (*work)(void *data), void (*done)(void *data, int status), void *data);
