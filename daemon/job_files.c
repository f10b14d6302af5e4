/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "job_files.h"

#include <errno.h>
#include <string.h>

#include "../common/fsutil.h"
#include "../proto/codec.h"
#include "../proto/errors.h"
#include "../proto/guestmsg.h"

#define NAME_MAX_BYTES 200

static int oom(struct kt_error *reterr)
{
        return kt_error_set(reterr, -ENOMEM, KT_E_INTERNAL, "out of memory");
}

int job_strings_take(struct json_object *array, char ***ret, struct kt_error *reterr)
{
        size_t n = array ? json_object_array_length(array) : 0;
        char **list = calloc(n + 1, sizeof(char *));

        for (size_t i = 0; list && i < n; i++) {
                list[i] = strdup(json_object_get_string(json_object_array_get_idx(array, i)));
                if (!list[i]) {
                        job_strings_free(list);
                        list = NULL;
                }
        }
        *ret = list;
        return list ? 0 : oom(reterr);
}

bool job_path_is_normal(const char *path)
{
        if (path[0] != '/' || path[1] == '\0')
                return false;
        for (const char *p = path; *p;) {
                size_t len = strcspn(++p, "/");

                if (len == 0 || (len == 1 && p[0] == '.') || (len == 2 && p[0] == '.' && p[1] == '.'))
                        return false;
                p += len;
        }
        return true;
}

/* --- files --- */

static int add_file(struct job_spec *spec, char *guest_path, char *path, int fd, int mode,
                    struct kt_error *reterr)
{
        struct job_file *grown =
                guest_path ? realloc(spec->files, (spec->n_files + 1) * sizeof(*grown)) : NULL;

        if (!grown) {
                free(guest_path);
                free(path);
                kt_closep(&fd);
                return oom(reterr);
        }
        spec->files = grown;
        spec->files[spec->n_files++] = (struct job_file){guest_path, path, fd, mode};
        return 0;
}

/* first: of the list that it is in. */
static int take_artifact(struct call *call, struct job_spec *spec, struct json_object *o, const char *field,
                         size_t first, struct kt_error *reterr)
{
        const char *guest_path = kt_json_str(o, "guest_path"), *path = kt_json_str(o, "path");
        bool has_fd = kt_json_get(o, "file_fd") != NULL;
        int64_t mode = kt_json_int(o, "mode", -1);
        int fd = -1, r;

        if (!job_path_is_normal(guest_path))
                return kt_error_set_field(reterr, -EINVAL, KT_E_BAD_FILE, field,
                                          "'%s' is no absolute path without '.' and '..'", guest_path);
        for (size_t i = first; i < spec->n_files; i++)
                if (strcmp(spec->files[i].guest_path, guest_path) == 0)
                        return kt_error_set_field(reterr, -EEXIST, KT_E_BAD_FILE, field,
                                                  "duplicate file %s in the guest", guest_path);
        if ((path != NULL) == has_fd)
                return kt_error_set_field(reterr, -EINVAL, KT_E_INVALID_PARAMETER, field,
                                          "%s needs either path or file_fd", guest_path);
        if (path && path[0] != '/')
                return kt_error_set_field(reterr, -EINVAL, KT_E_BAD_FILE, field, "path '%s' is not absolute",
                                          path);
        if (has_fd) {
                r = call_take_fd(call, kt_json_int(o, "file_fd", -1), field, &fd, reterr);
                if (r < 0)
                        return r;
        }
        char *copy = path ? strdup(path) : NULL;
        if (path && !copy) {
                kt_closep(&fd);
                return oom(reterr);
        }
        return add_file(spec, strdup(guest_path), copy, fd, mode < 0 ? -1 : (int)(mode & 07777), reterr);
}

int job_files_take(struct call *call, struct job_spec *spec, struct json_object *array, const char *field,
                   struct kt_error *reterr)
{
        const size_t first = spec->n_files;

        for (size_t i = 0; array && i < json_object_array_length(array); i++) {
                _cleanup_free_ char *name = kt_format("%s[%zu]", field, i);
                int r = name ? take_artifact(call, spec, json_object_array_get_idx(array, i), name, first,
                                             reterr)
                             : oom(reterr);
                if (r < 0)
                        return r;
        }
        return 0;
}

/* --- programs --- */

/* A file name: it becomes one in the guest. */
static bool name_is_plain(const char *name)
{
        return *name && strlen(name) < NAME_MAX_BYTES && !strchr(name, '/') && strcmp(name, ".") != 0 &&
               strcmp(name, "..") != 0;
}

/* What the program of `what` ("scheduler", "test") has wrong: it comes by path or by descriptor. */
static int check_program(struct json_object *o, const char *what, const char *error_name,
                         struct kt_error *reterr)
{
        _cleanup_free_ char *path_field = kt_format("%s.path", what),
                            *libraries_field = kt_format("%s.libraries", what);
        const char *path = kt_json_str(o, "path");

