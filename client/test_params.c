/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "test_params.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../common/fsutil.h"
#include "../proto/codec.h"
#include "../proto/errors.h"
#include "../proto/guestmsg.h"
#include "include_files.h"
#include "kernel_choice.h"
#include "sched_lookup.h"

static int oom(struct kt_error *reterr)
{
        return kt_error_set(reterr, -ENOMEM, KT_E_INTERNAL, "out of memory");
}

static const char *base_name(const char *path)
{
        return strrchr(path, '/') ? strrchr(path, '/') + 1 : path;
}

/* What is declared as a path is meant from the test program's folder. Malloced. */
static char *from_folder(const struct test_program *p, const char *path)
{
        return path[0] == '/' ? strdup(path) : kt_path_join(p->folder, path);
}

/* --- what needs no file --- */

static void put_all(struct json_object *into, struct json_object *from)
{
        if (!from)
                return;
        json_object_object_foreach (from, key, value)
                kt_json_add(into, key, json_object_get(value));
}

struct json_object *test_params_checks(struct json_object *scheduler, struct json_object *test)
{
        struct json_object *checks = json_object_new_object();

        if (checks) {
                put_all(checks, kt_json_get(scheduler, "checks"));
                put_all(checks, kt_json_get(test, "checks"));
        }
        return checks;
}

static void add_strings(struct json_object *into, struct json_object *strings)
{
        for (size_t i = 0; strings && i < json_object_array_length(strings); i++)
                json_object_array_add(into, json_object_get(json_object_array_get_idx(strings, i)));
}

/* The scheduler's template with the file in the place of each {file}. */
static char *config_argument(const char *template, const char *file)
{
        size_t size;
        char *text = NULL;
        FILE *f = open_memstream(&text, &size);

        while (f && *template) {
                const char *at = strstr(template, "{file}");
                const size_t len = at ? (size_t)(at - template) : strlen(template);

                fwrite(template, 1, len, f);
                if (at)
                        fputs(file, f);
                template += len + (at ? strlen("{file}") : 0);
        }
        if (f)
                fclose(f);
        return text;
}

static int add_config_args(struct json_object *args, struct json_object *scheduler, struct json_object *test)
{
        const char *file = kt_json_str(scheduler, "config_file"),
                   *template = kt_json_str(scheduler, "config_arg");
        const char *guest_path = kt_json_str(scheduler, "config_guest_path");
        _cleanup_free_ char *text = NULL;

        if (file) {
                text = kt_path_join(KT_GUEST_INCLUDE_DIR, base_name(file));
                json_object_array_add(args, json_object_new_string("--config"));
        } else if (template && guest_path && kt_json_get(test, "config"))
                text = config_argument(template, guest_path);
        else
                return 0;
        return text ? json_object_array_add(args, json_object_new_string(text)) : -ENOMEM;
}

struct json_object *test_params_sched_args(struct json_object *scheduler, struct json_object *test)
{
        struct json_object *args = json_object_new_array();

        if (!args || add_config_args(args, scheduler, test) < 0) {
                json_object_put(args);
                return NULL;
        }
        add_strings(args, kt_json_get(scheduler, "sched_args"));
        add_strings(args, kt_json_get(test, "extra_sched_args"));
        return args;
}

static void add_expect(struct json_object *params, struct json_object *test)
{
        struct json_object *expect;

        if (!kt_json_bool(test, "expect_err", false))
                return;
        expect = json_object_new_object();
        kt_json_add_bool(expect, "error", true);
        kt_json_add_str(expect, "contains", kt_json_str(test, "expect_scx_bpf_error_contains"));
        kt_json_add_str(expect, "matches", kt_json_str(test, "expect_scx_bpf_error_matches"));
        kt_json_add(params, "expect", expect);
}

/* Numbers that are unset are absent; KTSTR_NONE comes to the same where nothing is below. */
static void add_positive(struct json_object *params, const char *name, int64_t value)
{
        if (value > 0)
                kt_json_add_int(params, name, value);
}

/* A test that says nothing of it has a bound, so that a stall shows within its time; how long that is the
 * daemon knows, which has the guest. KTSTR_NONE leaves the scheduler's own alone. */
