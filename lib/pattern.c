/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define PCRE2_CODE_UNIT_WIDTH 8
#include "pattern.h"

#include <errno.h>
#include <limits.h>
#include <pcre2.h>
#include <stdint.h>
#include <string.h>
#include <time.h>

#include "../proto/errors.h"

/* Bounds what an expression like (a+)+b may take of a text that was made for it: some tenths of a second. */
#define MATCH_LIMIT 1000000U

/* So many items of the expression are gone through between two looks at the clock. */
#define ITEMS_PER_LOOK 1024U

struct kt_pattern {
        pcre2_code *code;
};

void kt_pattern_free(struct kt_pattern *p)
{
        if (!p)
                return;
        pcre2_code_free(p->code);
        free(p);
}

unsigned kt_pattern_groups(const struct kt_pattern *p)
{
        uint32_t n = 0;

        pcre2_pattern_info(p->code, PCRE2_INFO_CAPTURECOUNT, &n);
        return n;
}

/* Of this thread's own: what others take of the CPUs does not make an expression slow. */
static uint64_t cpu_ms(void)
{
        struct timespec ts;

        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
        return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

struct watch {
        uint64_t end_ms;
        unsigned items;
};

static int on_item(pcre2_callout_block *block, void *data)
{
        struct watch *w = data;

        return w->items++ % ITEMS_PER_LOOK == 0 && cpu_ms() > w->end_ms ? PCRE2_ERROR_CALLOUT : 0;
}

/* One expression and one text, looked for as often as it takes. */
struct search {
        const struct kt_pattern *p;
        const char *text;
        size_t size;
        struct watch watch;
        pcre2_match_context *context;
        pcre2_match_data *match; /* where it was found last */
};

static int search_begin(struct search *s)
{
        s->context = pcre2_match_context_create(NULL);
        s->match = pcre2_match_data_create_from_pattern(s->p->code, NULL);
        if (!s->context || !s->match)
                return -ENOMEM;
        pcre2_set_match_limit(s->context, MATCH_LIMIT);
        /* The match limit is of each place where a match could begin, so the clock has a say too. By a
         * callout at each item, and not by searching the text piece by piece: PCRE2 looks for the next place
         * where a match may begin through all of the text, which each piece would pay for anew. */
        pcre2_set_callout(s->context, on_item, &s->watch);
        return 0;
}

static void search_done(struct search *s)
{
        pcre2_match_context_free(s->context);
        pcre2_match_data_free(s->match);
}

/* The first match from `from` on. 1, 0, -errno. */
static int search_from(struct search *s, size_t from)
{
        int r = pcre2_match(s->p->code, (PCRE2_SPTR)s->text, s->size, from, 0, s->match, s->context);

        if (r >= 0)
                return 1;
        switch (r) {
        case PCRE2_ERROR_NOMATCH:
                return 0;
        case PCRE2_ERROR_NOMEMORY:
                return -ENOMEM;
        case PCRE2_ERROR_CALLOUT:
                return -ETIMEDOUT;
        default:
                return -ERANGE;
        }
}

static struct kt_span group_of(const struct search *s, unsigned group)
{
        const PCRE2_SIZE *ends = pcre2_get_ovector_pointer(s->match);

        if (group >= pcre2_get_ovector_count(s->match))
                return (struct kt_span){(size_t)-1, (size_t)-1};
        return (struct kt_span){ends[2 * (size_t)group], ends[2 * (size_t)group + 1]};
}

int kt_pattern_find_within(const struct kt_pattern *p, const char *text, size_t size, size_t from,
                           unsigned group, unsigned ms, struct kt_span *ret)
{
        struct search s = {.p = p, .text = text, .size = size, .watch = {.end_ms = cpu_ms() + ms}};
        int r = search_begin(&s);

        if (r == 0)
                r = search_from(&s, from);
        if (r == 1 && ret)
                *ret = group_of(&s, group);
        search_done(&s);
        return r;
}

int kt_pattern_find_last_within(const struct kt_pattern *p, const char *text, size_t size, unsigned group,
                                unsigned ms, struct kt_span *ret)
{
        struct search s = {.p = p, .text = text, .size = size, .watch = {.end_ms = cpu_ms() + ms}};
        struct kt_span last = {(size_t)-1, (size_t)-1};
        size_t from = 0;
        int r = search_begin(&s);

        if (r == 0)
                r = search_from(&s, from);
        while (r == 1) {
                const struct kt_span whole = group_of(&s, 0), part = group_of(&s, group);

                if (part.begin != (size_t)-1)
                        last = part;
                from = whole.end > from ? whole.end : from + 1;
                r = from <= size ? search_from(&s, from) : 0;
        }
        search_done(&s);
        if (r < 0 || last.begin == (size_t)-1)
                return r;
        *ret = last;
        return 1;
}

int kt_pattern_new(const char *expression, struct kt_pattern **ret, struct kt_error *reterr)
{
        struct kt_pattern *p;
        PCRE2_UCHAR text[256];
        PCRE2_SIZE at;
        int error, r;

        if (!*expression)
                return kt_error_set(reterr, -EINVAL, KT_E_INVALID_PARAMETER, "the pattern is empty");
        p = calloc(1, sizeof(*p));
        if (!p)
                return kt_error_set(reterr, -ENOMEM, KT_E_INTERNAL, "out of memory");
        p->code = pcre2_compile((PCRE2_SPTR)expression, PCRE2_ZERO_TERMINATED, PCRE2_AUTO_CALLOUT, &error,
                                &at, NULL);
        if (!p->code) {
                pcre2_get_error_message(error, text, sizeof(text));
                free(p);
                return kt_error_set(reterr, -EINVAL, KT_E_INVALID_PARAMETER,
                                    "the pattern '%s' does not compile: %s, at its character %zu",
                                    expression, (const char *)text, at);
        }
        r = kt_pattern_find_within(p, "", 0, 0, 0, UINT_MAX, NULL);
        if (r == 0) {
                *ret = p;
                return 0;
        }
        kt_pattern_free(p);
        if (r == 1)
                return kt_error_set(reterr, -EINVAL, KT_E_INVALID_PARAMETER,
                                    "the pattern '%s' matches the empty text, and so everything",
                                    expression);
        return kt_error_set(reterr, r, KT_E_INTERNAL, "out of memory");
}
