/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* In what two kernels differ: their configurations, and what their sched_ext can do. */

#include <stddef.h>

#include "kernel_features.h"

struct kernel_option {
        char *option; /* "CONFIG_HZ" */
        char *a, *b;  /* the value as it stands there ("y", "250", "\"text\""); NULL: off */
};

/* What only one has; NULL-terminated, sorted, never NULL. */
struct kernel_names {
        char **a, **b;
};

struct kernel_diff {
        struct kernel_option *options; /* by name */
        size_t n_options;
        struct kernel_names kfuncs, ops, flags; /* flags: all that struct kernel_features calls constants */
};

/* What one of the two does not have (NULL) is not compared. An option that is not set and one that is not
 * there are both off. -ENOMEM. */
int kernel_diff_new(const char *config_a, const char *config_b, const struct kernel_features *a,
                    const struct kernel_features *b, struct kernel_diff **ret);
void kernel_diff_free(struct kernel_diff *d);
