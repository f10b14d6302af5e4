/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdio.h>

#include "../../proto/limits.h"
#include "../pattern.h"
#include "fields.h"
#include "validate.h"

/* What a job may last. */
#define DURATION_MIN_S 0.001
#define DURATION_MAX_S (KT_DURATION_MAX_MS / 1000.0)
#define DURATION_DEFAULT_S 5.0
#define WATCHDOG_MIN_S 0.001
#define WATCHDOG_MAX_S (KT_SCX_TIMEOUT_MAX_MS / 1000.0)

static void check_scheduler(const struct program *p, const struct ktstr_test *t, struct subject *s)
{
        bool own_config = t->scheduler && t->scheduler->config_arg;

        if (t->scheduler && !program_has_scheduler(p, t->scheduler))
                found(s, "scheduler", "is none that was declared with KTSTR_SCHEDULER");
        if (t->scheduler && t->host_only == KTSTR_ON)
                found(s, "host_only",
                      "tests run on the host, where no scheduler is started: leave .scheduler unset");
        if (t->extra_sched_args && (!t->scheduler || t->scheduler->kernel_builtin_enable))
                found(s, "extra_sched_args", "are for a scheduler's program, and this test has none");
        if (t->bpf_map_write && (!t->scheduler || t->scheduler->kernel_builtin_enable))
                found(s, "bpf_map_write", "is for a scheduler's program, and this test has none");
        if (t->config && !own_config)
                found(s, "config", "is for a scheduler that has .config_arg and .config_guest_path, and %s",
                      t->scheduler ? "this test's has not" : "this test has none");
        if (!t->config && own_config)
                found(s, "config",
                      "is not set: scheduler %s has .config_arg, and so each of its tests its own file",
                      t->scheduler->ident ? t->scheduler->ident : "?");
}

static void check_host_cpus(const struct ktstr_test *t, struct subject *s)
{
        const bool performance = t->performance_mode == KTSTR_ON, never = t->no_perf_mode == KTSTR_ON,
                   on_host = t->host_only == KTSTR_ON;

        if (performance && never)
                found(s, "performance_mode", "is the opposite of .no_perf_mode: leave one of them unset");
        if (performance && on_host)
                found(s, "performance_mode", "is for a guest, and a .host_only test has none");
        if (t->cpu_budget != 0 && on_host)
                found(s, "cpu_budget", "is for a guest, and a .host_only test has none");
        else if (t->cpu_budget != 0 && !never)
                found(s, "cpu_budget",
                      "needs .no_perf_mode = KTSTR_ON: in performance mode it has the whole host");
}

static void check_pattern(const char *pattern, const char *field, struct subject *s)
{
        struct kt_error err = KT_ERROR_INIT;
        struct kt_pattern *compiled = NULL;

        if (kt_pattern_new(pattern, &compiled, &err) < 0)
                found(s, field, "%s", kt_error_text(&err));
        kt_pattern_free(compiled);
        kt_error_done(&err);
}

static void check_expectation(const struct ktstr_test *t, struct subject *s)
{
        const char *matches = t->expect_scx_bpf_error_matches;
        bool expected = t->expect_err == KTSTR_ON;

        if (expected && !t->scheduler)
                found(s, "expect_err", "is for a scheduler's error, and this test has none");
        if (t->expect_scx_bpf_error_contains && !expected)
                found(s, "expect_scx_bpf_error_contains", "needs .expect_err = KTSTR_ON");
        if (matches && !expected)
                found(s, "expect_scx_bpf_error_matches", "needs .expect_err = KTSTR_ON");
        if (t->auto_repro == KTSTR_ON && (!t->scheduler || expected))
                found(s, "auto_repro", "is for a scheduler that dies unexpectedly, and %s",
                      expected ? ".expect_err is set" : "this test has none");
        if (matches && *matches)
                check_pattern(matches, "expect_scx_bpf_error_matches", s);
}

static void check_watchdog(const struct ktstr_test *t, struct subject *s)
{
        const double timeout_s = t->watchdog_timeout_s;

        if (timeout_s != 0 && !t->scheduler)
                found(s, "watchdog_timeout_s", "is for a scheduler, and this test has none");
        if (timeout_s > 0 && !(timeout_s >= WATCHDOG_MIN_S && timeout_s <= WATCHDOG_MAX_S))
                found(s, "watchdog_timeout_s",
                      "is %g, and has to be from a millisecond to the %g seconds that the kernel takes",
                      timeout_s, WATCHDOG_MAX_S);
}

static void check_payloads(const struct ktstr_test *t, struct subject *s)
{
        char field[32];

        if (t->payload)
                validate_payload(t->payload, "payload", s);
        for (size_t i = 0; t->workloads && t->workloads[i]; i++) {
                snprintf(field, sizeof(field), "workloads[%zu]", i);
                validate_payload(t->workloads[i], field, s);
        }
}

void validate_test(const struct program *p, const struct ktstr_test *t, struct subject *s)
{
        static const struct ktstr_scheduler none;
        const struct ktstr_scheduler *scheduler = t->scheduler ? t->scheduler : &none;
        const double duration_s = t->duration_s > 0 ? t->duration_s : DURATION_DEFAULT_S;
        const struct ktstr_topology topology = {t->numa_nodes, t->llcs, t->cores, t->threads};

        validate_name(t->name, "the test", s);
        fields_check(&test_fields, t, "", s);
        if (!t->func)
                found(s, "func", "is not set: KTSTR_TEST declares a test and begins its function");
        check_scheduler(p, t, s);
        validate_topology(&scheduler->topology, &topology, "", s);
        if (t->duration_s > 0 && !(t->duration_s >= DURATION_MIN_S && t->duration_s <= DURATION_MAX_S))
                found(s, "duration_s", "is %g, and has to be from a millisecond to a day", t->duration_s);
        if (t->timeout_s > 0 && !(t->timeout_s > duration_s && t->timeout_s <= 2 * DURATION_MAX_S))
                found(s, "timeout_s",
                      "is %g, and has to be longer than the duration (%g) and at most two days",
                      t->timeout_s, duration_s);
        validate_constraints(&scheduler->constraints, &t->constraints, s);
        fields_check_checks(&t->checks, "", s);
        check_host_cpus(t, s);
        check_expectation(t, s);
        check_watchdog(t, s);
        check_payloads(t, s);
}
