/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* ktstrctl test: what programs declare, run and told. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

#include "../common/fsutil.h"
#include "connect.h"
#include "exit_status.h"
#include "test_command.h"
#include "test_missing.h"

static int oom(void)
{
        fputs("ktstrctl: test: out of memory\n", stderr);
        return EXIT_STATUS_HARNESS;
}

/* --- kernels and presets --- */

static bool wants_guests(const struct test_command *c)
{
        struct json_object *t;

        for (size_t i = 0; i < c->programs.n; i++)
                for (size_t k = 0; (t = test_program_test(&c->programs.all[i], k)); k++)
                        if (!kt_json_bool(t, "host_only", false))
                                return true;
        return false;
}

/* One that was named is asked for before anything runs, and keeps its name. */
static int check_one_kernel(const struct test_command *c)
{
        _cleanup_json_ struct json_object *resolved = NULL;
        int status = 0;

        if (c->kernels.specs)
                (void)kernel_choice_resolve(&c->kernels, &verb_test, c->g, &resolved, &status);
        return status;
}

/* Where several may be meant they are found first: they are part of the names. */
static int resolve_kernels(struct test_command *c)
{
        int status = 0;

        if (!kernel_choice_is_several(&c->kernels))
                return check_one_kernel(c);
        c->one_kernel = NULL;
        if (!kernel_choice_resolve(&c->kernels, &verb_test, c->g, &c->resolved, &status))
                return status;
        if (json_object_array_length(c->resolved) > 1) {
                c->plan.kernels = c->resolved;
                return 0;
        }
        c->one_kernel = kernel_choice_name(json_object_array_get_idx(c->resolved, 0));
        kt_json_add_str(c->request, "kernel", c->one_kernel);
        return 0;
}

/* One is for the guests that there are: tests that run on the host need no daemon. */
static int choose_one_kernel(struct test_command *c, const struct test_plan *plan)
{
        int status = 0;

        for (size_t i = 0; i < plan->n && !c->resolved; i++) {
                if (!test_cell_runs(&plan->cells[i]) || test_cell_on_host(&plan->cells[i]))
                        continue;
                (void)kernel_choice_one(&c->kernels, &verb_test, c->g, c->request, &status);
                break;
        }
        return status;
}

/* What this host can take. A list is one of names, and needs no daemon, unless it is to be of those that a
 * budget is enough for. */
static int ask_for_room(struct test_command *c)
{
        _cleanup_(kt_error_done) struct kt_error err = KT_ERROR_INIT;
        _cleanup_(rpc_done) struct rpc rpc = {.fd = -1};
        int status;

        if (!c->plan.gauntlet || (c->list && c->budget_s == 0))
                return 0;
        if (!client_connect_or_tell(&verb_test, c->g, &rpc, &status))
                return status;
        if (gauntlet_ask(&c->room, &rpc, kt_json_str(c->request, "accel"), &err) < 0)
                return client_tell(&verb_test, &err);
        c->plan.room = c->run.overrides.room = &c->room;
        return 0;
}

/* An accelerator that cannot be had is told once. */
static int check_accel(const struct test_command *c, const struct test_plan *plan)
{
        _cleanup_(kt_error_done) struct kt_error err = KT_ERROR_INIT;
        _cleanup_json_ struct json_object *reply = NULL, *params = NULL;
        _cleanup_(rpc_done) struct rpc rpc = {.fd = -1};
        const char *accel = kt_json_str(c->request, "accel");
        bool guests = false;
        int status;

        for (size_t i = 0; i < plan->n; i++)
                guests = guests || (test_cell_runs(&plan->cells[i]) && !test_cell_on_host(&plan->cells[i]));
        if (!accel || !guests)
                return 0;
        if (!client_connect_or_tell(&verb_test, c->g, &rpc, &status))
                return status;
        params = json_object_new_object();
        kt_json_add_str(params, "accel", accel);
        if (rpc_call(&rpc, "io.ktstrd.Job.Room", TAKE_PTR(params), &reply, &err) < 0)
                return client_tell(&verb_test, &err);
        return 0;
}

static int choose_by_budget(struct test_command *c, struct test_plan *plan)
{
        _cleanup_(kt_error_done) struct kt_error err = KT_ERROR_INIT;
        _cleanup_json_ struct json_object *reply = NULL;
        _cleanup_(rpc_done) struct rpc rpc = {.fd = -1};
        const char *accel = kt_json_str(c->request, "accel");
        _cleanup_free_ char *line = NULL;
        int status;

        if (!accel || strcmp(accel, "auto") == 0) {
                if (!client_connect_or_tell(&verb_test, c->g, &rpc, &status))
                        return status;
                if (rpc_call(&rpc, "io.ktstrd.Daemon.Status", NULL, &reply, &err) < 0)
                        return client_tell(&verb_test, &err);
                accel = kt_json_str(reply, "accelerator");
        }
        if (test_plan_choose(plan, (unsigned)c->budget_s, strcmp(accel, "kvm") != 0,
                             c->run.overrides.duration_ms, &line, &err) < 0)
                return client_tell(&verb_test, &err);
        fprintf(stderr, "%s\n", line);
        return 0;
}

