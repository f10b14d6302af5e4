/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "process.h"

#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../common/fsutil.h"
#include "../proto/errors.h"
#include "tail.h"

/* What a child whose children hold its pipe may still say when it has gone itself. */
#define DRAIN_MAX (16U * 1024U * 1024U)
#define LINES_READ_SIZE 65536U

/* Lines of standard output as they are put together. */
struct lines {
        process_line_cb on_line; /* NULL: there are none */
        char *text;              /* max bytes and a NUL */
        size_t size, max;
        bool skipping; /* what is left of a line that was cut */
        char *read_buffer;
};

struct process {
        uv_process_t handle;
        uv_pipe_t in, out, err;
        unsigned open_handles;
        bool started, exited, has_in, has_out, whole_group;
        struct tail text;
        struct lines lines;
        struct process_exit how;
        void (*on_exit)(void *userdata, const struct process_exit *how);
        void *userdata;
        char read_buffer[4096];
};

static void process_free(struct process *p)
{
        tail_done(&p->text);
        free(p->lines.text);
        free(p->lines.read_buffer);
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

static void close_handle(void *handle)
{
        if (!uv_is_closing(handle))
                uv_close(handle, on_closed);
}

static void close_handles(struct process *p)
{
        close_handle(&p->handle);
        close_handle(&p->err);
        if (p->has_in)
                close_handle(&p->in);
        if (p->has_out)
                close_handle(&p->out);
}

/* --- what it says --- */

static void tell_line(struct process *p, bool cut)
{
        struct lines *l = &p->lines;
        size_t size = l->size;

        l->text[size] = '\0';
        l->size = 0;
        l->skipping = cut;
        l->on_line(p->userdata, l->text, size, cut);
}

static void take_output(struct process *p, const char *data, size_t size)
{
        struct lines *l = &p->lines;

        while (size > 0) {
                const char *end = memchr(data, '\n', size);
                size_t n = end ? (size_t)(end - data) : size, room = l->max - l->size;

                if (!l->skipping) {
                        memcpy(l->text + l->size, data, n < room ? n : room);
                        l->size += n < room ? n : room;
                        if (n > room)
                                tell_line(p, true);
                        else if (end)
                                tell_line(p, false);
                }
                if (end)
                        l->skipping = false;
                data += n + (end != NULL);
                size -= n + (end != NULL);
        }
}

static void take_error(struct process *p, const char *data, size_t size)
{
        tail_add(&p->text, data, size);
}

/* The exit may be told before the last words are: a child that is gone leaves them in the pipe,
 * all of them. */
static void drain(struct process *p, uv_pipe_t *pipe, void (*take)(struct process *p, const char *, size_t))
{
        size_t drained = 0;
        uv_os_fd_t fd;
        ssize_t n;

        if (uv_is_closing((uv_handle_t *)pipe) || uv_fileno((uv_handle_t *)pipe, &fd) < 0)
                return;
        while (drained < DRAIN_MAX) {
                n = read(fd, p->read_buffer, sizeof(p->read_buffer));
                if (n < 0 && errno == EINTR)
                        continue;
                if (n <= 0)
                        return;
                take(p, p->read_buffer, (size_t)n);
                drained += (size_t)n;
        }
}

static void on_child_exit(uv_process_t *handle, int64_t status, int signal)
{
        struct process *p = handle->data;

        p->exited = true;
        p->how.status = (int)status;
        p->how.signal = signal;
        if (p->whole_group)
                (void)kill(-handle->pid, SIGKILL);
        drain(p, &p->err, take_error);
        if (p->has_out) {
                drain(p, &p->out, take_output);
                if (p->lines.size > 0)
                        tell_line(p, false);
        }
        close_handles(p);
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *ret)
{
        struct process *p = handle->data;

        *ret = handle == (uv_handle_t *)&p->out ? uv_buf_init(p->lines.read_buffer, LINES_READ_SIZE)
                                                : uv_buf_init(p->read_buffer, sizeof(p->read_buffer));
}

static void on_stderr(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
        if (n > 0)
                take_error(stream->data, buf->base, (size_t)n);
        else if (n < 0)
                uv_read_stop(stream);
}

static void on_stdout(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
        if (n > 0)
                take_output(stream->data, buf->base, (size_t)n);
        else if (n < 0)
                uv_read_stop(stream);
}

/* --- starting --- */

/* The helper and what it takes, in front of what it becomes. */
struct helper_numbers {
        char parent[24], oom[24], nice[24], descriptors[24], uid[24], gid[24];
};

#define HELPER_ARGS_MAX 9U

static size_t count(char *const *argv)
{
        size_t n = 0;

        while (argv && argv[n])
                n++;
        return n;
}

static void set_numbers(const struct process_params *params, struct helper_numbers *ret)
{
        snprintf(ret->parent, sizeof(ret->parent), "%d", (int)getpid());
        snprintf(ret->oom, sizeof(ret->oom), "%d", params->oom_score_adj);
        snprintf(ret->nice, sizeof(ret->nice), "%u", params->nice);
        snprintf(ret->descriptors, sizeof(ret->descriptors), "%zu", PROCESS_FIRST_FD + params->n_fds);
        if (params->user) {
                snprintf(ret->uid, sizeof(ret->uid), "%u", (unsigned)params->user->uid);
                snprintf(ret->gid, sizeof(ret->gid), "%u", (unsigned)params->user->gid);
        }
}

static size_t add_numbers(char **argv, struct helper_numbers *n)
{
        argv[0] = n->parent;
        argv[1] = n->oom;
        argv[2] = n->nice;
        argv[3] = n->descriptors;
        return 4;
}

/*
 * The helper twice when there is a prefix: that has to die with us too, and only behind it may the helper
 * become another user, who could not ask for a scope. All are one process. *ret is for free(), what it
 * points to is borrowed.
 */
static int make_argv(const struct process_params *params, struct helper_numbers *numbers, char ***ret)
{
        const size_t n_argv = count(params->argv), n_prefix = count(params->prefix);
        char **argv = calloc(2 * HELPER_ARGS_MAX + n_prefix + n_argv + 1, sizeof(char *));
        size_t n = 0;

        if (!argv)
                return -ENOMEM;
        set_numbers(params, numbers);
        if (n_prefix > 0) {
                argv[n++] = (char *)params->exec_helper;
                n += add_numbers(argv + n, numbers);
                memcpy(argv + n, params->prefix, n_prefix * sizeof(char *));
                n += n_prefix;
        }
        argv[n++] = (char *)params->exec_helper;
        if (params->idle)
                argv[n++] = (char *)"--idle";
        if (params->user) {
                argv[n++] = (char *)"--user";
                argv[n++] = numbers->uid;
                argv[n++] = numbers->gid;
        }
        n += add_numbers(argv + n, numbers);
        memcpy(argv + n, params->argv, n_argv * sizeof(char *));
        *ret = argv;
        return 0;
}

static bool is_replaced(const char *variable, char *const *by)
{
        size_t n = strcspn(variable, "=") + 1;

        for (; *by; by++)
                if (strncmp(variable, *by, n) == 0)
                        return true;
        return false;
}

/* *ret is for free(), what it points to is borrowed; NULL: the daemon's own will do. */
static int make_environment(const struct process_params *params, char ***ret)
{
        size_t n = 0;
        char **all;

        *ret = NULL;
        if (!params->environment)
                return 0;
        all = calloc(count(environ) + count(params->environment) + 1, sizeof(char *));
        if (!all)
                return -ENOMEM;
        for (char **v = environ; v && *v; v++)
                if (!is_replaced(*v, params->environment))
                        all[n++] = *v;
        memcpy(all + n, params->environment, count(params->environment) * sizeof(char *));
        *ret = all;
        return 0;
}

static int spawn(uv_loop_t *loop, struct process *p, const struct process_params *params)
{
        uv_stdio_container_t stdio[PROCESS_FIRST_FD + PROCESS_FDS_MAX] = {
                {.flags = UV_IGNORE},
                {.flags = UV_IGNORE},
                {.flags = UV_CREATE_PIPE | UV_WRITABLE_PIPE, .data.stream = (uv_stream_t *)&p->err},
        };
        _cleanup_free_ char **argv = NULL, **environment = NULL;
        struct helper_numbers numbers;
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
        if (p->has_in) {
                stdio[0].flags = UV_CREATE_PIPE | UV_READABLE_PIPE;
                stdio[0].data.stream = (uv_stream_t *)&p->in;
        }
        if (p->has_out) {
                stdio[1].flags = UV_CREATE_PIPE | UV_WRITABLE_PIPE;
                stdio[1].data.stream = (uv_stream_t *)&p->out;
        }
        r = make_argv(params, &numbers, &argv);
        if (r >= 0)
                r = make_environment(params, &environment);
        if (r < 0)
                return r;
        options.args = argv;
        options.env = environment;
        return uv_spawn(loop, &p->handle, &options);
}

static int lines_init(struct lines *l, const struct process_params *params)
{
        if (!params->on_line)
                return 0;
        l->on_line = params->on_line;
        l->max = params->line_max;
        l->text = malloc(l->max + 1);
        l->read_buffer = malloc(LINES_READ_SIZE);
        return l->text && l->read_buffer ? 0 : -ENOMEM;
}

static void init_pipe(uv_loop_t *loop, struct process *p, uv_pipe_t *pipe)
{
        uv_pipe_init(loop, pipe, 0);
        pipe->data = p;
        p->open_handles++;
}

int process_start(uv_loop_t *loop, const struct process_params *params,
                  void (*on_exit)(void *userdata, const struct process_exit *how), void *userdata,
                  struct process **ret, struct kt_error *reterr)
{
        struct process *p = calloc(1, sizeof(*p));
        int r;

        if (!p || tail_init(&p->text, PROCESS_STDERR_MAX) < 0 || lines_init(&p->lines, params) < 0) {
                if (p)
                        process_free(p);
                return kt_error_set(reterr, -ENOMEM, KT_E_INTERNAL, "out of memory: cannot start %s",
                                    params->argv[0]);
        }
        p->on_exit = on_exit;
        p->userdata = userdata;
        p->handle.data = p;
        p->open_handles = 1;
        p->whole_group = params->whole_group;
        p->has_in = params->has_stdin;
        p->has_out = params->on_line != NULL;
        init_pipe(loop, p, &p->err);
        if (p->has_in)
                init_pipe(loop, p, &p->in);
        if (p->has_out)
                init_pipe(loop, p, &p->out);
        r = spawn(loop, p, params);
        if (r < 0) {
                close_handles(p);
                return kt_error_set(reterr, r, KT_E_INTERNAL, "cannot start %s through %s: %s",
                                    params->argv[0], params->exec_helper, uv_strerror(r));
        }
        p->started = true;
        /* Only fails on a stream that is not one of ours; drain() reads it all in any case. */
        (void)uv_read_start((uv_stream_t *)&p->err, on_alloc, on_stderr);
        if (p->has_out)
                (void)uv_read_start((uv_stream_t *)&p->out, on_alloc, on_stdout);
        *ret = p;
        return 0;
}

void process_kill(struct process *p, int signal)
{
        if (!p->exited)
                (void)uv_process_kill(&p->handle, signal);
}

void process_kill_group(struct process *p, int signal)
{
        /* Before it leads one there is only itself. */
        if (!p->exited && kill(-p->handle.pid, signal) < 0)
                process_kill(p, signal);
}

struct write {
        uv_write_t request;
        char text[];
};

static void on_written(uv_write_t *request, int status)
{
        free(kt_container_of(request, struct write, request));
}

int process_write(struct process *p, const char *text)
{
        const size_t size = strlen(text);
        struct write *w;
        uv_buf_t buf;
        int r;

        if (!p->has_in || p->exited || uv_is_closing((uv_handle_t *)&p->in))
                return -EPIPE;
        w = malloc(sizeof(*w) + size);
        if (!w)
                return -ENOMEM;
        memcpy(w->text, text, size);
        buf = uv_buf_init(w->text, (unsigned)size);
        r = uv_write(&w->request, (uv_stream_t *)&p->in, &buf, 1, on_written);
        if (r < 0)
                free(w);
        return r;
}

void process_close_stdin(struct process *p)
{
        if (p->has_in)
                close_handle(&p->in);
}

pid_t process_pid(const struct process *p)
{
        return p->handle.pid;
}

const char *process_stderr(struct process *p)
{
        if (!p->exited)
                drain(p, &p->err, take_error);
        return tail_text(&p->text);
}
