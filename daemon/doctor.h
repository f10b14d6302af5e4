/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Everything that a job needs, looked at: what is wrong and what to do. Blocking. */

#include <stddef.h>

#include "accel.h"
#include "kcache.h"

struct config;

enum finding_level {
        FINDING_OK,
        FINDING_WARNING,
        FINDING_PROBLEM,
};

struct doctor_finding {
        const char *subject; /* static */
        enum finding_level level;
        char message[512];
        const char *next; /* static, or NULL */
};

#define DOCTOR_FINDINGS_MAX 16

struct doctor_report {
        struct accel_report accel;
        struct doctor_finding findings[DOCTOR_FINDINGS_MAX];
        size_t n_findings;
};

void doctor_look(const struct config *config, struct kcache *kcache, struct doctor_report *ret);
