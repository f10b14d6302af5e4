/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../common/fsutil.h"
#include "../proto/errors.h"
#include "../proto/limits.h"
#include "bundle.h"
#include "check_option.h"
#include "connect.h"
#include "exit_status.h"
#include "fan_out.h"
#include "request.h"
#include "sched_lookup.h"
#include "units.h"
#include "watch.h"

static const char usage[] =
        "ktstrctl submit [OPTION]... [-- SCHEDULER-ARGUMENT...]\n"
        "Start a scheduler in a guest, run a workload under it, judge it.\n\n"
        "  --sched PROGRAM      path or name of the scheduler (default: none, that is "
        "EEVDF, as a baseline)\n"
        "  --scenario NAME      of the workload (default steady); ktstrctl scenarios lists them\n"
        "  --duration TIME      of the workload: 5s, 500ms, 2m (default 5s)\n"
        "  --workers N          in each cgroup (default 2)\n"
        "  --seed N             what is random in it comes of this (default: another each "
        "time)\n" REQUEST_USAGE
        "  --check NAME=VALUE   a threshold (max_gap_ms=1500, isolation=off); may be repeated\n"
        "  --perf-mode          the host to itself, and each vCPU on a CPU of it\n"
        "  --cpu-cap N          use N of the host's CPUs only\n"
        "  --watchdog-timeout TIME  of sched_ext's watchdog, up to 30s (default: the scheduler's own)\n"
        "  --trace              trace tasks' switches and wake-ups until the scheduler has left\n"
        "  --detach             print the job's id and leave it running; of several, "
        "each with its label\n"
        "  -v                   show all log lines as they come\n"
        "  --json               one event a line\n"
        "  --socket PATH, --no-autostart\n\n"
        "--kernel may be repeated, or be a range: one job for each, all at once.\n"
        "Exit status: 0 pass, 1 fail, 2 inconclusive, 3 harness error, 64 usage, 69 no "
        "daemon, 130 cancelled.\n";

enum {
        OPT_SCHED = 256,
        OPT_SCENARIO,
        OPT_DURATION,
        OPT_WORKERS,
        OPT_DETACH,
        OPT_CHECK,
        OPT_WATCHDOG,
        OPT_PERF_MODE,
        OPT_TRACE,
};

static const struct option options[] = {
        GLOBAL_OPTIONS,
        REQUEST_OPTIONS,
        {"sched", required_argument, NULL, OPT_SCHED},
        {"scenario", required_argument, NULL, OPT_SCENARIO},
        {"duration", required_argument, NULL, OPT_DURATION},
        {"workers", required_argument, NULL, OPT_WORKERS},
        {"seed", required_argument, NULL, OPT_REQUEST_SEED},
        {"detach", no_argument, NULL, OPT_DETACH},
        {"check", required_argument, NULL, OPT_CHECK},
        {"watchdog-timeout", required_argument, NULL, OPT_WATCHDOG},
        {"perf-mode", no_argument, NULL, OPT_PERF_MODE},
        {"cpu-cap", required_argument, NULL, OPT_REQUEST_CPU_CAP},
        {"trace", no_argument, NULL, OPT_TRACE},
        {"verbose", no_argument, NULL, 'v'},
        {},
};

struct submission {
        const char *sched;
        bool detach, verbose;
        struct json_object *params;
        struct kernel_choice kernels;
        struct bundle bundle;
};

static int take_check(struct submission *s, const char *text)
{
        _cleanup_(kt_error_done) struct kt_error err = KT_ERROR_INIT;

        return check_option_add(s->params, text, &err) < 0 ? client_tell(&verb_submit, &err) : 1;
}

static int take_watchdog(struct submission *s, const char *text)
{
        struct json_object *watchdog;
        int64_t timeout_ms;

        if (parse_duration(text, &timeout_ms) < 0 || timeout_ms > KT_SCX_TIMEOUT_MAX_MS)
                return verb_usage_error(&verb_submit,
                                        "--watchdog-timeout: '%s' is no time like 5s or 500ms, up to 30s, "
                                        "which is the most that the kernel takes",
                                        text);
        watchdog = json_object_new_object();
        kt_json_add_int(watchdog, "timeout_ms", timeout_ms);
        kt_json_add(s->params, "watchdog", watchdog);
        return 1;
}

