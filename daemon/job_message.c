/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "job_message.h"

#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "../lib/thresholds.h"
#include "../proto/codec.h"
#include "job.h"

/* Loading a large scheduler under emulation takes tens of seconds: scx_qmap's 100,000 verified instructions
 * 3 s on an idle host. */
#define ATTACH_TIMEOUT_MS 60000
#define STOP_TIMEOUT_MS 10000
#define SEED_SIZE 32 /* what the kernel's generator is keyed with */

static void add_seed(struct json_object *o)
{
        uint8_t seed[SEED_SIZE];
        char hex[2 * SEED_SIZE + 1];

        if (getrandom(seed, sizeof(seed), 0) != sizeof(seed))
                return;
        for (unsigned i = 0; i < SEED_SIZE; i++)
                snprintf(hex + 2 * i, 3, "%02x", seed[i]);
        kt_json_add_str(o, "seed", hex);
}

static struct json_object *strings_json(char *const *list)
{
        struct json_object *a = json_object_new_array();

        for (; list && *list; list++)
                json_object_array_add(a, json_object_new_string(*list));
        return a;
}

static struct json_object *sched_json(const struct job_spec *spec, bool emulated)
{
        const uint32_t timeout_ms = job_spec_timeout_ms(spec, emulated);
        struct json_object *o = json_object_new_object(), *argv;

        kt_json_add_str(o, "name", spec->sched_name);
        if (spec->sched_program) {
                argv = json_object_new_array();
                json_object_array_add(argv, json_object_new_string(spec->sched_program));
                for (char **a = spec->sched_args; a && *a; a++)
                        json_object_array_add(argv, json_object_new_string(*a));
                kt_json_add(o, "argv", argv);
        } else {
                kt_json_add(o, "enable", strings_json(spec->sched_enable));
                kt_json_add(o, "disable", strings_json(spec->sched_disable));
        }
        kt_json_add_int(o, "attach_timeout_ms", ATTACH_TIMEOUT_MS);
        kt_json_add_int(o, "stop_timeout_ms", STOP_TIMEOUT_MS);
        if (timeout_ms > 0) {
                struct json_object *watchdog = json_object_new_object();

                kt_json_add_int(watchdog, "timeout_ms", timeout_ms);
                kt_json_add_bool(watchdog, "at_most", spec->watchdog.at_most);
                kt_json_add(o, "watchdog", watchdog);
        }
        return o;
}

static void add_subject(struct json_object *run, const struct job_spec *spec)
{
        struct json_object *test;

        kt_json_add_str(run, "scenario", spec->scenario);
        if (!spec->test_name)
                return;
        test = json_object_new_object();
        kt_json_add_str(test, "name", spec->test_name);
        kt_json_add_str(test, "program", spec->test_program);
        kt_json_add(run, "test", test);
}

static void add_sysctls(struct json_object *run, const struct job_spec *spec)
{
        struct json_object *list = json_object_new_array();

        for (size_t i = 0; i < spec->n_sysctls; i++) {
                struct json_object *o = json_object_new_object();

                kt_json_add_str(o, "key", spec->sysctls[i].key);
                kt_json_add_str(o, "value", spec->sysctls[i].value);
                json_object_array_add(list, o);
        }
        kt_json_add(run, "sysctls", list);
}

/* For the body, of what is left of the job's time beside its workload: the other half is for the guest to
 * come and to go. */
static uint64_t body_timeout_ms(const struct job_spec *spec)
{
        return spec->duration_ms + (spec->timeout_ms - spec->duration_ms) / 2;
}

static struct json_object *run_json(const struct job_spec *spec, bool emulated)
{
        struct json_object *run = json_object_new_object();

        add_subject(run, spec);
        kt_json_add_int(run, "duration_ms", (int64_t)spec->duration_ms);
        kt_json_add_int(run, "workers", spec->workers);
        kt_json_add_int(run, "seed", spec->seed);
        kt_json_add_bool(run, "emulated", emulated);
        kt_json_add_int(run, "timeout_ms", (int64_t)body_timeout_ms(spec));
        kt_json_add(run, "checks", kt_checks_json(&spec->checks));
        add_sysctls(run, spec);
        kt_json_add_str(run, "cgroup_parent", spec->cgroup_parent);
        if (spec->trace)
                kt_json_add_bool(run, "trace", true);
        if (spec->trace_functions)
                kt_json_add(run, "trace_functions", strings_json(spec->trace_functions));
        kt_json_add_int(run, "watchdog_ms", (int64_t)job_spec_watchdog_ms(spec, emulated));
        if (spec->sched_name)
                kt_json_add(run, "sched", sched_json(spec, emulated));
        return run;
}

char *job_message(const struct job_spec *spec, const char *id, bool emulated)
{
        _cleanup_json_ struct json_object *o = json_object_new_object();
        struct timespec now;

        clock_gettime(CLOCK_REALTIME, &now);
        kt_json_add_str(o, "job", id);
        kt_json_add_int(o, "wall_ns", (int64_t)now.tv_sec * 1000000000LL + now.tv_nsec);
        add_seed(o);
        if (spec->kind == JOB_EXEC) {
                struct json_object *exec = json_object_new_object();

                kt_json_add_str(exec, "command", spec->command);
                kt_json_add_str(o, "kind", "exec");
                kt_json_add(o, "exec", exec);
        } else {
                kt_json_add_str(o, "kind", "run");
                kt_json_add(o, "run", run_json(spec, emulated));
        }
        return strdup(json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN));
}
