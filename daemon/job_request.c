/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "job_request.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../common/distance.h"
#include "../common/seed.h"
#include "../proto/codec.h"
#include "../proto/errors.h"
#include "../proto/limits.h"
#include "accel.h"
#include "job_files.h"
#include "job_setting.h"

#define DEFAULT_TOPOLOGY "1n1l2c1t"
#define DEFAULT_SCENARIO "steady"
#define DEFAULT_DURATION_MS 5000
#define DEFAULT_WORKERS 2
#define DEFAULT_TIMEOUT_MS 120000
#define LABEL_BYTES_MAX 512

static int oom(struct kt_error *reterr)
{
        return kt_error_set(reterr, -ENOMEM, KT_E_INTERNAL, "out of memory");
}

/* A copy of an optional string; *ret stays NULL when it is absent. */
static int take_str(struct call *call, const char *key, char **ret, struct kt_error *reterr)
{
        const char *s = kt_json_str(call->parameters, key);

        *ret = s ? strdup(s) : NULL;
        return s && !*ret ? oom(reterr) : 0;
}

static int take_number(struct call *call, const char *key, int64_t dflt, int64_t min, int64_t max,
                       int64_t *ret, struct kt_error *reterr)
{
        int64_t n = kt_json_int(call->parameters, key, dflt);

        if (n < min || n > max)
                return kt_error_set_field(reterr, -ERANGE, KT_E_INVALID_PARAMETER, key,
                                          "%s (--%.*s) must be from %lld to %lld, not %lld", key,
                                          (int)strcspn(key, "_"), key, (long long)min, (long long)max,
                                          (long long)n);
        *ret = n;
        return 0;
}

static int take_priority(struct call *call, struct job_spec *spec, struct kt_error *reterr)
{
        const char *name = kt_json_str(call->parameters, "priority");

        spec->priority = name ? admission_priority_parse(name) : ADMISSION_NORMAL;
        if (spec->priority == ADMISSION_HIGH && !call_may_act_for(call, geteuid()))
                return kt_error_set(reterr, -EPERM, KT_E_PERMISSION_DENIED,
                                    "priority high is for root and the user that runs the daemon; leave "
                                    "--priority out, or take low");
        return 0;
}

int job_request_topology(struct call *call, struct topology *ret, struct kt_error *reterr)
{
        const char *topology = kt_json_str(call->parameters, "topology");

        return topology_parse(topology ? topology : DEFAULT_TOPOLOGY, ret, reterr);
}

int job_request_guest(struct call *call, struct job_spec *spec, struct kt_error *reterr)
{
        int64_t memory = 0;
        int r;

        spec->uid = call->uid;
        spec->gid = call->gid;
        r = job_request_topology(call, &spec->topology, reterr);
        if (r < 0)
                return r;
        r = take_number(call, "memory_mib", topology_default_memory_mib(&spec->topology), KT_MEMORY_MIN_MIB,
                        KT_MEMORY_MAX_MIB, &memory, reterr);
        if (r < 0)
                return r;
        spec->memory_mib = (unsigned)memory;
        r = take_str(call, "kernel", &spec->kernel, reterr);
        return r < 0 ? r : take_str(call, "accel", &spec->accel, reterr);
}

/* What both kinds of job have. */
static int take_common(struct call *call, struct job_spec *spec, struct kt_error *reterr)
{
        int64_t timeout = 0;
        int r = take_priority(call, spec, reterr);

        if (r >= 0)
                r = job_request_guest(call, spec, reterr);
        if (r < 0)
                return r;
        r = take_number(call, "timeout_ms", DEFAULT_TIMEOUT_MS + (int64_t)spec->duration_ms, 1,
                        KT_DURATION_MAX_MS * 2, &timeout, reterr);
        if (r < 0)
                return r;
        spec->timeout_ms = (uint64_t)timeout;
        if (spec->timeout_ms <= spec->duration_ms)
                return kt_error_set_field(
                        reterr, -EINVAL, KT_E_INVALID_PARAMETER, "timeout_ms",
                        "a timeout of %llu ms is over before a workload of %llu ms is; give it more "
                        "with --timeout, or less with --duration",
                        (unsigned long long)spec->timeout_ms, (unsigned long long)spec->duration_ms);
        return 0;
}

static const char *const scenarios[] = {
#define X(func, name, summary) name,
#include "../lib/include/scenarios.h"
#undef X
};