static int take_option(int opt, struct submission *s)
{
        int r = request_option(&verb_submit, opt, optarg, s->params);
        int64_t n;

        if (r != 0)
                return r;
        switch (opt) {
        case OPT_SCHED:
                s->sched = optarg;
                return 1;
        case OPT_SCENARIO:
                kt_json_add_str(s->params, "scenario", optarg);
                return 1;
        case OPT_DURATION:
                if (parse_duration(optarg, &n) < 0)
                        return verb_usage_error(
                                &verb_submit,
                                "--duration: '%s' is no time like 5s, 500ms or 2m, up to a day", optarg);
                kt_json_add_int(s->params, "duration_ms", n);
                return 1;
        case OPT_WORKERS:
                if (parse_number(optarg, 1, 1024, &n) < 0)
                        return verb_usage_error(&verb_submit, "--workers: '%s' is no number from 1 to 1024",
                                                optarg);
                kt_json_add_int(s->params, "workers", n);
                return 1;
        case OPT_CHECK:
                return take_check(s, optarg);
        case OPT_WATCHDOG:
                return take_watchdog(s, optarg);
        case OPT_PERF_MODE:
                kt_json_add_bool(s->params, "performance_mode", true);
                return 1;
        case OPT_TRACE:
                kt_json_add_bool(s->params, "trace", true);
                return 1;
        case OPT_DETACH:
                s->detach = true;
                return 1;
        default:
                s->verbose = true;
                return 1;
        }
}

/* The program and its libraries as descriptors, its arguments as they stand. */
static int add_scheduler(struct submission *s, int argc, char **argv, struct kt_error *reterr)
{
        struct json_object *sched = json_object_new_object(), *args;
        _cleanup_free_ char *path = NULL;
        const char *base;
        int fd, r;

        kt_json_add(s->params, "scheduler", sched);
        r = sched_lookup(s->sched, &path, reterr);
        if (r >= 0)
                r = bundle_open_program(&s->bundle, path, KT_E_BAD_SCHEDULER, &fd, reterr);
        if (r < 0)
                return r;
        base = strrchr(path, '/');
        kt_json_add_str(sched, "name", base ? base + 1 : path);
        args = json_object_new_array();
        for (int i = 0; i < argc; i++)
                json_object_array_add(args, json_object_new_string(argv[i]));
        kt_json_add(sched, "args", args);
        kt_json_add(sched, "libraries", json_object_get(s->bundle.artifacts));
        r = bundle_add_fd(&s->bundle, fd, reterr);
        if (r >= 0)
                kt_json_add_int(sched, "program_fd", r);
        return r;
}

static const char *what(const struct submission *s)
{
        const char *base = s->sched ? strrchr(s->sched, '/') : NULL;

        if (base)
                return base + 1;
        return s->sched ? s->sched : "EEVDF";
}

static int send_and_watch(struct submission *s, struct globals *g)
{
        _cleanup_(kt_error_done) struct kt_error err = KT_ERROR_INIT;
        _cleanup_(rpc_done) struct rpc rpc = {.fd = -1};
        struct json_object *params = TAKE_PTR(s->params);
        int status;

        kt_json_add_bool(params, "detach", s->detach);
        if (!client_connect_or_tell(&verb_submit, g, &rpc, &status)) {
                json_object_put(params);
                return status;
        }
        if (rpc_send(&rpc, "io.ktstrd.Job.Submit", params, !s->detach, s->bundle.fds, s->bundle.n, &err) < 0)
                return client_tell(&verb_submit, &err);
        if (s->detach) {
                _cleanup_json_ struct json_object *reply = NULL;
                bool continues;

                if (rpc_receive(&rpc, &reply, &continues, &err) < 0)
                        return client_tell(&verb_submit, &err);
                puts(g->json ? json_object_to_json_string_ext(reply, JSON_C_TO_STRING_PLAIN |
                                                                             JSON_C_TO_STRING_NOSLASHESCAPE)
                             : kt_json_str(reply, "job"));
                return 0;
        }
        struct watch w = {.verb = &verb_submit,
                          .globals = g,
                          .verbose = s->verbose,
                          .cancel_on_interrupt = true,
                          .what = what(s)};
        return watch_job(&w, &rpc);
}