        if (!path_field || !libraries_field)
                return oom(reterr);
        if ((path != NULL) == (kt_json_get(o, "program_fd") != NULL))
                return kt_error_set_field(reterr, -EINVAL, KT_E_INVALID_PARAMETER, what,
                                          "a %s needs either path or program_fd", what);
        if (path && kt_json_get(o, "libraries"))
                return kt_error_set_field(
                        reterr, -EINVAL, KT_E_INVALID_PARAMETER, libraries_field,
                        "a %s by path has its libraries found by the daemon; leave them out", what);
        if (path && path[0] != '/')
                return kt_error_set_field(reterr, -EINVAL, error_name, path_field,
                                          "path '%s' is not absolute", path);
        return 0;
}

/* file: what it is called in the guest. */
static int take_program(struct call *call, struct job_spec *spec, struct json_object *o, const char *what,
                        const char *file, char **ret_path, char **ret_program, struct kt_error *reterr)
{
        _cleanup_free_ char *fd_field = kt_format("%s.program_fd", what),
                            *libraries_field = kt_format("%s.libraries", what);
        const char *path = kt_json_str(o, "path"), *slash = path ? strrchr(path, '/') : NULL;
        int fd, r;

        *ret_path = path ? strdup(path) : NULL;
        *ret_program = kt_path_join(KT_GUEST_BIN_DIR, slash ? slash + 1 : file);
        if (!fd_field || !libraries_field || (path && !*ret_path) || !*ret_program)
                return oom(reterr);
        if (path)
                return 0;
        r = call_take_fd(call, kt_json_int(o, "program_fd", -1), fd_field, &fd, reterr);
        if (r < 0)
                return r;
        r = add_file(spec, strdup(*ret_program), NULL, fd, 0755, reterr);
        return r < 0 ? r : job_files_take(call, spec, kt_json_get(o, "libraries"), libraries_field, reterr);
}

/* One that is part of the kernel. */
static int take_builtin(struct job_spec *spec, struct json_object *o, struct kt_error *reterr)
{
        struct json_object *enable = kt_json_get(o, "enable"), *disable = kt_json_get(o, "disable");
        int r;

        if (!enable || !disable || json_object_array_length(enable) == 0)
                return kt_error_set_field(reterr, -EINVAL, KT_E_INVALID_PARAMETER, "scheduler",
                                          "a scheduler that is part of the kernel needs both enable and "
                                          "disable");
        if (kt_json_get(o, "path") || kt_json_get(o, "program_fd") || kt_json_get(o, "libraries") ||
            kt_json_get(o, "args"))
                return kt_error_set_field(reterr, -EINVAL, KT_E_INVALID_PARAMETER, "scheduler",
                                          "a scheduler has either a program or enable and disable, and only "
                                          "a program has args and libraries");
        r = job_strings_take(enable, &spec->sched_enable, reterr);
        return r < 0 ? r : job_strings_take(disable, &spec->sched_disable, reterr);
}

int job_files_take_scheduler(struct call *call, struct job_spec *spec, struct kt_error *reterr)
{
        struct json_object *o = kt_json_get(call->parameters, "scheduler");
        const char *name;
        int r;

        if (!o)
                return 0;
        name = kt_json_str(o, "name");
        if (!name_is_plain(name))
                return kt_error_set_field(reterr, -EINVAL, KT_E_BAD_SCHEDULER, "scheduler.name",
                                          "'%s' is no file name", name);
        spec->sched_name = strdup(name);
        if (!spec->sched_name)
                return oom(reterr);
        if (kt_json_get(o, "enable") || kt_json_get(o, "disable"))
                return take_builtin(spec, o, reterr);
        r = check_program(o, "scheduler", KT_E_BAD_SCHEDULER, reterr);
        if (r >= 0)
                r = job_strings_take(kt_json_get(o, "args"), &spec->sched_args, reterr);
        return r < 0 ? r
                     : take_program(call, spec, o, "scheduler", name, &spec->sched_path,
                                    &spec->sched_program, reterr);
}

int job_files_take_test(struct call *call, struct job_spec *spec, struct kt_error *reterr)
{
        struct json_object *o = kt_json_get(call->parameters, "test");
        const char *name, *program;
        int r;

        if (!o)
                return 0;
        name = kt_json_str(o, "name");
        program = kt_json_str(o, "program");
        if (!name_is_plain(name) || strchr(name, '\\'))
                return kt_error_set_field(reterr, -EINVAL, KT_E_INVALID_PARAMETER, "test.name",
                                          "test.name '%s' is empty, too long, or has a slash in it", name);
        if (!name_is_plain(program))
                return kt_error_set_field(reterr, -EINVAL, KT_E_INVALID_PARAMETER, "test.program",
                                          "test.program '%s' is no file name", program);
        spec->test_name = strdup(name);
        if (!spec->test_name)
                return oom(reterr);
        r = check_program(o, "test", KT_E_BAD_FILE, reterr);
        return r < 0 ? r
                     : take_program(call, spec, o, "test", program, &spec->test_path, &spec->test_program,
                                    reterr);
}
