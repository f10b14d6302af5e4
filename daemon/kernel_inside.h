/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A kernel and what is in it, for who wants to look: a value, owned by whoever asked. */

#include "../kconfig/kconfig.h"
#include "kcache.h"
#include "kernel_boot.h"
#include "kernel_features.h"

struct kernel_inside {
        struct kernel *kernel;
        char *config;                        /* text, or NULL */
        char config_hash[KCONFIG_HASH_SIZE]; /* of it, or "" */
        struct kernel_features *features;    /* NULL: it has no BTF, or features_error says why */
        char *features_error;
        struct kernel_boot *boots;
        size_t n_boots;
};

/* Of the entry with this key, as kcache_get(). Of a corrupt one nothing else is looked at; damaged BTF is no
 * failure. Blocks. *ret is for kernel_inside_done() also on failure. */
int kernel_inside_get(struct kcache *c, const char *key, struct kernel_inside *ret, struct kt_error *reterr);

/* Of what a spec names, as kernel_resolve_as() without importing. */
int kernel_inside_resolve(struct kcache *c, const struct kernel_caller *caller, const char *spec,
                          struct kernel_inside *ret, struct kt_error *reterr);

void kernel_inside_done(struct kernel_inside *i);
