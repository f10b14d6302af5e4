/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Getting the list of kernel releases, with ktstrd-build: one at a time, whoever asks meanwhile gets what
 * comes of it. It is kept in the kernel cache (release_list.h). A failure is remembered for a minute, so
 * that where there is no network nobody waits again and again.
 *
 * Lives on the loop.
 */

#include <uv.h>

#include "process.h"
#include "release_list.h"

#define RELEASE_FETCH_TIMEOUT_MS 5000U
#define RELEASE_FETCH_RETRY_MS 60000U

struct release_fetch;

struct release_fetch_params {
        uv_loop_t *loop;
        const char *root;                  /* of the kernel cache */
        const char *builder, *exec_helper; /* programs */
        struct json_object *net;           /* of the request (proto/buildmsg.h); a reference is taken */
        bool becomes;                      /* the builder becomes that user: */
        struct process_user user;
};

/* The params' strings outlive it. -ENOMEM. */
int release_fetch_new(const struct release_fetch_params *params, struct release_fetch **ret);

/* End what is under way; who waits is told so. Whoever asks afterwards is told that the daemon stops.
 * Idempotent, NULL allowed. */
void release_fetch_stop(struct release_fetch *f);
/* When the loop has ended. NULL allowed. */
void release_fetch_free(struct release_fetch *f);

/* list: borrowed for the call, or NULL when there is none, and why says why (one line, borrowed). */
typedef void (*release_fetch_cb)(void *userdata, const struct release_list *list, const char *why);

/* Ask anew, however old the one that is kept is. done comes exactly once, perhaps at once; after
 * RELEASE_FETCH_TIMEOUT_MS at the latest. -ENOMEM: it does not come. */
int release_fetch(struct release_fetch *f, release_fetch_cb done, void *userdata);
