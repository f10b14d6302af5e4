/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What somebody asked for: the parameters of Submit and their like, checked and with their defaults. */

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "../lib/include/ktstr.h"
#include "admission.h"
#include "build.h"
#include "expect.h"
#include "topology.h"

enum job_kind {
        JOB_RUN,   /* a scenario or a test under a scheduler */
        JOB_EXEC,  /* a command */
        JOB_BUILD, /* a kernel: no guest, so it never boots; see builds.h */
};

/* A file for the guest: open already, or a path that is opened with the owner's rights when the job is
 * prepared. */
struct job_file {
        char *guest_path;
        char *path; /* NULL when fd is set */
        int fd;     /* -1 when path is set */
        int mode;   /* -1: that of the file */
};

struct job_sysctl {
        char *key, *value;
};

/* The timeout of sched_ext's watchdog. */
struct job_watchdog {
        uint32_t timeout_ms; /* 0: the scheduler's own, or by_default */
        bool at_most;        /* a scheduler whose own is shorter keeps it */
        bool by_default;     /* nobody asked for any, and it has a bound that depends on the guest */
};

/* All strings are owned, lists of them NULL-terminated; NULL where they do not apply. */
struct job_spec {
        enum job_kind kind;
        uid_t uid;
        gid_t gid;

        char *sched_name; /* NULL: EEVDF */
        char **sched_args;
        char *sched_path; /* found and opened by us, with its libraries; NULL when it is among the files */
        char *sched_program; /* where it is in the guest; NULL: part of the kernel, and then: */
        char **sched_enable, **sched_disable;

        char *scenario; /* NULL: a test, and then: */
        char *test_name;
        char *test_path; /* as sched_path */
        char *test_program;

        char *label;
        struct job_file *files;
        size_t n_files;
        char *command; /* JOB_EXEC */
        char *kernel;  /* NULL: default */
        char **kargs;
        struct job_sysctl *sysctls;
        size_t n_sysctls;
        char *cgroup_parent;
        char *accel; /* NULL: auto */
        struct topology topology;
        unsigned memory_mib;
        uint64_t duration_ms, timeout_ms;
        uint64_t cleanup_budget_ms; /* 0: none */
        unsigned workers;
        int64_t seed; /* JOB_RUN: what is random in its workload comes of this; never negative */
        struct ktstr_checks checks;
        struct expect expect;
        struct job_watchdog watchdog;
        bool trace;             /* of the scheduler, until it has left */
        char **trace_functions; /* of the kernel, that are probed in it; NULL-terminated, or NULL */
        bool performance_mode;  /* JOB_RUN: the host to itself, each vCPU on a CPU of it */
        unsigned cpu_budget;    /* of the host's CPUs its QEMU may use so many; 0: all */
        enum admission_priority priority;
        struct build_spec *build; /* JOB_BUILD: all but the user; owned */
};

void job_spec_done(struct job_spec *spec);

/* What runs, for people: a test's name or a scenario's. */
const char *job_spec_title(const struct job_spec *spec);

/* The timeout of sched_ext's watchdog, 0: the scheduler's own; emulated: on CPUs that are software's. */
uint32_t job_spec_timeout_ms(const struct job_spec *spec, bool emulated);

/* How long sched_ext's watchdog may take to throw out a scheduler that stalls. */
uint64_t job_spec_watchdog_ms(const struct job_spec *spec, bool emulated);

/* Free a NULL-terminated list of strings; NULL allowed. */
void job_strings_free(char **list);
