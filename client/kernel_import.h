/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* One import: the files of a kernel, as descriptors, and the call that takes them. */

#include "bundle.h"
#include "kernel.h"

struct kernel_files {
        struct bundle bundle;
        struct json_object *list; /* of io.ktstrd.Kernel.File */
};

#define _kernel_files_ _cleanup_(kernel_files_done)

int kernel_files_init(struct kernel_files *f, struct kt_error *reterr);
void kernel_files_done(struct kernel_files *f);

/* Open it, a file or a folder; or name it, an http or https address. */
int kernel_files_add(struct kernel_files *f, const char *path, struct kt_error *reterr);

/* Send them; stages are shown to somebody who watches. *ret is the reply, owned by the caller. */
int kernel_files_import(struct kernel_files *f, struct rpc *rpc, struct json_object **ret,
                        struct kt_error *reterr);

/* "imported: KEY". */
void kernel_print_import(struct json_object *reply);

/* Is this a line of the configuration at path? -errno when it cannot be read. */
int kernel_config_says(const char *path, const char *line);

/* Does this configuration (a path) have virtio as modules? */
bool kernel_needs_modules(const char *config);

/* ktstrctl kernel import --installed. root: "/", or where the system is. */
int kernel_import_installed(const char *root, struct globals *g);
