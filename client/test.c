/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* ktstrctl test: what programs declare, run and told. */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

#include "../common/fsutil.h"
#include "../proto/errors.h"
#include "connect.h"
#include "exit_status.h"
#include "request.h"
#include "test_find.h"
#include "test_run.h"
#include "units.h"

static const char usage[] =
        "ktstrctl test [OPTION]... [PROGRAM]...\n"
        "Run the tests that programs declare, each in a guest of its own. Without a PROGRAM: of all that "
        "are found.\n\n"
        "  -C DIR               where to look for programs (default: ./build if it is there, else .)\n"
        "  --filter GLOB        only those whose name matches; may be repeated\n"
        "  --list               show their names, run nothing\n"
        "  --ignored            also those that are declared .ignore\n"
        "  --kernel SPEC        as for submit; may be repeated, or be a range: each test on each\n"
        "  --fetch              build what is not cached of the versions and git sources named\n"
        "  --gauntlet           also each test on each preset that its constraints accept\n"
        "  --budget SECONDS     of all those, the ones that show most in this time\n"
        "  --force              also presets that are too large for this host\n"
        "  --repeat N           each N times\n"
        "  --jobs N             how many at a time (default 16)\n"
        "  --fail-fast          end all at the first that does not pass\n"
        "  --duration TIME      of each workload, in place of what is declared: 5s, 500ms, 2m\n"
        "  --accel NAME         auto, kvm, tcg\n"
        "  --timeout TIME       for each test as a whole\n"
        "  --priority NAME      in the queue: low, normal, high (high: root and the daemon's user only)\n"
        "  --json               one event a line, the summary last\n"
        "  --tap                TAP, for meson and prove\n"
        "  --junit FILE         JUnit's XML as well, into FILE\n"
        "  -v                   show what happens in each, and all log lines\n"
        "  --socket PATH, --no-autostart\n\n"
        "Exit status: the worst of 0 pass or skip, 2 inconclusive, 1 fail, 130 cancelled, 3 harness error, "
        "69 no daemon,\n"
        "64 usage, which programs that cannot be listed and wrong declarations are too.\n";

enum {
        OPT_FILTER = 256,
        OPT_LIST,
        OPT_IGNORED,
        OPT_GAUNTLET,
        OPT_BUDGET,
        OPT_FORCE,
        OPT_REPEAT,
        OPT_JOBS,
        OPT_FAIL_FAST,
        OPT_DURATION,
        OPT_TAP,
        OPT_JUNIT,
};

static const struct option options[] = {
        GLOBAL_OPTIONS,
        {"kernel", required_argument, NULL, OPT_REQUEST_KERNEL},
        {"fetch", no_argument, NULL, OPT_REQUEST_FETCH},
        {"accel", required_argument, NULL, OPT_REQUEST_ACCEL},
        {"timeout", required_argument, NULL, OPT_REQUEST_TIMEOUT},
        {"priority", required_argument, NULL, OPT_REQUEST_PRIORITY},
        {"filter", required_argument, NULL, OPT_FILTER},
        {"list", no_argument, NULL, OPT_LIST},
        {"ignored", no_argument, NULL, OPT_IGNORED},
        {"gauntlet", no_argument, NULL, OPT_GAUNTLET},
        {"budget", required_argument, NULL, OPT_BUDGET},
        {"force", no_argument, NULL, OPT_FORCE},
        {"repeat", required_argument, NULL, OPT_REPEAT},
        {"jobs", required_argument, NULL, OPT_JOBS},
        {"fail-fast", no_argument, NULL, OPT_FAIL_FAST},
        {"duration", required_argument, NULL, OPT_DURATION},
        {"tap", no_argument, NULL, OPT_TAP},
        {"junit", required_argument, NULL, OPT_JUNIT},
        {"verbose", no_argument, NULL, 'v'},
        {},
};

struct command {
        struct globals *g;
        const char *dir, *junit;
        const char **filters; /* owned, their texts are not */
        size_t n_filters;
        bool list, tap, verbose;
        int64_t budget_s;
        struct test_plan_options plan;
        struct test_run_options run;
        struct json_object *request;
        FILE *again; /* options that a repetition needs, into again_text */
        char *again_text;
        size_t again_size;
        const char *one_kernel; /* as typed, where there is one */

        struct test_program *programs;
        size_t n_programs;
        struct kernel_choice kernels;
        struct json_object *resolved;
        struct gauntlet room;
};

static int oom(void)
{
        fputs("ktstrctl: test: out of memory\n", stderr);
        return EXIT_STATUS_HARNESS;
}

/* --- options --- */

static int take_number(const char *option, const char *text, int64_t max, int64_t *ret)
{
        if (parse_number(text, 1, max, ret) >= 0)
                return 1;
        return verb_usage_error(&verb_test, "--%s: '%s' is no number from 1 to %lld", option, text,
                                (long long)max);
}