static void add_watchdog(struct json_object *params, struct json_object *scheduler, struct json_object *test)
{
        struct json_object *declared = kt_json_get(test, "watchdog_timeout_s"), *watchdog;
        const double timeout_s = declared ? json_object_get_double(declared) : 0;

        if (!scheduler || (declared && timeout_s <= 0))
                return;
        watchdog = json_object_new_object();
        if (declared)
                kt_json_add_int(watchdog, "timeout_ms", (int64_t)(timeout_s * 1000 + 0.5));
        kt_json_add_bool(watchdog, "at_most", !declared);
        kt_json_add(params, "watchdog", watchdog);
}

static void copy(struct json_object *params, struct json_object *from, const char *name)
{
        struct json_object *value = kt_json_get(from, name);

        if (value)
                kt_json_add(params, name, json_object_get(value));
}

static void add_memory(struct json_object *params, const struct test_cell *c, const struct test_overrides *o)
{
        const int64_t declared = kt_json_int(c->test, "memory_mib", 0), memory = declared > 0 ? declared : 0;

        if (c->preset && o->room)
                add_positive(params, "memory_mib",
                             gauntlet_memory_mib(o->room, c->preset, (unsigned)memory));
        else
                add_positive(params, "memory_mib", memory);
}

/* A budget of the command line's goes before a test's own. */
static void add_host_cpus(struct json_object *params, struct json_object *test, enum test_perf_mode mode)
{
        const bool declared = kt_json_bool(test, "performance_mode", false),
                   never = kt_json_bool(test, "no_perf_mode", false);

        if (!never && (mode == TEST_PERF_ALWAYS || (mode == TEST_PERF_DECLARED && declared)))
                kt_json_add_bool(params, "performance_mode", true);
        if (!kt_json_get(params, "cpu_budget"))
                add_positive(params, "cpu_budget", kt_json_int(test, "cpu_budget", 0));
}

static void add_scalars(struct json_object *params, const struct test_cell *c,
                        const struct test_overrides *o)
{
        struct json_object *checks = test_params_checks(c->scheduler, c->test);
        const int64_t duration = o->duration_ms > 0 ? o->duration_ms : test_cell_duration_ms(c);

        put_all(params, o->request);
        kt_json_add_str(params, "label", c->name);
        kt_json_add_str(params, "topology", c->topology);
        if (c->kernel)
                kt_json_add_str(params, "kernel", kernel_choice_name(c->kernel));
        kt_json_add_int(params, "duration_ms", duration);
        if (!kt_json_get(params, "timeout_ms") && kt_json_get(c->test, "timeout_s"))
                kt_json_add_int(params, "timeout_ms", test_cell_timeout_ms(c, duration));
        add_positive(params, "workers", kt_json_int(c->test, "workers_per_cgroup", 0));
        add_positive(params, "cleanup_budget_ms", kt_json_int(c->test, "cleanup_budget_ms", 0));
        add_memory(params, c, o);
        add_host_cpus(params, c->test, o->perf_mode);
        copy(params, c->scheduler, "kargs");
        copy(params, c->scheduler, "sysctls");
        copy(params, c->scheduler, "cgroup_parent");
        if (checks && json_object_object_length(checks) > 0)
                kt_json_add(params, "checks", checks);
        else
                json_object_put(checks);
        add_expect(params, c->test);
        add_watchdog(params, c->scheduler, c->test);
}

/* --- programs and files --- */

int test_params_scheduler(const struct test_program *program, struct json_object *scheduler, char **ret,
                          struct kt_error *reterr)
{
        const char *name = kt_json_str(scheduler, "binary"), *path = kt_json_str(scheduler, "binary_path");

        *ret = NULL;
        if (name)
                return sched_lookup_beside(name, program->folder, ret, reterr);
        if (!path)
                return 0;
        *ret = from_folder(program, path);
        if (!*ret)
                return oom(reterr);
        if (access(*ret, X_OK) == 0)
                return 0;
        kt_error_set(reterr, -errno, KT_E_BAD_SCHEDULER, "scheduler '%s': %s: %s; build it first",
                     kt_json_str(scheduler, "name"), *ret, strerror(errno));
        free(TAKE_PTR(*ret));
        return -ENOENT;
}

/* Its descriptor and its libraries into o. What was brought already is not brought again: of libraries that
 * two programs need the first has them. */
static int add_program(struct json_object *o, const char *path, const char *error_name, struct bundle *b,
                       struct kt_error *reterr)
{
        const size_t before = json_object_array_length(b->artifacts);
        int fd, r = bundle_open_program(b, path, error_name, &fd, reterr);

