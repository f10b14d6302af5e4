/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "op.h"

#include <errno.h>

/* The author's own function, which says itself why it ends the scenario. */
static int op_call(struct run *r, const struct ktstr_op *op, struct kt_error *reterr)
{
        if (!op->call)
                return kt_error_set(reterr, -EINVAL, NULL, "there is no function to call");
        r->said = op->call(&r->b->ctx);
        return r->said == KTSTR_PASS ? 0 : RUN_SAID;
}

static const struct {
        const char *name;
        op_func func;
} ops[] = {
        [KTSTR_OP_ADD_CGROUP] = {"add_cgroup", op_add_cgroup},
        [KTSTR_OP_REMOVE_CGROUP] = {"remove_cgroup", op_remove_cgroup},
        [KTSTR_OP_STOP_CGROUP] = {"stop_cgroup", op_stop_cgroup},
        [KTSTR_OP_SET_CPUSET] = {"set_cpuset", op_set_cpuset},
        [KTSTR_OP_CLEAR_CPUSET] = {"clear_cpuset", op_clear_cpuset},
        [KTSTR_OP_SWAP_CPUSETS] = {"swap_cpusets", op_swap_cpusets},
        [KTSTR_OP_SPAWN] = {"spawn", op_spawn},
        [KTSTR_OP_SPAWN_HOST] = {"spawn_host", op_spawn_host},
        [KTSTR_OP_SET_AFFINITY] = {"set_affinity", op_set_affinity},
        [KTSTR_OP_MOVE_ALL_TASKS] = {"move_all_tasks", op_move_all_tasks},
        [KTSTR_OP_FREEZE_CGROUP] = {"freeze_cgroup", op_freeze_cgroup},
        [KTSTR_OP_THAW_CGROUP] = {"thaw_cgroup", op_thaw_cgroup},
        [KTSTR_OP_RUN_PAYLOAD] = {"run_payload", op_run_payload},
        [KTSTR_OP_WAIT_PAYLOAD] = {"wait_payload", op_wait_payload},
        [KTSTR_OP_KILL_PAYLOAD] = {"kill_payload", op_kill_payload},
        [KTSTR_OP_CPU_OFFLINE] = {"cpu_offline", op_cpu_offline},
        [KTSTR_OP_CPU_ONLINE] = {"cpu_online", op_cpu_online},
        [KTSTR_OP_CPU_STORM] = {"cpu_storm", op_cpu_storm},
        [KTSTR_OP_DETACH_SCHEDULER] = {"detach_scheduler", op_detach_scheduler},
        [KTSTR_OP_ATTACH_SCHEDULER] = {"attach_scheduler", op_attach_scheduler},
        [KTSTR_OP_RESTART_SCHEDULER] = {"restart_scheduler", op_restart_scheduler},
        [KTSTR_OP_REPLACE_SCHEDULER] = {"replace_scheduler", op_replace_scheduler},
        [KTSTR_OP_CALL] = {"call", op_call},
};

int op_run(struct run *r, const struct ktstr_op *op, struct kt_error *reterr)
{
        int e;

        if ((unsigned)op->kind >= KT_ARRAY_SIZE(ops) || !ops[op->kind].func)
                return kt_error_set(reterr, -EINVAL, NULL, "there is no operation %d", (int)op->kind);
        if (conversation_over(&r->b->talk))
                return RUN_OVER;
        e = ops[op->kind].func(r, op, reterr);
        if (e < 0 && e != RUN_OVER && e != RUN_SAID)
                kt_error_prefix(reterr, "%s", ops[op->kind].name);
        return e;
}
