/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * A guest's shape as QEMU's command line.
 *
 * The machine is q35 with all that a guest does not need taken away. Under KVM its interrupt controllers are
 * split (the local APICs in the kernel, the rest in QEMU): the only form in which the host's own CPU model
 * also boots where KVM is itself emulated, and what lets APIC ids go beyond 254. Each LLC is a socket of its
 * own: the one form that yields the L3 groups on every CPU model.
 *
 * The console is the first serial port: it costs no more than a virtio console and is there from the
 * kernel's first line to its last.
 *
 * A clone's machine is its template's, but that it has no kernel to load and waits for its state; so is a
 * template's that of any other cold boot.
 *
 * There is no vmgenid device, which would tell the guest's kernel that it was copied, so that it reseeds its
 * random numbers: the agent does that with a seed that comes with the job, on every kernel, and interpreting
 * the device's ACPI methods takes an emulated guest 20 ms (of 195 ms of processor time from QEMU's start to
 * the end of a command, median of 12 clones each, QEMU 7.2).
 */

#include "shape.h"

struct qemu_args_params {
        const char *qemu_path;
        const char *id; /* letters, digits, '.', '_' and '-' */
        const struct shape *shape;
        bool is_clone;
        /* numbers in the child */
        int agent_fd, qmp_fd, console_fd;
        int memory_fd; /* the first node's; the others follow */
};

/* Can this accelerator number that many CPUs? Without x2APIC (tcg) their ids, which are made of bit fields,
 * end at 254. KT_E_BAD_TOPOLOGY. */
int qemu_args_check_topology(const struct topology *t, enum accel accel, struct kt_error *reterr);

/* NULL-terminated, to be freed with qemu_args_free(); NULL when memory is out. */
char **qemu_args_make(const struct qemu_args_params *params);
void qemu_args_free(char **argv);

/* The kernel's command line alone, without what depends on the host. Malloced, NULL when memory is out. */
char *qemu_args_kernel_line(const struct memory_layout *layout);
