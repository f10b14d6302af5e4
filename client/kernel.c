/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "kernel.h"

#include <getopt.h>
#include <limits.h>
#include <string.h>

#include "../common/cleanup.h"
#include "units.h"

/* clang-format off */
static const char usage[] =
        "ktstrctl kernel build [VERSION | --source DIR | --git URL [--ref REF] | --tarball FILE |\n"
        "                       --package NAME] [--tiny] [--extra-kconfig FILE] [--force] [--clean]\n"
        "                       [--jobs N] [--detach] [-v]\n"
        "                     build one: the newest stable release, a version, or the newest of 6.12 or 6; a\n"
        "                     tree where it is; a branch, tag or commit; a tarball; a Debian source package.\n"
        "                     --tiny: the least that boots and tests; --extra-kconfig: lines CONFIG_NAME=y over\n"
        "                     the configuration; --force: also what is cached; --clean: make mrproper first, with\n"
        "                     --source make clean, which leaves its .config; --jobs: processes of make, else as\n"
        "                     many as its part of the CPUs; --detach: print the job's name and leave it running;\n"
        "                     -v: show the log as it comes\n"
        "ktstrctl kernel import FILE|URL...|DIR\n"
        "                     take in one that is built: Debian packages (image; from 6.19 on linux-binary,\n"
        "                     linux-base and linux-modules together), RPMs, a vmlinuz or bzImage, an ELF\n"
        "                     vmlinux, a built source tree; with it, if need be, the folder of its modules\n"
        "ktstrctl kernel import --installed [--root DIR]\n"
        "                     every kernel with sched_ext that is installed here, or in the system below DIR,\n"
        "                     such as an unpacked image\n"
        "ktstrctl kernel list [--range A..B [--fetch]]\n"
        "                     what is cached; or which versions are in a range, with --fetch of kernel.org's\n"
        "                     releases too\n"
        "ktstrctl kernel info [--config] KEY\n"
        "                     what is in one: configuration, BTF, what its sched_ext can do, how long it takes\n"
        "                     to boot; or its configuration alone\n"
        "ktstrctl kernel resolve [--fetch] [SPEC]...\n"
        "                     which kernels jobs with --kernel SPEC would get; --fetch: build what is missing\n"
        "ktstrctl kernel diff A B\n"
        "                     in what two kernels differ, each a version, a key or a path\n"
        "ktstrctl kernel remove KEY...\n"
        "                     take it out of the cache\n"
        "ktstrctl kernel clean [--keep N | --corrupt-only] [--force]\n"
        "                     take out all that is not in use, but the N that came last; or only what is corrupt,\n"
        "                     which goes in any case. Without --force it asks first\n"
        "\n"
        "  --json               machine-readable\n"
        "  --socket PATH, --no-autostart\n";
/* clang-format on */

static const struct {
        const char *name;
        int (*run)(int argc, char **argv, struct globals *g);
        int min, max;
        const char *wants;
} verbs[] = {
        {"import", kernel_import, 1, 3, "one to three files or addresses, or a folder"},
        {"list", kernel_range, 0, 0, "no argument"},
        {"info", kernel_info, 1, 1, "one key"},
        {"diff", kernel_diff, 2, 2, "two kernels"},
        {"resolve", kernel_resolve, 0, 1000, "kernels"},
        {"remove", kernel_remove, 1, 1000, "a key"},
        {"clean", kernel_clean, 0, 0, "no argument; remove takes out what you name"},
};

struct kernel_options kernel_options = {.keep = -1};

enum {
        OPT_INSTALLED = 1,
        OPT_ROOT,
        OPT_CONFIG,
        OPT_RANGE,
        OPT_FETCH,
        OPT_KEEP,
        OPT_CORRUPT_ONLY,
        OPT_FORCE,
};

static const struct option options[] = {
        GLOBAL_OPTIONS,
        {"installed", no_argument, NULL, OPT_INSTALLED},
        {"root", required_argument, NULL, OPT_ROOT},
        {"config", no_argument, NULL, OPT_CONFIG},
        {"range", required_argument, NULL, OPT_RANGE},
        {"fetch", no_argument, NULL, OPT_FETCH},
        {"keep", required_argument, NULL, OPT_KEEP},
        {"corrupt-only", no_argument, NULL, OPT_CORRUPT_ONLY},
        {"force", no_argument, NULL, OPT_FORCE},
        {},
};

/* 0, or the exit status. */
static int take_option(int opt)
{
        switch (opt) {
        case 'v':
                return verb_usage_error(&verb_kernel, "-v is for build");
        case OPT_INSTALLED:
                kernel_options.installed = true;
                break;
        case OPT_ROOT:
                kernel_options.root = optarg;
                break;
        case OPT_CONFIG:
                kernel_options.config = true;
                break;
        case OPT_RANGE:
                kernel_options.range = optarg;
                break;
        case OPT_FETCH:
                kernel_options.fetch = true;
                break;
        case OPT_KEEP:
                if (parse_number(optarg, 0, UINT_MAX, &kernel_options.keep) < 0)
                        return verb_usage_error(&verb_kernel, "--keep: '%s' is no number of kernels",
                                                optarg);
                break;
        case OPT_CORRUPT_ONLY:
                kernel_options.corrupt_only = true;
                break;
        case OPT_FORCE:
                kernel_options.force = true;
                break;
        }
        return 0;
}

