/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What a test's body reported (proto/bodymsg.h), read with suspicion: the author's program may have been
 * anything by then. What breaks the contract is -EBADMSG with a text, and nothing is kept.
 */

#include <json-c/json.h>

#include "../common/error.h"
#include "telemetry.h"

struct body_message {
        enum ktstr_outcome outcome;
        char *text;
};

struct body_metric {
        char *name, *unit;
        double value;
        enum ktstr_polarity better;
};

struct body_report {
        enum ktstr_outcome outcome; /* of what was said and returned, checks apart */
        struct body_message *messages;
        size_t n_messages;
        struct body_metric *metrics;
        size_t n_metrics;
        struct kt_workload workload; /* without cgroups: no worker ran */
};

int body_report_parse(struct json_object *body, struct body_report *ret, struct kt_error *reterr);
void body_report_done(struct body_report *b);
