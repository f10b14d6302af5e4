/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "process.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../common/fsutil.h"
#include "../proto/errors.h"
#include "tail.h"

struct process {
        uv_process_t handle;
        uv_pipe_t stderr_pipe;
        unsigned open_handles;
        bool started, exited;
        struct tail text;
        struct process_exit how;
        void (*on_exit)(void *userdata, const struct process_exit *how);
        void *userdata;
        char read_buffer[4096];
};

static void process_free(struct process *p)
{
        tail_done(&p->text);
        free(p);
}

static void on_closed(uv_handle_t *handle)
{
        struct process *p = handle->data;

        if (--p->open_handles > 0)
                return;
        if (p->started) {
                p->how.text = tail_text(&p->text);
                p->on_exit(p->userdata, &p->how);
        }
        process_free(p);
}

static void close_handles(struct process *p)
{
        uv_close((uv_handle_t *)&p->handle, on_closed);
        uv_close((uv_handle_t *)&p->stderr_pipe, on_closed);
}

/* The exit may be told before the last words are: a child that is gone leaves them in the pipe,
 * all of them. */
static void drain_stderr(struct process *p)
{
        uv_os_fd_t fd;
        ssize_t n;

        if (uv_fileno((uv_handle_t *)&p->stderr_pipe, &fd) < 0)
                return;
        for (;;) {
                n = read(fd, p->read_buffer, sizeof(p->read_buffer));
                if (n < 0 && errno == EINTR)
                        continue;
                if (n <= 0)
                        return;
                tail_add(&p->text, p->read_buffer, (size_t)n);
        }
}

static void on_child_exit(uv_process_t *handle, int64_t status, int signal)
{
        struct process *p = handle->data;

        p->exited = true;
        p->how.status = (int)status;
        p->how.signal = signal;
        drain_stderr(p);
        close_handles(p);
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *ret)
{
        struct process *p = handle->data;

        *ret = uv_buf_init(p->read_buffer, sizeof(p->read_buffer));
}

static void on_stderr(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
        struct process *p = stream->data;

        if (n > 0)
                tail_add(&p->text, buf->base, (size_t)n);
        else if (n < 0)
                uv_read_stop(stream);
}

/* The helper, what it takes, then the program and its arguments, which are borrowed. */
struct helper_argv {
        char parent[24], oom[24], nice[24], descriptors[24];
        char **argv;
};

static int make_argv(const struct process_params *params, struct helper_argv *ret)
{
        size_t n = 0;

        while (params->argv[n])
                n++;
        ret->argv = calloc(n + 6, sizeof(char *));
        if (!ret->argv)
                return -ENOMEM;
        snprintf(ret->parent, sizeof(ret->parent), "%d", (int)getpid());
        snprintf(ret->oom, sizeof(ret->oom), "%d", params->oom_score_adj);
        snprintf(ret->nice, sizeof(ret->nice), "%u", params->nice);
        snprintf(ret->descriptors, sizeof(ret->descriptors), "%zu", PROCESS_FIRST_FD + params->n_fds);
        ret->argv[0] = (char *)params->exec_helper;
        ret->argv[1] = ret->parent;
        ret->argv[2] = ret->oom;
        ret->argv[3] = ret->nice;
        ret->argv[4] = ret->descriptors;
        memcpy(ret->argv + 5, params->argv, n * sizeof(char *));
        return 0;
}

static int spawn(uv_loop_t *loop, struct process *p, const struct process_params *params)
{
        uv_stdio_container_t stdio[PROCESS_FIRST_FD + PROCESS_FDS_MAX] = {
                {.flags = UV_IGNORE},
                {.flags = UV_IGNORE},
                {.flags = UV_CREATE_PIPE | UV_WRITABLE_PIPE, .data.stream = (uv_stream_t *)&p->stderr_pipe},
        };
        struct helper_argv helper;
        uv_process_options_t options = {
                .exit_cb = on_child_exit,
                .file = params->exec_helper,
                .stdio = stdio,
                .stdio_count = PROCESS_FIRST_FD + (int)params->n_fds,
        };
        int r;

        assert(params->n_fds <= PROCESS_FDS_MAX);
        for (size_t i = 0; i < params->n_fds; i++) {
                stdio[PROCESS_FIRST_FD + i].flags = UV_INHERIT_FD;
                stdio[PROCESS_FIRST_FD + i].data.fd = params->fds[i];
        }
        r = make_argv(params, &helper);
        if (r < 0)
                return r;
        options.args = helper.argv;
        r = uv_spawn(loop, &p->handle, &options);
        free(helper.argv);
        return r;
}

int process_start(uv_loop_t *loop, const struct process_params *params,
                  void (*on_exit)(void *userdata, const struct process_exit *how), void *userdata,
                  struct process **ret, struct kt_error *reterr)
{
        struct process *p = calloc(1, sizeof(*p));
        int r;

        if (!p || tail_init(&p->text, PROCESS_STDERR_MAX) < 0) {
                free(p);
                return kt_error_set(reterr, -ENOMEM, KT_E_INTERNAL, "out of memory: cannot start %s",
                                    params->argv[0]);
        }
        p->on_exit = on_exit;
        p->userdata = userdata;
        p->handle.data = p->stderr_pipe.data = p;
        p->open_handles = 2;
        uv_pipe_init(loop, &p->stderr_pipe, 0);
        r = spawn(loop, p, params);
        if (r < 0) {
                close_handles(p);
                return kt_error_set(reterr, r, KT_E_INTERNAL, "cannot start %s through %s: %s",
                                    params->argv[0], params->exec_helper, uv_strerror(r));
        }
        p->started = true;
        /* Only fails on a stream that is not one of ours; drain_stderr() reads it all in any case. */
        (void)uv_read_start((uv_stream_t *)&p->stderr_pipe, on_alloc, on_stderr);
        *ret = p;
        return 0;
}

void process_kill(struct process *p, int signal)
{
        if (!p->exited)
                (void)uv_process_kill(&p->handle, signal);
}

pid_t process_pid(const struct process *p)
{
        return p->handle.pid;
}

const char *process_stderr(struct process *p)
{
        if (!p->exited)
                drain_stderr(p);
        return tail_text(&p->text);
}
