/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "test_problem.h"

#include <stdlib.h>
#include <string.h>

struct test_problem *test_problem_new(const char *text, struct json_object *details, int status)
{
        struct test_problem *p = calloc(1, sizeof(*p));

        if (p)
                *p = (struct test_problem){.text = strdup(text), .details = details, .status = status};
        if (p && p->text)
                return p;
        free(p);
        json_object_put(details);
        return NULL;
}

void test_problem_free(struct test_problem *p)
{
        if (!p)
                return;
        free(p->text);
        free(p->needed_by);
        json_object_put(p->details);
        free(p);
}
