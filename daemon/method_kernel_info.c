/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "method_kernel_info.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "../common/fsutil.h"
#include "../proto/codec.h"
#include "../proto/errors.h"
#include "kernel_diff.h"
#include "kernel_json.h"
#include "kernel_work.h"

static struct json_object *strings_json(char *const *strings)
{
        struct json_object *a = json_object_new_array();

        for (; strings && *strings; strings++)
                json_object_array_add(a, json_object_new_string(*strings));
        return a;
}

/* --- Info --- */

static struct json_object *features_json(const struct kernel_features *f)
{
        struct json_object *o = json_object_new_object(), *constants = json_object_new_array();

        for (size_t i = 0; i < f->n_constants; i++) {
                struct json_object *c = json_object_new_object();
                char value[24];

                snprintf(value, sizeof(value), "0x%" PRIx64, f->constants[i].value);
                kt_json_add_str(c, "enumeration", f->constants[i].enumeration);
                kt_json_add_str(c, "name", f->constants[i].name);
                kt_json_add_str(c, "value", value);
                json_object_array_add(constants, c);
        }
        kt_json_add_int(o, "btf_size", (int64_t)f->btf_size);
        kt_json_add(o, "kfuncs", strings_json(f->kfuncs));
        kt_json_add(o, "ops", strings_json(f->ops));
        kt_json_add(o, "constants", constants);
        return o;
}

static struct json_object *boots_json(const struct kernel_inside *in)
{
        struct json_object *a = json_object_new_array();

        for (size_t i = 0; i < in->n_boots; i++) {
                struct json_object *o = json_object_new_object();

                kt_json_add_str(o, "accel", in->boots[i].accel);
                kt_json_add_int(o, "cpus", in->boots[i].cpus);
                kt_json_add_int(o, "last_ms", in->boots[i].last_ms);
                kt_json_add_int(o, "best_ms", in->boots[i].best_ms);
                kt_json_add_int(o, "boots", in->boots[i].boots);
                json_object_array_add(a, o);
        }
        return a;
}

static void do_info(struct kernel_work *w)
{
        w->result = kernel_inside_get(w->kcache, w->spec, &w->inside[0], &w->error);
}

static struct json_object *reply_info(struct kernel_work *w)
{
        struct json_object *o = json_object_new_object();
        const struct kernel_inside *in = &w->inside[0];

        kt_json_add(o, "entry", kernel_json(in->kernel));
        kt_json_add_str(o, "config", in->config);
        if (in->config)
                kt_json_add_str(o, "config_hash", in->config_hash);
        if (in->features)
                kt_json_add(o, "features", features_json(in->features));
        kt_json_add_str(o, "features_error", in->features_error);
        kt_json_add(o, "boots", boots_json(in));
        return o;
}

/* --- Diff --- */

static void do_diff(struct kernel_work *w)
{
        struct kernel_inside *a = &w->inside[0], *b = &w->inside[1];
        int r = kernel_inside_resolve(w->kcache, &w->caller, w->spec, a, &w->error);

        if (r >= 0)
                r = kernel_inside_resolve(w->kcache, &w->caller, w->other, b, &w->error);
        if (r >= 0) {
                r = kernel_diff_new(a->config, b->config, a->features, b->features, &w->diff);
                if (r < 0)
                        kt_error_set(&w->error, r, KT_E_INTERNAL, "out of memory");
        }
        w->result = r;
}

static void add_note(struct json_object *notes, const char *text)
{
        json_object_array_add(notes, json_object_new_string(text ? text : "out of memory"));
}

/* What could not be compared, and why. */
static struct json_object *notes_json(const struct kernel_inside in[2])
{
        struct json_object *notes = json_object_new_array();

        for (unsigned i = 0; i < 2; i++) {
                const char *key = in[i].kernel->key;
                _cleanup_free_ char *config =
                        kt_format("the configuration of %s is not known: no options are compared", key);
                _cleanup_free_ char *btf =
                        kt_format("%s has no BTF: what its sched_ext can do is not compared", key);

                if (!in[i].config)
                        add_note(notes, config);
                if (!in[i].features)
                        add_note(notes, in[i].features_error ? in[i].features_error : btf);
        }
        return notes;
}

static struct json_object *options_json(const struct kernel_diff *d)
{
        struct json_object *a = json_object_new_array();

        for (size_t i = 0; i < d->n_options; i++) {
                struct json_object *o = json_object_new_object();

                kt_json_add_str(o, "option", d->options[i].option);
                kt_json_add_str(o, "a", d->options[i].a);
                kt_json_add_str(o, "b", d->options[i].b);
                json_object_array_add(a, o);
        }
        return a;
}

static struct json_object *names_json(const struct kernel_names *n)
{
        struct json_object *o = json_object_new_object();

        kt_json_add(o, "a", strings_json(n->a));
        kt_json_add(o, "b", strings_json(n->b));
        return o;
}

static struct json_object *reply_diff(struct kernel_work *w)
{
        struct json_object *o = json_object_new_object();

        kt_json_add(o, "a", kernel_json(w->inside[0].kernel));
        kt_json_add(o, "b", kernel_json(w->inside[1].kernel));
        kt_json_add(o, "notes", notes_json(w->inside));
        kt_json_add(o, "configuration", options_json(w->diff));
        kt_json_add(o, "kfuncs", names_json(&w->diff->kfuncs));
        kt_json_add(o, "ops", names_json(&w->diff->ops));
        kt_json_add(o, "flags", names_json(&w->diff->flags));
        return o;
}

/* --- both --- */

static void start(struct kernel_work *w, const char *spec, const char *other)
{
        _cleanup_(kt_error_done) struct kt_error err = KT_ERROR_INIT;

        w->spec = strdup(spec);
        w->other = other ? strdup(other) : NULL;
        if (w->spec && (!other || w->other)) {
                kernel_work_start(w);
                return;
        }
        kt_error_set(&err, -ENOMEM, KT_E_INTERNAL, "out of memory");
        kernel_work_fail(w, &err);
}

void method_kernel_info(struct call *call)
{
        struct kernel_work *w = kernel_work_new(call, do_info, reply_info);

        if (w)
                start(w, kt_json_str(call->parameters, "key"), NULL);
}

void method_kernel_diff(struct call *call)
{
        struct kernel_work *w = kernel_work_new(call, do_diff, reply_diff);

        if (w)
                start(w, kt_json_str(call->parameters, "a"), kt_json_str(call->parameters, "b"));
}
