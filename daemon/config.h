/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What command line and files (ktstrd.conf(5)) settled: where things are and what the limits are. Read-only
 * once the server runs. */

#include <stdbool.h>
#include <stdint.h>

#include "../common/error.h"

struct config {
        bool private_mode; /* autostarted for one user: leaves when idle */
        char *socket_path; /* where to listen; NULL with sockets from systemd */
        int ready_fd; /* one '\n' is written here when listening, or a line of text on failure; -1: none */
        char *cache_dir; /* kernel cache root */
        char *state_dir; /* results/ lives here */
        char *run_dir;   /* guests' scratch */
        char *qemu_path;
        char *agent_path;      /* ktstr-guest */
        char *busybox_path;    /* static busybox, or NULL */
        char *rehearsal_path;  /* ktstr-rehearsal beside the agent, or NULL */
        char *exec_helper;     /* ktstrd-exec */
        char *builder_path;    /* ktstrd-build */
        uint64_t idle_exit_ms; /* private mode: leave after this long without connections and jobs;
                                  UINT64_MAX: never */
        int log_level;         /* LOG_ERR … LOG_DEBUG */

        unsigned idle_guests;  /* kept ready for each shape that is in demand */
        unsigned pool_max;     /* kept ready in all; 0: no pool, every job starts its own guest */
        uint64_t pool_memory;  /* bytes that idle guests may take together */
        uint64_t pool_keep_ms; /* half-life of a shape's demand; not 0 */
        bool rehearse;         /* guests go through a job that does nothing before they wait for one */
        bool templates;        /* boot once for each shape and clone that; no: boot every guest cold */
        char *template_dir;    /* absolute */

        char *kernel_mirror, *kernel_releases,
                *kernel_candidates; /* URLs: releases' tarballs, their list, and those of candidates */
        char *kernel_keyring;       /* of those who sign them; NULL: none */
        unsigned build_cpu_quota;   /* percent of the host's CPUs that a build may take; 1 … 100 */
        uint64_t build_silence_ms;  /* a build that says nothing for so long is ended */
        uint64_t download_stall_ms; /* a download that brings nothing for so long is begun again */

        uint64_t guest_memory; /* bytes that the guests of running jobs may have together */
        unsigned overcommit;   /* vCPUs per host CPU; 0: 2 under kvm, 8 under tcg */
        unsigned queue_max;    /* jobs that may wait; not 0 */

        uint64_t
                cache_max; /* bytes that the kernel cache may take on disk; UINT64_MAX: all that there are */
};

/* argv and files to config: options come before files, these before the defaults, which are from the
 * environment's folders (XDG, HOME) or, as the system service, from systemd's CACHE_DIRECTORY,
 * STATE_DIRECTORY and RUNTIME_DIRECTORY. 1: --help, --version or --show-config was printed, exit 0. -errno:
 * one line in *reterr, and of *ret only ready_fd counts. */
int config_parse(int argc, char **argv, struct config *ret, struct kt_error *reterr);
void config_done(struct config *c);
