/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The work types: one of these for each, in a file for each kind of work, and the table of all. */

#include "../body/worker.h"

struct work_param {
        const char *name; /* as work.h's constructor has it; NULL: the type has no such parameter */
        uint64_t preset, max;
};

struct work_type {
        const char *name;            /* "PipeIo" */
        struct work_param params[4]; /* of p[]; none may be 0 */
        /* How many workers belong together; NULL: each is alone. work has its defaults. */
        unsigned (*team_size)(const struct ktstr_work *work);
        /* What the one with that number in its team does, of teams whose workers differ by design:
         * "messenger". Those of one role are alike, and are compared with one another alone. Static; NULL:
         * all of a team do the same. */
        const char *(*role)(unsigned team_index);
        /* Is what was asked for possible? (Parameters that do not fit, SMT that is not there.) NULL: always.
         */
        int (*validate)(const struct ktstr_work *work, const struct ktstr_topo *topo,
                        struct kt_error *reterr);
        size_t (*shared_size)(const struct ktstr_work *work); /* of a team; NULL: none */
        /* Once a team, in the body, right before its workers are forked: pipes and the like. Fills *ret
         * (malloced) with n. The body closes its own once this team's workers are forked and before the next
         * team's: a pipe of which others have the ends would not tell that the partner is gone. NULL: none.
         */
        int (*open_fds)(const struct ktstr_work *work, int **ret, unsigned *ret_n, struct kt_error *reterr);
        /* In the worker. Never returns. It may leave children in its process group, and cgroups below its
         * own cgroup_dir (CgroupChurn makes two): the body kills the group, and removes the cgroup with all
         * that is below it. */
        void (*run)(struct ktstr_worker *w);
        /* It may not have a policy of its own given (it sets one itself): PolicyChurn, PreemptStorm … */
        bool sets_policy;
};

/* NULL: none of the enum. KTSTR_WORK_UNSET is CpuSpin, KTSTR_WORK_CUSTOM runs work->func. */
const struct work_type *work_type_of(enum ktstr_work_type type);

/* By PascalCase name; NULL: none. Sequence and Custom cannot be named. */
const struct work_type *work_type_find(const char *name);

/* A copy with unset parameters filled in. */
struct ktstr_work work_with_defaults(const struct ktstr_work *work);

/* n workers of this: parameters in range, the topology (NULL: not known yet) fit for it, n divisible
 * ("PipeIo requires num_workers divisible by 2, got 3").
 */
int work_check(const struct ktstr_work *work, unsigned n, const struct ktstr_topo *topo,
               struct kt_error *reterr);
