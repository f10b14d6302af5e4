/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What every guest has of this host: the agent, busybox, and the rehearsal, a test that a guest goes through
 * before it waits for one of its own, with the libraries that nearly all tests and schedulers need. They are
 * in the guest's image, so that no job brings them, and what an emulator has translated of them stays good.
 */

#include <sys/types.h>

#include "config.h"

struct userland_file {
        char *path; /* on the host */
        char *name; /* in the image, from its root: "ktstr/lib/libc.so.6" */
        mode_t mode;
};

struct userland {
        struct userland_file *files;
        size_t n;
};

/* Look once for what there is; what of it is read later is what stands there then. Without a rehearsal
 * beside the agent there are no libraries. -errno with a text; *ret is to be released all the same. */
int userland_find(const struct config *config, struct userland *ret, struct kt_error *reterr);

/* path and name are copied. -ENOMEM with a text. */
int userland_add(struct userland *u, const char *path, const char *name, mode_t mode,
                 struct kt_error *reterr);
void userland_done(struct userland *u);
