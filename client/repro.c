/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "repro.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../common/fsutil.h"
#include "../proto/codec.h"
#include "../proto/errors.h"

const char *repro_outcome_word(enum repro_outcome outcome)
{
        static const char *const words[] = {[REPRO_SAME] = "same",
                                            [REPRO_DIFFERENT] = "different",
                                            [REPRO_NONE] = "none",
                                            [REPRO_UNKNOWN] = "unknown"};

        return words[outcome];
}

static bool is_one_of(const char *word, const char *const *words, size_t n)
{
        for (size_t i = 0; word && i < n; i++)
                if (strcmp(word, words[i]) == 0)
                        return true;
        return false;
}

static bool is(const char *word, const char *other)
{
        return word && strcmp(word, other) == 0;
}

/* --- deaths --- */

/* The kernel takes down a sound one too, when a CPU goes that it does not deal with, or on a key: that comes
 * again by itself, and a second look shows nothing more. */
static bool is_ejected_for_no_error(struct json_object *sched)
{
        static const char *const kinds[] = {"unreg", "unreg_bpf", "unreg_kern", "sysrq", "parent"};

        return is(kt_json_str(sched, "outcome"), "ejected") &&
               is_one_of(kt_json_str(sched, "exit_kind"), kinds, KT_ARRAY_SIZE(kinds));
}

bool repro_died(struct json_object *verdict)
{
        static const char *const outcomes[] = {"ejected", "exited", "failed", "killed", "released"};
        struct json_object *sched = kt_json_get(verdict, "scheduler");

        return kt_json_bool(sched, "attached", false) &&
               is_one_of(kt_json_str(sched, "outcome"), outcomes, KT_ARRAY_SIZE(outcomes)) &&
               !is_ejected_for_no_error(sched);
}

bool repro_is_due(struct json_object *test, struct json_object *verdict)
{
        return kt_json_bool(test, "auto_repro", true) && !kt_json_bool(test, "expect_err", false) &&
               kt_json_str(test, "scheduler") && is(kt_json_str(verdict, "verdict"), "fail") &&
               repro_died(verdict);
}

/* --- the same death? --- */

struct reader {
        const char *at, *word_end; /* of the word that it is in */
};

static const char *end_of_word(const char *p)
{
        while (isalnum((unsigned char)*p) || (*p && strchr("_/:-", *p)))
                p++;
        return p;
}

/* Up to the next character that is alike in all runs: numbers are addresses, times and CPUs, and "name[123]"
 * is whatever task it was. False: the text is at its end. */
static bool next_alike(struct reader *r, char *ret)
{
        /* Once for each word: a guest's text may be one of 64 KiB. */
        if (r->at >= r->word_end) {
                r->word_end = end_of_word(r->at);
                if (r->word_end > r->at && r->word_end[0] == '[' && isdigit((unsigned char)r->word_end[1])) {
                        r->at = r->word_end + strcspn(r->word_end, "]");
                        r->at += *r->at == ']';
                        *ret = '#';
                        return true;
                }
        }
        if (!*r->at)
                return false;
        *ret = *r->at++;
        if (!isdigit((unsigned char)*ret))
                return true;
        *ret = '#';
        while (isxdigit((unsigned char)*r->at) || *r->at == 'x' || *r->at == '.')
                r->at++;
        return true;
}

static bool says_the_same(const char *a, const char *b)
{
        struct reader ra = {a, a}, rb = {b, b};
        char from_a = 0, from_b = 0;

        if (!a || !b)
                return a == b;
        while (from_a == from_b) {
                const bool more_a = next_alike(&ra, &from_a), more_b = next_alike(&rb, &from_b);

                if (!more_a || !more_b)
                        return more_a == more_b;
        }
        return false;
}

static bool is_same_number(struct json_object *a, struct json_object *b, const char *name)
{
        return kt_json_int(a, name, -1) == kt_json_int(b, name, -1);
}

/* A stall's message names the task that happened to wait. */
static bool is_same_death(struct json_object *a, struct json_object *b)
{
        const char *kind = kt_json_str(a, "exit_kind");

        if (!is(kt_json_str(a, "outcome"), kt_json_str(b, "outcome")))
                return false;
        if (!is(kt_json_str(a, "outcome"), "ejected"))
                return is_same_number(a, b, "exit_code") && is_same_number(a, b, "exit_signal");
        if (!kind || !is(kt_json_str(b, "exit_kind"), kind))
                return false;
        return strcmp(kind, "error_stall") == 0 ||
               (says_the_same(kt_json_str(a, "exit_reason"), kt_json_str(b, "exit_reason")) &&
                says_the_same(kt_json_str(a, "exit_message"), kt_json_str(b, "exit_message")));
}

