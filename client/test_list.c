/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* ktstrctl test --list */
#include "../proto/codec.h"
#include "test_report.h"

static void print_json(const struct test_plan *plan)
{
        struct json_object *list = json_object_new_array();

        for (size_t i = 0; i < plan->n; i++) {
                const struct test_cell *c = &plan->cells[i];
                struct json_object *o;

                if (!c->test)
                        continue;
                o = json_object_new_object();
                kt_json_add_str(o, "label", c->name);
                kt_json_add_str(o, "program", c->program->path);
                kt_json_add_str(o, "test", test_cell_test(c));
                kt_json_add_str(o, "scheduler", kt_json_str(c->scheduler, "name"));
                kt_json_add_str(o, "topology", c->topology);
                kt_json_add_str(o, "preset", c->preset ? c->preset->name : NULL);
                kt_json_add_str(o, "kernel", c->kernel ? kt_json_str(c->kernel, "label") : NULL);
                kt_json_add_bool(o, "host_only", test_cell_on_host(c));
                kt_json_add_bool(o, "performance_mode", kt_json_bool(c->test, "performance_mode", false));
                kt_json_add_bool(o, "ignored", c->ignored);
                kt_json_add_str(o, "skipped", c->skip);
                json_object_array_add(list, o);
        }
        puts(json_object_to_json_string_ext(list, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_NOSLASHESCAPE));
        json_object_put(list);
}

/* Of several programs each has its name above its tests. */
void test_list_print(const struct test_plan *plan, bool json)
{
        const struct test_program *before = NULL;
        bool several = false;

        if (json) {
                print_json(plan);
                return;
        }
        for (size_t i = 0; i < plan->n; i++)
                several = several || plan->cells[i].program != plan->cells[0].program;
        for (size_t i = 0; i < plan->n; i++) {
                const struct test_cell *c = &plan->cells[i];

                if (!c->test)
                        continue;
                if (several && c->program != before)
                        printf("%s%s:\n", before ? "\n" : "", c->program->path);
                before = c->program;
                printf("%s%s%s%s\n", c->name, c->ignored ? "  (ignored)" : "", c->skip ? "  skipped: " : "",
                       c->skip ? c->skip : "");
        }
}