/* --- running --- */

/* A scheduler that a test may put in its own one's place is left out; a note says so, each once. */
static void note_missing_replacements(const struct test_plan *plan)
{
        _cleanup_json_ struct json_object *seen = json_object_new_object();

        for (size_t i = 0; seen && i < plan->n; i++) {
                const struct test_cell *c = &plan->cells[i];
                struct json_object *idents = test_cell_runs(c) ? kt_json_get(c->test, "replaces") : NULL;

                for (size_t k = 0; idents && k < json_object_array_length(idents); k++) {
                        _cleanup_(kt_error_done) struct kt_error err = KT_ERROR_INIT;
                        const char *ident = json_object_get_string(json_object_array_get_idx(idents, k));
                        struct json_object *s = test_program_scheduler(c->program, ident);
                        _cleanup_free_ char *key = kt_format("%s:%s", c->program->path, ident), *path = NULL;

                        if (!s || !key || kt_json_get(seen, key))
                                continue;
                        kt_json_add_bool(seen, key, true);
                        if (test_params_scheduler(c->program, s, &path, &err) == -ENOENT)
                                fprintf(stderr,
                                        "note: %s is left out, no test can take it for another: %s\n",
                                        kt_json_str(s, "name"), kt_error_text(&err));
                }
        }
}

static int run_plan(struct test_command *c, struct test_plan *plan)
{
        _cleanup_(kt_error_done) struct kt_error err = KT_ERROR_INIT;
        const struct test_report_ops *ops = c->g->json ? &test_report_json
                                            : c->tap   ? &test_report_tap
                                                       : &test_report_text;
        struct test_report reports[2] = {{.ops = ops, .out = stdout, .verbose = c->verbose}};
        struct test_session s = {.verb = &verb_test,
                                 .globals = c->g,
                                 .kernel = c->one_kernel,
                                 .again = c->again_text,
                                 .seed = kt_json_int(c->request, "seed", -1),
                                 .force = c->plan.force};
        size_t n = 1;
        int status;

        if (c->junit && test_report_junit_open(&reports[n++], c->junit, &err) < 0)
                return client_tell(&verb_test, &err);
        if (test_session_init(&s, plan) < 0)
                return oom();
        status = test_run(&s, &c->run, reports, n, &err) < 0 ? client_tell(&verb_test, &err) : 0;
        status = exit_status_worse(status, s.status);
        for (size_t i = 0; i < n; i++)
                if (reports[i].ops->done)
                        reports[i].ops->done(&reports[i]);
        test_session_done(&s);
        return status;
}

static int plan_and_run(struct test_command *c)
{
        _cleanup_(kt_error_done) struct kt_error err = KT_ERROR_INIT;
        _cleanup_(test_plan_done) struct test_plan plan = {};
        struct utsname host = {};
        int status = wants_guests(c) ? resolve_kernels(c) : 0;

        if (!status && wants_guests(c))
                status = ask_for_room(c);
        if (status)
                return status;
        uname(&host);
        c->plan.machine = host.machine;
        c->plan.filters = c->filters;
        c->plan.n_filters = c->n_filters;
        if (test_plan_make(c->programs.all, c->programs.n, &c->plan, &plan, &err) < 0)
                return client_tell(&verb_test, &err);
        if (!c->list && test_missing_find(&plan, &c->run.overrides, &err) < 0)
                return client_tell(&verb_test, &err);
        if (c->budget_s > 0)
                status = choose_by_budget(c, &plan);
        if (status)
                return status;
        if (c->list) {
                test_list_print(&plan, c->g->json);
                return test_programs_tell_problems(&c->programs, &verb_test);
        }
        note_missing_replacements(&plan);
        status = check_accel(c, &plan);
        if (!status)
                status = choose_one_kernel(c, &plan);
        return status ? status : run_plan(c, &plan);
}

static int run(int argc, char **argv, struct globals *g)
{
        struct test_command c;
        int status;

        if (test_command_parse(&c, argc, argv, g, &status)) {
                status = test_programs_load(&verb_test, c.dir, c.names, c.n_names, &c.programs);
                if (!status)
                        status = plan_and_run(&c);
        }
        test_command_done(&c);
        return status;
}

const struct verb verb_test = {"test", "run the tests that programs declare", test_usage, run, "vC:"};