/* Of one that came to no bad end: did its test give it all the time that it had to? */
static bool ran_to_its_end(struct json_object *verdict)
{
        static const char *const words[] = {"pass", "fail", "inconclusive"};

        return is_one_of(kt_json_str(verdict, "verdict"), words, KT_ARRAY_SIZE(words));
}

enum repro_outcome repro_compare(struct json_object *first, struct json_object *second)
{
        struct json_object *sched = kt_json_get(second, "scheduler");

        if (!second || is(kt_json_str(second, "verdict"), "cancelled") ||
            !kt_json_bool(sched, "attached", false))
                return REPRO_UNKNOWN;
        if (repro_died(second))
                return is_same_death(kt_json_get(first, "scheduler"), sched) ? REPRO_SAME : REPRO_DIFFERENT;
        if (!ran_to_its_end(second))
                return REPRO_UNKNOWN;
        /* Stuck, thrown out for no error of its own, or all of its guest went down with it. */
        return is(kt_json_str(sched, "outcome"), "stopped") ? REPRO_NONE : REPRO_DIFFERENT;
}

/* --- telling --- */

/* Why it says nothing. Malloced. */
static char *explain_unknown(struct json_object *second, const char *why_none)
{
        const char *error = kt_json_str(second, "error"), *word = kt_json_str(second, "verdict");
        const char *reason = second ? kt_json_str(second, "reason") : why_none;
        const char *name = kt_json_str(kt_json_get(second, "scheduler"), "name");
        const char *lead = is(error, KT_E_GUEST_START) || is(error, KT_E_GUEST_BOOT)
                                   ? "the guest was not ready"
                           : is(word, "fail") || is(word, "cancelled") ? NULL
                                                                       : word;

        /* A test passes beside one of the kernel that was not there, too. */
        if (is(word, "pass"))
                return kt_format("%s never attached", name ? name : "the scheduler");
        return kt_format("%s%s%s", lead ? lead : "", lead ? ": " : "", reason ? reason : "no verdict came");
}

static void copy(struct json_object *o, struct json_object *from, const char *name)
{
        struct json_object *value = kt_json_get(from, name);

        if (value)
                kt_json_add(o, name, json_object_get(value));
}

struct json_object *repro_tell(struct json_object *first, struct json_object *second, const char *why_none)
{
        const enum repro_outcome outcome = repro_compare(first, second);
        struct json_object *o = json_object_new_object();
        const int64_t after_ms = kt_json_int(kt_json_get(second, "scheduler"), "ended_after_ms", -1);
        _cleanup_free_ char *why = outcome == REPRO_UNKNOWN ? explain_unknown(second, why_none) : NULL;

        kt_json_add_str(o, "outcome", repro_outcome_word(outcome));
        kt_json_add_str(o, "reason", why ? why : kt_json_str(second, "reason"));
        if (after_ms >= 0 && outcome != REPRO_UNKNOWN)
                kt_json_add_int(o, "after_ms", after_ms);
        /* Its verdict is told nowhere else. */
        if (outcome == REPRO_NONE)
                kt_json_add_str(o, "verdict", kt_json_str(second, "verdict"));
        copy(o, second, "result_dir");
        if (outcome == REPRO_UNKNOWN)
                return o;
        copy(o, second, "trace");
        copy(o, second, "trace_error");
        return o;
}

bool repro_has_death(struct json_object *repro)
{
        const char *outcome = kt_json_str(repro, "outcome");

        return is(outcome, "same") || is(outcome, "different");
}

static char *told_outcome(struct json_object *repro)
{
        const char *outcome = kt_json_str(repro, "outcome"), *reason = kt_json_str(repro, "reason"),
                   *verdict = kt_json_str(repro, "verdict");
        const int line = (int)strcspn(reason, "\n");
        char after[48] = "";

        if (kt_json_get(repro, "after_ms"))
                snprintf(after, sizeof(after), " after %.1f s",
                         (double)kt_json_int(repro, "after_ms", 0) / 1000);
        if (strcmp(outcome, "same") == 0)
                return kt_format("it died again the same way (%.*s)%s", line, reason, after);
        if (strcmp(outcome, "different") == 0)
                return kt_format("it ended otherwise%s: %.*s", after, line, reason);
        if (strcmp(outcome, "unknown") == 0)
                return kt_format("%.*s: says nothing", line, reason);
        if (is(verdict, "pass"))
                return strdup("it ran to its end: not reproduced");
        return kt_format("it ran to its end: not reproduced (%s: %.*s)", verdict, line, reason);
}

char *repro_line(struct json_object *repro)
{
        const char *error = kt_json_str(repro, "trace_error"), *lead = "";
        struct json_object *trace = kt_json_get(repro, "trace");
        _cleanup_free_ char *told = told_outcome(repro);

        if (error)
                lead = trace && json_object_array_length(trace) > 0 ? "; not traced: " : "; no trace: ";
        return kt_format("auto-repro: %s%s%s", told ? told : "out of memory", lead, error ? error : "");
}
