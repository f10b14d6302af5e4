/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "check_option.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../common/distance.h"
#include "../common/fsutil.h"
#include "../lib/thresholds.h"
#include "../proto/codec.h"
#include "../proto/errors.h"

static int unknown(const char *name, struct kt_error *reterr)
{
        struct kt_nearest nearest = kt_nearest_to(name);

        for (size_t i = 0; i < kt_thresholds_n; i++)
                kt_nearest_offer(&nearest, kt_thresholds[i].name);
        return kt_error_set(reterr, -EINVAL, KT_E_INVALID_PARAMETER,
                            "--check: there is no threshold '%s'%s%s%s", name,
                            nearest.name ? "; did you mean '" : "; ktstrctl(1) has them all",
                            nearest.name ? nearest.name : "", nearest.name ? "'?" : "");
}

/* NULL: it is no value of this one. */
static struct json_object *value_of(const struct kt_threshold *t, const char *text)
{
        double number;
        char *end;

        if (t->kind == KT_THRESHOLD_SWITCH)
                return strcmp(text, "on") == 0    ? json_object_new_boolean(true)
                       : strcmp(text, "off") == 0 ? json_object_new_boolean(false)
                                                  : NULL;
        if (strcmp(text, "off") == 0)
                return json_object_new_double(KTSTR_NONE);
        number = strtod(text, &end);
        return end != text && !*end && number >= 0 && number <= t->max ? json_object_new_double(number)
                                                                       : NULL;
}

int check_option_add(struct json_object *params, const char *text, struct kt_error *reterr)
{
        const char *equals = strchr(text, '=');
        _cleanup_free_ char *name = equals ? strndup(text, (size_t)(equals - text)) : NULL;
        const struct kt_threshold *t = name ? kt_threshold_find(name) : NULL;
        struct json_object *checks = kt_json_get(params, "checks"), *value;

        if (!equals)
                return kt_error_set(reterr, -EINVAL, KT_E_INVALID_PARAMETER,
                                    "--check: '%s' is not NAME=VALUE, as in max_gap_ms=1500", text);
        if (!t)
                return unknown(name, reterr);
        value = value_of(t, equals + 1);
        if (!value)
                return kt_error_set(reterr, -EINVAL, KT_E_INVALID_PARAMETER,
                                    "--check: %s is %s or off, not '%s'", name,
                                    t->kind == KT_THRESHOLD_SWITCH ? "on" : "a number from 0", equals + 1);
        if (!checks) {
                checks = json_object_new_object();
                kt_json_add(params, "checks", checks);
        }
        return kt_json_add(checks, name, value);
}
