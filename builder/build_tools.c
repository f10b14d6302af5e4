/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "build_tools.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "../common/cleanup.h"
#include "../kconfig/kernel_config.h"
#include "../proto/errors.h"
#include "child.h"

/* Names are Debian's. */
struct tool {
        const char *program; /* or NULL, and then: */
        const char *header;
        const char *package;
        const char *option; /* needed with this one only */
};

static const struct tool always[] = {
        {"make", NULL, "make", NULL},         {"gcc", NULL, "gcc", NULL},
        {"ld", NULL, "binutils", NULL},       {"flex", NULL, "flex", NULL},
        {"bison", NULL, "bison", NULL},       {"bc", NULL, "bc", NULL},
        {"perl", NULL, "perl", NULL},         {"pahole", NULL, "dwarves", NULL},
        {NULL, "stdio.h", "libc6-dev", NULL}, {NULL, "gelf.h", "libelf-dev", NULL},
};

/* vmlinux alone is made: what compresses it for an image is not needed, nor what installs modules. */
static const struct tool by_config[] = {
        {NULL, "openssl/opensslv.h", "libssl-dev", "SYSTEM_TRUSTED_KEYRING"},
        {NULL, "openssl/opensslv.h", "libssl-dev", "MODULE_SIG_FORMAT"},
        {"openssl", NULL, "openssl", "MODULE_SIG"},
        {"gzip", NULL, "gzip", "IKCONFIG"},
        {"cpio", NULL, "cpio", "IKHEADERS"},
        {"xz", NULL, "xz-utils", "IKHEADERS"},
        {"rustc", NULL, "rustc", "RUST"},
};

static bool has_header(const char *header)
{
        const char *argv[] = {"gcc", "-fsyntax-only", "-include", header, "-x", "c", "/dev/null", NULL};
        struct child c = {.argv = argv};

        /* Without a compiler that is what is said. */
        return !child_find("gcc") || child_run(&c, NULL) == 0;
}

static void append(char *list, size_t size, const char *separator, const char *what)
{
        size_t used = strlen(list);

        snprintf(list + used, size - used, "%s%s", used > 0 ? separator : "", what);
}

static int check(const struct tool *tools, size_t n, const char *config, struct kt_error *reterr)
{
        char missing[512] = "", packages[512] = "";

        for (size_t i = 0; i < n; i++) {
                const struct tool *t = &tools[i];

                if (t->option && kernel_config_get(config, t->option) == 'n')
                        continue;
                if (t->program ? child_find(t->program) : has_header(t->header))
                        continue;
                if (strstr(missing, t->program ? t->program : t->header))
                        continue;
                append(missing, sizeof(missing), ", ", t->program ? t->program : t->header);
                append(packages, sizeof(packages), " ", t->package);
        }
        if (!missing[0])
                return 0;
        return kt_error_set(reterr, -ENOENT, KT_E_IO,
                            "not installed, and needed to build this kernel: %s; apt install %s", missing,
                            packages);
}

int build_tools_check(struct kt_error *reterr)
{
        return check(always, KT_ARRAY_SIZE(always), NULL, reterr);
}

int build_tools_check_config(const char *config, struct kt_error *reterr)
{
        return check(by_config, KT_ARRAY_SIZE(by_config), config, reterr);
}
