/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Values of what a guest, or a test's body, sent: of the wrong type or sign they count as absent, texts come
 * without what steers a terminal. For the files that read reports.
 */

#include <stdbool.h>
#include <stdint.h>

#include <json-c/json.h>

#include "../common/error.h"

/* "the report is unusable: WHAT", -EBADMSG. */
int guest_value_bad(struct kt_error *reterr, const char *what);
/* -ENOMEM. */
int guest_value_oom(struct kt_error *reterr);

/* A string without control characters but newline and tab, of at most `max` bytes, cut at a whole character.
 * Malloced; NULL when absent or no string, or memory is out. */
char *guest_value_text(struct json_object *o, const char *key, size_t max);

/* The same into a buffer of `size` bytes; "" when absent. */
void guest_value_copy(struct json_object *o, const char *key, char *ret, size_t size);

/* A name for one line: at most `max` bytes of printable ASCII, others become '?'. Malloced; NULL as above.
 */
char *guest_value_name(struct json_object *o, const char *key, size_t max);

/* A non-negative number, or -1 when absent or something else. */
int64_t guest_value_number(struct json_object *o, const char *key);

/* The same, or 0. */
uint64_t guest_value_count(struct json_object *o, const char *key);

/* A finite number, or 0. */
double guest_value_double(struct json_object *o, const char *key);

/* true, and nothing else that is true for C. */
bool guest_value_is_true(struct json_object *o, const char *key);

/* A member of that type, borrowed; NULL when absent or of another. */
struct json_object *guest_value_member(struct json_object *o, const char *key, enum json_type type);
