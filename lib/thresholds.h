/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What is checked and against what: a table of the fields of struct ktstr_checks, which whoever reads,
 * writes, merges or shows them goes by.
 *
 * A field has three states (ktstr.h): unset, off (KTSTR_OFF, KTSTR_NONE) and set. In JSON, which is the type
 * Checks of io.ktstrd.Job, they are an absent member, false or -1, and true or the number.
 */

#include <stdbool.h>
#include <stddef.h>

#include <json-c/json.h>

#include "../common/error.h"
#include "include/ktstr.h"

enum kt_threshold_kind {
        KT_THRESHOLD_SWITCH,
        KT_THRESHOLD_MAX, /* what is measured must not be above it */
        KT_THRESHOLD_MIN, /* nor below it */
};

struct kt_threshold {
        const char *name;  /* of the field: "max_gap_ms" */
        const char *check; /* of its results, as in a verdict: "gap"; NULL: the monitor's, which does not
                              look yet */
        enum kt_threshold_kind kind;
        const char *unit; /* "ms", "%", "/s", "ns"; "" where there is none */
        double max;       /* the largest number that makes sense */
        size_t offset;    /* within struct ktstr_checks: an enum ktstr_switch or a double */
};

/* In the order of the fields. */
extern const struct kt_threshold kt_thresholds[];
extern const size_t kt_thresholds_n;

/* NULL: none of that name. */
const struct kt_threshold *kt_threshold_find(const char *name);

/* The lowest layer. Emulated CPUs (tcg) are given more: a gap of 3000 ms and a spread of 35 % instead of
 * 2000 ms and 15 %. */
struct ktstr_checks kt_checks_default(bool emulated);

/* Put `over` on top: what is set or off there wins. */
void kt_checks_merge(struct ktstr_checks *into, const struct ktstr_checks *over);

/* Is it neither unset nor off? */
bool kt_checks_has(const struct ktstr_checks *c, const struct kt_threshold *t);
bool kt_threshold_is_on(double value); /* of a number's field */

/* The number to compare with and to show: KTSTR_ZERO is 0. */
double kt_threshold_number(double value);

/* "off", "on", "2000 ms", "0.9", "unset". Returns text, which is cut to size. */
char *kt_checks_format(const struct ktstr_checks *c, const struct kt_threshold *t, char *text, size_t size);

/*
 * From JSON to *ret, over what is there (so of several layers the lowest comes first). -EINVAL
 * (InvalidParameter, with the field's name) for a member that is unknown, of another type or out of range;
 * *ret is then undefined. o may be NULL: nothing is set.
 */
int kt_checks_parse(struct json_object *o, struct ktstr_checks *ret, struct kt_error *reterr);

/* The way back: what is not unset. NULL when memory is out. */
struct json_object *kt_checks_json(const struct ktstr_checks *c);
