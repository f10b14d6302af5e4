/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The options that submit and shell share, into request parameters. */

#include <json-c/json.h>
#include <stdbool.h>

#include "verb.h"

#define REQUEST_OPTIONS                                                                                     \
        {"kernel", required_argument, NULL, OPT_REQUEST_KERNEL},                                            \
                {"topology", required_argument, NULL, OPT_REQUEST_TOPOLOGY},                                \
                {"memory", required_argument, NULL, OPT_REQUEST_MEMORY},                                    \
                {"accel", required_argument, NULL, OPT_REQUEST_ACCEL},                                      \
                {"priority", required_argument, NULL, OPT_REQUEST_PRIORITY},                                \
        {                                                                                                   \
                "timeout", required_argument, NULL, OPT_REQUEST_TIMEOUT                                     \
        }

#define REQUEST_USAGE                                                                                       \
        "  --kernel SPEC        version (6.18, 6.18.15), cache key, or path of an image or tree\n"          \
        "                       (default: $KTSTR_KERNEL, else the newest cached with sched_ext)\n"          \
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
};

/* Take one option in. 1: taken, 0: none of these, else a usage error was told and this is
 * the exit status. */
int request_option(const struct verb *v, int opt, const char *value, struct json_object *params);

/* Set the kernel: as given, with a path made absolute; from KTSTR_KERNEL when none was. */
int request_kernel(struct json_object *params, const char *spec);

/* After the options: what comes from the environment. */
void request_defaults(struct json_object *params);
