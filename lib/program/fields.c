/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fields.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "../../common/cleanup.h"
#include "../../proto/codec.h"
#include "../../proto/limits.h"
#include "../thresholds.h"

#define FIELD(type, member, kind_, flags_)                                                                  \
        {                                                                                                   \
                .name = #member, .kind = FIELD_##kind_, .offset = offsetof(struct type, member),            \
                .flags = (flags_)                                                                           \
        }
#define FIELD_FROM_TO(type, member, min_, max_)                                                             \
        {                                                                                                   \
                .name = #member, .kind = FIELD_INT, .offset = offsetof(struct type, member), .min = (min_), \
                .max = (max_)                                                                               \
        }
#define FIELDS(name, ...)                                                                                   \
        static const struct field name##_list[] = {__VA_ARGS__};                                            \
        const struct fields name = {name##_list, KT_ARRAY_SIZE(name##_list)}

FIELDS(scheduler_fields, FIELD(ktstr_scheduler, name, TEXT, 0), FIELD(ktstr_scheduler, binary, TEXT, 0),
       FIELD(ktstr_scheduler, binary_path, TEXT, 0), FIELD(ktstr_scheduler, kernel_builtin_enable, TEXTS, 0),
       FIELD(ktstr_scheduler, kernel_builtin_disable, TEXTS, 0), FIELD(ktstr_scheduler, kernels, TEXTS, 0),
       FIELD(ktstr_scheduler, sched_args, TEXTS, FIELD_EMPTY), FIELD(ktstr_scheduler, kargs, TEXTS, 0),
       FIELD(ktstr_scheduler, sysctls, SYSCTLS, 0), FIELD(ktstr_scheduler, cgroup_parent, TEXT, 0),
       FIELD(ktstr_scheduler, config_file, TEXT, 0), FIELD(ktstr_scheduler, config_arg, TEXT, 0),
       FIELD(ktstr_scheduler, config_guest_path, TEXT, 0));

FIELDS(test_fields, FIELD(ktstr_test, name, TEXT, 0),
       FIELD(ktstr_test, extra_sched_args, TEXTS, FIELD_EMPTY), FIELD(ktstr_test, config, TEXT, 0),
       FIELD_FROM_TO(ktstr_test, memory_mib, KT_MEMORY_MIN_MIB, KT_MEMORY_MAX_MIB),
       FIELD(ktstr_test, duration_s, NUMBER, 0),
       FIELD_FROM_TO(ktstr_test, workers_per_cgroup, 1, KT_WORKERS_MAX),
       FIELD(ktstr_test, watchdog_timeout_s, NUMBER, FIELD_NONE), FIELD(ktstr_test, timeout_s, NUMBER, 0),
       FIELD_FROM_TO(ktstr_test, cleanup_budget_ms, 1, KT_DURATION_MAX_MS),
       FIELD(ktstr_test, ignore, SWITCH, 0), FIELD(ktstr_test, host_only, SWITCH, 0),
       FIELD(ktstr_test, performance_mode, SWITCH, 0), FIELD(ktstr_test, no_perf_mode, SWITCH, 0),
       FIELD_FROM_TO(ktstr_test, cpu_budget, 1, KT_HOST_CPUS_MAX),
       FIELD(ktstr_test, extra_include_files, TEXTS, 0), FIELD(ktstr_test, bpf_map_write, MAP_WRITES, 0),
       FIELD(ktstr_test, expect_err, SWITCH, 0), FIELD(ktstr_test, expect_scx_bpf_error_contains, TEXT, 0),
       FIELD(ktstr_test, expect_scx_bpf_error_matches, TEXT, 0), FIELD(ktstr_test, auto_repro, SWITCH, 0));

FIELDS(topology_fields, FIELD(ktstr_topology, numa_nodes, INT, 0), FIELD(ktstr_topology, llcs, INT, 0),
       FIELD(ktstr_topology, cores, INT, 0), FIELD(ktstr_topology, threads, INT, 0));

FIELDS(constraint_fields, FIELD(ktstr_constraints, min_llcs, INT, FIELD_NONE),
       FIELD(ktstr_constraints, max_llcs, INT, FIELD_NONE),
       FIELD(ktstr_constraints, min_cpus, INT, FIELD_NONE),
       FIELD(ktstr_constraints, max_cpus, INT, FIELD_NONE),
       FIELD(ktstr_constraints, min_numa_nodes, INT, FIELD_NONE),
       FIELD(ktstr_constraints, max_numa_nodes, INT, FIELD_NONE),
       FIELD(ktstr_constraints, requires_smt, SWITCH, 0));

bool field_is_set(const struct field *f, const void *object)
{
        const void *at = field_at(f, object);

        switch (f->kind) {
        case FIELD_TEXT:
        case FIELD_TEXTS:
        case FIELD_SYSCTLS:
        case FIELD_MAP_WRITES:
                return *(const void *const *)at;
        case FIELD_INT:
                return *(const int *)at != 0;
        case FIELD_NUMBER:
                return *(const double *)at != 0;
        case FIELD_SWITCH:
                return *(const enum ktstr_switch *)at != KTSTR_UNSET;
        }
        return false;
}

static void check_text(const char *text, const char *name, bool may_be_empty, struct subject *s)
{
        if (!*text && !may_be_empty)
                found(s, name, "is empty");
        else if (!kt_utf8_valid(text, strlen(text)))
                found(s, name, "is not UTF-8");
}

static void check_texts(const char *const *texts, const struct field *f, const char *name, struct subject *s)
{
        if (!*texts)
                found(s, name, "is an empty list: leave it unset");
        for (; *texts; texts++)
                check_text(*texts, name, f->flags & FIELD_EMPTY, s);
}

/* Names with a dot between each two: with slashes, as files have them, one with a dot in a name of its own
 * would be meant otherwise. */
static bool is_sysctl_name(const char *key)
{
        static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.";
        const size_t len = strlen(key);

        return len > 0 && len <= KT_SYSCTL_BYTES_MAX && strspn(key, allowed) == len && !strstr(key, "..") &&
               key[0] != '.' && key[len - 1] != '.';
}

static void check_sysctls(const struct ktstr_sysctl *list, const char *name, struct subject *s)
{
        size_t n = 0;

        for (; list->key; list++, n++) {
                if (!is_sysctl_name(list->key))
                        found(s, name, "'%s' is no sysctl's name: it is like kernel.sched_autogroup_enabled",
                              list->key);
                else if (!list->value)
                        found(s, name, "%s has no value", list->key);
                else if (strlen(list->value) > KT_SYSCTL_BYTES_MAX || strpbrk(list->value, "\n\r"))
                        found(s, name, "the value of %s is no single line of at most %d bytes", list->key,
                              KT_SYSCTL_BYTES_MAX);
                else
                        check_text(list->value, name, true, s);
        }
        if (n > KT_SYSCTLS_MAX)
                found(s, name, "are %zu, and at most %d are set", n, KT_SYSCTLS_MAX);
}

static size_t name_length(const char *text)
{
        static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789";

        return *text >= '0' && *text <= '9' ? 0 : strspn(text, letters);
}

/* A variable's name, and what leads to a member or an element in it. */
static bool is_global(const char *text)
{
        size_t n = name_length(text);

        while (n > 0 && *(text += n))
                if (*text == '.')
                        n = name_length(++text);
                else {
                        const size_t digits = *text == '[' ? strspn(text + 1, "0123456789") : 0;

                        n = digits > 0 && text[1 + digits] == ']' ? digits + 2 : 0;
                }
        return n > 0;
}

static void check_map_writes(const struct ktstr_map_write *list, const char *name, struct subject *s)
{
        const struct ktstr_map_write *w = list;
        char part[160];

        for (; w->field; w++) {
                snprintf(part, sizeof(part), "%s[%td].field", name, w - list);
                if (!is_global(w->field))
                        found(s, part,
                              "'%s' is no global variable: it is like stall, stats.nr_queued or hist[3]",
                              w->field);
                snprintf(part, sizeof(part), "%s[%td].map", name, w - list);
                if (w->map)
                        check_text(w->map, part, false, s);
                snprintf(part, sizeof(part), "%s[%td].at_ms", name, w - list);
                if (w->at_ms > KT_DURATION_MAX_MS)
                        found(s, part, "is more than a day");
        }
        /* The list's end has nothing else either. */
        snprintf(part, sizeof(part), "%s[%td].field", name, w - list);
        if (w->value || w->map || w->at_ms)
                found(s, part, "is not set");
        else if (w == list)
                found(s, name, "is an empty list: leave it unset");
}

static void check_number(double value, const struct field *f, const char *name, struct subject *s)
{
        const bool may_be_none = f->flags & FIELD_NONE;

        if ((!isfinite(value) || value <= 0) && !(may_be_none && value == KTSTR_NONE))
                found(s, name, "is %g, and has to be more than 0%s", value,
                      may_be_none ? ", or KTSTR_NONE" : "");
}

static void check_int(int value, const struct field *f, const char *name, struct subject *s)
{
        if (value < 0 && !(value == KTSTR_NONE && f->flags & FIELD_NONE))
                found(s, name, "is %d, and has to be more than 0%s", value,
                      f->flags & FIELD_NONE ? ", or KTSTR_NONE" : "");
        else if (f->max > 0 && (value < f->min || value > f->max))
                found(s, name, "is %d, and has to be from %d to %d", value, f->min, f->max);
}

static void check_switch(enum ktstr_switch value, const char *name, struct subject *s)
{
        if ((unsigned)value > KTSTR_OFF)
                found(s, name, "is %d, and has to be KTSTR_ON or KTSTR_OFF", (int)value);
}

static void check_field(const struct field *f, const void *at, const char *name, struct subject *s)
{
        switch (f->kind) {
        case FIELD_TEXT:
                check_text(*(const char *const *)at, name, false, s);
                break;
        case FIELD_TEXTS:
                check_texts(*(const char *const *const *)at, f, name, s);
                break;
        case FIELD_SYSCTLS:
                check_sysctls(*(const struct ktstr_sysctl *const *)at, name, s);
                break;
        case FIELD_MAP_WRITES:
                check_map_writes(*(const struct ktstr_map_write *const *)at, name, s);
                break;
        case FIELD_INT:
                check_int(*(const int *)at, f, name, s);
                break;
        case FIELD_NUMBER:
                check_number(*(const double *)at, f, name, s);
                break;
        case FIELD_SWITCH:
                check_switch(*(const enum ktstr_switch *)at, name, s);
                break;
        }
}

void fields_check(const struct fields *fields, const void *object, const char *prefix, struct subject *s)
{
        char name[96];

        for (size_t i = 0; i < fields->n; i++) {
                const struct field *f = &fields->list[i];

                if (!field_is_set(f, object))
                        continue;
                snprintf(name, sizeof(name), "%s%s", prefix, f->name);
                check_field(f, field_at(f, object), name, s);
        }
}

static void check_threshold(double value, const struct kt_threshold *t, const char *name, struct subject *s)
{
        if (value == 0 || value == KTSTR_NONE)
                return;
        /* Written so that what is no number is out of range too. */
        if (!(value > 0 && value <= t->max))
                found(s, name, "is %g, and has to be more than 0 and at most %g, KTSTR_ZERO or KTSTR_NONE",
                      value, t->max);
}

void fields_check_checks(const struct ktstr_checks *checks, const char *prefix, struct subject *s)
{
        char name[96];

        for (size_t i = 0; i < kt_thresholds_n; i++) {
                const struct kt_threshold *t = &kt_thresholds[i];
                const void *at = (const char *)checks + t->offset;

                snprintf(name, sizeof(name), "%s%s", prefix, t->name);
                if (t->kind == KT_THRESHOLD_SWITCH)
                        check_switch(*(const enum ktstr_switch *)at, name, s);
                else
                        check_threshold(*(const double *)at, t, name, s);
        }
}
