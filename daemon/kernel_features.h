/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What a kernel's sched_ext can do, as its BTF tells: the kfuncs that a scheduler may call, the operations
 * that it may have, and the flags and constants that both take.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../common/error.h"

struct kernel_constant {
        char *enumeration; /* "scx_ops_flags" */
        char *name;        /* "SCX_OPS_KEEP_BUILTIN_IDLE" */
        uint64_t value;
};

/* Owned by whoever asked; all empty for a kernel without sched_ext. */
struct kernel_features {
        uint64_t btf_size;
        char **kfuncs; /* NULL-terminated, sorted, each once */
        char **ops;    /* members of struct sched_ext_ops, NULL-terminated, in its order */
        struct kernel_constant *constants; /* by enumeration, in the order of each */
        size_t n_constants;
};

/* Parse raw BTF, for some 20 ms. name: for messages. -EBADMSG with a text when it is damaged. */
int kernel_features_parse(const void *btf, size_t size, const char *name, struct kernel_features **ret,
                          struct kt_error *reterr);
/* The same from a file. */
int kernel_features_read(const char *btf_path, struct kernel_features **ret, struct kt_error *reterr);
void kernel_features_free(struct kernel_features *f);
