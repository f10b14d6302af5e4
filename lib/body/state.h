/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the body has: behind a struct ktstr_ctx, for the library's own files. */

#include <json-c/json.h>

#include "conversation.h"
#include "gate.h"
#include "group.h"

struct ktstr_body {
        struct ktstr_ctx ctx; /* what the test's function sees */
        struct ktstr_topo topo;
        struct conversation talk;
        struct gate gate;
        char *scheduler;     /* owned; its name or NULL */
        char *cgroup_parent; /* owned: the folder in which the test's cgroups are made */
        uint64_t watchdog_ms;
        bool emulated;
        struct json_object *agent_checks; /* owned; as the agent gave them, or NULL */

        struct kt_list groups;         /* of all scenarios, struct group */
        struct json_object *scenarios; /* owned: the result's `scenarios` */
        unsigned n_scenarios;
        bool in_scenario;
        uint64_t started_ns, stopped_ns; /* of the first and the last scenario */
        unsigned n_workers;              /* forked so far, for their seeds */

        struct json_object *messages, *metrics; /* owned: the result's */
        enum ktstr_outcome said;                /* the worst of what was said */
        enum ktstr_outcome checked;             /* and of what the checks came to, for the function */
};

static inline struct ktstr_body *body_of(struct ktstr_ctx *ctx)
{
        return ctx->body;
}

/* What the agent forwards: {"event": …} with one more field, both static or borrowed. */
void body_event(struct ktstr_body *b, const char *event, const char *key, const char *value);
