/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Making a template: a guest boots on files, goes through some jobs that do nothing, is parked and saved,
 * and what it left is published. All of it is asynchronous; the outcome comes exactly once, last.
 */

#include <uv.h>

#include "guest.h"
#include "kcache.h"
#include "template_store.h"

struct template_build;

struct template_build_params {
        struct shape *shape; /* a reference is taken */
        struct template_store *store;
        struct kcache *kcache; /* where its kernel is leased */
        const char *qemu_path, *exec_helper, *run_dir;
        const char *id;  /* of its guest */
        bool background; /* nobody waits for it */
};

/* template: a reference that is the callee's, or NULL when it failed, and err says why, or was stopped (err
 * is NULL then too). */
typedef void (*template_built_cb)(void *userdata, const struct template *template,
                                  const struct kt_error *err);

/* On failure nothing is left and on_done does not come. */
int template_build_start(uv_loop_t *loop, const struct template_build_params *params,
                         template_built_cb on_done, void *userdata, struct template_build **ret,
                         struct kt_error *reterr);

/* Idempotent; on_done follows. */
void template_build_stop(struct template_build *b);
