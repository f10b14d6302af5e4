/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "thresholds.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "../proto/codec.h"
#include "../proto/errors.h"

#define DAY_MS 86400e3
#define MANY 1e15 /* what stays a whole number as a double */

/* clang-format off */
#define AT(field) offsetof(struct ktstr_checks, field)
const struct kt_threshold kt_thresholds[] = {
        {"not_starved", "not_starved", KT_THRESHOLD_SWITCH, "", 0, AT(not_starved)},
        {"isolation", "isolation", KT_THRESHOLD_SWITCH, "", 0, AT(isolation)},
        {"max_gap_ms", "gap", KT_THRESHOLD_MAX, "ms", DAY_MS, AT(max_gap_ms)},
        {"max_spread_pct", "spread", KT_THRESHOLD_MAX, "%", 100, AT(max_spread_pct)},
        {"max_throughput_cv", "throughput", KT_THRESHOLD_MAX, "", MANY, AT(max_throughput_cv)},
        {"min_work_rate", "work_rate", KT_THRESHOLD_MIN, "/s", MANY, AT(min_work_rate)},
        {"max_p99_wake_latency_ns", "wake_latency", KT_THRESHOLD_MAX, "ns", MANY, AT(max_p99_wake_latency_ns)},
        {"max_wake_latency_cv", "wake_latency_cv", KT_THRESHOLD_MAX, "", MANY, AT(max_wake_latency_cv)},
        {"min_iteration_rate", "iteration_rate", KT_THRESHOLD_MIN, "/s", MANY, AT(min_iteration_rate)},
        {"max_migration_ratio", "migration_ratio", KT_THRESHOLD_MAX, "", MANY, AT(max_migration_ratio)},
        {"min_page_locality", "page_locality", KT_THRESHOLD_MIN, "", 1, AT(min_page_locality)},
        {"max_cross_node_migration_ratio", "cross_node_migration", KT_THRESHOLD_MAX, "", MANY, AT(max_cross_node_migration_ratio)},
        {"max_slow_tier_ratio", "slow_tier", KT_THRESHOLD_MAX, "", 1, AT(max_slow_tier_ratio)},
        {"max_imbalance_ratio", NULL, KT_THRESHOLD_MAX, "", MANY, AT(max_imbalance_ratio)},
        {"max_local_dsq_depth", NULL, KT_THRESHOLD_MAX, "", MANY, AT(max_local_dsq_depth)},
        {"fail_on_stall", NULL, KT_THRESHOLD_SWITCH, "", 0, AT(fail_on_stall)},
        {"sustained_samples", NULL, KT_THRESHOLD_MAX, "", MANY, AT(sustained_samples)},
        {"max_fallback_rate", NULL, KT_THRESHOLD_MAX, "/s", MANY, AT(max_fallback_rate)},
        {"max_keep_last_rate", NULL, KT_THRESHOLD_MAX, "/s", MANY, AT(max_keep_last_rate)},
};
#undef AT
/* clang-format on */

const size_t kt_thresholds_n = KT_ARRAY_SIZE(kt_thresholds);

static enum ktstr_switch *switch_at(const struct ktstr_checks *c, const struct kt_threshold *t)
{
        return (enum ktstr_switch *)((char *)c + t->offset);
}

static double *number_at(const struct ktstr_checks *c, const struct kt_threshold *t)
{
        return (double *)((char *)c + t->offset);
}

const struct kt_threshold *kt_threshold_find(const char *name)
{
        for (size_t i = 0; i < kt_thresholds_n; i++)
                if (strcmp(kt_thresholds[i].name, name) == 0)
                        return &kt_thresholds[i];
        return NULL;
}

struct ktstr_checks kt_checks_default(bool emulated)
{
        return (struct ktstr_checks){
                .not_starved = KTSTR_ON,
                .isolation = KTSTR_ON,
                .max_gap_ms = emulated ? 3000 : 2000,
                .max_spread_pct = emulated ? 35 : 15,
                .max_imbalance_ratio = 4,
                .max_local_dsq_depth = 50,
                .fail_on_stall = KTSTR_ON,
                .sustained_samples = 5,
                .max_fallback_rate = 200,
                .max_keep_last_rate = 100,
        };
}

