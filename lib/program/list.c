/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "list.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <build_config.h>

#include "../../proto/codec.h"
#include "../../proto/listmsg.h"
#include "../thresholds.h"
#include "fields.h"

static json_object *checked(json_object *o)
{
        if (!o)
                program_oom();
        return o;
}

static json_object *new_object(void)
{
        return checked(json_object_new_object());
}

static json_object *new_array(void)
{
        return checked(json_object_new_array());
}

/* What is no UTF-8 is among what is wrong; the list stays JSON. */
static json_object *new_text(const char *text)
{
        char *valid = kt_utf8_repair(text, strlen(text));
        json_object *o = valid ? json_object_new_string(valid) : NULL;

        free(valid);
        return checked(o);
}

static void add(json_object *o, const char *key, json_object *value)
{
        if (json_object_object_add(o, key, value) < 0)
                program_oom();
}

static void append(json_object *array, json_object *value)
{
        if (json_object_array_add(array, value) < 0)
                program_oom();
}

static json_object *new_texts(const char *const *texts)
{
        json_object *array = new_array();

        for (; *texts; texts++)
                append(array, new_text(*texts));
        return array;
}

static json_object *new_sysctls(const struct ktstr_sysctl *list)
{
        json_object *array = new_array();

        for (; list->key; list++) {
                json_object *o = new_object();

                add(o, "key", new_text(list->key));
                add(o, "value", new_text(list->value ? list->value : ""));
                append(array, o);
        }
        return array;
}

static json_object *new_map_writes(const struct ktstr_map_write *list)
{
        json_object *array = new_array();

        for (; list->field; list++) {
                json_object *o = new_object();

                add(o, "field", new_text(list->field));
                add(o, "value", checked(json_object_new_int64(list->value)));
                if (list->map)
                        add(o, "map", new_text(list->map));
                if (list->at_ms)
                        add(o, "at_ms",
                            checked(json_object_new_int64(
                                    (int64_t)(list->at_ms < INT64_MAX ? list->at_ms : INT64_MAX))));
                append(array, o);
        }
        return array;
}

/* What JSON has no word for is among what is wrong. */
static json_object *new_number(double value)
{
        return checked(json_object_new_double(isfinite(value) ? value : 0));
}

static json_object *new_value(const struct field *f, const void *object)
{
        const void *at = field_at(f, object);

        switch (f->kind) {
        case FIELD_TEXT:
                return new_text(*(const char *const *)at);
        case FIELD_TEXTS:
                return new_texts(*(const char *const *const *)at);
        case FIELD_SYSCTLS:
                return new_sysctls(*(const struct ktstr_sysctl *const *)at);
        case FIELD_MAP_WRITES:
                return new_map_writes(*(const struct ktstr_map_write *const *)at);
        case FIELD_INT:
                return checked(json_object_new_int(*(const int *)at));
        case FIELD_NUMBER:
                return new_number(*(const double *)at);
        case FIELD_SWITCH:
                return checked(json_object_new_boolean(*(const enum ktstr_switch *)at == KTSTR_ON));
        }
        return NULL;
}

static void add_fields(json_object *o, const struct fields *fields, const void *object)
{
        for (size_t i = 0; i < fields->n; i++)
                if (field_is_set(&fields->list[i], object))
                        add(o, fields->list[i].name, new_value(&fields->list[i], object));
}

/* An object within; absent when nothing in it is set. */
static void add_group(json_object *o, const char *key, const struct fields *fields, const void *object)
{
        json_object *group = new_object();

        add_fields(group, fields, object);
        if (json_object_object_length(group) > 0)
                add(o, key, group);
        else
                json_object_put(group);
}

/* JSON has no word for a number that is none; it is among what is wrong. */
static void add_checks(json_object *o, const struct ktstr_checks *declared)
{
        struct ktstr_checks checks = *declared;
        json_object *group;

        for (size_t i = 0; i < kt_thresholds_n; i++) {
                double *number = (double *)((char *)&checks + kt_thresholds[i].offset);

                if (kt_thresholds[i].kind != KT_THRESHOLD_SWITCH && !isfinite(*number))
                        *number = 0;
        }
        group = checked(kt_checks_json(&checks));
        if (json_object_object_length(group) > 0)
                add(o, "checks", group);
        else
                json_object_put(group);
}

