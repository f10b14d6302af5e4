/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "make_run.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>

#include "../common/fsutil.h"
#include "../kconfig/kernel_config.h"
#include "../proto/errors.h"
#include "answer.h"
#include "child.h"
#include "make_output.h"

#define CONFIG_SIZE_MAX (4U * 1024U * 1024U)

struct running {
        const struct make *make;
        struct make_output output;
};

static void on_warning(void *userdata, const char *line)
{
        answer_warning("%s", line);
}

static void on_line(void *userdata, const char *line, bool replaced)
{
        struct running *r = userdata;
        int64_t estimate = r->make->estimate;

        answer_log_line(line);
        if (!make_output_line(&r->output, line) || estimate <= 0)
                return;
        /* More than were thought of are no reason to be done, nor to go back. */
        answer_progress(r->output.objects < estimate ? r->output.objects : estimate - 1, estimate, "objects",
                        r->output.file);
}

static void at_end(void *userdata, bool killed)
{
        struct running *r = userdata;

        if (r->make->at_end)
                r->make->at_end(r->make->userdata, killed);
}

static void add_details(const struct make_output *o, struct json_object *details)
{
        char *const *lines = o->n_details ? o->details : o->recent;
        unsigned n = o->n_details ? o->n_details : o->n_recent;

        for (unsigned i = 0; i < n; i++)
                json_object_array_add(details, json_object_new_string(lines[i]));
}

/* A tree whose owner builds it with clang is not built anew with another compiler. */
static bool is_for_clang(const char *dir)
{
        _cleanup_free_ char *path = kt_path_join(dir, ".config"), *config = NULL;
        size_t size;

        return path && kt_read_file(AT_FDCWD, path, CONFIG_SIZE_MAX, &config, &size) >= 0 &&
               kernel_config_get(config, "CC_IS_CLANG") == 'y';
}

int make_run(const struct make *m, int64_t *ret_objects, struct json_object *details,
             struct kt_error *reterr)
{
        _cleanup_free_ char *config = kt_format("KCONFIG_CONFIG=%s", m->config);
        const char *env[] = {
                config,
                "KBUILD_BUILD_TIMESTAMP=" MAKE_BUILD_TIMESTAMP,
                "KBUILD_BUILD_USER=" MAKE_BUILD_USER,
                "KBUILD_BUILD_HOST=" MAKE_BUILD_HOST,
                "KBUILD_BUILD_VERSION=" MAKE_BUILD_VERSION,
                is_for_clang(m->dir) ? "LLVM=1" : NULL,
                NULL,
        };
        char jobs[16];
        const char *argv[5] = {"make"};
        struct running running = {.make = m, .output = {.dir = m->dir, .on_warning = on_warning}};
        struct child c = {
                .argv = argv,
                .env = env,
                .dir = m->dir,
                .on_line = on_line,
                .at_end = at_end,
                .userdata = &running,
        };
        int n = 1, status, r;

        if (!config)
                return kt_error_set(reterr, -ENOMEM, KT_E_INTERNAL, "out of memory");
        if (m->jobs > 0) {
                snprintf(jobs, sizeof(jobs), "-j%u", m->jobs);
                argv[n++] = jobs;
        }
        if (m->variable)
                argv[n++] = m->variable;
        argv[n] = m->target;
        status = child_run(&c, reterr);
        if (running.output.more_warnings > 0)
                answer_warning("%llu more warnings of the compiler are in the log",
                               (unsigned long long)running.output.more_warnings);
        if (status > 0) {
                r = make_output_failure(&running.output, status, reterr);
                add_details(&running.output, details);
        } else {
                r = status;
        }
        if (r == 0 && m->estimate > 0)
                answer_progress(m->estimate, m->estimate, "objects", NULL);
        if (r == 0 && ret_objects)
                *ret_objects = running.output.objects;
        make_output_done(&running.output);
        return r;
}
