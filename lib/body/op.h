/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The operations of ktstr.h, each what its constructor there says. */

#include "run.h"

typedef int (*op_func)(struct run *r, const struct ktstr_op *op, struct kt_error *reterr);
typedef int (*op_check_func)(const struct run *r, const struct ktstr_op *op, struct kt_error *reterr);

/* Is it one that there is, and does it name what it needs, as far as that can be told without doing what
 * comes before it? 0, or -errno with the operation in front. Its definitions are plan.h's. */
int op_check(const struct run *r, const struct ktstr_op *op, struct kt_error *reterr);

/* Do one that op_check() has passed. Errors as run.h has them, with the operation in front. */
int op_run(struct run *r, const struct ktstr_op *op, struct kt_error *reterr);

/* "add_cgroup"; static. */
const char *op_name(const struct ktstr_op *op);

/* op_cgroup.c */
int op_add_cgroup(struct run *r, const struct ktstr_op *op, struct kt_error *reterr);
int op_remove_cgroup(struct run *r, const struct ktstr_op *op, struct kt_error *reterr);
int op_stop_cgroup(struct run *r, const struct ktstr_op *op, struct kt_error *reterr);
int op_set_cpuset(struct run *r, const struct ktstr_op *op, struct kt_error *reterr);
int op_clear_cpuset(struct run *r, const struct ktstr_op *op, struct kt_error *reterr);
int op_swap_cpusets(struct run *r, const struct ktstr_op *op, struct kt_error *reterr);

/* op_freeze.c */
int op_freeze_cgroup(struct run *r, const struct ktstr_op *op, struct kt_error *reterr);
int op_thaw_cgroup(struct run *r, const struct ktstr_op *op, struct kt_error *reterr);

/* op_tasks.c */
int op_spawn(struct run *r, const struct ktstr_op *op, struct kt_error *reterr);
int op_spawn_host(struct run *r, const struct ktstr_op *op, struct kt_error *reterr);
int op_set_affinity(struct run *r, const struct ktstr_op *op, struct kt_error *reterr);
int op_move_all_tasks(struct run *r, const struct ktstr_op *op, struct kt_error *reterr);

/* op_cpu.c */
int op_cpu_offline(struct run *r, const struct ktstr_op *op, struct kt_error *reterr);
int op_cpu_online(struct run *r, const struct ktstr_op *op, struct kt_error *reterr);
int op_cpu_storm(struct run *r, const struct ktstr_op *op, struct kt_error *reterr);
int op_cpu_offline_check(const struct run *r, const struct ktstr_op *op, struct kt_error *reterr);
int op_cpu_online_check(const struct run *r, const struct ktstr_op *op, struct kt_error *reterr);

/* op_map.c */
int op_map_write(struct run *r, const struct ktstr_op *op, struct kt_error *reterr);
int op_map_write_check(const struct run *r, const struct ktstr_op *op, struct kt_error *reterr);

/* op_payload.c */
int op_run_payload(struct run *r, const struct ktstr_op *op, struct kt_error *reterr);
int op_wait_payload(struct run *r, const struct ktstr_op *op, struct kt_error *reterr);
int op_kill_payload(struct run *r, const struct ktstr_op *op, struct kt_error *reterr);
int op_payload_check(const struct run *r, const struct ktstr_op *op, struct kt_error *reterr);

/* op_scheduler.c */
int op_detach_scheduler(struct run *r, const struct ktstr_op *op, struct kt_error *reterr);
int op_attach_scheduler(struct run *r, const struct ktstr_op *op, struct kt_error *reterr);
int op_restart_scheduler(struct run *r, const struct ktstr_op *op, struct kt_error *reterr);
int op_replace_scheduler(struct run *r, const struct ktstr_op *op, struct kt_error *reterr);
int op_scheduler_check(const struct run *r, const struct ktstr_op *op, struct kt_error *reterr);
int op_replace_scheduler_check(const struct run *r, const struct ktstr_op *op, struct kt_error *reterr);
