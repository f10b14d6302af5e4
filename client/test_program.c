/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "test_program.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

#include "../common/fsutil.h"
#include "../proto/bodymsg.h"
#include "../proto/codec.h"
#include "../proto/errors.h"
#include "../proto/idl.h"
#include "../proto/listmsg.h"
#include "confined.h"
#include "exit_status.h"
#include "listing_text.h"
#include "test_find.h"

#define LIST_TIMEOUT_MS 10000
#define LIST_OUTPUT_MAX (16U << 20)

/* --- asking it --- */

/* What it prints on stderr is for the error's text: the last line of it. */
struct answer {
        char *out; /* owned */
        size_t size;
        char err[512];
        size_t err_size;
};

static int64_t now_ms(void)
{
        struct timespec t;

        clock_gettime(CLOCK_MONOTONIC, &t);
        return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* 1: there may be more, 0: that was the end, -EFBIG. */
static int read_out(int fd, struct answer *a)
{
        ssize_t n = read(fd, a->out + a->size, LIST_OUTPUT_MAX + 1 - a->size);

        if (n <= 0)
                return n < 0 && errno == EINTR;
        a->size += (size_t)n;
        return a->size > LIST_OUTPUT_MAX ? -EFBIG : 1;
}

/* The end of it is kept. */
static int read_err(int fd, struct answer *a)
{
        char buf[sizeof(a->err) / 2];
        const size_t keep = sizeof(a->err) - sizeof(buf);
        ssize_t n = read(fd, buf, sizeof(buf));

        if (n <= 0)
                return n < 0 && errno == EINTR;
        if (a->err_size > keep) {
                memmove(a->err, a->err + a->err_size - keep, keep);
                a->err_size = keep;
        }
        memcpy(a->err + a->err_size, buf, (size_t)n);
        a->err_size += (size_t)n;
        return 1;
}

/* Until both are at their end. -ETIMEDOUT, -EFBIG. */
static int read_answer(const struct confined *c, struct answer *a)
{
        const int64_t deadline = now_ms() + LIST_TIMEOUT_MS;
        struct pollfd p[2] = {{.fd = c->out_fd, .events = POLLIN}, {.fd = c->err_fd, .events = POLLIN}};
        int r = 1;

        while (p[0].fd >= 0 || p[1].fd >= 0) {
                const int64_t left = deadline - now_ms();

                if (left <= 0)
                        return -ETIMEDOUT;
                if (poll(p, 2, (int)left) < 0)
                        continue;
                if (p[0].revents && (r = read_out(p[0].fd, a)) <= 0)
                        p[0].fd = -1;
                if (r < 0)
                        return r;
                if (p[1].revents && read_err(p[1].fd, a) == 0)
                        p[1].fd = -1;
        }
        return 0;
}

/* The last line, in quotes; "" when it said nothing. Malloced. */
static char *last_words(const struct answer *a)
{
        size_t end = a->err_size, begin;

        while (end > 0 && isspace((unsigned char)a->err[end - 1]))
                end--;
        for (begin = end; begin > 0 && a->err[begin - 1] != '\n'; begin--)
                ;
        return end > begin ? kt_format(": %.*s", (int)(end - begin), a->err + begin) : strdup("");
}

static int ask(const char *path, struct answer *a, struct kt_error *reterr)
{
        const char *const argv[] = {path, KT_LIST_OPTION, NULL};
        _cleanup_free_ char *words = NULL;
        struct confined c;
        char ending[80];
        bool late;
        int status, r = confined_start(argv, 0, LIST_TIMEOUT_MS / 1000, NULL, -1, &c, reterr);

        if (r < 0)
                return r;
        r = read_answer(&c, a);
        if (r < 0) {
                confined_kill(&c);
                return r == -EFBIG
                               ? kt_error_set(reterr, r, KT_E_BAD_FILE,
                                              "%s printed more than %u MiB when asked what it declares "
                                              "(" KT_LIST_OPTION "): nothing in it may print before main()",
                                              path, LIST_OUTPUT_MAX >> 20)
                               : kt_error_set(reterr, r, KT_E_BAD_FILE,
                                              "%s did not say within %d s what it declares (" KT_LIST_OPTION
                                              "): nothing in it may run before main()",
                                              path, LIST_TIMEOUT_MS / 1000);
        }
        status = confined_reap(&c, 1000, &late);
        words = last_words(a);
        if (late)
                return kt_error_set(reterr, -ETIMEDOUT, KT_E_BAD_FILE,
                                    "%s closed its output and did not end when asked what it declares "
                                    "(" KT_LIST_OPTION ")",
                                    path);
        if (status != 0)
                return kt_error_set(reterr, -ENOEXEC, KT_E_BAD_FILE,
                                    "%s %s when asked what it declares; `%s " KT_LIST_OPTION "` shows it%s",
                                    path, confined_ending(status, ending, sizeof(ending)), path,
                                    words ? words : "");
        return 0;
}

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

static int take_listing(const char *path, const struct answer *a, struct json_object **ret,
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
        struct answer a = {.out = malloc(LIST_OUTPUT_MAX + 1)};
        int r = a.out && with_folder ? ask(with_folder, &a, &err) : -ENOMEM;

        if (r >= 0)
                r = take_listing(path, &a, &p->listing, &err);
        free(a.out);
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
