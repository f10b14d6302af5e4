/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "work_type.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "types.h"

static void custom_run(struct ktstr_worker *w)
{
        w->work->func(w);
        worker_die(w, "the function of %s returned: it has to be an endless loop",
                   w->work->name ? w->work->name : "Custom");
}

static int custom_validate(const struct ktstr_work *work, const struct ktstr_topo *topo,
                           struct kt_error *reterr)
{
        if (work->func)
                return 0;
        return kt_error_set(reterr, -EINVAL, NULL, "Custom has no function: ktstr_custom(name, function)");
}

static const struct work_type custom = {.name = "Custom", .run = custom_run, .validate = custom_validate};

static const struct work_type *const table[KTSTR_WORK_MAX_] = {
        [KTSTR_WORK_UNSET] = &work_type_CPU_SPIN,
#define X(id, name, ...) [KTSTR_WORK_##id] = &work_type_##id,
#include "../include/work_types.h"
#undef X
        [KTSTR_WORK_CUSTOM] = &custom,
};

const struct work_type *work_type_of(enum ktstr_work_type type)
{
        return (unsigned)type < KTSTR_WORK_MAX_ ? table[type] : NULL;
}

const struct work_type *work_type_find(const char *name)
{
        for (unsigned i = KTSTR_WORK_UNSET + 1; i < KTSTR_WORK_MAX_; i++)
                if (i != KTSTR_WORK_SEQUENCE && i != KTSTR_WORK_CUSTOM && strcmp(table[i]->name, name) == 0)
                        return table[i];
        return NULL;
}

struct ktstr_work work_with_defaults(const struct ktstr_work *work)
{
        const struct work_type *type = work_type_of(work->type);
        struct ktstr_work ret = *work;

        if (ret.type == KTSTR_WORK_UNSET)
                ret.type = KTSTR_WORK_CPU_SPIN;
        for (unsigned i = 0; type && i < 4; i++)
                if (ret.p[i] == 0)
                        ret.p[i] = type->params[i].preset;
        return ret;
}

static int check_params(const struct work_type *type, const struct ktstr_work *work, struct kt_error *reterr)
{
        for (unsigned i = 0; i < 4; i++) {
                const struct work_param *param = &type->params[i];

                if (work->p[i] <= param->max)
                        continue;
                if (!param->name)
                        return kt_error_set(reterr, -EINVAL, NULL, "%s has no parameter p[%u], got %" PRIu64,
                                            type->name, i, work->p[i]);
                return kt_error_set(reterr, -EINVAL, NULL, "%s: %s is at most %" PRIu64 ", got %" PRIu64,
                                    type->name, param->name, param->max, work->p[i]);
        }
        return 0;
}

int work_check(const struct ktstr_work *work, unsigned n, const struct ktstr_topo *topo,
               struct kt_error *reterr)
{
        const struct work_type *type = work_type_of(work->type);
        struct ktstr_work whole;
        int r;

        if (!type)
                return kt_error_set(reterr, -EINVAL, NULL, "there is no work type %d", (int)work->type);
        whole = work_with_defaults(work);
        r = check_params(type, &whole, reterr);
        if (r >= 0 && type->validate)
                r = type->validate(&whole, topo, reterr);
        if (r < 0)
                return r;
        if (type->team_size && n % type->team_size(&whole) != 0)
                return kt_error_set(reterr, -EINVAL, NULL, "%s requires num_workers divisible by %u, got %u",
                                    type->name, type->team_size(&whole), n);
        return 0;
}
