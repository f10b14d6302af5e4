/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "job_spec.h"

#include <stdlib.h>
#include <string.h>

#include "../common/cleanup.h"
#include "../proto/guestmsg.h"

void job_strings_free(char **list)
{
        for (char **s = list; s && *s; s++)
                free(*s);
        free(list);
}

void job_spec_done(struct job_spec *spec)
{
        free(spec->sched_name);
        job_strings_free(spec->sched_args);
        free(spec->sched_path);
        free(spec->sched_program);
        job_strings_free(spec->sched_enable);
        job_strings_free(spec->sched_disable);
        free(spec->scenario);
        free(spec->test_name);
        free(spec->test_path);
        free(spec->test_program);
        free(spec->label);
        for (size_t i = 0; i < spec->n_files; i++) {
                free(spec->files[i].guest_path);
                free(spec->files[i].path);
                kt_closep(&spec->files[i].fd);
        }
        free(spec->files);
        free(spec->command);
        free(spec->kernel);
        job_strings_free(spec->kargs);
        job_strings_free(spec->trace_functions);
        for (size_t i = 0; i < spec->n_sysctls; i++) {
                free(spec->sysctls[i].key);
                free(spec->sysctls[i].value);
        }
        free(spec->sysctls);
        free(spec->cgroup_parent);
        free(spec->accel);
        expect_done(&spec->expect);
        build_spec_free(spec->build);
        memset(spec, 0, sizeof(*spec));
}

const char *job_spec_title(const struct job_spec *spec)
{
        return spec->test_name ? spec->test_name : spec->scenario ? spec->scenario : "";
}

/* Where CPUs are software's all takes longer, also what a sound scheduler does. */
#define DEFAULT_TIMEOUT_MS 5000
#define EMULATED_DEFAULT_TIMEOUT_MS 10000

uint32_t job_spec_timeout_ms(const struct job_spec *spec, bool emulated)
{
        if (!spec->watchdog.by_default)
                return spec->watchdog.timeout_ms;
        return emulated ? EMULATED_DEFAULT_TIMEOUT_MS : DEFAULT_TIMEOUT_MS;
}

/* It is also how long all else in the guest may take, and where CPUs are software's all is slow. */
#define EMULATED_WATCHDOG_MIN_MS 40000

uint64_t job_spec_watchdog_ms(const struct job_spec *spec, bool emulated)
{
        const uint64_t timeout_ms = job_spec_timeout_ms(spec, emulated),
                       bound_ms = timeout_ms > 0 ? KT_WATCHDOG_MS_OF(timeout_ms) : KT_WATCHDOG_MS;

        return emulated && bound_ms < EMULATED_WATCHDOG_MIN_MS ? EMULATED_WATCHDOG_MIN_MS : bound_ms;
}
