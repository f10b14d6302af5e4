/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "kernel.h"

#include <getopt.h>
#include <string.h>

#include "../common/cleanup.h"

static const char usage[] =
        "ktstrctl kernel import FILE...|DIR   take a kernel into the cache: Debian packages (image; from "
        "6.19 on\n"
        "                                     linux-binary, linux-base and linux-modules together), RPMs, a\n"
        "                                     vmlinuz or bzImage, an ELF vmlinux, a built source tree; and with\n"
        "                                     it the folder of its modules\n"
        "ktstrctl kernel list                 what is cached\n"
        "ktstrctl kernel info KEY             one entry, as JSON\n"
        "ktstrctl kernel resolve [SPEC]       which kernel a job with --kernel SPEC would get\n"
        "ktstrctl kernel remove KEY...        take it out of the cache\n\n"
        "  --json               machine-readable\n"
        "  --socket PATH, --no-autostart\n";

static const struct {
        const char *name;
        int (*run)(int argc, char **argv, struct globals *g);
        int min, max;
        const char *wants;
} verbs[] = {
        {"import", kernel_import, 1, 3, "one to three files, or a folder"},
        {"list", kernel_list, 0, 0, "no argument"},
        {"info", kernel_info, 1, 1, "one key"},
        {"resolve", kernel_resolve, 0, 1, "at most one kernel"},
        {"remove", kernel_remove, 1, 1000, "a key"},
};

static int run(int argc, char **argv, struct globals *g)
{
        int status = simple_options(&verb_kernel, argc, argv, g), n = argc - optind - 1;

        if (status >= 0)
                return status;
        if (n < 0)
                return verb_usage_error(&verb_kernel, "say what: import, list, info, resolve or remove");
        for (size_t i = 0; i < KT_ARRAY_SIZE(verbs); i++) {
                if (strcmp(argv[optind], verbs[i].name) != 0)
                        continue;
                if (n < verbs[i].min || n > verbs[i].max)
                        return verb_usage_error(&verb_kernel, "%s takes %s", verbs[i].name, verbs[i].wants);
                return verbs[i].run(n, argv + optind + 1, g);
        }
        return verb_usage_error(&verb_kernel,
                                "there is no '%s'; there are import, list, info, resolve and remove",
                                argv[optind]);
}

const struct verb verb_kernel = {"kernel", "the kernel cache: import, list, info, resolve, remove", usage,
                                 run};
