/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "op.h"

#include <errno.h>

static int op_call_check(const struct run *r, const struct ktstr_op *op, struct kt_error *reterr)
{
        return op->call ? 0 : kt_error_set(reterr, -EINVAL, NULL, "there is no function to call");
}

/* The author's own function, which says itself why it ends the scenario. */
static int op_call(struct run *r, const struct ktstr_op *op, struct kt_error *reterr)
{
        r->said = op->call(&r->b->ctx);
        return r->said == KTSTR_PASS ? 0 : RUN_SAID;
}

static const struct {
        const char *name;
        op_func func;
        unsigned n_cgroups; /* that it has to name: its cgroup, and where to */
        op_check_func check;
} ops[] = {
        [KTSTR_OP_ADD_CGROUP] = {"add_cgroup", op_add_cgroup},
        [KTSTR_OP_REMOVE_CGROUP] = {"remove_cgroup", op_remove_cgroup, 1},
        [KTSTR_OP_STOP_CGROUP] = {"stop_cgroup", op_stop_cgroup, 1},
        [KTSTR_OP_SET_CPUSET] = {"set_cpuset", op_set_cpuset, 1},
        [KTSTR_OP_CLEAR_CPUSET] = {"clear_cpuset", op_clear_cpuset, 1},
        [KTSTR_OP_SWAP_CPUSETS] = {"swap_cpusets", op_swap_cpusets, 2},
        [KTSTR_OP_SPAWN] = {"spawn", op_spawn, 1},
        [KTSTR_OP_SPAWN_HOST] = {"spawn_host", op_spawn_host},
        [KTSTR_OP_SET_AFFINITY] = {"set_affinity", op_set_affinity, 1},
        [KTSTR_OP_MOVE_ALL_TASKS] = {"move_all_tasks", op_move_all_tasks, 2},
        [KTSTR_OP_FREEZE_CGROUP] = {"freeze_cgroup", op_freeze_cgroup, 1},
        [KTSTR_OP_THAW_CGROUP] = {"thaw_cgroup", op_thaw_cgroup, 1},
        [KTSTR_OP_RUN_PAYLOAD] = {"run_payload", op_run_payload, 0, op_payload_check},
        [KTSTR_OP_WAIT_PAYLOAD] = {"wait_payload", op_wait_payload, 0, op_payload_check},
        [KTSTR_OP_KILL_PAYLOAD] = {"kill_payload", op_kill_payload, 0, op_payload_check},
        [KTSTR_OP_CPU_OFFLINE] = {"cpu_offline", op_cpu_offline, 0, op_cpu_offline_check},
        [KTSTR_OP_CPU_ONLINE] = {"cpu_online", op_cpu_online, 0, op_cpu_online_check},
        [KTSTR_OP_CPU_STORM] = {"cpu_storm", op_cpu_storm},
        [KTSTR_OP_DETACH_SCHEDULER] = {"detach_scheduler", op_detach_scheduler, 0, op_scheduler_check},
        [KTSTR_OP_ATTACH_SCHEDULER] = {"attach_scheduler", op_attach_scheduler, 0, op_scheduler_check},
        [KTSTR_OP_RESTART_SCHEDULER] = {"restart_scheduler", op_restart_scheduler, 0, op_scheduler_check},
        [KTSTR_OP_REPLACE_SCHEDULER] = {"replace_scheduler", op_replace_scheduler, 0,
                                        op_replace_scheduler_check},
        [KTSTR_OP_MAP_WRITE] = {"map_write", op_map_write, 0, op_map_write_check},
        [KTSTR_OP_CALL] = {"call", op_call, 0, op_call_check},
};

static bool is_known(const struct ktstr_op *op)
{
        return (unsigned)op->kind < KT_ARRAY_SIZE(ops) && ops[op->kind].func;
}

const char *op_name(const struct ktstr_op *op)
{
        return is_known(op) ? ops[op->kind].name : "?";
}

static int check(const struct run *r, const struct ktstr_op *op, struct kt_error *reterr)
{
        if ((ops[op->kind].n_cgroups >= 1 && !op->cgroup) || (ops[op->kind].n_cgroups >= 2 && !op->to))
                return kt_error_set(reterr, -EINVAL, NULL, "it does not say which cgroup");
        return ops[op->kind].check ? ops[op->kind].check(r, op, reterr) : 0;
}

int op_check(const struct run *r, const struct ktstr_op *op, struct kt_error *reterr)
{
        int e;

        if (!is_known(op))
                return kt_error_set(reterr, -EINVAL, NULL, "there is no operation %d", (int)op->kind);
        e = check(r, op, reterr);
        if (e < 0)
                kt_error_prefix(reterr, "%s", op_name(op));
        return e;
}

int op_run(struct run *r, const struct ktstr_op *op, struct kt_error *reterr)
{
        int e;

        if (conversation_over(&r->b->talk))
                return RUN_OVER;
        e = ops[op->kind].func(r, op, reterr);
        if (e < 0 && e != RUN_OVER && e != RUN_SAID)
                kt_error_prefix(reterr, "%s", op_name(op));
        return e;
}