/* A copy that lacks its kernel would be a job with another. */
static struct json_object *copy_with_kernel(struct json_object *params, const char *kernel)
{
        struct json_object *copy = json_object_new_object();

        json_object_object_foreach (params, key, value)
                kt_json_add(copy, key, json_object_get(value));
        kt_json_add_str(copy, "kernel", kernel);
        return copy;
}

/* One job for each kernel. */
static int fan_out(struct submission *s, struct json_object *resolved, struct globals *g)
{
        const size_t n = json_object_array_length(resolved);
        struct fan_out_job *jobs = calloc(n, sizeof(*jobs));
        const struct fan_out f = {.verb = &verb_submit,
                                  .globals = g,
                                  .method = "io.ktstrd.Job.Submit",
                                  .what = what(s),
                                  .verbose = s->verbose,
                                  .fds = s->bundle.fds,
                                  .n_fds = s->bundle.n};
        int status;

        if (!jobs)
                return EXIT_STATUS_HARNESS;
        for (size_t i = 0; i < n; i++) {
                struct json_object *r = json_object_array_get_idx(resolved, i);

                jobs[i].label = kt_json_str(r, "label");
                jobs[i].params = copy_with_kernel(s->params, kernel_choice_name(r));
        }
        status = s->detach ? fan_out_detach(&f, jobs, n) : fan_out_run(&f, jobs, n);
        free(jobs);
        return status;
}

/* Where several may be meant the kernels are found first, and so is the one that nobody named. */
static int submit(struct submission *s, struct globals *g)
{
        _cleanup_json_ struct json_object *resolved = NULL;
        int status = 0;

        if (!kernel_choice_is_several(&s->kernels))
                return kernel_choice_one(&s->kernels, &verb_submit, g, s->params, &status)
                               ? send_and_watch(s, g)
                               : status;
        if (!kernel_choice_resolve(&s->kernels, &verb_submit, g, &resolved, &status))
                return status;
        return fan_out(s, resolved, g);
}

static int run(int argc, char **argv, struct globals *g)
{
        _cleanup_(kt_error_done) struct kt_error err = KT_ERROR_INIT;
        struct submission s = {.params = json_object_new_object()};
        int opt, r, status = 0;
        bool after_dashes;

        while ((opt = verb_option(&verb_submit, argc, argv, options, g, &status)) >= 0) {
                r = take_option(opt, &s);
                if (r != 1) {
                        json_object_put(s.params);
                        return r;
                }
        }
        after_dashes = optind > 1 && optind <= argc && strcmp(argv[optind - 1], "--") == 0;
        if (opt == -1 && optind < argc && !after_dashes)
                status = verb_usage_error(&verb_submit,
                                          "unexpected argument '%s' (the scheduler's own come after --)",
                                          argv[optind]);
        else if (opt == -1 && optind < argc && !s.sched)
                status = verb_usage_error(&verb_submit, "arguments for a scheduler, but no --sched");
        if (opt == -2 || status) {
                json_object_put(s.params);
                return status;
        }
        status = request_kernels(&verb_submit, s.params, &s.kernels);
        r = bundle_init(&s.bundle, &err);
        if (r >= 0 && !status && s.sched)
                r = add_scheduler(&s, argc - optind, argv + optind, &err);
        if (r < 0)
                status = client_tell(&verb_submit, &err);
        else if (!status)
                status = submit(&s, g);
        kernel_choice_done(&s.kernels);
        json_object_put(s.params);
        bundle_done(&s.bundle);
        return status;
}

const struct verb verb_submit = {"submit", "run a scheduler under a workload and judge it", usage, run, "v"};
