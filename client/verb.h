/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The verbs of ktstrctl: one file each, one table in main.c. */

#include <stdbool.h>

/* What stands before or among a verb's own options. */
struct globals {
        const char *socket; /* --socket, or NULL */
        bool no_autostart;
        bool json;
};

struct verb {
        const char *name, *summary; /* NULL summary: not shown in the overview */
        const char *usage;          /* the text of --help */
        int (*run)(int argc, char **argv,
                   struct globals *g); /* argv[0] is the verb; returns the exit status */
        const char *letters;           /* its own one-letter options, as for getopt(3); NULL: none */
};

extern const struct verb verb_attach, verb_cancel, verb_completions, verb_doctor, verb_drain, verb_jobs,
        verb_kernel, verb_metrics, verb_ping, verb_pool, verb_scenarios, verb_shell, verb_show_thresholds,
        verb_status, verb_submit, verb_test;

/* NULL after the last. */
const struct verb *verb_at(unsigned i);

/* Options that every verb has: getopt_long values and their handling. Returns false when it is
 * none of them. */
#define GLOBAL_OPTIONS                                                                                      \
        {"socket", required_argument, NULL, OPT_GLOBAL_SOCKET},                                             \
                {"no-autostart", no_argument, NULL, OPT_GLOBAL_NO_AUTOSTART},                               \
                {"json", no_argument, NULL, OPT_GLOBAL_JSON},                                               \
        {                                                                                                   \
                "help", no_argument, NULL, OPT_GLOBAL_HELP                                                  \
        }

enum {
        OPT_GLOBAL_SOCKET = 1000,
        OPT_GLOBAL_NO_AUTOSTART,
        OPT_GLOBAL_JSON,
        OPT_GLOBAL_HELP,
};

struct option;

/* One step of getopt_long for a verb: global options are taken in, --help is printed. Returns the verb's own
 * option, -1 at the end, or -2 when the verb is to return *ret_status (help, or a usage error that was
 * told). */
int verb_option(const struct verb *v, int argc, char **argv, const struct option *options, struct globals *g,
                int *ret_status);

/* A usage error: "ktstrctl: VERB: TEXT; see ktstrctl VERB --help" on stderr; returns 64. */
int verb_usage_error(const struct verb *v, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
