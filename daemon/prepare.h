/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What a job needs before its guest can start, gathered on a worker thread: the kernel (found or imported,
 * and leased so that nobody removes it), its initramfs, the shape of the guest and the template that there
 * is of it, and every file open that is not in the initramfs, with its size.
 */

#include <uv.h>

#include "guest.h"
#include "initramfs.h"
#include "job.h"
#include "kcache.h"
#include "template_store.h"

struct prepared_file {
        char *guest_path;
        char *name; /* where it came from, for messages */
        int fd;     /* owned */
        uint64_t size;
        unsigned mode;
};

struct prepared {
        /* in */
        struct kcache *kcache;           /* borrowed, thread-safe */
        const struct config *config;     /* borrowed, constant */
        const struct userland *userland; /* likewise */
        struct template_store *store;    /* borrowed, thread-safe; NULL: there are no templates */
        struct job_spec *spec;           /* borrowed; untouched by others until done */
        enum accel accel;
        struct accel_report report; /* as it was when the job began */

        /* out */
        struct initramfs initramfs; /* its path is the shape's */
        struct shape *shape;
        const struct template *template; /* a reference, NULL when there is none */
        int lease_fd;
        struct prepared_file *files;
        size_t n_files;
        char sched_sha256[65];
        int result;
        struct kt_error error;
};

/* Blocking; fills the out part. Failure leaves result < 0 and error. */
void prepare_work(struct prepared *p);

/* The same for a guest without a job: no files, and of the spec only kernel, topology, memory and whose they
 * are. */
void prepare_guest_work(struct prepared *p);
void prepared_done(struct prepared *p);
