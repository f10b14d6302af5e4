/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>

#include "map_write.h"
#include "op.h"

static bool is_replaced_in(const struct ktstr_step *step)
{
        for (unsigned i = 0; i < step->n_ops; i++)
                if (step->ops[i].kind == KTSTR_OP_REPLACE_SCHEDULER)
                        return true;
        return false;
}

/* Is the scheduler that is there now the one that it will be written to, as far as can be told? */
static bool is_there(const struct run *r)
{
        for (unsigned i = 0; i < r->scenario->n_steps; i++)
                if (is_replaced_in(&r->scenario->steps[i]))
                        return false;
        return r->b->ctx.sched_pid > 0;
}

int op_map_write_check(const struct run *r, const struct ktstr_op *op, struct kt_error *reterr)
{
        int e = op_scheduler_check(r, op, reterr);

        if (e < 0)
                return e;
        if (!op->map_write.field)
                return kt_error_set(reterr, -EINVAL, NULL, "it does not say which global");
        if (op->map_write.at_ms)
                return kt_error_set(reterr, -EINVAL, NULL,
                                    "an operation is done at its moment, and has no .at_ms");
        return is_there(r) ? map_write_check(r->b, &op->map_write, reterr) : 0;
}

int op_map_write(struct run *r, const struct ktstr_op *op, struct kt_error *reterr)
{
        return map_write(r->b, &op->map_write, NULL, reterr);
}
