/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The fields of declarations that are plain values, as tables: what lists them and what looks at them goes
 * by the same names. */

#include <stddef.h>

#include "../include/ktstr.h"
#include "finding.h"

enum field_kind {
        FIELD_TEXT,
        FIELD_TEXTS, /* a NULL-terminated array */
        FIELD_SYSCTLS,
        FIELD_MAP_WRITES,
        FIELD_INT,
        FIELD_NUMBER,
        FIELD_SWITCH,
};

enum {
        FIELD_NONE = 1,  /* KTSTR_NONE is a value of it */
        FIELD_EMPTY = 2, /* its texts may be empty */
};

struct field {
        const char *name;
        enum field_kind kind;
        size_t offset;
        unsigned flags;
        int min, max; /* of an int; max 0: any that is more than 0 */
};

struct fields {
        const struct field *list;
        size_t n;
};

extern const struct fields scheduler_fields, test_fields, topology_fields, constraint_fields;

static inline const void *field_at(const struct field *f, const void *object)
{
        return (const char *)object + f->offset;
}

/* false: it was left unset. */
bool field_is_set(const struct field *f, const void *object);

/* Look at each by itself: texts are not empty and UTF-8, numbers more than 0, switches one of their values.
 * prefix goes before the names: "checks.", "". */
void fields_check(const struct fields *fields, const void *object, const char *prefix, struct subject *s);

/* The same for what is checked, whose table is lib/thresholds.h. */
void fields_check_checks(const struct ktstr_checks *checks, const char *prefix, struct subject *s);
