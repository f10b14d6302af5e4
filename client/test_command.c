/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "test_command.h"

#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "../proto/codec.h"
#include "exit_status.h"
#include "request.h"
#include "units.h"

const char test_usage[] =
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
        "  --no-auto-repro      do not run once more what failed for its scheduler's death\n"
        "  --duration TIME      of each workload, in place of what is declared: 5s, 500ms, 2m\n"
        "  --seed N             what is random in each comes of this (default: another each time)\n"
        "  --no-perf-mode       those that are declared .performance_mode run as the others do\n"
        "  --perf-mode          all run so, but those that are declared .no_perf_mode\n"
        "  --cpu-cap N          each uses N of the host's CPUs only; with --no-perf-mode\n"
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
        "64 usage, which wrong declarations and missing files are too.\n";

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
        OPT_NO_AUTO_REPRO,
        OPT_DURATION,
        OPT_TAP,
        OPT_JUNIT,
        OPT_NO_PERF_MODE,
        OPT_PERF_MODE,
};

static const struct option options[] = {
        GLOBAL_OPTIONS,
        {"kernel", required_argument, NULL, OPT_REQUEST_KERNEL},
        {"fetch", no_argument, NULL, OPT_REQUEST_FETCH},
        {"accel", required_argument, NULL, OPT_REQUEST_ACCEL},
        {"timeout", required_argument, NULL, OPT_REQUEST_TIMEOUT},
        {"priority", required_argument, NULL, OPT_REQUEST_PRIORITY},
        {"seed", required_argument, NULL, OPT_REQUEST_SEED},
        {"filter", required_argument, NULL, OPT_FILTER},
        {"list", no_argument, NULL, OPT_LIST},
        {"ignored", no_argument, NULL, OPT_IGNORED},
        {"gauntlet", no_argument, NULL, OPT_GAUNTLET},
        {"budget", required_argument, NULL, OPT_BUDGET},
        {"force", no_argument, NULL, OPT_FORCE},
        {"repeat", required_argument, NULL, OPT_REPEAT},
        {"jobs", required_argument, NULL, OPT_JOBS},
        {"fail-fast", no_argument, NULL, OPT_FAIL_FAST},
        {"no-auto-repro", no_argument, NULL, OPT_NO_AUTO_REPRO},
        {"duration", required_argument, NULL, OPT_DURATION},
        {"tap", no_argument, NULL, OPT_TAP},
        {"junit", required_argument, NULL, OPT_JUNIT},
        {"no-perf-mode", no_argument, NULL, OPT_NO_PERF_MODE},
        {"perf-mode", no_argument, NULL, OPT_PERF_MODE},
        {"cpu-cap", required_argument, NULL, OPT_REQUEST_CPU_CAP},
        {"verbose", no_argument, NULL, 'v'},
        {},
};

static int take_number(const char *option, const char *text, int64_t max, int64_t *ret)
{
        if (parse_number(text, 1, max, ret) >= 0)
                return 1;
        return verb_usage_error(&verb_test, "--%s: '%s' is no number from 1 to %lld", option, text,
                                (long long)max);
}

static int add_filter(struct test_command *c, const char *filter)
{
        const char **grown = realloc(c->filters, (c->n_filters + 1) * sizeof(char *));

        if (!grown)
                return EXIT_STATUS_HARNESS;
        c->filters = grown;
        c->filters[c->n_filters++] = filter;
        return 1;
}

static int take_duration(struct test_command *c, const char *text)
{
        if (parse_duration(text, &c->run.overrides.duration_ms) < 0)
                return verb_usage_error(
                        &verb_test, "--duration: '%s' is no time like 5s, 500ms or 2m, up to a day", text);
        fprintf(c->again, " --duration %s", text);
        return 1;
}

/* The last one counts. */
static void set_perf_mode(struct test_command *c, enum test_perf_mode mode)
{
        c->run.overrides.perf_mode = mode;
        fputs(mode == TEST_PERF_NEVER ? " --no-perf-mode" : " --perf-mode", c->again);
}

static int take_own_option(struct test_command *c, int opt, const char *value)
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
        case OPT_NO_AUTO_REPRO:
                c->run.no_repro = true;
                break;
        case OPT_DURATION:
                return take_duration(c, value);
        case OPT_NO_PERF_MODE:
                set_perf_mode(c, TEST_PERF_NEVER);
                break;
        case OPT_PERF_MODE:
                set_perf_mode(c, TEST_PERF_ALWAYS);
                break;
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

