/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "test_answer.h"

#include <ctype.h>
#include <errno.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>

#include "../common/fsutil.h"
#include "../proto/bodymsg.h"
#include "../proto/errors.h"
#include "../proto/listmsg.h"
#include "confined.h"

#define LIST_TIMEOUT_MS 10000
/* To end in, once its output is at its end: a moment, on a host that lets it run. */
#define END_TIMEOUT_MS 5000
#define LIST_OUTPUT_MAX (16U << 20)

static int64_t now_ms(void)
{
        struct timespec t;

        clock_gettime(CLOCK_MONOTONIC, &t);
        return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* 1: there may be more, 0: that was the end, -EFBIG. */
static int read_out(int fd, struct test_answer *a)
{
        ssize_t n = read(fd, a->out + a->size, LIST_OUTPUT_MAX + 1 - a->size);

        if (n <= 0)
                return n < 0 && errno == EINTR;
        a->size += (size_t)n;
        return a->size > LIST_OUTPUT_MAX ? -EFBIG : 1;
}

/* The end of it is kept. */
static int read_err(int fd, struct test_answer *a)
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
static int read_answer(const struct confined *c, struct test_answer *a)
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
static char *last_words(const struct test_answer *a)
{
        size_t end = a->err_size, begin;

        while (end > 0 && isspace((unsigned char)a->err[end - 1]))
                end--;
        for (begin = end; begin > 0 && a->err[begin - 1] != '\n'; begin--)
                ;
        return end > begin ? kt_format(": %.*s", (int)(end - begin), a->err + begin) : strdup("");
}

int test_answer_get(const char *path, struct test_answer *a, struct kt_error *reterr)
{
        const char *const argv[] = {path, KT_LIST_OPTION, NULL};
        _cleanup_free_ char *words = NULL;
        struct confined c;
        char ending[80];
        bool late;
        int status, r;

        *a = (struct test_answer){.out = malloc(LIST_OUTPUT_MAX + 1)};
        if (!a->out)
                return kt_error_set(reterr, -ENOMEM, KT_E_INTERNAL, "out of memory");
        r = confined_start(argv, 0, LIST_TIMEOUT_MS / 1000, NULL, -1, &c, reterr);

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
        status = confined_reap(&c, END_TIMEOUT_MS, &late);
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

void test_answer_done(struct test_answer *a)
{
        free(a->out);
        *a = (struct test_answer){};
}
