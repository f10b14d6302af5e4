/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The keys of ktstrd.conf(5): what each is called, is by default, may be, and where in struct config it
 * goes. */

#include <stdio.h>

#include "conf_file.h"
#include "config.h"

enum config_key {
        CONFIG_POOL_IDLE,
        CONFIG_POOL_MAXIMUM,
        CONFIG_POOL_MEMORY_MAX,
        CONFIG_POOL_KEEP,
        CONFIG_POOL_REHEARSE,
        CONFIG_POOL_TEMPLATES,
        CONFIG_POOL_TEMPLATE_DIR,
        CONFIG_GUESTS_MEMORY_MAX,
        CONFIG_GUESTS_OVERCOMMIT,
        CONFIG_GUESTS_QEMU,
        CONFIG_JOBS_QUEUE_MAX,
        CONFIG_KERNELS_CACHE_MAX,
        CONFIG_KERNEL_MIRROR,
        CONFIG_KERNEL_RELEASES,
        CONFIG_KERNEL_CANDIDATES,
        CONFIG_KERNEL_KEYRING,
        CONFIG_BUILD_CPU_QUOTA,
        CONFIG_DOWNLOAD_STALL,
        CONFIG_BUILD_SILENCE,
        CONFIG_CACHE_DIR,
        CONFIG_STATE_DIR,
        CONFIG_IDLE_EXIT,
        CONFIG_LOG_LEVEL,
        _CONFIG_KEY_MAX,
};

/* A configuration in the making, and where each value came from. */
struct config_draft {
        struct config config;
        struct {
                char *value, *where; /* owned; NULL: the default */
        } from[_CONFIG_KEY_MAX];
};

/* Section and name of each, for a conf_reader. */
void config_key_names(struct conf_key ret[static _CONFIG_KEY_MAX]);

/* Is its value a path? */
bool config_key_is_path(enum config_key key);

/* Defaults in place of zeroes. A folder without a fixed one stays NULL, for config_fill_folders(). */
int config_draft_init(struct config_draft *draft, struct kt_error *reterr);
/* Frees where the values came from; config is the caller's. */
void config_draft_done(struct config_draft *draft);

/* -EINVAL: the text says what is wrong with the value, and names neither key nor place. */
int config_set(struct config_draft *draft, enum config_key key, const char *value, const char *where,
               struct kt_error *reterr);
int config_reset(struct config_draft *draft, enum config_key key, struct kt_error *reterr);

/* All keys with their values, in the form of the file, each below a comment that says where it is from. */
void config_show(const struct config_draft *draft, FILE *out);
