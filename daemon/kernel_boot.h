/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * How long kernels take to boot, as measured when guests of them did, cold or for a template: kept as
 * {root}/.boot/KEY.json, one record for each accelerator and number of CPUs. It is told to people and
 * nothing depends on it, so what cannot be written is not, and what cannot be read is not there.
 */

#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "kernel.h"

#define KERNEL_BOOT_ACCEL_SIZE 16

struct kernel_boot {
        char accel[KERNEL_BOOT_ACCEL_SIZE]; /* "kvm", "tcg" */
        unsigned cpus;
        int64_t last_ms, best_ms; /* from the first instruction to the agent's first word */
        int64_t boots;            /* how often it was measured */
};

/* A guest of this cached kernel has booted: noted on a worker. Everything is copied. */
void kernel_boot_note(uv_loop_t *loop, const char *root, const struct kernel *k, const char *accel,
                      unsigned cpus, int64_t ms);

/* The same at once; blocks. -errno; -ENOENT when the kernel is not in the cache any more. */
int kernel_boot_write(const char *root, const struct kernel *k, const char *accel, unsigned cpus,
                      int64_t ms);

/* What is known of this very kernel, by accelerator and CPUs; none is 0. Blocks. -ENOMEM. */
int kernel_boot_read(const char *root, const struct kernel *k, struct kernel_boot **ret, size_t *ret_n);

/* The entry was removed. Blocks. */
void kernel_boot_forget(const char *root, const char *key);
