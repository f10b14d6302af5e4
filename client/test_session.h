/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A run of `ktstrctl test`: how each cell came out, and what they come to. */

#include <json-c/json.h>

#include "test_plan.h"
#include "verb.h"

enum test_outcome {
        TEST_PASS,
        TEST_FAIL,
        TEST_INCONCLUSIVE,
        TEST_ERROR,
        TEST_SKIP,
        TEST_CANCELLED, /* it ran */
        TEST_NOT_RUN,   /* after a first failure, or the daemon's end */
        TEST_IGNORED,
        TEST_OUTCOMES,
};

/* "pass", "not run", …: as in a verdict, where that has it. */
const char *test_outcome_word(enum test_outcome outcome);
/* Is it one to be explained and repeated? fail, inconclusive, error */
bool test_outcome_is_bad(enum test_outcome outcome);
/* Of a verdict's word. */
enum test_outcome test_outcome_of(const char *word);

struct cell_result {
        const struct test_cell *cell;
        enum test_outcome outcome;
        char *reason;                /* owned; "" where there is nothing to say */
        struct json_object *verdict; /* owned; NULL: there is none */
        int64_t elapsed_ms;
        int status; /* the exit status that it is worth */
        /* Its scheduler died, and it is run once more (repro.h): what came of that. Owned, NULL until it is
         * known. The outcome and all above are the first run's. */
        bool is_repeated;
        struct json_object *repro;
        /* Of those that are not run for one and the same reason, a problem or a preset that is too large:
         * the first, which has their number. NULL: it is run, or nobody wants it. */
        struct cell_result *first;
        size_t n_same;
};

struct test_session {
        const struct verb *verb;
        const struct globals *globals;
        struct test_plan plan;
        struct cell_result *results; /* plan.n, in the plan's order */
        unsigned counts[TEST_OUTCOMES];
        size_t n_ended;    /* of results, those that are known */
        size_t n_repeated; /* of those, how many are being run once more */
        int64_t elapsed_ms;
        int status;          /* what all comes to, set at the end */
        const char *stopped; /* why cells were not run; static; NULL: nothing stopped it */
        bool failed_fast;    /* it was for a failure that they are not run */
        const char
                *again; /* options of the command line that a repetition needs: " --accel tcg"; borrowed */
        int64_t seed;   /* that was asked for; -1: none */
        bool force;     /* presets that are too large */
        const char *kernel;    /* the one kernel that was named, as it was typed; NULL: none */
        bool several_programs; /* names alone do not say which */
};

/* Takes the plan. -ENOMEM. */
int test_session_init(struct test_session *s, struct test_plan *plan);
void test_session_done(struct test_session *s);

/* How a cell came out, once for each. reason is copied, its first line; verdict NULL, else referenced. */
struct cell_result *test_session_end_cell(struct test_session *s, size_t i, enum test_outcome outcome,
                                          const char *reason, struct json_object *verdict, int status);

/* It is run once more, for its scheduler's death; then: what came of that, which is taken. */
void test_session_repeat_cell(struct test_session *s, size_t i);
struct cell_result *test_session_end_repeat(struct test_session *s, size_t i, struct json_object *repro);

/* Was this test run once more already, on this kernel? Of many deaths of one test the first is enough. */
bool test_session_was_repeated(const struct test_session *s, const struct test_cell *c);

/* The cells that ran, whatever came of it. */
unsigned test_session_ran(const struct test_session *s);

/* "12 passed, 1 failed, 2 ignored (--ignored runs them) of 15". Malloced. */
char *test_session_counts(const struct test_session *s);

/* The command that runs this cell again as it was, for a shell. Malloced. */
char *test_session_again(const struct test_session *s, const struct cell_result *r);

/* What was random in it came of this; -1: not known, it did not come that far. */
int64_t cell_result_seed(const struct cell_result *r);

/* What explains a result besides its reason, line by line: details of the verdict and checks that were
 * missed. An array of strings, the caller's; empty where there is none. */
struct json_object *cell_result_details(const struct cell_result *r);

/* What its second run showed, line by line, the first for a person (repro_line()). An array of strings, the
 * caller's; empty where there was none. */
struct json_object *cell_result_repro(const struct cell_result *r);

/* Whether it has a verdict or not: one in the form of io.ktstrd.Job.Verdict. The caller's. */
struct json_object *cell_result_verdict(const struct cell_result *r);

/* How a person tells cells apart: the name, and where programs differ which. Malloced. */
char *test_session_display(const struct test_session *s, const struct test_cell *c);
