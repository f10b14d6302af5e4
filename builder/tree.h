/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The state of a source tree that is somebody's own and is built where it is: what its kernel may be
 * called, and whether it is still the same afterwards. */

#include <stdbool.h>

#include "../common/error.h"
#include "../kconfig/kconfig.h"
#include "git.h"

struct tree {
        char *version;
        char git_hash[GIT_HASH_SIZE]; /* "" when it is none of git's */
        bool dirty;
        char own_config[KCONFIG_HASH_SIZE]; /* CRC-32 of its .config; "" without one */
};

void tree_done(struct tree *t);

/* KT_E_BAD_KERNEL when dir is no kernel's source, KT_E_PERMISSION_DENIED when nothing can be built there. */
int tree_look(const char *dir, struct tree *ret, struct kt_error *reterr);

/* Why what is built of it may not be kept under its commit; NULL when it may. Malloced; memory running out
 * gives a shorter text, never NULL instead of one. */
char *tree_why_uncacheable(const char *dir, const struct tree *before, const struct tree *after);

/* Nobody else of us builds in dir until the descriptor is closed; waits, and says so. Where the file system
 * cannot lock, that is said, and is no failure. */
int tree_lock(const char *dir, int *ret_fd, struct kt_error *reterr);
