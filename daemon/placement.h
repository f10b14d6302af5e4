/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Which of the host's CPUs a guest gets that is to have each of its vCPUs on one of its own: arithmetic
 * alone, on what the caller has read of the host.
 *
 * The vCPUs of one guest's LLC are on CPUs of one host's LLC, each LLC on another. Where the host has enough
 * of them a guest's core is on a host's core of its own, with as many threads as it has itself, so that
 * vCPUs share a core only where the guest thinks so. All else of QEMU is on one more CPU, on a core without
 * vCPUs if there is one. The lowest CPUs, where most of what else a host does is done, are taken last.
 */

#include <stdint.h>

#include "../lib/include/ktstr.h"
#include "topology.h"

/* Sets borrowed. */
struct placement_host {
        struct ktstr_cpus cpus;                /* that may be used */
        const struct ktstr_cpus *llcs, *cores; /* that share one; also CPUs that may not be used */
        unsigned n_llcs, n_cores;
};

struct placement {
        unsigned n_vcpus;
        uint16_t vcpus[TOPOLOGY_CPUS_MAX]; /* the host's CPU of each, in QEMU's order */
        uint16_t rest;                     /* that of all other threads */
};

/* -ENOSPC: the host is too small, and the error (without a wire name) says what there is too little of. */
int placement_make(const struct placement_host *host, const struct topology *guest, struct placement *ret,
                   struct kt_error *reterr);

/* All of its CPUs. */
struct ktstr_cpus placement_cpus(const struct placement *p);
