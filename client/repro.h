/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * A test whose scheduler died is run once more, in a second guest: does it die again, and in the same way?
 * The verdict of the test stays that of its first run.
 *
 * Verdicts are of io.ktstrd.Job; all functions are pure.
 */

#include <json-c/json.h>
#include <stdbool.h>

enum repro_outcome {
        REPRO_SAME,      /* it died again, of the same kind of end and with the same words but for numbers */
        REPRO_DIFFERENT, /* it came to another bad end */
        REPRO_NONE,      /* it was still there when its test had ended */
        REPRO_UNKNOWN,   /* it never attached, or its guest or its test gave it no chance */
};

/* "same", "different", "none", "unknown". Static. */
const char *repro_outcome_word(enum repro_outcome outcome);

/* Did the scheduler die in this run once it had attached: thrown out by the kernel for an error of its own,
 * or gone by itself? verdict NULL: no. */
bool repro_died(struct json_object *verdict);

/* Is a test (of the listing) that came out like this to be run once more? It failed, and for its scheduler's
 * death; and it neither expects that, nor turns this off. */
bool repro_is_due(struct json_object *test, struct json_object *verdict);

/* How the second run came out beside the first. NULL: it has no verdict. */
enum repro_outcome repro_compare(struct json_object *first, struct json_object *second);

/*
 * What is told of the second run: `outcome`; `reason`, the second verdict's or why there is none; and of its
 * verdict, where it has them: `after_ms` (from its scheduler's attachment to its end), `trace`,
 * `trace_error`, `result_dir`. The caller's.
 */
struct json_object *repro_tell(struct json_object *first, struct json_object *second, const char *why_none);

/* Is it told of a second run (NULL: there was none) that the scheduler did not last, either? */
bool repro_has_death(struct json_object *repro);

/* The line for a person: "auto-repro: it died again the same way (…) after 1.2 s". Malloced. */
char *repro_line(struct json_object *repro);
