/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What these files share; nobody else includes this.
 *
 *   kernel_import.c  what came, and the entry that becomes of it
 *   kernel_store.c   when two entries are the same, and how one gets its key; the kernels that were built
 */

#include "kcache_internal.h"
#include "kernel_elf.h"

/* One import under way: a temp folder that becomes the entry. */
struct import {
        struct kcache *cache;
        const struct kernel_source *from;

        char *temp; /* its name in the root; NULL once published */
        int dir;
        int image; /* the image as it came; -1 until found */
        const char *image_name;
        const char *source;                /* "package", "image", "tree" */
        bool rpm;                          /* some package is one */
        const struct kernel_file *modules; /* the folder with them; NULL: none came */
        struct kernel_file beside; /* that one, when it was found by the image; its name and fd are ours */
        char *config;              /* text, or NULL */
        struct kernel_elf elf;
        struct kernel *kernel;
};

/* --- kernel_import.c --- */

/* Makes all of the entry but its metadata.json. config, or NULL, is taken over. Whatever it returns,
 * import_end() is owed. */
int import_begin(struct import *im, struct kcache *c, const struct kernel_source *from, char *config,
                 struct kt_error *reterr);

/* A full disk shows wherever we write; what to do about it is always the same. Returns r, or what it says
 * instead; what was not published is gone. */
int import_end(struct import *im, int r, struct kt_error *reterr);

/* A file of the entry. */
int import_write_file(struct import *im, const char *name, const void *data, size_t size,
                      struct kt_error *reterr);

/* Read from its start, wherever its position is, which is shared with whoever sent it. *ret is freed. */
int import_read_config(int fd, char **ret);

/* --- kernel_store.c --- */

/* Under its own key, or where another kernel has that, under one that its content names. */
int import_publish(struct import *im, bool *ret_existed, struct kt_error *reterr);

/* The key that import_publish() would find for it. */
int import_foresee_key(struct import *im, struct kt_error *reterr);
