/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Which accelerator can this host run a stock kernel under? Probed, never assumed: /dev/kvm may exist and
 * emulate supervisor code with an emulator that lacks the instructions a kernel uses. The probe runs real
 * long-mode supervisor code under KVM (kvmprobe.h) and times it. Blocking, under a second; call it on a
 * worker.
 */

#include <stdbool.h>
#include <stdint.h>

#include "../common/error.h"

enum accel {
        ACCEL_KVM,
        ACCEL_TCG,
        _ACCEL_MAX,
};

struct accel_status {
        bool usable;
        char reason[256];  /* one line */
        uint64_t probe_us; /* 0 when nothing was run */
};

struct accel_report {
        struct accel_status of[_ACCEL_MAX];
        enum accel chosen;     /* KVM if usable, else TCG */
        bool tcg_one_thread;   /* tcg has to run all vCPUs on one host thread (qemu_check.h says why) */
        char qemu_version[32]; /* "7.2.22", "" when it does not run */
        unsigned tsc_khz;      /* tsc.h */
};

void accel_probe(const char *qemu_path, struct accel_report *ret);

const char *accel_name(enum accel a); /* "kvm", "tcg" */

/* "auto" or NULL gives report->chosen; "kvm"/"tcg" that is not usable is KT_E_ACCEL_UNUSABLE with the
 * reason; other words are KT_E_INVALID_PARAMETER. */
int accel_pick(const struct accel_report *report, const char *asked, enum accel *ret,
               struct kt_error *reterr);
