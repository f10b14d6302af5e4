/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The options that submit and shell share, into request parameters. */

#include <json-c/json.h>
#include <stdbool.h>

#include "kernel_choice.h"
#include "verb.h"

#define REQUEST_OPTIONS                                                                                     \
        {"kernel", required_argument, NULL, OPT_REQUEST_KERNEL},                                            \
                {"topology", required_argument, NULL, OPT_REQUEST_TOPOLOGY},                                \
                {"memory", required_argument, NULL, OPT_REQUEST_MEMORY},                                    \
                {"accel", required_argument, NULL, OPT_REQUEST_ACCEL},                                      \
                {"priority", required_argument, NULL, OPT_REQUEST_PRIORITY},                                \
                {"fetch", no_argument, NULL, OPT_REQUEST_FETCH},                                            \
        {                                                                                                   \
                "timeout", required_argument, NULL, OPT_REQUEST_TIMEOUT                                     \
        }

#define REQUEST_USAGE                                                                                       \
        "  --kernel SPEC        version (6.18, 6.18.15), range (6.14..6.16), cache key, git+URL#REF, or\n"  \
        "                       path of an image or tree (default: $KTSTR_KERNEL, else the newest\n"        \
        "                       cached with sched_ext, else ./linux, ../linux, the installed one)\n"        \
        "  --fetch              build what is not cached of the versions and git sources named\n"           \
        "  --topology NnNlNcNt  NUMA nodes, LLCs in all, cores an LLC, threads a core; or N,L,C,T\n"        \
        "  --memory SIZE        512M, 2G; a plain number is MiB (default: 64 a CPU, at least 256)\n"        \
        "  --accel NAME         auto, kvm, tcg\n"                                                           \
        "  --timeout TIME       for the whole job\n"                                                        \
        "  --priority NAME      in the queue: low, normal, high (high: root and the daemon's user only)\n"

enum {
        OPT_REQUEST_KERNEL = 1100,
        OPT_REQUEST_TOPOLOGY,
        OPT_REQUEST_MEMORY,
        OPT_REQUEST_ACCEL,
        OPT_REQUEST_PRIORITY,
        OPT_REQUEST_TIMEOUT,
        OPT_REQUEST_FETCH,
        OPT_REQUEST_SEED, /* these of those that run a workload */
        OPT_REQUEST_CPU_CAP,
};

/* Take one option in. 1: taken, 0: none of these, else a usage error was told and this is
 * the exit status. */
int request_option(const struct verb *v, int opt, const char *value, struct json_object *params);

/* After the options: the kernels out of params, where request_option() has gathered them (`kernels` and
 * `fetch` are no parameters of a job), or those of the environment. 0, else the exit status: told. */
int request_kernels(const struct verb *v, struct json_object *params, struct kernel_choice *ret);

/* The same where there is to be one kernel: it is the parameter `kernel` then, which stays as it is when it
 * was set by other means. */
int request_one_kernel(const struct verb *v, const struct globals *g, struct json_object *params);
