/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "finding.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "program.h"

void findings_done(struct findings *f)
{
        for (size_t i = 0; i < f->n; i++) {
                free(f->list[i].field);
                free(f->list[i].message);
        }
        free(f->list);
        *f = (struct findings){0};
}

void found(struct subject *s, const char *field, const char *fmt, ...)
{
        struct findings *f = s->findings;
        struct finding *list = realloc(f->list, (f->n + 1) * sizeof(*list));
        char *name = strdup(field), *message;
        va_list ap;

        if (!list || !name)
                program_oom();
        va_start(ap, fmt);
        if (vasprintf(&message, fmt, ap) < 0)
                program_oom();
        va_end(ap);
        f->list = list;
        f->list[f->n++] = (struct finding){.file = s->file,
                                           .line = s->line,
                                           .kind = s->kind,
                                           .name = s->name,
                                           .field = name,
                                           .message = message};
}