static int take_option(struct test_command *c, int opt, const char *value)
{
        int r = request_option(&verb_test, opt, value, c->request);

        if (r == 1 && opt == OPT_REQUEST_ACCEL)
                fprintf(c->again, " --accel %s", value);
        else if (r == 1 && opt == OPT_REQUEST_TIMEOUT)
                fprintf(c->again, " --timeout %s", value);
        else if (r == 1 && opt == OPT_REQUEST_CPU_CAP)
                fprintf(c->again, " --cpu-cap %s", value);
        else if (r == 1 && opt == OPT_REQUEST_PRIORITY)
                fprintf(c->again, " --priority %s", value);
        else if (r == 1 && opt == OPT_REQUEST_KERNEL)
                c->one_kernel = value;
        return r == 0 ? take_own_option(c, opt, value) : r;
}

static int check_priority(const struct test_command *c)
{
        const char *name = kt_json_str(c->request, "priority");

        if (!name || strcmp(name, "low") == 0 || strcmp(name, "normal") == 0 || strcmp(name, "high") == 0)
                return 0;
        return verb_usage_error(&verb_test, "--priority: '%s' is none of low, normal and high", name);
}

static int check_options(const struct test_command *c)
{
        if (c->tap && c->g->json)
                return verb_usage_error(&verb_test, "--tap and --json are two things for one output");
        if (c->list && (c->tap || c->junit))
                return verb_usage_error(&verb_test, "--list runs nothing; leave out --%s",
                                        c->tap ? "tap" : "junit");
        if (c->dir && c->n_names > 0)
                return verb_usage_error(&verb_test,
                                        "-C looks for programs, and some are named; leave out one of them");
        if (c->plan.force && !c->plan.gauntlet)
                return verb_usage_error(&verb_test, "--force is for presets; add --gauntlet");
        if (kt_json_get(c->request, "cpu_budget") && c->run.overrides.perf_mode != TEST_PERF_NEVER)
                return verb_usage_error(
                        &verb_test,
                        "--cpu-cap is for tests that share the host, and in performance mode one has all of "
                        "it; add --no-perf-mode");
        return check_priority(c);
}

static int take_options(struct test_command *c, int argc, char **argv, int *ret_opt)
{
        int status = 0, opt, r;

        while ((opt = verb_option(&verb_test, argc, argv, options, c->g, &status)) >= 0) {
                r = take_option(c, opt, optarg);
                if (r != 1)
                        return r;
        }
        *ret_opt = opt;
        return status;
}

/* What no option has said. A cell is run again as it was, in another environment too. */
static void take_environment(struct test_command *c)
{
        if (c->run.overrides.perf_mode == TEST_PERF_DECLARED && getenv("KTSTR_NO_PERF_MODE"))
                set_perf_mode(c, TEST_PERF_NEVER);
}

bool test_command_parse(struct test_command *c, int argc, char **argv, struct globals *g, int *ret_status)
{
        int opt = -2;

        *c = (struct test_command){.g = g,
                                   .request = json_object_new_object(),
                                   .plan.repeat = 1,
                                   .run.jobs = TEST_JOBS_DEFAULT};
        c->again = open_memstream(&c->again_text, &c->again_size);
        if (!c->again || !c->request) {
                fputs("ktstrctl: test: out of memory\n", stderr);
                *ret_status = EXIT_STATUS_HARNESS;
                return false;
        }
        *ret_status = take_options(c, argc, argv, &opt);
        if (*ret_status || opt != -1)
                return false;
        c->names = argv + optind;
        c->n_names = (size_t)(argc - optind);
        take_environment(c);
        *ret_status = check_options(c);
        if (!*ret_status)
                *ret_status = request_kernels(&verb_test, c->request, &c->kernels);
        c->run.overrides.request = c->request;
        fflush(c->again);
        return !*ret_status;
}

void test_command_done(struct test_command *c)
{
        test_programs_done(&c->programs);
        free(c->filters);
        kernel_choice_done(&c->kernels);
        json_object_put(c->resolved);
        json_object_put(c->request);
        gauntlet_done(&c->room);
        if (c->again)
                fclose(c->again);
        free(c->again_text);
}
