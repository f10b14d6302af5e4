/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "expect.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "../common/cleanup.h"
#include "../common/fsutil.h"
#include "../lib/pattern.h"
#include "../proto/errors.h"
#include "results.h"
#include "verdict.h"

/* Of what was searched in vain. */
#define EXCERPT_MAX 400

void expect_done(struct expect *e)
{
        free(e->contains);
        free(e->matches);
        *e = (struct expect){};
}

int expect_check(const struct expect *e, struct kt_error *reterr)
{
        _cleanup_(kt_error_done) struct kt_error err = KT_ERROR_INIT;
        struct kt_pattern *pattern;

        if (!e->error && (e->contains || e->matches))
                return kt_error_set_field(reterr, -EINVAL, KT_E_INVALID_PARAMETER, "expect",
                                          "expect.%s needs expect.error: without an error there is nothing "
                                          "to look into",
                                          e->contains ? "contains" : "matches");
        if (e->contains && !*e->contains)
                return kt_error_set_field(reterr, -EINVAL, KT_E_INVALID_PARAMETER, "expect",
                                          "expect.contains is empty, which everything contains");
        if (!e->matches)
                return 0;
        if (kt_pattern_new(e->matches, &pattern, &err) < 0)
                return kt_error_set_field(reterr, err.num, err.name, "expect", "expect.matches: %s",
                                          kt_error_text(&err));
        kt_pattern_free(pattern);
        return 0;
}

/* --- searching --- */

/* The log, and behind it in a line of their own the kernel's words. */
static int read_text(const struct expect_search *s, char **ret, size_t *ret_size, struct kt_error *reterr)
{
        const size_t words = s->words ? strlen(s->words) : 0;
        _cleanup_free_ char *text = NULL;
        size_t size = 0;
        char *grown;
        int r = kt_read_file(AT_FDCWD, s->log_path, RESULTS_BYTES_MAX, &text, &size);

        if (r < 0 && r != -ENOENT)
                return kt_error_set(reterr, r, KT_E_IO, "cannot read %s: %s", s->log_path, strerror(-r));
        grown = realloc(text, size + 1 + words);
        if (!grown)
                return kt_error_set(reterr, -ENOMEM, KT_E_INTERNAL, "out of memory");
        text = grown;
        if (words > 0) {
                if (size > 0 && text[size - 1] != '\n')
                        text[size++] = '\n';
                memcpy(text + size, s->words, words);
        }
        *ret = TAKE_PTR(text);
        *ret_size = size + words;
        return 0;
}

static void search_pattern(struct expect_search *s, const char *text, size_t size)
{
        struct kt_pattern *pattern;
        int r = kt_pattern_new(s->expect->matches, &pattern, &s->error);

        if (r < 0)
                return;
        r = kt_pattern_find_within(pattern, text, size, 0, 0, EXPECT_SEARCH_MS, NULL);
        kt_pattern_free(pattern);
        s->matches = r == 1;
        if (r < 0)
                kt_error_set(&s->error, r, KT_E_TEST_PROGRAM,
                             "whether expect.matches '%s' is in the %zu bytes that the scheduler printed "
                             "could not be told: %s",
                             s->expect->matches, size,
                             r == -ERANGE      ? "it backtracks too much, make it simpler"
                             : r == -ETIMEDOUT ? "it takes too long, make it simpler"
                                               : strerror(-r));
}

void expect_search(struct expect_search *s)
{
        _cleanup_free_ char *text = NULL;
        size_t size = 0;

        s->contains = !s->expect->contains;
        s->matches = !s->expect->matches;
        if ((s->contains && s->matches) || read_text(s, &text, &size, &s->error) < 0)
                return;
        if (s->expect->contains)
                s->contains = memmem(text, size, s->expect->contains, strlen(s->expect->contains)) != NULL;
        if (s->expect->matches)
                search_pattern(s, text, size);
}

/* --- judging --- */

/* Attached, and then an error of its own. A scheduler that crashes once it has been told to go has not
 * failed in the way that a test can expect. */
static bool ended_in_error(const struct sched_result *s)
{
        if (!s->attached || s->stopping)
                return false;
        return s->outcome == SCHED_EJECTED || s->outcome == SCHED_FAILED || s->outcome == SCHED_KILLED;
}

bool expect_wants_search(const struct expect *e, const struct verdict *v)
{
        return e->error && v->kind == VERDICT_FAIL && v->has_sched && ended_in_error(&v->sched);
}

/* What the scheduler did say, on one line. */
static void make_excerpt(const struct verdict *v, char ret[EXCERPT_MAX + 1])
{
        const char *said = v->sched.exit_message  ? v->sched.exit_message
                           : v->sched.error_text  ? v->sched.error_text
                           : v->sched.exit_reason ? v->sched.exit_reason
                                                  : "";
        size_t len = strlen(said);

        if (len > EXCERPT_MAX)
                for (len = EXCERPT_MAX; len > 0 && ((unsigned char)said[len] & 0xc0) == 0x80;)
                        len--;
        memcpy(ret, said, len);
        ret[len] = '\0';
        for (char *p = ret; *p; p++)
                if (*p == '\n' || *p == '\t')
                        *p = ' ';
}

static void judge_words(const struct expect *e, const struct expect_search *s, struct verdict *v,
                        const char *sched_name)
{
        _cleanup_free_ char *how = v->reason ? strdup(v->reason) : NULL;
        const char *own = verdict_own_failure(v);
        char excerpt[EXCERPT_MAX + 1];

        if (kt_error_isset(&s->error)) {
                verdict_set_error(v, &s->error);
                return;
        }
        if (s->contains && s->matches && own) {
                verdict_set(v, VERDICT_FAIL,
                            "%.*s (%s ended in the expected error, and the test failed besides)",
                            (int)strcspn(own, "\n"), own, sched_name);
                if (how)
                        verdict_add_detail(v, "%s", how);
                return;
        }
        if (s->contains && s->matches) {
                verdict_set(v, VERDICT_PASS, "%s ended in the expected error: %s", sched_name,
                            how ? how : "");
                return;
        }
        make_excerpt(v, excerpt);
        if (!s->contains)
                verdict_set(v, VERDICT_FAIL,
                            "expected error with '%s', which is nowhere in what %s printed%s%s", e->contains,
                            sched_name, *excerpt ? "; it says: " : "", excerpt);
        else
                verdict_set(v, VERDICT_FAIL,
                            "expected error matching '%s', which nothing that %s printed does%s%s",
                            e->matches, sched_name, *excerpt ? "; it says: " : "", excerpt);
        if (how)
                verdict_add_detail(v, "%s", how);
}

void expect_judge(const struct expect *e, const struct expect_search *s, struct verdict *v,
                  const char *sched_name)
{
        _cleanup_free_ char *miss = v->reason ? strdup(v->reason) : NULL;

        if (!e->error)
                return;
        if (v->kind == VERDICT_PASS)
                verdict_set(v, VERDICT_FAIL, "expected error but test passed");
        else if (v->kind != VERDICT_FAIL)
                return;
        else if (expect_wants_search(e, v))
                judge_words(e, s, v, sched_name);
        else if (v->has_sched && v->sched.outcome == SCHED_NOT_ATTACHED)
                verdict_set(v, VERDICT_FAIL,
                            "expected error, and a scheduler that never attached is not it: %s",
                            miss ? miss : "");
        else
                verdict_set(v, VERDICT_FAIL, "expected error of %s, and this is none: %s", sched_name,
                            miss ? miss : "");
}
