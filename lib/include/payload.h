/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * A payload: a real program as workload, and what its output is checked for (part of ktstr.h; do not include
 * it alone).
 *
 *     static const struct ktstr_payload schbench = {
 *             .name = "schbench", .binary = "schbench", .args = KTSTR_LIST("-r", "5", "-j", "-"),
 *             .output = KTSTR_OUTPUT_JSON,
 *             .metrics = KTSTR_METRICS({"p99_us", .json = "/wakeup_latency/pcts/99.0", .unit = "us",
 * .polarity = KTSTR_LOWER},
 *                                      {"rps", .pattern = "avg rps: ([0-9.]+)"}),
 *             .checks = KTSTR_PAYLOAD_CHECKS({"p99_us", KTSTR_CHECK_MAX, .max = 500}),
 *     };
 *
 * The binary is looked for as a scheduler's is (a name beside the test program, then in PATH; a path), and
 * brought into the guest with its libraries.
 */

enum ktstr_output {
        KTSTR_OUTPUT_EXIT_CODE, /* nothing is read from it but the metrics' patterns */
        KTSTR_OUTPUT_JSON,      /* the last whole JSON value of its stdout */
};

enum ktstr_polarity {
        KTSTR_POLARITY_UNSET,
        KTSTR_LOWER,  /* is better */
        KTSTR_HIGHER, /* is better */
};

/* A number of its output: by JSON pointer (RFC 6901), or by a Perl-compatible expression's first group, the
 * last match in stdout and stderr. One that a check wants and whose pattern is too expensive to look for is
 * an error. */
struct ktstr_metric_def {
        const char *name;
        const char *json, *pattern;
        const char *unit;
        enum ktstr_polarity polarity;
};

enum ktstr_payload_check_kind {
        KTSTR_CHECK_EXISTS = 1, /* the metric is there */
        KTSTR_CHECK_MIN,
        KTSTR_CHECK_MAX,
        KTSTR_CHECK_RANGE,
        KTSTR_CHECK_EXIT_CODE, /* of the program: .min; without such a check it has to be 0 */
};

struct ktstr_payload_check {
        const char *metric; /* NULL with EXIT_CODE */
        enum ktstr_payload_check_kind kind;
        double min, max;
};

struct ktstr_payload {
        const char *name;   /* before its metrics: "schbench.p99_us" */
        const char *binary; /* name or path on the host */
        const char *const *args;
        enum ktstr_output output;
        const struct ktstr_metric_def *metrics;   /* KTSTR_METRICS() */
        const struct ktstr_payload_check *checks; /* KTSTR_PAYLOAD_CHECKS() */
        const char *const *include_files;         /* of the host, into /include-files/ */
};

#define KTSTR_METRICS(...) ((const struct ktstr_metric_def[]){__VA_ARGS__, {.name = NULL}})
#define KTSTR_PAYLOAD_CHECKS(...) ((const struct ktstr_payload_check[]){__VA_ARGS__, {.kind = 0}})
#define KTSTR_PAYLOADS(...) ((const struct ktstr_payload *const[]){__VA_ARGS__, NULL})

/* What became of one. */
struct ktstr_payload_result {
        int exit_code, exit_signal; /* -1 where it does not apply */
        bool timed_out;
        enum ktstr_outcome outcome; /* of its checks */
};

/* Run it to its end in the test's own cgroup (or `cgroup`), at most timeout_ms (0: the test's duration and
 * 30 s; KTSTR_NONE: no limit but the test's own), with more_args behind its own (NULL: none). Its metrics
 * become the verdict's, its checks count. *ret may be NULL. */
enum ktstr_outcome ktstr_payload_run(struct ktstr_ctx *ctx, const struct ktstr_payload *p,
                                     const char *cgroup, const char *const *more_args, uint64_t timeout_ms,
                                     struct ktstr_payload_result *ret);

/* Start it and go on; then ask, wait or kill. An outcome other than PASS: it was said why, *ret is not set.
 * The handle is good until wait or kill, which release it, or the test's end. One that an operation or the
 * scenario's end has ended meanwhile has been judged then, and they tell what it came to. */
struct ktstr_payload_handle;
enum ktstr_outcome ktstr_payload_start(struct ktstr_ctx *ctx, const struct ktstr_payload *p,
                                       const char *cgroup, const char *const *more_args,
                                       struct ktstr_payload_handle **ret);
bool ktstr_payload_is_running(const struct ktstr_payload_handle *h);
enum ktstr_outcome ktstr_payload_wait(struct ktstr_ctx *ctx, struct ktstr_payload_handle *h,
                                      uint64_t timeout_ms, struct ktstr_payload_result *ret);
/* That it was killed is no miss; what it had printed is read. */
enum ktstr_outcome ktstr_payload_kill(struct ktstr_ctx *ctx, struct ktstr_payload_handle *h,
                                      struct ktstr_payload_result *ret);
