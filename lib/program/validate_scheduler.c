/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "../../proto/kargs.h"
#include "../../proto/kernel_spec.h"
#include "fields.h"
#include "validate.h"

static void check_where_it_is(const struct ktstr_scheduler *d, struct subject *s)
{
        bool builtin = d->kernel_builtin_enable || d->kernel_builtin_disable;
        int ways = !!d->binary + !!d->binary_path + builtin;

        if (ways == 0)
                found(s, "binary",
                      "is not set: say where the scheduler is, by .binary, .binary_path, or "
                      ".kernel_builtin_enable "
                      "and .kernel_builtin_disable");
        else if (ways > 1)
                found(s, d->binary ? "binary" : "binary_path",
                      "is one way to say where the scheduler is, and there is another: exactly one of "
                      ".binary, "
                      ".binary_path and .kernel_builtin_enable with .kernel_builtin_disable");
        else if (builtin && !d->kernel_builtin_enable)
                found(s, "kernel_builtin_enable", "is not set: it goes with .kernel_builtin_disable");
        else if (builtin && !d->kernel_builtin_disable)
                found(s, "kernel_builtin_disable", "is not set: it goes with .kernel_builtin_enable");
        if (d->binary && strchr(d->binary, '/'))
                found(s, "binary", "'%s' has a slash: it is a name to look for; a path is .binary_path",
                      d->binary);
        if (builtin && d->sched_args)
                found(s, "sched_args", "are for a program; this scheduler is a part of the kernel");
        if (builtin && (d->config_file || d->config_arg))
                found(s, d->config_file ? "config_file" : "config_arg",
                      "is for a program; this scheduler is a part of the kernel");
}

/* Absolute, below the root, and without a way up: "/a/b". */
static bool is_folder_below_root(const char *path)
{
        if (path[0] != '/' || path[1] == '\0')
                return false;
        while (*path == '/') {
                size_t len = strcspn(++path, "/");

                if (len == 0 || (len == 1 && path[0] == '.') ||
                    (len == 2 && path[0] == '.' && path[1] == '.'))
                        return false;
                path += len;
        }
        return true;
}

static void check_config(const struct ktstr_scheduler *d, struct subject *s)
{
        if (d->config_file && d->config_arg)
                found(s, "config_file",
                      "is for all tests and .config_arg is for each test's own: one of them");
        if (!d->config_arg != !d->config_guest_path)
                found(s, d->config_arg ? "config_guest_path" : "config_arg",
                      "is not set: .config_arg and "
                      ".config_guest_path go together");
        if (d->config_arg && !strstr(d->config_arg, "{file}"))
                found(s, "config_arg", "'%s' has no {file} in it, for the file's path in the guest",
                      d->config_arg);
        if (d->config_guest_path && !is_folder_below_root(d->config_guest_path))
                found(s, "config_guest_path", "'%s' is no absolute path without '..'", d->config_guest_path);
}

static void check_kargs(const char *const *kargs, struct subject *s)
{
        for (; kargs && *kargs; kargs++) {
                struct kt_error err = KT_ERROR_INIT;

                if (kt_karg_check(*kargs, &err) < 0)
                        found(s, "kargs", "%s", kt_error_text(&err));
                kt_error_done(&err);
        }
}

/* What is no version, range, path or git source is a cache key or a release; a slip in a version or a range
 * is neither. */
static bool may_be_key(const char *text)
{
        static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.+~";
        const size_t major = strspn(text, "0123456789");

        if (text[strspn(text, allowed)] || strstr(text, ".."))
                return false;
        return major == 0 || (text[major] == '.' && text[major + 1] >= '0' && text[major + 1] <= '9');
}

static void check_kernels(const char *const *kernels, struct subject *s)
{
        for (; kernels && *kernels; kernels++) {
                struct kernel_spec spec = {0};
                struct kt_error err = KT_ERROR_INIT;

                if (kernel_spec_parse(*kernels, &spec, &err) < 0)
                        found(s, "kernels", "%s", kt_error_text(&err));
                else if (**kernels && spec.kind == KERNEL_SPEC_KEY && !may_be_key(*kernels))
                        found(s, "kernels",
                              "'%s' is no version (6.14, 6.14.2), range (6.14..7.0), key, path or git "
                              "source",
                              *kernels);
                kernel_spec_done(&spec);
                kt_error_done(&err);
        }
}

void validate_scheduler(const struct ktstr_scheduler *d, struct subject *s)
{
        validate_name(d->name, "the scheduler", s);
        fields_check(&scheduler_fields, d, "", s);
        check_where_it_is(d, s);
        validate_topology(&d->topology, NULL, "topology.", s);
        check_kernels(d->kernels, s);
        check_kargs(d->kargs, s);
        validate_constraints(&d->constraints, NULL, s);
        if (d->cgroup_parent && !is_folder_below_root(d->cgroup_parent))
                found(s, "cgroup_parent",
                      "'%s' has to begin with '/', name a cgroup below it, and have no '..'",
                      d->cgroup_parent);
        check_config(d, s);
        fields_check_checks(&d->checks, "checks.", s);
}
