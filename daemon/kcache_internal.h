/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What kcache.c and kernel_import.c share: the folder and how an entry gets into it. */

#include "kcache.h"

struct kcache {
        char *root;
        int root_fd;
};

/* A new temp folder in the root that no sweep takes away while *ret_fd (which holds its lock) is open. */
int kcache_stage(struct kcache *c, char **ret_name, int *ret_fd, struct kt_error *reterr);

/* Make the temp folder the entry `key`, durably. -EEXIST when there is one already. */
int kcache_publish(struct kcache *c, const char *temp, int temp_fd, const char *key, struct kt_error *reterr);

/* kernel_import() without the last step: what would be stored, looked at in a temp folder that is removed again. Its paths lead nowhere. */
int kernel_import_look(struct kcache *c, const struct kernel_file *files, size_t n_files, struct kernel **ret,
                       struct kt_error *reterr);