static int add_filter(struct command *c, const char *filter)
{
        const char **grown = realloc(c->filters, (c->n_filters + 1) * sizeof(char *));

        if (!grown)
                return EXIT_STATUS_HARNESS;
        c->filters = grown;
        c->filters[c->n_filters++] = filter;
        return 1;
}

static int take_duration(struct command *c, const char *text)
{
        if (parse_duration(text, &c->run.overrides.duration_ms) < 0)
                return verb_usage_error(
                        &verb_test, "--duration: '%s' is no time like 5s, 500ms or 2m, up to a day", text);
        fprintf(c->again, " --duration %s", text);
        return 1;
}

static int take_own_option(struct command *c, int opt, const char *value)
{
        int64_t n = 0;
        int r = 1;

        switch (opt) {
        case 'C':
                c->dir = value;
                break;
        case OPT_FILTER:
                return add_filter(c, value);
        case OPT_LIST:
                c->list = true;
                break;
        case OPT_IGNORED:
                c->plan.ignored = true;
                break;
        case OPT_GAUNTLET:
                c->plan.gauntlet = true;
                break;
        case OPT_BUDGET:
                return take_number("budget", value, 30 * 24 * 3600, &c->budget_s);
        case OPT_FORCE:
                c->plan.force = true;
                fputs(" --force", c->again);
                break;
        case OPT_REPEAT:
                r = take_number("repeat", value, 10000, &n);
                c->plan.repeat = (unsigned)n;
                break;
        case OPT_JOBS:
                r = take_number("jobs", value, 1024, &n);
                c->run.jobs = (unsigned)n;
                break;
        case OPT_FAIL_FAST:
                c->run.fail_fast = true;
                break;
        case OPT_DURATION:
                return take_duration(c, value);
        case OPT_TAP:
                c->tap = true;
                break;
        case OPT_JUNIT:
                c->junit = value;
                break;
        default:
                c->verbose = true;
        }
        return r;
}

static int take_option(struct command *c, int opt, const char *value)
{
        int r = request_option(&verb_test, opt, value, c->request);

        if (r == 1 && opt == OPT_REQUEST_ACCEL)
                fprintf(c->again, " --accel %s", value);
        else if (r == 1 && opt == OPT_REQUEST_TIMEOUT)
                fprintf(c->again, " --timeout %s", value);
        else if (r == 1 && opt == OPT_REQUEST_KERNEL)
                c->one_kernel = value;
        return r == 0 ? take_own_option(c, opt, value) : r;
}

static int check_options(const struct command *c, int n_programs)
{
        if (c->tap && c->g->json)
                return verb_usage_error(&verb_test, "--tap and --json are two things for one output");
        if (c->list && (c->tap || c->junit))
                return verb_usage_error(&verb_test, "--list runs nothing; leave out --%s",
                                        c->tap ? "tap" : "junit");
        if (c->dir && n_programs > 0)
                return verb_usage_error(&verb_test,
                                        "-C looks for programs, and some are named; leave out one of them");
        if (c->plan.force && !c->plan.gauntlet)
                return verb_usage_error(&verb_test, "--force is for presets; add --gauntlet");
        return 0;
}

/* --- programs --- */

/* All are listed, so that all that is wrong is told at once. */
static int load_programs(struct command *c, char **paths, size_t n)
{
        int status = 0;

        c->programs = calloc(n + 1, sizeof(*c->programs));
        if (!c->programs)
                return EXIT_STATUS_HARNESS;
        for (size_t i = 0; i < n; i++) {
                _cleanup_(kt_error_done) struct kt_error err = KT_ERROR_INIT;
                struct test_program *p = &c->programs[c->n_programs];

                if (test_program_load(paths[i], p, &err) < 0) {
                        status = exit_status_worse(status, client_tell(&verb_test, &err));
                        continue;
                }
                c->n_programs++;
                if (test_program_tell_errors(p, &verb_test) > 0)
                        status = exit_status_worse(status, EXIT_STATUS_USAGE);
        }
        return status;
}

static int find_programs(struct command *c, int argc, char **argv)
{
        _cleanup_(kt_error_done) struct kt_error err = KT_ERROR_INIT;
        char **found = NULL;
        size_t n = 0;
        int status;

        if (argc > 0)
                return load_programs(c, argv, (size_t)argc);
        if (test_find(c->dir ? c->dir : test_find_default_dir(), &found, &err) < 0)
                return client_tell(&verb_test, &err);
        while (found[n])
                n++;
        status = load_programs(c, found, n);
        test_find_free(found);
        return status;
}

/* --- kernels and presets --- */

