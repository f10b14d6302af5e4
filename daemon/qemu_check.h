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

/* A QEMU that hangs is rare, a host that is busy is not: one that is taken for hanging leaves no
 * accelerator. */
#define QEMU_CHECK_TIMEOUT_MS 20000

struct qemu_check {
        bool runs;    /* it makes x86_64 machines under TCG */
        bool has_kvm; /* KVM was built in */
        /* Under TCG its vCPUs may each have a host thread. Before 8.1 they may not: a vCPU that translates
         * code while another patches it (jump labels, ftrace, static calls) can keep the breakpoint that was
         * there for a moment, and the guest's kernel dies of an int3 that is nobody's (mended by "accel/tcg:
         * Always lock pages before translation"). Measured with 7.2.22, a 6.18 and a 7.3 guest of 2 vCPUs: 1
         * panic in 48 runs. */
        bool parallel_tcg;
        char version[32]; /* "7.2.22", "" unless it runs */
        char reason[256]; /* one line; set unless it runs */
        uint64_t took_us; /* 0 when nothing was started */
};

/* path NULL or "": there is none. */
void qemu_check_run(const char *path, struct qemu_check *ret);