        if (r < 0)
                return r;
        kt_json_add(o, "libraries", bundle_artifacts_since(b, before));
        r = bundle_add_fd(b, fd, reterr);
        return r < 0 ? r : kt_json_add_int(o, "program_fd", r);
}

static int add_scheduler(struct json_object *params, const struct test_cell *c, struct bundle *b,
                         struct kt_error *reterr)
{
        struct json_object *s;
        _cleanup_free_ char *path = NULL;
        int r;

        if (!c->scheduler)
                return 0;
        r = test_params_scheduler(c->program, c->scheduler, &path, reterr);
        if (r < 0)
                return r;
        s = json_object_new_object();
        kt_json_add(params, "scheduler", s);
        kt_json_add_str(s, "name", kt_json_str(c->scheduler, "name"));
        if (!path) {
                kt_json_add(s, "enable",
                            json_object_get(kt_json_get(c->scheduler, "kernel_builtin_enable")));
                kt_json_add(s, "disable",
                            json_object_get(kt_json_get(c->scheduler, "kernel_builtin_disable")));
                return 0;
        }
        kt_json_add(s, "args", test_params_sched_args(c->scheduler, c->test));
        return add_program(s, path, KT_E_BAD_SCHEDULER, b, reterr);
}

static int add_test(struct json_object *params, const struct test_cell *c, struct bundle *b,
                    struct kt_error *reterr)
{
        struct json_object *t = json_object_new_object();

        kt_json_add(params, "test", t);
        kt_json_add_str(t, "name", test_cell_test(c));
        kt_json_add_str(t, "program", test_program_name(c->program));
        return add_program(t, c->program->path, KT_E_BAD_FILE, b, reterr);
}

/* A program that is neither the scheduler under test nor the test's own: a file among the others. */
static int add_other_program(const char *path, const char *guest_name, const char *error_name,
                             struct bundle *b, struct kt_error *reterr)
{
        _cleanup_free_ char *guest_path = kt_path_join(KT_GUEST_BIN_DIR, guest_name);
        int fd, r = guest_path ? bundle_open_program(b, path, error_name, &fd, reterr) : oom(reterr);

        return r < 0 ? r : bundle_add(b, guest_path, fd, 0755, reterr);
}

static int add_replacements(const struct test_cell *c, struct bundle *b, struct kt_error *reterr)
{
        struct json_object *idents = kt_json_get(c->test, "replaces");
        int r = 0;

        for (size_t i = 0; r >= 0 && idents && i < json_object_array_length(idents); i++) {
                const char *ident = json_object_get_string(json_object_array_get_idx(idents, i));
                struct json_object *s = test_program_scheduler(c->program, ident);
                _cleanup_(kt_error_done) struct kt_error missing = KT_ERROR_INIT;
                _cleanup_free_ char *path = NULL;

                if (!s)
                        return kt_error_set(reterr, -ENOENT, KT_E_BAD_FILE, "%s: there is no scheduler %s",
                                            test_cell_test(c), ident);
                r = test_params_scheduler(c->program, s, &path, &missing);
                /* Whether the test takes it at all only its function knows, and its operation tells then. */
                if (r == -ENOENT) {
                        r = 0;
                        continue;
                }
                if (r < 0) {
                        kt_error_move(reterr, &missing);
                        return r;
                }
                if (path)
                        r = add_other_program(path, kt_json_str(s, "name"), KT_E_BAD_SCHEDULER, b, reterr);
        }
        return r;
}

static int add_plain_file(const char *path, const char *guest_path, struct bundle *b,
                          struct kt_error *reterr)
{
        int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
        struct stat st;

        if (fd < 0)
                return kt_error_set(reterr, -errno, KT_E_BAD_FILE, "config %s: %s", path, strerror(errno));
        if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) {
                close(fd);
                return kt_error_set(reterr, -EINVAL, KT_E_BAD_FILE, "config %s is no regular file", path);
        }
        return bundle_add(b, guest_path, fd, st.st_mode & 0777, reterr);
}