/* One that may have been meant; NULL: none is near. */
static const char *nearest_scenario(const char *name)
{
        struct kt_nearest nearest = kt_nearest_to(name);

        for (size_t i = 0; i < KT_ARRAY_SIZE(scenarios); i++)
                kt_nearest_offer(&nearest, scenarios[i]);
        return nearest.name;
}

static int take_scenario(struct call *call, struct job_spec *spec, struct kt_error *reterr)
{
        const char *name = kt_json_str(call->parameters, "scenario"), *meant;

        if (name && kt_json_get(call->parameters, "test"))
                return kt_error_set_field(reterr, -EINVAL, KT_E_INVALID_PARAMETER, "scenario",
                                          "a job runs either a scenario or a test");
        if (kt_json_get(call->parameters, "test"))
                return 0;
        name = name ? name : DEFAULT_SCENARIO;
        for (size_t i = 0; i < KT_ARRAY_SIZE(scenarios); i++)
                if (strcmp(scenarios[i], name) == 0) {
                        spec->scenario = strdup(name);
                        return spec->scenario ? 0 : oom(reterr);
                }
        meant = nearest_scenario(name);
        return kt_error_set_field(reterr, -EINVAL, KT_E_UNKNOWN_SCENARIO, "scenario",
                                  "no scenario '%s'%s%s%s; `ktstrctl scenarios` lists them", name,
                                  meant ? ", did you mean '" : "", meant ? meant : "", meant ? "'?" : "");
}

static int take_label(struct call *call, struct job_spec *spec, struct kt_error *reterr)
{
        const char *label = kt_json_str(call->parameters, "label");

        for (const char *p = label; p && *p; p++)
                if ((unsigned char)*p < 0x20 || *p == 0x7f || p - label >= LABEL_BYTES_MAX)
                        return kt_error_set_field(reterr, -EINVAL, KT_E_INVALID_PARAMETER, "label",
                                                  "a label is one line of at most %d bytes",
                                                  LABEL_BYTES_MAX);
        return take_str(call, "label", &spec->label, reterr);
}

/* How long, how much. */
static int take_numbers(struct call *call, struct job_spec *spec, struct kt_error *reterr)
{
        int64_t duration = 0, workers = 0, budget = 0;
        int r = take_number(call, "duration_ms", DEFAULT_DURATION_MS, 1, KT_DURATION_MAX_MS, &duration,
                            reterr);

        if (r >= 0)
                r = take_number(call, "workers", DEFAULT_WORKERS, 1, KT_WORKERS_MAX, &workers, reterr);
        if (r >= 0)
                r = take_number(call, "seed", kt_random_seed(), 0, INT64_MAX, &spec->seed, reterr);
        if (r >= 0 && kt_json_get(call->parameters, "cleanup_budget_ms"))
                r = take_number(call, "cleanup_budget_ms", 0, 1, KT_DURATION_MAX_MS, &budget, reterr);
        spec->duration_ms = (uint64_t)duration;
        spec->workers = (unsigned)workers;
        spec->cleanup_budget_ms = (uint64_t)budget;
        return r;
}

int job_request_run(struct call *call, struct job_spec *ret, struct kt_error *reterr)
{
        int r;

        ret->kind = JOB_RUN;
        r = take_scenario(call, ret, reterr);
        if (r >= 0)
                r = take_label(call, ret, reterr);
        if (r >= 0)
                r = take_numbers(call, ret, reterr);
        if (r >= 0)
                r = take_common(call, ret, reterr);
        if (r >= 0)
                r = job_files_take_scheduler(call, ret, reterr);
        if (r >= 0)
                r = job_files_take_test(call, ret, reterr);
        if (r >= 0)
                r = job_files_take(call, ret, kt_json_get(call->parameters, "files"), "files", reterr);
        return r < 0 ? r : job_setting_take(call->parameters, ret, reterr);
}

int job_request_exec(struct call *call, struct job_spec *ret, struct kt_error *reterr)
{
        int r;

        ret->kind = JOB_EXEC;
        r = take_str(call, "command", &ret->command, reterr);
        if (r < 0)
                return r;
        r = take_common(call, ret, reterr);
        return r < 0 ? r
                     : job_files_take(call, ret, kt_json_get(call->parameters, "files"), "files", reterr);
}
