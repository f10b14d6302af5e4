/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "test_program.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "../common/fsutil.h"
#include "../proto/bodymsg.h"
#include "../proto/codec.h"
#include "../proto/errors.h"
#include "../proto/idl.h"
#include "../proto/listmsg.h"
#include "exit_status.h"
#include "listing_text.h"
#include "test_answer.h"
#include "test_find.h"

/* --- what it said --- */

static int parse_listing_idl(struct kt_idl **ret, struct kt_error *reterr)
{
        return kt_idl_parse(listing_text[0], ret, reterr);
}

/* A name that can stand in a path of names and in a line. */
static bool is_name(const char *name)
{
        for (const char *p = name; *p; p++)
                if (*p == '/' || *p == '\\' || (unsigned char)*p <= ' ' || *p == 0x7f)
                        return false;
        return *name && strlen(name) <= 200;
}

static int check_test(struct json_object *listing, size_t i, struct kt_error *reterr)
{
        struct json_object *tests = kt_json_get(listing, "tests"),
                           *schedulers = kt_json_get(listing, "schedulers");
        struct json_object *t = json_object_array_get_idx(tests, i);
        const char *name = kt_json_str(t, "name"), *ident = kt_json_str(t, "scheduler");
        bool found = !ident;

        if (!is_name(name))
                return kt_error_set(reterr, -EINVAL, KT_E_BAD_FILE, "tests[%zu]: its name is none", i);
        for (size_t k = 0; k < i; k++)
                if (strcmp(kt_json_str(json_object_array_get_idx(tests, k), "name"), name) == 0)
                        return kt_error_set(reterr, -EINVAL, KT_E_BAD_FILE, "two tests are called %s", name);
        for (size_t k = 0; !found && k < json_object_array_length(schedulers); k++)
                found = strcmp(kt_json_str(json_object_array_get_idx(schedulers, k), "ident"), ident) == 0;
        return found ? 0
                     : kt_error_set(reterr, -EINVAL, KT_E_BAD_FILE, "%s: there is no scheduler %s", name,
                                    ident);
}

static bool has_errors(struct json_object *listing)
{
        struct json_object *errors = kt_json_get(listing, "errors");

        return json_object_is_type(errors, json_type_array) && json_object_array_length(errors) > 0;
}

/* What is wrong may well be that a scheduler has no name: of such a listing only the errors are used. */
static int check_errors(const struct kt_idl *idl, struct json_object *listing, struct kt_error *reterr)
{
        struct json_object *errors = kt_json_get(listing, "errors");
        int r = 0;

        for (size_t i = 0; r >= 0 && i < json_object_array_length(errors); i++)
                r = kt_idl_check(idl, KT_IDL_TYPE, "Problem", json_object_array_get_idx(errors, i), reterr);
        return r;
}

int test_program_check(struct json_object *listing, struct kt_error *reterr)
{
        const int64_t format =
                json_object_is_type(listing, json_type_object) ? kt_json_int(listing, "ktstr_list", -1) : -1;
        struct kt_idl *idl = NULL;
        int r;

        if (format < 0)
                return kt_error_set(reterr, -EINVAL, KT_E_BAD_FILE, "it is no listing of tests");
        if (format != KT_LIST_FORMAT)
                return kt_error_set(
                        reterr, -EINVAL, KT_E_BAD_FILE,
                        "it is a listing of format %lld, and this ktstrctl knows %d: build the program "
                        "with the libktstr of the same version",
                        (long long)format, KT_LIST_FORMAT);
        r = parse_listing_idl(&idl, reterr);
        if (r < 0)
                return r;
        r = has_errors(listing) ? check_errors(idl, listing, reterr)
                                : kt_idl_check(idl, KT_IDL_TYPE, "Program", listing, reterr);
        kt_idl_free(idl);
        if (r < 0 || has_errors(listing))
                return r;
        for (size_t i = 0; r >= 0 && i < json_object_array_length(kt_json_get(listing, "tests")); i++)
                r = check_test(listing, i, reterr);
        return r;
}

static int take_listing(const char *path, const struct test_answer *a, struct json_object **ret,
                        struct kt_error *reterr)
{
        _cleanup_json_ struct json_object *listing = NULL;
        int r = kt_json_parse(a->out, a->size, &listing, reterr);

        if (r >= 0)
                r = test_program_check(listing, reterr);
        if (r < 0) {
                kt_error_prefix(reterr,
                                "%s: what it printed when asked what it declares (" KT_LIST_OPTION ")",
                                path);
                /* Whatever the wire would call it: the file is what is wrong. */
                return kt_error_set(reterr, r, KT_E_BAD_FILE, "%s", kt_error_text(reterr));
        }
        *ret = TAKE_PTR(listing);
        return 0;
}

/* --- the program --- */

static int look_at(const char *path, struct kt_error *reterr)
{
        struct stat st;
        int has;

        if (stat(path, &st) < 0)
                return kt_error_set(reterr, -errno, KT_E_BAD_FILE, "%s: %s%s", path, strerror(errno),
                                    errno == ENOENT ? "; build it first" : "");
        if (S_ISDIR(st.st_mode))
                return kt_error_set(reterr, -EISDIR, KT_E_BAD_FILE,
                                    "%s is a folder; -C %s takes all test programs in it", path, path);
        if (!S_ISREG(st.st_mode) || access(path, X_OK) < 0)
                return kt_error_set(reterr, -EACCES, KT_E_BAD_FILE, "%s is no executable file", path);
        has = test_find_has_tests(path);
        if (has == 0)
                return kt_error_set(reterr, -ENOEXEC, KT_E_BAD_FILE,
                                    "%s is no test program: it has no section " KT_TESTS_SECTION
                                    "; KTSTR_TEST() makes it, and libktstr has to be linked",
                                    path);
        return 0;
}

