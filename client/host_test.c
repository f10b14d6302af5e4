/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "host_test.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "../common/fsutil.h"
#include "../common/seed.h"
#include "../proto/codec.h"
#include "../proto/errors.h"
#include "host_body.h"
#include "host_verdict.h"

static int64_t now_ms(void)
{
        struct timespec t;

        clock_gettime(CLOCK_MONOTONIC, &t);
        return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* As the daemon does: an event in each reply. */
static void reply(int fd, struct json_object *event, bool continues)
{
        struct json_object *parameters = json_object_new_object();
        _cleanup_json_ struct json_object *message = NULL;
        _cleanup_free_ char *text = NULL;
        size_t size;

        kt_json_add(parameters, "event", event);
        message = kt_wire_make_reply(parameters, continues);
        if (message && kt_wire_encode(message, '\0', &text, &size) >= 0)
                (void)kt_write_all(fd, text, size);
}

static void on_event(void *userdata, struct json_object *event)
{
        reply(*(const int *)userdata, event, true);
}

static void run(const struct test_cell *c, const struct host_test_limits *limits, int fd)
{
        _cleanup_(kt_error_done) struct kt_error err = KT_ERROR_INIT;
        _cleanup_free_ char *program = strchr(c->program->path, '/') ? strdup(c->program->path)
                                                                     : kt_format("./%s", c->program->path);
        _cleanup_json_ struct json_object *result = NULL;
        struct json_object *event = json_object_new_object(), *verdict = NULL;
        const int64_t workers = kt_json_int(c->test, "workers_per_cgroup", 0), began = now_ms();
        const struct host_body body = {.program = program,
                                       .test = test_cell_test(c),
                                       .duration_ms = limits->duration_ms,
                                       .timeout_ms = limits->timeout_ms,
                                       .workers = workers > 0 ? (unsigned)workers : 0,
                                       .seed = limits->seed >= 0 ? limits->seed : kt_random_seed(),
                                       .on_event = on_event,
                                       .userdata = &fd,
                                       .cancel_fd = fd};
        int r = program ? host_body_run(&body, &result, &err)
                        : kt_error_set(&err, -ENOMEM, KT_E_INTERNAL, "out of memory");

        /* Whoever cancelled does not listen any more. */
        if (r == -ECANCELED)
                return;
        if (r >= 0)
                r = host_verdict(result, &verdict, &err);
        if (r < 0)
                verdict = host_verdict_error(&err);
        kt_json_add_int(verdict, "seed", body.seed);
        kt_json_add_int(verdict, "elapsed_ms", now_ms() - began);
        kt_json_add_str(event, "kind", "verdict");
        kt_json_add_int(event, "elapsed_ms", now_ms() - began);
        kt_json_add(event, "verdict", verdict);
        reply(fd, event, false);
}

/* Nothing of ours stays open but the connection: to close another job's would no longer cancel it. */
static void lead(const struct test_cell *c, const struct host_test_limits *limits, int fd)
{
        if (dup2(fd, 3) < 0)
                _exit(1);
        (void)syscall(SYS_close_range, 4U, ~0U, 0);
        signal(SIGINT, SIG_IGN);
        signal(SIGTERM, SIG_IGN);
        run(c, limits, 3);
        _exit(0);
}

int host_test_start(const struct test_cell *c, const struct host_test_limits *limits, int *ret_fd,
                    struct kt_error *reterr)
{
        int pair[2];
        pid_t pid;

        fflush(NULL);
        if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
                return kt_error_set(reterr, -errno, KT_E_INTERNAL, "socketpair: %s", strerror(errno));
        pid = fork();
        if (pid < 0) {
                kt_error_set(reterr, -errno, KT_E_INTERNAL, "fork: %s", strerror(errno));
                close(pair[0]);
                close(pair[1]);
                return -EAGAIN;
        }
        /* Nobody's child: it ends when it does. */
        if (pid == 0) {
                if (fork() == 0)
                        lead(c, limits, pair[1]);
                _exit(0);
        }
        while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
                ;
        close(pair[1]);
        *ret_fd = pair[0];
        return 0;
}