static int check_clean(const char *verb)
{
        const struct kernel_options *o = &kernel_options;

        if (strcmp(verb, "clean") != 0 && (o->keep >= 0 || o->corrupt_only || o->force))
                return verb_usage_error(&verb_kernel, "%s takes no %s", verb,
                                        o->keep >= 0      ? "--keep"
                                        : o->corrupt_only ? "--corrupt-only"
                                                          : "--force");
        if (o->keep >= 0 && o->corrupt_only)
                return verb_usage_error(
                        &verb_kernel,
                        "--keep and --corrupt-only exclude each other: the latter keeps all that is valid");
        return 0;
}

/* Each belongs to one verb. */
static int check_options(const char *verb)
{
        const struct kernel_options *o = &kernel_options;

        if (o->config && strcmp(verb, "info") != 0)
                return verb_usage_error(&verb_kernel, "%s takes no --config", verb);
        if (o->installed && strcmp(verb, "import") != 0)
                return verb_usage_error(&verb_kernel, "%s takes no --installed", verb);
        if (o->root && !o->installed)
                return verb_usage_error(&verb_kernel, "--root is for import --installed");
        if (o->range && strcmp(verb, "list") != 0)
                return verb_usage_error(&verb_kernel, "%s takes no --range", verb);
        if (o->fetch && !o->range && strcmp(verb, "resolve") != 0)
                return verb_usage_error(&verb_kernel, "--fetch is for resolve and for list --range");
        return check_clean(verb);
}

static int run_verb(size_t i, int n, char **operands, struct globals *g)
{
        int status = check_options(verbs[i].name);

        if (status)
                return status;
        if (kernel_options.installed && n > 0)
                return verb_usage_error(&verb_kernel, "import takes either files or --installed");
        if (!kernel_options.installed && (n < verbs[i].min || n > verbs[i].max))
                return verb_usage_error(&verb_kernel, "%s takes %s", verbs[i].name, verbs[i].wants);
        return verbs[i].run(n, operands, g);
}

/* Where the verb stands: behind options, of which one has its value in the next word. 0: nowhere. */
static int find_verb(int argc, char **argv)
{
        for (int i = 1; i < argc; i++)
                if (strcmp(argv[i], "--socket") == 0)
                        i++;
                else if (argv[i][0] != '-')
                        return i;
        return 0;
}

/* build has more options than all others together, and reads them itself. Another verb: -1. */
static int run_build(int argc, char **argv, struct globals *g)
{
        const int at = find_verb(argc, argv);

        if (at == 0 || strcmp(argv[at], "build") != 0)
                return -1;
        memmove(&argv[at], &argv[at + 1], (size_t)(argc - at) * sizeof(*argv));
        return kernel_build(argc - 1, argv, g);
}

const struct verb *kernel_help(const char *name)
{
        static char text[sizeof(usage)];
        static struct verb v;
        const size_t prefix = strlen("ktstrctl kernel "), len = strlen(name);
        const char *const common = strstr(usage, "\n\n") + 1;
        char *out = text;

        /* A paragraph goes on as long as its lines are indented. */
        for (const char *p = usage, *next; p < common; p = next) {
                next = p;
                do
                        next = strchr(next, '\n') + 1;
                while (*next == ' ');
                if (strncmp(p + prefix, name, len) == 0 && strchr(" \n", p[prefix + len]))
                        out = mempcpy(out, p, (size_t)(next - p));
        }
        if (out == text)
                return &verb_kernel;
        strcpy(out, common);
        v = verb_kernel;
        v.usage = text;
        return &v;
}

static int run(int argc, char **argv, struct globals *g)
{
        int status = run_build(argc, argv, g), opt, at;
        const struct verb *v;

        if (status >= 0)
                return status;
        status = 0;
        at = find_verb(argc, argv);
        v = at > 0 ? kernel_help(argv[at]) : &verb_kernel;
        while ((opt = verb_option(v, argc, argv, options, g, &status)) >= 0) {
                status = take_option(opt);
                if (status)
                        return status;
        }
        if (opt == -2)
                return status;
        if (optind >= argc)
                return verb_usage_error(&verb_kernel,
                                        "say what: build, import, list, info, resolve, diff, remove or "
                                        "clean");
        for (size_t i = 0; i < KT_ARRAY_SIZE(verbs); i++)
                if (strcmp(argv[optind], verbs[i].name) == 0)
                        return run_verb(i, argc - optind - 1, argv + optind + 1, g);
        return verb_usage_error(
                &verb_kernel,
                "there is no '%s'; there are build, import, list, info, resolve, diff, remove "
                "and clean",
                argv[optind]);
}

const struct verb verb_kernel = {
        "kernel", "the kernels of guests: build, import, list, info, resolve, diff, remove, clean", usage,
        run, "v"};
