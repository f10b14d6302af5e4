/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define PCRE2_CODE_UNIT_WIDTH 8
#include "pattern.h"

#include <errno.h>
#include <pcre2.h>
#include <stdint.h>
#include <string.h>
#include <time.h>

#include "../proto/errors.h"

/* Bounds what an expression like (a+)+b may take of a text that was made for it: some tenths of a second. */
#define MATCH_LIMIT 1000000U

/* How many places are looked at between two looks at the clock: at least, and twice as many as long as that
 * takes less. */
#define PIECE_MIN 64U
#define PIECE_MS 20U

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

/* The first match that begins from `from` to `until`; match has its ends. 1, 0, -errno. */
static int match_from(const struct kt_pattern *p, const char *text, size_t size, size_t from, size_t until,
                      pcre2_match_data *match)
{
        pcre2_match_context *context = pcre2_match_context_create(NULL);
        int r;

        if (!context || !match) {
                pcre2_match_context_free(context);
                return -ENOMEM;
        }
        pcre2_set_match_limit(context, MATCH_LIMIT);
        pcre2_set_offset_limit(context, until);
        r = pcre2_match(p->code, (PCRE2_SPTR)text, size, from, 0, match, context);
        pcre2_match_context_free(context);
        return r >= 0 ? 1 : r == PCRE2_ERROR_NOMATCH ? 0 : r == PCRE2_ERROR_NOMEMORY ? -ENOMEM : -ERANGE;
}

int kt_pattern_find(const struct kt_pattern *p, const char *text, size_t size, size_t from, unsigned group,
                    size_t *ret_begin, size_t *ret_end)
{
        pcre2_match_data *match = pcre2_match_data_create_from_pattern(p->code, NULL);
        int r = match_from(p, text, size, from, size, match);

        if (r == 1 && group < pcre2_get_ovector_count(match)) {
                const PCRE2_SIZE *ends = pcre2_get_ovector_pointer(match);

                if (ret_begin)
                        *ret_begin = ends[2 * (size_t)group];
                if (ret_end)
                        *ret_end = ends[2 * (size_t)group + 1];
        }
        pcre2_match_data_free(match);
        return r;
}

static uint64_t now_ms(void)
{
        struct timespec ts;

        clock_gettime(CLOCK_MONOTONIC, &ts);
        return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

/* The match limit is of each place where a match could begin: those are gone through by pieces, and the
 * clock is looked at in between. */
int kt_pattern_find_within(const struct kt_pattern *p, const char *text, size_t size, unsigned ms)
{
        pcre2_match_data *match = pcre2_match_data_create_from_pattern(p->code, NULL);
        const uint64_t end_ms = now_ms() + ms;
        size_t from = 0, piece = PIECE_MIN;
        int r;

        for (;;) {
                uint64_t begin_ms = now_ms();
                size_t until = size - from > piece ? from + piece : size;

                r = match_from(p, text, size, from, until, match);
                if (r != 0 || until == size)
                        break;
                if (now_ms() > end_ms) {
                        r = -ETIMEDOUT;
                        break;
                }
                piece = now_ms() - begin_ms < PIECE_MS ? piece * 2 : PIECE_MIN;
                from = until + 1;
        }
        pcre2_match_data_free(match);
        return r;
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
        p->code = pcre2_compile((PCRE2_SPTR)expression, PCRE2_ZERO_TERMINATED, PCRE2_USE_OFFSET_LIMIT,
                                &error, &at, NULL);
        if (!p->code) {
                pcre2_get_error_message(error, text, sizeof(text));
                free(p);
                return kt_error_set(reterr, -EINVAL, KT_E_INVALID_PARAMETER,
                                    "the pattern '%s' does not compile: %s, at its character %zu",
                                    expression, (const char *)text, at);
        }
        r = kt_pattern_find(p, "", 0, 0, 0, NULL, NULL);
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
