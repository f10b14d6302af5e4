/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "job_request.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../common/fsutil.h"
#include "../proto/codec.h"
#include "../proto/errors.h"
#include "../proto/guestmsg.h"
#include "accel.h"

#define DEFAULT_TOPOLOGY "1n1l2c1t"
#define DEFAULT_DURATION_MS 5000
#define DEFAULT_WORKERS 2
#define DEFAULT_TIMEOUT_MS 120000
#define DURATION_MAX_MS (24LL * 3600 * 1000)
#define WORKERS_MAX 1024
#define MEMORY_MIN_MIB 128
#define MEMORY_MAX_MIB (4 * 1024 * 1024)

static int oom(struct kt_error *reterr)
{
        return kt_error_set(reterr, -ENOMEM, KT_E_INTERNAL, "out of memory");
}

/* A copy of an optional string; *ret stays NULL when it is absent. */
static int take_str(struct call *call, const char *key, char **ret, struct kt_error *reterr)
{
        const char *s = kt_json_str(call->parameters, key);

        *ret = s ? strdup(s) : NULL;
        return s && !*ret ? oom(reterr) : 0;
}

static int take_number(struct call *call, const char *key, int64_t dflt, int64_t min, int64_t max,
                       int64_t *ret, struct kt_error *reterr)
{
        int64_t n = kt_json_int(call->parameters, key, dflt);

        if (n < min || n > max)
                return kt_error_set_field(reterr, -ERANGE, KT_E_INVALID_PARAMETER, key,
                                          "%s (--%.*s) must be from %lld to %lld, not %lld", key,
                                          (int)strcspn(key, "_"), key, (long long)min, (long long)max,
                                          (long long)n);
        *ret = n;
        return 0;
}

/* An absolute path without . and .. components. */
static bool path_is_normal(const char *path)
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

static int take_artifact(struct call *call, struct job_spec *spec, struct json_object *o, const char *field,
                         struct kt_error *reterr)
{
        const char *guest_path = kt_json_str(o, "guest_path"), *path = kt_json_str(o, "path");
        bool has_fd = kt_json_get(o, "file_fd") != NULL;
        int64_t mode = kt_json_int(o, "mode", -1);
        int fd = -1, r;

