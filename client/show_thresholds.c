/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* ktstrctl show-thresholds: what a test is checked against, and which layer says so. */
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "../common/distance.h"
#include "../common/fsutil.h"
#include "../lib/thresholds.h"
#include "connect.h"
#include "exit_status.h"
#include "simple.h"
#include "test_programs.h"

static const char usage[] =
        "ktstrctl show-thresholds [-C DIR] [--json] TEST [PROGRAM]...\n"
        "What TEST is checked against, for each accelerator, and where that comes from: the\n"
        "defaults, its scheduler, or itself. Without a PROGRAM it is looked for in all that are found.\n\n"
        "  -C DIR               where to look for programs (default: ./build if it is there, else .)\n";

static const struct option options[] = {GLOBAL_OPTIONS, {}};

struct layers {
        struct ktstr_checks kvm, tcg;         /* merged */
        struct json_object *defaults;         /* owned */
        struct json_object *scheduler, *test; /* borrowed; what they declare, or NULL */
};

static void layers_done(struct layers *l)
{
        json_object_put(l->defaults);
}

static int merge(struct layers *l, struct kt_error *reterr)
{
        struct ktstr_checks defaults;
        int r;

        l->kvm = kt_checks_default(false);
        l->tcg = kt_checks_default(true);
        defaults = l->kvm;
        l->defaults = kt_checks_json(&defaults);
        r = kt_checks_parse(l->scheduler, &l->kvm, reterr);
        if (r >= 0)
                r = kt_checks_parse(l->scheduler, &l->tcg, reterr);
        if (r >= 0)
                r = kt_checks_parse(l->test, &l->kvm, reterr);
        return r < 0 ? r : kt_checks_parse(l->test, &l->tcg, reterr);
}

/* The last layer that says anything of it; NULL: none does. */
static const char *layer_of(const struct layers *l, const struct kt_threshold *t)
{
        if (kt_json_get(l->test, t->name))
                return "test";
        if (kt_json_get(l->scheduler, t->name))
                return "scheduler";
        return kt_json_get(l->defaults, t->name) ? "default" : NULL;
}

static void print_table(const struct layers *l)
{
        printf("  %-30s  %-14s  %-14s  %s\n", "THRESHOLD", "KVM", "TCG", "FROM");
        for (size_t i = 0; i < kt_thresholds_n; i++) {
                const struct kt_threshold *t = &kt_thresholds[i];
                const char *layer = layer_of(l, t);
                char kvm[64], tcg[64];

                printf("  %-30s  %-14s  %-14s  %s%s\n", t->name,
                       kt_checks_format(&l->kvm, t, kvm, sizeof(kvm)),
                       kt_checks_format(&l->tcg, t, tcg, sizeof(tcg)), layer ? layer : "-",
                       t->check ? "" : " (of the monitor, which does not look yet)");
        }
}

static struct json_object *as_json(const struct layers *l)
{
        struct json_object *list = json_object_new_array(), *kvm = kt_checks_json(&l->kvm),
                           *tcg = kt_checks_json(&l->tcg);

        for (size_t i = 0; i < kt_thresholds_n; i++) {
                const struct kt_threshold *t = &kt_thresholds[i];
                struct json_object *o = json_object_new_object();

                kt_json_add_str(o, "name", t->name);
                if (kt_json_get(kvm, t->name))
                        kt_json_add(o, "kvm", json_object_get(kt_json_get(kvm, t->name)));
                if (kt_json_get(tcg, t->name))
                        kt_json_add(o, "tcg", json_object_get(kt_json_get(tcg, t->name)));
                kt_json_add_str(o, "unit", t->unit);
                kt_json_add_str(o, "from", layer_of(l, t));
                kt_json_add_bool(o, "monitor", !t->check);
                json_object_array_add(list, o);
        }
        json_object_put(kvm);
        json_object_put(tcg);
        return list;
}

static int show(const struct test_program *p, struct json_object *test, struct json_object *list,
                struct kt_error *reterr)
{
        struct json_object *scheduler = test_program_scheduler(p, kt_json_str(test, "scheduler"));
        _cleanup_(layers_done) struct layers l = {.scheduler = kt_json_get(scheduler, "checks"),
                                                  .test = kt_json_get(test, "checks")};
        const char *under = scheduler ? kt_json_str(scheduler, "name") : "EEVDF";
        struct json_object *o;
        int r = merge(&l, reterr);

        if (r < 0)
                return kt_error_prefix(reterr, "%s: %s", p->path, kt_json_str(test, "name"));
        if (!list) {
                printf("%s of %s, under %s:\n", kt_json_str(test, "name"), p->path, under);
                print_table(&l);
                return 0;
        }
        o = json_object_new_object();
        kt_json_add_str(o, "program", p->path);
        kt_json_add_str(o, "test", kt_json_str(test, "name"));
        kt_json_add_str(o, "scheduler", under);
        kt_json_add(o, "thresholds", as_json(&l));
        return json_object_array_add(list, o);
}

static int unknown_test(const char *wanted, const char *nearest)
{
        if (nearest)
                fprintf(stderr, "ktstrctl: show-thresholds: no test '%s'; did you mean '%s'?\n", wanted,
                        nearest);
        else
                fprintf(stderr,
                        "ktstrctl: show-thresholds: no test '%s'; ktstrctl test --list shows them all\n",
                        wanted);
        return EXIT_STATUS_USAGE;
}

/* All of that name: several programs may have one. */
static int show_all(const struct test_programs *programs, const char *wanted, bool json)
{
        _cleanup_(kt_error_done) struct kt_error err = KT_ERROR_INIT;
        _cleanup_json_ struct json_object *list = json ? json_object_new_array() : NULL;
        struct kt_nearest nearest = kt_nearest_to(wanted);
        struct json_object *test;
        size_t shown = 0;

        for (size_t i = 0; i < programs->n; i++)
                for (size_t k = 0; (test = test_program_test(&programs->all[i], k)); k++) {
                        if (strcmp(kt_json_str(test, "name"), wanted) != 0) {
                                kt_nearest_offer(&nearest, kt_json_str(test, "name"));
                                continue;
                        }
                        if (!json && shown > 0)
                                putchar('\n');
                        if (show(&programs->all[i], test, list, &err) < 0)
                                return client_tell(&verb_show_thresholds, &err);
                        shown++;
                }
        if (shown == 0)
                return unknown_test(wanted, nearest.name);
        return json ? simple_print_json(list) : 0;
}

static int run(int argc, char **argv, struct globals *g)
{
        _cleanup_(test_programs_done) struct test_programs programs = {};
        const char *dir = NULL, *wanted;
        int opt, status = 0, problems;

        while ((opt = verb_option(&verb_show_thresholds, argc, argv, options, g, &status)) >= 0)
                dir = optarg;
        if (opt == -2)
                return status;
        if (optind == argc)
                return verb_usage_error(&verb_show_thresholds, "name a test");
        wanted = argv[optind++];
        if (dir && optind < argc)
                return verb_usage_error(&verb_show_thresholds,
                                        "-C looks for programs, and some are named; leave out one of them");
        status = test_programs_load(&verb_show_thresholds, dir, argv + optind, (size_t)(argc - optind),
                                    &programs);
        if (status)
                return status;
        problems = test_programs_tell_problems(&programs, &verb_show_thresholds);
        status = show_all(&programs, strncmp(wanted, "ktstr/", 6) == 0 ? wanted + 6 : wanted, g->json);
        return exit_status_worse(problems, status);
}

const struct verb verb_show_thresholds = {"show-thresholds", "what a test is checked against", usage, run,
                                          "C:"};
