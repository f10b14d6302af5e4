/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "limits.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define PERIOD_US 100000

/* A number of the definition that is written as it is. */
struct limit {
        const char *field, *file, *controller;
        int64_t value, min, max;
};

#define LIMITS_MAX 8

/* Those of a definition. Unset is 0, KTSTR_NONE: none. */
static size_t limits_of(const struct ktstr_cgroup *def, struct limit ret[LIMITS_MAX])
{
        const struct limit all[] = {
                {"cpu_weight", "cpu.weight", "cpu", def->cpu_weight, 1, 10000},
                {"memory_max", "memory.max", "memory", def->memory_max, 1, INT64_MAX},
                {"memory_high", "memory.high", "memory", def->memory_high, 1, INT64_MAX},
                {"memory_low", "memory.low", "memory", def->memory_low, 1, INT64_MAX},
                {"memory_swap_max", "memory.swap.max", "memory", def->memory_swap_max, 1, INT64_MAX},
                {"io_weight", "io.weight", "io", def->io_weight, 1, 10000},
                {"pids_max", "pids.max", "pids", def->pids_max, 1, INT64_MAX},
        };
        size_t n = 0;

        for (size_t i = 0; i < KT_ARRAY_SIZE(all); i++)
                if (all[i].value != 0 && all[i].value != KTSTR_NONE)
                        ret[n++] = all[i];
        return n;
}

static int check_cpu_max(const struct ktstr_cgroup *def, struct kt_error *reterr)
{
        int quota = def->cpu_max_quota_us, period = def->cpu_max_period_us ?: PERIOD_US;

        if (quota == 0 && def->cpu_max_period_us != 0)
                return kt_error_set(reterr, -EINVAL, NULL, "cpu_max_period_us without cpu_max_quota_us");
        if (quota == 0 || quota == KTSTR_NONE)
                return 0;
        if (quota < 1000)
                return kt_error_set(reterr, -EINVAL, NULL, "cpu_max_quota_us is 1000 or more, got %d",
                                    quota);
        if (period < 1000 || period > 1000000)
                return kt_error_set(reterr, -EINVAL, NULL,
                                    "cpu_max_period_us is from 1000 to 1000000, got %d", period);
        return 0;
}

int limits_check(const struct ktstr_cgroup *def, struct kt_error *reterr)
{
        struct limit limits[LIMITS_MAX];
        size_t n = limits_of(def, limits);

        for (size_t i = 0; i < n; i++) {
                const struct limit *l = &limits[i];

                if (l->value >= l->min && l->value <= l->max)
                        continue;
                if (l->max == INT64_MAX)
                        return kt_error_set(reterr, -EINVAL, NULL, "%s is %lld or more, got %lld", l->field,
                                            (long long)l->min, (long long)l->value);
                return kt_error_set(reterr, -EINVAL, NULL, "%s is from %lld to %lld, got %lld", l->field,
                                    (long long)l->min, (long long)l->max, (long long)l->value);
        }
        return check_cpu_max(def, reterr);
}

static int put(struct sysfs_writer *s, const char *dir, const char *controller, const char *file,
               const char *text, struct kt_error *reterr)
{
        int r = cgroup_enable(s, dir, controller, reterr);

        return r < 0 ? r : cgroup_write(s, dir, file, text, reterr);
}

int limits_apply(struct sysfs_writer *s, const char *dir, const struct ktstr_cgroup *def,
                 struct kt_error *reterr)
{
        struct limit limits[LIMITS_MAX];
        size_t n = limits_of(def, limits);
        char text[64];
        int r = 0;

        if (def->cpu_max_quota_us > 0) {
                snprintf(text, sizeof(text), "%d %d", def->cpu_max_quota_us,
                         def->cpu_max_period_us ?: PERIOD_US);
                r = put(s, dir, "cpu", "cpu.max", text, reterr);
        }
        for (size_t i = 0; r >= 0 && i < n; i++) {
                if (strcmp(limits[i].controller, "io") == 0)
                        snprintf(text, sizeof(text), "default %lld", (long long)limits[i].value);
                else
                        snprintf(text, sizeof(text), "%lld", (long long)limits[i].value);
                r = put(s, dir, limits[i].controller, limits[i].file, text, reterr);
        }
        return r;
}