/* --- what is wrong with it --- */

/* "t.c:12: a: llcs: 3 is no multiple of 2". Malloced. */
static char *error_line(struct json_object *problem)
{
        const char *file = kt_json_str(problem, "file"), *field = kt_json_str(problem, "field"),
                   *of = kt_json_str(problem, "test") ?: kt_json_str(problem, "scheduler");
        _cleanup_(kt_error_done) struct kt_error line = KT_ERROR_INIT;

        /* Through an error, for control characters. */
        kt_error_set(&line, -EINVAL, NULL, "%s", kt_json_str(problem, "message"));
        if (field)
                kt_error_prefix(&line, "%s", field);
        if (of)
                kt_error_prefix(&line, "%s", of);
        if (file)
                kt_error_prefix(&line, "%s:%lld", file, (long long)kt_json_int(problem, "line", 0));
        return strdup(kt_error_text(&line));
}

/* One of them is the reason, several are its details. */
static struct test_problem *wrong_declarations(struct json_object *listing)
{
        struct json_object *errors = kt_json_get(listing, "errors"), *lines = json_object_new_array();
        const size_t n = json_object_array_length(errors);
        _cleanup_free_ char *text = NULL;

        for (size_t i = 0; i < n; i++) {
                _cleanup_free_ char *line = error_line(json_object_array_get_idx(errors, i));

                if (n == 1)
                        text = TAKE_PTR(line);
                else if (line)
                        json_object_array_add(lines, json_object_new_string(line));
        }
        if (n > 1)
                text = kt_format("%zu things are wrong in what it declares, so none of its tests is run", n);
        if (n == 1)
                json_object_put(TAKE_PTR(lines));
        if (text)
                return test_problem_new(text, lines, EXIT_STATUS_USAGE);
        json_object_put(lines);
        return NULL;
}

static int load_listing(const char *path, struct test_program *p, struct kt_error *reterr)
{
        _cleanup_free_ char *with_folder = strchr(path, '/') ? strdup(path) : kt_format("./%s", path);
        _cleanup_(kt_error_done) struct kt_error err = KT_ERROR_INIT;
        struct test_answer a = {};
        int r = with_folder ? test_answer_get(with_folder, &a, &err) : -ENOMEM;

        if (r >= 0)
                r = take_listing(path, &a, &p->listing, &err);
        test_answer_done(&a);
        if (r >= 0 && !has_errors(p->listing))
                return 0;
        if (r != -ENOMEM)
                p->problem = r < 0 ? test_problem_new(kt_error_text(&err), NULL, EXIT_STATUS_HARNESS)
                                   : wrong_declarations(p->listing);
        return p->problem ? 0 : kt_error_set(reterr, -ENOMEM, KT_E_INTERNAL, "out of memory");
}

int test_program_load(const char *path, struct test_program *ret, struct kt_error *reterr)
{
        _cleanup_free_ char *real = NULL;
        int r = look_at(path, reterr);

        *ret = (struct test_program){};
        if (r < 0)
                return r;
        real = realpath(path, NULL);
        ret->path = strdup(path);
        if (!real || !ret->path)
                r = kt_error_set(reterr, -ENOMEM, KT_E_INTERNAL, "out of memory");
        else
                r = load_listing(path, ret, reterr);
        if (r < 0) {
                test_program_done(ret);
                return r;
        }
        *strrchr(real, '/') = '\0';
        ret->folder = TAKE_PTR(real);
        return 0;
}

void test_program_done(struct test_program *p)
{
        free(p->path);
        free(p->folder);
        json_object_put(p->listing);
        test_problem_free(p->problem);
        *p = (struct test_program){};
}

int test_program_tell_problem(const struct test_program *p, const struct verb *v)
{
        struct json_object *lines = p->problem ? p->problem->details : NULL;
        const size_t n = lines ? json_object_array_length(lines) : 0;

        if (!p->problem)
                return 0;
        if (n == 0)
                fprintf(stderr, "ktstrctl: %s: %s%s%s\n", v->name, p->listing ? p->path : "",
                        p->listing ? ": " : "", p->problem->text);
        for (size_t i = 0; i < n; i++)
                fprintf(stderr, "ktstrctl: %s: %s: %s\n", v->name, p->path,
                        json_object_get_string(json_object_array_get_idx(lines, i)));
        return p->problem->status;
}

/* --- what it declares --- */

const char *test_program_name(const struct test_program *p)
{
        const char *slash = strrchr(p->path, '/');

        return slash ? slash + 1 : p->path;
}

struct json_object *test_program_test(const struct test_program *p, size_t i)
{
        return p->problem ? NULL : json_object_array_get_idx(kt_json_get(p->listing, "tests"), i);
}

struct json_object *test_program_scheduler(const struct test_program *p, const char *ident)
{
        struct json_object *all = kt_json_get(p->listing, "schedulers");

        for (size_t i = 0; ident && i < json_object_array_length(all); i++) {
                struct json_object *s = json_object_array_get_idx(all, i);

                if (strcmp(kt_json_str(s, "ident"), ident) == 0)
                        return s;
        }
        return NULL;
}