static bool wants_guests(const struct command *c)
{
        struct json_object *t;

        for (size_t i = 0; i < c->n_programs; i++)
                for (size_t k = 0; (t = test_program_test(&c->programs[i], k)); k++)
                        if (!kt_json_bool(t, "host_only", false))
                                return true;
        return false;
}

/* Where several may be meant they are found first: they are part of the names. */
static int resolve_kernels(struct command *c)
{
        int status = 0;

        if (!kernel_choice_is_several(&c->kernels))
                return 0;
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
static int choose_one_kernel(struct command *c, const struct test_plan *plan)
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

/* What this host can take. A list is one of names, and needs no daemon. */
static int ask_for_room(struct command *c)
{
        _cleanup_(kt_error_done) struct kt_error err = KT_ERROR_INIT;
        _cleanup_(rpc_done) struct rpc rpc = {.fd = -1};
        int status;

        if (!c->plan.gauntlet || c->list)
                return 0;
        if (!client_connect_or_tell(&verb_test, c->g, &rpc, &status))
                return status;
        if (gauntlet_ask(&c->room, &rpc, kt_json_str(c->request, "accel"), &err) < 0)
                return client_tell(&verb_test, &err);
        c->plan.room = c->run.overrides.room = &c->room;
        return 0;
}

static int choose_by_budget(struct command *c, struct test_plan *plan)
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
                             c->run.overrides.duration_ms, &line) < 0)
                return oom();
        fprintf(stderr, "%s\n", line);
        return 0;
}

/* --- running --- */

/* What cannot be found is told before anything runs, each once. */
static int look_for_schedulers(const struct test_plan *plan)
{
        int status = 0;

        for (size_t i = 0; i < plan->n; i++) {
                _cleanup_(kt_error_done) struct kt_error err = KT_ERROR_INIT;
                const struct test_cell *c = &plan->cells[i];
                _cleanup_free_ char *path = NULL;
                bool seen = !test_cell_runs(c) || !c->scheduler;

                for (size_t k = 0; k < i && !seen; k++)
                        seen = test_cell_runs(&plan->cells[k]) && plan->cells[k].scheduler == c->scheduler;
                if (!seen && test_params_scheduler(c->program, c->scheduler, &path, &err) < 0)
                        status = exit_status_worse(status, client_tell(&verb_test, &err));
        }
        return status;
}

static int run_plan(struct command *c, struct test_plan *plan)
{
        _cleanup_(kt_error_done) struct kt_error err = KT_ERROR_INIT;
        const struct test_report_ops *ops = c->g->json ? &test_report_json
                                            : c->tap   ? &test_report_tap
                                                       : &test_report_text;
        struct test_report reports[2] = {{.ops = ops, .out = stdout, .verbose = c->verbose}};
        struct test_session s = {.verb = &verb_test, .globals = c->g, .kernel = c->one_kernel};
        size_t n = 1;
        int status;

        fflush(c->again);
        s.again = c->again_text;
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

static int plan_and_run(struct command *c)
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
        if (test_plan_make(c->programs, c->n_programs, &c->plan, &plan, &err) < 0)
                return client_tell(&verb_test, &err);
        if (c->budget_s > 0)
                status = choose_by_budget(c, &plan);
        if (!status && c->list)
                test_list_print(&plan, c->g->json);
        if (status || c->list)
                return status;
        status = look_for_schedulers(&plan);
        if (!status)
                status = choose_one_kernel(c, &plan);
        return status ? status : run_plan(c, &plan);
}

static void command_done(struct command *c)
{
        for (size_t i = 0; i < c->n_programs; i++)
                test_program_done(&c->programs[i]);
        free(c->programs);
        free(c->filters);
        kernel_choice_done(&c->kernels);
        json_object_put(c->resolved);
        json_object_put(c->request);
        gauntlet_done(&c->room);
        fclose(c->again);
        free(c->again_text);
}

static int run(int argc, char **argv, struct globals *g)
{
        struct command c = {.g = g,
                            .request = json_object_new_object(),
                            .plan.repeat = 1,
                            .run.jobs = TEST_JOBS_DEFAULT};
        int opt, r, status = 0;

        c.again = open_memstream(&c.again_text, &c.again_size);
        if (!c.again)
                return oom();
        while (!status && (opt = verb_option(&verb_test, argc, argv, options, g, &status)) >= 0) {
                r = take_option(&c, opt, optarg);
                status = r == 1 ? 0 : r;
        }
        if (!status && opt == -1) {
                status = check_options(&c, argc - optind);
                if (!status)
                        status = request_kernels(&verb_test, c.request, &c.kernels);
                c.run.overrides.request = c.request;
                if (!status)
                        status = find_programs(&c, argc - optind, argv + optind);
                if (!status)
                        status = plan_and_run(&c);
        }
        command_done(&c);
        return status;
}

const struct verb verb_test = {"test", "run the tests that programs declare", usage, run, "vC:"};
