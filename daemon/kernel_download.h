/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * A file from the network, fetched by the helper ktstrd-build (proto/buildmsg.h) into a folder of its own
 * below {root}/.downloads. That is named by the URL and locked while somebody has it, so what an earlier
 * attempt left is gone on with, and two that want the same do not write to one file. A part that nobody came
 * back for is swept.
 */

#include <uv.h>

#include "../common/error.h"
#include "config.h"

#define KERNEL_DOWNLOAD_KEEP_DAYS 7 /* a part, for who tries again */
#define KERNEL_DOWNLOAD_URL_MAX 4096U

/* One that is there. Whoever has it has its folder's lock. */
struct kernel_downloaded {
        char *path;   /* absolute */
        char *folder; /* of it; absolute */
        uid_t uid;    /* the helper's, and so the file's */
        int lock_fd;
};

#define KERNEL_DOWNLOADED_INIT ((struct kernel_downloaded){.lock_fd = -1})

/* Open for reading, also where the one who asked for it could not. The descriptor; -EPERM when it is not
 * the helper's own file. */
int kernel_downloaded_open(const struct kernel_downloaded *d);
/* Remove it, and forget it. Blocks. */
void kernel_downloaded_remove(struct kernel_downloaded *d);
/* Forget it only: it is swept some day. */
void kernel_downloaded_done(struct kernel_downloaded *d);

struct kernel_download_params {
        const struct config *config; /* outlives the download */
        const char *root;            /* the kernel cache's */
        const char *url;
        uid_t uid; /* who asks; where the daemon is root and has no user for it, as whom (build_identity.h)
                    */
        gid_t gid;
};

/* Both on the loop. stage: "downloading linux-image.deb: 12 of 58 MiB", each text once. */
typedef void (*kernel_download_stage_cb)(void *userdata, const char *stage);
/* Exactly once: what was downloaded, which the callee takes over, or why not. */
typedef void (*kernel_download_cb)(void *userdata, struct kernel_downloaded *downloaded,
                                   const struct kt_error *err);

struct kernel_download;

/* Is this a URL that may be asked for: http or https, without blanks or a password, which would be kept with
 * the kernel? -EINVAL with a text. */
int kernel_download_check(const char *url, struct kt_error *reterr);

/* params are copied. On failure on_done does not come. */
int kernel_download_start(uv_loop_t *loop, const struct kernel_download_params *params,
                          kernel_download_stage_cb on_stage, kernel_download_cb on_done, void *userdata,
                          struct kernel_download **ret, struct kt_error *reterr);

/* Nobody wants it any more: the helper is ended, then on_done comes with an error. A part stays. */
void kernel_download_stop(struct kernel_download *d);

/* Remove what is older than KERNEL_DOWNLOAD_KEEP_DAYS and nobody has. Blocks. */
void kernel_download_sweep(const char *root);
