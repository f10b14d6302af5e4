/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A body's result is always one that the other side takes. */
#include <errno.h>
#include <string.h>

#include "../../lib/body/message.h"
#include "../../lib/body/result.h"
#include "../../lib/body/spawn.h"
#include "../../lib/body_report.h"
#include "../../lib/thresholds.h"
#include "../../proto/bodymsg.h"
#include "driven_body.h"
#include "unit.h"

/* As many CPUs as the largest preset has, and no two of them side by side. */
#define CPUS 252

static struct ktstr_cpus every_other_cpu(void)
{
        struct ktstr_cpus cpus = {};

        for (unsigned cpu = 0; cpu < CPUS; cpu += 2)
                ktstr_cpus_add(&cpus, cpu);
        return cpus;
}

/* Each number is a long one. */
static struct kt_worker worker(void)
{
        const uint64_t n = 1ULL << 60;

        return (struct kt_worker){.tid = 4194304,
                                  .work = strdup("ThunderingHerd"),
                                  .role = strdup("bound victim"),
                                  .work_units = n,
                                  .iterations = n,
                                  .cpu_ns = n,
                                  .wall_ns = n,
                                  .off_cpu_ns = n,
                                  .migrations = n,
                                  .cpus_used = every_other_cpu(),
                                  .has_cpus = true,
                                  .cpus = every_other_cpu(),
                                  .max_gap_ns = n,
                                  .max_gap_cpu = CPUS,
                                  .max_gap_at_ns = n,
                                  .run_delay_ns = n,
                                  .run_count = n,
                                  .started_ns = n,
                                  .stopped_ns = n,
                                  .paused_ns = n,
                                  .exit = strdup("signal 11")};
}

static void fill_workload(struct kt_workload *w)
{
        const size_t in_each = KT_BODY_WORKERS_MAX / KT_BODY_CGROUPS_MAX;

        w->started_ns = 1;
        w->stopped_ns = 2;
        w->cpus = every_other_cpu();
        w->n_scenarios = KT_BODY_SCENARIOS_MAX;
        w->scenarios = calloc(w->n_scenarios, sizeof(*w->scenarios));
        for (size_t i = 0; i < w->n_scenarios; i++)
                w->scenarios[i].checks = kt_checks_default(false);
        w->n_cgroups = KT_BODY_CGROUPS_MAX;
        w->cgroups = calloc(w->n_cgroups, sizeof(*w->cgroups));
        for (size_t i = 0; i < w->n_cgroups; i++) {
                w->cgroups[i] = (struct kt_cgroup){.name = strdup("cg"),
                                                   .has_cpus = true,
                                                   .cpus = every_other_cpu(),
                                                   .wakes = {.count = 1},
                                                   .pages = {.total = 1},
                                                   .workers = calloc(in_each, sizeof(struct kt_worker)),
                                                   .n_workers = in_each};
                for (size_t j = 0; j < in_each; j++)
                        w->cgroups[i].workers[j] = worker();
        }
}

START_TEST(the_fullest_is_taken)
{
        struct ktstr_body b = {.messages = json_object_new_array(), .metrics = json_object_new_array()};
        struct kt_error err = KT_ERROR_INIT;
        struct body_report report;
        struct json_object *result, *read = NULL;
        const char *text;
        char name[64];

        b.ctx.body = &b;
        fill_workload(&b.workload);
        for (unsigned i = 0; i < KT_BODY_MESSAGES_MAX; i++)
                ktstr_error(&b.ctx, "message %u", i);
        for (unsigned i = 0; i < KT_BODY_METRICS_MAX; i++) {
                snprintf(name, sizeof(name), "metric %u", i);
                metric_set(&b, name, i, "unit", "lower");
        }
        result = result_json(&b, KTSTR_PASS);
        text = json_object_to_json_string_ext(result, JSON_C_TO_STRING_PLAIN);
        ck_assert_uint_le(strlen(text), KT_BODY_LINE_MAX);
        ck_assert_msg(kt_json_parse(text, strlen(text), &read, &err) == 0, "%s", kt_error_text(&err));
        ck_assert_msg(body_report_parse(kt_json_get(read, "result"), &report, &err) == 0, "%s",
                      kt_error_text(&err));
        ck_assert_uint_eq(report.workload.n_cgroups, KT_BODY_CGROUPS_MAX);
        ck_assert_uint_eq(ktstr_cpus_count(&report.workload.cgroups[7].workers[1].cpus_used), CPUS / 2);
        body_report_done(&report);
        kt_workload_done(&b.workload);
        json_object_put(read);
        json_object_put(result);
        json_object_put(b.messages);
        json_object_put(b.metrics);
}
END_TEST

static enum ktstr_outcome runs_often(struct ktstr_ctx *ctx)
{
        for (unsigned i = 0; i < KT_BODY_SCENARIOS_MAX; i++)
                if (ktstr_run(ctx, {.hold = KTSTR_HOLD_FIXED_MS(0)}) != KTSTR_PASS)
                        return ktstr_fail(ctx, "scenario %u is refused", i);
        ktstr_metric(ctx, "", 1, "");
        for (unsigned i = 0; i < KT_BODY_METRICS_MAX + 2; i++) {
                char name[32];

                snprintf(name, sizeof(name), "m%u", i);
                ktstr_metric(ctx, name, i, "");
        }
        /* For one that is there there is room. */
        ktstr_metric(ctx, "m0", 5, "");
        return ktstr_run(ctx, {.hold = KTSTR_HOLD_FIXED_MS(0)});
}

START_TEST(what_is_too_much_is_said_and_not_sent)
{
        struct driven d = start(runs_often, FIRST);
        struct json_object *result = end(&d);
        struct body_report report;

        ck_assert_int_eq(body_report_parse(result, &report, NULL), 0);
        ck_assert_int_eq(report.outcome, KTSTR_ERROR);
        ck_assert_uint_eq(report.n_messages, 3);
        ck_assert_str_eq(report.messages[0].text, "a metric has no name");
        ck_assert_str_eq(report.messages[1].text, "metric m1024 is one too many: a test has at most 1024");
        ck_assert_str_eq(report.messages[2].text,
                         "a test runs at most 256 scenarios: make steps of one, or more tests");
        ck_assert_uint_eq(report.n_metrics, KT_BODY_METRICS_MAX);
        ck_assert(report.metrics[0].value == 5);
        body_report_done(&report);
}
END_TEST

START_TEST(no_more_are_made_than_can_be_reported)
{
        struct ktstr_body b = {.n_workers = 96, .workload = {.n_cgroups = KT_BODY_CGROUPS_MAX}};
        struct run r = {.b = &b};
        struct ktstr_work_group wg = {.workers = 4001};
        struct kt_error err = KT_ERROR_INIT;
        struct group *g;

        kt_list_init(&b.groups);
        g = group_new(&b.groups, "g", NULL);
        ck_assert_int_eq(spawn(&r, g, &wg, &err), -E2BIG);
        ck_assert_str_eq(kt_error_text(&err),
                         "4001 workers more than the 96 before: a test has at most 4096 in all");
        wg.workers = 1;
        ck_assert_int_eq(spawn(&r, g, &wg, &err), -E2BIG);
        ck_assert_str_eq(kt_error_text(&err), "a test has at most 1024 cgroups with workers in all");
        kt_error_done(&err);
        group_free(g);
}
END_TEST

UNIT_MAIN("result", the_fullest_is_taken, what_is_too_much_is_said_and_not_sent,
          no_more_are_made_than_can_be_reported)
