/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What a job needs before its guest can start, gathered on a worker thread: the kernel (found or imported,
 * and leased so that nobody removes it), its initramfs, and every file open, with its size and content hash.
 */

#include <uv.h>

#include "guest.h"
#include "job.h"
#include "kcache.h"

struct prepared_file {
        char *guest_path;
        int fd; /* owned */
        uint64_t size;
        unsigned mode;
};

struct prepared {
        /* in */
        struct kcache *kcache;       /* borrowed, thread-safe */
        const struct config *config; /* borrowed, constant */
        struct job_spec *spec;       /* borrowed; untouched by others until done */

        /* out */
        struct kernel *kernel;
        int lease_fd;
        char *initramfs_path;
        struct prepared_file *files;
        size_t n_files;
        char *sched_guest_path; /* NULL without a scheduler */
        char sched_sha256[65];
        int result;
        struct kt_error error;
};

/* Blocking; fills the out part. Failure leaves result < 0 and error. */
void prepare_work(struct prepared *p);
void prepared_done(struct prepared *p);
