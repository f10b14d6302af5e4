/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "test_programs.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "connect.h"
#include "exit_status.h"
#include "test_find.h"

/* The same file as one before, by whatever way it is named. */
static bool is_loaded(char *const *paths, size_t i)
{
        struct stat a, b;

        if (stat(paths[i], &a) < 0)
                return false;
        for (size_t k = 0; k < i; k++)
                if (stat(paths[k], &b) == 0 && a.st_dev == b.st_dev && a.st_ino == b.st_ino)
                        return true;
        return false;
}

static int load(const struct verb *v, char *const *paths, size_t n, struct test_programs *ret)
{
        int status = 0;

        ret->all = calloc(n + 1, sizeof(*ret->all));
        if (!ret->all) {
                fprintf(stderr, "ktstrctl: %s: out of memory\n", v->name);
                return EXIT_STATUS_HARNESS;
        }
        for (size_t i = 0; i < n; i++) {
                _cleanup_(kt_error_done) struct kt_error err = KT_ERROR_INIT;
                struct test_program *p = &ret->all[ret->n];

                if (is_loaded(paths, i))
                        continue;
                if (test_program_load(paths[i], p, &err) < 0)
                        status = exit_status_worse(status, client_tell(v, &err));
                else
                        ret->n++;
        }
        return status;
}

int test_programs_load(const struct verb *v, const char *dir, char *const *names, size_t n,
                       struct test_programs *ret)
{
        _cleanup_(kt_error_done) struct kt_error err = KT_ERROR_INIT;
        char **found = NULL;
        int status;

        *ret = (struct test_programs){};
        if (n > 0)
                return load(v, names, n, ret);
        if (test_find(dir ? dir : test_find_default_dir(), &found, &err) < 0)
                return client_tell(v, &err);
        while (found[n])
                n++;
        status = load(v, found, n, ret);
        test_find_free(found);
        return status;
}

int test_programs_tell_problems(const struct test_programs *p, const struct verb *v)
{
        int status = 0;

        for (size_t i = 0; i < p->n; i++)
                status = exit_status_worse(status, test_program_tell_problem(&p->all[i], v));
        return status;
}

void test_programs_done(struct test_programs *p)
{
        for (size_t i = 0; i < p->n; i++)
                test_program_done(&p->all[i]);
        free(p->all);
        *p = (struct test_programs){};
}