        if (!path_is_normal(guest_path))
                return kt_error_set_field(reterr, -EINVAL, KT_E_BAD_FILE, field,
                                          "'%s' is no absolute path without '.' and '..'", guest_path);
        for (size_t i = 0; i < spec->n_files; i++)
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

static int take_artifacts(struct call *call, struct job_spec *spec, struct json_object *array,
                          const char *name, struct kt_error *reterr)
{
        for (size_t i = 0; array && i < json_object_array_length(array); i++) {
                _cleanup_free_ char *field = kt_format("%s[%zu]", name, i);
                int r = field ? take_artifact(call, spec, json_object_array_get_idx(array, i), field, reterr)
                              : oom(reterr);
                if (r < 0)
                        return r;
        }
        return 0;
}

static int take_args(struct job_spec *spec, struct json_object *array, struct kt_error *reterr)
{
        size_t n = array ? json_object_array_length(array) : 0;

        spec->sched_args = calloc(n + 1, sizeof(char *));
        for (size_t i = 0; spec->sched_args && i < n; i++) {
                spec->sched_args[i] = strdup(json_object_get_string(json_object_array_get_idx(array, i)));
                if (!spec->sched_args[i])
                        return oom(reterr);
        }
        return spec->sched_args ? 0 : oom(reterr);
}

/* A file name: it becomes one in the guest. */
static bool name_is_plain(const char *name)
{
        return *name && strlen(name) < 200 && !strchr(name, '/') && strcmp(name, ".") != 0 &&
               strcmp(name, "..") != 0;
}

static int take_scheduler(struct call *call, struct job_spec *spec, struct kt_error *reterr)
{
        struct json_object *o = kt_json_get(call->parameters, "scheduler");
        const char *name, *path;
        int fd, r;

        if (!o)
                return 0;
        name = kt_json_str(o, "name");
        path = kt_json_str(o, "path");
        if (!name_is_plain(name))
                return kt_error_set_field(reterr, -EINVAL, KT_E_BAD_SCHEDULER, "scheduler.name",
                                          "'%s' is no file name", name);
        if ((path != NULL) == (kt_json_get(o, "program_fd") != NULL))
                return kt_error_set_field(reterr, -EINVAL, KT_E_INVALID_PARAMETER, "scheduler",
                                          "a scheduler needs either path or program_fd");
        if (path && kt_json_get(o, "libraries"))
                return kt_error_set_field(
                        reterr, -EINVAL, KT_E_INVALID_PARAMETER, "scheduler.libraries",
                        "a scheduler by path has its libraries found by the daemon; leave them out");
        if (path && path[0] != '/')
                return kt_error_set_field(reterr, -EINVAL, KT_E_BAD_SCHEDULER, "scheduler.path",
                                          "path '%s' is not absolute", path);
        spec->sched_name = strdup(name);
        spec->sched_path = path ? strdup(path) : NULL;
        if (!spec->sched_name || (path && !spec->sched_path))
                return oom(reterr);
        r = take_args(spec, kt_json_get(o, "args"), reterr);
        if (r < 0 || path)
                return r;
        r = call_take_fd(call, kt_json_int(o, "program_fd", -1), "scheduler.program_fd", &fd, reterr);
        if (r < 0)
                return r;
        r = add_file(spec, kt_path_join(KT_GUEST_BIN_DIR, name), NULL, fd, 0755, reterr);
        return r < 0 ? r
                     : take_artifacts(call, spec, kt_json_get(o, "libraries"), "scheduler.libraries",
                                      reterr);
}

static int take_priority(struct call *call, struct job_spec *spec, struct kt_error *reterr)
{
        const char *name = kt_json_str(call->parameters, "priority");

        spec->priority = name ? admission_priority_parse(name) : ADMISSION_NORMAL;
        if (spec->priority == ADMISSION_HIGH && !call_may_act_for(call, geteuid()))
                return kt_error_set(reterr, -EPERM, KT_E_PERMISSION_DENIED,
                                    "priority high is for root and the user that runs the daemon; leave "
                                    "--priority out, or take low");
        return 0;
}

int job_request_topology(struct call *call, struct topology *ret, struct kt_error *reterr)
{
        const char *topology = kt_json_str(call->parameters, "topology");

        return topology_parse(topology ? topology : DEFAULT_TOPOLOGY, ret, reterr);
}

int job_request_guest(struct call *call, struct job_spec *spec, struct kt_error *reterr)
{
        int64_t memory = 0;
        int r;

        spec->uid = call->uid;
        spec->gid = call->gid;
        r = job_request_topology(call, &spec->topology, reterr);
        if (r < 0)
                return r;
        r = take_number(call, "memory_mib", topology_default_memory_mib(&spec->topology), MEMORY_MIN_MIB,
                        MEMORY_MAX_MIB, &memory, reterr);
        if (r < 0)
                return r;
        spec->memory_mib = (unsigned)memory;
        r = take_str(call, "kernel", &spec->kernel, reterr);
        return r < 0 ? r : take_str(call, "accel", &spec->accel, reterr);
}

/* What both kinds of job have. */
static int take_common(struct call *call, struct job_spec *spec, struct kt_error *reterr)
{
        int64_t timeout = 0;
        int r = take_priority(call, spec, reterr);

        if (r >= 0)
                r = job_request_guest(call, spec, reterr);
        if (r < 0)
                return r;
        r = take_number(call, "timeout_ms", DEFAULT_TIMEOUT_MS + (int64_t)spec->duration_ms, 1,
                        DURATION_MAX_MS * 2, &timeout, reterr);
        if (r < 0)
                return r;
        spec->timeout_ms = (uint64_t)timeout;
        if (spec->timeout_ms <= spec->duration_ms)
                return kt_error_set_field(
                        reterr, -EINVAL, KT_E_INVALID_PARAMETER, "timeout_ms",
                        "a timeout of %llu ms is over before a workload of %llu ms is; give it more "
                        "with --timeout, or less with --duration",
                        (unsigned long long)spec->timeout_ms, (unsigned long long)spec->duration_ms);
        return 0;
}

int job_request_run(struct call *call, struct job_spec *ret, struct kt_error *reterr)
{
        const char *scenario = kt_json_str(call->parameters, "scenario");
        int64_t duration = 0, workers = 0;
        int r;

        ret->kind = JOB_RUN;
        if (scenario && strcmp(scenario, "steady") != 0)
                return kt_error_set_field(reterr, -EINVAL, KT_E_UNKNOWN_SCENARIO, "scenario",
                                          "no scenario '%s'; there is: steady", scenario);
        ret->scenario = strdup("steady");
        if (!ret->scenario)
                return oom(reterr);
        r = take_number(call, "duration_ms", DEFAULT_DURATION_MS, 1, DURATION_MAX_MS, &duration, reterr);
        if (r < 0)
                return r;
        r = take_number(call, "workers", DEFAULT_WORKERS, 1, WORKERS_MAX, &workers, reterr);
        if (r < 0)
                return r;
        ret->duration_ms = (uint64_t)duration;
        ret->workers = (unsigned)workers;
        r = take_common(call, ret, reterr);
        return r < 0 ? r : take_scheduler(call, ret, reterr);
}

int job_request_exec(struct call *call, struct job_spec *ret, struct kt_error *reterr)
{
        int r;

        ret->kind = JOB_EXEC;
        r = take_str(call, "command", &ret->command, reterr);
        if (r < 0)
                return r;
        r = take_common(call, ret, reterr);
        return r < 0 ? r
                     : take_artifacts(call, ret, kt_json_get(call->parameters, "files"), "files", reterr);
}
