/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "job_setting.h"

#include <errno.h>
#include <string.h>

#include "../common/fsutil.h"
#include "../lib/thresholds.h"
#include "../proto/codec.h"
#include "../proto/errors.h"
#include "../proto/function_name.h"
#include "../proto/limits.h"
#include "../proto/kargs.h"
#include "job_files.h"

/* Of the kernel's COMMAND_LINE_SIZE (2048) the daemon itself needs some 400. */
#define KARGS_BYTES_MAX 1024
#define CGROUP_PARENT_BYTES_MAX 200

static int oom(struct kt_error *reterr)
{
        return kt_error_set(reterr, -ENOMEM, KT_E_INTERNAL, "out of memory");
}

static int bad(struct kt_error *reterr, const char *field, const char *fmt, ...)
        __attribute__((format(printf, 3, 4)));

static int bad(struct kt_error *reterr, const char *field, const char *fmt, ...)
{
        va_list ap;
        int r;

        va_start(ap, fmt);
        r = kt_error_setv_field(reterr, -EINVAL, KT_E_INVALID_PARAMETER, field, fmt, ap);
        va_end(ap);
        return r;
}

static int take_kargs(struct json_object *array, struct job_spec *spec, struct kt_error *reterr)
{
        size_t bytes = 0;
        int r;

        if (!array || json_object_array_length(array) == 0)
                return 0;
        r = job_strings_take(array, &spec->kargs, reterr);
        for (size_t i = 0; r >= 0 && spec->kargs[i]; i++) {
                _cleanup_(kt_error_done) struct kt_error err = KT_ERROR_INIT;

                bytes += strlen(spec->kargs[i]) + 1;
                if (kt_karg_check(spec->kargs[i], &err) < 0)
                        r = bad(reterr, "kargs", "kargs[%zu]: %s", i, kt_error_text(&err));
        }
        if (r >= 0 && bytes > KARGS_BYTES_MAX)
                r = bad(reterr, "kargs", "kargs are %zu bytes together, at most %d fit", bytes,
                        KARGS_BYTES_MAX);
        return r;
}

/* "kernel.sched_autogroup_enabled", also with slashes for dots; it becomes a path below /proc/sys. */
static bool sysctl_key_is_sound(const char *key)
{
        static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./";

        if (!*key || strlen(key) > KT_SYSCTL_BYTES_MAX || key[strspn(key, allowed)])
                return false;
        /* No part is empty: there is no "..", and it begins and ends with a name. */
        for (const char *p = key; *p;) {
                size_t len = strcspn(p, "./");

                if (len == 0 || (p[len] && !p[len + 1]))
                        return false;
                p += len + (p[len] != '\0');
        }
        return true;
}

static int take_sysctls(struct json_object *array, struct job_spec *spec, struct kt_error *reterr)
{
        size_t n = array ? json_object_array_length(array) : 0;

        if (n > KT_SYSCTLS_MAX)
                return bad(reterr, "sysctls", "%zu sysctls, at most %d are set", n, KT_SYSCTLS_MAX);
        spec->sysctls = n ? calloc(n, sizeof(*spec->sysctls)) : NULL;
        if (n && !spec->sysctls)
                return oom(reterr);
        for (size_t i = 0; i < n; i++) {
                struct json_object *o = json_object_array_get_idx(array, i);
                const char *key = kt_json_str(o, "key"), *value = kt_json_str(o, "value");

                if (!sysctl_key_is_sound(key))
                        return bad(reterr, "sysctls", "sysctls[%zu].key '%s' is no name like kernel.panic",
                                   i, key);
                if (strlen(value) > KT_SYSCTL_BYTES_MAX || strpbrk(value, "\n\r"))
                        return bad(reterr, "sysctls", "sysctls[%zu].value, of %s, is no single short line",
                                   i, key);
                spec->sysctls[i] = (struct job_sysctl){strdup(key), strdup(value)};
                spec->n_sysctls = i + 1;
                if (!spec->sysctls[i].key || !spec->sysctls[i].value)
                        return oom(reterr);
        }
        return 0;
}

static int take_cgroup_parent(const char *path, struct job_spec *spec, struct kt_error *reterr)
{
        if (!path)
                return 0;
        if (!job_path_is_normal(path) || strlen(path) > CGROUP_PARENT_BYTES_MAX || strpbrk(path, "\n\r"))
                return bad(reterr, "cgroup_parent",
                           "cgroup_parent '%s' must start with '/', name a cgroup, and be without '.' and "
                           "'..'",
                           path);
        spec->cgroup_parent = strdup(path);
        return spec->cgroup_parent ? 0 : oom(reterr);
}

static int take_checks(struct json_object *o, struct job_spec *spec, struct kt_error *reterr)
{
        _cleanup_(kt_error_done) struct kt_error err = KT_ERROR_INIT;

        if (kt_checks_parse(o, &spec->checks, &err) < 0)
                return bad(reterr, "checks", "checks: %s", kt_error_text(&err));
        return 0;
}

