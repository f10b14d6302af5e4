/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A body as a process, with the test in the agent's place. */

#include <check.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "../../common/fsutil.h"
#include "../../lib/body/body.h"
#include "../../proto/codec.h"

#define FIRST                                                                                               \
        "{\"format\":1,\"test\":\"t\",\"duration_ms\":1500,\"workers\":3,\"seed\":7,\"emulated\":false}\n"

struct driven {
        pid_t pid;
        int fd;
        FILE *in;
};

static inline struct driven start_test(enum ktstr_outcome (*func)(struct ktstr_ctx *ctx),
                                       const struct ktstr_test *test, const char *first)
{
        struct driven d;
        int pair[2];

        ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
        d.pid = fork();
        if (d.pid == 0) {
                close(pair[0]);
                _exit(ktstr_body_main(pair[1], func, test));
        }
        close(pair[1]);
        d.fd = pair[0];
        d.in = fdopen(pair[0], "r");
        ck_assert_int_eq(kt_write_all(d.fd, first, strlen(first)), 0);
        return d;
}

static inline struct driven start(enum ktstr_outcome (*func)(struct ktstr_ctx *ctx), const char *first)
{
        return start_test(func, NULL, first);
}

static inline void tell(struct driven *d, const char *line)
{
        ck_assert_int_eq(kt_write_all(d->fd, line, strlen(line)), 0);
}

/* Its lines are borrowed from here until as many have come. */
#define LINES_KEPT 64

static inline struct json_object *keep_line(struct json_object *line)
{
        static struct json_object *lines[LINES_KEPT];
        static unsigned n;

        json_object_put(lines[n % LINES_KEPT]);
        return lines[n++ % LINES_KEPT] = line;
}

/* The next line that has this member; the member. */
static inline struct json_object *wait_line(struct driven *d, const char *key)
{
        char *line = NULL;
        size_t size = 0;
        ssize_t n;

        while ((n = getline(&line, &size, d->in)) > 0) {
                struct json_object *o = NULL;

                ck_assert_int_eq(kt_json_parse(line, (size_t)n, &o, NULL), 0);
                if (kt_json_get(o, key)) {
                        free(line);
                        return kt_json_get(keep_line(o), key);
                }
                json_object_put(o);
        }
        ck_abort_msg("the body ended without '%s'", key);
}

static inline struct json_object *end(struct driven *d)
{
        struct json_object *result = wait_line(d, "result");
        int status;

        ck_assert_int_eq(waitpid(d->pid, &status, 0), d->pid);
        ck_assert_int_eq(status, 0);
        fclose(d->in);
        return result;
}

static inline struct json_object *message(struct json_object *result, unsigned i)
{
        return json_object_array_get_idx(kt_json_get(result, "messages"), i);
}
