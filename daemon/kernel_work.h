/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * A call of io.ktstrd.Kernel whose work blocks: it runs on a worker thread, and its reply is made on the
 * loop afterwards. The work owns the call until its final reply, and is freed with it.
 */

#include <uv.h>

#include "../common/list.h"
#include "call.h"
#include "kcache.h"
#include "kernel_diff.h"
#include "kernel_download.h"
#include "kernel_inside.h"
#include "kernel_resolve.h"
#include "release_list.h"

#define KERNEL_FILES_MAX 3U /* of one import */

/* Told on the worker thread, sent on the loop. */
struct stages {
        uv_mutex_t lock;
        struct kt_list list; /* of struct stage; under the lock */
        uv_async_t wake;
};

struct kernel_work {
        struct call *call;
        struct kcache *kcache;
        struct kernel_caller caller;
        void (*work)(struct kernel_work *w);
        struct json_object *(*reply)(struct kernel_work *w);
        void (*then)(struct kernel_work *w); /* NULL, or what is to be done on the loop before the reply of
                                                work that went well: it sees to kernel_work_finish(), once */

        char *spec;   /* key or kernel spec, or NULL */
        char *other;  /* the second of two */
        char **specs; /* of several kernels, NULL-terminated, or NULL */
        struct kernel_file *files;
        size_t n_files;
        /* Of files that are to be downloaded: from where, and what was; the index of the next; under way. */
        char *urls[KERNEL_FILES_MAX];
        struct kernel_downloaded downloaded[KERNEL_FILES_MAX];
        size_t next_url;
        struct kernel_download *download;

        struct kernel *kernel;
        struct kernel **list;
        struct kernel_inside inside[2];
        struct kernel_diff *diff;
        struct kernel_set set;
        struct kernel_spec range;
        char **versions; /* NULL-terminated, or NULL */
        bool fetch;      /* what kernel.org has too */
        uint64_t *sizes; /* of the list's, bytes on disk */
        struct release_list *releases;
        const struct release_list *lent_releases; /* borrowed until the reply is made */
        const char *no_releases;                  /* why there are none, borrowed so too; or NULL */
        bool existed;
        struct kcache_clean clean;
        char **only;              /* of clean */
        char **removed, **in_use; /* by clean */
        int result;
        struct kt_error error;

        bool tells_stages; /* then stages is alive from the start to its close callback */
        struct stages stages;
};

/* work runs on the worker thread and sets result and error; reply makes the parameters of the final reply,
 * on the loop, when the result is not negative. NULL: memory is out, the call was failed. */
struct kernel_work *kernel_work_new(struct call *call, void (*work)(struct kernel_work *),
                                    struct json_object *(*reply)(struct kernel_work *));

/* Let it run. It may be gone when this returns. */
void kernel_work_start(struct kernel_work *w);

/* After `then`: reply, free the work. */
void kernel_work_finish(struct kernel_work *w);

/* Instead of starting it: fail the call, free the work. */
void kernel_work_fail(struct kernel_work *w, const struct kt_error *err);

/* From here on kernel_work_stage() may be called, on any thread; each text goes to the client as one
 * reply of the stream. -errno. */
int kernel_work_tell_stages(struct kernel_work *w);
void kernel_work_stage(void *userdata, const char *text);
