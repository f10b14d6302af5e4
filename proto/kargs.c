/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "kargs.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "errors.h"

/* What the daemon says itself (daemon/qemu_args.c), and what would take the guest's devices, memory or CPUs
 * from it. One that ends in a dot is a prefix. */
static const char *const reserved[] = {
        "8250.",
        "acpi",
        "console",
        "cryptomgr.notests",
        "earlycon",
        "earlyprintk",
        "init",
        "initrd",
        "ktstr.",
        "loglevel",
        "maxcpus",
        "mem",
        "memmap",
        "mitigations",
        "nokaslr",
        "no_timer_check",
        "noapic",
        "nolapic",
        "norandmaps",
        "nosmp",
        "nr_cpus",
        "panic",
        "pci",
        "quiet",
        "random.trust_cpu",
        "rcupdate.rcu_expedited",
        "rdinit",
        "root",
        "rootfstype",
        "tsc",
        "tsc_early_khz",
};

/* The kernel takes '-' and '_' for the same. */
static bool is_named(const char *karg, const char *name)
{
        size_t len = strlen(name);

        for (size_t i = 0; i < len; i++)
                if ((karg[i] == '-' ? '_' : karg[i]) != name[i])
                        return false;
        return name[len - 1] == '.' || karg[len] == '\0' || karg[len] == '=';
}

int kt_karg_check(const char *karg, struct kt_error *reterr)
{
        if (!*karg)
                return kt_error_set(reterr, -EINVAL, KT_E_INVALID_PARAMETER, "a kernel argument is empty");
        for (const char *p = karg; *p; p++)
                if ((unsigned char)*p <= ' ' || *p == 0x7f || *p == '"')
                        return kt_error_set(
                                reterr, -EINVAL, KT_E_INVALID_PARAMETER,
                                "kernel argument '%s' has blanks, quotes or control characters: give "
                                "each argument as a string of its own",
                                karg);
        /* What follows this is for init. */
        if (strcmp(karg, "--") == 0)
                return kt_error_set(reterr, -EINVAL, KT_E_INVALID_PARAMETER,
                                    "kernel argument '--' would make init's of all that follow it");
        for (size_t i = 0; i < KT_ARRAY_SIZE(reserved); i++)
                if (is_named(karg, reserved[i]))
                        return kt_error_set(reterr, -EINVAL, KT_E_INVALID_PARAMETER,
                                            "kernel argument '%s' is set by ktstrd itself", karg);
        return 0;
}
