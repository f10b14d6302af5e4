/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the files of the kernel cache share: the folder and how an entry gets into it and out of it. */

#include "kcache.h"

/* Names that no key has: what is being made, and is swept when its maker is gone. */
#define TEMP_PREFIX ".tmp-"

struct kcache {
        char *root;
        int root_fd;
};

/* A new temp folder in the root that no sweep takes away while *ret_fd (which holds its lock) is open. */
int kcache_stage(struct kcache *c, char **ret_name, int *ret_fd, struct kt_error *reterr);

/* Make the temp folder the entry `key`, durably. -EEXIST when there is one already. */
int kcache_publish(struct kcache *c, const char *temp, int temp_fd, const char *key,
                   struct kt_error *reterr);

/* `what` could not be done in the root; a full disk is told with what to do about it. Returns num. */
int kcache_io_error(struct kcache *c, int num, const char *what, struct kt_error *reterr);

/* Remove what writers of initramfs files left when they were killed. */
void initramfs_sweep(struct kcache *c);

/* Remove the initramfs files of an entry that was removed. */
void initramfs_forget(struct kcache *c, const char *key);
