/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tail.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Twice what is kept, so that moving it to the front happens once per `keep` bytes. */
int tail_init(struct tail *t, size_t keep)
{
        *t = (struct tail){.text = malloc(2 * keep + 1), .keep = keep};
        if (!t->text)
                return -ENOMEM;
        t->text[0] = '\0';
        return 0;
}

void tail_done(struct tail *t)
{
        free(t->text);
        *t = (struct tail){0};
}

void tail_clear(struct tail *t)
{
        t->len = 0;
        t->text[0] = '\0';
}

void tail_add(struct tail *t, const char *data, size_t size)
{
        if (size > t->keep) {
                data += size - t->keep;
                size = t->keep;
        }
        if (t->len + size > 2 * t->keep) {
                memmove(t->text, t->text + t->len - t->keep, t->keep);
                t->len = t->keep;
        }
        for (size_t i = 0; i < size; i++)
                if (data[i] != '\0' && data[i] != '\r')
                        t->text[t->len++] = data[i];
        t->text[t->len] = '\0';
}

const char *tail_text(const struct tail *t)
{
        return t->len > t->keep ? t->text + t->len - t->keep : t->text;
}

static size_t end_without_breaks(const struct tail *t)
{
        size_t end = t->len;

        while (end > 0 && isspace((unsigned char)t->text[end - 1]))
                end--;
        return end;
}

char *tail_lines(const struct tail *t, unsigned lines)
{
        const size_t first = (size_t)(tail_text(t) - t->text);
        const size_t end = end_without_breaks(t);
        size_t start = end;

        if (end <= first || lines == 0)
                return strdup("");
        while (start > first && (t->text[start - 1] != '\n' || --lines > 0))
                start--;
        return strndup(t->text + start, end - start);
}

char *tail_last_line(const struct tail *t)
{
        return tail_lines(t, 1);
}
