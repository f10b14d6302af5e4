/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>

#include "op.h"
#include "payload.h"

int op_payload_check(const struct run *r, const struct ktstr_op *op, struct kt_error *reterr)
{
        if (!op->payload)
                return kt_error_set(reterr, -EINVAL, NULL, "it does not say which payload");
        return 0;
}

/* Its checks are the test's, but end nothing; what the test cannot have does. */
static int take_outcome(struct run *r, enum ktstr_outcome outcome)
{
        r->payloads = ktstr_worse(r->payloads, outcome);
        r->said = outcome;
        return outcome == KTSTR_ERROR ? RUN_SAID : 0;
}

static int find(struct run *r, const struct ktstr_op *op, struct ktstr_payload_handle **ret,
                struct kt_error *reterr)
{
        *ret = payload_find(r->b, op->payload, op->cgroup);
        if (!*ret)
                return kt_error_set(reterr, -ENOENT, NULL, "payload %s does not run%s%s", op->payload->name,
                                    op->cgroup ? " in cgroup " : "", op->cgroup ?: "");
        return 0;
}

int op_run_payload(struct run *r, const struct ktstr_op *op, struct kt_error *reterr)
{
        return payload_start(r->b, op->payload, op->cgroup, NULL, NULL, reterr);
}

int op_wait_payload(struct run *r, const struct ktstr_op *op, struct kt_error *reterr)
{
        struct ktstr_payload_handle *h;
        int e = find(r, op, &h, reterr);

        return e < 0 ? e : take_outcome(r, payload_finish(h, op->ms));
}

int op_kill_payload(struct run *r, const struct ktstr_op *op, struct kt_error *reterr)
{
        struct ktstr_payload_handle *h;
        int e = find(r, op, &h, reterr);

        return e < 0 ? e : take_outcome(r, payload_end(h));
}