static int add_config(const struct test_cell *c, struct bundle *b, struct kt_error *reterr)
{
        const char *of_scheduler = kt_json_str(c->scheduler, "config_file"),
                   *of_test = kt_json_str(c->test, "config");
        const char *declared = of_scheduler ? of_scheduler : of_test;
        _cleanup_free_ char *path = declared ? from_folder(c->program, declared) : NULL, *guest_path = NULL;

        if (!declared || !c->scheduler)
                return 0;
        guest_path = of_scheduler ? kt_path_join(KT_GUEST_INCLUDE_DIR, base_name(of_scheduler))
                                  : strdup(kt_json_str(c->scheduler, "config_guest_path") ?: "");
        if (!path || !guest_path)
                return oom(reterr);
        if (!guest_path[0])
                return kt_error_set(reterr, -EINVAL, KT_E_BAD_FILE,
                                    "%s: .config, and its scheduler has no .config_arg", test_cell_test(c));
        return add_plain_file(path, guest_path, b, reterr);
}

/* A bare name that is no file beside the program is looked for on the PATH. */
static int add_include_files(const struct test_program *p, struct json_object *names, bool tell,
                             struct bundle *b, struct kt_error *reterr)
{
        int r = 0;

        for (size_t i = 0; r >= 0 && names && i < json_object_array_length(names); i++) {
                const char *name = json_object_get_string(json_object_array_get_idx(names, i));
                _cleanup_free_ char *path = from_folder(p, name);
                const bool there = path && access(path, F_OK) == 0;

                r = include_files_add(b, there || strchr(name, '/') ? path : name,
                                      &(const struct include_names){tell ? "test" : NULL, "include file"},
                                      reterr);
        }
        return r;
}

static int add_payload(const struct test_cell *c, struct json_object *payload, bool tell, struct bundle *b,
                       struct kt_error *reterr)
{
        const char *binary = kt_json_str(payload, "binary");
        _cleanup_free_ char *what = kt_format("payload %s", kt_json_str(payload, "name")), *path = NULL;
        _cleanup_free_ char *guest_path = binary ? kt_path_join(KT_GUEST_BIN_DIR, base_name(binary)) : NULL;
        int r = 0;

        /* Two payloads may be the same program with other arguments. */
        if (binary && what && !bundle_has(b, guest_path)) {
                r = program_lookup_beside(binary, c->program->folder, what, &path, reterr);
                if (r >= 0)
                        r = add_other_program(path, base_name(binary), KT_E_BAD_FILE, b, reterr);
        }
        return r < 0 ? r
                     : add_include_files(c->program, kt_json_get(payload, "include_files"), tell, b, reterr);
}

static int add_payloads(const struct test_cell *c, bool tell, struct bundle *b, struct kt_error *reterr)
{
        struct json_object *payloads = kt_json_get(c->test, "payloads");
        int r = 0;

        for (size_t i = 0; r >= 0 && payloads && i < json_object_array_length(payloads); i++)
                r = add_payload(c, json_object_array_get_idx(payloads, i), tell, b, reterr);
        return r;
}

/* What it is declared as. Not where, so that it is one and the same with all tests that lack the same. */
static int at_field(const char *field, int r, struct kt_error *reterr)
{
        if (r < 0 && r != -ENOMEM)
                kt_error_prefix(reterr, "%s", field);
        return r;
}

int test_params_make(const struct test_cell *c, const struct test_overrides *o, struct bundle *b,
                     struct json_object **ret, struct kt_error *reterr)
{
        _cleanup_json_ struct json_object *params = json_object_new_object();
        size_t libraries;
        int r;

        add_scalars(params, c, o);
        r = add_scheduler(params, c, b, reterr);
        if (r >= 0)
                r = add_test(params, c, b, reterr);
        libraries = json_object_array_length(b->artifacts);
        if (r >= 0)
                r = add_replacements(c, b, reterr);
        if (r >= 0)
                r = at_field(kt_json_str(c->scheduler, "config_file") ? "config_file" : "config",
                             add_config(c, b, reterr), reterr);
        if (r >= 0)
                r = at_field("extra_include_files",
                             add_include_files(c->program, kt_json_get(c->test, "extra_include_files"),
                                               o->tell_odd_files, b, reterr),
                             reterr);
        if (r >= 0)
                r = at_field("payload", add_payloads(c, o->tell_odd_files, b, reterr), reterr);
        if (r < 0)
                return r;
        if (json_object_array_length(b->artifacts) > libraries)
                kt_json_add(params, "files", bundle_artifacts_since(b, libraries));
        *ret = TAKE_PTR(params);
        return 0;
}
