/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "trace_text.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

struct line {
        const char *at;
        size_t len; /* with its line break, which the last one may lack */
};

/* The last ones of those that count, in a ring. */
struct last {
        struct line *ring;
        unsigned room;
        size_t n;
};

static void note(struct last *l, const char *at, size_t len)
{
        const size_t blanks = strspn(at, " \t");

        if (blanks >= len || at[blanks] == '#')
                return;
        l->ring[l->n++ % l->room] = (struct line){at + blanks, len - blanks + 1};
}

static void note_all(struct last *l, const char *text, bool is_cut)
{
        if (is_cut)
                text += strcspn(text, "\n");
        while (*text) {
                const size_t len = strcspn(text, "\n");

                note(l, text, len);
                text += len + (text[len] == '\n');
        }
}

/* The number of the first that fits with all behind it; their size. */
static size_t first_that_fits(const struct last *l, size_t bytes, size_t *ret_size)
{
        const size_t oldest = l->n > l->room ? l->n - l->room : 0;
        size_t first = l->n;

        *ret_size = 0;
        while (first > oldest && *ret_size + l->ring[(first - 1) % l->room].len <= bytes)
                *ret_size += l->ring[--first % l->room].len;
        return first;
}

char *trace_text_last(const char *text, bool is_cut, unsigned lines, size_t bytes)
{
        struct last l = {.ring = calloc(lines, sizeof(struct line)), .room = lines};
        size_t first, size = 0;
        char *ret = NULL, *to;

        if (l.ring) {
                note_all(&l, text, is_cut);
                first = first_that_fits(&l, bytes, &size);
                ret = to = malloc(size + 1);
                for (; ret && first < l.n; first++) {
                        const struct line *line = &l.ring[first % l.room];

                        memcpy(to, line->at, line->len - 1);
                        to += line->len;
                        to[-1] = '\n';
                }
                if (ret)
                        *to = '\0';
        }
        free(l.ring);
        return ret;
}