void kt_checks_merge(struct ktstr_checks *into, const struct ktstr_checks *over)
{
        for (size_t i = 0; i < kt_thresholds_n; i++) {
                const struct kt_threshold *t = &kt_thresholds[i];

                if (t->kind == KT_THRESHOLD_SWITCH) {
                        if (*switch_at(over, t) != KTSTR_UNSET)
                                *switch_at(into, t) = *switch_at(over, t);
                } else if (*number_at(over, t) != 0)
                        *number_at(into, t) = *number_at(over, t);
        }
}

bool kt_threshold_is_on(double value)
{
        return value > 0;
}

double kt_threshold_number(double value)
{
        return value <= KTSTR_ZERO ? 0 : value;
}

bool kt_checks_has(const struct ktstr_checks *c, const struct kt_threshold *t)
{
        if (t->kind == KT_THRESHOLD_SWITCH)
                return *switch_at(c, t) == KTSTR_ON;
        return kt_threshold_is_on(*number_at(c, t));
}

char *kt_checks_format(const struct ktstr_checks *c, const struct kt_threshold *t, char *text, size_t size)
{
        if (t->kind == KT_THRESHOLD_SWITCH) {
                static const char *const words[] = {
                        [KTSTR_UNSET] = "unset", [KTSTR_ON] = "on", [KTSTR_OFF] = "off"};

                snprintf(text, size, "%s", words[*switch_at(c, t)]);
        } else {
                double value = *number_at(c, t);

                if (kt_threshold_is_on(value))
                        snprintf(text, size, "%.15g%s%s", kt_threshold_number(value), *t->unit ? " " : "",
                                 t->unit);
                else
                        snprintf(text, size, "%s", value < 0 ? "off" : "unset");
        }
        return text;
}

static int bad(struct kt_error *reterr, const char *field, const char *what)
{
        return kt_error_set_field(reterr, -EINVAL, KT_E_INVALID_PARAMETER, field, "%s %s", field, what);
}

static int parse_number(struct json_object *v, const struct kt_threshold *t, double *ret,
                        struct kt_error *reterr)
{
        double n;

        if (!json_object_is_type(v, json_type_double) && !json_object_is_type(v, json_type_int))
                return bad(reterr, t->name, "is no number");
        n = json_object_get_double(v);
        /* Written so that what is no number at all is out of range too. */
        if (!(n == -1 || (n >= 0 && n <= t->max)))
                return kt_error_set_field(reterr, -EINVAL, KT_E_INVALID_PARAMETER, t->name,
                                          "%s must be from 0 to %g, or -1 for off, not %g", t->name, t->max,
                                          n);
        *ret = n < 0 ? KTSTR_NONE : n < KTSTR_ZERO ? KTSTR_ZERO : n;
        return 0;
}

int kt_checks_parse(struct json_object *o, struct ktstr_checks *ret, struct kt_error *reterr)
{
        if (!o)
                return 0;
        if (!json_object_is_type(o, json_type_object))
                return bad(reterr, "checks", "is no object");
        json_object_object_foreach (o, key, v) {
                const struct kt_threshold *t = kt_threshold_find(key);
                int r;

                if (!t)
                        return kt_error_set_field(reterr, -EINVAL, KT_E_INVALID_PARAMETER, "checks",
                                                  "there is no check '%.64s'", key);
                if (!v)
                        continue; /* null, which is absent */
                if (t->kind != KT_THRESHOLD_SWITCH) {
                        r = parse_number(v, t, number_at(ret, t), reterr);
                        if (r < 0)
                                return r;
                } else if (json_object_is_type(v, json_type_boolean))
                        *switch_at(ret, t) = json_object_get_boolean(v) ? KTSTR_ON : KTSTR_OFF;
                else
                        return bad(reterr, t->name, "is neither true nor false");
        }
        return 0;
}

struct json_object *kt_checks_json(const struct ktstr_checks *c)
{
        _cleanup_json_ struct json_object *o = json_object_new_object();
        int r = o ? 0 : -ENOMEM;

        for (size_t i = 0; r >= 0 && i < kt_thresholds_n; i++) {
                const struct kt_threshold *t = &kt_thresholds[i];

                if (t->kind == KT_THRESHOLD_SWITCH) {
                        if (*switch_at(c, t) != KTSTR_UNSET)
                                r = kt_json_add_bool(o, t->name, *switch_at(c, t) == KTSTR_ON);
                } else if (*number_at(c, t) != 0)
                        r = kt_json_add_double(o, t->name,
                                               *number_at(c, t) < 0 ? -1
                                                                    : kt_threshold_number(*number_at(c, t)));
        }
        return r < 0 ? NULL : TAKE_PTR(o);
}
