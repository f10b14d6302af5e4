/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the body has: behind a struct ktstr_ctx, for the library's own files. */

#include <json-c/json.h>

#include "../telemetry.h"
#include "gate.h"
#include "group.h"
#include "sysfs_writer.h"

struct map_writes;

struct ktstr_body {
        struct ktstr_ctx ctx; /* what the test's function sees */
        struct ktstr_topo topo;
        struct ktstr_cpus all_nodes; /* of memory */
        struct conversation talk;
        struct sysfs_writer *sysfs_writer;
        struct gate gate;
        char *scheduler;      /* owned; its name or NULL */
        char *cgroup_parent;  /* owned: the folder in which the test's cgroups are made */
        char *own_cgroup;     /* owned: the folder of the one that it is in, and may make others in; NULL */
        unsigned n_pens;      /* made there so far, for their names */
        uint64_t watchdog_ms; /* so long the kernel's own may let a scheduler stall */
        bool emulated;        /* the CPUs are software's */
        struct ktstr_checks checks; /* of each scenario that has none of its own */
        uint64_t random;            /* state; what the body itself draws */

        struct map_writes *map_writes; /* that the test declares: map_write.c's own; NULL: none */

        bool in_scenario;
        struct kt_list payloads;     /* that run, struct ktstr_payload_handle */
        struct kt_list groups;       /* of the scenario under way, struct group */
        struct kt_workload workload; /* what those that have ended measured */
        unsigned n_workers;          /* forked so far, for their seeds */

        struct json_object *messages, *metrics; /* owned: the result's */
        bool metrics_lost;                      /* there were more than a result has room for */
        enum ktstr_outcome said;                /* the worst of what was said */
        enum ktstr_outcome checked;             /* and of what the checks came to, for the function */
};

static inline struct ktstr_body *body_of(struct ktstr_ctx *ctx)
{
        return ctx->body;
}

/* What the agent forwards: {"event": event}, with up to two more fields (keys NULL: none). An agent that
 * does not hear it has said stop. */
void body_event(struct ktstr_body *b, const char *event, const char *key, const char *value,
                const char *key2, const char *value2);
