/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What a guest looks like: its kernel, topology, memory, accelerator, and all else that makes one machine
 * differ from another. Guests of one shape are interchangeable until they are handed a job, and come of one
 * template.
 *
 * A shape is immutable once made and counted; counting is for the loop's thread alone. It holds no lease on
 * its kernel: whoever boots takes one, and clones need none of its files.
 */

#include "accel.h"
#include "kernel.h"
#include "memory_layout.h"
#include "topology.h"

#define SHAPE_KEY_SIZE 65 /* SHA-256 in hexadecimal, and NUL */

struct shape {
        unsigned refs;
        struct topology topology;
        unsigned memory_mib;
        enum accel accel;
        char *kargs;         /* further ones for its kernel, a blank between them; NULL: none */
        bool tcg_one_thread; /* accel_report's */
        unsigned tsc_khz;    /* what a kernel that boots is told of its counter (tsc.h); 0: nothing */
        struct kernel *kernel;
        char *initramfs_path;
        struct memory_layout layout;

        /* Names the template: all of the above by content, the QEMU binary, its version and whole command
         * line, and what the guest sees of the host: under kvm its processor and kernel, under tcg how fast
         * its counter counts. */
        char key[SHAPE_KEY_SIZE];
        /* For people: "6.18.15+deb13-cloud-amd64-deb-x86_64/1n1l2c1t/256M/tcg", and with
         * kargs " threadirqs isolcpus=1" behind it. */
        char *text;
};

struct shape_params {
        struct topology topology;
        unsigned memory_mib;
        enum accel accel;
        char *const *kargs; /* NULL-terminated; NULL: none. Each has passed kt_karg_check() */
        const struct accel_report *report;
        const char *qemu_path;
};

/*
 * Work it out: the layout of the memory, the key. Blocks for a moment. Takes kernel and initramfs_path, also
 * on failure. KT_E_NEVER_FITS when the memory is too little, KT_E_BAD_TOPOLOGY when this accelerator cannot
 * number that many CPUs, KT_E_BAD_KERNEL, KT_E_GUEST_START when a file is missing.
 */
int shape_new(const struct shape_params *params, struct kernel *kernel, char *initramfs_path,
              struct shape **ret, struct kt_error *reterr);

/* borrowed → owned. Returns its argument. */
struct shape *shape_ref(struct shape *s);
/* NULL allowed. */
void shape_unref(struct shape *s);
