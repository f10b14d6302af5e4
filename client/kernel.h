/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The verbs under `ktstrctl kernel`, one a file. argv holds the operands; options are parsed already. */

#include "simple.h"

/* What was given of the options that single verbs have. */
struct kernel_options {
        bool config;       /* info --config */
        bool installed;    /* import --installed */
        const char *root;  /* import --root, or NULL */
        const char *range; /* list: the versions in it */
        bool fetch;        /* list, resolve: what is not cached too */
        int64_t keep;      /* clean --keep; below 0: not given */
        bool corrupt_only; /* clean --corrupt-only */
        bool force;        /* clean --force */
};

extern struct kernel_options kernel_options;

/* verb_kernel, but its --help tells of this one only; itself where there is none of that name. Valid until
 * the next call. */
const struct verb *kernel_help(const char *name);

/* argv is as main() has it, with "kernel" first and without "build": it reads its options itself. */
int kernel_build(int argc, char **argv, struct globals *g);
int kernel_clean(int argc, char **argv, struct globals *g);
int kernel_diff(int argc, char **argv, struct globals *g);
int kernel_import(int argc, char **argv, struct globals *g);
int kernel_list(int argc, char **argv, struct globals *g);
int kernel_range(int argc, char **argv, struct globals *g); /* list, with its --range */
int kernel_info(int argc, char **argv, struct globals *g);
int kernel_resolve(int argc, char **argv, struct globals *g);
int kernel_remove(int argc, char **argv, struct globals *g);

/* What keeps an entry from running schedulers: "", " (no BTF)" and the like. */
const char *kernel_marks(struct json_object *entry);
