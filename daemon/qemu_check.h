/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Is this the QEMU that is needed? It is asked, not believed from its name: a paused machine of the kind
 * that guests are is made under TCG, and over QMP it says what it emulates and which accelerators were built
 * in.
 *
 * Blocking: 50 ms as a rule, killed after QEMU_CHECK_TIMEOUT_MS. Thread-safe; leaves no child and no
 * descriptor.
 */

#include <stdbool.h>
#include <stdint.h>

#define QEMU_CHECK_TIMEOUT_MS 5000

struct qemu_check {
        bool runs;        /* it makes x86_64 machines under TCG */
        bool has_kvm;     /* KVM was built in */
        char version[32]; /* "7.2.22", "" unless it runs */
        char reason[256]; /* one line; set unless it runs */
        uint64_t took_us; /* 0 when nothing was started */
};

/* path NULL or "": there is none. */
void qemu_check_run(const char *path, struct qemu_check *ret);
