/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "request.h"

#include "../proto/codec.h"
#include "../proto/limits.h"
#include "connect.h"
#include "units.h"

/* Both are taken out again by request_kernels(). */
static int add_kernel(const struct verb *v, const char *spec, struct json_object *params)
{
        _cleanup_(kt_error_done) struct kt_error err = KT_ERROR_INIT;
        struct kernel_choice c = {.specs = kt_json_get(params, "kernels")};
        bool first = !c.specs;

        if (kernel_choice_add(&c, spec, &err) < 0)
                return client_tell(v, &err);
        if (first)
                kt_json_add(params, "kernels", c.specs);
        return 1;
}

int request_kernels(const struct verb *v, struct json_object *params, struct kernel_choice *ret)
{
        _cleanup_(kt_error_done) struct kt_error err = KT_ERROR_INIT;

        *ret = (struct kernel_choice){.specs = json_object_get(kt_json_get(params, "kernels")),
                                      .fetch = kt_json_bool(params, "fetch", false)};
        json_object_object_del(params, "kernels");
        json_object_object_del(params, "fetch");
        return kernel_choice_add_default(ret, &err) < 0 ? client_tell(v, &err) : 0;
}

int request_one_kernel(const struct verb *v, const struct globals *g, struct json_object *params)
{
        _cleanup_(kernel_choice_done) struct kernel_choice c = {};
        int status;

        if (kt_json_get(params, "kernel"))
                return 0;
        status = request_kernels(v, params, &c);
        if (!status)
                (void)kernel_choice_one(&c, v, g, params, &status);
        return status;
}

static int add_cpu_cap(const struct verb *v, const char *value, struct json_object *params)
{
        int64_t n;

        if (parse_number(value, 0, KT_HOST_CPUS_MAX, &n) < 0)
                return verb_usage_error(v, "--cpu-cap: '%s' is no number from 1 to %d", value,
                                        KT_HOST_CPUS_MAX);
        if (n == 0)
                return verb_usage_error(v, "--cpu-cap must be ≥ 1 CPU (got 0)");
        kt_json_add_int(params, "cpu_budget", n);
        return 1;
}

int request_option(const struct verb *v, int opt, const char *value, struct json_object *params)
{
        int64_t n;

        switch (opt) {
        case OPT_REQUEST_KERNEL:
                return add_kernel(v, value, params);
        case OPT_REQUEST_FETCH:
                kt_json_add_bool(params, "fetch", true);
                return 1;
        case OPT_REQUEST_TOPOLOGY:
                kt_json_add_str(params, "topology", value);
                return 1;
        case OPT_REQUEST_ACCEL:
                kt_json_add_str(params, "accel", value);
                return 1;
        case OPT_REQUEST_PRIORITY:
                kt_json_add_str(params, "priority", value);
                return 1;
        case OPT_REQUEST_MEMORY:
                if (parse_size(value, &n) < 0)
                        return verb_usage_error(v, "--memory: '%s' is no size like 512M or 2G", value);
                kt_json_add_int(params, "memory_mib", n);
                return 1;
        case OPT_REQUEST_TIMEOUT:
                if (parse_duration(value, &n) < 0)
                        return verb_usage_error(v, "--timeout: '%s' is no time like 90s or 5m, up to a day",
                                                value);
                kt_json_add_int(params, "timeout_ms", n);
                return 1;
        case OPT_REQUEST_SEED:
                if (parse_number(value, 0, INT64_MAX, &n) < 0)
                        return verb_usage_error(v, "--seed: '%s' is no number from 0 to %lld", value,
                                                (long long)INT64_MAX);
                kt_json_add_int(params, "seed", n);
                return 1;
        case OPT_REQUEST_CPU_CAP:
                return add_cpu_cap(v, value, params);
        default:
                return 0;
        }
}
