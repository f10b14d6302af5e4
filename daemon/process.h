/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * A child process, started through ktstrd-exec so that it dies with the daemon whatever happens to that. Its
 * standard input and output are /dev/null unless the params say otherwise; of its standard error the last
 * PROCESS_STDERR_MAX bytes are kept.
 *
 * on_exit comes exactly once for every process that was started, after the child was reaped, what it wrote
 * was read and the handles are closed; the process is freed when it returns.
 */

#include <stdbool.h>
#include <sys/types.h>
#include <uv.h>

#include "../common/error.h"

#define PROCESS_FIRST_FD 3 /* fds[0] of the params is this one in the child */
#define PROCESS_FDS_MAX 144
#define PROCESS_STDERR_MAX 16384U

struct process_user {
        uid_t uid;
        gid_t gid;
};

/* A line of standard output, without its end; a NUL follows its size bytes. Of one that is longer than
 * line_max the first line_max bytes, and cut, as soon as it is; its rest is dropped. The process may be
 * killed in it. */
typedef void (*process_line_cb)(void *userdata, const char *line, size_t size, bool cut);

struct process_params {
        const char *exec_helper;  /* ktstrd-exec */
        char *const *argv;        /* argv[0] is the program's path */
        char *const *prefix;      /* a program by its path, and arguments, that runs what follows them as
                                     itself, as systemd-run --scope does; NULL: none */
        char *const *environment; /* NAME=value, NULL-terminated, over the daemon's own; NULL: nothing */
        const struct process_user *user; /* becomes that one; NULL: stays what the daemon is */
        process_line_cb on_line;         /* NULL: standard output is /dev/null */
        size_t line_max;
        bool has_stdin;   /* process_write() will be called */
        bool idle;        /* SCHED_IDLE */
        bool whole_group; /* what is left of its process group when it has ended is killed */
        const int *fds;   /* inherited as PROCESS_FIRST_FD and up; borrowed for the call */
        size_t n_fds;
        int oom_score_adj; /* -1000 … 1000 */
        unsigned nice;     /* 0 … 19 */
};

struct process;

struct process_exit {
        int status;       /* exit code */
        int signal;       /* or the signal that ended it, else 0 */
        const char *text; /* what it wrote to standard error; borrowed for the call, never NULL */
};

/* On failure nothing is left but handles that close at the loop's next turn, and on_exit does not come. */
int process_start(uv_loop_t *loop, const struct process_params *params,
                  void (*on_exit)(void *userdata, const struct process_exit *how), void *userdata,
                  struct process **ret, struct kt_error *reterr);

/* Through uv_process_kill; harmless when it is gone already. */
void process_kill(struct process *p, int signal);

/* The same for its whole process group: it leads one. */
void process_kill_group(struct process *p, int signal);

/* To its standard input (has_stdin). What it does not read is dropped when it has gone. -ENOMEM, -EPIPE. */
int process_write(struct process *p, const char *text);
void process_close_stdin(struct process *p);

pid_t process_pid(const struct process *p);

/* What it wrote to standard error up to this moment. Borrowed until the loop's next turn, never NULL. */
const char *process_stderr(struct process *p);