static void add_place(json_object *o, const char *file, int line)
{
        add(o, "file", new_text(file ? file : "?"));
        add(o, "line", checked(json_object_new_int(line)));
}

static json_object *list_scheduler(const struct ktstr_scheduler *d)
{
        json_object *o = new_object();

        add_place(o, d->file, d->line);
        add(o, "ident", new_text(d->ident ? d->ident : "?"));
        add_fields(o, &scheduler_fields, d);
        add_group(o, "topology", &topology_fields, &d->topology);
        add_group(o, "constraints", &constraint_fields, &d->constraints);
        add_checks(o, &d->checks);
        return o;
}

static json_object *list_payload(const struct ktstr_payload *p)
{
        json_object *o = new_object();

        add(o, "name", new_text(p->name ? p->name : ""));
        add(o, "binary", new_text(p->binary ? p->binary : ""));
        if (p->args)
                add(o, "args", new_texts(p->args));
        if (p->include_files)
                add(o, "include_files", new_texts(p->include_files));
        return o;
}

static void add_payloads(json_object *o, const struct ktstr_test *t)
{
        json_object *array;

        if (!t->payload && (!t->workloads || !*t->workloads))
                return;
        array = new_array();
        if (t->payload)
                append(array, list_payload(t->payload));
        for (size_t i = 0; t->workloads && t->workloads[i]; i++)
                append(array, list_payload(t->workloads[i]));
        add(o, "payloads", array);
}

static const char *program_of(const struct ktstr_scheduler *d)
{
        return d->binary ? d->binary : d->binary_path;
}

/* Any of them may be put in the place of the test's: which, only its function knows. */
static void add_replaces(json_object *o, const struct program *p, const struct ktstr_test *t)
{
        const char *own = t->scheduler ? program_of(t->scheduler) : NULL;
        json_object *array = new_array();

        for (size_t i = 0; t->scheduler && i < p->n_schedulers; i++) {
                const struct ktstr_scheduler *d = p->schedulers[i];

                if (d != t->scheduler && program_of(d) && !(own && strcmp(own, program_of(d)) == 0))
                        append(array, new_text(d->ident));
        }
        if (json_object_array_length(array) > 0)
                add(o, "replaces", array);
        else
                json_object_put(array);
}

/* Those that show something and are not meant to be run with the others. */
static bool is_demo(const struct ktstr_test *t)
{
        return t->name && strncmp(t->name, "demo_", 5) == 0;
}

static json_object *list_test(const struct program *p, const struct ktstr_test *t)
{
        const struct ktstr_topology topology = {t->numa_nodes, t->llcs, t->cores, t->threads};
        json_object *o = new_object();

        add_place(o, t->file, t->line);
        add_fields(o, &test_fields, t);
        if (t->ignore == KTSTR_UNSET && is_demo(t))
                add(o, "ignore", checked(json_object_new_boolean(true)));
        if (t->scheduler)
                add(o, "scheduler", new_text(t->scheduler->ident ? t->scheduler->ident : "?"));
        add_group(o, "topology", &topology_fields, &topology);
        add_group(o, "constraints", &constraint_fields, &t->constraints);
        add_checks(o, &t->checks);
        add_payloads(o, t);
        add_replaces(o, p, t);
        return o;
}

static json_object *list_finding(const struct finding *f)
{
        json_object *o = new_object();

        add_place(o, f->file, f->line);
        add(o, f->kind, new_text(f->name ? f->name : ""));
        add(o, "field", new_text(f->field));
        add(o, "message", new_text(f->message));
        return o;
}

json_object *list_program(const struct program *p, const struct findings *f)
{
        json_object *o = new_object(), *errors = new_array(), *schedulers = new_array(),
                    *tests = new_array();

        add(o, "ktstr_list", checked(json_object_new_int(KT_LIST_FORMAT)));
        add(o, "version", new_text(KT_VERSION));
        add(o, "errors", errors);
        add(o, "schedulers", schedulers);
        add(o, "tests", tests);
        for (size_t i = 0; i < f->n; i++)
                append(errors, list_finding(&f->list[i]));
        for (size_t i = 0; i < p->n_schedulers; i++)
                append(schedulers, list_scheduler(p->schedulers[i]));
        for (size_t i = 0; i < p->n_tests; i++)
                append(tests, list_test(p, p->tests[i]));
        return o;
}
