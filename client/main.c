/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* ktstrctl: the thin client. */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include <build_config.h>

#include "../common/cleanup.h"
#include "../common/distance.h"
#include "exit_status.h"
#include "verb.h"

static const struct verb *const verbs[] = {
        &verb_test,    &verb_show_thresholds, &verb_scenarios,   &verb_submit, &verb_shell,  &verb_jobs,
        &verb_attach,  &verb_cancel,          &verb_kernel,      &verb_pool,   &verb_doctor, &verb_status,
        &verb_metrics, &verb_drain,           &verb_completions, &verb_ping,
};

const struct verb *verb_at(unsigned i)
{
        return i < KT_ARRAY_SIZE(verbs) ? verbs[i] : NULL;
}

static void overview(FILE *f)
{
        fputs("ktstrctl [--socket PATH] [--no-autostart] [--json] VERB [OPTION]...\n"
              "Test sched_ext schedulers in real kernels.\n\n",
              f);
        for (size_t i = 0; i < KT_ARRAY_SIZE(verbs); i++)
                if (verbs[i]->summary)
                        fprintf(f, "  %-16s %s\n", verbs[i]->name, verbs[i]->summary);
        fputs("\nktstrctl VERB --help tells more. First steps:\n"
              "  ktstrctl kernel build\n"
              "  ktstrctl submit --sched ./scx_my_sched\n"
              "  ktstrctl test ./my_tests\n",
              f);
}

static const struct verb *find_verb(const char *name)
{
        for (size_t i = 0; i < KT_ARRAY_SIZE(verbs); i++)
                if (strcmp(verbs[i]->name, name) == 0)
                        return verbs[i];
        return NULL;
}

static int unknown_verb(const char *name)
{
        const char *nearest = NULL;
        unsigned best = 3;

        for (size_t i = 0; i < KT_ARRAY_SIZE(verbs); i++) {
                unsigned d = kt_edit_distance(name, verbs[i]->name);
                if (d < best) {
                        best = d;
                        nearest = verbs[i]->name;
                }
        }
        if (nearest)
                fprintf(stderr, "ktstrctl: no verb '%s'; did you mean '%s'?\n", name, nearest);
        else
                fprintf(stderr, "ktstrctl: no verb '%s'; ktstrctl --help lists them\n", name);
        return EXIT_STATUS_USAGE;
}

/* What stands before the verb. Returns its index in argv, or -1 with *ret_status. */
static int before_verb(int argc, char **argv, struct globals *g, int *ret_status)
{
        static const struct option options[] = {GLOBAL_OPTIONS, {"version", no_argument, NULL, 'V'}, {}};
        int opt;

        while ((opt = getopt_long(argc, argv, "+:h", options, NULL)) != -1)
                switch (opt) {
                case OPT_GLOBAL_SOCKET:
                        g->socket = optarg;
                        break;
                case OPT_GLOBAL_NO_AUTOSTART:
                        g->no_autostart = true;
                        break;
                case OPT_GLOBAL_JSON:
                        g->json = true;
                        break;
                case 'h':
                case OPT_GLOBAL_HELP:
                        overview(stdout);
                        *ret_status = 0;
                        return -1;
                case 'V':
                        printf("ktstrctl %s\n", KT_VERSION);
                        *ret_status = 0;
                        return -1;
                default:
                        fprintf(stderr,
                                "ktstrctl: option '%s' is unknown or lacks its value; see ktstrctl --help\n",
                                argv[optind - 1]);
                        *ret_status = EXIT_STATUS_USAGE;
                        return -1;
                }
        return optind;
}

int main(int argc, char **argv)
{
        struct globals g = {};
        int status = 0, at;
        const struct verb *v;

        signal(SIGPIPE, SIG_IGN);
        opterr = 0;
        at = before_verb(argc, argv, &g, &status);
        if (at < 0)
                return status;
        if (at >= argc) {
                overview(stderr);
                return EXIT_STATUS_USAGE;
        }
        if (strcmp(argv[at], "help") == 0) {
                v = at + 1 < argc ? find_verb(argv[at + 1]) : NULL;
                if (at + 1 < argc && !v)
                        return unknown_verb(argv[at + 1]);
                if (v)
                        fputs(v->usage, stdout);
                else
                        overview(stdout);
                return 0;
        }
        v = find_verb(argv[at]);
        if (!v)
                return unknown_verb(argv[at]);
        optind = 0; /* glibc: begin anew, with another argv */
        status = v->run(argc - at, argv + at, &g);
        /* Whoever closed the pipe knows; a full disk is news. */
        if ((fflush(stdout) != 0 || ferror(stdout)) && errno != EPIPE) {
                fprintf(stderr, "ktstrctl: %s: cannot write to standard output: %s\n", v->name,
                        strerror(errno));
                return status ? status : EXIT_STATUS_HARNESS;
        }
        return status;
}