static int take_expect(struct json_object *o, struct job_spec *spec, struct kt_error *reterr)
{
        const char *contains = o ? kt_json_str(o, "contains") : NULL,
                   *matches = o ? kt_json_str(o, "matches") : NULL;

        if (!o)
                return 0;
        spec->expect = (struct expect){.error = kt_json_bool(o, "error", false),
                                       .contains = contains ? strdup(contains) : NULL,
                                       .matches = matches ? strdup(matches) : NULL};
        if ((contains && !spec->expect.contains) || (matches && !spec->expect.matches))
                return oom(reterr);
        if (spec->expect.error && !spec->sched_name)
                return bad(reterr, "expect", "expect.error is of a scheduler, and there is none");
        return expect_check(&spec->expect, reterr);
}

static int take_watchdog(struct json_object *o, struct job_spec *spec, struct kt_error *reterr)
{
        const bool by_default = o && !kt_json_get(o, "timeout_ms");
        int64_t timeout_ms = o ? kt_json_int(o, "timeout_ms", 0) : 0;

        if (!o)
                return 0;
        if (by_default && !kt_json_bool(o, "at_most", true))
                return bad(reterr, "watchdog",
                           "watchdog.at_most is false, and there is no watchdog.timeout_ms to be set");
        if (!by_default && (timeout_ms < 1 || timeout_ms > KT_SCX_TIMEOUT_MAX_MS))
                return bad(reterr, "watchdog",
                           "watchdog.timeout_ms (--watchdog-timeout) must be from 1 to %u, not %lld",
                           KT_SCX_TIMEOUT_MAX_MS, (long long)timeout_ms);
        if (!spec->sched_name)
                return bad(reterr, "watchdog",
                           "watchdog.timeout_ms (--watchdog-timeout) is of a scheduler, and there is none");
        spec->watchdog = (struct job_watchdog){.timeout_ms = (uint32_t)timeout_ms,
                                               .at_most = kt_json_bool(o, "at_most", by_default),
                                               .by_default = by_default};
        return 0;
}

static int take_host_cpus(struct json_object *parameters, struct job_spec *spec, struct kt_error *reterr)
{
        const bool budget = kt_json_get(parameters, "cpu_budget");
        const int64_t n = kt_json_int(parameters, "cpu_budget", 0);

        spec->performance_mode = kt_json_bool(parameters, "performance_mode", false);
        if (budget && n < 1)
                return bad(reterr, "cpu_budget", "--cpu-cap must be ≥ 1 CPU (got %lld)", (long long)n);
        if (n > KT_HOST_CPUS_MAX)
                return bad(reterr, "cpu_budget", "cpu_budget (--cpu-cap) must be from 1 to %d, not %lld",
                           KT_HOST_CPUS_MAX, (long long)n);
        if (budget && spec->performance_mode)
                return bad(reterr, "cpu_budget",
                           "cpu_budget (--cpu-cap) is for a job that shares the host, and in "
                           "performance_mode (--perf-mode) it has all of it: leave out one");
        spec->cpu_budget = (unsigned)n;
        return 0;
}

static int take_trace_functions(struct json_object *array, struct job_spec *spec, struct kt_error *reterr)
{
        const size_t n = array ? json_object_array_length(array) : 0;

        if (n > 0 && !spec->trace)
                return bad(reterr, "trace_functions",
                           "trace_functions are of a trace, and none is asked for");
        if (n > KT_TRACE_FUNCTIONS_MAX)
                return bad(reterr, "trace_functions", "%zu trace_functions, at most %d are probed", n,
                           KT_TRACE_FUNCTIONS_MAX);
        spec->trace_functions = n ? calloc(n + 1, sizeof(char *)) : NULL;
        if (n && !spec->trace_functions)
                return oom(reterr);
        for (size_t i = 0; i < n; i++) {
                const char *name = json_object_get_string(json_object_array_get_idx(array, i));

                if (!kt_function_name_is_sound(name, strlen(name)))
                        return bad(reterr, "trace_functions",
                                   "trace_functions[%zu] is no name of a function like do_enqueue_task", i);
                spec->trace_functions[i] = strdup(name);
                if (!spec->trace_functions[i])
                        return oom(reterr);
        }
        return 0;
}

static int take_trace(struct json_object *parameters, struct job_spec *spec, struct kt_error *reterr)
{
        spec->trace = kt_json_bool(parameters, "trace", false);
        if (spec->trace && !spec->sched_name)
                return bad(reterr, "trace", "trace (--trace) ends with a scheduler, and there is none");
        return take_trace_functions(kt_json_get(parameters, "trace_functions"), spec, reterr);
}

int job_setting_take(struct json_object *parameters, struct job_spec *spec, struct kt_error *reterr)
{
        int r = take_kargs(kt_json_get(parameters, "kargs"), spec, reterr);

        if (r >= 0)
                r = take_sysctls(kt_json_get(parameters, "sysctls"), spec, reterr);
        if (r >= 0)
                r = take_cgroup_parent(kt_json_str(parameters, "cgroup_parent"), spec, reterr);
        if (r >= 0)
                r = take_checks(kt_json_get(parameters, "checks"), spec, reterr);
        if (r >= 0)
                r = take_host_cpus(parameters, spec, reterr);
        if (r >= 0)
                r = take_trace(parameters, spec, reterr);
        if (r >= 0)
                r = take_watchdog(kt_json_get(parameters, "watchdog"), spec, reterr);
        return r < 0 ? r : take_expect(kt_json_get(parameters, "expect"), spec, reterr);
}
